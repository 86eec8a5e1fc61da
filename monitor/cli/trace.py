"""The trace of a poll on the terminal: a line for each step, as it happens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from monitor.cli.show import say


@contextmanager
def traced(*, feeds: int) -> Iterator[None]:
    """Show the trace on stderr; with the feed in front of each line when there are several."""
    logger, handler = logging.getLogger("monitor.trace"), _Lines(feeds=feeds)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Lines(logging.Handler):
    """Writes what was said of a feed."""

    def __init__(self, *, feeds: int) -> None:
        super().__init__(logging.DEBUG)
        self._alone = feeds == 1

    def emit(self, record: logging.LogRecord) -> None:
        """One line; a record is (feed, step, text)."""
        text = record.getMessage()
        say(text.partition(": ")[2] if self._alone else text)
