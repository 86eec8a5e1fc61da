"""The peers, run by the interpreter of an environment of their own; needs nothing of this project.

python peers.py reader-add DB < URLS      python peers.py reader-update DB      python peers.py aho FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def add(path: str, urls: Iterable[str]) -> None:
    """Make a database of reader that follows these feeds."""
    from reader import make_reader  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    reader = make_reader(path)
    for url in urls:
        reader.add_feed(url.strip(), exist_ok=True)


def update(path: str) -> None:
    """Update all feeds; prints how many articles are stored."""
    from reader import make_reader  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    reader = make_reader(path)
    failed = sum(isinstance(value, Exception) for _, value in reader.update_feeds_iter(workers=10, scheduled=False))
    print(json.dumps({"articles": reader.get_entry_counts().total, "failed": failed}))


def aho(folder: Path) -> None:
    """str.translate and pyahocorasick over the texts of a folder, whole words only; answers each line of stdin."""
    import ahocorasick  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    table = {int(code): to for code, to in json.loads((folder / "table.json").read_text()).items()}
    texts = json.loads((folder / "texts.json").read_text())
    began = time.perf_counter()
    automaton = ahocorasick.Automaton()
    for number, name in enumerate(json.loads((folder / "names.json").read_text())):
        folded = name.translate(table)
        automaton.add_word(f" {' '.join(folded.split())} ", (number, len(folded)))
    automaton.make_automaton()
    print(json.dumps({"build": time.perf_counter() - began}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        found: list[Any] = []
        for text in texts:
            found.extend(automaton.iter(f" {text.translate(table)} "))
        print(json.dumps({"seconds": time.perf_counter() - began, "found": len(found)}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["reader-add", path]:
            add(path, sys.stdin)
        case ["reader-update", path]:
            update(path)
        case ["aho", path]:
            aho(Path(path))
        case _:
            sys.exit(__doc__)
