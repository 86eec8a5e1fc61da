"""Loading an archive: JSON lines of articles into the store, matched like any other, never mailed."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import zstandard

from monitor import cluster, extract, identity
from monitor.errors import UsageError
from monitor.model import Article, Batch
from monitor.ports import Clock, Store
from monitor.service.edit import InForce
from monitor.text.language import language, normal
from monitor.text.plain import one_line, plain_text, whole
from monitor.watchlists import slugged

GROUP = 2_000
"""Articles matched and written in one transaction; what is lost when an import is broken off, and read again."""

PACKED, BUFFER = 1 << 14, 1 << 18
"""Bytes of an archive that are unpacked at once, and bytes of text that are kept ready."""


@dataclass(slots=True, kw_only=True)
class Loaded:
    """What an import did. `bad` holds (line number, sentence) of lines that are no article."""

    lines: int = 0
    articles: int = 0
    known: int = 0
    hits: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)


def load_archive(
    path: Path, store: Store, force: InForce, clock: Clock, progress: Callable[[int, int], None] | None = None
) -> Loaded:
    """Load one file (.jsonl or .jsonl.zst). Loading it again changes nothing.

    `progress` is called with bytes read and bytes in all. Raises UsageError when the file cannot be read at all.
    """
    report = Loaded()
    now = clock()
    given: dict[str, int] = {}
    with _opened(path) as (lines, position):
        numbered = enumerate(lines, start=1)
        while group := list(itertools.islice(numbered, GROUP)):
            _take([a for n, line in group if (a := _article(n, line, now, given, report))], store, force, report)
            report.lines += len(group)
            if progress:
                progress(position(), path.stat().st_size)
    return report


def _take(articles: list[Article], store: Store, force: InForce, report: Loaded) -> None:
    known = store.known([a.id for a in articles])
    new = [a for a in articles if known.get(a.id) != a.revision]
    report.known += len(articles) - len(new)
    if not new:
        return
    matched = tuple(force.matcher.match(new))
    stories = tuple(cluster.stories(new, [()] * len(new)))
    saved = store.save([Batch(articles=tuple(new), matched=matched, matched_rev=force.rev, stories=stories)])
    report.articles += saved.articles + saved.revised
    report.hits += saved.hits


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Iterator[str], Callable[[], int]]]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): name a .jsonl or .jsonl.zst file.") from None
    with raw:
        packed = path.suffix == ".zst"
        plain: IO[bytes] = io.BufferedReader(_Unpacked(raw), BUFFER) if packed else raw
        text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="replace")
        yield _lines(path, text), raw.tell
        text.detach()


class _Unpacked(io.RawIOBase):
    """Every frame: archives that were packed in parallel or put one behind the other have several.

    zstandard's own reader takes the end of a file that was cut off for the end of the archive.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._pieces = _frames(raw)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _frames(raw: IO[bytes]) -> Iterator[bytes]:
    unpacker = None
    while packed := raw.read(PACKED):
        while packed:
            unpacker = unpacker or zstandard.ZstdDecompressor().decompressobj()
            yield unpacker.decompress(packed)
            packed = unpacker.unused_data
            unpacker = None if unpacker.eof else unpacker
    if unpacker:
        raise zstandard.ZstdError("the file ends inside a frame")


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    try:
        yield from text
    except zstandard.ZstdError:
        raise UsageError(f"{path} is damaged, cut off or not packed with zstd: pack it again.") from None


def _article(number: int, line: str, now: datetime, given: dict[str, int], report: Loaded) -> Article | None:
    if not line.strip():
        return None
    try:
        row = json.loads(line)
        article = _from_row(dict(row), now)
    except (ValueError, TypeError, RecursionError):
        report.bad.append((number, "is no JSON object of an article"))
        return None
    if article is None:
        report.bad.append((number, "holds neither title nor text"))
        return None
    return _numbered(article, given)


def _numbered(article: Article, given: dict[str, int]) -> Article:
    """The same id on another text in one archive is another article: two of them are told apart by their order."""
    key = f"{article.id}{article.revision}"
    if key in given:
        return article if given[key] == 1 else _renamed(article, given[key])
    number = given[article.id] = given.get(article.id, 0) + 1
    given[key] = number
    return article if number == 1 else _renamed(article, number)


def _renamed(article: Article, number: int) -> Article:
    return replace(article, id=identity.article_id(article.feed, f"{article.guid}#{number}"))


def _from_row(row: dict[str, Any], now: datetime) -> Article | None:
    title, summary = one_line(_text(row, "title")), plain_text(_text(row, "summary"))
    text = extract.body(summary, plain_text(_text(row, "text")))[: extract.MOST_TEXT]
    title = title[: extract.MOST_TITLE]
    if not title and not text:
        return None
    source = one_line(_text(row, "source")) or "import"
    url = _text(row, "url").strip()
    raw = _text(row, "published").strip()
    guid = _text(row, "id") or url or f"{title}\0{raw}"
    feed = slugged(source) or f"source-{blake2b(source.encode(), digest_size=4).hexdigest()}"
    return Article(
        id=identity.article_id(feed, f"import:{guid}"),
        feed=feed,
        url=url if identity.canonical(url) else "",
        title=title,
        lead=extract.lead(text),
        text=text,
        lang=normal(_text(row, "lang")) or language(title, text),
        published=_date(raw),
        published_raw=raw[:200],
        seen=now,
        guid=guid[: extract.MOST_URL],
        signature=cluster.signature(title, text),
        revision=extract.revision(title, text),
        standing="archive",
        source=source,
    )


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return whole(value) if isinstance(value, str) else "" if value is None else whole(str(value))


def _date(raw: str) -> datetime | None:
    """A date in ISO form or that of a mail; None for anything else, the raw text is kept beside it."""
    if not raw:
        return None
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        try:
            found = parsedate_to_datetime(raw)
        except (ValueError, TypeError, IndexError):
            return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
