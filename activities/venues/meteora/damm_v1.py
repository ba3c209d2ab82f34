"""Meteora DAMM v1: constant product over shares in two vaults, program Eo7WjKq6….

A pool holds no tokens: it holds LP tokens of two vaults, each shared with other pools, and a swap deposits
into one and withdraws from the other. Rules: runs of the program (0.5.2), its IDL, and the public quote source
(MeteoraAg/damm-v1-sdk, `dynamic-amm-quote`). Pools on the stable curve are recognised and not traded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from struct import Struct
from typing import ClassVar, NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora.damm_v1_fees import PoolFees, read_schedule
from activities.venues.meteora.damm_v1_state import DISCRIMINATOR, MINT_A, MINT_B, NAME, PROGRAM, read_header
from activities.venues.meteora.damm_v1_vault import (
    VAULT_PROGRAM,
    Side,
    math_overflow,
    read_side,
    shares_of,
    tokens_of,
    vault_keys,
)
from activities.venues.mint import TOKEN_PROGRAM, Mint, decode_mint
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

_BY_SLOT, _BY_TIME = 0, 1

_SWAP = bytes.fromhex("f8c69e91e17587c8")
_SWAP_ARGUMENTS = Struct("<QQ")
_SWAP_ACCOUNTS = 15

# Measured up to 107,385 with a cheaper token program; five real token instructions cost up to 5,000 more each.
_COMPUTE_UNITS = 140_000


class Flow(NamedTuple):
    """How a quoted swap moves through the vaults.

    The protocol fee and the deposit leave the user; `minted` and `burned` are vault shares. `released` is what
    the pool's own reserve falls by, at most one unit more than the user receives: the program holds this
    against the limit and logs it as the output.
    """

    protocol_fee: int
    deposited: int
    minted: int
    burned: int
    released: int


@dataclass(frozen=True, slots=True)
class DammV1Pool(Pool):
    """A DAMM v1 constant-product pool with its side of both vaults."""

    kind: ClassVar[PoolKind]
    address: Pubkey
    mint_a: Mint
    mint_b: Mint
    enabled: bool
    activation_point: int
    activation_type: int
    fees: PoolFees
    side_a: Side
    side_b: Side

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        """Compute the swap; only EXACT_IN is offered.

        The program compares `limit` with the fall of its own reserve (see `Flow`): the amount out can be one
        unit less than a `limit` that it accepts, and without a limit it can be 0.
        """
        point = self._check_open(clock)
        if swap.mode is not Mode.EXACT_IN:
            raise SwapRefused("mode_not_offered")
        require_u64("amount", swap.amount)
        side_in, side_out = self._directed(swap)
        unlocked_in, unlocked_out = side_in.unlocked(clock.unix_timestamp), side_out.unlocked(clock.unix_timestamp)
        reserve_in, reserve_out = side_in.reserve(unlocked_in), side_out.reserve(unlocked_out)
        fee, protocol_fee = self.fees.of(swap.amount, point)
        deposited = swap.amount - protocol_fee
        if deposited < 0 or protocol_fee > fee:
            raise math_overflow()
        minted = _deposit(side_in, unlocked_in, deposited)
        shares, supply = side_in.lp_amount + minted, side_in.lp_supply + minted
        received = tokens_of(shares, unlocked_in + deposited, supply) - reserve_in
        source = received - (fee - protocol_fee)
        if source < 0:
            raise math_overflow()
        swapped = _constant_product(source, reserve_in, reserve_out)
        burned = shares_of(swapped, unlocked_out, side_out.lp_supply)
        amount_out = tokens_of(burned, unlocked_out, side_out.lp_supply)
        if amount_out > side_out.token_balance or burned > min(side_out.lp_supply, side_out.lp_amount):
            # Of the token program: the vault has lent the tokens out (or the accounts do not fit together).
            raise SwapRefused("InsufficientFunds", 1)
        shares, supply = side_out.lp_amount - burned, side_out.lp_supply - burned
        released = reserve_out - tokens_of(shares, unlocked_out - amount_out, supply)
        if swap.limit is not None and released < swap.limit:
            raise SwapRefused("ExceededSlippage", 6004)
        return Quote(
            swap,
            swap.amount,
            amount_out,
            fee,
            fee_on_input=True,
            compute_units=_COMPUTE_UNITS,
            path=Flow(protocol_fee, deposited, minted, burned, released),
        )

    def _check_open(self, clock: Clock) -> int:
        """Return the point in the pool's own time, a slot or a second."""
        if not self.enabled:
            raise SwapRefused("PoolDisabled", 6015)
        if self.activation_type not in (_BY_SLOT, _BY_TIME):
            raise SwapRefused("InvalidActivationType", 6048)
        point = clock.slot if self.activation_type == _BY_SLOT else clock.unix_timestamp
        if point < self.activation_point:
            raise SwapRefused("PoolDisabled", 6015)
        return point

    def _directed(self, swap: Swap) -> tuple[Side, Side]:
        """The sides of the input and of the output."""
        return (self.side_a, self.side_b) if swap.a_to_b else (self.side_b, self.side_a)

    def after(self, quote: Quote, clock: Clock) -> "DammV1Pool":
        """The deposit into one vault and the withdrawal from the other done."""
        flow = flow_of(quote)
        side_in, side_out = self._directed(quote.swap)
        side_in = side_in.deposited(flow.deposited, flow.minted)
        side_out = side_out.withdrawn(quote.amount_out, flow.burned)
        side_a, side_b = (side_in, side_out) if quote.swap.a_to_b else (side_out, side_in)
        return replace(self, side_a=side_a, side_b=side_b)

    def writes(self, accounts: Accounts) -> dict[Pubkey, bytes]:
        """Both vaults' totals, the supplies of their LP mints and the pool's LP accounts, where they differ."""
        return dict((*self.side_a.writes(accounts), *self.side_b.writes(accounts)))

    def transfers(self, quote: Quote, user: UserAccounts) -> Sequence[TokenTransfer]:
        """The protocol fee, the deposit, the withdrawal; the program leaves out what is 0."""
        flow = flow_of(quote)
        side_in, side_out = self._directed(quote.swap)
        mint_in, mint_out = self.mint_in(quote.swap), self.mint_out(quote.swap)
        moves = (
            TokenTransfer(user.source, side_in.protocol_fee, mint_in, flow.protocol_fee),
            TokenTransfer(user.source, side_in.token_vault, mint_in, flow.deposited),
            TokenTransfer(side_out.token_vault, user.destination, mint_out, quote.amount_out),
        )
        return [move for move in moves if move.amount]

    def instruction(self, quote: Quote, limit: int, user: UserAccounts) -> Instruction:
        """The swap; `limit` goes in as it is, see `quote` for what the program holds against it."""
        require_u64("limit", limit)
        a, b = self.side_a, self.side_b
        side_in, _ = self._directed(quote.swap)
        writable = (
            self.address,
            user.source,
            user.destination,
            a.vault,
            b.vault,
            a.token_vault,
            b.token_vault,
            a.lp_mint,
            b.lp_mint,
            a.lp_account,
            b.lp_account,
            side_in.protocol_fee,
        )
        metas = [AccountMeta(key, is_signer=False, is_writable=True) for key in writable]
        metas.append(AccountMeta(user.owner, is_signer=True, is_writable=False))
        metas += [AccountMeta(key, is_signer=False, is_writable=False) for key in (VAULT_PROGRAM, TOKEN_PROGRAM)]
        return Instruction(PROGRAM, _SWAP + _SWAP_ARGUMENTS.pack(quote.swap.amount, limit), metas)

    def limit_for(self, quote: Quote, least_out: int) -> int:
        """One more, as far as the quote allows: the program checks what its reserve loses (see `Flow`)."""
        return min(least_out + 1, max(least_out, flow_of(quote).released))

    def spot_price(self) -> Fraction:
        """The reserves' ratio by shares, as if no profit were locked (the clock decides how much is)."""
        a, b = self.side_a, self.side_b
        dividend = b.lp_amount * b.total * a.lp_supply
        divisor = a.lp_amount * a.total * b.lp_supply
        if divisor == 0:
            raise SwapRefused("empty")
        return Fraction(dividend, divisor)

    def reserves(self) -> tuple[int, int]:
        """The pool's shares of both vaults, as far as the vaults can pay them out now."""
        return _payable(self.side_a), _payable(self.side_b)

    def unavailable(self, clock: Clock) -> str | None:
        """`paused`, `not_open` before the activation, `empty`, or None."""
        try:
            self._check_open(clock)
        except SwapRefused as refusal:
            return "not_open" if self.enabled and refusal.name == "PoolDisabled" else "paused"
        return None if all(self.reserves()) else "empty"


def flow_of(quote: Quote) -> Flow:
    """The flow of a quote that a DAMM v1 pool made; SwapRefused for any other quote."""
    if not isinstance(quote.path, Flow):
        raise SwapRefused("foreign_quote")
    return quote.path


def _deposit(side: Side, unlocked: int, tokens: int) -> int:
    """The shares that a deposit mints; refuses as the vault program and the token program do."""
    if not side.enabled:
        raise SwapRefused("VaultIsDisabled", 6000)
    if tokens == 0:
        raise SwapRefused("AmountMustGreaterThanZero", 6013)
    minted = shares_of(tokens, unlocked, side.lp_supply)
    if max(side.total, side.token_balance) + tokens > U64_MAX:
        raise math_overflow()
    if max(side.lp_supply, side.lp_amount) + minted > U64_MAX:
        raise math_overflow()
    return minted


def _constant_product(source: int, reserve_in: int, reserve_out: int) -> int:
    """The output of the curve (spl-token-swap, whose ceiling division refuses a quotient of 0)."""
    invariant = reserve_in * reserve_out
    after_in = reserve_in + source
    if after_in == 0 or invariant < after_in:
        raise SwapRefused("ZeroTradingTokens", 6006)
    swapped = reserve_out + -invariant // after_in
    if swapped <= 0:
        raise SwapRefused("ZeroTradingTokens", 6006)
    return swapped


def _payable(side: Side) -> int:
    share = side.lp_amount * side.total // side.lp_supply if side.lp_supply else 0
    return min(share, side.token_balance)


class DammV1(PoolKind):
    """Finds and decodes DAMM v1 pools."""

    venue: ClassVar[str] = "meteora"
    name: ClassVar[str] = "damm_v1"
    program_id: ClassVar[Pubkey] = PROGRAM
    # The IDL's errors that a swap can meet, and the vault's 6013, whose own meaning here (a wrong LP account)
    # needs a malformed instruction.
    error_names: ClassVar[Mapping[int, str]] = {
        6000: "MathOverflow",
        6002: "InvalidInvariant",
        6003: "FeeCalculationFailure",
        6004: "ExceededSlippage",
        6005: "InvalidCalculation",
        6006: "ZeroTradingTokens",
        6007: "ConversionError",
        6009: "MismatchedTokenMint",
        6010: "MismatchedLpMint",
        6012: "InvalidVaultAccount",
        6013: "AmountMustGreaterThanZero",
        6015: "PoolDisabled",
        6017: "InvalidProtocolFeeAccount",
        6019: "IdenticalSourceDestination",
        6041: "AmountIsZero",
        6042: "TypeCastFailed",
        6043: "AmountIsNotEnough",
        6048: "InvalidActivationType",
    }
    slippage_codes: ClassVar[frozenset[int]] = frozenset({6004})
    closed_codes: ClassVar[frozenset[int]] = frozenset({6015})
    changed_codes: ClassVar[frozenset[int]] = frozenset({6043})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """Pools of the two mints in either order, on any curve."""
        a, b = bytes(mint_a), bytes(mint_b)
        return (
            AccountFilter(None, ((0, DISCRIMINATOR), (MINT_A, a), (MINT_B, b))),
            AccountFilter(None, ((0, DISCRIMINATOR), (MINT_A, b), (MINT_B, a))),
        )

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """The pool; its mints, vaults and LP accounts; then what the vaults name: three rounds."""
        if address not in known:
            return (address,)
        (account,) = fetched(NAME, known, address)
        header = read_header(account)
        keys = [address]
        # Fields 1 to 6 are the keys of the accounts that the pool names.
        keys += map(Pubkey.from_bytes, header[1:7])
        for vault in keys[3:5]:
            if vault in known:
                (vault_account,) = fetched(NAME, known, vault)
                keys += vault_keys(vault_account)
        return tuple(dict.fromkeys(keys))

    def decode(self, address: Pubkey, accounts: Accounts) -> DammV1Pool:
        """Decode from the pool, its mints, its LP accounts and, of both vaults, state, LP mint and tokens."""
        (account,) = fetched(NAME, accounts, address)
        header = read_header(account)
        mint_a, mint_b, vault_a, vault_b, lp_a, lp_b = map(Pubkey.from_bytes, header[1:7])
        mint_a_account, mint_b_account = fetched(NAME, accounts, mint_a, mint_b)
        decoded_a, decoded_b = decode_mint(mint_a, mint_a_account), decode_mint(mint_b, mint_b_account)
        if decoded_a.program != TOKEN_PROGRAM or decoded_b.program != TOKEN_PROGRAM:
            raise DecodeError(NAME, "token_a_mint", MINT_A, "a mint is not of SPL Token")
        schedule = None if header.schedule_done else read_schedule(header.schedule_type, header.schedule_points)
        return DammV1Pool(
            address,
            decoded_a,
            decoded_b,
            header.enabled == 1,
            header.activation_point,
            header.activation_type,
            PoolFees(*header[10:14], schedule),
            read_side(accounts, vault_a, lp_a, header.mint_a, Pubkey.from_bytes(header.protocol_fee_a)),
            read_side(accounts, vault_b, lp_b, header.mint_b, Pubkey.from_bytes(header.protocol_fee_b)),
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """Take a swap apart; accounts after the fifteenth (host fee) are passed over."""
        data = instruction.data
        if instruction.program_id != PROGRAM or data[:8] != _SWAP:
            return None
        if len(data) < len(_SWAP) + _SWAP_ARGUMENTS.size:
            raise DecodeError(NAME, "instruction", len(data), "shorter than a swap")
        if len(instruction.accounts) < _SWAP_ACCOUNTS:
            raise DecodeError(NAME, "accounts", len(instruction.accounts), f"{_SWAP_ACCOUNTS} expected")
        amount, limit = _SWAP_ARGUMENTS.unpack_from(data, len(_SWAP))
        pool, source, destination = (meta.pubkey for meta in instruction.accounts[:3])
        user = UserAccounts(instruction.accounts[12].pubkey, source, destination)
        return SwapCall(pool, user, Mode.EXACT_IN, amount, limit)


KIND = DammV1()
DammV1Pool.kind = KIND
