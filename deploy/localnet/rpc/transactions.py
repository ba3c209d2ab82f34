"""Methods that take transactions in: send, simulate, airdrop."""

import base64

from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from deploy.localnet import base58
from deploy.localnet.chain_errors import Json, describe
from deploy.localnet.ledger import Ledger, Simulated
from deploy.localnet.meta import inner_json, return_data_json
from deploy.localnet.node import Node
from deploy.localnet.rpc.encoding import View, account_json, view_of
from deploy.localnet.rpc.errors import (
    INTERNAL_ERROR,
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    RpcError,
    invalid,
)
from deploy.localnet.rpc.params import Config, Params, bank_slot, bank_slot_at, in_context, pubkey
from deploy.localnet.slots import Commitment, last_valid_block_height
from deploy.localnet.transactions import MAX_WIRE_SIZE, InvalidTransaction, WireTransaction, decode

_TYPE = "solana_transaction::versioned::VersionedTransaction"
# The longest texts that can hold a transaction.
_MAX_TEXT = {"base58": 1_683, "base64": 1_644}
_MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")


def send_transaction(node: Node, params: Params) -> Json:
    """`sendTransaction`: lands in the slot in progress. `maxRetries` has no meaning here and is ignored."""
    ledger = node.ledger
    config = params.config(1)
    transaction = _decoded(params.text(0), config)
    skip_preflight = config.flag("skipPreflight")
    level = Commitment.PROCESSED if skip_preflight else config.commitment("preflightCommitment")
    slot = bank_slot_at(ledger, config, level)
    if not skip_preflight:
        if not transaction.signed():
            raise RpcError(SIGNATURE_VERIFICATION_FAILURE, "Transaction signature verification failure")
        simulated = _checked(ledger, transaction, slot)
        if simulated.error is not None:
            message = f"Transaction simulation failed: {describe(simulated.error)}"
            raise RpcError(PREFLIGHT_FAILURE, message, _simulation(ledger, simulated, Config({})))
    node.send(transaction)
    return str(transaction.signature)


def simulate_transaction(node: Node, params: Params) -> Json:
    """`simulateTransaction`."""
    ledger = node.ledger
    config = params.config(1)
    transaction = _decoded(params.text(0), config)
    slot = bank_slot(ledger, config)
    verify, replace_blockhash = config.flag("sigVerify"), config.flag("replaceRecentBlockhash")
    if verify and replace_blockhash:
        raise invalid("sigVerify may not be used with replaceRecentBlockhash")
    replacement: Json = None
    if replace_blockhash:
        simulated = ledger.simulate(transaction)
        blockhash = str(Hash(ledger.clock.blockhash(slot)))
        replacement = {"blockhash": blockhash, "lastValidBlockHeight": last_valid_block_height(slot)}
    elif verify and not transaction.signed():
        simulated = Simulated("SignatureFailure", None, None)
    else:
        simulated = _checked(ledger, transaction, slot)
    value = _simulation(ledger, simulated, config)
    if replacement is not None:
        value["replacementBlockhash"] = replacement
    return in_context(slot, value)


def request_airdrop(node: Node, params: Params) -> Json:
    """`requestAirdrop`: a transfer from the faucet."""
    ledger = node.ledger
    address, lamports = params.pubkey(0), params.integer(1)
    slot = bank_slot(ledger, params.config(2), Commitment.PROCESSED)
    faucet = node.faucet
    if lamports > ledger.machine.lamports(faucet.pubkey()):
        raise RpcError(INTERNAL_ERROR, "airdrop request failed: the faucet cannot pay that much")
    instructions = [
        transfer(TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=address, lamports=lamports)),
        # Two airdrops of one slot would otherwise be the same transaction.
        Instruction(_MEMO, f"airdrop {ledger.store.count() + 1}".encode(), []),
    ]
    blockhash = Hash(ledger.clock.blockhash(slot))
    message = Message.new_with_blockhash(instructions, faucet.pubkey(), blockhash)
    transaction = decode(bytes(VersionedTransaction(message, [faucet])))
    node.send(transaction, safely=True)
    return str(transaction.signature)


def _decoded(text: str, config: Config) -> WireTransaction:
    encoding = config.choice("encoding", "base58", ("base58", "base64"))
    limit = _MAX_TEXT[encoding]
    if len(text) > limit:
        sizes = f"max: encoded/raw {limit}/{MAX_WIRE_SIZE}"
        raise invalid(f"{encoding} encoded {_TYPE} too large: {len(text)} bytes ({sizes})")
    try:
        wire = base58.decode(text) if encoding == "base58" else base64.b64decode(text, validate=True)
    except ValueError as error:
        raise invalid(f"invalid {encoding} encoding: {error}") from error
    if len(wire) > MAX_WIRE_SIZE:
        raise invalid(f"decoded {_TYPE} too large: {len(wire)} bytes (max: {MAX_WIRE_SIZE} bytes)")
    try:
        return decode(wire)
    except InvalidTransaction as error:
        raise invalid(str(error)) from error


def _checked(ledger: Ledger, transaction: WireTransaction, slot: int) -> Simulated:
    """Simulate in the bank of `slot`, which may not know the blockhash, or know the transaction already."""
    refusal = ledger.refusal(transaction, slot)
    return ledger.simulate(transaction) if refusal is None else Simulated(refusal, None, None)


def _simulation(ledger: Ledger, simulated: Simulated, config: Config) -> dict[str, Json]:
    execution = simulated.execution
    value: dict[str, Json] = {
        "accounts": _accounts_after(ledger, simulated, config),
        "err": simulated.error,
        "innerInstructions": None,
        "loadedAccountsDataSize": 0,
        "logs": [] if execution is None else list(execution.logs),
        "replacementBlockhash": None,
        "returnData": None,
        "unitsConsumed": 0 if execution is None else execution.units,
    }
    if execution is not None and execution.return_data is not None:
        value["returnData"] = return_data_json(execution.return_data)
    if execution is not None and simulated.resolved is not None and config.flag("innerInstructions"):
        value["innerInstructions"] = inner_json(simulated.resolved, execution.inner)
    return value


def _accounts_after(ledger: Ledger, simulated: Simulated, config: Config) -> Json:
    wanted = config.table("accounts")
    if wanted is None:
        return None
    view = view_of(wanted, "base64")
    if view.encoding not in ("base64", "jsonParsed"):
        raise invalid("base58 encoding not supported")
    addresses = wanted.get("addresses")
    if not isinstance(addresses, list):
        raise invalid("Invalid params: invalid type for `addresses`, expected a sequence.")
    keys = [pubkey(str(address)) for address in addresses]
    if simulated.resolved is not None and len(keys) > len(simulated.resolved.keys):
        raise invalid(f"Too many accounts provided; max {len(simulated.resolved.keys)}")
    if simulated.error is not None or simulated.execution is None:
        return [None] * len(keys)
    after = simulated.execution.accounts
    shown = View(view.encoding, None)
    read = ledger.machine.account
    return [account_json(ledger, key, after[key] if key in after else read(key), shown) for key in keys]
