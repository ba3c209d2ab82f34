"""The activities as workflows see them: names, inputs, outputs. The work is done in `activities`, never here."""

from temporalio import activity

from workflows.domain.order import OrderEvent
from workflows.domain.routing import VenueQuotes
from workflows.messages import (
    ChooseRoute,
    ExecuteSwap,
    PairSurvey,
    PersistOrder,
    PoolsRefreshed,
    PreparedSwap,
    PrepareSwap,
    PublishStatus,
    QuoteRequest,
    SettleSwap,
    SurveyPair,
    SwapExecuted,
    SwapSettled,
)


@activity.defn
async def persist_order(request: PersistOrder) -> None:
    """Store the order and its first events, then relay them."""
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
async def refresh_pools() -> PoolsRefreshed:
    """Search for pools, look at every known one, and store in the registry which are quoted and which are not."""
    raise NotImplementedError


@activity.defn
async def survey_pair(request: SurveyPair) -> PairSurvey:
    """Look at every pool of a pair at one slot: price, reserves, fee, and what it pays for sizes small and large."""
    raise NotImplementedError
