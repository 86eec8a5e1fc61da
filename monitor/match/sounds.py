"""Names found by their sound: spellings that nobody listed, of names that Arabic and Latin letters write alike.

Only a name that one of the entity's Arabic spellings confirms (the same consonants) is looked for by sound: "Qais
al-Khazali" is, "Democratic Union Party" is not. Candidates come from one pass over the consonants of the batch, and
count when their vowels agree, their edges are words, and, in Latin letters, they begin with a capital.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter

import daachorse

from monitor.text import fold_batch
from monitor.text import sound as by_sound
from monitor.text.letters import CODES, SEGMENT

LEAST_TOGETHER = 4
"""Consonants that a Latin name of two words needs; "Ain Asad" has three and sounds like "in Assad"."""

LEAST_ALONE = 5
"""Consonants of a single Latin word: Peshmerga has five. Shorter ones are other words too often."""

LEAST_ARABIC = 5
"""Consonants of a name of two words in Arabic letters. These are compared in Sorani texts only, where Arabic and
Persian names are written by ear; in Arabic texts most finds by sound were other words."""

LEAST_KIN = 3
"""Consonants that confirm a name, those of its head words left out: Bashiqa base has three of its own."""

LEAST_JOINED = 6
"""Consonants of a name of two words that is written as one."""

_LONGEST_SUFFIX = 8
_MOST_WORDS = 5
_DIGITS = frozenset(b"0123456789")
"""They have no sound: by ear Kurdistan 24 would be Kurdistan."""
_AL = bytes((CODES["ا"], CODES["ل"]))
_VOWELS = frozenset((b"a", b"e", b"i", b"o", b"u"))
_LATIN_ARTICLES = (b"al", b"el", b"ul")
_SEGMENT = bytes([SEGMENT])
_by_leaf = attrgetter("leaf")
_JOINTS = {
    (few, joined): (b" ", b" l ", b" l", *((b"l ", b"l", b"") if few and joined else (b"l ",) if few else ()))
    for few in (False, True)
    for joined in (False, True)
}
"""What may stand between two words of a name, by whether they are few, and whether the name may be written as one."""


@dataclass(frozen=True, slots=True)
class Sounding:
    """One name as it is compared: its words joined, without and with articles."""

    leaf: int
    lang: str
    bare: bytes
    whole: bytes
    words: int
    """How many, articles left out."""
    joined: bool
    """Whether it is also looked for as one word. One with a head word is not: "Kandil Dağı" sounds like Kandil'deki."""


class Sounds:
    """All names that are looked for by sound."""

    def __init__(self, names: Iterable[tuple[int, str, str]]) -> None:
        """`names` holds (entity leaf, language, spelling)."""
        found: dict[bytes, list[Sounding]] = {}
        for leaf, lang, tokens in _confirmed(names):
            bare = [t for t in tokens if not _is_article(t)]
            joined = _may_be_joined(bare)
            name = Sounding(leaf, lang, b"".join(bare), b"".join(tokens), len(bare), joined)
            for pattern in _patterns(bare, joined=joined):
                rows = found.setdefault(pattern, [])
                if name not in rows:
                    rows.append(name)
        self._fill(found)

    def _fill(self, found: Mapping[bytes, Sequence[Sounding]], automaton: bytes = b"") -> None:
        self.leaves = frozenset(name.leaf for rows in found.values() for name in rows)
        """Entities that may be mentioned in a spelling that no index of words can be asked for."""
        self._patterns = list(found)
        # in one order, wherever the names were made
        self._names = [tuple(r if len(r) == 1 else sorted(r, key=_by_leaf)) for r in found.values()]
        if automaton:
            self.__dict__["_automaton"] = daachorse.DoubleArrayAhoCorasick.deserialize(automaton)

    @classmethod
    def of(cls, rows: Mapping[bytes, Sequence[Sounding]], automaton: bytes = b"") -> Sounds:
        """Others, or a part of them: what `meanings` tells, and, if it is all, their automaton."""
        made = cls(())
        made._fill(rows, automaton)
        return made

    @cached_property
    def _automaton(self) -> daachorse.DoubleArrayAhoCorasick | None:
        return daachorse.DoubleArrayAhoCorasick(self._patterns) if self._patterns else None

    @property
    def automaton(self) -> bytes:
        """The automaton of the consonants, to be made again of; empty when nothing is looked for."""
        return bytes(self._automaton.serialize()) if self._automaton is not None else b""

    @property
    def meanings(self) -> dict[bytes, tuple[Sounding, ...]]:
        """Every pattern of consonants with the names that it may stand for."""
        return dict(zip(self._patterns, self._names, strict=True))

    def __len__(self) -> int:
        """Number of patterns."""
        return len(self._patterns)

    def candidates(self, data: bytes) -> Iterator[tuple[int, int, tuple[Sounding, ...]]]:
        """(first, last, names): places of a first and a last consonant in a folded batch, and who may be meant."""
        if self._automaton is None:
            return
        skeleton, places = by_sound.heard(data)
        for start, end, pattern in self._automaton.find_overlapping(skeleton):
            yield places[start + 1], places[end - 1], self._names[pattern]


def _confirmed(names: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, tuple[bytes, ...]]]:
    """The names that are written alike in Latin and in Arabic letters, as folded words."""
    rows: dict[int, dict[str, str]] = {}
    for leaf, lang, spelling in names:
        rows.setdefault(leaf, {}).setdefault(spelling, lang)
    paired = {leaf: langs for leaf, langs in rows.items() if len(langs) > 1}  # one spelling confirms nothing
    folded = iter(_folded([spelling for langs in paired.values() for spelling in langs]))
    heard: dict[int, dict[tuple[bytes, ...], str]] = {}
    for leaf, langs in paired.items():
        spellings: dict[tuple[bytes, ...], str] = {}
        for lang in langs.values():
            tokens = next(folded)
            if 0 < len(tokens) <= _MOST_WORDS and _DIGITS.isdisjoint(b"".join(tokens)):
                spellings.setdefault(tokens, lang)
        if 0 < sum(by_sound.is_latin(tokens[0]) for tokens in spellings) < len(spellings):
            heard[leaf] = spellings
    kin = iter(by_sound.kinships(_own(tokens) for spellings in heard.values() for tokens in spellings))
    for leaf, spellings in heard.items():
        yield from ((leaf, lang, tokens) for tokens, lang in _alike(spellings, [next(kin) for _ in spellings]))


def _folded(spellings: Sequence[str]) -> Iterator[tuple[bytes, ...]]:
    """The words of each, all folded in one pass."""
    data, bounds = fold_batch(spellings)
    for start, end in itertools.pairwise(bounds):
        yield tuple(data[start + 1 : end].split())


def _own(tokens: Sequence[bytes]) -> bytes:
    """The words joined that tell which name it is: no articles, and not what kind of thing it is."""
    return b"".join([_stem(t) for t in tokens if t not in by_sound.ARTICLES and t not in by_sound.HEADS])


def _alike(
    spellings: Mapping[tuple[bytes, ...], str], kinships: Sequence[bytes]
) -> Iterator[tuple[tuple[bytes, ...], str]]:
    """Those of one entity's spellings that have the consonants of another in the other script."""
    latin = {kin for tokens, kin in zip(spellings, kinships, strict=True) if by_sound.is_latin(tokens[0])}
    arabic = {kin for tokens, kin in zip(spellings, kinships, strict=True) if not by_sound.is_latin(tokens[0])}
    for (tokens, lang), kin in zip(spellings.items(), kinships, strict=True):
        if len(kin) >= LEAST_KIN and kin in latin and kin in arabic and _long_enough(tokens):
            yield tokens, lang


def _long_enough(tokens: Sequence[bytes]) -> bool:
    bare = [t for t in tokens if not _is_article(t)]
    count = _consonants(bare)
    if not by_sound.is_latin(tokens[0]):
        return len(bare) > 1 and count >= LEAST_ARABIC
    return count >= (LEAST_TOGETHER if len(bare) > 1 else LEAST_ALONE)


def _may_be_joined(bare: Sequence[bytes]) -> bool:
    return by_sound.is_latin(bare[0]) and _consonants(bare) >= LEAST_JOINED and by_sound.HEADS.isdisjoint(bare)


def _consonants(bare: Sequence[bytes]) -> int:
    return sum(len(_heard(t)) for t in bare)


@lru_cache(maxsize=16_384)  # names share most of their words
def _heard(token: bytes) -> bytes:
    """The consonants of one word; at its end an h is none (Muslih)."""
    return by_sound.skeleton(b" " + token + b" ").strip()


def _is_article(token: bytes) -> bool:
    return token in by_sound.ARTICLES


def _stem(token: bytes) -> bytes:
    return token[2:] if token.startswith(_AL) and len(token) > 4 else token


def _patterns(bare: Sequence[bytes], *, joined: bool) -> set[bytes]:
    """The consonants of a name with its articles left out, apart, or glued to either side, and its words joined."""
    joints = _JOINTS[len(bare) <= 3, joined]
    first, *others = [_heard(_stem(t)) for t in bare]
    found = {b" " + first, by_sound.undoubled(b" l" + first)}
    for part in others:
        tails = _tails(part, joints)
        # each side has no sound twice in a row, so that only where they meet one can fall
        found = {start + tail[start[-1:] == tail[:1] :] for start in found for tail in tails}
    return found


@lru_cache(maxsize=16_384)
def _tails(part: bytes, joints: tuple[bytes, ...]) -> list[bytes]:
    """A further word behind each of the joints, and behind an article that took the sound of its first letter.

    The article does so before t, d, r, s, n and the like: as-Sadr, ar-Rashid.
    """
    tails = by_sound.undoubled(_SEGMENT.join([joint + part for joint in (*joints, b" " + part[:1] + b" ")]))
    return tails.split(_SEGMENT)


def agreeing(data: bytes, first: int, last: int, name: Sounding) -> Iterator[tuple[int, int]]:
    """Places of the words around a candidate that sound like the name: whole, then with the last letters left out.

    What follows such a place in its word must be an affix; the caller knows the article's language and decides.
    """
    start, stop = data.rfind(b" ", 0, first) + 1, data.find(b" ", last)
    for cut in _cuts(data[start:stop], stop - last - 1, name):
        yield start, stop - cut


@lru_cache(maxsize=65_536)  # news names the same people again and again: most candidates were judged before
def _cuts(said: bytes, after: int, name: Sounding) -> tuple[int, ...]:
    """How many last letters of the words may be left out so that the rest sounds like the name.

    `after` letters follow the last consonant.
    """
    tokens = _without_breaks(said.split(b" "))
    if len(tokens) > 2 * _MOST_WORDS or any(len(t) == 1 for t in tokens):
        return ()
    bare = [t for t in tokens if not _is_article(t)]
    if len(bare) != name.words and not name.joined:
        return ()
    wanted = {name.bare, name.whole}
    ending = tokens[-1]
    cuts = []
    for cut in range(min(_LONGEST_SUFFIX, after, len(ending) - 1) + 1):
        forms = _forms([*tokens[:-1], ending[: len(ending) - cut]])
        if any(by_sound.agree(form, w) for form in forms for w in wanted):
            cuts.append(cut)
    return tuple(cuts)


def _without_breaks(tokens: list[bytes]) -> list[bytes]:
    """The words, with a single vowel joined to what an apostrophe parted from it: al-A'raji."""
    found: list[bytes] = []
    for token in tokens:
        if len(found) > 1 and found[-1] in _VOWELS and _is_article(found[-2]):
            found[-1] += token
        else:
            found.append(token)
    return found


def _forms(tokens: Sequence[bytes]) -> set[bytes]:
    """The words joined: as they stand, without articles, without articles glued to them."""
    bare = [t for t in tokens if not _is_article(t)] or list(tokens)
    glued = [t[2:] if t.startswith((*_LATIN_ARTICLES, _AL)) and len(t) > 4 else t for t in bare]
    return {form for form in (b"".join(tokens), b"".join(bare), b"".join(glued)) if form}
