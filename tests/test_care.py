"""`doctor`: each ill thing is found and said with what to do; nothing is mailed."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest
from fakes import WATCHLIST, Answer, Relay, Site, Workspace, entries

from monitor.service.care import Finding, examine


def examined(desk: Workspace, *, quick: bool = False) -> dict[str, Finding]:
    """What is looked at -> the finding, the ill one when there are several."""
    with desk.open() as app:
        found = examine(app.store, app.editorial, app.channel, app.clock, quick=quick)
    return {f.what: f for f in sorted(found, key=lambda f: not f.ok)}


def test_a_new_workspace_is_well(desk: Workspace) -> None:
    """Nothing is ill, and what was not started is said."""
    found = examined(desk)
    assert [f for f in found.values() if not f.ok] == []
    assert "monitor run" in found["watch"].sentence
    assert set(found) == {"watch", "store", "watchlists", "feeds", "mails", "mail folder"}


@pytest.mark.parametrize(("minutes", "well"), [(14, True), (16, False), (-3, True)])
def test_a_watch_that_gives_no_sign_of_life_is_ill(desk: Workspace, minutes: float, *, well: bool) -> None:
    """A quarter of an hour without a tick is told; the quick look sees it as well."""
    with desk.open() as app:
        app.store.set_meta({"alive": desk.clock().isoformat()})
    desk.clock.move(minutes=minutes)
    assert examined(desk, quick=True)["watch"].ok is well
    assert list(examined(desk, quick=True)) == ["watch"]


def test_a_watch_that_was_stopped_is_not_ill(desk: Workspace) -> None:
    """A polite end is no illness."""
    with desk.open() as app:
        app.store.set_meta({"alive": "stopped"})
    assert examined(desk)["watch"].ok


def test_a_broken_watchlist_is_ill(desk: Workspace) -> None:
    """It is named with its place, whether a good revision is in force or not."""
    examined(desk)
    desk.write("watchlists/bases.yaml", WATCHLIST.replace("kind: base\n", "kindd: base\n"))
    assert "watchlists/bases.yaml:6:5" in examined(desk)["watchlists"].sentence
    desk.lay_out()
    with desk.open() as app:
        app.store.keep_revisions([])
    desk.write("watchlists/bases.yaml", "watchlist: [\n")
    assert not examined(desk)["watchlists"].ok


def test_feeds_are_ill_when_none_answers(desk: Workspace, site: Site) -> None:
    """One failing feed is life; all of them failing is an illness of ours."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b"})
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll(every=True)
    assert examined(desk)["feeds"].ok
    site.pages["/a"] = Answer(status=500)
    with desk.open() as app:
        app.polling.poll(every=True)
    assert not examined(desk)["feeds"].ok


def test_a_relay_that_cannot_be_used_is_ill_and_gets_no_mail(desk: Workspace) -> None:
    """The relay is spoken to and not mailed through; one that is away is told with its address."""
    with Relay() as relay:
        desk.mail = relay.settings
        desk.lay_out()
        assert examined(desk)["mail relay"].ok
        assert relay.got == []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    desk.mail = relay.settings.replace(str(relay.port), str(port))
    desk.lay_out()
    ill = examined(desk)["mail relay"]
    assert not ill.ok
    assert str(port) in ill.sentence


def test_stuck_mail_is_ill(desk: Workspace) -> None:
    """A failed or doubtful delivery is counted, with the command that lists them."""
    desk.write("watchlists/desks.yaml", "desks:\n  - {id: d, title: D, to: [a@example.org], at: ['07:00']}\n")
    with desk.open() as app:
        (key,) = app.post.make_due()
        app.store.move(str(key), "a@example.org", frm=["queued"], state="unknown", now=desk.clock())
    ill = examined(desk)["mails"]
    assert not ill.ok
    assert "1 mails" in ill.sentence
    assert "monitor outbox" in ill.sentence


def test_a_folder_that_takes_no_mail_is_ill(desk: Workspace) -> None:
    """A file where the folder should be is told."""
    desk.outbox.write_text("x")
    assert not examined(desk)["mail folder"].ok


def test_a_damaged_store_is_ill(desk: Workspace, site: Site) -> None:
    """Pages that were overwritten are found, and the way out is named."""
    site.show("/a", entries(*range(60)))
    with desk.open() as app:
        app.polling.poll(every=True)
    database = desk.root / "data" / "monitor.db"
    raw = bytearray(database.read_bytes())
    for page in range(20, len(raw) // 4096, 3):
        raw[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    database.write_bytes(raw)
    ill = examined(desk)["store"]
    assert not ill.ok
    assert "monitor restore" in ill.sentence


def test_a_clock_that_cannot_be_right_is_ill(desk: Workspace, site: Site) -> None:
    """A clock behind the last poll, or of 1970, is told; an hour is nobody's business."""
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll(every=True)
    assert "clock" not in examined(desk)
    desk.clock.move(minutes=-59)
    assert "clock" not in examined(desk, quick=True)
    desk.clock.move(minutes=-2)
    assert "--clock-is-right" in examined(desk, quick=True)["clock"].sentence
    desk.clock.now = datetime(1970, 1, 1, tzinfo=UTC)
    assert not examined(desk)["clock"].ok
