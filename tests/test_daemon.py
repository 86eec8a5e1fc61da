"""The running watch as a process of its own: it polls, mails, says what is wrong once, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import WATCHLIST, Answer, Entry, Relay, Site, Workspace, entries, rss, text_of, until

from monitor.store import SqliteStore

DESKS = """\
desks:
  - id: iraq
    title: Iraq desk
    to: [reader@example.org]
    zone: UTC
    at: ["00:00"]
    flash: {to: [duty@example.org], level: flash}
"""


@dataclass(frozen=True, slots=True)
class Watch:
    """A running `monitor run`."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, words: str, times: int = 1) -> bool:
        """Whether its log comes to hold these words so often."""
        return until(lambda: self.log.read_text().count(words) >= times)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(15)


@contextmanager
def running(desk: Workspace) -> Iterator[Watch]:
    """Start the watch, and end it whatever happens."""
    log = desk.root / "log"
    with log.open("ab") as file:
        command = [sys.executable, "-m", "monitor", "run"]
        process = subprocess.Popen(command, cwd=desk.root, stdout=file, stderr=file)  # noqa: S603 - our own command
    try:
        yield Watch(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(15)


def recent(*items: Entry) -> list[Entry]:
    """The same, published just now."""
    return [replace(e, when=datetime.now(UTC)) for e in items]


@pytest.fixture
def watched(desk: Workspace, site: Site) -> Workspace:
    """A workspace with an attack in its feed."""
    desk.write("watchlists/desks.yaml", DESKS)
    site.show("/a", recent(Entry(title="Ain al-Asad attacked", guid="1"), *entries(2)))
    return desk


def due_again(desk: Workspace) -> None:
    """Make every feed due at once, as the passing of time would."""
    with closing(SqliteStore(desk.root / "data" / "monitor.db")) as store, store._connections.writing() as db:
        db.execute("UPDATE feeds SET next_due = NULL")


def stored(desk: Workspace) -> int:
    """Articles in the store."""
    with closing(SqliteStore(desk.root / "data" / "monitor.db")) as store:
        return store.counts().articles


def test_it_polls_mails_and_ends_politely(watched: Workspace) -> None:
    """A start brings the flash and the digest with the first poll's news; SIGTERM ends it with 0 within seconds."""
    with running(watched) as watch:
        assert until(lambda: len(watched.mails()) == 2), watch.log.read_text()
        assert watch.stop() == 0
        log = watch.log.read_text()
    assert "Traceback" not in log
    assert "Watching 1 feeds for 1 desks" in log
    assert "2 new articles" in log
    assert log.count(": sent") == 2
    flash, digest = sorted(watched.mails().items(), key=lambda m: "flash" not in m[0])
    assert "Ain al-Asad attacked" in text_of(flash[1])
    assert "Story 2" in text_of(digest[1])
    with running(watched) as watch:
        assert watch.says("Watching", times=2)
        assert watch.stop(signal.SIGINT) == 0
    assert len(watched.mails()) == 2


def test_it_goes_on_after_a_kill_without_a_second_mail(watched: Workspace, site: Site) -> None:
    """Killed and started again it takes up new articles, and each mail went out once."""
    with Relay() as relay:
        watched.mail = relay.settings
        watched.lay_out()
        watched.feeds({"a": f"{site.base}/a"})
        watched.write("watchlists/desks.yaml", DESKS)
        with running(watched) as watch:
            assert until(lambda: len(relay.got) == 2), watch.log.read_text()
            watch.process.kill()
        site.show("/a", recent(*entries(2, 3)))
        due_again(watched)
        with running(watched) as watch:
            assert until(lambda: stored(watched) == 3), watch.log.read_text()
            assert watch.stop() == 0
    assert sorted(to for to, _ in relay.got) == ["duty@example.org", "reader@example.org"]


def test_a_second_instance_gives_way(watched: Workspace) -> None:
    """It exits with 5 and one sentence, and the first one runs on."""
    with running(watched) as first:
        assert first.says("Watching")
        with running(replace(watched)) as second:
            assert second.process.wait(15) == 5
        assert first.process.poll() is None
        assert first.says("another monitor runs on this store")
        assert first.stop() == 0


def test_without_a_network_it_says_so_once_and_keeps_trying(watched: Workspace, site: Site) -> None:
    """One line for the cause however many feeds and tries there are; the first good answer brings the news."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    watched.ports = (port, site.port)
    watched.lay_out()
    watched.write("watchlists/desks.yaml", DESKS)
    watched.feeds({f"f{n}": f"http://127.0.0.1:{port}/{n}" for n in range(12)})
    with running(watched) as watch:
        assert watch.says("They are tried again.")
        due_again(watched)
        assert until(lambda: failures(watched) >= 2)
        assert watch.process.poll() is None
        watched.feeds({f"f{n}": f"{site.base}/{n}" for n in range(12)})
        for n in range(12):
            site.show(f"/{n}", recent(*entries(n, name=f"F{n}")))
        due_again(watched)
        assert watch.says("12 new articles")
        assert watch.stop() == 0
        log = watch.log.read_text()
    assert log.count("They are tried again.") == 1, log
    assert "and 11 more" in log
    assert "Traceback" not in log


def failures(desk: Workspace) -> int:
    """How often in a row every feed has failed."""
    with closing(SqliteStore(desk.root / "data" / "monitor.db")) as store:
        return min(s.failures for s in store.states().values())


def test_a_watchlist_broken_while_it_runs(watched: Workspace, site: Site) -> None:
    """The old revision stays in force and the mistake is logged once; mended, the new one is in force."""
    with running(watched) as watch:
        assert watch.says("2 new articles")
        watched.write("watchlists/bases.yaml", WATCHLIST.replace("kind: base\n", "kindd: base\n"))
        assert watch.says("Not in force: watchlists/bases.yaml:6:5:")
        site.show("/a", recent(*entries(2, 3)))
        due_again(watched)
        assert watch.says("1 new articles, 0 edited, 1 hits")
        watched.write("watchlists/bases.yaml", WATCHLIST.replace("en: [PKK]", "en: [PKK, Kongra-Gel]"))
        assert watch.says("All watchlists are in force again.")
        site.show("/a", recent(*entries(2, 3), Entry(title="Kongra-Gel said no", guid="k")))
        due_again(watched)
        assert watch.says("1 new articles, 0 edited, 1 hits", times=2)
        assert watch.stop() == 0
        assert watch.log.read_text().count("Unknown key `kindd`") == 1


def test_it_ends_politely_in_the_middle_of_a_poll(watched: Workspace, site: Site) -> None:
    """A feed that hangs does not hold the end up, however long it may; the next start asks for it at once."""
    watched.deadline = 3600
    watched.lay_out()
    watched.feeds({"a": f"{site.base}/a", "slow": f"{site.base}/slow"})
    hold = threading.Event()
    site.pages["/slow"] = Answer(body=rss(recent(*entries(7))), hold=hold)
    with running(watched) as watch:
        assert until(lambda: site.asked["/slow"] == 1 and stored(watched) == 2)
        assert watch.stop() == 0
    hold.set()
    with running(watched) as watch:
        assert until(lambda: stored(watched) == 3)
        assert watch.stop() == 0
        assert "Traceback" not in watch.log.read_text()
    assert site.asked == {"/a": 1, "/slow": 2}


def test_a_log_for_programs(watched: Workspace) -> None:
    """With `log: {format: json}` every line is one object."""
    watched.config.write_text(watched.config.read_text() + "log: {format: json}\n")
    with running(watched) as watch:
        assert watch.says("new articles")
        assert watch.stop() == 0
        rows = [json.loads(line) for line in watch.log.read_text().splitlines()]
    assert all(r.keys() == {"time", "level", "message"} for r in rows)


def test_a_database_that_is_taken_away_stops_nothing_silently(watched: Workspace) -> None:
    """When the file is moved away under a running watch, no empty one appears in its place."""
    database = watched.root / "data" / "monitor.db"
    with running(watched) as watch:
        assert watch.says("new articles")
        for file in database.parent.glob("monitor.db*"):
            os.replace(file, f"{file}.away")  # noqa: PTH105 - as a person would
        watch.stop()
    assert not database.exists()
