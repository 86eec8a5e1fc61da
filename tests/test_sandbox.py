"""The sandbox: a job that hangs, eats memory or crashes costs itself and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from monitor.sandbox import Done, Killed, Limits, Sandbox

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Two children with tight bounds, shared by the tests of this file."""
    with Sandbox(workers=2, limits=Limits(wall=1.0, cpu=20, memory=64 * MEGABYTE)) as made:
        yield made


def test_a_value_comes_back(sandbox: Sandbox) -> None:
    """A job's value is handed over as it is."""
    assert sandbox.run(divmod, (17, 5)) == Done(value=(3, 2))


def test_results_keep_the_order_of_the_jobs(sandbox: Sandbox) -> None:
    """Outcomes come in the order of the arguments, however they were spread over children."""
    outcomes = list(sandbox.map(pow, [(n, 2) for n in range(50)], batch=3))

    assert outcomes == [Done(value=n * n) for n in range(50)]


def test_no_job_is_no_outcome(sandbox: Sandbox) -> None:
    """An empty list starts nothing and yields nothing."""
    assert list(sandbox.map(pow, [])) == []


def test_an_exception_costs_only_its_job(sandbox: Sandbox) -> None:
    """What a job raises is an outcome in words, and the job after it runs."""
    bad, good = sandbox.map(divmod, [(1, 0), (1, 1)])

    assert isinstance(bad, Killed)
    assert bad.cause == "error"
    assert "ZeroDivisionError" in bad.reason
    assert good == Done(value=(1, 0))


def test_a_job_that_hangs_is_killed_and_the_others_are_not(sandbox: Sandbox) -> None:
    """Of a batch with one hanging job all others are answered, and the pool serves on."""
    outcomes = list(sandbox.map(time.sleep, [(0,), (60,), (0,), (0,)], batch=4))

    assert outcomes == [
        Done(value=None),
        Killed(cause="wall", reason="took longer than 1 s"),
        Done(value=None),
        Done(value=None),
    ]
    assert sandbox.run(abs, (-1,)) == Done(value=1)


def test_memory_is_bounded(sandbox: Sandbox) -> None:
    """A job that asks for more memory than allowed is stopped, and the next one of its batch runs."""
    outcomes = list(sandbox.map(bytes, [(200 * MEGABYTE,), (3,)]))

    assert outcomes == [Killed(cause="memory", reason="needed more than 64 MB of memory"), Done(value=b"\0\0\0")]


def swallowed(size: int) -> bytes:
    """Fail for want of memory as libraries do that turn every failure into one of their own."""
    try:
        return bytes(size)
    except MemoryError:
        raise ValueError("a damaged document") from None


class Greedy:
    """An argument that takes so much memory where it is unpacked."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce__(self) -> tuple[type[bytes], tuple[int]]:
        """Become so many bytes there."""
        return bytes, (self.size,)


@pytest.mark.parametrize(
    ("job", "argument"), [(swallowed, 200 * MEGABYTE), (len, Greedy(200 * MEGABYTE))], ids=["swallowed", "unpacking"]
)
def test_want_of_memory_is_told_as_such(sandbox: Sandbox, job: Callable[..., object], argument: object) -> None:
    """Memory that runs out inside a library, or before the job begins, is told as want of memory, not as a fault."""
    bad, good = sandbox.map(job, [(argument,), (b"",) if job is len else (3,)], batch=1)

    assert bad == Killed(cause="memory", reason="needed more than 64 MB of memory")
    assert isinstance(good, Done)


def test_processor_time_is_bounded() -> None:
    """A job that burns its processor seconds is ended by the kernel, long before its wall time."""
    with Sandbox(workers=1, limits=Limits(wall=20, cpu=0.1)) as small:
        outcome = small.run(pow, (7, 10**9))
    assert outcome == Killed(cause="cpu", reason="used more than 0.1 s of processor time")


def test_a_crash_costs_only_its_job(sandbox: Sandbox) -> None:
    """A child that dies by a signal is replaced; the jobs behind it in the batch are answered."""
    outcomes = list(sandbox.map(signal.raise_signal, [(signal.SIGCONT,), (signal.SIGSEGV,), (signal.SIGCONT,)]))

    assert outcomes == [
        Done(value=None),
        Killed(cause="crash", reason="crashed the parser (SIGSEGV)"),
        Done(value=None),
    ]


def test_the_child_that_left_is_replaced_before_the_next_job(sandbox: Sandbox) -> None:
    """A child that was ended while idle is not noticed by the caller of the next job."""
    first = sandbox.run(os.getpid, ())
    assert isinstance(first, Done)
    os.kill(first.value, signal.SIGKILL)

    while Path(f"/proc/{first.value}").exists():
        pass
    second = sandbox.run(os.getpid, ())

    assert isinstance(second, Done)
    assert second.value != first.value


def test_children_reach_no_network(sandbox: Sandbox) -> None:
    """A job that wants to connect is refused before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = sandbox.run(socket.create_connection, (server.getsockname(),))

    assert isinstance(outcome, Killed)
    assert "may not do this: socket" in outcome.reason


def test_children_write_no_file(sandbox: Sandbox, tmp_path: Path) -> None:
    """A job can fill no file on our disks."""
    outcome = sandbox.run(Path.write_text, (tmp_path / "x", "hello"))

    assert isinstance(outcome, Killed)
    assert (tmp_path / "x").stat().st_size == 0


def test_threads_share_the_children(sandbox: Sandbox) -> None:
    """Several threads may ask at once; each gets its own answers."""
    answers: dict[int, list[object]] = {}

    def ask(n: int) -> None:
        answers[n] = [o.value for o in sandbox.map(pow, [(n, k) for k in range(20)], batch=4) if isinstance(o, Done)]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {n: [n**k for k in range(20)] for n in range(4)}


def test_in_a_hurry_a_job_that_hangs_is_ended_and_not_blamed(tmp_path: Path) -> None:
    """Told from another thread while it hangs: its child is ended, and the job behind it is done."""
    os.mkfifo(pipe := tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"read")
    with Sandbox(workers=1, limits=Limits(wall=60)) as made, ThreadPoolExecutor(1) as other:

        def tell() -> BinaryIO:
            held = pipe.open("wb")  # waits until the child has begun to read, which will never end
            made.hurry(2)
            return held

        telling = other.submit(tell)
        hung, behind = made.map(Path.read_bytes, [(pipe,), (tmp_path / "file",)])
        telling.result().close()
    assert (hung, behind) == (Killed(cause="ended", reason="was ended with the program"), Done(value=b"read"))


def test_an_abandoned_run_gives_its_children_back(sandbox: Sandbox) -> None:
    """Who stops reading outcomes blocks nobody else."""
    outcomes = sandbox.map(abs, [(n,) for n in range(100)], batch=1)
    assert next(outcomes) == Done(value=0)
    outcomes.close()  # type: ignore[attr-defined]

    assert sandbox.run(abs, (-2,)) == Done(value=2)


def test_the_main_script_is_not_run_again(tmp_path: Path) -> None:
    """A script without a guard can use the sandbox: no child executes it."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from monitor.sandbox import Sandbox\nprint('run')\nwith Sandbox() as s: print(s.run(abs, (-3,)))\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, script], capture_output=True, text=True, env=env, check=True, timeout=30
    )

    assert run.stdout.splitlines() == ["run", "Done(value=3)"]


def test_nothing_is_left_behind() -> None:
    """After close no child runs and none is a zombie."""
    with Sandbox(workers=2) as made:
        pids = {o.value for o in made.map(os.getpid, [() for _ in range(8)], batch=1) if isinstance(o, Done)}
        assert pids

    assert not [p for p in multiprocessing.active_children() if p.pid in pids]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


START = """\
import sys
from monitor.sandbox import Sandbox
with Sandbox(workers=1) as made:
    print(made.run(abs, (-3,)), flush=True)
    sys.stdin.read()
"""


@contextmanager
def started(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A program with a child and this place for temporary files, which waits for the end of its input."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TMPDIR": str(temporary)}
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as made:
        assert made.stdout is not None
        assert made.stdout.readline() == "Done(value=3)\n"
        yield made


def aged(temporary: Path) -> set[Path]:
    """What lies there, made to look a day old."""
    for path in temporary.iterdir():
        os.utime(path, (time.time() - 86_400,) * 2)
    return set(temporary.iterdir())


def test_what_a_killed_program_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    """Its folder goes; those of a living program, of others and of what has only just begun stay."""
    for name in ("pymp-other", "desk-monitor-young"):
        (tmp_path / name).mkdir()
    (tmp_path / "desk-monitor-file").touch()
    others = set(tmp_path.iterdir())
    with started(tmp_path) as killed:
        assert len(set(tmp_path.iterdir()) - others) == 1
        killed.kill()
    assert len(left := aged(tmp_path) - others) == 1
    (tmp_path / "desk-monitor-young").touch()
    with started(tmp_path) as living:
        (own,) = set(tmp_path.iterdir()) - others
        assert own not in left
        aged(tmp_path)
        (tmp_path / "desk-monitor-young").touch()
        with started(tmp_path) as third:
            assert own in set(tmp_path.iterdir())
            assert len(set(tmp_path.iterdir()) - others) == 2
            third.communicate("")
        living.communicate("")
    assert (killed.returncode, living.returncode, third.returncode) == (-signal.SIGKILL, 0, 0)
    assert set(tmp_path.iterdir()) == others


GROUP = """\
import os, signal, sys, threading
from pathlib import Path
from monitor.sandbox import Sandbox
signal.signal(signal.SIGTERM, lambda *_: None)
pipe = Path(sys.argv[1])
def tell():
    held.append(pipe.open("wb"))
    os.killpg(0, signal.SIGTERM)
    made.hurry(1)
held = []
with Sandbox(workers=1) as made:
    threading.Thread(target=tell).start()
    print(made.run(Path.read_bytes, (pipe,)).cause)
"""


def test_a_signal_to_the_whole_group_is_no_fault_of_a_job(tmp_path: Path) -> None:
    """As systemd and `timeout` send it: the job is tried once more, and is not blamed for the end of its child."""
    os.mkfifo(pipe := tmp_path / "pipe")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", GROUP, pipe], capture_output=True, text=True, env=env, timeout=60,
        start_new_session=True, check=True,
    )  # fmt: skip

    assert (run.stdout, run.stderr) == ("ended\n", "")


def lose_once(marker: Path) -> str:
    """Kill the own process, the first time."""
    if not marker.exists():
        os.mkfifo(marker)  # a child may write no file, but it may leave a name
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_child_that_somebody_else_killed_is_no_fault_of_its_job(sandbox: Sandbox, tmp_path: Path) -> None:
    """A job whose process was killed from outside is tried once more; so are those behind it, and nobody notices."""
    marks = [(tmp_path / name,) for name in "abc"]

    assert list(sandbox.map(lose_once, marks, batch=3)) == [Done(value="done")] * 3


def test_a_job_that_loses_its_process_twice_is_told(sandbox: Sandbox) -> None:
    """It is not tried for ever, and the job after it runs."""
    lost, good = sandbox.map(signal.raise_signal, [(signal.SIGKILL,), (signal.SIGCONT,)])

    assert isinstance(lost, Killed)
    assert lost.cause == "slain"
    assert "twice to SIGKILL" in lost.reason
    assert good == Done(value=None)
