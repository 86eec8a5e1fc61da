"""Exceptions of folding: where two words become one, the letter that tells them apart, by data/exceptions.toml."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from importlib import resources

from monitor.text.fold import fold, widened, words

Mark = tuple[int, str, bool]
"""A place in the folded word, a letter in its small form, and whether the text must have this letter there or not."""


def marks(spelling: str, word: bytes) -> tuple[Mark, ...]:
    """What the text must have where a name of one word stands; () for nearly every name.

    `word` is the folded word as it is looked for: `spelling`, or what is left of it behind the Arabic article.
    """
    pairs = _pairs().get(word)
    if not pairs:
        return ()
    offset = fold(spelling).data.find(word)
    return tuple(
        (place, letter, letter == letter_at(spelling, *fold(spelling).original(offset + place, offset + place + 1)))
        for place, letter in pairs
    )


def letter_at(text: str, start: int, end: int) -> str:
    """The small letter, with its marks, at half-open code points of a text."""
    _, last = widened(text, start, end)
    return unicodedata.normalize("NFC", text[start:last]).casefold()[:1]  # a small İ is two signs


@cache
def _pairs() -> dict[bytes, tuple[tuple[int, str], ...]]:
    """Folded word -> (place, letter of the first word) wherever the two differ."""
    rows = tomllib.loads(resources.files(__package__).joinpath("data/exceptions.toml").read_text("utf-8"))["rows"]
    found: dict[bytes, tuple[tuple[int, str], ...]] = {}
    for word, other, _, _ in rows:
        ours, theirs = _letters(word), _letters(other)
        found[words(word)[0]] = tuple((n, a) for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    return found


def _letters(word: str) -> list[str]:
    folded = fold(word)
    first = folded.data.index(words(word)[0])
    return [letter_at(word, *folded.original(n, n + 1)) for n in range(first, first + len(words(word)[0]))]
