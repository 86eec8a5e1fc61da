"""Watchlists -> Matcher, compiled once; articles -> mentions and hits with evidence."""

from monitor.match.compile import Compiled, compile_query, compile_watchlists, example_article, names_ahead
from monitor.match.matcher import Matcher

__all__ = ["Compiled", "Matcher", "compile_query", "compile_watchlists", "example_article", "names_ahead"]
