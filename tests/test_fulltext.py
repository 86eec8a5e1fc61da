"""Feeds marked `fulltext`: the text of their pages, and what happens when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from fakes import Answer, Entry, Site, Workspace, entries, rss

from monitor.model import Article, FeedState
from monitor.sandbox import Limits

WORDS = ("ministry", "spokesman", "convoy", "border", "village", "market", "season", "harvest", "council", "bridge")


def page(number: int, about: str = "Ain al-Asad") -> Answer:
    """A page with an article that is longer than what the feed says of it."""
    rows = "".join(
        f"<p>In paragraph {k} of story {number} the {WORDS[k]} near {about} is told of with many other words.</p>"
        for k in range(len(WORDS))
    )
    title = f"Story {number}: Ain al-Asad visited by delegation {number * 7919}"
    body = f"<html><body><nav>Home</nav><article><h1>{title}</h1>{rows}</article></body></html>"
    return Answer(body=body.encode(), content_type="text/html; charset=utf-8")


def wanted(site: Site, *numbers: int) -> list[Entry]:
    """Items whose links lead to the site."""
    shown = entries(*numbers)
    return [
        Entry(title=e.title, guid=e.guid, link=f"{site.base}/page/{n}", text="Short.", when=e.when)
        for n, e in zip(numbers, shown, strict=True)
    ]


def subscribe(desk: Workspace, site: Site) -> None:
    """The one feed of the desk, with its pages."""
    desk.write("watchlists/feeds.yaml", f'feeds:\n  - {{id: a, url: "{site.base}/a", lang: en, fulltext: yes}}\n')


def polled(desk: Workspace) -> tuple[dict[str, Article], FeedState]:
    """GUID -> article after a poll of all feeds, and the state of the feed."""
    with desk.open() as app:
        app.polling.poll(every=True)
        stored = [s.article for _, s in app.store.scan(None, 0, 1000)]
        return {a.guid: a for a in stored}, app.store.states()["a"]


def histories(desk: Workspace, articles: Mapping[str, Article]) -> list[int]:
    """How many revisions each article has."""
    with desk.open() as app:
        return [len(app.store.history(a.id)) for a in articles.values()]


def test_the_text_of_the_page_takes_the_place_of_the_feeds(desk: Workspace, site: Site) -> None:
    """What only the page says is stored, matched and searchable; the page is read once, however it changes."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1, 2))
    site.pages |= {"/page/1": page(1), "/page/2": page(2, about="nowhere")}

    found, state = polled(desk)
    assert "the harvest near Ain al-Asad" in found["Story-1"].text
    assert found["Story-1"].lead.startswith("In paragraph 0")
    assert state.page_note == ""
    with desk.open() as app:
        assert [r.stored.article.guid for r in app.search.find("harvest AND @ain-al-asad")] == ["Story-1", "Story-2"]

    site.pages["/page/1"] = page(9)
    site.show("/a", wanted(site, 1, 2), ETag='"other"')
    again, _ = polled(desk)
    assert again == found
    assert histories(desk, found) == [1, 1]
    assert site.asked["/page/1"] == 1


def test_an_edited_item_keeps_the_text_of_its_page(desk: Workspace, site: Site) -> None:
    """A new title makes a revision, as for any feed; the text of the page stays and is not fetched again."""
    subscribe(desk, site)
    first = wanted(site, 1)[0]
    site.pages |= {"/page/1": page(1)}
    site.show("/a", [first])
    polled(desk)
    site.show("/a", [Entry(title="Corrected", guid=first.guid, link=first.link, text="Short.", when=first.when)])

    found, _ = polled(desk)
    assert found["Story-1"].title == "Corrected"
    assert "the harvest near" in found["Story-1"].text
    assert histories(desk, found) == [2]
    assert polled(desk)[0] == found
    assert site.asked["/page/1"] == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=403), "refuses us (HTTP 403)"),
        (Answer(status=500), "HTTP 500"),
        (Answer(body=b"%PDF", content_type="application/pdf"), "no article was found"),
        (Answer(body=b"<html><body>Loading</body></html>", content_type="text/html"), "no article was found"),
        (
            Answer(status=302, headers={"Location": "http://169.254.169.254/latest/"}),
            "the page leads to 169.254.169.254, which is not on the public internet (1)",
        ),
        (Answer(status=302, headers={"Location": "http://a[b/"}), "the page has an address that cannot be read (1)"),
        (Answer(status=302, headers={"Location": "file:///etc/passwd"}), "file: address"),
    ],
)
def test_a_page_that_fails_leaves_the_feeds_text(desk: Workspace, site: Site, answer: Answer, why: str) -> None:
    """The article is there with what the feed says, and the state of the feed says why there is no more."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1, 2))
    site.pages |= {"/page/1": answer, "/page/2": page(2)}

    found, state = polled(desk)
    assert found["Story-1"].text == "Short."
    assert "the harvest near" in found["Story-2"].text
    assert why in state.page_note
    assert state.failures == 0
    assert state.page_note.startswith("1 of 2 new articles have only the feed's text: ")


@pytest.mark.parametrize(
    ("robots", "read", "why"),
    [
        (Answer(status=404), True, ""),
        (Answer(status=403), True, ""),
        (Answer(body=b""), True, ""),
        (Answer(body=b"User-agent: *\nDisallow: /other"), True, ""),
        (Answer(body=b"User-agent: *\nDisallow: /"), False, "robots.txt forbids it (1)"),
        (Answer(body=b"User-agent: desk-monitor\nDisallow: /page/"), False, "robots.txt forbids it (1)"),
        (Answer(status=503), False, "robots.txt cannot be read now (1)"),
        (
            Answer(status=302, headers={"Location": "http://10.0.0.1/robots.txt"}),
            False,
            "text: its robots.txt leads to 10.0.0.1, which is not on the public internet (1)",
        ),
        (
            Answer(status=302, headers={"Location": "ftp://x/"}),
            False,
            "text: its robots.txt leads to a ftp: address (1)",
        ),
    ],
)
def test_robots_txt_is_obeyed(desk: Workspace, site: Site, robots: Answer, *, read: bool, why: str) -> None:
    """No robots.txt allows everything; one that forbids, or that a failing server keeps back, keeps us away."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1))
    site.pages |= {"/page/1": page(1), "/robots.txt": robots}

    found, state = polled(desk)
    assert ("harvest" in found["Story-1"].text) is read
    assert site.asked["/page/1"] == int(read)
    assert why in state.page_note
    assert bool(why) == bool(state.page_note)


def test_a_link_that_leads_inside_is_told_as_such(desk: Workspace, site: Site) -> None:
    """An item whose own link leads inside keeps the feed's text, and that is told; the other item is read."""
    subscribe(desk, site)
    odd, sound = wanted(site, 1, 2)
    site.show("/a", [replace(odd, link="http://10.0.0.1/story"), sound])
    site.pages |= {"/page/2": page(2)}

    found, state = polled(desk)
    assert found["Story-1"].text == "Short."
    assert "the harvest near" in found["Story-2"].text
    assert "the page leads to 10.0.0.1, which is not on the public internet (1)" in state.page_note


@pytest.mark.parametrize(("rules", "read"), [("Disallow: /other", True), ("Disallow: /page/", False)])
def test_robots_txt_of_the_place_that_a_page_moved_to_is_obeyed(
    desk: Workspace, site: Site, rules: str, *, read: bool
) -> None:
    """A link that leads to another host is read only when the rules of that host allow it, too."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1))
    with Site() as other:
        allowed = f'allow_private: ["127.0.0.1:{other.port}", '
        desk.write("monitor.yaml", desk.config.read_text("utf-8").replace("allow_private: [", allowed))
        site.pages["/page/1"] = Answer(status=302, headers={"Location": f"{other.base}/page/7"})
        other.pages |= {"/page/7": page(1), "/robots.txt": Answer(body=f"User-agent: *\n{rules}".encode())}
        found, state = polled(desk)
        assert other.asked["/robots.txt"] == 1
        assert other.asked["/page/7"] == int(read)
    assert ("harvest" in found["Story-1"].text) is read
    assert ("its robots.txt forbids it (1)" in state.page_note) is not read


def test_a_page_that_leads_to_itself_is_left(desk: Workspace, site: Site) -> None:
    """Five redirects are followed; then the feed's text stays, and that is told."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1))
    site.pages["/page/1"] = Answer(status=302, headers={"Location": f"{site.base}/page/1"})

    found, state = polled(desk)
    assert site.asked["/page/1"] == 6
    assert "harvest" not in found["Story-1"].text
    assert "it redirects too often (1)" in state.page_note


def test_robots_txt_is_remembered(desk: Workspace, site: Site) -> None:
    """Within a day it is asked for once; on the next day again."""
    subscribe(desk, site)
    site.pages |= {f"/page/{n}": page(n) for n in range(1, 4)}
    with desk.open() as app:
        for n, asked in ((1, 1), (2, 1), (3, 2)):
            site.show("/a", wanted(site, *range(1, n + 1)))
            app.polling.poll(every=True)
            assert site.asked["/robots.txt"] == asked
            if n == 2:
                desk.clock.move(hours=25)


def test_a_host_is_asked_for_so_many_pages_in_a_poll(desk: Workspace, site: Site) -> None:
    """The newest articles come first; the rest keeps the feed's text, and that is told."""
    text = desk.config.read_text("utf-8").replace("poll:\n", "poll:\n  pages_per_host: 2\n")
    desk.write("monitor.yaml", text)
    subscribe(desk, site)
    site.show("/a", wanted(site, 4, 3, 2, 1))
    site.pages |= {f"/page/{n}": page(n) for n in range(1, 5)}

    found, state = polled(desk)
    assert {g for g, a in found.items() if "harvest" in a.text} == {"Story-1", "Story-2"}
    assert state.page_note == (
        "2 of 4 new articles have only the feed's text: 2 pages of a feed and of a host are read in one poll (2)"
    )


def test_a_page_that_keeps_its_reader_busy_is_given_up(desk: Workspace, site: Site) -> None:
    """Its child is ended at its limit and replaced; the other page is read, and the article keeps the feed's text."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1, 2))
    attributes = b" ".join(b"a%d=x" % n for n in range(100_000))
    site.pages |= {"/page/1": Answer(body=b"<html><p " + attributes + b">x</p>", content_type="text/html")}
    site.pages |= {"/page/2": page(2)}
    with desk.open() as app:
        app.page_sandbox.limits = Limits(wall=3, cpu=3)
        app.polling.poll(every=True)
        found = {s.article.guid: s.article.text for _, s in app.store.scan(None, 0, 10)}
        assert found["Story-1"] == "Short."
        assert "the harvest near" in found["Story-2"]
        assert "the page took longer than 3 s" in app.store.states()["a"].page_note


def test_pages_that_all_say_the_same_are_no_articles(desk: Workspace, site: Site) -> None:
    """A wall that stands before every page does not become the text of every article."""
    subscribe(desk, site)
    site.show("/a", wanted(site, 1, 2, 3))
    site.pages |= {"/page/1": page(7), "/page/2": page(7), "/page/3": page(3)}

    found, state = polled(desk)
    assert {g for g, a in found.items() if "harvest" in a.text} == {"Story-3"}
    assert "several pages say the same (2)" in state.page_note


def test_old_articles_of_a_first_fetch_are_left_as_they_are(desk: Workspace, site: Site) -> None:
    """Only news is worth a page: a baseline of hundreds of old items asks for none."""
    subscribe(desk, site)
    old = wanted(site, 1)[0]
    desk.clock.move(days=10)
    site.show("/a", [old])
    site.pages |= {"/page/1": page(1)}

    polled(desk)
    assert site.asked["/page/1"] == 0


def test_a_page_that_hangs_delays_no_other_feed(desk: Workspace, site: Site) -> None:
    """Another feed is stored while a page is awaited; the time for pages is bounded, and its feed is stored then."""
    desk.write(
        "watchlists/feeds.yaml",
        f'feeds:\n  - {{id: a, url: "{site.base}/a", fulltext: yes}}\n  - {{id: b, url: "{site.base}/b"}}\n',
    )
    site.show("/a", wanted(site, 1))
    site.pages["/b"] = Answer(body=rss(entries(5, name="Other")))
    with desk.open() as app:
        seen: list[int] = []

        def hang() -> Answer:
            until_stored = 200
            while not (stored := [s.article.guid for _, s in app.store.scan(None, 0, 10)]) and until_stored:
                site.closing.wait(0.05)
                until_stored -= 1
            seen.append(len(stored))
            return Answer(hold=site.closing)

        site.pages["/page/1"] = hang
        polling = app.polling
        assert polling.pages
        object.__setattr__(polling.pages, "seconds", 3.0)
        polling.poll(every=True)
        states = app.store.states()
        assert seen == [1]
        assert {s.article.guid for _, s in app.store.scan(None, 0, 10)} == {"Other-5", "Story-1"}
        assert "no time left" in states["a"].page_note
