"""Methods about the cluster, slots, blockhashes and fees."""

import base64

from solders.hash import Hash, ParseHashError
from solders.message import from_bytes_versioned
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from deploy.localnet.chain_errors import Json
from deploy.localnet.compute import transaction_fee
from deploy.localnet.node import Node
from deploy.localnet.rpc.errors import BLOCK_CLEANED_UP, BLOCK_NOT_AVAILABLE, RpcError, invalid
from deploy.localnet.rpc.params import API_VERSION, Params, bank_slot, in_context, pubkey
from deploy.localnet.slots import (
    SLOTS_PER_EPOCH,
    block_height,
    last_valid_block_height,
)
from deploy.localnet.tokens import rent_exempt
from deploy.localnet.transactions import InvalidTransaction, LookupFailed, decode, resolve

# The first four bytes of the feature set's hash, as nodes report it; any constant identifies this cluster.
_FEATURE_SET = 3_640_012_085
_MAX_FEE_ACCOUNTS = 128
_MAX_BLOCK_RANGE = 500_000


def get_health(node: Node, params: Params) -> Json:
    """`getHealth`."""
    return "ok"


def get_version(node: Node, params: Params) -> Json:
    """`getVersion`."""
    return {"feature-set": _FEATURE_SET, "solana-core": API_VERSION}


def get_genesis_hash(node: Node, params: Params) -> Json:
    """`getGenesisHash`."""
    ledger = node.ledger
    return str(Hash(ledger.genesis_hash))


def get_slot(node: Node, params: Params) -> Json:
    """`getSlot`."""
    ledger = node.ledger
    return bank_slot(ledger, params.config(0))


def get_block_height(node: Node, params: Params) -> Json:
    """`getBlockHeight`."""
    ledger = node.ledger
    return block_height(bank_slot(ledger, params.config(0)))


def get_epoch_info(node: Node, params: Params) -> Json:
    """`getEpochInfo`."""
    ledger = node.ledger
    slot = bank_slot(ledger, params.config(0))
    return {
        "absoluteSlot": slot,
        "blockHeight": block_height(slot),
        "epoch": slot // SLOTS_PER_EPOCH,
        "slotIndex": slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": ledger.store.count(slot),
    }


def get_latest_blockhash(node: Node, params: Params) -> Json:
    """`getLatestBlockhash`."""
    ledger = node.ledger
    slot = bank_slot(ledger, params.config(0))
    blockhash = str(Hash(ledger.clock.blockhash(slot)))
    value: Json = {"blockhash": blockhash, "lastValidBlockHeight": last_valid_block_height(slot)}
    return in_context(slot, value)


def is_blockhash_valid(node: Node, params: Params) -> Json:
    """`isBlockhashValid`."""
    ledger = node.ledger
    try:
        blockhash = bytes(Hash.from_string(params.text(0)))
    except (ValueError, ParseHashError) as error:
        raise invalid(f"Invalid param: {error}") from error
    slot = bank_slot(ledger, params.config(1))
    return in_context(slot, ledger.clock.accepts(blockhash, slot))


def get_block_time(node: Node, params: Params) -> Json:
    """`getBlockTime`."""
    ledger = node.ledger
    slot = params.integer(0)
    if slot > ledger.clock.slot():
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    if slot < node.first_slot:
        words = f"Block {slot} cleaned up, does not exist on node. First available block: {node.first_slot}"
        raise RpcError(BLOCK_CLEANED_UP, words, {"firstAvailableBlock": node.first_slot})
    return ledger.clock.unix_time(slot)


def get_first_available_block(node: Node, params: Params) -> Json:
    """`getFirstAvailableBlock`."""
    return node.first_slot


def minimum_ledger_slot(node: Node, params: Params) -> Json:
    """`minimumLedgerSlot`."""
    return node.first_slot


def get_blocks(node: Node, params: Params) -> Json:
    """`getBlocks`: every slot has a block."""
    ledger = node.ledger
    start = params.integer(0)
    has_end = isinstance(params.value(1), int)
    commitment = params.config(2 if has_end or params.value(1) is None else 1).commitment()
    newest = ledger.clock.slot_at(commitment)
    end = min(params.integer(1), newest) if has_end else newest
    if end - start > _MAX_BLOCK_RANGE:
        raise invalid(f"Slot range too large; max {_MAX_BLOCK_RANGE}")
    return list(range(max(start, node.first_slot), end + 1))


def get_minimum_balance_for_rent_exemption(node: Node, params: Params) -> Json:
    """`getMinimumBalanceForRentExemption`."""
    return rent_exempt(params.integer(0))


def get_fee_for_message(node: Node, params: Params) -> Json:
    """`getFeeForMessage`: null when the message's blockhash is not valid."""
    ledger = node.ledger
    try:
        message = from_bytes_versioned(base64.b64decode(params.text(0), validate=True))
        unsigned = [Signature.default()] * message.header.num_required_signatures
        message = decode(bytes(VersionedTransaction.populate(message, unsigned))).message
    except (ValueError, InvalidTransaction) as error:
        raise invalid(f"Invalid params: failed to deserialize message: {error}") from error
    slot = bank_slot(ledger, params.config(1))
    if not ledger.clock.accepts(bytes(message.recent_blockhash), slot):
        return in_context(slot, None)
    try:
        return in_context(slot, transaction_fee(resolve(message, ledger.book, slot)))
    except LookupFailed as failed:
        raise invalid(f"invalid transaction: {failed.error}") from failed


def get_recent_prioritization_fees(node: Node, params: Params) -> Json:
    """`getRecentPrioritizationFees` of the last 150 slots."""
    ledger = node.ledger
    accounts = params.texts(0, "inputs", _MAX_FEE_ACCOUNTS) if params.value(0) is not None else []
    fees = ledger.fees.since(ledger.clock.slot(), map(pubkey, accounts))
    return [{"slot": slot, "prioritizationFee": fee} for slot, fee in fees]
