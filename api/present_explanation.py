"""An explained order as clients see it."""

from collections.abc import Iterator
from decimal import Decimal

from api.explanation import Explanation, Next, Round, Setback
from api.explanation_schemas import (
    ConsideredOut,
    ExplanationOut,
    FillOut,
    RestOut,
    RiskOut,
    RoundOut,
    SetbackOut,
)
from api.plain_words import summary
from api.present import WebUi, attempt_out, price_of
from api.present_quotes import QuotePresenter
from workflows.domain.attempt import against_quote_bps
from workflows.domain.error_table import TABLE
from workflows.domain.lifecycle import phase
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Decision, PoolQuote, behind_bps


def explanation_out(told: Explanation, web_ui: WebUi) -> ExplanationOut:
    """All of it, with the sentences."""
    view, terms = told.view, told.view.terms
    decisions = [each.decision for each in told.rounds if each.decision is not None]
    setbacks = [(each, each.setback) for each in told.rounds if each.setback is not None]
    return ExplanationOut(
        order_id=terms.order_id,
        status=view.status,
        phase=phase(view.status),
        reason=view.reason,
        title=terms.title,
        summary=summary(told),
        rests=[RestOut(since=rest.since, until=rest.until) for rest in told.rests],
        rounds=[_round_out(each, terms, web_ui) for each in told.rounds],
        retries=[_setback_out(each, setback) for each, setback in setbacks if setback.next is not Next.END],
        risk=_risk_out(told),
        fill=_fill_out(told, web_ui),
        gain_bps=decisions[-1].gain_bps if decisions else None,
        ended_at=told.ended_at,
    )


def _round_out(told: Round, terms: OrderTerms, web_ui: WebUi) -> RoundOut:
    shown = QuotePresenter(terms.token_in, terms.token_out, terms.exact_out)
    decision = told.decision
    return RoundOut(
        attempt=told.attempt,
        begun_at=told.begun_at,
        decided_at=told.decided_at,
        considered=list(_considered(decision, shown, terms.exact_out)) if decision is not None else [],
        decision=shown.decision(decision, terms.slippage_bps) if decision is not None else None,
        swap=attempt_out(told.swap, terms, web_ui) if told.swap is not None else None,
        setback=_setback_out(told, told.setback) if told.setback is not None else None,
    )


def _considered(decision: Decision, shown: QuotePresenter, exact_out: bool) -> Iterator[ConsideredOut]:
    for leg in decision.route.legs:
        yield _quoted(leg, shown, None)
    for other in decision.others:
        yield _quoted(other, shown, behind_bps(decision.route, other, exact_out))
    for refusal in decision.refusals:
        yield _unquoted(refusal.venue, refusal.kind, refusal.pool, refusal.reason)
    for venue in decision.unread:
        yield _unquoted(venue.venue, None, None, venue.reason, venue.detail)


def _quoted(quote: PoolQuote, shown: QuotePresenter, behind: Decimal | None) -> ConsideredOut:
    out = shown.pool(quote)
    return ConsideredOut(
        venue=out.venue,
        kind=out.kind,
        pool=out.pool,
        chosen=behind is None,
        amount_in=out.amount_in,
        amount_out=out.amount_out,
        fee=out.fee,
        fee_token=out.fee_token,
        price_impact_bps=out.price_impact_bps,
        slot=out.slot,
        behind_bps=behind,
        left_out=None if behind is None else "better_route",
        detail="",
    )


def _unquoted(venue: str, kind: str | None, pool: str | None, reason: str, detail: str = "") -> ConsideredOut:
    return ConsideredOut(
        venue=venue,
        kind=kind,
        pool=pool,
        chosen=False,
        amount_in=None,
        amount_out=None,
        fee=None,
        fee_token=None,
        price_impact_bps=None,
        slot=None,
        behind_bps=None,
        left_out=reason,
        detail=detail,
    )


def _setback_out(told: Round, setback: Setback) -> SetbackOut:
    return SetbackOut(
        at=setback.at,
        attempt=told.attempt,
        reason=setback.reason,
        meaning=TABLE[setback.reason].meaning,
        detail=setback.detail,
        next=setback.next,
    )


def _risk_out(told: Explanation) -> RiskOut | None:
    check, refusal, token = told.check, told.refusal, told.view.terms.token_in
    if check is None and refusal is None:
        return None
    return RiskOut(
        result="passed" if refusal is None else "refused",
        attempt=check.attempt if check is not None else None,
        reason=refusal.reason if refusal is not None else None,
        detail=refusal.detail if refusal is not None else "",
        price_impact_bps=check.price_impact_bps if check is not None else None,
        price_deviation_bps=check.price_deviation_bps if check is not None else None,
        notional=check.notional if check is not None else None,
        reserved_lamports=str(check.lamports) if check is not None else None,
        reserved_tokens=token.format(check.tokens) if check is not None else None,
        skipped=list(check.skipped) if check is not None else [],
    )


def _fill_out(told: Explanation, web_ui: WebUi) -> FillOut | None:
    terms, landed = told.view.terms, told.landed
    fill = landed.outcome.fill if landed is not None and landed.outcome is not None else None
    if landed is None or fill is None:
        return None
    swap, sold, bought = landed.swap, terms.token_in, terms.token_out
    return FillOut(
        venue=swap.venue,
        kind=swap.kind,
        pool=swap.pool,
        amount_in=sold.format(fill.amount_in),
        amount_out=bought.format(fill.amount_out),
        price=price_of(sold, fill.amount_in, bought, fill.amount_out),
        quoted_in=sold.format(swap.amount_in),
        quoted_out=bought.format(swap.quoted_out),
        quoted_price=price_of(sold, swap.amount_in, bought, swap.quoted_out),
        against_quote_bps=against_quote_bps(swap, fill),
        fee_lamports=str(fill.fee_lamports),
        slot=fill.slot,
        signature=swap.signature,
        explorer=web_ui.transaction(swap.signature),
    )
