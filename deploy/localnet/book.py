"""The newest state of every account of the cluster, with the indexes that reads need."""

from collections.abc import Iterator, Mapping

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet.tokens import ACCOUNT_SIZE, TOKEN_PROGRAMS


class Book(Mapping[Pubkey, Account | None]):
    """Accounts by address. Looking up an account that does not exist answers None, not KeyError.

    An account keeps its identity (`is`) until it changes, so that what was decoded from it can be kept.
    """

    def __init__(self) -> None:
        self._accounts: dict[Pubkey, Account] = {}
        self._by_program: dict[Pubkey, dict[Pubkey, None]] = {}
        self._by_token_owner: dict[bytes, dict[Pubkey, None]] = {}
        self.executable: set[Pubkey] = set()
        # Where set, takes the accounts as they were before they first changed.
        self.journal: dict[Pubkey, Account | None] | None = None

    def __getitem__(self, address: Pubkey) -> Account | None:
        return self._accounts.get(address)

    def __contains__(self, address: object) -> bool:
        return address in self._accounts

    def __iter__(self) -> Iterator[Pubkey]:
        return iter(self._accounts)

    def __len__(self) -> int:
        return len(self._accounts)

    def put(self, address: Pubkey, account: Account | None) -> None:
        """Replace the account at `address`; None removes it."""
        old = self._accounts.pop(address, None)
        if self.journal is not None:
            self.journal.setdefault(address, old)
        if account is not None:
            self._accounts[address] = account
        if old is not None:
            if account is not None and old.owner == account.owner and _holder(old) == _holder(account):
                return
            del self._by_program[old.owner][address]
            if (holder := _holder(old)) is not None:
                del self._by_token_owner[holder][address]
        if account is not None:
            self._by_program.setdefault(account.owner, {})[address] = None
            if (holder := _holder(account)) is not None:
                self._by_token_owner.setdefault(holder, {})[address] = None

    def owned_by_program(self, program: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Every account that `program` owns."""
        return [(address, self._accounts[address]) for address in self._by_program.get(program, ())]

    def tokens_of(self, owner: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Every token account whose owner is the wallet `owner`."""
        return [(address, self._accounts[address]) for address in self._by_token_owner.get(bytes(owner), ())]


def _holder(account: Account) -> bytes | None:
    if account.owner not in TOKEN_PROGRAMS or len(account.data) < ACCOUNT_SIZE:
        return None
    return account.data[32:64]
