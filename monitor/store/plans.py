"""A plan to SQL that walks indexes from the newest article down and stops when it has enough.

A plan becomes *streams*: SELECTs of article numbers that each come in falling order from some index. Several streams
are merged by UNION ... ORDER BY n DESC LIMIT, which SQLite does row by row. What a stream's index does not answer
becomes *tests* on the number. Whatever can is put into one MATCH of the full-text index, made of quoted tokens only.
"""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod

from monitor.model import AllOf, AnyOf, Everything, Filter, Mentioned, Plan, Tokens, Where
from monitor.store.rows import compact, end_number, first_number

_MOST_STREAMS = 200  # SQLite merges at most 500 at once
_MOST_PRODUCTS = 32
_FEW_VALUES = 4
_FEW_ASKED, _LONG_LIST = 128, 64
"""So few articles are sooner read than a list of so many words is asked of the index: 500 words took half a second."""
_HELD = " AND {}.withdrawn IS NULL"
_COLUMNS = {
    "feed": ("articles", "articles_feed", ""),
    "lang": ("articles", "articles_lang", ""),
    "story": ("articles", "", ""),
    "watchlist": ("hits", "hits_watchlist", _HELD),
    "rule": ("hits", "hits_rule", _HELD),
    "level": ("hits", "hits_level", _HELD),
}
"""Column -> table, index on (column, n) for tests, and what else a row must be."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values for its question marks, in order."""

    text: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a stream takes its numbers: FROM clause, the number's column, and the condition on the index."""

    table: str
    number: str
    condition: Sql


def newest(connection: sqlite3.Connection, plan: Plan, limits: Filter, limit: int) -> list[int]:
    """Numbers of the newest `limit` candidates, largest first."""
    if limit <= 0:
        return []
    stale = [rev for rev in sorted(_revisions(plan)) if _any_stale(connection, rev)]
    if limit <= _FEW_ASKED and not stale:
        plan = _without_lists(plan)
    found: set[int] = set()
    for sql in queries(plan, stale, limits, limit):
        found.update(n for (n,) in connection.execute(sql.text, sql.values))
    return sorted(found, reverse=True)[:limit]


def mentioned(connection: sqlite3.Connection, numbers: Sequence[int], rev: str) -> frozenset[str] | None:
    """Entities named in these articles; None while some article of the store was matched with another revision."""
    if _any_stale(connection, rev):
        return None
    asked = "SELECT DISTINCT entity FROM mentions INDEXED BY mentions_n WHERE n IN (SELECT value FROM json_each(?))"
    return frozenset(entity for (entity,) in connection.execute(asked, (compact(list(numbers)),)))


def _without_lists(plan: Plan) -> Plan:
    """Names alone, where names and a long list of words are asked for: still a superset of what is wanted."""
    if isinstance(plan, AllOf) and any(isinstance(part, Mentioned) for part in plan.parts):
        kept = tuple(part for part in plan.parts if not (isinstance(part, AnyOf) and _length(part) > _LONG_LIST))
        return replace(plan, parts=kept)
    return plan


def _length(plan: Plan) -> int:
    """How many texts are asked for, names not counted."""
    if isinstance(plan, AllOf | AnyOf):
        return sum(map(_length, plan.parts))
    return int(isinstance(plan, Tokens))


def _any_stale(connection: sqlite3.Connection, rev: str) -> bool:
    """Whether some article was matched with another revision: two look-ups in the index, however many there are."""
    low, high = connection.execute(
        "SELECT (SELECT min(matched_rev) FROM articles), (SELECT max(matched_rev) FROM articles)"
    ).fetchone()
    return bool(low is not None and (low != rev or high != rev))


def queries(plan: Plan, stale: list[str], limits: Filter, limit: int) -> list[Sql]:
    """Statements that each yield the newest `limit` of a part of the candidates; nearly always one.

    `stale` lists the watchlist revisions that not all articles were matched with.
    """
    streams = _by_revision(plan, stale)
    selects = [_select(source, tests, limits) for source, tests in streams]
    chunks = [selects[i : i + _MOST_STREAMS] for i in range(0, len(selects), _MOST_STREAMS)]
    return [
        Sql(
            " UNION ".join(select.text for select in chunk) + " ORDER BY n DESC LIMIT ?",
            (*(value for select in chunk for value in select.values), limit),
        )
        for chunk in chunks
    ]


def _by_revision(plan: Plan, stale: list[str]) -> list[_Stream]:
    """Part the articles that were matched with a revision, where names are told by mentions, from the stale ones.

    Only the latter are looked for by text, so that each part alone can be answered by indexes.
    """
    if not stale:
        return _streams(_simple(plan))
    rev, *others = stale
    named = _by_revision(plan, others)
    by_text = _by_revision(_as_text(plan, rev), others)
    return [(source, [*tests, _MatchedWith(rev, same=True)]) for source, tests in named] + [
        (source, [*tests, _MatchedWith(rev, same=False)]) for source, tests in by_text
    ]


def _revisions(plan: Plan) -> set[str]:
    match plan:
        case Mentioned(rev=rev, text=text):
            return {rev} | _revisions(text)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return {rev for part in parts for rev in _revisions(part)}
        case _:
            return set()


def _as_text(plan: Plan, rev: str) -> Plan:
    """The plan for articles that were not matched with `rev`."""
    match plan:
        case Mentioned(text=text) if plan.rev == rev:
            return _as_text(text, rev)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return replace(plan, parts=tuple(_as_text(part, rev) for part in parts))
        case _:
            return plan


def _select(source: _Source, tests: Iterable[_Test], limits: Filter) -> Sql:
    conditions = [source.condition, *_window(source.number, limits), *(_test(test, source.number) for test in tests)]
    conditions = [condition for condition in conditions if condition.text]
    where = " AND ".join(condition.text for condition in conditions) or "1"
    values = tuple(value for condition in conditions for value in condition.values)
    distinct = "" if source.table.startswith(("articles", "search")) else "DISTINCT "
    return Sql(f"SELECT {distinct}{source.number} AS n FROM {source.table} WHERE {where}", values)


def _window(number: str, limits: Filter) -> list[Sql]:
    """Time and cursor as ranges of the number (half-open: `since` and not `until`), and the asked ids."""
    conditions = []
    if limits.since is not None:
        conditions.append(Sql(f"{number} >= ?", (first_number(limits.since),)))
    upper = [end_number(limits.until)] if limits.until is not None else []
    upper += [limits.before] if limits.before is not None else []
    if upper:
        conditions.append(Sql(f"{number} < ?", (min(upper),)))
    if limits.ids:
        asked = "SELECT t.n FROM articles t WHERE t.id IN (SELECT value FROM json_each(?))"
        conditions.append(Sql(f"{number} IN ({asked})", (compact(limits.ids),)))
    return conditions


_ALL = _Source("articles c", "c.n", Sql(""))
_NOTHING = AnyOf(parts=())


@dataclass(frozen=True, slots=True)
class _MatchedWith:
    """Test: the article was matched with this revision of the watchlists, or with another."""

    rev: str
    same: bool


_Test = Plan | _MatchedWith
_Stream = tuple[_Source, list[_Test]]


def _simple(plan: Plan) -> Plan:
    """The same candidates with fewer nodes: flat, without empty parts, without tokens that no index holds."""
    match plan:
        case Tokens(words=words):
            kept = tuple(word for word in words if any(char.isalnum() for char in word))
            return replace(plan, words=kept) if kept else Everything()
        case Mentioned(entities=entities):
            return replace(plan, text=_NOTHING) if entities else _NOTHING
        case Where(values=values):
            return plan if values else _NOTHING
        case AllOf(parts=parts):
            return _simple_all([_simple(part) for part in parts])
        case AnyOf(parts=parts):
            return _simple_any([_simple(part) for part in parts])
        case Everything():
            return plan


def _simple_all(parts: list[Plan]) -> Plan:
    flat: dict[Plan, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(part.parts if isinstance(part, AllOf) else (part,)))
    flat.pop(Everything(), None)
    if _NOTHING in flat:
        return _NOTHING
    if not flat:
        return Everything()
    return next(iter(flat)) if len(flat) == 1 else AllOf(parts=tuple(flat))


def _simple_any(parts: list[Plan]) -> Plan:
    flat: dict[Plan, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(part.parts if isinstance(part, AnyOf) else (part,)))
    if Everything() in flat:
        return Everything()
    # many names side by side become one leaf instead of a stream for each
    named = {entity: None for part in flat if isinstance(part, Mentioned) for entity in part.entities}
    merged: list[Plan] = [part for part in flat if not isinstance(part, Mentioned)]
    if named:
        merged.append(Mentioned(entities=tuple(named), rev="", text=_NOTHING))
    return merged[0] if len(merged) == 1 else AnyOf(parts=tuple(merged))


@lru_cache(maxsize=64)  # of a list of 500 words the same is asked six times
def _match(plan: Plan) -> str | None:
    """The plan in the language of the full-text index, if it can be said there wholly."""
    match plan:
        case Tokens():
            return _quoted(plan)
        case AllOf(parts=parts) | AnyOf(parts=parts) if parts:
            inner = []
            for part in parts:
                said = _quoted(part) if isinstance(part, Tokens) else _match(part)
                if said is None:
                    return None
                inner.append(said)
            return "(" + (" AND " if isinstance(plan, AllOf) else " OR ").join(inner) + ")"
        case _:
            return None


def _quoted(tokens: Tokens) -> str:
    quoted = " ".join(tokens.words).replace('"', '""')
    return f'"{quoted}"{" *" if tokens.prefix else ""}'


def _streams(plan: Plan) -> list[_Stream]:
    """Sources whose numbers together, where the tests hold, are the candidates."""
    text = _match(plan)
    if text is not None:
        return [(_Source("search c", "c.rowid", Sql("c.search MATCH ?", (text,))), [])]
    match plan:
        case AnyOf(parts=parts):
            return [stream for part in _grouped(parts, AnyOf) for stream in _streams(part)]
        case AllOf(parts=parts):
            return _streams_of_all(_grouped(parts, AllOf))
        case Mentioned(entities=entities):
            return [(source, []) for source in _mentions(entities)]
        case Where(column="story", values=values):
            kinds = ("c.id = ? AND c.story = c.id", "c.story = ? AND c.story <> c.id")
            return [(_Source("articles c", "c.n", Sql(kind, (value,))), []) for value in values for kind in kinds]
        case Where(column=column, values=values):
            table, _, held = _COLUMNS[column]
            return [(_Source(f"{table} c", "c.n", Sql(f"c.{column} = ?{held.format('c')}", (v,))), []) for v in values]
        case _:
            return [(_ALL, [])]


def _streams_of_all(parts: list[Plan]) -> list[_Stream]:
    """Multiply mixed alternatives out while they are few, so that no part is left to ask the text of each article."""
    mixed = [_grouped(part.parts, AnyOf) for part in parts if isinstance(part, AnyOf) and _match(part) is None]
    if mixed and prod(map(len, mixed)) <= _MOST_PRODUCTS:
        others = [part for part in parts if not isinstance(part, AnyOf) or _match(part) is not None]
        return [stream for chosen in product(*mixed) for stream in _streams(_simple_all([*others, *chosen]))]
    driver = min(parts, key=_cost)
    rest: list[_Test] = [part for part in parts if part is not driver]
    return [(source, tests + rest) for source, tests in _streams(driver)]


def _mentions(entities: tuple[str, ...]) -> list[_Source]:
    few = 16
    if len(entities) <= few:
        return [_Source("mentions c", "c.n", Sql("c.entity = ?", (entity,))) for entity in entities]
    # many names are met often: walk the index on n from the newest down instead of merging a stream for each
    listed = Sql("c.entity IN (SELECT value FROM json_each(?))", (compact(entities),))
    return [_Source("mentions c INDEXED BY mentions_n", "c.n", listed)]


def _grouped(parts: tuple[Plan, ...], kind: type[AllOf | AnyOf]) -> list[Plan]:
    """The parts, with all that the full-text index can answer brought together in one."""
    textual = tuple(part for part in parts if _match(part) is not None)
    others = [part for part in parts if _match(part) is None]
    if not textual:
        return others
    return [textual[0] if len(textual) == 1 else kind(parts=textual), *others]


def _cost(plan: Plan) -> int:
    """Which part of an AllOf leads: the one that most likely yields the fewest."""
    match plan:
        case Where(column="story"):
            return 0
        case _ if _match(plan) is not None:
            return 1
        case Where(column="rule" | "watchlist" | "level"):
            return 2
        case Mentioned():
            return 3
        case AnyOf():
            return 4
        case Where(column="feed"):
            return 5
        case _:
            return 6


def _test(plan: _Test, number: str) -> Sql:
    """A condition that holds for the numbers of candidates."""
    if isinstance(plan, _MatchedWith):
        sign = "=" if plan.same else "<>"
        return Sql(f"(SELECT t.matched_rev FROM articles t WHERE t.n = {number}) {sign} ?", (plan.rev,))
    text = _match(plan)
    if text is not None:
        return Sql(f"EXISTS (SELECT 1 FROM search t WHERE t.search MATCH ? AND t.rowid = {number})", (text,))
    match plan:
        case AllOf(parts=parts):
            return _joined(_grouped(parts, AllOf), " AND ", number)
        case AnyOf(parts=parts) if parts:
            return _joined(_grouped(parts, AnyOf), " OR ", number)
        case AnyOf():
            return Sql("0")
        case Mentioned(entities=entities):
            listed = "t.entity IN (SELECT value FROM json_each(?))"
            return Sql(f"EXISTS (SELECT 1 FROM mentions t WHERE t.n = {number} AND {listed})", (compact(entities),))
        case Where(column=column, values=values):
            table, index, held = _COLUMNS[column]
            # a few values are looked up in the narrow index, not in the rows with the texts
            by = f" INDEXED BY {index}" if index and len(values) <= _FEW_VALUES else ""
            sign = f"IN ({', '.join('?' * len(values))})" if by else "IN (SELECT value FROM json_each(?))"
            return Sql(
                f"EXISTS (SELECT 1 FROM {table} t{by} WHERE t.n = {number}{held.format('t')} AND t.{column} {sign})",
                values if by else (compact(values),),
            )
        case _:
            return Sql("1")


def _joined(parts: list[Plan], word: str, number: str) -> Sql:
    tests = [_test(part, number) for part in parts]
    return Sql(
        "(" + word.join(test.text for test in tests) + ")", tuple(value for test in tests for value in test.values)
    )
