"""Raydium CLMM on account bytes that nobody meant: an answer or one of its own errors, never more."""

import random

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import VenueError
from activities.venues.pool import Account, Mode, Swap
from activities.venues.raydium.clmm import KIND
from tests.venues.fuzzing import attempt, exercise, interesting_number, mutated
from tests.venues.recorded import FUZZ_ROUNDS, recorded

SETS = ["raydium_clmm", "raydium_clmm_2026_features"]
TAGS = [bytes.fromhex("2b04ed0b1ac91e62"), bytes.fromhex("f8c69e91e17587c8"), bytes(8)]


def with_odd_ticks(account: Account, rng: random.Random) -> Account:
    """A tick array with other numbers in the fields of some of its ticks."""
    data = bytearray(account.data)
    for _ in range(rng.randint(1, 8)):
        at = 44 + 168 * rng.randrange(60) + rng.choice([0, 4, 12, 20, 28, 116, 124, 132, 140, 148])
        data[at : at + 8] = interesting_number(rng).to_bytes(8, "little")
    return Account(account.owner, account.lamports, bytes(data))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SETS)
def test_mutated_accounts_decode_or_are_refused(name: str) -> None:
    rng = random.Random(f"{name} {FUZZ_ROUNDS}")
    scenarios = recorded(name).scenarios
    quoted = 0
    for _ in range(FUZZ_ROUNDS // len(SETS)):
        scenario = rng.choice(scenarios)
        accounts = dict(scenario.accounts)
        for key in rng.sample(sorted(accounts, key=bytes), rng.choice([0, 1, 1, 1, 2, 3])):
            account = accounts[key]
            odd = account is not None and len(account.data) == 10_240 and rng.random() < 0.8
            accounts[key] = with_odd_ticks(account, rng) if account is not None and odd else mutated(account, rng)
            if rng.random() < 0.05:
                del accounts[key]
        quoted += exercise(KIND, scenario.roles["pool_state"], accounts, scenario.clock, rng)
    assert quoted > FUZZ_ROUNDS // 100


@pytest.mark.timeout(900)
def test_mutated_accounts_have_a_curve_or_none() -> None:
    rng = random.Random(f"curves {FUZZ_ROUNDS}")
    scenarios = [scenario for name in SETS for scenario in recorded(name).scenarios]
    for _ in range(FUZZ_ROUNDS // 10):
        scenario = rng.choice(scenarios)
        accounts = dict(scenario.accounts)
        for key in rng.sample(sorted(accounts, key=bytes), 2):
            accounts[key] = mutated(accounts[key], rng)
        down, amount = rng.random() < 0.5, interesting_number(rng)
        try:
            pool = KIND.decode(scenario.roles["pool_state"], accounts)
            curve = pool.curve(down, scenario.clock)
            answer = curve.amount_out(amount)
        except VenueError:
            continue
        assert answer == pool.quote(Swap(down, Mode.EXACT_IN, amount), scenario.clock).amount_out
        assert amount <= curve.max_in


@pytest.mark.timeout(900)
def test_any_bytes_are_no_pool_and_any_instruction_is_answered() -> None:
    rng = random.Random(f"bytes {FUZZ_ROUNDS}")
    address = Pubkey.new_unique()
    for _ in range(FUZZ_ROUNDS):
        accounts = {address: Account(KIND.program_id, 1, rng.randbytes(rng.choice([1544, rng.randrange(2000)])))}
        with pytest.raises(VenueError):
            KIND.decode(address, accounts)
        data = rng.choice(TAGS) + rng.randbytes(rng.randrange(48))
        metas = [AccountMeta(address, is_signer=False, is_writable=False)] * rng.randrange(20)
        attempt(KIND.parse, Instruction(KIND.program_id, data, metas))
