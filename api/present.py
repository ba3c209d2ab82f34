"""From what the engine knows to what clients see."""

from typing import Any, TypeVar
from urllib.parse import quote

from api.schemas import (
    AccountEventMessage,
    AttemptOut,
    EventOut,
    Links,
    OrderOut,
)
from db.account_log import LoggedEvent
from db.rows import AttemptView, OrderView
from workflows.domain.attempt import against_quote_bps
from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.domain.ids import workflow_id
from workflows.domain.lifecycle import phase
from workflows.domain.money import Token, TokenAmount, plain, price
from workflows.domain.order import Fill, OrderEvent, OrderTerms

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
        average_price=price_of(terms.token_in, fill.amount_in, terms.token_out, fill.amount_out) if fill else None,
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


def attempt_out(attempt: AttemptView, terms: OrderTerms, web_ui: WebUi) -> AttemptOut:
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
        signing_slot=swap.signing_slot,
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
        average_price=price_of(terms.token_in, fill.amount_in, terms.token_out, fill.amount_out) if fill else None,
        against_quote_bps=against_quote_bps(swap, fill) if fill else None,
        fee_lamports=str(fill.fee_lamports) if fill else None,
        explorer=web_ui.transaction(swap.signature),
        recorded_at=attempt.recorded_at,
        settled_at=attempt.settled_at,
    )


def _filled(fill: Fill | None, terms: OrderTerms) -> tuple[str | None, str | None]:
    if fill is None:
        return None, None
    return terms.token_in.format(fill.amount_in), terms.token_out.format(fill.amount_out)


def price_of(token_in: Token, amount_in: int, token_out: Token, amount_out: int) -> str | None:
    """Output units per input unit, None for a zero input."""
    paid = TokenAmount(token=token_in, base_units=amount_in)
    found = price(paid, TokenAmount(token=token_out, base_units=amount_out))
    return None if found is None else plain(found)
