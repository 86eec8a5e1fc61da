"""Prints today's figures: each script in a process of its own, one after the other.

READER_PYTHON=/path/to/python (an environment with `pip install reader sgmllib3k pyahocorasick`) adds the peers.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys

from common import BENCH, arguments, note

SCRIPTS = ("language", "proof", "match", "importing", "search", "trying", "pages", "gate", "poll")


def main() -> None:
    """Run them all; the first failure ends the run with its exit code."""
    asked = arguments(__doc__).parse_args()
    busy = os.getloadavg()[0]
    note(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {busy:.1f} before the first figure")
    for name in SCRIPTS:
        note(f"{name}.py")
        command = [sys.executable, str(BENCH / f"{name}.py"), *(["--quick"] if asked.quick else [])]
        done = subprocess.run(command, check=False)  # noqa: S603 - our own scripts
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
