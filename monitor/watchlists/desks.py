"""desks.yaml: who gets what, when, in which zone."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from monitor._yaml import List, Node, Reader, Text, did_you_mean, parse
from monitor.model import LANGUAGES, Desk
from monitor.watchlists.checks import level, one_of, slug, slugs

DESK_KEYS = (
    "id",
    "title",
    "to",
    "reply_to",
    "zone",
    "at",
    "days",
    "watchlists",
    "level",
    "language",
    "empty",
    "flash",
)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EMPTY = ("always", "weekdays", "never")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?!-)(?=[^@]{{1,64}}@[^@]{{1,253}}\Z){_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
"""RFC 5321 dot-string at a domain: no display name, no quotes, no comment, no literal, and no leading hyphen,
which a command line would read as an option."""
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def read_desks(name: str, source: bytes | str, watchlists: Collection[str] | None = None) -> tuple[Desk, ...]:
    """Read desks.yaml; `watchlists` are the ids that exist, None leaves them unchecked. Raises ConfigError."""
    root = parse(name, source)
    if isinstance(root, Text) and not root.value:
        return ()
    reader = Reader(name)
    fields = reader.fields(root, "The list of desks", ("desks",), ("desks",))
    listed = fields.get("desks")
    found: list[Desk] = []
    if not (isinstance(listed, List) and not listed.items):  # nobody to mail to yet is no mistake
        for item in reader.items(listed, "`desks`"):
            desk = _desk(reader, item, watchlists)
            first = next((other for other in found if other.id == desk.id and desk.id), None)
            if first:
                reader.complain(item, f"Two desks have the id `{desk.id}` (first in line {first.line}).", "Rename one.")
            found.append(desk)
    reader.finish()
    return tuple(found)


def is_address(text: str) -> bool:
    """Tell whether a text is one plain mail address, such as desk@example.org, and nothing else."""
    return _ADDRESS.fullmatch(text) is not None


def _desk(reader: Reader, node: Node, watchlists: Collection[str] | None) -> Desk:
    fields = reader.fields(node, "A desk", DESK_KEYS, ("id", "to"))
    named = fields.get("id")
    flash = fields.get("flash")
    urgent = reader.fields(flash, "`flash`", ("to", "level"), ("to",)) if flash else {}
    desk = slug(reader, named, "id of a desk") if isinstance(named, Text) else reader.text(named, "`id`")
    reply = fields.get("reply_to")
    return Desk(
        id=desk,
        title=reader.text(fields.get("title"), "`title`") or desk,
        to=_addresses(reader, fields.get("to"), "`to`"),
        reply_to=next(iter(_addresses(reader, reply, "`reply_to`")), "")
        if isinstance(reply, Text)
        else reader.text(reply, "`reply_to`"),
        zone=_zone(reader, fields.get("zone")),
        at=_times(reader, fields.get("at")) or ("07:00",),
        days=_days(reader, fields.get("days")) or DAYS,
        watchlists=_watchlists(reader, fields.get("watchlists"), watchlists),
        level=level(reader, fields.get("level")) or "normal",
        language=reader.choice(fields.get("language"), "language", LANGUAGES, "en"),
        empty=cast(
            "Literal['always', 'weekdays', 'never']",
            reader.choice(fields.get("empty"), "choice for `empty`", EMPTY, "always"),
        ),
        flash_to=_addresses(reader, urgent.get("to"), "`to` of `flash`"),
        flash_level=level(reader, urgent.get("level")) or "flash",
        line=node.line,
    )


def _addresses(reader: Reader, node: Node | None, what: str) -> tuple[str, ...]:
    found = []
    for item in reader.texts(node, what, single=True):
        if is_address(item.value):
            found.append(item.value)
        else:
            reader.complain(item, f"{item.value[:80]!r} is no plain mail address.", "Write it as desk@example.org.")
    return tuple(found)


def _zone(reader: Reader, node: Node | None) -> str:
    value = reader.text(node, "`zone`")
    if node is None or not value:
        return "UTC"
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as Europe
        hint = did_you_mean(value.title(), available_timezones()) or "Write it as Europe/Istanbul."
        reader.complain(node, f"`{value[:60]}` is no time zone.", hint)
        return "UTC"
    return value


def _times(reader: Reader, node: Node | None) -> tuple[str, ...]:
    found = []
    for item in reader.texts(node, "`at`", single=True):
        if _CLOCK.fullmatch(item.value):
            found.append(item.value)
        else:
            reader.complain(item, f"`{item.value[:60]}` is no time of day.", 'Write it as "07:00".')
    return tuple(sorted(found))


def _days(reader: Reader, node: Node | None) -> tuple[str, ...]:
    chosen = {reader.choice(item, "day", DAYS) for item in reader.texts(node, "`days`", single=True)}
    return tuple(day for day in DAYS if day in chosen)


def _watchlists(reader: Reader, node: Node | None, known: Collection[str] | None) -> tuple[str, ...]:
    """Return the ids; `all` is every one of them, written as none."""
    if isinstance(node, Text) and node.value.strip() == "all":
        return ()
    found = slugs(reader, node, "watchlists", single=True)
    for item in found:
        if known is not None and item.value not in known:
            reader.complain(item, f"There is no watchlist `{item.value[:60]}`.", one_of(item.value, sorted(known)))
    return tuple(item.value for item in found)
