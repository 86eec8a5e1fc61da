"""Files of what can be made again: believed as a whole or not at all, never code, deleted by anybody at any time.

    sha256 of the rest, a space, the title, a line end, JSON on one line, a line end, raw bytes

The title tells what the file was made of and by which program. A file that has another one, that is damaged, too
large, or not there, counts as none; one that cannot be written is not missed. Whoever can change such a file can
change the store beside it, too; even so it holds data only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

MOST_BYTES = 64_000_000
"""A larger file is neither read nor written: something else lies in its place."""
_LONGEST_TITLE = 200
_PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = frozenset({".py", ".toml"})


def read(path: Path, title: str, *, own: bool = False) -> tuple[Any, memoryview] | None:
    """What `write` was given under this title, or None. With `own` also where the file is another user's."""
    with suppress(OSError, ValueError, RecursionError):
        if not path.is_file():  # a pipe in its place would never end
            return None
        with path.open("rb") as file:
            digest, _, told = file.readline(_LONGEST_TITLE).partition(b" ")
            foreign = own and os.fstat(file.fileno()).st_uid not in {0, os.geteuid()}
            if foreign or told != _line(title):
                return None
            rest = file.read(MOST_BYTES)
        if _digest(told, rest) == digest:
            end = rest.index(b"\n")
            return json.loads(rest[:end]), memoryview(rest)[end + 1 :]
    return None


def write(path: Path, title: str, told: object, raw: Sequence[bytes] = ()) -> None:
    """Keep something that JSON can say, and bytes behind it, in place of what was kept there."""
    put(path, sealed(title, told, raw))


def sealed(title: str, told: object, raw: Sequence[bytes] = ()) -> bytes:
    """What such a file holds; empty when it is too much."""
    data = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    rest = b"".join((data, b"\n", *raw))
    line = _line(title)
    return b"".join((_digest(line, rest), b" ", line, rest)) if len(rest) <= MOST_BYTES else b""


def put(path: Path, whole: bytes) -> None:
    """Keep what `sealed` told in place of what was kept there."""
    if not whole:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    # a folder that only others may write to: the next start makes it anew
    with suppress(OSError), new.open("xb", buffering=0) as file:  # new, so that it is no link to something else
        try:
            if file.write(whole) == len(whole):  # a disk that is nearly full takes a part, without a word
                new.replace(path)
        finally:
            new.unlink(missing_ok=True)


@cache
def version(*patterns: str) -> str:
    """64 hex digits of the bytes of these modules and data of the package; "" where they do not lie as files.

    What they decide is another thing once they differ.
    """
    said = sha256()
    try:
        for path in sorted({path for pattern in patterns for path in _PACKAGE.glob(pattern)}):
            if path.suffix in _SUFFIXES:
                said.update(f"\n{path.relative_to(_PACKAGE)}\n".encode() + path.read_bytes())
    except OSError:
        return ""
    return said.hexdigest() if said.digest() != sha256().digest() else ""


def _line(title: str) -> bytes:
    return f"{title}\n".encode()


def _digest(line: bytes, rest: bytes) -> bytes:
    said = sha256(line)
    said.update(rest)
    return said.hexdigest().encode()
