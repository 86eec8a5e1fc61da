"""monitor search, explain."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click

from monitor.app import App
from monitor.cli.show import comma_separated, csv_option, evidence, hit, json_option, line, marked, say, warn_about
from monitor.errors import UsageError
from monitor.model import LANGUAGES, Article, Matched
from monitor.query.parse import notice
from monitor.render import snippet, title_parts
from monitor.service.edit import InForce
from monitor.service.look import Missed, Result, Wording, explained, missed, wordings
from monitor.text.language import language, normal

_GROUP = 500
_MOST_WORDS = 30
"""Words of an edit that are shown; --json has all."""


@click.command("search")
@click.argument("query")
@click.option("--since", default="", help="Not older than: 7d, 24h, 2w or 2026-06-30.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@csv_option
@click.pass_obj
def search_command(config: Path, query: str, since: str, limit: int, *, as_json: bool, as_csv: bool) -> None:
    """Search all stored articles, newest first, in the language of the rules."""
    if said := notice(query):
        say(f"monitor: {said}")
    with App.at(config) as app:
        search = app.search
        warn_about(app)
        found = search.iterate(query, limit=limit, since=since)
        if as_csv:
            rows = [_row(r) for r in found]
            comma_separated(rows, ("published", "source", "lang", "title", "url", "marks"))
            return
        anything = False
        for result in found:
            anything = True
            if as_json:
                line(_object(result))
            else:
                _show(result)
        if not anything and not as_json:
            say("Nothing found. `monitor explain` shows how a text is read.")


def _row(result: Result) -> tuple[str, ...]:
    article = result.stored.article
    letters = ", ".join(dict.fromkeys(m.letters for m in result.marks))
    return f"{article.when:%Y-%m-%d %H:%M}", article.source, article.lang, article.title, article.url, letters


def _object(result: Result) -> dict[str, Any]:
    article = result.stored.article
    marks = [{"field": m.field, "start": m.start, "end": m.end, "letters": m.letters} for m in result.marks]
    return {
        "article": article.id,
        "title": article.title,
        "url": article.url,
        "source": article.source,
        "lang": article.lang,
        "published": article.published,
        "seen": article.seen,
        "story": result.stored.story,
        "snippet": "".join(text for text, _ in snippet(article, result.marks)),
        "marks": marks,
        "hits": [{"watchlist": h.watchlist, "rule": h.rule, "level": h.level} for h in result.stored.hits],
    }


def _show(result: Result) -> None:
    article = result.stored.article
    click.echo(f"{article.when:%Y-%m-%d %H:%M}  {article.lang:<3}  {article.source}")
    click.echo(f"  {marked(title_parts(article, result.marks))}")
    if article.text:
        click.echo(f"  {marked(snippet(article, result.marks))}")
    if article.url:
        click.echo(f"  {article.url}")
    rules = sorted({f"{h.watchlist}/{h.rule}" for h in result.stored.hits if h.rule})
    if rules:
        click.echo(f"  hits: {', '.join(rules)}")
    click.echo()


@click.command("explain")
@click.argument("text", required=False)
@click.option("--title", default="", help="A headline that belongs to the text.")
@click.option("--lang", default="", help="Its language; else its letters tell.")
@click.option("--article", "article_id", default="", help="A stored article instead of a text.")
@click.option("--jsonl", default="", metavar="FILE", help="One {id?, title?, text, lang?} a line; - is standard input.")
@json_option
@click.pass_obj
def explain_command(
    config: Path, text: str | None, title: str, lang: str, article_id: str, jsonl: str, *, as_json: bool
) -> None:
    """Say what the watchlists find in a text, and why a name or a rule that seems to be there does not count."""
    with App.at(config) as app:
        force = app.editorial.current()
        warn_about(app)
        if jsonl:
            if _explain_lines(force, jsonl):
                raise click.exceptions.Exit(1)
            return
        article = _stored(app, article_id) if article_id else _text(text, title, lang)
        matched = explained(force, [article])[0]
        told = wordings(app.store, article.id) if article_id else []
        if as_json:
            line(_explained(matched) | ({"history": [_wording(w) for w in told]} if told else {}))
        else:
            _show_explained(force, article, matched, missed(force, article))
            _show_wordings(force, told)


def _text(text: str | None, title: str, lang: str) -> Article:
    if lang and not normal(lang):
        raise UsageError(f"`{lang}` is no language of ours: write one of {', '.join(LANGUAGES)}.")
    if not text and not title:
        raise UsageError("Give a text to explain, or --article ID, or --jsonl FILE.")
    return _article("text", title, text or "", lang)


def _article(name: str, title: str, text: str, lang: str) -> Article:
    tongue = normal(lang) or language(title, text)
    return Article(id=name, feed="", title=title, text=text, lang=tongue, seen=datetime.now(UTC))


def _stored(app: App, name: str) -> Article:
    found = app.store.articles([name])
    if not found:
        raise UsageError(f"There is no article `{name}`: `monitor search --json` prints ids.")
    return found[0].article


def _explained(matched: Matched) -> dict[str, Any]:
    mentions = [
        {"entity": m.entity, "letters": m.letters, "field": m.field, "start": m.start, "end": m.end}
        for m in matched.mentions
    ]
    hits = [
        {key: value for key, value in hit(h).items() if key in {"watchlist", "rule", "entity", "level", "evidence"}}
        for h in matched.hits
    ]
    return {"lang": matched.lang, "mentions": mentions, "hits": hits}


def _explain_lines(force: InForce, name: str) -> int:
    """Explain a file of texts in order; how many lines were bad."""
    bad = 0
    with _opened(name) as source:
        rows = _rows(source)
        while group := list(islice(rows, _GROUP)):
            good = [row for row in group if isinstance(row[1], Article)]
            answers = iter(explained(force, [a for _, a in good if isinstance(a, Article)]))
            for identity, article in group:
                if isinstance(article, Article):
                    line({"id": identity, **_explained(next(answers))})
                else:
                    bad += 1
                    line({"id": identity, "error": article})
    return bad


def _opened(name: str) -> IO[bytes]:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror}).") from None


def _rows(source: IO[bytes]) -> Iterator[tuple[Any, Article | str]]:
    """(id, article) per line, or (id, what is wrong); a line without an id has its number."""
    for number, raw in enumerate(source, start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            yield number, f"line {number} is no JSON"
            continue
        if not isinstance(row, dict):
            yield number, f"line {number} is no JSON object"
            continue
        fields = [row.get(k) or "" for k in ("title", "text", "lang")]
        identity = row.get("id", number)
        if all(isinstance(f, str) for f in fields) and (fields[0] or fields[1]):
            yield identity, _article(str(identity), *fields)
        else:
            yield identity, f"line {number} holds no text"


def _show_explained(force: InForce, article: Article, matched: Matched, misses: list[Missed]) -> None:
    click.echo(f"language: {matched.lang}")
    click.echo("mentions:" if matched.mentions else "mentions: none")
    for m in matched.mentions:
        nested = "  (inside a longer name)" if m.nested else ""
        click.echo(f"  {m.entity:<28} {m.letters}   {m.field} {m.start}-{m.end}{nested}")
    click.echo("hits:" if matched.hits else "hits: none")
    for h in matched.hits:
        title = force.names.get((h.watchlist, h.name), h.name)
        click.echo(f"  [{h.level}] {h.watchlist}/{h.name}: {title}")
        for e in h.evidence if h.rule else ():
            shown = evidence(e)
            click.echo(f"      {shown['leaf']} {shown['name']}: {shown['letters']}")
            click.echo(f"        {shown['sentence']}")
    if misses:
        click.echo("why not:")
    for miss in misses:
        if miss.kind == "rule":
            click.echo(f"  {miss.watchlist}/{miss.name} did not fire: this did not hold: {miss.letters}")
            click.echo(f"      {miss.why}")
        else:
            click.echo(f"  {miss.name}: {miss.letters} is no mention: {miss.why}")
    if not article.text:
        click.echo("(the text is a headline only)")


def _wording(told: Wording) -> dict[str, Any]:
    hits = [{"watchlist": h.watchlist, "rule": h.rule, "entity": h.entity, "level": h.level} for h in told.hits]
    return {"revision": told.revision, "seen": told.seen, "title": told.title, "text": told.text, "hits": hits}


def _show_wordings(force: InForce, told: Sequence[Wording]) -> None:
    """The history of an article that was edited."""
    if len(told) < 2:
        return
    click.echo("history:")
    for wording in told:
        click.echo(f"  {wording.seen:%Y-%m-%d %H:%M} UTC  {wording.title}")
        for sign, words in (("+", wording.gained), ("-", wording.lost)):
            if words:
                more = " ..." if len(words) > _MOST_WORDS else ""
                click.echo(f"      {sign} {' '.join(words[:_MOST_WORDS])}{more}")
        names = [force.names.get((h.watchlist, h.name), h.name) for h in wording.hits]
        click.echo(f"      hits: {', '.join(names) or 'none'}")


@click.command("not-it")
@click.argument("hit", metavar="HIT")
@click.pass_obj
def not_it_command(config: Path, hit: str) -> None:
    """Remember that a hit is not what its rule or name means. HIT is article/watchlist/name, as the mail prints it."""
    article, _, rest = hit.partition("/")
    watchlist, _, name = rest.partition("/")
    if not (article and watchlist and name):
        raise UsageError(f"`{hit}` names no hit: copy article/watchlist/name from the mail.")
    with App.at(config) as app:
        judged = app.store.judge(article, watchlist, name, app.clock())
    if not judged:
        raise UsageError(f"There is no hit `{hit}`: copy article/watchlist/name from the mail.")
    letters = ", ".join(dict.fromkeys(e.letters for h in judged for e in h.evidence))
    say(f"Remembered: {hit} is not it. It was found by {letters}; a mask or company in the watchlist would prevent it.")
