"""The documents: what they show works, and what the program has stands in them."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from monitor import config
from monitor.cli import cli
from monitor.errors import QueryError
from monitor.match import compile_query, compile_watchlists
from monitor.query.parse import parse
from monitor.watchlists import KINDS, cross_check, load, read_desks, read_feeds, read_watchlist
from monitor.watchlists.desks import DESK_KEYS
from monitor.watchlists.feeds import FEED_KEYS, FEED_KINDS
from monitor.watchlists.read import EXAMPLE_KEYS, SHORT_KEYS

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
WATCHLISTS = (DOCS / "watchlists.md").read_text("utf-8")
OPERATE = (DOCS / "operate.md").read_text("utf-8")
PAGES = (PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))
SHIPPED = load(PROJECT / "watchlists")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", WATCHLISTS, re.DOTALL)
WAYS_TO_LEARN = {"--help", "-h", "--version"}


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second rank."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """The code in the first column of the tables."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


@pytest.mark.parametrize("source", [s for s in SNIPPETS if s.startswith("watchlist:")])
def test_a_watchlist_of_the_documents_works_beside_the_shipped_ones(source: str) -> None:
    """Each watchlist shown can be pasted into the folder: it is read, and its examples hold."""
    shown = read_watchlist("shown.yaml", source)
    shipped = SHIPPED.files
    words = [file for file in shipped if not file.entities and not file.rules]

    assert [str(p) for p in cross_check((*shipped, shown))] == []
    assert [str(p) for p in compile_watchlists((*words, shown)).problems] == []


def test_feeds_and_desks_of_the_documents_are_read() -> None:
    """The lists of feeds and desks shown are right, and with those every snippet is one of the three kinds."""
    feeds = [s for s in SNIPPETS if s.startswith("feeds:")]
    desks = [s for s in SNIPPETS if s.startswith("desks:")]

    assert [len(read_feeds("feeds.yaml", s)) for s in feeds] == [3]
    assert [len(read_desks("desks.yaml", s)) for s in desks] == [1]
    assert len(feeds) + len(desks) + sum(s.startswith("watchlist:") for s in SNIPPETS) == len(SNIPPETS)


def test_settings_of_the_documents_are_read() -> None:
    """Each piece of monitor.yaml shown is right."""
    shown = re.findall(r"```yaml\n(.*?)```", OPERATE, re.DOTALL)

    assert shown
    for source in shown:
        environment = dict.fromkeys(re.findall(r"env: (\w+)", source), "secret")
        read = config.read_config("monitor.yaml", source, root=Path("/w"), environment=environment)
        assert read.mail.relay.password == "secret"


def test_every_query_shown_is_understood() -> None:
    """Each query of the tables is read, and names only what the shipped watchlists and the page define."""
    text = section(WATCHLISTS, "The query language")
    anywhere, searched = text.split("Only in search:")
    queries = first_cells(anywhere)

    assert len(queries) > 20
    for query in (*queries, *first_cells(searched)):
        compile_query(parse(query, search=True), query, SHIPPED.files, SHIPPED.feeds)
    for query in queries:
        parse(query, search=False)
    for query in first_cells(searched):
        with pytest.raises(QueryError):
            parse(query, search=False)


def test_every_search_of_the_readme_is_understood() -> None:
    """The queries that a newcomer copies name things that are there."""
    queries = re.findall(r"monitor search '([^']+)'", (PROJECT / "README.md").read_text("utf-8"))

    assert queries
    for query in queries:
        compile_query(parse(query, search=True), query, SHIPPED.files, SHIPPED.feeds)


def test_every_key_of_watchlists_feeds_and_desks_is_explained() -> None:
    """Whatever may stand in a file of the desk officers stands on their page, the closed lists of kinds included."""
    keys = {*EXAMPLE_KEYS, *SHORT_KEYS, *FEED_KEYS, *DESK_KEYS, "groups", "mask", "part_of", "need", "doubtful"}

    missing = [key for key in sorted(keys) if f"`{key}`" not in WATCHLISTS and f"{key}:" not in WATCHLISTS]
    assert missing == []
    assert [kind for kind in (*KINDS, *FEED_KINDS) if not re.search(rf"\b{kind}\b", WATCHLISTS)] == []


def test_every_key_of_the_configuration_is_explained() -> None:
    """The table of monitor.yaml has one row per key, neither more nor fewer."""
    sections = {
        "poll": config.POLL_KEYS,
        "mail": [k for k in config.MAIL_KEYS if k != "relay"],
        "mail.relay": config.RELAY_KEYS,
        "web": config.WEB_KEYS,
        "retention": config.RETENTION_KEYS,
        "log": config.LOG_KEYS,
    }
    keys = {f"{name}.{key}" for name, found in sections.items() for key in found}
    keys |= {key for key in config.KEYS if key not in sections}

    assert sorted(first_cells(section(OPERATE, "monitor.yaml"))) == sorted(keys)
    assert all(f"`{key}`" in OPERATE for key in config.HOST_KEYS)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, under the words that a person types."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            inner = command.get_command(context, word)
            assert inner is not None
            yield from commands(inner, f"{name} {word}")


def test_every_command_and_option_is_explained() -> None:
    """Each command has a row in operate.md that names all its options, and each row is a command."""
    rows = dict(re.findall(r"^\| `(monitor [^`]+)` \|(.*)$", section(OPERATE, "Every command"), re.MULTILINE))
    found = dict(commands(cli, "monitor"))
    leaves = {name: command for name, command in found.items() if not isinstance(command, click.Group)}

    def row(name: str) -> str:
        return next((head + text for head, text in rows.items() if f"{head} ".startswith(f"{name} ")), "")

    assert [name for name in leaves if not row(name)] == []
    assert [head for head in rows if not any(f"{head} ".startswith(f"{name} ") for name in leaves)] == []
    unsaid = [
        f"{name} {option}"
        for name, command in leaves.items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option not in WAYS_TO_LEARN and option not in row(name)
    ]
    assert unsaid == []
    assert all(option in OPERATE for option in (*WAYS_TO_LEARN, "--config"))


def test_the_rows_of_the_house_are_those_that_are_checked() -> None:
    """The table of develop.md shows the layers of pyproject.toml, row by row."""
    contract = (PROJECT / "pyproject.toml").read_text("utf-8").rsplit("\nlayers = [", 1)[1].split("]", 1)[0]
    layers = [re.findall(r"\w+", line) for line in re.findall(r'"([^"]+)"', contract)]
    page = section((DOCS / "develop.md").read_text("utf-8"), "The house on one page")
    rows = re.findall(r"^\| \d+ \| ([^|]+) \|", page, re.MULTILINE)

    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers


def test_modules_named_in_the_house_exist() -> None:
    """The way of one article names modules that are there."""
    page = section((DOCS / "develop.md").read_text("utf-8"), "The way of one article")
    for cell in re.findall(r"^\| [a-z?]+ \| ([^|]+) \|", page, re.MULTILINE):
        for name in re.findall(r"`([\w.]+)`", cell):
            path = PROJECT / "monitor" / name.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").is_file(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project leads to one."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    inside = [link.partition("#")[0] for link in links if not link.startswith("https://")]

    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_picture_says_plainly_that_chromium_is_missing() -> None:
    """Without a browser the script ends with one sentence and no picture."""
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(DOCS / "picture.py")],
        env={**os.environ, "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr.startswith("picture: chromium is missing: ")
    assert run.stdout == ""


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (word, rest), continued lines joined."""
    text = re.sub(r"\\\n", " ", (PROJECT / "Dockerfile").read_text("utf-8"))
    lines = (line.strip() for line in text.splitlines())
    return [(w, r.strip()) for w, _, r in (x.partition(" ") for x in lines if x and not x.startswith("#"))]


def test_the_image_is_small_pinned_and_without_rights() -> None:
    """Slim base, upgraded pip, hashed packages, one volume, a health check, a user without rights, no foreign index."""
    found = instructions()
    last = [list(group) for start, group in itertools.groupby(found, lambda i: i[0] == "FROM") if not start][-1]
    runs = [rest for word, rest in found if word == "RUN"]
    installs = [r for rest in runs for r in rest.split("&&") if " install " in r and " -m pip " in r]

    bases = [rest.split()[0] for word, rest in found if word == "FROM" and ":" in rest.split()[0]]
    assert bases
    assert all(re.fullmatch(r"python:3\.1[2-9]-slim", base) for base in bases)
    assert any("--upgrade pip" in rest for rest in runs)
    assert all("--require-hashes" in r or "--no-index" in r or "--upgrade pip" in r for r in installs)
    assert ("VOLUME", "/data") in last
    assert [rest for word, rest in last if word == "USER"] == ["10001"]
    assert any(word == "HEALTHCHECK" and '"doctor", "--quick"' in rest for word, rest in last)
    assert last[-1] == ("CMD", '["monitor", "--config", "/data/monitor.yaml", "run"]')
    text = (PROJECT / "Dockerfile").read_text("utf-8")
    assert not re.search(r"curl|wget|index-url|https?://|\bADD\b|sudo", text)


def test_the_image_gets_what_the_wheel_is_built_from() -> None:
    """Whatever the Dockerfile copies is there and let through by .dockerignore."""
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"}
    copied = {p for word, rest in instructions() if word == "COPY" and "--from" not in rest for p in rest.split()[:-1]}

    assert copied
    assert copied == allowed
    assert all((PROJECT / path).exists() for path in copied)


def test_an_installed_wheel_lays_out_a_workspace(tmp_path: Path) -> None:
    """The wheel carries watchlists, templates and configuration: `monitor init` and `monitor check` work from it."""
    run_plainly(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                "--wheel-dir", str(tmp_path), str(PROJECT))  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    run_plainly(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    (site,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    (site / "packages.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
    python = tmp_path / "venv" / "bin" / "python"
    run_plainly(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index",
                str(wheel))  # fmt: skip

    command = str(python.with_name("monitor"))
    run_plainly(command, "init", str(tmp_path / "work"))
    where = run_plainly(str(python), "-I", "-c", "import monitor.app; print(monitor.app.shipped())")
    laid = {p.name for p in (tmp_path / "work").rglob("*") if p.is_file()}

    assert Path(where.strip()).is_relative_to(tmp_path)
    assert {p.name for p in (PROJECT / "watchlists").glob("*.yaml")} | {"monitor.yaml", "monitor.db"} <= laid
    run_plainly(command, "--config", str(tmp_path / "work" / "monitor.yaml"), "check")
    preview = run_plainly(command, "--config", str(tmp_path / "work" / "monitor.yaml"),
                          "digest", "preview", "--desk", "iraq")  # fmt: skip
    assert "Nothing new." in preview


def run_plainly(*arguments: str) -> str:
    """Run a program that has to succeed, outside of the project and without its paths; what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MONITOR"))}
    run = subprocess.run(  # noqa: S603 - our own interpreter
        arguments, env=kept, cwd=Path(sys.prefix), capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
