"""Several endpoints as one: who is asked, who is asked instead, and who is left alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest
from solders.hash import Hash
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from activities.solana.endpoints import CONNECTIONS
from activities.solana.errors import RPC_CODES, ChainUnavailable, Outcome
from activities.solana.health import TRIP_AFTER
from activities.solana.observer import Circuit
from activities.solana.rpc import SolanaRpc
from activities.solana.transport import host_of
from tests.activities.fake_endpoint import KEY, FakeEndpoint, serving
from tests.servers import free_port


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Outcome]] = []
        self.circuits: dict[str, Circuit] = {}

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((method, host, outcome))

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        self.circuits[host] = circuit

    def vanished(self, signature: str) -> None:
        raise AssertionError("nothing vanishes here")


class Clock:
    """Seconds that pass when a test says so, and by themselves only when it `runs`."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.runs = False

    def __call__(self) -> float:
        return self.skipped + (asyncio.get_running_loop().time() if self.runs else 1_000.0)


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; the test's own time limit ends it otherwise."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


class Network:
    """Endpoints, and the RPC over them."""

    def __init__(self, endpoints: list[FakeEndpoint]) -> None:
        self.endpoints = endpoints
        self.clock, self.heard = Clock(), Heard()
        first, *others = (endpoint.url for endpoint in endpoints)
        self.rpc = SolanaRpc(first, others, observer=self.heard, clock=self.clock, random=Random(1))

    @property
    def hosts(self) -> list[str]:
        return [endpoint.host for endpoint in self.endpoints]

    def circuit(self, at: int) -> Circuit | None:
        return self.heard.circuits.get(self.endpoints[at].host)

    async def acquainted(self) -> None:
        """Every endpoint has been asked how it is, and which cluster it belongs to."""
        await self.rpc.rent(1)
        introduced = [(method, host) for host in self.hosts for method in ("getSlot", "getGenesisHash")]
        await until(lambda: {(method, host) for method, host, _ in self.heard.calls}.issuperset(introduced))
        # What the last answer is used for comes right after it.
        await asyncio.sleep(0.01)
        for endpoint in self.endpoints:
            endpoint.calls.clear()


@pytest.fixture
async def two() -> AsyncIterator[Network]:
    async with AsyncExitStack() as stack:
        endpoints = [await stack.enter_async_context(serving(FakeEndpoint())) for _ in range(2)]
        network = Network(endpoints)
        stack.push_async_callback(network.rpc.close)
        await network.acquainted()
        yield network


@pytest.fixture
async def one() -> AsyncIterator[Network]:
    async with serving(FakeEndpoint()) as endpoint:
        network = Network([endpoint])
        yield network
        await network.rpc.close()


class TestReading:
    async def test_the_first_is_asked_while_it_does_well(self, two: Network) -> None:
        for _ in range(10):
            await two.rpc.rent(1)
        assert two.endpoints[0].asked("getMinimumBalanceForRentExemption") == 10
        assert two.endpoints[1].calls == []

    @pytest.mark.parametrize(
        ("fault", "outcome"),
        [
            ({"status": 500}, Outcome.HTTP_ERROR),
            ({"status": 429}, Outcome.RATE_LIMITED),
            ({"text": "<html>"}, Outcome.UNREADABLE),
            ({"text": '{"jsonrpc":"2.0","id":0,"result":"a word"}'}, Outcome.UNREADABLE),
            ({"text": '{"jsonrpc":"2.0","id":0,"error":"a word"}'}, Outcome.UNREADABLE),
            ({"error": {"code": -32601, "message": "?"}}, Outcome.UNSUPPORTED),
            ({"error": {"code": -32603, "message": "?"}}, Outcome.NODE_ERROR),
            ({"error": {"code": 12345, "message": "?"}}, Outcome.NODE_ERROR),
            # Without the data that such an error has by the book.
            ({"error": {"code": -32005, "message": "?"}}, Outcome.BEHIND),
            ({"error": {"code": -32016, "message": "?"}}, Outcome.BEHIND),
            ({"error": {"code": -32011, "message": "?"}}, Outcome.NO_HISTORY),
        ],
    )
    async def test_what_one_cannot_answer_the_next_one_is_asked(
        self, two: Network, fault: dict[str, object], outcome: Outcome
    ) -> None:
        for name, value in fault.items():
            setattr(two.endpoints[0], name, value)
        two.endpoints[1].results["getMinimumBalanceForRentExemption"] = lambda _: 77
        assert await two.rpc.rent(1) == 77
        assert ("getMinimumBalanceForRentExemption", two.endpoints[0].host, outcome) in two.heard.calls

    async def test_a_request_that_is_refused_is_not_asked_again(self, two: Network) -> None:
        two.endpoints[0].error = {"code": -32602, "message": "Invalid params"}
        with pytest.raises(ChainUnavailable, match="-32602") as caught:
            await two.rpc.rent(1)
        assert (caught.value.outcome, caught.value.code) == (Outcome.REFUSED, -32602)
        assert two.endpoints[1].calls == []

    async def test_one_that_hangs_is_overtaken(self, two: Network) -> None:
        two.endpoints[0].hangs = two.clock.runs = True
        two.endpoints[1].results["getMinimumBalanceForRentExemption"] = lambda _: 77
        assert await two.rpc.rent(1) == 77
        assert ("getMinimumBalanceForRentExemption", two.endpoints[0].host, Outcome.TIMED_OUT) in two.heard.calls

    async def test_when_all_fail_the_last_failure_is_told(self, two: Network) -> None:
        for endpoint in two.endpoints:
            endpoint.status = 500
        with pytest.raises(ChainUnavailable, match=r"127\.0\.0\.1:\d+: HTTP 500") as caught:
            await two.rpc.rent(1)
        assert caught.value.outcome is Outcome.HTTP_ERROR

    async def test_one_that_is_behind_is_asked_last(self, two: Network) -> None:
        two.endpoints[0].slot, two.endpoints[1].slot = 1_000, 1_100
        for node in (*two.rpc.nodes(), *two.rpc.nodes()):
            await node.processed_slot()
        two.endpoints[1].calls.clear()
        await two.rpc.rent(1)
        assert two.endpoints[1].asked("getMinimumBalanceForRentExemption") == 1

    async def test_requests_at_a_time_are_bounded(self, one: Network) -> None:
        await asyncio.gather(*(one.rpc.rent(1) for _ in range(3 * CONNECTIONS)))
        assert one.endpoints[0].most_running == CONNECTIONS

    async def test_an_address_where_nobody_listens(self) -> None:
        rpc = SolanaRpc(f"http://127.0.0.1:{free_port()}/{KEY}")
        with pytest.raises(ChainUnavailable) as caught:
            await rpc.rent(1)
        await rpc.close()
        assert caught.value.outcome is Outcome.UNREACHABLE


class TestCircuit:
    async def test_one_that_fails_again_and_again_is_out_of_the_choice_until_a_probe_succeeds(
        self, two: Network
    ) -> None:
        first = two.endpoints[0]
        first.status = 500
        for _ in range(TRIP_AFTER):
            await asyncio.gather(two.rpc.nodes()[0].rent(1), two.rpc.nodes()[-1].rent(1), return_exceptions=True)
        assert two.circuit(0) is Circuit.OPEN
        first.calls.clear()
        await two.rpc.rent(1)
        assert first.calls == []
        first.status = 200
        two.clock.skipped += 5
        await two.rpc.rent(1)
        await until(lambda: two.circuit(0) is Circuit.CLOSED)
        assert first.calls == ["getSlot"]

    async def test_the_only_one_is_asked_all_the_same(self, one: Network) -> None:
        one.endpoints[0].status = 500
        for _ in range(2 * TRIP_AFTER):
            with pytest.raises(ChainUnavailable):
                await one.rpc.rent(1)
        one.endpoints[0].status = 200
        assert await one.rpc.rent(1) == 1_000
        assert one.circuit(0) is Circuit.CLOSED


class TestRateLimits:
    async def test_the_endpoint_is_left_alone_for_as_long_as_it_asks(self, two: Network) -> None:
        first = two.endpoints[0]
        first.status, first.headers = 429, {"Retry-After": "30"}
        await two.rpc.rent(1)
        first.status = 200
        first.calls.clear()
        two.clock.skipped += 25
        await two.rpc.rent(1)
        assert first.calls == []
        assert two.circuit(0) is Circuit.RESTING
        two.clock.skipped += 10
        assert await two.rpc.nodes()[-1].rent(1) == 1_000
        assert {node.host for node in two.rpc.nodes()} == {endpoint.host for endpoint in two.endpoints}

    async def test_when_all_rest_for_long_nobody_is_asked(self, one: Network) -> None:
        endpoint = one.endpoints[0]
        endpoint.status, endpoint.headers = 429, {"Retry-After": "30"}
        for _ in range(3):
            with pytest.raises(ChainUnavailable) as caught:
                await one.rpc.rent(1)
            assert caught.value.outcome is Outcome.RATE_LIMITED
        assert len(endpoint.calls) == 1
        assert one.rpc.nodes() == []
        endpoint.status = 200
        one.clock.skipped += 31
        assert await one.rpc.rent(1) == 1_000

    async def test_a_short_rest_is_waited_for(self, one: Network) -> None:
        endpoint, one.clock.runs = one.endpoints[0], True
        endpoint.status = 429
        with pytest.raises(ChainUnavailable):
            await one.rpc.rent(1)
        endpoint.status = 200
        assert await one.rpc.rent(1) == 1_000


class TestSending:
    async def test_the_bytes_go_to_several_at_once(self, two: Network) -> None:
        await two.rpc.send(bytes(VersionedTransaction.default()))
        await until(lambda: all(endpoint.asked("sendTransaction") for endpoint in two.endpoints))

    async def test_one_that_takes_them_is_enough_and_one_that_hangs_is_not_waited_for(self, two: Network) -> None:
        two.endpoints[0].hangs = True
        await two.rpc.send(bytes(VersionedTransaction.default()))

    async def test_when_nobody_takes_them_that_is_told(self, two: Network) -> None:
        for endpoint in two.endpoints:
            endpoint.error = {"code": -32005, "message": "Node is behind by 50 slots", "data": {"numSlotsBehind": 50}}
        with pytest.raises(ChainUnavailable) as caught:
            await two.rpc.send(bytes(VersionedTransaction.default()))
        assert caught.value.slots_behind == 50


class TestClusters:
    async def test_an_endpoint_of_another_cluster_is_never_asked(self, caplog: pytest.LogCaptureFixture) -> None:
        async with (
            serving(FakeEndpoint()) as ours,
            serving(FakeEndpoint(genesis_hash=str(Hash.new_unique()))) as stranger,
        ):
            network = Network([ours, stranger])
            await network.acquainted()
            assert [node.host for node in network.rpc.nodes()] == [ours.host]
            assert network.rpc.nodes()[0].is_of_our_cluster
            await network.rpc.close()
        assert f"{stranger.host} belongs to another cluster" in caplog.text

    async def test_while_the_first_is_away_the_others_are_asked_and_prove_nothing(self) -> None:
        async with serving(FakeEndpoint()) as second:
            away = FakeEndpoint(url=f"http://127.0.0.1:{free_port()}/")
            network = Network([away, second])
            assert await network.rpc.rent(1) == 1_000
            assert {node.host: node.is_of_our_cluster for node in network.rpc.nodes()}[second.host] is False
            await network.rpc.close()


async def test_no_key_is_ever_logged_or_raised(two: Network, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="activities")
    texts = []
    for fault in ({"status": 401}, {"status": 429}, {"text": "<html>"}, {"error": {"code": -32005, "message": "no"}}):
        for endpoint in two.endpoints:
            for name, value in ({"status": 200, "text": None, "error": None} | fault).items():
                setattr(endpoint, name, value)
        for node in two.rpc.nodes():
            with pytest.raises(ChainUnavailable) as caught:
                await node.statuses([Signature.new_unique()])
            texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__), str(caught.getrepr())]
        two.clock.skipped += 5
    assert len(texts) >= 20
    for text in (*texts, caplog.text):
        assert KEY not in text
        assert "password" not in text


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:password@node.example/key", "node.example"),
        ("http://127.0.0.1:8899", "127.0.0.1:8899"),
        ("http://[::1]:8899/?key=1", "[::1]:8899"),
        ("nonsense", "unnamed host"),
    ],
)
def test_a_host_is_all_that_is_named(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("code", [-32004, -32005, -32007, -32009, -32011, -32014, -32015, -32016])
def test_the_codes_of_nodes_are_told_apart(code: int) -> None:
    assert RPC_CODES[code] in Outcome
