"""The folder watchlists/: every file in it, and what the files say of each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from monitor._yaml import MAX_BYTES, did_you_mean
from monitor.beside import nothing
from monitor.errors import ConfigError, Problem
from monitor.model import Desk, Feed
from monitor.watchlists.desks import read_desks
from monitor.watchlists.feeds import read_feeds
from monitor.watchlists.kept import Further, Kept
from monitor.watchlists.shape import Loaded, Mark, Rule, WatchlistFile

FEEDS = "feeds.yaml"
DESKS = "desks.yaml"
_READS = 3
"""A file that an editor is just writing is read again; two equal reads in a row count."""
_ID = re.compile(r"^watchlist:[ \t]*[\"']?([a-z0-9-]+)", re.MULTILINE)


def load(folder: Path, kept: Path | None = None, further: Further | None = None) -> Loaded:
    """Read every *.yaml file of the folder, in the order of names. Never raises for what people wrote: see `problems`.

    Problems across files (`cross_check`, and `sources:` that no feed has) are among them; files with those stay listed.
    What was read is kept in the file `kept` for the next time; None keeps nothing. If another process reads some of
    them, it also does `further`: see `Loaded.ahead`; with `further` the caller has to call `Loaded.write`, too.
    """
    shown = f"{folder.name}/" if folder.name else ""
    if not folder.is_dir():
        sentence = "There is no such folder of watchlists."
        return Loaded(problems=(Problem(str(folder), 0, 0, sentence, "Run `monitor init` or correct monitor.yaml."),))
    reading = _Reading(folder, shown)
    names = reading.names()
    before = Kept(kept)
    lists = [folder / name for name in names if name.endswith(".yaml") and name not in {FEEDS, DESKS}]
    before.begin(lists, further)
    files = []
    broken = set()
    for name in names:
        if name.endswith(".yml"):
            sentence = "This file is not read: watchlists end in .yaml."
            reading.problems.append(Problem(shown + name, 1, 1, sentence, "Rename it.", warning=True))
        elif name.endswith(".yaml") and name not in {FEEDS, DESKS}:
            found = reading.one(name, before.read)
            if found:
                files.append(found)
            else:
                broken.update(_ID.findall(reading.texts.get(name, "")))
    before.end()
    if not further:
        before.write()
    known = broken | {file.id for file in files}
    feeds: tuple[Feed, ...] = (reading.one(FEEDS, read_feeds) or ()) if FEEDS in names else ()
    desks: tuple[Desk, ...] = ()
    if DESKS in names:
        desks = reading.one(DESKS, lambda name, source: read_desks(name, source, known)) or ()
    checked = (*cross_check(files), *_unknown_feeds(files, feeds))
    return Loaded(
        files=tuple(files),
        feeds=feeds,
        desks=desks,
        problems=(*reading.problems, *checked),
        sources=tuple(reading.sources),
        ahead=before.ahead,
        write=before.write if further else nothing,
    )


_T = TypeVar("_T")


class _Reading:
    """Reads files one after the other and keeps their sources and problems."""

    def __init__(self, folder: Path, shown: str) -> None:
        self.folder = folder
        self.shown = shown
        self.problems: list[Problem] = []
        self.sources: list[tuple[str, str]] = []
        self.texts: dict[str, str] = {}

    def names(self) -> list[str]:
        """The names of all files; a folder or a link to nowhere in the place of one is a problem."""
        try:
            paths = sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            sentence = f"The folder cannot be read ({error.strerror or 'unknown reason'})."
            self.problems.append(Problem(str(self.folder), 0, 0, sentence, "Check its permissions."))
            return []
        for path in paths:
            if path.suffix == ".yaml" and not path.is_file():
                sentence = "This is no file." if path.exists() else "This is a link to a file that is not there."
                self.problems.append(Problem(self.shown + path.name, 1, 1, sentence, "Put the file back or delete it."))
        return [path.name for path in paths if path.is_file()]

    def one(self, name: str, read: Callable[[str, bytes], _T]) -> _T | None:
        try:
            source = _steady(self.folder / name)
            self.texts[name] = source.decode("utf-8", "replace")
            found = read(self.shown + name, source)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None
        except OSError as error:
            sentence = f"The file cannot be read ({error.strerror or 'unknown reason'})."
            self.problems.append(Problem(self.shown + name, 0, 0, sentence, "Check its permissions."))
            return None
        self.sources.append((self.shown + name, source.decode("utf-8-sig")))
        return found


def _steady(path: Path) -> bytes:
    """Return the bytes of a file that nobody is writing at this moment."""
    before = _bytes(path)
    for _ in range(_READS):
        again = _bytes(path)
        if again == before:
            break
        before = again
    return before


def _bytes(path: Path) -> bytes:
    """Return at most one byte more than is allowed: parse says that it is too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def cross_check(files: Sequence[WatchlistFile]) -> tuple[Problem, ...]:
    """Problems between files: names defined twice, relations, company and examples that name nothing.

    A name defined twice is a problem at each of its places. References inside queries are checked by match.compile.
    """
    entities = [(entity.id, entity.mark) for file in files for entity in file.entities]
    ids = {name for name, _ in entities}
    groups = {group for file in files for entity in file.entities for group in entity.groups}
    lists = [(words.id, words.mark) for file in files for words in file.words]
    rules = [(rule.id, rule.mark) for file in files for rule in file.rules]
    heads = [(file.id, Mark(file=file.file, line=1, column=1)) for file in files]
    return (
        *_doubled("watchlist", heads),
        *_doubled("entity", entities),
        *_doubled("word list", lists),
        *_doubled("rule", rules),
        *_same_as_group(entities, groups),
        *_undefined(files, ids, groups),
    )


def _doubled(what: str, found: Iterable[tuple[str, Mark]]) -> list[Problem]:
    places: dict[str, list[Mark]] = {}
    for name, mark in found:
        places.setdefault(name, []).append(mark)
    problems = []
    for name, marks in places.items():
        for mark in marks if len(marks) > 1 else ():
            other = next(place for place in marks if place is not mark)
            sentence = f"The {what} `{name}` is defined twice (also in {other.file}:{other.line})."
            problems.append(_problem(mark, sentence, "Rename or delete one."))
    return problems


def _same_as_group(entities: Iterable[tuple[str, Mark]], groups: Collection[str]) -> list[Problem]:
    return [
        _problem(mark, f"`{name}` is both an entity and a group, so `@{name}` could mean either.", "Rename one.")
        for name, mark in entities
        if name in groups
    ]


def _undefined(files: Sequence[WatchlistFile], ids: Collection[str], groups: Collection[str]) -> list[Problem]:
    """Relations, company and mentions that name no entity."""
    problems: list[Problem] = []
    for file in files:
        for entity in file.entities:
            wrong = (relation for relation in entity.relations if relation.id not in ids)
            problems.extend(_missing(relation.mark, relation.id, ids) for relation in wrong)
            for short in entity.short:
                for company in short.with_:
                    name = company.removeprefix("@").removesuffix("+")
                    if company.startswith("@") and name not in ids and name not in groups:
                        problems.append(_missing(short.mark, name, {*ids, *groups}))
        for example in file.examples:
            problems.extend(_missing(example.mark, name, ids) for name in example.mentions or () if name not in ids)
    return problems


def _unknown_feeds(files: Sequence[WatchlistFile], feeds: Sequence[Feed]) -> list[Problem]:
    """Warnings for `sources:` of rules that name no feed; none while there are no feeds to compare with."""
    ids = {feed.id for feed in feeds}

    def warned(rule: Rule) -> list[Problem]:
        unknown = [name for name in (*rule.sources_only, *rule.sources_never) if name not in ids]
        return [
            Problem(
                rule.mark.file,
                rule.mark.line,
                rule.mark.column,
                f"The rule `{rule.id}` names the source `{name}`, which is no feed in {FEEDS}.",
                did_you_mean(name, ids),
                warning=True,
            )
            for name in unknown
        ]

    return [problem for file in files for rule in file.rules for problem in warned(rule)] if ids else []


def _missing(mark: Mark, name: str, options: Iterable[str]) -> Problem:
    hint = did_you_mean(name, options) or "Define it, or correct the spelling."
    return _problem(mark, f"There is no entity `{name}`.", hint)


def _problem(mark: Mark, sentence: str, hint: str) -> Problem:
    return Problem(mark.file, mark.line, mark.column, sentence, hint)
