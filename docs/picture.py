"""Make docs/digest.png: run the demo in a temporary folder and photograph its digest with headless chromium.

Usage: docs/picture.py [TARGET.png]. Needs chromium and fonts for Arabic letters; no network is used.
"""
# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = (760, 1400)
"""Pixels: the mail is 640 wide; its first stories fit into the height."""
PATIENCE = 120
"""Seconds for the demo (about 5) and for the browser (about 3)."""

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class PictureError(Exception):
    """One sentence: what, and what to do next."""


def browser() -> str:
    """The path of an installed chromium. Raises PictureError."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise PictureError("chromium is missing: install it (apt-get install chromium fonts-noto-core) and try again.")
    return found


def digest(folder: Path) -> Path:
    """Run the demo in `folder`; the page of its digest. Raises PictureError."""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "monitor", "demo", "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    pages = [page for page in sorted((folder / "data" / "outbox").glob("*.html")) if ".flash-" not in page.name]
    if run.returncode or not pages:
        said = (run.stderr.strip().splitlines() or ["no digest was written"])[-1]
        raise PictureError(f"the demo failed ({said}): run `monitor demo` and look.")
    return pages[0]


def photograph(chromium: str, page: Path, target: Path, profile: Path) -> None:
    """Write the upper part of a page as PNG. Raises PictureError."""
    size = f"--window-size={SIZE[0]},{SIZE[1]}"
    run = subprocess.run(  # noqa: S603 - the browser found above, on our own page
        [chromium, *QUIET, f"--user-data-dir={profile}", size, f"--screenshot={target}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if run.returncode or not target.exists():
        said = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PictureError(f"{chromium} made no picture ({said}): start it by hand to see why.")


def main() -> None:
    """Make the picture and say where it is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("digest.png")
    try:
        chromium = browser()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            draft = folder / "digest.png"
            photograph(chromium, digest(folder / "demo"), draft, folder / "profile")
            shutil.copyfile(draft, target)
    except (PictureError, OSError, subprocess.TimeoutExpired) as error:
        click.echo(f"picture: {error}", err=True)
        sys.exit(1)
    click.echo(target)


if __name__ == "__main__":
    main()
