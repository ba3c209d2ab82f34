"""Reads what a landed transaction traded from whichever node can show it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta

from activities.solana.errors import ChainUnavailable
from activities.solana.fills import FillUnreadable, read_fill
from workflows.domain.order import Fill

log = logging.getLogger(__name__)

# A node may confirm a signature a moment before it can show the transaction; then less and less often.
_PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Traded:
    """Whose balances of which mints a transaction changed."""

    wallet: Pubkey
    sold: Pubkey
    bought: Pubkey


class TransactionNode(Protocol):
    """One node that shows transactions; raises ChainUnavailable."""

    host: str

    def transaction(
        self, signature: Signature
    ) -> Coroutine[Any, Any, EncodedConfirmedTransactionWithStatusMeta | None]:
        """The landed transaction, None while the node has not got it."""


class Nodes(Protocol):
    """All nodes."""

    def nodes(self) -> Sequence[TransactionNode]:
        """Each node that may be asked now, the best first."""


class FillReader:
    """Asks one node after the other, since the swap has landed whether or not one of them can show it."""

    def __init__(self, rpc: Nodes, sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep) -> None:
        self._rpc = rpc
        self._sleep = sleep

    async def read(self, signature: Signature, traded: Traded) -> Fill | None:
        """The amounts; None when no node has shown them for some seconds, and whether it stands is to be asked again.

        Raises nothing: what goes wrong is logged, each reason once.
        """
        said: set[str] = set()
        for pause in _PAUSES_SECONDS:
            for node in self._rpc.nodes():
                try:
                    landed = await node.transaction(signature)
                    if landed is not None:
                        return read_fill(landed, traded.wallet, traded.sold, traded.bought)
                    continue
                except (ChainUnavailable, FillUnreadable) as error:
                    reason = str(error)
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    if (text := f"{node.host}: {reason}") not in said:
                        said.add(text)
                        log.exception("amounts of %s, from %s", signature, node.host)
                    continue
                if (text := f"{node.host}: {reason}") not in said:
                    said.add(text)
                    log.warning("amounts of %s: %s", signature, text)
            await self._sleep(pause)
        log.warning("amounts of %s: it has landed, and no node shows it", signature)
        return None
