"""monitor feeds list: the health of the feeds at a glance, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from monitor.app import App
from monitor.cli.show import ago, comma_separated, csv_option, json_option, line, say, table, warn_about
from monitor.ports import Clock
from monitor.service.health import WORDS, FeedHealth, length, look, needs_person
from monitor.watchlists import shown

HEADS = ("feed", "title", "lang", "state", "since", "last ok", "newest", "usual", "what to do")

_BAD = "bold red"
_STYLES = {
    "poison": _BAD,
    "gone": _BAD,
    "not a feed": _BAD,
    "failing": "red",
    "empty": "red",
    "silent": "yellow",
    "held": "yellow",
    "moved": "cyan",
    "paused": "cyan",
    "fresh": "green",
    "not watched": "dim",
}


@click.command("list")
@json_option
@csv_option
@click.pass_obj
def feeds_list(config: Path, *, as_json: bool = False, as_csv: bool = False) -> None:
    """List every feed with its state, those that need somebody first."""
    with App.at(config) as app:
        warn_about(app)
        now = app.clock()
        found = look(app.store, app.editorial.current().feeds, now, rhythms=True)
        if as_json:
            for health in found:
                line(as_object(health, needed=needs_person(health, now)))
            return
        rows = [_cells(health, app.clock) for health in found]
        if as_csv:
            comma_separated(rows, HEADS)
            return
        table(HEADS, [_painted(row) for row in rows])
        say(summary(found))


def summary(found: Sequence[FeedHealth]) -> str:
    """One line: how many of each word, and what a person should know of all together."""
    counted = Counter(health.word for health in found)
    said = f"{len(found)} outlets: " + ", ".join(f"{counted[word]} {word}" for word in WORDS if counted[word])
    asked = [h for h in found if h.state.last_try]
    if len(asked) > 1 and not any(h.answers for h in asked):
        said += ". No feed answers: look whether this machine reaches the internet"
    return f"{said}."


def as_object(health: FeedHealth, *, needed: bool) -> dict[str, object]:
    """The health of a feed as a JSON object; the same keys for every feed, null where nothing is known."""
    feed, state = health.feed, health.state
    return {
        "feed": feed.id,
        "title": feed.title,
        "url": shown(feed.url),
        "lang": feed.lang,
        "state": health.word,
        "what_to_do": health.sentence,
        "needs_person": needed,
        "since": health.since,
        "paused_until": health.until,
        "usual_gap": int(health.usual.total_seconds()) if health.usual else None,
        "next_due": state.next_due,
        "last_try": state.last_try,
        "last_ok": state.last_ok,
        "last_new": state.last_new,
        "failures": state.failures,
        "error": state.error_kind,
        "interval": state.interval,
        "held": health.held,
        "moved_to": shown(state.moved_to),
        "correction": state.correction,
        "page_note": state.page_note,
    }


def _cells(health: FeedHealth, clock: Clock) -> tuple[str, ...]:
    feed, state = health.feed, health.state
    since = ago(health.since, clock) if health.since else ""
    times = (ago(state.last_ok, clock), ago(state.last_new, clock)) if feed.url else ("", "")
    usual = length(health.usual) if health.usual else ""
    return feed.id, feed.title, feed.lang, health.word, since, *times, usual, health.sentence


def _painted(row: Sequence[str]) -> tuple[str | tuple[str, str], ...]:
    """The row with the word in its colour."""
    return tuple((cell, _STYLES.get(cell, "")) if n == HEADS.index("state") else cell for n, cell in enumerate(row))
