"""The compiled names as bytes, for the next start or from a child: making them is most of what compiling takes.

They are kept in a sealed file (`monitor.sealed`) whose title is made of the code and data that compile them; in it
stands of which letters the watchlists were, and of what each entity's names were made. Behind its JSON stand the
patterns of letters and of sounds, and the automaton of each. Objects that many patterns share stand once, in a table,
and are meant by their number there. Rules are not kept: binding them is cheap.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import daachorse
import numpy as np

from monitor import sealed
from monitor.match.matcher import Matcher
from monitor.match.mentions import Company, Watched
from monitor.match.names import Heard, Names, made, made_of
from monitor.match.sounds import Sounding, Sounds
from monitor.match.vocabulary import Leaf, Use, Vocabulary
from monitor.watchlists import Entity, WatchlistFile
from monitor.watchlists.kept import CODE

_CODE = (*CODE, "errors.py", "match/*.py", "query/*.py")
"""All that decides what a watchlist compiles to."""

T = TypeVar("T", bound=Hashable)
_GONE = -1
"""The leaf of an entity that is not asked for."""


@dataclass(frozen=True, slots=True)
class Before:
    """Of a matcher that was made before all that depends on what its files name, and on nothing else."""

    names: Names
    sounds: Sounds | None
    """None unless its files were just these."""
    watched: dict[int, Watched]
    automaton: bytes
    """As `Matcher.automaton` tells it."""


def restored(kept: Path | None, files: Sequence[WatchlistFile]) -> Before | None:
    """The names that were compiled last; None where they are not known, or no entity of these files has one of them.

    `kept` is where what was read is kept (`monitor.watchlists.load`): the compiled names lie beside it.
    """
    made_by = _version() if kept else ""
    # an automaton is taken as it is, and other than SQLite or JSON it might be made to lead astray: own files alone
    found = sealed.read(_beside(kept), made_by, own=True) if kept and made_by else None
    if found is None:
        return None
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        told, raw = found
        known, same = told["made_of"], told["files"] == _letters(files)
        if same or any(entity.id in known for file in files for entity in file.entities):
            return _before(told, raw, same=same)
    return None


def packed(matcher: Matcher) -> bytes:
    """What `restored` shall give, as `keep` wants it; empty for a matcher that cannot be kept."""
    made_by, letters = _version(), _letters(matcher.files)
    if not made_by or not letters:
        return b""
    told, raw = _told(matcher.vocabulary, matcher.sounds, matcher.automaton)
    told |= {**_company_told(matcher.watched), "made_of": _made_of(matcher.files), "files": letters}
    return sealed.sealed(made_by, told, raw)


def told(entities: Sequence[Entity]) -> bytes:
    """The names of entities as a child hands them to the process that asked for them: `names` reads them."""
    said, raw = _told(*made(entities))
    said["made_of"] = {entity.id: made_of(entity) for entity in entities}
    return b"".join((json.dumps(said).encode(), b"\n", *raw))


def names(told: bytes | None) -> Names | None:
    """What `told` told; ValueError, TypeError or LookupError for anything else, None for nothing."""
    if not told:
        return None
    end = told.index(b"\n")
    return _names(json.loads(told[:end]), memoryview(told)[end + 1 :])[0]


def keep(kept: Path, names: bytes) -> None:
    """Keep these names, and nothing else."""
    if kept.parent.is_dir():
        sealed.put(_beside(kept), names)


def _beside(kept: Path) -> Path:
    return kept.with_suffix(".names")


def _made_of(files: Sequence[WatchlistFile]) -> dict[str, str]:
    return {entity.id: made_of(entity) for file in files for entity in file.entities}


def _letters(files: Sequence[WatchlistFile]) -> str:
    """64 hex digits of every letter of these files; "" where those of one are not known."""
    if not all(file.source for file in files):
        return ""
    said = sha256()
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


def _told(vocabulary: Vocabulary, sounds: Sounds, automaton: bytes = b"") -> tuple[dict[str, Any], list[bytes]]:
    """Names; with their automata where these are told."""
    uses = _Table[Use]()
    letters = _meaning_told(vocabulary.uses, uses)
    numbers = iter(uses.numbers([use for forms in vocabulary.friends.values() for _, use in forms]))
    friends = [
        (leaf, [(pattern.decode("latin-1"), next(numbers)) for pattern, _ in forms])
        for leaf, forms in vocabulary.friends.items()
    ]
    raw = [*letters, automaton, _sounds_told(sounds, whole=bool(automaton))]
    told = {
        "leaves": [(leaf.kind, leaf.name, leaf.number) for leaf in vocabulary.leaves],
        "friends": friends,
        "uses": _uses_told(uses.rows),
        "sizes": [len(part) for part in raw],
    }
    return told, raw


def _company_told(watched: Mapping[int, Watched]) -> dict[str, Any]:
    company = _Table[Company]()
    return {
        "watched": [
            (n, [(leaf, company.number(by)) for leaf, by in one.shorts], one.mask) for n, one in watched.items()
        ],
        "company": [(sorted(c.leaves), sorted(c.friends), sorted(c.entities), c.within) for c in company.rows],
    }


def _sounds_told(sounds: Sounds, *, whole: bool) -> bytes:
    """Names by their sound: JSON on one line, then raw bytes; their automaton only where the names are the whole."""
    names = _Table[Sounding]()
    parts = [*_meaning_told(sounds.meanings, names), sounds.automaton if whole else b""]
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


def _uses_told(uses: Sequence[Use]) -> list[list[Any]]:
    """Of each use the leaf, then of each the number of all else, then all else: hundreds for thousands of leaves."""
    rest = _Table[tuple[Any, ...]]()
    rows = [use[1:] for use in uses]
    return [[use.leaf for use in uses], rest.numbers(rows), rest.rows]


# and back


def _before(told: Any, raw: memoryview, *, same: bool) -> Before:
    names, automaton, heard = _names(told, raw)
    company = [Company(frozenset(a), frozenset(b), frozenset(c), within) for a, b, c, within in told["company"]]
    watched = {
        n: Watched(n, tuple([(leaf, company[one]) for leaf, one in shorts]), mask)
        for n, shorts, mask in told["watched"]
    }
    return Before(names, _sounds(heard) if same else None, watched, automaton)


def _names(told: Any, raw: memoryview) -> tuple[Names, bytes, bytes]:
    """The names, their automaton, and their sounds as they were told."""
    *letters, automaton, heard = (raw[start:end] for start, end in pairwise(accumulate(told["sizes"], initial=0)))
    uses = _uses(*told["uses"])
    friends = {leaf: [(p.encode("latin-1"), uses[n]) for p, n in rows] for leaf, rows in told["friends"]}
    vocabulary = Vocabulary.of([Leaf(*row) for row in told["leaves"]], _meanings(letters, uses), friends)
    sounds = bytes(heard)
    return Names(vocabulary, told["made_of"], partial(_moved, sounds)), bytes(automaton), sounds


def _sounds(told: bytes) -> Sounds:
    rows, parts, automaton = _sounds_parts(told)
    return Sounds.of(_meanings(parts, [_sounding(row[0], row) for row in rows]), bytes(automaton))


def _moved(told: bytes, leaves: Mapping[int, int]) -> Heard:
    """The sounds of these entities, where they have other leaves."""
    rows, parts, _ = _sounds_parts(told)
    meant = _meanings(parts, [_sounding(leaves.get(row[0], _GONE), row) for row in rows])
    if all(row[0] in leaves for row in rows):
        return meant
    left = ((pattern, [name for name in names if name.leaf != _GONE]) for pattern, names in meant.items())
    return {pattern: names for pattern, names in left if names}


def _sounds_parts(told: bytes) -> tuple[list[Any], list[memoryview], memoryview]:
    end = told.index(b"\n")
    rows, sizes = json.loads(told[:end])
    *parts, automaton = (memoryview(told)[start:stop] for start, stop in pairwise(accumulate(sizes, initial=end + 1)))
    return rows, parts, automaton


def _sounding(leaf: int, row: Any) -> Sounding:
    _, lang, bare, whole, *rest = row
    return Sounding(leaf, lang, bare.encode("latin-1"), whole.encode("latin-1"), *rest)


def _numbers(part: memoryview) -> list[int]:
    found: list[int] = np.frombuffer(part, dtype="<u4").tolist()
    return found


def _bounds(part: memoryview) -> Iterable[tuple[int, int]]:
    return pairwise(accumulate(_numbers(part), initial=0))


def _meanings(parts: Sequence[memoryview], rows: Sequence[T]) -> dict[bytes, list[T]]:
    patterns = bytes(parts[0]).split(b"\n") if parts[0] else []
    every = [rows[n] for n in _numbers(parts[2])]
    return {pattern: every[start:end] for pattern, (start, end) in zip(patterns, _bounds(parts[1]), strict=True)}


def _uses(leaves: Sequence[int], numbers: Sequence[int], rows: Sequence[Any]) -> list[Use]:
    rest = [(*row[:-1], tuple([tuple(mark) for mark in row[-1]])) for row in rows]
    return [Use(leaf, *rest[n]) for leaf, n in zip(leaves, numbers, strict=True)]
