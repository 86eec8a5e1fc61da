"""Which queries can be true where some leaves occur: asked of every article, before anything is evaluated.

What occurs in an article is one number with a bit for each leaf, so that a clause of a query costs one operation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from monitor.query.evaluate import All, Bound, Count, Inside, Leaves, Limited, Never, Pair, Some

_Way = Callable[[int], bool]
_Conditions = tuple[list[int], list[_Way]]
"""What must hold, all of it: of each number one bit occurs, and each way is open."""


class Gates:
    """Asks of many queries at once whether the leaves that occur can make them true."""

    def __init__(self, queries: Sequence[Bound], cost: Mapping[int, float]) -> None:
        """`cost` tells how often a leaf occurs, beside the others: a query is looked at where its rarest ones do."""
        self._always: list[int] = []
        """Queries that nothing narrows."""
        fired_by: dict[int, list[int]] = defaultdict(list)
        for number, query in enumerate(queries):
            leaves = needed(query, cost)
            if leaves is None:
                self._always.append(number)
            for leaf in sorted(leaves or ()):
                fired_by[leaf].append(number)
        asked = dict.fromkeys((*fired_by, *(leaf for query in queries for leaf in leaves_of(query))))
        self._bits = {leaf: 1 << place for place, leaf in enumerate(asked)}  # what fires comes first: small numbers
        self._fired_by = {self._bits[leaf]: numbers for leaf, numbers in fired_by.items()}
        self._firing = (1 << len(fired_by)) - 1
        self._ways = [_way(*_conditions(query, self._bits)) for query in queries]

    def mask(self, leaves: Iterable[int]) -> int:
        """The number of a set of leaves; those that no query asks for have no bit."""
        bits, found = self._bits, 0
        for leaf in leaves:
            if leaf in bits:
                found |= bits[leaf]
        return found

    def open(self, mask: int) -> list[int]:
        """The queries, by number and in order, that may be true where the leaves of this number occur."""
        firing = mask & self._firing
        if not firing and not self._always:
            return []
        numbers = set(self._always)
        while firing:
            last = firing & -firing
            numbers.update(self._fired_by[last])
            firing ^= last
        return [number for number in sorted(numbers) if self._ways[number](mask)]


def needed(node: Bound, cost: Mapping[int, float]) -> frozenset[int] | None:
    """Leaves of which at least one must occur, or the query is false: the cheapest such set, None when there is none.

    Only queries with a needed leaf in the article are looked at at all (Luwak's presearcher).
    """
    match node:
        case Leaves(leaves=leaves):
            return frozenset(leaves)
        case All(parts=parts):
            return _cheapest([needed(p, cost) for p in parts], cost)
        case Some(parts=parts):
            sets = [needed(p, cost) for p in parts]
            return None if any(s is None for s in sets) else frozenset().union(*(s for s in sets if s is not None))
        case Pair(left=left, right=right, negated=negated):
            return needed(left, cost) if negated else _cheapest([needed(left, cost), needed(right, cost)], cost)
        case Count(part=part) | Inside(part=part):
            return needed(part, cost)
        case Never() | Limited():
            return None


def _cheapest(sets: list[frozenset[int] | None], cost: Mapping[int, float]) -> frozenset[int] | None:
    real = [s for s in sets if s is not None]
    return min(real, key=lambda s: sum(cost.get(leaf, 1.0) for leaf in s)) if real else None


def leaves_of(node: Bound) -> Iterator[int]:
    """Every leaf of a query."""
    match node:
        case Leaves(leaves=leaves):
            yield from leaves
        case All(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from leaves_of(part)
        case Pair(left=left, right=right):
            yield from leaves_of(left)
            yield from leaves_of(right)
        case Never(part=part) | Count(part=part) | Inside(part=part):
            yield from leaves_of(part)
        case Limited():
            pass


def _conditions(node: Bound, bits: Mapping[int, int]) -> _Conditions:
    match node:
        case Leaves(leaves=leaves):
            return [sum(bits[leaf] for leaf in dict.fromkeys(leaves))], []
        case All(parts=parts):
            return _together([_conditions(part, bits) for part in parts])
        case Some(parts=parts):
            return _either([_conditions(part, bits) for part in parts])
        case Pair(left=left, right=right, negated=False):
            return _together([_conditions(left, bits), _conditions(right, bits)])
        case Pair(left=part) | Count(part=part) | Inside(part=part):
            return _conditions(part, bits)
        case Never() | Limited():
            return [], []


def _way(clauses: list[int], ways: list[_Way]) -> _Way:
    """Whether each clause and each way is open; loops, which are cheaper than generators."""

    def opens(mask: int) -> bool:
        for clause in clauses:
            if not mask & clause:
                return False
        for way in ways:  # noqa: SIM110
            if not way(mask):
                return False
        return True

    return opens


def _together(parts: list[_Conditions]) -> _Conditions:
    clauses = sorted((c for clauses, _ in parts for c in clauses), key=int.bit_count)  # few leaves: most end there
    return clauses, [way for _, ways in parts for way in ways]


def _either(parts: list[_Conditions]) -> _Conditions:
    """Alternatives; those that are a single clause become one."""
    if any(not clauses and not ways for clauses, ways in parts):
        return [], []
    simple = 0
    for clauses, ways in parts:
        if len(clauses) == 1 and not ways:
            simple |= clauses[0]
    others = [_way(clauses, ways) for clauses, ways in parts if len(clauses) != 1 or ways]
    if not others:
        return [simple], []

    def opens(mask: int) -> bool:
        return bool(mask & simple) or any(way(mask) for way in others)

    return [], [opens]
