"""Stored articles matched again after the watchlists changed."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from monitor.model import Matched, Saved
from monitor.store.articles import add_hits
from monitor.store.rows import compact, first_number, hit_id, mention_rows


def rematched(
    db: sqlite3.Connection, matched: Sequence[Matched], revisions: Sequence[str], rev: str, made: str, *, lookback: bool
) -> Saved:
    """Replace mentions, add hits, withdraw those that ceased to hold.

    An article that was edited meanwhile (its revision is not the one that was matched) is left for the next round.
    """
    wanted = {m.article: (m, revision) for m, revision in zip(matched, revisions, strict=True)}
    rows = db.execute(
        "SELECT id, n, revision FROM articles WHERE id IN (SELECT value FROM json_each(?))", (compact(list(wanted)),)
    )
    found = {n: wanted[id_][0] for id_, n, revision in rows if revision == wanted[id_][1]}
    _replace_mentions(db, found)
    _withdraw(db, found, dict(zip((m.article for m in matched), revisions, strict=True)), made)
    hits = [(n, hit) for n, m in found.items() for hit in m.hits]
    added = add_hits(db, hits, made, lookback=lookback)
    db.executemany("UPDATE articles SET matched_rev = ? WHERE n = ?", [(rev, n) for n in sorted(found)])
    return Saved(hits=added)


def _replace_mentions(db: sqlite3.Connection, found: dict[int, Matched]) -> None:
    """Write only what differs: an edit of one watchlist leaves nearly all mentions as they are."""
    stored = set(
        db.execute(
            "SELECT entity, n, spans FROM mentions INDEXED BY mentions_n WHERE n IN (SELECT value FROM json_each(?))",
            (compact(list(found)),),
        )
    )
    wanted = {row for n, m in found.items() for row in mention_rows(n, m.mentions)}
    gone = sorted((entity, n) for entity, n, _ in stored - wanted)
    db.executemany("DELETE FROM mentions WHERE entity = ? AND n = ?", gone)
    db.executemany("INSERT INTO mentions(entity, n, spans) VALUES (?, ?, ?)", sorted(wanted - stored))


def _withdraw(db: sqlite3.Connection, found: dict[int, Matched], revisions: dict[str, str], made: str) -> None:
    holding: dict[int, set[str]] = defaultdict(set)
    for n, m in found.items():
        holding[n].update(hit_id(hit) for hit in m.hits)
    rows = db.execute(
        "SELECT k, hit, n, article, revision FROM hits"
        " WHERE n IN (SELECT value FROM json_each(?)) AND withdrawn IS NULL",
        (compact(list(found)),),
    ).fetchall()
    gone = [
        (made, k) for k, hit, n, article, revision in rows if revision == revisions[article] and hit not in holding[n]
    ]
    db.executemany("UPDATE hits SET withdrawn = ? WHERE k = ?", gone)


def stale(db: sqlite3.Connection, rev: str, since: datetime | None) -> int:
    """How many articles were matched with another revision; two ranges of the index on `matched_rev`."""
    first = first_number(since) if since is not None else 0
    return sum(
        int(
            db.execute(f"SELECT count(*) FROM articles WHERE matched_rev {sign} ? AND n >= ?", (rev, first)).fetchone()[
                0
            ]
        )
        for sign in ("<", ">")
    )
