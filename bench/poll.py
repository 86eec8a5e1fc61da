"""Polling: cold, unchanged (304), the same bytes, one new item each; and good feeds among bad ones.

Against reader when READER_PYTHON names an interpreter that has it: interleaved, medians, the farm's requests asserted.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common import BENCH, PEERS, SHARED, Spent, arguments, figure, median, monitor, note, spent, workspace

from monitor.demo.farm import SampleFarm

FARM = SHARED / "tools" / "feedfarm.py"
ENTRIES = 20
MODES = {"cold": "mode=auto&gen=0", "304": "mode=auto", "same bytes": "mode=200", "one new each": "mode=new&gen=1"}
NEW = "one new each"
Costs = dict[tuple[str, str], list[Spent]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """A feed farm in a process of its own."""

    port: int

    def ask(self, path: str) -> bytes:
        """What the farm answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            body: bytes = answer.read()
            return body

    def urls(self, feeds: int, bad: int = 0) -> list[str]:
        """Addresses of the good feeds, then of the bad ones."""
        return self.ask(f"/_list?n={feeds}&bad={bad}").decode().split()

    def served(self) -> dict[str, int]:
        """Answers by status since the last reset."""
        status: dict[str, int] = json.loads(self.ask("/_stats"))["status"]
        return {code: number for code, number in status.items() if code.isdigit()}


@contextmanager
def farm(feeds: int) -> Iterator[Farm]:
    """Start the farm on a free port, its bodies made before it answers; end it by its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", f"--feeds={feeds}", f"--entries={ENTRIES}", "--warm", "--endless-mb=50"]
    command = [sys.executable, str(FARM), *options, "--max-seconds=1200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own tool
        try:
            assert process.stdout is not None
            if "listening" not in process.stdout.readline():
                sys.exit("poll: the feed farm did not start: run it by hand to see why.")
            yield Farm(port=port)
        finally:
            process.terminate()


def settings(port: int, deadline: float = 60) -> dict[str, Any]:
    """A configuration that may read this one port of the loopback, as fast as it can."""
    poll = {"deadline": deadline, "allow_private": [f"127.0.0.1:{port}"]}
    return {"poll": poll | {"hosts": {"127.0.0.1": {"connections": 16, "spacing": 0}}}}


def listed(urls: list[str]) -> list[dict[str, str]]:
    """The same as rows of feeds.yaml."""
    return [{"id": f"farm-{number}", "url": url} for number, url in enumerate(urls)]


def command(config: Path) -> list[str]:
    """One poll of everything."""
    return [*monitor(), "--config", str(config), "poll", "--all", "--json"]


def stored(folder: Path) -> tuple[int, int]:
    """Articles in the store, and how many of them the watchlists in force have matched."""
    with closing(sqlite3.connect(folder / "data" / "monitor.db")) as db:
        count, revisions, least = db.execute(
            "SELECT count(*), count(DISTINCT matched_rev), min(length(matched_rev)) FROM articles"
        ).fetchone()
    return count, count if revisions == 1 and least else 0


def race(place: Farm, folder: Path, feeds: int, rounds: int, *, light: bool = False) -> Costs:
    """Every mode for every racer, racers alternating; each ends a mode with all entries stored."""
    costs: Costs = defaultdict(list)
    urls = place.urls(feeds)
    for number in range(rounds):
        place.ask("/_ctl?mode=auto&gen=0")
        racers = {"monitor": folder / f"monitor-{number}"}
        workspace(racers["monitor"], settings=settings(place.port), feeds=listed(urls), light=light)
        if PEERS:
            racers["reader"] = folder / f"reader-{number}.sqlite"
            add = [PEERS, str(BENCH / "peers.py"), "reader-add", str(racers["reader"])]
            subprocess.run(add, input="\n".join(urls), text=True, check=True)  # noqa: S603 - the peer named by hand
        order = list(racers) if number % 2 else list(racers)[::-1]
        for mode, control in MODES.items():
            place.ask(f"/_ctl?{control}")
            if mode == NEW:
                warm(place, urls)
            for name in order:
                place.ask("/_ctl?reset=1")
                costs[name, mode].append(run(name, racers[name]))
                check(name, mode, place.served(), feeds, racers[name], costs[name, mode][-1])
    return costs


def warm(place: Farm, urls: list[str]) -> None:
    """Have the farm make its new bodies before anybody is measured."""
    for url in urls:
        place.ask(url.removeprefix(f"http://127.0.0.1:{place.port}"))


def run(name: str, path: Path) -> Spent:
    """One poll by one racer."""
    if name == "monitor":
        return spent(command(path / "monitor.yaml"))
    return spent([PEERS, BENCH / "peers.py", "reader-update", path])


def check(name: str, mode: str, served: dict[str, int], feeds: int, path: Path, cost: Spent) -> None:
    """Nobody wins by leaving work out: one request for each feed, all entries stored, all of ours matched."""
    asked = {code: count for code, count in served.items() if count}
    # the farm counts the question for its own statistics only after it has answered it
    asked["200"] = asked.get("200", 0) - (1 if mode == "304" or asked.get("200", 0) > feeds else 0)
    wanted = {"304" if mode == "304" else "200": feeds}
    assert {c: n for c, n in asked.items() if n} == wanted, f"{name}, {mode}: the farm answered {served}"
    expected = feeds * (ENTRIES + (mode == NEW))
    if name == "monitor":
        assert stored(path) == (expected, expected), f"{mode}: {stored(path)} of {expected} articles stored, matched"
    else:
        told = json.loads(cost.out)
        assert (told["articles"], told["failed"]) == (expected, 0), f"reader, {mode}: {told} of {expected}"


def show(costs: Costs, feeds: int) -> None:
    """A line for each figure, ours beside the peer's."""
    for mode in MODES:
        ours, peer = costs["monitor", mode], costs.get(("reader", mode), [])
        name = f"poll {feeds} feeds, {mode}"
        for what, unit, key in (
            ("processor", "CPU-s", "cpu"),
            ("wall", "s", "wall"),
            ("peak of a process", "MB", "peak"),
        ):
            figure(f"{name}, {what}", middle(ours, key), unit, middle(peer, key) if peer else None, of="reader")
    cold = middle(costs["monitor", "cold"], "cpu")
    figure("one new each, processor", middle(costs["monitor", NEW], "cpu"), "CPU-s", cold, of="the cold run")


def middle(costs: list[Spent], key: str) -> float:
    """The median of one kind of cost; memory in megabytes."""
    return median([float(getattr(cost, key)) for cost in costs]) / (1e6 if key == "peak" else 1)


def among_bad(place: Farm, folder: Path, good: int, bad: int, deadline: float) -> None:
    """How long good feeds wait when others hang, lie and flood."""
    place.ask("/_ctl?mode=auto&gen=0&reset=1")
    config = workspace(folder, settings=settings(place.port, deadline), feeds=listed(place.urls(good, bad)))
    runner = [sys.executable, str(BENCH / "spent.py"), *command(config)]
    began = time.monotonic()
    with subprocess.Popen(runner, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        with closing(sqlite3.connect(f"file:{folder / 'data' / 'monitor.db'}?mode=ro", uri=True, timeout=30)) as db:
            while _good(db, good) < good * ENTRIES and process.poll() is None:
                time.sleep(0.05)
            complete = time.monotonic() - began
            found = _good(db, good)
        out, err = process.communicate(timeout=deadline * 5)
    assert found == good * ENTRIES, f"{found} of {good * ENTRIES} entries of the good feeds are stored:\n{err[-2000:]}"
    used = json.loads(err.rstrip().rsplit("\n", 1)[-1])
    figure(f"{good} good + {bad} bad feeds, good ones stored", complete, "s")
    figure(f"{good} good + {bad} bad feeds, whole command", used["wall"], "s")
    figure(f"{good} good + {bad} bad feeds, processor", used["cpu"], "CPU-s")
    figure(f"{good} good + {bad} bad feeds, peak of a process", used["peak"] / 1e6, "MB")
    note(f"it reports {out.strip()}")


def _good(db: sqlite3.Connection, good: int) -> int:
    wanted = json.dumps([f"farm-{number}" for number in range(good)])
    counted = "SELECT count(*) FROM articles WHERE feed IN (SELECT value FROM json_each(?))"
    return int(db.execute(counted, (wanted,)).fetchone()[0])


def samples(folder: Path, *, light: bool = False) -> None:
    """The same on the sample feeds, when the feed farm is not there."""
    with SampleFarm(now=datetime.now(UTC)) as place:
        config = workspace(folder, settings=settings(place.port), feeds=place.feeds(), light=light)
        for number, mode in enumerate(("cold", "304", "some new")):
            if mode == "some new":
                place.step()
            cost = spent(command(config))
            figure(f"poll the sample feeds, {mode}, processor", cost.cpu, "CPU-s")
            figure(f"poll the sample feeds, {mode}, wall", cost.wall, "s")
            found, matched = stored(folder)
            items = place.expect()["items"]
            assert found == matched == items[number == 2], f"{mode}: {found} stored, {matched} matched of {items}"


def main() -> None:
    """Print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["race", "bad"])
    asked = parser.parse_args()
    feeds, rounds = (20, 1) if asked.quick else (asked.feeds, asked.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not FARM.is_file():
            note("the feed farm of ../shared is not there: the sample feeds are polled, without a peer")
            samples(folder, light=asked.quick)
            return
        if not PEERS:
            note("READER_PYTHON names no interpreter that has reader: no ratios")
        with farm(feeds) as place:
            if asked.only != "bad":
                show(race(place, folder, feeds, rounds, light=asked.quick), feeds)
            if asked.only != "race" and not asked.quick:
                among_bad(place, folder / "bad", 100, 28, 60)


if __name__ == "__main__":
    main()
