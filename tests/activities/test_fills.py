"""What a transaction traded is read from the balances that it changed."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta

from activities.solana.fills import FillUnreadable, read_fill
from activities.venues.mint import NATIVE_MINT
from workflows.domain.order import Fill

WALLET, POOL, FEES = Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique()
USDC, BONK = Pubkey.new_unique(), Pubkey.new_unique()
U64 = 2**64 - 1

# Token balances by (owner, mint), base units.
Balances = Mapping[tuple[Pubkey, Pubkey], int]


def _bytes() -> str:
    payer = Keypair()
    message = MessageV0.try_compile(payer.pubkey(), [], [], Hash.default())
    return base64.b64encode(bytes(VersionedTransaction(message, [payer]))).decode()


_TRANSACTION = _bytes()


def listed(balances: Balances) -> list[dict[str, Any]]:
    return [
        {
            "accountIndex": index,
            "mint": str(mint),
            "owner": str(owner),
            "programId": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
            "uiTokenAmount": {"amount": str(amount), "decimals": 6, "uiAmount": None, "uiAmountString": "0"},
        }
        for index, ((owner, mint), amount) in enumerate(balances.items())
    ]


def landed(before: Balances, after: Balances, **meta: Any) -> EncodedConfirmedTransactionWithStatusMeta:
    """The record of a transaction that changed the balances so."""
    facts: dict[str, Any] = {
        "err": None,
        "status": {"Ok": None},
        "fee": 5_123,
        "preBalances": [10**9],
        "postBalances": [10**9 - 5_123],
        "innerInstructions": [],
        "logMessages": [],
        "preTokenBalances": listed(before),
        "postTokenBalances": listed(after),
        "rewards": None,
    }
    return _record(facts | meta)


def _record(meta: dict[str, Any] | None) -> EncodedConfirmedTransactionWithStatusMeta:
    document = {"slot": 77, "blockTime": None, "version": 0, "transaction": [_TRANSACTION, "base64"], "meta": meta}
    return EncodedConfirmedTransactionWithStatusMeta.from_json(json.dumps(document))


def fill(amount_in: int, amount_out: int) -> Fill:
    return Fill(amount_in=amount_in, amount_out=amount_out, fee_lamports=5_123, slot=77)


def test_between_two_tokens_the_wallets_own_balances_tell() -> None:
    before = {(WALLET, USDC): 500, (POOL, USDC): 10_000, (WALLET, BONK): 7, (POOL, BONK): 90_000}
    after = {(WALLET, USDC): 100, (POOL, USDC): 10_400, (WALLET, BONK): 2_507, (POOL, BONK): 87_500}
    assert read_fill(landed(before, after), WALLET, USDC, BONK) == fill(400, 2_500)


def test_an_account_that_the_transaction_created_held_nothing_before() -> None:
    before = {(WALLET, USDC): 500, (POOL, USDC): 10_000, (POOL, BONK): 90_000}
    after = {(WALLET, USDC): 0, (POOL, USDC): 10_500, (WALLET, BONK): 2_500, (POOL, BONK): 87_500}
    assert read_fill(landed(before, after), WALLET, USDC, BONK) == fill(500, 2_500)


def test_sol_that_was_sold_is_what_the_others_gained() -> None:
    before = {(POOL, NATIVE_MINT): 10_000, (POOL, USDC): 90_000, (WALLET, USDC): 0}
    after = {(POOL, NATIVE_MINT): 10_390, (FEES, NATIVE_MINT): 10, (POOL, USDC): 87_500, (WALLET, USDC): 2_500}
    assert read_fill(landed(before, after), WALLET, NATIVE_MINT, USDC) == fill(400, 2_500)


def test_sol_that_was_bought_is_what_the_others_lost() -> None:
    before = {(WALLET, USDC): 500, (POOL, USDC): 0, (POOL, NATIVE_MINT): 10_000}
    after = {(WALLET, USDC): 100, (POOL, USDC): 400, (POOL, NATIVE_MINT): 9_000}
    assert read_fill(landed(before, after), WALLET, USDC, NATIVE_MINT) == fill(400, 1_000)


def test_sol_in_the_wallets_own_wrapped_account_is_not_part_of_the_trade() -> None:
    before = {(WALLET, NATIVE_MINT): 3, (POOL, NATIVE_MINT): 10_000, (WALLET, USDC): 0, (POOL, USDC): 50}
    after = {(WALLET, NATIVE_MINT): 3, (POOL, NATIVE_MINT): 10_400, (WALLET, USDC): 50, (POOL, USDC): 0}
    assert read_fill(landed(before, after), WALLET, NATIVE_MINT, USDC) == fill(400, 50)


def test_a_transfer_fee_is_paid_by_who_sends_and_missed_by_who_receives() -> None:
    # The mint keeps 1 % of each transfer back: it is in no balance.
    before = {(WALLET, USDC): 1_000, (POOL, USDC): 0, (WALLET, BONK): 0, (POOL, BONK): 5_000}
    after = {(WALLET, USDC): 0, (POOL, USDC): 990, (WALLET, BONK): 2_970, (POOL, BONK): 2_000}
    assert read_fill(landed(before, after), WALLET, USDC, BONK) == fill(1_000, 2_970)


def test_the_legs_of_a_split_add_up() -> None:
    second = Pubkey.new_unique()
    before = {
        (POOL, NATIVE_MINT): 100,
        (second, NATIVE_MINT): 100,
        (WALLET, USDC): 1,
        (POOL, USDC): 60,
        (second, USDC): 60,
    }
    after = {
        (POOL, NATIVE_MINT): 140,
        (second, NATIVE_MINT): 160,
        (WALLET, USDC): 91,
        (POOL, USDC): 20,
        (second, USDC): 10,
    }
    assert read_fill(landed(before, after), WALLET, NATIVE_MINT, USDC) == fill(100, 90)


@given(st.integers(0, U64), st.integers(0, U64), st.booleans())
def test_every_amount_of_a_u64_is_read_whole(lamports: int, tokens: int, sells_sol: bool) -> None:
    less = {(POOL, NATIVE_MINT): U64 - lamports, (WALLET, USDC): tokens}
    more = {(POOL, NATIVE_MINT): U64, (WALLET, USDC): 0}
    if sells_sol:
        record = landed({**less, (WALLET, USDC): 0}, {**more, (WALLET, USDC): tokens})
        assert read_fill(record, WALLET, NATIVE_MINT, USDC) == fill(lamports, tokens)
    else:
        record = landed({**more, (WALLET, USDC): tokens}, {**less, (WALLET, USDC): 0})
        assert read_fill(record, WALLET, USDC, NATIVE_MINT) == fill(tokens, lamports)


@pytest.mark.parametrize("missing", ["preTokenBalances", "postTokenBalances"])
def test_a_record_without_balances_is_not_taken_for_an_empty_one(missing: str) -> None:
    with pytest.raises(FillUnreadable):
        read_fill(landed({}, {}, **{missing: None}), WALLET, USDC, BONK)


def test_a_record_without_its_meta_is_not_read() -> None:
    with pytest.raises(FillUnreadable):
        read_fill(_record(None), WALLET, USDC, BONK)
