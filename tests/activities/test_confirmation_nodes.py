"""Several nodes that differ: whoever knows is heard, and nothing is taken for proven that is not."""

import asyncio
import logging
from itertools import pairwise

import pytest
from solders.signature import Signature
from solders.transaction_status import TransactionErrorFieldless

from activities.solana.confirmation import Confirmations, Expired, Landed
from activities.solana.errors import ChainUnavailable, Outcome
from activities.solana.statuses import Level, SignatureStatus, UnreadableError
from tests.activities.scripted_chain import FIRST_SLOT, ScriptedRpc, down
from tests.activities.tracked import LIFE, in_virtual_time, scene, stays_open

FAILED = TransactionErrorFieldless.AccountInUse


class TestOneKnows:
    def test_what_one_node_denies_and_another_knows_has_landed(self) -> None:
        async def scenario() -> None:
            async with scene(3) as at:
                signature = Signature.new_unique()
                at.nodes[0].denies = True
                at.world.land(signature)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                assert at.world.slot < FIRST_SLOT + 20

        in_virtual_time(scenario)

    def test_what_only_a_node_that_is_heard_at_the_end_knows_has_not_expired(self) -> None:
        async def scenario() -> None:
            async with scene(4) as at:
                signature = Signature.new_unique()
                for node in at.nodes[:3]:
                    node.denies = True
                at.world.land(signature)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                assert at.world.slot > FIRST_SLOT + LIFE

        in_virtual_time(scenario)

    def test_what_only_a_node_far_behind_knows_has_not_expired(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[0].denies, at.nodes[1].behind = True, 300
                at.world.land(signature)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                assert at.world.slot > FIRST_SLOT + 300

        in_virtual_time(scenario)

    def test_a_node_that_is_always_behind_holds_a_proof_up_until_it_has_seen_the_end(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                at.nodes[1].behind = 60
                assert isinstance(await at.settle(Signature.new_unique()), Expired)
                assert FIRST_SLOT + LIFE + 60 < at.world.slot < FIRST_SLOT + LIFE + 150

        in_virtual_time(scenario)

    @pytest.mark.parametrize("fault", ["hangs", "down", "behind"])
    def test_a_node_that_is_no_use_holds_nobody_up(self, fault: str) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                first = at.nodes[0]
                first.hangs, first.failure = fault == "hangs", down() if fault == "down" else None
                first.behind = 2_000 if fault == "behind" else 0
                at.world.land(signature)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                assert at.world.slot < FIRST_SLOT + 20

        in_virtual_time(scenario)


class TestClaims:
    def test_a_confirmed_swap_that_the_others_deny_waits_until_it_is_final(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[1].denies = True
                at.world.land(signature)
                waiting = at.settle(signature)
                await stays_open(waiting, at.world, FIRST_SLOT + 30)
                assert await waiting == Landed(FIRST_SLOT, None)
                assert at.world.slot >= FIRST_SLOT + 32

        in_virtual_time(scenario)

    def test_a_node_that_is_behind_denies_nothing(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[1].behind = 20
                at.world.land(signature)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                assert at.world.slot < FIRST_SLOT + 5

        in_virtual_time(scenario)

    def test_a_failure_counts_when_it_is_final(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                signature = Signature.new_unique()
                at.world.land(signature, FAILED)
                assert await at.settle(signature) == Landed(FIRST_SLOT, FAILED)
                assert at.world.slot >= FIRST_SLOT + 32

        in_virtual_time(scenario)

    def test_a_failure_that_a_fork_takes_away_lets_the_same_bytes_trade(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                signature = Signature.new_unique()
                at.world.land(signature, FAILED, gone_at=FIRST_SLOT + 10)
                waiting = at.settle(signature)
                await at.world.reach(FIRST_SLOT + 20)
                at.world.land(signature)
                landed = at.world.slot
                assert await waiting == Landed(landed, None)

        in_virtual_time(scenario)

    def test_a_final_failure_that_another_denies_is_none_before_the_deadline(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[0].claims[signature] = SignatureStatus(FIRST_SLOT, FAILED, Level.FINALIZED)
                waiting = at.settle(signature)
                await stays_open(waiting, at.world, FIRST_SLOT + LIFE)
                assert await waiting == Landed(FIRST_SLOT, FAILED)

        in_virtual_time(scenario)

    def test_a_swap_that_one_calls_failed_and_another_done_waits_for_the_truth(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[0].claims[signature] = SignatureStatus(FIRST_SLOT, FAILED, Level.FINALIZED)
                at.world.land(signature)
                waiting = at.settle(signature)
                await stays_open(waiting, at.world, FIRST_SLOT + 500)
                at.nodes[0].claims.clear()
                assert await waiting == Landed(FIRST_SLOT, None)

        in_virtual_time(scenario)

    def test_an_error_that_nobody_knows_is_a_failure_all_the_same(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                signature, error = Signature.new_unique(), UnreadableError('"BrandNew"')
                at.nodes[0].claims[signature] = SignatureStatus(FIRST_SLOT, error, Level.FINALIZED)
                assert await at.settle(signature) == Landed(FIRST_SLOT, error)

        in_virtual_time(scenario)


class TestVanishing:
    def test_a_reported_swap_that_a_fork_takes_away_is_sent_again(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.world.land(signature, gone_at=FIRST_SLOT + 10)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                sent = len(at.world.sent)
                await at.world.reach(FIRST_SLOT + 45)
                assert at.gone == [str(signature)]
                assert len(at.world.sent) > sent
                at.world.land(signature)
                await at.world.reach(FIRST_SLOT + 120)
                calls = dict(at.world.calls)
                # Final at last: nobody asks any more.
                await at.world.reach(FIRST_SLOT + 140)
                assert at.world.calls == calls

        in_virtual_time(scenario)
        assert "gone" in caplog.text

    def test_one_that_never_comes_back_is_named(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                signature = Signature.new_unique()
                at.world.land(signature, gone_at=FIRST_SLOT + 10)
                assert await at.settle(signature) == Landed(FIRST_SLOT, None)
                await at.world.reach(FIRST_SLOT + 300)
                assert f"{signature} was reported as landed, and has not" in caplog.text

        in_virtual_time(scenario)

    def test_reporting_only_what_is_final_leaves_nothing_to_vanish(self) -> None:
        async def scenario() -> None:
            async with scene(1, landed_at=Level.FINALIZED) as at:
                signature = Signature.new_unique()
                at.world.land(signature, gone_at=FIRST_SLOT + 10)
                waiting = at.settle(signature)
                assert isinstance(await waiting, Expired)
                assert at.gone == []

        in_virtual_time(scenario)


class TestProof:
    def test_one_good_node_proves_it(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                outcome = await at.settle(Signature.new_unique())
                assert isinstance(outcome, Expired)
                assert outcome.finalized_height > at.world.height(FIRST_SLOT) + LIFE
                assert at.world.slot >= FIRST_SLOT + LIFE + 32

        in_virtual_time(scenario)

    @pytest.mark.parametrize("signing_slot", [FIRST_SLOT, None])
    def test_a_node_without_the_old_blocks_proves_nothing_and_is_named(
        self, signing_slot: int | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                at.nodes[1].is_listed = False
                at.nodes[0].first_block = FIRST_SLOT + 1
                waiting = at.settle(Signature.new_unique(), signing_slot)
                await stays_open(waiting, at.world, FIRST_SLOT + 600)
                at.nodes[1].is_listed = True
                assert isinstance(await waiting, Expired)

        in_virtual_time(scenario)
        assert "node-0 proves nothing: does not hold all blocks since slot" in caplog.text

    def test_without_the_signing_slot_a_ledger_must_reach_further_back(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                # Blocks from the signing on would do, if it were known when that was.
                at.nodes[0].first_block = FIRST_SLOT
                old, new = at.settle(Signature.new_unique(), None), at.settle(Signature.new_unique())
                assert isinstance(await new, Expired)
                await stays_open(old, at.world, FIRST_SLOT + 600)
                at.nodes[0].first_block = at.world.height(FIRST_SLOT)
                assert isinstance(await old, Expired)

        in_virtual_time(scenario)

    def test_a_node_without_history_proves_nothing_is_named_and_left_to_others(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                at.nodes[1].is_listed = False
                at.nodes[0].has_history = False
                waiting = at.settle(Signature.new_unique())
                await stays_open(waiting, at.world, FIRST_SLOT + 600)
                at.nodes[1].is_listed = True
                assert isinstance(await waiting, Expired)

        in_virtual_time(scenario)
        assert "node-0 proves nothing: node-0: no history" in caplog.text

    def test_a_node_of_another_cluster_proves_nothing(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                at.nodes[0].is_of_our_cluster = False
                waiting = at.settle(Signature.new_unique())
                await stays_open(waiting, at.world, FIRST_SLOT + 600)
                at.nodes[0].is_of_our_cluster = True
                assert isinstance(await waiting, Expired)

        in_virtual_time(scenario)

    @pytest.mark.parametrize("fault", ["hangs", "down", "busy"])
    def test_a_node_that_may_know_is_waited_for_until_nobody_lists_it(self, fault: str) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                second = at.nodes[1]
                second.hangs = fault == "hangs"
                if fault != "hangs":
                    busy = ChainUnavailable("HTTP 429", Outcome.RATE_LIMITED)
                    second.failure = down() if fault == "down" else busy
                waiting = at.settle(Signature.new_unique())
                await stays_open(waiting, at.world, FIRST_SLOT + 400)
                second.is_listed = False
                assert isinstance(await waiting, Expired)

        in_virtual_time(scenario)

    def test_a_node_that_catches_up_is_waited_for(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                signature = Signature.new_unique()
                at.nodes[0].denies = True
                await at.world.reach(FIRST_SLOT + 149)
                landed = at.world.slot
                at.world.land(signature)
                at.nodes[1].behind = 100
                assert await at.settle(signature) == Landed(landed, None)

        in_virtual_time(scenario)

    def test_one_that_stands_still_is_not_waited_for_for_ever(self) -> None:
        async def scenario() -> None:
            async with scene(2) as at:
                waiting = at.settle(Signature.new_unique())
                stands_at = FIRST_SLOT + 50
                while not waiting.done():
                    at.nodes[1].behind = max(0, at.world.slot - stands_at)
                    await asyncio.wait([waiting], timeout=0.05)
                assert isinstance(await waiting, Expired)

        in_virtual_time(scenario)


class TestBroadcasting:
    def test_nothing_is_sent_while_it_may_not_be_and_all_else_goes_on(self) -> None:
        async def scenario() -> None:
            allowed = False
            async with scene(1, may_broadcast=lambda: allowed) as at:
                halted = at.settle(Signature.new_unique())
                await at.world.reach(FIRST_SLOT + 30)
                assert at.world.sent == []
                allowed = True
                await at.world.reach(FIRST_SLOT + 40)
                assert len(at.world.sent) >= 2
                allowed = False
                sent = len(at.world.sent)
                assert isinstance(await halted, Expired)
                assert len(at.world.sent) == sent

        in_virtual_time(scenario)

    def test_it_is_paced_by_slots_and_ends_with_the_deadline(self) -> None:
        async def scenario() -> None:
            async with scene(1) as at:
                await at.settle(Signature.new_unique())
                slots = [slot for slot, _ in at.world.sent]
                assert 150 / 6 < len(slots) < (150 + 64) / 5 + 2
                assert all(later - earlier >= 5 for earlier, later in pairwise(slots[1:]))

        in_virtual_time(scenario)


class TestLoad:
    def test_five_hundred_in_flight_cost_a_handful_of_calls_a_second(self) -> None:
        """Status questions at a pause of 400 ms, as with notifications; every one waits for twenty slots."""

        async def scenario() -> None:
            async with scene(1) as at:
                at.confirmations = Confirmations(ScriptedRpc(at.world), 0.4)
                signatures = [Signature.new_unique() for _ in range(500)]
                waiting = [at.settle(each) for each in signatures]
                await at.world.reach(FIRST_SLOT + 20)
                seconds = (at.world.slot - FIRST_SLOT) * at.world.slot_seconds
                questions = sum(count for name, count in at.world.calls.items() if name != "sendTransaction")
                assert questions / seconds < 8
                for each in signatures:
                    at.world.land(each)
                landed = at.world.slot
                assert set(await asyncio.gather(*waiting)) == {Landed(landed, None)}
                before = dict(at.world.calls)
                await at.world.reach(landed + 60)
                # All are final: that took two calls more, and nobody asks any more.
                assert at.world.calls["getSignatureStatuses"] - before["getSignatureStatuses"] < 40

        in_virtual_time(scenario)


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
