"""A plan to SQL that walks indexes from the newest article down and stops when it has enough.

A plan becomes *streams*: SELECTs of article numbers that each come in falling order from some index. Several streams
are merged by UNION ... ORDER BY n DESC LIMIT, which SQLite does row by row. What a stream's index does not answer
becomes *tests* on the number. Whatever can is put into one MATCH of the full-text index, made of quoted tokens only.
"""

# ruff: noqa: S608 - only column and table names of this package stand in the strings, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from monitor.model import AllOf, AnyOf, Everything, Filter, Mentioned, Plan, Tokens, Where
from monitor.store.rows import compact, end_number, first_number

_MOST_STREAMS = 60  # SQLite merges at most 500, and each costs a comparison per row
_COLUMNS = {"feed": "articles", "lang": "articles", "story": "articles",
            "watchlist": "hits", "rule": "hits", "level": "hits"}  # fmt: skip


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
    plan = _simple(plan, stale=lambda rev: _any_stale(connection, rev))
    if limit <= 0 or plan == AnyOf(parts=()):
        return []
    sql = _query(plan, limits, limit)
    return [n for (n,) in connection.execute(sql.text, sql.values)]


def _any_stale(connection: sqlite3.Connection, rev: str) -> bool:
    """Whether some article was matched with another revision: two look-ups in the index, however many there are."""
    low, high = connection.execute(
        "SELECT (SELECT min(matched_rev) FROM articles), (SELECT max(matched_rev) FROM articles)"
    ).fetchone()
    return bool(low is not None and (low != rev or high != rev))


def _query(plan: Plan, limits: Filter, limit: int) -> Sql:
    streams = _streams(plan)
    if limits.ids:
        ids = Sql("c.id IN (SELECT value FROM json_each(?))", (compact(limits.ids),))
        streams = [(_Source("articles c", "c.n", ids), [plan])]
    elif len(streams) > _MOST_STREAMS:
        streams = [(_ALL, [plan])]
    selects = [_select(source, tests, limits) for source, tests in streams]
    text = " UNION ".join(select.text for select in selects)
    values = tuple(value for select in selects for value in select.values)
    return Sql(f"{text} ORDER BY n DESC LIMIT ?", (*values, limit))


def _select(source: _Source, tests: Iterable[_Test], limits: Filter) -> Sql:
    conditions = [source.condition, *_window(source.number, limits), *(_test(test, source.number) for test in tests)]
    conditions = [condition for condition in conditions if condition.text]
    where = " AND ".join(condition.text for condition in conditions) or "1"
    values = tuple(value for condition in conditions for value in condition.values)
    distinct = "" if source.table.startswith(("articles", "search")) else "DISTINCT "
    return Sql(f"SELECT {distinct}{source.number} AS n FROM {source.table} WHERE {where}", values)


def _window(number: str, limits: Filter) -> list[Sql]:
    """Time and cursor as ranges of the number: half-open, `since` and not `until`."""
    conditions = []
    if limits.since is not None:
        conditions.append(Sql(f"{number} >= ?", (first_number(limits.since),)))
    upper = [end_number(limits.until)] if limits.until is not None else []
    upper += [limits.before] if limits.before is not None else []
    if upper:
        conditions.append(Sql(f"{number} < ?", (min(upper),)))
    return conditions


_ALL = _Source("articles c", "c.n", Sql(""))


@dataclass(frozen=True, slots=True)
class _MatchedWith:
    """Test: the article was matched with this revision of the watchlists, or with another."""

    rev: str
    same: bool


_Test = Plan | _MatchedWith
_Stream = tuple[_Source, list[_Test]]


def _simple(plan: Plan, stale: Callable[[str], bool]) -> Plan:
    """The same candidates with fewer nodes: flat, without empty parts, without tokens that no index holds."""
    match plan:
        case Tokens(words=words):
            kept = tuple(word for word in words if any(char.isalnum() for char in word))
            return replace(plan, words=kept) if kept else Everything()
        case Mentioned(entities=entities, rev=rev, text=text):
            if stale(rev):
                return replace(plan, text=_simple(text, stale))
            return replace(plan, text=AnyOf(parts=())) if entities else AnyOf(parts=())
        case Where(values=values):
            return plan if values else AnyOf(parts=())
        case AllOf(parts=parts):
            return _simple_all([_simple(part, stale) for part in parts])
        case AnyOf(parts=parts):
            return _simple_any([_simple(part, stale) for part in parts])
        case Everything():
            return plan


def _simple_all(parts: list[Plan]) -> Plan:
    flat: dict[Plan, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(part.parts if isinstance(part, AllOf) else (part,)))
    flat.pop(Everything(), None)
    if AnyOf(parts=()) in flat:
        return AnyOf(parts=())
    if not flat:
        return Everything()
    return next(iter(flat)) if len(flat) == 1 else AllOf(parts=tuple(flat))


def _simple_any(parts: list[Plan]) -> Plan:
    flat: dict[Plan, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(part.parts if isinstance(part, AnyOf) else (part,)))
    if Everything() in flat:
        return Everything()
    merged: list[Plan] = []
    named: dict[tuple[str, Plan], list[str]] = {}
    for part in flat:
        # many names side by side, none with articles to look for by text: one leaf instead of a stream for each
        if isinstance(part, Mentioned) and part.text == AnyOf(parts=()):
            named.setdefault((part.rev, part.text), []).extend(part.entities)
        else:
            merged.append(part)
    merged += [
        Mentioned(entities=tuple(dict.fromkeys(names)), rev=rev, text=text) for (rev, text), names in named.items()
    ]
    return merged[0] if len(merged) == 1 else AnyOf(parts=tuple(merged))


def _match(plan: Plan) -> str | None:
    """The plan in the language of the full-text index, if it can be said there wholly."""
    match plan:
        case Tokens(words=words, prefix=prefix):
            quoted = " ".join(words).replace('"', '""')
            return f'"{quoted}"{" *" if prefix else ""}'
        case AllOf(parts=parts) | AnyOf(parts=parts) if parts:
            inner = [_match(part) for part in parts]
            if any(part is None for part in inner):
                return None
            return "(" + (" AND " if isinstance(plan, AllOf) else " OR ").join(part for part in inner if part) + ")"
        case _:
            return None


def _streams(plan: Plan) -> list[_Stream]:
    """Sources whose numbers together, where the tests hold, are the candidates."""
    text = _match(plan)
    if text is not None:
        return [(_search(text), [])]
    match plan:
        case AnyOf(parts=parts):
            return [stream for part in _grouped(parts, AnyOf) for stream in _streams(part)]
        case AllOf(parts=parts):
            grouped = _grouped(parts, AllOf)
            driver = min(grouped, key=_cost)
            rest: list[_Test] = [part for part in grouped if part is not driver]
            return [(source, tests + rest) for source, tests in _streams(driver)]
        case Mentioned():
            return _mentioned_streams(plan)
        case Where(column=column, values=values):
            withdrawn = " AND c.withdrawn IS NULL" if _COLUMNS[column] == "hits" else ""
            condition = f"c.{column} = ?{withdrawn}"
            return [(_Source(f"{_COLUMNS[column]} c", "c.n", Sql(condition, (value,))), []) for value in values]
        case _:
            return [(_ALL, [])]


def _mentioned_streams(plan: Mentioned) -> list[_Stream]:
    few = 16
    if len(plan.entities) <= few:
        sources = [_Source("mentions c", "c.n", Sql("c.entity = ?", (entity,))) for entity in plan.entities]
    else:
        # many names are met often: walk the index on n from the newest down instead of merging a stream for each
        listed = Sql("c.entity IN (SELECT value FROM json_each(?))", (compact(plan.entities),))
        sources = [_Source("mentions c INDEXED BY mentions_n", "c.n", listed)]
    if plan.text == AnyOf(parts=()):
        return [(source, []) for source in sources]
    # stale articles carry mentions of another revision: those are not believed, their text is looked at instead
    by_name: list[_Stream] = [(source, [_MatchedWith(plan.rev, same=True)]) for source in sources]
    stale = _MatchedWith(plan.rev, same=False)
    return by_name + [(source, [*tests, stale]) for source, tests in _streams(plan.text)]


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


def _search(text: str) -> _Source:
    return _Source("search c", "c.rowid", Sql("c.search MATCH ?", (text,)))


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
        case Mentioned():
            return _mentioned_test(plan, number)
        case Where(column=column, values=values):
            withdrawn = " AND t.withdrawn IS NULL" if _COLUMNS[column] == "hits" else ""
            return Sql(
                f"EXISTS (SELECT 1 FROM {_COLUMNS[column]} t WHERE t.n = {number}{withdrawn}"
                f" AND t.{column} IN (SELECT value FROM json_each(?)))",
                (compact(values),),
            )
        case _:
            return Sql("1")


def _mentioned_test(plan: Mentioned, number: str) -> Sql:
    named = Sql(
        f"EXISTS (SELECT 1 FROM mentions t WHERE t.n = {number} AND t.entity IN (SELECT value FROM json_each(?)))",
        (compact(plan.entities),),
    )
    if plan.text == AnyOf(parts=()):
        return named
    fresh = _test(_MatchedWith(plan.rev, same=True), number)
    by_text = _test(plan.text, number)
    return Sql(
        f"CASE WHEN {fresh.text} THEN {named.text} ELSE {by_text.text} END",
        (*fresh.values, *named.values, *by_text.values),
    )


def _joined(parts: list[Plan], word: str, number: str) -> Sql:
    tests = [_test(part, number) for part in parts]
    return Sql(
        "(" + word.join(test.text for test in tests) + ")", tuple(value for test in tests for value in test.values)
    )
