"""One pass of the automaton over a batch of folded articles, and the check of every candidate's edges."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from unicodedata import normalize

import daachorse

from monitor.match.patterns import Patterns, asks
from monitor.match.sounds import Sounding, Sounds, agreeing
from monitor.match.vocabulary import ARTICLE, Use, in_capitals
from monitor.model import Article
from monitor.text import SPACE, FoldedBatch, widened
from monitor.text.affixes import EVERY, all_prefixes, gluing_before, gluing_behind
from monitor.text.exceptions import Mark, letter_at
from monitor.text.language import paragraph_languages
from monitor.text.letters import DATA
from monitor.text.sound import is_latin

Places = defaultdict[int, list[tuple[int, int]]]
"""Leaf -> (start, end) in the folded batch, in order of start."""

Candidate = tuple[int, int, int]
"""(start, end, pattern): where in the folded batch the letters of a pattern stand, be they a word there or not."""
_first = itemgetter(0)

_PARTED = re.compile(r"[^\w\s\u200c\u200d\u064b-\u0655" + re.escape(DATA["apostrophes"]) + r"-]|\n")
"""A sign between two words that belong to different names: "Israel. Salami"."""

_CASED = re.compile(r"[A-Za-z\u00c0-\u024f]")
_SHOUTED = 6
"""Letters beside a name that, all in capitals, make a field a headline of capitals."""

_BY_EAR = frozenset({"ckb", "fa"})
"""Languages of Arabic script that write foreign names as they sound."""

_PREFIXES = frozenset(all_prefixes())
_DIGITS = frozenset(b"0123456789")


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
            if not letters.isascii():
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


class Scanner:
    """The compiled patterns: names by their letters, and names by their sound."""

    def __init__(self, patterns: Patterns, sounds: Sounds) -> None:
        """`names` leaves out the patterns that wait until `complete` is asked for: words, which few articles need."""
        self._patterns = patterns
        self._sounds = sounds
        self._uses, self._meanings = patterns.uses, patterns.meanings
        self._glued = lru_cache(maxsize=262_144)(self._uses_glued)

    @property
    def automaton(self) -> bytes:
        """The automaton of the letters, to be made again of: building it takes longer than reading it."""
        return bytes(self._patterns.automaton.serialize())

    def built(self) -> None:
        """Wait until the automaton is built."""
        _ = self._patterns.automaton

    def scan(self, articles: Sequence[Article]) -> list[tuple[Text, Places]]:
        """All checked places of all leaves, per article, in one fold and one pass over the whole batch."""
        found = self.names(articles)
        for text, places, waiting in found:
            self.complete(text, places, waiting)
        return [(text, places) for text, places, _ in found]

    def names(self, articles: Sequence[Article]) -> list[tuple[Text, Places, Sequence[Candidate]]]:
        """The same without the leaves that come later: of these only the places where their letters stand."""
        batch = FoldedBatch([field for a in articles for field in (a.title, a.text)])
        found: list[tuple[Text, Places]] = [(Text(a, batch, n), defaultdict(list)) for n, a in enumerate(articles)]
        candidates = self._patterns.automaton.find_overlapping(batch.data)
        until = self._patterns.waiting
        self._by_letters([c for c in candidates if c[2] < until], batch.data, batch.bounds, found)
        later = [c for c in candidates if c[2] >= until]
        self._over_breaks(batch, found)
        self._by_sound(batch.data, batch.bounds, found)
        rows: list[tuple[Text, Places, Sequence[Candidate]]] = []
        end = 0
        for text, places in found:
            _sort(places)
            begin, end = end, bisect_left(later, text.bounds[2], end, key=_first)
            rows.append((text, places, later[begin:end]))
        return rows

    def complete(self, text: Text, places: Places, waiting: Sequence[Candidate]) -> None:
        """Add the places of the leaves that came later."""
        if waiting:
            self._by_letters(waiting, text.data, text.bounds, [(text, places)])
            _sort(places)

    def leaves(self, pattern: int) -> Iterator[int]:
        """What a candidate of this pattern may be."""
        return (use.leaf for use in self._uses[pattern])

    def _by_letters(
        self,
        candidates: Iterable[Candidate],
        data: bytes,
        edges: Sequence[int],
        found: Sequence[tuple[Text, Places]],
    ) -> None:
        until, meanings, glued, space = -1, self._meanings, self._glued, SPACE
        for start, end, pattern in candidates:
            first = start + 1 if data[start] == space else start
            prefix = suffix = b""
            sure: Sequence[tuple[int, int, int]] = ()
            whole: Sequence[int] = ()
            if data[first - 1] <= space >= data[end]:
                whole, asked = meanings[pattern]
            else:
                if data[first - 1] > space:
                    prefix = data[data.rfind(b" ", 0, first) + 1 : first]
                    if prefix not in _PREFIXES:
                        continue
                if data[end] > space:
                    suffix = data[end : data.find(b" ", end)]
                sure, asked = glued(pattern, prefix, suffix, data[end - 1])
                if not sure and not asked:
                    continue
            if end > until:
                current = (bisect_right(edges, start) - 1) // 2
                until = edges[2 * current + 2]
                text, places = found[current]
            for leaf in whole:
                places[leaf].append((first, end))
            for leaf, left, right in sure:
                places[leaf].append((first - left, end + right))
            last = -1
            for use in asked:
                if use.leaf != last and _stands(text, use, prefix, suffix, first, end):
                    places[use.leaf].append(_hull(use, prefix, suffix, first, end))
                    last = -1 if use.star else use.leaf  # one name in several languages is one

    def _uses_glued(
        self, pattern: int, prefix: bytes, suffix: bytes, last: int
    ) -> tuple[tuple[tuple[int, int, int], ...], tuple[Use, ...]]:
        """What a pattern means with letters glued to it: leaves without question, and uses to look at.

        Each leaf with how far its place reaches beyond the pattern, to the left and to the right.
        """
        sure: dict[tuple[int, int, int], None] = {}
        asked: list[Use] = []
        for use in self._loose(pattern):
            before = gluing_before(use.lang, prefix, use.article, use.words > 1) if prefix else EVERY
            free = not suffix or use.star
            if before and (free or suffix.isdigit() or gluing_behind(use.lang, last, suffix)[1]):
                asked_for = use.exact or use.capitals or use.close or use.unknown or use.marked
                plain = not (asked_for or (use.article and not prefix))
                glues = not prefix or use.star or (use.affixed and use.long)
                if before is EVERY and free and plain and glues:
                    start, end = _hull(use, prefix, suffix, 0, 0)
                    sure[use.leaf, -start, end] = None
                else:
                    asked.append(use)
        return tuple(sure), tuple(asked)

    def _loose(self, pattern: int) -> Iterator[Use]:
        """The uses to which something may be glued."""
        return (use for use in self._uses[pattern] if use.affixed or use.star)

    def _over_breaks(self, batch: FoldedBatch, found: Sequence[tuple[Text, Places]]) -> None:
        """Names that the end of a line parts, "Sin-" and "jar"; there are few, so each is looked at alone."""
        for gap in batch.breaks:
            piece, begin = batch.rejoined(gap)
            text, places = found[(bisect_right(batch.bounds, gap) - 1) // 2]
            for start, end, pattern in self._patterns.automaton.find_overlapping(piece):
                first = start + 1 if piece[start] == SPACE else start
                if not _parted(piece, gap - begin, first, end):
                    continue
                suffix = _ending(piece, end)
                whole, asked = self._meanings[pattern]
                place = begin + first, begin + end + 1  # one byte more: the space of the break
                for leaf in () if suffix else whole:
                    places[leaf].append(place)
                for use in self._loose(pattern) if suffix else asked:
                    if not use.marked and _stands(text, use, b"", suffix, *place):
                        places[use.leaf].append(place)

    def _by_sound(self, data: bytes, edges: Sequence[int], found: Sequence[tuple[Text, Places]]) -> None:
        until = -1
        for first, last, names in self._sounds.candidates(data):
            if last > until:
                current = (bisect_right(edges, first) - 1) // 2
                until = edges[2 * current + 2]
                text, places = found[current]
            for name in names:
                if name.leaf in places and _known(places[name.leaf], first, last + 1):
                    continue
                for start, end in agreeing(data, first, last, name):
                    if not _known(places.get(name.leaf, ()), start, end) and _sounds_there(text, name, start, end):
                        places[name.leaf].append((start, end))


def _sort(places: Places) -> None:
    for spans in places.values():
        if len(spans) > 1:
            spans.sort()


def _hull(use: Use, prefix: bytes, suffix: bytes, first: int, end: int) -> tuple[int, int]:
    """A place with the article before it, and with the ending of a word that takes any."""
    return first - 2 if prefix.endswith(ARTICLE) else first, end + len(suffix) if use.star else end


def _known(places: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(a < end and start < b for a, b in places)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """Patterns that are looked for together."""

    automaton: daachorse.DoubleArrayAhoCorasick
    uses: list[list[Use]]
    plain: list[bool]
    """Whether a pattern is company wherever it stands as a whole word."""
    longest: int


class Friends:
    """What keeps short names company, looked for where somebody asks: an automaton for each set that was asked for."""

    def __init__(self, patterns: Mapping[int, Sequence[tuple[bytes, Use]]]) -> None:
        """`patterns` leads from the leaf of a friend to how it may be written."""
        self._patterns = patterns
        self._made: dict[frozenset[int], _Set] = {}

    def places(self, text: Text, leaves: frozenset[int], where: tuple[int, int] | None) -> list[tuple[int, int]]:
        """The places of these leaves: all of them, or at least those that touch a stretch of the text."""
        wanted = self._made.get(leaves) or self._make(leaves)
        first, _, last = text.bounds
        if where is not None:
            first, last = max(first, where[0] - wanted.longest), min(last, where[1] + wanted.longest)
        found: list[tuple[int, int]] = []
        data = text.data
        for start, end, number in wanted.automaton.find_overlapping(data[first : last + 1]):
            begin, stop = first + start + (data[first + start] == SPACE), first + end
            if data[begin - 1] <= SPACE >= data[stop] and wanted.plain[number]:
                found.append((begin, stop))
                continue
            prefix = data[data.rfind(b" ", 0, begin) + 1 : begin] if data[begin - 1] > SPACE else b""
            suffix = _ending(data, stop)
            standing = (use for use in wanted.uses[number] if _stands(text, use, prefix, suffix, begin, stop))
            found.extend((begin, stop + (len(suffix) if use.star else 0)) for use in standing)
        for gap in text.breaks:
            found.extend(_over_gap(text, gap, wanted))
        return found

    def _make(self, leaves: frozenset[int]) -> _Set:
        rows: dict[bytes, list[Use]] = {}
        for leaf in sorted(leaves):
            for pattern, use in self._patterns[leaf]:
                rows.setdefault(pattern, []).append(use)
        made = self._made[leaves] = _Set(
            automaton=daachorse.DoubleArrayAhoCorasick(list(rows)),
            uses=[*rows.values()],
            plain=[not all(map(asks, uses)) for uses in rows.values()],
            longest=max(map(len, rows)),
        )
        return made


def _over_gap(text: Text, gap: int, wanted: _Set) -> Iterator[tuple[int, int]]:
    """The places of patterns that the end of a line parts."""
    piece, begin = text.rejoined(gap)
    for start, end, number in wanted.automaton.find_overlapping(piece):
        first = start + (piece[start] == SPACE)
        suffix = _ending(piece, end)
        place = begin + first, begin + end + 1
        for use in wanted.uses[number]:
            if _parted(piece, gap - begin, first, end) and not use.marked and _stands(text, use, b"", suffix, *place):
                yield place


def _parted(piece: bytes, gap: int, start: int, end: int) -> bool:
    """Whether a candidate lies across a break. It takes no prefix: Arabic parts no words."""
    return start < gap < end and piece[start - 1] <= SPACE


def signs_part(text: Text, start: int, end: int) -> bool:
    """Whether a sign stands between words that were found as one name."""
    field, first, last = text.original(start, end)
    return _PARTED.search(text.letters(field), first, last) is not None


def _sounds_there(text: Text, name: Sounding, start: int, end: int) -> bool:
    """Whether a name that agrees in sound is one here: its ending, its capital, no sign that parts its words."""
    suffix = _ending(text.data, end)
    if suffix and not _suffixed(text, Use(leaf=name.leaf, lang=name.lang, long=True), suffix, start, end):
        return False
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    if _PARTED.search(letters, first, last):
        return False
    if not is_latin(name.bare):
        return text.lang(start) == "ckb"
    if not is_latin(text.data[start : start + 1]):  # سيرة الإسلام is not Saraya al-Salam, but جۆ بایدەن is Joe Biden
        return text.lang(start) in _BY_EAR
    return not letters[first].islower() or letters.islower()


def _stands(text: Text, use: Use, prefix: bytes, suffix: bytes, start: int, end: int) -> bool:  # one row of the scan
    """Whether a candidate is a whole word but for what is glued to it, which its language must allow."""
    if suffix and not use.star and not _suffixed(text, use, suffix, start, end):
        return False
    if (prefix or use.article) and not _prefixed(text, use, prefix, start):
        return False
    if (use.exact or use.capitals) and not _in_capitals(text, use, start, end):
        return False
    if use.close and signs_part(text, start, end):
        return False
    if use.unknown and not _same_letters(text, use.unknown, start, end):
        return False
    return not use.marked or _marked(text, use.marked, start)


def _marked(text: Text, marked: Sequence[Mark], start: int) -> bool:
    """Whether the text has the letters by which folding's exceptions tell this word from another: سلێمانی, سلیمانی."""
    for place, letter, same in marked:
        field, first, last = text.original(start + place, start + place + 1)
        if (letter_at(text.letters(field), first, last) == letter) is not same:
            return False
    return True


def _prefixed(text: Text, use: Use, prefix: bytes, start: int) -> bool:
    if not use.affixed or not (use.long or use.star):
        return False
    langs = gluing_before(use.lang, prefix, use.article, use.words > 1)
    return langs is EVERY or (bool(langs) and text.lang(start) in langs)


def _suffixed(text: Text, use: Use, suffix: bytes, start: int, end: int) -> bool:
    if not use.affixed:
        return False
    last = text.data[end - 1]
    glued, parted = gluing_behind(use.lang, last, suffix)
    if not parted:  # it holds all of the others
        return suffix.isdigit() and last not in _DIGITS  # the number of a footnote, glued by a page: Sinjar21
    if glued and (glued is EVERY or text.lang(start) in glued):
        if use.long:
            return not text.apostrophe_at(end - 1)  # "Libya'nın" is Libya, and not "Libyan" with an ending
        if _acronym(text, start, end):
            return True
    return text.apostrophe_at(end) and (parted is EVERY or text.lang(start) in parted)


def _acronym(text: Text, start: int, end: int) -> bool:
    """Whether capitals stand before small letters: "PKKê", where a short name takes a glued ending after all."""
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    return letters[first:last].isupper() and letters[last : last + 1].islower()


def _in_capitals(text: Text, use: Use, start: int, end: int) -> bool:
    """Whether the letters are those of the name, in its case; a headline of capitals alone proves no case."""
    field, first, last = text.original(start, end)
    letters = text.letters(field)
    found = letters[first:last]
    if use.exact and not _same(letters, first, last, use.exact):
        return False
    if use.capitals and not in_capitals(found):
        return False
    if not found.isupper() or "." in found or use.words > 1:
        return True
    if not letters.isupper():
        return True
    return len(_CASED.findall(letters)) - len(found) < _SHOUTED


def _same_letters(text: Text, letters: str, start: int, end: int) -> bool:
    """Whether a candidate of a script without codes has these letters, in any case."""
    field, first, last = text.original(start, end)
    return _same(text.letters(field), first, last, letters, fold_case=True)


def _same(text: str, first: int, last: int, letters: str, *, fold_case: bool = False) -> bool:
    found = text[first:last]
    if not fold_case and found != letters and found.isascii() and letters.isascii():
        # "us" where "US" is asked for: by far the most; folding takes the points out of "U.S."
        return found.replace(".", "") == letters.replace(".", "")
    begin, stop = widened(text, first, last)  # folding drops the ء of الخضراء
    found, wanted = normalize("NFC", text[begin:stop]), normalize("NFC", letters)
    return found.casefold() == wanted.casefold() if fold_case else found == wanted


def _ending(data: bytes, end: int) -> bytes:
    """What goes on in the word behind a candidate."""
    return data[end : _word_end(data, end)] if data[end] > SPACE else b""


def _word_end(data: bytes, position: int) -> int:
    return data.find(b" ", position)
