"""Meteora DAMM v2 (program cp-amm): one range of constant liquidity, or constant product, with dynamic fees.

The quote reads the pool account and the mints alone; the vaults only hold the tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched, owned_data
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora.damm_v2_errors import ERROR_NAMES, refused
from activities.venues.meteora.damm_v2_fees import RATE_LIMITER
from activities.venues.meteora.damm_v2_instruction import PROGRAM, Form, parse_swap, swap_instruction
from activities.venues.meteora.damm_v2_state import (
    KEYS_END,
    MINT_A,
    MINT_B,
    POOL_SIZE,
    POOL_TAG,
    State,
    read_state,
    write_state,
)
from activities.venues.meteora.damm_v2_swap import (
    COMPOUNDING,
    Fill,
    buy,
    referral_fee,
    require_settles,
    sell,
    settled,
    tracked,
)
from activities.venues.mint import Mint, decode_mint
from activities.venues.pool import (
    AccountFilter,
    Accounts,
    Clock,
    Mode,
    Pool,
    PoolKind,
    Quote,
    Swap,
    SwapCall,
    TokenTransfer,
    UserAccounts,
)

_NAME = "meteora_damm_v2"
_BY_SLOT, _BY_TIME = 0, 1
# Version 0 does not track its reserves, version 1 does.
_LAST_LAYOUT_VERSION = 1

# Executed swaps took up to 29,965 with a token program that is cheaper than the real one by about 5,000 a
# transfer, and up to 38,205 where the rate limiter solves for the input and inspects the transaction.
_COMPUTE_UNITS = 45_000
_COMPUTE_UNITS_LIMITED = 60_000

# Looked up once: an enum's members are found by a search of its class.
_EXACT_OUT, _PARTIAL_FILL = Mode.EXACT_OUT, Mode.PARTIAL_FILL


@dataclass(slots=True)
class DammV2Pool(Pool):
    """A DAMM v2 pool."""

    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    vault_a: Pubkey
    vault_b: Pubkey
    state: State

    def quote(self, swap: Swap, clock: Clock, single: bool = True) -> Quote:
        """Compute the swap by the program's own steps, refusing where and as it does.

        `single` says that the instruction lists the instructions sysvar, from which the program sees that
        it is the only swap of its transaction: it asks for that where the rate limiter applies.
        """
        amount, limit, a_to_b = swap.amount, swap.limit, swap.a_to_b
        require_u64("amount", amount)
        state, point = self._touched(clock)
        if amount == 0:
            raise refused("AmountIsZero")
        base_fee = state.base_fee
        limited = base_fee.mode == RATE_LIMITER and base_fee.limits(a_to_b, point, state.activation_point)
        if limited and not single:
            raise refused("FailToValidateSingleSwapInstruction")
        if state.collect_mode > COMPOUNDING:
            raise refused("TypeCastFailed")
        mint_in, mint_out = (self.mint_a, self.mint_b) if a_to_b else (self.mint_b, self.mint_a)
        epoch = clock.epoch
        if swap.mode is _EXACT_OUT:
            gross_out = mint_out.gross_up(amount, epoch)
            if gross_out > U64_MAX:
                raise refused("MathOverflow")
            fill = buy(state, a_to_b, gross_out, point, limited)
            if fill.amount_in == 0:
                raise refused("AmountIsZero")
            amount_in, amount_out = mint_in.gross_up(fill.amount_in, epoch), amount
            if amount_in > U64_MAX:
                raise refused("MathOverflow")
            if limit is not None and amount_in > limit:
                raise refused("ExceededSlippage")
        else:
            partly = swap.mode is _PARTIAL_FILL
            received = amount - mint_in.fee(amount, epoch)
            if received == 0:
                raise refused("AmountIsZero")
            fill = sell(state, a_to_b, received, point, limited, partly)
            if fill.amount_in == 0:
                raise refused("AmountIsZero")
            amount_in = amount
            amount_out = fill.amount_out - mint_out.fee(fill.amount_out, epoch)
            if limit is not None and amount_out < limit:
                raise refused("ExceededSlippage")
            if partly:
                # Grossed up again even when all is filled, which can come to less than was offered.
                amount_in = mint_in.gross_up(fill.amount_in, epoch)
                if amount_in > U64_MAX:
                    raise refused("MathOverflow")
        require_settles(state, fill, clock.unix_timestamp & U64_MAX)
        return Quote(
            swap,
            amount_in,
            amount_out,
            fill.fee,
            fill.fee_on_input,
            _COMPUTE_UNITS_LIMITED if limited else _COMPUTE_UNITS,
            amount_in - fill.amount_in,
            fill.amount_out - amount_out,
            0,
            fill,
        )

    def _touched(self, clock: Clock) -> tuple[State, int]:
        """The state with tracked reserves, and the pool's point in time; refused while it takes no swaps."""
        state = self.state
        point = _point(state, clock)
        if state.status != 0 or point < state.activation_point:
            raise refused("PoolDisabled")
        return state if state.layout_version == 1 else tracked(state), point

    def after(self, quote: Quote, clock: Clock, referral: bool = False) -> "DammV2Pool":
        """The pool after `quote`; a `referral` is paid from the protocol's part of the fee."""
        state, _ = self._touched(clock)
        return replace(self, state=settled(state, _fill(quote), clock.unix_timestamp & U64_MAX, referral))

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The pool account with this state."""
        (account,) = fetched(_NAME, accounts, self.address)
        data = bytearray(owned_data(_NAME, "pool", account, PROGRAM, POOL_SIZE))
        write_state(data, self.state)
        return {self.address: bytes(data)} if data != account.data else {}

    def transfers(self, quote: Quote, user: UserAccounts, referral: Pubkey | None = None) -> Sequence[TokenTransfer]:
        """Input to its vault, output from the other, then a referral's part from the vault of the fee."""
        fill, swap = _fill(quote), quote.swap
        into, out_of = (self.vault_a, self.vault_b) if swap.a_to_b else (self.vault_b, self.vault_a)
        moved = [
            TokenTransfer(user.source, into, self.mint_in(swap), quote.amount_in),
            TokenTransfer(out_of, user.destination, self.mint_out(swap), fill.amount_out),
        ]
        if referral is not None:
            vault, mint = (into, self.mint_in(swap)) if fill.fee_on_input else (out_of, self.mint_out(swap))
            moved.append(TokenTransfer(vault, referral, mint, referral_fee(self.state, fill)))
        return moved

    def instruction(self, quote: Quote, limit: int, user: UserAccounts, form: Form | None = None) -> Instruction:
        """`swap2` without referral, with the instructions sysvar where it is needed, or in another `form`."""
        require_u64("limit", limit)
        form = form or Form(introspected=_fill(quote).limited)
        return swap_instruction(self, (self.vault_a, self.vault_b), quote.swap, limit, user, form)

    def spot_price(self) -> Fraction:
        """The square of the stored price; for a compounding pool the ratio of its reserves, 0 when empty."""
        state = self.state
        if state.collect_mode == COMPOUNDING:
            return Fraction(state.reserve_b, state.reserve_a) if state.reserve_a else Fraction(0)
        return Fraction(state.range.sqrt_price**2, 1 << 128)

    def reserves(self) -> tuple[int, int]:
        """What lies between the price and the edges of the range; a compounding pool's reserves."""
        state = self.state
        if state.collect_mode == COMPOUNDING:
            return state.reserve_a, state.reserve_b
        try:
            return state.range.reserves(up=False)
        except SwapRefused:
            return 0, 0

    def unavailable(self, clock: Clock) -> str | None:
        """`unknown_layout_version`, `paused`, `not_open`, or `empty`."""
        if self.state.layout_version > _LAST_LAYOUT_VERSION:
            return "unknown_layout_version"
        if self.state.status != 0:
            return "paused"
        if _point(self.state, clock) < self.state.activation_point:
            return "not_open"
        return None if any(self.reserves()) else "empty"


def _point(state: State, clock: Clock) -> int:
    if state.activation_type == _BY_SLOT:
        return clock.slot
    if state.activation_type == _BY_TIME:
        # The program casts the clock's signed seconds to u64.
        return clock.unix_timestamp & U64_MAX
    raise refused("InvalidActivationType")


def _fill(quote: Quote) -> Fill:
    fill = quote.path
    assert isinstance(fill, Fill)
    return fill


class DammV2Kind(PoolKind):
    """Meteora DAMM v2 pools."""

    venue: ClassVar[str] = "meteora"
    name: ClassVar[str] = "damm_v2"
    program_id: ClassVar[Pubkey] = PROGRAM
    error_names: ClassVar[Mapping[int, str]] = ERROR_NAMES
    slippage_codes: ClassVar[frozenset[int]] = frozenset({6002})
    closed_codes: ClassVar[frozenset[int]] = frozenset({6003})
    changed_codes: ClassVar[frozenset[int]] = frozenset({6015, 6023})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """Two queries: a pool's creator chooses the order of its mints."""
        first, second = bytes(mint_a), bytes(mint_b)
        return tuple(
            AccountFilter(POOL_SIZE, ((0, POOL_TAG), (MINT_A, a), (MINT_B, b)))
            for a, b in ((first, second), (second, first))
        )

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """The pool and its mints."""
        if address not in known:
            return (address,)
        mint_a, mint_b, _, _ = _keys(_pool_data(address, known))
        return address, mint_a, mint_b

    def decode(self, address: Pubkey, accounts: Accounts) -> DammV2Pool:
        """Decode the pool and its mints."""
        data = _pool_data(address, accounts)
        mint_a, mint_b, vault_a, vault_b = _keys(data)
        mint_a_account, mint_b_account = fetched(_NAME, accounts, mint_a, mint_b)
        return DammV2Pool(
            address,
            decode_mint(mint_a, mint_a_account),
            decode_mint(mint_b, mint_b_account),
            vault_a,
            vault_b,
            read_state(data),
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """`swap` and `swap2`."""
        parsed = parse_swap(instruction)
        return None if parsed is None else parsed[0]


def _pool_data(address: Pubkey, accounts: Accounts) -> bytes:
    (account,) = fetched(_NAME, accounts, address)
    data = owned_data(_NAME, "pool", account, PROGRAM, POOL_SIZE)
    if not data.startswith(POOL_TAG):
        raise DecodeError(_NAME, "pool", 0, "not a Pool")
    return data


def _keys(data: bytes) -> tuple[Pubkey, ...]:
    """Mint A and B, vault A and B."""
    return _read_keys(data[MINT_A:KEYS_END])


# A pool's keys never change, and building them takes a quarter of a decode.
@lru_cache(maxsize=4096)
def _read_keys(data: bytes) -> tuple[Pubkey, ...]:
    return tuple(Pubkey(data[start : start + 32]) for start in range(0, len(data), 32))


KIND = DammV2Kind()
DammV2Pool.kind = KIND
