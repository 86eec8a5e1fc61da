"""monitor feeds: their health at a glance."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.app import App
from monitor.cli.feedlist import add, discover, export_feeds, import_feeds
from monitor.cli.health import feeds_list
from monitor.cli.show import csv_option, json_option, say
from monitor.errors import UsageError


@click.group("feeds", invoke_without_command=True)
@json_option
@csv_option
@click.pass_context
def feeds_command(ctx: click.Context, *, as_json: bool, as_csv: bool) -> None:
    """Health of the feeds; the same as `feeds list` when called alone."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(feeds_list, as_json=as_json, as_csv=as_csv)


@feeds_command.command("release")
@click.argument("feed")
@click.pass_obj
def release(config: Path, feed: str) -> None:
    """Let the articles of a feed that were held as a flood into the next digest."""
    with App.at(config) as app:
        if feed not in {f.id for f in app.editorial.current().feeds}:
            raise UsageError(f"There is no feed `{feed}`: `monitor feeds` shows their ids.")
        say(f"{app.store.release_held(feed)} held articles of {feed} are news now.")


for command in (feeds_list, discover, add, import_feeds, export_feeds):
    feeds_command.add_command(command)
