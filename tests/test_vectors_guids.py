"""Sequences of fetches, as publishers make them: how many articles, hits and mails come of each, end to end.

The names are those of the set `guids`; what is fetched and what has to come of it stands here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import vectors
from fakes import NOW, Entry, Workspace, rss, text_of

from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult
from monitor.sandbox import Done
from monitor.service.read import Read, read_feed

DESKS = """\
desks:
  - {id: iraq, title: Iraq desk, to: [reader@example.org], zone: UTC, at: ["12:00"], empty: never}
"""

WORDS = ("dawn fuel hangar", "noon convoy gate", "dusk radar mast", "night bridge depot", "morning tower fence")


def item(number: int, **given: Any) -> Entry:
    """A report of an attack in words of its own: it makes two hits, one of the rule and one of the base."""
    words = WORDS[number % len(WORDS)]
    plain = Entry(
        title=f"Drones attacked Ain al-Asad: {words} {number}",
        guid=f"g{number}",
        link=f"http://x.example/{number}",
        text=" ".join(f"{word}{number}{k}" for k in range(4) for word in words.split()),
        when=NOW - timedelta(hours=1),
    )
    return replace(plain, **given)


def items(*numbers: int, **given: Any) -> list[Entry]:
    """Several of them."""
    return [item(n, **given) for n in numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a feed (or two) shows day by day, and what has to come of it."""

    days: Sequence[Sequence[Entry]]
    articles: int
    hits: int
    mails: int
    """Digests with anything in them; the desk wants no empty ones."""
    feeds: int = 1


ALL = range(4)


def numbered(change: Callable[[Entry, int], Entry], count: int = 3) -> list[list[Entry]]:
    """The same items on four days, changed from day to day."""
    return [[change(e, day) for e in items(*range(count))] for day in ALL]


CASES = {
    "guid changes each fetch, link same": Case(
        days=numbered(lambda e, day: replace(e, guid=f"{e.guid}-{day}")), articles=3, hits=6, mails=1
    ),
    "guid same for all items": Case(
        days=[items(0, 1, 2, guid="s"), items(1, 2, 3, guid="s"), items(3, guid="s"), items(4, guid="s")],
        articles=5,
        hits=10,
        mails=3,
    ),
    "guid missing, link missing": Case(days=[items(0, 1, 2, guid="", link="")] * 3, articles=3, hits=6, mails=1),
    "guid missing, link same for all": Case(
        days=[
            items(0, 1, guid="", link="http://x.example/live"),
            items(1, 2, guid="", link="http://x.example/live"),
            items(1, 2, guid="", link="http://x.example/live"),
        ],
        articles=3,
        hits=6,
        mails=2,
    ),
    "guid with trailing space": Case(
        days=[items(0), items(0, guid="g0 ", link=""), items(0, guid=" g0\n", link="")], articles=1, hits=2, mails=1
    ),
    "guid 10 kB": Case(
        days=[[item(n, guid="g" * 10_240 + str(n), link="") for n in (0, 1)]] * 3, articles=2, hits=4, mails=1
    ),
    "guid with NUL": Case(
        days=[[item(0), item(1, guid="g\0x")], [item(0), item(1, guid="g\0x")], items(0)], articles=2, hits=4, mails=1
    ),
    "link with utm_* that changes": Case(
        days=numbered(lambda e, day: replace(e, guid="", link=f"{e.link}?utm_source=rss&utm_id={day}#{day}")),
        articles=3,
        hits=6,
        mails=1,
    ),
    "title edited, guid same": Case(
        days=[items(0), items(0, title="UPDATE: Drones attacked Ain al-Asad again", link="http://x.example/again")],
        articles=1,
        hits=4,
        mails=1,
    ),
    "summary edited 10 times": Case(
        days=[items(0, text=f"The base was struck. Count: {n}.") for n in range(11)], articles=1, hits=22, mails=1
    ),
    "item vanishes and returns": Case(days=[items(0, 1), items(1), items(0, 1)], articles=2, hits=4, mails=1),
    "order reversed": Case(days=[items(0, 1, 2), items(2, 1, 0)], articles=3, hits=6, mails=1),
    "same story in two feeds": Case(days=[items(0)] * 2, articles=2, hits=4, mails=1, feeds=2),
    "date moves each fetch": Case(
        days=[
            [item(0, when=NOW + timedelta(days=d)), item(1, guid="", link="", when=NOW + timedelta(days=d))]
            for d in ALL
        ],
        articles=2,
        hits=4,
        mails=1,
    ),
    "feed url moves": Case(days=[items(0, 1), items(0, 1), items(0, 1, 2)], articles=3, hits=6, mails=2),
}
"""As the vectors have them."""

OURS = {
    "guids and links go to https": Case(
        days=[
            [item(n, guid=f"http://x.example/{n}") for n in ALL],
            [item(n, guid=f"https://x.example/{n}", link=f"https://www.x.example/{n}/") for n in ALL],
        ],
        articles=4,
        hits=8,
        mails=1,
    ),
    "another system: other guids, links and dates at once": Case(
        days=[
            items(*range(5)),
            [item(n, guid=f"uuid-{n}", link=f"https://x.example/news/{n}-slug", when=NOW) for n in range(5)],
        ],
        articles=5,
        hits=10,
        mails=1,
    ),
    "two items are given one guid": Case(
        days=[items(0, 1, 2), [item(0), item(1, guid="g0"), item(2), item(3)], items(1, 3)],
        articles=4,
        hits=8,
        mails=2,
    ),
    "a guid given away again": Case(
        days=[items(0, guid="latest"), items(1, guid="latest"), items(1, guid="latest")], articles=2, hits=4, mails=2
    ),
    "one item at a time, all leading to the front page": Case(
        days=[items(n, guid="", link="http://x.example/") for n in (0, 1, 1)], articles=2, hits=4, mails=2
    ),
    "the same item twice in one fetch": Case(days=[items(0, 0), items(0, 0)], articles=1, hits=2, mails=1),
    "a first fetch of old items": Case(
        days=[items(0, 1, when=NOW - timedelta(days=9)), [*items(0, 1, when=NOW - timedelta(days=9)), item(2)]],
        articles=3,
        hits=6,
        mails=1,
    ),
    "a late edit that brings the first hit": Case(
        days=[items(0, title="Calm", text="Nothing stirred."), items(0, title="Calm", text="Ain al-Asad was struck.")],
        articles=1,
        hits=2,
        mails=1,
    ),
    "dates of 1970, of the future, and none": Case(
        days=[[item(0, when=NOW.replace(year=1970)), item(1, when=NOW.replace(year=2099)), item(2, when=None)]] * 3,
        articles=3,
        hits=6,
        mails=1,
    ),
    "a flood of old items": Case(
        days=[items(0), [item(0), *(item(n, when=NOW - timedelta(days=40)) for n in range(1, 31))]],
        articles=31,
        hits=62,
        mails=1,
    ),
}


class Script:
    """A fetcher that shows what is put on it."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.entries: Sequence[Entry] = ()
        self.moved_to = ""

    async def fetch_all(
        self,
        feeds: Sequence[tuple[Feed, FeedState]],
        **asked: bool,  # noqa: ARG002  # the port's
    ) -> AsyncIterator[tuple[Feed, FetchResult]]:
        """The same document for every feed."""
        for feed, _ in feeds:
            body = rss(self.entries)
            yield feed, Fetched(url=feed.url, body=body, body_hash=str(hash(body)), moved_to=self.moved_to)


def straight(jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Read | Failed]]:
    """Read feeds in this process: what a child would make of them."""
    for job in jobs:
        yield Done(value=read_feed(*job))


def run(desk: Workspace, case: Case, feeds: Callable[[int], dict[str, str]]) -> None:
    """One poll and one look at the mail for each day."""
    script = Script()
    desk.write("watchlists/desks.yaml", DESKS)
    for day, shown in enumerate(case.days):
        desk.feeds(feeds(day))
        script.entries = shown
        script.moved_to = "" if feeds(day) == feeds(day + 1) else feeds(day + 1)["f0"]  # a 301 goes before the edit
        with desk.open() as app:
            replace(app.polling, fetcher=script, read=straight).poll(every=True)
            desk.clock.move(hours=4)  # from 9 to 13 o'clock
            app.post.tick()
        desk.clock.move(hours=20)


def came_of(desk: Workspace) -> tuple[int, int, int]:
    """(articles, hits, mails)."""
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("articles", "hits")]  # noqa: S608
    return counts[0], counts[1], len(desk.mails())


@pytest.mark.parametrize("name", [*CASES, *OURS])
def test_articles_hits_and_mails_of_a_sequence(desk: Workspace, name: str) -> None:
    """Each article is stored once, its hits are found once in each wording, and no story is mailed twice."""
    case = (CASES | OURS)[name]
    names = [f"f{n}" for n in range(case.feeds)]

    def feeds(day: int) -> dict[str, str]:
        host = "new" if name == "feed url moves" and day > 1 else "old"
        return {f: f"http://{host}.example/{f}" for f in names}

    run(desk, case, feeds)

    assert came_of(desk) == (case.articles, case.hits, case.mails)
    told = " ".join(text_of(mail) for mail in desk.mails().values())
    assert all(told.count(e.title) <= 1 for shown in case.days for e in shown)


def test_a_flood_that_a_person_releases_is_told_once(desk: Workspace) -> None:
    """What was held comes with the next digest after its release, and only with that."""
    run(desk, OURS["a flood of old items"], lambda _: {"f0": "http://old.example/f0"})
    with desk.open() as app:
        assert app.store.release_held("f0") == 30
        for _ in range(2):
            desk.clock.move(days=1)
            app.post.tick()
    assert len(desk.mails()) == 2


def test_every_case_of_the_vectors_has_its_figures() -> None:
    """No case of the set `guids` is left without numbers of articles, hits and mails."""
    assert set(vectors.values("guids")) == set(CASES)
