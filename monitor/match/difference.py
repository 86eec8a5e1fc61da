"""What an edit of the watchlists can change: the names and rules it touches, and the articles that need a second look.

An article in which none of the differing spellings occurs, and nothing that a differing rule needs, is read by both
matchers alike. So one pass with an automaton of those spellings alone decides which articles are matched at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, lru_cache
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from monitor.match.compile import compile_query
from monitor.match.matcher import BATCH, Matcher, Watch
from monitor.match.mentions import Watched
from monitor.match.patterns import Patterns
from monitor.match.scan import Scanner
from monitor.match.sounds import Sounding, Sounds
from monitor.match.vocabulary import Leaf, Use
from monitor.model import Article, Feed, Level
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.query.gates import leaves_of
from monitor.query.parse import parse
from monitor.watchlists import Mark, WatchlistFile

Key = tuple[str, str | None, str | None]
"""(watchlist, rule or None, entity or None)."""

_Facts = tuple[Any, ...]
_Spelling = tuple[bytes, Leaf, _Facts]
"""Pattern, leaf, and what else is known of the use."""
_Sound = tuple[bytes, str, _Facts]
_Structure = frozenset[tuple[Leaf, frozenset[Leaf], int | None]]
_T = TypeVar("_T")

_of_use: Callable[[Use], _Facts] = itemgetter(slice(1, None))
_of_sounding: Callable[[Sounding], _Facts] = attrgetter(*[f.name for f in fields(Sounding)][1:])
"""All but the number of the leaf, which comes first: cheaper than a copy with another number."""


Clauses = tuple[frozenset[int], ...]
"""Sets of numbers of leaves; of each set one has to occur."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What an article must hold, or it is read alike before and after the edit."""

    spellings: tuple[tuple[bytes, Use], ...]
    """With leaves of its own numbers."""
    sounds: tuple[tuple[bytes, Sounding], ...]
    needs: frozenset[Clauses]
    """One of these must be met whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between two matchers. Can be pickled: a child that tries a piece need not compile to know it."""

    edited: frozenset[Key]
    """The rules and entities that the edit itself concerns."""
    levels: Mapping[Key, tuple[Level, Level]] = field(hash=False)
    """Level before and after, of those in both that differ in it."""
    rules: frozenset[Key]
    """Rules that may fire elsewhere than before."""
    whole: frozenset[Key]
    """Those among them of which every article that they hit is touched: their own text differs."""
    named: bool
    """Whether entities may be mentioned elsewhere than before, too."""
    sought: Sought

    def touched(self, articles: Sequence[Article]) -> list[bool]:
        """Whether the two matchers may differ on an article; only title, text and language of it are read."""
        scanner = _scanner(self.sought)
        if scanner is None:
            return [False] * len(articles)
        found: list[bool] = []
        for first in range(0, len(articles), BATCH):
            for _, places in scanner.scan(articles[first : first + BATCH]):
                met = places.keys()
                found.append(bool(met) and any(all(c & met for c in clauses) for clauses in self.sought.needs))
        return found


def difference(old: Matcher, new: Matcher, *, names: bool = True) -> Difference:
    """Compare two matchers; `names` False says that both were made of some rules, of the same entities and words."""
    sides = before, after = _Side(old), _Side(new)
    spellings = before.spellings ^ after.spellings if names else set()
    sounds = before.sounds ^ after.sounds if names else set()
    reorganised = _unlike(before.structures, after.structures) if names else set()
    texts = _unlike(before.rules, after.rules)
    levels = {key for key in _unlike(before.levels, after.levels) if names or key[1]}
    moved = {key[2] for key in levels if key[2] and not (key in before.levels and key in after.levels)}
    leaves = {leaf for _, leaf, _ in spellings}
    renamed = {leaf.name for leaf in leaves if leaf.kind in {"entity", "short", "mask"}}
    renamed |= {name for _, name, _ in sounds}
    named = _with_dependants(reorganised | renamed | moved, leaves, sides)
    rules = texts | {key for side in sides for key in side.asking(leaves, named)}
    sought = _Seeking()
    sought.differing(spellings, sounds)
    for side in sides:
        for clauses in [*map(side.clauses, texts), *([frozenset({Leaf("entity", e)})] for e in reorganised | moved)]:
            sought.add(side, clauses)
    owned = {key for side in sides for key in side.levels if key[2] in reorganised | renamed}
    return Difference(
        edited=frozenset({*levels, *owned, *texts}),
        levels={k: (before.levels[k], after.levels[k]) for k in levels if k in before.levels and k in after.levels},
        rules=frozenset(rules),
        whole=frozenset(texts),
        named=bool(named),
        sought=sought.done(),
    )


class _Seeking:
    """Collects what articles are asked for; leaves are numbered anew, all spellings of an entity as one."""

    def __init__(self) -> None:
        self._numbers: dict[Leaf, int] = {}
        self._spellings: set[tuple[bytes, Use]] = set()
        self._sounds: set[tuple[bytes, Sounding]] = set()
        self._needs: set[Clauses] = set()

    def differing(self, spellings: Iterable[_Spelling], sounds: Iterable[_Sound]) -> None:
        """Any of these that one side has and the other has not."""
        self._spellings |= {(pattern, Use(0, *facts)) for pattern, _, facts in spellings}
        self._sounds |= {(pattern, Sounding(0, *facts)) for pattern, _, facts in sounds}
        self._needs.add((frozenset({0}),))

    def add(self, side: _Side, clauses: Sequence[frozenset[Leaf]]) -> None:
        """What a rule needs, by all spellings that a side knows of it."""
        if not clauses:
            return
        leaves = frozenset().union(*clauses)
        names = {leaf.name for leaf in leaves if leaf.kind == "entity"}
        for leaf in leaves:
            number = self._number(leaf)
            self._spellings.update((pattern, Use(number, *facts)) for pattern, facts in side.written[leaf])
        for name in names:
            number = self._number(Leaf("entity", name))
            self._sounds.update((pattern, Sounding(number, *facts)) for pattern, facts in side.heard[name])
        self._needs.add(tuple(frozenset(map(self._number, clause)) for clause in clauses))

    def done(self) -> Sought:
        """All that was collected."""
        return Sought(tuple(self._spellings), tuple(self._sounds), frozenset(self._needs))

    def _number(self, leaf: Leaf) -> int:
        return self._numbers.setdefault(leaf, len(self._numbers) + 1)


def rules_alone(old: Sequence[WatchlistFile], new: Sequence[WatchlistFile]) -> frozenset[Key] | None:
    """The rules that differ, when nothing else does but places in the files; else None."""
    before, after = {f.id: f for f in old}, {f.id: f for f in new}
    if before.keys() != after.keys():
        return None
    changed: set[Key] = set()
    for name, one in before.items():
        other = after[name]
        if one.source != other.source:
            watched = [(f.level, _plain(f.entities), _plain(f.words)) for f in (one, other)]
            if watched[0] != watched[1]:
                return None
            rules: list[dict[Key, object]] = [{(name, r.id, None): _plain(r) for r in f.rules} for f in (one, other)]
            changed |= _unlike(*rules)
    return frozenset(changed)


def only(files: Sequence[WatchlistFile], feeds: Sequence[Feed], rules: Collection[Key]) -> Matcher:
    """A matcher of these rules alone, which looks for nothing but what they name.

    Mentions that it tells are those of entities that a rule names, and others may hide them: not to be counted.
    """
    chosen = [(file, rule) for file in files for rule in file.rules if (file.id, rule.id, None) in rules]
    if not chosen:
        return compile_query(ast.Or(parts=(), start=0, end=0), "", files, feeds)[0]
    nodes = tuple(parse(rule.query, search=False) for _, rule in chosen)
    made, bound = compile_query(ast.Or(parts=nodes, start=0, end=0), "", files, feeds)
    assert isinstance(bound, ev.Some)
    watches = [Watch(file, rule, query) for (file, rule), query in zip(chosen, bound.parts, strict=True)]
    return Matcher(made.vocabulary, made.watched, made.owners, watches, files, feeds, sounds=lambda: made.sounds)


def _plain(value: Any) -> Any:
    """The same without the places at which it was written."""
    if isinstance(value, Mark):
        return None
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if is_dataclass(value):
        return tuple(_plain(getattr(value, f.name)) for f in fields(value))
    return value


class _Side:
    """One matcher in terms that can be compared: leaves by their names, not by their numbers."""

    def __init__(self, matcher: Matcher) -> None:
        names = self._names = matcher.vocabulary.leaves
        self.spellings: set[_Spelling] = {
            (pattern, names[use.leaf], _of_use(use))
            for pattern, uses in matcher.vocabulary.uses.items()
            for use in uses
        }
        self.sounds: set[_Sound] = {
            (pattern, names[row.leaf].name, _of_sounding(row))
            for pattern, rows in matcher.sounds.meanings.items()
            for row in rows
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

    @cached_property
    def written(self) -> defaultdict[Leaf, list[tuple[bytes, _Facts]]]:
        """Leaf -> its patterns; those of short names count as the entity's."""
        found: defaultdict[Leaf, list[tuple[bytes, _Facts]]] = defaultdict(list)
        for pattern, leaf, facts in self.spellings:
            found[Leaf("entity", leaf.name) if leaf.kind == "short" else leaf].append((pattern, facts))
        return found

    @cached_property
    def heard(self) -> defaultdict[str, list[tuple[bytes, _Facts]]]:
        """Entity -> the patterns of its sound."""
        found: defaultdict[str, list[tuple[bytes, _Facts]]] = defaultdict(list)
        for pattern, name, facts in self.sounds:
            found[name].append((pattern, facts))
        return found

    def clauses(self, rule: Key) -> list[frozenset[Leaf]]:
        """Sets of leaves of each of which one must occur for a rule to fire; none when the rule is not here."""
        query = self._queries.get(rule)
        return [frozenset(self._names[n] for n in clause) for clause in _clauses(query)] if query else []

    def asking(self, leaves: Collection[Leaf], named: Collection[str]) -> Iterable[Key]:
        """The rules that name one of these leaves or entities."""
        for key, query in self._queries.items():
            asked = [self._names[n] for n in leaves_of(query)]
            if any(leaf in leaves or (leaf.kind == "entity" and leaf.name in named) for leaf in asked):
                yield key


def _with_dependants(named: set[str], leaves: Collection[Leaf], sides: Sequence[_Side]) -> set[str]:
    """These entities, and those whose short names have them, or words that differ, for company."""
    found = set(named)
    while True:
        more = {
            name
            for side in sides
            for name, company in side.structures.items()
            if name not in found
            and any(friend in leaves or friend.name in found for _, friends, _ in company for friend in friends)
        }
        if not more:
            return found
        found |= more


def _clauses(node: ev.Bound) -> list[frozenset[int]]:
    """Sets of leaves of each of which one must occur, or the query is false."""
    match node:
        case ev.Leaves(leaves=leaves):
            return [frozenset(leaves)]
        case ev.All(parts=parts):
            return [clause for part in parts for clause in _clauses(part)]
        case ev.Some(parts=parts):
            found = [_clauses(part) for part in parts]
            # whichever part is true, one leaf of each of its own sets occurs, and so one of any union over all parts
            most = max(map(len, found)) if all(found) else 0
            return [frozenset().union(*(c[min(n, len(c) - 1)] for c in found)) for n in range(most)]
        case ev.Pair(left=left, right=right, negated=negated):
            return _clauses(left) if negated else [*_clauses(left), *_clauses(right)]
        case ev.Count(part=part) | ev.Inside(part=part):
            return _clauses(part)
        case ev.Never() | ev.Limited():
            return []


def _unlike(one: Mapping[_T, object], other: Mapping[_T, object]) -> set[_T]:
    """Keys with another value on the other side, or none."""
    return {key for key in one.keys() | other.keys() if key not in one or key not in other or one[key] != other[key]}


def _structure(watched: Watched, names: Sequence[Leaf]) -> _Structure:
    """What company each short name needs. A mask is told by its spellings: without its letters it changes nothing."""
    return frozenset(
        (
            names[leaf],
            frozenset(names[n] for n in (*company.leaves, *company.friends, *company.entities)),
            company.within,
        )
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


@lru_cache(maxsize=2)
def _scanner(sought: Sought) -> Scanner | None:
    uses: dict[bytes, list[Use]] = defaultdict(list)
    for pattern, use in sought.spellings:
        uses[pattern].append(use)
    rows: dict[bytes, list[Sounding]] = defaultdict(list)
    for pattern, row in sought.sounds:
        rows[pattern].append(row)
    return Scanner(Patterns(uses), Sounds.of(rows)) if uses or rows else None
