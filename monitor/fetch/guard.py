"""Which addresses may be dialled. Checked at the moment of connecting, on what is then dialled.

A check of the URL comes too early: names resolve differently a second time, redirects lead elsewhere, and parsers
disagree on which of two hosts a URL with a backslash means. Here the name is resolved once, every address of the answer
is judged, and one of these very addresses is dialled.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import httpcore

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a host name and a port, returns all addresses; raises OSError when there is none."""

WEB_PORTS = frozenset({80, 443, 8080, 8443})

_MOST_TRIED = 4
_UNROUTED4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, with one cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # another cloud's metadata, on a public address
        "169.254.0.0/16",  # link-local, with most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # is_global of Python 3.11.7 lets 192.0.0.8 pass
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relay, passes is_global
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast, passes is_global
        "240.0.0.0/4",
    )
)
_ROUTED6 = ipaddress.IPv6Network("2000::/3")
"""All that is given out (RFC 4291 section 2.4); outside lie ::1, v4-mapped, NAT64, local ranges and multicast."""
_UNROUTED6 = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo carries an IPv4 address inside
        "2001:db8::/32",
        "2002::/16",  # 6to4 does, too
        "3fff::/20",
    )
)


class NoSuchHostError(Exception):
    """The name has no address."""

    def __init__(self, host: str) -> None:
        """Keep the name."""
        super().__init__(host)
        self.host = host


class InsideError(Exception):
    """The name leads to an address that is not on the public internet."""

    def __init__(self, host: str, address: str) -> None:
        """Keep both, for the message."""
        super().__init__(host, address)
        self.host = host
        self.address = address


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet and hides no other address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not any(ip in net for net in _UNROUTED4)
    return ip.is_global and ip in _ROUTED6 and not any(ip in net for net in _UNROUTED6)


def system_resolve(hands: Executor) -> Resolve:
    """The system's resolver, asked in these threads; an address that is written out needs no question.

    Not in the event loop's own few threads: names whose servers are dead would keep all others waiting there, and with
    them the parsing of feeds that have come.
    """

    async def resolve(host: str, port: int) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(hands, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    return resolve


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that were judged here; `allow_private` names the (host, port) pairs let through."""

    def __init__(
        self,
        allow_private: Collection[tuple[str, int]],
        resolve: Resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = allow_private
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, judge every address, dial them in turn until one answers."""
        failure: Exception = NoSuchHostError(host)
        for address in (await self._judged(host, port))[:_MOST_TRIED]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _judged(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NoSuchHostError(host) from None
        if (host, port) not in self._allowed:
            for address in addresses:
                if not is_public(address):
                    raise InsideError(host, address)
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no feed lives there."""
        raise InsideError(path, path)

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own retries, of which we ask none."""
        await self._inner.sleep(seconds)
