"""What became of a signature is a fact or it is not told: the node's silence, lag and outages prove nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from solders.signature import Signature
from solders.transaction_status import TransactionErrorFieldless, TransactionErrorType

from activities.solana.confirmation import RESEND_AFTER_SLOTS, Confirmations, Expired, Landed
from activities.solana.rpc import MAX_STATUSES, BlockPosition, ChainUnavailable
from activities.solana.statuses import Level, SignatureStatus, Statuses

LAST_VALID = 150
FAILED = TransactionErrorFieldless.AccountInUse


@dataclass
class Node:
    """Stands in for `SolanaRpc` with one node, or what several behind one address say, as a test sets the fields.

    `recent` answers plain questions, `history` those that search. `asked` is set by each question for statuses.
    """

    host: str = "node"
    is_of_our_cluster: bool = True
    slot: int = 1_000
    finalized_at: BlockPosition = field(default_factory=lambda: BlockPosition(slot=968, height=100))
    recent: dict[Signature, SignatureStatus] = field(default_factory=dict)
    history: dict[Signature, SignatureStatus] = field(default_factory=dict)
    history_slot: int | None = None
    sent: list[bytes] = field(default_factory=list)
    searches: int = 0
    batches: list[int] = field(default_factory=list)
    outages: list[Exception] = field(default_factory=list)
    refuses_to_send: bool = False
    rounds: int = 0
    _round: asyncio.Event = field(default_factory=asyncio.Event)

    async def statuses(self, signatures: Iterable[Signature], search_history: bool = False) -> Statuses:
        asked = list(signatures)
        assert 0 < len(asked) <= MAX_STATUSES
        if search_history:
            self.searches += 1
            slot = self.slot if self.history_slot is None else self.history_slot
            return Statuses(slot, tuple(self.history.get(each) for each in asked))
        self.rounds += 1
        self._round.set()
        self.batches.append(len(asked))
        if self.outages:
            raise self.outages.pop(0)
        return Statuses(self.slot, tuple(self.recent.get(each) for each in asked))

    def absent(self, nodes: object) -> tuple[()]:
        return ()

    def nodes(self) -> Sequence["Node"]:
        return [self]

    async def first_available_block(self) -> int:
        return 0

    async def finalized(self) -> BlockPosition:
        return self.finalized_at

    async def send(self, transaction: bytes) -> None:
        self.sent.append(transaction)
        if self.refuses_to_send:
            raise ChainUnavailable("429")

    async def asked_again(self, times: int = 2) -> None:
        """Return after further rounds of questions, the first of which may have begun before."""
        for _ in range(times):
            self._round.clear()
            await self._round.wait()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def confirmations(node: Node) -> AsyncIterator[Confirmations]:
    confirmations = Confirmations(node, poll_seconds=0)
    yield confirmations
    await confirmations.close()


Settling = asyncio.Task[Landed | Expired]


def settling(
    confirmations: Confirmations,
    signature: Signature,
    last_valid: int = LAST_VALID,
    on_executed: Callable[[int], None] = lambda _: None,
) -> Settling:
    """A caller that waits for the outcome of its bytes."""
    return asyncio.create_task(confirmations.settle(signature, bytes(signature), last_valid, on_executed))


def seen(slot: int = 990, error: TransactionErrorType | None = None, level: Level = Level.CONFIRMED) -> SignatureStatus:
    return SignatureStatus(slot, error, level)


class TestLanding:
    async def test_a_confirmed_transaction_has_landed(self, node: Node, confirmations: Confirmations) -> None:
        signature = Signature.new_unique()
        node.recent[signature] = seen(slot=990)
        assert await settling(confirmations, signature) == Landed(990, None)
        assert node.sent == [bytes(signature)]

    async def test_a_failed_transaction_has_landed_with_its_error_once_that_is_final(
        self, node: Node, confirmations: Confirmations
    ) -> None:
        """A fork could still take the failure away, and let the same bytes succeed beside those signed after it."""
        signature = Signature.new_unique()
        node.recent[signature] = seen(slot=990, error=FAILED)
        waiting = settling(confirmations, signature)
        await node.asked_again(4)
        assert not waiting.done()
        node.recent[signature] = seen(slot=990, error=FAILED, level=Level.FINALIZED)
        assert await waiting == Landed(990, FAILED)

    @pytest.mark.parametrize("error", [None, FAILED])
    async def test_what_a_fork_may_undo_is_no_outcome_but_it_is_heard(
        self, node: Node, confirmations: Confirmations, error: TransactionErrorType | None
    ) -> None:
        signature, heard = Signature.new_unique(), list[int]()
        node.recent[signature] = seen(slot=995, error=error, level=Level.PROCESSED)
        waiting = settling(confirmations, signature, on_executed=heard.append)
        await node.asked_again()
        assert not waiting.done()
        assert set(heard) == ({995} if error is None else set())
        node.recent[signature] = seen(slot=996)
        assert await waiting == Landed(996, None)

    async def test_a_transaction_that_a_fork_took_back_can_still_expire(
        self, node: Node, confirmations: Confirmations
    ) -> None:
        signature = Signature.new_unique()
        node.recent[signature] = seen(level=Level.PROCESSED)
        waiting = settling(confirmations, signature)
        await node.asked_again()
        del node.recent[signature]
        node.slot, node.finalized_at = 1_100, BlockPosition(slot=1_068, height=LAST_VALID + 1)
        assert await waiting == Expired(LAST_VALID + 1)


class TestExpiry:
    async def test_silence_before_the_last_block_proves_nothing(self, node: Node, confirmations: Confirmations) -> None:
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID)
        waiting = settling(confirmations, Signature.new_unique())
        await node.asked_again(5)
        assert not waiting.done()
        assert node.searches == 0

    async def test_it_is_proven_by_a_later_search_of_the_history(
        self, node: Node, confirmations: Confirmations
    ) -> None:
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID + 1)
        assert await settling(confirmations, Signature.new_unique()) == Expired(LAST_VALID + 1)
        assert node.searches >= 1

    async def test_what_only_the_history_knows_has_landed(self, node: Node, confirmations: Confirmations) -> None:
        signature = Signature.new_unique()
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID + 1)
        node.history[signature] = seen(slot=700)
        assert await settling(confirmations, signature) == Landed(700, None)

    async def test_a_node_that_lags_behind_proves_nothing_until_it_has_caught_up(
        self, node: Node, confirmations: Confirmations
    ) -> None:
        signature = Signature.new_unique()
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID + 1)
        node.history_slot = 998
        waiting = settling(confirmations, signature)
        await node.asked_again(4)
        assert node.searches >= 2
        assert not waiting.done()
        # It landed in the last block possible, which the lagging node had not seen.
        node.history[signature] = seen(slot=999)
        node.history_slot = 999
        assert await waiting == Landed(999, None)

    async def test_some_expire_while_others_wait(self, node: Node, confirmations: Confirmations) -> None:
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID + 1)
        old, young = Signature.new_unique(), Signature.new_unique()
        waiting = settling(confirmations, young, last_valid=LAST_VALID + 1)
        assert await settling(confirmations, old) == Expired(LAST_VALID + 1)
        await node.asked_again()
        assert not waiting.done()
        node.finalized_at = BlockPosition(slot=1_000, height=LAST_VALID + 2)
        assert await waiting == Expired(LAST_VALID + 2)

    async def test_overdue_bytes_are_not_sent_again(self, node: Node, confirmations: Confirmations) -> None:
        node.finalized_at = BlockPosition(slot=999, height=LAST_VALID + 1)
        node.history_slot = 0
        waiting = settling(confirmations, Signature.new_unique())
        await node.asked_again()
        node.slot += 10 * RESEND_AFTER_SLOTS
        await node.asked_again(3)
        assert len(node.sent) == 1
        waiting.cancel()


class TestOutages:
    @pytest.mark.parametrize("error", [ChainUnavailable("down"), ValueError("nobody foresaw this")])
    async def test_the_questions_go_on_after_a_failed_one(
        self, node: Node, confirmations: Confirmations, error: Exception
    ) -> None:
        signature = Signature.new_unique()
        node.outages = [error] * 3
        node.recent[signature] = seen()
        assert await settling(confirmations, signature) == Landed(990, None)
        assert node.rounds >= 4

    async def test_a_send_that_fails_proves_nothing(self, node: Node, confirmations: Confirmations) -> None:
        signature = Signature.new_unique()
        node.refuses_to_send = True
        waiting = settling(confirmations, signature)
        await node.asked_again()
        assert not waiting.done()
        node.recent[signature] = seen()
        assert await waiting == Landed(990, None)


class TestSending:
    async def test_the_same_bytes_are_sent_again_as_slots_go_by(self, node: Node, confirmations: Confirmations) -> None:
        signature = Signature.new_unique()
        waiting = settling(confirmations, signature)
        await node.asked_again()
        sent_at = node.slot
        for slot in range(sent_at, sent_at + 4 * RESEND_AFTER_SLOTS + 1):
            node.slot = slot
            await node.asked_again()
        assert node.sent == [bytes(signature)] * 5
        waiting.cancel()

    async def test_many_signatures_share_the_questions(self, node: Node, confirmations: Confirmations) -> None:
        signatures = [Signature.new_unique() for _ in range(MAX_STATUSES + 10)]
        waiting = [settling(confirmations, signature) for signature in signatures]
        await node.asked_again(4)
        assert set(node.batches[-2:]) == {MAX_STATUSES, 10}
        node.recent = dict.fromkeys(signatures, seen())
        assert set(await asyncio.gather(*waiting)) == {Landed(990, None)}


class TestCallers:
    async def test_two_who_ask_for_one_signature_send_it_once_and_hear_the_same(
        self, node: Node, confirmations: Confirmations
    ) -> None:
        signature = Signature.new_unique()
        waiting = [settling(confirmations, signature) for _ in range(2)]
        await node.asked_again()
        node.recent[signature] = seen()
        assert await asyncio.gather(*waiting) == [Landed(990, None)] * 2
        assert len(node.sent) == 1

    @pytest.mark.parametrize("first_to_go", [0, 1])
    async def test_one_who_gives_up_leaves_the_other_its_answer(
        self, node: Node, confirmations: Confirmations, first_to_go: int
    ) -> None:
        signature = Signature.new_unique()
        waiting = [settling(confirmations, signature) for _ in range(2)]
        await node.asked_again()
        waiting.pop(first_to_go).cancel()
        await node.asked_again()
        node.recent[signature] = seen()
        assert await waiting[0] == Landed(990, None)

    @pytest.mark.parametrize("leaves", ["the one who sends", "the one who joined"])
    async def test_one_who_gives_up_during_the_first_send_leaves_the_other_its_answer(
        self, node: Node, confirmations: Confirmations, monkeypatch: pytest.MonkeyPatch, leaves: str
    ) -> None:
        signature, sending, may_send = Signature.new_unique(), asyncio.Event(), asyncio.Event()

        async def slowly(transaction: bytes) -> None:
            sending.set()
            await may_send.wait()

        monkeypatch.setattr(node, "send", slowly)
        node.recent[signature] = seen()
        sender = settling(confirmations, signature)
        await sending.wait()
        joined = settling(confirmations, signature)
        await asyncio.sleep(0)
        leaver, stays = (sender, joined) if leaves == "the one who sends" else (joined, sender)
        leaver.cancel()
        may_send.set()
        assert await stays == Landed(990, None)

    @pytest.mark.parametrize("during_send", [False, True])
    async def test_when_all_have_given_up_the_questions_end(
        self, node: Node, confirmations: Confirmations, monkeypatch: pytest.MonkeyPatch, during_send: bool
    ) -> None:
        if during_send:
            sending = asyncio.Event()

            async def never(transaction: bytes) -> None:
                sending.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(node, "send", never)
            waiting = settling(confirmations, Signature.new_unique())
            await sending.wait()
        else:
            waiting = settling(confirmations, Signature.new_unique())
            await node.asked_again()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        monkeypatch.undo()
        # Another signature's questions are the only ones from now on.
        other = Signature.new_unique()
        following = settling(confirmations, other)
        await node.asked_again(3)
        assert node.batches[-1] == 1
        node.recent[other] = seen()
        await following

    async def test_closing_cancels_whoever_waits(self, node: Node, confirmations: Confirmations) -> None:
        waiting = settling(confirmations, Signature.new_unique())
        await node.asked_again()
        await confirmations.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def test_a_settled_signature_can_be_asked_for_again(self, node: Node, confirmations: Confirmations) -> None:
        signature = Signature.new_unique()
        node.recent[signature] = seen()
        first = await settling(confirmations, signature)
        assert await settling(confirmations, signature) == first
        assert node.sent == [bytes(signature)] * 2
