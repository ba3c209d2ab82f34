"""An API that asks for a key: the page asks in turn, keeps it for the tab, and shows what it may do."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import visiting
from tests.e2e.stack import COMMAND, Stack

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def locked_stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stack]:
    """A stack whose API wants keys."""
    data_dir = tmp_path_factory.mktemp("locked") / "data"
    running = Stack.start(data_dir, environment={"ORDER_ENGINE_API_AUTH": "keys"})
    try:
        yield running
    finally:
        running.stop()


def new_key(stack: Stack, scopes: str) -> str:
    command = [*COMMAND, "keys", "create", "desk", "--scopes", scopes, "--json"]
    environment = {**os.environ, "ORDER_ENGINE_DATA_DIR": str(stack.data_dir)}
    made = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    return str(json.loads(made.stdout)["key"])


async def test_a_key_opens_the_page_for_its_tab_only(browser: Browser, locked_stack: Stack) -> None:
    async with visiting(browser, locked_stack) as visit:
        page = visit.page
        await page.goto(locked_stack.api)
        dialog = page.get_by_role("dialog", name="Sign in")
        await dialog.get_by_label("API key").fill("oek_wrong")
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(dialog).to_contain_text("unknown, expired or revoked")
        await dialog.get_by_label("API key").fill(new_key(locked_stack, "read,trade"))
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(page.locator(".verdict h2")).to_contain_text("would win")
        await page.get_by_role("button", name="Place order").click()
        card = page.get_by_role("article").filter(has_text="Sell 1 SOL")
        await expect(card.locator(".badge")).to_have_text("Confirmed")
        # A trader sees the account's own figures, and no switch.
        await page.get_by_role("link", name="Operations").click()
        await expect(page.get_by_text("Account desk")).to_be_visible()
        await expect(page.get_by_text("Halt all trading")).to_be_hidden()
        other = await page.context.new_page()
        await other.goto(locked_stack.api)
        await expect(other.get_by_role("dialog", name="Sign in")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(dialog).to_be_visible()
        visit.forgive("401|403|WebSocket connection")


async def test_a_key_that_may_only_read_cannot_trade_and_says_so(browser: Browser, locked_stack: Stack) -> None:
    async with visiting(browser, locked_stack) as visit:
        page = visit.page
        await page.goto(locked_stack.api)
        dialog = page.get_by_role("dialog", name="Sign in")
        await dialog.get_by_label("API key").fill(new_key(locked_stack, "read"))
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(page.locator(".verdict h2")).to_contain_text("would win")
        await page.get_by_role("button", name="Place order").click()
        await expect(page.locator(".ticket div.problem")).to_contain_text("the key has no scope 'trade'")
        visit.forgive("401|403|WebSocket connection")
