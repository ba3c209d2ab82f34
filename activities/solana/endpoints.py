"""Several nodes as one: who is asked, when the next one is asked instead, and who is left alone for a while."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from solders.commitment_config import CommitmentLevel
from solders.rpc.config import RpcContextConfig
from solders.rpc.requests import Body, GetGenesisHash, GetSlot
from solders.rpc.responses import GetGenesisHashResp, GetSlotResp

from activities.solana.errors import HARMLESS, ChainUnavailable, Outcome
from activities.solana.health import Health
from activities.solana.observer import Circuit, RpcObserver, SilentObserver
from activities.solana.transport import Transport, read_answer

log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

# Requests at a time to one node; more wait for their turn.
CONNECTIONS = 64

# A node that searches its accounts takes as long as it takes; anything else is worth no longer wait.
_TIMEOUT_SECONDS = 5.0
_SEARCH_TIMEOUT_SECONDS = 30.0
_SEARCHES = frozenset({"getProgramAccounts"})

# After so long without an answer another node is asked as well.
PATIENCE_SECONDS = 0.75

# Whoever gives up on a node later than this holds it against the node.
_SLOW_SECONDS = 0.5

# How many nodes get the same signed bytes at once.
_SENDS_AT_ONCE = 3

# An endpoint of which nothing was heard for so long is asked how it is.
_SILENCE_SECONDS = 10.0

# Where every node rests, the end of a rest is waited for if it is no further away than this.
_LONGEST_WAIT = 1.0

# Beside a node that is named earlier, one that is faster by less than this is no better.
_COST_OF_RANK = 0.01

# Requests whose answers are as of the newest block that the node works on, which tells how far it is behind.
_AT_PROCESSED = frozenset({"getMultipleAccounts", "getSignatureStatuses", "simulateTransaction", "getSlot"})

_OTHER_NAMES = {"SendRawTransaction": "sendTransaction", "SimulateVersionedTransaction": "simulateTransaction"}


class SlotClock:
    """The newest slot that any endpoint has told of."""

    def __init__(self) -> None:
        self.newest = 0

    def seen(self, slot: int) -> int:
        """How far behind the newest it is."""
        self.newest = max(self.newest, slot)
        return self.newest - slot


class Endpoint:
    """One node: its connections, its health, and a bound on the requests that it has at a time."""

    def __init__(
        self,
        transport: Transport,
        slots: SlotClock,
        health: Health,
        clock: Callable[[], float] = time.monotonic,
        observer: RpcObserver | None = None,
    ) -> None:
        self.host = transport.host
        self.health = health
        # The cluster it belongs to, once it has been asked.
        self.genesis_hash: str | None = None
        self._transport = transport
        self._slots = slots
        self._clock = clock
        self._observer = observer or SilentObserver()
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._circuit = Circuit.CLOSED

    async def make_request(self, body: Body, parser: Any) -> Any:
        """The node's answer; raises ChainUnavailable, which names the host."""
        method = method_of(body)
        async with self._turns:
            started, outcome = self._clock(), Outcome.TIMED_OUT
            failure: ChainUnavailable | None = None
            try:
                timeout = _SEARCH_TIMEOUT_SECONDS if method in _SEARCHES else _TIMEOUT_SECONDS
                answer = read_answer(await self._transport.post(body.to_json(), timeout), parser)
                outcome = Outcome.ANSWERED
            except ChainUnavailable as error:
                outcome, failure = error.outcome, error
            except asyncio.CancelledError:
                self._given_up(method, started)
                raise
            self._record(method, started, outcome, failure)
            if failure is not None:
                failure.args = (f"{self.host}: {failure}",)
                raise failure
            if method in _AT_PROCESSED:
                self._note_slot(answer)
            return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _given_up(self, method: str, started: float) -> None:
        seconds = self._clock() - started
        if seconds >= _SLOW_SECONDS and method not in _SEARCHES:
            self._record(method, started, Outcome.TIMED_OUT, None)

    def _record(self, method: str, started: float, outcome: Outcome, error: ChainUnavailable | None) -> None:
        now = self._clock()
        if outcome in HARMLESS:
            self.health.succeeded(now, now - started)
        elif outcome is Outcome.RATE_LIMITED:
            self.health.rested(now, error.retry_after if error else None)
        else:
            self.health.failed(now)
        if error is not None and error.slots_behind is not None:
            self.health.behind(now, error.slots_behind)
        if error is not None and error.retry_after is not None and outcome is not Outcome.RATE_LIMITED:
            self.health.rested(now, error.retry_after)
        circuit = self.health.circuit(now)
        if circuit is not self._circuit:
            log.log(
                logging.INFO if circuit is Circuit.CLOSED else logging.WARNING,
                "RPC endpoint %s is %s%s",
                self.host,
                circuit,
                f": {error}" if error else "",
            )
            self._circuit = circuit
        self._observer.called(method, self.host, outcome, now - started)
        self._observer.health(self.host, circuit, self.health.cost(now), self.health.slots_behind(now))

    def _note_slot(self, answer: Any) -> None:
        slot = answer.value if isinstance(answer, GetSlotResp) else getattr(answer, "context", answer).slot
        self.health.behind(self._clock(), self._slots.seen(slot))


class Endpoints:
    """All nodes, the first of which is preferred as long as it is no worse than the others.

    They belong to the cluster of `genesis_hash`, or without one to that of the first: the others are compared with it,
    and a stranger is never asked.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        clock: Callable[[], float] = time.monotonic,
        genesis_hash: str | None = None,
    ) -> None:
        self._genesis_hash = genesis_hash
        self._endpoints = tuple(endpoints)
        self._rank: Mapping[Endpoint, int] = {endpoint: at for at, endpoint in enumerate(endpoints)}
        self._clock = clock
        self._identifying: set[Endpoint] = set()
        self._background: set[asyncio.Task[Any]] = set()

    def in_order(self) -> Sequence[Endpoint]:
        """The endpoints to ask, the best first; empty while all of them have asked to be left alone.

        A circuit breaker takes an endpoint out of the choice, but never the last one.
        """
        now = self._clock()
        self._look_after(now)
        ours = [each for each in self._endpoints if not self._is_stranger(each)]
        usable = [each for each in ours if each.health.usable(now)]
        if not usable:
            usable = [each for each in ours if each.health.circuit(now) is not Circuit.RESTING]
        return sorted(usable, key=lambda each: each.health.cost(now) + _COST_OF_RANK * self._rank[each])

    def is_ours(self, endpoint: Endpoint) -> bool:
        """Whether it is known to be of the cluster; without a name for that, the first is by definition."""
        ours = self._ours()
        return ours == endpoint.genesis_hash if ours is not None else endpoint is self._endpoints[0]

    async def make_request(self, body: Body, parser: Any) -> Any:
        """The first usable answer; raises ChainUnavailable."""
        if method_of(body) == "sendTransaction":
            return await self._send(body, parser)
        candidates = await self._awake()
        patience = None if method_of(body) in _SEARCHES else PATIENCE_SECONDS
        _, answer = await first_answer(candidates, lambda each: each.make_request(body, parser), patience)
        return answer

    async def close(self) -> None:
        """Close the connections of all."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for endpoint in self._endpoints:
            await endpoint.close()

    async def _awake(self) -> Sequence[Endpoint]:
        candidates = self.in_order()
        if not candidates:
            wait = min(each.health.rests_until() for each in self._endpoints) - self._clock()
            if wait <= _LONGEST_WAIT:
                await asyncio.sleep(max(0.0, wait))
                candidates = self.in_order()
        if not candidates:
            raise ChainUnavailable("every RPC endpoint asked to be left alone for a while", Outcome.RATE_LIMITED)
        return candidates

    async def _send(self, body: Body, parser: Any) -> Any:
        """To several nodes at once: the first that takes the bytes is enough, the others go on by themselves."""
        chosen = (await self._awake())[:_SENDS_AT_ONCE]
        tasks = [self._spawn(each.make_request(body, parser)) for each in chosen]
        failure: ChainUnavailable | None = None
        for finished in asyncio.as_completed(tasks):
            try:
                return await finished
            except ChainUnavailable as error:
                failure = error
        assert failure is not None
        raise failure

    def _ours(self) -> str | None:
        return self._genesis_hash or self._endpoints[0].genesis_hash

    def _is_stranger(self, endpoint: Endpoint) -> bool:
        return None not in (endpoint.genesis_hash, self._ours()) and not self.is_ours(endpoint)

    def _look_after(self, now: float) -> None:
        """Probe who is out of the choice, and who has not been heard of; no caller waits for it."""
        # A node alone is not compared with any other.
        alone = len(self._endpoints) == 1 and self._genesis_hash is None
        silence = None if alone else _SILENCE_SECONDS
        for each in self._endpoints:
            if each.health.take_probe(now, silence):
                self._spawn(_probe(each))
            if not alone and each.genesis_hash is None and each not in self._identifying:
                self._identifying.add(each)
                self._spawn(self._identify(each))

    async def _identify(self, endpoint: Endpoint) -> None:
        try:
            answer = await endpoint.make_request(GetGenesisHash(), GetGenesisHashResp)
            endpoint.genesis_hash = str(answer.value)
            if self._is_stranger(endpoint):
                log.error("RPC endpoint %s belongs to another cluster: it is not asked any more", endpoint.host)
        except ChainUnavailable as error:
            log.info("which cluster an RPC endpoint belongs to: %s", error)
        finally:
            self._identifying.discard(endpoint)

    def _spawn(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            # Whoever still waited has heard of the failure; nobody is missing an answer otherwise.
            task.exception()


async def _probe(endpoint: Endpoint) -> None:
    with contextlib.suppress(ChainUnavailable):
        await endpoint.make_request(GetSlot(RpcContextConfig(CommitmentLevel.Processed)), GetSlotResp)


async def first_answer(
    candidates: Sequence[Asked], ask: Callable[[Asked], Awaitable[Answer]], patience: float | None
) -> tuple[Asked, Answer]:
    """The first answer, and whose it is: the next is asked when one fails, or is silent for `patience` seconds.

    Raises ChainUnavailable: a refusal of the request itself at once, else the last failure of all.
    """
    if len(candidates) == 1:
        return candidates[0], await ask(candidates[0])
    waiting = deque(candidates)
    running: dict[asyncio.Future[Answer], Asked] = {}
    failure = ChainUnavailable("there is no RPC endpoint to ask")
    try:
        while waiting or running:
            if waiting:
                asked = waiting.popleft()
                running[asyncio.ensure_future(ask(asked))] = asked
            done, _ = await asyncio.wait(
                running, timeout=patience if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                asked = running.pop(task)
                try:
                    return asked, task.result()
                except ChainUnavailable as error:
                    if error.outcome is Outcome.REFUSED:
                        raise
                    failure = error
        raise failure
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def method_of(body: Body) -> str:
    """The JSON-RPC method of a request."""
    name = type(body).__name__
    return _OTHER_NAMES.get(name) or name[0].lower() + name[1:]
