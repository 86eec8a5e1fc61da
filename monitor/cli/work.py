"""monitor init, run, poll, import."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.app import CONFIG, App, lay_out
from monitor.cli.show import json_option, line, progress, say, warn_about
from monitor.cli.trace import traced
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.service.poll import Report

_SHOWN = 5


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init_command(folder: Path) -> None:
    """Lay out a workspace: monitor.yaml, watchlists/ and data/."""
    written = lay_out(folder)
    for path in written:
        click.echo(path)
    if not written:
        say(f"{folder.resolve()} was laid out before; nothing was changed.")
    elif folder / CONFIG in written:
        say(f"{folder.resolve()} is ready: put your address into watchlists/desks.yaml, then `monitor run`.")
    else:
        say(f"{folder.resolve()} was laid out before; what was missing is there again, as it is in a new workspace.")
        if any(path.suffix == ".db" for path in written):
            say("The database is a new, empty one: to go on from a backup, delete it and use `monitor restore FILE`.")


@click.command("run")
@click.pass_obj
def run_command(config: Path) -> None:
    """Poll, match and mail until stopped; one instance per workspace."""
    from monitor.daemon import serve

    with App.at(config) as app:
        serve(app)


@click.command("poll")
@click.argument("feed", nargs=-1)
@click.option("--due", "which", flag_value="due", default="due", help="Feeds whose time has come (the default).")
@click.option("--all", "which", flag_value="all", help="All feeds, due or not.")
@click.option("-v", "--verbose", is_flag=True, help="Say of each feed what happens.")
@json_option
@click.pass_obj
def poll_command(config: Path, feed: tuple[str, ...], which: str, *, verbose: bool, as_json: bool) -> None:
    """Poll what is due, or the feeds named, once. Exit code 4 when no feed at all answered."""
    with App.at(config) as app:
        force = app.editorial.current()
        warn_about(app)
        unknown = set(feed) - {f.id for f in force.feeds if f.url}
        if unknown:
            raise UsageError(f"There is no feed `{min(unknown)}` to poll: `monitor feeds list` shows their ids.")
        with _ending(app) as (stop, told):
            with traced(feeds=len(set(feed))) if verbose else progress("Polling") as shown:
                report = app.polling.poll(
                    set(feed) or None, every=which == "all" or bool(feed), progress=shown, stop=stop
                )
            _heed(told, report)
            looked, left = app.look_back.few()
            _heed(told, report)
    _show(report, as_json=as_json)
    if looked.articles:
        say(
            f"The watchlists have changed: {looked.articles} articles of the last 30 days were matched again, "
            f"{looked.gained} hits gained, {looked.withdrawn} withdrawn."
        )
    if left:
        say(
            f"The watchlists have changed since {left} stored articles were matched: run `monitor rematch --since 30d`."
        )
    if report.feeds < len(set(feed)):
        say("Some were left alone: their servers asked for it, or another monitor polls them now: see `monitor feeds`.")
    _say_failures(report, len(report.failures) if verbose else _SHOWN)


@contextmanager
def _ending(app: App) -> Iterator[tuple[threading.Event, list[int]]]:
    """While the block runs SIGTERM and Ctrl-C tell a poll with this event to end; the list comes to hold the signal."""
    from monitor.service.course import tell_to_end

    stop, told = threading.Event(), list[int]()
    feeds, pages = app.sandbox, app.page_sandbox

    def tell(number: int, _: object) -> None:
        if not told:  # `timeout` sends its signal twice, and an event cannot be set while it is set
            told.append(number)
            tell_to_end(stop, feeds, pages)

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heed(told: list[int], report: Report) -> None:
    """After a signal say in one sentence how far the poll came, and exit with the code that shells give for it."""
    if not told:
        return
    number = told[0]
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    done = report.fetched + report.unchanged + report.failed
    rest = "; run the command again for the others" if done < report.feeds else ""
    say(f"monitor: {how}: {done} of {report.feeds} feeds are polled and saved{rest}.")
    raise click.exceptions.Exit(128 + number)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        keys = ("feeds", "fetched", "unchanged", "failed", "articles", "hits")
        line({key: getattr(report, key) for key in keys} | {"seconds": round(report.seconds, 3)})
    else:
        click.echo(
            f"{report.feeds} feeds: {report.fetched} read, {report.unchanged} unchanged, {report.failed} failed; "
            f"{report.articles} new articles, {report.revised} edited, {report.hits} hits in {report.seconds:.1f} s"
        )


def _say_failures(report: Report, most: int) -> None:
    """Say what failed, and exit with 4 when everything did."""
    for title, _, sentence in report.failures[:most]:
        say(f"{title}: {sentence}")
    if len(report.failures) > most:
        say(f"... and {len(report.failures) - most} more: `monitor feeds` lists them.")
    if report.feeds and report.failed == report.feeds:
        raise click.exceptions.Exit(4)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def import_command(config: Path, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Load archives of articles (.jsonl or .jsonl.zst); they are matched and searchable, and never mailed."""
    from monitor.service.load import load_archive

    bad = 0
    with App.at(config) as app:
        force = app.editorial.current()
        warn_about(app)
        for path in files:
            with progress(path.name) as shown:
                found = load_archive(path, app.store, force, app.clock, shown)
            bad += len(found.bad)
            if as_json:
                row = {"file": str(path), "lines": found.lines, "articles": found.articles, "known": found.known}
                line(row | {"hits": found.hits, "bad": len(found.bad)})
            else:
                click.echo(
                    f"{path.name}: {found.articles} new articles, {found.known} known, {found.hits} hits"
                    f" from {found.lines} lines"
                )
            for number, sentence in found.bad[:_SHOWN]:
                say(f"{path}:{number}: {sentence}; it was left out.")
            if len(found.bad) > _SHOWN:
                say(f"{path}: ... and {len(found.bad) - _SHOWN} more lines.")
    if bad:
        raise click.exceptions.Exit(1)
