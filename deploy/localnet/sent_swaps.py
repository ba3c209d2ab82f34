"""What a sent transaction wants to swap, read from its instructions."""

from collections.abc import Mapping
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.errors import VenueError
from activities.venues.pool import Account
from deploy.localnet.tokens import ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAMS, read_token_account
from deploy.localnet.transactions import LookupFailed, Resolved, WireTransaction, resolve

# InitializeAccount, InitializeAccount2 and 3: account, mint, …
_INITIALIZE = (b"\x01", b"\x10", b"\x12")


class SentSwap(NamedTuple):
    """A swap on `pool`; `mint_in` is what it sells, None when its token account is nowhere to be found."""

    pool: Pubkey
    mint_in: Pubkey | None


def first_swap(
    transaction: WireTransaction, accounts: Mapping[Pubkey, Account | None], slot: int, pool: str | None
) -> SentSwap | None:
    """The transaction's first swap, its first one on `pool` where that is given; None when it makes none."""
    try:
        resolved = resolve(transaction.message, accounts, slot)
    except LookupFailed:
        return None
    for at in range(len(resolved.instructions)):
        kind = kinds.by_program(resolved.program(at))
        try:
            call = None if kind is None else kind.parse(resolved.instruction(at))
        except VenueError:
            continue
        if call is not None and pool in (None, str(call.pool)):
            return SentSwap(call.pool, _mint_of(call.user.source, resolved, accounts))
    return None


def _mint_of(address: Pubkey, resolved: Resolved, accounts: Mapping[Pubkey, Account | None]) -> Pubkey | None:
    """The mint of a token account, which the transaction may be about to make."""
    account = accounts[address]
    holding = None if account is None else read_token_account(account)
    if holding is not None:
        return holding.mint
    for at in range(len(resolved.instructions)):
        program, instruction = resolved.program(at), resolved.instruction(at)
        keys = [meta.pubkey for meta in instruction.accounts]
        if program in TOKEN_PROGRAMS and instruction.data[:1] in _INITIALIZE and keys[:1] == [address]:
            return keys[1] if len(keys) > 1 else None
        if program == ASSOCIATED_TOKEN_PROGRAM and len(keys) > 3 and keys[1] == address:
            return keys[3]
    return None
