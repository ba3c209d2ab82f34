"""One swap transaction: its instructions in order, its message, its size."""

from dataclasses import dataclass, replace

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from activities.venues.pool import MAX_COMPUTE_UNITS
from workflows.domain.errors import EngineError, ErrorCode

MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

# A UDP packet that every IPv6 link carries, less its headers (Solana, PACKET_DATA_SIZE).
MAX_TRANSACTION_BYTES = 1232

# The most accounts that one transaction may name, looked-up ones included (Solana, MAX_TX_ACCOUNT_LOCKS; a feature
# that raises it to 128 is not active everywhere).
MAX_ACCOUNT_LOCKS = 64

LAMPORTS_PER_SIGNATURE = 5_000

# A compute unit is priced in millionths of a lamport.
MICRO_LAMPORTS = 1_000_000


def priority_fee(units: int, price: int) -> int:
    """Lamports for a limit of `units` at `price` micro-lamports each; the runtime rounds up to whole lamports."""
    return -(-units * price // MICRO_LAMPORTS)


@dataclass(frozen=True, slots=True)
class SwapTransaction:
    """What goes into the transaction, unsigned; one signer, the wallet, pays.

    `compute_unit_price` in micro-lamports per unit. `contended` are the accounts that its swaps write besides the
    wallet's own: whoever else wants them bids for the same room in a block.
    """

    wallet: Pubkey
    instructions: tuple[Instruction, ...]
    memo: str
    compute_unit_price: int
    compute_unit_limit: int = MAX_COMPUTE_UNITS
    lookup_tables: tuple[AddressLookupTableAccount, ...] = ()
    contended: frozenset[Pubkey] = frozenset()

    def priced(self, units: int, price: int) -> "SwapTransaction":
        """The same transaction with another compute unit limit and price."""
        return replace(self, compute_unit_limit=units, compute_unit_price=price)

    @property
    def all_instructions(self) -> tuple[Instruction, ...]:
        """Compute budget first, memo last; errors of the chain count in this order."""
        return (
            set_compute_unit_limit(self.compute_unit_limit),
            set_compute_unit_price(self.compute_unit_price),
            *self.instructions,
            Instruction(MEMO_PROGRAM, self.memo.encode(), []),
        )

    @property
    def programs(self) -> tuple[Pubkey, ...]:
        """The program of each instruction."""
        return tuple(instruction.program_id for instruction in self.all_instructions)

    @property
    def fee_lamports(self) -> int:
        """What the transaction costs, landed or failed: signature and priority fee."""
        return LAMPORTS_PER_SIGNATURE + priority_fee(self.compute_unit_limit, self.compute_unit_price)

    @property
    def excess(self) -> str | None:
        """Why no cluster would take the transaction, None when it has room."""
        return _excess(self._compiled(Hash.default()))

    def unsigned(self, blockhash: Hash) -> VersionedTransaction:
        """The transaction with an empty signature; raises EngineError `transaction_too_large`."""
        compiled = self._compiled(blockhash)
        excess = _excess(compiled)
        if excess is not None:
            raise EngineError(ErrorCode.TRANSACTION_TOO_LARGE, excess)
        return compiled

    def _compiled(self, blockhash: Hash) -> VersionedTransaction:
        message = MessageV0.try_compile(self.wallet, list(self.all_instructions), list(self.lookup_tables), blockhash)
        return VersionedTransaction.populate(message, [Signature.default()])


def _excess(transaction: VersionedTransaction) -> str | None:
    size = len(bytes(transaction))
    if size > MAX_TRANSACTION_BYTES:
        return f"{size} of at most {MAX_TRANSACTION_BYTES} bytes"
    message = transaction.message
    assert isinstance(message, MessageV0)
    looked_up = sum(
        len(table.writable_indexes) + len(table.readonly_indexes) for table in message.address_table_lookups
    )
    accounts = len(message.account_keys) + looked_up
    if accounts > MAX_ACCOUNT_LOCKS:
        return f"{accounts} of at most {MAX_ACCOUNT_LOCKS} accounts"
    return None
