"""One run: orders are posted while everything breaks; then all is mended, everything settles, and the audit begins."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

# A client that was turned away comes back after this many seconds.
_ASK_AGAIN = 0.3

# An order that cannot be paid now and then: refusals are to be as exact as trades.
_POOR = 0.03


@dataclass(slots=True)
class Report:
    """How a run ended. `stories` tells of the offending orders."""

    name: str
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
        told = [f"{self.name}: {self.figures}"]
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
    begun = time.monotonic()
    struck: Counter[str] = Counter()
    blows = asyncio.create_task(_strike(stack, random.Random(f"{seed} strikes"), profile, struck, say))
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
                placed = await clients.place(client, draw, wallet=wallet)
                if placed.answer is Answer.ACCEPTED:
                    return await clients.ended(placed)
                await asyncio.sleep(_ASK_AGAIN)

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
        await set_faults(stack, list(strike.faults), seed)
        await asyncio.sleep(strike.seconds)
        await mend(stack)


async def set_faults(stack: Stack, faults: list[dict[str, Any]], seed: int | None = None) -> bool:
    """Set the node's faults; whether it heard that. A node that was killed comes back without any."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "localnet_setFaults", "params": [faults, seed]}
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            # The faults in force may hit this call too.
            return "result" in (await client.post(stack.rpc, json=body)).json()
        except (httpx.TransportError, ValueError):
            return False


async def mend(stack: Stack) -> None:
    """Clear the node's faults; whatever is dead is being started again by `up`."""
    while True:
        if await set_faults(stack, []):
            return
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
