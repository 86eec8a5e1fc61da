"""The sentence around the evidence, with the very letters marked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mails import article, evidence

from monitor.model import Evidence
from monitor.render import snippet, title_parts


def test_snippet_marks_the_very_letters() -> None:
    """The snippet is the sentence around the evidence; all evidence in it is marked, nothing else."""
    text = "First one. Near Qandil and Metina they met. Last one."
    found = [evidence(w, text, sentence="Near Qandil and Metina they met.") for w in ("Qandil", "Metina")]

    parts = snippet(article(text=text), found)

    assert [t for t, marked in parts if marked] == ["Qandil", "Metina"]
    assert "".join(t for t, _ in parts) == "… Near Qandil and Metina they met. …"


def test_snippet_of_two_places() -> None:
    """Evidence far apart gives two passages with a gap between."""
    text = "Near Qandil they met. " + "Filler goes here. " * 30 + "Then Metina was named."
    found = [
        evidence("Metina", text, sentence="Then Metina was named."),
        evidence("Qandil", text, sentence="Near Qandil they met."),
    ]

    assert "".join(t for t, _ in snippet(article(text=text), found)) == "Near Qandil they met. … Then Metina was named."


def test_snippet_of_a_very_long_sentence() -> None:
    """A sentence without end is cut around the mark, at a space."""
    text = "word " * 300 + "Qandil" + " word" * 300

    parts = snippet(article(text=text), [evidence("Qandil", text)])

    joined = "".join(t for t, _ in parts)
    assert "Qandil" in joined
    assert len(joined) < 340
    assert set(joined.split()) == {"…", "word", "Qandil"}


def test_snippet_without_body_evidence() -> None:
    """Evidence in the title only shows how the body begins; without a body the title itself is shown."""
    title = "Qandil again"
    found = [evidence("Qandil", title, field="title")]

    assert snippet(article(title, "A body of its own."), found) == [("A body of its own.", False)]
    assert snippet(article(title, ""), found) == [("Qandil", True), (" again", False)]
    assert title_parts(article(title), found) == [("Qandil", True), (" again", False)]


def test_snippet_of_an_earlier_revision() -> None:
    """Evidence that the present text no longer holds is shown by the sentence kept with it."""
    found = evidence("Qandil", "Once near Qandil.", sentence="Once near Qandil.")

    parts = snippet(article(text="Rewritten."), [found])

    assert parts == [("Once near ", False), ("Qandil", True), (".", False)]


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet="ab .\n\u202eق", min_size=1, max_size=900),
    spans=st.lists(st.tuples(st.integers(0, 899), st.integers(1, 30)), max_size=6),
    sentence=st.tuples(st.integers(0, 899), st.integers(0, 900)),
)
def test_snippet_of_anything(text: str, spans: list[tuple[int, int]], sentence: tuple[int, int]) -> None:
    """Whatever the offsets and sentences, a snippet is short, its plain and marked parts are pieces of the text."""
    found = [
        Evidence(
            leaf="word",
            name="w",
            letters=text[start : start + size],
            field="body",
            start=start,
            end=start + len(text[start : start + size]),
            sentence=text[sentence[0] : sentence[0] + sentence[1]],
            lang="en",
        )
        for start, size in spans
        if text[start : start + size]
    ]

    parts = snippet(article(text=text), found)

    assert sum(len(t) for t, _ in parts) <= 720
    assert all("\u202e" not in t and "\n" not in t for t, _ in parts)
