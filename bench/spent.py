"""Runs a command and writes to stderr, as its last line, what it and all its descendants used.

    python bench/spent.py COMMAND ...   ->   {"cpu": seconds, "wall": seconds, "peak": bytes}

The children of a fork server are nobody's children when their parent ends: this process adopts them (prctl(2),
PR_SET_CHILD_SUBREAPER), waits for each, and so counts them. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time

_ADOPT = 36


def main() -> None:
    """Run, wait for every descendant, tell."""
    ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
    began = time.monotonic()
    first = subprocess.Popen(sys.argv[1:])  # noqa: S603 - the figures' own commands
    code, cpu, peak, wall = 0, 0.0, 0, 0.0
    while True:
        try:
            pid, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += used.ru_utime + used.ru_stime
        peak = max(peak, used.ru_maxrss * 1024)
        if pid == first.pid:
            wall = time.monotonic() - began
            code = os.waitstatus_to_exitcode(status)
            first.returncode = code
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak}), file=sys.stderr)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
