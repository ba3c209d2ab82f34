"""TransactionError values in the JSON form of a node, and in the words of a node."""

from typing import TypeAlias, cast

from solders.transaction_status import (
    InstructionErrorBorshIO,
    InstructionErrorCustom,
    InstructionErrorType,
    TransactionErrorDuplicateInstruction,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

ALREADY_PROCESSED = "AlreadyProcessed"
BLOCKHASH_NOT_FOUND = "BlockhashNotFound"

_TRANSACTION_WORDS = {
    "AccountInUse": "Account in use",
    "AccountLoadedTwice": "Account loaded twice",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    ALREADY_PROCESSED: "This transaction has already been processed",
    BLOCKHASH_NOT_FOUND: "Blockhash not found",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "InvalidAddressLookupTableOwner": "Transaction loads an address table account with an invalid owner",
    "InvalidAddressLookupTableData": "Transaction loads an address table account with invalid data",
    "InvalidAddressLookupTableIndex": "Transaction address table lookup uses an invalid index",
    "TooManyAccountLocks": "Transaction locked too many accounts",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
}
_INSTRUCTION_WORDS = {
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "InvalidAccountData": "invalid account data for instruction",
    "AccountDataTooSmall": "account data too small for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
    "IncorrectProgramId": "incorrect program id for instruction",
    "MissingRequiredSignature": "missing required signature for instruction",
    "UninitializedAccount": "instruction requires an initialized account",
    "NotEnoughAccountKeys": "insufficient account keys for instruction",
    "ProgramFailedToComplete": "Program failed to complete",
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "UnsupportedProgramId": "Unsupported program id",
    "InvalidAccountOwner": "Invalid account owner",
}


def to_json(error: TransactionErrorType) -> Json:
    """The error as `getTransaction` and `simulateTransaction` show it."""
    if isinstance(error, TransactionErrorFieldless):
        return _name(error)
    if isinstance(error, TransactionErrorInstructionError):
        return instruction_error(error.index, _instruction_json(error.err))
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return {"DuplicateInstruction": error.index}
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return {"InsufficientFundsForRent": {"account_index": error.account_index}}
    return {"ProgramExecutionTemporarilyRestricted": {"account_index": error.account_index}}


def instruction_error(index: int, error: Json) -> Json:
    """The failure `error` of instruction `index`."""
    return {"InstructionError": [index, error]}


def failed_instruction(error: Json) -> tuple[int, Json] | None:
    """Index and cause when `error` is an instruction's failure, else None."""
    if isinstance(error, dict) and "InstructionError" in error:
        index, cause = cast("list[Json]", error["InstructionError"])
        return cast(int, index), cause
    return None


def describe(error: Json) -> str:
    """The error in the words of a node's messages."""
    if isinstance(error, str):
        return _TRANSACTION_WORDS.get(error, error)
    if (failed := failed_instruction(error)) is not None:
        return f"Error processing Instruction {failed[0]}: {describe_cause(failed[1])}"
    if isinstance(error, dict) and "InsufficientFundsForRent" in error:
        details = cast("dict[str, Json]", error["InsufficientFundsForRent"])
        return f"Transaction results in an account ({details['account_index']}) with insufficient funds for rent"
    if isinstance(error, dict) and "DuplicateInstruction" in error:
        return f"Transaction contains a duplicate instruction ({error['DuplicateInstruction']}) that is not allowed"
    return str(error)


def describe_cause(cause: Json) -> str:
    """An instruction's error in words, as program logs end with it."""
    if isinstance(cause, dict):
        return f"custom program error: {cause['Custom']:#x}"
    return _INSTRUCTION_WORDS.get(str(cause), str(cause))


def _instruction_json(error: InstructionErrorType) -> Json:
    if isinstance(error, InstructionErrorCustom):
        return {"Custom": error.code}
    if isinstance(error, InstructionErrorBorshIO):
        return "BorshIoError"
    return _name(error)


def _name(member: object) -> str:
    # The enums of solders print as `Class.Member` and have no other name.
    return str(member).rpartition(".")[2]
