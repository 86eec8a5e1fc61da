"""monitor check, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from monitor.cli.show import json_option, line, say
from monitor.config import load_config
from monitor.errors import ConfigError, Problem
from monitor.service.edit import check
from monitor.watchlists import json_schema

_BAD = 3


@click.command("check")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def check_command(config: Path, folder: Path | None, *, as_json: bool) -> None:
    """Read watchlists, feeds, desks and configuration, and run the examples. Exit code 3 when something is wrong."""
    problems, place = _configured(config, folder)
    loaded, found = check(place)
    problems += found
    for problem in problems:
        if as_json:
            line(_object(problem))
        else:
            click.echo(f"{problem}{' (warning)' if problem.warning else ''}")
    errors = [p for p in problems if not p.warning]
    rules = sum(len(f.rules) for f in loaded.files)
    entities, examples = sum(len(f.entities) for f in loaded.files), sum(len(f.examples) for f in loaded.files)
    settled = sum(len(e.accept) for f in loaded.files for e in f.entities)
    say(
        f"{len(loaded.files)} watchlists, {entities} entities, {rules} rules, {examples} examples, "
        f"{len(loaded.feeds)} feeds, {len(loaded.desks)} desks: "
        f"{len(errors)} errors, {len(problems) - len(errors)} warnings, {settled} settled in place."
    )
    if errors:
        raise click.exceptions.Exit(_BAD)


def _configured(config: Path, folder: Path | None) -> tuple[list[Problem], Path]:
    """Problems of monitor.yaml, and the folder of watchlists to read."""
    import os

    if folder is not None:
        if not folder.is_dir():
            raise ConfigError(Problem(str(folder), 0, 0, "There is no such folder.", "Name a folder of watchlists."))
        return [], folder
    if not config.exists():
        return [], Path("watchlists")
    try:
        return [], load_config(config, os.environ).watchlists
    except ConfigError as error:
        return list(error.problems), config.parent / "watchlists"


def _object(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "sentence": problem.sentence,
        "hint": problem.hint,
        "warning": problem.warning,
    }


@click.command("schema")
@click.argument("kind", type=click.Choice(["watchlist", "feeds", "desks"]), default="watchlist")
def schema_command(kind: Literal["watchlist", "feeds", "desks"]) -> None:
    """Print the JSON Schema of a file, for editors that complete and underline."""
    click.echo(json.dumps(json_schema(kind), ensure_ascii=False, indent=2))
