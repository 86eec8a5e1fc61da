"""A query made ready for the store: what its index is asked for, and which of what it brings hit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from monitor.match import compile_query
from monitor.match.evidence import Witness
from monitor.match.plan import plan
from monitor.match.rules import Index
from monitor.model import Evidence, Plan, Stored
from monitor.ports import Store
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.service.edit import InForce
from monitor.watchlists import Entity, WatchlistFile

MANY = 100
"""From so many spellings on the names of a query are compiled when an article mentions them: `bench/search.py`."""

_BY_HITS = frozenset({"watchlist", "rule", "level"})


class Asked:
    """One query over the watchlists in force. Raises QueryError at a name that nobody defined.

    Where a query names many entities and no word list, their names are compiled for the candidates that mention them,
    as the store knows: a mention is a matter of the entity, its masks and its company alone. All are compiled at once
    while the store holds articles that were matched with other watchlists, and when later candidates mention others.
    """

    def __init__(self, node: ast.Node, query: str, force: InForce, store: Store) -> None:
        self._node, self._query, self._force, self._store = node, query, force, store
        self._left = _many(node, force.files)
        if self._left and store.mentioned((), force.rev) is None:
            self._left = frozenset()
        self._asked = self._left
        self._compile()
        self.plan: Plan = plan(self._bound, self._matcher, force.rev)
        self.by_hits = any(isinstance(part, ast.Limit) and part.name in _BY_HITS for part in ast.walk(node))
        """Whether a candidate must be read with its hits to be judged."""

    def hitting(self, rows: Sequence[tuple[int, Stored]]) -> Iterator[tuple[int, Stored, tuple[Evidence, ...]]]:
        """Those of the candidates that the query hits, each with what makes it so."""
        self._prepare([number for number, _ in rows])
        witness = Witness(self._matcher.vocabulary)
        views = self._matcher.views([s.article for _, s in rows], [s for _, s in rows])
        for (number, stored), view in zip(rows, views, strict=True):
            spans = ev.evaluate(self._bound, view)
            if spans is not None:
                atoms = sorted({atom for _, _, found in spans for atom in found})
                yield number, stored, witness.evidence(view, atoms)

    def _prepare(self, numbers: Sequence[int]) -> None:
        """Compile what these articles mention and no candidates before them did."""
        if not self._left:
            return
        held = self._store.mentioned(numbers, self._force.rev)
        new = self._left if held is None else self._left & held
        if new:
            self._left = self._left - new if self._left is self._asked else frozenset()
            self._compile()

    def _compile(self) -> None:
        files = _bare(self._force.files, self._left) if self._left else self._force.files
        self._matcher, self._bound = compile_query(self._node, self._query, files, self._force.feeds)


def _many(node: ast.Node, files: Sequence[WatchlistFile]) -> frozenset[str]:
    """The entities that a query names, if their spellings are many; none beside a word list, which is costly too."""
    parts = list(ast.walk(node))
    refs = [part for part in parts if isinstance(part, ast.EntityRef)]
    if not refs or any(isinstance(part, ast.WordsRef) for part in parts):
        return frozenset()
    index = Index(files)
    try:
        names = frozenset(name for ref in refs for name in index.meant(ref))
    except KeyError:  # compiling tells where
        return frozenset()
    return names if sum(_spellings(index.entities[name][1]) for name in names) >= MANY else frozenset()


def _spellings(entity: Entity) -> int:
    return 1 + len(entity.names) + len(entity.short) + len(entity.mask)


def _bare(files: Sequence[WatchlistFile], names: Collection[str]) -> tuple[WatchlistFile, ...]:
    """The files with these entities under their first names alone."""
    return tuple(
        replace(file, entities=tuple(_alone(e) if e.id in names else e for e in file.entities)) for file in files
    )


def _alone(entity: Entity) -> Entity:
    return replace(entity, names=(), short=(), mask=())
