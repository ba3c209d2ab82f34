"""No key leaves its signer: after orders that traded and orders that could not be signed, nothing holds one."""

import asyncio
import base64
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import trustme
from solders.keypair import Keypair

from deploy.local import state
from tests.activities.signing_services import Service, VaultHandler, serving
from tests.e2e.secret_search import Search, forms, of_keypair, places, seen
from tests.e2e.stack import Stack, follow

# Whichever test is first starts the stack and the services.
pytestmark = pytest.mark.timeout(240)

TOKEN = b"hvs.a-token-that-nobody-else-may-know"


@dataclass
class Desk:
    """A stack with wallets of several kinds."""

    stack: Stack
    in_environment: Keypair
    vault: Service
    sealed: Service


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The key of `default` is in a file, that of `trader` in the environment, those of the others in a Vault each."""
    directory = tmp_path_factory.mktemp("keys")
    authority, in_environment = trustme.CA(), Keypair()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with ExitStack() as open_until_the_end:
        vault, sealed = (open_until_the_end.enter_context(serving(VaultHandler, tls(authority))) for _ in range(2))
        # Says all that a service could say too much.
        sealed.says = 503, json.dumps({"errors": [str(sealed.keypair), TOKEN.decode()]}).encode()
        (directory / "wallets.toml").write_text(
            'cluster = "localnet"\n'
            '[wallets.default]\nkind = "file"\npath = "data/localnet/wallets/default.json"\n'
            '[wallets.trader]\nkind = "env"\nvariable = "TRADER_KEY"\n'
            + "".join(
                f'[wallets.{name}]\nkind = "vault"\naddress = "{service.url}"\nkey = "desk"\nca_file = "ca.pem"\n'
                f'token_env = "DESK_TOKEN"\npublic_key = "{service.keypair.pubkey()}"\n'
                for name, service in (("vault", vault), ("sealed", sealed))
            )
        )
        environment = {"ORDER_ENGINE_WALLETS_FILE": str(directory / "wallets.toml")}
        environment |= {"TRADER_KEY": str(in_environment), "DESK_TOKEN": TOKEN.decode()}
        stack = Stack.start(directory / "data", environment=environment)
        open_until_the_end.callback(stack.stop)
        yield Desk(stack, in_environment, vault, sealed)


def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def ended(stack: Stack, wallet: str) -> tuple[str, str, str | None]:
    """The id of an order of the wallet, and how it ended and why."""
    body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.5", "wallet": wallet}
    async with stack.client() as client:
        order_id = (await client.post("/api/orders", json=body)).json()["orderId"]
        await follow(stack.api, order_id)
        order = (await client.get(f"/api/orders/{order_id}")).json()
    return order_id, order["status"], order["reason"]


async def test_no_key_is_anywhere_after_orders_that_traded_and_orders_that_were_not_signed(desk: Desk) -> None:
    stack, canary = desk.stack, Keypair()
    for keypair in (desk.in_environment, desk.vault.keypair, desk.sealed.keypair):
        await stack.ask_chain("requestAirdrop", str(keypair.pubkey()), 5_000_000_000)
    # A name that is a key: it must be found wherever the name of a wallet gets to, or the search finds nothing at all.
    named = bytes(canary)[:32].hex()
    outcomes = [await ended(stack, wallet) for wallet in ("default", "trader", "vault", "sealed", named)]
    assert [outcome[1:] for outcome in outcomes] == [
        *[("confirmed", None)] * 3,
        ("failed", "signing_failed"),
        ("rejected", "wallet_unknown"),
    ]
    assert len(desk.sealed.asked) == 3

    key_file = json.loads((stack.data_dir / "localnet" / "wallets" / "default.json").read_text())
    secrets = {
        "canary": of_keypair(canary),
        "file": of_keypair(Keypair.from_bytes(bytes(key_file))),
        "environment": of_keypair(desk.in_environment),
        "vault": of_keypair(desk.vault.keypair),
        "sealed": of_keypair(desk.sealed.keypair),
        "token": (TOKEN,),
    }
    shown = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", named, stdin=subprocess.PIPE)
    where = await seen(Search(secrets), places(stack.data_dir, stack.api, [order for order, _, _ in outcomes]))
    await shown.communicate(b"\n")
    assert {place.split()[0] for place in where.pop("canary")} == {"history", "table", "answer", "file", "command"}
    assert where == {}


def test_a_worker_that_meets_another_cluster_does_not_start(desk: Desk) -> None:
    found = state.read(desk.stack.data_dir)
    assert found is not None
    result = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli.main", "worker"],
        env={**found.environment, "ORDER_ENGINE_CLUSTER": "devnet", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("order-engine: the worker does not start: ")


@pytest.mark.parametrize(
    "secret", [bytes(Keypair()), bytes(Keypair())[:32], bytes([0, 0, 255] * 10)], ids=["keypair", "seed", "zeros"]
)
def test_a_secret_is_found_in_every_form(secret: bytes) -> None:
    search = Search({"key": (secret,), "other": (bytes(Keypair()),)})
    planted = [b"<" + form + b">" for form in forms(secret)]
    planted += [json.dumps(list(secret), indent=indent).encode() for indent in (None, 0, 2)]
    planted += [
        json.dumps({"data": base64.b64encode(b"x" * n + secret + b"y" * m).decode()}).encode()
        for n in range(6)
        for m in range(3)
    ]
    planted += [base64.urlsafe_b64encode(b"\xff" * n + secret) for n in range(3)]
    assert [search.found(content) for content in planted] == [{"key"}] * len(planted)
    assert search.found(b"almost: " + secret[:-1] + bytes([secret[-1] ^ 1])) == set()
