"""Lists of feeds as OPML 2.0, the form in which feed readers exchange them. Pure: bytes in, feeds out, and back.

Read by expat, which is stopped at the first document type declaration: no entity is ever defined, let alone fetched.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from xml.parsers import expat  # no document type declaration gets past it here
from xml.sax.saxutils import quoteattr

from monitor.errors import ConfigError, Problem
from monitor.model import Feed
from monitor.text.language import normal
from monitor.watchlists.checks import slugged

MAX_OPML = 5_000_000
"""Bytes; 20,000 feeds need less."""

_DEEPEST, _MOST_TAGS = 50, 20
"""More than any list of feeds has; without bounds a hostile one costs the square of its size."""

_OWN = "monitor:"
"""Before attributes of our own, so that a list that we wrote comes back whole."""
_NAMESPACE = "urn:desk-monitor:feeds"
_BARE = re.compile(rb"&(?!#?[A-Za-z0-9]{1,31};)")
"""Many programs write `&` into addresses as it is."""


class _RefusedError(Exception):
    """The text says what the document has that no list of feeds needs."""


def read_opml(name: str, source: bytes) -> tuple[Feed, ...]:
    """The feeds of an OPML document in their order, one per address; folders and categories become tags.

    Ids are empty unless we wrote the document. Raises ConfigError with file, line and column.
    """
    if len(source) > MAX_OPML:
        raise ConfigError(Problem(name, 0, 0, f"The file is larger than {MAX_OPML:,} bytes.", "Split it."))
    try:
        return _Outlines().read(source)
    except expat.ExpatError as error:
        repaired = _BARE.sub(b"&amp;", source)
        if repaired != source:
            return read_opml(name, repaired)
        what = expat.errors.messages.get(error.code, "unknown reason")
        raise ConfigError(
            Problem(name, error.lineno, error.offset + 1, f"This is not OPML ({what}).", "Export it anew.")
        ) from None
    except (_RefusedError, LookupError, ValueError) as error:
        raise ConfigError(Problem(name, 1, 1, f"This is not OPML that is read: {error}.", "Export it anew.")) from None


def write_opml(feeds: Sequence[Feed], title: str, made: datetime) -> bytes:
    """The feeds that have an address, each in the folder of its first tag. A login in an address is left out."""
    folders: defaultdict[str, list[Feed]] = defaultdict(list)
    for feed in feeds:
        if feed.url:
            folders[feed.tags[0] if feed.tags else ""].append(feed)
    rows = ['<?xml version="1.0" encoding="UTF-8"?>', f'<opml version="2.0" xmlns:monitor="{_NAMESPACE}">', "<head>"]
    rows += [f"<title>{_text(title)}</title>", f"<dateCreated>{format_datetime(made)}</dateCreated>", "</head>"]
    rows += ["<body>", *(_outline(feed) for feed in folders.pop("", []))]
    for tag, members in folders.items():
        rows += [f"<outline text={quoteattr(tag)}>", *(_outline(feed) for feed in members), "</outline>"]
    return "\n".join([*rows, "</body>", "</opml>", ""]).encode()


def without_login(url: str) -> str:
    """The address without user and password."""
    return re.sub(r"\A([a-z]+://)[^/?#]*@", r"\1", url, flags=re.IGNORECASE)


class _Outlines:
    """Collects outlines as expat meets them; the folders that are open stand in `_path`."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._root = ""
        self._feeds: dict[str, Feed] = {}

    def read(self, source: bytes) -> tuple[Feed, ...]:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.Parse(source, True)
        return tuple(self._feeds.values())

    def _refuse(self, *_: object) -> None:
        raise _RefusedError("it declares a document type")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._root = self._root or tag.lower()
        if self._root != "opml":
            raise _RefusedError(f"it is a document of the kind `{tag[:40]}`")
        if tag.lower() != "outline":
            return
        have = {key.lower(): value.strip() for key, value in attributes.items()}
        url = have.get("xmlurl", "")
        if len(self._path) >= _DEEPEST:
            raise _RefusedError(f"its folders lie more than {_DEEPEST} deep")
        self._path.append("" if url else slugged(have.get("text") or have.get("title") or ""))
        if not url:
            return
        tags = [*self._path, *(slugged(c) for c in re.split("[,/]", have.get("category", "")[:1_000]))]
        known = self._feeds.get(url)
        tags = [*(known.tags if known else ()), *tags]
        feed = known or _feed(url, have)
        self._feeds[url] = replace(feed, tags=tuple(dict.fromkeys(t for t in tags if t))[:_MOST_TAGS])

    def _end(self, tag: str) -> None:
        if tag.lower() == "outline":
            self._path.pop()


def _feed(url: str, have: Mapping[str, str]) -> Feed:
    own = {key.removeprefix(_OWN): value for key, value in have.items() if key.startswith(_OWN)}
    return Feed(
        id=own.get("id", ""),
        url=url,
        title=" ".join((have.get("title") or have.get("text") or "").split())[:200],
        lang=normal(have.get("language", "")),
        country=own.get("country", ""),
        tier=int(own["tier"]) if own.get("tier", "") in {"1", "2", "3"} else Feed(id="").tier,
        kind=own.get("kind", "news"),
        every=int(own["every"]) if re.fullmatch("[0-9]{1,5}", own.get("every", "")) else 0,
        fulltext=own.get("fulltext") == "yes",
        note=own.get("note", ""),
    )


def _outline(feed: Feed) -> str:
    usual = Feed(id="")
    shown = {"type": "rss", "text": feed.title or feed.id, "title": feed.title, "xmlUrl": without_login(feed.url)}
    shown |= {"language": feed.lang, "category": ",".join(f"/{tag}" for tag in feed.tags[1:])}
    shown |= {f"{_OWN}id": feed.id, f"{_OWN}country": feed.country, f"{_OWN}note": feed.note}
    shown |= {f"{_OWN}tier": str(feed.tier)} if feed.tier != usual.tier else {}
    shown |= {f"{_OWN}kind": feed.kind} if feed.kind != usual.kind else {}
    shown |= {f"{_OWN}every": str(feed.every)} if feed.every else {}
    shown |= {f"{_OWN}fulltext": "yes"} if feed.fulltext else {}
    return f"<outline {' '.join(f'{key}={quoteattr(value)}' for key, value in shown.items() if value)}/>"


def _text(text: str) -> str:
    return quoteattr(text)[1:-1]
