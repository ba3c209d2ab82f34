"""What the installation may hang into a worker to watch it; the worker itself needs none of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Interceptor


@dataclass(frozen=True)
class WorkerHooks:
    """Interceptors of the client and of the worker that is made from it, and whether wallets are measured."""

    interceptors: Sequence[Interceptor] = ()
    balances: bool = False
