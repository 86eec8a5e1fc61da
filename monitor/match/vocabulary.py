"""Names and words compiled into byte patterns, each knowing which leaf it stands for and what may be glued to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from monitor.text import fold_batch, shown, words
from monitor.text.affixes import LEAST_LETTERS
from monitor.text.exceptions import Mark, marks
from monitor.text.letters import CODES, DATA, UNKNOWN
from monitor.text.pages import faults

JOINED_LETTERS = 6
"""From so many letters on a name is also found written as one word (حزبالله)."""

_FREE_SIGNS = re.compile(f"[{re.escape(DATA['apostrophes'])}\u200c\u200d]+")
ARTICLE = bytes((CODES["ا"], CODES["ل"]))
_LEAST_WITH_ARTICLE = len(ARTICLE) + 3
ABBREVIATED = 2
"""Up to so many letters in capitals, alone or as a first word, are found in capitals only: US forces, not us."""
_LATIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")

LeafKind = Literal["entity", "short", "mask", "word", "term", "friend"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """Something that is looked for: a name, one that needs company, its company, a mask, a list, a term of a query."""

    kind: LeafKind
    name: str
    """Entity id, word-list id, the term as written, or the folded letters of a friend."""
    number: int = 0
    """Which short name of the entity, from 0."""


class Use(NamedTuple):
    """One meaning of a pattern. Several leaves may share the same letters."""

    leaf: int
    lang: str = ""
    """The name's own language: its affixes are taken besides those of the article's language."""
    star: bool = False
    """Any ending."""
    affixed: bool = True
    article: bool = False
    """The name is listed with the Arabic article; the pattern stands without it, some form of it must precede."""
    long: bool = False
    """Two words or more, or enough letters to take glued affixes."""
    words: int = 1
    exact: str = ""
    """These very letters, in this case."""
    capitals: bool = False
    """Its first word only in capitals: US, not us."""
    close: bool = False
    """No sign parts its words."""
    unknown: str = ""
    """A word of a script without codes: its letters, compared in small letters."""
    marked: tuple[Mark, ...] = ()
    """Letters that folding made another word's: the text must have those of this one."""


Form = tuple[bytes, Use]
"""One way to write a name: the pattern that the scan looks for, and what it means where it stands.

What takes no prefix begins at a space: Latin letters, digits, and words too short for one (به).
"""


def words_of(form: Form) -> list[bytes]:
    """The folded words of a form: what an index of words is asked for."""
    return form[0].split(b" ")[form[0].startswith(b" ") :]


def written(text: str) -> tuple[str, ...]:
    """A text with its apostrophes and joiners, with spaces in their places, and without them."""
    signs = _FREE_SIGNS.search(text) is not None
    return (text, _FREE_SIGNS.sub(" ", text), _FREE_SIGNS.sub("", text)) if signs else (text,)


def abbreviated(spelling: str) -> bool:
    """Whether a name begins with an abbreviation that in small letters is another word."""
    first = spelling.split(maxsplit=1)[:1]
    return bool(first) and first[0].isupper() and sum(map(str.isalpha, first[0])) <= ABBREVIATED


def in_capitals(letters: str) -> bool:
    """Whether the first word of what stands in a text begins with capitals as an abbreviation does: US, U.S., K-1."""
    first = [letter for letter in letters.split(maxsplit=1)[0] if letter.isalpha()]
    return all(letter.isupper() for letter in first[:ABBREVIATED])


class Vocabulary:
    """All leaves and patterns of a matcher, while it is being compiled."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.uses: dict[bytes, list[Use]] = {}
        self.friends: dict[int, list[Form]] = {}
        """Per friend its patterns. They are common words, needed in few articles: no automaton holds them."""
        self._friends: dict[tuple[str, bool], int] = {}
        self._forms_of: list[list[Form]] | None = None
        self._numbers: dict[tuple[LeafKind, str, int], int] = {}
        self._folded: dict[str, tuple[bytes, ...]] = {}
        self._written: dict[str, tuple[str, ...]] = {}
        self._alike: dict[Use, dict[object, Use]] = {}
        """Of each use as it was asked for those of its forms: making one anew for each form takes longest of all."""

    @classmethod
    def of(
        cls,
        leaves: Iterable[Leaf],
        uses: dict[bytes, list[Use]],
        friends: dict[int, list[Form]],
    ) -> Vocabulary:
        """One that was made before."""
        made = cls()
        made.leaves, made.uses, made.friends = [*leaves], uses, friends
        made._numbers = {(leaf.kind, leaf.name, leaf.number): n for n, leaf in enumerate(made.leaves)}
        return made

    @contextmanager
    def folding(self, texts: Iterable[str]) -> Iterator[None]:
        """Fold many texts in one pass; while it lasts nothing of them is folded again."""
        self._written = {text: written(text) for text in dict.fromkeys(texts)}
        wanted = list(dict.fromkeys(chain.from_iterable(self._written.values())))
        data, bounds = fold_batch(wanted)
        places = pairwise(bounds) if wanted else ()
        self._folded = {
            text: tuple(data[start + 1 : end].split()) for text, (start, end) in zip(wanted, places, strict=True)
        }
        try:
            yield
        finally:
            self._folded, self._written, self._alike = {}, {}, {}

    def words(self, text: str) -> tuple[bytes, ...]:
        """The folded words of a text."""
        known = self._folded.get(text)
        return tuple(words(text)) if known is None else known

    def leaf(self, kind: LeafKind, name: str, number: int = 0) -> int:
        """The number of a leaf, new if it was not known."""
        key = kind, name, number
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.leaves)
            self.leaves.append(Leaf(kind, name, number))
        return found

    def find(self, kind: LeafKind, name: str, number: int = 0) -> int | None:
        """The number of a leaf that was added, else None."""
        return self._numbers.get((kind, name, number))

    @property
    def forms(self) -> list[list[Form]]:
        """Per leaf, how it may be written: what the index is asked for."""
        found = self._forms_of
        if found is None or len(found) != len(self.leaves):
            found = self._forms_of = [[] for _ in self.leaves]
            for pattern, uses in self.uses.items():
                for use in uses:
                    found[use.leaf].append((pattern, use))
        return found

    def add(self, text: str, use: Use, *, joined: bool = True) -> bool:
        """Look for a text, also written as one word; False when nothing is left of it after folding."""
        found = self._forms(text, use, joined=joined and not use.star)
        self._keep(found)
        return bool(found)

    def add_words(self, tokens: tuple[bytes, ...], use: Use) -> None:
        """Look for folded words just as they are."""
        self._keep([self._form(tokens, use, "", len(tokens), self._alike.setdefault(use, {}))])

    def take(self, leaf: int, forms: Iterable[Form]) -> None:
        """Look for what a leaf of another vocabulary stands for, whose forms these are."""
        mine: dict[int, Use] = {}  # many forms have one use
        found = []
        for pattern, use in forms:
            own = mine.get(id(use))
            if own is None:
                own = mine[id(use)] = use._replace(leaf=leaf)
            found.append((pattern, own))
        self._keep(found)

    def term(self, text: str, *, star: bool, exact: bool) -> int:
        """The leaf of a word or phrase of a query."""
        written = f'"{text}"' if " " in text.strip() else text
        name = f"{'=' if exact else ''}{written}{'*' if star else ''}"
        leaf = self.find("term", name)
        if leaf is None:
            leaf = self.leaf("term", name)
            self.add(text, Use(leaf=leaf, star=star, affixed=not exact, exact=text if exact else ""))
        return leaf

    def friend(self, text: str, *, star: bool) -> int:
        """The leaf of a word or phrase that keeps short names company; Iran, İran and Îran are one."""
        known = self._friends.get((text, star))  # many short names have the same company
        if known is not None:
            return known
        folded = self.words(text)
        apart = UNKNOWN in b"".join(folded) or (len(folded) == 1 and marks(text, folded[0]))
        leaf = self.leaf("friend", f"{text if apart else shown(b' '.join(folded))}{'*' if star else ''}")
        if leaf not in self.friends:
            use = Use(leaf=leaf, star=star)
            self.friends[leaf] = list(self._forms(text, use, joined=not star))
        self._friends[text, star] = leaf
        return leaf

    def _keep(self, found: Iterable[Form]) -> None:
        self._forms_of = None
        for pattern, use in found:
            uses = self.uses.get(pattern)
            if uses is None:
                self.uses[pattern] = [use]
            elif use not in uses:
                uses.append(use)

    def _forms(self, text: str, use: Use, *, joined: bool) -> Iterable[Form]:
        """Every way in which a name or phrase may be written; none when it holds no letter or digit."""
        found: dict[tuple[bytes, ...], Form] = {}
        alike = self._alike.setdefault(use, {})
        joined = joined and not use.exact
        for spelling in self._written.get(text) or written(text):
            tokens = self.words(spelling)
            count = len(tokens)
            if not tokens:
                continue
            if tokens not in found:
                found[tokens] = self._form(tokens, use, text, count, alike)
            if joined and count > 1 and sum(map(len, tokens)) >= JOINED_LETTERS:
                together = (b"".join(tokens),)
                if together not in found:
                    found[together] = self._form(together, use, text, count, alike)
            for fault in faults(tokens) if joined else ():
                if fault not in found:
                    found[fault] = self._form(fault, use, text, count, alike)
        return found.values()

    def _form(
        self, tokens: tuple[bytes, ...], use: Use, text: str, count: int, alike: dict[object, Use]
    ) -> Form:  # tens of thousands of times at each start
        """Take the Arabic article off the first word, so that all its forms (ال, لل, وال ...) meet one pattern.

        Without a text the name is as its folded words read.
        """
        first = tokens[0]
        affixed = use.affixed
        long = count > 1 or len(first) >= LEAST_LETTERS
        article = affixed and first.startswith(ARTICLE) and not use.exact and len(first) >= _LEAST_WITH_ARTICLE
        pattern = b" ".join(tokens)
        if article:
            first, pattern = first[len(ARTICLE) :], pattern[len(ARTICLE) :]
        key: object = count << 2 | long << 1 | article
        unknown, marked = "", tuple[Mark, ...]()
        if count == 1 or UNKNOWN in pattern:
            text = text or shown(b" ".join(tokens))
            unknown = text if UNKNOWN in pattern else ""
            marked = marks(text, first) if count == 1 else ()
            key = key, unknown, marked
        if pattern[0] in _LATIN or not (affixed and (long or use.star)):
            pattern = b" " + pattern
        made = alike.get(key)
        if made is None:
            made = alike[key] = use._replace(article=article, long=long, words=count, unknown=unknown, marked=marked)
        return pattern, made
