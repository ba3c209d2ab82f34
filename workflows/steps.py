"""The activities as workflows see them: names, inputs, outputs. The work is done in `activities`, never here."""

from temporalio import activity

from workflows.domain.order import OrderEvent
from workflows.domain.routing import VenueQuotes
from workflows.messages import (
    CheckRisk,
    ChooseRoute,
    ExecuteSwap,
    FinishReconciliation,
    OrderAccepted,
    PairSurvey,
    PartReconciled,
    PersistOrder,
    PoolsRefreshed,
    PreparedSwap,
    PrepareSwap,
    PublishStatus,
    QuoteRequest,
    ReconciliationScope,
    RiskChecked,
    SettleSwap,
    SurveyPair,
    SwapExecuted,
    SwapSettled,
    WatchedPair,
)
from workflows.switch_messages import CancelOrders, OrdersAsked


@activity.defn
async def persist_order(request: PersistOrder) -> OrderAccepted:
    """Store the order and its first events, relay them; answers whether it may trade as far as can be said now."""
    raise NotImplementedError


@activity.defn
async def fetch_raydium_quote(request: QuoteRequest) -> VenueQuotes:
    """Quote every Raydium pool of the pair at one slot."""
    raise NotImplementedError


@activity.defn
async def fetch_meteora_quote(request: QuoteRequest) -> VenueQuotes:
    """Quote every Meteora pool of the pair at one slot."""
    raise NotImplementedError


@activity.defn
async def compare_quotes(request: QuoteRequest) -> tuple[VenueQuotes, ...]:
    """Quote every pool of both venues at one slot, for a comparison without an order."""
    raise NotImplementedError


@activity.defn
async def choose_route(request: ChooseRoute) -> OrderEvent:
    """Choose between the quotes and record the decision in its event; answers with the event that stands.

    Raises ApplicationError typed with an error code, and records nothing, when there is nothing to choose.
    """
    raise NotImplementedError


@activity.defn
async def check_risk(request: CheckRisk) -> RiskChecked:
    """Check the decision against the limits, and reserve what the order needs of its wallet.

    Raises ApplicationError typed with an error code when the order may not trade, and reserves nothing new then.
    """
    raise NotImplementedError


@activity.defn
async def prepare_swap(request: PrepareSwap) -> PreparedSwap:
    """Re-read the chosen pool, build, simulate and sign. Sends nothing.

    Raises ApplicationError typed with an error code when the swap would fail or cannot be made.
    """
    raise NotImplementedError


@activity.defn
async def execute_swap(request: ExecuteSwap) -> SwapExecuted:
    """Record the attempt, relay its event, send the signed bytes until the chain's answer is proven."""
    raise NotImplementedError


@activity.defn
async def settle_swap(request: SettleSwap) -> SwapSettled:
    """Send a swap's recorded bytes, signed by a try whose history is lost, until the chain's answer is proven."""
    raise NotImplementedError


@activity.defn
async def publish_status(request: PublishStatus) -> OrderEvent:
    """Store one event and relay it; answers with the event that stands under its seq."""
    raise NotImplementedError


@activity.defn
async def record_cancel_request(request: PublishStatus) -> OrderEvent:
    """Record that a cancellation came too late; answers with the event that stands under its seq, or before it.

    The event goes in only behind the `submitted` event of its own signature: fails, to be tried again, while there is
    none yet.
    """
    raise NotImplementedError


@activity.defn
async def ensure_watched(pair: WatchedPair) -> None:
    """See to it that a watcher looks at the open orders of the pair as they are stored from now on."""
    raise NotImplementedError


@activity.defn
async def watch_pair(pair: WatchedPair) -> None:
    """Tell the pair's open orders when their price is reached; returns when there has been none for a while."""
    raise NotImplementedError


@activity.defn
async def cancel_orders(request: CancelOrders) -> OrdersAsked:
    """Ask each of the orders to be canceled; each answers for itself, as to any cancellation."""
    raise NotImplementedError


@activity.defn
async def refresh_pools() -> PoolsRefreshed:
    """Search for pools, look at every known one, and store in the registry which are quoted and which are not."""
    raise NotImplementedError


@activity.defn
async def survey_pair(request: SurveyPair) -> PairSurvey:
    """Look at every pool of a pair at one slot: price, reserves, fee, and what it pays for sizes small and large."""
    raise NotImplementedError


@activity.defn
async def begin_reconciliation() -> ReconciliationScope:
    """Decide what the reconciliation that begins now has to look at."""
    raise NotImplementedError


@activity.defn
async def reconcile_orders(scope: ReconciliationScope) -> PartReconciled:
    """Look at every order that has not ended and is quiet; start workflows again that are missing."""
    raise NotImplementedError


@activity.defn
async def reconcile_workflows(scope: ReconciliationScope) -> PartReconciled:
    """Look for orders that Temporal runs and the database does not have."""
    raise NotImplementedError


@activity.defn
async def reconcile_swaps(scope: ReconciliationScope) -> PartReconciled:
    """Compare recorded outcomes with the chain, and the chain's swaps with what is recorded."""
    raise NotImplementedError


@activity.defn
async def finish_reconciliation(request: FinishReconciliation) -> None:
    """Record what was looked at and found, and that what was not found again is over."""
    raise NotImplementedError
