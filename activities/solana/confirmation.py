"""What became of each broadcast signature: one tracker per worker asks for all of them together.

The tracker sends the bytes it is given, again and again the same ones, until the chain's answer is a fact: landed in
a confirmed block, failed in a final one, or proven never to land. It counts blocks and slots, never seconds.
`verdict` says what nodes that differ come to, `expiry` what proves that nothing landed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from solders.signature import Signature

from activities.solana.endpoints import PATIENCE_SECONDS, first_answer
from activities.solana.errors import ChainUnavailable, Outcome
from activities.solana.expiry import Absence, ChainNode, Deadline, Inquiry, inquire
from activities.solana.finality import FinalityWatch, Sent
from activities.solana.observer import Circuit, RpcObserver, SilentObserver
from activities.solana.pace import Pace
from activities.solana.rpc import MAX_STATUSES, BlockPosition
from activities.solana.statuses import ChainError, Level, SignatureStatus
from activities.solana.subscriptions import Hints, NoHints
from activities.solana.verdict import Word, is_claim, verdict

log = logging.getLogger(__name__)

# Slots between two broadcasts of the same bytes: a leader holds four slots, so the next one is asked.
RESEND_AFTER_SLOTS = 5

# Slots after which other nodes are asked too about a signature that one does not know, and between two such questions.
ASK_OTHERS_AFTER_SLOTS = 4

# A slot that is this far back is another node's, or another cluster's: schedules begin anew.
_SLOTS_BACK = 150

# Slots after which the finalized block is asked for again though by the last answer nothing can be overdue.
_POSITION_IS_GOOD_FOR_SLOTS = 64

# More are not heard when one node claims what another may deny.
_WITNESSES = 2


class Chain(Protocol):
    """The nodes together, as `activities.solana.rpc.SolanaRpc` is them."""

    def absent(self, nodes: Iterable[object]) -> Sequence[Circuit]:
        """Why each of the nodes that are not among these is left alone."""

    def nodes(self) -> Sequence[ChainNode]:
        """Each node that may be asked now, the best first."""

    async def send(self, transaction: bytes) -> None:
        """Hand signed bytes to several nodes; neither returning nor ChainUnavailable says what became of them."""


@dataclass(frozen=True, slots=True)
class Landed:
    """In a block; `error` is None when it executed, else nothing of it but the fee took effect, and that is final."""

    slot: int
    error: ChainError | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Proven: finalized block height passed the blockhash's last, and later still no node knew the signature."""

    finalized_height: int


@dataclass(eq=False, slots=True)
class _Followed:
    sent: Sent
    on_executed: Callable[[int], None]
    settled: "asyncio.Future[Landed | Expired]"
    waiting: int = 0
    # It had been reported as landed: followed to its end whoever waits.
    has_vanished: bool = False
    is_broadcast: bool = False
    # Whether any node took the bytes, as far as is known.
    is_taken: bool = True
    sent_at_slot: int | None = None
    others_asked_at: int | None = None
    doubted: bool = False

    @property
    def signature(self) -> Signature:
        return self.sent.signature


class _Said:
    """What was logged on each subject: the same is not logged again and again."""

    def __init__(self) -> None:
        self._texts: dict[str, set[str]] = {}

    def warn(self, subject: str, text: str) -> None:
        """Log it unless it was, since the subject was last over."""
        texts = self._texts.setdefault(subject, set())
        if text not in texts:
            texts.add(text)
            log.warning("%s: %s", subject, text)

    def over(self, subject: str) -> None:
        """Whatever was wrong is no more."""
        self._texts.pop(subject, None)


class Confirmations:
    """All signatures of this worker whose outcome is unknown.

    `poll_seconds` paces the questions, less often while `hints` come. `may_broadcast` is asked before every
    sendTransaction; while it says no, nothing is sent and everything else goes on. `landed_at` is how final a block
    must be for its swap to be reported.
    """

    def __init__(
        self,
        rpc: Chain,
        poll_seconds: float,
        *,
        may_broadcast: Callable[[], bool] = lambda: True,
        hints: Hints | None = None,
        landed_at: Level = Level.CONFIRMED,
        observer: RpcObserver | None = None,
        random: Random | None = None,
    ) -> None:
        self._rpc = rpc
        self._may_broadcast = may_broadcast
        self._hints = hints or NoHints()
        self._landed_at = landed_at
        self._observer = observer or SilentObserver()
        self._pace = Pace(poll_seconds, lambda: self._hints.live, random or Random())
        self._followed: dict[Signature, _Followed] = {}
        self._watch = FinalityWatch()
        self._finalized: BlockPosition | None = None
        self._said = _Said()
        self._task: asyncio.Task[None] | None = None
        self._inquiry: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def settle(
        self,
        signature: Signature,
        transaction: bytes,
        last_valid_block_height: int,
        on_executed: Callable[[int], None] = lambda _: None,
        *,
        signing_slot: int | None = None,
    ) -> Landed | Expired:
        """Send the signed bytes until their outcome is known; waits as long as that takes.

        `on_executed(slot)` hears of it as soon as a node has executed them, which is not yet final. Calling it again
        for the same signature, in any worker, any number of times, is safe: the bytes are the same. `signing_slot` is
        the slot of the state that their blockhash was read from; without it fewer nodes can prove that they expired.
        """
        entry = self._followed.get(signature)
        if entry is None:
            deadline = Deadline(last_valid_block_height, signing_slot)
            entry = self._follow(Sent(signature, transaction, deadline), on_executed)
        entry.waiting += 1
        try:
            return await asyncio.shield(entry.settled)
        finally:
            entry.waiting -= 1
            if entry.waiting == 0 and not entry.has_vanished:
                self._forget(entry)

    async def close(self) -> None:
        """Stop asking; whoever still waits is cancelled."""
        tasks = [task for task in (self._task, self._inquiry, *self._sending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for entry in self._followed.values():
            entry.settled.cancel()
        await self._hints.close()

    def _follow(self, sent: Sent, on_executed: Callable[[int], None]) -> _Followed:
        settled: asyncio.Future[Landed | Expired] = asyncio.get_running_loop().create_future()
        entry = _Followed(sent, on_executed, settled)
        self._followed[sent.signature] = entry
        self._hints.watch(sent.signature, self._pace.hint)
        self._broadcast(entry)
        self._pace.wake()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return entry

    def _forget(self, entry: _Followed) -> None:
        if self._followed.get(entry.signature) is entry:
            del self._followed[entry.signature]
            self._hints.forget(entry.signature)

    async def _run(self) -> None:
        while self._followed or self._watch:
            news = await self._pace.next(lambda: not self._followed)
            try:
                await self._ask_for(news)
                self._pace.succeeded()
                self._said.over("signature statuses")
            except ChainUnavailable as error:
                self._pace.failed()
                self._said.warn("signature statuses", str(error))
            except Exception:
                # The tracker serves every order of the worker: one surprising answer must not end it.
                self._pace.failed()
                log.exception("signature statuses")

    async def _ask_for(self, news: frozenset[Signature] | None) -> None:
        nodes = self._rpc.nodes()
        if not nodes:
            raise ChainUnavailable("every RPC endpoint asked to be left alone for a while", Outcome.RATE_LIMITED)
        entries = [entry for each, entry in self._followed.items() if news is None or each in news]
        batches = [entries[start : start + MAX_STATUSES] for start in range(0, len(entries), MAX_STATUSES)]
        answers = await asyncio.gather(*(self._ask(nodes, batch) for batch in batches), return_exceptions=True)
        slots = [answer for answer in answers if isinstance(answer, int)]
        await self._look_back(nodes, max(slots, default=None))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _ask(self, nodes: Sequence[ChainNode], batch: Sequence[_Followed]) -> int:
        """Ask for a batch, and act on what is said; returns the slot of the answer."""
        signatures = [entry.signature for entry in batch]
        node, statuses = await first_answer(nodes, lambda each: each.statuses(signatures), PATIENCE_SECONDS)
        words = {
            entry: [Word(node.host, statuses.slot, status)]
            for entry, status in zip(batch, statuses.values, strict=True)
        }
        others = [each for each in nodes if each is not node][:_WITNESSES]
        doubtful = [entry for entry in batch if self._is_doubtful(entry, words[entry][0])] if others else []
        await _hear(others, doubtful, words)
        for entry in batch:
            self._take(entry, words[entry], past_deadline=False, all_heard=len(words[entry]) > len(others))
            if not entry.settled.done():
                self._resend(entry, words[entry], statuses.slot)
        self._ask_for_proof(nodes, batch, statuses.slot)
        return statuses.slot

    def _is_doubtful(self, entry: _Followed, word: Word) -> bool:
        """Whether other nodes are to be heard: on what would settle it, and now and then on what one does not know."""
        if word.status is not None:
            return is_claim(word.status, self._landed_at)
        last = entry.others_asked_at
        if last is None or word.as_of < last - _SLOTS_BACK:
            entry.others_asked_at = word.as_of
        elif word.as_of >= last + ASK_OTHERS_AFTER_SLOTS:
            entry.others_asked_at = word.as_of
            return True
        return False

    def _take(self, entry: _Followed, words: Sequence[Word], *, past_deadline: bool, all_heard: bool) -> None:
        executed = next((word.status for word in words if word.status and word.status.error is None), None)
        if executed is not None:
            entry.on_executed(executed.slot)
        status = verdict(words, self._landed_at, past_deadline=past_deadline, all_heard=all_heard)
        if status is not None:
            self._settle(entry, Landed(status.slot, status.error), status)
        elif not entry.doubted and any(is_claim(word.status, self._landed_at) for word in words):
            entry.doubted = True
            log.warning("%s: nodes differ, waiting: %s", entry.signature, words)

    def _settle(self, entry: _Followed, outcome: Landed | Expired, status: SignatureStatus | None = None) -> None:
        if entry.settled.done():
            return
        entry.settled.set_result(outcome)
        self._forget(entry)
        if status is not None and status.error is None:
            if status.level is not Level.FINALIZED:
                self._watch.add(entry.sent, status.slot)
        elif entry.has_vanished:
            log.error("%s was reported as landed, and has not: %s", entry.signature, outcome)

    async def _look_back(self, nodes: Sequence[ChainNode], slot: int | None) -> None:
        """Ask whether what was reported as landed is final by now, and send again what is there no more."""
        due = self._watch.due(slot)
        if not due:
            return
        for sent in await self._watch.check(nodes, due):
            log.error("%s was reported as landed and is gone: it is sent again", sent.signature)
            self._observer.vanished(str(sent.signature))
            if sent.signature not in self._followed:
                self._follow(sent, lambda _: None).has_vanished = True

    def _ask_for_proof(self, nodes: Sequence[ChainNode], batch: Iterable[_Followed], slot: int) -> None:
        """Look into what may be past its deadline, beside the other questions: this one may take its time."""
        if self._inquiry is not None and not self._inquiry.done():
            return
        entries = [entry for entry in batch if not entry.settled.done() and self._may_be_overdue(entry, slot)]
        if entries:
            self._inquiry = asyncio.create_task(self._prove(nodes, {each.signature: each for each in entries}))

    def _may_be_overdue(self, entry: _Followed, slot: int) -> bool:
        position = self._finalized
        if position is None:
            return True
        # Every block has a slot of its own: the height grows by no more than the slot does.
        highest = position.height + (slot - position.slot)
        passed = slot - position.slot
        return highest > entry.sent.deadline.last_valid_block_height or not 0 <= passed < _POSITION_IS_GOOD_FOR_SLOTS

    async def _prove(self, nodes: Sequence[ChainNode], entries: Mapping[Signature, _Followed]) -> None:
        try:
            deadlines = {signature: entry.sent.deadline for signature, entry in entries.items()}
            found = await inquire(nodes, deadlines, _absence(self._rpc.absent(nodes)))
            self._conclude(found, entries)
        except Exception:
            log.exception("proof of expiry")

    def _conclude(self, found: Inquiry, entries: Mapping[Signature, _Followed]) -> None:
        self._finalized = found.finalized or self._finalized
        for host, reason in found.silent.items():
            self._said.warn(f"proof of expiry: {host} proves nothing", reason)
        for signature, height in found.expired.items():
            self._settle(entries[signature], Expired(height))
        for signature, words in found.words.items():
            if signature not in found.expired:
                self._take(entries[signature], words, past_deadline=True, all_heard=found.all_heard)

    def _resend(self, entry: _Followed, words: Sequence[Word], slot: int) -> None:
        """Broadcast again when it is time, unless a supermajority has it or its last block is final."""
        if any(word.status is not None and word.status.level is not Level.PROCESSED for word in words):
            return
        if self._finalized is not None and self._finalized.height > entry.sent.deadline.last_valid_block_height:
            return
        last = entry.sent_at_slot
        if not entry.is_broadcast:
            self._broadcast(entry)
        elif last is None or slot < last - _SLOTS_BACK:
            entry.sent_at_slot = slot
        elif slot >= last + (RESEND_AFTER_SLOTS if entry.is_taken else 1):
            entry.sent_at_slot = slot
            self._broadcast(entry)

    def _broadcast(self, entry: _Followed) -> None:
        if self._may_broadcast():
            entry.is_broadcast = True
            task = asyncio.create_task(self._send(entry))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, entry: _Followed) -> None:
        # A send error proves nothing: the bytes may have reached the leader all the same.
        try:
            await self._rpc.send(entry.sent.transaction)
            entry.is_taken = True
            self._said.over("sending")
        except ChainUnavailable as error:
            entry.is_taken = False
            self._said.warn("sending", str(error))
        except Exception:
            log.exception("sending %s", entry.signature)


def _absence(circuits: Sequence[Circuit]) -> Absence:
    dead = [circuit in (Circuit.OPEN, Circuit.HALF_OPEN) for circuit in circuits]
    return Absence(rest=not all(dead), dead=any(dead))


async def _hear(
    nodes: Sequence[ChainNode], entries: Sequence[_Followed], words: Mapping[_Followed, list[Word]]
) -> None:
    """Add what the nodes say of the entries; one that is slow or fails is not waited for."""
    if not entries:
        return
    signatures = [entry.signature for entry in entries]
    asked = {asyncio.ensure_future(node.statuses(signatures)): node for node in nodes}
    try:
        done, _ = await asyncio.wait(asked, timeout=PATIENCE_SECONDS)
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    for task in done:
        node = asked[task]
        with contextlib.suppress(ChainUnavailable):
            answer = task.result()
            for entry, status in zip(entries, answer.values, strict=True):
                words[entry].append(Word(node.host, answer.slot, status))
