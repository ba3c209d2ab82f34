"""The ledger on disk: accounts, transactions and their index by address, in one SQLite file.

Each landed transaction and the accounts it changed are one SQLite transaction, so a killed process
leaves either all of it or nothing.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet.chain_errors import Json
from deploy.localnet.slots import Anchor
from deploy.localnet.transactions import decode

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    address BLOB PRIMARY KEY, owner BLOB NOT NULL, lamports TEXT NOT NULL, data BLOB NOT NULL,
    executable INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS transactions (
    seq INTEGER PRIMARY KEY, signature BLOB NOT NULL UNIQUE, slot INTEGER NOT NULL,
    error TEXT, memo TEXT, wire BLOB NOT NULL, meta TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS transactions_by_slot ON transactions (slot);
CREATE TABLE IF NOT EXISTS mentions (
    address BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (address, seq)
) WITHOUT ROWID;
"""

# The largest slot that the file can hold.
MAX_SLOT = (1 << 63) - 1
# About the mentions of two hundred transactions.
_MENTIONS_AT_ONCE = 4_000


class Landed(NamedTuple):
    """A transaction in the ledger. `error` is the JSON form of a TransactionError, None for success.

    `wire` is the transaction as it was signed and `meta` the JSON of its status metadata.
    """

    signature: bytes
    slot: int
    error: Json
    memo: str | None
    wire: bytes
    meta: str


class LedgerInUse(OSError):
    """Another process has the ledger open, or the file cannot be written."""


class Status(NamedTuple):
    """Where a transaction landed and how it ended."""

    slot: int
    error: Json


class Store:
    """The file, for one process at a time: LedgerInUse. Every method raises sqlite3.Error when the disk fails."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
        try:
            # Two clusters must not write one ledger.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raise LedgerInUse(f"{path}: {error}") from error
        # A killed process loses nothing at NORMAL; only a machine that loses power may lose the last commits.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._mentions: list[tuple[bytes, int]] = []
        self._index_missing()

    def close(self) -> None:
        """Close the file."""
        self._write_mentions()
        self._db.close()

    def value(self, key: str) -> object:
        """A stored setting, None when it was never set."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_value(self, key: str, value: object) -> None:
        """Store a setting; `value` is anything that JSON can hold."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def anchors(self) -> list[Anchor]:
        """The slot clock's anchors, none for a new ledger."""
        stored = self.value("anchors")
        return [Anchor(*anchor) for anchor in stored] if isinstance(stored, list) else []

    def accounts(self) -> Iterator[tuple[Pubkey, Account, bool]]:
        """Every account with whether it is executable."""
        rows = self._db.execute("SELECT address, owner, lamports, data, executable FROM accounts")
        for address, owner, lamports, data, executable in rows:
            account = Account(Pubkey.from_bytes(owner), int(lamports), data)
            yield Pubkey.from_bytes(address), account, bool(executable)

    def put_accounts(self, accounts: Mapping[Pubkey, Account | None], executable: frozenset[Pubkey]) -> None:
        """Write accounts outside of a transaction; None deletes."""
        with self._transaction():
            self._write_accounts(accounts, executable)

    def put_landed(self, landed: Landed, mentioned: Iterable[Pubkey], changed: Mapping[Pubkey, Account | None]) -> None:
        """Write a landed transaction together with the accounts that it changed."""
        error = None if landed.error is None else json.dumps(landed.error)
        with self._transaction():
            seq = self._db.execute(
                "INSERT INTO transactions (signature, slot, error, memo, wire, meta) VALUES (?, ?, ?, ?, ?, ?)",
                (landed.signature, landed.slot, error, landed.memo, landed.wire, landed.meta),
            ).lastrowid
            self._write_accounts(changed, frozenset())
        self._mentions += [(bytes(address), seq or 0) for address in mentioned]
        if len(self._mentions) > _MENTIONS_AT_ONCE:
            self._write_mentions()

    def landed_after(self, slot: int) -> list[Landed]:
        """Every transaction after `slot`, in order."""
        rows = self._db.execute(
            "SELECT signature, slot, error, memo, wire, meta FROM transactions WHERE slot > ? ORDER BY seq", (slot,)
        )
        return [_landed(row) for row in rows]

    def undo(self, slot: int, accounts: Mapping[Pubkey, Account | None], executable: frozenset[Pubkey]) -> None:
        """Forget every transaction after `slot`, and write the accounts as they were then."""
        self._write_mentions()
        with self._transaction():
            gone = "SELECT seq FROM transactions WHERE slot > ?"
            self._db.execute(f"DELETE FROM mentions WHERE seq IN ({gone})", (slot,))
            self._db.execute("DELETE FROM transactions WHERE slot > ?", (slot,))
            self._write_accounts(accounts, executable)
            # Their numbers are given out again.
            self.set_value("indexed", self.count())

    def landed(self, signature: bytes) -> Landed | None:
        """The transaction with this signature."""
        row = self._db.execute(
            "SELECT signature, slot, error, memo, wire, meta FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        return None if row is None else _landed(row)

    def status(self, signature: bytes) -> Status | None:
        """Where the transaction with this signature landed."""
        row = self._db.execute("SELECT slot, error FROM transactions WHERE signature = ?", (signature,)).fetchone()
        return None if row is None else Status(row[0], _error(row[1]))

    def statuses_since(self, slot: int) -> Iterator[tuple[bytes, Status]]:
        """Signatures and statuses of all transactions from `slot` on, in order."""
        rows = self._db.execute("SELECT signature, slot, error FROM transactions WHERE slot >= ? ORDER BY seq", (slot,))
        for signature, at, error in rows:
            yield signature, Status(at, _error(error))

    def history(
        self,
        address: Pubkey,
        before: bytes | None,
        until: bytes | None,
        slots: tuple[int, int],
        limit: int,
    ) -> list[Landed]:
        """Transactions that mention `address`, newest first, between the two signatures (exclusive).

        `slots` are the first and the last slot to look at.
        """
        self._write_mentions()
        query = (
            "SELECT t.signature, t.slot, t.error, t.memo, x'', '' FROM mentions m JOIN transactions t "
            "ON t.seq = m.seq WHERE m.address = ? AND t.slot BETWEEN ? AND ? AND m.seq < ? AND m.seq > ? "
            "ORDER BY m.seq DESC LIMIT ?"
        )
        last = self._seq(before) if before is not None else (1 << 62)
        first = self._seq(until) if until is not None else 0
        rows = self._db.execute(query, (bytes(address), *slots, last or 0, first or 0, limit))
        return [_landed(row) for row in rows]

    def count(self, newest_slot: int = MAX_SLOT) -> int:
        """How many transactions landed up to `newest_slot`."""
        query = "SELECT seq FROM transactions WHERE slot <= ? ORDER BY slot DESC, seq DESC LIMIT 1"
        row = self._db.execute(query, (newest_slot,)).fetchone()
        return 0 if row is None else int(row[0])

    def newest_slot(self) -> int:
        """The slot of the transaction that landed last, 0 when none has."""
        slot: int = self._db.execute("SELECT coalesce(max(slot), 0) FROM transactions").fetchone()[0]
        return slot

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _write_mentions(self) -> None:
        """Write the index entries gathered so far: together they touch far fewer pages than one by one."""
        if self._mentions:
            with self._transaction():
                self._db.executemany("INSERT OR IGNORE INTO mentions VALUES (?, ?)", self._mentions)
                self.set_value("indexed", self._mentions[-1][1])
            self._mentions.clear()

    def _index_missing(self) -> None:
        """Make the index entries that a killed process had not written yet."""
        indexed = self.value("indexed") or 0
        rows = self._db.execute("SELECT seq, wire, meta FROM transactions WHERE seq > ?", (indexed,))
        for seq, wire, meta in rows:
            loaded = json.loads(meta)["loadedAddresses"]
            static = [bytes(key) for key in decode(wire).message.account_keys]
            looked_up = [bytes(Pubkey.from_string(key)) for key in loaded["writable"] + loaded["readonly"]]
            self._mentions += [(key, seq) for key in dict.fromkeys(static + looked_up)]
        self._write_mentions()

    def _seq(self, signature: bytes) -> int | None:
        row = self._db.execute("SELECT seq FROM transactions WHERE signature = ?", (signature,)).fetchone()
        return None if row is None else int(row[0])

    def _write_accounts(self, accounts: Mapping[Pubkey, Account | None], executable: frozenset[Pubkey]) -> None:
        written = [
            (bytes(key), bytes(account.owner), str(account.lamports), account.data, key in executable)
            for key, account in accounts.items()
            if account is not None
        ]
        self._db.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)", written)
        gone = [(bytes(key),) for key, account in accounts.items() if account is None]
        self._db.executemany("DELETE FROM accounts WHERE address = ?", gone)


def _error(text: str | None) -> Json:
    error: Json = None if text is None else json.loads(text)
    return error


def _landed(row: tuple[bytes, int, str | None, str | None, bytes, str]) -> Landed:
    signature, slot, error, memo, wire, meta = row
    return Landed(signature, slot, _error(error), memo, wire, meta)
