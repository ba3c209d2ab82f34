"""The status metadata of a landed transaction, as `getTransaction` shows it."""

import base64
import json
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet import base58
from deploy.localnet.chain_errors import Json
from deploy.localnet.machine import Machine
from deploy.localnet.plan import Execution, InnerCall
from deploy.localnet.tokens import MINT_SIZE, read_token_account
from deploy.localnet.transactions import Resolved

_DECIMALS = 44


class Balances(NamedTuple):
    """Lamports by account index, and the accounts that may hold tokens."""

    lamports: list[int]
    accounts: list[Account | None]


def balances(machine: Machine, resolved: Resolved) -> Balances:
    """What the accounts of a transaction hold now."""
    book = machine.book
    return Balances([machine.lamports(key) for key in resolved.keys], [book[key] for key in resolved.keys])


def meta_json(machine: Machine, resolved: Resolved, execution: Execution, before: Balances, after: Balances) -> str:
    """The metadata as JSON text."""
    error = execution.error
    meta: dict[str, Json] = {
        "err": error,
        "status": {"Ok": None} if error is None else {"Err": error},
        "fee": execution.fee,
        "preBalances": list(before.lamports),
        "postBalances": list(after.lamports),
        "innerInstructions": inner_json(resolved, execution.inner),
        "logMessages": list(execution.logs),
        "preTokenBalances": _token_balances(machine, before),
        "postTokenBalances": _token_balances(machine, after),
        "rewards": [],
        "loadedAddresses": {
            "writable": [str(key) for key in resolved.loaded_writable],
            "readonly": [str(key) for key in resolved.loaded_readonly],
        },
        "computeUnitsConsumed": execution.units,
    }
    if execution.return_data is not None:
        meta["returnData"] = return_data_json(execution.return_data)
    return json.dumps(meta, separators=(",", ":"))


def inner_json(resolved: Resolved, inner: dict[int, list[InnerCall]]) -> Json:
    """The calls inside of each instruction, accounts as indexes into the transaction's."""
    if not inner:
        return []
    index = {key: at for at, key in enumerate(resolved.keys)}
    return [
        {
            "index": at,
            "instructions": [
                {
                    "programIdIndex": index[call.program],
                    "accounts": [index[key] for key in call.accounts],
                    "data": base58.encode(call.data),
                    "stackHeight": call.depth,
                }
                for call in calls
            ],
        }
        for at, calls in sorted(inner.items())
    ]


def return_data_json(returned: tuple[Pubkey, bytes]) -> Json:
    """What a program returned."""
    return {"programId": str(returned[0]), "data": [base64.b64encode(returned[1]).decode(), "base64"]}


def ui_amount(amount: int, decimals: int) -> dict[str, Json]:
    """A token amount in a node's four forms; `uiAmountString` is exact."""
    text = str(amount).rjust(decimals + 1, "0")
    if decimals:
        text = f"{text[:-decimals]}.{text[-decimals:]}".rstrip("0").rstrip(".")
    # The node's own field is a float; nothing here reads it.
    return {"amount": str(amount), "decimals": decimals, "uiAmount": float(text), "uiAmountString": text}


def mint_decimals(machine: Machine, mint: Pubkey) -> int:
    """The decimals of a mint, 0 when it does not exist."""
    account = machine.book[mint]
    return account.data[_DECIMALS] if account is not None and len(account.data) >= MINT_SIZE else 0


def _token_balances(machine: Machine, held: Balances) -> Json:
    rows: list[Json] = []
    for at, account in enumerate(held.accounts):
        holding = None if account is None else read_token_account(account)
        if account is not None and holding is not None:
            rows.append(
                {
                    "accountIndex": at,
                    "mint": str(holding.mint),
                    "owner": str(holding.owner),
                    "programId": str(account.owner),
                    "uiTokenAmount": ui_amount(holding.amount, mint_decimals(machine, holding.mint)),
                }
            )
    return rows
