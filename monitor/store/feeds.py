"""Feeds: what people want, what was observed, and who polls which feed at present."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from monitor.model import Feed, FeedState
from monitor.store.rows import STATE_COLUMNS, compact, iso, state_of, state_row

_WANTED = "id, url, title, lang, country, tier"
_COLUMNS = STATE_COLUMNS.split(", ")


def outdated(db: sqlite3.Connection, feeds: Sequence[Feed]) -> bool:
    """Whether what is stored of the wanted feeds differs from what people wrote."""
    stored = set(db.execute(f"SELECT {_WANTED} FROM feeds WHERE wanted = 1"))
    return stored != {_wanted(feed) for feed in feeds}


def sync(db: sqlite3.Connection, feeds: Sequence[Feed]) -> None:
    """Make `feeds` the wanted ones. A feed whose address changed loses its validators: they belong to the old one."""
    db.execute("UPDATE feeds SET wanted = 0")
    db.executemany(
        f"INSERT INTO feeds({_WANTED}, wanted) VALUES (?, ?, ?, ?, ?, ?, 1) ON CONFLICT(id) DO UPDATE SET"
        " wanted = 1, title = excluded.title, lang = excluded.lang, country = excluded.country, tier = excluded.tier,"
        " etag = iif(url = excluded.url, etag, ''), last_modified = iif(url = excluded.url, last_modified, ''),"
        " body_hash = iif(url = excluded.url, body_hash, ''), moved_to = iif(url = excluded.url, moved_to, ''),"
        " next_due = iif(url = excluded.url, next_due, NULL), url = excluded.url",
        [_wanted(feed) for feed in feeds],
    )


def _wanted(feed: Feed) -> tuple[str, str, str, str, str, int]:
    return feed.id, feed.url, feed.title, feed.lang, feed.country, feed.tier


def states(db: sqlite3.Connection) -> dict[str, FeedState]:
    """Every state, by feed id."""
    rows = db.execute(f"SELECT {STATE_COLUMNS} FROM feeds ORDER BY id")
    return {row[0]: state_of(row) for row in rows}


def keep_states(db: sqlite3.Connection, kept: Iterable[FeedState]) -> None:
    """Write states; a feed nobody synced is remembered all the same."""
    updates = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
    db.executemany(
        f"INSERT INTO feeds({STATE_COLUMNS}) VALUES ({', '.join('?' * len(_COLUMNS))})"
        f" ON CONFLICT(id) DO UPDATE SET {updates}",
        [state_row(state) for state in kept],
    )


def claim(
    db: sqlite3.Connection,
    now: datetime,
    *,
    owner: str,
    lease: float,
    limit: int,
    only: Collection[str] | None,
    every: bool,
) -> list[FeedState]:
    """Lease feeds in one statement. A feed under a lease that runs is left alone, whoever holds it.

    What was tried in the future was noted by a clock that has been set back since: it is due, its lease means nothing.
    """
    chosen = "wanted = 1" if only is None else "id IN (SELECT value FROM json_each(:only))"
    due = "1" if every else "(next_due IS NULL OR next_due <= :now OR last_try > :longest)"
    free = "(lease_until IS NULL OR lease_until <= :now OR lease_until > :longest)"
    rows = db.execute(
        "UPDATE feeds SET lease_until = :until, lease_owner = :owner WHERE id IN ("
        f" SELECT id FROM feeds WHERE url <> '' AND {chosen} AND {due} AND {free}"
        f" ORDER BY next_due, id LIMIT :limit) RETURNING {STATE_COLUMNS}",
        {
            "until": iso(now + timedelta(seconds=lease)),
            "owner": owner,
            "longest": iso(now + timedelta(seconds=2 * lease)),
            "now": iso(now),
            "limit": limit,
            "only": compact(list(only or ())),
        },
    ).fetchall()
    # RETURNING promises no order; longest due first
    return sorted(
        (state_of(row) for row in rows), key=lambda state: (iso(state.next_due) if state.next_due else "", state.feed)
    )


def renew(db: sqlite3.Connection, now: datetime, *, owner: str, lease: float) -> None:
    """Let the leases that this owner still holds run anew, in one statement; one taken over meanwhile is not his."""
    until = iso(now + timedelta(seconds=lease))
    db.execute("UPDATE feeds SET lease_until = ? WHERE lease_owner = ?", (until, owner))


def release(db: sqlite3.Connection, owner: str) -> None:
    """Give back the leases of this owner."""
    db.execute("UPDATE feeds SET lease_until = NULL, lease_owner = '' WHERE lease_owner = ?", (owner,))
