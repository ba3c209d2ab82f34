"""Faults set by RPC, by file and on the command line: what is taken, refused and counted, and what survives."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import deploy.localnet.faults as faults_module
from deploy.cli.localnet_faults import set_faults
from deploy.localnet.fault_file import FaultError, parse_fault, read_faults
from deploy.localnet.faults import OF_CALLS, OF_REQUESTS, OF_TRANSACTIONS, Fault, FaultPlan, Kind
from tests.localnet.chain import USDC, Chain, RpcFailure, deepest, running
from tests.localnet.payments import payment, send, status


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("drop", "Input should be a valid list"),
        ([{"kind": "explode"}], r"0.kind: Input should be 'drop', 'delay'"),
        ([{"kind": "drop"}, {"kind": "drop", "chance": 1}], r"1.chance: Extra inputs are not permitted"),
        ([{}], r"0.kind: Field required"),
        ([{"kind": "drop", "probability": 1.5}], r"0.probability: Input should be less than or equal to 1"),
        ([{"kind": "drop", "times": 0}], r"0.times: Input should be greater than or equal to 1"),
        ([{"kind": "lag", "slots": 151}], "0: a node can lag by at most 150 slots"),
        ([{"kind": "price_jump", "bps": 0}], "0: a price jump of 0 bps is none"),
        ([{"kind": "price_jump", "pool": "x"}], "0.pool: not an address: x"),
        ([{"kind": "server_error", "status": 404}], "0.status: Input should be greater than or equal to 500"),
        ([{"kind": "server_error", "status": 599}], "0: there is no HTTP status 599"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(
    still: Chain, faults: Any, words: str
) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "drop", "times": 3}], 7)

    with pytest.raises(RpcFailure, match=words) as failure:
        await still.rpc("localnet_setFaults", faults, 8)

    assert failure.value.code == -32602
    assert "\n" not in str(failure.value)
    assert await still.rpc("localnet_faults") == {
        "node": "main",
        "seed": 7,
        "faults": [{"kind": "drop", "times": 3, "calls": 0, "hits": 0}],
    }


def test_every_kind_strikes_one_place() -> None:
    assert set(Kind) == OF_TRANSACTIONS | OF_CALLS | OF_REQUESTS
    assert len(OF_TRANSACTIONS) + len(OF_CALLS) + len(OF_REQUESTS) == len(Kind)


def test_the_documentation_names_every_kind_and_field() -> None:
    for text in (faults_module.__doc__ or "", set_faults.__doc__ or ""):
        for kind in Kind:
            assert kind.value in text
    for name in Fault.model_fields:
        assert name in (set_faults.__doc__ or "") or name == "kind"


async def test_an_expiring_transaction_never_lands_however_often_it_is_sent(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "expire", "times": 1}])
    doomed = await payment(still)
    for _ in range(3):
        await send(still, doomed)
        await still.rpc("localnet_warpSlots", 10)
    # Not even when the faults are gone, nor by another node.
    await still.rpc("localnet_setFaults", [])
    await send(still, doomed)
    await send(still.node("other"), doomed)
    assert await status(still, doomed, search=True) is None

    sound = await payment(still)
    await send(still, sound)
    assert (await status(still, sound))["err"] is None
    await still.rpc("localnet_warpSlots", 200)
    await send(still, doomed)
    assert await status(still, doomed, search=True) is None


async def test_sending_again_what_landed_draws_no_fault(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_setFaults", [{"kind": "revert"}])

    await send(still, transaction)

    assert (await still.rpc("localnet_faults"))["faults"] == [{"kind": "revert", "calls": 0, "hits": 0}]
    assert (await status(still, transaction))["err"] is None


def test_draws_of_one_fault_do_not_shift_those_of_another() -> None:
    def drawn(polls: int) -> list[bool]:
        plan = FaultPlan("main", 42)
        plan.set([Fault(kind=Kind.TIMEOUT, probability=0.5), Fault(kind=Kind.DROP, probability=0.5)])
        outcomes = []
        for _ in range(30):
            for _ in range(polls):
                plan.hits("getSlot", OF_REQUESTS)
            outcomes.append(bool(plan.hits("sendTransaction", OF_TRANSACTIONS)))
        return outcomes

    assert drawn(0) == drawn(7)
    assert set(drawn(0)) == {True, False}


def test_nodes_and_seeds_draw_differently() -> None:
    def drawn(name: str, seed: int) -> list[bool]:
        plan = FaultPlan(name, seed)
        plan.set([Fault(kind=Kind.DROP, probability=0.5)])
        return [bool(plan.hits("sendTransaction", OF_TRANSACTIONS)) for _ in range(64)]

    assert drawn("main", 1) == drawn("main", 1)
    assert len({tuple(drawn(*key)) for key in (("main", 1), ("main", 2), ("other", 1))}) == 3


def test_the_first_fault_that_hits_is_the_only_one_of_a_request() -> None:
    plan = FaultPlan("main", 0)
    plan.set([Fault(kind=Kind.HANG, times=1), Fault(kind=Kind.DISCONNECT)])

    met = [plan.hits("getSlot", OF_REQUESTS, first=True)[0].kind for _ in range(2)]

    assert met == [Kind.HANG, Kind.DISCONNECT]
    assert [row["calls"] for row in plan.report() if isinstance(row, dict)] == [1, 1]


TOML = """
seed = 7
[[faults]]
kind = "drop"
probability = 0.25
[[faults]]
kind = "rate_limit"
methods = ["getSlot", "getHealth"]
retry_after = 3
[[nodes.backup.faults]]
kind = "lag"
slots = 20
"""


async def test_faults_of_a_file_and_of_options_are_in_force_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(TOML)
    options = ("node=backup,kind=lie,methods=getTransaction+getSignatureStatuses", "kind=expire,times=2")
    async with running(tmp_path / "data", slot_ms=60_000, faults=file, fault=options) as chain:
        main, backup = await chain.rpc("localnet_faults"), await chain.node("backup").rpc("localnet_faults")
        behind = await chain.rpc("getBlockHeight") - await chain.node("backup").rpc("getBlockHeight")

    assert main["seed"] == backup["seed"] == 7
    assert [row["kind"] for row in main["faults"]] == ["drop", "rate_limit", "expire"]
    assert main["faults"][0]["probability"] == 0.25
    assert sorted(main["faults"][1]["methods"]) == ["getHealth", "getSlot"]
    assert [row["kind"] for row in backup["faults"]] == ["lag", "lie"]
    assert sorted(backup["faults"][1]["methods"]) == ["getSignatureStatuses", "getTransaction"]
    assert behind == 20


async def test_a_restart_forgets_what_was_set_and_sets_what_it_was_started_with(tmp_path: Path) -> None:
    async with running(tmp_path, slot_ms=60_000, fault=("kind=drop",), seed=5) as chain:
        await chain.rpc("localnet_setFaults", [{"kind": "hang", "methods": ["getHealth"]}], 9)
        await chain.node("other").rpc("localnet_setFaults", [{"kind": "delay", "slots": 3}])
        delayed = await payment(chain)
        await send(chain.node("other"), delayed)
    async with running(tmp_path, slot_ms=60_000, fault=("kind=drop",), seed=5) as chain:
        found = await chain.rpc("localnet_faults")
        await chain.rpc("localnet_warpSlots", 10)
        assert await status(chain, delayed, search=True) is None
        assert (await chain.node("other").rpc("localnet_faults"))["faults"] == []

    assert found == {"node": "main", "seed": 5, "faults": [{"kind": "drop", "calls": 0, "hits": 0}]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[faults]]\nkind = 'melt'", "faults.0.kind: Input should be"),
        ("[[nodes.a.faults]]\nkind = 'drop'\nslot = 3", r"nodes.a.faults.0.slot: Extra inputs"),
        ("fault = 3", "fault: Extra inputs"),
        ("[[faults", "Expected"),
    ],
)
def test_a_broken_faults_file_is_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(content)

    with pytest.raises(FaultError, match=rf"faults\.toml: .*{words}"):
        read_faults(file, "main")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drop", "'drop' is not one more name=value"),
        ("kind=drop,kind=delay", "'kind=delay' is not one more name=value"),
        ("kind=drop,probability=often", "probability: Input should be a valid number"),
        ("probability=1", "kind: Field required"),
        ("", "'' is not one more name=value"),
    ],
)
def test_a_broken_fault_on_the_command_line_is_named(text: str, words: str) -> None:
    with pytest.raises(FaultError, match=words):
        parse_fault(text, "main")


def test_a_fault_on_the_command_line_has_the_types_of_its_fields() -> None:
    text = f"kind=price_jump, bps=-30, pool={USDC}, probability=0.5, node=b, times=2"
    fault = Fault(kind=Kind.PRICE_JUMP, bps=-30, pool=str(USDC), probability=0.5, times=2)

    assert parse_fault(text, "main") == ("b", fault)
    assert parse_fault("kind=hang,after=true", "main") == ("main", Fault(kind=Kind.HANG, after=True))
    with pytest.raises(ValidationError):
        fault.bps = 3  # type: ignore[misc]


async def command(*arguments: str) -> tuple[int, str, str]:
    """Run the console command: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.cli.main",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_cluster_does_not_start_with_faults_that_make_no_sense(tmp_path: Path) -> None:
    for fault, words in (
        ("kind=fork,slots=99", "a fork must come before the 32 slots"),
        ("node=B!,kind=drop", "'B!' is no name of a node"),
        ("kind=melt", "kind: Input should be"),
    ):
        code, _, errors = await command("localnet", "--fault", fault, "--port", "0", "--data-dir", str(tmp_path))
        assert (code, errors.count("\n"), words in errors) == (1, 1, True), errors


async def test_faults_are_set_listed_and_cleared_from_the_command_line(still: Chain) -> None:
    url = f"{still.url}/node/b"
    assert await command("localnet-faults", "set", "kind=drop,times=2", "kind=lie", "--seed", "3", "--url", url) == (
        0,
        "",
        "",
    )
    _, listed, _ = await command("localnet-faults", "list", "--url", url)
    found = json.loads(listed)
    assert (found["node"], found["seed"]) == ("b", 3)
    assert [row["kind"] for row in found["faults"]] == ["drop", "lie"]

    assert (await command("localnet-faults", "clear", "--url", url))[0] == 0
    assert (await still.node("b").rpc("localnet_faults"))["faults"] == []


async def test_forks_and_price_moves_are_made_from_the_command_line(still: Chain) -> None:
    pool = await deepest(still, "cpmm")
    code, moved, _ = await command("localnet-faults", "move-price", str(pool.address), "-120", "--url", still.url)
    assert code == 0
    assert (await still.pool(pool.kind, pool.address)).spot_price() < pool.spot_price()

    assert await command("localnet-faults", "fork", "1", "--url", still.url) == (0, moved, "")
    assert await still.pool(pool.kind, pool.address) == pool


async def test_the_command_line_tells_in_one_line_what_is_wrong(still: Chain) -> None:
    code, _, errors = await command("localnet-faults", "set", "kind=nothing", "--url", still.url)
    assert (code, errors.count("\n")) == (1, 1)
    assert "kind: Input should be" in errors
    code, _, errors = await command("localnet-faults", "fork", "99", "--url", still.url)
    assert (code, "a fork can undo 1 to 32 slots" in errors) == (1, True)
    code, _, errors = await command("localnet-faults", "list", "--url", "http://127.0.0.1:1")
    assert (code, "does not answer" in errors) == (1, True)
    code, _, errors = await command(
        "localnet", "--fault", "kind=fork,slots=99", "--port", "0", "--data-dir", str(still)
    )
    assert code == 1
