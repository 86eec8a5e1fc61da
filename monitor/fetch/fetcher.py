"""The fetcher: many feeds at once, each within its bounds, results as they come.

    fetch_all -> _Run.deliver -> _Run._visit -> _Run._fetch -> _Run._hop -> _Run._ask -> _Run._take

Each function adds one concern: the queue; the slots; redirects; failures and the deadline; the connection; the answer.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from http import HTTPStatus
from importlib.util import find_spec

import httpcore
import httpx

from monitor import __version__
from monitor.fetch import trace
from monitor.fetch.answer import Body, EncodingError, TooBigError, failed_status, max_age, retry_after
from monitor.fetch.guard import GuardedNetwork, InsideError, NoSuchHostError, Resolve, system_resolve
from monitor.fetch.places import Place, RefusedError, next_place, place
from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult, NotModified, Unchanged
from monitor.ports import Clock

if find_spec("sniffio") is None:
    # httpcore asks for it several times a request; each failing import searches the whole path (a fifth of our time)
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_ACCEPT = b"application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
_CONNECT_SECONDS = 15.0
_KEEP_SECONDS = 10.0
_PAUSE_SECONDS = 600.0
"""Two feeds of a host that ask for less within this time pause the whole host."""

_PERMANENT = (301, 308)
_REDIRECTS = (301, 302, 303, 307, 308)
_TOO_MANY = (429, 503)

Headers = dict[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Bounds of one fetcher. Sizes in bytes, times in seconds."""

    connections: int = 64
    """Fetches at the same time, all hosts together."""
    deadline: float = 60.0
    """For one feed, redirects included; the wait for a turn at its host does not count."""
    wire_cap: int = 10_000_000
    plain_cap: int = 20_000_000
    redirects: int = 5
    user_agent: str = f"desk-monitor/{__version__} (feed reader)"
    allow_private: frozenset[tuple[str, int]] = frozenset()
    """(host, port) pairs that may be dialled although their address is private or their port unusual."""
    host_connections: int = 2
    host_spacing: float = 1.0
    """Seconds from the start of one request to a host to the start of the next."""
    hosts: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Host -> (connections, spacing) where the general politeness does not fit; such a host is never paused whole."""


class HttpFetcher:
    """Reads feeds over HTTP and never raises for what the outside does: that is a `Failed`.

    `clock` says what "now" is for dates in Retry-After; `resolve`, `network` and `tls` stand for the outside in tests,
    where None is the system's.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or FetchLimits()
        self.clock = clock
        self._resolve = resolve
        self._network = network
        self._tls = tls
        self.pauses = Pauses()

    async def fetch_all(
        self, feeds: Sequence[tuple[Feed, FeedState]], *, follow: bool = True
    ) -> AsyncIterator[tuple[Feed, FetchResult]]:
        """Yield one result per feed, as they come. A consumer that stops early ends all fetches that still run."""
        run = _Run(self, follow=follow)
        tasks = [asyncio.create_task(run.deliver(feed, state)) for feed, state in feeds]
        try:
            for _ in tasks:
                yield await run.results.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await run.close()

    def guarded(self, hands: Executor) -> GuardedNetwork:
        """The network with the address check in front; names are asked for in these threads."""
        return GuardedNetwork(self.limits.allow_private, self._resolve or system_resolve(hands), self._network)

    def tls(self) -> ssl.SSLContext:
        """Certificates of the web, read once (20 ms); never from the environment."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


class Pauses:
    """Which hosts asked for less, in the monotonic clock; kept from one run to the next."""

    def __init__(self) -> None:
        self._asked: dict[str, dict[str, float]] = {}
        self._until: dict[str, float] = {}

    def note(self, host: str, feed: str, wait: int | None) -> None:
        """Remember that a feed of this host got a 429 or 503; the second feed pauses the host."""
        now = time.monotonic()
        asked = {f: t for f, t in self._asked.get(host, {}).items() if now - t < _PAUSE_SECONDS}
        asked[feed] = now
        self._asked[host] = asked
        if len(asked) > 1:
            self._until[host] = now + (_PAUSE_SECONDS if wait is None else wait)

    def left(self, host: str) -> int:
        """Seconds that this host still has to be left alone."""
        return max(0, round(self._until.get(host, 0.0) - time.monotonic()))


class _Host:
    """What is shared by the requests to one host."""

    def __init__(self, connections: int, spacing: float) -> None:
        self.slots = asyncio.Semaphore(connections)
        self.users = 0
        self.idle: dict[tuple[str, str, int], list[httpcore.AsyncHTTPConnection]] = {}
        self._spacing = spacing
        self._next = 0.0

    def wait(self) -> float:
        """Seconds until the host may be asked again."""
        return max(0.0, self._next - time.monotonic())

    async def turn(self) -> None:
        """Wait until then; who waits besides may be quicker."""
        await asyncio.sleep(self.wait())

    def asked(self) -> None:
        """Remember that it is asked now."""
        self._next = time.monotonic() + self._spacing

    def free(self) -> bool:
        """Whether it may be asked this moment."""
        return not self.slots.locked() and not self.wait()


@dataclass(slots=True, kw_only=True)
class _Trip:
    """One feed on its way: where it is, what is left of its time."""

    feed: Feed
    state: FeedState
    place: Place
    seconds: float
    hops: int = 0
    """Redirects so far."""
    permanent: bool = True
    moved_to: str = ""
    led: str = ""
    """Where the last redirect led, as the server wrote it; empty before the first."""


class _Run:
    """One call of fetch_all: its hosts, its connections, its queue."""

    def __init__(self, fetcher: HttpFetcher, *, follow: bool) -> None:
        self._fetcher = fetcher
        self._limits = fetcher.limits
        self._redirects = fetcher.limits.redirects if follow else 0
        # one for each slot: a name that hangs keeps nobody waiting who has a slot; none is made before it is needed
        self._resolving = ThreadPoolExecutor(self._limits.connections, thread_name_prefix="resolving")
        self._network = fetcher.guarded(self._resolving)
        self._hosts: dict[str, _Host] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(self._limits.connections)
        # bounded, so that bodies do not pile up in front of a slow consumer
        self.results: asyncio.Queue[tuple[Feed, FetchResult]] = asyncio.Queue(maxsize=self._limits.connections)

    async def close(self) -> None:
        """Let go of all connections."""
        for host in self._hosts.values():
            self._dismiss(host)
        self._resolving.shutdown(wait=False, cancel_futures=True)  # nobody waits any more for a name that hangs
        await asyncio.gather(*self._closing)

    async def deliver(self, feed: Feed, state: FeedState) -> None:
        """Fetch one feed and queue what came of it."""
        try:
            start = place(feed.url, self._limits.allow_private)
        except RefusedError as refusal:
            await self.results.put((feed, Failed(kind="blocked", message=str(refusal))))
            return
        trip = _Trip(feed=feed, state=state, place=start, seconds=self._limits.deadline)
        while not await self._visit(trip):
            pass

    async def _visit(self, trip: _Trip) -> bool:
        """Go on from where the trip is when that host has room, and queue what comes of it; False when it leads away.

        Who waits for a host keeps no slot from other hosts, and who waited for a slot looks again at the host's clock.
        """
        with self._using(trip.place.host) as host:
            async with host.slots:
                while True:
                    if paused := self._fetcher.pauses.left(trip.place.host):
                        return await self._queued(trip, _paused(trip.place.host, paused))
                    await host.turn()
                    async with self._slots:
                        if not host.wait():
                            # a slot is kept until the result is taken, so that bodies do not pile up
                            return await self._queued(trip, await self._fetch(trip, host))

    async def _queued(self, trip: _Trip, result: FetchResult | None) -> bool:
        if result is None:
            return False
        await self.results.put((trip.feed, result))
        return True

    @contextmanager
    def _using(self, name: str) -> Iterator[_Host]:
        host = self._hosts.get(name)
        if host is None:
            usual = (self._limits.host_connections, self._limits.host_spacing)
            host = self._hosts[name] = _Host(*self._limits.hosts.get(name, usual))
        host.users += 1
        try:
            yield host
        finally:
            host.users -= 1
            if not host.users:  # nobody waits for it: a thousand hosts would leave a thousand connections open
                self._dismiss(host)

    def _dismiss(self, host: _Host) -> None:
        """Close what a host left open."""
        for connections in host.idle.values():
            for connection in connections:
                self._let_go(connection)
        host.idle.clear()

    async def _fetch(self, trip: _Trip, host: _Host) -> FetchResult | None:
        """Ask a host and follow where it leads; None when that is another host which must not be asked this moment.

        Waiting for it here, with a slot of this one, would be two that wait for each other.
        """
        at = trip.place.host
        while True:
            host.asked()
            result = await self._hop(trip)
            if result is not None:
                return result
            if trip.place.host != at:
                break
            while host.wait():
                await host.turn()
        with self._using(trip.place.host) as there:
            if self._fetcher.pauses.left(trip.place.host) or not there.free():
                return None
            async with there.slots:
                return await self._fetch(trip, there)

    async def _hop(self, trip: _Trip) -> FetchResult | None:
        """Ask one address within what is left of the deadline; failures become sentences; None after a redirect."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(trip.seconds):
                with self._using(trip.place.host) as host:
                    result = await self._ask(trip, host)
        except Exception as error:  # noqa: BLE001 - the port promises never to raise for what the outside does
            failed = _failure(error, trip.place, self._limits)
            return replace(failed, leads_to=trip.led) if failed.kind == "blocked" else failed
        finally:
            trip.seconds -= time.monotonic() - started
        return result if result is not None or trip.hops <= self._redirects else self._too_far(trip)

    def _too_far(self, trip: _Trip) -> Failed:
        if not self._redirects:
            return Failed(kind="redirect", message="leads to another address", leads_to=trip.place.url)
        return Failed(
            kind="redirect",
            message=f"redirects more than {self._redirects} times; look for its new address at the publisher's",
        )

    async def _ask(self, trip: _Trip, host: _Host) -> FetchResult | None:
        """Send the request; once more when a kept connection turns out to be closed (RFC 9112 section 9.3.1)."""
        kept = self._kept(trip.place, host)
        if kept is not None:
            with suppress(httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError):
                return await self._send(kept, trip, host)
        return await self._send(self._connection(trip.place), trip, host)

    def _kept(self, to: Place, host: _Host) -> httpcore.AsyncHTTPConnection | None:
        """Take an idle connection that still stands, if there is one."""
        idle = host.idle.get(to.origin, [])
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            self._let_go(connection)
        return None

    def _connection(self, to: Place) -> httpcore.AsyncHTTPConnection:
        # not httpcore's pool: at every request it walks over all its connections and asks each socket whether it is
        # readable, which cost more than half of the processor time (1,000 feeds of one host on 16 connections)
        return httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(to.scheme.encode(), to.host.encode(), to.port),
            ssl_context=self._fetcher.tls() if to.scheme == "https" else None,
            keepalive_expiry=_KEEP_SECONDS,
            network_backend=self._network,
        )

    def _let_go(self, connection: httpcore.AsyncHTTPConnection) -> None:
        """Close a connection apart from the task that used it: that one may be cancelled."""
        task = asyncio.create_task(connection.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _send(self, connection: httpcore.AsyncHTTPConnection, trip: _Trip, host: _Host) -> FetchResult | None:
        to = trip.place
        url = httpcore.URL(scheme=to.scheme.encode(), host=to.host.encode(), port=to.port, target=to.target)
        extensions = {"timeout": {"connect": _CONNECT_SECONDS}}
        headers = _request_headers(trip, self._limits.user_agent)
        trace.asks(trip.feed.id, to.url, headers)
        try:
            async with connection.stream(b"GET", url, headers=headers, extensions=extensions) as response:
                return await self._take(trip, response)
        finally:
            if connection.is_available():
                host.idle.setdefault(to.origin, []).append(connection)
            else:
                self._let_go(connection)

    async def _take(self, trip: _Trip, response: httpcore.Response) -> FetchResult | None:
        """Turn an answer into a result; None after a redirect, which is noted in the trip."""
        headers = {name.lower(): value for name, value in response.headers}
        trace.answers(trip.feed.id, response.status, headers)
        status, age = response.status, max_age(_text(headers, b"cache-control"))
        wait = retry_after(_text(headers, b"retry-after"), self._fetcher.clock())
        if status in _REDIRECTS and b"location" in headers:
            self._redirect(trip, status, _location(headers))
            return None
        asked = trip.state.etag or trip.state.last_modified
        if status == HTTPStatus.NO_CONTENT or (status == HTTPStatus.NOT_MODIFIED and asked):
            etag, modified = _text(headers, b"etag"), _text(headers, b"last-modified")
            return NotModified(etag=etag, last_modified=modified, max_age=age, moved_to=trip.moved_to)
        if status in _TOO_MANY and trip.place.host not in self._limits.hosts:
            self._fetcher.pauses.note(trip.place.host, trip.feed.id, wait)
        if status != HTTPStatus.OK:
            return failed_status(status, wait)
        fetched = await self._body(trip, response, headers)
        if isinstance(fetched, Fetched):
            return replace(fetched, max_age=age, retry_after=wait)
        return replace(fetched, max_age=age) if isinstance(fetched, Unchanged) else fetched

    def _redirect(self, trip: _Trip, status: int, location: str) -> None:
        trip.led = location
        trip.hops += 1
        trip.place = next_place(trip.place, location, self._limits.allow_private)
        trip.permanent = trip.permanent and status in _PERMANENT
        if trip.permanent:  # up to the first temporary one; what follows is the publisher's affair
            trip.moved_to = trip.place.url
        trace.leads(trip.feed.id, trip.place.url, permanent=trip.permanent)

    async def _body(self, trip: _Trip, response: httpcore.Response, headers: Headers) -> FetchResult:
        length = _text(headers, b"content-length")
        if length.isdigit() and int(length[:18]) > self._limits.wire_cap:
            raise TooBigError(f"sends {int(length[:18]) / 1e6:.0f} MB; look for a smaller feed of this publisher")
        body = Body(_text(headers, b"content-encoding"), self._limits.wire_cap, self._limits.plain_cap)
        async for chunk in response.aiter_stream():
            body.feed(chunk)
        plain = body.finish()
        if not plain.strip():
            return Failed(
                kind="empty", message="answers with nothing (an empty page); try the address in a browser", status=200
            )
        seal = blake2b(plain, digest_size=8).hexdigest()
        etag, modified = _text(headers, b"etag"), _text(headers, b"last-modified")
        trace.body(trip.feed.id, body.wire, len(plain), same=seal == trip.state.body_hash)
        if seal == trip.state.body_hash:
            return Unchanged(etag=etag, last_modified=modified, moved_to=trip.moved_to)
        return Fetched(
            url=trip.place.url,
            body=plain,
            body_hash=seal,
            content_type=_text(headers, b"content-type"),
            etag=etag,
            last_modified=modified,
            moved_to=trip.moved_to,
        )


def _request_headers(trip: _Trip, user_agent: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"Host", trip.place.netloc),
        (b"User-Agent", user_agent.encode("latin-1", "ignore")),
        (b"Accept", _ACCEPT),
        (b"Accept-Encoding", b"gzip, identity"),
    ]
    if trip.state.etag:
        headers.append((b"If-None-Match", trip.state.etag.encode("latin-1", "ignore")))
    if trip.state.last_modified:
        headers.append((b"If-Modified-Since", trip.state.last_modified.encode("latin-1", "ignore")))
    if trip.place.login:
        headers.append((b"Authorization", trip.place.login))
    return headers


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()


def _location(headers: Headers) -> str:
    """Servers send raw UTF-8 here, although RFC 9110 wants ASCII."""
    raw = headers[b"location"]
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return raw.decode("latin-1")


def _paused(host: str, seconds: int) -> Failed:
    message = f"was left alone: {host} asked us to come less often; next try in {max(1, seconds // 60)} min"
    return Failed(kind="http-429", message=message, status=429, retry_after=seconds)


def _failure(error: Exception, at: Place, limits: FetchLimits) -> Failed:
    """Say in one sentence what went wrong, by the class of the error and never by its own text."""
    match error:
        case NoSuchHostError():
            return Failed(kind="dns", message=f"does not answer: no such host {error.host}")
        case InsideError():
            advice = "if that is meant, name host and port in poll.allow_private of monitor.yaml"
            return Failed(
                kind="blocked", message=f"leads to {error.address}, which is not on the public internet; {advice}"
            )
        case RefusedError():
            return Failed(kind="blocked", message=str(error))
        case TooBigError():
            return Failed(kind="too-big", message=str(error), status=200)
        case EncodingError():
            return Failed(kind="encoding", message=str(error), status=200)
        case TimeoutError():
            return Failed(
                kind="timeout", message=f"does not answer in full within {limits.deadline:g} s; we try again later"
            )
        case httpcore.TimeoutException():
            return Failed(kind="timeout", message=f"does not answer: {at.host} gives no connection; we try again later")
        case httpcore.ConnectError():
            return _no_connection(error, at)
        case httpcore.NetworkError() | httpcore.ProtocolError():
            return Failed(
                kind="broken", message=f"breaks off its answer: {at.host} closed the connection; we try again later"
            )
    return Failed(
        kind="broken", message=f"could not be read from {at.host} ({type(error).__name__}); run `monitor doctor`"
    )


def _no_connection(error: BaseException, at: Place) -> Failed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or "the encryption could not be agreed on"
            advice = "check the address or tell the publisher"
            return Failed(kind="tls", message=f"has no valid certificate for {at.host} ({why}); {advice}")
        if isinstance(cause, ConnectionRefusedError):
            return Failed(kind="refused", message=f"does not answer: {at.host} refuses connections on port {at.port}")
        cause = cause.__cause__ or cause.__context__
    return Failed(kind="refused", message=f"does not answer: {at.host} cannot be reached on port {at.port}")
