"""monitor try, rematch."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import click

from monitor.app import App
from monitor.cli.show import json_option, line, progress, say, warn_about
from monitor.service.look import since_option


@click.command("rematch")
@click.option("--since", default="", help="Not older than: 30d, 2w or 2026-06-30; all stored articles when left out.")
@json_option
@click.pass_obj
def rematch_command(config: Path, since: str, *, as_json: bool) -> None:
    """Match stored articles again by the watchlists in force; a run that was ended goes on when called again."""
    began = time.monotonic()
    with App.at(config) as app:
        warn_about(app)
        span = "" if since.strip().lower() == "all" else since.strip()
        moment = since_option(span, app.clock())
        if before := app.rematch.standing(span):
            say(f"An earlier run was ended after {before} articles: going on there.")
        with progress("Matching") as shown:
            done = app.rematch.run(moment, span, shown)
    if as_json:
        line(asdict(done) | {"seconds": round(time.monotonic() - began, 3)})
        return
    click.echo(
        f"{done.articles} articles matched again: {done.gained} hits gained, {done.withdrawn} withdrawn, "
        f"{done.same} as before, in {time.monotonic() - began:.1f} s"
    )
