"""Which sightings are one article, whatever a publisher does with GUIDs, links, words and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor import identity
from monitor.identity import Shown, apart, doubtful, guids_mean_nothing, of_items, recognised
from monitor.model import Article, FeedState, Item

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
POLLED = FeedState(feed="a", last_ok=NOW)


def article(number: int, *, guid: str, words: str = "r", link: str = "http://x.example/{}") -> Article:
    """An article with a link of its own, whose id is its GUID."""
    return Article(id=guid, feed="a", url=link.format(number), title="t", seen=NOW, revision=words, guid=guid)


def shown(*articles: Article) -> list[Shown]:
    """The same as the store remembers them."""
    return [Shown(a.id, a.url, a.revision) for a in articles]


def ids(found: Sequence[Article]) -> list[str]:
    """Their ids in order."""
    return [a.id for a in found]


def test_new_guids_on_known_links_are_known_articles() -> None:
    """When nearly all that seems new has a known link, the link decides from now on, edits included."""
    found = [article(n, guid=f"new{n}", words=f"edit{n}") for n in range(5)]

    same, by = recognised(found, {}, shown(*(article(n, guid=f"old{n}") for n in range(5))), POLLED)

    assert by == "link"
    assert ids(same) == [f"old{n}" for n in range(5)]


def test_one_new_guid_with_the_same_words_is_the_same_article() -> None:
    """A single item that comes back with another GUID and the same words under its link is known."""
    found = [article(0, guid="new0"), *(article(n, guid=f"old{n}") for n in range(1, 9))]
    known = {f"old{n}": "r" for n in range(9)}

    same, by = recognised(found, known, shown(*(article(n, guid=f"old{n}") for n in range(9))), POLLED)

    assert by == "guid"
    assert ids(same) == [f"old{n}" for n in range(9)]


@pytest.mark.parametrize(
    "link", ["https://x.example/{}", "http://www.x.example/{}/", "https://X.example/{}?utm_source=rss#top"]
)
def test_a_site_that_moves_to_https_brings_nothing_new(link: str) -> None:
    """Scheme, www, a slash at the end, tracking words and fragments make no other article."""
    found = [article(0, guid="new", link=link)]

    same, _ = recognised(found, {}, shown(article(0, guid="old")), POLLED)

    assert ids(same) == ["old"]


def test_a_move_to_another_system_brings_nothing_new() -> None:
    """When GUIDs and links change at once, the words tell that all has been seen; a few alike words tell nothing."""
    old = [article(n, guid=f"old{n}", words=f"w{n}") for n in range(5)]
    found = [article(n, guid=f"new{n}", words=f"w{n}", link="https://new.example/a-{}") for n in range(5)]

    assert ids(recognised(found, {}, shown(*old), POLLED)[0]) == ids(old)
    assert ids(recognised(found[:2], {}, shown(*old), POLLED)[0]) == ["new0", "new1"]


def test_a_bulletin_of_the_same_words_every_day_is_new_every_day() -> None:
    """Items whose words several have are never taken for each other."""
    old = [article(n, guid=f"old{n}", words="daily bulletin") for n in range(5)]
    found = [article(n, guid=f"new{n}", words="daily bulletin") for n in range(5, 10)]

    assert ids(recognised(found, {}, shown(*old), POLLED)[0]) == ids(found)


def test_a_date_that_moves_makes_nothing_new() -> None:
    """An item with neither GUID nor link is known by its words, as long as the old one is not there beside it."""
    old = replace(article(0, guid="old", words="w"), url="", guid="")
    moved = replace(old, id="new")

    assert ids(recognised([moved], {}, shown(old), POLLED)[0]) == ["old"]
    assert ids(recognised([moved, old], {"old": "w"}, shown(old), POLLED)[0]) == ["new", "old"]


def test_a_link_that_all_items_share_tells_nothing() -> None:
    """Items that all point to one page stay apart by their GUIDs."""
    found = [article(0, guid=f"new{n}", words=f"{n}") for n in range(5)]

    same, by = recognised(found, {}, shown(article(0, guid="old")), POLLED)

    assert by == "guid"
    assert ids(same) == ids(found)


def test_many_new_items_are_new() -> None:
    """Unknown links make new articles however many there are, and one edited known link alone makes no churn."""
    found = [article(n, guid=f"new{n}", words=f"edited{n}") for n in range(10)]

    same, by = recognised(found, {}, shown(article(3, guid="old3")), POLLED)

    assert by == "guid"
    assert ids(same) == ids(found)


def test_guids_that_most_items_share_mean_nothing() -> None:
    """A feed that gives one GUID to all has its links decide, also when it later shows one item alone."""
    shared = [replace(article(n, guid=f"{n}", words=f"{n}"), guid="same") for n in range(3)]

    assert guids_mean_nothing(shared)
    assert recognised(shared, {}, [], POLLED)[1] == "link"
    assert not guids_mean_nothing([*shared[:2], *(article(n, guid=f"g{n}") for n in range(9))])
    assert not guids_mean_nothing([])


def test_a_front_page_is_no_link_of_an_item() -> None:
    """A link to the site as a whole tells nothing apart, even when one item alone has it."""
    first = Item(feed="a", title="One", url="http://x.example/")
    second = Item(feed="a", title="Two", url="http://x.example/")

    assert of_items([first], "guid") != of_items([second], "guid")


def test_blanks_around_a_guid_mean_nothing() -> None:
    """A GUID with blanks is the same GUID; one of 10,000 letters counts to its last letter."""
    assert of_items([Item(feed="a", guid="g1 ")], "guid") == of_items([Item(feed="a", guid="\n g1")], "guid")
    long = [Item(feed="a", guid="g" * 10_000 + end) for end in "ab"]
    assert len(set(of_items(long, "guid"))) == 2


def test_a_guid_given_away_again_hides_nothing() -> None:
    """Other words at another link under a known GUID are another article; an edit keeps some of its words."""
    old = replace(article(1, guid="g"), title="Drones over Anbar", lead="Two drones were seen over the desert.")
    other = replace(article(2, guid="g", words="x"), title="Budget passed", lead="Parliament voted at night.")
    edited = replace(article(2, guid="g", words="y"), title="Drones over Anbar shot down", lead="Two drones fell.")

    assert doubtful([other], {"g": "r"}, shown(old)) == ["g"]
    assert doubtful([replace(other, url=old.url)], {"g": "r"}, shown(old)) == []
    assert apart([other], {"g": old})[0].id != "g"
    assert apart([other], {"g": old}) == apart([other], {"g": old})
    assert apart([edited], {"g": old}) == [edited]


def test_what_is_known_stays_as_it_is() -> None:
    """Nothing is done to articles that the store knows by their ids."""
    found = [article(n, guid=f"g{n}") for n in range(3)]

    assert recognised(found, {f"g{n}": "r" for n in range(3)}, shown(*found), POLLED) == (found, "guid")
    assert recognised(found, {}, [], replace(POLLED, last_ok=NOW - timedelta(1))) == (found, "guid")


@given(st.from_regex(identity._ORDINARY, fullmatch=True))
@example("http://x.example/a;b=c//d/../e@f:80/$!%20")
@example("https://x.example:99999/")
def test_an_ordinary_link_is_canonical_as_it_is(url: str) -> None:
    """A link that is not taken apart is what comes of taking it apart."""
    assert identity.canonical(url) == identity._rebuilt(url) == url
