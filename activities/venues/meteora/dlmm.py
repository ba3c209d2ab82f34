"""Meteora DLMM: liquidity in price bins with a fee that rises with volatility, program LBUZKhRx….

Facts: the program's public IDL (lb_clmm 0.12.0), the source that dlmm-sdk published until 2025, and runs of
the 0.12 binary. Token X is A, token Y is B. On-chain limit orders are part of what a bin sells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused
from activities.venues.fetched import fetched
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora import dlmm_instruction
from activities.venues.meteora.dlmm_bins import PRICE_BITS, arrays_ahead, arrays_around, bin_price
from activities.venues.meteora.dlmm_curve import DlmmCurve
from activities.venues.meteora.dlmm_errors import ERROR_NAMES, refused
from activities.venues.meteora.dlmm_layout import (
    ACTIVATION_BY_TIME,
    ARRAY_HEADER,
    BIN,
    BIN_SIZE,
    BINS_PER_ARRAY,
    GATED_PAIR_TYPES,
    LAST_PAIR_TYPE,
    NAME,
    PAIR_DISCRIMINATOR,
    PAIR_MINT_X,
    PAIR_MINT_Y,
    PAIR_SIZE,
    PROGRAM,
    STATUS_DISABLED,
    STATUS_ENABLED,
    Pair,
    bin_array_address,
    check_array,
    extension_address,
    read_extension,
    read_pair,
)
from activities.venues.meteora.dlmm_next import arrays_after, pair_after, same_bins, written_array, written_pair
from activities.venues.meteora.dlmm_swap import Walk, collects_on_input, walk
from activities.venues.meteora.dlmm_walk import MAX_BIN_ARRAYS, State
from activities.venues.mint import TOKEN_2022_PROGRAM, Mint, decode_mint
from activities.venues.pool import (
    Account,
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

# Arrays fetched per direction: some hundred bins, where nearly every swap ends. A longer walk asks for more.
_ARRAYS_FETCHED = 3
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
        exact_out = swap.mode is Mode.EXACT_OUT
        if swap.mode is Mode.PARTIAL_FILL:
            raise SwapRefused("mode_not_offered")
        require_u64("amount", swap.amount)
        self.check_open(clock)
        epoch = clock.epoch
        mint_in, mint_out = self.mint_in(swap), self.mint_out(swap)
        amount = swap.amount
        amount = mint_out.gross_up(amount, epoch) if exact_out else amount - mint_in.fee(amount, epoch)
        if amount > U64_MAX:
            raise refused("MathOverflow")
        if amount == 0:
            raise refused("InsufficientOutAmount")
        path = walk(self.state, swap.a_to_b, clock.unix_timestamp, amount, exact_out)
        amount_in = mint_in.gross_up(path.amount_in, epoch) if exact_out else swap.amount
        if amount_in > U64_MAX:
            raise refused("MathOverflow")
        transfer_fee_out = mint_out.fee(path.amount_out, epoch)
        amount_out = path.amount_out - transfer_fee_out
        if amount_out == 0:
            raise refused("InsufficientOutAmount")
        if swap.limit is not None:
            self._check_limit(swap, swap.limit, path, amount_out, epoch)
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

    def after(self, quote: Quote, clock: Clock) -> "DlmmPool":
        path, state = _path(quote), self.state
        data = pair_after(self.data, path, clock.unix_timestamp)
        pair = read_pair(data)
        arrays = arrays_after(state.arrays, path, quote.swap.a_to_b, pair.bin_step)
        near = _arrays_in_reach(self.address, pair, state.extension)
        arrays = {index: arrays[index] for index, _ in near if index in arrays}
        return DlmmPool(self.address, self.mint_a, self.mint_b, data, state._replace(pair=pair, arrays=arrays))

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        results = {}
        (given,) = fetched(NAME, accounts, self.address)
        data = written_pair(given.data, self.data)
        if data != given.data:
            results[self.address] = data
        for index, state in self.state.arrays.items():
            if state is not None:
                key = bin_array_address(self.address, index)
                (given,) = fetched(NAME, accounts, key)
                data = written_array(given.data, state)
                if data != given.data:
                    results[key] = data
        return results

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
        near = _arrays_in_reach(self.address, state.pair, state.extension)
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
        if (
            pair.status > STATUS_DISABLED
            or pair.pair_type > LAST_PAIR_TYPE
            or pair.activation_type > ACTIVATION_BY_TIME
        ):
            # Not a variant of the program's enum.
            raise refused("TypeCastFailed")
        if self._closed(clock) is not None:
            raise refused("PoolDisabled")

    def _check_limit(self, swap: Swap, limit: int, path: Walk, amount_out: int, epoch: int) -> None:
        if swap.mode is Mode.EXACT_IN:
            if amount_out < limit:
                raise refused("ExceededAmountSlippageTolerance")
        # The program spends what arrives of the limit, its transfer fee taken off (event `amount_left`).
        elif limit - self.mint_in(swap).fee(limit, epoch) < path.amount_in:
            raise refused("InsufficientInAmount")

    def _reserve_keys(self) -> tuple[Pubkey, Pubkey]:
        pair = self.state.pair
        return Pubkey.from_bytes(pair.reserve_x), Pubkey.from_bytes(pair.reserve_y)


class DlmmKind(PoolKind):
    """The Meteora DLMM program."""

    venue = "meteora"
    name = "dlmm"
    program_id = PROGRAM
    error_names = ERROR_NAMES
    # ExceededAmountSlippageTolerance and InsufficientInAmount; PoolDisabled.
    slippage_codes = frozenset({6003, 6104})
    closed_codes = frozenset({6042})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        return tuple(
            AccountFilter(
                PAIR_SIZE, ((0, PAIR_DISCRIMINATOR), (PAIR_MINT_X, bytes(mint_x)), (PAIR_MINT_Y, bytes(mint_y)))
            )
            for mint_x, mint_y in ((mint_a, mint_b), (mint_b, mint_a))
        )

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        if address not in known:
            return (address,)
        pair = read_pair(_owned(address, *fetched(NAME, known, address)))
        extension = _read_extension(address, known)
        keys = [address, Pubkey.from_bytes(pair.mint_x), Pubkey.from_bytes(pair.mint_y), extension_address(address)]
        for sells_x in (True, False) if a_to_b is None else (a_to_b,):
            start = pair.active_id // BINS_PER_ARRAY
            ahead = arrays_ahead(address, pair.bitmap, extension, start, sells_x, _ARRAYS_FETCHED)
            keys += (key for _, key in ahead)
        return tuple(dict.fromkeys(keys))

    def decode(self, address: Pubkey, accounts: Accounts) -> DlmmPool:
        (account,) = fetched(NAME, accounts, address)
        data = _owned(address, account)
        pair = read_pair(data)
        key_x, key_y = Pubkey.from_bytes(pair.mint_x), Pubkey.from_bytes(pair.mint_y)
        mint_x, mint_y = fetched(NAME, accounts, key_x, key_y)
        if extension_address(address) not in accounts:
            raise MissingAccounts((extension_address(address),))
        extension = _read_extension(address, accounts)
        arrays: dict[int, bytes | None] = {}
        for index, key in _arrays_in_reach(address, pair, extension):
            if key in accounts:
                found = accounts[key]
                if found is None:
                    arrays[index] = None
                else:
                    arrays[index] = _owned(key, found)
                    check_array(found.data, bytes(address), index)
        mint_a, mint_b = decode_mint(key_x, mint_x), decode_mint(key_y, mint_y)
        token_2022_mints = [mint_a.program, mint_b.program].count(TOKEN_2022_PROGRAM)
        return DlmmPool(address, mint_a, mint_b, data, State(address, pair, extension, arrays, token_2022_mints))

    def parse(self, instruction: Instruction) -> SwapCall | None:
        return dlmm_instruction.parse(instruction)


def _owned(key: Pubkey, account: Account) -> bytes:
    if account.owner != PROGRAM:
        raise DecodeError(NAME, "owner", 0, f"{key} belongs to program {account.owner}")
    return account.data


def _read_extension(address: Pubkey, accounts: Accounts) -> bytes | None:
    """The pair's bitmap extension, None where it has none or that is not known yet."""
    key = extension_address(address)
    account = accounts.get(key)
    return None if account is None else read_extension(_owned(key, account), address)


def _arrays_in_reach(address: Pubkey, pair: Pair, extension: bytes | None) -> tuple[tuple[int, Pubkey], ...]:
    """The arrays with liquidity, with their addresses, that two swaps one after the other can come to."""
    index = pair.active_id // BINS_PER_ARRAY
    return arrays_around(address, pair.bitmap, extension, index, 2 * MAX_BIN_ARRAYS)


def _path(quote: Quote) -> Walk:
    """The walk of a quote that a DLMM pool made; SwapRefused for any other quote."""
    if not isinstance(quote.path, Walk):
        raise SwapRefused("foreign_quote")
    return quote.path


KIND = DlmmKind()
DlmmPool.kind = KIND
