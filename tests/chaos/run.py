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

from tests.chaos import facts, processes, story
from tests.chaos.audit import Figures, Finding, audit, by_status
from tests.chaos.schedule import Action, Profile, Strike, crash_points, strikes
from tests.chaos.traffic import Answer, Clients
from tests.e2e.stack import Stack
from workflows.domain.lifecycle import TERMINAL

# From the last blow to the last terminal event: a frozen or dead server's restart with its back-off (10 s at most),
# and a blockhash's life for whatever was sent last. Far more than it takes; beyond it an order counts as stuck.
SETTLE_SECONDS = 120.0

# An order that cannot be paid now and then: refusals are to be as exact as trades.
_POOR = 0.03


@dataclass(slots=True)
class Report:
    """How a run ended. `stories` tells of the offending orders."""

    seed: int
    figures: Figures
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
        """Whether every promise was kept."""
        return not self.findings and not self.surprises and self.figures.orders == self.figures.terminal

    def __str__(self) -> str:
        told = [f"seed={self.seed} {self.figures}"]
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
    """A stack with two workers and the seed's crash points."""
    crash_dir = _crash_dir(data_dir)
    crash_dir.mkdir(parents=True)
    environment = {
        "ORDER_ENGINE_CRASH_POINTS": crash_points(random.Random(f"{seed} crash points"), profile),
        "ORDER_ENGINE_CRASH_SEED": str(seed),
        "ORDER_ENGINE_CRASH_DIR": str(crash_dir),
    }
    return Stack.start(data_dir, "--workers", "2", environment=environment)


async def run(
    stack: Stack, clients: Clients, seed: int, profile: Profile, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Post the profile's orders under the seed's blows, and audit the whole stack afterwards."""
    begun, first = time.monotonic(), len(clients.placed)
    struck: Counter[str] = Counter()
    blows = asyncio.create_task(_strike(stack, random.Random(f"{seed} strikes"), profile, struck, say))
    try:
        await _post(clients, random.Random(f"{seed} orders"), profile)
    finally:
        blows.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await blows
    await mend(stack)
    say(f"mended after {time.monotonic() - begun:.0f} s; settling")
    await settled(stack, clients)
    found = await facts.gather(stack)
    figures, findings = audit(found, clients.placed.values())
    report = Report(
        seed=seed,
        figures=figures,
        findings=findings,
        surprises=list(clients.surprises),
        statuses=by_status(found),
        answers=clients.answers(since=first),
        strikes=struck,
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
            placed = await clients.place(client, draw, wallet=wallet)
            # A client that was turned away comes back later; one that was served, when its order has ended.
            await (asyncio.sleep(0.3) if placed.answer is not Answer.ACCEPTED else clients.ended(placed))

    async with clients.http() as client:
        wallets = ["poor" if draw.random() < _POOR else "default" for _ in range(profile.orders)]
        await asyncio.gather(*(one(client, wallet) for wallet in wallets))


async def _strike(
    stack: Stack, draw: random.Random, profile: Profile, struck: Counter[str], say: Callable[[str], None]
) -> None:
    async with asyncio.TaskGroup() as group:
        for number, strike in enumerate(strikes(draw, profile)):
            await asyncio.sleep(strike.after)
            say(str(strike))
            struck[str(strike.action)] += 1
            group.create_task(_one(stack, strike, draw.randrange(2**32) + number))


async def _one(stack: Stack, strike: Strike, seed: int) -> None:
    if strike.action is Action.KILL:
        for target in strike.targets:
            processes.kill(stack, target)
    elif strike.action is Action.FREEZE:
        await processes.freeze(stack, strike.targets[0], strike.seconds)
    else:
        await faults(stack, list(strike.faults), seed)
        await asyncio.sleep(strike.seconds)
        await faults(stack, [])


async def faults(stack: Stack, wanted: list[dict[str, object]], seed: int | None = None) -> bool:
    """Set the node's faults; whether it was there to hear it. A node that was killed comes back without any."""
    try:
        await asyncio.wait_for(stack.ask_chain("localnet_setFaults", wanted, seed), 5)
    except (httpx.TransportError, TimeoutError, ValueError):
        return False
    return True


async def mend(stack: Stack) -> None:
    """Clear the node's faults; whatever is dead is being started again by `up`."""
    while not await faults(stack, []):
        await asyncio.sleep(0.1)


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
