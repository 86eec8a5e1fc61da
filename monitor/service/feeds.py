"""The list of feeds: finding feeds of a site, adding them to feeds.yaml, OPML in and out.

What strangers send is fetched by the fetcher and read in the children, as in a poll. feeds.yaml belongs to people:
lines are added at its end, and nothing else in it is touched.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from monitor import extract, page, parse
from monitor.errors import ConfigError, MonitorError, Problem, TemporaryError, UsageError
from monitor.model import Failed, Feed, FeedState, Fetched, FetchResult
from monitor.ports import Clock, Fetcher
from monitor.sandbox import Done, Killed
from monitor.service.edit import FEEDS
from monitor.service.pieces import Children
from monitor.text.language import normal
from monitor.text.plain import one_line
from monitor.watchlists import fault_of, named, read_feeds, same_address, shown, with_feeds
from monitor.watchlists.opml import read_opml, without_login, write_opml

T = TypeVar("T")

MOST_NAMED = 12
"""Feeds of a page that are looked at."""

USUAL = ("feed/", "rss", "rss.xml", "feed.xml", "atom.xml", "index.xml", "feed.json")
"""Where sites keep their feeds; asked for only when the page names none that works."""

_CLEAR = 0.6
"""Share of a feed's articles that must be in one language for it to be the feed's."""

How = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a feed turned out to be."""

    title: str
    kind: str
    """Its format, by feedparser's name."""
    items: int
    newest: datetime | None
    lang: str
    """One of the six, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A feed that was found; `how` says where its address comes from, `listed` is its id in feeds.yaml, if any."""

    url: str
    how: How
    found: Examined
    listed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a look around brought."""

    candidates: tuple[Candidate, ...]
    looked: int
    """Addresses that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A feed that stands in feeds.yaml now."""

    feed: Feed
    file: Path
    line: int
    found: Examined
    moved: bool = False
    """It was added under the address to which the one that was given has moved for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an OPML file brought."""

    added: tuple[tuple[Feed, int], ...]
    """Feed and its line in feeds.yaml."""
    known: int
    refused: tuple[tuple[str, str], ...]
    """(address as shown, why)."""


def examine(body: bytes, content_type: str, url: str, seen: datetime) -> Examined | Failed:
    """Read a body as a feed; runs in a child."""
    parsed = parse.parse("new", body, content_type, url)
    if isinstance(parsed, Failed):
        return parsed
    articles = extract.articles(Feed(id="new", lang=normal(parsed.lang)), parsed.items, seen=seen)
    told = Counter(a.lang for a in articles)
    most = told.most_common(1)
    sure = most and most[0][1] >= _CLEAR * told.total() and (not parsed.lang or normal(parsed.lang))
    dates = [a.published for a in articles if a.published]
    return Examined(
        title=one_line(parsed.title)[:200],
        kind=parsed.kind,
        items=len(articles),
        newest=max(dates, default=None),
        lang=most[0][0] if most and sure else normal(parsed.lang),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedList:
    """feeds.yaml of a workspace and what is needed to look at new feeds."""

    folder: Path
    fetcher: Fetcher
    children: Children
    clock: Clock

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FEEDS

    def feeds(self) -> tuple[Feed, ...]:
        """The feeds as the file has them now. Raises ConfigError."""
        return read_feeds(FEEDS, self._source())

    def discover(self, url: str) -> Discovery:
        """The feeds of a page or site: the address itself, those that the page names, else those at the usual places.

        Raises UsageError for what is no web address, TemporaryError when it does not answer.
        """
        url = _whole(url)
        listed = {same_address(f.url): f.id for f in self.feeds() if f.url}
        first = self._fetched([url])[url]
        if isinstance(first, Failed) and not first.status:
            raise TemporaryError(f"{shown(url)} {first.message}.")
        looks = 1
        found = self._examined({url: first}, dict.fromkeys([url], "the address itself"), listed)
        if not found and isinstance(first, Fetched):
            links = self._links(first)
            how = {link.url: "named by the page" if link.declared else "linked on the page" for link in links}
            found, looks = self._examined(self._fetched(how), how, listed), looks + len(how)
        if not found:
            places = dict.fromkeys(_usual(first.url if isinstance(first, Fetched) else url), "at a usual place")
            found, looks = self._examined(self._fetched(places), places, listed), looks + len(places)
        return Discovery(candidates=tuple(found), looked=looks)

    def add(self, url: str, *, title: str = "", lang: str = "", country: str = "", name: str = "") -> Added:
        """Add a feed at the end of feeds.yaml, after reading it. `name` is the id it gets, `lang` overrules its own.

        Raises UsageError for a duplicate and for what cannot stand in the file, MonitorError for what is no feed,
        TemporaryError when it does not answer, ConfigError when feeds.yaml is wrong as it is.
        """
        wish = Feed(id=name, url=_whole(url), title=title, lang=normal(lang) or lang, country=country.lower())
        _refuse_fault(replace(wish, id=wish.id or "new", title=wish.title or "new"))
        _refuse_known(wish, self.feeds())
        result = self._fetched([wish.url])[wish.url]
        found = self._examine([result])[0]
        if isinstance(found, Failed):
            raise _no_feed(wish.url, found)
        moved = result.moved_to if isinstance(result, Fetched) else ""
        wish = replace(
            wish,
            url=moved or wish.url,
            title=wish.title or found.title or urlsplit(wish.url).hostname or "",
            lang=wish.lang or found.lang,
        )
        with self._edited() as source:
            listed = read_feeds(FEEDS, source)
            _refuse_known(wish, listed)
            feed = named(wish, {f.id for f in listed})
            _refuse_fault(feed)
            (line,) = self._append(source, [feed], "")
        return Added(feed=feed, file=self.path, line=line, found=found, moved=bool(moved))

    def import_opml(self, file: str, data: bytes) -> Imported:
        """Add the feeds of an OPML file that are not listed yet, without fetching them. Raises ConfigError."""
        wished = read_opml(file, data)
        refused: list[tuple[str, str]] = []
        added: list[Feed] = []
        with self._edited() as source:
            listed = read_feeds(FEEDS, source)
            addresses = {same_address(f.url) for f in listed if f.url}
            ids = {f.id for f in listed}
            known = 0
            for wish in wished:
                if same_address(wish.url) in addresses:
                    known += 1
                    continue
                feed, fault = _fitting(wish, ids)
                if fault:
                    refused.append((shown(wish.url), fault))
                    continue
                added.append(feed)
                ids.add(feed.id)
                addresses.add(same_address(feed.url))
            remark = f"{len(added)} from {Path(file).name}, {self.clock():%Y-%m-%d}"
            lines = self._append(source, added, remark) if added else ()
        return Imported(added=tuple(zip(added, lines, strict=True)), known=known, refused=tuple(refused))

    def export_opml(self) -> tuple[bytes, int, int]:
        """(OPML of all feeds with an address, how many, from how many of them a login was left out)."""
        feeds = [f for f in self.feeds() if f.url]
        logins = sum(without_login(f.url) != f.url for f in feeds)
        return write_opml(feeds, "Feeds of the news monitor", self.clock()), len(feeds), logins

    def _fetched(self, urls: Sequence[str] | dict[str, How]) -> dict[str, FetchResult]:
        async def every() -> dict[str, FetchResult]:
            asked = [(Feed(id=url, url=url), FeedState(feed=url)) for url in urls]
            return {feed.id: result async for feed, result in self.fetcher.fetch_all(asked)}

        return asyncio.run(every())

    def _examine(self, results: Sequence[FetchResult]) -> list[Examined | Failed]:
        bodies = [r for r in results if isinstance(r, Fetched)]
        jobs = [(r.body, r.content_type, r.url, self.clock()) for r in bodies]
        read = iter([_settled(o) for o in self.children(examine, jobs)] if jobs else ())
        none = Failed(kind="empty", message="answers with nothing")
        return [next(read) if isinstance(r, Fetched) else r if isinstance(r, Failed) else none for r in results]

    def _examined(
        self, results: dict[str, FetchResult], how: dict[str, How], listed: dict[str, str]
    ) -> list[Candidate]:
        """Those that are feeds, in the order of `how`, each once however many addresses lead to it."""
        outcomes = self._examine([results[url] for url in how])
        made: dict[str, Candidate] = {}
        for (url, told), outcome in zip(how.items(), outcomes, strict=True):
            result = results[url]
            if isinstance(outcome, Examined) and isinstance(result, Fetched):
                name = listed.get(same_address(url)) or listed.get(same_address(result.url), "")
                one = Candidate(url=result.moved_to or url, how=told, found=outcome, listed=name)
                made.setdefault(same_address(result.url), one)
        return list(made.values())

    def _links(self, fetched: Fetched) -> Sequence[page.FeedLink]:
        outcome = next(self.children(page.feed_links, [(fetched.body, fetched.content_type, fetched.url)]))
        return outcome.value[:MOST_NAMED] if isinstance(outcome, Done) else ()

    def _source(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            sentence = f"The file cannot be read ({error.strerror})."
            raise ConfigError(Problem(FEEDS, 0, 0, sentence, "Check its permissions.")) from None

    @contextmanager
    def _edited(self) -> Iterator[bytes]:
        """The file as it is, while no other command adds to it."""
        try:
            folder = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be opened ({error.strerror}): run `monitor init`.") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield self._source()
        finally:
            os.close(folder)

    def _append(self, source: bytes, added: Sequence[Feed], remark: str) -> tuple[int, ...]:
        """Write the file with these lines at its end, whole or not at all; the line of each."""
        text, lines = with_feeds(FEEDS, source, added, remark)
        target = self.path.resolve()
        draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
        try:
            with draft.open("wb") as file:
                file.write((b"\xef\xbb\xbf" if source.startswith(b"\xef\xbb\xbf") else b"") + text.encode())
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, draft)
            if self._source() != source:
                raise UsageError(f"{self.path} was changed by somebody else meanwhile: run the command again.")
            draft.replace(target)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written ({error.strerror}): check its permissions.") from None
        finally:
            draft.unlink(missing_ok=True)
        return lines


def _whole(url: str) -> str:
    """An address as people type it, with its scheme."""
    url = url.strip()
    url = url if "://" in url else f"https://{url}"
    _refuse_fault(Feed(id="new", url=url, title="new"))
    return url


def _usual(url: str) -> list[str]:
    parts = urlsplit(url)
    home = f"{parts.scheme}://{parts.netloc}/"
    below = f"{home}{parts.path.strip('/')}/feed/" if parts.path.strip("/") else ""
    return [*([below] if below else []), *(home + place for place in USUAL)]


def _settled(outcome: Done[Examined | Failed] | Killed) -> Examined | Failed:
    if isinstance(outcome, Killed):
        return Failed(kind="poison", message=f"could not be read within the limits: it {outcome.reason}")
    return outcome.value


def _refuse_fault(feed: Feed) -> None:
    if fault := fault_of(feed):
        raise UsageError(fault)


def _refuse_known(feed: Feed, listed: Sequence[Feed]) -> None:
    for other in listed:
        if other.url and same_address(other.url) == same_address(feed.url):
            raise UsageError(f"{FEEDS}:{other.line}: {shown(feed.url)} is listed already, as `{other.id}`.")
        if feed.id and other.id == feed.id:
            raise UsageError(f"{FEEDS}:{other.line}: the id `{feed.id}` is taken: choose another with --id.")


def _no_feed(url: str, failed: Failed) -> MonitorError:
    if failed.kind in {"dns", "refused", "timeout", "tls", "broken", "http-5xx", "http-429", "http-503"}:
        return TemporaryError(f"{shown(url)} {failed.message}; nothing was added.")
    hint = f"`monitor feeds discover {shown(url)}` looks for its feeds" if failed.kind == "not-a-feed" else ""
    return MonitorError(f"{shown(url)} {failed.message}; nothing was added{': ' + hint if hint else ''}.")


def _fitting(wish: Feed, taken: set[str]) -> tuple[Feed, str]:
    """The feed with an id of its own, and why it cannot be listed; what strangers wrote beside it may be left out."""
    feed = named(replace(wish, id="" if wish.id in taken else wish.id), taken)
    if not fault_of(feed):
        return feed, ""
    bare = named(Feed(id="", url=wish.url, title=wish.title, lang=wish.lang, tags=wish.tags), taken)
    return bare, fault_of(bare)
