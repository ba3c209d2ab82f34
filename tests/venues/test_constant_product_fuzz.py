"""Every kind on account bytes that nobody meant: an answer or one of its own errors, never more."""

import random

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import VenueError
from activities.venues.meteora import damm_v1, damm_v2
from activities.venues.pool import Account, PoolKind
from activities.venues.raydium import amm_v4, cpmm
from tests.venues.fuzzing import attempt, exercise, mutated
from tests.venues.recorded import FUZZ_ROUNDS, recorded

KINDS = [
    ("raydium_amm_v4", "amm", amm_v4.KIND),
    ("raydium_cpmm", "pool_state", cpmm.KIND),
    ("meteora_damm_v1", "pool", damm_v1.KIND),
    ("meteora_damm_v2", "pool", damm_v2.KIND),
]
# How a swap instruction of one of these programs begins: a tag, or eight bytes of discriminator.
TAGS = [
    *(bytes([tag]) for tag in (9, 11, 16, 17, 3)),
    *map(bytes.fromhex, ("8fbe5adac41e33de", "37d96256a34ab4ad", "f8c69e91e17587c8", "414b3f4ceb5b5b88")),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "role", "kind"), KINDS, ids=[name for name, _, _ in KINDS])
def test_mutated_accounts_decode_or_are_refused(name: str, role: str, kind: PoolKind) -> None:
    rng = random.Random(f"{name} {FUZZ_ROUNDS}")
    scenarios = recorded(name).scenarios
    quoted = 0
    for _ in range(FUZZ_ROUNDS):
        scenario = rng.choice(scenarios)
        accounts = dict(scenario.accounts)
        for key in rng.sample(sorted(accounts, key=bytes), rng.choice([0, 1, 1, 1, 2, 3])):
            accounts[key] = mutated(accounts[key], rng)
            if rng.random() < 0.05:
                del accounts[key]
        quoted += exercise(kind, scenario.roles[role], accounts, scenario.clock, rng)
    assert quoted > FUZZ_ROUNDS // 50


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "role", "kind"), KINDS, ids=[name for name, _, _ in KINDS])
def test_any_bytes_are_no_pool_and_any_instruction_is_answered(name: str, role: str, kind: PoolKind) -> None:
    rng = random.Random(f"{name} bytes {FUZZ_ROUNDS}")
    address = Pubkey.new_unique()
    for _ in range(FUZZ_ROUNDS):
        accounts = {address: Account(kind.program_id, 1, rng.randbytes(rng.randrange(1300)))}
        with pytest.raises(VenueError):
            kind.decode(address, accounts)
        data = rng.choice(TAGS) + rng.randbytes(rng.randrange(32))
        metas = [AccountMeta(address, is_signer=False, is_writable=False)] * rng.randrange(20)
        attempt(kind.parse, Instruction(kind.program_id, data, metas))
