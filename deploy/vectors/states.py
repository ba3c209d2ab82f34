"""States of a scenario's accounts: recorded byte changes applied, token transfers carried out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX
from activities.venues.pool import Accounts, TokenTransfer, UserAccounts
from deploy.vectors.files import Scenario

# Where a token account keeps its balance, in both token programs.
_BALANCE = slice(64, 72)


def user_of(scenario: Scenario, user_roles: tuple[str, str], a_to_b: bool) -> UserAccounts:
    """The scenario's own user: its payer and the token accounts of the two roles (mint A, mint B)."""
    keys = [scenario.roles[role] for role in user_roles]
    source, destination = keys if a_to_b else reversed(keys)
    return UserAccounts(scenario.payer, source, destination)


def patched(scenario: Scenario, role: str, diff: Sequence[tuple[int, str]]) -> tuple[Pubkey, bytes]:
    """The account of `role` (or of a key) with a recorded `diff` ([offset, bytes in hex]) applied."""
    key = scenario.roles.get(role) or Pubkey.from_string(role)
    account = scenario.accounts[key]
    data = bytearray(b"" if account is None else account.data)
    for offset, text in diff:
        patch = bytes.fromhex(text)
        data[offset : offset + len(patch)] = patch
    return key, bytes(data)


def overlaid(accounts: Accounts, changes: Iterable[tuple[Pubkey, bytes]]) -> Accounts:
    """The accounts with the data of some replaced."""
    result = dict(accounts)
    for key, data in changes:
        account = result[key]
        assert account is not None, f"{key} is written and does not exist"
        result[key] = replace(account, data=data)
    return result


def settled(accounts: Accounts, transfers: Sequence[TokenTransfer], scenario: Scenario) -> Accounts:
    """The accounts with the token transfers carried out; accounts outside the scenario are passed over.

    Raises SwapRefused as the token program does: InsufficientFunds (1), Overflow (14).
    """
    balances: dict[Pubkey, int] = {}
    for key, amount in movements(transfers, scenario):
        account = accounts.get(key)
        if account is not None:
            start = balances.get(key, int.from_bytes(account.data[_BALANCE], "little"))
            balances[key] = start + amount
            if balances[key] < 0:
                raise SwapRefused("InsufficientFunds", 1)
            if balances[key] > U64_MAX:
                raise SwapRefused("Overflow", 14)
    changes = []
    for key, balance in balances.items():
        account = accounts[key]
        assert account is not None
        data = bytearray(account.data)
        data[_BALANCE] = balance.to_bytes(8, "little")
        changes.append((key, bytes(data)))
    return overlaid(accounts, changes)


def movements(transfers: Sequence[TokenTransfer], scenario: Scenario) -> Iterator[tuple[Pubkey, int]]:
    """Each change of a balance, in order; what arrives is without the mint's transfer fee."""
    for transfer in transfers:
        yield transfer.source, -transfer.amount
        yield transfer.destination, transfer.amount - transfer.mint.fee(transfer.amount, scenario.clock.epoch)
