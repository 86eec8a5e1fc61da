"""The bundled samples: YAML beside this module -> outlets and stories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

import yaml

LANGUAGES = ("en", "tr", "ar", "ku", "ckb", "fa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An invented outlet and the habits of its feed."""

    id: str
    title: str
    lang: str
    country: str
    tier: int
    format: str
    """A key of `monitor.demo.formats.FORMATS`."""
    guid: Literal["own", "link", "none"]
    """What identifies an item: a name of the feed's own, its link repeated, or nothing beside the link."""
    body: Literal["html", "text"]
    zone: float
    """Hours from UTC in which the feed writes its dates."""
    dead: bool = False
    """Answers with HTTP 500 at every poll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A sample text and the outlets that carry it."""

    id: str
    lang: str
    feeds: tuple[str, ...]
    hours_ago: float
    title: str
    text: str
    kind: Literal["watched", "ordinary", "trap"] = "watched"
    """Ordinary stories hold no watched name; traps hold a word that only looks like one."""
    step: int = 1
    """The poll, counted from 1, at which the story is first there."""
    guid: bool = True
    """False: this item comes without an identifier although its feed gives them."""
    flash: bool = False
    edited: tuple[str, str] | None = None
    """Title and text from the second poll on, under the same identifier."""
    carried: Mapping[str, str] = field(default_factory=dict)
    """Titles that other outlets give the same text, by outlet."""

    def wording(self, outlet: str, step: int) -> tuple[str, str]:
        """Title and text as `outlet` shows them at `step`."""
        title, text = self.edited if self.edited and step > 1 else (self.title, self.text)
        return self.carried.get(outlet, title), text


def load_outlets() -> tuple[Outlet, ...]:
    """Every sample outlet, in the order of the file."""
    return tuple(Outlet(**raw) for raw in _read("feeds")["feeds"])


def load_stories() -> tuple[Story, ...]:
    """Every sample story of all languages, newest first."""
    stories = [_story(raw, lang) for lang in LANGUAGES for raw in _read(lang)["items"]]
    return tuple(sorted(stories, key=lambda story: (story.hours_ago, story.id)))


def _story(raw: dict[str, Any], lang: str) -> Story:
    known = dict(raw)
    known["feeds"] = tuple(raw["feeds"])
    if edited := raw.get("edited"):
        known["edited"] = (edited["title"], edited["text"])
    return Story(lang=lang, **known)


def _read(name: str) -> dict[str, Any]:
    text = files("monitor.demo").joinpath("samples", f"{name}.yaml").read_text(encoding="utf-8")
    # The C loader reads the samples in 14 ms, the Python one in 108: that would be felt at the start of the demo.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 -- both loaders are safe ones
    return loaded
