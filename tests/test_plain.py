"""Markup to plain text: no tag, no script, no invisible trick, entities resolved once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.text.plain import one_line, plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("One<br/>Two<BR >Three", "One\nTwo\nThree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("a <b>bold</b>, <i>word</i>", "a bold, word"),
        ("Iraq &amp; Iran", "Iraq & Iran"),
        ("&lt;b&gt; is markup", "<b> is markup"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("5 < 6 & 7 > 3", "5 < 6 & 7 > 3"),
        ("&#1575;&#x627;", "اا"),
        ("a<script>alert(1)</script>b<style>p{}</style>c", "abc"),
        ("<img src=x onerror=alert(1)>text", "text"),
        ("<!-- gone -->kept", "kept"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a \n \n\n b", "a\nb"),
        ("a\u00a0\u202f b", "a b"),
        ("\u202eevil\u202c\ufeff", "evil"),
        ("پایگاه\u200cها", "پایگاه\u200cها"),
        ("nul\x00 bell\x07\ud800", "nul bell"),
        ("<p>unclosed <b>tag", "unclosed tag"),
        ("", ""),
        ("<p></p>", ""),
    ],
)
def test_plain_text(markup: str, text: str) -> None:
    """What is stored of a piece of markup."""
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("  A\n title ", "A title"),
        ("<p>A</p><p>B</p>", "A B"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("AT&amp;T", "AT&T"),
        ("a & b; c", "a & b; c"),
    ],
)
def test_one_line(markup: str, text: str) -> None:
    """A title is one line; one that was escaped twice is resolved once more."""
    assert one_line(markup) == text


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            (
                "<p>",
                "</p>",
                "<script>",
                "</script>",
                "<b",
                ">",
                "&lt;",
                "&amp;",
                "&#60;",
                "\n",
                "\x00",
                "\ud800",
                "اب",
                "x",
                '"',
            )
        )
        | st.text(max_size=4),
        max_size=20,
    ).map("".join)
)
def test_nothing_invisible_is_left(markup: str) -> None:
    """No control, lone surrogate or direction override is left, and no line has spaces at its edges."""
    text = plain_text(markup)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert all(line == line.strip(" ") for line in text.split("\n"))
    assert "\n" not in one_line(markup)
    text.encode("utf-8")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from((
            "<p>", "</p>", "<P class='a'>", '<a href="x?a&amp;b">', "</a>", "<b>", "</em>", "<br/>", "<li>",
            "<h1>", "<img src=\"x\" alt='y z'/>", "<i a b>", "</span\n>", "</strong>", "<hr>", "word", " ", "\n", ">",
            "\u200c", "\u0627", "\t", "'", '"',
        ))
        | st.text(st.characters(exclude_characters="<&"), max_size=3),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_simple_tags_read_as_by_the_html_parser(markup: str) -> None:
    """A text with simple tags alone is the same whether the tags are cut out or an HTML parser reads it."""
    assert plain_text(markup) == plain_text(f"{markup}<x></x>")
