"""Text to the bytes that are searched, and the way back to the original letters.

One function serves matching, the index, queries and highlighting. Folding is the dearest part of the whole path below
10,000 names, so a batch of articles is folded in one numpy pass: table, context rules, deletions, runs of spaces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from monitor.text import letters
from monitor.text.letters import (
    APOSTROPHE,
    DELETE,
    DOT,
    EXPAND,
    HAMZA_SEAT,
    LATIN,
    LOOKALIKES,
    SEGMENT,
    SPACE,
    TABLE,
    TATWEEL,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray

_NAME = 200
"""No name is longer."""
_SEPARATOR = "\uffff"
_BETWEEN = " \uffff "
_MOST_MARKS = 6
"""Marks and invisible signs behind one letter; real text has three at most, and a hostile one must not take longer."""
DROPPED = frozenset(
    char
    for char in map(chr, np.flatnonzero((TABLE == DELETE) | (TABLE == HAMZA_SEAT)).tolist())
    if unicodedata.category(char) != "Cf"
)
"""Letters and marks that folding deletes."""
_BREAK = re.compile("[-\u2010\u00ad]\n+")
"""What parts a word at the end of a line: "Sin-", "jar"."""
_LINE_END = ord("\n")
_PARTING = np.zeros(65_536, dtype=bool)
_PARTING[[ord(sign) for sign in "-\u2010\u00ad"]] = True
_NO_LATIN = LOOKALIKES + b"0123456789"
_ONE_SCRIPT = LATIN + _NO_LATIN
_BESIDE_BREAK = 100
"""Letters on either side of a break within which a parted name lies."""
_LATIN = np.zeros(256, dtype=bool)
_LATIN[list(LATIN)] = True
_LETTER = np.zeros(256, dtype=bool)
_LETTER[[code for char, code in letters.CODES.items() if char.isalpha()]] = True


_SIGNS = bytes((EXPAND, SEGMENT, TATWEEL, APOSTROPHE, HAMZA_SEAT, DOT))
_HARD = re.compile(b"[%b%c-%c]" % (re.escape(_SIGNS), *letters.STRANGE))
"""Codes whose meaning hangs on their neighbours, or that become several."""
_GONE = bytes([DELETE])


class _Codes(dict[int, int]):
    """The folded code of each letter, looked up once: an array is not worth its start for a name."""

    def __missing__(self, letter: int) -> int:
        code = int(TABLE[letter]) if letter <= ord(_SEPARATOR) else EXPAND
        self[letter] = code
        return code


_CODES = _Codes()


class FoldedBatch:
    """Many folded texts in one piece: a SEGMENT byte before, between and after; each word between single spaces."""

    __slots__ = (
        "_apostrophes",
        "_kept",
        "_numbers",
        "_origins",
        "_signs",
        "_single",
        "_sources",
        "_starts",
        "bounds",
        "breaks",
        "data",
    )

    def __init__(self, texts: Sequence[str]) -> None:
        joined = _joined(texts)
        units = _units(joined)
        codes = TABLE[units]
        starts = _starts(codes)
        self._sources: dict[int, Array] = {}
        special = np.flatnonzero(codes == EXPAND)
        if special.size:
            numbers = sorted(set((np.searchsorted(starts, special, side="right") - 1).tolist()))
            written = {n: _expanded(texts[n]) for n in numbers}
            self._sources = {n: sources for n, (_, sources) in written.items()}
            texts = [written[n][0] if n in written else text for n, text in enumerate(texts)]
            joined = _joined(texts)
            units = _units(joined)
            codes = TABLE[units]
            starts = _starts(codes)
        self._starts: list[int] = starts.tolist()
        self._signs = _context(codes)
        self._apostrophes: frozenset[int] | None = None
        self._kept = codes != DELETE
        kept = codes[self._kept]
        self._single = _single_spaces(kept)
        kept = kept[self._single]
        self._origins: memoryview | None = None
        """A view and not an array: it gives single places as Python ints, without wrapping each."""
        self._numbers: memoryview | None = None
        self.data: bytes = _of_one_script(kept)
        self.bounds: list[int] = np.flatnonzero(kept == SEGMENT).tolist()
        """Places of the SEGMENT bytes: text i lies strictly between bounds[i] and bounds[i + 1]."""
        self.breaks: list[int] = self._broken(joined, units)
        """Places of the spaces in `data` that stand for a hyphen at the end of a line within a word."""

    def original(self, number: int, start: int, end: int) -> tuple[int, int]:
        """Half-open code points of text `number` for half-open places of `data` inside it."""
        origins, base = self._origins or self._ways_back(), self._starts[number]
        first, last = origins[start] - base, origins[end - 1] - base
        if first < 0:  # the space before the first letter
            first, last = 0, max(0, last)
        if self._sources:
            sources = self._sources.get(number)
            if sources is not None:
                most = len(sources) - 1
                return int(sources[min(first, most)]), int(sources[min(last, most)]) + 1
        return first, last + 1

    def word_numbers(self) -> memoryview:
        """For each place of `data` the number of the word there, counted through the whole batch."""
        if self._numbers is None:
            blank = np.frombuffer(self.data, dtype=np.uint8) == SPACE
            self._numbers = np.cumsum(blank, dtype=np.int64).data
        return self._numbers

    def apostrophes(self) -> frozenset[int]:
        """The places of `data` whose letter follows an apostrophe that folding took out."""
        if self._apostrophes is None:
            gone = self._signs[~self._kept[self._signs]]
            self._apostrophes = frozenset(np.searchsorted(self._ways_back(), gone).tolist())
        return self._apostrophes

    def rejoined(self, gap: int) -> tuple[bytes, int]:
        """The words beside a break with its two halves made one, and where in `data` these bytes begin."""
        start = self.data.rfind(b" ", 0, max(1, gap - _BESIDE_BREAK))
        start, end = max(start, 0), self.data.find(b" ", gap + _BESIDE_BREAK)
        return self.data[start:gap] + self.data[gap + 1 : end + 1 if end > 0 else len(self.data)], start

    def _ways_back(self) -> memoryview:
        if self._origins is None:  # most batches have a hit, and one pass for all is cheaper than a fold for each
            self._origins = np.flatnonzero(self._kept)[self._single].data
        return self._origins

    def _broken(self, joined: str, units: Array) -> list[int]:
        ends = np.flatnonzero(units == _LINE_END)
        found = (_BREAK.match(joined, place) for place in (ends[_PARTING[units[ends - 1]]] - 1).tolist())
        after = [m.end() for m in found if m and joined[m.start() - 1].isalpha() and joined[m.end()].isalpha()]
        gaps = (np.searchsorted(self._ways_back(), after) - 1).tolist() if after else []
        return [gap for gap in gaps if self.data[gap] == SPACE]


@dataclass(frozen=True, slots=True)
class Folded:
    """One folded text. `data` is SEGMENT, SPACE, words parted by single spaces, SPACE, SEGMENT."""

    batch: FoldedBatch

    @property
    def data(self) -> bytes:
        """The folded bytes."""
        return self.batch.data

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Half-open code points of the original text for half-open bytes of `data`."""
        return self.batch.original(0, start, end)


def fold_batch(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """Fold many texts in one pass: the bytes of a FoldedBatch and its bounds."""
    batch = FoldedBatch(texts)
    return batch.data, batch.bounds


def fold(text: str) -> Folded:
    """Fold one text and remember where each byte came from. Gives the same bytes as fold_batch."""
    return Folded(FoldedBatch([text]))


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the letters and marks at its edges that folding deletes: the ئ of ئێران, the ء of الخضراء."""
    if text.isascii():
        return start, end  # most texts: ASCII has none
    while start > 0 and text[start - 1] in DROPPED:
        start -= 1
    while end < len(text) and text[end] in DROPPED:
        end += 1
    return start, end


def words(text: str) -> list[bytes]:
    """The folded words of a text; a name whose letters need no look at their neighbours is folded letter by letter."""
    if len(text) <= _NAME:
        codes = text.translate(_CODES).encode("latin-1")
        if not _HARD.search(codes):
            return codes.translate(None, _GONE).split()
    return fold_batch([text])[0].split()


def index_text(title: str, body: str) -> str:
    """What the store's index holds of an article: folded letters, words parted by single spaces.

    Behind them stand, once more, the words around each word that a line's end has parted, with its halves made one.
    """
    batch = FoldedBatch([title, body])
    pieces = (batch.data, *(batch.rejoined(gap)[0] for gap in batch.breaks))
    return " ".join(word for piece in pieces for word in letters.shown(piece).split())


def _joined(texts: Sequence[str]) -> str:
    clean = [t.replace(_SEPARATOR, " ") if _SEPARATOR in t else t for t in texts]
    return f"{_SEPARATOR} {_BETWEEN.join(clean)} {_SEPARATOR}"


def _units(text: str) -> Array:
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype=np.uint16)


def _starts(codes: Array) -> Array:
    """Where each text begins in their joined form, in units: behind a separator and a space."""
    return np.flatnonzero(codes == SEGMENT) + 2


@lru_cache(maxsize=1_024)  # a text that has such a letter has it again and again
def _spelt_out(char: str) -> str:
    return "\ufffe" if "\ud800" <= char <= "\udfff" else letters.plain(char) or "\u200b"


def _expanded(text: str) -> tuple[str, Array]:
    """The text with every letter of the exact path written out, and for each new letter its place in the original."""
    out: list[str] = []
    sources: list[int] = []
    for place, char in enumerate(text):
        if char > _SEPARATOR or TABLE[ord(char)] == EXPAND:
            new = _spelt_out(char)
            if out and out[-1] == letters.SHARED.get(char):
                new = new[1:]
        else:
            new = char
        out.append(new)
        sources.extend([place] * len(new))
    sources.append(len(text))
    return "".join(out), np.array(sources, dtype=np.int64)


def _context(codes: Array) -> Array:
    """Resolve, in place, the four signs whose meaning hangs on their neighbours; give the places of apostrophes."""
    places = np.flatnonzero(codes == TATWEEL)
    if places.size:
        codes[places] = DELETE
        # it only stretches a word, but for one that Latin letters end: الـPKK
        parting = _LATIN[codes[_beside(codes, places, 1)]] & ~_LATIN[codes[_beside(codes, places, -1)]]
        codes[places[parting]] = SPACE
    places = np.flatnonzero(codes == DOT)
    if places.size:
        # "U.S. forces" is "US forces": a dot between single letters is free, every other one parts words
        before, after = _beside(codes, places, -1), _beside(codes, places, 1)
        single = _LETTER[codes[before]] & _LETTER[codes[after]]
        single &= (codes[_beside(codes, before, -1)] <= DOT) & (codes[_beside(codes, after, 1)] <= DOT)
        codes[places] = np.where(single, DELETE, SPACE)
    apostrophes = places = np.flatnonzero(codes == APOSTROPHE)
    if places.size:
        before, after = _beside(codes, places, -1), _beside(codes, places, 1)
        inside = (codes[before] > DOT) & (codes[after] > DOT)
        # "l'Iraq", "O'Brien": after a single letter the word begins anew, else the sign is free (Kata'ib = Kataib)
        inside &= codes[_beside(codes, before, -1)] > DOT
        codes[places] = np.where(inside, DELETE, SPACE)
    places = np.flatnonzero(codes == HAMZA_SEAT)
    if places.size:
        initial = (codes[_beside(codes, places, -1)] <= SPACE) & letters.HAMZA_VOWELS[codes[_beside(codes, places, 1)]]
        codes[places] = np.where(initial, DELETE, letters.YEH)
    return apostrophes


def _of_one_script(codes: Array) -> bytes:
    """The folded bytes, with the lookalikes of Latin letters made Latin: an article of Tehran Times had "Irаn" so."""
    data = codes.tobytes()
    first, last = letters.STRANGE
    strange = np.flatnonzero((codes >= first) & (codes <= last))
    if not strange.size:
        return data
    out, until = bytearray(data), -1
    for place in strange.tolist():
        if place < until:
            continue
        start, until = data.rfind(b" ", 0, place) + 1, data.find(b" ", place)
        word = data[start:until]
        if word.strip(_ONE_SCRIPT) == b"" and word.translate(None, _NO_LATIN):
            out[start:until] = word.translate(letters.LOOKED_LIKE)
    return bytes(out)


def _beside(codes: Array, places: Array, step: int) -> Array:
    """The next places, to the left (-1) or right (1), that hold a sign: marks that stand apart are passed over."""
    found = (places + step) % len(codes)  # beyond both ends lies the SEGMENT of the other
    for _ in range(_MOST_MARKS):
        gone = codes[found] == DELETE
        if not gone.any():
            break
        found = np.where(gone, found + step, found)
    return found


def _single_spaces(codes: Array) -> Array:
    """Mask that keeps one space of a run."""
    blank = codes == SPACE
    mask = ~blank
    mask[1:] |= ~blank[:-1]
    return np.asarray(mask)
