"""Work on the second core, in a forked child of a process that has one thread only; otherwise it is not begun.

For what a command that a person waits for can do in two halves. Nothing depends on it: whoever asks for the answer of
work that was not begun, or went wrong, does it himself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from functools import cache

_ENDING = (signal.SIGTERM, signal.SIGINT)


def beside(work: Callable[[], bytes]) -> Callable[[], bytes | None]:
    """Begin `work`, and return what waits for its bytes; None for work that was not begun or did not end well.

    Whoever begins it has to ask for the answer, if only to let the child go.
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


def _begun(work: Callable[[], bytes], signals: Iterable[int]) -> Callable[[], bytes | None]:
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
    return cache(lambda: _answer(child, out))


def _work(work: Callable[[], bytes], into: int, signals: Iterable[int]) -> None:
    """What the child does; it never returns, and leaves nothing of its parent's open work to be done twice."""
    ended = 1
    try:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        with open(into, "wb") as pipe:
            pipe.write(work())
        ended = 0
    finally:
        os._exit(ended)


def _answer(child: int, out: int) -> bytes | None:
    with open(out, "rb") as pipe:
        told = pipe.read()
    try:
        _, ended = os.waitpid(child, 0)
    except ChildProcessError:  # this program was started with SIGCHLD ignored: nobody knows how the child ended
        return None
    return told if ended == 0 else None
