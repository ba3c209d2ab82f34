"""Native transfers and what became of them, for the tests of faults."""

import base64
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.localnet.chain import Chain

AMOUNT = 10**9


async def payment(chain: Chain, to: Pubkey | None = None, lamports: int = AMOUNT) -> VersionedTransaction:
    """A signed transfer of the default wallet, not sent."""
    wallet, to = chain.wallet(), to or Keypair().pubkey()
    return await chain.sign([transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=lamports))])


def signature_of(transaction: VersionedTransaction) -> str:
    """The id of a transaction."""
    return str(transaction.signatures[0])


def payee(transaction: VersionedTransaction) -> Pubkey:
    """Who a payment goes to."""
    return transaction.message.account_keys[1]


async def send(node: Chain, transaction: VersionedTransaction, **options: Any) -> Any:
    """Send to a node as raw JSON-RPC, without preflight unless told otherwise."""
    text = base64.b64encode(bytes(transaction)).decode()
    return await node.rpc("sendTransaction", text, {"encoding": "base64", "skipPreflight": True, **options})


async def status(node: Chain, transaction: VersionedTransaction, *, search: bool = False) -> Any:
    """The entry of getSignatureStatuses."""
    options = {"searchTransactionHistory": search}
    (entry,) = (await node.rpc("getSignatureStatuses", [signature_of(transaction)], options))["value"]
    return entry


async def balance(node: Chain, address: Pubkey) -> int:
    """The lamports of an account as a node shows them."""
    return int((await node.rpc("getBalance", str(address)))["value"])
