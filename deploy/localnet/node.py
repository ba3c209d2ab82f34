"""The RPC nodes of the cluster: views of one ledger, each with the faults between it and its clients."""

import logging
import re
from dataclasses import dataclass, field, replace

from solders.keypair import Keypair

from deploy.localnet.faults import OF_CALLS, OF_TRANSACTIONS, Fault, FaultPlan, Kind
from deploy.localnet.ledger import NO_MISHAP, Ledger, Mishap
from deploy.localnet.outsider import CannotMove, Outsider
from deploy.localnet.sent_swaps import SentSwap, first_swap
from deploy.localnet.slots import FIRST_SLOT, Commitment
from deploy.localnet.transactions import WireTransaction

# The node that answers on the bare address.
MAIN = "main"
_PREFIX = "/node/"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# More names than this are more likely a mistake than a test.
_MAX_NODES = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node knows while it answers one call.

    It is `lag` slots behind. It knows no transaction at all (`lies`), has no history to search
    (`no_history`), or one of the newest `kept_slots` slots only.
    """

    behind: int | None = None
    lag: int = 0
    lies: bool = False
    no_history: bool = False
    kept_slots: int | None = None


CLEAR = Sight()


@dataclass(frozen=True, slots=True)
class Node:
    """One node: the cluster, its faults, and who pays airdrops. `sight` is that of the call being answered."""

    name: str
    ledger: Ledger
    faults: FaultPlan
    faucet: Keypair
    outsider: Outsider
    sight: Sight = CLEAR
    _outbox: list[tuple[WireTransaction, bool]] = field(default_factory=list)

    def set_faults(self, faults: list[Fault], seed: int | None = None) -> None:
        """Replace the node's faults and start their draws again; ValueError on one that cannot happen here."""
        finalized = self.ledger.clock.lag(Commitment.FINALIZED)
        if any(fault.kind is Kind.FORK and fault.slots >= finalized for fault in faults):
            raise ValueError(f"a fork must come before the {finalized} slots after which a transaction is final")
        self.faults.set(faults, seed)

    def seeing(self, method: str) -> "Node":
        """The node as a call of `method` meets it."""
        if not self.faults.active:
            return self
        met = {fault.kind: fault for fault in self.faults.hits(method, OF_CALLS)}
        if not met:
            return self
        lag, pruned, unhealthy = met.get(Kind.LAG), met.get(Kind.PRUNED), met.get(Kind.UNHEALTHY)
        sight = Sight(
            None if unhealthy is None else unhealthy.slots,
            0 if lag is None else lag.slots,
            Kind.LIE in met,
            Kind.NO_HISTORY in met,
            None if pruned is None else pruned.slots,
        )
        return replace(self, sight=sight)

    @property
    def first_slot(self) -> int:
        """The first slot that the node's history holds."""
        kept = self.sight.kept_slots
        return FIRST_SLOT if kept is None else max(FIRST_SLOT, self.ledger.clock.slot() - kept + 1)

    def send(self, transaction: WireTransaction, *, safely: bool = False) -> None:
        """Pass a transaction on once the call is answered; no fault strikes it when it is sent `safely`."""
        self._outbox.append((transaction, safely))

    def flush(self) -> None:
        """Pass on what the call that was just answered has sent."""
        for transaction, safely in self._outbox:
            if safely:
                self.ledger.submit(transaction)
            else:
                self._deliver(transaction)
        self._outbox.clear()

    def _deliver(self, transaction: WireTransaction) -> None:
        # What cannot land anyway is no call of any fault: sending again changes nothing about what happened.
        if not self.faults.active or not self.ledger.can_land(transaction):
            self.ledger.submit(transaction)
            return
        met = self.faults.hits(
            "sendTransaction", OF_TRANSACTIONS, lambda fault: self._concerns(fault, transaction), first=True
        )
        fault = met[0] if met else None
        if fault is None:
            self.ledger.submit(transaction)
        elif fault.kind is Kind.EXPIRE:
            self.ledger.doom(transaction)
        elif fault.kind is Kind.PRICE_JUMP:
            self._trade_before(fault, transaction)
            self.ledger.submit(transaction)
        elif fault.kind is not Kind.DROP:
            self.ledger.submit(transaction, _mishap(fault))

    def _concerns(self, fault: Fault, transaction: WireTransaction) -> bool:
        return fault.kind is not Kind.PRICE_JUMP or self._swap_of(fault, transaction) is not None

    def _swap_of(self, fault: Fault, transaction: WireTransaction) -> SentSwap | None:
        return first_swap(transaction, self.ledger.book, self.ledger.clock.slot(), fault.pool)

    def _trade_before(self, fault: Fault, transaction: WireTransaction) -> None:
        swap = self._swap_of(fault, transaction)
        try:
            if swap is not None:
                self.outsider.trade_before(swap, fault.bps)
        except CannotMove as error:
            _log.warning("no price jump: %s", error)


class Nodes:
    """The nodes by name. One is made when it is first asked for; all share ledger, faucet and outsider.

    Raises ValueError when `faults` (by name) cannot be set.
    """

    def __init__(self, ledger: Ledger, faucet: Keypair, seed: int, faults: dict[str, list[Fault]]) -> None:
        self._seed = seed
        self.main = Node(MAIN, ledger, FaultPlan(MAIN, seed), faucet, Outsider(ledger, faucet))
        self._nodes = {MAIN: self.main}
        for name, some in faults.items():
            node = self.named(name)
            if node is None:
                raise ValueError(f"{name!r} is no name of a node")
            node.set_faults(some)

    def at(self, path: str) -> Node | None:
        """The node that answers on a URL's path; None when there can be no such node."""
        if not path.startswith(_PREFIX):
            return self.main
        return self.named(path.removeprefix(_PREFIX).partition("?")[0].rstrip("/"))

    def named(self, name: str) -> Node | None:
        """The node called `name`, None when that is no name or there are too many."""
        node = self._nodes.get(name)
        if node is None and _NAME.fullmatch(name) and len(self._nodes) < _MAX_NODES:
            node = replace(self.main, name=name, faults=FaultPlan(name, self._seed), _outbox=[])
            self._nodes[name] = node
        return node


def _mishap(fault: Fault) -> Mishap:
    if fault.kind is Kind.DELAY:
        return Mishap(delay_slots=fault.slots)
    if fault.kind is Kind.REVERT:
        return Mishap(custom_error=fault.custom_error)
    if fault.kind is Kind.FORK:
        return Mishap(forked_after=fault.slots, again=fault.again)
    return NO_MISHAP
