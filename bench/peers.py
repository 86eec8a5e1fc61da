"""The peers, run by the interpreter of an environment of their own; needs nothing of this project.

python peers.py reader-add DB < URLS      python peers.py reader-update DB      python peers.py aho|hyper FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path


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


def race(folder: Path, searcher: Callable[[list[str]], Callable[[str], int]]) -> None:
    """str.translate and a search for whole words over the texts of a folder; answers each line of stdin."""
    table = {int(code): to for code, to in json.loads((folder / "table.json").read_text()).items()}
    texts = json.loads((folder / "texts.json").read_text())
    names = [" ".join(name.translate(table).split()) for name in json.loads((folder / "names.json").read_text())]
    began = time.process_time()
    try:
        search = searcher(names)
    except ImportError as error:
        print(json.dumps({"missing": error.name}), flush=True)
        return
    print(json.dumps({"build": time.process_time() - began}), flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        found = sum(search(f" {text.translate(table)} ") for text in texts)
        print(json.dumps({"seconds": time.process_time() - began, "found": found}), flush=True)


def aho(names: list[str]) -> Callable[[str], int]:
    """The automaton of pyahocorasick; what it gives are ends and names."""
    import ahocorasick  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    automaton = ahocorasick.Automaton()
    for number, name in enumerate(names):
        automaton.add_word(f" {name} ", (number, len(name)))
    automaton.make_automaton()
    return lambda text: len(list(automaton.iter(text)))


def hyper(names: list[str]) -> Callable[[str], int]:
    """A database of literals of hyperscan, over UTF-8; what it gives are ends and names."""
    import hyperscan  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    literals = [f" {name} ".encode() for name in names]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=literals, ids=list(range(len(literals))), elements=len(literals), literal=True)
    found: list[tuple[int, int]] = []

    def met(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        found.append((number, end))

    def search(text: str) -> int:
        found.clear()
        database.scan(text.encode("utf-8", "replace"), match_event_handler=met)
        return len(found)

    return search


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["reader-add", path]:
            add(path, sys.stdin)
        case ["reader-update", path]:
            update(path)
        case ["aho", path]:
            race(Path(path), aho)
        case ["hyper", path]:
            race(Path(path), hyper)
        case _:
            sys.exit(__doc__)
