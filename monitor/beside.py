"""Work on the second core, in a forked child of a process that has one thread only; otherwise it is not begun.

For what a command that a person waits for can do in two halves. Nothing depends on it: whoever asks for the answer of
work that was not begun, or went wrong, does it himself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

_ENDING = (signal.SIGTERM, signal.SIGINT)
_LENGTH = 8
"""Bytes before each answer that say how long it is."""

Answers = Callable[[], bytes | None]
"""Waits for the next answer; None when there is no other, or the work went wrong before it."""


def beside(work: Callable[[], Iterable[bytes]]) -> Answers:
    """Begin `work`, and return what waits for its answers, one after the other.

    Work whose answers nobody can ask for any more is ended.
    """
    if not _two_hands():
        return nothing
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # Ctrl-C goes to both, and one alone shall say so
    try:
        return _begun(work, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def nothing() -> None:
    """The answer of work that was not begun."""


def _two_hands() -> bool:
    """Whether there are two cores, and no other thread whose locks a child would find taken for ever."""
    cores = getattr(os, "sched_getaffinity", None)
    return hasattr(os, "fork") and threading.active_count() == 1 and cores is not None and len(cores(0)) > 1


def _begun(work: Callable[[], Iterable[bytes]], signals: Iterable[int]) -> Answers:
    try:
        out, into = os.pipe()
    except OSError:  # too many open files
        return nothing
    try:
        child = os.fork()
    except OSError:  # too many processes, too little memory
        os.close(out)
        os.close(into)
        return nothing
    if child == 0:
        os.close(out)
        _work(work, into, signals)
    os.close(into)
    return _Answers(child, out)


def _work(work: Callable[[], Iterable[bytes]], into: int, signals: Iterable[int]) -> None:
    """What the child does; it never returns, and leaves nothing of its parent's open work to be done twice."""
    ended = 1
    try:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        with open(into, "wb") as pipe:
            for answer in work():
                pipe.write(len(answer).to_bytes(_LENGTH, "little"))
                pipe.write(answer)
                pipe.flush()
        ended = 0
    finally:
        os._exit(ended)


class _Answers:
    """What a child says, until it ends."""

    def __init__(self, child: int, out: int) -> None:
        self._child, self._parent = child, os.getpid()
        self._pipe: BinaryIO | None = open(out, "rb")  # noqa: SIM115  # closed when the child has ended

    def __call__(self) -> bytes | None:
        if self._pipe is None:
            return None
        length = self._pipe.read(_LENGTH)
        size = int.from_bytes(length, "little")
        told = self._pipe.read(size) if len(length) == _LENGTH else b""
        if len(length) == _LENGTH and len(told) == size:
            return told
        self._let_go()
        return None

    def _let_go(self) -> None:
        if self._pipe:
            self._pipe.close()
            self._pipe = None
            with suppress(ChildProcessError):  # this program was started with SIGCHLD ignored
                os.waitpid(self._child, 0)

    def __del__(self) -> None:
        if self._pipe and self._parent == os.getpid():  # a child that was begun later has a copy, but no say
            if signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN:  # else it may have ended, and its number be new
                with suppress(ProcessLookupError):
                    os.kill(self._child, signal.SIGKILL)
            self._let_go()
