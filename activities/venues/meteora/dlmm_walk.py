"""The walk of a Meteora DLMM swap from bin to bin, and its cost in compute units.

Volatility, and with it the fee, is set anew in every bin that has anything to sell (source: lb_clmm as
published in dlmm-sdk until 2025, and what the 0.12 binary does).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused
from activities.venues.integers import U128_MAX
from activities.venues.meteora.dlmm_bins import arrays_ahead, arrays_around, bin_price, next_array
from activities.venues.meteora.dlmm_errors import refused
from activities.venues.meteora.dlmm_layout import (
    ARRAY_HEADER,
    BIN,
    BIN_SIZE,
    BINS_PER_ARRAY,
    MAX_BIN_ID,
    U32_MAX,
    Pair,
)
from activities.venues.pool import MAX_COMPUTE_UNITS

# Fee rates are parts of 10 ** 9; base and variable fee together are capped at 10 %.
FEE_PRECISION = 10**9
_MAX_FEE_RATE = 10**8
_VARIABLE_FEE_SCALE = 10**11
_BASIS_POINTS = 10_000

# A transaction without lookup tables has 1,232 bytes. Its fullest form here (swap of native SOL in and out of
# a wrapped account made on the spot, new token account, bitmap extension, Token-2022, memo) takes 976 of
# them; each bin array takes 33 more.
MAX_BIN_ARRAYS = 7


class Costs(NamedTuple):
    """Compute units of a swap instruction and of what it meets on the way."""

    base: int
    bin: int
    empty_bin: int
    array: int
    orders: int
    token_2022: int


# Above each of 2,095 executed swaps of 1 to 140 bins, by 8,000 to 51,000 units: those ran with a
# cheaper token program, a real one takes up to 5,000 more for each of the two transfers.
_EXACT_IN_COSTS = Costs(base=51_500, bin=5_350, empty_bin=600, array=1_100, orders=2_200, token_2022=6_000)
_EXACT_OUT_COSTS = Costs(base=54_300, bin=6_350, empty_bin=600, array=1_200, orders=2_500, token_2022=8_000)


class State(NamedTuple):
    """A pair with the bin arrays at hand: index to data, None for one that does not exist."""

    address: Pubkey
    pair: Pair
    extension: bytes | None
    arrays: Mapping[int, bytes | None]
    token_2022_mints: int


class References(NamedTuple):
    """What the volatility of a swap is measured from: a bin and the volatility it starts with."""

    bin_id: int
    volatility: int


# One bin with something to sell, as a swap meets it: bin id, volatility and fee rate there, price (Q64.64 Y for
# X); what it sells, in this order: liquidity, processed orders, open orders; what it holds of the input token;
# compute units up to and with it. A plain tuple: this is the innermost loop of every quote.
Level = tuple[int, int, int, int, int, int, int, int, int]


def arrays_in_reach(address: Pubkey, pair: Pair, extension: bytes | None) -> tuple[tuple[int, Pubkey], ...]:
    """The arrays with liquidity, with their addresses, that two swaps one after the other can come to."""
    index = pair.active_id // BINS_PER_ARRAY
    return arrays_around(address, pair.bitmap, extension, index, 2 * MAX_BIN_ARRAYS)


def references(pair: Pair, now: int) -> References:
    """The references of a swap at `now`: renewed after a quiet time, decayed after a longer one."""
    elapsed = now - pair.last_update
    if not -(2**63) <= elapsed < 2**63:
        raise refused("MathOverflow")
    if elapsed < pair.filter_period:
        return References(pair.index_reference, pair.volatility_reference)
    if elapsed >= pair.decay_period:
        return References(pair.active_id, 0)
    decayed = pair.volatility * pair.reduction_factor
    if decayed > U32_MAX:
        raise refused("MathOverflow")
    return References(pair.active_id, decayed // _BASIS_POINTS)


def base_fee_rate(pair: Pair) -> int:
    """The fixed part of the fee rate; raises SwapRefused beyond the program's 128 bits."""
    rate: int = pair.base_factor * pair.bin_step * 10 ** (pair.base_fee_power + 1)
    if rate > U128_MAX or 10**pair.base_fee_power > U128_MAX:
        raise refused("MathOverflow")
    return rate


def levels(state: State, start: References, sells_x: bool, exact_out: bool, visited: list[int]) -> Iterator[Level]:
    """Yield the bins that have something to sell, in travel order, from the active one on.

    Appends every array walked to `visited`. Ends by raising only: SwapRefused where the pool's liquidity ends,
    MissingAccounts where that at hand does, CannotLand where a transaction would.
    """
    pair = state.pair
    costs = _EXACT_OUT_COSTS if exact_out else _EXACT_IN_COSTS
    base = min(base_fee_rate(pair), _MAX_FEE_RATE)
    control = pair.variable_fee_control * pair.bin_step**2
    max_volatility = pair.max_volatility
    overflows = control * max_volatility**2 > U128_MAX
    reference_id, reference_volatility = start
    has_orders = pair.has_orders
    step = -1 if sells_x else 1
    unpack = BIN.unpack_from
    cost_bin, cost_empty = costs.bin, costs.empty_bin
    spent = costs.base + costs.token_2022 * state.token_2022_mints
    bin_id = pair.active_id
    last_volatility, rate = -1, base
    while True:
        index = next_array(pair.bitmap, state.extension, bin_id // BINS_PER_ARRAY, sells_x)
        spent += costs.array
        if len(visited) == MAX_BIN_ARRAYS:
            raise CannotLand("bin_arrays")
        data = _array(state, index, sells_x, MAX_BIN_ARRAYS - len(visited))
        visited.append(index)
        first = index * BINS_PER_ARRAY
        if bin_id // BINS_PER_ARRAY != index:
            bin_id = first + BINS_PER_ARRAY - 1 if sells_x else first
        # The first and the last array reach beyond the bins that exist.
        end = max(-1, -MAX_BIN_ID - 1 - first) if sells_x else min(BINS_PER_ARRAY, MAX_BIN_ID + 1 - first)
        for slot in range(bin_id - first, end, step):
            amount_x, amount_y, low, high, open_orders, processed, ask = unpack(data, ARRAY_HEADER + BIN_SIZE * slot)
            liquidity, opposite = (amount_y, amount_x) if sells_x else (amount_x, amount_y)
            if (open_orders or processed) and (not has_orders or (ask != 0) == sells_x):
                open_orders = processed = 0
            if not (liquidity or open_orders or processed):
                spent += cost_empty
                continue
            bin_id = first + slot
            volatility = reference_volatility + abs(reference_id - bin_id) * _BASIS_POINTS
            if volatility > max_volatility:
                volatility = max_volatility
            if control and volatility != last_volatility:
                variable = control * volatility * volatility
                if overflows and variable > U128_MAX:
                    raise refused("MathOverflow")
                rate = base + -(-variable // _VARIABLE_FEE_SCALE)
                if rate > _MAX_FEE_RATE:
                    rate = _MAX_FEE_RATE
                last_volatility = volatility
            spent += cost_bin
            if open_orders or processed:
                spent += costs.orders
            if spent > MAX_COMPUTE_UNITS:
                raise CannotLand("compute_units")
            price = low | high << 64 or bin_price(bin_id, pair.bin_step)
            yield bin_id, volatility, rate, price, liquidity, processed, open_orders, opposite, spent
        bin_id = first + end
        if abs(bin_id) > MAX_BIN_ID:
            raise refused("PairInsufficientLiquidity")


def _array(state: State, index: int, sells_x: bool, left: int) -> bytes:
    """The data of an array that the walk comes to, `left` arrays before it has to end."""
    data = state.arrays.get(index)
    if data is not None:
        return data
    if index in state.arrays:
        # Anchor's own number; a marked array always exists on the chain.
        raise SwapRefused("AccountNotInitialized", 3012)
    ahead = arrays_ahead(state.address, state.pair.bitmap, state.extension, index, sells_x, left)
    raise MissingAccounts(key for ahead_index, key in ahead if ahead_index not in state.arrays)
