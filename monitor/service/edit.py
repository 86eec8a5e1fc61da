"""The watchlists in force: what people wrote, as far as it is sound; the last good revision of whatever is not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from monitor.errors import ConfigError, Problem
from monitor.match import Matcher, compile_watchlists
from monitor.match.matcher import ENGINE, combined_revision
from monitor.model import Desk, Feed, WatchlistRevision
from monitor.ports import Clock, Store
from monitor.watchlists import Loaded, WatchlistFile, cross_check, load, read_desks, read_feeds, read_watchlist

FEEDS, DESKS = "feeds.yaml", "desks.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is in force, before anything is compiled."""

    files: tuple[WatchlistFile, ...]
    feeds: tuple[Feed, ...]
    desks: tuple[Desk, ...]
    problems: tuple[Problem, ...] = ()
    """Why some file as it lies in the folder is not in force."""


class InForce:
    """The watchlists in force, with their matcher compiled when it is first needed."""

    def __init__(self, sources: Sources, matcher: Matcher | None = None) -> None:
        self.files, self.feeds, self.desks = sources.files, sources.feeds, sources.desks
        self.problems = sources.problems
        self.rev = combined_revision(sources.files)
        if matcher is not None:
            self.__dict__["matcher"] = matcher

    @cached_property
    def matcher(self) -> Matcher:
        """Compiled without running the examples again: they held when this revision was kept."""
        return compile_watchlists(self.files, self.feeds, examples=False).matcher

    @cached_property
    def titles(self) -> dict[str, str]:
        """Watchlist id -> title, in the order of the files."""
        return {f.id: f.title for f in self.files}

    @cached_property
    def names(self) -> dict[tuple[str, str], str]:
        """(watchlist id, rule or entity id) -> what a person reads."""
        rules = {(f.id, r.id): r.title for f in self.files for r in f.rules}
        return rules | {(f.id, e.id): e.name for f in self.files for e in f.entities}


class Current(Protocol):
    """Whoever says what is in force."""

    def current(self) -> InForce:
        """What is in force now."""
        ...


@dataclass(slots=True)
class Editorial:
    """Reads the folder of the desk officers, again whenever a file in it changes."""

    folder: Path
    store: Store
    clock: Clock
    keep: bool = True
    """Whether good revisions are remembered in the store; a command that writes nothing does not."""
    _print: str = ""
    _current: InForce | None = field(default=None)

    def current(self) -> InForce:
        """What is in force now. Raises ConfigError only when no good revision of anything exists."""
        print_ = _fingerprint(self.folder)
        if self._current is None or print_ != self._print:
            self._current = self._decide(load(self.folder))
            self._print = print_
        return self._current

    def _decide(self, loaded: Loaded) -> InForce:
        verified = blake2b(repr((ENGINE, sorted(loaded.sources))).encode("utf-8", "replace"), digest_size=8).hexdigest()
        errors = _errors(loaded.problems)
        sources = Sources(files=loaded.files, feeds=loaded.feeds, desks=loaded.desks)
        if not errors and self.store.meta("verified") == verified:
            return InForce(sources)
        good = self.store.last_good()
        fallen = _fallen(verified, loaded, good)
        if remembered := _remembered(self.store.meta("fallen"), fallen):
            broken, problems = remembered
            return InForce(replace(_mixed(loaded, good, broken), problems=problems))
        unread = _unread(loaded)
        if unread:
            roots = [p for p in errors if p.file in unread]
            return self._fall_back(loaded, [*roots, *_faults(_mixed(loaded, good, unread))], fallen)
        compiled = compile_watchlists(loaded.files, loaded.feeds)
        errors += _errors(compiled.problems)
        if errors:
            return self._fall_back(loaded, errors, fallen)
        self._keep(loaded.sources)
        if self.keep:
            self.store.set_meta({"verified": verified})
        return InForce(sources, compiled.matcher)

    def _keep(self, sources: Iterable[tuple[str, str]]) -> None:
        if not self.keep:
            return
        now = self.clock()
        kept = self.store.last_good()
        self.store.keep_revisions(
            WatchlistRevision(file=name, rev=_rev(source), source=source, since=now)
            for name, source in sources
            if name not in kept or kept[name].source != source
        )

    def _fall_back(self, loaded: Loaded, errors: Sequence[Problem], fallen: str) -> InForce:
        """Replace every file that an error names by its last good revision; a file without one is left out.

        When that is not enough, the error came from the change of another file, which is taken back too.
        """
        good = self.store.last_good()
        broken = {p.file for p in errors}
        while faults := _faults(sources := _mixed(loaded, good, broken)):
            further = {p.file for p in faults} - broken or _culprits(loaded, good, broken, len(faults))
            if not further:
                break
            broken |= further
        if not sources.files and loaded.problems:
            raise ConfigError(*errors)
        self._keep((name, source) for name, source in loaded.sources if name not in broken)
        if self.keep and self.store.last_good() == good:  # else what is kept now has to be looked at once more
            self.store.set_meta({"fallen": json.dumps([fallen, sorted(broken), [astuple(p) for p in errors]])})
        return InForce(replace(sources, problems=tuple(errors)))


def _fallen(verified: str, loaded: Loaded, good: dict[str, WatchlistRevision]) -> str:
    """What a decision to fall back depends on: while it is the same, a command need not find out again."""
    rest = sorted((name, revision.rev) for name, revision in good.items())
    told = [str(p) for p in loaded.problems]
    return blake2b(repr((verified, told, rest)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _remembered(text: str, fallen: str) -> tuple[frozenset[str], tuple[Problem, ...]] | None:
    """The files that were left out and why, if they were left out for the same reasons."""
    if not text:
        return None
    reasons, broken, problems = json.loads(text)
    return (frozenset(broken), tuple(Problem(*row) for row in problems)) if reasons == fallen else None


def _unread(loaded: Loaded) -> frozenset[str]:
    """Files that could not be read at all: what others miss because of them is no fault of the others."""
    read = {name for name, _ in loaded.sources}
    return frozenset(p.file for p in _errors(loaded.problems) if p.file not in read)


def _faults(sources: Sources) -> list[Problem]:
    """What is wrong with these files together."""
    compiled = compile_watchlists(sources.files, sources.feeds)
    return _errors([*cross_check(sources.files), *compiled.problems])


def _culprits(
    loaded: Loaded, good: dict[str, WatchlistRevision], broken: Collection[str], faults: int
) -> frozenset[str]:
    """The changed file whose last good revision mends most of the faults; every changed file when no single one does.

    A file that was deleted counts as changed.
    """
    now = dict(loaded.sources)
    changed = sorted(n for n in good.keys() - broken if now.get(n) != good[n].source and not n.endswith((FEEDS, DESKS)))
    left = {name: len(_faults(_mixed(loaded, good, {*broken, name}))) for name in changed}
    best = min(left, key=lambda name: left[name], default="")
    return frozenset([best]) if best and left[best] < faults else frozenset(changed)


def _mixed(loaded: Loaded, good: dict[str, WatchlistRevision], broken: Collection[str]) -> Sources:
    files = {f.file: f for f in loaded.files if f.file not in broken}
    feeds, desks = loaded.feeds, loaded.desks
    for name in broken & good.keys():
        try:
            if name.endswith(FEEDS):
                feeds = read_feeds(name, good[name].source)
            elif name.endswith(DESKS):
                desks = read_desks(name, good[name].source)
            else:
                files[name] = read_watchlist(name, good[name].source)
        except ConfigError:  # written by an older program: what it called good is refused today
            continue
    return Sources(files=tuple(files[n] for n in sorted(files)), feeds=feeds, desks=desks)


def _errors(problems: Sequence[Problem]) -> list[Problem]:
    return [p for p in problems if not p.warning]


def _rev(source: str) -> str:
    return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _fingerprint(folder: Path) -> str:
    """Names, sizes and times of the files: cheap enough to be asked at every tick."""
    if not folder.is_dir():
        raise ConfigError(
            Problem(str(folder), 0, 0, "There is no such folder of watchlists.", "Run `monitor init` to lay one out.")
        )
    rows = [(p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.glob("*.y*ml"))]
    return repr(rows)


def check(folder: Path) -> tuple[Loaded, list[Problem]]:
    """Everything wrong in a folder, examples included; nothing is stored.

    While a file cannot be read, only that is told: every name that the others miss would be blamed on them.
    """
    loaded = load(folder)
    unread = _unread(loaded)
    if unread:
        return loaded, [p for p in loaded.problems if p.file in unread or p.warning]
    compiled = compile_watchlists(loaded.files, loaded.feeds)
    return loaded, [*loaded.problems, *compiled.problems]
