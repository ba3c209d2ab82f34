"""An order on a dump of a real mainnet pool: what lands is what the real program paid.

The dump is not part of the project. ORDER_ENGINE_VECTORS names the folder with `mainnet/raydium_cpmm.json`; without
it, or a folder `shared/vectors` beside the checkout, the test is skipped.
"""

import base64
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import ROOT, Stack, check_story, follow

_VECTORS = Path(os.environ.get("ORDER_ENGINE_VECTORS", ROOT.parent / "shared" / "vectors"))
_FILE = _VECTORS / "mainnet" / "raydium_cpmm.json"

# The pool's own tokens; the cluster holds nothing else that trades.
_GENESIS = """
[tokens.SOL]
mint = "So11111111111111111111111111111111111111112"
decimals = 9

[tokens.USDC]
mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
decimals = 6

[wallets.default]
SOL = "10000000"
USDC = "10000000000"
"""

pytestmark = pytest.mark.skipif(not _FILE.exists(), reason="no dump of a mainnet pool at hand")


@pytest.fixture(scope="module")
def scenario() -> dict[str, Any]:
    """The recorded scenario with its account data."""
    recorded = json.loads(_FILE.read_text())
    found = next(entry for entry in recorded["scenarios"] if entry["id"] == "mainnet_sol_usdc")
    return found | {"account_data": recorded["account_data"]}


@pytest.fixture(scope="module")
def dumps(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """The accounts of the pool, its tokens included, in the form of `solana account --output json`."""
    users = {scenario["roles"]["user_token_0"], scenario["roles"]["user_token_1"]}
    return [_dump(address, scenario) for address in scenario["accounts"] if address not in users]


@pytest.fixture(scope="module")
def stack(dumps: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose cluster starts from the dumps."""
    folder = tmp_path_factory.mktemp("real")
    genesis = folder / "genesis.toml"
    genesis.write_text(_GENESIS)
    files = [folder / f"{dump['pubkey']}.json" for dump in dumps]
    for file, dump in zip(files, dumps, strict=True):
        file.write_text(json.dumps(dump))
    environment = {
        "ORDER_ENGINE_LOCALNET_ACCOUNTS": json.dumps([str(file) for file in files]),
        # The recorded swaps are as large as the program allows.
        "ORDER_ENGINE_RISK_MAX_PRICE_IMPACT_BPS": "0",
    }
    running = Stack.start(folder / "stack", "--genesis", str(genesis), environment=environment)
    try:
        yield running
    finally:
        running.stop()


def _dump(address: str, scenario: dict[str, Any]) -> dict[str, Any]:
    account = scenario["account_data"][scenario["accounts"][address]]
    text, encoding = account["data"]
    data = base64.b64decode(text)
    if encoding == "base64+zlib":
        data = zlib.decompress(data)
    return {
        "pubkey": address,
        "account": {
            "lamports": account["lamports"],
            "data": [base64.b64encode(data).decode(), "base64"],
            "owner": account["owner"],
            "executable": False,
            "rentEpoch": 18446744073709551615,
            "space": len(data),
        },
    }


@pytest.mark.parametrize("side", ["0to1", "1to0"])
async def test_the_landed_amounts_are_those_of_the_real_program(
    stack: Stack, scenario: dict[str, Any], dumps: list[dict[str, Any]], side: str
) -> None:
    for dump in dumps:
        await stack.ask_chain("localnet_setAccount", dump["pubkey"], dump["account"])
    sell, buy, decimals = ("SOL", "USDC", 9) if side == "0to1" else ("USDC", "SOL", 6)
    case = max(
        (
            case
            for case in scenario["cases"]
            if case["side"] == side and case["mode"] == "exact_in" and case["result"]["ok"] and case["amount"] < 10**15
        ),
        key=lambda case: case["amount"],
    )
    amount = f"{case['amount'] // 10**decimals}.{case['amount'] % 10**decimals:0{decimals}d}"
    async with stack.client() as client:
        body = {"tokenIn": sell, "tokenOut": buy, "amount": amount, "slippageBps": 10}
        posted = (await client.post("/api/orders", json=body)).json()
        assert check_story(await follow(stack.api, posted["orderId"])) == "confirmed"
        order = (await client.get(f"/api/orders/{posted['orderId']}")).json()
    filled = [int(order[name]) for name in ("filledInBaseUnits", "filledOutBaseUnits")]
    assert filled == [case["result"]["in_spent"], case["result"]["out_received"]]
