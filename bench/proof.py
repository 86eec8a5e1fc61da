"""Proof of the matcher: a second one, slow and plain (naive.py), finds the same mentions.

Compared in real articles and in made texts, where the names, masks and company of the watchlists stand close together
with prefixes, endings and signs glued to them that no newspaper would print. Mentions
by the sound of a name are left out on both sides. Every difference is printed, and ends with exit code 1.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from common import archives, arguments, articles, figure, note
from naive import Found, Naive

from monitor.app import shipped
from monitor.match import Matcher, compile_watchlists
from monitor.match.sounds import Sounds
from monitor.model import LANGUAGES, Article
from monitor.watchlists import WatchlistFile, load

_BEFORE: tuple[str, ...] = (*[""] * 12, *re.findall(r"\S+", "و ف ب ل ك ال وال بال لل ولل وبال كال الـ l' al- un-"))
_AFTER: tuple[str, ...] = (
    *[""] * 12,
    *re.findall(r"\S+", "s lı ler lerin ın de deki dekiler'in nden dır ê a î yê yên an ekê 21 ²¹ x"),
    *re.findall(r"\S+", "ی یش دا ەوە ەکان یەکانی ها های هایی ين"),
)
_BETWEEN = (*[""] * 6, "'", "\u2019", "\u200c", "-", ".", "`")
_SIGNS = (" ", " ", " ", " ", ". ", ", ", "\n\n", " the ", " في ", " ve ", "/", " ء ")
SHOWN = 50
"""Differences printed; their number is told in any case."""


def by_letters(files: Sequence[WatchlistFile]) -> Matcher:
    """The matcher of these watchlists without names by sound and without rules."""
    compiled = compile_watchlists(files, examples=False)
    assert not compiled.problems, compiled.problems[0]
    full = compiled.matcher
    return Matcher(full.vocabulary, full.watched, full.owners, (), files, sounds=lambda: Sounds(()))


def made(files: Sequence[WatchlistFile], count: int) -> list[Article]:
    """Texts of names with anything glued to them, always the same for the same watchlists."""
    chance = random.Random(11)
    names = [text for f in files for e in f.entities for text in (e.name, *(n.text for n in (*e.names, *e.mask)))]
    names += [text for f in files for e in f.entities for s in e.short for text in (s.text, *s.with_)]
    names += [term.text for f in files for w in f.words for term in w.terms]

    def piece() -> str:
        name: str = chance.choice(names).strip('*@#"')
        broken = chance.randrange(1, max(2, len(name)))
        torn = f"{name[:broken]}-\n{name[broken:]}"
        name = chance.choice((name, name, name, name.upper(), name.lower(), name.replace(" ", "\u200c"), torn))
        return chance.choice(_BEFORE) + name + chance.choice(_BETWEEN) + chance.choice(_AFTER)

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Article(
            id=f"made-{number}",
            feed="made",
            title=chance.choice((" ".join(piece() for _ in range(3)), piece().upper())),
            text="".join(piece() + chance.choice(_SIGNS) for _ in range(25)),
            lang=LANGUAGES[number % len(LANGUAGES)],
            seen=moment,
        )
        for number in range(count)
    ]


def differences(files: Sequence[WatchlistFile], texts: Sequence[Article]) -> tuple[int, list[tuple[str, str, Found]]]:
    """How many mentions were compared, and (article, which of the two found it, mention) of those of only one."""
    naive, compared = Naive(files), 0
    found: list[tuple[str, str, Found]] = []
    for article, matched in zip(texts, by_letters(files).match(texts), strict=True):
        fast = {(m.entity, m.field, m.start, m.end, m.letters, m.nested) for m in matched.mentions}
        slow = naive.mentions(article)
        compared += len(fast | slow)
        found += [(article.id, "only monitor", one) for one in sorted(fast - slow)]
        found += [(article.id, "only naive", one) for one in sorted(slow - fast)]
    return compared, found


def main() -> None:
    """Print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--articles", type=int, default=5_000)
    parser.add_argument("--made", type=int, default=3_000, help="texts made of the names themselves")
    asked = parser.parse_args()
    texts = articles(60 if asked.quick else asked.articles)
    if not archives():
        note("the archives of ../shared are not there: made articles are compared")
    files = load(shipped() / "watchlists").files
    wrong = compare("articles", files, texts)
    wrong += compare("texts of names", files, made(files, 20 if asked.quick else asked.made))
    if wrong:
        sys.exit("proof: the two matchers differ, see above: one of them is wrong.")


def compare(what: str, files: Sequence[WatchlistFile], texts: Sequence[Article]) -> int:
    """Print the figures of one kind of text; the number of differences."""
    began = time.process_time()
    compared, found = differences(files, texts)
    figure(f"proof, {what}", len(texts), "compared")
    figure(f"proof, {what}, mentions", compared, "compared")
    figure(f"proof, {what}, differences", len(found), "mentions")
    figure(f"proof, {what}, processor", time.process_time() - began, "CPU-s")
    for article, side, mention in found[:SHOWN]:
        note(f"article {article}, {side}: {mention}")
    return len(found)


if __name__ == "__main__":
    main()
