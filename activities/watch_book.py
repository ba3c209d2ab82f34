"""The open orders of a pair, ordered so that a look at the price finds the crossed ones without asking each. Pure.

Each order waits for the executable price of its own size, and larger sizes get worse prices. So orders are kept in
shelves of like size (from one power of two to the next), each sorted by price: the price of a shelf's smallest size
bounds from above what any of its orders gets, that of its largest size from below. Only orders within the bound are
asked for exactly.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from workflows.domain.open_order import OpenOrder
from workflows.domain.trigger import Side, Trigger

# What a size of one direction gets: units of the output token per unit of the input token, None when no pool fills it.
PriceOf = Callable[["Size"], Fraction | None]

# Rounding to base units, and pools that step between prices, make a price better for a larger size by a hair.
_SLACK = Fraction(1, 1_000)


class Size(NamedTuple):
    """An amount in base units to trade in one direction: of the input, or of the output when `exact_out`."""

    token_in: str
    exact_out: bool
    amount: int
    decimals_in: int
    decimals_out: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that waits for a price."""

    order_id: str
    version: int
    size: Size
    trigger: Trigger


class _Shelf:
    def __init__(self, orders: list[Waiting]) -> None:
        self._side = orders[0].trigger.side
        self._orders = sorted(orders, key=lambda order: order.trigger.price)
        self._prices = [order.trigger.price for order in self._orders]
        sizes = sorted((order.size for order in orders), key=lambda size: size.amount)
        self._bound = sizes[0] if self._side is Side.RISES_TO else sizes[-1]

    def near(self, price_of: PriceOf) -> list[Waiting]:
        """The orders that may have been crossed."""
        bound = price_of(self._bound)
        if self._side is Side.RISES_TO:
            # Without a price for the smallest there is none for any.
            return [] if bound is None else self._orders[: bisect_right(self._prices, bound * (1 + _SLACK))]
        return self._orders if bound is None else self._orders[bisect_left(self._prices, bound * (1 - _SLACK)) :]


class Book:
    """The orders of one pair, as they were read."""

    def __init__(self, orders: Iterable[OpenOrder]) -> None:
        shelves: dict[tuple[str, bool, Side, int], list[Waiting]] = defaultdict(list)
        for order in orders:
            trigger = order.conditions.awaited()
            # An order that waits for no price has a timer of its own.
            if trigger is not None:
                waiting = Waiting(order.order_id, order.version, _size(order), trigger)
                size = waiting.size
                shelves[size.token_in, size.exact_out, trigger.side, size.amount.bit_length()].append(waiting)
        self._shelves = [_Shelf(orders) for orders in shelves.values()]

    def crossed(self, price_of: PriceOf) -> list[Waiting]:
        """The orders whose price is reached for the whole of their size."""
        return [
            order
            for shelf in self._shelves
            for order in shelf.near(price_of)
            if (price := price_of(order.size)) is not None and order.trigger.holds(price)
        ]


def _size(order: OpenOrder) -> Size:
    exact_out = order.amount_out is not None
    amount = order.amount_in if order.amount_out is None else order.amount_out
    return Size(order.token_in, exact_out, amount, order.decimals_in, order.decimals_out)
