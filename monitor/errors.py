"""Every exception of the product, each with its exit code.

    MonitorError            1   one sentence: what, where, what to do next
      UsageError            2   the command line or a query asks for what cannot be
        QueryError          2   a query with a caret under the place
      ConfigError           3   monitor.yaml, watchlists, feeds or desks; carries file, line, column
      TemporaryError        4   network, relay: trying again can help
      BusyError             5   another instance holds the lock
      StoreError            1   the database is missing, damaged, newer than the program

Ordinary failures of the outside (a feed that does not answer) are no exceptions: see model.Failed, model.SendResult.
"""

from __future__ import annotations

from dataclasses import dataclass


class MonitorError(Exception):
    """Root of the tree; `str()` is the sentence that a person reads."""

    exit_code = 1


class UsageError(MonitorError):
    """Something was asked for in a form that cannot be answered."""

    exit_code = 2


class QueryError(UsageError):
    """A query that cannot be read. `start` and `end` are code points of `query`."""

    def __init__(self, sentence: str, query: str, start: int, end: int | None = None) -> None:
        """Keep the place, so that a caret can be drawn under it."""
        self.sentence = sentence
        self.query = query
        self.start = start
        self.end = max(start + 1, end if end is not None else start + 1)
        super().__init__(sentence)

    def caret(self) -> str:
        """Two lines: the query, and carets under the place."""
        shown = self.query.replace("\n", " ").replace("\t", " ")
        return f"{shown}\n{' ' * self.start}{'^' * (self.end - self.start)}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file that a person wrote. Line and column count from 1; 0 means unknown."""

    file: str
    line: int
    column: int
    sentence: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """file:line:column: sentence hint; the file alone where no line is to blame."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.sentence}{' ' + self.hint if self.hint else ''}"


class ConfigError(MonitorError):
    """A file that a person wrote cannot be used; `problems` holds every place found."""

    exit_code = 3

    def __init__(self, *problems: Problem) -> None:
        """Say all problems, one a line."""
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


class TemporaryError(MonitorError):
    """Trying again later can help."""

    exit_code = 4


class BusyError(MonitorError):
    """Another instance is at work on the same store."""

    exit_code = 5


class StoreError(MonitorError):
    """The store cannot be used as it is."""
