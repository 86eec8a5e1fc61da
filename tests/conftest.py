"""What several test files share: a workspace with a clock of its own, and a site on the loopback that serves feeds."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doomed import Doomed
from fakes import Site, Workspace

CACHES = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def foreign_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is ever kept in the cache of whoever runs the tests."""
    place = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "shared"))
        yield place


@pytest.fixture(autouse=True)
def cache(foreign_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test begins with a cache of its own, which is not there yet."""
    place = foreign_cache / str(next(CACHES))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    return place


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """A watch that ran in this process leaves no handler behind, whose stream is closed by now."""
    yield
    for name in ("monitor", "apscheduler"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [], True


@pytest.fixture(scope="module")
def doom() -> Iterator[Doomed]:
    """Processes whose end can be arranged."""
    with Doomed() as made:
        yield made


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that serves what the test puts on it."""
    with Site() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, site: Site) -> Workspace:
    """A workspace whose one feed is /a of the site."""
    made = Workspace(root=tmp_path / "desk", ports=(site.port,))
    made.lay_out()
    made.feeds({"a": f"{site.base}/a"})
    return made
