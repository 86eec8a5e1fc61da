"""What parsers of YAML say, in sentences that a desk officer can act on. Contains no business logic."""

from __future__ import annotations

import re

import yaml

from monitor.errors import Problem

_CLOSE_KEYS = "Check commas, quotes and the `}`; a key and its colon stand on one line."
_SAID: tuple[tuple[str, str, str], ...] = (
    ("found unexpected end of stream", "A quote is opened here and never closed.", "Add the closing quote."),
    ("found unexpected document", "A quote is opened here and never closed.", "Add the closing quote."),
    ("mapping values are not allowed", "A colon stands where none may be.", "Put the text around it in quotes."),
    ("expected ',' or ']'", "A list opened with `[` is not closed.", "Check commas, quotes and the `]`."),
    ("expected ',' or '}'", "Keys opened with `{` are not closed.", _CLOSE_KEYS),
    ("mapping keys are not allowed", "A `?` stands where no key may be.", "Put the text in quotes."),
    ("node content", "A value is missing here.", "Write it, or put a text with signs in quotes."),
    ("found unexpected ':'", "A colon stands where none may be.", "Put the text around it in quotes."),
    ("found incompatible YAML document", "The %YAML line names an unknown version.", "Delete the line."),
    ("found duplicate", "A line that starts with `%` stands here twice.", "Delete both."),
    ("could not find expected ':'", "A key stands here without its colon.", "Write `key: value`."),
    ("found a question mark", "A text may not start with `?` here.", "Put it in quotes."),
    ("did not find expected key", "This line does not fit what stands above it.", "Check indentation and quotes."),
    ("did not find expected '-'", "This line does not fit the list above it.", "Check indentation and the `-`."),
    ("expected <block end>", "This line does not fit what stands above it.", "Check indentation and quotes."),
    ("sequence entries are not", "A list item (`-`) stands where none may be.", "Start it on a line of its own."),
    ("did not find expected <document start>", "Text follows the end of the document.", "Indent or delete it."),
    ("expected '<document start>'", "Text follows the end of the document.", "Indent or delete it."),
    ("found unknown escape character", "An unknown escape (`\\x`) stands in double quotes.", "Use single quotes."),
    ("did not find expected hexdecimal", "An unknown escape (`\\x`) stands in double quotes.", "Use single quotes."),
    ("found invalid Unicode character", "An unknown escape (`\\u`) stands in double quotes.", "Type the letter."),
    ("found a tab character", "A tab stands in the indentation.", "Use spaces."),
    ("undefined tag handle", "Tags (`!...`) are not allowed.", "Values are plain text; use quotes."),
    ("undefined alias", "Aliases (`*...`) are not allowed.", "Write it in quotes."),
)
"""What they say, in part -> a sentence and what to do."""

_DOING: tuple[tuple[str, str, str], ...] = (
    ("directive", "A line that starts with `%` is not allowed.", "Delete it."),
    ("scanning a block scalar", "Text may not follow `|` or `>` in its line.", "Begin it on the next line."),
    ("anchor", "Anchors (`&...`) are not allowed.", "Write it in quotes."),
    ("alias", "Aliases (`*...`) are not allowed.", "Write it in quotes."),
    ("a tag", "Tags (`!...`) are not allowed.", "Values are plain text; use quotes."),
)
"""What they were reading when they said what no entry above explains."""


def told(name: str, error: yaml.MarkedYAMLError, text: str) -> Problem:
    """The parser's error over `text` as one sentence at its place; `name` stands in the message."""
    problem = str(error.problem or "")
    context = str(error.context or "")
    begun = re.search("simple key|anchor|alias", context) or ("quoted scalar" in context and "unexpected" in problem)
    mark = error.context_mark if begun else error.problem_mark
    mark = mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if "cannot start any token" in problem:
        lines = text.splitlines()
        letter = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
        if letter == "\t":
            return Problem(name, line, column, "A tab stands in the indentation.", "Use spaces.")
        return Problem(name, line, column, f"A value may not start with `{letter}`.", "Put it in quotes.")
    if "directive" in context:
        column = 1
    if "question mark" in problem:
        column -= 1  # what the parser names is the text behind it
    if mark and "did not find expected key" in problem and text[mark.index : mark.index + 1] == ":":
        return Problem(name, line, column, "A key is missing before this colon.", "Write `key: value`.")
    for words, sayings in ((problem, _SAID), (context, _DOING)):
        for said, sentence, hint in sayings:
            if said in words:
                return Problem(name, line, column, sentence, hint)
    return Problem(name, line, column, f"This is not valid YAML: {problem}.", "Check indentation, colons and quotes.")
