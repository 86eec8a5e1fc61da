"""One SQLite file: a connection per thread, transactions, and the sentences for what can go wrong with it."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monitor import faults
from monitor.errors import MonitorError, StoreError, TemporaryError

BUSY_SECONDS = 30.0
_HEADER = b"SQLite format 3\x00"


def told(path: Path, error: sqlite3.Error) -> MonitorError:
    """The sentence that a person can act on for what SQLite says."""
    text = str(error)
    if "is full" in text:
        return TemporaryError(
            f"{path}: the disk is full, nothing of the last change was kept: make room and try again."
        )
    if "disk I/O" in text:
        return TemporaryError(
            f"{path}: the disk refused to write or read, nothing of the last change was kept: look for room, a quota or"
            " a failing disk, and try again."
        )
    if "locked" in text or "busy" in text:
        return TemporaryError(
            f"{path}: another program kept it locked for {BUSY_SECONDS:.0f} seconds: try again later."
        )
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path}: cannot be written ({text}): check who owns the file and its folder.")
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return StoreError(f"{path}: the database is damaged ({text}): keep it aside and use `monitor restore FILE`.")
    return StoreError(f"{path}: the database answered '{text}': run `monitor doctor`.")


def require(path: Path, *, create: bool) -> None:
    """Refuse a path that holds no database, so that nothing is ever replaced silently by an empty one."""
    if not path.exists():
        if not create:
            raise StoreError(f"{path}: there is no database here: run `monitor init`, or `monitor restore FILE`.")
        for side in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")):
            if side.exists():
                raise StoreError(f"{side}: is left from a database that is gone: put that back or move this file away.")
        if not path.parent.is_dir():
            raise StoreError(f"{path}: the folder {path.parent} does not exist: make it, or run `monitor init`.")
        return
    if not path.is_file():
        raise StoreError(f"{path}: is not a file: name the database in monitor.yaml under `store:`.")
    with path.open("rb") as file:
        start = file.read(len(_HEADER))
    if start != _HEADER and not (create and not start):
        state = "is empty" if not start else "is not a database"
        raise StoreError(f"{path}: {state}: keep it aside and use `monitor restore FILE`.")


class _Held:
    """A connection, closed as soon as the thread has ended that it belongs to.

    Left to itself it would wait for the garbage collector: a connection and its cache of statements hold each other.
    """

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class Connections:
    """The connections of one file, each used by the thread that asked for it first."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open nothing yet."""
        self.path = path
        self._read_only = read_only
        self._own = threading.local()
        # weak: every poll has threads of its own, and a watch that runs for weeks would keep two files open for each
        self._all: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._guard = threading.Lock()
        # SQLite's waiting is not fair: with 8 writers single waits reached 5 s, a lock queues those of one process
        self._writing = threading.Lock()
        self._closed = False

    def get(self) -> sqlite3.Connection:
        """The connection of this thread."""
        held: _Held | None = getattr(self._own, "held", None)
        if held is None:
            if self._closed:
                raise StoreError(f"{self.path}: the store was closed already: open it again.")
            held = self._own.held = self._open()
        return held.connection

    def _open(self) -> _Held:
        # check_same_thread is off for close() alone: every other use goes through get()
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=ro" if self._read_only else self.path,
            uri=self._read_only, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
            cached_statements=256,
        )  # fmt: skip
        held = _Held(connection)
        with self._guard:
            self._all.add(held)
        writing = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 67108864")
        for pragma in (*(() if self._read_only else writing), "cache_size = -16384", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return held

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for several SELECTs; never waits for a writer."""
        try:
            connection = self.get()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise told(self.path, error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: everything in it is kept, or nothing."""
        if self._read_only:
            raise StoreError(f"{self.path}: was opened for reading alone and cannot be changed.")
        try:
            connection = self.get()
            with self._writing:
                # a deferred BEGIN that turns into a write fails at once, whatever the timeout
                connection.execute("BEGIN IMMEDIATE")
                try:
                    faults.point("store.begun")
                    yield connection
                    faults.point("store.ending")
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                faults.point("store.committed")
        except sqlite3.Error as error:
            raise told(self.path, error) from error

    def close(self) -> None:
        """Close the connections of all threads; none of them may be at work."""
        with self._guard:
            self._closed = True
            for held in list(self._all):
                held.connection.close()
            self._all.clear()
        self._own = threading.local()
