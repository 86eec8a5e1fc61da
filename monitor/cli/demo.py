"""monitor demo."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.show import marked, say
from monitor.demo.run import Shown, run_demo
from monitor.render import snippet, title_parts
from monitor.service.look import Result
from monitor.service.poll import Report


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/demo"),
    show_default=True,
    help="Where the workspace with its mails is laid out.",
)
@click.option("--serve", is_flag=True, help="Afterwards keep serving the mail's page on loopback until Ctrl-C.")
def demo_command(out: Path, *, serve: bool) -> None:
    """Show the whole job on bundled sample feeds over loopback HTTP: no network, no configuration."""
    missing = run_demo(out, Shown(poll=_poll, search=_search, mails=_mails))
    for sentence in missing:
        say(f"demo: {sentence}")
    if missing:
        raise click.exceptions.Exit(1)
    click.echo("The digest shows what it should: six languages, repeats once, the edit once, the dead feed, a flash.")
    if serve:
        _serve(out / "data" / "outbox")


def _poll(name: str, report: Report) -> None:
    click.secho(f"{name}: ", bold=True, nl=False)
    click.echo(
        f"{report.feeds} feeds, {report.articles} new articles, {report.revised} edited, {report.hits} hits, "
        f"{report.failed} failed in {report.seconds:.1f} s"
    )
    for title, _, sentence in report.failures:
        click.echo(f"  {title}: {sentence}")


def _search(query: str, found: list[Result]) -> None:
    click.secho(f"\nmonitor search '{query}'", bold=True)
    for result in found:
        article = result.stored.article
        click.echo(f"  {article.lang:<3} {article.source}: {marked(title_parts(article, result.marks))}")
        click.echo(f"      {marked(snippet(article, result.marks))}")


def _mails(paths: list[Path]) -> None:
    click.secho("\nMails", bold=True)
    flashes = [p for p in paths if ".flash-" in p.name]
    for path in [p for p in paths if p not in flashes] + flashes[:1]:
        click.echo(f"  {path}")
        click.echo(f"  {path.with_suffix('.html')}")
    if len(flashes) > 1:
        click.echo(f"  and {len(flashes) - 1} more flash mails there")
    click.echo()


def _serve(folder: Path) -> None:
    """Serve the written mails as pages, on this machine only."""
    import functools
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        say(f"http://127.0.0.1:{server.server_port}/ shows the mails; Ctrl-C ends it.")
        server.serve_forever()
