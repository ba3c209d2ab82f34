"""Quotes and decisions as clients see them."""

from collections.abc import Sequence

from api.present import price_of
from api.schemas import DecisionOut, PoolQuoteOut, PoolRefusalOut, QuoteOut, VenueOut
from workflows.domain.money import Token, least_output, most_input
from workflows.domain.routing import Decision, PoolQuote, VenueQuotes
from workflows.messages import QuoteComparison, QuoteRequest


def quote_out(request: QuoteRequest, slippage_bps: int, comparison: QuoteComparison) -> QuoteOut:
    """A comparison of the venues."""
    exact_out = request.amount_out is not None
    shown = QuotePresenter(request.token_in, request.token_out, exact_out)
    quotes = [quote for venue in comparison.venues for quote in venue.quotes]
    best = max(quotes, key=lambda quote: -quote.amount_in if exact_out else quote.amount_out, default=None)
    decision = comparison.decision
    return QuoteOut(
        token_in=request.token_in.symbol,
        token_in_mint=request.token_in.mint,
        token_out=request.token_out.symbol,
        token_out_mint=request.token_out.mint,
        amount=None if exact_out else request.token_in.format(request.amount_in),
        amount_out=request.token_out.format(request.amount_out) if request.amount_out is not None else None,
        slippage_bps=slippage_bps,
        venues=[shown.venue(venue) for venue in comparison.venues],
        best=shown.pool(best) if best else None,
        decision=shown.decision(decision, slippage_bps) if decision else None,
        reason=comparison.reason,
        detail=comparison.detail,
    )


class QuotePresenter:
    """Shows quotes of one swap in token units."""

    def __init__(self, token_in: Token, token_out: Token, exact_out: bool) -> None:
        self._in = token_in
        self._out = token_out
        self._exact_out = exact_out

    def venue(self, venue: VenueQuotes) -> VenueOut:
        """One venue's answer."""
        return VenueOut(
            venue=venue.venue,
            slot=venue.slot,
            quotes=self.pools(venue.quotes),
            refusals=[PoolRefusalOut(kind=each.kind, pool=each.pool, reason=each.reason) for each in venue.refusals],
            reason=venue.reason,
            detail=venue.detail,
        )

    def pools(self, quotes: Sequence[PoolQuote]) -> list[PoolQuoteOut]:
        """Quotes in their order."""
        return [self.pool(quote) for quote in quotes]

    def pool(self, quote: PoolQuote) -> PoolQuoteOut:
        """One pool's quote."""
        fee_token = self._in if quote.fee_mint == self._in.mint else self._out
        return PoolQuoteOut(
            venue=quote.venue,
            kind=quote.kind,
            pool=quote.pool,
            amount_in=self._in.format(quote.amount_in),
            amount_out=self._out.format(quote.amount_out),
            amount_out_base_units=str(quote.amount_out),
            fee=fee_token.format(quote.fee),
            fee_token=fee_token.symbol,
            price_impact_bps=quote.price_impact_bps,
            compute_units=quote.compute_units,
            slot=quote.slot,
        )

    def decision(self, decision: Decision, slippage_bps: int) -> DecisionOut:
        """A decision, with the guard that this slippage leaves it."""
        route = decision.route
        least_out = sum(least_output(leg.amount_out, slippage_bps) for leg in route.legs)
        most_in = self._in.format(most_input(route.amount_in, slippage_bps))
        return DecisionOut(
            legs=self.pools(route.legs),
            amount_in=self._in.format(route.amount_in),
            amount_out=self._out.format(route.amount_out),
            least_out=self._out.format(route.amount_out if self._exact_out else least_out),
            most_in=most_in if self._exact_out else None,
            price=price_of(self._in, route.amount_in, self._out, route.amount_out),
            gain_bps=decision.gain_bps,
            why=decision.why,
        )
