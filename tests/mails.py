"""What the tests of mails share: an article, evidence in it, and a message."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.model import Article, Evidence, Message

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def evidence(letters: str, text: str, *, field: str = "body", sentence: str = "", lang: str = "en") -> Evidence:
    """Return evidence for the first place where the letters stand in the text."""
    start = text.index(letters)
    facts = {"start": start, "end": start + len(letters), "sentence": sentence or text, "lang": lang}
    return Evidence(leaf="entity", name="qandil", letters=letters, field=field, **facts)  # type: ignore[arg-type]


def article(title: str = "A title", text: str = "Talks near Qandil went on.", **more: object) -> Article:
    """Return an English article; `more` replaces facts."""
    facts: dict[str, object] = {
        "id": "a" * 20,
        "feed": "agency",
        "url": "https://news.example/1",
        "title": title,
        "text": text,
        "lang": "en",
        "source": "Example Agency",
        "seen": datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
        "revision": "r1",
    }
    return Article(**(facts | more))  # type: ignore[arg-type]


def message(**given: object) -> Message:
    """Return a message; `given` replaces facts."""
    facts: dict[str, object] = {
        "key": "iraq-desk/2026-11-21/07:00",
        "to": "a@desk.example",
        "sender": "Desk Monitor <monitor@example.org>",
        "subject": "[Monitor] Sat 21 Nov: 1 new - PKK bases",
        "text": "1 new story\n\u200fقنديل\n.\n..dots\nFrom here on\n",
        "html": '<!DOCTYPE html><html lang="en"><body><p>قنديل</p></body></html>',
        "message_id": "<digest.iraq-desk.2026-11-21.0700.0123456789@monitor.example.org>",
        "headers": (
            ("List-Id", "Iraq desk digest <iraq-desk.monitor.example.org>"),
            ("Auto-Submitted", "auto-generated"),
            ("Content-Language", "en"),
            ("X-Monitor-Digest", "iraq-desk/2026-11-21/07:00"),
        ),
        "date": NOW,
    }
    return Message(**(facts | given))  # type: ignore[arg-type]
