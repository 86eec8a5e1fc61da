"""Matchers of as little as an edit concerns, which say of it what the matchers of all watchlists would say.

What a rule says hangs on what it names alone. Whether an entity is mentioned hangs on its names, company and masks, and
on longer mentions around it: `Strangers` tells where an entity that was left out might be such a one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import daachorse

from monitor.match.compile import compile_query
from monitor.match.difference import Key
from monitor.match.matcher import BATCH, Matcher, Watch, allowed
from monitor.match.scan import Text
from monitor.match.sounds import Sounding, Sounds
from monitor.match.view import ArticleView
from monitor.match.vocabulary import ARTICLE
from monitor.model import Article, Feed
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.query.gates import Gates, leaves_of
from monitor.query.parse import parse
from monitor.text import SPACE
from monitor.text.affixes import all_prefixes
from monitor.watchlists import WatchlistFile

Place = tuple[int, int]
Keys = set[Key]

_NAMES = frozenset({"entity", "short"})
_PREFIXES = frozenset(all_prefixes())
_MOST_WORDS = 8
"""Words in a row of a longer name that are compared with a shorter one."""


def only(files: Sequence[WatchlistFile], feeds: Sequence[Feed], rules: Collection[Key]) -> Matcher:
    """A matcher of these rules alone, which looks for nothing but what they name."""
    chosen = [(file, rule) for file in files for rule in file.rules if (file.id, rule.id, None) in rules]
    if not chosen:
        return compile_query(ast.Or(parts=(), start=0, end=0), "", files, feeds)[0]
    nodes = tuple(parse(rule.query, search=False) for _, rule in chosen)
    made, bound = compile_query(ast.Or(parts=nodes, start=0, end=0), "", files, feeds)
    assert isinstance(bound, ev.Some)
    watches = [Watch(file, rule, query) for (file, rule), query in zip(chosen, bound.parts, strict=True)]
    return Matcher(made.vocabulary, made.watched, made.owners, watches, files, feeds)


def parts(matcher: Matcher, rules: Collection[Key], entities: Collection[str]) -> tuple[WatchlistFile, ...]:
    """The files of a matcher with these rules and entities alone, and with whatever they name or need for company.

    Compiled, they find of these rules and of the places of these entities what the matcher finds.
    """
    leaves, asked = matcher.vocabulary.leaves, set[int]()
    for watch in matcher.rules:
        if (watch.file.id, watch.rule.id, None) in rules:
            asked.update(leaves_of(watch.query))
    queue = [n for n in asked if n in matcher.watched]
    queue += [n for n, (_, entity) in matcher.owners.items() if entity.id in entities]
    reached = set(queue)
    while queue:
        for _, company in matcher.watched[queue.pop()].shorts:
            asked |= company.leaves
            queue.extend(company.entities - reached)
            reached |= company.entities
    kept = {leaves[n].name for n in reached}
    words = {leaves[n].name for n in asked if leaves[n].kind == "word"}
    return tuple(
        replace(
            file,
            source="",
            entities=tuple(e for e in file.entities if e.id in kept),
            words=tuple(w for w in file.words if w.id in words),
            rules=tuple(r for r in file.rules if (file.id, r.id, None) in rules),
            examples=(),
        )
        for file in matcher.files
    )


def fired(matcher: Matcher, articles: Sequence[Article], rules: Collection[Key]) -> list[Keys]:
    """Per article which of these rules hit it: hits without evidence."""
    watches = [(key, w) for w in matcher.rules if (key := (w.file.id, w.rule.id, None)) in rules]
    if not watches:
        return [set() for _ in articles]
    gates = Gates([watch.query for _, watch in watches], {})
    return [
        {
            key
            for key, watch in map(watches.__getitem__, gates.open(gates.mask((*view.places, *view.found))))
            if allowed(watch.rule, view.text.article) and ev.evaluate(watch.query, view) is not None
        }
        for view in _views(matcher, articles)
    ]


def named(matcher: Matcher, articles: Sequence[Article]) -> list[Keys]:
    """Per article which entities are mentioned outside of longer names."""
    owners = {leaf: (file.id, None, entity.id) for leaf, (file, entity) in matcher.owners.items()}
    return [
        {owners[n] for n, found in view.found.items() if len(found.nested) < len(found.places)}
        for view in _views(matcher, articles)
    ]


def _views(matcher: Matcher, articles: Sequence[Article]) -> Iterator[ArticleView]:
    for first in range(0, len(articles), BATCH):
        yield from matcher.views(articles[first : first + BATCH])


@dataclass(frozen=True, slots=True)
class Strangers:
    """How the entities that were left out may be written, or may sound. Can be pickled."""

    spellings: tuple[bytes, ...]
    sounds: tuple[bytes, ...]
    """Patterns of consonants."""

    @classmethod
    def of(cls, matchers: Iterable[Matcher], known: Collection[str]) -> Strangers:
        """All that these matchers know and that is not among the known."""
        spellings, sounds = set[bytes](), set[bytes]()
        for matcher in matchers:
            leaves = matcher.vocabulary.leaves
            strange = {n for n, leaf in enumerate(leaves) if leaf.kind in _NAMES and leaf.name not in known}
            spellings |= {p for p, uses in matcher.vocabulary.uses.items() if any(u.leaf in strange for u in uses)}
            sounds |= {pattern for pattern, name in matcher.sounds.rows() if name.leaf in strange}
        return cls(tuple(sorted(spellings)), tuple(sorted(sounds)))


class Watchman:
    """Tells where in a text a stranger might stand: whatever reads like one, edges not looked at."""

    def __init__(self, strangers: Strangers) -> None:
        self._spelled = daachorse.DoubleArrayAhoCorasick(list(strangers.spellings)) if strangers.spellings else None
        self._longest = max(map(len, strangers.spellings), default=0)
        nobody = Sounding(0, "", b"", b"", 0, joined=False)
        self._sounds = Sounds.of({pattern: [nobody] for pattern in strangers.sounds})
        self._data = b""
        self._heard: list[Place] = []

    def sees(self, text: Text, places: Collection[Place]) -> bool:
        """Whether one might stand on or across one of these places."""
        return any(self._written_at(text, place) or self._heard_at(text, place) for place in places)

    def _written_at(self, text: Text, place: Place) -> bool:
        if self._spelled is None:
            return False
        data, (start, end) = text.data, place
        begin = max(text.bounds[0], start - self._longest)
        for a, b, _ in self._spelled.find_overlapping(data[begin : min(text.bounds[2] + 1, end + self._longest)]):
            first = begin + a + (data[begin + a] == SPACE)
            if start < begin + b and _beginning(data, first) < end and _may_begin(data, first):
                return True
        return False

    def _heard_at(self, text: Text, place: Place) -> bool:
        if text.data is not self._data:
            self._data = text.data
            rows = ((first, last) for first, last, _ in self._sounds.candidates(text.data))
            self._heard = sorted((text.data.rfind(b" ", 0, a) + 1, text.data.find(b" ", b)) for a, b in rows)
        start, end = place
        before = bisect_left(self._heard, (text.bounds[0], 0))
        behind = bisect_left(self._heard, (end, 0))
        return any(start < b for _, b in self._heard[before:behind])


def _beginning(data: bytes, first: int) -> int:
    """Where a name begins, the article before it included."""
    return first - len(ARTICLE) if data.startswith(ARTICLE, first - len(ARTICLE)) else first


def _may_begin(data: bytes, first: int) -> bool:
    return data[first - 1] <= SPACE or data[data.rfind(b" ", 0, first) + 1 : first] in _PREFIXES


class Names:
    """The mentions of entities that an edit concerns, by two matchers of little more than these."""

    def __init__(self, before: Matcher, after: Matcher, entities: Collection[str], watchman: Watchman) -> None:
        """`before` knows these entities, `after` others as well, and `watchman` the names of all that `after` does not.

        The others are mentioned alike before and after.
        """
        self._sides = before, after
        self._owners: list[dict[int, Key]] = [
            {n: (f.id, None, e.id) for n, (f, e) in side.owners.items()} for side in self._sides
        ]
        self._entities = entities
        self._watchman = watchman

    def account(self, articles: Sequence[Article]) -> list[tuple[Keys, Keys] | None]:
        """Per article the entities mentioned before and after; of those that are mentioned alike, some are left out.

        None where an entity that is not known here may hide another: only matchers of all names can tell.
        """
        found: list[tuple[Keys, Keys] | None] = []
        for first in range(0, len(articles), BATCH):
            views = [side.views(articles[first : first + BATCH]) for side in self._sides]
            for one, other in zip(*views, strict=True):
                before, after = (
                    {owners[n]: mentioned.places for n, mentioned in view.found.items()}
                    for owners, view in zip(self._owners, (one, other), strict=True)
                )
                found.append(self._compared(other.text, before, after))
        return found

    def _compared(self, text: Text, before: _Mentions, after: _Mentions) -> tuple[Keys, Keys] | None:
        mine = {key for key in before.keys() | after.keys() if key[2] in self._entities}
        if all(before.get(key) == after.get(key) for key in mine):
            return set(), set()
        others = {key: places for key, places in after.items() if key not in mine}
        before = others | {key: places for key, places in before.items() if key in mine}
        own = _places(before, mine) | _places(after, mine)
        near = mine | {key for key, places in others.items() if _touch(places, own)}
        if text.breaks or self._watchman.sees(text, own | _places(others, near)):
            return None
        return _outermost(before, near), _outermost(after, near)


_Mentions = dict[Key, list[Place]]


def _places(mentions: _Mentions, keys: Keys) -> set[Place]:
    return {place for key in keys if key in mentions for place in mentions[key]}


def _touch(places: Iterable[Place], others: Collection[Place]) -> bool:
    return any(a < d and c < b for a, b in places for c, d in others)


def _outermost(mentions: _Mentions, keys: Keys) -> Keys:
    """Those that stand somewhere outside of a longer mention."""
    every = _places(mentions, set(mentions))
    return {key for key in keys if key in mentions and any(not _inside(place, every) for place in mentions[key])}


def _inside(place: Place, others: Iterable[Place]) -> bool:
    start, end = place
    return any(a <= start and end <= b and (a, b) != place for a, b in others)


def neighbours(matchers: Iterable[Matcher], entities: Collection[str]) -> frozenset[str]:
    """These entities, and those of whose names one holds one of theirs, or is held by it: most that may hide another.

    A guess by whole words, which saves time: what it leaves out is among the strangers.
    """
    spelled: dict[tuple[bytes, ...], set[str]] = {}
    for matcher in matchers:
        leaves = matcher.vocabulary.leaves
        for pattern, uses in matcher.vocabulary.uses.items():
            words = tuple(word.removeprefix(ARTICLE) for word in pattern.split())
            spelled.setdefault(words, set()).update(leaves[u.leaf].name for u in uses if leaves[u.leaf].kind in _NAMES)
    mine = {words for words, names in spelled.items() if not names.isdisjoint(entities)}
    inner = {part for words in mine for part in _rows(words)}
    return frozenset(entities).union(
        *(names for words, names in spelled.items() if words in inner or not mine.isdisjoint(_rows(words)))
    )


def _rows(words: tuple[bytes, ...]) -> set[tuple[bytes, ...]]:
    words = words[:_MOST_WORDS]
    return {words[a:b] for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
