"""Mints and token accounts: transfer fees to the unit, and what makes a transfer do something else."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, Unsupported, VenueError
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, Mint, TransferFee, decode_mint, token_balance
from activities.venues.pool import Account

U64_MAX = 2**64 - 1
KEY = Pubkey.from_bytes(bytes([7]) * 32)
SYSTEM = Pubkey.default()
BASE = bytes(44) + bytes([9, 1]) + bytes(36)


def mint_account(*extensions: bytes, program: Pubkey = TOKEN_2022_PROGRAM) -> Account:
    data = BASE + bytes(83) + b"\1" + b"".join(extensions) if extensions else BASE
    return Account(program, 1, data)


def extension(kind: int, value: bytes = b"") -> bytes:
    return pack("<HH", kind, len(value)) + value


def transfer_fee_config(older: TransferFee, newer: TransferFee) -> bytes:
    return extension(1, bytes(72) + pack("<QQH", *older) + pack("<QQH", *newer))


def holding(amount: int, program: Pubkey = TOKEN_PROGRAM, state: int = 1, tail: bytes = b"") -> Account:
    return Account(program, 1, bytes(64) + pack("<Q", amount) + bytes(36) + bytes([state]) + bytes(56) + tail)


def test_a_plain_mint_has_decimals_and_no_fee() -> None:
    for program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
        mint = decode_mint(KEY, mint_account(program=program))
        assert mint == Mint(KEY, 9, program)
        assert (mint.fee(10**9, 5), mint.gross_up(10**9, 5)) == (0, 10**9)


def test_the_newer_fee_applies_from_its_epoch() -> None:
    older, newer = TransferFee(0, 10**6, 100), TransferFee(10, 10**6, 200)
    mint = decode_mint(KEY, mint_account(extension(18, bytes(64)), transfer_fee_config(older, newer)))
    assert (mint.older, mint.newer) == (older, newer)
    assert [mint.fee(10_000, epoch) for epoch in (9, 10, 11)] == [100, 200, 200]
    assert [mint.gross_up(9_800, epoch) for epoch in (9, 10)] == [9_899, 10_000]


def test_fees_round_up_and_stop_at_their_maximum() -> None:
    fee = TransferFee(0, 5_000, 100)
    assert [fee.of(amount) for amount in (0, 1, 100, 101, 499_901, U64_MAX)] == [0, 1, 1, 2, 5_000, 5_000]
    assert [fee.gross_up(net) for net in (0, 99, 100, 10**6)] == [0, 100, 102, 1_005_000]
    whole = TransferFee(0, 5_000, 10_000)
    assert (whole.of(3_000), whole.gross_up(7), whole.gross_up(0)) == (3_000, 5_007, 0)


fees = st.builds(TransferFee, st.just(0), st.integers(0, U64_MAX), st.integers(0, 10_000))


@given(fees, st.integers(1, U64_MAX))
def test_grossing_up_is_the_least_that_delivers(fee: TransferFee, net: int) -> None:
    gross = fee.gross_up(net)
    assert gross - fee.of(gross) == net
    assert gross == 1 or gross - 1 - fee.of(gross - 1) < net


@given(fees, st.integers(0, U64_MAX))
def test_a_fee_never_exceeds_the_amount(fee: TransferFee, amount: int) -> None:
    assert 0 <= fee.of(amount) <= amount


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ([extension(14, bytes(32) + bytes(KEY))], "mint_transfer_hook"),
        ([extension(9)], "mint_non_transferable"),
        ([extension(26, bytes(32) + b"\1")], "mint_paused"),
        ([extension(6, b"\2")], "mint_default_frozen"),
        ([extension(18, bytes(64)), extension(999, b"?")], "mint_unknown_extension"),
    ],
)
def test_mints_whose_transfers_do_something_else_are_refused_by_name(extensions: list[bytes], reason: str) -> None:
    with pytest.raises(Unsupported) as raised:
        decode_mint(KEY, mint_account(*extensions))
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    "extensions",
    [
        [extension(14, bytes(64))],
        [extension(26, bytes(33))],
        [extension(6, b"\1")],
        [extension(12, bytes(32)), extension(4, bytes(65)), extension(16, bytes(129))],
        [extension(10, bytes(52)), extension(25, bytes(56)), extension(19, b"name")],
        [extension(0, b""), b"\xff\xff\xff\xff"],
        [b"\1\0\0"],
    ],
)
def test_extensions_that_leave_transfers_alone_are_passed_over(extensions: list[bytes]) -> None:
    assert decode_mint(KEY, mint_account(*extensions)).newer is None


@pytest.mark.parametrize(
    "account",
    [
        Account(SYSTEM, 1, BASE),
        Account(TOKEN_PROGRAM, 1, BASE + b"\0"),
        Account(TOKEN_PROGRAM, 1, b""),
        Account(TOKEN_PROGRAM, 1, bytes(82)),
        Account(TOKEN_2022_PROGRAM, 1, BASE + bytes(83)),
        Account(TOKEN_2022_PROGRAM, 1, BASE + bytes(83) + b"\2"),
        mint_account(extension(1, bytes(107))),
        mint_account(b"\1\0\xff\0"),
        mint_account(transfer_fee_config(TransferFee(0, 0, 0), TransferFee(0, 0, 10_001))),
    ],
)
def test_other_bytes_are_no_mint(account: Account) -> None:
    with pytest.raises(DecodeError):
        decode_mint(KEY, account)


@given(st.sampled_from([TOKEN_PROGRAM, TOKEN_2022_PROGRAM, SYSTEM]), st.binary(max_size=700))
def test_any_bytes_decode_or_are_refused(program: Pubkey, data: bytes) -> None:
    for tail in (data, BASE + bytes(83) + b"\1" + data):
        try:
            decode_mint(KEY, Account(program, 1, tail))
            token_balance(KEY, Account(program, 1, tail))
        except VenueError:
            pass


def test_a_balance_is_read_from_either_program() -> None:
    assert token_balance(KEY, holding(U64_MAX)) == U64_MAX
    assert token_balance(KEY, holding(5, TOKEN_2022_PROGRAM)) == 5
    assert token_balance(KEY, holding(5, TOKEN_2022_PROGRAM, tail=b"\2" + extension(7))) == 5


@pytest.mark.parametrize(
    "account",
    [
        holding(5, SYSTEM),
        holding(5, state=0),
        holding(5, tail=b"\2"),
        holding(5, TOKEN_2022_PROGRAM, tail=b"\1"),
        Account(TOKEN_PROGRAM, 1, b""),
    ],
)
def test_other_bytes_are_no_token_account(account: Account) -> None:
    with pytest.raises(DecodeError):
        token_balance(KEY, account)


def test_a_frozen_account_is_named() -> None:
    with pytest.raises(Unsupported) as raised:
        token_balance(KEY, holding(5, state=2))
    assert raised.value.reason == "token_account_frozen"
