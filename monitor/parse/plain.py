"""The gate and the fast parser behind it: lxml for documents that are plain beyond doubt.

The parser follows feedparser element by element, its order of events included, for the elements it knows to the end.
Everything else is a doubt, told in words, and the document goes to feedparser. So the gate needs no opinion on what a feed
ought to look like; it only has to recognise where it cannot vouch for the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from feedparser.encodings import convert_to_utf8
from feedparser.html import _cp1252
from feedparser.mixin import _FeedParserMixin
from lxml import etree

from monitor.model import Item
from monitor.parse.shape import MOST_ENTRIES, Parsed, Stamp, build, date

Element = Any
"""lxml ships no types."""

_NAMESPACES = {uri.lower(): prefix for uri, prefix in _FeedParserMixin.namespaces.items()}
_HANDLED = {name[7:].replace("_", ":", 1) for name in dir(_FeedParserMixin) if name.startswith("_start_")}
"""What feedparser acts on; a name that a later version adds becomes a doubt by itself."""

_ATOM, _ATOM03, _RSS10 = "http://www.w3.org/2005/atom", "http://purl.org/atom/ns#", "http://purl.org/rss/1.0/"
_RSS_KINDS = {"0.91": "rss091u", "0.92": "rss092", "0.93": "rss093", "0.94": "rss094"}

_KEYS = frozenset({
    "authors", "author_detail", "created_parsed", "date", "date_parsed", "description_detail", "entries", "feed", "guidislink",
    "href", "issued_parsed", "items", "links", "modified_parsed", "published_parsed", "summary_detail", "title_detail",
    "updated_parsed",
})  # fmt: skip
"""Elements of these names would land where feedparser keeps its own results."""

_HARMLESS = frozenset({
    "admin:errorreportsto", "admin:generatoragent", "category", "cloud", "comments", "copyright", "creativecommons:license",
    "cc:license", "dc:contributor", "dc:language", "dc:publisher", "dc:rights", "dc:subject", "dcterms:valid", "enclosure",
    "expirationdate", "feedburner:browserfriendly", "generator", "georss:box", "georss:line", "georss:point",
    "georss:polygon", "info", "itunes:category", "itunes:email", "itunes:image", "itunes:link", "itunes:name",
    "itunes:owner", "itunes:subtitle", "keywords", "language", "media:category", "media:content", "media:credit",
    "media:group", "media:license", "media:player", "media:rating", "media:restriction", "media:thumbnail", "rights",
    "subtitle", "tagline", "tags", "webmaster",
})  # fmt: skip
"""Handled by feedparser without touching what we take."""

_PERSON = frozenset({"name", "email", "uri", "url", "homepage"})
_IMAGE = frozenset({"title", "link", "description", "url", "href", "width", "height"})
_TEXT_INPUT = frozenset({"title", "description", "name", "link"})
_ATOM_SOURCE = frozenset({
    "id", "title", "updated", "link", "author", "subtitle", "rights", "logo", "icon", "category", "generator", "contributor",
})  # fmt: skip
_MARKUP_TYPES = {"text/html", "html", "application/xhtml+xml", "xhtml"}
_TEXT_TYPES = {"", "text", "html", "plain", "text/html", "text/plain"}

_DECLARED = re.compile(rb"xmlns:([\w.-]+)\s*=\s*[\"']([^\"']*)[\"']")
_DECLARATION = re.compile(rb"<[!?][A-Za-z]|<!\[CDATA\[")
_SLASHES = re.compile("^([A-Za-z][A-Za-z0-9+-.]*://)(/*)(.*?)")
_C1 = re.compile("[\x80-\x9f]")
_AMPERSANDS = re.compile("&([A-Za-z0-9_]+);")
_MAIL = re.compile(
    r"(([a-zA-Z0-9\_\-\.\+]+)@((\[[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.)|(([a-zA-Z0-9\-]+\.)+))"
    r"([a-zA-Z]{2,4}|[0-9]{1,3})(\]?))(\?subject=\S+)?"
)
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


class _DoubtError(Exception):
    """The document is not plain; the text says why."""


def read(feed: str, body: bytes, content_type: str, base_url: str) -> Parsed | str:
    """Read a plain document, or say why it is not plain."""
    try:
        return _Document(_root(body, content_type)).parsed(feed, base_url)
    except _DoubtError as doubt:
        return str(doubt)


def _root(body: bytes, content_type: str) -> Element:
    facts: dict[str, Any] = {}
    data = convert_to_utf8({"content-type": content_type} if content_type else {}, body, facts)
    if not facts["encoding"]:
        raise _DoubtError("unknown encoding")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"<!doctype" in data[:2_000]:
        raise _DoubtError("document type declaration")
    declared = {p.decode().lower(): _NAMESPACES.get(u.decode().lower()) for p, u in _DECLARED.findall(data)}
    known = set(_NAMESPACES.values())
    if any(p in known and to is not None and to.lower() != p for p, to in declared.items()):
        raise _DoubtError("a usual prefix for an unusual namespace")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise _DoubtError("not well-formed") from None
    if b"base=" in data and root.xpath("boolean(//@xml:base | //@base)"):
        raise _DoubtError("xml:base")
    return root


def _resolve(link: str) -> str:
    """What feedparser does to an address when there is no base: slashes too many go."""
    return _SLASHES.sub(r"\1\3", link)


def _repair(text: str) -> str:
    """Undo UTF-8 read as Latin-1, and put Windows letters where C1 controls stand, as feedparser does."""
    if text.isascii():
        return text
    try:
        text = text.encode("iso-8859-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        pass
    return text.translate(_cp1252) if _C1.search(text) else text


def _raw(element: Element) -> str:
    if len(element):
        raise _DoubtError(f"markup inside <{_local(element)}>")
    return (element.text or "").strip()


def _text(element: Element) -> str:
    return _repair(_raw(element))


def _local(element: Element) -> str:
    return str(etree.QName(element).localname).lower()


def _attributes(element: Element) -> dict[str, str]:
    if not element.attrib:
        return {}
    found = {}
    for name, value in element.attrib.items():
        if name[0] == "{" and name not in (_XML_LANG, _ABOUT):
            raise _DoubtError(f"foreign attribute on <{_local(element)}>")
        key = name.lower()
        found[key] = value.lower() if key in ("rel", "type") else value
    return found


def _markup(element: Element) -> str:
    """Text of an element that can hold markup; typed content that would have to be decoded is a doubt."""
    if element.attrib:
        attributes = _attributes(element)
        if attributes.get("type", "") not in _TEXT_TYPES or attributes.get("mode") == "base64":
            raise _DoubtError(f"typed content in <{_local(element)}>")
    return _text(element)


def _mail_apart(author: str) -> str:
    """The name in "a@example.org (Name)", as feedparser takes it apart."""
    match = _MAIL.search(author) if "@" in author else None
    if not match:
        return author
    author = author.replace(match.group(0), "").replace("()", "").replace("<>", "").replace("&lt;&gt;", "").strip()
    return author.removeprefix("(").removesuffix(")").strip()


class _Entry:
    """An entry while its elements go by; the order of events is feedparser's."""

    __slots__ = ("authors", "contents", "depths", "has_content", "parsed", "title_depth", "title_element", "values")

    def __init__(self, *, has_content: bool = False) -> None:
        self.values: dict[str, str] = {}
        self.depths: dict[str, int] = {}
        self.parsed: dict[str, Stamp] = {}
        self.contents: list[str] = []
        self.authors: list[str] = []
        self.title_depth = -1
        self.title_element: Element = None
        self.has_content = has_content

    def store(self, key: str, value: str, depth: int) -> bool:
        """Keep a value unless one from further out is there."""
        if depth > self.depths.get(key, depth):
            return False
        self.depths[key] = depth
        self.values[key] = value
        return True


def _title(entry: _Entry, element: Element, depth: int) -> None:
    value = _markup(element)
    if not -1 < entry.title_depth <= depth and entry.store("title", value, depth):
        entry.title_element = element
    if value:
        entry.title_depth = depth


def _media_title(entry: _Entry, element: Element, depth: int) -> None:
    before = entry.title_depth
    _title(entry, element, depth)
    entry.title_depth = before


def _description(entry: _Entry, element: Element, depth: int) -> None:
    value = _markup(element)
    if "summary" in entry.values and not entry.has_content:  # a second one counts as the content
        entry.has_content = True
        entry.contents.append(value)
    else:
        entry.store("summary", value, depth)


def _abstract(entry: _Entry, element: Element, depth: int) -> None:
    entry.store("summary", _markup(element), depth)


def _content(entry: _Entry, element: Element, _depth: int) -> None:
    value = _markup(element)
    entry.has_content = True
    entry.contents.append(value)
    entry.values.setdefault("summary", value)


def _link(entry: _Entry, element: Element, _depth: int) -> None:
    attributes = _attributes(element)
    href = attributes.get("url", attributes.get("uri", attributes.get("href")))
    if href or "href" in attributes:
        kind = attributes.get("type", "text/html")
        if attributes.get("rel", "alternate") == "alternate" and kind in _MARKUP_TYPES:
            entry.values["link"] = _resolve(href or "")
        if len(element):
            raise _DoubtError("markup inside <link>")
        return
    value = _repair(_resolve(_raw(element)))
    entry.values["link"] = _AMPERSANDS.sub(r"&\g<1>", value.replace("&amp;", "&")) if "&" in value else value


def _guid(entry: _Entry, element: Element, depth: int) -> None:
    is_link = _attributes(element).get("ispermalink", "true") == "true"
    value = _repair(_resolve(_raw(element)) if is_link else _raw(element))
    entry.store("id", value, depth)
    if is_link:
        entry.values.setdefault("link", value)


def _date_of(key: str) -> Callable[[_Entry, Element, int], None]:
    def handle(entry: _Entry, element: Element, depth: int) -> None:
        value = _text(element)
        entry.store(key, value, depth)
        entry.parsed[key] = date(value)

    return handle


def _author(entry: _Entry, element: Element, _depth: int) -> None:
    if not len(element):
        entry.authors.append(_mail_apart(_text(element)))
        return
    name = mail = ""
    for child in element:
        part = _canonical(child)
        if part not in _PERSON and (":" not in part or len(child)):
            raise _DoubtError(f"<{part}> in an author")
        if part == "name":
            name = _raw(child)
        elif part == "email":
            mail = _raw(child)
    entry.authors.append(name or mail)


def _contributor(_entry: _Entry, element: Element, _depth: int) -> None:
    for child in element:
        if _canonical(child) not in _PERSON or len(child):
            raise _DoubtError("unusual contributor")


def _source(entry: _Entry, element: Element, depth: int) -> None:
    entry.title_depth = -1
    for child in element:
        name = _canonical(child)
        if name not in _ATOM_SOURCE or (len(child) and name not in ("author", "contributor")):
            raise _DoubtError(f"<{name}> in a source")
        if name == "title" and _text(child):
            entry.title_depth = depth + 1


def _image(entry: _Entry, element: Element, _depth: int) -> None:
    _raw(element)
    entry.title_depth = -1


_HANDLERS: dict[str, Callable[[_Entry, Element, int], None]] = {
    "title": _title, "dc:title": _title, "media:title": _media_title,
    "description": _description, "dc:description": _description, "media:description": _description,
    "summary": _description, "itunes:summary": _description, "abstract": _abstract,
    "content": _content, "content:encoded": _content, "fullitem": _content,
    "link": _link, "guid": _guid, "id": _guid,
    "author": _author, "managingeditor": _author, "dc:creator": _author, "dc:author": _author, "itunes:author": _author,
    "contributor": _contributor, "source": _source, "image": _image,
} | {
    name: _date_of(key)
    for key, names in {
        "published": ("published", "issued", "pubdate", "dcterms:issued"),
        "updated": ("updated", "modified", "lastbuilddate", "dc:date", "dcterms:modified"),
        "created": ("created", "dcterms:created"),
    }.items()
    for name in names
}  # fmt: skip

_NAMES: dict[str, str] = {}
"""Names in known namespaces; bounded, because a stranger chooses them."""


def _canonical(element: Element) -> str:
    """The name under which feedparser knows an element: lower case, known namespaces by their usual prefix."""
    tag = element.tag
    name = _NAMES.get(tag)
    if name is not None:
        return name
    if not isinstance(tag, str):
        raise _DoubtError("entity reference")
    uri, _, local = tag[1:].rpartition("}") if tag[0] == "{" else ("", "", tag)
    uri = uri.lower()
    known = "" if not uri or "backend.userland.com/rss" in uri else _NAMESPACES.get(uri)
    prefix = (element.prefix or "") if known is None else known
    name = f"{prefix}:{local}".lower() if prefix else local.lower()
    if known is not None and len(_NAMES) < 2_000:
        _NAMES[tag] = name
    return name


class _Document:
    """A whole feed while it is walked through."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.lang = ""
        self.head = _Entry()  # title of the feed; its rules are those of an entry
        self.summary_seen = False
        self.leak = False  # content in the head counts as content of the first entry
        self.entries: list[_Entry] = []
        self.elements: list[Element] = []

    def parsed(self, feed: str, base_url: str) -> Parsed:
        kind = self._kind()
        self._head(self.root, 1)
        title = self.head.values.get("title", "")
        return Parsed(items=tuple(self._items(feed, base_url)), title=title, lang=self.lang, kind=kind)

    def _kind(self) -> str:
        name, attributes = _canonical(self.root), {k.lower(): v for k, v in self.root.attrib.items()}
        spaces = {(uri or "").lower() for uri in self.root.nsmap.values()}
        own = str(etree.QName(self.root).namespace or "").lower()
        lang = attributes.get(_XML_LANG.lower(), attributes.get("lang", ""))
        if name in ("rss", "feed"):
            self.lang = lang.replace("_", "-")
        if name == "rss" and not spaces & {_RSS10, "http://my.netscape.com/rdf/simple/0.9/"}:
            version = attributes.get("version", "")
            return _RSS_KINDS.get(version) or ("rss20" if version.startswith("2.") else "rss")
        if name == "feed" and own == _ATOM and _RSS10 not in spaces:
            return "atom10"
        if name == "feed" and own == _ATOM03 and not spaces & {_ATOM, _RSS10} and attributes.get("version") == "0.3":
            return "atom03"
        if name == "rdf:rdf" and _RSS10 in spaces and _ATOM not in spaces:
            return "rss10"
        raise _DoubtError(f"<{name}> as root")

    def _head(self, parent: Element, depth: int) -> None:
        """Walk the elements that stand outside of entries, in order, and collect the entries."""
        for element in parent:
            name = _canonical(element)
            if name in ("item", "entry"):
                self._enter(element, depth)
            elif name == "channel" and depth == 1:
                self._plain_channel(element)
                self._head(element, depth + 1)
            elif name in ("image", "textinput"):
                self._picture(element, name, depth)
            else:
                self._head_element(element, name, depth)

    def _plain_channel(self, element: Element) -> None:
        if any(key.lower() in ("lastmod", "href") for key in element.attrib):
            raise _DoubtError("channel definition format")

    def _head_element(self, element: Element, name: str, depth: int) -> None:
        if name in ("title", "dc:title"):
            _title(self.head, element, 0)
            self.head.depths.clear()
        elif name in ("language", "dc:language"):
            self.lang = _text(element)
        elif name in ("description", "dc:description", "media:description", "summary", "itunes:summary"):
            self._head_summary(name)
        elif name in ("author", "managingeditor", "dc:creator", "itunes:author", "contributor", "itunes:owner"):
            return
        elif name in _HANDLERS and name not in ("link", "id", "guid", "media:title") and "date" not in name:
            if name not in ("published", "updated", "modified", "issued", "created"):
                raise _DoubtError(f"<{name}> outside of an entry")
        elif name in _HANDLED and name not in _HARMLESS | {"link", "id", "guid", "pubdate", "lastbuilddate"}:
            self._unless_known(name)
        for inner in element.iterdescendants():
            nested = _canonical(inner)
            if nested in _HANDLERS or nested in ("item", "entry", "channel"):
                raise _DoubtError(f"<{nested}> inside <{name}>")

    def _unless_known(self, name: str) -> None:
        if name not in _HANDLERS and name not in ("name", "email", "url", "uri", "homepage", "where"):
            raise _DoubtError(f"<{name}> outside of an entry")

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
            inner = _canonical(child)
            if inner not in allowed and not (":" in inner and inner not in _HANDLED):
                raise _DoubtError(f"<{inner}> in <{name}>")
            if inner == "title" and _text(child):
                self.head.title_depth = depth + 1

    def _enter(self, element: Element, depth: int) -> None:
        if len(self.entries) == MOST_ENTRIES:
            return
        attributes = element.attrib
        if any(key.lower() in ("lastmod", "href") for key in attributes):
            raise _DoubtError("channel definition format")
        entry = _Entry(has_content=self.leak)
        self.leak = False
        if attributes.get(_ABOUT):
            entry.values["id"] = attributes[_ABOUT]
        self._walk(entry, element, depth + 1)
        self.entries.append(entry)
        self.elements.append(element)

    def _walk(self, entry: _Entry, parent: Element, depth: int) -> None:
        for element in parent:
            name = _canonical(element)
            handler = _HANDLERS.get(name)
            if handler:
                handler(entry, element, depth)
                continue
            if (name in _HANDLED and name not in _HARMLESS) or name in _KEYS:
                raise _DoubtError(f"<{name}> in an entry")
            if len(element):
                self._walk(entry, element, depth + 1)

    def _items(self, feed: str, base: str) -> list[Item]:
        tongues = self.root.xpath("boolean(//@xml:lang | //@lang)")
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


def _stamp(entry: _Entry, key: str) -> Stamp:
    parsed = entry.parsed.get(key)
    return Stamp(raw=entry.values.get(key, ""), when=parsed.when if parsed else None)


def _lang(element: Element) -> str:
    """The language in force at an element: the nearest declaration, an empty one included."""
    while element is not None:
        declared = element.get(_XML_LANG, element.get("lang"))
        if declared is not None:
            return str(declared).replace("_", "-")
        element = element.getparent()
    return ""
