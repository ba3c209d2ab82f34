"""The trader's token accounts around a swap: what to create before, what to close after.

Native SOL is wrapped in a temporary account of its own for each attempt, made with a seed and closed in the same
transaction; two orders of one wallet never share a wrapped account. Other tokens use the associated account.
"""

import hashlib
from dataclasses import dataclass

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed
from spl.token.instructions import (
    close_account,
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_account3,
)
from spl.token.models import CloseAccountParams, InitializeAccount3Params

from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM

# SPL Token `Account::LEN`.
TOKEN_ACCOUNT_SIZE = 165

# A seed has at most 32 bytes (Solana system program, MAX_SEED_LEN).
_SEED_LENGTH = 32


@dataclass(frozen=True, slots=True)
class TokenSide:
    """One side of the swap: the account to use and the instructions that make it and clear it away.

    `lamports` is what the wallet must hold for it, rent included; `returned` is the part that comes back.
    """

    account: Pubkey
    before: tuple[Instruction, ...] = ()
    after: tuple[Instruction, ...] = ()
    lamports: int = 0
    returned: int = 0


def associated_account(wallet: Pubkey, mint: Pubkey, program: Pubkey) -> Pubkey:
    """The wallet's associated token account of the mint."""
    return get_associated_token_address(wallet, mint, program)


def selling_side(wallet: Pubkey, mint: Pubkey, program: Pubkey, amount: int, memo: str, rent: int) -> TokenSide:
    """Where the swap takes `amount` base units from; `rent` is a token account's rent-exempt minimum."""
    if mint == NATIVE_MINT:
        return _wrapped(wallet, f"{memo}:in", rent, amount)
    return TokenSide(associated_account(wallet, mint, program))


def buying_side(wallet: Pubkey, mint: Pubkey, program: Pubkey, exists: bool, memo: str, rent: int) -> TokenSide:
    """Where the swap pays out; `exists` says whether the associated account is there already."""
    if mint == NATIVE_MINT:
        return _wrapped(wallet, f"{memo}:out", rent, 0)
    account = associated_account(wallet, mint, program)
    if exists:
        return TokenSide(account)
    create = create_idempotent_associated_token_account(payer=wallet, owner=wallet, mint=mint, token_program_id=program)
    return TokenSide(account, before=(create,), lamports=rent)


def _wrapped(wallet: Pubkey, purpose: str, rent: int, amount: int) -> TokenSide:
    # The memo names order and attempt, so that no two attempts ever derive the same address.
    seed = hashlib.sha256(purpose.encode()).hexdigest()[:_SEED_LENGTH]
    account = Pubkey.create_with_seed(wallet, seed, TOKEN_PROGRAM)
    create = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=wallet,
            to_pubkey=account,
            base=wallet,
            seed=seed,
            lamports=rent + amount,
            space=TOKEN_ACCOUNT_SIZE,
            owner=TOKEN_PROGRAM,
        )
    )
    initialize = initialize_account3(
        InitializeAccount3Params(program_id=TOKEN_PROGRAM, account=account, mint=NATIVE_MINT, owner=wallet)
    )
    close = close_account(
        CloseAccountParams(program_id=TOKEN_PROGRAM, account=account, dest=wallet, owner=wallet, signers=[])
    )
    return TokenSide(account, before=(create, initialize), after=(close,), lamports=rent + amount, returned=rent)
