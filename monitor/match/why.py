"""Why something is no hit: letters that look like a name and are none, and the clause for which a rule did not fire.

For one text and for people only: it looks at every pattern by itself, so that the scan of the watch need keep nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from monitor.match.edges import signs_part
from monitor.match.matcher import Matcher
from monitor.match.view import ArticleView
from monitor.match.vocabulary import ARTICLE, Use, in_capitals
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.text import SPACE, shown
from monitor.text.affixes import LEAST_LETTERS, affixes, all_prefixes
from monitor.text.exceptions import letter_at
from monitor.watchlists import Entity

_SCOPES = {"title": "the title", "lead": "the lead", "body": "the body"}

Place = tuple[int, int]
Kind = Literal["masked", "no company", "case", "letters", "sign", "too short", "ending"]

_MOST_GLUED = 4
"""Letters glued to a name beyond which it is another word altogether, and nobody takes it for the name."""

_MOST_PAIRS = 10_000
_SHOWN = 6
"""Companions that are listed before "and others"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Letters in a text that look like a name of an entity and are no mention."""

    kind: Kind
    entity: str
    watchlist: str
    place: Place
    """Half-open, in the folded text."""
    why: str
    """Half a sentence for people: what is asked and not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """The smallest part of a rule that did not hold."""

    place: ast.Place
    why: str


def near_misses(matcher: Matcher, view: ArticleView) -> list[Near]:
    """All near-misses of names in one article, in order of place; letters that are part of a mention are none."""
    taken = [place for found in view.found.values() for place in found.places]
    found = [*_unresolved(matcher, view), *_rejected(matcher, view)]
    free = [n for n in found if not any(a < n.place[1] and n.place[0] < b for a, b in taken)]
    free += [n for n in found if n not in free and n.kind == "masked"]  # the mask may be another entity's name
    once = {(near.entity, near.place): near for near in reversed(free)}  # several spellings may share the letters
    return sorted(once.values(), key=lambda near: near.place)


def _unresolved(matcher: Matcher, view: ArticleView) -> Iterator[Near]:
    """Places that the scan has found and that a mask or missing company made nothing of."""
    for number, watched in matcher.watched.items():
        file, entity = matcher.owners[number]
        known = view.found[number].places if number in view.found else []
        masks = view.places.get(watched.mask, ()) if watched.mask is not None else ()
        leaves = [(number, None), *((leaf, place) for place, (leaf, _) in enumerate(watched.shorts))]
        for leaf, short in leaves:
            for start, end in view.places.get(leaf, ()):
                if any(a <= start and end <= b for a, b in known):
                    continue
                mask = next(((a, b) for a, b in masks if a <= start and end <= b), None)
                if mask is not None:
                    kind: Kind = "masked"
                    why = f"`{_letters(view, *mask)}` masks it"
                elif short is not None:
                    kind, why = "no company", _company(entity, short)
                else:
                    continue
                yield Near(kind=kind, entity=entity.id, watchlist=file.id, place=(start, end), why=why)


def _company(entity: Entity, number: int) -> str:
    short = entity.short[number]
    wanted = ", ".join(f"`{friend}`" for friend in short.with_[:_SHOWN])
    more = " and others" if len(short.with_) > _SHOWN else ""
    reach = "in the article" if short.within is None else f"within {short.within} words"
    return f"it needs company {reach}: one of {wanted}{more}"


def _rejected(matcher: Matcher, view: ArticleView) -> Iterator[Near]:
    """Candidates whose edges or letters the scan did not accept."""
    text, leaves = view.text, matcher.vocabulary.leaves
    shorts = {leaf: number for number, watched in matcher.watched.items() for leaf, _ in watched.shorts}
    first, _, last = text.bounds
    for pattern, uses in matcher.vocabulary.uses.items():
        at = text.data.find(pattern, first, last)
        while at >= 0:
            place = at + (pattern[0] == SPACE), at + len(pattern)
            for use in uses:
                number = shorts.get(use.leaf, use.leaf)
                if leaves[use.leaf].kind in {"entity", "short"} and number in matcher.owners:
                    reason = None if _accepted(view, use, place) else _reason(view, use, place)
                    if reason is not None:
                        file, entity = matcher.owners[number]
                        kind, why = reason
                        yield Near(kind=kind, entity=entity.id, watchlist=file.id, place=place, why=why)
            at = text.data.find(pattern, at + 1, last)


def _accepted(view: ArticleView, use: Use, place: Place) -> bool:
    return any(a <= place[0] and place[1] <= b for a, b in view.places.get(use.leaf, ()))


def _reason(view: ArticleView, use: Use, place: Place) -> tuple[Kind, str] | None:
    """Why one candidate is none; None when it is another word altogether."""
    data, (start, end) = view.text.data, place
    prefix = data[data.rfind(b" ", 0, start) + 1 : start] if data[start - 1] > SPACE else b""
    suffix = data[end : data.find(b" ", end)] if data[end] > SPACE else b""
    if len(prefix) + len(suffix) > min(_MOST_GLUED, end - start):
        return None
    if prefix and prefix not in all_prefixes():
        return None
    if (prefix or suffix or use.article) and end - start < LEAST_LETTERS and not _letters(view, start, end).isupper():
        return None
    glued = _glued(view, use, place, prefix, suffix)
    return glued or _in_letters(view, use, place)


def _in_letters(view: ArticleView, use: Use, place: Place) -> tuple[Kind, str] | None:
    """Letters that fold alike and are not those of the name."""
    found = _letters(view, *place)
    for offset, letter, same in use.marked:
        field, first, last = view.text.original(place[0] + offset, place[0] + offset + 1)
        if (letter_at(view.text.letters(field), first, last) == letter) is not same:
            return "letters", f"the name is written {'with' if same else 'without'} `{letter}`"
    if use.close and signs_part(view.text, *place):
        return "sign", "a sign parts its words"
    if use.exact and found.replace(".", "") != use.exact.replace(".", ""):
        return "case", f"only `{use.exact}` counts, in these very letters"
    if use.capitals and not in_capitals(found):
        return "case", f"only in capitals it is the name: `{found.upper()}`"
    if (use.exact or use.capitals) and found.isupper():
        return "case", "between words in capitals it may be another word"
    return None


def _glued(view: ArticleView, use: Use, place: Place, prefix: bytes, suffix: bytes) -> tuple[Kind, str] | None:
    """What is glued to the letters and belongs to another word."""
    if use.article and not prefix.endswith(ARTICLE) and not prefix.endswith(ARTICLE[1:] * 2):
        return "ending", f"the name is written with the article `{shown(ARTICLE)}`"
    if prefix and not _takes_prefix(view, use, place, prefix):
        return "ending", f"`{_letters(view, place[0] - len(prefix), place[0])}` before it makes another word"
    if not suffix:
        return None
    tongues = {view.text.lang(place[0]), use.lang} - {""}
    last, letters = view.text.data[place[1] - 1], _letters(view, place[1], place[1] + len(suffix))
    if any(affixes(tongue).takes_suffix(last, suffix, apostrophe=False) for tongue in tongues):
        if use.long or not use.affixed:
            return None
        return "too short", f"a name of fewer than four letters takes `{letters}` only behind an apostrophe"
    return "ending", f"`{letters}` behind it makes another word"


def _takes_prefix(view: ArticleView, use: Use, place: Place, prefix: bytes) -> bool:
    tongues = {view.text.lang(place[0]), use.lang} - {""}
    return any(affixes(t).takes_prefix(prefix, article=use.article, long=use.words > 1) for t in tongues)


def _letters(view: ArticleView, start: int, end: int) -> str:
    field, first, last = view.text.original(start, end)
    return view.text.letters(field)[first:last]


def failing(node: ev.Bound, view: ArticleView, scope: ev.Scope = "") -> Clause | None:
    """The smallest clause that makes a query false, in the branch that comes nearest; None when the query is true."""
    if ev.evaluate(node, view, scope) is not None:
        return None
    match node:
        case ev.All(parts=parts):
            return next((clause for p in parts if (clause := failing(p, view, scope))), None)
        case ev.Inside(field=field, part=part):
            return failing(part, view) or failing(part, view, field)  # what the whole text lacks says more
        case ev.Some(parts=parts) if view.spans(tuple(_leaves(node)), ""):
            return failing(max(reversed(parts), key=lambda p: _met(p, view, scope)), view, scope)
        case ev.Pair(left=left, right=right, negated=negated):
            sides = (left,) if negated else (left, right)
            inner = next((clause for side in sides if (clause := failing(side, view, scope))), None)
            return inner or Clause(place=node.place, why=_apart(node, view, scope))
        case ev.Count(part=part):
            return failing(part, view, scope) or Clause(place=node.place, why="it stands there less often")
        case ev.Never(part=part):
            return Clause(place=node.place, why=f"{_found(part, view, scope)} is there, and must not be")
        case ev.Limited():
            return Clause(place=node.place, why="the article is another one's")
        case _:
            return Clause(place=node.place, why=_absent(node, view, scope))


def _met(node: ev.Bound, view: ArticleView, scope: ev.Scope) -> tuple[int, int]:
    """How much of a branch is there: where it is asked for, and anywhere."""
    here: tuple[ev.Scope, ...] = (_asked(node, scope), "")
    counts = [sum(bool(view.spans((leaf,), where)) for leaf in set(_leaves(node))) for where in here]
    return counts[0], counts[1]


def _asked(node: ev.Bound, scope: ev.Scope) -> ev.Scope:
    return node.field if isinstance(node, ev.Inside) else scope


def _apart(node: ev.Pair, view: ArticleView, scope: ev.Scope) -> str:
    """How two sides that both stand there fail to meet."""
    left, right = ev.evaluate(node.left, view, scope) or [], ev.evaluate(node.right, view, scope) or []
    if node.negated:
        return f"{_found(node.right, view, scope)} stands beside it"
    if not isinstance(node.within, int):
        return f"they stand in no {'sentence' if node.within == 's' else 'paragraph'} together"
    pairs = [(a, b) for a in left for b in right][:_MOST_PAIRS]
    gaps = [gap for a, b in pairs if (gap := _between(a, b, view)) is not None]
    if not gaps:
        return "they are the same letters"
    if min(gaps) <= node.within:
        return "they stand in the other order"
    if min(gaps) > len(view.text.data):
        return "one stands in the title, the other in the body"
    return f"{min(gaps)} words stand between them, at most {node.within} may"


def _between(one: ev.Span, other: ev.Span, view: ArticleView) -> int | None:
    """Words strictly between two spans, None when they overlap."""
    first, second = (one, other) if one[0] <= other[0] else (other, one)
    return view.word(second[0]) - view.word(first[1] - 1) - 1 if first[1] <= second[0] else None


def _found(node: ev.Bound, view: ArticleView, scope: ev.Scope) -> str:
    """The first letters that make a query true."""
    spans = ev.evaluate(node, view, scope) or []
    return f"`{_letters(view, spans[0][0], spans[0][1])}`" if spans else "it"


def _absent(node: ev.Bound, view: ArticleView, scope: ev.Scope) -> str:
    """Whether nothing of a query is in the text, or not where it is asked for."""
    spans = view.spans(tuple(_leaves(node)), "") if scope else []
    if spans:
        return f"`{_letters(view, *spans[0][:2])}` stands elsewhere, not in {_SCOPES[scope]}"
    return "nothing of it is in the text"


def _leaves(node: ev.Bound) -> Iterator[int]:
    match node:
        case ev.Leaves(leaves=leaves):
            yield from leaves
        case ev.All(parts=parts) | ev.Some(parts=parts):
            for part in parts:
                yield from _leaves(part)
        case ev.Pair(left=left, right=right):
            yield from _leaves(left)
            yield from _leaves(right)
        case ev.Count(part=part) | ev.Inside(part=part):
            yield from _leaves(part)
        case _:
            pass
