"""Care of a running monitor: what `doctor` looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.deliver import FileChannel, SmtpChannel
from monitor.errors import ConfigError, UsageError
from monitor.model import DeliveryState
from monitor.ports import Clock, Store
from monitor.service.clock import doubt
from monitor.service.edit import Editorial, InForce
from monitor.service.health import WORDS, look
from monitor.service.notice import disk

ALIVE = timedelta(minutes=15)
"""A running monitor leaves a sign of life at the start of every poll, and while one moves on; none while one hangs."""

_STUCK: tuple[DeliveryState, ...] = ("unknown", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `sentence` says what to do when it is not ok."""

    what: str
    ok: bool
    sentence: str


def examine(
    store: Store,
    editorial: Editorial,
    channel: FileChannel | SmtpChannel,
    clock: Clock,
    *,
    quick: bool,
    free: int | None = None,
) -> list[Finding]:
    """Look at everything that can be ill; `quick` only at the store and the sign of life. `free`: bytes of disk."""
    if quick:
        return [_alive(store, clock()), *_clock(store, clock())]
    damage = store.check()
    if damage:  # whatever else is read of it cannot be trusted
        return [Finding(what="store", ok=False, sentence=damage[0])]
    count = store.counts()
    sound = f"{count.articles} articles, {count.hits} hits, {count.size / 1e6:.1f} MB, sound"
    found = [_alive(store, clock()), *_clock(store, clock()), Finding(what="store", ok=True, sentence=sound)]
    if free is not None:
        found.append(Finding(what="disk", ok=not disk(free), sentence=disk(free) or f"{free // 1_000_000} MB are free"))
    try:
        force = editorial.current()
    except ConfigError as error:
        return [*found, Finding(what="watchlists", ok=False, sentence=str(error))]
    return [
        *found,
        *_watchlists(force),
        _feeds(store, force, clock()),
        *_poison(store),
        _mail(store),
        _channel(channel),
        *_zones(force),
    ]


def _alive(store: Store, now: datetime) -> Finding:
    sign = store.meta("alive")
    if not sign:
        return Finding(what="watch", ok=True, sentence="not started yet: `monitor run` starts it")
    if sign == "stopped":
        return Finding(what="watch", ok=True, sentence="stopped politely: `monitor run` starts it again")
    age = now - datetime.fromisoformat(sign)
    if age <= ALIVE:
        return Finding(what="watch", ok=True, sentence=f"alive {max(0, int(age.total_seconds()))} s ago")
    return Finding(what="watch", ok=False, sentence=f"no sign of life since {sign}: look at its log and start it again")


def _watchlists(force: InForce) -> Iterator[Finding]:
    for problem in force.problems:
        yield Finding(what="watchlists", ok=False, sentence=f"not in force: {problem}")
    if not force.problems:
        rules = sum(len(f.rules) for f in force.files)
        entities = sum(len(f.entities) for f in force.files)
        yield Finding(what="watchlists", ok=True, sentence=f"{entities} entities and {rules} rules in force")


def _feeds(store: Store, force: InForce, now: datetime) -> Finding:
    watched = [h for h in look(store, force.feeds, now) if h.feed.url]
    ill = bool(watched) and all(h.state.failures for h in watched)
    counted = Counter(h.word for h in watched)
    words = ", ".join(f"{counted[word]} {word}" for word in WORDS if counted[word])
    sentence = f"{len(watched)} watched{': ' if words else ''}{words}; `monitor feeds` says why"
    return Finding(what="feeds", ok=not ill, sentence=sentence)


def _clock(store: Store, now: datetime) -> Iterator[Finding]:
    if why := doubt(store, now):
        yield Finding(what="clock", ok=False, sentence=why)


def _poison(store: Store) -> Iterator[Finding]:
    """Named, and no illness of ours: the others go on, and each is tried again."""
    for feed, seen, reason, size in store.poison():
        kept = (
            f"its {size / 1e6:.1f} MB of {seen:%d %b %H:%M} UTC are kept, `monitor doctor --poison FOLDER` writes them"
        )
        yield Finding(what="poison", ok=True, sentence=f"{feed}: {reason.rstrip('.')}; {kept}")


def write_poison(store: Store, folder: Path) -> list[Path]:
    """Write what is kept of poison bodies, a file for each feed. Raises UsageError when the folder refuses them."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for feed, *_ in store.poison():
            target = folder / f"{quote(feed, safe='')}.poison"
            target.write_bytes(store.poison_body(feed))
            written.append(target)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written to ({error.strerror}): choose another folder.") from None
    return written


def _mail(store: Store) -> Finding:
    stuck = store.outbox(states=_STUCK)
    sentence = f"{len(stuck)} mails failed or not confirmed: `monitor outbox` lists them" if stuck else "none is stuck"
    return Finding(what="mails", ok=not stuck, sentence=sentence)


def _channel(channel: FileChannel | SmtpChannel) -> Finding:
    result = channel.probe()
    what = "mail folder" if isinstance(channel, FileChannel) else "mail relay"
    return Finding(what=what, ok=result.ok, sentence="takes mail" if result.ok else result.error)


def _zones(force: InForce) -> Iterator[Finding]:
    for zone in sorted({d.zone for d in force.desks}):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield Finding(what="time zones", ok=False, sentence=f"{zone} is unknown: install tzdata")
