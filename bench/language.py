"""Languages of bare headlines: how many are told right, and what one costs; the feed's own language known or not.

The goal is 0.985 of all headlines with the feed's language withheld for half of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from common import arguments, figure, note, rows

from monitor.model import LANGUAGES
from monitor.text.language import language, normal, paragraph_languages

EVERY = 1_000_000
"""More rows than the archives hold."""

Row = tuple[str, str, str]
"""Language, title, text."""


def labelled(limit: int) -> list[Row]:
    """Rows whose language somebody told, with a title."""
    found = []
    for row in rows(limit):
        title, lang = str(row.get("title") or "").strip(), normal(str(row.get("lang") or ""))
        if title and lang:
            found.append((lang, title, str(row.get("text") or row.get("summary") or "")))
    return found


def told(name: str, found: Sequence[Row], answer: Callable[[int, Row], str]) -> None:
    """The share that is right, over all and for each language, and the cost of one answer."""
    began = time.process_time()
    answers = [answer(number, row) for number, row in enumerate(found)]
    spent = time.process_time() - began
    right = Counter(row[0] for row, got in zip(found, answers, strict=True) if row[0] == got)
    asked = Counter(row[0] for row in found)
    figure(f"{name}, right", right.total() / len(found), "of all")
    for lang in (code for code in LANGUAGES if asked[code]):
        figure(f"{name}, {lang}", right[lang] / asked[lang], f"of {asked[lang]:,}")
    figure(f"{name}, cost", spent / len(found) * 1e6, "µs each")


def main() -> None:
    """Print the figures."""
    asked = arguments(__doc__).parse_args()
    found = labelled(60 if asked.quick else EVERY)
    note(f"{len(found):,} headlines")
    language("Hasret giderdiler", "")  # the model is loaded here, not in the first figure
    told("headline", found, lambda _, row: language(row[1], ""))
    told("headline, feed's language", found, lambda _, row: language(row[1], "", row[0]))
    told("headline, for every second one", found, lambda n, row: language(row[1], "", row[0] if n % 2 else ""))
    told("headline and text", found, lambda _, row: language(row[1], row[2]))
    began = time.process_time()
    mixed = sum(len(paragraph_languages(row[2], row[0])) > 1 for row in found)
    figure("paragraphs, cost", (time.process_time() - began) / len(found) * 1e6, "µs each")
    figure("texts in two languages", mixed, "found")


if __name__ == "__main__":
    main()
