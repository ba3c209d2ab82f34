"""The cluster: takes transactions in, lands them, remembers them.

Everything is synchronous and belongs to one thread. Sent transactions land at once, in the slot in
progress; those that a fault delays land when their slot has come, which is worked out on the next call.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import compress, count
from pathlib import Path
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.pool import Account, PoolKind
from deploy.localnet.book import Book
from deploy.localnet.chain_errors import ALREADY_PROCESSED, BLOCKHASH_NOT_FOUND, Json
from deploy.localnet.compute import unit_price
from deploy.localnet.executor import Executor
from deploy.localnet.fee_history import FeeHistory
from deploy.localnet.machine import Machine
from deploy.localnet.meta import balances, meta_json
from deploy.localnet.plan import Execution
from deploy.localnet.slots import (
    MAX_BLOCKHASH_AGE,
    REMEMBERED_BLOCKHASHES,
    Commitment,
    SlotClock,
)
from deploy.localnet.store import Landed, Status, Store
from deploy.localnet.swaps import Refused
from deploy.localnet.transactions import LOOKUP_TABLES, LookupFailed, Resolved, WireTransaction, resolve

# How many slots back a lookup table may refer when it is made.
_SLOT_HASHES = 150


class Simulated(NamedTuple):
    """A simulation's answer; `resolved` is None when the accounts could not be looked up."""

    error: Json
    execution: Execution | None
    resolved: Resolved | None


class _Waiting(NamedTuple):
    slot: int
    # Keeps those of one slot in the order in which they came.
    number: int
    transaction: WireTransaction
    custom_error: int | None


class Ledger:
    """One simulated cluster."""

    def __init__(self, store: Store, clock: SlotClock, genesis_hash: bytes, programs: Path | None) -> None:
        self.store = store
        self.genesis_hash = genesis_hash
        self.clock = clock
        self.book = Book()
        self.machine = Machine(self.book, programs)
        self._executor = Executor(self.machine, self.book, self._emulated)
        self._remembered_slots = REMEMBERED_BLOCKHASHES + clock.lag(Commitment.FINALIZED)
        self._recent: OrderedDict[bytes, Status] = OrderedDict()
        self._waiting: list[_Waiting] = []
        self._numbers = count()
        # Called after each landed transaction.
        self.on_landed: Callable[[], None] = _nobody
        self.fees = FeeHistory(MAX_BLOCKHASH_AGE)
        for address, account, executable in store.accounts():
            self.machine.set_account(address, account, executable)
        for signature, status in store.statuses_since(clock.slot() - self._remembered_slots):
            self._recent[signature] = status

    def close(self) -> None:
        """Close the store; nothing else holds anything."""
        self.store.close()

    def set_accounts(
        self, accounts: Mapping[Pubkey, Account | None], executable: frozenset[Pubkey] = frozenset()
    ) -> None:
        """Overwrite accounts from outside of the chain."""
        for address, account in accounts.items():
            self.machine.set_account(address, account, address in executable)
        self.store.put_accounts(accounts, executable)

    def skip(self, slots: int) -> None:
        """Let `slots` slots pass at once."""
        self.clock.skip(slots)
        self.store.set_value("anchors", self.clock.anchors)
        self.catch_up()

    def catch_up(self) -> None:
        """Bring the cluster to the present: land the delayed transactions whose slot has come, set the clock."""
        while self._waiting and self._waiting[0].slot <= self.clock.slot():
            due = heappop(self._waiting)
            self._land(due.transaction, due.slot, due.custom_error)
        slot = self.clock.slot()
        self.machine.set_time(slot, self.clock.unix_time(slot))

    def submit(self, transaction: WireTransaction, delay_slots: int = 0, custom_error: int | None = None) -> None:
        """Take a sent transaction in, as the leader does: what cannot land vanishes without a word.

        With `custom_error` its last instruction fails with that code, or its swap when it has one.
        """
        slot = self.clock.slot() + delay_slots
        # Whether the blockhash will be too old by then is known now; later it may be forgotten.
        if not self.clock.accepts(bytes(transaction.message.recent_blockhash), slot):
            return
        if delay_slots:
            heappush(self._waiting, _Waiting(slot, next(self._numbers), transaction, custom_error))
        else:
            self._land(transaction, slot, custom_error)

    def refusal(self, transaction: WireTransaction, bank_slot: int) -> str | None:
        """Why a block in `bank_slot` cannot hold the transaction, before anything runs."""
        if not self.clock.accepts(bytes(transaction.message.recent_blockhash), bank_slot):
            return BLOCKHASH_NOT_FOUND
        return ALREADY_PROCESSED if self._processed(transaction) else None

    def simulate(self, transaction: WireTransaction) -> Simulated:
        """Run the transaction on the newest state without effect; age and duplicates are not checked."""
        slot = self.clock.slot()
        try:
            resolved = self._ready(transaction, slot)
        except LookupFailed as failed:
            return Simulated(failed.error, None, None)
        execution = self._executor.simulate(resolved)
        return Simulated(execution.error, execution, resolved)

    def status(self, signature: bytes, search_history: bool) -> Status | None:
        """Where a transaction landed; without `search_history` only recent slots are known."""
        status = self._recent.get(signature)
        if status is not None and status.slot > self.clock.slot() - self._remembered_slots:
            return status
        return self.store.status(signature) if search_history else None

    def _land(self, transaction: WireTransaction, slot: int, custom_error: int | None) -> None:
        if self._processed(transaction) or not transaction.signed():
            return
        try:
            resolved = self._ready(transaction, slot)
        except LookupFailed:
            return
        before = balances(self.machine, resolved)
        refuse = {} if custom_error is None else self._reverting(resolved, custom_error)
        execution = self._executor.execute(resolved, refuse)
        if not execution.landed:
            return
        after = balances(self.machine, resolved)
        signature = bytes(transaction.signature)
        meta = meta_json(self.machine, resolved, execution, before, after)
        landed = Landed(signature, slot, execution.error, transaction.memo(), bytes(transaction.raw), meta)
        self.store.put_landed(landed, dict.fromkeys(resolved.keys), execution.accounts)
        self._recent[signature] = Status(slot, execution.error)
        while self._recent and next(iter(self._recent.values())).slot <= slot - self._remembered_slots:
            self._recent.popitem(last=False)
        self.fees.add(slot, unit_price(resolved), compress(resolved.keys, resolved.writable))
        self.on_landed()

    def _processed(self, transaction: WireTransaction) -> bool:
        return bytes(transaction.signature) in self._recent

    def _reverting(self, resolved: Resolved, custom_error: int) -> dict[int, Refused]:
        programs = [resolved.program(at) for at in range(len(resolved.instructions))]
        swaps = [at for at, program in enumerate(programs) if self._emulated(program) is not None]
        at = swaps[0] if swaps else len(programs) - 1
        return {at: Refused({"Custom": custom_error}, [], units=0)}

    def _emulated(self, program: Pubkey) -> PoolKind | None:
        return None if program in self.machine.real_programs else kinds.by_program(program)

    def _ready(self, transaction: WireTransaction, slot: int) -> Resolved:
        """Set the machine to `slot` and look up the transaction's accounts; raises LookupFailed."""
        self.machine.set_time(slot, self.clock.unix_time(slot))
        resolved = resolve(transaction.message, self.book, slot)
        if LOOKUP_TABLES in resolved.keys:
            # Making a table takes a recent slot; nothing else reads this list, so it is set only then.
            recent = range(slot - _SLOT_HASHES, slot)
            self.machine.set_slot_hashes([(at, self.clock.blockhash(at)) for at in reversed(recent)])
        return resolved


def _nobody() -> None:
    """Nobody waits for landed transactions."""
