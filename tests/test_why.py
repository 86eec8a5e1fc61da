"""Why something is no hit: letters that look like a name, and the clause for which a rule did not fire."""

from __future__ import annotations

import pytest
from engine import article, compiled

from monitor.match import Matcher
from monitor.match.why import failing, near_misses

NAMES = """\
entities:
  iraq: {kind: state, name: Iraq, names: {tr: [Irak], ar: [العراق], ku: [Iraq]}}
  asad: {kind: base, name: Ain al-Asad, names: {ar: [عين الأسد]}, mask: [Ain al-Asad Street]}
  puk:
    kind: party
    name: Patriotic Union
    names: {ku: [YNK]}
    short: [{say: PUK, with: [Talabani, "@iraq"], within: 4, case: exact}]
  kurds: {kind: place, name: Kurds, names: {tr: [Kürt]}}
  parliament: {kind: state-organ, name: Iranian parliament}
  us: {kind: state, name: United States, names: {en: [US]}}
words:
  attack: {en: [attack*]}
"""


@pytest.fixture(scope="module")
def names() -> Matcher:
    """The names above, compiled once."""
    return compiled(NAMES)


@pytest.mark.parametrize(
    ("text", "lang", "kind", "letters", "why"),
    [
        ("in Ain al-Asad Street", "en", "masked", "Ain al-Asad", "`Ain al-Asad Street` masks it"),
        ("the PUK met", "en", "no company", "PUK", "within 4 words: one of `Talabani`, `@iraq`"),
        ("PUK is far from any word of Iraq", "en", "no company", "PUK", "within 4 words"),
        ("the puk of Iraq", "en", "case", "puk", "only `PUK` counts"),
        ("they told us", "en", "case", "us", "only in capitals it is the name: `US`"),
        ("news of Iran. Parliament met", "en", "sign", "Iran. Parliament", "a sign parts its words"),
        ("Iraqci adam", "tr", "ending", "Iraq", "`ci` behind it makes another word"),
        ("Iraqî", "ku", "ending", "Iraq", "`î` behind it makes another word"),
        ("عراق بلا أداة", "ar", "ending", "عراق", "with the article `ال`"),
        ("YNKs", "en", "ending", "YNK", "`s` behind it"),
    ],
)
def test_near_misses(names: Matcher, text: str, lang: str, kind: str, letters: str, why: str) -> None:
    """Letters that look like a name are told with their place and with what is asked and not there."""
    view = names.views([article(text, lang=lang)])[0]
    near = near_misses(names, view)
    _, start, end = view.text.original(*near[0].place)
    assert [(n.kind, text[start:end]) for n in near] == [(kind, letters)]
    assert why in near[0].why


@pytest.mark.parametrize(
    "text", ["Ain al-Asad", "the PUK of Iraq", "Iraq's", "US forces", "Iraqistan and its Iraqologists", "nothing"]
)
def test_no_near_miss(names: Matcher, text: str) -> None:
    """What is a mention is no near-miss, and a longer word that only begins like a name is none either."""
    assert near_misses(names, names.views([article(text)])[0]) == []


@pytest.mark.parametrize(
    ("query", "text", "clause", "why"),
    [
        ("@asad NEAR/3 #attack", "Ain al-Asad at night", "#attack", "nothing of it is in the text"),
        (
            "@asad NEAR/3 #attack",
            "Ain al-Asad is a place that nobody attacked",
            "@asad NEAR/3 #attack",
            "5 words stand between them, at most 3 may",
        ),
        ("@asad PRE/3 #attack", "attack on Ain al-Asad", "@asad PRE/3 #attack", "the other order"),
        ("@asad NEAR/s #attack", "Ain al-Asad. An attack.", "@asad NEAR/s #attack", "no sentence together"),
        ("@asad NOT NEAR/3 film", "film of Ain al-Asad", "@asad NOT NEAR/3 film", "`film` stands beside it"),
        ("@asad NOT film", "Ain al-Asad, the film", "NOT film", "`film` is there, and must not be"),
        ("title:(@asad) OR title:(#attack)", "Ain al-Asad", "@asad", "elsewhere, not in the title"),
        ("title:(@asad NEAR/3 #attack)", "Ain al-Asad", "#attack", "nothing of it"),
        ("title:(@asad) OR lead:(#attack)", "zebra", "title:(@asad) OR lead:(#attack", "nothing of it"),
        ("title:(@asad)", "Ain al-Asad", "@asad", "`Ain al-Asad` stands elsewhere, not in the title"),
        ("title:(zebra) OR (@asad AND (raid OR zebra))", "Ain al-Asad", "raid OR zebra", "nothing of it"),
        ("ATLEAST/2(@asad)", "Ain al-Asad", "ATLEAST/2(@asad)", "less often"),
    ],
)
def test_clause_that_failed(query: str, text: str, clause: str, why: str) -> None:
    """The smallest clause that did not hold in the branch that comes nearest, and how it failed."""
    matcher = compiled(f"{NAMES}rules:\n  r: {{title: R, level: normal, query: '{query}'}}\n")
    part = failing(matcher.rules[0].query, matcher.views([article(text)])[0])
    assert part is not None
    assert query[part.place.start : part.place.end] == clause
    assert why in part.why


def test_a_rule_that_holds_has_no_failing_clause() -> None:
    """A true query has no clause that failed."""
    matcher = compiled(f"{NAMES}rules:\n  r: {{title: R, level: normal, query: '@asad'}}\n")
    assert failing(matcher.rules[0].query, matcher.views([article("Ain al-Asad")])[0]) is None
