"""The sets of bodies, XML attacks and answers, all through one poll of the real command over a fresh store."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import vectors
from fakes import Workspace
from test_vectors_http import FEED, GOOD, ROWS, Row, plain

GOOD_FEEDS = 5
UNASKED = "no change"
"""The one answer of the set that has another meaning at a first poll: 304 to a question without validators."""


@dataclass(slots=True, kw_only=True)
class Wire:
    """A server on the loopback that says the bytes of a path, some of them for ever; a feed at every other path."""

    rows: Mapping[str, Row]
    port: int = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer every guest in a thread of its own."""
        rows, ending = self.rows, threading.Event()

        class Handler(StreamRequestHandler):
            timeout = 5

            def handle(self) -> None:
                with suppress(OSError):
                    path = self.request.recv(65_536).split(b" ")[1].decode()
                    row = rows.get(path, Row(says=GOOD + FEED))
                    self.request.sendall(row.says)
                    while row.goes_on and not ending.wait(0.05):
                        self.request.sendall(row.goes_on)

        class Server(ThreadingTCPServer):
            request_queue_size = 128

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield
            finally:
                ending.set()
                server.shutdown()
                thread.join()


def rows() -> dict[str, Row]:
    """Path -> what is said there and what has to come of it."""
    bodies = [str(value).encode() for value in vectors.values("feed_bodies/")]
    attacks = [body for _, body in vectors.files("xml_attacks_defusedxml/")]
    page = plain(200, "Content-Type: text/html", body=b"<html><body>Hello</body>")
    return {
        "/": Row(says=page),
        **{f"/body-{n}": Row(says=plain(200, body=body), kind="not-a-feed") for n, body in enumerate(bodies)},
        **{f"/attack-{n}": Row(says=plain(200, body=body)) for n, body in enumerate(attacks)},
        **{f"/http-{n}": row for n, row in enumerate(r for (_, then), r in ROWS.items() if then != UNASKED)},
    }


def test_all_of_them_in_one_poll(tmp_path: Path) -> None:
    """One poll ends by itself, without a traceback; every good feed is stored, every bad one says why it is not."""
    wire = Wire(rows=rows())
    with wire.serving():
        desk = Workspace(root=tmp_path / "desk", ports=(wire.port,), deadline=3)
        desk.lay_out()
        names = [path[1:] for path in wire.rows if path != "/"] + [f"good-{n}" for n in range(GOOD_FEEDS)]
        desk.feeds({name: f"http://127.0.0.1:{wire.port}/{name}" for name in names})
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "monitor", "--config", str(desk.config), "poll", "--all", "--json"],
            cwd=desk.root, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    assert (told["feeds"], told["fetched"] + told["unchanged"] + told["failed"]) == (len(names), len(names))
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        stored = Counter(feed for (feed,) in db.execute("SELECT feed FROM articles"))
        states = {i: (kind, why) for i, kind, why in db.execute("SELECT id, error_kind, last_error FROM feeds")}
        letters = "".join(f"{title}{text}" for title, text in db.execute("SELECT title, text FROM articles"))
    assert [stored[f"good-{n}"] for n in range(GOOD_FEEDS)] == [2] * GOOD_FEEDS
    for path, row in wire.rows.items():
        name = path[1:]
        if name.startswith("attack-"):
            assert bool(states[name][1]) is not bool(stored[name]), name
        elif name:
            assert states[name][0] == row.kind, f"{name}: {states[name]}"
            assert row.told.partition(" within ")[0] in states[name][1]
    assert "root:" not in letters
