"""Crashes, full disks, locks and clocks: after a restart the store equals the one of a run that nobody disturbed."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from doomed import CRASH, Doomed, Dump, Ended, Job, dump
from fakes import NOW, Answer, Entry, Relay, Site, Workspace, entries, until

from monitor import faults
from monitor.faults import POINTS
from monitor.model import Message, SendResult

PROJECT = Path(__file__).parents[1]
LATER = NOW + timedelta(hours=7)
"""By then every feed is due again: the longest rhythm is 6 hours."""

IN_CHILDREN = ("read.parsed", "read.extracted")
LONG_WORK = ("poll.renewed",)
POLLED = tuple(name for name in POINTS if name.split(".")[0] in {"poll", "store"} and name not in LONG_WORK)
MAILED = {
    "file": ("mail.composed", "mail.digest", "mail.queued", "mail.frozen", "mail.sending", "mail.carried", "mail.moved",
             "file.drafted", "file.committed", "file.named"),
    "smtp": ("smtp.body", "smtp.committed", "smtp.dotted", "smtp.answered", "mail.carried", "mail.moved"),
}  # fmt: skip
IN_DOUBT = {"file.committed", "file.named", "smtp.committed", "smtp.dotted", "smtp.answered", "mail.carried"}
"""A mail that was being handed over: whether it arrived, the journal cannot know."""

HOST = "mail: {host: desk.example.org}\n"
"""The right side of Message-IDs, as the relay of the tests has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A workspace polled once, the site as it has changed since then, and what an undisturbed second poll makes."""

    site: Site
    begun: Path
    ended: Dump
    reached: Counter[str]
    """How often the second poll passes each place."""
    polled: Path
    """The workspace after it."""


@pytest.fixture(scope="module")
def case(doom: Doomed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Eleven feeds: new, edited, unchanged, moved, failing, flooding, copying, crashing, and with new GUIDs."""
    root = tmp_path_factory.mktemp("case")
    with Site() as site:
        desk = Workspace(root=root / "begun", ports=(site.port,), connections=1)
        desk.lay_out()
        desk.feeds({name: f"{site.base}/{name}" for name in "abcdefghij"})
        first(site)
        assert doom.run(Job(arguments=poll(desk.root), now=NOW.isoformat())).code == 0
        desk.feeds({name: f"{site.base}/{name}" for name in "abcdefghijk"})
        second(site)
        polled = Path(shutil.copytree(desk.root, root / "polled"))
        record = root / "record"
        run = doom.run(Job(arguments=poll(polled), now=LATER.isoformat(), record=str(record)))
        assert run.code == 0, run
        reached = Counter(record.read_text().split())
        reached.update(name for name in IN_CHILDREN if Path(f"{record}.{name}").exists())
        yield Case(site=site, begun=desk.root, ended=dump(polled), reached=reached, polled=polled)


def first(site: Site) -> None:
    """What the feeds show at the first poll."""
    for name in "abcdefgij":
        site.show(f"/{name}", entries(1, 2, name=name.upper()), ETag=f'"{name}1"')
    site.pages["/h"] = Answer(body=b"<html>no feed</html>", content_type="text/html")


def second(site: Site) -> None:
    """What they show seven hours later."""
    fresh = [replace(e, when=LATER - timedelta(minutes=5)) for e in entries(3, 4, name="A")]
    site.show(
        "/a", [*fresh, replace(entries(1, name="A")[0], title="Drones attacked Ain al-Asad"), *entries(2, name="A")]
    )
    site.show("/c", [replace(e, guid=f"new-{e.guid}") for e in entries(1, 2, name="C")])
    site.pages["/d"] = Answer(status=500)
    site.show("/moved", entries(1, 2, 5, name="E"))
    site.pages["/e"] = Answer(status=301, headers={"Location": "/moved"})
    site.show(
        "/f",
        [
            *entries(1, 2, name="F"),
            *(replace(e, when=NOW - timedelta(days=30)) for e in entries(*range(5, 36), name="F")),
        ],
    )
    site.show(
        "/g", [*entries(1, 2, name="G"), *(replace(e, guid="copy", link="http://g.example/copy") for e in fresh[:1])]
    )
    site.show(
        "/h",
        [
            Entry(title="PKK", guid="1", text="PKK " * 40, when=LATER),
            Entry(title="No date at all", guid="2", when=None),
        ],
    )
    site.pages["/i"] = Answer(body=b"<rss>" + CRASH)
    site.show("/k", entries(1, 2, 3, 4, 5, 6, name="K"))


def poll(root: Path) -> list[str]:
    """The command that polls what is due."""
    return ["--config", str(root / "monitor.yaml"), "poll"]


def same(root: Path, wanted: Dump) -> bool:
    """Whether the store is sound and holds what is wanted, row by row; says the first table that does not."""
    with Workspace(root=root).open() as app:
        assert app.store.check() == []
    found = dump(root)
    for name in wanted.keys() | found.keys():
        assert found.get(name) == wanted.get(name), name
    return True


TIMELESS = {
    "articles": "SELECT id, feed, url, title, lead, lang, published, published_raw, guid, authors, signature, revision,"
    " standing, source, story, matched_rev, text FROM articles",
    "revisions": "SELECT id, r.revision, r.title, r.text FROM revisions r JOIN articles USING (n)",
    "mentions": "SELECT id, m.entity, m.spans FROM mentions m JOIN articles USING (n)",
    "hits": "SELECT hit, article, revision, watchlist, rule, entity, rev, level, lookback, withdrawn, evidence"
    " FROM hits",
    "feeds": "SELECT id, url, wanted, etag, last_modified, body_hash, error_kind, last_error, moved_to, identity,"
    " lease_until, lease_owner FROM feeds",
    "poison": "SELECT feed, body, reason FROM poison",
}


def timeless(root: Path) -> Dump:
    """What does not depend on when it was polled, for runs that a fault delays."""
    with closing(sqlite3.connect(root / "data" / "monitor.db")) as db:
        return {name: sorted(db.execute(sql), key=repr) for name, sql in TIMELESS.items()}


def copy(case: Case, tmp_path: Path) -> Path:
    """The workspace before its second poll."""
    return Path(shutil.copytree(case.begun, tmp_path / "desk"))


def ends(point: str, case: Case) -> list[int]:
    """The first and the last time that a place is passed."""
    return sorted({1, case.reached[point]})


def test_every_place_is_named_once_and_known() -> None:
    """The list of places is that of the program, and there are at least fifteen along a poll."""
    used = Counter(
        name
        for path in (PROJECT / "monitor").rglob("*.py")
        for name in re.findall(r'faults\.point\("([^"]+)"\)', path.read_text("utf-8"))
    )

    assert used == dict.fromkeys(POINTS, 1)
    assert len(POLLED) + len(IN_CHILDREN) >= 15
    assert {*POLLED, *IN_CHILDREN, *LONG_WORK, *MAILED["file"], *MAILED["smtp"]} == set(POINTS)


def test_nothing_happens_at_a_place_that_nobody_asked_for() -> None:
    """The program itself goes past: no switch of the environment or of a file is read."""
    for name in POINTS:
        faults.point(name)
    assert faults.point is faults._pass
    assert "environ" not in Path(faults.__file__ or "").read_text("utf-8")


def test_the_undisturbed_run_is_always_the_same(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """Two runs of the same poll end in the same rows: else the comparisons below would prove nothing."""
    root = copy(case, tmp_path)

    assert doom.run(Job(arguments=poll(root), now=LATER.isoformat())).code == 0
    assert same(root, case.ended)
    standings = Counter(row[case_column(root, "articles", "standing")] for row in case.ended["articles"])
    assert set(standings) == {"news", "held"}
    assert case.ended["revisions"]
    assert [row[0] for row in case.ended["poison"]] == ["i"]


def case_column(root: Path, table: str, column: str) -> int:
    """Which column of a table has this name."""
    with closing(sqlite3.connect(root / "data" / "monitor.db")) as db:
        return [row[1] for row in db.execute(f"PRAGMA table_info({table})")].index(column)


@pytest.mark.parametrize("point", POLLED)
def test_a_poll_killed_anywhere_loses_and_doubles_nothing(case: Case, doom: Doomed, tmp_path: Path, point: str) -> None:
    """Killed where a place is passed first and last, then run again: every table equals that of the undisturbed run."""
    assert case.reached[point], "the poll does not come past here"
    for nth in ends(point, case):
        root = copy(case, tmp_path / str(nth))

        assert doom.run(Job(arguments=poll(root), now=LATER.isoformat(), point=point, nth=nth)).code == -9
        assert doom.run(Job(arguments=poll(root), now=LATER.isoformat())).code in {0, 4}
        assert same(root, case.ended)


@pytest.mark.parametrize("point", IN_CHILDREN)
def test_a_child_killed_at_its_work_is_replaced_at_once(case: Case, doom: Doomed, tmp_path: Path, point: str) -> None:
    """A parsing child that somebody kills costs nothing: the same poll ends as if nothing had been."""
    root, once = copy(case, tmp_path), tmp_path / "once"
    assert case.reached[point]

    assert doom.run(Job(arguments=poll(root), now=LATER.isoformat(), point=point, once=str(once))).code == 0
    assert once.exists()
    assert same(root, case.ended)


def letters(case: Case, tmp_path: Path, mail: str, begun: Path | None = None) -> Workspace:
    """The polled workspace (or `begun`) with a desk of two readers."""
    root = Path(shutil.copytree(begun or case.polled, tmp_path / "desk"))
    desk = Workspace(root=root, ports=(case.site.port,))
    desk.clock.now = LATER
    desk.write("monitor.yaml", desk.config.read_text() + mail)
    desk.write(
        "watchlists/desks.yaml",
        "desks:\n  - {id: iraq, title: Iraq, to: [a@example.org, b@example.org], zone: UTC, at: ['07:00']}\n",
    )
    return desk


def send(desk: Workspace) -> list[str]:
    """The command that makes today's digest and mails it."""
    return ["--config", str(desk.config), "digest", "send"]


def told(desk: Workspace) -> Dump:
    """What the desk was told, and its mails as they are frozen; without when, for a crash delays."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        return {
            "digests": db.execute("SELECT key, desk, day, slot, stories FROM digests ORDER BY key").fetchall(),
            "told": db.execute("SELECT desk, k, digest FROM told ORDER BY k").fetchall(),
            "outbox": db.execute("SELECT digest, recipient, message_id, subject FROM outbox ORDER BY 2").fetchall(),
        }


@pytest.fixture(scope="module")
def calm(case: Case, doom: Doomed, tmp_path_factory: pytest.TempPathFactory) -> Dump:
    """What an undisturbed `digest send` leaves; the channel makes no difference."""
    desk = letters(case, tmp_path_factory.mktemp("calm"), HOST)
    assert doom.run(Job(arguments=send(desk), now=LATER.isoformat())).code == 0
    return told(desk)


@pytest.mark.parametrize(("channel", "point"), [(c, p) for c, points in MAILED.items() for p in points])
def test_a_mail_killed_anywhere_is_never_doubled(
    case: Case, doom: Doomed, calm: Dump, tmp_path: Path, channel: str, point: str
) -> None:
    """`digest send` killed at the first and at the last mail, then the watch: one mail each, or one in doubt."""
    for nth in (1, 2):
        with Relay() as relay:
            desk = letters(case, tmp_path / f"{nth}", relay.settings if channel == "smtp" else HOST)
            ended = doom.run(Job(arguments=send(desk), now=LATER.isoformat(), point=point, nth=nth))
            if nth == 2 and ended.code == 0:
                return  # a place that a digest passes once
            assert ended.code == -9, ended
            resume(desk)
            arrived = [to for to, _ in relay.got] if channel == "smtp" else [m["To"] for m in desk.mails().values()]
            assert told(desk) == calm
            check_journal(desk, Counter(arrived), doubtful=point in IN_DOUBT)


def resume(desk: Workspace) -> None:
    """The watch at work again for an hour, longer than any try may take."""
    for minutes in (1, 20, 40):
        desk.clock.now = LATER + timedelta(minutes=minutes)
        with desk.open() as app:
            app.post.tick()


def check_journal(desk: Workspace, arrived: Counter[str], *, doubtful: bool) -> None:
    """Nobody got two; who got none has a mail in doubt, which the next digest and the outbox show."""
    with desk.open() as app:
        states = {d.to: d.state for d in app.store.outbox()}
        assert set(states) == {"a@example.org", "b@example.org"}
        assert all(arrived[to] <= 1 for to in states)
        assert all(arrived[to] == 1 for to, state in states.items() if state == "sent")
        unknown = [to for to, state in states.items() if state == "unknown"]
        assert len(unknown) == int(doubtful)
        assert set(states.values()) <= {"sent", "unknown"}
        desk.clock.now = LATER + timedelta(days=1)
        (key, *_) = app.post.make_due()
        (message, *_) = app.store.frozen(key)
    for to in unknown:
        assert "Delivery not confirmed" in message.text
        assert to in message.text


def disturbed(doom: Doomed, job: Job, root: Path, *, code: int, said: str) -> Ended:
    """A run that ends in one sentence, with this exit code."""
    ended = doom.run(job)
    assert ended.code == code, ended
    assert ended.err.count("\n") == 1, ended
    assert re.search(said, ended.err), ended
    assert "Traceback" not in ended.err
    assert (root / "data" / "monitor.db").exists()
    return ended


@pytest.mark.parametrize("limit", [{"pages": -1}, {"file_size": -1}])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    case: Case, doom: Doomed, tmp_path: Path, limit: dict[str, int]
) -> None:
    """No room for more: exit code 4 and what to do; with room again the store equals the undisturbed run."""
    root = copy(case, tmp_path)
    with closing(sqlite3.connect(root / "data" / "monitor.db")) as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
    job = Job(arguments=poll(root), now=LATER.isoformat())
    full = replace(job, pages=pages + 1) if "pages" in limit else replace(job, file_size=1 << 16)

    disturbed(doom, full, root, code=4, said=r"disk (is full|refused).*try again")

    assert doom.run(job).code in {0, 4}
    assert same(root, case.ended)


def test_a_locked_database_is_one_sentence_and_loses_nothing(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """Another program holds the file: exit code 4; when it lets go the store equals the undisturbed run."""
    root = copy(case, tmp_path)
    job = Job(arguments=poll(root), now=LATER.isoformat())
    with closing(sqlite3.connect(root / "data" / "monitor.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        disturbed(doom, replace(job, busy=0.1), root, code=4, said="another program kept it locked.*try again later")
        other.execute("ROLLBACK")

    assert doom.run(job).code == 0
    assert same(root, case.ended)


def test_a_damaged_database_is_one_sentence_and_is_not_replaced(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """Pages overwritten: exit code 1 and the way out; a poll after `restore` equals the undisturbed run."""
    root, kept = copy(case, tmp_path), tmp_path / "kept.db"
    database = root / "data" / "monitor.db"
    with Workspace(root=root).open() as app:
        app.store.backup(kept)
    raw = bytearray(database.read_bytes())
    for page in range(1, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    database.write_bytes(raw)
    job = Job(arguments=poll(root), now=LATER.isoformat())

    disturbed(doom, job, root, code=1, said="the database is damaged.*monitor restore")
    assert database.read_bytes()[4096:4160] == b"\xee" * 64

    for file in database.parent.glob("monitor.db*"):
        file.rename(tmp_path / f"damaged-{file.name}")
    assert doom.run(replace(job, arguments=[*poll(root)[:2], "restore", str(kept)])).code == 0
    assert doom.run(job).code == 0
    assert same(root, case.ended)


def test_a_lease_of_a_poll_that_was_killed_runs_out(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """Feeds that a dead process had claimed are left alone for ten minutes, then polled; nothing is lost."""
    root = copy(case, tmp_path)
    job = Job(arguments=[*poll(root), "--json"], now=LATER.isoformat(), zero_lease=False)
    assert doom.run(replace(job, point="poll.claimed")).code == -9

    early = doom.run(replace(job, now=(LATER + timedelta(minutes=9)).isoformat()))
    late = doom.run(replace(job, now=(LATER + timedelta(minutes=11)).isoformat()))

    assert '"feeds": 0' in early.out
    assert '"feeds": 11' in late.out
    assert timeless(root) == timeless(case.polled)


def test_a_lease_that_was_renewed_runs_out_after_a_kill(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """Killed when it had worked for nine minutes: its feeds are left alone for ten more, then nothing is lost."""
    root = copy(case, tmp_path)
    job = Job(arguments=[*poll(root), "--json"], now=LATER.isoformat(), zero_lease=False)
    assert doom.run(replace(job, worked=540, point="poll.renewed")).code == -9

    early = doom.run(replace(job, now=(LATER + timedelta(minutes=18, seconds=59)).isoformat()))
    late = doom.run(replace(job, now=(LATER + timedelta(minutes=19)).isoformat()))

    assert '"feeds": 0' in early.out
    assert '"feeds": 11' in late.out
    assert timeless(root) == timeless(case.polled)


def test_two_polls_at_once_are_as_one(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """A second process that polls the store while the first is at work finds nothing to do; every table is as ever."""
    root, hold, shown = copy(case, tmp_path), threading.Event(), case.site.pages["/a"]
    assert isinstance(shown, Answer)
    job = Job(arguments=[*poll(root), "--json"], now=LATER.isoformat(), zero_lease=False)
    before = case.site.asked.copy()
    case.site.pages["/a"] = replace(shown, hold=hold)
    try:
        with Doomed() as other, ThreadPoolExecutor(1) as hand:
            first = hand.submit(doom.run, job)
            assert until(lambda: case.site.asked["/a"] > before["/a"])
            beside = other.run(job)
            assert not first.done()
            hold.set()
            alone = first.result()
    finally:
        hold.set()
        case.site.pages["/a"] = shown

    assert (alone.code, beside.code) == (0, 0)
    assert '"feeds": 11' in alone.out
    assert '"feeds": 0' in beside.out
    assert set((case.site.asked - before).values()) == {1}
    assert same(root, case.ended)


def test_a_clock_of_1970_is_one_sentence_and_loses_nothing(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """With the clock of a machine that has lost its time nothing is polled or mailed; then all is as ever."""
    root = copy(case, tmp_path)
    job = Job(arguments=poll(root), now=LATER.isoformat())
    lost = replace(job, now="1970-01-01T00:00:30+00:00")
    said = "The clock of this machine says 1970-01-01 00:00 UTC, .* set it"

    disturbed(doom, lost, root, code=4, said=said)
    disturbed(doom, replace(lost, arguments=[*poll(root)[:2], "digest", "send"]), root, code=4, said=said)
    ill = doom.run(replace(lost, arguments=[*poll(root)[:2], "doctor", "--quick"]))

    assert ill.code == 1
    assert "ILL  clock" in ill.out
    assert doom.run(job).code == 0
    assert same(root, case.ended)


def test_a_clock_that_went_back_mails_nothing_and_loses_nothing(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """By yesterday's clock feeds are polled and no digest is made; by the right one it tells all that was found."""
    desk = letters(case, tmp_path, "", case.begun)
    back = Job(arguments=poll(desk.root), now=(NOW - timedelta(days=1)).isoformat())

    assert doom.run(replace(back, arguments=[*back.arguments, "--all"])).code == 0
    assert doom.run(Job(arguments=poll(desk.root), now=LATER.isoformat())).code == 0
    disturbed(doom, replace(back, arguments=send(desk)), desk.root, code=4, said="says .* set the clock")
    assert doom.run(Job(arguments=send(desk), now=LATER.isoformat())).code == 0

    assert timeless(desk.root) == timeless(case.polled)
    assert len(desk.mails()) == 2


def test_no_article_is_seen_before_a_desk_began(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """By a clock of before a desk's first day nothing is polled: what it found would be mailed to nobody."""
    desk = letters(case, tmp_path, "")
    assert doom.run(Job(arguments=send(desk), now=LATER.isoformat())).code == 0

    early = Job(arguments=poll(desk.root), now=(LATER - timedelta(days=40)).isoformat())
    disturbed(doom, early, desk.root, code=4, said="says .* set the clock")


def test_a_clock_that_was_ahead_holds_nothing_up(case: Case, doom: Doomed, tmp_path: Path) -> None:
    """After a day by tomorrow's clock every feed is polled again at once; mail goes on when a person says so."""
    desk = letters(case, tmp_path, "", case.begun)
    ahead = Job(arguments=poll(desk.root), now=(LATER + timedelta(days=2)).isoformat())
    assert doom.run(Job(arguments=send(desk), now=LATER.isoformat())).code == 0
    assert doom.run(ahead).code == 0
    assert doom.run(replace(ahead, arguments=send(desk))).code == 0
    back = replace(ahead, now=(LATER + timedelta(days=1)).isoformat())

    again = doom.run(replace(back, arguments=[*poll(desk.root), "--json"]))
    disturbed(doom, replace(back, arguments=send(desk)), desk.root, code=4, said="doctor --clock-is-right")
    doom.run(replace(back, arguments=[*poll(desk.root)[:2], "doctor", "--clock-is-right"]))
    sent = doom.run(replace(back, arguments=send(desk)))

    assert '"feeds": 11' in again.out
    assert '"articles": 0' in again.out
    assert sent.code == 0, sent
    assert Counter(m["To"] for m in desk.mails().values()) == {"a@example.org": 3, "b@example.org": 3}


def test_a_jump_ahead_brings_one_digest_and_no_storm(case: Case, tmp_path: Path) -> None:
    """A clock that jumps three days makes one digest, and back in time none is doubled."""
    desk = letters(case, tmp_path, "")
    with desk.open() as app:
        app.post.tick()
        desk.clock.move(days=3)
        app.post.tick()
        app.post.tick()
        assert len(app.store.digests()) == 2
    assert Counter(m["To"] for m in desk.mails().values()) == {"a@example.org": 2, "b@example.org": 2}


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A channel that lets somebody else go first."""

    send: Callable[[Message, Callable[[], None]], SendResult]


def test_two_monitors_without_their_lock_mail_once(case: Case, tmp_path: Path) -> None:
    """Even when the lock file is gone, one of two watches makes the digest and nobody gets two mails."""
    desk = letters(case, tmp_path, "")
    with desk.open() as one, desk.open() as other:
        held = one.post.channel.send

        def late(message: Message, committing: Callable[[], None]) -> SendResult:
            def overtaken() -> None:
                other.post.tick()
                committing()

            return held(message, overtaken)

        made = one.post.make_due()
        channel = Overtaken(late)
        replace(one.post, channel=channel).deliver()
        other.post.tick()
        assert len(made) == 1
        assert {d.state for d in one.store.outbox()} == {"sent"}
    assert Counter(m["To"] for m in desk.mails().values()) == {"a@example.org": 1, "b@example.org": 1}
