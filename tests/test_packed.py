"""Compiled names are kept for the next start: equal to the last use, never stale, never trusted beyond their bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from engine import article, named, watchlist
from fakes import Workspace
from test_gold import gold
from test_kept import by_two

from monitor import sealed
from monitor.app import App
from monitor.cli.edit import check_command
from monitor.match import Compiled, Matcher, compile_watchlists, example_article, names_ahead, packed
from monitor.match.names import Leaves, Names, add
from monitor.match.vocabulary import Vocabulary
from monitor.model import LANGUAGES, Article
from monitor.service.pieces import Recipe, matcher_of
from monitor.service.trial import edited
from monitor.watchlists import Ahead, Entity, WatchlistFile, load, read_watchlist

PROJECT = Path(__file__).parents[1]
LINES = """
entities:
  qasem: {kind: person, name: Qasem Soleimani, names: {ar: [قاسم سليماني]}, mask: [Qasem Soleimani Street]}
  badr:
    kind: armed-group
    name: Badr Organization
    short:
      - {say: Badr, with: ["@qasem", "#arms", "militia*", "پاسداران"], within: 20}
      - {say: BO, case: exact, with: [x]}
words:
  arms: {en: [rocket*, drone], ckb: [سلێمانی]}
rules:
  fire: {title: Fire, query: '@badr AND (#arms OR =Sulaymaniyah OR "air base*")'}
"""
PLAIN = "watchlist: x\ntitle: X\nentities:\n  a: {kind: place, name: Anbar}\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where what was read would be kept, and what was compiled beside it."""
    return tmp_path / "monitor.watchlists"


@pytest.fixture
def small() -> WatchlistFile:
    """A watchlist that has something of everything."""
    return watchlist(LINES)


def start(kept: Path | None, *files: WatchlistFile) -> Compiled:
    """What a start compiles of these files, and keeps."""
    made = compile_watchlists(files, kept=kept)
    made.keep(kept)
    return made


def parts(matcher: Matcher) -> list[object]:
    """Everything by which two matchers may differ, in its order."""
    vocabulary = matcher.vocabulary
    return [
        vocabulary.leaves,
        [vocabulary.find(leaf.kind, leaf.name, leaf.number) for leaf in vocabulary.leaves],
        list(vocabulary.uses.items()),
        [[type(part) for part in use] for uses in vocabulary.uses.values() for use in uses],
        vocabulary.forms,
        list(vocabulary.friends.items()),
        list(matcher.watched.items()),
        [(leaf, entity.id, file.id) for leaf, (file, entity) in matcher.owners.items()],
        [(watch.rule, watch.query) for watch in matcher.rules],
        list(matcher.sounds.meanings.items()),
        matcher.sounds.leaves,
        matcher.automaton,
        matcher.sounds.automaton,
        matcher.rev,
    ]


def texts(*files: WatchlistFile) -> list[Article]:
    """Every gold article, and every example."""
    given = [article(item.say, item.title, item.lang) for lang in LANGUAGES for item in gold(lang)]
    return given + [example_article(example) for file in files for example in file.examples]


def test_the_shipped_names_come_back_as_they_were_compiled(kept: Path) -> None:
    """Leaves, uses, forms, company, sounds and automata are the same from what was kept, and so is every match."""
    files = load(PROJECT / "watchlists").files
    anew = start(kept, *files)
    again = compile_watchlists(files, examples=False, kept=kept)
    assert (anew.anew, again.anew, again.problems) == (True, False, ())
    for one, other in zip(parts(anew.matcher), parts(again.matcher), strict=True):
        assert one == other
    asked = texts(*files)
    assert len(asked) > 1_000
    assert anew.matcher.match(asked) == again.matcher.match(asked)


def test_a_small_watchlist_comes_back_as_well(kept: Path, small: WatchlistFile) -> None:
    """Short names, masks, lists, exact words and marked letters, in a file and in none at all."""
    for files in ((small,), (small, watchlist("entities:\n  a: {kind: place, name: Anbar}\n", "b")), ()):
        anew, again = start(kept, *files), start(kept, *files)
        assert (anew.anew, again.anew) == (True, False)
        assert parts(anew.matcher) == parts(again.matcher)
    assert start(kept, small).anew
    text = "Badr fired rockets, Kasem Soleimani said near Qasem Soleimani Street. BO x سلێمانی"
    assert named(start(kept, small).matcher, text) == named(compile_watchlists([small]).matcher, text)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:64],
        lambda data: data + b"\n",
        lambda data: data.replace(b"badr", b"bear"),
        lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"SQLite format 3\x00" + data,
    ],
    ids=[
        "empty",
        "short by one",
        "half",
        "digest alone",
        "longer",
        "a letter",
        "a bit behind",
        "a bit before",
        "foreign",
    ],
)
def test_a_damaged_file_is_compiled_anew(kept: Path, small: WatchlistFile, change: Callable[[bytes], bytes]) -> None:
    """Whatever befell the file: no error, the right names, and a sound file in its place."""
    right = parts(start(kept, small).matcher)
    place = kept.with_suffix(".names")
    whole = place.read_bytes()
    place.write_bytes(change(whole))
    made = start(kept, small)
    assert made.anew
    assert parts(made.matcher) == right
    assert place.read_bytes() == whole


@pytest.mark.parametrize("told", [None, 1, "x", [], {}, {"sizes": [0]}, {"sizes": [1] * 11, "uses": [[1], [2], [[3]]]}])
def test_anything_else_under_the_right_title_is_compiled_anew(kept: Path, small: WatchlistFile, told: object) -> None:
    """Even with a digest that fits: what are no names ends in a compiling."""
    sealed.write(kept.with_suffix(".names"), packed._version(), told, [b"x" * 11])
    made = start(kept, small)
    assert made.anew
    assert parts(made.matcher) == parts(compile_watchlists([small]).matcher)


def same(one: Matcher, other: Matcher) -> bool:
    """Whether two matchers look for the same under the same numbers, in whatever order they came by it."""
    ours, theirs = parts(one), parts(other)
    orders = (2, 9)  # of the patterns of letters, and of sounds; the automata number them so
    for place in orders:
        ours[place], theirs[place] = dict(cast("Any", ours[place])), dict(cast("Any", theirs[place]))
    left = [n for n in range(len(ours)) if n not in {3, 4, 11, 12}]
    return [ours[n] for n in left] == [theirs[n] for n in left]


def renamed(file: WatchlistFile, was: str, now: str) -> WatchlistFile:
    """The file with some letters changed."""
    return read_watchlist(file.file, file.source.replace(was, now).encode())


def test_after_an_edit_only_what_it_concerns_is_made_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other names are taken from what was kept: the matcher is the one that would be made of nothing."""
    files = load(PROJECT / "watchlists").files
    start(kept, *files)
    places = next(n for n, file in enumerate(files) if any(e.id == "erbil" for e in file.entities))
    edited = [*files[:places], renamed(files[places], "name: Erbil\n", "name: Arbela\n"), *files[places + 1 :]]
    anew: list[str] = []

    def noted(entity: Entity, vocabulary: Vocabulary, found: Names | None = None, *, short: bool = True) -> Leaves:
        if found is None:
            anew.append(entity.id)
        return add(entity, vocabulary, found, short=short)

    with monkeypatch.context() as patch:
        patch.setattr("monitor.match.compile.add", noted)
        made = compile_watchlists(edited, kept=kept, examples=False)
    assert anew == ["erbil"]
    alone = compile_watchlists(edited, examples=False)
    assert same(made.matcher, alone.matcher)
    assert not same(made.matcher, compile_watchlists(files, examples=False).matcher)
    asked = [*texts(*files), article("A rocket fell near Arbela, and one near Erbil.")]
    assert made.matcher.match(asked) == alone.matcher.match(asked)


def test_two_entities_of_one_id_leave_nothing_wrong_behind(kept: Path) -> None:
    """A fault that `check` tells; what another process made of them is not what one of them is called."""
    lines = "entities:\n  a: {kind: place, name: Anbar}\n  b: {kind: place, name: Basra}\n"
    first, second = watchlist(lines, "x"), watchlist(lines.replace("Anbar", "Amara"), "y")
    made = compile_watchlists([first, second], ahead=Ahead((first, second), lambda: names_ahead([first, second])))
    assert same(made.matcher, compile_watchlists([first, second]).matcher)
    made.keep(kept)
    mended = watchlist(lines.replace("Anbar", "Amara").replace("b:", "c:"), "y")
    left = watchlist("entities:\n  b: {kind: place, name: Basra}\n", "x")
    assert named(compile_watchlists([left, mended], kept=kept).matcher, "Anbar, Amara, Basra") == [
        ("a", "Amara"),
        ("b", "Basra"),
        ("c", "Basra"),
    ]


def test_what_an_edit_left_is_made_anew_where_it_is_broken(kept: Path, small: WatchlistFile) -> None:
    """Sounds that are none: they are made of the names."""
    start(kept, small)
    place = kept.with_suffix(".names")
    read = sealed.read(place, packed._version())
    assert read is not None
    told, raw = read
    sizes = told["sizes"]
    sealed.write(place, packed._version(), told, [bytes(raw[: sum(sizes[:-1])]), b"\n" * sizes[-1]])
    edited = renamed(small, "Badr Organization", "Badr Organisation")
    assert same(compile_watchlists([edited], kept=kept).matcher, compile_watchlists([edited]).matcher)


def test_names_that_another_process_made_are_the_same(
    kept: Path, small: WatchlistFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads half of the files makes their names as well; without its answer they are made here."""
    by_two(monkeypatch)
    loaded = load(PROJECT / "watchlists", kept, names_ahead)
    assert len(loaded.files) > len(loaded.ahead.files) > 3
    made = compile_watchlists(loaded.files, loaded.feeds, examples=False, ahead=loaded.ahead).matcher
    assert same(made, compile_watchlists(loaded.files, loaded.feeds, examples=False).matcher)
    for answer in (lambda: None, lambda: b"{}\n", lambda: b"x"):
        lone = compile_watchlists([small], examples=False, ahead=Ahead((small,), answer)).matcher
        assert same(lone, compile_watchlists([small], examples=False).matcher)


def test_an_edit_is_compiled_anew(kept: Path, small: WatchlistFile) -> None:
    """A changed letter, another name of the file, another order: what was kept is none of these."""
    other = watchlist(PLAIN.partition("X\n")[2], "x")
    assert start(kept, small, other).anew
    for files in (
        (small, watchlist(PLAIN.partition("X\n")[2].replace("Anbar", "Ambar"), "x")),
        (other, small),
        (small, replace(other, file="y.yaml")),
        (small,),
    ):
        made = start(kept, *files)
        assert made.anew
        assert parts(made.matcher) == parts(compile_watchlists(files).matcher)
    stale = named(
        start(kept, watchlist(PLAIN.partition("X\n")[2].replace("Anbar", "Ambar"), "x")).matcher, "Anbar, Ambar"
    )
    assert stale == [("a", "Ambar")]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package's modules and data, of which the version is made."""
    place = tmp_path / "program"
    shutil.copytree(PROJECT / "monitor", place, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sealed, "_PACKAGE", place)
    _forget()
    yield place
    _forget()


def _forget() -> None:
    sealed.version.cache_clear()
    packed._version.cache_clear()


@pytest.mark.parametrize(
    "part",
    ["text/data/sounds.toml", "text/data/affixes/tr.toml", "match/sounds.py", "query/parse.py", "_yaml.py", "model.py"],
)
def test_another_program_compiles_anew(kept: Path, program: Path, small: WatchlistFile, part: str) -> None:
    """A changed byte in a module or in the data of the engine: what the other one compiled is not believed."""
    assert [start(kept, small).anew for _ in range(2)] == [True, False]
    with (program / part).open("ab") as file:
        file.write(b"#")
    _forget()
    assert [start(kept, small).anew for _ in range(2)] == [True, False]


def test_a_program_that_cannot_tell_its_version_keeps_nothing(kept: Path, program: Path, small: WatchlistFile) -> None:
    """Where its modules do not lie as files, nobody could tell whether what was kept is still right."""
    shutil.rmtree(program)
    assert [start(kept, small).anew for _ in range(2)] == [True, True]
    assert list(kept.parent.iterdir()) == []


def test_what_has_a_problem_is_not_kept(kept: Path) -> None:
    """A rule that names nobody, an example that does not hold; nor files whose letters are not known."""
    for lines in (
        'rules:\n  r: {title: R, query: "@nobody"}\n',
        "examples:\n  - {say: Najaf, hits: [], mentions: [a]}\n",
    ):
        assert start(kept, watchlist(f"entities:\n  a: {{kind: place, name: Anbar}}\n{lines}")).problems
    start(kept, replace(watchlist(LINES), source=""))
    assert list(kept.parent.iterdir()) == []


def test_names_of_other_rules_are_not_taken(kept: Path, small: WatchlistFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that asks for a leaf that the kept names do not have: they are of something else."""
    start(kept, small)
    more = watchlist(LINES + '  more: {title: More, query: "tank"}\n')
    letters = packed._letters([small])
    monkeypatch.setattr(packed, "_letters", lambda _: letters)
    assert not compile_watchlists([small], kept=kept).anew
    made = compile_watchlists([more], kept=kept)
    assert made.anew
    assert made.matcher.match([article("tank")])[0].hits[0].rule == "more"


def test_where_nothing_can_be_kept_nothing_is_said(tmp_path: Path, small: WatchlistFile) -> None:
    """No folder, a folder or a pipe in the place of the file: it is compiled, no more."""
    (tmp_path / "taken.names").mkdir()
    os.mkfifo(tmp_path / "pipe.names")
    for kept in (tmp_path / "none" / "x", tmp_path / "taken"):
        assert start(kept, small).anew
        assert start(kept, small).anew
    assert compile_watchlists([small], kept=tmp_path / "pipe").anew
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe.names", "taken.names"]


def test_another_users_file_is_not_believed(kept: Path, small: WatchlistFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """An automaton is taken as it lies there: only from one's own hand, or from root's."""
    start(kept, small)
    if os.geteuid():
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    else:
        os.chown(kept.with_suffix(".names"), 4711, -1)
    assert compile_watchlists([small], kept=kept).anew


def test_a_file_has_a_bound(kept: Path, small: WatchlistFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be larger is not kept; a larger file is not read."""
    start(kept, small)
    size = kept.with_suffix(".names").stat().st_size
    monkeypatch.setattr(sealed, "MOST_BYTES", size // 2)
    assert start(kept, small).anew
    assert kept.with_suffix(".names").stat().st_size == size


def check(config: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a check."""
    done = CliRunner().invoke(check_command, arguments, obj=config)
    return done.exit_code, done.output


def folder(place: Path, text: str = PLAIN) -> Path:
    """A folder of one watchlist."""
    place.mkdir(exist_ok=True)
    (place / "x.yaml").write_text(text)
    return place


def test_a_folder_without_a_store_is_kept_in_the_users_cache(tmp_path: Path, cache: Path) -> None:
    """One file of each kind, for the owner alone, which holds what was checked last."""
    nowhere, first = tmp_path / "monitor.yaml", folder(tmp_path / "first")
    told = check(nowhere, str(first))
    place = cache / "desk-monitor"
    kept = {path.name: path.read_bytes() for path in place.iterdir()}
    assert kept.keys() == {"checked.names", "checked.watchlists"}
    assert place.stat().st_mode & 0o777 == 0o700
    assert check(nowhere, str(first)) == told
    assert {path.name: path.read_bytes() for path in place.iterdir()} == kept
    second = folder(tmp_path / "second", PLAIN.replace("Anbar", "Ambar"))
    assert check(nowhere, str(second))[0] == told[0]
    assert {path.name for path in place.iterdir()} == kept.keys()
    assert all(path.read_bytes() != kept[path.name] for path in place.iterdir())


def test_a_workspace_without_a_store_is_kept_in_the_users_cache(desk: Workspace, cache: Path) -> None:
    """As after a checkout; with one, both files lie beside it."""
    shutil.rmtree(desk.root / "data")
    assert check(desk.config)[0] == 0
    assert len(list((cache / "desk-monitor").iterdir())) == 2
    shutil.rmtree(cache)
    (desk.root / "data").mkdir()
    assert check(desk.config)[0] == 0
    assert {path.name for path in (desk.root / "data").iterdir()} == {"monitor.watchlists", "monitor.names"}
    assert not cache.exists()


@pytest.mark.parametrize("given", ["", "relative", "taken"])
def test_without_a_cache_nothing_is_kept_and_nothing_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """No home, a relative path, a file in the place of the folder."""
    place = folder(tmp_path / "lists")
    (tmp_path / "taken").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / given) if given == "taken" else given)
    told = check(tmp_path / "monitor.yaml", str(place))
    assert (told[0], check(tmp_path / "monitor.yaml", str(place))) == (0, told)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "foreign") == ["lists", "taken"]


def test_a_home_has_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other place is named."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    check(tmp_path / "monitor.yaml", str(folder(tmp_path / "lists")))
    assert len(list((tmp_path / "home" / ".cache" / "desk-monitor").iterdir())) == 2


def test_a_watch_starts_with_what_was_kept(desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one start compiled the next one, a child and a trial find; after an edit nobody finds a stale name."""
    path = desk.write("watchlists/more.yaml", PLAIN)
    with App.at(desk.config) as app:
        first = app.editorial.current().matcher
    with monkeypatch.context() as patch:
        patch.setattr("monitor.match.compile._compiled", None)  # nothing may be compiled
        with App.at(desk.config) as app:
            force = app.editorial.current()
            again, child = force.matcher, matcher_of(Recipe.of(force))
            assert edited(desk.root / "watchlists", force, app.store).new.kept == force.kept
    assert parts(first) == parts(again) == parts(child)
    path.write_text(PLAIN.replace("Anbar", "Ambar"))
    with App.at(desk.config) as app:
        assert named(app.editorial.current().matcher, "Anbar, Ambar")[-1] == ("a", "Ambar")
