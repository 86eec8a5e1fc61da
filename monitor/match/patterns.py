"""The patterns of letters of a matcher: the automaton that finds them in one pass, and what each of them means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
        first: dict[bytes, tuple[Sequence[Use], Meaning]] = {}
        last: dict[bytes, tuple[Sequence[Use], Meaning]] = {}
        known: dict[int, tuple[dict[bytes, tuple[Sequence[Use], Meaning]], Meaning]] = {}
        for pattern, meant in uses.items():
            if len(meant) > 1:
                rows = last if all(use.leaf in later for use in meant) else first
                rows[pattern] = meant, _meaning(meant)
                continue
            found = known.get(id(meant[0]))  # most mean one thing alone, and the same as others do
            if found is None:
                found = known[id(meant[0])] = (last if meant[0].leaf in later else first), _meaning(meant)
            found[0][pattern] = meant, found[1]
        rows = first or {b"\x00": ((), ((), ()))}
        self.waiting = len(rows)
        """The number of the first pattern that only words mean."""
        every = [*rows.values(), *last.values()]
        self.uses = [meant for meant, _ in every]
        self.meanings = [meaning for _, meaning in every]
        self._hands = ThreadPoolExecutor(max_workers=1)
        self._building = (
            self._hands.submit(daachorse.DoubleArrayAhoCorasick.deserialize, automaton)
            if automaton
            else self._hands.submit(daachorse.DoubleArrayAhoCorasick, [*rows, *last])
        )
        self._hands.shutdown(wait=False)

    @cached_property
    def automaton(self) -> daachorse.DoubleArrayAhoCorasick:
        """Finds (start, end, number) of every pattern in folded text."""
        self._hands.shutdown()  # no thread is left, so that the process may fork
        return self._building.result()


def asks(use: Use) -> bool:
    """Whether more than the folded letters decides if this is meant."""
    return bool(use.exact or use.capitals or use.close or use.unknown or use.article or use.marked)


def _meaning(uses: Sequence[Use]) -> Meaning:
    if len(uses) == 1:  # nearly every pattern
        return ((), (uses[0],)) if asks(uses[0]) else ((uses[0].leaf,), ())
    whole = dict.fromkeys(use.leaf for use in uses if not asks(use))
    return tuple(whole), tuple(use for use in uses if asks(use))
