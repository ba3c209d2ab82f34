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


def priority_fee(units: int, price: int) -> int:
    """Lamports for a limit of `units` at `price` micro-lamports each; the runtime rounds up to whole lamports."""
    return -(-units * price // 1_000_000)


@dataclass(frozen=True, slots=True)
class SwapTransaction:
    """What goes into the transaction, unsigned; one signer, the wallet, pays.

    `compute_unit_price` in micro-lamports per unit.
    """

    wallet: Pubkey
    instructions: tuple[Instruction, ...]
    memo: str
    compute_unit_price: int
    compute_unit_limit: int = MAX_COMPUTE_UNITS
    lookup_tables: tuple[AddressLookupTableAccount, ...] = ()

    def limited_to(self, units: int) -> "SwapTransaction":
        """The same transaction with another compute unit limit."""
        return replace(self, compute_unit_limit=min(units, MAX_COMPUTE_UNITS))

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
    def size(self) -> int:
        """Bytes of the signed transaction."""
        return len(bytes(self._compiled(Hash.default())))

    @property
    def accounts(self) -> int:
        """How many accounts the transaction names, those in lookup tables included."""
        metas = (meta.pubkey for instruction in self.all_instructions for meta in instruction.accounts)
        return len({self.wallet, *self.programs, *metas})

    @property
    def excess(self) -> str | None:
        """Why no cluster would take the transaction, None when it has room."""
        if self.size > MAX_TRANSACTION_BYTES:
            return f"{self.size} of at most {MAX_TRANSACTION_BYTES} bytes"
        if self.accounts > MAX_ACCOUNT_LOCKS:
            return f"{self.accounts} of at most {MAX_ACCOUNT_LOCKS} accounts"
        return None

    def unsigned(self, blockhash: Hash) -> VersionedTransaction:
        """The transaction with an empty signature; raises EngineError `transaction_too_large`."""
        excess = self.excess
        if excess is not None:
            raise EngineError(ErrorCode.TRANSACTION_TOO_LARGE, excess)
        return self._compiled(blockhash)

    def _compiled(self, blockhash: Hash) -> VersionedTransaction:
        message = MessageV0.try_compile(self.wallet, list(self.all_instructions), list(self.lookup_tables), blockhash)
        return VersionedTransaction.populate(message, [Signature.default()])
