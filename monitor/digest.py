"""When a digest is due and what stands in it. Pure: desks, hits and the clock's reading in, keys and Digests out.

desks + now + keys made -> due -> DigestKey;  desk + fresh hits + story members -> compose -> Digest
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from monitor.model import (
    LEVELS,
    Coverage,
    Desk,
    Digest,
    DigestKey,
    Hit,
    Section,
    Stored,
    StoryLine,
)

CATCH_UP = timedelta(hours=24)
"""A slot that was missed is made up for within this time; an older one is left to the next slot."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKING_DAYS = frozenset(WEEKDAYS[:5])

Fresh = Sequence[tuple[Stored, tuple[Hit, ...]]]
"""Articles with those of their hits that a desk has not been given yet."""

Members = Mapping[str, Sequence[tuple[str, str, str, str]]]
"""Story id -> (article id, source, language, feed) of its articles, oldest first."""

_SLOT = re.compile(r"\d\d:\d\d")


def due(desks: Sequence[Desk], now: datetime, made: Collection[str]) -> list[DigestKey]:
    """Return the keys that have to be made now, at most one per desk: its newest slot of the last 24 hours.

    `made` holds the keys made so far, as `str(DigestKey)`. A desk that was given a later slot gets nothing, so a
    clock that is set back makes no second mail.
    """
    latest = _latest(made)
    keys = []
    for desk in desks:
        slot = _newest_slot(desk, now)
        if slot is None:
            continue
        done = latest.get(desk.id)
        if done is None or done < (slot.day.isoformat(), slot.slot):
            keys.append(slot)
    return keys


def _latest(made: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Desk id -> (day, slot) of its last ordinary digest; flashes do not count."""
    latest: dict[str, tuple[str, str]] = {}
    for key in made:
        desk, day, slot = key.rsplit("/", 2)
        if _SLOT.fullmatch(slot):
            latest[desk] = max(latest.get(desk, ("", "")), (day, slot))
    return latest


def _newest_slot(desk: Desk, now: datetime) -> DigestKey | None:
    passed = [(at, key) for at, key in _slots(desk, now) if now - CATCH_UP < at <= now]
    return max(passed, key=lambda found: (found[0], str(found[1])))[1] if passed else None


def _slots(desk: Desk, now: datetime) -> Iterator[tuple[datetime, DigestKey]]:
    """Yield every slot of today and the two days before, with its moment in UTC."""
    zone = ZoneInfo(desk.zone)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1), today - timedelta(days=2)):
        if WEEKDAYS[day.weekday()] in desk.days and _exists(day, zone):
            for at in desk.at:
                yield moment(day, at, zone), DigestKey(desk=desk.id, day=day, slot=at)


def moment(day: date, at: str, zone: ZoneInfo) -> datetime:
    """Return the moment in UTC of a local time "HH:MM".

    A time that occurs twice means the first; one that the clocks jump over means the moment of the jump.
    """
    local = datetime.combine(day, time.fromisoformat(at), zone)
    after = local.astimezone(UTC)
    if after.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return after
    before = local.replace(fold=1).astimezone(UTC)  # PEP 495: in a gap, fold=1 reads the offset after the jump
    offset = after.astimezone(zone).utcoffset()
    while (gap := int((after - before).total_seconds())) > 1:
        middle = before + timedelta(seconds=gap // 2)
        after, before = (middle, before) if middle.astimezone(zone).utcoffset() == offset else (after, middle)
    return after


def _exists(day: date, zone: ZoneInfo) -> bool:
    """Tell whether the zone had this day: Apia has no 30 December 2011."""
    return moment(day, "00:00", zone).astimezone(zone).date() == day


def compose(
    desk: Desk,
    key: DigestKey,
    *,
    made: datetime,
    since: datetime,
    fresh: Fresh,
    members: Members,
    titles: Mapping[str, str],
    coverage: Coverage,
    lookback: Sequence[tuple[str, int]] = (),
    tiers: Mapping[str, int] | None = None,
) -> Digest:
    """Return what the desk is told: one line per story, under the watchlist of its most urgent hit.

    Sections with the most urgent news come first, then in the order of `titles` (watchlist id to title); a list
    without a story stays as an empty section, so that silence can be stated. `tiers` maps feed id to tier (1 is best;
    2 where it is not given).
    """
    order = {watchlist: n for n, watchlist in enumerate(titles)}
    homes: dict[str, list[StoryLine]] = defaultdict(list)
    for story, rows in _by_story(fresh).items():
        told = members.get(story, ())
        home, line = _story_line(desk, story, rows=rows, members=told, titles=titles, order=order, tiers=tiers or {})
        homes[home].append(line)
    flash = key.slot.startswith("flash-")
    asked = [w for w in titles if not flash and (not desk.watchlists or w in desk.watchlists)]
    return Digest(
        key=key,
        desk=desk,
        made=made,
        since=since,
        sections=_sections(homes, asked, titles, order),
        coverage=coverage,
        lookback=tuple(lookback),
        flash=flash,
    )


def _sections(
    homes: Mapping[str, Sequence[StoryLine]], asked: Sequence[str], titles: Mapping[str, str], order: Mapping[str, int]
) -> tuple[Section, ...]:
    sections = [
        Section(watchlist=w, title=titles.get(w, w), stories=tuple(sorted(homes.get(w, ()), key=_urgency)))
        for w in sorted({*asked, *homes}, key=lambda w: (order.get(w, len(order)), w))
    ]
    sections.sort(key=lambda s: min((LEVELS.index(line.level) for line in s.stories), default=len(LEVELS)))
    return tuple(sections)


def _by_story(fresh: Fresh) -> dict[str, list[tuple[Stored, tuple[Hit, ...]]]]:
    stories: dict[str, list[tuple[Stored, tuple[Hit, ...]]]] = defaultdict(list)
    for stored, hits in fresh:
        if hits:
            stories[stored.story or stored.article.id].append((stored, hits))
    return stories


def _story_line(
    desk: Desk,
    story: str,
    *,
    rows: Sequence[tuple[Stored, tuple[Hit, ...]]],
    members: Sequence[tuple[str, str, str, str]],
    titles: Mapping[str, str],
    order: Mapping[str, int],
    tiers: Mapping[str, int],
) -> tuple[str, StoryLine]:
    """Return the home watchlist of a story and its line.

    The line carries the hits of all its articles, the shown one's first: what is not carried would be mailed again.
    """

    def rank(hit: Hit) -> tuple[int, bool, int, str, str, str]:
        place = order.get(hit.watchlist, len(order))
        return LEVELS.index(hit.level), hit.rule is None, place, hit.watchlist, hit.name, hit.article

    def merit(row: tuple[Stored, tuple[Hit, ...]]) -> tuple[int, bool, int, float, str]:
        article = row[0].article
        level = min(LEVELS.index(h.level) for h in row[1])
        foreign = article.lang != desk.language
        return level, foreign, tiers.get(article.feed, 2), -article.when.timestamp(), article.id

    stored, shown = min(rows, key=merit)
    every = sorted((h for _, hits in rows for h in hits), key=rank)
    home = min(shown, key=rank).watchlist
    lists = dict.fromkeys(h.watchlist for h in every)
    article = stored.article
    others = tuple((source, lang) for ident, source, lang, _ in members if ident != article.id)
    return home, StoryLine(
        story=story,
        article=article,
        level=every[0].level,
        hits=tuple(sorted(every, key=lambda h: (h.article != article.id, h.watchlist != home, rank(h)))),
        sources=((article.source or article.feed, article.lang), *others),
        also=tuple(titles.get(w, w) for w in lists if w != home),
        updated=any(h.revision != article.revision for h in stored.hits),
    )


def _urgency(line: StoryLine) -> tuple[int, int, float, str]:
    """Sort by level, then by how many sources tell it, then newest first."""
    return LEVELS.index(line.level), -len(set(line.sources)), -line.article.when.timestamp(), line.story


def wanted(digest: Digest) -> bool:
    """Tell whether the mail goes out: always when there is news, on an empty day as the desk's `empty` says."""
    if digest.stories or digest.lookback or digest.flash:
        return True
    if digest.desk.empty == "weekdays":
        return WEEKDAYS[digest.key.day.weekday()] in WORKING_DAYS
    return digest.desk.empty == "always"


def flashes(desk: Desk, fresh: Fresh, made: Collection[str]) -> dict[str, Fresh]:
    """Return story id -> rows of the stories that have to be flashed to this desk: once per story, for ever.

    Only rule hits at the desk's flash level or above count, and never look-back hits. `made` as in `due`.
    """
    urgent = LEVELS[: LEVELS.index(desk.flash_level) + 1]
    told = {key.rsplit("/", 1)[1] for key in made if key.rsplit("/", 2)[0] == desk.id}
    found: dict[str, Fresh] = {}
    for story, rows in _by_story(fresh).items():
        kept = [(s, tuple(h for h in hits if h.rule and h.level in urgent and not h.lookback)) for s, hits in rows]
        kept = [(s, hits) for s, hits in kept if hits]
        if kept and flash_slot(story) not in told:
            found[story] = kept
    return found


def flash_slot(story: str) -> str:
    """Return the slot of a story's flash, which stands in its key."""
    return f"flash-{story}"


def flash_digest(
    desk: Desk,
    story: str,
    *,
    made: datetime,
    fresh: Fresh,
    members: Members,
    titles: Mapping[str, str],
    coverage: Coverage,
    tiers: Mapping[str, int] | None = None,
) -> Digest:
    """Return the small digest of one story; `fresh` holds the rows of that story, as `flashes` gives them."""
    key = DigestKey(desk=desk.id, day=made.astimezone(ZoneInfo(desk.zone)).date(), slot=flash_slot(story))
    return compose(
        desk,
        key,
        made=made,
        since=min((s.article.seen for s, _ in fresh), default=made),
        fresh=[(s, hits) for s, hits in fresh if (s.story or s.article.id) == story],
        members=members,
        titles=titles,
        coverage=coverage,
        tiers=tiers,
    )
