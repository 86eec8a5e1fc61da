"""Dataclasses to rows and back, and the number that sorts articles by time. Nothing here opens a database."""

from __future__ import annotations

import json
import math
import struct
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

from monitor.model import (
    Article,
    Evidence,
    FeedState,
    Hit,
    Level,
    Mention,
    Message,
    Standing,
)

_BITS = 20
_U64 = 2**64 - 1
_OFFSET = 2**33  # seconds; keeps the number positive for dates back to 1697
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[Any, ...]
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # dumps() would make one each time
_QUOTED = json.encoder.encode_basestring

ARTICLE_COLUMNS = (
    "n, id, feed, url, title, lead, lang, published, published_raw, seen, guid, authors, signature, revision, standing,"
    " source, story, text"
)
HIT_COLUMNS = "article, revision, watchlist, rule, entity, rev, level, lookback, evidence"
STATE_COLUMNS = (
    "id, next_due, interval, etag, last_modified, body_hash, failures, last_try, last_ok, last_new, last_error,"
    " error_kind, moved_to, usual_new, identity, lease_until, lease_owner, last_full, failing_since, ahead,"
    " correction, page_note"
)


def first_number(when: datetime) -> int:
    """Smallest article number of the second of `when`: what is not before it has a number that is not smaller."""
    return (max(0, math.floor(when.timestamp()) + _OFFSET)) << _BITS


def end_number(when: datetime) -> int:
    """The smallest article number that is not before `when`, parts of a second counted as a whole one."""
    return (max(0, math.ceil(when.timestamp()) + _OFFSET)) << _BITS


def moment(n: int) -> datetime:
    """The second that an article number stands for."""
    return _EPOCH + timedelta(seconds=(n >> _BITS) - _OFFSET)


def hit_id(hit: Hit) -> str:
    """Names a hit: the beginning of its article's id and 12 hex digits, hashed from what makes it unique.

    The hits of an article stand together in the index on it: at random places each dirtied a page of its own.
    """
    key = "\x1f".join((hit.article, hit.revision, hit.watchlist, hit.rule or "", hit.entity or ""))
    return hit.article[:8] + blake2b(key.encode(), digest_size=8).hexdigest()[:12]


def iso(when: datetime) -> str:
    """The text form of a time; sorts as the times do."""
    return when.astimezone(UTC).isoformat()


def iso_or_none(when: datetime | None) -> str | None:
    """The same for a time that may be unknown."""
    return None if when is None else iso(when)


@lru_cache(maxsize=4096)  # a read of 2,000 articles meets the same few thousand times again
def instant(text: str) -> datetime:
    """The time that `iso` wrote."""
    return datetime.fromisoformat(text)


def _instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


def compact(value: object) -> str:
    """JSON without spaces, letters as they are."""
    return _ENCODE(value)


def article_row(n: int, article: Article, story: str, matched_rev: str) -> Row:
    """Values for every column of `articles`, in the order of the schema."""
    seen = iso(article.seen)
    return (
        n, article.id, article.feed, article.url, article.title, article.lead, article.lang,
        iso_or_none(article.published), article.published_raw, seen, seen, article.guid, compact(article.authors),
        signature_bytes(article.signature), article.revision, article.standing, article.source, story or article.id,
        matched_rev, article.text,
    )  # fmt: skip


def article_of(row: Row) -> tuple[int, str, Article]:
    """(n, story, article) of a row of ARTICLE_COLUMNS."""
    (n, id_, feed, url, title, lead, lang, published, raw, seen, guid, authors, signature, revision, standing,
     source, story, text) = row  # fmt: skip
    article = Article(
        id=id_, feed=feed, url=url, title=title, lead=lead, text=text, lang=lang,
        published=_instant_or_none(published), published_raw=raw, seen=instant(seen), guid=guid,
        authors=() if authors == "[]" else tuple(json.loads(authors)), signature=signature_of(signature),
        revision=revision, standing=cast("Standing", standing), source=source,
    )  # fmt: skip
    return n, story, article


def hit_row(n: int, hit: Hit, made: str, *, lookback: bool) -> Row:
    """Values for (hit, n, article, revision, watchlist, rule, entity, rev, level, lookback, made, evidence)."""
    # its JSON is written by hand: `compact` makes an encoder at each call, and most of an article are hits
    evidence = ",".join([
        f'{{"leaf":"{e.leaf}","name":{_QUOTED(e.name)},"letters":{_QUOTED(e.letters)},"field":"{e.field}",'
        f'"start":{e.start},"end":{e.end},"sentence":{_QUOTED(e.sentence)},"lang":{_QUOTED(e.lang)}}}'
        for e in hit.evidence
    ])  # fmt: skip
    return (
        hit_id(hit), n, hit.article, hit.revision, hit.watchlist, hit.rule, hit.entity, hit.rev, hit.level,
        int(lookback or hit.lookback), made, f"[{evidence}]",
    )  # fmt: skip


def hit_of(row: Row) -> Hit:
    """The hit of a row of HIT_COLUMNS."""
    article, revision, watchlist, rule, entity, rev, level, lookback, evidence = row
    return Hit(
        article=article, revision=revision, watchlist=watchlist, rule=rule, entity=entity, rev=rev,
        level=cast("Level", level), evidence=tuple(Evidence(**e) for e in json.loads(evidence)),
        lookback=bool(lookback),
    )  # fmt: skip


def mention_rows(n: int, mentions: Sequence[Mention]) -> list[Row]:
    """Rows (entity, n, spans), one per entity."""
    spans: dict[str, list[str]] = defaultdict(list)
    for m in mentions:
        spans[m.entity].append(f'["{m.field}",{m.start},{m.end},{m.nested:d}]')
    return [(entity, n, f"[{','.join(places)}]") for entity, places in spans.items()]


def sketch_rows(n: int, signature: Sequence[int], seen: str) -> list[Row]:
    """Rows (value, n, seen) for the four smallest values of a signature."""
    return [(value, n, seen) for value in leading(signature)]


def signature_bytes(signature: Sequence[int]) -> bytes:
    """8 bytes a value: reading JSON took a quarter of the time of reading an article."""
    return struct.pack(f"<{len(signature)}Q", *(value & _U64 for value in signature))


def signature_of(packed: bytes) -> tuple[int, ...]:
    """The values that `signature_bytes` wrote."""
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def leading(signature: Sequence[int]) -> list[int]:
    """The four smallest values, brought into the range of an SQLite integer."""
    return sorted({value & (2**63 - 1) for value in signature[:4]})


def state_row(state: FeedState) -> Row:
    """Values for STATE_COLUMNS."""
    return (
        state.feed, iso_or_none(state.next_due), state.interval, state.etag, state.last_modified, state.body_hash,
        state.failures, iso_or_none(state.last_try), iso_or_none(state.last_ok), iso_or_none(state.last_new),
        state.last_error, state.error_kind, state.moved_to, state.usual_new, state.identity,
        iso_or_none(state.lease_until), state.lease_owner, iso_or_none(state.last_full),
        iso_or_none(state.failing_since), compact(state.ahead), state.correction, state.page_note,
    )  # fmt: skip


def state_of(row: Row) -> FeedState:
    """The feed state of a row of STATE_COLUMNS."""
    (feed, next_due, interval, etag, last_modified, body_hash, failures, last_try, last_ok, last_new, last_error,
     error_kind, moved_to, usual_new, identity, lease_until, lease_owner, last_full, failing_since, ahead,
     correction, page_note) = row  # fmt: skip
    return FeedState(
        feed=feed, next_due=_instant_or_none(next_due), interval=interval, etag=etag, last_modified=last_modified,
        body_hash=body_hash, failures=failures, last_try=_instant_or_none(last_try), last_ok=_instant_or_none(last_ok),
        last_new=_instant_or_none(last_new), last_error=last_error, error_kind=error_kind, moved_to=moved_to,
        usual_new=usual_new, identity=identity, lease_until=_instant_or_none(lease_until), lease_owner=lease_owner,
        last_full=_instant_or_none(last_full), failing_since=_instant_or_none(failing_since),
        ahead=() if ahead == "[]" else tuple(json.loads(ahead)), correction=correction, page_note=page_note,
    )  # fmt: skip


MESSAGE_COLUMNS = "digest, recipient, sender, subject, text, html, message_id, headers, date"


def message_of(row: Row) -> Message:
    """The message of a row of MESSAGE_COLUMNS."""
    key, to, sender, subject, text, html, message_id, headers, date = row
    return Message(
        key=key, to=to, sender=sender, subject=subject, text=text, html=html, message_id=message_id,
        headers=tuple((name, value) for name, value in json.loads(headers)), date=instant(date),
    )  # fmt: skip
