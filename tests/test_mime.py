"""A message as bytes: what was meant, and no header that nobody set."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import vectors
from mails import message

from monitor.deliver import FileChannel, SmtpChannel, to_mime
from monitor.deliver.mime import MailError


def parsed(raw: bytes) -> EmailMessage:
    """Return the message as a mail program reads it."""
    read = message_from_bytes(raw, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def part(read: EmailMessage, kind: str) -> str:
    """Return the text of the plain or html part."""
    found = read.get_body((kind,))
    assert found
    content = found.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def test_mime_says_what_was_meant() -> None:
    """The bytes read back to the same subject, sender, text and HTML, in ASCII with CRLF only."""
    raw = to_mime(message(subject="[Monitor] قنديل: ğüş", sender="Müdür & Co <monitor@example.org>"))

    read = parsed(raw)
    assert raw.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
    assert max(len(x) for x in raw.split(b"\r\n")) <= 998
    assert read["Subject"] == "[Monitor] قنديل: ğüş"
    assert str(read["From"].addresses[0].display_name) == "Müdür & Co"
    assert read["Message-ID"] == message().message_id
    assert read["Content-Language"] == "en"
    assert part(read, "plain") == message().text
    assert part(read, "html").strip() == message().html
    assert raw == to_mime(message(subject="[Monitor] قنديل: ğüş", sender="Müdür & Co <monitor@example.org>"))


def test_long_message_id_is_not_folded_into_something_else() -> None:
    """A key of a long desk name still gives the Message-ID that the journal knows."""
    long = f"<digest.{'d' * 120}.2026-11-21.0700.0123456789@monitor.example.org>"

    assert parsed(to_mime(message(message_id=long)))["Message-ID"] == long


@pytest.mark.parametrize(
    "bad",
    [
        {"to": "a@b.example\r\nRCPT TO:<x@y>"},
        {"to": "a@b.example, c@d.example"},
        {"to": "Name <a@b.example>"},
        {"to": ""},
        {"sender": "nobody"},
        {"headers": (("Subject", "again"),)},
        {"headers": (("Bad Name", "x"),)},
    ],
)
def test_what_cannot_be_written_is_not_sent(bad: dict[str, object], tmp_path: Path) -> None:
    """An address or header that is not what it should be stops the message for good, before anything is sent."""
    mail = message(**bad)

    with pytest.raises(MailError, match=r"mail|Mail"):
        to_mime(mail)
    result = FileChannel(folder=tmp_path / "outbox").send(mail, print)
    assert (result.ok, result.retry) == (False, False)
    assert not list(tmp_path.rglob("*.eml"))
    assert not SmtpChannel(host="127.0.0.1", port=1).send(mail, print).retry


def test_cve_2024_6923_no_header_from_a_headline() -> None:
    """Whatever stands in subject, sender name or a header value, the mail has exactly the headers that were set."""
    expected = sorted([*parsed(to_mime(message())).keys()])
    for bad in [
        *vectors.values("header_injection/"),
        "Hi =?UTF-8?Q?=0A?=Bcc: a@x.example",
        "=?utf-8?q?=0D=0A=0D=0A<html>?=",
    ]:
        headers = (*message().headers[:3], ("X-Monitor-Digest", bad))
        name = re.sub(r"[\x00-\x1f\x7f]", "", bad)[:200]
        raw = to_mime(message(subject=bad[:900], sender=f"{name} <monitor@example.org>", headers=headers, text=bad))

        assert sorted(parsed(raw).keys()) == expected, bad
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
        assert max(len(x) for x in raw.split(b"\r\n")) <= 998
