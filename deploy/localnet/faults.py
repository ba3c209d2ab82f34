"""Injected faults: what goes wrong on request, drawn from a seeded generator.

A fault is a kind with a chance per matching call. There are three places where one can strike, each with
the kinds that it draws from: behind an accepted transaction, in a call, and around a whole HTTP request.
"""

from enum import StrEnum
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from deploy.localnet.ledger import Ledger
from deploy.localnet.transactions import WireTransaction


class Kind(StrEnum):
    """What goes wrong."""

    # Behind sendTransaction, which has said "accepted":
    DROP = "drop"
    DELAY = "delay"
    REVERT = "revert"
    # In any call: the node says that it is behind, and does nothing.
    UNHEALTHY = "unhealthy"
    # Around a request: HTTP 429 and nothing happens, or everything happens and the answer is held back.
    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"


OF_TRANSACTIONS = frozenset({Kind.DROP, Kind.DELAY, Kind.REVERT})
OF_CALLS = frozenset({Kind.UNHEALTHY})
OF_REQUESTS = frozenset({Kind.RATE_LIMIT, Kind.TIMEOUT})


class Fault(BaseModel):
    """One fault, as `localnet_setFaults` takes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    probability: float = Field(1.0, ge=0, le=1, description="Chance that a matching call is hit.")
    times: int | None = Field(None, ge=1, description="Stop after this many hits; null for no end.")
    methods: frozenset[str] = Field(frozenset(), description="RPC methods hit; empty for all.")
    slots: int = Field(5, ge=1, description="delay, unhealthy: how many slots late or behind.")
    custom_error: int = Field(6000, ge=0, lt=2**32, description="revert: the program's error code.")
    seconds: float = Field(60.0, ge=0, description="timeout: how long the answer is held back.")


class FaultPlan:
    """The faults in force. The same seed and the same calls meet the same faults."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(seed)
        self._faults: list[Fault] = []
        self._left: list[int | None] = []

    @property
    def active(self) -> bool:
        """Whether any fault is in force."""
        return bool(self._faults)

    def set(self, faults: list[Fault], seed: int | None = None) -> None:
        """Replace all faults and start the generator again, from `seed` when given."""
        self._seed = self._seed if seed is None else seed
        self._random = Random(self._seed)
        self._faults = faults
        self._left = [fault.times for fault in faults]

    def submit(self, ledger: Ledger, transaction: WireTransaction) -> None:
        """Hand a sent transaction to the cluster, or not."""
        fault = self.hit("sendTransaction", OF_TRANSACTIONS)
        if fault is None:
            ledger.submit(transaction)
        elif fault.kind is Kind.DELAY:
            ledger.submit(transaction, delay_slots=fault.slots)
        elif fault.kind is Kind.REVERT:
            ledger.submit(transaction, custom_error=fault.custom_error)

    def hit(self, method: str, kinds: frozenset[Kind]) -> Fault | None:
        """Draw whether a call of `method` meets a fault of one of `kinds`, the first set first."""
        for at, fault in enumerate(self._faults):
            left = self._left[at]
            if fault.kind not in kinds or left == 0:
                continue
            if fault.methods and method not in fault.methods:
                continue
            if self._random.random() < fault.probability:
                self._left[at] = None if left is None else left - 1
                return fault
        return None
