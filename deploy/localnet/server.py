"""Starts the simulated cluster: as a process, or inside of a test."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator

import uvicorn

from deploy.localnet.app import App
from deploy.localnet.cluster import FAUCET, open_cluster
from deploy.localnet.faults import FaultPlan
from deploy.localnet.node import Node
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.wallets import wallet


def serve(settings: LocalnetSettings) -> None:
    """Run until SIGTERM or SIGINT, then return. Raises what `open_cluster` raises, and OSError when the
    port is taken."""
    node = open_node(settings)
    try:
        _Process(_config(node, settings)).run()
    finally:
        node.ledger.close()


@contextlib.asynccontextmanager
async def running_localnet(settings: LocalnetSettings) -> AsyncIterator[str]:
    """A cluster in the running event loop; gives its URL. Port 0 takes a free port."""
    node = open_node(settings)
    server = _Embedded(_config(node, settings))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise OSError(f"cannot listen on {settings.host}:{settings.port}")
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://{settings.host}:{port}"
    finally:
        server.should_exit = True
        await serving
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


def _config(node: Node, settings: LocalnetSettings) -> uvicorn.Config:
    return uvicorn.Config(
        App(node),
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
