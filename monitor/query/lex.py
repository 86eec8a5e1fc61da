"""Query text -> tokens. Only capitals are operators; every token knows its place in the text as typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from monitor._yaml import did_you_mean
from monitor.errors import QueryError
from monitor.model import LANGUAGES, LEVELS
from monitor.query.ast import EntityRef, Limit, LimitName, Term, WordsRef
from monitor.text import words

MAX_LENGTH = 4_000
MAX_DISTANCE = 1_000
MAX_COUNT = 100
STEM = 3
"""Letters before a star: a shorter stem would find half the dictionary."""

FIELDS = ("title", "lead", "body")
ANYWHERE = ("source", "lang", "country", "tier")
SEARCH_ONLY = ("since", "until", "watchlist", "rule", "level", "story")

Sign = Literal["(", ")", "AND", "OR", "NOT", "NEAR", "PRE", "ATLEAST", "field"]
Atom = Term | EntityRef | WordsRef | Limit

_MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
"""Marks that turn the direction of text: left out, for they can make a query look like another one."""
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_RUN = re.compile(r'[^\s\x00-\x1f\x7f-\x9f()"“”„«»]+')
_OPEN = '"“”„«'
_CLOSE = {'"': '"', "“": '"“”', "”": '"“”', "„": '"“”', "«": "»"}
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_STEP = re.compile(r"(NEAR|PRE|ATLEAST)/([0-9]{1,6}|s|p)")
_SMALL_STEP = re.compile(r"(?:near|pre|atleast)/[0-9sp]+", re.IGNORECASE)
_PREFIX = re.compile(r"[^:@#=]*:")
_AGO = re.compile(r"[1-9][0-9]{0,3}[hdw]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EDGE = ".,;!?،؛؟…"
_HABITS = {"&&": "AND", "&": "AND", "||": "OR", "|": "OR", "!": "NOT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An operator, a bracket, a field name or a finished atom."""

    start: int
    end: int
    sign: Sign | None = None
    """None for an atom."""
    value: str = ""
    """The field's name, or what stands after the slash."""
    atom: Atom | None = None


def tokens(text: str, *, search: bool) -> list[Token]:
    """Return the tokens of a query; `search` allows the limits that only searching has. Raises QueryError."""
    if len(text) > MAX_LENGTH:
        sentence = f"The query is longer than {MAX_LENGTH:,} characters. Put lists of words into a watchlist: #name."
        raise QueryError(sentence, text, MAX_LENGTH, MAX_LENGTH + 1)
    return list(_Lexer(text, search=search).tokens())


def notice(text: str) -> str:
    """Return a sentence when the query holds direction marks that are left out; else an empty string."""
    found = sum(letter in _MARKS for letter in text)
    return f"{found} invisible direction mark{'s' * (found > 1)} in the query left out." if found else ""


class _Lexer:
    """Walks over the text once. `at` maps places of the cleaned text to places of the text as typed."""

    def __init__(self, text: str, *, search: bool) -> None:
        self.typed = text
        self.search = search
        self.text = "".join(letter for letter in text if letter not in _MARKS)
        self.at = [place for place, letter in enumerate(text) if letter not in _MARKS]
        self.place = 0

    def tokens(self) -> Iterator[Token]:
        text = self.text
        while self.place < len(text):
            blank = _BLANK.match(text, self.place)
            if blank:
                self.place = blank.end()
                continue
            letter = text[self.place]
            if letter in "()":
                self.place += 1
                yield self._token(self.place - 1, sign="(" if letter == "(" else ")")
            elif letter in _OPEN:
                yield self._phrase(self.place, exact=False)
            else:
                yield self._run(letter)

    def _token(self, start: int, *, sign: Sign | None = None, value: str = "", atom: Atom | None = None) -> Token:
        return Token(start=self.at[start], end=self._end(), sign=sign, value=value, atom=atom)

    def _end(self) -> int:
        """End of what was read, as typed."""
        return self.at[self.place - 1] + 1

    def _error(self, sentence: str, start: int, end: int | None = None) -> QueryError:
        """The error under what was read from `start` on, or to `end`."""
        stop = max(start + 1, self.place if end is None else end)
        return QueryError(sentence, self.typed, self.at[start], self.at[min(stop, len(self.text)) - 1] + 1)

    def _phrase(self, start: int, *, exact: bool) -> Token:
        """Read from an opening quote, at `place`, to the closing one."""
        opening = self.place
        closing = _CLOSE[self.text[opening]]
        stop = next((i for i in range(opening + 1, len(self.text)) if self.text[i] in closing), -1)
        if stop < 0:
            raise self._error(f"The quote is not closed. Add the closing {closing[-1]}.", opening, opening + 1)
        self.place = stop + 1
        if self.text[self.place : self.place + 1] == "*":
            raise self._error(
                'A star after the quotes has no effect. Put it inside: "hedef al*".', self.place, self.place + 1
            )
        return self._term(" ".join(_BLANK.sub(" ", self.text[opening + 1 : stop]).split()), start, exact=exact)

    def _run(self, letter: str) -> Token:
        """Read what goes on to the next blank, bracket or quote."""
        start = self.place
        found = _RUN.match(self.text, start)
        if found is None:
            self.place += 1
            raise self._error(f"The quote {letter} closes nothing. Delete it or add the opening one.", start)
        run = found[0]
        self.place = found.end()
        prefix = _PREFIX.match(run)
        if prefix:
            return self._prefixed(start, prefix[0][:-1], run)
        if run.startswith("@kind:"):
            kind = self._slug(start, run.removeprefix("@kind:"), "@kind:", "base")
            return self._token(start, atom=EntityRef(start=self.at[start], end=self._end(), name=kind, kind=True))
        if letter == "@":
            return self._entity(start, run[1:])
        if letter == "#":
            return self._token(
                start,
                atom=WordsRef(start=self.at[start], end=self._end(), name=self._slug(start, run[1:], "#", "attack")),
            )
        if letter == "=":
            return self._exact(start, run[1:])
        return self._operator(start, run) or self._word(start, run)

    def _slug(self, start: int, name: str, sign: str, example: str) -> str:
        if _SLUG.fullmatch(name):
            return name
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f"Write {sign}{near}." if near else f"Write it as {sign}{example}."
        raise self._error(
            f"This is no name that a watchlist can have: they have small letters, digits and hyphens. {hint}", start
        )

    def _entity(self, start: int, name: str) -> Token:
        plus = name.endswith("+")
        kept = self._slug(start, name.removesuffix("+"), "@", "ain-al-asad")
        return self._token(start, atom=EntityRef(start=self.at[start], end=self._end(), name=kept, plus=plus))

    def _exact(self, start: int, run: str) -> Token:
        if run:
            if "*" in run:
                raise self._error(
                    "`=` takes the letters as they are, so a star cannot follow. Delete one of the two.", start
                )
            return self._term(run.strip(_EDGE) or run, start, exact=True)
        if self.text[self.place : self.place + 1] and self.text[self.place] in _OPEN:
            return self._phrase(start, exact=True)
        raise self._error('`=` must touch its word. Write =PUK or ="Exact Phrase".', start)

    def _operator(self, start: int, run: str) -> Token | None:
        """Return an operator, or None for a word."""
        if run in {"AND", "OR", "NOT"}:
            return self._token(start, sign=run)  # type: ignore[arg-type]
        step = _STEP.fullmatch(run)
        if step:
            return self._step(start, step[1], step[2])
        if run in {"NEAR", "PRE"} or run.startswith(("NEAR/", "PRE/")):
            raise self._error("Say how many words may stand between: NEAR/15, PRE/5, NEAR/s (sentence), NEAR/p.", start)
        if run == "ATLEAST" or run.startswith("ATLEAST/"):
            raise self._error("Say how often, and of what: ATLEAST/3(attack*).", start)
        if run.startswith(("AND/", "OR/", "NOT/")):
            raise self._error(
                f"`{run.partition('/')[0]}` takes no slash. Put the text in quotes if it is a word.", start
            )
        if _SMALL_STEP.fullmatch(run):
            raise self._error(f"Operators are written in capitals. Write {run.partition('/')[0].upper()}/n.", start)
        return None

    def _step(self, start: int, name: str, value: str) -> Token:
        if name != "NEAR" and not value.isdigit():
            raise self._error(f"{name} takes a number. Write {name}/5.", start)
        most = MAX_COUNT if name == "ATLEAST" else MAX_DISTANCE
        least = 1 if name == "ATLEAST" else 0
        if value.isdigit() and not least <= int(value) <= most:
            raise self._error(f"The number after {name} must be from {least} to {most:,}.", start)
        return self._token(start, sign=name, value=value)  # type: ignore[arg-type]

    def _word(self, start: int, run: str) -> Token:
        if run in _HABITS:
            raise self._error(f"`{run}` is no operator here. Write {_HABITS[run]}.", start)
        if run[0] == "-" and (len(run) > 1 or self.text[self.place : self.place + 1] in {"(", '"'}):
            raise self._error("A minus leaves nothing out here. Write NOT, or put the text in quotes.", start)
        return self._term(run.strip(_EDGE) or run, start, exact=False)

    def _term(self, text: str, start: int, *, exact: bool) -> Token:
        """Check and return a word or phrase; its star stands at the end, after three letters."""
        stem = text.rstrip("*").rstrip() if not exact else text
        if not any(letter.isalpha() or letter.isdecimal() for letter in text) and not words(text):
            raise self._error("Nothing to look for: there is no letter or digit in it. Write a word.", start)
        if "*" in stem or text.count("*") > 1 or text.endswith(" *"):
            raise self._error("A star may stand only at the end of a word. Write its beginning: attack*.", start)
        star = stem != text
        if star and sum(letter.isalnum() for letter in stem) < STEM:
            raise self._error(
                f"A star needs {STEM} letters before it. Write more of the word, or all its forms.", start
            )
        return self._token(start, atom=Term(start=self.at[start], end=self._end(), text=stem, star=star, exact=exact))

    def _prefixed(self, start: int, name: str, run: str) -> Token:
        """Read `title:`, `lang:ar` and the like. `run` goes to the next blank, bracket or quote."""
        rest = run[len(name) + 1 :]
        if name in FIELDS:
            self.place = start + len(name) + 1  # what follows the colon is read as a token of its own
            following = self.text[self.place : self.place + 1]
            if not following or following == ")" or _BLANK.match(following):
                raise self._error(f"`{name}:` must touch what is looked for. Write {name}:word or {name}:( ).", start)
            return self._token(start, sign="field", value=name)
        if name in ANYWHERE or name in SEARCH_ONLY:
            return self._limit(start, name, rest)
        known = (*FIELDS, *ANYWHERE, *SEARCH_ONLY)
        close = did_you_mean(name, known) if name else ""
        hint = close.replace("`?", ":`?") or 'Put text that has a colon in quotes: "10:30".'
        raise self._error(f"`{name[:40]}:` is no field or limit. {hint}", start, start + len(name) + 1)

    def _limit(self, start: int, name: str, rest: str) -> Token:
        if name in SEARCH_ONLY and not self.search:
            raise self._error(f"`{name}:` works only in search; a rule looks at every new article. Delete it.", start)
        if not rest:
            raise self._error(
                f"`{name}:` must touch its value, without brackets or quotes. Write {_EXAMPLES[name]}.", start
            )
        values = []
        for value in rest.split(","):
            kept = _limit_value(name, value)
            if kept is None:
                close = did_you_mean(value, _CHOICES.get(name, ()))
                hint = close or f"Write {_EXAMPLES[name]}."
                raise self._error(f"`{value[:40]}` does not fit `{name}:`. {hint}", start)
            values.append(kept)
        if name in {"since", "until"} and len(values) > 1:
            raise self._error(f"`{name}:` takes one value. Write {_EXAMPLES[name]}.", start)
        limit: LimitName = name  # type: ignore[assignment]
        return self._token(
            start, atom=Limit(start=self.at[start], end=self._end(), name=limit, values=tuple(dict.fromkeys(values)))
        )


_CHOICES = {"lang": LANGUAGES, "level": LEVELS}
_EXAMPLES = {
    "source": "source:rudaw or source:aa-en,aa-tr",
    "lang": f"lang: with {', '.join(LANGUAGES)}",
    "country": "country:iq",
    "tier": "tier:1, tier:2 or tier:3",
    "since": "since:24h, since:7d, since:2w or since:2026-06-30",
    "until": "until:24h, until:7d or until:2026-06-30",
    "watchlist": "watchlist:bases",
    "rule": "rule:base-attack",
    "level": f"level: with {', '.join(LEVELS)}",
    "story": "story: with the id that a search shows",
}


def _limit_value(name: str, value: str) -> str | None:
    """Return the value of a limit in its one form, or None when it does not fit."""
    small = value.lower()
    match name:
        case "lang":
            small = "ku" if small == "kmr" else small
            return small if small in LANGUAGES else None
        case "level":
            return small if small in LEVELS else None
        case "tier":
            return small if small in {"1", "2", "3"} else None
        case "country":
            return small if re.fullmatch("[a-z]{2}", small) else None
        case "since" | "until":
            return small if _AGO.fullmatch(small) or (_DAY.fullmatch(small) and _is_day(small)) else None
        case _:
            return small if _SLUG.fullmatch(small) else None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
