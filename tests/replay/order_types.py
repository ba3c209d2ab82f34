"""The ways of each type of order and each time in force, and what ends or changes an order that waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from tests.replay.scenarios import (
    AT_100,
    AT_145,
    AT_200,
    SCENARIOS,
    Order,
    Scenario,
    exact_out_order,
    hinted,
    opened,
    prices,
    stop_limit_order,
    stop_order,
    take_profit_order,
)
from tests.samples import limit_order, order_terms
from tests.workflows.histories import happened
from tests.workflows.scripted import EXPIRED, HALT, Script, ScriptedActivities, asks, landed, pays, unreadable
from workflows import names
from workflows.domain.amendment import Amendment
from workflows.domain.attempt import SwapAttempt
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import AmendAnswer, AmendOrder, CancelAnswer, CancelOrder
from workflows.order import OrderWorkflow

# 100 USDC for at most 1 SOL.
_BUY = {"amount_out": 100_000_000, "amount_in": 1_000_000_000}


def _in_a_moment() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def _at_the_limit_of(time_in_force: TimeInForce) -> OrderTerms:
    return limit_order(time_in_force=time_in_force)


def _day_order() -> OrderTerms:
    """The day ends in a moment."""
    return limit_order(time_in_force=TimeInForce.DAY, expire_at=_in_a_moment())


def _soon_over(terms: OrderTerms) -> OrderTerms:
    return terms.model_copy(update={"time_in_force": TimeInForce.GTD, "expire_at": _in_a_moment()})


def _buying(type_: OrderType, stop_price: int | None, limit_price: int | None) -> OrderTerms:
    stop, limit = (Decimal(price) if price is not None else None for price in (stop_price, limit_price))
    return limit_order(**_BUY, type=type_, stop_price=stop, limit_price=limit)


async def _canceled_after_the_stop(activities: ScriptedActivities, order: Order) -> None:
    """The stop is reached, the limit is not, and the trader cancels."""
    await hinted(activities, order)
    while not any(event.data.get("triggered") for event in activities.order(order.id.removeprefix("order-")).log):
        await order.query(OrderWorkflow.state)
    await opened(activities, order)
    await order.execute_update(names.CANCEL, CancelOrder(), result_type=CancelAnswer)


async def _canceled_in_flight(activities: ScriptedActivities, order: Order) -> None:
    """The price is reached, and the trader cancels when the swap has been sent."""
    activities.may_settle.clear()
    await hinted(activities, order)
    await activities.executing.wait()
    await order.execute_update(names.CANCEL, CancelOrder(), result_type=CancelAnswer)
    activities.may_settle.set()


async def _canceled_before_a_halt(activities: ScriptedActivities, order: Order) -> None:
    """The trader cancels while the swap waits to be recorded, and then trading is halted."""
    record, asked, may_record = activities.store.record_attempt, asyncio.Event(), asyncio.Event()

    async def slowly(swap: SwapAttempt, event: OrderEvent) -> OrderEvent:
        asked.set()
        await may_record.wait()
        return await record(swap, event)

    activities.store.record_attempt = slowly  # type: ignore[method-assign]
    await hinted(activities, order)
    await asked.wait()
    canceling = asyncio.create_task(order.execute_update(names.CANCEL, CancelOrder(), result_type=CancelAnswer))
    await happened(order, "workflow_execution_update_accepted")
    activities.store.halt = HALT
    may_record.set()
    await canceling


async def _amended_stop(activities: ScriptedActivities, order: Order) -> None:
    """The trader sells sooner."""
    await opened(activities, order)
    request = AmendOrder(amendment=Amendment(stop_price=Decimal(200)), version=2)
    await order.execute_update(names.AMEND, request, result_type=AmendAnswer)


async def _amended_expiry(activities: ScriptedActivities, order: Order) -> None:
    """The trader gives it less time."""
    await opened(activities, order)
    request = AmendOrder(amendment=Amendment(expire_at=_in_a_moment()))
    await order.execute_update(names.AMEND, request, result_type=AmendAnswer)


_AWAY = Script(raydium=(unreadable(),), meteora=(unreadable(),))

ORDER_TYPES = {
    "exact_out": Scenario(
        Script(raydium=(asks(700_000_000),), meteora=(asks(690_000_000),)),
        Status.CONFIRMED,
        terms=partial(order_terms, **_BUY),
    ),
    "limit_ioc_not_reached": Scenario(
        prices(pays(AT_145)),
        Status.EXPIRED,
        ErrorCode.LIMIT_NOT_REACHED,
        terms=partial(_at_the_limit_of, TimeInForce.IOC),
    ),
    "limit_ioc_reached": Scenario(
        prices(pays(AT_200)), Status.CONFIRMED, terms=partial(_at_the_limit_of, TimeInForce.IOC)
    ),
    "limit_fok_reached": Scenario(
        prices(pays(AT_200)), Status.CONFIRMED, terms=partial(_at_the_limit_of, TimeInForce.FOK)
    ),
    "limit_day_ends": Scenario(prices(pays(AT_145)), Status.EXPIRED, ErrorCode.TIME_IN_FORCE_ENDED, terms=_day_order),
    "limit_canceled_in_flight_and_confirmed": Scenario(
        prices(pays(AT_145), pays(AT_200)), Status.CONFIRMED, happening=_canceled_in_flight, terms=limit_order
    ),
    "limit_canceled_in_flight_and_expired": Scenario(
        Script(raydium=(pays(AT_145), pays(AT_200)), meteora=(unreadable(),), outcomes=(EXPIRED,)),
        Status.CANCELED,
        happening=_canceled_in_flight,
        terms=limit_order,
    ),
    "limit_canceled_before_a_halt": Scenario(
        prices(pays(AT_145), pays(AT_200)), Status.CANCELED, happening=_canceled_before_a_halt, terms=limit_order
    ),
    "limit_expiry_amended": Scenario(
        prices(pays(AT_145)),
        Status.EXPIRED,
        ErrorCode.TIME_IN_FORCE_ENDED,
        happening=_amended_expiry,
        terms=partial(limit_order, time_in_force=TimeInForce.GTD, expire_at=datetime(2090, 1, 1, tzinfo=UTC)),
    ),
    "limit_deadline_while_open": Scenario(
        prices(pays(AT_145)),
        Status.FAILED,
        ErrorCode.DEADLINE_EXCEEDED,
        terms=lambda: limit_order(deadline=_in_a_moment()),
    ),
    "deadline_between_attempts": Scenario(
        _AWAY,
        Status.FAILED,
        ErrorCode.DEADLINE_EXCEEDED,
        terms=lambda: order_terms(max_attempts=100, deadline=_in_a_moment()),
    ),
    "gtc_opens_again": Scenario(
        Script(outcomes=(EXPIRED, landed())),
        Status.CONFIRMED,
        terms=partial(order_terms, max_attempts=1, time_in_force=TimeInForce.GTC),
    ),
    "stop_exact_out": Scenario(
        prices(asks(500_000_000), asks(800_000_000)),
        Status.CONFIRMED,
        happening=hinted,
        terms=partial(_buying, OrderType.STOP, 150, None),
    ),
    "stop_limit_exact_out": Scenario(
        prices(asks(500_000_000), asks(700_000_000)),
        Status.CONFIRMED,
        happening=hinted,
        terms=partial(_buying, OrderType.STOP_LIMIT, 150, 140),
    ),
    "take_profit_exact_out": Scenario(
        prices(asks(800_000_000), asks(500_000_000)),
        Status.CONFIRMED,
        happening=hinted,
        terms=partial(_buying, OrderType.TAKE_PROFIT, 200, None),
    ),
    "stop_amended": Scenario(prices(pays(AT_200)), Status.CONFIRMED, happening=_amended_stop, terms=stop_order),
    "stop_limit_canceled_after_the_stop": Scenario(
        prices(pays(AT_200), pays(AT_100)),
        Status.CANCELED,
        happening=_canceled_after_the_stop,
        terms=stop_limit_order,
    ),
    "stop_expires": Scenario(
        prices(pays(AT_200)),
        Status.EXPIRED,
        ErrorCode.TIME_IN_FORCE_ENDED,
        terms=lambda: _soon_over(stop_order()),
    ),
    "take_profit_expires": Scenario(
        prices(pays(AT_145)),
        Status.EXPIRED,
        ErrorCode.TIME_IN_FORCE_ENDED,
        terms=lambda: _soon_over(take_profit_order()),
    ),
    "limit_exact_out_expires": Scenario(
        prices(asks(900_000_000)),
        Status.EXPIRED,
        ErrorCode.TIME_IN_FORCE_ENDED,
        terms=lambda: _soon_over(exact_out_order()),
    ),
    # Its history is long for the server that it is recorded on, when it is told of its price.
    "limit_begun_anew": Scenario(
        prices(pays(AT_145), pays(AT_200)), Status.CONFIRMED, happening=hinted, terms=limit_order, long=12
    ),
}

WAYS = SCENARIOS | ORDER_TYPES
