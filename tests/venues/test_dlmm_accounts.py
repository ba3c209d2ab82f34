"""What a DLMM pair is decoded from, which accounts it asks for, and its instructions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, Unsupported, VenueError
from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_instruction import EVENT_AUTHORITY, MEMO_PROGRAM
from activities.venues.meteora.dlmm_layout import PROGRAM, bin_array_address, extension_address
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Account, Mode, Swap, SwapCall
from tests.venues.dlmm_states import (
    ADDRESS,
    CLOCK,
    MINT_X,
    MINT_Y,
    ORACLE,
    RESERVE_X,
    RESERVE_Y,
    USER,
    BinSpec,
    PairSpec,
)
from tests.venues.recorded import patched

ONE = BinSpec(x=10**9, y=10**9)
SPEC = PairSpec({70 * n: ONE for n in range(-9, 10)}, bin_step=1)
FIXED = [ADDRESS, MINT_X, MINT_Y, extension_address(ADDRESS)]


def arrays(*indexes: int) -> list[Pubkey]:
    return [bin_array_address(ADDRESS, index) for index in indexes]


def test_a_pair_asks_for_itself_then_for_its_accounts_near_the_price() -> None:
    accounts = SPEC.accounts()
    assert KIND.requirements(ADDRESS, {}) == (ADDRESS,)
    known = {ADDRESS: accounts[ADDRESS]}
    assert list(KIND.requirements(ADDRESS, known)) == FIXED + arrays(0, -1, -2, 1, 2)
    assert list(KIND.requirements(ADDRESS, known, a_to_b=True)) == FIXED + arrays(0, -1, -2)
    assert list(KIND.requirements(ADDRESS, known, a_to_b=False)) == FIXED + arrays(0, 1, 2)
    fetched = {key: accounts.get(key) for key in KIND.requirements(ADDRESS, known)}
    assert set(KIND.requirements(ADDRESS, fetched)) == set(fetched)
    assert KIND.decode(ADDRESS, fetched).quote(Swap(True, Mode.EXACT_IN, 1_000), CLOCK).amount_out > 0


def test_arrays_marked_in_the_extension_are_asked_for_when_it_is_known() -> None:
    spec = PairSpec({42_000: ONE, 42_070: ONE}, active_id=42_000, bin_step=1, extension=True)
    accounts = spec.accounts()
    known = {ADDRESS: accounts[ADDRESS]}
    assert list(KIND.requirements(ADDRESS, known)) == FIXED
    known |= {key: accounts[key] for key in FIXED}
    assert list(KIND.requirements(ADDRESS, known)) == FIXED + arrays(600, 601)


def test_pools_are_found_by_both_mints_in_either_order() -> None:
    data = SPEC.accounts()[ADDRESS]
    assert data is not None
    matches = [
        all(data.data[at : at + len(value)] == value for at, value in query.memcmp)
        for query in KIND.filters(MINT_Y, MINT_X)
    ]
    assert sorted(matches) == [False, True]
    assert {query.data_size for query in KIND.filters(MINT_X, MINT_Y)} == {len(data.data)}


@pytest.mark.parametrize(
    ("key", "offset", "data", "field"),
    [
        (ADDRESS, 0, b"\x00", "discriminator"),
        (ADDRESS, 76, (443_637).to_bytes(4, "little"), "active_id"),
        (extension_address(ADDRESS), 0, b"\x00", "bitmap_extension"),
        (extension_address(ADDRESS), 8, b"\xff", "bitmap_extension.lb_pair"),
        (bin_array_address(ADDRESS, 0), 0, b"\x00", "bin_array"),
        (bin_array_address(ADDRESS, 0), 8, b"\x01", "bin_array.index"),
        (bin_array_address(ADDRESS, 0), 24, b"\xff", "bin_array.lb_pair"),
        (MINT_X, 45, b"\x00", "is_initialized"),
    ],
)
def test_other_bytes_are_refused_by_field(key: Pubkey, offset: int, data: bytes, field: str) -> None:
    accounts = patched(replace(SPEC, extension=True).accounts(), key, offset, data)
    with pytest.raises(DecodeError) as raised:
        KIND.decode(ADDRESS, accounts)
    assert raised.value.field == field


@pytest.mark.parametrize("key", [ADDRESS, extension_address(ADDRESS), bin_array_address(ADDRESS, 0)])
def test_accounts_of_another_size_or_program_are_refused(key: Pubkey) -> None:
    accounts = replace(SPEC, extension=True).accounts()
    account = accounts[key]
    assert account is not None
    for changed in (replace(account, data=account.data + b"\x00"), replace(account, owner=TOKEN_PROGRAM)):
        with pytest.raises(DecodeError):
            KIND.decode(ADDRESS, accounts | {key: changed})


@pytest.mark.parametrize("key", FIXED)
def test_what_was_not_fetched_is_named(key: Pubkey) -> None:
    accounts = {other: account for other, account in SPEC.accounts().items() if other != key}
    with pytest.raises(MissingAccounts) as raised:
        KIND.decode(ADDRESS, accounts)
    assert key in raised.value.keys


@pytest.mark.parametrize("key", [ADDRESS, MINT_X, MINT_Y])
def test_what_does_not_exist_is_no_pool(key: Pubkey) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(ADDRESS, SPEC.accounts() | {key: None})


def test_mints_whose_transfers_do_something_else_are_refused() -> None:
    spec = PairSpec({0: ONE}, transfer_fees=(None, (100, 1_000)))
    accounts = spec.accounts()
    mint = accounts[MINT_Y]
    assert mint is not None
    hooked = replace(mint, data=mint.data + bytes((14, 0, 64, 0)) + bytes(32) + b"\x09" * 32)
    with pytest.raises(Unsupported, match="mint_transfer_hook"):
        KIND.decode(ADDRESS, accounts | {MINT_Y: hooked})


def test_an_instruction_names_every_account_with_its_rights() -> None:
    pool = replace(SPEC, extension=True, transfer_fees=(None, (100, 1_000))).decoded()
    quote = pool.quote(Swap(True, Mode.EXACT_IN, 1_500_000_000), CLOCK)
    instruction = pool.instruction(quote, 7, USER)
    assert instruction.program_id == PROGRAM
    assert (
        bytes(instruction.data).hex()
        == "414b3f4ceb5b5b88" + "002f685900000000" + "0700000000000000" + "0200000000000100"
    )
    writable = {ADDRESS, extension_address(ADDRESS), RESERVE_X, RESERVE_Y, USER.source, USER.destination, ORACLE}
    # Two arrays walked, and two more for a price that moves.
    walked = arrays(0, -1, -2, -3)
    keys = [ADDRESS, extension_address(ADDRESS), RESERVE_X, RESERVE_Y, USER.source, USER.destination, MINT_X, MINT_Y]
    keys += [ORACLE, PROGRAM, USER.owner, TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM, EVENT_AUTHORITY, PROGRAM]
    assert instruction.accounts == [
        AccountMeta(key, key == USER.owner, key in writable or key in walked) for key in keys + walked
    ]


def test_a_pair_without_extension_names_the_program_in_its_place() -> None:
    pool = SPEC.decoded()
    instruction = pool.instruction(pool.quote(Swap(False, Mode.EXACT_OUT, 1_000), CLOCK), 5_000, USER)
    assert instruction.accounts[1] == AccountMeta(PROGRAM, False, False)
    assert [meta.pubkey for meta in instruction.accounts[16:]] == arrays(0, 1, 2)


def test_only_arrays_that_were_fetched_are_passed_for_nothing() -> None:
    accounts = {key: account for key, account in SPEC.accounts().items() if key not in arrays(1, 2)}
    pool = KIND.decode(ADDRESS, accounts)
    instruction = pool.instruction(pool.quote(Swap(False, Mode.EXACT_IN, 1_000), CLOCK), 1, USER)
    assert [meta.pubkey for meta in instruction.accounts[16:]] == arrays(0)


@given(sells_x=st.booleans(), mode=st.sampled_from([Mode.EXACT_IN, Mode.EXACT_OUT]), limit=st.integers(0, 2**64 - 1))
def test_a_built_instruction_parses_to_its_swap(sells_x: bool, mode: Mode, limit: int) -> None:
    pool = SPEC.decoded()
    instruction = pool.instruction(pool.quote(Swap(sells_x, mode, 12_345), CLOCK), limit, USER)
    assert KIND.parse(instruction) == SwapCall(ADDRESS, USER, mode, 12_345, limit)


def call_data(tag: str, rest: bytes = b"") -> bytes:
    return bytes.fromhex(tag) + (5).to_bytes(8, "little") + (9).to_bytes(8, "little") + rest


KEYS = [AccountMeta(Pubkey.new_unique(), False, False) for _ in range(17)]


@pytest.mark.parametrize(
    ("data", "mode", "amounts"),
    [
        (call_data("f8c69e91e17587c8"), Mode.EXACT_IN, (5, 9)),
        (call_data("fa49652126cf4bb8"), Mode.EXACT_OUT, (9, 5)),
        (call_data("414b3f4ceb5b5b88", bytes(4)), Mode.EXACT_IN, (5, 9)),
        (call_data("2bd7f784893cf351", bytes.fromhex("0200000000000100")), Mode.EXACT_OUT, (9, 5)),
        # A slice of the type that carries a byte of its own, then one hook account.
        (call_data("414b3f4ceb5b5b88", bytes.fromhex("02000000030700" + "0001")), Mode.EXACT_IN, (5, 9)),
    ],
)
def test_every_form_of_a_swap_is_parsed(data: bytes, mode: Mode, amounts: tuple[int, int]) -> None:
    call = KIND.parse(Instruction(PROGRAM, data, KEYS))
    assert call is not None
    assert (call.mode, (call.amount, call.limit)) == (mode, amounts)
    assert (call.pool, call.user.source, call.user.destination, call.user.owner) == tuple(
        KEYS[index].pubkey for index in (0, 4, 5, 10)
    )


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (call_data("f8c69e91e17587c8"), 14),
        (call_data("414b3f4ceb5b5b88", bytes(4)), 15),
        (call_data("f8c69e91e17587c8")[:23], 17),
        (call_data("414b3f4ceb5b5b88"), 17),
        (call_data("414b3f4ceb5b5b88", bytes.fromhex("0200000000")), 17),
        (call_data("414b3f4ceb5b5b88", bytes.fromhex("010000000500")), 17),
        (call_data("414b3f4ceb5b5b88", bytes.fromhex("010000000005")), 17),
    ],
)
def test_a_malformed_swap_is_refused(data: bytes, count: int) -> None:
    with pytest.raises(DecodeError):
        KIND.parse(Instruction(PROGRAM, data, KEYS[:count]))


def test_other_instructions_are_no_swaps() -> None:
    assert KIND.parse(Instruction(PROGRAM, b"\x00" * 24, KEYS)) is None
    assert KIND.parse(Instruction(PROGRAM, b"", KEYS)) is None
    assert KIND.parse(Instruction(TOKEN_PROGRAM, call_data("f8c69e91e17587c8"), KEYS)) is None
    with pytest.raises(Unsupported, match="price_impact_guard"):
        KIND.parse(Instruction(PROGRAM, call_data("4a62c0d6b1334b33"), KEYS))


def test_the_programs_errors_are_known_by_number() -> None:
    assert KIND.error_names[6003] == "ExceededAmountSlippageTolerance"
    assert KIND.error_names[6085] == "UndeterminedError"
    assert max(KIND.error_names) == 6110
    assert {KIND.error_names[code] for code in KIND.closed_codes} == {"PoolDisabled"}


def test_accounts_that_are_no_pool_are_refused() -> None:
    with pytest.raises(VenueError):
        KIND.requirements(ADDRESS, {ADDRESS: Account(PROGRAM, 0, b"")})
    with pytest.raises(VenueError):
        KIND.requirements(ADDRESS, {ADDRESS: None})
