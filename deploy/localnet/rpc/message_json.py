"""Transaction messages in the `json` and `jsonParsed` forms of `getTransaction`."""

from typing import Any, cast

from solders.message import Message, MessageV0

from deploy.localnet import base58
from deploy.localnet.chain_errors import Json


def plain(message: Message | MessageV0) -> Json:
    """The `json` form."""
    header = message.header
    answer: dict[str, Json] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(instruction.accounts),
                "data": base58.encode(instruction.data),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        answer["addressTableLookups"] = _lookups(message)
    return answer


def parsed(message: Message | MessageV0, meta: dict[str, Json]) -> Json:
    """The `jsonParsed` form: accounts with their roles, instructions with their accounts spelled out.

    Instructions are not taken apart further: a node does that for the programs it knows, and shows those of
    other programs like this.
    """
    header, static = message.header, message.account_keys
    signers, total = header.num_required_signatures, len(static)
    accounts: list[Json] = []
    keys = [str(key) for key in static]
    for at, key in enumerate(keys):
        writable = (
            at < signers - header.num_readonly_signed_accounts
            or signers <= at < total - header.num_readonly_unsigned_accounts
        )
        accounts.append({"pubkey": key, "signer": at < signers, "source": "transaction", "writable": writable})
    loaded = cast("dict[str, list[str]]", meta["loadedAddresses"])
    for group, writable in (("writable", True), ("readonly", False)):
        for key in loaded[group]:
            keys.append(key)
            accounts.append({"pubkey": key, "signer": False, "source": "lookupTable", "writable": writable})
    answer: dict[str, Json] = {
        "accountKeys": accounts,
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programId": keys[instruction.program_id_index],
                "accounts": [keys[at] for at in instruction.accounts],
                "data": base58.encode(instruction.data),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        answer["addressTableLookups"] = _lookups(message)
    return answer


def parsed_inner(message: Message | MessageV0, meta: dict[str, Json]) -> Json:
    """The metadata's inner instructions in the `jsonParsed` form."""
    loaded = cast("dict[str, list[str]]", meta["loadedAddresses"])
    keys = [*map(str, message.account_keys), *loaded["writable"], *loaded["readonly"]]
    groups = cast("list[dict[str, Any]]", meta["innerInstructions"])
    return [
        {
            "index": group["index"],
            "instructions": [
                {
                    "programId": keys[call["programIdIndex"]],
                    "accounts": [keys[at] for at in call["accounts"]],
                    "data": call["data"],
                    "stackHeight": call["stackHeight"],
                }
                for call in group["instructions"]
            ],
        }
        for group in groups
    ]


def _lookups(message: MessageV0) -> Json:
    return [
        {
            "accountKey": str(lookup.account_key),
            "writableIndexes": list(lookup.writable_indexes),
            "readonlyIndexes": list(lookup.readonly_indexes),
        }
        for lookup in message.address_table_lookups
    ]
