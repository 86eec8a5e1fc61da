"""Which queries can be true where some leaves occur: asked of every article, before anything is evaluated.

What occurs in an article is one number with a bit for each clause that it meets, a clause being a set of leaves of
which one has to occur. So most of a query is asked in one operation, and a group of very many names is a single bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from monitor.query.evaluate import All, Bound, Count, Inside, Leaves, Limited, Never, Pair, Some

_Way = Callable[[int], bool]
_Conditions = tuple[frozenset[frozenset[int]], list[_Way]]
"""What must hold, all of it: each clause is met, and each way is open."""
_Bit = Callable[[frozenset[int]], int]


class Gates:
    """Asks of many queries at once whether the leaves that occur can make them true."""

    def __init__(self, queries: Sequence[Bound], cost: Mapping[int, float]) -> None:
        """`cost` tells how often a leaf occurs, beside the others: a query is looked at where its rarest ones do."""
        self._clauses: dict[frozenset[int], int] = {}
        self._always: list[int] = []
        """Queries that nothing narrows."""
        self._fired_by: dict[int, list[int]] = defaultdict(list)
        for number, query in enumerate(queries):
            leaves = needed(query, cost)
            if leaves is None:
                self._always.append(number)
            else:
                self._fired_by[self._bit(leaves)].append(number)
        self._firing = (1 << len(self._clauses)) - 1
        self._asked = [_asked(*_conditions(query, self._bit), self._bit) for query in queries]
        self._met: dict[int, int] = defaultdict(int)
        for clause, bit in self._clauses.items():
            for leaf in clause:
                self._met[leaf] |= bit

    def _bit(self, clause: frozenset[int]) -> int:
        return self._clauses.setdefault(clause, 1 << len(self._clauses))

    def mask(self, leaves: Iterable[int]) -> int:
        """The clauses that a set of leaves meets, as a number."""
        met, found = self._met, 0
        for leaf in leaves:
            if leaf in met:
                found |= met[leaf]
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
        asked = self._asked
        met = [number for number in sorted(numbers) if mask & asked[number][0] == asked[number][0]]
        return [number for number in met if _all_open(asked[number][1], mask)]


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


def _conditions(node: Bound, bit: _Bit) -> _Conditions:
    match node:
        case Leaves(leaves=leaves):
            return frozenset((frozenset(leaves),)), []
        case All(parts=parts):
            return _together([_conditions(part, bit) for part in parts])
        case Some(parts=parts):
            return _either([_conditions(part, bit) for part in parts], bit)
        case Pair(left=left, right=right, negated=False):
            return _together([_conditions(left, bit), _conditions(right, bit)])
        case Pair(left=part) | Count(part=part) | Inside(part=part):
            return _conditions(part, bit)
        case Never() | Limited():
            return frozenset(), []


def _asked(clauses: Iterable[frozenset[int]], ways: list[_Way], bit: _Bit) -> tuple[int, list[_Way]]:
    """The clauses that must be met, as a number, and the ways that must be open."""
    every = 0
    for clause in clauses:
        every |= bit(clause)
    return every, ways


def _way(clauses: Iterable[frozenset[int]], ways: list[_Way], bit: _Bit) -> _Way:
    """Whether every clause is met and every way is open."""
    every, ways = _asked(clauses, ways, bit)
    if not ways:
        return lambda mask: mask & every == every
    return lambda mask: mask & every == every and _all_open(ways, mask)


def _all_open(ways: Sequence[_Way], mask: int) -> bool:
    for way in ways:  # noqa: SIM110  # `all` and `any` make a generator for each article and rule
        if not way(mask):
            return False
    return True


def _one_open(ways: Sequence[_Way], mask: int) -> bool:
    for way in ways:  # noqa: SIM110
        if way(mask):
            return True
    return False


def _together(parts: list[_Conditions]) -> _Conditions:
    return frozenset().union(*(clauses for clauses, _ in parts)), [way for _, ways in parts for way in ways]


def _either(parts: list[_Conditions], bit: _Bit) -> _Conditions:
    """Alternatives; those that are a single clause become one."""
    if any(not clauses and not ways for clauses, ways in parts):
        return frozenset(), []
    alone = [clauses for clauses, ways in parts if len(clauses) == 1 and not ways]
    simple = frozenset[int]().union(*(clause for clauses in alone for clause in clauses))
    others = [_way(clauses, ways, bit) for clauses, ways in parts if len(clauses) != 1 or ways]
    if not others:
        return frozenset((simple,)), []
    met = bit(simple)
    return frozenset(), [lambda mask: bool(mask & met) or _one_open(others, mask)]
