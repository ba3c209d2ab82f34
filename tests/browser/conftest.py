"""A real browser in front of a real stack. Where no browser is installed these tests are skipped and say so."""

import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.e2e.stack import Stack

# The machine may be slow: how long a page may take for what it does in an instant.
PATIENCE_MS = 30_000

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def installed_browser() -> str | None:
    """Debian's Chromium, or another one of the machine; Playwright's own is never downloaded."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Visit:
    """A page of the stack, and what its console complained about."""

    page: Page
    stack: Stack
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    async def go(self, view: str) -> None:
        """Open a view by its address."""
        await self.page.goto(f"{self.stack.api}/#/{view}")
        await self.page.locator("h1").wait_for(state="attached")

    def forgive(self, pattern: str) -> None:
        """Let pass what a test provokes, before and after."""
        self.forgiven.append(pattern)

    def unforgiven(self) -> list[str]:
        """The complaints that no test has provoked."""
        return [each for each in self.complaints if not any(re.search(pattern, each) for pattern in self.forgiven)]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless browser for all tests."""
    executable = installed_browser()
    if executable is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        await running.close()


@pytest.fixture(scope="session")
def web_stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stack]:
    """A running stack; none is started without a browser."""
    running = Stack.start(tmp_path_factory.mktemp("browser") / "data")
    try:
        yield running
    finally:
        running.stop()


@contextlib.asynccontextmanager
async def visiting(browser: Browser, stack: Stack, **options: object) -> AsyncIterator[Visit]:
    """A page in a window of its own; fails when its console has complained."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    visit = Visit(page, stack)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(f"{message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
    try:
        yield visit
    finally:
        await context.close()
    assert visit.unforgiven() == []


@pytest.fixture
async def visit(browser: Browser, web_stack: Stack) -> AsyncIterator[Visit]:
    """A page on a desk."""
    async with visiting(browser, web_stack) as visit:
        yield visit


def axe_source() -> str:
    """The accessibility checker that runs inside the page."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
