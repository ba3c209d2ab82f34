"""What the accounts were before each of the newest slots changed them: to undo slots, and to look back.

Kept in memory, from the start of the process on; whatever happened before cannot be undone or looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet.book import Book


class History:
    """Records the changes of a book of accounts for the newest `slots` slots, those up to `oldest` not among them."""

    def __init__(self, book: Book, slots: int, oldest: int) -> None:
        self._book = book
        self._length = slots
        # Earliest slot first; in each the accounts as they were before it.
        self._before: dict[int, dict[Pubkey, Account | None]] = {}
        self._oldest = oldest

    @property
    def oldest(self) -> int:
        """The earliest slot whose end is known."""
        return self._oldest

    @contextmanager
    def recording(self, slot: int) -> Iterator[None]:
        """Whatever changes meanwhile changes in `slot`; slots never go back."""
        self._book.journal = self._before.setdefault(slot, {})
        while (first := next(iter(self._before))) < slot - self._length:
            del self._before[first]
        self._oldest = max(self._oldest, slot - self._length)
        try:
            yield
        finally:
            self._book.journal = None

    def as_of(self, slot: int) -> dict[Pubkey, Account | None]:
        """The accounts that changed after `slot`, as they stood at its end."""
        accounts: dict[Pubkey, Account | None] = {}
        for at, before in self._before.items():
            if at > slot:
                for address, account in before.items():
                    accounts.setdefault(address, account)
        return accounts

    def forget_after(self, slot: int) -> None:
        """Forget what happened after `slot`."""
        for at in [at for at in self._before if at > slot]:
            del self._before[at]
