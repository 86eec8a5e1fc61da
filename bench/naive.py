"""A second matcher, slow and plain, that has to find the same mentions as `monitor.match`: the proof of the fast one.

One article at a time, one word at a time: no automaton, no batch, no compiled vocabulary. It shares with the fast one
only what defines a match: the watchlists, and folding, affixes, exceptions and derived spellings of `monitor.text`.
Names by their sound are left out, for these are found by another way of comparing.

    names -> spellings -> every cut of a word that is a spelling -> affixes, capitals -> masks, company, nesting
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import normalize

from monitor.model import Article
from monitor.text import fold, shown, widened, words
from monitor.text.affixes import affixes
from monitor.text.exceptions import Mark, letter_at, marks
from monitor.text.language import paragraph_languages
from monitor.text.letters import DATA, UNKNOWN
from monitor.text.pages import faults
from monitor.text.spellings import BARE, SHOUTED
from monitor.text.spellings import spellings as derived
from monitor.watchlists import Entity, Short, WatchlistFile

Owner = tuple[str, ...]
"""Whose spelling it is: ("name", entity), ("short", entity, number), ("mask", entity), ("list", id), ("term", text)."""

Found = tuple[str, str, int, int, str, bool]
"""(entity, field, start, end, letters, nested) with half-open code points of the original text."""

_ARTICLE = b"".join(words("ال"))
_LATIN_OR_DIGIT = re.compile(rb"[a-z0-9]")
_APOSTROPHES = frozenset(DATA["apostrophes"])
_JOINING = _APOSTROPHES | frozenset("_-\u200c\u200d") | frozenset(map(chr, range(0x64B, 0x656)))
_FREE = re.compile(f"[{re.escape(DATA['apostrophes'])}\u200c\u200d]+")
_MOST_WORDS = 12
"""No name that is watched has more words before the one that a line's end parts."""

_CASED = re.compile(r"[A-Za-z\u00c0-\u024f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """One way to write one name, as folded words."""

    owner: Owner
    words: tuple[bytes, ...]
    """Without the Arabic article, if the name is listed with it."""
    article: bool
    long: bool
    """Takes glued affixes: two words or four letters."""
    several: bool
    """Written as more than one word."""
    lang: str = ""
    star: bool = False
    exact: str = ""
    capitals: bool = False
    close: bool = False
    unknown: str = ""
    marked: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where a spelling stands: field, bytes of its folded text, and the numbers of its first and last word."""

    field: int
    start: int
    end: int
    first: int
    last: int

    def covers(self, other: Spot) -> bool:
        """Whether the other lies inside, or is the same place."""
        return self.field == other.field and self.start <= other.start and other.end <= self.end

    def holds(self, other: Spot) -> bool:
        """Whether the other lies inside, and is shorter."""
        return self.covers(other) and self.end - self.start > other.end - other.start

    def meets(self, other: Spot) -> bool:
        """Whether they share a letter."""
        return self.field == other.field and self.start < other.end and other.start < self.end

    def between(self, other: Spot) -> int | None:
        """Whole words between two that share no letter, None across fields."""
        if self.field != other.field:
            return None
        return max(other.first - self.last, self.first - other.last) - 1


@dataclass(slots=True)
class Field:
    """The title or the body of an article, folded."""

    number: int
    letters: str
    lang: str
    stretches: tuple[tuple[int, int, str], ...] = ()
    words: list[tuple[bytes, int]] = field(default_factory=list)
    """Every word with its first byte."""
    parted: set[int] = field(default_factory=set)
    """Numbers of the words that go on behind a hyphen at the end of a line."""
    original: Callable[[int, int], tuple[int, int]] = field(init=False)
    """Code points of the letters for bytes of the folded ones."""

    def __post_init__(self) -> None:
        """Fold."""
        folded = fold(self.letters)
        self.original = folded.original
        self.words = [(m[0], m.start()) for m in re.finditer(rb"[^ \n]+", folded.data)]
        breaks = set(folded.batch.breaks)
        self.parted = {n for n, (word, place) in enumerate(self.words) if place + len(word) in breaks}
        if self.number:
            self.stretches = paragraph_languages(self.letters, self.lang)

    def lang_at(self, start: int) -> str:
        """The language of the paragraph that a folded byte stands in."""
        if not self.stretches:
            return self.lang
        place, _ = self.original(start, start + 1)
        return next((lang for _, end, lang in self.stretches if place < end), self.lang)


class Naive:
    """The names of watchlists, and what an article mentions of them."""

    def __init__(self, files: Sequence[WatchlistFile]) -> None:
        self._files = files
        self._entities = {e.id: e for f in files for e in f.entities}
        self._by_word: dict[bytes, list[Spelling]] = defaultdict(list)
        """First word of a spelling -> spellings."""
        self._longest = 0
        for file in files:
            for entity in file.entities:
                self._add_entity(entity)
        self._cuts = lru_cache(maxsize=None)(self._cuts_of)

    def _add_entity(self, entity: Entity) -> None:
        for lang, text in (("en", entity.name), *((n.lang, n.text) for n in entity.names)):
            capitals = _short_capitals(text)
            self._add(spellings(("name", entity.id), text, lang=lang, capitals=capitals))
            self._add_derived(("name", entity.id), text, lang, entity.kind, capitals=capitals)
        for name in entity.mask:
            self._add(spellings(("mask", entity.id), name.text, lang=name.lang))
        for number, short in enumerate(entity.short):
            exact = short.text if short.case else ""
            owner = "short", entity.id, str(number)
            self._add(spellings(owner, short.text, lang=short.lang, exact=exact))
            if not exact:
                self._add_derived(owner, short.text, short.lang, entity.kind)
            for friend in short.with_:
                self._add_friend(friend)

    def _add_derived(self, owner: Owner, text: str, lang: str, kind: str, *, capitals: bool = False) -> None:
        folded = tuple(words(text))
        for other in derived(folded, lang, kind):
            shouted = capitals if other[0] == folded[0] else other[0] in SHOUTED
            near, letters = other[0] in BARE, shown(b" ".join(other))
            self._add(spellings(owner, letters, lang=lang, capitals=shouted, close=near, joined=False))

    def _add_friend(self, friend: str) -> None:
        if friend.startswith("#"):
            for file in self._files:
                for term in (t for w in file.words if w.id == friend[1:] for t in w.terms):
                    bare, star = term.text.removesuffix("*"), term.text.endswith("*")
                    self._add(spellings(("list", friend[1:]), bare, lang=term.lang, star=star))
        elif not friend.startswith("@"):
            bare = friend.strip('"“”«»')
            self._add(spellings(("term", friend), bare.removesuffix("*"), star=bare.endswith("*")))

    def _add(self, found: Iterable[Spelling]) -> None:
        for spelling in found:
            known = self._by_word[spelling.words[0]]
            if spelling not in known:
                known.append(spelling)
            self._longest = max(self._longest, len(spelling.words[0]))

    def mentions(self, article: Article) -> set[Found]:
        """Everything that the article mentions."""
        fields = [Field(0, article.title, article.lang), Field(1, article.text, article.lang)]
        spots: dict[Owner, set[Spot]] = defaultdict(set)
        for part in fields:
            for number in range(len(part.words)):
                for spelling, spot in self._at(part, part.words, number):
                    spots[spelling.owner].add(spot)
            for number in part.parted:
                for spelling, spot in self._over(part, number):
                    spots[spelling.owner].add(spot)
        return {(entity, *_placed(fields, spot), nested) for entity, spot, nested in self._resolved(spots)}

    def _cuts_of(self, word: bytes) -> list[tuple[int, int, Spelling]]:
        """(begin, end, spelling) of every part of a word that is the first word of a spelling."""
        return [
            (begin, end, spelling)
            for begin in range(len(word))
            for end in range(begin + 1, min(len(word), begin + self._longest) + 1)
            for spelling in self._by_word.get(word[begin:end], ())
        ]

    def _at(
        self, part: Field, row: Sequence[tuple[bytes, int]], number: int, parted: int = -1
    ) -> Iterator[tuple[Spelling, Spot]]:
        """Spellings whose first word is, but for affixes, a word of the text; all of them lie over the parted word."""
        word, place = row[number]
        for begin, end, spelling in self._cuts(word):
            if begin and (_LATIN_OR_DIGIT.match(spelling.words[0]) or parted >= 0):
                continue  # a name in Latin letters takes nothing in front, nor does one that a line's end parts
            stop, suffix = place + end, word[end:]
            last = number + len(spelling.words) - 1
            if last > number:
                following = [w for w, _ in row[number + 1 : last + 1]]
                if suffix or not _goes_on(following, spelling.words[1:]):
                    continue
                ending, place_of_last = row[last]
                stop, suffix = place_of_last + len(spelling.words[-1]), ending[len(spelling.words[-1]) :]
            if parted >= 0:
                if last < parted or spelling.marked:
                    continue
                stop += last == parted  # the byte of the break
            start = place + begin
            if _holds(part, spelling, word[:begin], suffix, start, stop):
                if word[:begin].endswith(_ARTICLE):
                    start -= len(_ARTICLE)
                stop += len(suffix) if spelling.star else 0
                yield spelling, Spot(part.number, start, stop, number, last + (parted >= 0))

    def _over(self, part: Field, number: int) -> Iterator[tuple[Spelling, Spot]]:
        """Spellings that the end of a line parts behind this word: its two halves are taken for one word."""
        (head, place), (tail, rest) = part.words[number : number + 2]
        row = [*part.words[:number], (head + tail, place), *part.words[number + 2 :]]
        for first in range(max(0, number - _MOST_WORDS), number + 1):
            for spelling, spot in self._at(part, row, first, number):
                if spot.start < rest - 1 < spot.end - 1:
                    yield spelling, spot

    def _resolved(self, spots: dict[Owner, set[Spot]]) -> Iterator[tuple[str, Spot, bool]]:
        """(entity, spot, nested) of what masks and missing company leave, overlapping ones of an entity joined."""
        full = {
            e: self._unmasked(e, spots[owner], spots) for owner in [*spots] if owner[0] == "name" for e in owner[1:]
        }
        every: dict[str, set[Spot]] = {e: set(found) for e, found in full.items()}
        for owner in (o for o in spots if o[0] == "short"):
            entity, short = owner[1], self._entities[owner[1]].short[int(owner[2])]
            friends = [spot for friend in short.with_ for spot in self._friends(friend, spots, full)]
            kept = {spot for spot in spots[owner] if any(_near(spot, other, short) for other in friends)}
            every.setdefault(entity, set()).update(self._unmasked(entity, kept, spots))
        joined = {entity: _joined(found) for entity, found in every.items()}
        for entity, found in joined.items():
            for spot in found:
                yield entity, spot, any(other.holds(spot) for others in joined.values() for other in others)

    @staticmethod
    def _unmasked(entity: str, found: Iterable[Spot], spots: dict[Owner, set[Spot]]) -> set[Spot]:
        masks = spots.get(("mask", entity), set())
        return {spot for spot in found if not any(mask.covers(spot) for mask in masks)}

    def _friends(self, friend: str, spots: dict[Owner, set[Spot]], full: dict[str, set[Spot]]) -> list[Spot]:
        """Where company stands: words, lists of words, full mentions of entities."""
        if friend.startswith("#"):
            return [*spots.get(("list", friend[1:]), ())]
        if not friend.startswith("@"):
            return [*spots.get(("term", friend), ())]
        return [spot for entity in self._meant(friend[1:]) for spot in full.get(entity, ())]

    def _meant(self, name: str) -> set[str]:
        """Ids of an entity or of a group; with a plus, of all that is theirs, too."""
        bare = name.removesuffix("+")
        found = {bare} if bare in self._entities else {e.id for e in self._entities.values() if bare in e.groups}
        while name.endswith("+"):
            more = {e.id for e in self._entities.values() for relation in e.relations if relation.id in found} - found
            if not more:
                break
            found |= more
        return found


def spellings(
    owner: Owner,
    text: str,
    *,
    lang: str = "",
    star: bool = False,
    exact: str = "",
    capitals: bool = False,
    close: bool = False,
    joined: bool = True,
) -> Iterator[Spelling]:
    """Every way to write a name: signs inside it kept, parted or joined, its words joined from six letters on."""
    seen = set()
    for variant in (text, _FREE.sub(" ", text), _FREE.sub("", text)):
        apart = tuple(words(variant))
        if not apart:
            continue
        letters = b"".join(apart)
        forms = [apart]
        if joined and not star and not exact:
            forms += [(letters,)] if len(apart) > 1 and len(letters) >= 6 else []
            forms += faults(apart)
        for form in forms:
            if form in seen:
                continue
            seen.add(form)
            article = not exact and form[0].startswith(_ARTICLE) and len(form[0]) >= 5
            stem = (form[0][len(_ARTICLE) :], *form[1:]) if article else form
            yield Spelling(
                owner=owner,
                words=stem,
                article=article,
                long=len(apart) > 1 or len(letters) >= 4,
                several=len(apart) > 1,
                lang=lang,
                star=star,
                exact=exact,
                capitals=capitals,
                close=close,
                unknown=text if UNKNOWN in b"".join(form) else "",
                marked=marks(text, stem[0]) if len(apart) == 1 else (),
            )


def _short_capitals(text: str) -> bool:
    """US forces, AA: a first word of one or two letters, all capitals."""
    first = "".join(c for c in (text.split() or [""])[0] if c.isalpha())
    return len(first) in {1, 2} and first.isupper()


def _goes_on(following: Sequence[bytes], wanted: Sequence[bytes]) -> bool:
    """Whether the next words are those of the spelling, the last one perhaps with an ending."""
    if len(following) < len(wanted):
        return False
    return list(following[:-1]) == list(wanted[:-1]) and following[-1].startswith(wanted[-1])


def _pointed(letters: str, wanted: str) -> bool:
    """Whether two spellings in ASCII differ only by points: U.S., US."""
    return letters.isascii() and wanted.isascii() and letters.replace(".", "") == wanted.replace(".", "")


def _holds(part: Field, spelling: Spelling, prefix: bytes, suffix: bytes, start: int, end: int) -> bool:
    """Whether what is glued to a spelling may be, and its letters are those that it asks for."""
    first, last = part.original(start, end)
    letters = part.letters[first:last]
    whole = normalize("NFC", part.letters[slice(*widened(part.letters, first, last))])
    if spelling.exact and whole != normalize("NFC", spelling.exact) and not _pointed(letters, spelling.exact):
        return False
    if spelling.capitals and not "".join(c for c in letters.split()[0] if c.isalpha())[:2].isupper():
        return False
    if (spelling.exact or spelling.capitals) and _lost_in_capitals(part.letters, letters, spelling):
        return False
    if spelling.close and not all(c.isalnum() or (c.isspace() and c != "\n") or c in _JOINING for c in letters):
        return False
    if spelling.unknown and whole.casefold() != normalize("NFC", spelling.unknown).casefold():
        return False
    for place, letter, same in spelling.marked:
        if (letter_at(part.letters, *part.original(start + place, start + place + 1)) == letter) is not same:
            return False
    langs = {part.lang_at(start), spelling.lang} - {""}
    if (prefix or spelling.article) and not (
        (spelling.long or spelling.star)
        and any(affixes(lang).takes_prefix(prefix, article=spelling.article, long=spelling.several) for lang in langs)
    ):
        return False
    return not suffix or spelling.star or _ends(part, spelling, langs, suffix, end)


def _ends(part: Field, spelling: Spelling, langs: set[str], suffix: bytes, end: int) -> bool:
    """Whether an ending may follow: a footnote's number, a glued one after a long name, any after an apostrophe."""
    stem = spelling.words[-1][-1]
    if suffix.isdigit():
        return not bytes((stem,)).isdigit()
    _, last = part.original(end - 1, end)
    following, _ = part.original(end, end + 1)
    if any(c in _APOSTROPHES for c in part.letters[last:following]) and any(
        affixes(lang).takes_suffix(stem, suffix, apostrophe=True) for lang in langs
    ):
        return True
    if not any(affixes(lang).takes_suffix(stem, suffix, apostrophe=False) for lang in langs):
        return False
    before, _ = part.original(end - 1, end)
    _, until = part.original(end - 2, end - 1)
    if spelling.long:
        return not any(c in _APOSTROPHES for c in part.letters[until:before])
    return _acronym(part, end - sum(map(len, spelling.words)), end)


def _acronym(part: Field, start: int, end: int) -> bool:
    """PKKê: capitals, then small letters."""
    first, last = part.original(start, end)
    return part.letters[first:last].isupper() and part.letters[last : last + 1].islower()


def _lost_in_capitals(field: str, letters: str, spelling: Spelling) -> bool:
    """A headline all in capitals proves no case; six other letters make one."""
    if not letters.isupper() or "." in letters or spelling.several:
        return False
    return field.isupper() and len(_CASED.findall(field)) - len(letters) >= 6


def _near(spot: Spot, friend: Spot, short: Short) -> bool:
    if spot.meets(friend):
        return False
    between = spot.between(friend)
    return short.within is None or (between is not None and between <= short.within)


def _joined(found: Iterable[Spot]) -> list[Spot]:
    """Overlapping spots as one."""
    joined: list[Spot] = []
    for spot in sorted(found):
        if joined and joined[-1].meets(spot):
            before = joined.pop()
            joined.append(Spot(spot.field, before.start, max(before.end, spot.end), before.first, spot.last))
        else:
            joined.append(spot)
    return joined


def _placed(fields: Sequence[Field], spot: Spot) -> tuple[str, int, int, str]:
    """Field, first and last code point, letters."""
    part = fields[spot.field]
    start, end = widened(part.letters, *part.original(spot.start, spot.end))
    if part.letters[end : end + 1] == "." == part.letters[end - 2 : end - 1]:
        end += 1  # the last point of "U.S."
    return ("title", "body")[spot.field], start, end, part.letters[start:end]
