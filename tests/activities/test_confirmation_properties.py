"""Whatever nodes answer: nothing that lands is called expired or failed, and once they behave everything settles."""

import asyncio
from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st
from solders.signature import Signature
from solders.transaction_status import TransactionErrorFieldless

from activities.solana.confirmation import Confirmations, Expired, Landed
from activities.solana.errors import ChainUnavailable, Outcome
from activities.solana.statuses import Level, SignatureStatus
from tests.activities.scripted_chain import FINALITY, FIRST_SLOT, ScriptedNode, ScriptedRpc, VirtualTime, World, down

FAILED = TransactionErrorFieldless.AccountInUse
LIFE = 150
# When the worst is over: long after the last block in which it can land.
PEACE = FIRST_SLOT + 300

# What an honest node may do, and what the one that lies does besides.
HONEST = ("well", "behind", "down", "busy", "hangs", "pruned", "without history", "not listed")
LIES = ("denies", "claims success", "claims failure")


@dataclass(frozen=True)
class Fate:
    """What truly becomes of the transaction.

    It may be in a block that a fork takes away, and it may land for good, later, or not at all.
    """

    first: int | None
    first_fails: bool
    gone_after: int
    final: int | None
    final_fails: bool


@dataclass(frozen=True)
class Turn:
    """From a slot on, a node does something."""

    slot: int
    node: int
    what: str
    by: int


fates = st.builds(
    Fate,
    first=st.none() | st.integers(0, 100),
    first_fails=st.booleans(),
    gone_after=st.integers(1, FINALITY - 1),
    final=st.none() | st.integers(0, LIFE) | st.integers(LIFE - 5, LIFE),
    final_fails=st.booleans(),
)


def turns(nodes: int, liar: bool) -> st.SearchStrategy[list[Turn]]:
    """What the nodes do; node 0 lies when there is a liar, and another one, always listed, is never far behind."""

    def turn(node: int) -> st.SearchStrategy[Turn]:
        habits = [what for what in HONEST if not (node == 1 and what == "not listed")]
        choices = st.sampled_from([*habits, *LIES] if liar and node == 0 else habits)
        behind = st.integers(0, 440)
        # Most that matters happens when it may have expired.
        when = st.integers(0, PEACE - FIRST_SLOT) | st.integers(LIFE - 10, LIFE + FINALITY + 10)
        return st.builds(Turn, slot=when, node=st.just(node), what=choices, by=behind)

    return st.lists(st.integers(0, nodes - 1).flatmap(turn), max_size=10)


def play(world: World, turn: Turn, signature: Signature) -> None:
    """Let a node do what it does now, and nothing of what it did before."""
    node = world.nodes[turn.node]
    behave(node)
    node.behind = turn.by if turn.what == "behind" else 0
    node.hangs = turn.what == "hangs"
    node.denies = turn.what == "denies"
    node.first_block = world.slot if turn.what == "pruned" else 0
    node.has_history = turn.what != "without history"
    node.is_listed = turn.what != "not listed"
    if turn.what == "down":
        node.failure = down()
    elif turn.what == "busy":
        node.failure = ChainUnavailable("HTTP 429", Outcome.RATE_LIMITED)
    elif turn.what.startswith("claims"):
        error = FAILED if turn.what == "claims failure" else None
        node.claims[signature] = SignatureStatus(world.slot, error, Level(turn.by % 3))


def behave(node: ScriptedNode) -> None:
    """Say what is true from now on."""
    node.behind, node.first_block, node.failure = 0, 0, None
    node.hangs, node.denies, node.has_history, node.is_listed = False, False, True, True
    node.claims.clear()


async def live(world: World, fate: Fate, script: list[Turn], signature: Signature) -> None:
    """Let the slots pass, with what happens in them."""
    last = fate.final if fate.final is not None else LIFE + 1
    while True:
        age = world.slot - FIRST_SLOT
        # The same bytes are in at most one block of a fork.
        if fate.first is not None and age == fate.first and age + fate.gone_after <= last:
            world.land(signature, FAILED if fate.first_fails else None, gone_at=world.slot + fate.gone_after)
        if age == fate.final:
            world.land(signature, FAILED if fate.final_fails else None)
        for turn in script:
            if turn.slot == age:
                play(world, turn, signature)
        if world.slot == PEACE:
            for node in world.nodes:
                behave(node)
        await asyncio.sleep(world.slot_seconds)
        world.slot += 1


async def outcome_of(nodes: int, fate: Fate, script: list[Turn], level: Level) -> tuple[Landed | Expired, World]:
    """What the tracker comes to."""
    world, signature = World(), Signature.new_unique()
    for at in range(nodes):
        ScriptedNode(world, f"node-{at}")
    confirmations = Confirmations(ScriptedRpc(world), 0.4, landed_at=level)
    living = asyncio.create_task(live(world, fate, script, signature))
    try:
        settling = confirmations.settle(signature, b"bytes", world.height(FIRST_SLOT) + LIFE, signing_slot=FIRST_SLOT)
        # Two minutes of peace are enough for whatever it was.
        return await asyncio.wait_for(settling, (PEACE - FIRST_SLOT + 400) * world.slot_seconds), world
    finally:
        living.cancel()
        await confirmations.close()


def check(fate: Fate, outcome: Landed | Expired, world: World) -> None:
    """No outcome after which another may be signed, while this one trades."""
    truly_trades = fate.final is not None and not fate.final_fails
    if isinstance(outcome, Expired):
        assert fate.final is None
        assert outcome.finalized_height > world.height(FIRST_SLOT) + LIFE
    elif outcome.error is not None:
        assert not truly_trades


@given(fate=fates, script=turns(3, liar=False), level=st.sampled_from([Level.CONFIRMED, Level.FINALIZED]))
@settings(max_examples=60, deadline=None)
def test_honest_nodes_in_whatever_state(fate: Fate, script: list[Turn], level: Level) -> None:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        outcome, world = runner.run(outcome_of(3, fate, script, level))
    check(fate, outcome, world)
    if level is Level.FINALIZED and isinstance(outcome, Landed):
        assert fate.final is not None
        assert outcome == Landed(FIRST_SLOT + fate.final, FAILED if fate.final_fails else None)


LANDS_LAST = Fate(first=None, first_fails=False, gone_after=1, final=LIFE, final_fails=False)


@given(fate=fates, script=turns(3, liar=True))
@example(LANDS_LAST, [Turn(0, 0, "denies", 0), *(Turn(LIFE, node, "down", 0) for node in (1, 2))])
@example(LANDS_LAST, [Turn(0, 0, "denies", 0), *(Turn(LIFE, node, "behind", 100) for node in (1, 2))])
@example(LANDS_LAST, [Turn(LIFE, 0, "claims failure", 2), *(Turn(LIFE, node, "busy", 0) for node in (1, 2))])
@settings(max_examples=60, deadline=None)
def test_one_that_lies_among_them(fate: Fate, script: list[Turn]) -> None:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        outcome, world = runner.run(outcome_of(3, fate, script, Level.CONFIRMED))
    check(fate, outcome, world)


@given(fate=fates, script=turns(1, liar=False))
@example(LANDS_LAST, [Turn(LIFE + 1, 0, "pruned", 0)])
@settings(max_examples=30, deadline=None)
def test_a_node_alone(fate: Fate, script: list[Turn]) -> None:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        outcome, world = runner.run(outcome_of(1, fate, script, Level.CONFIRMED))
    check(fate, outcome, world)
