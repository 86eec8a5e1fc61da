"""Stored articles matched again by the watchlists in force: the archive on demand, the last 30 days after an edit.

store.pieces | children(compare) | store.rematched: children find what differs, the parent alone writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from monitor.match import Matcher
from monitor.model import Article, Matched, Saved
from monitor.ports import Clock, Store
from monitor.service.edit import Editorial, InForce
from monitor.service.pieces import MOST, SIZE, Children, Reading, Recipe, matcher_of, opened, through

LOOK_BACK = timedelta(days=30)
"""How far back an edited watchlist is matched at once."""

SLICE = 250
"""Articles of one step of the look-back: about a tenth of a second, so that polls go on."""

FEW = 2_000
"""Up to so many articles a single poll looks back by itself."""

_CURSOR = "rematch"
"""Key in the store's notes: where a rematch stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a child says of a piece."""

    changed: tuple[Matched, ...]
    revisions: tuple[str, ...]
    """Of the changed ones."""
    same: tuple[tuple[str, str], ...]
    """(article id, revision) of those on which nothing differs."""
    hits: int
    """Hits that hold, new ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was matched again; `same` counts hits that held before and hold now."""

    articles: int = 0
    gained: int = 0
    withdrawn: int = 0
    same: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    """Where a rematch stands: everything up to number `after` is done with `rev`."""

    rev: str
    span: str
    after: int = 0
    done: Summary = Summary()

    def note(self) -> dict[str, str]:
        """As the store remembers it."""
        return {_CURSOR: json.dumps({"rev": self.rev, "span": self.span, "after": self.after, **asdict(self.done)})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rematch:
    """The archive, matched again on all cores."""

    store: Store
    force: InForce
    reading: Reading
    children: Children

    def standing(self, span: str) -> int:
        """How many articles an earlier run of the same span has done that was ended before its time."""
        return self._cursor(span).done.articles

    def run(self, since: datetime | None, span: str, progress: Callable[[int, int], None] | None = None) -> Summary:
        """Match everything not older than `since` again, oldest first; goes on where an earlier run was ended.

        `span` is what the person wrote for `since`: runs of the same span and the same watchlists go on with each
        other. Raises TemporaryError when a child was lost twice.
        """
        cursor = self._cursor(span)
        ends = self.store.pieces(since, cursor.after, SIZE)
        recipe, starts = Recipe.of(self.force), [cursor.after, *ends[:-1]]
        jobs = [(recipe, self.reading, since, start, end) for start, end in zip(starts, ends, strict=False)]
        found = through(self.children, compare, jobs, "monitor rematch") if jobs else iter(())
        for number, (end, compared) in enumerate(zip(ends, found, strict=True), start=1):
            cursor = self._write(cursor, compared, end)
            if progress:
                progress(number, len(ends))
        self.store.set_meta({_CURSOR: ""})
        return cursor.done

    def _cursor(self, span: str) -> _Cursor:
        fresh = _Cursor(rev=self.force.rev, span=span)
        try:
            found = json.loads(self.store.meta(_CURSOR) or "{}")
            after, done = int(found.pop("after")), Summary(**{k: int(found[k]) for k in asdict(Summary())})
        except (ValueError, TypeError, KeyError, AttributeError):
            return fresh
        return replace(fresh, after=after, done=done) if (found["rev"], found["span"]) == (fresh.rev, span) else fresh

    def _write(self, cursor: _Cursor, compared: Compared, end: int) -> _Cursor:
        """Write a piece, and with it where the run stands."""
        written = [cursor]

        def note(saved: Saved) -> dict[str, str]:
            written.append(replace(cursor, after=end, done=_added(cursor.done, compared, saved)))
            return written[-1].note()

        _apply(self.store, compared, self.force.rev, note)
        return written[-1]


@dataclass(slots=True, kw_only=True)
class LookBack:
    """The last 30 days, matched again in small steps when the watchlists in force have changed."""

    store: Store
    editorial: Editorial
    clock: Clock
    _settled: str = ""
    """The revision by which nothing was left to do."""

    def step(self, limit: int = SLICE) -> Summary | None:
        """Match the oldest articles that are due again, at most `limit`; None when nothing is left."""
        force = self.editorial.current()
        since = self.clock() - LOOK_BACK
        if force.rev == self._settled and not self.store.stale(force.rev, since):
            return None
        articles = [stored.article for _, stored in self.store.outdated(force.rev, since, limit)]
        if not articles:
            self._settled = force.rev
            return None
        compared = compared_with(self.store, force.matcher, articles)
        return _added(Summary(), compared, _apply(self.store, compared, force.rev))

    def few(self) -> tuple[Summary, int]:
        """Match again what is due when that is soon done: what was done, and how many articles are left to a rematch.

        For a single poll, which a person waits for.
        """
        force = self.editorial.current()
        since = self.clock() - LOOK_BACK
        if len(self.store.outdated(force.rev, since, FEW + 1)) > FEW:
            return Summary(), max(FEW + 1, self.store.stale(force.rev, since))
        done = Summary()
        while (step := self.step()) is not None:
            done = added(done, step)
        return done, 0


def compare(recipe: Recipe, reading: Reading, since: datetime | None, after: int, upto: int) -> Compared:
    """In a child: a piece of the archive, matched and compared with what is stored."""
    store = opened(reading)
    articles = [stored.article for _, stored in store.scan(since, after, MOST, upto)]
    return compared_with(store, matcher_of(recipe), articles)


def compared_with(store: Store, matcher: Matcher, articles: Sequence[Article]) -> Compared:
    """What differs between the hits and mentions that are stored and those that these watchlists find."""
    matched = matcher.match(articles)
    differing = store.differing(matched, [a.revision for a in articles])
    pairs = list(zip(articles, matched, strict=True))
    changed = [(a, m) for a, m in pairs if a.id in differing]
    return Compared(
        changed=tuple(m for _, m in changed),
        revisions=tuple(a.revision for a, _ in changed),
        same=tuple((a.id, a.revision) for a, _ in pairs if a.id not in differing),
        hits=sum(len(m.hits) for m in matched),
    )


def added(one: Summary, other: Summary) -> Summary:
    """Both together."""
    sums = {key: value + getattr(other, key) for key, value in asdict(one).items()}
    return Summary(**sums)


def _apply(store: Store, compared: Compared, rev: str, note: Callable[[Saved], dict[str, str]] | None = None) -> Saved:
    return store.rematched(compared.changed, compared.revisions, rev, lookback=True, same=compared.same, note=note)


def _added(done: Summary, compared: Compared, saved: Saved) -> Summary:
    articles = len(compared.changed) + len(compared.same)
    same = compared.hits - saved.hits
    return added(done, Summary(articles=articles, gained=saved.hits, withdrawn=saved.withdrawn, same=same))
