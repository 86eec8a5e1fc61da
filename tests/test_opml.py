"""OPML: lists of feeds from other programs, and ours for them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest
from fakes import NOW

from monitor.errors import ConfigError
from monitor.model import Feed
from monitor.watchlists.opml import MAX_OPML, read_opml, write_opml

FEEDS = (
    Feed(id="plain", url="https://example.org/rss", title="Plain"),
    Feed(
        id="all", url="https://example.org/rss?a=1&b=<2>", title='Şafak "&" شفق', lang="ckb", country="iq", tier=1,
        kind="agency", every=30, fulltext=True, tags=("north", "daily"), note="close to <nobody> & all",
    ),
    Feed(id="second", url="http://example.org:8080/ku", title="Kurdî", lang="ku", tags=("north",)),
)  # fmt: skip


def document(body: str, head: str = "") -> bytes:
    """An OPML document."""
    return f'<?xml version="1.0"?>{head}<opml version="1.0"><head/><body>{body}</body></opml>'.encode()


def test_our_own_list_comes_back_whole() -> None:
    """Whatever can stand in feeds.yaml survives the way out and in."""
    assert sorted(read_opml("x.opml", write_opml(FEEDS, "Ours", NOW)), key=lambda f: f.id) == sorted(
        FEEDS, key=lambda f: f.id
    )


def test_logins_do_not_leave_the_house() -> None:
    """An address with a password is written without it; outlets without a feed are not written."""
    secret = Feed(id="s", url="https://me:canary@example.org/rss", title="S")
    written = write_opml([secret, Feed(id="none", title="None")], "Ours", NOW)
    assert b"canary" not in written
    assert [f.url for f in read_opml("x.opml", written)] == ["https://example.org/rss"]


def test_folders_and_categories_become_tags() -> None:
    """Folders in folders count, a feed in two folders has both, a folder whose name has no Latin letter is none."""
    inner = '<outline text="A" xmlUrl="https://a.example/"/>'
    feeds = read_opml(
        "x.opml",
        document(
            f'<outline text="North Iraq"><outline title="Daily">{inner}</outline></outline>'
            f'<outline text="شمال">{inner}</outline><outline text="South">{inner}</outline>'
            '<outline title="B" text="b" xmlurl="https://b.example/" category="/Iraq/Basra,oil" language="ar-IQ"/>'
        ),
    )
    assert [(f.url, f.title, f.lang, f.tags) for f in feeds] == [
        ("https://a.example/", "A", "", ("north-iraq", "daily", "south")),
        ("https://b.example/", "B", "ar", ("iraq", "basra", "oil")),
    ]


def test_bare_ampersands_are_mended() -> None:
    """Many programs write addresses as they are; the list is read all the same."""
    (feed,) = read_opml("x.opml", document('<outline text="R&D &amp; co" xmlUrl="https://a.example/?a=1&b=2"/>'))
    assert (feed.title, feed.url) == ("R&D & co", "https://a.example/?a=1&b=2")


@pytest.mark.parametrize(
    ("source", "place", "word"),
    [
        (b"", ":1:1", "OPML"),
        (b"plain words", ":1:1", "OPML"),
        (b"<opml>\n <body>", ":2:8", "OPML"),
        (b"<rss version='2.0'><channel/></rss>", ":1:1", "of the kind `rss`"),
        (b"<html><outline xmlUrl='https://a.example/'/></html>", ":1:1", "of the kind `html`"),
        (b"<?xml version='1.0' encoding='no-such'?><opml/>", ":1:", "OPML"),
        (document('<outline xmlUrl="&x;"/>', "<!DOCTYPE opml [<!ENTITY x 'a'>]>"), ":1:1", "document type"),
        (document("", "<!DOCTYPE opml SYSTEM 'http://127.0.0.1/x.dtd'>"), ":1:1", "document type"),
        (document("", "<!DOCTYPE opml SYSTEM 'http://127.0.0.1/x.dtd'>").decode().encode("utf-16"), ":1:1", "document"),
        (document('<outline text="a">' * 60), ":1:1", "deep"),
        (b"<opml>" + b" " * MAX_OPML, "", "larger"),
    ],
)
def test_what_is_no_list_of_feeds_is_refused(source: bytes, place: str, word: str) -> None:
    """The sentence says where and why; nothing of the document is used."""
    with pytest.raises(ConfigError) as refused:
        read_opml("x.opml", source)
    assert f"x.opml{place}" in str(refused.value)
    assert word in str(refused.value)


def test_newsblur_pr_1808_a_list_of_feeds_opens_nothing() -> None:
    """A document with entities that name files and addresses is refused before anything is opened or resolved."""
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    attacks = [
        document("<outline text='&x;'/>", '<!DOCTYPE opml [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        document("<outline text='x'/>", '<!DOCTYPE opml [<!ENTITY % p SYSTEM "http://127.0.0.1:9/e"> %p;]>'),
        document('<outline text="&a11;"/>', f'<!DOCTYPE opml [<!ENTITY a0 "ha">{laughs}]>'),
    ]
    opened: list[str] = []
    watching = True

    def note(event: str, args: tuple[object, ...]) -> None:
        if watching and event in {"open", "socket.connect", "socket.getaddrinfo"}:
            opened.append(f"{event} {args}")

    sys.addaudithook(note)
    began = time.process_time()
    for attack in attacks:
        with pytest.raises(ConfigError):
            read_opml("x.opml", attack)
    watching = False
    assert opened == []
    assert time.process_time() - began < 1


def test_a_large_list_takes_no_time() -> None:
    """Thousands of feeds, and one feed thousands of times in other folders, are read in a moment."""
    many = "".join(f'<outline text="F{n}" xmlUrl="https://h{n}.example/rss"/>' for n in range(20_000))
    same = "".join(f'<outline text="t{n}"><outline xmlUrl="https://a.example/"/></outline>' for n in range(20_000))
    began = time.process_time()
    assert len(read_opml("x.opml", document(many))) == 20_000
    (one,) = read_opml("x.opml", document(same))
    assert len(one.tags) == 20
    assert time.process_time() - began < 10


def test_hostile_values_become_no_settings() -> None:
    """Figures that are none keep the default; an id comes only from a list of ours."""
    (feed,) = read_opml(
        "x.opml",
        document(
            '<outline id="evil" xmlUrl="https://a.example/" monitor:tier="9" monitor:every="x" monitor:id="own"/>'
        ),
    )
    assert feed == replace(Feed(id="own", url="https://a.example/"), title="")
