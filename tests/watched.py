"""What runs in the sandbox's children for tests: a feed is read while every file, socket and process is noted."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import feedparser

import monitor
from monitor import sandbox
from monitor.model import Failed, Item
from monitor.parse import Parsed, parse
from monitor.text.plain import one_line, plain_text

BASE = "https://paper.example/feeds/all.xml"

_OWN = tuple({sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")})
"""Where the interpreter keeps modules, of which some are first imported for an odd encoding or date."""

_OUTSIDE = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "urllib.")
_NOTED: list[str] = []
_LOOKING: list[bool] = []
_HOOKED: list[bool] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One feed read under watch."""

    entries: int
    told: str
    """What was said when it is no feed."""
    gate: str
    opened: tuple[str, ...]
    lost: tuple[str, ...]
    """What feedparser finds in it and we do not."""
    letters: str
    """All that would be stored, for a look for what must not be in it."""


def _note(event: str, args: tuple[Any, ...]) -> None:
    if not _LOOKING:
        return
    if event == "open" and not str(args[0]).startswith((*_OWN, str(Path(monitor.__file__).parent))):
        _NOTED.append(f"{event} {args[0]!r}")
    elif event.startswith(_OUTSIDE):
        _NOTED.append(f"{event} {args[:1]!r}")
        if _LOOKING[-1]:
            raise PermissionError(event)


@contextmanager
def watching(*, refuse: bool = True) -> Iterator[list[str]]:
    """Collect what the block opens, resolves, connects to or starts, and let it do none of it but open files.

    The sandbox's own hook was there first and would hide an attempt from this one, so it lets through meanwhile.
    """
    if not _HOOKED:
        sys.addaudithook(_note)
        _HOOKED.append(True)
    _NOTED.clear()
    refused, sandbox._REFUSED = sandbox._REFUSED, frozenset()
    _LOOKING.append(refuse)
    try:
        yield _NOTED
    finally:
        _LOOKING.clear()
        sandbox._REFUSED = refused


def reach(path: str) -> list[str]:
    """Do what no parser may do, for a proof that it would be noted."""
    tries: list[Callable[[], object]] = [
        Path(path).read_bytes,
        lambda: socket.getaddrinfo("localhost", 9),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: subprocess.run(["true"], check=False),  # noqa: S607 - it is refused
    ]
    with watching() as noted:
        for attempt in tries:
            with suppress(OSError):
                attempt()
        return list(noted)


def look(body: bytes, content_type: str = "application/xml", *, compare: bool = True) -> Seen:
    """Read a feed to plain text under an audit hook (PEP 578); to `compare` is to ask feedparser for what is lost."""
    with watching() as noted:
        found = parse("f", body, content_type, BASE)
        items = found.items if isinstance(found, Parsed) else ()
        letters = " ".join(f"{one_line(i.title)} {plain_text(i.html)} {plain_text(i.summary)}" for i in items)
        opened = tuple(noted)
    return Seen(
        entries=len(items),
        told=found.message if isinstance(found, Failed) else "",
        gate=found.gate if isinstance(found, Parsed) else "",
        opened=opened,
        lost=tuple(lost(items, body, content_type)) if compare else (),
        letters=letters,
    )


def lost(items: tuple[Item, ...], body: bytes, content_type: str) -> Iterator[str]:
    """Say what feedparser, asked by itself, finds that is not in `items`; nothing where it stumbles.

    Links that are no web addresses are dropped on purpose (their ids stay), and relative ones are made absolute.
    """
    headers = {"content-type": content_type}
    try:
        document = feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception:  # noqa: BLE001 - its known faults, of many classes
        return
    entries = document.entries
    if len(entries) > len(items):
        yield f"{len(entries) - len(items)} of {len(entries)} entries"
        return
    for number, (entry, item) in enumerate(zip(entries, items, strict=False)):
        for what in _lost_of(entry, item):
            yield f"entry {number}: {what}"


def _lost_of(entry: Any, item: Item) -> Iterator[str]:
    def text(name: str) -> str:
        value = dict.get(entry, name)
        return value.replace("\0", "\ufffd") if isinstance(value, str) else ""

    if text("id") != item.guid:
        yield f"id {text('id')!r}"
    link = text("link").strip()
    if link != item.url and re.match(r"https?://\w", link):
        yield f"link {link!r}"
    if text("title") != item.title:
        yield f"title {text('title')!r}"
    if item.published is None and any(dict.get(entry, f"{n}_parsed") for n in ("published", "updated", "created")):
        yield "date"
    contents = [c.get("value") or "" for c in dict.get(entry, "content") or () if isinstance(c, dict)]
    for markup in [text("summary"), *contents]:
        if markup in item.html or markup == item.summary:
            continue
        if _words(markup) not in f"{_words(item.html)} {_words(item.summary)}":
            yield f"text {markup[:80]!r}"


def _words(markup: str) -> str:
    return " ".join(plain_text(markup).split())
