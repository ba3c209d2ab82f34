"""A chain and its nodes as a test scripts them: who is behind, lies, hangs or is away, and what truly lands."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from solders.signature import Signature
from solders.transaction_status import TransactionErrorType

from activities.solana.errors import ChainUnavailable, Outcome
from activities.solana.observer import Circuit
from activities.solana.rpc import MAX_STATUSES, BlockPosition
from activities.solana.statuses import Level, SignatureStatus, Statuses

FIRST_SLOT = 10_000
# Slots without a block, so that a height is no slot.
SKIPPED = 500
FINALITY = 32
# What a node remembers without searching its history.
REMEMBERED = 300


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next thing to do: hours pass at once, in the order in which they would."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@dataclass
class Block:
    """Where a transaction is, and until which slot; a fork takes it away then."""

    slot: int
    error: TransactionErrorType | None = None
    gone_at: int | None = None


@dataclass
class World:
    """What is true. One slot takes `slot_seconds`."""

    slot: int = FIRST_SLOT
    blocks: dict[Signature, list[Block]] = field(default_factory=dict)
    nodes: list["ScriptedNode"] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    slot_seconds: float = 0.4

    def height(self, slot: int) -> int:
        """The height of the block in a slot."""
        return slot - SKIPPED

    def land(self, signature: Signature, error: TransactionErrorType | None = None, gone_at: int | None = None) -> None:
        """Put it into the block in progress."""
        self.blocks.setdefault(signature, []).append(Block(self.slot, error, gone_at))

    def status(self, signature: Signature, as_of: int, since: int) -> SignatureStatus | None:
        """What a node knows as of a slot that has the blocks since another."""
        for block in self.blocks.get(signature, ()):
            is_gone = block.gone_at is not None and as_of >= block.gone_at
            if since <= block.slot <= as_of and not is_gone:
                age = as_of - block.slot
                level = Level.FINALIZED if age >= FINALITY else Level.CONFIRMED if age >= 1 else Level.PROCESSED
                return SignatureStatus(block.slot, block.error, level)
        return None

    async def run(self) -> None:
        """Let slots pass."""
        while True:
            await asyncio.sleep(self.slot_seconds)
            self.slot += 1

    async def reach(self, slot: int) -> None:
        """Wait for a slot."""
        for _ in range(slot - self.slot):
            await asyncio.sleep(self.slot_seconds)

    def count(self, method: str) -> None:
        """Note a call."""
        self.calls[method] = self.calls.get(method, 0) + 1


@dataclass(eq=False)
class ScriptedNode:
    """One node; its fields may change at any time."""

    world: World
    host: str
    is_of_our_cluster: bool = True
    behind: int = 0
    failure: ChainUnavailable | None = None
    hangs: bool = False
    # Says "not found", whatever it knows.
    denies: bool = False
    claims: dict[Signature, SignatureStatus] = field(default_factory=dict)
    first_block: int = 0
    has_history: bool = True
    # One that is not listed is dead, or has asked to be left alone.
    is_listed: bool = True
    rests: bool = False
    searches: int = 0

    def __post_init__(self) -> None:
        self.world.nodes.append(self)

    @property
    def slot(self) -> int:
        """The newest slot that it knows."""
        return self.world.slot - self.behind

    async def statuses(self, signatures: Iterable[Signature], search_history: bool = False) -> Statuses:
        """What it says of the signatures."""
        asked = list(signatures)
        assert 0 < len(asked) <= MAX_STATUSES
        await self._answering("getSignatureStatuses")
        if search_history:
            self.searches += 1
            if not self.has_history:
                raise ChainUnavailable(f"{self.host}: no history", Outcome.NO_HISTORY, code=-32011)
        since = max(self.first_block, 0 if search_history else self.slot - REMEMBERED)
        return Statuses(self.slot, tuple(self._says(each, since) for each in asked))

    def _says(self, signature: Signature, since: int) -> SignatureStatus | None:
        if signature in self.claims:
            return self.claims[signature]
        return None if self.denies else self.world.status(signature, self.slot, since)

    async def finalized(self) -> BlockPosition:
        """Its last final block."""
        await self._answering("getEpochInfo")
        return BlockPosition(self.slot - FINALITY, self.world.height(self.slot - FINALITY))

    async def first_available_block(self) -> int:
        """Its oldest block."""
        await self._answering("getFirstAvailableBlock")
        return self.first_block

    async def _answering(self, method: str) -> None:
        self.world.count(method)
        # An answer takes its time: others have their turn.
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.sleep(5)
            raise ChainUnavailable(f"{self.host}: no answer within 5 s", Outcome.TIMED_OUT)
        if self.failure is not None:
            raise self.failure


class ScriptedRpc:
    """Stands in for `SolanaRpc`: the nodes that are listed, in their order."""

    def __init__(self, world: World) -> None:
        self._world = world

    def absent(self, nodes: Iterable[object]) -> Sequence[Circuit]:
        """Those that are not listed."""
        return [Circuit.RESTING if node.rests else Circuit.OPEN for node in self._world.nodes if not node.is_listed]

    def nodes(self) -> Sequence[ScriptedNode]:
        """Those that may be asked."""
        return [node for node in self._world.nodes if node.is_listed]

    async def send(self, transaction: bytes) -> None:
        """Take the bytes."""
        self._world.count("sendTransaction")
        await asyncio.sleep(0)
        self._world.sent.append((self._world.slot, transaction))


def down() -> ChainUnavailable:
    """What a dead node gives."""
    return ChainUnavailable("dead: no connection", Outcome.UNREACHABLE)
