"""What people wrote in a watchlist file, as plain data with marks. Rule texts stay text: match compiles them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.beside import Answers, nothing
from monitor.errors import Problem
from monitor.model import Desk, Feed, Level

KINDS = (
    "person",
    "office",
    "armed-group",
    "party",
    "state-organ",
    "government",
    "state",
    "organisation",
    "company",
    "base",
    "facility",
    "place",
    "agreement",
    "mechanism",
    "operation",
    "weapon",
    "law",
    "event",
    "outlet",
    "concept",
)
"""The closed list of what an entity can be."""

RELATIONS = ("part_of", "leads", "located_in", "hosts", "party_to")
"""From an entity to the ids of others; `@anbar+` walks them backwards."""


WARNINGS = (
    "common",
    "unseen",
    "dominant",
    "short-star",
    "shared-name",
    "cycle",
    "common-word",
    "unproved",
    "idle-mask",
    "shared-need",
    "shared-catalogue",
)
"""The closed list of what `monitor check` warns of, as `accept` names it."""


class Mark(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


class Name(NamedTuple):
    """One spelling of an entity, one expression of a mask, or one term of a word list (`attack*` keeps its star)."""

    text: str
    lang: str
    """The key it stands under; empty in a mask."""
    mark: Mark
    doubtful: str = ""
    """Why no native speaker has confirmed it; empty when nobody doubts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A name too short or too common alone: it counts only with company."""

    text: str
    """Written under the key `say`."""
    with_: tuple[str, ...]
    """Words, names, "phrases" and @entities; one of them is company enough."""
    mark: Mark
    lang: str = ""
    within: int | None = None
    """Words between the name and its company; None means anywhere in the article."""
    case: bool = False
    """Only in exactly these letters and this case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """`part_of: anbar` of an entity."""

    kind: str
    id: str
    mark: Mark

    def __iter__(self) -> Iterator[str]:
        """Unpack as (kind, id)."""
        return iter((self.kind, self.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an entity comes from: file and line of an analysis, and at most 15 of its words."""

    seed: str = ""
    line: int = 0
    quote: str = ""
    seed_mark: Mark | None = field(default=None, compare=False)
    line_mark: Mark | None = field(default=None, compare=False)
    quote_mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """A person has settled a warning of `monitor check`."""

    warning: str
    """One of WARNINGS."""
    reason: str
    on: str = ""
    """The day on which it was settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A thing that is watched, under a slug that a person would type."""

    id: str
    kind: str
    name: str
    """What people call it; looked for like any of `names`."""
    mark: Mark
    names: tuple[Name, ...] = ()
    short: tuple[Short, ...] = ()
    mask: tuple[Name, ...] = ()
    groups: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    level: Level | None = None
    """None means the level of the file."""
    catalogue: tuple[str, ...] = ()
    source: Source | None = None
    origin: str = ""
    """Written under the key `from`: where it comes from when that is no analysis of the house."""
    note: str = ""
    accept: tuple[Accept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WordList:
    """Words that go with entities, usable as `#attack`."""

    id: str
    terms: tuple[Name, ...]
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to be told about."""

    id: str
    title: str
    level: Level
    query: str
    query_mark: Mark
    """First letter of the query: an error at offset n of a query on one line stands n columns to the right."""
    mark: Mark
    languages: tuple[str, ...] = ()
    """Empty means all."""
    sources_only: tuple[str, ...] = ()
    sources_never: tuple[str, ...] = ()
    need: str = ""
    accept: tuple[Accept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text, and what the file promises to say of it."""

    say: str
    hits: tuple[str, ...]
    """Exactly the rules of this file that fire."""
    mark: Mark
    mentions: tuple[str, ...] | None = None
    """Exactly the entities mentioned; None where not given."""
    title: str = ""
    lang: str = ""
    """Empty lets the language be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistFile:
    """One YAML file in watchlists/."""

    id: str
    title: str
    file: str
    """Name that stands in messages, the same at every load."""
    rev: str
    """12 hex digits: BLAKE2b of the source."""
    source: str
    level: Level = "normal"
    """Of a plain mention."""
    owner: str = ""
    entities: tuple[Entity, ...] = ()
    words: tuple[WordList, ...] = ()
    rules: tuple[Rule, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Ahead:
    """Files that another process has read, and what it goes on to do with them."""

    files: tuple[WatchlistFile, ...] = ()
    answer: Answers = nothing
    """Waits for what `further` of `load` makes of the files; None where nobody does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A folder as read. A file with an error is missing from `files` and named in `problems`."""

    files: tuple[WatchlistFile, ...] = ()
    feeds: tuple[Feed, ...] = ()
    desks: tuple[Desk, ...] = ()
    problems: tuple[Problem, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    """(file, source) of every good file, feeds and desks included: what to keep as the last good revision."""
    ahead: Ahead = field(default=Ahead(), compare=False)
    write: Callable[[], None] = field(default=nothing, compare=False)
    """Keeps what was read, where `load` has left that to its caller: it takes a while, and can wait."""
