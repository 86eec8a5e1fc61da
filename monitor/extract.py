"""Items to articles: plain text, language, date, revision; and which of them may be mailed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from monitor import dates, identity
from monitor.model import Article, Feed, FeedState, Item
from monitor.text.language import language, normal
from monitor.text.plain import one_line, plain_text, whole

MOST_TITLE, MOST_TEXT, MOST_URL = 1_000, 200_000, 2_048
"""Code points that are kept: far more than any article has, and a bound for a hostile one."""

LEAD_WORDS = 60
BASELINE_AGE = timedelta(hours=48)
"""Older items of a feed's first fetch are stored and matched but are no news."""

FLOOD_LEAST, FLOOD_FACTOR, FLOOD_AGE = 20, 3.0, timedelta(days=7)


def articles(
    feed: Feed, items: Sequence[Item], *, seen: datetime, by: identity.Identity = "guid", correction: int = 0
) -> list[Article]:
    """The articles of one fetched feed, one per identity, in the order of the feed.

    `by` and `correction` (seconds taken from every date) are what was learned of the feed. An item with neither title
    nor text is none.
    """
    made: dict[str, Article] = {}
    for item, name in zip(items, identity.of_items(items, by), strict=True):
        article = _article(feed, item, name, seen, timedelta(seconds=correction))
        if article.title or article.text:
            made.setdefault(article.id, article)
    return list(made.values())


def revision(title: str, text: str) -> str:
    """12 hex digits from what a reader reads; dates and links never make a revision."""
    return blake2b(f"{title}\0{text}".encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def body(summary: str, text: str) -> str:
    """The text, with the summary in front unless the text already contains it."""
    if not summary or not text:
        return text or summary
    squeezed = " ".join(summary.split()).rstrip(". …")
    return text if squeezed in " ".join(text.split()) else f"{summary}\n{text}"


def lead(text: str) -> str:
    """The first 60 words."""
    return " ".join(text.split(maxsplit=LEAD_WORDS)[:LEAD_WORDS])


def judged(found: Sequence[Article], known: Collection[str] | Mapping[str, str], state: FeedState) -> list[Article]:
    """The same articles with their standing: old items of a first fetch are baseline, a flood of old ones is held.

    Items without a date that can be true may be new or old. Of a first fetch the foremost 20 of them are news.
    """
    new = [a for a in found if a.id not in known]
    if state.last_ok is None:
        undated = [a.id for a in new if a.published is None or a.when != a.published]
        old = {a.id for a in new if a.seen - a.when > BASELINE_AGE} | set(undated[FLOOD_LEAST:])
        return [replace(a, standing="baseline") if a.id in old else a for a in found]
    aged = [a for a in new if a.published is not None and a.seen - a.published > FLOOD_AGE]
    if len(new) > max(FLOOD_LEAST, FLOOD_FACTOR * state.usual_new) and len(aged) * 2 > len(new):
        held = {a.id for a in new}
        return [replace(a, standing="held") if a.id in held else a for a in found]
    return list(found)


def _published(item: Item, correction: timedelta) -> datetime | None:
    """The item's own date, read with our own rules, too, and set right for a feed whose clock label lies."""
    date = dates.moment(item.published_raw, item.published)
    try:
        return date and date - correction
    except OverflowError:
        return date


def _article(feed: Feed, item: Item, name: str, seen: datetime, correction: timedelta) -> Article:
    title = one_line(item.title)[:MOST_TITLE]
    text = body(plain_text(item.summary), plain_text(item.html))[:MOST_TEXT]
    url = whole(item.url).strip()
    return Article(
        id=identity.article_id(feed.id, name),
        feed=feed.id,
        url=url if identity.canonical(url) and len(url) <= MOST_URL else "",
        title=title,
        lead=lead(text),
        text=text,
        lang=language(title, text, prior=normal(feed.lang) or normal(item.lang)),
        published=_published(item, correction),
        published_raw=whole(item.published_raw)[:200],
        seen=seen,
        guid=whole(item.guid)[:MOST_URL],
        authors=tuple(one_line(a)[:200] for a in item.authors[:10]),
        revision=revision(title, text),
        source=feed.title or feed.id,
    )
