"""The archive in pieces: what a child process needs to match one, and how children are asked.

A child compiles the watchlists once by their sources, or finds them compiled where the parent keeps them, and reads the
store by a connection of its own; it never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from monitor.errors import TemporaryError
from monitor.match import Matcher, compile_watchlists
from monitor.model import Feed
from monitor.ports import Store
from monitor.sandbox import Done, Killed, Limits
from monitor.service.edit import InForce
from monitor.watchlists.kept import Kept

SIZE = 1_000
"""Articles in a piece: a second of matching, so that little is lost when a run is ended."""

MOST = 1_000_000
"""More than a piece can hold, whatever was stored into it meanwhile."""

PRELOAD = ("monitor.service.rematch", "monitor.service.trial")
"""Modules that a child needs; loaded once by the fork server."""

LIMITS = Limits(wall=300.0, cpu=300.0, memory=4 << 30)
"""For one piece, the compiling of the watchlists included: our own code, bounded lest a fault run for ever."""

_CAUSES = {
    "wall": "it took too long",
    "cpu": "it took too long",
    "memory": "it needed too much memory",
    "crash": "its process was ended from outside",
}

T = TypeVar("T")

Reading = Callable[[], Store]
"""Opens the store for reading alone; can be pickled and compared."""


class Children(Protocol):
    """Runs a function of a module on many arguments in child processes; outcomes in order."""

    def __call__(self, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[T] | Killed]:
        """Start when the first outcome is asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a matcher is made of."""

    sources: tuple[tuple[str, str], ...]
    """(file, source) of every watchlist."""
    feeds: tuple[Feed, ...]
    kept: Path | None = None
    """Where some of it may be found read and compiled."""

    @classmethod
    def of(cls, force: InForce) -> Recipe:
        """Of the watchlists in force."""
        return cls(tuple((f.file, f.source) for f in force.files), tuple(force.feeds), force.kept)


@lru_cache(maxsize=2)
def matcher_of(recipe: Recipe) -> Matcher:
    """The compiled watchlists; a child is asked for the same again and again."""
    read = Kept(recipe.kept).read
    files = [read(name, source.encode("utf-8", "surrogatepass")) for name, source in recipe.sources]
    return compile_watchlists(files, recipe.feeds, examples=False, kept=recipe.kept).matcher


@lru_cache(maxsize=1)
def opened(reading: Reading) -> Store:
    """The store as this process reads it."""
    return reading()


def through(
    children: Children, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], command: str
) -> Iterator[T]:
    """The values in order; a job whose child was ended from outside gets a second chance.

    Raises TemporaryError, which names the command to give again.
    """
    for job, outcome in zip(jobs, children(function, jobs), strict=True):
        second = isinstance(outcome, Killed) and outcome.cause == "crash"
        settled = next(children(function, [job])) if second else outcome
        if isinstance(settled, Killed):
            why = _CAUSES.get(settled.cause, settled.reason)
            raise TemporaryError(f"A part of the archive could not be matched ({why}): run `{command}` again.")
        yield settled.value
