"""What an edit changes in a piece of the archive: the part of `monitor try` that child processes do.

look: which articles the edit may concern | tell: what it changes in these, by matchers of what it concerns alone
"""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import compress

from monitor.match import Matcher, compile_watchlists
from monitor.match.difference import Difference, Key
from monitor.match.narrow import Names, Strangers, Watchman, fired, named
from monitor.model import Article, Evidence, Feed, Hit, Stored
from monitor.ports import Store
from monitor.service.pieces import Reading, opened
from monitor.watchlists import WatchlistFile

SAMPLES = 3
"""Articles shown of what a rule or an entity gains, and of what it loses: the newest."""

_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An article that a rule or an entity gains or loses."""

    article: Article
    """Without its text."""
    marks: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """An article that tomorrow's mail may hold."""

    stored: Stored
    gained: tuple[Hit, ...]
    lost: tuple[Key, ...]

    def beside(self, other: Recent) -> Recent:
        """Together with what was told of the same article elsewhere."""
        gained = {key_of(h): h for h in (*self.gained, *other.gained)}
        return Recent(stored=self.stored, gained=tuple(gained.values()), lost=tuple({*self.lost, *other.lost}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a first look says of a piece."""

    articles: int
    touched: tuple[str, ...]
    """Ids of those that the edit may concern, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an edit changes in the touched articles of a piece."""

    articles: int
    gained: Mapping[Key, int]
    lost: Mapping[Key, int]
    same: Mapping[Key, int]
    """At least so many."""
    samples: Mapping[tuple[Key, bool], tuple[Sample, ...]]
    """(rule or entity, gained) -> the newest."""
    recent: tuple[Recent, ...]
    tangled: frozenset[str] = frozenset()
    """Articles of whose mentions only the matchers of all watchlists can tell; they are told as without any."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rules and entities with all that they need, which is little to hand to a child and to compile there."""

    files: tuple[WatchlistFile, ...]
    feeds: tuple[Feed, ...]

    def compiled(self) -> Matcher:
        """A matcher of these alone."""
        return compile_watchlists(self.files, self.feeds, examples=False).matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a child needs to know of an edit: parts of the watchlists, each before and after."""

    differs: Difference
    rules: tuple[Part, Part]
    names: tuple[Part, Part]
    """The entities whose mentions may differ, and others that may hide them."""
    few: Part
    """The former alone, before."""
    strangers: Strangers
    """The entities that are in none of `names`."""

    def packed(self) -> bytes:
        """As it is handed to children, with each piece anew: packed once, and unpacked once in each child."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


def look(differs: Difference, reading: Reading, since: datetime | None, after: int, upto: int) -> Looked:
    """In a child: which articles of a piece the edit may concern."""
    articles = _texts(opened(reading), since, after, upto)
    touched = compress(articles, differs.touched(articles))
    return Looked(articles=len(articles), touched=tuple(a.id for a in touched))


def tell(
    task: bytes,
    reading: Reading,
    since: datetime | None,
    after: int,
    upto: int,
    ids: frozenset[str],
    late: frozenset[str],
) -> Told:
    """In a child: what the edit changes in these articles of a piece; those that are `late` come back whole."""
    store = opened(reading)
    worker, account = _worker(task), Account(store)
    account.take([a for a in _texts(store, since, after, upto) if a.id in ids], worker)
    account.show(late, narrowly(worker))
    return account.told()


def _texts(store: Store, since: datetime | None, after: int, upto: int) -> list[Article]:
    rows = store.texts(since, after, upto)
    return [Article(id=i, feed="", title=title, text=text, lang=lang, seen=_NEVER) for i, title, text, lang in rows]


@lru_cache(maxsize=1)
def _worker(task: bytes) -> Worker:
    made = pickle.loads(task)  # noqa: S301 - our own parent packed it
    assert isinstance(made, Task)
    return Worker(made)


class Worker:
    """The matchers of a task, each compiled when first needed."""

    def __init__(self, task: Task) -> None:
        self.differs = task.differs
        self._task = task

    @cached_property
    def rules(self) -> tuple[Matcher, Matcher]:
        """Before and after, of rules alone."""
        before, after = self._task.rules
        return before.compiled(), after.compiled()

    @cached_property
    def before(self) -> Matcher:
        """Of names, before."""
        return self._task.names[0].compiled()

    @cached_property
    def after(self) -> Matcher:
        """Of names, after."""
        return self._task.names[1].compiled()

    @cached_property
    def mentions(self) -> Names:
        """What tells mentions."""
        return Names(self._task.few.compiled(), self.after, self.differs.entities, Watchman(self._task.strangers))


_Keys = set[Key]
Match = Callable[[Sequence[Article], int], dict[str, dict[Key, Hit]]]
"""Articles and a side (0 before, 1 after) -> of each article its hits with evidence."""


class Account:
    """What differs in touched articles, oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._articles = 0
        self._gained: Counter[Key] = Counter()
        self._lost: Counter[Key] = Counter()
        self._same: Counter[Key] = Counter()
        self._samples: dict[tuple[Key, bool], tuple[Sample, ...]] = {}
        self._recent: list[Recent] = []
        self._changed: dict[str, tuple[_Keys, _Keys]] = {}
        """Article -> what it gains, what it loses."""
        self._tangled: set[str] = set()
        self._shown: dict[tuple[Key, bool], deque[str]] = defaultdict(lambda: deque(maxlen=SAMPLES))

    def take(self, articles: Sequence[Article], worker: Worker) -> None:
        """Take in articles by what an edit concerns alone."""
        self._articles += len(articles)
        rules, mentions = self._rules(articles, worker), self._mentions(articles, worker)
        for n, article in enumerate(articles):
            was, is_ = (side | names for side, names in zip(rules.get(n, _NOTHING), mentions[n], strict=True))
            self._add(article.id, was, is_)

    def take_tangled(self, articles: Sequence[Article], before: Matcher, after: Matcher) -> None:
        """Take in the mentions of articles by the matchers of all watchlists; their rules were told already."""
        for article, was, is_ in zip(articles, named(before, articles), named(after, articles), strict=True):
            self._add(article.id, was, is_)

    def _rules(self, articles: Sequence[Article], worker: Worker) -> dict[int, tuple[_Keys, _Keys]]:
        """By place in the list, the rules that fire before and after; none where none can."""
        differs = worker.differs
        chosen = [n for n, flag in enumerate(differs.may_fire(articles)) if flag]
        if not chosen:
            return {}
        asked = [articles[n] for n in chosen]
        if differs.sourced:
            asked = [s.article for s in self._store.articles([a.id for a in asked])]
        before, after = (fired(side, asked, differs.rules) for side in worker.rules)
        return dict(zip(chosen, zip(before, after, strict=True), strict=True))

    def _mentions(self, articles: Sequence[Article], worker: Worker) -> list[tuple[_Keys, _Keys]]:
        """The entities that are mentioned before and after, as far as that may differ."""
        if not worker.differs.entities:
            return [_NOTHING] * len(articles)
        found = worker.mentions.account(articles)
        self._tangled.update(a.id for a, keys in zip(articles, found, strict=True) if keys is None)
        return [keys or _NOTHING for keys in found]

    def _add(self, article: str, was: _Keys, is_: _Keys) -> None:
        self._same.update(was & is_)
        if was == is_:
            return
        gained, lost = is_ - was, was - is_
        self._gained.update(gained)
        self._lost.update(lost)
        self._changed[article] = gained, lost
        for key in gained | lost:
            self._shown[key, key in gained].append(article)

    def show(self, late: Collection[str], match: Match) -> None:
        """Match again, with evidence, the articles that are samples or belong into the next mail."""
        wanted = self._changed.keys() & {*late, *(name for names in self._shown.values() for name in names)}
        stored = {s.article.id: s for s in self._store.articles(sorted(wanted))}
        lost, gained = (
            match([s.article for name, s in stored.items() if self._changed[name][1 - side]], side) for side in (0, 1)
        )
        for (key, gains), names in self._shown.items():
            hits = gained if gains else lost
            self._samples[key, gains] = tuple(
                Sample(
                    article=replace(stored[name].article, text="", lead="", signature=()),
                    marks=hits[name][key].evidence,
                )
                for name in reversed(names)
            )
        for name in self._changed.keys() & late:
            more, less = self._changed[name]
            new = tuple(gained[name][key] for key in more)
            self._recent.append(Recent(stored=stored[name], gained=new, lost=tuple(less)))

    def told(self) -> Told:
        """All of it."""
        return Told(
            articles=self._articles,
            gained=self._gained,
            lost=self._lost,
            same=self._same,
            samples=self._samples,
            recent=tuple(self._recent),
            tangled=frozenset(self._tangled),
        )


_NOTHING: tuple[_Keys, _Keys] = set(), set()


def narrowly(worker: Worker) -> Match:
    """Matches by what an edit concerns alone."""

    def match(articles: Sequence[Article], side: int) -> dict[str, dict[Key, Hit]]:
        found = _by_key(worker.rules[side], articles, rules=True)
        if articles and worker.differs.entities:
            for name, hits in _by_key(worker.after if side else worker.before, articles, rules=False).items():
                found[name] |= hits
        return found

    return match


def wholly(before: Matcher, after: Matcher) -> Match:
    """Matches mentions by all watchlists."""

    def match(articles: Sequence[Article], side: int) -> dict[str, dict[Key, Hit]]:
        return _by_key(after if side else before, articles, rules=False)

    return match


def _by_key(matcher: Matcher, articles: Sequence[Article], *, rules: bool) -> dict[str, dict[Key, Hit]]:
    """Article -> the hits of rules, or of entities, by what they are hits of."""
    return {m.article: {key_of(h): h for h in m.hits if (h.rule is not None) == rules} for m in matcher.match(articles)}


def key_of(hit: Hit) -> Key:
    """The rule or entity of a hit."""
    return hit.watchlist, hit.rule, hit.entity


def newest(told: Iterable[Told]) -> dict[tuple[Key, bool], tuple[Sample, ...]]:
    """The newest samples of pieces, which come oldest first: many articles of an archive have one and the same time."""
    found: dict[tuple[Key, bool], list[Sample]] = defaultdict(list)
    for one in reversed(list(told)):
        for key, samples in one.samples.items():
            found[key].extend(samples)
    return {k: tuple(sorted(s, key=lambda x: x.article.when, reverse=True)[:SAMPLES]) for k, s in found.items()}
