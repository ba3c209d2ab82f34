"""Starts the simulated cluster: as a process, or inside of a test."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator

import uvloop
from websockets.asyncio.server import serve as serve_websockets

from deploy.localnet.app import MAX_BODY, App
from deploy.localnet.cluster import FAUCET, open_cluster
from deploy.localnet.fault_file import parse_fault, read_faults
from deploy.localnet.faults import Fault
from deploy.localnet.http_server import Connections
from deploy.localnet.node import MAIN, Node, Nodes
from deploy.localnet.pubsub import PubSub
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.wallets import wallet

_log = logging.getLogger(__name__)
# How often to look for two free ports in a row.
_MAX_ATTEMPTS = 20


def serve(settings: LocalnetSettings) -> None:
    """Run until SIGTERM or SIGINT, then return.

    Raises what `open_cluster` raises, OSError when the port is taken, and FaultError.
    """
    uvloop.run(_serve(settings))


@contextlib.asynccontextmanager
async def running_localnet(settings: LocalnetSettings) -> AsyncIterator[str]:
    """A cluster in the running event loop; gives its URL. Port 0 takes a free port; raises as `serve` does.

    WebSocket subscriptions are served on the port above, where that is free.
    """
    async with contextlib.AsyncExitStack() as stack:
        nodes = open_nodes(settings)
        stack.callback(nodes.main.ledger.close)
        listener, sub_listener = _listening(settings)
        stack.enter_context(listener)
        if sub_listener is not None:
            stack.enter_context(sub_listener)
            pubsub = PubSub(nodes)
            stack.callback(pubsub.close)
            await stack.enter_async_context(serve_websockets(pubsub.serve, sock=sub_listener, compression=None))
        connections = Connections(App(nodes), MAX_BODY)
        server = await asyncio.get_running_loop().create_server(connections.protocol, sock=listener)
        stack.callback(connections.close)
        stack.callback(server.close)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"http://{host}:{listener.getsockname()[1]}"


def open_nodes(settings: LocalnetSettings) -> Nodes:
    """The cluster of the settings with its nodes; raises as `open_cluster` does, and FaultError."""
    faults, seed = _first_faults(settings)
    ledger = open_cluster(settings)
    try:
        return Nodes(ledger, wallet(settings.data_dir / "wallets", FAUCET), seed, faults)
    except BaseException:
        ledger.close()
        raise


def open_node(settings: LocalnetSettings) -> Node:
    """The main node of the cluster of the settings; raises as `open_nodes` does."""
    return open_nodes(settings).main


def _first_faults(settings: LocalnetSettings) -> tuple[dict[str, list[Fault]], int]:
    """The faults in force from the start on, by node, and the seed of their draws."""
    faults: dict[str, list[Fault]] = {}
    seed: int | None = None
    if settings.faults is not None:
        faults, seed = read_faults(settings.faults, MAIN)
    for text in settings.fault:
        name, fault = parse_fault(text, MAIN)
        faults.setdefault(name, []).append(fault)
    return faults, settings.seed if seed is None else seed


async def _serve(settings: LocalnetSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with running_localnet(settings):
        await stop.wait()


def _listening(settings: LocalnetSettings) -> tuple[socket.socket, socket.socket | None]:
    """Sockets for JSON-RPC and, on the next port, for subscriptions; OSError when the first is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Where any port is wanted, another pair will do.
    for _ in range(1 if settings.port else _MAX_ATTEMPTS):
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        next_port = listener.getsockname()[1] + 1
        try:
            return listener, socket.create_server((settings.host, next_port), family=family)
        except (OSError, OverflowError):
            if settings.port:
                _log.warning("port %d is taken: localnet serves no subscriptions", next_port)
                return listener, None
            listener.close()
    raise OSError("no two free ports in a row")
