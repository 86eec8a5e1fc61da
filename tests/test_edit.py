"""The watchlists in force: a broken edit never stops the watch, and what is sound of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engine import said

from monitor.errors import ConfigError
from monitor.service.edit import Editorial, InForce, check
from monitor.store import SqliteStore

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)

PLACES = """\
watchlist: places
title: Places
entities:
  anbar: {kind: place, name: Anbar}
words:
  attack: {en: [attack*]}
examples:
  - {say: "In Anbar.", hits: [], mentions: [anbar]}
"""
BASES = """\
watchlist: bases
title: Bases
entities:
  asad: {kind: base, name: Ain al-Asad, short: [{say: Asad base, with: ["@anbar"]}]}
rules:
  base-attack: {title: A, level: flash, query: '@asad NEAR/9 #attack'}
examples:
  - {say: "Ain al-Asad was attacked.", hits: [base-attack]}
"""
FEEDS = 'feeds:\n  - {id: wire, url: "http://wire.example/"}\n'
DESKS = 'desks:\n  - {id: iraq, title: Iraq, to: [a@example.org], zone: UTC, at: ["07:00"], watchlists: all}\n'


class Folder:
    """A folder of watchlists, the store, and who reads them; each write is seen, whatever the clock of the disk."""

    def __init__(self, root: Path) -> None:
        self.path = root / "watchlists"
        self.path.mkdir()
        self.store = SqliteStore(root / "monitor.db", create=True, clock=lambda: NOW)
        self.editorial = Editorial(self.path, self.store, lambda: NOW)
        for name, text in {"places": PLACES, "bases": BASES, "feeds": FEEDS, "desks": DESKS}.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Put a file there, longer by a comment each time."""
        path = self.path / f"{name}.yaml"
        before = path.stat().st_size if path.exists() else 0
        path.write_text(text, encoding="utf-8")
        while path.stat().st_size <= before:
            path.write_text(
                path.read_text(encoding="utf-8") + "# edited again, and again, and again\n", encoding="utf-8"
            )

    def now(self) -> InForce:
        """What is in force."""
        return self.editorial.current()

    def restarted(self) -> InForce:
        """What is in force for a program that starts anew."""
        return Editorial(self.path, self.store, lambda: NOW).current()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Two watchlists that need each other, a feed and a desk, all sound and seen once."""
    made = Folder(tmp_path)
    assert made.now().problems == ()
    yield made
    made.store.close()


def rules(force: InForce, text: str = "Ain al-Asad attacked") -> list[str]:
    """The rules that a text hits."""
    return [h.rule for h in said(force.matcher, text).hits if h.rule]


def test_sound_files_are_in_force(folder: Folder) -> None:
    """Everything that is sound is in force and kept as the last good revision."""
    force = folder.now()
    assert [f.id for f in force.files] == ["bases", "places"]
    assert [f.id for f in force.feeds] == ["wire"]
    assert [d.id for d in force.desks] == ["iraq"]
    assert rules(force) == ["base-attack"]
    assert set(folder.store.last_good()) == {f"watchlists/{n}.yaml" for n in ("bases", "places", "feeds", "desks")}
    assert force.titles == {"bases": "Bases", "places": "Places"}
    assert force.names["bases", "asad"] == "Ain al-Asad"


def test_nothing_is_read_again_until_it_changes(folder: Folder) -> None:
    """The same folder gives the same matcher; an edit gives another."""
    first = folder.now()
    assert folder.now() is first
    folder.write(
        "bases", BASES.replace("name: Ain al-Asad", "name: Ayn al-Asad").replace("Ain al-Asad was", "Ayn al-Asad was")
    )
    assert folder.now() is not first
    assert rules(folder.now(), "Ayn al-Asad attacked") == ["base-attack"]
    assert folder.now().rev != first.rev


@pytest.mark.parametrize(
    ("edit", "place", "sentence"),
    [
        (("title: Bases", "tittle: Bases"), "watchlists/bases.yaml:2:1", "tittle"),
        (("entities:", "entities: ["), "watchlists/bases.yaml:", ""),
        (("NEAR/9 #attack", "NEAR/9 #atack"), "watchlists/bases.yaml:6:", "#atack"),
        (("#attack'", "#attack OR x y'"), "watchlists/bases.yaml:6:", "AND (also unwritten) stands beside OR"),
        (("was attacked", "was visited"), "watchlists/bases.yaml:8:5", "should hit `base-attack`"),
        (('"@anbar"', '"@anbr"'), "watchlists/bases.yaml:4:", "anbr"),
        (('"@anbar"', '"#nothing"'), "watchlists/bases.yaml:4:", "nothing"),
    ],
)
def test_a_broken_file_keeps_its_last_good_revision(
    folder: Folder, edit: tuple[str, str], place: str, sentence: str
) -> None:
    """A fault in form, a name, a query or an example: the file's last good revision stays, the error has its place."""
    good = folder.now()
    folder.write("bases", BASES.replace(*edit))
    for force in (folder.now(), folder.restarted()):
        assert rules(force) == ["base-attack"]
        assert force.rev == good.rev
        assert any(str(p).startswith(place) and sentence in str(p) for p in force.problems), force.problems


def test_mended_file_is_in_force_again(folder: Folder) -> None:
    """Once mended, the file as it lies in the folder is in force and nothing is complained about."""
    folder.write("bases", "watchlist: [")
    assert folder.now().problems
    folder.write("bases", BASES)
    assert folder.now().problems == ()


def test_the_other_files_go_on(folder: Folder) -> None:
    """While one file is broken, good edits of the others are in force and kept."""
    folder.write("bases", "watchlist: [")
    folder.write("places", PLACES.replace("attack*]", "attack*, struck]"))
    assert rules(folder.now(), "Ain al-Asad struck") == ["base-attack"]
    folder.write("places", "watchlist: [")
    assert rules(folder.now(), "Ain al-Asad struck") == ["base-attack"]
    assert rules(folder.restarted(), "Ain al-Asad struck") == ["base-attack"]


def test_an_edit_that_breaks_another_file_is_taken_back(folder: Folder) -> None:
    """When one file stops defining what another needs, the old revision of each file involved stays in force."""
    folder.write("places", PLACES.replace("  attack: {en: [attack*]}", "  assault: {en: [assault*]}"))
    force = folder.now()
    assert rules(force) == ["base-attack"]
    assert any("#attack" in str(p) for p in force.problems)


def test_a_deleted_file_that_is_needed_stays(folder: Folder) -> None:
    """When a file that others need is deleted, its last good revision stays in force and the error is told."""
    (folder.path / "places.yaml").unlink()
    force = folder.now()
    assert rules(force) == ["base-attack"]
    assert force.problems


def test_a_deleted_file_that_nobody_needs_goes(folder: Folder) -> None:
    """A file that nobody needs can be deleted."""
    (folder.path / "bases.yaml").unlink()
    force = folder.now()
    assert [f.id for f in force.files] == ["places"]
    assert force.problems == ()


def test_only_the_guilty_edit_is_taken_back(folder: Folder) -> None:
    """Of several edits only the one that breaks another file is taken back."""
    third = "watchlist: third\ntitle: Third\nentities:\n  x: {kind: base, name: Xyz}\n"
    folder.write("third", third)
    assert folder.now().problems == ()
    folder.write("third", third.replace("Xyz", "Zyx"))
    folder.write("places", PLACES.replace("  attack: {en: [attack*]}", "  assault: {en: [assault*]}"))
    force = folder.now()
    assert rules(force) == ["base-attack"]
    assert [h.entity for h in said(force.matcher, "Zyx").hits] == ["x"]


def test_defined_twice(folder: Folder) -> None:
    """A name that a new file defines a second time: the new file, which was never good, is left out."""
    folder.write("third", "watchlist: third\ntitle: Third\nentities:\n  asad: {kind: base, name: Other}\n")
    force = folder.now()
    assert [f.id for f in force.files] == ["bases", "places"]
    assert rules(force) == ["base-attack"]
    assert sum("`asad` is defined twice" in str(p) for p in force.problems) == 2


def test_broken_feeds_and_desks(folder: Folder) -> None:
    """The last good feeds and desks stay, too."""
    folder.write("feeds", "feeds:\n  - {url: 7, nonsense: 1}\n")
    folder.write("desks", "desks: nobody\n")
    force = folder.now()
    assert [f.id for f in force.feeds] == ["wire"]
    assert [d.id for d in force.desks] == ["iraq"]
    assert {p.file for p in force.problems} == {"watchlists/feeds.yaml", "watchlists/desks.yaml"}


def test_a_new_broken_file_is_left_out(folder: Folder) -> None:
    """A file that has never been good is left out; the others work."""
    folder.write("third", "watchlist: third\n")
    assert [f.id for f in folder.now().files] == ["bases", "places"]


def test_nothing_good_at_all(tmp_path: Path) -> None:
    """Without any good revision of anything the program refuses with exit code 3 and every place."""
    folder = Folder(tmp_path)
    folder.write("bases", "watchlist: [")
    folder.write("places", "title: Places\n")
    with pytest.raises(ConfigError) as caught:
        folder.now()
    folder.store.close()
    assert caught.value.exit_code == 3
    assert {p.file for p in caught.value.problems} == {"watchlists/bases.yaml", "watchlists/places.yaml"}


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is refused with what to do."""
    store = SqliteStore(tmp_path / "monitor.db", create=True)
    with pytest.raises(ConfigError, match="monitor init"):
        Editorial(tmp_path / "nowhere", store, lambda: NOW).current()
    store.close()


def test_an_empty_folder_watches_nothing(tmp_path: Path) -> None:
    """No file is no fault: nothing is watched."""
    (tmp_path / "watchlists").mkdir()
    store = SqliteStore(tmp_path / "monitor.db", create=True)
    force = Editorial(tmp_path / "watchlists", store, lambda: NOW).current()
    store.close()
    assert (force.files, force.problems) == ((), ())


def test_examples_run_once_for_a_revision(folder: Folder) -> None:
    """A restart with unchanged files compiles nothing before it is needed."""
    assert "matcher" in vars(folder.now())
    restarted = folder.restarted()
    assert "matcher" not in vars(restarted)
    assert rules(restarted) == ["base-attack"]
    assert restarted.rev == folder.now().rev


def test_check_tells_everything(folder: Folder) -> None:
    """Checking names every fault of the folder as it lies there, and stores nothing."""
    folder.write("bases", BASES.replace("was attacked", "was visited").replace('"@anbar"', '"@anbr"'))
    before = folder.store.last_good()
    loaded, problems = check(folder.path)
    assert [f.id for f in loaded.files] == ["bases", "places"]
    assert [p.line for p in problems if not p.warning] == [4, 8]
    assert folder.store.last_good() == before
