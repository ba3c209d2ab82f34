"""From the chain's error to a reason of the table, by program and number."""

from collections.abc import Iterator

import pytest
from solders.pubkey import Pubkey
from solders.transaction_status import (
    InstructionErrorCustom,
    InstructionErrorFieldless,
    TransactionErrorDuplicateInstruction,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
)

from activities.solana.failures import explain
from activities.venues.kinds import KINDS
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import PoolKind
from workflows.domain.errors import ErrorCode

SYSTEM, UNKNOWN = Pubkey.default(), Pubkey.new_unique()

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def custom(code: int, program: Pubkey) -> tuple[ErrorCode, str]:
    """The reason when `program`, third of the transaction, fails with a number of its own."""
    error = TransactionErrorInstructionError(2, InstructionErrorCustom(code))
    return explain(error, [UNKNOWN, UNKNOWN, program, UNKNOWN])


class TestSwaps:
    @each_kind
    def test_a_price_that_moved_beyond_the_limit_is_slippage(self, kind: PoolKind) -> None:
        assert kind.slippage_codes
        for code in kind.slippage_codes:
            reason, detail = custom(code, kind.program_id)
            assert reason is ErrorCode.SLIPPAGE_EXCEEDED
            assert f"{kind.venue} {kind.name}" in detail
            assert str(code) in detail

    @each_kind
    def test_a_pool_that_takes_no_swaps_is_unavailable(self, kind: PoolKind) -> None:
        for code in kind.closed_codes:
            assert custom(code, kind.program_id)[0] is ErrorCode.POOL_UNAVAILABLE

    @each_kind
    def test_any_other_refusal_is_a_revert_with_the_programs_name_for_it(self, kind: PoolKind) -> None:
        for code, name in kind.error_names.items():
            reason, detail = custom(code, kind.program_id)
            assert name in detail or reason is ErrorCode.INSUFFICIENT_FUNDS
            if code not in kind.slippage_codes | kind.closed_codes and code >= 100:
                assert reason is ErrorCode.SWAP_REVERTED

    @each_kind
    def test_a_number_without_a_name_is_told_as_a_number(self, kind: PoolKind) -> None:
        reason, detail = custom(59_999, kind.program_id)
        assert reason is ErrorCode.SWAP_REVERTED
        assert "(59999)" in detail

    @each_kind
    def test_a_token_error_inside_of_a_swap_says_what_is_wrong_with_the_wallet(self, kind: PoolKind) -> None:
        if 1 not in kind.error_names:
            assert custom(1, kind.program_id)[0] is ErrorCode.INSUFFICIENT_FUNDS
        if 17 not in kind.error_names:
            assert custom(17, kind.program_id)[0] is ErrorCode.ACCOUNT_FROZEN

    @each_kind
    def test_slippage_and_closed_codes_are_known_and_apart(self, kind: PoolKind) -> None:
        assert not kind.slippage_codes & kind.closed_codes
        assert kind.slippage_codes | kind.closed_codes <= set(kind.error_names)


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM], ids=["token", "token-2022"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, ErrorCode.INSUFFICIENT_FUNDS),
        (1, ErrorCode.INSUFFICIENT_FUNDS),
        (17, ErrorCode.ACCOUNT_FROZEN),
        (4, ErrorCode.SWAP_REVERTED),
    ],
)
def test_what_a_token_program_says_of_itself(program: Pubkey, code: int, reason: ErrorCode) -> None:
    assert custom(code, program)[0] is reason


def test_the_system_program_knows_a_wallet_without_lamports() -> None:
    assert custom(1, SYSTEM)[0] is ErrorCode.INSUFFICIENT_FUNDS
    assert custom(0, SYSTEM)[0] is ErrorCode.SWAP_REVERTED


def test_a_number_means_something_only_with_its_program() -> None:
    reason, detail = custom(1, UNKNOWN)
    assert reason is ErrorCode.SWAP_REVERTED
    assert str(UNKNOWN) in detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransactionErrorFieldless.AccountNotFound, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorFieldless.InsufficientFundsForFee, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorFieldless.InvalidAccountForFee, ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorInsufficientFundsForRent(0), ErrorCode.INSUFFICIENT_FUNDS),
        (TransactionErrorFieldless.BlockhashNotFound, ErrorCode.BLOCKHASH_EXPIRED),
        (TransactionErrorFieldless.AccountInUse, ErrorCode.SWAP_REVERTED),
        (TransactionErrorFieldless.AlreadyProcessed, ErrorCode.SWAP_REVERTED),
        (TransactionErrorDuplicateInstruction(1), ErrorCode.SWAP_REVERTED),
        (
            TransactionErrorInstructionError(0, InstructionErrorFieldless.InsufficientFunds),
            ErrorCode.INSUFFICIENT_FUNDS,
        ),
        (
            TransactionErrorInstructionError(0, InstructionErrorFieldless.ComputationalBudgetExceeded),
            ErrorCode.SWAP_REVERTED,
        ),
    ],
    ids=str,
)
def test_an_error_of_the_transaction_as_a_whole(error: TransactionErrorType, reason: ErrorCode) -> None:
    explained, detail = explain(error, [UNKNOWN])
    assert explained is reason
    assert detail


def everything() -> Iterator[TransactionErrorType]:
    """Each error that a node can report, in a program of every sort."""
    yield from (
        getattr(TransactionErrorFieldless, name) for name in dir(TransactionErrorFieldless) if name[0].isupper()
    )
    for index in range(4):
        for name in dir(InstructionErrorFieldless):
            if name[0].isupper():
                yield TransactionErrorInstructionError(index, getattr(InstructionErrorFieldless, name))
        for code in (*range(120), 3000, 6000, 2**32 - 1):
            yield TransactionErrorInstructionError(index, InstructionErrorCustom(code))


def test_every_error_has_a_reason_that_an_order_can_end_with() -> None:
    programs = [SYSTEM, TOKEN_PROGRAM, KINDS[0].program_id]
    for error in everything():
        reason, detail = explain(error, programs)
        assert isinstance(reason, ErrorCode)
        assert detail
