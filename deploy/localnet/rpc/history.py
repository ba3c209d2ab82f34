"""Methods that read landed transactions."""

import base64
import json

from deploy.localnet import base58
from deploy.localnet.chain_errors import Json
from deploy.localnet.ledger import Ledger
from deploy.localnet.node import Node
from deploy.localnet.rpc import message_json
from deploy.localnet.rpc.errors import NO_TRANSACTION_HISTORY, UNSUPPORTED_TRANSACTION_VERSION, RpcError, invalid
from deploy.localnet.rpc.params import Config, Params, bank_slot, in_context, signature
from deploy.localnet.slots import Commitment
from deploy.localnet.store import Landed, Status
from deploy.localnet.transactions import WireTransaction, decode

_MAX_STATUSES = 256
_MAX_SIGNATURES = 1_000
_ENCODINGS = ("binary", "base58", "base64", "json", "jsonParsed")


def get_signature_statuses(node: Node, params: Params) -> Json:
    """`getSignatureStatuses`, at most 256; null where nothing (recent) is known."""
    ledger = node.ledger
    signatures = [signature(text) for text in params.texts(0, "inputs", _MAX_STATUSES)]
    search = params.config(1).flag("searchTransactionHistory")
    rows: list[Json] = []
    if search:
        _require_history(node)
    for item in signatures:
        status = None if node.sight.lies else ledger.status(bytes(item), search, node.first_slot)
        rows.append(None if status is None else _status_json(ledger, status))
    return in_context(ledger.clock.slot(), rows)


def get_signatures_for_address(node: Node, params: Params) -> Json:
    """`getSignaturesForAddress`, newest first."""
    ledger = node.ledger
    address, config = params.pubkey(0), params.config(1)
    _require_history(node)
    slot = bank_slot(ledger, _not_processed(config))
    limit = config.integer("limit")
    limit = _MAX_SIGNATURES if limit is None else limit
    if not 0 < limit <= _MAX_SIGNATURES:
        raise invalid(f"Invalid limit; max {_MAX_SIGNATURES}")
    before, until = config.text("before"), config.text("until")
    found = ledger.store.history(
        address,
        None if before is None else bytes(signature(before)),
        None if until is None else bytes(signature(until)),
        (node.first_slot, slot),
        limit,
    )
    if node.sight.lies:
        return []
    return [_entry_json(ledger, landed) for landed in found]


def get_transaction(node: Node, params: Params) -> Json:
    """`getTransaction`; null until the transaction has reached the commitment."""
    ledger = node.ledger
    wanted = bytes(signature(params.text(0)))
    config = params.config(1)
    encoding = config.choice("encoding", "json", _ENCODINGS)
    _require_history(node)
    slot = bank_slot(ledger, _not_processed(config))
    landed = None if node.sight.lies else ledger.store.landed(wanted)
    if landed is None or not node.first_slot <= landed.slot <= slot:
        return None
    transaction = decode(landed.wire)
    allowed = config.integer("maxSupportedTransactionVersion")
    if transaction.version is not None and (allowed is None or allowed < transaction.version):
        raise RpcError(
            UNSUPPORTED_TRANSACTION_VERSION,
            f"Transaction version ({transaction.version}) is not supported by the requesting client. "
            "Please try the request again with the following configuration parameter: "
            f'"maxSupportedTransactionVersion": {transaction.version}',
        )
    meta: dict[str, Json] = json.loads(landed.meta)
    if encoding == "jsonParsed":
        meta["innerInstructions"] = message_json.parsed_inner(transaction.message, meta)
    answer: dict[str, Json] = {
        "slot": landed.slot,
        "transaction": _encoded(transaction, encoding, meta),
        "meta": meta,
        "blockTime": ledger.clock.unix_time(landed.slot),
    }
    if allowed is not None:
        answer["version"] = "legacy" if transaction.version is None else transaction.version
    return answer


def get_transaction_count(node: Node, params: Params) -> Json:
    """`getTransactionCount`."""
    ledger = node.ledger
    return ledger.store.count(bank_slot(ledger, params.config(0)))


def _require_history(node: Node) -> None:
    if node.sight.no_history:
        raise RpcError(NO_TRANSACTION_HISTORY, "Transaction history is not available from this node")


def _encoded(transaction: WireTransaction, encoding: str, meta: dict[str, Json]) -> Json:
    wire, message = bytes(transaction.raw), transaction.message
    if encoding == "base64":
        return [base64.b64encode(wire).decode(), "base64"]
    if encoding == "base58":
        return [base58.encode(wire), "base58"]
    if encoding == "binary":
        return base58.encode(wire)
    return {
        "signatures": [str(item) for item in transaction.raw.signatures],
        "message": message_json.parsed(message, meta) if encoding == "jsonParsed" else message_json.plain(message),
    }


def _status_json(ledger: Ledger, status: Status) -> Json:
    commitment = ledger.clock.commitment_of(status.slot)
    confirmations = None if commitment is Commitment.FINALIZED else ledger.clock.slot() - status.slot
    return {
        "slot": status.slot,
        "confirmations": confirmations,
        "err": status.error,
        "status": {"Ok": None} if status.error is None else {"Err": status.error},
        "confirmationStatus": commitment.value,
    }


def _entry_json(ledger: Ledger, landed: Landed) -> Json:
    return {
        "signature": base58.encode(landed.signature),
        "slot": landed.slot,
        "err": landed.error,
        "memo": landed.memo,
        "blockTime": ledger.clock.unix_time(landed.slot),
        "confirmationStatus": ledger.clock.commitment_of(landed.slot).value,
    }


def _not_processed(config: Config) -> Config:
    if config.commitment() is Commitment.PROCESSED:
        raise invalid("Method does not support commitment below `confirmed`")
    return config
