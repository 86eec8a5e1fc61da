"""A digest in the form in which it is mailed: subject, headers, text and HTML. Pure.

Digest -> view.page -> templates digest.txt, digest.html -> Message per recipient
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from monitor.model import Digest, Message
from monitor.render.excerpt import mark, snippet, title_parts
from monitor.render.plain import WIDTH, clean, direction, header, lines, safe_url
from monitor.render.view import Item, Limits, Names, Page, date_text, hit_handle, page, plural, urgent_text

if TYPE_CHECKING:
    from jinja2 import Environment  # a search marks excerpts and needs no templates

__all__ = ["MAX_HTML", "clean", "direction", "hit_handle", "mark", "render", "safe_url", "snippet", "title_parts"]

MAX_HTML = 90_000
"""Bytes. Gmail clips a mail at about 102 kB (measured 99-105 kB)."""

SUBJECT = 78
"""Letters: RFC 5322 2.1.1 asks for lines no longer than that."""

_STEPS = (
    Limits(),
    Limits(brief=150),
    Limits(brief=80),
    Limits(full=40, brief=60),
    Limits(full=30, brief=40),
    Limits(full=20, brief=30),
    Limits(full=10, brief=20),
    Limits(full=5, brief=5),
    Limits(full=0, brief=10),
    Limits(full=0, brief=0),
)
"""Tried in turn until the HTML is small enough."""


def render(
    digest: Digest,
    env: Environment,
    *,
    sender: str,
    host: str,
    base_url: str = "",
    names: Names | None = None,
) -> list[Message]:
    """Return one message per recipient; a flash goes to the desk's flash addresses, or to all when it has none.

    `host` is the right side of Message-ID and List-Id. Without `base_url` no link leads to our own pages. `names` gives
    the titles of rules and entities; ids are shown where it is silent.
    """
    html = _html(digest, env, base_url, names or {})
    text = _text(digest, env, base_url, names or {})
    desk = digest.desk
    to = desk.flash_to or desk.to if digest.flash else desk.to
    key = str(digest.key)
    return [
        Message(
            key=key,
            to=recipient,
            sender=header(sender, 200),
            subject=subject(digest),
            text=text,
            html=html,
            message_id=message_id(key, recipient, host),
            headers=tuple(_headers(digest, host)),
            date=digest.made,
        )
        for recipient in dict.fromkeys(to)
    ]


def message_id(key: str, to: str, host: str) -> str:
    """Return the Message-ID, the same on every try: <digest.desk.2026-11-21.0700.1f3c2a9b77@host>."""
    digest = hashlib.sha256(f"{key}\n{to}".encode(errors="replace")).hexdigest()[:10]
    readable = re.sub(r"[^a-z0-9/-]", "", key.lower()).replace("/", ".")
    return f"<digest.{readable[:120].strip('.')}.{digest}@{_host(host)}>"


def _host(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "", host).strip(".-") or "localhost"


def subject(digest: Digest) -> str:
    """Return the subject, at most 78 letters: counts first, then the lists with the most urgent news."""
    filled = [s for s in digest.sections if s.stories]
    stories = [line for s in filled for line in s.stories]
    if digest.flash:
        title = stories[0].article.title if stories else "nothing"
        where = f"{filled[0].title} - " if filled else ""
        return header(f"[Monitor] FLASH: {clean(where, 40)} {clean(title)}", SUBJECT)
    slot = f" {digest.key.slot}" if len(digest.desk.at) > 1 else ""
    urgent = urgent_text(stories)
    counts = f"[Monitor] {date_text(digest)}{slot}: {len(stories)} new" + (f", {urgent}" if urgent else "")
    if not stories:
        seen = digest.coverage
        failing = f", {len(seen.failing)} not answering" if seen.failing else ""
        return header(f"{counts}; {seen.fresh} of {plural(seen.feeds, 'feed')} fresh{failing}", SUBJECT)
    top = [clean(s.title, 60) for s in filled[:2]]
    both = header(f"{counts} - {'; '.join(top)}", 2 * SUBJECT)
    return both if len(both) <= SUBJECT else header(f"{counts} - {top[0]}", SUBJECT)


def _headers(digest: Digest, host: str) -> Iterator[tuple[str, str]]:
    """Yield the headers that tell machines what this is (RFC 2919, RFC 3834, RFC 2369, MS-OXCMAIL)."""
    desk = digest.desk
    slug = re.sub(r"[^A-Za-z0-9-]", "-", desk.id)
    title = re.sub(r'[<>"\\,;:()@]', " ", header(desk.title or desk.id, 80))
    yield "List-Id", f"{clean(title)} digest <{slug}.{_host(host)}>"
    if desk.reply_to:
        yield "Reply-To", header(desk.reply_to, 200)
        yield "List-Unsubscribe", f"<mailto:{header(desk.reply_to, 200)}?subject=unsubscribe%20{slug}>"
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "OOF, DR, RN, NRN, AutoReply"
    yield "Precedence", "bulk"
    yield "Content-Language", "en"
    yield "X-Monitor-Digest", header(str(digest.key), 200)


def _html(digest: Digest, env: Environment, base_url: str, names: Names) -> str:
    template = env.get_template("digest.html")
    html = ""
    for limits in _STEPS:
        html = template.render(page=page(digest, base_url=base_url, names=names, limits=limits))
        if len(html.encode()) < MAX_HTML:
            break
    return html


def _text(digest: Digest, env: Environment, base_url: str, names: Names) -> str:
    shown = page(digest, base_url=base_url, names=names, limits=Limits())
    text = env.get_template("digest.txt").render(page=shown, lines=list(_text_lines(shown)))
    fitted = "\n".join(line for long in text.splitlines() for line in _fitted(long))
    return re.sub(r"\n{3,}", "\n\n", fitted).strip() + "\n"


def _fitted(line: str) -> list[str]:
    """Return a line of the template in 72 columns; an address or a command stays whole, so that it can be copied."""
    if len(line) <= WIDTH or "://" in line or " monitor not-it " in line:
        return [line]
    indent = re.match(r"[\s!-]*", line)
    return list(lines(line, indent=" " * len(indent[0]) if indent else "", first="", ltr=True))


def _text_lines(shown: Page) -> Iterator[str]:
    """Yield the sections in lines of 72 columns."""
    number = 0
    for block in shown.blocks:
        yield ""
        yield from lines(f"== {block.title} ({block.count}) ==")
        for item in block.items:
            number += 1
            yield ""
            yield from _item_lines(item, number)
        if block.briefs:
            yield ""
            yield from lines(f"{len(block.briefs)} more in one line each:")
        for brief in block.briefs:
            yield from lines(brief.title, indent="   ", first=" - ")
            yield from lines(brief.meta, indent="   ", ltr=True)
            if brief.url:
                yield f"   {brief.url}"
        if block.more:
            yield from lines(f"{plural(block.more, 'more story', 'more stories')} in this list.")


def _item_lines(item: Item, number: int) -> Iterator[str]:
    level = f"[{item.level}] " if item.level else ""
    title = "".join(t for t, _ in item.title).strip()
    yield from lines(f"{level}{title}", indent="    ", first=f"{number}. ".ljust(4))
    yield from lines(item.meta, indent="    ", ltr=True)
    if item.snippet:
        yield from lines("".join(f"*{t}*" if marked else t for t, marked in item.snippet).strip(), indent="    ")
    for n, reason in enumerate(item.why):
        yield from lines(reason, indent="      ", first="    matched: " if n == 0 else "      ", ltr=True)
    if item.also:
        yield from lines(f"also in: {item.also}", indent="    ", ltr=True)
    for url in (item.url, item.story_url):
        if url:
            yield f"    {url}"
    if item.not_it_command or item.not_it_url:
        yield f"    not it? {item.not_it_command or item.not_it_url}"
