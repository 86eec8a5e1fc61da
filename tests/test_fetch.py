"""Fetching: what comes back for what servers do, within bounds, and never from the inside of our network."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpcore
import pytest
import vectors

from monitor.fetch import FetchLimits, HttpFetcher, is_public
from monitor.fetch.answer import Body, EncodingError, TooBigError, max_age, retry_after
from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RSS = b"<rss version='2.0'><channel><title>T</title></channel></rss>"


@dataclass
class Request:
    """What a client asked for."""

    path: str
    headers: dict[str, str]


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def plain(
    body: bytes = RSS, status: int = 200, headers: dict[str, str] | None = None, *, length: bool = True
) -> Answer:
    """Answer with a status, headers and a body."""

    async def answer(_: Request, out: asyncio.StreamWriter) -> None:
        lines = dict(headers or {})
        if length:
            lines.setdefault("Content-Length", str(len(body)))
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        out.write(head.encode() + body)
        await out.drain()

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    """Answer with a redirect."""
    return plain(b"", status, {"Location": to})


@dataclass
class Site:
    """A server on loopback with one answer per path; remembers what was asked and how many connections were open."""

    answers: dict[str, Answer]
    requests: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    connections: int = 0
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self) -> Any:
        """Serve while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.tasks.clear()

    async def _serve(self, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(incoming, out)
        finally:
            self.open -= 1
            out.close()
            with suppress(OSError):
                await out.wait_closed()

    async def _talk(self, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        while True:
            head = (await incoming.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines if line)}
            request = Request(path=first.split()[1], headers=headers)
            self.requests.append(request)
            self.times.append(time.monotonic())
            await self.answers[request.path](request, out)
            if request.path.startswith("/once"):
                return

    def url(self, path: str) -> str:
        """Address of a path of this site."""
        return f"http://127.0.0.1:{self.port}{path}"

    def limits(self, **changes: Any) -> FetchLimits:
        """Limits that let this site be dialled without delay."""
        usual = {
            "hosts": {"127.0.0.1": (8, 0.0)},
            "allow_private": frozenset({("127.0.0.1", self.port)}),
            "deadline": 5.0,
        }
        return FetchLimits(**{**usual, **changes})


def fetch(
    answers: dict[str, Answer], *paths: str, state: FeedState | None = None, site: Site | None = None, **changes: Any
) -> list[FetchResult]:
    """Fetch paths of a site, one after the other's start, and give the results in the order of the paths."""

    async def run() -> list[FetchResult]:
        here = site or Site(answers)
        async with here.serving():
            fetcher = HttpFetcher(here.limits(**changes), clock=lambda: NOW)
            feeds = [
                (Feed(id=path, url=here.url(path)), replace(state or FeedState(feed=path), feed=path)) for path in paths
            ]
            found = {feed.id: result async for feed, result in fetcher.fetch_all(feeds)}
        return [found[path] for path in paths]

    return asyncio.run(run())


def one(answer: Answer, *, state: FeedState | None = None, **changes: Any) -> FetchResult:
    """Fetch the only path of a site."""
    return fetch({"/feed": answer}, "/feed", state=state, **changes)[0]


def test_a_body_comes_with_its_facts() -> None:
    """A 200 gives bytes, hash, type, validators and how long they last."""
    headers = {
        "Content-Type": "application/rss+xml",
        "ETag": '"a"',
        "Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT",
        "Cache-Control": "public, max-age=1800",
        "Retry-After": "60",
    }
    result = one(plain(headers=headers))

    assert isinstance(result, Fetched)
    assert result.body == RSS
    assert len(result.body_hash) == 16
    assert result.content_type == "application/rss+xml"
    assert (result.etag, result.last_modified) == ('"a"', "Sat, 21 Nov 2026 10:00:00 GMT")
    assert (result.max_age, result.retry_after, result.moved_to) == (1800, 60, "")


def test_the_request_is_conditional_and_carries_nothing_more() -> None:
    """Validators of the last good poll are sent, and no cookie ever."""
    site = Site({"/feed": plain(b"", 304, {"Cache-Control": "max-age=60", "Set-Cookie": "a=b"})})
    state = FeedState(feed="x", etag='W/"7"', last_modified="Sat, 21 Nov 2026 10:00:00 GMT")

    assert fetch({}, "/feed", site=site, state=state) == [NotModified(max_age=60)]
    assert fetch({}, "/feed", site=site, state=state) == [NotModified(max_age=60)]
    for request in site.requests:
        assert request.headers["if-none-match"] == 'W/"7"'
        assert request.headers["if-modified-since"] == "Sat, 21 Nov 2026 10:00:00 GMT"
        assert request.headers["accept-encoding"] == "gzip, identity"
        assert "cookie" not in request.headers
        assert "authorization" not in request.headers


def test_the_same_bytes_again_are_unchanged() -> None:
    """A 200 with the very bytes of last time need not be parsed."""
    first = one(plain())
    assert isinstance(first, Fetched)
    again = one(plain(headers={"ETag": '"b"'}), state=FeedState(feed="x", body_hash=first.body_hash))

    assert again == Unchanged(etag='"b"')


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (206, "http-206"),
        (300, "http-300"),
        (304, "http-304"),
        (400, "http-400"),
        (401, "http-401"),
        (403, "http-403"),
        (404, "http-404"),
        (410, "gone"),
        (451, "http-451"),
        (500, "http-5xx"),
        (520, "http-5xx"),
    ],
)
def test_a_status_becomes_a_sentence(status: int, kind: str) -> None:
    """Every status but 200 names itself and what to do next; a 304 that was not asked for is no answer."""
    result = one(plain(b"" if status == 304 else b"x", status))

    assert isinstance(result, Failed)
    assert (result.kind, result.status) == (kind, status)
    assert str(status) in result.message


def test_busy_servers_say_when_to_come_again() -> None:
    """429 and 503 keep the wait that the server asks for."""
    for status in (429, 503):
        result = one(plain(b"", status, {"Retry-After": "3600"}))
        assert isinstance(result, Failed)
        assert (result.kind, result.retry_after) == (f"http-{status}", 3600)


def test_two_busy_feeds_pause_their_host() -> None:
    """After two 429 the other feeds of the host are not asked at all."""
    site = Site({f"/{n}": plain(b"", 429, {"Retry-After": "900"}) for n in range(6)})
    results = fetch({}, *site.answers, site=site, hosts={}, host_connections=1, host_spacing=0.0)

    assert len(site.requests) == 2
    assert all(isinstance(r, Failed) and r.kind == "http-429" and r.retry_after for r in results)


def test_nothing_and_no_content() -> None:
    """An empty 200 is a failure of its own kind; a 204 says that nothing is new."""
    empty = one(plain(b"\r\n"))
    assert isinstance(empty, Failed)
    assert empty.kind == "empty"
    assert one(plain(b"", 204)) == NotModified()


def test_gzip_is_unpacked() -> None:
    """A packed body arrives plain, in one or several members, and a false label does no harm."""
    for body in (gzip.compress(RSS), gzip.compress(RSS[:9]) + gzip.compress(RSS[9:]), RSS):
        result = one(plain(body, headers={"Content-Encoding": "gzip"}))
        assert isinstance(result, Fetched)
        assert result.body == RSS


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "identity, gzip"])
def test_other_packings_are_refused(encoding: str) -> None:
    """What was not asked for, or is packed twice, is not unpacked."""
    result = one(plain(headers={"Content-Encoding": encoding}))
    assert isinstance(result, Failed)
    assert result.kind == "encoding"


def test_a_cut_or_damaged_packing_is_told() -> None:
    """Half of a gzip body is no body."""
    packed = gzip.compress(bytes(range(256)) * 40)
    for body in (packed[:-9], packed[:40] + b"\0" * 40 + packed[80:]):
        result = one(plain(body, headers={"Content-Encoding": "gzip"}))
        assert isinstance(result, Failed)
        assert result.kind == "encoding"


def test_a_bomb_stays_small() -> None:
    """A body that unpacks to a thousand times its size is stopped at the cap, without being held."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(64)]) + packer.flush()
    result = one(plain(bomb, headers={"Content-Encoding": "gzip"}), plain_cap=1_000_000)

    assert isinstance(result, Failed)
    assert result.kind == "too-big"
    assert "1 MB" in result.message


def test_unpacking_never_holds_more_than_the_cap() -> None:
    """One chunk from the wire is unpacked in bounded steps."""
    body = Body("gzip", 10_000_000, 100_000)
    with pytest.raises(TooBigError):
        body.feed(gzip.compress(bytes(50_000_000)))
    assert sum(map(len, body._parts)) <= 100_000


def test_a_packed_body_may_come_byte_by_byte() -> None:
    """How the wire cuts a body does not matter."""
    body = Body("gzip", 10_000, 10_000)
    for byte in gzip.compress(RSS) + b"\0\0padding":
        body.feed(bytes([byte]))
    assert body.finish() == RSS

    short = Body("gzip", 10_000, 10_000)
    short.feed(b"<")
    assert short.finish() == b"<"
    with pytest.raises(EncodingError):
        Body("br", 1, 1)


def test_an_announced_size_is_enough_to_refuse() -> None:
    """A Content-Length of 10 GB is refused without reading on."""
    result = one(plain(b"x", headers={"Content-Length": "10737418240"}))
    assert isinstance(result, Failed)
    assert result.kind == "too-big"
    assert "10737 MB" in result.message


def test_an_endless_body_is_cut_at_the_cap() -> None:
    """A server that never stops sending is left at the wire cap."""

    async def endless(_: Request, out: asyncio.StreamWriter) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            out.write(b"<item>" * 10_000)
            await out.drain()

    result = one(endless, wire_cap=300_000)
    assert isinstance(result, Failed)
    assert result.kind == "too-big"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_drip_ends_at_the_deadline(head: bytes) -> None:
    """However a server dawdles, the deadline is for all of it, not for each read."""

    async def drip(_: Request, out: asyncio.StreamWriter) -> None:
        out.write(head)
        for __ in range(2_000):
            out.write(b"x")
            await out.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    result = one(drip, deadline=0.3)

    assert isinstance(result, Failed)
    assert result.kind == "timeout"
    assert time.monotonic() - began < 2


def test_a_hanging_feed_delays_no_other() -> None:
    """The results of good feeds come while a bad one still hangs."""

    async def hang(_: Request, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def run() -> list[str]:
        site = Site({"/hang": hang} | {f"/{n}": plain() for n in range(20)})
        async with site.serving():
            fetcher = HttpFetcher(site.limits(deadline=0.5, hosts={"127.0.0.1": (2, 0.0)}))
            feeds = [(Feed(id=p, url=site.url(p)), FeedState(feed=p)) for p in site.answers]
            return [feed.id async for feed, _ in fetcher.fetch_all(feeds)]

    assert asyncio.run(run())[-1] == "/hang"


def test_names_that_hang_delay_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the system's resolver keeps forty names waiting, another is resolved, and there is a thread for parsing."""
    released = threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host.startswith("slow"):
            released.wait(20)
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    site = Site({"/good": plain()})

    async def run() -> list[tuple[str, FetchResult]]:
        async with site.serving():
            limits = site.limits(hosts={}, deadline=5.0, allow_private=frozenset({("good.example", site.port)}))
            urls = [*(f"http://slow{n}.example/" for n in range(40)), f"http://good.example:{site.port}/good"]
            feeds = [(Feed(id=url, url=url), FeedState(feed=url)) for url in urls]
            found: list[tuple[str, FetchResult]] = []
            async for feed, result in HttpFetcher(limits).fetch_all(feeds):
                if not found:
                    assert not await asyncio.to_thread(released.is_set)
                    released.set()
                found.append((feed.url, result))
            return found

    try:
        (first, result), *others = asyncio.run(run())
    finally:
        released.set()
    assert first.endswith("/good")
    assert isinstance(result, Fetched)
    assert {r.kind for _, r in others if isinstance(r, Failed)} == {"dns"}
    assert len(others) == 40


def test_permanent_redirects_are_reported() -> None:
    """A 301 or 308 is followed and its target told; behind a temporary one nothing is permanent."""
    answers = {
        "/a": redirect("/b", 301),
        "/b": redirect("feed?x=1", 308),
        "/feed?x=1": plain(),
        "/c": redirect("/a", 302),
        "/d": redirect("/c", 301),
    }
    site = Site(answers)
    a, c, d = fetch({}, "/a", "/c", "/d", site=site)

    assert isinstance(a, Fetched)
    assert isinstance(c, Fetched)
    assert isinstance(d, Fetched)
    assert a.url == a.moved_to == site.url("/feed?x=1")
    assert (c.url, c.moved_to) == (site.url("/feed?x=1"), "")
    assert d.moved_to == site.url("/c")


def test_a_redirect_loop_ends() -> None:
    """After five redirects the feed has failed."""
    site = Site({"/a": redirect("/b"), "/b": redirect("/a", 307)})
    (result,) = fetch({}, "/a", site=site)

    assert isinstance(result, Failed)
    assert result.kind == "redirect"
    assert len(site.requests) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//127.0.0.1:8443/",
        "http:127.0.0.1",
        "\\\\127.0.0.1\\",
    ],
)
def test_a_redirect_does_not_lead_inside(target: str) -> None:
    """A hop to a private address, another scheme or an odd port is refused, whatever the first hop was allowed."""
    result = one(redirect(target))
    assert isinstance(result, Failed)
    assert result.kind == "blocked"


def test_loopback_is_refused_unless_named() -> None:
    """Without poll.allow_private nothing of our own machine is read, and the message tells the way out."""
    site = Site({"/feed": plain()})
    (result,) = fetch({}, "/feed", site=site, allow_private=frozenset())

    assert isinstance(result, Failed)
    assert result.kind == "blocked"
    assert "poll.allow_private" in result.message
    assert not site.requests


def test_a_login_stays_with_its_origin() -> None:
    """The login of a feed's URL is sent there, not behind a redirect to another port, and is in no result."""
    other = Site({"/feed": plain()})

    async def run() -> tuple[FetchResult, Site]:
        async with other.serving():
            site = Site({"/same": redirect("/far"), "/far": redirect(other.url("/feed"))})
            async with site.serving():
                both = frozenset({("127.0.0.1", site.port), ("127.0.0.1", other.port)})
                url = site.url("/same").replace("//", "//user:s3cret@")
                feeds = [(Feed(id="x", url=url), FeedState(feed="x"))]
                results = [r async for _, r in HttpFetcher(site.limits(allow_private=both)).fetch_all(feeds)]
        return results[0], site

    result, site = asyncio.run(run())

    assert [r.headers.get("authorization") for r in site.requests] == ["Basic dXNlcjpzM2NyZXQ="] * 2
    assert "authorization" not in other.requests[0].headers
    assert isinstance(result, Fetched)
    assert "s3cret" not in repr(result)


def test_dead_ends_are_told_apart() -> None:
    """No such host, a refused connection and a broken answer each say so in plain words."""

    async def nowhere(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    async def run() -> list[Failed]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        limits = FetchLimits(allow_private=frozenset({("127.0.0.1", port)}), deadline=5.0)
        found = []
        for url, resolve in (("http://news.example.org/f", nowhere), (f"http://127.0.0.1:{port}/", None)):
            fetcher = HttpFetcher(limits, resolve=resolve) if resolve else HttpFetcher(limits)
            found += [r async for _, r in fetcher.fetch_all([(Feed(id="x", url=url), FeedState(feed="x"))])]
        return [r for r in found if isinstance(r, Failed)]

    dns, refused = asyncio.run(run())

    assert (dns.kind, dns.message) == ("dns", "does not answer: no such host news.example.org")
    assert refused.kind == "refused"
    assert "refuses connections on port" in refused.message


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nhalf", b"SSH-2.0-OpenSSH_9.6\r\n"]
)
def test_a_broken_answer_is_told(answer: bytes) -> None:
    """A server that closes in the middle, or speaks no HTTP, is a failure without a word of Python."""

    async def broken(_: Request, out: asyncio.StreamWriter) -> None:
        out.write(answer)
        await out.drain()

    result = fetch({"/once": broken}, "/once")[0]
    assert isinstance(result, Failed)
    assert result.kind == "broken"
    assert "Error" not in result.message


def test_a_kept_connection_that_was_closed_is_tried_again() -> None:
    """A server may close a connection between two requests; the second feed does not suffer for it."""
    site = Site({"/once1": plain(), "/once2": plain(), "/once3": plain()})
    results = fetch({}, *site.answers, site=site, hosts={"127.0.0.1": (1, 0.0)})

    assert [type(r) for r in results] == [Fetched] * 3


def test_connections_are_kept_and_bounded() -> None:
    """Fifty feeds of a host share the connections that its limit allows."""
    site = Site({f"/{n}": plain() for n in range(50)})
    results = fetch({}, *site.answers, site=site, hosts={"127.0.0.1": (3, 0.0)})

    assert all(isinstance(r, Fetched) for r in results)
    assert site.most_open <= 3
    assert site.connections <= 3


def test_requests_to_a_host_keep_their_distance() -> None:
    """The starts of two requests to a host lie the spacing apart."""
    site = Site({f"/{n}": plain() for n in range(4)})
    fetch({}, *site.answers, site=site, hosts={"127.0.0.1": (4, 0.1)})

    gaps = [b - a for a, b in zip(site.times, site.times[1:], strict=False)]
    assert min(gaps) > 0.05


async def home(_: str, __: int) -> Sequence[str]:
    """Every name is ours."""
    return ["127.0.0.1"]


@dataclass
class Crowd:
    """Many hosts and one that they all lead to; notes how many requests that one had at the same time, and when."""

    hosts: int
    status: int = 200
    site: Site = field(default_factory=lambda: Site({}))
    now: int = 0
    most: int = 0
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay out the paths: /h0 of host h0.example leads to /t0 of target.example, and so on."""
        for n in range(self.hosts):
            self.site.answers |= {f"/h{n}": self._lead(n), f"/t{n}": self._slow}

    def _lead(self, number: int) -> Answer:
        async def answer(request: Request, out: asyncio.StreamWriter) -> None:
            await redirect(f"http://target.example:{self.site.port}/t{number}")(request, out)

        return answer

    async def _slow(self, request: Request, out: asyncio.StreamWriter) -> None:
        self.times.append(time.monotonic())
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1
        await plain(RSS, self.status)(request, out)

    def fetch(self, *others: str, **changes: Any) -> list[FetchResult]:
        """Fetch the feeds of all hosts and these paths of the target, each of which is answered slowly."""
        self.site.answers |= dict.fromkeys(others, self._slow)

        async def run() -> list[FetchResult]:
            async with self.site.serving():
                port = self.site.port
                urls = [f"http://h{n}.example:{port}/h{n}" for n in range(self.hosts)]
                urls += [f"http://target.example:{port}{path}" for path in others]
                named = frozenset((url.split("/")[2].split(":")[0], port) for url in urls) | {("target.example", port)}
                limits = self.site.limits(hosts={}, **{"host_spacing": 0.0, "allow_private": named} | changes)
                feeds = [(Feed(id=url, url=url), FeedState(feed=url)) for url in urls]
                found = {f.id: r async for f, r in HttpFetcher(limits, resolve=home).fetch_all(feeds)}
                return [found[url] for url in urls]

        return asyncio.run(run())


def test_a_host_that_many_lead_to_is_asked_as_politely_as_any() -> None:
    """Feeds of other hosts that redirect to a host count among its connections, and keep their distance, too."""
    crowd = Crowd(hosts=12)
    assert [type(r) for r in crowd.fetch("/own1", "/own2")] == [Fetched] * 14
    assert crowd.most == 2

    crowd = Crowd(hosts=5)
    assert [type(r) for r in crowd.fetch(host_spacing=0.1)] == [Fetched] * 5
    assert min(b - a for a, b in zip(crowd.times, crowd.times[1:], strict=False)) > 0.05


def test_hosts_that_lead_to_each_other_wait_for_nobody() -> None:
    """Two hosts with one connection each whose feeds redirect to the other one: all are answered."""
    site = Site({f"/{host}{n}": plain() for host in "ab" for n in range(6)})

    async def run() -> list[FetchResult]:
        async with site.serving():
            port = site.port

            for n in range(6):
                site.answers[f"/to-b{n}"] = redirect(f"http://b.example:{port}/b{n}")
                site.answers[f"/to-a{n}"] = redirect(f"http://a.example:{port}/a{n}")
            urls = [f"http://a.example:{port}/to-b{n}" for n in range(6)]
            urls += [f"http://b.example:{port}/to-a{n}" for n in range(6)]
            named = frozenset({("a.example", port), ("b.example", port)})
            limits = site.limits(hosts={}, host_spacing=0.0, host_connections=1, allow_private=named)
            feeds = [(Feed(id=url, url=url), FeedState(feed=url)) for url in urls]
            return [r async for _, r in HttpFetcher(limits, resolve=home).fetch_all(feeds)]

    assert [type(r) for r in asyncio.run(asyncio.wait_for(run(), 20))] == [Fetched] * 12


def test_a_busy_host_is_left_alone_by_those_that_lead_to_it() -> None:
    """After two 429 nobody is led to that host any more: neither its own feeds nor those of others ask it."""
    crowd = Crowd(hosts=9, status=429)
    results = crowd.fetch(host_connections=1)

    assert all(isinstance(r, Failed) and r.kind == "http-429" for r in results)
    assert len(crowd.times) == 2


def test_who_waited_for_a_slot_keeps_its_distance_all_the_same() -> None:
    """Two feeds of a host whose time came while other feeds kept all slots busy do not start together."""
    site = Site({f"/{n}": plain() for n in range(3)})

    async def busy(request: Request, out: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        await plain()(request, out)

    async def run() -> int:
        site.answers["/busy"] = busy
        async with site.serving():
            named = frozenset({("busy.example", site.port), ("127.0.0.1", site.port)})
            limits = site.limits(hosts={}, host_spacing=0.2, connections=1, allow_private=named)
            urls = [f"http://busy.example:{site.port}/busy", *(site.url(f"/{n}") for n in range(3))]
            feeds = [(Feed(id=url, url=url), FeedState(feed=url)) for url in urls]
            return len([r async for _, r in HttpFetcher(limits, resolve=home).fetch_all(feeds)])

    assert asyncio.run(run()) == 4
    gaps = [b - a for a, b in zip(site.times[1:], site.times[2:], strict=False)]
    assert min(gaps) > 0.1


def test_a_consumer_may_stop_early() -> None:
    """Who stops reading results ends the fetches that still run."""

    async def run() -> None:
        site = Site({f"/{n}": plain() for n in range(30)})
        async with site.serving():
            feeds = [(Feed(id=p, url=site.url(p)), FeedState(feed=p)) for p in site.answers]
            results = HttpFetcher(site.limits(connections=2)).fetch_all(feeds)
            async for _ in results:
                break
            await results.aclose()  # type: ignore[attr-defined]
            assert len(asyncio.all_tasks()) <= 2 + site.open

    asyncio.run(run())


def test_an_address_that_is_none_is_a_failure() -> None:
    """Nonsense in place of a URL is told, not raised."""
    urls = [
        "",
        "|id",
        "feed:file:///etc/passwd",
        "http://",
        "http://a b/",
        "http://x:99999/",
        "https://[::1",
        "http://a/\r\nX: y",
    ]

    async def run() -> list[FetchResult]:
        feeds = [(Feed(id=str(n), url=u), FeedState(feed=str(n))) for n, u in enumerate(urls)]
        return [r async for _, r in HttpFetcher().fetch_all(feeds)]

    results = asyncio.run(run())
    assert len(results) == len(urls)
    assert all(isinstance(r, Failed) and r.kind == "blocked" for r in results)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("60", 60),
        ("86400", 86_400),
        ("999999999999", 86_400),
        ("Sat, 21 Nov 2026 12:10:00 GMT", 600),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("60, 120", None),
        ("\u0661\u0660", None),
        ("1e3", None),
        ("0x10", None),
        ("Foo, 99 Bar 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: int | None) -> None:
    """Seconds and HTTP dates are read and clamped to a day; all else counts as not said."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=300", 300),
        ("public, max-age=60, must-revalidate", 60),
        ("MAX-AGE=9999999", 86_400),
        ("no-cache, max-age=300", None),
        ("s-maxage=300", None),
        ("", None),
        ("max-age=-1", None),
    ],
)
def test_max_age(value: str, seconds: int | None) -> None:
    """Cache-Control's max-age is read, clamped to a day, and void beside no-cache."""
    assert max_age(value) == seconds


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_addresses_are_public(address: str) -> None:
    """The internet is let through."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "168.63.129.16", "169.254.169.254"),
        *("172.31.255.255", "192.0.0.8", "192.88.99.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
        *(
            "100::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
        ),
        *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "not an address", ""),
    ],
)
def test_inside_addresses_are_not(address: str) -> None:
    """Private, special and tunnelled ranges are not dialled, those that is_global lets pass among them."""
    assert not is_public(address)


class Recorder(httpcore.AsyncNetworkBackend):
    """Stands in place of the network: notes what would be dialled, and answers with one redirect or one feed."""

    def __init__(self, redirect_to: str = "") -> None:
        self.dialled: list[str] = []
        location = redirect_to.encode("utf-8", "surrogateescape")
        head = b"HTTP/1.1 302 Found\r\nLocation: " + location if redirect_to else b"HTTP/1.1 200 OK"
        self._answers = [head + b"\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"]

    async def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Note the address."""
        assert port
        self.dialled.append(host)
        return httpcore.AsyncMockStream(list(self._answers))


def answering(vector: dict[str, Any]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Resolve as the vector says; addresses in any notation of the C library; all other names lead inside."""
    sequence = iter(vector.get("resolves_sequence", []))

    async def resolve(host: str, _: int) -> Sequence[str]:
        if "resolves_sequence" in vector:
            return list(next(sequence, ["127.0.0.1"]))
        if host == "feed.example" or host.endswith((".example", "xn--mgbai9azgqp6j.example")):
            return list(vector.get("resolves", ["127.0.0.1"]))
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            return [host] if ":" in host else ["127.0.0.1"]

    return resolve


def ssrf_vectors() -> Iterable[dict[str, Any]]:
    """All SSRF vectors, the public lists among them as addresses that must not lead inside."""
    for value in vectors.values("ssrf/own_matrix.jsonl", "ssrf/patt_urls.jsonl"):
        yield value if isinstance(value, dict) else {"url": value, "must": "list"}


def test_t_ssrf_no_vector_reaches_the_inside() -> None:
    """T-SSRF: of all vectors, as URL and as redirect, only public addresses that were checked are ever dialled."""

    async def run(vector: dict[str, Any], url: str, redirect_to: str = "") -> tuple[list[str], FetchResult]:
        recorder = Recorder(redirect_to)
        fetcher = HttpFetcher(FetchLimits(host_spacing=0.0), resolve=answering(vector), network=recorder, tls=None)
        feeds = [(Feed(id="x", url=url), FeedState(feed="x"))]
        return recorder.dialled, await anext(r async for _, r in fetcher.fetch_all(feeds))

    seen = 0
    for vector in ssrf_vectors():
        url, must = vector["url"], vector["must"]
        dialled, result = asyncio.run(run(vector, url, vector.get("redirect_to", "")))
        assert all(is_public(address) for address in dialled), vector
        if must == "allow":
            assert dialled, vector
        elif must.startswith("refuse"):
            assert isinstance(result, Failed), vector
            assert len(dialled) == (1 if "redirect_to" in vector else 0), (vector, dialled)
        else:
            start = {**vector, "resolves": ["93.184.215.14"]}
            dialled, _ = asyncio.run(run(start, "http://pub.example/", url))
            assert all(is_public(address) for address in dialled), vector
        seen += 1
    assert seen > 150


def test_every_retry_after_vector_is_clamped_or_void() -> None:
    """Whatever a server writes there, we wait between nothing and a day."""
    for value in vectors.values("http/own_retry_after.jsonl"):
        seconds = retry_after(value, NOW)
        assert seconds is None or 0 <= seconds <= 86_400
