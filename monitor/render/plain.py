"""Text of strangers made fit for a mail: nothing that steers, breaks a line, or links elsewhere than it says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from textwrap import wrap
from urllib.parse import quote, urlsplit

from monitor.model import RIGHT_TO_LEFT

FSI, PDI, RLM = "\u2068", "\u2069", "\u200f"
WIDTH = 72
MAX_URL = 1500
"""A longer address is not linked: 50 of them would fill the mail (Gmail clips at about 102 kB)."""

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Bidi overrides, embeddings, isolates and marks, other invisible format characters, lone surrogates, tag characters.
# U+200C and U+200D stay: Persian and Sorani are spelled with them.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SPACES = re.compile(r"[ \u00a0\u3000]{2,}")
_RTL_LETTERS = frozenset({"R", "AL"})


def inline(text: str) -> str:
    """Return the text on one line without control or bidi characters; spaces at its ends stay."""
    return _SPACES.sub(" ", _INVISIBLE.sub("", _BREAKS.sub(" ", text)))


def clean(text: str, limit: int = 400) -> str:
    """Return the text on one line without control or bidi characters, at most `limit` letters long."""
    line = inline(text).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def header(text: str, limit: int) -> str:
    """Return the text fit for a mail header.

    "=?" is taken out: Python before 3.11.10 writes what an encoded word hides as a header of its own (CVE-2024-6923).
    """
    line = inline(text)
    while "=?" in line:
        line = line.replace("=?", "")
    return clean(line, limit)


def safe_url(url: str) -> str:
    """Return the address if it is plain http or https and can be shown as it is, else an empty string."""
    address = url.strip()
    if not address or len(address) > MAX_URL or _BREAKS.search(address) or _INVISIBLE.search(address):
        return ""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "\\" in address:
        return ""
    return quote(address, safe="%/:?#[]@!$&'()*+,;=~-._").replace("'", "%27")


def direction(text: str, lang: str) -> str:
    """Return "rtl" or "ltr": the way of the language, unless the letters tell otherwise."""
    right = sum(unicodedata.bidirectional(c) in _RTL_LETTERS for c in text)
    if lang in RIGHT_TO_LEFT:
        return "rtl" if right or not text else "ltr"
    left = sum(unicodedata.bidirectional(c) == "L" for c in text)
    return "rtl" if right > left else "ltr"


def isolate(text: str) -> str:
    """Return the text in U+2068..U+2069 when it is written from the right, so that it cannot reorder its line."""
    return f"{FSI}{text}{PDI}" if any(unicodedata.bidirectional(c) in _RTL_LETTERS for c in text) else text


def lines(text: str, *, indent: str = "", first: str | None = None, ltr: bool = False) -> Iterator[str]:
    """Yield the text in lines of 72 columns; what is written from the right begins with U+200F, unless `ltr`."""
    lead = indent if first is None else first
    mark = "" if ltr or direction(text, "") == "ltr" else RLM
    width = WIDTH - len(mark)
    for line in wrap(text, width, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False):
        yield mark + line
