"""What watchlists alone tell that is sound and yet looks wrong: each with its place, what to do, and how to settle it.

Nothing of this changes what is in force. A person who wants it so writes `accept: {warning: shared-name, reason: ...}`
at the entity or the rule; the names are `monitor.watchlists.WARNINGS`. What nobody would want counts as an error of
`monitor check` until it is settled: a name that is a common word, a rule that no example proves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from monitor.errors import Problem, QueryError
from monitor.match import Matcher, compile_watchlists
from monitor.match.vocabulary import abbreviated
from monitor.model import LANGUAGES, Article
from monitor.query import ast
from monitor.query.parse import parse
from monitor.text import fold_batch, words
from monitor.text.common import is_common
from monitor.watchlists import Accept, Entity, Mark, Name, Rule, Source, WatchlistFile

GRAVE = frozenset({"common-word", "unproved"})
"""What `monitor check` counts as an error, though the file is in force."""
LEAST_STEM = 3
"""Letters that must be left before a star."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """One warning."""

    slug: str
    """What `accept` calls it."""
    problem: Problem
    settled: bool


class Spelling(NamedTuple):
    """One spelling of an entity; the same letters under several languages are one."""

    entity: Entity
    loud: bool
    """A mention is mailed."""
    name: Name
    folded: bytes


def plain_warnings(files: Sequence[WatchlistFile], matcher: Matcher | None = None) -> list[Warned]:
    """What the files alone tell, in the order of files and lines. `matcher` is theirs; None lets it be compiled."""
    spelt = [spelling for file in files for spelling in spellings_of(file)]
    found = [
        *_shared(spelt),
        *_common_words(spelt),
        *_cycles(files),
        *_short_stars(files),
        *_idle_masks(files, matcher),
        *_unproved(files),
        *_told_twice(files),
    ]
    order = {file.file: number for number, file in enumerate(files)}
    return sorted(found, key=lambda w: (order[w.problem.file], w.problem.line, w.problem.column))


def warned(slug: str, mark: Mark, accepts: Iterable[Accept], sentence: str, hint: str) -> Warned:
    """Make a warning; one that a person has accepted is settled."""
    problem = Problem(mark.file, mark.line, mark.column, sentence, hint, warning=slug not in GRAVE)
    return Warned(slug=slug, problem=problem, settled=any(a.warning == slug for a in accepts))


def spellings_of(file: WatchlistFile) -> Iterator[Spelling]:
    """Every spelling of every entity of a file, once."""
    folds = folded_names(text for entity in file.entities for text in (entity.name, *(n.text for n in entity.names)))
    for entity in file.entities:
        loud = (entity.level or file.level) != "low"
        seen: set[bytes] = set()
        for name in (Name(entity.name, "en", entity.mark), *entity.names):
            folded = folds[name.text]
            if folded and folded not in seen:
                seen.add(folded)
                yield Spelling(entity, loud, name, folded)


def folded_names(texts: Iterable[str]) -> dict[str, bytes]:
    """Many names as `folded_name` folds one, in one pass."""
    wanted = list(dict.fromkeys(texts))
    data, bounds = fold_batch(wanted)
    places = pairwise(bounds) if wanted else ()
    return {text: b" ".join(data[start + 1 : end].split()) for text, (start, end) in zip(wanted, places, strict=True)}


@lru_cache(maxsize=16_384)
def folded_name(text: str) -> bytes:
    """Return the folded words of a name, parted by single spaces."""
    return b" ".join(words(text))


def _shared(spelt: Iterable[Spelling]) -> Iterator[Warned]:
    owners: dict[bytes, list[Spelling]] = defaultdict(list)
    for spelling in spelt:
        owners[spelling.folded].append(spelling)
    told: set[tuple[str, str]] = set()
    for first, *others in owners.values():
        for other in others:
            pair = first.entity.id, other.entity.id
            if pair in told:
                continue
            told.add(pair)
            place = f"{first.name.mark.file}:{first.name.mark.line}"
            yield warned(
                "shared-name",
                other.name.mark,
                (*first.entity.accept, *other.entity.accept),
                f"`{other.name.text}` is a name of `{pair[1]}` and of `{pair[0]}` ({place}), so both are mentioned.",
                "Move it to `short` of one of them, with the company that tells them apart.",
            )


def _cycles(files: Sequence[WatchlistFile]) -> Iterator[Warned]:
    """One warning per ring of relations, at the relation that closes it."""
    entities = {entity.id: entity for file in files for entity in file.entities}
    done: set[str] = set()
    for start in entities:
        path: list[str] = []
        yield from _rings(start, entities, path, done)


def _rings(name: str, entities: dict[str, Entity], path: list[str], done: set[str]) -> Iterator[Warned]:
    if name in done or name not in entities:
        return
    path.append(name)
    for relation in entities[name].relations:
        if relation.id in path and relation.id != name:
            ring = path[path.index(relation.id) :]
            yield warned(
                "cycle",
                relation.mark,
                [accept for member in ring for accept in entities[member].accept],
                f"The relations go in a ring: {' > '.join((*ring, ring[0]))}, so `@{ring[0]}+` means all of them.",
                "Delete the relation that is not true.",
            )
        else:
            yield from _rings(relation.id, entities, path, done)
    path.pop()
    done.add(name)


def _short_stars(files: Sequence[WatchlistFile]) -> Iterator[Warned]:
    for file in files:
        for term in (t for listed in file.words for t in listed.terms if t.text.endswith("*")):
            if _stem(term.text) < LEAST_STEM:
                yield _short_star(term.text, term.mark, ())
        for rule in file.rules:
            for node in nodes_of(rule):
                if isinstance(node, ast.Term) and node.star and _stem(node.text) < LEAST_STEM:
                    yield _short_star(f"{node.text}*", place_of(rule, node), rule.accept)


def _stem(text: str) -> int:
    """Letters that folding leaves: hamza, vowel signs and the like are no letters to look for."""
    return len(b"".join(words(text.removesuffix("*"))))


def _short_star(text: str, mark: Mark, accepts: Iterable[Accept]) -> Warned:
    sentence = f"Of `{text}` fewer than {LEAST_STEM} letters are left to look for, which finds half the dictionary."
    return warned("short-star", mark, accepts, sentence, "Write the words out.")


def nodes_of(rule: Rule) -> list[ast.Node]:
    """The parts of a rule's query; none of one that cannot be read, which is an error told elsewhere."""
    try:
        return list(ast.walk(parse(rule.query, search=False)))
    except QueryError:
        return []


def place_of(rule: Rule, node: ast.Node) -> Mark:
    """Where a part of a rule's query stands."""
    mark = rule.query_mark
    return Mark(file=mark.file, line=mark.line, column=mark.column + node.start)


def _common_words(spelt: Iterable[Spelling]) -> Iterator[Warned]:
    """Names that are any day's words; an abbreviation is none, because its capitals tell it apart."""
    for spelling in spelt:
        if is_common(spelling.folded.split()) and not abbreviated(spelling.name.text):
            yield warned(
                "common-word",
                spelling.name.mark,
                spelling.entity.accept,
                f"`{spelling.name.text}` of `{spelling.entity.id}` is a common word, found in articles about anything.",
                "Move it to `short`, with the company that tells what is meant.",
            )


def _unproved(files: Sequence[WatchlistFile]) -> Iterator[Warned]:
    for file in files:
        shown = {rule for example in file.examples for rule in example.hits}
        for rule in (r for r in file.rules if r.id not in shown):
            yield warned(
                "unproved",
                rule.mark,
                rule.accept,
                f"The rule `{rule.id}` has no example that it hits, so nothing proves that it works.",
                f"Write one under `examples`: `- {{say: ..., hits: [{rule.id}]}}`.",
            )


def _told_twice(files: Sequence[WatchlistFile]) -> Iterator[Warned]:
    """A need that two rules answer, an id of the catalogue that two entities bear: told at the later one."""
    needs: dict[str, Rule] = {}
    for rule in (r for file in files for r in file.rules if r.need):
        first = needs.setdefault(rule.need, rule)
        if first is not rule:
            sentence = f"The need `{rule.need}` is that of the rule `{first.id}` too ({_where(first.mark)})."
            yield warned("shared-need", rule.mark, (*first.accept, *rule.accept), sentence, "Correct one number.")
    ids: dict[str, Entity] = {}
    for entity in (e for file in files for e in file.entities):
        for name in entity.catalogue:
            owner = ids.setdefault(name, entity)
            if owner is not entity:
                sentence = f"The catalogue id `{name}` is that of `{owner.id}` too ({_where(owner.mark)})."
                accepts = (*owner.accept, *entity.accept)
                yield warned("shared-catalogue", entity.mark, accepts, sentence, "Keep it at one of them.")


def _where(mark: Mark) -> str:
    return f"{mark.file}:{mark.line}"


def _idle_masks(files: Sequence[WatchlistFile], matcher: Matcher | None) -> Iterator[Warned]:
    """Masks in which no name of their entity stands, so that they never swallow a mention.

    Nearly all hold a name letter by letter; what the engine finds in the few others, endings and sounds included, is
    asked of the engine.
    """
    masked = [entity for file in files for entity in file.entities if entity.mask]
    folds = folded_names(text for entity in masked for text in (*_spelt(entity), *(m.text for m in entity.mask)))
    joined = {text: folded.replace(b" ", b"") for text, folded in folds.items()}
    doubtful = [
        (entity, mask)
        for entity in masked
        if (own := sorted({joined[text] for text in _spelt(entity)}, key=len))  # the short ones stand in most masks
        for mask in entity.mask
        if not _holds(joined[mask.text], own)
    ]
    if not doubtful:
        return
    found = _met(doubtful, matcher or compile_watchlists(files, examples=False).matcher)
    for entity, mask in doubtful:
        if (entity.id, mask.text) not in found:
            yield warned(
                "idle-mask",
                mask.mark,
                entity.accept,
                f"No name of `{entity.id}` stands in the mask `{mask.text}`, so it swallows nothing.",
                "Write the longer expression that holds the name, or delete it.",
            )


def _holds(letters: bytes, names: Iterable[bytes]) -> bool:
    for name in names:  # noqa: SIM110 (`any` makes a generator for each mask, and there are thousands)
        if name in letters:
            return True
    return False


def _spelt(entity: Entity) -> tuple[str, ...]:
    return (entity.name, *(n.text for n in entity.names), *(s.text for s in entity.short))


def _met(doubtful: Sequence[tuple[Entity, Name]], matcher: Matcher) -> set[tuple[str, str]]:
    """(entity, mask) for each mask in which a name of its entity stands, in whatever language an article has.

    Asked is what the scan meets, before masks swallow it and company is looked for.
    """
    asked = [(e, mask, lang) for e, mask in doubtful for lang in LANGUAGES]
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    texts = [Article(id="mask", feed="", title="", text=mask.text, lang=lang, seen=moment) for _, mask, lang in asked]
    leaves = matcher.vocabulary.leaves
    return {
        (entity.id, mask.text)
        for (entity, mask, _), view in zip(asked, matcher.views(texts), strict=True)
        if any(leaves[n].kind in {"entity", "short"} and leaves[n].name == entity.id for n in view.places)
    }


# what the analyses tell


def wrong_quotes(files: Sequence[WatchlistFile], seeds: Path) -> list[Problem]:
    """Quotes that do not stand in the line of the analysis that they name; `seeds` is the folder of the analyses."""
    analyses: dict[str, list[str] | None] = {}
    problems = []
    for entity in (e for file in files for e in file.entities):
        source = entity.source
        if source is None or not source.seed:
            continue
        if source.seed not in analyses:
            analyses[source.seed] = _lines(seeds, source.seed)
        if wrong := _wrong_source(source, analyses[source.seed]):
            mark, sentence, hint = wrong
            mark = mark or entity.mark
            problems.append(Problem(mark.file, mark.line, mark.column, sentence, hint))
    return problems


def _lines(seeds: Path, name: str) -> list[str] | None:
    """The lines of an analysis, runs of blanks as one; None when the folder holds no such file."""
    path = seeds / name
    if Path(name).name != name or not path.is_file():
        return None
    return [" ".join(line.split()) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]


def _wrong_source(source: Source, lines: list[str] | None) -> tuple[Mark | None, str, str] | None:
    """Place, sentence and hint of what is wrong with the evidence of an entity; None when all is right."""
    if lines is None:
        return source.seed_mark, f"There is no analysis `{source.seed[:80]}`.", "Correct the name of its file."
    if source.line > len(lines):
        sentence = f"`{source.seed}` has {len(lines)} lines, so there is no line {source.line}."
        return source.line_mark, sentence, "Write the line that holds the quote."
    quote = " ".join(source.quote.split())
    places = [number for number, line in enumerate(lines, start=1) if quote in line]
    if not quote or source.line in places or (places and not source.line):
        return None
    hint = f"It stands in line {places[0]}." if places else "Copy it letter by letter."
    return source.quote_mark, f"The quote does not stand in line {source.line} of `{source.seed}`.", hint
