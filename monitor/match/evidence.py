"""Evidence: for every span that made a hit true, the very letters, their place, and the sentence around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from monitor.match.article import Text
from monitor.match.vocabulary import LeafKind, Vocabulary
from monitor.model import Evidence, FieldName, Mention
from monitor.query.evaluate import Atom

if TYPE_CHECKING:
    from monitor.match.view import ArticleView

FIELDS: tuple[FieldName, FieldName] = ("title", "body")
_new = tuple.__new__
"""Makes a named tuple of all its fields without a look at their names: there are millions of them."""
_PER_LEAF, _PER_HIT = 5, 40
"""Spans kept with a hit. An article that names Iraq a hundred times is proved by the first five."""


class Witness:
    """Turns folded spans into what a person is shown."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._names = [leaf.name for leaf in vocabulary.leaves]
        self._shown = [_shown(leaf.kind) for leaf in vocabulary.leaves]

    def mentions(self, text: Text, rows: Sequence[tuple[tuple[int, int], int, bool]]) -> tuple[Mention, ...]:
        """The entities of leaves as they are named at folded spans; `rows` are (span, leaf, nested)."""
        fields = text.article.title, text.article.text
        found = []
        for place, leaf, nested in rows:
            field, first, last = text.shown(place)
            facts = (self._names[leaf], FIELDS[field], first, last, fields[field][first:last], nested)
            found.append(_new(Mention, facts))
        return tuple(found)

    def evidence(self, view: ArticleView, atoms: Sequence[Atom]) -> tuple[Evidence, ...]:
        """One piece of evidence per span, at most five of one leaf, in order of place."""
        counted: Counter[int] = Counter()
        found: list[Evidence] = []
        for start, end, leaf in atoms:
            counted[leaf] += 1
            if counted[leaf] <= _PER_LEAF and len(found) < _PER_HIT:
                found.append(self.one(view, start, end, leaf))
        return tuple(found)

    def one(self, view: ArticleView, start: int, end: int, leaf: int) -> Evidence:
        """The evidence of one span."""
        text = view.text
        field, first, last = text.shown((start, end))
        facts = (
            self._shown[leaf],
            self._names[leaf],
            text.letters(field)[first:last],
            FIELDS[field],
            first,
            last,
            view.sentence(field, first, last),
            text.article.lang,
        )
        return _new(Evidence, facts)


def _shown(kind: LeafKind) -> Literal["entity", "word", "term"]:
    return kind if kind == "word" or kind == "term" else "entity"  # noqa: PLR1714  # mypy narrows by ==
