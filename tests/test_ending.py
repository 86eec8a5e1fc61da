"""A poll that is told to end: what it has read is saved, the rest is due at once, and nothing is lost or doubled."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from doomed import HANG, Doomed, Dump, Job, dump
from fakes import NOW, Answer, Site, Workspace, entries, rss, until

from monitor.app import App
from monitor.errors import TemporaryError
from monitor.model import Article, Failed
from monitor.sandbox import Done, Killed
from monitor.service import course, poll
from monitor.service.care import examine
from monitor.service.course import Course
from monitor.service.read import Read

NAMES = "abcdefgh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A workspace that was never polled, its site, and what an undisturbed poll makes of it."""

    site: Site
    begun: Path
    ended: Dump


@pytest.fixture(scope="module")
def case(doom: Doomed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Eight feeds, one after the other, older news first, so that no portion changes its order; two are ill."""
    root = tmp_path_factory.mktemp("case")
    with Site() as site:
        desk = Workspace(root=root / "begun", ports=(site.port,), deadline=3600, connections=1)
        desk.lay_out()
        desk.write("watchlists/desks.yaml", "desks: []\n")  # mails are not what is compared
        desk.feeds({name: f"{site.base}/{name}" for name in NAMES})
        for number, name in enumerate(NAMES):
            site.show(f"/{name}", entries(90 - 10 * number, 85 - 10 * number, name=name.upper()), ETag=f'"{name}"')
        site.pages |= {"/b": Answer(body=b"<html>no feed</html>", content_type="text/html"), "/e": Answer(status=404)}
        whole = Path(shutil.copytree(desk.root, root / "whole"))
        assert doom.run(Job(arguments=command(whole, "poll"), now=NOW.isoformat())).code == 0
        yield Case(site=site, begun=desk.root, ended=whole_store(whole))


def command(root: Path, *words: str) -> list[str]:
    """A command on this workspace."""
    return ["--config", str(root / "monitor.yaml"), *words]


def whole_store(root: Path) -> Dump:
    """Every row of every table but the note that a watch was stopped."""
    rows = dump(root)
    return rows | {"meta": [row for row in rows["meta"] if row[0] != "alive"]}


@dataclass(frozen=True, slots=True)
class Way:
    """How a command is told to end, and what it does then."""

    command: str
    signal: int
    code: int
    said: str
    """A regular expression for all that stands on stderr."""


WATCH = Way("run", signal.SIGTERM, 0, "(?s).* Stopping: .*")
TERMINATED = Way("poll", signal.SIGTERM, 143, "monitor: ended by SIGTERM: [0-8] of [08] feeds are polled and saved.*")
INTERRUPTED = Way("poll", signal.SIGINT, 130, "monitor: interrupted: [0-8] of [08] feeds are polled and saved.*")


def under_lease(root: Path) -> int:
    """Feeds that somebody has in hand."""
    with closing(sqlite3.connect(root / "data" / "monitor.db")) as db:
        return int(db.execute("SELECT count(*) FROM feeds WHERE lease_owner <> ''").fetchone()[0])


@pytest.mark.parametrize("way", [WATCH, TERMINATED], ids=["watch", "poll"])
@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("poll.synced", 1), ("poll.claimed", 1), ("poll.fetched", 1), ("poll.fetched", 3), ("poll.parsed", 1),
        ("poll.saving", 2), ("store.states", 1), ("poll.saved", 1), ("poll.saved", 3), ("poll.ending", 1),
        ("poll.released", 1),
    ],
)  # fmt: skip
def test_told_to_end_anywhere_nothing_is_lost(
    case: Case, doom: Doomed, tmp_path: Path, point: str, nth: int, way: Way
) -> None:
    """SIGTERM at any place of a poll: it ends in its own words, with no lease; the next poll, at once, makes it whole.

    That of a watch exits with 0, a command with 143.
    """
    root = Path(shutil.copytree(case.begun, tmp_path / "desk"))
    job = Job(arguments=command(root, way.command), now=NOW.isoformat(), zero_lease=False)

    told = doom.run(replace(job, point=point, nth=nth, signal=way.signal))
    leases = under_lease(root)
    rest = doom.run(replace(job, arguments=command(root, "poll")))

    assert (told.code, told.out, rest.code) == (way.code, "", 0), (told, rest)
    assert re.fullmatch(way.said, told.err.strip()), told
    assert leases == 0
    assert_whole(case, root)


def assert_whole(case: Case, root: Path) -> None:
    """Every table is as after a poll that nobody disturbed."""
    found = whole_store(root)
    for name in case.ended:
        assert found[name] == case.ended[name], name


@pytest.mark.parametrize("way", [WATCH, TERMINATED, INTERRUPTED], ids=["watch", "poll", "ctrl-c"])
def test_a_document_that_hangs_in_its_parser_delays_no_end(case: Case, doom: Doomed, tmp_path: Path, way: Way) -> None:
    """Its child is ended soon, the feeds before it are saved, and it is no poison: the next poll reads it."""
    root = Path(shutil.copytree(case.begun, tmp_path / "desk"))
    job = Job(arguments=command(root, way.command), now=NOW.isoformat(), zero_lease=False)
    shown = case.site.pages["/c"]
    case.site.pages["/c"] = Answer(body=b"<rss>" + HANG)
    try:
        told = doom.run(replace(job, point="poll.fetched", signal=way.signal))
    finally:
        case.site.pages["/c"] = shown
    left, leases = dump(root), under_lease(root)
    with Workspace(root=root).open() as app:
        states = app.store.states()

    rest = doom.run(replace(job, arguments=command(root, "poll")))

    assert (told.code, rest.code) == (way.code, 0), (told, rest)
    assert re.fullmatch(way.said, told.err.strip()), told
    assert (left["poison"], leases) == ([], 0)
    tried = {name: state.last_try is not None for name, state in states.items()}
    assert tried == {name: name in "ab" for name in NAMES}
    assert {row[1] for row in left["articles"]} == {row[1] for row in case.ended["articles"] if row[2] == "a"}
    assert_whole(case, root)


def test_a_server_that_keeps_us_waiting_delays_no_end(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """With a deadline of an hour and a server that says nothing: what came before is kept, the rest polled next."""
    root = Path(shutil.copytree(case.begun, tmp_path / "desk"))
    job = Job(arguments=command(root, "run"), now=NOW.isoformat(), zero_lease=False)
    hold, shown = threading.Event(), case.site.pages["/d"]
    assert isinstance(shown, Answer)
    case.site.pages["/d"] = replace(shown, hold=hold)
    try:
        told = doom.run(replace(job, point="poll.saved", signal=signal.SIGTERM))
    finally:
        hold.set()
        case.site.pages["/d"] = shown
    kept = {row[1] for row in dump(root)["articles"]}

    rest = doom.run(replace(job, arguments=command(root, "poll", "--json")))

    assert told.code == 0, told
    assert 0 < len(kept) < len(case.ended["articles"])
    assert '"feeds": 5' in rest.out
    assert_whole(case, root)


def polled_until_told(app: App, seconds: float, monkeypatch: pytest.MonkeyPatch) -> poll.Report:
    """A poll that is told to end as soon as the first body was read, and may go on for so long."""
    monkeypatch.setattr(course, "ENDING", seconds)
    stop = threading.Event()

    def read(jobs: Sequence[tuple[object, ...]]) -> Iterator[Done[Read | Failed] | Killed]:
        for outcome in polling.read(jobs):
            stop.set()
            yield outcome

    polling = app.polling
    return replace(polling, read=read).poll(stop=stop)


def test_what_is_in_hand_is_saved_and_no_more_is_asked(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group that is being read is written; feeds that have not answered by then stay due."""
    monkeypatch.setattr(poll, "GROUP", 2)
    monkeypatch.setattr(poll, "PAUSE", 60)
    hold = threading.Event()
    desk.feeds({name: f"{site.base}/{name}" for name in "abcd"})
    for name in "abcd":
        site.show(f"/{name}", entries(1, name=name))
    for path in ("/c", "/d"):
        site.pages[path] = Answer(body=rss(entries(1, name=path[1:])), hold=hold)
    with desk.open() as app:
        report = polled_until_told(app, 3600, monkeypatch)
        states = app.store.states()
        hold.set()
        again = app.polling.poll()
    assert (report.feeds, report.fetched, report.articles) == (4, 2, 2)
    assert sorted(s.last_ok is not None for s in states.values()) == [False, False, True, True]
    assert {s.lease_owner for s in states.values()} == {""}
    assert (again.feeds, again.articles) == (2, 2)


def test_what_takes_too_long_is_dropped(desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its seconds are over, bodies that wait for the parser or the matcher are left to the next poll."""
    desk.feeds({name: f"{site.base}/{name}" for name in "abc"})
    for name in "abc":
        site.show(f"/{name}", entries(1, name=name), ETag='"1"')
    with desk.open() as app:
        report = polled_until_told(app, 0, monkeypatch)
        states = app.store.states()
        again = app.polling.poll()
    assert (report.feeds, report.fetched, report.articles) == (3, 0, 0)
    assert {(s.last_try, s.etag, s.lease_owner) for s in states.values()} == {(None, "", "")}
    assert (again.feeds, again.articles) == (3, 3)


def test_a_page_whose_child_was_ended_is_read_by_the_next_poll(desk: Workspace, site: Site) -> None:
    """Its article is not stored with the feed's own text, which would stay: a page is asked for once."""
    desk.write("watchlists/feeds.yaml", f'feeds:\n  - {{id: a, url: "{site.base}/a", lang: en, fulltext: yes}}\n')
    site.show("/a", [replace(entries(1)[0], link=f"{site.base}/page")])
    text = "<p>The harvest near the old bridge is told of with many other words.</p>" * 9
    site.pages["/page"] = Answer(body=f"<article>{text}</article>".encode(), content_type="text/html")
    stop = threading.Event()
    with desk.open() as app:
        polling, pages = app.polling, app.polling.pages
        assert pages is not None

        def read(jobs: Sequence[tuple[object, ...]]) -> Iterator[Done[Article | None] | Killed]:
            stop.set()
            return iter([Killed(cause="ended", reason="was ended with the program")] * len(jobs))

        report = replace(polling, pages=replace(pages, read=read)).poll(stop=stop)
        assert app.store.counts().articles == 0
        app.polling.poll()
        (found,) = app.search.find("harvest")
    assert (report.feeds, report.fetched) == (1, 0)
    assert found.stored.article.text.startswith("The harvest near the old bridge")


def test_a_poll_told_to_end_before_it_begins_asks_nobody(desk: Workspace, site: Site) -> None:
    """No request, no lease, and the feed is due."""
    stop = threading.Event()
    stop.set()
    site.show("/a", entries(1))
    with desk.open() as app:
        assert app.polling.poll(stop=stop).articles == 0
        assert site.asked["/a"] == 0
        assert app.polling.poll().articles == 1


def test_the_sign_of_life_comes_from_what_is_done(desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll of an hour in which feeds answer is alive; from the last thing that is done on it is not."""
    monkeypatch.setattr(poll, "HEARTBEAT", 0.01)
    monkeypatch.setattr(course, "SIGN", 0)
    holds = {name: threading.Event() for name in "bcd"}
    desk.feeds({name: f"{site.base}/{name}" for name in "abcd"})
    for name in "abcd":
        site.show(f"/{name}", entries(1, name=name))
    for name, hold in holds.items():
        site.pages[f"/{name}"] = Answer(body=rss(entries(1, name=name)), hold=hold)
    done: list[int] = []
    with desk.open() as app:

        def sign() -> None:
            app.store.set_meta({"alive": desk.clock().isoformat()})

        def alive() -> bool:
            return examine(app.store, app.editorial, app.channel, desk.clock, quick=True)[0].ok

        def renewed() -> bool:
            ends = app.store.states()["d"].lease_until
            return ends is not None and (ends - desk.clock()).total_seconds() == poll.LEASE

        sign()
        working = threading.Thread(
            target=app.polling.poll, kwargs={"alive": sign, "progress": lambda n, _: done.append(n)}
        )
        working.start()
        try:
            for number, name in enumerate("abc", 1):
                if name in holds:
                    desk.clock.move(minutes=16)
                    assert until(lambda: not alive())
                    holds[name].set()
                assert until(lambda: alive() and done[-1:] == [number])  # noqa: B023 - called at once
            desk.clock.move(minutes=10)
            assert until(renewed)  # whatever was still to be told is told
            desk.clock.move(minutes=16)
            assert until(renewed)
            assert not alive()
        finally:
            for hold in holds.values():
                hold.set()
            working.join(20)
    assert done[-1] == 4


def test_signs_are_as_rare_as_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in SIGN seconds however much is done, none when nothing is; one that fails is made up for."""
    now, given, refusals = [0.0], [], iter([TemporaryError("locked")])
    monkeypatch.setattr(course, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def sign() -> None:
        for refusal in refusals:
            raise refusal
        given.append(now[0])

    made = Course(alive=sign)
    for second in range(400):
        now[0] = float(second)
        if second < 130:
            made.step()
        with suppress(TemporaryError):
            made.sign()

    assert given == [61.0, 121.0, 181.0]
