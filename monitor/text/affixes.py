"""What may be glued to a name: closed lists per language, read from data/affixes/*.toml and checked around a candidate.

Nothing is guessed: "Kurdistanê" is Kurdistan because ê stands in ku.toml, "Iraqî" is not Iraq because î does not.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from monitor.model import LANGUAGES
from monitor.text.fold import words
from monitor.text.letters import CODES

LEAST_LETTERS = 4
"""Shorter stems take no glued affix unless they have two words (TEXT.md): كتوم is not توم with a prefix."""

_VOWELS = frozenset(CODES[c] for c in "اوهي")


@dataclass(frozen=True, slots=True)
class Affixes:
    """The affixes of one language, as folded bytes."""

    prefixes: frozenset[bytes] = frozenset()
    """Before a first word without the Arabic article."""
    article: frozenset[bytes] = frozenset()
    """The same with the article in it."""
    long_prefixes: frozenset[bytes] = frozenset()
    """Only before names of two words or more."""
    slots: tuple[frozenset[bytes], ...] = ()
    """A suffix is a chain of at most one form per slot, in this order."""
    parted_slots: tuple[frozenset[bytes], ...] = ()
    """The same after an apostrophe, where some more endings leave the name what it is."""
    apostrophe: frozenset[bytes] = frozenset()
    """Only after an apostrophe; every other suffix may follow one too."""
    after_vowel: frozenset[bytes] = frozenset()
    """Suffixes that a stem takes only when it ends in a vowel."""

    def takes_prefix(self, prefix: bytes, *, article: bool, long: bool) -> bool:
        """Whether these letters may stand before a stem; `article`: the name is listed with the Arabic article."""
        if prefix in self.article:
            return True
        return not article and (prefix in self.prefixes or (long and prefix in self.long_prefixes))

    def takes_suffix(self, stem_end: int, suffix: bytes, *, apostrophe: bool) -> bool:
        """Whether these letters may follow a stem whose last folded letter is `stem_end`."""
        if apostrophe and (suffix in self.apostrophe or _is_chain(self.parted_slots, suffix)):
            return True
        return _is_chain(self.slots, suffix) and (suffix not in self.after_vowel or stem_end in _VOWELS)


@cache
def affixes(lang: str) -> Affixes:
    """The affixes of a language; an unknown one has none."""
    try:
        raw = tomllib.loads(resources.files(__package__).joinpath(f"data/affixes/{lang}.toml").read_text("utf-8"))
    except FileNotFoundError:
        return Affixes()
    slots = raw.get("slot", [])
    return Affixes(
        prefixes=_rows(raw.get("prefixes", [])),
        article=_rows(raw.get("article", [])),
        long_prefixes=_rows(raw.get("long_prefixes", [])),
        slots=tuple(_rows(slot["rows"]) for slot in slots if not slot.get("apostrophe")),
        parted_slots=tuple(_rows(slot["rows"]) for slot in slots),
        apostrophe=_rows(raw.get("apostrophe", [])),
        after_vowel=frozenset(w for slot in slots for w in words(slot.get("after_vowel", ""))),
    )


@cache
def all_prefixes() -> tuple[bytes, ...]:
    """Every prefix of every language: what an index has to be asked for beside the bare word."""
    found = map(affixes, LANGUAGES)
    return tuple(sorted(set().union(*(a.prefixes | a.article | a.long_prefixes for a in found))))


@lru_cache(maxsize=262_144)
def some_language_takes(stem_end: int, suffix: bytes) -> bool:
    """Whether these letters may follow a stem in any language: most do not, and then none need be asked for."""
    return any(
        affixes(lang).takes_suffix(stem_end, suffix, apostrophe=apostrophe)
        for lang in LANGUAGES
        for apostrophe in (False, True)
    )


def _rows(rows: list[Any]) -> frozenset[bytes]:
    """Rows of ["forms parted by spaces", "example"] as folded forms; a form may be empty."""
    return frozenset(form for forms, _ in rows for form in (words(forms) or [b""]))


@lru_cache(maxsize=65_536)
def _is_chain(slots: tuple[frozenset[bytes], ...], suffix: bytes) -> bool:
    """Whether the suffix is a chain; Turkish alone has 53,000 of them, so they are tried and not listed."""
    return any(
        suffix == form or (suffix.startswith(form) and _is_chain(slots[place + 1 :], suffix[len(form) :]))
        for place, slot in enumerate(slots)
        for form in slot
        if form
    )
