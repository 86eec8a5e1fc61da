"""watchlists/*.yaml -> watchlists, feeds and desks; fails with file:line:column and a suggestion."""

from monitor.watchlists.checks import is_slug, slugged
from monitor.watchlists.desks import is_address, read_desks
from monitor.watchlists.feeds import read_feeds, shown
from monitor.watchlists.folder import cross_check, load
from monitor.watchlists.read import read_watchlist, revision
from monitor.watchlists.schema import json_schema
from monitor.watchlists.shape import (
    KINDS,
    RELATIONS,
    WARNINGS,
    Accept,
    Entity,
    Example,
    Loaded,
    Mark,
    Name,
    Relation,
    Rule,
    Short,
    Source,
    WatchlistFile,
    WordList,
)

__all__ = [
    "KINDS",
    "RELATIONS",
    "WARNINGS",
    "Accept",
    "Entity",
    "Example",
    "Loaded",
    "Mark",
    "Name",
    "Relation",
    "Rule",
    "Short",
    "Source",
    "WatchlistFile",
    "WordList",
    "cross_check",
    "is_address",
    "is_slug",
    "json_schema",
    "load",
    "read_desks",
    "read_feeds",
    "read_watchlist",
    "revision",
    "shown",
    "slugged",
]
