"""The course of one poll: whether it moves on, which is the watch's sign of life, and whether it is told to end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from monitor.sandbox import Sandbox

T = TypeVar("T")

LOOK = 0.25
"""Seconds between two looks of a poll that waits for answers, whether it is told to end, or writes what is there."""

ENDING = 10.0
"""Seconds in which a poll that is told to end may still read and write what it has in hand; then nothing new is begun,
and what is left is dropped: the next poll finds it again."""

LAST = 3.0
"""Seconds that a document may still take in its parser then; one that takes longer is read again by the next poll."""

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

    async def along(self, source: AsyncIterator[T]) -> AsyncGenerator[T | None, None]:
        """What comes from `source`, a step each, and None whenever nothing has come for LOOK seconds.

        It goes on until that ends or the poll is to end; then `source` is ended, too.
        """
        coming = asyncio.ensure_future(anext(source, None))
        try:
            while not self.ends():
                await asyncio.wait({coming}, timeout=LOOK)
                if not coming.done():
                    yield None
                    continue
                one = coming.result()
                if one is None:
                    return
                self.step()
                coming = asyncio.ensure_future(anext(source, None))  # it comes while this one is worked on
                yield one
        finally:
            coming.cancel()
            await asyncio.wait({coming})
            if isinstance(source, AsyncGenerator):  # what was cancelled before it began has ended nothing
                await source.aclose()


def tell_to_end(stop: threading.Event, feeds: Sandbox, pages: Sandbox) -> None:
    """Tell a poll to end by its `stop`, and the children that read feeds and pages for it, for good.

    It takes no lock but that of the event, so that a signal's handler may call it, though not while it is at that.
    """
    stop.set()  # first: a poll that is told drops what it gets of pages whose child was ended
    feeds.hurry(LAST)
    pages.hurry(0.0)
