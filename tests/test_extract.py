"""Items to articles: identity, text, language, revision, standing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.extract import MOST_TEXT, MOST_TITLE, articles, body, judged, lead, revision
from monitor.identity import Identity, canonical
from monitor.model import Article, Feed, FeedState, Item

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
WIRE = Feed(id="wire", url="http://wire.example/feed", title="The Wire", lang="en")


def item(**given: object) -> Item:
    """An item of the wire."""
    return Item(feed="wire", **({"title": "A title", "guid": "g1", "url": "http://x.example/1"} | given))  # type: ignore[arg-type]


def made(*items: Item, feed: Feed = WIRE, by: Identity = "guid") -> list[Article]:
    """The articles of these items, seen now."""
    return articles(feed, items, seen=NOW, by=by)


def same(a: Item, b: Item, by: Identity = "guid") -> bool:
    """Whether two items of two fetches are one article."""
    return made(a, by=by)[0].id == made(b, by=by)[0].id


def test_guid_decides() -> None:
    """The GUID tells items apart, whatever happens to link, title and date."""
    assert same(item(), item(url="http://y.example/2", title="Other", published=NOW))
    assert not same(item(), item(guid="g2"))


def test_link_decides_without_guid() -> None:
    """Without a GUID the link decides, without its fragment and tracking words; then title and date."""
    assert same(
        item(guid="", url="http://X.example/1?utm_source=a&id=5#top"), item(guid="", url="http://x.example/1?id=5")
    )
    assert not same(item(guid="", url="http://x.example/1?id=5"), item(guid="", url="http://x.example/1?id=6"))
    assert same(item(guid="", url="", published=NOW), item(guid="", url="", published=NOW))
    assert not same(item(guid="", url="", published=NOW), item(guid="", url="", published=NOW + timedelta(1)))


def test_repeated_guid_is_none() -> None:
    """A GUID that a feed gives to several items tells nothing apart: their links do."""
    found = made(item(url="http://x.example/1"), item(url="http://x.example/2", title="B"))
    assert len({a.id for a in found}) == 2


def test_repeated_guid_and_link_fall_back_to_the_words() -> None:
    """Where GUID and link repeat, title and date tell items apart; equal ones are one article."""
    found = made(item(), item(title="B"), item(title="B"))
    assert [a.title for a in found] == ["A title", "B"]


def test_churning_guids_are_ignored() -> None:
    """For a feed that changes its GUIDs at every fetch the link decides."""
    assert same(item(guid="random1"), item(guid="random2"), by="link")


def test_another_feed_is_another_article() -> None:
    """The same item in another feed stays a second article."""
    assert made(item())[0].id != made(item(), feed=Feed(id="rudaw"))[0].id


def test_empty_items_are_none() -> None:
    """An item with neither title nor text is no article."""
    assert made(item(title=" ", html="<p> </p>")) == []
    assert len(made(item(title="", html="text"))) == 1


def test_what_is_kept() -> None:
    """Plain text, one line of title, lead, language, source and the raw link."""
    (found,) = made(
        item(title="A &amp; <b>B</b>", html="<p>The first of the news.</p><p>More.</p>", authors=("<i>X</i>",))
    )
    assert (found.title, found.text) == ("A & B", "The first of the news.\nMore.")
    assert found.lead == "The first of the news. More."
    assert (found.lang, found.source, found.url, found.authors) == ("en", "The Wire", "http://x.example/1", ("X",))
    assert found.revision == revision(found.title, found.text)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "ftp://x/", "//x", "http://", "http://[x", "h" * 9]
)
def test_only_web_links(url: str) -> None:
    """Any link but http and https is dropped, the article is kept."""
    assert made(item(url=url))[0].url == ""


def test_raw_link_is_kept() -> None:
    """The link that is shown is the one that the feed gave, tracking words included."""
    url = "http://x.example/1?utm_source=rss#a"
    assert made(item(url=url))[0].url == url
    assert canonical(url) == "http://x.example/1"


def test_sizes() -> None:
    """Title, text and link are cut at their limits."""
    (found,) = made(item(title="t" * 5_000, html="w " * 300_000, url="http://x.example/" + "u" * 5_000))
    assert len(found.title) == MOST_TITLE
    assert len(found.text) <= MOST_TEXT
    assert found.url == ""


@pytest.mark.parametrize(
    ("summary", "text", "expected"),
    [
        ("Short.", "", "Short."),
        ("", "Long text.", "Long text."),
        ("Long  text …", "So: Long text. And more.", "So: Long text. And more."),
        ("Other words", "Long text.", "Other words\nLong text."),
    ],
)
def test_summary_stands_in_front(summary: str, text: str, expected: str) -> None:
    """A summary that the text already contains is dropped, another one stands in front."""
    assert body(summary, text) == expected


def test_lead_is_sixty_words() -> None:
    """The lead is the first 60 words on one line."""
    assert lead("a\nb  c") == "a b c"
    assert len(lead("w " * 200).split()) == 60


def test_dates_and_links_make_no_revision() -> None:
    """A revision is made by title and text alone."""
    first = made(item(html="text"))[0].revision
    assert made(item(html="text", published=NOW, url="http://y.example/"))[0].revision == first
    assert made(item(html="text!"))[0].revision != first


def test_language_of_feed_or_entry() -> None:
    """The feed's language goes before the entry's own; both only break ties."""
    assert made(item(title="PKK", lang="tr"), feed=Feed(id="x", lang="ku"))[0].lang == "ku"
    assert made(item(title="PKK", lang="tr"), feed=Feed(id="x"))[0].lang == "tr"


def aged(days: float, number: int = 0) -> Item:
    """An item with a date so many days ago."""
    return item(guid=f"g{number}-{days}", url="", published=NOW - timedelta(days=days))


def test_first_fetch_is_a_baseline() -> None:
    """Of a feed's first fetch only items younger than 48 hours are news."""
    found = judged(made(aged(1.9), aged(2.1), item(published=None)), {}, FeedState(feed="wire"))
    assert [a.standing for a in found] == ["news", "baseline", "news"]


def test_a_first_fetch_without_dates_is_no_flood() -> None:
    """Of items without a date, or with one that cannot be true, the foremost twenty of a first fetch are news."""
    undated = [item(guid=f"u{n}", url="", published=None if n % 2 else NOW.replace(year=1970)) for n in range(50)]
    found = judged(made(aged(3), *undated, aged(1)), {}, FeedState(feed="wire"))

    assert [a.standing for a in found] == ["baseline", *["news"] * 20, *["baseline"] * 30, "news"]


def test_later_fetches_are_news() -> None:
    """Later, an item that was not seen before is news whatever its date."""
    state = FeedState(feed="wire", last_ok=NOW)
    assert [a.standing for a in judged(made(aged(100)), {}, state)] == ["news"]


@pytest.mark.parametrize(
    ("count", "old", "usual", "standing"),
    [
        (21, 11, 0.0, "held"),
        (20, 20, 0.0, "news"),
        (21, 10, 0.0, "news"),
        (40, 40, 14.0, "news"),
        (43, 43, 14.0, "held"),
    ],
)
def test_flood_is_held(count: int, old: int, usual: float, standing: str) -> None:
    """More than 20 and three times the usual, over half of them older than a week: all new ones are held."""
    items = [aged(30 if n < old else 0, n) for n in range(count)]
    found = judged(made(*items), {}, FeedState(feed="wire", last_ok=NOW, usual_new=usual))
    assert {a.standing for a in found} == {standing}


def test_known_articles_are_not_judged() -> None:
    """What is known already is no part of a flood and keeps its standing."""
    found = made(*(aged(30, n) for n in range(30)))
    state = FeedState(feed="wire", last_ok=NOW)
    assert {a.standing for a in judged(found, {a.id: "" for a in found[:15]}, state)} == {"news"}
    held = judged(found, {found[0].id: ""}, state)
    assert [a.standing for a in held[:2]] == ["news", "held"]


def test_invisible_halves_do_not_reach_the_store() -> None:
    """Half a character, as JSON can hold it, is dropped from every part of an article."""
    (found,) = made(
        item(
            guid="g\ud800",
            url="http://x.example/\udfff",
            title="a\ud800",
            published_raw="x\ud800",
            authors=("\ud800b",),
        )
    )
    for part in (found.guid, found.url, found.title, found.published_raw, *found.authors):
        part.encode("utf-8")
