"""Matching on one core: the shipped watchlists, made names from 1,000 to 100,000, and rules that do not fire.

Beside str.translate with pyahocorasick and with hyperscan, where READER_PYTHON names an interpreter that has them:
interleaved, medians. These two find names as they are written, without affixes, company or evidence.
MB are millions of UTF-8 bytes of title and text. Memory is that of a fresh process.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from common import BENCH, PEERS, arguments, articles, figure, median, megabytes, note

from monitor.app import shipped
from monitor.match import Matcher, compile_watchlists
from monitor.model import Article
from monitor.text import letters
from monitor.watchlists import Entity, Mark, Rule, WatchlistFile, load

MARK = Mark(file="made.yaml", line=1, column=1)
SHORT = 1_000
"""Articles of a short pass."""
KINDS = (("aho", "pyahocorasick"), ("hyper", "hyperscan"))
_LATIN = ("ba", "qer", "zo", "mil", "tar", "shev", "ku", "dran", "vel", "hum", "gis", "pol", "nek", "raf", "yur", "obe")
_ARABIC = ("با", "قر", "زو", "مل", "تار", "شف", "كو", "دران", "فل", "هم", "غس", "بول", "نك", "راف", "يور", "وب")


def names(count: int) -> list[str]:
    """Made names of two words that hardly any text holds, half of them in Arabic letters; always the same."""
    chance = random.Random(7)
    found: dict[str, None] = {}
    while len(found) < count:
        parts = _ARABIC if len(found) % 2 else _LATIN
        first, last = ("".join(chance.choices(parts, k=3)) for _ in range(2))
        found[f"{first} {last}"] = None
    return list(found)


def watchlist(wanted: Sequence[str], rules: int = 0) -> WatchlistFile:
    """A watchlist of made names; its rules ask for two of them near each other."""
    entities = tuple(Entity(id=f"made-{n}", kind="person", name=name, mark=MARK) for n, name in enumerate(wanted))
    asked = tuple(
        Rule(
            id=f"rule-{n}",
            title=f"Rule {n}",
            level="normal",
            query=f"@made-{n} NEAR/10 (@made-{n + 1} OR attack*)",
            query_mark=MARK,
            mark=MARK,
        )
        for n in range(rules)
    )
    return WatchlistFile(
        id="made", title="Made", file="made.yaml", rev="0" * 12, source="", entities=entities, rules=asked
    )


def built(files: Sequence[WatchlistFile]) -> tuple[Matcher, float]:
    """A matcher and the seconds of processor time that it took to compile."""
    began = time.process_time()
    compiled = compile_watchlists(files, examples=False)
    assert not compiled.problems, compiled.problems[0]
    return compiled.matcher, time.process_time() - began


def timed(matcher: Matcher, texts: Sequence[Article]) -> float:
    """Seconds of processor time for one pass."""
    began = time.process_time()
    matcher.match(texts)
    return time.process_time() - began


def real(texts: Sequence[Article], rounds: int) -> None:
    """The shipped watchlists over real text, where many names are met."""
    matcher, seconds = built(load(shipped() / "watchlists").files)
    found = matcher.match(texts)
    took = median([timed(matcher, texts) for _ in range(rounds)])
    figure("shipped watchlists, compile", seconds, "s")
    figure("shipped watchlists, match", megabytes(texts) / took, "MB/s")
    figure("shipped watchlists, match", len(texts) / took, "articles/s")
    figure("shipped watchlists, mentions", sum(len(m.mentions) for m in found) / len(found), "an article")
    figure("shipped watchlists, hits", sum(len(m.hits) for m in found) / len(found), "an article")
    figure("shipped watchlists, hits of rules", sum(h.rule is not None for m in found for h in m.hits), "in all")


def few(texts: Sequence[Article], sizes: Sequence[int], rounds: int) -> None:
    """Made names over the same text, where few are met; the middle size beside the peer."""
    size = megabytes(texts)
    took: dict[int, float] = {}
    for count in sizes:
        wanted = names(count)
        matcher, seconds = built([watchlist(wanted)])
        if count == sizes[len(sizes) // 2]:
            took[count] = beside_peers(matcher, wanted, texts, rounds)
        else:
            took[count] = median([timed(matcher, texts) for _ in range(rounds)])
        figure(f"{count:,} made names, compile", seconds, "s")
        figure(f"{count:,} made names, match", size / took[count], "MB/s")
        figure(f"{count:,} made names, match", len(texts) / took[count], "articles/s")
    figure(f"time for {sizes[-1]:,} names", took[sizes[-1]] / took[sizes[0]], f"times that for {sizes[0]:,}")


def beside_peers(matcher: Matcher, wanted: Sequence[str], texts: Sequence[Article], rounds: int) -> float:
    """Seconds of one pass, the peers' passes in between."""
    if not PEERS:
        note("READER_PYTHON names no interpreter that has pyahocorasick or hyperscan: no ratio")
        return median([timed(matcher, texts) for _ in range(rounds)])
    ours: list[float] = []
    with ExitStack() as stack:
        racers = [(title, stack.enter_context(peer(kind, wanted, texts))) for kind, title in KINDS]
        built = [(title, racer, answer(racer)) for title, racer in racers]
        for title, _, told in built:
            if "missing" in told:
                note(f"{PEERS} has no {told['missing']}: no ratio to {title}")
        theirs = {title: (racer, told["build"], list[float]()) for title, racer, told in built if "build" in told}
        for _ in range(rounds):
            ours.append(timed(matcher, texts))
            found = set()
            for racer, _, times in theirs.values():
                assert racer.stdin is not None
                racer.stdin.write("\n")
                racer.stdin.flush()
                told = answer(racer)
                times.append(told["seconds"])
                found.add(told["found"])
            assert len(found) < 2, f"the peers found {found}"
    size, count = megabytes(texts), f"{len(wanted):,} made names"
    for title, (_, build, times) in theirs.items():
        figure(f"{count}, {title} compile", build, "s")
        figure(f"{count}, beside {title}", size / median(ours), "MB/s", size / median(times), of=f"translate + {title}")
    return median(ours)


def answer(racer: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of a peer."""
    assert racer.stdout is not None
    told: dict[str, Any] = json.loads(racer.stdout.readline())
    return told


@contextmanager
def peer(kind: str, wanted: Sequence[str], texts: Sequence[Article]) -> Iterator[subprocess.Popen[str]]:
    """A peer, its automaton built; each line that it reads makes it search all texts once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = {
            code: letters.plain(chr(code)) for code in (*range(0x250), *range(0x600, 0x700), *range(0x2000, 0x2070))
        }
        (folder / "table.json").write_text(json.dumps(plain))
        (folder / "texts.json").write_text(json.dumps([f"{a.title}\n{a.text}" for a in texts]))
        (folder / "names.json").write_text(json.dumps(list(wanted)))
        command = [PEERS, str(BENCH / "peers.py"), kind, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            try:
                yield process
            finally:
                process.terminate()


def memory(count: int) -> None:
    """What a compiled matcher keeps in memory, told by a process that does nothing else."""
    alone = [sys.executable, str(BENCH / "match.py"), "--resident", str(count)]
    told = json.loads(subprocess.run(alone, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    figure(f"{count:,} made names, memory kept", told["kept"] / 1e6, "MB")
    figure(f"{count:,} made names, memory at most", told["most"] / 1e6, "MB")


def resident(count: int) -> None:
    """In that process: bytes that compiling adds to what Python and the modules take."""
    files = [watchlist(names(count))]
    gc.collect()
    before = _resident()
    matcher, _ = built(files)
    gc.collect()
    # the ru_maxrss of a child begins at what its parent took when it was started (Linux keeps it over exec)
    print(json.dumps({"kept": _resident() - before, "most": _resident("VmHWM") - before, "names": len(matcher.owners)}))


def _resident(line: str = "VmRSS") -> int:
    """Bytes of this process by a line of proc(5) status."""
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text("ascii").splitlines())
    return int(status[line].split()[0]) * 1024


def silent(texts: Sequence[Article], count: int, rules: int, rounds: int) -> None:
    """What rules cost that never fire: of many short passes without, with, with, without, the ratio in the middle.

    What slows the machine for longer than a pass slows all four, and one that is disturbed alone is not the middle.
    """
    wanted = names(count)
    bare, _ = built([watchlist(wanted)])
    ruled, seconds = built([watchlist(wanted, rules)])
    parts = [texts[first : first + SHORT] for first in range(0, len(texts), SHORT)]
    passes = [[timed(matcher, part) for matcher in (bare, ruled, ruled, bare)] for _ in range(rounds) for part in parts]
    ratios = sorted((b + c) / (a + d) for a, b, c, d in passes)
    figure(f"{rules:,} silent rules, compile", seconds, "s")
    figure(f"{rules:,} silent rules, match", median(ratios), "times that of none")
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    note(f"half of {len(ratios)} ratios between {low:.2f} and {high:.2f}")


def main() -> None:
    """Print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--articles", type=int, default=20_000, help="0 for all there are")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["silent"], help="this part alone")
    parser.add_argument("--resident", type=int, help="print what a matcher of so many made names takes, nothing else")
    asked = parser.parse_args()
    if asked.resident:
        resident(asked.resident)
        return
    count, rounds = (60, 1) if asked.quick else (asked.articles, asked.rounds)
    texts = articles(count)
    note(f"{len(texts):,} articles, {megabytes(texts):.1f} MB")
    if not asked.only:
        real(texts, rounds)
        few(texts, (50, 100, 200) if asked.quick else (1_000, 10_000, 100_000), rounds)
        memory(100 if asked.quick else 100_000)
    silent(texts, *((100, 20) if asked.quick else (10_000, 1_000)), rounds)


if __name__ == "__main__":
    main()
