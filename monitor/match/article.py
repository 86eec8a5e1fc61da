"""One article inside a folded batch: its fields, its languages, and the way back to its letters."""

from __future__ import annotations

from monitor.model import Article
from monitor.text import FoldedBatch, widened
from monitor.text.fold import DROPPED
from monitor.text.language import paragraph_languages


class Text:
    """One article inside a folded batch: its two fields, and the way back to its letters, made when first needed."""

    __slots__ = ("_batch", "_number", "_shown", "_stretches", "article", "bounds", "data")

    def __init__(self, article: Article, batch: FoldedBatch, number: int) -> None:
        self.article = article
        self.data = batch.data
        before, middle, after = batch.bounds[2 * number : 2 * number + 3]
        self.bounds = (before, middle, after)
        """Positions of the SEGMENT bytes before the title, between title and body, after the body."""
        self._batch = batch
        self._number = number
        self._shown: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._stretches: tuple[tuple[int, int, str], ...] = ()

    def field(self, position: int) -> int:
        """0 in the title, 1 in the body."""
        return 0 if position < self.bounds[1] else 1

    def letters(self, field: int) -> str:
        """The original text of a field."""
        return self.article.title if field == 0 else self.article.text

    def original(self, start: int, end: int) -> tuple[int, int, int]:
        """(field, start, end) in code points of the original field."""
        field = 0 if start < self.bounds[1] else 1
        first, last = self._batch.original(2 * self._number + field, start, end)
        return field, first, last

    def shown(self, place: tuple[int, int]) -> tuple[int, int, int]:
        """The same with the marks at the edges that folding drops; remembered, for mention and evidence both ask."""
        found = self._shown.get(place)
        if found is None:
            start, end = place
            field = 0 if start < self.bounds[1] else 1
            letters = self.article.title if field == 0 else self.article.text
            first, last = self._batch.original(2 * self._number + field, start, end)
            if letters[first - 1 : first] in DROPPED or letters[last : last + 1] in DROPPED:
                first, last = widened(letters, first, last)
            if letters[last : last + 1] == "." and letters.startswith(".", last - 2):
                last += 1  # the last point of "U.S."
            found = self._shown[place] = field, first, last
        return found

    @property
    def word_numbers(self) -> memoryview:
        """For each folded position of the batch the number of its word."""
        return self._batch.word_numbers()

    @property
    def breaks(self) -> list[int]:
        """Places where the end of a line parts a word; nearly no text has any."""
        gaps = self._batch.breaks
        return [gap for gap in gaps if self.bounds[0] < gap < self.bounds[2]] if gaps else gaps

    def rejoined(self, gap: int) -> tuple[bytes, int]:
        """The words beside a break with its halves made one, and where they begin."""
        return self._batch.rejoined(gap)

    def lang(self, position: int) -> str:
        """The language of the paragraph at a folded position; that of the article in the title and in most texts."""
        if position < self.bounds[1]:
            return self.article.lang
        if not self._stretches:
            self._stretches = paragraph_languages(self.article.text, self.article.lang)
        if len(self._stretches) == 1:
            return self._stretches[0][2]
        _, start, _ = self.original(position, position + 1)
        return next((lang for _, end, lang in self._stretches if start < end), self.article.lang)

    def apostrophe_at(self, position: int) -> bool:
        """Whether an apostrophe stood in the original right before the letter at this position."""
        return position in self._batch.apostrophes()
