"""Dates that feedparser cannot read or reads wrongly, and clocks whose label lies. Pure.

It does not read dates with dots ("06.02.2025"), with month names of our languages, or with a blank too few. It takes
the zones of Turkey and Iran for UTC and the Iranian year 1403 for one of the Middle Ages. Where it understands the year
alone it fills up with the present month, so that the date moves with every poll.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_MONTHS = (
    "jan january ocak oca يناير",
    "feb february şubat şub subat فبراير شباط",
    "mar march mart مارس آذار اذار",
    "apr april nisan nis أبريل ابريل إبريل نيسان",
    "may mayıs mayis مايو أيار ايار",
    "jun june haziran haz يونيو حزيران",
    "jul july temmuz tem يوليو تموز",
    "aug august ağustos ağu agustos أغسطس اغسطس آب",
    "sep september sept eylül eyl eylul سبتمبر أيلول ايلول",
    "oct october ekim eki أكتوبر اكتوبر",
    "nov november kasım kas kasim نوفمبر",
    "dec december aralık ara aralik ديسمبر",
)
_TWO_WORDS = {("تشرين", 1): 10, ("تشرين", 2): 11, ("كانون", 1): 12, ("كانون", 2): 1}
_SECOND = {"الأول": 1, "الاول": 1, "أول": 1, "الثاني": 2, "ثاني": 2}
_IRANIAN = (
    "farvardin فروردین",
    "ordibehesht اردیبهشت",
    "khordad خرداد",
    "tir تیر",
    "mordad مرداد",
    "shahrivar شهریور",
    "mehr مهر",
    "aban آبان",
    "azar آذر",
    "dey دی",
    "bahman بهمن",
    "esfand اسفند",
)
_NUMBER = {name: n for n, names in enumerate(_MONTHS, start=1) for name in names.split()}
_IRANIAN_NUMBER = {name: n for n, names in enumerate(_IRANIAN, start=1) for name in names.split()}
_ZONES = {"trt": 180, "irst": 210, "irdt": 270, "gmt": 0, "utc": 0, "ut": 0, "z": 0, "": 0}
"""Minutes east. AST is left out: it is Arabia's and America's."""

_CLOCK = r"(?:[T\s,،-]+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*([+-]\d{1,2}(?::?\d\d)?|[A-Za-z]{1,4})?)?\s*\Z"
_WORDS = re.compile(r"\A(?:[^\W\d]+\.?\s*[,،]?\s*)?(\d{1,2})\s+([^\W\d]+)(?:\s+([^\W\d]+))?,?\s+(\d{4})" + _CLOCK)
_DOTS = re.compile(r"\A(\d{1,2})\.(\d{1,2})\.(\d{4})" + _CLOCK)
_YEAR_FIRST = re.compile(r"\A(\d{4})[-/](\d{1,2})[-/](\d{1,2})" + _CLOCK)
_WEEK = re.compile(r"\A\d{4}-?W\d\d(?:-?[1-7])?\Z")
_EPOCH = re.compile(r"\A(\d{10})(?:\d{3})?\Z")
_LOCAL = re.compile(r"\s(TRT|IRST|IRDT)\Z")
_NO_ZONE = re.compile(r":\d\d[+-](?:1[5-9]|[2-9]\d):?\d\d\Z")
_YEAR_ALONE = re.compile(r"\A\d{4}(?:\Z|[-/]?[^\W\d])")
_DOUBTFUL = re.compile(
    rf"{_EPOCH.pattern}|\A\s*1[34]\d\d[-/]|\A\s*\d{{4}}-?W|[^\x00-\x7f]|{_LOCAL.pattern}|{_NO_ZONE.pattern}|{_YEAR_ALONE.pattern}"
)

_FIRST_YEARS, _LAST_YEARS = 1300, 1499
"""Of the Iranian calendar: 1921 to 2121."""

LONGEST_LIE = 14 * 3600
"""No time zone is further east, in seconds."""
_SLIP, _OFF = 600, 120
"""Clocks differ by seconds or minutes; a label that lies does so by half an hour or more."""
_STEP = 1800
_REMEMBERED, _LEAST = 8, 3


def moment(raw: str, read: datetime | None) -> datetime | None:
    """The time that a feed's date means, in UTC; `read` is what feedparser made of it. Never raises.

    A date without a zone counts as UTC, as feedparser has it.
    """
    if read is not None and not _DOUBTFUL.search(raw):
        return read
    text = "".join(str(int(c)) if c.isdecimal() else c for c in raw[:80]).strip()
    if _NO_ZONE.search(text):
        return None
    try:
        known = _by_week(text) or _by_seconds(text) or _named(text) or _dotted(text) or _year_first(text)
        if known or read is None or _YEAR_ALONE.match(text):
            return known
        zone = _LOCAL.search(text)
        return read - timedelta(minutes=_ZONES[zone[1].lower()]) if zone else read
    except (ValueError, OverflowError):
        return None


def ahead(dates: Iterable[datetime], seen: datetime) -> int | None:
    """Seconds by which the newest of these dates lies after the moment they were seen; None without any.

    What is further off than any zone is a wrong date, no wrong label.
    """
    found = [int((date - seen).total_seconds()) for date in dates]
    return max((seconds for seconds in found if seconds <= LONGEST_LIE), default=None)


def noted(past: tuple[int, ...], new: int | None) -> tuple[int, ...]:
    """The last figures of `ahead`, with a new one."""
    return past if new is None else (*past, new)[-_REMEMBERED:]


def correction(past: tuple[int, ...]) -> int:
    """Seconds to take from the dates of a feed of which `ahead` said this: 0, or whole half hours.

    Nothing is published after it was read. When that is so in more than half of the polls, the label lies. An item is
    read some time after it is published, so that the largest figure is nearest to the lie; one odd item may exceed it.
    """
    future = sorted(seconds for seconds in past if seconds > _SLIP)
    if len(future) < _LEAST or len(future) * 2 <= len(past):
        return 0
    return -(-(future[-2] - _OFF) // _STEP) * _STEP


def _by_week(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if _WEEK.match(text) else None


def _by_seconds(text: str) -> datetime | None:
    """Seconds since 1970, or thousandths of them."""
    found = _EPOCH.match(text)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(found[1])) if found else None


def _named(text: str) -> datetime | None:
    found = _WORDS.match(text)
    if not found:
        return None
    day, name, second, year, *clock = found.groups()
    name = name.replace("İ", "i").casefold()
    month = _NUMBER.get(name) or _TWO_WORDS.get((name, _SECOND.get(second or "", 0)))
    if month:
        return _at(_common(int(year), month, int(day)), clock)
    month = _IRANIAN_NUMBER.get(name)
    return _at(_gregorian(int(year), month, int(day)), clock) if month and _is_iranian(int(year)) else None


def _dotted(text: str) -> datetime | None:
    found = _DOTS.match(text)
    if not found:
        return None
    day, month, year, *clock = found.groups()
    return _at(_common(int(year), int(month), int(day)), clock)


def _year_first(text: str) -> datetime | None:
    found = _YEAR_FIRST.match(text)
    if not found:
        return None
    year, month, day, *clock = found.groups()
    calendar = _gregorian if _is_iranian(int(year)) else _common
    return _at(calendar(int(year), int(month), int(day)), clock)


def _common(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _at(day: datetime, clock: list[str | None]) -> datetime | None:
    """The time of the day in UTC; None when its zone is not known."""
    hours, minutes, seconds, zone = clock
    at = day.replace(hour=int(hours or 0), minute=int(minutes or 0), second=int(seconds or 0))
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        east = int(digits) * 60 if len(digits) <= 2 else int(digits[:-2]) * 60 + int(digits[-2:])
        return at - timedelta(minutes=east if zone[0] == "+" else -east)
    offset = _ZONES.get((zone or "").lower())
    return None if offset is None else at - timedelta(minutes=offset)


def _is_iranian(year: int) -> bool:
    return _FIRST_YEARS <= year <= _LAST_YEARS


def _gregorian(year: int, month: int, day: int) -> datetime:
    """A day of the Iranian solar calendar by its cycle of 33 years with 8 leap years, right from 1244 to 1507.

    Raises ValueError for a day that is none.
    """
    if not (1 <= month <= 12 and 1 <= day <= (31 if month <= 6 else 30)):
        raise ValueError("no such day")
    cycle, rest = divmod(year - 1309, 33)  # 1309 is the first year of a cycle: its leap years are 0, 4 ... 28 of it
    leaps = cycle * 8 + min((rest + 3) // 4, 8)
    days = (year - 1309) * 365 + leaps + (month - 1) * 30 + min(month - 1, 6) + day - 1
    return datetime(1930, 3, 21, tzinfo=UTC) + timedelta(days=days)
