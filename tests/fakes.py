"""Small stand-ins for the outside: a clock, a site, a workspace, a mail channel that notes or dies, a mail relay."""

from __future__ import annotations

import email
import email.policy
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller

from monitor.app import App
from monitor.config import read_config
from monitor.model import Message, SendResult
from monitor.store import SqliteStore

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

WATCHLIST = """\
watchlist: bases
title: Bases
level: normal
entities:
  ain-al-asad:
    kind: base
    name: Ain al-Asad Air Base
    names:
      en: [Ain al-Asad]
      ar: [عين الأسد]
  pkk:
    kind: party
    name: PKK
    names:
      en: [PKK]
words:
  attack:
    en: [attack*, struck]
    ar: [هجوم]
rules:
  base-attack:
    title: Attack at a base
    level: flash
    query: '@ain-al-asad NEAR/25 #attack'
examples:
  - {say: "Drones attacked Ain al-Asad.", hits: [base-attack]}
  - {say: "Ain al-Asad hosts a football match.", hits: [], mentions: [ain-al-asad]}
"""

DESKS = """\
desks:
  - id: iraq
    title: Iraq desk
    to: [reader@example.org]
    zone: UTC
    at: ["07:00"]
"""

CONFIG = """\
poll:
  tick: 1
  connections: {connections}
  deadline: {deadline}
  allow_private: [{allowed}]
  hosts: {{"127.0.0.1": {{connections: {connections}, spacing: 0}}}}
{mail}
"""


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        """Begin at `now`."""
        self.now = now

    def __call__(self) -> datetime:
        """The present moment."""
        return self.now

    def move(self, **amount: float) -> None:
        """Go on by days, hours, minutes, seconds; backwards when negative."""
        self.now += timedelta(**amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of a feed."""

    title: str
    guid: str = ""
    link: str = ""
    text: str = ""
    when: datetime | None = NOW
    """None: no date."""
    raw: bool = False
    """The title stands in the document as it is."""


def rss(entries: Sequence[Entry]) -> bytes:
    """An RSS document."""
    rows = []
    for e in entries:
        parts = [f"<title>{e.title if e.raw else escape(e.title)}</title>"]
        parts += [f'<guid isPermaLink="false">{escape(e.guid)}</guid>'] if e.guid else []
        parts += [f"<link>{escape(e.link)}</link>"] if e.link else []
        parts += [f"<pubDate>{format_datetime(e.when)}</pubDate>"] if e.when else []
        parts += [f"<description>{escape(e.text)}</description>"] if e.text else []
        rows.append(f"<item>{''.join(parts)}</item>")
    head = "<title>Feed</title><link>http://feed.example/</link><description>News</description>"
    body = f'<rss version="2.0"><channel>{head}{"".join(rows)}</channel></rss>'
    return f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()


def entries(*numbers: int, name: str = "Story", about: str = "Ain al-Asad") -> list[Entry]:
    """Items that mention a base, a minute apart, told in words that no two of them share."""
    return [
        Entry(
            title=f"{name} {n}: {about} visited by delegation {n * 7919}",
            guid=f"{name}-{n}",
            link=f"http://feed.example/{name}/{n}",
            text=" ".join(f"{name.lower()}{n}word{k}" for k in range(12)),
            when=NOW - timedelta(minutes=n),
        )
        for n in numbers
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the site says at a path."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/rss+xml"
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    """Nothing is said before this is set."""


class Site:
    """A web site on the loopback; `asked` counts the requests of each path."""

    def __init__(self) -> None:
        """Bind a free port."""
        self.pages: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: Counter[str] = Counter()
        self.closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving, also those who are held."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        """The port that was free."""
        return int(self._server.server_address[1])

    @property
    def base(self) -> str:
        """The address without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def show(self, path: str, items: Sequence[Entry], **headers: str) -> None:
        """Serve these items at a path."""
        self.pages[path] = Answer(body=rss(items), headers=headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, site: Site) -> None:
        self.site = site
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no fault of the site."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    wbufsize = -1

    def do_GET(self) -> None:
        site = self.server.site
        site.asked[self.path] += 1
        found = site.pages.get(self.path) or Answer(status=404)
        answer = found() if callable(found) else found
        while answer.hold and not answer.hold.wait(0.05):
            if site.closing.is_set():
                return
        etag = answer.headers.get("ETag")
        same = etag is not None and self.headers.get("If-None-Match") == etag
        self.send_response(304 if same else answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", "0" if same else str(len(answer.body)))
        self.end_headers()
        if not same:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Keep quiet."""


@dataclass(slots=True, kw_only=True)
class Workspace:
    """A workspace on disk and the apps that open it, all by one clock."""

    root: Path
    ports: tuple[int, ...] = ()
    """Ports of 127.0.0.1 that may be polled."""
    clock: Clock = field(default_factory=Clock)
    mail: str = ""
    deadline: float = 20
    connections: int = 16
    """At the same time; 1 asks the feeds one after the other."""

    def lay_out(self) -> None:
        """Write configuration, watchlist and desk, and an empty database."""
        (self.root / "watchlists").mkdir(parents=True, exist_ok=True)
        (self.root / "data").mkdir(exist_ok=True)
        allowed = ", ".join(f'"127.0.0.1:{p}"' for p in self.ports)
        config = CONFIG.format(allowed=allowed, mail=self.mail, deadline=self.deadline, connections=self.connections)
        self.write("monitor.yaml", config)
        self.write("watchlists/bases.yaml", WATCHLIST)
        self.write("watchlists/desks.yaml", DESKS)
        self.feeds({})
        SqliteStore(self.root / "data" / "monitor.db", create=True, clock=self.clock).close()

    def write(self, name: str, text: str) -> Path:
        """Write a file of the workspace."""
        path = self.root / name
        path.write_text(text, "utf-8")
        return path

    def feeds(self, addresses: Mapping[str, str]) -> None:
        """Write feeds.yaml: id -> address."""
        rows = "".join(f'  - {{id: {i}, title: {i}, url: "{url}", lang: en}}\n' for i, url in addresses.items())
        self.write("watchlists/feeds.yaml", f"feeds:\n{rows}" if rows else "feeds: []\n")

    @property
    def config(self) -> Path:
        """The workspace's monitor.yaml."""
        return self.root / "monitor.yaml"

    @property
    def outbox(self) -> Path:
        """Where the file channel writes."""
        return self.root / "data" / "outbox"

    def open(self) -> App:
        """The workspace by this clock; close it."""
        app = App(read_config("monitor.yaml", self.config.read_bytes(), root=self.root, environment={}))
        app.clock = self.clock
        return app

    def mails(self) -> dict[str, EmailMessage]:
        """File name -> mail of all that the file channel wrote."""
        return {p.name: parsed(p.read_bytes()) for p in sorted(self.outbox.glob("*.eml"))}


def parsed(raw: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    return email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail, in one line."""
    part = mail.get_body(("plain",))
    assert part is not None
    return " ".join(str(part.get_content()).split())


def html_of(mail: EmailMessage) -> str:
    """The page of a mail."""
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@dataclass(slots=True, kw_only=True)
class Pigeon:
    """A channel that notes what it was given and answers as told."""

    answers: list[SendResult | BaseException] = field(default_factory=list)
    """Used up one by one; afterwards everything succeeds."""
    carried: list[Message] = field(default_factory=list)

    def send(self, message: Message, committing: Callable[[], None]) -> SendResult:
        """Commit, unless the answer is a refusal that comes before."""
        answer = self.answers.pop(0) if self.answers else SendResult(ok=True)
        if isinstance(answer, SendResult) and not answer.ok and not answer.unconfirmed:
            return answer
        committing()
        if isinstance(answer, BaseException):
            raise answer
        self.carried.append(message)
        return answer


class Relay:
    """A real mail relay on the loopback; `got` holds (recipient, mail) in the order of arrival."""

    def __init__(self) -> None:
        """Bind a free port."""
        self.got: list[tuple[str, EmailMessage]] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        self.got.append((envelope.rcpt_tos[0], parsed(envelope.content)))
        return "250 taken"

    def __enter__(self) -> Self:
        """Listen."""
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._controller.stop()

    @property
    def settings(self) -> str:
        """The part of monitor.yaml that mails through this relay."""
        return (
            "mail:\n  channel: smtp\n  host: desk.example.org\n  from: Monitor <monitor@example.org>\n"
            f"  relay: {{host: 127.0.0.1, port: {self.port}, tls: none, timeout: 10}}\n"
        )


def until(met: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Whether something came true in time; looked at twenty times a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if met():
            return True
        time.sleep(0.05)
    return met()
