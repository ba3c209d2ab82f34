"""What the chain counts, against what the order and its workflow say."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.memory_store import MemoryStore, StoredOrder
from tests.samples import BEGINNING
from tests.simulation.chain import SimulatedChain
from tests.simulation.wire import AMOUNT_OUT
from tests.simulation.worker import wallet_address
from workflows.domain.order import Fill, OrderTerms
from workflows.domain.reconciliation import AttemptRecord, ChainSwap, OrderRecord, compare
from workflows.messages import OrderResult


def faults(terms: OrderTerms, store: MemoryStore, chain: SimulatedChain, result: OrderResult) -> Iterator[str]:
    """Everything that must never be, of an order that has ended."""
    landed = len(chain.landed())
    if landed > 1:
        yield f"duplicated: {landed} swaps landed"
    order = store.orders[terms.order_id]
    wallet = str(wallet_address())
    swaps = [
        ChainSwap(each.signature, each.order_id, each.attempt, each.slot, each.error is not None, wallet)
        for each in chain.executed.values()
    ]
    for finding in compare(terms.order_id, _record(order), swaps, datetime.now(UTC), _fill(swaps)):
        yield f"{finding.kind}: {finding.detail}"
    if result.status is not order.log[-1].status:
        yield f"the workflow says {result.status}, the log {order.log[-1].status}"
    unrecorded = chain.sent - {known.swap.signature for known in order.swaps}
    if unrecorded:
        yield f"sent and not recorded: {unrecorded}"
    if len(order.swaps) > terms.max_attempts:
        yield f"{len(order.swaps)} attempts of {terms.max_attempts}"


def _fill(swaps: list[ChainSwap]) -> Fill | None:
    landed = [swap for swap in swaps if not swap.failed]
    if len(landed) != 1:
        return None
    return Fill(amount_in=1_500_000_000, amount_out=AMOUNT_OUT, fee_lamports=5_000, slot=landed[0].slot)


def _record(order: StoredOrder) -> OrderRecord:
    log, last = order.log, order.log[-1]
    fill = next((event.fill for event in reversed(log) if event.fill), None)
    return OrderRecord(
        order_id=order.terms.order_id,
        token_in=order.terms.token_in.mint,
        token_out=order.terms.token_out.mint,
        status=last.status,
        last_seq=last.seq,
        reason=last.reason,
        signature=next((event.signature for event in reversed(log) if event.signature), None),
        fill=fill,
        created_at=BEGINNING,
        idle=timedelta(),
        seqs=tuple(event.seq for event in log),
        statuses=tuple(event.status for event in log),
        last_event=last,
        attempts=tuple(
            AttemptRecord(
                attempt=known.swap.attempt,
                signature=known.swap.signature,
                wallet=known.swap.wallet_address,
                outcome=known.outcome.kind if known.outcome else None,
                slot=known.outcome.slot if known.outcome else None,
            )
            for known in order.swaps
        ),
    )
