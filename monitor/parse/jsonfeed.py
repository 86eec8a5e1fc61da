"""JSON Feed 1.0 and 1.1 (jsonfeed.org/version/1.1)."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

from monitor.model import Failed, Item
from monitor.parse.shape import MOST_ENTRIES, Parsed, build, clean, date


def looks_like_json(body: bytes) -> bool:
    """Tell by the first letter; a JSON Feed is an object and is always UTF-8 (RFC 8259 section 8.1)."""
    return body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def read(feed: str, body: bytes, base_url: str) -> Parsed | Failed:
    """Read a JSON Feed; a Failed when it is other JSON or broken."""
    try:
        document = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        message = f"answers with JSON that cannot be read{where}; try the address in a browser"
        return Failed(kind="not-a-feed", message=message)
    version = _text(document, "version")
    entries = document.get("items") if isinstance(document, dict) else None
    if "jsonfeed.org/version/" not in version or not isinstance(entries, list):
        message = "answers with JSON that is no JSON Feed; look for the address of the feed on the site's page"
        return Failed(kind="not-a-feed", message=message)
    lang = _text(document, "language")
    people = tuple(_authors(document))
    return Parsed(
        items=tuple(_item(feed, e, base_url, lang, people) for e in entries[:MOST_ENTRIES] if isinstance(e, dict)),
        title=clean(_plain(_text(document, "title"))),
        lang=clean(lang),
        kind="json11" if version.rstrip("/").endswith("1.1") else "json1",
        gate="json",
    )


def _item(feed: str, entry: dict[str, Any], base_url: str, lang: str, people: tuple[str, ...]) -> Item:
    return build(
        feed=feed,
        base=base_url,
        guid=_text(entry, "id"),
        link=_text(entry, "url") or _text(entry, "external_url"),
        title=_plain(_text(entry, "title")),
        summary=_plain(_text(entry, "summary")),
        contents=[_text(entry, "content_html"), _plain(_text(entry, "content_text"))],
        stamps=[date(_text(entry, "date_published")), date(_text(entry, "date_modified"))],
        authors=tuple(_authors(entry)) or people,
        lang=_text(entry, "language") or lang,
    )


def _authors(thing: dict[str, Any]) -> Iterator[str]:
    many = thing.get("authors")
    for author in many if isinstance(many, list) else [thing.get("author")]:  # "author" is version 1.0
        if name := _text(author, "name"):
            yield name


def _plain(text: str) -> str:
    """These fields are plain text; an item's fields are markup."""
    return html.escape(text, quote=False)


def _text(thing: Any, name: str) -> str:
    value = thing.get(name) if isinstance(thing, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # ids are numbers in many feeds; the specification asks to take them as strings
    return value if isinstance(value, str) else ""
