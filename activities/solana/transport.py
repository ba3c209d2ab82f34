"""How JSON-RPC requests travel: the requests of the `solana` client over aiohttp.

The client's own transport takes four times the CPU for each request, which was a quarter of the worker's.
"""

from typing import Any, get_args

import aiohttp
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment
from solana.rpc.core import RPCException
from solders.rpc.requests import Body
from solders.rpc.responses import RPCError

_HEADERS = {"Content-Type": "application/json"}

# Requests at a time to one node; more wait for a free connection.
_CONNECTIONS = 64


class Transport:
    """Stands in for `solana.rpc.async_http_provider.AsyncHTTPProvider`."""

    def __init__(self, endpoint: str, timeout_seconds: float) -> None:
        self._endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def make_request(self, body: Body, parser: Any) -> Any:
        """The node's answer, read by `parser`, one of `solders.rpc.responses`.

        Raises SolanaRpcException without an answer, RPCException with the node's own error.
        """
        answer = parser.from_json(await self.make_request_unparsed(body))
        if isinstance(answer, get_args(RPCError)):
            raise RPCException(answer)
        return answer

    async def make_request_unparsed(self, body: Body) -> str:
        """The node's answer as text."""
        if self._session is None:
            # Made here because a session belongs to the event loop that runs.
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=connector)
        try:
            async with self._session.post(self._endpoint, data=body.to_json(), headers=_HEADERS) as response:
                response.raise_for_status()
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SolanaRpcException(error, self.make_request_unparsed, self, body) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def solana_client(endpoint: str, commitment: Commitment, timeout_seconds: float) -> AsyncClient:
    """A client of the node at `endpoint`."""
    client = AsyncClient(endpoint, commitment=commitment)
    client._provider = Transport(endpoint, timeout_seconds)  # type: ignore[assignment]
    return client
