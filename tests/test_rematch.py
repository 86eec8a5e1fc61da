"""Matching again: the archive after an edit, resumable and idempotent; the look-back of the last 30 days."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import NOW, WATCHLIST, Entry, Pigeon, Site, Workspace

from monitor.app import App
from monitor.cli import main
from monitor.daemon import Watch
from monitor.errors import StoreError, TemporaryError
from monitor.model import Article, Batch, DigestKey, Hit, Standing
from monitor.sandbox import Done, Killed
from monitor.service.pieces import opened
from monitor.service.rematch import LookBack, Rematch
from monitor.store import SqliteStore

EDITED = (
    WATCHLIST.replace("en: [Ain al-Asad]", "en: [Ain al-Asad, Harir]")
    .replace("en: [PKK]", "en: [HPG]")
    .replace("name: PKK", "name: Workers Party")
)
"""Gains Harir, loses PKK."""

TEXTS = (
    "Drones attacked Ain al-Asad.",
    "A visit to Harir.",
    "Rockets struck Harir at night.",
    "A statement of the PKK.",
    "Rain in spring.",
    "The PKK at Ain al-Asad.",
)

Dump = dict[str, list[tuple[Any, ...]]]


def article(number: int, text: str, *, days: float = 0, standing: Standing = "news") -> Article:
    """A piece of news, first seen so many days ago."""
    seen = NOW - timedelta(days=days, minutes=number)
    return Article(
        id=f"a{number:03}", feed="a", title=f"Title {number}", text=text, lang="en", seen=seen, revision=f"r{number}",
        standing=standing, source="A",
    )  # fmt: skip


def fill(desk: Workspace, articles: Sequence[Article]) -> None:
    """Store articles as a poll would, matched by the watchlists in force."""
    with desk.open() as app:
        force = app.editorial.current()
        matched = tuple(force.matcher.match(articles))
        app.store.save([Batch(articles=tuple(articles), matched=matched, matched_rev=force.rev)])


def dump(path: Path) -> Dump:
    """Every row of every table that a person or a mail could see a difference in."""
    with closing(sqlite3.connect(path)) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 's%'")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608


def hits(app: App, *ids: str) -> dict[tuple[str, str], Hit]:
    """(article, rule or entity) -> standing hit."""
    return {(h.article, h.name): h for s in app.store.articles(ids) for h in s.hits}


def inline(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Any] | Killed]:
    """The children's work in this process."""
    try:
        for job in jobs:
            yield Done(value=function(*job))
    finally:
        if jobs:
            opened(next(arg for arg in jobs[0] if callable(arg))).close()
        opened.cache_clear()


def rematch(app: App) -> Rematch:
    """The archive against what is in force, without processes."""
    return Rematch(store=app.store, force=app.editorial.current(), reading=app.reading, children=inline)


@pytest.fixture
def archive(desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Twelve articles that were matched before the watchlist was edited, in pieces of two."""
    monkeypatch.setattr("monitor.service.rematch.SIZE", 2)
    fill(desk, [article(n, TEXTS[n % len(TEXTS)], days=n * 10) for n in range(12)])
    desk.write("watchlists/bases.yaml", EDITED)
    return desk


def test_an_edit_reaches_the_archive(archive: Workspace) -> None:
    """After a rematch stored articles have the hits of the edited watchlists; what no longer holds stays, withdrawn."""
    with archive.open() as app:
        done = rematch(app).run(None, "")
        assert (done.articles, done.gained, done.withdrawn, done.same) == (12, 6, 4, 6)
        found = hits(app, "a002", "a003", "a005")
        assert found.keys() == {("a002", "ain-al-asad"), ("a002", "base-attack"), ("a005", "ain-al-asad")}
        assert found["a002", "base-attack"].lookback
        assert not found["a005", "ain-al-asad"].lookback
        assert app.store.stale(app.editorial.current().rev, None) == 0
        assert app.store.counts().hits == 16


def test_only_what_is_young_enough_is_matched(archive: Workspace) -> None:
    """--since leaves older articles as they are."""
    with archive.open() as app:
        assert rematch(app).run(NOW - timedelta(days=35), "35d").articles == 4
        assert app.store.stale(app.editorial.current().rev, None) == 8


def test_a_second_run_changes_nothing(archive: Workspace) -> None:
    """Every row of every table is the same after the second run as after the first."""
    with archive.open() as app:
        first = rematch(app).run(None, "")
        before = dump(app.config.store)
        second = rematch(app).run(None, "")
        assert (second.articles, second.gained, second.withdrawn) == (12, 0, 0)
        assert second.same == first.gained + first.same
        assert dump(app.config.store) == before


def test_a_run_that_was_ended_goes_on(archive: Workspace) -> None:
    """A run that loses its children stops in one sentence; called again it goes on there and ends as if undisturbed."""

    def lost(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Any] | Killed]:
        yield from inline(function, jobs[:2] if len(jobs) > 1 else ())
        while True:
            yield Killed(cause="crash", reason="")

    with archive.open() as app:
        app.store.backup(archive.root / "copy.db")
        with pytest.raises(TemporaryError, match=r"ended from outside.*monitor rematch"):
            Rematch(store=app.store, force=app.editorial.current(), reading=app.reading, children=lost).run(None, "")
        assert rematch(app).standing("") == 4
        assert rematch(app).standing("30d") == 0
        done = rematch(app).run(None, "")
        assert (done.articles, done.gained, done.withdrawn, done.same) == (12, 6, 4, 6)
        assert rematch(app).standing("") == 0
        resumed = dump(app.config.store)
    (archive.root / "data" / "monitor.db").unlink()
    (archive.root / "copy.db").rename(archive.root / "data" / "monitor.db")
    with archive.open() as app:
        rematch(app).run(None, "")
        assert dump(app.config.store) == resumed


def test_killed_children_change_nothing_in_the_end(archive: Workspace) -> None:
    """Children killed in the middle of their work are replaced, and the archive is as if they had lived."""
    killed: set[int] = set()

    def kill(_done: int, _every: int) -> None:
        if killed:
            return  # a piece that loses its child again and again is given up, and told
        for child in multiprocessing.active_children():
            if child.pid is not None:
                killed.add(child.pid)
                os.kill(child.pid, signal.SIGKILL)

    with archive.open() as app:
        app.store.backup(archive.root / "copy.db")
        done = app.rematch.run(None, "", kill)
        assert killed
        assert (done.articles, done.gained, done.withdrawn, done.same) == (12, 6, 4, 6)
        disturbed = dump(app.config.store)
    (archive.root / "data" / "monitor.db").unlink()
    (archive.root / "copy.db").rename(archive.root / "data" / "monitor.db")
    with archive.open() as app:
        rematch(app).run(None, "")
        assert dump(app.config.store) == disturbed


def test_an_article_edited_meanwhile_is_left_for_the_next_round(archive: Workspace) -> None:
    """What a poll changes between a child's reading and the writing is never overwritten with what the child saw."""

    def late(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Any] | Killed]:
        outcomes = list(inline(function, jobs))
        other = article(0, "Nothing any more.")
        fields = {f: getattr(other, f) for f in ("id", "feed", "title", "text", "lang", "seen", "standing", "source")}
        app.store.save([Batch(articles=(Article(**fields, revision="later"),), matched_rev="then")])
        yield from outcomes

    with archive.open() as app:
        Rematch(store=app.store, force=app.editorial.current(), reading=app.reading, children=late).run(None, "")
        assert app.store.articles(["a000"])[0].hits == ()
        assert app.store.stale(app.editorial.current().rev, None) == 1


# level, evidence and revision of hits that stand


RAISED = WATCHLIST.replace("title: Bases\nlevel: normal", "title: Bases\nlevel: high")


def test_levels_follow_and_only_the_day_s_hits_are_retold(desk: Workspace) -> None:
    """A raised level is seen by search and mail: today's hit as a story that is no flash, an older one in a line."""
    fill(desk, [article(1, "The PKK spoke.")])
    with desk.open() as app:
        (today,) = hits(app, "a001").values()
    desk.write("watchlists/bases.yaml", WATCHLIST.replace("normal", "flash", 1))
    with desk.open() as app:
        rematch(app).run(None, "")
        (now,) = hits(app, "a001").values()
        assert (today.level, now.level, now.lookback) == ("normal", "flash", True)
        ((_, told),) = app.store.fresh_hits("iraq", None, ["flash"], NOW - timedelta(days=1))
        assert told == (now,)
        assert app.store.lookback_hits("iraq", None) == []
    desk.write("watchlists/bases.yaml", WATCHLIST)
    desk.clock.move(days=2)
    with desk.open() as app:
        rematch(app).run(None, "")
    desk.write("watchlists/bases.yaml", RAISED)
    with desk.open() as app:
        rematch(app).run(None, "")
        assert app.store.fresh_hits("iraq", None, ["flash", "high"], NOW - timedelta(days=1)) == []
        assert [h.level for h in app.store.lookback_hits("iraq", None)] == ["high"]
        assert app.store.lookback_hits("iraq", None, ["flash"]) == []


def test_evidence_that_was_told_is_kept(desk: Workspace) -> None:
    """Evidence and revision of a hit follow an edit until a desk was told of it; then only its level does."""
    fill(desk, [article(1, "Drones attacked Ain al-Asad."), article(2, "Drones attacked Ain al-Asad.")])
    with desk.open() as app:
        before = hits(app, "a001", "a002")
        told = [h for (name, _), h in before.items() if name == "a001"]
        app.store.freeze(DigestKey(desk="iraq", day=NOW.date(), slot="07:00"), [], told, NOW, 1)
    longer = WATCHLIST.replace("[attack*, struck]", "[attack*, struck, drones]").replace("level: flash", "level: high")
    desk.write("watchlists/bases.yaml", longer)
    with desk.open() as app:
        rematch(app).run(None, "")
        after = hits(app, "a001", "a002")
        kept, new = after["a001", "base-attack"], after["a002", "base-attack"]
        old = before["a001", "base-attack"]
        assert (kept.evidence, kept.rev, kept.level) == (old.evidence, old.rev, "high")
        assert [e.letters for e in new.evidence] == ["Drones", "attacked", "Ain al-Asad"]
        assert new.rev != old.rev


def test_a_hit_that_holds_again_stands_again(archive: Workspace) -> None:
    """An edit that is taken back brings the withdrawn hits back under their ids; old ones are listed, not retold."""
    with archive.open() as app:
        before = hits(app, *(f"a{n:03}" for n in range(12)))
        rematch(app).run(None, "")
    archive.write("watchlists/bases.yaml", WATCHLIST)
    archive.clock.move(days=2)
    with archive.open() as app:
        done = rematch(app).run(None, "")
        assert (done.gained, done.withdrawn) == (4, 6)
        after = hits(app, *(f"a{n:03}" for n in range(12)))
        assert after.keys() == before.keys()
        assert app.store.counts().hits == 16
        assert {h.name for h in app.store.lookback_hits("iraq", None)} == {"pkk"}


# the look-back


@pytest.fixture
def pigeon() -> Pigeon:
    """What the mail is noted by."""
    return Pigeon()


@pytest.fixture
def watch(desk: Workspace, pigeon: Pigeon) -> Iterator[Watch]:
    """The running watch over articles of 0 to 55 days, with a flash recipient and mail that is noted."""
    desk.write(
        "watchlists/desks.yaml",
        "desks:\n  - {id: iraq, title: Iraq desk, to: [r@example.org], at: ['07:00'],"
        " flash: {to: [duty@example.org], level: flash}}\n",
    )
    fill(desk, [article(n, TEXTS[2], days=n * 5) for n in range(12)])
    with desk.open() as app:
        app.__dict__["channel"] = pigeon
        yield Watch(app)


def test_an_edit_looks_back_for_thirty_days(desk: Workspace, watch: Watch) -> None:
    """The running watch matches articles first seen in the last 30 days again, without a restart; older ones wait."""
    watch.look_back()
    assert hits(watch.app, "a000") == {}
    desk.write("watchlists/bases.yaml", EDITED)
    watch.look_back()
    assert {name for name, _ in hits(watch.app, *(f"a{n:03}" for n in range(12)))} == {f"a00{n}" for n in range(6)}
    before = dump(watch.app.config.store)
    watch.look_back()
    assert dump(watch.app.config.store) == before


def test_what_looking_back_finds_is_listed_once_and_is_no_flash(desk: Workspace, watch: Watch, pigeon: Pigeon) -> None:
    """The next digest has one line per rule, the one after it none; nobody is flashed."""
    desk.write("watchlists/bases.yaml", EDITED)
    watch.look_back()
    post = watch.app.post
    desk.clock.now = datetime(2026, 11, 22, 7, 1, tzinfo=NOW.tzinfo)
    post.tick()
    desk.clock.move(days=1)
    post.tick()
    first, second = pigeon.carried
    assert "Attack at a base: 6 in stored articles" in first.text
    assert "in stored articles" not in second.text


def test_the_look_back_goes_in_small_steps(desk: Workspace, watch: Watch) -> None:
    """Each step writes a few articles at most, so that polls come in between; an end in the middle loses nothing."""
    desk.write("watchlists/bases.yaml", EDITED)
    app = watch.app
    steps = []
    while (step := app.look_back.step(4)) is not None:
        steps.append(step.articles)
    assert steps == [4, 2]
    again = LookBack(store=app.store, editorial=app.editorial, clock=app.clock)
    assert again.step() is None


def test_first_sight_counts_and_an_archive_by_its_dates(desk: Workspace) -> None:
    """News with an old date is looked at again when it was seen lately; an imported archive is not."""
    old = NOW - timedelta(days=200)
    told = [article(1, TEXTS[1]), article(2, TEXTS[1], standing="archive")]
    fields = ("id", "feed", "title", "text", "lang", "seen", "revision", "standing", "source")
    fill(desk, [Article(**{f: getattr(a, f) for f in fields}, published=old) for a in told])
    desk.write("watchlists/bases.yaml", EDITED)
    with desk.open() as app:
        rev = app.editorial.current().rev
        assert [s.article.id for _, s in app.store.outdated(rev, NOW - timedelta(days=30), 9)] == ["a001"]


def test_a_single_poll_looks_back_over_a_few(
    desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`monitor poll` looks back by itself when that is soon done, else it says which command does it."""
    monkeypatch.setattr("monitor.app.now", desk.clock)
    site.show("/a", [Entry(title="Rain", guid="1")])
    fill(desk, [article(n, TEXTS[2]) for n in range(3)])
    desk.write("watchlists/bases.yaml", EDITED)
    monkeypatch.setattr("monitor.service.rematch.FEW", 2)
    assert called(desk, "poll") == 0
    assert "`monitor rematch --since 30d`" in capfd.readouterr().err
    monkeypatch.setattr("monitor.service.rematch.FEW", 3)
    assert called(desk, "poll") == 0
    assert "3 articles of the last 30 days were matched again, 6 hits gained, 0 withdrawn" in capfd.readouterr().err
    assert called(desk, "poll") == 0
    assert "have changed" not in capfd.readouterr().err


# the command


def called(desk: Workspace, *arguments: str) -> int:
    """The exit code of a command inside the workspace."""
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(desk.config), *arguments])
    return int(ended.value.code or 0)


def test_rematch_says_what_it_did(
    archive: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`monitor rematch --json` prints one object, and without it one sentence."""
    monkeypatch.setattr("monitor.app.now", archive.clock)
    assert called(archive, "rematch", "--since", "35d", "--json") == 0
    row = json.loads(capfd.readouterr().out)
    assert row.keys() == {"articles", "gained", "withdrawn", "same", "seconds"}
    assert row["articles"] == 4
    assert called(archive, "rematch") == 0
    assert capfd.readouterr().out.startswith("12 articles matched again: 3 hits gained, 3 withdrawn, ")
    assert called(archive, "rematch", "--since", "soon") == 2
    assert "no time" in capfd.readouterr().err


def test_a_store_opened_for_reading_refuses_to_write(archive: Workspace) -> None:
    """Nothing can be written through a store that was opened for reading, nor can it make an old file current."""
    path = archive.root / "data" / "monitor.db"
    store = SqliteStore(path, read_only=True)
    with pytest.raises(StoreError, match="reading alone"):
        store.set_meta({"a": "b"})
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM _sqlite_migrations WHERE id = (SELECT max(id) FROM _sqlite_migrations)")
        db.commit()
    with pytest.raises(StoreError, match="earlier monitor"):
        SqliteStore(path, read_only=True)
