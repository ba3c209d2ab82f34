"""The table of the chain's errors: each by its number or its own name, never by a message, with its reason code.

What a reason means to the order and to its trader is the one table in `workflows.domain.errors`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from solders.compute_budget import ID as COMPUTE_BUDGET_PROGRAM
from solders.pubkey import Pubkey
from spl.token.constants import ASSOCIATED_TOKEN_PROGRAM_ID as ASSOCIATED_TOKEN_PROGRAM

from activities.solana.transaction import MEMO_PROGRAM
from activities.venues.kinds import KINDS
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import PoolKind
from workflows.domain.errors import ErrorCode

SYSTEM_PROGRAM = Pubkey.default()

# What every transaction of the engine carries besides its swaps; their errors say something about us or the wallet.
PLAIN_PROGRAMS: Mapping[Pubkey, str] = {
    SYSTEM_PROGRAM: "the system program",
    TOKEN_PROGRAM: "the token program",
    TOKEN_2022_PROGRAM: "the token-2022 program",
    ASSOCIATED_TOKEN_PROGRAM: "the associated token program",
    MEMO_PROGRAM: "the memo program",
    COMPUTE_BUDGET_PROGRAM: "the compute budget program",
}

_FUNDS, _INVALID, _REVERTED = ErrorCode.INSUFFICIENT_FUNDS, ErrorCode.TRANSACTION_INVALID, ErrorCode.SWAP_REVERTED
_RESTRICTED, _UNAVAILABLE = ErrorCode.TOKEN_RESTRICTED, ErrorCode.CHAIN_UNAVAILABLE


def _by_reason(rows: Mapping[ErrorCode, str]) -> Mapping[str, ErrorCode]:
    return {name: reason for reason, names in rows.items() for name in names.split()}


# `TransactionError` of the Solana runtime, the variants without fields.
TRANSACTION_ERRORS: Mapping[str, ErrorCode] = _by_reason(
    {
        _FUNDS: "AccountNotFound InsufficientFundsForFee InvalidAccountForFee InvalidRentPayingAccount",
        ErrorCode.BLOCKHASH_EXPIRED: "BlockhashNotFound",
        ErrorCode.TRANSACTION_DUPLICATE: "AlreadyProcessed",
        ErrorCode.TRANSACTION_TOO_LARGE: "TooManyAccountLocks MaxLoadedAccountsDataSizeExceeded",
        # The block, the scheduler or the cluster has no room at the moment.
        _UNAVAILABLE: """AccountInUse AccountBorrowOutstanding ClusterMaintenance CommitCancelled
            ProgramCacheHitMaxLimit WouldExceedAccountDataBlockLimit WouldExceedAccountDataTotalLimit
            WouldExceedMaxAccountCostLimit WouldExceedMaxBlockCostLimit WouldExceedMaxVoteCostLimit
            ResanitizationNeeded""",
        # A lookup table was closed, or a program changed, since it was read.
        ErrorCode.POOL_UNAVAILABLE: """AddressLookupTableNotFound InvalidAddressLookupTableData
            InvalidAddressLookupTableIndex InvalidAddressLookupTableOwner ProgramAccountNotFound
            InvalidProgramForExecution""",
        _INVALID: """AccountLoadedTwice CallChainTooDeep InvalidAccountIndex InvalidLoadedAccountsDataSizeLimit
            InvalidWritableAccount MissingSignatureForFee SanitizeFailure SignatureFailure UnbalancedTransaction
            UnsupportedVersion""",
    }
)

# `InstructionError` of the Solana runtime, the variants without fields.
INSTRUCTION_ERRORS: Mapping[str, ErrorCode] = _by_reason(
    {
        _FUNDS: "AccountNotRentExempt ExecutableAccountNotRentExempt InsufficientFunds",
        ErrorCode.COMPUTE_EXCEEDED: "ComputationalBudgetExceeded",
        ErrorCode.TRANSACTION_TOO_LARGE: "MaxAccountsExceeded MaxInstructionTraceLengthExceeded",
        _RESTRICTED: "IllegalOwner Immutable IncorrectAuthority",
        # The program gave up on what it found; it also ends like this when it runs out of compute between two calls.
        _REVERTED: """AccountAlreadyInitialized AccountBorrowFailed AccountBorrowOutstanding AccountDataSizeChanged
            AccountDataTooSmall ArithmeticOverflow BorshIoError DuplicateAccountOutOfSync ExecutableDataModified
            ExecutableLamportChange ExecutableModified ExternalAccountDataModified ExternalAccountLamportSpend
            GenericError InvalidAccountData InvalidAccountOwner InvalidArgument InvalidError InvalidRealloc
            MaxAccountsDataAllocationsExceeded ModifiedProgramId ProgramEnvironmentSetupFailure
            ProgramFailedToCompile ProgramFailedToComplete ReadonlyDataModified ReadonlyLamportChange
            RentEpochModified UnbalancedInstruction UninitializedAccount UnsupportedSysvar""",
        # About the instruction's own form, which the next attempt would repeat.
        _INVALID: """AccountNotExecutable BuiltinProgramsMustConsumeComputeUnits CallDepth DuplicateAccountIndex
            IncorrectProgramId InvalidInstructionData InvalidSeeds MaxSeedLengthExceeded MissingAccount
            MissingRequiredSignature NotEnoughAccountKeys PrivilegeEscalation ReentrancyNotAllowed
            UnsupportedProgramId""",
    }
)

# JSON-RPC's own codes and those of agave (rpc-client-api, custom_error.rs), then what providers count requests with.
RPC_ERRORS: Mapping[int, ErrorCode] = {
    # A failed preflight. The engine asks for none; a node that runs one all the same refused what it simulated.
    -32002: _REVERTED,
    **dict.fromkeys((-32700, -32600, -32601, -32602, -32010, -32015), ErrorCode.RPC_REFUSED),
    # Signature verification, precompile verification, signature length.
    **dict.fromkeys((-32003, -32006, -32013), _INVALID),
    # Internal error, block or history not at hand, behind the cluster, overloaded.
    **dict.fromkeys((-32603, -32001, -32004, -32005, -32007, -32008, -32009, -32011, -32012, -32014), _UNAVAILABLE),
    **dict.fromkeys((-32016, -32017, -32018, -32019, -32429, 429), _UNAVAILABLE),
}


@dataclass(frozen=True, slots=True)
class ProgramError:
    """A program's error number: its name for it and our reason."""

    name: str
    reason: ErrorCode


# SPL Token `TokenError` from 0 on; Token-2022 goes on where it ends.
_TOKEN_NAMES = """
NotRentExempt InsufficientFunds InvalidMint MintMismatch OwnerMismatch FixedSupply AlreadyInUse
InvalidNumberOfProvidedSigners InvalidNumberOfRequiredSigners UninitializedState NativeNotSupported
NonNativeHasBalance InvalidInstruction InvalidState Overflow AuthorityTypeNotSupported MintCannotFreeze
AccountFrozen MintDecimalsMismatch NonNativeNotSupported
"""
_TOKEN_2022_NAMES = """
ExtensionTypeMismatch ExtensionBaseMismatch ExtensionAlreadyInitialized ConfidentialTransferAccountHasBalance
ConfidentialTransferAccountNotApproved ConfidentialTransferDepositsAndTransfersDisabled
ConfidentialTransferElGamalPubkeyMismatch ConfidentialTransferBalanceMismatch MintHasSupply NoAuthorityExists
TransferFeeExceedsMaximum MintRequiredForTransfer FeeMismatch FeeParametersMismatch ImmutableOwner
AccountHasWithheldTransferFees NoMemo NonTransferable NonTransferableNeedsImmutableOwnership
MaximumPendingBalanceCreditCounterExceeded MaximumDepositAmountExceeded CpiGuardSettingsLocked
CpiGuardTransferBlocked CpiGuardBurnBlocked CpiGuardCloseAccountBlocked CpiGuardApproveBlocked
CpiGuardSetAuthorityBlocked CpiGuardOwnerChangeBlocked ExtensionNotFound NonConfidentialTransfersDisabled
ConfidentialTransferFeeAccountHasWithheldFee InvalidExtensionCombination InvalidLengthForAlloc
AccountDecryption ProofGeneration InvalidProofInstructionOffset HarvestToMintDisabled
SplitProofContextStateAccountsNotSupported NotEnoughProofContextStateAccounts MalformedCiphertext
CiphertextArithmeticFailed PedersenCommitmentMismatch RangeProofLengthMismatch IllegalBitLength FeeCalculation
IllegalMintBurnConversion InvalidScale MintPaused PendingBalanceNonZero
"""
_SYSTEM_NAMES = """
AccountAlreadyInUse ResultWithNegativeLamports InvalidProgramId InvalidAccountDataLength MaxSeedLengthExceeded
AddressWithSeedMismatch NonceNoRecentBlockhashes NonceBlockhashNotExpired NonceUnexpectedBlockhashValue
"""

_PLAIN_REASONS = _by_reason(
    {
        _FUNDS: "NotRentExempt InsufficientFunds ResultWithNegativeLamports",
        ErrorCode.ACCOUNT_FROZEN: "AccountFrozen",
        _RESTRICTED: """OwnerMismatch InvalidOwner NoMemo NonTransferable CpiGuardTransferBlocked CpiGuardBurnBlocked
            CpiGuardCloseAccountBlocked NonConfidentialTransfersDisabled MintPaused""",
        _INVALID: """InvalidInstruction InvalidProgramId InvalidAccountDataLength MaxSeedLengthExceeded
            AddressWithSeedMismatch""",
    }
)

# anchor-lang `ErrorCode`: what the framework refuses before a program's own code runs, the ones that a swap can meet.
_DISPATCH = "InstructionMissing InstructionFallbackNotFound InstructionDidNotDeserialize"
_CONSTRAINTS = """
ConstraintMut ConstraintHasOne ConstraintSigner ConstraintRaw ConstraintOwner ConstraintRentExempt
ConstraintSeeds ConstraintExecutable ConstraintState ConstraintAssociated ConstraintAssociatedInit
ConstraintClose ConstraintAddress ConstraintZero ConstraintTokenMint ConstraintTokenOwner
"""
_REQUIREMENTS = """
RequireViolated RequireEqViolated RequireKeysEqViolated RequireNeqViolated RequireKeysNeqViolated
RequireGtViolated RequireGteViolated
"""
_ACCOUNTS = """
AccountDiscriminatorAlreadySet AccountDiscriminatorNotFound AccountDiscriminatorMismatch
AccountDidNotDeserialize AccountDidNotSerialize AccountNotEnoughKeys AccountNotMutable
AccountOwnedByWrongProgram InvalidProgramId InvalidProgramExecutable AccountNotSigner AccountNotSystemOwned
AccountNotInitialized
"""
_ANCHOR_NAMES: Mapping[int, str] = {
    **dict(enumerate(_DISPATCH.split(), start=100)),
    **dict(enumerate(_CONSTRAINTS.split(), start=2000)),
    **dict(enumerate(_REQUIREMENTS.split(), start=2500)),
    **dict(enumerate(_ACCOUNTS.split(), start=3000)),
}

# An Anchor program's own numbers start at 6000 and the framework's at 100: lower ones come from the token program
# that it called. This one is older than Anchor.
_NOT_ANCHOR = "amm_v4"
_OF_THE_WALLET = (_FUNDS, ErrorCode.ACCOUNT_FROZEN)


def _plain(names: str) -> Mapping[int, ProgramError]:
    return {code: ProgramError(name, _PLAIN_REASONS.get(name, _REVERTED)) for code, name in enumerate(names.split())}


def _swap_reason(kind: PoolKind, code: int) -> ErrorCode:
    if code in kind.slippage_codes:
        return ErrorCode.SLIPPAGE_EXCEEDED
    if code in kind.closed_codes:
        return ErrorCode.POOL_PAUSED
    if code in kind.changed_codes:
        return ErrorCode.POOL_UNAVAILABLE
    if code in kind.unfunded_codes:
        return _FUNDS
    return _REVERTED


def _of_kind(kind: PoolKind) -> Mapping[int, ProgramError]:
    own = {code: ProgramError(name, _swap_reason(kind, code)) for code, name in kind.error_names.items()}
    if kind.name == _NOT_ANCHOR:
        # Its own numbers start at 0 and not all of them are listed: only what the token program says of the wallet.
        return {code: error for code, error in _TOKEN_2022.items() if error.reason in _OF_THE_WALLET} | own
    anchor = {code: ProgramError(name, _swap_reason(kind, code)) for code, name in _ANCHOR_NAMES.items()}
    return {**_TOKEN_2022, **anchor, **own}


_TOKEN_2022 = _plain(_TOKEN_NAMES + _TOKEN_2022_NAMES)

# Memo and compute budget have no numbers of their own.
PROGRAM_ERRORS: Mapping[Pubkey, Mapping[int, ProgramError]] = {
    SYSTEM_PROGRAM: _plain(_SYSTEM_NAMES),
    TOKEN_PROGRAM: _plain(_TOKEN_NAMES),
    TOKEN_2022_PROGRAM: _TOKEN_2022,
    ASSOCIATED_TOKEN_PROGRAM: _plain("InvalidOwner"),
    MEMO_PROGRAM: {},
    COMPUTE_BUDGET_PROGRAM: {},
    **{kind.program_id: _of_kind(kind) for kind in KINDS},
}


def reasons() -> Iterator[ErrorCode]:
    """Every reason that the table gives."""
    yield from TRANSACTION_ERRORS.values()
    yield from INSTRUCTION_ERRORS.values()
    yield from RPC_ERRORS.values()
    for errors in PROGRAM_ERRORS.values():
        yield from (error.reason for error in errors.values())
