"""Which articles tell the same: near-duplicates by the smallest hashes of their word triples. Pure."""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import numpy as np

from monitor.model import Article
from monitor.text import SEGMENT, fold_batch

SIGNATURE = 24
"""Values kept per article: enough to tell half from little, few enough to be stored with each."""

READ_WORDS = 150
"""Syndicated copies begin alike; what follows later is the outlet's own background."""

SAME_TEXT = 0.5
"""Overlap from which two texts are one story: half of their word triples. An agency copy under a new headline keeps far
more of them, two reports of one event by different hands share few."""

COMPARED = 32
"""Of the articles that share a value with a new one so many newest are compared with it: thousands of texts that are
nearly equal would else be compared each with each. A copy has four values to be found by, and rarely are all common."""

SHARING_ONE = 4
"""Of those that share just one value so many newest: a copy shares several, a common phrase makes hundreds of such."""

_AT_ONCE = 50
"""Articles folded at once: few for the memory, many enough that the numpy passes are worth their start."""

_BETWEEN = bytes([SEGMENT])
"""What parts folded texts."""

_FEW = 6
"""Texts with fewer triples are compared as a whole: a headline alone proves little."""

Neighbour = tuple[str, str, tuple[int, ...]]
"""(article id, story id, signature)."""


def signature(title: str, text: str) -> tuple[int, ...]:
    """The smallest hashes of the word triples of an article, smallest first; one value for a very short one."""
    return signatures([(title, text)])[0]


def signatures(pairs: Sequence[tuple[str, str]]) -> list[tuple[int, ...]]:
    """The same for many pairs of title and text, which are folded together: a third of the time of one by one."""
    found: list[tuple[int, ...]] = []
    for first in range(0, len(pairs), _AT_ONCE):
        part = pairs[first : first + _AT_ONCE]
        folded = fold_batch([f"{title}\n{text[: READ_WORDS * 12]}" for title, text in part])[0]
        found += _signed([line.split()[:READ_WORDS] for line in folded.split(_BETWEEN)[1:-1]])
    return found


def _signed(texts: Sequence[list[bytes]]) -> list[tuple[int, ...]]:
    """One pass over the words of all texts; triples that reach from one text into the next are left out."""
    codes = np.array([zlib.crc32(word) for words in texts for word in words] or [0], dtype=np.uint64)
    mixed = codes[:-2] * np.uint64(0x9E3779B97F4A7C15) ^ codes[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= codes[2:] * np.uint64(0x165667B19E3779F9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed >>= np.uint64(2)  # 62 bits: SQLite integers have a sign
    values: list[int] = mixed.tolist()
    found: list[tuple[int, ...]] = []
    start = 0
    for words in texts:
        end = start + len(words)
        if len(words) < _FEW + 2:
            found.append((zlib.crc32(b" ".join(words)) << 20 | len(words),) if words else ())
        else:
            found.append(tuple(sorted(set(values[start : end - 2]))[:SIGNATURE]))
        start = end
    return found


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Estimated share of common word triples, 0 to 1: common values among the smallest of both together."""
    if not a or not b:
        return 0.0
    smallest = sorted({*a, *b})[: min(len(a), len(b), SIGNATURE)]
    return len({*smallest} & {*a} & {*b}) / len(smallest)


def stories(articles: Sequence[Article], near: Sequence[Sequence[Neighbour]]) -> list[str]:
    """The story of each article: that of the closest neighbour (stored, or earlier in the list), or its own id.

    Of those earlier in the list that share a leading value the last COMPARED count, as in Store.near.
    """
    placed: list[Neighbour] = []
    by_value: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=COMPARED))
    values: dict[str, frozenset[int]] = {}
    found = []
    for article, stored in zip(articles, near, strict=True):
        own = [placed[n] for n in sorted({n for v in article.signature[:4] for n in by_value[v]})]
        story = _closest(article, (*stored, *own), values) or article.id
        for value in article.signature[:4]:
            by_value[value].append(len(placed))
        placed.append((article.id, story, article.signature))
        found.append(story)
    return found


def _closest(article: Article, others: Iterable[Neighbour], values: dict[str, frozenset[int]]) -> str:
    """The story of the closest of these, of equally close ones the first, empty when none is near.

    `values` keeps the sets made on the way.
    """
    mine = frozenset(article.signature)
    found, best = "", 0.0
    for id_, story, other in others:
        if id_ == article.id:
            continue
        if id_ not in values:
            values[id_] = frozenset(other)
        # no overlap is larger; nearly all end here, before the values of both are sorted
        most = len(mine & values[id_]) / (min(len(article.signature), len(other), SIGNATURE) or 1)
        if most < SAME_TEXT or most <= best:
            continue
        share = overlap(article.signature, other)
        if share >= SAME_TEXT and share > best:
            found, best = story, share
    return found
