"""The sentence around the evidence, with the very letters marked: the same for mails, pages and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from monitor.model import Article, Evidence
from monitor.render.plain import inline

Part = tuple[str, bool]
"""(text, marked). Parts joined give the excerpt."""

Span = tuple[int, int]
"""Half-open code points."""

MAX_LETTERS = 320
MARGIN = 110
"""Letters kept on each side of a mark when a sentence is too long to be shown whole."""
MAX_WINDOWS = 2
ELLIPSIS = "…"


def snippet(article: Article, evidence: Iterable[Evidence]) -> list[Part]:
    """Return up to two passages of the body around the evidence, its letters marked; else how the body begins.

    An article without a body gives its title. Evidence of an earlier revision is shown by the sentence kept with it.
    """
    found = tuple(evidence)
    if not article.text.strip():
        return title_parts(article, found)
    body = [e for e in found if e.field == "body"]
    here = [e for e in body if article.text[e.start : e.end] == e.letters]
    if here:
        return list(_passages(article.text, here))
    if body:
        start = body[0].sentence.find(body[0].letters)
        spans = [(start, start + len(body[0].letters))] if start >= 0 else []
        return mark(body[0].sentence[: 2 * MAX_LETTERS], spans, limit=MAX_LETTERS)
    return mark(article.text[: 2 * MAX_LETTERS].lstrip(), (), limit=200)


def title_parts(article: Article, evidence: Iterable[Evidence], limit: int = 300) -> list[Part]:
    """Return the title with the letters of the evidence marked."""
    title = article.title
    spans = [(e.start, e.end) for e in evidence if e.field == "title" and title[e.start : e.end] == e.letters]
    return mark(title, spans, limit=limit)


def mark(text: str, spans: Sequence[Span], *, limit: int) -> list[Part]:
    """Return the text cut into marked and plain parts, made safe to show, at most about `limit` letters long."""
    end = len(text) if len(text) <= limit else _word_end(text, limit, len(text))
    parts = list(_cut(text, (0, end), spans))
    return [*parts, (ELLIPSIS, False)] if end < len(text) else parts


def _passages(text: str, evidence: Sequence[Evidence]) -> Iterator[Part]:
    spans = [(e.start, e.end) for e in evidence]
    windows = _merge((_window(text, e) for e in evidence), gap=2)[:MAX_WINDOWS]
    budget = MAX_LETTERS
    for n, (start, stop) in enumerate(windows):
        if n and budget < MARGIN:
            break
        end = stop if stop - start <= budget else _word_end(text, start + budget, stop)
        budget -= end - start
        if n or text[:start].strip():
            yield (f" {ELLIPSIS} " if n else f"{ELLIPSIS} ", False)
        yield from _cut(text, (start, end), spans)
    if text[end:].strip():
        yield (f" {ELLIPSIS}", False)


def _window(text: str, evidence: Evidence) -> Span:
    """Return where the sentence of the evidence stands, or the part of it around the evidence when it is long."""
    size = len(evidence.sentence)
    at = text.find(evidence.sentence, max(0, evidence.end - size), evidence.start + size) if size else -1
    inside = 0 <= at <= evidence.start and evidence.end <= at + size
    if inside and size <= MAX_LETTERS:
        return at, at + size
    low, high = (at, at + size) if inside else (0, len(text))
    start = low if evidence.start - low <= MARGIN else _word_start(text, evidence.start - MARGIN, evidence.start)
    end = high if high - evidence.end <= MARGIN else _word_end(text, evidence.end + MARGIN, high)
    return start, max(end, evidence.end)


def _word_start(text: str, at: int, stop: int) -> int:
    space = text.find(" ", at, stop)
    return space + 1 if 0 <= space < at + 30 else at


def _word_end(text: str, at: int, stop: int) -> int:
    space = text.rfind(" ", max(0, at - 30), min(at, stop) + 1)
    return space if space > 0 else min(at, stop)


def _merge(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Return the spans in order, joined where they overlap or stand no more than `gap` letters apart."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + gap:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _cut(text: str, window: Span, spans: Sequence[Span]) -> Iterator[Part]:
    at, stop = window
    for start, end in _merge(spans):
        low, high = max(start, at), min(end, stop)
        if low < high:
            yield from ((t, m) for t, m in ((inline(text[at:low]), False), (inline(text[low:high]), True)) if t)
            at = high
    if at < stop:
        yield inline(text[at:stop]), False
