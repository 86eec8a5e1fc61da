"""Where sentences and paragraphs begin, for NEAR/s, NEAR/p and the sentence that evidence shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(
    r"[.!?؟۔…؛\n\r\u2028\u2029]"
    r"(?:(?<=[.!?؟۔…])[.!?؟۔…]*[\"'”’»)\]]*\s+|(?<=[\n\r\u2028\u2029])\s*|(?<=؛)\s+)"
)
"""One class of signs in front: the expression engine then skips letters, which alternatives would each be tried at."""

_PARAGRAPH = re.compile(r"[\n\r\u2028\u2029]+")
_ABBREVIATIONS = frozenset(re.findall(r"\w+", "Mr Mrs Dr Lt Gen Col Maj Sgt St No vs Prof Sn Yrd Doç Av Org Tuğg"))
_LONGEST = max(map(len, _ABBREVIATIONS))
SHOWN = 300
"""Most letters of a sentence that evidence shows."""
_NEAR = 120
"""Letters before a name that are looked at first: most sentences begin there."""
_SEEN = SHOWN + 50
"""Letters on either side in which the edges of a sentence are looked for."""


def sentence_starts(text: str) -> list[int]:
    """Code points at which sentences begin; the first is 0. "Lt. Gen. Kenneth" stays one sentence."""
    return [0, *(place for place in _ends(text, 0, len(text)) if place < len(text))]


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Places between start and end at which a sentence is over, the blanks behind it included."""
    return (found.end() for found in _SENTENCE.finditer(text, start, end) if _is_end(text, found))


def _is_end(text: str, found: re.Match[str]) -> bool:
    """Whether a sentence ends at these signs: not at the full stop of "Lt."."""
    signs = found.group()
    return signs[0] != "." or signs.count(".") > 1 or "\n" in signs or not _abbreviated(text, found.start())


def _abbreviated(text: str, place: int) -> bool:
    """Whether a full stop at this place ends no sentence: after a number, a capital, or "Lt"."""
    begin = place
    while begin and place - begin <= _LONGEST and text[begin - 1].isalnum():
        begin -= 1
    word = text[begin:place]
    return word in _ABBREVIATIONS or (len(word) == 1 and "A" <= word <= "Z") or text[place - 1 : place].isdecimal()


def paragraph_starts(text: str) -> list[int]:
    """Code points at which paragraphs begin; the first is 0."""
    return [0, *(m.end() for m in _PARAGRAPH.finditer(text) if m.end() < len(text))]


def around(text: str, start: int, end: int) -> str:
    """The sentence that holds text[start:end], shortened on both sides when it is very long."""
    return shortened(text, *stretch(text, start, end), start, end)


def stretch(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence that holds text[start:end] begins and ends.

    Only the surroundings are looked at: what is farther away is not shown, and then the stretch is longer than SHOWN.
    """
    for reach in (_NEAR, _SEEN):
        left = max(0, start - reach)
        first = _begin(text, left, start)
        if first > left or not left:
            break
    return first, _end(text, end, min(len(text), end + _SEEN))


def shortened(text: str, first: int, last: int, start: int, end: int) -> str:
    """The sentence text[first:last] in one line, with at most SHOWN letters around text[start:end]."""
    if last - first <= SHOWN:
        return _in_one_line(text[first:last])
    cut_left = cut_right = False
    room = max(0, SHOWN - (end - start)) // 2
    if start - first > room:
        first, cut_left = _word_start(text, start - room, start), True
    if last - end > room:
        last, cut_right = text.rfind(" ", end, end + room), True
        last = end + room if last < 0 else last
    shown = _in_one_line(text[first:last])
    return f"{'… ' if cut_left else ''}{shown}{' …' if cut_right else ''}"


def _in_one_line(text: str) -> str:
    # of all blanks the plain space alone is printable: nearly every sentence is in one line already
    return text.strip(" ") if "  " not in text and text.isprintable() else " ".join(text.split())


def _end(text: str, end: int, right: int) -> int:
    """Behind the first end of a sentence between `end` and `right`; `right` when there is none."""
    while found := _SENTENCE.search(text, end, right):
        end = found.end()
        if _is_end(text, found):
            return end
    return right


def _begin(text: str, left: int, start: int) -> int:
    """Behind the last end of a sentence between `left` and `start`; `left` when there is none."""
    for found in reversed(list(_SENTENCE.finditer(text, left, start))):
        if _is_end(text, found):
            return found.end()
    return left


def _word_start(text: str, place: int, limit: int) -> int:
    """The first beginning of a word at or after `place`, before `limit`."""
    found = text.find(" ", place, limit)
    return place if found < 0 else found + 1
