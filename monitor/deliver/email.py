"""Mail over SMTP, command by command, because only that shows which moment cannot be taken back: the final dot.

EHLO STARTTLS AUTH MAIL RCPT DATA body | committing() | dot -> reply
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from monitor import faults
from monitor.deliver.mime import MailError, bare_address, recipient, to_mime
from monitor.model import Message, SendResult

Tls = Literal["none", "starttls", "tls"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_GOODBYE = 5.0
"""Seconds for a polite QUIT; the mail is accepted by then."""


class _RefusedError(Exception):
    """The relay said no; `retry` tells whether it can say yes later."""

    def __init__(self, sentence: str, *, retry: bool) -> None:
        self.retry = retry
        super().__init__(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpChannel:
    """Hands one message to one relay. `timeout` is in seconds and holds for each answer of the relay.

    `ehlo` is the name we give ourselves; empty means the machine's own. `context` replaces the system's trust store.
    """

    host: str
    port: int = 25
    tls: Tls = "none"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60.0
    ehlo: str = ""
    context: ssl.SSLContext | None = field(default=None, repr=False)

    def send(self, message: Message, committing: Callable[[], None]) -> SendResult:
        """Carry the message to the relay; `committing` is called right before the final dot.

        A refusal of the message itself (5xx) is final; trouble with the relay can pass. No answer after the dot is
        `unconfirmed`: it may have been delivered.
        """
        try:
            sender, to, body = bare_address(message.sender), recipient(message.to), on_the_wire(to_mime(message))
        except MailError as error:
            return SendResult(ok=False, error=str(error))
        try:
            with self._session() as relay:
                _envelope(relay, sender, to)
                relay.send(body)
                faults.point("smtp.body")
                committing()
                faults.point("smtp.committed")
                return self._finish(relay)
        except _RefusedError as error:
            return SendResult(ok=False, retry=error.retry, error=self._discreet(str(error)))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return SendResult(ok=False, retry=True, error=self._trouble(error))

    def probe(self) -> SendResult:
        """Speak to the relay up to the log-in and leave without mailing."""
        try:
            with self._session() as relay:
                _expect(relay.noop(), 250, "NOOP")
        except _RefusedError as error:
            return SendResult(ok=False, retry=error.retry, error=self._discreet(str(error)))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return SendResult(ok=False, retry=True, error=self._trouble(error))
        return SendResult(ok=True)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Yield a relay that greeted us and let us in. Trouble up to here is the relay's, not the message's."""
        if self.user and self.tls == "none" and self.host not in _LOOPBACK:
            raise _RefusedError(
                f"The password for {self.host} would travel unencrypted: set `tls: starttls` in monitor.yaml.",
                retry=True,
            )
        relay = self._connected()
        try:
            _expect(relay.ehlo(), 250, "EHLO")
            if self.tls == "starttls":
                _expect(relay.starttls(context=self._context()), 220, "STARTTLS")
                _expect(relay.ehlo(), 250, "EHLO")
            if self.user:
                relay.login(self.user, self.password)
            yield relay
            with suppress(OSError, smtplib.SMTPException):
                if relay.sock:
                    relay.sock.settimeout(_GOODBYE)
                relay.quit()
        finally:
            relay.close()

    def _connected(self) -> smtplib.SMTP:
        name = self.ehlo or None
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=self.timeout, context=self._context())
        return smtplib.SMTP(self.host, self.port, name, timeout=self.timeout)

    def _context(self) -> ssl.SSLContext:
        return self.context or ssl.create_default_context()

    def _finish(self, relay: smtplib.SMTP) -> SendResult:
        """Send the dot and read the answer. Whatever goes wrong from here on leaves us in doubt."""
        try:
            relay.send(b".\r\n")
            faults.point("smtp.dotted")
            code, reply = relay.getreply()
            faults.point("smtp.answered")
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return self._in_doubt(self._trouble(error))
        said = self._discreet(f"{self.host} answered {code} {_shown(reply)}")
        if code == 250:
            return SendResult(ok=True)
        if 400 <= code < 600:
            return SendResult(ok=False, retry=code < 500, error=f"{said} to the message.")
        return self._in_doubt(f"{said}, which is no answer to a message.")

    @staticmethod
    def _in_doubt(sentence: str) -> SendResult:
        return SendResult(ok=False, error=f"unconfirmed: {sentence}", unconfirmed=True)

    def _trouble(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPResponseException):
            said = f"answered {error.smtp_code} {_shown(error.smtp_error)}"
        else:
            said = str(error) or type(error).__name__
        return self._discreet(f"The relay {self.host}:{self.port} cannot be used: {said}; see `monitor doctor`.")

    def _discreet(self, sentence: str) -> str:
        """Return the sentence on one line, without the password: a relay may repeat what it was sent."""
        return _shown(sentence.replace(self.password, "***") if self.password else sentence, 400)


def _envelope(relay: smtplib.SMTP, sender: str, to: str) -> None:
    """Say from whom and to whom, and ask to send. A refusal here is about this message."""
    for verb, code in ((f"MAIL FROM:<{sender}>", 250), (f"RCPT TO:<{to}>", 250), ("DATA", 354)):
        reply = relay.docmd(verb)
        if reply[0] == 251 and verb.startswith("RCPT"):  # RFC 5321 3.4: the relay forwards it
            continue
        _expect(reply, code, verb, final=True)


def _expect(reply: tuple[int, bytes], code: int, verb: str, *, final: bool = False) -> None:
    if reply[0] != code:
        sentence = f"{verb} was answered with {reply[0]} {_shown(reply[1])}."
        raise _RefusedError(sentence, retry=not (final and 500 <= reply[0] < 600))


def _shown(said: bytes | str, limit: int = 200) -> str:
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    return re.sub(r"[\x00-\x1f\x7f-\x9f\s]+", " ", text).strip()[:limit]


def on_the_wire(raw: bytes) -> bytes:
    """Return the body as it may be sent: every line ends in CRLF, leading dots are doubled (RFC 5321 4.5.2).

    A lone CR or LF around a dot ends the mail for some servers and not for others (CVE-2023-51764 and its kin).
    """
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    stuffed = re.sub(rb"(?m)^\.", b"..", lines)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"
