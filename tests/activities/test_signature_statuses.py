"""Statuses are read one by one: an answer that nobody foresaw spoils no other."""

import pytest

from activities.solana.statuses import Level, SignatureStatus, Statuses, UnreadableError


def test_one_unreadable_status_spoils_no_other() -> None:
    good = '{"slot":5,"confirmations":null,"err":null,"status":{"Ok":null},"confirmationStatus":"finalized"}'
    new = good.replace('"err":null', '"err":"BrandNew"').replace('{"Ok":null}', '{"Err":"BrandNew"}')
    odd = '{"slot":"five"}'
    text = f'{{"jsonrpc":"2.0","result":{{"context":{{"slot":9}},"value":[{good},{new},null,{odd}]}},"id":0}}'
    assert Statuses.from_json(text) == Statuses(
        9,
        (
            SignatureStatus(5, None, Level.FINALIZED),
            SignatureStatus(5, UnreadableError('"BrandNew"'), Level.FINALIZED),
            None,
            SignatureStatus(0, UnreadableError('{"slot": "five"}'), Level.PROCESSED),
        ),
    )


@pytest.mark.parametrize("text", ["", "null", "[]", '{"result": 5}', '{"result": {"context": {}, "value": []}}'])
def test_what_is_no_list_of_statuses_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no list|Expecting"):
        Statuses.from_json(text)
