"""The sample feeds over real HTTP on the loopback: one server, two states of the news."""

from __future__ import annotations

import gzip
import hashlib
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, TypedDict

from monitor.demo.formats import FORMATS, Entry, home
from monitor.demo.stories import Outlet, Story, load_outlets, load_stories
from monitor.errors import UsageError


class Edited(TypedDict):
    """The headline of the edited item before and after."""

    old: str
    new: str


class Expectation(TypedDict):
    """What a run over the samples must show; titles are headlines as the first outlet that carries them gives them."""

    languages: list[str]
    items: list[int]
    """Entries that can be read at the first and at the second poll, over all feeds."""
    three_feed_story: list[str]
    edited: Edited
    dead_feed: str
    flash: str
    new_at_second_poll: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    status: HTTPStatus
    content_type: str
    body: bytes
    packed: bytes
    etag: str


class SampleFarm:
    """Serves the sample feeds on 127.0.0.1 while the context is open.

    `now` is the aware moment from which the items' dates count back. `step()` moves the news on once.
    Raises UsageError for a naive `now`, OSError when the loopback cannot be bound.
    """

    def __init__(self, *, now: datetime) -> None:
        if now.tzinfo is None:
            raise UsageError("The sample feeds need a time with a zone: pass datetime.now(UTC).")
        self._now = now.replace(microsecond=0)
        self._outlets = load_outlets()
        self._stories = load_stories()
        self._state = 1
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Bind a free port and serve from a thread of its own."""
        self._server = _Server(self._pages())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sample-farm", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving, also to clients that kept their connections open."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._thread.join(timeout=5)

    @property
    def port(self) -> int:
        """The port that was free."""
        if self._server is None:
            raise UsageError("The sample feeds are not being served yet: open them with `with SampleFarm(now=...)`.")
        return int(self._server.server_address[1])

    @property
    def base(self) -> str:
        """The address of the list of feeds, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def feeds(self) -> list[dict[str, str | int]]:
        """One {id, url, title, lang, country, tier} per feed, as feeds.yaml would hold it, the dead one too."""
        return [
            {
                "id": outlet.id,
                "url": self.base + _path(outlet),
                "title": outlet.title,
                "lang": outlet.lang,
                "country": outlet.country,
                "tier": outlet.tier,
            }
            for outlet in self._outlets
        ]

    def step(self) -> None:
        """Go to the second state: one item edited, new items added. A second call changes nothing more."""
        self._state = 2
        if self._server is not None:
            self._server.pages = self._pages()

    def expect(self) -> Expectation:
        """What a run over both states must show, computed from the samples themselves."""
        old, new = next((story.title, story.edited[0]) for story in self._stories if story.edited)
        return {
            "languages": sorted({outlet.lang for outlet in self._outlets}),
            "items": [sum(len(s.feeds) for s in self._stories if s.step <= state) for state in (1, 2)],
            "three_feed_story": [story.title for story in self._stories if len(story.feeds) >= 3],
            "edited": {"old": old, "new": new},
            "dead_feed": next(outlet.title for outlet in self._outlets if outlet.dead),
            "flash": next(story.title for story in self._stories if story.flash),
            "new_at_second_poll": [story.title for story in self._stories if story.step > 1],
        }

    def _pages(self) -> dict[str, _Page]:
        pages = {_path(outlet): self._feed_page(outlet) for outlet in self._outlets}
        return pages | {"/": _list_page(self._outlets)}

    def _feed_page(self, outlet: Outlet) -> _Page:
        if outlet.dead:
            return _page("This sample feed is broken on purpose.\n", "text/plain; charset=utf-8", 500)
        shape = FORMATS[outlet.format]
        entries = [
            self._entry(outlet, story)
            for story in self._stories
            if outlet.id in story.feeds and story.step <= self._state
        ]
        return _page(shape.write(outlet, entries), shape.content_type)

    def _entry(self, outlet: Outlet, story: Story) -> Entry:
        title, text = story.wording(outlet.id, self._state)
        zone = timezone(timedelta(hours=outlet.zone))
        published = (self._now - timedelta(hours=story.hours_ago)).replace(microsecond=0).astimezone(zone)
        link = f"{home(outlet)}{story.id}"
        guids = {"own": f"{outlet.id}:{story.id}", "link": link, "none": ""}
        edited = story.edited is not None and self._state > 1
        return Entry(
            guid=guids[outlet.guid] if story.guid else "",
            link=link,
            title=title,
            text=text,
            published=published,
            updated=self._now.astimezone(zone) if edited else published,
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # 15 feeds may be dialled at once; with a queue of 5 a late caller waits 1 s for its second SYN.
    request_queue_size = 64

    def __init__(self, pages: Mapping[str, _Page]) -> None:
        self.pages = pages
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a fault of the farm and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End the connections that clients keep open for their next request."""
        with self._lock:
            for request in self._open:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "sample-farm"
    sys_version = ""
    timeout = 30
    # Headers and body leave in one write: in two, Nagle and the delayed ACK of the client cost 40 ms a request.
    wbufsize = -1

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0]) or _NOT_FOUND
        known = page.status == HTTPStatus.OK and _names(self.headers.get("If-None-Match", ""), page.etag)
        self.send_response(HTTPStatus.NOT_MODIFIED if known else page.status)
        if page.status == HTTPStatus.OK:
            self.send_header("ETag", page.etag)
            self.send_header("Vary", "Accept-Encoding")
        if known:
            self.end_headers()
            return
        packed = _takes_gzip(self.headers.get("Accept-Encoding", ""))
        body = page.packed if packed else page.body
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the base class
        """Nothing: the demo prints what matters."""


def _path(outlet: Outlet) -> str:
    return f"/feeds/{outlet.id}.{FORMATS[outlet.format].suffix}"


def _page(text: str, content_type: str, status: int = 200) -> _Page:
    body = text.encode()
    # Weak, because the same tag stands for the packed and the plain form (RFC 9110, 8.8.1).
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    return _Page(
        status=HTTPStatus(status), content_type=content_type, body=body, packed=gzip.compress(body, mtime=0), etag=etag
    )


def _list_page(outlets: tuple[Outlet, ...]) -> _Page:
    rows = "".join(
        f'<li><a href="{_path(outlet)}">{escape(outlet.title)}</a> ({outlet.lang}, {outlet.format})</li>\n'
        for outlet in outlets
    )
    return _page(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sample feeds</title></head>'
        f"<body><h1>Sample feeds</h1><ul>\n{rows}</ul></body></html>\n",
        "text/html; charset=utf-8",
    )


def _names(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110, 13.1.2)."""
    asked = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in asked or etag.removeprefix("W/") in asked


def _takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


_NOT_FOUND = _page("There is no sample feed at this address; the list is at /.\n", "text/plain; charset=utf-8", 404)
