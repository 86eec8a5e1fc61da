"""Names found by their sound: what confirms a name, what its head words are, what the ear must not take for it."""

from __future__ import annotations

import pytest
from engine import compiled, named

from monitor.match import Matcher
from monitor.text import fold_batch, words
from monitor.text.sound import agree, skeleton

NAMES = """\
entities:
  muslih: {kind: person, name: Qasim Muslih, names: {ar: [قاسم مصلح]}}
  araji: {kind: person, name: Qasim al-Araji, names: {ar: [قاسم الأعرجي]}}
  bashiqa: {kind: base, name: Bashiqa base, names: {ar: [قاعدة بعشيقة]}}
  nujaba: {kind: armed-group, name: Harakat al-Nujaba, names: {en: [Nujaba Movement], ar: [حركة النجباء]}}
  dahuk: {kind: person, name: Shahid Dahuki, names: {ar: [شهيد دهوكي]}}
  city: {kind: place, name: Sulaymaniyah, names: {ar: [السليمانية]}}
  party: {kind: party, name: Democratic Union Party, names: {ar: [حزب الاتحاد الديمقراطي]}}
  chalabi: {kind: person, name: Jamal Chalabi, names: {fa: [جمال چلبی]}}
  hashd: {kind: armed-group, name: Hashd Shaabi, names: {ar: [حشد شعبي]}}
  camp: {kind: base, name: Base Camp, names: {ar: [معسكر القاعدة]}}
"""


@pytest.fixture(scope="module")
def names() -> Matcher:
    """Names that are written alike in both scripts, and some that are not."""
    return compiled(NAMES)


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("Qassem Mosleh", "muslih"),
        ("Kasım Muslih", "muslih"),
        ("Qassem al-A'raji", "araji"),
        ("Basheeqa base", "bashiqa"),
        ("Harakat al-Noujaba", "nujaba"),
        ("Nojaba Movement", "nujaba"),
        ("Shaheed Dahouki", "dahuk"),
        ("Shahid al-Dahuki", "dahuk"),
        ("Djamal Tchelebi", "chalabi"),
        ("Haschd Schaabi", "hashd"),
    ],
)
def test_found(names: Matcher, text: str, entity: str) -> None:
    """Another hand's vowels, doubled letters, silent h and article are found, in a sentence too."""
    assert named(names, f"Yesterday {text} was named.") == [(entity, text)]


@pytest.mark.parametrize(
    "text",
    [
        "Soleimani",
        "Qasim Muslim",
        "qassem mosleh",
        "Qassem. Mosleh",
        "Bashir base",
        "Democrat Union Party",
        "Besa Camp",
        "Bashiqabis",
    ],
)
def test_not_found(names: Matcher, text: str) -> None:
    """Other consonants, small letters, a sign between the words, one short word, a translated name: no mention."""
    assert named(names, f"Yesterday {text} was named.") == []


@pytest.mark.parametrize(
    "name",
    [
        "Khatib Shah",
        "Falih ",
        "Ghazali dhu",
        "Sahhaf",
        "khh hkh",
        "h",
        "Muslih al-Hakim",
        "خامنه",
        "Djihad Schah",
        "Tchad dj",
    ],
)
def test_short_and_long_texts_sound_alike(name: str) -> None:
    """The consonants of a name are the same alone and in a long text, though they are found in two ways."""
    folded = fold_batch([name])[0][1:-1]
    padding = b" xyz" * 40
    assert (
        skeleton(padding + folded + padding) == skeleton(padding + b" ")[:-1] + skeleton(folded) + skeleton(padding)[1:]
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("دەرەوەی", "دارایی", False),
        ("موقتەدا", "مقتدا", True),
        ("حوسێن", "حسين", True),
        ("سوڵتان", "سلطان", True),
        ("باقر", "باقری", False),
    ],
)
def test_written_vowels_of_arabic_letters(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    """A vowel that one spelling leaves out is free; where both write one, u is no other: finance is not foreign."""
    assert agree(words(one)[0], words(other)[0]) is same
