"""Spellings of a listed name that nobody need list: words change for others, or change places (data/spellings.toml)."""

from __future__ import annotations

import itertools
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from monitor.text.fold import words

Tokens = tuple[bytes, ...]

LEAST_REST = 4
"""Letters that a name must have beside the word that changes: "Balad" of Balad Air Base has five."""

LEAST_STEM = 4
"""Letters that remain of a word whose article is dropped."""

LEAST_ALONE = 6
"""Letters of a single word that may lose a double letter."""

_STEPS = 2
"""Changes of one name: "Turkey's Defence Ministry" is two away from "Turkish Ministry of Defense"."""

_MOST = 40
_ARTICLES = frozenset((b"al", b"el"))
_DATA: dict[str, list[dict[str, Any]]] = tomllib.loads(
    resources.files(__package__).joinpath("data/spellings.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """Words that stand for each other, the longest first."""

    kinds: frozenset[str]
    words: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Words before the rest of a name that mean the same as others before or behind it."""

    kinds: frozenset[str]
    before: tuple[Tokens, ...]
    behind: Tokens
    turned: bool
    """A head word: an article of the rest falls when it moves to the front."""


_Begun = tuple[_Row, tuple[Tokens, ...]]
"""A row, and those of its words that begin with one word."""


def _rows() -> dict[str, dict[bytes, list[_Begun]]]:
    """The rows by language and first word."""
    found: dict[str, dict[bytes, list[_Begun]]] = defaultdict(lambda: defaultdict(list))
    for data in _DATA["same"]:
        same = dict.fromkeys(tuple(words(text)) for text in data["words"])
        row = _Row(frozenset(data.get("kinds", ())), tuple(sorted(same, key=len, reverse=True)))
        for lang in data["languages"]:
            for first in dict.fromkeys(one[0] for one in same):
                found[lang][first].append((row, tuple(one for one in row.words if one[0] == first)))
    return {lang: dict(rows) for lang, rows in found.items()}


def _optional() -> dict[str, dict[bytes, frozenset[str]]]:
    """By language and word: the kinds of entity whose names may do without it."""
    found: dict[str, dict[bytes, frozenset[str]]] = defaultdict(dict)
    for row in _DATA["optional"]:
        for lang in row["languages"]:
            found[lang] |= {words(word)[0]: frozenset(row["kinds"]) for word in row["words"]}
    return dict(found)


def _frames() -> list[_Frame]:
    rows = [(row, [row["before"], row["owner"], *row.get("bare", ())], False) for row in _DATA["country"]]
    rows += [(row, [row["before"]], True) for row in _DATA["turned"]]
    return [
        _Frame(
            frozenset(row.get("kinds", ())), tuple(tuple(words(b)) for b in before), tuple(words(row["behind"])), turned
        )
        for row, before, turned in rows
    ]


_ROWS, _FRAMES = _rows(), _frames()
_COUNTRIES = frozenset(before[0] for frame in _FRAMES if not frame.turned for before in frame.before)
_OPTIONAL = _optional()
_MOVED_FIRST = frozenset(before[0] for frame in _FRAMES for before in frame.before)
_MOVED_LAST = frozenset(frame.behind[-1] for frame in _FRAMES)
"""Words one of which a name begins or ends with if anything of it moves; most names have neither."""
_DOUBLED = {
    lang: (words(row["inside"])[0], words(row["ending"])[0]) for row in _DATA["doubled"] for lang in row["languages"]
}
"""By language: the letter that is double or not anywhere, and the one that is at the end of a joined word."""
_BOUND = {
    lang: (words(row["behind"])[0], words(row["letter"])[0]) for row in _DATA["bound"] for lang in row["languages"]
}
"""By language: the end of a word that is bound to the next one, and the letter that may be written behind it."""
_ASIDE = frozenset(words(word)[0] for row in _DATA["aside"] for word in row["words"])
_GLUED = {lang: words(row["article"])[0] for row in _DATA["article"] for lang in row["languages"]}

BARE = frozenset(words(country)[0] for row in _DATA["country"] for country in row.get("bare", ()))
"""First words that belong to the next one only where no sign parts them: Iraq parliament, not "in Iraq. Parliament"."""
SHOUTED = frozenset(words(w)[0] for row in _DATA["same"] for w in row["words"] if len(w) < LEAST_STEM and w.isupper())
"""First words that are another word in small letters: US, us."""


def spellings(name: Tokens, lang: str, kind: str) -> list[Tokens]:
    """Other ways to write a folded name of an entity of this kind; none for most names, never the name itself."""
    found = {name: None}
    if len(name) == 1 and lang not in _DOUBLED:
        return []
    latest = [name]
    for _ in range(_STEPS):
        latest = [s for one in latest for s in _changed(one, lang, kind) if s not in found]
        found.update(dict.fromkeys(latest))
        if not latest or len(found) > _MOST:
            break
    if lang in _BOUND:
        found.update(dict.fromkeys(s for one in list(found) for s in _bound(one, lang)))
    if lang in _DOUBLED:
        found.update(dict.fromkeys(s for one in list(found) for s in _doubled(one, lang, kind)))
    return list(found)[1 : _MOST + 1]


@dataclass(frozen=True, slots=True, eq=False)
class _Replaced:
    """What may change in a name of one language and kind, by the words that change."""

    rows: Mapping[bytes, Sequence[_Begun]]
    missing: frozenset[bytes]
    every: frozenset[bytes]


@cache
def _replaced(lang: str, kind: str) -> _Replaced:
    rows = {
        token: [(row, begun) for row, begun in found if not row.kinds or kind in row.kinds]
        for token, found in _ROWS.get(lang, {}).items()
    }
    missing = frozenset(token for token, kinds in _OPTIONAL.get(lang, {}).items() if kind in kinds)
    return _Replaced(rows, missing, missing.union(token for token, found in rows.items() if found))


def _changed(name: Tokens, lang: str, kind: str) -> list[Tokens]:
    """One change away."""
    if len(name) < 2:
        return []
    replaced = _replaced(lang, kind)
    found = [] if replaced.every.isdisjoint(name) else _swapped(name, replaced)
    if lang == "en" and (name[0] in _MOVED_FIRST or name[-1] in _MOVED_LAST):
        found += _moved(name, kind)
    if kind == "person":
        found += _bare(name, lang)
    return found


def _swapped(name: Tokens, replaced: _Replaced) -> list[Tokens]:
    """One word stands for another, or is missing."""
    found: list[Tokens] = []
    done: list[_Row] = []
    for place, token in enumerate(name):
        if token not in replaced.every:
            continue
        for row, begun in replaced.rows.get(token, ()):
            if row in done:
                continue
            for was in begun:
                if name[place : place + len(was)] == was:
                    break
            else:
                continue
            done.append(row)  # "base" is no word of its own in "air base"
            before, behind = name[:place], name[place + len(was) :]
            if _enough((*before, *behind)):
                found += [(*before, *other, *behind) for other in row.words if other is not was]
        if token in replaced.missing and len(name) > 2:
            found.append((*name[:place], *name[place + 1 :]))
    return found


def _moved(name: Tokens, kind: str) -> Iterator[Tokens]:
    """A country or a head word stands before the rest, or behind it."""
    for frame in _FRAMES:
        if frame.kinds and kind not in frame.kinds:
            continue
        for begin in (0, 1) if frame.turned and name[0] in _COUNTRIES else (0,):
            rest = _rest(name[begin:], frame)
            if not rest or not _enough(rest):
                continue
            bare = rest[1:] if frame.turned and rest[0] in _ARTICLES else rest
            country = name[:begin]
            yield from ((*country, *before, *rest) for before in frame.before)
            yield (*country, *bare, *frame.behind)


def _rest(name: Tokens, frame: _Frame) -> Tokens:
    """What is left of a name without the words of a frame; nothing when it has none of them."""
    for before in frame.before:
        if name[: len(before)] == before:
            return name[len(before) :]
    return name[: -len(frame.behind)] if name[-len(frame.behind) :] == frame.behind else ()


def _bare(name: Tokens, lang: str) -> Iterator[Tokens]:
    """A person's name without initials and the like, or its last word without the article."""
    plain = tuple(word for word in name if word not in _ASIDE and not (lang == "en" and len(word) == 1))
    if 1 < len(plain) < len(name):
        yield plain
    article = _GLUED.get(lang)
    last = name[-1]
    if article and last.startswith(article) and len(last) >= len(article) + LEAST_STEM:
        yield (*name[:-1], last[len(article) :])


def _doubled(name: Tokens, lang: str, kind: str) -> Iterator[Tokens]:
    """Every choice between single and double letters where hands differ; none for a short word alone."""
    inside, ending = _DOUBLED[lang]
    if not _enough(name) or (len(name) == 1 and len(name[0]) < LEAST_ALONE):
        return
    joins = kind != "person"  # what joins two words is never in a name of two people's names
    choices = [[w, w.replace(inside * 2, inside)] for w in name]
    for word in (found for place, found in enumerate(choices) if joins and place < len(name) - 1):
        for one in tuple(word):
            if one.endswith(ending) and len(one) > LEAST_STEM:
                word.append(one[: -len(ending)] if one.endswith(ending * 2) else one + ending)
    if len(name) > 1 and choices[-1][0].endswith(ending * 2):
        choices[-1] += [w[: -len(ending)] for w in choices[-1]]
    yield from itertools.islice(itertools.product(*(dict.fromkeys(c) for c in choices)), _MOST)


def _bound(name: Tokens, lang: str) -> Iterator[Tokens]:
    """A letter behind words that are bound to the next one: behind one of them, or behind all."""
    ending, letter = _BOUND[lang]
    places = [n for n, word in enumerate(name[:-1]) if word.endswith(ending) and not word.endswith(ending + letter)]
    for chosen in (*([place] for place in places), places) if len(places) > 1 else (places,) if places else ():
        yield tuple([word + letter if n in chosen else word for n, word in enumerate(name)])


def _enough(rest: Sequence[bytes]) -> bool:
    return sum(map(len, rest)) >= LEAST_REST
