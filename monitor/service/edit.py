"""The watchlists in force: what people wrote, as far as it is sound; the last good revision of whatever is not."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from monitor.errors import ConfigError, Problem
from monitor.match import Compiled, Matcher, compile_watchlists, names_ahead
from monitor.match.matcher import ENGINE, combined_revision
from monitor.model import Desk, Feed, WatchlistRevision
from monitor.ports import Clock, Store
from monitor.service.clock import doubt
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

    def __init__(self, sources: Sources, matcher: Matcher | None = None, kept: Path | None = None) -> None:
        """`kept` as in `monitor.watchlists.load`: what is compiled here is kept beside it."""
        self.files, self.feeds, self.desks = sources.files, sources.feeds, sources.desks
        self.problems = sources.problems
        self.kept = kept
        self.rev = combined_revision(sources.files)
        if matcher is not None:
            self.__dict__["matcher"] = matcher

    @cached_property
    def matcher(self) -> Matcher:
        """Compiled without running the examples again: they held when this revision was kept."""
        compiled = compile_watchlists(self.files, self.feeds, examples=False, kept=self.kept)
        compiled.keep(self.kept)
        return compiled.matcher

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
    kept: Path | None = None
    """Where what was read of watchlists is kept for the next start, and beside it the compiled names; None: nowhere."""
    _print: str = ""
    _current: InForce | None = field(default=None)

    def current(self) -> InForce:
        """What is in force now. Raises ConfigError only when no good revision of anything exists."""
        print_ = _fingerprint(self.folder)
        if self._current is None or print_ != self._print:
            loaded = load(self.folder, self.kept, names_ahead)
            loaded.write()
            self._current = self._decide(loaded)
            self._print = print_
        return self._current

    def _decide(self, loaded: Loaded) -> InForce:
        verified = _verified(loaded.sources)
        errors = _errors(loaded.problems)
        sources = Sources(files=loaded.files, feeds=loaded.feeds, desks=loaded.desks)
        if not errors and self.store.meta("verified") == verified:
            return InForce(sources, kept=self.kept)
        good = self.store.last_good()
        gone = _gone(loaded, good, self.store.meta("files"))
        errors += gone
        fallen = _fallen(verified, [*loaded.problems, *gone], good)
        if remembered := _remembered(self.store.meta("fallen"), fallen):
            broken, problems = remembered
            return InForce(replace(_mixed(loaded, good, broken), problems=problems), kept=self.kept)
        unread = _unread(loaded) | {p.file for p in gone}
        if unread:
            roots = [p for p in errors if p.file in unread]
            return self._fall_back(loaded, [*roots, *_faults(_mixed(loaded, good, unread))], fallen)
        compiled = compile_watchlists(loaded.files, loaded.feeds, kept=self.kept, ahead=loaded.ahead)
        errors += _errors(compiled.problems)
        if errors:
            return self._fall_back(loaded, errors, fallen)
        compiled.keep(self.kept)
        self._keep(loaded.sources)
        if self._keeps():
            self.store.set_meta({"verified": verified, "files": json.dumps([name for name, _ in loaded.sources])})
        return InForce(sources, compiled.matcher, self.kept)

    def _keeps(self) -> bool:
        """With a clock that cannot be right nothing is: what it dates in the past would never be the newest."""
        return self.keep and not doubt(self.store, self.clock())

    def _keep(self, sources: Iterable[tuple[str, str]]) -> None:
        if not self._keeps():
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
        sound = [(name, source) for name, source in loaded.sources if name not in broken]
        self._keep(sound)
        if self._keeps():
            self.store.set_meta({"files": json.dumps(sorted({n for n, _ in sound} | (broken & good.keys())))})
        if self._keeps() and self.store.last_good() == good:  # else what is kept now has to be looked at once more
            self.store.set_meta({"fallen": json.dumps([fallen, sorted(broken), [astuple(p) for p in errors]])})
        return InForce(replace(sources, problems=tuple(errors)), kept=self.kept)


def _verified(sources: Iterable[tuple[str, str]]) -> str:
    """What a decision that all is well depends on: the engine, and the name and every letter of each file."""
    told = blake2b(ENGINE.encode(), digest_size=8)
    for name, source in sorted(sources):
        letters = source.encode("utf-8", "surrogatepass")
        told.update(f"\n{len(name)} {len(letters)} {name}".encode("utf-8", "surrogatepass"))
        told.update(letters)
    return told.hexdigest()


def _fallen(verified: str, problems: Sequence[Problem], good: dict[str, WatchlistRevision]) -> str:
    """What a decision to fall back depends on: while it is the same, a command need not find out again."""
    rest = sorted((name, revision.rev) for name, revision in good.items())
    told = [str(p) for p in problems]
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


def _gone(loaded: Loaded, good: dict[str, WatchlistRevision], files: str) -> list[Problem]:
    """What was in force and is there no more, though nobody said that it should go.

    One watchlist of several may be deleted. All of them, one that a desk names, or all feeds or desks at once: that is
    a slip of the hand, or a folder that is being copied. `files` is the JSON list of what was in force before.
    """
    now = dict(loaded.sources)
    there = now.keys() | {p.file for p in loaded.problems}
    before = [name for name in (json.loads(files) if files else sorted(good)) if name in good]
    left = any(name.endswith(".yaml") and not _is_list(name) for name in there)
    kept = (_desks(good[n]) for n in before if _called(n, DESKS) and (n not in now or _blank(now[n])))
    desks = next(kept, loaded.desks)
    asked = {watchlist for desk in desks for watchlist in desk.watchlists}
    problems = []
    for name in before:
        empty = _is_list(name) and name in now and _blank(now[name])
        if name in there and not empty:
            continue
        if why := _missed(name, good[name], asked, left=left):
            sentence, hint = why
            problems.append(Problem(name, 1, 1, f"The file is {'empty' if empty else 'gone'}{sentence}", hint))
    return problems


def _missed(name: str, good: WatchlistRevision, asked: Collection[str], *, left: bool) -> tuple[str, str] | None:
    """Why a file may not just go, and what to do; None when it may."""
    kept = "Until then its last good revision stays in force."
    for called, entries in ((FEEDS, _feeds), (DESKS, _desks)):
        if _called(name, called):
            what = called.removesuffix(".yaml")
            some = len(entries(good))
            hint = f"Put it back, or write `{what}: []` if there are to be none. {kept}"
            return (f", though it had {some} {what if some > 1 else what[:-1]}.", hint) if some else None
    if not left:
        return ", and with it the last watchlist.", f"Put it back, or put another one there. {kept}"
    if _watchlist(good) in asked:
        return f", though {DESKS} names its watchlist.", f"Put it back, or take the name out there. {kept}"
    return None


def _blank(source: str) -> bool:
    """Whether a file holds nothing but comments."""
    return not any(line.strip() and not line.lstrip().startswith(("#", "---")) for line in source.splitlines())


def _called(name: str, file: str) -> bool:
    """Whether a name with its folder is this file: `my-feeds.yaml` is a watchlist."""
    return name.rpartition("/")[2] == file


def _is_list(name: str) -> bool:
    return _called(name, FEEDS) or _called(name, DESKS)


def _feeds(revision: WatchlistRevision) -> tuple[Feed, ...]:
    with suppress(ConfigError):  # written by an older program: what it called good is refused today
        return read_feeds(revision.file, revision.source)
    return ()


def _desks(revision: WatchlistRevision) -> tuple[Desk, ...]:
    with suppress(ConfigError):
        return read_desks(revision.file, revision.source)
    return ()


def _watchlist(revision: WatchlistRevision) -> str:
    with suppress(ConfigError):
        return read_watchlist(revision.file, revision.source).id
    return ""


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
    changed = sorted(n for n in good.keys() - broken if now.get(n) != good[n].source and not _is_list(n))
    left = {name: len(_faults(_mixed(loaded, good, {*broken, name}))) for name in changed}
    best = min(left, key=lambda name: left[name], default="")
    return frozenset([best]) if best and left[best] < faults else frozenset(changed)


def _mixed(loaded: Loaded, good: dict[str, WatchlistRevision], broken: Collection[str]) -> Sources:
    files = {f.file: f for f in loaded.files if f.file not in broken}
    feeds, desks = loaded.feeds, loaded.desks
    for name in broken & good.keys():
        try:
            if _called(name, FEEDS):
                feeds = read_feeds(name, good[name].source)
            elif _called(name, DESKS):
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
    rows: list[tuple[object, ...]] = [("no folder",)]
    with suppress(OSError), os.scandir(folder) as entries:
        rows = [(e.name, *_state(e)) for e in entries if e.name.endswith((".yaml", ".yml"))]
    return repr(sorted(rows, key=repr))


def _state(entry: os.DirEntry[str]) -> tuple[int, ...]:
    """What changes when a file does; nothing for one that has gone meanwhile, or a link to nowhere."""
    with suppress(OSError):
        found = entry.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode
    return ()


def vanished(loaded: Loaded, store: Store) -> list[Problem]:
    """What the watch of the store keeps in force though its folder, as it was loaded, has it no more."""
    return _gone(loaded, store.last_good(), store.meta("files"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A folder that was looked through."""

    loaded: Loaded
    problems: list[Problem]
    compiled: Compiled | None
    """All its files; None while one of them cannot be read."""


def check(folder: Path) -> tuple[Loaded, list[Problem]]:
    """Everything wrong in a folder, examples included; nothing is stored."""
    done = checked(folder)
    return done.loaded, done.problems


def checked(folder: Path, kept: Path | None = None) -> Checked:
    """The same with the matcher that the examples were asked of; `kept` as in `load`, but compiled names are only read.

    While a file cannot be read, only that is told: every name that the others miss would be blamed on them.
    """
    loaded = load(folder, kept, names_ahead)
    unread = _unread(loaded)
    if unread:
        loaded.write()
        problems = [p for p in loaded.problems if p.file in unread or p.warning]
        return Checked(loaded=loaded, problems=problems, compiled=None)
    compiled = compile_watchlists(loaded.files, loaded.feeds, kept=kept, ahead=loaded.ahead, meanwhile=loaded.write)
    blameless = _waiting(loaded.files, compiled.problems)
    problems = [*loaded.problems, *(p for p in compiled.problems if (p.file, p.line, p.column) not in blameless)]
    return Checked(loaded=loaded, problems=problems, compiled=compiled)


def _waiting(files: Sequence[WatchlistFile], problems: Sequence[Problem]) -> set[tuple[str, int, int]]:
    """Places of the examples that ask for a rule whose query cannot be read: one mistake is told once."""
    places = {(p.file, p.line) for p in problems}
    marks = [
        example.mark
        for file in files
        if (broken := {r.id for r in file.rules if (file.file, r.query_mark.line) in places})
        for example in file.examples
        if broken.intersection(example.hits)
    ]
    return {(mark.file, mark.line, mark.column) for mark in marks}
