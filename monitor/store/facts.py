"""What the store remembers beside articles and digests, how much there is, and whether it is sound."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor.model import Health, Hit, WatchlistRevision
from monitor.store import schema
from monitor.store.rows import HIT_COLUMNS, hit_of, instant, iso


def keep_revisions(db: sqlite3.Connection, revisions: Iterable[WatchlistRevision]) -> None:
    """Remember good sources; one that is good again becomes the newest."""
    db.executemany(
        "INSERT INTO watchlists(file, rev, source, since) VALUES (?, ?, ?, ?)"
        " ON CONFLICT(file, rev) DO UPDATE SET since = excluded.since WHERE excluded.since > since",
        [(r.file, r.rev, r.source, iso(r.since)) for r in revisions],
    )


def last_good(db: sqlite3.Connection) -> dict[str, WatchlistRevision]:
    """The newest source per file."""
    rows = db.execute("SELECT file, rev, source, since FROM watchlists ORDER BY since, rowid")
    return {
        file: WatchlistRevision(file=file, rev=rev, source=source, since=instant(since))
        for file, rev, source, since in rows
    }


def meta(db: sqlite3.Connection, key: str) -> str:
    """A remembered word; empty when there is none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return "" if row is None else str(row[0])


def set_meta(db: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Remember words."""
    db.executemany(
        "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        list(values.items()),
    )


def counts(db: sqlite3.Connection, since: datetime | None) -> Health:
    """How much there is; with `since` only articles first seen since then, what was found in them, later digests."""

    def count(sql: str, *values: object) -> int:
        return int(db.execute(sql, values).fetchone()[0])

    if since is None:
        figures = [count(f"SELECT count(*) FROM {table}") for table in ("articles", "hits", "mentions", "digests")]
    else:
        seen = iso(since)
        figures = [
            count("SELECT count(*) FROM articles WHERE seen >= ?", seen),
            count("SELECT count(*) FROM articles a CROSS JOIN hits h ON h.n = a.n WHERE a.seen >= ?", seen),
            count("SELECT count(*) FROM articles a CROSS JOIN mentions m ON m.n = a.n WHERE a.seen >= ?", seen),
            count("SELECT count(*) FROM digests WHERE made >= ?", seen),
        ]
    return Health(
        articles=figures[0],
        hits=figures[1],
        mentions=figures[2],
        digests=figures[3],
        feeds=count("SELECT count(*) FROM feeds WHERE wanted = 1"),
        schema=len(schema.applied(db) or ()),
        size=count("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
    )


def latest(db: sqlite3.Connection) -> datetime | None:
    """When a feed was polled or a digest made last."""
    (found,) = db.execute(
        "SELECT max(at) FROM (SELECT max(last_try) AS at FROM feeds UNION ALL SELECT max(made) FROM digests)"
    ).fetchone()
    return None if found is None else instant(found)


def began(db: sqlite3.Connection) -> datetime | None:
    """From when on the youngest of the desks is told."""
    (found,) = db.execute("SELECT max(start) FROM desks").fetchone()
    return None if found is None else instant(found)


def set_back(db: sqlite3.Connection, now: datetime) -> int:
    """What a clock that was ahead has dated counts as done now; its feeds are due. How many feeds there were."""
    ahead = db.execute(
        "UPDATE feeds SET last_try = :now, last_ok = min(last_ok, :now), last_new = min(last_new, :now),"
        " last_full = min(last_full, :now), failing_since = min(failing_since, :now), next_due = :now,"
        " lease_until = NULL, lease_owner = '' WHERE last_try > :now",
        {"now": iso(now)},
    )
    db.execute("UPDATE digests SET made = :now WHERE made > :now", {"now": iso(now)})
    db.execute("UPDATE desks SET start = :now WHERE start > :now", {"now": iso(now)})
    return ahead.rowcount


def damage(db: sqlite3.Connection) -> list[str]:
    """What SQLite says of pages, and of references between tables when the pages are sound."""
    found = [str(line) for (line,) in db.execute("PRAGMA quick_check(10)") if line != "ok"]
    if not found:
        broken = db.execute("PRAGMA foreign_key_check").fetchmany(1)
        found = [f"a row of {table} points to a row of {parent} that is gone" for table, _, parent, _ in broken]
    return found


def check_index(db: sqlite3.Connection) -> None:
    """Have the full-text index read itself; raises sqlite3.DatabaseError when it is damaged."""
    db.execute("INSERT INTO search(search) VALUES ('integrity-check')")


def judge(db: sqlite3.Connection, article: str, watchlist: str, name: str, now: datetime) -> list[Hit]:
    """Mark the standing hits of a rule or entity on an article as "not it"."""
    rows = db.execute(
        f"SELECT k, {HIT_COLUMNS} FROM hits WHERE article = ? AND watchlist = ? AND coalesce(rule, entity) = ?"
        " AND withdrawn IS NULL",
        (article, watchlist, name),
    ).fetchall()
    db.executemany(
        "INSERT OR IGNORE INTO judgements(k, verdict, made) VALUES (?, 'not it', ?)", [(k, iso(now)) for k, *_ in rows]
    )
    return [hit_of(row) for _, *row in rows]
