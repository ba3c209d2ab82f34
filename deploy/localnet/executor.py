"""Runs whole transactions, emulated swaps among the instructions included, and all or nothing.

A swap of an emulated program is replaced by the token transfers that the program would make. What leaves
the user's account is signed by the user as it is; what leaves a vault is moved by the fee payer, whom the
vault's token account names as delegate for exactly that amount while the transaction runs. So neither the
signatures nor the fee differ from the real thing, and the token programs check every balance. The state in
front of a swap that is not the first instruction is found by simulating the instructions before it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import compress
from struct import Struct
from types import MappingProxyType

from solders.pubkey import Pubkey

from activities.venues.mint import TOKEN_PROGRAM
from activities.venues.pool import Account, Accounts, PoolKind
from deploy.localnet.book import Book
from deploy.localnet.compute import compute_limit, requested_limit, set_limit_data
from deploy.localnet.draft import Draft
from deploy.localnet.machine import Machine, Run
from deploy.localnet.plan import ADDED, Execution, Plan
from deploy.localnet.pool_cache import PoolCache
from deploy.localnet.swaps import Refused, settle
from deploy.localnet.tokens import with_delegate, with_delegate_of
from deploy.localnet.transactions import COMPUTE_BUDGET, Resolved

# The token program's Transfer (3) does without the mint, TransferChecked (12) also charges transfer fees.
_TRANSFER = Struct("<BQ")
_TRANSFER_CHECKED = Struct("<BQB")
# Added to an account that is short of rent half-way through a transaction, to look at the state there.
_LOAN = 10**12
_NOTHING: Mapping[int, Refused] = MappingProxyType({})


class _View(Mapping[Pubkey, Account | None]):
    """The book with some accounts replaced."""

    def __init__(self, book: Book, replaced: Accounts) -> None:
        self._book = book
        self._replaced = replaced

    def __getitem__(self, address: Pubkey) -> Account | None:
        return self._replaced[address] if address in self._replaced else self._book[address]

    def __iter__(self) -> Iterator[Pubkey]:
        return iter({**dict.fromkeys(self._book), **dict.fromkeys(self._replaced)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Executor:
    """Executes and simulates resolved transactions against one machine."""

    def __init__(self, machine: Machine, book: Book, kind_of: Callable[[Pubkey], PoolKind | None]) -> None:
        self._machine = machine
        self._book = book
        self._kind_of = kind_of
        self._pools = PoolCache()

    def simulate(self, resolved: Resolved) -> Execution:
        """Execute without effect."""
        with self._planned(resolved) as plan:
            run = self._machine.simulate(plan.draft.transaction())
            if plan.stop_beyond_limit(run):
                run = self._machine.simulate(plan.draft.transaction())
        after = {**run.after, **plan.writes} if run.error is None else {}
        for address, vault in plan.vaults.items():
            if (moved := after.get(address)) is not None:
                after[address] = with_delegate_of(moved, vault)
        return plan.execution(run, True, after)

    def execute(self, resolved: Resolved, refuse: Mapping[int, Refused] = _NOTHING) -> Execution:
        """Execute for good; the instructions in `refuse` fail as told there."""
        before = self._machine.account(resolved.payer)
        touched = list(compress(resolved.keys, resolved.writable))
        with self._planned(resolved, refuse) as plan:
            run = self._machine.run(plan.draft.transaction())
            if plan.stop_beyond_limit(run):
                self._machine.undo(touched)
                for address, vault in plan.delegated.items():
                    self._machine.put(address, vault)
                run = self._machine.run(plan.draft.transaction())
            if run.error is None:
                for address, vault in plan.vaults.items():
                    plan.vaults[address] = with_delegate_of(self._machine.existing(address), vault)
        changed = self._machine.collect(touched)
        if run.error is None:
            for address, account in plan.writes.items():
                self._machine.set_account(address, account)
            changed.update(plan.writes)
        landed = run.error is None or self._machine.account(resolved.payer) != before
        return plan.execution(run, landed, changed)

    @contextmanager
    def _planned(self, resolved: Resolved, refuse: Mapping[int, Refused] = _NOTHING) -> Iterator[Plan]:
        """A plan; on leaving, the vaults are set to what it says."""
        plan = Plan(resolved, Draft(resolved), compute_limit(resolved))
        try:
            self._fill(plan, refuse)
            yield plan
        finally:
            for address, vault in plan.vaults.items():
                self._machine.put(address, vault)

    def _fill(self, plan: Plan, refuse: Mapping[int, Refused]) -> None:
        resolved, draft = plan.resolved, plan.draft
        for at, compiled in enumerate(resolved.instructions):
            kind = self._kind_of(resolved.program(at))
            if at in refuse:
                plan.refused[at] = refuse[at]
                draft.fail(at)
            elif kind is None:
                draft.keep(compiled, at)
            elif plan.refused:
                draft.fail(at)
            else:
                try:
                    self._add_swap(plan, kind, at)
                except Refused as refused:
                    plan.refused[at] = refused
                    draft.fail(at)
        if plan.emulates and requested_limit(resolved) is None:
            # The default limit, and with it the fee, follows from the number of instructions, which differs.
            draft.add(COMPUTE_BUDGET, set_limit_data(plan.limit), (), ADDED)

    def _add_swap(self, plan: Plan, kind: PoolKind, at: int) -> None:
        """Append the transfers of swap `at`, or a failure where an earlier one fails; raises Refused."""
        used, replaced = 0, plan.writes
        if at > 0:
            run = self._before(plan)
            if run.error is not None:
                plan.draft.fail(at)
                return
            # Keeping the book's own objects keeps what was decoded from them.
            changed = {key: account for key, account in run.after.items() if account != self._book[key]}
            replaced = {**changed, **plan.writes}
            used = plan.units(run)
        view = _View(self._book, replaced)
        instruction, clock = plan.resolved.instruction(at), self._machine.clock
        settlement = settle(kind, instruction, view, clock, plan.limit - used, self._pools)
        for transfer in settlement.transfers:
            authority = settlement.owner
            if transfer.source != settlement.user_source:
                authority = plan.resolved.payer
                self._delegate(plan, transfer.source, transfer.amount)
            source, destination, mint = transfer.source, transfer.destination, transfer.mint
            keys: tuple[Pubkey, ...]
            if mint.address in plan.resolved.keys or mint.program != TOKEN_PROGRAM:
                data = _TRANSFER_CHECKED.pack(12, transfer.amount, mint.decimals)
                keys = (source, mint.address, destination, authority)
            else:
                data, keys = _TRANSFER.pack(3, transfer.amount), (source, destination, authority)
            plan.draft.add(mint.program, data, keys, at)
        for address, written in settlement.writes.items():
            account = view[address]
            if account is not None:
                plan.writes[address] = Account(account.owner, account.lamports, written)
        plan.settled[at] = settlement

    def _before(self, plan: Plan) -> Run:
        """Simulate what the plan holds so far.

        The machine checks that accounts can pay their rent as if the transaction ended here; one that
        cannot is lent the lamports for the time of the simulation.
        """
        lent: dict[Pubkey, Account] = {}
        try:
            while True:
                run = self._machine.simulate(plan.draft.transaction())
                poor = plan.short_of_rent(run)
                account = None if poor is None or poor in lent else self._machine.account(poor)
                if poor is None or account is None:
                    break
                lent[poor] = account
                self._machine.put(poor, Account(account.owner, account.lamports + _LOAN, account.data))
        finally:
            for address, account in lent.items():
                self._machine.put(address, account)
        for address in lent:
            if (after := run.after.get(address)) is not None:
                run.after[address] = Account(after.owner, after.lamports - _LOAN, after.data)
        return run

    def _delegate(self, plan: Plan, vault: Pubkey, amount: int) -> None:
        current = self._machine.existing(vault)
        plan.vaults.setdefault(vault, current)
        plan.delegated[vault] = with_delegate(current, plan.resolved.payer, amount)
        self._machine.put(vault, plan.delegated[vault])
