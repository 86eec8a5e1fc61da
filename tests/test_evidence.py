"""Evidence: the very letters, where they stand, and the sentence around them."""

from __future__ import annotations

from engine import compiled, marks, said

ASAD = """\
entities:
  asad: {kind: base, name: Ain al-Asad, names: {ar: [عين الأسد]}, short: [{say: the base, with: [Anbar]}]}
words:
  attack: {en: [attack*], ar: [هجوم]}
rules:
  base-attack: {title: A, level: flash, query: '@asad NEAR/9 (#attack OR drone*) NOT film'}
"""


def test_every_leaf_that_made_it_true() -> None:
    """Each piece names its leaf, letters, field, half-open place in the original text, sentence and language."""
    hit = said(compiled(ASAD), "Quiet. Drones ATTACKED Ain al‑Asad’s gate. Later.", title="News").hits[0]
    sentence = "Drones ATTACKED Ain al‑Asad’s gate."
    assert [(e.leaf, e.name, e.letters, e.start, e.end) for e in hit.evidence] == [
        ("term", "drone*", "Drones", 7, 13),
        ("word", "attack", "ATTACKED", 14, 22),
        ("entity", "asad", "Ain al‑Asad", 23, 34),
    ]
    assert {(e.field, e.sentence, e.lang) for e in hit.evidence} == {("body", sentence, "en")}


def test_only_what_made_it_true() -> None:
    """Words of a rule that stand elsewhere, too far to count, are no evidence."""
    text = "Attack! " + "word " * 30 + "Ain al-Asad attacked"
    evidence = said(compiled(ASAD), text).hits[0].evidence
    assert [(e.name, e.start) for e in evidence] == [("asad", 158), ("attack", 170)]


def test_short_name_speaks_for_its_entity() -> None:
    """A short name with company is evidence of its entity."""
    evidence = said(compiled(ASAD), "Attack on the base in Anbar").hits[0].evidence
    assert [(e.leaf, e.name, e.letters) for e in evidence] == [
        ("word", "attack", "Attack"),
        ("entity", "asad", "the base"),
    ]


def test_five_of_one_leaf() -> None:
    """An article that names something a hundred times is proved by the first five."""
    evidence = marks("alpha", "alpha " * 100)
    assert evidence is not None
    assert [e.start for e in evidence] == [0, 6, 12, 18, 24]


def test_forty_of_a_hit() -> None:
    """However many words a query has, a hit keeps forty pieces."""
    query = " OR ".join(f"word{n}" for n in range(60))
    evidence = marks(query, " ".join(f"word{n}" for n in range(60)))
    assert evidence is not None
    assert len(evidence) == 40


def test_offsets_count_code_points() -> None:
    """Signs beyond the basic plane count as one, as Python counts them; marks belong to their letter."""
    text = "🙂🙂 Şengale\u0302 𝐈𝐫𝐚𝐪 هجومٌ"
    for query, letters, lang in (("Şengalê", "Şengale\u0302", "ku"), ("Iraq", "𝐈𝐫𝐚𝐪", "ku"), ("هجوم", "هجومٌ", "ar")):
        (piece,) = marks(query, text, lang=lang) or ()
        assert piece.letters == text[piece.start : piece.end] == letters


def test_a_not_has_no_evidence() -> None:
    """What is absent, and limits, bring no evidence of their own."""
    evidence = marks("alpha NOT beta lang:en", "alpha")
    assert evidence is not None
    assert [e.name for e in evidence] == ["alpha"]
    assert marks("lang:en", "alpha") == ()


def test_names_as_typed() -> None:
    """A term is named as it stands in the query: quotes, star and equals sign."""
    evidence = marks('"two words*" OR attack* OR =PUK', "two wordsmiths attacked PUK")
    assert evidence is not None
    assert [e.name for e in evidence] == ['"two words"*', "attack*", "=PUK"]


def test_title_and_body() -> None:
    """Evidence in the title comes first and counts from the title's first letter."""
    evidence = marks("alpha", "alpha", title="An alpha")
    assert evidence is not None
    assert [(e.field, e.start) for e in evidence] == [("title", 3), ("body", 0)]


def test_a_name_that_a_line_parts() -> None:
    """The letters are those of the page, hyphen and line's end included, and the sentence goes over both lines."""
    evidence = said(compiled(ASAD), "They left. Drones attacked Ain al-\nAsad. Later.").hits[0].evidence
    assert [(e.name, e.letters) for e in evidence] == [
        ("drone*", "Drones"),
        ("attack", "attacked"),
        ("asad", "Ain al-\nAsad"),
    ]
    assert evidence[2].sentence == "Drones attacked Ain al- Asad."
