"""What was read of watchlists is kept for the next start: never seen, never trusted beyond its bytes."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click import Command
from click.testing import CliRunner, Result
from fakes import Workspace

from monitor import sealed
from monitor.cli.edit import check_command
from monitor.cli.look import search_command
from monitor.errors import ConfigError, QueryError
from monitor.watchlists import kept, load, read_watchlist
from monitor.watchlists.kept import Kept
from monitor.watchlists.shape import WatchlistFile

PROJECT = Path(__file__).parents[1]
FULL = (Path(__file__).parent / "data" / "watchlists" / "good" / "bases.yaml").read_bytes()
PLAIN = b"watchlist: x\ntitle: As written\nentities:\n  a: {kind: place, name: Anbar}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where it is kept."""
    return tmp_path / "monitor.watchlists"


def read(place: Path, *sources: bytes) -> list[WatchlistFile]:
    """What a start reads of these files."""
    keeper = Kept(place)
    found = [keeper.read(f"{number}.yaml", source) for number, source in enumerate(sources)]
    keeper.write()
    return found


def put(place: Path, rows: object) -> None:
    """Write something in the place of what is kept, with a digest that fits: rows, or what is none."""
    told = {key: json.dumps(row).encode() for key, row in rows.items()} if isinstance(rows, dict) else rows
    sizes = {key: len(row) for key, row in told.items()} if isinstance(told, dict) else told
    sealed.write(place, kept._reader(), sizes, [*told.values()] if isinstance(told, dict) else ())


def rewrite(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what is kept, with a digest that fits."""
    rows = {key: json.loads(row) for key, row in kept._stored(place, kept._reader()).items()}
    change(rows)
    put(place, rows)


def marked(place: Path) -> None:
    """Give the first kept file another title, to tell what was kept from what is read anew."""
    title = [field.name for field in fields(WatchlistFile)].index("title")

    def change(told: dict[str, Any]) -> None:
        next(iter(told.values()))[title] = "As kept"

    rewrite(place, change)


def parts(value: Any) -> list[Any]:
    """An object and all that it holds, marks that no comparison looks at included."""
    if is_dataclass(value):
        return [type(value), *(parts(getattr(value, field.name)) for field in fields(value))]
    return [type(value), *map(parts, value)] if isinstance(value, tuple) else value


def test_the_shipped_watchlists_come_back_as_they_were_read(place: Path) -> None:
    """Every object of every file, with its types and places, is the same from what was kept."""
    sources = [
        p.read_bytes() for p in sorted((PROJECT / "watchlists").glob("*.yaml")) if p.stem not in {"feeds", "desks"}
    ]
    sources.append(FULL)
    anew = [read_watchlist(f"{number}.yaml", source) for number, source in enumerate(sources)]
    first, second = read(place, *sources), read(place, *sources)
    assert parts(tuple(first)) == parts(tuple(second)) == parts(tuple(anew))
    assert repr(second) == repr(anew)


def test_a_second_start_reads_what_was_kept(place: Path) -> None:
    """The same bytes are not read again; another name for them stands in every mark."""
    read(place, PLAIN)
    marked(place)
    (found,) = read(place, PLAIN)
    assert (found.title, found.source) == ("As kept", PLAIN.decode())
    again = Kept(place).read("elsewhere.yaml", PLAIN)
    assert (again.title, again.file, again.entities[0].mark.file) == ("As kept", "elsewhere.yaml", "elsewhere.yaml")


def large(folder: Path, *names: str) -> list[Path]:
    """Files that are large enough to be read by two."""
    entities = "".join(f"  place-{n}: {{kind: place, name: Place {n}, note: {'x' * 70}}}\n" for n in range(1_000))
    for name in names:
        (folder / f"{name}.yaml").write_text(f"watchlist: {name}\ntitle: T\nentities:\n{entities}", "utf-8")
    return [folder / f"{name}.yaml" for name in names]


def by_two(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two cores and one thread, whatever there is; the files that this process itself reads."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    own: list[str] = []

    def noted(name: str, source: bytes) -> WatchlistFile:
        own.append(name)
        return read_watchlist(name, source)

    monkeypatch.setattr(kept, "read_watchlist", noted)
    return own


def test_half_of_many_files_is_read_by_a_child(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes of it is the same to the last mark, and kept as a whole; what is kept needs no child."""
    paths = large(tmp_path, "a", "b", "c", "d")
    own = by_two(monkeypatch)

    def start() -> list[WatchlistFile]:
        keeper = Kept(place)
        keeper.begin(paths)
        found = [keeper.read(path.name, path.read_bytes()) for path in paths]
        keeper.write()
        return found

    first = start()
    assert own == ["a.yaml", "b.yaml"]
    anew = [read_watchlist(path.name, path.read_bytes()) for path in paths]
    assert parts(tuple(first)) == parts(tuple(anew)) == parts(tuple(start()))
    assert own == ["a.yaml", "b.yaml"]


def test_a_fault_in_a_file_read_by_a_child_is_told_in_its_place(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child leaves the file out, and whoever wants it reads it himself; so too one that has changed meanwhile."""
    *_, third, last = paths = large(tmp_path, "a", "b", "c", "d")
    with last.open("a", encoding="utf-8") as file:
        file.write("  place-0: {kind: place}\n")
    own = by_two(monkeypatch)
    keeper = Kept(place)
    keeper.begin(paths)
    third.write_bytes(PLAIN)
    assert keeper.read(third.name, third.read_bytes()).title == "As written"
    with pytest.raises(ConfigError) as told:
        keeper.read(last.name, last.read_bytes())
    assert [(p.file, p.line) for p in told.value.problems] == [("d.yaml", 1004)]
    assert own == ["c.yaml", "d.yaml"]
    keeper.write()
    assert kept._stored(place, kept._reader()).keys() == {sha256(PLAIN).hexdigest()}


def test_a_changed_byte_is_read_anew(place: Path) -> None:
    """Whatever the length and the time of a file: other bytes are another file, the old ones are kept no longer."""
    read(place, PLAIN)
    marked(place)
    (found,) = read(place, PLAIN.replace(b"Anbar", b"Ambar"))
    assert (found.title, found.entities[0].name) == ("As written", "Ambar")
    assert read(place, PLAIN)[0].title == "As written"


def test_a_damaged_file_counts_as_none(place: Path) -> None:
    """Cut off, overwritten or empty: everything is read anew, and kept anew."""
    read(place, PLAIN, FULL)
    marked(place)
    whole = place.read_bytes()
    last = len(whole) - 1
    broken = [b"", b"\n", whole[:-1], whole[:64], whole + b" ", whole.replace(b"As kept", b"Is kept")]
    broken += [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in (0, 63, 64, 70, last // 2, last)]
    for data in broken:
        place.write_bytes(data)
        assert read(place, PLAIN, FULL)[0].title == "As written"
        assert kept._stored(place, kept._reader()).keys() == {sha256(s).hexdigest() for s in (PLAIN, FULL)}


def test_another_version_of_the_reader_reads_anew(place: Path) -> None:
    """What an older program read is not believed: the version is made of the bytes of the reader itself."""
    read(place, PLAIN)
    marked(place)
    place.write_bytes(place.read_bytes().replace(kept._reader().encode(), b"older"))
    assert read(place, PLAIN)[0].title == "As written"
    marked(place)
    found = sealed.read(place, kept._reader())
    assert found is not None
    sealed.write(place, "older", found[0], [bytes(found[1])])
    assert read(place, PLAIN)[0].title == "As written"
    assert len(kept._reader()) == 64


@pytest.mark.parametrize(
    "row",
    [
        0,
        "x",
        [[[]] * 9] * 9,
        [],
        ["x"],
        {"a": 1},
        None,
        [["x"], 1, 2, 3, 4, 5, 6],
        ["x", "X", "low", "", [["a"]], [], [], []],
    ],
)
def test_rows_that_are_none_are_read_anew(place: Path, row: object) -> None:
    """Even with a digest that fits: what is no row of a watchlist ends in a reading of the file."""
    read(place, PLAIN)
    rewrite(place, lambda told: told.update(dict.fromkeys(told, row)))
    assert read(place, PLAIN) == [read_watchlist("0.yaml", PLAIN)]
    marked(place)
    assert read(place, PLAIN)[0].title == "As kept"


@pytest.mark.parametrize("told", [[], 1, {}, None, "x", {"files": 5}, {"files": -5}, {"files": "x"}, {"files": [1]}])
def test_anything_else_with_a_digest_counts_as_none(place: Path, told: object) -> None:
    """JSON of another form is no reading."""
    sealed.write(place, kept._reader(), told)
    assert read(place, PLAIN) == [read_watchlist("0.yaml", PLAIN)]


def test_where_nothing_can_be_kept_nothing_is_said(tmp_path: Path) -> None:
    """A folder that is not there, a folder in the place of the file, no place at all: the files are read, no more."""
    (tmp_path / "taken").mkdir()
    for where in (tmp_path / "none" / "x", tmp_path / "taken"):
        assert read(where, PLAIN) == read(where, PLAIN) == [read_watchlist("0.yaml", PLAIN)]
    assert Kept(None).read("0.yaml", PLAIN) == read_watchlist("0.yaml", PLAIN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]


def test_nothing_is_written_through_a_link(tmp_path: Path, place: Path) -> None:
    """A link in the place of the file is replaced, one in the place of its draft is left alone."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    place.symlink_to(precious)
    read(place, PLAIN)
    assert (precious.read_text(), place.is_symlink()) == ("mine", False)
    draft = tmp_path / f"{place.name}.{os.getpid()}"
    draft.symlink_to(precious)
    read(place, FULL)
    assert (precious.read_text(), draft.is_symlink()) == ("mine", True)


def test_a_broken_file_is_told_at_every_start(place: Path) -> None:
    """Only what is sound is kept: errors come with their places each time."""
    for _ in range(2):
        keeper = Kept(place)
        with pytest.raises(ConfigError, match=r"bad\.yaml:4:"):
            keeper.read("bad.yaml", PLAIN.replace(b"place", b"plaice"))
        keeper.write()
    assert kept._stored(place, kept._reader()) == {}


def test_a_folder_is_loaded_from_what_was_kept(tmp_path: Path, place: Path) -> None:
    """The folder says the same with and without it, a deleted watchlist is forgotten, nothing else is left behind."""
    folder = tmp_path / "watchlists"
    folder.mkdir()
    (folder / "x.yaml").write_bytes(PLAIN)
    (folder / "bases.yaml").write_bytes(FULL)
    for _ in range(2):
        assert load(folder, place) == load(folder)
    (folder / "bases.yaml").unlink()
    assert load(folder, place) == load(folder)
    assert kept._stored(place, kept._reader()).keys() == {sha256(PLAIN).hexdigest()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["monitor.watchlists", "watchlists"]


def test_commands_keep_it_beside_the_store(tmp_path: Path) -> None:
    """A search and a check of a workspace keep what they read beside its store; a check of another folder does not."""
    desk = Workspace(root=tmp_path / "desk")
    desk.lay_out()
    where = desk.root / "data" / "monitor.watchlists"
    assert run(check_command, desk).exit_code == 0
    kept_first = where.read_bytes()
    where.unlink()
    assert run(search_command, desk, "@nobody").exit_code == 1
    assert where.read_bytes() == kept_first
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.yaml").write_bytes(PLAIN)
    assert run(check_command, desk, str(other)).exit_code == 0
    assert where.read_bytes() == kept_first


def test_an_edit_is_in_force_at_the_next_command(tmp_path: Path) -> None:
    """A name that an edit brings is known at once, though the file is as long and as old as it was."""
    desk = Workspace(root=tmp_path)
    desk.lay_out()
    path = desk.write("watchlists/more.yaml", PLAIN.decode())
    assert run(search_command, desk, "@a").exit_code == 0
    before = path.stat()
    path.write_bytes(PLAIN.replace(b"  a:", b"  b:"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(search_command, desk, "@b").exit_code == 0
    told = run(search_command, desk, "@a")
    assert isinstance(told.exception, QueryError)


def run(command: Command, desk: Workspace, *arguments: str) -> Result:
    """A command in a workspace."""
    return CliRunner().invoke(command, arguments, obj=desk.config)


def test_what_was_kept_stays_when_the_disk_takes_only_a_part(place: Path) -> None:
    """A write that ends early is told by its length alone; what lay there is not replaced by a piece."""
    sealed.write(place, "title", "before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        sealed.write(place, "title", "x" * 2_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    found = sealed.read(place, "title")
    assert found is not None
    assert found[0] == "before"
    assert [*place.parent.iterdir()] == [place]
