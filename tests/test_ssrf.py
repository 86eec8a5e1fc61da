"""T-SSRF: whatever leads out of the monitor is tried with every address of the vectors; nothing inside is ever dialled.

The network is a recorder and the resolver a table: nothing here opens a connection, not even to what is public.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import vectors
from fakes import Workspace
from outside import DIALLABLE, PUBLIC, RSS, START, Outside, discover, fetched, fill, filled, http

from monitor.fetch.guard import GuardedNetwork, InsideError
from monitor.model import Failed, Fetched


def all_vectors() -> list[dict[str, Any]]:
    """Both files; the public list as addresses of which only the outside ones may be dialled."""
    found = vectors.values("ssrf/own_matrix.jsonl", "ssrf/patt_urls.jsonl")
    return [v if isinstance(v, dict) else {"url": v, "must": "list"} for v in found]


@pytest.fixture(scope="module", name="every")
def _every() -> list[dict[str, Any]]:
    found = all_vectors()
    assert len(found) > 150
    return found


def target(vector: Mapping[str, Any]) -> str:
    """Where a vector wants to lead."""
    return str(vector.get("redirect_to") or vector["url"])


def check(outside: Outside, vector: Mapping[str, Any], *, least: int = 0) -> None:
    """Only what is outside was dialled; of what must be refused nothing beside the start, of what is allowed all."""
    assert set(outside.dialled) <= DIALLABLE, vector
    if vector["must"].startswith("refuse"):
        assert {host for host, _ in outside.asked} <= {START}, vector
    if vector["must"] == "allow":
        assert len(outside.dialled) > least, vector


def test_as_a_feed(every: list[dict[str, Any]]) -> None:
    """As the address of a feed."""
    for vector in every:
        if "redirect_to" in vector:
            continue
        outside = Outside(vector=vector)
        (result,) = fetched(outside, vector["url"])
        check(outside, vector)
        if vector["must"].startswith("refuse"):
            assert isinstance(result, Failed), vector
            assert not outside.dialled, vector
            assert not {"Traceback", "Error("} & set(result.message.split()), vector


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_as_a_redirect(every: list[dict[str, Any]], status: int) -> None:
    """As the place where a feed outside redirects to; the start is dialled, the rest is judged anew."""
    for vector in every:
        outside = Outside({f"{START}/feed": http(status=status, location=target(vector))}, vector)
        (result,) = fetched(outside, f"http://{START}/feed")
        check(outside, vector, least=1)
        assert outside.asked[0] == (START, "/feed"), vector
        if vector["must"].startswith("refuse"):
            assert isinstance(result, Failed), vector
            assert result.kind in {"blocked", "dns", "redirect", "http-404"}, (vector, result)


def test_as_the_page_of_an_article(every: list[dict[str, Any]]) -> None:
    """As the link of an item whose full text is wanted: neither its robots.txt nor the page is asked for inside."""
    for vector in every:
        outside = Outside(vector=vector)
        came = fill(outside, target(vector))
        check(outside, vector)
        if vector["must"].startswith("refuse"):
            assert not came, vector


def test_as_the_redirect_of_a_page(every: list[dict[str, Any]]) -> None:
    """As the place where a page outside redirects to; what is told is that place, not a robots.txt nobody asked for."""
    for vector in every:
        outside = Outside({f"{START}/story": http(status=302, location=target(vector))}, vector)
        _, note = filled(outside, f"http://{START}/story")
        check(outside, vector, least=1)
        assert (START, "/story") in outside.asked, vector
        assert "only the feed's text: the page " in note, (vector, note)


def test_as_the_redirect_of_a_robots_txt(every: list[dict[str, Any]]) -> None:
    """As the place where a robots.txt redirects to; rules that are not to be had forbid the page."""
    for vector in every:
        outside = Outside({f"{START}/robots.txt": http(status=301, location=target(vector))}, vector)
        came, note = filled(outside, f"http://{START}/story")
        check(outside, vector, least=1)
        assert outside.asked[0] == (START, "/robots.txt"), vector
        if vector["must"].startswith("refuse") and len(outside.asked) == 1:
            assert not came, vector
            assert "only the feed's text: its robots.txt " in note, (vector, note)


def test_as_the_site_of_a_discovery(every: list[dict[str, Any]], tmp_path: Path) -> None:
    """As the address in which somebody looks for feeds."""
    for vector in every:
        outside = Outside(vector=vector)
        found = discover(outside, target(vector), tmp_path)
        check(outside, vector)
        assert not found, vector


def test_as_a_feed_that_a_page_names(every: list[dict[str, Any]], tmp_path: Path) -> None:
    """As what a page outside declares to be its feed, or redirects to."""
    for vector in every:
        shown = target(vector).replace("&", "&amp;").replace('"', "&quot;")
        page = f'<html><head><link rel="alternate" type="application/rss+xml" href="{shown}"></head></html>'
        for answer in (http(page.encode("utf-8", "replace")), http(status=302, location=target(vector))):
            outside = Outside({f"{START}/": answer}, vector)
            found = discover(outside, f"http://{START}/", tmp_path)
            check(outside, vector, least=1)
            assert not found, vector


def test_a_name_is_asked_for_once_and_what_was_judged_is_dialled() -> None:
    """A name that leads outside first and inside a moment later is dialled where it was judged (DNS rebinding)."""
    outside = Outside(vector={"url": "", "resolves_sequence": [[PUBLIC], ["127.0.0.1"]]})
    (first,) = fetched(outside, "http://rebind.example/")
    assert (outside.turns, outside.dialled) == (1, [PUBLIC])
    assert isinstance(first, Failed)

    (second,) = fetched(outside, "http://rebind.example/")
    assert (outside.turns, outside.dialled) == (2, [PUBLIC])
    assert isinstance(second, Failed)
    assert second.kind == "blocked"


def test_the_fourth_address_is_judged_like_the_first() -> None:
    """One address inside among many is enough to refuse all, wherever it stands in the answer."""
    for place in range(6):
        addresses = [PUBLIC] * 6
        addresses[place] = "10.0.0.1"
        outside = Outside(vector={"url": "", "resolves": addresses})
        (result,) = fetched(outside, "http://mixed.example/")
        assert isinstance(result, Failed), place
        assert not outside.dialled, place


def test_the_shipped_configuration_lets_nothing_inside_through(tmp_path: Path) -> None:
    """T-DEFAULTS: as laid out by `init`, no private address may be dialled, and a workspace names its own by hand."""
    bare = Workspace(root=tmp_path / "bare")
    bare.lay_out()
    bare.write("monitor.yaml", "")
    with bare.open() as app:
        assert app.fetcher.limits.allow_private == frozenset()
    named = Workspace(root=tmp_path / "named", ports=(18080,))
    named.lay_out()
    with named.open() as app:
        assert app.fetcher.limits.allow_private == frozenset({("127.0.0.1", 18080)})


def test_a_name_let_through_opens_no_other_door() -> None:
    """poll.allow_private names a host with a port: neither another port of it nor another name for it passes."""

    async def run(host: str, port: int) -> list[str]:
        outside = Outside()
        guard = GuardedNetwork({("127.0.0.1", 8080)}, outside.resolve, outside)
        with suppress(InsideError):
            await guard.connect_tcp(host, port)
        return outside.dialled

    assert asyncio.run(run("127.0.0.1", 8080)) == ["127.0.0.1"]
    for host, port in (("127.0.0.1", 80), ("localhost", 8080), ("0x7f.1", 8080), ("127.0.0.2", 8080), ("::1", 8080)):
        assert asyncio.run(run(host, port)) == [], (host, port)


def test_no_socket_of_the_file_system_is_dialled() -> None:
    """A path in place of a host is refused."""

    async def run() -> None:
        await GuardedNetwork((), Outside().resolve, Outside()).connect_unix_socket("/run/docker.sock")

    with pytest.raises(InsideError):
        asyncio.run(run())


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its kin would take the check of addresses out of our hands."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    outside = Outside({"feed.example/": http(RSS)}, {"url": "", "resolves": [PUBLIC]})
    (result,) = fetched(outside, "http://feed.example/")

    assert isinstance(result, Fetched)
    assert outside.dialled == [PUBLIC]


def test_the_fetcher_is_what_everything_goes_through() -> None:
    """No module but monitor.fetch and the mail channel opens a connection: a second client needs a second check."""
    package = Path(__file__).parents[1] / "monitor"
    clients = [f"{how} {what}" for how in ("import", "from") for what in ("httpx", "httpcore", "requests", "socket")]
    clients += ["urllib.request", "http.client", "fetch_url", "aiohttp"]
    found = {
        str(path.relative_to(package)): word
        for path in package.rglob("*.py")
        for word in clients
        if word in path.read_text("utf-8") and path.parent.name not in {"fetch", "demo"}
    }
    assert set(found) <= {"deliver/email.py", "daemon.py"}, found
