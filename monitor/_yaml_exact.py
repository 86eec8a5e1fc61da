"""YAML 1.2 to the letter, for the rare file that libyaml, which knows 1.1, cannot read. Contains no business logic.

    text -> the events of PyYAML's own parser, by the rules of 1.2

Slower than libyaml, and asked only when that refuses. What is changed: tabs part words wherever they are no
indentation; inside of brackets a key may end lines before its colon, a colon may touch the quote before it, and `:x`
and `?x` are texts; after `--- |` a text may begin at the left edge; lines that start with an unknown `%NAME` are passed
over. Numbers in parentheses are sections of YAML 1.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from yaml.error import YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import DirectiveToken, DocumentEndToken, FlowMappingStartToken, ScalarToken

_MAX_BRACKETS = 100
"""Open at once; more are refused here, since each costs time with every word. Readers of events refuse fewer."""

MAX_TOKENS = 30_000
"""Of a file that libyaml refuses: with more of them it stays refused."""

_BLANK = " \t\r\n\0"
_BRACKETS = ",[]{}"
_PLAIN = re.compile(r"(?:[^ \t\r\n\0:]++|:(?![ \t\r\n\0]))++")
_PLAIN_IN_BRACKETS = re.compile(r"(?:[^ \t\r\n\0:,\[\]{}]++|:(?![ \t\r\n\0,\[\]{}]))++")
_LEAD = re.compile(r"( *+)([ \t]*+)(\r\n?|\n|)")
_END = re.compile(r"\r\n?|\n")
_REST = re.compile(r"[^\r\n\0]*+")
_NO_MORE = re.compile(r"[ \t]*+(?:(?<=[ \t])#[^\r\n\0]*+)?(?=[\r\n\0])")
_HEAD = re.compile(r"[|>](?:([-+])([1-9]?)|([1-9])([-+]?))?[ \t]*+(?:(?<=[ \t])#[^\r\n\0]*+)?(?=[\r\n\0])")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t\r\n\0])")
_DIRECTIVE = re.compile(r"%([^ \t\r\n\0]+)[^\r\n\0]*+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class ExactParser(Reader, Scanner, Parser):
    """Events of one text by `get_event`, None after the last; errors are MarkedYAMLError, or YAMLError for too much."""

    def __init__(self, text: str, most: int | None = None) -> None:
        """Start at the head of `text`, which holds no NUL and ends its lines by LF, CR LF or CR; read `most` tokens."""
        self._most = most
        self._keys: list[bool] = []  # for each open bracket whether it is a `{`
        self._closed = -1  # tokens read when the last quote or bracket was closed
        self._settled = -1  # tokens taken when the next one was known to be no key
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def forward(self, length: int = 1) -> None:
        """Go on; a step within a line, which nearly all are, in one piece."""
        part = self.buffer[self.pointer : self.pointer + length]
        if "\n" in part or "\r" in part:
            super().forward(length)
        else:
            self.pointer += length
            self.index += length
            self.column += length

    def need_more_tokens(self) -> bool:
        """Whether the next token is not known yet; asked often, and looked into once for each token."""
        if self.done or self._settled == self.tokens_taken:
            return False
        if not self.tokens:
            return True
        self.stale_possible_simple_keys()
        if any(key.token_number == self.tokens_taken for key in self.possible_simple_keys.values()):
            return True
        self._settled = self.tokens_taken
        return False

    def fetch_more_tokens(self) -> None:
        """Read on, but not for ever."""
        if self._most is not None and self._read() > self._most:
            raise YAMLError("too many tokens")
        super().fetch_more_tokens()

    def check_token(self, *choices: Any) -> bool:
        """Whether the next token is one of these kinds."""
        while self.need_more_tokens():
            self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def parse_implicit_document_start(self) -> Any:
        """Pass over `...` before the first document (9.2)."""
        while self.check_token(DocumentEndToken):
            self.get_token()  # type: ignore[no-untyped-call]
        return super().parse_implicit_document_start()  # type: ignore[no-untyped-call]

    def fetch_document_end(self) -> None:
        """Refuse what stands behind `...` in its line."""
        super().fetch_document_end()
        if not _NO_MORE.match(self.buffer, self.pointer):
            self._refuse("did not find expected <document start>")

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803 - the name of the base class
        """Remember which bracket was opened."""
        if self.flow_level >= _MAX_BRACKETS:
            self._refuse("did not find expected node content")
        super().fetch_flow_collection_start(TokenClass)
        self._keys.append(TokenClass is FlowMappingStartToken)

    def fetch_flow_collection_end(self, TokenClass: Any) -> None:  # noqa: N803
        """Refuse to close what is not open."""
        if not self.flow_level:
            self._refuse("did not find expected node content")
        super().fetch_flow_collection_end(TokenClass)
        self._keys.pop()
        self._closed = self._read()

    def fetch_flow_scalar(self, style: Any) -> None:
        """Remember that a quote was closed last."""
        super().fetch_flow_scalar(style)
        self._closed = self._read()

    def _read(self) -> int:
        return self.tokens_taken + len(self.tokens)

    def stale_possible_simple_keys(self) -> None:
        """Between `{` and `}` a text stays a possible key until the next token, on whatever line that is (7.4.2)."""
        for level, key in list(self.possible_simple_keys.items()):
            if key.line == self.line and self.index - key.index <= 1024:
                continue
            if level and self._keys[level - 1] and self._read() == key.token_number + 1:
                continue
            if key.required:
                raise ScannerError(
                    "while scanning a simple key", key.mark, "could not find expected ':'", self.get_mark()
                )
            del self.possible_simple_keys[level]

    def check_value(self) -> bool:
        """In brackets a colon may touch a quote or bracket before it, or the bracket behind it (7.4.2)."""
        if self.flow_level and self._closed == self._read():
            return True
        return self.peek(1) in _BLANK or (self.flow_level > 0 and self.peek(1) in _BRACKETS)

    def check_key(self) -> bool:
        """A key's `?` is followed by a blank, in brackets too."""
        return self.peek(1) in _BLANK

    def check_plain(self) -> bool:
        """A text may start with `-`, `?` or `:` when a letter follows (7.3.3)."""
        if self.peek() not in "-?:":
            return self.peek() not in _BLANK + _BRACKETS + "#&*!|>'\"%@`"
        return self.peek(1) not in _BLANK and not (self.flow_level and self.peek(1) in _BRACKETS)

    def scan_to_next_token(self) -> None:
        """Pass over blanks, comments and ends of lines; behind a tab that indents no key or item may start (6.1)."""
        while True:
            lead = _LEAD.match(self.buffer, self.pointer)
            assert lead
            first = self.column == 0
            self.forward(len(lead[1]))
            tab = self.get_mark() if lead[2] else None
            self.forward(len(lead[2]))
            if self.peek() == "#":
                self._pass(_REST)
            if self._pass(_END):
                self.allow_simple_key = self.allow_simple_key or not self.flow_level
                continue
            if tab and not self.flow_level and self.peek() != "\0":
                self.allow_simple_key = False
                if first and len(lead[1]) <= self.indent:
                    raise ScannerError(None, None, "found a tab character", tab)
            return

    def scan_plain(self) -> ScalarToken:
        """Read a text without quotes."""
        start = end = self.get_mark()
        word = _PLAIN_IN_BRACKETS if self.flow_level else _PLAIN
        parts: list[str] = []
        between: list[str] = []
        while found := self._pass(word):
            self.allow_simple_key = False
            parts += [*between, found]
            end = self.get_mark()
            between = self.scan_plain_spaces(self.indent + 1, start)
            if not between or self.peek() == "#":
                break
        return ScalarToken("".join(parts), plain=True, start_mark=start, end_mark=end)

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> list[str]:  # noqa: ARG002 - as the base class has it
        """Blanks and ends of lines inside of such a text, folded (6.5); empty where the text ends."""
        lead = _LEAD.match(self.buffer, self.pointer)
        assert lead
        blanks = lead[1] + lead[2]
        self.forward(len(blanks))
        if not self._pass(_END):
            return [blanks] if blanks else []
        self.allow_simple_key = self.allow_simple_key or not self.flow_level
        empty = 0
        while not _MARKER.match(self.buffer, self.pointer):
            lead = _LEAD.match(self.buffer, self.pointer)
            assert lead
            if len(lead[1]) < indent and not self.flow_level and (lead[2] or not lead[3]):
                break
            self.forward(lead.end(2) - self.pointer)
            if not self._pass(_END):
                return ["\n" * empty or " "]
            empty += 1
        return []

    def scan_flow_scalar(self, style: Any) -> ScalarToken:
        """Refuse halves of letters, which no file can hold."""
        token = super().scan_flow_scalar(style)
        if _SURROGATE.search(token.value):
            raise ScannerError(
                "while scanning a quoted scalar", token.start_mark, "found invalid Unicode character", token.start_mark
            )
        return token

    def scan_block_scalar(self, style: Any) -> ScalarToken:
        """Read the lines after `|` or `>` (8.1); outside of all they may begin at the left edge."""
        start = self.get_mark()
        head = _HEAD.match(self.buffer, self.pointer)
        if not head:
            raise ScannerError("while scanning a block scalar", start, "found text in its line", start)
        self.forward(head.end() - self.pointer)
        self._pass(_END)
        digit, chomp = head[2] or head[3], head[1] or head[4]
        depth = max(self.indent, 0) + int(digit) if digit else self._depth()
        lines, ended = self._lines(depth)
        empty = 0
        while lines and not lines[-1]:
            lines.pop()
            empty += 1
        text = _folded(lines) if style == ">" else "\n".join(lines)
        if chomp != "-" and lines and (ended or empty):
            text += "\n"
        if chomp == "+":
            text += "\n" * empty
        return ScalarToken(text, plain=False, start_mark=start, end_mark=self.get_mark(), style=style)

    def _depth(self) -> int:
        """Blanks before the first line that has more than blanks; where no text follows, of the widest line."""
        place, least, widest = self.pointer, max(self.indent + 1, 0), 0
        while True:
            lead = _LEAD.match(self.buffer, place)
            assert lead
            if lead[2] or not lead[3]:
                break
            widest = max(widest, len(lead[1]))
            place = lead.end()
        outside = len(lead[1]) < least or _MARKER.match(self.buffer, place) or self.buffer[lead.end(2)] == "\0"
        return max(least, widest) if outside else len(lead[1])

    def _lines(self, depth: int) -> tuple[list[str], bool]:
        """Lines that stand at `depth` or deeper, and empty ones; whether the last one ends before the file does."""
        lines: list[str] = []
        ended = True
        while self.peek() != "\0" and not _MARKER.match(self.buffer, self.pointer):
            found = _REST.match(self.buffer, self.pointer)
            line = found[0] if found else ""
            text = line.lstrip(" ")
            if text and len(line) - len(text) < depth:
                if text[0] == "\t":
                    self.forward(len(line) - len(text))
                    self._refuse("found a tab character")
                break
            lines.append(line[depth:])
            self.forward(len(line))
            ended = bool(self._pass(_END))
        return lines, ended

    def scan_directive(self) -> DirectiveToken:
        """Pass over a line that starts with `%`; what it says of versions its reader has to look at (6.8)."""
        found = _DIRECTIVE.match(self.buffer, self.pointer)
        if not found or found[1] == "TAG":
            return super().scan_directive()
        start = self.get_mark()
        self._pass(_REST)
        end = self.get_mark()
        self._pass(_END)
        return DirectiveToken(found[1], (1, 2) if found[1] == "YAML" else None, start, end)

    def _pass(self, what: re.Pattern[str]) -> str:
        """Go over what stands here, and return it."""
        found = what.match(self.buffer, self.pointer)
        if not found:
            return ""
        self.forward(len(found[0]))
        return found[0]

    def _refuse(self, problem: str) -> NoReturn:
        raise ScannerError(None, None, problem, self.get_mark())


def _folded(lines: Iterable[str]) -> str:
    """Lines of a `>` text: ends between two that start with letters become blanks, or are as many as empty lines."""
    parts: list[str] = []
    empty, before = 0, ""
    for line in lines:
        if not line:
            empty += 1
            continue
        whole = not before or before[0] in " \t" or line[0] in " \t"
        parts += ["\n" * (empty + bool(before)) if whole else "\n" * empty or " ", line]
        empty, before = 0, line
    return "".join(parts)
