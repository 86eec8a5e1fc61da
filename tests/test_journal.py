"""What the journal makes of each try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.deliver import after
from monitor.deliver.journal import GIVE_UP, wait, waited
from monitor.model import Delivery, SendResult

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def delivery(tries: int = 0) -> Delivery:
    """Return a journal line that was tried so often."""
    return Delivery(key="iraq-desk/2026-11-21/07:00", to="a@desk.example", state="queued", tries=tries)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (SendResult(ok=True), "sent"),
        (SendResult(ok=False, error="554 no"), "failed"),
        (SendResult(ok=False, error="unconfirmed: x", unconfirmed=True), "unknown"),
        (SendResult(ok=False, retry=True, error="451 later"), "queued"),
    ],
)
def test_what_follows_a_try(result: SendResult, state: str) -> None:
    """Accepted is sent, refused is failed, no answer is unknown, trouble is queued again with the error kept."""
    found, next_try, error = after(result, delivery(), NOW)

    assert (found, error) == (state, result.error)
    assert (next_try is not None) is (state == "queued")


def test_waits_grow_and_end() -> None:
    """Waits are 1, 2, 4 .. 60 minutes; after 24 hours the message has failed and says so."""
    later = SendResult(ok=False, retry=True, error="451 later")
    waits = []
    tries = 0
    while (step := after(later, delivery(tries), NOW))[0] == "queued":
        assert step[1]
        waits.append((step[1] - NOW) // timedelta(minutes=1))
        tries += 1

    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert sum(waits) <= 24 * 60 < sum(waits) + 60
    assert step[0] == "failed"
    assert "451 later" in step[2]
    assert waited(1) == wait(1)
    assert waited(len(waits)) <= GIVE_UP
