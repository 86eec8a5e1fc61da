"""Loading an archive: articles a second of `monitor import`, matched and indexed."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import zstandard
from common import archives, arguments, figure, monitor, note, rows, spent, workspace


def archive(folder: Path, count: int, letters: int | None = None) -> tuple[Path, int]:
    """An even sample of the texts, or of their beginnings, as one packed file, and the number of its articles."""
    packed, number = folder / "sample.jsonl.zst", 0
    with packed.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as out:
        for row in rows(count):
            if letters:
                row["text"] = str(row.get("text") or row.get("summary") or "")[:letters]
            out.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            number += 1
    return packed, number


def load(config: Path, packed: Path, count: int) -> None:
    """Import, print the figures; a second import must change nothing."""
    command = [*monitor(), "--config", str(config), "import", str(packed), "--json"]
    cost = spent(command, seconds=900)
    told = json.loads(cost.out)
    assert told["lines"] == count, f"{told['lines']} of {count} lines were read"
    assert not told["bad"], f"{told['bad']} lines were refused"
    size = (config.parent / "data" / "monitor.db").stat().st_size
    figure("import, wall", told["articles"] / cost.wall, "articles/s")
    figure("import, processor", told["articles"] / cost.cpu, "articles/CPU-s")
    figure("import, hits", told["hits"] / max(1, told["articles"]), "an article")
    figure("import, peak of a process", cost.peak / 1e6, "MB")
    figure("import, database", size / max(1, told["articles"]), "bytes an article")


def main() -> None:
    """Print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--into", type=Path, help="keep the workspace in this new folder, for bench/search.py --in")
    asked = parser.parse_args()
    if asked.into and asked.into.exists():
        sys.exit(f"importing: {asked.into} is there already: name a new folder.")
    if not archives():
        note("the archives of ../shared are not there: made articles are loaded")
    with tempfile.TemporaryDirectory() as name:
        packed, count = archive(Path(name), 60 if asked.quick else asked.articles)
        load(workspace(asked.into or Path(name) / "workspace", light=asked.quick), packed, count)


if __name__ == "__main__":
    main()
