"""What every store must promise, whatever it is made of: the port, method by method."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest

import monitor
from monitor.errors import StoreError, TemporaryError
from monitor.model import (
    AllOf,
    AnyOf,
    Article,
    Batch,
    DigestKey,
    Everything,
    Evidence,
    Feed,
    FeedState,
    Filter,
    Hit,
    Level,
    Matched,
    Mention,
    Mentioned,
    Message,
    Plan,
    Saved,
    Tokens,
    WatchlistRevision,
    Where,
)
from monitor.ports import Store
from monitor.store import SqliteStore, first_number, hit_id, moment, plans
from monitor.text import index_text

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROOT = Path(monitor.__file__).parent.parent


def _open_sqlite(folder: Path) -> Store:
    return SqliteStore(folder / "monitor.db", create=True, clock=lambda: NOW)


@pytest.fixture(params=[_open_sqlite], ids=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every store that there is, empty."""
    opener: Callable[[Path], Store] = request.param
    opened = opener(tmp_path)
    yield opened
    opened.close()


def article(name: str, text: str = "Nothing happened.", **more: object) -> Article:
    """An article whose title is its name."""
    given: dict[str, object] = {
        "feed": "wire", "source": "Wire", "lang": "en", "seen": NOW, "revision": f"r-{name}", "title": name,
        "lead": text,
    }  # fmt: skip
    return Article(id=name, text=text, **(given | more))  # type: ignore[arg-type]


def hit(
    of: Article, watchlist: str = "iraq", level: Level = "normal", rule: str | None = "attack", **more: object
) -> Hit:
    """A hit of this revision of an article, with one span of evidence."""
    span = Evidence(
        leaf="word", name="attack", letters="attack", field="body", start=0, end=6, sentence="attack", lang="en"
    )
    entity = None if rule else "pkk"
    return Hit(
        article=of.id, revision=of.revision, watchlist=watchlist, rule=rule, entity=entity, rev="w1", level=level,
        evidence=(span,), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def mention(entity: str, start: int = 0) -> Mention:
    """An entity at the start of the body."""
    return Mention(entity=entity, field="body", start=start, end=start + 4, letters="Iraq")


def batch(*articles: Article, hits: tuple[Hit, ...] = (), mentions: dict[str, tuple[str, ...]] | None = None,
          rev: str = "w1", state: FeedState | None = None, stories: tuple[str, ...] = ()) -> Batch:  # fmt: skip
    """One batch with what was found in its articles."""
    matched = tuple(
        Matched(
            article=a.id,
            lang=a.lang,
            mentions=tuple(mention(e, i) for i, e in enumerate((mentions or {}).get(a.id, ()))),
            hits=tuple(h for h in hits if h.article == a.id),
        )
        for a in articles
    )
    return Batch(state=state, articles=articles, matched=matched, matched_rev=rev, stories=stories)


def found(store: Store, plan: Plan, limit: int = 20, **limits: object) -> list[str]:
    """Ids of the candidates, newest first."""
    return [s.article.id for _, s in store.candidates(plan, Filter(**limits), limit)]  # type: ignore[arg-type]


def words(text: str, *, prefix: bool = False) -> Tokens:
    """A leaf for these words, folded as the index folds them."""
    return Tokens(words=tuple(index_text("", text).split()), prefix=prefix)


# feeds


def test_feeds_that_left_keep_their_state(store: Store) -> None:
    """A feed that is no longer wanted is not claimed, and its state stays."""
    store.sync_feeds([Feed(id="a", url="http://a/"), Feed(id="b", url="http://b/"), Feed(id="none")])
    store.save([Batch(state=FeedState(feed="a", etag="x", last_ok=NOW))])
    store.sync_feeds([Feed(id="b", url="http://b/")])
    claimed = store.claim_due(NOW, owner="me", lease=60, limit=9, only=None, every=False)
    assert [state.feed for state in claimed] == ["b"]
    assert store.states()["a"] == FeedState(feed="a", etag="x", last_ok=NOW)


def test_changed_address_drops_validators(store: Store) -> None:
    """The ETag of the old address is not sent to the new one."""
    store.sync_feeds([Feed(id="a", url="http://a/")])
    store.save([Batch(state=FeedState(feed="a", etag="x", body_hash="h", failures=2, next_due=NOW))])
    store.sync_feeds([Feed(id="a", url="http://new/")])
    assert store.states()["a"] == FeedState(feed="a", failures=2)


def test_states_come_back_as_they_went(store: Store) -> None:
    """Every field of a feed's state survives the store."""
    state = FeedState(
        feed="a", next_due=NOW, interval=301, etag='"e"', last_modified="yesterday", body_hash="abc", failures=3,
        last_try=NOW, last_ok=NOW - HOUR, last_new=NOW - 2 * HOUR, last_error="does not answer", error_kind="dns",
        moved_to="http://b/", usual_new=2.5, identity="link", lease_until=NOW + HOUR, lease_owner="me",
        last_full=NOW - HOUR, failing_since=NOW - 3 * HOUR, ahead=(10_800, -60), correction=10_800,
    )  # fmt: skip
    store.save([Batch(state=state)])
    assert store.states() == {"a": state}


def test_claims_never_overlap(store: Store) -> None:
    """Two owners share the due feeds; a lease ends by time, by release or with the save."""
    store.sync_feeds([Feed(id=f"f{i}", url="http://x/") for i in range(4)])
    store.save([Batch(state=FeedState(feed="f3", next_due=NOW + HOUR))])

    def claim(owner: str, now: datetime = NOW, **more: object) -> list[str]:
        asked: dict[str, object] = {"lease": 60.0, "limit": 2, "only": None, "every": False} | more
        return [s.feed for s in store.claim_due(now, owner=owner, **asked)]  # type: ignore[arg-type]

    assert claim("one") == ["f0", "f1"]
    assert claim("two") == ["f2"]
    assert claim("one", every=True) == ["f3"]
    assert claim("three", every=True) == []
    store.release("one")
    assert claim("three", only=["f1", "f2", "f3"]) == ["f1"]
    assert claim("four", now=NOW + timedelta(seconds=60)) == ["f0", "f1"]
    store.save([Batch(state=FeedState(feed="f1"))])
    assert claim("five") == ["f1"]


# articles


def test_article_comes_back_as_it_went(store: Store) -> None:
    """Every field of an article, its story and its hits survive the store."""
    told = article(
        "a", "Text ئێران", url="https://x/?a=b", published=NOW - HOUR, published_raw="an hour ago", guid="g",
        lang="ckb", authors=("A", "B"), signature=(3, 2**63 + 5, 2**64 - 1), standing="held",
        seen=NOW.replace(microsecond=7),
    )  # fmt: skip
    made = hit(told)
    assert store.save([batch(told, hits=(made,), stories=("s",))]) == Saved(articles=1, hits=1)
    (stored,) = store.articles(["missing", "a"])
    assert (stored.article, stored.story, stored.hits) == (told, "s", (made,))
    assert store.known(["a", "b"]) == {"a": "r-a"}


def test_saving_again_changes_nothing(store: Store) -> None:
    """The same batch twice, or an article twice in a batch, is stored once and counted once."""
    once = batch(article("a"), article("a"), hits=(hit(article("a")),), mentions={"a": ("iraq",)})
    assert store.save([once, once]) == Saved(articles=1, hits=1)
    assert store.save([replace(once, matched_rev="w2")]) == Saved()
    assert store.stale("w1", None) == 0
    assert store.counts().articles == 1


def test_edit_keeps_the_old_wording(store: Store) -> None:
    """A new revision replaces text, index and mentions; first sight, date, standing and number stay."""
    first = article("a", "Calm in Basra", standing="baseline", published=NOW - HOUR)
    store.save([batch(first, mentions={"a": ("basra",)}, hits=(hit(first),))])
    edited = article("a", "Attack in Mosul", revision="r2", seen=NOW + HOUR, title="New title")
    assert store.save([batch(edited, mentions={"a": ("mosul",)}, hits=(hit(edited),))]) == Saved(revised=1, hits=1)
    (stored,) = store.articles(["a"])
    assert (stored.article.text, stored.article.title, stored.article.revision) == (
        "Attack in Mosul",
        "New title",
        "r2",
    )
    assert (stored.article.seen, stored.article.published) == (NOW, NOW - HOUR)
    assert stored.article.standing == "baseline"
    assert [h.revision for h in stored.hits] == ["r2"]
    assert found(store, words("basra")) == []
    assert found(store, words("mosul")) == ["a"]
    assert found(store, Mentioned(entities=("basra",), rev="w1", text=AnyOf(parts=()))) == []
    assert found(store, Mentioned(entities=("mosul",), rev="w1", text=AnyOf(parts=()))) == ["a"]
    assert store.history("a") == [
        ("r-a", "a", "Calm in Basra", NOW),
        ("r2", "New title", "Attack in Mosul", NOW + HOUR),
    ]


def test_wording_that_comes_back_is_kept_once(store: Store) -> None:
    """A feed that flips between two wordings does not fill the store."""
    one, two = article("a", "one"), article("a", "two", revision="r2")
    for told in (one, two, one, two, one):
        store.save([batch(told, hits=(hit(told),))])
    assert [text for _, _, text, _ in store.history("a")] == ["two", "one"]
    assert store.counts().hits == 2


def test_scan_goes_through_everything_once(store: Store) -> None:
    """Oldest first by time, also where many articles carry the same second."""
    times = [NOW - HOUR * (i // 4) for i in range(20)]
    store.save([batch(*(article(f"a{i}", seen=times[i]) for i in range(20)))])
    seen: list[str] = []
    after = 0
    while page := store.scan(None, after, 3):
        seen += [s.article.id for _, s in page]
        after = page[-1][0]
    assert len(set(seen)) == len(seen) == 20
    assert [times[int(name[1:])] for name in seen] == sorted(times)
    assert len(store.scan(NOW - HOUR, 0, 99)) == 8


def test_numbers_follow_time() -> None:
    """A number tells its second, for dates long before 1970 and beyond 2100 too."""
    for year in (1, 1700, 1969, 1970, 2026, 9999):
        when = datetime(year, 5, 4, 3, 2, 1, tzinfo=UTC)
        assert 0 <= first_number(when) < 2**63
        assert year == 1 or moment(first_number(when)) == when
    assert first_number(NOW) < first_number(NOW + timedelta(seconds=1))


def test_near_finds_shared_leading_values(store: Store) -> None:
    """Near-duplicates are those seen since then that share one of the four smallest values."""
    store.save([
        batch(
            article("a", signature=(1, 2, 3, 4, 5)),
            article("b", signature=(5, 6, 7, 8)),
            article("old", signature=(1,), seen=NOW - 48 * HOUR),
            stories=("a", "s", "old"),
        )
    ])  # fmt: skip
    first, second, none = store.near([(4, 5, 9, 10), (6,), ()], NOW - HOUR, 9, 9)
    assert sorted(first) == [("a", "a", (1, 2, 3, 4, 5)), ("b", "s", (5, 6, 7, 8))]
    assert second == [("b", "s", (5, 6, 7, 8))]
    assert none == []


def test_near_gives_the_newest_of_each_value(store: Store) -> None:
    """Of the articles that share a value so many as are asked for, the newest; and of those that share two more."""
    made = [article(f"a{n}", signature=(7, 8) if n in (3, 8) else (7,), published=NOW - n * HOUR) for n in range(9)]
    store.save([batch(*made, article("b", signature=(8,), published=NOW - 99 * HOUR))])
    (found,) = store.near([(7, 8)], NOW - HOUR, 5, 2)
    assert [id_ for id_, _, _ in found] == ["a0", "a1", "a3", "a8"]
    (found,) = store.near([(7, 8)], NOW - HOUR, 3, 3)
    assert [id_ for id_, _, _ in found] == ["a0", "a1", "a2", "a3", "a8", "b"]


def test_near_forgets_and_follows_edits(store: Store) -> None:
    """An edited article is near by its present wording; what is older than 30 days is forgotten."""
    store.save([batch(article("a", signature=(1, 2)), article("old", signature=(9,), seen=NOW - 24 * 40 * HOUR))])
    store.save([batch(article("a", "x", revision="r2", signature=(3, 4)))])
    store.save([batch(article("b", seen=NOW + 24 * HOUR))])
    assert store.near([(1,), (3,), (9,)], NOW - 24 * 99 * HOUR, 9, 9) == [[], [("a", "a", (3, 4))], []]


# search


@pytest.fixture
def shelf(store: Store) -> Store:
    """Six articles, one an hour, the sixth the newest."""
    texts = [
        "Rocket attack on Erbil",
        "Attackers flee Erbil",
        "Iraq votes",
        "هجوم على أربيل",
        "Erbil attack rocket",
        "x",
    ]
    told = [article(str(i), text, seen=NOW + HOUR * i, feed=f"f{i % 2}") for i, text in enumerate(texts)]
    store.save([batch(*told, mentions={"0": ("erbil",), "2": ("iraq",), "4": ("erbil", "iraq")}, hits=(hit(told[4]),))])
    return store


def test_phrases_prefixes_and_scripts(shelf: Store) -> None:
    """Tokens stand side by side; the last may go on; letters of every script are found as folded."""
    assert found(shelf, words("rocket attack")) == ["0"]
    assert found(shelf, words("attack")) == ["4", "0"]
    assert found(shelf, words("attack", prefix=True)) == ["4", "1", "0"]
    assert found(shelf, words("أربيل")) == ["3"]
    assert found(shelf, Tokens(words=('er"bil',))) == []
    assert found(shelf, Tokens(words=('" OR "x',))) == []


def test_mixed_trees(shelf: Store) -> None:
    """AND and OR of text, names and columns give the newest first, each once."""
    erbil = Mentioned(entities=("erbil",), rev="w1", text=AnyOf(parts=()))
    iraq = Mentioned(entities=("iraq",), rev="w1", text=AnyOf(parts=()))
    assert found(shelf, AllOf(parts=(erbil, iraq))) == ["4"]
    assert found(shelf, AnyOf(parts=(erbil, iraq, words("attack")))) == ["4", "2", "0"]
    assert found(shelf, AllOf(parts=(AnyOf(parts=(erbil, words("votes"))), AnyOf(parts=(iraq, words("x")))))) == [
        "4",
        "2",
    ]
    assert found(shelf, AllOf(parts=(words("erbil"), Where(column="feed", values=("f1",))))) == ["1"]
    assert found(shelf, Where(column="watchlist", values=("iraq",))) == ["4"]
    assert found(shelf, AllOf(parts=(Where(column="level", values=("low", "normal")), Everything()))) == ["4"]
    assert found(shelf, Where(column="lang", values=("en", "ar")), limit=2) == ["5", "4"]
    assert found(shelf, Where(column="story", values=("3",))) == ["3"]
    assert found(shelf, AnyOf(parts=())) == []
    assert found(shelf, Everything(), limit=0) == []


def test_search_limits(shelf: Store) -> None:
    """Since is included, until is not; a cursor goes on where the last page ended; ids narrow."""
    assert found(shelf, Everything(), since=NOW + HOUR, until=NOW + 3 * HOUR) == ["2", "1"]
    page = shelf.candidates(Everything(), Filter(), 2)
    assert [s.article.id for _, s in page] == ["5", "4"]
    assert found(shelf, Everything(), limit=2, before=page[-1][0]) == ["3", "2"]
    assert found(shelf, words("attack", prefix=True), ids=("0", "1", "5")) == ["1", "0"]


def test_candidates_without_their_hits(shelf: Store) -> None:
    """Hits are read with the articles or afterwards, those of the revision that was read."""
    whole = shelf.candidates(Everything(), Filter(), 9)
    bare = shelf.candidates(Everything(), Filter(), 9, hits=False)
    assert any(s.hits for _, s in whole)
    assert not any(s.hits for _, s in bare)
    assert shelf.with_hits(bare) == whole
    assert shelf.with_hits(bare[3:]) == whole[3:]
    older = [(n, replace(s, article=replace(s.article, revision="other"))) for n, s in bare]
    assert shelf.with_hits(older) == older


def test_who_is_mentioned_in_some_articles(shelf: Store) -> None:
    """The names of these articles alone; nobody knows while any article was matched with other watchlists."""
    numbers = {s.article.id: n for n, s in shelf.candidates(Everything(), Filter(), 9)}
    assert shelf.mentioned(list(numbers.values()), "w1") == frozenset({"erbil", "iraq"})
    assert shelf.mentioned([numbers["0"], numbers["1"]], "w1") == frozenset({"erbil"})
    assert shelf.mentioned([numbers["5"]], "w1") == shelf.mentioned([], "w1") == frozenset()
    assert shelf.mentioned([numbers["5"]], "w2") is None
    shelf.save([replace(batch(article("6", "y", seen=NOW)), matched_rev="w2")])
    assert shelf.mentioned([numbers["5"]], "w1") is None


def test_stale_articles_are_looked_for_by_text(shelf: Store) -> None:
    """Mentions of another revision of the watchlists are not believed: the text decides."""
    plan = Mentioned(entities=("iraq",), rev="w2", text=words("iraq"))
    assert found(shelf, plan) == ["2"]
    fresh = article("7", "Baghdad", seen=NOW + 9 * HOUR)
    shelf.save([batch(fresh, mentions={"7": ("iraq",)}, rev="w2")])
    assert found(shelf, plan) == ["7", "2"]
    assert found(shelf, AllOf(parts=(plan, Where(column="feed", values=("f0",))))) == ["2"]
    assert found(shelf, AnyOf(parts=(plan, words("erbil attack")))) == ["7", "4", "2"]


def test_plans_agree_with_plain_thinking(store: Store) -> None:
    """Random plans over random articles yield what a walk over all of them yields."""
    rng = random.Random(7)
    vocabulary = ["oil", "oily", "war", "warlike", "peace", "iran"]
    told = [article(f"{i:03}", " ".join(rng.choices(vocabulary, k=4)), seen=NOW + timedelta(minutes=i),
                    feed=rng.choice("abc")) for i in range(120)]  # fmt: skip
    named = {a.id: tuple(rng.sample(["e1", "e2", "e3"], rng.randint(0, 2))) for a in told}
    store.save([batch(*told[:60], mentions=named, rev="w1"), batch(*told[60:], mentions=named, rev="w2")])

    def plan(depth: int) -> Plan:
        kind = rng.choice("twmm" if depth == 0 else "twmaaoo")
        if kind == "t":
            return words(rng.choice(vocabulary), prefix=rng.random() < 0.5)
        if kind == "w":
            return Where(column="feed", values=tuple(rng.sample("abc", rng.randint(1, 2))))
        if kind == "m":
            return Mentioned(entities=tuple(rng.sample(["e1", "e2", "e3"], 2)), rev="w1", text=words("iran"))
        parts = tuple(plan(depth - 1) for _ in range(rng.randint(1, 3)))
        return AllOf(parts=parts) if kind == "a" else AnyOf(parts=parts)

    def holds(node: Plan, of: Article) -> bool:
        match node:
            case Tokens(words=(word,), prefix=prefix):
                return any(w.startswith(word) if prefix else w == word for w in of.text.split())
            case Where(values=values):
                return of.feed in values
            case Mentioned(entities=entities, text=text):
                return bool(set(entities) & set(named[of.id])) if int(of.id) < 60 else holds(text, of)
            case AllOf(parts=parts):
                return all(holds(part, of) for part in parts)
            case AnyOf(parts=parts):
                return any(holds(part, of) for part in parts)
            case _:
                return True

    for _ in range(200):
        asked = plan(3)
        assert found(store, asked, limit=200) == [a.id for a in reversed(told) if holds(asked, a)], asked


def test_many_names_and_many_parts(shelf: Store) -> None:
    """Hundreds of names or words in one query are no error and no other answer."""
    crowd = tuple(f"e{i}" for i in range(300))
    nobody = AnyOf(parts=())
    assert found(shelf, Mentioned(entities=("iraq", *crowd), rev="w1", text=nobody)) == ["4", "2"]
    many = tuple(
        AllOf(parts=(words(f"w{i}"), Mentioned(entities=(name,), rev="w1", text=nobody)))
        for i, name in enumerate(crowd)
    )
    assert found(shelf, AnyOf(parts=(*many, words("votes")))) == ["2"]
    assert found(shelf, AnyOf(parts=(*(words(f"w{i}") for i in range(3000)), words("votes")))) == ["2"]


def test_few_candidates_of_a_name_and_a_long_list(shelf: Store) -> None:
    """Read in small pieces or in a large one, nothing that has the name and a word of a long list is left out."""
    listed = AnyOf(parts=(*(words(f"w{i}") for i in range(200)), words("attack", prefix=True)))
    asked = AllOf(parts=(Mentioned(entities=("erbil", "iraq"), rev="w1", text=Everything()), listed))
    assert found(shelf, asked, limit=1_000) == ["4", "0"]
    assert set(found(shelf, asked, limit=20)) >= {"4", "0"}
    assert found(shelf, asked, limit=1) == ["4"]


def test_search_walks_indexes(tmp_path: Path) -> None:
    """No kind of query sorts all it could find before it shows the newest."""
    store = SqliteStore(tmp_path / "m.db", create=True)
    named = Mentioned(entities=("a", "b"), rev="w1", text=AnyOf(parts=()))
    text = words("x", prefix=True)
    for asked in (
        text,
        named,
        AnyOf(parts=(named, text)),
        AllOf(parts=(named, text)),
        Where(column="lang", values=("en", "ar")),
    ):
        (sql,) = plans.queries(asked, [], Filter(before=10**17), 20)
        with store._connections.reading() as db:
            steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql.text}", sql.values)]
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
    store.close()


# rematching


def test_rematch_replaces_adds_and_withdraws(store: Store) -> None:
    """After an edit mentions are replaced, new hits added as look-back, others withdrawn, none deleted."""
    told = article("a", "Iraq")
    gone, stays, new = hit(told, rule="old"), hit(told, rule="stays"), hit(told, rule="new")
    store.save([batch(told, mentions={"a": ("iraq", "iran")}, hits=(gone, stays))])
    assert store.stale("w2", None) == 1
    again = Matched(article="a", lang="en", mentions=(mention("iraq"), mention("syria")), hits=(stays, new))
    assert store.rematched([again], ["r-a"], "w2", lookback=True) == Saved(hits=1, withdrawn=1)
    (stored,) = store.articles(["a"])
    assert stored.hits == (stays, new._replace(lookback=True))
    assert store.stale("w2", None) == 0
    assert store.stale("w1", NOW) == 1
    assert store.counts().hits == 3
    nobody = AnyOf(parts=())
    assert found(store, Mentioned(entities=("iran",), rev="w2", text=nobody)) == []
    assert found(store, Mentioned(entities=("syria",), rev="w2", text=nobody)) == ["a"]
    assert found(store, Where(column="rule", values=("old",))) == []
    store.rematched([again._replace(hits=(gone, stays, new))], ["r-a"], "w3", lookback=True)
    assert gone in store.articles(["a"])[0].hits
    assert [h.rule for h in store.lookback_hits("desk", None)] == ["new"]


def test_rematch_leaves_what_was_edited_meanwhile(store: Store) -> None:
    """An article that got a new revision between reading and writing stays stale."""
    store.save([batch(article("a"), mentions={"a": ("iraq",)})])
    store.save([batch(article("a", "other", revision="r2"), mentions={"a": ("iran",)})])
    store.rematched([Matched(article="a", lang="en")], ["r-a"], "w2", lookback=True)
    assert store.stale("w2", None) == 1
    assert found(store, Mentioned(entities=("iran",), rev="w1", text=AnyOf(parts=()))) == ["a"]


# digest and journal

KEY = DigestKey(desk="desk", day=date(2026, 11, 21), slot="07:00")


def letter(to: str = "a@example.org", key: DigestKey = KEY) -> Message:
    """A message of a digest."""
    return Message(
        key=str(key), to=to, sender="m@example.org", subject="S", text="t", html="<p>", message_id=f"<{to}>",
        headers=(("X-A", "1"),), date=NOW,
    )  # fmt: skip


def fresh(
    store: Store, since: datetime = NOW - 24 * HOUR, *levels: Level, lists: list[str] | None = None
) -> list[tuple[str, ...]]:
    """(article id, rules that hit) of what the desk was not told."""
    rows = store.fresh_hits("desk", lists, levels or ("flash", "high", "normal"), since)
    return [(s.article.id, *(h.name for h in hits)) for s, hits in rows]


def test_fresh_hits_are_told_once(store: Store) -> None:
    """A hit is given to a desk until a digest with it is frozen; late ones come with the next."""
    a, b, c = article("a"), article("b", seen=NOW - HOUR), article("c", seen=NOW - 30 * HOUR)
    store.save(
        [
            batch(
                a,
                b,
                c,
                hits=(hit(a), hit(a, rule=None), hit(b, "syria", "high"), hit(c), hit(b, level="low", rule="l")),
            )
        ]
    )
    assert fresh(store) == [("a", "attack", "pkk"), ("b", "attack")]
    assert fresh(store, NOW - 24 * HOUR, "high") == [("b", "attack")]
    assert fresh(store, lists=["iraq"]) == [("a", "attack", "pkk")]
    assert store.freeze(KEY, [letter()], [hit(a), hit(a, rule=None)], NOW, 1)
    assert fresh(store) == [("b", "attack")]
    late = article("late", seen=NOW - 2 * HOUR)
    store.save([batch(late, hits=(hit(late),))])
    assert fresh(store, NOW) == [("b", "attack"), ("late", "attack")]
    assert len(store.fresh_hits("other", None, ["normal"], NOW - 99 * HOUR)) == 3


def test_a_new_desk_is_never_told_of_the_days_before(store: Store) -> None:
    """What was older than a day at a desk's first digest stays out of the second one too."""
    old = article("old", seen=NOW - 30 * HOUR)
    store.save([batch(old, hits=(hit(old),))])
    assert fresh(store) == []
    store.freeze(KEY, [], [], NOW, 0)
    assert fresh(store, NOW - 999 * HOUR) == []


def test_only_news_is_told(store: Store) -> None:
    """Baseline, archive and held articles and look-back hits stay out; held ones come when released."""
    told = [article(standing, standing=standing) for standing in ("news", "baseline", "held", "archive")]
    back = article("back")
    store.save([batch(*told, back, hits=(*(hit(a) for a in told), hit(back, lookback=True)))])
    assert fresh(store) == [("news", "attack")]
    assert store.release_held("elsewhere") == 0
    assert store.release_held("wire") == 1
    assert fresh(store) == [("held", "attack"), ("news", "attack")]


def test_an_edited_article_is_told_again_only_under_another_watchlist(store: Store) -> None:
    """The present wording stands for the earlier; after the mail only a list that had not hit before brings it back."""
    one, two = article("a", "one"), article("a", "two", revision="r2")
    store.save([batch(one, hits=(hit(one), hit(one, rule="gone")))])
    store.save([batch(two, hits=(hit(two),))])
    ((_, hits),) = store.fresh_hits("desk", None, ["normal"], NOW - HOUR)
    assert {(h.rule, h.revision) for h in hits} == {("attack", "r2"), ("gone", "r-a")}
    store.freeze(KEY, [], hits, NOW, 1)
    three = article("a", "three", revision="r3")
    store.save([batch(three, hits=(hit(three), hit(three, "syria")))])
    ((_, hits),) = store.fresh_hits("desk", None, ["normal"], NOW - HOUR)
    assert [(h.watchlist, h.revision) for h in hits] == [("syria", "r3")]


def test_look_back_is_told_once(store: Store) -> None:
    """A digest that lists look-back hits takes them off the desk's list."""
    a = article("a")
    back = hit(a, lookback=True)
    store.save([batch(a, hits=(back,))])
    assert store.lookback_hits("desk", ["iraq"]) == [back]
    assert store.lookback_hits("desk", ["syria"]) == []
    store.freeze(KEY, [], [back], NOW, 0)
    assert store.lookback_hits("desk", None) == []
    assert store.lookback_hits("other", None) == [back]


def test_a_digest_is_frozen_once(store: Store) -> None:
    """The second digest under a key changes nothing; the first can be read back for ever."""
    assert store.frozen(KEY) == []
    assert store.freeze(KEY, [letter(), letter("b@example.org")], [], NOW, 3)
    assert not store.freeze(KEY, [letter("c@example.org")], [], NOW + HOUR, 9)
    assert store.frozen(KEY) == [letter(), letter("b@example.org")]
    assert store.message(str(KEY), "b@example.org") == letter("b@example.org")
    assert store.message(str(KEY), "c@example.org") is None
    later = replace(KEY, slot="15:00")
    assert store.freeze(later, [], [], NOW + HOUR, 0)
    assert store.digests("desk") == [
        ("desk", "2026-11-21", "15:00", NOW + HOUR, 0),
        ("desk", "2026-11-21", "07:00", NOW, 3),
    ]
    assert store.digests("other") == []


def test_journal_moves_are_compare_and_set(store: Store) -> None:
    """Of two who would send the same line only one moves it; what is due is told by the next try."""
    store.freeze(KEY, [letter(), letter("b@example.org")], [], NOW, 1)
    line = (str(KEY), "a@example.org")
    assert [d.state for d in store.outbox()] == ["queued", "queued"]
    assert store.move(*line, frm=["queued"], state="committing", now=NOW)
    assert not store.move(*line, frm=["queued"], state="committing", now=NOW)
    assert store.move(*line, frm=["committing"], state="queued", now=NOW, tries=1, next_try=NOW + HOUR, error="busy")
    assert [d.to for d in store.outbox(["queued"], NOW)] == ["b@example.org"]
    first = store.outbox(["queued"], NOW + HOUR)[0]
    assert (first.tries, first.next_try, first.error, first.message_id) == (1, NOW + HOUR, "busy", "<a@example.org>")
    assert store.move(*line, frm=["queued", "unknown"], state="sent", now=NOW + HOUR)
    assert [(d.to, d.tries, d.error) for d in store.outbox(["sent"])] == [("a@example.org", 1, "")]
    assert not store.move(str(KEY), "nobody", frm=["queued"], state="sent", now=NOW)


def test_story_members(store: Store) -> None:
    """All articles of a story, oldest first, other stories apart."""
    store.save([
        batch(article("b", seen=NOW + HOUR, lang="ar"), article("a"), article("x"), stories=("a", "a", "x"))
    ])  # fmt: skip
    assert found(store, Where(column="story", values=("a", "x"))) == ["b", "x", "a"]
    assert store.story_members(["a", "none"]) == {"a": [("a", "Wire", "en", "wire"), ("b", "Wire", "ar", "wire")]}


# watchlists, facts


def test_last_good_revision(store: Store) -> None:
    """The newest good source per file is in force, also when an older one is good again."""
    one = WatchlistRevision(file="a.yaml", rev="1", source="one", since=NOW)
    two = WatchlistRevision(file="a.yaml", rev="2", source="two", since=NOW + HOUR)
    store.keep_revisions([one, two])
    assert store.last_good() == {"a.yaml": two}
    store.keep_revisions([replace(one, since=NOW + 2 * HOUR)])
    assert store.last_good()["a.yaml"].source == "one"


def test_meta_and_counts(store: Store) -> None:
    """Words are remembered; counts tell how much there is, and how much since then."""
    assert store.meta("x") == ""
    store.set_meta({"x": "1", "y": "2"})
    store.set_meta({"x": "3"})
    assert (store.meta("x"), store.meta("y")) == ("3", "2")
    store.sync_feeds([Feed(id="a")])
    store.save(
        [batch(article("a"), article("b", seen=NOW - HOUR), hits=(hit(article("a")),), mentions={"b": ("iraq",)})]
    )
    health = store.counts()
    assert (health.articles, health.hits, health.mentions, health.feeds, health.digests) == (2, 1, 1, 1, 0)
    assert health.size > 0
    since = store.counts(NOW)
    assert (since.articles, since.hits, since.mentions) == (1, 1, 0)
    assert store.check() == []


# SQLite: what can go wrong with a file


def test_hit_has_a_short_id() -> None:
    """A hit is named by its article and by what makes it unique, nothing else; those of an article sort together."""
    told = article("a")
    assert hit_id(hit(told)) == hit_id(hit(told)._replace(level="flash", rev="w9"))
    assert hit_id(hit(told)) != hit_id(hit(article("b")))
    assert hit_id(hit(article("0123456789abcdef"))).startswith("01234567")
    assert len(hit_id(hit(article("0123456789abcdef")))) == 20


def test_hits_of_an_older_file_get_their_new_names(tmp_path: Path) -> None:
    """What an earlier version stored is known again under the names of today, so that no hit is found twice."""
    path = tmp_path / "monitor.db"
    told = article("0123456789abcdef")
    with closing(SqliteStore(path, create=True)) as store:
        store.save([batch(told, hits=(hit(told),))])
    made = hit(told)
    key = "\x1f".join((made.article, made.revision, made.watchlist, made.rule or "", made.entity or ""))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE hits SET hit = ?", (blake2b(key.encode(), digest_size=8).hexdigest(),))
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0007_hits_of_an_article_together'")
    with closing(SqliteStore(path)):
        pass
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT hit FROM hits").fetchall() == [(hit_id(made),)]


def test_missing_or_foreign_files_are_refused(tmp_path: Path) -> None:
    """No database is made where one was expected, and what is no database of ours is left as it is."""
    with pytest.raises(StoreError, match="monitor init"):
        SqliteStore(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    for name, content, said in (("empty.db", b"", "empty"), ("text.db", b"hello" * 99, "not a database")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StoreError, match=said):
            SqliteStore(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t(a)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(tmp_path / "other.db", create=True)
    assert (tmp_path / "other.db").read_bytes() == before


def test_damage_is_told(tmp_path: Path) -> None:
    """A file with broken pages is refused or reported, with the way back."""
    path = tmp_path / "m.db"
    store = SqliteStore(path, create=True)
    store.save([batch(*(article(f"a{i}", "word " * 200) for i in range(300)))])
    store.close()
    content = bytearray(path.read_bytes())
    content[-4096 * 30 : -4096 * 10] = b"\xff" * (4096 * 20)
    path.write_bytes(content)
    store = SqliteStore(path)
    problems = store.check()
    assert problems
    assert all("monitor restore" in problem for problem in problems)
    store.close()
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        SqliteStore(path)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """A program does not touch a file that a later one has changed."""
    SqliteStore(tmp_path / "m.db", create=True).close()
    with sqlite3.connect(tmp_path / "m.db") as db:
        db.execute("INSERT INTO _sqlite_migrations(migration_set, name) VALUES ('monitor', 'm9999_later')")
    db.close()
    with pytest.raises(StoreError, match=r"newer monitor.*m9999_later"):
        SqliteStore(tmp_path / "m.db")


def test_index_is_made_anew_when_folding_changes(tmp_path: Path) -> None:
    """An index made by another version of the folding is replaced on opening, so that no search misses."""
    store = SqliteStore(tmp_path / "m.db", create=True)
    store.save([batch(article("a", "Erbil"), article("b", "Mosul"))])
    with store._connections.writing() as db:
        db.execute("INSERT INTO search(search) VALUES ('delete-all')")
        db.execute("UPDATE meta SET value = 'other' WHERE key = 'store.index'")
    store.close()
    store = SqliteStore(tmp_path / "m.db")
    assert found(store, words("erbil")) == ["a"]
    store.close()


def test_full_disk_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    """What does not fit is refused whole, in one sentence; the store stays sound and takes the next save."""
    store = SqliteStore(tmp_path / "m.db", create=True)
    store.save([batch(article("kept"))])
    db = store._connections.get()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 5}")
    big = [article(f"a{i}", "word " * 900) for i in range(40)]
    with pytest.raises(TemporaryError, match=r"^[^\n]*disk is full[^\n]*try again\.$"):
        store.save([batch(*big, state=FeedState(feed="wire", etag="new"))])
    assert store.counts().articles == 1
    assert store.states() == {}
    assert store.check() == []
    db.execute("PRAGMA max_page_count = 1000000")
    assert store.save([batch(*big)]) == Saved(articles=40)
    assert found(store, words("kept")) == ["kept"]
    store.close()


def test_two_threads_write_and_read(tmp_path: Path) -> None:
    """Threads that save and search at once neither fail nor lose anything."""
    store = SqliteStore(tmp_path / "m.db", create=True)
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for i in range(15):
                store.save([batch(article(f"{name}{i}", f"oil {name}"))])
                assert len(found(store, words("oil"), limit=99)) > i
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.counts().articles == 30
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.counts()


_CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from monitor.model import Article, Batch, FeedState, Hit, Matched
from monitor.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for i in range(int(sys.argv[2]), 10**6):
    batches = []
    for feed in "pq":
        told = [Article(id=f"{feed}{i}-{j}", feed=feed, title=f"round{i}", text="oil " * 50, revision="r",
                        seen=datetime(2026, 1, 1, tzinfo=UTC)) for j in range(5)]
        found = tuple(Matched(article=a.id, lang="en", hits=(Hit(article=a.id, revision="r", watchlist="w", rule="r",
                      entity=None, rev="1", level="low", evidence=()),)) for a in told)
        batches.append(Batch(state=FeedState(feed=feed, etag=str(i)), articles=tuple(told), matched=found))
    store.save(batches)
    print(i, flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted as Linux tells them")
def test_ended_threads_leave_no_file_open(tmp_path: Path) -> None:
    """A watch that polls for weeks, each time in threads of its own, keeps no file open for those that have ended."""
    store = SqliteStore(tmp_path / "m.db", create=True)

    def opened() -> int:
        return sum(
            str(tmp_path) in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()
        )

    before = opened()
    for _ in range(20):
        thread = threading.Thread(target=store.meta, args=["anything"])
        thread.start()
        thread.join()
    assert opened() <= before + 2  # SQLite keeps one for the next connection
    store.close()


def test_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """After kill -9 in the middle of saves all that was acknowledged is there, nothing is there in part."""
    path = tmp_path / "m.db"
    SqliteStore(path, create=True).close()
    acknowledged = -1
    for wanted in (1, 4, 9):
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", _CHILD, str(path), str(acknowledged + 1000)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for _ in range(wanted):
            acknowledged = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split()
        child.stdout.close()
        child.wait()
        acknowledged = int(rest[-1]) if rest else acknowledged
        store = SqliteStore(path)
        health = store.counts()
        last = int(store.states()["p"].etag)
        assert last in {acknowledged, acknowledged + 1}
        assert health.articles == health.hits
        assert health.articles % 10 == 0
        assert len(found(store, words(f"round{acknowledged}"))) == 10
        assert store.check() == []
        store.close()
        acknowledged = last
