"""Which of the six languages a text is in: letters and small words decide, the feed's own language breaks ties."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from importlib import resources

from monitor.model import LANGUAGES

_DATA = tomllib.loads(resources.files(__package__).joinpath("data/languages.toml").read_text(encoding="utf-8"))
_LETTERS: dict[str, frozenset[str]] = {lang: frozenset(rows["letters"]) for lang, rows in _DATA.items()}
_WORDS: dict[str, frozenset[str]] = {lang: frozenset(rows["words"].split()) for lang, rows in _DATA.items()}
_ARABIC_SCRIPT = ("ar", "ckb", "fa")
_LATIN_SCRIPT = ("en", "tr", "ku")
_ARABIC = re.compile(r"[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_PRIOR = 1.5
"""What the feed's own language weighs: more than one small word, less than two."""
_READ = 2_000
"""Code points that are looked at; more does not change the answer."""


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
    sample = f"{title}\n{text[:_READ]}"
    arabic, latin = len(_ARABIC.findall(sample)), len(_LATIN.findall(sample))
    if not arabic and not latin:
        return prior or "en"
    group = _ARABIC_SCRIPT if arabic >= latin else _LATIN_SCRIPT
    scores = _scores(sample, group)
    if prior in scores:
        scores[prior] += _PRIOR
    return max(scores, key=lambda lang: (scores[lang], lang == prior))


def _scores(sample: str, group: tuple[str, ...]) -> dict[str, float]:
    letters = Counter(sample.replace("I", "").casefold() if group is _LATIN_SCRIPT else sample)
    found = Counter(re.findall(r"[^\W\d_]+", sample.replace("İ", "i").lower()))
    return {
        lang: float(sum(letters[c] for c in _LETTERS[lang]) + sum(found[w] for w in _WORDS[lang])) for lang in group
    }
