"""Does a query hold in an article, and which spans made it so. The one evaluator of rules, search and highlighting.

A query is first bound: names, words and lists become numbers of leaves, which the matcher has looked for. A span is
(start, end, atoms) in folded positions, with atoms the (start, end, leaf) found; a NEAR yields the hull of its pair.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from monitor.query import ast

Atom = tuple[int, int, int]
Span = tuple[int, int, tuple[Atom, ...]]
Scope = Literal["title", "lead", "body", ""]

_MOST_PAIRS = 20_000
"""Pairs of one NEAR that are formed in one article; a bound for hostile texts, which no real article comes near."""


class View(Protocol):
    """What the evaluator asks of one article. Positions are those of the folded text."""

    def spans(self, leaves: tuple[int, ...], scope: Scope) -> list[Span]:
        """The places of these leaves in the scope, in order of start."""
        ...

    def word(self, position: int) -> int:
        """Number of the word at a position; the first word of the body is far from the last of the title."""
        ...

    def unit(self, position: int, kind: Literal["s", "p"]) -> int:
        """Number of the sentence or paragraph at a position, different in title and body."""
        ...

    def within_limit(self, limit: ast.Limit) -> bool:
        """Whether a limit such as `source:rudaw` holds for the article."""
        ...


@dataclass(frozen=True, slots=True)
class Leaves:
    """Any of these leaves."""

    leaves: tuple[int, ...]
    place: ast.Place


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Bound, ...]
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Some:
    """Some part holds."""

    parts: tuple[Bound, ...]
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Never:
    """The part does not hold."""

    part: Bound
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Pair:
    """NEAR, PRE, NOT NEAR."""

    left: Bound
    right: Bound
    within: int | Literal["s", "p"]
    ordered: bool
    negated: bool
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Count:
    """ATLEAST."""

    count: int
    part: Bound
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Inside:
    """title:( ), lead:( ), body:( )."""

    field: Literal["title", "lead", "body"]
    part: Bound
    place: ast.Place


@dataclass(frozen=True, slots=True)
class Limited:
    """source:, lang: and the like."""

    limit: ast.Limit

    @property
    def place(self) -> ast.Place:
        """Where it stands in the query."""
        return self.limit


Bound = Leaves | All | Some | Never | Pair | Count | Inside | Limited


def evaluate(node: Bound, view: View, scope: Scope = "") -> list[Span] | None:
    """The spans that make the query true, or None when it is false. A true NOT or limit has no span of its own."""
    match node:
        case Leaves(leaves=leaves):
            return view.spans(leaves, scope) or None
        case All(parts=parts):
            return _all(parts, view, scope)
        case Some(parts=parts):
            found = [spans for part in parts if (spans := evaluate(part, view, scope)) is not None]
            return merged(found) if found else None
        case Never(part=part):
            return [] if evaluate(part, view, scope) is None else None
        case Pair():
            return _pair(node, view, scope)
        case Count(count=count, part=part):
            spans = evaluate(part, view, scope)
            return spans if spans is not None and _apart(spans) >= count else None
        case Inside(field=field, part=part):
            return evaluate(part, view, field)
        case Limited(limit=limit):
            return [] if view.within_limit(limit) else None


def joined(node: Bound) -> Bound:
    """The same query with the leaves of an OR as one set: most of what a rule names are such alternatives."""
    match node:
        case Some(parts=parts):
            inner = [joined(part) for part in parts]
            sets = [part for part in inner if isinstance(part, Leaves)]
            if len(sets) < 2:
                return replace(node, parts=tuple(inner))
            together = Leaves(tuple(dict.fromkeys(n for part in sets for n in part.leaves)), node.place)
            others = [part for part in inner if not isinstance(part, Leaves)]
            return replace(node, parts=(together, *others)) if others else together
        case All(parts=parts):
            return replace(node, parts=tuple(joined(part) for part in parts))
        case Pair(left=left, right=right):
            return replace(node, left=joined(left), right=joined(right))
        case Never(part=part) | Count(part=part) | Inside(part=part):
            return replace(node, part=joined(part))
        case _:
            return node


def merged(lists: list[list[Span]]) -> list[Span]:
    """Several ordered lists of spans as one, in order and without repeats."""
    if len(lists) == 1:
        return lists[0]
    return sorted({span for spans in lists for span in spans})


def _all(parts: tuple[Bound, ...], view: View, scope: Scope) -> list[Span] | None:
    found = []
    for part in parts:
        spans = evaluate(part, view, scope)
        if spans is None:
            return None
        found.append(spans)
    return merged(found)


def _apart(spans: list[Span]) -> int:
    """How many spans can be chosen so that no two overlap."""
    number, last = 0, -1
    for start, end, _ in sorted(spans, key=lambda s: s[1]):
        if start >= last:
            number, last = number + 1, end
    return number


def _pair(node: Pair, view: View, scope: Scope) -> list[Span] | None:
    left = evaluate(node.left, view, scope)
    if left is None:
        return None
    right = evaluate(node.right, view, scope)
    if node.negated:
        if right is None:
            return left
        near = {a for a, _ in _pairs(node, left, right, view)}
        return [span for n, span in enumerate(left) if n not in near] or None
    if right is None:
        return None
    hulls = {_hull(left[a], right[b]) for a, b in _pairs(node, left, right, view)}
    return sorted(hulls) or None


def _hull(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1]), tuple(sorted({*a[2], *b[2]}))


def _pairs(node: Pair, left: list[Span], right: list[Span], view: View) -> list[tuple[int, int]]:
    """Numbers of the spans of both sides that stand close enough and do not overlap."""
    if isinstance(node.within, str):
        firsts = [view.unit(s[0], node.within) for s in right]
        lasts = [view.unit(s[1] - 1, node.within) for s in right]
        reach = 0
    else:
        firsts = [view.word(s[0]) for s in right]
        lasts = [view.word(s[1] - 1) for s in right]
        reach = node.within + 1
    longest = max((b - a for a, b in zip(firsts, lasts, strict=True)), default=0)
    found: list[tuple[int, int]] = []
    for a, span in enumerate(left):
        if isinstance(node.within, str):
            first, last = view.unit(span[0], node.within), view.unit(span[1] - 1, node.within)
        else:
            first, last = view.word(span[0]), view.word(span[1] - 1)
        low = bisect_left(firsts, first - reach - longest)
        high = bisect_right(firsts, last + reach)
        for b in range(low, high):
            other = right[b]
            if span[0] < other[1] and other[0] < span[1]:
                continue
            if node.ordered and other[0] < span[1]:
                continue
            if lasts[b] >= first - reach:
                found.append((a, b))
        if len(found) > _MOST_PAIRS:
            break
    return found
