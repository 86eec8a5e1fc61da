"""The four feed formats of the samples. Each writer takes an outlet and its entries and gives the whole body."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Any

from monitor.demo.stories import Outlet

_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item as one feed shows it. `guid` is empty where the feed gives only a link; dates are aware."""

    guid: str
    link: str
    title: str
    text: str
    published: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a feed of this kind is named, labelled and written."""

    suffix: str
    content_type: str
    write: Callable[[Outlet, Sequence[Entry]], str]


def home(outlet: Outlet) -> str:
    """The outlet's invented site; .example never resolves (RFC 2606)."""
    return f"https://{outlet.id}.example/"


def rss2(outlet: Outlet, entries: Sequence[Entry]) -> str:
    """RSS 2.0."""
    items = "".join(_rss2_item(outlet, entry) for entry in entries)
    return (
        f'{_PROLOG}<rss version="2.0"><channel>\n<title>{escape(outlet.title)}</title><link>{home(outlet)}</link>'
        f"<description>{escape(outlet.title)}</description><language>{outlet.lang}</language>\n{items}</channel></rss>\n"
    )


def rdf(outlet: Outlet, entries: Sequence[Entry]) -> str:
    """RSS 1.0, the RDF one."""
    order = "".join(f'<rdf:li rdf:resource="{escape(entry.link)}"/>' for entry in entries)
    items = "".join(
        f'<item rdf:about="{escape(entry.link)}"><title>{escape(entry.title)}</title><link>{escape(entry.link)}</link>'
        f"<description>{escape(_body(outlet, entry))}</description>"
        f"<dc:date>{entry.published.isoformat()}</dc:date></item>\n"
        for entry in entries
    )
    return (
        f'{_PROLOG}<rdf:RDF xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/">\n<channel rdf:about="{home(outlet)}">'
        f"<title>{escape(outlet.title)}</title><link>{home(outlet)}</link><description>{escape(outlet.title)}</description>"
        f"<dc:language>{outlet.lang}</dc:language><items><rdf:Seq>{order}</rdf:Seq></items></channel>\n{items}</rdf:RDF>\n"
    )


def atom(outlet: Outlet, entries: Sequence[Entry]) -> str:
    """Atom 1.0 (RFC 4287)."""
    newest = max(entry.updated for entry in entries).isoformat()
    items = "".join(
        f"<entry><id>{escape(entry.guid)}</id><title>{escape(entry.title)}</title>"
        f'<link rel="alternate" href="{escape(entry.link)}"/><published>{entry.published.isoformat()}</published>'
        f"<updated>{entry.updated.isoformat()}</updated>"
        f'<content type="{outlet.body}">{escape(_body(outlet, entry))}</content></entry>\n'
        for entry in entries
    )
    return (
        f'{_PROLOG}<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{outlet.lang}">\n<id>{home(outlet)}</id>'
        f'<title>{escape(outlet.title)}</title><link rel="alternate" href="{home(outlet)}"/><updated>{newest}</updated>'
        f"<author><name>{escape(outlet.title)}</name></author>\n{items}</feed>\n"
    )


def json_feed(outlet: Outlet, entries: Sequence[Entry]) -> str:
    """JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": outlet.title,
        "home_page_url": home(outlet),
        "language": outlet.lang,
        "items": [_json_item(outlet, entry) for entry in entries],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1) + "\n"


def _rss2_item(outlet: Outlet, entry: Entry) -> str:
    permanent = "true" if entry.guid == entry.link else "false"
    guid = f'<guid isPermaLink="{permanent}">{escape(entry.guid)}</guid>' if entry.guid else ""
    return (
        f"<item><title>{escape(entry.title)}</title><link>{escape(entry.link)}</link>{guid}"
        f"<pubDate>{format_datetime(entry.published)}</pubDate>"
        f"<description>{escape(_body(outlet, entry))}</description></item>\n"
    )


def _json_item(outlet: Outlet, entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.guid,
        "url": entry.link,
        "title": entry.title,
        f"content_{outlet.body}": _body(outlet, entry),
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
    }


def _body(outlet: Outlet, entry: Entry) -> str:
    return f"<p>{escape(entry.text, quote=False)}</p>" if outlet.body == "html" else entry.text


FORMATS = {
    "rss2": Format(suffix="rss", content_type="application/rss+xml; charset=utf-8", write=rss2),
    "rdf": Format(suffix="rdf", content_type="application/rdf+xml; charset=utf-8", write=rdf),
    "atom": Format(suffix="atom", content_type="application/atom+xml; charset=utf-8", write=atom),
    "json": Format(suffix="json", content_type="application/feed+json; charset=utf-8", write=json_feed),
}
