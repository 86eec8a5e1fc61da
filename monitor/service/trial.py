"""What an edit of the watchlists would gain and lose, on stored articles and in the next mail; nothing is written.

difference | per piece: store.texts | Difference.touched | fired, by both matchers | what differs, per rule and entity

Nine tenths of a full match are mentions and evidence that nobody asks for here: what fires is found without them, and
only the few articles that are shown or mailed are read whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import is_
from pathlib import Path
from zoneinfo import ZoneInfo

from monitor.digest import Fresh
from monitor.errors import ConfigError, Problem, UsageError
from monitor.match import Matcher, compile_watchlists
from monitor.match.difference import Difference, Key, difference, fired, named_by, only, rules_alone
from monitor.model import LEVELS, Article, Desk, Digest, DigestKey, Evidence, Feed, Hit, Level, Stored
from monitor.ports import Clock, Store
from monitor.service.edit import DESKS, FEEDS, InForce, Sources
from monitor.service.mail import FIRST_DAY, Post
from monitor.service.pieces import Children, Reading, Recipe, matcher_of, opened, through
from monitor.watchlists import WatchlistFile, cross_check, load, read_watchlist

SIZE = 4_000
"""Articles of a piece: most are only looked at."""

SAMPLES = 3
"""Articles shown of what a rule or an entity gains, and of what it loses: the newest."""

_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Watchlists before and after an edit."""

    old: InForce
    new: InForce
    failing: tuple[Problem, ...]
    """Examples of the edited watchlists that do not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An article that a rule or an entity gains or loses."""

    article: Article
    """Without its text."""
    marks: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """An article that tomorrow's mail may hold."""

    stored: Stored
    gained: tuple[Hit, ...]
    lost: tuple[Key, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a child says of a piece."""

    articles: int
    touched: int
    gained: Mapping[Key, int]
    lost: Mapping[Key, int]
    same: Mapping[Key, int]
    """In touched articles."""
    samples: Mapping[tuple[Key, bool], tuple[Sample, ...]]
    """(rule or entity, gained) -> the newest."""
    recent: tuple[Recent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule or entity."""

    key: Key
    title: str
    gained: int
    lost: int
    same: int
    levels: tuple[Level, Level] | None
    """Before and after, when the edit changes it."""
    more: tuple[Sample, ...]
    less: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSize:
    """A desk's next mail without and with the edit: stories and bytes of HTML."""

    desk: str
    stories: tuple[int, int]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an edit does."""

    rows: tuple[Row, ...]
    mail: tuple[MailSize, ...]
    failing: tuple[Problem, ...]
    articles: int
    touched: int
    """Articles that had to be matched, because the edit may concern them."""
    stale: int
    """Stored articles that were matched with other watchlists than those in force: `same` may be off by so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A desk's next mail, had nothing been edited."""

    desk: Desk
    every: Fresh
    """At all levels."""
    since: datetime
    digest: Digest


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What is in force by assumption."""

    force: InForce

    def current(self) -> InForce:
        return self.force


def edited(path: Path, force: InForce, store: Store) -> Edited:
    """Watchlists in force and as they would be with a file or a folder; raises ConfigError when these have a fault.

    A file that was saved in the workspace's own folder is compared with its last good revision there.
    """
    old = _before(force, store)
    if path.is_dir():
        loaded = load(path)
        problems = [p for p in loaded.problems if not p.warning]
        sources = Sources(files=loaded.files, feeds=loaded.feeds or force.feeds, desks=loaded.desks or force.desks)
    else:
        sources = _with_file(path, old)
        problems = [p for p in cross_check(sources.files) if not p.warning]
    if problems:
        raise ConfigError(*problems)
    compiled = compile_watchlists(sources.files, sources.feeds, kept=force.kept)
    examples = {(e.mark.file, e.mark.line, e.mark.column) for f in sources.files for e in f.examples}
    failing = tuple(p for p in compiled.problems if (p.file, p.line, p.column) in examples)
    faults = [p for p in compiled.problems if not p.warning and p not in failing]
    if faults:
        raise ConfigError(*faults)
    return Edited(old=old, new=InForce(sources, compiled.matcher, force.kept), failing=failing)


def _before(force: InForce, store: Store) -> InForce:
    """What was in force when the store last heard of it: a file that was saved since counts as the edit."""
    good = store.last_good()
    if not good:
        return force
    files = []
    for file in force.files:
        kept = good.get(file.file)
        if kept is None:
            continue
        files.append(file if kept.source == file.source else read_watchlist(file.file, kept.source))
    if len(files) == len(force.files) and all(map(is_, files, force.files)):
        return force
    return InForce(Sources(files=tuple(files), feeds=force.feeds, desks=force.desks))


def _with_file(path: Path, old: InForce) -> Sources:
    if path.name in {FEEDS, DESKS}:
        raise UsageError(f"{path}: feeds and desks cannot be tried: name a watchlist file or a folder.")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): name a watchlist file or a folder.") from None
    new = read_watchlist(str(path), source)
    kept = [f for f in old.files if f.id != new.id]
    files: list[WatchlistFile] = sorted([*kept, new], key=lambda f: Path(f.file).name)
    return Sources(files=tuple(files), feeds=old.feeds, desks=old.desks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An edit tried on the archive."""

    store: Store
    reading: Reading
    children: Children
    post: Post
    clock: Clock

    def run(self, edit: Edited, since: datetime | None, progress: Callable[[int, int], None] | None = None) -> Outcome:
        """Try it on every stored article not older than `since`. Raises TemporaryError when a child was lost twice."""
        now = self.clock()
        differs = compared(edit)
        earliest = min((self.post.since(desk, now) for desk in edit.new.desks), default=now)
        sides = [_part(force, differs) for force in (edit.old, edit.new)]
        ends = self.store.pieces(since, 0, SIZE) or [0]
        jobs = [(*sides, differs, self.reading, earliest, since, a, b) for a, b in zip([0, *ends], ends, strict=False)]
        found = []
        with ThreadPoolExecutor(max_workers=1) as beside:
            due = beside.submit(self._due, edit, now)  # while the children match
            for number, tried in enumerate(through(self.children, try_piece, jobs, "monitor try"), start=1):
                found.append(tried)
                if progress:
                    progress(number, len(jobs))
        return Outcome(
            rows=self._rows(edit, differs, found, since),
            mail=tuple(self._mail(one, edit, differs, found) for one in due.result()),
            failing=edit.failing,
            articles=sum(t.articles for t in found),
            touched=sum(t.touched for t in found),
            stale=self.store.stale(edit.old.rev, since),
        )

    def _rows(
        self, edit: Edited, differs: Difference, found: Sequence[Tried], since: datetime | None
    ) -> tuple[Row, ...]:
        """What the edit concerns, and whatever gains or loses by it; in the order of the files."""
        gained, lost = _summed(t.gained for t in found), _summed(t.lost for t in found)
        same = _summed(t.same for t in found)
        keys = differs.edited | gained.keys() | lost.keys()
        standing = self.store.standing({watchlist for watchlist, _, _ in keys}, since)
        names, samples = edit.old.names | edit.new.names, _newest(found)
        order = {watchlist: n for n, watchlist in enumerate([*edit.new.titles, *edit.old.titles])}

        def kept(key: Key) -> int:
            """Articles that are not touched keep the hits that they have in the store."""
            return same[key] if key in differs.whole else max(same[key], standing.get(key, 0) - lost[key])

        return tuple(
            Row(
                key=key,
                title=names.get((key[0], key[1] or key[2] or ""), ""),
                gained=gained[key],
                lost=lost[key],
                same=kept(key),
                levels=differs.levels.get(key),
                more=samples.get((key, True), ()),
                less=samples.get((key, False), ()),
            )
            for key in sorted(keys, key=lambda k: (order.get(k[0], 0), k[1] is None, k[1] or k[2] or ""))
        )

    def _due(self, edit: Edited, now: datetime) -> list[_Due]:
        """What each desk would be mailed now."""
        post, found = replace(self.post, editorial=_Fixed(edit.old)), []
        for desk in edit.new.desks:
            key = DigestKey(desk=desk.id, day=now.astimezone(ZoneInfo(desk.zone)).date(), slot=desk.at[0])
            every = self.store.fresh_hits(desk.id, desk.watchlists or None, LEVELS, now - FIRST_DAY)
            since = self.post.since(desk, now)
            digest = post.digest(desk, key, _refreshed(desk, every, {}, {}, since))
            found.append(_Due(desk=desk, every=every, since=since, digest=digest))
        return found

    def _mail(self, due: _Due, edit: Edited, differs: Difference, found: Sequence[Tried]) -> MailSize:
        """The mail as it would be now, and as it would be had the edited watchlists been in force since the last."""
        before = replace(self.post, editorial=_Fixed(edit.old))
        after = replace(self.post, editorial=_Fixed(edit.new))
        changes = {r.stored.article.id: r for t in found for r in t.recent}
        levels = {k: new for k, (_, new) in differs.levels.items()}
        fresh = _refreshed(due.desk, due.every, changes, levels, due.since)
        digests = due.digest, after.digest(due.desk, due.digest.key, fresh)
        mails = before.messages(digests[0]), after.messages(digests[1])
        return MailSize(
            desk=due.desk.id,
            stories=(digests[0].stories, digests[1].stories),
            size=(_size(mails[0][0].html), _size(mails[1][0].html)),
        )


def _refreshed(
    desk: Desk, every: Fresh, changes: Mapping[str, Recent], levels: Mapping[Key, Level], since: datetime
) -> Fresh:
    """What a desk would be told: hits lost taken away, hits gained added, levels as edited."""
    mailed = LEVELS[: LEVELS.index(desk.level) + 1]
    rows = {stored.article.id: (stored, list(hits)) for stored, hits in every}
    for name, change in changes.items():
        if change.gained and change.stored.article.seen >= since:
            stored, hits = rows.setdefault(name, (change.stored, []))
            known = {key_of(h) for h in stored.hits}
            wanted = [h for h in change.gained if not desk.watchlists or h.watchlist in desk.watchlists]
            hits.extend(h for h in wanted if key_of(h) not in known)
    found = []
    for name, (stored, hits) in rows.items():
        lost = changes[name].lost if name in changes else ()
        kept = [h._replace(level=levels.get(key_of(h), h.level)) for h in hits if key_of(h) not in lost]
        kept = [h for h in kept if h.level in mailed]
        if kept:
            found.append((stored, tuple(kept)))
    return sorted(found, key=lambda row: row[0].article.when, reverse=True)


def key_of(hit: Hit) -> Key:
    """The rule or entity of a hit."""
    return hit.watchlist, hit.rule, hit.entity


def _size(html: str) -> int:
    return len(html.encode("utf-8", "replace"))


def _summed(counts: Iterable[Mapping[Key, int]]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for one in counts:
        total.update(one)
    return total


def _newest(found: Sequence[Tried]) -> dict[tuple[Key, bool], tuple[Sample, ...]]:
    newest: dict[tuple[Key, bool], list[Sample]] = defaultdict(list)
    for tried in reversed(found):
        for key, samples in tried.samples.items():
            newest[key].extend(samples)
    return {key: tuple(samples[:SAMPLES]) for key, samples in newest.items()}


@dataclass(frozen=True, slots=True)
class _Part:
    """Rules and what they name: mentions are the same on both sides, so that a child needs no more."""

    files: tuple[WatchlistFile, ...]
    feeds: tuple[Feed, ...]
    rules: frozenset[Key]


def _part(force: InForce, differs: Difference) -> Recipe | _Part:
    """What a child needs of the watchlists."""
    if differs.named:
        return Recipe.of(force)
    return _Part(named_by(force.files, force.feeds, differs.rules), tuple(force.feeds), differs.rules)


def compared(edit: Edited) -> Difference:
    """What differs; where it is rules alone, only these are compiled, for all watchlists take seconds."""
    old, new = edit.old, edit.new
    rules = rules_alone(old.files, new.files) if tuple(old.feeds) == tuple(new.feeds) else None
    if rules is None:
        return difference(old.matcher, new.matcher)
    return difference(only(old.files, old.feeds, rules), only(new.files, new.feeds, rules), names=False)


@lru_cache(maxsize=2)
def _side(part: Recipe | _Part) -> Matcher:
    return matcher_of(part) if isinstance(part, Recipe) else only(part.files, part.feeds, part.rules)


def try_piece(
    old: Recipe | _Part,
    new: Recipe | _Part,
    differs: Difference,
    reading: Reading,
    recent: datetime,
    since: datetime | None,
    after: int,
    upto: int,
) -> Tried:
    """In a child: what the edit changes in a piece of the archive; news first seen since `recent` come back whole."""
    store = opened(reading)
    rows = store.texts(since, after, upto)
    shapes = [Article(id=i, feed="", title=title, text=text, lang=lang, seen=_NEVER) for i, title, text, lang in rows]
    touched = [a for a, flag in zip(shapes, differs.touched(shapes), strict=True) if flag]
    if differs.sourced:
        touched = [s.article for s in store.articles([a.id for a in touched])]
    account = _Account()
    if touched:
        sides = [_side(old), _side(new)]
        before, now = (fired(side, touched, differs.rules, named=differs.named) for side in sides)
        for article, was, is_ in zip(touched, before, now, strict=True):
            account.add(article.id, was, is_)
        account.show(store, sides, recent)
    return Tried(
        articles=len(rows),
        touched=len(touched),
        gained=account.gained,
        lost=account.lost,
        same=account.same,
        samples=account.samples,
        recent=tuple(account.recent),
    )


class _Account:
    """What differs in the touched articles of a piece, oldest first."""

    def __init__(self) -> None:
        self.gained: Counter[Key] = Counter()
        self.lost: Counter[Key] = Counter()
        self.same: Counter[Key] = Counter()
        self.samples: dict[tuple[Key, bool], tuple[Sample, ...]] = {}
        self.recent: list[Recent] = []
        self._changed: dict[str, tuple[set[Key], set[Key]]] = {}
        """Article -> what it gains, what it loses."""
        self._shown: dict[tuple[Key, bool], deque[str]] = defaultdict(lambda: deque(maxlen=SAMPLES))

    def add(self, article: str, was: set[Key], is_: set[Key]) -> None:
        """Take in one article as both matchers see it."""
        self.same.update(was & is_)
        if was == is_:
            return
        gained, lost = is_ - was, was - is_
        self.gained.update(gained)
        self.lost.update(lost)
        self._changed[article] = gained, lost
        for key in gained | lost:
            self._shown[key, key in gained].append(article)

    def show(self, store: Store, sides: Sequence[Matcher], recent: datetime) -> None:
        """Match again, with evidence, the articles that are samples or belong into the next mail."""
        stored = {s.article.id: s for s in store.articles(sorted(self._changed))}
        late = [i for i, s in stored.items() if s.article.standing == "news" and s.article.seen >= recent]
        wanted = {*late, *(name for names in self._shown.values() for name in names)}
        articles = [stored[name].article for name in sorted(wanted)]
        lost, gained = ({m.article: {key_of(h): h for h in m.hits} for m in side.match(articles)} for side in sides)
        for (key, gains), names in self._shown.items():
            hits = gained if gains else lost
            self.samples[key, gains] = tuple(
                Sample(
                    article=replace(stored[name].article, text="", lead="", signature=()),
                    marks=hits[name][key].evidence,
                )
                for name in reversed(names)
            )
        for name in late:
            more, less = self._changed[name]
            new = tuple(hit for key, hit in gained[name].items() if key in more)
            self.recent.append(Recent(stored=stored[name], gained=new, lost=tuple(less)))
