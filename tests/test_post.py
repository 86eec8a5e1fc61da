"""The mail room: what is due is frozen, sent once, tried again when that can help, and never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import NOW, WATCHLIST, Entry, Pigeon, Site, Workspace, entries

from monitor.app import App
from monitor.model import DigestKey, SendResult
from monitor.service.mail import Post

REFUSED = SendResult(ok=False, error="550 no such person")
AWAY = SendResult(ok=False, retry=True, error="the relay is away")
DOUBT = SendResult(ok=False, unconfirmed=True, error="unconfirmed: no answer")

TWO = """\
desks:
  - id: iraq
    title: Iraq desk
    to: [a@example.org, b@example.org]
    zone: UTC
    at: ["07:00"]
    flash: {to: [duty@example.org], level: flash}
"""


@contextmanager
def room(desk: Workspace, pigeon: Pigeon) -> Iterator[tuple[App, Post]]:
    """The app of a workspace, with a mail room whose mail a pigeon carries."""
    with desk.open() as app:
        yield app, replace(app.post, channel=pigeon)


@pytest.fixture
def told(desk: Workspace, site: Site) -> Workspace:
    """A workspace with two recipients and two articles that hit."""
    desk.write("watchlists/desks.yaml", TWO)
    site.show("/a", entries(1, 2))
    with desk.open() as app:
        app.polling.poll(every=True)
    return desk


def states(post: Post) -> dict[str, str]:
    """Recipient -> state of the journal."""
    return {d.to: d.state for d in post.store.outbox()}


def test_each_recipient_gets_a_mail_of_his_own(told: Workspace) -> None:
    """One message per recipient, with one Message-ID each that is the same on every try."""
    pigeon = Pigeon()
    with room(told, pigeon) as (_, post):
        assert [d.state for d in post.tick()] == ["sent", "sent"]
        assert post.tick() == []
    assert [m.to for m in pigeon.carried] == ["a@example.org", "b@example.org"]
    assert len({m.message_id for m in pigeon.carried}) == 2


def test_one_who_is_refused_keeps_no_other_from_his_mail(told: Workspace) -> None:
    """A final refusal fails for its recipient alone and is not tried again by itself."""
    pigeon = Pigeon(answers=[REFUSED])
    with room(told, pigeon) as (_, post):
        post.tick()
        told.clock.move(hours=3)
        assert post.deliver() == []
        assert states(post) == {"a@example.org": "failed", "b@example.org": "sent"}
        assert post.store.outbox(states=["failed"])[0].error == REFUSED.error


def test_a_relay_that_is_away_is_tried_again_with_the_same_mail(told: Workspace) -> None:
    """Waits grow from a minute; the second try carries the very same message."""
    pigeon = Pigeon(answers=[AWAY, AWAY, AWAY])
    with room(told, pigeon) as (_, post):
        first = post.tick()
        assert {d.state for d in first} == {"queued"}
        assert post.deliver() == []
        told.clock.move(seconds=61)
        assert [d.state for d in post.deliver()] == ["queued", "sent"]
        told.clock.move(seconds=121)
        assert [d.state for d in post.deliver()] == ["sent"]
        assert [d.tries for d in post.store.outbox()] == [3, 2]
    assert sorted(m.message_id for m in pigeon.carried) == sorted(d.message_id for d in first)


def test_a_relay_away_for_a_day_ends_as_failed(told: Workspace) -> None:
    """After 24 hours of tries the mail has failed and waits for a person, who can have it sent."""
    pigeon = Pigeon(answers=[AWAY] * 100)
    with room(told, pigeon) as (_, post):
        post.tick()
        for _ in range(40):
            told.clock.move(hours=1)
            post.deliver()
        assert set(states(post).values()) == {"failed"}
        pigeon.answers.clear()
        line = post.store.outbox()[0]
        assert post.retry(line.key, line.to)
        assert [d.state for d in post.deliver()] == ["sent"]


def test_a_doubtful_delivery_is_shown_and_never_repeated(told: Workspace) -> None:
    """No answer after the final dot means unknown: it is in the next digest, and only a person sends it again."""
    pigeon = Pigeon(answers=[DOUBT])
    with room(told, pigeon) as (_, post):
        post.tick()
        told.clock.move(days=1)
        post.tick()
        line = post.store.outbox(states=["unknown"])[0]
        second = [m for m in pigeon.carried if "2026-11-22" in m.key]
        assert all("Delivery not confirmed" in m.text for m in second)
        assert len(second) == 2
        assert post.retry(line.key, line.to)
        assert not post.retry(line.key, line.to)
        post.deliver()
    assert [m.message_id for m in pigeon.carried].count(line.message_id) == 2


def test_a_send_that_is_cut_off_is_unknown_after_a_restart(told: Workspace) -> None:
    """A program that dies between commit and answer leaves a line that the next start shows as not confirmed."""
    pigeon = Pigeon(answers=[KeyboardInterrupt()])
    with room(told, pigeon) as (_, post), pytest.raises(KeyboardInterrupt):
        post.tick()
    with room(told, Pigeon()) as (_, post):
        assert [d.to for d in post.recover()] == ["a@example.org"]
        assert post.recover() == []
        assert [d.to for d in post.deliver()] == ["b@example.org"]
        assert states(post) == {"a@example.org": "unknown", "b@example.org": "sent"}


def test_a_send_that_was_cut_off_is_unknown_after_a_while_without_a_restart(told: Workspace) -> None:
    """Whoever delivers next finds a line that nobody can be sending any more, and shows it as not confirmed."""
    with room(told, Pigeon(answers=[KeyboardInterrupt()])) as (_, post), pytest.raises(KeyboardInterrupt):
        post.tick()
    with room(told, Pigeon()) as (_, post):
        post.deliver()
        assert states(post) == {"a@example.org": "committing", "b@example.org": "sent"}
        told.clock.move(minutes=16)
        post.deliver()
        assert states(post) == {"a@example.org": "unknown", "b@example.org": "sent"}


def test_a_dropped_mail_is_not_sent(told: Workspace) -> None:
    """What a person drops is given up; what was sent cannot be dropped."""
    with room(told, Pigeon(answers=[AWAY])) as (_, post):
        post.tick()
        key = post.store.outbox()[0].key
        assert post.drop(key, "a@example.org")
        assert not post.drop(key, "b@example.org")
        assert not post.drop(key, "nobody@example.org")
        told.clock.move(hours=1)
        assert post.deliver() == []


def test_two_mail_rooms_send_each_mail_once(told: Workspace) -> None:
    """A line that another process has taken is left to it."""
    second = Pigeon()
    with room(told, Pigeon()) as (_, post), room(told, second) as (_, other):
        post.make_due()
        waiting = other.store.outbox(states=["queued"])
        post.deliver()
        for line in waiting:
            message = other.store.message(line.key, line.to)
            assert message is not None
            assert other._send(line, message) == line
    assert second.carried == []


def test_a_digest_made_by_hand_takes_the_place_of_the_slot(told: Workspace) -> None:
    """A digest is made once for its slot; a test mail marks nothing as told."""
    pigeon = Pigeon()
    with room(told, pigeon) as (app, post):
        (desk,) = app.editorial.current().desks
        key = DigestKey(desk=desk.id, day=NOW.date(), slot="07:00")
        assert post.test(desk, key, "me@example.org").ok
        assert post.make(desk, key)
        assert not post.make(desk, key)
        assert post.make_due() == []
        post.deliver()
    assert [m.to for m in pigeon.carried] == ["me@example.org", "a@example.org", "b@example.org"]
    assert "Story 1" in pigeon.carried[0].text
    assert "Story 1" in pigeon.carried[1].text


def test_a_flash_is_mailed_once_for_a_story(desk: Workspace, site: Site) -> None:
    """A rule at level flash mails the duty officer at once and once, and the digest tells the story as well."""
    desk.write("watchlists/desks.yaml", TWO)
    text = "Drones attacked the base at dawn, the coalition said, and two soldiers were wounded in the attack."
    first = Entry(title="Ain al-Asad attacked by drones", guid="1", text=text)
    site.show("/a", [first])
    desk.clock.now = NOW.replace(hour=3)
    pigeon = Pigeon()
    with room(desk, pigeon) as (app, post):
        app.polling.poll(every=True)
        post.tick()
        assert [m.to for m in pigeon.carried if "flash" in m.key] == ["duty@example.org"]
        site.show("/a", [first, replace(first, guid="2")])
        app.polling.poll(every=True)
        post.tick()
        desk.clock.move(hours=5)
        post.tick()
    flashes = [m for m in pigeon.carried if "flash" in m.key]
    assert len(flashes) == 1
    assert any("Ain al-Asad attacked" in m.text for m in pigeon.carried if m.key.endswith("2026-11-21/07:00"))


def test_an_old_article_is_no_flash(desk: Workspace, site: Site) -> None:
    """A monitor that starts wakes nobody with what happened more than twelve hours ago."""
    desk.write("watchlists/desks.yaml", TWO)
    site.show("/a", [Entry(title="Ain al-Asad attacked", guid="1", when=NOW - timedelta(hours=13))])
    pigeon = Pigeon()
    with room(desk, pigeon) as (app, post):
        app.polling.poll(every=True)
        post.tick()
    assert [m for m in pigeon.carried if "flash" in m.key] == []


def test_a_new_rule_raises_no_flash_for_what_it_finds_in_the_past(desk: Workspace, site: Site) -> None:
    """An article that was stored before its rule was written is not flashed."""
    desk.write("watchlists/desks.yaml", TWO)
    desk.write("watchlists/bases.yaml", WATCHLIST.partition("rules:")[0])
    site.show("/a", [Entry(title="Ain al-Asad attacked", guid="1")])
    pigeon = Pigeon()
    with room(desk, pigeon) as (app, post):
        app.polling.poll(every=True)
        desk.write("watchlists/bases.yaml", WATCHLIST)
        app.polling.poll(every=True)
        post.tick()
    assert [m for m in pigeon.carried if "flash" in m.key] == []


def test_a_clock_that_jumps_ahead_makes_one_mail_not_many(told: Workspace) -> None:
    """After a month without the monitor each desk gets one digest, and the next one at the next slot."""
    pigeon = Pigeon()
    with room(told, pigeon) as (_, post):
        post.tick()
        told.clock.move(days=30)
        post.tick()
        post.tick()
    assert len({m.key for m in pigeon.carried}) == 2
