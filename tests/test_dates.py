"""Dates as feeds write them, and clocks whose label lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.dates import ahead, correction, moment, noted
from monitor.parse.shape import date

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR = 3600


def read(raw: str) -> str:
    """The date in UTC, without seconds; "" for none."""
    found = moment(raw, date(raw).when)
    return f"{found:%Y-%m-%d %H:%M}" if found else ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1763715600", "2025-11-21 09:00"),
        ("06.02.2025", "2025-02-06 00:00"),
        ("31.12.2025 23:30 TRT", "2025-12-31 20:30"),
        ("Sat,29 Jul 2006 00:03:02 +0000", "2006-07-29 00:03"),
        ("Cuma, 3 KASIM 2023 10:00", "2023-11-03 10:00"),
        ("3 NİSAN 2024 10:00 +3", "2024-04-03 07:00"),
        ("السبت، ١٤ نوفمبر ٢٠٢٥ 10:00:00 +0300", "2025-11-14 07:00"),
        ("14 تشرين الثاني 2025", "2025-11-14 00:00"),
        ("2 كانون الأول 2025 08:00", "2025-12-02 08:00"),
        ("2025-01-06 10:00 IRST", "2025-01-06 06:30"),
        ("15 مهر 1403", "2024-10-06 00:00"),
        ("شنبه ۱۵ مهر ۱۴۰۳ - ۱۰:۳۰", "2024-10-06 10:30"),
        ("1404/08/30 12:00:00", "2025-11-21 12:00"),
        ("1403-12-30", "2025-03-20 00:00"),
        ("1403-13-01", ""),
        ("2024-july-13", ""),
        ("2024", ""),
        ("31.02.2025", ""),
        ("14 تشرين 2025", ""),
        ("3 Nisan 2024 10:00 XYZ", ""),
    ],
)
def test_dates_that_feedparser_does_not_know(raw: str, expected: str) -> None:
    """Months of our languages, the Iranian calendar, zones of Turkey and Iran; what is no date is none."""
    assert read(raw) == expected


def test_how_far_ahead_the_newest_is() -> None:
    """The newest date counts; one further off than any zone is wrong in itself."""
    dates = [NOW + timedelta(hours=h) for h in (-5, 2, 20)]

    assert ahead(dates, NOW) == 2 * HOUR
    assert ahead(dates[2:], NOW) is None
    assert ahead([], NOW) is None


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        ((), 0),
        ((10_500, 10_700), 0),
        ((10_500, 10_700, 9_000), 10_800),
        ((10_830, 10_850, 9_000), 10_800),
        ((10_500, 10_700, 9_000, 50_000), 10_800),
        ((12_500, 12_300, 12_500, -60), 12_600),
        ((10_500, -500, -600, -700, 10_700, 9_000), 0),
        ((300, 500, 400, 200), 0),
        ((-10_800, -9_000, -12_000), 0),
    ],
)
def test_a_lie_is_learned_from_three_polls(past: tuple[int, ...], expected: int) -> None:
    """More than half of the polls, three at least, have dates of the future: whole half hours are taken from all."""
    assert correction(past) == expected


def test_what_is_remembered_is_bounded() -> None:
    """Eight polls are remembered, so that a feed that is mended is believed again."""
    past: tuple[int, ...] = ()
    for _ in range(20):
        past = noted(past, 3 * HOUR - 60)
    assert (len(past), correction(past)) == (8, 3 * HOUR)
    for _ in range(4):
        past = noted(past, -60)
    assert correction(past) == 0
    assert noted(past, None) == past
