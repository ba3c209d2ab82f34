"""What the installation may hang into a worker to watch it; the worker itself needs none of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Interceptor

from activities.solana.observer import RpcObserver


@dataclass(frozen=True)
class WorkerHooks:
    """Interceptors of the client and so of the worker, who hears of calls to nodes, whether wallets are measured."""

    interceptors: Sequence[Interceptor] = ()
    observer: RpcObserver | None = None
    balances: bool = False


UNWATCHED = WorkerHooks()
