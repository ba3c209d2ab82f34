"""Raydium CPMM: constant product with trade, protocol, fund and creator fees.

Rules and layouts follow the program's public source (raydium-io/raydium-cp-swap: `states/pool.rs`,
`instructions/swap_base_*.rs`). Reserves are the vault balances without the fees owed to protocol, fund and
creator. A is the program's token 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from struct import Struct
from typing import ClassVar, NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched, owned_data
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.mint import TOKEN_PROGRAM, Mint, decode_mint, token_balance
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
from activities.venues.raydium.cpmm_curve import CurveSwap, Rates, exact_in, exact_out

PROGRAM = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
# Program address of the seed "vault_and_lp_mint_auth_seed", bump 253; owns every pool's vaults.
AUTHORITY = Pubkey.from_string("GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL")

_NAME = "raydium_cpmm"

_POOL_SIZE, _CONFIG_SIZE = 637, 236
_POOL_TAG = bytes.fromhex("f7ede3f5d7c3de46")
_CONFIG_TAG = bytes.fromhex("daf42168cbcb2b6f")
_MINT_A, _MINT_B = 168, 200

_SWAP_BASE_INPUT = bytes.fromhex("8fbe5adac41e33de")
_SWAP_BASE_OUTPUT = bytes.fromhex("37d96256a34ab4ad")
_SWAP_DATA = Struct("<8sQQ")
_SWAP_ACCOUNTS = 13

# PoolState behind its discriminator: config, vaults, mints, observation account.
_KEYS = Struct("<32s32x32s32s32x32s32s64x32s")
# From status on: status; protocol and fund fees owed; open_time; creator_fee_on, enable_creator_fee; creator
# fees owed.
_STATE, _STATE_OFFSET = Struct("<B11xQQQQQ8xBB6xQQ"), 329
_OWED, _OWED_OFFSET = Struct("<QQQQ"), 341
_OWED_CREATOR, _OWED_CREATOR_OFFSET = Struct("<QQ"), 397
# AmmConfig: trade, protocol, fund and creator fee rates.
_CONFIG = Struct("<12xQQQ72xQ")

_SWAP_DISABLED = 0b100

# Executed swaps took up to 32,358 with two Token-2022 mints, and 23,697 with a token program that is cheaper
# than the real one by about 5,000 a transfer.
_COMPUTE_UNITS = 40_000


class _State(NamedTuple):
    """What a swap reads and writes of PoolState; the fees are those owed."""

    status: int
    protocol_a: int
    protocol_b: int
    fund_a: int
    fund_b: int
    open_time: int
    creator_fee_on: int
    creator_enabled: int
    creator_a: int
    creator_b: int


@dataclass(slots=True)
class CpmmPool(Pool):
    """A CPMM pool; balances are those of its vaults, fees owed included, `rates` those that it charges."""

    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    rates: Rates
    state: _State
    balance_a: int
    balance_b: int
    config: Pubkey
    vault_a: Pubkey
    vault_b: Pubkey
    observation: Pubkey

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        """Compute the swap by the program's own steps, refusing where and as it does."""
        require_u64("amount", swap.amount)
        reason = self._closed(clock)
        if reason is not None:
            raise SwapRefused("NotApproved", 6000)
        if swap.mode is Mode.EXACT_IN:
            return self._exact_in(swap, clock.epoch)
        if swap.mode is Mode.EXACT_OUT:
            return self._exact_out(swap, clock.epoch)
        raise SwapRefused("mode_not_offered")

    def _exact_in(self, swap: Swap, epoch: int) -> Quote:
        mint_in, mint_out = (self.mint_a, self.mint_b) if swap.a_to_b else (self.mint_b, self.mint_a)
        transfer_fee_in = mint_in.fee(swap.amount, epoch)
        received = swap.amount - transfer_fee_in
        if received == 0:
            raise SwapRefused("RequireGtViolated", 2505)
        reserve_in, reserve_out, creator_on_input = self._directed(swap.a_to_b)
        curve = exact_in(received, reserve_in, reserve_out, self.rates, creator_on_input)
        transfer_fee_out = mint_out.fee(curve.amount_out, epoch)
        amount_out = curve.amount_out - transfer_fee_out
        if amount_out == 0:
            raise SwapRefused("RequireGtViolated", 2505)
        if swap.limit is not None and amount_out < swap.limit:
            raise SwapRefused("ExceededSlippage", 6005)
        return self._quote(swap, swap.amount, amount_out, curve, creator_on_input)

    def _exact_out(self, swap: Swap, epoch: int) -> Quote:
        mint_in, mint_out = (self.mint_a, self.mint_b) if swap.a_to_b else (self.mint_b, self.mint_a)
        if swap.amount == 0 and mint_out.program != TOKEN_PROGRAM:
            raise SwapRefused("InvalidInput", 6003)
        gross_out = mint_out.gross_up(swap.amount, epoch)
        if gross_out > U64_MAX:
            raise SwapRefused("output_overflow")
        reserve_in, reserve_out, creator_on_input = self._directed(swap.a_to_b)
        curve = exact_out(gross_out, reserve_in, reserve_out, self.rates, creator_on_input)
        if curve.amount_in == 0:
            raise SwapRefused("RequireGtViolated", 2505)
        amount_in = mint_in.gross_up(curve.amount_in, epoch)
        if amount_in > U64_MAX:
            raise SwapRefused("input_overflow")
        if swap.limit is not None and amount_in > swap.limit:
            raise SwapRefused("ExceededSlippage", 6005)
        return self._quote(swap, amount_in, swap.amount, curve, creator_on_input)

    def _quote(self, swap: Swap, amount_in: int, amount_out: int, curve: CurveSwap, creator_on_input: bool) -> Quote:
        """The quote, unless a counter of fees owed or the vault would overflow."""
        protocol, fund = self.rates.shares(curve.trade_fee)
        state = self.state
        if swap.a_to_b:
            protocol, fund, balance = state.protocol_a + protocol, state.fund_a + fund, self.balance_a
        else:
            protocol, fund, balance = state.protocol_b + protocol, state.fund_b + fund, self.balance_b
        creator = state.creator_a if swap.a_to_b is creator_on_input else state.creator_b
        if protocol > U64_MAX or fund > U64_MAX or creator + curve.creator_fee > U64_MAX:
            raise SwapRefused("owed_fees_overflow")
        if balance + curve.amount_in > U64_MAX:
            # Of the token program, whose balances are u64.
            raise SwapRefused("Overflow", 14)
        return Quote(
            swap,
            amount_in,
            amount_out,
            curve.trade_fee + curve.creator_fee if creator_on_input else curve.trade_fee,
            True,
            _COMPUTE_UNITS,
            amount_in - curve.amount_in,
            curve.amount_out - amount_out,
            0,
            curve,
            0 if creator_on_input else curve.creator_fee,
        )

    def _closed(self, clock: Clock) -> str | None:
        if self.state.status & _SWAP_DISABLED:
            return "paused"
        # The program casts the clock's signed seconds to u64.
        if clock.unix_timestamp & U64_MAX < self.state.open_time:
            return "not_open"
        return None

    def _directed(self, a_to_b: bool) -> tuple[int, int, bool]:
        """Input and output reserve, and whether the creator's fee is taken from the input."""
        reserve_a, reserve_b = self._net_balances()
        if reserve_a <= 0 or reserve_b <= 0:
            if reserve_a < 0 or reserve_b < 0:
                raise SwapRefused("InsufficientVault", 6012)
            # The price sample for the observation account divides by each.
            raise SwapRefused("division_by_zero")
        fee_on = self.state.creator_fee_on
        if fee_on > 2:
            raise SwapRefused("InvalidFeeModel", 6013)
        if a_to_b:
            return reserve_a, reserve_b, fee_on != 2
        return reserve_b, reserve_a, fee_on != 1

    def _net_balances(self) -> tuple[int, int]:
        _, protocol_a, protocol_b, fund_a, fund_b, _, _, _, creator_a, creator_b = self.state
        owed_a, owed_b = protocol_a + fund_a + creator_a, protocol_b + fund_b + creator_b
        if owed_a > U64_MAX or owed_b > U64_MAX:
            raise SwapRefused("MathOverflow", 6011)
        return self.balance_a - owed_a, self.balance_b - owed_b

    def after(self, quote: Quote, clock: Clock) -> "CpmmPool":
        """The pool after `quote`: balances moved, fees owed grown."""
        curve = quote.path
        assert isinstance(curve, CurveSwap)
        a_to_b, state = quote.swap.a_to_b, self.state
        protocol, fund = self.rates.shares(curve.trade_fee)
        if a_to_b:
            moved_a, moved_b = curve.amount_in, -curve.amount_out
            state = state._replace(protocol_a=state.protocol_a + protocol, fund_a=state.fund_a + fund)
        else:
            moved_a, moved_b = -curve.amount_out, curve.amount_in
            state = state._replace(protocol_b=state.protocol_b + protocol, fund_b=state.fund_b + fund)
        on_input = state.creator_fee_on != (2 if a_to_b else 1)
        if a_to_b is on_input:
            state = state._replace(creator_a=state.creator_a + curve.creator_fee)
        else:
            state = state._replace(creator_b=state.creator_b + curve.creator_fee)
        return replace(self, state=state, balance_a=self.balance_a + moved_a, balance_b=self.balance_b + moved_b)

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The pool account with this state's fees owed."""
        (account,) = fetched(_NAME, accounts, self.address)
        state, data = self.state, bytearray(account.data)
        _OWED.pack_into(data, _OWED_OFFSET, state.protocol_a, state.protocol_b, state.fund_a, state.fund_b)
        _OWED_CREATOR.pack_into(data, _OWED_CREATOR_OFFSET, state.creator_a, state.creator_b)
        return {self.address: bytes(data)} if data != account.data else {}

    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        """Input to its vault, then output from the other."""
        a_to_b = quote.swap.a_to_b
        into, out_of = (self.vault_a, self.vault_b) if a_to_b else (self.vault_b, self.vault_a)
        sent = quote.amount_out + quote.transfer_fee_out
        return (
            TokenTransfer(user.source, into, self.mint_in(quote.swap), quote.amount_in),
            TokenTransfer(out_of, user.destination, self.mint_out(quote.swap), sent),
        )

    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """`swap_base_input` or `swap_base_output`, by the quote's mode."""
        require_u64("limit", limit)
        swap = quote.swap
        mint_in, mint_out = self.mint_in(swap), self.mint_out(swap)
        into, out_of = (self.vault_a, self.vault_b) if swap.a_to_b else (self.vault_b, self.vault_a)
        if swap.mode is Mode.EXACT_IN:
            data = _SWAP_DATA.pack(_SWAP_BASE_INPUT, swap.amount, limit)
        else:
            data = _SWAP_DATA.pack(_SWAP_BASE_OUTPUT, limit, swap.amount)
        read_only = (mint_in.program, mint_out.program, mint_in.address, mint_out.address)
        metas = [
            AccountMeta(user.owner, is_signer=True, is_writable=False),
            AccountMeta(AUTHORITY, is_signer=False, is_writable=False),
            AccountMeta(self.config, is_signer=False, is_writable=False),
            AccountMeta(self.address, is_signer=False, is_writable=True),
            *(AccountMeta(key, False, True) for key in (user.source, user.destination, into, out_of)),
            *(AccountMeta(key, False, False) for key in read_only),
            AccountMeta(self.observation, is_signer=False, is_writable=True),
        ]
        return Instruction(PROGRAM, data, metas)

    def spot_price(self) -> Fraction:
        """Reserve of B over reserve of A, 0 when either is empty."""
        reserve_a, reserve_b = self.reserves()
        return Fraction(reserve_b, reserve_a) if reserve_a else Fraction(0)

    def reserves(self) -> tuple[int, int]:
        """The vault balances without the fees owed."""
        try:
            reserve_a, reserve_b = self._net_balances()
        except SwapRefused:
            return 0, 0
        return max(reserve_a, 0), max(reserve_b, 0)

    def unavailable(self, clock: Clock) -> str | None:
        """`paused`, `not_open` or `empty`."""
        return self._closed(clock) or (None if all(self.reserves()) else "empty")


class CpmmKind(PoolKind):
    """Raydium CPMM pools."""

    venue: ClassVar[str] = "raydium"
    name: ClassVar[str] = "cpmm"
    program_id: ClassVar[Pubkey] = PROGRAM
    slippage_codes: ClassVar[frozenset[int]] = frozenset({6005})
    closed_codes: ClassVar[frozenset[int]] = frozenset({6000})
    changed_codes: ClassVar[frozenset[int]] = frozenset({6012})
    error_names: ClassVar[Mapping[int, str]] = {
        2505: "RequireGtViolated",
        6000: "NotApproved",
        6001: "InvalidOwner",
        6002: "EmptySupply",
        6003: "InvalidInput",
        6004: "IncorrectLpMint",
        6005: "ExceededSlippage",
        6006: "ZeroTradingTokens",
        6007: "NotSupportMint",
        6008: "InvalidVault",
        6009: "InitLpAmountTooLess",
        6010: "TransferFeeCalculateNotMatch",
        6011: "MathOverflow",
        6012: "InsufficientVault",
        6013: "InvalidFeeModel",
        6014: "NoFeeCollect",
    }

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """One query: the program keeps the mints in byte order."""
        first, second = sorted((bytes(mint_a), bytes(mint_b)))
        return (AccountFilter(_POOL_SIZE, ((0, _POOL_TAG), (_MINT_A, first), (_MINT_B, second))),)

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """The pool, its config, vaults and mints."""
        if address not in known:
            return (address,)
        return (address, *_keys(_pool_data(address, known))[:5])

    def decode(self, address: Pubkey, accounts: Accounts) -> CpmmPool:
        """Decode the pool, its config and vault balances."""
        data = _pool_data(address, accounts)
        config, vault_a, vault_b, mint_a, mint_b, observation = _keys(data)
        config_account, vault_a_account, vault_b_account, mint_a_account, mint_b_account = fetched(
            _NAME, accounts, config, vault_a, vault_b, mint_a, mint_b
        )
        config_data = owned_data(_NAME, "amm_config", config_account, PROGRAM, _CONFIG_SIZE)
        if config_data[:8] != _CONFIG_TAG:
            raise DecodeError(_NAME, "amm_config", 0, "not an AmmConfig")
        state = _State._make(_STATE.unpack_from(data, _STATE_OFFSET))
        trade, protocol, fund, creator = _CONFIG.unpack_from(config_data)
        return CpmmPool(
            address,
            decode_mint(mint_a, mint_a_account),
            decode_mint(mint_b, mint_b_account),
            Rates(trade, protocol, fund, creator if state.creator_enabled else 0),
            state,
            token_balance(vault_a, vault_a_account),
            token_balance(vault_b, vault_b_account),
            config,
            vault_a,
            vault_b,
            observation,
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """Both swap instructions; the program ignores bytes and accounts beyond those it knows."""
        data = instruction.data
        if instruction.program_id != PROGRAM or data[:8] not in (_SWAP_BASE_INPUT, _SWAP_BASE_OUTPUT):
            return None
        metas = instruction.accounts
        if len(data) < _SWAP_DATA.size or len(metas) < _SWAP_ACCOUNTS:
            raise DecodeError(_NAME, "swap instruction", len(data), f"{len(metas)} accounts")
        tag, first, second = _SWAP_DATA.unpack_from(data)
        user = UserAccounts(metas[0].pubkey, metas[4].pubkey, metas[5].pubkey)
        if tag == _SWAP_BASE_INPUT:
            return SwapCall(metas[3].pubkey, user, Mode.EXACT_IN, first, second)
        return SwapCall(metas[3].pubkey, user, Mode.EXACT_OUT, second, first)


def _pool_data(address: Pubkey, accounts: Accounts) -> bytes:
    (account,) = fetched(_NAME, accounts, address)
    data = owned_data(_NAME, "pool_state", account, PROGRAM, _POOL_SIZE)
    if data[:8] != _POOL_TAG:
        raise DecodeError(_NAME, "pool_state", 0, "not a PoolState")
    return data


def _keys(data: bytes) -> tuple[Pubkey, ...]:
    """Config, vault A and B, mint A and B, observation account."""
    return _read_keys(data[8:_STATE_OFFSET])


# A pool's keys never change, and building them takes a quarter of a decode.
@lru_cache(maxsize=4096)
def _read_keys(data: bytes) -> tuple[Pubkey, ...]:
    return tuple(Pubkey(key) for key in _KEYS.unpack_from(data))


KIND = CpmmKind()
CpmmPool.kind = KIND
