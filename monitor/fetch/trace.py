"""What a fetch says of itself, for `monitor poll -v` and the log level debug; nothing while nobody listens.

A record's arguments are (feed, step, text). What a server sent is shown without letters that steer a terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

logger = logging.getLogger("monitor.trace")

_ASKED = (b"If-None-Match", b"If-Modified-Since")
_ANSWERED = (
    b"content-type", b"content-encoding", b"etag", b"last-modified", b"cache-control", b"retry-after",
)  # fmt: skip
_LONGEST = 200


def asks(feed: str, url: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """The request: its address without a login, and the validators that go with it."""
    if logger.isEnabledFor(logging.DEBUG):
        sent = [f"{name.decode()}: {_plain(value)}" for name, value in headers if name in _ASKED]
        say(feed, "asks", f"GET {url[:_LONGEST]}; {'; '.join(sent) or 'whatever it has (no validators)'}")


def answers(feed: str, status: int, headers: Mapping[bytes, bytes]) -> None:
    """The answer: status and the headers that matter."""
    if logger.isEnabledFor(logging.DEBUG):
        told = [f"{name.decode()}: {_plain(headers[name])}" for name in _ANSWERED if name in headers]
        say(feed, "answer", "; ".join([f"HTTP {status}", *told]))


def leads(feed: str, url: str, *, permanent: bool) -> None:
    """A redirect that is followed."""
    if logger.isEnabledFor(logging.DEBUG):
        say(feed, "redirect", f"to {url[:_LONGEST]} ({'for good' if permanent else 'for now'})")


def body(feed: str, wire: int, plain: int, *, same: bool) -> None:
    """The size of a body on the wire and unpacked, in bytes."""
    if logger.isEnabledFor(logging.DEBUG):
        known = "; the very bytes of last time, which are not parsed" if same else ""
        say(feed, "body", f"{wire:,} bytes on the wire, {plain:,} unpacked{known}")


def say(feed: str, step: str, text: str) -> None:
    """One line of the trace."""
    logger.debug("%s: %-8s %s", feed, step, "".join(c if c.isprintable() else "?" for c in text))


def _plain(value: bytes) -> str:
    return value.decode("latin-1")[:_LONGEST]
