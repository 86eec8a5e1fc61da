"""A Message as the bytes that travel: ASCII only, CRLF only, with the headers we meant and no others."""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from monitor.errors import MonitorError
from monitor.model import Message

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_BREAK = re.compile(rb"\r\n|\r|\n")
_POLICY = SMTP.clone(max_line_length=78)
_OWN = ("Content-Type", "MIME-Version")


class MailError(MonitorError):
    """A message cannot be written so that it says what we meant; it must not be sent."""


def to_mime(message: Message) -> bytes:
    """Return the message as bytes, the same on every call. Raises MailError when a header would not be what we meant.

    The bytes are read back and the header names compared, because Python before 3.11.10 can write a header that nobody
    set (CVE-2024-6923).
    """
    mail = EmailMessage(policy=_POLICY)
    wanted = list(_headers(message))
    try:
        text, html = _sound(message.text), _sound(message.html)
        mail.set_content(text, charset="utf-8", cte=_encoding(text))
        mail.add_alternative(html, subtype="html", charset="utf-8", cte=_encoding(html))
        mail.set_boundary("=_" + hashlib.sha256(message.message_id.encode()).hexdigest()[:32])
        for name, value in wanted:  # after the parts, or Content-Language would move into the first of them
            mail[name] = value
        raw = _BREAK.sub(b"\r\n", mail.as_bytes())
    except (ValueError, LookupError, AttributeError) as error:
        raise MailError(_refusal(message, str(error))) from error
    read = message_from_bytes(raw, policy=_POLICY)
    expected = sorted([*(name for name, _ in wanted), *_OWN])
    if sorted(read.keys()) != expected or not read.is_multipart() or len(list(read.iter_parts())) != 2:
        raise MailError(_refusal(message, "its headers would not be read as they were written"))
    return raw


def bare_address(text: str) -> str:
    """Return the plain address in "Name <a@b.example>" or "a@b.example". Raises MailError when it is none."""
    address = _split(text)[1]
    if not _ADDRESS.fullmatch(address) or re.search(r"[\x00-\x1f\x7f]", text):
        raise MailError(f"{text!r} is not a mail address that can be used; correct it in desks.yaml or monitor.yaml.")
    return address


def _split(text: str) -> tuple[str, str]:
    """Return (name, address); parseaddr would lose the address behind a name with odd characters."""
    name, opened, rest = text.rpartition("<")
    return (name.strip().strip('"'), rest.removesuffix(">")) if opened else ("", text)


def recipient(text: str) -> str:
    """Return the address if it is a plain one, without a name. Raises MailError when it is not."""
    if bare_address(text) != text:
        raise MailError(f"{text!r} is not a plain mail address; correct it in desks.yaml.")
    return text


def _headers(message: Message) -> list[tuple[str, str | Address]]:
    name, _ = _split(message.sender)
    user, _, domain = bare_address(message.sender).rpartition("@")
    sender = Address(display_name=_line(name), username=user, domain=domain)
    return [
        ("From", sender),
        ("To", recipient(message.to)),
        ("Subject", _line(message.subject)),
        ("Date", format_datetime(message.date)),
        ("Message-ID", _line(message.message_id)),
        *((_line(header), _line(value)) for header, value in message.headers),
    ]


def _line(text: str) -> str:
    """Return the text without what could end the line or hide in an encoded word."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", "", text)
    while "=?" in line:
        line = line.replace("=?", "")
    return line


def _sound(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _encoding(text: str) -> str:
    """Return the shorter of the two 7-bit encodings: a letter beyond ASCII costs 6 to 9 bytes quoted, 4/3 in base64."""
    raw = text.encode()
    quoted = len(raw) + 2 * sum(byte > 126 or byte == 61 for byte in raw)
    return "quoted-printable" if quoted <= len(raw) * 4 // 3 else "base64"


def _refusal(message: Message, why: str) -> str:
    return f"Mail {message.key} to {message.to!r} cannot be written: {why}; see `monitor outbox list`."
