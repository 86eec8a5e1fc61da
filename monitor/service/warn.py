"""What the stored articles tell of watchlists that are sound: names too common, names never met, words that dominate.

Each is a warning with its place, what to do, and how to settle it, as in `monitor.service.lint`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from monitor.match.collector import uncollected
from monitor.match.patterns import Patterns
from monitor.match.plan import spelled
from monitor.match.scan import Scanner
from monitor.match.sounds import Sounds
from monitor.match.vocabulary import Use, Vocabulary, words_of
from monitor.model import AnyOf, Article, Everything, Filter, Hit, Plan, Tokens, Where
from monitor.ports import Store
from monitor.query import ast
from monitor.service.lint import Spelling, Warned, folded_name, nodes_of, place_of, spellings_of, warned
from monitor.text import shown
from monitor.watchlists import Mark, Name, Rule, WatchlistFile, WordList

SAMPLE = 3_000
"""So many of the newest articles are looked at for common names: 0.3 s of one core."""
LEAST_ARTICLES = 500
"""In fewer articles one in a hundred is chance."""
COMMON = 0.01
"""Share of the articles above which a name is common."""
UNSEEN = timedelta(days=180)
NEWEST_HITS = 100
"""So many hits of each rule are looked at for a term that dominates."""
DOMINANT, LEAST_HITS = 0.6, 20
BATCH = 200
_FIRST_PREFIXED = "\u0590"
"""Scripts from here on write prefixes and first word as one."""


def stored_warnings(files: Sequence[WatchlistFile], store: Store, now: datetime, *, every: bool = True) -> list[Warned]:
    """What the stored articles tell: common, unseen, dominant. Nothing is written.

    Without `every` the names that nobody wrote are those of entities none of whose other names was written either.
    """
    articles = [stored.article for _, stored in store.candidates(Everything(), Filter(), SAMPLE, hits=False)]
    since = now - UNSEEN
    covers = _covers(store, since)
    if len(articles) < LEAST_ARTICLES and not covers:
        return [*_dominant(files, store)]  # too few to tell what is common, too new to tell what nobody writes
    names = _Names([s for file in files for s in spellings_of(file)])
    recent = names.counted([a for a in articles if a.when >= since])
    older = names.counted([a for a in articles if a.when < since])
    counts = [sum(pair) for pair in zip(recent, older, strict=True)]
    found = [*_common(names.spellings, counts, len(articles)), *_dominant(files, store)]
    if covers:
        found += _unseen(names, recent, store, since, every=every)
    return found


class _Names:
    """All spellings, each a leaf of its own: the number of a spelling is the number of its leaf."""

    def __init__(self, spellings: Sequence[Spelling]) -> None:
        self.spellings = spellings
        self._vocabulary = Vocabulary()
        with uncollected(), self._vocabulary.folding(spelling.name.text for spelling in spellings):
            for number, spelling in enumerate(spellings):
                leaf = self._vocabulary.leaf("entity", spelling.entity.id, number)
                self._vocabulary.add(spelling.name.text, Use(leaf=leaf, lang=spelling.name.lang))
        self._scanner = Scanner(Patterns(self._vocabulary.uses), Sounds([]))

    def counted(self, articles: Sequence[Article]) -> list[int]:
        """How many of the articles hold each spelling, company and masks left aside."""
        counts = [0] * len(self.spellings)
        for first in range(0, len(articles), BATCH):
            for _, places in self._scanner.scan(articles[first : first + BATCH]):
                for number in places:
                    counts[number] += 1
        return counts

    def plain(self, number: int) -> Plan:
        """The name as it is listed, without prefix or ending: the cheapest question, and the answer for most names."""
        tokens = words_of(self._vocabulary.forms[number][0])
        return Tokens(words=tuple(shown(token) for token in tokens), prefix=False)

    def quick(self, number: int) -> Plan:
        """What an article must hold at least: before the first word may stand a prefix, so its other words are asked.

        One look into the index instead of the forty that all prefixes take. A name listed as several words that is
        written as one, and with a prefix, is not asked for.
        """
        forms = self._vocabulary.forms[number]
        single = all(len(words_of(form)) == 1 for form in forms)
        parts: list[Plan] = []
        for form in forms:
            tokens = tuple(shown(token) for token in words_of(form))
            if tokens[0] < _FIRST_PREFIXED:
                parts.append(Tokens(words=tokens, prefix=True))
            elif len(tokens) > 1:
                parts.append(Tokens(words=tokens[1:], prefix=True))
            else:
                parts.append(spelled([form]) if single else Tokens(words=tokens, prefix=True))
        return AnyOf(parts=tuple(dict.fromkeys(parts)))

    def whole(self, number: int) -> Plan:
        """What an article must hold, every prefix tried."""
        return spelled(self._vocabulary.forms[number])


def _common(spellings: Sequence[Spelling], counts: Sequence[int], articles: int) -> Iterator[Warned]:
    if articles < LEAST_ARTICLES:
        return
    for spelling, count in zip(spellings, counts, strict=True):
        if spelling.loud and count > COMMON * articles:
            yield warned(
                "common",
                spelling.name.mark,
                spelling.entity.accept,
                f"`{spelling.name.text}` of `{spelling.entity.id}` stands in {count:,} of the newest {articles:,} "
                f"stored articles ({count / articles:.1%}).",
                "Ask for company with `short`, or give the entity `level: low`.",
            )


def _covers(store: Store, since: datetime) -> bool:
    """Whether the store holds anything that old."""
    return _any(store, Everything(), Filter(until=since))


def _any(store: Store, plan: Plan, limits: Filter) -> bool:
    return bool(store.candidates(plan, limits, 1, hits=False))


def _unseen(names: _Names, recent: Sequence[int], store: Store, since: datetime, *, every: bool) -> Iterator[Warned]:
    """`recent` tells how many articles of a sample hold each spelling."""
    limits = Filter(since=since)
    by_entity: dict[str, list[int]] = defaultdict(list)
    for number, spelling in enumerate(names.spellings):
        by_entity[spelling.entity.id].append(number)
    for rows in by_entity.values():
        left = [number for number in rows if not recent[number]]
        if not left or (len(left) < len(rows) and not every):
            continue
        for spelling in (names.spellings[number] for number in _absent(left, names, store, limits, every=every)):
            yield warned(
                "unseen",
                spelling.name.mark,
                spelling.entity.accept,
                f"`{spelling.name.text}` of `{spelling.entity.id}` stands in no stored article since {since:%Y-%m-%d}.",
                "Read it again letter by letter; a rare but right name may stay.",
            )


def _absent(numbers: list[int], names: _Names, store: Store, limits: Filter, *, every: bool) -> list[int]:
    """Those of an entity's spellings that no article can hold: all together first, then, if `every`, one by one.

    Whether one of them stands somewhere just as it is listed is asked before that: endings take much longer.
    """
    if not every and _any(store, AnyOf(parts=tuple(names.plain(n) for n in numbers)), limits):
        return []
    quick = {number: names.quick(number) for number in numbers}
    if not _any(store, AnyOf(parts=tuple(quick.values())), limits):
        return numbers
    if not every:
        return []
    return [n for n, plan in quick.items() if not all(_any(store, p, limits) for p in (plan, names.whole(n)))]


def _dominant(files: Sequence[WatchlistFile], store: Store) -> Iterator[Warned]:
    lists = {listed.id: listed for file in files for listed in file.words}
    for file in files:
        for rule in file.rules:
            found = store.candidates(Where(column="rule", values=(rule.id,)), Filter(), NEWEST_HITS)
            hits = [h for _, s in found for h in s.hits if h.rule == rule.id and h.watchlist == file.id]
            if len(hits) >= LEAST_HITS:
                yield from _dominating(rule, hits, lists)


def _dominating(rule: Rule, hits: Sequence[Hit], lists: dict[str, WordList]) -> Iterator[Warned]:
    """Terms without which most hits would be none: the only one of their list, or of their brackets, in the hit."""
    nodes = nodes_of(rule)
    asked = {node.name for node in nodes if isinstance(node, ast.WordsRef)}
    choices = [node for node in nodes if isinstance(node, ast.Or)]
    causes: Counter[tuple[Mark, str]] = Counter()
    for hit in hits:
        for name in sorted(asked & lists.keys()):
            causes.update(_only_word(lists[name], hit))
        for choice in choices:
            causes.update(_only_part(rule, choice, hit))
    for (mark, text), count in causes.items():
        if count >= LEAST_HITS and count > DOMINANT * len(hits):
            yield warned(
                "dominant",
                mark,
                rule.accept,
                f"`{text}` alone causes {count} of the newest {len(hits)} hits of the rule `{rule.id}`.",
                f"Read them with `monitor search rule:{rule.id}`, then narrow the term.",
            )


def _only_word(listed: WordList, hit: Hit) -> list[tuple[Mark, str]]:
    """The one term of a list of several that a hit rests on."""
    letters = {e.letters for e in hit.evidence if e.leaf == "word" and e.name == listed.id}
    terms = {_term(listed, each) for each in letters} - {None}
    return [(t.mark, t.text) for t in terms if t] if len(terms) == 1 and len(listed.terms) > 1 else []


def _term(listed: WordList, letters: str) -> Name | None:
    """The longest term that stands in these letters, affixes left aside."""
    found = folded_name(letters)
    held = [(len(folded), term) for term in listed.terms if (folded := folded_name(term.text)) in found]
    return max(held, key=lambda row: row[0])[1] if held else None


def _only_part(rule: Rule, choice: ast.Or, hit: Hit) -> list[tuple[Mark, str]]:
    """The one word of brackets with OR that a hit rests on."""
    named = {e.name for e in hit.evidence}
    present = [part for part in choice.parts if _written(part) in named]
    single = present[0] if len(present) == 1 else None
    return [(place_of(rule, single), _written(single))] if isinstance(single, ast.Term) else []


def _written(node: ast.Node) -> str:
    """The name that evidence gives to a part of a query; empty where it has none of its own."""
    match node:
        case ast.Term(text=text, star=star, exact=exact):
            quoted = f'"{text}"' if " " in text.strip() else text
            return f"{'=' if exact else ''}{quoted}{'*' if star else ''}"
        case ast.WordsRef(name=name) | ast.EntityRef(name=name):
            return name
        case _:
            return ""
