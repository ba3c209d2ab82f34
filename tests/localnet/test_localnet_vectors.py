"""The recorded swaps of the real programs, run as transactions: emulated, and by real binaries where there are any.

The binaries are no part of the project. ORDER_ENGINE_PROGRAMS names a folder of them, `<program id>.so` as
`solana program dump` writes them; without it the comparison with them is skipped.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from activities.venues import kinds
from activities.venues.pool import MAX_COMPUTE_UNITS, Account
from deploy.localnet.book import Book
from deploy.localnet.chain_errors import failed_instruction
from deploy.localnet.executor import Executor
from deploy.localnet.machine import Machine
from deploy.localnet.plan import Execution
from deploy.localnet.tokens import read_token_account
from deploy.localnet.transactions import decode, resolve
from deploy.vectors.adapter import Adapter
from deploy.vectors.adapters import adapter_named
from deploy.vectors.files import Case, Scenario, read_file
from deploy.vectors.states import user_of

VECTORS = Path(__file__).parent.parent / "venues" / "vectors"
SETS = ("raydium_amm_v4", "raydium_cpmm", "raydium_clmm", "meteora_damm_v1", "meteora_damm_v2", "meteora_dlmm")
PROGRAMS = os.environ.get("ORDER_ENGINE_PROGRAMS")
# Whole sets take minutes here; their amounts are all checked against the venue code elsewhere.
CASES_PER_SET = 60
# The engine never names a referrer, so the emulation refuses whoever does.
NOT_EMULATED = frozenset({"referral"})
RICH = Account(Pubkey.default(), 10**12, b"")


class Ran(NamedTuple):
    """A case that was run: what the user paid and received, and how the transaction ended."""

    paid: int
    received: int
    execution: Execution
    accounts: Mapping[Pubkey, Account | None]


def cases(set_name: str) -> Iterator[tuple[Adapter, Scenario, Case]]:
    """An even choice of the cases whose instruction was recorded and whose outcome counts."""
    adapter = adapter_named(set_name)
    assert adapter is not None
    every = [
        (adapter, scenario, case)
        for scenario in read_file(VECTORS / f"{set_name}.json.xz").scenarios
        for case in scenario.cases
        if scenario.id not in NOT_EMULATED
        and scenario.instruction(case) is not None
        and adapter.outcome(case) is case.result
        and adapter.not_counted(scenario, case) is None
    ]
    assert len(every) > CASES_PER_SET
    return iter(every[:: len(every) // CASES_PER_SET])


def ran(adapter: Adapter, scenario: Scenario, case: Case, programs: Path | None) -> Ran:
    """Run the recorded instruction of a case on the accounts of its scenario."""
    book = Book()
    machine = Machine(book, programs)
    real = machine.real_programs
    executor = Executor(machine, book, lambda program: None if program in real else kinds.by_program(program))
    accounts = {**adapter.accounts(scenario, case), scenario.payer: RICH}
    for address, account in accounts.items():
        if account is not None and machine.account(address) is None:
            machine.set_account(address, account)
    machine.set_time(scenario.clock.slot, scenario.clock.unix_timestamp)
    instruction = scenario.instruction(case)
    assert instruction is not None
    message = MessageV0.try_compile(
        scenario.payer, [set_compute_unit_limit(MAX_COMPUTE_UNITS), instruction], [], Hash.default()
    )
    unsigned = [Signature.default()] * message.header.num_required_signatures
    wire = decode(bytes(VersionedTransaction.populate(message, unsigned)))
    user = user_of(scenario, adapter.user_roles, adapter.swap(case).a_to_b)
    before = [amount(book[key]) for key in (user.source, user.destination)]
    execution = executor.execute(resolve(wire.message, book, scenario.clock.slot))
    after = [amount(book[key]) for key in (user.source, user.destination)]
    left = {address: book[address] for address in scenario.accounts}
    return Ran(before[0] - after[0], after[1] - before[1], execution, left)


def amount(account: Account | None) -> int:
    """The balance of a token account."""
    holding = None if account is None else read_token_account(account)
    return 0 if holding is None else holding.amount


@pytest.mark.parametrize("set_name", SETS)
def test_the_emulation_settles_recorded_swaps_as_the_real_program_did(set_name: str) -> None:
    outcomes = set()
    for adapter, scenario, case in cases(set_name):
        recorded = case.result
        run = ran(adapter, scenario, case, None)
        where = f"{scenario.id} {case}: {run.execution.error} {run.execution.logs[-3:]}"
        outcomes.add(recorded["ok"])
        if recorded["ok"]:
            assert run.execution.error is None, where
            assert (run.paid, run.received) == (int(recorded["in_spent"]), int(recorded["out_received"])), where
        else:
            failed = failed_instruction(run.execution.error)
            assert failed is not None, where
            assert failed[0] == 1, where
            assert (run.paid, run.received) == (0, 0), where
    assert outcomes == {True, False}


@pytest.mark.skipif(PROGRAMS is None, reason="ORDER_ENGINE_PROGRAMS names no folder of real program binaries")
@pytest.mark.parametrize("set_name", SETS)
@pytest.mark.timeout(600)
def test_a_real_binary_and_its_emulation_end_alike(set_name: str) -> None:
    assert PROGRAMS is not None
    programs = Path(PROGRAMS)
    for adapter, scenario, case in cases(set_name):
        if not (programs / f"{adapter.kind.program_id}.so").exists():
            pytest.skip(f"{PROGRAMS} does not hold {adapter.kind.program_id}.so")
        emulated, real = (ran(adapter, scenario, case, choice) for choice in (None, programs))
        where = f"{scenario.id} {case}: {real.execution.error} {real.execution.logs[-3:]}"
        assert (emulated.paid, emulated.received) == (real.paid, real.received), where
        assert (emulated.execution.error is None) is (real.execution.error is None), where
        if real.execution.error is None:
            # Equal where every field that a quote reads is equal.
            assert adapter.decode(scenario, real.accounts) == adapter.decode(scenario, emulated.accounts), where
        elif custom(real.execution) is not None and custom(emulated.execution) is not None:
            assert custom(real.execution) == custom(emulated.execution), where


def custom(execution: Execution) -> object:
    """The program's own error code, None for any other end."""
    failed = failed_instruction(execution.error)
    return failed[1].get("Custom") if failed is not None and isinstance(failed[1], dict) else None
