"""Looking: search over all that is stored, and the full account of why a text hits or does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

from monitor._yaml import did_you_mean
from monitor.errors import QueryError, UsageError
from monitor.match import Matcher
from monitor.match.matcher import allowed
from monitor.match.view import ArticleView
from monitor.match.why import Kind, failing, near_misses
from monitor.model import Article, Column, Evidence, Filter, Hit, Matched, Stored, Where
from monitor.ports import Clock, Store
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.query.gates import needed
from monitor.query.parse import parse
from monitor.service.asked import Asked
from monitor.service.edit import InForce

_LEAST, _MOST = 25, 4_000
"""Candidates read at once: hardly more than are wanted at first, for nearly all hit where names are asked for, then as
many as the hits among those read so far let expect."""

_COLUMNS: dict[str, Column] = {"source": "feed", "watchlist": "watchlist", "rule": "rule"}
_ELSE = {
    "source": "`monitor feeds` lists them.",
    "watchlist": "Its name is the first line of its file.",
    "rule": "Rules have their names in the files of watchlists/.",
}
"""Where to look for a name that is close to none."""

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One article that a search found."""

    stored: Stored
    marks: tuple[Evidence, ...]
    number: int
    """Cursor: pass it as `before` to go on below this article."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One revision of an article; `gained` and `lost` are words in which it differs from the one before."""

    revision: str
    title: str
    text: str
    seen: datetime
    hits: tuple[Hit, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Why something is no mention, or a rule did not fire."""

    kind: Kind | Literal["rule"]
    name: str
    watchlist: str
    letters: str
    """The letters in the text, or the clause of the rule that failed."""
    why: str
    """Half a sentence for people: what was asked and is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search over the store by the one query language."""

    store: Store
    force: InForce
    clock: Clock

    def find(self, query: str, *, limit: int = 20, since: str = "", before: int | None = None) -> list[Result]:
        """The newest articles that hit, at most `limit`. Raises QueryError with a caret."""
        return list(self.iterate(query, limit=limit, since=since, before=before))

    def iterate(self, query: str, *, limit: int, since: str = "", before: int | None = None) -> Iterator[Result]:
        """The same one after the other."""
        now = self.clock()
        node = _dated(parse(query, search=True), query, now)
        limits = _limits(node, since, now)
        self._known(node, query)
        asked = Asked(node, query, self.force, self.store)
        found, read, size = 0, 0, max(_LEAST, limit + limit // 4)
        while True:
            rows = self.store.candidates(asked.plan, replace(limits, before=before), size, hits=asked.by_hits)
            hitting = list(islice(asked.hitting(rows), limit - found))
            told = [(number, stored) for number, stored, _ in hitting]
            if not asked.by_hits:  # only what is shown is read with its hits: they are most of an article
                told = self.store.with_hits(told)
            for (number, stored), (_, _, marks) in zip(told, hitting, strict=True):
                yield Result(stored=stored, marks=marks, number=number)
            found += len(hitting)
            if found >= limit or len(rows) < size:
                return
            read += len(rows)
            expected = (limit - found) * read * 5 // (found * 4) if found else _MOST
            before, size = rows[-1][0], max(_LEAST, min(expected, size * 4, _MOST))

    def _known(self, node: ast.Node, query: str) -> None:
        """Refuse a name that no file defines and no stored article bears: an empty answer would look like silence."""
        for limit in _named(node):
            column, names = _COLUMNS[limit.name], self._names(limit.name)
            for name in limit.values:
                if name not in names and not self.store.candidates(Where(column=column, values=(name,)), Filter(), 1):
                    hint = did_you_mean(name, names) or _ELSE[limit.name]
                    start = query.lower().find(name, limit.start, limit.end)
                    place = (limit.start, limit.end) if start < 0 else (start, start + len(name))
                    raise QueryError(f"There is no {limit.name} `{name}`. {hint}", query, *place)

    def _names(self, limit: str) -> set[str]:
        files = self.force.files
        if limit == "source":
            return {feed.id for feed in self.force.feeds}
        return {f.id for f in files} if limit == "watchlist" else {r.id for f in files for r in f.rules}


def moment(text: str, now: datetime) -> datetime:
    """`7d`, `24h`, `2w`, or a date or time in ISO form, as a UTC moment. Raises ValueError."""
    word = text.strip().lower()
    if word[:-1].isdigit() and word[-1:] in _UNITS and len(word) <= 6:
        return now - int(word[:-1]) * _UNITS[word[-1]]
    found = datetime.fromisoformat(text.strip())
    return found.replace(tzinfo=now.tzinfo) if found.tzinfo is None else found.astimezone(now.tzinfo)


def since_option(text: str, now: datetime) -> datetime | None:
    """The same for an option of the command line; "" is no limit. Raises UsageError."""
    if not text:
        return None
    try:
        return moment(text, now)
    except (ValueError, OverflowError):
        raise UsageError(f"`{text}` is no time: write 7d, 24h, 2w or a date such as 2026-06-30.") from None


def explained(force: InForce, articles: Sequence[Article]) -> list[Matched]:
    """What the watchlists in force find in these texts, whether stored or not."""
    return force.matcher.match(articles)


def missed(force: InForce, article: Article) -> list[Missed]:
    """Near-misses of names, and for each rule that something in the text touched the clause that failed."""
    matcher = force.matcher
    view = matcher.views([article])[0]
    found = [
        Missed(kind=n.kind, name=n.entity, watchlist=n.watchlist, letters=_letters(view, *n.place), why=n.why)
        for n in near_misses(matcher, view)
    ]
    return [*dict.fromkeys(found), *_failed_rules(matcher, view)]


def wordings(store: Store, article: str) -> list[Wording]:
    """Every wording of an article, oldest first, with what was found in each."""
    hits = store.hits_of(article)
    told: list[Wording] = []
    for revision, title, text, seen in store.history(article):
        before, after = (f"{told[-1].title} {told[-1].text}", f"{title} {text}") if told else ("", "")
        told.append(
            Wording(
                revision=revision,
                title=title,
                text=text,
                seen=seen,
                hits=tuple(hits.get(revision, ())),
                gained=_other_words(after, before),
                lost=_other_words(before, after),
            )
        )
    return told


def _other_words(text: str, than: str) -> tuple[str, ...]:
    """Words of a text that another one does not have, once each."""
    known = set(than.split())
    return tuple(dict.fromkeys(word for word in text.split() if word not in known))


def _failed_rules(matcher: Matcher, view: ArticleView) -> Iterator[Missed]:
    present = view.places.keys() | view.found.keys()
    for watch in matcher.rules:
        touched = any(leaf in present for leaf in _positive(watch.query))
        if not touched:
            continue
        if not allowed(watch.rule, view.text.article):
            clause, why = "languages or sources of the rule", "it does not look at this article"
        else:
            part = failing(watch.query, view)
            if part is None:
                continue
            clause, why = _clause(watch.rule.query, part.place.start, part.place.end), part.why
        yield Missed(kind="rule", name=watch.rule.id, watchlist=watch.file.id, letters=clause, why=why)


def _clause(query: str, start: int, end: int) -> str:
    """Part of a query, with the brackets that belong to it."""
    part = query[start:end]
    while part.count("(") > part.count(")") and (further := query.find(")", end)) >= 0:
        end = further + 1
        part = query[start:end]
    while part.count(")") > part.count("(") and (further := query.rfind("(", 0, start)) >= 0:
        start = further
        part = query[start:end]
    return part


def _positive(node: ev.Bound) -> frozenset[int]:
    return needed(node, {}) or frozenset()


def _letters(view: ArticleView, start: int, end: int) -> str:
    field, first, last = view.text.original(start, end)
    return view.text.letters(field)[first:last]


def _dated(node: ast.Node, query: str, now: datetime) -> ast.Node:
    """The tree with `since:` and `until:` as moments, so that the evaluator need not know the clock."""
    match node:
        case ast.Limit(name="since" | "until", values=values):
            try:
                return replace(node, values=(moment(values[0], now).isoformat(),))
            except (ValueError, OverflowError):
                raise QueryError(
                    "This is no time: write 7d, 24h, 2w or 2026-06-30.", query, node.start, node.end
                ) from None
        case ast.And(parts=parts) | ast.Or(parts=parts):
            return replace(node, parts=tuple(_dated(p, query, now) for p in parts))
        case ast.Not(part=part):
            return replace(node, part=_dated(part, query, now))
        case _:
            return node


def _named(node: ast.Node) -> Iterator[ast.Limit]:
    """The limits that name what somebody wrote in a file."""
    match node:
        case ast.Limit(name="source" | "watchlist" | "rule"):
            yield node
        case ast.And(parts=parts) | ast.Or(parts=parts):
            for part in parts:
                yield from _named(part)
        case ast.Not(part=part):
            yield from _named(part)
        case _:
            pass


def _limits(node: ast.Node, since: str, now: datetime) -> Filter:
    """The span of time that the whole query is limited to, for the index."""
    parts = node.parts if isinstance(node, ast.And) else (node,)
    starts = [datetime.fromisoformat(p.values[0]) for p in parts if isinstance(p, ast.Limit) and p.name == "since"]
    ends = [datetime.fromisoformat(p.values[0]) for p in parts if isinstance(p, ast.Limit) and p.name == "until"]
    option = since_option(since, now)
    starts += [option] if option else []
    return Filter(since=max(starts, default=None), until=min(ends, default=None))
