"""The operator's mail: at most one a day, only when something needs a person, through the same journal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from fakes import NOW, WATCHLIST, Answer, Pigeon, Site, Workspace, entries, html_of, parsed, text_of

from monitor.app import App
from monitor.deliver import to_mime
from monitor.model import Batch, DigestKey, FeedState, Message, SendResult
from monitor.service.mail import Post
from monitor.service.notice import LOW, Notice

TO = "admin@example.org"
WELL = "desks:\n  - {id: iraq, title: Iraq desk, to: [reader@example.org], zone: UTC, at: ['23:59']}\n"
PAGE = Answer(body=b"<!DOCTYPE html><html><body><p>Welcome</p></body></html>", content_type="text/html")


@dataclass(slots=True)
class Disk:
    """A disk with so many free bytes."""

    free: int = 10 * LOW

    def __call__(self) -> int:
        """What is free."""
        return self.free


@dataclass(slots=True)
class Room:
    """A workspace whose mail room has an operator, and the mails that he was sent."""

    app: App
    post: Post
    pigeon: Pigeon
    disk: Disk = field(default_factory=Disk)

    def mails(self) -> list[Message]:
        """What the operator was sent so far, after one more look."""
        self.post.tick()
        return [m for m in self.pigeon.carried if m.to == TO]


@contextmanager
def room(desk: Workspace, pigeon: Pigeon | None = None) -> Iterator[Room]:
    """The mail room as it is after a start."""
    desk.write("watchlists/desks.yaml", WELL)
    carried = pigeon or Pigeon()
    with desk.open() as app:
        disk = Disk()
        notice = Notice(
            store=app.store, editorial=app.editorial, clock=app.clock, free=disk, to=TO,
            sender="Monitor <monitor@example.org>", host="example.org",
        )  # fmt: skip
        yield Room(app, replace(app.post, channel=carried, notice=notice), carried, disk)


def told(mail: Message) -> str:
    """The plain text in one line, as a mail program shows it."""
    return text_of(parsed(to_mime(mail)))


def poll(desk: Workspace, app: App, *, days: float = 0) -> None:
    """Poll everything, some days later."""
    desk.clock.move(days=days)
    app.polling.poll(every=True)


def test_nothing_is_mailed_when_all_is_well(desk: Workspace, site: Site) -> None:
    """A watch in order is silent towards the operator, for days; a feed that fails for an hour is no news."""
    site.show("/a", entries(1))
    with room(desk) as here:
        for _ in range(3):
            poll(desk, here.app, days=1)
            assert here.mails() == []
        site.pages["/a"] = Answer(status=500)
        poll(desk, here.app)
        desk.clock.move(hours=1)
        assert here.mails() == []


def test_one_mail_a_day_while_something_needs_a_person(desk: Workspace, site: Site) -> None:
    """However often it is looked, by this program or the next: once on each local date, with the same line."""
    site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
    site.show("/new", entries(1))
    pigeon = Pigeon()
    with room(desk, pigeon) as here:
        poll(desk, here.app)
        for _ in range(4):
            (mail,) = here.mails()
            desk.clock.move(minutes=7)
    with room(desk, pigeon) as here:
        assert here.mails() == [mail]
        assert mail.key == "_operator/2026-11-21/health"
        assert mail.subject.startswith("[Monitor] 1 thing needs you")
        assert "edit line 2 of feeds.yaml" in told(mail)
        assert here.app.store.outbox()[-1].state == "sent"
        desk.clock.move(days=1)
        poll(desk, here.app)
        assert [m.key for m in here.mails()] == ["_operator/2026-11-21/health", "_operator/2026-11-22/health"]


def test_nobody_is_woken(desk: Workspace, site: Site) -> None:
    """Before six in the morning, where the first desk is, the mail waits."""
    site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
    site.show("/new", entries(1))
    desk.clock.now = NOW.replace(hour=5, minute=30)
    with room(desk) as here:
        poll(desk, here.app)
        assert here.mails() == []
        desk.clock.move(minutes=31)
        assert len(here.mails()) == 1


@pytest.mark.parametrize(
    ("page", "days", "word"),
    [
        (PAGE, 1, "not a feed"),
        (Answer(status=410), 1, "gone"),
        (Answer(status=500), 3, "failing"),
        (Answer(status=503), 3, "paused"),
        (Answer(body=b""), 3, "empty"),
    ],
)
def test_a_feed_that_waiting_does_not_mend(desk: Workspace, site: Site, page: Answer, days: int, word: str) -> None:
    """HTML or 410 for a day, a failure for three: told with the word of `monitor feeds`, and not a day earlier."""
    site.pages["/a"] = page
    with room(desk) as here:
        poll(desk, here.app)
        desk.clock.move(days=days, minutes=-30)
        assert here.mails() == []
        desk.clock.move(hours=1)
        (mail,) = here.mails()
    assert f"a: {word} since 21 Nov 09:00 UTC" in told(mail)


def test_a_poison_feed_is_told_at_once(desk: Workspace, site: Site) -> None:
    """What broke the parser once does so again."""
    site.show("/a", entries(1))
    with room(desk) as here:
        poll(desk, here.app)
        here.app.store.save([Batch(state=FeedState(
            feed="a", failures=1, failing_since=NOW, error_kind="poison", last_error="took more than 30 s"
        ))])  # fmt: skip
        (mail,) = here.mails()
    assert "poison since 21 Nov 09:00 UTC: took more than 30 s" in told(mail)


def test_a_held_flood_is_told_with_the_way_out(desk: Workspace, site: Site) -> None:
    """The line holds how many articles wait and the command that lets them go; then it is gone."""
    site.show("/a", entries(1))
    with room(desk) as here:
        poll(desk, here.app)
        old = [replace(e, when=NOW - timedelta(days=30 + n)) for n, e in enumerate(entries(*range(10, 40)))]
        site.show("/a", old)
        poll(desk, here.app)
        (mail,) = here.mails()
        assert "30 articles" in told(mail)
        assert "`monitor feeds release a`" in told(mail)
        here.app.store.release_held("a")
        desk.clock.move(days=1)
        assert here.mails() == [mail]


def test_a_broken_watchlist_is_told_with_its_place(desk: Workspace, site: Site) -> None:
    """file:line:column, as `monitor check` has it; mails of desks go on."""
    site.show("/a", entries(1))
    with room(desk) as here:
        poll(desk, here.app)
        here.mails()
        desk.write("watchlists/bases.yaml", WATCHLIST.replace("kind: base\n", "kindd: base\n"))
        desk.clock.move(hours=1)
        (mail,) = here.mails()
    assert "- watchlists/bases.yaml:6:5: not in force: " in told(mail)


def test_stuck_mails_are_told_but_not_those_to_the_operator(desk: Workspace, site: Site) -> None:
    """A doubtful delivery to a reader is his affair; a doubt about his own mail neither nags him nor the desks."""
    site.show("/a", entries(1))
    doubt = SendResult(ok=False, unconfirmed=True, error="no answer came")
    with room(desk, Pigeon(answers=[doubt, doubt])) as here:
        poll(desk, here.app)
        desk.clock.now = NOW.replace(hour=23, minute=59)
        here.post.tick()
        assert {d.to: d.state for d in here.app.store.outbox()} == {"reader@example.org": "unknown", TO: "unknown"}
        here.app.store.move("iraq/2026-11-21/23:59", "reader@example.org", frm=["unknown"], state="dropped", now=NOW)
        desk.clock.now = NOW + timedelta(days=1)
        assert [m.key for m in here.mails()] == ["_operator/2026-11-21/health"]
        (iraq,) = here.app.editorial.current().desks
        digest = here.post.digest(iraq, DigestKey(desk="iraq", day=desk.clock.now.date(), slot="23:59"))
        assert digest.coverage.warnings == ()


def test_a_disk_that_is_nearly_full_is_told(desk: Workspace, site: Site) -> None:
    """While there is still room to write the mail down."""
    site.show("/a", entries(1))
    with room(desk) as here:
        poll(desk, here.app)
        here.disk.free = LOW - 1
        (mail,) = here.mails()
    assert "499 MB are free" in told(mail)


def test_text_of_strangers_is_harmless_in_it(desk: Workspace, site: Site) -> None:
    """Titles of feeds are escaped in the page and cannot make a header."""
    title = "<script>x</script>=?utf-8?q?=0ABcc: a@example.org?="
    site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
    site.show("/new", entries(1))
    desk.write("watchlists/feeds.yaml", f"feeds:\n  - {{id: a, title: '{title}', url: '{site.base}/a'}}\n")
    with room(desk) as here:
        poll(desk, here.app)
        (mail,) = here.mails()
    read = parsed(to_mime(mail))
    assert "<script" not in html_of(read)
    assert "&lt;script&gt;" in html_of(read)
    assert "Bcc" not in read


def test_without_an_address_nobody_is_mailed(desk: Workspace, site: Site) -> None:
    """The key `mail.operator` is empty by default; a workspace that names one mails there, by its own channel."""
    site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
    site.show("/new", entries(1))
    desk.write("watchlists/desks.yaml", WELL)
    with desk.open() as app:
        poll(desk, app)
        assert TO not in {d.to for d in app.post.tick()}
    desk.mail = f"mail: {{operator: {TO}}}"
    desk.write("monitor.yaml", f"{desk.config.read_text()}\n{desk.mail}\n")
    with desk.open() as app:
        assert [d.to for d in app.post.tick()] == [TO]
        assert app.free() <= shutil.disk_usage(desk.root).total
    assert [name for name in desk.mails() if name.startswith("_operator.2026-11-21.health.")] == list(desk.mails())[:1]
