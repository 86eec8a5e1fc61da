"""The operator's mail: what needs a person, as a Message. Pure; digests are for desks, this is for whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from monitor.model import Message
from monitor.render.plain import WIDTH, clean, header, isolate, lines

MOST_ROWS = 30
"""Lines of one part; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One heading with what stands under it; rows are (what, sentence), `rest` says where all of them can be seen."""

    title: str
    rows: tuple[tuple[str, str], ...]
    rest: str


def notice(
    key: str, parts: Sequence[Part], *, to: str, sender: str, message_id: str, made: datetime, moment: str
) -> Message:
    """Return the mail; `moment` is `made` in words. Text of strangers is cleaned and escaped."""
    count = sum(len(part.rows) for part in parts)
    head = f"{count} {'thing needs' if count == 1 else 'things need'} you"
    return Message(
        key=key,
        to=to,
        sender=header(sender, 200),
        subject=header(f"[Monitor] {head}: {', '.join(part.title.lower() for part in parts)}", 78),
        text="\n".join(_text(head, parts, moment)) + "\n",
        html="\n".join(_html(head, parts, moment)) + "\n",
        message_id=message_id,
        headers=(
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "OOF, DR, RN, NRN, AutoReply"),
            ("Content-Language", "en"),
            ("X-Monitor-Digest", header(key, 200)),
        ),
        date=made,
    )


_REST = "Whatever is not named here mends itself or needs nobody. `monitor doctor` and `monitor feeds` show everything."
_WHY = (
    "You get this because your address stands under mail.operator in monitor.yaml: at most one a day, none when"
    " nothing needs a person."
)


def _shown(part: Part) -> Iterator[str]:
    for what, sentence in part.rows[:MOST_ROWS]:
        yield f"{isolate(clean(what, 80))}: {clean(sentence)}"
    if len(part.rows) > MOST_ROWS:
        yield f"and {len(part.rows) - MOST_ROWS} more: {part.rest}"


def _text(head: str, parts: Sequence[Part], moment: str) -> Iterator[str]:
    yield f"MONITOR: {head}"
    yield moment
    for part in parts:
        yield ""
        yield f"== {part.title} ({len(part.rows)}) =="
        for row in _shown(part):
            whole = len(row) + 3 <= WIDTH or "://" in row  # an address stays whole, so that it can be copied
            yield from [f" - {row}"] if whole else lines(row, first=" - ", indent="   ", ltr=True)
    yield ""
    yield from lines(_REST)
    yield "-- "
    yield from lines(_WHY)


def _html(head: str, parts: Sequence[Part], moment: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en" dir="ltr"><head><meta charset="utf-8"><title>Monitor</title></head>'
    yield '<body style="font-family:Arial,Tahoma,sans-serif;font-size:15px;color:#20262d">'
    yield f'<h1 style="font-size:21px">{escape(head)}</h1><p>{escape(moment)}</p>'
    for part in parts:
        yield f'<h2 style="font-size:16px">{escape(part.title)} ({len(part.rows)})</h2><ul>'
        for row in _shown(part):
            yield f"<li>{escape(row)}</li>"
        yield "</ul>"
    yield from (f'<p style="font-size:13px;color:#5a6470">{escape(line)}</p>' for line in (_REST, _WHY))
    yield "</body></html>"
