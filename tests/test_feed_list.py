"""The list of feeds: lines added to feeds.yaml, feeds found on sites, and the commands for both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Answer, Entry, Site, Workspace, entries, rss

from monitor.cli import main
from monitor.errors import ConfigError
from monitor.model import Feed
from monitor.watchlists import fault_of, read_feeds, same_address, with_feeds

NEW = Feed(
    id="new", url="https://new.example/rss?a=1&b=#x", title='The "New": #1 {[', lang="ku", country="iq", tier=1,
    kind="agency", every=90, fulltext=True, tags=("a", "b"), note="it's: new",
)  # fmt: skip
OLD = '- {id: old, url: "https://old.example/rss"}'

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(desk: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line inside the workspace: (exit code, stdout, stderr)."""
    monkeypatch.chdir(desk.root)
    monkeypatch.delenv("MONITOR_CONFIG", raising=False)
    monkeypatch.setattr("monitor.app.now", desk.clock)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", 2),
        ("# nothing yet\n", 3),
        ("feeds: []   # none yet\n", 2),
        ("feeds: [ ]", 2),
        (f"# ours\nfeeds:  # all\n  # first\n  {OLD}  # keep\n\n  # the end\n", 7),
        (f"feeds:\n{OLD}", 3),
        (f"feeds:\r\n    {OLD}\r\n", 3),
        ("feeds:\n  - id: old\n    url: https://old.example/rss\n    tags:\n      - a\n", 6),
        (f"\ufefffeeds:\n  {OLD}\n", 3),
    ],
)
def test_a_line_is_added_and_all_else_stays(before: str, line: int) -> None:
    """Every byte that people wrote is kept but the brackets of an empty list; the line told is the line of the feed."""
    text, lines = with_feeds("feeds.yaml", before.encode(), [NEW])
    kept = before.removeprefix("\ufeff").replace("[]", "").replace("[ ]", "")
    rows, before_rows = ([" ".join(row.split()) for row in t.splitlines()] for t in (text, kept))
    assert rows[: len(before_rows)] == before_rows
    read = read_feeds("feeds.yaml", text)
    assert lines == (line,)
    assert (read[-1].line, read[-1].id, read[-1].title, read[-1].note) == (line, "new", NEW.title, NEW.note)
    assert len(read) == len(read_feeds("feeds.yaml", before)) + 1
    assert ("\r\n" in before) == ("\r\n" in text)


@pytest.mark.parametrize(
    "before",
    [
        'feeds: [{id: old, url: "https://old.example/rss"}]',
        f"feeds:\n  {OLD}\n...\n",
        "feeds: {a: b}",
        "fedes:\n",
        "feeds:\n",
        f"feeds:\n  {OLD}\n  {OLD}\n",
    ],
)
def test_a_file_to_which_no_line_can_be_added_is_left_alone(before: str) -> None:
    """Lists in brackets and files that are wrong are refused with their place, never mended by guessing."""
    with pytest.raises(ConfigError, match=r"feeds\.yaml:\d+:\d+: "):
        with_feeds("feeds.yaml", before.encode(), [NEW])


@pytest.mark.parametrize(
    "feed",
    [
        Feed(id="x", url="javascript:alert(1)"),
        Feed(id="x", url='https://a.example/", id: y}\n- {url: "https://b.example/'),
        Feed(id="x", url="https://a.example/", title="a\u2028b"),
        Feed(id="x", url="https://a.example/", title="a\x00b"),
        Feed(id="x, y: z", url="https://a.example/"),
        Feed(id="x", url="https://a.example/", tags=("a], note: [b",)),
        Feed(id="x", url="https://a.example/", kind="x}\n- {url: y"),
    ],
)
def test_what_strangers_wrote_cannot_break_out_of_its_line(feed: Feed) -> None:
    """What would be read as something else than it is has a fault and is never written."""
    assert fault_of(feed)
    with pytest.raises(ConfigError):
        with_feeds("feeds.yaml", b"", [feed])


def test_one_address_is_known_in_all_its_spellings() -> None:
    """Scheme, www, usual port, login, fragment and last slash make no other feed; path and query do."""
    one = same_address("https://example.org/rss?a=1")
    assert {same_address(u) for u in ("http://www.Example.org:80/rss/?a=1#x", "https://me:pw@example.org/rss?a=1")} == {
        one
    }
    assert same_address("https://example.org/rss?a=2") != one
    assert same_address("http://[bad") == "http://[bad"


def test_a_feed_is_added_with_its_own_title_and_language(desk: Workspace, site: Site, run: Run) -> None:
    """The command says which line; comments stay; the feed is polled from then on under its id."""
    path = desk.write("watchlists/feeds.yaml", f'# our feeds\nfeeds:\n  - {{id: a, url: "{site.base}/a"}}  # first\n')
    turkish = [
        Entry(
            title=f"Bakan {n}. kez köprü için açıklama yaptı",
            guid=f"{n}",
            text="Şehirde çalışmalar sürüyor ve yeni köprü açılacak.",
        )
        for n in range(5)
    ]
    site.show("/tr", turkish)
    code, out, err = run("feeds", "add", f"{site.base}/tr", "--country", "TR", "--id", "haber")
    assert (code, out) == (0, "watchlists/feeds.yaml:4: added `haber`: Feed, 5 articles, newest now ago\n"), err
    assert path.read_text("utf-8").startswith(f'# our feeds\nfeeds:\n  - {{id: a, url: "{site.base}/a"}}  # first\n')
    feed = read_feeds("feeds.yaml", path.read_bytes())[1]
    assert (feed.title, feed.lang, feed.country, feed.line) == ("Feed", "tr", "tr", 4)
    assert run("poll", "haber")[0] == 0
    assert sorted(p.name for p in path.parent.iterdir()) == ["bases.yaml", "desks.yaml", "feeds.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{base}/page"], 1, ["a web page instead of a feed", "feeds discover"]),
        (["{base}/none"], 1, ["HTTP 404", "nothing was added"]),
        (["{base}/broken"], 4, ["HTTP 500", "nothing was added"]),
        (["{base}/a/"], 2, ["feeds.yaml:2:", "listed already, as `a`"]),
        (["{base}/good", "--id", "a"], 2, ["the id `a` is taken"]),
        (["{base}/good", "--id", "No Slug"], 2, ["no-slug"]),
        (["{base}/good", "--lang", "xx"], 2, ["xx"]),
        (["{base}/good", "--country", "Iraq"], 2, ["country"]),
        (["{base}/moved"], 2, ["listed already, as `a`"]),
        (["http://127.0.0.2/feed"], 1, ["not on the public internet"]),
        (["file:///etc/passwd"], 2, ["no address of a feed"]),
        (["https://x.example/ a"], 2, ["no address of a feed"]),
    ],
)
def test_what_cannot_be_added_is_refused(
    desk: Workspace, site: Site, run: Run, arguments: list[str], code: int, words: list[str]
) -> None:
    """One sentence says why; the file keeps every byte."""
    before = (desk.root / "watchlists" / "feeds.yaml").read_bytes()
    site.show("/a", entries(1))
    site.show("/good", entries(1))
    site.pages |= {
        "/page": Answer(body=b"<html><body><p>Hello</p></body></html>", content_type="text/html"),
        "/broken": Answer(status=500),
        "/moved": Answer(status=301, headers={"Location": "/a"}),
    }
    ended, out, err = run("feeds", "add", *(a.format(base=site.base) for a in arguments))
    assert (ended, out) == (code, "")
    assert [word for word in words if word not in err] == [], err
    assert (desk.root / "watchlists" / "feeds.yaml").read_bytes() == before


def test_a_feed_that_has_moved_is_added_where_it_is(site: Site, run: Run) -> None:
    """A permanent redirect is believed at once: the line holds the new address."""
    site.show("/new", entries(1))
    site.pages["/old"] = Answer(status=308, headers={"Location": "/new"})
    code, out, err = run("feeds", "add", f"{site.base}/old", "--title", "N", "--json")
    assert code == 0
    assert json.loads(out)["url"] == f"{site.base}/new"
    assert "moved for good" in err


def test_feeds_of_a_site_are_discovered(site: Site, run: Run) -> None:
    """What the page names is fetched and read; only what is a feed is shown, once, with whether it is listed."""
    page = """<link rel="alternate" type="application/rss+xml" href="/a"><link rel=alternate type=application/atom+xml
    href="/gone"><a href="/rss.xml">RSS</a><a href="/feeds/">About our feeds</a>"""
    site.pages |= {p: Answer(body=page.encode(), content_type="text/html") for p in ("/", "/feeds/")}
    site.show("/a", entries(1, 2))
    site.show("/rss.xml", entries(3))
    code, out, err = run("feeds", "discover", f"{site.base}/", "--json")
    rows = [json.loads(row) for row in out.splitlines()]
    assert code == 0
    assert [(r["url"], r["format"], r["items"], r["found"], r["listed"]) for r in rows] == [
        (f"{site.base}/a", "rss20", 2, "named by the page", "a"),
        (f"{site.base}/rss.xml", "rss20", 1, "linked on the page", ""),
    ]
    assert f"monitor feeds add {site.base}/rss.xml" in err
    assert site.asked["/feed.json"] == 0
    code, out, _ = run("feeds", "discover", f"{site.base}/")
    assert "linked on the page" in out


def test_a_feed_itself_and_the_usual_places_are_discovered(site: Site, run: Run) -> None:
    """An address that is a feed is shown as it is; a page that names none has its site's usual places looked at."""
    site.show("/x", entries(1))
    _, out, _ = run("feeds", "discover", f"{site.base}/x", "--json")
    assert [json.loads(row)["found"] for row in out.splitlines()] == ["the address itself"]
    site.pages["/news"] = Answer(body=b"<html><p>News</p></html>", content_type="text/html")
    site.show("/news/feed/", entries(2))
    site.pages["/feed/"] = Answer(status=302, headers={"Location": "/news/feed/"})
    _, out, _ = run("feeds", "discover", f"{site.base}/news", "--json")
    assert [json.loads(row)["url"] for row in out.splitlines()] == [f"{site.base}/news/feed/"]


def test_a_site_without_feeds_is_told(site: Site, run: Run) -> None:
    """Exit code 1 and what to do; a site that does not answer is a temporary fault; links inside are not dialled."""
    page = b'<link rel="alternate" type="application/rss+xml" href="http://169.254.169.254/latest/rss"><a href="http://10.0.0.1/feed">x</a>'
    site.pages["/"] = Answer(body=page, content_type="text/html")
    code, out, err = run("feeds", "discover", site.base)
    assert (code, out) == (1, "")
    assert "feeds among them: 0" in err
    code, _, err = run("feeds", "discover", "http://10.1.2.3/")
    assert code == 4
    assert "not on the public internet" in err


def test_opml_goes_out_and_in_again(desk: Workspace, run: Run, tmp_path: Path) -> None:
    """A second workspace gets what the first one has; what is known stays; what is wrong is told and left out."""
    _, known, _ = run("feeds", "export")
    assert run("feeds", "export", "all.opml")[0] == 0
    assert (desk.root / "all.opml").read_text("utf-8") == known
    assert run("feeds", "export", "all.opml")[0] == 2
    code, out, err = run("feeds", "import", "all.opml")
    assert (code, out) == (0, "")
    assert "Feeds added: 0, known: 1" in err
    (tmp_path / "more.opml").write_bytes(
        b'<opml><body><outline text="Iraq"><outline text="B" xmlUrl="http://b.example/"/>'
        b'<outline text="bad" xmlUrl="gopher://c.example/"/><outline text="B" xmlUrl="https://www.b.example"/>'
        b"</outline></body></opml>"
    )
    code, out, err = run("feeds", "import", tmp_path / "more.opml")
    assert (code, out) == (1, "watchlists/feeds.yaml:4: added `b-example`: B\n")
    assert "gopher://c.example/ was left out" in err
    text = (desk.root / "watchlists" / "feeds.yaml").read_text("utf-8")
    assert "# 1 from more.opml, 2026-11-21\n" in text
    assert read_feeds("feeds.yaml", text)[1].tags == ("iraq",)
    assert run("feeds", "import", tmp_path / "none.opml")[0] == 2


def test_somebody_elses_edit_is_not_lost(desk: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is saved by an editor while the command works is not written over."""
    site.show("/b", entries(1))
    with desk.open() as app:
        kind, path = type(app.feed_list), app.feed_list.path
        append = kind._append

        def late(self: object, source: bytes, *rest: object) -> object:
            path.write_bytes(source + b"# an edit\n")
            return append(self, source, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(kind, "_append", late)
        with pytest.raises(Exception, match="changed by somebody else"):
            app.feed_list.add(f"{site.base}/b")
        assert path.read_bytes().endswith(b"# an edit\n")
        assert sorted(p.name for p in path.parent.iterdir()) == ["bases.yaml", "desks.yaml", "feeds.yaml"]


def test_a_feed_is_read_whole_before_it_is_added(site: Site, run: Run) -> None:
    """A feed that a child cannot read within its limits is no feed, and the sentence says so."""
    site.pages["/b"] = Answer(body=rss(entries(1)).replace(b"<channel>", b"<channel><!" + b"-" * 400))
    assert run("feeds", "add", f"{site.base}/b")[0] in {0, 1}
