"""The gate and the fast parser behind it: lxml for documents that are plain beyond doubt.

The parser follows feedparser element by element, its order of events included, for the elements it knows to the end.
Everything else is a doubt, told in words, and the document goes to feedparser. So the gate needs no opinion on what a
feed ought to look like; it only has to recognise where it cannot vouch for the same answer.
"""

from __future__ import annotations

import re
from typing import Any

from feedparser.encodings import convert_to_utf8
from feedparser.urls import _urljoin, make_safe_absolute_uri
from lxml import etree

from monitor.model import Item
from monitor.parse.elements import (
    ABOUT,
    HANDLED,
    HANDLERS,
    NAMESPACES,
    PERSON,
    XML_BASE,
    XML_LANG,
    DoubtError,
    Element,
    Entry,
    attributes_of,
    canonical,
    take_title,
    text_of,
)
from monitor.parse.shape import MOST_ENTRIES, Parsed, Stamp, build

_ATOM, _ATOM03, _RSS10 = "http://www.w3.org/2005/atom", "http://purl.org/atom/ns#", "http://purl.org/rss/1.0/"
_RSS090 = "http://my.netscape.com/rdf/simple/0.9/"
_RSS_KINDS = {"0.91": "rss091u", "0.92": "rss092", "0.93": "rss093", "0.94": "rss094"}
_IMAGE = frozenset({"title", "link", "description", "url", "href", "width", "height"})
_TEXT_INPUT = frozenset({"title", "description", "name", "link"})
_DECLARED = re.compile(rb"xmlns:([\w.-]+)\s*=\s*[\"']([^\"']*)[\"']")
_KEYS = frozenset({
    "author_detail", "authors", "created_parsed", "date", "date_parsed", "description_detail", "entries",
    "feed", "guidislink", "href", "issued_parsed", "items", "links", "modified_parsed", "published_parsed",
    "summary_detail", "title_detail", "updated_parsed",
})  # fmt: skip
"""Elements of these names would land where feedparser keeps its own results."""

_HARMLESS = frozenset({
    "admin:errorreportsto", "admin:generatoragent", "category", "cc:license", "cloud", "comments", "copyright",
    "creativecommons:license", "dc:contributor", "dc:language", "dc:publisher", "dc:rights", "dc:subject",
    "dcterms:valid", "enclosure", "expirationdate", "feedburner:browserfriendly", "generator", "georss:box",
    "georss:line", "georss:point", "georss:polygon", "info", "itunes:category", "itunes:email", "itunes:image",
    "itunes:link", "itunes:name", "itunes:owner", "itunes:subtitle", "keywords", "language", "media:category",
    "media:content", "media:credit", "media:group", "media:license", "media:player", "media:rating",
    "media:restriction", "media:thumbnail", "rights", "subtitle", "tagline", "tags", "webmaster",
})  # fmt: skip
"""Handled by feedparser without touching what we take."""


def read(feed: str, body: bytes, content_type: str, base_url: str) -> Parsed | str:
    """Read a plain document, or say why it is not plain."""
    try:
        return _Document(_root(body, content_type)).parsed(feed, base_url)
    except DoubtError as doubt:
        return str(doubt)


def _root(body: bytes, content_type: str) -> Element:
    facts: dict[str, Any] = {}
    try:
        data = convert_to_utf8({"content-type": content_type} if content_type else {}, body, facts)
    except (UnicodeError, LookupError):  # "punycode" and its like are encodings to Python
        raise DoubtError("unknown encoding") from None
    if not facts["encoding"]:
        raise DoubtError("unknown encoding")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"<!doctype" in data[:2_000]:
        raise DoubtError("document type declaration")
    declared = {p.decode().lower(): NAMESPACES.get(u.decode().lower()) for p, u in _DECLARED.findall(data)}
    known = set(NAMESPACES.values())
    if any(p in known and to is not None and to.lower() != p for p, to in declared.items()):
        raise DoubtError("a usual prefix for an unusual namespace")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise DoubtError("not well-formed") from None
    if b"base=" in data and root.xpath("boolean(//@xml:base | //@base)"):
        _settle_bases(root)
    return root


def _settle_bases(root: Element) -> None:
    """Resolve links by xml:base, in place.

    As in feedparser, a base goes on to apply behind its element if there was none before.
    """
    base = ""
    bases = [""]
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            bases.pop()
            base = bases[-1] or base
            continue
        own = element.get(XML_BASE, element.get("base")) or base
        base = (make_safe_absolute_uri(base, own) or base) if base else _urljoin(base, own)
        bases.append(base)
        if base and canonical(element) in ("link", "id", "guid"):
            _settle(element, base)


def _settle(element: Element, base: str) -> None:
    attributes = attributes_of(element)
    for name in element.attrib:
        if name.lower() in ("href", "url", "uri"):
            element.set(name, _urljoin(base, element.get(name)))
    text = (element.text or "").strip()
    if text and attributes.get("ispermalink", "true") == "true":
        element.text = _urljoin(base, text)


class _Document:
    """A whole feed while it is walked through."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.lang = ""
        self.head = Entry()  # title of the feed; its rules are those of an entry
        self.summary_seen = False
        self.leak = False  # content in the head counts as content of the first entry
        self.entries: list[Entry] = []
        self.elements: list[Element] = []

    def parsed(self, feed: str, base_url: str) -> Parsed:
        kind = self._kind()
        self._head(self.root, 1)
        title = self.head.values.get("title", "")
        return Parsed(items=tuple(self._items(feed, base_url)), title=title, lang=self.lang, kind=kind)

    def _kind(self) -> str:
        name, attributes = canonical(self.root), {k.lower(): v for k, v in self.root.attrib.items()}
        spaces = {(uri or "").lower() for uri in self.root.nsmap.values()}
        own = str(etree.QName(self.root).namespace or "").lower()
        lang = attributes.get(XML_LANG.lower(), attributes.get("lang", ""))
        if name in ("rss", "feed"):
            self.lang = lang.replace("_", "-")
        if name == "rss" and not spaces & {_RSS10, _RSS090}:
            version = attributes.get("version", "")
            return _RSS_KINDS.get(version) or ("rss20" if version.startswith("2.") else "rss")
        if name == "feed" and own == _ATOM and _RSS10 not in spaces:
            return "atom10"
        if name == "feed" and own == _ATOM03 and not spaces & {_ATOM, _RSS10} and attributes.get("version") == "0.3":
            return "atom03"
        if name == "rdf:rdf":
            return self._rdf_kind(spaces)
        raise DoubtError(f"<{name}> as root")

    def _rdf_kind(self, spaces: set[str]) -> str:
        """Name the format of an RDF document: of two namespaces that tell one, the first declared counts."""
        if _RSS090 in spaces and not spaces & {_RSS10, _ATOM}:
            return "rss090"
        first = next((uri.lower() for uri in self.root.nsmap.values() if uri.lower() in (_RSS10, _ATOM)), "")
        if first != _RSS10 or _RSS090 in spaces:
            raise DoubtError("RDF of an unusual kind")
        return "rss10"

    def _head(self, parent: Element, depth: int) -> None:
        """Walk the elements that stand outside of entries, in order, and collect the entries."""
        for element in parent:
            name = canonical(element)
            if name in ("item", "entry"):
                self._enter(element, depth)
            elif name == "channel" and depth == 1:
                self._plain_channel(element)
                self._head(element, depth + 1)
            elif name in ("image", "textinput"):
                self._picture(element, name, depth)
            else:
                self._head_element(element, name)

    def _plain_channel(self, element: Element) -> None:
        if any(key.lower() in ("lastmod", "href") for key in element.attrib):
            raise DoubtError("channel definition format")

    def _head_element(self, element: Element, name: str) -> None:
        if name in ("title", "dc:title"):
            take_title(self.head, element, 0)
            self.head.depths.clear()
        elif name in ("language", "dc:language"):
            self.lang = text_of(element)
        elif name in ("description", "dc:description", "media:description", "summary", "itunes:summary"):
            self._head_summary(name)
        elif name in ("author", "managingeditor", "dc:creator", "itunes:author", "contributor", "itunes:owner"):
            self._person(element)
            return
        elif name in HANDLERS and name not in ("link", "id", "guid", "media:title") and "date" not in name:
            if name not in ("published", "updated", "modified", "issued", "created"):
                raise DoubtError(f"<{name}> outside of an entry")
        elif name in HANDLED and name not in _HARMLESS | {"link", "id", "guid", "pubdate", "lastbuilddate"}:
            self._unless_known(name)
        for inner in element.iterdescendants():
            nested = canonical(inner)
            if nested in HANDLERS or nested in ("item", "entry", "channel"):
                raise DoubtError(f"<{nested}> inside <{name}>")

    def _person(self, element: Element) -> None:
        for child in element:
            name = canonical(child)
            if len(child) or (name in HANDLED and name.rpartition(":")[2] not in PERSON):
                raise DoubtError(f"<{name}> in a person")

    def _unless_known(self, name: str) -> None:
        if name not in HANDLERS and name not in ("name", "email", "url", "uri", "homepage", "where"):
            raise DoubtError(f"<{name}> outside of an entry")

    def _head_summary(self, name: str) -> None:
        """Follow the flag that a second summary sets and only the end of an entry clears."""
        if self.summary_seen and not self.leak:
            self.leak = True
        elif name in ("summary", "itunes:summary"):
            self.summary_seen = True

    def _picture(self, element: Element, name: str, depth: int) -> None:
        allowed = _IMAGE if name == "image" else _TEXT_INPUT
        self.head.title_depth = -1
        for child in element:
            inner = canonical(child)
            if inner not in allowed and not (":" in inner and inner not in HANDLED):
                raise DoubtError(f"<{inner}> in <{name}>")
            if inner == "title" and text_of(child):
                self.head.title_depth = depth + 1

    def _enter(self, element: Element, depth: int) -> None:
        if len(self.entries) == MOST_ENTRIES:
            return
        attributes = element.attrib
        if any(key.lower() in ("lastmod", "href") for key in attributes):
            raise DoubtError("channel definition format")
        entry = Entry(has_content=self.leak)
        self.leak = False
        if attributes.get(ABOUT):
            entry.values["id"] = attributes[ABOUT]
        self._walk(entry, element, depth + 1)
        self.entries.append(entry)
        self.elements.append(element)

    def _walk(self, entry: Entry, parent: Element, depth: int) -> None:
        for element in parent:
            name = canonical(element)
            handler = HANDLERS.get(name)
            if handler:
                handler(entry, element, depth)
                continue
            if (name in HANDLED and name not in _HARMLESS and name not in PERSON) or name in _KEYS:
                raise DoubtError(f"<{name}> in an entry")
            if len(element):
                self._walk(entry, element, depth + 1)

    def _items(self, feed: str, base: str) -> list[Item]:
        tongues = self.root.xpath("boolean(//@xml:lang | //@lang)") if self.entries else False
        made = []
        for entry in self.entries:
            values = entry.values
            lang = _lang(entry.title_element) if tongues else ""
            made.append(
                build(
                    feed=feed,
                    base=base,
                    guid=values.get("id", ""),
                    link=values.get("link", ""),
                    title=values.get("title", ""),
                    summary=values.get("summary", ""),
                    contents=entry.contents,
                    stamps=[_stamp(entry, key) for key in ("published", "updated", "created")],
                    authors=entry.authors,
                    lang=lang or self.lang,
                )
            )
        return made


def _stamp(entry: Entry, key: str) -> Stamp:
    parsed = entry.parsed.get(key)
    return Stamp(raw=entry.values.get(key, ""), when=parsed.when if parsed else None)


def _lang(element: Element) -> str:
    """The language in force at an element: the nearest declaration, an empty one included."""
    while element is not None:
        declared = element.get(XML_LANG, element.get("lang"))
        if declared is not None:
            return str(declared).replace("_", "-")
        element = element.getparent()
    return ""
