"""watchlists/*.yaml -> watchlists, feeds and desks; fails with file:line:column and a suggestion."""

from monitor.watchlists.checks import is_slug, slugged
from monitor.watchlists.desks import is_address, read_desks
from monitor.watchlists.feeds import fault_of, named, read_feeds, same_address, shown, with_feeds
from monitor.watchlists.folder import cross_check, load
from monitor.watchlists.read import read_watchlist, revision
from monitor.watchlists.schema import json_schema
from monitor.watchlists.shape import (
    KINDS,
    RELATIONS,
    WARNINGS,
    Accept,
    Ahead,
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
    "Ahead",
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
    "fault_of",
    "is_address",
    "is_slug",
    "json_schema",
    "load",
    "named",
    "read_desks",
    "read_feeds",
    "read_watchlist",
    "revision",
    "same_address",
    "shown",
    "slugged",
    "with_feeds",
]
