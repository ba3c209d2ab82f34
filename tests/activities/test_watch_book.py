"""The book of waiting orders finds exactly those whose price is there, and asks for few prices to do so."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from activities.watch import Repeats
from activities.watch_book import Book, Size, Waiting
from workflows.domain.open_order import OpenOrder
from workflows.domain.order import OrderType
from workflows.domain.trigger import Conditions, Side, Trigger

kinds = st.sampled_from([kind for kind in OrderType if kind is not OrderType.MARKET])
prices = st.integers(1, 400).map(Decimal)


@st.composite
def open_orders(draw: st.DrawFn) -> OpenOrder:
    """Any open order of a pair, in either direction and mode."""
    kind, exact_out = draw(kinds), draw(st.booleans())
    amount = draw(st.integers(1, 10**12))
    limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return OpenOrder(
        order_id=str(uuid4()),
        version=draw(st.integers(1, 5)),
        token_in=draw(st.sampled_from("AB")),
        amount_in=amount,
        amount_out=amount if exact_out else None,
        decimals_in=0,
        decimals_out=0,
        conditions=Conditions(
            kind,
            draw(prices) if limited else None,
            draw(prices) if kind is not OrderType.LIMIT else None,
            Fraction(draw(prices)) if exact_out else None,
            draw(st.booleans()),
        ),
    )


class Pool:
    """Constant product: a larger size gets a worse price, and none beyond what it holds."""

    def __init__(self, reserve_in: int, reserve_out: int) -> None:
        self.reserve_in, self.reserve_out, self.asked = reserve_in, reserve_out, set[Size]()

    def price(self, size: Size) -> Fraction | None:
        self.asked.add(size)
        reserve_in, reserve_out = self.reserve_in, self.reserve_out
        if size.token_in == "B":
            reserve_in, reserve_out = reserve_out, reserve_in
        if not size.exact_out:
            return Fraction(reserve_out, reserve_in + size.amount)
        return Fraction(reserve_out - size.amount, reserve_in) if size.amount < reserve_out else None


@given(st.lists(open_orders(), max_size=30), st.integers(1, 10**13), st.integers(1, 10**13))
def test_the_crossed_orders_are_those_that_asking_each_would_find(
    orders: list[OpenOrder], reserve_a: int, reserve_b: int
) -> None:
    pool = Pool(reserve_a, reserve_b)

    def crossed(order: OpenOrder) -> bool:
        trigger = order.conditions.awaited()
        amount = order.amount_in if order.amount_out is None else order.amount_out
        price = pool.price(Size(order.token_in, order.amount_out is not None, amount, 0, 0))
        return trigger is not None and price is not None and trigger.holds(price)

    found = [order.order_id for order in Book(orders).crossed(pool.price)]
    assert sorted(found) == sorted(order.order_id for order in orders if crossed(order))


def test_thousands_of_orders_far_from_the_price_ask_for_a_few() -> None:
    def far(number: int) -> OpenOrder:
        limit = Conditions(OrderType.LIMIT, Decimal(1_000 + number), None, None, False)
        return OpenOrder(str(number), 2, "A", 1_000 + number, None, 0, 0, limit)

    pool = Pool(10**12, 10**14)
    assert Book([far(number) for number in range(10_000)]).crossed(pool.price) == []
    assert len(pool.asked) < 10


def waiting(version: int = 2) -> Waiting:
    return Waiting("order", version, Size("A", False, 1, 0, 0), Trigger(Side.RISES_TO, Fraction(1)))


def test_a_crossed_order_is_told_at_once_and_then_ever_more_seldom() -> None:
    repeats, told, now = Repeats(), [], 0.0
    while now < 400:
        if repeats.due([waiting()], now):
            told.append(now)
        now += 0.5
    pauses = [after - before for before, after in pairwise(told)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def test_an_order_that_came_back_or_was_changed_is_told_at_once() -> None:
    repeats = Repeats()
    assert repeats.due([waiting()], 0.0) == [waiting()]
    assert repeats.due([waiting()], 0.1) == []
    assert repeats.due([waiting(3)], 0.2) == [waiting(3)]
    assert repeats.due([], 0.3) == []
    assert repeats.due([waiting(3)], 0.4) == [waiting(3)]
