"""Injected faults: what goes wrong on request, drawn from seeded generators.

A fault is a kind with a chance per matching call, set by `localnet_setFaults`, by a TOML file or on the
command line. It strikes one of three places: behind an accepted transaction, in the answer to a call, or
around a whole HTTP request. Of a transaction and of a request the first fault that hits is the only one;
those of an answer add up, and faults of different places meet: `delay` with `timeout` is a transaction that
lands after its client gave up.

Every node (`/node/<name>`) has a plan of its own. A restart forgets what was set while the cluster ran,
transactions on their way included, and sets what file and command line say.

| kind | what happens | fields |
|---|---|---|
| `drop` | accepted, and this copy never lands | |
| `delay` | lands `slots` later, or never when its blockhash is dead by then | `slots` |
| `revert` | lands and fails with the program error `custom_error` | `custom_error` |
| `expire` | accepted, and never lands however often the same bytes are sent | |
| `fork` | lands; `slots` later its slot and all since are undone, to come again `again` later | `slots`, `again` |
| `price_jump` | an outsider trades first: the pool's price gets `bps` worse (better, if negative) | `bps`, `pool` |
| `unhealthy` | the node says that it is behind by `slots` slots, and does nothing | `slots` |
| `lag` | the node answers as it would have `slots` slots ago; what it is sent goes out at once | `slots` |
| `lie` | the node knows no transaction, at the present slot | |
| `pruned` | the node's history begins `slots` slots ago | `slots` |
| `no_history` | the node keeps no transaction history (-32011) | |
| `rate_limit` | HTTP 429, with Retry-After when set; nothing is done | `retry_after` |
| `server_error` | HTTP `status` | `status`, `after` |
| `timeout` | all is done, and the answer held back for `seconds` | `seconds` |
| `hang` | no answer for ever | `after` |
| `disconnect` | the connection is closed in place of an answer | `after` |
| `malformed` | all is done, and the answer breaks off in the middle | |
"""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from random import Random
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from solders.pubkey import Pubkey

from deploy.localnet.chain_errors import Json
from deploy.localnet.ledger import MAX_LAG

# Methods of localnet's own: faults do not strike what sets them.
_OWN = "localnet_"
# How far a price can be moved at once.
MAX_BPS = 5_000


class Kind(StrEnum):
    """What goes wrong; the table above tells the details."""

    # Behind sendTransaction, which has said "accepted":
    DROP = "drop"
    DELAY = "delay"
    REVERT = "revert"
    EXPIRE = "expire"
    FORK = "fork"
    PRICE_JUMP = "price_jump"
    # In the answer to a call:
    UNHEALTHY = "unhealthy"
    LAG = "lag"
    LIE = "lie"
    PRUNED = "pruned"
    NO_HISTORY = "no_history"
    # Around a request:
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    HANG = "hang"
    DISCONNECT = "disconnect"
    MALFORMED = "malformed"


OF_TRANSACTIONS = frozenset({Kind.DROP, Kind.DELAY, Kind.REVERT, Kind.EXPIRE, Kind.FORK, Kind.PRICE_JUMP})
OF_CALLS = frozenset({Kind.UNHEALTHY, Kind.LAG, Kind.LIE, Kind.PRUNED, Kind.NO_HISTORY})
OF_REQUESTS = frozenset(Kind) - OF_TRANSACTIONS - OF_CALLS


def _address(value: object) -> object:
    if value is not None:
        try:
            Pubkey.from_string(str(value))
        except ValueError as error:
            raise ValueError(f"not an address: {value}") from error
    return value


def _methods(value: object) -> object:
    return value.split("+") if isinstance(value, str) else value


class Fault(BaseModel):
    """One fault, as `localnet_setFaults` takes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    probability: float = Field(1.0, ge=0, le=1, description="Chance that a matching call is hit.")
    times: int | None = Field(None, ge=1, description="Stop after this many hits; null for no end.")
    methods: Annotated[frozenset[str], BeforeValidator(_methods)] = Field(
        frozenset(), description="RPC methods hit, a list or joined by `+`; empty for all."
    )
    slots: int = Field(5, ge=1, description="delay, fork, unhealthy, lag, pruned: how many slots.")
    again: int | None = Field(None, ge=1, description="fork: slots until the undone transactions land again.")
    custom_error: int = Field(6000, ge=0, lt=2**32, description="revert: the program's error code.")
    bps: int = Field(100, ge=-MAX_BPS, le=MAX_BPS, description="price_jump: hundredths of a percent against the swap.")
    pool: Annotated[str | None, BeforeValidator(_address)] = Field(
        None, description="price_jump: swaps of this pool only."
    )
    seconds: float = Field(60.0, ge=0, description="timeout: how long the answer is held back.")
    retry_after: int | None = Field(None, ge=0, description="rate_limit: seconds in the Retry-After header.")
    status: int = Field(503, ge=500, le=599, description="server_error: the HTTP status.")
    after: bool = Field(False, description="server_error, hang, disconnect: do what was asked for first.")

    @model_validator(mode="after")
    def _fits(self) -> "Fault":
        if self.kind is Kind.LAG and self.slots > MAX_LAG:
            raise ValueError(f"a node can lag by at most {MAX_LAG} slots")
        if self.kind is Kind.PRICE_JUMP and not self.bps:
            raise ValueError("a price jump of 0 bps is none")
        if self.status not in {known.value for known in HTTPStatus}:
            raise ValueError(f"there is no HTTP status {self.status}")
        return self


class _Armed:
    """A fault in force. Its draws are its own: other faults and other methods do not shift them."""

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.random = Random(seed)
        self.calls = 0
        self.hits = 0

    def hit(self) -> bool:
        """Draw, unless the fault has hit often enough."""
        if self.hits == self.fault.times:
            return False
        self.calls += 1
        if self.random.random() >= self.fault.probability:
            return False
        self.hits += 1
        return True


def _all(_: Fault) -> bool:
    return True


class FaultPlan:
    """The faults in force on the node `name`. The same seed and the same calls meet the same faults."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self.seed = seed
        self._armed: list[_Armed] = []

    @property
    def active(self) -> bool:
        """Whether any fault is in force."""
        return bool(self._armed)

    def set(self, faults: list[Fault], seed: int | None = None) -> None:
        """Replace all faults and start the draws again, from `seed` when given."""
        self.seed = self.seed if seed is None else seed
        self._armed = [_Armed(fault, f"{self.seed}/{self._name}/{at}") for at, fault in enumerate(faults)]

    def hits(
        self, method: str, kinds: frozenset[Kind], matches: Callable[[Fault], bool] = _all, *, first: bool = False
    ) -> list[Fault]:
        """Draw which faults of `kinds` a call of `method` meets, in the order in which they were set.

        With `first` no more is drawn once one has hit.
        """
        met: list[Fault] = []
        if method.startswith(_OWN):
            return met
        for armed in self._armed:
            fault = armed.fault
            if fault.kind not in kinds or (fault.methods and method not in fault.methods) or not matches(fault):
                continue
            if armed.hit():
                met.append(fault)
                if first:
                    break
        return met

    def report(self) -> list[Json]:
        """The faults with how many calls each was drawn for and how many it hit."""
        return [
            {**armed.fault.model_dump(mode="json", exclude_unset=True), "calls": armed.calls, "hits": armed.hits}
            for armed in self._armed
        ]
