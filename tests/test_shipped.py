"""The watchlists that ship with the program: sound, proved by their examples, each with its evidence."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from monitor._yaml import Map, Node, parse
from monitor.match import compile_watchlists, example_article
from monitor.model import LANGUAGES
from monitor.service.edit import check
from monitor.service.lint import wrong_quotes
from monitor.watchlists import Loaded, load
from monitor.watchlists.read import ENTITY_KEYS, FILE_KEYS, RULE_KEYS

PROJECT = Path(__file__).parents[1]
SHIPPED = PROJECT / "watchlists"
SEEDS = PROJECT.parent / "shared" / "seeds"
CATALOGUE = PROJECT.parent / "shared" / "data" / "seed-catalogue.yaml"
WATCHABLE = 379
SCREEN = 60
NEEDS = {str(n) for n in range(1, 41)} - {str(n) for n in (3, 6, 9, 14, 17, 19, 22, 25, 28, 31, 35, 38)}
TONGUES = 3
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
    few = {rule: sorted(shown[rule]) for rule in needs if len(shown[rule]) < TONGUES}
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


def test_quotes_are_in_the_analyses(shipped: Loaded) -> None:
    """Every quote stands in the very line of the analysis that it names."""
    if not SEEDS.is_dir():
        pytest.skip("../shared/seeds is not there")
    assert [str(p) for p in wrong_quotes(shipped.files, SEEDS)] == []


def test_the_catalogue_is_covered(shipped: Loaded) -> None:
    """Every entity of the catalogue of the analyses is watched, by one entity, with its evidence."""
    if not CATALOGUE.is_file():
        pytest.skip("../shared/data is not there")
    rows = re.findall(r"^- id: (\S+)$", CATALOGUE.read_text("utf-8"), re.MULTILINE)
    watched = {name: e for f in shipped.files for e in f.entities for name in e.catalogue}
    assert len(rows) >= WATCHABLE
    assert [name for name in rows if name not in watched] == []
    assert [name for name, e in watched.items() if not (e.source and e.source.quote and e.source.line)] == []


def test_what_is_not_from_an_analysis_says_so(shipped: Loaded) -> None:
    """An entity without evidence says where it comes from."""
    entities = [e for f in shipped.files for e in f.entities]
    assert [e.id for e in entities if not (e.source or e.origin)] == []


def trees() -> list[tuple[str, Map]]:
    """The shipped watchlists as written: name and keys."""
    paths = [p for p in sorted(SHIPPED.glob("*.yaml")) if p.name not in {"feeds.yaml", "desks.yaml"}]
    found = [(p.name, parse(p.name, p.read_bytes())) for p in paths]
    return [(name, node) for name, node in found if isinstance(node, Map)]


def keyed(node: Node | None) -> dict[str, Node]:
    """A mapping by its keys; empty for anything else."""
    return {key.value: value for key, value in node.entries} if isinstance(node, Map) else {}


def test_keys_have_one_order() -> None:
    """Files, entities, rules and the languages of names have their keys in one order everywhere."""
    orders: list[tuple[str, dict[str, Node], tuple[str, ...]]] = []
    for name, root in trees():
        found = keyed(root)
        orders.append((name, found, FILE_KEYS))
        for entity, node in keyed(found.get("entities")).items():
            orders.append((entity, keyed(node), ENTITY_KEYS))
            orders.append((f"names of {entity}", keyed(keyed(node).get("names")), LANGUAGES))
        orders += [(rule, keyed(node), RULE_KEYS) for rule, node in keyed(found.get("rules")).items()]
    wrong = [what for what, keys, order in orders if sorted(keys, key=order.index) != list(keys)]
    assert wrong == []


def test_an_entity_fits_on_a_screen(shipped: Loaded) -> None:
    """From its id to that of the next no entity takes more than sixty lines."""
    long = []
    for file in shipped.files:
        lines = file.source.splitlines()
        for entity in file.entities:
            below = lines[entity.mark.line :]
            end = next((n for n, line in enumerate(below) if line.strip() and not line.startswith("    ")), len(below))
            if end >= SCREEN:
                long.append((entity.id, end + 1))
    assert long == []


def test_each_file_alone_or_together(shipped: Loaded) -> None:
    """The order of files makes no difference to what is found."""
    forward, backward = (compile_watchlists(f, examples=False) for f in (shipped.files, shipped.files[::-1]))
    assert forward.problems == backward.problems == ()
    assert forward.matcher.rev == backward.matcher.rev
    samples = [example_article(e) for f in shipped.files for e in f.examples]
    for one, other in zip(forward.matcher.match(samples), backward.matcher.match(samples), strict=True):
        assert {h._replace(evidence=()) for h in one.hits} == {h._replace(evidence=()) for h in other.hits}
        assert {e for h in one.hits for e in h.evidence} == {e for h in other.hits for e in h.evidence}
        assert set(one.mentions) == set(other.mentions)
