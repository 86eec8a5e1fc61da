"""The operator's mail: at most one a local day, and only when something needs a person.

store, watchlists in force, free disk -> parts -> render.notice -> freeze; it leaves through the journal like any mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.errors import Problem
from monitor.model import Delivery, DeliveryState, DigestKey
from monitor.ports import Clock, Store
from monitor.render import message_id
from monitor.render.notice import Part, notice
from monitor.service.edit import Current, InForce
from monitor.service.health import FeedHealth, at, look, needs_person

OPERATOR = "_operator"
"""Stands in keys where a digest has its desk; no desk can be called so."""

SLOT = "health"

MORNING = 6
"""Local hour before which nobody is written to."""

EVERY = timedelta(minutes=5)
"""How often it is looked whether anything needs a person: the mail room asks every 20 seconds."""

LOW = 500_000_000
"""Bytes of free disk; less is nearly full. As much is asked for to begin with."""

_STUCK: tuple[DeliveryState, ...] = ("unknown", "failed")


@dataclass(slots=True, kw_only=True)
class Notice:
    """Makes the operator's mail; remembers only when it looked last."""

    store: Store
    editorial: Current
    clock: Clock
    free: Callable[[], int]
    """Bytes that are free where the store lies."""
    to: str
    """Address of the operator; empty: nobody is mailed."""
    sender: str
    host: str
    """Right side of the Message-ID."""
    _looked: datetime | None = None

    def make_due(self) -> bool:
        """Freeze today's mail when something needs a person and none was made today; whether it was made."""
        now = self.clock()
        if not self.to or (self._looked and timedelta() <= now - self._looked < EVERY):
            return False
        self._looked = now
        force = self.editorial.current()
        local = now.astimezone(ZoneInfo(force.desks[0].zone if force.desks else "UTC"))
        made = self.store.digests(OPERATOR)
        if local.hour < MORNING or any(day >= local.date().isoformat() for _, day, *_ in made):
            return False
        parts = self.parts(force, now)
        if not parts:
            return False
        key = DigestKey(desk=OPERATOR, day=local.date(), slot=SLOT)
        mail = notice(
            str(key),
            parts,
            to=self.to,
            sender=self.sender,
            message_id=message_id(str(key), self.to, self.host),
            made=now,
            moment=f"{local:%Y-%m-%d %H:%M} {local.tzname()}",
        )
        return self.store.freeze(key, [mail], [], now, 0)

    def parts(self, force: InForce, now: datetime) -> list[Part]:
        """What needs a person, in parts; empty when nothing does."""
        health = [h for h in look(self.store, force.feeds, now) if needs_person(h, now)]
        stuck = [d for d in self.store.outbox(states=_STUCK) if not is_operators(d)]
        rows = {
            "Disk": (tuple(_disk(self.free())), "`monitor doctor`"),
            "Watchlists": (tuple(_broken(p) for p in force.problems), "`monitor check`"),
            "Mails": (tuple((f"{d.key} to {d.to}", _stuck(d)) for d in stuck), "`monitor outbox`"),
            "Feeds": (tuple((_name(h), _ill(h)) for h in health), "`monitor feeds`"),
        }
        return [Part(title=title, rows=some, rest=rest) for title, (some, rest) in rows.items() if some]


def is_operators(delivery: Delivery) -> bool:
    """Whether this is a mail to the operator, which no desk and no further mail to him need know of."""
    return delivery.key.startswith(f"{OPERATOR}/")


def disk(free: int) -> str:
    """What to say of this many free bytes: one sentence when they are few, else nothing."""
    return f"only {free // 1_000_000} MB are free: make room before the watch has to stop" if free < LOW else ""


def _disk(free: int) -> Iterator[tuple[str, str]]:
    if said := disk(free):
        yield "where the store lies", said


def _broken(problem: Problem) -> tuple[str, str]:
    place, _, sentence = str(problem).partition(": ")
    return place, f"not in force: {sentence}"


def _stuck(delivery: Delivery) -> str:
    why = f" ({delivery.error})" if delivery.error else ""
    if delivery.state == "unknown":
        return f"it may have arrived or not{why}; ask, then `monitor outbox retry` or `drop`"
    return f"given up{why}; mend the cause, then `monitor outbox retry` or `drop`"


def _name(health: FeedHealth) -> str:
    feed = health.feed
    return f"{feed.title} ({feed.id})" if feed.title and feed.title != feed.id else feed.id


def _ill(health: FeedHealth) -> str:
    since = f" since {at(health.since)}" if health.since else ""
    return f"{health.word}{since}: {health.sentence}"
