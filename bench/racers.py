"""Who is timed at polling: our command, and reader, newsboat and sfeed where they are there. Each does all it can.

Reader takes ten workers and asks every feed, newsboat ten threads, sfeed sixteen jobs. Sfeed keeps no validators.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common import BENCH, PEERS, Spent, monitor, spent, workspace

SECONDS = 3_000
"""Longest wait for one poll of one racer."""


class Racer(Protocol):
    """One program with a store of its own."""

    @property
    def conditional(self) -> bool:
        """Whether it asks "has it changed?" and so gets 304."""
        ...

    def poll(self) -> Spent:
        """Read all feeds once."""
        ...

    def complaint(self, expected: int, cost: Spent) -> str:
        """What is wrong with its store when so many entries should be in it; "" when nothing is."""
        ...


def settings(port: int, deadline: float = 60) -> dict[str, object]:
    """A configuration that may read this one port of the loopback, as fast as it can."""
    poll = {"deadline": deadline, "allow_private": [f"127.0.0.1:{port}"]}
    return {"poll": poll | {"hosts": {"127.0.0.1": {"connections": 16, "spacing": 0}}}}


def listed(urls: Sequence[str]) -> list[dict[str, str]]:
    """Addresses as rows of feeds.yaml."""
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


@dataclass(frozen=True, slots=True)
class Monitor:
    """Ours: everything stored must be matched, too."""

    folder: Path
    conditional: bool = True

    def poll(self) -> Spent:
        """See Racer."""
        return spent(command(self.folder / "monitor.yaml"), seconds=SECONDS)

    def complaint(self, expected: int, cost: Spent) -> str:
        """See Racer."""
        found = stored(self.folder)
        return "" if found == (expected, expected) else f"{found} are stored, matched: {cost.out.strip()}"


@dataclass(frozen=True, slots=True)
class Reader:
    """The Python library reader."""

    path: Path
    conditional: bool = True

    def poll(self) -> Spent:
        """See Racer."""
        return spent([PEERS, BENCH / "peers.py", "reader-update", self.path], seconds=SECONDS)

    def complaint(self, expected: int, cost: Spent) -> str:
        """See Racer."""
        told = json.loads(cost.out)
        return "" if (told["articles"], told["failed"]) == (expected, 0) else str(told)


@dataclass(frozen=True, slots=True)
class Newsboat:
    """Newsboat without its screen; it does not keep the validators of a feed's first answer."""

    folder: Path
    conditional: bool = False

    def poll(self) -> Spent:
        """See Racer."""
        config, urls, cache = (str(self.folder / name) for name in ("config", "urls", "cache.db"))
        return spent(["newsboat", "-q", "-C", config, "-u", urls, "-c", cache, "-x", "reload"], seconds=SECONDS)

    def complaint(self, expected: int, cost: Spent) -> str:
        """See Racer."""
        with closing(sqlite3.connect(self.folder / "cache.db")) as db:
            count = db.execute("SELECT count(*) FROM rss_item").fetchone()[0]
        return "" if count == expected else f"{count} are stored: {cost.out[-500:]}"


@dataclass(frozen=True, slots=True)
class Sfeed:
    """The script sfeed_update with its tools; a file of lines for each feed."""

    folder: Path
    conditional: bool = False

    def poll(self) -> Spent:
        """See Racer."""
        return spent(["sfeed_update", self.folder / "sfeedrc"], seconds=SECONDS, well=(0, 1))

    def complaint(self, expected: int, cost: Spent) -> str:
        """See Racer."""
        count = sum(path.read_bytes().count(b"\n") for path in (self.folder / "feeds").iterdir())
        return "" if count == expected else f"{count} are stored: {cost.out[-500:]}"


OTHERS = ("reader", "newsboat", "sfeed")


def racers(folder: Path, port: int, urls: Sequence[str], *, light: bool, peers: Collection[str]) -> dict[str, Racer]:
    """We, and those of the peers that are there, each with an empty store and these feeds."""
    ours = folder / "monitor"
    workspace(ours, settings=settings(port), feeds=listed(urls), light=light)
    found: dict[str, Racer] = {"monitor": Monitor(ours)}
    if PEERS and "reader" in peers:
        path = folder / "reader.sqlite"
        add = [PEERS, str(BENCH / "peers.py"), "reader-add", str(path)]
        subprocess.run(add, input="\n".join(urls), text=True, check=True)  # noqa: S603 - the peer named by hand
        found["reader"] = Reader(path)
    if "newsboat" in peers and shutil.which("newsboat"):
        found["newsboat"] = Newsboat(_folder(folder / "newsboat", {"urls": urls, "config": ["reload-threads 10"]}))
    if "sfeed" in peers and shutil.which("sfeed_update"):
        place = _folder(folder / "sfeed", {})
        (place / "feeds").mkdir()
        rows = [f"  feed farm-{number} {shlex.quote(url)}" for number, url in enumerate(urls)]
        lines = [f"sfeedpath={shlex.quote(str(place / 'feeds'))}", "maxjobs=16", "feeds() {", *rows, "}"]
        found["sfeed"] = Sfeed(_folder(place, {"sfeedrc": lines}))
    return found


def _folder(folder: Path, files: dict[str, Sequence[str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder
