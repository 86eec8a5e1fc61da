"""A digest as the templates see it: finished pieces of safe text, so that a template decides nothing but looks.

Every piece that comes from a feed went through `plain` or `excerpt`; the templates escape it once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from monitor.model import LEVELS, Coverage, Digest, Hit, Section, StoryLine
from monitor.render.excerpt import Part, snippet, title_parts
from monitor.render.plain import clean, direction, isolate, safe_url

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LANGUAGE_NAMES = {"en": "English", "tr": "Turkish", "ar": "Arabic", "ku": "Kurmanji", "ckb": "Sorani", "fa": "Persian"}
HTML_LANG = {"ku": "kmr"}
"""Where the language tag of a page differs from ours: ku alone would mean any Kurdish."""

MAX_REASONS = 4
MAX_LETTERS = 4
MAX_FEEDS = 15
"""Feeds named in each part of the coverage; the rest is counted."""
BAR = 180
"""Pixels of the longest bar."""

Names = Mapping[tuple[str, str], str]
"""(watchlist id, rule or entity id) -> title for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many stories are shown whole and how many in one line; the others are counted."""

    full: int = 50
    brief: int = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One story shown whole."""

    title: tuple[Part, ...]
    snippet: tuple[Part, ...]
    url: str
    lang: str
    dir: str
    snippet_dir: str
    level: str
    """Empty for the ordinary level."""
    meta: str
    why: tuple[str, ...]
    also: str
    story_url: str
    not_it_url: str
    not_it_command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """One story in one line."""

    title: str
    url: str
    lang: str
    dir: str
    meta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The stories of one watchlist."""

    title: str
    count: int
    items: tuple[Item, ...]
    briefs: tuple[Brief, ...]
    more: int
    bar: int
    """Width of its bar in pixels."""
    urgent: str
    """ "2 flash, 1 high", or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One part of the coverage: a heading and one line per feed."""

    title: str
    rows: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that a template needs."""

    key: str
    desk: str
    desk_id: str
    flash: bool
    heading: str
    stories: int
    summary: str
    preheader: str
    alerts: tuple[str, ...]
    blocks: tuple[Block, ...]
    quiet: str
    lookback: tuple[str, ...]
    coverage: tuple[Watch, ...]
    last_hit: str
    more: int
    reply_to: str
    digest_url: str
    feeds_url: str


def page(digest: Digest, *, base_url: str, names: Names, limits: Limits) -> Page:
    """Return the digest in finished pieces, at most `limits` of it."""
    desk = digest.desk
    base = safe_url(base_url).rstrip("/")
    shown = _shares(digest.sections, limits)
    blocks = tuple(_block(digest, s, shown[s.watchlist], base, names) for s in digest.sections if s.stories)
    return Page(
        key=str(digest.key),
        desk=clean(desk.title or desk.id, 80),
        desk_id=clean(desk.id, 80),
        flash=digest.flash,
        heading=f"{day_text(digest.made, desk.zone, year=True)} {desk.zone.rsplit('/', 1)[-1].replace('_', ' ')}",
        stories=digest.stories,
        summary=summary(digest),
        preheader=_preheader(digest),
        alerts=tuple(_alerts(digest.coverage)),
        blocks=blocks,
        quiet=_quiet(digest.sections),
        lookback=tuple(f"{clean(rule, 80)}: {hits} in stored articles" for rule, hits in digest.lookback[:MAX_FEEDS]),
        coverage=tuple(_coverage(digest.coverage)),
        last_hit=day_text(digest.coverage.last_hit, desk.zone) if digest.coverage.last_hit else "",
        more=sum(b.more for b in blocks),
        reply_to=clean(desk.reply_to, 120),
        digest_url=f"{base}/digests/{quote(str(digest.key))}" if base else "",
        feeds_url=f"{base}/feeds" if base else "",
    )


def day_text(moment: datetime, zone: str, *, year: bool = False) -> str:
    """Return "Sat 21 Nov 07:00" in the desk's zone, in English whatever the machine's locale is."""
    local = moment.astimezone(ZoneInfo(zone))
    tail = f" {local.year}," if year else ""
    return f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}{tail} {local:%H:%M}"


def plural(count: int, one: str, many: str = "") -> str:
    """Return "1 story" or "3 stories"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def summary(digest: Digest) -> str:
    """Return the line that says what came in and what was watched."""
    seen = digest.coverage
    new = plural(digest.stories, "new story", "new stories")
    if digest.flash:
        return f"{new}, mailed at once because a rule of level {digest.desk.flash_level} or above has hit"
    fresh = f"{seen.fresh} of {plural(seen.feeds, 'feed')} fresh"
    since = day_text(digest.since, digest.desk.zone)
    return f"{new} from {plural(seen.articles, 'article')}, {fresh}, since {since}"


def urgent_text(lines: Sequence[StoryLine]) -> str:
    """Return "2 flash, 1 high" for the levels above the ordinary one."""
    levels = Counter(line.level for line in lines)
    return ", ".join(f"{levels[level]} {level}" for level in ("flash", "high") if levels[level])


def _preheader(digest: Digest) -> str:
    stories = sorted((line for s in digest.sections for line in s.stories), key=lambda s: LEVELS.index(s.level))
    top = f"Top: {clean(stories[0].article.title, 90)}. " if stories else "Nothing new. "
    return top + " ".join(_alerts(digest.coverage, names=2))


def _shares(sections: Sequence[Section], limits: Limits) -> dict[str, tuple[int, int]]:
    """Return per watchlist how many of its stories are shown whole and in one line.

    The most urgent go first, then each list in turn, so that a long list cannot push the others out.
    """
    places = sorted(
        (LEVELS.index(line.level), n, k) for k, s in enumerate(sections) for n, line in enumerate(s.stories)
    )
    full = Counter(k for _, _, k in places[: limits.full])
    brief = Counter(k for _, _, k in places[limits.full : limits.full + limits.brief])
    return {s.watchlist: (full[k], brief[k]) for k, s in enumerate(sections)}


def _block(digest: Digest, section: Section, share: tuple[int, int], base: str, names: Names) -> Block:
    full, brief = share
    stories = section.stories
    longest = max(len(s.stories) for s in digest.sections)
    return Block(
        title=clean(section.title, 80),
        count=len(stories),
        items=tuple(_item(digest, section, line, base, names) for line in stories[:full]),
        briefs=tuple(_brief(digest, line) for line in stories[full : full + brief]),
        more=len(stories) - full - brief,
        bar=max(4, BAR * len(stories) // longest),
        urgent=urgent_text(stories),
    )


def _item(digest: Digest, section: Section, line: StoryLine, base: str, names: Names) -> Item:
    article = line.article
    hits = [h for h in line.hits if h.article == article.id]
    evidence = [e for h in hits for e in h.evidence]
    titles = {s.watchlist: clean(s.title, 60) for s in digest.sections}
    explained = {titles.get(h.watchlist) for h in hits}
    shown = tuple(snippet(article, evidence)) if article.text.strip() else ()
    handle = hit_handle(hits[0]) if hits else ""
    return Item(
        title=tuple(title_parts(article, evidence)) or (("(no title)", False),),
        snippet=shown,
        url=safe_url(article.url),
        lang=HTML_LANG.get(article.lang, article.lang),
        dir=direction(article.title, article.lang),
        snippet_dir=direction("".join(t for t, _ in shown), article.lang),
        level=line.level.upper() if line.level in {"flash", "high"} else "",
        meta=_meta(digest, line),
        why=tuple(_reasons(hits, section.watchlist, titles, names)),
        also=", ".join(isolate(t) for t in [clean(t, 60) for t in line.also[:6]] if t not in explained),
        story_url=f"{base}/story/{quote(line.story, safe='')}" if base and len(line.sources) > 1 else "",
        not_it_url=f"{base}/feedback?{urlencode({'hit': handle})}" if base and handle else "",
        not_it_command=f"monitor not-it {handle}" if handle and not base else "",
    )


def hit_handle(hit: Hit) -> str:
    """Return the name by which a person says "not it" about a hit: article/watchlist/rule-or-entity."""
    return f"{hit.article}/{hit.watchlist}/{hit.name}"


def _brief(digest: Digest, line: StoryLine) -> Brief:
    article = line.article
    return Brief(
        title=clean(article.title, 120) or "(no title)",
        url=safe_url(article.url),
        lang=HTML_LANG.get(article.lang, article.lang),
        dir=direction(article.title, article.lang),
        meta=f"{isolate(clean(article.source or article.feed, 50))}, {day_text(article.when, digest.desk.zone)}, "
        f"{clean(article.lang, 8).upper() or '?'}",
    )


def _meta(digest: Digest, line: StoryLine) -> str:
    """Return "Example Agency, Fri 20 Nov 21:10, English - 6 sources: EN 3, TR 2, AR 1"."""
    article = line.article
    language = LANGUAGE_NAMES.get(article.lang, clean(article.lang, 8) or "language unknown")
    source = isolate(clean(article.source or article.feed, 60))
    told = f"{source}, {day_text(article.when, digest.desk.zone)}, {language}"
    sources = dict.fromkeys(line.sources)
    if len(sources) > 1:
        by_language = Counter(lang for _, lang in sources).most_common()
        told += f" - {len(sources)} sources: " + ", ".join(f"{clean(g, 8).upper() or '?'} {n}" for g, n in by_language)
    return f"{told} - updated text" if line.updated else told


def _reasons(hits: Sequence[Hit], home: str, titles: Mapping[str, str], names: Names) -> Iterator[str]:
    """Yield why a story is here: each rule with the letters that made it true, then the names found per watchlist."""
    lists = dict.fromkeys(h.watchlist for h in hits)
    reasons = []
    for watchlist in lists:
        prefix = "" if watchlist == home else f"{isolate(titles.get(watchlist, watchlist))}: "
        mine = [h for h in hits if h.watchlist == watchlist]
        reasons += [f"{prefix}rule {_title(h, names)}{_letters(h, '')}" for h in mine if h.rule]
        found = [_title(h, names) + _letters(h, _title(h, names)) for h in mine if not h.rule]
        if found:
            rest = f" and {len(found) - 6} more" if len(found) > 6 else ""
            reasons.append(f"{prefix}names {', '.join(found[:6])}{rest}")
    yield from reasons[:MAX_REASONS]
    if len(reasons) > MAX_REASONS:
        yield f"and {len(reasons) - MAX_REASONS} more"


def _title(hit: Hit, names: Names) -> str:
    return isolate(clean(names.get((hit.watchlist, hit.name), hit.name), 60))


def _letters(hit: Hit, name: str) -> str:
    """Return the spellings found, in brackets; nothing when the name itself says it."""
    letters = [clean(e.letters, 40) for e in hit.evidence]
    spelled = [s for s in dict.fromkeys(letters) if s and s != name]
    if not spelled:
        return ""
    more = ", ..." if len(spelled) > MAX_LETTERS else ""
    return f" ({', '.join(isolate(s) for s in spelled[:MAX_LETTERS])}{more})"


def _quiet(sections: Sequence[Section]) -> str:
    titles = [isolate(clean(s.title, 60)) for s in sections if not s.stories]
    more = f" and {len(titles) - MAX_FEEDS} more" if len(titles) > MAX_FEEDS else ""
    return ", ".join(titles[:MAX_FEEDS]) + more


def _alerts(seen: Coverage, names: int = 6) -> Iterator[str]:
    """Yield the lines that must not be overlooked."""
    for rows, said in ((seen.failing, "not answering"), (seen.silent, "silent")):
        if rows:
            named = ", ".join(isolate(clean(title, 40)) for title, _ in rows[:names])
            more = f" and {len(rows) - names} more" if len(rows) > names else ""
            yield f"{plural(len(rows), 'feed')} {said}: {named}{more}."
    yield from (clean(w, 200) for w in seen.warnings[:names])


def _coverage(seen: Coverage) -> Iterator[Watch]:
    for title, rows in (
        ("Not answering", seen.failing),
        ("Silent longer than usual", seen.silent),
        ("Not watched", seen.unwatched),
    ):
        if rows:
            shown = tuple((isolate(clean(t, 50)), clean(s, 160)) for t, s in rows[:MAX_FEEDS])
            yield Watch(title=title, rows=shown, more=len(rows) - len(shown))


def date_text(digest: Digest) -> str:
    """Return "Sat 21 Nov", the local day of the digest."""
    day = digest.key.day
    return f"{DAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"
