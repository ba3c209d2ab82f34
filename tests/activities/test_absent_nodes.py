"""A proof of expiry waits for nodes that are left alone for a while, and not for ever for those that are dead."""

import asyncio

import pytest
from solders.signature import Signature

from activities.solana.confirmation import Expired, Landed
from activities.solana.expiry import BLOCKS_TO_COME_BACK
from tests.activities.scripted_chain import FINALITY, FIRST_SLOT
from tests.activities.test_confirmation_nodes import LIFE, in_virtual_time, scene, stays_open


def test_the_only_honest_node_is_heard_when_its_rest_is_over() -> None:
    async def scenario() -> None:
        async with scene(3) as at:
            signature = Signature.new_unique()
            lying, lagging, honest = at.nodes
            lying.denies, lagging.behind, honest.is_listed = True, 2_000, False
            at.world.land(signature)
            waiting = at.settle(signature)
            await stays_open(waiting, at.world, FIRST_SLOT + LIFE + FINALITY + 60)
            honest.is_listed = True
            assert await waiting == Landed(FIRST_SLOT, None)

    in_virtual_time(scenario)


def test_a_node_that_rests_is_waited_for_however_long_it_rests() -> None:
    async def scenario() -> None:
        async with scene(3) as at:
            signature = Signature.new_unique()
            lying, lagging, honest = at.nodes
            lying.denies, lagging.behind, honest.is_listed, honest.rests = True, 2_000, False, True
            at.world.land(signature)
            waiting = at.settle(signature)
            await stays_open(waiting, at.world, FIRST_SLOT + LIFE + FINALITY + 3 * BLOCKS_TO_COME_BACK)
            honest.is_listed = True
            assert await waiting == Landed(FIRST_SLOT, None)

    in_virtual_time(scenario)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_node_that_is_dead_for_good_is_given_up_in_the_end(absent: int) -> None:
    async def scenario() -> None:
        async with scene(3) as at:
            for node in at.nodes[3 - absent :]:
                node.is_listed = False
            outcome = await at.settle(Signature.new_unique())
            assert isinstance(outcome, Expired)
            waited = at.world.slot - (FIRST_SLOT + LIFE + FINALITY)
            assert (waited > BLOCKS_TO_COME_BACK) is (absent > 0)
            assert waited < BLOCKS_TO_COME_BACK + 20

    in_virtual_time(scenario)


def test_a_swap_that_lands_late_is_found_meanwhile() -> None:
    async def scenario() -> None:
        async with scene(2) as at:
            signature = Signature.new_unique()
            at.nodes[1].is_listed = False
            waiting = at.settle(signature)
            await at.world.reach(FIRST_SLOT + LIFE)
            landed_at = at.world.slot
            at.world.land(signature)
            assert await asyncio.wait_for(waiting, 1_000) == Landed(landed_at, None)

    in_virtual_time(scenario)
