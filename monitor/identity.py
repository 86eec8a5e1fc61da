"""What makes two sightings of an item one article: its GUID, else its link, else its words and date. Pure.

A publisher may change any of these at every fetch, or give one to all items. So what seems new is compared with what
the feed showed before, and what seems known is compared with the words that are stored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from monitor.model import Article, FeedState, Item

CHURN_LEAST, CHURN_SHARE = 3, 0.8
"""So many, and such a share of what seems new, has to be known by other marks before these count for the whole feed."""

STRANGE = 0.3
"""Share of common words below which two wordings under one mark are two articles; an edit keeps most of its words."""

_TRACKING = ("utm_", "fbclid", "gclid", "at_medium", "at_campaign", "ocid", "cmpid")
_START = re.compile(r"\Ahttps?://(?:www\.)?", re.IGNORECASE)

_ORDINARY = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?/[!-\"$->@-~]*")
"""A link that is canonical as it is, without a query: nearly every one, and taking it apart takes time."""

Identity = Literal["guid", "link"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An article that a feed showed before."""

    id: str
    url: str
    revision: str


def canonical(url: str) -> str:
    """The link without its fragment and tracking words, host in small letters; "" for anything but http and https."""
    return url if _ORDINARY.fullmatch(url) else _rebuilt(url)


def _rebuilt(url: str) -> str:
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


def of_items(items: Sequence[Item], by: Identity) -> list[str]:
    """The identity of each item of one fetch: what `article_id` takes.

    A GUID or a link that several items share tells nothing apart. `by` is "link" for a feed whose GUIDs mean nothing.
    """
    guids = Counter(i.guid.strip() for i in items)
    links = [canonical(i.url) for i in items]
    count = Counter(links)
    return [_of_item(item, link, guids, count, by) for item, link in zip(items, links, strict=True)]


def _of_item(item: Item, link: str, guids: Counter[str], links: Counter[str], by: Identity) -> str:
    guid = item.guid.strip()
    if by == "guid" and guid and guids[guid] == 1:
        return f"guid:{guid}"
    if link and links[link] == 1 and not _is_front_page(link):
        return f"link:{link}"
    day = item.published.isoformat() if item.published else item.published_raw
    return f"text:{item.title}\0{day}\0{link}"


def to_compare(found: Sequence[Article], known: Mapping[str, str]) -> bool:
    """Whether a feed shows anything new or edited, so that the functions below have to look at it."""
    return any(known.get(a.id) != a.revision for a in found)


def guids_mean_nothing(found: Sequence[Article]) -> bool:
    """Whether most GUIDs of one fetch stand on several articles."""
    guids = Counter(a.guid for a in found if a.guid)
    return sum(n for n in guids.values() if n > 1) * 2 > guids.total()


def recognised(
    found: Sequence[Article], known: Collection[str] | Mapping[str, str], shown: Sequence[Shown], state: FeedState
) -> tuple[list[Article], Identity]:
    """The same articles, those that the feed gave new marks under the id they have; and what tells items apart.

    `shown` is what the feed showed before, newest first. The same words under the same link are the same article. When
    over 80 % of what seems new has a known link, the GUIDs mean nothing and the link decides from now on; when it has
    known words, GUIDs and links were changed at once, as after a move to another system.
    """
    if not shown:
        return list(found), "link" if state.identity == "link" or guids_mean_nothing(found) else "guid"
    unknown = [a for a in found if a.id not in known]
    here = {a.id for a in found}
    shown = _alike(unknown, shown)
    linked, worded = _by_link(found, unknown, shown), _by_words(found, unknown, [s for s in shown if s.id not in here])
    by_link = state.identity == "link" or _is_churn(linked, unknown) or guids_mean_nothing(found)
    moved = _is_churn(worded, unknown)
    plain = _unmarked(found)
    same: dict[str, str] = {}
    for article in unknown:
        link, word = linked.get(article.id), worded.get(article.id)
        if link and (by_link or link.revision == article.revision):
            same[article.id] = link.id
        elif word and (moved or article.id in plain):
            same[article.id] = word.id
    renamed = [replace(a, id=same[a.id]) if same.get(a.id, a.id) not in here else a for a in found]
    return list({a.id: a for a in reversed(renamed)}.values())[::-1], "link" if by_link else "guid"


def doubtful(found: Sequence[Article], known: Mapping[str, str], shown: Sequence[Shown]) -> list[str]:
    """Ids of known articles that came back with other words at another link, their GUID perhaps given away again."""
    edited = {a.id: _loose(a.url) for a in found if known.get(a.id, a.revision) != a.revision and canonical(a.url)}
    return [s.id for s in shown if s.id in edited and s.url and _loose(s.url) != edited[s.id]] if edited else []


def apart(found: Sequence[Article], stored: Mapping[str, Article]) -> list[Article]:
    """The same articles, those that share nearly no words with what is stored under their id under one of their own."""
    return [
        replace(a, id=article_id(a.feed, f"link:{canonical(a.url)}"))
        if a.id in stored and _common(a, stored[a.id]) < STRANGE
        else a
        for a in found
    ]


def _alike(unknown: Sequence[Article], shown: Sequence[Shown]) -> list[Shown]:
    """What can have the link or the words of something unknown, told at a glance: taking links apart is dear."""
    tails, words = {_tail(a.url) for a in unknown}, {a.revision for a in unknown}
    return [s for s in shown if _tail(s.url) in tails or s.revision in words]


def _tail(url: str) -> str:
    """The last part of a link's path: links that are the same for `_loose` have the same."""
    return url.partition("#")[0].partition("?")[0].strip().rstrip("/").rpartition("/")[2]


def _by_link(found: Sequence[Article], unknown: Sequence[Article], shown: Sequence[Shown]) -> dict[str, Shown]:
    """Id of a new article -> what was shown under its link: with the very words, else the first that had the link."""
    count = Counter(_loose(a.url) for a in found)
    first = {_loose(s.url): s for s in shown if s.url}
    exact = {(_loose(s.url), s.revision): s for s in shown if s.url}
    marks = {a.id: link for a in unknown if (link := _loose(a.url)) in first and count[link] == 1}
    return {a.id: exact.get((marks[a.id], a.revision), first[marks[a.id]]) for a in unknown if a.id in marks}


def _by_words(found: Sequence[Article], unknown: Sequence[Article], shown: Sequence[Shown]) -> dict[str, Shown]:
    """Id of a new article -> what was shown with the very words, unless several have them."""
    count = Counter(a.revision for a in found)
    times = Counter(s.revision for s in shown)
    first = {s.revision: s for s in shown}
    return {a.id: first[a.revision] for a in unknown if count[a.revision] == 1 and times[a.revision] == 1}


def _unmarked(found: Sequence[Article]) -> set[str]:
    """Ids of articles with neither a GUID nor a link of their own: a date that moves would make them new each time."""
    guids, links = Counter(a.guid for a in found), Counter(_loose(a.url) for a in found)
    bare = [a for a in found if not a.guid or guids[a.guid] > 1]
    return {a.id for a in bare if links[_loose(a.url)] > 1 or _is_front_page(a.url)}


def _is_churn(again: Collection[str], unknown: Collection[Article]) -> bool:
    return len(again) >= CHURN_LEAST and len(again) > CHURN_SHARE * len(unknown)


def _loose(url: str) -> str:
    """What stays of a link when a site changes to https or gives up its www."""
    return _START.sub("", canonical(url)).rstrip("/")


def _is_front_page(url: str) -> bool:
    """Whether a link is none, or leads to a whole site."""
    return "/" not in _loose(url) and "?" not in url


def _common(a: Article, b: Article) -> float:
    """Share of the words of the shorter of two articles, as their heads have them, that the other has too."""
    one, other = (set(f"{x.title} {x.lead}".casefold().split()) for x in (a, b))
    return len(one & other) / max(1, min(len(one), len(other)))
