"""What an edit of the watchlists would gain and lose, on stored articles and in the next mail; nothing is written.

difference | look: which articles it may concern | tell: what it changes in these, or in the newest of very many

What children do of it stands in `monitor.service.account`. All numbers are exact from the oldest article on that is
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from operator import is_
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from monitor.digest import Fresh
from monitor.errors import ConfigError, Problem, UsageError
from monitor.match import Compiled, compile_watchlists
from monitor.match.difference import Difference, Key, difference, only, rules_alone
from monitor.model import LEVELS, Desk, Digest, DigestKey, Level
from monitor.ports import Clock, Store
from monitor.service.account import Recent, Sample, Side, Task, Told, key_of, look, newest, tell
from monitor.service.edit import DESKS, FEEDS, InForce, Sources
from monitor.service.mail import FIRST_DAY, Post
from monitor.service.pieces import Children, Reading, through
from monitor.watchlists import WatchlistFile, cross_check, load, read_watchlist

SIZE = 4_000
"""Articles of a piece: most are only looked at."""

STEP = 500
"""Articles that a child reads at once."""

MOST = 5_000
"""Articles that an edit may concern and that are counted: of more than these the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Watchlists before and after an edit."""

    old: InForce
    new: InForce
    failing: tuple[Problem, ...]
    """Examples of the edited watchlists that do not hold."""


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
    """Articles that the edit may concern."""
    counted: int
    """Those of them that were counted."""
    counted_since: datetime | None
    """When these are not all: the date of the oldest; rows and `stale` are told of this article and all behind it.

    Articles stand in the order of their dates, in whole seconds; of one second in the order in which they came.
    """
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

    def run(
        self,
        edit: Edited,
        since: datetime | None,
        progress: Callable[[int, int], None] | None = None,
        most: int | None = MOST,
    ) -> Outcome:
        """Try it on every stored article not older than `since`; of more than `most` (1 or more) on the newest.

        `most` counts the articles that it may concern. Raises TemporaryError when a child was lost twice.
        """
        now = self.clock()
        differs = compared(edit)
        earliest = min((self.post.since(desk, now) for desk in edit.new.desks), default=now)
        with ThreadPoolExecutor(max_workers=1) as beside, TemporaryDirectory() as folder:
            packed = beside.submit(_packed, edit, differs, Path(folder))
            due = beside.submit(self._due, edit, now)  # both while the children look
            articles, touched = self._looked(differs, since, progress)
            first = len(touched) - most if most is not None and most < len(touched) else 0
            after = touched[first][0] - 1 if first else 0
            late, task = self.store.news_seen(earliest), packed.result()
            mailed = [id_ for _, id_ in touched[:first] if id_ in late]
            rest = self._told(task, mailed, late)
            found = self._told(task, [id_ for _, id_ in touched[first:]], late, progress)
        return Outcome(
            rows=self._rows(edit, differs, found, since, after),
            mail=tuple(self._mail(one, edit, differs, [*rest, *found]) for one in due.result()),
            failing=edit.failing,
            articles=articles,
            touched=len(touched),
            counted=sum(t.articles for t in found),
            counted_since=self.store.scan(None, after, 1)[0][1].article.when if first else None,
            stale=self.store.stale(edit.old.rev, since, after),
        )

    def _looked(
        self, differs: Difference, since: datetime | None, progress: Callable[[int, int], None] | None
    ) -> tuple[int, list[tuple[int, str]]]:
        """How many articles there are, and (n, id) of those that the edit may concern, oldest first."""
        ends = self.store.pieces(since, 0, SIZE) or [0]
        jobs = [(differs, self.reading, since, a, b) for a, b in zip([0, *ends], ends, strict=False)]
        articles, touched = 0, list[tuple[int, str]]()
        for number, looked in enumerate(through(self.children, look, jobs, "monitor try"), start=1):
            articles += looked.articles
            touched.extend(looked.touched)
            if progress:
                progress(number, 2 * len(jobs))
        return articles, touched

    def _told(
        self,
        task: bytes,
        ids: Sequence[str],
        late: frozenset[str],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Told]:
        """What the edit changes in these articles, oldest first."""
        steps = [ids[first : first + STEP] for first in range(0, len(ids), STEP)]
        jobs = [(task, self.reading, step, late.intersection(step)) for step in steps]
        found = []
        for number, told in enumerate(through(self.children, tell, jobs, "monitor try"), start=1):
            found.append(told)
            if progress:
                progress(len(jobs) + number, 2 * len(jobs))
        return found

    def _rows(
        self, edit: Edited, differs: Difference, found: Sequence[Told], since: datetime | None, after: int
    ) -> tuple[Row, ...]:
        """What the edit concerns, and whatever gains or loses by it; in the order of the files."""
        gained, lost = _summed(t.gained for t in found), _summed(t.lost for t in found)
        same = _summed(t.same for t in found)
        keys = differs.edited | gained.keys() | lost.keys()
        standing = self.store.standing({watchlist for watchlist, _, _ in keys}, since, after)
        names, samples = edit.old.names | edit.new.names, newest(found)
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

    def _mail(self, due: _Due, edit: Edited, differs: Difference, found: Sequence[Told]) -> MailSize:
        """The mail as it would be now, and as it would be had the edited watchlists been in force since the last."""
        before = replace(self.post, editorial=_Fixed(edit.old))
        after = replace(self.post, editorial=_Fixed(edit.new))
        changes = {r.stored.article.id: r for told in found for r in told.recent}
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


def _size(html: str) -> int:
    return len(html.encode("utf-8", "replace"))


def _summed(counts: Iterable[Mapping[Key, int]]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for one in counts:
        total.update(one)
    return total


def _packed(edit: Edited, differs: Difference, folder: Path) -> bytes:
    """What children need to know of an edit; where names differ, a folder holds what was compiled of them."""
    rules = None if differs.named else differs.rules
    places = edit.old.kept or folder / "before", folder / "after"
    sides = []
    for force, kept in zip((edit.old, edit.new), places, strict=True):
        if differs.named and kept != force.kept:
            Compiled(force.matcher, ()).keep(kept)
        sides.append(Side(files=tuple(force.files), feeds=tuple(force.feeds), rules=rules, kept=kept))
    return Task(*sides).packed()


def compared(edit: Edited) -> Difference:
    """What differs; where it is rules alone, only these are compiled on both sides: all watchlists take seconds."""
    old, new = edit.old, edit.new
    rules = rules_alone(old.files, new.files) if tuple(old.feeds) == tuple(new.feeds) else None
    if rules is None:
        return difference(old.matcher, new.matcher)
    return difference(only(old.files, old.feeds, rules), only(new.files, new.feeds, rules), names=False)
