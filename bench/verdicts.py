"""What was read by eye, counted: the tables of docs/quality.md from the verdicts in docs/quality/*.tsv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from common import BENCH, arguments

VERDICTS = BENCH.parent / "docs" / "quality"
GOOD = {"right", "worth", "fine"}
KINDS = {
    "mention": "mentions drawn evenly",
    "entity": "mentions, one of each entity",
    "hit": "hits of rules",
    "silent": "articles of the region without any hit",
}
LANGUAGES = ("en", "tr", "ar", "ku", "ckb", "fa", "all")

Row = dict[str, str]


def rows(folder: Path = VERDICTS) -> Iterator[tuple[str, str, Row]]:
    """(reading, language, row) of every verdict; the language "all" is a reading over all of them at once."""
    for path in sorted(folder.glob("reading-*.tsv")):
        reading, lang = path.stem.removeprefix("reading-").split(".")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                yield reading, lang, row


def tables(folder: Path = VERDICTS) -> list[str]:
    """The lines of the page: per kind and reading what was good, doubtful and bad; then the kinds of error."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    errors: Counter[tuple[str, str, str]] = Counter()
    for reading, lang, row in rows(folder):
        verdict = "good" if row["verdict"] in GOOD else "doubtful" if row["verdict"] == "doubtful" else "bad"
        counted[row["kind"], reading, lang if lang in LANGUAGES else "all", verdict] += 1
        if row.get("error"):
            errors[row["kind"], reading, row["error"]] += 1
    lines = []
    for kind, title in KINDS.items():
        lines += ["", f"| {title} | reading | good | doubtful | bad | good of all |", "|---|---|---|---|---|---|"]
        for reading in sorted({key[1] for key in counted if key[0] == kind}):
            for lang in LANGUAGES:
                lines += _line(kind, reading, lang, counted)
            lines += _sum(kind, reading, counted)
    readings = sorted({key[1] for key in counted})
    lines += [
        "",
        f"| kind of error | where | reading {' | reading '.join(readings)} |",
        "|---" * (2 + len(readings)) + "|",
    ]
    for kind, error in sorted({(key[0], key[2]) for key in errors}):
        lines.append(f"| {error} | {kind} | {' | '.join(str(errors[kind, n, error]) for n in readings)} |")
    return lines


def _line(kind: str, reading: str, lang: str, counted: Counter[tuple[str, str, str, str]]) -> list[str]:
    good, doubtful, bad = (counted[kind, reading, lang, verdict] for verdict in ("good", "doubtful", "bad"))
    total = good + doubtful + bad
    return [f"| {lang} | {reading} | {good} | {doubtful} | {bad} | {good / total:.1%} |"] if total else []


def _sum(kind: str, reading: str, counted: Counter[tuple[str, str, str, str]]) -> list[str]:
    summed: Counter[tuple[str, str, str, str]] = Counter()
    for (of, one, lang, verdict), number in counted.items():
        if (of, one) == (kind, reading) and lang != "all":
            summed[kind, reading, "together", verdict] += number
    return _line(kind, reading, "together", summed)


def main() -> None:
    """Print the tables."""
    arguments(__doc__).parse_args()
    print("\n".join(tables()))


if __name__ == "__main__":
    main()
