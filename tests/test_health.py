"""The health of feeds: the right word for each, silence by its own rhythm, the same word wherever it is shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fakes import NOW, Answer, Entry, Site, Workspace, entries

from monitor.cli import cli
from monitor.model import Batch, Failed, Feed, FeedState, Fetched, NotModified
from monitor.schedule import NEVER, next_state
from monitor.service.care import examine
from monitor.service.health import WORDS, FeedHealth, judge, length, look, needs_person, rhythm
from monitor.service.trace import why_next

FEED = Feed(id="a", url="https://feed.example/rss", title="A", line=7)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WELL = FeedState(feed="a", last_try=NOW, last_ok=NOW, last_new=NOW, usual_new=2.0)
PAGE = Answer(body=b"<!DOCTYPE html><html><body><p>Welcome</p></body></html>", content_type="text/html")


def failing(kind: str, since: timedelta = HOUR, **more: Any) -> FeedState:
    """A feed that has failed for some time."""
    state = replace(WELL, failures=3, error_kind=kind, last_error="does not answer", failing_since=NOW - since)
    return replace(state, **more)


def hours(*ago: float) -> list[int]:
    """Occasions: that many hours before now."""
    return [int(NOW.timestamp() - n * 3600) for n in ago]


def every(gap: float, count: int = 30, first: float = 0) -> list[int]:
    """Occasions with one gap, in hours."""
    return hours(*(first + n * gap for n in range(count)))


@pytest.mark.parametrize(
    ("state", "word", "said"),
    [
        (None, "new", "not polled yet"),
        (FeedState(feed="a"), "new", "not polled yet"),
        (WELL, "fresh", ""),
        (failing("dns"), "failing", "does not answer (3 times in a row)"),
        (failing("http-404"), "failing", "does not answer"),
        (failing("http-5xx"), "failing", "does not answer"),
        (failing("poison"), "poison", "does not answer"),
        (failing("not-a-feed"), "not a feed", "does not answer"),
        (failing("empty"), "empty", "does not answer"),
        (failing("gone", next_due=NEVER), "gone", "is not asked any more"),
        (failing("http-429", next_due=NOW + HOUR), "paused", "is asked again at 21 Nov 10:00 UTC"),
        (failing("http-503", next_due=NOW + HOUR), "paused", "is asked again at 21 Nov 10:00 UTC"),
        (replace(WELL, last_new=None), "empty", "never shown an article"),
        (replace(WELL, last_new=NOW - 3 * DAY), "silent", "nothing new since 18 Nov 09:00 UTC"),
        (
            replace(WELL, moved_to="https://u:p@new.example/"),
            "moved",
            "edit line 7 of feeds.yaml: https://new.example/",
        ),
        (replace(WELL, correction=10_800), "fresh", "its dates are set back by 3 h"),
        (replace(WELL, page_note="2 of 3 new articles have only the feed's text"), "fresh", "2 of 3 new articles"),
        (failing("dns", moved_to="https://new.example/"), "failing", "edit line 7 of feeds.yaml"),
    ],
)
def test_every_state_has_its_word(state: FeedState | None, word: str, said: str) -> None:
    """One word, one sentence that says why and what to do; a login in an address is not shown."""
    health = judge(FEED, state)
    assert health.word == word
    assert said in health.sentence
    assert bool(health.sentence) == (said != "")


def test_a_held_flood_and_an_outlet_without_a_feed() -> None:
    """The first names the command that lets it go; the second is not watched, whatever its state says."""
    assert judge(FEED, WELL, held=31).word == "held"
    assert "31 articles" in judge(FEED, WELL, held=31).why
    assert "`monitor feeds release a`" in judge(FEED, failing("dns"), held=31).sentence
    outlet = judge(Feed(id="b", title="B", note="closed in 2024"), failing("dns"))
    assert (outlet.word, outlet.sentence) == ("not watched", "closed in 2024")


@pytest.mark.parametrize(
    ("occasions", "quiet", "silent"),
    [
        (every(1), 23 * HOUR, False),
        (every(1), 25 * HOUR, True),
        (every(24), 2.9 * DAY, False),
        (every(24), 3.1 * DAY, True),
        (every(24 * 7), 20 * DAY, False),
        (every(24 * 7), 22 * DAY, True),
        (hours(*range(30), 94, *range(95, 125), 189, *range(190, 220)), 90 * HOUR, False),
        (hours(*range(30), 94, *range(95, 125), 189, *range(190, 220)), 98 * HOUR, True),
        (hours(*range(30), 2000), 25 * HOUR, True),
        ([], 47 * HOUR, False),
        ([], 49 * HOUR, True),
        (hours(0, 200), 150 * HOUR, False),
    ],
    ids=[
        "hourly within a day", "hourly over a day", "daily, two days missed", "daily, three missed",
        "weekly within three weeks", "weekly over three weeks", "a weekend like the last two",
        "longer than any weekend", "one old pinned article is no rhythm", "unknown rhythm within two days",
        "unknown rhythm over two days", "few articles, as rare as before",
    ],
)  # fmt: skip
def test_silence_is_measured_by_the_feeds_own_rhythm(occasions: list[int], quiet: timedelta, *, silent: bool) -> None:
    """Three usual gaps, or the second longest one and a half, and at least a day; two days when nothing is known."""
    state = replace(WELL, last_new=NOW - quiet)
    assert (judge(FEED, state, occasions=occasions).word == "silent") is silent


def test_a_feed_that_was_stale_at_its_first_poll_is_silent_at_once() -> None:
    """What a first poll finds may be years old: HTTP 200 with a new body each time does not hide it."""
    stale = replace(WELL, usual_new=0.0)
    assert judge(FEED, stale, occasions=every(5, first=24 * 300)).word == "silent"
    assert judge(FEED, stale, occasions=every(5)).word == "fresh"


def test_nobody_is_silent_while_nobody_asked() -> None:
    """A watch that was off for a week accuses no feed of it."""
    state = replace(WELL, last_ok=NOW - 7 * DAY, last_new=NOW - 7 * DAY)
    assert judge(FEED, state, occasions=every(1)).word == "fresh"


def test_the_rhythm_is_the_median_gap() -> None:
    """One long break does not change it; five gaps are needed."""
    assert rhythm(hours(0, 2, 4, 6, 8, 500))[0] == 2 * HOUR
    assert rhythm(hours(0, 2, 4, 6, 8))[0] is None


@pytest.mark.parametrize(
    ("health", "needed"),
    [
        (judge(FEED, failing("poison")), True),
        (judge(FEED, failing("not-a-feed")), False),
        (judge(FEED, failing("not-a-feed", DAY)), True),
        (judge(FEED, failing("gone", DAY)), True),
        (judge(FEED, failing("timeout", 2 * DAY)), False),
        (judge(FEED, failing("timeout", 3 * DAY)), True),
        (judge(FEED, failing("http-429", 3 * DAY)), True),
        (judge(FEED, failing("timeout", moved_to="https://new.example/")), True),
        (judge(FEED, replace(WELL, moved_to="https://new.example/")), True),
        (judge(FEED, WELL, held=1), True),
        (judge(FEED, replace(WELL, last_new=NOW - 9 * DAY)), False),
        (judge(FEED, replace(WELL, last_new=None)), False),
        (judge(FEED, WELL), False),
        (judge(FEED, None), False),
        (judge(Feed(id="b"), None), False),
    ],
)
def test_a_person_is_needed_only_where_waiting_does_not_help(health: FeedHealth, *, needed: bool) -> None:
    """At once for poison, moves and floods; after a day for pages and 410; after three for failures."""
    assert needs_person(health, NOW) is needed


@pytest.mark.parametrize(
    ("span", "said"),
    [(timedelta(), "0 min"), (-HOUR, "0 min"), (119 * HOUR / 60, "119 min"), (2 * HOUR, "2 h"), (48 * HOUR, "2 days")],
)
def test_spans_are_short(span: timedelta, said: str) -> None:
    """In the largest unit that leaves more than one of them."""
    assert length(span) == said


@pytest.fixture
def run(desk: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command in the workspace, by the clock of the test; it exits as it does for a person."""
    monkeypatch.setattr("monitor.app.now", desk.clock)

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj=desk.config, env={"MONITOR_CONFIG": str(desk.config)})

    return command


@pytest.fixture
def mixed(desk: Workspace, site: Site) -> Workspace:
    """Feeds of many kinds, polled once; `a` is well."""
    desk.feeds({name: f"{site.base}/{name}" for name in ("a", "page", "gone", "moved", "none", "blank")})
    site.show("/a", entries(1))
    site.show("/new", entries(2))
    site.show("/none", [])
    site.pages |= {
        "/page": PAGE,
        "/gone": Answer(status=410),
        "/moved": Answer(status=301, headers={"Location": "/new"}),
        "/blank": Answer(body=b" "),
    }
    with desk.open() as app:
        app.polling.poll(every=True)
    return desk


def test_list_coverage_and_doctor_say_the_same(mixed: Workspace, run: Callable[..., Result]) -> None:
    """The words of `monitor feeds`, the lines of the digest and the finding of doctor come from one judgement."""
    rows = [json.loads(line) for line in run("feeds", "--json").stdout.splitlines()]
    assert [(r["feed"], r["state"]) for r in rows] == [
        ("gone", "gone"), ("page", "not a feed"), ("blank", "empty"), ("none", "empty"), ("moved", "moved"),
        ("a", "fresh"),
    ]  # fmt: skip
    with mixed.open() as app:
        coverage = app.post._coverage(app.editorial.current(), NOW, NOW - DAY)
        (finding,) = [f for f in examine(app.store, app.editorial, app.channel, app.clock, quick=False)
                      if f.what == "feeds"]  # fmt: skip
    assert sorted(name for name, _ in coverage.failing) == ["blank", "gone", "page"]
    assert [name for name, _ in coverage.silent] == ["none"]
    assert (coverage.feeds, coverage.fresh) == (6, 2)
    assert finding.ok
    assert "6 watched: 1 gone, 1 not a feed, 2 empty, 1 moved, 1 fresh" in finding.sentence


def test_the_list_has_the_same_keys_for_every_feed(mixed: Workspace, run: Callable[..., Result]) -> None:
    """Polled or not, with a feed or without one: programs find what they read, null where nothing is known."""
    mixed.write(
        "watchlists/feeds.yaml",
        "feeds:\n  - {id: a, url: 'https://a.example/'}\n  - {id: late, url: 'https://b.example/'}\n  - {title: No}\n",
    )
    rows = [json.loads(line) for line in run("feeds", "list", "--json").stdout.splitlines()]
    assert [r["state"] for r in rows] == ["new", "fresh", "not watched"]
    assert len({tuple(r) for r in rows}) == 1
    assert {"feed", "state", "what_to_do", "needs_person", "since", "paused_until", "next_due"} <= rows[0].keys()


def test_the_list_ends_with_a_summary_and_has_no_colour_in_a_file(
    mixed: Workspace, run: Callable[..., Result], site: Site
) -> None:
    """One line on stderr counts the words; escape codes are for terminals; a dead network is told as one thing."""
    said = run("feeds")
    assert "6 outlets: 1 gone, 1 not a feed, 2 empty, 1 moved, 1 fresh." in said.stderr
    assert "\x1b" not in said.stdout
    site.pages = {f"/{name}": Answer(status=500) for name in ("a", "page", "gone", "moved", "none", "blank")}
    mixed.clock.move(days=1)
    run("poll", "--all")
    assert "No feed answers: look whether this machine reaches the internet." in run("feeds").stderr


def test_a_feed_is_silent_against_what_it_brought_before(
    desk: Workspace, site: Site, run: Callable[..., Result]
) -> None:
    """Seven articles an hour apart, then a day and more of new bodies without news: told in list and digest."""
    old = [replace(e, when=NOW - n * HOUR) for n, e in enumerate(entries(*range(7)))]
    site.show("/a", old)
    with desk.open() as app:
        app.polling.poll(every=True)
        desk.clock.move(hours=20)
        site.show("/a", old[:5])
        app.polling.poll(every=True)
        assert look(app.store, app.editorial.current().feeds, desk.clock())[0].word == "fresh"
        desk.clock.move(hours=5)
        site.show("/a", old[:4])
        app.polling.poll(every=True)
        (health,) = look(app.store, app.editorial.current().feeds, desk.clock())
        assert [health] == look(app.store, app.editorial.current().feeds, desk.clock(), rhythms=True)
        coverage = app.post._coverage(app.editorial.current(), desk.clock(), NOW)
    assert (health.word, health.usual) == ("silent", HOUR)
    assert "nothing new since 21 Nov 09:00 UTC (usually every 60 min)" in health.why
    assert coverage.silent == (("a", health.why),)
    assert json.loads(run("feeds", "--json").stdout)["usual_gap"] == 3600


def test_a_held_flood_stands_in_the_digest(desk: Workspace, site: Site) -> None:
    """The desk is told that articles wait, and loses no feed by it."""
    site.show("/a", entries(1))
    with desk.open() as app:
        app.polling.poll(every=True)
        site.show("/a", [replace(e, when=NOW - (30 + n) * DAY) for n, e in enumerate(entries(*range(10, 40)))])
        app.polling.poll(every=True)
        coverage = app.post._coverage(app.editorial.current(), NOW, NOW - DAY)
    assert coverage.fresh == 1
    assert any("30 articles" in w and "monitor feeds release a" in w for w in coverage.warnings)


def test_letters_that_are_lost_are_told_until_they_are_there_again(
    desk: Workspace, site: Site, run: Callable[..., Result]
) -> None:
    """A JSON Feed, which is UTF-8 by its standard, sent in another encoding: list and digest say so, once each."""
    said = "letters are lost: the feed's encoding is told wrong; tell the publisher"

    def shown(number: int, encoding: str) -> Answer:
        item = {"id": str(number), "title": f"Şırnak'ta çatışma {number}", "content_html": "<p>Güvenlik güçleri</p>"}
        feed = {"version": "https://jsonfeed.org/version/1.1", "title": "A", "items": [item]}
        return Answer(body=json.dumps(feed, ensure_ascii=False).encode(encoding), content_type="application/json")

    with desk.open() as app:
        for number, encoding, told in ((1, "cp1254", 1), (2, "cp1254", 1), (3, "utf-8", 0)):
            site.pages["/a"] = shown(number, encoding)
            app.polling.poll(every=True)
            coverage = app.post._coverage(app.editorial.current(), NOW, NOW - DAY)
            (row,) = [json.loads(line) for line in run("feeds", "--json").stdout.splitlines()]
            assert row["state"] == "fresh"
            assert row["what_to_do"].count(said) == told
            assert coverage.warnings == (f"a: {said}.",) * told
        site.pages["/a"] = shown(4, "cp1254")
        app.polling.poll(every=True)
        site.pages["/a"] = Answer(status=500)
        app.polling.poll(every=True)
        coverage = app.post._coverage(app.editorial.current(), NOW, NOW - DAY)
    assert len(coverage.failing) == 1
    assert coverage.warnings == ()


def test_poll_verbose_tells_every_step(desk: Workspace, site: Site, run: Callable[..., Result]) -> None:
    """Request, redirect, answer, bytes, parser, items, hits, next poll and why; then validators and 304."""
    site.pages["/a"] = Answer(status=301, headers={"Location": "/new"})
    site.show("/new", [*entries(1, 2), Entry(title="Old", guid="o", when=NOW - 9 * DAY)], ETag='"v1"')
    first = run("poll", "a", "-v").stderr
    steps = [line.split()[0] for line in first.splitlines()]
    assert steps == ["asks", "answer", "redirect", "asks", "answer", "body", "parsed", "items", "hits", "next"]
    for said in (
        "no validators", "HTTP 301", "/new (for good)", 'etag: "v1"', "by the strict parser: 3 items",
        "3 new, 0 edited, 0 known; 1 too old to be news at a first poll", "2 in 2 mentions: bases/ain-al-asad",
        "a first poll tells nothing of its rhythm",
    ):  # fmt: skip
        assert said in first
    desk.clock.move(minutes=30)
    second = run("poll", "a", "-v").stderr
    assert 'If-None-Match: "v1"' in second
    assert "HTTP 304" in second
    assert "it brought nothing new, so later" in second
    assert logging.getLogger("monitor.trace").handlers == []


def test_poll_verbose_of_many_feeds_names_them(desk: Workspace, site: Site, run: Callable[..., Result]) -> None:
    """Each line begins with its feed; the parser's doubt, the failure and its next try are told."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b", "c": f"{site.base}/c"})
    site.pages["/a"] = Answer(body=b"<rss><channel><title>x</title><item><title>PKK &bad; y</title></item></channel>")
    site.pages["/b"] = Answer(status=503, headers={"Retry-After": "1800", "ETag": '"\x9b31m"'})
    site.pages["/c"] = PAGE
    said = run("poll", "--all", "-v").stderr
    assert "a: parsed   by feedparser (" in said
    assert "b: failed   is overloaded" in said
    assert "b: next     21 Nov 09:3" in said
    assert "Retry-After 1800 s" in said
    assert "c: failed   " in said
    assert "\x9b" not in said
    again = run("poll", "b", "-v").stderr
    assert "waits    until 21 Nov 09:3" in again
    assert "Some were left alone" in again


def test_a_login_in_an_address_is_not_traced(desk: Workspace, site: Site, run: Callable[..., Result]) -> None:
    """Neither the address nor the headers show it."""
    site.show("/a", entries(1))
    desk.feeds({"a": site.base.replace("//", "//user:canary@") + "/a"})
    said = run("poll", "a", "-v")
    assert "canary" not in said.output
    assert "asks     GET http://127.0.0.1" in said.stderr


def reason(result: Fetched | NotModified | Failed, *, state: FeedState = WELL, new: int = 0, every: int = 0) -> str:
    """Why a feed is asked again when it is, after this result."""
    feed = replace(FEED, every=every)
    after = next_state(state, result, now=NOW, new_items=new, jitter=0.5, feed=feed)
    return why_next(feed, state, result, after, NOW, new)


BODY = Fetched(url="https://feed.example/rss", body=b"x", body_hash="1")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reason(BODY, new=1), "it brought news, so sooner"),
        (reason(BODY, new=1, state=replace(WELL, interval=300)), "no sooner than this"),
        (reason(BODY), "it brought nothing new, so later"),
        (reason(BODY, state=replace(WELL, interval=21_600)), "no later than this"),
        (reason(BODY, state=FeedState(feed="a")), "a first poll"),
        (reason(BODY, every=30), "every 30 minutes, as feeds.yaml has it"),
        (reason(replace(BODY, retry_after=7_200)), "Retry-After 7200 s"),
        (reason(replace(BODY, max_age=20_000)), "Cache-Control, 20000 s"),
        (reason(NotModified(max_age=20_000), every=30), "every 30 minutes"),
        (reason(Failed(kind="dns", message="x")), "it failed; the wait grows"),
        (reason(Failed(kind="dns", message="x"), state=failing("dns")), "4 failures in a row"),
        (reason(Failed(kind="http-429", message="x", retry_after=7_200)), "Retry-After 7200 s"),
        (reason(Failed(kind="gone", message="x"), state=failing("gone", 2 * DAY)), "only by name, or with --all"),
    ],
)
def test_the_reason_of_the_next_poll_is_the_schedules(said: str, expected: str) -> None:
    """What the trace says is why the schedule chose that time."""
    assert expected in said


def test_every_word_is_explained_to_the_operator() -> None:
    """The table of operate.md has a row for each word of `monitor feeds`."""
    page = (Path(__file__).parents[1] / "docs" / "operate.md").read_text("utf-8")
    section = page.split("\n### The words of `monitor feeds`\n", 1)[1].split("\n## ", 1)[0]
    assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == list(WORDS)


def test_poison_is_told_with_its_word(desk: Workspace, run: Callable[..., Result]) -> None:
    """The state of a feed that broke the parser, as the store has it."""
    with desk.open() as app:
        app.store.sync_feeds(app.editorial.current().feeds)
        app.store.save([Batch(state=failing("poison", last_error="could not be read within the limits"))])
    assert json.loads(run("feeds", "--json").stdout)["state"] == "poison"


def test_health_of_thousands_of_feeds_is_quick(desk: Workspace) -> None:
    """No article is read for it: the numbers in the index of feeds are enough."""
    with desk.open() as app, app.store._connections.reading() as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT DISTINCT (n >> 20) / 3600 FROM"
            " (SELECT n FROM articles WHERE feed = 'a' ORDER BY n DESC LIMIT 1000)"
        ).fetchall()
        held = db.execute(
            "EXPLAIN QUERY PLAN SELECT feed, count(*) FROM articles WHERE standing = 'held' GROUP BY feed"
        ).fetchall()
    assert any("COVERING INDEX articles_feed" in row[3] for row in plan)
    assert any("articles_held" in row[3] for row in held)
