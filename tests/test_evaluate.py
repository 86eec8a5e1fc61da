"""The meaning of a query, sentence by sentence of docs: what is near, what is not, and what a clause looks at."""

from __future__ import annotations

import pytest
from engine import article, found, marks, watchlist
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import QueryError
from monitor.match import compile_query
from monitor.model import Feed, Hit, Stored
from monitor.query import evaluate as ev
from monitor.query.gates import Gates, needed
from monitor.query.parse import parse

FIXED = settings(derandomize=True, deadline=None, max_examples=300)
WORDS = ("alpha", "beta", "gamma", "delta")


def gap(words: int) -> str:
    """Text: alpha and beta with so many words strictly between."""
    return " ".join(["alpha", *["word"] * words, "beta"])


@pytest.mark.parametrize(
    ("query", "most"), [("alpha NEAR/3 beta", 3), ("beta NEAR/3 alpha", 3), ("alpha PRE/3 beta", 3)]
)
def test_words_strictly_between(query: str, most: int) -> None:
    """NEAR/3 allows three whole words strictly between, and not four."""
    assert found(query, gap(most)) == ["alpha", "beta"]
    assert found(query, gap(most + 1)) is None


def test_near_zero_is_side_by_side() -> None:
    """NEAR/0 asks for neighbours."""
    assert found("alpha NEAR/0 beta", gap(0)) == ["alpha", "beta"]
    assert found("alpha NEAR/0 beta", gap(1)) is None


def test_pre_asks_for_the_order() -> None:
    """PRE holds only when the first operand stands first."""
    assert found("beta PRE/3 alpha", gap(1)) is None
    assert found("alpha PRE/3 beta", gap(1)) == ["alpha", "beta"]


def test_words_are_counted_whole() -> None:
    """A hyphen parts words; an apostrophe suffix and a glued affix belong to theirs."""
    assert found("alpha NEAR/1 beta", "alpha one-two beta") is None
    assert found("alpha NEAR/1 beta", "alpha Erbil'deki beta", lang="tr") == ["alpha", "beta"]
    assert found("alpha NEAR/1 beta", "alpha -- ... beta") == ["alpha", "beta"]
    assert found("alpha NEAR/1 beta", "alpha U.S. beta") == ["alpha", "beta"]


def test_words_are_counted_from_the_end_of_a_phrase() -> None:
    """The words of a phrase are not between; the distance runs from its last word."""
    assert found('"one two three" NEAR/1 beta', "one two three word beta") == ["one two three", "beta"]
    assert found('beta NEAR/1 "one two three"', "beta word one two three") == ["beta", "one two three"]


def test_near_ignores_the_end_of_a_sentence() -> None:
    """NEAR counts on over sentence and paragraph ends."""
    assert found("alpha NEAR/3 beta", "The alpha. Word.\nA beta") == ["alpha", "beta"]


def test_near_works_between_scripts() -> None:
    """Words of any script are counted alike."""
    assert found("alpha NEAR/2 قصف", "alpha قاعدة عین قصف", lang="ar") == ["alpha", "قصف"]
    assert found("alpha NEAR/1 قصف", "alpha قاعدة عین قصف", lang="ar") is None


def test_same_sentence() -> None:
    """NEAR/s holds inside one sentence, however long, and not over its end."""
    assert found("alpha NEAR/s beta", f"{gap(200)}. More.") == ["alpha", "beta"]
    assert found("alpha NEAR/s beta", "An alpha. A beta") is None
    assert found("beta NEAR/s alpha", "A beta and an alpha! More") == ["beta", "alpha"]


def test_same_paragraph() -> None:
    """NEAR/p holds over sentences and not over a line's end."""
    assert found("alpha NEAR/p beta", "An alpha. A beta") == ["alpha", "beta"]
    assert found("alpha NEAR/p beta", "An alpha\nA beta") is None


@pytest.mark.parametrize("step", ["NEAR/999", "PRE/999", "NEAR/s", "NEAR/p"])
def test_never_across_fields(step: str) -> None:
    """The last word of the title is far from the first of the body for every kind of NEAR."""
    assert found(f"alpha {step} beta", title="The alpha", text="beta came") is None
    assert found(f"alpha {step} beta", title="The alpha beta") == ["alpha", "beta"]


def test_overlapping_spans_never_satisfy() -> None:
    """One stretch of letters is not near itself, nor near what lies inside it."""
    assert found("alpha NEAR/5 alpha", "an alpha here") is None
    assert found("alpha NEAR/5 alpha", "an alpha or alpha here") == ["alpha", "alpha"]
    assert found('"alpha beta" NEAR/5 beta', "an alpha beta here") is None
    assert found('"alpha beta" NEAR/5 "beta gamma"', "alpha beta gamma") is None


def test_not_near_yields_the_spans_of_a() -> None:
    """A NOT NEAR B is those A that have no B close by, not a veto of the article."""
    text = f"alpha beta {'word ' * 9} ALPHA"
    assert found("alpha NOT NEAR/5 beta", text) == ["ALPHA"]
    assert found("alpha NOT NEAR/5 beta", "alpha beta") is None
    assert found("alpha NOT NEAR/5 beta", "alpha only") == ["alpha"]
    assert found("alpha NOT NEAR/5 beta", "beta only") is None
    assert found("alpha NOT NEAR/s beta", "An alpha. A beta") == ["alpha"]


def test_nested_near_has_a_hull() -> None:
    """The span of a nested NEAR runs from its first letter to its last: distance is counted from its edges."""
    text = "alpha word word beta word gamma"
    assert found("(alpha NEAR/2 beta) NEAR/1 gamma", text) == ["alpha", "beta", "gamma"]
    assert found("alpha NEAR/2 beta NEAR/1 gamma", text) == ["alpha", "beta", "gamma"]
    assert found("alpha NEAR/1 gamma", text) is None


def test_hull_overlaps_what_it_holds() -> None:
    """What stands inside the hull of a NEAR is not near it."""
    assert found("(alpha NEAR/3 beta) NEAR/3 gamma", "alpha gamma beta") is None


def test_or_inside_near() -> None:
    """NEAR takes an OR of words, and marks those that are near."""
    query = "(alpha OR gamma) NEAR/1 (beta OR delta)"
    assert found(query, f"gamma delta {'word ' * 5} alpha") == ["gamma", "delta"]


def test_atleast_counts_spans_that_do_not_overlap() -> None:
    """ATLEAST counts each stretch of letters once."""
    assert found("ATLEAST/3(alpha)", "alpha alpha alpha") == ["alpha"] * 3
    assert found("ATLEAST/3(alpha)", "alpha alpha") is None
    assert found('ATLEAST/2("alpha beta" OR beta)', "an alpha beta") is None
    assert found('ATLEAST/2("alpha beta" OR beta)', "an alpha beta or beta") is not None
    assert found("ATLEAST/2(alpha)", title="alpha", text="alpha") == ["alpha", "alpha"]


def test_not_looks_at_the_whole_article() -> None:
    """NOT is a veto wherever in the article its operand stands."""
    assert found("alpha NOT beta", title="alpha", text=f"{'word ' * 500} beta") is None
    assert found("alpha NOT beta", title="alpha", text="word") == ["alpha"]


def test_not_inside_a_field_means_that_field() -> None:
    """Under title:( ) a NOT looks at the title alone."""
    assert found("title:(alpha NOT beta)", title="alpha", text="beta") == ["alpha"]
    assert found("title:(alpha NOT beta)", title="alpha beta") is None
    assert found("alpha NOT title:beta", title="alpha", text="beta") == ["alpha"]
    assert found("alpha NOT title:beta", title="alpha beta") is None


def test_fields() -> None:
    """title:( ) and body:( ) look there only; without them an article is title and body."""
    assert found("title:alpha", title="no", text="alpha") is None
    assert found("body:alpha", title="alpha", text="no") is None
    assert found("body:(alpha NEAR/1 beta)", title="alpha beta", text="beta alpha") == ["beta", "alpha"]
    assert found("alpha beta", title="alpha", text="beta") == ["alpha", "beta"]


def test_lead_is_sixty_words_of_the_body() -> None:
    """lead:( ) ends with the sixtieth word of the body, whatever the title holds."""
    words = ["word"] * 59
    assert found("lead:alpha", title="x " * 80, text=" ".join([*words, "alpha"])) == ["alpha"]
    assert found("lead:alpha", text=" ".join([*words, "word", "alpha"])) is None
    assert found("lead:alpha", title="alpha", text="no") is None
    assert found("lead:alpha", text="short alpha") == ["alpha"]
    assert found('lead:"alpha beta"', text=" ".join([*words, "alpha beta"])) is None


def test_and_is_anywhere_and_or_is_any() -> None:
    """AND (silent or not) asks for all, OR for one; the evidence holds what was found of each."""
    assert found("alpha beta", gap(500)) == ["alpha", "beta"]
    assert found("alpha AND beta", "alpha") is None
    assert found("alpha OR beta", "a beta") == ["beta"]
    assert found("(alpha OR beta) (gamma OR delta)", "beta delta alpha") == ["beta", "delta", "alpha"]


@pytest.mark.parametrize("query", ["alpha beta OR gamma", "alpha OR NOT beta", "NOT beta", "alpha NEAR/5 (beta gamma)"])
def test_refused(query: str) -> None:
    """What burnt users elsewhere is refused: AND beside OR, OR NOT, a lone NOT, AND inside NEAR."""
    with pytest.raises(QueryError):
        parse(query, search=True)


@pytest.mark.parametrize(
    ("query", "text", "lang", "letters"),
    [
        ("rocket", "A Rocket's tail", "en", ["Rocket"]),
        ("rocket", "rockets", "en", None),
        ("attack*", "attackers ATTACKED", "en", ["attackers", "ATTACKED"]),
        ('"hedef al*"', "PKK'yı hedef aldılar", "tr", ["hedef aldılar"]),
        ("هجوم*", "وهجومين", "ar", ["هجومين"]),
        ("هجوم*", "بالهجومين", "ar", ["الهجومين"]),
        ("هجوم*", "تهجوم", "ar", None),
        ('"exact words"', "exact-words EXACT\nWORDS", "en", ["exact-words", "EXACT\nWORDS"]),
        ('"exact words"', "exact other words", "en", None),
        ("=PUK", "PUK puk Puk", "en", ["PUK"]),
        ("=PUK", "PUK's PUK'un PUKs", "tr", None),
        ("=Kurdistanê", "li Kurdistane\u0302 û Kurdistane", "ku", ["Kurdistane\u0302"]),
        ("=الخضراء", "المنطقة الخضراء والخضرا", "ar", ["الخضراء"]),
        ("=الخضرا", "المنطقة الخضراء", "ar", None),
        ('="Green Zone"', "the green zone, the Green Zone", "en", ["Green Zone"]),
        ("東京", "in 東京 now", "en", ["東京"]),
        ("東京", "in 大阪 now", "en", None),
        ("москва", "МОСКВА", "en", ["МОСКВА"]),
        ("🙂", "a 🙂", "en", None),
    ],
)
def test_terms(query: str, text: str, lang: str, letters: list[str] | None) -> None:
    """Words take their affixes, a star any ending, an equals sign nothing but these letters in this case."""
    try:
        assert found(query, text, lang=lang) == letters
    except QueryError:
        assert letters is None


def view_of(query: str, stored: Stored | None = None, feeds: tuple[Feed, ...] = (), **more: object) -> bool:
    """Whether a query holds for an article of the feed `wire` with the words alpha beta."""
    matcher, bound = compile_query(parse(query, search=True), query, [], feeds)
    made = article("alpha beta", **more)  # type: ignore[arg-type]
    return ev.evaluate(bound, matcher.views([made], [stored] if stored else None)[0]) is not None


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("alpha source:wire", True),
        ("alpha source:rudaw,wire", True),
        ("alpha source:rudaw", False),
        ("alpha lang:ar,tr", True),
        ("alpha lang:en", False),
        ("alpha country:iq", True),
        ("alpha country:us", False),
        ("alpha tier:1", True),
        ("alpha tier:2", False),
        ("alpha NOT source:wire", False),
        ("alpha NOT lang:en", True),
        ("(alpha lang:en) OR (beta lang:tr)", True),
    ],
)
def test_limits(query: str, holds: bool) -> None:  # noqa: FBT001 - a table's column
    """Limits ask where an article came from, and may stand under NOT and OR."""
    feed = Feed(id="wire", country="iq", tier=1)
    assert view_of(query, feeds=(feed,), lang="tr") is holds


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("watchlist:bases", True),
        ("watchlist:x", False),
        ("rule:attack", True),
        ("level:high", True),
        ("level:flash", False),
        ("story:s1", True),
        ("story:s2", False),
    ],
)
def test_limits_of_search(query: str, holds: bool) -> None:  # noqa: FBT001 - a table's column
    """Search can ask what hit an article, how urgently, and of which story it is."""
    hit = Hit(
        article="a", revision="r1", watchlist="bases", rule="attack", entity=None, rev="w", level="high", evidence=()
    )
    assert view_of(query, Stored(article=article("alpha"), story="s1", hits=(hit,))) is holds


def test_most_pairs_end_quickly() -> None:
    """A text made to explode NEAR is answered all the same, within the pairs that are formed at most."""
    text = "alpha beta " * 3_000
    assert found("(alpha NEAR/900 beta) NEAR/900 alpha", text) is not None


def test_needed_leaf_is_the_cheapest() -> None:
    """A query is looked at only where its cheapest needed leaf occurs; a NOT is never needed."""
    query = "(alpha OR beta) gamma NOT delta"
    matcher, bound = compile_query(parse(query, search=True), query, [])
    number = {leaf.name: n for n, leaf in enumerate(matcher.vocabulary.leaves)}
    assert needed(bound, {number["gamma"]: 9.0}) == frozenset({number["alpha"], number["beta"]})
    assert needed(bound, {}) == frozenset({number["gamma"]})


def test_names_in_queries() -> None:
    """@id, @group, @kind:, @id+ and #words stand for what the files say, and an unknown one is refused with a hint."""
    files = [
        watchlist(
            """\
entities:
  anbar: {kind: place, name: Anbar}
  asad: {kind: base, name: Asadbase, groups: [hosts], part_of: anbar}
  room: {kind: facility, name: Opsroom, located_in: asad}
words:
  attack: {en: [attack*], ar: [هجوم]}
"""
        )
    ]
    text = "Anbar Asadbase Opsroom attacked"
    assert found("@asad", text, files=files) == ["Asadbase"]
    assert found("@hosts", text, files=files) == ["Asadbase"]
    assert found("@kind:facility", text, files=files) == ["Opsroom"]
    assert found("@anbar+", text, files=files) == ["Anbar", "Asadbase", "Opsroom"]
    assert found("@hosts+", text, files=files) == ["Asadbase", "Opsroom"]
    assert found("#attack", text, files=files) == ["attacked"]
    for query, hint in (("@anbr", "@anbar"), ("#atack", "#attack"), ("@kind:base-x", "no kind")):
        with pytest.raises(QueryError, match=hint):
            found(query, text, files=files)


atoms = st.sampled_from(WORDS)
chains = st.one_of(
    atoms,
    st.tuples(atoms, st.sampled_from(["NEAR/2", "PRE/4", "NOT NEAR/3", "NEAR/s"]), atoms).map(" ".join),
    st.tuples(st.integers(1, 3), atoms).map(lambda t: f"ATLEAST/{t[0]}({t[1]})"),
    st.tuples(st.sampled_from(["title", "lead", "body"]), atoms).map(lambda t: f"{t[0]}:{t[1]}"),
)
bodies = st.lists(st.sampled_from([*WORDS, "word", "so.", "and\n"]), max_size=14).map(" ".join)


@FIXED
@given(chains, chains, bodies, bodies)
def test_added_branch_loses_nothing(query: str, branch: str, title: str, body: str) -> None:
    """What a query finds, it finds with an OR branch added, and marks no less."""
    alone = marks(query, body, title)
    both = marks(f"({query}) OR ({branch})", body, title)
    if alone is not None:
        assert both is not None
        assert set(alone) <= set(both)


@FIXED
@given(chains, chains, bodies, bodies)
def test_not_is_the_opposite(query: str, veto: str, title: str, body: str) -> None:
    """Of Q AND V and Q NOT V exactly one holds where Q holds, none elsewhere."""
    answers = [found(q, body, title) is not None for q in (query, f"({query}) AND ({veto})", f"({query}) NOT ({veto})")]
    assert answers[0] == (answers[1] != answers[2])
    assert answers[0] or not any(answers)


@FIXED
@given(bodies, st.integers(0, 6))
def test_near_by_counting(body: str, within: int) -> None:
    """NEAR/n agrees with counting words by hand."""
    words = [w.strip(".") for w in body.split()]
    places = {w: [n for n, word in enumerate(words) if word == w] for w in ("alpha", "beta")}
    near = any(abs(a - b) - 1 <= within for a in places["alpha"] for b in places["beta"])
    before = any(0 < b - a <= within + 1 for a in places["alpha"] for b in places["beta"])
    assert (found(f"alpha NEAR/{within} beta", body) is not None) == near
    assert (found(f"alpha PRE/{within} beta", body) is not None) == before


@FIXED
@given(st.lists(chains, min_size=1, max_size=4), bodies)
def test_gates_open_for_every_query_that_is_true(queries: list[str], text: str) -> None:
    """Of many queries asked at once none is left out that holds, wherever its leaves may stand; the order is kept."""
    whole = " OR ".join(f"({query})" for query in queries)
    matcher, bound = compile_query(parse(whole, search=True), whole, [])
    parts = bound.parts if isinstance(bound, ev.Some) and len(queries) > 1 else (bound,)
    (view,) = matcher.views([article(text)])
    gates = Gates(parts, {})
    opened = gates.open(gates.mask(view.places))
    assert opened == sorted(opened)
    assert {n for n, part in enumerate(parts) if ev.evaluate(part, view) is not None} <= set(opened)
    assert [n for n, part in enumerate(parts) if Gates([part], {}).open(Gates([part], {}).mask(view.places))] == opened


def test_gates_stay_closed_where_a_leaf_is_missing() -> None:
    """A query is not looked at where one of its parts cannot hold; what a NOT names closes nothing."""
    query = "(alpha gamma) OR (beta NEAR/3 delta) OR (epsilon NOT alpha)"
    matcher, bound = compile_query(parse(query, search=True), query, [])
    number = {leaf.name: n for n, leaf in enumerate(matcher.vocabulary.leaves)}
    gates = Gates([bound], {})
    opens = {
        letters: bool(gates.open(gates.mask(number[name] for name in letters.split())))
        for letters in ("", "alpha", "alpha beta", "alpha gamma", "beta delta", "alpha epsilon", "gamma delta")
    }
    assert [letters for letters, opened in opens.items() if opened] == ["alpha gamma", "beta delta", "alpha epsilon"]


def test_gates_ask_for_a_large_group_as_for_one_name() -> None:
    """However many names a group has, an article that holds them is the same small number."""
    place = parse("alpha", search=True)
    group, other = ev.Leaves(tuple(range(5_000)), place), ev.Leaves((6_000,), place)
    gates = Gates([ev.All((group, other), place)], {})
    assert gates.mask(range(5_000)).bit_length() <= 2
    assert gates.open(gates.mask([4_999, 6_000])) == [0]
    assert gates.open(gates.mask(range(5_000))) == []
