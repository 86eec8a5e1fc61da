"""The running watch: APScheduler ticks, the store says what is due. One instance per workspace."""

from __future__ import annotations

import fcntl
import json
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue

from apscheduler.schedulers.background import BackgroundScheduler

from monitor.app import App
from monitor.errors import BusyError, MonitorError
from monitor.service.course import tell_to_end
from monitor.service.mail import MOST_PROBLEMS
from monitor.service.poll import Report
from monitor.service.rematch import Summary, added

GRACE = 3_600
"""Seconds that a tick may be late and still counts; the scheduler's own default of 1 drops late ticks (FACTS)."""

PATIENCE = timedelta(minutes=5)
"""How long the first digest after a start waits for the first poll."""

MAIL_TICK = 20.0
"""Most seconds between two looks at the mail that is due: a flash is out within a minute of its storing."""

LOOK_BACK_SECONDS = 15.0
"""How long one tick of the look-back may work, so that the program ends soon when it is told to."""

WAKE = 1.0
"""Seconds within which a signal is heeded, whichever thread the system gave it to."""

logger = logging.getLogger("monitor")


def serve(app: App) -> None:
    """Run until SIGTERM or SIGINT. Raises BusyError when another instance runs on the same store."""
    _log_as(app.config.log.level, app.config.log.format)
    stop = threading.Event()
    with locked(app.config.store), _signals() as told:
        lost = app.post.recover()
        for delivery in lost:
            logger.warning("Delivery not confirmed: %s to %s; `monitor outbox` shows it.", delivery.key, delivery.to)
        watch = Watch(app, stop)
        force = app.editorial.current()
        feeds = sum(1 for f in force.feeds if f.url)
        logger.info("Watching %d feeds for %d desks; stop with Ctrl-C.", feeds, len(force.desks))
        scheduler = _scheduler(watch, app.config.poll.tick)
        scheduler.start()
        try:
            _wait(told)
            logger.info("Stopping: what has been read is saved, the other feeds stay due.")
        finally:
            tell_to_end(stop, app.sandbox, app.page_sandbox)
            scheduler.shutdown(wait=True)
            app.store.set_meta({"alive": "stopped"})


def _scheduler(watch: Watch, tick: float) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE}
    )
    start = datetime.now().astimezone()
    scheduler.add_job(watch.guarded(watch.poll), "interval", seconds=tick, next_run_time=start)
    scheduler.add_job(watch.guarded(watch.mail), "interval", seconds=min(MAIL_TICK, tick), next_run_time=start)
    scheduler.add_job(watch.guarded(watch.look_back), "interval", seconds=min(MAIL_TICK, tick), next_run_time=start)
    return scheduler


class Watch:
    """What happens at each tick. Says each cause of failure once, and again when it changes."""

    def __init__(self, app: App, stop: threading.Event | None = None) -> None:
        self.app = app
        self._stop = stop or threading.Event()
        self._started = app.clock()
        self._looked = False
        self._causes: frozenset[str] = frozenset()
        self._problems: tuple[str, ...] = ()
        self._errors: dict[str, str] = {}

    def guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same work, whose known errors are logged in one sentence: the next tick tries again.

        A watch that is told to end begins nothing more.
        """

        def tick() -> None:
            name = work.__name__
            if self._stop.is_set():
                return
            try:
                work()
            except MonitorError as error:
                if self._errors.get(name) != str(error):
                    logger.error("%s", error)  # noqa: TRY400  # a sentence for people, no traceback
                self._errors[name] = str(error)
            except Exception:
                logger.exception("An error that should not happen; the next tick goes on.")
            else:
                self._errors.pop(name, None)

        return tick

    def poll(self) -> None:
        """Poll what is due and say what changed."""
        self._alive()
        self._say_problems()
        report = self.app.polling.poll(stop=self._stop, alive=self._alive)
        self._looked = True
        if report.articles or report.revised:
            logger.info(
                "%d new articles, %d edited, %d hits from %d feeds in %.1f s.",
                report.articles, report.revised, report.hits, report.fetched, report.seconds,
            )  # fmt: skip
        self._say_causes(report)

    def mail(self) -> None:
        """Make and deliver what is due. A watch that has just started looks at the feeds first, then mails."""
        if not self._looked and self.app.clock() - self._started < PATIENCE:
            return
        for delivery in self.app.post.tick():
            why = f" ({delivery.error})" if delivery.error else ""
            logger.info("%s to %s: %s%s", delivery.key, delivery.to, delivery.state, why)

    def look_back(self) -> None:
        """Match the last 30 days again when the watchlists have changed; polls and mails go on meanwhile."""
        done, end = Summary(), time.monotonic() + LOOK_BACK_SECONDS
        while not self._stop.is_set() and time.monotonic() < end and (step := self.app.look_back.step()) is not None:
            done = added(done, step)
        if done.articles:
            logger.info(
                "The watchlists have changed: %d stored articles matched again, %d hits gained, %d withdrawn.",
                done.articles, done.gained, done.withdrawn,
            )  # fmt: skip

    def _alive(self) -> None:
        """The sign of life that `doctor` looks at: a poll begins, or has moved on."""
        self.app.store.set_meta({"alive": self.app.clock().isoformat()})

    def _say_problems(self) -> None:
        problems = tuple(str(p) for p in self.app.editorial.current().problems)
        if problems != self._problems:
            for problem in problems[:MOST_PROBLEMS]:
                logger.error("Not in force: %s", problem)
            if len(problems) > MOST_PROBLEMS:
                logger.error("Not in force: %d more; `monitor check` lists them.", len(problems) - MOST_PROBLEMS)
            if not problems:
                logger.info("All watchlists are in force again.")
        self._problems = problems

    def _say_causes(self, report: Report) -> None:
        """One line per cause, not one per feed: without a network that is one line."""
        if not report.feeds:
            return
        counted = Counter(kind for _, kind, _ in report.failures)
        for kind, count in counted.items():
            if kind not in self._causes:
                feed, _, sentence = next(f for f in report.failures if f[1] == kind)
                others = f" and {count - 1} more" if count > 1 else ""
                logger.warning("%s%s: %s. They are tried again.", feed, others, sentence.rstrip("."))
        self._causes = frozenset(counted) | (self._causes if report.failed == report.feeds else frozenset())


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the workspace's lock. Raises BusyError when somebody else does."""
    path = store.with_name(f"{store.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"{store}: another monitor runs on this store; stop it first.") from None
        yield


def _wait(told: SimpleQueue[int]) -> None:
    """Wait for a signal. Woken now and then: one that came to another thread wakes nobody by itself."""
    while True:
        with suppress(Empty):
            told.get(timeout=WAKE)
            return


@contextmanager
def _signals() -> Iterator[SimpleQueue[int]]:
    told: SimpleQueue[int] = SimpleQueue()  # an Event must not be set by a handler: its lock may be held just then
    before = {s: signal.signal(s, lambda number, _: told.put(number)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """time, level, message; the traceback of an error that should not happen."""
        row = {"time": f"{datetime.fromtimestamp(record.created).astimezone().isoformat()}", "level": record.levelname}
        row["message"] = record.getMessage()
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False)


def _log_as(level: str, form: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ticking = logging.getLogger("apscheduler")
    for each in (logger, ticking):
        each.handlers[:] = [handler]
        each.propagate = False
    logger.setLevel(level.upper())
    ticking.setLevel(logging.ERROR)  # a tick left out because the last one is not done is no news
