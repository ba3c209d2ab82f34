"""What people do with the page, from beginning to end, on the whole stack."""

import os
import re
import signal

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import PATIENCE_MS, Visit, visiting
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(180)

expect.set_options(timeout=PATIENCE_MS)


async def fill_ticket(visit: Visit, amount: str, wallet: str = "default") -> None:
    await visit.go("trade")
    await visit.page.get_by_label("You sell").fill(amount)
    if wallet != "default":
        await visit.page.get_by_text("More", exact=True).click()
        await visit.page.get_by_label("Wallet").fill(wallet)


async def test_a_newcomer_places_an_order_and_reads_who_won_and_why(visit: Visit) -> None:
    await fill_ticket(visit, "0.3")
    page = visit.page
    verdict = page.locator(".verdict")
    await expect(verdict).to_contain_text("for 0.3 SOL")
    await expect(verdict.locator("h2")).to_contain_text(re.compile(r"(Raydium|Meteora).* would win"))
    await expect(page.locator(".side-venue")).to_have_count(2)
    quoted = await page.locator("#counterpart").inner_text()
    await page.get_by_role("button", name="Place order").click()
    card = page.get_by_role("article", name="Order: Sell 0.3 SOL for USDC").first
    await expect(card.locator(".badge")).to_have_text("Confirmed")
    await expect(card.locator(".story")).to_contain_text(
        re.compile(r"(Raydium|Meteora).* won: sold 0\.3 SOL for [\d.]+ USDC")
    )
    assert quoted.split(".")[0] in await card.locator(".story").inner_text()
    await card.get_by_role("link", name="Every step and quote").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Sell 0.3 SOL for USDC Confirmed")
    await expect(page.locator(".timeline li")).to_have_count(5)
    await expect(page.locator(".decision tr.won")).to_be_visible()
    picture = page.locator(".decision figure.moment")
    await expect(picture.locator("svg.chart")).to_be_visible()
    await expect(picture.locator(".readout")).to_contain_text(re.compile(r"0\.3 SOL: .* paid most"))
    await picture.get_by_role("slider", name="Size").press("End")
    await expect(picture.locator(".readout")).to_contain_text(re.compile(r"2\.4 SOL: .* would have paid most"))
    link = await page.get_by_role("link", name="Workflow in Temporal").get_attribute("href")
    assert link is not None
    assert f"order-{page.url.rsplit('/', 1)[1]}" in link


async def test_an_order_of_someone_else_at_the_desk_appears_in_the_table_by_itself(visit: Visit) -> None:
    await visit.go("orders")
    await expect(visit.page.locator("#connection")).to_have_text("Live")
    async with visit.stack.client() as client:
        body = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "31.07"}
        order_id = (await client.post("/api/orders", json=body)).json()["orderId"]
    row = visit.page.get_by_role("row").filter(has_text="Sell 31.07 USDC")
    await expect(row.locator(".badge")).to_have_text("Confirmed")
    # The filter narrows the table, and a row opens its order.
    await visit.page.get_by_role("searchbox").fill(order_id)
    await expect(visit.page.get_by_role("status").filter(has_text="1 order")).to_be_visible()
    await row.click()
    await expect(visit.page).to_have_url(re.compile(order_id))


async def test_five_at_once_are_five_orders_each_with_its_progress(visit: Visit) -> None:
    await fill_ticket(visit, "0.05")
    await expect(visit.page.locator(".verdict")).to_contain_text("for 0.05 SOL")
    await visit.page.get_by_role("button", name="Place 5").click()
    cards = visit.page.get_by_role("article", name="Order: Sell 0.05 SOL")
    await expect(cards).to_have_count(5)
    await expect(cards.locator(".badge").filter(has_text="Confirmed")).to_have_count(5)


async def test_a_double_click_is_one_order(visit: Visit) -> None:
    await fill_ticket(visit, "0.017")
    await expect(visit.page.locator(".verdict")).to_contain_text("for 0.017 SOL")
    await visit.page.get_by_role("button", name="Place order").dblclick()
    cards = visit.page.get_by_role("article", name="Order: Sell 0.017 SOL")
    await expect(cards.first.locator(".badge")).to_have_text("Confirmed")
    async with visit.stack.client() as client:
        orders = (await client.get("/api/orders?limit=200")).json()["orders"]
    assert [order["amount"] for order in orders].count("0.017") == 1


async def test_a_waiting_order_is_canceled(visit: Visit) -> None:
    await fill_ticket(visit, "0.6")
    page = visit.page
    await page.get_by_text("Limit", exact=True).click()
    await page.get_by_label("Limit price").fill("9000")
    await expect(page.locator("#type-hint")).to_contain_text("pays 9000 USDC per SOL or more")
    await page.get_by_role("button", name="Place order").click()
    card = page.get_by_role("article", name="Order: Sell 0.6 SOL").first
    await expect(card.locator(".badge")).to_have_text("Waiting")
    await page.get_by_role("navigation").get_by_role("link", name="Orders").click()
    row = page.get_by_role("row").filter(has_text="Sell 0.6 SOL").first
    await expect(row).to_contain_text("Limit 9,000 USDC/SOL")
    await row.get_by_role("button", name="Cancel: Sell 0.6 SOL for USDC").click()
    await expect(row.locator(".badge")).to_have_text("Canceled")
    await expect(row.get_by_role("button")).to_have_count(0)


async def test_a_waiting_order_is_changed_from_its_page_and_all_are_canceled(visit: Visit) -> None:
    page = visit.page
    body = {"tokenIn": "SOL", "tokenOut": "USDC", "type": "limit", "limitPrice": "8000"}
    async with visit.stack.client() as client:
        orders = [(await client.post("/api/orders", json=body | {"amount": each})).json() for each in ("0.71", "0.72")]
    await visit.go(f"orders/{orders[0]['orderId']}")
    await expect(page.locator("h1 .badge")).to_have_text("Waiting")
    await page.get_by_text("Change the order").first.click()
    await page.get_by_label("Limit price").fill("8100.5")
    await page.get_by_role("button", name="Change the order").click()
    await expect(page.locator(".timeline li").last).to_contain_text("limit price 8100.5")
    await expect(page.locator(".facts")).to_contain_text("Limit 8,100.5 USDC/SOL")
    await visit.go("orders")
    await page.get_by_role("searchbox").fill("limit")
    await page.get_by_role("button", name=re.compile(r"Cancel these \d+ in flight")).click()
    await page.get_by_role("dialog").get_by_role("button", name="Keep them").click()
    await page.get_by_role("searchbox").fill("")
    await page.get_by_role("button", name="Cancel all in flight").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel all in flight").click()
    await expect(page.get_by_text(re.compile(r"\d+ canceled\."))).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel all in flight")).to_be_hidden()
    for each in ("0.71", "0.72"):
        row = page.get_by_role("row").filter(has_text=f"Sell {each} SOL")
        await expect(row.locator(".badge")).to_have_text("Canceled")


async def test_buying_exactly_names_the_most_to_pay(visit: Visit) -> None:
    await fill_ticket(visit, "0.4")
    page = visit.page
    await expect(page.locator(".verdict")).to_contain_text("for 0.4 SOL")
    await page.get_by_text("Buy exactly").click()
    await page.get_by_label("You buy").fill("41.5")
    await expect(page.locator(".verdict")).to_contain_text("for 41.5 USDC")
    await expect(page.locator(".guard")).to_contain_text(re.compile(r"You pay at most 0\.2\d+ SOL"))
    await page.get_by_role("button", name="Place order").click()
    card = page.get_by_role("article", name="Order: Buy 41.5 USDC with SOL").first
    await expect(card.locator(".badge")).to_have_text("Confirmed")
    await expect(card.locator(".story")).to_contain_text("for 41.5 USDC")


async def test_each_type_offers_its_prices_and_its_times(visit: Visit) -> None:
    await fill_ticket(visit, "0.4")
    page = visit.page
    await page.get_by_text("Stop limit", exact=True).click()
    await page.get_by_label("Trigger price").fill("20")
    await page.get_by_label("Limit price").fill("18")
    times = page.get_by_label("Good", exact=True)
    assert await times.locator("option").all_inner_texts() == ["Until it is canceled", "Until…", "Today (UTC)"]
    await times.select_option("gtd")
    await page.get_by_label("Until, in your time").fill("2030-01-31T12:00")
    await page.get_by_role("button", name="Place order").click()
    card = page.get_by_role("article", name="Order: Sell 0.4 SOL for USDC").first
    await expect(card.locator(".badge")).to_have_text("Waiting")
    await card.get_by_role("button", name="Cancel").click()
    await expect(card.locator(".badge")).to_have_text("Canceled")


async def test_an_order_that_cannot_be_paid_says_so_in_words(visit: Visit) -> None:
    await fill_ticket(visit, "0.4", wallet="poor")
    await visit.page.get_by_role("button", name="Place order").click()
    card = visit.page.get_by_role("article", name="Order: Sell 0.4 SOL").first
    await expect(card.locator(".badge")).to_have_text(re.compile("Failed|Rejected"))
    await expect(card.locator(".story")).to_contain_text("Nothing was traded (insufficient funds)")


async def test_a_refused_order_shows_the_problem_and_the_advice(visit: Visit) -> None:
    await fill_ticket(visit, "0.4", wallet="not a name")
    await visit.page.get_by_role("button", name="Place order").click()
    problem = visit.page.locator(".ticket div.problem")
    await expect(problem).to_contain_text("not acceptable: wallet")
    await expect(problem).to_contain_text("Correct the fields")
    visit.forgive("422")


async def test_a_page_reconnects_after_the_api_was_killed_and_has_missed_nothing(visit: Visit) -> None:
    await visit.go("orders")
    indicator = visit.page.locator("#connection")
    await expect(indicator).to_have_text("Live")
    os.kill(visit.stack.pid("api"), signal.SIGKILL)
    await expect(indicator).to_have_text("Reconnecting")
    async with visit.stack.client() as client:
        while True:
            try:
                answer = await client.post(
                    "/api/orders", json={"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.0123"}
                )
                break
            except OSError:
                continue
            except Exception as error:
                if "connect" not in type(error).__name__.lower():
                    raise
    assert answer.status_code == 202
    await expect(indicator).to_have_text("Live")
    row = visit.page.get_by_role("row").filter(has_text="Sell 0.0123 SOL")
    await expect(row.locator(".badge")).to_have_text("Confirmed")
    await expect(visit.page.locator("#stale")).to_be_hidden()
    visit.forgive("ERR_CONNECTION_REFUSED|WebSocket connection")


async def test_the_pools_of_a_pair_are_compared_over_all_sizes(visit: Visit) -> None:
    await visit.go("venues")
    page = visit.page
    await expect(page.locator(".depth .why")).to_contain_text("pays most for small orders")
    await expect(page.get_by_role("region", name="Pools of the pair").get_by_role("row")).to_have_count(9)
    first = await page.locator(".ranking li").first.inner_text()
    size = page.get_by_role("slider", name="Size")
    await size.press("End")
    await expect(page.locator(".depth h3")).to_have_text("For 10,000 SOL")
    assert await page.locator(".ranking li").first.inner_text() != first
    await page.get_by_label("Token to sell").select_option("BONK")
    await expect(page.get_by_role("region", name="Pools of the pair").get_by_role("row")).to_have_count(3)


async def test_operations_tell_what_was_done_and_halt_and_resume(visit: Visit) -> None:
    async with visit.stack.client() as client:
        await client.post("/api/orders", json={"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.2"})
    await visit.go("operations")
    page = visit.page
    await expect(page.get_by_text("All accounts")).to_be_visible()
    await expect(page.get_by_role("rowheader", name="Whole order, confirmed")).to_be_visible()
    await expect(page.get_by_role("region", name="RPC endpoints").get_by_role("row").last).to_contain_text("in use")
    await expect(page.get_by_role("article", name=re.compile("Worker .*@"))).to_have_count(1)
    await page.get_by_text("Halt all trading").click()
    await page.get_by_role("textbox", name="Reason").fill("looking into prices")
    await page.get_by_role("button", name="Halt now").click()
    await expect(page.get_by_text("Trading is halted.")).to_be_visible()
    await expect(page.locator(".halt")).to_contain_text("looking into prices")
    await page.get_by_role("button", name="Resume trading").click()
    await expect(page.get_by_text("Halt all trading")).to_be_visible()


async def test_a_chosen_theme_stays(browser: Browser, web_stack: Stack) -> None:
    async with visiting(browser, web_stack, color_scheme="light") as visit:
        await visit.go("trade")
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await visit.page.evaluate(ground)
        button = visit.page.get_by_role("button", name="Theme")
        await button.click()
        await button.click()
        await expect(button).to_have_attribute("aria-label", "Theme: dark")
        await visit.page.reload()
        await visit.page.locator("h1").wait_for(state="attached")
        assert await visit.page.evaluate(ground) != light
