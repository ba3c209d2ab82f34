"""Meteora DLMM swaps: what every bin on the way takes and gives (binary 0.12.0, executed).

A bin sells its liquidity first, then what remains of the limit orders being processed, then open ones.
"""

from typing import NamedTuple

from activities.venues.integers import U64_MAX
from activities.venues.meteora.dlmm_bins import PRICE_BITS
from activities.venues.meteora.dlmm_errors import refused
from activities.venues.meteora.dlmm_walk import (
    FEE_PRECISION,
    Level,
    References,
    State,
    levels,
    references,
)

_ROUND_UP = (1 << PRICE_BITS) - 1
# More than any walk can take.
_UNLIMITED = 1 << 128

# What a swap took from one bin: its id, the input for its liquidity without fee, then the amounts out of
# liquidity, processed and open orders. Plain, like Level.
Taken = tuple[int, int, int, int, int]


class Sale(NamedTuple):
    """One bin's part of a swap: input with its fee, output without, the fee, and what was taken."""

    amount_in: int
    amount_out: int
    fee: int
    taken: Taken


class Walk(NamedTuple):
    """A whole swap, transfer fees aside: `amount_in` reaches the pool, `amount_out` leaves it.

    It took `taken` bin by bin, walking `arrays`, and ended at `volatility`, measured from `start`.
    """

    amount_in: int
    amount_out: int
    fee: int
    taken: tuple[Taken, ...]
    arrays: tuple[int, ...]
    start: References
    volatility: int
    compute_units: int


def collects_on_input(collect_fee_mode: int, sells_x: bool) -> bool:
    """Whether the fee is in the input token: mode 0 always, mode 1 (fees in Y only) when selling Y."""
    if collect_fee_mode > 1:
        raise refused("InvalidCollectFeeMode")
    return collect_fee_mode == 0 or not sells_x


def walk(state: State, sells_x: bool, now: int, amount: int, exact_out: bool, budget: int | None = None) -> Walk:
    """Sell exactly `amount`, or buy exactly that much with at most `budget`; raises as the program and `levels` do."""
    fee_on_input = collects_on_input(state.pair.collect_fee_mode, sells_x)
    start = references(state.pair, now)
    arrays: list[int] = []
    taken: list[Taken] = []
    total_in = total_out = total_fee = volatility = spent = 0
    left = amount
    most_in = _UNLIMITED if budget is None else budget
    for level in levels(state, start, sells_x, exact_out, arrays):
        bin_id, volatility, rate, price, liquidity, processed, open_orders, opposite, spent = level
        sale: Sale | None = None
        offered = left
        if exact_out:
            wanted = left if fee_on_input else left + -(-left * rate // (FEE_PRECISION - rate))
            if wanted > U64_MAX:
                raise refused("MathOverflow")
            # The program sells a bin that has no more than is wanted for an unlimited input.
            offered = U64_MAX
            if wanted < liquidity + processed + open_orders and wanted < U64_MAX:
                sale = _buy(level, left, wanted, sells_x, fee_on_input)
        if sale is None:
            # Most bins are sold out: their part in short, for speed.
            paid = -(-(liquidity << PRICE_BITS) // price) if sells_x else (liquidity * price + _ROUND_UP) >> PRICE_BITS
            amount_in, amount_out = paid, liquidity
            if processed or open_orders:
                amount_in += _cost(processed, price, sells_x) + _cost(open_orders, price, sells_x)
                amount_out += processed + open_orders
            if fee_on_input:
                fee = -(-amount_in * rate // (FEE_PRECISION - rate))
                amount_in += fee
            else:
                fee = -(-amount_out * rate // FEE_PRECISION)
                amount_out -= fee
            part = (bin_id, paid, liquidity, processed, open_orders)
            # A single unit over might all be fee, rounded up, and end the swap in this bin.
            if offered - amount_in < 2 or opposite + paid > U64_MAX:
                sale = sell(level, offered, sells_x, fee_on_input)
        if sale is not None:
            amount_in, amount_out, fee, part = sale
        total_in += amount_in
        total_out += amount_out
        total_fee += fee
        taken.append(part)
        left -= amount_out if exact_out else amount_in
        if left <= 0 or total_in > most_in:
            break
    if total_in > most_in:
        raise refused("InsufficientInAmount")
    # A bin of more than 64 bits of orders can give more than was asked, which the program cannot subtract.
    if left < 0 or total_in > U64_MAX or total_out > U64_MAX:
        raise refused("MathOverflow")
    return Walk(total_in, total_out, total_fee, tuple(taken), tuple(arrays), start, volatility, spent)


def sell(level: Level, offered: int, sells_x: bool, fee_on_input: bool) -> Sale:
    """Sell up to `offered` to one bin; less is taken only where the bin has no more to give."""
    bin_id, _, rate, price, liquidity, processed, open_orders, opposite, _ = level
    fee = -(-offered * rate // FEE_PRECISION) if fee_on_input else 0
    usable = offered - fee
    paid, out_liquidity = _fill(liquidity, usable, price, sells_x)
    left = usable - paid
    out_processed = out_open = 0
    if left:
        paid_orders, out_processed = _fill(processed, left, price, sells_x)
        left -= paid_orders
    if left:
        paid_orders, out_open = _fill(open_orders, left, price, sells_x)
        left -= paid_orders
    amount_in = offered
    if left:
        amount_in = usable - left
        if fee_on_input:
            fee = -(-amount_in * rate // (FEE_PRECISION - rate))
            amount_in += fee
    amount_out = out_liquidity + out_processed + out_open
    if not fee_on_input:
        fee = -(-amount_out * rate // FEE_PRECISION)
        amount_out -= fee
    if opposite + paid > U64_MAX:
        raise refused("MathOverflow")
    return Sale(amount_in, amount_out, fee, (bin_id, paid, out_liquidity, out_processed, out_open))


def _buy(level: Level, asked: int, wanted: int, sells_x: bool, fee_on_input: bool) -> Sale:
    """Buy `asked` from a bin that has more than `wanted`, which is `asked` with a fee on the output.

    The program prices the input layer by layer, rounded up, and sells that to the bin. What the bin gives
    above `asked` leaves it too: as fee in the output mode, to nobody's credit in the input mode.
    """
    _, _, rate, price, liquidity, processed, _, _, _ = level
    from_liquidity = min(wanted, liquidity)
    from_processed = min(wanted - from_liquidity, processed)
    from_open = wanted - from_liquidity - from_processed
    cost = sum(cost_of(amount, price, sells_x) for amount in (from_liquidity, from_processed, from_open))
    if fee_on_input:
        cost += -(-cost * rate // (FEE_PRECISION - rate))
    if cost > U64_MAX:
        raise refused("MathOverflow")
    amount_in, amount_out, fee, taken = sell(level, cost, sells_x, fee_on_input)
    if taken[3] + taken[4] != from_processed:
        # The program compares the orders sold with those priced, open ones left out: it refuses every end
        # inside open orders, and a surplus out of processed ones (inferred: 11 of 11 executed refusals).
        raise refused("UndeterminedError")
    return Sale(amount_in, asked, fee if fee_on_input else fee + amount_out - asked, taken)


def _fill(amount: int, usable: int, price: int, sells_x: bool) -> tuple[int, int]:
    """What `usable` input pays to a layer that has `amount`, and what it gets of it."""
    if not amount:
        return 0, 0
    cost = cost_of(amount, price, sells_x)
    if usable >= cost:
        return cost, amount
    return usable, usable * price >> PRICE_BITS if sells_x else (usable << PRICE_BITS) // price


def cost_of(amount: int, price: int, sells_x: bool) -> int:
    """The input that buys `amount` at `price`, rounded up; refused where the program's 64 bits end."""
    cost = _cost(amount, price, sells_x)
    if cost > U64_MAX:
        raise refused("TypeCastFailed")
    return cost


def _cost(amount: int, price: int, sells_x: bool) -> int:
    return -(-(amount << PRICE_BITS) // price) if sells_x else (amount * price + _ROUND_UP) >> PRICE_BITS
