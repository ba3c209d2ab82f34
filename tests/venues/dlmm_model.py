"""A plain model of a DLMM swap, to check the real one against: bin by bin, in fractions, without a shortcut.

It knows liquidity and limit orders, both fee sides and the fee that rises on the way, and none of the limits of a
program: no 64-bit integers, no compute units, no accounts.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor

from tests.venues.dlmm_states import BinSpec, PairSpec


class OutOfLiquidityError(Exception):
    """The bins of the pair do not hold enough."""


@dataclass
class Swapped:
    """What a swap did: amounts at the pool, the fee, where it ended and what it left in the bins."""

    amount_in: int = 0
    amount_out: int = 0
    fee: int = 0
    active_id: int = 0
    volatility: int = 0
    bins: dict[int, BinSpec] = field(default_factory=dict)


def run(spec: PairSpec, sells_x: bool, amount: int, exact_out: bool = False) -> Swapped | None:
    """Sell `amount`, or buy it; None where the program refuses an end within limit orders."""
    result = Swapped(active_id=spec.active_id, bins=dict(spec.bins))
    index, reference = _references(spec)
    fee_on_input = spec.collect_fee_mode == 0 or not sells_x
    left = amount
    while left:
        bin_id = result.active_id
        layers = _layers(spec, result.bins.get(bin_id, BinSpec()), sells_x)
        if sum(layers):
            result.volatility = min(spec.max_volatility, reference + 10_000 * abs(index - bin_id))
            rate = _fee_rate(spec, result.volatility)
            price = Fraction(spec.price(bin_id), 2**64)
            rate_in = price if sells_x else 1 / price
            if exact_out:
                wanted = left if fee_on_input else left + ceil(left * rate / (1 - rate))
                if wanted < sum(layers):
                    parts = _split(layers, wanted)
                    cost = sum(ceil(part / rate_in) for part in parts)
                    offered = cost + (ceil(cost * rate / (1 - rate)) if fee_on_input else 0)
                else:
                    offered = None
            else:
                offered = left
            paid, fee, taken, spent = _sell(layers, offered, rate, rate_in, fee_on_input)
            given = sum(taken) - (0 if fee_on_input else fee)
            if exact_out and offered is not None:
                if sum(taken[1:]) != parts[1]:
                    return None
                if not fee_on_input:
                    fee += given - left
                given = left
            result.amount_in += spent
            result.amount_out += given
            result.fee += fee
            result.bins[bin_id] = _left(result.bins[bin_id], paid[0], taken, sells_x)
            left -= given if exact_out else spent
        if left:
            result.active_id += -1 if sells_x else 1
            if result.active_id < min(spec.bins) if sells_x else result.active_id > max(spec.bins):
                raise OutOfLiquidityError
    return result


def _references(spec: PairSpec) -> tuple[int, int]:
    accumulator, reference, index, age = spec.volatility
    filter_period, decay_period, reduction = spec.periods
    if age < filter_period:
        return index, reference
    return spec.active_id, accumulator * reduction // 10_000 if age < decay_period else 0


def _fee_rate(spec: PairSpec, volatility: int) -> Fraction:
    base = spec.base_factor * spec.bin_step * 10 * 10**spec.base_fee_power
    variable = ceil(Fraction(spec.variable_fee_control * (volatility * spec.bin_step) ** 2, 10**11))
    return Fraction(min(base + variable, 10**8), 10**9)


def _layers(spec: PairSpec, bin_spec: BinSpec, sells_x: bool) -> list[int]:
    """What the bin sells, in its order."""
    supported = spec.function_type == 2 or (spec.function_type == 0 and not any(map(any, spec.reward_mints)))
    liquidity = bin_spec.y if sells_x else bin_spec.x
    if not supported or bin_spec.ask is sells_x:
        return [liquidity, 0, 0]
    return [liquidity, bin_spec.processed, bin_spec.orders]


def _split(layers: list[int], amount: int) -> list[int]:
    parts = []
    for layer in layers:
        parts.append(min(layer, amount - sum(parts)))
    return parts


def _sell(
    layers: list[int], offered: int | None, rate: Fraction, rate_in: Fraction, fee_on_input: bool
) -> tuple[list[int], int, list[int], int]:
    """Sell `offered` (None for as much as it takes) to a bin: paid and taken by layer, fee, input with its fee."""
    fee = ceil(offered * rate) if fee_on_input and offered is not None else 0
    left = None if offered is None else offered - fee
    paid, taken = [], []
    for layer in layers:
        cost = ceil(layer / rate_in)
        whole = left is None or left >= cost
        paid.append(cost if whole else left or 0)
        taken.append(layer if whole else floor((left or 0) * rate_in))
        left = None if left is None else left - paid[-1]
    spent = offered
    if left is None or left > 0:
        fee = ceil(sum(paid) * rate / (1 - rate)) if fee_on_input else 0
        spent = sum(paid) + fee
    assert spent is not None
    if not fee_on_input:
        fee = ceil(sum(taken) * rate)
    return paid, fee, taken, spent


def _left(bin_spec: BinSpec, paid: int, taken: list[int], sells_x: bool) -> BinSpec:
    liquidity, processed, orders = taken
    result = replace(bin_spec, processed=bin_spec.processed - processed)
    if orders:
        result = replace(result, orders=0, processed=bin_spec.orders - orders)
    if sells_x:
        return replace(result, x=bin_spec.x + paid, y=bin_spec.y - liquidity)
    return replace(result, x=bin_spec.x - liquidity, y=bin_spec.y + paid)
