"""What may be glued to a name in six languages, and what is another word."""

from __future__ import annotations

import pytest
from engine import article, compiled, named

from monitor.match import Matcher
from monitor.model import LANGUAGES
from monitor.text import words
from monitor.text.affixes import affixes, all_prefixes

NAMES = """\
entities:
  iraq:
    kind: state
    name: Iraq
    names: {en: [Iraq], tr: [Irak], ar: [العراق], ku: [Iraq], ckb: [عێراق], fa: [عراق]}
  kurdistan:
    kind: place
    name: Kurdistan
    names: {tr: [Kürdistan], ar: [كردستان], ku: [Kurdistan], ckb: [کوردستان], fa: [کردستان]}
  erbil:
    kind: place
    name: Erbil
    names: {ar: [أربيل], ckb: [هەولێر]}
  pkk:
    kind: armed-group
    name: PKK
    names: {en: [PKK], tr: [PKK], ku: [PKK], ckb: [پەکەکە]}
  pmf:
    kind: armed-group
    name: Popular Mobilization Forces
    names: {ar: [الحشد الشعبي]}
  hizbullah:
    kind: armed-group
    name: Kataib Hizbullah
    names: {ar: [كتائب حزب الله, حزب الله], tr: [Hizbullah Tugayları]}
  deal:
    kind: agreement
    name: Sinjar Agreement
    names: {tr: [Sincar Anlaşması], ku: [Rêkeftina Şingal]}
  embassy:
    kind: facility
    name: Embassy
    names: {tr: [Bağdat Büyükelçiliği], fa: [پایگاه هوایی]}
  twin:
    kind: person
    name: Twin
    names: {ar: [توم]}
"""


@pytest.fixture(scope="module")
def names() -> Matcher:
    """The names above, compiled once."""
    return compiled(NAMES)


@pytest.mark.parametrize(
    ("lang", "text", "letters"),
    [
        # English: after an apostrophe only
        ("en", "Iraq's oil", "Iraq"),
        ("en", "Iraq’s oil", "Iraq"),
        ("en", "PKK's men", "PKK"),
        ("en", "the Popular Mobilization Forces' men", "Popular Mobilization Forces"),
        # Turkish: glued or after an apostrophe, in chains
        ("tr", "Irak'ın petrolü", "Irak"),
        ("tr", "IRAK’TAN GELEN", "IRAK"),
        ("tr", "Irakın petrolü", "Irak"),
        ("tr", "Erbil'dekilerin sesi", "Erbil"),
        ("tr", "PKK'nın kampı", "PKK"),
        ("tr", "PKK'lılar ve PKK’ya", "PKK"),
        ("tr", "PKKya", "PKK"),
        ("tr", "Sincar Anlaşması'nın", "Sincar Anlaşması"),
        ("tr", "Sincar Anlaşmasının", "Sincar Anlaşması"),
        ("tr", "Bağdat Büyükelçiliğine", "Bağdat Büyükelçiliği"),
        ("tr", "Kürdistan'daydı", "Kürdistan"),
        # Arabic: proclitics, the article, its alef lost after ل
        ("ar", "وكتائب حزب الله", "كتائب حزب الله"),
        ("ar", "بأربيل", "أربيل"),
        ("ar", "ولأربيل", "أربيل"),
        ("ar", "والعراق", "العراق"),
        ("ar", "بالعراق", "العراق"),
        ("ar", "للعراق", "عراق"),
        ("ar", "وللعراق", "عراق"),
        ("ar", "للحشد الشعبي", "حشد الشعبي"),
        ("ar", "كحزب الله", "حزب الله"),
        ("ar", "وبالعراق", "العراق"),
        # Kurmanji: oblique, ezafe, postpositions
        ("ku", "li Kurdistanê", "Kurdistan"),
        ("ku", "Kurdistana Iraqê", "Kurdistan"),
        ("ku", "li Kurdistanêda", "Kurdistan"),
        ("ku", "PKKê got", "PKK"),
        ("ku", "PKK'ê got", "PKK"),
        ("ku", "Rêkeftina Şingalê", "Rêkeftina Şingal"),
        # Sorani
        ("ckb", "لە عێراقدا", "عێراق"),
        ("ckb", "هەولێرەوە", "هەولێر"),
        ("ckb", "کوردستانی", "کوردستان"),
        ("ckb", "عێراقیش", "عێراق"),
        ("ckb", "پەکەکەیە", "پەکەکە"),
        # Persian: plural, with or without the joiner
        ("fa", "پایگاه هوایی‌ها", "پایگاه هوایی"),
        ("fa", "پایگاه هواییها", "پایگاه هوایی"),
        # the affixes of the name's own language count in any text
        ("en", "the PKK'nın camp", "PKK"),
        ("en", "in Irak'ta, they say", "Irak"),
        # the number of a footnote is no letter
        ("en", "in Iraq21 and", "Iraq"),
        ("en", "in Iraq²¹ and", "Iraq"),
    ],
)
def test_taken(names: Matcher, lang: str, text: str, letters: str) -> None:
    """A name with the affixes of its language is found, and only its own letters are marked."""
    assert letters in [found for _, found in named(names, text, lang)]


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "Iraqi oil"),
        ("en", "the PKKs"),
        ("tr", "Iraklı gazeteci"),
        ("tr", "PKKlı"),
        ("ku", "Iraqî"),
        ("ar", "عراقية"),
        ("ar", "العراقي"),
        ("ar", "كتوم"),
        ("ar", "وتوم"),
        ("ckb", "عێراقچی"),
        ("fa", "عراقی"),
        ("en", "Erbils"),
        ("en", "preErbil"),
        ("en", "21Iraq"),
        ("ar", "سأربيل"),
    ],
)
def test_another_word(names: Matcher, lang: str, text: str) -> None:
    """Letters that make another word of it (Iraqî, عراقية, a surname) are no affix; short stems take none."""
    assert named(names, text, lang) == []


def test_every_row_is_folded() -> None:
    """Every affix of the data is one folded word, so that it can meet folded text."""
    for lang in LANGUAGES:
        known = affixes(lang)
        forms = {*known.prefixes, *known.article, *known.long_prefixes, *known.apostrophe}
        assert all(b" " not in form for form in forms), lang
        assert b" " not in known.parted_chain.pattern, lang


def test_unknown_language_has_none() -> None:
    """A language that nobody described glues nothing to a name."""
    assert not affixes("xx").takes_suffix(ord("l"), words("in")[0], apostrophe=True)
    assert not affixes("").takes_prefix(words("و")[0], article=False, long=True)


def test_prefixes_for_the_index() -> None:
    """The index is asked for every prefix of every language."""
    assert set(words("و وال لل كال")) <= set(all_prefixes())


def test_chain_takes_one_of_a_slot() -> None:
    """A chain goes forward through the slots: Erbil'den-de is none."""
    turkish = affixes("tr")
    assert not turkish.takes_suffix(ord("l"), b"delerin", apostrophe=False)
    assert turkish.takes_suffix(ord("l"), b"lerinde", apostrophe=False)
    assert turkish.takes_suffix(ord("l"), b"deki", apostrophe=False)
    assert not turkish.takes_suffix(ord("l"), b"dedeki", apostrophe=False)


def test_language_of_article_counts() -> None:
    """A term of a query takes the affixes of the article's language, and of no other."""
    matcher = compiled("rules:\n  r: {title: R, level: normal, query: Kandil}\n")
    turkish, english = matcher.match([article("Kandildeki kamp", lang="tr"), article("Kandildeki", lang="en")])
    assert [h.rule for h in turkish.hits] == ["r"]
    assert english.hits == ()


@pytest.mark.parametrize(
    ("lang", "name"),
    [
        ("fa", "الکساندر لاورنتیف"),
        ("fa", "القاعده عراق"),
        ("fa", "آلینا رومانوفسکی"),
        ("ckb", "ئاڵوگۆڕی بازرگانی"),
        ("ar", "القاعدة في العراق"),
    ],
)
def test_names_that_begin_like_the_article(lang: str, name: str) -> None:
    """A name whose first letters fold to the Arabic article is found in its own language, article or not."""
    matcher = compiled(f"entities:\n  x: {{kind: person, name: Zzyzx, names: {{{lang}: [{name}]}}}}\n")
    assert named(matcher, name, lang) == [("x", name)]


APART = """\
entities:
  sulaymaniyah: {kind: place, name: Sulaymaniyah, names: {ckb: [سلێمانی]}}
  soleimani: {kind: person, name: Qasem Soleimani, names: {fa: [سلیمانی]}}
  kurds: {kind: place, name: Kurds, names: {tr: [Kürt]}}
  base: {kind: base, name: Base, names: {tr: [üs]}}
  us: {kind: state, name: United States, names: {en: [US]}}
  shia: {kind: party, name: Shia, names: {tr: [Şiya]}}
"""


@pytest.mark.parametrize(
    ("lang", "text", "found"),
    [
        ("ckb", "لە سلێمانی", ["sulaymaniyah"]),
        ("ckb", "لە سلێمانییەوە", ["sulaymaniyah"]),
        ("fa", "سلیمانی", ["soleimani"]),
        ("ar", "سليماني", ["soleimani"]),
        ("tr", "Kürtlerin", ["kurds"]),
        ("tr", "KÜRT", ["kurds"]),
        ("tr", "Ku\u0308rtler", ["kurds"]),
        ("tr", "kurtla kuzu", []),
        ("en", "Kurt Cobain", []),
        ("en", "US forces and U.S. bases", ["us", "us"]),
        ("tr", "yeni bir üs", ["base"]),
        ("tr", "YENİ ÜS", ["base"]),
        ("tr", "siyasi", []),
        ("tr", "Şiyalar", ["shia"]),
    ],
)
def test_exceptions_of_folding(lang: str, text: str, found: list[str]) -> None:
    """Two words that fold alike are told apart by the letter in which they differ; all other letters stay free."""
    assert [name for name, _ in named(compiled(APART), text, lang)] == found


PAGES = """\
entities:
  iraq: {kind: state, name: Iraq}
  haq: {kind: armed-group, name: Asaib Ahl al-Haq}
  hizbullah: {kind: armed-group, name: Kataib Hizbullah, names: {ar: [كتائب حزب الله]}}
  f16: {kind: weapon, name: F-16, names: {ar: [إف-16]}}
  qf: {kind: armed-group, name: QF}
  sinjar: {kind: place, name: Sinjar}
"""


@pytest.mark.parametrize(
    ("lang", "text", "found"),
    [
        ("en", "Irag's army", ["Irag"]),
        ("en", "Ahl al-Hag and Asaib Ahl al-Hag", ["Asaib Ahl al-Hag"]),
        ("ar", "وكتائب حزبالله", ["كتائب حزبالله"]),
        ("fa", "کتائب\u200cحزب\u200cالله", ["کتائب\u200cحزب\u200cالله"]),
        ("en", "an F16, an F 16", ["F16", "F 16"]),
        ("ar", "إف١٦", ["إف١٦"]),
        ("en", "GF", []),
        ("en", "Irаq", ["Irаq"]),
        ("en", "in Sin-\njar's north", ["Sin-\njar"]),
        ("en", "Sin-\njaristan", []),
        ("en", "sin - jar", []),
    ],
)
def test_faults_of_pages(lang: str, text: str, found: list[str]) -> None:
    """A name is found in what scanning, converting and typing make of it, and its letters are those of the page."""
    assert [letters for _, letters in named(compiled(PAGES), text, lang)] == found
