"""Polling: cold, unchanged (304), the same bytes, one new item each; killed and started again; among bad feeds.

Against reader (READER_PYTHON names an interpreter that has it), newsboat and sfeed where they are installed:
interleaved, medians, the farm's count of requests asserted for every racer.
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
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common import BENCH, PEERS, SHARED, Spent, arguments, figure, median, note, spent, workspace
from racers import OTHERS, Racer, command, listed, racers, settings, stored

from monitor.demo.farm import SampleFarm

FARM = SHARED / "tools" / "feedfarm.py"
ENTRIES = 20
MODES = {"cold": "mode=auto&gen=0", "304": "mode=auto", "same bytes": "mode=200", "one new each": "mode=new&gen=1"}
NEW = "one new each"
STEPS = (0, 5, 20, 40)
"""Entries published while programs are killed; never more at a step than a feed shows."""

KEPT = {
    "301": 20,
    "badxml": 20,
    "latin5lie": 20,
    "dupguid": 20,
    "noguid": 20,
    "nodate": 20,
    "future": 20,
    "bigok": 3020,
}
"""Bad kinds that can be read to the last entry."""

FAILING = {
    "404", "410", "429", "500", "503ra", "302loop", "slowloris", "slowhead", "endless", "endlessgz", "bomb", "notxml",
    "empty", "reset", "hang", "html",
}  # fmt: skip
"""Bad kinds of which nobody can read anything: the health of the feed must say why."""

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
    command = [sys.executable, str(FARM), *options, "--max-seconds=7200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own tool
        try:
            assert process.stdout is not None
            if "listening" not in process.stdout.readline():
                sys.exit("poll: the feed farm did not start: run it by hand to see why.")
            yield Farm(port=port)
        finally:
            process.terminate()


def race(place: Farm, folder: Path, feeds: int, rounds: int, *, light: bool, peers: Sequence[str]) -> Costs:
    """Every mode for every racer, racers alternating; each ends a mode with all entries stored."""
    costs: Costs = defaultdict(list)
    urls = place.urls(feeds)
    for number in range(rounds):
        place.ask("/_ctl?mode=auto&gen=0")
        found = racers(folder / f"round-{number}", place.port, urls, light=light, peers=peers)
        order = list(found) if number % 2 else list(found)[::-1]
        for mode, control in MODES.items():
            place.ask(f"/_ctl?{control}")
            if mode == NEW:
                warm(place, urls)
            for name in order:
                place.ask("/_ctl?reset=1")
                cost = found[name].poll()
                costs[name, mode].append(cost)
                told = check(name, mode, place.served(), feeds, found[name], cost)
                note(f"round {number + 1}, {name}, {mode}: {told}, {cost.cpu:.1f} CPU-s, {cost.wall:.1f} s")
    return costs


def warm(place: Farm, urls: Sequence[str]) -> None:
    """Have the farm make its new bodies before anybody is measured."""
    for url in urls:
        place.ask(url.removeprefix(f"http://127.0.0.1:{place.port}"))


def check(name: str, mode: str, served: dict[str, int], feeds: int, racer: Racer, cost: Spent) -> str:
    """Nobody wins by leaving work out: one request for each feed, all entries stored, all of ours matched. In words."""
    asked = {code: count for code, count in served.items() if count}
    fresh = mode == "304" and racer.conditional
    # the farm counts the question for its own statistics only after it has answered it
    asked["200"] = asked.get("200", 0) - (1 if fresh or asked.get("200", 0) > feeds else 0)
    wanted = {"304" if fresh else "200": feeds}
    assert {c: n for c, n in asked.items() if n} == wanted, f"{name}, {mode}: the farm answered {served}"
    expected = feeds * (ENTRIES + (mode == NEW))
    wrong = racer.complaint(expected, cost)
    assert not wrong, f"{name}, {mode}: of {expected} entries {wrong}"
    return f"{feeds} requests, all answered {'304' if fresh else '200'}, {expected} entries stored"


def show(costs: Costs, feeds: int) -> None:
    """A line for each figure, ours beside reader's; then those of the other peers."""
    for mode in MODES:
        ours, peer = costs["monitor", mode], costs.get(("reader", mode), [])
        name = f"poll {feeds} feeds, {mode}"
        for what, unit, key in (
            ("processor", "CPU-s", "cpu"),
            ("wall", "s", "wall"),
            ("peak of a process", "MB", "peak"),
        ):
            figure(f"{name}, {what}", middle(ours, key), unit, middle(peer, key) if peer else None, of="reader")
            for other in sorted({racer for racer, _ in costs} - {"monitor"}):
                figure(f"  {other}, {mode}, {what}", middle(costs[other, mode], key), unit)
    cold = middle(costs["monitor", "cold"], "cpu")
    figure("one new each, processor", middle(costs["monitor", NEW], "cpu"), "CPU-s", cold, of="the cold run")


def middle(costs: list[Spent], key: str) -> float:
    """The median of one kind of cost; memory in megabytes."""
    return median([float(getattr(cost, key)) for cost in costs]) / (1e6 if key == "peak" else 1)


def among_bad(place: Farm, folder: Path, good: int, bad: int, deadline: float) -> None:
    """How long good feeds wait when others hang, lie and flood."""
    place.ask("/_ctl?mode=auto&gen=0&reset=1")
    urls = place.urls(good, bad)
    config = workspace(folder, settings=settings(place.port, deadline), feeds=listed(urls))
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
    _kinds(folder, [url.split("/")[4] for url in urls[good:]], good)


def _good(db: sqlite3.Connection, good: int) -> int:
    wanted = json.dumps([f"farm-{number}" for number in range(good)])
    counted = "SELECT count(*) FROM articles WHERE feed IN (SELECT value FROM json_each(?))"
    return int(db.execute(counted, (wanted,)).fetchone()[0])


def _kinds(folder: Path, kinds: Sequence[str], good: int) -> None:
    """What became of each bad kind: its entries, or why there are none."""
    with closing(sqlite3.connect(folder / "data" / "monitor.db")) as db:
        rows = db.execute(
            "SELECT id, error_kind, last_error, (SELECT count(*) FROM articles a WHERE a.feed = feeds.id) FROM feeds"
        )
        states = {feed: told for feed, *told in rows}
    for number, kind in enumerate(kinds, good):
        error, sentence, count = states[f"farm-{number}"]
        note(f"bad kind {kind}: {count} entries, {f'{error}: {sentence}' if error else 'read'}")
        if kind in KEPT:
            assert (error, count) == ("", KEPT[kind]), f"{kind}: {count} of {KEPT[kind]} entries, {error} {sentence}"
        elif kind in FAILING:
            assert error, f"{kind}: nothing says that it cannot be read"


def killed(place: Farm, folder: Path, feeds: int, kills: int, steps: Sequence[int], *, light: bool = False) -> None:
    """Kill polls at moments spread over a whole one, while the farm publishes; compare with the farm's own truth."""
    urls = place.urls(feeds)
    calm, shaken = folder / "calm", folder / "shaken"
    for path in (calm, shaken):
        workspace(path, settings=settings(place.port), feeds=listed(urls), light=light)
    ended = 0
    for step in steps:
        place.ask(f"/_ctl?mode=auto&gen={step}")
        wall = spent(command(calm / "monitor.yaml")).wall
        for number in range(kills):
            ended += _kill(shaken, wall * (number + 1) / (kills + 1))
        spent(command(shaken / "monitor.yaml"))
        place.ask("/_ctl?mode=200")
        spent(command(shaken / "monitor.yaml"))  # the same bytes once more: nothing may come twice
    truth = {(f"farm-{f}", f"urn:farm:{f}:{n}") for f in range(feeds) for n in range(ENTRIES + steps[-1])}
    found, hits = _entries(shaken)
    figure(f"{feeds} feeds, polls killed", ended, "times")
    figure(f"of {len(truth)} entries lost", len(truth - found.keys()), "entries")
    figure(f"of {len(truth)} entries doubled", found.total() - len(found), "entries")
    assert found == Counter(truth), f"{len(truth - found.keys())} lost, {found.total() - len(found)} doubled"
    assert (found, hits) == _entries(calm), "killed and undisturbed polls have found different hits"
    assert stored(shaken) == (len(truth), len(truth))


def _kill(folder: Path, seconds: float) -> bool:
    """Begin a poll and kill it; then its leases are over, as if ten minutes had passed. False when it was faster."""
    with subprocess.Popen(command(folder / "monitor.yaml"), stdout=subprocess.DEVNULL) as process:  # noqa: S603
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
        alive = process.poll() is None
        process.kill()
    with closing(sqlite3.connect(folder / "data" / "monitor.db", timeout=30)) as db, db:
        db.execute("UPDATE feeds SET lease_until = NULL, lease_owner = ''")
    return alive


def _entries(folder: Path) -> tuple[Counter[tuple[str, str]], set[tuple[str, ...]]]:
    with closing(sqlite3.connect(folder / "data" / "monitor.db")) as db:
        entries = Counter[tuple[str, str]](db.execute("SELECT feed, guid FROM articles").fetchall())
        return entries, set(db.execute("SELECT hit, level, evidence FROM hits WHERE withdrawn IS NULL"))


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
    parser.add_argument("--feeds", type=int, nargs="+", default=[1000], help="one race for each number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=OTHERS, default=OTHERS, help="race against these alone")
    parser.add_argument("--only", choices=["race", "kills", "bad"])
    asked = parser.parse_args()
    sizes, rounds = ([20], 1) if asked.quick else (asked.feeds, asked.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not FARM.is_file():
            note("the feed farm of ../shared is not there: the sample feeds are polled, without a peer")
            samples(folder, light=asked.quick)
            return
        if not PEERS:
            note("READER_PYTHON names no interpreter that has reader: no ratios")
        with farm(max(*sizes, 100)) as place:
            if asked.only in (None, "race"):
                for feeds in sizes:
                    peers = () if asked.quick else asked.peers
                    show(race(place, folder / str(feeds), feeds, rounds, light=asked.quick, peers=peers), feeds)
            if asked.only in (None, "kills"):
                if asked.quick:
                    killed(place, folder / "kills", 10, 1, STEPS[:2], light=True)
                else:
                    killed(place, folder / "kills", 100, 5, STEPS)
            if asked.only in (None, "bad") and not asked.quick:
                among_bad(place, folder / "bad", 100, 28, 60)


if __name__ == "__main__":
    main()
