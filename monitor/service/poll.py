"""Polling: what is due -> fetch -> parse -> fresh? -> extract -> match -> save, all that one feed brings in one piece.

store.claim_due | fetcher.fetch_all | sandbox(read_feed) | store.known | extract.judged | matcher.match
| store.near, cluster.stories | schedule.next_state | store.save
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
import uuid
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import overload

from monitor import cluster, dates, extract, faults, identity
from monitor.errors import MonitorError
from monitor.match import Matcher
from monitor.match.collector import uncollected
from monitor.model import Article, Batch, Failed, Feed, FeedState, Fetched, FetchResult, Matched
from monitor.ports import Clock, Fetcher, Store
from monitor.sandbox import Done, Killed
from monitor.schedule import asking, must_wait, next_state, with_letters
from monitor.service import trace
from monitor.service.clock import require_to_poll
from monitor.service.course import LOOK, Course
from monitor.service.edit import Editorial
from monitor.service.page import Lane, Pages
from monitor.service.read import Read

GROUP = 32
"""Fetched feeds that are parsed, matched and written together: the wait for the disk is paid
once for all of them."""

PAUSE = 0.25
"""Seconds without an answer after which what is there is written."""

PORTION = 800
"""Articles matched and written at once, but never a part of one feed. Those of a larger one are matched in pieces of
PIECE, and what is found in each is packed until it is written, all in one transaction."""

PIECE = 200

LEASE = 600.0
"""Seconds for which a feed is left to the poll that claimed it. A poll that takes longer renews the leases of what it
still has in hand; those of one that was killed run out."""

HEARTBEAT = 5.0
"""Seconds between two looks at the clock for that, and for the sign of life. Only after a third of the lease is it
renewed: two tries may fail before it runs out."""

SHOWN = 1_000
"""Articles of a feed with which what seems new is compared at least: more than a feed shows, and weeks of most."""

NEAR = timedelta(days=3)
"""How far back a story can begin."""

Answer = tuple[Feed, FeedState, FetchResult]
Opened = tuple[Feed, FeedState, Fetched, list[Article]]
"""A feed that could be read, with its articles."""

Progress = Callable[[int, int], None]
"""Called with what is done and what there is."""

Reader = Callable[[Sequence[tuple[object, ...]]], Iterator[Done[Read | Failed] | Killed]]
"""Runs read_feed on many arguments in the sandbox, in order."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a poll did; `causes` counts failures by their sentence."""

    feeds: int = 0
    fetched: int = 0
    unchanged: int = 0
    failed: int = 0
    articles: int = 0
    revised: int = 0
    hits: int = 0
    seconds: float = 0.0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """(feed title, kind, sentence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """The poll with all that it needs."""

    store: Store
    fetcher: Fetcher
    read: Reader
    editorial: Editorial
    clock: Clock
    chance: Callable[[], float]
    """A number from 0 to 1 that spreads the next polls."""
    pages: Pages | None = None
    """Reads the pages of feeds marked `fulltext`; None leaves them alone."""

    def poll(
        self,
        only: Collection[str] | None = None,
        *,
        every: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        alive: Callable[[], None] | None = None,
    ) -> Report:
        """Poll what is due (`every`: due or not) of all feeds or of `only`; the outside never makes it raise.

        Once it is told to end (`course.tell_to_end`) it writes what it has read and gives the rest back, still due,
        within seconds; by `stop` alone it waits for a document that hangs in its parser. `alive` is called, from a
        thread, now and then for as long as it moves on.
        """
        return asyncio.run(self._poll(only, Course(stop, alive), every=every, progress=progress))

    async def _poll(
        self, only: Collection[str] | None, course: Course, *, every: bool, progress: Progress | None
    ) -> Report:
        began = time.monotonic()
        require_to_poll(self.store, self.clock())
        feeds = {f.id: f for f in self.editorial.current().feeds if f.url}
        self.store.sync_feeds(list(feeds.values()))
        faults.point("poll.synced")
        owner = uuid.uuid4().hex
        claimed = self.clock()
        states = self.store.claim_due(claimed, owner=owner, lease=LEASE, limit=100_000, only=only, every=every)
        faults.point("poll.claimed")
        due = {s.feed: s for s in states if s.feed in feeds and not must_wait(s, self.clock())}
        trace.left_alone(states, due)
        report = Report(feeds=len(due))
        try:
            async with self._holding(owner, claimed, course):
                await self._through([(feeds[i], s) for i, s in due.items()], course, report, progress)
            faults.point("poll.ending")
        finally:
            self.store.release(owner)
        faults.point("poll.released")
        report.seconds = time.monotonic() - began
        return report

    @asynccontextmanager
    async def _holding(self, owner: str, claimed: datetime, course: Course) -> AsyncIterator[None]:
        """Keep what is in hand from other instances while the block runs, however long that takes."""
        renewing = asyncio.create_task(self._renew(owner, claimed, course))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})

    async def _renew(self, owner: str, renewed: datetime, course: Course) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            course.ends()  # seen here at the latest: nobody else looks while a parser hangs
            with suppress(MonitorError):
                await asyncio.to_thread(course.sign)
            now = self.clock()
            if timedelta() <= now - renewed < timedelta(seconds=LEASE / 3):  # a clock set back makes a lease void, too
                continue
            try:
                # not in the thread that writes: a large portion may keep that one busy for longer than the lease
                await asyncio.to_thread(self.store.renew, now, owner=owner, lease=LEASE)
            except MonitorError:  # locked or full; whoever writes articles tells it, the next look tries again
                continue
            renewed = now
            faults.point("poll.renewed")

    async def _through(
        self, due: Sequence[tuple[Feed, FeedState]], course: Course, report: Report, progress: Progress | None
    ) -> None:
        """Fetch, parse, match and write; a group is parsed in the children while the one before it is written."""
        states = {state.feed: state for _, state in due}
        writing: asyncio.Task[None] | None = None
        lane = Lane(self.pages)
        # one thread for all groups: each that writes has a connection, whose cache takes 16 MB, and a heap of its own
        hand = ThreadPoolExecutor(1, thread_name_prefix="writing")
        write = partial(self._written, hand, course, report, progress, len(due))
        try:
            fetched = self.fetcher.fetch_all([(f, asking(s, self.clock())) for f, s in due])
            async with aclosing(
                _poison_last(_grouped(fetched, course), {s.feed for _, s in due if s.error_kind == "poison"}, course)
            ) as groups:
                async for group in groups:
                    answers = [(feed, states[feed.id], result) for feed, result in group]
                    faults.point("poll.fetched")
                    answers, outcomes = lane.aside(*await asyncio.to_thread(self._parsed, answers, course))
                    faults.point("poll.parsed")
                    if writing:
                        await writing
                    writing = asyncio.create_task(write(answers, outcomes))
            async for back in course.along(lane.rest()):
                if back and writing:
                    await writing
                if back:
                    writing = asyncio.create_task(write(*back))
        finally:
            lane.close()
            try:
                if writing:
                    await writing
            finally:
                hand.shutdown()

    def _parsed(self, answers: Sequence[Answer], course: Course) -> tuple[list[Answer], list[Read | Failed]]:
        """The answers that are dealt with, and what the children make of the bodies among them, in order.

        The others are left to the next poll: for their bodies there was no time, or their child was ended by us.
        """
        now = self.clock()
        bodies = [(f, s, r) for f, s, r in answers if isinstance(r, Fetched)]
        jobs = [(f, r.body, r.content_type, r.url, now, s.identity, s.correction) for f, s, r in bodies]
        read: dict[str, Read | Failed] = {}
        for (feed, *_), outcome in zip(bodies, self.read(jobs) if jobs else (), strict=True):
            if isinstance(outcome, Done) or outcome.cause != "ended":
                read[feed.id] = _read(outcome)
                course.step()
            if course.late():
                break
        return [a for a in answers if not isinstance(a[2], Fetched) or a[0].id in read], list(read.values())

    async def _written(
        self,
        hand: Executor,
        course: Course,
        report: Report,
        progress: Progress | None,
        every: int,
        answers: Sequence[Answer],
        outcomes: Sequence[Read | Failed],
    ) -> None:
        with uncollected():
            await asyncio.get_running_loop().run_in_executor(hand, self._take, answers, outcomes, course, report)
        if progress:
            progress(report.fetched + report.unchanged + report.failed, every)

    def _take(
        self, answers: Sequence[Answer], outcomes: Sequence[Read | Failed], course: Course, report: Report
    ) -> None:
        """Turn answers into batches and write them, a portion in one transaction."""
        now = self.clock()
        bodies = [(f, s, r) for f, s, r in answers if isinstance(r, Fetched)]
        batches: list[Batch] = []
        new: list[Opened] = []  # no page's when told to end: its child may have been ended, and it is asked for once
        self._keep_poison(bodies, outcomes)
        for (feed, state, fetched), read in zip(bodies, outcomes, strict=True):
            if isinstance(read, Failed):
                batches.append(self._failed(feed, state, read, now, report))
            elif not (feed.fulltext and course.ends()):
                trace.parsed(feed, read)
                known = replace(state, page_note=with_letters(state.page_note, read.lost))
                new.append((feed, known, fetched, list(read.articles)))
        for feed, state, result in answers:
            if isinstance(result, Failed):
                batches.append(self._failed(feed, state, result, now, report))
            elif not isinstance(result, Fetched):
                report.unchanged += 1
                batches.append(Batch(state=self._next(feed, state, result, now, 0)))
        for portion in _portions(new):
            if course.late():
                break
            batches += self._matched(portion, now)
            report.fetched += len(portion)
            self._save(batches, report, now)
            course.step()
            batches = []
        self._save(batches, report, now)

    def _keep_poison(
        self, bodies: Sequence[tuple[Feed, FeedState, Fetched]], outcomes: Sequence[Read | Failed]
    ) -> None:
        """Keep what broke the parser, before the state says so: a crash in between leaves the feed due, and no gap."""
        rows = zip(bodies, outcomes, strict=True)
        broke = [
            (f.id, r.body, why.message) for (f, _, r), why in rows if isinstance(why, Failed) and why.kind == "poison"
        ]
        if broke:
            self.store.keep_poison(broke)
            faults.point("poll.poison")

    def _save(self, batches: Sequence[Batch], report: Report, now: datetime) -> None:
        """Write these in one transaction and count what was new."""
        if not batches:
            return
        faults.point("poll.saving")
        saved = self.store.save(batches)
        faults.point("poll.saved")
        report.articles += saved.articles
        report.revised += saved.revised
        report.hits += saved.hits
        if saved.hits:
            self.store.set_meta({"last_hit": now.isoformat()})
            faults.point("poll.noted")

    def _matched(self, read: Sequence[Opened], now: datetime) -> list[Batch]:
        """Batches of what is new or revised, all feeds of the group matched in one call."""
        known = self.store.known([a.id for *_, found in read for a in found])
        faults.point("poll.known")
        read = [self._recognised(*one, known) for one in read]
        fresh = [
            [a for a in extract.judged(found, known, state) if known.get(a.id) != a.revision]
            for _, state, _, found in read
        ]
        every = [a for articles in fresh for a in articles]
        matcher: Matcher | None = self.editorial.current().matcher if every else None
        matched = _found(matcher, every) if matcher else ()
        faults.point("poll.matched")
        stories = iter(self._stories(every, now) if every else ())
        faults.point("poll.clustered")
        batches = []
        end = 0
        for (feed, state, fetched, found), articles in zip(read, fresh, strict=True):
            new = [a for a in articles if a.id not in known]
            start, end = end, end + len(articles)
            mine = matched if len(articles) == len(every) else matched[start:end]
            trace.compared(feed, found, articles, new)
            trace.matched(feed, mine)
            batches.append(
                Batch(
                    state=self._next(feed, _timed(state, new), fetched, now, len(new)),
                    articles=tuple(articles),
                    matched=mine,
                    matched_rev=matcher.rev if matcher else "",
                    stories=tuple(next(stories) for _ in articles),
                )
            )
        return batches

    def _stories(self, articles: Sequence[Article], now: datetime) -> list[str]:
        signatures = [a.signature for a in articles]
        near = self.store.near(signatures, now - NEAR, cluster.COMPARED, cluster.SHARING_ONE)
        return cluster.stories(articles, near)

    def _recognised(
        self, feed: Feed, state: FeedState, fetched: Fetched, found: list[Article], known: dict[str, str]
    ) -> Opened:
        """The same, with articles whose marks the feed has changed under the ids that they have; fills up `known`."""
        if not identity.to_compare(found, known):
            return feed, state, fetched, found
        shown = self.store.shown(feed.id, max(SHOWN, 4 * len(found))) if state.last_ok else []
        doubtful = identity.doubtful(found, known, shown)
        if doubtful:
            found = identity.apart(found, {s.article.id: s.article for s in self.store.articles(doubtful)})
            known.update(self.store.known([a.id for a in found]))
        articles, by = identity.recognised(found, known, shown, state)
        known.update(self.store.known([a.id for a in articles if a.id not in known]) if shown else {})
        return feed, replace(state, identity=by), fetched, articles

    def _next(self, feed: Feed, state: FeedState, result: FetchResult, now: datetime, new: int) -> FeedState:
        after = next_state(state, result, now=now, new_items=new, jitter=self.chance(), feed=feed)
        trace.settled(feed, state, result, after, now, new)
        return after

    def _failed(self, feed: Feed, state: FeedState, failed: Failed, now: datetime, report: Report) -> Batch:
        report.failed += 1
        report.failures.append((feed.title or feed.id, failed.kind, failed.message))
        return Batch(state=self._next(feed, state, failed, now, 0))


async def _grouped(
    answers: AsyncIterator[tuple[Feed, FetchResult]], course: Course
) -> AsyncGenerator[list[tuple[Feed, FetchResult]], None]:
    """Answers in groups: of GROUP while they come fast, of what is there when nothing comes for a moment.

    One feed that hangs to its deadline never keeps the articles of the others waiting. A poll that is to end takes what
    is there, and ends the fetching.
    """
    group: list[tuple[Feed, FetchResult]] = []
    quiet = 0.0
    async with aclosing(course.along(answers)) as coming:
        async for answer in coming:
            quiet = 0.0 if answer else quiet + LOOK
            group += [answer] if answer else []
            if group and (len(group) >= GROUP or quiet >= PAUSE):
                yield group
                group, quiet = [], 0.0
    if group:
        yield group


def _timed(state: FeedState, new: Sequence[Article]) -> FeedState:
    """The state with what the dates of new articles say of the feed's clock, before they were set right by `state`."""
    lie = timedelta(seconds=state.correction)
    newest = [dates.ahead([a.published + lie], a.seen) for a in new if a.published]
    ahead = dates.noted(state.ahead, max((n for n in newest if n is not None), default=None))
    return replace(state, ahead=ahead, correction=dates.correction(ahead))


async def _poison_last(
    groups: AsyncGenerator[list[tuple[Feed, FetchResult]], None], poison: Collection[str], course: Course
) -> AsyncGenerator[list[tuple[Feed, FetchResult]], None]:
    """The same, with the bodies of feeds that were poison at the end: each may hold its group up for 30 seconds.

    A poll that is to end has no time for them.
    """
    last: list[tuple[Feed, FetchResult]] = []
    async with aclosing(groups):
        async for group in groups:
            last += [(f, r) for f, r in group if f.id in poison and isinstance(r, Fetched)]
            if well := [(f, r) for f, r in group if f.id not in poison or not isinstance(r, Fetched)]:
                yield well
    if last and not course.ends():
        yield last


def _portions(opened: Sequence[Opened]) -> Iterator[list[Opened]]:
    """Whole feeds in their order, as many at once as have PORTION articles together."""
    portion: list[Opened] = []
    for one in opened:
        if portion and sum(len(articles) for *_, articles in portion) + len(one[-1]) > PORTION:
            yield portion
            portion = []
        portion.append(one)
    if portion:
        yield portion


class _Packed(Sequence[Matched]):
    """What was found in very many articles, a piece at a time: packed it is small. Read it in order."""

    def __init__(self, pieces: Iterable[Sequence[Matched]]) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        for piece in pieces:
            self._pieces.append((len(piece), zlib.compress(pickle.dumps(piece, pickle.HIGHEST_PROTOCOL), 1)))

    def __len__(self) -> int:
        return sum(number for number, _ in self._pieces)

    def __iter__(self) -> Iterator[Matched]:
        for _, packed in self._pieces:
            yield from pickle.loads(zlib.decompress(packed))  # noqa: S301 - packed in this process

    @overload
    def __getitem__(self, place: int) -> Matched: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Matched, ...]: ...

    def __getitem__(self, place: int | slice) -> Matched | tuple[Matched, ...]:
        return tuple(self)[place]


def _found(matcher: Matcher, articles: Sequence[Article]) -> Sequence[Matched]:
    """What the matcher finds, packed when the articles are more than a portion: they are those of one feed."""
    if len(articles) <= PORTION:
        return tuple(matcher.match(articles))
    return _Packed(matcher.match(articles[n : n + PIECE]) for n in range(0, len(articles), PIECE))


def _read(outcome: Done[Read | Failed] | Killed) -> Read | Failed:
    if isinstance(outcome, Killed):
        return Failed(kind="poison", message=f"This feed could not be read within the limits: {outcome.reason}")
    return outcome.value
