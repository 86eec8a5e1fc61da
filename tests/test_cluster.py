"""The same text told by several outlets is one story; different reports are not."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

from engine import article
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cluster import SAME_TEXT, SIGNATURE, overlap, signature, signatures, stories
from monitor.model import Article

REPORT = (
    "Two drones struck the western base late on Sunday and three soldiers were wounded, the command said. "
    "A spokesman told reporters that the attack began shortly after midnight and that air defences shot down "
    "a third drone before it reached the runway. No group has claimed the attack so far, he added."
)
OTHER = (
    "The ministers of oil met in the capital to speak about the pipeline, which has been closed for two years. "
    "Officials close to the talks expect that exports will begin again before the end of the month if the "
    "companies agree to the new terms that were sent to them last week."
)


def signed(text: str, name: str, title: str = "") -> Article:
    """An article with its signature."""
    return replace(article(text, title, id=name), signature=signature(title, text))


def test_signature_is_small_and_sorted() -> None:
    """A signature holds at most so many values, smallest first, each fitting SQLite's integers."""
    found = signature("", REPORT)
    assert len(found) == SIGNATURE
    assert list(found) == sorted(set(found))
    assert all(0 <= value < 2**63 for value in found)


def test_spelling_makes_no_difference() -> None:
    """Case, accents, marks and punctuation do not change a signature."""
    assert signature("", REPORT.upper().replace(",", " -")) == signature("", REPORT)
    assert signature("وكالة الأنباء", "") == signature("وكالة الانباء", "")


def test_short_texts_are_compared_whole() -> None:
    """A headline alone is the same only as itself; nothing at all has no signature."""
    assert overlap(signature("Drones struck", ""), signature("Drones  STRUCK", "")) == 1.0
    assert overlap(signature("Drones struck", ""), signature("Drones struck base", "")) == 0.0
    assert signature("", " - ") == ()
    assert overlap((), ()) == 0.0


def test_copies_overlap_and_reports_do_not() -> None:
    """A copy with a new headline and a changed end overlaps by far more than half, another report hardly."""
    copy = signature("A new headline", REPORT[:-60] + "More will follow in the morning.")
    assert overlap(signature("Base struck", REPORT), copy) > SAME_TEXT
    assert overlap(signature("", REPORT), signature("", OTHER)) < 0.1


def test_stories_in_one_batch() -> None:
    """Copies in one batch share the story of the first; everything else is a story of its own."""
    batch = [signed(REPORT, "a", "One"), signed(OTHER, "b"), signed(REPORT, "c", "Two words more"), signed("x", "d")]
    assert stories(batch, [()] * 4) == ["a", "b", "a", "d"]


def test_story_of_a_stored_neighbour() -> None:
    """A copy of a stored article joins the story that this one belongs to, the closest first."""
    near = [("old", "s1", signature("", REPORT)), ("far", "s2", signature("", OTHER))]
    assert stories([signed(REPORT, "a")], [near]) == ["s1"]
    assert stories([signed(OTHER, "a")], [near]) == ["s2"]


def test_an_article_is_no_neighbour_of_itself() -> None:
    """A new revision of an article does not join the story of its own old text."""
    assert stories([signed(REPORT, "a")], [[("a", "s1", signature("", REPORT))]]) == ["a"]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(("alpha", "beta", "gamma", "one", "two", "three")), max_size=60), st.data())
def test_overlap_is_a_share(words: list[str], data: st.DataObject) -> None:
    """The overlap lies between 0 and 1, is the same both ways, and 1 with itself."""
    a = signature("", " ".join(words))
    b = signature("", " ".join(data.draw(st.permutations(words))))
    assert 0.0 <= overlap(a, b) == overlap(b, a) <= 1.0
    assert overlap(a, a) == (1.0 if a else 0.0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=80) | st.sampled_from((REPORT, OTHER, ""))), max_size=60)
)
def test_many_signatures_at_once(pairs: list[tuple[str, str]]) -> None:
    """An article has the same signature alone and among others."""
    assert signatures(pairs) == [signature(title, text) for title, text in pairs]


def test_near_equal_texts_are_compared_with_few() -> None:
    """20,000 texts that are nearly equal are one story, in seconds: each is compared with the last of its values."""
    same = tuple(range(0, 2 * SIGNATURE, 2))
    batch = [replace(article("x", id=f"{n:05d}"), signature=(*same[:-1], 100 + n)) for n in range(20_000)]
    began = process_time()
    assert set(stories(batch, [()] * len(batch))) == {"00000"}
    assert process_time() - began < 30


def test_a_value_that_many_share_hides_no_copy() -> None:
    """A copy is found among a thousand articles that share one value with it and are about something else."""
    rest = [replace(article("x", id=f"r{n}"), signature=(1, *range(1000 * n + 2, 1000 * n + 25))) for n in range(1000)]
    report = [replace(article("x", id=name), signature=(1, *range(9, 32))) for name in ("a", "b")]
    assert stories([report[0], *rest[1:], report[1]], [()] * 1001)[-1] == "a"
