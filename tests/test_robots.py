"""robots.txt: what RFC 9309 says is what we do."""

from __future__ import annotations

import time

import pytest

from monitor.fetch.robots import MOST_BYTES, read_rules


@pytest.mark.parametrize(
    ("lines", "target", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("User-agent: *\nDisallow: /\nAllow: /news/", "/news/1", True),
        ("User-agent: *\nAllow: /\nDisallow: /private", "/private/x", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*?print=", "/news/1?print=1", False),
        ("User-agent: *\nDisallow: /*?print=", "/news/1?page=1", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/x.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/x.pdf?y", True),
        ("User-agent: *\nDisallow: /x$", "/x", False),
        ("User-agent: *\nDisallow: /x$", "/xy", True),
        ("User-agent: *\nDisallow: /a*b*a$", "/aba", False),
        ("User-agent: *\nDisallow: /ab*ba$", "/aba", True),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: Desk-Monitor/1.0\nDisallow: /\n\nUser-agent: *\nAllow: /", "/a", False),
        ("User-agent: desk-monitor\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a", True),
        ("User-agent: desk-monitor\n\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: a\nUser-agent: desk-monitor\nDisallow: /x\nUser-agent: b\nDisallow: /", "/y", True),
        ("User-agent: desk-monitor\nDisallow: /x\n\nUser-agent: desk-monitor\nDisallow: /y", "/y", False),
        ("user-agent : * # all\r\nDISALLOW : /x # not this", "/x", False),
        ("Sitemap: /s\nUser-agent: *\nCrawl-delay: 5\nDisallow: /x", "/x", False),
        ("Disallow: /x", "/x", True),
        ("User-agent: *\nDisallow: /haber/türkiye", "/haber/t%C3%BCrkiye", False),
        ("User-agent: *\nDisallow: /%61", "/a", False),
        ("<html><body>Not found: User-agent</body></html>", "/a", True),
    ],
)
def test_a_rule_is_read_as_the_rfc_says(lines: str, target: str, *, allowed: bool) -> None:
    """The longest rule of our own group decides, allow before disallow; `*` and `$` are no letters."""
    assert read_rules(lines.encode(), "desk-monitor").allows(target) is allowed


def test_bytes_that_are_no_text_forbid_nothing() -> None:
    """Whatever stands there, nothing raises."""
    assert read_rules(bytes(range(256)) * 10, "desk-monitor").allows("/\ud800x?\xff")


def test_a_hostile_file_costs_no_time() -> None:
    """A file full of stars over a long address is answered in a moment; what is over the bound is not read."""
    stars = b"User-agent: *\n" + b"Disallow: /" + b"*a" * 2_000 + b"b$\n" + b"Disallow: /x" * 100_000
    began = time.process_time()
    rules = read_rules(stars, "desk-monitor")
    assert rules.allows("/" + "a" * 8_000)
    assert time.process_time() - began < 2
    late = b"User-agent: *\n" + b"#" * MOST_BYTES + b"\nDisallow: /"
    assert read_rules(late, "desk-monitor").allows("/a")
