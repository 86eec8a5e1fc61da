"""Digests: which hits a desk was not told yet, frozen mails, and the journal of their delivery."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from monitor import faults
from monitor.model import Delivery, DeliveryState, DigestKey, Hit, Level, Message, Stored
from monitor.store.articles import by_number
from monitor.store.rows import (
    HIT_COLUMNS,
    MESSAGE_COLUMNS,
    compact,
    hit_id,
    hit_of,
    instant,
    iso,
    iso_or_none,
    message_of,
)

_FIRST_DAY = timedelta(hours=24)
"""A new desk starts with the last 24 hours; nothing seen earlier is ever mailed to it."""

_H = ", ".join(f"h.{column}" for column in HIT_COLUMNS.split(", "))

# `lookback` 2: an edit raised the level of a hit of today. It is told as the story that it is, and is no flash.
# An edited article: the hits of its present revision stand for those of earlier ones, and a desk that was told of it
# under a watchlist is told again only when another watchlist hits.
_FRESH = f"""
SELECT h.n, {_H} FROM hits h JOIN articles a ON a.n = h.n
WHERE h.withdrawn IS NULL AND h.lookback <> 1 AND h.level IN (SELECT value FROM json_each(:levels))
  AND (:all OR h.watchlist IN (SELECT value FROM json_each(:watchlists)))
  AND a.standing = 'news' AND a.seen >= :start
  AND NOT EXISTS (SELECT 1 FROM told t WHERE t.desk = :desk AND t.k = h.k)
  AND (h.revision = a.revision OR NOT EXISTS (
    SELECT 1 FROM hits o WHERE o.n = h.n AND o.revision = a.revision AND o.watchlist = h.watchlist
      AND o.rule IS h.rule AND o.entity IS h.entity))
  AND NOT EXISTS (
    SELECT 1 FROM hits o CROSS JOIN told t ON t.desk = :desk AND t.k = o.k
    WHERE o.n = h.n AND o.watchlist = h.watchlist AND o.revision <> h.revision)
ORDER BY h.n DESC, h.k
"""


def fresh_hits(
    db: sqlite3.Connection,
    desk: str,
    watchlists: Collection[str] | None,
    levels: Collection[Level],
    new_since: datetime,
) -> list[tuple[Stored, tuple[Hit, ...]]]:
    """News with hits that this desk was not told, newest first."""
    start = _start(db, desk)
    rows = db.execute(
        _FRESH,
        {
            "desk": desk,
            "levels": compact(list(levels)),
            "all": watchlists is None,
            "watchlists": compact(list(watchlists or ())),
            "start": iso(new_since) if start is None else start,
        },
    )
    hits: dict[int, list[Hit]] = defaultdict(list)
    for n, *row in rows:
        hits[n].append(hit_of(tuple(row)))
    return [(stored, tuple(hits[n])) for n, stored in by_number(db, list(hits))]


def _start(db: sqlite3.Connection, desk: str) -> str | None:
    row = db.execute("SELECT start FROM desks WHERE desk = ?", (desk,)).fetchone()
    return None if row is None else str(row[0])


def lookback_hits(
    db: sqlite3.Connection, desk: str, watchlists: Collection[str] | None, levels: Collection[Level]
) -> list[Hit]:
    """Look-back hits that this desk was not told, in the order in which they were made."""
    rows = db.execute(
        f"SELECT {_H} FROM hits h WHERE h.lookback = 1 AND h.withdrawn IS NULL AND h.made >= :start"
        " AND (:all OR h.watchlist IN (SELECT value FROM json_each(:watchlists)))"
        " AND h.level IN (SELECT value FROM json_each(:levels))"
        " AND NOT EXISTS (SELECT 1 FROM told t WHERE t.desk = :desk AND t.k = h.k) ORDER BY h.k",
        {
            "desk": desk,
            "levels": compact(list(levels)),
            "all": watchlists is None,
            "watchlists": compact(list(watchlists or ())),
            "start": _start(db, desk) or "",
        },
    )
    return [hit_of(row) for row in rows]


def story_members(db: sqlite3.Connection, stories: Collection[str]) -> dict[str, list[tuple[str, str, str, str]]]:
    """Story id -> (article id, source, language, feed), oldest first."""
    members: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    columns = "story, id, source, lang, feed, n"
    wanted = "IN (SELECT value FROM json_each(:stories))"
    for story, *member, _ in db.execute(
        f"SELECT {columns} FROM articles WHERE story {wanted} AND story <> id"
        f" UNION ALL SELECT {columns} FROM articles WHERE id {wanted} AND story = id ORDER BY n",
        {"stories": compact(list(stories))},
    ):
        members[story].append(cast("tuple[str, str, str, str]", tuple(member)))
    return dict(members)


def freeze(
    db: sqlite3.Connection,
    key: DigestKey,
    messages: Sequence[Message],
    hits: Sequence[Hit],
    made: datetime,
    stories: int,
) -> bool:
    """Store a digest with its messages and what it tells; False when there is one under this key."""
    name = str(key)
    inserted = db.execute(
        "INSERT INTO digests(key, desk, day, slot, made, stories) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (name, key.desk, key.day.isoformat(), key.slot, iso(made), stories),
    )
    if inserted.rowcount != 1:
        return False
    faults.point("mail.digest")
    db.executemany(
        f"INSERT INTO outbox({MESSAGE_COLUMNS}, state, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        [
            (name, m.to, m.sender, m.subject, m.text, m.html, m.message_id, compact(m.headers), iso(m.date), iso(made))
            for m in messages
        ],
    )
    faults.point("mail.queued")
    given = compact([hit_id(hit) for hit in hits])
    _begin_desk(db, key.desk, given, made)
    db.execute(
        "INSERT INTO told(desk, k, digest) SELECT ?, k, ? FROM hits"
        " WHERE hit IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
        (key.desk, name, given),
    )
    return True


def _begin_desk(db: sqlite3.Connection, desk: str, given: str, made: datetime) -> None:
    """Remember, with the first digest of a desk, from when on it is told."""
    if _start(db, desk) is not None:
        return
    (oldest,) = db.execute(
        "SELECT min(a.seen) FROM hits h JOIN articles a ON a.n = h.n"
        " WHERE h.hit IN (SELECT value FROM json_each(?)) AND h.lookback <> 1",
        (given,),
    ).fetchone()
    start = iso(made - _FIRST_DAY)
    db.execute("INSERT INTO desks(desk, start) VALUES (?, ?)", (desk, min(start, oldest or start)))


def frozen(db: sqlite3.Connection, key: DigestKey) -> list[Message]:
    """The messages of a digest, in the order in which they were frozen."""
    rows = db.execute(f"SELECT {MESSAGE_COLUMNS} FROM outbox WHERE digest = ? ORDER BY rowid", (str(key),))
    return [message_of(row) for row in rows]


def message(db: sqlite3.Connection, key: str, to: str) -> Message | None:
    """One message."""
    row = db.execute(f"SELECT {MESSAGE_COLUMNS} FROM outbox WHERE digest = ? AND recipient = ?", (key, to)).fetchone()
    return None if row is None else message_of(row)


def digests(db: sqlite3.Connection, desk: str | None) -> list[tuple[str, str, str, datetime, int]]:
    """(desk, local date, slot, made, stories), newest first."""
    rows = db.execute(
        "SELECT desk, day, slot, made, stories FROM digests"
        " WHERE ?1 IS NULL OR desk = ?1 ORDER BY made DESC, rowid DESC",
        (desk,),
    )
    return [(name, day, slot, instant(made), stories) for name, day, slot, made, stories in rows]


_LINE = "digest, recipient, state, tries, next_try, error, message_id, changed"


def outbox(db: sqlite3.Connection, states: Collection[DeliveryState] | None, due: datetime | None) -> list[Delivery]:
    """Journal lines, oldest first."""
    rows = db.execute(
        f"SELECT {_LINE} FROM outbox WHERE (:all OR state IN (SELECT value FROM json_each(:states)))"
        " AND (:due IS NULL OR next_try IS NULL OR next_try <= :due) ORDER BY rowid",
        {"all": states is None, "states": compact(list(states or ())), "due": iso_or_none(due)},
    )
    return [_delivery(row) for row in rows]


def delivery(db: sqlite3.Connection, key: str, to: str) -> Delivery | None:
    """One journal line."""
    row = db.execute(f"SELECT {_LINE} FROM outbox WHERE digest = ? AND recipient = ?", (key, to)).fetchone()
    return None if row is None else _delivery(row)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    key, to, state, tries, next_try, error, message_id, changed = row
    return Delivery(
        key=key, to=to, state=state, tries=tries, next_try=None if next_try is None else instant(next_try),
        error=error, message_id=message_id, changed=instant(changed),
    )  # fmt: skip


def move(
    db: sqlite3.Connection,
    key: str,
    to: str,
    *,
    frm: Collection[DeliveryState],
    state: DeliveryState,
    now: datetime,
    tries: int | None,
    next_try: datetime | None,
    error: str,
) -> bool:
    """Compare and set; False when the line stands elsewhere or is not there."""
    moved = db.execute(
        "UPDATE outbox SET state = ?, changed = ?, tries = coalesce(?, tries), next_try = ?, error = ?"
        " WHERE digest = ? AND recipient = ? AND state IN (SELECT value FROM json_each(?))",
        (state, iso(now), tries, iso_or_none(next_try), error, key, to, compact(list(frm))),
    )
    return moved.rowcount == 1
