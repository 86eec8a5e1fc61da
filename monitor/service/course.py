"""The course of one poll: whether it moves on, which is the watch's sign of life, and whether it is told to end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")

LOOK = 0.25
"""Seconds between two looks of a poll that waits for answers, whether it is told to end."""

ENDING = 10.0
"""Seconds in which a poll that is told to end may still read and write what it has in hand; then nothing new is begun,
and what is left is dropped: the next poll finds it again."""

SIGN = 60.0
"""Least seconds between two signs of life: each is a write."""


class Course:
    """Notes what a poll does. Safe to use from the threads in which it parses and writes.

    `stop`, once set, tells it to end; `alive` is called for each sign of life.
    """

    def __init__(self, stop: threading.Event | None = None, alive: Callable[[], None] | None = None) -> None:
        self._stop = stop or threading.Event()
        self._alive = alive
        self._moved = False
        self._signed = time.monotonic()
        self._told: float | None = None

    def step(self) -> None:
        """Note that something is done: an answer is there, a body is read, articles are written."""
        self._moved = True

    def sign(self) -> None:
        """Give a sign of life when one is due and something was done since the last; a poll that hangs gives none.

        Raises what `alive` raises.
        """
        if self._alive is None or not self._moved or time.monotonic() - self._signed < SIGN:
            return
        self._moved = False
        self._alive()
        self._signed = time.monotonic()

    def ends(self) -> bool:
        """Whether it is told to end: then no new feed is taken in hand."""
        if self._told is None and self._stop.is_set():
            self._told = time.monotonic()
        return self._told is not None

    def late(self) -> bool:
        """Whether that was so long ago that what is not begun is dropped."""
        return self.ends() and time.monotonic() - (self._told or 0.0) >= ENDING

    async def along(self, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """What comes from `source`, a step each, until that ends or the poll is to end; then `source` is ended, too."""
        coming = asyncio.ensure_future(anext(source, None))
        try:
            while not self.ends():
                await asyncio.wait({coming}, timeout=LOOK)
                if not coming.done():
                    continue
                one = coming.result()
                if one is None:
                    return
                self.step()
                yield one
                coming = asyncio.ensure_future(anext(source, None))
        finally:
            coming.cancel()
            await asyncio.wait({coming})
