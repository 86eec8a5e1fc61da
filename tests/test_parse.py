"""Parsing: what feeds of all sorts are taken to mean, and that no document can do anything but be read.

The files of tests/data/feeds carry their expectation inside, as feedparser's own tests do.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import vectors

from monitor.model import Failed
from monitor.parse import MOST_ENTRIES, Parsed, authority, jsonfeed, lost, parse, plain
from monitor.sandbox import Done, Killed, Limits, Sandbox

FILES = sorted((Path(__file__).parent / "data" / "feeds").iterdir())
SHARED = Path(__file__).parents[2] / "shared"
FEEDS = SHARED / "corpus" / "feeds.tar.gz"
BASE = "https://paper.example/feeds/all.xml"
HEAD = b"<rss version='2.0'><channel><title>T</title>"


def utc(*parts: int) -> datetime:
    """An aware moment, for expectations."""
    year, month, day, *clock = parts
    return datetime(year, month, day, *clock, tzinfo=UTC)  # type: ignore[misc,arg-type]


def expectation(body: bytes) -> str:
    """The expression that a test file carries."""
    if body.startswith(b"{"):
        return str(json.loads(body)["_expect"])
    found = re.search(rb"Expect: (.*?)\n-->", body, re.DOTALL)
    assert found, "the file carries no expectation"
    declared = re.search(rb"encoding=\"([^\"]+)\"", body)
    return found.group(1).decode(declared.group(1).decode() if declared else "utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_mean_what_they_expect(path: Path) -> None:
    """Each file is read as the expression inside of it says."""
    body = path.read_bytes()
    parsed = parse("paper", body, "application/xml", BASE)
    assert isinstance(parsed, Parsed)
    facts = {name: getattr(parsed, name) for name in ("items", "title", "lang", "kind", "gate")}

    assert eval(expectation(body), {"utc": utc}, facts), parsed  # noqa: S307 - our own file


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".xml"], ids=lambda p: p.name)
def test_both_parsers_agree_on_files(path: Path) -> None:
    """Where the gate opens, feedparser would have said the same."""
    body = path.read_bytes()
    quick = plain.read("paper", body, "", BASE)
    if isinstance(quick, Parsed):
        assert quick == authority.read("paper", body, "", BASE, gate="plain")


def test_the_gate_keeps_what_feedparser_alone_can_judge() -> None:
    """A prefix that stands for another namespace than usual, or an unknown root, is a doubt."""
    swapped = HEAD + b"<item xmlns:dc='http://purl.org/rss/1.0/modules/content/'/></channel></rss>"

    assert plain.read("f", swapped, "", BASE) == "a usual prefix for an unusual namespace"
    assert plain.read("f", b"<opml/>", "", BASE) == "<opml> as root"
    assert plain.read("f", HEAD + b"<item><body/></item></channel></rss>", "", BASE) == "<body> in an entry"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html><head></head></html>", "a web page"),
        (b"<html><body>Just a moment...</body></html>", "a web page"),
        (b"", "an empty document"),
        (b"just words", "no RSS, Atom or JSON feed"),
        (b"<opml><body/></opml>", "a web page"),
        (b"<svg/>", "no RSS, Atom or JSON feed"),
        (b'{"hello": 1}', "no JSON Feed"),
        (b'{"version": "https://jsonfeed.org/version/1"}', "no JSON Feed"),
        (b'{"version": ', "line 1, column 13"),
        (b"{" + b'"a":[' * 100_000, "JSON that cannot be read"),
        (b"\0\1\2<\xff\xfe", "no RSS, Atom or JSON feed"),
    ],
)
def test_what_is_no_feed_is_told(body: bytes, words: str) -> None:
    """Anything else than a feed is a failure in words, and a value."""
    result = parse("f", body, "text/html", BASE)

    assert isinstance(result, Failed)
    assert result.kind == "not-a-feed"
    assert words in result.message


def test_the_server_s_charset_counts() -> None:
    """Letters are read by Content-Type where the document itself is silent."""
    body = HEAD + "<item><title>تهران</title></item></channel></rss>".encode("windows-1256", "ignore")
    parsed = parse("f", body, "text/xml; charset=windows-1256", BASE)

    assert isinstance(parsed, Parsed)
    assert parsed.items[0].title == "تهران".encode("windows-1256", "ignore").decode("windows-1256")


@pytest.mark.parametrize(
    ("title", "text", "share"),
    [
        ("Şırnak", "<p class='abc'>&amp; 12</p>", 0.0),
        ("\ufffdoban", "<b title='\ufffd'>a\ufffdb&nbsp;c12</b>", 2 / 9),
        ("\ufffd", "", 1.0),
        ("", "<img alt='\ufffd'>", 0.0),
        ("سلێمان\ufffd", "", 1 / 7),
    ],
)
def test_lost_letters_are_counted_among_letters(title: str, text: str, share: float) -> None:
    """Neither tags nor entities, digits and spaces count; a feed of pictures alone has lost nothing."""
    item = {"id": "1", "title": title, "content_html": text}
    body = json.dumps({"version": "https://jsonfeed.org/version/1", "items": [item]}).encode()
    parsed = parse("f", body, "", BASE)

    assert isinstance(parsed, Parsed)
    assert lost(parsed.items) == pytest.approx(share)


@pytest.mark.parametrize("end", [b"</channel></rss>", b"</channel>"], ids=["plain", "broken"])
def test_only_the_first_entries_are_read(end: bytes) -> None:
    """Of a feed with too many entries the first 5,000 come, by either parser."""
    body = HEAD + b"<item><title>x</title></item>" * (MOST_ENTRIES + 500) + end
    parsed = parse("f", body, "", BASE)

    assert isinstance(parsed, Parsed)
    assert len(parsed.items) == MOST_ENTRIES


def test_documents_on_which_feedparser_stumbles_are_mended() -> None:
    """An error inside of feedparser does not cost the feed."""
    body = HEAD + b"<item><title>ok</title><gml:pos xmlns:gml='http://www.opengis.net/gml'>1 2</gml:pos></item>"
    parsed = parse("f", body + b"</channel></rss>", "", BASE)

    assert isinstance(parsed, Parsed)
    assert parsed.items[0].title == "ok"


@contextmanager
def no_outside() -> Iterator[list[str]]:
    """Collect what the block opens, resolves, connects to or starts."""
    GUARD.clear()
    WATCHING.append(True)
    try:
        yield GUARD
    finally:
        WATCHING.clear()


GUARD: list[str] = []
WATCHING: list[bool] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not WATCHING or "encodings" in str(args[:1]):  # Python reads its own table for a declared encoding
        return
    if event == "open" or event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "urllib.")):
        GUARD.append(f"{event} {args[:1]}")


sys.addaudithook(_audit)

PATHS = [
    *(b"/etc/passwd", b"/dev/stdin", b"/proc/self/environ", b"file:///etc/passwd", b"http://127.0.0.1:25/", b"tests"),
    *(b"pyproject.toml", b"../data/monitor.db", b"|id", b"\\\\host\\share", b"feed://127.0.0.1/x"),
]


@pytest.mark.parametrize("body", PATHS)
def test_t_body_is_path(body: bytes) -> None:
    """T-BODY-IS-PATH: a body that is a path or a URL opens nothing and is no feed."""
    with no_outside() as opened:
        result = parse("f", body, "application/rss+xml", BASE)

    assert isinstance(result, Failed)
    assert opened == []


def test_t_xml_external_entities_are_not_looked_up() -> None:
    """T-XML: an external DTD or entity causes no access, through either parser."""
    bodies = [
        b"<!DOCTYPE rss SYSTEM 'http://127.0.0.1:9/x.dtd'>" + HEAD + b"<item><title>a</title></item></channel></rss>",
        b"<!DOCTYPE rss [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
        + HEAD
        + b"<item><title>&x;</title></item></channel></rss>",
        b"<!DOCTYPE rss [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]>" + HEAD + b"</channel></rss>",
        HEAD + b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd'/></channel></rss>",
    ]
    parse("f", bodies[0], "", BASE)  # whatever feedparser imports late is imported now
    for body in bodies:
        with no_outside() as opened:
            result = parse("f", body, "", BASE)
        assert opened == []
        assert "root:" not in repr(result)


def test_t_xml_bombs_stay_small() -> None:
    """T-XML: entities that multiply are not expanded."""
    levels = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
    body = (
        f"<!DOCTYPE rss [<!ENTITY l0 'lol'>{levels}]>".encode()
        + HEAD
        + b"<item><title>&l11;</title></item></channel></rss>"
    )
    result = parse("f", body, "", BASE)

    assert isinstance(result, Parsed)
    assert len(result.items[0].title) < 1_000


def test_t_hang_a_poisonous_feed_costs_only_itself() -> None:
    """T-HANG: a document that keeps feedparser busy for minutes is killed, and the feeds beside it are read."""
    poison = HEAD + b"<item " + b" ".join(b'a%d="x"' % n for n in range(60_000)) + b"></item></channel>"
    good = HEAD + b"<item><title>x</title></item></channel></rss>"
    jobs = [(name, body, "", BASE) for name, body in (("a", good), ("bad", poison), ("b", good), ("c", good))]
    with Sandbox(workers=2, limits=Limits(wall=2.0), preload=["monitor.parse"]) as sandbox:
        outcomes = list(sandbox.map(parse, jobs))

    assert [type(o) for o in outcomes] == [Done, Killed, Done, Done]
    assert outcomes[1] == Killed(cause="wall", reason="took longer than 2 s")


def members(archive: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Files of an archive under a prefix."""
    with tarfile.open(archive) as tar:
        for info in tar:
            if info.isfile() and info.name.startswith(prefix):
                handle = tar.extractfile(info)
                assert handle
                yield info.name, handle.read()


def test_hostile_vectors_open_nothing_and_raise_nothing() -> None:
    """Bodies that are paths, XML attacks and broken JSON are read or refused, in memory alone."""
    bodies = [value.encode("utf-8", "surrogateescape") for value in vectors.values("feed_bodies/", "xxe/")]
    bodies += [body for _, body in vectors.files("xml_attacks_defusedxml/")]
    bodies += [body for _, body in vectors.files("feeds_feedparser_illformed/")]
    for _, body in vectors.files("json_test_suite/"):
        bodies += [body, b'{"version":"https://jsonfeed.org/version/1.1","items":[' + body + b"]}"]
    parse("f", HEAD, "", BASE)
    for body in bodies:
        with no_outside() as opened:
            result = parse("f", body, "", BASE)
        assert opened == []
        assert isinstance(result, Parsed | Failed)
        repr(result).encode()
    assert len(bodies) > 400


@pytest.mark.skipif(not FEEDS.is_file(), reason="the collection of real feeds in ../shared is not there")
@pytest.mark.parametrize("kind", ["realworld", "testcase"])
def test_the_gate_changes_nothing_on_real_feeds(kind: str) -> None:
    """On thousands of real and of test feeds the fast parser says exactly what feedparser says.

    Of the real-world feeds (program sources that quote one are left out) at least 80 in 100 pass the gate.
    """
    index = (SHARED / "corpus" / "feeds-index.tsv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(index), delimiter="\t", quoting=csv.QUOTE_NONE)
    wanted = {"public/" + row["file"]: int(row["entries"] or 0) for row in rows if row["class"] == kind}
    seen = passed = 0
    for name, body in members(FEEDS, ""):
        key = name if name in wanted else "public/" + name.removeprefix("public/")
        start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not wanted.get(key) or not start.startswith((b"<", b"{")) or start.startswith(b"<?php"):
            continue
        seen += 1
        if jsonfeed.looks_like_json(body):
            passed += 1
            continue
        quick = plain.read("f", body, "application/rss+xml", BASE)
        if isinstance(quick, Parsed):
            passed += 1
            assert quick == authority.read("f", body, "application/rss+xml", BASE, gate="plain"), name

    assert seen > 200
    assert passed / seen >= (0.8 if kind == "realworld" else 0.7), (passed, seen)
