"""A feed on which the parser breaks its limits: marked, kept for a report, tried again, and a burden to no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Answer, Site, Workspace, entries, until

from monitor.errors import UsageError
from monitor.model import Failed
from monitor.sandbox import Done, Killed
from monitor.service.care import examine, write_poison
from monitor.service.read import Read, read_feed

POISON = b"<rss>" + b"poison" * 500_000


def taste(jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Read | Failed] | Killed]:
    """A sandbox in which one document breaks the limits."""
    for job in jobs:
        yield Killed(cause="wall", reason="took longer than 30 s") if job[1] == POISON else Done(value=read_feed(*job))


def test_poison_is_named_and_its_body_can_be_had(desk: Workspace, site: Site, tmp_path: Path) -> None:
    """A body that no parser can read is kept until the feed is well again; the feed is tried again, later each time."""
    desk.feeds({"a": f"{site.base}/a", "b": f"{site.base}/b"})
    site.pages["/a"] = Answer(body=POISON)
    site.show("/b", entries(1))
    with desk.open() as app:
        polling = replace(app.polling, read=taste)
        report = polling.poll(every=True)
        assert (report.articles, [(f, kind) for f, kind, _ in report.failures]) == (1, [("a", "poison")])
        waits = [app.store.states()["a"].next_due]
        found = examine(app.store, app.editorial, app.channel, app.clock, quick=False)
        (finding,) = [f for f in found if f.what == "poison"]
        assert finding.ok
        assert finding.sentence.startswith("a: ")
        assert "3.0 MB" in finding.sentence
        assert [p.name for p in write_poison(app.store, tmp_path / "out")] == ["a.poison"]
        assert (tmp_path / "out" / "a.poison").read_bytes() == POISON[: 2 << 20]
        with pytest.raises(UsageError, match="cannot be written to"):
            write_poison(app.store, desk.config)
        desk.clock.now = waits[0] or desk.clock.now
        site.show("/a", entries(2))
        assert polling.poll().articles == 1
        assert app.store.poison() == []
        assert app.store.poison_body("a") == b""


def test_poison_waits_longer_each_time(desk: Workspace, site: Site) -> None:
    """The same body is tried again, each time later, and at most six hours apart."""
    site.pages["/a"] = Answer(body=POISON)
    waits = []
    with desk.open() as app:
        polling = replace(app.polling, read=taste, chance=lambda: 0.5)
        for _ in range(8):
            polling.poll()
            due = app.store.states()["a"].next_due
            assert due is not None
            waits.append((due - desk.clock.now).total_seconds())
            desk.clock.now = due
    assert waits == sorted(waits)
    assert waits[0] < waits[3] < 6 * 3600
    assert waits[-1] <= 6 * 3600
    assert site.asked["/a"] == 8


def test_known_poison_keeps_the_news_of_others_from_nobody(desk: Workspace, site: Site) -> None:
    """A feed that was poison is parsed after all others: their articles are stored while its parser still hangs."""
    names = [f"f{n}" for n in range(5)]
    desk.feeds({name: f"{site.base}/{name}" for name in ("a", *names)})
    site.pages["/a"] = Answer(body=POISON)
    let_go = threading.Event()

    def hanging(jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Read | Failed] | Killed]:
        for outcome in taste(jobs):
            if isinstance(outcome, Killed):
                let_go.wait(20)
            yield outcome

    with desk.open() as app:
        replace(app.polling, read=taste).poll({"a"}, every=True)
        for n, name in enumerate(names):
            site.show(f"/{name}", entries(n, name=name))
        poll = threading.Thread(target=replace(app.polling, read=hanging).poll, kwargs={"every": True})
        poll.start()
        stored = until(lambda: app.store.counts().articles == 5, seconds=10)
        waiting = poll.is_alive()
        let_go.set()
        poll.join(20)
        failures = app.store.states()["a"].failures
    assert stored
    assert waiting
    assert failures == 2


def test_an_edit_of_the_address_forgets_the_poison(desk: Workspace, site: Site) -> None:
    """A feed that people take out, or whose new address answers well, is named no more."""
    site.pages["/a"] = Answer(body=POISON)
    site.show("/b", entries(1))
    with desk.open() as app:
        polling = replace(app.polling, read=taste)
        polling.poll()
        assert [row[0] for row in app.store.poison()] == ["a"]
        desk.feeds({"b": f"{site.base}/b"})
        polling.poll()
        assert app.store.poison() == []
        desk.feeds({"a": f"{site.base}/b"})
        polling.poll()
        assert app.store.poison_body("a") == b""
