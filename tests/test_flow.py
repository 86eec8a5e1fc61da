"""The nine promises, from the bytes of a feed to the mail in the folder: real HTTP, a real store, our own clock."""

from __future__ import annotations

import gzip
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import NOW, WATCHLIST, Answer, Entry, Relay, Site, Workspace, entries, html_of, text_of

from monitor.errors import ConfigError, StoreError
from monitor.sandbox import Limits, Sandbox
from monitor.service.poll import Report
from monitor.service.read import PRELOAD
from monitor.store import SqliteStore, restore

STATIONS = """
import os, signal, sqlite3, sys
from datetime import datetime
from pathlib import Path
from monitor.app import App
from monitor.store.connection import Connections

root, work, moment, left = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3]), int(sys.argv[4])
plain = Connections._open

def opened(self):
    held = plain(self)
    def statement(text):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    held.connection.set_trace_callback(statement)
    return held

Connections._open = opened
with App.at(root / "monitor.yaml") as app:
    app.clock = lambda: moment
    app.post.recover()
    app.polling.poll(every=True) if work == "poll" else app.post.tick()
print(left)
"""
"""A run that is killed at the n-th statement that its database is given; without that it says what was left of n."""


def poll(desk: Workspace) -> Report:
    """Poll everything once in an app of its own, as the command does."""
    with desk.open() as app:
        return app.polling.poll(every=True)


def rows(desk: Workspace, query: str) -> list[tuple[object, ...]]:
    """What the database of a workspace holds."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        return list(db.execute(query))


def titles(desk: Workspace) -> Counter[object]:
    """How often each title is stored."""
    return Counter(title for (title,) in rows(desk, "SELECT title FROM articles"))


def test_promise_1_an_article_is_stored_once(desk: Workspace, site: Site) -> None:
    """Whatever the GUIDs, the dates or the redirects of a feed do, each article is stored once and none is lost."""
    shown = entries(*range(1, 9))
    twins = [
        replace(e, guid="same-for-all", link=f"http://feed.example/twin/{n}") for n, e in enumerate(entries(20, 21))
    ]
    bare = [replace(e, guid="", link="") for e in entries(30, 31)]
    every = [*shown, *twins, *bare]
    site.show("/a", every)
    assert poll(desk).articles == len(every), "promise 1: an article of the first poll is missing"

    site.show("/a", [replace(e, when=NOW + timedelta(days=400), text=e.text) for e in [*shown, *twins]])
    poll(desk)
    site.show("/b", [*reversed(shown), *twins, *entries(9)])
    site.pages["/a"] = Answer(status=301, headers={"Location": "/b"})
    assert poll(desk).articles == 1, "promise 1: a redirect or other dates made known articles new"

    stored = titles(desk)
    assert len(stored) == len(every) + 1, "promise 1: an article was lost"
    assert set(stored.values()) == {1}, "promise 1: an article was stored twice"


@pytest.mark.parametrize("count", [2, 8])
def test_promise_1_guids_that_change_at_every_fetch(desk: Workspace, site: Site, count: int) -> None:
    """A feed that makes up new GUIDs at every fetch has its items told apart by their links from the second poll on."""
    for fetch in range(4):
        shown = [replace(e, guid=f"{e.guid}-{fetch}") for e in entries(*range(fetch, count + fetch))]
        site.show("/a", shown)
        poll(desk)

    stored = titles(desk)
    assert set(stored.values()) == {1}, f"promise 1: changing GUIDs doubled articles: {stored}"
    assert len(stored) == count + 3, "promise 1: changing GUIDs lost an article"


def test_promise_2_every_article_is_matched_and_every_hit_evidenced(desk: Workspace, site: Site) -> None:
    """What is stored was matched by what is in force; a hit shows its letters, its place and its sentence for ever."""
    told = "Two drones struck Ain al-Asad at dawn."
    site.show("/a", [Entry(title="Night attack", text=f"Quiet elsewhere. {told}", guid="1"), *entries(2, 3)])
    poll(desk)

    with desk.open() as app:
        assert app.store.stale(app.editorial.current().rev, None) == 0, "promise 2: an article was not matched"
        found = [s for s in app.search.find("level:flash") if s.stored.article.title == "Night attack"]
        (hit,) = [h for h in found[0].stored.hits if h.rule == "base-attack"]
        article = found[0].stored.article
        assert hit.rev == app.editorial.current().files[0].rev, "promise 2: a hit without the revision of its watchlist"
    for evidence in hit.evidence:
        field = article.title if evidence.field == "title" else article.text
        letters = field[evidence.start : evidence.end]
        assert letters == evidence.letters, "promise 2: evidence points beside its letters"
        assert evidence.letters in evidence.sentence, "promise 2: evidence without its sentence"
    assert {"Ain al-Asad", "struck"} == {e.letters for e in hit.evidence}, "promise 2: evidence lacks a span"

    site.show("/a", [Entry(title="Night attack", text="Nothing happened.", guid="1")])
    poll(desk)
    kept = rows(desk, "SELECT rule, evidence FROM hits WHERE rule = 'base-attack'")
    assert told in str(kept[0][1]), "promise 2: an edit of the article took the evidence away"


def test_promise_3_search_and_rule_find_the_same(desk: Workspace, site: Site) -> None:
    """The query of a rule, searched for, finds the very articles that the rule has hit, with the same letters."""
    site.show(
        "/a",
        [
            *entries(1, 2),
            Entry(title="Ain al-Asad attacked", guid="x"),
            Entry(title="هجوم على قاعدة عين الأسد", guid="y"),
            Entry(title="PKK attacks; Ain al-Asad far away", guid="z", text="attack " + "word " * 40 + "Ain al-Asad"),
            Entry(title="An attack", guid="w", text="Nothing else."),
        ],
    )
    poll(desk)
    with desk.open() as app:
        for query, wanted in (("@ain-al-asad NEAR/25 #attack", "rule:base-attack"), ("@pkk", "@pkk")):
            asked = {r.stored.article.id: {m.letters for m in r.marks} for r in app.search.find(query)}
            ruled = {
                a: {e.letters for h in r.stored.hits if h.name in {"base-attack", "pkk"} for e in h.evidence}
                for r in app.search.find(wanted)
                if (a := r.stored.article.id)
            }
            assert asked.keys() == ruled.keys(), f"promise 3: `{query}` and its rule differ"
        assert len(app.search.find("@ain-al-asad NEAR/25 #attack")) == 3, "promise 3: an article was not found"


def tick(desk: Workspace) -> list[str]:
    """Make and deliver what is due in an app of its own; the names of the mails that came."""
    before = desk.mails().keys()
    with desk.open() as app:
        app.post.recover()
        app.post.tick()
    return sorted(desk.mails().keys() - before)


def test_promise_4_one_digest_per_slot_and_each_hit_once(desk: Workspace, site: Site) -> None:
    """Restarts make no second digest; what was told is not told again; what came late stands in the next one."""
    site.show("/a", entries(1, 2))
    poll(desk)
    first = tick(desk)
    assert len(first) == 1, "promise 4: the slot of this morning brought no digest, or several"
    for jump in (0, 60, -120, 30):
        desk.clock.move(minutes=jump)
        assert tick(desk) == [], "promise 4: a restart or a clock that was set back made a second digest"

    site.show("/a", entries(1, 2, 3))
    poll(desk)
    assert tick(desk) == [], "promise 4: a late hit made a mail of its own"
    desk.clock.move(days=1)
    (second,) = tick(desk)
    before, after = text_of(desk.mails()[first[0]]), text_of(desk.mails()[second])
    assert "Story 1:" in before, "promise 4: a hit is missing in the first digest"
    assert "Story 2:" in before, "promise 4: a hit is missing in the first digest"
    assert "Story 3:" in after, "promise 4: a late hit is missing in the next digest"
    assert "Story 1:" not in after, "promise 4: a hit was mailed twice"


@pytest.mark.parametrize(
    ("zone", "at", "night"),
    [
        ("Europe/London", "01:30", datetime(2026, 10, 24, 12, tzinfo=UTC)),  # the hour comes twice
        ("Asia/Beirut", "00:30", datetime(2026, 3, 28, 10, tzinfo=UTC)),  # the hour does not come
    ],
)
def test_promise_4_nights_in_which_the_clocks_change(
    desk: Workspace, site: Site, zone: str, at: str, night: datetime
) -> None:
    """A slot in the hour that comes twice or never brings one digest for each date."""
    zoned = f"desks:\n  - {{id: iraq, title: Iraq, to: [a@example.org], zone: {zone}, at: ['{at}']}}\n"
    desk.write("watchlists/desks.yaml", zoned)
    site.show("/a", entries(1))
    desk.clock.now = night
    with desk.open() as app:
        app.post.tick()
        for _ in range(4 * 60):
            desk.clock.move(minutes=15)
            app.post.tick()
        made = app.store.digests("iraq")
    days = Counter(day for _, day, _, _, _ in made)
    assert set(days.values()) == {1}, f"promise 4: a date has two digests: {days}"
    dates = sorted(datetime.fromisoformat(d) for d in days)
    assert dates == [dates[0] + timedelta(days=n) for n in range(len(dates))], "promise 4: a date has no digest"
    assert len(dates) >= 3, "promise 4: a date has no digest"


def test_promise_5_silence_is_stated(desk: Workspace, site: Site) -> None:
    """A day without news is a mail, and it names the feed that failed, the one gone quiet and the one not watched."""
    desk.feeds({"a": f"{site.base}/a", "quiet-one": f"{site.base}/q", "dead-one": f"{site.base}/d"})
    path = desk.root / "watchlists" / "feeds.yaml"
    path.write_text(path.read_text() + "  - {id: no-feed, title: Paper without feed}\n")
    site.show("/a", [Entry(title="Nothing of note", guid="0")])
    site.show("/q", entries(5))
    site.pages["/d"] = Answer(status=500)
    poll(desk)
    tick(desk)
    desk.clock.move(days=3)
    site.show("/a", [Entry(title="Nothing again", guid="00")])
    poll(desk)
    (name,) = tick(desk)

    told = text_of(desk.mails()[name])
    assert "Nothing new" in told, "promise 5: an empty day does not say that it is empty"
    for missing in ("dead-one", "quiet-one", "Paper without feed"):
        assert missing in told, f"promise 5: the digest does not name {missing}"


def test_promise_6_a_broken_watchlist_never_stops_the_watch(desk: Workspace, site: Site) -> None:
    """The last good revision stays in force, the error is shown with its place, and mending it needs no restart."""
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll(every=True)
        desk.write("watchlists/bases.yaml", WATCHLIST.replace("names:", "naems:", 1))
        site.show("/a", entries(1, 2))
        app.polling.poll(every=True)
        (problem,) = app.editorial.current().problems
        place = (problem.file, problem.line, bool(problem.column))
        assert place == ("watchlists/bases.yaml", 8, True), "promise 6: the error has no place"
        assert "names" in problem.hint, "promise 6: the error makes no suggestion"
        assert len(app.search.find("@ain-al-asad")) == 2, "promise 6: the last good revision is not in force"
        app.post.tick()
        shown = text_of(next(iter(desk.mails().values())))
        assert "watchlists/bases.yaml:8:" in shown, "promise 6: the digest does not show the error"

        desk.write("watchlists/bases.yaml", WATCHLIST.replace("en: [PKK]", "en: [PKK, Kongra-Gel]"))
        site.show("/a", [*entries(1, 2), Entry(title="Kongra-Gel statement", guid="k")])
        assert app.polling.poll(every=True).hits == 1, "promise 6: the mended watchlist is not in force"


def test_promise_6_without_any_good_revision_it_says_so(desk: Workspace) -> None:
    """A new workspace whose only watchlist is broken is refused with file, line and column."""
    desk.write("watchlists/bases.yaml", "watchlist: [\n")
    with desk.open() as app, pytest.raises(ConfigError, match=r"watchlists/bases\.yaml:\d+:\d+: ") as refused:
        app.editorial.current()
    assert refused.value.exit_code == 3, "promise 6: the exit code is not 3"


def test_promise_7_a_feed_reaches_nothing_inside(desk: Workspace, site: Site) -> None:
    """A redirect into our network, to a file or to another scheme is refused before anything is dialled."""
    with Site() as inside:
        inside.show("/secret", entries(1))
        targets = {
            "other-port": f"{inside.base}/secret",
            "by-name": f"http://localhost:{inside.port}/secret",
            "short": f"http://0x7f.1:{inside.port}/secret",
            "file": "file:///etc/passwd",
            "metadata": "http://169.254.169.254/latest/meta-data",
        }
        desk.feeds({name: f"{site.base}/{name}" for name in targets})
        for name, target in targets.items():
            site.pages[f"/{name}"] = Answer(status=302, headers={"Location": target})
        report = poll(desk)
        assert report.failed == len(targets), "promise 7: a redirect into our network was followed"
        assert not inside.asked, "promise 7: an address inside was dialled"
        assert report.articles == 0, "promise 7: something from inside was stored"


def test_promise_7_no_script_reaches_a_mail(desk: Workspace, site: Site) -> None:
    """Markup of a title or text is shown as letters or dropped; no script, handler or strange link gets into a page."""
    raw = "<![CDATA[Ain al-Asad <script>alert(1)</script><img src=x onerror=alert(2)>]]>"
    doubly = "Ain al-Asad &amp;lt;script&amp;gt;alert(3)&amp;lt;/script&amp;gt; two"
    site.show(
        "/a",
        [
            Entry(
                title=raw, raw=True, guid="1", link="javascript:alert(4)", text="<iframe src='http://evil/'></iframe>x"
            ),
            Entry(title=doubly, raw=True, guid="2", text="<svg onload=alert(5)>Ain al-Asad</svg>"),
            Entry(title="Ain al-Asad\r\nBcc: x@evil.example =?utf-8?q?=0ABcc:?= ", guid="3"),
        ],
    )
    poll(desk)
    (name,) = tick(desk)
    mail = desk.mails()[name]
    page = html_of(mail).lower()
    for bad in ("<script", "<img", "<iframe", "<svg", "javascript:"):
        assert bad not in page, f"promise 7: {bad} stands in the page of a mail"
    assert mail["Bcc"] is None, "promise 7: a title became a header"
    assert rows(desk, "SELECT count(*) FROM articles WHERE url LIKE 'javascript%'") == [(0,)], (
        "promise 7: bad link kept"
    )


def test_promise_7_hostile_feeds_delay_no_other(desk: Workspace, site: Site) -> None:
    """A bomb, a document that hangs the parser and a server that never answers cost only themselves."""
    desk.deadline = 3
    desk.lay_out()
    bomb = gzip.compress(b"\0" * 64_000_000, 9)
    site.pages["/bomb"] = Answer(body=bomb, headers={"Content-Encoding": "gzip"})
    site.pages["/hang"] = Answer(body=b"<rss><channel>" + b"<a>" * 300_000)  # five seconds of parsing
    site.pages["/mute"] = Answer(hold=threading.Event())
    hostile = {name: f"{site.base}/{name}" for name in ("bomb", "hang", "mute")}
    good = {f"good-{n}": f"{site.base}/good-{n}" for n in range(5)}
    for n, name in enumerate(good):
        site.show(f"/{name}", entries(n, name=name))
    desk.feeds(hostile | good)
    with desk.open() as app, Sandbox(workers=2, limits=Limits(wall=1), preload=PRELOAD) as strict:
        app.__dict__["sandbox"] = strict
        report = app.polling.poll(every=True)

    assert report.articles == 5, "promise 7: a hostile feed kept another one from being stored"
    kinds = sorted(kind for _, kind, _ in report.failures)
    assert kinds == ["poison", "timeout", "too-big"], f"promise 7: a hostile feed passed for a good one: {kinds}"
    assert report.seconds < 15, f"promise 7: hostile feeds held the poll up for {report.seconds:.0f} s"


def station(desk: Workspace, work: str, left: int) -> tuple[int, int]:
    """Run `work` in a child that is killed at a statement; (exit code, statements that were left)."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", STATIONS, desk.root, work, desk.clock().isoformat(), str(left)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode, int(done.stdout) if done.stdout else 0


def equal(desk: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the store that must be the same as in a run that nobody disturbed."""
    return {
        "articles": rows(desk, "SELECT n, id, title, text, revision, standing, story, seen FROM articles ORDER BY n"),
        "hits": rows(desk, "SELECT article, watchlist, rule, entity, level, evidence FROM hits ORDER BY 1, 2, 3, 4"),
        "mentions": rows(desk, "SELECT entity, n, spans FROM mentions ORDER BY 1, 2"),
        "feeds": rows(desk, "SELECT id, etag, body_hash, failures, last_new FROM feeds ORDER BY 1"),
        "told": rows(desk, "SELECT desk, hit, digest FROM told JOIN hits USING (k) ORDER BY 1, 2"),
        "digests": rows(desk, "SELECT key, stories FROM digests ORDER BY 1"),
    }  # fmt: skip


@pytest.fixture
def killed(tmp_path: Path, site: Site) -> tuple[Workspace, Workspace]:
    """Two workspaces on the same three feeds: one that is left in peace, one that is killed."""
    made = []
    for name in ("peace", "killed"):
        desk = Workspace(root=tmp_path / name, ports=(site.port,))
        desk.lay_out()
        desk.feeds({f: f"{site.base}/{f}" for f in "abc"})
        made.append(desk)
    for step, feed in enumerate("abc"):
        site.show(f"/{feed}", entries(*range(10 * step, 10 * step + 4), name=feed.upper()), ETag=f'"{feed}"')
    return made[0], made[1]


def test_promise_8_killed_while_polling(killed: tuple[Workspace, Workspace]) -> None:
    """Killed at many places of a poll and started again, the store holds what an undisturbed run holds."""
    peace, other = killed
    code, left = station(peace, "poll", 1_000_000)
    assert code == 0
    statements = 1_000_000 - left
    stations = sorted({1, *(statements * k // 5 for k in range(1, 5)), statements})
    died = 0
    for at in stations:
        died += station(other, "poll", at)[0] == -signal.SIGKILL
    assert died >= 3, "promise 8: the poll was not killed where it should have been"
    other.clock.now = peace.clock.now = peace.clock.now + timedelta(minutes=11)  # leases of the dead have run out
    assert station(other, "poll", 0)[0] == station(peace, "poll", 0)[0] == 0
    mine, theirs = equal(other), equal(peace)
    for table in ("articles", "hits", "mentions", "feeds"):
        strip = [tuple(c for c in row if not str(c).startswith("2026-11-21T09:")) for row in mine[table]]
        wanted = [tuple(c for c in row if not str(c).startswith("2026-11-21T09:")) for row in theirs[table]]
        assert strip == wanted, f"promise 8: the table {table} differs from the undisturbed run"
    with other.open() as app:
        assert app.store.check() == [], "promise 8: the database is damaged"


def test_promise_8_killed_while_mailing(killed: tuple[Workspace, Workspace]) -> None:
    """Killed at every step of mailing, no mail goes out twice, and one that may be lost is shown as not confirmed."""
    peace, other = killed
    with Relay() as relay:
        for desk in killed:
            desk.mail = relay.settings
            desk.lay_out()
            desk.feeds({f: f"http://127.0.0.1:{desk.ports[0]}/{f}" for f in "abc"})
            addresses = "a@example.org, b@example.org"
            desk.write("watchlists/desks.yaml", DESKS_OF_TWO.format(addresses=addresses))
            poll(desk)
        code, left = station(peace, "mail", 1_000_000)
        assert code == 0
        relay.got.clear()
        died = 0
        for at in range(30, 1_000_000 - left, 6):
            died += station(other, "mail", at)[0] == -signal.SIGKILL
        assert station(other, "mail", 0)[0] == 0
        assert died >= 3, "promise 8: mailing was not killed where it should have been"

        arrived = Counter((to, mail["Message-ID"]) for to, mail in relay.got)
        assert set(arrived.values()) <= {1}, f"promise 8: a mail was doubled: {arrived}"
    states = {str(name): state for name, state in rows(other, "SELECT message_id, state FROM outbox")}
    assert set(states.values()) <= {"sent", "unknown"}, f"promise 8: a mail is stuck: {states}"
    for name, state in states.items():
        came = any(m == name for _, m in arrived)
        assert came or state == "unknown", "promise 8: a mail counts as sent that never arrived"
    mine, theirs = equal(other), equal(peace)
    assert (mine["digests"], mine["told"]) == (theirs["digests"], theirs["told"]), "promise 8: the digests differ"
    other.clock.move(days=1)
    with other.open() as app, Relay():
        unsure = app.store.outbox(states=["unknown"])
        digest = app.post.digest(app.editorial.current().desks[0], app.post.make_due()[0])
        said = " ".join(digest.coverage.warnings)
        assert said.count("Delivery not confirmed") == len(unsure), "promise 8: a doubtful delivery is not shown"


DESKS_OF_TWO = "desks:\n  - {{id: iraq, title: Iraq desk, to: [{addresses}], zone: UTC, at: ['07:00']}}\n"


def test_promise_9_backup_and_restore_bring_everything_back(desk: Workspace, site: Site, tmp_path: Path) -> None:
    """A backup restored elsewhere holds the same, and the watch goes on from it without a doubled mail."""
    site.show("/a", entries(1, 2, 3))
    poll(desk)
    tick(desk)
    copy = tmp_path / "copy.db"
    with desk.open() as app:
        app.store.backup(copy)
    before = equal(desk)
    database = desk.root / "data" / "monitor.db"
    with pytest.raises(StoreError, match="exists already"):
        restore(copy, database)
    for file in database.parent.glob("monitor.db*"):
        file.unlink()
    with pytest.raises(StoreError, match="monitor restore"), desk.open() as app:
        app.store.counts()
    assert not database.exists(), "promise 9: a missing database was replaced by an empty one"

    restore(copy, database)
    assert equal(desk) == before, "promise 9: the restored store differs"
    assert tick(desk) == [], "promise 9: a restored store mailed again"
    assert poll(desk).articles == 0, "promise 9: a restored store took known articles for new"


def seen(desk: Workspace) -> None:
    """Raise what the store says of its damage, at opening or when asked."""
    with desk.open() as app:
        raise StoreError(*app.store.check())


def test_promise_9_a_damaged_database_is_refused_and_kept(desk: Workspace, site: Site) -> None:
    """Damage is said with what to do next, and the damaged file stays where it is."""
    site.show("/a", entries(*range(1, 40)))
    poll(desk)
    database = desk.root / "data" / "monitor.db"
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="monitor restore"):
        seen(desk)
    database.write_bytes(b"")
    with pytest.raises(StoreError, match="is empty"):
        SqliteStore(database, clock=desk.clock)
    assert database.read_bytes() == b"", "promise 9: an empty file was filled"
