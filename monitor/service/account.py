"""What an edit changes in some of the stored articles: the part of `monitor try` that child processes do.

look: which articles of a piece it may concern | tell: what the matchers before and after it say of these
"""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress
from pathlib import Path

from monitor.match import Matcher, compile_watchlists
from monitor.match.difference import Difference, Key, only
from monitor.model import Article, Evidence, Feed, Hit, Stored
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a first look says of a piece."""

    articles: int
    touched: tuple[tuple[int, str], ...]
    """(n, id) of those that the edit may concern, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an edit changes in some touched articles."""

    articles: int
    gained: Mapping[Key, int]
    lost: Mapping[Key, int]
    same: Mapping[Key, int]
    """At least so many."""
    samples: Mapping[tuple[Key, bool], tuple[Sample, ...]]
    """(rule or entity, gained) -> the newest."""
    recent: tuple[Recent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The watchlists before an edit, or after it, as a child makes a matcher of them."""

    files: tuple[WatchlistFile, ...]
    feeds: tuple[Feed, ...]
    rules: frozenset[Key] | None
    """What is asked for, where the edit concerns rules alone; None for all rules and entities."""
    kept: Path
    """Where the names of all may lie compiled."""

    def compiled(self) -> Matcher:
        """The matcher."""
        if self.rules is not None:
            return only(self.files, self.feeds, self.rules)
        return compile_watchlists(self.files, self.feeds, examples=False, kept=self.kept).matcher


@dataclass(frozen=True, slots=True)
class Task:
    """What a child needs to know of an edit."""

    before: Side
    after: Side

    def packed(self) -> bytes:
        """As it is handed to children, with each piece anew: packed once, and unpacked once in each child."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


def look(differs: Difference, reading: Reading, since: datetime | None, after: int, upto: int) -> Looked:
    """In a child: which articles of a piece the edit may concern."""
    rows = opened(reading).texts(since, after, upto)
    articles = [
        Article(id=i, feed="", title=title, text=text, lang=lang, seen=_NEVER) for _, i, title, text, lang in rows
    ]
    touched = compress(rows, differs.touched(articles))
    return Looked(articles=len(rows), touched=tuple((n, id_) for n, id_, *_ in touched))


def tell(task: bytes, reading: Reading, ids: Sequence[str], late: Collection[str]) -> Told:
    """In a child: what the edit changes in these articles, oldest first; those that are `late` come back whole."""
    stored = opened(reading).articles(ids)
    articles, account = [s.article for s in stored], Account(late)
    sides = (_hits(side, matcher, articles) for side, matcher in _sides(task))
    for one, was, is_ in zip(stored, *sides, strict=True):
        account.add(one, was, is_)
    return account.told()


@lru_cache(maxsize=1)
def _sides(task: bytes) -> list[tuple[Side, Matcher]]:
    made = pickle.loads(task)  # noqa: S301 - our own parent packed it
    assert isinstance(made, Task)
    return [(side, side.compiled()) for side in (made.before, made.after)]


def _hits(side: Side, matcher: Matcher, articles: Sequence[Article]) -> list[dict[Key, Hit]]:
    """Per article what hits it, of what is asked for."""
    rules, found = side.rules, [{key_of(hit): hit for hit in m.hits} for m in matcher.match(articles)]
    return found if rules is None else [{key: hits[key] for key in hits if key in rules} for hits in found]


class Account:
    """What differs in touched articles, oldest first."""

    def __init__(self, late: Collection[str]) -> None:
        self._late = late
        self._articles = 0
        self._gained: Counter[Key] = Counter()
        self._lost: Counter[Key] = Counter()
        self._same: Counter[Key] = Counter()
        self._samples: dict[tuple[Key, bool], deque[Sample]] = defaultdict(lambda: deque(maxlen=SAMPLES))
        self._recent: list[Recent] = []

    def add(self, stored: Stored, was: Mapping[Key, Hit], is_: Mapping[Key, Hit]) -> None:
        """Take in an article with its hits before and after."""
        self._articles += 1
        self._same.update(was.keys() & is_.keys())
        gained, lost = [key for key in is_ if key not in was], [key for key in was if key not in is_]
        if not gained and not lost:
            return
        self._gained.update(gained)
        self._lost.update(lost)
        shown = replace(stored.article, text="", lead="", signature=())
        for key in gained:
            self._samples[key, True].appendleft(Sample(article=shown, marks=is_[key].evidence))
        for key in lost:
            self._samples[key, False].appendleft(Sample(article=shown, marks=was[key].evidence))
        if stored.article.id in self._late:
            self._recent.append(Recent(stored=stored, gained=tuple(is_[key] for key in gained), lost=tuple(lost)))

    def told(self) -> Told:
        """All of it."""
        return Told(
            articles=self._articles,
            gained=self._gained,
            lost=self._lost,
            same=self._same,
            samples={key: tuple(samples) for key, samples in self._samples.items()},
            recent=tuple(self._recent),
        )


def key_of(hit: Hit) -> Key:
    """The rule or entity of a hit."""
    return hit.watchlist, hit.rule, hit.entity


def newest(told: Iterable[Told]) -> dict[tuple[Key, bool], tuple[Sample, ...]]:
    """The newest samples of what was told, oldest first: many articles of an archive have one and the same time."""
    found: dict[tuple[Key, bool], list[Sample]] = defaultdict(list)
    for one in reversed(list(told)):
        for key, samples in one.samples.items():
            found[key].extend(samples)
    return {k: tuple(sorted(s, key=lambda x: x.article.when, reverse=True)[:SAMPLES]) for k, s in found.items()}
