"""The matcher finds what a second one finds that is slow, plain and knows no automaton: bench/naive.py."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from engine import article, watchlist
from test_gold import gold

from monitor.model import LANGUAGES, Article
from monitor.watchlists import load

PROJECT = Path(__file__).parents[1]
FILES = load(PROJECT / "watchlists").files


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script bench/proof.py as a module."""
    monkeypatch.syspath_prepend(PROJECT / "bench")
    return import_module("proof")


def texts() -> list[Article]:
    """Our own gold texts."""
    return [article(item.say, item.title, item.lang, id=item.id) for lang in LANGUAGES for item in gold(lang)]


def test_both_matchers_agree_on_the_gold_texts(proof: Any) -> None:
    """Every mention by letters of the shipped watchlists, its place and whether it is nested, is found by both."""
    compared, found = proof.differences(FILES, texts())
    assert found == []
    assert compared > 400


def test_both_matchers_agree_where_names_stand_close_together(proof: Any) -> None:
    """Affixes, masks, company, capitals and lines that part a word are judged alike in texts made of names."""
    compared, found = proof.differences(FILES, proof.made(FILES, 120))
    assert found == []
    assert compared > 400


def test_the_proof_tells_a_difference(proof: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matcher that knows no masks is told from the plain one, by article, side and mention."""
    masked = watchlist("entities: {assad: {kind: person, name: Assad, mask: [Lake Assad]}}")
    (entity,) = masked.entities
    unmasked = replace(masked, entities=(replace(entity, mask=()),))
    fast = proof.by_letters
    monkeypatch.setattr(proof, "by_letters", lambda _: fast([unmasked]))
    compared, found = proof.differences([masked], [article("Lake Assad is low. Assad spoke.")])
    assert compared == 2
    assert found == [("a", "only monitor", ("assad", "body", 5, 10, "Assad", False))]
