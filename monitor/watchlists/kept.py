"""What was read of watchlists before, kept in a file beside the store: reading all of them anew is most of a start.

A sealed file (`monitor.sealed`) whose title is the version of the reader says of each watchlist file, by the sha256 of
its bytes, how long its row is; behind that stand the rows, each as JSON. A row holds the fields of an object in their
order, a mark as one number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache, partial
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import yaml

from monitor import sealed
from monitor._yaml import MAX_BYTES
from monitor.beside import Answers, beside, nothing
from monitor.errors import ConfigError
from monitor.watchlists.read import read_watchlist, revision
from monitor.watchlists.shape import (
    Accept,
    Ahead,
    Entity,
    Example,
    Mark,
    Name,
    Relation,
    Rule,
    Short,
    Source,
    WatchlistFile,
    WordList,
)

_COLUMN = 20
"""Bits of a mark's number that hold the column: no file has so many bytes."""
_SHAPES = {
    kind.__name__: kind for kind in (Accept, Entity, Example, Mark, Name, Relation, Rule, Short, Source, WordList)
}
_DERIVED = frozenset({"file", "rev", "source"})
"""Fields of a file that are known from its name and its bytes."""
CODE = ("_yaml*.py", "model.py", "sealed.py", "watchlists/*.py", "text/**/*.*")
"""All that decides what a file means."""

_WORTH = 100_000
"""Bytes from which on it is worth a child to read them."""

_Read = Callable[[Any, str], Any]
"""A value of a row and the name of its file -> the value of a field."""


Further = Callable[[Sequence[WatchlistFile]], bytes]
"""What may be done with files by whoever has read them."""


class Kept:
    """Reads watchlist files like `read_watchlist`, those it has read before from what it kept of them."""

    def __init__(self, path: Path | None) -> None:
        """`path` is the file to keep it in; without one, or without its folder, nothing is kept."""
        self._path = path
        self._reader = _reader() if path and path.parent.is_dir() else ""
        self._rows = _stored(path, self._reader) if path and self._reader else {}
        self._now: dict[str, bytes | WatchlistFile] = {}
        self._anew = False
        self._share: list[str] = []
        """What somebody else is reading, in the order of his answers."""
        self._answers: Answers = nothing
        self._others: set[str] = set()
        self.ahead = Ahead()
        """What was read beside the others, once all is read."""

    def begin(self, paths: Sequence[Path], further: Further | None = None) -> None:
        """Begin to read the last of these files, about half of all, beside the others; they are read in this order.

        Whoever reads them does `further` with them then: see `ahead`.
        """
        sources = [source for path in paths if self._reader and (source := _source(path))]
        new = [source for source in sources if sha256(source).hexdigest() not in self._rows]
        half = sum(map(len, new)) // 2
        behind = accumulate(map(len, reversed(new)))
        share = [source for source, size in zip(reversed(new), behind, strict=True) if size <= half][::-1]
        if sum(map(len, share)) > _WORTH:
            self._share = [sha256(source).hexdigest() for source in share]
            self._answers = beside(partial(_read_ahead, share, further))

    def read(self, name: str, source: bytes) -> WatchlistFile:
        """Read one file; `name` stands in messages. Raises ConfigError with every problem of the file."""
        if not self._reader:
            return read_watchlist(name, source)
        key = sha256(source).hexdigest()
        while key in self._share:
            self._collect()
        if row := self._rows.get(key):
            with suppress(ValueError, TypeError, IndexError, AttributeError, RecursionError):
                found = _unpacked_file(json.loads(row), name, source)
                self._now[key] = row
                if key in self._others:
                    self.ahead = Ahead((*self.ahead.files, found), self._answers)
                return found
        found = read_watchlist(name, source)
        self._anew = True
        self._now[key] = found
        return found

    def _collect(self) -> None:
        """Take the next file that was read ahead as if it had been kept."""
        key, row = self._share.pop(0), self._answers()
        if row is None:  # nobody reads the others
            self._share.clear()
        elif row:
            self._rows[key] = row
            self._others.add(key)
            self._anew = True

    def end(self) -> None:
        """All is read: rows of files that have gone meanwhile are taken: the next answer is of `further`."""
        while self._share:
            self._collect()

    def write(self) -> None:
        """Keep what was read, and nothing else, for the next time."""
        self.end()
        same = not self._anew and self._now.keys() == self._rows.keys()
        if self._path is None or not self._reader or same:
            return
        rows = {key: told if isinstance(told, bytes) else _row(told) for key, told in self._now.items()}
        sealed.write(self._path, self._reader, {key: len(row) for key, row in rows.items()}, [*rows.values()])


def _source(path: Path) -> bytes:
    """The bytes of a file; of one that cannot be read, or is too large to be, none."""
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_BYTES else b""
    except OSError:
        return b""


def _read_ahead(sources: Sequence[bytes], further: Further | None) -> Iterator[bytes]:
    """The row of each file; one with something wrong, which shall be told in its order, has none.

    Then what `further` makes of all files that are sound.
    """
    files = []
    for source in sources:
        try:
            file = read_watchlist("", source)
        except ConfigError:
            yield b""
        else:
            files.append(file)
            yield _row(file)
    if further:
        yield further(files)


def _stored(path: Path, reader: str) -> dict[str, bytes]:
    """The rows that this reader wrote; none where anything about the file is not as it was written."""
    found = sealed.read(path, reader)
    with suppress(TypeError, AttributeError):
        if found:
            told, raw = found
            bounds = pairwise(accumulate(told.values(), initial=0))
            return {key: bytes(raw[start:end]) for key, (start, end) in zip(told, bounds, strict=True)}
    return {}


@cache
def _reader() -> str:
    """The version of all that decides what a file means. Empty where it does not lie as files."""
    code = sealed.version(*CODE)
    return sha256(f"{yaml.__version__} {yaml.__with_libyaml__} {code}".encode()).hexdigest() if code else ""


def _row(file: WatchlistFile) -> bytes:
    told = [_packed(getattr(file, field.name)) for field in fields(file) if field.name not in _DERIVED]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _packed(value: Any) -> Any:
    """The row of an object, the number of a mark, the list of a tuple; anything else as it is."""
    if isinstance(value, Mark):
        return value.line << _COLUMN | value.column
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    if type(value).__name__ in _SHAPES:
        return [_packed(getattr(value, field.name)) for field in fields(value)]
    return value


def _unpacked_file(row: list[Any], name: str, source: bytes) -> WatchlistFile:
    plan = _plan(WatchlistFile)
    if len(row) != len(plan) - len(_DERIVED):
        raise ValueError(row)
    text = source.decode("utf-8-sig")
    given = {"file": name, "rev": revision(text), "source": text}
    rest = iter(row)
    told: dict[str, Any] = {field: given[field] if field in given else read(next(rest), name) for field, read in plan}
    return WatchlistFile(**told)


def _plan(kind: type[Any]) -> tuple[tuple[str, _Read], ...]:
    """The fields of a kind of object, each with the way from its value in a row."""
    return tuple((field.name, _way(str(field.type))) for field in fields(kind))


def _way(kind: str) -> _Read:
    """The way to a field of this type as it is annotated in `shape`."""
    kind = kind.removesuffix(" | None")
    many = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", kind)
    if many:
        return _many(many[1])
    return _one(_SHAPES[kind]) if kind in _SHAPES else _same


def _same(value: Any, _: str) -> Any:
    return value


def _many(kind: str) -> _Read:
    if kind not in _SHAPES:
        return lambda values, _: None if values is None else tuple(values)
    one = _one(_SHAPES[kind])
    return lambda values, file: tuple([one(value, file) for value in values])


@cache
def _one(kind: type[Any]) -> _Read:
    """Makes objects of a kind from their rows. It fills the slots itself: there are tens of thousands at each start."""
    new = object.__new__
    if kind is Mark:
        return _mark
    if kind is Name:
        return _name
    ways = [(getattr(kind, name).__set__, None if read is _same else read) for name, read in _plan(kind)]
    size = len(ways)

    def made(row: Any, file: str) -> Any:
        if row is None:
            return None
        if len(row) != size:
            raise ValueError(row)
        found = new(kind)
        for (put, read), value in zip(ways, row, strict=True):
            put(found, value if read is None else read(value, file))
        return found

    return made


def _mark(number: int | None, file: str) -> Mark | None:
    if number is None:
        return None
    return Mark(file, number >> _COLUMN, number & ((1 << _COLUMN) - 1))


def _name(row: Any, file: str) -> Name:
    text, lang, number, doubtful = row
    return Name(text, lang, Mark(file, number >> _COLUMN, number & ((1 << _COLUMN) - 1)), doubtful)
