"""One run: orders are posted while everything breaks; then all is mended, everything settles, and the audit begins."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from activities.settings import LandedAt
from tests.chaos import facts, processes, story
from tests.chaos.audit import Figures, Finding, audit, by_status
from tests.chaos.nodes import FALLBACKS, mend, set_faults
from tests.chaos.product_audit import product_audit
from tests.chaos.schedule import Action, Profile, Strike, crash_points, strikes
from tests.chaos.traffic import Answer, Clients
from tests.chaos.weather import landed_at
from tests.chaos.wishes import market, mixed
from tests.e2e.stack import Stack
from workflows.domain.lifecycle import TERMINAL

# From the last blow to the last terminal event: a frozen or dead server's restart with its back-off (10 s at most),
# and a blockhash's life for whatever was sent last. Far more than it takes; beyond it an order counts as stuck.
SETTLE_SECONDS = 120.0

# A client that was turned away comes back after this many seconds.
_ASK_AGAIN = 0.3

# An order that cannot be paid now and then: refusals are to be as exact as trades.
_POOR = 0.03
_RICH = "default"


@dataclass(slots=True)
class Report:
    """How a run ended. `stories` tells of the offending orders."""

    name: str
    figures: Figures
    # What `order-engine audit` prints of the same stack.
    product: str
    findings: list[Finding]
    surprises: list[str]
    statuses: Counter[str]
    answers: Counter[Answer]
    strikes: Counter[str]
    crashes: int
    seconds: float
    stories: str = ""

    @property
    def passed(self) -> bool:
        """Whether every promise was kept, by the count of the test and by the product's own."""
        sound = not self.findings and not self.surprises and self.figures.orders == self.figures.terminal
        return sound and self.product == str(self.figures)

    def __str__(self) -> str:
        told = [f"{self.name}: {self.figures}"]
        if self.product != str(self.figures):
            told.append(f"  order-engine audit: {self.product}")
        told.append(
            f"  {self.seconds:.0f} s; "
            + " ".join(f"{name}={count}" for name, count in sorted(self.statuses.items()))
            + "; answers "
            + " ".join(f"{name}={count}" for name, count in sorted(self.answers.items()))
        )
        told.append(
            f"  crash points={self.crashes} "
            + " ".join(f"{name}={count}" for name, count in sorted(self.strikes.items()))
        )
        told += [f"  {finding.order_id or '-'}: {finding.what}" for finding in self.findings]
        told += [f"  {surprise}" for surprise in self.surprises]
        return "\n".join(told)


def start(data_dir: Path, seed: int, profile: Profile) -> Stack:
    """A stack with two workers that know three nodes, and the seed's crash points."""
    crash_dir = _crash_dir(data_dir)
    crash_dir.mkdir(parents=True)
    environment = {
        "ORDER_ENGINE_CRASH_POINTS": crash_points(random.Random(f"{seed} crash points"), profile),
        "ORDER_ENGINE_CRASH_SEED": str(seed),
        "ORDER_ENGINE_CRASH_DIR": str(crash_dir),
        "ORDER_ENGINE_LANDED_AT": landed_at(seed),
    }
    return Stack.start(data_dir, "--workers", "2", environment=environment, fallbacks=FALLBACKS)


async def run(
    stack: Stack, clients: Clients, seed: int, profile: Profile, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Post the profile's orders under the seed's blows, and audit the whole stack afterwards."""
    begun = time.monotonic()
    struck: Counter[str] = Counter()
    draw, landed = random.Random(f"{seed} strikes"), landed_at(seed)
    blows = asyncio.create_task(_strike(stack, draw, profile, landed, struck, say))
    try:
        await _post(clients, random.Random(f"{seed} orders"), profile)
    finally:
        blows.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await blows
    say(f"mending after {time.monotonic() - begun:.0f} s")
    return await concluded(stack, clients, f"seed {seed}", begun, struck)


async def concluded(
    stack: Stack, clients: Clients, name: str, begun: float, struck: Counter[str] | None = None
) -> Report:
    """Mend what is broken, wait until all is quiet, and audit the whole stack."""
    await mend(stack)
    await settled(stack, clients)
    found = await facts.gather(stack)
    figures, findings = audit(found, clients.placed.values())
    report = Report(
        name=name,
        figures=figures,
        product=await product_audit(stack),
        findings=findings,
        surprises=list(clients.surprises),
        statuses=by_status(found),
        answers=clients.answers(),
        strikes=struck or Counter(),
        crashes=len(list(_crash_dir(stack.data_dir).glob("*"))),
        seconds=time.monotonic() - begun,
    )
    if not report.passed:
        offending = list(dict.fromkeys(finding.order_id for finding in findings if finding.order_id))[:3]
        told = [await story.of_order(stack, order_id) for order_id in offending]
        report.stories = "\n".join([*told, await story.of_open_orders(stack), story.of_stack(stack)])
    return report


async def _post(clients: Clients, draw: random.Random, profile: Profile) -> None:
    gate = asyncio.Semaphore(profile.at_a_time)

    async def one(client: httpx.AsyncClient, wallet: str) -> None:
        async with gate:
            # A client that was turned away, or not told, asks again: as many orders are accepted as are wanted.
            while True:
                wish = mixed(draw) if wallet == _RICH else market(draw)
                placed = await clients.place(client, draw, wish, wallet)
                if placed.answer is Answer.ACCEPTED:
                    return await clients.ended(placed)
                await asyncio.sleep(_ASK_AGAIN)

    async with clients.http() as client:
        wallets = ["poor" if draw.random() < _POOR else _RICH for _ in range(profile.orders)]
        await asyncio.gather(*(one(client, wallet) for wallet in wallets))
        await clients.thought()


async def _strike(
    stack: Stack,
    draw: random.Random,
    profile: Profile,
    landed: LandedAt,
    struck: Counter[str],
    say: Callable[[str], None],
) -> None:
    # One weather after the other: two at once could make liars of two nodes.
    sky = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for number, strike in enumerate(strikes(draw, profile, landed)):
            await asyncio.sleep(strike.after)
            say(str(strike))
            struck[str(strike.action)] += 1
            group.create_task(_one(stack, strike, draw.randrange(2**32) + number, sky))


async def _one(stack: Stack, strike: Strike, seed: int, sky: asyncio.Lock) -> None:
    if strike.action is Action.KILL:
        for target in strike.targets:
            processes.kill(stack, target)
    elif strike.action is Action.FREEZE:
        await processes.freeze(stack, strike.targets[0], strike.seconds)
    elif strike.weather is not None:
        async with sky:
            await set_faults(stack, strike.weather.faults, seed)
            await asyncio.sleep(strike.seconds)
            await mend(stack)


async def settled(stack: Stack, clients: Clients, seconds: float = SETTLE_SECONDS) -> bool:
    """Wait until every order has ended, in its streams, in the database and in Temporal; whether it did in time."""
    deadline = time.monotonic() + seconds
    followed = await clients.followed(seconds)
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(10):
                if await _quiet(stack, clients):
                    return followed
        except Exception:
            # A server that is still coming up; what it stays away from is found by the audit.
            pass
        await asyncio.sleep(0.2)
    return False


async def _quiet(stack: Stack, clients: Clients) -> bool:
    ended = {
        str(row["id"]): row["status"] in TERMINAL for row in await facts.rows(stack, "SELECT id, status FROM orders")
    }
    accepted = {each.order_id for each in clients.placed.values() if each.answer is Answer.ACCEPTED}
    if not all(ended.values()) or not accepted <= ended.keys():
        return False
    # Temporal's lists are a moment behind.
    workflows = await facts.workflows(stack)
    return workflows.keys() == ended.keys() and "RUNNING" not in workflows.values()


def _crash_dir(data_dir: Path) -> Path:
    return data_dir.with_name(f"{data_dir.name}.crashes")
