"""Verified copies of the database: backup, restore, and the copy that is made before the schema changes."""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from monitor.errors import StoreError
from monitor.store import schema
from monitor.store.connection import require, told

_ONLY_GROW = ("articles", "revisions", "hits", "digests", "outbox", "told", "watchlists")
"""Tables that never lose a row: a copy made while others write holds at least what was there before."""


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot change the file, not even its journal mode."""
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        raise told(path, error) from error


def steps_of(path: Path) -> list[str] | None:
    """Steps of the schema that the file has; refuses one that a newer program has changed."""
    with read_only(path) as connection:
        names = schema.applied(connection)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if names is None and tables:
        raise StoreError(f"{path}: is an SQLite file of another program: name monitor's own file under `store:`.")
    ours = {step.name for step in schema.STEPS}
    newer = [name for name in names or () if name not in ours]
    if newer:
        raise StoreError(
            f"{path}: was changed by a newer monitor (step {newer[0]}): install that version or a later one."
        )
    return names


def write_copy(path: Path, target: Path) -> None:
    """Copy the database at `path` to `target`, which must not exist, and prove the copy before it gets that name."""
    if target.exists():
        raise StoreError(f"{target}: exists already: choose another name, copies never overwrite.")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: the folder {target.parent} does not exist: make it first.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with read_only(path) as source:
            before = _rows(source)
            source.execute("VACUUM INTO ?", (str(part),))
            after = _rows(source)
        _prove(part, target, before, after)
        _sync(part)
        try:
            os.link(part, target)
        except FileExistsError:
            raise StoreError(f"{target}: exists already: choose another name, copies never overwrite.") from None
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in _ONLY_GROW}


def _prove(part: Path, target: Path, before: dict[str, int], after: dict[str, int]) -> None:
    with read_only(part) as copy:
        damage = [line for (line,) in copy.execute("PRAGMA integrity_check(3)") if line != "ok"]
        held = _rows(copy)
    short = [table for table in _ONLY_GROW if not before[table] <= held[table] <= after[table]]
    if damage or short:
        reason = damage[0] if damage else f"the table {short[0]} lacks rows"
        raise StoreError(f"{target}: the copy is not sound ({reason}): nothing was written, run `monitor doctor`.")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def restore(backup: Path, target: Path) -> None:
    """Put a verified copy of `backup` at `target`, which must not exist.

    Raises StoreError for a backup that is missing, damaged, empty, of a newer monitor or of another program.
    """
    require(backup, create=False)
    if steps_of(backup) is None:
        raise StoreError(f"{backup}: holds no tables: choose another backup.")
    with read_only(backup) as connection:
        damage = [line for (line,) in connection.execute("PRAGMA integrity_check(3)") if line != "ok"]
    if damage:
        raise StoreError(f"{backup}: the backup is damaged ({damage[0]}): choose another one.")
    if not target.exists():
        require(target, create=True)
    write_copy(backup, target)
