"""Priority fees paid in recent slots, kept as a node keeps them: the lowest of each block and account."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from solders.pubkey import Pubkey


@dataclass(slots=True)
class _Slot:
    lowest: int
    # The lowest price among the transactions that locked an account for writing.
    of_account: dict[Pubkey, int] = field(default_factory=dict)


class FeeHistory:
    """Prices in micro-lamports per compute unit, for the last `slots` slots."""

    def __init__(self, slots: int) -> None:
        self._length = slots
        self._slots: OrderedDict[int, _Slot] = OrderedDict()

    def add(self, slot: int, price: int, writable: Iterable[Pubkey]) -> None:
        """Take in a landed transaction; slots never go back."""
        paid = self._slots.setdefault(slot, _Slot(price))
        paid.lowest = min(paid.lowest, price)
        for account in writable:
            paid.of_account[account] = min(price, paid.of_account.get(account, price))
        while next(iter(self._slots)) <= slot - self._length:
            self._slots.popitem(last=False)

    def forget_after(self, slot: int) -> None:
        """Forget what was paid after `slot`."""
        while self._slots and next(reversed(self._slots)) > slot:
            self._slots.popitem()

    def since(self, newest: int, accounts: Iterable[Pubkey]) -> list[tuple[int, int]]:
        """For each slot up to `newest`, what got a transaction in that locks `accounts` for writing.

        That is the dearest of the block's lowest price and the accounts' own lowest ones.
        """
        wanted = tuple(accounts)
        fees = []
        for slot in range(max(0, newest - self._length + 1), newest + 1):
            paid = self._slots.get(slot)
            if paid is None:
                fees.append((slot, 0))
            else:
                fees.append((slot, max(paid.lowest, *(paid.of_account.get(key, 0) for key in wanted), 0)))
        return fees
