"""One code, one row."""

import re

import pytest

from workflows.domain.error_table import TABLE, Retry, may_repeat, may_retry
from workflows.domain.errors import EngineError, ErrorCode, error_code

CODES = pytest.mark.parametrize("code", ErrorCode)

# A reason that says where the money stands, or that somebody has to do something: trying again cannot help.
NEVER_AGAIN = {
    ErrorCode.INSUFFICIENT_FUNDS,
    ErrorCode.ACCOUNT_FROZEN,
    ErrorCode.PAIR_UNSUPPORTED,
    ErrorCode.LIQUIDITY_INSUFFICIENT,
    ErrorCode.WALLET_UNKNOWN,
    ErrorCode.TRANSACTION_TOO_LARGE,
    ErrorCode.POOL_PAUSED,
    ErrorCode.TOKEN_RESTRICTED,
    ErrorCode.TRANSACTION_INVALID,
    ErrorCode.TRANSACTION_DUPLICATE,
    ErrorCode.RPC_REFUSED,
    ErrorCode.INTERNAL_ERROR,
}


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert set(TABLE) == set(ErrorCode)


@CODES
def test_a_code_names_category_and_condition(code: ErrorCode) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", code)
    assert code.name == code.value.upper()


@CODES
def test_a_row_answers_a_client(code: ErrorCode) -> None:
    row = TABLE[code]
    assert 400 <= row.http_status <= 599
    for text in (row.meaning, row.advice):
        assert text.endswith(".")
        assert len(text) > 10
    assert row.meaning != row.advice


@CODES
def test_only_a_reason_that_may_pass_is_tried_again(code: ErrorCode) -> None:
    assert may_retry(code) == (TABLE[code].retry is Retry.AGAIN)
    if code in NEVER_AGAIN:
        assert not may_retry(code)


def test_what_the_market_or_the_chain_may_take_back_is_tried_again() -> None:
    passing = (ErrorCode.SLIPPAGE_EXCEEDED, ErrorCode.BLOCKHASH_EXPIRED, ErrorCode.CHAIN_UNAVAILABLE)
    assert all(may_retry(code) for code in passing)


@CODES
def test_a_code_is_found_by_its_text(code: ErrorCode) -> None:
    assert error_code(str(code)) is code


@pytest.mark.parametrize("text", [None, "", "KeyError", "SLIPPAGE_EXCEEDED", "slippage_exceeded "])
def test_another_text_is_no_code(text: str | None) -> None:
    assert error_code(text) is None


@CODES
def test_an_error_carries_its_code(code: ErrorCode) -> None:
    error = EngineError(code, "what happened")
    assert (error.code, error.detail, str(error)) == (code, "what happened", "what happened")


def test_only_a_refusal_that_passes_and_did_nothing_may_be_repeated() -> None:
    assert may_repeat(ErrorCode.ENGINE_UNAVAILABLE)
    assert may_repeat(ErrorCode.RATE_LIMITED)
    for code in (ErrorCode.REQUEST_INVALID, ErrorCode.ACCEPTANCE_UNKNOWN, ErrorCode.AMENDMENT_UNKNOWN):
        assert not may_repeat(code)
