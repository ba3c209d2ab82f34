"""The recorded runs in `vectors/`, read once, and the tools to change a recorded account."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from solders.pubkey import Pubkey

from activities.venues.pool import Account, Accounts
from deploy.vectors.files import Scenario, VectorFile, read_file

_FOLDER = Path(__file__).parent / "vectors"
# How many mutated states a fuzz test of one kind decodes.
FUZZ_ROUNDS = int(os.environ.get("ORDER_ENGINE_FUZZ", "5000"))


@cache
def recorded(name: str) -> VectorFile:
    """The vector file `name`."""
    return read_file(_FOLDER / f"{name}.json.xz")


def scenario_of(name: str, scenario_id: str) -> Scenario:
    """One scenario of a vector file."""
    return next(scenario for scenario in recorded(name).scenarios if scenario.id == scenario_id)


def patched(accounts: Accounts, key: Pubkey, offset: int, data: bytes) -> Mapping[Pubkey, Account | None]:
    """`accounts` with `data` written into the account `key` at `offset`."""
    account = accounts[key]
    assert account is not None
    changed = bytearray(account.data)
    changed[offset : offset + len(data)] = data
    return {**accounts, key: replace(account, data=bytes(changed))}


def u64(value: int) -> bytes:
    """`value` as the programs store it."""
    return value.to_bytes(8, "little")


def settle(accounts: Accounts, written: Mapping[Pubkey, bytes], moves: Mapping[Pubkey, int]) -> Accounts:
    """The accounts after a swap: `written` in place, and the token balances at offset 64 changed by `moves`."""
    result = dict(accounts)
    for key, data in written.items():
        account = result[key]
        assert account is not None
        result[key] = replace(account, data=data)
    for key, change in moves.items():
        account = result[key]
        assert account is not None
        balance = int.from_bytes(account.data[64:72], "little") + change
        result = dict(patched(result, key, 64, u64(balance)))
    return result
