"""Query text -> tree, and back.

    query   = clause, then more of them joined by AND (which may be left out) or by OR, never both without brackets
    clause  = [NOT] chain
    chain   = operand { (NEAR/n | NEAR/s | NEAR/p | PRE/n | NOT NEAR/n) operand }, from left to right
    operand = atom | ( query ) | title:operand | ATLEAST/n( query )

Binding, tightest first: operand; NEAR, PRE, NOT NEAR; NOT; AND or OR. One pass over the tokens; nothing is guessed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from monitor.errors import QueryError
from monitor.query.ast import And, AtLeast, EntityRef, InField, Limit, Near, Node, Not, Or, Term, WordsRef
from monitor.query.lex import Token, notice, tokens

__all__ = ["MAX_DEPTH", "notice", "parse", "unparse"]

MAX_DEPTH = 50

_WORDS_FIRST = "Write what to look for, such as: @ain-al-asad NEAR/25 #attack."


@lru_cache(maxsize=128)  # rules are read to be compiled, and again to be looked through for warnings
def parse(text: str, *, search: bool) -> Node:
    """Read a query. `search` allows since:, until:, watchlist:, rule:, level:, story: and limits alone.

    Raises QueryError, and nothing else, with the place and one sentence.
    """
    read = tokens(text, search=search)
    if not read:
        raise QueryError(f"The query is empty. {_WORDS_FIRST}", text, 0)
    parser = _Parser(text, read)
    node = parser.query(0)
    if parser.here < len(read):
        raise parser.error("The bracket ) closes nothing. Delete it or add the opening one.", read[parser.here])
    _check_depth(text, node)
    _Meaning(text, search=search).check(node)
    return node


def unparse(node: Node) -> str:
    """Write a tree as a query: parse(unparse(x)) is x, but for places."""
    match node:
        case Term(text=text, star=star, exact=exact):
            return f"{'=' * exact}{_quoted(text + '*' * star)}"
        case EntityRef(name=name, kind=kind, plus=plus):
            return f"@{'kind:' * kind}{name}{'+' * plus}"
        case WordsRef(name=name):
            return f"#{name}"
        case Limit(name=name, values=values):
            return f"{name}:{','.join(values)}"
        case And(parts=parts):
            return " ".join(_bracketed(part, And, Or) for part in parts)
        case Or(parts=parts):
            return " OR ".join(_bracketed(part, And, Or) for part in parts)
        case Not(part=part):
            return f"NOT {_bracketed(part, And, Or, Not)}"
        case Near(left=left, right=right, within=within, ordered=ordered, negated=negated):
            step = f"{'NOT ' * negated}{'PRE' if ordered else 'NEAR'}/{within}"
            return f"{_bracketed(left, And, Or, Not)} {step} {_bracketed(right, And, Or, Not, Near)}"
        case AtLeast(count=count, part=part):
            return f"ATLEAST/{count}({unparse(part)})"
        case InField(field=field, part=part):
            return f"{field}:({unparse(part)})"


def _quoted(text: str) -> str:
    """Text as a word where that reads back as one, else in quotes that do not occur in it."""
    plain = re.fullmatch(r"[^\W_]+(?:['’-][^\W_]+)*\*?", text)
    if plain and text not in {"AND", "OR", "NOT", "NEAR", "PRE", "ATLEAST"}:
        return text
    return f"«{text}»" if '"' in text else f'"{text}"'


def _bracketed(node: Node, *kinds: type[Node]) -> str:
    return f"({unparse(node)})" if isinstance(node, kinds) else unparse(node)


class _Parser:
    """Recursive descent; `here` is the next token."""

    def __init__(self, text: str, read: list[Token]) -> None:
        self.text = text
        self.read = read
        self.here = 0

    def error(self, sentence: str, token: Token) -> QueryError:
        return QueryError(sentence, self.text, token.start, token.end)

    def peek(self, *, after: int = 0) -> Token | None:
        place = self.here + after
        return self.read[place] if place < len(self.read) else None

    def query(self, depth: int) -> Node:
        """Clauses up to the end or a closing bracket, all joined in the same way."""
        parts = [self.clause(depth)]
        joint = ""
        while (token := self.peek()) and token.sign != ")":
            found = "OR" if token.sign == "OR" else "AND"
            if joint and found != joint:
                sentence = "AND (also unwritten) stands beside OR: say which belongs together. Write (A OR B) C."
                raise self.error(sentence, token)
            joint = found
            if token.sign in {"AND", "OR"}:
                self.here += 1
                self.demand_operand(token)
            parts.append(self.clause(depth))
        if len(parts) == 1:
            return parts[0]
        return _joined(Or if joint == "OR" else And, parts)

    def demand_operand(self, operator: Token) -> None:
        """Refuse an operator with nothing behind it."""
        token = self.peek()
        if token is None or token.sign == ")":
            raise self.error(f"Something is missing after {self.said(operator)}. {_WORDS_FIRST}", operator)

    def said(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def clause(self, depth: int) -> Node:
        token = self.peek()
        if token is None or token.sign != "NOT":
            return self.chain(depth)
        self.here += 1
        self.demand_operand(token)
        following = self.peek()
        if following and following.sign == "NOT":
            raise self.error("Two NOTs cancel each other out. Delete both.", following)
        part = self.chain(depth)
        return Not(start=token.start, end=part.end, part=part)

    def chain(self, depth: int) -> Node:
        """Operands joined by NEAR, PRE or NOT NEAR."""
        left = self.operand(depth)
        while step := self.step():
            operator, negated = step
            self.demand_operand(operator)
            right = self.operand(depth)
            within: int | Literal["s", "p"] = int(operator.value) if operator.value.isdigit() else _unit(operator.value)
            ordered = operator.sign == "PRE"
            span = {"start": left.start, "end": right.end}
            left = Near(**span, left=left, right=right, within=within, ordered=ordered, negated=negated)
        return left

    def step(self) -> tuple[Token, bool] | None:
        """Take NEAR, PRE or NOT NEAR; the flag tells of NOT."""
        token, following = self.peek(), self.peek(after=1)
        if token is None:
            return None
        if token.sign in {"NEAR", "PRE"}:
            self.here += 1
            return token, False
        if token.sign == "NOT" and following and following.sign == "NEAR":
            self.here += 2
            return following, True
        if token.sign == "NOT" and following and following.sign == "PRE":
            raise self.error("NOT PRE does not exist. Write NOT NEAR.", following)
        return None

    def operand(self, depth: int) -> Node:
        token = self.read[self.here]
        if depth > MAX_DEPTH:
            raise self.error(f"Brackets are nested deeper than {MAX_DEPTH}. Put parts into rules of their own.", token)
        self.here += 1
        if token.atom is not None:
            return token.atom
        if token.sign == "(":
            return self.group(token, depth)
        if token.sign == "field":
            self.demand_operand(token)
            part = self.operand(depth + 1)
            field: Literal["title", "lead", "body"] = token.value  # type: ignore[assignment]
            return InField(start=token.start, end=part.end, field=field, part=part)
        if token.sign == "ATLEAST":
            opening = self.peek()
            if opening is None or opening.sign != "(":
                raise self.error(f"{self.said(token)} needs brackets. Write {self.said(token)}(attack*).", token)
            self.here += 1
            part = self.group(opening, depth)
            end = self.read[self.here - 1].end
            return AtLeast(start=token.start, end=end, count=int(token.value), part=part)
        if token.sign == ")":
            raise self.error("The bracket ) closes nothing, or nothing stands inside. Delete it or fill it.", token)
        if token.sign == "NOT":
            raise self.error("NOT cannot stand here. Write A NOT NEAR/5 B, or put NOT at the end.", token)
        raise self.error(f"Something is missing before {self.said(token)}. {_WORDS_FIRST}", token)

    def group(self, opening: Token, depth: int) -> Node:
        """What stands in brackets; the opening one is taken."""
        token = self.peek()
        if token is None:
            raise self.error("The bracket ( is not closed. Add the closing one.", opening)
        if token.sign == ")":
            raise self.error("Nothing stands inside the brackets. Fill or delete them.", opening)
        node = self.query(depth + 1)
        if self.peek() is None:
            raise self.error("The bracket ( is not closed. Add the closing one.", opening)
        self.here += 1
        return node


def _unit(value: str) -> Literal["s", "p"]:
    return "s" if value == "s" else "p"


def _joined(kind: type[And | Or], parts: list[Node]) -> Node:
    """One And or Or; parts of the same kind are taken apart, so that brackets make no difference."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return kind(start=parts[0].start, end=parts[-1].end, parts=tuple(flat))


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case And(parts=parts) | Or(parts=parts):
            return parts
        case Near(left=left, right=right):
            return (left, right)
        case Not(part=part) | AtLeast(part=part) | InField(part=part):
            return (part,)
        case _:
            return ()


def _check_depth(text: str, root: Node) -> None:
    """Refuse trees deeper than MAX_DEPTH: a chain of NEARs nests too. Without recursion, whatever the depth."""
    level: list[Node] = [root]
    depth = 0
    while level:
        if depth > MAX_DEPTH:
            sentence = f"The query is nested deeper than {MAX_DEPTH}. Put parts into rules of their own."
            raise QueryError(sentence, text, level[0].start, level[0].end)
        level = [child for node in level for child in _children(node)]
        depth += 1


class _Meaning:
    """Refuses what can be written but not meant."""

    def __init__(self, text: str, *, search: bool) -> None:
        self.text = text
        self.search = search

    def check(self, root: Node) -> None:
        """Look at every node, then ask for something positive in the whole."""
        self.node(root, field=None)
        if not self.positive(root):
            raise self.negative(root)

    def error(self, sentence: str, node: Node) -> QueryError:
        return QueryError(sentence, self.text, node.start, node.end)

    def node(self, node: Node, *, field: str | None) -> None:
        match node:
            case Near(left=left, right=right):
                self.spans(left, "NEAR")
                self.spans(right, "NEAR")
            case AtLeast(part=part):
                self.spans(part, "ATLEAST")
            case InField(field=inner, part=part):
                if field:
                    raise self.error(f"`{inner}:` stands inside `{field}:`. Put them side by side.", node)
                if not self.positive(part):
                    raise self.error(f"NOT alone inside `{inner}:`. Write NOT {inner}:( ).", part)
                field = inner
            case Limit(name=name) if field:
                raise self.error(f"`{name}:` limits the whole article. Put it outside of `{field}:`.", node)
            case Or(parts=parts):
                for part in parts:
                    self.choice(part)
            case Not(part=Not() as inner):
                raise self.error("Two NOTs cancel each other out. Delete both.", inner)
            case _:
                pass
        for child in _children(node):
            self.node(child, field=field)

    def choice(self, part: Node) -> None:
        """Refuse a part of an OR that would find nearly every article."""
        if isinstance(part, Not):
            sentence = "A OR NOT B would find nearly every article. Write what to look for, then NOT B at the end."
            raise self.error(sentence, part)
        if not self.positive(part):
            raise self.negative(part)

    def spans(self, node: Node, where: str) -> None:
        """Refuse operands that have no place in the text."""
        for part in node.parts if isinstance(node, Or) else (node,):
            match part:
                case And():
                    hint = "Write A NEAR/5 B AND A NEAR/5 C" if where == "NEAR" else "Write one ATLEAST for each"
                    raise self.error(f"AND cannot stand inside {where}. {hint}, or use OR.", part)
                case Not():
                    raise self.error(
                        f"NOT cannot stand inside {where}. Write A NOT NEAR/5 B, or put NOT at the end.", part
                    )
                case AtLeast():
                    raise self.error(f"ATLEAST cannot stand inside {where}. Write A NEAR/5 B AND ATLEAST/3(A).", part)
                case Limit(name=name):
                    raise self.error(f"`{name}:` cannot stand inside {where}. Write it at the end of the query.", part)
                case InField(field=field):
                    form = f"{field}:(A NEAR/5 B)" if where == "NEAR" else f"{field}:(ATLEAST/3(A))"
                    raise self.error(f"`{field}:` cannot stand inside {where}. Write {form}.", part)
                case _:
                    pass

    def positive(self, node: Node) -> bool:
        """Tell whether a node asks for something to be there; limits alone do so only in search."""
        match node:
            case Not():
                return False
            case Limit():
                return self.search
            case And(parts=parts):
                return any(self.positive(part) for part in parts)
            case Or(parts=parts):
                return all(self.positive(part) for part in parts)
            case _:
                return True

    def negative(self, node: Node) -> QueryError:
        """The error for a query, or part of one, that asks for nothing to be there."""
        if any(isinstance(part, Not) for part in (node, *_children(node))):
            return self.error("NOT needs something positive beside it. Write A NOT B.", node)
        return self.error("A limit alone would hit every article from there. Write what to look for, too.", node)
