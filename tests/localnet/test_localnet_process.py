"""The cluster as a process: restarts, kills, signals, account dumps, real programs, wallets, faults."""

import asyncio
import base64
import json
import os
import signal
import stat
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from solana.rpc.async_api import AsyncClient
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM
from activities.venues.pool import Mode, Swap, UserAccounts
from activities.venues.raydium import cpmm
from deploy.localnet.genesis import Genesis, GenesisError
from deploy.localnet.server import open_node
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.store import LedgerInUse
from deploy.localnet.tokens import ASSOCIATED_TOKEN_PROGRAM, associated_address
from tests.localnet.chain import USDC, Chain, RpcFailure, ata, memo, running, wrap
from tests.servers import free_port


@asynccontextmanager
async def process(data_dir: Path, port: int) -> AsyncIterator[tuple[Chain, Process]]:
    """A cluster in a process of its own, with slots of a minute."""
    code = "from deploy.localnet.server import serve; from deploy.localnet.settings import LocalnetSettings"
    environment = {
        **os.environ,
        "ORDER_ENGINE_LOCALNET_PORT": str(port),
        "ORDER_ENGINE_LOCALNET_DATA_DIR": str(data_dir),
        "ORDER_ENGINE_LOCALNET_SLOT_MS": "60000",
    }
    running_process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{code}; serve(LocalnetSettings())", env=environment
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with AsyncClient(url) as client, httpx.AsyncClient() as http:
            await _healthy(http, url, running_process)
            yield Chain(url, data_dir, client, http), running_process
    finally:
        if running_process.returncode is None:
            running_process.kill()
        await running_process.wait()


async def _healthy(http: httpx.AsyncClient, url: str, running_process: Process) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and running_process.returncode is None:
        try:
            if (await http.get(f"{url}/health")).text == "ok":
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    pytest.fail("the cluster did not start")


async def test_a_killed_cluster_forgets_nothing(tmp_path: Path) -> None:
    port, to = free_port(), Keypair().pubkey()
    async with process(tmp_path, port) as (chain, running_process):
        wallet = chain.wallet()
        pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
        transaction = await chain.sign([pay, memo("before")])
        signature = await chain.send(transaction)
        slot = await chain.rpc("getSlot", {"commitment": "processed"})
        genesis = await chain.rpc("getGenesisHash")
        running_process.send_signal(signal.SIGKILL)
        await running_process.wait()

    async with process(tmp_path, port) as (chain, _):
        assert chain.wallet() == wallet
        assert await chain.rpc("getGenesisHash") == genesis
        assert slot <= await chain.rpc("getSlot", {"commitment": "processed"}) <= slot + 1
        assert await chain.lamports(to) == 10**9
        assert await chain.error_of(signature) is None
        await chain.send(transaction)
        assert await chain.lamports(to) == 10**9
        landed = await chain.transaction(signature)
        assert landed["slot"] == slot
        history = await chain.rpc("getSignaturesForAddress", str(to), {"commitment": "confirmed"})
        assert [entry["memo"] for entry in history] == ["[6] before"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_cluster_with_success(tmp_path: Path, signum: signal.Signals) -> None:
    async with process(tmp_path, free_port()) as (_, running_process):
        running_process.send_signal(signum)
        assert await asyncio.wait_for(running_process.wait(), 10) == 0


async def test_slots_go_on_while_the_cluster_is_down(tmp_path: Path) -> None:
    async with running(tmp_path, slot_ms=10) as chain:
        before = await chain.rpc("getSlot", {"commitment": "processed"})
        started = time.time()
    stopped = (time.time() - started) * 100
    async with running(tmp_path, slot_ms=60_000) as chain:
        after = await chain.rpc("getSlot", {"commitment": "processed"})

    assert after - before >= int(stopped) - 1


def test_one_ledger_serves_one_process(tmp_path: Path) -> None:
    node = open_node(LocalnetSettings(data_dir=tmp_path))
    try:
        with pytest.raises(LedgerInUse):
            open_node(LocalnetSettings(data_dir=tmp_path))
    finally:
        node.ledger.close()


def test_wallet_keys_are_private_and_stay(tmp_path: Path) -> None:
    open_node(LocalnetSettings(data_dir=tmp_path)).ledger.close()
    files = sorted((tmp_path / "wallets").iterdir())
    contents = [file.read_text() for file in files]
    (tmp_path / "ledger.sqlite").unlink()
    open_node(LocalnetSettings(data_dir=tmp_path)).ledger.close()

    assert [file.name for file in files] == ["default.json", "faucet.json", "poor.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert [file.read_text() for file in files] == contents
    assert all(len(json.loads(content)) == 64 for content in contents)


def dump(path: Path, address: Pubkey, lamports: int, data: bytes, owner: Pubkey) -> Path:
    """An account dump as `solana account --output json` writes it."""
    account = {
        "lamports": lamports,
        "data": [base64.b64encode(data).decode(), "base64"],
        "owner": str(owner),
        "executable": False,
        "rentEpoch": 18446744073709551615,
        "space": len(data),
    }
    path.write_text(json.dumps({"pubkey": str(address), "account": account}))
    return path


async def test_dumped_accounts_are_loaded_once(tmp_path: Path) -> None:
    rich = Keypair()
    file = dump(tmp_path / "rich.json", rich.pubkey(), 5 * 10**9, b"", Pubkey.default())
    data_dir = tmp_path / "data"
    async with running(data_dir, accounts=(file,)) as chain:
        assert await chain.lamports(rich.pubkey()) == 5 * 10**9
        pay = transfer(TransferParams(from_pubkey=rich.pubkey(), to_pubkey=USDC, lamports=10**9))
        assert (await chain.land([pay], rich))["err"] is None

    async with running(data_dir, accounts=(file,)) as chain:
        assert await chain.lamports(rich.pubkey()) == 4 * 10**9 - 5_000


async def test_a_dumped_pool_replaces_that_of_the_genesis(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with running(data_dir) as chain:
        pool = (await chain.pools(cpmm.KIND, NATIVE_MINT, USDC))[0]
        account = await chain.account(pool.address)
        assert account is not None
    # Bit 2 of the status switches swaps off.
    data = account.data[:329] + b"\x04" + account.data[330:]
    file = dump(tmp_path / "pool.json", pool.address, account.lamports, data, account.owner)
    async with running(tmp_path / "other", accounts=(file,)) as chain:
        wallet = chain.wallet().pubkey()
        quote = pool.quote(Swap(False, Mode.EXACT_IN, 10**6), await chain.clock())
        wrapped, making = wrap(wallet, "order", 0)
        swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
        assert (await chain.land([*making, swap]))["err"] == {"InstructionError": [2, {"Custom": 6000}]}


@pytest.mark.parametrize("content", ["{", "[]]", '{"pubkey": "x"}', json.dumps({"pubkey": str(USDC), "account": {}})])
def test_a_broken_dump_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(content)

    with pytest.raises(GenesisError, match=r"broken\.json"):
        open_node(LocalnetSettings(data_dir=tmp_path / "data", accounts=(file,)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("tokens = 3", "tokens"),
        ('[tokens.SOL]\nmint = "abc"\ndecimals = 9\n[wallets]', "not an address: abc"),
        (f'[tokens.SOL]\nmint = "{USDC}"\ndecimals = 9\n[wallets.w]\nSOL = 1.5', "write the amount as a string"),
    ],
)
def test_a_broken_genesis_is_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "genesis.toml"
    file.write_text(content)

    with pytest.raises(GenesisError, match=words):
        Genesis(file)


async def test_a_real_program_is_not_emulated(tmp_path: Path) -> None:
    # Any program serves: the associated-token program refuses swaps in its own way.
    native = LiteSVM().get_account(ASSOCIATED_TOKEN_PROGRAM)
    assert native is not None
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / f"{cpmm.PROGRAM}.so").write_bytes(native.data)
    async with running(tmp_path / "data", programs=programs) as chain:
        pool = (await chain.pools(cpmm.KIND, NATIVE_MINT, USDC))[0]
        wallet = chain.wallet().pubkey()
        quote = pool.quote(Swap(False, Mode.EXACT_IN, 10**6), await chain.clock())
        wrapped, making = wrap(wallet, "order", 0)
        swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
        meta = await chain.land([*making, swap])

    assert meta["err"] == {"InstructionError": [2, "InvalidInstructionData"]}


async def _paid(chain: Chain) -> tuple[str, Pubkey]:
    """A transfer to a new address: its signature and the address."""
    wallet, to = chain.wallet(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
    return str(await chain.send(await chain.sign([pay]))), to


async def _status(chain: Chain, signature: str) -> Any:
    (entry,) = (await chain.rpc("getSignatureStatuses", [signature]))["value"]
    return entry


async def test_a_dropped_transaction_never_lands_until_it_is_sent_again(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "drop", "times": 1}])
    wallet, to = still.wallet(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
    transaction = await still.sign([pay])

    signature = await still.send(transaction)
    assert await _status(still, str(signature)) is None
    await still.send(transaction)
    assert await still.error_of(signature) is None


async def test_a_delayed_transaction_lands_slots_later(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "delay", "slots": 7}])
    signature, to = await _paid(still)
    slot = await still.rpc("getSlot", {"commitment": "processed"})
    await still.rpc("localnet_warpSlots", 6)
    assert await _status(still, signature) is None
    await still.rpc("localnet_warpSlots", 4)

    assert (await _status(still, signature))["slot"] == slot + 7
    assert await still.lamports(to) == 10**9


async def test_a_transaction_delayed_beyond_its_blockhash_expires(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "delay", "slots": 151}])
    signature, to = await _paid(still)
    await still.rpc("localnet_warpSlots", 200)

    assert await _status(still, signature) is None
    assert await still.lamports(to) == 0


async def test_a_reverted_transaction_lands_with_the_given_error(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "revert", "custom_error": 6005}])
    before = await still.lamports(still.wallet().pubkey())
    signature, to = await _paid(still)

    assert (await _status(still, signature))["err"] == {"InstructionError": [0, {"Custom": 6005}]}
    assert await still.lamports(to) == 0
    assert await still.lamports(still.wallet().pubkey()) == before - 5_000


async def test_a_reverted_swap_fails_at_the_swap(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "revert", "custom_error": 6005}])
    pool = (await still.pools(cpmm.KIND, NATIVE_MINT, USDC))[0]
    wallet = still.wallet().pubkey()
    quote = pool.quote(Swap(False, Mode.EXACT_IN, 10**6), await still.clock())
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))

    meta = await still.land([*making, swap, memo("order")])

    assert meta["err"] == {"InstructionError": [2, {"Custom": 6005}]}
    assert await still.pool(cpmm.KIND, pool.address) == pool


async def test_rate_limits_and_timeouts_hit_the_named_methods(still: Chain) -> None:
    faults = [
        {"kind": "rate_limit", "methods": ["getSlot"], "times": 1},
        {"kind": "timeout", "methods": ["getVersion"], "seconds": 30},
    ]
    await still.rpc("localnet_setFaults", faults)
    body = {"jsonrpc": "2.0", "id": 1, "params": []}
    async with httpx.AsyncClient() as http:
        limited = await http.post(still.url, json={**body, "method": "getSlot"})
        again = await http.post(still.url, json={**body, "method": "getSlot"})
        with pytest.raises(httpx.ReadTimeout):
            await http.post(still.url, json={**body, "method": "getVersion"}, timeout=0.2)

    assert (limited.status_code, again.status_code) == (429, 200)


async def test_a_timed_out_transaction_has_been_taken_all_the_same(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "timeout", "methods": ["sendTransaction"], "seconds": 30}])
    wallet, to = still.wallet(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
    text = base64.b64encode(bytes(await still.sign([pay]))).decode()
    params = [text, {"encoding": "base64", "skipPreflight": True}]
    body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post(still.url, json=body, timeout=0.2)

    assert await still.lamports(to) == 10**9


async def test_an_unhealthy_node_says_how_far_it_is_behind(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "unhealthy", "methods": ["getHealth"], "slots": 42}])

    with pytest.raises(RpcFailure, match="Node is behind by 42 slots") as failure:
        await still.rpc("getHealth")

    assert (failure.value.code, failure.value.data) == (-32005, {"numSlotsBehind": 42})
    assert await still.rpc("getSlot") > 0


async def test_a_delayed_transaction_lands_however_late_somebody_looks(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "delay", "slots": 7}])
    signature, to = await _paid(still)
    slot = await still.rpc("getSlot", {"commitment": "processed"})
    await still.rpc("localnet_warpSlots", 5_000)

    landed = await still.rpc("getTransaction", signature, {"maxSupportedTransactionVersion": 0})
    assert landed["slot"] == slot + 7
    assert await still.lamports(to) == 10**9


async def test_the_same_seed_meets_the_same_faults(tmp_path: Path) -> None:
    outcomes = []
    for name in ("first", "second"):
        async with running(tmp_path / name, slot_ms=60_000) as chain:
            await chain.rpc("localnet_setFaults", [{"kind": "drop", "probability": 0.5}], 42)
            sent = [await _paid(chain) for _ in range(12)]
            outcomes.append([await _status(chain, signature) is None for signature, _ in sent])

    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {True, False}


def test_the_default_genesis_gives_every_wallet_its_tokens(tmp_path: Path) -> None:
    node = open_node(LocalnetSettings(data_dir=tmp_path))
    try:
        wallet = Keypair.from_bytes(bytes(json.loads((tmp_path / "wallets" / "default.json").read_text()))).pubkey()
        account = node.ledger.book[associated_address(wallet, USDC, TOKEN_PROGRAM)]
        assert account is not None
        assert int.from_bytes(account.data[64:72], "little") == 10**14
    finally:
        node.ledger.close()
