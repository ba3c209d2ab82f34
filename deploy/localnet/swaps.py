"""One swap instruction of an emulated program: checked as the program would, then computed.

Refusals carry the program's own error code where the venue code knows it, else the code of the check of
the Anchor framework that would stop the instruction. The names are Anchor's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import (
    CannotLand,
    DecodeError,
    MissingAccounts,
    SwapRefused,
    Unsupported,
    VenueError,
)
from activities.venues.pool import Account, Clock, Pool, PoolKind, Swap, SwapCall, TokenTransfer
from activities.venues.raydium.amm_v4 import AmmV4Pool
from deploy.localnet.chain_errors import Json
from deploy.localnet.pool_cache import PoolCache
from deploy.localnet.tokens import TokenAccount, read_token_account

# Anchor framework errors (anchor-lang `ErrorCode`).
_FALLBACK_NOT_FOUND = ("InstructionFallbackNotFound", 101)
_DID_NOT_DESERIALIZE = ("InstructionDidNotDeserialize", 102)
_CONSTRAINT_MUT = ("ConstraintMut", 2000)
_CONSTRAINT_ADDRESS = ("ConstraintAddress", 2012)
_CONSTRAINT_TOKEN_MINT = ("ConstraintTokenMint", 2014)
_DISCRIMINATOR_MISMATCH = ("AccountDiscriminatorMismatch", 3002)
_NOT_ENOUGH_KEYS = ("AccountNotEnoughKeys", 3005)
_NOT_SIGNER = ("AccountNotSigner", 3010)
_NOT_INITIALIZED = ("AccountNotInitialized", 3012)

# How many accounts stand before the arrays of a walk (all of them, for the other kinds).
_FIXED_ACCOUNTS = {"clmm": 13, "dlmm": 16}
_WITHOUT_ANCHOR = frozenset({"amm_v4"})
# Discriminator and two amounts; the one program that is not built with Anchor has shorter data.
_ANCHOR_DATA_SIZE = 24
# What the programs use before they refuse: about what checking the accounts costs them.
_REFUSAL_UNITS = 12_000


class Refused(Exception):
    """The program stops with `cause` (an InstructionError as JSON) after logging `lines`.

    `units` are the compute units used; None stands for all that were left.
    """

    def __init__(self, cause: Json, lines: list[str], words: str | None = None, units: int | None = None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.lines = lines
        self.words = words
        self.units = units


@dataclass(frozen=True, slots=True)
class Settlement:
    """A swap that the program accepts: what moves, what is written, what it costs to compute."""

    user_source: Pubkey
    owner: Pubkey
    transfers: tuple[TokenTransfer, ...]
    writes: dict[Pubkey, bytes]
    units: int


def settle(
    kind: PoolKind,
    instruction: Instruction,
    view: Mapping[Pubkey, Account | None],
    clock: Clock,
    units_left: int,
    pools: PoolCache,
) -> Settlement:
    """Compute what the instruction does to the accounts of `view`; raises Refused."""
    call = _parse(kind, instruction)
    source, destination = (_holding(view, address) for address in (call.user.source, call.user.destination))
    try:
        pool, _ = pools.pool(kind, call.pool, view)
        a_to_b = _direction(pool, source, destination)
        swap = Swap(a_to_b, call.mode, call.amount, call.limit, call.sqrt_price_limit)
        pool, quote, accounts = pools.quote(kind, call.pool, view, swap, clock)
        if isinstance(pool, AmmV4Pool):
            # The one program that looks at the user's balance itself.
            quote = pool.quote(swap, clock, source.amount)
        _compare(kind, pool.instruction(quote, call.limit, call.user), instruction)
        if quote.compute_units > units_left:
            raise exhausted()
        writes = pool.after(quote, clock).writes(accounts)
        transfers = tuple(pool.transfers(quote, call.user))
        _keep_apart(transfers, call)
    except VenueError as error:
        raise _refusal(kind, error, view[call.pool]) from error
    return Settlement(call.user.source, call.user.owner, transfers, writes, quote.compute_units)


def exhausted() -> Refused:
    """The refusal of a program that ran out of compute units."""
    return Refused("ProgramFailedToComplete", [], "exceeded CUs meter at BPF instruction")


def _parse(kind: PoolKind, instruction: Instruction) -> SwapCall:
    try:
        call = kind.parse(instruction)
    except DecodeError as error:
        short = len(instruction.accounts) < 8
        raise _anchor(_NOT_ENOUGH_KEYS if short else _DID_NOT_DESERIALIZE) from error
    if call is None:
        raise _anchor(_FALLBACK_NOT_FOUND, "localnet emulates the swaps of this program and nothing else")
    if not any(meta.pubkey == call.user.owner and meta.is_signer for meta in instruction.accounts):
        raise _anchor(_NOT_SIGNER)
    return call


def _holding(view: Mapping[Pubkey, Account | None], address: Pubkey) -> TokenAccount:
    account = view[address]
    holding = None if account is None else read_token_account(account)
    if holding is None:
        raise _anchor(_NOT_INITIALIZED)
    return holding


def _direction(pool: Pool, source: TokenAccount, destination: TokenAccount) -> bool:
    """Whether the user sells the pool's first token."""
    mints = (pool.mint_a.address, pool.mint_b.address)
    if (source.mint, destination.mint) not in (mints, mints[::-1]):
        raise _anchor(_CONSTRAINT_TOKEN_MINT)
    return source.mint == mints[0]


def _compare(kind: PoolKind, expected: Instruction, given: Instruction) -> None:
    """Refuse an instruction whose accounts are not those that the program asks for.

    An instruction of the same form must name the same accounts in the same order; among the arrays of a
    walk it may name more than the walk turned out to need. Another form of the swap must name the same
    writable accounts somewhere.
    """
    short = len(expected.data) < _ANCHOR_DATA_SIZE
    same_form = expected.data[: 1 if short else 8] == given.data[: 1 if short else 8]
    fixed = _FIXED_ACCOUNTS.get(kind.name, len(expected.accounts)) if same_form else 0
    for at, wanted in enumerate(expected.accounts):
        if at < fixed:
            if at >= len(given.accounts):
                raise _anchor(_NOT_ENOUGH_KEYS)
            actual = given.accounts[at]
            if actual.pubkey != wanted.pubkey:
                raise _anchor(_CONSTRAINT_ADDRESS)
        elif wanted.is_writable or wanted.is_signer:
            named = [meta for meta in given.accounts[fixed:] if meta.pubkey == wanted.pubkey]
            if not named:
                raise _anchor(_NOT_ENOUGH_KEYS)
            actual = named[0]
        else:
            continue
        if wanted.is_signer and not actual.is_signer:
            raise _anchor(_NOT_SIGNER)
        if wanted.is_writable and not actual.is_writable:
            raise _anchor(_CONSTRAINT_MUT)


def _keep_apart(transfers: tuple[TokenTransfer, ...], call: SwapCall) -> None:
    """Refuse a swap whose user accounts are the pool's own."""
    user = call.user
    theirs = {move.source for move in transfers if move.source != user.source}
    theirs |= {move.destination for move in transfers if move.destination != user.destination}
    if user.source in theirs or user.destination in theirs:
        raise _anchor(_CONSTRAINT_ADDRESS)


def _anchor(error: tuple[str, int], detail: str = "") -> Refused:
    name, code = error
    words = detail or name
    line = f"Program log: AnchorError occurred. Error Code: {name}. Error Number: {code}. Error Message: {words}."
    return Refused({"Custom": code}, [line], units=_REFUSAL_UNITS)


def _refusal(kind: PoolKind, error: VenueError, pool: Account | None) -> Refused:
    """What the program answers where the venue code raises `error`."""
    if isinstance(error, CannotLand):
        return exhausted()
    if isinstance(error, SwapRefused):
        if error.code is None:
            line, words = f"Program log: panicked: {error.name}", "SBF program panicked"
            return Refused("ProgramFailedToComplete", [line], words, _REFUSAL_UNITS)
        if kind.name in _WITHOUT_ANCHOR:
            return Refused({"Custom": error.code}, [f"Program log: Error: {error.name}"], units=_REFUSAL_UNITS)
        return _anchor((error.name, error.code))
    if isinstance(error, MissingAccounts):
        return _anchor(_NOT_ENOUGH_KEYS)
    if isinstance(error, Unsupported):
        line = f"Program log: localnet cannot emulate this pool: {error}"
        return Refused("UnsupportedProgramId", [line], units=_REFUSAL_UNITS)
    return _anchor(_NOT_INITIALIZED if pool is None else _DISCRIMINATOR_MISMATCH, str(error))
