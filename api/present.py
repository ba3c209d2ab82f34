"""From what the engine knows to what clients see."""

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from api.schemas import (
    AccountEventMessage,
    AttemptOut,
    DecisionOut,
    EventOut,
    Links,
    OrderOut,
    PoolQuoteOut,
    PoolRefusalOut,
    QuoteOut,
    VenueOut,
)
from db.account_log import LoggedEvent
from db.rows import AttemptView, OrderView
from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.domain.ids import workflow_id
from workflows.domain.lifecycle import phase
from workflows.domain.money import Token, TokenAmount, least_output, most_input, plain, price
from workflows.domain.order import Fill, OrderEvent, OrderTerms
from workflows.domain.routing import Decision, PoolQuote, VenueQuotes
from workflows.messages import QuoteComparison, QuoteRequest

_Event = TypeVar("_Event", bound=EventOut)


class WebUi:
    """Addresses in the Temporal Web UI, and in the explorer of the cluster."""

    def __init__(self, url: str, namespace: str, cluster: ClusterName = ClusterName.LOCALNET) -> None:
        self._cluster = CLUSTERS[cluster]
        self._base = f"{url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows"

    def order(self, order_id: str, run_id: str | None = None) -> str:
        """The page of an order's workflow; without a run, the page that leads to its only one."""
        page = f"{self._base}/{workflow_id(order_id)}"
        return f"{page}/{run_id}/history" if run_id else page

    def transaction(self, signature: str | None) -> str | None:
        """The explorer's page of a transaction; None without one, and on a cluster that no explorer sees."""
        return self._cluster.explorer_url(signature) if signature is not None else None


def order_out(view: OrderView, web_ui: WebUi) -> OrderOut:
    """An order."""
    terms, fill = view.terms, view.fill
    return OrderOut(
        order_id=terms.order_id,
        account=terms.account,
        wallet=terms.wallet,
        type=terms.type,
        status=view.status,
        phase=phase(view.status),
        last_seq=view.last_seq,
        version=view.last_seq,
        client_order_id=terms.client_order_id,
        parent_id=terms.parent_id,
        token_in=terms.token_in.symbol,
        token_in_mint=terms.token_in.mint,
        token_out=terms.token_out.symbol,
        token_out_mint=terms.token_out.mint,
        amount=terms.token_in.format(terms.amount_in),
        amount_base_units=str(terms.amount_in),
        amount_out=terms.token_out.format(terms.amount_out) if terms.amount_out is not None else None,
        amount_out_base_units=str(terms.amount_out) if terms.amount_out is not None else None,
        limit_price=plain(terms.limit_price) if terms.limit_price is not None else None,
        stop_price=plain(terms.stop_price) if terms.stop_price is not None else None,
        time_in_force=terms.time_in_force,
        expire_at=terms.expire_at,
        deadline=terms.deadline,
        slippage_bps=terms.slippage_bps,
        attempt=view.attempt,
        max_attempts=terms.max_attempts,
        reason=view.reason,
        venue=view.venue,
        signature=view.signature,
        filled_in=terms.token_in.format(fill.amount_in) if fill else None,
        filled_in_base_units=str(fill.amount_in) if fill else None,
        filled_out=terms.token_out.format(fill.amount_out) if fill else None,
        filled_out_base_units=str(fill.amount_out) if fill else None,
        average_price=_price(terms.token_in, fill.amount_in, terms.token_out, fill.amount_out) if fill else None,
        fee_lamports=str(fill.fee_lamports) if fill else None,
        slot=fill.slot if fill else None,
        created_at=terms.created_at,
        updated_at=view.updated_at,
        links=_links(terms.order_id, view.signature, web_ui),
    )


def etag(view: OrderView) -> str:
    """The version of an order as HTTP writes it."""
    return f'"{view.last_seq}"'


def order_path(order_id: str) -> str:
    """Where the order is found."""
    return f"/api/orders/{order_id}"


def _links(order_id: str, signature: str | None, web_ui: WebUi) -> Links:
    path = order_path(order_id)
    return Links(
        order=path,
        events=f"{path}/events",
        attempts=f"{path}/attempts",
        workflow=f"{path}/workflow",
        stream=f"{path}/stream",
        temporal_ui=web_ui.order(order_id),
        explorer=web_ui.transaction(signature),
    )


def event_out(event: OrderEvent, terms: OrderTerms, form: type[_Event]) -> _Event:
    """One event of the order of these terms, in the form that its receiver expects."""
    return form(**_event_fields(event, terms))


def logged_event_out(logged: LoggedEvent) -> AccountEventMessage:
    """An event of an account's log."""
    terms = logged.terms
    fields = _event_fields(logged.event, terms)
    return AccountEventMessage(account_seq=logged.account_seq, order_id=terms.order_id, **fields)


def _event_fields(event: OrderEvent, terms: OrderTerms) -> dict[str, Any]:
    filled_in, filled_out = _filled(event.fill, terms)
    return {
        "seq": event.seq,
        "status": event.status,
        "phase": phase(event.status),
        "at": event.at,
        "attempt": event.attempt,
        "reason": event.reason,
        "venue": event.venue,
        "signature": event.signature,
        "filled_in": filled_in,
        "filled_out": filled_out,
        "data": event.data,
    }


def attempt_out(attempt: AttemptView, terms: OrderTerms) -> AttemptOut:
    """One attempt of the order of these terms. The signed bytes stay inside."""
    swap, outcome = attempt.swap, attempt.outcome
    fill = outcome.fill if outcome else None
    filled_in, filled_out = _filled(fill, terms)
    return AttemptOut(
        attempt=swap.attempt,
        venue=swap.venue,
        kind=swap.kind,
        pool=swap.pool,
        wallet_address=swap.wallet_address,
        signature=swap.signature,
        blockhash=swap.blockhash,
        last_valid_block_height=swap.last_valid_block_height,
        amount_in=terms.token_in.format(swap.amount_in),
        quoted_out=terms.token_out.format(swap.quoted_out),
        least_out=terms.token_out.format(swap.least_out),
        most_in=terms.token_in.format(swap.most_in) if swap.most_in is not None else None,
        outcome=outcome.kind if outcome else None,
        slot=outcome.slot if outcome else None,
        reason=outcome.reason if outcome else None,
        detail=outcome.detail if outcome else "",
        filled_in=filled_in,
        filled_out=filled_out,
        fee_lamports=str(fill.fee_lamports) if fill else None,
        recorded_at=attempt.recorded_at,
        settled_at=attempt.settled_at,
    )


def quote_out(request: QuoteRequest, slippage_bps: int, comparison: QuoteComparison) -> QuoteOut:
    """A comparison of the venues."""
    exact_out = request.amount_out is not None
    shown = _QuotePresenter(request.token_in, request.token_out, exact_out)
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


class _QuotePresenter:
    def __init__(self, token_in: Token, token_out: Token, exact_out: bool) -> None:
        self._in = token_in
        self._out = token_out
        self._exact_out = exact_out

    def venue(self, venue: VenueQuotes) -> VenueOut:
        return VenueOut(
            venue=venue.venue,
            slot=venue.slot,
            quotes=self.pools(venue.quotes),
            refusals=[PoolRefusalOut(kind=each.kind, pool=each.pool, reason=each.reason) for each in venue.refusals],
            reason=venue.reason,
            detail=venue.detail,
        )

    def pools(self, quotes: Sequence[PoolQuote]) -> list[PoolQuoteOut]:
        return [self.pool(quote) for quote in quotes]

    def pool(self, quote: PoolQuote) -> PoolQuoteOut:
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
        route = decision.route
        least_out = sum(least_output(leg.amount_out, slippage_bps) for leg in route.legs)
        most_in = self._in.format(most_input(route.amount_in, slippage_bps))
        return DecisionOut(
            legs=self.pools(route.legs),
            amount_in=self._in.format(route.amount_in),
            amount_out=self._out.format(route.amount_out),
            least_out=self._out.format(route.amount_out if self._exact_out else least_out),
            most_in=most_in if self._exact_out else None,
            price=_price(self._in, route.amount_in, self._out, route.amount_out),
            gain_bps=decision.gain_bps,
            why=decision.why,
        )


def _filled(fill: Fill | None, terms: OrderTerms) -> tuple[str | None, str | None]:
    if fill is None:
        return None, None
    return terms.token_in.format(fill.amount_in), terms.token_out.format(fill.amount_out)


def _price(token_in: Token, amount_in: int, token_out: Token, amount_out: int) -> str | None:
    paid = TokenAmount(token=token_in, base_units=amount_in)
    found = price(paid, TokenAmount(token=token_out, base_units=amount_out))
    return None if found is None else plain(found)
