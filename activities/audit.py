"""Count on the chain: every order of the database against every transaction whose memo names it, in one pass."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from activities.chain_history import ChainHistory
from workflows.domain.ids import is_order_id
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill
from workflows.domain.reconciliation import FAULTS, ChainSwap, Fault, Finding, FindingKind, OrderRecord, compare

# Orders and workflows looked at together.
PAGE = 500

# Requests to the node at a time while amounts are read.
_READERS = 16

# The highest text that an order id can sort before.
_END = "~"


class AuditedOrders(Protocol):
    """What an audit reads of the database; `db.reconciliation.ReconciliationRepository` provides it."""

    async def page(self, after: str | None, limit: int) -> list[OrderRecord]:
        """The orders whose ids follow `after`, in order of their ids."""

    async def some(self, order_ids: Iterable[str]) -> list[OrderRecord]:
        """These orders, as far as they are stored."""

    async def known(self, order_ids: Iterable[str]) -> set[str]:
        """Those of the orders that are stored."""

    async def wallets(self) -> dict[str, str | None]:
        """Every address that has signed a swap."""


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """An order's workflow as Temporal lists it."""

    order_id: str
    started_at: datetime


class AcceptedOrders(Protocol):
    """Temporal's list of orders; `activities.order_workflows.OrderWorkflows` provides it."""

    def accepted(self) -> AsyncIterator[AcceptedOrder]:
        """Every order workflow that Temporal remembers."""


@dataclass(slots=True)
class Audit:
    """The figures of an audit. Each fault counts orders, an order once in each."""

    orders: int = 0
    terminal: int = 0
    landed: int = 0
    workflows: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, fault: Fault) -> int:
        """How many orders have the fault."""
        return len({each.order_id for each in self.findings if FAULTS.get(each.kind) is fault})

    @property
    def clean(self) -> bool:
        """Whether nothing is duplicated, missing or different."""
        return not any(self.count(fault) for fault in Fault)

    def __str__(self) -> str:
        faults = " ".join(f"{fault}={self.count(fault)}" for fault in Fault)
        return f"orders={self.orders} terminal={self.terminal} landed={self.landed} {faults}"


async def audit(
    orders: AuditedOrders,
    chain: ChainHistory,
    workflows: AcceptedOrders | None,
    grace: timedelta,
    further_wallets: Iterable[str] = (),
    amounts: bool = True,
) -> Audit:
    """Compare everything, on a running engine too.

    What runs while the audit reads changes under it, so whatever does not agree is read once more before it is a
    finding. `amounts` asks the node for each landed swap, one by one. Raises ConnectionError when a server is away.
    """
    result = Audit()
    with closing(_Scratch()) as scratch:
        for wallet in dict.fromkeys((*await orders.wallets(), *further_wallets)):
            async for _, swaps in chain.pages(wallet):
                scratch.add(swaps)
        auditor = _Auditor(orders, chain, scratch, grace, amounts, result)
        await auditor.orders()
    if workflows is not None:
        await _unrecorded(orders, workflows, grace, result)
    return result


async def _unrecorded(orders: AuditedOrders, workflows: AcceptedOrders, grace: timedelta, result: Audit) -> None:
    async for batch in _batches(workflows.accepted()):
        result.workflows += len(batch)
        known = await orders.known(each.order_id for each in batch)
        result.findings += [
            unrecorded(each)
            for each in batch
            if each.order_id not in known and datetime.now(UTC) - each.started_at > grace
        ]


def unrecorded(accepted: AcceptedOrder) -> Finding:
    """A workflow whose order is not in the database."""
    detail = f"accepted at {accepted.started_at:%Y-%m-%d %H:%M:%S}, and the database has no such order"
    return Finding(kind=FindingKind.ORDER_UNRECORDED, order_id=accepted.order_id, detail=detail)


async def _batches(accepted: AsyncIterator[AcceptedOrder]) -> AsyncIterator[list[AcceptedOrder]]:
    batch: list[AcceptedOrder] = []
    async for each in accepted:
        batch.append(each)
        if len(batch) == PAGE:
            yield batch
            batch = []
    if batch:
        yield batch


class _Auditor:
    def __init__(
        self,
        orders: AuditedOrders,
        chain: ChainHistory,
        scratch: "_Scratch",
        grace: timedelta,
        amounts: bool,
        result: Audit,
    ) -> None:
        self._orders = orders
        self._chain = chain
        self._scratch = scratch
        self._noted = datetime.now(UTC) - grace
        self._amounts = amounts
        self._result = result
        self._readers = asyncio.Semaphore(_READERS)

    async def orders(self) -> None:
        """Go through both sides in order of the order ids."""
        after: str | None = None
        while True:
            page = await self._orders.page(after, PAGE)
            last = page[-1].order_id if len(page) == PAGE else _END
            by_id = {order.order_id: order for order in page}
            chain = self._scratch.between(after or "", last)
            # A database without orders may still face a chain full of swaps.
            order_ids = sorted(by_id.keys() | chain.keys())
            for start in range(0, len(order_ids), PAGE):
                part = order_ids[start : start + PAGE]
                await asyncio.gather(*(self._look(each, by_id.get(each), chain.get(each, ())) for each in part))
            if last == _END:
                return
            after = last

    async def _look(self, order_id: str, order: OrderRecord | None, swaps: Sequence[ChainSwap]) -> None:
        swaps = await self._genuine(order, swaps)
        findings = await self._compared(order_id, order, swaps)
        if findings:
            # Read again what may only have moved on since; what the chain had before, it still has.
            order = next(iter(await self._orders.some([order_id])), None)
            async with self._readers:
                newest = [] if order is None else (await self._chain.confirmed([order])).get(order_id, [])
            recorded = set() if order is None else {attempt.signature for attempt in order.attempts}
            times = {swap.signature: swap.unix_time for swap in swaps}
            newest = [replace(swap, unix_time=times.get(swap.signature)) for swap in newest]
            swaps = [*newest, *(swap for swap in swaps if swap.signature not in recorded)]
            findings = await self._compared(order_id, order, swaps)
        result = self._result
        result.findings += findings
        result.orders += order is not None
        result.terminal += order is not None and order.ended
        result.landed += sum(not swap.failed for swap in swaps)

    async def _genuine(self, order: OrderRecord | None, swaps: Sequence[ChainSwap]) -> list[ChainSwap]:
        recorded = {attempt.signature for attempt in order.attempts} if order else set()
        strange = [swap for swap in swaps if swap.signature not in recorded]
        async with self._readers:
            ours = set(await self._chain.ours(strange))
        return [swap for swap in swaps if swap.signature in recorded or swap in ours]

    async def _compared(self, order_id: str, order: OrderRecord | None, swaps: Sequence[ChainSwap]) -> list[Finding]:
        return list(compare(order_id, order, swaps, self._noted, await self._fill(order, swaps)))

    async def _fill(self, order: OrderRecord | None, swaps: Sequence[ChainSwap]) -> Fill | None:
        landed = [swap for swap in swaps if not swap.failed]
        if not self._amounts or order is None or order.status is not Status.CONFIRMED or len(landed) != 1:
            return None
        async with self._readers:
            return await self._chain.fill(landed[0], order.token_in, order.token_out)


class _Scratch:
    """The chain's entries on disk in order of the orders: they come newest first, wallet by wallet."""

    def __init__(self) -> None:
        # A nameless database is a temporary file that goes with its connection.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(
            "CREATE TABLE swaps (order_id TEXT, signature TEXT, attempt INT, slot INT, failed INT, wallet TEXT,"
            " unix_time INT, PRIMARY KEY (order_id, signature)) WITHOUT ROWID"
        )

    def add(self, swaps: Iterable[ChainSwap]) -> None:
        rows = [
            (swap.order_id, swap.signature, swap.attempt, swap.slot, swap.failed, swap.wallet, swap.unix_time)
            for swap in swaps
            if is_order_id(swap.order_id)
        ]
        self._db.execute("BEGIN")
        # One transaction may name two of our wallets.
        self._db.executemany("INSERT OR IGNORE INTO swaps VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def between(self, after: str, last: str) -> dict[str, list[ChainSwap]]:
        """The swaps of the orders beyond `after`, up to `last`."""
        found: defaultdict[str, list[ChainSwap]] = defaultdict(list)
        query = "SELECT * FROM swaps WHERE order_id > ? AND order_id <= ? ORDER BY order_id, slot"
        for order_id, signature, attempt, slot, failed, wallet, unix_time in self._db.execute(query, (after, last)):
            found[order_id].append(ChainSwap(signature, order_id, attempt, slot, bool(failed), wallet, unix_time))
        return found

    def close(self) -> None:
        self._db.close()
