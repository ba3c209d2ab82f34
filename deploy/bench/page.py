"""`order-engine bench page`: does the page stay smooth, and its memory bounded, over a busy table of orders?

Runs in a headless Chromium, without a graphics card: pictures are drawn by the processor, as on a weak machine.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic

import uvicorn
from playwright.async_api import CDPSession, Page, async_playwright

from deploy.bench.page_feed import Feed

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

# The time is told in so many parts, of which the first ones warm up.
_STRETCHES = 12

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
class Stretch:
    """One stretch of the time: frame lengths in milliseconds; at its end the seconds since the begin and the heap."""

    ends_at: float
    frames: list[float]
    heap: int


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What was seen: orders in the table, events taken, the stretches, elements at the end."""

    orders: int
    events: int
    stretches: list[Stretch]
    elements: int


async def run(count: int, rate: int, seconds: int, told: Callable[[Stretch], None]) -> Smoothness:
    """Show `count` orders while `rate` events a second come in, for so long; `told` hears of each stretch.

    Raises NoBrowser.
    """
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
        before, begun = feed.sent, monotonic()
        stretches: list[Stretch] = []
        for number in range(1, _STRETCHES + 1):
            await asyncio.sleep(max(0.0, begun + seconds * number / _STRETCHES - monotonic()))
            # Read before the collection, which stops the page; taken out, so that they do not weigh on the heap.
            frames = await page.evaluate("frames_.splice(0)")
            heap = await _heap(tools)
            await page.evaluate("frames_.length = 0")
            stretches.append(Stretch(monotonic() - begun, frames, heap))
            told(stretches[-1])
        elements = await page.evaluate("document.querySelectorAll('*').length")
        await browser.close()
    return Smoothness(shown, feed.sent - before, stretches, elements)


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


def progress(stretch: Stretch) -> str:
    """A stretch in words."""
    return (
        f"{stretch.ends_at:7.0f} s  heap {_mib(stretch.heap)}  {len(stretch.frames)} frames,"
        f" p99 {_part(stretch.frames, 0.99):.1f} ms, longest {max(stretch.frames, default=0.0):.1f} ms"
    )


def report(seen: Smoothness, seconds: int) -> list[str]:
    """The figures in words."""
    frames = [length for stretch in seen.stretches for length in stretch.frames]
    # Code is compiled and lists fill up at first: memory is compared from the first quarter on.
    settled = [stretch.heap for stretch in seen.stretches[_STRETCHES // 4 - 1 :]]
    long = sum(length > 100 for length in frames)
    return [
        f"{seen.orders} orders in the table, {seen.events} events in {seconds} s, scrolled all the time",
        f"frames: p50 {_part(frames, 0.5):.1f} ms, p99 {_part(frames, 0.99):.1f} ms, longest {max(frames):.1f} ms;"
        f" {long} of {len(frames)} over 100 ms",
        f"heap after collection: {_mib(settled[0])} after a quarter, {_mib(settled[-1])} at the end,"
        f" {_mib(max(settled))} at most between; {seen.elements} elements",
    ]


def _part(frames: list[float], share: float) -> float:
    lengths = sorted(frames) or [0.0]
    return lengths[min(len(lengths) - 1, int(share * len(lengths)))]


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
