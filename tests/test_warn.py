"""Warnings of `monitor check`: what looks wrong, where it stands, how it is settled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from engine import NOW, article, compiled, watchlist
from fakes import Workspace

from monitor.cli.edit import check_command
from monitor.errors import ConfigError
from monitor.match import compile_watchlists
from monitor.model import Article, Batch
from monitor.service.lint import Warned, plain_warnings
from monitor.service.warn import LEAST_ARTICLES, stored_warnings
from monitor.store import SqliteStore
from monitor.watchlists import WARNINGS, WatchlistFile, load

SHIPPED = Path(__file__).parents[1] / "watchlists"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty store."""
    made = SqliteStore(tmp_path / "monitor.db", create=True, clock=lambda: NOW)
    yield made
    made.close()


def keep(store: SqliteStore, texts: list[str], *files: WatchlistFile, days: int = 0, lang: str = "en") -> None:
    """Store one article per text, seen so many days ago, matched by the files."""
    found: list[Article] = [
        article(text, id=f"{days}-{n}", lang=lang, revision=f"r{n}", seen=NOW - timedelta(days=days, seconds=n))
        for n, text in enumerate(texts)
    ]
    matcher = compiled(*files)
    matched, stories = tuple(matcher.match(found)), tuple(a.id for a in found)
    store.save([Batch(articles=tuple(found), matched=matched, matched_rev=matcher.rev, stories=stories)])


def said(warned: list[Warned]) -> list[tuple[str, int, int, bool]]:
    """(slug, line, column, settled) of each."""
    return [(w.slug, w.problem.line, w.problem.column, w.settled) for w in warned]


def plain(*files: WatchlistFile) -> list[tuple[str, int, int, bool]]:
    """The warnings that need no store; a matcher that is at hand changes nothing."""
    told = plain_warnings(files)
    assert told == plain_warnings(files, compile_watchlists(files, examples=False).matcher)
    return said(told)


def stored(store: SqliteStore, *files: WatchlistFile, every: bool = True) -> list[Warned]:
    """The warnings that need one."""
    return stored_warnings(files, store, NOW, every=every)


def test_the_shipped_watchlists_have_none() -> None:
    """Whatever the shipped files alone could be warned of is mended or settled."""
    assert [str(w.problem) for w in plain_warnings(load(SHIPPED).files) if not w.settled] == []


def test_a_shared_name() -> None:
    """Two entities with a name that folds alike are told once, at the later place, with the other place."""
    one = watchlist("entities:\n  faw: {kind: place, name: Faw, names: {tr: [Fâv], ar: [الفاو]}}\n", "one")
    two = watchlist("entities:\n  fav: {kind: company, name: Fav Ltd, names: {en: [FAV], ku: [fav]}}\n", "two")
    assert plain(one, two) == [("shared-name", 5, 52, False)]
    problem = plain_warnings([one, two])[0].problem
    assert problem.file == "two.yaml"
    assert "one.yaml:5" in problem.sentence
    assert "`short`" in problem.hint
    assert problem.warning
    assert plain(one) == []


def test_a_shared_name_is_settled_at_either_entity() -> None:
    """`accept` at one of the two is enough; at a third it says nothing of these."""
    lines = (
        "entities:\n  a: {kind: place, name: Same%s}\n  b: {kind: place, name: same%s}\n  c: {kind: place, name: C%s}\n"
    )
    accept = ", accept: {warning: shared-name, reason: both are meant, on: 2026-11-21}"
    for settled, places in ((True, (accept, "", "")), (True, ("", accept, "")), (False, ("", "", accept))):
        assert plain(watchlist(lines % places)) == [("shared-name", 6, 3, settled)]


def test_a_ring_of_relations() -> None:
    """Relations that lead back are told once, at the one that closes the ring, over files too; a diamond is none."""
    one = watchlist(
        "entities:\n  a: {kind: place, name: Aa1, part_of: b}\n  d: {kind: place, name: Dd, part_of: a}\n", "one"
    )
    two = watchlist(
        "entities:\n  b: {kind: place, name: Bb, part_of: c}\n  c: {kind: place, name: Cc, located_in: a}\n", "two"
    )
    assert plain(one, two) == [("cycle", 6, 42, False)]
    assert "a > b > c > a" in plain_warnings([one, two])[0].problem.sentence
    diamond = "entities:\n  a: {kind: place, name: A1, part_of: [b, c]}\n  b: {kind: place, name: B1, part_of: d}\n"
    assert plain(watchlist(diamond + "  c: {kind: place, name: C1, part_of: d}\n  d: {kind: place, name: D1}\n")) == []


def test_a_stem_that_folding_shortens() -> None:
    """A star after three letters of which folding keeps two is told, in a list and in a query; plain ones are not."""
    lines = "words:\n  w: {ar: [ءءع*, هجوم*], en: [attack*]}\nrules:\n  r: {title: R, query: '#w OR ءءع*'%s}\n"
    lines += "examples:\n  - {say: an attack, hits: [r]}\n"
    assert plain(watchlist(lines % "")) == [("short-star", 5, 12, False), ("short-star", 7, 31, False)]
    accept = ", accept: {warning: short-star, reason: x}"
    assert [s for *_, s in plain(watchlist(lines % accept))] == [False, True]


def test_a_star_after_two_letters_is_an_error() -> None:
    """What would find half the dictionary is refused outright, as is a kind that no entity has."""
    with pytest.raises(ConfigError, match="3 letters"):
        watchlist("words:\n  w: {en: [at*]}\n")
    file = watchlist("entities:\n  a: {kind: place, name: Anbar}\nrules:\n  r: {title: R, query: '@kind:base @a'}\n")
    assert any("kind" in p.sentence for p in compile_watchlists([file]).problems)


def test_only_known_warnings_can_be_settled() -> None:
    """A misspelt warning in `accept` is an error with a suggestion, at its place."""
    with pytest.raises(ConfigError, match=r"w\.yaml:5:51: `comon` is no warning\. Did you mean `common`"):
        watchlist("entities:\n  a: {kind: place, name: Anbar, accept: {warning: comon, reason: x}}\n")
    for slug in WARNINGS:
        watchlist(f"entities:\n  a: {{kind: place, name: Anbar, accept: {{warning: {slug}, reason: x}}}}\n")


def test_a_common_name(store: SqliteStore) -> None:
    """A name in more than one of a hundred articles is told with its count, each spelling alone; a low one is not."""
    file = watchlist(
        "entities:\n"
        "  anbar: {kind: place, name: Anbar, names: {en: [Al-Anbar desert], tr: [ANBAR]}}\n"
        "  iraq: {kind: state, name: Iraq, level: low}\n"
        "  kut: {kind: place, name: Kut, accept: {warning: common, reason: wanted}}\n"
    )
    keep(store, ["In Iraq near Kut, Anbar's men met."] * 6 + ["Nothing of note."] * (LEAST_ARTICLES - 6), file)
    found = [w for w in stored(store, file) if w.slug == "common"]
    assert said(found) == [("common", 5, 3, False), ("common", 7, 3, True)]
    assert f"6 of the newest {LEAST_ARTICLES}" in found[0].problem.sentence
    assert "1.2%" in found[0].problem.sentence


def test_few_articles_tell_nothing(store: SqliteStore) -> None:
    """Among a handful of articles no name is called common, none unseen; an empty store says nothing."""
    file = watchlist("entities:\n  anbar: {kind: place, name: Anbar}\n  kut: {kind: place, name: Kut}\n")
    assert stored(store, file) == []
    keep(store, ["Anbar."] * 20, file)
    assert stored(store, file) == []


NAMES = """entities:
  anbar: {kind: place, name: Anbar, names: {ar: [الأنبار], tr: [Enbar]}}
  hizbullah: {kind: party, name: Hizbullah, names: {ar: [حزب الله], fa: [حزب‌اللهی]}}
  nothing: {kind: place, name: Nowhere, names: {ar: [لامكان], en: [No Place]}}
"""


def test_names_never_seen(store: SqliteStore) -> None:
    """Once the store covers 180 days, each spelling that no later article holds is listed; prefixes are met."""
    file = watchlist(NAMES)
    keep(store, ["Nowhere was this in No Place."], file, days=200)
    keep(store, ["وفي بالأنبار اجتماع", "كتائب وحزب الله"], file, days=20, lang="ar")
    unseen = {w.problem.sentence.split("`")[1] for w in stored(store, file)}
    assert unseen == {"Anbar", "Enbar", "Hizbullah", "حزب‌اللهی", "Nowhere", "لامكان", "No Place"}
    assert {w.slug for w in stored(store, file)} == {"unseen"}


def test_silent_entities_are_counted_first(store: SqliteStore) -> None:
    """Without asking for all, the names of entities that no article holds at all are told, and no others."""
    file = watchlist(NAMES)
    keep(store, ["Long ago."], file, days=200)
    keep(store, ["Anbar and Hizbullah."] * 3, file, days=20)
    unseen = {w.problem.sentence.split("`")[1] for w in stored(store, file, every=False)}
    assert unseen == {"Nowhere", "لامكان", "No Place"}


def test_unseen_is_not_said_of_a_young_store(store: SqliteStore) -> None:
    """Before the store covers 180 days no name is called unseen."""
    file = watchlist(NAMES)
    keep(store, ["Long ago."], file, days=179)
    assert stored(store, file) == []


RULED = """entities:
  asad: {kind: base, name: Ain al-Asad}
words:
  attack: {en: [attack*, "shot down", hit], ar: [هجوم]}
rules:
  r: {title: R, query: '@asad NEAR/9 #attack'%s}
"""


def test_a_dominant_term(store: SqliteStore) -> None:
    """The one term of a list that causes most hits of a rule is told at its place in the list, with the rule."""
    file = watchlist(RULED % "")
    texts = ["Ain al-Asad was attacked again."] * 21 + ["Ain al-Asad: a drone shot down."] * 4
    keep(store, [*texts, *["Attackers hit Ain al-Asad."] * 4], file)
    found = stored(store, file)
    assert said(found) == [("dominant", 7, 17, False)]
    assert "`attack*` alone causes 21 of the newest 29 hits of the rule `r`" in found[0].problem.sentence
    assert "monitor search rule:r" in found[0].problem.hint


def test_a_dominant_term_is_settled_at_the_rule(store: SqliteStore) -> None:
    """`accept` at the rule settles it."""
    file = watchlist(RULED % ", accept: {warning: dominant, reason: that is the word}")
    keep(store, ["Ain al-Asad was attacked again."] * 21, file)
    assert [w.settled for w in stored(store, file)] == [True]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["Ain al-Asad was attacked."] * 19, "too few hits"),
        (["Ain al-Asad was attacked."] * 24 + ["Ain al-Asad was hit."] * 16, "no more than 60 of 100"),
        (["Ain al-Asad attacked, a drone shot down."] * 30, "two terms share them"),
    ],
)
def test_no_term_dominates(store: SqliteStore, texts: list[str], why: str) -> None:
    """A term is told only when it alone causes more than 60 of 100 hits, 20 at least."""
    file = watchlist(RULED % "")
    keep(store, texts, file)
    assert stored(store, file) == [], why


def test_a_dominant_word_of_a_query(store: SqliteStore) -> None:
    """A word in brackets with OR counts like a term of a list, at its place in the query; one without a choice not."""
    file = watchlist(
        "entities:\n  asad: {kind: base, name: Ain al-Asad}\n"
        "rules:\n  r: {title: R, query: '@asad (drone* OR rocket) base'}\n"
    )
    keep(store, ["A drone at the base Ain al-Asad."] * 25 + ["A rocket at the base Ain al-Asad."] * 3, file)
    assert said(stored(store, file)) == [("dominant", 7, 32, False)]


def test_nothing_is_written(store: SqliteStore) -> None:
    """Looking for warnings leaves the store as it was."""
    file = watchlist(NAMES)
    keep(store, ["Anbar."] * 5, file, days=200)
    before = [store.counts(), store.meta("verified"), store.last_good()]
    assert stored(store, replace(file))
    assert [store.counts(), store.meta("verified"), store.last_good()] == before


HEAD = "watchlist: bases\ntitle: Bases\n"
TWINS = "entities:\n  a: {kind: place, name: Same}\n  b: {kind: place, name: same%s}\n"


def check(desk: Workspace, *arguments: str) -> Result:
    """`monitor check` in a workspace."""
    return CliRunner().invoke(check_command, arguments, obj=desk.root / "monitor.yaml")


def test_warnings_are_shown_and_pass(desk: Workspace) -> None:
    """A warning is a line with its name, the same as JSON; the exit code stays 0; settled ones are only counted."""
    desk.write("watchlists/bases.yaml", HEAD + TWINS % "")
    shown = check(desk)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("watchlists/bases.yaml:5:3: `same` is a name of `b` and of `a`")
    assert shown.stdout.endswith("(warning: shared-name)\n")
    assert "0 errors, 1 warnings, 0 settled in place." in shown.stderr
    row = json.loads(check(desk, "--json").stdout)
    assert (row["line"], row["warning"], row["slug"]) == (5, True, "shared-name")
    desk.write("watchlists/bases.yaml", HEAD + TWINS % ", accept: {warning: shared-name, reason: both}")
    settled = check(desk)
    assert (settled.exit_code, settled.stdout) == (0, "")
    assert "0 errors, 0 warnings, 1 settled in place." in settled.stderr


def test_unseen_names_are_counted_and_listed_on_request(desk: Workspace) -> None:
    """Names that nobody wrote in 180 days are a figure; `--all` lists them."""
    desk.write("watchlists/bases.yaml", HEAD + "entities:\n  a: {kind: place, name: Nowhere}\n")
    made = SqliteStore(desk.root / "data" / "monitor.db", create=True, clock=lambda: NOW)
    keep(made, ["Long ago."], days=400)
    made.close()
    assert "1 names or more stand in no article of 180 days: `monitor check --all`" in check(desk).stderr
    listed = check(desk, "--all")
    assert listed.exit_code == 0
    assert listed.stdout.startswith("watchlists/bases.yaml:4:3: `Nowhere` of `a` stands in no stored article since")


def test_a_damaged_store_stops_no_check(desk: Workspace) -> None:
    """The files are checked all the same, and that the articles could not be looked at is told."""
    path = desk.root / "data" / "monitor.db"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no database " * 1000)
    said_ = check(desk)
    assert said_.exit_code == 0
    assert "The stored articles were not looked at: " in said_.stderr
    assert "0 errors" in said_.stderr
