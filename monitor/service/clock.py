"""Whether the machine's clock can be right: what is stored carries its time, and a wrong one could never be mended.

With a clock of 1970 new articles would be older than every desk and mailed to none; with one of yesterday the feeds of
today would not be due. A clock that jumps forward cannot be told from a machine that was off.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.errors import TemporaryError
from monitor.ports import Store

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""There was no such program before: a machine that says less has lost its time (no battery, no time server yet)."""

SLACK = timedelta(hours=1)
"""How far a clock may be set back without anybody asking."""


def doubt(store: Store, now: datetime) -> str:
    """Why the clock cannot be right, in one sentence with what to do; empty when it can."""
    said = f"The clock of this machine says {_shown(now)}"
    if now < EARLIEST:
        return f"{said}, which cannot be: set it; until then nothing is polled or mailed."
    latest = store.latest()
    if latest is None or now >= latest - SLACK:
        return ""
    return (
        f"{said}, but the store was used at {_shown(latest)}: set the clock, or say `monitor doctor --clock-is-right`;"
        " until then nothing is polled or mailed."
    )


def require(store: Store, now: datetime) -> None:
    """Raise TemporaryError when the clock cannot be right."""
    if why := doubt(store, now):
        raise TemporaryError(why)


def _shown(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
