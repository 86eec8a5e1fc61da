"""monitor.yaml: defaults, secrets, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor._yaml import Map, parse
from monitor.config import (
    KEYS,
    LOG_KEYS,
    MAIL_KEYS,
    POLL_KEYS,
    RELAY_KEYS,
    RETENTION_KEYS,
    WEB_KEYS,
    Config,
    HostLimit,
    load_config,
    read_config,
)
from monitor.errors import ConfigError, Problem

SHIPPED = Path(__file__).parents[1] / "monitor.yaml"


def read(source: str, root: Path = Path("/w"), **environment: str) -> Config:
    """The config of a source."""
    return read_config("monitor.yaml", source, root=root, environment=environment)


def problems(source: str, root: Path = Path("/w")) -> list[Problem]:
    """What is wrong with a source."""
    with pytest.raises(ConfigError) as caught:
        read(source, root)
    return list(caught.value.problems)


def test_the_shipped_file_is_the_default_with_every_key_shown() -> None:
    """An empty file and the shipped one mean the same, and the shipped one shows every key."""
    text = SHIPPED.read_text()
    root = parse("monitor.yaml", text)
    assert isinstance(root, Map)
    shown = {key.value: value for key, value in root.entries}

    assert read(text) == read("") == read("# nothing\n")
    assert set(shown) == set(KEYS)
    sections = {"poll": POLL_KEYS, "mail": MAIL_KEYS, "web": WEB_KEYS, "retention": RETENTION_KEYS, "log": LOG_KEYS}
    for section, keys in sections.items():
        value = shown[section]
        assert isinstance(value, Map)
        assert {key.value for key, _ in value.entries} == set(keys)
    mail = shown["mail"]
    assert isinstance(mail, Map)
    relay = next(value for key, value in mail.entries if key.value == "relay")
    assert isinstance(relay, Map)
    assert {key.value for key, _ in relay.entries} == set(RELAY_KEYS)


def test_paths_count_from_the_file(tmp_path: Path) -> None:
    """A workspace can be used from anywhere; an absolute path stays."""
    (tmp_path / "monitor.yaml").write_text("store: /srv/m.db\nwatchlists: lists\n")
    config = load_config(tmp_path / "monitor.yaml", {})

    assert (config.store, config.watchlists, config.mail.folder) == (
        Path("/srv/m.db"),
        tmp_path / "lists",
        tmp_path / "data/outbox",
    )


def test_poll_limits_are_read() -> None:
    """Private addresses are named with their port; a host's politeness can be overridden."""
    poll = read(
        "poll:\n  connections: 9\n  deadline: 2.5\n  allow_private: ['127.0.0.1:81', '[::1]:82', 'Intranet:83']\n"
        '  hosts: {"127.0.0.1": {connections: 16, spacing: 0}}\n'
    ).poll

    assert (poll.connections, poll.deadline, poll.tick) == (9, 2.5, 30.0)
    assert poll.allow_private == {("127.0.0.1", 81), ("::1", 82), ("intranet", 83)}
    assert poll.hosts == (HostLimit(host="127.0.0.1", connections=16, spacing=0.0),)


SMTP = "mail:\n  channel: smtp\n  relay:\n    host: mail.example.org\n    password: "


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """A secret is read where the file points to, and never shows in a repr."""
    (tmp_path / "secret").write_text("hush\nmore\n")
    config = read(SMTP + "{env: WORD}", WORD="hush")

    assert config.mail.relay.password == "hush"
    assert "hush" not in repr(config)
    assert read(SMTP + "{file: secret}", tmp_path).mail.relay.password == "hush"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("{env: WORD}", "the environment has no `WORD`"),
        ("{file: nothing}", "cannot be read"),
        ("{file: empty}", "is empty"),
        ("{env: A, file: B}", "one place"),
        ("hush", "never stands in this file"),
    ],
)
def test_a_missing_secret_says_which(tmp_path: Path, secret: str, words: str) -> None:
    """The start fails on the line that names the secret, and a password in the file is refused unseen."""
    (tmp_path / "empty").write_text("\n")
    (problem,) = problems(SMTP + secret, tmp_path)

    assert words in problem.sentence
    assert problem.line == 5
    assert "hush" not in str(problem)


def test_secrets_of_an_unused_relay_are_not_asked_for() -> None:
    """With the file channel nobody has to set the relay's password."""
    assert read(SMTP.replace("smtp", "file") + "{env: WORD}").mail.relay.password == ""


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("stoer: x", (1, 1), "Did you mean `store`?"),
        ("poll: {conections: 3}", (1, 8), "Did you mean `connections`?"),
        ("poll: 3", (1, 7), "must be written as"),
        ("poll: {deadline: soon}", (1, 18), "seconds from 1 to 3600"),
        ("poll: {allow_private: [10.0.0.5]}", (1, 24), "no host and port"),
        ("poll: {hosts: {a: {spacing: -1}}}", (1, 29), "seconds from 0"),
        ("store: postgresql://a/b", (1, 8), "a file on this machine"),
        ("mail: {channel: smpt}", (1, 17), "Did you mean `smtp`?"),
        ("mail: {channel: smtp}", (1, 17), "no relay is named"),
        ("mail: {from: nobody}", (1, 14), "no sender"),
        ('mail: {from: "a\\nBcc: <b@example.org>"}', (1, 15), "no sender"),
        ("mail: {host: a b}", (1, 14), "no name of a host"),
        ("web: {bind: 8080}", (1, 13), "no address to serve at"),
        ("web: {bind: '0.0.0.0:8080'}", (1, 14), "ask for no password"),
        ("web: {base_url: example.org}", (1, 17), "no web address"),
        ("retention: {text_without_hits: some}", (1, 32), "or days"),
        ("log: {format: xml}", (1, 15), "no format of the log"),
        ("log: [a]", (1, 6), "must be written as"),
    ],
)
def test_mistakes_are_told_with_their_place(source: str, place: tuple[int, int], words: str) -> None:
    """Unknown keys and values that cannot be used stop the start, with line, column and a way out."""
    problem = problems(source)[0]

    assert (problem.line, problem.column) == place
    assert words in str(problem)


def test_retention_and_web_are_read() -> None:
    """Days and addresses arrive as such."""
    config = read("retention: {text_without_hits: 90}\nweb: {bind: '[::1]:9000', base_url: 'https://m.example.org/'}")

    assert (config.keep_days, config.web.host, config.web.port) == (90, "::1", 9000)
    assert config.web.base_url == "https://m.example.org"


def test_no_workspace_says_what_to_run(tmp_path: Path) -> None:
    """Without a monitor.yaml the message names `monitor init`."""
    with pytest.raises(ConfigError, match="monitor init"):
        load_config(tmp_path / "monitor.yaml", {})
