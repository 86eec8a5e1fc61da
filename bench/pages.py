"""How well the text of articles is found on real pages, and how fast.

Gold: the pages of ../shared/corpus/html.tar.gz. Where the whole text of the article is known, F1 over runs of four
words, averaged over pages; where only pieces are known, the share of pieces that must be there and are, and of those
that must not be there and are not.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common import SHARED, arguments, figure, note

from monitor.page import article_text

ARCHIVE = SHARED / "corpus" / "html.tar.gz"
WHOLE, PIECES = ("scrapinghub_benchmark", "fundus", "newspaper4k"), ("trafilatura_eval",)
RUN = 4
"""Words in a run: what the benchmark that the first set comes from counts."""

_WORD = re.compile(r"\w+")
_ALONE = """<html><head><title>Base struck</title></head><body><nav>Home News Sport</nav><article><h1>Base struck</h1>
<p>Two rockets fell on the base in the night, said the ministry on Friday, and nobody was hurt.</p>
<p>It was the third time in a month that the base was struck, and the guards had been doubled before.</p></article>
<footer>All rights reserved</footer></body></html>"""


def pages(sets: Sequence[str], most: int) -> Iterator[tuple[str, str, bytes, dict[str, Any]]]:
    """(set, name, page, gold) of at most `most` pages of each set, in the order of their names."""
    with tarfile.open(ARCHIVE) as archive:
        held = {m.name: m for m in archive.getmembers() if m.isfile() and m.name.split("/")[-2] in sets}
        taken: Counter[str] = Counter()
        for name in sorted(n for n in held if n.endswith(".gold.json.gz")):
            kind, page = name.split("/")[-2], name.replace(".gold.json.gz", ".html.gz")
            if page not in held or taken[kind] >= most:
                continue
            taken[kind] += 1
            body, gold = (gzip.decompress(_bytes(archive, held[n])) for n in (page, name))
            yield kind, name.split("/")[-1].removesuffix(".gold.json.gz"), body, json.loads(gold)


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def gold_texts(kind: str, gold: Mapping[str, Any]) -> list[str]:
    """The whole text of the article as people wrote it down; empty where it is not known.

    fundus keeps the texts of all pages of a publisher in each gold file: the page is one of them.
    """
    if kind != "fundus":
        return [gold["text"]] if (gold.get("text") or "").strip() else []
    texts = []
    for version in gold["fields"].values():
        body = version.get("body") or {}
        lines = [*body.get("summary", ())]
        for section in body.get("sections", ()):
            lines += [*section.get("headline", ()), *section.get("paragraphs", ())]
        texts.append("\n".join(lines))
    return [t for t in texts if t.strip()]


def f1(found: str, gold: str) -> float:
    """F1 over runs of words, from 0 to 1."""
    ours, theirs = _runs(found), _runs(gold)
    both = (ours & theirs).total()
    return 2 * both / (ours.total() + theirs.total()) if both else float(not ours and not theirs)


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return Counter(tuple(words[n : n + RUN]) for n in range(max(1, len(words) - RUN + 1))) if words else Counter()


def pieces(found: str, gold: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """(kept, to keep, left out, to leave out)."""
    text = " ".join(found.split())
    wanted = [" ".join(p.split()) in text for p in gold.get("must_contain") or ()]
    unwanted = [" ".join(p.split()) not in text for p in gold.get("must_not_contain") or ()]
    return sum(wanted), len(wanted), sum(unwanted), len(unwanted)


def main() -> None:
    """Print the figures."""
    quick = arguments(__doc__).parse_args().quick
    if not ARCHIVE.exists():
        note(f"{ARCHIVE.name} is not there: one page of our own only")
        figure("pages: characters found", len(article_text(_ALONE.encode(), "text/html", "")), "letters")
        return
    scores: dict[str, list[float]] = {}
    counted: Counter[str] = Counter()
    seconds, sizes = 0.0, 0
    for kind, name, body, gold in pages((*WHOLE, *PIECES), 3 if quick else sys.maxsize):
        texts = gold_texts(kind, gold) if kind in WHOLE else []
        if kind in WHOLE and not texts:
            continue
        began = time.process_time()
        found = article_text(body, "text/html", "")
        seconds += time.process_time() - began
        sizes += len(body)
        counted["pages"] += 1
        if kind in WHOLE:
            scores.setdefault(kind, []).append(max(f1(found, text) for text in texts))
        else:
            for key, value in zip(("kept", "to keep", "left out", "to leave out"), pieces(found, gold), strict=True):
                counted[key] += value
        if not found:
            counted["empty"] += 1
            note(f"nothing found on {kind}/{name}") if not quick else None
    for kind, values in scores.items():
        figure(f"pages: F1 of {len(values)} of {kind}", sum(values) / len(values), "F1")
    figure("pages: pieces that belong, found", counted["kept"] / max(1, counted["to keep"]), "share")
    figure("pages: pieces that do not, left out", counted["left out"] / max(1, counted["to leave out"]), "share")
    figure("pages: without any text", counted["empty"], "pages")
    figure("pages: a second of processor time", counted["pages"] / max(seconds, 1e-9), "pages")
    figure("pages: a second of processor time, bytes", sizes / max(seconds, 1e-9) / 1e6, "MB")


if __name__ == "__main__":
    main()
