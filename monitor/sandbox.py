"""Runs work on strangers' bytes in child processes that can be killed.

Parsers hang and eat memory on hostile input (feedparser 6.0.14 needs more than 20 s for 1 MB of attributes, measured),
and nothing inside a process can stop them. So a job runs in a child of a fork server: bounded in wall time, processor
time and memory, without network, without files to write. A child that breaks a bound is killed and replaced; the other
jobs go on.

This module knows no stage. What it runs is a picklable function of a module that the child can import.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import multiprocessing
import os
import pickle
import queue
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

T = TypeVar("T")

Cause = Literal["wall", "cpu", "memory", "crash", "slain", "error", "ended"]

_MEGABYTE = 1 << 20
_JOIN_SECONDS = 5.0
_LOOK_SECONDS = 0.25
"""Between two looks, while a child works, whether there is hurry."""
_STARTING = threading.Lock()

_FOLDER = "desk-monitor-"
"""How the names of the folders begin in which fork servers listen."""
_SETTLED = 60.0
"""Seconds after which such a folder is locked by its owner, or has none any more."""

_BY_OTHERS = {-signal.SIGKILL: "SIGKILL", -signal.SIGTERM: "SIGTERM"}
"""Exit codes of a child that somebody else ended: an operator, or the kernel when the machine is out of memory."""

_STARVED = 77
"""Exit code of a child that had no memory left to answer."""

_REFUSED = frozenset({
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "subprocess.Popen",
})  # fmt: skip
"""Audit events (PEP 578) that no parser has a reason for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[T]):
    """The job came back with a value."""

    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """The job gave no value; `reason` is the end of a sentence whose beginning names the job."""

    cause: Cause
    reason: str


Outcome = Done[T] | Killed

_ENDED = Killed(cause="ended", reason="was ended with the program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may use: seconds of wall and of processor time, bytes of memory on top of an idle child."""

    wall: float = 30.0
    cpu: float = 30.0
    memory: int = 512 * _MEGABYTE


class Sandbox:
    """At most `workers` children at a time, started when first needed. Safe to use from several threads.

    `preload` names modules that the fork server imports once, so that a new child costs 10 ms instead of all imports.
    The fork server is one per process: the first Sandbox that starts a child decides what is preloaded.
    """

    def __init__(self, *, workers: int = 2, limits: Limits | None = None, preload: Sequence[str] = ()) -> None:
        self.limits = limits or Limits()
        self.workers = workers
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *preload])
        self._hurry: tuple[float, float] | None = None
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(workers):
            self._free.put(None)

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """End all children."""
        self.close()

    def close(self) -> None:
        """Wait for the jobs that run (they are bounded) and end all children."""
        for _ in range(self.workers):
            child = self._free.get()
            if child is not None:
                child.end()
        for _ in range(self.workers):
            self._free.put(None)

    def hurry(self, seconds: float) -> None:
        """From now on no job may take longer than this: the program is about to end.

        A job whose child is ended for it tells nothing of itself: it is Killed with the cause "ended". May be called
        from any thread and from a signal's handler.
        """
        self._hurry = time.monotonic(), seconds

    def run(self, function: Callable[..., T], args: tuple[Any, ...]) -> Outcome[T]:
        """Run one job and wait for it."""
        return next(self.map(function, [args]))

    def map(
        self, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], *, batch: int = 8
    ) -> Iterator[Outcome[T]]:
        """Yield one outcome per argument tuple, in order.

        `batch` jobs go to a child in one message. When one is killed, only it is lost: those after it are sent again.
        """
        course = _Course(function=function, jobs=jobs)
        course.pending.extend(deque(range(n, min(n + batch, len(jobs)))) for n in range(0, len(jobs), batch))
        try:
            for number in range(len(jobs)):
                while number not in course.outcomes:
                    self._hand_out(course)
                    self._gather(course)
                yield course.outcomes.pop(number)
        finally:
            for task in course.busy.values():
                self._drop(task.child)

    def _hand_out(self, course: _Course[T]) -> None:
        """Give waiting batches to free children; waits for one only when this course holds none."""
        while course.pending:
            try:
                child = self._free.get(block=not course.busy)
            except queue.Empty:
                return
            numbers = course.pending.popleft()
            try:
                if child is not None and child.left():
                    child.end()
                    child = None
                child = child or _Child(self._context, self.limits)
                child.send(course.function, [course.jobs[n] for n in numbers])
            except OSError:  # it died while idle, or no process could be made
                course.pending.appendleft(numbers)
                self._drop(child)
                course.stumbles += 1
                if course.stumbles > self.workers + 3:
                    raise
                continue
            except BaseException:  # an argument cannot be pickled: the caller's fault, the child is clean
                self._free.put(child)
                raise
            course.busy[child.connection] = _Task(
                child=child, numbers=numbers, deadline=time.monotonic() + self.limits.wall
            )

    def _gather(self, course: _Course[T]) -> None:
        """Wait a moment for some child to say something, and book what happened and who is overdue."""
        soonest = min(self._end(task) for task in course.busy.values())
        ready = wait(list(course.busy), timeout=min(_LOOK_SECONDS, max(0.0, soonest - time.monotonic())))
        for connection in ready:
            assert isinstance(connection, Connection)
            self._book(course, course.busy[connection])
        now = time.monotonic()
        for task in [t for c, t in course.busy.items() if c not in ready and self._end(t) <= now]:
            task.child.kill()
            late = Killed(cause="wall", reason=f"took longer than {self.limits.wall:g} s")
            self._lose(course, task, late if task.deadline <= now else _ENDED)

    def _end(self, task: _Task) -> float:
        """When the job that runs is overdue, in the monotonic clock."""
        if self._hurry is None:
            return task.deadline
        told, seconds = self._hurry
        return min(task.deadline, max(told, task.deadline - self.limits.wall) + seconds)

    def _book(self, course: _Course[T], task: _Task) -> None:
        try:
            outcome, leaves = task.child.receive()
        except (EOFError, OSError):
            why, number = task.child.autopsy(), task.numbers[0]
            if why.cause == "slain" and number not in course.again:
                course.again.add(number)
                self._send_again(course, task)
            else:
                self._lose(course, task, _ENDED if why.cause == "slain" and self._hurry else why)
            return
        course.outcomes[task.numbers.popleft()] = outcome
        task.deadline = time.monotonic() + self.limits.wall
        if leaves and task.numbers:
            course.pending.appendleft(task.numbers)
        if leaves or not task.numbers:
            del course.busy[task.child.connection]
            if leaves:
                self._drop(task.child)
            else:
                self._free.put(task.child)

    def _lose(self, course: _Course[T], task: _Task, outcome: Killed) -> None:
        """The job at the head of this task is lost; the others of its batch are sent again."""
        course.outcomes[task.numbers.popleft()] = outcome
        self._send_again(course, task)

    def _send_again(self, course: _Course[T], task: _Task) -> None:
        """Replace the child; what it has not answered goes to another one."""
        if task.numbers:
            course.pending.appendleft(task.numbers)
        del course.busy[task.child.connection]
        self._drop(task.child)

    def _drop(self, child: _Child | None) -> None:
        """End a child; its place is free for a new one."""
        if child is not None:
            child.kill()
            child.end()
        self._free.put(None)


@dataclass(slots=True, kw_only=True)
class _Task:
    """A batch that a child works on: numbers of the jobs without an outcome, the one that runs first."""

    child: _Child
    numbers: deque[int]
    deadline: float


@dataclass(slots=True, kw_only=True)
class _Course(Generic[T]):
    """What one call of `map` has handed out and got back."""

    function: Callable[..., T]
    jobs: Sequence[tuple[Any, ...]]
    pending: deque[deque[int]] = field(default_factory=deque)
    busy: dict[Connection, _Task] = field(default_factory=dict)
    outcomes: dict[int, Outcome[T]] = field(default_factory=dict)
    stumbles: int = 0
    again: set[int] = field(default_factory=set)
    """Jobs whose child was killed by somebody else, which tells nothing of the job: each is tried once more."""


class _Child:
    """One killable process and the pipe to it."""

    def __init__(self, context: multiprocessing.context.ForkServerContext, limits: Limits) -> None:
        self._limits = limits
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, limits), daemon=True, name="sandbox")
        try:
            with _without_main(), _deaf():
                _settle()
                self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    def send(self, function: Callable[..., Any], jobs: list[tuple[Any, ...]]) -> None:
        self.connection.send_bytes(pickle.dumps((function, jobs), pickle.HIGHEST_PROTOCOL))

    def receive(self) -> tuple[Outcome[Any], bool]:
        outcome, leaves = pickle.loads(self.connection.recv_bytes())  # noqa: S301 - our own child wrote it
        return outcome, leaves

    def left(self) -> bool:
        """Tell of an idle child whether it is gone: its pipe can only be readable because it was closed."""
        return self.connection.poll()

    def kill(self) -> None:
        self._process.kill()

    def autopsy(self) -> Killed:
        """Say why the process is gone."""
        self._process.join(_JOIN_SECONDS)
        code = self._process.exitcode
        if code == -signal.SIGXCPU:
            return Killed(cause="cpu", reason=f"used more than {self._limits.cpu:g} s of processor time")
        if code == _STARVED:
            return _starvation(self._limits)
        if code in _BY_OTHERS:
            return Killed(
                cause="slain", reason=f"lost its process twice to {_BY_OTHERS[code]}, perhaps for want of memory"
            )
        if code is not None and code < 0:
            return Killed(cause="crash", reason=f"crashed the parser ({signal.Signals(-code).name})")
        return Killed(cause="crash", reason="ended the parser without an answer")

    def end(self) -> None:
        """Close the pipe, which an idle child takes as its leave; wait for it, so that no zombie stays."""
        self.connection.close()
        self._process.join(_JOIN_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main script: multiprocessing would run it in each child, where an unguarded one starts the work anew."""
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A fork server that is started here hears no SIGTERM, which systemd and `timeout` send to the whole group.

    Without it nobody could tell how its children ended. These do hear it, and what they worked on is tried once more.
    """
    resource_tracker.ensure_running()  # the fork server's start would do it, and unblock the signal by the way
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settle() -> None:
    """Give the fork server a folder that is known as ours, and remove those that killed programs have left.

    multiprocessing makes one that nobody can tell from others' and that stays after SIGKILL. Ours are locked as long as
    their owner lives, which holds across containers, where numbers of processes mean nothing.
    """
    here = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - no other way in
    if here.get("tempdir") is not None:
        return
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):  # locked, gone meanwhile, or no folder
            if left.lstat().st_uid == os.getuid() and time.time() - left.lstat().st_mtime > _SETTLED:
                _remove(left)
    folder = tempfile.mkdtemp(prefix=_FOLDER)
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX)  # open until the process ends
    # after the children, which the fork server starts by the socket in it
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=-100)
    here["tempdir"] = folder


def _remove(folder: Path) -> None:
    """Remove a folder that nobody has locked. Raises OSError when somebody has, or when it is no folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(handle)


def _serve(connection: Connection, limits: Limits) -> None:
    """Body of a child: take batches, answer each job, until the pipe closes."""
    _confine(limits)
    try:
        _take_batches(connection, limits)
    except (EOFError, OSError):
        return
    except MemoryError:  # not even enough to say so, or for the batch itself
        os._exit(_STARVED)


def _take_batches(connection: Connection, limits: Limits) -> None:
    while True:
        message = connection.recv_bytes()
        try:
            function, jobs = pickle.loads(message)  # noqa: S301 - our own parent wrote it
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a module that cannot be imported is an answer, too
            connection.send_bytes(pickle.dumps((_failure(error), True)))
            return
        del message
        for args in jobs:
            leaves = _answer(connection, function, args, limits)
            if leaves:
                return


def _answer(connection: Connection, function: Callable[..., Any], args: tuple[Any, ...], limits: Limits) -> bool:
    """Run one job and send its outcome; True when this child should be replaced."""
    _allow_cpu(limits.cpu)
    leaves = False
    try:
        message = pickle.dumps((Done(value=function(*args)), False), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes raise must stay in here
        leaves = _starved(error)  # what is left of its memory is in pieces
        message = pickle.dumps((_starvation(limits) if leaves else _failure(error), leaves))
    connection.send_bytes(message)
    return leaves


def _starved(error: BaseException | None) -> bool:
    """Whether memory ran out at the bottom of this: libraries catch a MemoryError and raise something of their own."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        met.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _starvation(limits: Limits) -> Killed:
    return Killed(cause="memory", reason=f"needed more than {limits.memory // _MEGABYTE} MB of memory")


def _failure(error: Exception) -> Killed:
    text = f"{type(error).__name__}: {error}".replace("\n", " ").encode("utf-8", "replace").decode()[:300]
    return Killed(cause="error", reason=f"made the parser fail ({text})")


def _confine(limits: Limits) -> None:
    """Take from this process what a parser does not need."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # blocked in the fork server alone
    sys.dont_write_bytecode = True
    ceiling = _address_space() + limits.memory
    for what, most in ((resource.RLIMIT_AS, ceiling), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a stricter limit is in force already
            resource.setrlimit(what, (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, _args: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError(f"a parser may not do this: {event}")


def _allow_cpu(seconds: float) -> None:
    """Let the kernel send SIGXCPU when this job has used its seconds; it counts from the start of the process."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(time.process_time() + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _address_space() -> int:
    """Bytes of address space in use now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib is not needed in a child
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
