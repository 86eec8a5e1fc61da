"""monitor feeds: their health at a glance."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.app import App
from monitor.cli.feedlist import add, discover, export_feeds, import_feeds
from monitor.cli.show import ago, comma_separated, csv_option, json_option, line, say, table, warn_about
from monitor.errors import UsageError
from monitor.model import Feed, FeedState
from monitor.service.mail import is_silent
from monitor.watchlists import shown

HEADS = ("feed", "title", "lang", "state", "last ok", "newest", "what to do")


@click.group("feeds", invoke_without_command=True)
@json_option
@csv_option
@click.pass_context
def feeds_command(ctx: click.Context, *, as_json: bool, as_csv: bool) -> None:
    """Health of the feeds; the same as `feeds list` when called alone."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(feeds_list, as_json=as_json, as_csv=as_csv)


@feeds_command.command("list")
@json_option
@csv_option
@click.pass_obj
def feeds_list(config: Path, *, as_json: bool = False, as_csv: bool = False) -> None:
    """List every feed with its state, those that need somebody first."""
    with App.at(config) as app:
        warn_about(app)
        states = app.store.states()
        feeds = app.editorial.current().feeds
        health = {f.id: _health(f, states.get(f.id), app) for f in feeds}
        ordered = sorted(feeds, key=lambda f: (_ORDER.index(health[f.id][0]), f.id))
        if as_json:
            for feed in ordered:
                line(_object(feed, states.get(feed.id), *health[feed.id]))
            return
        rows = [_cells(f, states.get(f.id), health[f.id], app) for f in ordered]
        if as_csv:
            comma_separated(rows, HEADS)
            return
        table(HEADS, rows)
        count = {state: sum(1 for s, _ in health.values() if s == state) for state in _ORDER}
        say(f"{len(feeds)} outlets: " + ", ".join(f"{n} {state}" for state, n in count.items() if n))


_ORDER = ("failing", "silent", "moved", "new", "fresh", "not watched")


def _health(feed: Feed, state: FeedState | None, app: App) -> tuple[str, str]:
    """(state, what a person should do)."""
    if not feed.url:
        return "not watched", feed.note or "no public feed"
    if state is None or (state.last_ok is None and not state.failures):
        return "new", "not polled yet"
    if state.failures:
        return "failing", f"{state.last_error} ({state.failures} in a row)"
    if is_silent(state, app.clock()):
        return "silent", "answers, but brings nothing new: has its page changed?"
    if state.moved_to:
        return "moved", f"edit line {feed.line} of feeds.yaml: {shown(state.moved_to)}"
    return "fresh", ""


def _cells(feed: Feed, state: FeedState | None, health: tuple[str, str], app: App) -> tuple[str, ...]:
    last_ok = ago(state.last_ok if state else None, app.clock) if feed.url else ""
    newest = ago(state.last_new if state else None, app.clock) if feed.url else ""
    return feed.id, feed.title, feed.lang, health[0], last_ok, newest, health[1]


def _object(feed: Feed, state: FeedState | None, health: str, todo: str) -> dict[str, object]:
    found: dict[str, object] = {
        "feed": feed.id,
        "title": feed.title,
        "url": shown(feed.url),
        "lang": feed.lang,
        "state": health,
        "what_to_do": todo,
    }
    if state is None:
        return found
    times = {"next_due": state.next_due, "last_ok": state.last_ok, "last_new": state.last_new}
    return found | times | {"failures": state.failures, "interval": state.interval, "moved_to": shown(state.moved_to)}


@feeds_command.command("release")
@click.argument("feed")
@click.pass_obj
def release(config: Path, feed: str) -> None:
    """Let the articles of a feed that were held as a flood into the next digest."""
    with App.at(config) as app:
        if feed not in {f.id for f in app.editorial.current().feeds}:
            raise UsageError(f"There is no feed `{feed}`: `monitor feeds` shows their ids.")
        say(f"{app.store.release_held(feed)} held articles of {feed} are news now.")


for command in (discover, add, import_feeds, export_feeds):
    feeds_command.add_command(command)
