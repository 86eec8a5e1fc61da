"""A stand-in for the whole outside: a network that only notes what would be dialled, and a resolver that is a table."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpcore
from fakes import NOW, Clock

from monitor.errors import MonitorError
from monitor.fetch import FetchLimits, HttpFetcher
from monitor.model import Article, Feed, FeedState, FetchResult
from monitor.ports import Store
from monitor.sandbox import Done
from monitor.service.feeds import FeedList
from monitor.service.page import Pages, Round

PUBLIC = "93.184.215.14"
DIALLABLE = {PUBLIC, "1.1.1.1"}
"""Every address outside that the vectors hold; written down, so that the judge under test does not judge itself."""

START = "pub.example"
RSS = b"<rss version='2.0'><channel><title>T</title><item><title>x</title></item></channel></rss>"


def http(body: bytes = b"", status: int = 200, kind: str = "text/html", location: str = "") -> bytes:
    """What a server sends."""
    to = b"Location: " + location.encode("utf-8", "surrogateescape") + b"\r\n" if location else b""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode()
    return head + to + b"\r\n" + body


@dataclass
class Line(httpcore.AsyncNetworkStream):
    """One connection that stands for a server: answers each request by its host and path."""

    outside: Outside
    waiting: bytearray = field(default_factory=bytearray)

    async def write(self, buffer: bytes, *_: object, **__: object) -> None:
        """Take a request."""
        if not buffer.startswith(b"GET "):
            return  # the end of a request without a body
        self.outside.heard.append(buffer)
        target = buffer.split(b" ", 2)[1].decode()
        host = next((h[6:].decode() for h in buffer.split(b"\r\n") if h.lower().startswith(b"host: ")), "")
        self.outside.asked.append((host, target))
        answer = self.outside.answers.get(f"{host}{target}", http(status=404))
        self.waiting += answer

    async def read(self, max_bytes: int, *_: object, **__: object) -> bytes:
        """Hand out the answer."""
        chunk = bytes(self.waiting[:max_bytes])
        del self.waiting[:max_bytes]
        return chunk

    async def aclose(self) -> None:
        """Nothing was opened."""

    async def start_tls(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Take any name for good."""
        return self

    def get_extra_info(self, *_: object) -> None:
        """Nothing is known of it."""


@dataclass
class Outside(httpcore.AsyncNetworkBackend):
    """Stands in place of the network and of the resolver; notes what would be dialled."""

    answers: Mapping[str, bytes] = field(default_factory=dict)
    """Host and path -> what is sent; anything else is not found."""
    vector: Mapping[str, Any] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list, repr=False)
    """The heads of all requests, as they would have gone out."""
    turns: int = 0

    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Note the address."""
        self.dialled.append(host)
        return Line(self)

    async def resolve(self, host: str, _: int) -> Sequence[str]:
        """As the vector says, and as the C library reads addresses in its notations; all other names lead inside."""
        if host == START and self.vector.get("url", "").partition("//")[2][: len(START)] != START:
            return [PUBLIC]
        if "resolves_sequence" in self.vector and host == "rebind.example":
            self.turns += 1
            return list([*self.vector["resolves_sequence"], ["127.0.0.1"]][min(self.turns - 1, 2)])
        if host.endswith(".example"):
            return list(self.vector.get("resolves", [PUBLIC if host == START else "127.0.0.1"]))
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        with suppress(OSError):
            return [socket.inet_ntoa(socket.inet_aton(host))]
        return ["127.0.0.1"]

    def fetcher(self) -> HttpFetcher:
        """A fetcher with the limits that are the default, but without waiting between two requests."""
        return HttpFetcher(FetchLimits(host_spacing=0.0, deadline=5.0), resolve=self.resolve, network=self)


def fetched(outside: Outside, *urls: str, etag: str = "") -> list[FetchResult]:
    """What the fetcher says of these addresses, asked with a remembered ETag."""

    async def run() -> list[FetchResult]:
        feeds = [(Feed(id=str(n), url=url), FeedState(feed=str(n), etag=etag)) for n, url in enumerate(urls)]
        return [result async for _, result in outside.fetcher().fetch_all(feeds)]

    return asyncio.run(run())


class Empty:
    """A store that knows nothing yet."""

    def known(self, _: Collection[str]) -> dict[str, str]:
        """No article."""
        return {}

    def shown(self, *_: object) -> list[Article]:
        """No article."""
        return []

    def articles(self, _: Sequence[str]) -> list[Article]:
        """No article."""
        return []


def fill(outside: Outside, url: str) -> list[tuple[object, ...]]:
    """Ask for the page of one new article, robots.txt first; the pages that came."""
    return filled(outside, url)[0]


def filled(outside: Outside, url: str) -> tuple[list[tuple[object, ...]], str]:
    """The same, and what is said of it."""
    came: list[tuple[object, ...]] = []

    def read(jobs: Sequence[tuple[object, ...]]) -> Iterator[Done[Article | None]]:
        came.extend(jobs)
        return iter([Done(value=None) for _ in jobs])

    pages = Pages(store=cast("Store", Empty()), fetcher=outside.fetcher(), read=read, clock=Clock())
    article = Article(id="a", feed="f", url=url, title="x", text="short", seen=NOW)
    _, note = asyncio.run(pages.fill(Feed(id="f", url="", fulltext=True), [article], FeedState(feed="f"), Round()))
    return came, note


def discover(outside: Outside, url: str, folder: Path) -> list[str]:
    """Look for the feeds of an address; those that were found."""

    def children(function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Done[Any]]:
        return iter([Done(value=function(*job)) for job in jobs])

    (folder / "feeds.yaml").write_text("feeds: []\n", "utf-8")
    place = FeedList(folder=folder, fetcher=outside.fetcher(), children=children, clock=Clock())
    with suppress(MonitorError):
        return [c.url for c in place.discover(url).candidates]
    return []
