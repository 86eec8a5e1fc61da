"""Real news as living feeds: after every step the store holds exactly what was published, and nothing twice."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes import Workspace

from monitor.app import now

FARM = Path(__file__).parents[2] / "shared" / "tools" / "newsfarm.py"
SETS = ("aura_rudaw_2026", "iraq_arabic_headlines_2026", "willsheo_me_2026")
WINDOW = 20

pytestmark = pytest.mark.skipif(not FARM.is_file(), reason="../shared is not there: no real news to replay")

Ask = Callable[[str], str]


@pytest.fixture(scope="module")
def farm() -> Iterator[tuple[int, Ask]]:
    """The farm in a child process: its port, and what it answers at a path."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    sets = [word for name in SETS for word in ("--set", name)]
    command = [sys.executable, str(FARM), "--port", str(port), "--split", "200", "--window", str(WINDOW), *sets]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:  # noqa: S603 - our own tool
        assert child.stdout is not None
        child.stdout.readline()  # it listens now

        def ask(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        try:
            yield port, ask
        finally:
            child.terminate()


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def stored(desk: Workspace) -> Counter[tuple[str, str]]:
    """How often each (feed, link) is stored."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        return Counter(db.execute("SELECT feed, url FROM articles").fetchall())


def hits(desk: Workspace) -> list[tuple[object, ...]]:
    """All hits."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        return db.execute("SELECT k, hit, rule, entity, evidence FROM hits ORDER BY k").fetchall()


def test_nothing_is_lost_and_nothing_stored_twice(tmp_path: Path, farm: tuple[int, Ask]) -> None:
    """Five polls, each after half a window of news: per feed exactly the published links, each of them once."""
    port, ask = farm
    desk = Workspace(root=tmp_path / "desk", ports=(port,))
    desk.lay_out()
    for source in (Path(__file__).parents[1] / "watchlists").glob("*.yaml"):
        if source.stem not in {"feeds", "desks"}:
            desk.write(f"watchlists/{source.name}", source.read_text())
    desk.feeds({f"f{n}": feed["url"] for n, feed in enumerate(lines(ask("/_feeds")))})
    with desk.open() as app:
        for step in range(5):
            if step:
                ask(f"/_step?k={WINDOW // 2}")
            desk.clock.now = now()
            report = app.polling.poll(every=True)
            assert report.failed == 0, report.failures
            truth = Counter((f"f{row['feed']}", row["url"]) for row in lines(ask("/_truth")))
            assert stored(desk) == truth
            assert report.articles == (len(truth) if step == 0 else report.articles)

        before = hits(desk)
        assert len(before) > 100
        again = app.polling.poll(every=True)
        assert (again.articles, again.revised, again.hits) == (0, 0, 0)
        assert again.unchanged == again.feeds
        assert hits(desk) == before
        assert app.store.stale(app.editorial.current().rev, None) == 0
