"""What a server's answer means: body within bounds, headers as figures, statuses as sentences. Pure."""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from monitor.model import Failed

DAY = 86_400

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2,8},? .*GMT\Z")
_GZIP = b"\x1f\x8b"

_STATUSES = {
    401: "asks for a login (HTTP 401); put the login into its address or remove it from feeds.yaml",
    403: "refuses us (HTTP 403); the publisher may block automatic readers, so ask for access or find another feed",
    404: "is not at its address any more (HTTP 404); look for the new address on the publisher's site",
    410: "is gone for good (HTTP 410); find a replacement or remove it from feeds.yaml",
    429: "asks us to come less often (HTTP 429); we wait as long as it asks",
    451: "is blocked for legal reasons (HTTP 451); find another source",
    503: "is overloaded or under repair (HTTP 503); we try again later",
}


class TooBigError(Exception):
    """The body grew over a cap; the text says which."""


class EncodingError(Exception):
    """The body is packed in a way that was not asked for, or is damaged."""


class Body:
    """Takes chunks from the wire and unpacks them, never holding more than the caps.

    Unpacking asks zlib for a bounded amount at a time: httpx's own decoders hand out a whole chunk, and 809 bytes were
    seen to become 512 MB (httpx 0.28.1).
    """

    def __init__(self, encoding: str, wire_cap: int, plain_cap: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise EncodingError(f"packs its answer as {name[:40]!r}, which we did not ask for; tell the publisher")
        self._packed = "gzip" in name
        self._wire_cap, self._plain_cap = wire_cap, plain_cap
        self._wire = self._plain = 0
        self._parts: list[bytes] = []
        self._unpacker = zlib.decompressobj(wbits=31)
        self._head = b""

    @property
    def wire(self) -> int:
        """Bytes that came so far."""
        return self._wire

    def feed(self, chunk: bytes) -> None:
        """Take one chunk as it came from the wire; raises TooBigError or EncodingError."""
        self._wire += len(chunk)
        if self._wire > self._wire_cap:
            raise TooBigError(f"sends more than {self._wire_cap / 1e6:g} MB; look for a smaller feed of this publisher")
        if self._packed and len(self._head) < len(_GZIP):
            chunk = self._head + chunk
            self._head = chunk[: len(_GZIP)]
            if len(self._head) < len(_GZIP):
                return
            self._packed = self._head == _GZIP  # some servers say gzip and send plain text
        if self._packed:
            self._unpack(chunk)
        else:
            self._keep(chunk)

    def finish(self) -> bytes:
        """Return the whole plain body; raises EncodingError when a packed one was cut off."""
        if self._packed and len(self._head) < len(_GZIP):
            self._packed = False
            self._keep(self._head)
        if self._packed and not self._unpacker.eof:
            raise EncodingError("sends a packed answer that is cut off; we try again later")
        return b"".join(self._parts)

    def _keep(self, plain: bytes) -> None:
        self._plain += len(plain)
        if self._plain > self._plain_cap:
            raise TooBigError(f"unpacks to more than {self._plain_cap / 1e6:g} MB; look for a smaller feed")
        self._parts.append(plain)

    def _unpack(self, chunk: bytes) -> None:
        try:
            while chunk:
                if self._unpacker.eof:
                    if not chunk.startswith(_GZIP):
                        return  # padding behind the last member
                    self._unpacker = zlib.decompressobj(wbits=31)  # a file may have several members (RFC 1952, 2.2)
                self._keep(self._unpacker.decompress(chunk, self._plain_cap - self._plain + 1))
                chunk = self._unpacker.unused_data or self._unpacker.unconsumed_tail
        except zlib.error:
            raise EncodingError("sends a packed answer that is damaged; we try again later") from None


def retry_after(value: str, now: datetime) -> int | None:
    """Seconds from a Retry-After header (RFC 9110 section 10.2.3), at most a day; None when it cannot be read."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:12]), DAY)
    if not _HTTP_DATE.match(value):
        return None
    try:
        seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return int(min(max(seconds, 0), DAY))


def max_age(value: str) -> int | None:
    """Seconds for which Cache-Control says that nothing will change, at most a day; None when it does not say."""
    if "no-cache" in value.lower() or "no-store" in value.lower():
        return None
    found = _MAX_AGE.search(value)
    return min(int(found.group(1)), DAY) if found else None


def failed_status(status: int, wait: int | None) -> Failed:
    """Say what an HTTP status other than 200 and 304 means for the feed."""
    server_fault = status // 100 == 5  # RFC 9110 section 15.6
    kind = "gone" if status == HTTPStatus.GONE else f"http-{status}"
    if server_fault and status != HTTPStatus.SERVICE_UNAVAILABLE:
        kind = "http-5xx"
    other = f"has a fault of its own (HTTP {status}); we try again later" if server_fault else ""
    message = _STATUSES.get(status) or other or f"answers with HTTP {status} instead of a feed; check its address"
    return Failed(kind=kind, message=message, status=status, retry_after=wait)
