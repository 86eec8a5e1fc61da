"""Puts the product together: the only module that names adapters, reads the clock and the environment."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from monitor.config import Config, load_config
from monitor.errors import ConfigError, Problem, UsageError
from monitor.model import Article, Failed
from monitor.service.edit import Editorial
from monitor.store import SqliteStore

if TYPE_CHECKING:
    from jinja2 import Environment

    from monitor.deliver import FileChannel, SmtpChannel
    from monitor.fetch import HttpFetcher
    from monitor.sandbox import Done, Killed, Sandbox
    from monitor.service.feeds import FeedList
    from monitor.service.look import Search
    from monitor.service.mail import Post
    from monitor.service.poll import Polling
    from monitor.service.read import Read
    from monitor.service.rematch import LookBack, Rematch
    from monitor.service.trial import Trial

CONFIG = "monitor.yaml"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """Opens a store for reading alone; goes to child processes."""

    path: Path

    def __call__(self) -> SqliteStore:
        """A store that nothing can be written through."""
        return SqliteStore(self.path, read_only=True)


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class App(AbstractContextManager["App"]):
    """A workspace, opened. Parts are made when first asked for, so that a search pays for no fetcher."""

    def __init__(self, config: Config, *, create: bool = False, read_only: bool = False) -> None:
        self.config = config
        self.clock = now
        self._create = create
        self._read_only = read_only

    @classmethod
    def at(cls, path: Path, *, create: bool = False, read_only: bool = False) -> App:
        """Open the workspace of a monitor.yaml. Raises ConfigError."""
        if not path.exists():
            problem = Problem(str(path), 0, 0, "There is no configuration here.", "Run `monitor init` or use --config.")
            raise ConfigError(problem)
        return cls(load_config(path, os.environ), create=create, read_only=read_only)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of children and database."""
        self.close()

    def __enter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    def close(self) -> None:
        """End the children, then close the database."""
        for part in ("sandbox", "page_sandbox", "crew", "store"):
            if part in self.__dict__:
                self.__dict__.pop(part).close()

    @cached_property
    def store(self) -> SqliteStore:
        """The database; it must exist unless the app was opened with `create`."""
        if self._create:
            self.config.store.parent.mkdir(parents=True, exist_ok=True)
        return SqliteStore(self.config.store, create=self._create, read_only=self._read_only, clock=self.clock)

    @cached_property
    def editorial(self) -> Editorial:
        """The watchlists."""
        return Editorial(
            self.config.watchlists, self.store, self.clock, keep=not self._read_only, kept=kept(self.config)
        )

    @cached_property
    def search(self) -> Search:
        """Search with the watchlists in force."""
        from monitor.service.look import Search

        return Search(store=self.store, force=self.editorial.current(), clock=self.clock)

    @cached_property
    def sandbox(self) -> Sandbox:
        """The killable children, one per core."""
        from monitor.sandbox import Sandbox
        from monitor.service.read import PRELOAD

        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would each reserve address space in a child
        return Sandbox(workers=max(1, min(4, os.cpu_count() or 1)), preload=PRELOAD)

    @cached_property
    def page_sandbox(self) -> Sandbox:
        """Children for pages alone: a page that keeps one busy to its limit delays no feed."""
        from monitor.sandbox import Limits, Sandbox
        from monitor.service.read import PRELOAD

        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        return Sandbox(workers=max(1, min(2, os.cpu_count() or 1)), limits=Limits(wall=10, cpu=10), preload=PRELOAD)

    @cached_property
    def crew(self) -> Sandbox:
        """The children that match pieces of the archive, one per core."""
        from monitor.sandbox import Sandbox
        from monitor.service.pieces import LIMITS, PRELOAD

        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        return Sandbox(workers=max(1, min(8, os.cpu_count() or 1)), limits=LIMITS, preload=PRELOAD)

    def children(self, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[T] | Killed]:
        """Run a function of a module on many arguments in the crew; outcomes in order."""
        return self.crew.map(function, jobs, batch=2)

    @property
    def reading(self) -> Reading:
        """Opens the store for reading alone, in any process."""
        return Reading(self.config.store)

    @cached_property
    def rematch(self) -> Rematch:
        """The archive against the watchlists in force."""
        from monitor.service.rematch import Rematch

        force = self.editorial.current()
        return Rematch(store=self.store, force=force, reading=self.reading, children=self.children)

    @cached_property
    def trial(self) -> Trial:
        """The archive against an edit."""
        from monitor.service.trial import Trial

        return Trial(store=self.store, reading=self.reading, children=self.children, post=self.post, clock=self.clock)

    @cached_property
    def look_back(self) -> LookBack:
        """The last days against the watchlists in force."""
        from monitor.service.rematch import LookBack

        return LookBack(store=self.store, editorial=self.editorial, clock=self.clock)

    @cached_property
    def fetcher(self) -> HttpFetcher:
        """What reads the open web, within the limits of monitor.yaml."""
        from monitor.fetch import FetchLimits, HttpFetcher

        poll = self.config.poll
        limits = FetchLimits(
            connections=poll.connections,
            deadline=poll.deadline,
            allow_private=poll.allow_private,
            hosts={h.host: (h.connections, h.spacing) for h in poll.hosts},
        )
        return HttpFetcher(limits, clock=self.clock)

    @cached_property
    def feed_list(self) -> FeedList:
        """feeds.yaml, and what is needed to look at new feeds."""
        from monitor.service.feeds import FeedList

        return FeedList(
            folder=self.config.watchlists, fetcher=self.fetcher, children=self.sandbox.map, clock=self.clock
        )

    @cached_property
    def polling(self) -> Polling:
        """Everything that a poll needs."""
        from monitor.service.page import Pages, read_page
        from monitor.service.poll import Polling
        from monitor.service.read import read_feed

        fetcher = self.fetcher

        def read(jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Read | Failed] | Killed]:
            return self.sandbox.map(read_feed, jobs)

        def pages(jobs: Sequence[tuple[Any, ...]]) -> Iterator[Done[Article | None] | Killed]:
            return self.page_sandbox.map(read_page, jobs, batch=1)

        return Polling(
            store=self.store,
            fetcher=fetcher,
            pages=Pages(
                store=self.store,
                fetcher=fetcher,
                read=pages,
                clock=self.clock,
                per_host=self.config.poll.pages_per_host,
            ),
            read=read,
            editorial=self.editorial,
            clock=self.clock,
            chance=random.random,
        )

    @cached_property
    def channel(self) -> FileChannel | SmtpChannel:
        """How mail leaves the house."""
        from monitor.deliver import FileChannel, SmtpChannel

        mail = self.config.mail
        if mail.channel == "file":
            return FileChannel(folder=mail.folder)
        relay = mail.relay
        return SmtpChannel(
            host=relay.host,
            port=relay.port,
            tls=relay.tls,
            user=relay.user,
            password=relay.password,
            timeout=relay.timeout,
            ehlo=mail.host,
        )

    @cached_property
    def post(self) -> Post:
        """The mail room."""
        from monitor.service.mail import Address, Post
        from monitor.service.notice import Notice

        mail = self.config.mail
        return Post(
            store=self.store,
            channel=self.channel,
            editorial=self.editorial,
            templates=templates(self.config.templates),
            address=Address(sender=mail.sender, host=mail.host, base_url=self.config.web.base_url),
            clock=self.clock,
            shipped=templates(),
            notice=Notice(
                store=self.store,
                editorial=self.editorial,
                clock=self.clock,
                free=self.free,
                to=mail.operator,
                sender=mail.sender,
                host=mail.host,
            ),
        )

    def free(self) -> int:
        """Bytes that are free where the store lies."""
        return shutil.disk_usage(self.config.store.parent).free


def kept(config: Config) -> Path:
    """Where a workspace keeps what was read of its watchlists; a file that may be deleted at any time."""
    return config.store.with_suffix(".watchlists")


def cached() -> Path | None:
    """The same for a folder of watchlists without a store: in the user's cache, which holds what was read last.

    None where there is no such place.
    """
    places = Path(os.environ.get("XDG_CACHE_HOME", "")), Path(os.environ.get("HOME", ""), ".cache")
    place = next((p for p in places if p.is_absolute()), None)  # XDG Base Directory: a relative one counts as none
    if place is None:
        return None
    folder = place / "desk-monitor"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / "checked.watchlists"
    return None


def templates(*own: Path) -> Environment:
    """The mail templates; a workspace's own ones go before those of the package."""
    from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(
        loader=FileSystemLoader([*own, shipped() / "templates"]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )


def shipped() -> Path:
    """Where watchlists/, templates/ and monitor.yaml lie that came with the program: in the wheel, or in a checkout."""
    packed = Path(str(resources.files("monitor"))) / "share"
    return packed if packed.is_dir() else Path(str(resources.files("monitor"))).parent


def lay_out(folder: Path) -> list[Path]:
    """Lay out a workspace: configuration, watchlists, an empty database. What is there already is left alone.

    Returns what was written. Raises UsageError when the folder cannot be written to.
    """
    source = shipped()
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in [source / CONFIG, *sorted((source / "watchlists").glob("*.yaml"))]:
            target = folder / path.relative_to(source)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                written.append(target)
        config = load_config(folder / CONFIG, os.environ)
        for place in (config.store.parent, config.mail.folder):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written to ({error.strerror}): choose another folder.") from None
    if not config.store.exists():
        SqliteStore(config.store, create=True, clock=now).close()
        written.append(config.store)
    return written
