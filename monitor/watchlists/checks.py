"""Checks that watchlists, feeds and desks share: slugs, languages, levels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from monitor._yaml import Node, Reader, Text, did_you_mean
from monitor.model import LANGUAGES, LEVELS, Level
from monitor.text import words

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
MAX_SLUG = 64


def findable(text: str) -> bool:
    """Tell whether folding leaves something of a text: of ⁰⁴⁵, which looks like a footnote, it leaves nothing."""
    return any(letter.isalpha() or letter.isdecimal() for letter in text) or bool(words(text))


def is_slug(word: str) -> bool:
    """Tell whether a word is an id: a-z, 0-9 and single hyphens, at most 64 letters."""
    return len(word) <= MAX_SLUG and _SLUG.fullmatch(word) is not None


def slugged(text: str) -> str:
    """Return the nearest slug; empty when the text has no Latin letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_SLUG].rstrip("-")


def slug(reader: Reader, node: Text, what: str) -> str:
    """Return an id as written; a problem with a suggestion when it is none."""
    value = node.value.strip()
    if not is_slug(value):
        near = slugged(value)
        hint = f"Write `{near}`." if near else "Use a-z, 0-9 and hyphens, such as `ain-al-asad`."
        reader.complain(node, f"`{value[:60]}` is no {what}.", hint)
    return value


def slugs(
    reader: Reader, node: Node | None, what: str, *, single: bool = False, empty: bool = False
) -> tuple[Text, ...]:
    """Return a list of ids."""
    found = reader.texts(node, f"`{what}`", single=single, empty=empty)
    return tuple(text for text in found if slug(reader, text, "id"))


def language(reader: Reader, node: Text | None, what: str = "language") -> str:
    """Return one of the six codes (kmr is read as ku), or an empty string."""
    if node is None:
        return ""
    value = node.value.strip()
    value = "ku" if value == "kmr" else value
    if value in LANGUAGES:
        return value
    reader.complain(node, f"`{value[:60]}` is no {what}.", one_of(value, LANGUAGES))
    return ""


def level(reader: Reader, node: Node | None) -> Level | None:
    """Return a level, or None where it is missing or a problem."""
    return cast("Level | None", reader.choice(node, "level", LEVELS) or None)


def one_of(value: str, options: Iterable[str]) -> str:
    """Return a hint: the closest option, or all of them."""
    options = tuple(options)
    return did_you_mean(value, options) or f"It is one of {', '.join(options)}."
