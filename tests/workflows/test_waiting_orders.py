"""Orders that wait for a price: each type, how long it stands, and what changes it meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.samples import limit_order, order_terms
from tests.workflows.conftest import Engine, RunEngine, Started
from tests.workflows.histories import happened, until
from tests.workflows.market import AT_100, AT_150, AT_200, AT_250, Market, hint, story
from tests.workflows.scripted import EXPIRED, Script, asks, landed, pays, reverted, unreadable
from workflows import names
from workflows.domain.amendment import Amendment
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import AmendAnswer, AmendOrder
from workflows.order import OrderWorkflow

P, O, R, B, S = Status.PENDING, Status.OPEN, Status.ROUTING, Status.BUILDING, Status.SUBMITTED  # noqa: E741
CONFIRMED, FAILED, ENDED, CANCELED = Status.CONFIRMED, Status.FAILED, Status.EXPIRED, Status.CANCELED

STOP = {"type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(150)}
STOP_LIMIT = {"type": OrderType.STOP_LIMIT, "limit_price": Decimal(140), "stop_price": Decimal(150)}
TAKE_PROFIT = {"type": OrderType.TAKE_PROFIT, "limit_price": None, "stop_price": Decimal(200)}


# 100 USDC for at most 1 SOL.
BUY = {"amount_out": 100_000_000, "amount_in": 1_000_000_000}


async def hinted_and_still_open(running: Engine, handle: Started) -> None:
    """Tell the order of a price; returns once it has looked and waits again."""
    looks = running.activities.calls["fetch_raydium_quote"]
    await hint(handle)

    async def looked() -> bool:
        waits = (await handle.query(OrderWorkflow.state)).step == "waiting for its price"
        return waits and running.activities.calls["fetch_raydium_quote"] > looks

    await until(looked)


async def amend(handle: Started, version: int | None = None, **changes: Any) -> AmendAnswer:
    request = AmendOrder(amendment=Amendment(**changes), version=version)
    answer: AmendAnswer = await handle.execute_update(names.AMEND, request, result_type=AmendAnswer)
    return answer


async def triggered(running: Engine, handle: Started) -> bool:
    return any(event.data.get("triggered") for event in running.activities.order(handle.id[6:]).log)


def refusal(error: WorkflowUpdateFailedError) -> str | None:
    assert isinstance(error.cause, ApplicationError)
    return error.cause.type


@pytest.mark.parametrize(
    ("changes", "before", "after", "way"),
    [
        ({}, AT_150, AT_200, [P, O, R, B, S, CONFIRMED]),
        ({}, AT_150, AT_250, [P, O, R, B, S, CONFIRMED]),
        (STOP, AT_200, AT_150, [P, O, R, B, S, CONFIRMED]),
        (STOP, AT_200, AT_100, [P, O, R, B, S, CONFIRMED]),
        (STOP_LIMIT, AT_200, AT_150, [P, O, R, B, S, CONFIRMED]),
        (TAKE_PROFIT, AT_150, AT_200, [P, O, R, B, S, CONFIRMED]),
    ],
)
async def test_an_order_waits_for_its_price_and_trades(
    engine: RunEngine, changes: dict[str, Any], before: int, after: int, way: list[Status]
) -> None:
    market = Market(before)
    async with engine(market.script()) as running:
        handle = await running.rest(limit_order(**changes))
        await hinted_and_still_open(running, handle)
        market.amount_out = after
        await hint(handle)
        result = await handle.result()
    assert result.status is CONFIRMED
    assert story(running, handle) == way
    # Its pair is watched from the moment that it is open.
    assert running.activities.calls["ensure_watched"] == 1


@pytest.mark.parametrize("changes", [{}, STOP, STOP_LIMIT, TAKE_PROFIT])
async def test_an_order_whose_price_is_there_trades_at_once(engine: RunEngine, changes: dict[str, Any]) -> None:
    amount_out = AT_150 if "stop_price" in changes and changes["type"] is not OrderType.TAKE_PROFIT else AT_200
    async with engine(Market(amount_out).script()) as running:
        handle = await running.start(limit_order(**changes))
        assert (await handle.result()).status is CONFIRMED
    assert story(running, handle) == [P, R, B, S, CONFIRMED]


async def test_a_limit_is_the_least_that_the_swap_accepts(engine: RunEngine) -> None:
    async with engine(Market(AT_200 + 1).script()) as running:
        handle = await running.start(limit_order(slippage_bps=500))
        result = await handle.result()
    (known,) = running.activities.order(result.order_id).swaps
    assert known.swap.least_out == AT_200


async def test_a_limit_order_waits_thirty_days_and_then_fills(
    engine: RunEngine, skipping_server: WorkflowEnvironment
) -> None:
    market = Market(AT_150)
    in_sixty_days = datetime.now(UTC) + timedelta(days=60)
    async with engine(market.script()) as running:
        handle = await running.rest(limit_order(time_in_force=TimeInForce.GTD, expire_at=in_sixty_days))
        await happened(handle, "timer_started")
        await skipping_server.fast_forward(handle, timedelta(days=30))
        market.amount_out = AT_200
        await hint(handle)
        result = await handle.result()
    assert result.status is CONFIRMED
    log = running.activities.order(result.order_id).log
    assert log[2].at - log[1].at >= timedelta(days=30)


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTD, TimeInForce.DAY])
@pytest.mark.parametrize("changes", [{}, STOP, STOP_LIMIT, TAKE_PROFIT])
async def test_an_order_whose_time_ends_expires(
    engine: RunEngine, changes: dict[str, Any], time_in_force: TimeInForce
) -> None:
    resting = AT_200 if changes in (STOP, STOP_LIMIT) else AT_150
    in_a_week = datetime.now(UTC) + timedelta(days=7)
    async with engine(Market(resting).script()) as running:
        terms = limit_order(time_in_force=time_in_force, expire_at=in_a_week, **changes)
        result = await (handle := await running.start(terms)).result()
    assert (result.status, result.reason) == (ENDED, ErrorCode.TIME_IN_FORCE_ENDED)
    assert story(running, handle) == [P, O, ENDED]
    assert running.activities.order(result.order_id).log[-1].at >= in_a_week


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_an_order_that_may_not_rest_ends_where_its_limit_is_not_reached(
    engine: RunEngine, time_in_force: TimeInForce
) -> None:
    async with engine(Market(AT_150).script()) as running:
        result = await (handle := await running.start(limit_order(time_in_force=time_in_force))).result()
    assert (result.status, result.reason) == (ENDED, ErrorCode.LIMIT_NOT_REACHED)
    assert story(running, handle) == [P, ENDED]


async def test_an_order_that_may_not_rest_tells_why_nothing_could_be_quoted(engine: RunEngine) -> None:
    async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
        result = await running.execute(limit_order(time_in_force=TimeInForce.IOC))
    assert (result.status, result.reason) == (FAILED, ErrorCode.QUOTE_UNAVAILABLE)


class TestStopLimits:
    async def test_once_triggered_it_waits_for_its_limit_whatever_the_stop_says(self, engine: RunEngine) -> None:
        market = Market(AT_200)
        async with engine(market.script()) as running:
            handle = await running.rest(limit_order(**STOP_LIMIT))
            market.amount_out = AT_100
            await hint(handle)
            await until(lambda: triggered(running, handle))
            # Above the stop again, and above the limit.
            market.amount_out = AT_200
            await hint(handle)
            result = await handle.result()
        assert result.status is CONFIRMED
        log = running.activities.order(result.order_id).log
        assert [event.status for event in log] == [P, O, O, R, B, S, CONFIRMED]
        assert log[2].data == {"triggered": True}


class TestExactOut:
    async def test_the_pool_that_asks_least_fills_it(self, engine: RunEngine) -> None:
        script = Script(raydium=(asks(700_000_000),), meteora=(asks(690_000_000),))
        async with engine(script) as running:
            result = await running.execute(order_terms(**BUY))
        (known,) = running.activities.order(result.order_id).swaps
        assert known.swap.venue == "meteora"
        assert (known.swap.least_out, known.swap.most_in) == (100_000_000, 693_450_000)

    async def test_it_never_costs_more_than_the_most_to_pay(self, engine: RunEngine) -> None:
        script = Script(raydium=(asks(999_000_000),), meteora=(unreadable(),))
        async with engine(script) as running:
            result = await running.execute(order_terms(**BUY))
        (known,) = running.activities.order(result.order_id).swaps
        assert known.swap.most_in == 1_000_000_000

    async def test_beyond_the_most_to_pay_nothing_is_signed(self, engine: RunEngine) -> None:
        script = Script(raydium=(asks(1_000_000_001),), meteora=(unreadable(),))
        async with engine(script) as running:
            result = await running.execute(order_terms(**BUY))
        assert (result.status, result.reason) == (ENDED, ErrorCode.LIMIT_NOT_REACHED)
        assert running.activities.chain.sent[result.order_id] == []

    async def test_it_rests_until_it_costs_no_more(self, engine: RunEngine) -> None:
        prices = [asks(1_000_000_001), asks(1_000_000_000)]
        limit = {"type": OrderType.LIMIT, "limit_price": Decimal("0.1"), "time_in_force": TimeInForce.GTC}
        async with engine(Script(raydium=prices, meteora=(unreadable(),))) as running:
            handle = await running.rest(order_terms(**BUY | limit))
            await hint(handle)
            result = await handle.result()
        assert result.status is CONFIRMED

    @pytest.mark.parametrize(
        ("changes", "before", "after"),
        [
            ({"limit_price": Decimal(125)}, 900_000_000, 800_000_000),
            (STOP, 500_000_000, 700_000_000),
            (STOP_LIMIT, 500_000_000, 700_000_000),
            (TAKE_PROFIT, 700_000_000, 500_000_000),
        ],
    )
    async def test_every_type_may_name_what_it_wants(
        self, engine: RunEngine, changes: dict[str, Any], before: int, after: int
    ) -> None:
        script = Script(raydium=(asks(before), asks(after)), meteora=(unreadable(),))
        async with engine(script) as running:
            handle = await running.rest(limit_order(**BUY | changes))
            await hint(handle)
            result = await handle.result()
        assert result.status is CONFIRMED
        (known,) = running.activities.order(result.order_id).swaps
        assert known.swap.least_out == BUY["amount_out"]


class TestAfterFailedAttempts:
    async def test_an_order_that_may_rest_is_open_again_and_looks_for_itself(self, engine: RunEngine) -> None:
        outcomes = (EXPIRED, reverted(), landed())
        async with engine(Market(AT_200).script(outcomes=outcomes)) as running:
            handle = await running.start(limit_order(max_attempts=2))
            result = await handle.result()
        assert result.status is CONFIRMED
        assert story(running, handle) == [P, R, B, S, R, B, S, O, R, B, S, CONFIRMED]
        assert [known.swap.attempt for known in running.activities.order(result.order_id).swaps] == [1, 2, 3]

    async def test_it_ends_for_a_reason_that_does_not_pass(self, engine: RunEngine) -> None:
        async with engine(Market(AT_200).script(prepare=(ErrorCode.INSUFFICIENT_FUNDS,))) as running:
            result = await running.execute(limit_order())
        assert (result.status, result.reason) == (FAILED, ErrorCode.INSUFFICIENT_FUNDS)

    async def test_a_market_order_may_rest_too(self, engine: RunEngine) -> None:
        quotes = (unreadable(), pays(AT_150))
        async with engine(Script(raydium=quotes, meteora=(unreadable(),))) as running:
            handle = await running.start(order_terms(max_attempts=1, time_in_force=TimeInForce.GTC))
            assert (await handle.result()).status is CONFIRMED
        assert story(running, handle) == [P, R, O, R, B, S, CONFIRMED]
        # It waits for no price, so there is nothing to watch.
        assert running.activities.calls["ensure_watched"] == 0

    async def test_what_was_broadcast_does_not_expire_but_fail(self, engine: RunEngine) -> None:
        in_a_minute = datetime.now(UTC) + timedelta(minutes=1)
        terms = limit_order(max_attempts=1, time_in_force=TimeInForce.GTD, expire_at=in_a_minute)
        async with engine(Market(AT_200).script(outcomes=(EXPIRED,))) as running:
            result = await running.execute(terms)
        assert (result.status, result.reason) == (FAILED, ErrorCode.TIME_IN_FORCE_ENDED)
        assert running.activities.chain.landed(result.order_id) == []


class TestDeadlines:
    async def test_no_attempt_begins_after_it(self, engine: RunEngine) -> None:
        terms = order_terms(max_attempts=100, deadline=datetime.now(UTC) + timedelta(seconds=20))
        async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
            result = await running.execute(terms)
        assert (result.status, result.reason) == (FAILED, ErrorCode.DEADLINE_EXCEEDED)
        assert 2 < running.activities.calls["fetch_raydium_quote"] < 100

    async def test_an_open_order_fails_at_it(self, engine: RunEngine) -> None:
        deadline = datetime.now(UTC) + timedelta(days=2)
        async with engine(Market(AT_150).script()) as running:
            result = await running.execute(limit_order(deadline=deadline))
        assert (result.status, result.reason) == (FAILED, ErrorCode.DEADLINE_EXCEEDED)


class TestAmendments:
    async def test_a_new_limit_is_looked_at_at_once(self, engine: RunEngine) -> None:
        async with engine(Market(AT_150).script()) as running:
            handle = await running.rest()
            answer = await amend(handle, version=2, limit_price=Decimal("150.0"))
            result = await handle.result()
        assert (answer.status, answer.seq, answer.terms.limit_price) == (O, 3, Decimal(150))
        assert result.status is CONFIRMED
        stored = running.activities.order(result.order_id)
        assert stored.terms == answer.terms
        assert stored.log[2].data == {"amended": {"limitPrice": "150"}}
        assert stored.swaps[0].swap.least_out == AT_150

    async def test_a_new_expiry_holds(self, engine: RunEngine) -> None:
        expiry = datetime.now(UTC) + timedelta(days=400)
        async with engine(Market(AT_150).script()) as running:
            handle = await running.rest(limit_order(time_in_force=TimeInForce.GTD, expire_at=expiry))
            sooner = datetime.now(UTC) + timedelta(seconds=0.3)
            await amend(handle, expire_at=sooner)
            result = await handle.result()
        assert result.status is ENDED
        assert running.activities.order(result.order_id).log[-1].at < expiry

    async def test_the_next_one_has_to_know_of_the_one_before(self, engine: RunEngine) -> None:
        async with engine(Market(AT_150).script()) as running:
            handle = await running.rest()
            both = await asyncio.gather(
                amend(handle, version=2, slippage_bps=1),
                amend(handle, version=2, slippage_bps=2),
                return_exceptions=True,
            )
            (made,) = [answer for answer in both if isinstance(answer, AmendAnswer)]
            (refused,) = [answer for answer in both if isinstance(answer, WorkflowUpdateFailedError)]
            assert refusal(refused) == ErrorCode.VERSION_MISMATCH
            state = await handle.query(OrderWorkflow.state)
            assert (state.seq, state.terms.slippage_bps) == (3, made.terms.slippage_bps)
            await handle.cancel()
            await handle.result()

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"stop_price": Decimal(1)}, ErrorCode.REQUEST_INVALID),
            ({"expire_at": datetime(2040, 1, 1, tzinfo=UTC)}, ErrorCode.REQUEST_INVALID),
        ],
    )
    async def test_an_order_keeps_its_kind(self, engine: RunEngine, changes: dict[str, Any], code: ErrorCode) -> None:
        async with engine(Market(AT_150).script()) as running:
            handle = await running.rest()
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await amend(handle, **changes)
            assert refusal(refused.value) == code
            await handle.cancel()
            await handle.result()
        assert story(running, handle) == [P, O, CANCELED]

    async def test_an_order_in_flight_takes_none(self, engine: RunEngine) -> None:
        async with engine(Script()) as running:
            running.activities.may_settle.clear()
            handle = await running.start()
            await running.activities.executing.wait()
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await amend(handle, slippage_bps=1)
            assert refusal(refused.value) == ErrorCode.ORDER_NOT_AMENDABLE
            running.activities.may_settle.set()
            await handle.result()

    async def test_an_order_that_has_not_begun_takes_one(self, skipping_server: WorkflowEnvironment) -> None:
        running = Engine(skipping_server, Market(AT_150).script())
        handle = await running.start(limit_order(), in_real_time=True)
        asking = asyncio.create_task(amend(handle, slippage_bps=7))
        async with running.worker():
            answer = await asking
            await handle.cancel()
            result = await handle.result()
        assert answer.terms.slippage_bps == 7
        assert running.activities.order(result.order_id).terms.slippage_bps == 7


async def test_a_worker_that_dies_takes_no_waiting_order_with_it(skipping_server: WorkflowEnvironment) -> None:
    market = Market(AT_150)
    running = Engine(skipping_server, market.script())
    async with running.worker():
        handle = await running.rest()
    market.amount_out = AT_200
    await hint(handle)
    async with running.worker():
        assert (await handle.result()).status is CONFIRMED
    assert story(running, handle) == [P, O, R, B, S, CONFIRMED]


async def test_a_long_history_is_begun_anew_and_the_order_goes_on(
    engine: RunEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market(AT_150)
    async with engine(market.script()) as running:
        handle = await running.rest(limit_order(**STOP_LIMIT | {"limit_price": Decimal(160)}))
        first = await handle.describe()
        monkeypatch.setattr("temporalio.workflow.Info.is_continue_as_new_suggested", lambda _: True)
        await hint(handle)

        async def begun_anew() -> bool:
            return (await handle.describe()).run_id != first.run_id

        await until(begun_anew)
        monkeypatch.undo()
        await amend(handle, slippage_bps=9)
        market.amount_out = AT_200
        await hint(handle)
        result = await handle.result()
    assert result.status is CONFIRMED
    log = running.activities.order(result.order_id).log
    # Still triggered, still the same sequence of events.
    assert [event.status for event in log] == [P, O, O, R, B, S, CONFIRMED]
    assert [event.seq for event in log] == list(range(1, 8))
    assert running.activities.order(result.order_id).terms.slippage_bps == 9
