"""Our own gold: short news texts in six languages, and what a desk officer wants found in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from engine import article

from monitor._yaml import List, Map, Node, Text, parse
from monitor.match import Matcher, compile_watchlists
from monitor.model import LANGUAGES
from monitor.watchlists import load

PROJECT = Path(__file__).parents[1]
GOLD = Path(__file__).parent / "data" / "articles"
KEYS = {"id", "trap", "title", "say", "mentions", "hits", "xfail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text, the names that stand in it with their very letters (nested ones too), and the rules it must fire."""

    id: str
    lang: str
    say: str
    mentions: frozenset[tuple[str, str]]
    """(entity, letters)"""
    hits: frozenset[str]
    """watchlist/rule"""
    title: str = ""
    trap: str = ""
    xfail: str = ""
    """Why the engine or a watchlist does not get it right yet; "" once it does."""


def gold(lang: str) -> list[Item]:
    """The items of one language."""
    name = f"{lang}.yaml"
    node = parse(name, (GOLD / name).read_bytes())
    assert isinstance(node, List)
    return [_item(lang, one) for one in node.items]


def _item(lang: str, node: Node) -> Item:
    assert isinstance(node, Map)
    found = {key.value: value for key, value in node.entries}
    assert found.keys() <= KEYS, f"line {node.line}: {sorted(found.keys() - KEYS)} is no key of an item"
    words = {key: value.value for key, value in found.items() if isinstance(value, Text)}
    return Item(
        id=words["id"],
        lang=lang,
        say=words["say"],
        title=words.get("title", ""),
        trap=words.get("trap", ""),
        xfail=words.get("xfail", ""),
        mentions=frozenset(_mention(one) for one in _parts(found["mentions"])),
        hits=frozenset(one.value for one in _parts(found["hits"]) if isinstance(one, Text)),
    )


def _parts(node: Node) -> tuple[Node, ...]:
    assert isinstance(node, List), f"line {node.line}: a list is missing"
    return node.items


def _mention(node: Node) -> tuple[str, str]:
    assert isinstance(node, Map)
    row = {key.value: value.value for key, value in node.entries if isinstance(value, Text)}
    return row["entity"], row["letters"]


@cache
def shipped() -> Matcher:
    """The watchlists that ship, compiled once."""
    return compile_watchlists(load(PROJECT / "watchlists").files, examples=False).matcher


ITEMS = [item for lang in LANGUAGES for item in gold(lang)]


def _case(item: Item) -> object:
    marks = [pytest.mark.xfail(reason=item.xfail, strict=True)] if item.xfail else []
    return pytest.param(replace(item, xfail=""), id=item.id, marks=marks)


@pytest.mark.parametrize("item", [_case(item) for item in ITEMS])
def test_gold(item: Item) -> None:
    """Exactly the names that are meant are found, with their very letters, and exactly the rules that hold fire."""
    found = shipped().match([article(item.say, item.title, item.lang)])[0]
    mentions = {(m.entity, m.letters) for m in found.mentions}
    assert mentions == item.mentions, f"{item.trap}: {item.say}"
    assert {f"{h.watchlist}/{h.rule}" for h in found.hits if h.rule} == item.hits, f"{item.trap}: {item.say}"


def test_every_language_has_its_share() -> None:
    """At least forty texts per language, each with an id of its own, about half of them fire a rule or are a trap."""
    assert not [name for name, times in Counter(item.id for item in ITEMS).items() if times > 1]
    for lang in LANGUAGES:
        items = [item for item in ITEMS if item.lang == lang]
        assert len(items) >= 40, lang
        assert len([item for item in items if item.hits]) >= 12, lang
        assert len([item for item in items if item.trap]) >= 20, lang


def test_every_rule_fires_somewhere() -> None:
    """No rule that ships goes without a text that it has to find and texts that it has to leave alone."""
    rules = {f"{file.id}/{rule.id}" for file in load(PROJECT / "watchlists").files for rule in file.rules}
    fired = Counter(hit for item in ITEMS for hit in item.hits)
    assert rules == fired.keys()
    assert all(fired[rule] < len(ITEMS) for rule in rules)
