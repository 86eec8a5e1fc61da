"""The query language: what is read, what is refused, and where the caret stands."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
import vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import QueryError
from monitor.query.ast import And, AtLeast, EntityRef, InField, Limit, Near, Node, Not, Or, Term, WordsRef
from monitor.query.parse import notice, parse, unparse


def bare(node: Any) -> Any:
    """The tree without places, for comparing."""
    if isinstance(node, tuple):
        return tuple(bare(part) for part in node)
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    values = {f.name: bare(getattr(node, f.name)) for f in dataclasses.fields(node) if f.name not in {"start", "end"}}
    return (type(node).__name__, values)


def term(text: str, *, star: bool = False, exact: bool = False) -> Term:
    """A term without a place."""
    return Term(start=0, end=0, text=text, star=star, exact=exact)


def refused(text: str, *, search: bool = True) -> QueryError:
    """The error of a query that must not be read."""
    with pytest.raises(QueryError) as caught:
        parse(text, search=search)
    return caught.value


def answer(text: str, *, search: bool = True) -> Node | QueryError:
    """The tree, or the error instead of it."""
    try:
        return parse(text, search=search)
    except QueryError as error:
        return error


A, B, C = term("A"), term("B"), term("C")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("rocket", term("rocket")),
        ('"exact  words"', term("exact words")),
        ("“exact words”", term("exact words")),
        ("«exact words»", term("exact words")),
        ("attack*", term("attack", star=True)),
        ("کور*", term("کور", star=True)),
        ('"hedef al*"', term("hedef al", star=True)),
        ("=PUK", term("PUK", exact=True)),
        ('="Exact Phrase"', term("Exact Phrase", exact=True)),
        ("PKK,", term("PKK")),
        ("Kata’ib", term("Kata’ib")),
        ('"10:30"', term("10:30")),
        ("@ain-al-asad", EntityRef(start=0, end=0, name="ain-al-asad")),
        ("@anbar+", EntityRef(start=0, end=0, name="anbar", plus=True)),
        ("@kind:armed-group", EntityRef(start=0, end=0, name="armed-group", kind=True)),
        ("#attack", WordsRef(start=0, end=0, name="attack")),
        ("A B C", And(start=0, end=0, parts=(A, B, C))),
        ("A AND (B AND C)", And(start=0, end=0, parts=(A, B, C))),
        ("A OR B OR C", Or(start=0, end=0, parts=(A, B, C))),
        ("A near B", And(start=0, end=0, parts=(A, term("near"), B))),
        ("A NOT B", And(start=0, end=0, parts=(A, Not(start=0, end=0, part=B)))),
        ("NOT B A", And(start=0, end=0, parts=(Not(start=0, end=0, part=B), A))),
        ("A AND (NOT B)", And(start=0, end=0, parts=(A, Not(start=0, end=0, part=B)))),
        ("A NEAR/15 B", Near(start=0, end=0, left=A, right=B, within=15)),
        ("A NEAR/s B", Near(start=0, end=0, left=A, right=B, within="s")),
        ("A NEAR/p B", Near(start=0, end=0, left=A, right=B, within="p")),
        ("A PRE/0 B", Near(start=0, end=0, left=A, right=B, within=0, ordered=True)),
        ("A NOT NEAR/5 B", Near(start=0, end=0, left=A, right=B, within=5, negated=True)),
        ("ATLEAST/3(A)", AtLeast(start=0, end=0, count=3, part=A)),
        ("title:A", InField(start=0, end=0, field="title", part=A)),
        ('lead:("A")', InField(start=0, end=0, field="lead", part=A)),
        ("source:rudaw,AA-en", Limit(start=0, end=0, name="source", values=("rudaw", "aa-en"))),
        ("lang:ar,kmr,ku", Limit(start=0, end=0, name="lang", values=("ar", "ku"))),
        ("since:7d", Limit(start=0, end=0, name="since", values=("7d",))),
        ("until:2026-06-30", Limit(start=0, end=0, name="until", values=("2026-06-30",))),
    ],
)
def test_reads_every_form_of_the_language(text: str, tree: Node) -> None:
    """Each form that the manual names becomes its own shape."""
    assert bare(parse(text, search=True)) == bare(tree)


def test_binding_is_operand_near_not_then_and_or_or() -> None:
    """NEAR binds before NOT, NOT before AND or OR, and NEARs join from left to right."""
    left = Near(start=0, end=0, left=A, right=B, within=5)
    chain = Near(start=0, end=0, left=left, right=C, within=3, ordered=True)

    assert bare(parse("A NEAR/5 B PRE/3 C", search=False)) == bare(chain)
    assert bare(parse("C NOT A NEAR/5 B", search=False)) == bare(
        And(start=0, end=0, parts=(C, Not(start=0, end=0, part=left)))
    )
    assert bare(parse("C OR A NEAR/5 B", search=False)) == bare(Or(start=0, end=0, parts=(C, left)))


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        ("", "", "empty"),
        ("   ", "", "empty"),
        ("A AND B OR C", "OR", "say which belongs together"),
        ("A OR B C", "C", "say which belongs together"),
        ("A OR NOT B", "NOT B", "nearly every article"),
        ("NOT A", "NOT A", "something positive"),
        ("NOT NOT A B", "NOT A"[:3], "Two NOTs"),
        ("A NEAR B", "NEAR", "NEAR/15"),
        ("A NEAR/ B", "NEAR/", "NEAR/15"),
        ("A NEAR/9999 B", "NEAR/9999", "from 0 to"),
        ("A PRE/s B", "PRE/s", "takes a number"),
        ("A NOT PRE/5 B", "PRE/5", "NOT NEAR"),
        ("A near/5 B", "near/5", "capitals"),
        ("A NEAR/5 (B C)", "B C", "AND cannot stand inside NEAR"),
        ("A NEAR/5 (B OR ATLEAST/2(C))", "ATLEAST/2(C)", "ATLEAST cannot stand"),
        ("A NEAR/5 lang:ar", "lang:ar", "cannot stand inside NEAR"),
        ("A NEAR/5 title:B", "title:B", "title:(A NEAR/5 B)"),
        ("ATLEAST/3 A", "ATLEAST/3", "brackets"),
        ("ATLEAST/3(A B)", "A B", "AND cannot stand inside ATLEAST"),
        ("ATLEAST(A)", "ATLEAST", "how often"),
        ("at*", "at*", "3 letters"),
        ("att*ck", "att*ck", "only at the end"),
        ('"attack"*', "*", "inside"),
        ("=att*", "=att*", "as they are"),
        ("A = B", "=", "touch"),
        ("A ... B", "...", "letter or digit"),
        ("A && B", "&&", "Write AND"),
        ("A -B", "-B", "Write NOT"),
        ("ttile:A", "ttile:", "Did you mean `title:`?"),
        ("at 10:30", "10:", "quotes"),
        ("title: A", "title:", "touch"),
        ("title:(lead:A)", "lead:A", "side by side"),
        ("title:(A lang:ar)", "lang:ar", "outside"),
        ("title:(NOT A) B", "NOT A", "NOT title:( )"),
        ("A lang:de", "lang:de", "en, tr, ar"),
        ("A level:urgent", "level:urgent", "flash"),
        ("A since:2026-02-30", "since:2026-02-30", "since:7d"),
        ("A since:1d,2d", "since:1d,2d", "one value"),
        ("@PKK", "@PKK", "@pkk"),
        ("#", "#", "#attack"),
        ("(A", "(", "not closed"),
        ("A)", ")", "closes nothing"),
        ("A ()", "(", "Nothing stands inside"),
        ('A "B', '"', "not closed"),
        ("A »", "»", "closes nothing"),
        ("A OR", "OR", "missing after"),
        ("AND A", "AND", "missing before"),
    ],
)
def test_refuses_with_one_sentence_and_the_place(text: str, part: str, words: str) -> None:
    """What cannot be meant is refused, with a hint, under exactly the letters that are wrong."""
    error = refused(text)

    assert words in error.sentence
    if part:
        assert text[error.start : error.end] == part
        assert "^" * len(part) in error.caret()


def test_limits_of_search_are_refused_in_rules() -> None:
    """since:, watchlist: and their like work in search only; a limit alone is a search but no rule."""
    assert "only in search" in refused("@pkk since:7d", search=False).sentence
    assert "limit alone" in refused("source:rudaw lang:ar", search=False).sentence
    assert "something positive" in refused("source:rudaw NOT @pkk", search=False).sentence
    assert isinstance(parse("source:rudaw", search=True), Limit)
    assert isinstance(parse("source:rudaw @pkk", search=False), And)


def test_too_long_or_too_deep_is_a_sentence() -> None:
    """4,000 characters and 50 levels are the end, by brackets and by chains of NEAR alike."""
    assert "longer than 4,000" in refused("a" * 4001).sentence
    assert "deeper than 50" in refused("(" * 60 + "a" + ")" * 60).sentence
    assert "deeper than 50" in refused(" NEAR/1 ".join("a" * 60)).sentence
    assert bare(parse("(" * 40 + "a" + ")" * 40, search=False)) == bare(term("a"))


def test_direction_marks_are_left_out_and_places_still_fit() -> None:
    """Invisible direction marks do not count, a notice says so, and the caret stands in the text as typed."""
    text = "\u202ePKK\u202c NEAR B"
    error = refused(text)

    assert text[error.start : error.end] == "NEAR"
    assert bare(parse("\u200fPKK\u200f", search=False)) == bare(term("PKK"))
    assert notice(text) == "2 invisible direction marks in the query left out."
    assert notice("PKK") == ""


_WORD = st.sampled_from(
    ["PKK", "rocket", "هجوم", "کوردستان", "Kata’ib", "AND", "near", "a b", "10:30", 'say "x"', "U.S."]
)
_SLUG = st.sampled_from(["pkk", "ain-al-asad", "kind"])
_FLAG = st.booleans()


def _place(kind: Any) -> Any:
    return lambda **values: kind(start=0, end=0, **values)


_TERM = st.builds(_place(Term), text=_WORD, star=st.just(value=False), exact=_FLAG) | st.builds(
    _place(Term), text=st.sampled_from(["attack", "hedef al", "کوردستان"]), star=st.just(value=True)
)
_LEAF = (
    _TERM
    | st.builds(_place(EntityRef), name=_SLUG, plus=_FLAG)
    | st.builds(_place(EntityRef), name=_SLUG, kind=st.just(value=True))
    | st.builds(_place(WordsRef), name=_SLUG)
)
_CHOICE = st.lists(_LEAF, min_size=2, max_size=3).map(lambda parts: Or(start=0, end=0, parts=tuple(parts)))
_WITHIN = st.integers(0, 50)
_SPANS = st.recursive(
    _LEAF | _CHOICE,
    lambda inner: (
        st.builds(_place(Near), left=inner, right=inner, within=_WITHIN, ordered=_FLAG)
        | st.builds(_place(Near), left=inner, right=inner, within=st.sampled_from(["s", "p"]), negated=_FLAG)
    ),
    max_leaves=5,
)
_PART = (
    _SPANS
    | st.builds(_place(AtLeast), count=st.integers(1, 9), part=_SPANS)
    | st.builds(_place(InField), field=st.sampled_from(["title", "lead", "body"]), part=_SPANS)
)
_TAIL = st.builds(_place(Not), part=_PART) | st.just(Limit(start=0, end=0, name="lang", values=("ar", "ckb")))


def _joined(first: Node, rest: list[Node]) -> Node:
    if isinstance(first, And):
        return first
    return And(start=0, end=0, parts=(first, *rest))


_QUERY = st.builds(_joined, _PART, st.lists(_PART | _TAIL, min_size=1, max_size=4))


@given(_QUERY)
def test_what_is_written_is_read_back_the_same(tree: Node) -> None:
    """parse(unparse(x)) is x but for places, for any tree of the language."""
    assert bare(parse(unparse(tree), search=False)) == bare(tree)


_SCRAPS = [
    *(
        "AND",
        "OR",
        "NOT",
        "NEAR/5",
        "NEAR/s",
        "PRE/2",
        "ATLEAST/2(",
        "(",
        ")",
        "title:",
        "lead:(",
        "lang:ar",
        "source:x",
    ),
    *(
        "since:7d",
        "PKK",
        "attack*",
        '"a b',
        '"',
        "=PUK",
        "@pkk",
        "@",
        "#x",
        "*",
        "\u202e",
        "هجوم",
        "«",
        "»",
        "NEAR",
        ":",
    ),
]


@settings(max_examples=400)
@given(st.text(max_size=60) | st.lists(st.sampled_from(_SCRAPS), max_size=14).map(" ".join), _FLAG)
def test_any_text_is_read_or_refused_with_a_place(text: str, search: bool) -> None:  # noqa: FBT001
    """Whatever is typed, parse answers with a tree that reads back, or with QueryError at a place in the text."""
    tree = answer(text, search=search)
    if isinstance(tree, QueryError):
        assert 0 <= tree.start < tree.end <= max(1, len(text))
        assert tree.sentence
    else:
        assert bare(parse(unparse(tree), search=search)) == bare(tree)


@pytest.mark.parametrize(
    "piece", ["(", "NOT ", "a NEAR/1 ", '"', "a OR ", "title:", "\u202e", "*", "a:", "=", "@", '"a" ']
)
def test_hostile_repetition_takes_no_time(piece: str) -> None:
    """The longest query allowed, made of one piece, is answered in a moment."""
    text = (piece * 4000)[:4000]
    begun = time.perf_counter()
    answer(text)
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("member", ["search_queries/own_fts5.jsonl", "strings/blns.jsonl", "regex/own_redos.jsonl"])
def test_naughty_strings_are_queries_or_sentences(member: str) -> None:
    """Every public naughty string is read, or refused with one sentence, in under a second in all."""
    lines = vectors.values(member)
    begun = time.perf_counter()
    for line in lines:
        tree = answer(str(line))
        assert tree.sentence.strip() if isinstance(tree, QueryError) else unparse(tree)
    assert time.perf_counter() - begun < 1
