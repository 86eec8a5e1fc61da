"""robots.txt by RFC 9309. Pure: bytes in, rules out.

urllib.robotparser is not used: it takes the first rule that fits where the RFC wants the longest, and reads `*` and `$`
as letters, so that `Disallow: /*?print=` would forbid nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

MOST_BYTES = 512_000
"""RFC 9309, section 2.5: at least 500 KiB are read; what follows is not."""

_MOST_RULES = 5_000
_KEPT = "/?#[]@!$&'()*+,;=:~%"
_TOKEN = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a group; `path` may hold `*`, and `$` at its end."""

    path: str
    allow: bool

    def fits(self, target: str) -> bool:
        """Whether the rule speaks of this path and query. The pieces between the `*` are looked for in order."""
        whole = self.path.endswith("$")
        first, *rest = (self.path[:-1] if whole else self.path).split("*")
        if not target.startswith(first):
            return False
        place = len(first)
        last = rest.pop() if whole and rest else None
        for piece in rest:
            found = target.find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        if last is not None:
            return len(target) - len(last) >= place and target.endswith(last)
        return not whole or place == len(target)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one robots.txt says to one agent; without any rule everything is allowed."""

    rules: tuple[Rule, ...] = ()

    def allows(self, target: str) -> bool:
        """Whether this path and query may be fetched: the longest rule that fits decides, allow before disallow."""
        path = _normal(target) or "/"
        if path == "/robots.txt":
            return True
        fitting = [(len(r.path), r.allow) for r in self.rules if r.fits(path)]
        return max(fitting)[1] if fitting else True


def read_rules(body: bytes, agent: str) -> Rules:
    """The rules for an agent ("desk-monitor"): those of groups that name it, else those for `*`. Never raises."""
    named: list[Rule] = []
    general: list[Rule] = []
    met = False
    targets: list[list[Rule]] = []
    open_group = False
    for line in body[:MOST_BYTES].decode("utf-8-sig", "replace").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            targets = targets if open_group else []
            open_group = True
            token = _TOKEN.match(value)
            mine = token is not None and token[0].lower() == agent.lower()
            met = met or mine
            targets += [named] if mine else [general] if value.startswith("*") else []
        elif key in {"allow", "disallow"}:
            open_group = False
            for rules in targets:
                if value and len(rules) < _MOST_RULES:
                    rules.append(Rule(_normal(value), allow=key == "allow"))
    return Rules(tuple(named if met else general))


def _normal(path: str) -> str:
    """Octets outside ASCII as %XX, and those that need none as letters (RFC 9309, section 2.2.2)."""
    try:
        plain = re.sub(r"%(2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])", lambda m: unquote(m[0]), path)
        return quote(plain, safe=_KEPT)
    except UnicodeEncodeError:
        return path
