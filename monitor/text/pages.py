"""Faults of pages: the further spellings that scans and conversions make of a listed name, by data/pages.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise

from monitor.text.fold import words
from monitor.text.letters import CODES

_DATA = tomllib.loads(resources.files(__package__).joinpath("data/pages.toml").read_text(encoding="utf-8"))
_MISREAD = tuple((words(printed)[0], words(read)[0]) for printed, read, _ in _DATA["misread"])
_MISREAD_ENDS = tuple(printed for printed, _ in _MISREAD)
_MISREAD_LETTERS: int = _DATA["misread_letters"]
_DIGITS = frozenset(b"0123456789")
_FIRST, _LAST, _ = _DATA["lost_spaces"]
_PARTED = frozenset(code for char, code in CODES.items() if _FIRST <= char <= _LAST)
_JOINED = b"[" + re.escape(bytes(sorted(_PARTED))) + b"]"
_PRONE = re.compile(b"(?:%s)(?: |$)| [0-9]|%s %s" % (b"|".join(map(re.escape, _MISREAD_ENDS)), _JOINED, _JOINED))
"""What stands in every name that pages spoil, its words joined by spaces."""


def faults(tokens: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Further spellings of a folded name, each without the spelling itself; most names have none."""
    if not _PRONE.search(b" ".join(tokens)):
        return
    if sum(map(len, tokens)) >= _MISREAD_LETTERS:
        for number, token in enumerate(tokens):
            if token.endswith(_MISREAD_ENDS):
                yield from (
                    (*tokens[:number], token[: -len(printed)] + read, *tokens[number + 1 :])
                    for printed, read in _MISREAD
                    if token.endswith(printed)
                )
    for number, (first, second) in enumerate(pairwise(tokens)):
        if _loses_space(first, second, among=len(tokens)):
            yield (*tokens[:number], first + second, *tokens[number + 2 :])


def _loses_space(first: bytes, second: bytes, *, among: int) -> bool:
    """Whether the space between two of so many words is one that pages lose.

    They lose it before a number, and between words of joined letters.
    """
    if second[0] in _DIGITS:
        return first[-1] not in _DIGITS
    return among > 2 and first[-1] in _PARTED and second[0] in _PARTED
