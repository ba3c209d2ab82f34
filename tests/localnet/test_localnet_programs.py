"""Real program binaries in the place of the emulation: the same transactions end the same way."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Account, Pool, UserAccounts
from activities.venues.raydium import cpmm
from deploy.localnet.machine import BadProgram
from deploy.localnet.server import open_node
from deploy.localnet.settings import LocalnetSettings
from tests.localnet.chain import USDC, Chain, RpcFailure, ata, deepest, memo, quoted, running, wrap
from tests.localnet.payments import send
from tests.localnet.sbf import Program, returning
from tests.localnet.sbf_swap import Transfer, Writes, settling

AUTHORITY_SEED = b"vault_and_lp_mint_auth_seed"
# The positions of accounts in the instruction of a CPMM swap.
PAYER, AUTHORITY, SOURCE, DESTINATION, VAULT_IN, VAULT_OUT, PROGRAM_IN, PROGRAM_OUT, MINT_IN, MINT_OUT = (
    0,
    1,
    *range(4, 12),
)


class Twins:
    """One cluster, stopped in its first slot, to be continued twice: emulated, and with real programs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        open_node(LocalnetSettings(data_dir=directory / "first", slot_ms=60_000)).ledger.close()

    def emulated(self) -> Any:
        """The cluster with emulated programs."""
        return self._continued("emulated")

    def real(self, binary: bytes, program: Pubkey = cpmm.PROGRAM) -> Any:
        """The cluster with `binary` as a program."""
        programs = self._directory / "programs"
        programs.mkdir()
        (programs / f"{program}.so").write_bytes(binary)
        return self._continued("real", programs=programs)

    def _continued(self, name: str, **settings: Any) -> Any:
        directory = self._directory / name
        shutil.copytree(self._directory / "first", directory)
        return running(directory, slot_ms=60_000, **settings)


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    """A new cluster, ready to be continued."""
    return Twins(tmp_path)


async def order(chain: Chain, least: int = 1, amount: int = 10**9) -> tuple[Pool, Instruction, Any]:
    """The deepest CPMM pool, a swap of `amount` USDC on it, and a transaction around that swap."""
    wallet = chain.wallet().pubkey()
    pool = await deepest(chain, "cpmm")
    quote = await quoted(chain, pool, USDC, amount)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, least, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    return pool, swap, await chain.sign([set_compute_unit_limit(300_000), *making, swap, memo("order")])


async def accounts_of(chain: Chain, swap: Instruction) -> list[Account | None]:
    """The accounts of an instruction as they stand."""
    return [await chain.account(meta.pubkey) for meta in swap.accounts]


def differences(before: Account, after: Account) -> dict[int, bytes]:
    """The bytes of the data that changed."""
    return {at: after.data[at : at + 1] for at in range(len(before.data)) if before.data[at] != after.data[at]}


def without_figures(logs: Sequence[str]) -> list[str]:
    """Log lines without the compute units, which a program of another make uses differently."""
    return [re.sub(r"consumed \d+ of \d+", "consumed", line) for line in logs]


async def test_a_real_program_and_its_emulation_leave_the_same_behind(twins: Twins) -> None:
    async with twins.emulated() as chain:
        _, swap, transaction = await order(chain)
        before = await accounts_of(chain, swap)
        emulated = await chain.transaction(await chain.send(transaction))
        after = await accounts_of(chain, swap)
    assert emulated["meta"]["err"] is None
    inner = emulated["meta"]["innerInstructions"]
    mints = {PROGRAM_IN: before[MINT_IN], PROGRAM_OUT: before[MINT_OUT]}
    paid, received = (amount_of(before[at]) - amount_of(after[at]) for at in (SOURCE, VAULT_OUT))
    transfers = [
        Transfer(PROGRAM_IN, SOURCE, MINT_IN, VAULT_IN, PAYER, paid, decimals(mints[PROGRAM_IN])),
        Transfer(PROGRAM_OUT, VAULT_OUT, MINT_OUT, DESTINATION, AUTHORITY, received, decimals(mints[PROGRAM_OUT])),
    ]
    writes = [
        Writes(at, differences(old, new))
        for at, (old, new) in enumerate(zip(before, after, strict=True))
        if old is not None and new is not None and old.owner == cpmm.PROGRAM and old != new
    ]
    bump = Pubkey.find_program_address([AUTHORITY_SEED], cpmm.PROGRAM)[1]
    lengths = [0 if account is None else len(account.data) for account in before]
    # The account to pay into is made in the same transaction.
    lengths[DESTINATION] = 165
    keys = [meta.pubkey for meta in swap.accounts]
    binary = settling(list(zip(keys, lengths, strict=True)), transfers, writes, [AUTHORITY_SEED, bytes([bump])])

    async with twins.real(binary) as chain:
        real = await chain.transaction(await chain.send(transaction))
        assert real["meta"]["err"] is None
        assert await accounts_of(chain, swap) == after

    assert writes
    assert inner[0]["instructions"]
    assert real["meta"].keys() == emulated["meta"].keys()
    for key in real["meta"].keys() - {"logMessages", "computeUnitsConsumed"}:
        assert real["meta"][key] == emulated["meta"][key], key
    assert without_figures(real["meta"]["logMessages"]) == without_figures(emulated["meta"]["logMessages"])
    assert real["transaction"] == emulated["transaction"]
    units = [int(line.split()[3]) for line in real["meta"]["logMessages"] if f"{cpmm.PROGRAM} consumed" in line]
    assert 0 < units[0] < real["meta"]["computeUnitsConsumed"] < 300_000


def amount_of(account: Account | None) -> int:
    """The balance of a token account."""
    assert account is not None
    return int.from_bytes(account.data[64:72], "little")


def decimals(mint: Account | None) -> int:
    """The decimals of a mint."""
    assert mint is not None
    return mint.data[44]


async def test_a_real_programs_error_shows_as_an_emulated_one(twins: Twins) -> None:
    async with twins.emulated() as chain:
        _, swap, transaction = await order(chain, least=10**18)
        emulated = await failure_of(chain, swap, transaction)
    async with twins.real(returning(6005)) as chain:
        real = await failure_of(chain, swap, transaction)

    assert emulated["meta"]["err"] == {"InstructionError": [3, {"Custom": 6005}]}
    for key in real["meta"].keys() - {"logMessages", "computeUnitsConsumed"}:
        assert real["meta"][key] == emulated["meta"][key], key
    # An emulated program says which of its errors it is; the last line is the runtime's.
    assert real["meta"]["logMessages"][-1] == emulated["meta"]["logMessages"][-1]
    for key in ("code", "message"):
        assert real["preflight"][key] == emulated["preflight"][key]
    assert real["preflight"]["data"].keys() == emulated["preflight"]["data"].keys()
    for key in real["preflight"]["data"].keys() - {"logs", "unitsConsumed"}:
        assert real["preflight"]["data"][key] == emulated["preflight"]["data"][key], key
    assert real["kept"]
    assert emulated["kept"]


async def failure_of(chain: Chain, swap: Instruction, transaction: Any) -> dict[str, Any]:
    """How a failing transaction is refused by preflight, how it lands without, and whether all was undone."""
    before = await accounts_of(chain, swap)
    with pytest.raises(RpcFailure) as refused:
        await send(chain, transaction, skipPreflight=False, preflightCommitment="processed")
    landed = await chain.transaction(await chain.send(transaction))
    # The first account pays the fee.
    kept = (await accounts_of(chain, swap))[1:] == before[1:]
    preflight = {"code": refused.value.code, "message": str(refused.value), "data": refused.value.data}
    return {"meta": landed["meta"], "preflight": preflight, "kept": kept}


async def test_a_real_program_that_runs_out_of_compute_fails_as_an_emulated_one(twins: Twins) -> None:
    # Jumps back to itself: 0x05 with offset -1.
    endless = Program()
    endless._add(0x05, 0, 0, -1, 0)
    async with twins.emulated() as chain:
        wallet = chain.wallet().pubkey()
        pool = await deepest(chain, "cpmm")
        quote = await quoted(chain, pool, USDC, 10**9)
        wrapped, making = wrap(wallet, "order", 0)
        swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
        transaction = await chain.sign([set_compute_unit_limit(10_000), *making, swap])
        emulated = (await chain.transaction(await chain.send(transaction)))["meta"]
    async with twins.real(endless.exit().elf()) as chain:
        real = (await chain.transaction(await chain.send(transaction)))["meta"]

    assert real["err"] == emulated["err"] == {"InstructionError": [3, "ProgramFailedToComplete"]}
    assert real["computeUnitsConsumed"] == emulated["computeUnitsConsumed"] == 10_000
    assert real["logMessages"][-1] == emulated["logMessages"][-1]


async def test_other_programs_stay_emulated_beside_a_real_one(twins: Twins) -> None:
    async with twins.real(returning(0)) as chain:
        wallet = chain.wallet().pubkey()
        pool = await deepest(chain, "damm_v2")
        quote = await quoted(chain, pool, NATIVE_MINT, 10**9)
        wrapped, making = wrap(wallet, "sale", 10**9)
        swap = pool.instruction(quote, quote.amount_out, UserAccounts(wallet, wrapped, ata(wallet, USDC)))
        before = await chain.tokens(ata(wallet, USDC))
        assert (await chain.land([*making, swap]))["err"] is None
        assert await chain.tokens(ata(wallet, USDC)) - before == quote.amount_out

        # The real one takes the swap and does nothing.
        cpmm_pool, _, transaction = await order(chain)
        assert (await chain.transaction(await chain.send(transaction)))["meta"]["err"] is None
        assert await chain.pool(cpmm.KIND, cpmm_pool.address) == cpmm_pool


async def test_what_a_real_program_did_is_undone_by_a_fork(twins: Twins) -> None:
    async with twins.real(returning(0)) as chain:
        wallet = chain.wallet().pubkey()
        lamports = await chain.lamports(wallet)
        _, _, transaction = await order(chain)
        signature = await chain.send(transaction)
        assert (await chain.rpc("localnet_fork", 1))["signatures"] == [str(signature)]
        assert await chain.lamports(wallet) == lamports


async def test_a_revert_fault_strikes_a_real_programs_swap_too(twins: Twins) -> None:
    async with twins.real(returning(0)) as chain:
        await chain.rpc("localnet_setFaults", [{"kind": "revert", "custom_error": 6005}])
        _, _, transaction = await order(chain)
        landed = await chain.transaction(await chain.send(transaction))

    assert landed["meta"]["err"] == {"InstructionError": [3, {"Custom": 6005}]}


@pytest.mark.parametrize(
    ("name", "content"),
    [("not-an-address.so", returning(0)), (f"{cpmm.PROGRAM}.so", b"\x7fELF"), (f"{cpmm.PROGRAM}.so", b"")],
)
def test_a_file_that_is_no_program_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / name).write_bytes(content)

    with pytest.raises(BadProgram, match=re.escape(name)):
        open_node(LocalnetSettings(data_dir=tmp_path / "data", programs=programs))
