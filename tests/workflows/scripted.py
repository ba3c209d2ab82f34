"""Activities that answer as a script says, on a store in memory and a chain that watches what is sent.

Persisting and publishing are the engine's own activities, and the choice is the domain's.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from temporalio import activity

from activities.persist import PersistActivities
from activities.publish import PublishActivities
from activities.refusal import refusal
from tests.memory_store import MemoryRelay, MemoryStore, StoredOrder
from tests.samples import BEGINNING, swap_attempt
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.guard import least_outputs, most_inputs
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill, OrderEvent, OrderTerms
from workflows.domain.risk import Halt, Limits, admit
from workflows.domain.routing import PoolQuote, PoolRefusal, VenueQuotes, choose, told
from workflows.messages import (
    CheckRisk,
    ChooseRoute,
    ExecuteSwap,
    PreparedSwap,
    PrepareSwap,
    QuoteRequest,
    RiskChecked,
    SettleSwap,
    SwapExecuted,
    SwapSettled,
    WatchedPair,
)

Item = TypeVar("Item")

# What a venue answers to one question.
Answer = Callable[[str, QuoteRequest], Awaitable[VenueQuotes]]


def pays(amount_out: int, pool: str = "pool") -> Answer:
    """One pool quotes."""

    async def answer(venue: str, request: QuoteRequest) -> VenueQuotes:
        return VenueQuotes(venue=venue, slot=7, quotes=(pool_quote(venue, amount_out, request.amount_in, pool),))

    return answer


def asks(amount_in: int, pool: str = "pool") -> Answer:
    """One pool quotes exact out."""

    async def answer(venue: str, request: QuoteRequest) -> VenueQuotes:
        assert request.amount_out is not None
        return VenueQuotes(venue=venue, slot=7, quotes=(pool_quote(venue, request.amount_out, amount_in, pool),))

    return answer


def refuses(reason: str) -> Answer:
    """One pool refuses to quote."""

    async def answer(venue: str, request: QuoteRequest) -> VenueQuotes:
        refused = PoolRefusal(venue=venue, kind="cpmm", pool="pool", reason=reason)
        return VenueQuotes(venue=venue, slot=7, refusals=(refused,))

    return answer


def unreadable(reason: ErrorCode = ErrorCode.CHAIN_UNAVAILABLE) -> Answer:
    """The venue could not be read."""

    async def answer(venue: str, request: QuoteRequest) -> VenueQuotes:
        return VenueQuotes(venue=venue, reason=reason, detail="the node is away")

    return answer


def breaks(error: Exception) -> Answer:
    """The activity raises what nobody foresaw."""

    async def answer(venue: str, request: QuoteRequest) -> VenueQuotes:
        raise error

    return answer


async def has_no_pools(venue: str, request: QuoteRequest) -> VenueQuotes:
    """The venue has no pool of the pair."""
    return VenueQuotes(venue=venue, slot=7)


async def hangs(venue: str, request: QuoteRequest) -> VenueQuotes:
    """No answer ever."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


def pool_quote(venue: str, amount_out: int, amount_in: int = 1_500_000_000, pool: str = "pool") -> PoolQuote:
    """A pool's quote for the order."""
    return PoolQuote(
        venue=venue,
        kind="cpmm",
        pool=pool,
        amount_in=amount_in,
        amount_out=amount_out,
        fee=1,
        fee_mint="mint",
        price_impact_bps=Decimal(0),
        compute_units=30_000,
        slot=7,
    )


def landed(amount_out: int = 290_000_000) -> SwapOutcome:
    """The swap traded."""
    fill = Fill(amount_in=1_500_000_000, amount_out=amount_out, fee_lamports=5_000, slot=11)
    return SwapOutcome(kind=OutcomeKind.LANDED, slot=11, fill=fill)


def reverted(reason: ErrorCode = ErrorCode.SLIPPAGE_EXCEEDED) -> SwapOutcome:
    """The program refused the swap."""
    return SwapOutcome(kind=OutcomeKind.REVERTED, slot=11, reason=reason, detail="refused")


HALT = Halt(by="ops@desk", reason="a drill", at=BEGINNING)

NEVER = TimeoutError("no answer at all")

EXPIRED = SwapOutcome(kind=OutcomeKind.EXPIRED, reason=ErrorCode.BLOCKHASH_EXPIRED, detail="height 10 is past 5")


@dataclass
class Script:
    """What each step answers, call by call; the last answer is repeated."""

    raydium: Sequence[Answer] = (pays(291_000_000),)
    meteora: Sequence[Answer] = (pays(290_000_000),)
    # None lets the order pass; a code is the reason why it may not trade.
    check: Sequence[ErrorCode | Exception | None] = (None,)
    # None signs; a code is the reason why there is no swap; `NEVER` is no answer at all.
    prepare: Sequence[ErrorCode | Exception | None] = (None,)
    outcomes: Sequence[SwapOutcome] = (landed(),)
    # The step that has just done its work when trading is halted.
    halted_after: str | None = None


class AtMostOnceBroken(AssertionError):
    """Two signatures of one order could have landed."""


@dataclass
class Chain:
    """Knows every signature that was sent, and that an order's next may only come when the former is dead."""

    sent: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[str, SwapOutcome] = field(default_factory=dict)

    def send(self, order_id: str, signature: str) -> None:
        """Take the bytes; sending them again changes nothing."""
        if signature in self.sent[order_id]:
            return
        for former in self.sent[order_id]:
            outcome = self.outcomes.get(former)
            if outcome is None or outcome.kind is OutcomeKind.LANDED:
                raise AtMostOnceBroken(f"{signature} was sent while {former} is {outcome}")
        self.sent[order_id].append(signature)

    def settle(self, signature: str, outcome: SwapOutcome) -> SwapOutcome:
        """What became of the signature: the first answer is a fact."""
        return self.outcomes.setdefault(signature, outcome)

    def landed(self, order_id: str) -> list[str]:
        """The order's signatures that traded."""
        return [
            signature
            for signature in self.sent[order_id]
            if signature in self.outcomes and self.outcomes[signature].kind is OutcomeKind.LANDED
        ]


class ScriptedActivities:
    """All activities of an order; `calls` counts them by name."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.store = MemoryStore()
        self.relay = MemoryRelay()
        self.chain = Chain()
        self.calls: Counter[str] = Counter()
        # Hooks: a test waits for `executing` and lets `execute_swap` go on by `may_settle`.
        self.executing = asyncio.Event()
        self.may_settle = asyncio.Event()
        self.may_settle.set()

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return (
            PersistActivities(self.store, self.relay, self._admit).persist_order,
            PublishActivities(self.store, self.relay).publish_status,
            PublishActivities(self.store, self.relay).record_cancel_request,
            self.ensure_watched,
            self.fetch_raydium_quote,
            self.fetch_meteora_quote,
            self.choose_route,
            self.check_risk,
            self.prepare_swap,
            self.execute_swap,
            self.settle_swap,
        )

    def _halt_after(self, step: str) -> None:
        if self.script.halted_after == step:
            self.store.halt = HALT

    def order(self, order_id: str) -> StoredOrder:
        """What the store holds of the order."""
        return self.store.orders[order_id]

    def _next(self, name: str, items: Sequence[Item]) -> Item:
        self.calls[name] += 1
        return items[min(self.calls[name], len(items)) - 1]

    @activity.defn
    async def fetch_raydium_quote(self, request: QuoteRequest) -> VenueQuotes:
        """Answer by the script."""
        return await self._next("fetch_raydium_quote", self.script.raydium)("raydium", request)

    @activity.defn
    async def fetch_meteora_quote(self, request: QuoteRequest) -> VenueQuotes:
        """Answer by the script."""
        return await self._next("fetch_meteora_quote", self.script.meteora)("meteora", request)

    @activity.defn
    async def ensure_watched(self, pair: WatchedPair) -> None:
        """Only counted: a test is its own watcher."""
        self.calls["ensure_watched"] += 1

    @activity.defn
    async def choose_route(self, request: ChooseRoute) -> OrderEvent:
        """Choose and record as the engine does, without splitting."""
        terms = request.terms
        try:
            decision = choose(request.venues, terms.token_in, terms.token_out, terms.exact_out)
        except EngineError as error:
            raise refusal(error) from None
        facts = {"venue": decision.route.venue, "data": told(decision, terms.token_out)}
        stands = await self.store.append_event(terms.order_id, request.event.model_copy(update=facts))
        await self.relay.publish(terms.order_id, terms.account, (stands,))
        self._halt_after("choose_route")
        return stands

    def _admit(self, terms: OrderTerms) -> None:
        self._halt_after("persist_order")
        # A real store knows of no halt that a script sets.
        admit(Limits(), getattr(self.store, "halt", None), terms)

    @activity.defn
    async def check_risk(self, request: CheckRisk) -> RiskChecked:
        """Pass while trading is not halted, or refuse by the script."""
        try:
            self._admit(request.terms)
        except EngineError as error:
            raise refusal(error) from None
        answer = self._next("check_risk", self.script.check)
        if isinstance(answer, ErrorCode):
            raise refusal(EngineError(answer, "by the script"))
        if isinstance(answer, Exception):
            raise answer
        return RiskChecked(
            price_impact_bps=Decimal(0), price_deviation_bps=None, notional=None, lamports=1, tokens=0, slot=8
        )

    @activity.defn
    async def prepare_swap(self, request: PrepareSwap) -> PreparedSwap:
        """Sign, or refuse by the script; each signature is another one, as with each blockhash."""
        answer = self._next("prepare_swap", self.script.prepare)
        if isinstance(answer, ErrorCode):
            raise refusal(EngineError(answer, "by the script"))
        if answer is NEVER:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        route = request.route
        swap = swap_attempt(
            request.terms.order_id,
            request.attempt,
            venue=route.venue,
            kind=route.kind,
            pool=route.pool,
            signature=f"signature {self.calls['prepare_swap']} of {request.terms.order_id}",
            quoted_out=route.amount_out,
            **self._guard(request),
        )
        self._halt_after("prepare_swap")
        return PreparedSwap(swap=swap, compute_unit_limit=100_000, compute_unit_price=1_000, slot=9)

    def _guard(self, request: PrepareSwap) -> dict[str, int]:
        """The guard, by the domain's rules; the pool gives what it gave when it was chosen."""
        terms, legs = request.terms, request.route.legs
        try:
            if terms.amount_out is not None:
                asked = [leg.amount_in for leg in legs]
                return {"least_out": terms.amount_out, "most_in": sum(most_inputs(terms, asked, asked))}
            paid = [leg.amount_out for leg in legs]
            return {"least_out": sum(least_outputs(terms, paid, paid))}
        except EngineError as error:
            raise refusal(error) from None

    @activity.defn
    async def execute_swap(self, request: ExecuteSwap) -> SwapExecuted:
        """Record, send, and answer by the script once `may_settle` is set."""
        try:
            stands = await self.store.record_attempt(request.swap, request.event)
        except EngineError as error:
            return SwapExecuted(event=request.event, outcome=None, halted=error.detail)
        if stands.status is not Status.SUBMITTED or stands.signature != request.swap.signature:
            return SwapExecuted(event=stands, outcome=None)
        await self.relay.publish(request.terms.order_id, request.terms.account, (stands,))
        outcome = await self._send(request.swap)
        outcome = await self.store.settle_attempt(request.swap, outcome)
        return SwapExecuted(event=stands, outcome=outcome)

    @activity.defn
    async def settle_swap(self, request: SettleSwap) -> SwapSettled:
        """Send the recorded bytes, and answer by the script."""
        self.calls["settle_swap"] += 1
        swap, outcome = await self.store.recorded_swap(request.terms.order_id, request.event.signature or "")
        if outcome is None:
            outcome = await self._send(swap)
            outcome = await self.store.settle_attempt(swap, outcome)
        return SwapSettled(swap=swap, outcome=outcome)

    async def _send(self, swap: SwapAttempt) -> SwapOutcome:
        self.chain.send(swap.order_id, swap.signature)
        self.executing.set()
        while not self.may_settle.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.01)
        if swap.signature in self.chain.outcomes:
            return self.chain.outcomes[swap.signature]
        return self.chain.settle(swap.signature, self._next("outcomes", self.script.outcomes))
