"""Loading an archive: every line is an article or is named, and loading it again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from engine import watchlist

from monitor.errors import UsageError
from monitor.model import Everything, Filter, Stored
from monitor.service.edit import InForce, Sources
from monitor.service.load import Loaded, load_archive
from monitor.store import SqliteStore

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
FORCE = InForce(Sources(files=(watchlist("entities:\n  iraq: {kind: state, name: Iraq}\n"),), feeds=(), desks=()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "monitor.db", create=True, clock=lambda: NOW)
    yield opened
    opened.close()


def archive(folder: Path, *rows: dict[str, Any] | str, name: str = "a.jsonl") -> Path:
    """A file of these rows; a row that is text already is written as it is."""
    path = folder / name
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows), encoding="utf-8")
    return path


def load(store: SqliteStore, path: Path) -> Loaded:
    """The report of loading one file."""
    return load_archive(path, store, FORCE, lambda: NOW)


def stored(store: SqliteStore) -> list[Stored]:
    """All that is in the store, newest first."""
    return [s for _, s in store.candidates(Everything(), Filter(), 10_000)]


FULL = {
    "id": "n1", "title": "Iraq &amp; Iran", "summary": "Short.", "text": "<p>Long text.</p>", "url": "http://x.example/1",
    "published": "2020-03-01T10:00:00+03:00", "lang": "kmr", "source": "The Wire",
}  # fmt: skip


def test_a_full_line(store: SqliteStore, tmp_path: Path) -> None:
    """Every field of a line is kept, in the product's forms, matched and never mailed."""
    report = load(store, archive(tmp_path, FULL))
    assert (report.lines, report.articles, report.known, report.hits, report.bad) == (1, 1, 0, 1, [])
    (found,) = stored(store)
    assert (found.article.title, found.article.text) == ("Iraq & Iran", "Short.\nLong text.")
    assert (found.article.lang, found.article.source, found.article.feed) == ("ku", "The Wire", "the-wire")
    assert found.article.published == datetime(2020, 3, 1, 7, tzinfo=UTC)
    assert found.article.when == found.article.published
    assert found.article.standing == "archive"
    assert [h.entity for h in found.hits] == ["iraq"]
    assert store.fresh_hits("desk", None, ("flash", "high", "normal", "low"), datetime(2000, 1, 1, tzinfo=UTC)) == []


def test_again_changes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    """Loading a file a second time adds no article and no hit; what changed becomes a revision."""
    rows = [FULL, {"title": "No id"}, {"id": "n1", "title": "Same id, other text", "source": "The Wire"}, FULL]
    path = archive(tmp_path, *rows)
    first = load(store, path)
    before = stored(store)
    again = load(store, path)
    assert first.articles == 3
    assert (again.articles, again.hits, again.known) == (0, 0, 4)
    assert stored(store) == before
    assert load(store, archive(tmp_path, {**FULL, "text": "New text"}, name="b.jsonl")).articles == 1
    assert len(stored(store)) == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "is no JSON object of an article"),
        ("[1, 2]", "is no JSON object of an article"),
        ("7", "is no JSON object of an article"),
        ('"text"', "is no JSON object of an article"),
        ("null", "is no JSON object of an article"),
        ("[" * 100_000, "is no JSON object of an article"),
        ("{}", "holds neither title nor text"),
        ('{"title": "  ", "text": "<p></p>"}', "holds neither title nor text"),
        ('{"title": null}', "holds neither title nor text"),
    ],
)
def test_bad_lines_are_named(store: SqliteStore, tmp_path: Path, line: str, sentence: str) -> None:
    """A line that is no article is told by its number; the others are loaded. Empty lines are nothing."""
    report = load(store, archive(tmp_path, {"title": "One"}, "", line, {"title": "Two"}))
    assert report.bad == [(3, sentence)]
    assert report.articles == 2


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        ("2020-03-01", datetime(2020, 3, 1, tzinfo=UTC)),
        ("Sun, 01 Mar 2020 10:00:00 +0300", datetime(2020, 3, 1, 7, tzinfo=UTC)),
        ("1 Adar 2020", None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_dates(store: SqliteStore, tmp_path: Path, raw: str, date: datetime | None) -> None:
    """A date in ISO form or that of a mail is read; of any other the words are kept."""
    load(store, archive(tmp_path, {"title": "One", "published": raw}))
    (found,) = stored(store)
    assert (found.article.published, found.article.published_raw) == (date, raw)


def test_odd_values(store: SqliteStore, tmp_path: Path) -> None:
    """Numbers for ids, a language nobody knows, a link that is none, half a character: the article is kept."""
    odd = {
        "id": 7,
        "title": "Iraq \ud800",
        "text": "<p>t\udfff</p>",
        "url": "javascript:x",
        "lang": "xx",
        "source": "\ud800",
    }
    assert load(store, archive(tmp_path, odd, {"title": "A", "source": "مصدر"})).bad == []
    found = {s.article.title: s.article for s in stored(store)}
    assert (found["Iraq"].url, found["Iraq"].lang, found["Iraq"].feed) == ("", "en", "import")
    assert found["A"].feed.startswith("source-")


def test_copies_are_one_story(store: SqliteStore, tmp_path: Path) -> None:
    """Copies of a text in one archive are articles of one story."""
    text = " ".join(f"word{n}" for n in range(60))
    load(
        store,
        archive(tmp_path, {"id": "1", "text": text}, {"id": "2", "text": text, "source": "B"}, {"title": "Other"}),
    )
    assert len({s.story for s in stored(store)}) == 2


def packed(path: Path, *frames: bytes) -> Path:
    """A packed file of several frames."""
    path.write_bytes(b"".join(zstandard.ZstdCompressor().compress(f) for f in frames))
    return path


def test_packed(store: SqliteStore, tmp_path: Path) -> None:
    """An archive packed with zstd is read whole, however many frames it has."""
    path = packed(tmp_path / "a.jsonl.zst", b'{"title": "One"}\n', b'{"title": "Two"}\n')
    assert load(store, path).articles == 2


def test_mark_at_the_start(store: SqliteStore, tmp_path: Path) -> None:
    """The mark that some editors put at the start of a file is no part of the first line."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"title": "One"}\n{"title": "b\xff"}')
    assert load(store, path).articles == 2


@pytest.mark.parametrize("content", [b"no zstd at all", b"\x28\xb5\x2f\xfd\x00\xff\xff\xff\xff"])
def test_damaged(store: SqliteStore, tmp_path: Path, content: bytes) -> None:
    """A damaged archive is refused in one sentence."""
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not packed with zstd: pack it again"):
        load(store, path)


def test_missing(store: SqliteStore, tmp_path: Path) -> None:
    """A file that is not there is refused in one sentence."""
    with pytest.raises(UsageError, match=r"nothing\.jsonl cannot be read"):
        load(store, tmp_path / "nothing.jsonl")


def test_progress(store: SqliteStore, tmp_path: Path) -> None:
    """Progress is told in bytes read of bytes in all."""
    told: list[tuple[int, int]] = []
    path = archive(tmp_path, FULL)
    load_archive(path, store, FORCE, lambda: NOW, lambda done, whole: told.append((done, whole)))
    assert told == [(path.stat().st_size, path.stat().st_size)]
