"""What to read by eye: mentions, hits of rules and silent articles of the archive, drawn by a fixed seed.

The shipped watchlists are matched with every article beside the project. What is drawn is written to files outside the
project, one JSON object a line: the sentences are their publishers'. docs/quality.md tells what was found in them.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common import arguments, note, rows

from monitor.app import shipped
from monitor.match import compile_watchlists
from monitor.match.matcher import Matcher
from monitor.model import LANGUAGES, Article, Hit, Matched, Mention
from monitor.text.language import language, normal
from monitor.text.sentences import around
from monitor.watchlists import load

Drawn = dict[str, Any]
_PART = 5_000
_SHOWN = 700
"""Letters of an article that are shown where no sentence stands for it."""


class Draw:
    """An even draw of so many from a stream of unknown length, always the same for one seed."""

    def __init__(self, count: int, seed: str) -> None:
        self._count, self._chance, self._seen = count, random.Random(seed), 0
        self.kept: list[Drawn] = []

    def offer(self, make: tuple[Any, ...]) -> None:
        """One more; it may push an earlier one out."""
        self._seen += 1
        if len(self.kept) < self._count:
            self.kept.append({"of": make})
        elif (place := self._chance.randrange(self._seen)) < self._count:
            self.kept[place] = {"of": make}


def archive(limit: int) -> Iterator[tuple[Article, bool]]:
    """Every article, and whether the archive calls it one about the region."""
    for row in rows(limit):
        title, text = str(row.get("title") or ""), str(row.get("text") or row.get("summary") or "")
        lang = normal(str(row.get("lang") or "")) or language(title, text)
        made = Article(id=str(row.get("id")), feed="archive", title=title, text=text, lang=lang, seen=datetime.now(UTC))
        yield made, bool(row.get("iraq_region"))


def mention_row(article: Article, found: Mention) -> Drawn:
    """A mention in its sentence."""
    text = article.title if found.field == "title" else article.text
    shown = around(text, found.start, found.end)
    return {"id": article.id, "lang": article.lang, "entity": found.entity, "letters": found.letters, "sentence": shown}


def hit_row(article: Article, hit: Hit) -> Drawn:
    """A hit of a rule with its evidence."""
    proof = [f"{e.name}: {e.letters}" for e in hit.evidence]
    shown = {"title": article.title, "text": article.text[:_SHOWN]}
    return {"id": article.id, "lang": article.lang, "rule": hit.rule, "level": hit.level, "evidence": proof} | shown


def silent_row(article: Article) -> Drawn:
    """An article without any mention."""
    return {"id": article.id, "lang": article.lang, "title": article.title, "text": article.text[:_SHOWN]}


def drawn(matcher: Matcher, limit: int, seed: int, counts: dict[str, int]) -> dict[str, list[Drawn]]:
    """File name -> rows. Mentions are drawn twice: evenly, and evenly over the entities, where rare names show."""
    even = {
        (k, lang): Draw(counts[k], f"{seed} {k} {lang}") for k in ("mentions", "hits", "silent") for lang in LANGUAGES
    }
    entities: dict[tuple[str, str], Draw] = {}
    part: list[tuple[Article, bool]] = []
    done = 0

    def take() -> None:
        for (article, region), matched in zip(part, matcher.match([a for a, _ in part]), strict=True):
            _offer(article, matched, region, even, entities, seed)

    for one in archive(limit):
        part.append(one)
        if len(part) == _PART:
            take()
            done += len(part)
            part.clear()
            if sys.stderr.isatty():
                print(f"\r{done:,} articles", end="", file=sys.stderr)
    take()
    found = {f"{kind}.{lang}": [_row(kind, r["of"]) for r in draw.kept] for (kind, lang), draw in even.items()}
    for lang in LANGUAGES:
        own = sorted(key for key in entities if key[0] == lang)
        random.Random(f"{seed} {lang}").shuffle(own)
        wanted = [entities[key] for key in own[: counts["entities"]]]
        found[f"entities.{lang}"] = [_row("mentions", r["of"]) for draw in wanted for r in draw.kept]
    return found


def _offer(
    article: Article,
    matched: Matched,
    region: bool,  # noqa: FBT001  # a row of the archive
    even: dict[tuple[str, str], Draw],
    entities: dict[tuple[str, str], Draw],
    seed: int,
) -> None:
    lang = article.lang
    for mention in matched.mentions:
        if not mention.nested:
            even["mentions", lang].offer((article, mention))
            key = lang, mention.entity
            if key not in entities:
                entities[key] = Draw(1, f"{seed} {key}")
            entities[key].offer((article, mention))
    for hit in matched.hits:
        if hit.rule:
            even["hits", lang].offer((article, hit))
    if region and not matched.hits:
        even["silent", lang].offer((article,))


def _row(kind: str, made: tuple[Any, ...]) -> Drawn:
    rows_of: dict[str, Callable[..., Drawn]] = {"mentions": mention_row, "hits": hit_row, "silent": silent_row}
    return rows_of[kind](*made)


def main() -> None:
    """Write what is drawn."""
    parser = arguments(__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="a folder outside the project")
    for kind, count in (("mentions", 60), ("entities", 60), ("hits", 30), ("silent", 100)):
        parser.add_argument(f"--{kind}", type=int, default=count, help=f"how many for each language, {count}")
    asked = parser.parse_args()
    files = load(shipped() / "watchlists").files
    counts = {kind: getattr(asked, kind) for kind in ("mentions", "entities", "hits", "silent")}
    found = drawn(compile_watchlists(files, examples=False).matcher, 300 if asked.quick else 0, asked.seed, counts)
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, rows_drawn in found.items():
        lines = (json.dumps({"n": n, **row}, ensure_ascii=False) for n, row in enumerate(rows_drawn, 1))
        (asked.out / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        note(f"{name}: {len(rows_drawn)}")


if __name__ == "__main__":
    main()
