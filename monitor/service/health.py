"""The health of feeds: one word for each, why, since when, and what a person should do.

FeedState + rhythm + held articles -> judge -> FeedHealth. `monitor feeds`, the coverage of digests, `doctor` and the
operator's mail all read it, so that they never tell different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from monitor.model import Feed, FeedState
from monitor.ports import Store
from monitor.schedule import LETTERS_LOST, NEVER
from monitor.watchlists import shown

Word = Literal[
    "poison",
    "gone",
    "not a feed",
    "failing",
    "empty",
    "silent",
    "held",
    "moved",
    "paused",
    "new",
    "fresh",
    "not watched",
]

WORDS: tuple[Word, ...] = (
    "poison", "gone", "not a feed", "failing", "empty", "silent", "held", "moved", "paused", "new", "fresh",
    "not watched",
)  # fmt: skip
"""Worst first."""

DAY = timedelta(days=1)
LONG = timedelta(days=3)
"""A feed that fails for longer than this needs a person: weekends and repairs are over by then."""

UNKNOWN = timedelta(days=2)
"""Patience with a feed whose rhythm is not known."""
KNOWN = 5
"""So many gaps make a rhythm."""
TIMES = 3
"""So many of its usual gaps may pass in silence."""
AGAIN = 1.5
"""And so many of its second longest: weekends come back, one outage or one pinned old article does not."""

_BY_KIND: dict[str, Word] = {
    "poison": "poison",
    "gone": "gone",
    "not-a-feed": "not a feed",
    "empty": "empty",
    "http-429": "paused",
    "http-503": "paused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """What is to be said of one feed; times in UTC."""

    feed: Feed
    state: FeedState
    word: Word
    why: str = ""
    """What is wrong and what to do about it; empty when nothing is."""
    since: datetime | None = None
    """Since when it is so; None where that is not known."""
    until: datetime | None = None
    """When a paused feed is asked again."""
    usual: timedelta | None = None
    """Its usual time between articles, to the hour."""
    held: int = 0
    notes: tuple[str, ...] = ()
    """What else a person may want to know, one sentence each."""

    @property
    def answers(self) -> bool:
        """Whether the last poll was a good one; False for a feed that was not polled yet."""
        return self.state.last_ok is not None and not self.state.failures

    @property
    def spoilt(self) -> bool:
        """Whether too many letters were lost when it was last read, and it is read at present."""
        return self.answers and self.state.page_note.startswith(LETTERS_LOST)

    @property
    def sentence(self) -> str:
        """`why` and the notes in one line."""
        return "; ".join(filter(None, (self.why, *self.notes)))


def look(store: Store, feeds: Sequence[Feed], now: datetime, *, rhythms: bool = False) -> list[FeedHealth]:
    """The health of these feeds as the store has it, worst first, and what began first before the rest.

    `rhythms` asks for the usual gap of every feed; else of those alone that may be silent: a digest of 50 stories would
    wait for that of a thousand feeds.
    """
    states, held = store.states(), store.held()
    asked = [f.id for f in feeds if f.url and (rhythms or _may_be_silent(states.get(f.id)))]
    occasions = store.occasions(asked)
    found = [judge(f, states.get(f.id), occasions=occasions.get(f.id, ()), held=held.get(f.id, 0)) for f in feeds]
    return sorted(found, key=lambda h: (WORDS.index(h.word), h.since or now, h.feed.id))


def _may_be_silent(state: FeedState | None) -> bool:
    if state is None or state.failures or state.last_ok is None:
        return False
    return state.last_new is None or not state.usual_new or state.last_ok - state.last_new > DAY


def judge(feed: Feed, state: FeedState | None, *, occasions: Sequence[int] = (), held: int = 0) -> FeedHealth:
    """The health of one feed. `occasions`: the hours in which its articles fall, newest first, seconds since 1970.

    Silence is measured up to the last good poll: while nobody asked, nothing can be said of it.
    """
    known = state or FeedState(feed=feed.id)
    usual, patience = rhythm(occasions)
    word, why, since = _word(feed, known, held, usual, patience, occasions)
    return FeedHealth(
        feed=feed,
        state=known,
        word=word,
        why=why,
        since=since,
        until=known.next_due if word == "paused" else None,
        usual=usual,
        held=held,
        notes=tuple(_notes(feed, known, held, word)),
    )


def rhythm(occasions: Sequence[int]) -> tuple[timedelta | None, timedelta]:
    """(usual gap, the silence after which a feed is silent) of a feed that brought articles in these hours."""
    gaps = sorted(newer - older for newer, older in pairwise(occasions))
    if len(gaps) < KNOWN:
        return None, max([UNKNOWN, *(timedelta(seconds=gap) for gap in gaps)])
    usual = timedelta(seconds=median(gaps))
    return usual, max(DAY, TIMES * usual, timedelta(seconds=AGAIN * gaps[-2]))


def needs_person(health: FeedHealth, now: datetime) -> bool:
    """Whether waiting does not help: what comes and goes by itself is left out for a day, failures for three."""
    age = now - health.since if health.since else timedelta()
    match health.word:
        case "new" | "not watched":
            return False
        case "gone" | "not a feed":
            waited = age >= DAY
        case "failing" | "empty" | "paused":
            waited = age >= LONG and health.state.failures > 0
        case _:
            waited = health.word == "poison"
    return waited or bool(health.held or health.state.moved_to)


def length(span: timedelta) -> str:
    """A span of time in its largest unit: "40 min", "3 h", "12 days"."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 2 * 3_600:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h" if seconds < 2 * 86_400 else f"{seconds // 86_400} days"


def at(moment: datetime) -> str:
    """A moment for people: "19 Nov 08:00 UTC"."""
    return f"{moment.astimezone(UTC):%d %b %H:%M} UTC"


def _word(
    feed: Feed,
    state: FeedState,
    held: int,
    usual: timedelta | None,
    patience: timedelta,
    occasions: Sequence[int],
) -> tuple[Word, str, datetime | None]:
    """(word, what is wrong and what to do, since when)."""
    if not feed.url:
        return "not watched", feed.note or "no public feed", None
    if state.failures:
        return _BY_KIND.get(state.error_kind, "failing"), _failing(state), state.failing_since
    if state.last_ok is None:
        return "new", "not polled yet", None
    since = _quiet_since(state, occasions)
    if since is None:
        return "empty", "answers, but has never shown an article: look at its address in a browser", None
    if state.last_ok - since > patience:
        rate = f" (usually every {length(usual)})" if usual else ""
        why = f"answers, but has brought nothing new since {at(since)}{rate}: look whether its address has changed"
        return "silent", why, since
    if held:
        return "held", _held(feed, held), state.last_new
    if state.moved_to:
        return "moved", _moved(feed, state), None
    return "fresh", "", None


def _quiet_since(state: FeedState, occasions: Sequence[int]) -> datetime | None:
    """When it last brought something. What a first poll finds may be years old: then its own dates count."""
    newest = datetime.fromtimestamp(occasions[0], UTC) if occasions else None
    if newest and (state.last_new is None or not state.usual_new):
        return min(newest, state.last_new or newest)
    return state.last_new


def _failing(state: FeedState) -> str:
    times = f" ({state.failures} times in a row)" if state.failures > 1 else ""
    why = f"{state.last_error.rstrip('.')}{times}"
    if state.next_due is None or state.error_kind not in {"gone", "http-429", "http-503"}:
        return why
    again = "is not asked any more" if state.next_due == NEVER else f"is asked again at {at(state.next_due)}"
    return f"{why}; {again}"


def _held(feed: Feed, held: int) -> str:
    return f"{held} articles, most of them old, came at once and are in no mail: `monitor feeds release {feed.id}`"


def _moved(feed: Feed, state: FeedState) -> str:
    return f"has moved: edit line {feed.line} of feeds.yaml: {shown(state.moved_to)}"


def _notes(feed: Feed, state: FeedState, held: int, word: Word) -> list[str]:
    notes: list[str] = []
    if word == "not watched":
        return notes
    if held and word != "held":
        notes.append(_held(feed, held))
    if state.moved_to and word != "moved":
        notes.append(_moved(feed, state))
    if state.correction:
        sign = "back" if state.correction > 0 else "forward"
        by = length(timedelta(seconds=abs(state.correction)))
        notes.append(f"its clock label lies: its dates are set {sign} by {by}")
    if state.page_note:
        notes.append(state.page_note)
    return notes
