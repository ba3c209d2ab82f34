"""DLMM on account bytes that nobody meant: an answer or one of its own errors, never more."""

import random
from dataclasses import replace

from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_layout import ARRAY_SIZE, PAIR_SIZE, extension_address
from activities.venues.pool import Account, Clock
from tests.venues.fuzzing import exercise, interesting_number, mutated
from tests.venues.recorded import FUZZ_ROUNDS, recorded

# The numbers of a pair and of a bin that a swap reads, by offset.
PAIR_NUMBERS = (8, 10, 12, 14, 16, 20, 34, 35, 36, 40, 44, 48, 56, 75, 76, 80, 82, 86, 264, 816)
BIN_NUMBERS = (0, 8, 16, 24, 112, 120, 128)


def changed_pair(account: Account, rng: random.Random) -> Account:
    data = bytearray(account.data)
    for _ in range(rng.randint(1, 3)):
        at, size = rng.choice(PAIR_NUMBERS), rng.randint(1, 4)
        data[at : at + size] = interesting_number(rng).to_bytes(8, "little")[:size]
    return replace(account, data=bytes(data))


def changed_array(account: Account, rng: random.Random) -> Account:
    data = bytearray(account.data)
    for _ in range(rng.randint(1, 30)):
        at = 56 + 144 * rng.randrange(70)
        number = at + rng.choice(BIN_NUMBERS)
        data[number : number + 8] = interesting_number(rng).to_bytes(8, "little")
        data[at + 140] = rng.randrange(3)
    return replace(account, data=bytes(data))


def changed(account: Account | None, rng: random.Random) -> Account | None:
    if account is not None and len(account.data) == ARRAY_SIZE and rng.random() < 0.5:
        return changed_array(account, rng)
    if account is not None and len(account.data) == PAIR_SIZE and rng.random() < 0.5:
        return changed_pair(account, rng)
    return mutated(account, rng) if rng.random() < 0.1 else account


def test_whatever_decodes_is_quoted_or_refused() -> None:
    rng = random.Random(7)
    scenarios = recorded("meteora_dlmm").scenarios
    quoted = 0
    for _ in range(FUZZ_ROUNDS):
        scenario = rng.choice(scenarios)
        address, now = scenario.roles["lb_pair"], scenario.clock.unix_timestamp
        accounts = {extension_address(address): None, **scenario.accounts}
        accounts = {key: changed(account, rng) for key, account in accounts.items()}
        clock = Clock(
            slot=rng.choice([0, scenario.clock.slot, 2**64 - 1]),
            epoch=rng.choice([0, 925, 2**64 - 1]),
            unix_timestamp=rng.choice([now, now + rng.randrange(10_000), 0, -(2**63), 2**63 - 1]),
        )
        quoted += exercise(KIND, address, accounts, clock, rng)
    assert quoted > FUZZ_ROUNDS // 100


def test_random_bytes_are_refused() -> None:
    rng = random.Random(8)
    scenario = recorded("meteora_dlmm").scenarios[0]
    address = scenario.roles["lb_pair"]
    for _ in range(FUZZ_ROUNDS):
        accounts = {extension_address(address): None, **scenario.accounts}
        key = rng.choice(list(accounts))
        size = rng.choice([0, 8, 82, 165, PAIR_SIZE, 1_576, ARRAY_SIZE, rng.randrange(2_000)])
        accounts[key] = Account(KIND.program_id, 1, rng.randbytes(size))
        exercise(KIND, address, accounts, scenario.clock, rng)
