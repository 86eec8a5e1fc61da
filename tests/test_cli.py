"""The command line: data on stdout, messages on stderr, exit codes, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fakes import WATCHLIST, Answer, Clock, Entry, Site, Workspace, entries, text_of, until

from monitor.cli import COMMANDS, main
from monitor.daemon import locked
from monitor.errors import BusyError, ConfigError, MonitorError, StoreError, TemporaryError, UsageError

PATIENCE = 120
"""Seconds after which a command that hangs is given up, however busy the machine; none are promised."""

ARCHIVE = [
    {"id": "1", "title": "Ain al-Asad attacked", "text": "Drones attacked.", "url": "http://x.example/1", "lang": "en",
     "published": "2020-01-03T01:00:00Z", "source": "Paper"},
    {"id": "2", "title": "PKK statement", "summary": "A statement.", "published": "yesterday", "source": "Paper"},
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def refuses(self, code: int, *words: str) -> None:
        """Nothing on stdout, one message on stderr that holds the words, this exit code, no traceback."""
        assert (self.code, self.out) == (code, ""), self
        assert "Traceback" not in self.err
        assert "should not" not in self.err
        for word in words:
            assert word in self.err, self.err


Run = Callable[..., Said]


@pytest.fixture
def run(desk: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line inside the workspace, by the workspace's clock."""
    monkeypatch.chdir(desk.root)
    monkeypatch.delenv("MONITOR_CONFIG", raising=False)
    monkeypatch.setattr("monitor.app.now", desk.clock)

    def call(*arguments: str | Path) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        printed = capfd.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def polled(site: Site, run: Run) -> Run:
    """The same, after a poll that brought a flash, a mention and something else."""
    site.show("/a", [Entry(title="Ain al-Asad attacked", guid="1", link="http://x.example/1"), *entries(2)])
    assert run("poll").code == 0
    return run


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_its_help(run: Run, command: str) -> None:
    """`--help` says in a sentence what the command does, and is data: it goes to stdout."""
    said = run(*command.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: monitor")
    assert "." in said.out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["serch", "x"], "Did you mean `search`?"),
        (["zzzzzz"], "monitor --help"),
        (["search"], "QUERY"),
        (["search", "x", "--limit", "0"], "--limit"),
        (["search", "x", "--sinse", "7d"], "--since"),
        (["poll", "--nonsense"], "--nonsense"),
        (["schema", "nonsense"], "watchlist"),
    ],
)
def test_a_wrong_call_is_answered_with_usage(run: Run, arguments: list[str], hint: str) -> None:
    """Exit code 2, with what was meant or what there is."""
    run(*arguments).refuses(2, hint)


def test_exit_codes_of_errors() -> None:
    """The codes that scripts rely on."""
    codes = {e: e.exit_code for e in (MonitorError, UsageError, ConfigError, TemporaryError, BusyError, StoreError)}
    assert list(codes.values()) == [1, 2, 3, 4, 5, 1]


def test_init_lays_out_a_workspace_that_works_at_once(tmp_path: Path, run: Run) -> None:
    """What is written is listed; a second call changes nothing; every command runs in it without an option."""
    folder = tmp_path / "new"
    first = run("init", folder)
    assert first.code == 0
    assert {Path(p).relative_to(folder).as_posix() for p in first.out.splitlines()} >= {
        "monitor.yaml",
        "watchlists/feeds.yaml",
        "watchlists/desks.yaml",
        "data/monitor.db",
    }
    (folder / "watchlists" / "desks.yaml").write_text("desks: []\n")
    second = run("init", folder)
    assert (second.code, second.out) == (0, "")
    assert (folder / "watchlists" / "desks.yaml").read_text() == "desks: []\n"
    os.chdir(folder)
    assert run("doctor").code == 0
    assert run("search", "@pkk", "--json").out == ""


def test_init_after_the_database_was_lost(run: Run, desk: Workspace) -> None:
    """An empty database is made because it was asked for, and is called empty, with the way back to a backup."""
    for file in (desk.root / "data").glob("monitor.db*"):
        file.unlink()
    said = run("init")
    assert "new, empty" in said.err
    assert "monitor restore" in said.err
    assert "is ready" not in said.err


def test_init_where_it_may_not_write(run: Run, desk: Workspace) -> None:
    """A folder that cannot be made is refused."""
    run("init", desk.config / "below").refuses(2, "choose another folder")


def test_poll_as_json(run: Run, site: Site, desk: Workspace) -> None:
    """One object with the documented figures; names choose feeds; messages of failed feeds go to stderr."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b"})
    site.show("/a", entries(1))
    said = run("poll", "--json")
    (row,) = said.rows
    assert list(row) == ["feeds", "fetched", "unchanged", "failed", "articles", "hits", "seconds"]
    assert [row[k] for k in ("feeds", "fetched", "failed", "articles", "hits")] == [2, 1, 1, 1, 1]
    assert said.code == 0
    assert "404" in said.err
    assert run("poll", "a", "--json").rows[0]["unchanged"] == 1
    assert run("poll", "--json").rows[0]["feeds"] == 0


def test_poll_when_no_feed_answers(run: Run, site: Site) -> None:
    """Exit code 4: trying again can help."""
    site.pages["/a"] = Answer(status=500)
    said = run("poll", "--all", "-v")
    assert said.code == 4
    assert "500" in said.err


def test_poll_of_an_unknown_feed(run: Run) -> None:
    """The sentence says where the ids are."""
    run("poll", "b").refuses(2, "no feed `b`", "monitor feeds")


def test_search_as_json(polled: Run) -> None:
    """The documented keys, marks that point at their letters, newest first; nothing found is no line and no error."""
    said = polled("search", "@ain-al-asad", "--json")
    first, second = said.rows
    assert list(first) == [
        "article", "title", "url", "source", "lang", "published", "seen", "story", "snippet", "marks", "hits",
    ]  # fmt: skip
    assert (first["title"], second["title"][:7]) == ("Ain al-Asad attacked", "Story 2")
    assert first["url"] == "http://x.example/1"
    assert {"watchlist": "bases", "rule": "base-attack", "level": "flash"} in first["hits"]
    for mark in first["marks"]:
        assert list(mark) == ["field", "start", "end", "letters"]
        assert first["title"][mark["start"] : mark["end"]] == mark["letters"]
    assert polled("search", "@ain-al-asad", "--json", "--limit", "1").rows == [first]
    nothing = polled("search", "zzzz", "--json")
    assert (nothing.code, nothing.out) == (0, "")


def test_search_for_people_and_spreadsheets(polled: Run) -> None:
    """Plain lines mark what was found; CSV has a head and no cell that a spreadsheet would run."""
    shown = polled("search", '"Ain al-Asad" NEAR/25 #attack')
    assert "[[Ain al-Asad]] [[attacked]]" in shown.out
    assert "hits: bases/base-attack" in shown.out
    table = polled("search", "@ain-al-asad", "--csv").out.splitlines()
    assert table[0] == "published,source,lang,title,url,marks"
    assert len(table) == 3
    assert "Nothing found" in polled("search", "zzzz").err


def test_a_cell_that_is_a_formula_is_disarmed(run: Run, site: Site) -> None:
    """A title that begins like a formula gets an apostrophe in CSV."""
    site.show("/a", [Entry(title="=HYPERLINK(1) Ain al-Asad", guid="1")])
    run("poll")
    assert ",'=HYPERLINK" in run("search", "@ain-al-asad", "--csv").out


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("a AND b OR c", "^"),
        ("", "empty"),
        ("@nobody", "^"),
        ("#nothing", "^"),
        ("attack NEAR base", "NEAR/"),
        ("lang:xx", "^"),
        ("since:whenever", "^"),
        ("(a", "^"),
        ('"a', "^"),
        ("*", "^"),
        ("titel:a", "title"),
    ],
)
def test_a_query_that_cannot_be_read(run: Run, query: str, place: str) -> None:
    """Exit code 2, a sentence and a caret under the place."""
    run("search", query).refuses(2, place)


def test_since_that_is_no_time(polled: Run) -> None:
    """A bad `--since` is answered with the forms that there are."""
    polled("search", "@pkk", "--since", "tomorrow-ish").refuses(2, "7d, 24h, 2w")
    assert len(polled("search", "@ain-al-asad", "--since", "1h", "--json").rows) == 2


def test_explain_as_json(run: Run) -> None:
    """The documented keys; offsets point at the letters."""
    text = "Drones attacked Ain al-Asad."
    (row,) = run("explain", "--json", text).rows
    assert list(row) == ["lang", "mentions", "hits"]
    (mention,) = row["mentions"]
    assert list(mention) == ["entity", "letters", "field", "start", "end"]
    assert text[mention["start"] : mention["end"]] == mention["letters"] == "Ain al-Asad"
    rule = next(h for h in row["hits"] if h["rule"])
    assert (rule["watchlist"], rule["rule"], rule["level"]) == ("bases", "base-attack", "flash")
    assert rule["evidence"][0].keys() >= {"leaf", "name", "letters", "field", "start", "end", "sentence"}


def test_explain_for_people_says_why_not(run: Run) -> None:
    """A rule that something in the text touched is named with the clause that failed."""
    said = run("explain", "Ain al-Asad hosts a football match.")
    assert "bases/base-attack did not fire" in said.out
    assert "#attack" in said.out


def test_a_clause_that_failed_is_shown_with_its_brackets(run: Run, desk: Workspace) -> None:
    """What did not hold is a whole piece of the rule."""
    query = "((@ain-al-asad OR @pkk) NEAR/5 (#attack OR raid)) NOT (calm OR quiet)"
    desk.write("watchlists/bases.yaml", WATCHLIST.replace("@ain-al-asad NEAR/25 #attack", query))
    said = run("explain", "A football match at Ain al-Asad.").out
    clause = said.partition("this did not hold: ")[2].splitlines()[0]
    assert clause
    assert clause.count("(") == clause.count(")")
    assert clause in query


def test_explain_in_a_language_that_there_is_not(run: Run) -> None:
    """A language code that is none of ours is refused with those that are."""
    run("explain", "--lang", "xx", "PKK").refuses(2, "`xx`", "ckb")
    assert run("explain", "--lang", "kmr", "--json", "PKK").rows[0]["lang"] == "ku"


def test_explain_of_an_edited_article(polled: Run, site: Site) -> None:
    """An edited article is shown with every wording, what changed, and what was found in each."""
    site.show("/a", [Entry(title="Ain al-Asad quiet", guid="1", link="http://x.example/1"), *entries(2)])
    polled("poll", "--all")
    (name,) = [r["article"] for r in polled("search", "quiet", "--json").rows]

    told = polled("explain", "--article", name).out.split("history:")[1]
    assert [told.count(w) for w in ("Ain al-Asad attacked", "Ain al-Asad quiet", "+ quiet", "- attacked")] == [1] * 4
    assert told.index("Attack at a base") < told.index("Ain al-Asad quiet")
    (row,) = polled("explain", "--article", name, "--json").rows
    shown = [(w["title"], len(w["hits"])) for w in row["history"]]
    assert shown == [("Ain al-Asad attacked", 2), ("Ain al-Asad quiet", 1)]


def test_explain_of_a_stored_article(polled: Run) -> None:
    """By the id that search prints; an unknown one is refused."""
    name = polled("search", "level:flash", "--json").rows[0]["article"]
    assert "base-attack" in polled("explain", "--article", name).out
    polled("explain", "--article", "0" * 20).refuses(2, "no article", "monitor search --json")
    polled("explain").refuses(2, "--article", "--jsonl")


def test_explain_of_many_lines(run: Run, tmp_path: Path) -> None:
    """One answer a line, in order, with its id; a bad line answers with its error and makes the exit code 1."""
    file = tmp_path / "texts.jsonl"
    good = [{"id": "x", "text": "PKK"}, {"title": "Ain al-Asad"}, {"id": 7, "text": "nothing", "lang": "en"}]
    file.write_text("\n".join(json.dumps(g) for g in good))
    said = run("explain", "--jsonl", file)
    assert [r["id"] for r in said.rows] == ["x", 2, 7]
    assert [len(r["mentions"]) for r in said.rows] == [1, 1, 0]
    assert (said.code, said.err) == (0, "")

    bad = ["{", "[]", "{}", '"x"', "null", '{"id": "y", "text": 5}', '{"text": "' + "\\ud800" + ' PKK"}', "[" * 9000]
    file.write_text("\n".join([json.dumps(good[0]), *bad]))
    said = run("explain", "--jsonl", file)
    assert said.code == 1
    assert len(said.rows) == 1 + len(bad)
    assert [r["id"] for r in said.rows if "error" in r] == [2, 3, 4, 5, 6, "y", 9]
    assert all("line" in r["error"] for r in said.rows if "error" in r)
    run("explain", "--jsonl", tmp_path / "none.jsonl").refuses(2, "cannot be read")
    run("explain", "--jsonl", tmp_path).refuses(2, "cannot be read")


def archive(path: Path, rows: list[Any]) -> Path:
    """Write JSON lines, packed when the name says so."""
    raw = "\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows).encode()
    path.write_bytes(zstandard.compress(raw) if path.suffix == ".zst" else raw)
    return path


@pytest.mark.parametrize("name", ["old.jsonl", "old.jsonl.zst"])
def test_import(run: Run, tmp_path: Path, name: str) -> None:
    """An archive is matched and searchable, loading it again changes nothing, and it is never mailed."""
    file = archive(tmp_path / name, list(ARCHIVE))
    (row,) = run("import", file, "--json").rows
    assert row == {"file": str(file), "lines": 2, "articles": 2, "known": 0, "hits": 3, "bad": 0}
    assert run("import", file, "--json").rows[0]["known"] == 2
    assert len(run("search", "@ain-al-asad since:2019-01-01", "--json").rows) == 1
    assert "Nothing new" in run("digest", "preview").out


def test_import_of_bad_lines(run: Run, tmp_path: Path) -> None:
    """Good lines are kept, bad ones are named by their number, and the exit code is 1."""
    file = archive(tmp_path / "old.jsonl", [ARCHIVE[0], "{", "[1]", "{}", "3", ARCHIVE[1], "[" * 9000])
    said = run("import", file, "--json")
    assert said.code == 1
    assert (said.rows[0]["articles"], said.rows[0]["bad"]) == (2, 5)
    for number in (2, 3, 4, 5, 7):
        assert f"old.jsonl:{number}: " in said.err


def test_import_of_files_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    """Missing, a folder, damaged, or not what its name says: one sentence with the file, nothing half stored."""
    whole = archive(tmp_path / "whole.jsonl.zst", ARCHIVE * 500).read_bytes()
    (tmp_path / "cut.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "plain.jsonl.zst").write_text("{}")
    run("import", tmp_path / "none.jsonl").refuses(2, "none.jsonl", "cannot be read")
    run("import", tmp_path).refuses(2)
    run("import", tmp_path / "plain.jsonl.zst").refuses(2, "plain.jsonl.zst", "pack it again")
    run("import", tmp_path / "cut.jsonl.zst").refuses(2, "cut.jsonl.zst", "pack it again")
    (tmp_path / "cut.jsonl.zst").write_bytes(whole)
    assert run("import", tmp_path / "cut.jsonl.zst", "--json").rows[0]["lines"] == 2 * 500


def test_check_finds_every_mistake_with_its_place(run: Run, desk: Workspace) -> None:
    """Exit code 3, one line per mistake with file, line and column, the same as JSON; a sound folder says its sums."""
    sound = run("check")
    assert (sound.code, sound.out) == (0, "")
    assert "1 watchlists, 2 entities, 1 rules, 2 examples, 1 feeds, 1 desks: 0 errors" in sound.err

    desk.write("watchlists/bases.yaml", WATCHLIST.replace("#attack'", "#atack'").replace("kind: party", "kind: prty"))
    broken = run("check")
    assert broken.code == 3
    assert "watchlists/bases.yaml:" in broken.out
    rows = run("check", "--json").rows
    assert list(rows[0]) == ["file", "line", "column", "sentence", "hint", "warning", "slug"]
    assert all(r["line"] > 0 and r["column"] > 0 for r in rows)
    run("check", desk.root / "nowhere").refuses(3, "no such folder")


def test_check_runs_the_examples(run: Run, desk: Workspace) -> None:
    """An example that does not hold is an error at its place."""
    desk.write("watchlists/bases.yaml", WATCHLIST.replace("football match.", "football match; it was struck."))
    said = run("check")
    assert said.code == 3
    assert "bases.yaml:29:" in said.out or "bases.yaml:" in said.out
    assert "base-attack" in said.out


@pytest.mark.parametrize("kind", ["watchlist", "feeds", "desks"])
def test_schema(run: Run, kind: str) -> None:
    """A JSON Schema that an editor can load."""
    assert json.loads(run("schema", kind).out)["$schema"].startswith("https://json-schema.org/")


def test_digest_preview_send_and_list(polled: Run, desk: Workspace) -> None:
    """A preview writes nothing; sending makes it once; the list and the frozen mail of the day tell of it."""
    preview = polled("digest", "preview")
    assert preview.out.startswith("Subject: ")
    assert "Ain al-Asad attacked" in preview.out
    assert polled("digest", "preview", "--format", "html").out.startswith("<!")
    assert "Message-ID:" in polled("digest", "preview", "--format", "eml").out
    assert polled("digest", "list", "--json").out == ""

    sent = polled("digest", "send")
    assert "iraq/2026-11-21/07:00 to reader@example.org: sent" in sent.out
    assert len(desk.mails()) == 1
    polled("digest", "send").refuses(2, "made before", "monitor outbox")
    (row,) = polled("digest", "list", "--json").rows
    assert list(row) == ["desk", "day", "slot", "made", "stories"]
    assert (row["desk"], row["day"], row["slot"]) == ("iraq", "2026-11-21", "07:00")
    desk.clock.move(days=1)
    assert "Ain al-Asad attacked" in polled("digest", "preview", "--date", "2026-11-21").out
    assert "Ain al-Asad attacked" not in polled("digest", "preview").out


def test_digest_of_what_there_is_not(polled: Run, desk: Workspace) -> None:
    """An unknown desk, a date that is none, a day without digest, no desk at all: a sentence each."""
    polled("digest", "preview", "--desk", "iran").refuses(2, "`iran`", "iraq")
    polled("digest", "preview", "--date", "21.11.2026").refuses(2, "2026-11-21")
    polled("digest", "preview", "--date", "2026-11-22").refuses(2, "has not come yet")
    polled("digest", "preview", "--date", "2020-01-01").refuses(2, "monitor digest list")
    desk.write("watchlists/desks.yaml", "desks: []\n")
    polled("digest", "send").refuses(2, "desks.yaml")
    two = "".join(f"  - {{id: d{n}, title: D, to: [a@example.org]}}\n" for n in range(2))
    desk.write("watchlists/desks.yaml", f"desks:\n{two}")
    polled("digest", "preview").refuses(2, "--desk d0 or d1")


@pytest.mark.parametrize(
    "template",
    [
        b"{{ page.nope.x }}",
        b"{% if %}",
        b"{{ page.__class__.__mro__ }}",
        b"{% include '../monitor.yaml' %}",
        b"\xff",
        b"{{ 1 + 'a' }}",
    ],
)
def test_a_broken_template_keeps_no_mail_back(polled: Run, desk: Workspace, template: bytes) -> None:
    """The mail goes out in the shipped form and says so."""
    (desk.root / "templates").mkdir()
    (desk.root / "templates" / "digest.txt").write_bytes(template)
    said = polled("digest", "send")
    assert said.code == 0
    (mail,) = desk.mails().values()
    assert "Ain al-Asad attacked" in text_of(mail)
    assert "your own form of this mail" in text_of(mail)


def test_a_folder_stands_for_its_configuration(run: Run, desk: Workspace) -> None:
    """`--config` takes the folder of a workspace as well."""
    os.chdir("/")
    assert run("--config", desk.root, "doctor", "--quick").code == 0


def test_digest_to_one_address(polled: Run, desk: Workspace) -> None:
    """A test mail goes to this address, and nothing counts as told."""
    assert polled("digest", "send", "--test", "me@example.org").code == 0
    (mail,) = desk.mails().values()
    assert mail["To"] == "me@example.org"
    assert "Ain al-Asad attacked" in polled("digest", "preview").out
    assert polled("digest", "send", "--test", "no address").code != 0


def test_outbox(polled: Run, desk: Workspace) -> None:
    """A mail that could not go is shown with its reason, and a person has it sent or gives it up."""
    desk.outbox.parent.mkdir(exist_ok=True)
    desk.outbox.write_text("a file where the folder should be")
    assert "queued" in polled("digest", "send").out
    (row,) = polled("outbox", "list", "--json").rows
    assert list(row) == ["key", "to", "state", "tries", "next_try", "error", "changed"]
    assert (row["state"], row["tries"]) == ("queued", 1)
    assert row["error"]
    key = row["key"]
    polled("outbox", "retry", key, "reader@example.org").refuses(2, "monitor outbox")
    polled("outbox", "drop", key, "nobody@example.org").refuses(2, "monitor outbox")
    assert polled("outbox", "drop", key, "reader@example.org").code == 0
    assert "dropped" in polled("outbox").out
    assert polled("outbox", "--json").rows[0]["state"] == "dropped"


def test_feeds(polled: Run, site: Site, desk: Workspace) -> None:
    """Health as a table, JSON and CSV, those that need somebody first; a moved feed names the line to edit."""
    site.show("/new", entries(2))
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b", "c": f"{site.base}/c"})
    site.pages["/b"] = Answer(status=301, headers={"Location": "/new"})
    polled("poll", "--all")
    rows = polled("feeds", "list", "--json").rows
    assert [(r["feed"], r["state"]) for r in rows] == [("c", "failing"), ("b", "moved"), ("a", "fresh")]
    assert rows[0].keys() >= {"feed", "title", "url", "lang", "state", "what_to_do", "failures", "last_ok", "next_due"}
    assert "edit line 3 of feeds.yaml" in rows[1]["what_to_do"]
    assert polled("feeds", "--json").rows == rows
    assert "c" in polled("feeds").out
    assert polled("feeds", "list", "--csv").out.startswith("feed,title,lang,state")
    polled("feeds", "release", "nope").refuses(2, "no feed `nope`")
    assert polled("feeds", "release", "a").code == 0


def test_doctor(polled: Run, desk: Workspace) -> None:
    """All well is code 0; something ill is code 1, each finding one object."""
    rows = polled("doctor", "--json").rows
    assert all(list(r) == ["what", "ok", "sentence"] and r["ok"] for r in rows)
    assert len(polled("doctor", "--quick", "--json").rows) == 1
    desk.write("watchlists/bases.yaml", "watchlist: [\n")
    ill = polled("doctor")
    assert ill.code == 1
    assert "ILL  watchlists: not in force: watchlists/bases.yaml:" in ill.out


def test_backup_and_restore(polled: Run, desk: Workspace, tmp_path: Path) -> None:
    """Neither ever overwrites anything; a restored store goes on where the backup stood."""
    copy = tmp_path / "copy.db"
    assert "2 articles" in polled("backup", copy).err
    polled("backup", copy).refuses(1, "exists already")
    polled("backup", tmp_path / "no" / "copy.db").refuses(1, "does not exist")
    polled("restore", copy).refuses(1, "exists already")
    for file in (desk.root / "data").glob("monitor.db*"):
        file.unlink()
    polled("restore", tmp_path / "none.db").refuses(1, "none.db")
    polled("restore", desk.config).refuses(1, "monitor.yaml")
    assert not (desk.root / "data" / "monitor.db").exists()
    assert "2 articles" in polled("restore", copy).err
    assert len(polled("search", "@ain-al-asad", "--json").rows) == 2


OPENERS = [
    ["poll"], ["search", "@pkk"], ["digest", "preview"], ["digest", "send"], ["digest", "list"], ["outbox"],
    ["feeds"], ["doctor"], ["backup", "x.db"], ["run"], ["import", "x.jsonl"], ["explain", "PKK"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", OPENERS, ids=" ".join)
def test_without_a_configuration(run: Run, desk: Workspace, arguments: list[str]) -> None:
    """Exit code 3 and what to do, whatever was called."""
    desk.config.unlink()
    run(*arguments).refuses(3, "monitor.yaml", "monitor init")


@pytest.mark.parametrize("arguments", OPENERS, ids=" ".join)
def test_without_a_database(run: Run, desk: Workspace, arguments: list[str]) -> None:
    """Exit code 1 and what to do; no empty database appears."""
    database = desk.root / "data" / "monitor.db"
    for file in database.parent.glob("monitor.db*"):
        file.unlink()
    (desk.root / "x.jsonl").write_text("{}")
    run(*arguments).refuses(1, "monitor.db", "monitor init", "monitor restore")
    assert not database.exists()


@pytest.mark.parametrize("arguments", OPENERS, ids=" ".join)
def test_with_a_database_of_a_newer_monitor(run: Run, desk: Workspace, arguments: list[str]) -> None:
    """It is refused and left as it is."""
    (desk.root / "x.jsonl").write_text("{}")
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations(migration_set, name, applied_at) VALUES ('monitor', 'm9999_later', '2027')"
        )
    run(*arguments).refuses(1, "newer monitor", "m9999_later")


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_with_a_file_that_is_no_database(run: Run, desk: Workspace, content: bytes) -> None:
    """It is refused with what to do, and kept."""
    database = desk.root / "data" / "monitor.db"
    for file in database.parent.glob("monitor.db-*"):
        file.unlink()
    database.write_bytes(content)
    for arguments in (["search", "@pkk"], ["poll"], ["doctor"]):
        run(*arguments).refuses(1, "monitor.db", "monitor restore")
    assert database.read_bytes() == content


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("poll:\n  tik: 5\n", "monitor.yaml:2:3", "tick"),
        ("stoer: x\n", "monitor.yaml:1:1", "store"),
        ("poll: [1]\n", "monitor.yaml:1:7", ""),
        ("poll: {tick: soon}\n", "monitor.yaml:1:14", "seconds"),
        ("a: b: c\n", "monitor.yaml:1:", ""),
        ("mail: {channel: smtp}\n", "monitor.yaml:1:", "relay"),
        ("mail: {channel: smtp, relay: {host: x, password: {env: NOPE_X}}}\n", "monitor.yaml:1:", "NOPE_X"),
        ("web: {bind: '0.0.0.0:80'}\n", "monitor.yaml:1:", "127.0.0.1"),
        ("\tpoll: 1\n", "monitor.yaml:1:", ""),
    ],
)
def test_a_broken_configuration(run: Run, desk: Workspace, text: str, place: str, hint: str) -> None:
    """Exit code 3 with file, line, column and a suggestion; `check` says the same on stdout."""
    desk.write("monitor.yaml", text)
    run("poll").refuses(3, place, hint)
    said = run("check")
    assert said.code == 3
    assert place in said.out


def test_a_broken_watchlist_warns_and_goes_on(polled: Run, desk: Workspace) -> None:
    """With a good revision kept, commands work, say what is not in force, and `check` is 3."""
    desk.write("watchlists/bases.yaml", WATCHLIST.replace("kind: base\n", "kindd: base\n"))
    for arguments in (["search", "@pkk", "--json"], ["poll"], ["digest", "preview"], ["explain", "PKK"], ["feeds"]):
        said = polled(*arguments)
        assert said.code == 0
        assert "not in force: watchlists/bases.yaml:6:5:" in said.err
    assert polled("check").code == 3
    assert len(polled("search", "@ain-al-asad", "--json").rows) == 2


def test_many_mistakes_leave_room_for_the_answer(polled: Run, desk: Workspace) -> None:
    """Only the first mistakes are quoted before an answer; `check` has them all."""
    desk.write("watchlists/bases.yaml", WATCHLIST + '  - {say: "PKK", hits: [base-attack]}\n' * 9)
    said = polled("search", "@pkk")
    assert said.err.count("not in force: watchlists/") == 3
    assert "6 more: `monitor check`" in said.err
    assert len(polled("check", "--json").rows) == 9


def test_a_broken_watchlist_without_a_good_revision(run: Run, desk: Workspace) -> None:
    """Exit code 3 for whatever needs it; nothing is polled."""
    desk.write("watchlists/bases.yaml", "watchlist: bases\nentities: x\n")
    for arguments in (["search", "@pkk"], ["poll"], ["explain", "PKK"], ["feeds"], ["digest", "preview"]):
        run(*arguments).refuses(3, "watchlists/bases.yaml:")
    assert run("doctor").code == 1


def test_without_the_folder_of_watchlists(run: Run, desk: Workspace) -> None:
    """A folder that is gone is said, with what to do."""
    (desk.root / "watchlists").rename(desk.root / "elsewhere")
    run("poll").refuses(3, "watchlists", "monitor init")
    run("search", "@pkk").refuses(3, "watchlists")


def test_a_second_instance_is_refused(run: Run, desk: Workspace) -> None:
    """Exit code 5; a poll beside a running monitor is fine."""
    with locked(desk.root / "data" / "monitor.db"):
        run("run").refuses(5, "another monitor")


def command(desk: Workspace, *arguments: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "monitor", *arguments],
        cwd=desk.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "code", "how"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")]
)
def test_ctrl_c_in_a_poll(desk: Workspace, site: Site, number: int, code: int, how: str) -> None:
    """It waits for no server, though that may take an hour; one sentence, no traceback; the next poll takes up all."""
    desk.deadline = 3600
    desk.lay_out()
    desk.feeds({"a": f"{site.base}/a"})
    site.pages["/a"] = lambda: Answer(hold=site.closing)
    with command(desk, "poll") as poll:
        try:
            assert until(lambda: site.asked["/a"] == 1, seconds=PATIENCE)
            poll.send_signal(number)
            out, err = poll.communicate(timeout=PATIENCE)
        finally:
            poll.kill()
    assert (poll.returncode, out) == (code, "")
    assert err == f"monitor: {how}: 0 of 1 feeds are polled and saved; run the command again for the others.\n"
    site.show("/a", entries(1))
    with command(desk, "poll", "--json") as again:
        assert json.loads(again.communicate(timeout=PATIENCE)[0])["articles"] == 1


def test_a_reader_that_closes_the_pipe(desk: Workspace) -> None:
    """`| head` ends the command quietly."""
    rows = [{"id": str(n), "title": f"PKK {n}", "text": f"{n} " * 300} for n in range(300)]
    archive(desk.root / "old.jsonl", rows)
    with command(desk, "import", "old.jsonl") as load:
        load.communicate(timeout=60)
    with command(desk, "search", "@pkk", "--json", "--limit", "300") as search:
        assert search.stdout is not None
        assert search.stderr is not None
        search.stdout.readline()
        search.stdout.close()
        assert search.stderr.read() == ""
    assert search.returncode == 0


def test_a_command_ends_with_all_it_has_said(desk: Workspace) -> None:
    """It leaves without taking apart what it read: what it wrote is whole, even where its output is closed."""
    with command(desk, "schema") as schema:
        out, err = schema.communicate(timeout=PATIENCE)
    assert (schema.returncode, err) == (0, "")
    assert json.loads(out)["title"]
    with command(desk, "serch") as wrong:
        assert "Did you mean `search`?" in wrong.communicate(timeout=PATIENCE)[1]
    assert wrong.returncode == 2
    closed = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m monitor schema >&- 2>&-', sys.executable], cwd=desk.root, check=False
    )
    assert closed.returncode in {0, 1}


def test_the_clock_of_the_workspace_is_used(run: Run, desk: Workspace) -> None:
    """Before the first slot of the day the digest is that slot's."""
    desk.clock.now = Clock().now.replace(hour=3)
    assert "2026-11-21" in run("digest", "preview").out
