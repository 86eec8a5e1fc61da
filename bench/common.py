"""What the figures share: the texts, a workspace, one form of line, and the cost of a command with all its children."""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import zstandard

from monitor.app import lay_out
from monitor.demo.stories import load_stories
from monitor.model import Article
from monitor.service.edit import check
from monitor.text.language import language, normal

BENCH = Path(__file__).resolve().parent
SHARED = BENCH.parents[1] / "shared"
ARCHIVE = SHARED / "corpus" / "articles"
PEERS = os.environ.get("READER_PYTHON", "")
"""The interpreter of an environment with the peers in it: pip install reader pyahocorasick."""

LIGHT = """watchlist: light
title: A few names
level: normal
entities:
  iraq: {kind: state, name: Iraq, names: {tr: [Irak], ar: [العراق], fa: [عراق]}, from: for the figures}
"""
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a command cost, its children and theirs included."""

    cpu: float
    """Seconds of processor time, user and system."""
    wall: float
    peak: int
    """Resident bytes of its largest process."""
    out: str


def arguments(about: str | None) -> argparse.ArgumentParser:
    """A parser that knows --quick."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: proves that the script runs, measures nothing"
    )
    return parser


def figure(name: str, value: float, unit: str, peer: float | None = None, *, of: str = "") -> None:
    """Print one line: name, value, unit, and the ratio to the peer's value when there is one."""
    ratio = f" ({value / peer:.2f} of {of or 'the peer'})" if peer else ""
    print(f"{name:<44} {value:>10,.3g} {unit}{ratio}" if value < 100 else f"{name:<44} {value:>10,.0f} {unit}{ratio}")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print one plain line that is no figure."""
    print(f"# {text}", flush=True)


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def spent(
    command: Sequence[str | Path], *, cwd: Path | None = None, seconds: float = 300, well: Sequence[int] = (0,)
) -> Spent:
    """Run a command to its end and count what it and all its descendants used.

    Any exit code that is not among `well` ends the figures.
    """
    runner = [sys.executable, str(BENCH / "spent.py"), *map(str, command)]
    done = subprocess.run(runner, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
    if done.returncode not in well:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    row = json.loads(done.stderr.rstrip().rsplit("\n", 1)[-1])
    return Spent(cpu=row["cpu"], wall=row["wall"], peak=row["peak"], out=done.stdout)


def monitor() -> list[str]:
    """The command under test."""
    return [sys.executable, "-m", "monitor"]


def workspace(
    folder: Path, *, settings: dict[str, Any] | None = None, feeds: Sequence[Any] = (), light: bool = False
) -> Path:
    """Lay out a workspace and return its monitor.yaml; JSON is YAML. A light one has a single small watchlist."""
    lay_out(folder)
    config = folder / "monitor.yaml"
    if light:
        for path in (folder / "watchlists").glob("*.yaml"):
            path.unlink()
        (folder / "watchlists" / "light.yaml").write_text(LIGHT, "utf-8")
    else:
        _refuse_broken(folder / "watchlists")
    if settings is not None:
        config.write_text(json.dumps(settings), "utf-8")
    if feeds:
        rows = "".join(f"  - {json.dumps(feed, ensure_ascii=False)}\n" for feed in feeds)
        (folder / "watchlists" / "feeds.yaml").write_text(f"feeds:\n{rows}", "utf-8")
    return config


def _refuse_broken(folder: Path) -> None:
    """A watchlist that is not in force would make every figure too good."""
    wrong = [problem for problem in check(folder)[1] if not problem.warning]
    if wrong:
        sys.exit(f"The shipped watchlists are not sound, mend them first: {wrong[0]}")


def archives() -> list[Path]:
    """The archives of real articles beside the project, none when they are not there."""
    return sorted(ARCHIVE.glob("*.jsonl.zst")) if ARCHIVE.is_dir() else []


def rows(limit: int) -> Iterator[dict[str, Any]]:
    """About `limit` rows of articles, 0 for all there are: an even sample of the archives, or made ones without them.

    Beyond what the archives hold their rows come again, under another id and title.
    """
    found = archives()
    if not found:
        yield from made(limit or 20_000)
        return
    held = sum(_lines(path) for path in found)
    with_room = limit / max(1, held) if limit else 1.0
    due = 0.0
    for path in found:
        for line in _read(path):
            due += with_room
            for time in range(int(due)):
                row = json.loads(line)
                yield _again(row, time) if time else row
            due -= int(due)


def _again(row: dict[str, Any], time: int) -> dict[str, Any]:
    return row | {"id": f"{row.get('id') or row.get('url')}~{time}", "title": f"{row.get('title') or ''} ({time + 1})"}


@cache
def _lines(path: Path) -> int:
    return sum(1 for _ in _read(path))


def _read(path: Path) -> Iterator[str]:
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as plain:
        yield from io.TextIOWrapper(plain, encoding="utf-8", errors="replace")


def made(count: int) -> Iterator[dict[str, Any]]:
    """Made articles of about 2,000 letters: sentences of the sample stories, shuffled, always the same."""
    chance = random.Random(20)
    parts: dict[str, list[str]] = {}
    for story in load_stories():
        parts.setdefault(language(story.title, story.text), []).extend(story.text.split(". "))
    langs = sorted(parts)
    for number in range(count):
        lang = langs[number % len(langs)]
        text = ". ".join(chance.choices(parts[lang], k=24))
        title = " ".join(chance.sample(text.split(), 8))
        second = datetime.fromtimestamp(1_700_000_000 + number * 60, UTC)
        yield {"id": str(number), "title": title, "text": text, "lang": lang, "published": second.isoformat()}


def articles(limit: int) -> list[Article]:
    """The same rows as articles that nobody has stored."""
    found = []
    for number, row in enumerate(rows(limit)):
        title, text = str(row.get("title") or ""), str(row.get("text") or row.get("summary") or "")
        lang = normal(str(row.get("lang") or "")) or language(title, text)
        found.append(Article(id=str(number), feed="archive", title=title, text=text, lang=lang, seen=datetime.now(UTC)))
    return found


def megabytes(found: Sequence[Article]) -> float:
    """Millions of UTF-8 bytes of titles and texts."""
    return sum(len(a.title.encode("utf-8", "replace")) + len(a.text.encode("utf-8", "replace")) for a in found) / (
        _MEGABYTE
    )
