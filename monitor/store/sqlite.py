"""The Store port on one SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from monitor.errors import StoreError
from monitor.identity import Shown
from monitor.model import (
    LEVELS,
    Batch,
    Delivery,
    DeliveryState,
    DigestKey,
    Feed,
    FeedState,
    Filter,
    Health,
    Hit,
    Level,
    Matched,
    Message,
    Plan,
    Saved,
    Stored,
    WatchlistRevision,
)
from monitor.ports import Clock
from monitor.store import articles, copies, digests, facts, folded, plans, poison, rematch, rhythm, schema
from monitor.store import feeds as polling
from monitor.store.connection import Connections, require


def _now() -> datetime:
    return datetime.now(UTC)


class SqliteStore:
    """Keeps everything in one file; safe to use from several threads and processes.

    Raises StoreError when the file is missing (unless `create`), no database, damaged or newer than the program, and
    TemporaryError when the disk is full or another program keeps the file locked.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False, clock: Clock = _now) -> None:
        """Open the file, bring its schema up to date (a copy is kept beside it first).

        With `read_only` the file is left as it is; a schema or an index that is not up to date is refused.
        """
        self._path = path
        self._clock = clock
        require(path, create=create)
        self._connections = Connections(path, read_only=read_only)
        try:
            if read_only:
                self._require_current()
            else:
                self._prepare(create=create)
        except BaseException:
            self._connections.close()
            raise

    def _prepare(self, *, create: bool) -> None:
        names = copies.steps_of(self._path) if self._path.exists() else None
        if names is None and not create:
            raise StoreError(f"{self._path}: holds no tables: run `monitor init`, or `monitor restore FILE`.")
        missing = [step.name for step in schema.STEPS if step.name not in (names or ())]
        if missing and names:
            copies.write_copy(self._path, self._free_name(missing[0]))
        if missing:
            with self._connections.writing() as db:
                schema.migrate(db)
        with self._connections.reading() as db:
            current = folded.current(db)
        if not current:
            with self._connections.writing() as db:
                folded.rebuild(db)

    def _require_current(self) -> None:
        """Refuse a file that some other command has to bring up to date first."""
        names = copies.steps_of(self._path)
        with self._connections.reading() as db:
            current = names is not None and len(names) == len(schema.STEPS) and folded.current(db)
        if not current:
            raise StoreError(f"{self._path}: was made by an earlier monitor: run `monitor doctor`, then this again.")

    def _free_name(self, step: str) -> Path:
        target = self._path.with_name(f"{self._path.name}.before-{step}")
        number = 2
        while target.exists():
            target = self._path.with_name(f"{self._path.name}.before-{step}-{number}")
            number += 1
        return target

    # feeds

    def sync_feeds(self, feeds: Sequence[Feed]) -> None:
        """See Store.sync_feeds; writes nothing when nothing changed, for every command begins with it."""
        with self._connections.reading() as db:
            outdated = polling.outdated(db, feeds)
        if outdated:
            with self._connections.writing() as db:
                polling.sync(db, feeds)

    def states(self) -> dict[str, FeedState]:
        """See Store.states."""
        with self._connections.reading() as db:
            return polling.states(db)

    def claim_due(
        self, now: datetime, *, owner: str, lease: float, limit: int, only: Collection[str] | None, every: bool
    ) -> list[FeedState]:
        """See Store.claim_due; a lease that runs is respected whoever holds it, the caller included."""
        with self._connections.writing() as db:
            return polling.claim(db, now, owner=owner, lease=lease, limit=limit, only=only, every=every)

    def renew(self, now: datetime, *, owner: str, lease: float) -> None:
        """See Store.renew."""
        with self._connections.writing() as db:
            polling.renew(db, now, owner=owner, lease=lease)

    def release(self, owner: str) -> None:
        """See Store.release."""
        with self._connections.writing() as db:
            polling.release(db, owner)

    def keep_poison(self, bodies: Sequence[tuple[str, bytes, str]]) -> None:
        """See Store.keep_poison."""
        with self._connections.writing() as db:
            poison.keep(db, bodies, self._clock())

    def poison(self) -> list[tuple[str, datetime, str, int]]:
        """See Store.poison."""
        with self._connections.reading() as db:
            return poison.listed(db)

    def poison_body(self, feed: str) -> bytes:
        """See Store.poison_body."""
        with self._connections.reading() as db:
            return poison.body(db, feed)

    def occasions(self, feeds: Collection[str]) -> dict[str, list[int]]:
        """See Store.occasions."""
        with self._connections.reading() as db:
            return rhythm.occasions(db, feeds)

    # articles

    def known(self, ids: Collection[str]) -> dict[str, str]:
        """See Store.known."""
        with self._connections.reading() as db:
            return articles.known(db, ids)

    def shown(self, feed: str, limit: int) -> list[Shown]:
        """See Store.shown."""
        with self._connections.reading() as db:
            return articles.shown(db, feed, limit)

    def near(
        self, signatures: Sequence[tuple[int, ...]], since: datetime, most: int, few: int
    ) -> list[list[tuple[str, str, tuple[int, ...]]]]:
        """See Store.near; articles of the last 30 days."""
        with self._connections.reading() as db:
            return articles.near(db, signatures, since, most, few)

    def save(self, batches: Sequence[Batch]) -> Saved:
        """See Store.save."""
        ready = articles.prefold(self.known([a.id for batch in batches for a in batch.articles]), batches)
        with self._connections.writing() as db:
            return articles.save(db, batches, ready, self._clock())

    def articles(self, ids: Sequence[str]) -> list[Stored]:
        """See Store.articles; hits that hold in the present revision."""
        with self._connections.reading() as db:
            return articles.by_id(db, ids)

    def candidates(self, plan: Plan, limits: Filter, limit: int, *, hits: bool = True) -> list[tuple[int, Stored]]:
        """See Store.candidates; `since` is included, `until` is not."""
        with self._connections.reading() as db:
            return articles.by_number(db, plans.newest(db, plan, limits, limit), hits=hits)

    def with_hits(self, found: Sequence[tuple[int, Stored]]) -> list[tuple[int, Stored]]:
        """See Store.with_hits."""
        with self._connections.reading() as db:
            return articles.with_hits(db, found)

    def mentioned(self, numbers: Sequence[int], rev: str) -> frozenset[str] | None:
        """See Store.mentioned."""
        with self._connections.reading() as db:
            return plans.mentioned(db, numbers, rev)

    def scan(self, since: datetime | None, after: int, limit: int, upto: int | None = None) -> list[tuple[int, Stored]]:
        """See Store.scan; the first cursor is 0."""
        with self._connections.reading() as db:
            return articles.scan(db, since, after, limit, upto)

    def texts(self, since: datetime | None, after: int, upto: int) -> list[tuple[int, str, str, str, str]]:
        """See Store.texts."""
        with self._connections.reading() as db:
            return rematch.texts(db, since, after, upto)

    def standing(
        self, watchlists: Collection[str], since: datetime | None, after: int = 0
    ) -> dict[tuple[str, str | None, str | None], int]:
        """See Store.standing."""
        with self._connections.reading() as db:
            return rematch.standing(db, watchlists, since, after)

    def news_seen(self, since: datetime) -> frozenset[str]:
        """See Store.news_seen."""
        with self._connections.reading() as db:
            return rematch.news_seen(db, since)

    def pieces(self, since: datetime | None, after: int, size: int) -> list[int]:
        """See Store.pieces."""
        with self._connections.reading() as db:
            return rematch.pieces(db, since, after, size)

    def history(self, article: str) -> list[tuple[str, str, str, datetime]]:
        """See Store.history."""
        with self._connections.reading() as db:
            return articles.history(db, article)

    def hits_of(self, article: str) -> dict[str, list[Hit]]:
        """See Store.hits_of."""
        with self._connections.reading() as db:
            return articles.hits_of(db, article)

    def differing(self, matched: Sequence[Matched], revisions: Sequence[str]) -> set[str]:
        """See Store.differing."""
        with self._connections.reading() as db:
            return rematch.differing(db, matched, revisions, self._clock())

    def rematched(
        self,
        matched: Sequence[Matched],
        revisions: Sequence[str],
        rev: str,
        *,
        lookback: bool,
        same: Sequence[tuple[str, str]] = (),
        note: Callable[[Saved], Mapping[str, str]] | None = None,
    ) -> Saved:
        """See Store.rematched; an article edited since it was read is left for the next round."""
        with self._connections.writing() as db:
            saved = rematch.rematched(db, matched, revisions, rev, self._clock(), lookback=lookback)
            rematch.confirm(db, same, rev)
            facts.set_meta(db, note(saved) if note else {})
            return saved

    def stale(self, rev: str, since: datetime | None, after: int = 0) -> int:
        """See Store.stale."""
        with self._connections.reading() as db:
            return rematch.stale(db, rev, since, after)

    def outdated(self, rev: str, since: datetime, limit: int) -> list[tuple[int, Stored]]:
        """See Store.outdated."""
        with self._connections.reading() as db:
            return rematch.outdated(db, rev, since, limit)

    def held(self) -> dict[str, int]:
        """See Store.held."""
        with self._connections.reading() as db:
            return articles.held(db)

    def release_held(self, feed: str) -> int:
        """See Store.release_held."""
        with self._connections.writing() as db:
            return articles.release_held(db, feed)

    def judge(self, article: str, watchlist: str, name: str, now: datetime) -> list[Hit]:
        """See Store.judge; saying it twice changes nothing."""
        with self._connections.writing() as db:
            return facts.judge(db, article, watchlist, name, now)

    # digest and journal

    def fresh_hits(
        self, desk: str, watchlists: Collection[str] | None, levels: Collection[Level], new_since: datetime
    ) -> list[tuple[Stored, tuple[Hit, ...]]]:
        """See Store.fresh_hits."""
        with self._connections.reading() as db:
            return digests.fresh_hits(db, desk, watchlists, levels, new_since)

    def story_members(self, stories: Collection[str]) -> dict[str, list[tuple[str, str, str, str]]]:
        """See Store.story_members."""
        with self._connections.reading() as db:
            return digests.story_members(db, stories)

    def lookback_hits(
        self, desk: str, watchlists: Collection[str] | None, levels: Collection[Level] = LEVELS
    ) -> list[Hit]:
        """See Store.lookback_hits."""
        with self._connections.reading() as db:
            return digests.lookback_hits(db, desk, watchlists, levels)

    def freeze(
        self, key: DigestKey, messages: Sequence[Message], hits: Sequence[Hit], made: datetime, stories: int
    ) -> bool:
        """See Store.freeze."""
        with self._connections.writing() as db:
            return digests.freeze(db, key, messages, hits, made, stories)

    def frozen(self, key: DigestKey) -> list[Message]:
        """See Store.frozen."""
        with self._connections.reading() as db:
            return digests.frozen(db, key)

    def digests(self, desk: str | None = None) -> list[tuple[str, str, str, datetime, int]]:
        """See Store.digests."""
        with self._connections.reading() as db:
            return digests.digests(db, desk)

    def outbox(self, states: Collection[DeliveryState] | None = None, due: datetime | None = None) -> list[Delivery]:
        """See Store.outbox."""
        with self._connections.reading() as db:
            return digests.outbox(db, states, due)

    def delivery(self, key: str, to: str) -> Delivery | None:
        """See Store.delivery."""
        with self._connections.reading() as db:
            return digests.delivery(db, key, to)

    def message(self, key: str, to: str) -> Message | None:
        """See Store.message."""
        with self._connections.reading() as db:
            return digests.message(db, key, to)

    def move(
        self,
        key: str,
        to: str,
        *,
        frm: Collection[DeliveryState],
        state: DeliveryState,
        now: datetime,
        tries: int | None = None,
        next_try: datetime | None = None,
        error: str = "",
    ) -> bool:
        """See Store.move; `tries` None leaves the figure, `next_try` and `error` are set as given."""
        with self._connections.writing() as db:
            return digests.move(db, key, to, frm=frm, state=state, now=now, tries=tries, next_try=next_try, error=error)

    # watchlists

    def keep_revisions(self, revisions: Iterable[WatchlistRevision]) -> None:
        """See Store.keep_revisions."""
        with self._connections.writing() as db:
            facts.keep_revisions(db, revisions)

    def last_good(self) -> dict[str, WatchlistRevision]:
        """See Store.last_good."""
        with self._connections.reading() as db:
            return facts.last_good(db)

    # facts about the store itself

    def meta(self, key: str) -> str:
        """See Store.meta."""
        with self._connections.reading() as db:
            return facts.meta(db, key)

    def set_meta(self, values: Mapping[str, str]) -> None:
        """See Store.set_meta."""
        with self._connections.writing() as db:
            facts.set_meta(db, values)

    def counts(self, since: datetime | None = None) -> Health:
        """See Store.counts."""
        with self._connections.reading() as db:
            return facts.counts(db, since)

    def latest(self) -> datetime | None:
        """See Store.latest."""
        with self._connections.reading() as db:
            return facts.latest(db)

    def began(self) -> datetime | None:
        """See Store.began."""
        with self._connections.reading() as db:
            return facts.began(db)

    def set_back(self, now: datetime) -> int:
        """See Store.set_back."""
        with self._connections.writing() as db:
            return facts.set_back(db, now)

    def check(self) -> list[str]:
        """See Store.check; reads the whole file."""
        try:
            with self._connections.reading() as db:
                found = facts.damage(db)
            if not found:
                with self._connections.writing() as db:
                    facts.check_index(db)
        except StoreError as error:
            return [str(error)]
        return [f"{self._path}: {line}: keep the file aside and use `monitor restore FILE`." for line in found]

    def backup(self, path: Path) -> None:
        """See Store.backup."""
        copies.write_copy(self._path, path)

    def close(self) -> None:
        """See Store.close; no thread may be at work in the store."""
        self._connections.close()
