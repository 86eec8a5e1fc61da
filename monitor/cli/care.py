"""monitor doctor, backup, restore."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.app import App
from monitor.cli.show import json_option, line, say
from monitor.service.care import examine
from monitor.store import restore


@click.command("doctor")
@click.option("--quick", is_flag=True, help="Only whether the store answers and the watch is alive; for health checks.")
@json_option
@click.pass_obj
def doctor_command(config: Path, *, quick: bool, as_json: bool) -> None:
    """Examine store, watchlists, feeds, mail relay and time zones; nothing is mailed. Exit code 1 when one is ill."""
    with App.at(config) as app:
        findings = examine(app.store, app.editorial, app.channel, app.clock, quick=quick)
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
