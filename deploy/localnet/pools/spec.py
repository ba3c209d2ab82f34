"""What the genesis says of a pool, in base units, and what builders share."""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TypeAlias

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet.tokens import token_account

Built: TypeAlias = dict[Pubkey, Account]


@dataclass(frozen=True, slots=True)
class Token:
    """A mint of the cluster."""

    symbol: str
    mint: Pubkey
    decimals: int
    account: Account


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool to build.

    `price` is quote base units for one base base unit; `quote_depth` is what the pool holds of the quote
    token, in base units; `fee_ppm` the trading fee in millionths; `index` tells pools of one kind and pair
    apart, as the number of their fee configuration does on the real venue. `step` is the tick spacing or
    bin step and `range_bps` how far the liquidity reaches to each side of the price, where a kind has these;
    `positions` is how many of them make up a CLMM pool's liquidity.
    """

    base: Token
    quote: Token
    price: Fraction
    quote_depth: int
    fee_ppm: int
    index: int
    step: int
    range_bps: int
    positions: int = 2

    @property
    def base_depth(self) -> int:
        """Base units of the base token that are worth `quote_depth` at `price`."""
        return int(self.quote_depth / self.price)

    def sorted_pair(self) -> tuple[tuple[Token, int], tuple[Token, int]]:
        """Both tokens with their depths, ordered by mint address."""
        base, quote = (self.base, self.base_depth), (self.quote, self.quote_depth)
        return (base, quote) if bytes(self.base.mint) < bytes(self.quote.mint) else (quote, base)

    def price_of_sorted(self) -> Fraction:
        """The price of the token that `sorted_pair` names first, in base units of the other."""
        return self.price if self.sorted_pair()[0][0] is self.base else 1 / self.price

    def sqrt_price_x64(self) -> int:
        """The root of `price` in Q64.64, rounded down."""
        return sqrt_x64(self.price)


def sqrt_x64(price: Fraction) -> int:
    """The root of `price` in Q64.64, rounded down."""
    return isqrt((price.numerator << 128) // price.denominator)


def pda(program: Pubkey, *seeds: bytes | Pubkey) -> Pubkey:
    """The program-derived address of `seeds`."""
    return Pubkey.find_program_address([bytes(seed) for seed in seeds], program)[0]


def vault(token: Token, owner: Pubkey, amount: int) -> Account:
    """A pool's token account."""
    return token_account(token.mint, owner, amount, mint_data=token.account)


def record(size: int, fields: dict[int, bytes | Pubkey]) -> bytes:
    """An account's data of `size` bytes with `fields` at their offsets, zero elsewhere."""
    data = bytearray(size)
    for offset, value in fields.items():
        raw = bytes(value)
        data[offset : offset + len(raw)] = raw
    return bytes(data)


def uint(value: int, size: int) -> bytes:
    """An unsigned little-endian integer of `size` bytes."""
    return value.to_bytes(size, "little")


def int32(value: int) -> bytes:
    """A signed little-endian integer of four bytes."""
    return value.to_bytes(4, "little", signed=True)
