"""How far an amount carries a swap along its walk, and what it pays there: exact input and exact output.

Amounts are base units at the pool, without transfer fees. Rules: raydium-clmm `libraries/swap_math.rs`
(`compute_swap`) and `states/tick_array.rs` (`match_limit_order`).
"""

from collections.abc import Iterable
from typing import NamedTuple

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import amounts_between, price_after_input, price_after_output
from activities.venues.raydium.clmm_state import RATE_ONE
from activities.venues.raydium.clmm_walk import IMPOSSIBLE, Orders, Segment

# The square root price where a move ends, what it takes (its fee included when the input pays it), what it
# pays out (its fee taken off when the output pays it), and the fee.
Move = tuple[int, int, int, int]


class Fill(NamedTuple):
    """Base units that a swap takes from the limit orders in a slot of a tick array, before fees."""

    array: int
    slot: int
    amount: int


class Outcome(NamedTuple):
    """What a swap did with the pool: `amount_in` taken, `amount_out` paid, `left` of the amount asked for.

    `fees` has the trading fee of every move and match, `idle_fees` those of them that no liquidity earns.
    `tick` is None where it is the tick of `sqrt_price`.
    """

    amount_in: int
    amount_out: int
    left: int
    sqrt_price: int
    tick: int | None
    liquidity: int
    volatility: int
    crossings: int
    segments: int
    fees: list[int]
    idle_fees: list[int]
    fills: list[Fill]


def run(segments: Iterable[Segment], amount: int, exact_in: bool, down: bool, on_input: bool, tick: int) -> Outcome:
    """Swap `amount` (the input when `exact_in`, else the output) along the segments from the current `tick`.

    `on_input` says which side pays the fee. Something is left over when the segments end first. Raises
    SwapRefused where the program's numbers overflow, and whatever iterating raises.
    """
    left = amount
    total_in = total_out = crossings = count = liquidity = volatility = price = 0
    now_at: int | None = tick
    fees: list[int] = []
    idle_fees: list[int] = []
    fills: list[Fill] = []
    for segment in segments:
        start, price, liquidity, rate, taken, paid, fee, next_tick, next_liquidity, crosses, orders, volatility = (
            segment
        )
        count += 1
        if exact_in:
            whole = left >= taken
        elif on_input:
            whole = left >= paid
        else:
            whole = -(-left * RATE_ONE // (RATE_ONE - rate)) >= paid + fee
        if not whole:
            price, taken, paid, fee = (move_in if exact_in else move_out)(segment, left, down, on_input)
        total_in += taken
        total_out += paid
        left -= taken if exact_in else paid
        fees.append(fee)
        if price != segment.target:
            if price != start:
                now_at = None
            break
        if orders is not None and left:
            match = match_in if exact_in else match_out
            filled, taken, paid, fee = match(orders, left, rate, down, on_input)
            total_in += taken
            total_out += paid
            left -= taken if exact_in else paid
            (fees if liquidity else idle_fees).append(fee)
            fills.append(Fill(orders.array, orders.slot, filled))
            if filled == orders.unfilled:
                orders = None
        if orders is None:
            now_at, liquidity = next_tick, next_liquidity
            crossings += crosses
        else:
            now_at = orders.tick if down else orders.tick - 1
        if not left:
            break
    if liquidity == IMPOSSIBLE:
        raise refused("LiquiditySubValueErr")
    if total_in > U64_MAX or total_out > U64_MAX:
        raise refused("CalculateOverflow")
    return Outcome(
        total_in, total_out, left, price, now_at, liquidity, volatility, crossings, count, fees, idle_fees, fills
    )


def move_in(segment: Segment, left: int, down: bool, on_input: bool) -> Move:
    """The move that `left` of the input makes within the segment, less than all of it."""
    start, _, liquidity, rate, *_ = segment
    usable = left * (RATE_ONE - rate) // RATE_ONE if on_input else left
    price = price_after_input(start, liquidity, usable, down)
    need_in, paid = amounts_between(start, price, liquidity, down)
    if paid > U64_MAX:
        raise refused("CalculateOverflow")
    # What rounding leaves over is part of the fee, or stays with the pool.
    if on_input:
        return price, left, paid, left - need_in
    fee = -(-paid * rate // RATE_ONE)
    return price, left, paid - fee, fee


def move_out(segment: Segment, left: int, down: bool, on_input: bool) -> Move:
    """The move within the segment that pays `left` of the output, less than all that it has."""
    start, _, liquidity, rate, *_ = segment
    keep = RATE_ONE - rate
    gross = left if on_input else -(-left * RATE_ONE // keep)
    if gross > U64_MAX:
        raise refused("CalculateOverflow")
    price = price_after_output(start, liquidity, gross, down)
    need_in, paid = amounts_between(start, price, liquidity, down)
    if on_input:
        fee = -(-need_in * rate // keep)
        return price, need_in + fee, min(paid, left), fee
    net = min(paid - -(-paid * rate // RATE_ONE), left)
    return price, need_in, net, paid - net


def match_in(orders: Orders, left: int, rate: int, down: bool, on_input: bool) -> Move:
    """What `left` of the input buys from the orders: gross amount filled, then as in a Move."""
    fee = -(-left * rate // RATE_ONE) if on_input else 0
    usable = left - fee
    filled = usable * orders.price >> 64 if down else (usable << 64) // orders.price
    taken = left
    if filled > orders.unfilled:
        filled = orders.unfilled
        usable = _cost(orders, filled, down)
        fee = -(-usable * rate // (RATE_ONE - rate)) if on_input else 0
        taken = usable + fee
    if on_input:
        return filled, taken, filled, fee
    fee = -(-filled * rate // RATE_ONE)
    return filled, taken, filled - fee, fee


def match_out(orders: Orders, left: int, rate: int, down: bool, on_input: bool) -> Move:
    """What buying `left` of the output from the orders costs: gross amount filled, then as in a Move."""
    filled = min(left, orders.unfilled)
    if not on_input:
        filled = min(-(-filled * RATE_ONE // (RATE_ONE - rate)), orders.unfilled)
    usable = _cost(orders, filled, down)
    if on_input:
        fee = -(-usable * rate // (RATE_ONE - rate))
        return filled, usable + fee, filled, fee
    fee = -(-filled * rate // RATE_ONE)
    return filled, usable, filled - fee, fee


def _cost(orders: Orders, filled: int, down: bool) -> int:
    """The input, without fee, that `filled` base units of the orders cost, rounded up."""
    cost = -((-filled << 64) // orders.price) if down else -(-filled * orders.price >> 64)
    if cost > U64_MAX:
        raise refused("CalculateOverflow")
    return cost


def require_transferable(amount_in: int, taken: int, paid: int, balances: tuple[int, int]) -> None:
    """Refuse what the token program would: a balance beyond its type, an output above the vault's.

    `amount_in` leaves the user, `taken` of it arrives; vault `balances` are input first.
    """
    balance_in, balance_out = balances
    if amount_in > U64_MAX or balance_in + taken > U64_MAX:
        raise SwapRefused("Overflow", 14)
    if paid > balance_out:
        raise refused("InsufficientFunds")
