"""Which price an order waits for, and whether the market pays it. Exact fractions, never rounded. Pure.

The *executable price* of an order is what one pool pays for its whole size, in units of the output token per unit of
the input token, at the trader's accounts: every fee of the pool and the tokens taken off. It is that of the best
single pool; a swap that is split over two pays more, never less. Only the network's fee in lamports is apart.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from workflows.domain.money import Token
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.routing import PoolQuote, VenueQuotes


class Side(StrEnum):
    """From which side the price comes; both include the price itself."""

    RISES_TO = "rises_to"
    FALLS_TO = "falls_to"


class Trigger(NamedTuple):
    """An executable price to wait for."""

    side: Side
    price: Fraction

    def holds(self, price: Fraction) -> bool:
        """Whether the executable price has come there."""
        return price >= self.price if self.side is Side.RISES_TO else price <= self.price


class Conditions(NamedTuple):
    """The part of an order that its trigger follows from. `most` is the price below which it would pay too much."""

    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    most: Fraction | None
    triggered: bool

    def awaited(self) -> Trigger | None:
        """The price that the order waits for now; None when it trades at any.

        A stop falls to its price, a take-profit rises to it. Once triggered they stay so and wait, if for anything,
        for their limit.
        """
        if not self.triggered and self.stop_price is not None:
            side = Side.RISES_TO if self.type is OrderType.TAKE_PROFIT else Side.FALLS_TO
            return Trigger(side, Fraction(self.stop_price))
        least = [Fraction(price) for price in (self.most, self.limit_price) if price is not None]
        return Trigger(Side.RISES_TO, max(least)) if least else None


def conditions(terms: OrderTerms, triggered: bool) -> Conditions:
    """What the order of these terms waits for."""
    most = None
    if terms.amount_out is not None:
        most = executable_price(terms.token_in, terms.amount_in, terms.token_out, terms.amount_out)
    return Conditions(terms.type, terms.limit_price, terms.stop_price, most, triggered)


def executable_price(token_in: Token, amount_in: int, token_out: Token, amount_out: int) -> Fraction:
    """Units of the output token per unit of the input token; amounts in base units, the input positive."""
    return unit_price(amount_in, token_in.decimals, amount_out, token_out.decimals)


def unit_price(amount_in: int, decimals_in: int, amount_out: int, decimals_out: int) -> Fraction:
    """As `executable_price`, for tokens of so many decimals."""
    return Fraction(amount_out * 10**decimals_in, amount_in * 10**decimals_out)


def best_price(terms: OrderTerms, venues: Iterable[VenueQuotes]) -> Fraction | None:
    """The executable price of the order in these quotes; None when no pool fills it."""
    prices = [_price(terms, quote) for venue in venues for quote in venue.quotes if quote.amount_in]
    return max(prices, default=None)


def _price(terms: OrderTerms, quote: PoolQuote) -> Fraction:
    return executable_price(terms.token_in, quote.amount_in, terms.token_out, quote.amount_out)
