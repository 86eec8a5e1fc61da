"""Text to the bytes that are searched, and the way back to the original letters.

One function serves matching, the index, queries and highlighting. Folding is the dearest part of the whole path below
10,000 names, so a batch of articles is folded in one numpy pass: table, context rules, deletions, runs of spaces.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor.text import letters
from monitor.text.letters import APOSTROPHE, DELETE, DOT, EXPAND, HAMZA_SEAT, SEGMENT, SPACE, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray

_SEPARATOR = "\uffff"
_BETWEEN = " \uffff "
_MOST_MARKS = 6
"""Marks and invisible signs behind one letter; real text has three at most, and a hostile one must not take longer."""
_LETTER = np.zeros(256, dtype=bool)
_LETTER[[code for char, code in letters.CODES.items() if char.isalpha()]] = True


@dataclass(frozen=True, slots=True)
class Folded:
    """One folded text. `data` is SEGMENT, SPACE, words parted by single spaces, SPACE, SEGMENT."""

    data: bytes
    origins: Array
    """For each byte the code point of the original text that it came from; one more entry for the end."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Half-open code points of the original text for half-open bytes of `data`."""
        return int(self.origins[start]), int(self.origins[end - 1]) + 1


def fold_batch(texts: Sequence[str]) -> tuple[bytes, Array]:
    """Fold many texts in one pass.

    Returns all of them joined (a SEGMENT byte before, between and after), and the positions of these SEGMENT bytes:
    text i lies strictly between bounds[i] and bounds[i + 1]. Each word has a space before and behind it.
    """
    joined = _joined(texts)
    codes = TABLE[_units(joined)]
    if (codes == EXPAND).any():
        joined = _joined([_expanded(text)[0] for text in texts])
        codes = TABLE[_units(joined)]
    _context(codes)
    kept = codes[codes != DELETE]
    kept = kept[_single_spaces(kept)]
    return kept.tobytes(), np.flatnonzero(kept == SEGMENT)


def fold(text: str) -> Folded:
    """Fold one text and remember where each byte came from. Gives the same bytes as fold_batch."""
    expanded, sources = _expanded(text)
    codes = TABLE[_units(_joined([expanded]))]
    _context(codes)
    where = np.flatnonzero(codes != DELETE)
    kept = codes[where]
    single = _single_spaces(kept)
    origins = np.minimum(np.maximum(where[single] - 2, 0), len(expanded))
    if sources is not None:
        origins = sources[origins]
    return Folded(kept[single].tobytes(), origins)


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the letters and marks at its edges that folding deletes: the ئ of ئێران, the ء of الخضراء."""
    while start > 0 and _dropped(text[start - 1]):
        start -= 1
    while end < len(text) and _dropped(text[end]):
        end += 1
    return start, end


def _dropped(char: str) -> bool:
    code = TABLE[ord(char)] if char <= _SEPARATOR else SPACE
    return bool(code in (DELETE, HAMZA_SEAT)) and unicodedata.category(char) != "Cf"


def words(text: str) -> list[bytes]:
    """The folded words of a text."""
    return fold_batch([text])[0].split()


def index_text(title: str, body: str) -> str:
    """What the store's index holds of an article: folded letters, words parted by single spaces."""
    return " ".join(letters.shown(fold_batch([title, body])[0]).split())


def _joined(texts: Sequence[str]) -> str:
    clean = [t.replace(_SEPARATOR, " ") if _SEPARATOR in t else t for t in texts]
    return f"{_SEPARATOR} {_BETWEEN.join(clean)} {_SEPARATOR}"


def _units(text: str) -> Array:
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype=np.uint16)


def _expanded(text: str) -> tuple[str, Array | None]:
    """The text with every letter of the exact path written out, and for each new letter its place in the original."""
    if not text or not (TABLE[_units(text)] == EXPAND).any():
        return text, None
    out: list[str] = []
    sources: list[int] = []
    for place, char in enumerate(text):
        if char > _SEPARATOR or TABLE[ord(char)] == EXPAND:
            new = "\ufffe" if "\ud800" <= char <= "\udfff" else letters.plain(char) or "\u200b"
        else:
            new = char
        out.append(new)
        sources.extend([place] * len(new))
    sources.append(len(text))
    return "".join(out), np.array(sources, dtype=np.int64)


def _context(codes: Array) -> None:
    """Resolve, in place, the three signs whose meaning hangs on their neighbours."""
    places = np.flatnonzero(codes == DOT)
    if places.size:
        # "U.S. forces" is "US forces": a dot between single letters is free, every other one parts words
        before, after = _beside(codes, places, -1), _beside(codes, places, 1)
        single = _LETTER[codes[before]] & _LETTER[codes[after]]
        single &= (codes[_beside(codes, before, -1)] <= DOT) & (codes[_beside(codes, after, 1)] <= DOT)
        codes[places] = np.where(single, DELETE, SPACE)
    places = np.flatnonzero(codes == APOSTROPHE)
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
