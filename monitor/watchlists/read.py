"""One watchlist file: text -> WatchlistFile, or every problem in it with line, column and a suggestion."""

from __future__ import annotations

from hashlib import blake2b

from monitor._yaml import List, Map, Node, Reader, Text, did_you_mean, parse
from monitor.model import Level
from monitor.watchlists.checks import findable, language, level, slug, slugs
from monitor.watchlists.shape import (
    KINDS,
    RELATIONS,
    WARNINGS,
    Accept,
    Entity,
    Example,
    Mark,
    Name,
    Relation,
    Rule,
    Short,
    Source,
    WatchlistFile,
    WordList,
)

FILE_KEYS = ("watchlist", "title", "owner", "level", "entities", "words", "rules", "examples")
ENTITY_KEYS = (
    "kind",
    "catalogue",
    "level",
    "name",
    "names",
    "short",
    "mask",
    "groups",
    *RELATIONS,
    "source",
    "note",
    "from",
    "accept",
)
RULE_KEYS = ("title", "level", "query", "languages", "sources", "need", "accept")
EXAMPLE_KEYS = ("say", "title", "lang", "hits", "mentions")
SHORT_KEYS = ("say", "with", "within", "case", "lang")
SOURCE_KEYS = ("seed", "line", "quote")

MAX_NAME = 200
QUOTED_WORDS = 15
"""At most so many words of an analysis are quoted."""
STEM = 3
"""Letters before a star: a shorter stem would find half the dictionary."""


def read_watchlist(name: str, source: bytes | str) -> WatchlistFile:
    """Read one file; `name` stands in messages. Raises ConfigError with every problem of the file."""
    root = parse(name, source)
    reader = Reader(name)
    fields = reader.fields(root, "A watchlist", FILE_KEYS, ("watchlist", "title"))
    named = fields.get("watchlist")
    file_level = level(reader, fields.get("level")) or "normal"
    text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    rules = _rules(reader, fields.get("rules"), file_level)
    found = WatchlistFile(
        id=slug(reader, named, "id of a watchlist") if isinstance(named, Text) else reader.text(named, "`watchlist`"),
        title=reader.text(fields.get("title"), "`title`"),
        file=name,
        rev=revision(text),
        source=text,
        level=file_level,
        owner=reader.text(fields.get("owner"), "`owner`"),
        entities=_entities(reader, fields.get("entities")),
        words=_word_lists(reader, fields.get("words")),
        rules=rules,
        examples=_examples(reader, fields.get("examples"), {rule.id for rule in rules}),
    )
    reader.finish()
    return found


def revision(source: str) -> str:
    """Return the 12 hex digits that name a version of a file."""
    return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _mark(reader: Reader, node: Node) -> Mark:
    return Mark(file=reader.name, line=node.line, column=node.column)


def _entities(reader: Reader, node: Node | None) -> tuple[Entity, ...]:
    if node is None:
        return ()
    return tuple(_entity(reader, key, value) for key, value in reader.mapping(node, "`entities`"))


def _entity(reader: Reader, key: Text, node: Node) -> Entity:
    entity = slug(reader, key, "id of an entity")
    fields = _entity_fields(reader, key, node)
    return Entity(
        id=entity,
        kind=reader.choice(fields.get("kind"), "kind of entity", KINDS),
        name=_expression(reader, fields.get("name"), "`name`"),
        mark=_mark(reader, key),
        names=_by_language(reader, fields.get("names"), "`names`", stars=False),
        short=tuple(_short(reader, item) for item in reader.items(fields.get("short"), "`short`")),
        mask=_mask(reader, fields.get("mask")),
        groups=tuple(group.value for group in slugs(reader, fields.get("groups"), "groups")),
        relations=_relations(reader, entity, fields),
        level=level(reader, fields.get("level")),
        catalogue=tuple(x.value for x in reader.texts(fields.get("catalogue"), "`catalogue`", single=True)),
        source=_source(reader, fields.get("source")),
        origin=reader.text(fields.get("from"), "`from`"),
        note=reader.text(fields.get("note"), "`note`"),
        accept=_accept(reader, fields.get("accept")),
    )


def _entity_fields(reader: Reader, key: Text, node: Node) -> dict[str, Node]:
    """The keys of an entity; lines that were not indented below its id are told as what they are."""
    if isinstance(node, Text) and key.value in ENTITY_KEYS:
        reader.complain(key, f"`{key.value}` stands as far left as the id of its entity.", "Indent it by two spaces.")
        return {}
    if isinstance(node, Text) and not node.value:
        hint = "Write `kind:` and `name:` below it, two spaces further to the right."
        reader.complain(key, f"The entity `{key.value[:60]}` is empty.", hint)
        return {}
    return reader.fields(node, f"The entity `{key.value[:60]}`", ENTITY_KEYS, ("kind", "name"))


def _expression(reader: Reader, node: Node | None, what: str, *, stars: bool = False) -> str:
    """Return something to look for: it has a letter or digit; a star only at the end, after three letters."""
    text = " ".join(reader.text(node, what).split())
    if node is None or not text:
        return text
    if len(text) > MAX_NAME:
        reader.complain(node, f"{what} is longer than {MAX_NAME} characters.", "Write the name alone.")
    stem = text.rstrip("*")
    if not (text[0].isalpha() or findable(text)):
        reader.complain(node, f"{what} `{text[:60]}` has no letter or digit.", "Write a name or a word.")
    elif "*" in text and not stars:
        reader.complain(node, f"A star (`{text[:60]}`) works only in `words` and queries.", "Names take endings alone.")
    elif "*" in stem or len(text) - len(stem) > 1:
        reader.complain(node, f"In `{text[:60]}` a star may stand only at the end.", "Write the beginning and one `*`.")
    elif "*" in text and sum(letter.isalnum() for letter in stem) < STEM:
        reader.complain(node, f"`{text[:60]}` needs {STEM} letters before its star.", "Write the words out.")
    return text


def _by_language(reader: Reader, node: Node | None, what: str, *, stars: bool) -> tuple[Name, ...]:
    """Names or words under the codes of their languages; no spelling twice under one of them."""
    if node is None:
        return ()
    if isinstance(node, List | Text):
        reader.complain(node, f"{what} must be sorted by language.", "Write `en: [...]`, `ar: [...]` and so on.")
        return ()
    found: list[Name] = []
    for key, value in reader.mapping(node, what):
        lang = language(reader, key)
        seen: dict[str, int] = {}
        for item in reader.items(value, f"`{key.value[:60]}`"):
            name = _name(reader, item, lang, stars=stars)
            if name.text in seen:
                sentence = f"`{name.text[:60]}` stands twice under `{lang}` (first in line {seen[name.text]})."
                reader.complain(item, sentence, "Delete one.")
            seen.setdefault(name.text, item.line)
            found.append(name)
    return tuple(found)


def _name(reader: Reader, node: Node, lang: str, *, stars: bool = False) -> Name:
    """One spelling, alone or as {say: ..., doubtful: ...}."""
    doubtful = ""
    said: Node | None = node
    if isinstance(node, Map):
        fields = reader.fields(node, "A spelling", ("say", "doubtful"), ("say",))
        doubtful = reader.text(fields.get("doubtful"), "`doubtful`")
        said = fields.get("say")
    elif isinstance(node, Text) and not node.value.strip():
        reader.complain(node, "An item of the list is empty.", "Write a value or delete it.")
    text = _expression(reader, said, "A spelling", stars=stars)
    return Name(text=text, lang=lang, mark=_mark(reader, said or node), doubtful=doubtful)


def _short(reader: Reader, node: Node) -> Short:
    fields = reader.fields(node, "An item of `short`", SHORT_KEYS, ("say", "with"))
    lang = fields.get("lang")
    within = fields.get("within")
    company = reader.texts(fields.get("with"), "`with`", single=True)
    for item in company:
        if not findable(item.value):
            reader.complain(item, f"`{item.value[:60]}` in `with` has no letter or digit.", "Write a word or @entity.")
    return Short(
        text=_expression(reader, fields.get("say"), "`say`"),
        with_=tuple(item.value for item in company),
        mark=_mark(reader, fields.get("say", node)),
        lang=language(reader, lang) if isinstance(lang, Text) else reader.text(lang, "`lang`"),
        within=reader.number(within, "`within`", 0, 0, 1000) if within else None,
        case=reader.choice(fields.get("case"), "way to compare case", ("exact", "any"), "any") == "exact",
    )


def _mask(reader: Reader, node: Node | None) -> tuple[Name, ...]:
    masks: dict[str, Name] = {}
    for item in reader.items(node, "`mask`"):
        mask = _name(reader, item, "")
        if mask.text in masks:
            reader.complain(item, f"`{mask.text[:60]}` stands twice in `mask`.", "Delete one.")
        masks[mask.text] = mask
    return tuple(masks.values())


def _relations(reader: Reader, entity: str, fields: dict[str, Node]) -> tuple[Relation, ...]:
    found = []
    for kind in RELATIONS:
        for target in slugs(reader, fields.get(kind), kind, single=True):
            if target.value == entity:
                reader.complain(target, f"`{entity}` stands in `{kind}` of itself.", "Name the larger thing.")
            found.append(Relation(kind=kind, id=target.value, mark=_mark(reader, target)))
    return tuple(found)


def _source(reader: Reader, node: Node | None) -> Source | None:
    if node is None:
        return None
    fields = reader.fields(node, "`source`", SOURCE_KEYS)
    quote = reader.text(fields.get("quote"), "`quote`")
    if len(quote.split()) > QUOTED_WORDS:
        place = fields.get("quote", node)
        reader.complain(place, f"The quote has {len(quote.split())} words.", f"Keep at most {QUOTED_WORDS} of them.")
    line = reader.number(fields.get("line"), "`line`", 0, 1, 10_000_000)
    at = {key: _mark(reader, fields.get(key, node)) for key in SOURCE_KEYS}
    return Source(
        seed=reader.text(fields.get("seed"), "`seed`"),
        line=line,
        quote=quote,
        seed_mark=at["seed"],
        line_mark=at["line"],
        quote_mark=at["quote"],
    )


def _accept(reader: Reader, node: Node | None) -> tuple[Accept, ...]:
    if node is None:
        return ()
    found = []
    for item in node.items if isinstance(node, List) else (node,):
        fields = reader.fields(item, "`accept`", ("warning", "reason", "on"), ("warning", "reason"))
        found.append(
            Accept(
                warning=reader.choice(fields.get("warning"), "warning", WARNINGS),
                reason=reader.text(fields.get("reason"), "`reason`"),
                on=reader.text(fields.get("on"), "`on`"),
            )
        )
    return tuple(found)


def _word_lists(reader: Reader, node: Node | None) -> tuple[WordList, ...]:
    if node is None:
        return ()
    return tuple(
        WordList(
            id=slug(reader, key, "id of a word list"),
            terms=_by_language(reader, value, f"The word list `{key.value[:60]}`", stars=True),
            mark=_mark(reader, key),
        )
        for key, value in reader.mapping(node, "`words`")
    )


def _rules(reader: Reader, node: Node | None, default: Level) -> tuple[Rule, ...]:
    if node is None:
        return ()
    return tuple(_rule(reader, key, value, default) for key, value in reader.mapping(node, "`rules`"))


def _rule(reader: Reader, key: Text, node: Node, default: Level) -> Rule:
    rule = slug(reader, key, "id of a rule")
    fields = reader.fields(node, f"The rule `{rule[:60]}`", RULE_KEYS, ("title", "query"))
    query = fields.get("query", node)
    sources = fields.get("sources")
    limits = reader.fields(sources, "`sources`", ("only", "never")) if sources else {}
    if sources and isinstance(sources, Map) and not sources.entries:
        reader.complain(sources, "`sources` is empty.", "Write `only: [...]` or `never: [...]`, or delete the key.")
    reader.text(fields.get("query"), "`query`")
    return Rule(
        id=rule,
        title=reader.text(fields.get("title"), "`title`"),
        level=level(reader, fields.get("level")) or default,
        query=query.value if isinstance(query, Text) else "",
        query_mark=_mark(reader, query),
        mark=_mark(reader, key),
        languages=_languages(reader, fields.get("languages")),
        sources_only=tuple(feed.value for feed in slugs(reader, limits.get("only"), "only")),
        sources_never=tuple(feed.value for feed in slugs(reader, limits.get("never"), "never")),
        need=reader.text(fields.get("need"), "`need`"),
        accept=_accept(reader, fields.get("accept")),
    )


def _languages(reader: Reader, node: Node | None) -> tuple[str, ...]:
    """Return the languages of a rule; `all` is every one of them, written as none."""
    if isinstance(node, Text) and node.value.strip() == "all":
        return ()
    return tuple(language(reader, code) for code in reader.texts(node, "`languages`", single=True))


def _examples(reader: Reader, node: Node | None, rules: set[str]) -> tuple[Example, ...]:
    found = []
    for item in reader.items(node, "`examples`"):
        fields = reader.fields(item, "An example", EXAMPLE_KEYS, ("say", "hits"))
        hits = reader.texts(fields.get("hits"), "`hits`", empty=True)
        for hit in hits:
            if hit.value not in rules:
                hint = did_you_mean(hit.value, rules) or "`hits` lists rules of this file; entities go into `mentions`."
                reader.complain(hit, f"This file has no rule `{hit.value[:60]}`.", hint)
        mentions = fields.get("mentions")
        lang = fields.get("lang")
        mentioned = slugs(reader, mentions, "mentions", empty=True)
        found.append(
            Example(
                say=reader.text(fields.get("say"), "`say`"),
                hits=tuple(hit.value for hit in hits),
                mark=_mark(reader, item),
                mentions=tuple(entity.value for entity in mentioned) if mentions else None,
                title=reader.text(fields.get("title"), "`title`"),
                lang=language(reader, lang) if isinstance(lang, Text) else reader.text(lang, "`lang`"),
            )
        )
    return tuple(found)
