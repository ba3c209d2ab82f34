"""Transactions as they come over the wire: decoded, checked for form, lookup tables resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct

from solders.instruction import AccountMeta, CompiledInstruction, Instruction
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import SanitizeError, VersionedTransaction

from activities.venues.pool import Account

# The most bytes of a transaction (PACKET_DATA_SIZE).
MAX_WIRE_SIZE = 1_232
# The most accounts that one transaction may lock (MAX_TX_ACCOUNT_LOCKS).
_MAX_ACCOUNTS = 128
COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
LOOKUP_TABLES = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
_MEMO_PROGRAMS = frozenset(
    map(
        Pubkey.from_string,
        ("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"),
    )
)
_TABLE = Struct("<IQQB35x")
_NOT_DEACTIVATED = (1 << 64) - 1


class InvalidTransaction(Exception):
    """The bytes are not a transaction that the cluster would look at; the message says why."""


class LookupFailed(Exception):
    """An address lookup table that cannot be used; `error` is the TransactionError's name."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class WireTransaction:
    """A well-formed transaction, not verified. `version` is None for the legacy form."""

    raw: VersionedTransaction
    message: Message | MessageV0
    version: int | None

    @property
    def signature(self) -> Signature:
        """The first signature: the transaction's id."""
        return self.raw.signatures[0]

    def signed(self) -> bool:
        """Whether every signature is right."""
        return all(self.raw.verify_with_results())

    def memo(self) -> str | None:
        """The memos of the transaction as nodes report them: `[length] text`, joined by `; `."""
        keys = self.message.account_keys
        texts = []
        for instruction in self.message.instructions:
            if keys[instruction.program_id_index] in _MEMO_PROGRAMS:
                try:
                    text = instruction.data.decode()
                except UnicodeDecodeError:
                    text = "(unparseable)"
                texts.append(f"[{len(instruction.data)}] {text}")
        return "; ".join(texts) or None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A transaction's accounts, lookup tables included, and what it may do with each.

    `keys` holds the static keys, then the looked-up writable and read-only ones; the first `signers` sign.
    """

    keys: list[Pubkey]
    writable: list[bool]
    signers: int
    readonly_signers: int
    loaded_writable: list[Pubkey]
    loaded_readonly: list[Pubkey]
    instructions: list[CompiledInstruction]

    @property
    def payer(self) -> Pubkey:
        return self.keys[0]

    def program(self, index: int) -> Pubkey:
        """The program that instruction `index` calls."""
        return self.keys[self.instructions[index].program_id_index]

    def instruction(self, index: int) -> Instruction:
        """Instruction `index` with its accounts spelled out."""
        compiled = self.instructions[index]
        metas = [AccountMeta(self.keys[at], at < self.signers, self.writable[at]) for at in compiled.accounts]
        return Instruction(self.keys[compiled.program_id_index], compiled.data, metas)


def decode(wire: bytes) -> WireTransaction:
    """Decode and check the form of a transaction; raises InvalidTransaction."""
    try:
        raw = VersionedTransaction.from_bytes(wire)
    except ValueError as error:
        raise InvalidTransaction(f"failed to deserialize transaction: {error}") from error
    message = raw.message
    if not isinstance(message, Message | MessageV0):
        raise InvalidTransaction("invalid transaction: unsupported transaction version")
    try:
        raw.sanitize()
    except SanitizeError as error:
        raise InvalidTransaction(f"invalid transaction: {error}") from error
    return WireTransaction(raw, message, None if isinstance(message, Message) else 0)


def resolve(message: Message | MessageV0, accounts: Mapping[Pubkey, Account | None], slot: int) -> Resolved:
    """Look up the message's accounts as of `slot`; raises LookupFailed."""
    header = message.header
    keys = message.account_keys
    signers, total = header.num_required_signatures, len(keys)
    writable = [
        at < signers - header.num_readonly_signed_accounts
        or signers <= at < total - header.num_readonly_unsigned_accounts
        for at in range(total)
    ]
    loaded_writable: list[Pubkey] = []
    loaded_readonly: list[Pubkey] = []
    if isinstance(message, MessageV0):
        for lookup in message.address_table_lookups:
            table = _table(accounts[lookup.account_key], slot)
            try:
                loaded_writable += [table[at] for at in lookup.writable_indexes]
                loaded_readonly += [table[at] for at in lookup.readonly_indexes]
            except IndexError as error:
                raise LookupFailed("InvalidAddressLookupTableIndex") from error
        keys = [*keys, *loaded_writable, *loaded_readonly]
        writable += [True] * len(loaded_writable) + [False] * len(loaded_readonly)
    if len(keys) > _MAX_ACCOUNTS:
        raise LookupFailed("TooManyAccountLocks")
    return Resolved(
        keys,
        writable,
        signers,
        header.num_readonly_signed_accounts,
        loaded_writable,
        loaded_readonly,
        message.instructions,
    )


def _table(account: Account | None, slot: int) -> list[Pubkey]:
    """The addresses that a lookup table account offers in `slot`."""
    if account is None:
        raise LookupFailed("AddressLookupTableNotFound")
    if account.owner != LOOKUP_TABLES:
        raise LookupFailed("InvalidAddressLookupTableOwner")
    if len(account.data) < _TABLE.size:
        raise LookupFailed("InvalidAddressLookupTableData")
    kind, deactivated, extended, extended_from = _TABLE.unpack_from(account.data)
    if kind != 1:
        raise LookupFailed("InvalidAddressLookupTableData")
    if deactivated != _NOT_DEACTIVATED and slot > deactivated:
        raise LookupFailed("AddressLookupTableNotFound")
    packed = account.data[_TABLE.size :]
    addresses = [Pubkey.from_bytes(packed[at : at + 32]) for at in range(0, len(packed) - 31, 32)]
    # Addresses appended in this very slot are not usable before the next.
    return addresses if slot > extended else addresses[:extended_from]
