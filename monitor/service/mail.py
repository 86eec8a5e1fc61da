"""The way from hits to mail: due -> compose -> render -> freeze -> deliver; every step can be repeated after a crash.

A digest is frozen in the store before anything is sent. Each message then moves through the journal:
queued -> committing (written right before the act that cannot be taken back) -> sent | failed | unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jinja2 import Environment

from monitor import faults
from monitor.deliver import after
from monitor.digest import Fresh, compose, due, flash_digest, flashes, wanted
from monitor.errors import BusyError
from monitor.model import (
    LEVELS,
    Coverage,
    Delivery,
    DeliveryState,
    Desk,
    Digest,
    DigestKey,
    Feed,
    Hit,
    Level,
    Message,
    SendResult,
)
from monitor.ports import Channel, Clock, Store
from monitor.render import render
from monitor.schedule import LETTERS_LOST
from monitor.service.clock import require_to_mail
from monitor.service.edit import Current, InForce
from monitor.service.health import FeedHealth, at, look
from monitor.service.notice import Notice, is_operators

FIRST_DAY = timedelta(hours=24)
"""What a new desk's first digest looks back on."""

FLASH_AGE = timedelta(hours=12)
"""An older article is no flash: a monitor that starts must not wake anybody with yesterday."""

CUT_OFF = timedelta(minutes=15)
"""Longer than a relay may take to answer (`timeout` is at most 600 s): a line still committing was cut off."""

MOST_PROBLEMS = 5
"""Mistakes in watchlists that a digest quotes; one mistake often breaks many examples."""

_QUEUED: tuple[DeliveryState, ...] = ("queued",)
_COMMITTING: tuple[DeliveryState, ...] = ("committing",)
_UNKNOWN: tuple[DeliveryState, ...] = ("unknown",)
_STUCK: tuple[DeliveryState, ...] = ("unknown", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What stands in the mail's head besides the digest."""

    sender: str
    host: str
    """Right side of Message-IDs."""
    base_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The mail room with all that it needs."""

    store: Store
    channel: Channel
    editorial: Current
    templates: Environment
    address: Address
    clock: Clock
    shipped: Environment | None = None
    """The program's own templates, for when those of the workspace cannot be used."""
    notice: Notice | None = None
    """Makes the operator's mail."""

    def tick(self) -> list[Delivery]:
        """Make what is due and deliver what is queued; the operator's mail comes last and holds nothing up."""
        self.make_due()
        tried = self.deliver()
        if self.notice and self.notice.make_due():
            tried += self.deliver()
        return tried

    def make_due(self) -> list[DigestKey]:
        """Freeze every digest that is due and every flash; the keys that were made."""
        now, force = self.clock(), self.editorial.current()
        require_to_mail(self.store, now)
        made = {f"{desk}/{day}/{slot}" for desk, day, slot, _, _ in self.store.digests()}
        flashed = [d for desk in force.desks for d in self._flashes(desk, made, now)]
        keys = [d.key for d in flashed if self._freeze(d)]
        keys += [key for key in due(force.desks, now, made) if self._freeze(self.digest(self._desk(key.desk), key))]
        return keys

    def make(self, desk: Desk, key: DigestKey) -> bool:
        """Freeze a digest now, before its time has come; False when it was made before."""
        require_to_mail(self.store, self.clock())
        return self._freeze(self.digest(desk, key))

    def test(self, desk: Desk, key: DigestKey, address: str) -> SendResult:
        """Mail the digest as it is now to one address; nothing is marked as told."""
        alone = replace(desk, to=(address,))
        message = self.messages(self.digest(alone, replace(key, slot=f"test-{self.clock():%H%M%S}")))[0]
        return self.channel.send(message, lambda: None)

    def digest(self, desk: Desk, key: DigestKey, fresh: Fresh | None = None) -> Digest:
        """The digest of a desk as it would be mailed now, or of what is given as `fresh`; nothing is written."""
        now, force = self.clock(), self.editorial.current()
        since = self.since(desk, now)
        levels = LEVELS[: LEVELS.index(desk.level) + 1]
        fresh = self._fresh(desk, levels, now - FIRST_DAY) if fresh is None else fresh
        lookback = self.store.lookback_hits(desk.id, desk.watchlists or None, levels)
        return compose(
            desk,
            key,
            made=now,
            since=since,
            fresh=fresh,
            members=self._members(fresh),
            titles=force.titles,
            coverage=self._coverage(force, now, since),
            lookback=_counted(lookback, force),
            tiers={f.id: f.tier for f in force.feeds},
        )

    def messages(self, digest: Digest) -> list[Message]:
        """The digest as mails, one per recipient; in the shipped form when the workspace's own cannot be used."""
        try:
            return self._rendered(digest, self.templates)
        except Exception as error:  # whatever a person's template does must not keep the mail back
            if self.shipped is None:
                raise
            place = f"{getattr(error, 'name', '') or 'templates'}:{getattr(error, 'lineno', '') or '?'}"
            said = f"Not in force: your own form of this mail ({place}: {error}). Mend or delete it in templates/."
            coverage = replace(digest.coverage, warnings=(*digest.coverage.warnings, said))
            return self._rendered(replace(digest, coverage=coverage), self.shipped)

    def _rendered(self, digest: Digest, templates: Environment) -> list[Message]:
        address = self.address
        return render(
            digest,
            templates,
            sender=address.sender,
            host=address.host,
            base_url=address.base_url,
            names=self.editorial.current().names,
        )

    def deliver(self) -> list[Delivery]:
        """Try every message whose turn has come; the journal lines as they stand afterwards."""
        self.recover(older=CUT_OFF)
        tried = []
        for line in self.store.outbox(states=_QUEUED, due=self.clock()):
            message = self.store.message(line.key, line.to)
            if message is not None:
                tried.append(self._send(line, message))
        return tried

    def recover(self, older: timedelta = timedelta()) -> list[Delivery]:
        """What was interrupted between dot and answer is `unknown`, shown and never guessed.

        At the start of the only instance that is every line under way; else those that nobody can be sending any more.
        """
        now = self.clock()
        lost = [d for d in self.store.outbox(states=_COMMITTING) if d.changed is None or now - d.changed >= older]
        why = "the program ended before the relay's answer was read"
        for line in lost:
            self.store.move(line.key, line.to, frm=_COMMITTING, state="unknown", now=now, error=why)
        return lost

    def retry(self, key: str, to: str) -> bool:
        """A person wants an unknown or failed message sent again, with the same Message-ID."""
        now = self.clock()
        return self.store.move(key, to, frm=_STUCK, state="queued", now=now, tries=0, next_try=now)

    def drop(self, key: str, to: str) -> bool:
        """A person does not want a message any more."""
        return self.store.move(
            key, to, frm=_QUEUED + _STUCK, state="dropped", now=self.clock(), error="dropped by hand"
        )

    def _desk(self, name: str) -> Desk:
        return next(d for d in self.editorial.current().desks if d.id == name)

    def since(self, desk: Desk, now: datetime) -> datetime:
        """When the desk was given its last digest; a day ago when it never was."""
        made = [at for _, _, slot, at, _ in self.store.digests(desk.id) if not slot.startswith("flash-")]
        return made[0] if made else now - FIRST_DAY

    def _fresh(self, desk: Desk, levels: Sequence[Level], new_since: datetime) -> Fresh:
        return self.store.fresh_hits(desk.id, desk.watchlists or None, levels, new_since)

    def _members(self, fresh: Fresh) -> dict[str, list[tuple[str, str, str, str]]]:
        return self.store.story_members({stored.story for stored, _ in fresh})

    def _flashes(self, desk: Desk, made: set[str], now: datetime) -> list[Digest]:
        if not desk.flash_to:
            return []
        urgent = LEVELS[: LEVELS.index(desk.flash_level) + 1]
        fresh = [(s, h) for s, h in self._fresh(desk, urgent, now - FLASH_AGE) if now - s.article.when <= FLASH_AGE]
        force = self.editorial.current()
        return [
            flash_digest(
                desk,
                story,
                made=now,
                fresh=rows,
                members=self._members(rows),
                titles=force.titles,
                coverage=Coverage(),
                tiers={f.id: f.tier for f in force.feeds},
            )
            for story, rows in flashes(desk, fresh, made).items()
        ]

    def _freeze(self, digest: Digest) -> bool:
        """Store a digest for good. A flash gives no hits away: the next digest of the desk still tells the story."""
        messages = self.messages(digest) if wanted(digest) else []
        hits: list[Hit] = []
        if not digest.flash:
            hits = [h for section in digest.sections for line in section.stories for h in line.hits]
            desk = digest.desk
            levels = LEVELS[: LEVELS.index(desk.level) + 1]
            hits += self.store.lookback_hits(desk.id, desk.watchlists or None, levels)
        faults.point("mail.composed")
        frozen = self.store.freeze(digest.key, messages, hits, digest.made, digest.stories)
        faults.point("mail.frozen")
        return frozen

    def _send(self, line: Delivery, message: Message) -> Delivery:
        def committing() -> None:
            if not self.store.move(line.key, line.to, frm=_QUEUED, state="committing", now=self.clock()):
                raise BusyError(f"{line.key} to {line.to} is being sent by somebody else.")

        faults.point("mail.sending")
        try:
            result = self.channel.send(message, committing)
        except BusyError:
            return line
        faults.point("mail.carried")
        now = self.clock()
        state, next_try, error = after(result, line, now)
        moved = self.store.move(
            line.key,
            line.to,
            frm=_QUEUED + _COMMITTING,
            state=state,
            now=now,
            tries=line.tries + 1,
            next_try=next_try,
            error=error,
        )
        faults.point("mail.moved")
        return (self.store.delivery(line.key, line.to) if moved else None) or line

    def _coverage(self, force: InForce, now: datetime, since: datetime) -> Coverage:
        found = look(self.store, force.feeds, now)
        watched = [h for h in found if h.feed.url]
        failing = [h for h in watched if h.state.failures]
        silent = [h for h in watched if h.word in {"silent", "empty"} and h.answers]
        held = [f"{_name(h.feed)}: {h.sentence}." for h in watched if h.word == "held"]
        spoilt = [f"{_name(h.feed)}: {LETTERS_LOST}." for h in watched if h.spoilt and h.word != "held"]
        return Coverage(
            feeds=len(watched),
            fresh=sum(1 for h in watched if h.answers) - len(silent),
            articles=self.store.counts(since).articles,
            failing=tuple((_name(h.feed), _failing(h)) for h in failing),
            silent=tuple((_name(h.feed), h.why) for h in silent),
            unwatched=tuple((_name(h.feed), h.why) for h in found if not h.feed.url),
            warnings=(*self._warnings(force), *held, *spoilt),
            last_hit=self._last_hit(),
        )

    def _warnings(self, force: InForce) -> list[str]:
        unsure = [
            f"Delivery not confirmed: {d.key} to {d.to}."
            for d in self.store.outbox(states=_UNKNOWN)
            if not is_operators(d)
        ]
        broken = [f"Not in force: {p}" for p in force.problems[:MOST_PROBLEMS]]
        if len(force.problems) > MOST_PROBLEMS:
            broken.append(f"Not in force: {len(force.problems) - MOST_PROBLEMS} more; `monitor check` lists them.")
        return [*unsure, *broken]

    def _last_hit(self) -> datetime | None:
        text = self.store.meta("last_hit")
        return datetime.fromisoformat(text) if text else None


def _name(feed: Feed) -> str:
    return feed.title or feed.id


def _failing(health: FeedHealth) -> str:
    last = health.state.last_ok
    return f"{health.state.last_error} ({f'last good answer {at(last)}' if last else 'never answered yet'})"


def _counted(hits: Sequence[Hit], force: InForce) -> list[tuple[str, int]]:
    counts = Counter(force.names.get((h.watchlist, h.name), h.name) for h in hits)
    return counts.most_common()
