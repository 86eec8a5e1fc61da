"""The names of entities as what is looked for.

They follow from an entity's own lines and from nothing else: so they may be made by another process, or be taken from
what was made before, and are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from monitor.beside import nothing
from monitor.match.sounds import Sounding, Sounds
from monitor.match.vocabulary import Form, Leaf, Use, Vocabulary, abbreviated
from monitor.text.spellings import BARE, SHOUTED, spellings
from monitor.watchlists import Entity

Heard = Mapping[bytes, Sequence[Sounding]]
"""Patterns of consonants with the names that they may stand for."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The names of some entities, made by somebody else."""

    vocabulary: Vocabulary
    made_of: Mapping[str, str]
    """Entity id -> what `made_of` says of the entity."""
    heard: Callable[[Mapping[int, int]], Heard]
    """Their sounds where the entities have other leaves (number here -> number there); of no other entity."""

    def forms(self, leaf: Leaf) -> Sequence[Form]:
        """How what a leaf stands for may be written."""
        number = self.vocabulary.find(leaf.kind, leaf.name, leaf.number)
        return self.vocabulary.forms[number] if number is not None else ()


def made(entities: Sequence[Entity]) -> tuple[Vocabulary, Sounds]:
    """The names of entities by themselves, for somebody else; no two of them may have one id."""
    vocabulary = Vocabulary()
    with vocabulary.folding(text for entity in entities for text in texts(entity)):
        leaves = [add(entity, vocabulary).full for entity in entities]
    return vocabulary, Sounds(spelt(zip(leaves, entities, strict=True)))


class Ready:
    """Names that need not be made again: of what was compiled before, or what somebody else is just making.

    It lasts no longer than the entities that it is asked for.
    """

    def __init__(self, before: Names | None = None) -> None:
        self._names = dict.fromkeys(before.made_of.values(), before) if before else {}
        self._made_of: dict[int, str] = {}
        self._awaited = frozenset[str]()
        self._answer: Callable[[], Names | None] = nothing

    def wait_for(self, entities: Iterable[Entity], answer: Callable[[], Names | None]) -> None:
        """Wait for `answer` when one of these entities is asked for; without one they are made here."""
        self._awaited, self._answer = frozenset(map(self._key, entities)), answer

    def of(self, entity: Entity) -> Names | None:
        """The names that hold those of an entity."""
        key = self._key(entity)
        if key in self._awaited:
            self._collect()
        return self._names.get(key)

    def lacks(self, entities: Iterable[Entity]) -> list[Entity]:
        """Those that are not ready, or on their way."""
        return [e for e in entities if (key := self._key(e)) not in self._names and key not in self._awaited]

    def _key(self, entity: Entity) -> str:
        key = self._made_of.get(id(entity))
        if key is None:
            key = self._made_of[id(entity)] = made_of(entity)
        return key

    def _collect(self) -> None:
        self._awaited = frozenset()
        with suppress(ValueError, TypeError, LookupError):
            if names := self._answer():
                self._names |= dict.fromkeys(names.made_of.values(), names)


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaves of an entity."""

    full: int
    short: tuple[int, ...]
    mask: int | None


def add(entity: Entity, vocabulary: Vocabulary, names: Names | None = None, *, short: bool = True) -> Leaves:
    """Look for the names of an entity, in full and short, and for what masks them; `names` may hold them already."""
    full = vocabulary.leaf("entity", entity.id)
    shorts = [vocabulary.leaf("short", entity.id, place) for place in range(len(entity.short) if short else 0)]
    mask = vocabulary.leaf("mask", entity.id) if entity.mask else None
    if names:
        for leaf in (full, *shorts, *([] if mask is None else [mask])):
            vocabulary.take(leaf, names.forms(vocabulary.leaves[leaf]))
        return Leaves(full, tuple(shorts), mask)
    for lang, spelling in _spellings(entity):
        use = Use(leaf=full, lang=lang, capitals=abbreviated(spelling))
        vocabulary.add(spelling, use)
        _add_others(spelling, use, entity.kind, vocabulary)
    for leaf, one in zip(shorts, entity.short, strict=False):
        use = Use(leaf=leaf, lang=one.lang, exact=one.text if one.case else "")
        vocabulary.add(one.text, use)
        if not one.case:
            _add_others(one.text, use, entity.kind, vocabulary)
    if mask is not None:
        for longer in entity.mask:
            vocabulary.add(longer.text, Use(leaf=mask, lang=longer.lang))
    return Leaves(full, tuple(shorts), mask)


def _add_others(spelling: str, use: Use, kind: str, vocabulary: Vocabulary) -> None:
    """The spellings that follow from a listed one, in full or short, with what their first word asks for."""
    name = vocabulary.words(spelling)
    for other in spellings(name, use.lang, kind):
        capitals = use.capitals if other[0] == name[0] else other[0] in SHOUTED
        close = other[0] in BARE
        same = capitals == use.capitals and not close
        vocabulary.add_words(other, use if same else use._replace(capitals=capitals, close=close))


def heard(owners: Mapping[int, Entity], ready: Ready | None = None) -> Sounds:
    """The names of these entities, by the number of their leaf, that are found by ear."""
    new: dict[int, Entity] = {}
    known: dict[Names, dict[int, int]] = defaultdict(dict)
    for leaf, entity in owners.items():
        names = ready.of(entity) if ready else None
        number = names.vocabulary.find("entity", entity.id) if names else None
        if names is None or number is None:
            new[leaf] = entity
        else:
            known[names][number] = leaf
    others: list[Heard] = []
    for names, leaves in known.items():
        try:
            others.append(names.heard(leaves))
        except (ValueError, TypeError, LookupError):
            new |= {leaf: owners[leaf] for leaf in leaves.values()}
    made = Sounds(spelt(new.items()))
    return _together([made.meanings, *others]) if others else made


def _together(parts: Iterable[Heard]) -> Sounds:
    found: dict[bytes, list[Sounding]] = {}
    for part in parts:
        for pattern, rows in part.items():
            known = found.get(pattern)
            if known is None:
                found[pattern] = [*rows]
            else:
                known += rows
    return Sounds.of(found)


def spelt(owners: Iterable[tuple[int, Entity]]) -> Iterator[tuple[int, str, str]]:
    """(leaf, language, spelling) of every full name of these."""
    return ((leaf, lang, text) for leaf, entity in owners for lang, text in _spellings(entity))


def _spellings(entity: Entity) -> list[tuple[str, str]]:
    """(language, spelling) of every full name of an entity."""
    return [("en", entity.name), *((name.lang, name.text) for name in entity.names)]


def texts(entity: Entity) -> Iterator[str]:
    """Whatever of an entity is looked for, but for the company of its short names."""
    yield entity.name
    yield from (name.text for name in (*entity.names, *entity.mask))
    yield from (short.text for short in entity.short)


def made_of(entity: Entity) -> str:
    """32 hex digits of all that its names follow from."""
    names = [(name.lang, name.text) for name in (*entity.names, *entity.mask)]
    short = [(one.lang, one.text, one.case) for one in entity.short]
    told = repr((entity.id, entity.kind, entity.name, len(entity.mask), names, short))
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
