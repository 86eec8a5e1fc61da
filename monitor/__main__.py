"""The program `monitor`, also as `python -m monitor`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TextIO

from monitor.cli import main as cli

__all__ = ["main"]


def main() -> None:
    """Run the command line, and leave at once.

    Python would take all watchlists apart, name by name, only to give their memory back, while somebody waits
    (`monitor check`). Files and the store are closed by then, by those who opened them.
    """
    try:
        cli()
    except SystemExit as end:
        if threading.active_count() > 1 or not isinstance(end.code, int):
            raise
        atexit._run_exitfuncs()  # noqa: SLF001  # logging and child processes end in theirs
        failed = [not _flushed(stream) for stream in (sys.stdout, sys.stderr)]
        os._exit(end.code or int(any(failed)))


def _flushed(stream: TextIO | None) -> bool:
    """Whether all that was said is written, or nobody reads it any more."""
    try:
        if stream:  # none where the file was closed before the program began
            stream.flush()
    except (BrokenPipeError, ValueError):
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
