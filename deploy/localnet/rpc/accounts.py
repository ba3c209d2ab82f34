"""Methods that read accounts. Every commitment is answered from the newest state."""

import base64
from typing import cast

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet import base58
from deploy.localnet.chain_errors import Json
from deploy.localnet.meta import mint_decimals, ui_amount
from deploy.localnet.node import Node
from deploy.localnet.rpc.encoding import account_json, view_of
from deploy.localnet.rpc.errors import invalid
from deploy.localnet.rpc.params import Config, Params, bank_slot, in_context, pubkey
from deploy.localnet.tokens import TOKEN_PROGRAMS, read_mint, read_token_account

_MAX_MULTIPLE = 100
_MAX_FILTERS = 4
_MAX_MEMCMP = 128


def get_account_info(node: Node, params: Params) -> Json:
    """`getAccountInfo`."""
    ledger = node.ledger
    address, config = params.pubkey(0), params.config(1)
    slot = bank_slot(ledger, config)
    return in_context(slot, account_json(ledger, address, ledger.machine.account(address), view_of(config)))


def get_multiple_accounts(node: Node, params: Params) -> Json:
    """`getMultipleAccounts`, at most 100."""
    ledger = node.ledger
    addresses = list(map(pubkey, params.texts(0, "inputs", _MAX_MULTIPLE)))
    config = params.config(1)
    slot, view = bank_slot(ledger, config), view_of(config, "base64")
    read = ledger.machine.account
    return in_context(slot, [account_json(ledger, key, read(key), view) for key in addresses])


def get_program_accounts(node: Node, params: Params) -> Json:
    """`getProgramAccounts` with the dataSize, memcmp and tokenAccountState filters."""
    ledger = node.ledger
    program, config = params.pubkey(0), params.config(1)
    slot, view = bank_slot(ledger, config), view_of(config)
    keep = _filters(config)
    rows: Json = [
        {"pubkey": str(address), "account": account_json(ledger, address, account, view)}
        for address, account in ledger.book.owned_by_program(program)
        if _passes(account, keep)
    ]
    return in_context(slot, rows) if config.flag("withContext") else rows


def get_balance(node: Node, params: Params) -> Json:
    """`getBalance`."""
    ledger = node.ledger
    address = params.pubkey(0)
    return in_context(bank_slot(ledger, params.config(1)), ledger.machine.lamports(address))


def get_token_account_balance(node: Node, params: Params) -> Json:
    """`getTokenAccountBalance`."""
    ledger = node.ledger
    address = params.pubkey(0)
    slot = bank_slot(ledger, params.config(1))
    account = ledger.book[address]
    if account is None:
        raise invalid("Invalid param: could not find account")
    holding = read_token_account(account)
    if holding is None:
        raise invalid("Invalid param: not a Token account")
    return in_context(slot, ui_amount(holding.amount, mint_decimals(ledger.machine, holding.mint)))


def get_token_supply(node: Node, params: Params) -> Json:
    """`getTokenSupply`."""
    ledger = node.ledger
    address = params.pubkey(0)
    slot = bank_slot(ledger, params.config(1))
    account = ledger.book[address]
    mint = None if account is None else read_mint(account)
    if mint is None:
        raise invalid("Invalid param: not a Token mint")
    return in_context(slot, ui_amount(mint.supply, mint.decimals))


def get_token_accounts_by_owner(node: Node, params: Params) -> Json:
    """`getTokenAccountsByOwner`, by mint or by token program."""
    ledger = node.ledger
    owner, which, config = params.pubkey(0), params.config(1), params.config(2)
    slot, view = bank_slot(ledger, config), view_of(config)
    mint_text, program_text = which.text("mint"), which.text("programId")
    if (mint_text is None) == (program_text is None):
        raise invalid("Invalid params: expected either `mint` or `programId`.")
    mint = None if mint_text is None else pubkey(mint_text)
    program = None if program_text is None else pubkey(program_text)
    if mint is not None and ledger.book[mint] is None:
        raise invalid("Invalid param: could not find mint")
    if program is not None and program not in TOKEN_PROGRAMS:
        raise invalid("Invalid param: unrecognized Token program id")
    rows: Json = [
        {"pubkey": str(address), "account": account_json(ledger, address, account, view)}
        for address, account in ledger.book.tokens_of(owner)
        if (program is None or account.owner == program) and (mint is None or _mint(account) == mint)
    ]
    return in_context(slot, rows)


class _Filters:
    """What accounts must match; `sizes` are exact data sizes, `comparisons` offsets and bytes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.comparisons: list[tuple[int, bytes]] = []
        self.token_accounts = False


def _filters(config: Config) -> _Filters:
    keep = _Filters()
    given = config.get("filters")
    if given is None:
        return keep
    if not isinstance(given, list):
        raise invalid("Invalid params: invalid type for `filters`, expected a sequence.")
    if len(given) > _MAX_FILTERS:
        raise invalid(f"Too many filters provided; max {_MAX_FILTERS}")
    for item in given:
        if item == "tokenAccountState" or (isinstance(item, dict) and "tokenAccountState" in item):
            keep.token_accounts = True
            continue
        if not isinstance(item, dict):
            raise invalid("Invalid params: unknown filter.")
        one = Config(item)
        comparison, size = one.table("memcmp"), one.integer("dataSize")
        if comparison is not None:
            keep.comparisons.append((comparison.integer("offset") or 0, _memcmp_bytes(comparison)))
        elif size is not None:
            keep.sizes.append(size)
        else:
            raise invalid("Invalid params: unknown filter.")
    return keep


def _memcmp_bytes(comparison: Config) -> bytes:
    given = comparison.get("bytes")
    try:
        if isinstance(given, list):
            data = bytes(cast("list[int]", given))
        elif comparison.text("encoding") == "base64":
            data = base64.b64decode(comparison.text("bytes") or "", validate=True)
        else:
            data = base58.decode(comparison.text("bytes") or "")
    except (ValueError, TypeError) as error:
        raise invalid(f"Invalid param: {error}") from error
    if len(data) > _MAX_MEMCMP:
        raise invalid("Invalid param: encoded binary data should be less than 128 bytes")
    return data


def _passes(account: Account, keep: _Filters) -> bool:
    data = account.data
    return (
        all(len(data) == size for size in keep.sizes)
        and all(data[at : at + len(wanted)] == wanted for at, wanted in keep.comparisons)
        and (not keep.token_accounts or read_token_account(account) is not None)
    )


def _mint(account: Account) -> Pubkey | None:
    holding = read_token_account(account)
    return None if holding is None else holding.mint
