"""Pages: the text of their article, their letters, the feeds that they name."""

from __future__ import annotations

import gzip

import pytest

from monitor.page import FeedLink, article_text, decoded, feed_links, is_page

SENTENCES = [
    "Two rockets fell on the base in the night, said the ministry on Friday, and nobody was hurt.",
    "It was the third time in a month that the base was struck, and the guards had been doubled before.",
    "A spokesman said that 3 &lt; 5 of the drones were shot down & that the search goes on.",
]
PAGE = f"""<html><head><title>Base struck</title></head><body>
<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<article><h1>Base struck</h1>{"".join(f"<p>{s}</p>" for s in SENTENCES)}<script>alert(1)</script></article>
<footer>All rights reserved by the publisher</footer></body></html>"""


def test_the_article_is_found_and_what_surrounds_it_is_left_out() -> None:
    """Paragraphs come as lines of plain text; menus, footers and scripts do not."""
    text = article_text(PAGE.encode(), "text/html; charset=utf-8", "https://example.org/1")
    assert SENTENCES[0] in text.splitlines()
    assert "3 < 5 of the drones were shot down & that" in text
    assert not any(word in text for word in ("Sport", "rights reserved", "alert"))


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"<html></html>", b"%PDF-1.7", b"\0" * 100, b"<" * 50_000, b"<p>" * 20_000]
)
def test_a_page_without_an_article_has_no_text(body: bytes) -> None:
    """Nothing raises, whatever is sent as a page."""
    assert article_text(body, "text/html", "https://example.org/") == ""


def test_what_is_no_page_is_not_read() -> None:
    """A picture, a film, a document and a packed body are left alone, whatever stands in them."""
    assert article_text(PAGE.encode(), "application/pdf", "") == ""
    assert article_text(gzip.compress(PAGE.encode()), "text/html", "") == ""
    assert is_page(b"  <!doctype html>", "")
    assert not is_page(b"{}", "")


@pytest.mark.parametrize(
    ("body", "content_type", "lang", "letters"),
    [
        ("çığ".encode("cp1254"), "text/html; charset=iso-8859-9", "", "çığ"),
        (b'<meta charset="windows-1256">' + "عراق".encode("cp1256"), "text/html", "", "عراق"),
        ("عراق".encode("cp1256"), "text/html", "ar", "عراق"),
        ("çığ".encode("cp1254"), "text/html; charset=no-such", "tr", "çığ"),
        ("çığ".encode(), "text/html; charset=iso-8859-1", "", "çığ"),
        ("çığ".encode("utf-16"), "text/html", "", "çığ"),
        ("\ufeffçığ".encode(), "", "", "çığ"),
        (b"\xff\xfe\xff", "", "", "\ufffd"),
        ("“x”".encode("cp1252"), "text/html; charset=ISO-8859-1", "", "“x”"),
        (b"\x81x", "text/html; charset=hex", "", "\ufffdx"),
    ],
)
def test_letters_are_read_as_the_page_declares_them(body: bytes, content_type: str, lang: str, letters: str) -> None:
    """By mark, header, the page's own word, else UTF-8, else what its language was written in."""
    assert decoded(body, content_type, lang).endswith(letters)


def test_feeds_of_a_page_are_found() -> None:
    """Declared feeds come first, each once, whole and without a fragment; other schemes and other links are none."""
    page = b"""<html><head><base href="/en/"><link rel="stylesheet" href="/rss.css">
    <link rel="alternate" type="application/rss+xml" title="All &amp; new" href="feed?x=1#top">
    <link rel="ALTERNATE" type="application/atom+xml; charset=utf-8" href="//feeds.example.org/atom">
    <link rel="alternate" type="text/html" href="/tr/"><link rel="alternate" type="application/rss+xml" href="file:///x">
    <link rel="alternate" type="application/rss+xml" href="http://[::bad/x"></head>
    <body><a href="rss.xml">Our <b>RSS</b></a> <a href="feed?x=1">again</a> <a href="/sport">Sport</a>
    <a href="javascript:rss()">no</a></body></html>"""
    assert feed_links(page, "text/html", "https://example.org/") == (
        FeedLink(url="https://example.org/en/feed?x=1", title="All & new"),
        FeedLink(url="https://feeds.example.org/atom"),
        FeedLink(url="https://example.org/en/rss.xml", title="Our RSS", declared=False),
    )


@pytest.mark.parametrize("body", [b"", b"\0", b"<", b"plain words", b"<!--" * 10_000, b"<?xml version='1.0'?>"])
def test_a_broken_page_names_no_feed(body: bytes) -> None:
    """Nothing raises, whatever is sent as a page."""
    assert feed_links(body, "text/html", "https://example.org/") == ()
