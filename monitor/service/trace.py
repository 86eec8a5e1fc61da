"""What a poll says of itself, for `monitor poll -v` and the log level debug; nothing while nobody listens."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from monitor.fetch.trace import logger, say
from monitor.model import Article, Failed, Feed, FeedState, Fetched, FetchResult, Matched
from monitor.schedule import LONGEST, NEVER, SHORTEST
from monitor.service.health import at, length
from monitor.service.read import Read

_MOST = 8
"""Hits that are named."""

_PARSERS = {"plain": "the strict parser", "json": "the reader of JSON feeds"}


def left_alone(states: Sequence[FeedState], due: Collection[str]) -> None:
    """Feeds that were due and are not asked, because their server wants to be left alone."""
    for state in states:
        if state.feed not in due and state.next_due and logger.isEnabledFor(logging.DEBUG):
            say(state.feed, "waits", f"until {at(state.next_due)}, as its server asked: {state.last_error}")


def parsed(feed: Feed, read: Read) -> None:
    """Who parsed the body, and what came out."""
    if logger.isEnabledFor(logging.DEBUG):
        by = _PARSERS.get(read.gate) or f"feedparser ({read.gate})"
        say(feed.id, "parsed", f"by {by}: {len(read.articles)} items")


def compared(feed: Feed, found: Sequence[Article], fresh: Sequence[Article], new: Sequence[Article]) -> None:
    """What of the items is new, what was edited, what is known; and how the new ones stand."""
    if logger.isEnabledFor(logging.DEBUG):
        edited = len(fresh) - len(new)
        text = f"{len(new)} new, {edited} edited, {len(found) - len(fresh)} known"
        others = Counter(a.standing for a in new if a.standing != "news")
        why = {"held": "held as a flood", "baseline": "too old to be news at a first poll"}
        said = ", ".join(f"{n} {why.get(standing, standing)}" for standing, n in others.items())
        say(feed.id, "items", f"{text}{f'; {said}' if said else ''}")


def matched(feed: Feed, found: Sequence[Matched]) -> None:
    """The hits of what is new or edited."""
    if logger.isEnabledFor(logging.DEBUG) and found:
        counted = Counter(f"{h.watchlist}/{h.name} ({h.level})" for m in found for h in m.hits)
        named = ", ".join(f"{name} x {n}" if n > 1 else name for name, n in counted.most_common(_MOST))
        more = f" and {len(counted) - _MOST} more" if len(counted) > _MOST else ""
        mentions = sum(len(m.mentions) for m in found)
        say(feed.id, "hits", f"{counted.total()} in {mentions} mentions{': ' if named else ''}{named}{more}")


def settled(feed: Feed, before: FeedState, result: FetchResult, after: FeedState, now: datetime, new: int) -> None:
    """How it ended, and when it is asked again and why."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    if isinstance(result, Failed):
        say(feed.id, "failed", f"{result.message} ({result.kind})")
    if after.next_due is None or after.next_due == NEVER:
        say(feed.id, "next", f"never by itself: {why_next(feed, before, result, after, now, new)}")
        return
    wait = length(after.next_due - now)
    say(feed.id, "next", f"{at(after.next_due)}, in {wait}: {why_next(feed, before, result, after, now, new)}")


def why_next(feed: Feed, before: FeedState, result: FetchResult, after: FeedState, now: datetime, new: int) -> str:
    """Why a feed is asked again when it is: `after` is what schedule.next_state made of `before` and `result`."""
    wait = (after.next_due - now) if after.next_due else timedelta()
    asked = result.retry_after if isinstance(result, Fetched | Failed) else None
    if after.next_due == NEVER:
        return "it was gone (HTTP 410) for a day; only by name, or with --all"
    if asked and timedelta(seconds=asked) <= wait < timedelta(seconds=1.2 * asked + 1):
        return f"its server asks for it (Retry-After {asked} s)"
    if isinstance(result, Failed):
        again = f"{after.failures} failures in a row" if after.failures > 1 else "it failed"
        return f"{again}; the wait grows with each, to {length(timedelta(seconds=LONGEST))}"
    if result.max_age and wait > timedelta(seconds=1.2 * after.interval):
        return f"its server says that nothing changes before (Cache-Control, {result.max_age} s)"
    if feed.every:
        return f"every {feed.every} minutes, as feeds.yaml has it"
    if before.last_ok is None:
        return "a first poll tells nothing of its rhythm"
    if new:
        return "it brought news, so sooner" + (", and no sooner than this" if after.interval <= SHORTEST else "")
    return "it brought nothing new, so later" + (", and no later than this" if after.interval >= LONGEST else "")
