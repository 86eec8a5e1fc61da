"""The program `monitor`, also as `python -m monitor`."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from monitor.cli import main as cli

__all__ = ["main"]


def main() -> None:
    """Run the command line, and leave at once.

    Python would take all watchlists apart, name by name, only to give their memory back: a tenth of a second that
    somebody waits (`monitor check`). Files and the store are closed by then, by those who opened them.
    """
    try:
        cli()
    except SystemExit as end:
        if threading.active_count() > 1 or not isinstance(end.code, int):
            raise
        atexit._run_exitfuncs()  # noqa: SLF001  # logging and child processes end in theirs
        _flush()
        os._exit(end.code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:  # none where the file was closed before the program began
                stream.flush()
        except (OSError, ValueError):  # its reader has gone, or it was closed from the beginning
            continue


if __name__ == "__main__":
    main()
