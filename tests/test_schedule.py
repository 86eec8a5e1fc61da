"""The rhythm of polling: fast after news, slow without, patient with failures, obedient to servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged
from monitor.schedule import DAY, LONGEST, SHORTEST, must_wait, next_state

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


def test_a_feed_that_is_gone_is_looked_at_daily() -> None:
    """Three times over a day a 410 is taken for a mistake, then the feed is asked once a day."""
    gone = Failed(kind="gone", message="is gone for good", status=410)
    first = after(gone)
    second = after(gone, first)
    third = after(gone, second)

    assert [wait(s) for s in (first, second, third)] == [DAY / 3, DAY / 3, DAY]


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


def test_a_pause_that_was_asked_for_holds_for_every_poll() -> None:
    """Only a 429 or 503 makes a poll of all feeds leave a feed alone, and only until its time."""
    asked = after(replace(DEAD, kind="http-429", retry_after=600))

    assert must_wait(asked, NOW)
    assert not must_wait(asked, NOW + timedelta(days=1))
    assert not must_wait(after(DEAD), NOW)
