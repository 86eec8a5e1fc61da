"""The program behind doomed.Doomed: forks a monitor for each line of standard input, a Job, and says how it ended."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime, timedelta

from doomed import ARRANGED, PATIENCE, Arranged, Ended, Job

import monitor.app
import monitor.cli.care
import monitor.cli.mail
import monitor.cli.work
import monitor.daemon
import monitor.fetch
import monitor.sandbox
import monitor.service.mail
import monitor.service.poll
import monitor.service.read
import monitor.store.connection
from monitor import faults
from monitor.cli import main
from monitor.store.connection import Connections, _Held


def arrange(job: Job) -> None:
    """Prepare a monitor process for its job."""
    os.environ[ARRANGED] = json.dumps(asdict(job))
    faults.point = point = Arranged(job)
    now = datetime.fromisoformat(job.now)
    monitor.app.now = lambda: now + timedelta(seconds=job.worked * point.passed("poll.claimed"))
    # how often leases are renewed is a matter of chance: only who asks for it gets it
    monitor.service.poll.HEARTBEAT = 0.001 if job.worked else 2 * PATIENCE
    random.random = lambda: 0.5
    monitor.service.poll.GROUP, monitor.service.poll.PORTION, monitor.service.poll.PAUSE = 3, 4, 60
    monitor.service.read.PRELOAD = (*monitor.service.read.PRELOAD, "doomed")  # type: ignore[assignment]
    monitor.store.connection.BUSY_SECONDS = job.busy
    if job.zero_lease:
        monitor.service.poll.LEASE = 0
    if job.file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_size, resource.RLIM_INFINITY))
    if job.pages:
        narrow(job.pages)


def narrow(pages: int) -> None:
    """Let no database grow beyond this many pages."""
    opened = Connections._open

    def narrowed(self: Connections) -> _Held:
        held = opened(self)
        held.connection.execute(f"PRAGMA max_page_count = {pages}")
        return held

    Connections._open = narrowed  # type: ignore[method-assign]


def child(job: Job, out: int, err: int) -> None:
    """The process of one job, from fork to exit."""
    signal.alarm(PATIENCE)
    os.dup2(out, 1)
    os.dup2(err, 2)
    arrange(job)
    try:
        main(list(job.arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def serve() -> None:
    """Fork a process for each line of standard input."""
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if not pid:
                child(Job(**json.loads(line)), out.fileno(), err.fileno())
            _, status = os.waitpid(pid, 0)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode())
        ended = Ended(code=os.waitstatus_to_exitcode(status), out=said[0], err=said[1])
        sys.stdout.write(f"{json.dumps(asdict(ended))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
