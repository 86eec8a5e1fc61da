"""Folding: one form for all spellings, the same in a batch and alone, and the way back to every letter."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.text import SEGMENT, SPACE, FoldedBatch, fold, fold_batch, index_text, letters, shown, widened, words
from monitor.text.exceptions import marks
from monitor.text.pages import faults
from monitor.text.sentences import around, paragraph_starts, sentence_starts

PIECES = (
    *(
        "Iraq",
        "İRAN",
        "ırak",
        "Şengalê",
        "Kata’ib",
        "Asa'ib",
        "U.S.",
        "p.m.",
        "Sinjar²¹",
        "Preußen",
        "Ǽ",
        "ﬁ",
        "½",
        "ʿAyn",
    ),
    *("وكتائب", "حزب الله", "الخضراء", "مسيـــرة", "شەنگال", "ئێران", "پهكهكه", "پایگاه\u200cهای", "﷽", "ﻻ", "٣", "۴"),
    *(
        "東京",
        "Москва",
        "שלום",
        "🙂",
        "𝐈𝐫𝐚𝐪",
        "👨\u200d👩\u200d👧",
        "\ud83d",
        "\ude00",
        "\uffff",
        "\ufffe",
        "\x00",
        "\u202e",
    ),
    *("\u0301", "\u0654", "e\u0302", "l'Iraq", "ʼ", "-", ".", " ", "\n", "\u2028"),
)
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(st.characters(), max_size=6)), max_size=12).map("".join)
fixed = settings(derandomize=True, deadline=None, max_examples=250)


def test_the_table_says_of_every_letter_what_plain_says() -> None:
    """Most letters get their code by their kind alone: it is the code of what the careful way makes of them."""
    resolved = {*letters.DATA["apostrophes"], letters.DATA["hamza_seat"], letters.DATA["tatweel"], ".", "\uffff"}
    for code in (*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x10000)):
        if (char := chr(code)) not in resolved:
            out = letters.plain(char)
            wanted = {0: letters.DELETE, 1: letters.CODES.get(out, SPACE)}.get(len(out), letters.EXPAND)
            assert letters.TABLE[code] == wanted, f"{code:x}"


@fixed
@given(st.lists(texts, max_size=5))
def test_batch_is_as_alone(many: list[str]) -> None:
    """Folding many texts at once gives for each the very bytes that folding it alone gives, whatever they hold."""
    data, bounds = fold_batch(many)
    assert len(bounds) == len(many) + 1 or not many
    for number, text in enumerate(many):
        assert data[bounds[number] : bounds[number + 1] + 1] == fold(text).data


@fixed
@given(texts)
def test_folded_text_has_its_shape(text: str) -> None:
    """Folded text is edge, words parted by single spaces, edge; no working sign is left."""
    data = fold(text).data
    assert data[:2] == data[:-3:-1] == bytes((SEGMENT, SPACE)) or data == bytes((SEGMENT, SPACE, SEGMENT))
    assert b"  " not in data
    assert all(code == SPACE or code > 41 for code in data[1:-1])


@fixed
@given(texts)
def test_folding_again_changes_nothing(text: str) -> None:
    """What the index holds of a text folds to the same words again."""
    assert words(shown(fold(text).data)) == words(text)


@fixed
@given(texts)
def test_way_back(text: str) -> None:
    """Each folded letter comes from a place of the original, places never go back, and the letters there fold alike."""
    folded = fold(text)
    origins = [folded.original(at, at + 1)[0] for at in range(1, len(folded.data) - 1)]
    assert all(a <= b for a, b in pairwise(origins))
    assert all(at <= len(text) for at in origins)
    for word in set(words(text)):
        at = folded.data.find(b" " + word + b" ") + 1
        start, end = folded.original(at, at + len(word))
        assert 0 <= start < end <= len(text)
        start, end = widened(text, start, end)
        assert word[:1] in b"".join(words(text[start:end]))  # ½ alone is two words


@fixed
@given(texts, texts)
def test_index_holds_the_words(title: str, body: str) -> None:
    """The index text of an article begins with the words of its title and body in order."""
    plain = " ".join(shown(w) for w in (*words(title), *words(body)))
    held = index_text(title, body)
    assert held == plain or ("-\n" in title + body and held.startswith(plain))


@pytest.mark.parametrize("sign", ["-", "\u2010", "\u00ad"])
def test_a_word_parted_by_the_end_of_a_line(sign: str) -> None:
    """The two halves are known to be one word, and the index holds them joined with their neighbours."""
    text = f"🙂 they held Sin{sign}\njar until Iran-\nbacked men came"
    batch = FoldedBatch(["before", text])
    pieces = [batch.rejoined(gap)[0] for gap in batch.breaks]
    assert [b" held sinjar until " in piece for piece in pieces] == [True, False]
    assert all(batch.data[gap] == SPACE for gap in batch.breaks)
    assert " held sinjar until " in index_text("", text)
    assert FoldedBatch(["a dash -\nat the end", "1-\n2", "no break-"]).breaks == []


@pytest.mark.parametrize(
    ("spellings", "why"),
    [
        (("Irak", "IRAK", "ırak", "İrak"), "four forms of i in Turkish"),
        (("Şengal", "Sengal", "S\u0327engal"), "accents, composed or apart"),
        (("Kata'ib", "Kata’ib", "Kata‘ib", "Kata`ib", "Kataib", "Kata´ib", "Kata′ib"), "apostrophes"),
        (("ʿAyn al-Asad", "Ayn al Asad", "AYN AL‑ASAD"), "scholarly signs and hyphens"),
        (("U.S. forces", "US forces", "u.s. forces"), "points between single letters"),
        (("أربيل", "اربيل", "إربيل"), "alef with hamza"),
        (("بعشيقة", "بعشيقه"), "teh marbuta"),
        (("مصطفى", "مصطفي", "مصطفی"), "three forms of yeh"),
        (("کردستان", "كردستان"), "two forms of kaf"),
        (("العراق", "العـــراق", "الْعِرَاق", "ﺍﻟﻌﺮﺍﻕ"), "tatweel, harakat, presentation forms"),
        (("خضراء", "خضرا"), "hamza alone"),
        (("شەنگال", "شهنگال"), "the old Sorani spelling with heh"),
        (("پەکەکە", "پهكهكه"), "old spelling with the joiner lost"),
        (("ڕێککەوتن", "ریککهوتن", "رێككهوتن"), "Sorani letters with marks"),
        (("ئەنبار", "ەنبار", "هنبار"), "a seat of hamza that opens a word"),
        (("٢٠٢٦", "۲۰۲۶", "2026"), "digits"),
        (("Preußen", "Preussen"), "a letter that stands for two"),
        (("𝐈𝐫𝐚𝐪", "Ｉｒａｑ", "Iraq"), "letters for show"),
        (("الـPKK", "ال PKK", "الــ PKK"), "tatweel between the article and Latin letters"),
        (("Irаn", "Iran"), "a Cyrillic letter that looks Latin"),
        (("ѕеrvісе", "service"), "more of them"),
        (("آیت‌الله", "آیت‌اﷲ"), "the sign for the name of God, behind a written alef"),
        (("ایران", "ایر\u200cان", "ایران\u200c\u200c"), "joiners that a conversion has strewn"),
        (("#عين_الأسد", "عين الأسد", "عين، الأسد"), "an underscore and other signs part words"),
        (("Ira\u00adq", "Ir\u200daq", "\u202eIraq\u202c", "Iraq"), "invisible signs"),
    ],
)
def test_spellings_meet(spellings: tuple[str, ...], why: str) -> None:
    """Spellings that people take for the same word fold to the same words."""
    assert len({tuple(words(s)) for s in spellings}) == 1, why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sinjar²¹ fell", ["sinjar", "fell"]),
        ("Sinjar21", ["sinjar21"]),
        ("al-Asad", ["al", "asad"]),
        ("l'Iraq O'Brien", ["l", "iraq", "o", "brien"]),
        ("forces' strike", ["forces", "strike"]),
        ("the end.New", ["the", "end", "new"]),
        ("U.S.A. and e.g. this", ["usa", "and", "eg", "this"]),
        ("F-16", ["f", "16"]),
        ("مصلح مسلح", ["مصلح", "مسلح"]),
        ("Москва IraqМосква о", ["москва", "iraqмосква", "о"]),
        ("Ain\nal-Asad", ["ain", "al", "asad"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Where words begin and end."""
    assert [shown(w) for w in words(text)] == expected


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("Iraq", ["irag"]),
        ("Iraqi", ["iragi"]),
        ("Asaib Ahl al-Haq", ["asaib ahl al hag"]),
        ("F-16", ["f16"]),
        ("إف-16", ["اف16"]),
        ("كتائب حزب الله", ["كتايبحزب الله", "كتايب حزبالله"]),
        ("QF", []),
        ("IQ", []),
        ("al-Baqir", []),
        ("Ain al-Asad", []),
        ("الحشد الشعبي", []),
    ],
)
def test_faults_of_pages(name: str, pages: list[str]) -> None:
    """A name has the further spellings that scans and conversions are known to make of it, and no other."""
    assert [" ".join(shown(w) for w in found) for found in faults(tuple(words(name)))] == pages


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("سلێمانی", ((2, "ێ", True),)),
        ("سليماني", ((2, "ێ", False),)),
        ("Kürt", ((1, "ü", True),)),
        ("KU\u0308RT", ((1, "ü", True),)),
        ("kurt", ((1, "ü", False),)),
        ("US", ((0, "ü", False),)),
        ("KANİ", ((3, "i", True),)),
        ("kanı", ((3, "i", False),)),
        ("Iraq", ()),
    ],
)
def test_exceptions_of_folding(name: str, marked: tuple[tuple[int, str, bool], ...]) -> None:
    """Of two words that fold alike each knows by which letter it is told from the other."""
    assert marks(name, words(name)[0]) == marked


@pytest.mark.parametrize("text", ["li Kurdistanê’de", "Şengalê'nin U.Ş. gücü", "Kerkûk’ê d.ê.f", "العِراقِ"])
def test_marks_apart_do_not_part_words(text: str) -> None:
    """A text whose accents are written apart from their letters folds like the composed one."""
    assert words(unicodedata.normalize("NFD", text)) == words(text)


@pytest.mark.parametrize(
    ("text", "letters"),
    [("المنطقة الخضراء.", "الخضراء"), ("لە ئێران بوو", "ئێران"), ("li Şengale\u0302 bû", "Şengale\u0302")],
)
def test_span_holds_dropped_letters(text: str, letters: str) -> None:
    """A span is widened by the letters at its edges that folding drops, and by nothing else."""
    start = text.index(letters)
    folded = fold(text)
    word = words(letters)[0]
    at = folded.data.index(b" " + word + b" ") + 1
    assert widened(text, *folded.original(at, at + len(word))) == (start, start + len(letters))


def test_hostile_marks_cost_no_more() -> None:
    """A hundred thousand marks before each apostrophe are folded in one pass; the test ends, that is the promise."""
    text = ("a" + "\u0301" * 2_000 + "'b ") * 100
    assert fold(text).data == fold_batch([text])[0]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One fell. Two rose.", ["One fell. ", "Two rose."]),
        ("Lt. Gen. Kenneth spoke. He left.", ["Lt. Gen. Kenneth spoke. ", "He left."]),
        ("It cost 3. 5 fell", ["It cost 3. 5 fell"]),
        ("هل سقطت؟ نعم. انتهى", ["هل سقطت؟ ", "نعم. ", "انتهى"]),
        ("شد۔ بود", ["شد۔ ", "بود"]),
        ("A line\nanother line", ["A line\n", "another line"]),
        ("He said “go.” She went", ["He said “go.” ", "She went"]),
        ("", [""]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    """Where sentences begin in the scripts that are read."""
    starts = [*sentence_starts(text), len(text)]
    assert [text[a:b] for a, b in pairwise(starts)] == sentences


def test_paragraphs() -> None:
    """A paragraph begins after a line's end, and an end at the end begins none."""
    assert paragraph_starts("a b\n\nc\n") == [0, 5]


def test_sentence_around_is_short() -> None:
    """The sentence that evidence shows holds the letters, is cut at words on both sides, and says so."""
    text = "word " * 200 + "Iraq " + "word " * 200
    start = text.index("Iraq")
    sentence = around(text, start, start + 4)
    assert sentence.startswith("… word")
    assert sentence.endswith("word …")
    assert " Iraq " in sentence
    assert len(sentence) < 320
