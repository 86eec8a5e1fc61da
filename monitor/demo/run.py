"""The whole job on the sample feeds: polled twice over real HTTP on loopback, matched, stored, searched, mailed.

The demo ends by reading its own mail and says what does not hold; nothing here is known to any other module.
"""

from __future__ import annotations

import email
import email.policy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from monitor.app import App, lay_out, now
from monitor.demo.farm import SampleFarm
from monitor.errors import UsageError
from monitor.model import RIGHT_TO_LEFT
from monitor.service.look import Result
from monitor.service.poll import Report

MARKER = ".monitor-demo"
SEARCHES = (
    "@hosts-us-forces NEAR/25 (#attack OR #projectile)",
    '("Ain al-Asad" OR @pkk) lang:ar,ckb,fa,ku',
    "title:(@qaani OR @sinjar-agreement) since:7d",
)

_SETTINGS = """\
# The demo's own settings: its feeds are served on this machine, so this one address inside is allowed.
poll:
  allow_private: ["127.0.0.1:{port}"]
  hosts: {{"127.0.0.1": {{connections: 16, spacing: 0}}}}
mail:
  from: Desk Monitor <monitor@example.org>
  host: monitor.example.org
"""

_DESKS = """\
desks:
  - id: demo
    title: Demo desk
    to: [desk@example.org]
    zone: UTC
    at: ["00:00"]
    flash: {to: [duty@example.org], level: flash}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the demo hands to its reader, piece by piece."""

    poll: Callable[[str, Report], None]
    search: Callable[[str, list[Result]], None]
    mails: Callable[[list[Path]], None]


def run_demo(folder: Path, shown: Shown) -> list[str]:
    """Run the whole job in `folder`; the sentences of what its own digest fails to show, none when all is well."""
    _prepare(folder)
    with SampleFarm(now=now()) as farm:
        _configure(folder, farm)
        with App.at(folder / "monitor.yaml") as app:
            shown.poll("First poll", app.polling.poll(every=True))
            farm.step()
            shown.poll("Second poll", app.polling.poll(every=True))
            for query in SEARCHES:
                shown.search(query, app.search.find(query, limit=4))
            app.post.tick()
            mails = sorted(app.config.mail.folder.glob("*.eml"))
        shown.mails(mails)
        return list(_missing(mails, farm))


def _prepare(folder: Path) -> None:
    """An empty workspace; only a folder that an earlier demo made is cleared."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise UsageError(f"{folder} holds other files: name an empty folder with --out.")
        shutil.rmtree(folder)
    lay_out(folder)
    (folder / MARKER).touch()


def _configure(folder: Path, farm: SampleFarm) -> None:
    rows = [json.dumps(feed, ensure_ascii=False) for feed in farm.feeds()]  # JSON is YAML
    (folder / "watchlists" / "feeds.yaml").write_text("feeds:\n" + "".join(f"  - {r}\n" for r in rows), "utf-8")
    (folder / "watchlists" / "desks.yaml").write_text(_DESKS, "utf-8")
    (folder / "monitor.yaml").write_text(_SETTINGS.format(port=farm.port), "utf-8")


def _missing(mails: list[Path], farm: SampleFarm) -> Iterator[str]:
    """What the demo promises and its own mails do not show."""
    expected = farm.expect()
    digests = [m for m in mails if ".flash-" not in m.name]
    if len(digests) != 1:
        yield f"One digest was to be written, there are {len(digests)}."
        return
    text, page = _parts(digests[0])
    for lang in expected["languages"]:
        tag = {"ku": "kmr"}.get(lang, lang)
        if f'lang="{tag}"' not in page:
            yield f"The digest shows nothing in the language {lang}{' (right to left)' * (lang in RIGHT_TO_LEFT)}."
    squeezed = " ".join(text.split())
    for story in expected["three_feed_story"]:
        if (count := squeezed.count(story)) != 1:
            yield f'The story "{story}", told by three feeds, stands {count} times in the digest, not once.'
    old, new = expected["edited"]["old"], expected["edited"]["new"]
    if squeezed.count(new) != 1 or old in squeezed:
        yield f'The edited item "{new}" does not stand exactly once, in its new form, in the digest.'
    if expected["dead_feed"] not in squeezed:
        yield f"The digest does not name the dead feed {expected['dead_feed']}."
    flashes = [" ".join(_parts(m)[0].split()) for m in mails if ".flash-" in m.name]
    if not any(expected["flash"] in flash for flash in flashes):
        yield f'No flash mail tells "{expected["flash"]}".'


def _parts(path: Path) -> tuple[str, str]:
    """Text and HTML part of a mail."""
    message = email.message_from_bytes(path.read_bytes(), EmailMessage, policy=email.policy.default)
    parts = {p.get_content_type(): p.get_content() for p in message.walk() if not p.is_multipart()}
    return parts["text/plain"], parts["text/html"]
