"""The shape of a parsed query. One tree serves rules, search and highlighting.

`start` and `end` are code points of the query text, for carets and for telling which clause failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node stands in the query text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Place):
    """`rocket`, `"exact words"`, `attack*`, `=PUK`: something looked for by its letters."""

    text: str
    """As typed, without quotes, star and equals sign."""
    star: bool = False
    exact: bool = False
    """These letters in this case, no affixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRef(Place):
    """`@pkk`, `@hosts-us-forces`, `@kind:base`, `@anbar+`."""

    name: str
    kind: bool = False
    plus: bool = False
    """The thing and everything that stands in a relation below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsRef(Place):
    """`#attack`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Place):
    """All parts hold somewhere in the scope."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Place):
    """Some part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Place):
    """The part does not hold; stands only beside something positive."""

    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Near(Place):
    """`A NEAR/15 B`, `A PRE/5 B`, `A NEAR/s B`, `A NOT NEAR/5 B`."""

    left: Node
    right: Node
    within: int | Literal["s", "p"]
    """Whole words strictly between, or same sentence, or same paragraph."""
    ordered: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast(Place):
    """`ATLEAST/3(A)`: that many spans that do not overlap."""

    count: int
    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class InField(Place):
    """`title:( )`, `body:( )` or `lead:( )`: the part must hold there."""

    field: Literal["title", "lead", "body"]
    part: Node


LimitName = Literal["source", "lang", "country", "tier", "since", "until", "watchlist", "rule", "level", "story"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Place):
    """`source:rudaw`, `lang:ar,ckb`, `since:7d`. The last five of LimitName are for search only."""

    name: LimitName
    values: tuple[str, ...]


Node = Term | EntityRef | WordsRef | And | Or | Not | Near | AtLeast | InField | Limit


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, parents first."""
    yield node
    match node:
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from walk(part)
        case Near(left=left, right=right):
            yield from walk(left)
            yield from walk(right)
        case Not(part=part) | AtLeast(part=part) | InField(part=part):
            yield from walk(part)
        case _:
            return
