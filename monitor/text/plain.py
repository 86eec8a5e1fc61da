"""Markup to plain text. Whatever a feed sends, what is stored and shown is letters."""

from __future__ import annotations

import html
import re

import nh3

_BREAK = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr|/blockquote|hr)\b[^<>]{0,200}>", re.IGNORECASE)
_MARKUP = re.compile(r"[<&]")
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\uffff]|[\ud800-\udfff]"
)
_HALVES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[ \t\u00a0\u2007\u202f]+")
_LINES = re.compile(r" ?\n[ \n]*")


def plain_text(markup: str) -> str:
    """Text of a piece of HTML: no tag, entities resolved once, one line per block. Scripts and styles vanish whole."""
    text = markup
    if _MARKUP.search(text):
        text = whole(text)
        text = html.unescape(nh3.clean(_BREAK.sub("\n", text), tags=set(), clean_content_tags={"script", "style"}))
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def whole(text: str) -> str:
    """The text without halves of characters, which JSON can hold and neither UTF-8 nor the store can."""
    return _HALVES.sub("", text)


def one_line(markup: str) -> str:
    """The same on one line, for titles. Feeds that escape a title twice are resolved once more."""
    text = plain_text(markup)
    if "&" in text and ";" in text:
        text = plain_text(text)
    return " ".join(text.split())
