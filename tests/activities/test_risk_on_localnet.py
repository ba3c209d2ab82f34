"""The check of the risk on a simulated cluster and a real PostgreSQL: balances, promises, values, prices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from solders.pubkey import Pubkey
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.balances import BalanceReader
from activities.halt import TradingGate
from activities.in_flight import InFlight
from activities.pools import PoolReader
from activities.quotes import VENUES, Quoter
from activities.risk import RiskActivities, RiskDesk
from activities.router import Router, SplitPolicy
from activities.solana.rpc import SolanaRpc
from activities.solana.wallets import Wallets
from activities.swap_builder import SwapBuilder
from activities.valuation import Valuer
from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT
from db.database import Database
from db.orders import OrderRepository
from db.risk import HaltRepository, ReservationRepository
from tests.activities.desk import FEES, Desk
from tests.localnet.chain import BONK, FEE, USDC
from tests.samples import SOL, TOKEN_PROGRAM, first_events, order_terms
from tests.samples import USDC as DOLLAR
from workflows.domain.attempt import OutcomeKind
from workflows.domain.errors import ErrorCode
from workflows.domain.money import Token
from workflows.domain.order import OrderTerms
from workflows.domain.pools import RegisteredPool
from workflows.domain.risk import Limits
from workflows.domain.routing import Decision, VenueQuotes
from workflows.messages import CheckRisk, QuoteRequest, RiskChecked

BONKS = Token(mint=str(BONK), symbol="BONK", decimals=5, program=TOKEN_PROGRAM)
FEES_TOKEN = Token(mint=str(FEE), symbol="FEE", decimals=6, program="TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKENS = [SOL, DOLLAR, BONKS, FEES_TOKEN]

SELLS_SOL: dict[str, Any] = {"token_in": SOL, "token_out": DOLLAR, "amount_in": 1_500_000_000}
BUYS_SOL: dict[str, Any] = {"token_in": DOLLAR, "token_out": SOL, "amount_in": 150_000_000}


class Registry:
    """All pools and tokens of the cluster."""

    def __init__(self, pools: list[RegisteredPool]) -> None:
        self._pools = pools

    async def of_pair(self, mint: str, other: str) -> list[RegisteredPool]:
        return [pool for pool in self._pools if {pool.mint_a, pool.mint_b} == {mint, other}]

    async def all(self) -> list[Token]:
        return TOKENS


@dataclass
class Checking:
    """The checking step of a worker, and the orders it is asked about."""

    desk: Desk
    orders: OrderRepository
    in_flight: InFlight
    gate: TradingGate
    router: Router
    quoter: Quoter
    builder: SwapBuilder
    activities: RiskActivities

    async def quotes(self, terms: OrderTerms) -> tuple[VenueQuotes, ...]:
        """Both venues' quotes for an order."""
        request = QuoteRequest(token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in)
        return tuple([await self.quoter.venue(venue, request) for venue in VENUES])

    async def best(self, **changes: Any) -> int:
        """What the best pool of both venues pays now."""
        answers = await self.quotes(order_terms(**changes))
        return max(quote.amount_out for venue in answers for quote in venue.quotes)

    async def decided(self, **changes: Any) -> tuple[OrderTerms, Decision]:
        """An accepted order and the engine's decision for it."""
        terms = order_terms(**changes)
        await self.orders.create_order(terms, first_events())
        return terms, (await self.router.decide(terms, 1, await self.quotes(terms))).decision

    async def check(self, terms: OrderTerms, decision: Decision, attempt: int = 1) -> RiskChecked:
        request = CheckRisk(terms=terms, attempt=attempt, decision=decision)
        return await ActivityEnvironment().run(self.activities.check_risk, request)

    async def of(self, **changes: Any) -> RiskChecked:
        """Accept, decide and check."""
        return await self.check(*await self.decided(**changes))


Open = Callable[[Limits], AbstractAsyncContextManager[Checking]]


@pytest.fixture(scope="module")
async def pools(cluster_desk: Desk) -> list[RegisteredPool]:
    """The pools of three pairs."""
    chain = cluster_desk.chain
    return [
        RegisteredPool(str(pool.address), kind.venue, kind.name, *sorted((str(one), str(other))))
        for kind in kinds.KINDS
        for one, other in ((NATIVE_MINT, USDC), (BONK, USDC), (FEE, NATIVE_MINT))
        for pool in await chain.pools(kind, one, other)
    ]


@pytest.fixture
async def checking(desk: Desk, database: Database, pools: list[RegisteredPool]) -> Open:
    """Opens a checking step with limits, on the file's cluster."""

    @asynccontextmanager
    async def opened(limits: Limits) -> AsyncIterator[Checking]:
        rpc, in_flight = SolanaRpc(desk.chain.url), InFlight()
        registry, gate = Registry(pools), TradingGate(HaltRepository(database), 0.01)
        quoter, wallets = Quoter(PoolReader(rpc, registry, 0.0), in_flight), Wallets(desk.wallet_dir)
        builder = SwapBuilder(rpc, quoter, wallets, FEES, 0.0)
        risk_desk = RiskDesk(
            limits,
            gate,
            Valuer(quoter, registry, "USDC"),
            wallets,
            BalanceReader(rpc, FEES, 0.0),
            ReservationRepository(database),
        )
        router = Router(quoter, builder, SplitPolicy(True, Decimal(1)), limits)
        activities = RiskActivities(risk_desk, in_flight)
        try:
            yield Checking(desk, OrderRepository(database), in_flight, gate, router, quoter, builder, activities)
        finally:
            await rpc.close()

    return opened


async def refused(checking: Awaitable[RiskChecked]) -> tuple[str | None, str]:
    """The reason and its detail."""
    with pytest.raises(ApplicationError) as failure:
        await checking
    assert failure.value.non_retryable
    return failure.value.type, failure.value.message


async def fund(desk: Desk, wallet: Pubkey, lamports: int) -> None:
    """Give the wallet so many lamports, in a confirmed block."""
    account = {"lamports": lamports, "data": ["", "base64"], "owner": "1" * 32, "executable": False, "space": 0}
    await desk.chain.rpc("localnet_setAccount", str(wallet), account | {"rentEpoch": 0})
    await desk.chain.rpc("localnet_warpSlots", 3)


async def dollars(desk: Desk, wallet: str) -> int:
    """What the wallet holds in USDC."""
    return await desk.holding(desk.chain.wallet(wallet).pubkey(), DOLLAR)


@pytest.fixture(autouse=True)
async def _the_poor_wallet_has_a_little(desk: Desk) -> None:
    await fund(desk, desk.chain.wallet("poor").pubkey(), 50_000_000)


class TestFunds:
    async def test_a_rich_wallet_passes_and_the_figures_say_why(self, checking: Open) -> None:
        async with checking(Limits()) as step:
            checked = await step.of(**SELLS_SOL)
        # The SOL, the signature, and the highest priority fee that a swap may bid.
        assert checked.lamports == 1_500_000_000 + 5_000 + FEES.lamports_cap
        assert (checked.tokens, checked.notional, checked.skipped) == (0, None, ())
        assert 0 <= checked.price_impact_bps < 1
        assert checked.price_deviation_bps is not None

    async def test_a_wallet_without_the_sol_is_refused(self, checking: Open) -> None:
        async with checking(Limits()) as step:
            code, detail = await refused(step.of(**SELLS_SOL, wallet="poor"))
        assert code == ErrorCode.INSUFFICIENT_FUNDS
        assert detail.startswith("wallet 'poor' holds 0.0")
        assert detail.endswith("and the order needs 1.501005 SOL with fees and rent, besides 0.00203928 SOL in passing")

    async def test_a_wallet_without_the_token_is_refused(self, desk: Desk, checking: Open) -> None:
        held = DOLLAR.format(await dollars(desk, "poor"))
        async with checking(Limits()) as step:
            code, detail = await refused(step.of(**BUYS_SOL, wallet="poor"))
        assert code == ErrorCode.INSUFFICIENT_FUNDS
        assert detail == f"wallet 'poor' holds {held} USDC, and the order sells 150"

    async def test_a_wallet_that_is_not_there_is_refused(self, checking: Open) -> None:
        async with checking(Limits()) as step:
            terms, decision = await step.decided(**SELLS_SOL)
            terms = terms.model_copy(update={"wallet": "nobody"})
            assert (await refused(step.check(terms, decision)))[0] == ErrorCode.WALLET_UNKNOWN

    async def test_two_orders_cannot_promise_the_same_tokens(self, desk: Desk, checking: Open) -> None:
        held = await dollars(desk, "poor")
        part = held * 6 // 10
        order: dict[str, Any] = BUYS_SOL | {"wallet": "poor", "amount_in": part}
        async with checking(Limits()) as step:
            first, second = await step.decided(**order), await step.decided(**order)
            answers = await asyncio.gather(step.check(*first), step.check(*second), return_exceptions=True)
            (failure,) = (answer for answer in answers if isinstance(answer, ApplicationError))
            assert failure.message == (
                f"wallet 'poor' holds {DOLLAR.format(held)} USDC, of which {DOLLAR.format(part)} USDC are promised"
                f" to other orders, and the order sells {DOLLAR.format(part)}"
            )
            # The one that passed may be checked again.
            passed = first if answers[1] is failure else second
            assert (await step.check(*passed)).tokens == part

    @pytest.mark.parametrize(
        "order",
        [
            {"token_in": SOL, "token_out": DOLLAR, "amount_in": 10_000_000},
            {"token_in": DOLLAR, "token_out": SOL, "amount_in": 500_000},
            {"token_in": SOL, "token_out": FEES_TOKEN, "amount_in": 10_000_000},
        ],
        ids=["sells SOL", "buys SOL", "buys a token it has no account for"],
    )
    async def test_what_passes_with_nothing_to_spare_can_be_built_and_lands(
        self, desk: Desk, checking: Open, order: dict[str, Any]
    ) -> None:
        wallet = desk.chain.wallet("poor").pubkey()
        async with checking(Limits()) as step:
            terms, decision = await step.decided(**order, wallet="poor")
            await fund(desk, wallet, 1_000_000_000)
            lamports = (await step.check(terms, decision)).lamports
            spare = (
                2_039_280 if NATIVE_MINT in map(Pubkey.from_string, (terms.token_in.mint, terms.token_out.mint)) else 0
            )
            await fund(desk, wallet, lamports + spare - 1)
            assert (await refused(step.check(terms, decision)))[0] == ErrorCode.INSUFFICIENT_FUNDS
            await fund(desk, wallet, lamports + spare)
            await step.check(terms, decision)
            swap = (await step.builder.prepare(terms, 1, decision.route)).swap
            await desk.store.create_order(terms, first_events())
            before = await desk.chain.lamports(wallet)
            outcome = await desk.outcome(terms, swap)
            assert outcome.kind is OutcomeKind.LANDED
            assert before - await desk.chain.lamports(wallet) <= lamports

    async def test_a_node_that_does_not_answer_is_no_refusal(self, desk: Desk, checking: Open) -> None:
        async with checking(Limits()) as step:
            terms, decision = await step.decided(**SELLS_SOL)
            await desk.chain.rpc("localnet_setFaults", [{"kind": "rate_limit", "methods": ["getMultipleAccounts"]}])
            assert (await refused(step.check(terms, decision)))[0] == ErrorCode.CHAIN_UNAVAILABLE


class TestValue:
    async def test_an_order_with_the_reference_token_is_worth_that_side(self, checking: Open) -> None:
        async with checking(Limits(order_notional=Decimal(10_000))) as step:
            assert (await step.of(**BUYS_SOL)).notional == 150_000_000
            terms, decision = await step.decided(**SELLS_SOL)
            assert (await step.check(terms, decision)).notional == decision.route.amount_out

    @pytest.mark.parametrize("sells", [True, False], ids=["SOL for FEE", "FEE for SOL"])
    async def test_another_pair_is_valued_by_the_pools_of_either_side(self, checking: Open, sells: bool) -> None:
        tokens = {"token_in": SOL, "token_out": FEES_TOKEN} if sells else {"token_in": FEES_TOKEN, "token_out": SOL}
        async with checking(Limits(order_notional=Decimal(10_000))) as step:
            checked = await step.of(**tokens, amount_in=1_000_000_000)
        # 1 SOL is about 150 dollars, 1,000 FEE about 4 SOL.
        assert checked.notional is not None
        assert 140_000_000 < checked.notional * (1 if sells else 0.25) < 155_000_000

    async def test_a_token_that_nobody_values_is_refused(self, checking: Open) -> None:
        async with checking(Limits(order_notional=Decimal(10_000))) as step:
            terms, decision = await step.decided(**SELLS_SOL)
            unknown = SOL.model_copy(update={"mint": str(Pubkey.new_unique()), "symbol": "XYZ"})
            other = DOLLAR.model_copy(update={"mint": str(Pubkey.new_unique()), "symbol": "ABC"})
            terms = terms.model_copy(update={"token_in": unknown, "token_out": other})
            code, detail = await refused(step.check(terms, decision))
        assert (code, detail) == (ErrorCode.NOTIONAL_UNKNOWN, "no pool trades XYZ or ABC for USDC")

    async def test_an_order_beyond_the_limit_is_refused(self, checking: Open) -> None:
        async with checking(Limits(order_notional=Decimal(149))) as step:
            assert (await refused(step.of(**BUYS_SOL))) == (
                ErrorCode.NOTIONAL_TOO_LARGE,
                "the order is worth 150 USDC, and one order may be worth 149 USDC",
            )

    async def test_an_account_sells_no_more_in_a_day_than_its_limit(self, checking: Open) -> None:
        async with checking(Limits(daily_notional=Decimal(400))) as step:
            orders = [await step.decided(**BUYS_SOL, account="desk") for _ in range(5)]
            answers = await asyncio.gather(*(step.check(*order) for order in orders), return_exceptions=True)
            refusals = [answer for answer in answers if isinstance(answer, ApplicationError)]
            assert [refusal.type for refusal in refusals] == [ErrorCode.DAILY_NOTIONAL_EXCEEDED] * 3
            await step.of(**BUYS_SOL, account="other")


class TestPricesAndLists:
    async def test_an_order_that_moves_the_price_is_refused_and_no_quote_waits_behind_it(self, checking: Open) -> None:
        huge: dict[str, Any] = {"token_in": SOL, "token_out": FEES_TOKEN, "amount_in": 900_000_000_000}
        async with checking(Limits(price_impact_bps=Decimal(200))) as step:
            undisturbed = await step.best(**huge)
            terms, decision = await step.decided(**huge)
            assert await step.best(**huge) < undisturbed
            assert (await refused(step.check(terms, decision)))[0] == ErrorCode.PRICE_IMPACT_EXCEEDED
            assert await step.best(**huge) == undisturbed

    @pytest.mark.parametrize("venue", ["raydium", "meteora"])
    async def test_only_an_allowed_venue_is_used_split_or_not(self, checking: Open, venue: str) -> None:
        large = SELLS_SOL | {"amount_in": 3_000_000_000_000}
        async with checking(Limits(venues=frozenset({venue}))) as step:
            terms, decision = await step.decided(**large)
            assert decision.route.venue == venue
            request = QuoteRequest(token_in=SOL, token_out=DOLLAR, amount_in=terms.amount_in)
            parts = await step.quoter.split(request, {venue})
            assert parts is not None
            assert {part.pool.kind.venue for part in parts} == {venue}
            checked = await step.of(**SELLS_SOL)
        assert checked.skipped != ()

    async def test_a_halt_stops_an_order_that_is_decided_on(self, checking: Open, database: Database) -> None:
        async with checking(Limits()) as step:
            terms, decision = await step.decided(**SELLS_SOL)
            await HaltRepository(database).halt("ops", "a drill")
            await step.gate.look()
            code, detail = await refused(step.check(terms, decision))
        assert code == ErrorCode.TRADING_HALTED
        assert detail.endswith(": a drill")
