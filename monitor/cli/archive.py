"""monitor try, rematch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from monitor.app import App
from monitor.cli.show import json_option, line, marked, progress, say, table, warn_about
from monitor.render import mark, title_parts
from monitor.service.account import Sample
from monitor.service.look import since_option
from monitor.service.trial import MailSize, Outcome, Row

_BAD = 3
_SENTENCE = 160


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


@click.command("try")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--days", type=click.IntRange(0, 36_500), default=30, show_default=True, help="How far back; 0 is all.")
@click.option("--all", "whole", is_flag=True, help="Count all articles that it may concern, not the newest 5,000.")
@json_option
@click.pass_obj
def try_command(config: Path, path: Path, days: int, *, whole: bool, as_json: bool) -> None:
    """Say what an edited watchlist (a file, or a folder of them) would gain and lose. Nothing is written.

    When it may concern more than 5,000 articles, it is counted in the newest of them. Exit code 3 when one of its
    examples does not hold: it would not come into force.
    """
    from monitor.service.trial import MOST, edited

    began = time.monotonic()
    with App.at(config, read_only=True) as app:
        warn_about(app)
        edit = edited(path, app.editorial.current(), app.store)
        if edit.old.rev == edit.new.rev:
            say("This is in force already: copy the file, edit the copy and try that.")
        since = app.clock() - timedelta(days=days) if days else None
        with progress("Trying") as shown:
            found = app.trial.run(edit, since, shown, None if whole else MOST)
    seconds = time.monotonic() - began
    if as_json:
        for row in found.rows:
            line(_object(row))
        line(_summary(found, days, seconds))
    else:
        _show(found, seconds)
    if found.failing:
        raise click.exceptions.Exit(_BAD)


def _object(row: Row) -> dict[str, Any]:
    watchlist, rule, entity = row.key
    return {
        "watchlist": watchlist,
        "rule": rule,
        "entity": entity,
        "title": row.title,
        "gained": row.gained,
        "lost": row.lost,
        "same": row.same,
        "levels": row.levels,
        "samples": [_sample("+", s) for s in row.more] + [_sample("-", s) for s in row.less],
    }


def _sample(sign: str, sample: Sample) -> dict[str, Any]:
    article = sample.article
    return {
        "change": sign,
        "article": article.id,
        "title": article.title,
        "lang": article.lang,
        "date": article.when,
        "source": article.source,
        "url": article.url,
        "marks": [{"field": m.field, "start": m.start, "end": m.end, "letters": m.letters} for m in sample.marks],
    }


def _summary(found: Outcome, days: int, seconds: float) -> dict[str, Any]:
    return {
        "articles": found.articles,
        "touched": found.touched,
        "counted": found.counted,
        "counted_since": found.counted_since,
        "days": days,
        "gained": sum(r.gained for r in found.rows),
        "lost": sum(r.lost for r in found.rows),
        "stale": found.stale,
        "examples": [str(p) for p in found.failing],
        "mail": [{"desk": m.desk, "stories": m.stories, "bytes": m.size} for m in found.mail],
        "seconds": round(seconds, 3),
    }


def _show(found: Outcome, seconds: float) -> None:
    rows = [(_name(r), f"+{r.gained}", f"-{r.lost}", f"={r.same}", _level(r)) for r in found.rows]
    if rows:
        table(("rule or entity", "gained", "lost", "same", "level"), rows)
    for row in found.rows:
        for sign, samples in (("+", row.more), ("-", row.less)):
            _show_samples(f"{sign} {_name(row)}", sign, samples)
    for problem in found.failing:
        click.echo(f"{problem}")
    for size in found.mail:
        click.echo(_mailed(size))
    click.echo(
        f"{found.articles} stored articles tried ({found.touched} that the edit may concern) in {seconds:.1f} s; "
        "nothing was written."
    )
    if found.counted_since is not None:
        click.echo(
            f"Counted in the newest {found.counted:,} of the {found.touched:,} articles that it may concern (those "
            f"since {found.counted_since:%Y-%m-%d}): `--all` counts all."
        )
    if found.stale:
        say(f"{found.stale} stored articles were matched with earlier watchlists: figures under `same` may be off.")


def _show_samples(head: str, sign: str, samples: Sequence[Sample]) -> None:
    if samples:
        click.echo(f"\n{head}")
    for sample in samples:
        article = sample.article
        click.echo(f"  {sign} {article.when:%Y-%m-%d}  {article.lang:<3}  {marked(title_parts(article, sample.marks))}")
        inside = [m for m in sample.marks if m.field == "body"]
        if inside and len(inside) == len(sample.marks):
            first = inside[0]
            at = first.sentence.find(first.letters)
            spans = [(at, at + len(first.letters))] if at >= 0 else []
            click.echo(f"      {marked(mark(first.sentence, spans, limit=_SENTENCE))}")


def _name(row: Row) -> str:
    watchlist, rule, entity = row.key
    return f"{watchlist}/{rule}" if rule else f"{watchlist} @{entity}"


def _level(row: Row) -> str:
    return f"{row.levels[0]} → {row.levels[1]}" if row.levels else ""


def _mailed(size: MailSize) -> str:
    (stories, more), (before, after) = size.stories, size.size
    return (
        f"The next mail of {size.desk}: {stories} stories and {before / 1000:.1f} kB as it stands, "
        f"{more} stories and {after / 1000:.1f} kB with the edit."
    )
