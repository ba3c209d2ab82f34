"""What clients ask for: every kind of order, and second thoughts at the worst of moments."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# The last digits of an amount number its order, so that an order is found whoever was told its id.
_NUMBERS = 100_000


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that is sold.

    Symbols, decimals of both tokens, the range of amounts in base units, and about what one sold token was worth in
    bought ones at first.
    """

    sells: str
    buys: str
    decimals: int
    bought_decimals: int
    least: int
    most: int
    worth: Decimal


OFFERS = (
    Offer("SOL", "USDC", 9, 6, 10_000_000, 2_000_000_000, Decimal(150)),
    Offer("USDC", "SOL", 6, 9, 1_000_000, 300_000_000, 1 / Decimal(150)),
    Offer("BONK", "USDC", 5, 6, 10_000_000_000, 90_000_000_000, Decimal("0.000024")),
    Offer("SOL", "FEE", 9, 6, 10_000_000, 2_000_000_000, Decimal(250)),
    Offer("FEE", "SOL", 6, 9, 1_000_000, 9_000_000, Decimal("0.004")),
)


@dataclass(frozen=True, slots=True)
class SecondThought:
    """What a client does about its order so many seconds after it was accepted: change it, or cancel it (None)."""

    after: float
    changes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that a client wants, but for its number. `lasts` are the seconds until it expires."""

    offer: Offer
    terms: Mapping[str, Any] = field(default_factory=dict)
    exact_out: bool = False
    lasts: float | None = None
    thoughts: tuple[SecondThought, ...] = ()

    def body(self, draw: random.Random, number: int, wallet: str) -> dict[str, Any]:
        """The request for it, `expireAt` apart."""
        offer = self.offer
        amount = draw.randint(offer.least, offer.most) // _NUMBERS * _NUMBERS + number
        body = {"tokenIn": offer.sells, "tokenOut": offer.buys, "slippageBps": 300, "wallet": wallet, **self.terms}
        if not self.exact_out:
            return body | {"amount": _shown(amount, offer.decimals)}
        # Half of what so much buys: the price may move while everything breaks.
        bought = Decimal(amount).scaleb(-offer.decimals) * offer.worth / 2
        bought_units = int(bought.scaleb(offer.bought_decimals))
        return body | {
            "maxAmountIn": _shown(amount, offer.decimals),
            "amountOut": _shown(bought_units, offer.bought_decimals),
        }


def number_of(amount_in: int) -> int:
    """The number of the request that asked to sell, or to pay at most, this amount of base units."""
    return amount_in % _NUMBERS


def market(draw: random.Random) -> Wish:
    """A market order, and no second thought."""
    return Wish(draw.choice(OFFERS))


def _canceled_at_once(draw: random.Random) -> Wish:
    return Wish(draw.choice(OFFERS), thoughts=(SecondThought(draw.uniform(0.0, 0.8)),))


def _exact_out(draw: random.Random) -> Wish:
    return Wish(draw.choice(OFFERS[:2]), exact_out=True)


def _limit(draw: random.Random) -> Wish:
    """Near the market: the price may be there, may come, or may not; canceled when it has rested for a while."""
    offer = draw.choice(OFFERS[:2])
    price = _price(offer.worth, draw.uniform(0.9, 1.05))
    return Wish(offer, {"type": "limit", "limitPrice": price}, thoughts=(SecondThought(draw.uniform(0.5, 3.0)),))


def _expiring_limit(draw: random.Random) -> Wish:
    offer = draw.choice(OFFERS[:2])
    terms = {"type": "limit", "timeInForce": "gtd", "limitPrice": _price(offer.worth, draw.uniform(0.9, 2.0))}
    return Wish(offer, terms, lasts=draw.uniform(1.0, 3.0))


def _amended_limit(draw: random.Random) -> Wish:
    """Out of reach until its price is changed; canceled later, should it rest again after failed attempts."""
    offer = draw.choice(OFFERS[:2])
    amended = SecondThought(draw.uniform(0.2, 2.0), {"limitPrice": _price(offer.worth, 0.5)})
    canceled = SecondThought(draw.uniform(3.0, 8.0))
    terms = {"type": "limit", "limitPrice": _price(offer.worth, 5.0)}
    return Wish(offer, terms, thoughts=(amended, canceled))


def _triggered(draw: random.Random) -> Wish:
    """A stop or a take profit whose price is there at once."""
    offer = draw.choice(OFFERS[:2])
    low, high = _price(offer.worth, 0.4), _price(offer.worth, 3.0)
    terms = draw.choice(
        (
            {"type": "stop", "stopPrice": high},
            {"type": "stop_limit", "stopPrice": high, "limitPrice": low},
            {"type": "take_profit", "stopPrice": low},
        )
    )
    return Wish(offer, terms, thoughts=(SecondThought(draw.uniform(2.0, 8.0)),))


# Of twenty orders so many are of each kind.
_KINDS: Mapping[Callable[[random.Random], Wish], int] = {
    market: 9,
    _canceled_at_once: 3,
    _exact_out: 2,
    _limit: 2,
    _expiring_limit: 1,
    _amended_limit: 2,
    _triggered: 1,
}


def mixed(draw: random.Random) -> Wish:
    """An order of any kind."""
    (kind,) = draw.choices(list(_KINDS), list(_KINDS.values()))
    return kind(draw)


def _price(worth: Decimal, times: float) -> str:
    return f"{worth * Decimal(times):.9f}"


def _shown(base_units: int, decimals: int) -> str:
    return f"{Decimal(base_units).scaleb(-decimals):f}"
