"""What the journal does after a try. Pure; the channels know nothing of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.model import Delivery, DeliveryState, SendResult

GIVE_UP = timedelta(hours=24)
"""A digest of yesterday is no news: the next one tells what this one would have."""

LONGEST = timedelta(minutes=60)


def after(result: SendResult, delivery: Delivery, now: datetime) -> tuple[DeliveryState, datetime | None, str]:
    """Return (state, next try, error) of a journal line after one more try.

    `delivery.tries` counts the tries before this one. Waits grow 1, 2, 4 .. 60 minutes; after 24 hours it has failed.
    A message without an answer after its final dot is `unknown` and never sent again by itself.
    """
    if result.ok:
        return "sent", None, ""
    if result.unconfirmed:
        return "unknown", None, result.error
    if not result.retry:
        return "failed", None, result.error
    if waited(delivery.tries + 1) > GIVE_UP:
        return "failed", None, f"{result.error} (given up after {delivery.tries + 1} tries in 24 hours)"
    return "queued", now + wait(delivery.tries + 1), result.error


def wait(tries: int) -> timedelta:
    """Return how long to wait after that many tries: 1, 2, 4 .. 60 minutes."""
    return min(timedelta(minutes=2 ** min(tries - 1, 10)), LONGEST)


def waited(tries: int) -> timedelta:
    """Return how long the tries up to that one and the wait after it take in all."""
    return sum((wait(n) for n in range(1, tries + 1)), timedelta())
