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
    full = {n: _unmasked(watched[n], places[n], places) for n in watched.keys() & places.keys()}
    found = {n: spans for n, spans in full.items() if spans}
    for short in shorts.keys() & places.keys():
        entity, company = shorts[short]
        # not `&`: a view of keys beside a frozenset walks through all of the frozenset, and some hold hundreds
        company_at = [p for leaf in company.leaves.intersection(places) for p in places[leaf]]
        company_at += [p for other in company.entities.intersection(full) for p in full[other]]
        if not company_at and not company.friends:
            continue  # nearly all of the places that make a dated event
        spans = _accompanied(places[short], company_at, company, friends, word)
        spans = _unmasked(watched[entity], spans, places)
        if spans:
            found[entity] = found.get(entity, []) + spans
    longest = {n: spans if len(spans) == 1 else _hulls(spans) for n, spans in found.items()}
    return _nested(longest)


def _unmasked(entity: Watched, spans: list[Place], places: Places) -> list[Place]:
    """Those spans that lie in no mask; a mask never touches anything outside itself."""
    if entity.mask is None or entity.mask not in places:
        return spans
    masks = places[entity.mask]
    return [(start, end) for start, end in spans if not any(a <= start and end <= b for a, b in masks)]


def _accompanied(
    spans: list[Place],
    known: list[Place],
    company: Company,
    friends: Callable[[int], list[Place]],
    word: Callable[[int], int],
) -> list[Place]:
    """Those spans that have company which is not made of their own letters; `known` is that which is no friend."""
    if company.within is None:
        return _somewhere(spans, known, company, friends)
    known += [p for friend in company.friends for p in friends(friend)]
    if not known:
        return known
    reach = company.within + 1
    numbered = [(a, b, word(a), word(b - 1)) for a, b in known]
    kept = []
    for start, end in spans:
        first, last = word(start), word(end - 1)
        for a, b, opens, closes in numbered:
            if opens - last <= reach >= first - closes and (b <= start or end <= a):
                kept.append((start, end))
                break
    return kept


def _somewhere(
    spans: list[Place], known: list[Place], company: Company, friends: Callable[[int], list[Place]]
) -> list[Place]:
    """Those spans that have company anywhere: friends are looked for only until each span has some."""
    lonely, more = spans, iter(company.friends)
    while True:
        lonely = [(start, end) for start, end in lonely if not any(b <= start or end <= a for a, b in known)]
        friend = next(more, None) if lonely else None
        if friend is None:
            return [place for place in spans if place not in lonely]
        known = friends(friend)


def _hulls(spans: list[Place]) -> list[Place]:
    """Overlapping spellings of one entity are one mention: Ayn el-Esed and el-Esed Üssü in Ayn el-Esed Üssü."""
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
