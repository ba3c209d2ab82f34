"""The Solana virtual machine behind the cluster, kept in step with the book of accounts."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import solders.account
from solders.clock import Clock as ClockSysvar
from solders.hash import Hash
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, InnerInstruction, TransactionMetadata

from activities.venues.pool import Account, Clock
from deploy.localnet.book import Book
from deploy.localnet.chain_errors import Json, to_json
from deploy.localnet.slots import SLOTS_PER_EPOCH

_SYSVARS = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")


class BadProgram(ValueError):
    """A file among the programs that is none; the message names it."""


class Run(NamedTuple):
    """What the machine did with a transaction. `error` is a TransactionError in its JSON form."""

    error: Json
    logs: list[str]
    units: int
    fee: int
    inner: list[list[InnerInstruction]]
    return_data: tuple[Pubkey, bytes] | None
    # Accounts after a simulation; empty when it failed or when the transaction really ran.
    after: dict[Pubkey, Account | None]


class Machine:
    """Runs transactions one after another. Signatures, blockhashes and duplicates are checked elsewhere.

    `programs` holds real program binaries, `<program id>.so`; raises BadProgram on one that is none.
    """

    def __init__(self, book: Book, programs: Path | None) -> None:
        self.book = book
        self._vm = (
            LiteSVM()
            .with_sigverify(False)
            .with_blockhash_check(False)
            .with_transaction_history(0)
            .with_log_bytes_limit(None)
        )
        self.clock = Clock(0, 0, 0)
        self.real_programs: set[Pubkey] = set()
        for path in sorted(programs.glob("*.so")) if programs else ():
            try:
                program = Pubkey.from_string(path.stem)
                self._vm.add_program(program, path.read_bytes())
            # The machine's own error type cannot be imported.
            except Exception as error:
                raise BadProgram(f"{path}: {error}") from error
            self.real_programs.add(program)

    def set_time(self, slot: int, unix_timestamp: int) -> None:
        """Set the clock that programs read."""
        if (slot, unix_timestamp) != (self.clock.slot, self.clock.unix_timestamp):
            epoch = slot // SLOTS_PER_EPOCH
            self.clock = Clock(slot, epoch, unix_timestamp)
            # When the epoch began is the one thing that is not kept: nothing here reads it.
            self._vm.set_clock(ClockSysvar(slot, 0, epoch, epoch + 1, unix_timestamp))

    def set_slot_hashes(self, hashes: list[tuple[int, bytes]]) -> None:
        """Set the recent slots and their hashes that programs read, newest first."""
        self._vm.set_slot_hashes([(slot, Hash.from_bytes(value)) for slot, value in hashes])

    def account(self, address: Pubkey) -> Account | None:
        """An account as it stands, the machine's own programs and sysvars included."""
        account = self.book[address]
        return account if account is not None else self._read(address)

    def existing(self, address: Pubkey) -> Account:
        """The account as the machine has it; raises LookupError when it does not exist."""
        account = self._read(address)
        if account is None:
            raise LookupError(f"account {address} does not exist")
        return account

    def lamports(self, address: Pubkey) -> int:
        """The balance of any account, 0 when it does not exist."""
        account = self.book[address]
        return account.lamports if account is not None else self._vm.get_balance(address) or 0

    def is_executable(self, address: Pubkey) -> bool:
        """Whether the account is a program."""
        if address in self.book:
            return address in self.book.executable
        native = self._vm.get_account(address)
        return native is not None and native.executable

    def put(self, address: Pubkey, account: Account | None) -> None:
        """Set an account in the machine alone (`set_account` sets it in the book too)."""
        if account is None:
            account = Account(Pubkey.default(), 0, b"")
        self._vm.set_account(address, solders.account.Account(account.lamports, account.data, account.owner, False, 0))

    def set_account(self, address: Pubkey, account: Account | None, executable: bool = False) -> None:
        """Set an account. A program's account is only shown, its binary comes from `programs`."""
        self.book.put(address, account)
        if executable:
            self.book.executable.add(address)
        else:
            self.book.executable.discard(address)
            self.put(address, account)

    def run(self, transaction: VersionedTransaction) -> Run:
        """Execute for good; `collect` then tells what changed."""
        return _run_of(self._vm.send_transaction(transaction), {})

    def simulate(self, transaction: VersionedTransaction) -> Run:
        """Execute without effect."""
        result = self._vm.simulate_transaction(transaction)
        if isinstance(result, FailedTransactionMetadata):
            return _run_of(result, {})
        after = {address: _converted(account) for address, account in result.post_accounts()}
        return _run_of(result.meta(), after)

    def undo(self, addresses: Iterable[Pubkey]) -> None:
        """Take back what the last run did to `addresses`."""
        for address in addresses:
            self.put(address, self.book[address])

    def collect(self, addresses: Iterable[Pubkey]) -> dict[Pubkey, Account | None]:
        """Take over what the last run left in `addresses`; returns those that changed."""
        changed: dict[Pubkey, Account | None] = {}
        for address in addresses:
            native = self._vm.get_account(address)
            if native is not None and (native.executable or native.owner == _SYSVARS):
                continue
            account = None if native is None else _converted(native)
            known = self.book[address]
            if account != known:
                self.book.put(address, account)
                changed[address] = account
        return changed

    def _read(self, address: Pubkey) -> Account | None:
        account = self._vm.get_account(address)
        return None if account is None else _converted(account)


def _converted(account: solders.account.Account) -> Account | None:
    if not account.lamports:
        return None
    return Account(account.owner, account.lamports, account.data)


def _run_of(result: TransactionMetadata | FailedTransactionMetadata, after: dict[Pubkey, Account | None]) -> Run:
    error: Json = None
    if isinstance(result, FailedTransactionMetadata):
        error = to_json(result.err())
        meta = result.meta()
    else:
        meta = result
    returned = meta.return_data()
    data = returned.data
    return Run(
        error,
        meta.logs(),
        meta.compute_units_consumed(),
        meta.fee(),
        meta.inner_instructions(),
        (returned.program_id, data) if data else None,
        after,
    )
