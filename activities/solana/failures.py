"""From the chain's error to a reason and plain words: which program, its name for the error, its number."""

from collections.abc import Sequence

from solders.pubkey import Pubkey
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionErrorDuplicateInstruction,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
)

from activities.solana.failure_table import (
    INSTRUCTION_ERRORS,
    PLAIN_PROGRAMS,
    PROGRAM_ERRORS,
    RPC_ERRORS,
    TRANSACTION_ERRORS,
)
from activities.venues import kinds
from workflows.domain.errors import ErrorCode

_PAYER = 0


def explain(error: TransactionErrorType, programs: Sequence[Pubkey]) -> tuple[ErrorCode, str]:
    """Reason and plain detail of a transaction error; `programs` names the program of each instruction."""
    if isinstance(error, TransactionErrorInstructionError):
        return _explain_instruction(error, programs)
    if isinstance(error, TransactionErrorFieldless):
        name = variant(error)
        # A variant that a later node knows and this table does not says nothing against another attempt.
        return TRANSACTION_ERRORS.get(name, ErrorCode.SWAP_REVERTED), f"the transaction was refused with {name}"
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        if error.account_index == _PAYER:
            return ErrorCode.INSUFFICIENT_FUNDS, "the wallet would fall below the rent-exempt minimum"
        return ErrorCode.TRANSACTION_INVALID, f"account {error.account_index} would fall below the rent-exempt minimum"
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return ErrorCode.TRANSACTION_INVALID, f"instruction {error.index} is there twice"
    return ErrorCode.CHAIN_UNAVAILABLE, f"account {error.account_index}: its program may not run at the moment"


def explain_refusal(code: int | None) -> ErrorCode:
    """The reason when a node answered a question of ours with this JSON-RPC error code; None without an answer."""
    return RPC_ERRORS.get(code, ErrorCode.CHAIN_UNAVAILABLE) if code is not None else ErrorCode.CHAIN_UNAVAILABLE


def variant(member: object) -> str:
    """The name that the runtime gives a variant; the enums of solders print as `Class.Member` and have no other."""
    return str(member).rpartition(".")[2]


def _explain_instruction(error: TransactionErrorInstructionError, programs: Sequence[Pubkey]) -> tuple[ErrorCode, str]:
    program = programs[error.index] if error.index < len(programs) else None
    what = error.err
    if isinstance(what, InstructionErrorCustom):
        known = PROGRAM_ERRORS.get(program, {}).get(what.code) if program is not None else None
        name, reason = (known.name, known.reason) if known else ("code", ErrorCode.SWAP_REVERTED)
        return reason, f"{_title(program)} refused with {name} ({what.code})"
    name = variant(what)
    reason = INSTRUCTION_ERRORS.get(name, ErrorCode.SWAP_REVERTED)
    return reason, f"{_title(program)} failed with {name} in instruction {error.index}"


def _title(program: Pubkey | None) -> str:
    if program is None:
        return "an unknown program"
    kind = kinds.by_program(program)
    return f"{kind.venue} {kind.name}" if kind else PLAIN_PROGRAMS.get(program, f"program {program}")
