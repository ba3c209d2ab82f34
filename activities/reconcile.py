"""The steps of a reconciliation: what disagrees is mended where one side proves how, and else raised, never guessed.

The database is the record that everything is settled against, because nothing is sent before it is recorded there.
So a lost workflow can be started again: it finds its log and settles the signature there first. What the chain has
and the record lacks is for a person: a swap nobody recorded has terms that nobody here knows.
"""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from temporalio import activity

from activities.audit import PAGE, AuditedOrders, audit, unrecorded
from activities.chain_history import ChainHistory
from activities.findings import Counter, LossyRelay, Patience, SdkCounter
from activities.order_workflows import OrderWorkflows, Standing, WorkflowState
from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.domain.reconciliation import (
    ChainSwap,
    Finding,
    FindingKind,
    OrderRecord,
    compare,
    log_findings,
)
from workflows.messages import FinishReconciliation, PartReconciled, ReconciliationScope

log = logging.getLogger(__name__)

# Everything is looked at once a day; in between only what changed.
_WHOLE_EVERY = timedelta(days=1)

# Reaches back over the last run: an order that was too fresh then, and the two clocks of a write and its commit.
_OVERLAP = timedelta(minutes=2)

# As many findings in words as a history should hold.
_TOLD = 20


class ReconciledOrders(AuditedOrders, Protocol):
    """What reconciliation reads and leaves; `db.reconciliation.ReconciliationRepository` provides it."""

    async def unfinished(self, after: str | None, limit: int, idle: timedelta) -> list[OrderRecord]:
        """Orders that have not ended and have had no event for `idle`."""

    async def settled_since(self, since: datetime, after: str | None, limit: int) -> list[OrderRecord]:
        """Ended orders with a swap whose outcome came after `since`, or has not come at all."""

    async def terms(self, order_id: str) -> OrderTerms | None:
        """What the trader asked for."""

    async def now(self) -> datetime:
        """The database's clock."""

    async def last(self) -> Any:
        """The newest reconciliation that is done, with `started_at`."""

    async def last_whole(self) -> datetime | None:
        """When the newest one that looked at everything was started."""

    async def note(self, findings: Sequence[Finding]) -> list[Finding]:
        """Remember the findings; returns those that were not known before."""

    async def finish(self, done: dict[str, Any], cursors: dict[str, str]) -> None:
        """Record a reconciliation, once for its start."""


@dataclass
class _Part:
    orders: int = 0
    swaps: int = 0
    workflows: int = 0
    findings: list[Finding] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)


class ReconcileActivities:
    """The steps of the reconcile workflow. Each raises ConnectionError, and may run again or beside another."""

    def __init__(
        self,
        store: ReconciledOrders,
        chain: ChainHistory,
        workflows: OrderWorkflows | None,
        relay: LossyRelay,
        patience: Patience,
        counter: Counter | None = None,
    ) -> None:
        self._store = store
        self._chain = chain
        self._given = workflows
        self._relay = relay
        self._patience = patience
        self._counter = counter or SdkCounter()
        self._unrelayed_counted = 0

    @property
    def _workflows(self) -> OrderWorkflows:
        return self._given or OrderWorkflows(activity.client(), activity.info().task_queue)

    @activity.defn
    async def begin_reconciliation(self) -> ReconciliationScope:
        """Decide what the reconciliation that begins now has to look at."""
        now, last, last_whole = await self._store.now(), await self._store.last(), await self._store.last_whole()
        whole = last is None or last_whole is None or now - last_whole >= _WHOLE_EVERY
        return ReconciliationScope(started_at=now, since=last.started_at - _OVERLAP if last else now, whole=whole)

    @activity.defn
    async def reconcile_orders(self, scope: ReconciliationScope) -> PartReconciled:
        """Look at every order that has not ended and is quiet; start workflows again that are missing."""
        part = _Part()
        running = {each.order_id async for each in self._workflows.running()}
        async for page in _pages(lambda after: self._store.unfinished(after, PAGE, self._patience.quiet)):
            part.orders += len(page)
            lost = []
            for order in page:
                part.findings += log_findings(order)
                if order.order_id not in running or self._is_late(order):
                    state = await self._workflows.state(order.order_id)
                    if state.standing in (Standing.ABSENT, Standing.BROKEN):
                        lost.append((order, state))
                    else:
                        part.findings += await self._watched(order, state)
            part.findings += await self._start_again(lost)
            activity.heartbeat()
        return await self._told(part)

    def _is_late(self, order: OrderRecord) -> bool:
        # An open order waits for a price or a time, for as long as the trader wants.
        return order.idle > self._patience.stuck and order.status is not Status.OPEN

    async def _watched(self, order: OrderRecord, state: WorkflowState) -> list[Finding]:
        if state.standing is Standing.COMPLETED:
            # It may have ended after the order was read.
            (now,) = await self._store.some([order.order_id])
            if now.ended:
                return []
            detail = f"its workflow has completed and the order is {now.status}: the database lost the end"
            return [Finding(kind=FindingKind.WORKFLOW_ENDED_EARLY, order_id=order.order_id, detail=detail)]
        if self._is_late(order):
            detail = f"{order.status} for {order.idle}: {state.detail}"
            return [Finding(kind=FindingKind.ORDER_STUCK, order_id=order.order_id, detail=detail)]
        return []

    async def _start_again(self, lost: Sequence[tuple[OrderRecord, WorkflowState]]) -> list[Finding]:
        if not lost:
            return []
        # If the database is the one that was restored from a backup, the chain knows more than its log.
        since = min(order.created_at for order, _ in lost)
        chain = await self._swaps_since(since, {order.order_id for order, _ in lost})
        findings = []
        for order, state in lost:
            recorded = {attempt.signature for attempt in order.attempts}
            strange = [swap for swap in chain.get(order.order_id, ()) if swap.signature not in recorded]
            if strange := await self._chain.ours(strange):
                findings += [
                    Finding(
                        kind=FindingKind.SIGNATURE_UNRECORDED,
                        order_id=order.order_id,
                        signature=swap.signature,
                        detail=f"{state.detail}; not started again: the chain has a swap that the log does not know",
                    )
                    for swap in strange
                ]
                continue
            terms = await self._store.terms(order.order_id)
            if terms is not None and await self._workflows.start_again(terms, state.standing):
                detail = f"{state.detail}; the order was {order.status}, its workflow is started again"
                missing = FindingKind.WORKFLOW_MISSING
                findings.append(Finding(kind=missing, order_id=order.order_id, detail=detail, repaired=True))
        return findings

    async def _swaps_since(self, since: datetime, order_ids: set[str]) -> dict[str, list[ChainSwap]]:
        found: defaultdict[str, list[ChainSwap]] = defaultdict(list)
        for wallet in await self._store.wallets():
            async for _, swaps in self._chain.pages(wallet, since=since):
                for swap in swaps:
                    if swap.order_id in order_ids:
                        found[swap.order_id].append(swap)
                activity.heartbeat()
        return found

    @activity.defn
    async def reconcile_workflows(self, scope: ReconciliationScope) -> PartReconciled:
        """Look for orders that Temporal runs and the database does not have."""
        part = _Part()
        running = [each async for each in self._workflows.running()]
        part.workflows = len(running)
        for start in range(0, len(running), PAGE):
            page = running[start : start + PAGE]
            known = await self._store.known(each.order_id for each in page)
            part.findings += [
                unrecorded(each)
                for each in page
                if each.order_id not in known and each.started_at < self._patience.noted
            ]
            activity.heartbeat()
        return await self._told(part)

    @activity.defn
    async def reconcile_swaps(self, scope: ReconciliationScope) -> PartReconciled:
        """Compare recorded outcomes with the chain, and the chain's swaps with what is recorded."""
        part = _Part()
        if scope.whole:
            await self._everything(part)
        async for page in _pages(lambda after: self._store.settled_since(scope.since, after, PAGE)):
            # A node may learn of a block a moment after the one that confirmed the swap.
            settled = [order for order in page if order.idle > self._patience.quiet]
            part.orders += len(settled)
            await self._compare(settled, {}, part)
            activity.heartbeat()
        for wallet, cursor in (await self._store.wallets()).items():
            async for newest, swaps in self._chain.pages(wallet, cursor, final=True):
                part.swaps += len(swaps)
                await self._account_for(swaps, part)
                if newest is not None:
                    part.cursors[wallet] = newest
                activity.heartbeat()
        return await self._told(part)

    async def _everything(self, part: _Part) -> None:
        beating = _Beating(self._store)
        audited = await audit(beating, self._chain, self._workflows, self._patience.grace)
        part.orders += audited.orders
        part.swaps += audited.landed
        part.workflows += audited.workflows
        part.findings += audited.findings

    async def _account_for(self, swaps: Sequence[ChainSwap], part: _Part) -> None:
        """Whatever is on the chain was recorded before it was sent."""
        by_order: defaultdict[str, list[ChainSwap]] = defaultdict(list)
        for swap in swaps:
            by_order[swap.order_id].append(swap)
        orders = {order.order_id: order for order in await self._store.some(by_order)}
        strange: defaultdict[str, list[ChainSwap]] = defaultdict(list)
        odd: dict[str, OrderRecord] = {}
        for order_id, found in by_order.items():
            order = orders.get(order_id)
            unrecorded_swaps = [swap for swap in found if not _recorded(order, swap)]
            strange[order_id] += await self._chain.ours(unrecorded_swaps)
            if order is not None and (strange[order_id] or any(_contradicts(order, swap) for swap in found)):
                odd[order_id] = order
            elif order is None:
                part.findings += compare(order_id, None, strange[order_id], self._patience.noted)
        await self._compare(list(odd.values()), strange, part)

    async def _compare(self, orders: Sequence[OrderRecord], strange: dict[str, list[ChainSwap]], part: _Part) -> None:
        confirmed = await self._chain.confirmed(orders)
        for order in orders:
            swaps = [*confirmed.get(order.order_id, ()), *strange.get(order.order_id, ())]
            part.findings += compare(order.order_id, order, swaps, self._patience.noted)

    async def _told(self, part: _Part) -> PartReconciled:
        findings = list({(each.kind, each.order_id, each.signature): each for each in part.findings}.values())
        for finding in await self._store.note(findings):
            self._counter.found(finding)
            log.warning(
                "reconciliation finding=%s order=%s signature=%s repaired=%s detail=%r",
                *(finding.kind, finding.order_id, finding.signature or "-", finding.repaired, finding.detail),
            )
        return PartReconciled(
            orders=part.orders,
            swaps=part.swaps,
            workflows=part.workflows,
            raised=sum(not finding.repaired for finding in findings),
            repaired=sum(finding.repaired for finding in findings),
            told=tuple(f"{finding.kind} {finding.order_id}: {finding.detail}" for finding in findings[:_TOLD]),
            cursors=part.cursors,
        )

    @activity.defn
    async def finish_reconciliation(self, request: FinishReconciliation) -> None:
        """Record what was looked at and found, and that what was not found again is over."""
        scope, found = request.scope, request.found
        done = {"started_at": scope.started_at, "whole": scope.whole}
        done |= found.model_dump(include={"orders", "swaps", "workflows", "raised", "repaired"})
        await self._store.finish(done, found.cursors)
        missed = self._relay.missed
        if missed > self._unrelayed_counted:
            self._counter.unrelayed(missed - self._unrelayed_counted)
            self._unrelayed_counted = missed


class _Beating:
    """The orders of an audit, with a sign of life for each page."""

    def __init__(self, orders: AuditedOrders) -> None:
        self._orders = orders

    async def page(self, after: str | None, limit: int) -> list[OrderRecord]:
        activity.heartbeat()
        return await self._orders.page(after, limit)

    async def some(self, order_ids: Iterable[str]) -> list[OrderRecord]:
        return await self._orders.some(order_ids)

    async def known(self, order_ids: Iterable[str]) -> set[str]:
        activity.heartbeat()
        return await self._orders.known(order_ids)

    async def wallets(self) -> dict[str, str | None]:
        return await self._orders.wallets()


async def _pages(read: Any) -> AsyncIterator[list[OrderRecord]]:
    after: str | None = None
    while True:
        page: list[OrderRecord] = await read(after)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1].order_id


def _recorded(order: OrderRecord | None, swap: ChainSwap) -> bool:
    return order is not None and any(attempt.signature == swap.signature for attempt in order.attempts)


def _contradicts(order: OrderRecord, swap: ChainSwap) -> bool:
    """Whether the record has come to another end than the chain; a swap that is not settled yet has not."""
    for attempt in order.attempts:
        if attempt.signature == swap.signature:
            if attempt.outcome is None:
                return order.ended
            return attempt.outcome is not (OutcomeKind.REVERTED if swap.failed else OutcomeKind.LANDED)
    return True
