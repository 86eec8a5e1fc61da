"""Whether the machine's clock can be right: what is stored carries its time, and a wrong one cannot be mended later.

A clock that went back makes no digest: its key would be that of a day long told. Feeds are polled all the same, for
they do not wait; but not by a clock that says a time before some desk began, because what is first seen before that
is mailed to nobody. A clock that jumps ahead cannot be told from a machine that was off.
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
        f"{said}, but the store was used at {_shown(latest)}: set the clock, or if it is right now say `monitor doctor"
        f" --clock-is-right`; until then nothing is {'polled or ' if _too_early(store, now) else ''}mailed."
    )


def require_to_mail(store: Store, now: datetime) -> None:
    """Raise TemporaryError when the clock cannot be right."""
    if why := doubt(store, now):
        raise TemporaryError(why)


def require_to_poll(store: Store, now: datetime) -> None:
    """Raise TemporaryError when what is first seen now would be mailed to nobody."""
    if _too_early(store, now):
        require_to_mail(store, now)


def _too_early(store: Store, now: datetime) -> bool:
    began = store.began()
    return now < EARLIEST or (began is not None and now < began)


def _shown(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
