"""`monitor check` guards the folder of the desk officers: whatever is broken in the shipped files is told at its place.

A break is a pattern that some shipped file holds, whatever else is edited in it, and what is put there instead; `¦`
stands where the problem must be told.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.cli.edit import check_command
from monitor.errors import ConfigError
from monitor.text import words
from monitor.text.common import is_common
from monitor.watchlists import WARNINGS

SHIPPED = Path(__file__).parents[1] / "watchlists"
SEEDS = SHIPPED.parents[1] / "shared" / "seeds"
PAGE = (SHIPPED.parent / "docs" / "watchlists.md").read_text("utf-8")
PLACE = "¦"


class Break(NamedTuple):
    """What is broken in a file, and what must be told."""

    file: str
    pattern: str
    instead: str
    """Replaces the first place of the pattern."""
    sentence: str
    slug: str = ""


Place = tuple[str, int, int]

UNREADABLE = (
    Break("bases", r"    kind: base\n", "    kind: ¦basis\n", "`basis` is no kind of entity."),
    Break("persons", r"      tr: \[", "      ¦tk: [", "`tk` is no"),
    Break("groups", r"\{say: ([^,{}]+), with: \[[^\]]*\]", r"¦{say: \1", "lacks the key `with`"),
    Break("events", r'quote: "', 'quote: "¦1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 ', "The quote has "),
    Break("organs", r"      en: \[([^,\]{]+)", r"      en: [\1, ¦\1", "stands twice under `en`"),
    Break("places", r"    mask: \[([^,\]]+)", r"    mask: [\1, ¦\1", "stands twice in `mask`"),
    Break("towns", r"    names:\n", "    ¦nmaes:\n", "Unknown key `nmaes`."),
    Break("weapons", r"entities:\n", "entities:\n  ¦Big Gun:\n    kind: weapon\n    name: Big Gun\n", "is no id"),
    Break("offices", r"level: \w+\n", "level: ¦urgent\n", "`urgent` is no level."),
    Break("militias", r"hits: \[([a-z0-9-]+)\]", r"hits: [¦\1-2]", "This file has no rule"),
    Break("laws", r"entities:\n  ([a-z0-9-]+):\n", r"entities:\n  \1: {}\n  ¦\1:\n", r"twice"),
    Break("companies", r"entities:\n", "entities:\n¦\tgun:\n", "A tab stands in the indentation."),
    Break("outlets", r"    kind: outlet\n", "    kind: outlet\n    ¦level:\n", "`level` is empty."),
    Break("desks", r"    watchlists: \[", "    watchlists: [¦basis, ", "There is no watchlist `basis`."),
    Break("feeds", r"  - \{id: \S+ (url: .*\n)", r"\g<0>  - ¦{\1", "is listed twice"),
)
"""What keeps a file from being read at all, one in each."""

WRONG = (
    Break("weapons", r"      en: \[", "      en: [¦Kurdistan Workers Party, ", "so both are mentioned", "shared-name"),
    Break("outlets", r"      en: \[", "      en: [¦the falcon, ", "`the falcon` of `", "common-word"),
    Break("persons", r"      tr: \[", "      tr: [¦Çarşamba, ", "is a common word", "common-word"),
    Break("events", r"      ar: \[", "      ar: [¦الفتح, ", "is a common word", "common-word"),
    Break("security", r"(rules:\n  )([a-z0-9-]+:\n(?:    .*\n)*?    need: )\d+",
          r"\1¦\g<2>7", "The need `7` is that of the rule", "shared-need"),
    Break("security", r"(query: '[^@]*?)(@hosts-us-forces)", r"\1¦\2-2", "hosts-us-forces-2`"),
    Break("diplomacy", r"(query: '[^#]*?)#([a-z-]+)", r"\1¦#\2-2", "There is no word list"),
    Break("offices", r"    leads: ([a-z0-9-]+)\n", r"    leads: [¦nobody-at-all, \1]\n", "There is no entity `nobody"),
    Break("bases", r"\{say: ([^,{}]+), with: \[", r'{say: ¦\1, with: ["@nothing-at-all", ', "There is no entity"),
    Break("towns", r"    mask: \[", "    mask: [¦Zanzibar, ", "No name of `", "idle-mask"),
    Break("laws", r"examples:\n", 'examples:\n  - ¦{say: "Zyzzyva.", hits: [], mentions: [FIRST]}\n', "and does not"),
    Break("places", r"examples:\n", 'examples:\n  - ¦{say: "IRAQ.", title: "Iraq", hits: []}\n', "and should not"),
    Break("militias", r"rules:\n", "rules:\n  ¦zyzzyva: {title: Z, query: zyzzyva}\n", "has no example", "unproved"),
    Break("weapons", r"(    catalogue: )(\S+)(\n(?:.*\n)*?  )([a-z0-9-]+:\n    kind: .*\n    catalogue: )\S+",
          r"\1\2\3¦\4\2", "The catalogue id `", "shared-catalogue"),
    Break("companies", r"line: \d+", "line: ¦99999", "so there is no line 99999"),
    Break("organs", r"seed: [^,]+", "seed: ¦nowhere.txt", "There is no analysis `nowhere.txt`."),
    Break("groups", r'quote: "[^"]*"', 'quote: "¦nobody wrote this"', "The quote does not stand in line "),
)  # fmt: skip
"""What can be read, and is wrong."""


def broken(folder: Path, breaks: Sequence[Break]) -> list[Place]:
    """Copy the shipped folder, break it, and tell where each problem must stand, in the order of the breaks."""
    shutil.copytree(SHIPPED, folder)
    for each in breaks:
        path = folder / f"{each.file}.yaml"
        text = path.read_text("utf-8")
        instead = each.instead
        if "FIRST" in instead:
            found = re.search(r"entities:\n  ([a-z0-9-]+):", text)
            assert found
            instead = instead.replace("FIRST", found[1])
        text, times = re.subn(each.pattern, instead, text, count=1)
        assert times == 1, each
        path.write_text(text, "utf-8")
    return [place(folder, each) for each in breaks]


def place(folder: Path, each: Break) -> Place:
    """Take the next sign out of a file; where it stood."""
    path = folder / f"{each.file}.yaml"
    text = path.read_text("utf-8")
    before, _, after = text.partition(PLACE)
    path.write_text(before + after, "utf-8")
    return f"{folder.name}/{each.file}.yaml", before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1


def told(folder: Path, *options: str) -> tuple[int, list[tuple[Place, str, str]]]:
    """Exit code and what `monitor check` tells of a folder: place, sentence, name of the warning."""
    ran = CliRunner().invoke(check_command, [str(folder), "--json", *options], obj=folder.parent / "monitor.yaml")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    return ran.exit_code, [((r["file"], r["line"], r["column"]), r["sentence"], r["slug"]) for r in rows]


def compared(
    places: Sequence[Place], breaks: Sequence[Break], found: Sequence[tuple[Place, str, str]]
) -> list[tuple[Place, str, str]]:
    """What was expected, with the whole sentence where it was told as expected."""
    rows = []
    for each, where in zip(breaks, places, strict=True):
        sentences = [sentence for place_, sentence, _ in found if place_ == where and each.sentence in sentence]
        rows.append((where, sentences[0] if sentences else each.sentence, each.slug))
    return sorted(rows)


def test_what_keeps_files_from_being_read_is_told_at_its_place(tmp_path: Path) -> None:
    """Fifteen files with a break each: fifteen problems, each at its place, none that follows from another."""
    places = broken(tmp_path / "watchlists", UNREADABLE)
    code, found = told(tmp_path / "watchlists")
    assert code == 3
    assert sorted(found) == compared(places, UNREADABLE, found)


def test_what_is_wrong_in_files_that_can_be_read_is_told_at_its_place(tmp_path: Path) -> None:
    """Each break in the shipped files is one problem at its place, and nothing else is told."""
    if not SEEDS.is_dir():
        pytest.skip("../shared/seeds is not there")
    places = broken(tmp_path / "watchlists", WRONG)
    code, found = told(tmp_path / "watchlists", "--seeds", str(SEEDS))
    assert code == 3
    assert sorted(found) == compared(places, WRONG, found)


ONE = """watchlist: one
title: One
entities:
  anbar:
    kind: place
    name: Anbar
    names: {en: [Anbar desert, {say: the Anbar, doubtful: unread}], ar: [الأنبار]}
    source: {seed: a.txt, line: 2, quote: "near  Anbar"}
"""


def guarded(tmp_path: Path, *options: str, text: str = ONE) -> Result:
    """`monitor check` of a folder with one file, without monitor.yaml."""
    (tmp_path / "lists").mkdir(exist_ok=True)
    (tmp_path / "lists" / "one.yaml").write_text(text, "utf-8")
    config = tmp_path / "elsewhere" / "house" / "monitor.yaml"
    return CliRunner().invoke(check_command, [str(tmp_path / "lists"), *options], obj=config)


def test_names_are_counted_by_language(tmp_path: Path) -> None:
    """The sums say how many names stand under each language, and how many of them nobody has confirmed."""
    assert "en 2 (1), tr 0 (0), ar 1 (0), ku 0 (0), ckb 0 (0), fa 0 (0)." in guarded(tmp_path).stderr


def test_quotes_are_looked_up_where_the_analyses_are(tmp_path: Path) -> None:
    """A folder `seeds` beside the watchlists is used by itself; without one it is said that nothing was looked up."""
    alone = guarded(tmp_path)
    assert (alone.exit_code, alone.stdout) == (0, "")
    assert "1 quotes were not looked up" in alone.stderr

    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "a.txt").write_text("First line.\nThe road near Anbar is open.\n", "utf-8")
    sound = guarded(tmp_path)
    assert (sound.exit_code, sound.stdout) == (0, "")
    assert "1 quotes were looked up in seeds/." in sound.stderr

    wrong = guarded(tmp_path, text=ONE.replace("line: 2", "line: 1"))
    assert wrong.exit_code == 3
    assert wrong.stdout == (
        "lists/one.yaml:8:44: The quote does not stand in line 1 of `a.txt`. It stands in line 2.\n"
    )
    assert guarded(tmp_path, text=ONE.replace("a.txt", "../monitor.yaml")).stdout.startswith("lists/one.yaml:8:20: ")


def test_a_folder_of_analyses_that_is_not_there(tmp_path: Path) -> None:
    """`--seeds` with a wrong name is refused, not passed over."""
    with pytest.raises(ConfigError, match="no such folder"):
        CliRunner().invoke(
            check_command, [str(SHIPPED), "--seeds", str(tmp_path / "no")], obj=tmp_path, catch_exceptions=False
        )


TWICE = ONE + "  other: {kind: place, name: anbar}\n"


def test_strict_takes_warnings_for_problems(tmp_path: Path) -> None:
    """A warning passes; with --strict it ends with 1, and once it is settled with 0."""
    assert guarded(tmp_path, text=TWICE).exit_code == 0
    assert guarded(tmp_path, "--strict", text=TWICE).exit_code == 1
    settled = TWICE.replace("name: anbar}", "name: anbar, accept: {warning: shared-name, reason: both}}")
    assert guarded(tmp_path, "--strict", text=settled).exit_code == 0


GRAVE = """watchlist: one
title: One
entities:
  base: {kind: base, name: The Base, names: {ar: [القاعدة], en: [US, Base camp Anbar]}%s}
rules:
  r: {title: R, query: '@base attack'%s}
"""


def test_what_counts_as_an_error_can_be_settled(tmp_path: Path) -> None:
    """A name that is a common word and a rule without an example are errors until a person settles them in place."""
    told_ = guarded(tmp_path, text=GRAVE % ("", ""))
    assert told_.exit_code == 3
    assert [line.rsplit(" (", 1)[1] for line in told_.stdout.splitlines()] == [
        "error: common-word)",
        "error: common-word)",
        "error: unproved)",
    ]
    settled = GRAVE % tuple(f", accept: {{warning: {slug}, reason: x}}" for slug in ("common-word", "unproved"))
    passed = guarded(tmp_path, text=settled)
    assert (passed.exit_code, passed.stdout) == (0, "")
    assert "0 errors, 0 warnings, 3 settled in place." in passed.stderr


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("army", True),
        ("The Army", True),
        ("of the", True),
        ("Pazartesi", True),
        ("SALI", True),
        ("بلد", True),
        ("البلد", True),
        ("القاعدة", True),
        ("مسيرة", True),
        ("شەممە", True),
        ("سەرۆک", True),
        ("Serok", True),
        ("سپاه", True),
        ("شنبه", True),
        ("Popular Army", False),
        ("Yeni Şafak", False),
        ("Türkiye", False),
        ("Anbar", False),
        ("قاعدة بلد", False),
        ("", False),
    ],
)
def test_common_words(name: str, common: bool) -> None:  # noqa: FBT001
    """One word of any day's news is common in each of the six languages, however it is written; two are a name."""
    assert is_common(words(name)) is common


def test_a_mask_that_only_the_engine_understands_is_not_idle(tmp_path: Path) -> None:
    """Endings of a language and another spelling by ear make a mask hold the name; a stranger does not."""
    entity = "  one: {kind: person, name: Qasim Muslih, names: {tr: [Kandil Dağı], ar: [قاسم مصلح]}, mask: [%s]}\n"
    masks = (("Kandil Dağı'nın oteli", False), ("Qassem Mosleh Street", False), ("Berat Kandili", True))
    for mask, idle in masks:
        text = f"watchlist: one\ntitle: One\nentities:\n{entity % mask}"
        assert ("(warning: idle-mask)" in guarded(tmp_path, text=text).stdout) is idle, mask


def test_one_mistake_in_a_query_is_told_once(tmp_path: Path) -> None:
    """The examples of a rule that cannot be read are not blamed; those of other rules are."""
    text = (
        "watchlist: one\ntitle: One\nrules:\n  a: {title: A, query: '@nobody'}\n  b: {title: B, query: storm}\n"
        "examples:\n  - {say: nobody, hits: [a]}\n  - {say: a calm, hits: [b]}\n"
    )
    lines = guarded(tmp_path, text=text).stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["lists/one.yaml:4:25", "lists/one.yaml:8:5"]


DAMS = """watchlist: dams
title: Dams
entities:
  mosul-dam:
    kind: facility
    name: Mosul Dam
"""
RULE = DAMS + "words: {damage: {en: [leak]}}\nrules:\n  r:\n    title: R\n    query: '@mosul-dam %s'\n"
SLIPS = (
    (DAMS.replace("    kind", "\tkind"), "A tab stands in the indentation."),
    (DAMS.replace("    ", "  "), "`kind` stands as far left as the id of its entity."),
    (DAMS.replace("title: Dams", "title: Dams: and water"), "A colon stands where none may be."),
    (DAMS + "    names:\n      en: [Saddam Dam]\n      tr [Musul Barajı]\n", "A key stands here without its colon."),
    (DAMS + "    names:\n      en: [Saddam Dam\n", "A list opened with `[` is not closed."),
    (DAMS + "    names:\n      en: Saddam Dam\n", "`en` must be a list."),
    (DAMS + "    short:\n      - {say: dam, with: [@mosul]}\n", "A value may not start with `@`."),
    (DAMS.replace("mosul-dam:", "Mosul Dam:"), "`Mosul Dam` is no id of an entity."),
    (DAMS + "    nmaes: {en: [Saddam Dam]}\n", "Unknown key `nmaes`."),
    (DAMS.replace("mosul-dam:", "pkk:"), "The entity `pkk` is defined twice"),
    (RULE % "#crack", "There is no word list `#crack`."),
    (RULE % "#damage OR leak", "AND (also unwritten) stands beside OR"),
    (DAMS + "examples:\n  - {say: Mosul Dam Lake, hits: []}\n", "and should not: add a mask, company, or `mentions:`."),
)
"""What everybody writes once, and what the page for desk officers says about it."""


@pytest.mark.parametrize(("text", "message"), SLIPS)
def test_what_a_beginner_writes_is_answered_as_the_page_says(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake of the page's table is answered with the message of the table."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "groups.yaml").write_text(
        "watchlist: groups\ntitle: Groups\nentities:\n  pkk: {kind: party, name: Kongra Gel}\n", "utf-8"
    )
    answer = guarded(tmp_path, text=text)
    assert answer.exit_code == 3
    assert message in answer.stdout
    assert f"| {message} |" in PAGE


def test_every_warning_is_on_the_page() -> None:
    """Whatever `accept` may name is explained to desk officers."""
    assert [slug for slug in WARNINGS if f"`{slug}`" not in PAGE] == []


def called(config: Path, *arguments: str) -> Result:
    """A command in a workspace."""
    return CliRunner().invoke(cli, ["--config", str(config), *arguments])


def test_the_steps_of_the_page_work_in_a_fresh_workspace(tmp_path: Path) -> None:
    """Lay out a workspace, add a spelling to a shipped file and a file with a rule: checked, explained and tried."""
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "practice")]).exit_code == 0
    config, folder = tmp_path / "practice" / "monitor.yaml", tmp_path / "practice" / "watchlists"
    towns = (folder / "towns.yaml").read_text("utf-8")
    spelt, times = re.subn(r"(  bashiqa:\n(?:    .*\n)*?      en: \[)", r"\1Bashikka Town, ", towns)
    assert times == 1
    (folder / "towns.yaml").write_text(spelt, "utf-8")
    (snippet,) = (s for s in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "\nrules:" in s)
    (folder / "dams.yaml").write_text(snippet, "utf-8")

    checked = called(config, "check")
    assert (checked.exit_code, checked.stdout) == (0, "")
    explained = called(config, "explain", "New cracks were found in Mosul Dam, far from Bashikka Town.").stdout
    assert "dams/dam-danger" in explained
    assert "bashiqa" in explained
    (tmp_path / "dams.yaml").write_text(snippet.replace("level: flash", "level: high"), "utf-8")
    assert called(config, "try", str(tmp_path / "dams.yaml")).exit_code == 0
