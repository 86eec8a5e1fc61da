"""Answers of the set `http`, sent by a real server: the feed's state, its next try and what people are told."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import vectors
from fakes import NOW, Workspace, entries, rss
from test_vectors_guids import straight

from monitor.fetch.answer import retry_after
from monitor.model import Failed, Feed, FeedState
from monitor.schedule import DAY, next_state

FEED = rss(entries(1, 2))
GOOD = b'HTTP/1.1 200 OK\r\nETag: "old"\r\nContent-Type: application/rss+xml\r\nContent-Length: %d\r\n\r\n' % len(FEED)
BACKOFF, CALM = 1800, 1350
"""Seconds to the next try after one failure, and after a poll that brought nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a server says, and what has to come of it."""

    says: bytes
    kind: str = ""
    wait: int = BACKOFF
    told: str = ""
    """Words of the sentence that people see."""
    etag: str = '"old"'
    moved: str = ""
    goes_on: bytes = b""
    """Said again and again afterwards, until the client gives up."""


def plain(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer whose length is told."""
    lines = (f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


ROWS = {
    (200, "error, old etag kept"): Row(
        says=plain(200, 'ETag: "new"', "Content-Encoding: gzip", body=gzip.compress(FEED)[:-20]),
        kind="encoding",
        told="cut off",
    ),
    (200, "error"): Row(says=plain(200), kind="empty", told="answers with nothing", etag=""),
    (200, "refused on header"): Row(
        says=b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
        kind="too-big",
        told="10737 MB",
        goes_on=b" " * 9,
    ),
    (200, "total deadline 60 s"): Row(
        says=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        kind="timeout",
        told="does not answer in full within 1 s",
        goes_on=b"1\r\n<\r\n",
    ),
    (200, "deadline"): Row(
        says=b"HTTP/1.1 200 OK\r\n", kind="timeout", told="does not answer in full", goes_on=b"X-More: x\r\n"
    ),
    (200, "refused: not asked for"): Row(
        says=plain(200, "Content-Encoding: br", body=b"x"), kind="encoding", told="'br', which we did not ask for"
    ),
    (204, "ok no change"): Row(says=b"HTTP/1.1 204 No Content\r\n\r\n", wait=CALM),
    (206, "error"): Row(says=plain(206, body=FEED), kind="http-206", told="HTTP 206"),
    (300, "error"): Row(says=plain(300), kind="http-300", told="HTTP 300"),
    (301, "follow; record; after 3 in a row over 48 h suggest edit, never rewrite YAML"): Row(
        says=plain(301, "Location: /new/rss"), wait=CALM, moved="/new/rss"
    ),
    (301, "follow; if not a feed keep old"): Row(
        says=plain(301, "Location: /"), kind="not-a-feed", told="a web page instead of a feed"
    ),
    (304, "no change"): Row(says=b"HTTP/1.1 304 Not Modified\r\n\r\n", wait=CALM),
    (307, "follow"): Row(says=plain(307, "Location: x"), wait=CALM),
    (308, "as 301"): Row(says=plain(308, "Location: x"), wait=CALM, moved="/x"),
    (400, "backoff"): Row(says=plain(400), kind="http-400", told="HTTP 400"),
    (401, "needs login: health red, daily retry"): Row(
        says=plain(401), kind="http-401", wait=DAY, told="asks for a login"
    ),
    (403, "blocked: health red"): Row(says=plain(403), kind="http-403", told="refuses us"),
    (404, "backoff"): Row(says=plain(404), kind="http-404", told="not at its address any more"),
    (410, "gone: stop polling, tell people, never delete articles"): Row(
        says=plain(410), kind="gone", wait=DAY // 2, told="gone for good"
    ),
    (429, "host paused 1 h"): Row(
        says=plain(429, "Retry-After: 3600"), kind="http-429", wait=3600, told="come less often"
    ),
    (451, "health red with word"): Row(says=plain(451), kind="http-451", told="legal"),
    (500, "backoff"): Row(says=plain(500), kind="http-5xx", told="HTTP 500"),
    (520, "backoff"): Row(says=plain(520), kind="http-5xx", told="HTTP 520"),
}
"""By status and by the words of the vectors, which say what has to come of it in short.

A move is told at once; a slip of the publisher is taken back with the next poll.
"""

RETRIES = {
    "": None,
    "0": 0,
    "-1": None,
    "60": 60,
    "86400": DAY,
    "999999999999": DAY,
    "1.5": None,
    "Wed, 21 Oct 2099 07:28:00 GMT": DAY,
    "Wed, 21 Oct 2015 07:28:00 GMT": 0,
    "Wed, 21 Oct 2015 07:28:00": None,
    "60, 120": None,
    "\u0661\u0660": None,
    "1e3": None,
    "0x10": None,
}
"""Retry-After as written -> seconds, None where it says nothing."""


class Wire:
    """A server on the loopback that says the very bytes it is given at /a, a feed at other paths, a page at /."""

    def __init__(self) -> None:
        """Bind a free port."""
        self.row: Row | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            client, _ = self._socket.accept()
            with client, suppress(OSError):
                client.settimeout(5)
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        asked = client.recv(65_536)
        path = asked.split(b" ")[1] if asked else b""
        if path == b"/":
            client.sendall(plain(200, "Content-Type: text/html", "Connection: close", body=b"<html><body>Hello</body>"))
        elif path != b"/a" or self.row is None:
            client.sendall(GOOD + FEED)
        else:
            client.sendall(self.row.says)
            while self.row.goes_on and not self._closing.wait(0.05):
                client.sendall(self.row.goes_on)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server, closed in the end."""
    made = Wire()
    with closing(made):
        yield made


@pytest.mark.parametrize("key", ROWS)
def test_an_answer_becomes_a_state_and_a_sentence(tmp_path: Path, wire: Wire, key: tuple[int, str]) -> None:
    """After a good poll the answer leaves articles alone, keeps or drops validators, and sets the next try."""
    desk = Workspace(root=tmp_path / "desk", ports=(wire.port,), deadline=1)
    desk.lay_out()
    desk.feeds({"a": f"http://127.0.0.1:{wire.port}/a"})
    row = ROWS[key]
    with desk.open() as app:
        polling = replace(app.polling, read=straight, chance=lambda: 0.0)
        assert polling.poll().articles == 2
        wire.row = row
        desk.clock.move(hours=1)
        polling.poll()
        state = app.store.states()["a"]
        assert app.store.counts().articles == 2

    assert (state.error_kind, state.etag) == (row.kind, row.etag)
    assert row.told in state.last_error
    assert state.failures == (1 if row.kind else 0)
    assert state.moved_to == (f"http://127.0.0.1:{wire.port}{row.moved}" if row.moved else "")
    assert state.next_due == NOW + timedelta(hours=1, seconds=row.wait)


@pytest.mark.parametrize("written", RETRIES)
def test_retry_after_moves_the_next_try(written: str) -> None:
    """The time that is asked for is kept, a day at most and never less than the back-off; nonsense says nothing."""
    seconds = retry_after(written, NOW)
    failed = Failed(kind="http-503", message="is overloaded", status=503, retry_after=seconds)
    state = next_state(FeedState(feed="a"), failed, now=NOW, new_items=0, jitter=0.0, feed=Feed(id="a"))

    assert seconds == RETRIES[written]
    assert state.next_due == NOW + timedelta(seconds=max(BACKOFF, RETRIES[written] or 0))


def test_every_answer_of_the_vectors_has_its_row() -> None:
    """No answer and no Retry-After of the set is left without what has to come of it."""
    every: list[Any] = vectors.values("http")
    assert {(v["status"], v["then"]) for v in every if isinstance(v, dict)} == set(ROWS)
    assert {v for v in every if isinstance(v, str)} == set(RETRIES)
