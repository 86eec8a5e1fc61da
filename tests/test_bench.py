"""The scripts behind the figures: each runs through on tiny sizes, so that none of them rots."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
FIGURE = re.compile(r"\S.* +[\d,.e+-]+ \S+")


@pytest.mark.parametrize(
    "name", ["language", "proof", "match", "importing", "search", "trying", "pages", "gate", "poll"]
)
def test_script_prints_figures(name: str) -> None:
    """With --quick a script ends well and prints nothing but lines of `name value unit` and notes."""
    alone = {key: value for key, value in os.environ.items() if key != "READER_PYTHON"}
    done = subprocess.run(  # noqa: S603 - our own scripts
        [sys.executable, str(BENCH / f"{name}.py"), "--quick"],
        env=alone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not FIGURE.match(line)] == []


def test_all_runs_every_script() -> None:
    """`make bench` forgets no script."""
    tools = {"all.py", "common.py", "naive.py", "racers.py", "reading.py", "spent.py", "peers.py", "verdicts.py"}
    told = (BENCH / "all.py").read_text("utf-8")
    assert {p.stem for p in BENCH.glob("*.py") if p.name not in tools} == set(
        re.findall(r'"(\w+)"', told.partition("SCRIPTS = ")[2].partition("\n")[0])
    )
