"""Mails as people and machines read them; everything that comes from a feed is hostile."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import vectors
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import SandboxedEnvironment
from lxml import etree, html
from mails import NOW, article, evidence

from monitor.deliver.mime import to_mime
from monitor.model import (
    Article,
    Coverage,
    Desk,
    Digest,
    DigestKey,
    Evidence,
    Hit,
    Level,
    Message,
    Section,
    StoryLine,
)
from monitor.render import MAX_HTML, clean, direction, hit_handle, render, safe_url

ROOT = Path(__file__).parents[1]
TAGS = frozenset({"html", "head", "meta", "title", "body", "table", "tbody", "tr", "td"}) | {
    "div",
    "span",
    "b",
    "h1",
    "h2",
    "a",
    "br",
}
LAYOUT = frozenset({"align", "bgcolor", "border", "cellpadding", "cellspacing", "height", "role", "style", "width"})
ATTRIBUTES = LAYOUT | {"charset", "content", "dir", "href", "lang", "name"}


def environment() -> Environment:
    """Return the templates as the program loads them: escaped, sandboxed, strict."""
    return SandboxedEnvironment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )


ENV = environment()


def line(one: Article, *found: Evidence, level: Level = "normal", rule: str | None = None) -> StoryLine:
    """Return the story of one article with one hit."""
    hit = Hit(
        article=one.id,
        revision="r1",
        watchlist="pkk",
        rule=rule,
        entity=None if rule else "qandil",
        rev="w1",
        level=level,
        evidence=found,
    )
    return StoryLine(story=one.id, article=one, level=level, hits=(hit,), sources=((one.source, one.lang),))


def digest(
    *stories: StoryLine, coverage: Coverage | None = None, title: str = "PKK bases", **of_desk: object
) -> Digest:
    """Return a digest with these stories in one list, and a quiet list."""
    facts: dict[str, object] = {
        "id": "iraq-desk",
        "title": "Iraq desk",
        "to": ("a@desk.example",),
        "zone": "Asia/Baghdad",
    }
    return Digest(
        key=DigestKey(desk="iraq-desk", day=date(2026, 11, 21), slot="07:00"),
        desk=Desk(**(facts | of_desk)),  # type: ignore[arg-type]
        made=NOW,
        since=NOW - timedelta(days=1),
        sections=(
            Section(watchlist="pkk", title=title, stories=stories),
            Section(watchlist="water", title="Water", stories=()),
        ),
        coverage=coverage or Coverage(feeds=40, fresh=40, articles=214, last_hit=datetime(2026, 11, 19, 9, tzinfo=UTC)),
    )


def rendered(shown: Digest, base_url: str = "") -> Message:
    """Return the one message of a digest."""
    sender = "Desk Monitor <monitor@example.org>"
    [message] = render(shown, ENV, sender=sender, host="monitor.example.org", base_url=base_url)
    return message


def assert_harmless(page: str) -> etree._Element:
    """Fail unless the page holds nothing but our own tags, our own attributes and plain web links."""
    tree = html.document_fromstring(page)
    for node in tree.iter():
        assert isinstance(node.tag, str), "comments and processing instructions come from nowhere"
        assert node.tag in TAGS, node.tag
        assert set(node.attrib) <= ATTRIBUTES, node.attrib
        if "href" in node.attrib:
            assert re.match(r"https?://[^\s<>\"']+$", node.attrib["href"]), node.attrib["href"]
    return tree


def test_every_item_says_why() -> None:
    """An item shows its title, source, language, time, the very letters found and the names of list and entity."""
    text = "It rained. Talks near Kandil went on. It was late."
    one = article(text=text)
    message = rendered(digest(line(one, evidence("Kandil", text, sentence="Talks near Kandil went on."))))

    assert "1.  A title" in message.text
    assert "Example Agency, Sat 21 Nov 06:00, English" in message.text
    assert "Talks near *Kandil* went on." in message.text
    assert "It rained" not in message.text
    assert "matched: names qandil (Kandil)" in message.text
    assert "https://news.example/1" in message.text
    assert f"not it? monitor not-it {'a' * 20}/pkk/qandil" in message.text
    tree = assert_harmless(message.html)
    assert [b.text for b in tree.iter("b") if "background" in b.get("style", "")] == ["Kandil"]


def test_names_are_shown_instead_of_ids() -> None:
    """Where titles of rules and entities are given, people read these."""
    one = article()
    shown = digest(line(one, evidence("Qandil", one.text), rule="r-15"))
    [message] = render(shown, ENV, sender="m@x.example", host="x.example", names={("pkk", "r-15"): "Turkish operation"})

    assert "matched: rule Turkish operation (Qandil)" in message.text


def test_right_to_left_blocks() -> None:
    """Title and sentence of an Arabic-letter language stand in a block of their own direction and language."""
    text = "قرب قنديل ومتينا"
    one = article("بغداد وأنقرة", text, lang="ckb", source="وكالة")
    message = rendered(digest(line(one, evidence("قنديل", text))))

    tree = assert_harmless(message.html)
    blocks = tree.xpath("//div[@dir='rtl']")
    assert [b.get("lang") for b in blocks] == ["ckb", "ckb"]
    assert all("direction:rtl;text-align:right" in b.get("style") for b in blocks)
    assert all(b.getparent().get("align") == "right" for b in blocks)
    assert "\u2068وكالة\u2069, Sat 21 Nov" in message.text
    assert "\n\u200f1.  بغداد وأنقرة\n" in message.text


def test_kurmanji_is_tagged_for_screen_readers() -> None:
    """Kurmanji is tagged kmr, written from the left."""
    tree = assert_harmless(rendered(digest(line(article("Hevdîtina avê", "Ava Dîcle", lang="ku")))).html)

    assert tree.xpath("//div[@lang='kmr']/@dir") == ["ltr", "ltr"]


def test_direction_follows_the_letters() -> None:
    """A wrong language label does not turn a text round."""
    assert direction("Only English here", "ar") == "ltr"
    assert direction("PKK حزب العمال", "ar") == "rtl"
    assert direction("بغداد وأنقرة", "en") == "rtl"
    assert direction("", "") == "ltr"


def test_text_is_72_columns() -> None:
    """No line of the text part is longer than 72 columns, but addresses and commands that must stay whole."""
    text = "Qandil " + "a word and another " * 40
    one = article("A headline of many words " * 8, text)
    coverage = Coverage(feeds=40, fresh=1, failing=(("Feed " * 8, "says a long sentence " * 9),), warnings=("w " * 90,))

    message = rendered(digest(*[line(one, evidence("Qandil", text))] * 60, coverage=coverage))

    long = [x for x in message.text.splitlines() if len(x) > 72]
    assert all("://" in x or "not-it" in x for x in long)


def test_subject_counts_first() -> None:
    """The subject has the counts first, then the lists, in at most 78 letters."""
    one = article()

    assert rendered(digest(line(one, level="high"))).subject == "[Monitor] Sat 21 Nov: 1 new, 1 high - PKK bases"
    assert len(rendered(digest(line(one), title="A very long name of a watchlist " * 5)).subject) <= 78
    assert rendered(digest(line(one), at=("07:00", "17:00"))).subject.startswith("[Monitor] Sat 21 Nov 07:00: 1 new")


def test_empty_day() -> None:
    """An empty day is a short mail that tells silence from failure."""
    message = rendered(digest())

    assert message.subject == "[Monitor] Sat 21 Nov: 0 new; 40 of 40 feeds fresh"
    assert "0 new stories from 214 articles, 40 of 40 feeds fresh" in message.text.replace("\n", " ")
    assert "Nothing new. The last hit was on Thu 19 Nov 12:00." in message.text
    assert "Watched, nothing new: PKK bases, Water" in message.text
    assert len(message.text.splitlines()) < 16
    assert "Nothing new." in assert_harmless(message.html).text_content()


def test_coverage_is_named() -> None:
    """Feeds that do not answer, are silent or are not watched stand in the mail by name, on top and in full."""
    coverage = Coverage(
        feeds=3,
        fresh=1,
        failing=(("Mehr", "403 since 19 Nov."),),
        silent=(("Rudaw", "nothing new for 52 h."),),
        unwatched=(("BasNews", "has no feed."),),
        warnings=("water.yaml:3:1: unknown key `nams`.",),
    )
    message = rendered(digest(coverage=coverage))

    for part in (message.text, assert_harmless(message.html).text_content()):
        assert "1 feed not answering: Mehr." in part
        assert "1 feed silent: Rudaw." in part
        assert "water.yaml:3:1: unknown key `nams`." in part
        assert "403 since 19 Nov." in part
        assert "BasNews: has no feed." in part
    assert message.subject.endswith("1 of 3 feeds fresh, 1 not answering")


def long_digest(count: int, sentence: str) -> Digest:
    """Return a digest of that many stories."""
    one = article("A headline about Qandil that goes on & on <for> a while", sentence)
    found = evidence("Qandil", sentence)
    stories = [
        line(article(one.title, sentence, id=f"{n:020x}", url=f"https://news.example/{n}"), found) for n in range(count)
    ]
    return digest(*stories)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (300, "Talks near Qandil went on and on. " * 12),
        (1000, "هجوم قرب Qandil وما حوله " * 20),
        (50, '&<">' * 60 + " Qandil " + "&" * 300),
    ],
)
def test_mail_is_never_clipped(count: int, sentence: str) -> None:
    """However many and long the stories, the HTML stays below 90 kB and says how many are left out."""
    message = rendered(long_digest(count, sentence))

    assert len(message.html.encode()) < MAX_HTML
    tree = assert_harmless(message.html)
    shown = len(list(tree.iter("a")))
    left = sum(int(n) for n in re.findall(r"(\d+) more in this list", tree.text_content()))
    assert shown + left == count
    assert f"({count})" in message.text


def test_fifty_items_are_shown_whole() -> None:
    """A digest of fifty stories shows each of them whole, in less than half a second."""
    started = datetime.now(tz=UTC)
    message = rendered(long_digest(50, "Talks near Qandil went on and on, and nobody knew when they would end."))

    assert (datetime.now(tz=UTC) - started).total_seconds() < 2
    assert message.text.count("matched: ") == 50
    assert message.html.count("matched: ") == 50


def test_long_list_leaves_room_for_the_others() -> None:
    """A list of a hundred stories does not push another list's only story out of the whole items."""
    long = long_digest(100, "Talks near Qandil went on.")
    other = article("The dam", "Water is low.", id="b" * 20)
    shown = Digest(
        key=long.key,
        desk=long.desk,
        made=long.made,
        since=long.since,
        sections=(long.sections[0], Section(watchlist="water", title="Water", stories=(line(other),))),
        coverage=long.coverage,
    )

    assert "Water is low." in rendered(shown).html


def test_one_message_per_recipient() -> None:
    """Each recipient gets a message of his own, with a Message-ID that stays the same on every try."""
    shown = digest(to=("a@desk.example", "b@desk.example", "a@desk.example"))

    first = render(shown, ENV, sender="m@x.example", host="x.example")
    again = render(shown, ENV, sender="m@x.example", host="x.example")

    assert [m.to for m in first] == ["a@desk.example", "b@desk.example"]
    assert first == again
    assert len({m.message_id for m in first}) == 2
    assert re.fullmatch(r"<digest\.iraq-desk\.2026-11-21\.0700\.[0-9a-f]{10}@x\.example>", first[0].message_id)


def test_flash_goes_to_the_flash_addresses() -> None:
    """A flash goes to the flash addresses, says so first and names its story; without such addresses all get it."""
    shown = digest(line(article("Two drones hit the base"), level="flash"), flash_to=("duty@desk.example",))
    flash = Digest(
        key=DigestKey(desk="iraq-desk", day=shown.key.day, slot="flash-s1"),
        desk=shown.desk,
        made=NOW,
        since=NOW,
        sections=shown.sections[:1],
        coverage=Coverage(),
        flash=True,
    )

    message = rendered(flash)

    assert message.to == "duty@desk.example"
    assert message.subject == "[Monitor] FLASH: PKK bases - Two drones hit the base"


def test_headers_for_machines() -> None:
    """The mail can be sorted by list, draws no automatic answers and tells which digest it is."""
    headers = dict(rendered(digest(reply_to="desk@desk.example")).headers)

    assert headers == {
        "List-Id": "Iraq desk digest <iraq-desk.monitor.example.org>",
        "Reply-To": "desk@desk.example",
        "List-Unsubscribe": "<mailto:desk@desk.example?subject=unsubscribe%20iraq-desk>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, DR, RN, NRN, AutoReply",
        "Precedence": "bulk",
        "Content-Language": "en",
        "X-Monitor-Digest": "iraq-desk/2026-11-21/07:00",
    }


def test_no_dead_links_without_an_address() -> None:
    """Without a web address the mail links to articles only; with one it links to our pages too."""
    one = article()
    shown = digest(line(one, evidence("Qandil", one.text)))

    links = assert_harmless(rendered(shown).html).xpath("//a/@href")
    assert links == ["https://news.example/1"]
    links = assert_harmless(rendered(shown, "https://monitor.example.org/").html).xpath("//a/@href")
    assert "https://monitor.example.org/digests/iraq-desk/2026-11-21/07%3A00" in links
    assert f"https://monitor.example.org/feedback?hit={'a' * 20}%2Fpkk%2Fqandil" in links


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//evil.example/x",
        "http:evil",
        "https://a.example\\@evil.example/",
        "https://user@evil.example/",
        "https://a.example/\u202egnp.exe",
        "https://a.example/\nb",
        "https://a.example:port/",
        "https://[::1",
        "ftp://a.example/",
        "https://a.example/" + "x" * 3000,
        "",
    ],
)
def test_only_plain_web_links(url: str) -> None:
    """Nothing but a plain http or https address becomes a link."""
    assert safe_url(url) == ""


def test_links_are_kept_whole() -> None:
    """Addresses with parameters and foreign letters arrive where the feed meant."""
    assert safe_url("https://a.example/x?a=1&b=%20c#d") == "https://a.example/x?a=1&b=%20c#d"
    assert safe_url('https://a.example/"><b>') == "https://a.example/%22%3E%3Cb%3E"
    assert safe_url("https://a.example/خبر") == "https://a.example/%D8%AE%D8%A8%D8%B1"


def test_clean() -> None:
    """Control, direction and invisible characters go; the joiners of Persian stay."""
    assert clean("a\r\nb\x00c\u202ed\u2066e\u2028f\ud800g") == "a b cde fg"
    assert clean("آتش\u200cبس") == "آتش\u200cبس"
    assert clean("x" * 500, 10) == "x" * 9 + "…"


def test_hit_handle() -> None:
    """A hit is named by article, watchlist and rule or entity."""
    assert hit_handle(line(article(), rule="r-1").hits[0]) == f"{'a' * 20}/pkk/r-1"


def hostile_digest(strings: list[str]) -> Digest:
    """Return a digest with hostile strings at every place that a stranger fills."""
    stories = []
    for n, bad in enumerate(strings):
        one = article(
            bad, f"{bad} Qandil {bad}", id=f"{n:020x}", url=bad, source=bad, lang=("en", "ar", bad[:9])[n % 3]
        )
        stories.append(line(one, evidence("Qandil", one.text), evidence(bad[:30], one.text)))
    bad = strings[0]
    coverage = Coverage(failing=((bad, bad),), silent=((bad, bad),), unwatched=((bad, bad),), warnings=(bad,))
    return digest(*stories, coverage=coverage, title=bad)


def test_scripts_in_feeds_stay_text() -> None:
    """No hostile title, text, source, language, address or error text becomes a tag, a handler or a script link."""
    strings = [s for s in vectors.values("html_xss/", "ssti/") if s and isinstance(s, str)]

    for at in range(0, len(strings), 45):
        message = rendered(hostile_digest(strings[at : at + 45]))
        assert_harmless(message.html)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", message.text + message.html)


def test_templates_in_feeds_are_not_run() -> None:
    """A title that looks like a template is shown as it is."""
    message = rendered(digest(line(article("{{ 7 * 7 }} {% raw %}"))))

    assert "{{ 7 * 7 }} {% raw %}" in message.text
    assert "{{ 7 * 7 }} {% raw %}" in message.html


def test_no_headline_becomes_a_header() -> None:
    """Hostile headlines and desk titles in subject, sender and list name give only the headers that we meant."""
    for bad in vectors.values("header_injection/", "strings/"):
        one = article(bad or "x", bad)
        shown = digest(line(one, level="flash"), title=bad, reply_to="desk@desk.example")
        facts = {"key": shown.key, "made": NOW, "since": NOW, "sections": shown.sections, "coverage": shown.coverage}
        desk = Desk(id="iraq-desk", title=bad, to=("a@desk.example",), reply_to="desk@desk.example")
        [message] = render(
            Digest(desk=desk, flash=True, **facts),  # type: ignore[arg-type]
            ENV,
            sender=f"{bad[:50]} <monitor@example.org>",
            host="monitor.example.org",
        )
        assert len(message.subject) <= 78
        assert "=?" not in message.subject
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", message.subject)
        assert b"\nBcc" not in to_mime(message)


def test_templates_never_switch_escaping_off() -> None:
    """No template of ours marks text as safe, and the HTML ones insist on escaping."""
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe|Markup|urlize|autoescape false", path.read_text("utf-8")), path
    assert "autoescape true" in (ROOT / "templates" / "digest.html").read_text("utf-8")
