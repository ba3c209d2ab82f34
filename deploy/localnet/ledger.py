"""The cluster: takes transactions in, lands them, remembers them.

Everything is synchronous and belongs to one thread. Sent transactions land at once, in the slot in
progress; whatever is to happen in a later slot happens when that slot has come, which is worked out on the
next call. Slots that are not finalized can be undone: a fork.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from heapq import heappop, heappush
from itertools import compress, count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.pool import Account, PoolKind
from deploy.localnet.book import Book
from deploy.localnet.chain_errors import ALREADY_PROCESSED, BLOCKHASH_NOT_FOUND, Json
from deploy.localnet.compute import unit_price
from deploy.localnet.executor import Executor
from deploy.localnet.fee_history import FeeHistory
from deploy.localnet.history import History
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
from deploy.localnet.transactions import LOOKUP_TABLES, LookupFailed, Resolved, WireTransaction, decode, resolve

# How many slots back a lookup table may refer when it is made.
_SLOT_HASHES = 150
# How many slots a node can be behind: beyond the life of a blockhash nothing new is to be seen.
MAX_LAG = MAX_BLOCKHASH_AGE

# What happens in a slot, which it is given.
Event: TypeAlias = Callable[[int], object]


class Simulated(NamedTuple):
    """A simulation's answer; `resolved` is None when the accounts could not be looked up."""

    error: Json
    execution: Execution | None
    resolved: Resolved | None


class Mishap(NamedTuple):
    """What happens to a sent transaction besides landing in the slot in progress.

    It lands `delay_slots` later. With `custom_error` its last instruction fails with that code, or its swap
    when it has one. `forked_after` slots behind its own, everything from its slot on is undone, to come again
    `again` slots later where that is set.
    """

    delay_slots: int = 0
    custom_error: int | None = None
    forked_after: int | None = None
    again: int | None = None


NO_MISHAP = Mishap()


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
        # Signatures that never land, with the slot in which that was decided.
        self._doomed: dict[bytes, int] = {}
        self._events: list[tuple[int, int, Event]] = []
        # Keeps the events of one slot in the order in which they came.
        self._numbers = count()
        # Called after each landed transaction and each fork.
        self.on_changed: Callable[[], None] = _nobody
        self.fees = FeeHistory(MAX_BLOCKHASH_AGE)
        for address, account, executable in store.accounts():
            self.machine.set_account(address, account, executable)
        for signature, status in store.statuses_since(clock.slot() - self._remembered_slots):
            self._recent[signature] = status
        length = max(MAX_LAG, clock.lag(Commitment.FINALIZED))
        self._history = History(self.book, length, store.newest_slot())

    def close(self) -> None:
        """Close the store; nothing else holds anything."""
        self.store.close()

    def set_accounts(
        self, accounts: Mapping[Pubkey, Account | None], executable: frozenset[Pubkey] = frozenset()
    ) -> None:
        """Overwrite accounts from outside of the chain, in the slot in progress: a fork of it undoes that too."""
        with self._history.recording(self.clock.slot()):
            for address, account in accounts.items():
                self.machine.set_account(address, account, address in executable)
        self.store.put_accounts(accounts, executable)

    def skip(self, slots: int) -> None:
        """Let `slots` slots pass at once."""
        self.clock.skip(slots)
        self.store.set_value("anchors", self.clock.anchors)
        self.catch_up()

    def catch_up(self) -> None:
        """Bring the cluster to the present: let happen what was to happen until now, set the clock."""
        while self._events and self._events[0][0] <= self.clock.slot():
            slot, _, event = heappop(self._events)
            event(slot)
        self._set_time()

    def at(self, slot: int, event: Event) -> None:
        """Let `event` happen in `slot`, which has not begun. A stopped cluster forgets it."""
        heappush(self._events, (slot, next(self._numbers), event))

    def submit(self, transaction: WireTransaction, mishap: Mishap = NO_MISHAP) -> None:
        """Take a sent transaction in, as the leader does: what cannot land vanishes without a word."""
        slot = self.clock.slot() + mishap.delay_slots
        # Whether the blockhash will be too old by then is known now; later it may be forgotten.
        if not self.clock.accepts(bytes(transaction.message.recent_blockhash), slot):
            return
        if mishap.delay_slots:
            self.at(slot, partial(self.land, transaction, mishap=mishap))
        else:
            self.land(transaction, slot, mishap)

    def can_land(self, transaction: WireTransaction) -> bool:
        """Whether the transaction would land if it were sent now, as far as age and duplicates go."""
        signature = bytes(transaction.signature)
        alive = self.clock.accepts(bytes(transaction.message.recent_blockhash), self.clock.slot())
        return alive and signature not in self._recent and signature not in self._doomed

    def doom(self, transaction: WireTransaction) -> None:
        """Let the transaction never land, however often it is sent."""
        slot = self.clock.slot()
        self._doomed[bytes(transaction.signature)] = slot
        while (first := next(iter(self._doomed.items())))[1] < slot - MAX_BLOCKHASH_AGE:
            del self._doomed[first[0]]

    def refusal(self, transaction: WireTransaction, bank_slot: int) -> str | None:
        """Why a block in `bank_slot` cannot hold the transaction, before anything runs."""
        if not self.clock.accepts(bytes(transaction.message.recent_blockhash), bank_slot):
            return BLOCKHASH_NOT_FOUND
        known = self.status(bytes(transaction.signature), search_history=False)
        return None if known is None else ALREADY_PROCESSED

    def simulate(self, transaction: WireTransaction) -> Simulated:
        """Run the transaction on the newest state without effect; age and duplicates are not checked."""
        slot = self.clock.slot()
        try:
            resolved = self._ready(transaction, slot)
        except LookupFailed as failed:
            return Simulated(failed.error, None, None)
        execution = self._executor.simulate(resolved)
        return Simulated(execution.error, execution, resolved)

    def status(self, signature: bytes, search_history: bool, first_slot: int = 0) -> Status | None:
        """Where a transaction landed.

        Without `search_history` only recent slots are known, with it all from `first_slot` on too.
        """
        newest = self.clock.slot()
        status = self._recent.get(signature)
        if status is not None and newest - self._remembered_slots < status.slot <= newest:
            return status
        status = self.store.status(signature) if search_history else None
        return status if status is not None and first_slot <= status.slot <= newest else None

    def fork(self, slots: int, again: int | None = None) -> tuple[int, list[Landed]]:
        """Undo the newest `slots` slots, that in progress among them; returns the newest slot kept and what vanished.

        Other blocks take their place, with the same hashes but without these transactions: all their effects
        are gone, and the same bytes can land once more while their blockhash lives. With `again` they do so by
        themselves that many slots later. Slots that were finalized stay, and those up to the last transaction
        before this process started; ValueError when `slots` reaches into the former.
        """
        limit = self.clock.lag(Commitment.FINALIZED)
        if not 0 < slots <= limit:
            raise ValueError(f"a fork can undo 1 to {limit} slots, not {slots}: earlier ones are final")
        now = self.clock.slot()
        return self._undo_after(now - slots, now, again)

    @contextmanager
    def as_of(self, slot: int, accounts: bool) -> Iterator[None]:
        """Meanwhile everything is as it was at the end of `slot`, the accounts only where `accounts` is set.

        Nothing may land meanwhile. Accounts before the start of the process are shown as they were then.
        """
        then = self._history.as_of(slot) if accounts else {}
        now = {address: self.book[address] for address in then}
        try:
            with self.clock.stopped_at(slot):
                self._place(then)
                self._set_time()
                yield
        finally:
            self._place(now)
            self._set_time()

    def land(self, transaction: WireTransaction, slot: int, mishap: Mishap = NO_MISHAP) -> Status | None:
        """Put the transaction into the block of `slot`, the newest; None when that is impossible."""
        signature = bytes(transaction.signature)
        if signature in self._recent or signature in self._doomed or not transaction.signed():
            return None
        try:
            resolved = self._ready(transaction, slot)
        except LookupFailed:
            return None
        before = balances(self.machine, resolved)
        refuse = {} if mishap.custom_error is None else self._reverting(resolved, mishap.custom_error)
        with self._history.recording(slot):
            execution = self._executor.execute(resolved, refuse)
        if not execution.landed:
            return None
        after = balances(self.machine, resolved)
        meta = meta_json(self.machine, resolved, execution, before, after)
        landed = Landed(signature, slot, execution.error, transaction.memo(), bytes(transaction.raw), meta)
        self.store.put_landed(landed, dict.fromkeys(resolved.keys), execution.accounts)
        self._recent[signature] = Status(slot, execution.error)
        while self._recent and next(iter(self._recent.values())).slot <= slot - self._remembered_slots:
            self._recent.popitem(last=False)
        self.fees.add(slot, unit_price(resolved), compress(resolved.keys, resolved.writable))
        if mishap.forked_after is not None:
            self.at(slot + mishap.forked_after, lambda at: self._undo_after(slot - 1, at, mishap.again))
        self.on_changed()
        return self._recent[signature]

    def _undo_after(self, slot: int, now: int, again: int | None) -> tuple[int, list[Landed]]:
        slot = max(slot, self._history.oldest)
        undone = self.store.landed_after(slot)
        accounts = self._history.as_of(slot)
        self.store.undo(slot, accounts, frozenset(self.book.executable & accounts.keys()))
        self._place(accounts)
        self._history.forget_after(slot)
        self.fees.forget_after(slot)
        for landed in undone:
            self._recent.pop(landed.signature, None)
            if again is not None:
                transaction = decode(landed.wire)
                if now + again <= self.clock.last_slot_for(bytes(transaction.message.recent_blockhash), landed.slot):
                    self.at(now + again, partial(self.land, transaction))
        self.on_changed()
        return slot, undone

    def _set_time(self) -> None:
        slot = self.clock.slot()
        self.machine.set_time(slot, self.clock.unix_time(slot))

    def _place(self, accounts: Mapping[Pubkey, Account | None]) -> None:
        for address, account in accounts.items():
            self.machine.set_account(address, account, address in self.book.executable)

    def _reverting(self, resolved: Resolved, custom_error: int) -> dict[int, Refused]:
        programs = [resolved.program(at) for at in range(len(resolved.instructions))]
        swaps = [at for at, program in enumerate(programs) if kinds.by_program(program) is not None]
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
