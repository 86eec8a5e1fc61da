"""Watchlists to a Matcher, with every problem at its place; and the examples by which each file proves itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from monitor.beside import beside, nothing
from monitor.errors import Problem, QueryError
from monitor.match import packed
from monitor.match.collector import uncollected
from monitor.match.matcher import Matcher, Watch
from monitor.match.mentions import Company, Watched
from monitor.match.rules import Index, add_words, bind
from monitor.match.sounds import Sounds
from monitor.match.vocabulary import Use, Vocabulary, abbreviated
from monitor.model import Article, Feed, Matched
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.query.gates import needed
from monitor.query.parse import parse
from monitor.text.language import language
from monitor.text.spellings import BARE, SHOUTED, spellings
from monitor.watchlists import Entity, Example, Mark, Rule, Short, WatchlistFile

_MANY = 5_000
"""Patterns from which on it is worth a child to pack them."""
_SEARCHED_ONLY = frozenset({"since", "until", "watchlist", "rule", "level", "story"})


@dataclass(frozen=True, slots=True)
class Compiled:
    """A matcher, and what is wrong with the files it was made of. A rule with a problem is left out of the matcher."""

    matcher: Matcher
    problems: tuple[Problem, ...]
    anew: bool = True
    """Whether names were compiled, not found where they are kept."""
    _packed: bytes = b""
    """What shall be kept, where it was made beside the examples."""

    def keep(self, kept: Path | None) -> None:
        """Keep the names for the next time, unless something is wrong with them; `kept` as it was given before."""
        if kept is not None and self.anew and not self.problems:
            with uncollected():  # tens of thousands of rows are made, and go at once
                packed.keep(kept, self._packed or packed.packed(self.matcher))


def compile_watchlists(
    files: Sequence[WatchlistFile], feeds: Sequence[Feed] = (), *, examples: bool = True, kept: Path | None = None
) -> Compiled:
    """Compile all files together and run their examples.

    Names that were compiled before are taken from beside `kept`, as `monitor.watchlists.load` has it, if they lie
    there; `Compiled.keep` puts them there.
    """
    with uncollected():
        matcher = _again(files, feeds, kept)
        anew = matcher is None
        if matcher is None:
            matcher, problems = _compiled(files, feeds)
        else:
            problems = []
    if not examples:
        return Compiled(matcher, tuple(problems), anew)
    lasting = anew and kept is not None and not problems and len(matcher.vocabulary.uses) > _MANY
    names = beside(partial(packed.packed, matcher)) if lasting else nothing
    problems.extend(_failing(matcher, files))
    return Compiled(matcher, tuple(problems), anew, names() or b"")


def _again(files: Sequence[WatchlistFile], feeds: Sequence[Feed], kept: Path | None) -> Matcher | None:
    """A matcher of the names that are kept; None where these are not those of the files to the last leaf."""
    names = packed.restored(kept, files)
    if names is None:
        return None
    vocabulary, index, problems = names.vocabulary, Index(files), list[Problem]()
    leaves = len(vocabulary.leaves)
    rules = _rules(files, index, vocabulary, problems)
    if problems or len(vocabulary.leaves) != leaves:
        return None
    owners = {n: index.entities[vocabulary.leaves[n].name] for n in names.watched}
    sounds, automaton = names.sounds, names.automaton
    return Matcher(vocabulary, names.watched, owners, rules, files, feeds, sounds=lambda: sounds, automaton=automaton)


def _compiled(files: Sequence[WatchlistFile], feeds: Sequence[Feed]) -> tuple[Matcher, list[Problem]]:
    vocabulary = Vocabulary()
    index = Index(files)
    problems: list[Problem] = []
    with vocabulary.folding(text for file in files for text in _texts(file)):
        rules = _rules(files, index, vocabulary, problems)
        watched = _watch(index, vocabulary, index.entities, problems)
    owners = {n: index.entities[vocabulary.leaves[n].name] for n in watched}
    return Matcher(vocabulary, watched, owners, rules, files, feeds, sounds=lambda: _heard(owners)), problems


def _rules(
    files: Sequence[WatchlistFile], index: Index, vocabulary: Vocabulary, problems: list[Problem]
) -> list[Watch]:
    rules = []
    for file in files:
        for rule in file.rules:
            try:
                rules.append(Watch(file, rule, _rule(rule, index, vocabulary)))
            except QueryError as error:
                problems.append(_at_query(rule.query_mark, error))
    return rules


def compile_query(
    node: ast.Node, query: str, files: Sequence[WatchlistFile], feeds: Sequence[Feed] = ()
) -> tuple[Matcher, ev.Bound]:
    """A matcher that looks for nothing but what one query names: search need not wait for a thousand names.

    Raises QueryError at a name that nobody defined.
    """
    with uncollected():  # a look through all that the watchlists in force hold took longer than a name
        vocabulary = Vocabulary()
        index = Index(files)
        bound = bind(node, query, index, vocabulary)
        asked = dict.fromkeys(leaf.name for leaf in vocabulary.leaves if leaf.kind == "entity")
        with vocabulary.folding(text for name in asked for text in _texts_of(index.entities[name][1])):
            watched = _watch(index, vocabulary, asked, [])
        owners = {n: index.entities[vocabulary.leaves[n].name] for n in watched}
        return Matcher(vocabulary, watched, owners, (), files, feeds, sounds=lambda: _heard(owners)), bound


def _heard(owners: Mapping[int, tuple[WatchlistFile, Entity]]) -> Sounds:
    """The names of these entities that are found by ear."""
    return Sounds((leaf, lang, text) for leaf, (_, entity) in owners.items() for lang, text in _spelt(entity))


def _texts(file: WatchlistFile) -> Iterator[str]:
    """Whatever of a file is looked for."""
    for entity in file.entities:
        yield from _texts_of(entity)
    yield from (term.text.removesuffix("*") for listed in file.words for term in listed.terms)


def _texts_of(entity: Entity) -> Iterator[str]:
    yield entity.name
    yield from (name.text for name in (*entity.names, *entity.mask))
    yield from (short.text for short in entity.short)
    yield from (_bare(friend) for short in entity.short for friend in short.with_)


def _spelt(entity: Entity) -> list[tuple[str, str]]:
    """(language, spelling) of every name of an entity."""
    return [("en", entity.name), *((name.lang, name.text) for name in entity.names)]


def _bare(friend: str) -> str:
    """Company without quotation marks and star."""
    return friend.strip('"“”«»').removesuffix("*")


def _rule(rule: Rule, index: Index, vocabulary: Vocabulary) -> ev.Bound:
    node = parse(rule.query, search=False)
    bound = bind(node, rule.query, index, vocabulary)
    if needed(bound, {}) is None:
        raise QueryError("This rule names nothing to look for.", rule.query, 0, len(rule.query))
    return bound


def _at_query(mark: Mark, error: QueryError) -> Problem:
    return Problem(mark.file, mark.line, mark.column + error.start, error.sentence)


def _watch(
    index: Index, vocabulary: Vocabulary, wanted: Collection[str], problems: list[Problem]
) -> dict[int, Watched]:
    """Add the names of the wanted entities, and of the entities that keep them company.

    The latter do so by their full names alone: unless they are wanted too, their short ones are left out.
    """
    watched: dict[int, Watched] = {}
    known: dict[tuple[tuple[str, ...], int | None], tuple[Company, list[str]]] = {}
    queue = list(wanted)
    while queue:
        _, entity = index.entities[queue.pop()]
        number = vocabulary.leaf("entity", entity.id)
        if number in watched:
            continue
        _add_names(entity, number, vocabulary)
        shorts = []
        for place, short in enumerate(entity.short if entity.id in wanted else ()):
            leaf = vocabulary.leaf("short", entity.id, place)
            use = Use(leaf=leaf, lang=short.lang, exact=short.text if short.case else "")
            vocabulary.add(short.text, use)
            if not short.case:
                _add_others(short.text, use, entity.kind, vocabulary)
            asked, told = (short.with_, short.within), len(problems)
            company, entities = known.get(asked) or _company(short, index, vocabulary, problems)
            if len(problems) == told:  # many short names keep the same company, and a fault is told at each
                known[asked] = company, entities
            queue.extend(entities)
            shorts.append((leaf, company))
        mask = None
        if entity.mask:
            mask = vocabulary.leaf("mask", entity.id)
            for longer in entity.mask:
                vocabulary.add(longer.text, Use(leaf=mask, lang=longer.lang))
        watched[number] = Watched(number, tuple(shorts), mask)
    return watched


def _add_names(entity: Entity, number: int, vocabulary: Vocabulary) -> None:
    for lang, spelling in _spelt(entity):
        use = Use(leaf=number, lang=lang, capitals=abbreviated(spelling))
        vocabulary.add(spelling, use)
        _add_others(spelling, use, entity.kind, vocabulary)


def _add_others(spelling: str, use: Use, kind: str, vocabulary: Vocabulary) -> None:
    """The spellings that follow from a listed one, in full or short, with what their first word asks for."""
    name = vocabulary.words(spelling)
    for other in spellings(name, use.lang, kind):
        capitals = use.capitals if other[0] == name[0] else other[0] in SHOUTED
        close = other[0] in BARE
        same = capitals == use.capitals and not close
        vocabulary.add_words(other, use if same else use._replace(capitals=capitals, close=close))


def _company(short: Short, index: Index, vocabulary: Vocabulary, problems: list[Problem]) -> tuple[Company, list[str]]:
    leaves, friends, entities = [], [], []
    for friend in short.with_:
        if friend.startswith("@"):
            # one that nobody defined is told by monitor.watchlists.cross_check; here it is no company
            with suppress(KeyError):
                ref = ast.EntityRef(name=friend[1:].rstrip("+"), plus=friend.endswith("+"), start=0, end=0)
                entities.extend(index.meant(ref))
        elif friend.startswith("#"):
            if friend[1:] in index.words:
                leaves.append(add_words(index.words[friend[1:]], vocabulary))
            else:
                hint = index.nearest(friend[1:], words=True).strip() or "Define it, or correct the spelling."
                sentence = f"There is no word list `{friend}`."
                problems.append(Problem(short.mark.file, short.mark.line, short.mark.column, sentence, hint))
        else:
            friends.append(vocabulary.friend(_bare(friend), star=friend.strip('"“”«»').endswith("*")))
    numbers = frozenset(vocabulary.leaf("entity", i) for i in entities)
    return Company(frozenset(leaves), frozenset(friends), numbers, short.within), entities


def _failing(matcher: Matcher, files: Sequence[WatchlistFile]) -> list[Problem]:
    """Examples that do not hold, each at its place."""
    asked = [(file, example) for file in files for example in file.examples]
    answers = matcher.match([example_article(example) for _, example in asked])
    problems: list[Problem] = []
    for (file, example), matched in zip(asked, answers, strict=True):
        problems.extend(
            Problem(example.mark.file, example.mark.line, example.mark.column, sentence)
            for sentence in _wrong(file, example, matched)
        )
    return problems


def example_article(example: Example) -> Article:
    """An example as an article: its language is the one it gives, else the one its letters tell."""
    lang = example.lang or language(example.title, example.say)
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    return Article(id="example", feed="", title=example.title, text=example.say, lang=lang, seen=moment)


def _wrong(file: WatchlistFile, example: Example, matched: Matched) -> list[str]:
    own = {e.id for e in file.entities}
    expected, found = set(example.hits), {h.rule for h in matched.hits if h.watchlist == file.id and h.rule}
    named = defaultdict(list)
    for mention in matched.mentions:
        if mention.entity in own:
            named[mention.entity].append(mention.letters)
    sentences = []
    start = f'Example "{example.say[:50]}{"…" if len(example.say) > 50 else ""}"'
    if missing := expected - found:
        sentences.append(f"{start} should hit {_listed(missing)} and does not: try `monitor explain` on it.")
    if extra := found - expected:
        sentences.append(f"{start} hits {_listed(extra)} and should not: narrow the rule or mend the example.")
    wanted = set(example.mentions) if example.mentions is not None else (None if expected else set())
    if wanted is not None:
        if unfound := wanted - named.keys():
            sentences.append(f"{start} should mention {_listed(unfound)} and does not: add the spelling it uses.")
        if unwanted := named.keys() - wanted:
            letters = ", ".join(f"{e} ({named[e][0]})" for e in sorted(unwanted))
            sentences.append(f"{start} mentions {letters} and should not: add a mask, company, or `mentions:`.")
    return sentences


def _listed(names: Collection[str | None]) -> str:
    return ", ".join(f"`{n}`" for n in sorted(n or "" for n in names))
