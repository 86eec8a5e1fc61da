"""Queries bound to the leaves of a vocabulary: names and words become numbers, groups and relations become sets."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from monitor.errors import QueryError
from monitor.match.vocabulary import Use, Vocabulary
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.watchlists import Entity, WatchlistFile, WordList


class Index:
    """Which entities, groups, kinds, relations and word lists the files define."""

    def __init__(self, files: Sequence[WatchlistFile]) -> None:
        self.entities: dict[str, tuple[WatchlistFile, Entity]] = {e.id: (f, e) for f in files for e in f.entities}
        self.words: dict[str, WordList] = {w.id: w for f in files for w in f.words}
        self.groups: dict[str, list[str]] = defaultdict(list)
        self.kinds: dict[str, list[str]] = defaultdict(list)
        self.below: dict[str, list[str]] = defaultdict(list)
        for _, entity in self.entities.values():
            self.kinds[entity.kind].append(entity.id)
            for group in entity.groups:
                self.groups[group].append(entity.id)
            for relation in entity.relations:
                self.below[relation.id].append(entity.id)

    def meant(self, ref: ast.EntityRef) -> list[str]:
        """Ids of the entities that a reference stands for; raises KeyError when there is none."""
        if ref.kind:
            return list(self.kinds[ref.name]) if ref.name in self.kinds else self._missing(ref.name)
        if ref.name in self.entities:
            ids = [ref.name]
        elif ref.name in self.groups:
            ids = list(self.groups[ref.name])
        else:
            return self._missing(ref.name)
        return self._with_parts(ids) if ref.plus else ids

    def _with_parts(self, ids: list[str]) -> list[str]:
        reached = dict.fromkeys(ids)
        queue = list(ids)
        while queue:
            for below in self.below.get(queue.pop(), ()):
                if below not in reached:
                    reached[below] = None
                    queue.append(below)
        return list(reached)

    @staticmethod
    def _missing(name: str) -> list[str]:
        raise KeyError(name)

    def nearest(self, name: str, *, words: bool = False) -> str:
        """A hint for a name that nobody defined."""
        known: Iterable[str] = self.words if words else (*self.entities, *self.groups)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        return f" Did you mean `{'#' if words else '@'}{close[0]}`?" if close else ""


def bind(node: ast.Node, query: str, index: Index, vocabulary: Vocabulary) -> ev.Bound:
    """The query with every name looked up; raises QueryError at the place of a name that nobody defined."""
    match node:
        case ast.Term():
            return ev.Leaves((vocabulary.term(node.text, star=node.star, exact=node.exact),), node)
        case ast.EntityRef():
            return ev.Leaves(_entities(node, query, index, vocabulary), node)
        case ast.WordsRef():
            return ev.Leaves((_words(node, query, index, vocabulary),), node)
        case ast.And(parts=parts):
            return ev.All(tuple(bind(p, query, index, vocabulary) for p in parts), node)
        case ast.Or(parts=parts):
            return ev.Some(tuple(bind(p, query, index, vocabulary) for p in parts), node)
        case ast.Not(part=part):
            return ev.Never(bind(part, query, index, vocabulary), node)
        case ast.Near(left=left, right=right):
            sides = bind(left, query, index, vocabulary), bind(right, query, index, vocabulary)
            return ev.Pair(*sides, within=node.within, ordered=node.ordered, negated=node.negated, place=node)
        case ast.AtLeast(part=part):
            return ev.Count(node.count, bind(part, query, index, vocabulary), node)
        case ast.InField(part=part):
            return ev.Inside(node.field, bind(part, query, index, vocabulary), node)
        case ast.Limit():
            return ev.Limited(node)


def add_words(words: WordList, vocabulary: Vocabulary) -> int:
    """The leaf of a word list, with its terms looked for."""
    leaf = vocabulary.find("word", words.id)
    if leaf is None:
        leaf = vocabulary.leaf("word", words.id)
        for term in words.terms:
            star = term.text.endswith("*")
            vocabulary.add(term.text.removesuffix("*"), Use(leaf=leaf, lang=term.lang, star=star))
    return leaf


def _entities(ref: ast.EntityRef, query: str, index: Index, vocabulary: Vocabulary) -> tuple[int, ...]:
    try:
        ids = index.meant(ref)
    except KeyError:
        what = "kind of entity in use" if ref.kind else "entity or group"
        hint = "" if ref.kind else index.nearest(ref.name)
        raise QueryError(f"There is no {what} `{ref.name}`.{hint}", query, ref.start, ref.end) from None
    return tuple(vocabulary.leaf("entity", i) for i in ids)


def _words(ref: ast.WordsRef, query: str, index: Index, vocabulary: Vocabulary) -> int:
    if ref.name not in index.words:
        hint = index.nearest(ref.name, words=True)
        raise QueryError(f"There is no word list `#{ref.name}`.{hint}", query, ref.start, ref.end)
    return add_words(index.words[ref.name], vocabulary)
