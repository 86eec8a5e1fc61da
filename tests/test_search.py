"""Search and rules are one: what a query finds in the store is exactly what it would have hit as a rule."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine import article, watchlist
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.errors import QueryError, UsageError
from monitor.match import compile_watchlists
from monitor.model import Article, Batch, Feed, Filter
from monitor.query.parse import parse
from monitor.service import asked, look
from monitor.service.edit import InForce, Sources
from monitor.service.look import Search, explained, missed, moment, since_option
from monitor.store import SqliteStore

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
FEEDS = (
    Feed(id="wire", country="iq", tier=1),
    Feed(id="rudaw", country="iq", tier=2),
    Feed(id="aa", country="tr", tier=1),
)

NAMES = """\
entities:
  iraq: {kind: state, name: Iraq, level: low, names: {tr: [Irak], ar: [العراق], ckb: [عێراق], fa: [عراق]}}
  anbar: {kind: place, name: Anbar, names: {ar: [الأنبار], ckb: [ئەنبار]}, part_of: iraq}
  pkk: {kind: armed-group, name: PKK, names: {ckb: [پەکەکە]}, groups: [militias]}
  puk: {kind: party, name: Patriotic Union, short: [{say: PUK, with: [Talabani, "@iraq"], case: exact}]}
  resistance: {kind: armed-group, name: Islamic Resistance in Iraq, groups: [militias]}
  asad:
    kind: base
    name: Ain al-Asad
    names: {ar: [عين الأسد], tr: [Ayn el-Esed]}
    short: [{say: Asad base, with: [Anbar, "@iraq"], within: 4}]
    mask: [Hafez al-Asad, حافظ الأسد, Ain al-Asad Street]
    part_of: anbar
  hizbullah:
    kind: armed-group
    name: Hizbullah
    names: {ar: [حزب الله, كتائب حزب الله], fa: [حزب‌الله]}
    groups: [militias]
  pmf: {kind: armed-group, name: Popular Mobilization, names: {ar: [الحشد, الحشد الشعبي], tr: [Haşdi Şabi]}}
  khazali: {kind: person, name: Qais al-Khazali, names: {ar: [قيس الخزعلي]}}
  sinjar: {kind: place, name: Sinjar, names: {ku: [Şengal], ckb: [شەنگال], tr: [Sincar]}}
words:
  attack:
    en: [attack*, struck, "shot down"]
    tr: [saldırı*, "hedef al*"]
    ar: [هجوم*, قصف]
    ckb: [هێرش]
rules:
  base-attack: {title: A, level: flash, query: '@asad NEAR/9 #attack'}
"""
WIDER = NAMES.replace("names: {ckb: [پەکەکە]}", "names: {ckb: [پەکەکە], tr: [örgüt]}").replace(
    "mask:", "note: wider\n    mask:"
)

PIECES = {
    "en": (
        *("Iraq's", "in Iraq", "Iraqi", "Anbar", "the PKK", "PUK", "puk", "Talabani", "Patriotic Union", "Ain al-Asad"),
        *("Asad base", "Islamic Resistance in Iraq", "Hafez al-Asad", "Ain al-Asad Street", "attacked", "struck"),
        *("shot down", "shot", "rocket", "rockets", "U.S. forces", "Hizbullah’s", "AinalAsad", "Sinjar²¹", "Sinjar21"),
        *("PUK's", "Kais Khazali", "Hezbollah"),
    ),
    "tr": (
        *("Kays el-Hazali", "Qays Khazaly'nin", "Kaîs Xezalî"),
        *("Irak'ın", "Irak’taki", "Iraklı", "PKK'nın", "PKKya", "örgütün", "Ayn el-Esed'e", "saldırısı", "hedef aldı"),
        *("Haşdi Şabi'ye", "Sincar’da", "IRAK", "Hizbullah'ın", "füze"),
    ),
    "ar": (
        *("العراق", "والعراق", "للعراق", "عراقية", "الأنبار", "بالأنبار", "عين الأسد", "حافظ الأسد", "الحشد", "والحشد"),
        *("للحشد الشعبي", "وكتائب حزب الله", "كحزب الله", "حزبالله", "هجومين", "قصف", "صاروخ", "بصاروخ"),
    ),
    "ku": ("Iraqê", "Şengalê", "li Şengalêda", "PKKê", "Iraqî", "Kurdistanê", "rocket"),
    "ckb": (
        "قەیس خەزعەلی",
        "عێراقدا",
        "عێراقی",
        "ئەنبار",
        "شەنگالەوە",
        "شهنگال",
        "پەکەکەیە",
        "پهكهكه",
        "هێرش",
        "هێرشی",
    ),
    "fa": ("عراق", "عراقی", "حزب‌الله", "حزب الله‌ها", "موشک", "پایگاه‌های", "حمله"),
}
NOISE = ("word", "other", "more text", "and.", "So", "\n", "東京", "Москва", "—", "2026", "e\u0302", "l'Iraq", "a.b")
TERMS = (
    *("rocket", "Iraq", "Irak", "العراق", "عراق", "عێراق", "PKK", "word", "other", "=PUK", "=Iraq", "=الحشد", "rock*"),
    *(
        "saldır*",
        "صاروخ*",
        "هجوم*",
        '"shot down"',
        '"hedef al*"',
        '"more text"',
        "Şengal",
        "شنگال",
        "Hizbullah",
        "حزبالله",
    ),
    *(
        '"حزب الله"',
        "US",
        "forces",
        "東京",
        "Москва",
        "2026",
        "Kurdistan",
        "الحشد",
        "Asad",
        '"al Asad"',
        "sinjar",
        "drone",
        "kitab",
    ),
)
NAMED = (
    *(
        "@iraq",
        "@anbar",
        "@anbar+",
        "@iraq+",
        "@pkk",
        "@puk",
        "@resistance",
        "@asad",
        "@hizbullah",
        "@pmf",
        "@sinjar",
        "@khazali",
    ),
    *("@militias", "@militias+", "@kind:place", "@kind:armed-group", "#attack"),
)
LIMITS = ("source:wire", "source:rudaw,aa", "lang:ar,ckb", "lang:en", "country:iq", "tier:1")


def written(seed: int) -> list[Article]:
    """Seventy articles in all scripts: names, affixed, masked, nested, short with and without company, and noise."""
    chance = random.Random(seed)
    return [_one(chance, number) for number in range(70)]


def _one(chance: random.Random, number: int) -> Article:
    lang = chance.choice(list(PIECES))
    other = chance.choice(list(PIECES))
    pool = [*PIECES[lang] * 2, *PIECES[other], *NOISE]
    if number % 8 == 0:
        pool += ["🙂", "𝐈𝐫𝐚𝐪"]
    title = " ".join(chance.choices(pool, k=chance.randint(0, 6)))
    text = " ".join(chance.choices(pool, k=chance.randint(0, 60)))
    feed = chance.choice(FEEDS).id
    seen = NOW - timedelta(hours=number)
    return article(text, title, lang, id=f"a{number}", feed=feed, seen=seen, revision=f"r{number}")


def in_force(lines: str) -> InForce:
    """Watchlists in force, made of one file."""
    return InForce(Sources(files=(watchlist(lines),), feeds=FEEDS, desks=()))


class Archive:
    """A store of the articles; a third of them was matched by an older revision that knew fewer spellings, if any."""

    def __init__(self, path: Path, older: str = NAMES) -> None:
        self.articles = written(7)
        self.old, self.force = in_force(older), in_force(WIDER)
        self.store = SqliteStore(path / "monitor.db", create=True)
        self.store.sync_feeds(FEEDS)
        for force, part in ((self.old, self.articles[::3]), (self.force, [*self.articles[1::3], *self.articles[2::3]])):
            matched = tuple(force.matcher.match(part))
            self.store.save([Batch(articles=tuple(part), matched=matched, matched_rev=force.rev)])
        assert self.store.stale(self.force.rev, None) == (len(self.articles[::3]) if older != WIDER else 0)
        self.search = Search(store=self.store, force=self.force, clock=lambda: NOW)

    def found(self, query: str) -> set[str]:
        """Ids that search finds."""
        return {r.stored.article.id for r in self.search.find(query, limit=1_000)}

    def hit(self, queries: list[str]) -> list[set[str]]:
        """Ids that rules of these texts hit."""
        rules = (f"  asked{n}: {{title: Q, level: low, query: {json.dumps(q)}}}\n" for n, q in enumerate(queries))
        made = compile_watchlists([watchlist(WIDER + "".join(rules))], FEEDS)
        assert made.problems == ()
        answers = made.matcher.match(self.articles)
        return [{m.article for m in answers if any(h.rule == f"asked{n}" for h in m.hits)} for n in range(len(queries))]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Seventy articles, a third of them matched by an older revision."""
    made = Archive(tmp_path_factory.mktemp("archive"))
    yield made
    made.store.close()


leaves = st.sampled_from((*TERMS, *NAMED, *NAMED))
groups = leaves | st.lists(leaves, min_size=2, max_size=3).map(lambda parts: f"({' OR '.join(parts)})")
steps = st.sampled_from(("NEAR/5", "NEAR/15", "PRE/6", "NEAR/s", "NEAR/p", "NOT NEAR/4"))
pairs = st.tuples(groups, steps, groups).map(" ".join)
chains = (
    pairs
    | st.tuples(pairs, steps, groups).map(" ".join)
    | st.tuples(groups, steps, pairs.map("({})".format)).map(" ".join)
)
counted = st.tuples(st.integers(1, 3), groups | pairs).map(lambda t: f"ATLEAST/{t[0]}({t[1]})")
operands = groups | chains | counted
fielded = st.tuples(st.sampled_from(("title", "lead", "body")), operands).map(lambda t: f"{t[0]}:({t[1]})")
clauses = operands | fielded
anded = st.tuples(clauses, st.sampled_from((" ", " AND ")), clauses).map("".join)
ored = st.lists(clauses, min_size=2, max_size=4).map(" OR ".join)
vetoed = st.tuples(clauses, clauses).map(lambda t: f"({t[0]}) NOT ({t[1]})")
limited = st.tuples(clauses, st.sampled_from(("", "NOT ")), st.sampled_from(LIMITS)).map(
    lambda t: f"{t[0]} {t[1]}{t[2]}"
)
mixed = st.tuples(ored, clauses, clauses).map(lambda t: f"({t[0]}) ({t[1]} OR {t[2]})")
queries = st.one_of(
    ored, ored, clauses, anded, vetoed, limited, mixed, st.tuples(ored, vetoed).map(lambda t: f"{t[0]} OR ({t[1]})")
)


COUNTED = {"pairs": 0, "hits": 0}


@settings(
    derandomize=True,
    deadline=None,
    max_examples=16,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # the query that disagrees is told; making it smaller would take minutes
)
@given(st.lists(queries, min_size=12, max_size=12))
def _agree(archive: Archive, asked: list[str]) -> None:
    for query, hit in zip(asked, archive.hit(asked), strict=True):
        assert archive.found(query) == hit, query
        COUNTED["pairs"] += len(archive.articles)
        COUNTED["hits"] += len(hit)


def test_search_finds_what_a_rule_hits(archive: Archive) -> None:
    """Random queries of the whole grammar find exactly the articles that they would hit as a rule, and hit enough.

    A third of the articles is stale, so both ways of finding candidates (by mention, by text) are taken.
    """
    _agree(archive)
    assert COUNTED["pairs"] >= 13_000
    assert COUNTED["hits"] >= 0.3 * COUNTED["pairs"], COUNTED


MANY_NAMES = (
    *("@militias", "@militias+", "@kind:base", "@kind:place OR @kind:party", "@iraq+ NOT @pkk", "@kind:armed-group"),
    *(
        "@puk OR @iraq",
        "@asad NEAR/9 attack*",
        "@kind:base NOT NEAR/4 @anbar+",
        "title:(@kind:place)",
        "ATLEAST/2(@iraq)",
    ),
    *("@militias rule:base-attack", "@kind:place level:flash", "@kind:person lang:tr,en", "@kind:place #attack"),
)


@pytest.mark.parametrize("older", [NAMES, WIDER])
def test_many_names_are_compiled_when_they_are_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: str) -> None:
    """Queries of many names find the same, with the same marks and hits, in whatever portions they are read."""
    archive = Archive(tmp_path, older)
    monkeypatch.setattr(look, "_LEAST", 2)
    for query in MANY_NAMES:
        monkeypatch.setattr(asked, "MANY", 1_000)
        at_once = archive.search.find(query, limit=1_000)
        monkeypatch.setattr(asked, "MANY", 1)
        assert archive.search.find(query, limit=1_000) == at_once
        assert archive.search.find(query, limit=1) == at_once[:1]
        assert archive.search.find(query, limit=7) == at_once[:7]
    archive.store.close()


def test_names_that_no_candidate_mentions_are_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a query of many names those are compiled that the candidates mention, then, for others, all."""
    archive = Archive(tmp_path, WIDER)
    monkeypatch.setattr(asked, "MANY", 1)
    query = "@kind:armed-group"
    made = asked.Asked(parse(query, search=True), query, archive.force, archive.store)
    rows = archive.store.candidates(made.plan, Filter(), 1_000)
    patterns = [len(made._matcher.vocabulary.uses)]
    for row in rows:
        list(made.hitting([row]))
        patterns.append(len(made._matcher.vocabulary.uses))
    assert patterns == sorted(patterns)
    assert len(set(patterns)) == 3
    archive.store.close()


def test_newest_first_and_on(archive: Archive) -> None:
    """Results come newest first, `limit` at most, and the cursor of the last one goes on below it."""
    query = "@iraq OR @pkk OR word"
    whole = archive.search.find(query, limit=1_000)
    assert [r.stored.article.seen for r in whole] == sorted((r.stored.article.seen for r in whole), reverse=True)
    first = archive.search.find(query, limit=3)
    rest = archive.search.find(query, limit=1_000, before=first[-1].number)
    assert [r.stored.article.id for r in (*first, *rest)] == [r.stored.article.id for r in whole]


def test_marks_point_at_letters(archive: Archive) -> None:
    """Every mark of a result names the letters at its place."""
    for result in archive.search.find("@iraq NEAR/9 (#attack OR @militias) OR =PUK OR Şengal", limit=1_000):
        fields = {"title": result.stored.article.title, "body": result.stored.article.text}
        assert result.marks
        for mark in result.marks:
            assert fields[mark.field][mark.start : mark.end] == mark.letters


def test_results_carry_their_hits(archive: Archive) -> None:
    """A result tells what the watchlists have found in it, and search can ask for that."""
    found = archive.search.find("rule:base-attack", limit=1_000)
    assert found
    assert all(any(h.rule == "base-attack" for h in r.stored.hits) for r in found)
    assert archive.found("level:flash") == archive.found("rule:base-attack") <= archive.found("watchlist:w")


@pytest.mark.parametrize(
    ("query", "said", "under"),
    [
        ("rule:base-atack", "There is no rule `base-atack`. Did you mean `base-attack`?", "base-atack"),
        ("word NOT watchlist:v", "There is no watchlist `v`. Its name is the first line of its file.", "v"),
        ("word source:wire,RUDAV", "There is no source `rudav`. Did you mean `rudaw`?", "RUDAV"),
        ("(source:wire OR source:zzz) word", "There is no source `zzz`. `monitor feeds` lists them.", "zzz"),
        ("level:hgih", "`hgih` does not fit `level:`. Did you mean `high`?", "level:hgih"),
        ("lang:ckp", "`ckp` does not fit `lang:`. Did you mean `ckb`?", "lang:ckp"),
    ],
)
def test_names_that_nobody_gave(archive: Archive, query: str, said: str, under: str) -> None:
    """A limit to a name that is not there is refused with the closest one: nothing found would look like silence."""
    with pytest.raises(QueryError) as caught:
        archive.found(query)
    assert str(caught.value) == said
    assert query[caught.value.start : caught.value.end] == under


def test_names_of_the_past_are_known(tmp_path: Path) -> None:
    """A rule, a watchlist or a source that is in no file any more still finds what it has brought."""
    store, force = SqliteStore(tmp_path / "monitor.db", create=True), in_force(NAMES)
    old = article("Ain al-Asad attacked", feed="closed", seen=NOW)
    store.save([Batch(articles=(old,), matched=tuple(force.matcher.match([old])), matched_rev=force.rev)])
    empty = InForce(Sources(files=(), feeds=(), desks=()))
    search = Search(store=store, force=empty, clock=lambda: NOW)
    for query in ("rule:base-attack", "watchlist:w", "source:closed"):
        assert [r.stored.article.id for r in search.find(query)] == [old.id]
    store.close()


@pytest.mark.parametrize(
    ("query", "feeds", "langs"),
    [
        ("source:wire", "wire", "en tr ar ku ckb fa"),
        ("lang:ckb,ar", "wire rudaw aa", "ckb ar"),
        ("country:tr", "aa", "en tr ar ku ckb fa"),
        ("tier:1", "wire aa", "en tr ar ku ckb fa"),
        ("source:wire NOT lang:en", "wire", "tr ar ku ckb fa"),
    ],
)
def test_limits_alone(archive: Archive, query: str, feeds: str, langs: str) -> None:
    """A limit alone is a search: everything from there."""
    assert archive.found(query) == {
        a.id for a in archive.articles if a.feed in feeds.split() and a.lang in langs.split()
    }


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("since:24h", 0, 24),
        ("since:1d", 0, 24),
        ("since:2026-11-20", 0, 30),
        ("until:2026-11-20", 31, 99),
        ("until:1d", 25, 99),
    ],
)
def test_time(archive: Archive, query: str, first: int, last: int) -> None:
    """since: is included and until: is not; hours, days, weeks or a date. Article n is n hours old."""
    assert archive.found(query) == {a.id for n, a in enumerate(archive.articles) if first <= n <= last}
    assert archive.found(f"word {query}") == archive.found(query) & archive.found("word")


def test_time_as_an_option(archive: Archive) -> None:
    """The option and the limit of the query both hold."""
    by_option = {r.stored.article.id for r in archive.search.find("word", limit=1_000, since="1d")}
    assert by_option == archive.found("word since:1d")
    assert {r.stored.article.id for r in archive.search.find("word since:2d", limit=1_000, since="1d")} == by_option


@pytest.mark.parametrize("text", ["yesterday", "99999999d", "2026-13-01"])
def test_no_time(text: str) -> None:
    """What is no time is refused with the forms that are."""
    with pytest.raises(UsageError, match="write 7d, 24h, 2w or a date"):
        since_option(text, NOW)


def test_moments() -> None:
    """Hours, days and weeks count back from now; a date without a zone is in the zone of now."""
    assert moment("2w", NOW) == NOW - timedelta(days=14)
    assert moment("2026-11-20", NOW) == datetime(2026, 11, 20, tzinfo=UTC)
    assert moment("2026-11-20T10:00+03:00", NOW) == datetime(2026, 11, 20, 7, tzinfo=UTC)
    assert since_option("", NOW) is None


@pytest.mark.parametrize("query", ["@nobody", "#nothing", "a OR", "alpha beta OR gamma", "since:never word"])
def test_wrong_query(archive: Archive, query: str) -> None:
    """A query that cannot be answered is refused with its place."""
    with pytest.raises(QueryError) as caught:
        archive.found(query)
    assert "^" in caught.value.caret()


@pytest.mark.parametrize(
    "query", ['"a"" OR 1"', "a* OR body:b", '«x"y»', "NEAR", "rowid", "word AND -other", "'; DROP"]
)
def test_nothing_typed_reaches_the_index(archive: Archive, query: str) -> None:
    """What a person types is folded words to the index: it answers, or the query is refused, and never fails inside."""
    with suppress(QueryError):
        assert archive.found(query) <= {a.id for a in archive.articles}


def test_explained_is_what_is_stored(archive: Archive) -> None:
    """Explaining a stored article finds what the watchlists in force find."""
    assert explained(archive.force, archive.articles[:5]) == archive.force.matcher.match(archive.articles[:5])


def test_missed(archive: Archive) -> None:
    """What is no mention, and why a rule did not fire, is told with the letters or the clause."""
    masked = missed(archive.force, article("attacked in Ain al-Asad Street"))
    assert next((m.kind, m.name, m.letters) for m in masked) == ("masked", "asad", "Ain al-Asad")
    alone = missed(archive.force, article("PUK"))
    assert [(m.kind, m.name, m.letters) for m in alone] == [("no company", "puk", "PUK")]
    failed = missed(archive.force, article("Ain al-Asad"))
    assert [(m.kind, m.name, m.letters) for m in failed] == [("rule", "base-attack", "#attack")]
    assert missed(archive.force, article("Ain al-Asad attacked")) == []


def test_mentions_agree_with_search(archive: Archive) -> None:
    """An entity alone finds every article that mentions it, nested or not, stored by the old revision or the new."""
    answers = archive.force.matcher.match(archive.articles)
    for name in ("iraq", "pkk", "puk", "asad", "hizbullah", "pmf", "khazali"):
        assert archive.found(f"@{name}") == {m.article for m in answers if any(x.entity == name for x in m.mentions)}
