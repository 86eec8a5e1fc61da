"""The full-text index over folded text. It keeps no text of its own: what it holds is made from title and text."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

from monitor.text import index_text

_MARK = "store.index"
"""Key in `meta`: fingerprint of the folding that the index was made with."""
_RANGES = ((0x21, 0x250), (0x370, 0x780), (0x1E00, 0x2070), (0xFB50, 0xFF00))
_AT_ONCE = 2000


def text(title: str, body: str) -> str:
    """What the index holds of an article."""
    return index_text(title, body)


def put(db: sqlite3.Connection, n: int, content: str) -> None:
    """Enter an article."""
    db.execute("INSERT INTO search(rowid, body) VALUES (?, ?)", (n, content))


def forget(db: sqlite3.Connection, n: int, title: str, body: str) -> None:
    """Take an article out; title and body must be those that it was entered with."""
    db.execute("INSERT INTO search(search, rowid, body) VALUES ('delete', ?, ?)", (n, text(title, body)))


def fingerprint() -> str:
    """Changes when a new version of the program folds letters in another way."""
    letters = " ".join(chr(code) for low, high in _RANGES for code in range(low, high))
    sample = text("l'Iraq Kata'ib al-Asad İstanbul\u200cها", letters)
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
        for n, title, body in rows:
            put(db, n, text(title, body))
        after = rows[-1][0]
    db.execute(
        "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        (_MARK, fingerprint()),
    )
