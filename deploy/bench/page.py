"""`order-engine bench page`: does the page stay smooth, and its memory bounded, over a busy table of orders?

Runs in a headless Chromium, without a graphics card: pictures are drawn by the processor, as on a weak machine.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import uvicorn
from playwright.async_api import CDPSession, Page, async_playwright

from deploy.bench.page_feed import Feed

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

# Every frame's length, and a hand that scrolls up and down all the time.
_WATCH = """() => {
    window.frames_ = [];
    let last = performance.now();
    const frame = (now) => {
        frames_.push(now - last);
        last = now;
        const rows = document.querySelector('.rows');
        rows.scrollTop += 40 * Math.sin(now / 3000);
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What was seen: events taken, frames with their lengths in milliseconds, the heap in bytes, elements."""

    orders: int
    events: int
    frames: list[float]
    heap_early: int
    heap_late: int
    elements: int


async def run(count: int, rate: int, seconds: int) -> Smoothness:
    """Show `count` orders while `rate` events a second come in, for so long. Raises NoBrowser."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise NoBrowser("no chromium is installed")
    feed = Feed(count, rate)
    async with _serving(feed) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        await page.goto(f"{address}/#/orders")
        shown = await _scroll_to_all(page, count)
        tools = await page.context.new_cdp_session(page)
        await page.evaluate(_WATCH)
        before = feed.sent
        await asyncio.sleep(seconds / 4)
        early = await _heap(tools)
        await page.evaluate("frames_.length = 0")
        await asyncio.sleep(seconds * 3 / 4)
        frames = await page.evaluate("frames_.slice()")
        late = await _heap(tools)
        elements = await page.evaluate("document.querySelectorAll('*').length")
        await browser.close()
    return Smoothness(shown, feed.sent - before, frames, early, late, elements)


async def _scroll_to_all(page: Page, count: int) -> int:
    """Scroll to the end until the table holds all orders; returns how many it holds."""
    rows = page.locator(".rows")
    await rows.locator(".badge").first.wait_for()
    held = 0
    while held < count:
        await rows.evaluate("rows => { rows.scrollTop = rows.scrollHeight; }")
        held = int(await rows.locator("table").get_attribute("aria-rowcount") or 0) - 1
        await asyncio.sleep(0.05)
    return held


async def _heap(tools: CDPSession) -> int:
    await tools.send("HeapProfiler.collectGarbage")
    return int((await tools.send("Runtime.getHeapUsage"))["usedSize"])


@contextlib.asynccontextmanager
async def _serving(feed: Feed) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(feed.app(), log_config=None, ws="websockets-sansio", lifespan="off"))
        # Who connects early waits at the socket.
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await task


def report(seen: Smoothness, seconds: int) -> list[str]:
    """The figures in words."""
    lengths = sorted(seen.frames)

    def part(share: float) -> str:
        return f"{lengths[min(len(lengths) - 1, int(share * len(lengths)))]:.1f} ms"

    long = sum(length > 100 for length in lengths)
    early, late = (f"{size / 2**20:.1f} MiB" for size in (seen.heap_early, seen.heap_late))
    return [
        f"{seen.orders} orders in the table, {seen.events} events in {seconds} s, scrolled all the time",
        f"frames: p50 {part(0.5)}, p99 {part(0.99)}, longest {lengths[-1]:.1f} ms;"
        f" {long} of {len(lengths)} over 100 ms",
        f"heap after collection: {early} after a quarter, {late} at the end; {seen.elements} elements",
    ]
