"""URLs: taken apart once, by one parser, and used in parts from there on, so that no two parsers can disagree."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx

from monitor.fetch.guard import WEB_PORTS

_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LONGEST = 8_192


class RefusedError(Exception):
    """A URL that we do not open; the text is the end of a sentence about the feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request goes. `url` carries no login."""

    url: str
    scheme: str
    host: str
    port: int
    netloc: bytes
    target: bytes
    login: bytes = b""
    """Value of an Authorization header, from the login in the URL; empty when there is none."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be equal for a login or a connection to be shared."""
        return self.scheme, self.host, self.port


def place(url: str, allowed: Collection[tuple[str, int]]) -> Place:
    """Take a URL apart; `allowed` names (host, port) pairs whose port need not be a usual one. Raises RefusedError."""
    if _ODD.search(url) or len(url) > _LONGEST:
        raise RefusedError("has an address with letters that no web address has; write it anew in feeds.yaml")
    try:
        parts = httpx.URL(url)
        scheme, host, netloc, target = parts.scheme, parts.raw_host.decode(), parts.netloc, parts.raw_path
        urlsplit(url)  # whoever reads the address with the other parser later must be able to: http://a[b/
        port = parts.port or {"http": 80, "https": 443}.get(scheme, 0)
    except (httpx.InvalidURL, ValueError):
        raise RefusedError("has an address that cannot be read; write it anew in feeds.yaml") from None
    if scheme not in ("http", "https"):
        raise RefusedError(f"leads to a {scheme or 'relative'}: address; only http and https are opened")
    if not host:
        raise RefusedError("has an address without a host; write it anew in feeds.yaml")
    host = host.strip("[]").lower()
    if port not in WEB_PORTS and (host, port) not in allowed:
        message = (
            f"leads to port {port} of {host}; only 80, 443, 8080 and 8443 are opened, and what poll.allow_private names"
        )
        raise RefusedError(message)
    login = b""
    if parts.userinfo:
        login = b"Basic " + base64.b64encode(unquote(parts.userinfo.decode()).encode())
    plain = (
        str(parts.copy_with(username=None, password=None, fragment=None)) if parts.userinfo or parts.fragment else url
    )
    return Place(url=plain, scheme=scheme, host=host, port=port, netloc=netloc, target=target, login=login)


def next_place(here: Place, location: str, allowed: Collection[tuple[str, int]]) -> Place:
    """Where a redirect leads; a login is kept only on the same origin. Raises RefusedError."""
    location = location.strip()
    if _ODD.search(location) or len(location) > _LONGEST:
        raise RefusedError("redirects to an address with letters that no web address has; tell the publisher")
    if not _SCHEME.match(location):
        try:
            location = str(httpx.URL(here.url).join(location))
        except (httpx.InvalidURL, ValueError):
            raise RefusedError("redirects to an address that cannot be read; tell the publisher") from None
    there = place(location, allowed)
    login = here.login if there.origin == here.origin else b""
    return Place(
        url=there.url,
        scheme=there.scheme,
        host=there.host,
        port=there.port,
        netloc=there.netloc,
        target=there.target,
        login=login,
    )
