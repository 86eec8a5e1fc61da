"""Work in a forked child: its answers in their order, or None when it was not begun or did not end well."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from monitor.beside import beside


@pytest.fixture
def two_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores and one thread, whatever this machine and the tests before have."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.mark.usefixtures("two_hands")
def test_the_work_is_done_in_another_process_and_its_bytes_come_back() -> None:
    """A million bytes are more than a pipe holds."""
    answers = beside(lambda: [b"%d" % os.getpid(), b"", b"x" * 1_000_000])
    told = answers()
    assert told is not None
    assert int(told) != os.getpid()
    assert [answers(), answers()] == [b"", b"x" * 1_000_000]
    assert [answers(), answers()] == [None, None]


@pytest.mark.usefixtures("two_hands")
def test_an_answer_is_had_before_the_next_is_made() -> None:
    """What was said stands, whatever becomes of the work behind it."""
    go_on, waiting = os.pipe()

    def work() -> Iterator[bytes]:
        yield b"first"
        os.read(go_on, 1)
        yield b"second"
        raise ValueError("wrong")

    answers = beside(work)
    assert answers() == b"first"
    os.write(waiting, b"x")
    assert [answers(), answers()] == [b"second", None]
    os.close(go_on)
    os.close(waiting)


@pytest.mark.usefixtures("two_hands")
def test_work_that_goes_wrong_has_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    """An error or a death: the asker does the work himself, and a person reads nothing of it."""

    def wrong() -> list[bytes]:
        raise ValueError("wrong")

    def killed() -> list[bytes]:
        os.kill(os.getpid(), signal.SIGKILL)
        return [b"never"]

    assert beside(wrong)() is None
    assert beside(killed)() is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("two_hands")
def test_a_child_leaves_open_work_to_its_parent(capfd: pytest.CaptureFixture[str]) -> None:
    """What waits to be written is written once."""
    sys.stdout.write("once")
    assert beside(lambda: [b"done"])() == b"done"
    sys.stdout.flush()
    assert capfd.readouterr().out == "once"


def test_nothing_is_begun_with_another_thread_or_a_single_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of several threads may find a lock taken for ever; on one core it takes the time of its parent."""

    def never() -> int:
        raise AssertionError("a child was begun")

    monkeypatch.setattr(os, "fork", never)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert beside(lambda: [b""])() is None
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    waiting = threading.Event()
    other = threading.Thread(target=waiting.wait)
    other.start()
    try:
        assert beside(lambda: [b""])() is None
    finally:
        waiting.set()
        other.join()


@pytest.mark.usefixtures("two_hands")
def test_a_child_that_is_refused_costs_no_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many processes: the work is not begun, and the pipe for it is closed."""
    made: list[int] = []
    pipe = os.pipe

    def piped() -> tuple[int, int]:
        made.extend(ends := pipe())
        return ends

    def refused() -> int:
        raise OSError(errno.EAGAIN, "too many")

    monkeypatch.setattr(os, "fork", refused)
    monkeypatch.setattr(os, "pipe", piped)
    assert beside(lambda: [b""])() is None
    for end in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
    assert len(made) == 2


@pytest.mark.usefixtures("two_hands")
def test_too_many_open_files_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is not begun."""

    def refused() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(os, "pipe", refused)
    assert beside(lambda: [b""])() is None


@pytest.mark.usefixtures("two_hands")
def test_an_end_that_nobody_was_told_of_is_no_error() -> None:
    """A program that was started with SIGCHLD ignored is not told how its children end: what they said is whole."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        answers = beside(lambda: [b"done"])
        assert [answers(), answers()] == [b"done", None]
        beside(lambda: [b"nobody asks"])
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("two_hands")
def test_a_child_that_is_interrupted_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C goes to the whole group, also in the moment in which the child is born: only the parent says so."""
    fork = os.fork
    told: list[int] = []

    def interrupted() -> int:
        child = fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return child

    def ended() -> list[bytes]:
        os.kill(os.getpid(), signal.SIGTERM)
        return [b"done"]

    handlers = {s: signal.signal(s, lambda number, _: told.append(number)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        with monkeypatch.context() as born:
            born.setattr(os, "fork", interrupted)
            assert beside(lambda: [b"done"])() is None
        assert beside(ended)() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == [signal.SIGTERM]  # the parent hears what it heard before
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("two_hands")
def test_no_child_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the last answer has let the child go; one whose answers nobody can ask for any more is ended."""
    born: list[int] = []
    fork = os.fork

    def forked() -> int:
        born.append(fork())
        return born[-1]

    monkeypatch.setattr(os, "fork", forked)
    answers = beside(lambda: [b"done"])
    assert [answers(), answers()] == [b"done", None]
    waiting, other = os.pipe()
    forgotten = beside(lambda: [os.read(waiting, 1)])  # which would take for ever
    del forgotten
    for child in born:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
    os.close(waiting)
    os.close(other)
