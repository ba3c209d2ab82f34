"""The nodes of the simulated cluster, on the wire: what `aiohttp` carries to them and back.

The engine's own client, transport and tracker run in front of it, whatever they are made of.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, ClassVar, Protocol

import aiohttp
from solders.transaction import VersionedTransaction

from tests.samples import SOL, USDC
from tests.simulation.chain import CONFIRMED_AFTER, FINALIZED_AFTER, Executed, SimulatedChain
from tests.simulation.weather import NodeWeather, within

# What the one pool of the simulation pays.
AMOUNT_OUT = 290_000_000

_GENESIS = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
_FEE = 5_000
_POOL_OWNER = "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1"

# After this a signature is no longer among the recent ones, and only a search of the history finds it.
_RECENT_SLOTS = 150

_SLOWEST_SECONDS = 30.0


class Node:
    """One RPC node: its view of the chain, a lag behind it."""

    def __init__(self, chain: SimulatedChain, weather: NodeWeather, chance: Random, clock: Callable[[], float]) -> None:
        self._chain = chain
        self._weather = weather
        self._chance = chance
        self._clock = clock

    async def answer(self, body: str, patience: float) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an HTTP answer; raises TimeoutError."""
        request = json.loads(body)
        await asyncio.sleep(self._chance.uniform(0.001, 0.05))
        if not self._chain.calm:
            weather, roll = self._weather, self._chance.random()
            if within(self._clock(), weather.away):
                raise ConnectionRefusedError("the node is away")
            if roll < weather.refuses:
                return 429, {"Retry-After": str(self._chance.randint(0, 2))}, "slow down"
            if roll < weather.refuses + weather.hangs:
                # The question arrives; it is the answer that does not.
                if self._chance.random() < 0.5:
                    self._result(request)
                await asyncio.sleep(min(patience, _SLOWEST_SECONDS))
                raise TimeoutError
        result = self._result(request)
        return 200, {}, json.dumps({"jsonrpc": "2.0", "id": request.get("id", 0), "result": result})

    def _result(self, request: dict[str, Any]) -> Any:
        method, params = request["method"], request.get("params", [])
        # What happened until now has happened before the question is looked at.
        self._chain.slot()
        return getattr(self, f"_{method}")(*params)

    def _tip(self, commitment: str = "processed") -> int:
        lag = 0 if self._chain.calm else self._weather.lag
        behind = {"processed": 0, "confirmed": CONFIRMED_AFTER, "finalized": FINALIZED_AFTER}[commitment]
        return self._chain.slot() - 1 - lag - behind

    def _getGenesisHash(self) -> str:  # noqa: N802 (JSON-RPC's names)
        return _GENESIS

    def _getFirstAvailableBlock(self) -> int:  # noqa: N802
        return 0

    def _getSlot(self, config: dict[str, Any] | None = None) -> int:  # noqa: N802
        return self._tip((config or {}).get("commitment", "finalized"))

    def _getEpochInfo(self, config: dict[str, Any]) -> dict[str, int]:  # noqa: N802
        block = self._chain.block_at(self._tip(config.get("commitment", "finalized")))
        return {
            "absoluteSlot": block.slot,
            "blockHeight": block.height,
            "epoch": 0,
            "slotIndex": block.slot,
            "slotsInEpoch": 432_000,
            "transactionCount": 1,
        }

    def _getLatestBlockhash(self, config: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        slot = self._tip(config.get("commitment", "finalized"))
        blockhash, height = self._chain.latest_blockhash(slot)
        return self._context({"blockhash": blockhash, "lastValidBlockHeight": height})

    def _sendTransaction(self, wire: str, config: dict[str, Any]) -> str:  # noqa: N802
        transaction = base64.b64decode(wire)
        self._chain.submit(transaction)
        return str(VersionedTransaction.from_bytes(transaction).signatures[0])

    def _getSignatureStatuses(self, signatures: list[str], config: dict[str, Any] | None = None) -> Any:  # noqa: N802
        searched = bool((config or {}).get("searchTransactionHistory"))
        return self._context([self._status(signature, searched) for signature in signatures])

    def _status(self, signature: str, searched: bool) -> Any:
        found, tip = self._chain.executed.get(signature), self._tip()
        if found is None or found.slot > tip:
            return None
        old = found.slot < tip - _RECENT_SLOTS
        if old and not searched:
            return None
        if not self._chain.calm:
            if self._weather.pruned:
                return None
            if not searched and self._chance.random() < self._weather.forgets:
                return None
        level = "processed"
        for name in ("confirmed", "finalized"):
            if found.slot <= self._tip(name):
                level = name
        return {
            "slot": found.slot,
            "confirmations": None if level == "finalized" else tip - found.slot,
            "err": found.error,
            "status": {"Ok": None} if found.error is None else {"Err": found.error},
            "confirmationStatus": level,
        }

    def _getTransaction(self, signature: str, config: dict[str, Any]) -> Any:  # noqa: N802
        found = self._chain.executed.get(signature)
        if found is None or found.slot > self._tip("confirmed"):
            return None
        return {
            "slot": found.slot,
            "blockTime": None,
            "version": 0,
            "transaction": [base64.b64encode(bytes(found.transaction)).decode(), "base64"],
            "meta": _meta(found),
        }

    def _context(self, value: Any) -> dict[str, Any]:
        return {"context": {"slot": self._tip(), "apiVersion": "3.1.8"}, "value": value}


def _meta(found: Executed) -> dict[str, Any]:
    wallet = str(found.transaction.message.account_keys[0])
    keys = len(found.transaction.message.account_keys)
    traded = 1 if found.error is None else 0

    def balance(index: int, mint: str, owner: str, amount: int, decimals: int) -> dict[str, Any]:
        text = {"amount": str(amount), "decimals": decimals, "uiAmount": None, "uiAmountString": str(amount)}
        return {"accountIndex": index, "mint": mint, "owner": owner, "uiTokenAmount": text}

    def balances(after: int) -> list[dict[str, Any]]:
        return [
            balance(0, USDC.mint, wallet, after * AMOUNT_OUT, USDC.decimals),
            balance(1, SOL.mint, _POOL_OWNER, after * 1_500_000_000, SOL.decimals),
        ]

    return {
        "err": found.error,
        "status": {"Ok": None} if found.error is None else {"Err": found.error},
        "fee": _FEE,
        "preBalances": [0] * keys,
        "postBalances": [0] * keys,
        "preTokenBalances": balances(0),
        "postTokenBalances": balances(traded),
        "innerInstructions": [],
        "logMessages": [],
        "rewards": [],
        "loadedAddresses": {"readonly": [], "writable": []},
    }


class Answers(Protocol):
    """A node as someone reaches it."""

    async def answer(self, body: str, patience: float) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an HTTP answer; raises TimeoutError and ConnectionRefusedError."""


class _Response:
    """Stands in for `aiohttp.ClientResponse`."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self._text = text

    def raise_for_status(self) -> None:
        """Raise for a status that is no success."""
        if self.status >= 400:
            raise aiohttp.ClientError(f"HTTP {self.status}")

    async def text(self, **_: Any) -> str:
        """The body."""
        return self._text


class _Exchange:
    """One request: `async with session.post(…) as response`."""

    def __init__(self, node: Answers, body: str, timeout: float) -> None:
        self._node = node
        self._body = body
        self._timeout = timeout

    async def __aenter__(self) -> _Response:
        try:
            return _Response(*await self._node.answer(self._body, self._timeout))
        except ConnectionRefusedError as error:
            raise aiohttp.ClientOSError(*error.args) from error

    async def __aexit__(self, *_: object) -> None:
        pass


class Session:
    """Stands in for `aiohttp.ClientSession`; `nodes`, by address, are those of whoever opens a session now."""

    nodes: ClassVar[Mapping[str, Answers]] = {}

    def __init__(self, timeout: Any = None, **_: Any) -> None:
        self._timeout = timeout
        self._reached = self.nodes

    def post(self, url: str, *, data: str, timeout: Any = None, **_: Any) -> _Exchange:
        """Ask the node behind the address."""
        limit = timeout or self._timeout
        return _Exchange(self._reached[url], data, limit.total if limit else _SLOWEST_SECONDS)

    async def close(self) -> None:
        """Nothing is open."""
