"""The alphabet of the search: one byte for each letter that counts, built once from data/letters.toml.

TABLE maps a UTF-16 unit to a byte. Below SPACE nothing is a letter:

    DELETE     marks, zero-width and bidi signs: the letter before and the letter after become neighbours
    EXPAND     one letter that becomes several, or a letter beyond the basic plane: the exact path of fold.py
    SEGMENT    U+FFFF, put between the fields of a batch of articles
    SPACE      everything that is neither letter nor digit
"""

from __future__ import annotations

import codecs
import tomllib
import unicodedata
from importlib import resources

import numpy as np

DELETE, EXPAND, SEGMENT, SPACE = 0, 1, 10, 32
TATWEEL, APOSTROPHE, HAMZA_SEAT, DOT = 38, 39, 40, 41
"""Four codes that fold.py resolves by their neighbours; none is left in folded text."""

_NAMED = "abcdefghijklmnopqrstuvwxyz0123456789"
_SCRIPTS = (
    "ابتثجحخدذرزسشصضطظعغفقكلمنهويپچژگ"  # Arabic, Persian, Sorani after letters.toml
    "αβγδεζηθικλμνξοπρςστυφχψω"
    "абвгдежзийклмнопрстуфхцчшщъыьэюяіѕ"
    "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
)
_UNKNOWN = "ʘ"
"""Stands for every letter of a script without codes of its own; such words are compared letter by letter."""

DATA = tomllib.loads(resources.files(__package__).joinpath("data/letters.toml").read_text(encoding="utf-8"))
_FREE = (*range(42, 48), *range(58, 97), *range(123, 256))
CODES: dict[str, int] = {c: ord(c) for c in _NAMED} | dict(zip(_SCRIPTS + _UNKNOWN, _FREE, strict=False))
UNKNOWN = CODES[_UNKNOWN]
_ROWS: dict[str, str] = {c: to for letters, to, _ in DATA["rows"] for c in letters}
_EXPAND: dict[str, str] = {c: to for letters, to, _ in DATA["expand"] for c in letters}
_LISTED = _ROWS.keys() | _EXPAND.keys()
SHARED: dict[str, str] = {c: letter for c, letter, _ in DATA["shared"]}
"""Letters that become several, the first of which may stand before them already."""

LATIN = bytes(range(CODES["a"], CODES["z"] + 1))
STRANGE = CODES["а"], CODES["ѕ"]
"""First and last code of the alphabet that holds the lookalikes of Latin letters."""
LOOKALIKES = bytes(CODES[c] for c, _, _ in DATA["lookalikes"])
LOOKED_LIKE = bytes.maketrans(LOOKALIKES, bytes(CODES[to] for _, to, _ in DATA["lookalikes"]))


def plain(char: str) -> str:
    """The letters of the search that one character becomes: "" if it is deleted, " " if it is no letter."""
    if char in _ROWS:
        return _ROWS[char]
    if char in _EXPAND:
        return _EXPAND[char]
    kind = unicodedata.category(char)
    if kind[0] == "M" or kind == "Cf":
        return ""
    if unicodedata.decomposition(char).startswith("<super>") and kind[0] == "N":
        return " "  # a footnote sign: "Sinjar²¹" is the word Sinjar
    out = "".join(_one(c) for c in unicodedata.normalize("NFKD", char))
    return out if out.strip() else out[:1]


def _one(char: str) -> str:
    """The same for one character that decomposition has already taken apart."""
    if char in _ROWS:
        return _ROWS[char]
    kind = unicodedata.category(char)
    if kind[0] == "M" or kind == "Cf":
        return ""
    if kind[0] == "N" and char.isdigit():
        return str(unicodedata.digit(char))
    if kind[0] not in "LN":
        return " "
    low = "".join(_ROWS.get(c, c) for c in char.lower() if unicodedata.category(c)[0] != "M")
    return "".join(c if c in CODES else _UNKNOWN for c in low)


def _code(char: str) -> int:
    """The code of what `plain` says; at each start asked of 18,000, most of which their kind alone decides."""
    if char not in _LISTED and not unicodedata.decomposition(char):
        kind = unicodedata.category(char)
        if kind[0] == "M" or kind == "Cf":
            return DELETE
        if kind[0] not in "LN":
            return SPACE
        if kind[0] == "L" and char not in CODES and char == char.lower():
            return UNKNOWN
    out = plain(char)
    if out == "":
        return DELETE
    if len(out) > 1:
        return EXPAND
    return CODES.get(out, SPACE)


def _table() -> np.ndarray:
    table = np.full(65_536, SPACE, dtype=np.uint8)
    table[0x3400:0xA000] = table[0xAC00:0xD7A4] = UNKNOWN  # Han and Hangul: 40,000 letters not worth a look each
    table[0xD800:0xE000] = EXPAND  # surrogates: a letter beyond the basic plane
    for start, end in ((0, 0x3400), (0xA000, 0xAC00), (0xF900, 0x10000)):
        table[start:end] = [_code(chr(c)) for c in range(start, end)]
    for char in DATA["apostrophes"]:
        table[ord(char)] = APOSTROPHE
    table[ord(DATA["hamza_seat"])] = HAMZA_SEAT
    table[ord(DATA["tatweel"])] = TATWEEL
    table[ord(".")] = DOT
    table[0xFFFF] = SEGMENT
    return table


TABLE = _table()
YEH = CODES["ي"]
HAMZA_VOWELS = np.zeros(256, dtype=bool)
HAMZA_VOWELS[[CODES[c] for c in DATA["hamza_vowels"]]] = True
_BY_CODE = {code: char for char, code in CODES.items()} | {SPACE: " ", SEGMENT: "\n"}
_DECODING = "".join(_BY_CODE.get(code, "\ufffd") for code in range(256))


def shown(folded: bytes) -> str:
    """Folded bytes as letters: what the store's index holds."""
    return codecs.charmap_decode(folded, "strict", _DECODING)[0]
