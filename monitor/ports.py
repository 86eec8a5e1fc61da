"""What the services need from outside: three ports and a clock. Nothing else is swappable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from monitor.identity import Shown
from monitor.model import (
    LEVELS,
    Batch,
    Delivery,
    DeliveryState,
    DigestKey,
    Feed,
    FeedState,
    FetchResult,
    Filter,
    Health,
    Hit,
    Level,
    Matched,
    Message,
    Plan,
    Saved,
    SendResult,
    Stored,
    WatchlistRevision,
)

Clock = Callable[[], datetime]
"""Returns the present moment as an aware UTC datetime."""


class Fetcher(Protocol):
    """Reads feeds. Never raises for what the outside does: that is a `Failed`."""

    def fetch_all(
        self, feeds: Sequence[tuple[Feed, FeedState]], *, follow: bool = True
    ) -> AsyncIterator[tuple[Feed, FetchResult]]:
        """Yield one result per feed, as they come; conditional GET with the state's validators and body hash.

        A redirect that is not to be followed is a `Failed` that says where it leads.
        """
        ...


class Store(Protocol):
    """The whole state. Every writing method is one transaction; a reader never waits for a writer.

    `n` is the number that sorts articles by time (newest = largest); it never leaves the store but as a cursor.
    """

    # feeds
    def sync_feeds(self, feeds: Sequence[Feed]) -> None:
        """Remember which feeds people want; a feed that left keeps its articles and its state."""
        ...

    def states(self) -> dict[str, FeedState]:
        """The state of every feed that was ever known, by feed id."""
        ...

    def claim_due(
        self, now: datetime, *, owner: str, lease: float, limit: int, only: Collection[str] | None, every: bool
    ) -> list[FeedState]:
        """Lease up to `limit` feeds that are due (`every`: due or not) and not leased by somebody else.

        `only` names the feed ids to choose from, None means all that were last synced; `lease` is in seconds.
        """
        ...

    def renew(self, now: datetime, *, owner: str, lease: float) -> None:
        """Let the leases that this owner still holds end `lease` seconds from now; what was saved has none any more."""
        ...

    def release(self, owner: str) -> None:
        """Give back all leases of this owner."""
        ...

    def keep_poison(self, bodies: Sequence[tuple[str, bytes, str]]) -> None:
        """Keep (feed, body, reason): a bounded beginning, one per feed, until a state that is not poison is saved."""
        ...

    def poison(self) -> list[tuple[str, datetime, str, int]]:
        """(feed, when, reason, size in bytes) of the wanted feeds whose last body broke the parser's limits."""
        ...

    def poison_body(self, feed: str) -> bytes:
        """The beginning of such a body; empty when none is kept."""
        ...

    def occasions(self, feeds: Collection[str]) -> dict[str, list[int]]:
        """Feed -> the hours into which its latest articles fall, newest first, as seconds since 1970."""
        ...

    # articles
    def known(self, ids: Collection[str]) -> dict[str, str]:
        """Article id -> current revision, for those of `ids` that are stored."""
        ...

    def shown(self, feed: str, limit: int) -> list[Shown]:
        """The last articles of this feed by their own dates, newest first."""
        ...

    def near(
        self, signatures: Sequence[tuple[int, ...]], since: datetime, most: int, few: int
    ) -> list[list[tuple[str, str, tuple[int, ...]]]]:
        """Per signature: (article id, story id, signature) of articles seen since then that share a leading value.

        Of those that share the same value the `most` newest, of these the `few` newest and what shares another, too.
        """
        ...

    def save(self, batches: Sequence[Batch]) -> Saved:
        """Write whole batches in one transaction; what is there already is left as it is, a new revision is kept.

        The state (etag and lease included) goes with the articles or not at all.
        """
        ...

    def articles(self, ids: Sequence[str]) -> list[Stored]:
        """The articles with these ids that exist, with their hits, in the order of `ids`."""
        ...

    def candidates(self, plan: Plan, limits: Filter, limit: int, *, hits: bool = True) -> list[tuple[int, Stored]]:
        """Newest first: (n, article) of everything that the plan does not rule out, at most `limit`."""
        ...

    def with_hits(self, found: Sequence[tuple[int, Stored]]) -> list[tuple[int, Stored]]:
        """The same articles with the hits that hold in the revision that was read."""
        ...

    def mentioned(self, numbers: Sequence[int], rev: str) -> frozenset[str] | None:
        """Entities named in these articles; None while some article was matched with other watchlists than `rev`."""
        ...

    def scan(self, since: datetime | None, after: int, limit: int, upto: int | None = None) -> list[tuple[int, Stored]]:
        """Oldest first from cursor `after` on (to `upto`, included): all articles. `hits` is left empty."""
        ...

    def texts(self, since: datetime | None, after: int, upto: int) -> list[tuple[int, str, str, str, str]]:
        """(n, article id, title, text, language) of the articles that `scan` gives, without the rest of them."""
        ...

    def standing(
        self, watchlists: Collection[str], since: datetime | None, after: int = 0
    ) -> dict[tuple[str, str | None, str | None], int]:
        """(watchlist, rule, entity) -> articles beyond cursor `after`, not older than `since`, of which it is a hit.

        The present wordings count.
        """
        ...

    def news_seen(self, since: datetime) -> frozenset[str]:
        """Ids of the news (no archives, nothing held) that were first seen since then."""
        ...

    def pieces(self, since: datetime | None, after: int, size: int) -> list[int]:
        """The n of the last article of each piece of `size` articles beyond `after`, oldest first."""
        ...

    def history(self, article: str) -> list[tuple[str, str, str, datetime]]:
        """(revision, title, text, seen) of an article, oldest first; a single row for one never edited."""
        ...

    def hits_of(self, article: str) -> dict[str, list[Hit]]:
        """Revision -> hits that were found in it and were not withdrawn since."""
        ...

    def differing(self, matched: Sequence[Matched], revisions: Sequence[str]) -> set[str]:
        """Ids of the articles on which `rematched` would change mentions or hits; nothing is written."""
        ...

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
        """Replace the mentions of these articles, add new hits, withdraw hits that no longer hold.

        Level, revision and evidence of a hit that stands follow, the latter two as long as no desk was told of it.
        `same` lists (id, revision) of articles on which nothing changes; `note` makes of what was written the words to
        remember with it, as by `set_meta`.
        """
        ...

    def stale(self, rev: str, since: datetime | None, after: int = 0) -> int:
        """How many articles beyond cursor `after` were matched with another revision of the watchlists than `rev`."""
        ...

    def outdated(self, rev: str, since: datetime, limit: int) -> list[tuple[int, Stored]]:
        """Oldest first, without hits: articles dated or first seen since then that `stale` would count.

        An imported archive counts by its dates alone.
        """
        ...

    def held(self) -> dict[str, int]:
        """Feed -> how many of its articles are held as a flood, until a person releases them."""
        ...

    def release_held(self, feed: str) -> int:
        """Turn the held articles of a feed into news; how many there were."""
        ...

    def judge(self, article: str, watchlist: str, name: str, now: datetime) -> list[Hit]:
        """Remember that a person called the hits of this rule or entity on this article "not it"; the hits judged."""
        ...

    # digest and journal
    def fresh_hits(
        self, desk: str, watchlists: Collection[str] | None, levels: Collection[Level], new_since: datetime
    ) -> list[tuple[Stored, tuple[Hit, ...]]]:
        """News articles with hits that were not yet given to this desk, newest first.

        Left out: hits withdrawn, articles held, baseline or archive. `watchlists` None means all.
        A desk without any digest yet gets only articles first seen after `new_since`.
        """
        ...

    def story_members(self, stories: Collection[str]) -> dict[str, list[tuple[str, str, str, str]]]:
        """Story id -> (article id, source, language, feed) of its articles, oldest first."""
        ...

    def lookback_hits(
        self, desk: str, watchlists: Collection[str] | None, levels: Collection[Level] = LEVELS
    ) -> list[Hit]:
        """Look-back hits of these levels not yet listed to this desk."""
        ...

    def freeze(
        self, key: DigestKey, messages: Sequence[Message], hits: Sequence[Hit], made: datetime, stories: int
    ) -> bool:
        """Store a digest, its messages (state queued) and its (desk, hit) rows. False when the key exists already."""
        ...

    def frozen(self, key: DigestKey) -> list[Message]:
        """The messages of a frozen digest; empty when there is none."""
        ...

    def digests(self, desk: str | None = None) -> list[tuple[str, str, str, datetime, int]]:
        """(desk, local date, slot, made, stories), newest first."""
        ...

    def outbox(self, states: Collection[DeliveryState] | None = None, due: datetime | None = None) -> list[Delivery]:
        """Journal lines, oldest first; with `due` only those whose next try is not later."""
        ...

    def delivery(self, key: str, to: str) -> Delivery | None:
        """One journal line as it stands."""
        ...

    def message(self, key: str, to: str) -> Message | None:
        """The frozen message of a journal line."""
        ...

    def move(  # one journal line has that many facts
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
        """Move a journal line from one of the states `frm` to `state`, atomically. False when it stands elsewhere."""
        ...

    # watchlists
    def keep_revisions(self, revisions: Iterable[WatchlistRevision]) -> None:
        """Remember good sources; the newest per file is the last good one."""
        ...

    def last_good(self) -> dict[str, WatchlistRevision]:
        """The newest good source per file."""
        ...

    # facts about the store itself
    def meta(self, key: str) -> str:
        """A remembered word or figure; empty when there is none."""
        ...

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Remember words or figures."""
        ...

    def counts(self, since: datetime | None = None) -> Health:
        """How much there is."""
        ...

    def latest(self) -> datetime | None:
        """The latest moment at which a feed was polled or a digest made; None for a store never used."""
        ...

    def began(self) -> datetime | None:
        """The latest moment before which nothing first seen is told to some desk; None without any digest."""
        ...

    def set_back(self, now: datetime) -> int:
        """Make what was polled or made after `now` as if done now, for a clock that was ahead; how many feeds."""
        ...

    def check(self) -> list[str]:
        """Sentences about damage; empty when the file is sound."""
        ...

    def backup(self, path: Path) -> None:
        """Write a verified copy; refuses to overwrite."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Channel(Protocol):
    """Carries one message. Knows nothing of retries, journals or digests."""

    def send(self, message: Message, committing: Callable[[], None]) -> SendResult:
        """Hand the message over; calls `committing` right before the act that cannot be taken back."""
        ...
