"""feedparser, the authority: what it makes of a document is what we take it to mean."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import feedparser
from lxml import etree

from monitor.model import Failed, Item
from monitor.parse.shape import MOST_ENTRIES, Parsed, Stamp, build, moment

_UNNEEDED = (
    "{http://www.opengis.net/gml}*",
    "{http://www.georss.org/georss}*",
    "{http://podlove.org/simple-chapters}*",
)
"""Places and chapters, whose handlers in feedparser raise KeyError and AttributeError on odd documents."""

_MARKS = 64
"""Bytes in which UTF-16 and UTF-32 show themselves."""

_ENTRY = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?(?:item|entry)[\s>/]", re.IGNORECASE)


def read(feed: str, body: bytes, content_type: str, base_url: str, gate: str) -> Parsed | Failed:
    """Read a document of any kind and condition; a Failed when there is no feed in it."""
    body = first_entries(body)
    document = _document(body, content_type)
    if document is None or (b"\0" in body[:_MARKS] and not _is_feed(document)):
        # feedparser 6.0.14 reads no UTF-16 that is not declared, nor any that is labelled as something else
        mended = _mended(body)
        document = mended and _document(mended, "application/xml")
    if not document or not _is_feed(document):
        return not_a_feed(body)
    lang = document.feed.get("language") or ""
    return Parsed(
        items=tuple(_item(feed, entry, base_url, lang) for entry in document.entries[:MOST_ENTRIES]),
        title=_text(document.feed.get("title")),
        lang=_text(lang),
        kind=document.get("version") or "",
        gate=gate,
    )


def _is_feed(document: Any) -> bool:
    return bool(document.get("version") or document.entries)


def not_a_feed(body: bytes) -> Failed:
    """Say in one sentence what was found instead of a feed."""
    head = body[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")) or b"<head" in head or b"<body" in head:
        what = "answers with a web page instead of a feed; look for the address of the feed on that page"
    elif not head:
        what = "answers with an empty document; try the address in a browser"
    else:
        what = "answers with something that is no RSS, Atom or JSON feed; try the address in a browser"
    return Failed(kind="not-a-feed", message=what)


def first_entries(body: bytes) -> bytes:
    """Cut a document behind its 5,000th entry, because feedparser needs time and memory for all of them."""
    if body.count(b"<item") + body.count(b"<entry") + body.count(b":item") + body.count(b":entry") <= MOST_ENTRIES:
        return body
    for number, match in enumerate(_ENTRY.finditer(body)):
        if number == MOST_ENTRIES:
            return body[: match.start()]
    return body


def _document(body: bytes, content_type: str) -> Any:
    """Ask feedparser; None when it stumbles.

    Only BytesIO is safe: given bytes it opens the file of that name, given a str it may fetch it (measured, 6.0.14).
    """
    headers = {"content-type": content_type} if content_type else {}
    try:
        return feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except MemoryError:
        raise  # the sandbox tells people about it
    except Exception:  # noqa: BLE001 - AssertionError, KeyError, IndexError and more are known (issues 378, 275)
        return None


def _mended(body: bytes) -> bytes:
    """Save what libxml2 can of a document on which feedparser stumbles; empty when that is nothing."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return b""
    if root is None:
        return b""
    etree.strip_elements(root, *_UNNEEDED, with_tail=False)
    return bytes(etree.tostring(root, encoding="utf-8"))


def _item(feed: str, entry: Any, base_url: str, feed_lang: str) -> Item:
    detail = entry.get("title_detail")
    return build(
        feed=feed,
        base=base_url,
        guid=_text(entry.get("id")),
        link=_text(entry.get("link")),
        title=_text(entry.get("title")),
        summary=_text(entry.get("summary")),
        contents=[_text(content.get("value")) for content in entry.get("content") or () if isinstance(content, dict)],
        stamps=[_stamp(entry, name) for name in ("published", "updated", "created")],
        authors=_authors(entry),
        lang=_text((detail.get("language") if isinstance(detail, dict) else "") or feed_lang),
    )


def _stamp(entry: Any, name: str) -> Stamp:
    # dict.get, because feedparser's own answers for "updated" from "published" with a warning
    return Stamp(raw=_text(dict.get(entry, name)), when=moment(dict.get(entry, f"{name}_parsed")))


def _authors(entry: Any) -> Iterator[str]:
    for author in entry.get("authors") or ():
        if isinstance(author, dict):
            yield _text(author.get("name")) or _text(author.get("email"))


def _text(value: Any) -> str:
    """Elements that feedparser does not expect come as dictionaries under the names of those it does."""
    return value if isinstance(value, str) else ""
