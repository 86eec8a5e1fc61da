"""The full-text index over folded text. It keeps no text of its own: what it holds is made from title and text."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b

from monitor.text import fold_batch, index_text, shown

_MARK = "store.index"
"""Key in `meta`: fingerprint of the folding that the index was made with."""
_RANGES = ((0x21, 0x250), (0x370, 0x780), (0x1E00, 0x2070), (0xFB50, 0xFF00))
_AT_ONCE = 2000
_BATCH = 50
"""Articles folded at once: six times as fast as one by one; one letter beyond the basic plane slows down its batch."""


def text(title: str, body: str) -> str:
    """What the index holds of an article."""
    return index_text(title, body)


def texts(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The same for many pairs of title and text."""
    found: list[str] = []
    for first in range(0, len(pairs), _BATCH):
        part = pairs[first : first + _BATCH]
        fields = shown(fold_batch([field for pair in part for field in pair])[0]).split("\n")[1:-1]
        titles, bodies = fields[::2], fields[1::2]
        found += [f"{title.strip()} {body.strip()}".strip() for title, body in zip(titles, bodies, strict=True)]
    return found


def put(db: sqlite3.Connection, n: int, content: str) -> None:
    """Enter an article."""
    db.execute("INSERT INTO search(rowid, body) VALUES (?, ?)", (n, content))


def forget(db: sqlite3.Connection, n: int, title: str, body: str) -> None:
    """Take an article out; title and body must be those that it was entered with."""
    db.execute("INSERT INTO search(search, rowid, body) VALUES ('delete', ?, ?)", (n, text(title, body)))


def fingerprint() -> str:
    """Changes when a new version of the program folds letters in another way."""
    letters = " ".join(chr(code) for low, high in _RANGES for code in range(low, high))
    sample = text("l'Iraq Kata'ib al-Asad İstanbul\u200cها آیت\u200cاﷲ الـPKK U.S. Sin-\njar ئەنبار Irаq", letters)
    return blake2b(sample.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def current(db: sqlite3.Connection) -> bool:
    """Whether the index was made with the folding of this program."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_MARK,)).fetchone()
    return bool(row and row[0] == fingerprint())


def rebuild(db: sqlite3.Connection) -> None:
    """Make the index anew from the stored articles, inside the caller's transaction."""
    db.execute("INSERT INTO search(search) VALUES ('delete-all')")
    after = -1
    while True:
        rows = db.execute(
            "SELECT n, title, text FROM articles WHERE n > ? ORDER BY n LIMIT ?", (after, _AT_ONCE)
        ).fetchall()
        if not rows:
            break
        folded = texts([(title, body) for _, title, body in rows])
        for (n, _, _), content in zip(rows, folded, strict=True):
            put(db, n, content)
        after = rows[-1][0]
    db.execute(
        "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        (_MARK, fingerprint()),
    )
