"""The last step, on real sockets: what is written, what is said to the relay, what is made of its answer."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Self

import pytest
import vectors
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from mails import message

from monitor.deliver import FileChannel, SmtpChannel, to_mime
from monitor.deliver.email import on_the_wire
from monitor.model import Message, SendResult

EHLO = b"250 relay.example"
SCRIPT: Mapping[str, bytes] = {
    "": b"220 relay.example",
    "EHLO": EHLO,
    "MAIL": b"250 ok",
    "RCPT": b"250 ok",
    "DATA": b"354 go on",
    ".": b"250 taken",
    "NOOP": b"250 ok",
    "QUIT": b"221 bye",
}
DROP = b""
"""Instead of an answer the connection is cut."""


class Journal:
    """Remembers that it was told, and what the relay had got by then."""

    def __init__(self, relay: Relay | None = None) -> None:
        """Look at `relay` when told."""
        self.relay = relay
        self.calls = 0
        self.dotted_before = False

    def committing(self) -> None:
        """Take the note that cannot be taken back."""
        self.calls += 1
        self.dotted_before = bool(self.relay and self.relay.dotted)


class Relay:
    """A mail relay that answers each verb as its script says, and writes down all it was sent."""

    def __init__(self, **script: bytes) -> None:
        """Take the script; `dot` stands for the end of the message, `greeting` for the first line."""
        names = {"dot": ".", "greeting": ""}
        self.script = {**SCRIPT, **{names.get(k, k): v for k, v in script.items()}}
        self.got = b""
        self.verbs: list[str] = []
        self.dotted = False
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.port: int = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until the only guest has left."""
        self.thread.join(10)
        self.server.close()

    def _serve(self) -> None:
        try:
            guest, _ = self.server.accept()
        except OSError:
            return
        with guest, guest.makefile("rb") as file:
            guest.settimeout(10)
            try:
                self._talk(guest, file)
            except OSError:
                return

    def _talk(self, guest: socket.socket, file: object) -> None:
        verb, in_body = "", False
        while True:
            answer = self.script.get(verb, b"500 unknown")
            if answer == DROP:
                return
            guest.sendall(answer + b"\r\n")
            in_body = verb == "DATA" and answer.startswith(b"354")
            verb = self._body(file) if in_body else self._line(file)
            if not verb:
                return
            self.verbs.append(verb)

    def _line(self, file: object) -> str:
        row: bytes = file.readline()  # type: ignore[attr-defined]
        return row.split(b" ")[0].strip().decode("ascii", "replace").upper()

    def _body(self, file: object) -> str:
        for row in iter(file.readline, b""):  # type: ignore[attr-defined]
            if row == b".\r\n":
                self.dotted = True
                return "."
            self.got += row
        return ""


def channel(port: int, **more: object) -> SmtpChannel:
    """Return a channel to loopback with a short patience."""
    facts: dict[str, object] = {"host": "127.0.0.1", "port": port, "timeout": 5.0, "ehlo": "monitor.example"}
    return SmtpChannel(**(facts | more))  # type: ignore[arg-type]


def sent(journal: Journal, relay: Relay, mail: Message | None = None) -> SendResult:
    """Send one message to the scripted relay."""
    with relay:
        return channel(relay.port).send(mail or message(), journal.committing)


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


def test_file_channel(tmp_path: Path) -> None:
    """A message becomes an .eml and an .html under a name made of key and recipient; nothing else is left behind."""
    journal = Journal()

    result = FileChannel(folder=tmp_path / "outbox").send(message(), journal.committing)

    names = sorted(p.name for p in (tmp_path / "outbox").iterdir())
    assert result.ok
    assert journal.calls == 1
    assert len(names) == 2
    assert re.fullmatch(r"iraq-desk\.2026-11-21\.07-00\.[0-9a-f]{10}\.eml", names[0])
    assert names[1] == names[0].replace(".eml", ".html")
    assert parsed((tmp_path / "outbox" / names[0]).read_bytes())["To"] == "a@desk.example"


def test_file_channel_twice_is_once(tmp_path: Path) -> None:
    """A second try writes the same file; another recipient gets another one; a key cannot leave the folder."""
    outbox = FileChannel(folder=tmp_path / "outbox")

    for mail in (message(), message(), message(to="b@desk.example"), message(key="../../x/2026-11-21/07:00")):
        assert outbox.send(mail, Journal().committing).ok

    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["outbox"]


def test_file_channel_without_a_folder(tmp_path: Path) -> None:
    """A folder that cannot be written to is trouble that can pass, told with its name; the journal is not told."""
    (tmp_path / "file").write_text("in the way")
    journal = Journal()
    outbox = FileChannel(folder=tmp_path / "file")

    result = outbox.send(message(), journal.committing)

    assert (result.ok, result.retry, journal.calls) == (False, True, 0)
    assert str(tmp_path / "file") in result.error
    assert not outbox.probe().ok


def test_file_channel_when_the_journal_fails(tmp_path: Path) -> None:
    """When the journal cannot write its note, no .eml appears."""

    def broken() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        FileChannel(folder=tmp_path).send(message(), broken)

    assert not list(tmp_path.glob("*.eml"))


def test_file_channel_probe(tmp_path: Path) -> None:
    """A probe leaves nothing behind."""
    assert FileChannel(folder=tmp_path / "new").probe().ok
    assert list((tmp_path / "new").iterdir()) == []


def test_smtp_happy_way() -> None:
    """The relay gets one message, verb by verb; the journal is told after the body and before the dot."""
    relay = Relay()
    journal = Journal(relay)

    result = sent(journal, relay)

    assert result == SendResult(ok=True)
    assert relay.verbs == ["EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"]
    assert (journal.calls, journal.dotted_before) == (1, False)
    assert part(parsed(relay.got.replace(b"\r\n..", b"\r\n.")), "plain") == message().text


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"])
def test_smtp_4xx_can_pass(verb: str) -> None:
    """A temporary no at any verb means: try again; the error names the answer."""
    relay = Relay(**{verb: b"451 come back later"})

    result = sent(Journal(), relay)

    assert (result.ok, result.retry, result.unconfirmed) == (False, True, False)
    assert "451" in result.error


@pytest.mark.parametrize(
    ("verb", "retry"), [("MAIL", False), ("RCPT", False), ("DATA", False), ("dot", False), ("greeting", True)]
)
def test_smtp_5xx_is_final_for_the_message(verb: str, retry: bool) -> None:  # noqa: FBT001
    """A final no to the message is not tried again; a relay that turns everybody away is."""
    result = sent(Journal(), Relay(**{verb: b"554 no"}))

    assert (result.ok, result.retry, result.unconfirmed) == (False, retry, False)
    assert "554" in result.error


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
def test_smtp_drop_before_the_dot(verb: str) -> None:
    """A connection lost before the dot means that nothing was accepted: try again, the journal was not told."""
    journal = Journal()

    result = sent(journal, Relay(**{verb: DROP}))

    assert (result.ok, result.retry, result.unconfirmed) == (False, True, False)
    assert journal.calls == 0


@pytest.mark.parametrize("answer", [DROP, b"hello", b"354 more"])
def test_smtp_no_answer_after_the_dot(answer: bytes) -> None:
    """A connection lost after the dot, or an answer that is none, leaves the message unconfirmed, never retried."""
    journal = Journal()

    result = sent(journal, Relay(dot=answer))

    assert (result.ok, result.retry, result.unconfirmed) == (False, False, True)
    assert result.error.startswith("unconfirmed: ")
    assert journal.calls == 1


def test_smtp_silence_after_the_dot() -> None:
    """A relay that says nothing after the dot leaves the message unconfirmed once patience is over."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def mute() -> None:
            guest, _ = server.accept()
            with guest, guest.makefile("rb") as file:
                guest.sendall(b"220 a\r\n")
                for _ in range(4):
                    verb = file.readline()[:4].decode().upper()
                    guest.sendall(SCRIPT[verb] + b"\r\n")
                done.wait(10)

        thread = threading.Thread(target=mute)
        thread.start()
        result = channel(server.getsockname()[1], timeout=0.3).send(message(), Journal().committing)
        done.set()
        thread.join(10)

    assert (result.retry, result.unconfirmed) == (False, True)


def test_smtp_bad_goodbye_does_not_matter() -> None:
    """Once the relay has taken the message, a lost QUIT changes nothing."""
    assert sent(Journal(), Relay(QUIT=DROP)).ok


def test_smtp_forwarding_recipient() -> None:
    """251 to RCPT is a yes (RFC 5321 3.4)."""
    assert sent(Journal(), Relay(RCPT=b"251 will forward")).ok


def test_smtp_when_the_journal_fails() -> None:
    """When the journal cannot write its note, the dot is not sent and the failure is not hidden."""
    relay = Relay()

    def broken() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError), relay:
        channel(relay.port).send(message(), broken)

    assert not relay.dotted


def test_smtp_dead_port() -> None:
    """A relay that is not there can come back; the error says where it was looked for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    result = channel(port).send(message(), Journal().committing)

    assert (result.ok, result.retry) == (False, True)
    assert f"127.0.0.1:{port}" in result.error
    assert result.error == channel(port).probe().error


def test_starttls_is_not_given_up_silently() -> None:
    """A relay without STARTTLS gets neither password nor message when the configuration asks for it."""
    relay = Relay()
    with relay:
        result = channel(relay.port, tls="starttls", user="u", password="secret").send(message(), Journal().committing)

    assert (result.ok, result.retry) == (False, True)
    assert relay.verbs == ["EHLO"]
    assert "STARTTLS" in result.error


def test_password_does_not_travel_in_the_clear() -> None:
    """Without encryption a password is given to a relay on this machine only."""
    result = SmtpChannel(host="relay.invalid", user="u", password="secret").probe()

    assert not result.ok
    assert "unencrypted" in result.error


def test_password_is_never_told() -> None:
    """A relay that repeats the password cannot bring it into our error texts; nor does the channel's own form."""
    relay = Relay(EHLO=b"250-relay.example\r\n250 AUTH PLAIN", AUTH=b"535 wrong: canary-secret")
    there = channel(relay.port, user="u", password="canary-secret")
    with relay:
        result = there.send(message(), Journal().committing)

    assert (result.ok, result.retry) == (False, True)
    assert "535" in result.error
    assert "canary" not in result.error + repr(there)


def test_probe_sends_no_mail() -> None:
    """A probe speaks to the relay up to the log-in and leaves politely."""
    relay = Relay()
    with relay:
        assert channel(relay.port).probe().ok

    assert relay.verbs == ["EHLO", "NOOP", "QUIT"]


class Inbox:
    """What a real SMTP server has received, as raw bytes."""

    def __init__(self) -> None:
        """Start empty."""
        self.mails: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802
        """Keep the message."""
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))  # type: ignore[attr-defined]
        return "250 taken"


@contextmanager
def server(**options: Any) -> Iterator[tuple[Inbox, int]]:
    """Run aiosmtpd on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield inbox, port
    finally:
        controller.stop()


def test_real_server_gets_the_message() -> None:
    """A real server receives one message with the bytes that were written."""
    with server() as (inbox, port):
        assert channel(port).send(message(), Journal().committing).ok

    assert inbox.mails == [("monitor@example.org", ["a@desk.example"], to_mime(message()))]


def test_smuggling_cve_2023_51764() -> None:
    """A body that tries to end the mail early arrives as one message, letter for letter."""
    with server() as (inbox, port):
        bodies = vectors.values("smtp_smuggling/")
        for body in bodies:
            assert channel(port).send(message(text=body, subject=body[:60]), Journal().committing).ok

    assert len(inbox.mails) == len(bodies)
    for body, (_, _, raw) in zip(bodies, inbox.mails, strict=True):
        wanted = re.sub(r"\r\n|\r|\n", "\n", body).rstrip("\n")
        assert part(parsed(raw), "plain").rstrip("\n") == wanted


@pytest.mark.parametrize("body", [b"a\n.\nb", b"a\r.\rb", b"a\r\n.\nb", b".", b"..\r\n", b"a\r\r\n.\r\r\nb", b""])
def test_wire_has_no_lone_breaks(body: bytes) -> None:
    """On the wire every break is CRLF, no line is a lone dot, and the last line is ended."""
    wire = on_the_wire(body)

    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert b"." not in wire.split(b"\r\n")
    assert wire.endswith(b"\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return (certificate, key) for 127.0.0.1, made by openssl for this run."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl is missing: encrypted relays not tried")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(  # noqa: S603 - fixed arguments
        [openssl, *made.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    return certificate, key


def login(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
    """Let in whoever knows the password."""
    return AuthResult(success=data.password == b"secret")  # type: ignore[attr-defined]


def test_starttls_and_login(certificate: tuple[Path, Path]) -> None:
    """With STARTTLS and the right password the mail goes through; an unknown certificate is refused."""
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    there.load_cert_chain(*certificate)
    here = ssl.create_default_context(cafile=str(certificate[0]))
    options: dict[str, Any] = {
        "tls_context": there,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": login,
    }
    with server(**options) as (inbox, port):
        good = channel(port, tls="starttls", user="u", password="secret", context=here)
        assert good.send(message(), Journal().committing) == SendResult(ok=True)
        assert good.probe().ok
        assert "certificate" in replace(good, context=None).probe().error.lower()

    assert len(inbox.mails) == 1
