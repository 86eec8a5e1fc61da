"""Which of six languages a text is in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import LANGUAGES
from monitor.text.language import language, normal


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "Drones struck the base in the west of Iraq on Sunday"),
        ("tr", "Bağdat'ta dün akşam bir saldırı oldu ve iki kişi yaralandı"),
        ("tr", "TÜRKİYE VE IRAK ANLAŞTI"),
        ("ku", "Li Hewlêrê civîneke nû hat lidarxistin û biryar hat dayîn"),
        ("ar", "سقوط صاروخ على قاعدة في غرب العراق بعد منتصف الليل"),
        ("ckb", "لە هەولێر کۆبوونەوەیەک بەڕێوەچوو و بڕیار درا"),
        ("fa", "حمله پهپادی به پایگاه در غرب عراق انجام شد"),
    ],
)
def test_six_languages(lang: str, text: str) -> None:
    """A sentence tells its language by letters and small words, as title and as text."""
    assert language(text, "") == lang
    assert language("", text) == lang


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_feed_breaks_ties(lang: str) -> None:
    """A name alone is in the language of its feed, if the feed's language is written in these letters."""
    same_script = lang in {"en", "tr", "ku"}
    assert (language("PKK Erbil", "", prior=lang) == lang) == same_script
    assert (language("اربيل", "", prior=lang) == lang) == (lang in {"ar", "ckb", "fa"} or language("اربيل", "") == lang)


def test_the_text_overrules_the_feed() -> None:
    """A feed that declares one language and writes another is not believed."""
    assert language("Drones struck the base in the west of Iraq and it was said", "", prior="tr") == "en"
    assert language("لە هەولێر کۆبوونەوەیەک بەڕێوەچوو", "", prior="ar") == "ckb"


def test_no_letters() -> None:
    """Without any letter the feed's language counts, and English where none is known."""
    assert language("2026", "", prior="ar") == "ar"
    assert language("", "") == "en"


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        *(("en", "en"), ("EN_us", "en"), (" tr-TR ", "tr"), ("kmr", "ku"), ("ku", "ku"), ("ku-Arab", "ckb")),
        *(
            ("ckb-IQ", "ckb"),
            ("kur", "ckb"),
            ("per", "fa"),
            ("fas", "fa"),
            ("ara", "ar"),
            ("de", ""),
            ("", ""),
            ("x", ""),
        ),
    ],
)
def test_codes(code: str, ours: str) -> None:
    """Codes of all standards become ours; one that is not among the six becomes nothing."""
    assert normal(code) == ours


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from((*LANGUAGES, "")))
def test_always_one_of_six(title: str, text: str, prior: str) -> None:
    """Whatever the letters, the answer is one of the six."""
    assert language(title, text, prior) in LANGUAGES
