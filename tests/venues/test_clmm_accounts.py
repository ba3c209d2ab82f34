"""What Raydium CLMM needs: accounts to fetch, bytes that decode, instructions."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Account, Accounts, Swap, SwapCall
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_instruction import MEMO_PROGRAM
from tests.venues.clmm_asking import EXTENSION, PLAIN, U64_MAX, USER, array_at, buy, refusal, sell
from tests.venues.clmm_states import (
    ADDRESS,
    CLOCK,
    CONFIG,
    MINT_0,
    MINT_1,
    OBSERVATION,
    VAULT_0,
    VAULT_1,
    PoolSpec,
    many_ticks,
    without,
)
from tests.venues.recorded import patched


class TestMissingAccounts:
    def test_the_walk_asks_for_the_next_two_arrays(self) -> None:
        accounts = many_ticks(9, 5).accounts()
        ahead = [array_at(-600 * number) for number in range(1, 7)]
        pool = KIND.decode(ADDRESS, without(accounts, *ahead))
        with pytest.raises(MissingAccounts) as raised:
            pool.quote(sell(10**13), CLOCK)
        assert list(raised.value.keys) == ahead[:2]

    def test_the_extension_is_asked_for_only_when_it_matters(self) -> None:
        pool = KIND.decode(ADDRESS, without(PLAIN.accounts(), EXTENSION))
        assert pool.quote(sell(10**6), CLOCK).amount_out > 0
        with pytest.raises(MissingAccounts) as raised:
            pool.quote(sell(10**15), CLOCK)
        assert list(raised.value.keys) == [EXTENSION]

    def test_no_extension_is_asked_for_where_the_pools_own_bitmap_holds_every_tick(self) -> None:
        spec = PoolSpec([(-900, 900, 10**13)], spacing=15)
        pool = KIND.decode(ADDRESS, without(spec.accounts(), EXTENSION))
        assert refusal(pool, sell(10**15))[0] == "MissingTickArrayBitmapExtensionAccount"
        assert EXTENSION not in KIND.requirements(ADDRESS, spec.accounts())

    @pytest.mark.parametrize("key", [ADDRESS, CONFIG, MINT_0, MINT_1, VAULT_0, VAULT_1])
    def test_decoding_names_what_was_not_fetched(self, key: Pubkey) -> None:
        with pytest.raises(MissingAccounts) as raised:
            KIND.decode(ADDRESS, without(PLAIN.accounts(), key))
        assert key in raised.value.keys


class TestRequirements:
    def rounds(self, spec: PoolSpec, a_to_b: bool | None = None) -> list[tuple[Pubkey, ...]]:
        """What is asked for, round by round, until nothing new is."""
        accounts = spec.accounts()
        known: dict[Pubkey, Account | None] = {}
        asked: list[tuple[Pubkey, ...]] = []
        while not asked or set(asked[-1]) - set(known):
            known |= {key: accounts.get(key) for key in (asked[-1] if asked else ())}
            asked.append(KIND.requirements(ADDRESS, known, a_to_b))
        return asked

    def test_two_rounds_name_everything_near_the_price(self) -> None:
        *_, last = rounds = self.rounds(PLAIN)
        assert rounds[0] == (ADDRESS,)
        assert len(rounds) <= 4
        fixed = {ADDRESS, CONFIG, MINT_0, MINT_1, VAULT_0, VAULT_1, EXTENSION}
        assert set(last) == fixed | {array_at(-900), array_at(900)}
        accounts = PLAIN.accounts()
        pool = KIND.decode(ADDRESS, {key: accounts.get(key) for key in last})
        assert pool == KIND.decode(ADDRESS, accounts)

    def test_a_third_round_finds_arrays_through_the_extension(self) -> None:
        spec = PoolSpec([(307_100, 307_900, 10**13)], tick=307_150)
        rounds = self.rounds(spec)
        assert array_at(307_100) in rounds[1]
        assert array_at(307_900) not in rounds[1]
        assert array_at(307_900) in rounds[2]

    @pytest.mark.parametrize(("a_to_b", "expected"), [(True, (-600, 0)), (False, (0, 600))])
    def test_one_direction_asks_for_its_own_arrays(self, a_to_b: bool, expected: tuple[int, int]) -> None:
        last = self.rounds(many_ticks(1, 5), a_to_b)[-1]
        arrays = [key for key in last if key in {array_at(start) for start in range(-1200, 1200, 600)}]
        assert {array_at(start) for start in expected} <= set(arrays)
        assert array_at(600 if a_to_b else -600) not in arrays

    def test_no_more_than_six_arrays_ahead_are_asked_for(self) -> None:
        last = self.rounds(many_ticks(10, 5))[-1]
        assert len(last) == 7 + 11

    def test_what_does_not_exist_is_no_pool(self) -> None:
        with pytest.raises(DecodeError):
            KIND.requirements(ADDRESS, {ADDRESS: None})

    def test_one_filter_finds_the_pair_in_both_orders(self) -> None:
        assert KIND.filters(MINT_1, MINT_0) == KIND.filters(MINT_0, MINT_1)
        (query,) = KIND.filters(MINT_0, MINT_1)
        account = PLAIN.accounts()[ADDRESS]
        assert account is not None
        assert query.data_size == len(account.data)
        for offset, data in query.memcmp:
            assert account.data[offset : offset + len(data)] == data


BROKEN = {
    "pool of another program": (ADDRESS, None, None),
    "pool of another kind": (ADDRESS, 0, bytes(8)),
    "no spacing": (ADDRESS, 235, bytes(2)),
    "price zero": (ADDRESS, 253, bytes(16)),
    "price above all": (ADDRESS, 253, b"\xff" * 16),
    "tick above all": (ADDRESS, 269, (443_637).to_bytes(4, "little")),
    "config of another kind": (CONFIG, 0, bytes(8)),
    "config of another program": (CONFIG, None, None),
    "a fee of everything": (CONFIG, 47, (10**6).to_bytes(4, "little")),
    "more than the fee given away": (CONFIG, 43, (960_001).to_bytes(4, "little")),
    "extension of another kind": (EXTENSION, 0, bytes(8)),
    "extension of another pool": (EXTENSION, 8, bytes(32)),
    "mint not initialised": (MINT_0, 45, bytes(1)),
    "vault not initialised": (VAULT_0, 108, bytes(1)),
}
BROKEN_ARRAYS = {
    "array of another program": (None, None),
    "array of another kind": (0, bytes(8)),
    "array of another pool": (8, bytes(32)),
    "array of another place": (40, bytes(4)),
    "tick in another slot": (44 + 168 * 30, bytes(4)),
}


def broken(accounts: Accounts, key: Pubkey, offset: int | None, data: bytes | None) -> Accounts:
    if offset is not None and data is not None:
        return patched(accounts, key, offset, data)
    account = accounts[key]
    assert account is not None
    return {**accounts, key: Account(TOKEN_PROGRAM, account.lamports, account.data)}


@pytest.mark.parametrize(("key", "offset", "data"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_account_is_named(key: Pubkey, offset: int | None, data: bytes | None) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(ADDRESS, broken(PLAIN.accounts(), key, offset, data))


@pytest.mark.parametrize(("offset", "data"), BROKEN_ARRAYS.values(), ids=list(BROKEN_ARRAYS))
def test_a_broken_tick_array_is_named_when_it_is_read(offset: int | None, data: bytes | None) -> None:
    pool = KIND.decode(ADDRESS, broken(PLAIN.accounts(), array_at(-900), offset, data))
    assert pool.quote(sell(10**6, None, False), CLOCK).amount_out > 0
    with pytest.raises(DecodeError):
        pool.quote(sell(10**6), CLOCK)


class TestInstruction:
    def test_accounts_stand_in_the_programs_order(self) -> None:
        pool = many_ticks(3, 5).decoded()
        built = pool.instruction(pool.quote(sell(10**6), CLOCK), 7, USER)
        expected = [
            (USER.owner, True, False),
            (CONFIG, False, False),
            (ADDRESS, False, True),
            (USER.source, False, True),
            (USER.destination, False, True),
            (VAULT_0, False, True),
            (VAULT_1, False, True),
            (OBSERVATION, False, True),
            (TOKEN_PROGRAM, False, False),
            (TOKEN_2022_PROGRAM, False, False),
            (MEMO_PROGRAM, False, False),
            (MINT_0, False, False),
            (MINT_1, False, False),
            (EXTENSION, False, True),
            *((array_at(-600 * number), False, True) for number in range(5)),
        ]
        assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in built.accounts] == expected

    def test_a_transaction_is_not_filled_with_more_arrays_than_it_carries(self) -> None:
        pool = many_ticks(20, 5).decoded()
        for amount in (10**6, 2 * 10**12):
            quote = pool.quote(sell(amount), CLOCK)
            listed = [meta.pubkey for meta in pool.instruction(quote, 1, USER).accounts[14:]]
            assert listed == [array_at(-600 * number) for number in range(12)]

    def test_arrays_that_are_not_at_hand_are_left_out(self) -> None:
        spec = many_ticks(9, 5)
        pool = KIND.decode(ADDRESS, without(spec.accounts(), array_at(-1200)))
        built = pool.instruction(pool.quote(sell(10**6), CLOCK), 1, USER)
        assert [meta.pubkey for meta in built.accounts[14:]] == [array_at(0), array_at(-600)]

    @pytest.mark.parametrize("swap", [sell(10**6, 5), buy(10**6, 10**9, False), sell(10**6, 5, True, 1 << 63)])
    @pytest.mark.parametrize("legacy", [False, True])
    def test_parsing_undoes_building_in_both_forms(self, swap: Swap, legacy: bool) -> None:
        pool = PLAIN.decoded()
        assert swap.limit is not None
        build = pool.legacy_instruction if legacy else pool.instruction
        built = build(pool.quote(swap, CLOCK), swap.limit, USER)
        expected = SwapCall(ADDRESS, USER, swap.mode, swap.amount, swap.limit, swap.sqrt_price_limit)
        assert KIND.parse(built) == expected

    @pytest.mark.parametrize("limit", [-1, U64_MAX + 1])
    def test_a_limit_that_no_instruction_carries_is_refused(self, limit: int) -> None:
        pool = PLAIN.decoded()
        with pytest.raises(SwapRefused):
            pool.instruction(pool.quote(sell(10**6), CLOCK), limit, USER)

    def test_parse_passes_over_what_is_no_swap_and_refuses_malformed_ones(self) -> None:
        pool = PLAIN.decoded()
        built = pool.instruction(pool.quote(sell(10**6), CLOCK), 1, USER)
        metas = list(built.accounts)
        assert KIND.parse(Instruction(Pubkey.new_unique(), built.data, metas)) is None
        assert KIND.parse(Instruction(KIND.program_id, bytes(41), metas)) is None
        assert KIND.parse(Instruction(KIND.program_id, b"", metas)) is None
        malformed = [
            (built.data[:-1], metas),
            (built.data[:-1] + b"\x02", metas),
            (built.data, metas[:12]),
            (built.data, [AccountMeta(ADDRESS, is_signer=False, is_writable=False)]),
        ]
        for data, accounts in malformed:
            with pytest.raises(DecodeError):
                KIND.parse(Instruction(KIND.program_id, data, accounts))
