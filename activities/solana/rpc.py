"""The Solana RPC node as the engine needs it: typed answers in, one error for everything that is no answer."""

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from solana.exceptions import SolanaRpcException
from solana.rpc.commitment import Commitment, Confirmed, Finalized, Processed
from solana.rpc.core import RPCException
from solana.rpc.models import DataSliceOpts, MemcmpOpts, TxOpts
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_status import (
    EncodedConfirmedTransactionWithStatusMeta,
    TransactionConfirmationStatus,
    TransactionErrorType,
)

from activities.solana.transport import solana_client
from activities.venues.pool import Account, AccountFilter

# `getMultipleAccounts` and `getSignatureStatuses` refuse more (Solana RPC documentation).
MAX_ACCOUNTS = 100
MAX_STATUSES = 256

# `getSignaturesForAddress` answers no more at once (Solana RPC documentation).
MAX_HISTORY = 1_000

_REQUEST_TIMEOUT_SECONDS = 10.0


class ChainUnavailable(ConnectionError):
    """The node gave no usable answer: unreachable, overloaded, behind, or speaking nonsense."""


@dataclass(frozen=True, slots=True)
class Blockhash:
    """A recent blockhash and the last block height at which a transaction that carries it can land."""

    blockhash: Hash
    last_valid_block_height: int


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """A block's slot, and its height: the number of blocks before it."""

    slot: int
    height: int


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """What a node knows of a signature: its slot, its error if it failed, and whether it can still vanish."""

    slot: int
    error: TransactionErrorType | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Statuses:
    """Statuses in the order asked, None where the node knows nothing, as of the node's `slot`."""

    slot: int
    values: tuple[SignatureStatus | None, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a transaction would do: its error or None, compute units consumed, program logs."""

    error: TransactionErrorType | None
    units_consumed: int
    logs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A landed transaction in the history of an address; `failed` when nothing of it but the fee took effect.

    `unix_time` is that of its block, None where the node does not keep it.
    """

    signature: Signature
    slot: int
    failed: bool
    memo: str | None
    unix_time: int | None


class SolanaRpc:
    """One RPC endpoint. Every method raises ChainUnavailable when there is no usable answer."""

    def __init__(self, url: str) -> None:
        self._client = solana_client(url, Confirmed, _REQUEST_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def accounts(self, keys: Sequence[Pubkey]) -> tuple[int, dict[Pubkey, Account | None]]:
        """The newest state of at most 100 accounts, all at one slot, and that slot."""
        answer = await _ask(self._client.get_multiple_accounts(list(keys), commitment=Processed))
        found = {
            key: Account(value.owner, value.lamports, bytes(value.data)) if value is not None else None
            for key, value in zip(keys, answer.value, strict=True)
        }
        return answer.context.slot, found

    async def program_addresses(self, program: Pubkey, query: AccountFilter) -> list[Pubkey]:
        """Where a program's accounts that match the query are; their data are not asked for."""
        filters: list[int | MemcmpOpts] = [
            MemcmpOpts(offset=offset, bytes=_base58(value)) for offset, value in query.memcmp
        ]
        if query.data_size is not None:
            filters.insert(0, query.data_size)
        answer = await _ask(
            self._client.get_program_accounts(
                program, encoding="base64", data_slice=DataSliceOpts(offset=0, length=0), filters=filters
            )
        )
        return [item.pubkey for item in answer.value]

    async def latest_blockhash(self) -> Blockhash:
        """A blockhash that a confirmed block knows, so that no lagging node refuses it."""
        value = (await _ask(self._client.get_latest_blockhash(Confirmed))).value
        return Blockhash(value.blockhash, value.last_valid_block_height)

    async def finalized(self) -> BlockPosition:
        """The last block that no fork can undo."""
        # One answer of one node: behind a load balancer, slot and height asked for apart may come from two.
        value = (await _ask(self._client.get_epoch_info(Finalized))).value
        if value.block_height is None:
            raise ChainUnavailable("the node does not tell the block height")
        return BlockPosition(int(value.absolute_slot), int(value.block_height))

    async def processed_slot(self) -> int:
        """Slot of the newest block that the node works on."""
        answer = await _ask(self._client.get_slot(Processed))
        return int(answer.value)

    async def rent(self, size: int) -> int:
        """Lamports that make an account of `size` data bytes rent-exempt."""
        answer = await _ask(self._client.get_minimum_balance_for_rent_exemption(size))
        return int(answer.value)

    async def genesis_hash(self) -> str:
        """The cluster's identity."""
        return str((await _ask(self._client.get_genesis_hash())).value)

    async def simulate(self, transaction: VersionedTransaction) -> Simulation:
        """Run the transaction against the newest state without landing it; signatures are not checked."""
        value = (await _ask(self._client.simulate_transaction(transaction, commitment=Processed))).value
        return Simulation(value.err, value.units_consumed or 0, tuple(value.logs or ()))

    async def send(self, transaction: bytes) -> None:
        """Hand signed bytes to the node, which neither simulates nor repeats them.

        Returning says nothing about landing, and neither does an error.
        """
        options = TxOpts(skip_preflight=True, max_retries=0, preflight_commitment=Processed)
        await _ask(self._client.send_raw_transaction(transaction, options))

    async def statuses(self, signatures: Iterable[Signature], search_history: bool = False) -> Statuses:
        """What the node knows of at most 256 signatures; its whole history only when asked to search it."""
        answer = await _ask(self._client.get_signature_statuses(list(signatures), search_history))
        values = tuple(
            SignatureStatus(
                slot=value.slot,
                error=value.err,
                confirmed=value.confirmation_status
                in (TransactionConfirmationStatus.Confirmed, TransactionConfirmationStatus.Finalized),
            )
            if value is not None
            else None
            for value in answer.value
        )
        return Statuses(answer.context.slot, values)

    async def transaction(self, signature: Signature) -> EncodedConfirmedTransactionWithStatusMeta | None:
        """The landed transaction with its balance changes, None while the node has not got it."""
        answer = await _ask(
            self._client.get_transaction(
                signature, encoding="base64", commitment=_CONFIRMED, max_supported_transaction_version=0
            )
        )
        found: EncodedConfirmedTransactionWithStatusMeta | None = answer.value
        return found

    async def history(
        self, address: Pubkey, before: Signature | None = None, until: Signature | None = None, final: bool = False
    ) -> list[HistoryEntry]:
        """At most 1,000 transactions that name the address, newest first, between two signatures (exclusive).

        Confirmed ones, or only those that no fork can undo.
        """
        answer = await _ask(
            self._client.get_signatures_for_address(
                address, before, until, MAX_HISTORY, Finalized if final else Confirmed
            )
        )
        return [
            HistoryEntry(entry.signature, entry.slot, entry.err is not None, entry.memo, entry.block_time)
            for entry in answer.value
        ]


_CONFIRMED: Commitment = Confirmed


async def _ask(request: Awaitable[Any]) -> Any:
    try:
        return await request
    except SolanaRpcException as error:
        raise ChainUnavailable(_first_line(error.__cause__ or error)) from error
    except RPCException as error:
        raise ChainUnavailable(_first_line(error)) from error
    except ValueError as error:
        raise ChainUnavailable(f"unreadable answer: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:300]


def _base58(value: bytes) -> str:
    """Base58 of any bytes; Pubkey and Signature only write 32 and 64."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, digits = int.from_bytes(value, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = alphabet[digit] + digits
    return "1" * (len(value) - len(value.lstrip(b"\0"))) + digits
