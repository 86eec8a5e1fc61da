"""YAML as plain text with places."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import _yaml, _yaml_exact
from monitor._yaml import List, Map, Node, Reader, Text, did_you_mean, parse
from monitor._yaml_exact import ExactParser
from monitor.errors import ConfigError, Problem


def plain(node: Node) -> object:
    """The tree as Python values."""
    if isinstance(node, Text):
        return node.value
    if isinstance(node, List):
        return [plain(item) for item in node.items]
    return {key.value: plain(value) for key, value in node.entries}


def refused(source: bytes | str) -> Problem:
    """The one problem of a source that must not be read."""
    with pytest.raises(ConfigError) as caught:
        parse("x.yaml", source)
    (problem,) = caught.value.problems
    return problem


def test_every_scalar_stays_the_text_that_was_written() -> None:
    """`on` is a Turkish word, `no` may be a name, and 0644 is no number."""
    source = "a: [on, no, 1:30, 0644, 1984-09-01, ~, 'x y', \"\\u0661\"]\nb:\n"

    assert plain(parse("x.yaml", source)) == {
        "a": ["on", "no", "1:30", "0644", "1984-09-01", "~", "x y", "\u0661"],
        "b": "",
    }
    assert plain(parse("x.yaml", b"\xef\xbb\xbfa: b")) == {"a": "b"}
    assert plain(parse("x.yaml", "# nothing\n")) == ""


def test_places_count_from_one_and_point_inside_quotes() -> None:
    """Line and column are those an editor shows, counted in letters, not bytes."""
    root = parse("x.yaml", "# c\nنام: [عين, 'x']\r\nk: {a: b}\n")

    assert isinstance(root, Map)
    (first, items), (second, inner) = root.entries
    assert isinstance(items, List)
    assert isinstance(inner, Map)
    assert first == Text("نام", 2, 1)
    assert (items.line, items.column) == (2, 6)
    assert items.items == (Text("عين", 2, 7), Text("x", 2, 13, quoted=True))
    assert second.line == 3
    assert inner.entries[0] == (Text("a", 3, 5), Text("b", 3, 8))


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("a: !!python/name:os.system", 1, 4, "Tags"),
        ("a: !custom x", 1, 4, "Tags"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "%TAG"),
        ("a: &x 1\nb: *x", 1, 4, "Anchors"),
        ("b: *x", 1, 4, "Aliases"),
        ("a: 1\n<<: {b: 1}", 2, 1, "Merge keys"),
        ("a: 1\nb: 2\na: 3", 3, 1, "twice (first in line 1)"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("? [a]\n: b", 1, 3, "plain text"),
        ("[" * 21 + "]" * 21, 1, 21, "deeper than 20"),
        ("[" * 100_000, 1, 21, "deeper than 20"),
        ("a:\n\tb: c", 2, 1, "tab"),
        ("a: b: c", 1, 5, "colon"),
        ("term: @x", 1, 7, "start with `@`"),
        ("a: [b, c\nd: e", 2, 2, "["),
        ("a: b\nc: 'd\n", 2, 4, "never closed"),
        ("a: b\n c: d", 2, 3, "colon"),
        ("a: b\nc", 2, 1, "colon"),
        ("- a\nb: c", 2, 1, "list above"),
        ("a: \u0000", 1, 4, "U+0000"),
        ("a: [x,\ny]", 2, 1, "too far to the left"),
        ('a: "x\ny"', 2, 1, "too far to the left"),
        ("a:\n  - {b: c,\n  d: e}", 3, 3, "too far to the left"),
        ('a: "x\n\ty"', 2, 1, "tab"),
        ("a: [x]#y", 1, 7, "blank is missing"),
        ("a: [x,#y\n  z]", 1, 7, "blank is missing"),
        ("a: 'x'#y", 1, 7, "blank is missing"),
        ("a: |#y\n  x", 1, 5, "blank is missing"),
        ("a: |\n    \n  x", 2, 1, "more blanks than the text"),
        ("a: | x\n  y", 1, 6, "may not follow `|`"),
        ("a: [-]", 1, 5, "lone `-`"),
        ("a: [?x, @]", 1, 5, "may not start with `?`"),
        ("a: [?x,\n  @]", 2, 3, "start with `@`"),
        ("a: [: ]", 1, 5, "value is missing"),
        ("a: [:x, !y z]", 1, 9, "Tags"),
        ("a: [:x]\nb: c: d", 2, 5, "colon"),
        ('a: [:x]\nb: "\\ud800"', 2, 4, "unknown escape"),
        ("a: [:x]\nb: ]", 2, 4, "value is missing"),
        ("a: [x\n  : y]", 2, 3, "not closed"),
        ("a: {x y\n  z w}\nb: {x\n: y}", 4, 1, "too far to the left"),
        ("-\ta: b", 1, 2, "tab"),
        ("a: |\n\t\nb: c", 2, 1, "tab"),
        ("# a\n... b", 2, 1, "value is missing"),
        ("% x\n---\na: b", 1, 1, "starts with `%`"),
        (": x", 1, 1, "key is missing"),
        ("%YAML 1.2#\n---\na: b", 1, 1, "starts with `%`"),
        ("%YAML 2.0\n---\na: b", 1, 1, "starts with `%`"),
        ("a: &* x", 1, 4, "Anchors"),
        ("a: x\n\u2028b", 2, 1, "U+2028"),
        ("x" * 1_000_001, 1, 1, "larger than"),
        ("- a\n" * 100_002, 100_000, 3, "more than 100,000"),
    ],
)
def test_refuses_what_no_person_writes_with_the_place(source: str, line: int, column: int, words: str) -> None:
    """Tags, anchors, doubled keys, depth and damage are one sentence at their place."""
    problem = refused(source)

    assert words in problem.sentence
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a: x#y", "x#y"),
        ("a: ['#b', \"#c\"] # ]#", ["#b", "#c"]),
        ("a: 'b ]# c'", "b ]# c"),
        ("a: b # c ]#", "b"),
        ("a: [\n  b,\n  c\n]", ["b", "c"]),
        ("a: [b,\n\n# note\n  c]", ["b", "c"]),
        ('a: "b\n\n  c"', "b\nc"),
        ("a: |\n\n  b\n    c\n", "\nb\n  c\n"),
        ("a: |\n  # b 'c'#\n", "# b 'c'#\n"),
        ("a: >1\n  b", " b"),
        ("a: |\n  b\n   ", "b\n \n"),
        ("a: -1", "-1"),
        ("%YAML 1.2 # c\n---\na: b", "b"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_looks_like_a_slip_and_is_none_is_read(source: str, value: object, end: str) -> None:
    """Signs inside of texts and comments, long lists and blocks are read as YAML has it, whatever ends the lines."""
    text = source.replace("\n", end)

    assert plain(parse("x.yaml", text)) == {"a": value}
    assert _yaml._tried("x.yaml", text, ExactParser) == parse("x.yaml", text)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a: [:x, ?y, a?b]", [":x", "?y", "a?b"]),
        ("a: {x\n  : y}", {"x": "y"}),
        ("a: {x\n  y: z}", {"x y": "z"}),
        ('a: {"x"\n  :y}', {"x": "y"}),
        ("a: {x:, y: z}", {"x": "", "y": "z"}),
        ("a:\n - b:\tc\n -\td", [{"b": "c"}, "d"]),
        ("a: b\n \tc\n\t\n", "b c"),
        ("\t# b\na: c", "c"),
        ("a: |\n \tb\n c", "\tb\nc"),
        ("a:\t>-\t# b\n \n c\n d\n\n e\n  f\n g\n", "\nc d\ne\n f\ng"),
        ("a:\t|+\n b\n\n", "b\n\n"),
        ("a:\t|2\n   b\n\n", " b\n"),
        ("%FOO b\n---\na: c", "c"),
        ("%YAML 1.3\n---\na: b", "b"),
        ("...\na: b", "b"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_libyaml_cannot_read_is_read_by_the_letter(source: str, value: object, end: str) -> None:
    """Tabs, keys and signs that YAML 1.2 allows are no fault of a file, whatever ends the lines."""
    text = source.replace("\n", end)

    assert plain(parse("x.yaml", text)) == {"a": value}
    assert _yaml._tried("x.yaml", text, ExactParser) == parse("x.yaml", text)


def test_a_text_outside_of_all_may_begin_at_the_left_edge() -> None:
    """Until a line says that the document ends."""
    assert parse("x.yaml", "--- >\na\nb\n\n# c\n...\n") == Text("a b\n# c\n", 1, 5)
    assert parse("x.yaml", "--- |\na\n---b\n") == Text("a\n---b\n", 1, 5)
    assert parse("x.yaml", "# a\n...\n") == Text("", 1, 1)


def test_a_large_file_is_not_read_twice() -> None:
    """The slower reading has an end: by letters and by tokens; the refusal is then that of the faster one."""
    odd = "a: [:x]\n"
    assert plain(parse("x.yaml", odd + "#" * 1000)) == {"a": [":x"]}

    assert refused(odd + "#" * _yaml.MAX_EXACT).column == 5
    assert refused(odd + "b: [" + "c," * _yaml_exact.MAX_TOKENS + "]").column == 5


def test_the_second_place_is_told_when_the_first_was_none() -> None:
    """A tab that may stand where it does is not blamed for a fault further down."""
    problem = refused("a: b\n\t\nc: 'd")

    assert (problem.line, problem.column, problem.sentence[:7]) == (3, 4, "A quote")


def test_text_in_another_encoding_is_named() -> None:
    """A file that is not UTF-8 says so at the first wrong letter."""
    problem = refused("a: b\nç: d".encode("cp1254"))

    assert (problem.line, problem.column, problem.sentence) == (2, 1, "The file is not UTF-8 text.")


def test_the_slower_parser_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C library the same sources are read and refused."""
    monkeypatch.setattr(_yaml, "_Parser", ExactParser)

    assert plain(parse("x.yaml", "a: [on, {b: 'c'}]")) == {"a": ["on", {"b": "c"}]}
    for source in ("a: !x b", "a: &x b", "a: 1\na: 2", "a: b: c", "a: [", "a: 'b", "t: @x", "- a\nb: c", "a:\n\tb: c"):
        assert refused(source).line


def test_a_large_file_is_read_fast() -> None:
    """A quarter of a megabyte of names takes a fraction of a second."""
    source = "".join(f"e{i}:\n  names: [Ain al-Asad {i}, Ayn al-Asad {i}, قاعدة عين الأسد {i}]\n" for i in range(3000))
    begun = time.process_time()

    parse("x.yaml", source)

    assert time.process_time() - begun < 1


def test_reader_collects_all_problems_in_order() -> None:
    """One run shows every problem of a file, top first."""
    root = parse("x.yaml", "colour: red\nsize: 12x\nshape: []\nlevel: hgih\non: maybe\n")
    reader = Reader("x.yaml")
    fields = reader.fields(root, "A thing", ("color", "size", "shape", "level", "on"), ("name",))
    reader.number(fields["size"], "`size`", 1, 1, 9)
    reader.items(fields["shape"], "`shape`")
    reader.choice(fields["level"], "level", ("high", "low"))
    reader.flag(fields["on"], "`on`", default=False)

    with pytest.raises(ConfigError) as caught:
        reader.finish()

    assert [(p.line, p.hint or p.sentence) for p in caught.value.problems] == [
        (1, "Did you mean `color`?"),
        (1, "Add it."),
        (2, "`size` must be a whole number from 1 to 9, not `12x`."),
        (3, "Write an item or delete the key."),
        (4, "Did you mean `high`?"),
        (5, "`on` must be true or false, not `maybe`."),
    ]


def test_suggestions_are_close_or_nothing() -> None:
    """A hint names the closest word and stays silent when none is close."""
    assert did_you_mean("nmaes", ["names", "name"]) == "Did you mean `names`?"
    assert did_you_mean("xyzzy", ["names"]) == ""


def outcome(source: bytes | str) -> Node | Problem:
    """The tree, or the one problem instead of it."""
    try:
        return parse("x.yaml", source)
    except ConfigError as error:
        (problem,) = error.problems
        return problem


@given(st.text(max_size=80) | st.text("ab:[]{}-'\"\n #&*!|>%@,?\t", max_size=60) | st.binary(max_size=40))
def test_any_text_is_a_tree_or_one_problem(source: str | bytes) -> None:
    """Whatever a file holds, the answer is plain data or one problem with a place."""
    found = outcome(source)

    if isinstance(found, Problem):
        assert found.line >= 1
        assert found.column >= 1
        assert found.sentence


def test_every_letter_that_yaml_forbids_is_refused() -> None:
    """Of all code points those are refused that YAML 1.2 (5.1) calls not printable, or that end lines unseen."""

    def may_stand(code: int) -> bool:
        printable = (
            code in {0x9, 0xA, 0xD} or 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
        )
        return (printable and code not in {0x2028, 0x2029, 0xFEFF}) or code > 0xFFFF

    found = {code for code in range(0x110000) if _yaml._UNPRINTABLE.search(chr(code))}
    assert found == {code for code in range(0x110000) if not may_stand(code)}
