"""Full texts: the pages behind the new articles of feeds marked `fulltext: true`.

robots.txt -> page -> sandbox(read_page), for the newest articles first, a few of each host in a poll. Whatever fails,
the text that the feed brought stays, and the feed's state says why. The revision of an article is that of what its feed
says: a page is read once for an article, and one that changes makes no revision.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from monitor import cluster, extract, page
from monitor.fetch.robots import Rules, read_rules
from monitor.model import Article, Failed, Feed, FeedState, Fetched, FetchResult
from monitor.ports import Clock, Fetcher, Store
from monitor.sandbox import Done, Killed
from monitor.service.read import Read
from monitor.text.language import language, normal

AGENT = "desk-monitor"
"""What robots.txt calls us."""

PER_HOST = 20
"""Pages of one host in one poll, unless monitor.yaml says otherwise."""

SECONDS = 120.0
"""For all pages of one poll: what is due meanwhile waits for its end."""

HOSTS = 16
"""Hosts whose pages are fetched at the same time."""

LEAST = 100
"""Letters of an article; what is shorter is "Loading" or "Please accept"."""

_TOGETHER, _READERS = 4, 2
"""Pages that go to the children at once, as a page may hold 20 MB; and how many such groups, as each keeps a thread
waiting that parsing and writing feeds need, too."""

_MOST_RULES = 5_000
"""Hosts whose robots.txt is remembered: a feed may name a new host in every link."""

_REMEMBERED = 200
"""Articles of a feed, beside as many as it shows now, whose links are not read again under a new GUID."""

_RULES_HOLD = timedelta(hours=24)
"""RFC 9309, section 2.4."""
_FAULT_HOLDS = timedelta(minutes=10)

NOT_NOW = "its robots.txt cannot be read now"
FORBIDDEN = "its robots.txt forbids it"
TOO_MANY_HOPS = "it redirects too often"
_MOST_HOPS = 5
NO_TIME = "there was no time left in this poll"
NO_TEXT = "no article was found on the page"
SAME_TEXT = "several pages say the same"

Wanted = tuple[Feed, Article]
Answer = tuple[Feed, FeedState, FetchResult]
PageReader = Callable[[Sequence[tuple[object, ...]]], Iterator[Done[Article | None] | Killed]]
"""Runs read_page on many arguments in the sandbox, in order."""


def read_page(feed: Feed, article: Article, body: bytes, content_type: str, url: str) -> Article | None:
    """The article with the text of its page, if that is longer than what the feed brought; None when there is none."""
    text = _without_title(page.article_text(body, content_type, url, article.lang), article.title)[: extract.MOST_TEXT]
    if len(text) < LEAST:
        return None
    if len(text) <= len(article.text):
        return article
    return replace(
        article,
        text=text,
        lead=extract.lead(text),
        lang=language(article.title, text, prior=normal(feed.lang) or article.lang),
        signature=cluster.signature(article.title, text),
    )


def _without_title(text: str, title: str) -> str:
    """The text without the title as its first line: it would be told twice."""
    first, _, rest = text.partition("\n")
    return rest if " ".join(first.split()).casefold() == title.casefold() else text


@dataclass(slots=True)
class Round:
    """The pages of one poll: what was fetched of each host, and until when."""

    taken: Counter[str] = field(default_factory=Counter)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """One fetch at a time for each host, so that the fetcher's politeness holds."""
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS))
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HOSTS))
    end: float | None = None
    """In the monotonic clock; counts from the first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Fetches pages and reads them."""

    store: Store
    fetcher: Fetcher
    read: PageReader
    clock: Clock
    per_host: int = PER_HOST
    seconds: float = SECONDS
    _rules: dict[str, tuple[datetime, Rules | str]] = field(default_factory=dict)
    """Origin -> (until when, rules, or why nothing there may be asked for)."""

    async def fill(
        self, feed: Feed, found: Sequence[Article], state: FeedState, turn: Round
    ) -> tuple[list[Article], str]:
        """The articles of one fetched feed, new ones with the text of their page; and why some have none.

        The sentence is empty when all is well, and the state's own when no page was wanted.
        """
        kept, wanted = await asyncio.to_thread(self._sorted, feed, found, state)
        if not wanted:
            return kept, state.page_note
        full, why = await self._full([(feed, a) for a in wanted[: self.per_host]], turn)
        why.update({self._budget: len(wanted) - self.per_host} if len(wanted) > self.per_host else {})
        return [full.get(a.id, a) for a in kept], _note(len(wanted), why)

    @property
    def _budget(self) -> str:
        return f"{self.per_host} pages of a feed and of a host are read in one poll"

    def _sorted(self, feed: Feed, found: Sequence[Article], state: FeedState) -> tuple[list[Article], list[Article]]:
        """(the articles as far as the store can tell, those whose pages are wanted, newest first)."""
        known = self.store.known([a.id for a in found])
        new = [a for a in extract.judged(found, known, state) if a.id not in known and a.url and a.standing == "news"]
        if new and state.last_ok is not None:  # new GUIDs for old links: their pages were read
            read = {s.url for s in self.store.shown(feed.id, len(found) + _REMEMBERED)}
            new = [a for a in new if a.url not in read]
        return self._kept(found, known), sorted(new, key=lambda a: a.when, reverse=True)

    def _kept(self, found: Sequence[Article], known: dict[str, str]) -> list[Article]:
        """The same; an edited article keeps the text of its page while that is longer than what its feed says now."""
        edited = [a.id for a in found if known.get(a.id, a.revision) != a.revision]
        texts = {s.article.id: s.article for s in self.store.articles(edited)} if edited else {}
        return [
            replace(a, text=had.text, lead=had.lead, lang=had.lang, signature=cluster.signature(a.title, had.text))
            if (had := texts.get(a.id)) and len(had.text) > len(a.text)
            else a
            for a in found
        ]

    async def _full(self, wanted: Sequence[Wanted], turn: Round) -> tuple[dict[str, Article], Counter[str]]:
        """Article id -> the article with its page's text; and reasons with how often they stood in the way."""
        now = time.monotonic()
        turn.end = turn.end or now + self.seconds
        hosts: defaultdict[str, list[Wanted]] = defaultdict(list)
        for feed, article in wanted:
            hosts[_host(article.url)].append((feed, article))
        why: Counter[str] = Counter()
        full: dict[str, Article] = {}
        async with asyncio.TaskGroup() as group:
            for host, some in hosts.items():
                group.create_task(self._of_host(host, some, turn, full, why))
        for i in _alike(full, {a.id: a for _, a in wanted}):
            del full[i]
            why[SAME_TEXT] += 1
        return full, why

    async def _of_host(
        self, host: str, wanted: Sequence[Wanted], turn: Round, full: dict[str, Article], why: Counter[str]
    ) -> None:
        done: set[str] = set()
        try:
            async with asyncio.timeout(max(0.0, (turn.end or 0.0) - time.monotonic())), turn.turns[host], turn.slots:
                left = max(0, self.per_host - turn.taken[host])
                if len(wanted) > left:
                    why[self._budget] += len(wanted) - left
                    done |= {a.id for _, a in wanted[left:]}
                turn.taken[host] += min(left, len(wanted))
                async with aclosing(self._read_all(wanted[:left], turn)) as outcomes:
                    async for article, outcome in outcomes:
                        done.add(article)
                        if isinstance(outcome, str):
                            why[outcome] += 1
                        else:
                            full[article] = outcome
        except TimeoutError:
            why[NO_TIME] += len({a.id for _, a in wanted} - done)

    async def _read_all(self, wanted: Sequence[Wanted], turn: Round) -> AsyncGenerator[tuple[str, Article | str], None]:
        """(article id, the article with its page's text, or why there is none), as they come."""
        if not wanted:
            return
        places = {article.id: article.url for _, article in wanted}
        for _ in range(_MOST_HOPS + 1):
            moved: dict[str, str] = {}
            left = [(feed, article) for feed, article in wanted if article.id in places]
            async with aclosing(self._round(left, places, moved, turn)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
            places = moved
            if not places:
                return
        for article_id in places:
            yield article_id, TOO_MANY_HOPS

    async def _round(
        self, wanted: Sequence[Wanted], places: Mapping[str, str], moved: dict[str, str], turn: Round
    ) -> AsyncGenerator[tuple[str, Article | str], None]:
        """The pages at these places, or why there is none; `moved` gets those that lead elsewhere.

        Redirects are taken one by one, because robots.txt of each place is asked before its page (RFC 9309).
        """
        await self._ask_robots({_origin(url) for url in places.values()})
        asked: dict[str, Wanted] = {}
        for feed, article in wanted:
            if refusal := self._refusal(places[article.id]):
                yield article.id, refusal
            else:
                asked[article.id] = (feed, article)
        ready: list[tuple[Wanted, Fetched]] = []
        feeds = [(Feed(id=i, url=places[i]), FeedState(feed=i)) for i in asked]
        async with self._answers(feeds, follow=False) as answers:
            async for asking, result in answers:
                if isinstance(result, Fetched):
                    ready.append((asked[asking.id], result))
                elif isinstance(result, Failed) and result.kind == "redirect" and result.leads_to:
                    moved[asking.id] = result.leads_to
                else:
                    yield asking.id, _told(result)
                if len(ready) >= _TOGETHER:
                    for outcome in await self._settled(ready, turn):
                        yield outcome
                    ready = []
        for outcome in await self._settled(ready, turn):
            yield outcome

    async def _settled(self, ready: Sequence[tuple[Wanted, Fetched]], turn: Round) -> list[tuple[str, Article | str]]:
        async with turn.readers:
            return await asyncio.to_thread(self._read, ready)

    def _read(self, ready: Sequence[tuple[Wanted, Fetched]]) -> list[tuple[str, Article | str]]:
        jobs = [(feed, article, got.body, got.content_type, got.url) for (feed, article), got in ready]
        return [
            (article.id, outcome.value or NO_TEXT if isinstance(outcome, Done) else f"the page {outcome.reason}")
            for ((_, article), _), outcome in zip(ready, self.read(jobs) if jobs else (), strict=True)
        ]

    async def _ask_robots(self, origins: set[str]) -> None:
        """Fetch what is not known, or not any more."""
        now = self.clock()
        if len(self._rules) > _MOST_RULES:
            self._rules.clear()
        asked = [o for o in sorted(origins) if o not in self._rules or self._rules[o][0] <= now]
        feeds = [(Feed(id=o, url=f"{o}/robots.txt"), FeedState(feed=o)) for o in asked]
        async with self._answers(feeds) as answers:
            async for asking, result in answers:
                rules = _rules(result)
                holds = _FAULT_HOLDS if isinstance(rules, str) else _RULES_HOLD
                self._rules[asking.id] = (now + holds, rules)

    @asynccontextmanager
    async def _answers(
        self, asked: Sequence[tuple[Feed, FeedState]], *, follow: bool = True
    ) -> AsyncIterator[AsyncIterator[tuple[Feed, FetchResult]]]:
        """What the fetcher says, ended with the block: a fetch that nobody waits for must not run on."""
        answers = self.fetcher.fetch_all(asked, follow=follow)
        try:
            yield answers
        finally:
            if isinstance(answers, AsyncGenerator):
                await answers.aclose()

    def _refusal(self, url: str) -> str:
        """Why this address is not asked for, by its robots.txt or because that led inside; empty when it may be."""
        _, rules = self._rules.get(_origin(url), (None, NOT_NOW))
        if isinstance(rules, str):
            return rules
        parts = urlsplit(url)
        return "" if rules.allows(parts.path + (f"?{parts.query}" if parts.query else "")) else FORBIDDEN


class Lane:
    """Lets the feeds whose pages are fetched step aside, so that no other feed waits for a page.

    An answer is (feed, state, result); outcomes belong to the answers with a body, in order.
    """

    def __init__(self, pages: Pages | None) -> None:
        """Without `pages` nothing steps aside."""
        self._pages = pages
        self._round = Round()
        self._under_way: set[asyncio.Task[tuple[Answer, Read]]] = set()

    def aside(
        self, answers: Sequence[Answer], outcomes: Sequence[Read | Failed]
    ) -> tuple[list[Answer], list[Read | Failed]]:
        """The same without the feeds that wait for pages, and with those that wait no longer."""
        passing: list[Answer] = []
        read: list[Read | Failed] = []
        left = iter(outcomes)
        for answer in answers:
            outcome = next(left) if isinstance(answer[2], Fetched) else None
            if self._pages and answer[0].fulltext and isinstance(outcome, Read):
                self._under_way.add(asyncio.create_task(self._filled(self._pages, answer, outcome)))
                continue
            passing.append(answer)
            read += [outcome] if outcome else []
        back = [task.result() for task in self._under_way if task.done()]
        self._under_way = {task for task in self._under_way if not task.done()}
        return [a for a, _ in back] + passing, [*(r for _, r in back), *read]

    async def rest(self) -> AsyncIterator[tuple[list[Answer], list[Read | Failed]]]:
        """Those that still wait, as they come; what is under way when nobody listens any more is given up."""
        try:
            while self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                yield self.aside((), ())
        finally:
            self.close()

    def close(self) -> None:
        """Give up what is under way: nothing of it was stored, so that the next poll finds it again."""
        for task in self._under_way:
            task.cancel()

    async def _filled(self, pages: Pages, answer: Answer, outcome: Read) -> tuple[Answer, Read]:
        feed, state, result = answer
        articles, note = await pages.fill(feed, outcome.articles, state, self._round)
        return (feed, replace(state, page_note=note), result), replace(outcome, articles=tuple(articles))


def _alike(full: Mapping[str, Article], before: Mapping[str, Article]) -> list[str]:
    """Articles whose pages have other addresses and the same text: a consent page or a wall, not an article."""
    addresses: defaultdict[str, set[str]] = defaultdict(set)
    changed = [a for i, a in full.items() if a.text != before[i].text]
    for article in changed:
        addresses[article.text].add(article.url)
    return [a.id for a in changed if len(addresses[a.text]) > 1]


def _rules(result: FetchResult) -> Rules | str:
    """RFC 9309, section 2.3.1: no file allows everything, a server that fails forbids everything for now.

    In place of rules stands why there are none. An address that is refused itself is that of its pages, too.
    """
    if isinstance(result, Fetched):
        return read_rules(result.body, AGENT)
    if not isinstance(result, Failed):
        return Rules()  # 204: nothing is forbidden
    missing = 400 <= result.status < 500 and result.status != 429  # a host that pauses us is not asked for pages either
    if missing or result.kind == "empty":
        return Rules()
    if result.kind == "blocked":
        return _failing("its robots.txt" if result.leads_to else "the page", result)
    return NOT_NOW


def _told(result: FetchResult) -> str:
    return _failing("the page", result) if isinstance(result, Failed) else NO_TEXT


def _failing(what: str, failed: Failed) -> str:
    """The failure without advice: that is for feeds."""
    return f"{what} {failed.message.partition(';')[0]}"


def _note(wanted: int, why: Counter[str]) -> str:
    """One sentence on the pages that gave no text; empty when all did."""
    if not why:
        return ""
    reasons = "; ".join(f"{reason} ({n})" for reason, n in why.most_common(3))
    return f"{why.total()} of {wanted} new articles have only the feed's text: {reasons}"[:500]


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # the fetcher refuses it in words
        return url
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
