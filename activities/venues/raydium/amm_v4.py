"""Raydium AMM v4: constant product over two SPL Token vaults, program 675kPX9M….

Account layout and swap rules follow the program's public source (raydium-io/raydium-amm, 2026-07): no order
book is read, whatever the status. Fee rounding is that of today (plain ceiling, since 2025-08-26).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from struct import Struct
from typing import ClassVar

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched, owned_data
from activities.venues.integers import U64_MAX, U128_MAX, require_u64
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

PROGRAM = Pubkey.from_string("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8")
# Program address of the seed "amm authority" and bump 254; owns every pool's vaults.
AUTHORITY = Pubkey.from_string("5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1")
_AUTHORITY_BUMP = 254

_NAME = "raydium_amm_v4"

# AmmInfo: status, nonce; swap fee numerator, denominator, need_take_pnl coin, pc; pool_open_time; coin
# vault, pc vault, coin mint, pc mint. No discriminator: its size and owner are all that mark a pool.
_AMM_INFO = Struct("<QQ160xQQQQ16xQ104x32s32s32s32s288x")
_COIN_VAULT, _PC_VAULT, _COIN_MINT, _PC_MINT = 336, 368, 400, 432
_STATUS = Struct("<Q")
_FEES_AND_PNL, _FEES_AND_PNL_OFFSET = Struct("<QQQQ"), 176
_OPEN_TIME, _OPEN_TIME_OFFSET = Struct("<Q"), 224

_UNINITIALIZED, _INITIALIZED, _SWAP_ONLY, _WAITING_TRADE = 0, 1, 6, 7

_SWAP_BASE_IN, _SWAP_BASE_OUT, _SWAP_BASE_IN_V2, _SWAP_BASE_OUT_V2 = 9, 11, 16, 17
_MODES = {
    _SWAP_BASE_IN: Mode.EXACT_IN,
    _SWAP_BASE_OUT: Mode.EXACT_OUT,
    _SWAP_BASE_IN_V2: Mode.EXACT_IN,
    _SWAP_BASE_OUT_V2: Mode.EXACT_OUT,
}
_V2_TAGS = {Mode.EXACT_IN: _SWAP_BASE_IN_V2, Mode.EXACT_OUT: _SWAP_BASE_OUT_V2}
_V2_ACCOUNTS = 8
# The order-book forms, without and with the target orders account.
_V1_ACCOUNTS: tuple[int, ...] = (17, 18)
_SWAP_DATA = Struct("<BQQ")

# The older 17-account form took up to 25,759 with a cheaper token program; two real transfers cost up to
# 5,000 more each.
_COMPUTE_UNITS = 40_000


def _panic(cause: str) -> SwapRefused:
    """The program stops in arithmetic beyond its types, without a code."""
    return SwapRefused(cause)


@dataclass(frozen=True, slots=True)
class AmmV4Pool(Pool):
    """An AMM v4 pool; A is the program's coin, B its pc. Balances are those of the vaults, gross of PnL."""

    kind: ClassVar[PoolKind]
    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    status: int
    fee_numerator: int
    fee_denominator: int
    pnl_a: int
    pnl_b: int
    open_time: int
    vault_a: Pubkey
    vault_b: Pubkey
    balance_a: int
    balance_b: int

    def quote(self, swap: Swap, clock: Clock, source_balance: int | None = None) -> Quote:
        """Compute the swap; the program itself refuses (40) more than `source_balance`, where that is given."""
        self._check_status(clock)
        reserve_in, reserve_out = self._directed(swap.a_to_b)
        require_u64("amount", swap.amount)
        if swap.mode is Mode.EXACT_IN:
            amount_in, fee, amount_out = self._exact_in(swap, reserve_in, reserve_out, source_balance)
        elif swap.mode is Mode.EXACT_OUT:
            amount_in, fee, amount_out = self._exact_out(swap, reserve_in, reserve_out, source_balance)
        else:
            raise SwapRefused("mode_not_offered")
        if amount_out == 0 or amount_in == 0:
            raise SwapRefused("InvalidInput", 29)
        if amount_out >= reserve_out:
            raise SwapRefused("InsufficientFunds", 40)
        if (self.balance_a if swap.a_to_b else self.balance_b) + amount_in > U64_MAX:
            # Of the token program: the vault's balance is a u64.
            raise SwapRefused("Overflow", 14)
        return Quote(swap, amount_in, amount_out, fee, fee_on_input=True, compute_units=_COMPUTE_UNITS)

    def _check_status(self, clock: Clock) -> None:
        status = self.status
        if status == _UNINITIALIZED:
            raise SwapRefused("InvalidStatus", 22)
        if self.mint_a.address == self.mint_b.address:
            raise SwapRefused("NotAllowed", 59)
        if status > _WAITING_TRADE:
            raise _panic("unknown_status")
        # The program casts the clock's signed seconds to u64.
        if status not in (_INITIALIZED, _SWAP_ONLY, _WAITING_TRADE) or (
            status == _WAITING_TRADE and clock.unix_timestamp & U64_MAX < self.open_time
        ):
            raise SwapRefused("InvalidStatus", 22)

    def _directed(self, a_to_b: bool) -> tuple[int, int]:
        """The reserves of the input and of the output side: the vaults without the PnL owed."""
        reserve_a, reserve_b = self.balance_a - self.pnl_a, self.balance_b - self.pnl_b
        if reserve_a < 0 or reserve_b < 0:
            raise SwapRefused("CheckedSubOverflow", 32)
        return (reserve_a, reserve_b) if a_to_b else (reserve_b, reserve_a)

    def _exact_in(
        self, swap: Swap, reserve_in: int, reserve_out: int, source_balance: int | None
    ) -> tuple[int, int, int]:
        """Return input, fee and output; checks in the program's order."""
        amount_in = swap.amount
        if source_balance is not None and source_balance < amount_in:
            raise SwapRefused("InsufficientFunds", 40)
        if self.fee_denominator == 0:
            raise _panic("fee_denominator_zero")
        fee = -(-amount_in * self.fee_numerator // self.fee_denominator)
        net = amount_in - fee
        if net < 0:
            raise _panic("fee_over_input")
        if reserve_in + net == 0:
            raise _panic("division_by_zero")
        amount_out = reserve_out * net // (reserve_in + net)
        if swap.limit is not None and amount_out < swap.limit:
            raise SwapRefused("ExceededSlippage", 30)
        return amount_in, fee, amount_out

    def _exact_out(
        self, swap: Swap, reserve_in: int, reserve_out: int, source_balance: int | None
    ) -> tuple[int, int, int]:
        """Return input, fee and output; checks in the program's order."""
        amount_out = swap.amount
        if amount_out >= reserve_out:
            raise _panic("output_over_reserve")
        before_fee = -(-reserve_in * amount_out // (reserve_out - amount_out))
        kept = self.fee_denominator - self.fee_numerator
        if kept <= 0:
            raise _panic("fee_takes_all")
        dividend = before_fee * self.fee_denominator
        amount_in = -(-dividend // kept)
        if dividend > U128_MAX or amount_in > U64_MAX:
            raise _panic("input_overflow")
        if source_balance is not None and source_balance < amount_in:
            raise SwapRefused("InsufficientFunds", 40)
        if swap.limit is not None and amount_in > swap.limit:
            raise SwapRefused("ExceededSlippage", 30)
        return amount_in, amount_in - before_fee, amount_out

    def after(self, quote: Quote, clock: Clock) -> "AmmV4Pool":
        """The vaults moved; a pool that waited for its opening is now open for good."""
        change_a, change_b = quote.amount_in, -quote.amount_out
        if not quote.swap.a_to_b:
            change_a, change_b = change_b, change_a
        return replace(
            self,
            status=_SWAP_ONLY if self.status == _WAITING_TRADE else self.status,
            balance_a=self.balance_a + change_a,
            balance_b=self.balance_b + change_b,
        )

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """The AmmInfo account, when status, fees, PnL or opening time differ."""
        (old,) = fetched(_NAME, accounts, self.address)
        data = bytearray(owned_data(_NAME, "amm_info", old, PROGRAM, _AMM_INFO.size))
        _STATUS.pack_into(data, 0, self.status)
        fees_and_pnl = (self.fee_numerator, self.fee_denominator, self.pnl_a, self.pnl_b)
        _FEES_AND_PNL.pack_into(data, _FEES_AND_PNL_OFFSET, *fees_and_pnl)
        _OPEN_TIME.pack_into(data, _OPEN_TIME_OFFSET, self.open_time)
        return {} if data == old.data else {self.address: bytes(data)}

    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        """The input into its vault, then the output out of the other."""
        vault_in, vault_out = self.vault_a, self.vault_b
        if not quote.swap.a_to_b:
            vault_in, vault_out = vault_out, vault_in
        return (
            TokenTransfer(user.source, vault_in, self.mint_in(quote.swap), quote.amount_in),
            TokenTransfer(vault_out, user.destination, self.mint_out(quote.swap), quote.amount_out),
        )

    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """The swap V2 form (since 2025-09), which needs no order-book accounts."""
        metas = [
            AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(AUTHORITY, is_signer=False, is_writable=False),
            AccountMeta(self.vault_a, is_signer=False, is_writable=True),
            AccountMeta(self.vault_b, is_signer=False, is_writable=True),
            AccountMeta(user.source, is_signer=False, is_writable=True),
            AccountMeta(user.destination, is_signer=False, is_writable=True),
            AccountMeta(user.owner, is_signer=True, is_writable=False),
        ]
        return Instruction(PROGRAM, swap_data(_V2_TAGS[quote.swap.mode], quote, limit), metas)

    def spot_price(self) -> Fraction:
        """Reserve of B over reserve of A."""
        reserve_a, reserve_b = self._directed(a_to_b=True)
        if reserve_a == 0:
            raise SwapRefused("empty")
        return Fraction(reserve_b, reserve_a)

    def reserves(self) -> tuple[int, int]:
        """The vault balances without the PnL owed; 0 where more is owed than there is."""
        return max(self.balance_a - self.pnl_a, 0), max(self.balance_b - self.pnl_b, 0)

    def unavailable(self, clock: Clock) -> str | None:
        """`not_open` before the opening time, `paused` in any status without swaps, `empty`, or None."""
        try:
            self._check_status(clock)
        except SwapRefused:
            return "not_open" if self.status == _WAITING_TRADE else "paused"
        return None if all(self.reserves()) else "empty"


def swap_data(tag: int, quote: Quote, limit: int) -> bytes:
    """Encode a swap: (amount in, least out) for exact-in tags, (most in, amount out) for exact-out ones.

    Raises SwapRefused for a `limit` that is no u64.
    """
    require_u64("limit", limit)
    amounts = (quote.swap.amount, limit) if quote.swap.mode is Mode.EXACT_IN else (limit, quote.swap.amount)
    return _SWAP_DATA.pack(tag, *amounts)


class AmmV4(PoolKind):
    """Finds and decodes AMM v4 pools."""

    venue: ClassVar[str] = "raydium"
    name: ClassVar[str] = "amm_v4"
    program_id: ClassVar[Pubkey] = PROGRAM
    # program/src/error.rs, the ones that a swap can meet; 1 and 14 also are the token program's.
    error_names: ClassVar[Mapping[int, str]] = {
        1: "InvalidProgramAddress",
        3: "ExpectedAccount",
        4: "InvalidCoinVault",
        5: "InvalidPCVault",
        14: "AccountNeedWriteable",
        21: "InvalidSignAccount",
        22: "InvalidStatus",
        23: "InvalidInstruction",
        24: "WrongAccountsNumber",
        27: "InvalidAmmAccountOwner",
        29: "InvalidInput",
        30: "ExceededSlippage",
        32: "CheckedSubOverflow",
        38: "InvalidSplTokenProgram",
        40: "InsufficientFunds",
        41: "ConversionFailure",
        42: "InvalidUserToken",
        59: "NotAllowed",
    }
    slippage_codes: ClassVar[frozenset[int]] = frozenset({30})
    closed_codes: ClassVar[frozenset[int]] = frozenset({22})
    # 1 as well: a well-formed swap meets it only as the token program's InsufficientFunds.
    unfunded_codes: ClassVar[frozenset[int]] = frozenset({1, 40})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """Pools of the two mints as coin and pc, in either order."""
        a, b = bytes(mint_a), bytes(mint_b)
        return (
            AccountFilter(_AMM_INFO.size, ((_COIN_MINT, a), (_PC_MINT, b))),
            AccountFilter(_AMM_INFO.size, ((_COIN_MINT, b), (_PC_MINT, a))),
        )

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """The pool, its vaults and its mints: two rounds."""
        if address not in known:
            return (address,)
        (account,) = fetched(_NAME, known, address)
        data = owned_data(_NAME, "amm_info", account, PROGRAM, _AMM_INFO.size)
        offsets = (_COIN_VAULT, _PC_VAULT, _COIN_MINT, _PC_MINT)
        return (address, *(Pubkey.from_bytes(data[offset : offset + 32]) for offset in offsets))

    def decode(self, address: Pubkey, accounts: Accounts) -> AmmV4Pool:
        """Decode from the pool, its two vaults and its two mints."""
        (account,) = fetched(_NAME, accounts, address)
        data = owned_data(_NAME, "amm_info", account, PROGRAM, _AMM_INFO.size)
        status, nonce, fee_numerator, fee_denominator, pnl_a, pnl_b, open_time, *keys = _AMM_INFO.unpack(data)
        # The program takes the low byte.
        if nonce & 0xFF != _AUTHORITY_BUMP:
            raise DecodeError(_NAME, "nonce", 8, f"{nonce} is not the bump of the authority")
        vault_a, vault_b, coin, pc = map(Pubkey.from_bytes, keys)
        holder_a, holder_b, coin_account, pc_account = fetched(_NAME, accounts, vault_a, vault_b, coin, pc)
        mint_a, mint_b = decode_mint(coin, coin_account), decode_mint(pc, pc_account)
        balance_a, balance_b = token_balance(vault_a, holder_a), token_balance(vault_b, holder_b)
        if holder_a.owner != TOKEN_PROGRAM or holder_a.data[:32] != keys[2]:
            raise DecodeError(_NAME, "coin_vault", _COIN_VAULT, "not an SPL Token account of the coin mint")
        if holder_b.owner != TOKEN_PROGRAM or holder_b.data[:32] != keys[3]:
            raise DecodeError(_NAME, "pc_vault", _PC_VAULT, "not an SPL Token account of the pc mint")
        if mint_a.program != TOKEN_PROGRAM or mint_b.program != TOKEN_PROGRAM:
            raise DecodeError(_NAME, "coin_vault_mint", _COIN_MINT, "a mint is not of SPL Token")
        return AmmV4Pool(
            address,
            mint_a,
            mint_b,
            status,
            fee_numerator,
            fee_denominator,
            pnl_a,
            pnl_b,
            open_time,
            vault_a,
            vault_b,
            balance_a,
            balance_b,
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """Take apart swap V2 (8 accounts or more) and the order-book forms of 17 and 18 accounts."""
        data = instruction.data
        mode = _MODES.get(data[0]) if data and instruction.program_id == PROGRAM else None
        if mode is None:
            return None
        if len(data) < _SWAP_DATA.size:
            raise DecodeError(_NAME, "instruction", len(data), "shorter than a swap")
        tag, first, second = _SWAP_DATA.unpack_from(data)
        keys = [meta.pubkey for meta in instruction.accounts]
        expected = _V1_ACCOUNTS
        if tag in _V2_TAGS.values():
            # Swap V2 takes the accounts that it needs and passes over any more.
            keys, expected = keys[:_V2_ACCOUNTS], (_V2_ACCOUNTS,)
        if len(keys) not in expected:
            raise DecodeError(_NAME, "accounts", len(keys), f"a swap with tag {tag} has {expected} accounts")
        source, destination, owner = keys[-3:]
        amount, limit = (first, second) if mode is Mode.EXACT_IN else (second, first)
        return SwapCall(keys[1], UserAccounts(owner, source, destination), mode, amount, limit)


KIND = AmmV4()
AmmV4Pool.kind = KIND
