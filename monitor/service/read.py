"""What runs in a killable child: the bytes of one feed in, its articles out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from monitor import cluster, extract, faults, parse
from monitor.identity import Identity
from monitor.model import Article, Failed, Feed

PRELOAD = ("monitor.service.read",)
"""Modules that a child needs; loaded once by the fork server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A feed that could be read."""

    articles: tuple[Article, ...]
    gate: str
    """Which parser read it."""
    lost: float = 0.0
    """Share of its letters that came as U+FFFD."""


def read_feed(
    feed: Feed, body: bytes, content_type: str, url: str, seen: datetime, by: Identity, correction: int
) -> Read | Failed:
    """Parse a body and extract its articles, with their signatures; `by` and `correction` as in extract.articles."""
    parsed = parse.parse(feed.id, body, content_type, url)
    faults.point("read.parsed")
    if isinstance(parsed, Failed):
        return parsed
    found = extract.articles(feed, parsed.items, seen=seen, by=by, correction=correction)
    signatures = cluster.signatures([(a.title, a.text) for a in found])
    signed = tuple(replace(a, signature=own) for a, own in zip(found, signatures, strict=True))
    faults.point("read.extracted")
    return Read(articles=signed, gate=parsed.gate, lost=parse.lost(parsed.items))
