"""Trying an edit: what it gains and loses is what two full matchers say, and nothing is written."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from engine import watchlist
from fakes import NOW, Workspace
from test_rematch import article, called, dump, fill, inline

from monitor.app import App
from monitor.errors import ConfigError, UsageError
from monitor.match import compile_watchlists
from monitor.match.difference import Key, difference
from monitor.model import Article, Feed
from monitor.service.account import key_of
from monitor.service.trial import Edited, Outcome, Row, Trial, compared, edited

LIST = """\
entities:
  base:
    kind: base
    name: Ain al-Asad
    names: {en: [Ain al-Asad], ar: [عين الأسد]}
    short: [{say: Asad base, with: [Anbar], within: 5}]
    mask: [Hafez al-Asad]
    groups: [hosts]
  khazali: {kind: person, name: Qais al-Khazali, names: {ar: [قيس الخزعلي]}, level: low}
  pkk: {kind: party, name: PKK}
words:
  attack: {en: [attack*, struck]}
  drill: {en: [drill]}
rules:
  one: {title: One, level: high, query: '@hosts NEAR/5 #attack'}
  two: {title: Two, level: normal, query: '@pkk NOT #drill'}
  three: {title: Three, level: normal, query: 'rain AND country:iq'}
"""

TEXTS = (
    "Ain al-Asad was attacked.",
    "The Asad base in Anbar was struck.",
    "The Asad base near nothing.",
    "Hafez al-Asad spoke of rain.",
    "قصف عين الأسد",
    "Qeys Khazali and Qais al-Khazali met.",
    "قيس الخزعلي",
    "The PKK spoke.",
    "A drill of the PKK.",
    "Harir was hit; the Ain al-Asad Air Wing as well.",
    "Rain in Basra.",
    "The PKK in Harir, struck.",
    "Kais el Hazali",
    "An attack, far from Ain al-Asad, and then on and on and on and on it went.",
)

EDITS = {
    "a name more": ("names: {en: [Ain al-Asad],", "names: {en: [Ain al-Asad, Harir],"),
    "a name less": (", ar: [عين الأسد]", ""),
    "an entity less": ("  pkk: {kind: party, name: PKK}\n", "  pkk: {kind: party, name: HPG}\n"),
    "an entity more": ("words:", "  wing: {kind: base, name: Ain al-Asad Air Wing, groups: [hosts]}\nwords:"),
    "a mask less": ("    mask: [Hafez al-Asad]\n", ""),
    "another mask": ("[Hafez al-Asad]", "[Hafez al-Asad, Asad base in Anbar]"),
    "other company": ("with: [Anbar], within: 5", "with: [nothing]"),
    "nearer company": ("within: 5}", "within: 0}"),
    "a sound": ("name: Qais al-Khazali", "name: Qays al-Khazali"),
    "no sound": (", names: {ar: [قيس الخزعلي]}", ""),
    "a word more": ("struck]", "struck, hit]"),
    "a word less": ("attack*, struck", "struck"),
    "a query": ("NEAR/5", "NEAR/1"),
    "a rule for a language": ("level: high, query", "level: high, languages: [ar], query"),
    "a rule more": ("  two:", "  four: {title: Four, level: low, query: 'title:(spoke) OR Basra'}\n  two:"),
    "a rule less": ("  two: {title: Two, level: normal, query: '@pkk NOT #drill'}\n", ""),
    "other groups": ("    groups: [hosts]\n", "    groups: [hosting, host, hosts]\n"),
    "a level": ("level: low}", "level: flash}"),
    "a title": ("title: Two", "title: Second"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_only_touched_articles_differ(edit: str) -> None:
    """No article that the pass over the differing spellings leaves out is read otherwise by the two matchers."""
    old, new = watchlist(LIST), watchlist(LIST.replace(*EDITS[edit]))
    assert old.source != new.source
    feeds = [Feed(id="a", country="iq")]
    before, after = (compile_watchlists([f], feeds).matcher for f in (old, new))
    differs = difference(before, after)
    texts = [article(n, text) for n, text in enumerate(TEXTS * 20)]
    flags = differs.touched(texts)
    for text, flag, one, other in zip(texts, flags, before.match(texts), after.match(texts), strict=True):
        same = {key_of(h) for h in one.hits} == {key_of(h) for h in other.hits}
        assert same or flag, text.text
    if edit in {"a level", "a title", "other groups"}:
        assert not any(flags)


def test_feeds_of_another_country_touch_the_rules_that_ask_for_it() -> None:
    """What feeds.yaml says of a country is a part of the rules that name one."""
    before, after = (compile_watchlists([watchlist(LIST)], [Feed(id="a", country=c)]).matcher for c in ("iq", "tr"))
    differs = difference(before, after)
    assert differs.edited == {("w", "three", None)}
    assert differs.touched([article(1, "Rain."), article(2, "PKK")]) == [True, False]


# the archive and the mail


@pytest.fixture
def app(desk: Workspace) -> Iterator[App]:
    """A workspace with stored articles of 0 to 65 days, opened as `monitor try` opens it."""
    desk.write("watchlists/bases.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{LIST}")
    fill(desk, [article(n, TEXTS[n % len(TEXTS)], days=n / 2) for n in range(130)])
    with App(desk.open().config, read_only=True) as made:
        made.clock = desk.clock
        yield made


def tried(app: App, path: Path, days: int | None = None, most: int | None = None) -> Outcome:
    """The outcome of an edit, without processes."""
    edit = edited(path, app.editorial.current(), app.store)
    trial = Trial(store=app.store, reading=app.reading, children=inline, post=app.post, clock=app.clock)
    return trial.run(edit, NOW - timedelta(days=days) if days else None, most=most)


def counts(edit: Edited, articles: Sequence[Article]) -> Counter[tuple[Key, str]]:
    """Gained (+), lost (-) and same (=) by rule or entity, by matching every article twice."""
    counted: Counter[tuple[Key, str]] = Counter()
    for one, other in zip(edit.old.matcher.match(articles), edit.new.matcher.match(articles), strict=True):
        old, new = {key_of(h) for h in one.hits}, {key_of(h) for h in other.hits}
        counted.update([(k, "+") for k in new - old] + [(k, "-") for k in old - new] + [(k, "=") for k in old & new])
    return counted


def rows(outcome: Outcome) -> dict[Key, Row]:
    """By rule or entity."""
    return {row.key: row for row in outcome.rows}


@pytest.mark.parametrize("edit", EDITS)
def test_the_account_is_that_of_two_full_matchers(edit: str, app: App, desk: Workspace) -> None:
    """Gained, lost and same of each rule and entity are what matching every article twice gives."""
    source = f"watchlist: w\ntitle: W\nlevel: normal\n{LIST.replace(*EDITS[edit])}"
    path = desk.write("edited.yaml", source)
    edit_ = edited(path, app.editorial.current(), app.store)
    counted = counts(edit_, [s.article for _, s in app.store.scan(None, 0, 1000)])
    found = rows(tried(app, path))
    assert {k for k, sign in counted if sign != "="} <= found.keys()
    for key, row in found.items():
        assert (row.gained, row.lost, row.same) == tuple(counted[key, sign] for sign in "+-="), key
        assert min(row.gained, 3) == len(row.more)
        assert min(row.lost, 3) == len(row.less)


HIDING = """\
entities:
  base: {kind: base, name: Balad Base, names: {ar: [قاعدة بلد]}}
  iraq: {kind: state, name: Iraq, level: low}
  army: {kind: party, name: Army of Iraq}
  museum: {kind: state-organ, name: Iraq War Museum, short: [{say: Museum, with: ["@iraq"], within: 2}]}
  war: {kind: event, name: War Museum Guard, mask: [War Museum Guard House]}
  guard: {kind: party, name: Museum Guard of the Army}
  salami: {kind: person, name: Hossein Salami, names: {ar: [حسين سلامي]}}
rules:
  one: {title: One, level: high, query: '(@base NEAR/2 House) OR (@iraq PRE/1 "met") OR title:(@museum)'}
"""


@pytest.mark.parametrize("name", ["Iraq", "Iraq War", "Museum", "of the Army", "Guard", "Hosein", "Army of Iraq War"])
def test_names_that_hide_each_other_are_told_as_by_two_full_matchers(name: str, desk: Workspace) -> None:
    """Whoever stands in, around or across a new name: what it hides and what hides it is told article by article."""
    words = ["Iraq", "War", "Museum", "Guard", "House", "of", "the", "Army", "Balad", "Base", "met", "Hosein", "Salami"]
    chance = random.Random(name)
    texts = [" ".join(chance.choices(words, k=9)) for _ in range(400)]
    desk.write("watchlists/bases.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{HIDING}")
    fill(desk, [article(n, text, days=n / 9) for n, text in enumerate(texts)])
    path = desk.write(
        "edited.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{HIDING.replace('بلد]', f'بلد], en: [{name}]')}"
    )
    with App(desk.open().config, read_only=True) as app:
        app.clock = desk.clock
        edit = edited(path, app.editorial.current(), app.store)
        counted = counts(edit, [s.article for _, s in app.store.scan(None, 0, 1000)])
        found = rows(tried(app, path))
    assert sum(counted[key, sign] for key, sign in counted if sign != "=")
    assert {k for k, sign in counted if sign != "="} <= found.keys()
    for key, row in found.items():
        assert (row.gained, row.lost, row.same) == tuple(counted[key, sign] for sign in "+-="), key
        assert all(sample.marks for sample in (*row.more, *row.less))


MANY = LIST.replace("en: [Ain al-Asad],", "en: [Ain al-Asad, Harir, PKK, rain],").replace("NEAR/5", "NEAR/1")
"""An edit that concerns most of the articles, names and rules."""


@pytest.mark.parametrize("most", [1, 7, 20])
@pytest.mark.parametrize(
    "lines",
    [MANY, LIST.replace("NEAR/5", "NEAR/1"), LIST.replace("struck]", "struck, the]")],
    ids=["names", "rule", "word"],
)
def test_of_very_many_articles_the_newest_are_counted(
    lines: str, most: int, app: App, desk: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told then is exact from the date on that is told with it; the next mail is that of the whole archive."""
    monkeypatch.setattr("monitor.service.trial.SIZE", 10)
    monkeypatch.setattr("monitor.service.trial.STEP", 3)
    path = desk.write("edited.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{lines}")
    whole, newest = tried(app, path), tried(app, path, most=most)
    assert (whole.counted, whole.counted_since) == (whole.touched, None)
    assert newest.counted_since is not None
    assert newest.counted == most < newest.touched == whole.touched
    assert newest.mail == whole.mail
    late = [s.article for _, s in app.store.scan(newest.counted_since, 0, 1000)]
    counted = counts(edited(path, app.editorial.current(), app.store), late)
    for key, row in rows(newest).items():
        assert (row.gained, row.lost, row.same) == tuple(counted[key, sign] for sign in "+-="), key


def test_an_archive_without_dates_is_bounded_too(desk: Workspace) -> None:
    """Where all articles are of one second those that came last are counted, and what is told is exact for them."""
    undated = [replace(article(n, TEXTS[n % len(TEXTS)], standing="archive"), seen=NOW) for n in range(130)]
    for lines, some in ((LIST.replace("PKK", "HPG"), undated[:60]), (LIST, undated[60:])):
        desk.write("watchlists/bases.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{lines}")
        fill(desk, some)
    path = desk.write("edited.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{MANY}")
    with App(desk.open().config, read_only=True) as app:
        app.clock = desk.clock
        edit, outcome = edited(path, app.editorial.current(), app.store), tried(app, path, most=20)
        assert (outcome.counted, outcome.counted_since) == (20, NOW)
        assert outcome.articles == 130 > outcome.touched > 20
        every = [s.article for _, s in app.store.scan(None, 0, 1000)]
        first = [n for n, touched in enumerate(compared(edit).touched(every)) if touched][-20]
        counted = counts(edit, every[first:])
        assert (outcome.stale, tried(app, path).stale) == (0, 60)
    for key, row in rows(outcome).items():
        assert (row.gained, row.lost, row.same) == tuple(counted[key, sign] for sign in "+-="), key


def test_children_find_the_names_compiled(app: App, desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent hands over the names of both sides as it compiled them, also of an edit whose examples fail."""
    source = f"watchlist: w\ntitle: W\n{MANY}examples:\n  - {{say: Harir fell., hits: [one]}}\n"
    edit = edited(desk.write("edited.yaml", source), app.editorial.current(), app.store)
    assert edit.failing
    assert edit.old.matcher is not edit.new.matcher
    monkeypatch.setattr("monitor.match.compile._compiled", None)
    trial = Trial(store=app.store, reading=app.reading, children=inline, post=app.post, clock=app.clock)
    assert trial.run(edit, None).counted


def test_nothing_is_written(app: App, desk: Workspace) -> None:
    """The database is the same to the byte and untouched, even after an edit that differs everywhere."""
    path, before = app.config.store, dump(app.config.store)
    content, changed = path.read_bytes(), path.stat().st_mtime_ns
    edit = desk.write("edited.yaml", f"watchlist: w\ntitle: W\n{LIST.replace('PKK', 'HPG').replace('drill', 'rain')}")
    assert tried(app, edit).touched
    assert (path.read_bytes(), path.stat().st_mtime_ns, dump(path)) == (content, changed, before)


def test_the_next_mail_is_told_in_stories_and_bytes(app: App, desk: Workspace) -> None:
    """Stories of the last day come and go with the hits that an edit gains and loses, and with its levels."""
    lines = LIST.replace("name: PKK", "name: HPG").replace("en: [Ain al-Asad],", "en: [Ain al-Asad, Harir],")
    path = desk.write(
        "edited.yaml", f"watchlist: w\ntitle: W\nlevel: low\n{lines.replace('level: high', 'level: low')}"
    )
    (mail,) = tried(app, path).mail
    assert mail.desk == "iraq"
    assert mail.stories == (2, 0)
    assert mail.size[0] > mail.size[1] > 1000
    path = desk.write("edited.yaml", f"watchlist: w\ntitle: W\nlevel: normal\n{LIST}  more: {{title: More, "
                                     "level: normal, query: base}\n")  # fmt: skip
    (mail,) = tried(app, path).mail
    assert mail.stories == (2, 2)
    assert mail.size[1] > mail.size[0]


def test_only_the_days_asked_for_are_tried(app: App, desk: Workspace) -> None:
    """--days limits the articles."""
    path = desk.write("edited.yaml", f"watchlist: w\ntitle: W\n{LIST}")
    assert tried(app, path, days=10).articles == 20
    assert tried(app, path).articles == 130


def test_a_file_saved_in_place_is_compared_with_its_last_good_revision(app: App, desk: Workspace) -> None:
    """An edit that was saved into the workspace's own folder is still told as an edit."""
    source = f"watchlist: w\ntitle: W\nlevel: normal\n{LIST.replace('name: PKK', 'name: HPG')}"
    path = desk.write("watchlists/bases.yaml", source)
    lost = rows(tried(app, path))["w", None, "pkk"].lost
    assert lost > 0
    folder = rows(tried(app, path.parent))["w", None, "pkk"].lost
    assert folder == lost


def test_a_faulty_edit_is_refused_at_its_place(app: App, desk: Workspace) -> None:
    """An edit that could not come into force for another reason than its examples is an error with line and column."""
    path = desk.write("edited.yaml", f"watchlist: w\ntitle: W\n{LIST.replace('@hosts', '@host')}")
    with pytest.raises(ConfigError, match=r"edited\.yaml:\d+:\d+: .*no entity or group"):
        tried(app, path)
    other = desk.write("other.yaml", f"watchlist: other\ntitle: O\n{LIST}")
    with pytest.raises(ConfigError, match="defined twice"):
        tried(app, other)
    with pytest.raises(UsageError, match="cannot be read"):
        tried(app, desk.root / "none.yaml")
    with pytest.raises(UsageError, match="cannot be tried"):
        tried(app, desk.root / "watchlists" / "feeds.yaml")


def test_try_shows_the_account(
    app: App, desk: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints a row per rule and entity with marked samples, failing examples and the mail; exit code 3."""
    monkeypatch.setattr("monitor.app.now", desk.clock)
    app.close()
    lines = LIST.replace("en: [Ain al-Asad],", "en: [Ain al-Asad, Harir],")
    source = f"watchlist: w\ntitle: W\nlevel: normal\n{lines}examples:\n  - {{say: Harir fell., hits: [one]}}\n"
    path = str(desk.write("edited.yaml", source))
    assert called(desk, "try", path, "--days", "0") == 3
    shown = capfd.readouterr().out
    assert "+ w @base" in shown
    assert "The PKK in [[Harir]], struck." in shown
    assert "should hit `one` and does not" in shown
    assert "The next mail of iraq: 2 stories" in shown
    assert "nothing was written" in shown
    assert called(desk, "try", path, "--json") == 3
    *told, last = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    base = next(row for row in told if row["entity"] == "base")
    assert base.keys() == {"watchlist", "rule", "entity", "title", "gained", "lost", "same", "levels", "samples"}
    assert {s["change"] for s in base["samples"]} == {"+"}
    assert base["samples"][0]["marks"][0]["letters"] == "Harir"
    assert (last["articles"], last["days"], len(last["examples"])) == (60, 30, 1)
    assert last["mail"][0]["desk"] == "iraq"
    assert last["gained"] == sum(row["gained"] for row in told)
    assert (last["counted"], last["counted_since"]) == (last["touched"], None)
    monkeypatch.setattr("monitor.service.trial.MOST", 5)
    assert called(desk, "try", path, "--days", "0") == 3
    said = r"Counted in the newest 5 of the \d+ articles that it may concern \(those since \d{4}-\d\d-\d\d\): `--all` "
    assert re.search(said, capfd.readouterr().out)
    assert called(desk, "try", path, "--days", "0", "--all") == 3
    assert "Counted in" not in capfd.readouterr().out
    assert called(desk, "try", str(desk.root / "watchlists"), "--json") == 0
    assert "in force already" in capfd.readouterr().err
