"""How often feeds bring articles: what the silence of a feed is judged by."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from monitor.store.rows import first_number, instant

RECENT = 1_000
"""Latest articles of a feed that tell its rhythm: three weeks of one that brings fifty a day, so that quiet weekends
are among them. They are counted in the index alone, no article is read."""

_HOUR = 3_600
_START = first_number(instant("1970-01-01T00:00:00+00:00")) >> 20


def occasions(db: sqlite3.Connection, feeds: Collection[str]) -> dict[str, list[int]]:
    """Feed -> the hours into which its latest articles fall, newest first, as seconds since 1970."""
    found = {}
    for feed in feeds:
        rows = db.execute(
            "SELECT DISTINCT ((n >> 20) - ?) / ? FROM"
            " (SELECT n FROM articles WHERE feed = ? ORDER BY n DESC LIMIT ?) ORDER BY 1 DESC",
            (_START, _HOUR, feed, RECENT),
        )
        found[feed] = [hour * _HOUR for (hour,) in rows]
    return found
