"""The hostile and odd inputs that are kept beside the project; MANIFEST.md there says what each set is."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ARCHIVE = Path(__file__).parents[2] / "shared" / "vectors" / "vectors.tar.gz"


@cache
def _all() -> dict[str, bytes]:
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file:
                found[member.name.removeprefix("public/")] = file.read()
    return found


def files(*places: str) -> list[tuple[str, bytes]]:
    """Name and bytes of every file whose name begins with one of these; skips the test where there are none."""
    if not ARCHIVE.is_file():
        pytest.skip("../shared/vectors is not there: hostile inputs not tried")
    found = [(name, data) for name, data in _all().items() if name.startswith(places)]
    assert found, f"no vectors under {places}"
    return found


def values(*places: str) -> list[Any]:
    """The JSON values of all .jsonl files whose names begin with one of these, one value a line."""
    return [json.loads(line) for name, data in files(*places) if name.endswith(".jsonl") for line in data.splitlines()]
