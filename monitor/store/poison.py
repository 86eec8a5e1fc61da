"""The bodies on which a parser broke its limits: one per feed, for `doctor` to name and a person to report."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from datetime import datetime

from monitor.model import FeedState
from monitor.store.rows import compact, instant, iso

KIND = "poison"
"""Its `error_kind`."""

MOST = 2 << 20
"""Bytes of a body that are kept, from its beginning: 20 kB of dashes and 1 MB of attributes were enough (measured)."""


def keep(db: sqlite3.Connection, bodies: Sequence[tuple[str, bytes, str]], now: datetime) -> None:
    """Keep (feed, body, reason), each in place of the feed's last one."""
    db.executemany(
        "INSERT INTO poison(feed, seen, reason, size, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT(feed) DO UPDATE SET"
        " seen = excluded.seen, reason = excluded.reason, size = excluded.size, body = excluded.body",
        [(feed, iso(now), reason, len(body), zlib.compress(body[:MOST])) for feed, body, reason in bodies],
    )


def forget(db: sqlite3.Connection, states: Sequence[FeedState]) -> None:
    """Drop the bodies of those of the feeds that are poison no more."""
    well = compact([state.feed for state in states if state.error_kind != KIND])
    db.execute("DELETE FROM poison WHERE feed IN (SELECT value FROM json_each(?))", (well,))


def listed(db: sqlite3.Connection) -> list[tuple[str, datetime, str, int]]:
    """(feed, when it was poison last, reason, bytes of the whole body) of the feeds that people want, by feed."""
    rows = db.execute(
        "SELECT p.feed, p.seen, p.reason, p.size FROM poison p JOIN feeds f ON f.id = p.feed"
        " WHERE f.wanted = 1 AND f.error_kind = ? ORDER BY p.feed",
        (KIND,),
    )
    return [(feed, instant(seen), reason, size) for feed, seen, reason, size in rows]


def body(db: sqlite3.Connection, feed: str) -> bytes:
    """What is kept of a body; empty when there is none."""
    row = db.execute("SELECT body FROM poison WHERE feed = ?", (feed,)).fetchone()
    return b"" if row is None else zlib.decompress(row[0])
