"""What the chain itself tells of our orders: the transactions of our wallets whose memo names one."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta

from activities.solana.fills import FillUnreadable, read_fill
from activities.solana.rpc import MAX_HISTORY, MAX_STATUSES, ChainUnavailable, SolanaRpc
from activities.solana.statuses import Level
from workflows.domain.ids import parse_memo
from workflows.domain.order import Fill
from workflows.domain.reconciliation import ChainSwap, OrderRecord


class ChainHistory:
    """Reads what landed. Every method raises ChainUnavailable when the node gives no usable answer."""

    def __init__(self, rpc: SolanaRpc) -> None:
        self._rpc = rpc

    async def pages(
        self, wallet: str, until: str | None = None, since: datetime | None = None, final: bool = False
    ) -> AsyncIterator[tuple[str | None, list[ChainSwap]]]:
        """A wallet's transactions with a memo of ours, newest first, after the signature `until` and the time `since`.

        Each page comes with the newest signature of all that was read, None when there is none.
        """
        address = Pubkey.from_string(wallet)
        last = None if until is None else Signature.from_string(until)
        before: Signature | None = None
        newest: str | None = None
        while True:
            entries = await self._rpc.history(address, before, last, final)
            if entries and newest is None:
                newest = str(entries[0].signature)
            swaps = []
            for entry in entries:
                named = parse_memo(entry.memo) if entry.memo else None
                if named:
                    at = (str(entry.signature), *named, entry.slot)
                    swaps.append(ChainSwap(*at, entry.failed, wallet, entry.unix_time))
            yield newest, swaps
            if len(entries) < MAX_HISTORY or _older(entries[-1].unix_time, since):
                return
            before = entries[-1].signature

    async def confirmed(self, orders: Sequence[OrderRecord]) -> dict[str, list[ChainSwap]]:
        """By order, the transactions of its attempts that are in a confirmed block now."""
        signed = [(order.order_id, attempt) for order in orders for attempt in order.attempts]
        found: defaultdict[str, list[ChainSwap]] = defaultdict(list)
        for start in range(0, len(signed), MAX_STATUSES):
            asked = signed[start : start + MAX_STATUSES]
            signatures = [Signature.from_string(attempt.signature) for _, attempt in asked]
            statuses = await self._rpc.statuses(signatures, search_history=True)
            for (order_id, attempt), status in zip(asked, statuses.values, strict=True):
                if status is not None and status.level >= Level.CONFIRMED:
                    at = (attempt.signature, order_id, attempt.attempt, status.slot)
                    found[order_id].append(ChainSwap(*at, status.error is not None, attempt.wallet))
        return found

    async def ours(self, swaps: Iterable[ChainSwap]) -> list[ChainSwap]:
        """Those that their wallet signed: anyone can send a transaction that names our address and carries our memo."""
        return [swap for swap in swaps if await self._signed(swap)]

    async def _signed(self, swap: ChainSwap) -> bool:
        encoded = (await self._transaction(swap)).transaction.transaction
        if not isinstance(encoded, VersionedTransaction):
            encoded = encoded.decode()  # type: ignore[union-attr]
        if encoded is None:
            raise ChainUnavailable(f"the node shows no readable transaction {swap.signature}")
        message = encoded.message
        signers: Sequence[Pubkey] = message.account_keys[: message.header.num_required_signatures]
        return Pubkey.from_string(swap.wallet) in signers

    async def fill(self, swap: ChainSwap, token_in: str, token_out: str) -> Fill:
        """The amounts of a landed swap."""
        landed = await self._transaction(swap)
        wallet = Pubkey.from_string(swap.wallet)
        try:
            return read_fill(landed, wallet, Pubkey.from_string(token_in), Pubkey.from_string(token_out))
        except FillUnreadable as error:
            raise ChainUnavailable(f"{swap.signature}: {error}") from error

    async def _transaction(self, swap: ChainSwap) -> EncodedConfirmedTransactionWithStatusMeta:
        landed = await self._rpc.transaction(Signature.from_string(swap.signature))
        if landed is None:
            raise ChainUnavailable(f"the node lists {swap.signature} and does not show it")
        return landed


def _older(unix_time: int | None, since: datetime | None) -> bool:
    return unix_time is not None and since is not None and unix_time < since.timestamp()
