"""Watchlists to a Matcher, with every problem at its place; and the examples by which each file proves itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

from monitor.beside import Answers, beside, nothing
from monitor.errors import Problem, QueryError
from monitor.match import packed
from monitor.match.collector import uncollected
from monitor.match.matcher import Matcher, Watch
from monitor.match.mentions import Company, Watched
from monitor.match.names import Ready, add, heard, texts
from monitor.match.rules import Index, add_words, bind
from monitor.match.sounds import Sounds
from monitor.match.vocabulary import Vocabulary
from monitor.model import Article, Feed, Matched
from monitor.query import ast
from monitor.query import evaluate as ev
from monitor.query.gates import needed
from monitor.query.parse import parse
from monitor.text.language import language
from monitor.watchlists import Ahead, Entity, Example, Mark, Rule, Short, WatchlistFile

_MANY = 5_000
"""Patterns from which on it is worth a child to pack them."""
_NOTHING = Ahead()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A matcher, and what is wrong with the files it was made of. A rule with a problem is left out of the matcher."""

    matcher: Matcher
    problems: tuple[Problem, ...]
    anew: bool = True
    """Whether names were compiled, not found where they are kept."""
    _packed: Answers = nothing
    """Gives what shall be kept, where it is made beside the examples."""

    def keep(self, kept: Path | None) -> None:
        """Keep the names for the next time, unless something is wrong with them; `kept` as it was given before."""
        if kept is not None and self.anew and not self.problems:
            with uncollected():  # tens of thousands of rows are made, and go at once
                packed.keep(kept, self._packed() or packed.packed(self.matcher))


def names_ahead(files: Sequence[WatchlistFile]) -> bytes:
    """The names of these files, for `compile_watchlists` of another process: what `load` may do further with them."""
    with uncollected():
        entities = [entity for file in files for entity in file.entities]
        ids = Counter(entity.id for entity in entities)  # of two with one id `check` says so, and takes the last
        return packed.told([entity for entity in entities if ids[entity.id] == 1])


def compile_watchlists(
    files: Sequence[WatchlistFile],
    feeds: Sequence[Feed] = (),
    *,
    examples: bool = True,
    kept: Path | None = None,
    ahead: Ahead = _NOTHING,
    meanwhile: Callable[[], None] = nothing,
) -> Compiled:
    """Compile all files together and run their examples.

    Names that were compiled before are taken from beside `kept`, as `monitor.watchlists.load` has it, if they lie
    there; `Compiled.keep` puts them there. Those that are just made are awaited, if `load` did `names_ahead`.
    `meanwhile` is done while the automaton is built.
    """
    with uncollected():
        before = packed.restored(kept, files)
        matcher = _again(files, feeds, before, before.sounds) if before and before.sounds is not None else None
        anew = matcher is None
        problems: list[Problem] = []
        if matcher is None:
            ready = Ready(before.names if before else None)
            awaited = ready.lacks(entity for file in ahead.files for entity in file.entities)
            ready.wait_for(awaited, lambda: packed.names(ahead.answer()))
            matcher = _compiled(files, feeds, problems, ready)
        meanwhile()
    if not examples:
        return Compiled(matcher, tuple(problems), anew)
    lasting = anew and kept is not None and not problems and len(matcher.vocabulary.uses) > _MANY
    names: Answers = nothing
    if lasting:
        matcher.built()
        names = beside(lambda: [packed.packed(matcher)])
    problems.extend(_failing(matcher, files))
    return Compiled(matcher, tuple(problems), anew, names)


def _again(
    files: Sequence[WatchlistFile], feeds: Sequence[Feed], before: packed.Before, sounds: Sounds
) -> Matcher | None:
    """A matcher of the names that are kept; None where these are not those of the files to the last leaf."""
    vocabulary, index, problems = before.names.vocabulary, Index(files), list[Problem]()
    leaves = len(vocabulary.leaves)
    rules = _rules(files, index, vocabulary, problems)
    if problems or len(vocabulary.leaves) != leaves:
        return None
    owners = {n: index.entities[vocabulary.leaves[n].name] for n in before.watched}
    automaton = before.automaton
    return Matcher(vocabulary, before.watched, owners, rules, files, feeds, sounds=lambda: sounds, automaton=automaton)


def _compiled(files: Sequence[WatchlistFile], feeds: Sequence[Feed], problems: list[Problem], ready: Ready) -> Matcher:
    """A matcher of these files, whose problems are added; what is `ready` is taken as it is."""
    vocabulary = Vocabulary()
    index = Index(files)
    entities = [entity for _, entity in index.entities.values()]
    with vocabulary.folding(chain(_company_texts(entities), _word_texts(files), _name_texts(ready.lacks(entities)))):
        rules = _rules(files, index, vocabulary, problems)
        watched = _watch(index, vocabulary, index.entities, problems, ready)
    owners = {n: index.entities[vocabulary.leaves[n].name] for n in watched}
    sounds = partial(heard, {n: entity for n, (_, entity) in owners.items()}, ready)
    return Matcher(vocabulary, watched, owners, rules, files, feeds, sounds=sounds)


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
        entities = [index.entities[name][1] for name in asked]
        with vocabulary.folding(chain(_company_texts(entities), _name_texts(entities))):
            watched = _watch(index, vocabulary, asked, [], Ready())
        owners = {n: index.entities[vocabulary.leaves[n].name] for n in watched}
        sounds = partial(heard, {n: entity for n, (_, entity) in owners.items()})
        return Matcher(vocabulary, watched, owners, (), files, feeds, sounds=sounds), bound


def _name_texts(entities: Iterable[Entity]) -> Iterator[str]:
    return (text for entity in entities for text in texts(entity))


def _company_texts(entities: Iterable[Entity]) -> Iterator[str]:
    return (_bare(friend) for entity in entities for short in entity.short for friend in short.with_)


def _word_texts(files: Iterable[WatchlistFile]) -> Iterator[str]:
    return (term.text.removesuffix("*") for file in files for listed in file.words for term in listed.terms)


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
    index: Index, vocabulary: Vocabulary, wanted: Collection[str], problems: list[Problem], ready: Ready
) -> dict[int, Watched]:
    """Add the names of the wanted entities, and of the entities that keep them company.

    The latter do so by their full names alone: unless they are wanted too, their short ones are left out.
    """
    watched: dict[int, Watched] = {}
    known: dict[tuple[tuple[str, ...], int | None], tuple[Company, list[str]]] = {}
    queue = list(wanted)
    for name in queue:  # which grows on the way
        _, entity = index.entities[name]
        if vocabulary.leaf("entity", entity.id) in watched:
            continue
        leaves = add(entity, vocabulary, ready.of(entity), short=entity.id in wanted)
        shorts = []
        for leaf, short in zip(leaves.short, entity.short, strict=False):
            asked, told = (short.with_, short.within), len(problems)
            company, entities = known.get(asked) or _company(short, index, vocabulary, problems)
            if len(problems) == told:  # many short names keep the same company, and a fault is told at each
                known[asked] = company, entities
            queue.extend(entities)
            shorts.append((leaf, company))
        watched[leaves.full] = Watched(leaves.full, tuple(shorts), leaves.mask)
    return watched


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
