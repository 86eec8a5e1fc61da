from __future__ import annotations

import gzip
import http.client
import io
import json
import re
from calendar import timegm
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import feedparser
import pytest

from monitor.demo import SampleFarm
from monitor.demo.stories import LANGUAGES, load_outlets, load_stories
from monitor.errors import UsageError

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
SENTENCE_END = re.compile(r"[.!?؟](?:\s|$)")
WATCHED = (
    r"\b(?:asad|esed|erbil|hewl|pkk|sinjar|sincar|şengal|şingal|qandil|qend|hashd|haşd|heşd|hezbollah|hizbul|embassy|qaani|kaani"
    "|sudani|sûdan|fayyad|feyyad|peshmerga|peşmerge|pêşmerge|ybş|bashiqa|başika|iraq|irak|baghdad|bağdat|bexda)"
    "|عين الأسد|أربيل|سنجار|قنديل|الحشد|كتائب|السفارة|قاآني|السوداني|الفياض|البيشمركة|بعشيقة|بغداد|العراق"
    "|ئەسەد|هەولێر|شەنگال|قەندیل|حەشد|حزبوڵا|باڵیۆز|قائانی|سودانی|فەیاز|پێشمەرگە|بەعشیقە|بەغدا|عێراق|پەکەکە"
    "|عین الاسد|اربیل|قندیل|حشد|کتائب|سفارت|السودانی|الفیاض|پیشمرگه|بغداد|عراق|پ‌ک‌ک"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a reader finds of one item."""

    guid: str
    link: str
    title: str
    text: str
    published: datetime


def ask(url: str, **headers: str) -> Answer:
    """GET over a real socket; `If_None_Match` becomes If-None-Match."""
    where = urlsplit(url)
    with closing(http.client.HTTPConnection(where.netloc, timeout=5)) as line:
        line.request("GET", where.path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        got = line.getresponse()
        return Answer(status=got.status, headers=dict(got.getheaders()), body=got.read())


def read_xml(body: bytes) -> list[Seen]:
    """RSS, RDF and Atom as feedparser reads them."""
    parsed = feedparser.parse(io.BytesIO(body))
    assert not parsed.bozo
    return [
        Seen(
            guid=entry.get("id", ""),
            link=entry.link,
            title=entry.title,
            text=entry.content[0].value if "content" in entry else entry.summary,
            published=datetime.fromtimestamp(timegm(entry.get("published_parsed") or entry.updated_parsed), UTC),
        )
        for entry in parsed.entries
    ]


def read_json(body: bytes) -> list[Seen]:
    """JSON Feed by hand."""
    return [
        Seen(
            guid=item["id"],
            link=item["url"],
            title=item["title"],
            text=item.get("content_text") or item["content_html"],
            published=datetime.fromisoformat(item["date_published"]),
        )
        for item in json.loads(body)["items"]
    ]


def poll(farm: SampleFarm) -> dict[str, list[Seen]]:
    """The items of every feed that answers, by feed."""
    found = {}
    for feed in farm.feeds():
        answer = ask(str(feed["url"]))
        if answer.status == 200:
            read = read_json if "json" in answer.headers["Content-Type"] else read_xml
            found[str(feed["id"])] = read(answer.body)
    return found


@pytest.fixture
def farm() -> Iterator[SampleFarm]:
    """The samples, served until the test ends."""
    with SampleFarm(now=NOW) as opened:
        yield opened


def test_amount() -> None:
    """At least 14 live feeds, each format twice, 170 items, 20 a language, and a third or more that no desk wants."""
    live = [outlet for outlet in load_outlets() if not outlet.dead]
    assert len(live) >= 14
    assert min(Counter(outlet.format for outlet in live).values()) >= 2
    assert {outlet.format for outlet in live} == {"rss2", "rdf", "atom", "json"}
    carried = Counter(story.lang for story in load_stories() for _ in story.feeds)
    assert set(carried) == set(LANGUAGES)
    assert min(carried.values()) >= 20
    assert carried.total() >= 170
    unwatched = sum(len(story.feeds) for story in load_stories() if story.kind != "watched")
    assert 0.33 <= unwatched / carried.total() <= 0.45


def test_wording() -> None:
    """Headlines are at most 110 letters, texts two to six sentences, watched texts tell the true year of the event."""
    for story in load_stories():
        assert 10 <= len(story.title) <= 110, story.id
        assert 2 <= len(SENTENCE_END.findall(story.text)) <= 6, story.id
        assert story.kind != "watched" or re.search(r"\b20[12]\d", story.text), story.id
        assert 0 < story.hours_ago < 48, story.id


def test_references() -> None:
    """Story ids are unique and name feeds of their own language; nothing comes from the dead feed."""
    lang = {outlet.id: outlet.lang for outlet in load_outlets() if not outlet.dead}
    stories = load_stories()
    assert len({story.id for story in stories}) == len(stories)
    assert all(lang[feed] == story.lang for story in stories for feed in story.feeds)
    assert all(set(story.carried) <= set(story.feeds) for story in stories)
    assert {feed for story in stories for feed in story.feeds} == set(lang)


def test_ordinary_news_is_ordinary() -> None:
    """Ordinary items hold no watched name in any language."""
    for story in load_stories():
        found = re.search(WATCHED, f"{story.title} {story.text}".lower())
        assert story.kind != "ordinary" or found is None, (story.id, found)


@pytest.mark.parametrize("trap", ["Regaip Kandili", "İHA muhabirine", "كل بلد", "الجيش السوداني"])
def test_traps(trap: str) -> None:
    """The well-known false friends are among the samples, marked as traps."""
    assert any(story.kind == "trap" and trap in story.title for story in load_stories())


def test_syndication(farm: SampleFarm) -> None:
    """Six texts or more run in several feeds; a three-feed one has one text, three identifiers and three addresses."""
    assert sum(len(story.feeds) > 1 for story in load_stories()) >= 6
    found = [seen for items in poll(farm).values() for seen in items]
    for title in farm.expect()["three_feed_story"]:
        copies = [seen for seen in found if seen.title == title]
        assert len(copies) == 3
        assert len({seen.guid for seen in copies}) == len({seen.link for seen in copies}) == 3
        assert len({re.sub(r"<[^>]+>", "", seen.text) for seen in copies}) == 1
    assert any("attacked Ain al-Asad" in title for title in farm.expect()["three_feed_story"])


def test_both_polls_give_what_is_expected(farm: SampleFarm) -> None:
    """Every promised item can be read over HTTP, before and after the step, and none is from the future."""
    first = poll(farm)
    farm.step()
    second = poll(farm)
    assert [sum(map(len, first.values())), sum(map(len, second.values()))] == farm.expect()["items"]
    assert min(map(len, first.values())) >= 8
    assert all(NOW - timedelta(hours=48) < seen.published < NOW for items in second.values() for seen in items)
    assert all(".example/" in seen.link for items in second.values() for seen in items)


def test_step_brings_news(farm: SampleFarm) -> None:
    """The second state adds eight items or more in all six languages, one of them the flash about Erbil airport."""
    before = {seen.title for items in poll(farm).values() for seen in items}
    farm.step()
    after = {seen.title for items in poll(farm).values() for seen in items}
    new = farm.expect()["new_at_second_poll"]
    assert len(new) >= 8
    assert {story.lang for story in load_stories() if story.step == 2} == set(LANGUAGES)
    assert after - before == {*new, farm.expect()["edited"]["new"]}
    assert farm.expect()["flash"] in new
    assert "attack on Erbil airport" in farm.expect()["flash"]


def test_edited_item_keeps_its_identifier(farm: SampleFarm) -> None:
    """The edited item shows a new headline and text under the identifier, link and date it had."""
    edited = farm.expect()["edited"]
    old = next(seen for items in poll(farm).values() for seen in items if seen.title == edited["old"])
    farm.step()
    found = [seen for items in poll(farm).values() for seen in items]
    new = next(seen for seen in found if seen.title == edited["new"])
    assert (old.guid, old.link, old.published) == (new.guid, new.link, new.published)
    assert old.text != new.text
    assert edited["old"] not in {seen.title for seen in found}


def test_items_without_identifier(farm: SampleFarm) -> None:
    """One feed gives links only, and one item of another feed has no identifier."""
    found = poll(farm)
    bare = {feed: sum(not seen.guid for seen in items) for feed, items in found.items()}
    assert {feed: n for feed, n in bare.items() if n} == {"denge-deste": len(found["denge-deste"]), "tigris-wire": 1}


def test_unchanged_feeds_answer_304(farm: SampleFarm) -> None:
    """A feed that is asked with its ETag answers 304 without a body until the step changes it."""
    url = str(farm.feeds()[0]["url"])
    etag = ask(url).headers["ETag"]
    again = ask(url, If_None_Match=f'"other", {etag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    farm.step()
    assert ask(url, If_None_Match=etag).status == 200


def test_step_changes_only_what_has_news(farm: SampleFarm) -> None:
    """After the step exactly the feeds with a new or edited item have a new ETag."""
    before = {str(feed["id"]): ask(str(feed["url"])).headers.get("ETag") for feed in farm.feeds()}
    farm.step()
    after = {str(feed["id"]): ask(str(feed["url"])).headers.get("ETag") for feed in farm.feeds()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for story in load_stories() if story.step == 2 or story.edited for name in story.feeds}


def test_gzip_only_when_asked(farm: SampleFarm) -> None:
    """The packed form is the plain one, and is sent only to those who take it."""
    url = str(farm.feeds()[0]["url"])
    plain, packed = ask(url, Accept_Encoding="gzip;q=0"), ask(url, Accept_Encoding="br, gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)


def test_content_types(farm: SampleFarm) -> None:
    """Each format is labelled with its registered type."""
    kinds = {
        str(feed["url"]).rpartition(".")[2]: ask(str(feed["url"])) for feed in farm.feeds() if feed["lang"] != "tr"
    }
    got = {suffix: answer.headers["Content-Type"].partition(";")[0] for suffix, answer in kinds.items()}
    assert got == {
        "rss": "application/rss+xml",
        "atom": "application/atom+xml",
        "rdf": "application/rdf+xml",
        "json": "application/feed+json",
    }


def test_dead_feed(farm: SampleFarm) -> None:
    """One feed answers with HTTP 500 at both polls and is named in what is expected."""
    dead = [feed for feed in farm.feeds() if ask(str(feed["url"])).status == 500]
    assert [feed["title"] for feed in dead] == [farm.expect()["dead_feed"]] == ["Dicle Post (sample)"]


def test_list_page_and_unknown_address(farm: SampleFarm) -> None:
    """The root lists every feed; an unknown address is a plain 404."""
    page = ask(farm.base + "/").body.decode()
    assert all(str(feed["title"]) in page for feed in farm.feeds())
    assert ask(farm.base + "/etc/passwd").status == 404


def test_every_outlet_is_marked_as_a_sample(farm: SampleFarm) -> None:
    """No reader can take an invented outlet for a real one."""
    assert all(str(feed["title"]).endswith("(sample)") for feed in farm.feeds())
    assert farm.expect()["languages"] == sorted(LANGUAGES)


def test_farm_ends_with_its_context() -> None:
    """After the context a connection that was kept open is closed and the port is free."""
    with SampleFarm(now=NOW) as farm, closing(http.client.HTTPConnection("127.0.0.1", farm.port, timeout=5)) as line:
        line.request("GET", "/")
        line.getresponse().read()
        kept = line.sock
        farm.__exit__(None, None, None)
        assert kept.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            ask(farm.base + "/")


def test_naive_time_is_refused() -> None:
    """A time without a zone would shift every date, so it is refused with what to do."""
    with pytest.raises(UsageError, match=r"pass datetime\.now\(UTC\)"):
        SampleFarm(now=datetime(2026, 3, 4))  # noqa: DTZ001 -- the fault under test
