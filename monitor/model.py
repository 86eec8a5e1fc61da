"""Every object that crosses a module line, in the order in which it is made.

All of them are frozen: a stage takes some and returns others. Times are aware UTC datetimes, sequences are tuples.
Mention, Evidence and Hit are named tuples, made by the million: `bench/match.py` counts what each costs.

    Feed -> FeedState -> FetchResult -> Item -> Article -> Mention, Hit -> Batch -> Digest -> Message -> Delivery
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

LANGUAGES = ("en", "tr", "ar", "ku", "ckb", "fa")
"""Language codes: ku is Kurmanji in Latin letters (kmr is read as ku), ckb is Sorani in Arabic letters."""

RIGHT_TO_LEFT = frozenset({"ar", "ckb", "fa"})

Level = Literal["flash", "high", "normal", "low"]

LEVELS: tuple[Level, ...] = ("flash", "high", "normal", "low")
"""Most urgent first. A low hit is stored and searchable, and is not mailed."""

FieldName = Literal["title", "body"]
Column = Literal["feed", "lang", "story", "watchlist", "rule", "level"]
DeliveryState = Literal["queued", "committing", "sent", "failed", "unknown", "dropped"]
Standing = Literal["news", "baseline", "held", "archive"]
"""news can be mailed; baseline came old with a feed's first fetch; held waits for a person; archive was imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What people wrote in feeds.yaml. `url` is empty for an outlet that has no feed: it is shown as not watched."""

    id: str
    url: str = ""
    title: str = ""
    lang: str = ""
    country: str = ""
    tier: int = 2
    kind: str = "news"
    every: int = 0
    """Wished minutes between polls; 0 lets the rhythm adapt."""
    fulltext: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    line: int = 0
    """Line in feeds.yaml, for messages such as "edit line 17"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What was observed of a feed so far. A feed that was never fetched has `last_ok` None."""

    feed: str
    next_due: datetime | None = None
    interval: int = 900  # seconds between polls at present
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""
    failures: int = 0  # since the last good poll
    last_try: datetime | None = None
    last_ok: datetime | None = None
    last_new: datetime | None = None  # when it last brought an article not seen before
    last_full: datetime | None = None  # when it last sent its whole body; once a day it is asked for that
    failing_since: datetime | None = None  # the first failure since the last good poll
    last_error: str = ""  # one sentence, empty while all is well
    error_kind: str = ""
    moved_to: str = ""  # where a permanent redirect (301, 308) points; people's feeds.yaml is never rewritten
    usual_new: float = 0.0  # moving average of new items in a poll that brought any, for the flood rule
    identity: Literal["guid", "link"] = "guid"  # "link" once it was seen to change its GUIDs at every fetch
    ahead: tuple[int, ...] = ()
    """Per poll that brought dated news, newest last: seconds by which the newest date lay in the future."""
    correction: int = 0  # seconds taken from its dates, because its clock label lies
    page_note: str = ""  # why its texts are spoilt or those of pages missing; one line
    lease_until: datetime | None = None
    lease_owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A body that has to be parsed. `body` is plain (decompressed) bytes within the size caps."""

    url: str  # after redirects
    body: bytes
    body_hash: str
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    retry_after: int | None = None
    max_age: int | None = None
    moved_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """The server answered 304. Validators that it sent along replace those that were asked with (RFC 9110, 15.4.5)."""

    etag: str = ""
    last_modified: str = ""
    max_age: int | None = None
    moved_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The server answered 200 with the very bytes of last time: nothing is parsed."""

    etag: str = ""
    last_modified: str = ""
    max_age: int | None = None
    moved_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An ordinary failure of the outside. `message` is one sentence that a person can act on."""

    kind: str
    """dns refused timeout tls broken http-STATUS too-big encoding redirect blocked not-a-feed poison empty gone"""
    message: str
    status: int = 0
    retry_after: int | None = None  # seconds
    leads_to: str = ""
    """The address of a redirect that was not to be followed."""


FetchResult = Fetched | NotModified | Unchanged | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry as the feed tells it; nothing is judged yet."""

    feed: str
    guid: str = ""
    url: str = ""
    title: str = ""
    """May hold markup and entities as the feed wrote them, resolved once by the parser."""
    html: str = ""
    """The longest of contents and summary, with its markup; behind it what only other contents say."""
    summary: str = ""
    published: datetime | None = None
    published_raw: str = ""
    authors: tuple[str, ...] = ()
    lang: str = ""
    """Language that the entry or the feed declares, as written there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What is stored of an item: plain text, a language, an identity that no re-poll can change."""

    id: str
    """20 hex digits: hash of feed id and item identity, never a number from the database."""
    feed: str
    url: str = ""  # the raw link; empty, http or https
    title: str = ""
    lead: str = ""  # first 60 words of `text`
    text: str = ""
    """The body in plain text; a summary that it does not already contain stands in front."""
    lang: str = ""
    published: datetime | None = None
    published_raw: str = ""
    seen: datetime  # when it was first seen; decides what is new
    guid: str = ""
    authors: tuple[str, ...] = ()
    signature: tuple[int, ...] = ()
    """Bottom values of the word-shingle hashes, smallest first: near-duplicates share most of them."""
    revision: str = ""
    """12 hex digits: hash of title and text. Dates and links never make a revision."""
    standing: Standing = "news"
    source: str = ""  # name of the outlet, for people

    @property
    def when(self) -> datetime:
        """The time that sorts it: its own date where plausible (TRUST: not before seen - 365 d, not after + 24 h)."""
        return plausible(self.published, self.seen, believe=self.standing == "archive")


def plausible(published: datetime | None, seen: datetime, *, believe: bool = False) -> datetime:
    """The publication date where it can be true, else the time of first sight. An import believes its dates."""
    if published is None:
        return seen
    age = (seen - published).total_seconds()
    return published if believe or -86_400 <= age <= 365 * 86_400 else seen


class Mention(NamedTuple):
    """An entity named in an article. Offsets are half-open code points of the stored title or text."""

    entity: str
    field: FieldName
    start: int
    end: int
    letters: str
    nested: bool = False
    """It lies inside a longer name ("Iraq" in "Islamic Resistance in Iraq"): a leaf for rules, no hit of its own."""


class Evidence(NamedTuple):
    """One span that made a hit true: which leaf, the very letters, where, and the sentence around them."""

    leaf: Literal["entity", "word", "term"]
    name: str
    """Entity id, word-list id, or the term as it stands in the query."""
    letters: str
    field: FieldName
    start: int
    end: int
    sentence: str
    lang: str


class Hit(NamedTuple):
    """A rule or a watched entity found in one revision of an article; unique by all but `rev`, `level`, `evidence`."""

    article: str
    revision: str
    watchlist: str
    rule: str | None  # none for a plain mention hit
    entity: str | None  # none for a rule hit
    rev: str
    """Revision of the watchlist that was in force: 12 hex digits of its source."""
    level: Level
    evidence: tuple[Evidence, ...]
    lookback: bool = False
    """Found by matching an edited watchlist against stored articles: searchable, never a flash."""

    @property
    def name(self) -> str:
        """Rule id or entity id."""
        return self.rule or self.entity or ""


class Matched(NamedTuple):
    """What the matcher says of one article; `mentions` in order of place."""

    article: str
    lang: str
    mentions: tuple[Mention, ...] = ()
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All that one poll of one feed writes, in ONE transaction: the state (etag included), articles, mentions, hits."""

    state: FeedState | None = None
    articles: tuple[Article, ...] = ()
    matched: Sequence[Matched] = ()
    """One per article, in the same order."""
    matched_rev: str = ""
    """Revision of all watchlists together that `matched` was made with."""
    stories: tuple[str, ...] = ()
    """Story id per article, in the same order; an article that starts a story carries its own id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save really wrote; articles and hits that were there already do not count."""

    articles: int = 0
    revised: int = 0
    hits: int = 0
    withdrawn: int = 0
    """Hits that ceased to hold when stored articles were matched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An article read back, with what belongs to it."""

    article: Article
    story: str
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who gets what, when, in which zone (desks.yaml)."""

    id: str
    title: str
    to: tuple[str, ...]
    reply_to: str = ""
    zone: str = "UTC"
    at: tuple[str, ...] = ("07:00",)
    """Local times "HH:MM"; each is a slot of the day."""
    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    watchlists: tuple[str, ...] = ()  # watchlist ids; empty means all
    level: Level = "normal"  # the least urgent level that is mailed
    language: str = "en"
    empty: Literal["always", "weekdays", "never"] = "always"
    flash_to: tuple[str, ...] = ()
    flash_level: Level = "flash"
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestKey:
    """One digest per desk, local date and slot. A flash has the slot "flash-" + story id."""

    desk: str
    day: date
    slot: str

    def __str__(self) -> str:
        """The form that stands in the store and in Message-IDs: desk/2026-11-21/07:00."""
        return f"{self.desk}/{self.day.isoformat()}/{self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One story in a digest: the article that stands for it and how many others tell it."""

    story: str
    article: Article
    level: Level
    hits: tuple[Hit, ...]
    """The hits of all articles of the story that the desk has not been given yet, the shown article's first."""
    sources: tuple[tuple[str, str], ...]
    """(source name, language) of every article of the story, the shown one first."""
    also: tuple[str, ...] = ()  # titles of other watchlists that it belongs to
    updated: bool = False
    """The shown article is a later revision of one that was seen before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The stories of one watchlist in a digest."""

    watchlist: str
    title: str
    stories: tuple[StoryLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was and was not watched, so that silence is stated. Each pair is (feed title, one sentence)."""

    feeds: int = 0
    fresh: int = 0
    articles: int = 0  # first seen since the desk's last digest
    failing: tuple[tuple[str, str], ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    unwatched: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    """Broken watchlists, deliveries not confirmed, held floods: one sentence each."""
    last_hit: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one desk is told at one time, before it has any form."""

    key: DigestKey
    desk: Desk
    made: datetime
    since: datetime
    sections: tuple[Section, ...]
    coverage: Coverage
    lookback: tuple[tuple[str, int], ...] = ()
    """(rule title, hits) of edited rules that were tried against stored articles: one line each."""
    flash: bool = False

    @property
    def stories(self) -> int:
        """Number of stories in all sections."""
        return sum(len(s.stories) for s in self.sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A digest in the form in which it is mailed to one recipient."""

    key: str  # str(DigestKey)
    to: str
    sender: str
    subject: str
    text: str
    html: str
    message_id: str
    """Derived from key and recipient, the same on every try."""
    headers: tuple[tuple[str, str], ...] = ()
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One line of the journal: one message to one recipient."""

    key: str
    to: str
    state: DeliveryState
    tries: int = 0
    next_try: datetime | None = None
    error: str = ""
    message_id: str = ""
    changed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What a channel says of one try. `retry` tells whether trying again can help."""

    ok: bool
    retry: bool = False
    error: str = ""
    unconfirmed: bool = False
    """The message went out whole and no answer came back: it may have been delivered or not (RFC 1047)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Limits of a search that the store's columns answer; empty means no limit."""

    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] = ()
    before: int | None = None
    """Cursor: only articles that sort below this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Candidate leaf: these folded tokens side by side in the index; the last may go on when `prefix`."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentioned:
    """Candidate leaf: any of these entities was stored as mentioned under watchlist revision `rev`.

    Articles that were matched with another revision are looked for by `text` instead.
    """

    entities: tuple[str, ...]
    rev: str
    text: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Candidates that every part yields."""

    parts: tuple[Plan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """Candidates that some part yields; no part means no candidate."""

    parts: tuple[Plan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every stored article is a candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Candidate leaf answered by a column: what `source:`, `lang:`, `watchlist:` and the like narrow to."""

    column: Column
    values: tuple[str, ...]


Plan = Tokens | Mentioned | AllOf | AnyOf | Everything | Where
"""A superset of what a query can hit, in terms that an index answers. The matcher decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistRevision:
    """A good revision of a watchlist file, kept so that a broken edit never stops the watch."""

    file: str
    rev: str
    source: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Counts that `doctor` shows."""

    articles: int = 0
    hits: int = 0
    mentions: int = 0
    feeds: int = 0
    digests: int = 0
    schema: int = 0
    size: int = 0  # bytes of the database file
