"""YAML as plain text with places: every scalar stays the string that was written. Contains no business logic.

    bytes or text -> parser events -> Text | List | Map, each with line and column (from 1) -> values, by Reader

Refused, with the place: tags, anchors, aliases, merge keys, doubled keys, keys that are not plain text, many documents,
and anything deeper, longer or larger than a person writes. Refused too is what libyaml lets pass though YAML 1.2
forbids it: text that leaves its brackets or quotes to the left, `#` glued to what stands before it, a lone `-`. What
libyaml refuses is read a second time by the letter of 1.2 (`_yaml_exact`) before it is called wrong.
Plain YAML loading reads `[on, no, 1:30, 0644]` as `[True, False, 90, 420]`, and `on` is a Turkish word; hence events
of the C parser: 0.02 s for 262 kB, not 0.41 s.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from monitor._yaml_exact import MAX_TOKENS, ExactParser
from monitor._yaml_told import told
from monitor.errors import ConfigError, Problem

try:
    from yaml.cyaml import CBaseLoader as _Parser
except ImportError:  # PyYAML was built without libyaml: slower, same events
    from monitor._yaml_exact import ExactParser as _Parser  # type: ignore[assignment]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000
MAX_EXACT = 120_000
"""Letters of a file that is read a second time when libyaml refuses it; a larger one stays refused."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What YAML forbids, and the line ends (NEL, LS, PS) that editors do not count: line numbers would be wrong.

Not said as what is allowed: a class of nearly all letters takes long to compile, at every start.
"""


class Text(NamedTuple):
    """A scalar. `column` is the first character of the value itself, inside the quotes if there are any."""

    value: str
    line: int
    column: int
    quoted: bool = False


class List(NamedTuple):
    """A sequence."""

    items: tuple[Node, ...]
    line: int
    column: int


class Map(NamedTuple):
    """A mapping in the order of the file; keys are unique."""

    entries: tuple[tuple[Text, Node], ...]
    line: int
    column: int


Node = Text | List | Map
_new: Any = tuple.__new__
"""Makes a Text without the call that a named tuple puts in front: nearly all nodes are texts."""


def parse(name: str, source: bytes | str) -> Node:
    """Read one document. `name` stands in messages. Raises ConfigError with one Problem that has a place."""
    text = _decoded(name, source)
    found = _tried(name, text, _Parser)
    if not isinstance(found, Problem):
        return found
    if len(text) > MAX_EXACT:
        raise ConfigError(found)
    exact = _tried(name, text, partial(ExactParser, most=MAX_TOKENS))
    if not isinstance(exact, Problem):
        return exact
    # where it came further, what stopped libyaml was no fault of the file
    raise ConfigError(exact if exact.line > found.line else found)


def _tried(name: str, text: str, parser: Callable[[str], Any]) -> Node | Problem:
    """The document, or what this parser cannot read; raises ConfigError for what no parser may let pass."""
    try:
        return _document(name, _events(parser, text), text)
    except yaml.MarkedYAMLError as error:
        return told(name, error, text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return Problem(name, 1, 1, f"This is not YAML ({type(error).__name__}).", "Check the file.")


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return "Did you mean `x`?" for the closest option, or an empty string when none is close."""
    close = difflib.get_close_matches(word[:80].lower(), list(options), n=1, cutoff=0.6)
    return f"Did you mean `{close[0]}`?" if close else ""


def _decoded(name: str, source: bytes | str) -> str:
    """Source as text without byte order mark; raises ConfigError for what no editor would save."""
    if len(source) > MAX_BYTES:
        _refuse(name, 1, 1, f"The file is larger than {MAX_BYTES:,} bytes.", "Split it into several files.")
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = bytes(source[: error.start]).decode("utf-8-sig", "replace") if isinstance(source, bytes) else ""
        line, column = _place(before, len(before))
        _refuse(name, line, column, "The file is not UTF-8 text.", "Save it as UTF-8 in your editor.")
    found = _UNPRINTABLE.search(text)
    if found:
        line, column = _place(text, found.start())
        sentence = f"An invisible character (U+{ord(found[0]):04X}) stands here."
        _refuse(name, line, column, sentence, "Delete it and type the place again.")
    return text


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _refuse(name: str, line: int, column: int, sentence: str, hint: str = "") -> NoReturn:
    raise ConfigError(Problem(name, line, column, sentence, hint))


def _events(begin: Callable[[str], Any], text: str) -> Iterator[Any]:
    parser = begin(f"{text}\n" if text.endswith(" ") else text)  # a last line of blanks is a line, too
    return iter(parser.get_event, None)


def _document(name: str, events: Iterator[Any], text: str) -> Node:
    """The only document of the stream; an empty file is an empty Text at 1:1."""
    root: Node | None = None
    builder = _Builder(name, events, text)
    for event in events:
        kind = type(event)
        if kind is DocumentStartEvent:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            if event.tags:
                _refuse(name, line, column, "A %TAG line is not allowed.", "Delete it: values are plain text.")
            if root is not None:
                _refuse(
                    name, line, column, "A second document starts here.", "Delete the line `---` or make two files."
                )
            if event.version:
                builder.refuse_version(line)
            root = builder.node(next(events), 1, ROOT)
    builder.refuse_glued()
    return Text("", 1, 1) if root is None else root


ROOT, FLOW = -1, -2
"""Instead of the column of the block around a node: there is none; it stands inside of brackets."""

_GLUED = re.compile(r"""(?<=[\]},"'])#""")
_COMMENT = re.compile(r"(?:^|[ \t])#", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*")
_VERSION = re.compile(r"%YAML(?:[ \t]+1\.[0-9]+)+[ \t]*(?:[ \t]#.*)?")
_HEAD = re.compile(r"[|>]([-+0-9]*)(#?)")


class _Builder:
    """Turns events into nodes and counts them."""

    def __init__(self, name: str, events: Iterator[Any], text: str) -> None:
        self.name = name
        self.events = events
        self.text = text
        self.nodes = 0
        self.end = 0  # line, from 0, of the last closing bracket
        self.glued = [found.start() for found in _GLUED.finditer(text)]
        self.spans: list[tuple[int, int]] = []  # of scalars, in order; noted when a `#` may be glued to one
        self._lines: list[str] = []

    @property
    def lines(self) -> list[str]:
        """The lines of the file, taken apart when they are first needed."""
        if not self._lines:
            self._lines = self.text.splitlines()
        return self._lines

    def node(self, event: Any, depth: int, block: int) -> Node:
        """Return the node that starts with `event`; `block` is the column, from 0, of the block that it stands in."""
        self.nodes += 1
        kind: Any = type(event)
        if kind is AliasEvent or event.tag is not None or event.anchor is not None:
            self._refuse_decoration(event)
        if kind is ScalarEvent:
            mark, value = event.start_mark, event.value
            if event.style or self.glued or value == "-":
                return self._odd_scalar(event, block)
            text: Text = _new(Text, (value, mark.line + 1, mark.column + 1, False))
            return text
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if depth > MAX_DEPTH:
            _refuse(self.name, line, column, f"Brackets or lists are nested deeper than {MAX_DEPTH}.", "Close some.")
        inside = FLOW if event.flow_style else mark.column
        node: Node
        if kind is SequenceStartEvent:
            node = List(self._items(depth, inside), line, column)
        else:
            node = Map(self._entries(depth, inside), line, column)
        if inside == FLOW and block >= 0 and self.end >= line:
            self._refuse_outside(line, self.end, block)
        return node

    def _odd_scalar(self, event: Any, block: int) -> Text:
        """A text in quotes, after `|` or `>`, or in a file with a `#` that may be glued."""
        mark, style = event.start_mark, event.style
        line, column = mark.line + 1, mark.column + 1
        if self.glued:
            self.spans.append((mark.index, event.end_mark.index))
        if not style:
            if event.value == "-":
                _refuse(self.name, line, column, "A lone `-` stands where a text is expected.", "Put it in quotes.")
            return Text(event.value, line, column)
        if style in "|>":
            self._refuse_ragged(line, column, block)
            return Text(event.value, line, column)
        if block >= 0 and event.end_mark.line >= line:
            self._refuse_outside(line, event.end_mark.line, block)
        return Text(event.value, line, column + 1, quoted=True)

    def _items(self, depth: int, inside: int) -> tuple[Node, ...]:
        items = []
        for event in self.events:
            kind = type(event)
            if kind is SequenceEndEvent:
                self.end = event.end_mark.line
                break
            items.append(self.node(event, depth + 1, inside))
            if self.nodes > MAX_NODES:
                self._refuse_more(items[-1])
        return tuple(items)

    def _entries(self, depth: int, inside: int) -> tuple[tuple[Text, Node], ...]:
        entries: dict[str, tuple[Text, Node]] = {}
        for event in self.events:
            kind = type(event)
            if kind is MappingEndEvent:
                self.end = event.end_mark.line
                break
            key = self.node(event, depth + 1, inside)
            if not isinstance(key, Text):
                _refuse(self.name, key.line, key.column, "A key must be plain text.", "Put the text in quotes.")
            if key.value == "<<" and not key.quoted:
                _refuse(self.name, key.line, key.column, "Merge keys (`<<`) are not allowed.", "Write the keys out.")
            if inside == FLOW and key.value and self.text[event.start_mark.index - 1] == "?":
                raise yaml.MarkedYAMLError(None, None, "found a question mark", event.start_mark)  # a text to YAML 1.2
            first = entries.get(key.value)
            if first:
                sentence = f"The key `{key.value[:60]}` stands here twice (first in line {first[0].line})."
                _refuse(self.name, key.line, key.column, sentence, "Join the two or rename one.")
            entries[key.value] = (key, self.node(next(self.events), depth + 1, inside))
            if self.nodes > MAX_NODES:
                self._refuse_more(key)
        return tuple(entries.values())

    def _refuse_more(self, node: Node) -> NoReturn:
        _refuse(self.name, node.line, node.column, f"The file has more than {MAX_NODES:,} values.", "Split it up.")

    def _refuse_outside(self, first: int, last: int, block: int) -> None:
        """Lines of brackets or quotes must stand deeper than the block around them (YAML 1.2, 6.1 and 7.4).

        A line of closing brackets alone may stand at the left: that is how many people write a long list.
        """
        for number in range(first, min(last + 1, len(self.lines))):
            line = self.lines[number]
            rest = line.lstrip(" ")
            if len(line) - len(rest) > block or not rest.strip() or rest[0] == "#" or not rest.strip("]}, "):
                continue
            column = len(line) - len(rest) + 1
            if rest[0] == "\t":
                _refuse(self.name, number + 1, column, "A tab stands in the indentation.", "Use spaces.")
            hint = f"Indent it by {block + 1} or more, or close what the lines above opened."
            _refuse(self.name, number + 1, column, "This line stands too far to the left.", hint)

    def _refuse_ragged(self, line: int, column: int, block: int) -> None:
        """Refuse a text after `|` or `>` whose head has a glued `#`, or whose first lines are blank and deeper."""
        head = _HEAD.search(self.lines[line - 1], column - 1)
        if head and head[2]:
            _refuse(self.name, line, head.start(2) + 1, "A blank is missing before `#`.", "Type one.")
        if head is None or any(sign.isdigit() for sign in head[1]):
            return
        deepest, place = 0, line
        for number in range(line, len(self.lines)):
            text = self.lines[number]
            depth = len(text) - len(text.lstrip(" "))
            if block < depth < min(deepest, len(text)):
                sentence = "This line has more blanks than the text below it."
                _refuse(self.name, place, 1, sentence, "Delete the blanks in it.")
            if depth < len(text):
                return
            if depth > deepest:
                deepest, place = depth, number + 1

    def refuse_version(self, before: int) -> None:
        """Refuse a %YAML line above line `before` that has more in it than versions; those of 1.x are read as 1.2."""
        for number, line in enumerate(self.lines[:before], start=1):
            if line.startswith("%YAML") and line[5:6] in " \t" and not _VERSION.fullmatch(line):
                _refuse(self.name, number, 1, "A line that starts with `%` is not allowed.", "Delete it.")

    def refuse_glued(self) -> None:
        """Refuse the first `#` after a bracket, comma or quote that neither a text nor a comment holds."""
        told = 0
        for place in self.glued:
            at = bisect_right(self.spans, (place, len(self.text))) - 1
            end = self.spans[at][1] if at >= 0 else 0
            begun = max(end, told)
            if place < begun:
                continue
            begun = max(begun, *(self.text.rfind(sign, begun, place) + 1 for sign in "\n\r"))
            if not _COMMENT.search(self.text, begun, place):
                line, column = _place(self.text, place)
                _refuse(self.name, line, column, "A blank is missing before `#`.", "Type one, or use quotes.")
            rest = _LINE.match(self.text, place)  # all of it belongs to that comment
            told = rest.end() if rest else place

    def _refuse_decoration(self, event: Any) -> NoReturn:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if type(event) is AliasEvent:
            _refuse(
                self.name, line, column, f"Aliases (`*{event.anchor}`) are not allowed."[:99], "Write it in quotes."
            )
        if event.tag is not None:
            _refuse(self.name, line, column, "Tags (`!...`) are not allowed.", "Values are plain text; use quotes.")
        _refuse(self.name, line, column, f"Anchors (`&{event.anchor[:60]}`) are not allowed.", "Write it in quotes.")


class Reader:
    """Takes values out of nodes and collects every problem on the way, so that one run shows all of them."""

    def __init__(self, name: str) -> None:
        """Start with no problem for file `name`."""
        self.name = name
        self.problems: list[Problem] = []

    def complain(self, node: Node, sentence: str, hint: str = "") -> None:
        """Remember a problem at the place of `node`."""
        self.problems.append(Problem(self.name, node.line, node.column, sentence, hint))

    def finish(self) -> None:
        """Raise ConfigError with all problems, in the order of the file, if there are any."""
        if self.problems:
            raise ConfigError(*sorted(self.problems, key=lambda p: (p.line, p.column)))

    def fields(
        self, node: Node, what: str, allowed: Collection[str], required: Collection[str] = (), *, empty: bool = False
    ) -> dict[str, Node]:
        """Return the keys of a mapping; unknown, missing and (but for `empty`) empty ones are problems, left out."""
        if not isinstance(node, Map):
            self.complain(node, f"{what} must be written as `key: value` lines.", f"It has {_listed(allowed)}.")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.entries:
            if key.value not in allowed:
                hint = did_you_mean(key.value, allowed) or f"{what} has {_listed(allowed)}."
                self.complain(key, f"Unknown key `{key.value[:60]}`.", hint)
            elif isinstance(value, Text) and not value.value.strip():
                if not empty:
                    self.complain(key, f"`{key.value}` is empty.", "Write a value or delete the key.")
            else:
                found[key.value] = value
        for name in required:
            if name not in found and not any(key.value == name for key, _ in node.entries):
                self.complain(node, f"{what} lacks the key `{name}`.", "Add it.")
        return found

    def mapping(self, node: Node, what: str) -> tuple[tuple[Text, Node], ...]:
        """Return the entries of a mapping with free keys; an empty one is a problem."""
        if not isinstance(node, Map):
            self.complain(node, f"{what} must be written as `key: value` lines.")
            return ()
        if not node.entries:
            self.complain(node, f"{what} is empty.", "Write an entry or delete the key.")
        return node.entries

    def text(self, node: Node | None, what: str, default: str = "") -> str:
        """Return one text without blanks around it; `default` where it is missing or a problem."""
        if node is None:
            return default
        if not isinstance(node, Text):
            found = "a list" if isinstance(node, List) else "keys"
            self.complain(node, f"{what} must be one text, not {found}.", "Write the text alone, in quotes if needed.")
            return default
        return node.value.strip()

    def items(self, node: Node | None, what: str, *, empty: bool = False) -> tuple[Node, ...]:
        """Return the items of a list; a problem when it is no list, or an empty one and `empty` is False."""
        if node is None:
            return ()
        if not isinstance(node, List):
            self.complain(node, f"{what} must be a list.", "Write [a, b] or one `- item` a line.")
            return ()
        if not node.items and not empty:
            self.complain(node, f"{what} is an empty list.", "Write an item or delete the key.")
        return node.items

    def texts(self, node: Node | None, what: str, *, single: bool = False, empty: bool = False) -> tuple[Text, ...]:
        """Return a list of texts without doubles; with `single` one text alone will do."""
        if single and isinstance(node, Text):
            return (node._replace(value=node.value.strip()),)
        good: dict[str, Text] = {}
        for item in self.items(node, what, empty=empty):
            value = self.text(item, f"An item of {what}")
            if not isinstance(item, Text):
                continue
            if not value:
                self.complain(item, f"An item of {what} is empty.", "Write a value or delete it.")
            elif value in good:
                self.complain(item, f"`{value[:60]}` stands twice in {what}.", "Delete one.")
            else:
                good[value] = item._replace(value=value)
        return tuple(good.values())

    def choice(self, node: Node | None, what: str, options: Collection[str], default: str = "") -> str:
        """Return one of `options`; anything else is a problem with a suggestion."""
        value = self.text(node, what)
        if node is None or not value or value in options:
            return value or default
        hint = did_you_mean(value, options) or f"It is one of {_listed(options)}."
        self.complain(node, f"`{value[:60]}` is no {what}.", hint)
        return default

    def number(self, node: Node | None, what: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.text(node, what)
        if node is None or not value:
            return default
        if re.fullmatch(r"[0-9]{1,12}", value) and low <= int(value) <= high:
            return int(value)
        self.complain(node, f"{what} must be a whole number from {low} to {high}, not `{value[:60]}`.")
        return default

    def flag(self, node: Node | None, what: str, *, default: bool) -> bool:
        """Return true or false; yes, no, on and off will do."""
        value = self.text(node, what).lower()
        if node is None or not value:
            return default
        if value in {"true", "yes", "on", "false", "no", "off"}:
            return value in {"true", "yes", "on"}
        self.complain(node, f"{what} must be true or false, not `{value[:60]}`.")
        return default


def _listed(words: Collection[str]) -> str:
    """Words in backticks, joined by commas."""
    return ", ".join(f"`{word}`" for word in words)
