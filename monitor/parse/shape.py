"""What every parser of this package hands back, built in one place so that they cannot differ in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from feedparser.api import _parse_date

from monitor.model import Item
from monitor.text.plain import plain_text

MOST_ENTRIES = 5_000
"""A feed of 100,000 entries (18 MB) kept feedparser busy for more than 20 s; none in the wild has over 1,000."""

MOST_MARKUP = 4_000_000
"""Code points kept of one text. Items with pictures inside have up to 2.4 million (real feeds); without a bound one of
19 MB took a child 457 MB."""

_MOST_CONTENTS = 16
_LONGEST_LINK = 8_192

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_ORDINARY = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:[/?#]|$)")
_MARKUP = re.compile(r"<[^<>]{0,2000}>|&#?\w{1,32};")
"""Tags and entities: their letters are not those of the text."""
_LETTER = re.compile(r"[^\W\d_]|\ufffd")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A feed as it was read. `kind` is feedparser's name of the format ("rss20", "atom10", "json11")."""

    items: tuple[Item, ...]
    title: str = ""
    lang: str = ""
    kind: str = ""
    gate: str = "plain"
    """Which parser read it: "plain" for the fast one, else why the document went to feedparser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One date of an entry: as written and as read."""

    raw: str
    when: datetime | None


def date(raw: str) -> Stamp:
    """Read a date by feedparser's rules: any zone becomes UTC, what cannot be read is None, 1970 and 2099 stay."""
    return Stamp(raw=raw, when=_moment_of(raw))


@lru_cache(maxsize=4_096)
def _moment_of(raw: str) -> datetime | None:
    return moment(_parse_date(raw))


def moment(parts: Any) -> datetime | None:
    """Turn feedparser's nine-tuple (UTC) into an aware datetime."""
    if not parts:
        return None
    try:
        year, month, day, hour, minute, second = parts[:6]
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def absolute(link: str, base: str) -> str:
    """Make a link absolute; empty when it is no http or https address (javascript:, file:, mailto: and the like)."""
    link = (link if link.isprintable() else _CONTROLS.sub("", link)).strip()
    if not link or len(link) > _LONGEST_LINK:
        return ""
    if _ORDINARY.match(link):
        return link
    try:
        whole = urljoin(base, link)
        parts = urlsplit(whole)
        usable = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = None
    return whole if usable else ""


def clean(text: str) -> str:
    """Replace what no database can store: lone surrogates and NUL."""
    try:
        text.encode()  # 20 times faster than to search for what is rarely there
    except UnicodeEncodeError:
        return _UNSTORABLE.sub("\ufffd", text)
    return _UNSTORABLE.sub("\ufffd", text) if "\0" in text else text


def lost(items: Iterable[Item]) -> float:
    """Share of the letters of titles and texts that came as U+FFFD, 0 to 1.

    Counted before anything is made plain text, which holds no U+FFFD any more.
    """
    texts = [text for item in items for text in (item.title, item.html)]
    if not any("\ufffd" in text for text in texts):
        return 0.0
    letters = Counter(letter == "\ufffd" for text in texts for letter in _LETTER.findall(_MARKUP.sub(" ", text)))
    return letters[True] / max(1, letters.total())


def build(
    *,
    feed: str,
    base: str,
    guid: str,
    link: str,
    title: str,
    summary: str,
    contents: Sequence[str],
    stamps: Sequence[Stamp],
    authors: Iterable[str],
    lang: str,
) -> Item:
    """Make the item. `stamps` in order of preference: the first that could be read counts, else the first written."""
    written = [s for s in stamps if s.raw]
    stamp = next((s for s in written if s.when), written[0] if written else Stamp(raw="", when=None))
    return Item(
        feed=feed,
        guid=clean(guid),
        url=absolute(clean(link), base),
        title=clean(title[:MOST_MARKUP]),
        html=clean(_body(contents, summary)),
        summary=clean(summary[:MOST_MARKUP]),
        published=stamp.when,
        published_raw=clean(stamp.raw),
        authors=tuple(dict.fromkeys(clean(a) for a in authors if a)),
        lang=clean(lang),
    )


def _body(contents: Sequence[str], summary: str) -> str:
    """The longest text; what other contents say that does not stand in it comes behind.

    Media descriptions and texts in several types are contents, too, and may say something else than the article.
    """
    body = max([*contents, summary], key=len)[:MOST_MARKUP]
    others = [content for content in contents[:_MOST_CONTENTS] if content and content is not body]
    if not others:
        return body
    told = _squeezed(body)
    for content in others:
        words = _squeezed(content[: MOST_MARKUP - len(body)])
        if words and words not in told:
            body = f"{body}\n<p>{content}"[:MOST_MARKUP]
            told = f"{told} {words}"
    return body


def _squeezed(markup: str) -> str:
    return " ".join(plain_text(markup).split())
