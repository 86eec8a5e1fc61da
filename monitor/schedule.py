"""When a feed is polled next. Pure: what came of a poll in, the next state out.

The rhythm lies between 5 minutes and 6 hours: shorter after news, longer after none. Failures wait longer and longer
but never end the watch, because a feed that is dropped after some errors is missed by nobody until it is too late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged

SHORTEST = 300
"""Seconds between two polls of a feed that brings news all the time."""
LONGEST = 21_600
"""Seconds between two polls of a feed that brings none, and of one that fails."""
DAY = 86_400
"""The longest wait that a server may ask for, in seconds; and the time after which a whole body is asked for."""
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""`next_due` of a feed that is gone: only a person, by name or by `--all`, makes it asked for again."""

_GONE_CERTAIN = 3
"""After this many 410 over at least a day a feed is left alone; a person is told."""
_SPREAD = 0.1
"""Share of the wait over which polls are spread, so that feeds which failed together do not come back together."""
_MEMORY = 0.8
"""Weight of the past in the usual number of new items: about the last five polls count."""

LETTERS_LOST = "letters are lost: the feed's encoding is told wrong; tell the publisher"
"""What is noted of a feed of whose letters too many came as U+FFFD."""
_MOST_LOST = 0.05
"""Share of the letters that may be lost without a note: of one title that was cut nobody need be told."""

_ASKED_TO_WAIT = frozenset({"http-429", "http-503"})


def next_state(
    state: FeedState, result: FetchResult, *, now: datetime, new_items: int, jitter: float, feed: Feed
) -> FeedState:
    """State after a poll: to be saved together with the articles, so that the validators are never ahead of them.

    `new_items` counts articles not seen before; `jitter` is a random number from 0 to 1. The lease is cleared.
    """
    tried = replace(state, last_try=now, lease_until=None, lease_owner="")
    if isinstance(result, Failed):
        return _failed(tried, result, now, jitter, feed)
    interval = _rhythm(state, new_items, feed)
    return replace(
        _validators(tried, result, now),
        interval=interval,
        next_due=now + timedelta(seconds=max(_spread(interval, jitter, feed), _asked(result, jitter, feed))),
        failures=0,
        failing_since=None,
        last_ok=now,
        last_new=now if new_items else state.last_new,
        last_error="",
        error_kind="",
        usual_new=_usual(state, new_items),
    )


def asking(state: FeedState, now: datetime) -> FeedState:
    """The state to ask with: without validators when no whole body came for a day.

    A server that answers 304 whatever happens, or keeps one ETag for ever, would be silent without anybody knowing.
    """
    if state.last_full is not None and 0 <= (now - state.last_full).total_seconds() < DAY:
        return state
    return replace(state, etag="", last_modified="")


def with_letters(note: str, lost: float) -> str:
    """The note on a feed's texts after it was read and this share of its letters (0 to 1) was lost.

    LETTERS_LOST stands in front of what else is noted, once, and goes when the letters are there again.
    """
    rest = note.removeprefix(LETTERS_LOST).removeprefix("; ")
    return "; ".join(filter(None, (LETTERS_LOST if lost > _MOST_LOST else "", rest)))


def must_wait(state: FeedState, now: datetime) -> bool:
    """Tell whether the server asked for a pause that is not over: even a poll of all feeds leaves this one alone.

    No pause is longer than a day: one that ends later was noted by a clock that has been set back since.
    """
    if state.error_kind not in _ASKED_TO_WAIT or state.next_due is None:
        return False
    return 0 < (state.next_due - now).total_seconds() <= DAY


def _rhythm(state: FeedState, new_items: int, feed: Feed) -> int:
    """Seconds to the next poll as the feed's own rhythm has it; people's wish wins."""
    if feed.every:
        return feed.every * 60
    if state.last_ok is None:  # the first poll brings everything there is, which tells nothing
        return min(max(state.interval, SHORTEST), LONGEST)
    interval = state.interval / 2 if new_items else state.interval * 1.5
    return int(min(max(interval, SHORTEST), LONGEST))


def _spread(interval: int, jitter: float, feed: Feed) -> float:
    """The rhythm in seconds, spread by up to a tenth: upwards, but at the longest downwards."""
    if feed.every:
        return interval
    wait = interval * (1 + _SPREAD * jitter)
    return wait if wait <= LONGEST else LONGEST * (1 - _SPREAD * jitter)


def _asked(result: Fetched | NotModified | Unchanged, jitter: float, feed: Feed) -> float:
    """Seconds that the server asks for, never undercut.

    Retry-After is a request, good for a day; max-age a hint, good for the longest rhythm unless a person has a wish.
    """
    spread = 1 + _SPREAD * jitter
    request = (result.retry_after or 0) * spread if isinstance(result, Fetched) else 0
    hint = 0 if feed.every else (result.max_age or 0) * spread
    return max(min(request, DAY), min(hint, LONGEST))


def _validators(state: FeedState, result: Fetched | NotModified | Unchanged, now: datetime) -> FeedState:
    moved = replace(state, moved_to=result.moved_to)
    if isinstance(result, NotModified):
        return replace(moved, etag=result.etag or state.etag, last_modified=result.last_modified or state.last_modified)
    whole = replace(moved, etag=result.etag, last_modified=result.last_modified, last_full=now)
    return replace(whole, body_hash=result.body_hash) if isinstance(result, Fetched) else whole


def _usual(state: FeedState, new_items: int) -> float:
    if not new_items or state.last_ok is None:
        return state.usual_new
    if not state.usual_new:
        return float(new_items)
    return _MEMORY * state.usual_new + (1 - _MEMORY) * new_items


def _failed(state: FeedState, result: Failed, now: datetime, jitter: float, feed: Feed) -> FeedState:
    goes_on = state.failures > 0 and (result.kind != "gone" or state.error_kind == "gone")  # 410 is counted alone
    failed = replace(
        state,
        failures=state.failures + 1 if goes_on else 1,
        failing_since=state.failing_since if goes_on and state.failing_since else now,
        last_error=result.message,
        error_kind=result.kind,
    )
    failed = replace(failed, next_due=_next_try(failed, result, now, jitter, feed))
    if result.kind == "empty":  # the next poll asks for the whole document
        return replace(failed, etag="", last_modified="", body_hash="")
    return failed


def _next_try(state: FeedState, result: Failed, now: datetime, jitter: float, feed: Feed) -> datetime:
    """When to try again; `state` counts this failure already."""
    if _is_gone(state, now):
        return NEVER
    wait = _patience(result, state.failures, feed.every * 60 or state.interval) * (1 - _SPREAD * jitter)
    wait = max(wait, min(result.retry_after or 0, DAY) * (1 + _SPREAD * jitter))
    return now + timedelta(seconds=min(wait, max(DAY, feed.every * 60)))


def _is_gone(state: FeedState, now: datetime) -> bool:
    """Whether 410 (RFC 9110, 15.5.11: likely for good) is no slip: heard three times, and over a day."""
    if state.error_kind != "gone" or state.failures < _GONE_CERTAIN or state.failing_since is None:
        return False
    return (now - state.failing_since).total_seconds() >= DAY


def _patience(result: Failed, failures: int, interval: float) -> float:
    """Seconds to wait after this many failures in a row."""
    if result.kind == "http-401":
        return DAY  # only a person can help
    if result.kind == "gone":
        return DAY / 2
    # 2**10 intervals of five minutes are far over the longest wait; a larger power would only overflow
    return min(max(interval, SHORTEST) * 2.0 ** min(failures, 10), max(LONGEST, interval))
