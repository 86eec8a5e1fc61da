"""From checked places to mentions: company for short names, masks, repeats of one entity, names inside names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.match.scan import Places

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Company:
    """What a short name needs beside it."""

    leaves: frozenset[int]
    """Word lists."""
    friends: frozenset[int]
    """Words and names of its own, looked for when somebody asks."""
    entities: frozenset[int]
    """Full mentions of other entities."""
    within: int | None
    """Words strictly between; None means anywhere in the article."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The leaves of one entity."""

    number: int
    shorts: tuple[tuple[int, Company], ...] = ()
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The mentions of one entity in one article, in order."""

    places: list[Place]
    nested: frozenset[Place] = frozenset()


def resolve(
    watched: dict[int, Watched],
    shorts: dict[int, tuple[int, Company]],
    places: Places,
    word: Callable[[int], int],
    friends: Callable[[int], list[Place]],
) -> dict[int, Found]:
    """Mentions per entity leaf. `word` numbers the words of the article, `friends` finds the places of a friend.

    `shorts` leads from the leaf of a short name to its entity and the company it needs.
    """
    present = watched.keys() & places.keys()
    full = {n: _unmasked(watched[n], places[n], places) for n in present}
    found = {n: spans for n, spans in full.items() if spans}
    for short in shorts.keys() & places.keys():
        entity, company = shorts[short]
        company_at = [p for leaf in company.leaves & places.keys() for p in places[leaf]]
        company_at += [p for other in company.entities & full.keys() for p in full[other]]
        company_at += [p for friend in company.friends for p in friends(friend)]
        spans = _accompanied(places[short], company_at, company.within, word) if company_at else []
        spans = _unmasked(watched[entity], spans, places)
        if spans:
            found[entity] = found.get(entity, []) + spans
    longest = {n: _hulls(spans) for n, spans in found.items()}
    return _nested(longest)


def _unmasked(entity: Watched, spans: list[Place], places: Places) -> list[Place]:
    """Those spans that lie in no mask; a mask never touches anything outside itself."""
    if entity.mask is None or entity.mask not in places:
        return spans
    masks = places[entity.mask]
    return [
        (start, end)
        for start, end in spans
        if not any(a <= start and end <= b and b - a > end - start for a, b in masks)
    ]


def _accompanied(
    spans: list[Place], company: list[Place], within: int | None, word: Callable[[int], int]
) -> list[Place]:
    """Those spans that have company which is not made of their own letters."""
    if within is None:
        return [(start, end) for start, end in spans if any(b <= start or end <= a for a, b in company)]
    reach = within + 1
    numbered = [(a, b, word(a), word(b - 1)) for a, b in company]
    kept = []
    for start, end in spans:
        first, last = word(start), word(end - 1)
        if any(
            opens - last <= reach >= first - closes and (b <= start or end <= a) for a, b, opens, closes in numbered
        ):
            kept.append((start, end))
    return kept


def _hulls(spans: list[Place]) -> list[Place]:
    """Overlapping spellings of one entity are one mention: Ayn el-Esed and el-Esed Üssü in Ayn el-Esed Üssü."""
    if len(spans) == 1:
        return spans
    kept: list[Place] = []
    reached = -1
    for start, end in sorted(spans):
        if start < reached:
            reached = max(end, reached)
            kept[-1] = kept[-1][0], reached
        else:
            kept.append((start, end))
            reached = end
    return kept


def _nested(longest: dict[int, list[Place]]) -> dict[int, Found]:
    """Flag every mention that lies inside a longer mention of another entity."""
    if len(longest) < 2:
        return {n: Found(spans) for n, spans in longest.items()}
    every = sorted({(start, -end) for spans in longest.values() for start, end in spans})
    inner, reached = set(), -1
    for start, negative in every:  # of those that begin together the longest comes first
        if -negative <= reached:
            inner.add((start, -negative))
        else:
            reached = -negative
    if not inner:
        return {n: Found(spans) for n, spans in longest.items()}
    return {n: Found(spans, frozenset(inner.intersection(spans))) for n, spans in longest.items()}
