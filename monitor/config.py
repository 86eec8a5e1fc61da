"""monitor.yaml and the environment -> Config; fails with file:line:column and a suggestion.

Secrets never stand in the file: `{env: NAME}` or `{file: PATH}` says where. Paths count from the folder of the file.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, cast

from monitor._yaml import List, Map, Node, Reader, Text, parse
from monitor.errors import ConfigError, Problem

Tls = Literal["none", "starttls", "tls"]

KEYS = ("store", "watchlists", "templates", "poll", "mail", "web", "retention", "log")
POLL_KEYS = ("connections", "deadline", "tick", "pages_per_host", "allow_private", "hosts")
HOST_KEYS = ("connections", "spacing")
MAIL_KEYS = ("channel", "from", "host", "folder", "operator", "relay")
RELAY_KEYS = ("host", "port", "tls", "user", "password", "timeout")
WEB_KEYS = ("bind", "base_url")
RETENTION_KEYS = ("text_without_hits",)
LOG_KEYS = ("level", "format")

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@\[\]]+)):([0-9]{1,5})")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PORTS = 65_535
_SECRET_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimit:
    """How one host is spared, in place of 2 connections and 1 second between requests."""

    host: str
    connections: int = 2
    spacing: float = 1.0
    """Seconds between the starts of two requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How feeds are fetched."""

    connections: int = 64
    deadline: float = 60.0
    """Seconds for one feed, redirects included."""
    tick: float = 30.0
    """Seconds between two looks at what is due."""
    pages_per_host: int = 20
    """Pages of one host that are read in one poll, for feeds marked `fulltext`."""
    allow_private: frozenset[tuple[str, int]] = frozenset()
    """The only (host, port) inside our network that may be dialled."""
    hosts: tuple[HostLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The mail server that takes our mail."""

    host: str = ""
    port: int = 587
    tls: Tls = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How digests leave the house."""

    channel: Literal["file", "smtp"] = "file"
    sender: str = "Monitor <monitor@localhost>"
    """Written under the key `from`."""
    host: str = "localhost"
    """Right side of Message-IDs."""
    folder: Path = Path("data/outbox")
    operator: str = ""
    """Who is mailed, at most once a day, when something needs a person; empty: nobody."""
    relay: Relay = Relay()


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Where the pages are served, and the address that mails link to (empty: mails carry no links to us)."""

    host: str = "127.0.0.1"
    port: int = 8080
    base_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that is set once for a workspace. Paths are absolute or relative to the working directory."""

    root: Path
    """Folder of monitor.yaml."""
    store: Path
    watchlists: Path
    templates: Path
    """The workspace's own templates; what is missing there is taken from the package."""
    poll: Poll = Poll()
    mail: Mail = Mail()
    web: Web = Web()
    keep_days: int = 0
    """Days after which the text of articles without hits is dropped; 0 keeps everything."""
    log: Log = Log()


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read monitor.yaml at `path`. Raises ConfigError with every problem in it, a missing secret included."""
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        hint = "Run `monitor init` to lay out a workspace, or go to one."
        raise ConfigError(Problem(str(path), 0, 0, "There is no such file.", hint)) from None
    except OSError as error:
        sentence = f"The file cannot be read ({error.strerror or 'unknown reason'})."
        raise ConfigError(Problem(str(path), 0, 0, sentence, "Check its permissions.")) from None
    return read_config(path.name, source, root=path.parent, environment=environment)


def read_config(name: str, source: bytes | str, *, root: Path, environment: Mapping[str, str]) -> Config:
    """Read the text of a monitor.yaml; `name` stands in messages, paths count from `root`. Raises ConfigError."""
    tree = parse(name, source)
    reader = Reader(name)
    fields = {} if isinstance(tree, Text) and not tree.value else reader.fields(tree, "The file", KEYS, empty=True)
    retention = _section(reader, fields, "retention", RETENTION_KEYS)
    log = _section(reader, fields, "log", LOG_KEYS)
    config = Config(
        root=root,
        store=_store(reader, fields.get("store"), root),
        watchlists=_path(reader, fields.get("watchlists"), "`watchlists`", root, "watchlists"),
        templates=_path(reader, fields.get("templates"), "`templates`", root, "templates"),
        poll=_poll(reader, _section(reader, fields, "poll", POLL_KEYS)),
        mail=_mail(reader, _section(reader, fields, "mail", MAIL_KEYS), root, environment),
        web=_web(reader, _section(reader, fields, "web", WEB_KEYS)),
        keep_days=_days(reader, retention.get("text_without_hits")),
        log=Log(
            level=cast(
                "Literal['debug', 'info', 'warning', 'error']",
                reader.choice(log.get("level"), "level of the log", ("debug", "info", "warning", "error"), "info"),
            ),
            format=cast(
                "Literal['text', 'json']",
                reader.choice(log.get("format"), "format of the log", ("text", "json"), "text"),
            ),
        ),
    )
    reader.finish()
    return config


def _section(reader: Reader, fields: dict[str, Node], key: str, allowed: tuple[str, ...]) -> dict[str, Node]:
    node = fields.get(key)
    return reader.fields(node, f"`{key}`", allowed, empty=True) if node else {}


def _path(reader: Reader, node: Node | None, what: str, root: Path, default: str) -> Path:
    return root / Path(reader.text(node, what) or default).expanduser()


def _store(reader: Reader, node: Node | None, root: Path) -> Path:
    if isinstance(node, Text) and "://" in node.value:
        reader.complain(node, "The store is a file on this machine.", "Write a path such as data/monitor.db.")
        return root
    return _path(reader, node, "`store`", root, "data/monitor.db")


def _decimal(reader: Reader, node: Node | None, what: str, default: float, low: float, high: float) -> float:
    """Return a number of seconds."""
    value = reader.text(node, what)
    if node is None or not value:
        return default
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", value) and low <= float(value) <= high:
        return float(value)
    reader.complain(node, f"{what} must be seconds from {low:g} to {high:g}, not `{value[:60]}`.")
    return default


def _poll(reader: Reader, fields: dict[str, Node]) -> Poll:
    return Poll(
        connections=reader.number(fields.get("connections"), "`connections`", 64, 1, 1000),
        deadline=_decimal(reader, fields.get("deadline"), "`deadline`", 60.0, 1, 3600),
        tick=_decimal(reader, fields.get("tick"), "`tick`", 30.0, 1, 3600),
        pages_per_host=reader.number(fields.get("pages_per_host"), "`pages_per_host`", 20, 0, 1000),
        allow_private=_allowed(reader, fields.get("allow_private")),
        hosts=_hosts(reader, fields.get("hosts")),
    )


def _allowed(reader: Reader, node: Node | None) -> frozenset[tuple[str, int]]:
    if node is None:
        return frozenset()
    found = set()
    for item in reader.texts(node, "`allow_private`", empty=True):
        place = _host_port(item.value)
        if place:
            found.add(place)
        else:
            hint = "Write it with its port, such as 10.0.0.5:8080 or [::1]:8080."
            reader.complain(item, f"`{item.value[:80]}` is no host and port.", hint)
    return frozenset(found)


def _host_port(text: str) -> tuple[str, int] | None:
    """Return the host in small letters without brackets, and the port; None when the text is something else."""
    found = _HOST_PORT.fullmatch(text)
    if not found or not 1 <= int(found[3]) <= _PORTS:
        return None
    return (found[1] or found[2]).lower(), int(found[3])


def _hosts(reader: Reader, node: Node | None) -> tuple[HostLimit, ...]:
    if node is None or (isinstance(node, Map) and not node.entries):
        return ()
    limits = []
    for key, value in reader.mapping(node, "`hosts`"):
        fields = reader.fields(value, f"The host `{key.value[:60]}`", HOST_KEYS)
        limits.append(
            HostLimit(
                host=key.value.strip().lower(),
                connections=reader.number(fields.get("connections"), "`connections`", 2, 1, 1000),
                spacing=_decimal(reader, fields.get("spacing"), "`spacing`", 1.0, 0, 3600),
            )
        )
    return tuple(limits)


def _mail(reader: Reader, fields: dict[str, Node], root: Path, environment: Mapping[str, str]) -> Mail:
    channel = reader.choice(fields.get("channel"), "channel of mail", ("file", "smtp"), "file")
    sent = channel == "smtp"
    relay = _section(reader, fields, "relay", RELAY_KEYS)
    host = reader.text(relay.get("host"), "`host` of `relay`")
    if sent and not host:
        place = fields.get("relay", fields["channel"])
        reader.complain(
            place, "The channel is smtp, but no relay is named.", "Write `relay: {host: mail.example.org}`."
        )
    password = relay.get("password")
    return Mail(
        channel="smtp" if sent else "file",
        sender=_sender(reader, fields.get("from")),
        host=_name(reader, fields.get("host")),
        folder=_path(reader, fields.get("folder"), "`folder`", root, "data/outbox"),
        operator=_address(reader, fields.get("operator")),
        relay=Relay(
            host=host,
            port=reader.number(relay.get("port"), "`port`", 587, 1, _PORTS),
            tls=cast("Tls", reader.choice(relay.get("tls"), "way to encrypt", ("none", "starttls", "tls"), "starttls")),
            user=reader.text(relay.get("user"), "`user`"),
            password=_secret(reader, password, root, environment) if sent and password else "",
            timeout=_decimal(reader, relay.get("timeout"), "`timeout`", 60.0, 1, 600),
        ),
    )


def _sender(reader: Reader, node: Node | None) -> str:
    """Return `Name <address>` or an address alone."""
    value = reader.text(node, "`from`")
    if node is None or not value:
        return Mail().sender
    if not value.isprintable() or not _is_address(parseaddr(value)[1]):
        reader.complain(node, f"`{value[:80]!r}` is no sender.", "Write it as Monitor <monitor@example.org>.")
    return value


def _is_address(text: str) -> bool:
    try:
        return text.isascii() and bool(Address(addr_spec=text).domain)
    except (MessageError, ValueError, IndexError):
        return False


def _address(reader: Reader, node: Node | None) -> str:
    """Return a plain address, without a name."""
    value = reader.text(node, "`operator`").strip()
    if node is not None and value and not (value.isprintable() and _is_address(value)):
        reader.complain(node, f"`{value[:80]}` is no plain mail address.", "Write it as admin@example.org.")
    return value


def _name(reader: Reader, node: Node | None) -> str:
    value = reader.text(node, "`host`")
    if node is None or not value:
        return Mail().host
    if not _HOST.fullmatch(value):
        reader.complain(node, f"{value[:80]!r} is no name of a host.", "Write it as mail.example.org.")
    return value


def _secret(reader: Reader, node: Node, root: Path, environment: Mapping[str, str]) -> str:
    """Return the secret that {env: NAME} or {file: PATH} points to; its own text is never shown."""
    hint = "Write {env: NAME} or {file: PATH} instead."
    if not isinstance(node, Map):
        reader.complain(node, "A password never stands in this file.", hint)
        return ""
    fields = reader.fields(node, "A secret", ("env", "file"))
    if len(fields) != 1:
        reader.complain(node, "A secret stands in one place.", "Write {env: NAME} or {file: PATH}.")
        return ""
    ((kind, place),) = fields.items()
    name = reader.text(place, f"`{kind}`")
    if kind == "env":
        if not environment.get(name):
            sentence = f"The secret is missing: the environment has no `{name[:80]}`."
            reader.complain(place, sentence, f"Set {name[:80]} before the start.")
        return environment.get(name, "")
    return _from_file(reader, place, root / Path(name).expanduser())


def _from_file(reader: Reader, place: Node, path: Path) -> str:
    """Return the first line of a file."""
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        reader.complain(place, f"The secret is missing: {path} cannot be read ({why}).", "Write the secret there.")
        return ""
    secret = text.partition("\n")[0].strip()
    if not secret:
        reader.complain(place, f"The secret is missing: the first line of {path} is empty.", "Write the secret there.")
    return secret


def _web(reader: Reader, fields: dict[str, Node]) -> Web:
    bind = fields.get("bind")
    value = reader.text(bind, "`bind`") or "127.0.0.1:8080"
    place = _host_port(value)
    if bind and place is None:
        reader.complain(bind, f"`{value[:80]}` is no address to serve at.", "Write it as 127.0.0.1:8080.")
    elif bind and place and not _is_loopback(place[0]):
        sentence = f"The pages ask for no password, so `{value[:80]}` would open them to others."
        reader.complain(bind, sentence, "Use 127.0.0.1 and put a web server with a login in front.")
    host, port = place or ("127.0.0.1", 8080)
    return Web(host=host, port=port, base_url=_base(reader, fields.get("base_url")))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _base(reader: Reader, node: Node | None) -> str:
    value = reader.text(node, "`base_url`").rstrip("/")
    if node is not None and value and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?", value):
        reader.complain(node, f"`{value[:80]}` is no web address.", "Write it as https://monitor.example.org.")
    return value


def _days(reader: Reader, node: Node | None) -> int:
    value = reader.text(node, "`text_without_hits`")
    if value in {"", "all"} or isinstance(node, List):
        return 0
    return reader.number(node, "`text_without_hits` (`all`, or days)", 0, 1, 36_500)
