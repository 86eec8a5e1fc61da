"""Words too common to be a name alone. The lists and their reasons stand in data/common.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from monitor.model import LANGUAGES
from monitor.text.fold import words

_ARTICLE = "ال"


def is_common(name: Sequence[bytes]) -> bool:
    """Tell whether folded words are no more than one common word of any language.

    Small words around it change nothing: "the army" is as common as "army".
    """
    small, common = _lists()
    if len(name) > 2 and name[0] not in small and name[1] not in small:  # most names
        return False
    rest = [word for word in name if word not in small]
    return bool(name) and len(rest) <= 1 and common.issuperset(rest)


@cache
def _lists() -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The small words, and those with a meaning of their own; folded."""
    listed, languages = _read("common"), _read("languages")
    small = " ".join(languages[lang]["words"] for lang in LANGUAGES)
    common = [word for lang in LANGUAGES for line in listed[lang].values() for word in line.split()]
    common += [_ARTICLE + word for line in listed["ar"].values() for word in line.split()]
    return frozenset(words(small)).difference(words(listed["kept"])), frozenset(words(" ".join(common)))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(f"data/{name}.toml").read_text(encoding="utf-8"))
