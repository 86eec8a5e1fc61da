"""What the store's index is asked for: a superset of what a bound query can hit. The matcher decides afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitor.match.matcher import Matcher
from monitor.match.vocabulary import Form, words_of
from monitor.model import LANGUAGES, AllOf, AnyOf, Column, Everything, Mentioned, Plan, Tokens, Where
from monitor.query import evaluate as ev
from monitor.text import shown
from monitor.text.affixes import affixes, all_prefixes

_COLUMNS: dict[str, Column] = {
    "source": "feed",
    "lang": "lang",
    "story": "story",
    "watchlist": "watchlist",
    "rule": "rule",
    "level": "level",
}


def plan(node: ev.Bound, matcher: Matcher, rev: str) -> Plan:
    """The candidates of a query.

    `rev` is the revision of all watchlists in force: articles that were matched with it have their mentions stored,
    so that entities need no look at the text.
    """
    match node:
        case ev.Leaves(leaves=leaves):
            return _leaves(leaves, matcher, rev)
        case ev.All(parts=parts):
            return _all_of(plan(p, matcher, rev) for p in parts)
        case ev.Some(parts=parts):
            return _any_of(plan(p, matcher, rev) for p in parts)
        case ev.Pair(left=left, right=right, negated=negated):
            if negated:
                return plan(left, matcher, rev)
            return _all_of(plan(p, matcher, rev) for p in (left, right))
        case ev.Count(part=part) | ev.Inside(part=part):
            return plan(part, matcher, rev)
        case ev.Limited(limit=limit):
            column = _COLUMNS.get(limit.name)
            return Everything() if column is None else Where(column=column, values=limit.values)
        case ev.Never():
            return Everything()


def spelled(forms: Iterable[Form]) -> Plan:
    """The candidates of a name or word in these ways to write it, each prefix and any ending included."""
    return _any_of(tokens for form in forms for tokens in _tokens(form))


def _leaves(leaves: Sequence[int], matcher: Matcher, rev: str) -> Plan:
    vocabulary = matcher.vocabulary
    entities = tuple(vocabulary.leaves[n].name for n in leaves if vocabulary.leaves[n].kind == "entity")
    # a name found by its sound stands in no index of words: articles not matched with this revision are all looked at
    if entities and not matcher.sounds.leaves.isdisjoint(leaves):
        return Mentioned(entities=entities, rev=rev, text=Everything())
    text = spelled(form for n in leaves for leaf in _with_shorts(n, matcher) for form in vocabulary.forms[leaf])
    return Mentioned(entities=entities, rev=rev, text=text) if entities else text


def _with_shorts(leaf: int, matcher: Matcher) -> list[int]:
    watched = matcher.watched.get(leaf)
    return [leaf, *(short for short, _ in watched.shorts)] if watched else [leaf]


def _tokens(form: Form) -> list[Plan]:
    """The ways in which the index may hold a form: each prefix its first word can have, any ending of its last."""
    words = tuple(shown(token) for token in words_of(form))
    _, use = form
    open_end = use.star or use.affixed
    starts = [words[0]]
    if use.affixed and (use.long or use.star):
        prefixes = _article_prefixes() if use.article else all_prefixes()
        if words[0][0] > "\u0590":  # no prefix is glued to Latin letters
            starts = [shown(p) + words[0] for p in prefixes] + ([] if use.article else [words[0]])
    return [Tokens(words=(start, *words[1:]), prefix=open_end) for start in starts]


def _article_prefixes() -> tuple[bytes, ...]:
    return tuple(sorted(set().union(*(affixes(lang).article for lang in LANGUAGES))))


def _all_of(parts: Iterable[Plan]) -> Plan:
    kept = tuple(p for p in parts if not isinstance(p, Everything))
    return kept[0] if len(kept) == 1 else AllOf(parts=kept) if kept else Everything()


def _any_of(parts: Iterable[Plan]) -> Plan:
    every = tuple(dict.fromkeys(parts))
    if any(isinstance(p, Everything) for p in every):
        return Everything()
    return every[0] if len(every) == 1 else AnyOf(parts=every)
