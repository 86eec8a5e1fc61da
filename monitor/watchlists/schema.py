"""JSON Schemas of the three kinds of files, so that editors complete and underline. The loader stays the judge."""

from __future__ import annotations

from typing import Any, Literal

from monitor.model import LANGUAGES, LEVELS
from monitor.watchlists.checks import MAX_SLUG
from monitor.watchlists.desks import DAYS, DESK_KEYS, EMPTY
from monitor.watchlists.feeds import FEED_KEYS, FEED_KINDS
from monitor.watchlists.read import ENTITY_KEYS, EXAMPLE_KEYS, FILE_KEYS, RULE_KEYS, SHORT_KEYS
from monitor.watchlists.shape import KINDS, RELATIONS, WARNINGS

Schema = dict[str, Any]

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""Every scalar is read as text, so `need: 1` and `tr: [on]` are texts too."""
_SLUG: Schema = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": MAX_SLUG}
_LEVEL: Schema = {"enum": list(LEVELS)}
_LANGUAGE: Schema = {"enum": [*LANGUAGES, "kmr"]}
_YES: Schema = {"enum": [True, False, "yes", "no", "on", "off", "true", "false"]}


def json_schema(kind: Literal["watchlist", "feeds", "desks"] = "watchlist") -> Schema:
    """Return the schema (draft 2020-12) of a watchlist file, of feeds.yaml or of desks.yaml."""
    made = {"watchlist": _watchlist, "feeds": _feeds, "desks": _desks}[kind]()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"monitor: {kind}", **made}


def _object(keys: tuple[str, ...], known: Schema, required: tuple[str, ...] = ()) -> Schema:
    """Return an object that has exactly these keys; text where nothing else is said."""
    properties = {key: known.get(key, _TEXT) for key in keys}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        "minProperties": 1,
    }


def _list(item: Schema, *, empty: bool = False) -> Schema:
    return {"type": "array", "items": item, "uniqueItems": True, "minItems": 0 if empty else 1}


def _one_or_list(item: Schema) -> Schema:
    return {"anyOf": [item, _list(item)]}


def _keyed(value: Schema) -> Schema:
    """Return an object with slugs as its keys."""
    return {"type": "object", "propertyNames": _SLUG, "additionalProperties": value, "minProperties": 1}


def _by_language() -> Schema:
    return {
        "type": "object",
        "propertyNames": _LANGUAGE,
        "additionalProperties": _list(_spelling()),
        "minProperties": 1,
    }


def _spelling() -> Schema:
    return {"anyOf": [_TEXT, _object(("say", "doubtful"), {}, ("say",))]}


def _accept() -> Schema:
    return _one_or_list(
        _object(("warning", "reason", "on"), {"warning": {"enum": list(WARNINGS)}}, ("warning", "reason"))
    )


def _watchlist() -> Schema:
    known = {
        "watchlist": _SLUG,
        "level": _LEVEL,
        "entities": _keyed(_entity()),
        "words": _keyed(_by_language()),
        "rules": _keyed(_rule()),
        "examples": _list(_example()),
    }
    return _object(FILE_KEYS, known, ("watchlist", "title"))


def _entity() -> Schema:
    within = {"type": "integer", "minimum": 0, "maximum": 1000}
    short = {"with": _one_or_list(_TEXT), "within": within, "case": {"enum": ["exact", "any"]}, "lang": _LANGUAGE}
    known = {
        "kind": {"enum": list(KINDS)},
        "catalogue": _one_or_list(_TEXT),
        "level": _LEVEL,
        "names": _by_language(),
        "short": _list(_object(SHORT_KEYS, short, ("say", "with"))),
        "mask": _list(_spelling()),
        "groups": _list(_SLUG),
        **{relation: _one_or_list(_SLUG) for relation in RELATIONS},
        "source": _object(("seed", "line", "quote"), {"line": {"type": "integer", "minimum": 1}}),
        "accept": _accept(),
    }
    return _object(ENTITY_KEYS, known, ("kind", "name"))


def _rule() -> Schema:
    known = {
        "level": _LEVEL,
        "languages": {"anyOf": [{"const": "all"}, _one_or_list(_LANGUAGE)]},
        "sources": _object(("only", "never"), {"only": _list(_SLUG), "never": _list(_SLUG)}),
        "accept": _accept(),
    }
    return _object(RULE_KEYS, known, ("title", "query"))


def _example() -> Schema:
    known = {"lang": _LANGUAGE, "hits": _list(_SLUG, empty=True), "mentions": _list(_SLUG, empty=True)}
    return _object(EXAMPLE_KEYS, known, ("say", "hits"))


def _feeds() -> Schema:
    known = {
        "id": _SLUG,
        "url": {"type": "string", "pattern": "^https?://"},
        "lang": _LANGUAGE,
        "country": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
        "tier": {"enum": [1, 2, 3]},
        "kind": {"enum": list(FEED_KINDS)},
        "every": {"type": ["integer", "string"], "pattern": "^[0-9]+[mhd]?$"},
        "fulltext": _YES,
        "tags": _one_or_list(_SLUG),
    }
    feed = {**_object(FEED_KEYS, known), "anyOf": [{"required": ["url"]}, {"required": ["title"]}]}
    return _object(("feeds",), {"feeds": {"type": "array", "items": feed}}, ("feeds",))


def _desks() -> Schema:
    address = {"type": "string", "format": "email"}
    known = {
        "id": _SLUG,
        "to": _one_or_list(address),
        "reply_to": address,
        "zone": {"type": "string"},
        "at": _one_or_list({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}),
        "days": _one_or_list({"enum": list(DAYS)}),
        "watchlists": {"anyOf": [{"const": "all"}, _one_or_list(_SLUG)]},
        "level": _LEVEL,
        "language": {"enum": list(LANGUAGES)},
        "empty": {"enum": list(EMPTY)},
        "flash": _object(("to", "level"), {"to": _one_or_list(address), "level": _LEVEL}, ("to",)),
    }
    desk = _object(DESK_KEYS, known, ("id", "to"))
    return _object(("desks",), {"desks": {"type": "array", "items": desk}}, ("desks",))
