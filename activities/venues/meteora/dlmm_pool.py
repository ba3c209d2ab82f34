"""A Meteora DLMM pool: quotes, next states and instructions of one pair. Token X is A, token Y is B."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.fetched import fetched
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora import dlmm_instruction
from activities.venues.meteora.dlmm_bins import PRICE_BITS, arrays_ahead, bin_price
from activities.venues.meteora.dlmm_curve import DlmmCurve
from activities.venues.meteora.dlmm_errors import refused
from activities.venues.meteora.dlmm_layout import (
    ACTIVATION_BY_TIME,
    ARRAY_HEADER,
    BIN,
    BIN_SIZE,
    BINS_PER_ARRAY,
    GATED_PAIR_TYPES,
    LAST_FUNCTION_TYPE,
    LAST_PAIR_TYPE,
    NAME,
    STATUS_DISABLED,
    STATUS_ENABLED,
    bin_array_address,
    extension_address,
)
from activities.venues.meteora.dlmm_next import (
    same_bins,
    state_after,
    written_array,
    written_extension,
    written_pair,
)
from activities.venues.meteora.dlmm_swap import Walk, collects_on_input, walk
from activities.venues.meteora.dlmm_walk import MAX_BIN_ARRAYS, State, arrays_in_reach
from activities.venues.mint import Mint
from activities.venues.pool import (
    Accounts,
    Clock,
    Mode,
    Pool,
    PoolKind,
    Quote,
    Swap,
    TokenTransfer,
    UserAccounts,
)

# Arrays passed beyond those walked, where fetched, for a price that moves before the swap lands.
_SPARE_ARRAYS = 2


@dataclass(frozen=True, slots=True, eq=False)
class DlmmPool(Pool):
    """A pair in `state`; `data` is its account, which the fields of `state` were read from."""

    kind: ClassVar[PoolKind]
    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    data: bytes
    state: State

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DlmmPool):
            return NotImplemented
        mine, theirs = self.state, other.state
        return (
            (self.address, self.mint_a, self.mint_b) == (other.address, other.mint_a, other.mint_b)
            and (mine.pair, mine.extension) == (theirs.pair, theirs.extension)
            and mine.arrays.keys() == theirs.arrays.keys()
            and all(
                same_bins(data, theirs.arrays[index], index, mine.pair.bin_step) for index, data in mine.arrays.items()
            )
        )

    def __hash__(self) -> int:
        return hash((self.address, self.state.pair))

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        if swap.mode is Mode.PARTIAL_FILL:
            raise SwapRefused("mode_not_offered")
        require_u64("amount", swap.amount)
        if swap.amount == 0:
            raise refused("InvalidInput")
        self.check_open(clock)
        path = self._exact_out(swap, clock) if swap.mode is Mode.EXACT_OUT else self._exact_in(swap, clock)
        mint_in, mint_out, epoch = self.mint_in(swap), self.mint_out(swap), clock.epoch
        amount_in = swap.amount if swap.mode is Mode.EXACT_IN else mint_in.gross_up(path.amount_in, epoch)
        if amount_in > U64_MAX:
            raise refused("MathOverflow")
        transfer_fee_out = mint_out.fee(path.amount_out, epoch)
        amount_out = path.amount_out - transfer_fee_out
        if amount_out == 0:
            raise refused("InsufficientOutAmount")
        if swap.mode is Mode.EXACT_IN and swap.limit is not None and amount_out < swap.limit:
            raise refused("ExceededAmountSlippageTolerance")
        return Quote(
            swap,
            amount_in,
            amount_out,
            path.fee,
            fee_on_input=collects_on_input(self.state.pair.collect_fee_mode, swap.a_to_b),
            compute_units=path.compute_units,
            transfer_fee_in=mint_in.fee(amount_in, epoch),
            transfer_fee_out=transfer_fee_out,
            crossings=len(path.taken),
            path=path,
        )

    def _exact_in(self, swap: Swap, clock: Clock) -> Walk:
        amount = swap.amount - self.mint_in(swap).fee(swap.amount, clock.epoch)
        if amount == 0:
            raise refused("InsufficientOutAmount")
        return walk(self.state, swap.a_to_b, clock.unix_timestamp, amount, exact_out=False)

    def _exact_out(self, swap: Swap, clock: Clock) -> Walk:
        amount = self.mint_out(swap).gross_up(swap.amount, clock.epoch)
        if amount > U64_MAX:
            raise refused("MathOverflow")
        budget = swap.limit
        if budget is not None:
            # The program spends what arrives of the limit, its transfer fee taken off (event `amount_left`).
            budget -= self.mint_in(swap).fee(budget, clock.epoch)
        return walk(self.state, swap.a_to_b, clock.unix_timestamp, amount, exact_out=True, budget=budget)

    def after(self, quote: Quote, clock: Clock) -> "DlmmPool":
        data, state = state_after(self.data, self.state, _path(quote), quote.swap.a_to_b, clock.unix_timestamp)
        near = arrays_in_reach(self.address, state.pair, state.extension)
        arrays = {index: state.arrays[index] for index, _ in near if index in state.arrays}
        return DlmmPool(self.address, self.mint_a, self.mint_b, data, state._replace(arrays=arrays))

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        address, state = self.address, self.state
        results = {address: written_pair(_given(address, accounts), self.data)}
        if state.extension is not None:
            key = extension_address(address)
            results[key] = written_extension(_given(key, accounts), state.extension)
        for index, data in state.arrays.items():
            if data is not None:
                key = bin_array_address(address, index)
                results[key] = written_array(_given(key, accounts), data)
        return {key: data for key, data in results.items() if data != _given(key, accounts)}

    def curve(self, a_to_b: bool, clock: Clock) -> DlmmCurve:
        """The outputs for any input in this state; raises SwapRefused where no input at all is taken."""
        self.check_open(clock)
        mint_in, mint_out = (self.mint_a, self.mint_b) if a_to_b else (self.mint_b, self.mint_a)
        return DlmmCurve(self.state, a_to_b, clock, mint_in, mint_out)

    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        swap = quote.swap
        reserve_x, reserve_y = self._reserve_keys()
        reserve_in, reserve_out = (reserve_x, reserve_y) if swap.a_to_b else (reserve_y, reserve_x)
        return (
            TokenTransfer(user.source, reserve_in, self.mint_in(swap), quote.amount_in),
            TokenTransfer(reserve_out, user.destination, self.mint_out(swap), _path(quote).amount_out),
        )

    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        swap, path, state = quote.swap, _path(quote), self.state
        exact_out = swap.mode is Mode.EXACT_OUT
        return dlmm_instruction.build(
            self.address,
            state.pair,
            (self.mint_a, self.mint_b),
            state.extension is not None,
            (*path.arrays, *self._spare_arrays(path, swap.a_to_b)),
            swap.mode,
            (limit, swap.amount) if exact_out else (swap.amount, limit),
            user,
        )

    def _spare_arrays(self, path: Walk, sells_x: bool) -> list[int]:
        """The arrays after those of `path` that the instruction passes too."""
        state = self.state
        count = min(_SPARE_ARRAYS, MAX_BIN_ARRAYS - len(path.arrays))
        start = path.arrays[-1] + (-1 if sells_x else 1)
        ahead = arrays_ahead(self.address, state.pair.bitmap, state.extension, start, sells_x, count)
        return [index for index, _ in ahead if state.arrays.get(index) is not None]

    def spot_price(self) -> Fraction:
        pair = self.state.pair
        index, slot = divmod(pair.active_id, BINS_PER_ARRAY)
        data = self.state.arrays.get(index)
        price = 0
        if data is not None:
            _, _, low, high, *_ = BIN.unpack_from(data, ARRAY_HEADER + BIN_SIZE * slot)
            price = low | high << 64
        return Fraction(price or bin_price(pair.active_id, pair.bin_step), 1 << PRICE_BITS)

    def reserves(self) -> tuple[int, int]:
        reserve_x = reserve_y = 0
        has_orders = self.state.pair.has_orders
        for data in self.state.arrays.values():
            for amount_x, amount_y, _, _, opened, processed, ask in BIN.iter_unpack((data or b"")[ARRAY_HEADER:]):
                reserve_x += amount_x
                reserve_y += amount_y
                if has_orders and ask:
                    reserve_x += opened + processed
                elif has_orders:
                    reserve_y += opened + processed
        return reserve_x, reserve_y

    def unavailable(self, clock: Clock) -> str | None:
        closed = self._closed(clock)
        if closed is not None:
            return closed
        state = self.state
        near = arrays_in_reach(self.address, state.pair, state.extension)
        if all(index in state.arrays for index, _ in near) and self.reserves() == (0, 0):
            return "empty"
        return None

    def _closed(self, clock: Clock) -> str | None:
        pair = self.state.pair
        if pair.status != STATUS_ENABLED:
            return "paused"
        if pair.pair_type in GATED_PAIR_TYPES:
            now = clock.unix_timestamp if pair.activation_type == ACTIVATION_BY_TIME else clock.slot
            if now < pair.activation_point:
                return "not_open"
        return None

    def check_open(self, clock: Clock) -> None:
        """Raise the program's refusal where nobody but the pre-activation address may swap now."""
        pair = self.state.pair
        if pair.status > STATUS_DISABLED or pair.function_type > LAST_FUNCTION_TYPE:
            raise refused("TypeCastFailed")
        if pair.pair_type > LAST_PAIR_TYPE:
            raise refused("InvalidPoolType")
        if pair.activation_type > ACTIVATION_BY_TIME:
            raise refused("InvalidActivationType")
        if self._closed(clock) is not None:
            raise refused("PoolDisabled")

    def _reserve_keys(self) -> tuple[Pubkey, Pubkey]:
        pair = self.state.pair
        return Pubkey.from_bytes(pair.reserve_x), Pubkey.from_bytes(pair.reserve_y)


def _given(key: Pubkey, accounts: Accounts) -> bytes:
    (account,) = fetched(NAME, accounts, key)
    return account.data


def _path(quote: Quote) -> Walk:
    """The walk of a quote that a DLMM pool made; SwapRefused for any other quote."""
    if not isinstance(quote.path, Walk):
        raise SwapRefused("foreign_quote")
    return quote.path
