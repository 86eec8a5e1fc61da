"""From checked places to mentions: company for short names, masks, repeats of one entity, names inside names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from monitor.match.scan import Places

Place = tuple[int, int]
_NONE = frozenset[Place]()
_found = tuple.__new__
"""Makes a `Found` without a look at the names of its fields."""


class Surroundings(Protocol):
    """What is asked of one article. Positions are those of the folded text."""

    def word(self, position: int) -> int:
        """Number of the word at a position."""
        ...

    def around(self, place: Place, words: int) -> Place:
        """So many words before and behind a place, and the place itself."""
        ...

    def friends(self, leaves: frozenset[int], where: Place | None = None) -> Sequence[Place]:
        """The places of these friends: all of them, or at least those that touch a stretch of the text."""
        ...


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


class Found(NamedTuple):
    """The mentions of one entity in one article, in order."""

    places: list[Place]
    nested: frozenset[Place] = frozenset()


def resolve(
    watched: dict[int, Watched], shorts: dict[int, tuple[int, Company]], places: Places, article: Surroundings
) -> dict[int, Found]:
    """Mentions per entity leaf. `shorts` leads from the leaf of a short name to its entity and the company it needs."""
    full = {n: _unmasked(watched[n], places[n], places) for n in watched.keys() & places.keys()}
    found = {n: spans for n, spans in full.items() if spans}
    for short in shorts.keys() & places.keys():
        entity, company = shorts[short]
        # not `&`: a view of keys beside a frozenset walks through all of the frozenset, and some hold hundreds
        company_at = [p for other in company.entities.intersection(full) for p in full[other]]
        if company.leaves:
            company_at += [p for leaf in company.leaves.intersection(places) for p in places[leaf]]
        if not company_at and not company.friends:
            continue  # nearly all of the places that make a dated event
        spans = _accompanied(places[short], company_at, company, article)
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


def _accompanied(spans: list[Place], known: list[Place], company: Company, article: Surroundings) -> list[Place]:
    """Those spans that have company which is not made of their own letters; `known` is that which is no friend.

    Friends are looked for only where a span has no other company, and only as far away as they may stand.
    """
    reach = None if company.within is None else company.within + 1
    lonely = _lonely(spans, known, reach, article)
    if lonely and company.friends:
        if reach is None:
            lonely = _lonely(lonely, article.friends(company.friends), None, article)
        else:
            lonely = [
                place
                for place in lonely
                if _lonely([place], article.friends(company.friends, article.around(place, reach)), reach, article)
            ]
    return [place for place in spans if place not in lonely] if lonely else spans


def _lonely(spans: list[Place], company: Sequence[Place], reach: int | None, article: Surroundings) -> list[Place]:
    """Those spans that none of this company stands beside, at most `reach` words on."""
    if not company:
        return spans
    if reach is None:
        return [(start, end) for start, end in spans if not any(b <= start or end <= a for a, b in company)]
    word = article.word
    numbered = [(a, b, word(a), word(b - 1)) for a, b in company]
    found = []
    for start, end in spans:
        first, last = word(start), word(end - 1)
        for a, b, opens, closes in numbered:
            if opens - last <= reach >= first - closes and (b <= start or end <= a):
                break
        else:
            found.append((start, end))
    return found


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
    inner = _inner([place for spans in longest.values() for place in spans]) if len(longest) > 1 else None
    if not inner:
        return {n: _found(Found, (spans, _NONE)) for n, spans in longest.items()}
    return {n: _found(Found, (spans, inner.intersection(spans))) for n, spans in longest.items()}


def _inner(every: list[Place]) -> frozenset[Place]:
    """Those that lie inside a longer one; in most articles none does."""
    every.sort()
    reached = -1
    for start, end in every:
        if start < reached:
            break
        reached = end
    else:
        return frozenset()
    inner, reached = set[Place](), -1
    for start, negative in sorted({(start, -end) for start, end in every}):  # of those that begin together the longest
        if -negative <= reached:
            inner.add((start, -negative))
        else:
            reached = -negative
    return frozenset(inner)
