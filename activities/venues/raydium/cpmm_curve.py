"""The constant-product curve of Raydium CPMM with its fees, on plain integers.

Follows `curve/calculator.rs` and `curve/fees.rs` of raydium-io/raydium-cp-swap. Amounts are base units
without transfer fees, rates are over 1,000,000. An intermediate beyond the program's u128 is refused: with
6006 where the program reports it, without a code where it panics.
"""

from typing import NamedTuple

from activities.venues.errors import SwapRefused
from activities.venues.integers import U128_MAX

_RATE = 1_000_000


class Rates(NamedTuple):
    """The fee rates of a swap: `trade` and `creator` of the amounts, `protocol` and `fund` of the trade fee."""

    trade: int
    protocol: int
    fund: int
    creator: int

    def shares(self, trade_fee: int) -> tuple[int, int]:
        """What protocol and fund take of a trade fee, each rounded down."""
        return trade_fee * self.protocol // _RATE, trade_fee * self.fund // _RATE


class CurveSwap(NamedTuple):
    """One swap on the curve.

    `amount_in` holds all fees on the input, `amount_out` is what the pool sends; `trade_fee` is in the
    input token, `creator_fee` in the input or the output token, by the pool's setting.
    """

    amount_in: int
    amount_out: int
    trade_fee: int
    creator_fee: int


def exact_in(amount_in: int, reserve_in: int, reserve_out: int, rates: Rates, creator_on_input: bool) -> CurveSwap:
    """Sell `amount_in`; fees round up, the output rounds down."""
    trade_rate, creator_rate = rates.trade, rates.creator
    if creator_on_input:
        # One rounding of the combined rate, then the creator's part of it.
        rate = trade_rate + creator_rate
        if rate == 0:
            raise SwapRefused("ZeroTradingTokens", 6006)
        fee = -(-amount_in * rate // _RATE)
        creator_fee = fee * creator_rate // rate
        trade_fee = fee - creator_fee
    else:
        trade_fee = fee = -(-amount_in * trade_rate // _RATE)
    net = amount_in - fee
    if net < 0:
        raise SwapRefused("ZeroTradingTokens", 6006)
    amount_out = net * reserve_out // (reserve_in + net)
    if not creator_on_input:
        creator_fee = -(-amount_out * creator_rate // _RATE)
        amount_out -= creator_fee
        if amount_out < 0:
            raise SwapRefused("ZeroTradingTokens", 6006)
    return CurveSwap(amount_in, amount_out, trade_fee, creator_fee)


def exact_out(amount_out: int, reserve_in: int, reserve_out: int, rates: Rates, creator_on_input: bool) -> CurveSwap:
    """Buy `amount_out`; every step rounds against the buyer."""
    trade_rate, creator_rate = rates.trade, rates.creator
    curve_out = amount_out
    if not creator_on_input and creator_rate:
        if creator_rate >= _RATE:
            raise SwapRefused("ZeroTradingTokens", 6006)
        curve_out = -(-amount_out * _RATE // (_RATE - creator_rate))
    if curve_out >= reserve_out:
        raise SwapRefused("output_reserve_exceeded")
    net = -(-reserve_in * curve_out // (reserve_out - curve_out))
    rate = trade_rate + creator_rate if creator_on_input else trade_rate
    amount_in = net
    if rate:
        if rate >= _RATE or net * _RATE + _RATE - rate > U128_MAX:
            raise SwapRefused("input_fee_overflow")
        amount_in = -(-net * _RATE // (_RATE - rate))
    trade_fee = amount_in - net
    creator_fee = curve_out - amount_out
    if creator_on_input:
        if rate == 0 or trade_fee * creator_rate > U128_MAX:
            raise SwapRefused("ZeroTradingTokens", 6006)
        creator_fee = trade_fee * creator_rate // rate
        trade_fee -= creator_fee
    if trade_fee * max(rates.protocol, rates.fund) > U128_MAX:
        raise SwapRefused("ZeroTradingTokens", 6006)
    return CurveSwap(amount_in, amount_out, trade_fee, creator_fee)
