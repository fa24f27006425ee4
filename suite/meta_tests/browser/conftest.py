"""A real browser for the pages: Debian's Chromium, driven by Playwright, with no network but this machine's own."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

SWITCHES = (
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser():
    """Return the system's Chromium."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this folder needs it
    except ImportError:
        pytest.fail("needs playwright: run 'nox -s browser'")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("needs the program chromium: 'apt-get install chromium'")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield running
        running.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """Return where pictures are kept: where the variable says, so that a person can look at them."""
    kept = os.environ.get("TIMERNN_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Visit:
    """A page that is open, and what it asked for and complained of."""

    def __init__(self, browser, address: str, width: int, scheme: str) -> None:
        self.width, self.scheme, self.asked, self.complaints = width, scheme, [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.context.route("**/*", self._from_here_alone)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(address)

    @staticmethod
    def _from_here_alone(route) -> None:
        if route.request.url.startswith(("file://", "data:", "blob:", "http://127.0.0.1:")):
            route.continue_()
        else:
            route.abort("internetdisconnected")

    def rows(self, table: str, part: str = "tbody") -> list[list[str]]:
        """Return the texts of a table's cells, by row."""
        rows = self.page.locator(f"{table} {part} tr").all()
        return [[" ".join(text.split()) for text in row.locator("th, td").all_inner_texts()] for row in rows]

    def luminance(self, place: str, style: str) -> float:
        """Return the relative luminance of a colour, by WCAG."""
        script = "(element, style) => getComputedStyle(element)[style]"
        colour = self.page.locator(place).first.evaluate(script, style)
        channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="session")
def open_page(browser):
    """Return what opens an address, at a width and in a scheme of colours."""

    @contextlib.contextmanager
    def opened(address, width=1280, scheme="light"):
        visit = Visit(browser, address, width, scheme)
        try:
            yield visit
        finally:
            visit.context.close()

    return opened
