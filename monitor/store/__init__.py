"""The SQLite store: one file is the whole state."""

from monitor.store.copies import restore
from monitor.store.rows import first_number, hit_id, moment
from monitor.store.sqlite import SqliteStore

__all__ = ["SqliteStore", "first_number", "hit_id", "moment", "restore"]
