"""Watchlists, feeds and desks: what is read, what is refused, and where."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import vectors

from monitor.errors import ConfigError, Problem
from monitor.watchlists import (
    Accept,
    Mark,
    Short,
    Source,
    cross_check,
    is_address,
    json_schema,
    load,
    read_desks,
    read_feeds,
    read_watchlist,
    slugged,
)
from monitor.watchlists.desks import DESK_KEYS
from monitor.watchlists.feeds import FEED_KEYS
from monitor.watchlists.read import ENTITY_KEYS, FILE_KEYS

DATA = Path(__file__).parent / "data" / "watchlists"
PROJECT = Path(__file__).parents[1]


def watchlist(body: str, name: str = "x") -> str:
    """The text of a watchlist file with a head."""
    return f"watchlist: {name}\ntitle: {name}\n{body}"


def problems(reader: object, source: str) -> list[Problem]:
    """What a reader finds wrong."""
    assert callable(reader)
    with pytest.raises(ConfigError) as caught:
        reader("x.yaml", source)
    return list(caught.value.problems)


def test_a_watchlist_is_read_whole_with_its_places() -> None:
    """Every key of the manual arrives, with line and column where a message may need them."""
    source = (DATA / "good" / "bases.yaml").read_text()
    found = read_watchlist("bases.yaml", source)

    assert (found.id, found.title, found.owner, found.level) == ("bases", "Bases in Iraq", "iraq desk", "normal")
    assert (found.file, found.source, len(found.rev)) == ("bases.yaml", source, 12)
    base, anbar = found.entities
    assert base.mark == Mark(file="bases.yaml", line=6, column=3)
    assert (base.id, base.kind, base.name, base.level) == ("ain-al-asad", "base", "Ain al-Asad Air Base", None)
    assert [(n.text, n.lang, n.doubtful) for n in base.names] == [
        ("Ain al-Asad", "en", ""),
        ("Ein Assad", "en", "seen once"),
        ("عين الأسد", "ar", ""),
        ("Eyn el-Esed", "ku", ""),
    ]
    company = ("Iraq", "@anbar")
    mark = Mark(file="bases.yaml", line=15, column=15)
    assert base.short[0] == Short(text="Asad base", with_=company, within=25, mark=mark)
    assert (base.short[1].case, base.short[1].within, base.short[1].with_) == (True, None, ("Iraq",))
    assert [mask.text for mask in base.mask] == ["Hafez al-Asad"]
    assert (base.groups, base.catalogue) == (("hosts-us-forces",), ("b-one", "b-two"))
    assert [tuple(relation) for relation in base.relations] == [("part_of", "anbar")]
    assert base.source == Source(seed="a.txt", line=71, quote="two drones attacked the base")
    assert base.accept == (Accept(warning="common", reason="the company is enough", on="2026-11-01"),)
    assert anbar.level == "low"


def test_words_rules_and_examples_are_read() -> None:
    """Word lists keep their stars and their Turkish `on`; rules inherit the level; examples tell [] from nothing."""
    found = read_watchlist("bases.yaml", (DATA / "good" / "bases.yaml").read_bytes())

    (attack,) = found.words
    assert [(t.text, t.lang) for t in attack.terms] == [
        ("attack*", "en"),
        ("shot down", "en"),
        ("hedef al*", "tr"),
        ("on", "tr"),
        ("no", "tr"),
    ]
    rule, plain = found.rules
    assert (rule.id, rule.level, rule.languages, rule.sources_never, rule.need) == (
        "base-attack",
        "flash",
        ("en", "ku"),
        ("sample",),
        "1",
    )
    assert rule.query == "@hosts-us-forces NEAR/25 #attack"
    assert rule.query_mark == Mark(file="bases.yaml", line=31, column=13)
    assert (plain.level, plain.languages, plain.sources_only) == ("normal", (), ())
    assert [(e.hits, e.mentions) for e in found.examples] == [(("base-attack", "any-base"), None), ((), ())]


def test_one_run_shows_every_mistake_with_a_suggestion() -> None:
    """A file with many slips is answered with all of them, each at its place."""
    found = problems(read_watchlist, (DATA / "wrong" / "mistakes.yaml").read_text())

    assert [(p.line, p.column, p.hint) for p in found] == [
        (1, 1, "Add it."),
        (1, 12, "Write `wrong-list`."),
        (2, 1, "Did you mean `title`?"),
        (3, 8, "It is one of `flash`, `high`, `normal`, `low`."),
        (6, 11, "Did you mean `base`?"),
        (8, 5, "Did you mean `names`?"),
        (10, 23, "Delete one."),
        (11, 7, "It is one of en, tr, ar, ku, ckb, fa."),
        (12, 11, "Write an item or delete the key."),
        (13, 11, "Write [a, b] or one `- item` a line."),
        (14, 13, "Add it."),
        (15, 14, "Name the larger thing."),
        (16, 21, "Keep at most 15 of them."),
        (19, 10, "Write the words out."),
        (19, 15, "Write the beginning and one `*`."),
        (19, 25, "Write a name or a word."),
        (21, 3, "Write `base-attack`."),
        (21, 34, "Write the text alone, in quotes if needed."),
        (22, 30, "Write a value or delete the key."),
        (24, 21, "Did you mean `base`?"),
        (25, 5, "Add it."),
        (25, 12, "Write [a, b] or one `- item` a line."),
    ]
    assert all(p.sentence.endswith(".") for p in found)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("entities: {}", "`entities` is empty"),
        ("entities: [a]", "`entities` must be written as"),
        ("entities: {a: {kind: base, name: A, names: [A]}}", "sorted by language"),
        ("entities: {a: {kind: base, name: A, names: {en: [B*]}}}", "works only in `words`"),
        ("entities: {a: {kind: base, name: A, mask: [B, B]}}", "twice in `mask`"),
        ("entities: {a: {kind: base, name: A, groups: []}}", "`groups` is an empty list"),
        ("entities: {a: {kind: base, name: A, short: [{say: B, with: [x], within: two}]}}", "whole number"),
        ("rules: {a: {title: A, query: B, sources: {}}}", "`sources` is empty"),
        ("rules: {a: {title: A, query: B, languages: [de]}}", "`de` is no language"),
        ("entities: {a: {kind: base, name: '...'}}", "no letter or digit"),
    ],
)
def test_wrong_shapes_are_told(body: str, words: str) -> None:
    """Empty lists, doubles, stars in names and lists where text is wanted are errors."""
    assert words in problems(read_watchlist, watchlist(body))[0].sentence


def test_files_are_checked_against_each_other() -> None:
    """A name defined twice is told at each place; relations, company and mentions must exist."""
    entity = "entities:\n  pkk: {kind: party, name: PKK, groups: [reds], part_of: kcks}\n"
    one = read_watchlist("one.yaml", watchlist(entity + "rules: {r: {title: R, query: a}}", "one"))
    two = read_watchlist(
        "two.yaml",
        watchlist(
            "entities:\n"
            "  pkk: {kind: party, name: PKK}\n"
            "  reds: {kind: party, name: Reds}\n"
            "  kck: {kind: party, name: KCK, short: [{say: K, with: ['@nobody', '@reds', '@kck+']}]}\n"
            "rules: {r: {title: R, query: a}}\n"
            "examples: [{say: x, hits: [], mentions: [kcx]}]\n",
            "one",
        ),
    )

    found = [(p.file, p.line, p.sentence, p.hint) for p in cross_check([one, two])]

    assert [(file, line) for file, line, sentence, _ in found if "defined twice" in sentence] == [
        ("one.yaml", 1),
        ("two.yaml", 1),
        ("one.yaml", 4),
        ("two.yaml", 4),
        ("one.yaml", 5),
        ("two.yaml", 7),
    ]
    assert ("one.yaml", 4, "There is no entity `kcks`.", "Did you mean `kck`?") in found
    assert any("`nobody`" in sentence for _, _, sentence, _ in found)
    assert any("`kcx`" in sentence for _, _, sentence, _ in found)
    assert any("both an entity and a group" in sentence for _, _, sentence, _ in found)
    assert not any("no entity `reds`" in sentence for _, _, sentence, _ in found)


def test_a_folder_is_read_in_order(tmp_path: Path) -> None:
    """All files arrive with their sources; a broken one is missing and told, and the others stand."""
    for path in (DATA / "good").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert [len(part) for part in (load(tmp_path).files, load(tmp_path).feeds, load(tmp_path).desks)] == [1, 3, 2]
    assert load(tmp_path).problems == ()

    (tmp_path / "bases.yaml").write_text("watchlist: bases\ntitle: [")
    (tmp_path / "other.yaml").write_text(watchlist("words: {a: {en: [bomb]}}", "other"))
    (tmp_path / "late.yml").write_text("x")
    (tmp_path / ".#lock.yaml").write_text("x")
    found = load(tmp_path)

    assert [file.id for file in found.files] == ["other"]
    assert [(p.file.rpartition("/")[2], p.warning) for p in found.problems] == [
        ("bases.yaml", False),
        ("late.yml", True),
    ]
    assert [name.rpartition("/")[2] for name, _ in found.sources] == ["other.yaml", "feeds.yaml", "desks.yaml"]
    assert len(found.desks) == 2, "a broken watchlist still counts as one that exists"


def test_a_missing_folder_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    """The message says what to run."""
    (problem,) = load(tmp_path / "none").problems

    assert "monitor init" in problem.hint


def test_sources_that_no_feed_has_are_warned_of(tmp_path: Path) -> None:
    """A rule may name an outlet that is not listed; that is a warning with a suggestion."""
    (tmp_path / "feeds.yaml").write_text("feeds: [{id: rudaw, title: Rudaw}]")
    (tmp_path / "a.yaml").write_text(watchlist("rules: {r: {title: R, query: a, sources: {never: [rudav]}}}"))

    (problem,) = load(tmp_path).problems

    assert (problem.warning, problem.hint) == (True, "Did you mean `rudaw`?")


def test_feeds_get_ids_and_times() -> None:
    """Only an address is required; the id comes from host, path and query, and an outlet without address stays."""
    first, second, third = read_feeds("feeds.yaml", (DATA / "good" / "feeds.yaml").read_text())

    assert (first.id, first.lang, first.country, first.tier, first.every, first.fulltext, first.tags, first.line) == (
        "sample",
        "ku",
        "iq",
        1,
        120,
        True,
        ("iraq",),
        2,
    )
    assert (second.id, second.title, second.tier) == ("example-org-world-feed-xml-cat-2", "www.example.org", 2)
    assert (third.id, third.url, third.title) == ("silent-outlet", "", "Silent Outlet")
    assert read_feeds("feeds.yaml", "feeds: []") == ()


def test_feed_ids_do_not_collide() -> None:
    """Addresses that look alike as slugs get ids of their own."""
    feeds = read_feeds(
        "f", "feeds: [{url: 'http://a.example/x'}, {url: 'https://a.example/x'}, {url: 'http://ü.example'}]"
    )

    assert len({feed.id for feed in feeds}) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{url: ftp://a.example/x}", "no address of a feed"),
        ("{url: 'file:///etc/passwd'}", "no address of a feed"),
        ("{url: 'https://'}", "no address of a feed"),
        ("{url: 'https://a.example:99999/'}", "host or port"),
        ("{url: 'http://a.example\\@b.example/'}", "no address of a feed"),
        ("{url: 'http://[::1/'}", "host or port"),
        ("{url: 'http://a b.example/'}", "no address of a feed"),
        ("{note: x}", "needs a `url`"),
        ("{title: x, tier: 4}", "from 1 to 3"),
        ("{title: x, lang: kr}", "no language"),
        ("{title: x, country: Iraq}", "no country"),
        ("{title: x, every: soon}", "no time between polls"),
        ("{title: x, kind: newz}", "no kind of feed"),
        ("{title: x, nots: y}", "Unknown key"),
        ("text", "must be written as"),
    ],
)
def test_wrong_feeds_are_told(line: str, words: str) -> None:
    """A feed that cannot be polled is refused with its place."""
    problem = problems(read_feeds, f"feeds:\n  - {line}\n")[0]

    assert words in problem.sentence
    assert problem.line == 2


def test_passwords_in_addresses_are_hidden() -> None:
    """A message never repeats the user and password of an address."""
    source = "feeds:\n  - {url: 'ftp://me:secret@a.example/'}\n  - {url: 'http://me:secret@a.example/ x'}\n"

    assert "secret" not in str(ConfigError(*problems(read_feeds, source)))


def test_doubled_feeds_are_told() -> None:
    """The same id or address twice names the first line."""
    source = "feeds:\n  - {id: a, url: 'http://a.example/'}\n  - {id: a, url: 'http://a.example/'}\n"

    assert ["(first in line 2)" in p.sentence for p in problems(read_feeds, source)] == [True, True]


def test_desks_are_read() -> None:
    """Times and days are in order, `all` lists is none named, and what is missing has its default."""
    iraq, everything = read_desks("desks.yaml", (DATA / "good" / "desks.yaml").read_text(), {"bases"})

    assert (iraq.id, iraq.to, iraq.zone, iraq.at) == ("iraq", ("iraq@example.org",), "Asia/Baghdad", ("06:30", "18:30"))
    assert (iraq.days, iraq.watchlists, iraq.level, iraq.empty) == (("mon", "fri"), ("bases",), "high", "never")
    assert (iraq.flash_to, iraq.flash_level, iraq.line) == (("duty@example.org",), "flash", 2)
    assert (everything.at, everything.watchlists, everything.zone, everything.level) == (
        ("07:00",),
        (),
        "UTC",
        "normal",
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{id: a, to: Desk <a@example.org>}", "no plain mail address"),
        ("{id: a, to: []}", "empty list"),
        ("{id: a}", "lacks the key `to`"),
        ("{id: a, to: a@example.org, zone: Europe/Instanbul}", "no time zone"),
        ("{id: a, to: a@example.org, zone: Europe}", "no time zone"),
        ("{id: a, to: a@example.org, zone: ../../etc/passwd}", "no time zone"),
        ("{id: a, to: a@example.org, at: ['7:00']}", "no time of day"),
        ("{id: a, to: a@example.org, at: ['24:00']}", "no time of day"),
        ("{id: a, to: a@example.org, days: [monday]}", "no day"),
        ("{id: a, to: a@example.org, level: hgih}", "no level"),
        ("{id: a, to: a@example.org, watchlists: [basis]}", "no watchlist `basis`"),
        ("{id: a, to: a@example.org, flash: {level: high}}", "lacks the key `to`"),
    ],
)
def test_wrong_desks_are_told(line: str, words: str) -> None:
    """A desk that could not be mailed is refused with its place."""
    found = problems(lambda name, source: read_desks(name, source, {"bases"}), f"desks:\n  - {line}\n")[0]

    assert words in found.sentence
    assert found.line == 2


def test_two_desks_of_one_name_are_told() -> None:
    """A desk's id is its key in the store."""
    source = "desks:\n  - {id: a, to: a@example.org}\n  - {id: a, to: b@example.org}\n"

    assert "first in line 2" in problems(read_desks, source)[0].sentence


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("a@b.example", True),
        ("a+tag@b.example", True),
        ("o'neil@b.example", True),
        ("a@localhost", True),
        ("", False),
        ("a@", False),
        ("@b", False),
        ("a b@c", False),
        ('"a b"@c.example', False),
        ("<a@b.example>", False),
        ("a@b.example, c@d.example", False),
        ("a@b.example>\r\nRCPT TO:<x@y", False),
        ("a@b.example\n", False),
        ("-oQ/tmp@b.example", False),
        ("ع@example.com", False),
        ("a..b@example.org", False),
        ("a@-b.example", False),
        ("a@[127.0.0.1]", False),
        ("a" * 65 + "@b.example", False),
        ("a@" + "b" * 64 + ".example", False),
    ],
)
def test_only_plain_addresses_are_mailed(address: str, good: bool) -> None:  # noqa: FBT001
    """One addr-spec in ASCII, and nothing that a mail server or a command line could read as more."""
    assert is_address(address) is good


def test_public_recipients_are_addresses_or_a_place() -> None:
    """Every public recipient vector is taken as it stands or refused with file and line."""
    for recipient in vectors.values("addresses/own_recipients.jsonl"):
        source = f"desks:\n  - id: a\n    to: [{json.dumps(recipient)}]\n"
        if is_address(recipient):
            assert read_desks("d.yaml", source)[0].to == (recipient,)
        else:
            assert problems(read_desks, source)[0].line >= 3


def test_public_yaml_attacks_are_no_watchlists() -> None:
    """Each attack alone as a watchlist file is refused in a moment, with places and sentences."""
    for source in vectors.values("yaml_unsafe/own_watchlists.jsonl"):
        begun = time.perf_counter()
        for reader in (read_watchlist, read_feeds, read_desks):
            assert all(p.line >= 1 and "\n" not in str(p) for p in problems(reader, source))
        assert time.perf_counter() - begun < 1


def test_the_schema_knows_the_keys_of_the_loader() -> None:
    """An editor offers exactly the keys that the loader reads."""
    schema = json_schema()

    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == set(FILE_KEYS)
    assert set(schema["properties"]["entities"]["additionalProperties"]["properties"]) == set(ENTITY_KEYS)
    assert set(json_schema("feeds")["properties"]["feeds"]["items"]["properties"]) == set(FEED_KEYS)
    assert set(json_schema("desks")["properties"]["desks"]["items"]["properties"]) == set(DESK_KEYS)


def test_slugs_are_made_from_titles() -> None:
    """A suggestion is an id that would be taken."""
    assert slugged("Ain al-Asad!") == "ain-al-asad"
    assert slugged("الأسد") == ""


def test_the_shipped_folder_has_no_problem() -> None:
    """What the project ships loads without a word."""
    assert [str(problem) for problem in load(PROJECT / "watchlists").problems] == []
