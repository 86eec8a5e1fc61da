"""T-BOMB, T-HANG, T-XML: documents and servers made to hurt cost themselves a bounded time and memory, and nobody else.

Everything is generated here and served on loopback; nothing of it is kept.
"""

from __future__ import annotations

import gzip
import os
import resource
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
from fakes import Answer, Site, Workspace, entries, until
from watched import Seen, look

from monitor.app import App
from monitor.sandbox import Done, Killed, Limits, Outcome, Sandbox
from monitor.service.read import PRELOAD

MEGABYTE = 1_000_000
HEAD, END = b"<rss version='2.0'><channel><title>T</title>", b"</channel></rss>"
GOOD = HEAD + b"<item><title>x</title></item>" + END
JSON = b'{"version":"https://jsonfeed.org/version/1.1","items":['


def item(inside: bytes, before: bytes = b"") -> bytes:
    """A feed with one entry."""
    return before + HEAD + b"<item>" + inside + b"</item>" + END


def doubled(levels: int) -> bytes:
    """A document type in which each entity is ten of the one before."""
    rows = b"".join(b"<!ENTITY l%d '%s'>" % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, levels))
    return b"<!DOCTYPE rss [<!ENTITY l0 'lol'>" + rows + b"]>"


QUADRATIC: dict[str, Callable[[], bytes]] = {
    "200 kB of dashes": lambda: item(b"<title>a</title><description><!" + b"-" * 200_000 + b"</description>"),
    "200 kB of dashes, quoted": lambda: item(b"<description>&lt;!" + b"-" * 200_000 + b"</description>"),
    "1 MB of attributes": lambda: HEAD + b"<item " + b" ".join(b'a%d="x"' % n for n in range(90_000)) + b"></item>",
    "1 MB of attributes, well-formed": lambda: item(b"<x " + b" ".join(b'a%d="x"' % n for n in range(90_000)) + b"/>"),
    "nested blocks": lambda: item(b"<description><![CDATA[" + b"<div>" * 600_000 + b"]]></description>"),
    "crossed marks": lambda: item(b"<description><![CDATA[" + b"<b><i><a href=x>" * 100_000 + b"]]></description>"),
    "an author like an address": lambda: item(b"<author>" + b"a." * 300_000 + b"@" + b"a." * 300_000 + b"</author>"),
    "an encoding that is none": lambda: (
        b"<?xml version='1.0' encoding='punycode'?>" + item(b"<title>x-" + b"a" * 200_000)
    ),
    "a nest without an end": lambda: HEAD + b"<item>" + b"<a>" * 300_000,
}
"""Known to take the square of their length somewhere: whatever does, is killed."""

LARGE: dict[str, Callable[[], bytes]] = {
    "100,000 entries": lambda: HEAD + b"<item><title>x</title><link>http://a.example/</link></item>" * 100_000 + END,
    "100,000 entries, damaged": lambda: HEAD + b"<item><title>x & y</title></item>" * 100_000,
    "100,000 entries of JSON": lambda: JSON + b",".join([b'{"id":"1","title":"t"}'] * 100_000) + b"]}",
    "entities that multiply": lambda: item(b"<title>&l11;</title>", doubled(12)),
    "one long entity, often": lambda: item(
        b"<title>" + b"&a;" * 100_000 + b"</title>", b"<!DOCTYPE rss [<!ENTITY a '" + b"A" * 100_000 + b"'>]>"
    ),
    "2,000,000 numeric entities": lambda: item(b"<title>" + b"&#65;" * 2_000_000 + b"</title>"),
    "300,000 entities declared": lambda: item(
        b"<title>&a;</title>", b"<!DOCTYPE rss [" + b"<!ENTITY a 'b'>" * 100_000 + b"]>"
    ),
    "100,000 contents in an entry": lambda: item(
        b"".join(b"<content:encoded>%d</content:encoded>" % n for n in range(100_000))
    ).replace(b"<rss ", b"<rss xmlns:content='http://purl.org/rss/1.0/modules/content/' "),
    "20,000 namespaces": lambda: item(b"<title>x</title>").replace(
        b"<rss ", b"<rss " + b" ".join(b'xmlns:n%d="urn:%d"' % (n, n) for n in range(20_000)) + b" "
    ),
    "19 MB in an item": lambda: item(b"<description>" + b"word " * 3_800_000 + b"</description>"),
    "JSON of 1,000,000 levels": lambda: JSON + b"[" * 1_000_000,
    "a number of 5,000,000 digits": lambda: JSON + b'{"id":' + b"9" * 5_000_000 + b"}]}",
    "an endless comment": lambda: HEAD + b"<item><title>a</title></item><!--" + b"x>" * 1_000_000,
    "a date of 1 MB": lambda: item(b"<pubDate>" + b"T:1" * 300_000 + b"</pubDate>"),
    "a link of 1 MB": lambda: item(b"<link>http://a.example/?" + b"&amp;a" * 200_000 + b"</link>"),
}
"""Large and harmless: read within the limits, and cut to size."""

HANGING = ("drip", "hints", "crumbs", "mute", "short")
SERVERS = (*HANGING, "endless", "headers")

PATIENCE = 120
"""Seconds after which the tests give up on what does not come, however busy the machine; none are promised."""


def peak(body: bytes) -> tuple[Seen, int]:
    """Read a body in a child; what was seen, and the child's largest resident size in bytes."""
    seen = look(body, compare=False)
    return seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def together(strict: Sandbox, body: bytes) -> list[Outcome[tuple[Seen, int]]]:
    """Outcomes of a good feed, this one and another good feed, in one batch."""
    return list(strict.map(peak, [(GOOD,), (body,), (GOOD,)]))


@pytest.mark.parametrize("kind", QUADRATIC)
def test_t_hang_what_hangs_a_parser_is_killed(kind: str) -> None:
    """A document that needs the square of its length ends within the child's time; its neighbours are read."""
    began = time.monotonic()
    with Sandbox(workers=1, limits=Limits(wall=1.5), preload=PRELOAD) as strict:
        first, bad, last = together(strict, QUADRATIC[kind]())

    assert isinstance(first, Done)
    assert isinstance(last, Done)
    assert first.value[0].entries == last.value[0].entries == 1
    assert isinstance(bad, Done) or bad.cause in ("wall", "cpu", "memory"), bad
    assert time.monotonic() - began < 20


@pytest.fixture(scope="module")
def fresh() -> Iterator[Sandbox]:
    """Children with the bounds of a poll."""
    with Sandbox(workers=1, limits=Limits(), preload=PRELOAD) as made:
        yield made


@pytest.mark.parametrize("kind", LARGE)
def test_t_bomb_what_is_large_is_read_within_bounds(fresh: Sandbox, kind: str) -> None:
    """Large documents are read or refused, at most 5,000 entries of them, and no child outgrows 300 MB for it."""
    outcome = fresh.run(peak, (LARGE[kind](),))

    assert isinstance(outcome, Done), f"{kind}: {outcome}"
    seen, size = outcome.value
    assert seen.entries <= 5_000
    assert len(seen.letters) < 20 * MEGABYTE
    assert size < 300 * MEGABYTE, f"{kind}: {size / MEGABYTE:.0f} MB"


def test_t_hang_memory_is_a_bound_too() -> None:
    """A document that needs more memory than a child may have is an outcome in words, and the next one is read."""
    with Sandbox(workers=1, limits=Limits(memory=80 << 20), preload=PRELOAD) as narrow:
        bad, good = narrow.map(peak, [(LARGE["19 MB in an item"](),), (GOOD,)])

    assert isinstance(bad, Killed)
    assert bad.cause in ("memory", "crash")
    assert isinstance(good, Done)
    assert good.value[0].entries == 1


@pytest.mark.parametrize("end", [END, b"</channel>"], ids=["well-formed", "damaged"])
def test_t_xml_nothing_that_a_document_names_is_opened(tmp_path: Path, end: bytes) -> None:
    """Files, pipes and servers named by DTD, entity, XInclude, stylesheet, schema or base are left alone.

    The pipe has no other end: whoever opened it, in C code too, would wait for ever. The server counts its guests.
    """
    pipe, secret = tmp_path / "pipe", tmp_path / "secret"
    os.mkfifo(pipe)
    secret.write_text("the secret words")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        for where in (f"file://{pipe}", str(pipe), f"file://{secret}", f"http://127.0.0.1:{port}/x"):
            bodies = [body.replace(END, end) for body in naming(where.encode())]
            with Sandbox(workers=1, limits=Limits(wall=10), preload=PRELOAD) as strict:
                for body, outcome in zip(bodies, strict.map(look, [(b,) for b in bodies]), strict=True):
                    assert isinstance(outcome, Done), (body, outcome)
                    assert outcome.value.opened == (), body
                    assert "secret words" not in outcome.value.letters, body
        with pytest.raises(BlockingIOError):
            server.accept()


def naming(where: bytes) -> list[bytes]:
    """Documents that name an address in every way that XML knows."""
    title = b"<title>&x;</title>"
    return [
        item(b"<title>a</title>", b"<!DOCTYPE rss SYSTEM '%s'>" % where),
        item(b"<title>a</title>", b"<!DOCTYPE rss PUBLIC '-//x' '%s'>" % where),
        item(title, b"<!DOCTYPE rss [<!ENTITY x SYSTEM '%s'>]>" % where),
        item(title, b"<!DOCTYPE rss [<!ENTITY %% p SYSTEM '%s'> %%p;]>" % where),
        item(
            title, b"<!DOCTYPE rss [<!ENTITY %% e '<!ENTITY &#37; p SYSTEM &#39;%s&#39;>'> %%e; %%p;]>" % where
        ),
        item(b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' parse='text' href='%s'/>" % where),
        item(b"<title>a</title>", b"<?xml-stylesheet type='text/xsl' href='%s'?>" % where),
        item(b"<title xmlns:s='http://www.w3.org/2001/XMLSchema-instance' s:schemaLocation='a %s'>a</title>" % where),
        item(b"<link xml:base='%s'>a</link><description src='%s' type='text/html'/>" % (where, where)),
        item(b"<content src='%s' type='text/html'/><enclosure url='%s'/>" % (where, where)),
        where,
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("served", ["", "text/xml", "application/rss+xml; charset=utf-8", "text/html"])
def test_wide_letters_are_read_whatever_they_are_labelled(fresh: Sandbox, encoding: str, served: str) -> None:
    """A feed in UTF-16 or UTF-32 with a mark or a declaration is read, even when the server calls it something else."""
    mark = "" if encoding in ("utf-16", "utf-32") else f"<?xml version='1.0' encoding='{encoding[:6]}'?>"
    body = (mark + "<rss version='2.0'><channel><item><title>تهران</title></item></channel></rss>").encode(encoding)
    outcome = fresh.run(look, (body, served))

    assert isinstance(outcome, Done)
    assert outcome.value.letters.strip() == "تهران"


def test_what_other_contents_say_is_kept(fresh: Sandbox) -> None:
    """A media description beside the text is kept when it says something else, and not twice when it says the same."""
    spaces = (
        b"<rss xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:media='http://search.yahoo.com/mrss/' "
    )
    body = item(
        b"<description>the article</description><media:description>A film.</media:description>"
        b"<content:encoded>&lt;p&gt;The long text of the article.&lt;/p&gt;</content:encoded>"
    ).replace(b"<rss ", spaces)
    outcome = fresh.run(look, (body,))

    assert isinstance(outcome, Done)
    assert outcome.value.letters.count("The long text") == 1
    assert outcome.value.letters.count("A film.") == 1
    assert outcome.value.lost == ()


class Torrent:
    """A server on loopback that misbehaves by path, until it is closed; nothing of what it sends ends by itself."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        torrent = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                kind = self.request.recv(4_096).split(b" ", 2)[1].decode().strip("/")
                with suppress(OSError):
                    for chunk in torrent.chunks(kind):
                        self.request.sendall(chunk)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def chunks(self, kind: str) -> Iterator[bytes]:
        """What is sent, piece by piece."""
        ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n"
        first, piece, pause = {
            "drip": (ok + b"\r\n" + HEAD, b"x", 0.05),
            "endless": (ok + b"\r\n" + HEAD, b"<item><title>x</title></item>" * 2_000, 0.0),
            "headers": (ok, b"X-More: " + b"y" * 1_000 + b"\r\n", 0.0),
            "hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 0.001),
            "crumbs": (ok + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 60 + b"\r\nx\r\n", 0.001),
            "mute": (b"", b"", 0.05),
            "short": (ok + b"Content-Length: 5000\r\n\r\n" + HEAD, b"", 0.05),
        }[kind]
        yield first
        while not self.closing.wait(pause) if pause else not self.closing.is_set():
            yield piece

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everybody."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def bombs() -> dict[str, Answer]:
    """Small bodies that unpack to large ones, or pretend to."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(300)) + packer.flush()
    packed = {"Content-Encoding": "gzip"}
    empty = gzip.compress(b"")
    return {
        "bomb": Answer(body=zeros, headers=packed),
        "twice": Answer(body=gzip.compress(zeros), headers={"Content-Encoding": "gzip, gzip"}),
        "members": Answer(body=empty * (9 * MEGABYTE // len(empty)), headers=packed),
        "brotli": Answer(body=b"\x0b\x02\x80", headers={"Content-Encoding": "br"}),
        "zstd": Answer(body=b"\x28\xb5\x2f\xfd", headers={"Content-Encoding": "zstd"}),
        "cut": Answer(body=gzip.compress(GOOD * 100)[:-20], headers=packed),
        "dashes": Answer(body=HEAD + b"<item " + b" ".join(b'a%d="x"' % n for n in range(40_000)) + b"></item>"),
        "many": Answer(body=LARGE["100,000 entries"]()),
    }


def test_t_bomb_other_feeds_are_on_time(desk: Workspace, site: Site) -> None:
    """Beside every hostile server and body the good feeds are stored, in little memory, while the others still hang.

    Those may hang for an hour; what hurts otherwise is told by its kind meanwhile.
    """
    good = [f"good-{n}" for n in range(20)]
    for n, name in enumerate(good):
        site.show(f"/{name}", entries(n, name=name))
    hostile = bombs()
    for name, answer in hostile.items():
        site.pages[f"/{name}"] = answer
    before, used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    told, stop = [0], threading.Event()
    with Torrent() as torrent, besieged(desk, site, torrent, [*hostile, *good], deadline=3600) as app:
        with ThreadPoolExecutor(1) as hand:
            working = hand.submit(app.polling.poll, every=True, stop=stop, progress=lambda n, _: told.append(n))
            try:
                stored = until(lambda: app.store.counts().articles >= len(good), seconds=PATIENCE)
                others = len(SERVERS) + len(hostile) + len(good) - len(HANGING)
                settled = until(lambda: told[-1] >= others or working.done(), seconds=PATIENCE)
                hanging = not working.done()
            finally:
                stop.set()
        report = working.result()
    kinds = {title: kind for title, kind, _ in report.failures}

    assert (stored, settled, hanging) == (True, True, True), report
    assert report.articles >= len(good)
    assert kinds.keys() - {"many"} == {*SERVERS, *hostile} - {"many", *HANGING}, kinds
    assert kinds["bomb"] == kinds["endless"] == "too-big"
    assert kinds["brotli"] == kinds["zstd"] == kinds["twice"] == kinds["cut"] == "encoding"
    assert kinds["dashes"] == "poison"
    assert time.process_time() - used < 30
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 150 * MEGABYTE


def test_t_bomb_a_server_that_never_ends_its_answer_is_left(desk: Workspace, site: Site) -> None:
    """When the deadline is over, in whatever way it keeps its answer open."""
    with Torrent() as torrent, besieged(desk, site, torrent, [], deadline=1) as app:
        report = app.polling.poll(HANGING, every=True)
        assert {title: kind for title, kind, _ in report.failures} == dict.fromkeys(HANGING, "timeout")


@contextmanager
def besieged(desk: Workspace, site: Site, torrent: Torrent, paths: Sequence[str], *, deadline: float) -> Iterator[App]:
    """The desk with the bad servers, these paths of the site, and children that have 2 s of processor time."""
    desk.ports, desk.deadline = (site.port, torrent.port), deadline
    desk.lay_out()
    desk.feeds(
        {name: f"http://127.0.0.1:{torrent.port}/{name}" for name in SERVERS}
        | {name: f"{site.base}/{name}" for name in paths}
    )
    with desk.open() as app, Sandbox(workers=2, limits=Limits(wall=PATIENCE, cpu=2), preload=PRELOAD) as strict:
        app.__dict__["sandbox"] = strict
        yield app
