"""monitor feeds discover, add, import, export: which feeds are watched."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.app import App
from monitor.cli.show import ago, json_option, line, say, table
from monitor.errors import UsageError
from monitor.watchlists import shown

if TYPE_CHECKING:
    from monitor.service.feeds import Candidate

HEADS = ("address", "title", "format", "lang", "items", "newest", "found", "in feeds.yaml")
_SHOWN = 20


@click.command("discover")
@click.argument("url")
@json_option
@click.pass_obj
def discover(config: Path, url: str, *, as_json: bool) -> None:
    """Look for the feeds of a site: those that its page names, else those at the usual places.

    Each is fetched and read before it is shown; nothing is written. Exit code 1 when there is none.
    """
    with App.at(config) as app:
        found = app.feed_list.discover(url)
        if as_json:
            for one in found.candidates:
                line(_object(one))
        elif found.candidates:
            table(HEADS, [_cells(one, app) for one in found.candidates])
    say(f"Addresses looked at: {found.looked}, feeds among them: {len(found.candidates)}.")
    if not found.candidates:
        say("Look on the site itself for the word RSS, or ask the publisher for the address of a feed.")
        raise click.exceptions.Exit(1)
    new = next((one for one in found.candidates if not one.listed), None)
    if new:
        say(f"To watch the first one: monitor feeds add {shlex.quote(new.url)}")


@click.command("add")
@click.argument("url")
@click.option("--title", default="", help="Name of the outlet; the feed's own title otherwise.")
@click.option("--lang", default="", help="en, tr, ar, ku, ckb or fa; told by its articles otherwise.")
@click.option("--country", default="", help="Two letters, such as iq.")
@click.option("--id", "name", default="", help="Its id for `source:`; made of the address otherwise.")
@json_option
@click.pass_obj
def add(config: Path, url: str, title: str, lang: str, country: str, name: str, *, as_json: bool) -> None:
    """Add a feed to feeds.yaml, after fetching and reading it. Comments and order of the file stay as they are."""
    with App.at(config) as app:
        made = app.feed_list.add(url, title=title, lang=lang, country=country, name=name)
        newest = ago(made.found.newest, app.clock)
    feed = made.feed
    if as_json:
        row = {"feed": feed.id, "url": shown(feed.url), "title": feed.title, "lang": feed.lang, "line": made.line}
        line(row | {"file": str(made.file), "items": made.found.items, "newest": made.found.newest})
    else:
        age = f", newest {newest} ago" if made.found.newest else ", without dates"
        click.echo(f"{made.file}:{made.line}: added `{feed.id}`: {feed.title}, {made.found.items} articles{age}")
    if made.moved:
        say(f"The address has moved for good to {shown(feed.url)}: that is the one that was added.")
    if not feed.lang:
        say(f"Its language is none of the six, or not clear: write `lang` into line {made.line} if it is one of them.")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def import_feeds(config: Path, file: Path, *, as_json: bool) -> None:
    """Add the feeds of an OPML file to feeds.yaml that are not there yet; folders become tags. Nothing is fetched."""
    from monitor.watchlists.opml import MAX_OPML

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_OPML + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}): check the path.") from None
    with App.at(config) as app:
        made = app.feed_list.import_opml(str(file), data)
        path = app.feed_list.path
    for feed, number in made.added:
        if as_json:
            line({"feed": feed.id, "url": shown(feed.url), "title": feed.title, "lang": feed.lang, "line": number})
        else:
            click.echo(f"{path}:{number}: added `{feed.id}`: {feed.title or shown(feed.url)}")
    for address, why in made.refused[:_SHOWN]:
        say(f"{file}: {address} was left out: {why}")
    if len(made.refused) > _SHOWN:
        say(f"{file}: ... and {len(made.refused) - _SHOWN} more were left out.")
    say(f"Feeds added: {len(made.added)}, known: {made.known}, left out: {len(made.refused)}.")
    if made.refused:
        raise click.exceptions.Exit(1)


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def export_feeds(config: Path, file: Path | None) -> None:
    """Write all feeds as OPML to FILE, which must not exist, or to standard output. Logins are left out."""
    with App.at(config) as app:
        data, count, logins = app.feed_list.export_opml()
    if file is None:
        click.echo(data.decode(), nl=False)
    else:
        try:
            with file.open("xb") as opened:
                opened.write(data)
        except FileExistsError:
            raise UsageError(f"{file} exists already: choose another name.") from None
        except OSError as error:
            raise UsageError(f"{file}: cannot be written ({error.strerror}): choose another place.") from None
    say(f"Feeds written: {count}{f'; the logins of {logins} were left out' if logins else ''}.")


def _cells(one: Candidate, app: App) -> tuple[str, ...]:
    found = one.found
    newest = ago(found.newest, app.clock) if found.newest else "no dates"
    return shown(one.url), found.title, found.kind, found.lang, str(found.items), newest, one.how, one.listed


def _object(one: Candidate) -> dict[str, object]:
    found = one.found
    known: dict[str, object] = {"url": shown(one.url), "title": found.title, "format": found.kind, "lang": found.lang}
    return known | {"items": found.items, "newest": found.newest, "found": one.how, "listed": one.listed}
