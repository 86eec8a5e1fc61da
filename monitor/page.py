"""What a web page holds: the text of its article, the feeds that it names.

Runs in the sandbox: whatever a page says, nothing here opens a file or a connection. trafilatura finds the article; its
decoding is not used, because it unpacks compressed bodies and never looks at the charset that a page declares.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from monitor.text.plain import one_line, plain_text, whole

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BY_LANGUAGE = {"ar": "cp1256", "fa": "cp1256", "ckb": "cp1256", "tr": "cp1254", "ku": "cp1254"}
_WIDER = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254"}
"""What a label means to browsers (WHATWG Encoding Standard, section 4.2): the Windows page of the same letters."""

_HEAD = 4_096
"""Bytes in which a page has to declare its charset."""

_SHORT = 500
"""Letters below which the careful way of trafilatura is tried, too: of a page that is built in the browser the quick
way found 187 letters of 5,489 (fundus, Anadolu Ajansı 2026-04-20)."""

_HTML_TYPES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
_LIKE_A_FEED = re.compile(r"(?:\b|_)(?:rss|atom|feeds?|rdf)(?:\b|_|\d)|\.(?:rss|rdf|atom|xml)(?:$|\?)", re.IGNORECASE)
_MOST_LINKS = 5_000
_LONGEST_LINK = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLink:
    """A feed that a page names. `declared` tells a `<link rel="alternate">` from a link that only looks like one."""

    url: str
    title: str = ""
    declared: bool = True


def is_page(body: bytes, content_type: str) -> bool:
    """Whether this can be a page of HTML, by its type, or by its first letter when none is told."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _HTML_TYPES if kind else body.lstrip()[:1] == b"<"


def decoded(body: bytes, content_type: str, lang: str = "") -> str:
    """The letters of a page: by its mark, its header, its own word, else UTF-8, else what its language was written in.

    Never raises: what cannot be read becomes U+FFFD.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    told = _CHARSET.search(content_type) or _CHARSET.search(body[:_HEAD].decode("latin-1"))
    with suppress(UnicodeDecodeError):
        return body.decode()  # a page that can be UTF-8 is, whatever it says
    with suppress(LookupError, UnicodeError, ValueError):
        if told:
            name = codecs.lookup(told[1]).name
            return body.decode(_WIDER.get(name, name), "replace")
    return body.decode(_BY_LANGUAGE.get(lang, "cp1252"), "replace")


def article_text(body: bytes, content_type: str, url: str, lang: str = "") -> str:
    """The plain text of the article on a page, a paragraph a line; empty when there is none."""
    from trafilatura import extract  # noqa: PLC0415 - 0.3 s, which only a child that meets a page should pay

    if not is_page(body, content_type):
        return ""
    letters = decoded(body, content_type, lang)
    found = extract(letters, url=url or None, fast=True, include_comments=False, include_tables=True) or ""
    if len(found) < _SHORT:
        slow = extract(letters, url=url or None, fast=False, include_comments=False, include_tables=True) or ""
        found = slow if len(slow) > 2 * len(found) else found
    # its output is text already: an `&lt;` that was resolved must not be taken for markup
    return plain_text(whole(found).replace("&", "&amp;").replace("<", "&lt;"))


def feed_links(body: bytes, content_type: str, url: str) -> tuple[FeedLink, ...]:
    """The feeds that a page names, declared ones first, each address once, absolute against `url`."""
    from lxml import html  # noqa: PLC0415 - as above

    text = decoded(body, content_type)
    if not is_page(body, content_type) or not text.strip():
        return ()
    try:
        tree = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8", no_network=True))
    except (ValueError, AssertionError, html.etree.LxmlError):
        return ()
    base = next((b.get("href", "") for b in tree.iter("base")), "")
    home = _absolute(base, url) or url
    links: dict[str, FeedLink] = {}
    for link in (*_declared(tree, home), *_anchors(tree, home)):
        links.setdefault(link.url, link)
    return tuple(links.values())


def _declared(tree: HtmlElement, home: str) -> Iterator[FeedLink]:
    for _, link in zip(range(_MOST_LINKS), tree.iter("link"), strict=False):
        kind = (link.get("type") or "").partition(";")[0].strip().lower()
        relations = (link.get("rel") or "").lower().split()
        address = _absolute(link.get("href") or "", home)
        if address and (("alternate" in relations and kind in _FEED_TYPES) or "feed" in relations):
            yield FeedLink(url=address, title=one_line(link.get("title") or "")[:200])


def _anchors(tree: HtmlElement, home: str) -> Iterator[FeedLink]:
    for _, link in zip(range(_MOST_LINKS), tree.iter("a"), strict=False):
        written = (link.get("href") or "").strip()
        address = _absolute(written, home) if _LIKE_A_FEED.search(written[:_LONGEST_LINK]) else ""
        if address:
            title = one_line(" ".join(link.itertext())[:400])[:200]
            yield FeedLink(url=address, title=title, declared=False)


def _absolute(link: str, base: str) -> str:
    """The link as a whole address without its fragment; empty when it is no http or https address."""
    try:
        address = urljoin(base, whole(link).strip()).partition("#")[0]
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and len(address) <= _LONGEST_LINK
    except ValueError:
        return ""
    return address if usable and address.isprintable() else ""
