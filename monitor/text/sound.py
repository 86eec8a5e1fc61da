"""The sound of a name: the consonants that all its spellings share, and the check of the vowels between them.

Folding makes letters equal; this makes hands equal: Qais al-Khazali, Kays el-Hazali, Kais Khazaly. A text is brought to
its consonants in one pass (skeleton); a candidate is then compared sound by sound (agree).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

import numpy as np

from monitor.text.fold import words
from monitor.text.letters import CODES, SEGMENT, SPACE, TABLE

Array = np.ndarray

_DATA = tomllib.loads(resources.files(__package__).joinpath("data/sounds.toml").read_text(encoding="utf-8"))
ARTICLES = frozenset(w for article in _DATA["articles"] for w in words(article))
HEADS = frozenset(w for text in _DATA["heads"] for w in words(text))
_A, _E, _I, _U = 1, 2, 4, 8
_KINS = {"a": _A, "e": _E, "i": _I, "u": _U}
_H, _SILENT = CODES["h"], 1
"""_SILENT marks, in a copy of folded text, a letter that has no sound of its own."""


def _code(letter: str) -> int:
    return int(TABLE[ord(letter)])


_VOWELS = {_code(letter): _KINS[kin] for letters, kin, _ in _DATA["vowels"] for letter in letters}
_SOUNDS = {_code(c): ord(sound) for letters, sound, _ in (*_DATA["latin"], *_DATA["arabic"]) for c in letters}
_SOUNDING = bytes(_SOUNDS.get(code, code) for code in range(256))
_DROPPED = bytes(code for code in range(256) if code not in _SOUNDS and code not in (SPACE, SEGMENT))
_SOUND = bytes(0 if code in _DROPPED else _SOUNDING[code] for code in range(256))
_TRANSLATED = bytes(ord(_DATA["translated"].get(chr(code), chr(code))) for code in range(256))
_LATIN = frozenset(b"abcdefghijklmnopqrstuvwxyz")


def _before_h(pairs: list[str]) -> Array:
    mask = np.zeros(256, dtype=bool)
    mask[[_code(pair[0]) for pair in pairs]] = True
    return mask


_SHORT = 100
"""Below so many bytes, as in the names of a compilation, plain replacing is quicker than numpy."""
_SEGMENT = bytes([SEGMENT])
_DOUBLED = re.compile(rb"([^" + re.escape(_SEGMENT) + rb"])\1+", re.DOTALL)
_COLOURED, _SWALLOWED = _before_h(_DATA["coloured"]), _before_h(_DATA["swallowed"])

_UNHEARD = tuple(
    (b"".join(words(written)), bytes(_SILENT if sound == "." else _code(sound) for sound in heard))
    for written, heard, _ in _DATA["unheard"]
)
"""Letters of which some are not heard where they stand together."""
_HEARD = (
    *((bytes((_code(pair[0]), _H)), bytes((_code(pair[0]), _SILENT))) for pair in _DATA["coloured"]),
    *((bytes((_code(pair[0]), _H)), bytes((_SILENT, _H))) for pair in _DATA["swallowed"]),
    *((bytes((_H, end)), bytes((_SILENT, end))) for end in (SPACE, SEGMENT)),
)
"""The same for short texts: letters as written, and as heard."""


def skeleton(data: bytes) -> bytes:
    """The consonants of folded text, words parted by single spaces, no sound twice in a row."""
    heard = _voiced(data).translate(_SOUNDING, _DROPPED)
    if len(heard) < _SHORT:
        return undoubled(heard)
    sounds = np.frombuffer(heard, dtype=np.uint8)
    single = np.ones(len(sounds), dtype=bool)
    single[1:] = (sounds[1:] != sounds[:-1]) | (sounds[1:] == SEGMENT)
    return sounds[single].tobytes()


def undoubled(sounds: bytes) -> bytes:
    """No sound twice in a row: what becomes of sounds that are joined."""
    return _DOUBLED.sub(rb"\1", sounds)


def heard(data: bytes) -> tuple[bytes, memoryview]:
    """skeleton(data), and for each byte of it its place in `data`."""
    sounds = np.frombuffer(_voiced(data).translate(_SOUND), dtype=np.uint8)
    where = np.flatnonzero(sounds != 0)
    kept = sounds[where]
    single = np.ones(len(kept), dtype=bool)
    np.not_equal(kept[1:], kept[:-1], out=single[1:])
    single[1:] |= kept[1:] == SEGMENT
    return kept[single].tobytes(), where[single].data


def _voiced(data: bytes) -> bytes:
    """The text with every h that only colours its neighbour, every k that it swallows and the like made silent."""
    for written, heard in _UNHEARD:
        data = data.replace(written, heard)
    if data.find(_H, 1) < 0:  # most short names of a compilation
        return data
    if len(data) < _SHORT:
        for written, heard in _HEARD:
            data = data.replace(written, heard)
        return data
    codes = np.frombuffer(data, dtype=np.uint8)
    h = np.flatnonzero(codes == _H)
    h = h[h > 0]
    if not h.size:
        return data
    voiced = codes.copy()
    before = codes[h - 1]
    voiced[h[_COLOURED[before]]] = _SILENT
    voiced[h[_SWALLOWED[before]] - 1] = _SILENT
    voiced[h[codes[np.minimum(h + 1, len(codes) - 1)] <= SPACE]] = _SILENT  # Fatimah is Fatima
    return voiced.tobytes()


@lru_cache(maxsize=65_536)
def slots(word: bytes) -> tuple[tuple[int, int], ...]:
    """A folded word as (vowels before, consonant) pairs; the last pair has the consonant 0 and holds its ending."""
    found: list[tuple[int, int]] = []
    kin = 0
    for code in _voiced(b" " + word + b" ").strip():
        sound = _SOUNDS.get(code, 0)
        if not sound:
            kin |= _VOWELS.get(code, 0)
        elif kin or not found or found[-1][1] != sound:
            found.append((kin, sound))
            kin = 0
    return (*found, (kin, 0))


def is_latin(word: bytes) -> bool:
    """Whether a folded word is written in Latin letters."""
    return word[0] in _LATIN


def agree(word: bytes, name: bytes) -> bool:
    """Whether two folded words can be spellings of one: the same consonants, vowels that are kin.

    In Latin letters one vowel inside may be left unwritten (Muqtada, Muqtda), none at the edges: Baqer is not Baqeri.
    In Arabic letters any short vowel may, since Arabic leaves out what Sorani writes; but where both write vowels, both
    have a u or neither: دەرەوە is not دارایی. An i at the end is never left out: باقر is not باقری.
    """
    ours, theirs = slots(word), slots(name)
    if len(ours) != len(theirs) or any(s != t for (_, s), (_, t) in zip(ours, theirs, strict=True)):
        return False
    pairs = [(a, b) for (a, _), (b, _) in zip(ours, theirs, strict=True)]
    if not is_latin(name):
        if (pairs[-1][0] ^ pairs[-1][1]) & _I:
            return False
        return all(not a or not b or (a & b and a & _U == b & _U) for a, b in pairs)
    if any(bool(a) != bool(b) for a, b in (pairs[0], pairs[-1])):
        return False
    return sum(bool(a) != bool(b) for a, b in pairs) <= 1 and all(_kin(a, b) for a, b in pairs)


def _kin(a: int, b: int) -> bool:
    """Vowels of two Latin spellings: u is only u; a and i meet in e, and in ai or ei (Hussein, Husain)."""
    if (a & _U) != (b & _U):
        return False
    a, b = a & ~_U, b & ~_U
    if not a or not b:
        return True
    low, high = min(a, b), max(a, b)
    return not (low == _A and high & _I and not high & _E)


def kinships(words: Iterable[bytes]) -> list[bytes]:
    """Of each folded word its consonants without any h, alike for a Latin spelling and the Arabic name it writes."""
    sounds = skeleton(_SEGMENT.join((b"", *words))).translate(_TRANSLATED, b"hx")
    return undoubled(sounds).split(_SEGMENT)[1:]
