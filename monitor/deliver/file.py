"""Mail into a folder: an .eml that any mail program opens and an .html beside it. The channel that works at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monitor import faults
from monitor.deliver.mime import MailError, to_mime
from monitor.model import Message, SendResult


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChannel:
    """Writes each message to `folder`, under the same name on every try, so that a repeated try changes nothing."""

    folder: Path

    def send(self, message: Message, committing: Callable[[], None]) -> SendResult:
        """Write the files whole or not at all; `committing` is called before the .eml gets its name."""
        try:
            raw = to_mime(message)
        except MailError as error:
            return SendResult(ok=False, error=str(error))
        target = self.folder / file_name(message)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(_written(target.with_suffix(".html"), message.html.encode("utf-8", "replace")))
            draft = _written(target, raw)
        except OSError as error:
            return _failure(error)
        faults.point("file.drafted")
        committing()
        faults.point("file.committed")
        try:
            _replace(draft)
            faults.point("file.named")
        except OSError as error:
            return _failure(error)
        return SendResult(ok=True)

    def probe(self) -> SendResult:
        """Tell whether the folder can be written to; nothing is left in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _written(self.folder / "probe", b"").unlink()
        except OSError as error:
            return _failure(error)
        return SendResult(ok=True)


def file_name(message: Message) -> str:
    """Return "desk.2026-11-21.07-00.1f3c2a9b77.eml": the key and a hash of the recipient."""
    key = re.sub(r"[^A-Za-z0-9._-]", "-", message.key.replace("/", ".")).lstrip(".-")[:180]
    return f"{key}.{hashlib.sha256(message.to.encode(errors='replace')).hexdigest()[:10]}.eml"


def _written(target: Path, content: bytes) -> Path:
    """Write a draft beside the target and wait until the disk has it."""
    draft = target.with_name(f".{target.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _replace(draft: Path) -> None:
    """Give a draft its name and wait until the disk has that too."""
    draft.replace(draft.with_name(draft.name[1 : -len(".part")]))
    folder = os.open(draft.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _failure(error: OSError) -> SendResult:
    """Trying again can help, and does no harm: the same file is written."""
    where = error.filename or "the mail folder"
    said = f"{where}: {error.strerror or error}; free some space or correct `mail` in monitor.yaml."
    return SendResult(ok=False, retry=True, error=said)
