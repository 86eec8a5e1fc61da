"""What the tests of the engine share: watchlists from a few lines, articles from one, what a query finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from monitor.match import Matcher, compile_query, compile_watchlists
from monitor.match.evidence import Witness
from monitor.model import Article, Evidence, Feed, Matched
from monitor.query import evaluate as ev
from monitor.query.parse import parse
from monitor.watchlists import WatchlistFile, read_watchlist

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def watchlist(lines: str, name: str = "w", level: str = "normal") -> WatchlistFile:
    """A watchlist file from the lines below its head."""
    return read_watchlist(f"{name}.yaml", f"watchlist: {name}\ntitle: {name.title()}\nlevel: {level}\n{lines}")


def compiled(*files: WatchlistFile | str, feeds: Sequence[Feed] = ()) -> Matcher:
    """The matcher of files that have no fault; one file may be given by its lines."""
    read = [watchlist(f) if isinstance(f, str) else f for f in files]
    made = compile_watchlists(read, feeds)
    assert made.problems == ()
    return made.matcher


def article(text: str = "", title: str = "", lang: str = "en", **more: object) -> Article:
    """An article; its revision is that of its words."""
    given: dict[str, object] = {"id": "a", "feed": "wire", "seen": NOW, "revision": "r1"}
    return Article(title=title, text=text, lang=lang, **(given | more))  # type: ignore[arg-type]


def said(matcher: Matcher, text: str, lang: str = "en", title: str = "") -> Matched:
    """What the matcher says of one text."""
    return matcher.match([article(text, title, lang)])[0]


def named(matcher: Matcher, text: str, lang: str = "en", title: str = "") -> list[tuple[str, str]]:
    """(entity, letters) of every mention, in order."""
    return [(m.entity, m.letters) for m in said(matcher, text, lang, title).mentions]


def marks(
    query: str, text: str = "", title: str = "", lang: str = "en", files: Sequence[WatchlistFile] = ()
) -> tuple[Evidence, ...] | None:
    """The evidence of a query in a text, None when it does not hit."""
    matcher, bound = compile_query(parse(query, search=True), query, files)
    view = matcher.views([article(text, title, lang)])[0]
    spans = ev.evaluate(bound, view)
    if spans is None:
        return None
    return Witness(matcher.vocabulary).evidence(view, sorted({a for _, _, atoms in spans for a in atoms}))


def found(
    query: str, text: str = "", title: str = "", lang: str = "en", files: Sequence[WatchlistFile] = ()
) -> list[str] | None:
    """The letters that made a query true, None when it is false."""
    evidence = marks(query, text, title, lang, files)
    return None if evidence is None else [e.letters for e in evidence]
