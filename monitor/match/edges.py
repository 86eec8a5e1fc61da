"""Whether a candidate is a name or a word: what is glued to it, its case, its letters, the signs between its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from unicodedata import normalize

from monitor.match.article import Text
from monitor.match.sounds import Sounding
from monitor.match.vocabulary import ARTICLE, Use, in_capitals
from monitor.text import SPACE, widened
from monitor.text.affixes import EVERY, gluing_before, gluing_behind
from monitor.text.exceptions import Mark, letter_at
from monitor.text.letters import DATA
from monitor.text.sound import is_latin

_PARTED = re.compile(r"[^\w\s\u200c\u200d\u064b-\u0655" + re.escape(DATA["apostrophes"]) + r"-]|\n")
"""A sign between two words that belong to different names: "Israel. Salami"."""

_CASED = re.compile(r"[A-Za-z\u00c0-\u024f]")

_SHOUTED = 6
"""Letters beside a name that, all in capitals, make a field a headline of capitals."""

_BY_EAR = frozenset({"ckb", "fa"})
"""Languages of Arabic script that write foreign names as they sound."""

_DIGITS = frozenset(b"0123456789")


class Asks(Enum):
    """What has still to be asked of a text before a name with letters glued to it is one."""

    NEVER = auto()
    """It is none."""
    NOTHING = auto()
    JOINED = auto()
    """Whether no apostrophe parts the name before its last letter."""
    PARTED = auto()
    """Whether an apostrophe parts the name from the letters behind it."""
    ALL = auto()


def glues(use: Use, prefix: bytes, suffix: bytes, last: int, lang: str | None) -> Asks | None:
    """What else decides whether these letters may be glued to a name that ends in `last`; None: the language."""
    if prefix or use.article:
        langs = gluing_before(use.lang, prefix, use.article, use.words > 1)
        if not langs or not use.affixed or not (use.long or use.star):
            return Asks.NEVER
        if langs is not EVERY and lang not in langs:
            return None if lang is None else Asks.NEVER
    more = use.exact or use.capitals or use.close or use.unknown or use.marked
    if not suffix or use.star:
        return Asks.ALL if more else Asks.NOTHING
    glued, parted = gluing_behind(use.lang, last, suffix)
    if not use.affixed or not parted:  # the second set holds the first
        footnote = use.affixed and suffix.isdigit() and last not in _DIGITS
        return Asks.NEVER if not footnote else Asks.ALL if more else Asks.NOTHING
    if lang is None and (parted is not EVERY or (glued is not EVERY and glued)):
        return None
    joined = glued is EVERY or lang in glued
    if not joined and parted is not EVERY and lang not in parted:
        return Asks.NEVER
    if more or (joined and not use.long):
        return Asks.ALL
    return Asks.JOINED if joined else Asks.PARTED


def stands(text: Text, use: Use, prefix: bytes, suffix: bytes, start: int, end: int) -> bool:  # one row of the scan
    """Whether a candidate is a whole word but for what is glued to it, which its language must allow."""
    if suffix and not use.star and not _suffixed(text, use, suffix, start, end):
        return False
    if (prefix or use.article) and not _prefixed(text, use, prefix, start):
        return False
    if (use.exact or use.capitals) and not _in_capitals(text, use, start, end):
        return False
    if use.close and signs_part(text, start, end):
        return False
    if use.unknown and not _same_letters(text, use.unknown, start, end):
        return False
    return not use.marked or _marked(text, use.marked, start)


def _marked(text: Text, marked: Sequence[Mark], start: int) -> bool:
    """Whether the text has the letters by which folding's exceptions tell this word from another: سلێمانی, سلیمانی."""
    for place, letter, same in marked:
        field, first, last = text.original(start + place, start + place + 1)
        if (letter_at(text.letters(field), first, last) == letter) is not same:
            return False
    return True


def _prefixed(text: Text, use: Use, prefix: bytes, start: int) -> bool:
    if not use.affixed or not (use.long or use.star):
        return False
    langs = gluing_before(use.lang, prefix, use.article, use.words > 1)
    return langs is EVERY or (bool(langs) and text.lang(start) in langs)


def _suffixed(text: Text, use: Use, suffix: bytes, start: int, end: int) -> bool:
    if not use.affixed:
        return False
    last = text.data[end - 1]
    glued, parted = gluing_behind(use.lang, last, suffix)
    if not parted:  # it holds all of the others
        return suffix.isdigit() and last not in _DIGITS  # the number of a footnote, glued by a page: Sinjar21
    if glued and (glued is EVERY or text.lang(start) in glued):
        if use.long:
            return not text.apostrophe_at(end - 1)  # "Libya'nın" is Libya, and not "Libyan" with an ending
        if _acronym(text, start, end):
            return True
    return text.apostrophe_at(end) and (parted is EVERY or text.lang(start) in parted)


def _acronym(text: Text, start: int, end: int) -> bool:
    """Whether capitals stand before small letters: "PKKê", where a short name takes a glued ending after all."""
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    return letters[first:last].isupper() and letters[last : last + 1].islower()


def _in_capitals(text: Text, use: Use, start: int, end: int) -> bool:
    """Whether the letters are those of the name, in its case; a headline of capitals alone proves no case."""
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    found = letters[first:last]
    if use.exact and not _same(letters, first, last, use.exact):
        return False
    if use.capitals and not in_capitals(found):
        return False
    if not found.isupper() or "." in found or use.words > 1:
        return True
    if not letters.isupper():
        return True
    return len(_CASED.findall(letters)) - len(found) < _SHOUTED


def _same_letters(text: Text, letters: str, start: int, end: int) -> bool:
    """Whether a candidate of a script without codes has these letters, in any case."""
    field, first, last = text.original(start, end)
    return _same(text.letters(field), first, last, letters, fold_case=True)


def _same(text: str, first: int, last: int, letters: str, *, fold_case: bool = False) -> bool:
    found = text[first:last]
    if not fold_case and found != letters and found.isascii() and letters.isascii():
        # "us" where "US" is asked for: by far the most; folding takes the points out of "U.S."
        return found.replace(".", "") == letters.replace(".", "")
    begin, stop = widened(text, first, last)  # folding drops the ء of الخضراء
    found, wanted = normalize("NFC", text[begin:stop]), normalize("NFC", letters)
    return found.casefold() == wanted.casefold() if fold_case else found == wanted


def sounds_there(text: Text, name: Sounding, start: int, end: int) -> bool:
    """Whether a name that agrees in sound is one here: its ending, its capital, no sign that parts its words."""
    suffix = ending(text.data, end)
    if suffix and not _suffixed(text, Use(leaf=name.leaf, lang=name.lang, long=True), suffix, start, end):
        return False
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    if _PARTED.search(letters, first, last):
        return False
    if not is_latin(name.bare):
        return text.lang(start) == "ckb"
    if not is_latin(text.data[start : start + 1]):  # سيرة الإسلام is not Saraya al-Salam, but جۆ بایدەن is Joe Biden
        return text.lang(start) in _BY_EAR
    return not letters[first].islower() or letters.islower()


def signs_part(text: Text, start: int, end: int) -> bool:
    """Whether a sign stands between words that were found as one name."""
    field, first, last = text.original(start, end)
    return _PARTED.search(text.letters(field), first, last) is not None


def hull(use: Use, prefix: bytes, suffix: bytes, first: int, end: int) -> tuple[int, int]:
    """A place with the article before it, and with the ending of a word that takes any."""
    return first - 2 if prefix.endswith(ARTICLE) else first, end + len(suffix) if use.star else end


def ending(data: bytes, end: int) -> bytes:
    """What goes on in the word behind a candidate."""
    return data[end : data.find(b" ", end)] if data[end] > SPACE else b""
