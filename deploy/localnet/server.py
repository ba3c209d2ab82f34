"""Starts the simulated cluster: as a process, or inside of a test."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from deploy.localnet.app import App
from deploy.localnet.cluster import FAUCET, open_cluster
from deploy.localnet.faults import FaultPlan
from deploy.localnet.node import Node
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.wallets import wallet


def serve(settings: LocalnetSettings) -> None:
    """Run until SIGTERM or SIGINT, then return.

    Raises what `open_cluster` raises, and OSError when the port is taken.
    """
    node = open_node(settings)
    try:
        with _listening(settings) as listener:
            _Process(_config(node)).run(sockets=[listener])
    finally:
        node.ledger.close()


@contextlib.asynccontextmanager
async def running_localnet(settings: LocalnetSettings) -> AsyncIterator[str]:
    """A cluster in the running event loop; gives its URL. Port 0 takes a free port; raises as `serve` does."""
    node = open_node(settings)
    try:
        with _listening(settings) as listener:
            server = _Embedded(_config(node))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://{settings.host}:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
    finally:
        node.ledger.close()


def open_node(settings: LocalnetSettings) -> Node:
    """The cluster of the settings with everything a node needs."""
    ledger = open_cluster(settings)
    return Node(ledger, FaultPlan(settings.seed), wallet(settings.data_dir / "wallets", FAUCET))


class _Embedded(uvicorn.Server):
    """uvicorn without signal handlers: they belong to the process that embeds it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class _Process(uvicorn.Server):
    """uvicorn that takes a signal as the wish to end well: it does not raise it again afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving on SIGTERM and SIGINT."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def _listening(settings: LocalnetSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)


def _config(node: Node) -> uvicorn.Config:
    return uvicorn.Config(
        App(node),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
