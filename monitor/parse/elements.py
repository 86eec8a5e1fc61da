"""What the elements of an entry do to it, one function each, in feedparser's way.

The order of events decides in feedparser: which of two titles counts, when a second description becomes the content,
what a deeper element may not overwrite. These functions repeat it for elements that hold plain text; whatever would
need more is a DoubtError.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

from feedparser.html import _cp1252
from feedparser.mixin import _FeedParserMixin
from lxml import etree

from monitor.parse.shape import Stamp, date

Element = Any
"""lxml ships no types."""

NAMESPACES = {uri.lower(): prefix for uri, prefix in _FeedParserMixin.namespaces.items()}
HANDLED = {name[7:].replace("_", ":", 1) for name in dir(_FeedParserMixin) if name.startswith("_start_")}
"""What feedparser acts on; a name that a later version adds becomes a doubt by itself."""


PERSON = frozenset({"name", "email", "uri", "url", "homepage"})
_ATOM_SOURCE = frozenset({
    "id", "title", "updated", "link", "author", "subtitle", "rights", "logo", "icon", "category", "generator",
    "contributor",
})  # fmt: skip
_MARKUP_TYPES = {"text/html", "html", "application/xhtml+xml", "xhtml"}
_TEXT_TYPES = {"", "text", "html", "plain", "text/html", "text/plain"}

_ATTRIBUTES = frozenset({"base", "href", "ispermalink", "lang", "mode", "rel", "src", "type", "uri", "url"})

_SLASHES = re.compile("^([A-Za-z][A-Za-z0-9+-.]*://)(/*)(.*?)")
_C1 = re.compile("[\x80-\x9f]")
_AMPERSANDS = re.compile("&([A-Za-z0-9_]+);")
_MAIL = re.compile(
    r"(([a-zA-Z0-9\_\-\.\+]+)@((\[[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.)|(([a-zA-Z0-9\-]+\.)+))"
    r"([a-zA-Z]{2,4}|[0-9]{1,3})(\]?))(\?subject=\S+)?"
)
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


class DoubtError(Exception):
    """The document is not plain; the text says why."""


def _resolve(link: str) -> str:
    """What feedparser does to an address when there is no base: slashes too many go."""
    return _SLASHES.sub(r"\1\3", link) if ":///" in link else link


def _repair(text: str) -> str:
    """Undo UTF-8 read as Latin-1, and put Windows letters where C1 controls stand, as feedparser does."""
    if text.isascii():
        return text
    with contextlib.suppress(UnicodeEncodeError, UnicodeDecodeError):
        text = text.encode("iso-8859-1").decode("utf-8")
    return text.translate(_cp1252) if _C1.search(text) else text


def _raw(element: Element) -> str:
    if len(element):
        raise DoubtError(f"markup inside <{_local(element)}>")
    return (element.text or "").strip()


def text_of(element: Element) -> str:
    """Text of an element without children, stripped and repaired; a child is a doubt."""
    return _repair(_raw(element))


def _local(element: Element) -> str:
    return str(etree.QName(element).localname).lower()


def attributes_of(element: Element) -> dict[str, str]:
    """Attributes by lower-case name; a namespace that feedparser would ignore is a doubt where it matters."""
    if not element.attrib:
        return {}
    found = {}
    for name, value in element.attrib.items():
        key = name.lower()
        if name[0] == "{" and name not in (XML_LANG, XML_BASE, ABOUT):
            key = name.rpartition("}")[2].lower()
            if key in _ATTRIBUTES:  # feedparser looks at the local name only
                raise DoubtError(f"foreign attribute on <{_local(element)}>")
        found[key] = value.lower() if key in ("rel", "type") else value
    return found


def _markup(element: Element) -> str:
    """Text of an element that can hold markup; typed content that would have to be decoded is a doubt."""
    if element.attrib:
        attributes = attributes_of(element)
        if attributes.get("type", "") not in _TEXT_TYPES or attributes.get("mode") == "base64":
            raise DoubtError(f"typed content in <{_local(element)}>")
    return text_of(element)


def _mail_apart(author: str) -> str:
    """The name in "a@example.org (Name)", as feedparser takes it apart; the address when there is no name."""
    match = _MAIL.search(author) if "@" in author else None
    if not match:
        return author
    author = author.replace(match.group(0), "").replace("()", "").replace("<>", "").replace("&lt;&gt;", "").strip()
    return author.removeprefix("(").removesuffix(")").strip() or match.group(0)


class Entry:
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


def take_title(entry: Entry, element: Element, depth: int) -> None:
    """Keep a title unless one at this depth or further out has spoken."""
    value = _markup(element)
    if not -1 < entry.title_depth <= depth and entry.store("title", value, depth):
        entry.title_element = element
    if value:
        entry.title_depth = depth


def _media_title(entry: Entry, element: Element, depth: int) -> None:
    before = entry.title_depth
    take_title(entry, element, depth)
    entry.title_depth = before


def _description(entry: Entry, element: Element, depth: int) -> None:
    value = _markup(element)
    if "summary" in entry.values and not entry.has_content:  # a second one counts as the content
        entry.has_content = True
        entry.contents.append(value)
    else:
        entry.store("summary", value, depth)


def _abstract(entry: Entry, element: Element, depth: int) -> None:
    entry.store("summary", _markup(element), depth)


def _content(entry: Entry, element: Element, _depth: int) -> None:
    value = _markup(element)
    entry.has_content = True
    entry.contents.append(value)
    entry.values.setdefault("summary", value)


def _link(entry: Entry, element: Element, _depth: int) -> None:
    attributes = attributes_of(element)
    href = attributes.get("url", attributes.get("uri", attributes.get("href")))
    if href or "href" in attributes:
        kind = attributes.get("type", "text/html")
        if attributes.get("rel", "alternate") == "alternate" and kind in _MARKUP_TYPES:
            entry.values["link"] = _resolve(href or "")
        if len(element):
            raise DoubtError("markup inside <link>")
        return
    value = _repair(_resolve(_raw(element)))
    entry.values["link"] = _AMPERSANDS.sub(r"&\g<1>", value.replace("&amp;", "&")) if "&" in value else value


def _guid(entry: Entry, element: Element, depth: int) -> None:
    is_link = attributes_of(element).get("ispermalink", "true") == "true"
    value = _repair(_resolve(_raw(element)) if is_link else _raw(element))
    entry.store("id", value, depth)
    if is_link:
        entry.values.setdefault("link", value)


def _date_of(key: str) -> Callable[[Entry, Element, int], None]:
    def handle(entry: Entry, element: Element, depth: int) -> None:
        value = text_of(element)
        entry.store(key, value, depth)
        entry.parsed[key] = date(value)

    return handle


def _author(entry: Entry, element: Element, _depth: int) -> None:
    if not len(element):
        entry.authors.append(_mail_apart(text_of(element)))
        return
    name = mail = ""
    for child in element:
        part = canonical(child)
        if part not in PERSON and (":" not in part or len(child)):
            raise DoubtError(f"<{part}> in an author")
        if part == "name":
            name = _raw(child)
        elif part == "email":
            mail = _raw(child)
    entry.authors.append(name or mail)


def _contributor(_entry: Entry, element: Element, _depth: int) -> None:
    for child in element:
        if canonical(child) not in PERSON or len(child):
            raise DoubtError("unusual contributor")


def _source(entry: Entry, element: Element, depth: int) -> None:
    entry.title_depth = -1
    for child in element:
        name = canonical(child)
        if name not in _ATOM_SOURCE or (len(child) and name not in ("author", "contributor")):
            raise DoubtError(f"<{name}> in a source")
        if name == "title" and text_of(child):
            entry.title_depth = depth + 1


def _image(entry: Entry, element: Element, depth: int) -> None:
    entry.title_depth = -1
    for child in element:
        name = canonical(child)
        if name == "title":
            take_title(entry, child, depth + 1)
        elif name not in ("link", "url", "width", "height") or child.attrib or len(child):
            raise DoubtError(f"<{name}> in the image of an entry")


HANDLERS: dict[str, Callable[[Entry, Element, int], None]] = {
    "title": take_title, "dc:title": take_title, "media:title": _media_title,
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


def canonical(element: Element) -> str:
    """The name under which feedparser knows an element: lower case, known namespaces by their usual prefix."""
    tag = element.tag
    name = _NAMES.get(tag)
    if name is not None:
        return name
    if not isinstance(tag, str):
        raise DoubtError("entity reference")
    uri, _, local = tag[1:].rpartition("}") if tag[0] == "{" else ("", "", tag)
    uri = uri.lower()
    known = "" if not uri or "backend.userland.com/rss" in uri else NAMESPACES.get(uri)
    prefix = (element.prefix or "") if known is None else known
    name = f"{prefix}:{local}".lower() if prefix else local.lower()
    if known is not None and len(_NAMES) < 2_000:
        _NAMES[tag] = name
    return name
