"""Watchlists are edited while the watch polls: hits go on under the last good revision, whatever the file holds."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes import DESKS, WATCHLIST, Entry, Site, Workspace

from monitor.app import App
from monitor.cli import main
from monitor.errors import Problem
from monitor.service.edit import InForce

BASES = "watchlists/bases.yaml"


class Edited:
    """A workspace that is polled by one program while somebody edits it; every poll brings one new article."""

    def __init__(self, desk: Workspace, site: Site) -> None:
        self.desk, self.site, self.app = desk, site, desk.open()
        self.path = desk.root / BASES
        self.number = 0

    def write(self, content: str | bytes, path: Path | None = None) -> None:
        """Put a file there, in the place of whatever lies there."""
        path = path or self.path
        self.remove(path)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def remove(self, path: Path | None = None) -> None:
        """Leave nothing there."""
        path = path or self.path
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def poll(self, app: App | None = None) -> set[tuple[str | None, str | None, str]]:
        """(rule, entity, revision) of the hits of an article that has just appeared."""
        self.number += 1
        number = f"{self.number * 7919} {self.number * 104_729}"
        self.site.show("/a", [Entry(title=f"Ain al-Asad attacked {number}", guid=number)])
        report = (app or self.app).polling.poll(every=True)
        assert (report.articles, report.failures) == (1, [])
        with closing(sqlite3.connect(self.desk.root / "data" / "monitor.db")) as db:
            asked = "SELECT rule, entity, rev FROM hits WHERE n = (SELECT n FROM articles WHERE guid = ?)"
            return set(db.execute(asked, [number]))

    def force(self) -> InForce:
        """What is in force for the program that polls."""
        return self.app.editorial.current()

    def problems(self, file: str = BASES) -> list[Problem]:
        """What is told of a file."""
        return [p for p in self.force().problems if p.file == file]


@pytest.fixture
def edited(desk: Workspace, site: Site) -> Iterator[Edited]:
    """A watch that has polled once."""
    made = Edited(desk, site)
    assert hit(made.poll()) == {"base-attack", "ain-al-asad"}
    yield made
    made.app.close()


def hit(rows: set[tuple[str | None, str | None, str]]) -> set[str | None]:
    """The rules and entities of hits."""
    return {rule or entity for rule, entity, _ in rows}


def in_the_way(edited: Edited) -> None:
    """A folder in the place of the file."""
    edited.remove()
    edited.path.mkdir()


def linked_to_nowhere(edited: Edited) -> None:
    """A link whose end is missing."""
    edited.remove()
    edited.path.symlink_to(edited.path.parent / "nowhere.yaml")


def unreadable(edited: Edited) -> None:
    """A link that leads to itself: nothing can be read, whoever asks."""
    edited.remove()
    edited.path.symlink_to(edited.path)


BROKEN: dict[str, tuple[str | bytes | Callable[[Edited], None], str, str]] = {
    "no YAML": (WATCHLIST.replace("entities:", "entities: [", 1), ":6:9", "not closed"),
    "half a file": (WATCHLIST[: WATCHLIST.index("query:") + 12], ":24:12", "never closed"),
    "half a letter": (WATCHLIST.encode()[: WATCHLIST.encode().index("عين".encode()) + 1], ":10:12", "not UTF-8"),
    "an unknown key": (WATCHLIST.replace("title: Bases", "titel: Bases"), ":2:1", "Did you mean `title`?"),
    "an unknown name": (WATCHLIST.replace("#attack'", "#atack'"), ":24:34", "#attack"),
    "a bad query": (WATCHLIST.replace("NEAR/25 #attack", "NEAR #attack"), ":24:26", "NEAR/15"),
    "a failing example": (WATCHLIST.replace("Drones attacked", "Drones visited"), ":26:5", "should hit"),
    "nothing": ("", ":1:1", "A watchlist must be written"),
    "comments alone": ("# to be done\n", ":1:1", "A watchlist must be written"),
    "another alphabet": (WATCHLIST.encode("utf-16"), ":1:1", "not UTF-8"),
    "an old encoding": (WATCHLIST.replace("Bases", "Üsler").encode("cp1254", "replace"), ":2:8", "not UTF-8"),
    "two megabytes": (WATCHLIST + "# x\n" * 500_000, ":1:1", "larger than 1,000,000 bytes"),
    "a tag": (WATCHLIST.replace("title: Bases", "title: !!python/name:os.system x"), ":2:8", "Tags"),
    "no file": (Edited.remove, ":1:1", "The file is gone"),
    "a folder": (in_the_way, ":1:1", "This is no file"),
    "a link to nowhere": (linked_to_nowhere, ":1:1", "not there"),
    "a link to itself": (unreadable, ":1:1", "not there"),
}


def spoil(edited: Edited, name: str) -> None:
    """Make one of the broken edits."""
    content = BROKEN[name][0]
    if callable(content):
        content(edited)
    else:
        edited.write(content)


def test_hits_go_on_under_the_last_good_revision(edited: Edited, desk: Workspace) -> None:
    """After each broken edit the article of the next poll is hit as before and the error has its place.

    The same holds for a program that starts anew while the file is broken; the good edit after it is in force.
    """
    for turn, (name, (_, place, words)) in enumerate(BROKEN.items()):
        good = edited.force().files[0].rev
        spoil(edited, name)

        for app in (edited.app, desk.open()):
            rows = edited.poll(app)
            assert hit(rows) == {"base-attack", "ain-al-asad"}, name
            assert {rev for *_, rev in rows} == {good}, name
            if app is not edited.app:
                app.close()
        told = [str(p) for p in edited.problems()]
        assert any(t.startswith(f"{BASES}{place}: ") and words in t for t in told), (name, told)
        assert not any("\n" in t for t in told), name

        edited.write(WATCHLIST + f"# mended {turn}\n")
        rows = edited.poll()
        assert edited.force().problems == (), name
        assert {rev for *_, rev in rows} == {edited.force().files[0].rev} != {good}, name


def test_a_good_edit_comes_into_force_between_two_polls(edited: Edited) -> None:
    """The article after a good edit is read by it, also when the edit before was broken."""
    for name in ("no YAML", "no file", "a folder"):
        spoil(edited, name)
        edited.poll()
        edited.write(WATCHLIST.replace("base-attack", "attack-at-base"))
        assert hit(edited.poll()) == {"attack-at-base", "ain-al-asad"}
        edited.write(WATCHLIST)
        assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}


def test_an_editor_that_never_stops(edited: Edited) -> None:
    """While somebody writes good and broken files without a pause, no poll fails and no article is missed."""
    stop, faults = threading.Event(), list[BaseException]()

    def write() -> None:
        try:
            turn = 0
            while not stop.is_set():
                for name in BROKEN:
                    spoil(edited, name)
                    turn += 1
                    edited.write(f"{WATCHLIST}# {turn}\n")
        except BaseException as error:  # noqa: BLE001 - told below
            faults.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    finally:
        stop.set()
        writer.join()
    assert faults == []
    edited.write(WATCHLIST.replace("base-attack", "attack-at-base"))
    assert hit(edited.poll()) == {"attack-at-base", "ain-al-asad"}
    assert edited.force().problems == ()


@pytest.mark.parametrize("content", [None, "", "# nobody\n", "---\n"])
@pytest.mark.parametrize(("name", "what"), [("feeds", "1 feed"), ("desks", "1 desk")])
def test_feeds_and_desks_do_not_vanish(
    edited: Edited, capfd: pytest.CaptureFixture[str], name: str, what: str, content: str | None
) -> None:
    """feeds.yaml and desks.yaml that are gone or empty are told, by `check` too; the last good ones stay in force."""
    path = edited.path.with_name(f"{name}.yaml")
    before = path.read_text()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)

    assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    assert ([f.id for f in edited.force().feeds], [d.id for d in edited.force().desks]) == (["a"], ["iraq"])
    (problem,) = edited.problems(f"watchlists/{name}.yaml")
    assert str(problem).startswith(f"watchlists/{name}.yaml:1:1: The file is {'gone' if content is None else 'empty'}")
    assert what in problem.sentence
    assert f"write `{name}: []`" in problem.hint

    with pytest.raises(SystemExit) as ended:
        main(["--config", str(edited.desk.config), "check"])
    assert ended.value.code == 3
    assert str(problem) in capfd.readouterr().out

    path.write_text(f"{before}# back\n")
    assert edited.force().problems == ()


def test_none_is_said_in_words(edited: Edited) -> None:
    """`feeds: []` and `desks: []` are no slip: they are in force at once."""
    for name in ("feeds", "desks"):
        edited.write(f"{name}: []\n", edited.path.with_name(f"{name}.yaml"))
    assert (edited.force().feeds, edited.force().desks, edited.force().problems) == ((), (), ())


def test_a_watchlist_that_a_desk_names_does_not_vanish(edited: Edited) -> None:
    """Of several watchlists one may go, unless a desk asks for it by name."""
    second = edited.path.with_name("second.yaml")
    second.write_text("watchlist: second\ntitle: Second\nentities:\n  anbar: {kind: place, name: Anbar}\n")
    desks = edited.path.with_name("desks.yaml")
    desks.write_text(f"{DESKS}    watchlists: [bases]\n")
    assert edited.force().problems == ()

    edited.path.unlink()
    assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    assert [p.sentence for p in edited.problems()] == ["The file is gone, though desks.yaml names its watchlist."]

    desks.write_text(DESKS)
    assert hit(edited.poll()) == set()
    assert edited.force().problems == ()
    second.unlink()
    assert [f.id for f in edited.force().files] == ["second"]


def test_the_whole_folder_is_gone(edited: Edited, desk: Workspace) -> None:
    """A folder that is moved away or emptied stops no watch: everything stays in force and is told."""
    away = desk.root / "away"
    shutil.move(edited.path.parent, away)
    assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    assert any("There is no such folder" in str(p) for p in edited.force().problems)

    edited.path.parent.mkdir()
    assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    assert {p.file for p in edited.force().problems} == {f"watchlists/{n}.yaml" for n in ("bases", "desks", "feeds")}

    edited.path.parent.rmdir()
    shutil.move(away, edited.path.parent)
    assert hit(edited.poll()) == {"base-attack", "ain-al-asad"}
    assert edited.force().problems == ()


def test_a_watchlist_about_feeds_is_no_list_of_feeds(edited: Edited) -> None:
    """A watchlist whose file is called my-feeds.yaml falls back like any other."""
    path = edited.path.with_name("my-feeds.yaml")
    path.write_text("watchlist: mine\ntitle: Mine\nentities:\n  anbar: {kind: place, name: Anbar}\n")
    assert [f.id for f in edited.force().files] == ["bases", "mine"]
    path.write_text("watchlist: [")
    assert [f.id for f in edited.force().files] == ["bases", "mine"]
    assert [f.id for f in edited.force().feeds] == ["a"]
