"""When a feed is polled next. Pure: what came of a poll in, the next state out.

The rhythm lies between 5 minutes and 6 hours: shorter after news, longer after none. Failures wait longer and longer
but never end the watch, because a feed that is dropped after some errors is missed by nobody until it is too late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged

SHORTEST = 300
"""Seconds between two polls of a feed that brings news all the time."""
LONGEST = 21_600
"""Seconds between two polls of a feed that brings none, and of one that fails."""
DAY = 86_400
"""The longest wait that a server may ask for, in seconds."""

_GONE_CERTAIN = 3
"""After this many 410 over a day a feed is looked at once a day; a person is told meanwhile."""
_SPREAD = 0.1
"""Share of the wait over which polls are spread, so that feeds which failed together do not come back together."""
_MEMORY = 0.8
"""Weight of the past in the usual number of new items: about the last five polls count."""

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
    asked = _asked(result, feed)
    wait = max(interval, asked) if feed.every else max(interval, asked) * (1 + _SPREAD * jitter)
    return replace(
        _validators(tried, result),
        interval=interval,
        next_due=now + timedelta(seconds=min(wait, max(DAY, interval))),
        failures=0,
        last_ok=now,
        last_new=now if new_items else state.last_new,
        last_error="",
        error_kind="",
        usual_new=_usual(state, new_items),
    )


def must_wait(state: FeedState, now: datetime) -> bool:
    """Tell whether the server asked for a pause that is not over: even a poll of all feeds leaves this one alone."""
    return state.error_kind in _ASKED_TO_WAIT and state.next_due is not None and state.next_due > now


def _rhythm(state: FeedState, new_items: int, feed: Feed) -> int:
    """Seconds to the next poll as the feed's own rhythm has it; people's wish wins."""
    if feed.every:
        return feed.every * 60
    if state.last_ok is None:  # the first poll brings everything there is, which tells nothing
        return min(max(state.interval, SHORTEST), LONGEST)
    interval = state.interval / 2 if new_items else state.interval * 1.5
    return int(min(max(interval, SHORTEST), LONGEST))


def _asked(result: Fetched | NotModified | Unchanged, feed: Feed) -> int:
    """Seconds that the server asks for. Retry-After is a request; max-age a hint that a person's wish overrules."""
    hint = 0 if feed.every else result.max_age or 0
    request = result.retry_after or 0 if isinstance(result, Fetched) else 0
    return min(max(hint, request), DAY)


def _validators(state: FeedState, result: Fetched | NotModified | Unchanged) -> FeedState:
    if isinstance(result, NotModified):
        return state
    if isinstance(result, Unchanged):
        return replace(state, etag=result.etag, last_modified=result.last_modified)
    return replace(
        state,
        etag=result.etag,
        last_modified=result.last_modified,
        body_hash=result.body_hash,
        moved_to=result.moved_to,
    )


def _usual(state: FeedState, new_items: int) -> float:
    if not new_items or state.last_ok is None:
        return state.usual_new
    if not state.usual_new:
        return float(new_items)
    return _MEMORY * state.usual_new + (1 - _MEMORY) * new_items


def _failed(state: FeedState, result: Failed, now: datetime, jitter: float, feed: Feed) -> FeedState:
    failures = state.failures + 1
    wait = _patience(result, failures, feed.every * 60 or state.interval)
    wait *= 1 - _SPREAD * jitter
    wait = max(wait, min(result.retry_after or 0, DAY) * (1 + _SPREAD * jitter))
    failed = replace(
        state,
        next_due=now + timedelta(seconds=min(wait, max(DAY, feed.every * 60))),
        failures=failures,
        last_error=result.message,
        error_kind=result.kind,
    )
    if result.kind == "empty":  # the next poll asks for the whole document
        return replace(failed, etag="", last_modified="", body_hash="")
    return failed


def _patience(result: Failed, failures: int, interval: float) -> float:
    """Seconds to wait after this many failures in a row."""
    if result.kind == "http-401":
        return DAY  # only a person can help
    if result.kind == "gone":
        return DAY if failures >= _GONE_CERTAIN else DAY / _GONE_CERTAIN
    # 2**10 intervals of five minutes are far over the longest wait; a larger power would only overflow
    return min(max(interval, SHORTEST) * 2.0 ** min(failures, 10), max(LONGEST, interval))
