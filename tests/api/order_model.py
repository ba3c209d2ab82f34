"""The rules of orders as a client may rely on them, small enough to be read at once. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.messages import CancelResult


class Outlook(StrEnum):
    """What an order comes to in a market that pays 150 USDC for a SOL."""

    TRADES = "trades"
    RESTS = "rests"
    EXPIRES = "expires"


# Bodies by kind: 150 is there for some, others wait for another price, and one may not wait.
KINDS: dict[str, tuple[dict[str, Any], Outlook]] = {
    "market": ({"maxAttempts": 1}, Outlook.TRADES),
    "exact out": ({"amount": None, "amountOut": "100", "maxAmountIn": "1", "maxAttempts": 1}, Outlook.TRADES),
    "near limit": (
        {"type": "limit", "limitPrice": "100", "timeInForce": "ioc", "maxAttempts": 1},
        Outlook.TRADES,
    ),
    "far limit": ({"type": "limit", "limitPrice": "200"}, Outlook.RESTS),
    "far limit at once": ({"type": "limit", "limitPrice": "200", "timeInForce": "fok"}, Outlook.EXPIRES),
    "far stop": ({"type": "stop", "stopPrice": "100"}, Outlook.RESTS),
    "far stop limit": ({"type": "stop_limit", "stopPrice": "100", "limitPrice": "90"}, Outlook.RESTS),
    "far profit": ({"type": "take_profit", "stopPrice": "200"}, Outlook.RESTS),
}


class Fate(StrEnum):
    """What the chain does with swaps."""

    HELD = "held"
    LANDS = "lands"
    EXPIRES = "expires"


@dataclass
class Modeled:
    """One order."""

    kind: str
    outlook: Outlook
    status: Status = Status.PENDING
    # A cancellation that no worker has answered.
    wished: bool = False

    @property
    def type(self) -> str:
        """Its type on the wire."""
        return str(KINDS[self.kind][0].get("type", "market"))

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.status not in TERMINAL


@dataclass
class Model:
    """All orders, whether a worker runs, and what the chain does."""

    orders: dict[str, Modeled] = field(default_factory=dict)
    works: bool = True
    fate: Fate = Fate.LANDS

    def place(self, order_id: str, kind: str) -> None:
        """A new order."""
        self.orders[order_id] = Modeled(kind, KINDS[kind][1])
        self._move()

    def cancel(self, order_id: str) -> CancelResult:
        """What the cancellation is answered with."""
        order = self.orders[order_id]
        if not order.lives:
            return CancelResult.ALREADY_TERMINAL
        order.wished = True
        if not self.works:
            return CancelResult.PENDING
        self._move()
        return CancelResult.CANCELED if order.status is Status.CANCELED else CancelResult.TOO_LATE

    def cancel_all(self, kind: str | None) -> dict[str, CancelResult]:
        """The answers of all that fit."""
        fits = [name for name, order in self.orders.items() if order.lives and kind in (None, order.type)]
        return {name: self.cancel(name) for name in fits}

    def amend(self, order_id: str, is_current: bool, into_reach: bool) -> ErrorCode | None:
        """What is wrong with an amendment of the version that `is_current` or not; None when it is made."""
        order = self.orders[order_id]
        if not is_current:
            return ErrorCode.VERSION_MISMATCH
        if not order.lives:
            return ErrorCode.ORDER_ENDED
        if order.status is not Status.OPEN:
            return ErrorCode.ORDER_NOT_AMENDABLE
        if into_reach:
            order.outlook = Outlook.TRADES
            self._move()
        return None

    def chain(self, fate: Fate) -> None:
        """The chain does something else from now on."""
        self.fate = fate
        self._move()

    def work(self, works: bool) -> None:
        """A worker runs, or none."""
        self.works = works
        self._move()

    def _move(self) -> None:
        for order in self.orders.values():
            while self.works and (following := self._following(order)) is not None:
                order.status = following

    def _following(self, order: Modeled) -> Status | None:
        match order.status:
            case Status.PENDING | Status.OPEN if order.wished:
                return Status.CANCELED
            case Status.PENDING if order.outlook is Outlook.EXPIRES:
                return Status.EXPIRED
            case Status.PENDING if order.outlook is Outlook.RESTS:
                return Status.OPEN
            case Status.PENDING | Status.OPEN if order.outlook is Outlook.TRADES:
                return Status.SUBMITTED
            case Status.SUBMITTED if order.wished:
                return Status.PENDING_CANCEL
            case Status.SUBMITTED | Status.PENDING_CANCEL if self.fate is Fate.LANDS:
                return Status.CONFIRMED
            case Status.SUBMITTED if self.fate is Fate.EXPIRES:
                return Status.FAILED
            case Status.PENDING_CANCEL if self.fate is Fate.EXPIRES:
                return Status.CANCELED
        return None
