"""A transaction that lands after its sender saw a time-out is a landed transaction, with the amounts of the chain."""

from collections.abc import AsyncIterator

import pytest
from solders.pubkey import Pubkey

from activities.solana.rpc import ChainUnavailable, SolanaRpc
from tests.activities.desk import Desk, open_desk, transaction_of
from tests.samples import SOL, USDC
from workflows.domain.attempt import OutcomeKind


@pytest.fixture
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A cluster of the test's own."""
    async with open_desk(tmp_path_factory.mktemp("localnet")) as desk:
        yield desk


async def test_it_is_reported_as_landed_with_what_the_chain_moved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = await desk.accept(token_in=SOL, token_out=USDC, amount_in=1_500_000_000)
    swap = (await desk.prepare(terms, await desk.route(terms, "cpmm"))).swap
    wallet, (signature, *_) = Pubkey.from_string(swap.wallet_address), transaction_of(swap).signatures
    before = [await desk.holding(wallet, token) for token in (SOL, USDC)]
    monkeypatch.setattr("activities.solana.endpoints._TIMEOUT_SECONDS", 0.05)
    # The node takes the transaction, says nothing for far longer than its client waits, and lands it later still.
    held_back = {"kind": "timeout", "methods": ["sendTransaction"], "seconds": 5, "times": 1}
    late = {"kind": "delay", "slots": 100}
    await desk.chain.rpc("localnet_setFaults", [held_back, late])
    given_up: list[bool] = []
    send = SolanaRpc.send

    async def sent(rpc: SolanaRpc, transaction: bytes) -> None:
        try:
            await send(rpc, transaction)
        except ChainUnavailable:
            status = await desk.chain.rpc("getSignatureStatuses", [str(signature)])
            given_up.append(status["value"] == [None])
            raise

    monkeypatch.setattr(SolanaRpc, "send", sent)
    outcome = await desk.outcome(terms, swap)
    assert given_up[0], "it had landed before its client gave up"
    assert outcome.kind is OutcomeKind.LANDED
    after = [await desk.holding(wallet, token) for token in (SOL, USDC)]
    fill = outcome.fill
    assert fill is not None
    assert before[0] - after[0] == fill.amount_in + fill.fee_lamports
    assert after[1] - before[1] == fill.amount_out
