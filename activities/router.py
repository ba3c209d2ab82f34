"""Decide how an order is filled: the best single pool, or two pools in one transaction when that gains enough."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from solders.pubkey import Pubkey

from activities.curves import price_curves
from activities.quotes import VENUES, QuotedPool, Quoter
from activities.swap_builder import SwapBuilder
from activities.venues.errors import VenueError
from activities.venues.mint import NATIVE_MINT
from workflows.domain.errors import EngineError
from workflows.domain.ids import memo
from workflows.domain.order import OrderTerms
from workflows.domain.risk import Limits, allowed_venues
from workflows.domain.routing import Decision, PoolQuote, PriceCurves, VenueQuotes, choose, prefer_split
from workflows.messages import QuoteRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SplitPolicy:
    """Whether orders may be split, and the least gain over the best single pool, after costs, that is worth it."""

    enabled: bool
    least_gain_bps: Decimal


@dataclass(frozen=True, slots=True)
class Routed:
    """A decision, and what its pools pay for other sizes in the states that it was made in."""

    decision: Decision
    curves: PriceCurves


class Router:
    """Turns both venues' quotes into a decision."""

    def __init__(self, quoter: Quoter, builder: SwapBuilder, policy: SplitPolicy, limits: Limits) -> None:
        self._quoter = quoter
        self._builder = builder
        self._policy = policy
        self._limits = limits

    async def decide(self, terms: OrderTerms, attempt: int, venues: tuple[VenueQuotes, ...]) -> Routed:
        """The decision for an attempt of the order; raises EngineError when no pool of an allowed venue can fill it.

        The quotes are taken again behind the swaps decided on since they were made, and later quotes stand behind
        this one: orders that were quoted side by side do not all decide for the same price.
        """
        self._builder.expect(terms)
        request = QuoteRequest(
            token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in, amount_out=terms.amount_out
        )
        looks = [await self._again(venue, request) for venue in venues]
        venues = allowed_venues(self._limits, tuple(answer for answer, _ in looks))
        single = choose(venues, terms.token_in, terms.token_out, terms.exact_out)
        curves = _curves(single, [pool for _, pools in looks for pool in pools])
        try:
            decision = await self._split(terms, attempt, request, single)
            parts = [
                await self._quoter.one(Pubkey.from_string(leg.pool), _part(request, leg)) for leg in decision.route.legs
            ]
        except (VenueError, ConnectionError, EngineError) as error:
            # The single pool is as good as before; a split is only ever an improvement on it.
            log.info("order %s is not split: %s", terms.order_id, error)
            return Routed(single, curves)
        self._quoter.decided(memo(terms.order_id, attempt), parts)
        return Routed(decision, curves)

    async def _again(self, venue: VenueQuotes, request: QuoteRequest) -> tuple[VenueQuotes, Sequence[QuotedPool]]:
        if venue.reason is not None:
            return venue, ()
        again, pools = await self._quoter.look(venue.venue, request)
        return (venue, ()) if again.reason is not None else (again, pools)

    async def _split(self, terms: OrderTerms, attempt: int, request: QuoteRequest, single: Decision) -> Decision:
        best = single.route.legs[0]
        # All that two pools can gain over one is the impact that the one has on its price; only inputs are divided.
        if terms.exact_out or not self._policy.enabled or best.price_impact_bps < self._policy.least_gain_bps:
            return single
        parts = await self._quoter.split(request, self._limits.venues or frozenset(VENUES))
        if parts is None or not await self._builder.fits(terms, parts):
            return single
        legs = tuple(part.report() for part in parts)
        cost = await self._extra_cost(terms, attempt, best, parts)
        return prefer_split(single, legs, cost, self._policy.least_gain_bps, (terms.token_in, terms.token_out))

    async def _extra_cost(self, terms: OrderTerms, attempt: int, best: PoolQuote, parts: tuple[QuotedPool, ...]) -> int:
        """Priority fee of the further compute, in base units of the output token.

        Known exactly where one side is SOL; the fee is lamports, and other pairs leave it to the least gain.
        """
        units = sum(part.quote.compute_units for part in parts) - best.compute_units
        lamports = await self._builder.priority_fee(parts, attempt, max(0, units))
        if terms.token_out.mint == str(NATIVE_MINT):
            return lamports
        if terms.token_in.mint == str(NATIVE_MINT):
            return -(-lamports * best.amount_out // best.amount_in)
        return 0


def _curves(single: Decision, pools: Sequence[QuotedPool]) -> PriceCurves:
    known = {str(pool.pool.address): pool for pool in pools}
    ranked = (*single.route.legs, *single.others)
    return price_curves([known[quote.pool] for quote in ranked if quote.pool in known], single.route.amount_in)


def _part(request: QuoteRequest, leg: PoolQuote) -> QuoteRequest:
    return request.model_copy(update={"amount_in": leg.amount_in})
