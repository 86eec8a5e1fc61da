"""The watchlists that ship with the program: sound, proved by their examples, each with its evidence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.match import compile_watchlists, example_article
from monitor.service.edit import check
from monitor.text import words
from monitor.watchlists import Loaded, load

PROJECT = Path(__file__).parents[1]
SHIPPED = PROJECT / "watchlists"
SEEDS = PROJECT.parent / "shared" / "seeds"
NEEDS = {str(n) for n in range(1, 41)} - {str(n) for n in (3, 6, 9, 14, 17, 19, 22, 25, 28, 31, 35, 38)}
LANGUAGES = 3
"""In so many languages at least each need is shown to hit."""


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    """The folder as read."""
    return load(SHIPPED)


def test_no_fault_and_every_example_holds() -> None:
    """The shipped folder has neither error nor warning, examples included."""
    loaded, problems = check(SHIPPED)
    assert [str(p) for p in problems] == []
    assert len(loaded.files) >= 5
    assert loaded.feeds
    assert loaded.desks


def test_the_needs_are_there(shipped: Loaded) -> None:
    """Each of the 28 needs has a rule that names it."""
    assert {r.need for f in shipped.files for r in f.rules} >= NEEDS


def test_needs_hit_in_three_languages(shipped: Loaded) -> None:
    """The rule of each need is shown to hit in three languages or more, and to miss in what looks like it."""
    shown: dict[str, set[str]] = defaultdict(set)
    for file in shipped.files:
        for example in file.examples:
            for rule in example.hits:
                shown[rule].add(example_article(example).lang)
    needs = {r.id: r.need for f in shipped.files for r in f.rules if r.need in NEEDS}
    few = {rule: sorted(shown[rule]) for rule in needs if len(shown[rule]) < LANGUAGES}
    assert few == {}


def test_every_file_with_rules_shows_misses(shipped: Loaded) -> None:
    """A file with rules holds examples that must not hit."""
    for file in shipped.files:
        if file.rules:
            assert any(e.hits == () for e in file.examples), file.id


def test_states_and_large_places_are_not_mailed(shipped: Loaded) -> None:
    """A plain mention of a state or of an outlet is low, else every article about Iraq would be mailed."""
    loud = [
        e.id
        for f in shipped.files
        for e in f.entities
        if e.kind in {"state", "outlet"} and (e.level or f.level) != "low"
    ]
    assert loud == []


def test_quotes_are_short(shipped: Loaded) -> None:
    """No quote of an analysis has more than 15 words."""
    quotes = [(e.id, e.source.quote) for f in shipped.files for e in f.entities if e.source]
    assert [name for name, quote in quotes if len(quote.split()) > 15] == []


def test_quotes_are_in_the_analyses(shipped: Loaded) -> None:
    """Every quote stands in the analysis that it names, near the line that it names."""
    if not SEEDS.is_dir():
        pytest.skip("../shared/seeds is not there")
    lines = {p.name: p.read_text(encoding="utf-8", errors="replace").splitlines() for p in SEEDS.glob("*.txt")}
    wrong = []
    for entity in (e for f in shipped.files for e in f.entities):
        source = entity.source
        if source is None or not source.quote:
            continue
        near = " ".join(lines.get(source.seed, [])[max(0, source.line - 3) : source.line + 3])
        if b" ".join(words(source.quote)) not in b" ".join(words(near)):
            wrong.append(f"{entity.id}: {source.seed}:{source.line}: {source.quote}")
    assert wrong == []


def test_each_file_alone_or_together(shipped: Loaded) -> None:
    """The order of files makes no difference to what is found."""
    forward, backward = (compile_watchlists(f, examples=False) for f in (shipped.files, shipped.files[::-1]))
    assert forward.problems == backward.problems == ()
    assert forward.matcher.rev == backward.matcher.rev
    samples = [example_article(e) for f in shipped.files for e in f.examples]
    for one, other in zip(forward.matcher.match(samples), backward.matcher.match(samples), strict=True):
        assert {replace(h, evidence=()) for h in one.hits} == {replace(h, evidence=()) for h in other.hits}
        assert {e for h in one.hits for e in h.evidence} == {e for h in other.hits for e in h.evidence}
        assert set(one.mentions) == set(other.mentions)
