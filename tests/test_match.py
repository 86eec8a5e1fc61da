"""Names and hits: company, masks, nesting, levels, limits of a rule; and that no place is ever wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from engine import article, compiled, marks, named, said, watchlist
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.match import Matcher, compile_watchlists
from monitor.match.matcher import BATCH, combined_revision
from monitor.match.vocabulary import Vocabulary, written
from monitor.model import Article, Evidence, Mention
from monitor.text import words

FIXED = settings(derandomize=True, deadline=None, max_examples=150)

NAMES = """\
entities:
  iraq:
    kind: state
    name: Iraq
    level: low
    names: {tr: [Irak], ar: [العراق], ckb: [عێراق]}
  anbar: {kind: place, name: Anbar, names: {ar: [الأنبار]}, part_of: iraq}
  puk:
    kind: party
    name: Patriotic Union
    names: {tr: [KYB]}
    short:
      - {say: PUK, with: [Talabani, "@iraq"], case: exact}
  resistance: {kind: armed-group, name: Islamic Resistance in Iraq}
  asad:
    kind: base
    name: Ain al-Asad
    names: {ar: [عين الأسد], tr: [Ayn el-Esed]}
    short:
      - {say: Asad base, with: [Anbar, "@iraq"], within: 5}
      - {say: al-Asad, with: ["@anbar+"], within: 3}
      - {say: AAAB, with: ["#attack"]}
      - {say: Big base, with: ["shot down", hit*]}
    mask: [Hafez al-Asad, Hafez Ain al-Asad, حافظ الأسد, Ain al-Asad Street]
  hizbullah: {kind: armed-group, name: Hizbullah, names: {ar: [حزب الله]}}
words:
  attack: {en: [attack*, struck], ar: [هجوم]}
rules:
  base-attack: {title: Attack, level: flash, query: '@asad NEAR/9 #attack'}
  in-iraq: {title: In Iraq, level: high, query: '@iraq #attack'}
"""


@pytest.fixture(scope="module")
def names() -> Matcher:
    """The names above, compiled once."""
    return compiled(NAMES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PUK", []),
        ("PUK and Talabani", [("puk", "PUK")]),
        ("puk and Talabani", []),
        ("P.U.K. and Talabani", [("puk", "P.U.K.")]),
        ("p.u.k. and Talabani", []),
        ("PUK's office, as Talabani's men say", [("puk", "PUK")]),
        ("PUK in Iraq", [("puk", "PUK"), ("iraq", "Iraq")]),
        ("the KYB", [("puk", "KYB")]),
        ("PUK in Iraqland", []),
        ("the Asad base in Anbar", [("asad", "Asad base"), ("anbar", "Anbar")]),
        ("the Asad base a b c d e Anbar", [("asad", "Asad base"), ("anbar", "Anbar")]),
        ("the Asad base a b c d e f Anbar", [("anbar", "Anbar")]),
        ("Anbar a b c Asad base", [("anbar", "Anbar"), ("asad", "Asad base")]),
        ("al-Asad of Iraq", [("iraq", "Iraq")]),
        ("al-Asad of Anbar", [("asad", "al-Asad"), ("anbar", "Anbar")]),
        ("AAAB was attacked", [("asad", "AAAB")]),
        ("AAAB was visited", []),
        ("the big base was shot down", [("asad", "big base")]),
        ("the big base: hitting", [("asad", "big base")]),
        ("the big base: shot and down", []),
    ],
)
def test_company(names: Matcher, text: str, found: list[tuple[str, str]]) -> None:
    """A short name counts with its company alone: a word, a name, an entity and its parts, a list, near enough."""
    assert named(names, text) == found


def test_company_anywhere(names: Matcher) -> None:
    """Without `within` the company may stand anywhere in the article, the title included."""
    assert ("puk", "PUK") in named(names, "word " * 300 + "PUK", title="Talabani speaks")


def test_company_within_stays_in_its_field(names: Matcher) -> None:
    """With `within` the company must stand in the same field."""
    assert named(names, "Asad base", title="Anbar") == [("anbar", "Anbar")]


COMPANIONS = """\
entities:
  a: {kind: party, name: Alpha Party, short: [{say: AP, with: ["@b"]}]}
  b: {kind: party, name: Beta Party, short: [{say: BP, with: ["@a"]}]}
"""


def test_company_is_a_full_mention() -> None:
    """A short name is no company for another one; two short names do not vouch for each other."""
    matcher = compiled(COMPANIONS)
    assert named(matcher, "AP and BP") == []
    assert named(matcher, "AP and Beta Party") == [("a", "AP"), ("b", "Beta Party")]


def test_company_in_a_query() -> None:
    """A query that names one entity finds its short name beside the full name of another, as the watch does."""
    files = [watchlist(COMPANIONS)]
    assert marks("@a", "AP and BP", files=files) is None
    assert marks("@a", "AP and Beta Party", files=files) is not None
    assert marks("@a AND @b", "AP and Beta Party; BP", files=files) is not None


def test_company_is_not_made_of_the_same_letters() -> None:
    """A word inside the short name is no company for it."""
    matcher = compiled("entities:\n  a: {kind: base, name: Xyz, short: [{say: Asad base, with: [base]}]}\n")
    assert named(matcher, "the Asad base") == []
    assert named(matcher, "the Asad base, a base") == [("a", "Asad base")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hafez al-Asad of Anbar spoke", ["anbar"]),
        ("Hafez al-Asad's brother saw Ain al-Asad", ["asad"]),
        ("Hafez al-Asad, al-Asad, Anbar", ["asad", "anbar"]),
        ("In Ain al-Asad Street", []),
        ("حافظ الأسد وعين الأسد", ["asad"]),
        ("Hafez Ain al-Asad", []),
    ],
)
def test_mask_takes_this_mention_alone(names: Matcher, text: str, found: list[str]) -> None:
    """A longer expression swallows the mention inside it, never the article or another mention."""
    assert [entity for entity, _ in named(names, text)] == found


def test_a_form_of_the_name_may_be_masked() -> None:
    """With its article the name may be another word: a mask of the very letters takes that form, and that alone."""
    matcher = compiled("entities:\n  hamas: {kind: armed-group, name: Hamas, names: {ar: [حماس]}, mask: [الحماس]}\n")
    assert named(matcher, "عاد الحماس إلى الملعب", "ar") == []
    assert [entity for entity, _ in named(matcher, "قالت حماس وبحماس", "ar")] == ["hamas", "hamas"]


def test_masked_mention_is_gone_for_every_clause(names: Matcher) -> None:
    """A rule does not see a masked mention."""
    assert [h.rule for h in said(names, "They attacked Ain al-Asad.").hits if h.rule] == ["base-attack"]
    assert [h.rule for h in said(names, "They attacked Ain al-Asad Street.").hits if h.rule] == []


def test_nested_name_is_flagged(names: Matcher) -> None:
    """The inner name of a longer one is flagged nested and makes no hit of its own, yet rules see it."""
    matched = said(names, "The Islamic Resistance in Iraq attacked")
    assert [(m.entity, m.nested) for m in matched.mentions] == [("resistance", False), ("iraq", True)]
    assert [(h.rule, h.entity) for h in matched.hits] == [("in-iraq", None), (None, "resistance")]


def test_nested_and_alone(names: Matcher) -> None:
    """A name that also stands alone makes its hit, with the evidence of that place only."""
    matched = said(names, "The Islamic Resistance in Iraq; Iraq")
    hit = next(h for h in matched.hits if h.entity == "iraq")
    assert [(e.start, e.letters) for e in hit.evidence] == [(32, "Iraq")]


def test_the_longest_spelling_counts() -> None:
    """Overlapping spellings of one entity are one mention, the longest."""
    matcher = compiled("entities:\n  a: {kind: base, name: Balad, names: {en: [Balad Air Base, Air Base]}}\n")
    assert named(matcher, "the Balad Air Base and Balad") == [("a", "Balad Air Base"), ("a", "Balad")]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("قال حزبالله", "حزبالله"),
        ("قال حزب‌الله", "حزب‌الله"),
        ("AinalAsad", "AinalAsad"),
        ("Ain-al-Asad", "Ain-al-Asad"),
        ("Ain\nal Asad", "Ain\nal Asad"),
        ("‘Ayn al-Asad’", "Ayn al-Asad"),
        ("Ayn el‑Esed’e", "Ayn el‑Esed"),
    ],
)
def test_spaces_hyphens_and_apostrophes_are_free(names: Matcher, text: str, letters: str | None) -> None:
    """A name of six letters or more is found joined, parted by hyphens, or with the joiner of zero width."""
    assert [found for _, found in named(names, text, "tr")] == ([letters] if letters else [])


def test_joined_from_six_letters_on() -> None:
    """A short name of two words is not looked for as one word: "in a" is not "ina"."""
    matcher = compiled("entities:\n  a: {kind: base, name: Al Tun}\n  b: {kind: base, name: Al Tunx}\n")
    assert named(matcher, "altun altunx") == [("b", "altunx")]


def test_apostrophes_inside_names() -> None:
    """Kata'ib is found with any apostrophe, without one, and with a space for it."""
    matcher = compiled("entities:\n  k: {kind: armed-group, name: Kata'ib Hizb}\n")
    for text in ("Kata'ib Hizb", "Kata’ib Hizb", "Kataib Hizb", "KATA‘IB-HIZB", "Kata ib Hizb"):
        assert named(matcher, f"the {text}.") == [("k", text)]


def test_levels() -> None:
    """A plain mention has its entity's level, else its file's; a rule hit has the rule's."""
    first = watchlist(
        "entities:\n  a: {kind: base, name: Aaa}\n  b: {kind: base, name: Bbb, level: flash}\n", "first", "low"
    )
    second = watchlist(
        "entities:\n  c: {kind: base, name: Ccc}\nrules:\n  r: {title: R, level: high, query: '@a'}\n", "second"
    )
    hits = said(compiled(first, second), "Aaa Bbb Ccc").hits
    assert {(h.watchlist, h.rule or h.entity, h.level, h.rev) for h in hits} == {
        ("first", "a", "low", first.rev),
        ("first", "b", "flash", first.rev),
        ("second", "c", "normal", second.rev),
        ("second", "r", "high", second.rev),
    }


def test_two_entities_may_share_a_name() -> None:
    """Both are mentioned then, and neither is nested."""
    matcher = compiled("entities:\n  a: {kind: person, name: Amiri}\n  b: {kind: person, name: Amirî}\n")
    assert {(m.entity, m.nested) for m in said(matcher, "Amiri").mentions} == {("a", False), ("b", False)}


@pytest.mark.parametrize(
    ("limit", "lang", "feed", "fires"),
    [
        ("languages: [ar, tr]", "tr", "wire", True),
        ("languages: [ar, tr]", "en", "wire", False),
        ("languages: all", "en", "wire", True),
        ("sources: {only: [rudaw]}", "en", "rudaw", True),
        ("sources: {only: [rudaw]}", "en", "wire", False),
        ("sources: {never: [ihlas]}", "en", "ihlas", False),
        ("sources: {never: [ihlas]}", "en", "wire", True),
    ],
)
def test_limits_of_a_rule(limit: str, lang: str, feed: str, fires: bool) -> None:  # noqa: FBT001 - a table's column
    """A rule looks only at the languages and sources that it names."""
    matcher = compiled(f"rules:\n  r: {{title: R, level: high, query: alpha, {limit}}}\n")
    assert bool(matcher.match([article("alpha", lang=lang, feed=feed)])[0].hits) is fires


def test_a_rule_fires_once(names: Matcher) -> None:
    """However often its words stand there, a rule makes one hit with all its evidence."""
    hits = [h for h in said(names, "They attacked Ain al-Asad. They attacked Ain al-Asad.").hits if h.rule]
    assert [(h.rule, len(h.evidence)) for h in hits] == [("base-attack", 4)]


def test_faulty_rules_are_left_out() -> None:
    """A rule that cannot be read, or names what nobody defined, is told at its place; the others work."""
    source = watchlist(
        """\
rules:
  good: {title: G, level: high, query: alpha}
  bad:
    title: B
    level: high
    query: alpha NEAR/5 @nobody
  open: {title: O, level: high, query: 'alpha ('}
  lone: {title: L, level: high, query: 'lang:tr'}
"""
    )
    made = compile_watchlists([source])
    assert [(p.line, p.column) for p in made.problems] == [(9, 25), (10, 47), (11, 41)]
    assert "@nobody" in made.problems[0].sentence or "nobody" in made.problems[0].sentence
    assert [h.rule for h in said(made.matcher, "alpha").hits] == ["good"]


def test_undefined_company_is_told() -> None:
    """Company that names no word list is told at its place, with what was probably meant."""
    source = watchlist(
        "entities:\n  a: {kind: base, name: A, short: [{say: B, with: ['#atack']}]}\nwords:\n  attack: {en: [hit]}\n"
    )
    (problem,) = compile_watchlists([source]).problems
    assert str(problem) == "w.yaml:5:42: There is no word list `#atack`. Did you mean `#attack`?"


@pytest.mark.parametrize(
    ("example", "sentence"),
    [
        ("{say: 'Attack at Ain al-Asad', hits: [], mentions: [asad]}", "hits `base-attack` and should not"),
        ("{say: 'Ain al-Asad', hits: [base-attack]}", "should hit `base-attack` and does not"),
        ("{say: 'Ain al-Asad', hits: []}", "mentions asad (Ain al-Asad) and should not"),
        ("{say: 'nothing', hits: [], mentions: [asad]}", "should mention `asad` and does not"),
        ("{say: 'Iraq', hits: [], mentions: []}", "mentions iraq (Iraq) and should not"),
    ],
)
def test_failing_examples(example: str, sentence: str) -> None:
    """An example that does not hold is told at its place: rules exactly, mentions exactly when given or none hit."""
    (problem,) = compile_watchlists([watchlist(f"{NAMES}examples:\n  - {example}\n")]).problems
    assert sentence in problem.sentence
    assert problem.column == 5


@pytest.mark.parametrize(
    "example",
    [
        "{say: 'Attack at Ain al-Asad', hits: [base-attack]}",
        "{say: 'Ain al-Asad', hits: [], mentions: [asad]}",
        "{say: 'ordinary', hits: []}",
        "{title: 'Attack', say: 'Iraq', hits: [in-iraq], mentions: [iraq]}",
        "{say: 'Kandil alpha', hits: [], lang: tr}",
    ],
)
def test_holding_examples(example: str) -> None:
    """An example may speak of rules alone, of mentions, give a title, and give its language."""
    assert compile_watchlists([watchlist(f"{NAMES}examples:\n  - {example}\n")]).problems == ()


def test_order_and_batches(names: Matcher) -> None:
    """There is one answer per article in the order given, whatever the size of a batch, and none leaks into another."""
    many = [
        article("attacked Ain al-Asad" if n % 3 == 0 else "" if n % 3 == 1 else "Iraq", id=str(n), title="")
        for n in range(2 * BATCH + 7)
    ]
    together, alone = names.match(many), [names.match([a])[0] for a in many]
    assert together == alone
    assert [m.article for m in together] == [a.id for a in many]
    assert names.match([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Iraq",
        "Ka'ib Hezbollah",
        "U.S. forces",
        "حزب\u200cالله",
        "الأنبار",
        "سلێمانی",
        "ئێران",
        "'",
        "",
        "\uffff x",
        "İ.B.",
        "漢字",
    ],
)
def test_names_folded_together(text: str) -> None:
    """A name that is folded with many others gives the same words as one that is folded alone."""
    vocabulary = Vocabulary()
    with vocabulary.folding(["Kata'ib", text, "x"]):
        together = [vocabulary.words(one) for one in written(text)]
    assert together == [tuple(words(one)) for one in written(text)]


def test_nothing_to_fold() -> None:
    """Watchlists without a name are no fault of the folding."""
    vocabulary = Vocabulary()
    with vocabulary.folding([]):
        assert vocabulary.words("Iraq") == (b"iraq",)


def test_nothing_to_look_for() -> None:
    """A matcher without any name finds nothing and fails at nothing."""
    assert said(compiled("rules:\n  r: {title: R, level: low, query: alpha}\n"), "beta").hits == ()
    assert compile_watchlists([]).matcher.match([article("Iraq")])[0].mentions == ()


def test_revision_of_all() -> None:
    """The combined revision changes with any file, not with the order of files."""
    a, b = watchlist("entities:\n  a: {kind: base, name: A}\n", "a"), watchlist("words:\n  b: {en: [b]}\n", "b")
    changed = watchlist("entities:\n  a: {kind: base, name: Ax}\n", "a")
    assert combined_revision([a, b]) == combined_revision([b, a])
    assert combined_revision([changed, b]) != combined_revision([a, b]) != combined_revision([a])


pieces = st.sampled_from(
    (
        *("Iraq", "in Iraq's", "Irak'ta", "والعراق", "للعراق", "عێراقدا", "Islamic Resistance in Iraq", "Ain al-Asad"),
        *(
            "Hafez al-Asad",
            "al-Asad",
            "Asad base",
            "Anbar",
            "الأنبار",
            "عين الأسد",
            "حافظ الأسد",
            "PUK",
            "Talabani",
            "KYB",
        ),
        *(
            "attacked",
            "هجوم",
            "struck.",
            "حزبالله",
            "Hizbullah’ın",
            "AinalAsad",
            "word",
            "\n",
            "🙂",
            "e\u0302",
            "\u200c",
            "½",
        ),
        *("ﷺ", "\uffff", "\ud800", "²¹", "'", "’", ".", "Ain al-Asad Street", "ـ", "ء", "東"),
    )
)
bodies = st.lists(pieces, max_size=14).map(" ".join) | st.lists(pieces, max_size=9).map("".join)
articles = st.builds(article, text=bodies, title=bodies, lang=st.sampled_from(["en", "tr", "ar", "ckb", "ku", "fa"]))


@FIXED
@given(st.lists(articles, min_size=1, max_size=4))
def test_every_place_is_right(names: Matcher, many: Sequence[Article]) -> None:
    """The offsets of every mention and piece of evidence point at the letters that they name, in a name's own form."""
    for made, matched in zip(many, names.match(many), strict=True):
        fields = {"title": made.title, "body": made.text}
        evidence = [e for h in matched.hits for e in h.evidence]
        places: list[Mention | Evidence] = [*matched.mentions, *evidence]
        for place in places:
            assert fields[place.field][place.start : place.end] == place.letters
            assert words(place.letters)
        order = [(m.field != "title", m.start) for m in matched.mentions]
        assert order == sorted(order)
        for hit in matched.hits:
            assert all(e.sentence for e in hit.evidence)
            assert hit.evidence


UNMASKED = compiled(NAMES.replace("    mask: [Hafez al-Asad, Hafez Ain al-Asad, حافظ الأسد, Ain al-Asad Street]\n", ""))
MASKS = [words(m) for m in ("Hafez al-Asad", "Hafez Ain al-Asad", "حافظ الأسد", "Ain al-Asad Street")]


@FIXED
@given(bodies)
def test_mask_removes_nothing_outside(names: Matcher, text: str) -> None:
    """Every mention that a mask takes away lies inside the words of that mask."""
    with_masks = {(m.start, m.end) for m in said(names, text).mentions if m.entity == "asad"}
    without = {(m.start, m.end) for m in said(UNMASKED, text).mentions if m.entity == "asad"}
    for start, end in without - with_masks:
        around = words(text[max(0, start - 16) : end + 16])
        assert any(b" ".join(mask)[:-1] in b" ".join(around) for mask in MASKS), text[start:end]


def test_affixes_are_those_of_the_paragraph() -> None:
    """A Turkish paragraph in an English article takes Turkish endings; the English one beside it does not."""
    matcher = compiled("entities:\n  dohuk: {kind: place, name: Dohuk}\n")
    english = "The governor of the province said that the roads were open and that the schools would be too. Dohukta"
    turkish = (
        "Valilik açıklamasında yolların açık olduğu ve okulların da açılacağı söylendi, Dohukta bir şey olmadı dedi"
    )
    assert named(matcher, english) == []
    assert named(matcher, f"{english}\n{turkish}") == [("dohuk", "Dohuk")]
    (mention,) = said(matcher, f"{english}\n{turkish}").mentions
    assert mention.start > len(english)


def test_numbers_have_no_sound() -> None:
    """A name with a number in it is not found by its sound: "Kurdistan" is not "Kurdistan 24"."""
    names = "names: {en: [Kurdistan 24], ckb: [کوردستان ٢٤]}"
    matcher = compiled("entities:\n  kurdistan-24: {kind: outlet, name: Kurdistan 24, " + names + ", from: test}\n")
    assert named(matcher, "News from Kurdistan. Qurdistan 24, Kurdistan24.") == [("kurdistan-24", "Kurdistan24")]


def test_latin_names_by_ear_in_arabic_letters() -> None:
    """Persian and Sorani write Latin names by ear; in Arabic the same consonants are other words."""
    names = "name: Saraya Salam, names: {ckb: [سەرایا سەلام]}"
    matcher = compiled("entities:\n  peace: {kind: person, " + names + ", from: test}\n")
    assert named(matcher, "سيرة الإسلام", "ar") == []
    assert [e for e, _ in named(matcher, "سەریا سەلام", "ckb")] == ["peace"]


def test_the_letter_behind_an_apostrophe_is_an_ending() -> None:
    """In Turkish "Libya'nın" names Libya, though its letters are those of "Libyan" with an ending."""
    matcher = compiled(
        "entities:\n  libya: {kind: state, name: Libya, names: {en: [Libyan], tr: [Libya]}, from: test}\n"
    )
    assert named(matcher, "Libya'nın başkenti", "tr") == [("libya", "Libya")]


def test_the_last_point_belongs_to_the_letters() -> None:
    """The letters of "U.S." are shown with all their points."""
    matcher = compiled("entities:\n  us: {kind: state, name: United States, names: {en: [US]}, from: test}\n")
    assert named(matcher, "The U.S. said. In the U.S.") == [("us", "U.S."), ("us", "U.S.")]


def test_friends_that_fold_alike_stay_apart() -> None:
    """The base "üs" keeps company, and "US", which folds alike, does not."""
    lines = (
        "entities:\n"
        "  bashiqa: {kind: base, name: Bashiqa base, short: [{say: Başika, with: [üs]}], from: test}\n"
        "  other: {kind: base, name: Other base, short: [{say: Zilkan, with: [US]}], from: test}\n"
    )
    for order in (lines, "entities:\n" + "\n".join(reversed(lines.splitlines()[1:])) + "\n"):
        matcher = compiled(order)
        assert named(matcher, "Başika and the US") == []
        assert [e for e, _ in named(matcher, "Başika üs", "tr")] == ["bashiqa"]
