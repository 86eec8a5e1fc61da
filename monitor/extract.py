"""Items to articles: identity, plain text, language, revision; and which of them may be mailed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from monitor.model import Article, Feed, FeedState, Item
from monitor.text.language import language, normal
from monitor.text.plain import one_line, plain_text, whole

MOST_TITLE, MOST_TEXT, MOST_URL = 1_000, 200_000, 2_048
"""Code points that are kept: far more than any article has, and a bound for a hostile one."""

LEAD_WORDS = 60
BASELINE_AGE = timedelta(hours=48)
"""Older items of a feed's first fetch are stored and matched but are no news."""

FLOOD_LEAST, FLOOD_FACTOR, FLOOD_AGE = 20, 3.0, timedelta(days=7)
CHURN_LEAST, CHURN_SHARE = 3, 0.8
_TRACKING = ("utm_", "fbclid", "gclid", "at_medium", "at_campaign", "ocid", "cmpid")


def articles(feed: Feed, items: Sequence[Item], *, seen: datetime, identity: str = "guid") -> list[Article]:
    """The articles of one fetched feed, one per identity, in the order of the feed.

    `identity` is "link" for a feed that changes its GUIDs at every fetch. An item with neither title nor text is none.
    """
    guids = Counter(i.guid for i in items)
    links = Counter(canonical(i.url) for i in items)
    made: dict[str, Article] = {}
    for item in items:
        article = _article(feed, item, _identity(item, guids, links, identity), seen)
        if article.title or article.text:
            made.setdefault(article.id, article)
    return list(made.values())


def canonical(url: str) -> str:
    """The link without its fragment and tracking words, host in small letters; "" for anything but http and https."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc:
        return ""
    query = parts.query
    if query and any(word in query.lower() for word in _TRACKING):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(k, v) for k, v in pairs if not k.lower().startswith(_TRACKING)])
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, query, ""))


def article_id(feed: str, identity: str) -> str:
    """20 hex digits from feed and item identity."""
    return blake2b(f"{feed}\0{identity}".encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


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
    """The same articles with their standing: old items of a first fetch are baseline, a flood of old ones is held."""
    new = [a for a in found if a.id not in known]
    if state.last_ok is None:
        old = {a.id for a in new if a.seen - a.when > BASELINE_AGE}
        return [replace(a, standing="baseline") if a.id in old else a for a in found]
    aged = [a for a in new if a.published is not None and a.seen - a.published > FLOOD_AGE]
    if len(new) > max(FLOOD_LEAST, FLOOD_FACTOR * state.usual_new) and len(aged) * 2 > len(new):
        held = {a.id for a in new}
        return [replace(a, standing="held") if a.id in held else a for a in found]
    return list(found)


def suspicious(found: Sequence[Article], known: Collection[str] | Mapping[str, str], state: FeedState) -> bool:
    """Whether so much of a feed polled before is unknown by its ids that its links have to be looked up."""
    unknown = sum(a.id not in known for a in found)
    return state.last_ok is not None and unknown > 0 and (state.identity == "link" or unknown * 2 > len(found))


def recognised(
    found: Sequence[Article], known: Mapping[str, str], stored: Mapping[str, tuple[str, str]], state: FeedState
) -> tuple[list[Article], Literal["guid", "link"]]:
    """The same articles, those that the feed gave a new GUID under the id they have; and what tells items apart.

    `stored` maps links of the feed to (id, revision). The same words under the same link are the same article; when
    over 80 % of what seems new has a known link, the GUIDs mean nothing and the link decides from now on.
    """
    links = Counter(a.url for a in found)
    unknown = [a for a in found if a.id not in known]
    again = [a for a in unknown if links[a.url] == 1 and a.url in stored]
    churned = state.identity == "link" or (len(again) >= CHURN_LEAST and len(again) > CHURN_SHARE * len(unknown))
    same = {a.id: stored[a.url][0] for a in again if churned or stored[a.url][1] == a.revision}
    taken = {a.id for a in found}
    renamed = [replace(a, id=same[a.id]) if same.get(a.id, a.id) not in taken else a for a in found]
    return list({a.id: a for a in reversed(renamed)}.values())[::-1], "link" if churned else "guid"


def _identity(item: Item, guids: Counter[str], links: Counter[str], identity: str) -> str:
    link = canonical(item.url)
    if identity == "guid" and item.guid and guids[item.guid] == 1:
        return f"guid:{item.guid}"
    if link and links[link] == 1:
        return f"link:{link}"
    day = item.published.isoformat() if item.published else item.published_raw
    return f"text:{item.title}\0{day}\0{link}"


def _article(feed: Feed, item: Item, identity: str, seen: datetime) -> Article:
    title = one_line(item.title)[:MOST_TITLE]
    text = body(plain_text(item.summary), plain_text(item.html))[:MOST_TEXT]
    url = whole(item.url).strip()
    return Article(
        id=article_id(feed.id, identity),
        feed=feed.id,
        url=url if canonical(url) and len(url) <= MOST_URL else "",
        title=title,
        lead=lead(text),
        text=text,
        lang=language(title, text, prior=normal(feed.lang) or normal(item.lang)),
        published=item.published,
        published_raw=whole(item.published_raw)[:200],
        seen=seen,
        guid=whole(item.guid)[:MOST_URL],
        authors=tuple(one_line(a)[:200] for a in item.authors[:10]),
        revision=revision(title, text),
        source=feed.title or feed.id,
    )
