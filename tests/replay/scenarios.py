"""The ways of an order that replays guard, by name: what the steps answer, what befalls the order, how it ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from temporalio.client import WorkflowHandle

from tests.samples import limit_order, order_event, order_terms
from tests.workflows.histories import happened, until
from tests.workflows.scripted import (
    EXPIRED,
    Answer,
    Script,
    ScriptedActivities,
    asks,
    has_no_pools,
    landed,
    pays,
    pool_quote,
    reverted,
    unreadable,
)
from workflows import names
from workflows.domain.amendment import Amendment
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms, OrderType
from workflows.domain.routing import VenueQuotes, choose, told
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import AmendAnswer, AmendOrder, CancelAnswer, CancelOrder, OrderResult
from workflows.order import OrderWorkflow

Order = WorkflowHandle[OrderWorkflow, OrderResult]

# Does what should befall a running order.
Happening = Callable[[ScriptedActivities, Order], Awaitable[None]]


async def nothing(activities: ScriptedActivities, order: Order) -> None:
    """The order is left alone."""


async def canceled_while_waiting(activities: ScriptedActivities, order: Order) -> None:
    """The cancellation arrives between two attempts."""
    await happened(order, "timer_started")
    await order.cancel()


async def canceled_in_flight(activities: ScriptedActivities, order: Order) -> None:
    """The cancellation arrives when the swap has been sent."""
    activities.may_settle.clear()
    await activities.executing.wait()
    await order.cancel()
    await happened(order, "workflow_execution_cancel_requested")
    activities.may_settle.set()


async def opened(activities: ScriptedActivities, order: Order) -> None:
    """Return once the order waits for its price."""

    async def rests() -> bool:
        return (await order.query(OrderWorkflow.state)).step == "waiting for its price"

    await until(rests)


async def hinted(activities: ScriptedActivities, order: Order) -> None:
    """The watcher sees the price once the order is open."""
    await opened(activities, order)
    await order.signal(OrderWorkflow.price_reached)


async def hinted_twice(activities: ScriptedActivities, order: Order) -> None:
    """The watcher sees the stop, then the limit."""
    await hinted(activities, order)

    async def triggered() -> bool:
        return any(event.data.get("triggered") for event in activities.order(order.id.removeprefix("order-")).log)

    await until(triggered)
    await hinted(activities, order)


async def amended_while_open(activities: ScriptedActivities, order: Order) -> None:
    """The trader takes less."""
    await opened(activities, order)
    request = AmendOrder(amendment=Amendment(limit_price=Decimal(100)), version=2)
    await order.execute_update(names.AMEND, request, result_type=AmendAnswer)


async def canceled_while_open(activities: ScriptedActivities, order: Order) -> None:
    """The trader cancels an open order over the API."""
    await opened(activities, order)
    await order.execute_update(names.CANCEL, CancelOrder(), result_type=CancelAnswer)


async def canceled_too_late(activities: ScriptedActivities, order: Order) -> None:
    """The trader cancels over the API when the swap has been sent."""
    activities.may_settle.clear()
    await activities.executing.wait()
    await order.execute_update(names.CANCEL, CancelOrder(), result_type=CancelAnswer)
    activities.may_settle.set()


def stop_order() -> OrderTerms:
    """Sells below 150."""
    return limit_order(type=OrderType.STOP, limit_price=None, stop_price=Decimal(150))


def stop_limit_order() -> OrderTerms:
    """Sells below 150 and not below 140."""
    return limit_order(type=OrderType.STOP_LIMIT, limit_price=Decimal(140), stop_price=Decimal(150))


def take_profit_order() -> OrderTerms:
    """Sells above 200."""
    return limit_order(type=OrderType.TAKE_PROFIT, limit_price=None, stop_price=Decimal(200))


def short_lived_order() -> OrderTerms:
    """Expires in a moment."""
    return limit_order(time_in_force=TimeInForce.GTD, expire_at=datetime.now(UTC) + timedelta(seconds=1))


def hasty_order() -> OrderTerms:
    """Never rests."""
    return limit_order(time_in_force=TimeInForce.FOK)


def exact_out_order() -> OrderTerms:
    """Buys 100 USDC for at most 1 SOL, at 125 or more."""
    amounts = {"amount_out": 100_000_000, "amount_in": 1_000_000_000}
    return limit_order(**amounts, limit_price=Decimal(125))


def one_attempt_order() -> OrderTerms:
    """Opens again after one attempt."""
    return limit_order(max_attempts=1)


def no_leftovers(terms: OrderTerms) -> list[OrderEvent]:
    """Nothing crashed before."""
    return []


def decided(terms: OrderTerms) -> list[OrderEvent]:
    """A crashed try had decided for Meteora."""
    quotes = VenueQuotes(venue="meteora", slot=6, quotes=(pool_quote("meteora", 290_000_000, pool="theirs"),))
    decision = choose((quotes,), terms.token_in, terms.token_out)
    return [order_event(3, Status.BUILDING, venue="meteora", data=told(decision, terms.token_out))]


def given_up(terms: OrderTerms) -> list[OrderEvent]:
    """A crashed try had decided and then given the attempt up."""
    return [*decided(terms), order_event(4, Status.ROUTING, attempt=2, reason=ErrorCode.SLIPPAGE_EXCEEDED)]


def ended(terms: OrderTerms) -> list[OrderEvent]:
    """A crashed try had ended the order."""
    return [*decided(terms), order_event(4, Status.FAILED, reason=ErrorCode.INSUFFICIENT_FUNDS)]


def submitted(terms: OrderTerms) -> list[OrderEvent]:
    """A history that was lost had handed a signature to the sender."""
    return [*decided(terms), order_event(4, Status.SUBMITTED, signature=f"earlier signature of {terms.order_id}")]


@dataclass(frozen=True)
class Scenario:
    """One way of an order and its end."""

    script: Script
    status: Status
    reason: ErrorCode | None = None
    happening: Happening = nothing
    canceled_at_start: bool = False
    leftovers: Callable[[OrderTerms], list[OrderEvent]] = field(default=no_leftovers)
    terms: Callable[[], OrderTerms] = order_terms
    # Whether it is found by its status: orders from before then are not, and must replay without it.
    searchable: bool = False
    # From so many events on the server holds the history for long.
    long: int | None = None


# What 1.5 SOL bring.
AT_100, AT_145, AT_200 = 150_000_000, 217_500_000, 300_000_000


def prices(*answers: Answer) -> Script:
    """One venue quotes so, look by look, and the other does not."""
    return Script(raydium=answers, meteora=(unreadable(),))


_AWAY = Script(raydium=(unreadable(),), meteora=(unreadable(),))

SCENARIOS = {
    "confirmed": Scenario(Script(), Status.CONFIRMED),
    "one_venue_down": Scenario(Script(raydium=(unreadable(),)), Status.CONFIRMED),
    "both_venues_down": Scenario(_AWAY, Status.FAILED, ErrorCode.QUOTE_UNAVAILABLE),
    "no_pools": Scenario(
        Script(raydium=(has_no_pools,), meteora=(has_no_pools,)), Status.FAILED, ErrorCode.PAIR_UNSUPPORTED
    ),
    "prepared_at_second_attempt": Scenario(
        Script(prepare=(ErrorCode.SLIPPAGE_EXCEEDED, ErrorCode.CHAIN_UNAVAILABLE, None)), Status.CONFIRMED
    ),
    "insufficient_funds": Scenario(
        Script(prepare=(ErrorCode.INSUFFICIENT_FUNDS,)), Status.FAILED, ErrorCode.INSUFFICIENT_FUNDS
    ),
    "expired_then_confirmed_searchable": Scenario(
        Script(outcomes=(EXPIRED, landed())), Status.CONFIRMED, searchable=True
    ),
    "limit_waits_and_fills_searchable": Scenario(
        prices(pays(AT_145), pays(AT_200)),
        Status.CONFIRMED,
        happening=hinted,
        terms=limit_order,
        searchable=True,
    ),
    "expired_then_confirmed": Scenario(Script(outcomes=(EXPIRED, landed())), Status.CONFIRMED),
    "reverted_then_failed": Scenario(
        Script(outcomes=(reverted(ErrorCode.POOL_UNAVAILABLE), reverted())), Status.FAILED, ErrorCode.SLIPPAGE_EXCEEDED
    ),
    "canceled_before_it_started": Scenario(Script(), Status.CANCELED, canceled_at_start=True),
    "canceled_while_waiting": Scenario(_AWAY, Status.CANCELED, happening=canceled_while_waiting),
    "canceled_in_flight_and_confirmed": Scenario(Script(), Status.CONFIRMED, happening=canceled_in_flight),
    "canceled_in_flight_and_expired": Scenario(
        Script(outcomes=(EXPIRED,)), Status.CANCELED, happening=canceled_in_flight
    ),
    "decision_of_a_crashed_try": Scenario(Script(raydium=(pays(1),)), Status.CONFIRMED, leftovers=decided),
    "attempt_given_up_by_a_crashed_try": Scenario(Script(), Status.CONFIRMED, leftovers=given_up),
    "signature_of_a_lost_history": Scenario(
        Script(outcomes=(EXPIRED, landed())), Status.CONFIRMED, leftovers=submitted
    ),
    "checked_and_confirmed": Scenario(Script(), Status.CONFIRMED),
    "checked_again_at_the_second_attempt": Scenario(
        Script(check=(ErrorCode.CHAIN_UNAVAILABLE, None)), Status.CONFIRMED
    ),
    "rejected_for_insufficient_funds": Scenario(
        Script(check=(ErrorCode.INSUFFICIENT_FUNDS,)), Status.REJECTED, ErrorCode.INSUFFICIENT_FUNDS
    ),
    "rejected_for_price_impact": Scenario(
        Script(check=(ErrorCode.PRICE_IMPACT_EXCEEDED,)), Status.REJECTED, ErrorCode.PRICE_IMPACT_EXCEEDED
    ),
    "expired_then_rejected": Scenario(
        Script(check=(None, ErrorCode.DAILY_NOTIONAL_EXCEEDED), outcomes=(EXPIRED,)),
        Status.REJECTED,
        ErrorCode.DAILY_NOTIONAL_EXCEEDED,
    ),
    "halted_at_acceptance": Scenario(Script(halted_after="persist_order"), Status.REJECTED, ErrorCode.TRADING_HALTED),
    "halted_after_the_decision": Scenario(
        Script(halted_after="choose_route"), Status.REJECTED, ErrorCode.TRADING_HALTED
    ),
    "halted_after_signing": Scenario(Script(halted_after="prepare_swap"), Status.REJECTED, ErrorCode.TRADING_HALTED),
    "halted_at_acceptance_with_a_signature_in_the_log": Scenario(
        Script(halted_after="persist_order", outcomes=(landed(),)), Status.CONFIRMED, leftovers=submitted
    ),
    "end_of_a_crashed_try": Scenario(Script(), Status.FAILED, ErrorCode.INSUFFICIENT_FUNDS, leftovers=ended),
    "limit_waits_and_fills": Scenario(
        prices(pays(AT_145), pays(AT_200)), Status.CONFIRMED, happening=hinted, terms=limit_order
    ),
    "limit_fills_at_once": Scenario(prices(pays(AT_200)), Status.CONFIRMED, terms=limit_order),
    "limit_hinted_in_vain": Scenario(
        prices(pays(AT_145), pays(AT_145), pays(AT_145)),
        Status.EXPIRED,
        ErrorCode.TIME_IN_FORCE_ENDED,
        happening=hinted,
        terms=short_lived_order,
    ),
    "limit_not_reached_at_once": Scenario(
        prices(pays(AT_145)), Status.EXPIRED, ErrorCode.LIMIT_NOT_REACHED, terms=hasty_order
    ),
    "limit_exact_out": Scenario(
        prices(asks(900_000_000), asks(800_000_000)), Status.CONFIRMED, happening=hinted, terms=exact_out_order
    ),
    "limit_opens_again": Scenario(
        Script(raydium=(pays(AT_200),), meteora=(unreadable(),), outcomes=(EXPIRED, landed())),
        Status.CONFIRMED,
        terms=one_attempt_order,
    ),
    "limit_amended": Scenario(prices(pays(AT_145)), Status.CONFIRMED, happening=amended_while_open, terms=limit_order),
    "limit_canceled": Scenario(prices(pays(AT_145)), Status.CANCELED, happening=canceled_while_open, terms=limit_order),
    "stop_triggered": Scenario(
        prices(pays(AT_200), pays(AT_100)), Status.CONFIRMED, happening=hinted, terms=stop_order
    ),
    "stop_limit_triggered_and_reached": Scenario(
        prices(pays(AT_200), pays(AT_100), pays(AT_145)),
        Status.CONFIRMED,
        happening=hinted_twice,
        terms=stop_limit_order,
    ),
    "take_profit_triggered": Scenario(
        prices(pays(AT_145), pays(AT_200)), Status.CONFIRMED, happening=hinted, terms=take_profit_order
    ),
    "pending_cancel_and_confirmed": Scenario(Script(), Status.CONFIRMED, happening=canceled_too_late),
    "pending_cancel_and_expired": Scenario(Script(outcomes=(EXPIRED,)), Status.CANCELED, happening=canceled_too_late),
}
