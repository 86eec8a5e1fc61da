"""Articles: storing them with what the matcher found, and reading them back."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice

from monitor import faults
from monitor.identity import Shown
from monitor.model import Article, Batch, Hit, Matched, Saved, Stored
from monitor.store import facts, feeds, folded, poison
from monitor.store.rows import (
    ARTICLE_COLUMNS,
    HIT_COLUMNS,
    article_of,
    article_row,
    compact,
    first_number,
    hit_of,
    hit_row,
    instant,
    iso,
    leading,
    mention_rows,
    signature_bytes,
    signature_of,
    sketch_rows,
)

_SECOND = first_number(datetime.fromisoformat("1970-01-01T00:00:01+00:00")) - first_number(
    datetime.fromisoformat("1970-01-01T00:00:00+00:00")
)
LAST = 2**63 - 1
"""No article has a larger number."""
_SKETCH_DAYS = 30
"""Sketches older than this are dropped: nobody asks `near` for older articles."""
_SKETCH_DAY = "store.sketches"
"""Key in `meta`: the day on which they were dropped last."""

_AT_ONCE = 500
"""Articles whose mentions are made into rows and sorted at once: more save little time and take much memory."""

Neighbour = tuple[str, str, tuple[int, ...]]
"""(article id, story id, signature)."""

Folded = dict[tuple[str, str], str]
"""(article id, revision) -> folded text, made before the transaction so that no writer waits for the folding."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An article on its way in, with all that its batch says of it."""

    article: Article
    story: str
    batch: int
    matched_rev: str


def known(db: sqlite3.Connection, ids: Collection[str]) -> dict[str, str]:
    """Article id -> revision."""
    return dict(
        db.execute("SELECT id, revision FROM articles WHERE id IN (SELECT value FROM json_each(?))", (_list(ids),))
    )


def shown(db: sqlite3.Connection, feed: str, limit: int) -> list[Shown]:
    """The last articles of a feed, newest first: the index on `feed` goes on by n, so that no more are read."""
    rows = db.execute("SELECT id, url, revision FROM articles WHERE feed = ? ORDER BY n DESC LIMIT ?", (feed, limit))
    return [Shown(*row) for row in rows]


def prefold(stored: dict[str, str], batches: Sequence[Batch]) -> Folded:
    """The folded texts of the articles that are not stored as they are."""
    wanted = [a for batch in batches for a in batch.articles if stored.get(a.id) != a.revision]
    texts = folded.texts([(a.title, a.text) for a in wanted])
    return {(a.id, a.revision): text for a, text in zip(wanted, texts, strict=True)}


def save(db: sqlite3.Connection, batches: Sequence[Batch], ready: Folded, made: datetime) -> Saved:
    """Write whole batches inside the caller's transaction, in a few statements however many articles there are."""
    entries = _entries(batches)
    ids = _list(entries)
    stored = {
        id_: (n, revision)
        for n, id_, revision in db.execute(
            "SELECT n, id, revision FROM articles WHERE id IN (SELECT value FROM json_each(?))", (ids,)
        )
    }
    new = _numbered(db, [entry for id_, entry in entries.items() if id_ not in stored])
    revised = sorted(
        ((stored[id_][0], entry) for id_, entry in entries.items()
         if id_ in stored and stored[id_][1] != entry.article.revision),
        key=lambda pair: pair[0],
    )  # fmt: skip
    _index(db, new, revised, ready)
    faults.point("store.indexed")
    _insert(db, new)
    faults.point("store.inserted")
    _revise(db, revised)
    faults.point("store.revised")
    added = _found(db, batches, {e.article.id: (n, e.batch) for n, e in [*new, *revised]}, iso(made))
    faults.point("store.hits")
    states = [batch.state for batch in batches if batch.state is not None]
    feeds.keep_states(db, states)
    poison.forget(db, states)
    faults.point("store.states")
    return Saved(articles=len(new), revised=len(revised), hits=added)


def _entries(batches: Sequence[Batch]) -> dict[str, _Entry]:
    """By article id; of one that comes twice the first counts, the next poll brings the other again."""
    entries: dict[str, _Entry] = {}
    for number, batch in enumerate(batches):
        stories = batch.stories or tuple(article.id for article in batch.articles)
        for article, story in zip(batch.articles, stories, strict=True):
            entries.setdefault(article.id, _Entry(article, story, number, batch.matched_rev))
    return entries


def _numbered(db: sqlite3.Connection, entries: list[_Entry]) -> list[tuple[int, _Entry]]:
    """Give every new article the next free number of its second; in rising order."""
    ordered = sorted(((first_number(entry.article.when), entry) for entry in entries), key=lambda pair: pair[0])
    free = _free(db, {first for first, _ in ordered})
    numbered = []
    for first, entry in ordered:
        second = first
        while free[second] >= second + _SECOND:  # a million undated articles were imported within one second
            second += _SECOND
            if second not in free:
                free |= _free(db, {second})
        numbered.append((free[second], entry))
        free[second] += 1
    return sorted(numbered, key=lambda pair: pair[0])


def _free(db: sqlite3.Connection, seconds: Collection[int]) -> dict[int, int]:
    rows = db.execute(
        "SELECT j.value, (SELECT max(n) FROM articles WHERE n >= j.value AND n < j.value + ?) FROM json_each(?) j",
        (_SECOND, _list(seconds)),
    )
    return {first: first if last is None else last + 1 for first, last in rows}


def _index(
    db: sqlite3.Connection, new: list[tuple[int, _Entry]], revised: list[tuple[int, _Entry]], ready: Folded
) -> None:
    """Bring the full-text index up to date, in rising order: it writes out what it gathered whenever n falls."""
    old = {
        n: (title, text)
        for n, title, text in db.execute(
            "SELECT n, title, text FROM articles WHERE n IN (SELECT value FROM json_each(?))",
            (_list(n for n, _ in revised),),
        )
    }
    for n, entry in sorted([*new, *revised], key=lambda pair: pair[0]):
        article = entry.article
        if n in old:
            folded.forget(db, n, *old[n])
        folded.put(db, n, ready.get((article.id, article.revision)) or folded.text(article.title, article.text))


def _insert(db: sqlite3.Connection, new: list[tuple[int, _Entry]]) -> None:
    db.executemany(
        f"INSERT INTO articles VALUES ({', '.join('?' * 20)})",
        (article_row(n, e.article, e.story, e.matched_rev) for n, e in new),
    )
    _sketch(db, new)
    if new:
        _drop_old_sketches(db, max(e.article.seen for _, e in new))


def _drop_old_sketches(db: sqlite3.Connection, newest: datetime) -> None:
    """Once for each day of the news: this reads all sketches, an index on their age would cost more in every save."""
    day = newest.date().isoformat()
    if facts.meta(db, _SKETCH_DAY) < day:
        db.execute("DELETE FROM sketches WHERE seen < ?", (iso(newest - timedelta(days=_SKETCH_DAYS)),))
        facts.set_meta(db, {_SKETCH_DAY: day})


def _revise(db: sqlite3.Connection, revised: list[tuple[int, _Entry]]) -> None:
    """Keep the old wording and write the new one; identity, first sight, date and standing stay as they were."""
    numbers = _list(n for n, _ in revised)
    signatures = db.execute("SELECT n, signature FROM articles WHERE n IN (SELECT value FROM json_each(?))", (numbers,))
    sketches = [(value, n) for n, packed in signatures for value in leading(signature_of(packed))]
    db.execute(
        "INSERT OR IGNORE INTO revisions(n, revision, seen, title, text) SELECT n, revision, changed, title, text"
        " FROM articles WHERE n IN (SELECT value FROM json_each(?))",
        (numbers,),
    )
    db.executemany(
        "UPDATE articles SET title = ?, lead = ?, text = ?, lang = ?, revision = ?, signature = ?, changed = ?,"
        " matched_rev = ? WHERE n = ?",
        [
            (e.article.title, e.article.lead, e.article.text, e.article.lang, e.article.revision,
             signature_bytes(e.article.signature), iso(e.article.seen), e.matched_rev, n)
            for n, e in revised
        ],
    )  # fmt: skip
    db.execute("DELETE FROM mentions WHERE n IN (SELECT value FROM json_each(?))", (numbers,))
    db.executemany("DELETE FROM sketches WHERE value = ? AND n = ?", sketches)
    _sketch(db, revised)


def _sketch(db: sqlite3.Connection, entries: list[tuple[int, _Entry]]) -> None:
    rows = [row for n, e in entries for row in sketch_rows(n, e.article.signature, iso(e.article.seen))]
    db.executemany("INSERT INTO sketches(value, n, seen) VALUES (?, ?, ?)", sorted(rows))


def _found(db: sqlite3.Connection, batches: Sequence[Batch], written: dict[str, tuple[int, int]], made: str) -> int:
    """Write what was found in the written articles (id -> n, number of its batch); how many hits were new.

    `matched` of a batch is read once and in its order, so that it may be made while it is read.
    """
    found = _of_written(batches, written)
    added = 0
    while part := sorted(islice(found, _AT_ONCE), key=_by_number):
        # in the order of the key: inserting at random places touched 3 times as many pages
        mentions = sorted(row for n, m in part for row in mention_rows(n, m.mentions))
        db.executemany("INSERT INTO mentions(entity, n, spans) VALUES (?, ?, ?)", mentions)
        added += add_hits(db, [(n, hit) for n, m in part for hit in m.hits], made, lookback=False)
    return added


def _of_written(batches: Sequence[Batch], left: dict[str, tuple[int, int]]) -> Iterator[tuple[int, Matched]]:
    for number, batch in enumerate(batches):
        for matched in batch.matched:
            n, own = left.get(matched.article, (0, -1))
            if own == number:
                del left[matched.article]  # an article may come twice
                yield n, matched


def _by_number(found: tuple[int, Matched]) -> int:
    return found[0]


def add_hits(db: sqlite3.Connection, hits: list[tuple[int, Hit]], made: str, *, lookback: bool) -> int:
    """Store hits; one that is there keeps its evidence, and holds again if it was withdrawn. How many were new."""
    if not hits:
        return 0
    before = _last_hit(db)
    db.executemany(
        "INSERT INTO hits(hit, n, article, revision, watchlist, rule, entity, rev, level, lookback, made, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(hit) DO UPDATE SET withdrawn = NULL WHERE withdrawn IS NOT NULL",
        (hit_row(n, hit, made, lookback=lookback) for n, hit in hits),
    )
    return _last_hit(db) - before


def _last_hit(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(k), 0) FROM hits").fetchone()[0])


def by_id(db: sqlite3.Connection, ids: Sequence[str]) -> list[Stored]:
    """In the order of `ids`, those that exist."""
    rows = db.execute(
        f"SELECT {ARTICLE_COLUMNS} FROM articles WHERE id IN (SELECT value FROM json_each(?))", (_list(ids),)
    ).fetchall()
    read = [(n, Stored(article=article, story=story)) for n, story, article in map(article_of, rows)]
    found = {stored.article.id: stored for _, stored in with_hits(db, read)}
    return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]


def by_number(db: sqlite3.Connection, numbers: Sequence[int], *, hits: bool = True) -> list[tuple[int, Stored]]:
    """In the order of `numbers`, with their hits if `hits`."""
    rows = db.execute(
        f"SELECT {ARTICLE_COLUMNS} FROM articles WHERE n IN (SELECT value FROM json_each(?))", (_list(numbers),)
    ).fetchall()
    found = {n: Stored(article=article, story=story) for n, story, article in map(article_of, rows)}
    ordered = [(n, found[n]) for n in numbers if n in found]
    return with_hits(db, ordered) if hits else ordered


def with_hits(db: sqlite3.Connection, found: Sequence[tuple[int, Stored]]) -> list[tuple[int, Stored]]:
    """The same articles with the hits that hold in the revision that was read."""
    hits: dict[int, list[Hit]] = defaultdict(list)
    for n, *row in db.execute(
        f"SELECT n, {HIT_COLUMNS} FROM hits"
        " WHERE n IN (SELECT value FROM json_each(?)) AND withdrawn IS NULL ORDER BY k",
        (_list(n for n, _ in found),),
    ):
        hits[n].append(hit_of(tuple(row)))
    return [
        (n, replace(stored, hits=tuple(h for h in hits[n] if h.revision == stored.article.revision)))
        for n, stored in found
    ]


def scan(
    db: sqlite3.Connection, since: datetime | None, after: int, limit: int, upto: int | None
) -> list[tuple[int, Stored]]:
    """Oldest first from the cursor on, without hits."""
    start = max(after + 1, first_number(since) if since is not None else 0)
    rows = db.execute(
        f"SELECT {ARTICLE_COLUMNS} FROM articles WHERE n BETWEEN ? AND ? ORDER BY n LIMIT ?",
        (start, LAST if upto is None else upto, limit),
    )
    return [(n, Stored(article=article, story=story)) for n, story, article in map(article_of, rows)]


def near(
    db: sqlite3.Connection, signatures: Sequence[tuple[int, ...]], since: datetime, most: int, few: int
) -> list[list[Neighbour]]:
    """Per signature the articles that share its leading values, newest first: see Store.near."""
    wanted = [leading(signature) for signature in signatures]
    rows = db.execute(
        # a value that very many articles share costs no more than another
        "SELECT j.value, (SELECT group_concat(n) FROM"
        " (SELECT n FROM sketches WHERE value = j.value AND seen >= ? ORDER BY n DESC LIMIT ?))"
        " FROM json_each(?) j",
        (iso(since), most, _list({value for values in wanted for value in values})),
    )
    by_value = {value: tuple(map(int, numbers.split(","))) for value, numbers in rows if numbers}
    chosen = [_sharing([by_value.get(value, ()) for value in values], few) for values in wanted]
    articles: dict[int, Neighbour] = {
        n: (id_, story, signature_of(signature))
        for n, id_, story, signature in db.execute(
            "SELECT n, id, story, signature FROM articles WHERE n IN (SELECT value FROM json_each(?))",
            (_list(set(chain.from_iterable(chosen))),),
        )
    }
    return [[articles[n] for n in numbers] for numbers in chosen]


def _sharing(numbers: Sequence[tuple[int, ...]], few: int) -> list[int]:
    """Newest first: what stands under several values, and the first `few` of each."""
    first = {n for newest in numbers for n in newest[:few]}
    counted = Counter(chain.from_iterable(numbers))
    return sorted((n for n, times in counted.items() if times > 1 or n in first), reverse=True)


def history(db: sqlite3.Connection, article: str) -> list[tuple[str, str, str, datetime]]:
    """(revision, title, text, seen), oldest first, the present one last."""
    rows = db.execute(
        "SELECT r.revision, r.title, r.text, r.seen, 0 AS present FROM revisions r JOIN articles a USING (n)"
        " WHERE a.id = :id AND r.revision <> a.revision"
        " UNION ALL SELECT revision, title, text, changed AS seen, 1 AS present FROM articles WHERE id = :id"
        " ORDER BY present, seen",
        {"id": article},
    )
    return [(revision, title, text, instant(seen)) for revision, title, text, seen, _ in rows]


def hits_of(db: sqlite3.Connection, article: str) -> dict[str, list[Hit]]:
    """Revision -> hits found in it, those that have been withdrawn left out."""
    found: dict[str, list[Hit]] = defaultdict(list)
    rows = db.execute(
        f"SELECT {HIT_COLUMNS} FROM hits WHERE n = (SELECT n FROM articles WHERE id = ?) AND withdrawn IS NULL"
        " ORDER BY k",
        (article,),
    )
    for hit in map(hit_of, rows):
        found[hit.revision].append(hit)
    return dict(found)


def held(db: sqlite3.Connection) -> dict[str, int]:
    """Feed -> how many of its articles wait for a person."""
    return dict(db.execute("SELECT feed, count(*) FROM articles WHERE standing = 'held' GROUP BY feed"))


def release_held(db: sqlite3.Connection, feed: str) -> int:
    """Held articles of a feed become news."""
    return db.execute("UPDATE articles SET standing = 'news' WHERE feed = ? AND standing = 'held'", (feed,)).rowcount


def _list(values: Iterable[str | int]) -> str:
    return compact(list(values))
