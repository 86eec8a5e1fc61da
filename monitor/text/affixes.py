"""What may be glued to a name: closed lists per language, read from data/affixes/*.toml and checked around a candidate.

Nothing is guessed: "Kurdistanê" is Kurdistan because ê stands in ku.toml, "Iraqî" is not Iraq because î does not.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from monitor.model import LANGUAGES
from monitor.text.fold import words
from monitor.text.letters import CODES

LEAST_LETTERS = 4
"""Shorter stems take no glued affix unless they have two words (TEXT.md): كتوم is not توم with a prefix."""

EVERY = frozenset(("", *LANGUAGES))
"""All languages, and no language: told by identity, `is EVERY`."""

_NOTHING = re.compile(b"")
_VOWELS = frozenset(CODES[c] for c in "اوهي")


@dataclass(frozen=True, slots=True)
class Affixes:
    """The affixes of one language, as folded bytes."""

    prefixes: frozenset[bytes] = frozenset()
    """Before a first word without the Arabic article."""
    article: frozenset[bytes] = frozenset()
    """The same with the article in it."""
    long_prefixes: frozenset[bytes] = frozenset()
    """Only before names of two words or more."""
    chain: re.Pattern[bytes] = _NOTHING
    """A suffix is a chain of at most one form per slot, in the order of the slots."""
    parted_chain: re.Pattern[bytes] = _NOTHING
    """The same after an apostrophe, where some more endings leave the name what it is."""
    apostrophe: frozenset[bytes] = frozenset()
    """Only after an apostrophe; every other suffix may follow one too."""
    after_vowel: frozenset[bytes] = frozenset()
    """Suffixes that a stem takes only when it ends in a vowel."""

    def takes_prefix(self, prefix: bytes, *, article: bool, long: bool) -> bool:
        """Whether these letters may stand before a stem; `article`: the name is listed with the Arabic article."""
        if prefix in self.article:
            return True
        return not article and (prefix in self.prefixes or (long and prefix in self.long_prefixes))

    def takes_suffix(self, stem_end: int, suffix: bytes, *, apostrophe: bool) -> bool:
        """Whether these letters may follow a stem whose last folded letter is `stem_end`."""
        if apostrophe and (suffix in self.apostrophe or self.parted_chain.fullmatch(suffix)):
            return True
        return (suffix not in self.after_vowel or stem_end in _VOWELS) and self.chain.fullmatch(suffix) is not None


@cache
def affixes(lang: str) -> Affixes:
    """The affixes of a language; an unknown one has none."""
    try:
        raw = tomllib.loads(resources.files(__package__).joinpath(f"data/affixes/{lang}.toml").read_text("utf-8"))
    except FileNotFoundError:
        return Affixes()
    slots = raw.get("slot", [])
    return Affixes(
        prefixes=_rows(raw.get("prefixes", [])),
        article=_rows(raw.get("article", [])),
        long_prefixes=_rows(raw.get("long_prefixes", [])),
        chain=_chain([_rows(slot["rows"]) for slot in slots if not slot.get("apostrophe")]),
        parted_chain=_chain([_rows(slot["rows"]) for slot in slots]),
        apostrophe=_rows(raw.get("apostrophe", [])),
        after_vowel=frozenset(w for slot in slots for w in words(slot.get("after_vowel", ""))),
    )


@cache
def all_prefixes() -> tuple[bytes, ...]:
    """Every prefix of every language: what an index has to be asked for beside the bare word."""
    found = map(affixes, LANGUAGES)
    return tuple(sorted(set().union(*(a.prefixes | a.article | a.long_prefixes for a in found))))


@lru_cache(maxsize=65_536)
def gluing_before(own: str, prefix: bytes, article: bool, long: bool) -> frozenset[str]:  # noqa: FBT001  # a key of the cache
    """The languages of an article in which these letters may stand glued before a name of the language `own`.

    EVERY when `own` itself allows it: then nobody need ask what language the paragraph is in.
    """
    if affixes(own).takes_prefix(prefix, article=article, long=long):
        return EVERY
    return frozenset(lang for lang in LANGUAGES if affixes(lang).takes_prefix(prefix, article=article, long=long))


@lru_cache(maxsize=262_144)  # the same few endings come again and again
def gluing_behind(own: str, stem_end: int, suffix: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """The same for letters behind a name whose last folded letter is `stem_end`: glued; and after an apostrophe.

    What may be glued may also follow an apostrophe, so the second set holds the first.
    """

    def langs(*, apostrophe: bool) -> frozenset[str]:
        taking = (x for x in (own, *LANGUAGES) if affixes(x).takes_suffix(stem_end, suffix, apostrophe=apostrophe))
        found = frozenset(taking)
        return EVERY if own in found else found

    return langs(apostrophe=False), langs(apostrophe=True)


def _rows(rows: list[Any]) -> frozenset[bytes]:
    """Rows of ["forms parted by spaces", "example"] as folded forms; a form may be empty."""
    return frozenset(form for forms, _ in rows for form in (words(forms) or [b""]))


def _chain(slots: list[frozenset[bytes]]) -> re.Pattern[bytes]:
    """Any chain of at most one form per slot; Turkish alone has 53,000 of them, so they are tried and not listed."""
    choices = (b"|".join(map(re.escape, sorted(filter(None, slot), key=len, reverse=True))) for slot in slots)
    return re.compile(b"".join(b"(?:%b)?" % forms for forms in choices if forms), re.DOTALL)
