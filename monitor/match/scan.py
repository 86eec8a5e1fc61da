"""One pass of the automaton over a batch of folded articles, each candidate checked at its edges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

import daachorse

from monitor.match.article import Text
from monitor.match.edges import Asks, ending, glues, hull, sounds_there, stands
from monitor.match.patterns import Patterns, asks
from monitor.match.sounds import Sounds, agreeing
from monitor.match.vocabulary import Use
from monitor.model import Article
from monitor.text import SPACE, FoldedBatch
from monitor.text.affixes import all_prefixes

Places = defaultdict[int, list[tuple[int, int]]]
"""Leaf -> (start, end) in the folded batch, in order of start."""

Candidate = tuple[int, int, int]
"""(start, end, pattern): where in the folded batch the letters of a pattern stand, be they a word there or not."""
_first = itemgetter(0)

_Glued = tuple[tuple[Use, Asks], ...]
"""The meanings of a pattern with letters glued to it, and what each of them has still to be asked."""
_PREFIXES = frozenset(all_prefixes())


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
            if end > until:
                current = (bisect_right(edges, start) - 1) // 2
                until = edges[2 * current + 2]
                text, places = found[current]
            first = start + 1 if data[start] == space else start
            if data[first - 1] <= space >= data[end]:
                whole, asked = meanings[pattern]
                for leaf in whole:
                    places[leaf].append((first, end))
                last = -1
                for use in asked:
                    if use.leaf != last and stands(text, use, b"", b"", first, end):
                        places[use.leaf].append((first, end))
                        last = -1 if use.star else use.leaf  # one name in several languages is one
                continue
            prefix = suffix = b""
            if data[first - 1] > space:
                prefix = data[data.rfind(b" ", 0, first) + 1 : first]
                if prefix not in _PREFIXES:
                    continue
            if data[end] > space:
                suffix = data[end : data.find(b" ", end)]
            known = glued(pattern, prefix, suffix, data[end - 1], None)
            if known is None:
                known = glued(pattern, prefix, suffix, data[end - 1], text.lang(first))
            if known:
                _add_glued(text, places, known, prefix, suffix, first, end)

    def _uses_glued(self, pattern: int, prefix: bytes, suffix: bytes, last: int, lang: str | None) -> _Glued | None:
        """What a pattern means with letters glued to it in a paragraph of a language.

        None when no language is given, and it depends on that.
        """
        found: list[tuple[Use, Asks]] = []
        for use in self._loose(pattern):
            still = glues(use, prefix, suffix, last, lang)
            if still is None:
                return None
            if still is not Asks.NEVER:
                found.append((use, still))
        return tuple(found)

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
                suffix = ending(piece, end)
                whole, asked = self._meanings[pattern]
                place = begin + first, begin + end + 1  # one byte more: the space of the break
                for leaf in () if suffix else whole:
                    places[leaf].append(place)
                for use in self._loose(pattern) if suffix else asked:
                    if not use.marked and stands(text, use, b"", suffix, *place):
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
                    if not _known(places.get(name.leaf, ()), start, end) and sounds_there(text, name, start, end):
                        places[name.leaf].append((start, end))


def _add_glued(text: Text, places: Places, known: _Glued, prefix: bytes, suffix: bytes, first: int, end: int) -> None:
    last = -1
    for use, still in known:
        if use.leaf == last:  # one name in several languages is one
            continue
        if still is Asks.JOINED:
            found = not text.apostrophe_at(end - 1)  # "Libya'nın" is Libya, and not "Libyan" with an ending
        elif still is Asks.PARTED:
            found = text.apostrophe_at(end)
        else:
            found = still is Asks.NOTHING or stands(text, use, prefix, suffix, first, end)
        if found:
            places[use.leaf].append(hull(use, prefix, suffix, first, end))
            last = -1 if use.star else use.leaf


def _sort(places: Places) -> None:
    for spans in places.values():
        if len(spans) > 1:
            spans.sort()


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
            suffix = ending(data, stop)
            standing = (use for use in wanted.uses[number] if stands(text, use, prefix, suffix, begin, stop))
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
        suffix = ending(piece, end)
        place = begin + first, begin + end + 1
        for use in wanted.uses[number]:
            if _parted(piece, gap - begin, first, end) and not use.marked and stands(text, use, b"", suffix, *place):
                yield place


def _parted(piece: bytes, gap: int, start: int, end: int) -> bool:
    """Whether a candidate lies across a break. It takes no prefix: Arabic parts no words."""
    return start < gap < end and piece[start - 1] <= SPACE
