"""Every feed file beside the project, read by us and by feedparser alone: nothing lost, and how many pass the gate.

Compared are entries, ids, links, titles, dates and text. A single loss, or fewer than 80 of 100 real-world feeds
through the gate, ends it with an error.
"""

from __future__ import annotations

import csv
import io
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import feedparser
from common import BENCH, SHARED, arguments, figure, note

from monitor.model import Failed
from monitor.parse import Parsed, parse

sys.path.append(str(BENCH.parent / "tests"))

from watched import BASE, lost

ARCHIVE, INDEX = SHARED / "corpus" / "feeds.tar.gz", SHARED / "corpus" / "feeds-index.tsv"
KIND = "application/rss+xml"
LEAST = 0.8
"""Of the real-world feeds that have entries, this share has to pass the gate."""


def classes() -> dict[str, str]:
    """File -> realworld or testcase, for the files that are here."""
    rows = csv.DictReader(io.StringIO(INDEX.read_text("utf-8")), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["file"]: row["class"] for row in rows}


def files(step: int) -> Iterator[tuple[str, bytes, str]]:
    """(name, bytes, class) of every file, or of each `step`th; the project's own when the collection is not there."""
    if not ARCHIVE.is_file():
        note("../shared is not there: the feeds of the tests are read")
        for path in sorted((BENCH.parent / "tests" / "data" / "feeds").iterdir()):
            yield path.name, path.read_bytes(), "testcase"
        return
    known = classes()
    with tarfile.open(ARCHIVE) as archive:
        members = (m for m in archive if m.isfile() and m.name.startswith("public/"))
        for member in islice(members, 0, None, step):  # in their order: going back means to unpack from the start
            handle = archive.extractfile(member)
            assert handle is not None
            name = member.name.removeprefix("public/")
            yield name, handle.read(), known.get(name, "testcase")


def is_document(body: bytes) -> bool:
    """Whether a file is a feed by itself; programs that quote one are in the collection, too."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"<", b"{")) and not start.startswith(b"<?php")


def main() -> None:
    """Print the figures."""
    asked = arguments(__doc__).parse_args()
    count: Counter[str] = Counter()
    ours = alone = 0.0
    losses = []
    for name, body, kind in files(40 if asked.quick else 1):
        began = time.process_time()
        found = parse("f", body, KIND, BASE)
        ours += time.process_time() - began
        began = time.process_time()
        feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
        alone += time.process_time() - began
        items = found.items if isinstance(found, Parsed) else ()
        losses += [f"{name}: {what}" for what in lost(items, body, KIND)]
        count.update(["files", *["no feed"] * isinstance(found, Failed)])
        count["entries"] += len(items)
        if isinstance(found, Parsed) and items and is_document(body):
            count.update([f"{kind} feeds", *[f"{kind} passed"] * (found.gate in ("plain", "json"))])
    show(count, ours, alone)
    for loss in losses:
        print(f"lost: {loss}", file=sys.stderr)
    if losses:
        sys.exit(f"gate: {len(losses)} things that feedparser finds are lost; mend monitor/parse before all else.")
    if "realworld feeds" in count and not asked.quick and _share(count, "realworld") < LEAST:
        sys.exit(f"gate: fewer than {LEAST:.0%} of the real-world feeds pass the gate; look at Parsed.gate for why.")


def show(count: Counter[str], ours: float, alone: float) -> None:
    """A line for each figure."""
    figure("feed files read", count["files"], "files")
    figure("of them no feed", count["no feed"], "files")
    figure("entries in them, none lost", count["entries"], "entries")
    for kind in ("realworld", "testcase"):
        if count[f"{kind} feeds"]:
            note(f"{count[f'{kind} feeds']} {kind} documents have entries")
            figure(f"{kind} feeds through the gate", _share(count, kind) * 100, "%")
    figure("reading them, processor", ours, "CPU-s", alone, of="feedparser alone")


def _share(count: Counter[str], kind: str) -> float:
    return count[f"{kind} passed"] / count[f"{kind} feeds"]


if __name__ == "__main__":
    main()
