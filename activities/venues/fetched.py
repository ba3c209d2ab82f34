"""Access to fetched accounts: present, existing and owned as they must be, or the right error."""

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts
from activities.venues.pool import Account, Accounts


def fetched(program: str, accounts: Accounts, *keys: Pubkey) -> list[Account]:
    """The accounts of `keys`, in order.

    Raises MissingAccounts with all of `keys` that were not fetched, DecodeError (of `program`) when one does
    not exist.
    """
    found = []
    for key in keys:
        try:
            account = accounts[key]
        except KeyError:
            raise MissingAccounts(key for key in keys if key not in accounts) from None
        if account is None:
            raise DecodeError(program, "account", 0, f"{key} does not exist")
        found.append(account)
    return found


def owned_data(program: str, field: str, account: Account, owner: Pubkey, size: int) -> bytes:
    """The data of an account that has to belong to `owner` and hold exactly `size` bytes, else DecodeError."""
    if account.owner != owner:
        raise DecodeError(program, field, 0, f"belongs to program {account.owner}")
    if len(account.data) != size:
        raise DecodeError(program, field, len(account.data), f"{size} bytes expected")
    return account.data
