"""Dates of the set `dates`: what each means in UTC, and by which time an article that carries it is sorted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import vectors
from fakes import Entry, rss

from monitor.model import Article, Feed
from monitor.service.read import Read, read_feed

SEEN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

OWN = {
    "": "",
    "9999999999999": "2286-11-20 17:46:39",
    "Thu, 01 Jan 1970 00:00:00 GMT": "1970-01-01 00:00:00",
    "Mon, 01 Jan 0001 00:00:00 GMT": "0001-01-01 00:00:00",
    "Fri, 31 Dec 9999 23:59:59 -2359": "",
    "Tue, 19 Jan 2038 03:14:08 GMT": "2038-01-19 03:14:08",
    "31 Feb 2025": "",
    "2025-02-29": "2025-03-01 00:00:00",
    "2024-02-29T24:00:00Z": "2024-03-01 00:00:00",
    "2025-03-29T02:30:00": "2025-03-29 02:30:00",
    "2026-10-25T01:30:00 Europe/London": "2026-10-25 01:30:00",
    "\u06f1\u06f4\u06f0\u06f3-\u06f0\u06f7-\u06f1\u06f5": "2024-10-06 00:00:00",
    "15 Tem 2016": "2016-07-15 00:00:00",
    "15 Temmuz 2016": "2016-07-15 00:00:00",
    "15 Tir 1403": "2024-07-05 00:00:00",
    "Pzt, 06 Oca 2025 10:00:00 +0300": "2025-01-06 07:00:00",
    "Mon, 06 Jan 2025 10:00:00 +3": "2025-01-06 07:00:00",
    "Mon, 06 Jan 2025 10:00:00 TRT": "2025-01-06 07:00:00",
    "Mon, 06 Jan 2025 10:00:00 IRST": "2025-01-06 06:30:00",
    "Mon, 06 Jan 2025 10:00 AM": "2025-01-06 10:00:00",
    "06.01.2025 10:00": "2025-01-06 10:00:00",
    "01/06/2025": "",
    "2025-01-06T10:00:00+99:99": "",
    "2025-W02-1": "2025-01-06 00:00:00",
    "1e10": "",
    "NaN": "",
    " Mon, 06 Jan 2025 10:00:00 GMT ": "2025-01-06 10:00:00",
    "Mon, 06 Jan 2025 10:00:00 GMT\0": "2025-01-06 10:00:00",
}
"""As written -> as read; "" for a date that cannot be read. A day that is not in the calendar is the next one."""

THEIRS = {
    "Sun, 31 Dec 9999 23:59:59 -9999": "",
    "\u039a\u03c5\u03c1, 11 \u0399\u03bf\u03cd\u03bb 2004 12:00:00 EST": "2004-07-11 17:00:00",
    "2004-j\u00falius-13T9:15-05:00": "",
    "031231": "2003-12-31 00:00:00",
    "03335": "2003-12-01 00:00:00",
    "2003-12-31T10:14:55.1234Z": "2003-12-31 10:14:55",
    "2004-05-25 \uc624\ud6c4 11:23:17": "2004-05-25 00:00:00",
    "2004\ub144 05\uc6d4 28\uc77c  01:31:15": "",
    "Thu, 30 Apr 2015 08:57:00 MET": "2015-04-30 07:57:00",
    "Thu, 30 Apr 2015 08:57:00 MEST": "2015-04-30 06:57:00",
    "Thu, 01 Jan 0100 00:00:01 +0100": "0099-12-31 23:00:01",
    "Thu, 01 Jan 04 19:48:21 GMT": "2004-01-01 19:48:21",
    "Thu,  5 Apr 2012 10:00:00 GMT": "2012-04-05 10:00:00",
    "Wed, 19 Aug 2009 18:28:00 Etc/GMT": "2009-08-19 18:28:00",
    "Wed, 19 Feb 2012 22:40:00 GMT-01:01": "2012-02-19 23:41:00",
    "Wed, 19 Feb 2012 22:40:00 -01:01": "2012-02-19 23:41:00",
    "Mon, 13 Feb, 2012 06:28:00 UTC": "2012-02-13 06:28:00",
    "Thu, 01 Jan 2004": "2004-01-01 00:00:00",
    "Mon, 26 January 2004 16:31:00 ET": "2004-01-26 21:31:00",
    "Mon, 26 January 2004 16:31:00 CT": "2004-01-26 22:31:00",
    "Mon, 26 January 2004 16:31:00 MT": "2004-01-26 23:31:00",
    "Thu Aug 30 2012 17:26:16 +0200": "2012-08-30 15:26:16",
    "Fri,24 Nov 2023 18:28:36 -0000": "2023-11-24 18:28:36",
    "Sun, 16 Dec 2012 1:2:3:4 GMT": "",
    "Sun, Dec x 2012 11:47:32 GMT": "",
    "Sun, 16 Dec zz 11:47:32 GMT": "",
    "Sun, 16 Dec 2012 11:47:32 +zz:00": "",
    "Sun, 16 Dec 2012 11:47:32 +00:zz": "",
    "Sun, 99 Jun 2009 12:00:00 GMT": "",
    "Sun Jan  4 16:29:06 2004": "2004-01-04 16:29:06",
    "Sun Jul 15 01:16:00 +0000 2012": "2012-07-15 01:16:00",
    "2003-12-31T10:14:55Z": "2003-12-31 10:14:55",
    "2003-12-31T10:14:55-08:00": "2003-12-31 18:14:55",
    "2003-12-31T18:14:55+08:00": "2003-12-31 10:14:55",
    "2007-04-23T23:25:47.538+10:00": "2007-04-23 13:25:47",
    "2003-12-31": "2003-12-31 00:00:00",
    "2004-02-28T18:14:55-08:00": "2004-02-29 02:14:55",
    "2003-02-28T18:14:55-08:00": "2003-03-01 02:14:55",
    "2000-02-28T18:14:55-08:00": "2000-02-29 02:14:55",
    "9999-12-31T23:59:59-99:99": "",
    "2003-12-31T25:14:55Z": "2004-01-01 01:14:55",
    "2003-12-31T10:61:55Z": "2003-12-31 11:01:55",
    "2003-12-31T10:14:61Z": "2003-12-31 10:15:01",
    "22013": "2022-01-13 00:00:00",
    "2013-01-28T11:30:00-06:00Textra": "2013-01-28 17:30:00",
    "2013-xx-27": "",
    "2013-01-28T09:xx:00Z": "2013-01-28 00:00:00",
    "2013-01-28T09:00:00+00:xx": "2013-01-28 09:00:00",
    "2004-07-08 23:56:58 -00:20": "2004-07-09 00:16:58",
    "2004-07-08 23:56:58": "2004-07-08 23:56:58",
    "2004-07-08 23:56:58.0": "2004-07-08 23:56:58",
}
"""Those of feedparser's own tests. Where only the year can be read there is no date: the month would be today's."""

EVERY = OWN | THEIRS


def article(raw: str, *, correction: int = 0) -> Article:
    """The article of a feed whose one item carries this date."""
    body = rss([Entry(title="A title", guid="1", when=None)]).replace(
        b"<guid", f"<pubDate>{raw}</pubDate><guid".encode(), 1
    )
    read = read_feed(Feed(id="a"), body, "application/rss+xml", "http://a.example/", SEEN, "guid", correction)
    assert isinstance(read, Read)
    (found,) = read.articles
    return found


@pytest.mark.parametrize("raw", EVERY)
def test_a_date_is_read_or_none(raw: str) -> None:
    """Each date becomes the moment in UTC that it means, or none; what was written is kept."""
    found = article(raw)

    assert (f"{found.published:%Y-%m-%d %H:%M:%S}".zfill(19) if found.published else "") == EVERY[raw]
    assert found.published_raw.strip(" \ufffd\0") == raw.strip(" \0")


@pytest.mark.parametrize("raw", EVERY)
def test_an_impossible_date_sorts_by_first_sight(raw: str) -> None:
    """A date over a year before or a day after first sight sorts as first sight; an article is never lost for it."""
    found = article(raw)

    if found.published is None or not timedelta(days=-365) <= found.published - SEEN <= timedelta(days=1):
        assert found.when == SEEN
    else:
        assert found.when == found.published


def test_a_learned_correction_is_taken_from_every_date() -> None:
    """A feed whose label lies by three hours has its dates set right, and keeps them as written."""
    found = article("Sat, 21 Nov 2026 11:30:00 GMT", correction=3 * 3600)

    assert found.published == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    assert found.published_raw == "Sat, 21 Nov 2026 11:30:00 GMT"
    assert article("Mon, 01 Jan 0001 00:00:00 GMT", correction=3600).when == SEEN


def test_every_date_of_the_vectors_has_its_meaning() -> None:
    """No date of the set is left without what it means."""
    assert set(vectors.values("dates")) == set(EVERY)
