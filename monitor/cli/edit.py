"""monitor check, schema."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from monitor.cli.show import json_option, line, say
from monitor.config import load_config
from monitor.errors import ConfigError, Problem, StoreError, TemporaryError
from monitor.match.collector import uncollected
from monitor.model import LANGUAGES
from monitor.service.edit import Checked, checked, vanished
from monitor.service.lint import plain_warnings, wrong_quotes
from monitor.watchlists import Loaded, json_schema

if TYPE_CHECKING:
    from monitor.service.lint import Warned

_OPEN, _BAD = 1, 3


@click.command("check")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="List names that no article of 180 days holds, too.")
@click.option(
    "--seeds", type=click.Path(path_type=Path, file_okay=False), help="Folder of the analyses that are quoted."
)
@click.option("--strict", is_flag=True, help="Exit code 1 when a warning is not settled.")
@json_option
@click.pass_obj
@uncollected()
def check_command(
    config: Path, folder: Path | None, *, every: bool, seeds: Path | None, strict: bool, as_json: bool
) -> None:
    """Read watchlists, feeds, desks and configuration, and run the examples. Exit code 3 when something is wrong.

    Warnings, some of them from the articles stored so far, change no exit code, but for --strict. Quotes are compared
    with the analyses in --seeds, or in a folder `seeds` beside that of the watchlists.
    """
    problems, place = _configured(config, folder)
    analyses = _analyses(seeds, place, config)
    kept = _kept(config, place)
    done = checked(place, kept)
    loaded, found = done.loaded, done.problems
    found += [*_vanished(config, place, loaded), *(wrong_quotes(loaded.files, analyses) if analyses else [])]
    told = _warned(config, done, every=every)
    open_ = [w for w in told if not w.settled]
    shown = [(p, "") for p in (*problems, *found)] + [(w.problem, w.slug) for w in open_ if every or w.slug != "unseen"]
    for problem, slug in shown:
        if as_json:
            line(_object(problem, slug))
        else:
            click.echo(f"{problem}{_kind(problem, slug)}")
    errors = sum(not problem.warning for problem, _ in shown)
    say(_sums(loaded, errors=errors, warnings=len(shown) - errors, told=told, every=every))
    say(_names(loaded))
    if quotes := _quotes(loaded, analyses):
        say(quotes)
    if done.compiled:
        done.compiled.keep(kept)  # all is said: nobody waits for the next start's sake
    if errors or (strict and shown):
        raise click.exceptions.Exit(_BAD if errors else _OPEN)


def _analyses(seeds: Path | None, place: Path, config: Path) -> Path | None:
    """The folder of the analyses that are quoted, None where there is none."""
    if seeds is not None:
        if not seeds.is_dir():
            raise ConfigError(Problem(str(seeds), 0, 0, "There is no such folder.", "Name the folder of the analyses."))
        return seeds
    beside = (place.resolve().parent, config.resolve().parent, config.resolve().parent.parent / "shared")
    return next((found for folder in beside if (found := folder / "seeds").is_dir()), None)


def _names(loaded: Loaded) -> str:
    """One sentence: how many names stand under each language, and how many of them nobody has confirmed."""
    names = [name for file in loaded.files for entity in file.entities for name in entity.names]
    every, doubtful = Counter(n.lang for n in names), Counter(n.lang for n in names if n.doubtful)
    told = ", ".join(f"{lang} {every[lang]} ({doubtful[lang]})" for lang in LANGUAGES)
    return f"Names by language (doubtful ones in brackets): {told}."


def _quotes(loaded: Loaded, analyses: Path | None) -> str:
    """One sentence: whether the evidence was looked up; empty when nothing is quoted."""
    quotes = sum(bool(e.source and e.source.quote) for file in loaded.files for e in file.entities)
    if not quotes:
        return ""
    if analyses is None:
        return f"{quotes} quotes were not looked up: name the folder of the analyses with --seeds."
    return f"{quotes} quotes were looked up in {analyses.name}/."


def _warned(config: Path, done: Checked, *, every: bool) -> list[Warned]:
    """Warnings of what was read; those that need stored articles only where there are some."""
    from monitor.app import App
    from monitor.service.warn import stored_warnings

    found = plain_warnings(done.loaded.files, done.compiled.matcher if done.compiled else None)
    try:
        with App.at(config, read_only=True) as app:
            if app.config.store.exists():
                found += stored_warnings(done.loaded.files, app.store, app.clock(), every=every)
    except ConfigError:
        pass  # there is no workspace here, or its mistakes are told above
    except (StoreError, TemporaryError) as error:
        say(f"The stored articles were not looked at: {error}")
    return found


def _vanished(config: Path, place: Path, loaded: Loaded) -> list[Problem]:
    """Files that the watch of this workspace misses; none for any other folder."""
    from monitor.app import App

    try:
        with App.at(config, read_only=True) as app:
            if app.config.store.exists() and place.resolve() == app.config.watchlists.resolve():
                return vanished(loaded, app.store)
    except (ConfigError, StoreError, TemporaryError):
        pass  # told by others
    return []


def _kept(config: Path, place: Path) -> Path | None:
    """Beside the store of this workspace; for any other folder, which would push that out, in the user's cache."""
    import os

    from monitor.app import cached, kept

    try:
        known = load_config(config, os.environ) if config.exists() else None
    except ConfigError:  # told by others
        known = None
    own = known and place.resolve() == known.watchlists.resolve() and known.store.parent.is_dir()
    return kept(known) if known and own else cached()


def _kind(problem: Problem, slug: str) -> str:
    if problem.warning:
        return f" (warning: {slug})" if slug else " (warning)"
    return f" (error: {slug})" if slug else ""


def _sums(loaded: Loaded, *, errors: int, warnings: int, told: list[Warned], every: bool) -> str:
    """One sentence: how much there is, what is wrong with it, what a person has settled."""
    rules = sum(len(f.rules) for f in loaded.files)
    entities, examples = sum(len(f.entities) for f in loaded.files), sum(len(f.examples) for f in loaded.files)
    unseen = 0 if every else sum(w.slug == "unseen" and not w.settled for w in told)
    return (
        f"{len(loaded.files)} watchlists, {entities} entities, {rules} rules, {examples} examples, "
        f"{len(loaded.feeds)} feeds, {len(loaded.desks)} desks: {errors} errors, {warnings} warnings, "
        f"{sum(w.settled for w in told)} settled in place."
        + (f" {unseen} names or more stand in no article of 180 days: `monitor check --all`." if unseen else "")
    )


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


def _object(problem: Problem, slug: str) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "sentence": problem.sentence,
        "hint": problem.hint,
        "warning": problem.warning,
        "slug": slug,
    }


@click.command("schema")
@click.argument("kind", type=click.Choice(["watchlist", "feeds", "desks"]), default="watchlist")
def schema_command(kind: Literal["watchlist", "feeds", "desks"]) -> None:
    """Print the JSON Schema of a file, for editors that complete and underline."""
    click.echo(json.dumps(json_schema(kind), ensure_ascii=False, indent=2))
