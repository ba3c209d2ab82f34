"""A Raydium CLMM pool: quotes, next states and instructions over its walk. A is the program's token 0."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused, VenueError
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.mint import Mint
from activities.venues.pool import (
    MAX_COMPUTE_UNITS,
    Accounts,
    Clock,
    Mode,
    Pool,
    Quote,
    Swap,
    TokenTransfer,
    UserAccounts,
)
from activities.venues.raydium.clmm_bitmap import ArrayBitmap, extension_address
from activities.venues.raydium.clmm_curve import ClmmCurve
from activities.venues.raydium.clmm_dynamic_fee import DynamicFee
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_instruction import Accounts as SwapAccounts
from activities.venues.raydium.clmm_instruction import legacy_swap, swap_v2
from activities.venues.raydium.clmm_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE, tick_at
from activities.venues.raydium.clmm_state import (
    BITMAP,
    RATE_ONE,
    PoolKeys,
    PoolState,
    Rates,
    write_pool,
)
from activities.venues.raydium.clmm_swap import Fill, Outcome, require_transferable, run
from activities.venues.raydium.clmm_ticks import TickArray, TickArrays
from activities.venues.raydium.clmm_walk import MAX_ARRAYS, Walk, arrays_from, compute_units

_SWAPS_FORBIDDEN = 1 << 4
_ALL_FORBIDDEN = 255


class Path(NamedTuple):
    """A quote's walk: its outcome, the tick arrays read in order, and the dynamic fee as it started with."""

    outcome: Outcome
    visited: list[int]
    dynamic: DynamicFee | None


class ClmmPool(Pool):
    """A decoded pool; `balances` are what its vaults hold, fees owed included."""

    __slots__ = ("_arrays", "address", "balances", "bitmap", "keys", "mint_a", "mint_b", "rates", "state")

    def __init__(
        self,
        address: Pubkey,
        keys: PoolKeys,
        rates: Rates,
        mints: tuple[Mint, Mint],
        balances: tuple[int, int],
        state: PoolState,
        bitmap: ArrayBitmap,
        arrays: TickArrays,
    ) -> None:
        self.address = address
        self.keys = keys
        self.rates = rates
        self.mint_a, self.mint_b = mints
        self.balances = balances
        self.state = state
        self.bitmap = bitmap
        self._arrays = arrays

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        """Compute the swap by the program's own steps, refusing where and as it does."""
        require_u64("amount", swap.amount)
        if swap.mode is Mode.PARTIAL_FILL:
            raise SwapRefused("mode_not_offered")
        down, exact_in, epoch = swap.a_to_b, swap.mode is Mode.EXACT_IN, clock.epoch
        mint_in, mint_out = (self.mint_a, self.mint_b) if down else (self.mint_b, self.mint_a)
        if exact_in:
            amount = swap.amount - mint_in.fee(swap.amount, epoch)
        else:
            amount = mint_out.gross_up(swap.amount, epoch)
            if amount > U64_MAX:
                raise refused("CalculateOverflow")
        walk = self.walk(down, clock, amount, swap.sqrt_price_limit)
        on_input = self.state.fee_on_input(down)
        outcome = run(walk.segments(), amount, exact_in, down, on_input, self.state.tick)
        taken, paid = outcome.amount_in, outcome.amount_out
        if not taken or not paid:
            raise refused("TooSmallInputOrOutputAmount")
        # The 2025-03 program works the transfer fee out from what the pool received, not from what was asked.
        amount_in = mint_in.gross_up(taken, epoch)
        transfer_fee_out = mint_out.fee(paid, epoch)
        amount_out = paid - transfer_fee_out
        require_transferable(amount_in, taken, paid, self.balances if down else self.balances[::-1])
        if not swap.sqrt_price_limit and swap.amount != (amount_in if exact_in else paid):
            raise refused("RequireEqViolated")
        if swap.limit is not None and (amount_out < swap.limit if exact_in else amount_in > swap.limit):
            raise refused("TooLittleOutputReceived" if exact_in else "TooMuchInputPaid")
        units = compute_units(outcome.segments, len(walk.visited))
        if units > MAX_COMPUTE_UNITS:
            raise CannotLand("TooManyComputeUnits")
        fee = sum(outcome.fees) + sum(outcome.idle_fees)
        side = down is not on_input
        if fee + max(self.state.protocol_fees[side], self.state.fund_fees[side]) > U64_MAX:
            self._with_fees(outcome, on_input, down)
        return Quote(
            swap,
            amount_in,
            amount_out,
            fee,
            on_input,
            units,
            amount_in - taken,
            transfer_fee_out,
            outcome.crossings,
            Path(outcome, walk.visited, walk.dynamic),
        )

    def walk(self, down: bool, clock: Clock, amount: int, sqrt_price_limit: int = 0) -> Walk:
        """The walk of a swap of `amount` at the pool, refused as the program refuses before it starts."""
        state = self.state
        # The program casts the clock's signed seconds to u64.
        now = clock.unix_timestamp & U64_MAX
        if now <= state.open_time:
            raise refused("RequireGtViolated")
        if not amount:
            raise refused("ZeroAmountSpecified")
        if state.status & _SWAPS_FORBIDDEN:
            raise refused("NotApproved")
        limit = sqrt_price_limit or (MIN_SQRT_PRICE + 1 if down else MAX_SQRT_PRICE - 1)
        if not (MIN_SQRT_PRICE < limit < state.sqrt_price if down else state.sqrt_price < limit < MAX_SQRT_PRICE):
            raise refused("SqrtPriceLimitOverflow")
        return Walk(state, self.bitmap, self._arrays, self.rates.trade, down, limit, now)

    def curve(self, a_to_b: bool, clock: Clock) -> ClmmCurve:
        """The outputs for any input in this state; raises SwapRefused where no input at all is taken."""
        walk = self.walk(a_to_b, clock, 1)
        mints, balances = (self.mint_a, self.mint_b), self.balances
        if not a_to_b:
            mints, balances = mints[::-1], balances[::-1]
        return ClmmCurve(walk, a_to_b, self.state.fee_on_input(a_to_b), mints, balances, clock.epoch)

    def after(self, quote: Quote, clock: Clock) -> "ClmmPool":
        """The pool as the program leaves it; fee growth, rewards and observations are not kept."""
        path = quote.path
        assert isinstance(path, Path)
        outcome, down = path.outcome, quote.swap.a_to_b
        balance_in, balance_out = self.balances if down else self.balances[::-1]
        balances = balance_in + outcome.amount_in, balance_out - outcome.amount_out
        state = self._with_fees(outcome, quote.fee_on_input, down)._replace(
            liquidity=outcome.liquidity,
            sqrt_price=outcome.sqrt_price,
            tick=tick_at(outcome.sqrt_price) if outcome.tick is None else outcome.tick,
        )
        if path.dynamic is not None:
            state = state._replace(dynamic=path.dynamic._replace(volatility=outcome.volatility))
        if not balances[1]:
            # The 2025-03 program closes a pool whose vault a swap emptied.
            state = state._replace(status=_ALL_FORBIDDEN)
        bitmap, arrays = self.bitmap, self._arrays
        if outcome.fills:
            bitmap, arrays = _filled(bitmap, arrays, outcome.fills)
        return ClmmPool(
            self.address,
            self.keys,
            self.rates,
            (self.mint_a, self.mint_b),
            balances if down else balances[::-1],
            state,
            bitmap,
            arrays,
        )

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The pool account, and the arrays and the extension whose limit orders or ticks in use changed."""
        data = _copy(accounts, self.address)
        write_pool(data, self.state)
        data[BITMAP] = self.bitmap.own.to_bytes(BITMAP.stop - BITMAP.start, "little")
        written = {self.address: bytes(data)}
        for index, array in self._arrays.changed.items():
            key = self._arrays.address(index)
            data = _copy(accounts, key)
            array.write(data)
            written[key] = bytes(data)
        if isinstance(self.bitmap.extension, bytes):
            written[extension_address(self.address)] = self.bitmap.extension
        return {key: changed for key, changed in written.items() if changed != _copy(accounts, key)}

    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        """The input into its vault, then the output out of the other; both gross."""
        vault_in, vault_out = self._input_first(quote.swap.a_to_b, self.keys.vault_0, self.keys.vault_1)
        paid = quote.amount_out + quote.transfer_fee_out
        return (
            TokenTransfer(user.source, vault_in, self.mint_in(quote.swap), quote.amount_in),
            TokenTransfer(vault_out, user.destination, self.mint_out(quote.swap), paid),
        )

    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """`swap_v2` with the arrays that the walk read and the ones at hand that follow, MAX_ARRAYS in all.

        The spare ones let the swap land when the price has moved on until then.
        """
        require_u64("limit", limit)
        return swap_v2(quote.swap, limit, user, self._listed(quote))

    def legacy_instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """The older `swap` with the same accounts, where both mints are SPL Token's."""
        require_u64("limit", limit)
        return legacy_swap(quote.swap, limit, user, self._listed(quote))

    def spot_price(self) -> Fraction:
        """The pool's price: the square of its Q64.64 square root price."""
        return Fraction(self.state.sqrt_price**2, 1 << 128)

    def reserves(self) -> tuple[int, int]:
        """The vault balances without the protocol and fund fees owed; fees of positions are still in them."""
        owed = zip(self.balances, self.state.protocol_fees, self.state.fund_fees, strict=True)
        reserve_a, reserve_b = (max(balance - protocol - fund, 0) for balance, protocol, fund in owed)
        return reserve_a, reserve_b

    def unavailable(self, clock: Clock) -> str | None:
        """`paused` by its status bit, `not_open` before its opening time, `empty` without any liquidity."""
        if self.state.status & _SWAPS_FORBIDDEN:
            return "paused"
        if clock.unix_timestamp & U64_MAX <= self.state.open_time:
            return "not_open"
        return None if self.state.liquidity or self.bitmap else "empty"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClmmPool):
            return NotImplemented
        return self._values() == other._values() and self._arrays.same(other._arrays, self.bitmap)

    def __repr__(self) -> str:
        return f"ClmmPool({self.address}, {self.state}, balances={self.balances})"

    def _values(self) -> tuple[object, ...]:
        return (
            self.address,
            self.keys,
            self.rates,
            self.mint_a,
            self.mint_b,
            self.balances,
            self.state,
            self.bitmap,
        )

    def _with_fees(self, outcome: Outcome, on_input: bool, down: bool) -> PoolState:
        """The pool's state owing protocol and fund their shares, each rounded down; idle fees go to the protocol."""
        rates = self.rates
        protocol = fund = 0
        for fee in outcome.fees:
            protocol += fee * rates.protocol // RATE_ONE
            fund += fee * rates.fund // RATE_ONE
        for fee in outcome.idle_fees:
            fund_share = fee * rates.fund // RATE_ONE
            protocol += fee - fund_share
            fund += fund_share
        side = down is not on_input
        protocol_fees, fund_fees = list(self.state.protocol_fees), list(self.state.fund_fees)
        protocol_fees[side] += protocol
        fund_fees[side] += fund
        if protocol_fees[side] > U64_MAX or fund_fees[side] > U64_MAX:
            raise refused("CalculateOverflow")
        return self.state._replace(
            protocol_fees=(protocol_fees[0], protocol_fees[1]), fund_fees=(fund_fees[0], fund_fees[1])
        )

    def _listed(self, quote: Quote) -> SwapAccounts:
        path, down = quote.path, quote.swap.a_to_b
        assert isinstance(path, Path)
        *before, last = path.visited
        indexes = [*before, *self._at_hand(last, down, MAX_ARRAYS - len(before))]
        return SwapAccounts(
            config=self.keys.config,
            pool=self.address,
            vaults=self._input_first(down, self.keys.vault_0, self.keys.vault_1),
            observation=self.keys.observation,
            mints=self._input_first(down, self.keys.mint_0, self.keys.mint_1),
            extension=extension_address(self.address) if isinstance(self.bitmap.extension, bytes) else None,
            tick_arrays=[self._arrays.address(index) for index in indexes],
        )

    def _input_first(self, down: bool, a: Pubkey, b: Pubkey) -> tuple[Pubkey, Pubkey]:
        return (a, b) if down else (b, a)

    def _at_hand(self, index: int, down: bool, most: int) -> list[int]:
        """The array and those following it, as far as they are at hand without a gap."""
        found = []
        for following in arrays_from(self.bitmap, index, down, most):
            try:
                if self._arrays.at(following) is None:
                    break
            except VenueError:
                break
            found.append(following)
        return found


def _filled(bitmap: ArrayBitmap, arrays: TickArrays, fills: Sequence[Fill]) -> tuple[ArrayBitmap, TickArrays]:
    """The bitmap and the arrays after limit orders were filled; empty arrays leave the bitmap."""
    changed: dict[int, TickArray] = {}
    for fill in fills:
        array = changed.get(fill.array) or arrays.at(fill.array)
        assert array is not None
        tick = array.tick(fill.slot).filled(fill.amount)
        changed[fill.array] = array.with_tick(fill.slot, tick)
        if not changed[fill.array].slots:
            bitmap = bitmap.without(fill.array)
    return bitmap, arrays.with_changes(changed)


def _copy(accounts: Accounts, key: Pubkey) -> bytearray:
    account = accounts.get(key)
    if account is None:
        raise MissingAccounts((key,))
    return bytearray(account.data)
