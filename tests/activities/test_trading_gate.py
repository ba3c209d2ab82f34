"""The kill switch in a worker: looked up all the time, kept through outages, and no byte leaves while it is on."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from solders.signature import Signature

from activities.halt import TradingGate
from activities.solana.confirmation import Confirmations, Expired, Landed
from activities.solana.rpc import BlockPosition, SolanaRpc
from tests.activities.test_confirmation import LAST_VALID, Node, seen, settling
from tests.samples import BEGINNING
from workflows.domain.risk import Halt

HALT = Halt(by="ops", reason="", at=BEGINNING)


class Switch:
    """Where the halt is kept; `asked` is set by each look."""

    def __init__(self) -> None:
        self.halt: Halt | None = None
        self.failure: Exception | None = None
        self._asked = asyncio.Event()

    async def in_force(self) -> Halt | None:
        self._asked.set()
        if self.failure is not None:
            raise self.failure
        return self.halt

    async def looked_at(self, times: int = 2) -> None:
        """Return after further looks, the first of which may have begun before."""
        for _ in range(times):
            self._asked.clear()
            await self._asked.wait()


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
async def gate(switch: Switch) -> AsyncIterator[TradingGate]:
    gate = TradingGate(switch, poll_seconds=0)
    yield gate
    await gate.close()


async def test_nothing_is_broadcast_before_the_first_look(gate: TradingGate, switch: Switch) -> None:
    switch.failure = ConnectionError("away")
    assert not gate.may_broadcast()
    gate.open()
    await switch.looked_at()
    assert not gate.may_broadcast()
    switch.failure = None
    await switch.looked_at()
    assert gate.may_broadcast()


async def test_a_halt_closes_the_gate_and_its_end_opens_it(gate: TradingGate, switch: Switch) -> None:
    gate.open()
    for halt in (None, HALT, None):
        switch.halt = halt
        await switch.looked_at()
        assert (gate.halt, gate.may_broadcast()) == (halt, halt is None)


@pytest.mark.parametrize("failure", [ConnectionError("away"), KeyError("a surprise")])
@pytest.mark.parametrize("halt", [None, HALT])
async def test_what_was_known_holds_while_nobody_answers(
    gate: TradingGate, switch: Switch, halt: Halt | None, failure: Exception
) -> None:
    gate.open()
    switch.halt = halt
    await switch.looked_at()
    switch.failure, switch.halt = failure, None if halt else HALT
    await switch.looked_at()
    assert (gate.halt, gate.may_broadcast()) == (halt, halt is None)


class TestConfirmations:
    @pytest.fixture
    def node(self) -> Node:
        return Node()

    @pytest.fixture
    def is_open(self) -> list[bool]:
        return [False]

    @pytest.fixture
    async def confirmations(self, node: Node, is_open: list[bool]) -> AsyncIterator[Confirmations]:
        confirmations = Confirmations(cast(SolanaRpc, node), 0, may_broadcast=lambda: is_open[-1])
        yield confirmations
        await confirmations.close()

    async def test_nothing_is_sent_and_the_outcome_is_still_found(self, node, confirmations) -> None:
        signature = Signature.new_unique()
        waiting = settling(confirmations, signature)
        await node.asked_again()
        node.slot += 100
        await node.asked_again()
        assert not waiting.done()
        node.recent[signature] = seen(slot=1_050)
        assert await waiting == Landed(1_050, None)
        assert node.sent == []

    async def test_expiry_is_proven_under_a_halt(self, node, confirmations) -> None:
        waiting = settling(confirmations, Signature.new_unique())
        await node.asked_again()
        node.slot, node.finalized_at = 1_100, BlockPosition(slot=1_068, height=LAST_VALID + 1)
        assert await waiting == Expired(LAST_VALID + 1)
        assert node.sent == []

    async def test_sending_goes_on_as_soon_as_trading_does(self, node, confirmations, is_open) -> None:
        signature = Signature.new_unique()
        waiting = settling(confirmations, signature)
        await node.asked_again()
        is_open.append(True)
        # At the same slot: what a halt held back is not made to wait for the next leader.
        await node.asked_again()
        assert node.sent == [bytes(signature)]
        node.recent[signature] = seen()
        await waiting

    async def test_a_halt_stops_repetitions(self, node, confirmations, is_open) -> None:
        is_open.append(True)
        signature = Signature.new_unique()
        waiting = settling(confirmations, signature)
        await node.asked_again()
        is_open.append(False)
        node.slot += 100
        await node.asked_again()
        assert node.sent == [bytes(signature)]
        node.recent[signature] = seen()
        await waiting
