"""monitor doctor, backup, restore."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.app import App
from monitor.cli.show import json_option, line, say
from monitor.service.care import examine, write_poison
from monitor.store import restore


@click.command("doctor")
@click.option("--quick", is_flag=True, help="Only whether the store answers and the watch is alive; for health checks.")
@click.option(
    "--poison",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the documents that no parser could read into this folder, for a report.",
)
@click.option("--clock-is-right", is_flag=True, help="The clock was ahead once and is right now: go on by it.")
@json_option
@click.pass_obj
def doctor_command(config: Path, *, quick: bool, poison: Path | None, clock_is_right: bool, as_json: bool) -> None:
    """Examine store, clock, watchlists, feeds, mail relay, zones; nothing is mailed. Exit code 1 when one is ill."""
    with App.at(config) as app:
        if clock_is_right:
            say(f"{app.store.set_back(app.clock())} feeds were polled by a clock that was ahead; they are due now.")
        for path in write_poison(app.store, poison) if poison else ():
            say(str(path))
        findings = examine(app.store, app.editorial, app.channel, app.clock, quick=quick, free=app.free())
    for finding in findings:
        if as_json:
            line({"what": finding.what, "ok": finding.ok, "sentence": finding.sentence})
        else:
            click.echo(f"{'ok  ' if finding.ok else 'ILL '} {finding.what}: {finding.sentence}")
    if any(not f.ok for f in findings):
        raise click.exceptions.Exit(1)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup_command(config: Path, file: Path) -> None:
    """Write a verified copy of the whole state; it may be done while the monitor runs."""
    with App.at(config) as app:
        app.store.backup(file)
        count = app.store.counts()
    say(f"{file}: {count.articles} articles and {count.hits} hits, verified.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def restore_command(config: Path, file: Path) -> None:
    """Put a backup in place of a missing database; an existing one is never overwritten."""
    app = App.at(config)
    restore(file, app.config.store)
    with app:
        count = app.store.counts()
    say(f"{app.config.store}: {count.articles} articles and {count.hits} hits restored, verified.")
