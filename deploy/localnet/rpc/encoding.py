"""Accounts in the encodings of the JSON-RPC API."""

import base64
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.mint import TOKEN_2022_PROGRAM
from activities.venues.pool import Account
from deploy.localnet import base58
from deploy.localnet.chain_errors import Json
from deploy.localnet.ledger import Ledger
from deploy.localnet.meta import mint_decimals, ui_amount
from deploy.localnet.rpc.errors import INVALID_REQUEST, RpcError, invalid
from deploy.localnet.rpc.params import Config
from deploy.localnet.tokens import TOKEN_PROGRAMS, read_details, read_mint

_ENCODINGS = ("base58", "base64", "base64+zstd", "jsonParsed", "binary")
# Longer data is refused in base58, which is slow to make.
_MAX_BASE58 = 128
# Every account is exempt from rent.
_RENT_EPOCH = (1 << 64) - 1


class View(NamedTuple):
    """How to show accounts: encoding, and offset and length of the part to show."""

    encoding: str
    data_slice: tuple[int, int] | None


def view_of(config: Config, default: str = "binary") -> View:
    """The view that a configuration asks for; raises RpcError."""
    encoding = config.choice("encoding", default, _ENCODINGS)
    if encoding == "base64+zstd":
        raise invalid("base64+zstd encoding is not supported by this node")
    part = config.table("dataSlice")
    if part is None:
        return View(encoding, None)
    return View(encoding, (part.integer("offset") or 0, part.integer("length") or 0))


def account_json(ledger: Ledger, address: Pubkey, account: Account | None, view: View) -> Json:
    """The account as the API shows it, null when it does not exist."""
    if account is None:
        return None
    shown: Json = None
    if view.encoding == "jsonParsed":
        shown = _parsed(ledger, account)
        view = View("base64", view.data_slice)
    return {
        "data": _encoded(account.data, view) if shown is None else shown,
        "executable": ledger.machine.is_executable(address),
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": _RENT_EPOCH,
        "space": len(account.data),
    }


def _encoded(data: bytes, view: View) -> Json:
    if view.data_slice is not None:
        offset, length = view.data_slice
        data = data[offset : offset + length]
    if view.encoding == "base64":
        return [base64.b64encode(data).decode(), "base64"]
    if len(data) > _MAX_BASE58:
        raise RpcError(
            INVALID_REQUEST,
            f"Encoded binary (base 58) data should be less than {_MAX_BASE58} bytes, please use Base64 encoding.",
        )
    text = base58.encode(data)
    return text if view.encoding == "binary" else [text, "base58"]


def _parsed(ledger: Ledger, account: Account) -> Json:
    """Mints and token accounts taken apart; null for everything else."""
    if account.owner not in TOKEN_PROGRAMS:
        return None
    program = "spl-token-2022" if account.owner == TOKEN_2022_PROGRAM else "spl-token"
    details = read_details(account)
    info: dict[str, Json]
    if details is not None:
        decimals = mint_decimals(ledger.machine, details.mint)
        info = {
            "isNative": details.native_reserve is not None,
            "mint": str(details.mint),
            "owner": str(details.owner),
            "state": details.state,
            "tokenAmount": ui_amount(details.amount, decimals),
        }
        if details.delegate is not None:
            info["delegate"] = str(details.delegate)
            info["delegatedAmount"] = ui_amount(details.delegated_amount, decimals)
        if details.native_reserve is not None:
            info["rentExemptReserve"] = ui_amount(details.native_reserve, decimals)
        if details.close_authority is not None:
            info["closeAuthority"] = str(details.close_authority)
        kind = "account"
    else:
        mint = read_mint(account)
        if mint is None:
            return None
        info = {
            "decimals": mint.decimals,
            "freezeAuthority": None if mint.freeze_authority is None else str(mint.freeze_authority),
            "isInitialized": mint.initialized,
            "mintAuthority": None if mint.authority is None else str(mint.authority),
            "supply": str(mint.supply),
        }
        kind = "mint"
    return {"parsed": {"info": info, "type": kind}, "program": program, "space": len(account.data)}
