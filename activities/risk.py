"""Check the risk of a decided order, and reserve what it needs, before anything is built or signed."""

from collections.abc import Mapping
from typing import Any, Protocol

from temporalio import activity

from activities.balances import BalanceReader
from activities.halt import TradingGate
from activities.in_flight import InFlight
from activities.refusal import refusal
from activities.solana.rpc import ChainUnavailable
from activities.solana.wallets import Wallets
from activities.valuation import Valuer
from workflows.domain import risk
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import memo
from workflows.domain.money import TokenAmount
from workflows.domain.order import OrderTerms
from workflows.domain.risk import Claim, Limits, Prices, Reserved
from workflows.messages import CheckRisk, RiskChecked


class Reservations(Protocol):
    """What all workers have promised of wallets and of daily limits; ConnectionError when it is out of reach."""

    async def reserve(self, claim: Claim, figures: Mapping[str, Any]) -> Reserved | None:
        """Reserve the claim if it fits beside what others have reserved, which is the answer, and nothing otherwise.

        None when the order has ended or traded and needs nothing any more.
        """


class RiskDesk:
    """All checks of an order, in the order of what they cost."""

    def __init__(
        self,
        limits: Limits,
        gate: TradingGate,
        valuer: Valuer,
        wallets: Wallets,
        balances: BalanceReader,
        reservations: Reservations,
    ) -> None:
        self._limits = limits
        self._gate = gate
        self._valuer = valuer
        self._wallets = wallets
        self._balances = balances
        self._reservations = reservations

    def admit(self, terms: OrderTerms) -> None:
        """Refuse what can be refused without a quote; raises EngineError."""
        risk.admit(self._limits, self._gate.halt, terms)

    async def check(self, request: CheckRisk) -> RiskChecked:
        """The figures of an order that may trade, its needs reserved; raises EngineError, or ConnectionError."""
        terms, decision = request.terms, request.decision
        self.admit(terms)
        prices = risk.check_prices(self._limits, decision)
        notional = None
        if self._limits.value_orders:
            notional = await self._valuer.value(terms, decision.route)
            risk.check_order_notional(self._limits, notional)
        try:
            claim = await self._claim(request, notional)
        except ChainUnavailable as error:
            raise EngineError(ErrorCode.CHAIN_UNAVAILABLE, str(error)) from error
        reserved = await self._reservations.reserve(claim, _figures(prices, notional))
        if reserved is not None:
            risk.check_funds(terms, claim, reserved)
            if notional is not None:
                risk.check_daily_notional(self._limits, terms.account, notional, reserved)
        return RiskChecked(
            price_impact_bps=prices.impact_bps,
            price_deviation_bps=prices.deviation_bps,
            notional=notional.base_units if notional is not None else None,
            lamports=claim.needs.lamports,
            tokens=claim.needs.tokens,
            slot=claim.slot,
            skipped=prices.skipped,
        )

    async def _claim(self, request: CheckRisk, notional: TokenAmount | None) -> Claim:
        terms = request.terms
        wallet = self._wallets.address(terms.wallet)
        held = await self._balances.of(wallet, terms)
        most = self._limits.daily_notional
        return Claim(
            order_id=terms.order_id,
            attempt=request.attempt,
            account=terms.account,
            wallet=str(wallet),
            mint=terms.token_in.mint,
            needs=await self._balances.needs(wallet, terms, held.can_receive),
            slot=held.slot,
            held_lamports=held.lamports,
            held_tokens=held.tokens,
            notional=notional.base_units if notional is not None else 0,
            most_a_day=risk.limit_units(most, notional.token) if most is not None and notional is not None else None,
        )


def _figures(prices: Prices, notional: TokenAmount | None) -> dict[str, Any]:
    """What the checks measured, as it is kept with the reservation."""
    return {
        "priceImpactBps": str(prices.impact_bps),
        "priceDeviationBps": str(prices.deviation_bps) if prices.deviation_bps is not None else None,
        "notional": str(notional) if notional is not None else None,
        "skipped": list(prices.skipped),
    }


class RiskActivities:
    """The checking step."""

    def __init__(self, desk: RiskDesk, in_flight: InFlight) -> None:
        self._desk = desk
        self._in_flight = in_flight

    @activity.defn
    async def check_risk(self, request: CheckRisk) -> RiskChecked:
        """Check the decision against the limits, and reserve what the order needs of its wallet.

        Raises ApplicationError typed with an error code when the order may not trade, and reserves nothing new then.
        """
        try:
            return await self._desk.check(request)
        except EngineError as error:
            self._in_flight.remove(memo(request.terms.order_id, request.attempt))
            raise refusal(error) from error
