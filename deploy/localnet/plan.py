"""A transaction made ready for the machine, and what the machine's answer means for the transaction."""

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from solders.instruction import CompiledInstruction
from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet import logs
from deploy.localnet.chain_errors import Json, describe_cause, failed_instruction, instruction_error
from deploy.localnet.compute import BUILTIN_CALL_UNITS, PRECOMPILES
from deploy.localnet.draft import Draft
from deploy.localnet.machine import Run
from deploy.localnet.swaps import Refused, Settlement, exhausted
from deploy.localnet.tokens import read_token_account
from deploy.localnet.transactions import Resolved

# The origin of a drafted instruction that stands for none of the transaction's own.
ADDED = -1


class InnerCall(NamedTuple):
    """A call made inside of an instruction; a direct call has depth 2."""

    program: Pubkey
    accounts: list[Pubkey]
    data: bytes
    depth: int


class Execution(NamedTuple):
    """How a transaction ended; instruction indexes are those of the transaction itself.

    `landed` is False when it could not even pay its fee or be loaded: then nothing changed. `accounts`
    are the accounts it changed, or would change in a simulation.
    """

    error: Json
    landed: bool
    logs: list[str]
    units: int
    fee: int
    inner: dict[int, list[InnerCall]]
    return_data: tuple[Pubkey, bytes] | None
    accounts: dict[Pubkey, Account | None]


@dataclass(slots=True)
class Plan:
    """What the machine is to run for `resolved`, instruction by instruction."""

    resolved: Resolved
    draft: Draft
    limit: int
    settled: dict[int, Settlement] = field(default_factory=dict)
    refused: dict[int, Refused] = field(default_factory=dict)
    # Pool accounts after the swaps so far; they become the cluster's when the transaction succeeds.
    writes: dict[Pubkey, Account | None] = field(default_factory=dict)
    # The vaults that pay out, with the delegate that they have for the time of the run.
    delegated: dict[Pubkey, Account] = field(default_factory=dict)
    # What they are to be afterwards.
    vaults: dict[Pubkey, Account] = field(default_factory=dict)

    @property
    def emulates(self) -> bool:
        """Whether the machine runs something else than the transaction's own instructions."""
        return bool(self.settled or self.refused)

    def units(self, run: Run) -> int:
        """The compute units that the run stands for."""
        return self._walk(run)[1] if self.emulates else run.units

    def stop_beyond_limit(self, run: Run) -> bool:
        """Make the instruction behind the last swap fail at whose end `run` had used more than the limit.

        The machine cannot see this by itself, since the transfers of a swap cost less than the swap.
        """
        last = max(self.settled, default=None)
        if last is None or run.error is not None:
            return False
        used = 0
        for origin, groups in self._groups(run):
            settlement = self.settled.get(origin)
            used += sum(map(_units, groups)) if settlement is None else settlement.units
            if origin > last and used > self.limit:
                self.draft.cut(origin)
                self.draft.fail(origin)
                for at in range(origin + 1, len(self.resolved.instructions)):
                    self.draft.keep(self.resolved.instructions[at], at)
                self.refused[origin] = exhausted()
                return True
        return False

    def execution(self, run: Run, landed: bool, accounts: dict[Pubkey, Account | None]) -> Execution:
        """The outcome in terms of the transaction."""
        lines, units = self._walk(run) if self.emulates else (run.logs, run.units)
        inner: dict[int, list[InnerCall]] = {}
        for at, calls in enumerate(run.inner):
            origin = self.draft.origin[at]
            settled = origin in self.settled
            if not settled and not calls:
                continue
            into = inner.setdefault(origin, [])
            if settled:
                into.append(self._settlement_call(self.draft.instruction(at)))
            into += [self._call(call.instruction(), (call.stack_height() or 2) + settled) for call in calls]
        return Execution(self._error(run), landed, lines, units, run.fee, inner, run.return_data, accounts)

    def short_of_rent(self, run: Run) -> Pubkey | None:
        """The account whose lack of lamports for its rent failed the run."""
        error = run.error
        if isinstance(error, dict) and isinstance(poor := error.get("InsufficientFundsForRent"), dict):
            return self.draft.key(int(str(poor["account_index"])))
        return None

    def _walk(self, run: Run) -> tuple[list[str], int]:
        """The log that the transaction's own instructions would have left, and the compute units."""
        lines: list[str] = []
        used = really_used = 0
        failed = failed_instruction(run.error)
        for origin, groups in self._groups(run):
            really = sum(map(_units, groups))
            left = self.limit - used
            if origin == ADDED:
                cost = 0
            elif (refused := self.refused.get(origin)) is not None:
                cost = left if refused.units is None else min(refused.units, left)
                words = refused.words or describe_cause(refused.cause)
                lines += logs.invocation(self.resolved.program(origin), refused.lines, cost, left, words)
            elif (settlement := self.settled.get(origin)) is not None:
                cost = min(settlement.units, left)
                stopped = failed is not None and self.draft.origin[failed[0]] == origin
                words_or_none = describe_cause(failed[1]) if failed is not None and stopped else None
                calls = [line for group in groups for line in logs.nested(group)]
                calls = logs.with_less_left(calls, used - really_used)
                lines += logs.invocation(self.resolved.program(origin), calls, cost, left, words_or_none)
            else:
                cost = really
                for group in groups:
                    lines += logs.with_less_left(group, used - really_used)
            used += cost
            really_used += really
        return lines, used

    def _groups(self, run: Run) -> list[tuple[int, list[list[str]]]]:
        """The logs of the drafted instructions that ran, together for each instruction they stand for."""
        programs = [self.draft.program(at) for at in range(len(self.draft.origin))]
        groups = logs.by_instruction(run.logs, [program in PRECOMPILES for program in programs])
        pairs = zip(self.draft.origin, groups, strict=False)
        return [(origin, [group for _, group in some]) for origin, some in groupby(pairs, key=itemgetter(0))]

    def _call(self, instruction: CompiledInstruction, depth: int) -> InnerCall:
        key = self.draft.key
        accounts = [key(at) for at in instruction.accounts]
        return InnerCall(key(instruction.program_id_index), accounts, instruction.data, depth)

    def _settlement_call(self, transfer: CompiledInstruction) -> InnerCall:
        """The transfer as the program makes it: out of a vault by the vault's owner."""
        call = self._call(transfer, 2)
        holding = read_token_account(self.vaults[call.accounts[0]]) if call.accounts[0] in self.vaults else None
        if holding is None or holding.owner not in self.resolved.keys:
            return call
        return call._replace(accounts=[*call.accounts[:-1], holding.owner])

    def _error(self, run: Run) -> Json:
        """The machine's error with the indexes of the transaction, and a refused swap's own cause."""
        error = run.error
        if (poor := self.short_of_rent(run)) is not None:
            return {"InsufficientFundsForRent": {"account_index": self.resolved.keys.index(poor)}}
        if (failed := failed_instruction(error)) is not None:
            origin = self.draft.origin[failed[0]]
            refused = self.refused.get(origin)
            return instruction_error(origin, failed[1] if refused is None else refused.cause)
        if isinstance(error, dict) and isinstance(at := error.get("DuplicateInstruction"), int):
            return {"DuplicateInstruction": self.draft.origin[at]}
        return error


def _units(group: list[str]) -> int:
    units = logs.units_of(group)
    return BUILTIN_CALL_UNITS if units is None else units
