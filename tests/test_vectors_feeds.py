"""Public sets of odd and hostile feeds, each read in a killable child: nothing opened, nothing raised, nothing lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import vectors
from lxml import etree
from watched import Seen, look, lost, reach

from monitor.model import Item
from monitor.sandbox import Done, Limits, Outcome, Sandbox

Body = tuple[str, bytes, str]
"""Name, bytes, content type."""

_HEADER = re.compile(rb"Header:\s+Content-[Tt]ype:\s*([^\r\n]+)")


@pytest.fixture(scope="module")
def child() -> Iterator[Sandbox]:
    """Two children with the bounds of a poll."""
    with Sandbox(workers=2, limits=Limits(), preload=["monitor.service.read"]) as made:
        yield made


def documents(place: str) -> list[Body]:
    """The files of a set, with the type that a file says it is served as."""
    found = []
    for name, body in vectors.files(place):
        told = _HEADER.search(body)
        found.append((name, body, told.group(1).decode("latin-1").strip() if told else "application/xml"))
    return found


def strings(*places: str) -> list[Body]:
    """The values of a set of strings, each as a whole body."""
    values = vectors.values(*places)
    return [(f"{places[0]} {n}", str(v).encode("utf-8", "surrogateescape"), "") for n, v in enumerate(values)]


def read(child: Sandbox, bodies: list[Body]) -> dict[str, Seen]:
    """Read all of them under watch; fails on the first one that is not answered or reaches for something."""
    outcomes: Iterator[Outcome[Seen]] = child.map(look, [(body, kind) for _, body, kind in bodies])
    found = {}
    for (name, _, __), outcome in zip(bodies, outcomes, strict=True):
        assert isinstance(outcome, Done), f"{name}: {outcome}"
        assert outcome.value.opened == (), f"{name} reached outside: {outcome.value.opened}"
        found[name] = outcome.value
    return found


def test_the_watch_sees(child: Sandbox) -> None:
    """A file, a question for an address, a connection and a program are noted: silence means that there was none."""
    outcome = child.run(reach, (__file__,))

    assert isinstance(outcome, Done)
    assert [n.split()[0] for n in outcome.value if n.split()[0] != "socket.__new__"] == [
        "open", "socket.getaddrinfo", "socket.getaddrinfo", "subprocess.Popen"
    ]  # fmt: skip


def test_a_loss_is_noticed() -> None:
    """Whatever feedparser finds and an item does not hold is named: entry, id, link, title, date, text."""
    body = (
        b"<rss version='2.0'><channel><item><guid>http://a.example/1</guid><title>x</title>"
        b"<pubDate>Sat, 21 Nov 2026 09:00:00 GMT</pubDate><description>y</description></item></channel></rss>"
    )
    named = [what.split()[2] for what in lost((Item(feed="f"),), body, "")]

    assert named == ["id", "link", "title", "date", "text"]
    assert list(lost((), body, "")) == ["1 of 1 entries"]


def test_bodies_that_are_paths_or_addresses(child: Sandbox) -> None:
    """A body that is a path or a URL is opened by nobody and ends as "no feed"."""
    for name, seen in read(child, strings("feed_bodies/")).items():
        assert seen.told, name
        assert seen.entries == 0, name


def test_external_entities(child: Sandbox) -> None:
    """No external entity is looked up, and nothing of our files is in what is read."""
    for name, seen in read(child, strings("xxe/")).items():
        assert "root:" not in seen.letters + seen.told, name
        assert "[boot loader]" not in seen.letters + seen.told, name


@pytest.mark.parametrize(
    "place", ["xml_attacks_defusedxml/", "feeds_feedparser_illformed/", "feeds_feedparser_lang_date/"]
)
def test_damaged_and_hostile_documents(child: Sandbox, place: str) -> None:
    """XML attacks, broken documents and odd encodings are read or refused, and keep what feedparser finds in them."""
    for name, seen in read(child, documents(place)).items():
        assert seen.lost == (), f"{name}: {seen.lost}"
        assert len(seen.letters) < 1_000_000, name


def test_the_feed_validator_s_cases(child: Sandbox) -> None:
    """Every entry of a well-formed case is kept, and of all others what feedparser finds."""
    bodies = documents("feeds_w3c_feedvalidator/")
    found = read(child, bodies)
    whole = 0
    for name, body, _ in bodies:
        seen = found[name]
        assert seen.lost == (), f"{name}: {seen.lost}"
        entries = counted(body)
        if entries is not None and seen.gate == "plain":
            assert seen.entries == entries, name
            whole += 1
    assert whole > 500


def counted(body: bytes) -> int | None:
    """Items and entries of a well-formed document that stand where a feed has them; None for any other document."""
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None
    return int(root.xpath("count(/*/*[local-name()='item' or local-name()='entry'] | /*/*[local-name()='channel']"
                          "/*[local-name()='item'])"))  # fmt: skip


def test_json_of_all_kinds(child: Sandbox) -> None:
    """JSON that may or may not be read is a feed without entries or is refused in words, alone and inside of a feed."""
    bodies = []
    for name, body, _ in documents("json_test_suite/"):
        around = b'{"version":"https://jsonfeed.org/version/1.1","title":"t","items":[' + body + b"]}"
        field = b'{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","title":"t","content_text":'
        bodies += [(name, body, ""), (f"{name} as item", around, ""), (f"{name} as text", field + body + b"}]}", "")]
    found = read(child, bodies)
    for name, body, _ in bodies:
        assert bool(found[name].told) == (found[name].gate != "json"), name
        if name.rpartition("/")[2].startswith("y_") and name.endswith(" as text"):
            assert found[name].entries == 1, f"{name}: {json.loads(body)}"


def test_html_in_feeds(child: Sandbox) -> None:
    """Feeds full of scripts lose no entry to us, and what is kept of them is letters."""
    for name, seen in read(child, documents("feeds_feedparser_sanitize/")).items():
        assert seen.lost == (), f"{name}: {seen.lost}"
        assert "<script" not in seen.letters.lower(), name
