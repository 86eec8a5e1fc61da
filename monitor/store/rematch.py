"""Stored articles matched again after the watchlists changed: what differs is found first, and only that is written."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.model import LEVELS, Hit, Matched, Saved, Stored
from monitor.store.rows import (
    ARTICLE_COLUMNS,
    Row,
    article_of,
    compact,
    first_number,
    hit_id,
    hit_row,
    iso,
    mention_rows,
)

_NEWS = timedelta(hours=24)
"""A hit made longer ago has passed every desk's digest: when an edit makes it more urgent, it is listed, not retold."""

LISTED, RAISED = 1, 2
"""Values of `hits.lookback`: listed in one line per rule; told as a story and never a flash."""

_OTHER_REVISIONS = """WITH RECURSIVE other(rev) AS (
  SELECT min(matched_rev) FROM articles
  UNION ALL SELECT (SELECT min(matched_rev) FROM articles WHERE matched_rev > rev) FROM other WHERE rev IS NOT NULL
) SELECT rev FROM other WHERE rev <> ?"""
"""Steps from revision to revision in the index on `matched_rev`: there are few, however many articles there are."""

_STRAGGLERS = """SELECT n FROM articles INDEXED BY articles_seen
  WHERE seen >= ? AND n < ? AND matched_rev <> ? AND standing <> 'archive' ORDER BY n LIMIT ?"""

_STANDING = """SELECT h.k, h.hit, h.n, h.level, h.rev, h.lookback, h.made, h.withdrawn, h.evidence,
  EXISTS (SELECT 1 FROM desks d CROSS JOIN told t ON t.desk = d.desk AND t.k = h.k)
FROM hits h JOIN articles a ON a.n = h.n AND a.revision = h.revision
WHERE h.n IN (SELECT value FROM json_each(?))"""
"""Hits of the present wordings, withdrawn ones included."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a hit that is stored becomes."""

    n: int
    k: int
    level: str
    rev: str
    evidence: str
    lookback: int
    withdrawn: str | None


@dataclass(slots=True)
class _Changes:
    """All that differs between what is stored and what was matched."""

    mentions_gone: list[tuple[str, int]] = field(default_factory=list)
    mentions_new: list[tuple[str, int, str]] = field(default_factory=list)
    new: list[tuple[int, Hit]] = field(default_factory=list)
    restored: list[_Change] = field(default_factory=list)
    """Hits that were withdrawn and hold again."""
    followed: list[_Change] = field(default_factory=list)
    """Hits that stand, at another level or with other evidence."""
    withdrawn: list[_Change] = field(default_factory=list)

    def numbers(self) -> set[int]:
        """The articles on which anything differs."""
        return {
            *(change.n for change in (*self.restored, *self.followed, *self.withdrawn)),
            *(n for _, n in self.mentions_gone),
            *(n for _, n, _ in self.mentions_new),
            *(n for n, _ in self.new),
        }


def differing(db: sqlite3.Connection, matched: Sequence[Matched], revisions: Sequence[str], now: datetime) -> set[str]:
    """Ids of the articles that `rematched` would change."""
    found = _found(db, matched, revisions)
    numbers = _changes(db, found, now, lookback=True).numbers()
    return {m.article for n, m in found.items() if n in numbers}


def rematched(
    db: sqlite3.Connection,
    matched: Sequence[Matched],
    revisions: Sequence[str],
    rev: str,
    now: datetime,
    *,
    lookback: bool,
) -> Saved:
    """Replace mentions, add hits, withdraw those that ceased to hold, restore those that hold again.

    An article that was edited meanwhile (its revision is not the one that was matched) is left for the next round.
    """
    found = _found(db, matched, revisions)
    changes = _changes(db, found, now, lookback=lookback)
    db.executemany("DELETE FROM mentions WHERE entity = ? AND n = ?", sorted(changes.mentions_gone))
    db.executemany("INSERT INTO mentions(entity, n, spans) VALUES (?, ?, ?)", sorted(changes.mentions_new))
    db.executemany(
        "INSERT INTO hits(hit, n, article, revision, watchlist, rule, entity, rev, level, lookback, made, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (hit_row(n, hit, iso(now), lookback=lookback) for n, hit in changes.new),
    )
    db.executemany(
        "UPDATE hits SET level = ?, rev = ?, evidence = ?, lookback = ?, withdrawn = ? WHERE k = ?",
        [
            (c.level, c.rev, c.evidence, c.lookback, c.withdrawn, c.k)
            for c in (*changes.restored, *changes.followed, *changes.withdrawn)
        ],
    )
    confirm(db, [(m.article, revision) for m, revision in zip(matched, revisions, strict=True)], rev)
    return Saved(hits=len(changes.new) + len(changes.restored), withdrawn=len(changes.withdrawn))


def confirm(db: sqlite3.Connection, same: Iterable[tuple[str, str]], rev: str) -> None:
    """Remember of articles (id, revision) that they were matched with these watchlists."""
    db.executemany(
        "UPDATE articles SET matched_rev = ? WHERE id = ? AND revision = ? AND matched_rev <> ?",
        [(rev, id_, revision, rev) for id_, revision in same],
    )


def _found(db: sqlite3.Connection, matched: Sequence[Matched], revisions: Sequence[str]) -> dict[int, Matched]:
    """By number, those whose stored revision is the one that was matched."""
    wanted = {m.article: (m, revision) for m, revision in zip(matched, revisions, strict=True)}
    rows = db.execute(
        "SELECT id, n, revision FROM articles WHERE id IN (SELECT value FROM json_each(?))", (compact(list(wanted)),)
    )
    return {n: wanted[id_][0] for id_, n, revision in rows if revision == wanted[id_][1]}


def _changes(db: sqlite3.Connection, found: Mapping[int, Matched], now: datetime, *, lookback: bool) -> _Changes:
    changes = _Changes()
    numbers = compact(list(found))
    _compare_mentions(db, found, numbers, changes)
    stored = {row[1]: row for row in db.execute(_STANDING, (numbers,))}
    for n, m in found.items():
        for hit in m.hits:
            row = stored.pop(hit_id(hit), None)
            if row is None:
                changes.new.append((n, hit))
                continue
            change = _followed(row, hit, now, lookback=lookback)
            if change is not None:
                (changes.restored if row[7] else changes.followed).append(change)
    for k, _, n, level, rev, mark, _, withdrawn, evidence, _ in stored.values():
        if withdrawn is None:
            changes.withdrawn.append(_Change(n, k, level, rev, evidence, mark, iso(now)))
    return changes


def _compare_mentions(db: sqlite3.Connection, found: Mapping[int, Matched], numbers: str, changes: _Changes) -> None:
    """An edit of one watchlist leaves nearly all mentions as they are."""
    stored = set(
        db.execute(
            "SELECT entity, n, spans FROM mentions INDEXED BY mentions_n WHERE n IN (SELECT value FROM json_each(?))",
            (numbers,),
        )
    )
    wanted = {row for n, m in found.items() for row in mention_rows(n, m.mentions)}
    changes.mentions_gone = [(entity, n) for entity, n, _ in stored - wanted]
    changes.mentions_new = list(wanted - stored)


def _followed(row: Row, hit: Hit, now: datetime, *, lookback: bool) -> _Change | None:
    """What a stored hit that holds becomes; None when it stays as it is.

    Evidence that a desk was told of is kept with the revision that gave it.
    """
    k, _, n, level, rev, mark, made, withdrawn, evidence, told = row
    new_rev, new_evidence = (rev, evidence) if told else (hit.rev, str(hit_row(n, hit, made, lookback=False)[-1]))
    new_mark = mark
    raised = LEVELS.index(hit.level) < LEVELS.index(level)
    if lookback and mark != LISTED and (raised or withdrawn):
        if made < iso(now - _NEWS):
            new_mark = LISTED
        elif raised:
            new_mark = RAISED
    change = _Change(n, k, hit.level, new_rev, new_evidence, new_mark, None)
    return None if change == _Change(n, k, level, rev, evidence, mark, withdrawn) else change


def stale(db: sqlite3.Connection, rev: str, since: datetime | None, after: int = 0) -> int:
    """How many articles were matched with another revision, by ranges of the index on `matched_rev`."""
    first = _first(since, after)
    return sum(
        int(db.execute("SELECT count(*) FROM articles WHERE matched_rev = ? AND n >= ?", (other, first)).fetchone()[0])
        for other in _others(db, rev)
    )


def outdated(db: sqlite3.Connection, rev: str, since: datetime, limit: int) -> list[tuple[int, Stored]]:
    """Oldest first, without hits: stale articles whose date or, but for archives, whose first sight is not before."""
    others = list(_others(db, rev))
    if not others:
        return []
    first = first_number(since)
    numbers = {n for (n,) in db.execute(_STRAGGLERS, (iso(since), first, rev, limit))}
    for other in others:
        sql = "SELECT n FROM articles WHERE matched_rev = ? AND n >= ? ORDER BY n LIMIT ?"
        numbers.update(n for (n,) in db.execute(sql, (other, first, limit)))
    chosen = compact(sorted(numbers)[:limit])
    rows = db.execute(
        f"SELECT {ARTICLE_COLUMNS} FROM articles WHERE n IN (SELECT value FROM json_each(?)) ORDER BY n", (chosen,)
    )
    return [(n, Stored(article=article, story=story)) for n, story, article in map(article_of, rows)]


def _others(db: sqlite3.Connection, rev: str) -> Iterator[str]:
    for (other,) in db.execute(_OTHER_REVISIONS, (rev,)).fetchall():
        yield str(other)


def _first(since: datetime | None, after: int) -> int:
    """The smallest number that an article beyond `after` may have that is not older than that."""
    return max(after + 1, first_number(since) if since is not None else 0)


def texts(
    db: sqlite3.Connection, since: datetime | None, after: int, upto: int
) -> list[tuple[int, str, str, str, str]]:
    """(n, id, title, text, language), oldest first."""
    return db.execute(
        "SELECT n, id, title, text, lang FROM articles WHERE n BETWEEN ? AND ? ORDER BY n",
        (_first(since, after), upto),
    ).fetchall()


def standing(
    db: sqlite3.Connection, watchlists: Collection[str], since: datetime | None, after: int = 0
) -> dict[tuple[str, str | None, str | None], int]:
    """Hits per rule and entity of these watchlists."""
    rows = db.execute(
        "SELECT h.watchlist, h.rule, h.entity, count(*) FROM hits h JOIN articles a ON a.n = h.n"
        " AND a.revision = h.revision WHERE h.watchlist IN (SELECT value FROM json_each(?)) AND h.n >= ?"
        " AND h.withdrawn IS NULL GROUP BY 1, 2, 3",
        (compact(list(watchlists)), _first(since, after)),
    )
    return {(watchlist, rule, entity): count for watchlist, rule, entity, count in rows}


def news_seen(db: sqlite3.Connection, since: datetime) -> frozenset[str]:
    """Ids of the news that were first seen since then."""
    rows = db.execute(
        "SELECT id FROM articles INDEXED BY articles_seen WHERE seen >= ? AND standing = 'news'", (iso(since),)
    )
    return frozenset(id_ for (id_,) in rows)


def pieces(db: sqlite3.Connection, since: datetime | None, after: int, size: int) -> list[int]:
    """Last numbers of pieces of `size` articles; reads an index that holds all numbers, not the rows with the texts."""
    rows = db.execute(
        "SELECT n FROM (SELECT n, row_number() OVER (ORDER BY n) AS place, count(*) OVER () AS total"
        " FROM articles INDEXED BY articles_seen WHERE n >= ?) WHERE place % ? = 0 OR place = total ORDER BY n",
        (_first(since, after), size),
    )
    return [n for (n,) in rows]
