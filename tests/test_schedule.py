"""The rhythm of polling: fast after news, slow without, patient with failures, obedient to servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged
from monitor.schedule import (
    DAY,
    LETTERS_LOST,
    LONGEST,
    NEVER,
    SHORTEST,
    asking,
    must_wait,
    next_state,
    with_letters,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FEED = Feed(id="f", url="https://a.example/feed")
OLD = FeedState(
    feed="f",
    interval=1200,
    etag='"1"',
    last_modified="yesterday",
    body_hash="aa",
    last_ok=NOW - timedelta(hours=1),
    last_new=NOW - timedelta(hours=2),
    lease_until=NOW,
    lease_owner="me",
    next_due=NOW,
)
BODY = Fetched(url="https://a.example/feed", body=b"x", body_hash="bb", etag='"2"', last_modified="today")
DEAD = Failed(kind="dns", message="does not answer: no such host a.example")


def after(
    result: FetchResult, state: FeedState = OLD, *, new: int = 0, jitter: float = 0.0, feed: Feed = FEED
) -> FeedState:
    """The state after a poll at NOW."""
    return next_state(state, result, now=NOW, new_items=new, jitter=jitter, feed=feed)


def wait(state: FeedState) -> float:
    """Seconds from NOW to the next poll."""
    assert state.next_due
    return (state.next_due - NOW).total_seconds()


def test_news_halves_the_interval() -> None:
    """A feed that brought something is asked twice as soon, but not within five minutes."""
    assert after(BODY, new=3).interval == 600
    assert wait(after(BODY, new=3)) == 600
    assert after(BODY, replace(OLD, interval=400), new=1).interval == SHORTEST


@pytest.mark.parametrize("result", [BODY, NotModified(), Unchanged()])
def test_no_news_stretches_the_interval(result: FetchResult) -> None:
    """Without news the interval grows by half, up to six hours."""
    assert after(result).interval == 1800
    assert after(result, replace(OLD, interval=20_000)).interval == LONGEST


def test_the_first_poll_changes_no_rhythm() -> None:
    """What comes with the first poll is the feed's past, not its pace."""
    first = after(BODY, FeedState(feed="f"), new=40)

    assert first.interval == 900
    assert first.usual_new == 0
    assert first.last_ok == first.last_new == NOW


def test_peoples_wish_wins() -> None:
    """`every` is kept to the minute, whatever the feed brings and Cache-Control says."""
    wish = replace(FEED, every=7)

    assert wait(after(BODY, new=9, jitter=1.0, feed=wish)) == 420
    assert wait(after(replace(BODY, max_age=3600), feed=wish)) == 420
    assert wait(after(BODY, feed=replace(FEED, every=3000))) == 180_000


def test_servers_are_obeyed() -> None:
    """max-age and Retry-After lengthen the wait up to a day; Retry-After even against `every`."""
    assert wait(after(NotModified(max_age=7200))) == 7200
    assert wait(after(Unchanged(max_age=60))) == 1800
    assert wait(after(replace(BODY, retry_after=9000), feed=replace(FEED, every=5))) == 9000
    assert wait(after(replace(BODY, retry_after=10**9))) == DAY
    assert wait(after(replace(DEAD, kind="http-429", retry_after=10_000))) == 10_000
    assert wait(after(replace(DEAD, kind="http-503", retry_after=10**9))) == DAY


def test_a_hint_is_good_for_six_hours() -> None:
    """Cache-Control for a day or a year does not keep a feed away for longer than the slowest rhythm."""
    assert wait(after(NotModified(max_age=DAY))) == LONGEST
    assert wait(after(NotModified(max_age=DAY), jitter=1.0)) == LONGEST


def test_the_rhythm_stays_within_its_bounds() -> None:
    """Whatever chance adds, a feed without a wish and without a request is asked between 5 minutes and 6 hours."""
    slow, fast = replace(OLD, interval=LONGEST), replace(OLD, interval=SHORTEST)
    for chance in (0.0, 0.5, 1.0):
        assert 0.9 * LONGEST <= wait(after(BODY, slow, jitter=chance)) <= LONGEST
        assert SHORTEST <= wait(after(BODY, fast, new=1, jitter=chance)) <= 1.1 * SHORTEST


def test_failures_wait_longer_and_never_end() -> None:
    """Each failure doubles the wait up to six hours; the thousandth still has a next time."""
    state, waits = OLD, []
    for _ in range(1000):
        state = after(DEAD, state)
        waits.append(wait(state))

    assert waits[:6] == [2400, 4800, 9600, 19_200, LONGEST, LONGEST]
    assert waits[-1] == LONGEST
    assert state.failures == 1000
    assert state.interval == OLD.interval


def test_a_failure_keeps_what_is_known() -> None:
    """Validators, times of success and the like stay; the error is told; the lease is given back."""
    failed = after(DEAD)

    assert (failed.etag, failed.last_modified, failed.body_hash) == ('"1"', "yesterday", "aa")
    assert (failed.last_ok, failed.last_new, failed.last_try) == (OLD.last_ok, OLD.last_new, NOW)
    assert (failed.last_error, failed.error_kind) == ("does not answer: no such host a.example", "dns")
    assert (failed.lease_until, failed.lease_owner) == (None, "")


def test_success_clears_the_error() -> None:
    """After a good poll nothing is left of the bad ones, and its validators are taken."""
    good = after(replace(BODY, moved_to="https://b.example/feed"), after(DEAD), new=2)

    assert (good.failures, good.last_error, good.error_kind) == (0, "", "")
    assert (good.etag, good.last_modified, good.body_hash) == ('"2"', "today", "bb")
    assert (good.moved_to, good.last_new, good.lease_owner) == ("https://b.example/feed", NOW, "")


def test_validators_follow_the_kind_of_success() -> None:
    """A 304 keeps them, the same bytes bring new ones, and an empty answer drops them all."""
    assert after(NotModified()).etag == '"1"'
    unchanged = after(Unchanged(etag='"3"', last_modified="now"))
    assert (unchanged.etag, unchanged.last_modified, unchanged.body_hash) == ('"3"', "now", "aa")
    empty = after(Failed(kind="empty", message="answers with nothing"))
    assert (empty.etag, empty.last_modified, empty.body_hash) == ("", "", "")


def test_a_304_may_bring_new_validators() -> None:
    """What a 304 says of ETag and date is kept (RFC 9110 section 15.4.5), the other one stays."""
    told = after(NotModified(etag='"9"'))

    assert (told.etag, told.last_modified, told.body_hash) == ('"9"', "yesterday", "aa")


@pytest.mark.parametrize("result", [BODY, NotModified(), Unchanged()])
def test_a_move_is_told_as_long_as_it_is_seen(result: Fetched | NotModified | Unchanged) -> None:
    """A permanent redirect is noted whatever follows it, and forgotten when the old address answers again."""
    moved = after(replace(result, moved_to="https://b.example/feed"))

    assert moved.moved_to == "https://b.example/feed"
    assert after(DEAD, moved).moved_to == "https://b.example/feed"
    assert after(result, moved).moved_to == ""


def test_once_a_day_the_whole_body_is_asked_for() -> None:
    """Validators are used for a day after the last whole body; a clock set back does not prolong the day."""
    whole = after(BODY)

    assert asking(whole, NOW + timedelta(hours=23)) == whole
    assert asking(at(23, NotModified(), whole), NOW + timedelta(hours=24)).etag == ""
    assert asking(at(23, Unchanged(etag='"2"'), whole), NOW + timedelta(hours=24)).etag == '"2"'
    assert asking(whole, NOW - timedelta(hours=1)).last_modified == ""
    assert asking(whole, NOW + timedelta(days=2)).body_hash == "bb"


GONE = Failed(kind="gone", message="is gone for good", status=410)


def at(hours: float, result: FetchResult, state: FeedState) -> FeedState:
    """The state after a poll so many hours later."""
    return next_state(state, result, now=NOW + timedelta(hours=hours), new_items=0, jitter=0.0, feed=FEED)


def test_a_feed_that_is_gone_is_left_alone() -> None:
    """A 410 heard three times over a day ends the asking; what comes with a poll by hand starts it again."""
    first = after(GONE)
    second = at(12, GONE, first)
    third = at(24, GONE, second)

    assert wait(first) == DAY / 2
    assert third.next_due == NEVER
    assert (third.failures, third.failing_since, third.error_kind) == (3, NOW, "gone")
    again = at(30, BODY, third)
    assert again.next_due == NOW + timedelta(hours=30, seconds=1800)
    assert again.failing_since is None


def test_a_410_by_mistake_ends_nothing() -> None:
    """Three within an hour, or between other failures, are no proof that a feed is gone."""
    hasty = at(0.2, GONE, at(0.1, GONE, after(GONE)))
    mixed = at(48, GONE, at(24, DEAD, at(12, GONE, after(GONE))))

    assert hasty.next_due == NOW + timedelta(hours=12.2)
    assert (mixed.next_due, mixed.failures) == (NOW + timedelta(hours=60), 1)


def test_since_when_a_feed_fails() -> None:
    """The first of a row of failures is remembered until the feed is read again."""
    assert at(5, replace(DEAD, kind="timeout"), after(DEAD)).failing_since == NOW
    assert at(6, NotModified(), at(5, DEAD, after(DEAD))).failing_since is None
    assert at(7, DEAD, at(6, BODY, after(DEAD))).failing_since == NOW + timedelta(hours=7)


def test_a_missing_login_is_tried_daily() -> None:
    """A 401 needs a person, so a day goes by."""
    assert wait(after(Failed(kind="http-401", message="asks for a login", status=401))) == DAY


def test_jitter_spreads_within_a_tenth() -> None:
    """Feeds that failed or succeeded together come back apart, never earlier than the server asked."""
    assert wait(after(DEAD, jitter=1.0)) == pytest.approx(2160)
    assert wait(after(BODY, jitter=1.0)) == pytest.approx(1980)
    assert wait(after(replace(DEAD, kind="http-429", retry_after=10_000), jitter=1.0)) >= 10_000


def test_the_usual_number_of_news_moves_slowly() -> None:
    """One flood does not become the usual at once."""
    first = after(BODY, new=10)
    assert first.usual_new == 10
    assert after(BODY, first, new=110).usual_new == pytest.approx(30)
    assert after(BODY, first).usual_new == 10


@pytest.mark.parametrize(
    ("note", "lost", "after"),
    [
        ("", 0.0, ""),
        ("", 0.05, ""),
        ("", 0.051, LETTERS_LOST),
        (LETTERS_LOST, 1.0, LETTERS_LOST),
        (LETTERS_LOST, 0.0, ""),
        ("pages", 0.2, f"{LETTERS_LOST}; pages"),
        (f"{LETTERS_LOST}; pages", 0.2, f"{LETTERS_LOST}; pages"),
        (f"{LETTERS_LOST}; pages", 0.0, "pages"),
    ],
)
def test_lost_letters_are_noted_once_and_beside_what_is_said_of_pages(note: str, lost: float, after: str) -> None:
    """More than one letter in twenty; the note comes and goes, the other one stays."""
    assert with_letters(note, lost) == after


def test_a_pause_that_was_asked_for_holds_for_every_poll() -> None:
    """Only a 429 or 503 makes a poll of all feeds leave a feed alone, and only until its time."""
    asked = after(replace(DEAD, kind="http-429", retry_after=600))

    assert must_wait(asked, NOW)
    assert not must_wait(asked, NOW + timedelta(days=1))
    assert not must_wait(after(DEAD), NOW)
    assert not must_wait(asked, NOW - timedelta(days=300))
