"""The command line: calls service methods and shows what comes back. stdout is data, stderr is messages."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from monitor import __version__
from monitor.errors import MonitorError, QueryError

INTERRUPTED = 130

COMMANDS = {
    "demo": "demo",
    "init": "work",
    "run": "work",
    "poll": "work",
    "import": "work",
    "search": "look",
    "explain": "look",
    "not-it": "look",
    "check": "edit",
    "schema": "edit",
    "try": "archive",
    "rematch": "archive",
    "digest": "mail",
    "outbox": "mail",
    "feeds": "feeds",
    "doctor": "care",
    "backup": "care",
    "restore": "care",
}
"""Command -> module of this package. A module is loaded when its command is called: that keeps search quick."""


class Commands(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """All commands, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; a mistyped one gets a suggestion."""
        if cmd_name not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else " `monitor --help` lists them."
            ctx.fail(f"There is no command `{cmd_name}`.{hint}")
        module = import_module(f"monitor.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command


_OBJECTS = 50_000
"""New objects before the garbage collector looks for cycles: a command that reads the watchlists makes many that stay,
and would look through them again and again."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("monitor.yaml"),
    show_default=True,
    envvar="MONITOR_CONFIG",
    help="The workspace's monitor.yaml, or its folder.",
)
@click.version_option(__version__, prog_name="monitor")
@click.pass_context
def cli(ctx: click.Context, config: Path) -> None:
    """A watch over the news: feeds in, evidenced hits and daily digests out."""
    ctx.obj = config / "monitor.yaml" if config.is_dir() else config


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the codes of errors.py: a person's input never meets a traceback."""
    gc.set_threshold(_OBJECTS)
    try:
        code: Any = cli.main(args=arguments, prog_name="monitor", standalone_mode=False)
    except QueryError as error:
        click.echo(f"monitor: {error}\n{error.caret()}", err=True)
        code = error.exit_code
    except MonitorError as error:
        click.echo(f"monitor: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("monitor: interrupted", err=True)
        code = INTERRUPTED
    except SystemExit:  # click's answer to a reader that closed the pipe, as `head` does
        code = 0
    except Exception as error:
        if os.environ.get("MONITOR_DEBUG"):
            raise
        click.echo(
            f"monitor: something failed that should not ({type(error).__name__}: {error}): run it again with"
            " MONITOR_DEBUG=1 and report what it prints.",
            err=True,
        )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
