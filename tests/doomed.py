"""Monitors whose end is arranged: each command runs in a process of its own, by a standing clock, and may be killed.

doomed_monitor.py has all modules loaded and forks a process for each job. In the fork server of such a process this
module is loaded, too, so that the places in the children are reached.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from monitor import faults, parse

ARRANGED = "DOOMED"
"""Environment variable with the job, for the fork server."""
CRASH = b"crash-the-parser"
"""A document that holds this ends the child that parses it."""
HANG = b"hang-the-parser"
"""A document that holds this never comes out of it."""
PATIENCE = 60
"""Seconds after which a job that hangs is ended."""

Dump = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command and what becomes of it."""

    arguments: Sequence[str]
    now: str
    point: str = ""
    """Get a signal there..."""
    signal: int = signal.SIGKILL
    """... this one."""
    nth: int = 1
    """... when it is reached for this time."""
    once: str = ""
    """... and only if this file does not exist yet; it is made."""
    record: str = ""
    """Write the name of every point that is reached into this file."""
    file_size: int = 0
    """No file may grow beyond this."""
    pages: int = 0
    """The database may not grow beyond this many pages."""
    busy: float = 30.0
    """Seconds that a locked database is waited for."""
    zero_lease: bool = True
    """A lease runs out at once, so that a restart needs no wait."""
    worked: float = 0.0
    """Seconds by its clock that a poll has been at work once it has claimed its feeds; then its leases are renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a command; a negative code is the signal that ended it."""

    code: int
    out: str
    err: str


class Doomed:
    """Runs jobs, one at a time."""

    def __enter__(self) -> Self:
        """Load everything once."""
        here = str(Path(__file__).parent)
        path = os.pathsep.join([here, *(p for p in sys.path if p)])
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, Path(__file__).with_name("doomed_monitor.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """End the forking process; its jobs are over."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(PATIENCE)

    def run(self, job: Job) -> Ended:
        """Run a job and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asdict(job)), file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))


def dump(root: Path) -> Dump:
    """Every row of every table, and every word of the index with its place; nothing is left out."""
    with closing(sqlite3.connect(root / "data" / "monitor.db")) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        tables = [n for n in names if not re.match(r"search(_|$)|sqlite_", n)]
        rows = {n: sorted(db.execute(f"SELECT * FROM {n}"), key=repr) for n in tables}  # noqa: S608 - our own tables
        db.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search, instance)")
        rows["search"] = sorted(db.execute("SELECT * FROM temp.words"))
    assert {"articles", "hits", "mentions", "feeds", "revisions", "told", "outbox", "poison"} <= set(rows)
    return rows


class Arranged:
    """Takes the place of faults.point."""

    def __init__(self, job: Job, *, in_child: bool = False) -> None:
        """Count from nothing."""
        self._job = job
        self._in_child = in_child
        self._reached: Counter[str] = Counter()
        self._guard = threading.Lock()

    def passed(self, name: str) -> bool:
        """Whether a place was reached."""
        return self._reached[name] > 0

    def __call__(self, name: str) -> None:
        """Note a place; die there if that is arranged."""
        with self._guard:
            self._reached[name] += 1
            if self._job.record and self._in_child:  # it may write into no file, but it may make an empty one
                Path(f"{self._job.record}.{name}").touch()
            elif self._job.record:
                with Path(self._job.record).open("a") as file:
                    file.write(f"{name}\n")
            if name == self._job.point and self._reached[name] == self._job.nth and self._first():
                os.kill(os.getpid(), self._job.signal)

    def _first(self) -> bool:
        if not self._job.once:
            return True
        try:
            Path(self._job.once).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def arrange_child(job: Job) -> None:
    """Prepare a fork server: its children pass the places, too, and some documents are too much for them."""
    faults.point = Arranged(job, in_child=True)
    parsed = parse.parse

    def parse_or_die(feed: str, body: bytes, *rest: Any) -> Any:
        if CRASH in body:
            signal.raise_signal(signal.SIGSEGV)
        if HANG in body:
            signal.pause()
        return parsed(feed, body, *rest)

    parse.parse = parse_or_die  # type: ignore[assignment]


if ARRANGED in os.environ:
    arrange_child(Job(**json.loads(os.environ[ARRANGED])))
