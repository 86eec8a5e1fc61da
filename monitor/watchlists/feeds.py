"""feeds.yaml: what is polled, and which outlets have nothing to poll. Read whole; written by adding lines only."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import blake2b
from urllib.parse import SplitResult, urlsplit

from monitor._yaml import List, Map, Node, Reader, Text, parse
from monitor.errors import ConfigError, Problem
from monitor.model import Feed
from monitor.watchlists.checks import MAX_SLUG, language, slug, slugged, slugs

FEED_KEYS = ("id", "url", "title", "lang", "country", "tier", "kind", "every", "fulltext", "tags", "note")
FEED_KINDS = ("news", "agency", "government", "think-tank", "broadcaster", "party", "organisation", "blog", "other")
MAX_URL = 2048
_UNSAFE = re.compile(r"[\s\x00-\x20\x7f\\<>\"^`{|}]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PERIOD = re.compile(r"([0-9]{1,5})([mhd]?)")
_MINUTES = {"": 1, "m": 1, "h": 60, "d": 1440}


def read_feeds(name: str, source: bytes | str) -> tuple[Feed, ...]:
    """Read feeds.yaml; `name` stands in messages. An empty file is no feed. Raises ConfigError with every problem."""
    root = parse(name, source)
    if isinstance(root, Text) and not root.value:
        return ()
    reader = Reader(name)
    fields = reader.fields(root, "The list of feeds", ("feeds",), ("feeds",))
    listed = fields.get("feeds")
    found: list[tuple[Node, Feed]] = []
    if not (isinstance(listed, List) and not listed.items):  # nothing to poll yet is no mistake
        found = [(item, _feed(reader, item)) for item in reader.items(listed, "`feeds`")]
    feeds = _named(reader, found)
    reader.finish()
    return feeds


def shown(url: str) -> str:
    """Return an address for messages: without user and password, at most 80 characters."""
    return re.sub(r"//[^/?#]*@", "//", url)[:80]


def _feed(reader: Reader, node: Node) -> Feed:
    fields = reader.fields(node, "A feed", FEED_KEYS)
    address = fields.get("url")
    url = _url(reader, address) if address else ""
    named = fields.get("id")
    title = reader.text(fields.get("title"), "`title`")
    if not address and not title and isinstance(node, Map):
        reader.complain(node, "A feed needs a `url`, or a `title` when there is none to poll.", "Add one.")
    lang = fields.get("lang")
    host = urlsplit(url).hostname if url else ""
    return Feed(
        id=slug(reader, named, "id of a feed") if isinstance(named, Text) else reader.text(named, "`id`"),
        url=url,
        title=title or host or "",
        lang=language(reader, lang) if isinstance(lang, Text) else reader.text(lang, "`lang`"),
        country=_country(reader, fields.get("country")),
        tier=reader.number(fields.get("tier"), "`tier`", 2, 1, 3),
        kind=reader.choice(fields.get("kind"), "kind of feed", FEED_KINDS, "news"),
        every=_minutes(reader, fields.get("every")),
        fulltext=reader.flag(fields.get("fulltext"), "`fulltext`", default=False),
        tags=tuple(tag.value for tag in slugs(reader, fields.get("tags"), "tags", single=True)),
        note=reader.text(fields.get("note"), "`note`"),
        line=node.line,
    )


def _url(reader: Reader, node: Node) -> str:
    """Return an http or https address with a host; an empty string and a problem for anything else."""
    url = reader.text(node, "`url`")
    if not url:
        return ""
    if len(url) > MAX_URL:
        reader.complain(node, f"The address is longer than {MAX_URL:,} characters.", "Shorten it.")
        return ""
    unsafe = _UNSAFE.search(url)
    parts = _split(url)
    if unsafe or parts is None:
        why = f"a `{unsafe[0]}` stands in it" if unsafe and unsafe[0].isprintable() else "its host or port is wrong"
        reader.complain(node, f"`{shown(url)}` is no address of a feed: {why}.", "Copy it from the browser again.")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = "It starts with https:// or http:// and names a host."
        reader.complain(node, f"`{shown(url)}` is no address of a feed.", hint)
    else:
        return url
    return ""


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address, or None when its host or port cannot be read."""
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _country(reader: Reader, node: Node | None) -> str:
    value = reader.text(node, "`country`").lower()
    if node is not None and value and not re.fullmatch("[a-z]{2}", value):
        reader.complain(node, f"`{value[:60]}` is no country.", "Write its two letters, such as iq or tr.")
        return ""
    return value


def _minutes(reader: Reader, node: Node | None) -> int:
    """Return minutes between polls: 30, 30m, 2h or 1d; at least one minute, at most a week."""
    value = reader.text(node, "`every`")
    if node is None or not value:
        return 0
    read = _PERIOD.fullmatch(value)
    minutes = int(read[1]) * _MINUTES[read[2]] if read else 0
    if 1 <= minutes <= 7 * 1440:
        return minutes
    reader.complain(node, f"`{value[:60]}` is no time between polls.", "Write minutes, or such as 30m, 2h or 1d.")
    return 0


def _named(reader: Reader, found: list[tuple[Node, Feed]]) -> tuple[Feed, ...]:
    """Give every feed its id; ids and addresses are unique."""
    taken = {feed.id: feed.line for _, feed in reversed(found) if feed.id}
    urls: dict[str, int] = {}
    feeds: list[Feed] = []
    used: set[str] = set()
    for node, feed in found:
        if feed.url and feed.url in urls:
            sentence = f"`{shown(feed.url)}` is listed twice (first in line {urls[feed.url]})."
            reader.complain(node, sentence, "Delete one.")
        urls.setdefault(feed.url, feed.line)
        if feed.id and feed.id in used:
            reader.complain(node, f"Two feeds have the id `{feed.id}` (first in line {taken[feed.id]}).", "Rename one.")
        named = feed if feed.id else _with_id(feed, used | taken.keys())
        used.add(named.id)
        feeds.append(named)
    return tuple(feeds)


def _with_id(feed: Feed, taken: set[str]) -> Feed:
    """Name a feed after host, path and query; by title when it has no address; with a hash when that is taken."""
    parts = urlsplit(feed.url)
    host = parts.netloc.rpartition("@")[2].lower().removeprefix("www.")
    made = slugged(f"{host} {parts.path} {parts.query}") or slugged(feed.title)
    if not made or made in taken or len(made) == MAX_SLUG:
        digest = blake2b((feed.url or feed.title).encode(), digest_size=4).hexdigest()
        made = f"{made[: MAX_SLUG - 9].rstrip('-')}-{digest}".strip("-")
    return replace(feed, id=made)


def same_address(url: str) -> str:
    """What two spellings of one address share: no scheme, `www.`, login, usual port, fragment or last slash."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port not in {None, 80, 443} else ""
    except ValueError:
        return url
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{port}{parts.path.rstrip('/')}{'?' + parts.query if parts.query else ''}"


def named(feed: Feed, taken: Collection[str]) -> Feed:
    """The feed with an id that is not taken: its own, else one made of its address."""
    return feed if feed.id else _with_id(feed, set(taken))


def fault_of(feed: Feed) -> str:
    """Why this feed cannot stand in feeds.yaml, in one or two sentences; empty when it can."""
    try:
        read = read_feeds("", f"feeds:\n{_line(feed, '')}\n")
    except ConfigError as error:
        problem = error.problems[0]
        return f"{problem.sentence} {problem.hint}".strip()
    return "" if _is_plain(feed) and _same(read, (feed,)) else "It holds letters that no list of feeds can hold."


def with_feeds(name: str, source: bytes, added: Sequence[Feed], remark: str = "") -> tuple[str, tuple[int, ...]]:
    """The text of feeds.yaml with these feeds at its end, all else as it was, and the line of each.

    `added` have ids; `remark` becomes a comment above them. Raises ConfigError when the file is wrong as it is, or is
    written in a way to which no line can be added.
    """
    before = read_feeds(name, source)
    text, indent = _opened(name, source)
    end = "\r\n" if "\r\n" in text else "\n"
    text += end if text and not text.endswith("\n") else ""
    rows = [f"{indent}# {' '.join(remark.split())}"] if remark else []
    first = text.count("\n") + len(rows) + 1
    whole = text + end.join([*rows, *(_line(feed, indent) for feed in added), ""])
    read = read_feeds(name, whole)
    if not _same(read, (*before, *added)) or not all(_is_plain(feed) for feed in added):
        hint = "Write each feed on a line of its own that begins with `- `."
        raise ConfigError(
            Problem(name, first, 1, "No line can be added here without changing what stands above.", hint)
        )
    return whole, tuple(range(first, first + len(added)))


def _is_plain(feed: Feed) -> bool:
    """Whether nothing in it would move a terminal's cursor."""
    return not _CONTROLS.search(feed.title + feed.note)


def _same(one: Sequence[Feed], other: Sequence[Feed]) -> bool:
    return [replace(f, line=0) for f in one] == [replace(f, line=0) for f in other]


def _opened(name: str, source: bytes) -> tuple[str, str]:
    """(the text, ready for another feed at its end; what stands before the `-` of each)."""
    text = source.decode("utf-8-sig")
    tree = parse(name, source)
    listed = next((value for _, value in tree.entries), None) if isinstance(tree, Map) else None
    if listed is None:
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}feeds:\n", "  "
    if not isinstance(listed, List):
        return text, "  "
    line = text.splitlines()[listed.line - 1]
    if line[listed.column - 1 : listed.column] == "-":
        return text, line[: listed.column - 1]
    empty = re.fullmatch(r"(.*feeds\s*:)\s*\[\s*\](\s*(?:#.*)?)", line)
    if empty is None:
        hint = "Write each feed on a line of its own that begins with `- `."
        raise ConfigError(Problem(name, listed.line, listed.column, "The list of feeds stands in brackets.", hint))
    lines = text.splitlines(keepends=True)
    lines[listed.line - 1] = lines[listed.line - 1].replace(line, empty[1] + empty[2])
    return "".join(lines), "  "


def _line(feed: Feed, indent: str) -> str:
    """One feed as one line; what is as usual is left out."""
    usual = Feed(id="")
    texts = {"url": feed.url, "title": feed.title}
    shown = {key: json.dumps(value, ensure_ascii=False) for key, value in texts.items() if value}
    shown |= {key: value for key, value in (("lang", feed.lang), ("country", feed.country)) if value}
    shown |= {"tier": str(feed.tier)} if feed.tier != usual.tier else {}
    shown |= {"kind": feed.kind} if feed.kind != usual.kind else {}
    shown |= {"every": f"{feed.every}m"} if feed.every else {}
    shown |= {"fulltext": "yes"} if feed.fulltext else {}
    shown |= {"tags": f"[{', '.join(feed.tags)}]"} if feed.tags else {}
    shown |= {"note": json.dumps(feed.note, ensure_ascii=False)} if feed.note else {}
    return f"{indent}- {{id: {feed.id}, {', '.join(f'{key}: {value}' for key, value in shown.items())}}}"
