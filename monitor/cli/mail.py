"""monitor digest, outbox."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from monitor.app import App
from monitor.cli.show import ago, json_option, line, say, table, warn_about
from monitor.deliver import to_mime
from monitor.errors import TemporaryError, UsageError
from monitor.model import Desk, DigestKey, Message

_DESK = click.option("--desk", "desk_id", default="", help="Id of the desk; needed only when there are several.")
_DATE = click.option("--date", "day", default="", help="Local date, 2026-11-21; today when left out.")


@click.group("digest")
def digest_command() -> None:
    """Preview or send the digest of a desk."""


@digest_command.command("preview")
@_DESK
@_DATE
@click.option("--format", "form", type=click.Choice(["text", "html", "eml"]), default="text", show_default=True)
@click.pass_obj
def preview(config: Path, desk_id: str, day: str, form: str) -> None:
    """Print the digest as it would be mailed now, or as it was mailed on a day of the past; nothing is written."""
    with App.at(config) as app:
        warn_about(app)
        desk = _desk(app, desk_id)
        key = _key(app, desk, day)
        messages = app.store.frozen(key)
        if key.day > _today(app, desk):
            raise UsageError(f"{key.day} has not come yet for {desk.id}: leave --date out to see today's digest.")
        if not messages and key.day < _today(app, desk):
            raise UsageError(f"No digest of {desk.id} was made on {key.day}: `monitor digest list` shows which were.")
        message = (messages or app.post.messages(app.post.digest(desk, key)))[0]
    click.echo(_formed(message, form), nl=False)


@digest_command.command("send")
@_DESK
@click.option("--test", "address", default="", metavar="ADDRESS", help="Mail a preview to this address only.")
@click.pass_obj
def send(config: Path, desk_id: str, address: str) -> None:
    """Make today's digest now, once, and deliver it; or mail a preview to one address."""
    with App.at(config) as app:
        warn_about(app)
        desk = _desk(app, desk_id)
        key = _key(app, desk, "")
        if address:
            result = app.post.test(desk, key, address)
            if not result.ok:
                raise TemporaryError(f"{address}: {result.error}")
            say(f"A preview of {key} went to {address}; nothing was marked as told.")
            return
        if not app.post.make(desk, key):
            raise UsageError(f"{key} was made before: `monitor outbox` shows its delivery, `monitor digest list` all.")
        for delivery in app.post.deliver():
            click.echo(f"{delivery.key} to {delivery.to}: {delivery.state}{_because(delivery.error)}")


@digest_command.command("list")
@_DESK
@json_option
@click.pass_obj
def listed(config: Path, desk_id: str, *, as_json: bool) -> None:
    """List the digests that were made, newest first."""
    with App.at(config) as app:
        rows = app.store.digests(desk_id or None)
        if as_json:
            for desk, day, slot, made, stories in rows:
                line({"desk": desk, "day": day, "slot": slot, "made": made, "stories": stories})
        else:
            cells = [(d, day, slot, f"{made:%Y-%m-%d %H:%M} UTC", str(n)) for d, day, slot, made, n in rows]
            table(("desk", "day", "slot", "made", "stories"), cells)


@click.group("outbox", invoke_without_command=True)
@json_option
@click.pass_context
def outbox_command(ctx: click.Context, *, as_json: bool) -> None:
    """What became of each mail; retry or drop one that is stuck."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(outbox_list, as_json=as_json)


@outbox_command.command("list")
@json_option
@click.pass_obj
def outbox_list(config: Path, *, as_json: bool = False) -> None:
    """List every delivery, oldest first."""
    with App.at(config) as app:
        rows = app.store.outbox()
        for row in rows if as_json else ():
            line(
                {
                    "key": row.key,
                    "to": row.to,
                    "state": row.state,
                    "tries": row.tries,
                    "next_try": row.next_try,
                    "error": row.error,
                    "changed": row.changed,
                }
            )
        if not as_json:
            cells = [(r.key, r.to, r.state, str(r.tries), ago(r.changed, app.clock), r.error) for r in rows]
            table(("mail", "to", "state", "tries", "since", "why"), cells)


@outbox_command.command("retry")
@click.argument("key")
@click.argument("to")
@click.pass_obj
def retry(config: Path, key: str, to: str) -> None:
    """Send a mail again whose delivery failed or is unknown, with the same Message-ID."""
    with App.at(config) as app:
        if not app.post.retry(key, to):
            raise UsageError(f"{key} to {to} is neither failed nor unknown: `monitor outbox` shows its state.")
        for delivery in app.post.deliver():
            click.echo(f"{delivery.key} to {delivery.to}: {delivery.state}{_because(delivery.error)}")


@outbox_command.command("drop")
@click.argument("key")
@click.argument("to")
@click.pass_obj
def drop(config: Path, key: str, to: str) -> None:
    """Give a mail up that waits, failed, or is unknown."""
    with App.at(config) as app:
        if not app.post.drop(key, to):
            raise UsageError(f"{key} to {to} neither waits nor failed: `monitor outbox` shows its state.")
        say(f"{key} to {to} is dropped.")


def _because(error: str) -> str:
    return f" ({error})" if error else ""


def _desk(app: App, name: str) -> Desk:
    desks = app.editorial.current().desks
    if not desks:
        raise UsageError("There is no desk to mail to: add one to watchlists/desks.yaml.")
    if not name and len(desks) > 1:
        raise UsageError(f"Say which desk: --desk {' or '.join(d.id for d in desks)}.")
    found = next((d for d in desks if not name or d.id == name), None)
    if found is None:
        raise UsageError(f"There is no desk `{name}`: it is one of {', '.join(d.id for d in desks)}.")
    return found


def _today(app: App, desk: Desk) -> date:
    return app.clock().astimezone(ZoneInfo(desk.zone)).date()


def _key(app: App, desk: Desk, day: str) -> DigestKey:
    """The newest slot that has come on that day; for a day of the past the last one of which a digest was made."""
    try:
        wanted = date.fromisoformat(day) if day else _today(app, desk)
    except ValueError:
        raise UsageError(f"`{day}` is no date: write it as 2026-11-21.") from None
    made = [s for _, d, s, _, _ in app.store.digests(desk.id) if d == wanted.isoformat() and not s.startswith("flash-")]
    if made and wanted < _today(app, desk):
        return DigestKey(desk=desk.id, day=wanted, slot=max(made))
    clock = f"{app.clock().astimezone(ZoneInfo(desk.zone)):%H:%M}"
    passed = [at for at in desk.at if at <= clock]
    return DigestKey(desk=desk.id, day=wanted, slot=max(passed) if passed else desk.at[0])


def _formed(message: Message, form: str) -> str:
    if form == "eml":
        return to_mime(message).decode("utf-8", "replace")
    return message.html if form == "html" else f"Subject: {message.subject}\n\n{message.text}"
