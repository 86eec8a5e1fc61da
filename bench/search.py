"""Searching an archive: 44 queries newest first in one process, one search as a command, and `monitor check`."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from common import Spent, archives, arguments, figure, median, monitor, note, spent, workspace
from importing import archive

from monitor.app import App
from monitor.service.load import load_archive
from monitor.service.look import Search

COMMON = ("iraq", "government", "said", "رئيس", "العراق", "Türkiye", "iran", "تهران", "عێراق", "Iraqê")
NAMES = ("@pkk", "@iraq", "@ain-al-asad", "@irgc", "@pmf", "@hosts-us-forces", "@kind:base", "@sinjar-agreement")
PHRASES = ('"prime minister"', '"Ain al-Asad"', '"مجلس الأمن"', '"رئیس جمهور"', '"Sınır ötesi"', '"security council"')
NEAR = ("iraq NEAR/5 attack*", "@turkey NEAR/10 @pkk", "(drone* OR rocket*) NEAR/10 base*", "oil PRE/3 pipeline*")
GROUPS = (
    "@hosts-us-forces NEAR/25 (#attack OR #projectile)",
    "(iraq OR iran) AND (sanction* OR نفط) NOT football",
    "title:(iraq OR العراق OR عێراق)",
    "lang:tr AND irak",
    "@pkk AND lang:ar",
    "iran since:2026-01-01",
    "ATLEAST/3(oil)",
)
RARE = ("Makhmour", "Qandil", "پژاک", "Kerkük", "zebari", "hewlêr*")
NOTHING = ("qzxvvy", '"purple elephant treaty"', "@ain-al-asad NEAR/2 qzxvvy")
QUERIES = {
    "common words": COMMON,
    "names": NAMES,
    "phrases": PHRASES,
    "NEAR and PRE": NEAR,
    "groups and fields": GROUPS,
    "rare words": RARE,
    "nothing found": NOTHING,
}
COMMAND = '"Ain al-Asad" OR @pkk'


def percentile(values: list[float], share: int) -> float:
    """The value below which `share` percent lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def once(search: Search, query: str) -> tuple[float, int]:
    """Milliseconds of one search for the newest 20, and how many it found."""
    began = time.perf_counter()
    found = search.find(query, limit=20)
    return (time.perf_counter() - began) * 1000, len(found)


def ask(config: Path, rounds: int) -> None:
    """Every query `rounds` times; the slowest ones are named."""
    slow: dict[str, float] = {}
    with App.at(config) as app:
        search = app.search
        for kind, queries in QUERIES.items():
            times = []
            for query in queries:
                measured = [once(search, query) for _ in range(rounds)]
                slow[f"{query} ({measured[0][1]} found)"] = measured[0][0]  # the first one meets the cold cache
                times += [milliseconds for milliseconds, _ in measured]
            figure(f"search, {kind}, p95", percentile(times, 95), "ms")
            if kind == "common words":
                figure("search, the same, p50", percentile(times, 50), "ms")
    first = list(slow.values())
    figure(f"search, all {len(first)} queries asked first, p50", percentile(first, 50), "ms")
    figure(f"search, all {len(first)} queries asked first, p95", percentile(first, 95), "ms")
    for query, milliseconds in sorted(slow.items(), key=lambda pair: -pair[1])[:5]:
        note(f"slow: {query} {milliseconds:.0f} ms")


def command(config: Path, rounds: int) -> None:
    """One search as a person types it; checks of the watchlists with a store and, as after a checkout, without one."""
    asked = [*monitor(), "--config", str(config), "search", COMMAND, "--json"]
    found = [spent(asked) for _ in range(rounds)]
    figure("monitor search as a command, wall", median([one.wall for one in found]) * 1000, "ms")
    figure("monitor search as a command, processor", median([one.cpu for one in found]), "CPU-s")
    with tempfile.TemporaryDirectory() as nowhere:
        os.environ["XDG_CACHE_HOME"] = nowhere
        here = [*monitor(), "--config", str(config), "check"]
        alone = [*monitor(), "--config", f"{nowhere}/monitor.yaml", "check", str(config.parent / "watchlists")]
        kept = [
            place.with_suffix(suffix)
            for place in (Path(nowhere, "desk-monitor", "checked"), config.parent / "data" / "monitor")
            for suffix in (".watchlists", ".names")
        ]
        edited = max((config.parent / "watchlists").glob("*.yaml"), key=lambda path: path.stat().st_size)
        for name, asked in (("watchlists alone", alone), ("with the articles", here)):
            took: dict[str, list[Spent]] = {"first": [], "again": [], "after an edit": []}
            for _ in range(rounds):
                for place in kept:
                    place.unlink(missing_ok=True)
                took["first"].append(spent(asked))
                took["again"].append(spent(asked))
                with edited.open("a", encoding="utf-8") as file:
                    file.write("# edited\n")
                took["after an edit"].append(spent(asked))
            for when, each in took.items():
                figure(f"monitor check, {name}, {when}, wall", median([one.wall for one in each]), "s")
                figure(f"monitor check, {name}, {when}, processor", median([one.cpu for one in each]), "CPU-s")


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = arguments(__doc__)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--in", type=Path, dest="place", help="a workspace that bench/importing.py --into has made")
    return parser.parse_args()


def main() -> None:
    """Print the figures."""
    asked = options()
    with tempfile.TemporaryDirectory() as name:
        if asked.place:
            config: Path = asked.place / "monitor.yaml"
        else:
            if not archives():
                note("the archives of ../shared are not there: made articles are searched")
            config = workspace(Path(name) / "workspace")
            packed, _ = archive(Path(name), 60 if asked.quick else asked.articles)
            with App.at(config) as app:
                load_archive(packed, app.store, app.editorial.current(), app.clock)
        with App.at(config) as app:
            note(f"{app.store.counts().articles:,} articles")
        ask(config, 1 if asked.quick else 5)
        command(config, 1 if asked.quick else 3)


if __name__ == "__main__":
    main()
