"""How things are shown: one object a line for programs, tables and marks for people, progress on terminals only."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from monitor.app import App
from monitor.model import Evidence, Hit
from monitor.ports import Clock

MOST_PROBLEMS = 3
"""Lines about broken files before the answer that was asked for; one mistake often breaks many examples."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, safe to open in a spreadsheet.")


def line(row: Any) -> None:
    """One JSON object on one line of stdout."""
    click.echo(json.dumps(row, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def say(text: str) -> None:
    """A message for people, on stderr."""
    click.echo(text, err=True)


def warn_about(app: App) -> None:
    """Say which files are not in force, so that nobody trusts an edit that was refused."""
    problems = app.editorial.current().problems
    for problem in problems[:MOST_PROBLEMS]:
        say(f"monitor: not in force: {problem}")
    if len(problems) > MOST_PROBLEMS:
        say(f"monitor: ... and {len(problems) - MOST_PROBLEMS} more: `monitor check` lists them.")


def comma_separated(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> None:
    """Rows on stdout; a cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        writer.writerow([f"'{c}" if (c := str(cell)).startswith(_FORMULA) else c for cell in row])
    click.echo(out.getvalue(), nl=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]], title: str = "") -> None:
    """A table on stdout. A cell may be (text, style); styles show on terminals only."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*heads, title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(shown)


def marked(parts: Iterable[tuple[str, bool]]) -> str:
    """An excerpt with its marks: bold on a terminal, [[ ]] elsewhere."""
    if sys.stdout.isatty():
        return "".join(click.style(text, bold=True, fg="yellow") if mark else text for text, mark in parts)
    return "".join(f"[[{text}]]" if mark else text for text, mark in parts)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, on a terminal only; the callable takes what is done and what there is."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, all_: bar.update(task, completed=done, total=all_)


def evidence(found: Evidence) -> dict[str, Any]:
    """Evidence as a JSON object."""
    return {
        "leaf": found.leaf,
        "name": found.name,
        "letters": found.letters,
        "field": found.field,
        "start": found.start,
        "end": found.end,
        "sentence": found.sentence,
        "lang": found.lang,
    }


def hit(found: Hit) -> dict[str, Any]:
    """A hit as a JSON object, its evidence included."""
    return {
        "watchlist": found.watchlist,
        "rule": found.rule,
        "entity": found.entity,
        "level": found.level,
        "rev": found.rev,
        "evidence": [evidence(e) for e in found.evidence],
    }


def ago(moment: datetime | None, clock: Clock) -> str:
    """How long ago, in the shortest form: 5 m, 3 h, 2 d; "never" for None."""
    if moment is None:
        return "never"
    seconds = (clock() - moment).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"
