"""Digests: when they are due, what they hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.digest import compose, due, flash_digest, flash_slot, flashes, moment, wanted
from monitor.model import Article, Coverage, Desk, Digest, DigestKey, Evidence, Hit, Level, Stored

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
KEY = DigestKey(desk="iraq", day=date(2026, 11, 21), slot="07:00")
TITLES = {"pkk": "PKK bases", "water": "Water", "pmf": "Hashd"}


def desk(**given: object) -> Desk:
    """A desk in Baghdad; `given` replaces facts."""
    facts: dict[str, object] = {"id": "iraq", "title": "Iraq", "to": ("a@desk.example",), "zone": "Asia/Baghdad"}
    return Desk(**(facts | given))  # type: ignore[arg-type]


def article(ident: str, *, lang: str = "en", source: str = "Agency", age: int = 60, feed: str = "") -> Article:
    """Return an article seen `age` minutes ago."""
    return Article(
        id=ident,
        feed=feed or source.lower(),
        title=f"Title {ident}",
        text="Qandil",
        lang=lang,
        source=source,
        seen=NOW - timedelta(minutes=age),
        revision="r1",
    )


def hit(ident: str, watchlist: str = "pkk", level: Level = "normal", *, rule: str | None = None, **more: object) -> Hit:
    """Return a hit on the entity, or on the rule when one is named."""
    evidence = Evidence(
        leaf="entity", name="qandil", letters="Qandil", field="body", start=0, end=6, sentence="Qandil", lang="en"
    )
    facts: dict[str, object] = {
        "article": ident,
        "revision": "r1",
        "watchlist": watchlist,
        "rule": rule,
        "entity": None if rule else "qandil",
        "rev": "w1",
        "level": level,
        "evidence": (evidence,),
    }
    return Hit(**(facts | more))  # type: ignore[arg-type]


def composed(
    fresh: list[tuple[Stored, tuple[Hit, ...]]],
    members: dict[str, list[tuple[str, str, str, str]]] | None = None,
    tiers: dict[str, int] | None = None,
    **of_desk: object,
) -> Digest:
    """Compose the digest of the one key."""
    return compose(
        desk(**of_desk),
        KEY,
        made=NOW,
        since=NOW - timedelta(days=1),
        fresh=fresh,
        members=members or {},
        titles=TITLES,
        coverage=Coverage(),
        tiers=tiers,
    )


def row(one: Article, story: str, *hits: Hit) -> tuple[Stored, tuple[Hit, ...]]:
    """Return an article of a story with its fresh hits."""
    return Stored(article=one, story=story, hits=hits), hits


def test_due_at_its_time() -> None:
    """A digest is due from its local time on, not a second earlier."""
    assert due([desk()], NOW - timedelta(seconds=1), ["iraq/2026-11-20/07:00"]) == []
    assert due([desk()], NOW, ["iraq/2026-11-20/07:00"]) == [KEY]


def test_due_once() -> None:
    """A key that was made is never due again, nor is an older one when the clock is set back."""
    assert due([desk()], NOW + timedelta(hours=3), [str(KEY)]) == []
    assert due([desk()], NOW - timedelta(days=1), [str(KEY)]) == []


def test_late_is_caught_up_once() -> None:
    """After three days of standstill only the newest missed slot is made."""
    of_two = desk(at=("07:00", "17:00"))

    found = due([of_two], NOW + timedelta(hours=2), ["iraq/2026-11-18/07:00"])

    assert found == [KEY]


def test_too_late_is_left_out() -> None:
    """A slot older than a day is not made up for: its desk works on other days."""
    friday = desk(days=("fri",))

    assert due([friday], NOW + timedelta(hours=2), []) == []
    assert [k.day for k in due([friday], NOW - timedelta(hours=2), [])] == [date(2026, 11, 20)]


def test_flash_is_no_slot() -> None:
    """A flash of the same day does not stand in the way of the day's digest."""
    assert due([desk()], NOW, ["iraq/2026-11-21/flash-s1"]) == [KEY]


@pytest.mark.parametrize(
    ("zone", "at", "day", "utc"),
    [
        ("Europe/London", "01:30", date(2026, 3, 29), "2026-03-29T01:00"),
        ("Europe/London", "01:30", date(2026, 10, 25), "2026-10-25T00:30"),
        ("Asia/Beirut", "00:30", date(2026, 3, 29), "2026-03-28T22:00"),
        ("Asia/Tehran", "00:30", date(2022, 3, 22), "2022-03-21T20:30"),
        ("Australia/Lord_Howe", "02:15", date(2026, 10, 4), "2026-10-03T15:30"),
        ("America/Nuuk", "23:30", date(2024, 3, 30), "2024-03-31T01:00"),
    ],
)
def test_moment_across_clock_changes(zone: str, at: str, day: date, utc: str) -> None:
    """A skipped local time means the jump, a doubled one the first."""
    assert moment(day, at, ZoneInfo(zone)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def walk(zone: str, at: tuple[str, ...], start: datetime, hours: int, step: int = 7) -> list[DigestKey]:
    """Tick like the scheduler does, remembering what was made."""
    made: list[DigestKey] = []
    known: set[str] = set()
    for minute in range(0, hours * 60, step):
        for key in due([desk(zone=zone, at=at)], start + timedelta(minutes=minute), known):
            made.append(key)
            known.add(str(key))
    return made


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("Europe/London", "01:30", date(2026, 3, 29)),
        ("Europe/London", "01:30", date(2026, 10, 25)),
        ("Asia/Beirut", "00:30", date(2026, 3, 29)),
        ("Asia/Tehran", "00:30", date(2022, 3, 22)),
        ("Asia/Tehran", "23:59", date(2022, 9, 21)),
        ("Australia/Lord_Howe", "02:15", date(2026, 10, 4)),
        ("Pacific/Apia", "07:00", date(2011, 12, 30)),
        ("Pacific/Kiritimati", "06:00", date(2026, 1, 1)),
    ],
)
def test_once_per_local_date(zone: str, at: str, day: date) -> None:
    """Ticking through a clock change makes one digest for each local date that exists, and none for Apia's lost day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=60)

    days = [k.day for k in walk(zone, (at,), start, 120)]

    assert len(days) == len(set(days))
    assert (day in days) is (zone != "Pacific/Apia")
    assert days == sorted(days)


def test_once_per_local_date_on_the_shared_schedules() -> None:
    """The schedules kept beside the project give exactly one digest each."""
    for case in vectors.values("clock/own_schedules.jsonl"):
        day = date.fromisoformat(case["date"])
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=40)
        keys = walk(case["tz"], (case["at"],), start, 90, step=3)
        assert sum(k.day == day for k in keys) == case["mails"], case


@settings(max_examples=60, deadline=None)
@given(
    jumps=st.lists(st.integers(min_value=-1500, max_value=3000), min_size=1, max_size=30),
    zone=st.sampled_from(["Europe/London", "Asia/Tehran", "Australia/Lord_Howe", "UTC"]),
)
def test_no_key_twice_whatever_the_clock_does(jumps: list[int], zone: str) -> None:
    """A clock that jumps to and fro never makes a key twice and never more than one key a tick."""
    known: set[str] = set()
    now = datetime(2026, 10, 24, 22, tzinfo=UTC)
    for minutes in jumps:
        now += timedelta(minutes=minutes)
        keys = due([desk(zone=zone, at=("01:30", "13:00"))], now, known)
        assert len(keys) <= 1
        assert not known & {str(k) for k in keys}
        known |= {str(k) for k in keys}


def test_one_line_per_story() -> None:
    """Three articles of one story make one line, told by the best of them, with every source named."""
    fresh = [
        row(article("a1", lang="tr", source="Ajans", age=5), "s", hit("a1")),
        row(article("a2", source="Agency"), "s", hit("a2")),
        row(article("a3", lang="ar", source="وكالة", age=1), "s", hit("a3", level="high", rule="r")),
    ]
    members = {"s": [("a0", "Old", "en", "f"), ("a2", "Agency", "en", "f"), ("a1", "Ajans", "tr", "f")]}

    found = composed(fresh, members)

    [line] = [line for s in found.sections for line in s.stories]
    assert line.article.id == "a3"
    assert line.level == "high"
    assert [h.article for h in line.hits] == ["a3", "a1", "a2"], "a hit that is not carried would be mailed again"
    assert line.sources == (("وكالة", "ar"), ("Old", "en"), ("Agency", "en"), ("Ajans", "tr"))


def test_desk_language_then_tier_then_newest_stands_for_the_story() -> None:
    """Among equal levels the desk's language wins, then the better tier, then the newest article."""
    rows = [
        row(article("a1", lang="tr", age=1), "s", hit("a1")),
        row(article("a2", age=50, feed="f2"), "s", hit("a2")),
        row(article("a3", age=40, feed="f3"), "s", hit("a3")),
    ]

    assert composed(rows).sections[0].stories[0].article.id == "a3"
    assert composed(rows, tiers={"f2": 1}).sections[0].stories[0].article.id == "a2"
    assert composed(rows, language="tr").sections[0].stories[0].article.id == "a1"


def test_a_story_appears_once_under_its_highest_level() -> None:
    """A story of two watchlists stands under the more urgent one and names the other."""
    found = composed([row(article("a1"), "s", hit("a1"), hit("a1", "water", "high", rule="dam"))])

    filled = [(s.watchlist, s.stories) for s in found.sections if s.stories]
    assert [w for w, _ in filled] == ["water"]
    assert filled[0][1][0].also == ("PKK bases",)
    assert found.stories == 1


def test_order_of_stories() -> None:
    """Stories go by level, then by number of sources, then newest first."""
    fresh = [
        row(article("a1", age=90), "s1", hit("a1")),
        row(article("a2", age=10), "s2", hit("a2")),
        row(article("a3", age=95), "s3", hit("a3")),
        row(article("a4", age=99), "s4", hit("a4", level="flash", rule="r")),
    ]
    members = {"s3": [("b", "Other", "en", "o")]}

    assert [line.story for line in composed(fresh, members).sections[0].stories] == ["s4", "s3", "s2", "s1"]


def test_order_of_sections() -> None:
    """The list with the most urgent news comes first, quiet lists last, otherwise in the order of the titles."""
    fresh = [row(article("a1"), "s1", hit("a1")), row(article("a2"), "s2", hit("a2", "pmf", "high", rule="r"))]

    assert [(s.title, len(s.stories)) for s in composed(fresh).sections] == [
        ("Hashd", 1),
        ("PKK bases", 1),
        ("Water", 0),
    ]


def test_only_the_lists_of_the_desk_are_named_quiet() -> None:
    """A list that the desk does not watch is not called quiet; a hit of a list without a title is not lost."""
    found = composed([row(article("a1"), "s1", hit("a1", "gone"))], watchlists=("water",))

    assert [(s.title, len(s.stories)) for s in found.sections] == [("gone", 1), ("Water", 0)]


def test_a_later_revision_is_marked() -> None:
    """A story that comes again because of a new text is marked as updated."""
    old = hit("a1", revision="r0")
    new = hit("a1", "water")
    found = composed([(Stored(article=article("a1"), story="s", hits=(old, new)), (new,))])

    assert found.sections[0].stories[0].updated


def test_input_order_does_not_matter() -> None:
    """The same hits in another order give the same digest."""
    fresh = [row(article(f"a{n}", age=n % 3), f"s{n % 4}", hit(f"a{n}")) for n in range(9)]

    assert composed(fresh) == composed(fresh[::-1])


@pytest.mark.parametrize(
    ("policy", "day", "goes"), [("always", 21, True), ("weekdays", 21, False), ("never", 20, False)]
)
def test_empty_day(policy: str, day: int, goes: bool) -> None:  # noqa: FBT001
    """An empty day is mailed as the desk asks; 21 November 2026 is a Saturday."""
    found = compose(
        desk(empty=policy),
        DigestKey(desk="iraq", day=date(2026, 11, day), slot="07:00"),
        made=NOW,
        since=NOW,
        fresh=[],
        members={},
        titles=TITLES,
        coverage=Coverage(),
    )

    assert wanted(found) is goes


def test_flash_only_for_rules_at_the_level() -> None:
    """A flash needs a rule hit at the desk's level that is not a look-back; each story is flashed once for ever."""
    fresh = [
        row(article("a1"), "s1", hit("a1", level="flash", rule="r"), hit("a1", "water")),
        row(article("a2"), "s2", hit("a2", level="flash")),
        row(article("a3"), "s3", hit("a3", level="high", rule="r")),
        row(article("a4"), "s4", hit("a4", level="flash", rule="r", lookback=True)),
        row(article("a5"), "s5", hit("a5", level="flash", rule="r")),
    ]

    assert list(flashes(desk(), fresh, {"iraq/2026-11-19/" + flash_slot("s5")})) == ["s1"]
    assert list(flashes(desk(flash_level="high"), fresh, ())) == ["s1", "s3", "s5"]
    assert list(flashes(desk(), fresh, {"other/2026-11-19/" + flash_slot("s5")})) == ["s1", "s5"]


def test_flash_digest_is_a_small_digest() -> None:
    """A flash holds its one story and no quiet lists."""
    fresh = [row(article("a1"), "s1", hit("a1", level="flash", rule="r"))]

    found = flash_digest(desk(), "s1", made=NOW, fresh=fresh, members={}, titles=TITLES, coverage=Coverage())

    assert found.flash
    assert str(found.key) == "iraq/2026-11-21/flash-s1"
    assert [len(s.stories) for s in found.sections] == [1]
