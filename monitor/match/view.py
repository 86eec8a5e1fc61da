"""One article as the evaluator sees it: spans of leaves, word numbers, sentences, and the way back to the letters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Sequence
from functools import cached_property
from typing import Literal

from monitor.match.article import Text
from monitor.match.mentions import Found
from monitor.match.scan import Friends, Places
from monitor.model import Feed, Stored
from monitor.query import ast
from monitor.query.evaluate import Scope, Span
from monitor.text.sentences import SHOWN, paragraph_starts, sentence_starts, shortened, stretch

LEAD_WORDS = 60
_FAR = 1_000_000
"""Added to the word and sentence numbers of the body, so that nothing is near across fields."""


class ArticleView:
    """Answers the evaluator about one article of a scanned batch."""

    def __init__(
        self,
        text: Text,
        places: Places,
        feeds: dict[str, Feed],
        entities: Container[int],
        friends: Friends,
        stored: Stored | None = None,
    ) -> None:
        self.text = text
        self.places = places
        self.found: dict[int, Found] = {}
        """Resolved mentions; set after company and masks were looked at."""
        self._entities = entities
        self._friends = friends
        self._feeds = feeds
        self._stored = stored
        self._spans: dict[tuple[tuple[int, ...], Scope], list[Span]] = {}
        self._shown: list[tuple[int, int, int, str]] = []

    @cached_property
    def _lead_end(self) -> int:
        numbers, (_, middle, after) = self._numbers, self.text.bounds
        return bisect_left(numbers, numbers[middle] + LEAD_WORDS + 1, middle, after)

    @cached_property
    def _numbers(self) -> memoryview:
        return self.text.word_numbers

    def spans(self, leaves: tuple[int, ...], scope: Scope) -> list[Span]:
        """Mentions of entities and places of words, in order, in one field or everywhere."""
        key = (leaves, scope)
        if key not in self._spans:
            first, last = self._range(scope)
            standing = self._standing
            found: list[Span] = [
                (start, end, ((start, end, leaf),))
                for leaf in standing.keys() & leaves
                for start, end in standing[leaf]
                if first <= start and end <= last
            ]
            found.sort()
            self._spans[key] = found
        return self._spans[key]

    @cached_property
    def _standing(self) -> dict[int, Sequence[tuple[int, int]]]:
        """Places by leaf. Of an entity only what company and masks have left: it may be nothing where letters stand."""
        words = {leaf: places for leaf, places in self.places.items() if leaf not in self._entities}
        return {**words, **{leaf: found.places for leaf, found in self.found.items()}}

    def _range(self, scope: Scope) -> tuple[int, int]:
        before, middle, after = self.text.bounds
        if scope == "title":
            return before, middle
        if scope == "body":
            return middle, after
        if scope == "lead":
            return middle, self._lead_end
        return before, after

    def word(self, position: int) -> int:
        """Number of the word at a folded position."""
        number: int = self._numbers[position]
        return number + _FAR if position > self.text.bounds[1] else number

    @cached_property
    def _sentences(self) -> tuple[list[int], list[int]]:
        """Beginnings of the sentences of title and body."""
        return sentence_starts(self.text.letters(0)), sentence_starts(self.text.letters(1))

    @cached_property
    def _paragraphs(self) -> tuple[list[int], list[int]]:
        return paragraph_starts(self.text.letters(0)), paragraph_starts(self.text.letters(1))

    def sentence(self, field: int, start: int, end: int) -> str:
        """The sentence around half-open code points of a field; several names of one sentence share it."""
        for shown_in, begin, stop, known in self._shown:
            if shown_in == field and begin <= start and end <= stop:
                return known
        letters = self.text.letters(field)
        first, last = stretch(letters, start, end)
        said = shortened(letters, first, last, start, end)
        if last - first <= SHOWN:
            self._shown.append((field, first, last, said))
        return said

    def around(self, place: tuple[int, int], words: int) -> tuple[int, int]:
        """So many words before and behind a place, and the place itself."""
        numbers, (before, _, after) = self._numbers, self.text.bounds
        start, end = place
        first = bisect_left(numbers, numbers[start] - words, before, start)
        return first, bisect_left(numbers, numbers[end - 1] + words + 1, end, after)

    def friends(self, leaves: frozenset[int], where: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """The places of what keeps a short name company: all of them, or at least those that touch a stretch."""
        return self._friends.places(self.text, leaves, where)

    def unit(self, position: int, kind: Literal["s", "p"]) -> int:
        """Number of the sentence or paragraph at a folded position."""
        field, start, _ = self.text.original(position, position + 1)
        starts = (self._sentences if kind == "s" else self._paragraphs)[field]
        return bisect_right(starts, start) + field * _FAR

    def within_limit(self, limit: ast.Limit) -> bool:
        """Whether the article comes from where, and has been hit by what, a limit names.

        `since:` and `until:` hold ISO times here; limits that only search knows are true for an article not yet stored.
        """
        article, stored = self.text.article, self._stored
        feed = self._feeds.get(article.feed)
        wanted = set(limit.values)
        match limit.name:
            case "lang":
                return article.lang in wanted
            case "source":
                return article.feed in wanted
            case "country":
                return feed is not None and feed.country in {v.lower() for v in wanted}
            case "tier":
                return feed is not None and str(feed.tier) in wanted
            case "since":
                return article.when.isoformat() >= limit.values[0]
            case "until":
                return article.when.isoformat() < limit.values[0]
            case "story":
                return stored is None or stored.story in wanted
            case "watchlist":
                return stored is None or any(h.watchlist in wanted for h in stored.hits)
            case "rule":
                return stored is None or any(h.rule in wanted for h in stored.hits)
            case "level":
                return stored is None or any(h.level in wanted for h in stored.hits)
