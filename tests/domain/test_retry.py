"""When an order is tried again, and how long it waits."""

from datetime import timedelta
from itertools import pairwise

import pytest

from workflows.domain.error_table import may_retry
from workflows.domain.errors import ErrorCode
from workflows.domain.retry import next_attempt_after

AT_ONCE = {
    ErrorCode.SLIPPAGE_EXCEEDED,
    ErrorCode.BLOCKHASH_EXPIRED,
    ErrorCode.SWAP_REVERTED,
    ErrorCode.COMPUTE_EXCEEDED,
}


@pytest.mark.parametrize("reason", ErrorCode)
def test_the_last_attempt_is_the_last(reason: ErrorCode) -> None:
    for attempts in (1, 3, 100):
        assert next_attempt_after(attempts, attempts, reason) is None
        assert next_attempt_after(attempts + 1, attempts, reason) is None


@pytest.mark.parametrize("reason", ErrorCode)
def test_an_order_is_tried_again_exactly_when_the_table_allows_it(reason: ErrorCode) -> None:
    assert (next_attempt_after(1, 3, reason) is not None) == may_retry(reason)


@pytest.mark.parametrize("reason", sorted(AT_ONCE))
def test_what_the_market_answers_is_tried_again_at_once(reason: ErrorCode) -> None:
    assert {next_attempt_after(attempt, 100, reason) for attempt in range(1, 100)} == {timedelta(0)}


@pytest.mark.parametrize("reason", [code for code in ErrorCode if may_retry(code) and code not in AT_ONCE])
def test_other_pauses_double_and_stay_short(reason: ErrorCode) -> None:
    pauses = [next_attempt_after(attempt, 100, reason) for attempt in range(1, 100)]
    assert pauses[:6] == [timedelta(milliseconds=pause) for pause in (250, 500, 1000, 2000, 4000, 5000)]
    assert all(before is not None and after is not None and before <= after for before, after in pairwise(pauses))
    assert pauses[-1] == timedelta(seconds=5)
