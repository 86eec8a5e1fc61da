"""Each published fault of a feed reader, or of a part that one is made of, that concerns fetching or parsing.

A test is named after the advisory; its sentence says what went wrong there and is promised here. Advisories about
pages, mails and logins stand with those; the addresses of the vectors are tried in test_ssrf, the sets of files in
test_vectors_feeds, generated floods in test_hostile_feeds.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing

import pytest
from fakes import Answer, Site, Workspace
from outside import PUBLIC, RSS, START, Outside, discover, fetched, fill, http
from watched import look, watching

from monitor.fetch import FetchLimits, is_public
from monitor.fetch.answer import Body, EncodingError
from monitor.model import Failed, Fetched
from monitor.parse import MOST_ENTRIES, Parsed, parse
from monitor.text.plain import one_line, plain_text

HEAD, END = b"<rss version='2.0'><channel><title>T</title>", b"</channel></rss>"
INSIDE = ("127.0.0.1", "10.0.0.8", "192.168.1.1", "169.254.169.254")


def item(inside: bytes, before: bytes = b"") -> bytes:
    """A feed with one entry."""
    return before + HEAD + b"<item>" + inside + b"</item>" + END


def letters(body: bytes) -> str:
    """All letters that would be stored of a feed."""
    parsed = parse("f", body, "application/xml", "https://paper.example/")
    assert isinstance(parsed, Parsed), parsed
    shown = [f"{one_line(i.title)} {plain_text(i.html)} {plain_text(i.summary)} {i.url}" for i in parsed.items]
    return " ".join([*shown, *(one_line(a) for i in parsed.items for a in i.authors)])


def refused(url: str, **vector: object) -> Failed:
    """What is said of an address that is not dialled."""
    outside = Outside(vector={"url": url, **vector})
    (result,) = fetched(outside, url)
    assert outside.dialled == [], url
    assert isinstance(result, Failed), url
    return result


# addresses


def test_cve_2026_21885_nothing_is_fetched_on_behalf_of_a_feed(desk: Workspace, site: Site) -> None:
    """Miniflux' media proxy fetched what feeds named: pictures, enclosures and icons are not asked for."""
    names = ("enclosure", "picture", "icon", "logo", "media", "comments", "style")
    inside = {name: f"{site.base}/{name}" for name in names}
    entry = (
        f'<title>a</title><guid>1</guid><enclosure url="{inside["enclosure"]}" type="audio/mpeg"/>'
        f'<description>&lt;img src="{inside["picture"]}"&gt;</description><comments>{inside["comments"]}</comments>'
        f'<media:content xmlns:media="http://search.yahoo.com/mrss/" url="{inside["media"]}"/>'
    )
    image = f"<image><url>{inside['logo']}</url></image><icon>{inside['icon']}</icon>"
    style = f'<?xml-stylesheet href="{inside["style"]}" type="text/css"?>'
    body = f'{style}<rss version="2.0"><channel>{image}<item>{entry}</item></channel></rss>'
    site.pages["/a"] = Answer(body=body.encode())
    with desk.open() as app:
        assert app.polling.poll().articles == 1

    assert dict(site.asked) == {"/a": 1}


@pytest.mark.parametrize("address", INSIDE)
def test_cve_2026_27696_the_address_is_judged_and_not_the_name(address: str) -> None:
    """changedetection.io checked the URL and not where its name leads."""
    result = refused("http://harmless.example/feed", resolves=[address])
    assert result.kind == "blocked"
    assert address in result.message


@pytest.mark.parametrize("url", ["http://169.254.169.254:8888\\@example.com/", "http://example.com\\@127.0.0.1/"])
def test_ghsa_rph4_96w6_q594_one_parser_for_check_and_use(url: str) -> None:
    """changedetection.io's two parsers read two hosts in a URL with a backslash: such a URL is refused whole."""
    assert "letters that no web address has" in refused(url).message
    outside = Outside({f"{START}/": http(status=302, location=url)})
    (result,) = fetched(outside, f"http://{START}/")
    assert outside.dialled == [PUBLIC]
    assert isinstance(result, Failed)


def test_ghsa_hm22_wg2m_35v4_every_hop_is_judged() -> None:
    """changedetection.io checked the first address of a chain: here the fifth is judged like the first."""
    chain = {f"{START}/{n}": http(status=302, location=f"/{n + 1}") for n in range(4)}
    outside = Outside(chain | {f"{START}/4": http(status=307, location="http://127.0.0.1/")})
    (result,) = fetched(outside, f"http://{START}/0")

    assert [path for _, path in outside.asked] == ["/0", "/1", "/2", "/3", "/4"]
    assert isinstance(result, Failed)
    assert result.kind == "blocked"


@pytest.mark.parametrize("address", ["fc00::1", "fd12:3456::1", "100.64.0.1", "100.127.255.254"])
def test_ghsa_hgrr_mjfp_gmr6_local_ranges_beyond_the_usual_three(address: str) -> None:
    """CommaFeed let unique local IPv6 and carrier-grade NAT pass."""
    assert refused("http://harmless.example/", resolves=[address]).kind == "blocked"


@pytest.mark.parametrize(
    "address", ["::1", "::", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1"]
)
def test_ghsa_q5qw_345w_55xg_no_way_inside_by_ipv6(address: str) -> None:
    """CommaFeed let loopback and tunnels pass when they were written in IPv6."""
    assert refused("http://harmless.example/", resolves=[address]).kind == "blocked"
    refused(f"http://[{address}]/")


@pytest.mark.parametrize("host", ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:169.254.169.254]"])
def test_cve_2026_33480_mapped_addresses_are_what_they_hide(host: str) -> None:
    """AVideo took an IPv4 address inside of IPv6 for a public one."""
    refused(f"http://{host}/")
    assert not is_public(host.strip("[]"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]", "0x7f.1", "2130706433", "127.1"])
def test_cve_2025_46341_no_feed_speaks_to_ourselves(host: str) -> None:
    """FreshRSS could be made to ask itself, as an administrator: our own machine is refused by all of its names."""
    for port in ("", ":8080"):
        assert refused(f"http://{host}{port}/").kind in {"blocked", "dns"}
    outside = Outside({f"{START}/": http(RSS)})
    fetched(outside, f"http://{START}/")
    assert outside.asked == [(START, "/")]


@pytest.mark.parametrize(
    "url",
    [
        "gopher://127.0.0.1:25/_HELO", "dict://127.0.0.1:11211/stat", "file:///etc/passwd", "ftp://pub.example/x",
        "ldap://pub.example/", "tftp://pub.example/x", "sftp://pub.example/x", "data:text/xml,<rss/>", "jar:http://x!/y",
        "phar://x", "php://filter/resource=x", "unix:/run/docker.sock", "javascript:alert(1)", "ws://pub.example/",
    ],
)  # fmt: skip
def test_cve_2020_25787_only_the_web(url: str) -> None:
    """Tiny Tiny RSS opened gopher and its kin, and a feed became a command: only http and https are opened."""
    refused(url)
    outside = Outside({f"{START}/": http(status=301, location=url)})
    (result,) = fetched(outside, f"http://{START}/")
    assert outside.dialled == [PUBLIC]
    assert isinstance(result, Failed)


def test_cve_2023_22493_a_route_is_not_made_of_a_stranger_s_words() -> None:
    """RSSHub put strangers' words into the address that it fetched: odd hops are judged whole."""
    for location in (
        "//127.0.0.1/",
        "/\\127.0.0.1/",
        "http:127.0.0.1",
        ".@127.0.0.1/",
        "@127.0.0.1/",
        "%2f%2f127.0.0.1",
    ):
        outside = Outside({f"{START}/a": http(status=302, location=location)})
        fetched(outside, f"http://{START}/a")
        assert set(outside.dialled) == {PUBLIC}, location
        assert {host for host, _ in outside.asked} == {START}, location


def test_trafilatura_910_pages_are_fetched_by_our_fetcher() -> None:
    """Its downloader followed redirects to the loopback: trafilatura is given pages here, and never an address."""
    outside = Outside({f"{START}/story": http(status=302, location="http://127.0.0.1:8080/")})
    came = fill(outside, f"http://{START}/story")

    assert came == []
    assert set(outside.dialled) == {PUBLIC}


def test_cve_2025_68477_protection_is_on_by_default(tmp_path: object) -> None:
    """Langflow only warned until somebody switched its protection on: a bare fetcher lets nothing through."""
    assert tmp_path
    assert FetchLimits().allow_private == frozenset()
    assert FetchLimits().hosts == {}
    assert refused("http://127.0.0.1/").kind == "blocked"


def test_nextcloud_news_659_logins_stay_at_home(caplog: pytest.LogCaptureFixture) -> None:
    """Logins were said to reach other servers: a login is sent to its origin alone, and stands in no message or log."""
    caplog.set_level(logging.DEBUG)
    for location in ("http://other.example/", "https://pub.example/", "http://pub.example:8080/", "http://127.0.0.1/"):
        outside = Outside({f"{START}/": http(status=301, location=location)}, {"url": "", "resolves": [PUBLIC]})
        (result,) = fetched(outside, f"http://me:s3cret@{START}/")
        assert [b"s3cret" in r or b"bWU6" in r for r in outside.heard][1:].count(True) == 0, location
        assert b"bWU6" in outside.heard[0], location
        assert "s3cret" not in repr(result), location
        assert "bWU6" not in repr(result), location
    assert "s3cret" not in caplog.text
    assert "bWU6" not in caplog.text


def test_cve_2023_22481_no_password_in_what_is_told(desk: Workspace, site: Site) -> None:
    """FreshRSS wrote passwords into its log: no failure of a feed with a login shows it, in report, state or store."""
    site.pages["/denied"] = Answer(status=401)
    site.pages["/away"] = Answer(status=302, headers={"Location": "http://169.254.169.254/"})
    place = site.base.replace("//", "//me:canary-pw@")
    wrong = {
        "gone": f"{place}/none",
        "denied": f"{place}/denied",
        "away": f"{place}/away",
        "port": "http://me:canary-pw@a.example:22/",
    }
    desk.feeds(wrong)
    with desk.open() as app:
        report = app.polling.poll()
        states = repr(app.store.states())

    assert report.failed == len(wrong)
    assert "canary-pw" not in repr(report)
    assert "canary-pw" not in states.replace(place, "")


@pytest.mark.parametrize(
    "url", ["source:file:///etc/passwd", "view-source:http://127.0.0.1/", "feed:file:///etc/passwd"]
)
def test_cve_2024_51483_no_scheme_in_front_of_a_scheme(url: str) -> None:
    """changedetection.io read `source:file:///`: a second scheme behind the first is not looked for."""
    refused(url)


@pytest.mark.parametrize("url", ["|date >/tmp/x", "|id", "`id`", "$(id)", "http://a.example/;id|", "-oProxyCommand=id"])
def test_cve_2023_1350_no_address_is_a_command(url: str) -> None:
    """Liferea ran a URL that began with a bar: no program is started for any address."""
    outside = Outside(vector={"url": url})
    with watching(refuse=False) as noted:
        fetched(outside, url)
    assert not [n for n in noted if n.startswith(("subprocess", "os."))]


def test_cve_2017_12904_no_program_is_started_for_an_item(desk: Workspace, site: Site) -> None:
    """Newsboat put titles into a shell: titles, links and names of a feed stay letters from fetch to store."""
    shell = "`touch pwned`$(touch pwned);touch pwned|touch pwned&"
    entry = f"<title><![CDATA[{shell}]]></title><guid><![CDATA[{shell}]]></guid><author><![CDATA[{shell}]]></author>"
    site.pages["/a"] = Answer(body=item(entry.encode()))
    with desk.open() as app:
        app.sandbox.run(look, (b"",))  # the children are there before the watch begins
        with watching(refuse=False) as noted:
            app.polling.poll()
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        (title,) = db.execute("SELECT title FROM articles").fetchone()

    assert title == shell
    assert not [n for n in noted if n.startswith(("subprocess", "os.system", "os.exec", "os.spawn", "os.posix"))]


def test_cve_2021_21278_no_word_of_a_feed_is_run(desk: Workspace, site: Site) -> None:
    """RSSHub evaluated what a site sent: code in any language of ours is stored as it stands."""
    code = "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} __import__('os').getpid() %(x)s {0.__class__}"
    site.pages["/a"] = Answer(body=item(f"<title><![CDATA[{code}]]></title><guid>1</guid>".encode()))
    with desk.open() as app:
        app.polling.poll()
    with closing(sqlite3.connect(desk.root / "data" / "monitor.db")) as db:
        (title,) = db.execute("SELECT title FROM articles").fetchone()
    assert "49" not in title
    assert "{{7*7}} ${7*7}" in title


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r\n\r\nGET /x HTTP/1.1", "a\0b", "\u0130\u2028"]
)
def test_cve_2021_41945_no_request_is_split(value: str) -> None:
    """URLs of httpx could say something else: neither an address nor a remembered ETag adds a line to a request."""
    outside = Outside()
    fetched(outside, f"http://{START}/{value}")
    fetched(outside, f"http://{START}{value}/")
    outside = Outside({f"{START}/": http(RSS)})
    fetched(outside, f"http://{START}/", etag=value)
    assert not [line for request in outside.heard for line in request.split(b"\r\n") if line.startswith(b"X-Evil")]
    assert all(path in ("", "/") or path.startswith("/") for _, path in outside.asked)
    assert not [path for _, path in outside.asked if path == "/x"]


# documents


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE",
        "<!DOCTYPE>",
        "<!DOCTYPE rss [",
        "<!DOCTYPE rss [<!ENTITY",
        "<!DOCTYPE rss SYSTEM>",
        "<!DOCTYPE rss []]>",
    ],
)
def test_cve_2011_1156_a_damaged_doctype_crashes_nothing(doctype: str) -> None:
    """Once feedparser crashed on a document type that was cut off."""
    assert isinstance(parse("f", item(b"<title>x</title>", doctype.encode()), "", "http://a.example/"), Parsed | Failed)
    assert isinstance(parse("f", doctype.encode(), "", "http://a.example/"), Failed)


def test_cve_2012_2921_entities_are_not_multiplied() -> None:
    """Once feedparser used up memory on entities of entities."""
    rows = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 15))
    doctype = f"<!DOCTYPE rss [<!ENTITY l0 'lol'>{rows}]>".encode()
    began = time.process_time()
    assert len(letters(item(b"<title>&l14;</title>", doctype))) < 1_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize("system", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/x.dtd"])
def test_feedparser_107_no_file_of_a_doctype_is_opened(system: str) -> None:
    """Once feedparser opened the file that a DOCTYPE named."""
    seen = look(item(b"<title>x</title>", f"<!DOCTYPE rss SYSTEM '{system}'>".encode()))
    assert seen.opened == ()
    assert seen.entries == 1


@pytest.mark.parametrize("body", [b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:9/", b"tests/conftest.py"])
def test_feedparser_bodies_are_no_paths(body: bytes) -> None:
    """feedparser.parse takes bytes for a file name and text for an address: a body is only ever read as a body."""
    seen = look(body, compare=False)
    assert seen.opened == ()
    assert "something that is no RSS" in seen.told


def test_cve_2020_5227_external_entities_stay_outside() -> None:
    """Once feedgen expanded what a document named: no entity is looked up, whichever parser reads it."""
    for end in (END, b"</channel>"):
        doctype = (
            b"<!DOCTYPE rss [<!ENTITY x SYSTEM 'file:///etc/hostname'><!ENTITY % p SYSTEM 'http://127.0.0.1:9/'>%p;]>"
        )
        seen = look(item(b"<title>&x;</title>", doctype).replace(END, end), compare=False)
        assert seen.opened == ()


def test_cve_2026_26278_entities_cost_what_their_letters_cost() -> None:
    """fast-xml-parser took the square of the size for one long entity that is used often."""
    doctype = b"<!DOCTYPE rss [<!ENTITY a '" + b"A" * 50_000 + b"'>]>"
    began = time.process_time()
    assert len(letters(item(b"<title>" + b"&a;" * 50_000 + b"</title>", doctype))) < 1_000_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "number", ["#0", "#x0", "#xD800", "#xFFFFFFFF", "#99999999999999999999", "#x110000", "#x8", "#-1"]
)
def test_cve_2026_33036_odd_numbers_of_letters(number: str) -> None:
    """Of fast-xml-parser: whatever number an entity has, its entry is kept and can be stored."""
    body = item(
        f"<title>before &{number}; after &amp;{number}; end</title><description>&amp;{number};</description>".encode()
    )
    kept = letters(body)
    assert "before" in kept
    assert "after" in kept
    kept.encode()
    assert "\0" not in plain_text(kept)


def test_headroom_3284_what_was_not_asked_for_is_not_unpacked() -> None:
    """16 kB of zstd became 512 MB: only gzip is asked for, and nothing else is ever unpacked."""
    for encoding in ("zstd", "br", "deflate", "compress", "lzma", "gzip, zstd", "zstd, gzip", "x-zstd"):
        with pytest.raises(EncodingError):
            Body(encoding, 10_000_000, 20_000_000)
    outside = Outside({f"{START}/": http(RSS)})
    fetched(outside, f"http://{START}/")
    (request,) = outside.heard
    assert b"Accept-Encoding: gzip, identity\r\n" in request


@pytest.mark.parametrize(
    "text",
    [
        "http://" + "a" * 20_000, "<" * 20_000, "<a " * 7_000, "&lt;!--" + "-" * 20_000, "www." * 5_000,
        "a@" * 10_000, " \n" * 10_000, "(" * 20_000, "&" * 20_000, "&#" * 10_000, "<![CDATA[" * 2_000,
    ],
)  # fmt: skip
def test_cve_2020_6817_no_pattern_takes_for_ever(text: str) -> None:
    """Bleach, and Jinja's urlize (CVE-2020-28493), hung on a crafted text: no field of an item takes such time."""
    names = ("title", "author", "pubDate", "link", "guid", "description", "category")
    began = time.process_time()
    for size, end in ((20_000, END), (2_000, b"</channel>")):  # feedparser alone takes 15 s for an author of 40 kB
        quoted = text[:size].replace("&", "&amp;").replace("<", "&lt;")
        letters(HEAD + b"<item>" + "".join(f"<{n}>{quoted}</{n}>" for n in names).encode() + b"</item>" + end)
    assert time.process_time() - began < 5


def test_the_first_5000_entries_are_enough() -> None:
    """A feed of very many entries keeps feedparser busy and eats memory: it is cut before it is read."""
    parsed = parse("f", HEAD + b"<item><title>x & y</title></item>" * 20_000, "", "http://a.example/")
    assert isinstance(parsed, Parsed)
    assert len(parsed.items) == MOST_ENTRIES


# what stands in them


@pytest.fixture(params=["well-formed", "damaged"])
def condition(request: pytest.FixtureRequest) -> str:
    """Each document is read whole by the fast parser, and damaged by feedparser."""
    return str(request.param)


def active(inside: str, condition: str) -> str:
    """Letters that are kept of an entry, in small; by the parser that the test asks for."""
    end = END if condition == "well-formed" else b"<x></channel>"
    return letters(HEAD + f"<item>{inside}</item>".encode() + end).lower()


def test_cve_2009_5065_nested_cdata(condition: str) -> None:
    """Once feedparser let a script through that stood in a CDATA section inside of another."""
    inside = "<title>a</title><description><![CDATA[<![CDATA[<script>alert(1)</script>]]]]><![CDATA[>b]]></description>"
    assert "<script" not in active(inside, condition)


def test_cve_2011_1157_malformed_comments(condition: str) -> None:
    """Once feedparser let a script through that stood behind a comment that was none."""
    for text in (
        "<!-- >x<script>a()</script>-->y",
        "<!--><script>a()</script>",
        "<! <script>a()</script> >z",
        "<!-<script>a()</script>",
    ):
        assert "<script" not in active(f"<title>a</title><description><![CDATA[{text}]]></description>", condition), (
            text
        )


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "vbscript:x", "data:text/html,x",
        "feed:javascript:x", "\x01javascript:x", "&#106;avascript:x", "mhtml:http://x", "livescript:x", " javascript:x",
    ],
)  # fmt: skip
def test_cve_2011_1158_ghsa_44pq_9929_f8mq_odd_schemes_are_no_links(link: str, condition: str) -> None:
    """Once feedparser, and CommaFeed in its store, kept links that run: a link is http, https or nothing."""
    safe = link.replace("\x01", "&#1;") if condition == "damaged" else link.replace("\x01", "")
    end = END if condition == "well-formed" else b"<x></channel>"
    for inside in (f"<link>{safe}</link>", f'<link href="{safe}"/>', f"<guid>{safe}</guid>"):
        parsed = parse(
            "f", HEAD + f"<item><title>a</title>{inside}</item>".encode() + end, "", "https://paper.example/f"
        )
        assert isinstance(parsed, Parsed)
        assert all(i.url == "" or i.url.startswith(("http://", "https://")) for i in parsed.items), inside
    fed = b'{"version":"https://jsonfeed.org/version/1","items":[{"id":"1","url":"javascript:alert(1)","title":"t"}]}'
    parsed = parse("f", fed, "", "https://paper.example/f")
    assert isinstance(parsed, Parsed)
    assert parsed.items[0].url == ""


@pytest.mark.parametrize(
    ("advisory", "text"),
    [
        ("CVE-2025-32015", "<iframe srcdoc='<script>alert(1)</script>'></iframe>"),
        ("CVE-2025-31136", "<svg onload=alert(1)><script>alert(1)</script></svg>"),
        ("CVE-2020-25789", "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>"),
        ("CVE-2012-2634", "<object data=javascript:alert(1)></object><embed src=x onerror=alert(1)>"),
        ("CVE-2012-1252", "<img src=x onerror=alert(1)>"),
        ("CVE-2023-24769", "<style>@import 'javascript:alert(1)'</style>"),
        ("NewsBlur 10", "<form action=javascript:alert(1)><button formaction=javascript:alert(1)>"),
        ("NetBox 18379", "&lt;script&gt;alert(1)&lt;/script&gt;<script>alert(1)</script>"),
    ],
)
def test_cve_2025_32015_and_its_kin_keep_letters_only(advisory: str, text: str, condition: str) -> None:
    """Readers that keep some markup keep some script: of a text only letters stay, no tag, handler or style."""
    for name in ("description", "title"):
        found = active(f"<{name}><![CDATA[a {text} b]]></{name}>", condition)
        assert not any(f"<{tag}" in found for tag in ("iframe", "svg", "object", "embed", "img", "style", "form")), (
            advisory
        )
        assert "srcdoc" not in found, advisory
        assert "onload=" not in found, advisory


def test_cve_2017_12980_authors_are_text() -> None:
    """DokuWiki showed the author of an item as markup."""
    author = "Jo <script>alert(1)</script><img src=x onerror=y>"
    for inside in (f"<author><![CDATA[{author}]]></author>", f"<x><author><![CDATA[{author}]]></author></x>"):
        found = active(f"<title>a</title>{inside}", "well-formed")
        assert "jo" in found
        assert "<script" not in found
        assert "<img" not in found


def test_changedetection_cgj8_a_feed_that_is_a_page_is_no_feed(tmp_path: object) -> None:
    """What calls itself a feed and is a page of HTML is refused in words that hold nothing of it (CVE-2023-27592)."""
    assert tmp_path
    told = parse("f", b"<html><script>alert('canary')</script></html>", "application/rss+xml", "http://a.example/")
    assert isinstance(told, Failed)
    assert "canary" not in told.message
    outside = Outside({f"{START}/": b"HTTP/1.1 500 <script>canary</script>\r\nContent-Length: 0\r\n\r\n"})
    (result,) = fetched(outside, f"http://{START}/")
    assert isinstance(result, Failed)
    assert "canary" not in repr(result)


def test_a_discovery_shows_no_page_as_a_feed(tmp_path: object) -> None:
    """A page that names itself as its own feed is found out when it is read."""
    page = f'<link rel="alternate" type="application/rss+xml" href="http://{START}/">'.encode()
    assert discover(Outside({f"{START}/": http(page)}), f"http://{START}/", tmp_path) == []  # type: ignore[arg-type]


def test_a_fetched_body_is_what_was_sent() -> None:
    """The recorder in place of the network is one: a feed outside is read through it like any other."""
    outside = Outside({f"{START}/feed": http(RSS, kind="application/rss+xml")})
    (result,) = fetched(outside, f"http://{START}/feed")
    assert isinstance(result, Fetched)
    assert result.body == RSS
