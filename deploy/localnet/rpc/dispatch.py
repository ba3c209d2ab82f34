"""From the bytes of a request to the bytes of its answer: single calls and batches."""

import json
import logging
from collections.abc import Callable
from typing import TypeAlias

from deploy.localnet.chain_errors import Json
from deploy.localnet.metrics import measured
from deploy.localnet.node import Node
from deploy.localnet.rpc import accounts, blocks, extension, history, transactions
from deploy.localnet.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
    behind,
)
from deploy.localnet.rpc.params import Params

Method: TypeAlias = Callable[[Node, Params], Json]

METHODS: dict[str, Method] = {
    "getHealth": blocks.get_health,
    "getVersion": blocks.get_version,
    "getGenesisHash": blocks.get_genesis_hash,
    "getSlot": blocks.get_slot,
    "getBlockHeight": blocks.get_block_height,
    "getEpochInfo": blocks.get_epoch_info,
    "getLatestBlockhash": blocks.get_latest_blockhash,
    "isBlockhashValid": blocks.is_blockhash_valid,
    "getBlockTime": blocks.get_block_time,
    "getBlocks": blocks.get_blocks,
    "getFirstAvailableBlock": blocks.get_first_available_block,
    "minimumLedgerSlot": blocks.minimum_ledger_slot,
    "getMinimumBalanceForRentExemption": blocks.get_minimum_balance_for_rent_exemption,
    "getFeeForMessage": blocks.get_fee_for_message,
    "getRecentPrioritizationFees": blocks.get_recent_prioritization_fees,
    "getAccountInfo": accounts.get_account_info,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getProgramAccounts": accounts.get_program_accounts,
    "getBalance": accounts.get_balance,
    "getTokenAccountBalance": accounts.get_token_account_balance,
    "getTokenSupply": accounts.get_token_supply,
    "getTokenAccountsByOwner": accounts.get_token_accounts_by_owner,
    "sendTransaction": transactions.send_transaction,
    "simulateTransaction": transactions.simulate_transaction,
    "requestAirdrop": transactions.request_airdrop,
    "getSignatureStatuses": history.get_signature_statuses,
    "getSignaturesForAddress": history.get_signatures_for_address,
    "getTransaction": history.get_transaction,
    "getTransactionCount": history.get_transaction_count,
    "localnet_setAccount": extension.set_account,
    "localnet_warpSlots": extension.warp_slots,
    "localnet_setFaults": extension.set_faults,
    "localnet_faults": extension.faults,
    "localnet_fork": extension.fork,
    "localnet_movePrice": extension.move_price,
}
# Methods for which a node that is behind has to know its accounts as they were.
_READ_ACCOUNTS = frozenset(
    {
        "getAccountInfo",
        "getMultipleAccounts",
        "getProgramAccounts",
        "getBalance",
        "getTokenAccountBalance",
        "getTokenAccountsByOwner",
        "getTokenSupply",
        "getFeeForMessage",
        "sendTransaction",
        "simulateTransaction",
    }
)

_log = logging.getLogger(__name__)


def answer(node: Node, body: bytes) -> bytes:
    """Answer a request body; never raises."""
    try:
        request = json.loads(body)
    except ValueError:
        return _dump(_failure(None, RpcError(PARSE_ERROR, "Parse error")))
    node.ledger.catch_up()
    if isinstance(request, list):
        if not request:
            return _dump(_failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
        return _dump([_call(node, item) for item in request])
    return _dump(_call(node, request))


def methods_of(body: bytes) -> list[str]:
    """The methods that a request body calls; empty when it cannot be read."""
    try:
        request = json.loads(body)
    except ValueError:
        return []
    calls = request if isinstance(request, list) else [request]
    return [str(call.get("method")) for call in calls if isinstance(call, dict)]


@measured(METHODS)
def _call(node: Node, request: object) -> dict[str, Json]:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
    call_id: Json = request.get("id")
    method = METHODS.get(request["method"])
    try:
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        result = _result(node, request["method"], method, Params(request.get("params")))
        return {"jsonrpc": "2.0", "result": result, "id": call_id}
    except RpcError as error:
        return _failure(call_id, error)
    except Exception:
        _log.exception("%s failed", request["method"])
        return _failure(call_id, RpcError(INTERNAL_ERROR, "Internal error"))


def _result(node: Node, name: str, method: Method, params: Params) -> Json:
    """Call the method on the node as the node is just now."""
    node = node.seeing(name)
    sight, ledger = node.sight, node.ledger
    if sight.behind is not None:
        raise behind(sight.behind)
    if sight.lag:
        with ledger.as_of(ledger.clock.slot() - sight.lag, name in _READ_ACCOUNTS):
            result = method(node, params)
    else:
        result = method(node, params)
    node.flush()
    return result


def _failure(call_id: Json, error: RpcError) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "error": error.body(), "id": call_id}


def _dump(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
