"""What an edit of the watchlists can change: the names and rules it touches, and the articles that need a second look.

An article in which none of the differing spellings occurs, and nothing that a differing rule needs, is read by both
matchers alike. So one pass with an automaton of those spellings alone decides which articles are matched at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from monitor.match.matcher import BATCH, Matcher
from monitor.match.mentions import Watched
from monitor.match.scan import Scanner
from monitor.match.sounds import Sounding, Sounds
from monitor.match.vocabulary import Leaf, Use
from monitor.model import Article, Feed, Level
from monitor.query import ast
from monitor.query import evaluate as ev

Key = tuple[str, str | None, str | None]
"""(watchlist, rule or None, entity or None)."""

_Spelling = tuple[bytes, Leaf, Use]
_Sound = tuple[bytes, str, Sounding]
_T = TypeVar("_T")


class Difference:
    """What differs between two matchers."""

    def __init__(self, old: Matcher, new: Matcher) -> None:
        sides = _Side(old), _Side(new)
        before, after = sides
        spellings, sounds = before.spellings ^ after.spellings, before.sounds ^ after.sounds
        reorganised = _unlike(before.structures, after.structures)
        rules, levels = _unlike(before.rules, after.rules), _unlike(before.levels, after.levels)
        renamed = {leaf.name for _, leaf, _ in spellings if leaf.kind in {"entity", "short", "mask"}}
        renamed |= {name for _, name, _ in sounds}
        owned = {key for side in sides for key in side.levels if key[2] in reorganised | renamed}
        self.edited: frozenset[Key] = frozenset({*levels, *owned, *rules})
        """The rules and entities that the edit itself concerns."""
        self.levels: dict[Key, tuple[Level, Level]] = {
            key: (before.levels[key], after.levels[key])
            for key in levels
            if key in before.levels and key in after.levels
        }
        """Level before and after, of those in both that differ in it."""
        whole = {leaf for side in sides for rule in rules for leaf in side.needs(rule)}
        names = reorganised | {leaf.name for leaf in whole if leaf.kind == "entity"}
        for side in sides:
            spellings |= {s for s in side.spellings if s[1] in whole or (s[1].kind != "word" and s[1].name in names)}
            sounds |= {s for s in side.sounds if s[1] in names}
        self._scanner = _scanner(spellings, sounds)

    def touched(self, articles: Sequence[Article]) -> list[bool]:
        """Whether the two matchers may differ on an article; only title, text and language of it are read."""
        if self._scanner is None:
            return [False] * len(articles)
        found: list[bool] = []
        for first in range(0, len(articles), BATCH):
            found += [bool(places) for _, places in self._scanner.scan(articles[first : first + BATCH])]
        return found


class _Side:
    """One matcher in terms that can be compared: leaves by their names, not by their numbers."""

    def __init__(self, matcher: Matcher) -> None:
        names = self._names = matcher.vocabulary.leaves
        self.spellings: set[_Spelling] = {
            (pattern, names[use.leaf], replace(use, leaf=0))
            for pattern, uses in matcher.vocabulary.uses.items()
            for use in uses
        }
        self.sounds: set[_Sound] = {
            (pattern, names[row.leaf].name, replace(row, leaf=0)) for pattern, row in matcher.sounds.rows()
        }
        self.structures = {names[n].name: _structure(watched, names) for n, watched in matcher.watched.items()}
        self.rules: dict[Key, object] = {}
        self.levels: dict[Key, Level] = {(f.id, None, e.id): e.level or f.level for f, e in matcher.owners.values()}
        self._queries: dict[Key, ev.Bound] = {}
        for watch in matcher.rules:
            rule, key = watch.rule, (watch.file.id, watch.rule.id, None)
            limits = frozenset(rule.languages), frozenset(rule.sources_only), frozenset(rule.sources_never)
            self.rules[key] = _shape(watch.query, names, matcher.feeds), limits
            self.levels[key] = rule.level
            self._queries[key] = watch.query

    def needs(self, rule: Key) -> Iterable[Leaf]:
        """Leaves of which one must occur for a rule to fire; none when the rule is not here."""
        query = self._queries.get(rule)
        return [self._names[n] for n in ev.needed(query, {}) or ()] if query else []


def _unlike(one: Mapping[_T, object], other: Mapping[_T, object]) -> set[_T]:
    """Keys with another value on the other side, or none."""
    return {key for key in one.keys() | other.keys() if key not in one or key not in other or one[key] != other[key]}


def _structure(watched: Watched, names: Sequence[Leaf]) -> object:
    """What company each short name needs. A mask is told by its spellings: without its letters it changes nothing."""
    return frozenset(
        (names[leaf], frozenset(names[n] for n in (*company.leaves, *company.entities)), company.within)
        for leaf, company in watched.shorts
    )


def _shape(node: ev.Bound, names: Sequence[Leaf], feeds: Mapping[str, Feed]) -> tuple[object, ...]:
    """A query without the places at which it was written, with names instead of numbers."""

    def inner(part: ev.Bound) -> tuple[object, ...]:
        return _shape(part, names, feeds)

    kind = type(node).__name__
    match node:
        case ev.Leaves(leaves=leaves):
            return kind, frozenset(names[n] for n in leaves)
        case ev.All(parts=parts) | ev.Some(parts=parts):
            return kind, tuple(inner(p) for p in parts)
        case ev.Never(part=part):
            return kind, inner(part)
        case ev.Pair():
            return kind, inner(node.left), inner(node.right), node.within, node.ordered, node.negated
        case ev.Count(count=count, part=part):
            return kind, count, inner(part)
        case ev.Inside(field=field, part=part):
            return kind, field, inner(part)
        case ev.Limited(limit=limit):
            return kind, limit.name, limit.values, _meant(limit, feeds)


def _meant(limit: ast.Limit, feeds: Mapping[str, Feed]) -> frozenset[tuple[str, str | int]]:
    """What feeds.yaml says of a limit by country or tier."""
    if limit.name == "country":
        return frozenset((f.id, f.country) for f in feeds.values())
    return frozenset((f.id, f.tier) for f in feeds.values()) if limit.name == "tier" else frozenset()


def _scanner(spellings: Iterable[_Spelling], sounds: Iterable[_Sound]) -> Scanner | None:
    uses: dict[bytes, list[Use]] = defaultdict(list)
    for pattern, _, use in spellings:
        uses[pattern].append(use)
    rows: dict[bytes, list[Sounding]] = defaultdict(list)
    for pattern, _, row in sounds:
        rows[pattern].append(replace(row, leaf=1))
    return Scanner(uses, Sounds.of(rows)) if uses or rows else None
