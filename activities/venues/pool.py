"""The one interface of all pool kinds: account needs, decoding, quotes, instructions, next states.

Pure: accounts and the chain's clock come in, integers and bytes go out. A kind is one file with a
`PoolKind` and its `Pool`; `activities.venues.kinds` lists them.

Amounts are base units, measured at the user's token accounts: `amount_in` is what leaves the user's
account (an input transfer fee included), `amount_out` what arrives (an output transfer fee taken off).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import ClassVar, NamedTuple

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.curve import Curve, QuotedCurve
from activities.venues.mint import Mint

# The most compute units one transaction may ask for (Solana runtime, MAX_COMPUTE_UNIT_LIMIT).
MAX_COMPUTE_UNITS = 1_400_000


@dataclass(frozen=True, slots=True)
class Account:
    """An account as an RPC node returned it."""

    owner: Pubkey
    lamports: int
    data: bytes


# A key that maps to None was fetched and does not exist; an absent key was not fetched.
Accounts = Mapping[Pubkey, Account | None]


@dataclass(frozen=True, slots=True)
class Clock:
    """The chain's clock sysvar at the slot of the accounts; `unix_timestamp` in seconds."""

    slot: int
    epoch: int
    unix_timestamp: int


class Mode(StrEnum):
    """Which side of the swap is fixed."""

    EXACT_IN = "exact_in"
    EXACT_OUT = "exact_out"
    # Sell as much of the amount as the pool's range can take (Meteora DAMM v2 only).
    PARTIAL_FILL = "partial_fill"


@dataclass(frozen=True, slots=True)
class Swap:
    """What is asked of a pool.

    `amount` is the input for EXACT_IN, the wanted output for EXACT_OUT. `limit` is the least output
    (EXACT_IN) or the most input (EXACT_OUT) and is checked where, and against what, the program checks
    it; None skips the check. `sqrt_price_limit` is Raydium CLMM's Q64.64 stop price, 0 for none.
    """

    a_to_b: bool
    mode: Mode
    amount: int
    limit: int | None = None
    sqrt_price_limit: int = 0


class Quote(NamedTuple):
    """What the program would do with `swap` in the state it was asked of, to the unit.

    `fee` is the pool's whole trading fee (base and variable, LP, protocol and creator parts together),
    in base units of the input token when `fee_on_input`, else of the output token; `other_fee` is what
    is taken on the other side as well (only Raydium CPMM's creator fee does that). `transfer_fee_in` and
    `transfer_fee_out` are Token-2022 fees, in their own token. `crossings` counts ticks or bins.
    `compute_units` estimates the swap instruction alone. `path` is the kind's own record of the walk,
    from which `Pool.after` and `Pool.instruction` go on.
    """

    swap: Swap
    amount_in: int
    amount_out: int
    fee: int
    fee_on_input: bool
    compute_units: int
    transfer_fee_in: int = 0
    transfer_fee_out: int = 0
    crossings: int = 0
    path: object = None
    other_fee: int = 0


@dataclass(frozen=True, slots=True)
class UserAccounts:
    """The trader's side of a swap instruction: signer and its token accounts for input and output."""

    owner: Pubkey
    source: Pubkey
    destination: Pubkey


@dataclass(frozen=True, slots=True)
class SwapCall:
    """A swap instruction taken apart again: which pool, by whom, how much, with which limit.

    The direction follows from the mint of the `source` token account.
    """

    pool: Pubkey
    user: UserAccounts
    mode: Mode
    amount: int
    limit: int
    sqrt_price_limit: int = 0


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """One token movement of a swap; `amount` is gross, before the mint's transfer fee."""

    source: Pubkey
    destination: Pubkey
    mint: Mint
    amount: int


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """A `getProgramAccounts` query: exact data size (None for any) and (offset, bytes) comparisons."""

    data_size: int | None
    memcmp: tuple[tuple[int, bytes], ...]

    def matches(self, data: bytes) -> bool:
        """Whether an account with this data would be among the answers."""
        return self.data_size in (None, len(data)) and all(
            data[offset : offset + len(value)] == value for offset, value in self.memcmp
        )


class Pool(ABC):
    """A decoded pool: immutable, equal when every field that a quote reads is equal.

    Every method raises only errors of `activities.venues.errors`.
    """

    __slots__ = ()

    kind: ClassVar["PoolKind"]
    address: Pubkey
    mint_a: Mint
    mint_b: Mint

    @abstractmethod
    def quote(self, swap: Swap, clock: Clock) -> Quote:
        """Compute the swap exactly.

        Raises SwapRefused with the program's code, CannotLand, or MissingAccounts when the walk runs
        past the accounts that were given to `decode`.
        """

    @abstractmethod
    def after(self, quote: Quote, clock: Clock) -> "Pool":
        """The pool as the program leaves it after a `quote` made by this very pool at `clock`."""

    @abstractmethod
    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The data of every account that this state differs in from `accounts`, token vaults excepted.

        Vault balances change by `transfers`; everything else that a quote reads is written here into
        copies of the given bytes, other bytes untouched.
        """

    @abstractmethod
    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        """The token movements of the swap, in the program's order."""

    @abstractmethod
    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """The swap instruction for `quote` guarded by `limit` (least output or most input, base units)."""

    def limit_for(self, quote: Quote, least_out: int) -> int:
        """The limit to put into the instruction of an exact-in `quote`: the user receives at least `least_out`."""
        return least_out

    @abstractmethod
    def spot_price(self) -> Fraction:
        """Marginal price without fees: base units of B for one base unit of A."""

    @abstractmethod
    def reserves(self) -> tuple[int, int]:
        """Tradable base units of A and of B that the decoded state holds (for depth and emptiness)."""

    @abstractmethod
    def unavailable(self, clock: Clock) -> str | None:
        """Why no swap can run now (`paused`, `not_open`, `empty`, …), or None when one can."""

    def amount_out(self, a_to_b: bool, amount_in: int, clock: Clock) -> int:
        """The output of an exact-in swap without limits; raises as `quote` does."""
        return self.quote(Swap(a_to_b, Mode.EXACT_IN, amount_in), clock).amount_out

    def curve(self, a_to_b: bool, clock: Clock) -> Curve:
        """The outputs for any input in this state; kinds that walk precompute it."""
        return QuotedCurve(self, a_to_b, clock)

    def mint_in(self, swap: Swap) -> Mint:
        """The mint that the swap sells."""
        return self.mint_a if swap.a_to_b else self.mint_b

    def mint_out(self, swap: Swap) -> Mint:
        """The mint that the swap buys."""
        return self.mint_b if swap.a_to_b else self.mint_a


class PoolKind(ABC):
    """One program's pools: how to find, fetch, decode and recognise them."""

    # "raydium" or "meteora".
    venue: ClassVar[str]
    # "cpmm", "amm_v4", "clmm", "dlmm", "damm_v1", "damm_v2".
    name: ClassVar[str]
    program_id: ClassVar[Pubkey]
    # The program's custom error numbers by name, for turning a failed transaction into a reason.
    error_names: ClassVar[Mapping[int, str]]
    # Codes that say the price moved beyond the limit, and codes that say the pool takes no swaps now.
    slippage_codes: ClassVar[frozenset[int]] = frozenset()
    closed_codes: ClassVar[frozenset[int]] = frozenset()
    # Codes that say the pool is no longer what the swap was made for: liquidity gone, walk past the accounts given.
    changed_codes: ClassVar[frozenset[int]] = frozenset()
    # Codes that say the trader's own account does not hold the amount.
    unfunded_codes: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """The queries that together find every pool of the two mints, in either order."""

    @abstractmethod
    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """All keys to fetch for the pool, itself included, as far as `known` tells.

        Ask again with what came back until nothing new appears (at most three rounds); the keys then
        stay good for later slots and one `getMultipleAccounts` fetches them. Walked accounts (tick and
        bin arrays) near the price are included: of the direction `a_to_b`, or of both when None.
        Raises DecodeError or Unsupported on what is not a pool of this kind.
        """

    @abstractmethod
    def decode(self, address: Pubkey, accounts: Accounts) -> Pool:
        """Decode the pool from accounts fetched at one slot.

        Raises DecodeError (any bytes whatever end in it or decode), Unsupported, or MissingAccounts.
        """

    @abstractmethod
    def parse(self, instruction: Instruction) -> SwapCall | None:
        """Take a swap instruction of this program apart, every form the program accepts.

        None when the instruction is not a swap; DecodeError when it is one and malformed.
        """
