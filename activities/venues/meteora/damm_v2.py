"""Meteora DAMM v2 (program cp-amm): one range of constant liquidity, or constant product, with dynamic fees.

The quote reads the pool account and the mints alone; the vaults only hold the tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, NamedTuple

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched, owned_data
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora.damm_v2_curve import Range
from activities.venues.meteora.damm_v2_errors import ERROR_NAMES, refused
from activities.venues.meteora.damm_v2_instruction import PROGRAM, Form, parse_swap, swap_instruction
from activities.venues.meteora.damm_v2_state import (
    KEYS_END,
    MINT_A,
    MINT_B,
    POOL_SIZE,
    POOL_TAG,
    VAULT_A,
    VAULT_B,
    State,
    Terms,
    read_pool,
    write_pool,
)
from activities.venues.meteora.damm_v2_swap import COMPOUNDING, Fill, Venue, split_fee, tracked
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

# Executed swaps took up to 29,965 with a token program that is cheaper than the real one by about 5,000 a
# transfer, and up to 38,205 where the rate limiter solves for the input and inspects the transaction.
_COMPUTE_UNITS = 45_000
_COMPUTE_UNITS_LIMITED = 60_000


class Path(NamedTuple):
    """The record of a quote: what moved, and the state that it leaves."""

    fill: Fill
    state: State
    limited: bool


@dataclass(slots=True)
class DammV2Pool(Pool):
    """A DAMM v2 pool."""

    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    vault_a: Pubkey
    vault_b: Pubkey
    terms: Terms
    state: State

    def quote(self, swap: Swap, clock: Clock, single: bool = True) -> Quote:
        """Compute the swap by the program's own steps, refusing where and as it does.

        `single` says that the instruction lists the instructions sysvar, from which the program sees that
        it is the only swap of its transaction: it asks for that where the rate limiter applies.
        """
        amount, limit, terms = swap.amount, swap.limit, self.terms
        require_u64("amount", amount)
        point = self._point(clock)
        if terms.status != 0 or point < terms.activation_point:
            raise refused("PoolDisabled")
        state = tracked(terms, self.state)
        if amount == 0:
            raise refused("AmountIsZero")
        limited = terms.base_fee.limits(swap.a_to_b, point, terms.activation_point)
        if limited and not single:
            raise refused("FailToValidateSingleSwapInstruction")
        if terms.collect_mode > COMPOUNDING:
            raise refused("TypeCastFailed")
        mint_in, mint_out = (self.mint_a, self.mint_b) if swap.a_to_b else (self.mint_b, self.mint_a)
        epoch = clock.epoch
        venue = Venue(terms, state, swap.a_to_b, point, limited)
        if swap.mode is Mode.EXACT_OUT:
            gross_out = mint_out.gross_up(amount, epoch)
            if gross_out > U64_MAX:
                raise refused("MathOverflow")
            fill = venue.buy(gross_out)
            amount_in, amount_out = mint_in.gross_up(fill.amount_in, epoch), amount
            if amount_in > U64_MAX:
                raise refused("MathOverflow")
            if limit is not None and amount_in > limit:
                raise refused("ExceededSlippage")
        else:
            partly = swap.mode is Mode.PARTIAL_FILL
            received = amount - mint_in.fee(amount, epoch)
            if received == 0:
                raise refused("AmountIsZero")
            fill = venue.sell(received, partly)
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
        path = Path(fill, venue.settled(fill, clock.unix_timestamp & U64_MAX), limited)
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
            path,
        )

    def _point(self, clock: Clock) -> int:
        kind = self.terms.activation_type
        if kind == _BY_SLOT:
            return clock.slot
        if kind == _BY_TIME:
            # The program casts the clock's signed seconds to u64.
            return clock.unix_timestamp & U64_MAX
        raise refused("InvalidActivationType")

    def after(self, quote: Quote, clock: Clock, referral: bool = False) -> "DammV2Pool":
        """The pool after `quote`; a `referral` is paid from the protocol's part of the fee."""
        path = quote.path
        assert isinstance(path, Path)
        state, fill = path.state, path.fill
        if referral:
            paid = self._referral_fee(fill)
            if fill.a_to_b or fill.fee_on_input:
                state = state._replace(protocol_b=state.protocol_b - paid)
            else:
                state = state._replace(protocol_a=state.protocol_a - paid)
        return replace(self, state=state)

    def _referral_fee(self, fill: Fill) -> int:
        return split_fee(self.terms, fill.fee).protocol * self.terms.referral_percent // 100

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The pool account with this state."""
        (account,) = fetched(_NAME, accounts, self.address)
        data = bytearray(owned_data(_NAME, "pool", account, PROGRAM, POOL_SIZE))
        write_pool(data, self.state)
        return {self.address: bytes(data)} if data != account.data else {}

    def transfers(self, quote: Quote, user: UserAccounts, referral: Pubkey | None = None) -> Sequence[TokenTransfer]:
        """Input to its vault, output from the other, then a referral's part from the vault of the fee."""
        path = quote.path
        assert isinstance(path, Path)
        fill, swap = path.fill, quote.swap
        into, out_of = (self.vault_a, self.vault_b) if swap.a_to_b else (self.vault_b, self.vault_a)
        moved = [
            TokenTransfer(user.source, into, self.mint_in(swap), quote.amount_in),
            TokenTransfer(out_of, user.destination, self.mint_out(swap), fill.amount_out),
        ]
        if referral is not None:
            vault, mint = (into, self.mint_in(swap)) if fill.fee_on_input else (out_of, self.mint_out(swap))
            moved.append(TokenTransfer(vault, referral, mint, self._referral_fee(fill)))
        return moved

    def instruction(self, quote: Quote, limit: int, user: UserAccounts, form: Form | None = None) -> Instruction:
        """`swap2` without referral, with the instructions sysvar where it is needed, or in another `form`."""
        require_u64("limit", limit)
        path = quote.path
        assert isinstance(path, Path)
        form = form or Form(introspected=path.limited)
        return swap_instruction(self, (self.vault_a, self.vault_b), quote.swap, limit, user, form)

    def spot_price(self) -> Fraction:
        """The square of the stored price; for a compounding pool the ratio of its reserves."""
        if self.terms.collect_mode == COMPOUNDING:
            return Fraction(self.state.reserve_b, self.state.reserve_a) if self.state.reserve_a else Fraction(0)
        return Fraction(self.state.sqrt_price**2, 1 << 128)

    def reserves(self) -> tuple[int, int]:
        """What lies between the price and the edges of the range; a compounding pool's reserves."""
        terms, state = self.terms, self.state
        if terms.collect_mode == COMPOUNDING:
            return state.reserve_a, state.reserve_b
        try:
            return Range(terms.lowest, terms.highest, state.sqrt_price, terms.liquidity).reserves(up=False)
        except SwapRefused:
            return 0, 0

    def unavailable(self, clock: Clock) -> str | None:
        """`paused`, `not_open`, or `empty`."""
        if self.terms.status != 0:
            return "paused"
        if self._point(clock) < self.terms.activation_point:
            return "not_open"
        return None if any(self.reserves()) else "empty"


class DammV2Kind(PoolKind):
    """Meteora DAMM v2 pools."""

    venue: ClassVar[str] = "meteora"
    name: ClassVar[str] = "damm_v2"
    program_id: ClassVar[Pubkey] = PROGRAM
    error_names: ClassVar[Mapping[int, str]] = ERROR_NAMES
    slippage_codes: ClassVar[frozenset[int]] = frozenset({6002})
    closed_codes: ClassVar[frozenset[int]] = frozenset({6003})

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
        data = _pool_data(address, known)
        return address, Pubkey(data[MINT_A:MINT_B]), Pubkey(data[MINT_B:VAULT_A])

    def decode(self, address: Pubkey, accounts: Accounts) -> DammV2Pool:
        """Decode the pool and its mints."""
        data = _pool_data(address, accounts)
        mint_a, mint_b = Pubkey(data[MINT_A:MINT_B]), Pubkey(data[MINT_B:VAULT_A])
        mint_a_account, mint_b_account = fetched(_NAME, accounts, mint_a, mint_b)
        terms, state = read_pool(data)
        return DammV2Pool(
            address,
            decode_mint(mint_a, mint_a_account),
            decode_mint(mint_b, mint_b_account),
            Pubkey(data[VAULT_A:VAULT_B]),
            Pubkey(data[VAULT_B:KEYS_END]),
            terms,
            state,
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """`swap` and `swap2`."""
        parsed = parse_swap(instruction)
        return None if parsed is None else parsed[0]


def _pool_data(address: Pubkey, accounts: Accounts) -> bytes:
    (account,) = fetched(_NAME, accounts, address)
    data = owned_data(_NAME, "pool", account, PROGRAM, POOL_SIZE)
    if data[:8] != POOL_TAG:
        raise DecodeError(_NAME, "pool", 0, "not a Pool")
    return data


KIND = DammV2Kind()
DammV2Pool.kind = KIND
