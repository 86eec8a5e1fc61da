"""Polling as a whole: what is asked for, what is kept of it, what is told."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from fakes import NOW, Answer, Entry, Site, Workspace, entries, until

from monitor.errors import TemporaryError
from monitor.model import Batch, Failed, Feed, FeedState, FetchResult, Saved
from monitor.service import poll


def stored(desk: Workspace, columns: str) -> list[tuple[object, ...]]:
    """Columns of all articles, oldest first."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        return db.execute(f"SELECT {columns} FROM articles ORDER BY n").fetchall()  # noqa: S608 - our own columns


def test_only_what_is_due_is_asked_for(desk: Workspace, site: Site) -> None:
    """A feed just polled is left alone until its time has come, unless it is named or all are asked for."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b"})
    site.show("/a", entries(1))
    site.show("/b", entries(2))
    with desk.open() as app:
        assert app.polling.poll().feeds == 2
        assert app.polling.poll().feeds == 0
        assert app.polling.poll({"b"}, every=True).feeds == 1
        assert app.polling.poll(every=True).feeds == 2
        desk.clock.move(hours=7)
        assert app.polling.poll().feeds == 2
    assert site.asked == {"/a": 3, "/b": 4}


def test_what_has_not_changed_is_not_read_again(desk: Workspace, site: Site) -> None:
    """A 304 and a body with the same bytes count as unchanged and write no article."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b"})
    site.show("/a", entries(1), ETag='"1"')
    site.show("/b", entries(2))
    with desk.open() as app:
        first, second = app.polling.poll(every=True), app.polling.poll(every=True)
    assert (first.fetched, first.articles) == (2, 2)
    assert (second.fetched, second.unchanged, second.articles) == (0, 2, 0)


def test_an_edited_item_is_a_revision_of_its_article(desk: Workspace, site: Site) -> None:
    """An edit keeps the earlier wording and adds no article; other dates or links are no edit."""
    site.show("/a", [Entry(title="Calm in Anbar", guid="1", link="http://x.example/1")])
    with desk.open() as app:
        app.polling.poll(every=True)
        site.show(
            "/a", [Entry(title="Calm in Anbar", guid="1", link="http://x.example/2", when=NOW - timedelta(days=1))]
        )
        assert app.polling.poll(every=True).revised == 0
        site.show("/a", [Entry(title="Ain al-Asad attacked", guid="1")])
        report = app.polling.poll(every=True)
        assert (report.articles, report.revised) == (0, 1)
        assert report.hits > 0
        (found,) = app.search.find("@ain-al-asad")
        assert [h[1] for h in app.store.history(found.stored.article.id)] == ["Calm in Anbar", "Ain al-Asad attacked"]


def test_a_first_fetch_brings_no_old_news(desk: Workspace, site: Site) -> None:
    """Of a feed's first fetch only what is younger than two days is news; the rest is stored as a baseline."""
    old = [replace(e, when=NOW - timedelta(days=3)) for e in entries(1, 2)]
    site.show("/a", [*old, *entries(3)])
    with desk.open() as app:
        app.polling.poll(every=True)
    assert Counter(stored(desk, "standing")) == {("baseline",): 2, ("news",): 1}


def test_a_flood_of_old_items_is_held_until_somebody_releases_it(desk: Workspace, site: Site) -> None:
    """Thirty new items, most of them weeks old, are stored and searchable, and wait for a person."""
    site.show("/a", entries(0))
    with desk.open() as app:
        app.polling.poll(every=True)
        desk.clock.move(hours=1)
        flood = [replace(e, when=NOW - timedelta(days=30)) for e in entries(*range(1, 31))]
        site.show("/a", [*entries(0), *flood])
        assert app.polling.poll(every=True).articles == 30
        assert Counter(stored(desk, "standing")) == {("held",): 30, ("news",): 1}
        assert len(app.search.find("@ain-al-asad", limit=99)) == 31
        assert app.store.release_held("a") == 30
        assert Counter(stored(desk, "standing")) == {("news",): 31}


def test_more_feeds_than_a_group_are_all_kept(desk: Workspace, site: Site) -> None:
    """Seventy feeds, some of them bad, end up in the store with one failure counted for each bad one."""
    names = [f"f{n}" for n in range(70)]
    for n, name in enumerate(names):
        site.show(f"/{name}", entries(n, name=name))
    for n in (3, 40, 69):
        site.pages[f"/f{n}"] = Answer(status=(404, 500, 200)[n % 3], body=b"no feed", content_type="text/html")
    desk.feeds({name: f"{site.base}/{name}" for name in names})
    with desk.open() as app:
        report = app.polling.poll(every=True)
        failing = [f for f, s in app.store.states().items() if s.failures]
    assert (report.feeds, report.fetched, report.failed, report.articles) == (70, 67, 3, 67)
    assert sorted(failing) == ["f3", "f40", "f69"]
    assert len({sentence for _, _, sentence in report.failures}) >= 2


def test_a_feed_with_very_many_items_is_matched_in_pieces(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a large feed brings is matched a piece at a time, and stored as if it had been matched at once."""
    desk.feeds({"large": f"{site.base}/large", "small": f"{site.base}/small"})
    site.show("/large", entries(*range(9)))
    site.show("/small", entries(20, 21))
    kept = []
    for portion in (poll.PORTION, 4):
        monkeypatch.setattr(poll, "PORTION", portion)
        monkeypatch.setattr(poll, "PIECE", 2)
        with desk.open() as app:
            report = app.polling.poll(every=True)
        with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
            rows = [db.execute(sql).fetchall() for sql in (
                "SELECT a.id, m.entity, m.spans FROM mentions m JOIN articles a USING (n) ORDER BY 1, 2",
                "SELECT article, watchlist, rule, entity, level, evidence FROM hits ORDER BY hit",
            )]  # fmt: skip
            for table in ("hits", "mentions", "sketches", "articles"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
            db.execute("INSERT INTO search(search) VALUES ('delete-all')")
            db.execute("UPDATE feeds SET last_ok = NULL, etag = '', last_modified = '', body_hash = ''")
            db.commit()
        kept.append((report.articles, report.hits, rows))
    assert kept[0] == kept[1]
    assert kept[0][:2] == (11, 11)


def test_a_feed_that_hangs_keeps_the_news_of_others_from_nobody(desk: Workspace, site: Site) -> None:
    """What the other feeds brought is stored while one feed still keeps us waiting."""
    hold = threading.Event()
    desk.feeds({"a": f"{site.base}/a", "slow": f"{site.base}/slow"})
    site.show("/a", entries(1))
    site.pages["/slow"] = lambda: Answer(hold=hold)
    with desk.open() as app:
        poll = threading.Thread(target=app.polling.poll, kwargs={"every": True})
        poll.start()
        kept = until(lambda: len(stored(desk, "id")) == 1, seconds=10)
        waiting = poll.is_alive()
        hold.set()
        poll.join(20)
    assert kept
    assert waiting


def test_two_polls_at_once_share_the_work(desk: Workspace, site: Site) -> None:
    """A feed that another process is polling is left to it."""
    hold = threading.Event()
    site.pages["/a"] = lambda: Answer(hold=hold)
    with desk.open() as first, desk.open() as second:
        poll = threading.Thread(target=first.polling.poll, kwargs={"every": True})
        poll.start()
        assert until(lambda: site.asked["/a"] == 1)
        assert second.polling.poll(every=True).feeds == 0
        hold.set()
        poll.join(20)
    assert site.asked["/a"] == 1


def leases(desk: Workspace) -> dict[str, datetime]:
    """Feed -> the end of its lease, for those under one."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        rows = db.execute("SELECT id, lease_until FROM feeds WHERE lease_until IS NOT NULL").fetchall()
    return {feed: datetime.fromisoformat(until) for feed, until in rows}


def test_a_poll_that_outlasts_its_lease_keeps_its_feeds(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a living instance has in hand stays its own for an hour; what it has done is free; nothing comes twice."""
    monkeypatch.setattr(poll, "HEARTBEAT", 0.01)
    hold = threading.Event()
    desk.feeds({name: f"{site.base}/{name}" for name in "abc"})
    site.pages |= {"/a": lambda: Answer(hold=hold), "/b": lambda: Answer(hold=hold)}
    site.show("/c", entries(1))
    with desk.open() as first, desk.open() as second:
        working = threading.Thread(target=first.polling.poll)
        working.start()
        assert until(lambda: set(leases(desk)) == {"a", "b"})
        for _ in range(6):
            desk.clock.move(minutes=9, seconds=59)
            due = desk.clock() + timedelta(seconds=poll.LEASE)
            assert until(lambda: leases(desk) == dict.fromkeys("ab", due))  # noqa: B023 - called at once
            assert second.polling.poll(every=True).feeds == 1
        hold.set()
        working.join(20)
        assert leases(desk) == {}
    assert site.asked == {"/a": 1, "/b": 1, "/c": 7}


def test_a_clock_that_jumps_while_a_poll_works_frees_nothing(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set ahead or back in the middle of a poll, by more than a lease: what is in hand stays so."""
    monkeypatch.setattr(poll, "HEARTBEAT", 0.01)
    hold = threading.Event()
    site.pages["/a"] = lambda: Answer(hold=hold)
    with desk.open() as first, desk.open() as second:
        working = threading.Thread(target=first.polling.poll)
        working.start()
        assert until(lambda: set(leases(desk)) == {"a"})
        for hours in (5, -3):
            desk.clock.move(hours=hours)
            ends = desk.clock() + timedelta(seconds=poll.LEASE)
            assert until(lambda: leases(desk) == {"a": ends})  # noqa: B023 - called at once
            assert second.polling.poll(every=True).feeds == 0
        hold.set()
        working.join(20)
    assert site.asked == {"/a": 1}


def test_leases_are_renewed_by_one_statement(desk: Workspace) -> None:
    """However many feeds are in hand; leases of others, and feeds that are free, are left as they are."""
    desk.feeds({f"f{n}": f"http://feed.example/{n}" for n in range(300)})
    later = desk.clock() + timedelta(minutes=9)
    with desk.open() as app:
        app.store.sync_feeds(app.editorial.current().feeds)
        for owner, limit in (("one", 250), ("other", 10)):
            app.store.claim_due(desk.clock(), owner=owner, lease=600.0, limit=limit, only=None, every=False)
        heard: list[str] = []
        app.store._connections.get().set_trace_callback(heard.append)
        app.store.renew(later, owner="one", lease=600.0)
    assert [line.split()[0] for line in heard] == ["BEGIN", "UPDATE", "COMMIT"]
    ends = Counter((end - NOW).total_seconds() / 60 for end in leases(desk).values())
    assert ends == {19: 250, 10: 10}


def test_leases_that_cannot_be_renewed_are_tried_again(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is locked for a moment ends no poll and loses no lease."""
    monkeypatch.setattr(poll, "HEARTBEAT", 0.01)
    hold, tries = threading.Event(), iter([TemporaryError("locked"), TemporaryError("locked"), None])
    site.pages["/a"] = lambda: Answer(hold=hold)
    with desk.open() as app:
        renew = app.store.renew

        def locked_at_first(now: datetime, *, owner: str, lease: float) -> None:
            if (refusal := next(tries)) is not None:
                raise refusal
            renew(now, owner=owner, lease=lease)

        monkeypatch.setattr(app.store, "renew", locked_at_first)
        working = threading.Thread(target=app.polling.poll)
        working.start()
        assert until(lambda: set(leases(desk)) == {"a"})
        desk.clock.move(minutes=4)
        assert until(lambda: leases(desk) == {"a": desk.clock() + timedelta(seconds=poll.LEASE)})
        site.show("/a", entries(1))
        hold.set()
        working.join(20)
        assert next(tries, "used up") == "used up"
        assert app.store.states()["a"].last_try == desk.clock()


def test_a_server_that_asks_for_a_pause_gets_it(desk: Workspace, site: Site) -> None:
    """After a 429 with Retry-After even a poll of all feeds leaves the feed alone until then."""
    site.pages["/a"] = Answer(status=429, headers={"Retry-After": "3600"})
    with desk.open() as app:
        app.polling.poll(every=True)
        desk.clock.move(minutes=50)
        site.show("/a", entries(1))
        app.polling.poll(every=True)
        assert site.asked["/a"] == 1
        desk.clock.move(minutes=30)
        assert app.polling.poll(every=True).articles == 1


def test_a_permanent_redirect_is_told_and_keeps_the_articles(desk: Workspace, site: Site) -> None:
    """A 301 is followed, remembered for people, and makes no article new."""
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll(every=True)
        site.show("/new", entries(1, 2))
        site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
        assert app.polling.poll(every=True).articles == 1
        assert app.store.states()["a"].moved_to == f"{site.base}/new"


def test_a_permanent_redirect_to_a_304_is_told(desk: Workspace, site: Site) -> None:
    """A move is remembered when the new address says that nothing has changed, and forgotten when it is taken back."""
    site.show("/a", entries(1), ETag='"1"')
    site.show("/new", entries(1), ETag='"1"')
    with desk.open() as app:
        app.polling.poll(every=True)
        site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
        assert app.polling.poll(every=True).unchanged == 1
        assert app.store.states()["a"].moved_to == f"{site.base}/new"
        site.show("/a", entries(1), ETag='"1"')
        app.polling.poll(every=True)
        assert app.store.states()["a"].moved_to == ""


def test_a_server_that_always_says_304_is_found_out(desk: Workspace, site: Site) -> None:
    """Once a day the whole feed is asked for, so that an ETag which never changes hides nothing for longer."""
    site.show("/a", entries(1), ETag='"for ever"')
    with desk.open() as app:
        app.polling.poll(every=True)
        site.show("/a", entries(1, 2), ETag='"for ever"')
        desk.clock.move(hours=12)
        assert app.polling.poll(every=True).unchanged == 1
        desk.clock.move(hours=12)
        assert app.polling.poll(every=True).articles == 1


def test_a_feed_that_is_gone_is_asked_for_by_hand_alone(desk: Workspace, site: Site) -> None:
    """After three 410 over a day what is due leaves a feed out for ever; its articles stay, and a person may ask."""
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll()
        site.pages["/a"] = Answer(status=410)
        for _ in range(9):
            desk.clock.move(hours=13)
            app.polling.poll()
        assert site.asked["/a"] == 4
        assert app.store.counts().articles == 1
        site.show("/a", entries(1, 2))
        assert app.polling.poll({"a"}, every=True).articles == 1
        desk.clock.move(hours=7)
        assert app.polling.poll().feeds == 1


def test_a_clock_that_is_set_back_keeps_no_feed_waiting(desk: Workspace, site: Site) -> None:
    """What was polled, or leased, by a clock a year ahead is due at once when the clock is right again."""
    site.show("/a", entries(1))
    right = desk.clock()
    desk.clock.move(days=365)
    with desk.open() as app:
        app.polling.poll()

        def due(owner: str, now: datetime) -> int:
            return len(app.store.claim_due(now, owner=owner, lease=600.0, limit=9, only=None, every=False))

        assert due("too early", desk.clock() + timedelta(minutes=5)) == 0
        assert due("ahead", desk.clock() + timedelta(hours=7)) == 1
        assert due("right", right) == 1
        assert due("second", right) == 0


def test_a_failed_feed_comes_back_with_nothing_lost(desk: Workspace, site: Site) -> None:
    """Failures are counted and end with the first good answer; the ETag is never ahead of the articles."""
    site.pages["/a"] = Answer(status=500)
    with desk.open() as app:
        for _ in range(3):
            app.polling.poll(every=True)
        state = app.store.states()["a"]
        assert (state.failures, bool(state.last_error), state.last_ok) == (3, True, None)
        site.show("/a", entries(1, 2), ETag='"1"')
        assert app.polling.poll(every=True).articles == 2
        state = app.store.states()["a"]
    assert (state.failures, state.last_error, state.etag) == (0, "", '"1"')


def test_a_store_that_cannot_be_written_keeps_the_feed_due(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When saving fails the lease is given back and the next poll brings everything, whatever the ETag says."""
    site.show("/a", entries(1), ETag='"1"')

    def full(batches: Sequence[Batch]) -> Saved:
        raise TemporaryError(f"the disk is full ({len(batches)} batches)")

    with desk.open() as app:
        with monkeypatch.context() as broken:
            broken.setattr(app.store, "save", full)
            with pytest.raises(TemporaryError):
                app.polling.poll()
        assert app.polling.poll().articles == 1


def test_a_poll_that_fails_asks_for_no_feed_that_it_gave_back(desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When saving fails the fetches that still run are ended first, and then the leases are given back."""
    monkeypatch.setattr(poll, "GROUP", 1)
    desk.feeds({name: f"http://feed.example/{name}" for name in "abc"})
    at_the_end: list[set[str]] = []

    class Slow:
        async def fetch_all(
            self,
            feeds: Sequence[tuple[Feed, FeedState]],
            **asked: bool,  # noqa: ARG002  # the port's
        ) -> AsyncIterator[tuple[Feed, FetchResult]]:
            """One failure for each feed but the last, which never answers."""
            try:
                for feed, _ in feeds[:-1]:
                    yield feed, Failed(kind="dns", message="has no address")
                await asyncio.Event().wait()
            finally:
                at_the_end.append(set(leases(desk)))

    def full(batches: Sequence[Batch]) -> Saved:
        raise TemporaryError(f"the disk is full ({len(batches)} batches)")

    with desk.open() as app:
        monkeypatch.setattr(app.store, "save", full)
        with pytest.raises(TemporaryError):
            replace(app.polling, fetcher=Slow()).poll()
    assert at_the_end == [set("abc")]
    assert leases(desk) == {}


class Calm:
    """A fetcher that fails every feed as told."""

    def __init__(self, failed: Failed) -> None:
        """Keep the failure."""
        self.failed = failed

    async def fetch_all(
        self,
        feeds: Sequence[tuple[Feed, FeedState]],
        **asked: bool,  # noqa: ARG002  # the port's
    ) -> AsyncIterator[tuple[Feed, FetchResult]]:
        """One failure per feed."""
        for feed, _ in feeds:
            yield feed, self.failed


def test_what_was_said_of_a_failure_reaches_the_report(desk: Workspace) -> None:
    """The report names feed, kind and sentence of each failure."""
    with desk.open() as app:
        polling = replace(app.polling, fetcher=Calm(Failed(kind="dns", message="has no address")))
        assert polling.poll(every=True).failures == [("a", "dns", "has no address")]


def test_a_clock_label_that_lies_is_found_out(desk: Workspace, site: Site) -> None:
    """A feed that calls local time GMT has its dates set right after three polls, and is believed again once mended."""
    lie = timedelta(hours=3)
    with desk.open() as app:
        for n in range(9):
            desk.clock.move(minutes=20)
            wrong = lie if n < 5 else timedelta()
            site.show("/a", [replace(entries(n)[0], when=desk.clock() - timedelta(minutes=5) + wrong)])
            app.polling.poll(every=True)
            if n == 4:
                assert app.store.states()["a"].correction == 3 * 3600
        assert app.store.states()["a"].correction == 0
    off = [
        (datetime.fromisoformat(str(when)) - datetime.fromisoformat(str(seen))).total_seconds() / 60
        for when, seen in stored(desk, "published, seen")
    ]
    assert Counter(off) == {175: 3, -5: 2, -185: 4}  # believed, set right, mended but not yet believed
