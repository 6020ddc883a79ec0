"""A headless Chromium for tests that look at a page as a person would. Fixtures: `open_page`, `screenshots`.

Drives the browser that is installed (CHROMIUM names another one); nothing is downloaded.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[1] / "build"
# Enough for a machine with many other things to do; only a broken page takes as long.
PATIENCE_MS = 180_000
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """The browser to drive: CHROMIUM, or the first of NAMES on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched_browser(driver=None) -> Iterator:
    """A headless browser process, as playwright's Browser; of a running playwright, where one is given."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() if driver is None else nullcontext(driver) as running:
        process = running.chromium.launch(executable_path=chromium_path(), headless=True, args=FLAGS)
        try:
            yield process
        finally:
            process.close()


def open_page_in(browser, url: str, width: int = 1280, height: int = 800, locale: str = "en-US"):
    """A playwright Page in a profile of its own.

    Its attribute `errors` lists uncaught JavaScript errors and console errors so far, as strings.
    """
    page = browser.new_context(viewport={"width": width, "height": height}, locale=locale).new_page()
    page.errors = []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.goto(url, wait_until="domcontentloaded")
    return page


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator:
    """The one playwright of all tests, as a second one in a process does not start."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright (dev extra) is absent")
    if chromium_path() is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the path, and CHROMIUM is not set")
    with sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright_driver) -> Iterator:
    """One browser process for all tests."""
    with launched_browser(playwright_driver) as process:
        yield process


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """`open_page(url, width=1280, height=800)`, see `open_page_in`; the pages are closed after the test."""
    yield partial(open_page_in, browser)
    for context in browser.contexts:
        context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where tests leave images for people: SCREENSHOTS, or `build/screenshots` (ignored by git)."""
    folder = Path(os.environ.get("SCREENSHOTS") or BUILD / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
