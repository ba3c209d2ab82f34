"""Starts the simulated cluster: as a process, or inside of a test."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator

import uvloop

from deploy.localnet.app import MAX_BODY, App
from deploy.localnet.cluster import FAUCET, open_cluster
from deploy.localnet.faults import FaultPlan
from deploy.localnet.http_server import Connections
from deploy.localnet.node import Node
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.wallets import wallet


def serve(settings: LocalnetSettings) -> None:
    """Run until SIGTERM or SIGINT, then return.

    Raises what `open_cluster` raises, and OSError when the port is taken.
    """
    uvloop.run(_serve(settings))


@contextlib.asynccontextmanager
async def running_localnet(settings: LocalnetSettings) -> AsyncIterator[str]:
    """A cluster in the running event loop; gives its URL. Port 0 takes a free port; raises as `serve` does."""
    node = open_node(settings)
    connections = Connections(App(node), MAX_BODY)
    try:
        with _listening(settings) as listener:
            port = listener.getsockname()[1]
            server = await asyncio.get_running_loop().create_server(connections.protocol, sock=listener)
            try:
                host = f"[{settings.host}]" if ":" in settings.host else settings.host
                yield f"http://{host}:{port}"
            finally:
                server.close()
                connections.close()
                await server.wait_closed()
    finally:
        node.ledger.close()


def open_node(settings: LocalnetSettings) -> Node:
    """The cluster of the settings with everything a node needs; raises as `open_cluster` does."""
    ledger = open_cluster(settings)
    return Node(ledger, FaultPlan(settings.seed), wallet(settings.data_dir / "wallets", FAUCET))


async def _serve(settings: LocalnetSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with running_localnet(settings):
        await stop.wait()


def _listening(settings: LocalnetSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
