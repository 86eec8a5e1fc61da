"""The patterns of letters of a matcher: the automaton that finds them in one pass, and what each of them means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import daachorse

from monitor.match.vocabulary import Use

Meaning = tuple[tuple[int, ...], tuple[Use, ...]]
"""What a pattern means as a whole word: leaves without question, and uses to look at."""


class Patterns:
    """Patterns by their numbers. Those that only leaves of `later` mean have the last ones, from `waiting` on."""

    def __init__(
        self,
        uses: Mapping[bytes, Sequence[Use]],
        later: Collection[int] = frozenset[int](),
        automaton: bytes = b"",
    ) -> None:
        """`automaton` is what patterns that were made of just these told as their own; without one it is built.

        It is built beside whatever else is done until somebody asks for it: that takes no turns with Python's code.
        """
        asked = uses.items() if later else ()
        waiting = {p for p, meant in asked if meant[0].leaf in later and all(use.leaf in later for use in meant)}
        patterns = [p for p in uses if p not in waiting] or [b"\x00"]
        self.waiting = len(patterns)
        """The number of the first pattern that only words mean."""
        patterns += [p for p in uses if p in waiting]
        self._hands = ThreadPoolExecutor(max_workers=1)
        self._building = (
            self._hands.submit(daachorse.DoubleArrayAhoCorasick.deserialize, automaton)
            if automaton
            else self._hands.submit(daachorse.DoubleArrayAhoCorasick, patterns)
        )
        self._hands.shutdown(wait=False)
        self.uses = [uses.get(p, ()) for p in patterns]
        self.meanings = [*_each_meaning(self.uses)]

    @cached_property
    def automaton(self) -> daachorse.DoubleArrayAhoCorasick:
        """Finds (start, end, number) of every pattern in folded text."""
        self._hands.shutdown()  # no thread is left, so that the process may fork
        return self._building.result()


def asks(use: Use) -> bool:
    """Whether more than the folded letters decides if this is meant."""
    return bool(use.exact or use.capitals or use.close or use.unknown or use.article or use.marked)


def _each_meaning(every: Iterable[Sequence[Use]]) -> Iterator[Meaning]:
    """What each pattern means; most mean one thing alone, and the same as others do."""
    known: dict[int, Meaning] = {}
    for uses in every:
        if len(uses) != 1:
            yield _meaning(uses)
            continue
        found = known.get(id(uses[0]))
        if found is None:
            found = known[id(uses[0])] = _meaning(uses)
        yield found


def _meaning(uses: Sequence[Use]) -> Meaning:
    if len(uses) == 1:  # nearly every pattern
        return ((), (uses[0],)) if asks(uses[0]) else ((uses[0].leaf,), ())
    whole = dict.fromkeys(use.leaf for use in uses if not asks(use))
    return tuple(whole), tuple(use for use in uses if asks(use))
