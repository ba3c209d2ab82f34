"""From the chain's error to a reason of the table, by program and number."""

from collections.abc import Iterator

import pytest
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.pubkey import Pubkey
from solders.rpc.responses import GetSlotResp
from solders.transaction_status import (
    InstructionErrorCustom,
    InstructionErrorFieldless,
    TransactionErrorDuplicateInstruction,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorProgramExecutionTemporarilyRestricted,
    TransactionErrorType,
)
from spl.token.constants import ASSOCIATED_TOKEN_PROGRAM_ID as ASSOCIATED_TOKEN

from activities.solana.failure_table import (
    INSTRUCTION_ERRORS,
    PLAIN_PROGRAMS,
    PROGRAM_ERRORS,
    RPC_ERRORS,
    TRANSACTION_ERRORS,
    reasons,
)
from activities.solana.failures import explain, explain_refusal, variant
from activities.solana.transaction import MEMO_PROGRAM
from activities.venues.kinds import KINDS
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import PoolKind
from workflows.domain.error_table import TABLE, may_retry
from workflows.domain.errors import ErrorCode

SYSTEM, UNKNOWN = Pubkey.default(), Pubkey.new_unique()
REQUEST_CODES = {ErrorCode.REQUEST_MALFORMED, ErrorCode.REQUEST_INVALID, ErrorCode.INTERNAL_ERROR}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def variants(enum: type) -> set[str]:
    """The names of the variants that solders can express."""
    return {name for name in dir(enum) if name[0].isupper()}


def custom(code: int, program: Pubkey) -> tuple[ErrorCode, str]:
    """The reason when `program`, third of the transaction, fails with a number of its own."""
    error = TransactionErrorInstructionError(2, InstructionErrorCustom(code))
    return explain(error, [UNKNOWN, UNKNOWN, program, UNKNOWN])


class TestCompleteness:
    def test_every_error_of_a_transaction_has_exactly_one_row(self) -> None:
        assert set(TRANSACTION_ERRORS) == variants(TransactionErrorFieldless)

    def test_every_error_of_an_instruction_has_exactly_one_row(self) -> None:
        assert set(INSTRUCTION_ERRORS) == variants(InstructionErrorFieldless)

    @each_kind
    def test_every_number_of_a_venue_has_exactly_one_row(self, kind: PoolKind) -> None:
        assert set(kind.error_names) <= set(PROGRAM_ERRORS[kind.program_id])
        told = (kind.slippage_codes, kind.closed_codes, kind.changed_codes, kind.unfunded_codes)
        assert sum(map(len, told)) == len(frozenset().union(*told))
        assert frozenset().union(*told) <= set(kind.error_names)

    def test_every_program_of_a_swap_has_its_numbers(self) -> None:
        assert set(PROGRAM_ERRORS) == {*PLAIN_PROGRAMS, *(kind.program_id for kind in KINDS)}
        counts = [len(PROGRAM_ERRORS[program]) for program in (SYSTEM, TOKEN_PROGRAM, TOKEN_2022_PROGRAM)]
        assert counts == [9, 20, 69]
        assert {*PROGRAM_ERRORS[MEMO_PROGRAM], *PROGRAM_ERRORS[COMPUTE_BUDGET]} == set()

    def test_token_2022_goes_on_where_the_token_program_ends(self) -> None:
        assert PROGRAM_ERRORS[TOKEN_PROGRAM].items() <= PROGRAM_ERRORS[TOKEN_2022_PROGRAM].items()

    def test_every_error_code_that_a_node_can_speak_of_has_a_row(self) -> None:
        # Those that solders knows: any other number comes out of it as a number.
        for code in range(-32_020, -31_999):
            document = f'{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m","data":{_data(code)}}}}}'
            if not isinstance(GetSlotResp.from_json(document), int):
                assert code in RPC_ERRORS

    def test_every_reason_is_a_row_that_says_what_to_do(self) -> None:
        for reason in {*reasons(), *(explain(error, PROGRAMS)[0] for error in everything())}:
            assert reason not in REQUEST_CODES
            assert 400 <= TABLE[reason].http_status <= 599
            assert TABLE[reason].advice

    def test_no_error_of_the_chain_is_left_without_a_reason(self) -> None:
        for error in everything():
            reason, detail = explain(error, PROGRAMS)
            assert isinstance(reason, ErrorCode)
            assert detail


def _data(code: int) -> str:
    return {-32_005: '{"numSlotsBehind":3}', -32_016: '{"contextSlot":3}', -32_002: '{"err":null,"logs":null}'}.get(
        code, "{}"
    )


class TestSwaps:
    @each_kind
    def test_a_price_that_moved_beyond_the_limit_is_slippage_and_tried_again(self, kind: PoolKind) -> None:
        assert kind.slippage_codes
        for code in kind.slippage_codes:
            reason, detail = custom(code, kind.program_id)
            assert reason is ErrorCode.SLIPPAGE_EXCEEDED
            assert may_retry(reason)
            assert detail == f"{kind.venue} {kind.name} refused with {kind.error_names[code]} ({code})"

    @each_kind
    def test_a_pool_that_takes_no_swaps_ends_the_order(self, kind: PoolKind) -> None:
        assert kind.closed_codes
        for code in kind.closed_codes:
            assert custom(code, kind.program_id)[0] is ErrorCode.POOL_PAUSED
        assert not may_retry(ErrorCode.POOL_PAUSED)

    @each_kind
    def test_a_pool_that_changed_is_tried_again(self, kind: PoolKind) -> None:
        for code in kind.changed_codes:
            assert custom(code, kind.program_id)[0] is ErrorCode.POOL_UNAVAILABLE
        assert may_retry(ErrorCode.POOL_UNAVAILABLE)

    @each_kind
    def test_any_other_refusal_is_a_revert_with_the_programs_name_for_it(self, kind: PoolKind) -> None:
        named = kind.slippage_codes | kind.closed_codes | kind.changed_codes | kind.unfunded_codes
        for code, name in kind.error_names.items():
            reason, detail = custom(code, kind.program_id)
            assert f"refused with {name} ({code})" in detail
            assert (reason is ErrorCode.SWAP_REVERTED) == (code not in named)

    @each_kind
    def test_a_number_without_a_name_is_told_as_a_number(self, kind: PoolKind) -> None:
        reason, detail = custom(59_999, kind.program_id)
        assert reason is ErrorCode.SWAP_REVERTED
        assert detail == f"{kind.venue} {kind.name} refused with code (59999)"

    @each_kind
    def test_a_token_error_inside_of_a_swap_says_what_is_wrong_with_the_wallet(self, kind: PoolKind) -> None:
        assert custom(1, kind.program_id)[0] is ErrorCode.INSUFFICIENT_FUNDS
        assert custom(17, kind.program_id)[0] is ErrorCode.ACCOUNT_FROZEN

    @each_kind
    def test_what_anchor_refuses_before_the_program_runs_has_a_name(self, kind: PoolKind) -> None:
        expected = "refused with code (3012)" if kind.name == "amm_v4" else "refused with AccountNotInitialized (3012)"
        reason, detail = custom(3012, kind.program_id)
        assert reason is ErrorCode.SWAP_REVERTED
        assert expected in detail

    def test_the_program_older_than_anchor_keeps_its_own_low_numbers(self) -> None:
        (amm_v4,) = (kind for kind in KINDS if kind.name == "amm_v4")
        assert "AccountNeedWriteable (14)" in custom(14, amm_v4.program_id)[1]
        assert "code (42000)" in custom(42_000, amm_v4.program_id)[1]
        assert "code (2)" in custom(2, amm_v4.program_id)[1]


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM], ids=["token", "token-2022"])
@pytest.mark.parametrize(
    ("code", "reason", "name"),
    [
        (0, ErrorCode.INSUFFICIENT_FUNDS, "NotRentExempt"),
        (1, ErrorCode.INSUFFICIENT_FUNDS, "InsufficientFunds"),
        (4, ErrorCode.TOKEN_RESTRICTED, "OwnerMismatch"),
        (12, ErrorCode.TRANSACTION_INVALID, "InvalidInstruction"),
        (14, ErrorCode.SWAP_REVERTED, "Overflow"),
        (17, ErrorCode.ACCOUNT_FROZEN, "AccountFrozen"),
    ],
)
def test_what_a_token_program_says_of_itself(program: Pubkey, code: int, reason: ErrorCode, name: str) -> None:
    explained, detail = custom(code, program)
    assert explained is reason
    assert f"{name} ({code})" in detail


@pytest.mark.parametrize(
    ("code", "name"),
    [(36, "NoMemo"), (37, "NonTransferable"), (42, "CpiGuardTransferBlocked"), (67, "MintPaused")],
)
def test_what_an_extension_of_a_token_forbids_is_not_tried_again(code: int, name: str) -> None:
    reason, detail = custom(code, TOKEN_2022_PROGRAM)
    assert reason is ErrorCode.TOKEN_RESTRICTED
    assert not may_retry(reason)
    assert f"{name} ({code})" in detail
    assert custom(code, TOKEN_PROGRAM)[0] is ErrorCode.SWAP_REVERTED


def test_the_system_program_knows_a_wallet_without_lamports() -> None:
    assert custom(1, SYSTEM) == (
        ErrorCode.INSUFFICIENT_FUNDS,
        "the system program refused with ResultWithNegativeLamports (1)",
    )
    assert custom(0, SYSTEM)[0] is ErrorCode.SWAP_REVERTED


def test_an_associated_account_that_belongs_to_another_is_not_used() -> None:
    assert custom(0, ASSOCIATED_TOKEN)[0] is ErrorCode.TOKEN_RESTRICTED


@pytest.mark.parametrize("program", [MEMO_PROGRAM, COMPUTE_BUDGET], ids=["memo", "compute budget"])
def test_a_program_without_numbers_of_its_own_is_named(program: Pubkey) -> None:
    error = TransactionErrorInstructionError(0, InstructionErrorFieldless.InvalidInstructionData)
    reason, detail = explain(error, [program])
    assert reason is ErrorCode.TRANSACTION_INVALID
    assert detail == f"{PLAIN_PROGRAMS[program]} failed with InvalidInstructionData in instruction 0"


def test_a_number_means_something_only_with_its_program() -> None:
    reason, detail = custom(1, UNKNOWN)
    assert reason is ErrorCode.SWAP_REVERTED
    assert str(UNKNOWN) in detail


def test_an_instruction_that_nobody_listed_is_a_revert() -> None:
    reason, detail = explain(TransactionErrorInstructionError(9, InstructionErrorCustom(1)), [UNKNOWN])
    assert reason is ErrorCode.SWAP_REVERTED
    assert "an unknown program" in detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransactionErrorFieldless.AccountNotFound, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorFieldless.InsufficientFundsForFee, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorFieldless.InvalidAccountForFee, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorInsufficientFundsForRent(0), ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorInsufficientFundsForRent(7), ErrorCode.TRANSACTION_INVALID),
        (TransactionErrorFieldless.BlockhashNotFound, ErrorCode.BLOCKHASH_EXPIRED),
        (TransactionErrorFieldless.AccountInUse, ErrorCode.CHAIN_UNAVAILABLE),
        (TransactionErrorFieldless.WouldExceedMaxBlockCostLimit, ErrorCode.CHAIN_UNAVAILABLE),
        (TransactionErrorFieldless.AlreadyProcessed, ErrorCode.TRANSACTION_DUPLICATE),
        (TransactionErrorFieldless.TooManyAccountLocks, ErrorCode.TRANSACTION_TOO_LARGE),
        (TransactionErrorFieldless.SanitizeFailure, ErrorCode.TRANSACTION_INVALID),
        (TransactionErrorFieldless.AddressLookupTableNotFound, ErrorCode.POOL_UNAVAILABLE),
        (TransactionErrorDuplicateInstruction(1), ErrorCode.TRANSACTION_INVALID),
        (TransactionErrorProgramExecutionTemporarilyRestricted(3), ErrorCode.CHAIN_UNAVAILABLE),
        (
            TransactionErrorInstructionError(0, InstructionErrorFieldless.InsufficientFunds),
            ErrorCode.INSUFFICIENT_FUNDS,
        ),
        (
            TransactionErrorInstructionError(0, InstructionErrorFieldless.ComputationalBudgetExceeded),
            ErrorCode.COMPUTE_EXCEEDED,
        ),
        (
            TransactionErrorInstructionError(0, InstructionErrorFieldless.ProgramFailedToComplete),
            ErrorCode.SWAP_REVERTED,
        ),
    ],
    ids=str,
)
def test_an_error_of_the_transaction_as_a_whole(error: TransactionErrorType, reason: ErrorCode) -> None:
    explained, detail = explain(error, [UNKNOWN])
    assert explained is reason
    assert detail


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, ErrorCode.CHAIN_UNAVAILABLE),
        (-32_002, ErrorCode.SWAP_REVERTED),
        (-32_601, ErrorCode.RPC_REFUSED),
        (-32_602, ErrorCode.RPC_REFUSED),
        (-32_003, ErrorCode.TRANSACTION_INVALID),
        (-32_005, ErrorCode.CHAIN_UNAVAILABLE),
        (-32_016, ErrorCode.CHAIN_UNAVAILABLE),
        (-32_429, ErrorCode.CHAIN_UNAVAILABLE),
        (429, ErrorCode.CHAIN_UNAVAILABLE),
        (-32_603, ErrorCode.CHAIN_UNAVAILABLE),
        (-31_999, ErrorCode.CHAIN_UNAVAILABLE),
    ],
)
def test_an_error_of_the_node(code: int | None, reason: ErrorCode) -> None:
    assert explain_refusal(code) is reason


PROGRAMS = [SYSTEM, TOKEN_PROGRAM, *(kind.program_id for kind in KINDS)]


def everything() -> Iterator[TransactionErrorType]:
    """Each error that a node can report, in a program of every sort and in one that is not listed."""
    yield from (getattr(TransactionErrorFieldless, name) for name in variants(TransactionErrorFieldless))
    yield TransactionErrorDuplicateInstruction(1)
    yield TransactionErrorProgramExecutionTemporarilyRestricted(1)
    yield from map(TransactionErrorInsufficientFundsForRent, range(3))
    for index in range(len(PROGRAMS) + 1):
        for name in variants(InstructionErrorFieldless):
            yield TransactionErrorInstructionError(index, getattr(InstructionErrorFieldless, name))
        for code in (*range(120), *range(2_000, 2_510), *range(3_000, 3_020), *range(6_000, 6_120), 2**32 - 1):
            yield TransactionErrorInstructionError(index, InstructionErrorCustom(code))


def test_a_variant_is_known_by_the_name_that_the_runtime_gives_it() -> None:
    assert variant(TransactionErrorFieldless.AccountInUse) == "AccountInUse"
    assert variant(InstructionErrorFieldless.CallDepth) == "CallDepth"
