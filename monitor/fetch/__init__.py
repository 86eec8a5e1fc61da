"""Feeds over HTTP: conditional, bounded in size and time, polite to each host, never into our own network."""

from __future__ import annotations

from monitor.fetch.fetcher import FetchLimits, HttpFetcher
from monitor.fetch.guard import Resolve, is_public

__all__ = ["FetchLimits", "HttpFetcher", "Resolve", "is_public"]
