"""From the chain's error of a transaction to a reason of the table: by program and code, never by message text."""

from collections.abc import Sequence

from solders.pubkey import Pubkey
from solders.transaction_status import (
    InstructionErrorCustom,
    InstructionErrorFieldless,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
)

from activities.venues import kinds
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import PoolKind
from workflows.domain.errors import ErrorCode

_SYSTEM_PROGRAM = Pubkey.default()

# Custom codes of the SPL token programs (spl-token `TokenError`) and the system program (`SystemError`).
_PROGRAM_CODES: dict[tuple[Pubkey, int], tuple[ErrorCode, str]] = {
    (_SYSTEM_PROGRAM, 1): (ErrorCode.INSUFFICIENT_FUNDS, "the wallet has too few lamports"),
    **{
        (program, code): row
        for program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
        for code, row in {
            0: (ErrorCode.INSUFFICIENT_FUNDS, "a token account is not rent-exempt"),
            1: (ErrorCode.INSUFFICIENT_FUNDS, "the wallet has too few tokens"),
            17: (ErrorCode.ACCOUNT_FROZEN, "a token account is frozen"),
        }.items()
    },
}

# A token error inside a swap surfaces under the swap instruction with the token program's code. Anchor programs
# number their own errors from 6000 and the framework's from 100, so only these low numbers can be the token's.
_ANCHOR_FIRST_CODE = 100

# Errors of the transaction as a whole that say something about the wallet.
_WALLET_ERRORS = (
    TransactionErrorFieldless.AccountNotFound,
    TransactionErrorFieldless.InsufficientFundsForFee,
    TransactionErrorFieldless.InvalidAccountForFee,
)


def explain(error: TransactionErrorType, programs: Sequence[Pubkey]) -> tuple[ErrorCode, str]:
    """Reason and plain detail of a transaction error; `programs` names the program of each instruction."""
    if isinstance(error, TransactionErrorInstructionError):
        return _explain_instruction(error, programs)
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return ErrorCode.INSUFFICIENT_FUNDS, "the wallet would fall below the rent-exempt minimum"
    if error in _WALLET_ERRORS:
        return ErrorCode.INSUFFICIENT_FUNDS, "the wallet cannot pay the transaction fee"
    if error == TransactionErrorFieldless.BlockhashNotFound:
        return ErrorCode.BLOCKHASH_EXPIRED, "the blockhash is no longer valid"
    return ErrorCode.SWAP_REVERTED, str(error)


def _explain_instruction(error: TransactionErrorInstructionError, programs: Sequence[Pubkey]) -> tuple[ErrorCode, str]:
    program = programs[error.index] if error.index < len(programs) else None
    what = error.err
    if isinstance(what, InstructionErrorCustom) and program is not None:
        known = _PROGRAM_CODES.get((program, what.code))
        if known:
            return known
        kind = kinds.by_program(program)
        if kind is not None:
            return _explain_swap(kind, what.code)
        return ErrorCode.SWAP_REVERTED, f"program {program} refused with code {what.code}"
    if what == InstructionErrorFieldless.InsufficientFunds:
        return ErrorCode.INSUFFICIENT_FUNDS, "an account has too few lamports"
    return ErrorCode.SWAP_REVERTED, f"instruction {error.index} of program {program} failed: {what}"


def _explain_swap(kind: PoolKind, code: int) -> tuple[ErrorCode, str]:
    name = kind.error_names.get(code)
    detail = f"{kind.venue} {kind.name} refused with {name or 'code'} ({code})"
    if code in kind.slippage_codes:
        return ErrorCode.SLIPPAGE_EXCEEDED, detail
    if code in kind.closed_codes:
        return ErrorCode.POOL_UNAVAILABLE, detail
    if name is None and code < _ANCHOR_FIRST_CODE:
        known = _PROGRAM_CODES.get((TOKEN_PROGRAM, code))
        if known:
            return known
    return ErrorCode.SWAP_REVERTED, detail
