"""docs/quality.md tells what docs/quality/*.tsv hold, and neither holds a publisher's sentence."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SLUG = re.compile(r"[a-z0-9/@_-]{1,80}")
ID = re.compile(r"[0-9a-f]{6,40}(~\d+)?")


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script bench/verdicts.py as a module."""
    monkeypatch.syspath_prepend(PROJECT / "bench")
    return import_module("verdicts")


def test_the_page_has_the_counted_figures(verdicts: Any) -> None:
    """Every table of the page is what the verdicts add up to."""
    page = (PROJECT / "docs" / "quality.md").read_text("utf-8")
    missing = [line for line in verdicts.tables() if line and line not in page]
    assert missing == []


def test_verdicts_hold_no_text(verdicts: Any) -> None:
    """Ids, names of ours, verdicts and kinds of error, and nothing that somebody published."""
    rows = [row for _, _, row in verdicts.rows()]
    assert len(rows) > 1_000
    for row in rows:
        assert row["kind"] in verdicts.KINDS
        assert ID.fullmatch(row["id"]), row
        assert not row["what"] or SLUG.fullmatch(row["what"]), row
        assert row["verdict"] in {"right", "wrong", "doubtful", "worth", "not worth", "fine", "missed"}
        assert not row["error"] or SLUG.fullmatch(row["error"]), row
