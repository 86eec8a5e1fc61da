"""The matcher: watchlists compiled once, a list of articles in, mentions and hits with evidence out.

fold the batch -> one automaton pass -> check the edges -> company, masks, nesting -> rules that can fire -> evidence
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from monitor.match.article import Text
from monitor.match.collector import uncollected
from monitor.match.evidence import Witness
from monitor.match.mentions import Watched, resolve
from monitor.match.patterns import Patterns
from monitor.match.scan import Candidate, Friends, Places, Scanner
from monitor.match.sounds import Sounds
from monitor.match.view import ArticleView
from monitor.match.vocabulary import Vocabulary
from monitor.model import Article, Evidence, Feed, Hit, Matched, Mention, Stored
from monitor.query import evaluate as ev
from monitor.query.gates import Gates
from monitor.watchlists import Entity, Rule, WatchlistFile

ENGINE = "5"
"""Raised whenever folding, affixes or evaluation change what is found: stored articles then count as stale."""

BATCH = 200
"""Articles folded and scanned at once: many enough that the numpy passes are worth their start, few for the memory."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One compiled rule."""

    file: WatchlistFile
    rule: Rule
    query: ev.Bound


class _Nearby(dict[int, int]):
    """The clauses of gates that the leaves of a pattern meet, as a number."""

    def __init__(self, gates: Gates, scanner: Scanner) -> None:
        self._gates, self._scanner = gates, scanner

    def __missing__(self, pattern: int) -> int:
        mask = self[pattern] = self._gates.mask(self._scanner.leaves(pattern))
        return mask


class Matcher:
    """Answers the batch match port. Made by `monitor.match.compile_watchlists`; holds no state between calls."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        watched: dict[int, Watched],
        owners: dict[int, tuple[WatchlistFile, Entity]],
        rules: Sequence[Watch],
        files: Sequence[WatchlistFile],
        feeds: Sequence[Feed] = (),
        *,
        sounds: Callable[[], Sounds],
        automaton: bytes = b"",
    ) -> None:
        """`sounds` gives the names that are found by ear, and is asked while the automaton of the letters is built.

        `automaton` is that of a matcher that was made of just these; without it, it is built.
        """
        self.vocabulary = vocabulary
        self.watched = watched
        self.owners = owners
        self.rules = tuple(rules)
        self.files = tuple(files)
        self.feeds = {f.id: f for f in feeds}
        self.rev = combined_revision(files)
        self._shorts = {leaf: (w.number, company) for w in watched.values() for leaf, company in w.shorts}
        patterns = Patterns(vocabulary.uses, self._words(), automaton)
        self.sounds = sounds()
        self._scanner = Scanner(patterns, self.sounds)
        self._friends = Friends(vocabulary.friends)
        self._witness = Witness(vocabulary)
        self._owned = {leaf: (e.id, file.id, file.rev, e.level or file.level) for leaf, (file, e) in owners.items()}
        self._queries = [ev.joined(watch.query) for watch in self.rules]
        self._named = frozenset(self.watched.keys() | self._shorts.keys())
        self._gates = Gates(self._queries, self._costs())
        self._nearby = _Nearby(self._gates, self._scanner)

    @property
    def automaton(self) -> bytes:
        """The automaton of the letters of all names, as bytes that another matcher of the same names may be made of."""
        return self._scanner.automaton

    def built(self) -> None:
        """Wait for the automaton: then no thread of it is left, and the process may fork."""
        self._scanner.built()

    @cached_property
    def titles(self) -> dict[str, str]:
        """Watchlist id -> title."""
        return {f.id: f.title for f in self.files}

    def match(self, articles: Sequence[Article]) -> list[Matched]:
        """Mentions and hits of each article, in the order of `articles`."""
        found: list[Matched] = []
        with uncollected():
            for first in range(0, len(articles), BATCH):
                names = self._scanner.names(articles[first : first + BATCH])
                found.extend(self._matched(text, places, waiting) for text, places, waiting in names)
        return found

    def views(self, articles: Sequence[Article], stored: Sequence[Stored] | None = None) -> list[ArticleView]:
        """The articles as the evaluator sees them, mentions resolved: for search, explain and marks."""
        scanned = self._scanner.scan(articles)
        facts: Sequence[Stored | None] = stored if stored is not None else [None] * len(articles)
        return [self._view(text, places, fact) for (text, places), fact in zip(scanned, facts, strict=True)]

    def _view(self, text: Text, places: Places, stored: Stored | None = None) -> ArticleView:
        view = ArticleView(text, places, self.feeds, self.watched, self._friends, stored)
        view.found = resolve(self.watched, self._shorts, places, view)
        return view

    def _matched(self, text: Text, places: Places, waiting: Sequence[Candidate]) -> Matched:
        """Words are read only where a rule may fire, which is in few articles; `waiting` are their candidates."""
        article = text.article
        present = self._near(waiting) | self._gates.mask(places)
        if self._named.isdisjoint(places) and not self._gates.open(present):
            return Matched(article.id, article.lang)
        view = self._view(text, places)
        rules = self._gates.open(present | self._gates.mask(view.found))
        if rules and waiting:
            self._scanner.complete(text, places, waiting)
            rules = self._gates.open(self._gates.mask((*places, *view.found)))
        hits = [*self._rule_hits(view, rules), *self._mention_hits(view)]
        return Matched(article.id, article.lang, self._mentions(view), tuple(hits))

    def _mentions(self, view: ArticleView) -> tuple[Mention, ...]:
        rows = [(place, leaf, place in found.nested) for leaf, found in view.found.items() for place in found.places]
        rows.sort()
        return self._witness.mentions(view.text, rows)

    def _mention_hits(self, view: ArticleView) -> list[Hit]:
        hits = []
        article, evidence, one = view.text.article, self._witness.evidence, self._witness.one
        for leaf, found in view.found.items():
            nested = found.nested
            own = [place for place in found.places if place not in nested] if nested else found.places
            if own:
                entity, file, rev, level = self._owned[leaf]
                if level == "low" or len(own) == 1:
                    # most hits are states and large places: one place proves them, mentions hold the others
                    shown: tuple[Evidence, ...] = (one(view, *own[0], leaf),)
                else:
                    shown = evidence(view, [(a, b, leaf) for a, b in own])
                facts = (article.id, article.revision, file, None, entity, rev, level, shown, False)
                hits.append(tuple.__new__(Hit, facts))
        return hits

    def _near(self, waiting: Sequence[Candidate]) -> int:
        """The words whose letters stand in a text, be they words there or not, as a number that gates understand."""
        known, found = self._nearby, 0
        for _, _, pattern in waiting:
            found |= known[pattern]
        return found

    def _rule_hits(self, view: ArticleView, rules: Sequence[int]) -> list[Hit]:
        hits = []
        for number in rules:
            watch = self.rules[number]
            if not allowed(watch.rule, view.text.article):
                continue
            spans = ev.evaluate(self._queries[number], view)
            if spans is not None:
                atoms = sorted({atom for _, _, found in spans for atom in found})
                evidence = self._witness.evidence(view, atoms)
                article, file, rule = view.text.article, watch.file, watch.rule
                hits.append(Hit(article.id, article.revision, file.id, rule.id, None, file.rev, rule.level, evidence))
        return hits

    def _words(self) -> frozenset[int]:
        """The leaves that only rules ask for: words and terms that keep no short name company."""
        company = frozenset[int]().union(*(company.leaves for _, company in self._shorts.values()))
        return frozenset(
            n for n, leaf in enumerate(self.vocabulary.leaves) if leaf.kind in {"word", "term"} and n not in company
        )

    def _costs(self) -> dict[int, float]:
        """How often the leaves may be met, beside each other: the more spellings, the more often."""
        forms = Counter(use.leaf for uses in self.vocabulary.uses.values() for use in uses)
        cost = {
            n: float(forms[n]) * (4.0 if leaf.kind == "word" else 1.0) for n, leaf in enumerate(self.vocabulary.leaves)
        }
        for number, (file, entity) in self.owners.items():
            if (entity.level or file.level) == "low":
                cost[number] *= 10  # states and large places stand in every second article
        return cost


def allowed(rule: Rule, article: Article) -> bool:
    """Whether a rule looks at articles of this language and source at all."""
    if rule.languages and article.lang not in rule.languages:
        return False
    if rule.sources_only and article.feed not in rule.sources_only:
        return False
    return article.feed not in rule.sources_never


def combined_revision(files: Sequence[WatchlistFile]) -> str:
    """12 hex digits that change with any watchlist in force and with the engine."""
    rows = sorted(f"{f.id}:{f.rev}" for f in files)
    return blake2b("\n".join([ENGINE, *rows]).encode(), digest_size=6).hexdigest()


__all__ = ["Matcher", "Watch", "allowed", "combined_revision"]
