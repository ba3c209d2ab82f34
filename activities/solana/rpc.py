"""The Solana RPC as the engine needs it: typed answers in, one error for everything that is no answer."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from solana.rpc.commitment import Commitment, Confirmed, Finalized, Processed
from solana.rpc.models import DataSliceOpts, MemcmpOpts, TxOpts
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.rpc.config import RpcSignatureStatusConfig
from solders.rpc.requests import GetSignatureStatuses
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta, TransactionErrorType

from activities.solana.endpoints import Endpoint, Endpoints, SlotClock
from activities.solana.errors import ChainUnavailable as ChainUnavailable
from activities.solana.health import Health
from activities.solana.observer import Circuit, RpcObserver
from activities.solana.statuses import Statuses
from activities.solana.transport import Provider, Transport, solana_client
from activities.venues.pool import Account, AccountFilter
from workflows.domain.worker_report import EndpointReport

# `getMultipleAccounts` and `getSignatureStatuses` refuse more (Solana RPC documentation).
MAX_ACCOUNTS = 100
MAX_STATUSES = 256

# `getSignaturesForAddress` answers no more at once (Solana RPC documentation).
MAX_HISTORY = 1_000


@dataclass(frozen=True, slots=True)
class Blockhash:
    """A recent blockhash and the last block height at which a transaction that carries it can land.

    `slot` is that of the state it was read from: whatever carries the blockhash lands later.
    """

    blockhash: Hash
    last_valid_block_height: int
    slot: int


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """A block's slot, and its height: the number of blocks before it."""

    slot: int
    height: int


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


class RpcMethods:
    """What is asked of a node. Every method raises ChainUnavailable when there is no usable answer."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = solana_client(provider, Confirmed)

    async def accounts(
        self, keys: Sequence[Pubkey], confirmed: bool = False
    ) -> tuple[int, dict[Pubkey, Account | None]]:
        """The newest state of at most 100 accounts, all at one slot, and that slot; that of a confirmed block if asked.

        A newer state may still vanish with its block.
        """
        commitment = Confirmed if confirmed else Processed
        answer = await self._client.get_multiple_accounts(list(keys), commitment=commitment)
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
        answer = await self._client.get_program_accounts(
            program, encoding="base64", data_slice=DataSliceOpts(offset=0, length=0), filters=filters
        )
        return [item.pubkey for item in answer.value]

    async def latest_blockhash(self) -> Blockhash:
        """A blockhash that a confirmed block knows, so that no lagging node refuses it."""
        answer = await self._client.get_latest_blockhash(Confirmed)
        return Blockhash(answer.value.blockhash, answer.value.last_valid_block_height, answer.context.slot)

    async def finalized(self) -> BlockPosition:
        """The last block that no fork can undo."""
        # One answer of one node: behind a load balancer, slot and height asked for apart may come from two.
        value = (await self._client.get_epoch_info(Finalized)).value
        if value.block_height is None:
            raise ChainUnavailable("the node does not tell the block height")
        return BlockPosition(int(value.absolute_slot), int(value.block_height))

    async def first_available_block(self) -> int:
        """The slot of the oldest block that the node still has."""
        answer = await self._client.get_first_available_block()
        return int(answer.value)

    async def processed_slot(self) -> int:
        """Slot of the newest block that the node works on."""
        answer = await self._client.get_slot(Processed)
        return int(answer.value)

    async def rent(self, size: int) -> int:
        """Lamports that make an account of `size` data bytes rent-exempt."""
        answer = await self._client.get_minimum_balance_for_rent_exemption(size)
        return int(answer.value)

    async def genesis_hash(self) -> str:
        """The cluster's identity."""
        return str((await self._client.get_genesis_hash()).value)

    async def simulate(self, transaction: VersionedTransaction) -> Simulation:
        """Run the transaction against the newest state without landing it; signatures are not checked."""
        value = (await self._client.simulate_transaction(transaction, commitment=Processed)).value
        return Simulation(value.err, value.units_consumed or 0, tuple(value.logs or ()))

    async def send(self, transaction: bytes) -> None:
        """Hand signed bytes to the node, which neither simulates nor repeats them.

        Returning says nothing about landing, and neither does an error.
        """
        options = TxOpts(skip_preflight=True, max_retries=0, preflight_commitment=Processed)
        await self._client.send_raw_transaction(transaction, options)

    async def statuses(self, signatures: Iterable[Signature], search_history: bool = False) -> Statuses:
        """What the node knows of at most 256 signatures; its whole history only when asked to search it."""
        body = GetSignatureStatuses(list(signatures), RpcSignatureStatusConfig(search_history))
        answer: Statuses = await self._provider.make_request(body, Statuses)
        if len(answer.values) != len(body.signatures):
            raise ChainUnavailable(f"{len(answer.values)} statuses for {len(body.signatures)} signatures")
        return answer

    async def transaction(self, signature: Signature) -> EncodedConfirmedTransactionWithStatusMeta | None:
        """The landed transaction with its balance changes, None while the node has not got it."""
        answer = await self._client.get_transaction(
            signature, encoding="base64", commitment=_CONFIRMED, max_supported_transaction_version=0
        )
        found: EncodedConfirmedTransactionWithStatusMeta | None = answer.value
        return found

    async def version(self) -> str:
        """The version of the node's software."""
        return str((await self._client.get_version()).value.solana_core)

    async def newest_block_time(self) -> tuple[int, int]:
        """The newest confirmed slot, and the Unix time in seconds that the cluster gives its block."""
        slot = int((await self._client.get_slot(Confirmed)).value)
        unix_time = (await self._client.get_block_time(slot)).value
        if unix_time is None:
            raise ChainUnavailable(f"the node does not tell the time of block {slot}")
        return slot, int(unix_time)

    async def recent_fees(self, accounts: Sequence[Pubkey]) -> list[int]:
        """For each recent slot the price that got a transaction in which writes all of at most 128 accounts.

        Micro-lamports per compute unit.
        """
        answer = await self._client.get_recent_prioritization_fees(list(accounts))
        return [int(slot.prioritization_fee) for slot in answer.value]

    async def history(
        self, address: Pubkey, before: Signature | None = None, until: Signature | None = None, final: bool = False
    ) -> list[HistoryEntry]:
        """At most 1,000 transactions that name the address, newest first, between two signatures (exclusive).

        Confirmed ones, or only those that no fork can undo.
        """
        answer = await self._client.get_signatures_for_address(
            address, before, until, MAX_HISTORY, Finalized if final else Confirmed
        )
        return [
            HistoryEntry(entry.signature, entry.slot, entry.err is not None, entry.memo, entry.block_time)
            for entry in answer.value
        ]


_CONFIRMED: Commitment = Confirmed


class RpcNode(RpcMethods):
    """One node of several, for questions where it matters who answers."""

    def __init__(self, endpoint: Endpoint, endpoints: Endpoints) -> None:
        super().__init__(endpoint)
        self.host = endpoint.host
        self._endpoint, self._endpoints = endpoint, endpoints

    @property
    def is_of_our_cluster(self) -> bool:
        """Whether it is known to be, which a proof needs; one that is known not to be is never given out."""
        return self._endpoints.is_ours(self._endpoint)


class SolanaRpc(RpcMethods):
    """The chain: whichever of its RPC endpoints does best answers, and several are handed what is to be sent.

    `url` is preferred while it is no worse than the `fallbacks`. All belong to the cluster of `genesis_hash`, without
    one to that of `url`. `clock` gives seconds and never goes back.
    """

    def __init__(
        self,
        url: str,
        fallbacks: Sequence[str] = (),
        *,
        genesis_hash: str | None = None,
        observer: RpcObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        chance, slots = random or Random(), SlotClock()
        endpoints = [
            Endpoint(Transport(each), slots, Health(chance), clock, observer)
            for each in dict.fromkeys((url, *fallbacks))
        ]
        self._clock = clock
        self._endpoints = Endpoints(endpoints, clock, genesis_hash)
        self._nodes = {endpoint: RpcNode(endpoint, self._endpoints) for endpoint in endpoints}
        super().__init__(self._endpoints)

    def absent(self, nodes: Iterable[object]) -> tuple[Circuit, ...]:
        """Why each of the nodes that are not among these is left alone."""
        asked = set(map(id, nodes))
        now = self._clock()
        return tuple(each.health.circuit(now) for each, node in self._nodes.items() if id(node) not in asked)

    def nodes(self) -> Sequence[RpcNode]:
        """Each node that may be asked now, the best first; none while all have asked to be left alone."""
        return [self._nodes[endpoint] for endpoint in self._endpoints.in_order()]

    def report(self) -> tuple[EndpointReport, ...]:
        """How each endpoint stands, in the order in which they were named."""
        now, moment = self._clock(), datetime.now(UTC)

        def at(seconds: float) -> datetime:
            return moment + timedelta(seconds=seconds - now)

        return tuple(
            EndpointReport(
                host=each.host,
                circuit=each.health.circuit(now),
                cost_ms=round(each.health.cost(now) * 1_000),
                latency_ms=None if (latency := each.health.latency()) is None else round(latency * 1_000),
                slots_behind=each.health.slots_behind(now),
                heard_at=None if each.health.heard_at is None else at(each.health.heard_at),
                rests_until=at(each.health.rests_until()) if each.health.rests_until() > now else None,
            )
            for each in self._nodes
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoints.close()


def _base58(value: bytes) -> str:
    """Base58 of any bytes; Pubkey and Signature only write 32 and 64."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, digits = int.from_bytes(value, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = alphabet[digit] + digits
    return "1" * (len(value) - len(value.lstrip(b"\0"))) + digits
