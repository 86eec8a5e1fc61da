"""The demo: the whole job without a network, and its own mail shows what it should."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import parsed, text_of

from monitor.demo.run import MARKER, SEARCHES, Shown, run_demo
from monitor.errors import UsageError
from monitor.service.look import Result
from monitor.service.poll import Report


class Audience:
    """Keeps what the demo shows."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.polls: list[Report] = []
        self.found: dict[str, list[Result]] = {}
        self.mails: list[Path] = []

    @property
    def shown(self) -> Shown:
        """What the demo calls."""
        return Shown(
            poll=lambda _, report: self.polls.append(report),
            search=self.found.__setitem__,
            mails=self.mails.extend,
        )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audience, list[str]]:
    """One run of the demo, what it showed, and what its own check of the mails missed."""
    folder, audience = tmp_path_factory.mktemp("demo") / "out", Audience()
    return folder, audience, run_demo(folder, audience.shown)


def test_its_mails_show_everything_they_should(shown: tuple[Path, Audience, list[str]]) -> None:
    """Six languages, repeats once, the edit once, the dead feed, a flash: nothing is missing."""
    _, _, missing = shown
    assert missing == []


def test_two_polls_bring_news_and_an_edit(shown: tuple[Path, Audience, list[str]]) -> None:
    """The second poll brings few articles and one edit, and one feed fails each time."""
    _, audience, _ = shown
    first, second = audience.polls
    assert first.articles > second.articles > 0
    assert (first.revised, second.revised) == (0, 1)
    assert (first.failed, second.failed) == (1, 1)


def test_every_search_finds_something(shown: tuple[Path, Audience, list[str]]) -> None:
    """The searches that newcomers see are answered, in more than one language."""
    _, audience, _ = shown
    assert list(audience.found) == list(SEARCHES)
    assert all(audience.found.values())
    assert len({r.stored.article.lang for found in audience.found.values() for r in found}) > 2


def test_the_mails_are_whole(shown: tuple[Path, Audience, list[str]]) -> None:
    """One digest and at least one flash, each with a page beside it."""
    _, audience, _ = shown
    subjects = [parsed(m.read_bytes())["Subject"] for m in audience.mails]
    assert len(subjects) >= 2
    assert all(m.with_suffix(".html").is_file() for m in audience.mails)
    assert all(len(text_of(parsed(m.read_bytes()))) > 200 for m in audience.mails)


def test_it_clears_its_own_folder_only(shown: tuple[Path, Audience, list[str]], tmp_path: Path) -> None:
    """A second run starts afresh; a folder with somebody's files is refused and left alone."""
    folder, _, _ = shown
    assert (folder / MARKER).exists()
    assert run_demo(folder, Audience().shown) == []

    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="--out"):
        run_demo(tmp_path, Audience().shown)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
