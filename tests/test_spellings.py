"""Spellings that follow from a listed name: words that stand for each other, words that change places."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from engine import compiled, named

from monitor.text import shown, words
from monitor.text.spellings import LEAST_REST, spellings

DATA = tomllib.loads(resources.files("monitor.text").joinpath("data/spellings.toml").read_text(encoding="utf-8"))
ROWS = [row for rows in DATA.values() for row in rows]


def written(name: str, lang: str, kind: str) -> list[str]:
    """The other spellings of a name, as folded letters."""
    return [shown(b" ".join(other)) for other in spellings(tuple(words(name)), lang, kind)]


@pytest.mark.parametrize(
    ("name", "lang", "kind", "other"),
    [
        ("National Intelligence Organization", "en", "agency", "national intelligence organisation"),
        ("Hezbollah Brigades", "en", "armed-group", "hezbollah battalions"),
        ("Kata'ib Hezbollah", "en", "armed-group", "hezbollah brigades"),
        ("Harakat al-Nujaba", "en", "armed-group", "nujaba movement"),
        ("Balad Air Base", "en", "base", "balad airbase"),
        ("Iraqi Ministry of Defense", "en", "state-organ", "iraqi defence ministry"),
        ("Iraqi parliament", "en", "state-organ", "parliament of iraq"),
        ("Kenneth F. McKenzie Jr.", "en", "person", "kenneth mckenzie"),
        ("Kurdistan Workers' Party", "en", "armed-group", "workers party of kurdistan"),
        ("Patriotic Union of Kurdistan", "en", "party", "kurdistan patriotic union"),
        ("US Central Command", "en", "state-organ", "united states central command"),
        ("یەکێتیی نیشتمانیی کوردستان", "ckb", "party", "يهكيتي نيشتماني كوردستان"),
        ("Erbil Havalimanı", "tr", "facility", "erbil uluslararasi havaalani"),
        ("Turkey-Iraq security agreement", "en", "agreement", "iraqi turkish security agreement"),
        (
            "International Conference for the Reconstruction",
            "en",
            "mechanism",
            "international conference for reconstruction",
        ),
        ("Neteweyên Yekbûyî", "ku", "organisation", "neteweyen yekgirti"),
        ("Wezareta Parastinê ya Iraqê", "ku", "state-organ", "wezareta berevaniye ya iraqe"),
        ("Fermandariya Navendî ya Amerîkayê", "ku", "state-organ", "fermandariya navendi ya dyaye"),
        ("Zilkan camp", "en", "base", "camp zilkan"),
        ("Kuzey Atlantik Antlaşması Örgütü", "tr", "organisation", "kuzey atlantik anlasmasi teskilati"),
        ("Merkezi Haberalma Teşkilatı", "tr", "state-organ", "merkezi haber alma teskilati"),
        ("Qesra Spî", "ku", "state-organ", "qesra sipi"),
        ("Balyozxaneya Amerîkayê li Bexdayê", "ku", "facility", "sefareta amerikaye li bexdaye"),
        ("al-Sistani", "en", "person", "el sistani"),
        ("مصطفی الکاظمی", "fa", "person", "مصطفا الكاظمي"),
        ("شبکه القاعده", "fa", "armed-group", "شبكهي القاعده"),
        ("حزب دموکرات کردستان عراق", "fa", "party", "حزب دمكرات كردستان عراق"),
        ("هاوپەیمانیی دەوڵەتی یاسا", "ckb", "party", "كوتلهي دهولهتي ياسا"),
        ("قوات سوريا الديمقراطية", "ar", "armed-group", "قوات سوريا الديموقراطيه"),
        ("Rusya Genelkurmay Başkanlığı", "tr", "state-organ", "rusya federasyonu genelkurmay baskanligi"),
        ("توافق امنیتی عراق و ترکیه", "fa", "agreement", "توافق امنيتي تركيه و عراق"),
        ("Iraqi parliament", "en", "state-organ", "iraq parliament"),
        ("Iraq Oil Ministry", "en", "state-organ", "iraqi oil ministry"),
        ("Turkish Ministry of Defence", "en", "state-organ", "turkiye ministry of defence"),
        ("اتحادیه میهنی کردستان", "fa", "party", "اتحاديهي ميهني كردستان"),
        ("خروج آمریکا از عراق در سال ۲۰۱۱", "fa", "operation", "خروج امريكا از عراق در 2011"),
    ],
)
def test_other_spelling(name: str, lang: str, kind: str, other: str) -> None:
    """A listed name brings the spellings that its words allow."""
    assert other in written(name, lang, kind)


@pytest.mark.parametrize(
    ("name", "lang", "kind"),
    [
        ("Center", "en", "outlet"),
        ("US", "en", "state"),
        ("Air Base", "en", "base"),
        ("US 1", "en", "state-organ"),
        ("Hezbollah Brigades", "en", "outlet"),
        ("Iraqi List", "en", "event"),
        ("Qais al-Khazali", "ar", "event"),
    ],
)
def test_no_other_spelling(name: str, lang: str, kind: str) -> None:
    """Where nothing of a name would stay, or its kind is another, it has no spelling but its own."""
    assert written(name, lang, kind) == []


def test_spellings_never_hold_the_name_itself_and_never_explode() -> None:
    """However many words of a name may change, the spellings are few, different, and none is the name."""
    name = "Iraqi Ministry of Defense Center Organization Cooperation Mobilization Shia Airport"
    found = written(name, "en", "state-organ")
    assert len(found) == len(set(found)) == 40
    assert name.casefold() not in found


def test_longer_word_goes_first() -> None:
    """The base of an air base is no word of its own."""
    assert not [s for s in written("Balad Air Base", "en", "base") if "air air" in s or "air camp" in s]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["example"][:40])
def test_every_row_has_an_example(row: dict[str, str]) -> None:
    """Each row of the data shows a pair of real spellings."""
    assert " / " in row["example"]


def test_found_in_text() -> None:
    """A spelling that follows from a listed name is a mention, with capitals where small letters are another word."""
    matcher = compiled("entities:\n  forces: {kind: armed-group, name: American forces in Iraq}\n")
    assert named(matcher, "The US forces in Iraq left.") == [("forces", "US forces in Iraq")]
    assert named(matcher, "He told us forces in Iraq left.") == []


def test_a_bare_country_belongs_to_the_next_word_where_no_sign_parts_them() -> None:
    """Iraq parliament is the Iraqi parliament, but not where a sentence or a list ends between the two."""
    matcher = compiled("entities:\n  organ: {kind: state-organ, name: Iraqi parliament}\n")
    assert named(matcher, "The Iraq parliament met.") == [("organ", "Iraq parliament")]
    for text in ("He was in Iraq. Parliament met.", "of Iraq, parliament and army", "from Iraq\nParliament met"):
        assert named(matcher, text) == []


def test_a_short_name_has_other_spellings_but_for_one_in_its_very_letters() -> None:
    """With its company it is found as it is listed, and as its words allow."""
    matcher = compiled(
        "entities:\n"
        "  pmf: {kind: armed-group, name: Hashd, short: [{say: Popular Mobilization, lang: en, with: [Iraq]}]}\n"
        "  gov: {kind: armed-group, name: Gov, short: [{say: National Center, lang: en, with: [Iraq], case: exact}]}\n"
    )
    assert named(matcher, "Popular Mobilisation in Iraq, National Centre") == [("pmf", "Popular Mobilisation")]
    assert named(matcher, "National Center of Iraq") == [("gov", "National Center")]


def test_what_follows_from_a_short_name_asks_for_the_same_as_from_a_full_one() -> None:
    """US only in capitals, and a bare country only where no sign parts it from the next word."""
    matcher = compiled(
        "entities:\n"
        "  forces:\n"
        "    {kind: armed-group, name: Coalition, short: [{say: American forces, lang: en, with: [Erbil]}]}\n"
        "  organ:\n"
        "    {kind: state-organ, name: Assembly, short: [{say: Iraqi parliament, lang: en, with: [Erbil]}]}\n"
    )
    assert named(matcher, "The US forces in Erbil and the Iraq parliament.") == [
        ("forces", "US forces"),
        ("organ", "Iraq parliament"),
    ]
    assert named(matcher, "He told us forces in Erbil left Iraq. Parliament met.") == []


def test_rest_must_have_letters() -> None:
    """Fewer letters than these beside the word that changes make no other spelling."""
    assert len("PMF") < LEAST_REST
    assert written("PMF Center", "en", "state-organ") == []
