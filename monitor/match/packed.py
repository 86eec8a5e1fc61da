"""The compiled names, kept in a file for the next start: making them is most of what compiling watchlists takes.

A sealed file (`monitor.sealed`) whose title is made of every letter of the watchlists and of the code and data that
compile them. Behind its JSON stand the patterns of letters and of sounds, and the automaton of each. Objects that many
patterns share stand once, in a table, and are meant by their number there. Rules are not kept: binding them is cheap.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import daachorse
import numpy as np

from monitor import sealed
from monitor.match.matcher import Matcher
from monitor.match.mentions import Company, Watched
from monitor.match.sounds import Sounding, Sounds
from monitor.match.vocabulary import Form, Leaf, Use, Vocabulary
from monitor.watchlists import WatchlistFile
from monitor.watchlists.kept import CODE

_CODE = (*CODE, "errors.py", "match/*.py", "query/*.py")
"""All that decides what a watchlist compiles to."""

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Names:
    """Of a matcher all that depends on what its files name, and on nothing else."""

    vocabulary: Vocabulary
    watched: dict[int, Watched]
    sounds: Sounds
    automaton: bytes
    """As `Matcher.automaton` tells it."""


def restored(kept: Path | None, files: Sequence[WatchlistFile]) -> Names | None:
    """The names of these files as they were compiled before; None where they were not, or are no longer known.

    `kept` is where what was read is kept (`monitor.watchlists.load`): the compiled names lie beside it.
    """
    title = _title(files) if kept else ""
    # an automaton is taken as it is, and other than SQLite or JSON it might be made to lead astray: own files alone
    found = sealed.read(_beside(kept), title, own=True) if kept and title else None
    if found is None:
        return None
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        return _names(*found)
    return None


def packed(matcher: Matcher) -> bytes:
    """What `restored` shall give, as `keep` wants it; empty for a matcher that cannot be kept."""
    title = _title(matcher.files)
    return sealed.sealed(title, *_told(matcher)) if title else b""


def keep(kept: Path, names: bytes) -> None:
    """Keep these names, and nothing else."""
    if kept.parent.is_dir():
        sealed.put(_beside(kept), names)


def _beside(kept: Path) -> Path:
    return kept.with_suffix(".names")


def _title(files: Sequence[WatchlistFile]) -> str:
    """What the compiled names depend on; "" where a part of it is not known."""
    version = _version()
    if not version or not all(file.source for file in files):
        return ""
    said = sha256(version.encode())
    for file in files:
        letters = file.source.encode("utf-8", "surrogatepass")
        said.update(f"\n{len(file.file)} {len(letters)} {file.file}".encode("utf-8", "surrogatepass"))
        said.update(letters)
    return said.hexdigest()


@cache
def _version() -> str:
    """The version of all that decides what names compile to, automata and Python's tables of letters included."""
    code = sealed.version(*_CODE)
    try:
        built = sorted(
            (path.name, path.stat().st_size, path.stat().st_mtime_ns)
            for path in Path(daachorse.__file__).parent.iterdir()
            if path.is_file()
        )
    except OSError:
        return ""
    told = repr((code, built, platform.python_version(), sys.byteorder))
    return sha256(told.encode()).hexdigest() if code else ""


# objects to what a file can hold


class _Table(Generic[T]):
    """Rows that are told once, and meant by their number."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._seen: dict[int, int] = {}

    def number(self, row: T) -> int:
        """The number of a row, which has to stay alive as long as the table."""
        return self.numbers([row])[0]

    def numbers(self, rows: Sequence[T]) -> list[int]:
        """Their numbers; equal rows are mostly the same object, and asking that first spares hashing long ones."""
        same = list(map(id, rows))
        for key, row in dict(zip(same, rows, strict=True)).items():
            if key not in self._seen:
                self._seen[key] = self._numbers.setdefault(row, len(self._numbers))
        return list(map(self._seen.__getitem__, same))

    @property
    def rows(self) -> list[T]:
        return [*self._numbers]


def _told(matcher: Matcher) -> tuple[dict[str, Any], list[bytes]]:
    vocabulary = matcher.vocabulary
    uses = _Table[Use]()
    letters = _meaning_told(vocabulary.uses, uses)
    numbers = iter(uses.numbers([use for forms in vocabulary.friends.values() for _, use in forms]))
    friends = [
        (leaf, [(pattern.decode("latin-1"), next(numbers)) for pattern, _ in forms])
        for leaf, forms in vocabulary.friends.items()
    ]
    company = _Table[Company]()
    told = {
        "leaves": [(leaf.kind, leaf.name, leaf.number) for leaf in vocabulary.leaves],
        "friends": friends,
        "watched": [
            (n, [(leaf, company.number(one)) for leaf, one in watched.shorts], watched.mask)
            for n, watched in matcher.watched.items()
        ],
        "company": [(sorted(c.leaves), sorted(c.friends), sorted(c.entities), c.within) for c in company.rows],
        "uses": _uses_told(uses.rows),
    }
    raw = [*letters, matcher.automaton, *_forms_told(vocabulary, uses), _sounds_told(matcher.sounds)]
    return {**told, "sizes": [len(part) for part in raw]}, raw


def _sounds_told(sounds: Sounds) -> bytes:
    """Names by their sound: JSON on one line, then raw bytes."""
    names = _Table[Sounding]()
    parts = [*_meaning_told(sounds.meanings, names), sounds.automaton]
    rows = [
        (n.leaf, n.lang, n.bare.decode("latin-1"), n.whole.decode("latin-1"), n.words, n.joined) for n in names.rows
    ]
    return b"".join((json.dumps([rows, [len(part) for part in parts]]).encode(), b"\n", *parts))


def _packed(numbers: Sequence[int]) -> bytes:
    return np.array(numbers, dtype="<u4").tobytes()


def _meaning_told(rows: Mapping[bytes, Sequence[T]], table: _Table[T]) -> list[bytes]:
    """Patterns; how many rows of the table each of them means; and which."""
    patterns = b"\n".join(rows)
    if rows and patterns.count(b"\n") != len(rows) - 1:
        raise ValueError("A folded text holds a line end.")
    meant = table.numbers(list(chain.from_iterable(rows.values())))
    return [patterns, _packed([len(meaning) for meaning in rows.values()]), _packed(meant)]


def _forms_told(vocabulary: Vocabulary, uses: _Table[Use]) -> list[bytes]:
    """How many forms each leaf has, then of all forms the numbers of their patterns, and of their uses."""
    place = {pattern: n for n, pattern in enumerate(vocabulary.uses)}
    counts = [len(forms) for forms in vocabulary.forms]
    every = list(chain.from_iterable(vocabulary.forms))
    return [_packed(counts), _packed([place[p] for p, _ in every]), _packed(uses.numbers([use for _, use in every]))]


def _uses_told(uses: Sequence[Use]) -> list[list[Any]]:
    """Of each use the leaf, then of each the number of all else, then all else: hundreds for thousands of leaves."""
    rest = _Table[tuple[Any, ...]]()
    rows = [use[1:] for use in uses]
    return [[use.leaf for use in uses], rest.numbers(rows), rest.rows]


# and back


def _names(told: Any, raw: memoryview) -> Names:
    parts = [raw[start:end] for start, end in pairwise(accumulate(told["sizes"], initial=0))]
    letters, automaton, forms, heard = parts[:3], parts[3], parts[4:7], parts[7]
    uses = _uses(*told["uses"])
    meant = _meanings(letters, uses)
    friends = {leaf: [(p.encode("latin-1"), uses[n]) for p, n in rows] for leaf, rows in told["friends"]}
    vocabulary = Vocabulary.of([Leaf(*row) for row in told["leaves"]], meant, _forms(forms, list(meant), uses), friends)
    company = [Company(frozenset(a), frozenset(b), frozenset(c), within) for a, b, c, within in told["company"]]
    watched = {
        n: Watched(n, tuple([(leaf, company[one]) for leaf, one in shorts]), mask)
        for n, shorts, mask in told["watched"]
    }
    return Names(vocabulary, watched, _sounds(bytes(heard)), bytes(automaton))


def _sounds(told: bytes) -> Sounds:
    end = told.index(b"\n")
    rows, sizes = json.loads(told[:end])
    *parts, automaton = (memoryview(told)[start:stop] for start, stop in pairwise(accumulate(sizes, initial=end + 1)))
    names = [Sounding(n, lang, a.encode("latin-1"), b.encode("latin-1"), *rest) for n, lang, a, b, *rest in rows]
    return Sounds.of(_meanings(parts, names), bytes(automaton))


def _numbers(part: memoryview) -> list[int]:
    found: list[int] = np.frombuffer(part, dtype="<u4").tolist()
    return found


def _bounds(part: memoryview) -> Iterable[tuple[int, int]]:
    return pairwise(accumulate(_numbers(part), initial=0))


def _meanings(parts: Sequence[memoryview], rows: Sequence[T]) -> dict[bytes, list[T]]:
    patterns = bytes(parts[0]).split(b"\n") if parts[0] else []
    every = [rows[n] for n in _numbers(parts[2])]
    return {pattern: every[start:end] for pattern, (start, end) in zip(patterns, _bounds(parts[1]), strict=True)}


def _forms(parts: Sequence[memoryview], patterns: Sequence[bytes], uses: Sequence[Use]) -> list[list[Form]]:
    every = [(patterns[pattern], uses[use]) for pattern, use in zip(*map(_numbers, parts[1:]), strict=True)]
    return [every[start:end] for start, end in _bounds(parts[0])]


def _uses(leaves: Sequence[int], numbers: Sequence[int], rows: Sequence[Any]) -> list[Use]:
    rest = [(*row[:-1], tuple([tuple(mark) for mark in row[-1]])) for row in rows]
    return [Use(leaf, *rest[n]) for leaf, n in zip(leaves, numbers, strict=True)]
