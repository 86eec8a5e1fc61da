"""Trying an edit on an archive of 200,000 articles: `monitor try` with four edits of the shipped watchlists.

They are about 100 MB, for only the beginning of each text is stored; --letters 0 stores the whole texts, twice as much.
Each edit is a copy of one file. The database must be the same to the byte afterwards, or the script stops.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import archives, arguments, figure, median, monitor, note, spent, workspace
from importing import archive

from monitor.app import App
from monitor.service.load import load_archive

GOAL = 15.0
"""Seconds of wall time for 200,000 articles on two cores."""


def one_name_more(text: str) -> str:
    """A base gets a spelling."""
    return text.replace("en: [Ain al-Asad,", "en: [Ain al-Asad, Asad Air Field,", 1)


def frequent_name(text: str) -> str:
    """A base gets a name that nearly every English text holds, as by a slip."""
    return text.replace("en: [Ain al-Asad,", "en: [Ain al-Asad, the,", 1)


def rule_widened(text: str) -> str:
    """A rule fires for a whole list of frequent words, too."""
    query = r"(\n  sinjar-agreement-news:\n.*?query: ')(.*?)'"
    return re.sub(query, r"\1(\2) OR #attack'", text, count=1, flags=re.DOTALL)


def rule_more(text: str) -> str:
    """A new rule asks for one of the entities that are met most."""
    rule = "  tried-here:\n    title: Tried here\n    level: normal\n    query: '@iran NEAR/10 #attack'\n"
    return text.replace("\nrules:\n", f"\nrules:\n{rule}", 1)


EDITS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("one new name", one_name_more),
    ("a name that very many articles hold", frequent_name),
    ("a rule widened by a word list", rule_widened),
    ("a new rule on a frequent entity", rule_more),
)


def edited(watchlists: Path, edit: Callable[[str], str], folder: Path) -> Path:
    """An edited copy of the first file that holds what is edited."""
    for path in sorted(watchlists.glob("*.yaml")):
        source = path.read_text("utf-8")
        changed = edit(source)
        if changed != source:
            (folder / path.name).write_text(changed, "utf-8")
            return folder / path.name
    sys.exit(f"No file of {watchlists} holds what `{edit.__name__}` of bench/trying.py edits: mend that.")


def state(data: Path) -> dict[str, str]:
    """What stands in a database and the files beside it; empty ones are left out."""
    found = {}
    for path in sorted(data.glob("monitor.db*")):
        if path.name.endswith("-shm") or not path.stat().st_size:
            continue  # the shared memory of readers holds their locks, nothing that is stored
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def tried(config: Path, rounds: int) -> None:
    """The figures of each edit."""
    before = state(config.parent / "data")
    for title, edit in EDITS:
        with tempfile.TemporaryDirectory() as folder:
            path = edited(config.parent / "watchlists", edit, Path(folder))
            # exit code 3: an example of the file no longer holds, as must be when a rule is widened
            command = [*monitor(), "--config", str(config), "try", str(path), "--days", "0", "--json"]
            costs = [spent(command, seconds=900, well=(0, 3)) for _ in range(rounds)]
        told = json.loads(costs[-1].out.rstrip().rsplit("\n", 1)[-1])
        figure(f"{title}, wall", median([c.wall for c in costs]), "s")
        figure(f"{title}, processor", median([c.cpu for c in costs]), "CPU-s")
        figure(f"{title}, articles", told["articles"] / median([c.cpu for c in costs]), "articles/CPU-s")
        figure(f"{title}, peak of a process", max(c.peak for c in costs) / 1e6, "MB")
        note(
            f"{told['touched']:,} articles touched, {told['counted']:,} of them counted, "
            f"{told['gained']:,} hits gained, {told['lost']:,} lost"
        )
    after = state(config.parent / "data")
    if after != before:
        sys.exit(f"monitor try has changed the database: {before} is now {after}.")
    note("the database is the same to the byte")


def filled(folder: Path, count: int, letters: int) -> Path:
    """A new workspace with an imported archive."""
    if not archives():
        note("the archives of ../shared are not there: made articles are tried")
    config = workspace(folder)
    with tempfile.TemporaryDirectory() as name, App.at(config) as app:
        packed, _ = archive(Path(name), count, letters)
        began = time.monotonic()
        load_archive(packed, app.store, app.editorial.current(), app.clock)
        note(f"imported in {time.monotonic() - began:.0f} s")
    return config


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = arguments(__doc__)
    parser.add_argument("--articles", type=int, default=200_000)
    parser.add_argument("--letters", type=int, default=500, help="of each text; 0 for all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--in", type=Path, dest="place", help="a workspace that --into has made")
    parser.add_argument("--into", type=Path, help="keep the workspace in this new folder, for --in")
    return parser.parse_args()


def main() -> None:
    """Print the figures."""
    asked = options()
    if asked.into and asked.into.exists():
        sys.exit(f"trying: {asked.into} is there already: name a new folder.")
    count = 60 if asked.quick else asked.articles
    with tempfile.TemporaryDirectory() as name:
        folder = asked.place or asked.into or Path(name) / "workspace"
        config = folder / "monitor.yaml" if asked.place else filled(folder, count, asked.letters)
        with App.at(config, read_only=True) as app:
            note(f"{app.store.counts().articles:,} articles, goal {GOAL:.0f} s for 200,000 of them on two cores")
        tried(config, 1 if asked.quick else asked.rounds)


if __name__ == "__main__":
    main()
