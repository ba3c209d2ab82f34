"""Every view for everyone: names, contrast, keyboard, small screens, in both themes."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import Visit, axe_source, visiting
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(180)

VIEWS = ("trade", "orders", "order", "venues", "operations")


async def open_filled(visit: Visit, view: str) -> None:
    """Open a view with something to see."""
    async with visit.stack.client() as client:
        body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.11"}
        order_id = (await client.post("/api/orders", json=body)).json()["orderId"]
    await visit.go(f"orders/{order_id}" if view == "order" else view)
    filled = ".pools li, .rows .badge, .order .badge.landed, .ranking li, .tiles"
    await visit.page.locator(filled).first.wait_for()
    await expect(visit.page.locator("#connection")).to_have_text("Live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_has_names_and_contrast(browser: Browser, web_stack: Stack, view: str, scheme: str) -> None:
    async with visiting(browser, web_stack, color_scheme=scheme) as visit:
        await open_filled(visit, view)
        # By the protocol: a script element would not pass the page's own policy.
        await visit.page.evaluate(axe_source())
        found = await visit.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        broken = [
            f"{rule['id']}: {node['html']} {node.get('failureSummary', '')}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert broken == []
        assert len(found["passes"]) > 15


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_fits_the_width(browser: Browser, web_stack: Stack, view: str, width: int) -> None:
    async with visiting(browser, web_stack, viewport={"width": width, "height": 780}) as visit:
        await open_filled(visit, view)
        wide = await visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        for name in ("Trade", "Orders", "Venues", "Operations"):
            link = visit.page.get_by_role("navigation").get_by_role("link", name=name)
            await expect(link).to_be_in_viewport(ratio=1)


async def test_an_order_is_placed_with_the_keyboard_alone(visit: Visit) -> None:
    await visit.go("trade")
    page = visit.page
    await page.locator(".pools li").first.wait_for()
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="Sell exactly")).to_be_focused()
    await page.keyboard.press("Tab")
    amount = page.get_by_label("You sell")
    await expect(amount).to_be_focused()
    assert await amount.evaluate("field => getComputedStyle(field).outlineStyle") == "solid"
    await page.keyboard.press("Control+A")
    await page.keyboard.type("0.21")
    await page.keyboard.press("Control+Enter")
    card = page.get_by_role("article", name="Order: Sell 0.21 SOL").first
    await expect(card.locator(".badge")).to_have_text("Confirmed")


async def test_shortcuts_lead_to_the_views_and_can_be_turned_off(visit: Visit) -> None:
    await visit.go("trade")
    page = visit.page
    await page.locator(".pools li").first.wait_for()
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await expect(page.get_by_role("heading", level=1, name="Orders")).to_be_focused()
    await expect(page).to_have_title(re.compile("^Orders"))
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = page.get_by_role("dialog", name="Keyboard")
    await dialog.get_by_label("Single keys work").uncheck()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.keyboard.press("g")
    await page.keyboard.press("v")
    await expect(page).to_have_url(re.compile("#/orders$"))


async def test_the_table_is_walked_with_the_arrows(visit: Visit) -> None:
    async with visit.stack.client() as client:
        for amount in ("0.031", "0.032"):
            await client.post("/api/orders", json={"tokenIn": "SOL", "tokenOut": "USDC", "amount": amount})
    await visit.go("orders")
    page = visit.page
    await expect(page.get_by_role("row").filter(has_text="Sell 0.031 SOL")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    focused = page.locator(".rows tr:focus")
    await expect(focused).to_have_attribute("aria-rowindex", "3")
    await page.keyboard.press("ArrowUp")
    await expect(focused).to_have_attribute("aria-rowindex", "2")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("#/orders/[0-9a-f-]{36}$"))
