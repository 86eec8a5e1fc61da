"""Backup, restore and the copy before a change of the schema: proved, and never over something that is there."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.model import Article, Batch
from monitor.store import SqliteStore, restore, schema

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A database with 50 articles, closed."""
    path = tmp_path / "monitor.db"
    store = SqliteStore(path, create=True)
    store.save([Batch(articles=tuple(Article(id=f"a{i}", feed="f", title="Erbil", seen=NOW) for i in range(50)))])
    store.close()
    return path


def test_backup_and_restore_give_the_same_store(filled: Path, tmp_path: Path) -> None:
    """A backup of a store that is open, restored, holds what was there, its log included."""
    store = SqliteStore(filled)
    store.save([Batch(articles=(Article(id="late", feed="f", title="Mosul", seen=NOW),))])
    store.backup(tmp_path / "copy.db")
    before = store.scan(None, 0, 99)
    store.close()
    restore(tmp_path / "copy.db", tmp_path / "new.db")
    again = SqliteStore(tmp_path / "new.db")
    assert again.scan(None, 0, 99) == before
    assert len(before) == 51
    assert again.check() == []
    again.close()
    assert not list(tmp_path.glob(".*part"))


def test_nothing_is_overwritten(filled: Path, tmp_path: Path) -> None:
    """A backup or restore onto a file that exists is refused and leaves it as it is."""
    taken = tmp_path / "taken"
    taken.write_text("mine")
    store = SqliteStore(filled)
    with pytest.raises(StoreError, match="exists already"):
        store.backup(taken)
    with pytest.raises(StoreError, match="folder"):
        store.backup(tmp_path / "no" / "folder.db")
    store.close()
    with pytest.raises(StoreError, match="exists already"):
        restore(filled, taken)
    assert taken.read_text() == "mine"


def test_restore_refuses_bad_backups(filled: Path, tmp_path: Path) -> None:
    """A backup that is missing, damaged, no database, or from a newer program does not become the store."""
    damaged, newer, text = tmp_path / "damaged.db", tmp_path / "newer.db", tmp_path / "text.db"
    content = bytearray(filled.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xff" * (4096 * 9)
    damaged.write_bytes(content)
    shutil.copy(filled, newer)
    with sqlite3.connect(newer) as db:
        db.execute("INSERT INTO _sqlite_migrations(migration_set, name) VALUES ('monitor', 'm9999_later')")
    db.close()
    text.write_text("not a database at all")
    for backup, said in (
        (damaged, "damaged"),
        (newer, "newer"),
        (text, "not a database"),
        (tmp_path / "no", "no database"),
    ):
        with pytest.raises(StoreError, match=said):
            restore(backup, tmp_path / "new.db")
        assert not (tmp_path / "new.db").exists()


def test_left_over_log_is_not_mixed_in(filled: Path, tmp_path: Path) -> None:
    """The write-ahead log of a lost database is never applied to a restored one."""
    (tmp_path / "new.db-wal").write_bytes(b"left over")
    with pytest.raises(StoreError, match="left from a database"):
        restore(filled, tmp_path / "new.db")


def test_schema_change_keeps_a_copy(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older file is copied beside itself before its schema changes, and a failed change leaves it as it was."""
    step = schema.Step(name="m9999_more", statements=("CREATE TABLE more (a TEXT)", "CREATE TABLE more (a TEXT)"))
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    with pytest.raises(StoreError, match="monitor doctor"):
        SqliteStore(filled)
    good = schema.Step(name="m9999_more", statements=("CREATE TABLE more (a TEXT)",))
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS[:-1], good))
    store = SqliteStore(filled)
    assert store.counts().schema == len(schema.STEPS)
    assert store.counts().articles == 50
    store.close()
    monkeypatch.undo()
    kept = sorted(path.name for path in tmp_path.glob("monitor.db.before-*"))
    assert kept == ["monitor.db.before-m9999_more", "monitor.db.before-m9999_more-2"]
    restore(tmp_path / kept[0], tmp_path / "old.db")
    old = SqliteStore(tmp_path / "old.db")
    assert old.counts().articles == 50
    old.close()
