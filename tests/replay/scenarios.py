"""The ways of an order that replays guard, by name: what the steps answer, what befalls the order, how it ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from temporalio.client import WorkflowHandle

from tests.samples import order_event
from tests.workflows.histories import happened
from tests.workflows.scripted import (
    EXPIRED,
    Script,
    ScriptedActivities,
    has_no_pools,
    landed,
    pays,
    pool_quote,
    reverted,
    unreadable,
)
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.routing import VenueQuotes, choose, told
from workflows.messages import OrderResult
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
}
