"""Every table of the database, as named steps that are only ever added to.

A step that has shipped is never edited: a change is a new step at the end. The comments inside the statements stay in
the file, so `sqlite3 data/monitor.db .schema` shows them to an analyst. Times are ISO 8601 texts in UTC, which sort as
text; JSON columns say so. The table `_sqlite_migrations` (kept by sqlite-utils) tells which steps a file has.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

SET = "monitor"
"""Name of our set of steps in `_sqlite_migrations`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the schema, done in one transaction with the note that it was done."""

    name: str
    statements: tuple[str, ...]


_FEEDS = """CREATE TABLE feeds (        -- what people wrote of a feed, and what was observed of it
  id TEXT PRIMARY KEY,                  -- slug, as `source:` uses it
  url TEXT NOT NULL DEFAULT '',         -- empty: an outlet that is listed but has no feed
  title TEXT NOT NULL DEFAULT '',
  lang TEXT NOT NULL DEFAULT '',
  country TEXT NOT NULL DEFAULT '',
  tier INTEGER NOT NULL DEFAULT 2,
  wanted INTEGER NOT NULL DEFAULT 0,    -- 1: stands in feeds.yaml now
  next_due TEXT,                        -- when to ask again; none: at once
  interval INTEGER NOT NULL DEFAULT 900, -- seconds between polls at present
  etag TEXT NOT NULL DEFAULT '',
  last_modified TEXT NOT NULL DEFAULT '',
  body_hash TEXT NOT NULL DEFAULT '',
  failures INTEGER NOT NULL DEFAULT 0,  -- failed polls since the last good one
  last_try TEXT,
  last_ok TEXT,                         -- none: never answered
  last_new TEXT,                        -- when it last brought an article
  last_error TEXT NOT NULL DEFAULT '',  -- one sentence
  error_kind TEXT NOT NULL DEFAULT '',
  moved_to TEXT NOT NULL DEFAULT '',    -- target of a permanent redirect
  usual_new REAL NOT NULL DEFAULT 0,    -- moving average of new items
  identity TEXT NOT NULL DEFAULT 'guid', -- what tells items apart: guid or link
  lease_until TEXT,                     -- somebody polls it until then
  lease_owner TEXT NOT NULL DEFAULT ''
)"""

_ARTICLES = """CREATE TABLE articles (  -- one row per item of a feed
  n INTEGER PRIMARY KEY,                -- sorts by time: (seconds since 1970 + 2^33) * 2^20 + a running number
  id TEXT NOT NULL UNIQUE,              -- hash of feed and item identity
  feed TEXT NOT NULL,                   -- feeds.id, or the source of an import
  url TEXT NOT NULL,                    -- the raw link, may be empty
  title TEXT NOT NULL,
  lead TEXT NOT NULL,                   -- first words of text
  lang TEXT NOT NULL,                   -- en tr ar ku ckb fa
  published TEXT,                       -- the feed's own date, if readable
  published_raw TEXT NOT NULL,          -- the feed's own date, as written
  seen TEXT NOT NULL,                   -- first sight; decides what is new
  changed TEXT NOT NULL,                -- first sight of the present revision
  guid TEXT NOT NULL,
  authors TEXT NOT NULL,                -- JSON list
  signature BLOB NOT NULL,              -- shingle hashes, smallest first, 8 bytes each, little-endian
  revision TEXT NOT NULL,               -- hash of title and text
  standing TEXT NOT NULL,               -- news, baseline, held or archive
  source TEXT NOT NULL,                 -- name of the outlet
  story TEXT NOT NULL,                  -- articles.id of the story's first article
  matched_rev TEXT NOT NULL,            -- revision of the watchlists it was matched with
  text TEXT NOT NULL                    -- plain text; offsets of mentions and evidence count its code points
)"""

# Contentless: the folded text can be made again from title and text, and would double the file. No column sizes:
# nothing is ranked by the index. Prefix lists of 4 and 5 letters: nearly every word is looked for with its suffixes;
# "iran*" over 117,000 articles took 5.7 ms without, 0.14 ms with them (3, 4 and 5 made storing 2.6 times as slow).
_SEARCH = """CREATE VIRTUAL TABLE search USING fts5(
  body, content='', columnsize=0, prefix='4 5', tokenize='unicode61 remove_diacritics 0'
)"""

_HITS = """CREATE TABLE hits (          -- a rule or a watched entity found in one revision of an article
  k INTEGER PRIMARY KEY,
  hit TEXT NOT NULL UNIQUE,             -- public id: hash of article, revision, watchlist, rule, entity
  n INTEGER NOT NULL REFERENCES articles(n),
  article TEXT NOT NULL,                -- articles.id
  revision TEXT NOT NULL,               -- the revision it was found in
  watchlist TEXT NOT NULL,
  rule TEXT,                            -- none: a mention
  entity TEXT,                          -- none: a rule
  rev TEXT NOT NULL,                    -- revision of the watchlist then in force
  level TEXT NOT NULL,                  -- flash, high, normal or low
  lookback INTEGER NOT NULL,            -- 1: found by trying an edited watchlist on stored articles
  made TEXT NOT NULL,
  withdrawn TEXT,                       -- when it ceased to hold; the row stays
  evidence TEXT NOT NULL                -- JSON list of spans
)"""

_OUTBOX = """CREATE TABLE outbox (      -- one frozen message to one recipient, and how its delivery stands
  digest TEXT NOT NULL REFERENCES digests(key),
  recipient TEXT NOT NULL,
  state TEXT NOT NULL,                  -- queued, committing, sent, failed, unknown or dropped
  tries INTEGER NOT NULL DEFAULT 0,
  next_try TEXT,                        -- none: at once
  error TEXT NOT NULL DEFAULT '',
  changed TEXT NOT NULL,
  message_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  subject TEXT NOT NULL,
  date TEXT NOT NULL,
  headers TEXT NOT NULL,                -- JSON list of pairs
  text TEXT NOT NULL,
  html TEXT NOT NULL,
  UNIQUE (digest, recipient)
)"""

STEPS = (
    Step(
        name="m0001_start",
        statements=(
            _FEEDS,
            _ARTICLES,
            "CREATE INDEX articles_feed ON articles(feed)",
            "CREATE INDEX articles_lang ON articles(lang)",
            # most articles are a story of their own: leaving these out spares half of the index
            "CREATE INDEX articles_story ON articles(story) WHERE story <> id",
            "CREATE INDEX articles_seen ON articles(seen)",
            "CREATE INDEX articles_matched ON articles(matched_rev)",
            _SEARCH,
            # 16 MB of postings are gathered before a segment is written; the default of 1 MB merges ten times as often
            "INSERT INTO search(search, rank) VALUES ('hashsize', 16777216)",
            """CREATE TABLE revisions (     -- earlier wordings of articles that were edited
  n INTEGER NOT NULL REFERENCES articles(n),
  revision TEXT NOT NULL,
  seen TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  UNIQUE (n, revision)
)""",
            """CREATE TABLE mentions (      -- entities named in the present revision of an article
  entity TEXT NOT NULL,
  n INTEGER NOT NULL REFERENCES articles(n),
  spans TEXT NOT NULL,                  -- JSON list of [title or body, start, end, nested 0/1]
  PRIMARY KEY (entity, n)
) WITHOUT ROWID""",
            "CREATE INDEX mentions_n ON mentions(n)",
            _HITS,
            "CREATE INDEX hits_n ON hits(n)",
            "CREATE INDEX hits_watchlist ON hits(watchlist, n) WHERE withdrawn IS NULL",
            "CREATE INDEX hits_rule ON hits(rule, n) WHERE withdrawn IS NULL",
            "CREATE INDEX hits_level ON hits(level, n) WHERE withdrawn IS NULL",
            "CREATE INDEX hits_lookback ON hits(k) WHERE lookback = 1 AND withdrawn IS NULL",
            """CREATE TABLE sketches (      -- the four smallest values of the signatures of articles seen lately
  value INTEGER NOT NULL,
  n INTEGER NOT NULL REFERENCES articles(n),
  seen TEXT NOT NULL,
  PRIMARY KEY (value, n)
) WITHOUT ROWID""",
            """CREATE TABLE desks (         -- desks that were ever given a digest
  desk TEXT PRIMARY KEY,
  start TEXT NOT NULL                   -- nothing first seen before this is ever mailed to it
) WITHOUT ROWID""",
            """CREATE TABLE digests (       -- one frozen digest per desk, local date and slot
  key TEXT PRIMARY KEY,                 -- desk/date/slot
  desk TEXT NOT NULL,
  day TEXT NOT NULL,                    -- date where the desk is
  slot TEXT NOT NULL,                   -- local time, or flash-STORY
  made TEXT NOT NULL,
  stories INTEGER NOT NULL,
  UNIQUE (desk, day, slot)
)""",
            """CREATE TABLE told (          -- which desk was given which hit
  desk TEXT NOT NULL,
  k INTEGER NOT NULL REFERENCES hits(k),
  digest TEXT NOT NULL REFERENCES digests(key),
  PRIMARY KEY (desk, k)
) WITHOUT ROWID""",
            _OUTBOX,
            """CREATE TABLE watchlists (    -- sources of watchlist files that were good, the newest is in force
  file TEXT NOT NULL,
  rev TEXT NOT NULL,
  source TEXT NOT NULL,
  since TEXT NOT NULL,
  PRIMARY KEY (file, rev)
)""",
            """CREATE TABLE meta (          -- words and figures to remember
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID""",
        ),
    ),
    Step(
        name="m0002_judgements",
        statements=(
            """CREATE TABLE judgements (    -- what people said of hits: "not it"
  k INTEGER NOT NULL REFERENCES hits(k),
  verdict TEXT NOT NULL,
  made TEXT NOT NULL,
  PRIMARY KEY (k, verdict)
) WITHOUT ROWID""",
        ),
    ),
    Step(
        name="m0003_feed_clocks",
        statements=(
            "ALTER TABLE feeds ADD COLUMN last_full TEXT",  # when it last sent its whole body
            "ALTER TABLE feeds ADD COLUMN failing_since TEXT",  # first failure since the last good poll
            # JSON list, newest last: seconds by which the newest date of a poll lay in the future
            "ALTER TABLE feeds ADD COLUMN ahead TEXT NOT NULL DEFAULT '[]'",
            "ALTER TABLE feeds ADD COLUMN correction INTEGER NOT NULL DEFAULT 0",  # seconds taken from its dates
        ),
    ),
    Step(
        name="m0004_feed_pages",
        statements=(
            # one sentence: why texts of pages are missing
            "ALTER TABLE feeds ADD COLUMN page_note TEXT NOT NULL DEFAULT ''",
        ),
    ),
    Step(
        name="m0005_poison",
        statements=(
            """CREATE TABLE poison (        -- last body of each feed on which a parser broke its limits
  feed TEXT PRIMARY KEY,                -- feeds.id
  seen TEXT NOT NULL,
  reason TEXT NOT NULL,                 -- one sentence
  size INTEGER NOT NULL,                -- bytes of the whole body
  body BLOB NOT NULL                    -- its beginning, compressed with zlib
)""",
        ),
    ),
    Step(
        name="m0006_held",
        statements=("CREATE INDEX articles_held ON articles(feed) WHERE standing = 'held'",),
    ),
    Step(
        name="m0007_hits_of_an_article_together",
        # as store.rows.hit_id names them now; until then it was 16 digits of the same hash
        statements=("UPDATE hits SET hit = substr(article, 1, 8) || substr(hit, 1, 12)",),
    ),
)


def applied(connection: sqlite3.Connection) -> list[str] | None:
    """Names of the steps that the file has, oldest first; None when it is no database of this program."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if not found:
        return None
    rows = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (SET,))
    return [str(name) for (name,) in rows] or None


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, inside the transaction that the caller has begun: all of it or nothing."""
    # importing sqlite-utils takes 0.18 s, which a search that finds its schema in order should not wait for
    from sqlite_utils import Database, Migrations  # noqa: PLC0415

    migrations = Migrations(SET)
    for step in STEPS:

        @migrations(name=step.name)
        def apply(db: Database, step: Step = step) -> None:
            for statement in step.statements:
                db.execute(statement)

    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
