"""Which price each type of order waits for, and how long it may."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.samples import BEGINNING, limit_order, order_terms
from workflows.domain.amendment import Amendment, amended
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import AmountError, parse_price, plain
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce, end_of, may_rest
from workflows.domain.trigger import Side, Trigger, conditions

RISES, FALLS = Side.RISES_TO, Side.FALLS_TO


def terms(kind: OrderType, limit: int | None, stop: int | None, **changes: Any) -> OrderTerms:
    prices = {"limit_price": limit and Decimal(limit), "stop_price": stop and Decimal(stop)}
    return limit_order(type=kind, **prices, **changes)


@pytest.mark.parametrize(
    ("kind", "limit", "stop", "triggered", "awaited"),
    [
        (OrderType.MARKET, None, None, False, None),
        (OrderType.LIMIT, 200, None, False, (RISES, 200)),
        (OrderType.STOP, None, 150, False, (FALLS, 150)),
        (OrderType.STOP, None, 150, True, None),
        (OrderType.STOP_LIMIT, 140, 150, False, (FALLS, 150)),
        (OrderType.STOP_LIMIT, 140, 150, True, (RISES, 140)),
        (OrderType.TAKE_PROFIT, None, 250, False, (RISES, 250)),
        (OrderType.TAKE_PROFIT, None, 250, True, None),
    ],
)
def test_each_type_waits_for_its_price(
    kind: OrderType, limit: int | None, stop: int | None, triggered: bool, awaited: tuple[Side, int] | None
) -> None:
    found = conditions(terms(kind, limit, stop), triggered).awaited()
    assert found == (awaited and Trigger(awaited[0], Fraction(awaited[1])))


def test_an_exact_out_order_waits_until_it_costs_no_more_than_it_may() -> None:
    # 100 USDC for at most 0.5 SOL.
    amounts = {"amount_out": 100_000_000, "amount_in": 500_000_000}
    assert conditions(order_terms(**amounts), triggered=False).awaited() == Trigger(RISES, Fraction(200))
    lower = terms(OrderType.LIMIT, 150, None, **amounts)
    assert conditions(lower, triggered=False).awaited() == Trigger(RISES, Fraction(200))
    higher = terms(OrderType.LIMIT, 250, None, **amounts)
    assert conditions(higher, triggered=False).awaited() == Trigger(RISES, Fraction(250))


@pytest.mark.parametrize(("side", "held"), [(RISES, [False, True, True]), (FALLS, [True, True, False])])
def test_a_price_that_is_just_reached_counts(side: Side, held: list[bool]) -> None:
    around = [Fraction(200) - Fraction(1, 10**9), Fraction(200), Fraction(200) + Fraction(1, 10**9)]
    assert [Trigger(side, Fraction(200)).holds(price) for price in around] == held


def test_only_some_orders_rest() -> None:
    assert {each for each in TimeInForce if may_rest(each)} == {TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY}


@pytest.mark.parametrize(
    ("accepted", "end"),
    [
        (datetime(2026, 3, 4, 0, 0, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
        (datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        # Still the third in UTC.
        (datetime(2026, 3, 4, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_day_ends_with_the_day_in_utc(accepted: datetime, end: datetime) -> None:
    assert end_of(TimeInForce.DAY, accepted, None) == end


def test_other_ends() -> None:
    later = BEGINNING + timedelta(days=1)
    assert end_of(TimeInForce.GTD, BEGINNING, later) == later
    for never in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
        assert end_of(never, BEGINNING, None) is None


@pytest.mark.parametrize(
    ("text", "price"),
    [("151.25", "151.25"), ("1e2", "100"), ("0.10", "0.1"), (".5", "0.5"), ("1e-30", f"0.{'0' * 29}1")],
)
def test_a_price_keeps_its_digits(text: str, price: str) -> None:
    assert plain(parse_price(text)) == price


@pytest.mark.parametrize(
    "text", ["", "x", "0", "-1", "nan", "Infinity", "1e31", "1e-31", "1_0", "1." + "1" * 36, "9" * 81, "1e999999999999"]
)
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(AmountError) as refused:
        parse_price(text)
    assert refused.value.code == "price_invalid"


class TestAmendments:
    def test_only_what_is_named_changes(self) -> None:
        before = limit_order()
        after = amended(before, Amendment(limit_price=Decimal(5), slippage_bps=0))
        assert after == before.model_copy(update={"limit_price": Decimal(5), "slippage_bps": 0})

    @pytest.mark.parametrize(
        ("order", "change"),
        [
            (order_terms(), {"limit_price": Decimal(1)}),
            (limit_order(), {"stop_price": Decimal(1)}),
            (terms(OrderType.STOP, None, 150), {"limit_price": Decimal(1)}),
            (limit_order(), {"expire_at": BEGINNING}),
        ],
    )
    def test_an_order_keeps_its_kind(self, order: OrderTerms, change: dict[str, Any]) -> None:
        with pytest.raises(EngineError) as refused:
            amended(order, Amendment(**change))
        assert refused.value.code is ErrorCode.REQUEST_INVALID


def test_orders_are_told_in_a_line() -> None:
    assert limit_order().title == "sell 1.5 SOL for USDC, limit at 200"
    assert terms(OrderType.STOP_LIMIT, 140, 150).title == "sell 1.5 SOL for USDC, stop limit at 150, limit 140"
    assert order_terms(amount_out=100_000_000).title == "buy 100 USDC for at most 1.5 SOL, market"
