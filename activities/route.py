"""Choose the route and record the decision."""

from typing import Any

from temporalio import activity

from activities.refusal import refusal
from activities.router import Router
from activities.store import OrderStore, Relay
from workflows.domain.errors import EngineError
from workflows.domain.money import Token
from workflows.domain.order import OrderEvent
from workflows.domain.routing import Decision
from workflows.messages import ChooseRoute, RouteChosen


class RouteActivities:
    """The deciding step."""

    def __init__(self, store: OrderStore, relay: Relay, router: Router) -> None:
        self._store = store
        self._relay = relay
        self._router = router

    @activity.defn
    async def choose_route(self, request: ChooseRoute) -> RouteChosen:
        """Choose between the quotes and record the decision with its event.

        Raises ApplicationError typed with an error code, and records nothing, when there is nothing to choose.
        """
        terms = request.terms
        try:
            decision = await self._router.decide(terms, request.venues)
        except EngineError as error:
            raise refusal(error) from None
        event = request.event.model_copy(
            update={"venue": decision.route.venue, "data": _told(decision, terms.token_out)}
        )
        stands = await self._store.append_event(terms.order_id, event)
        await self._relay.publish(terms.order_id, terms.account, stands)
        return RouteChosen(decision=_recorded(stands) or decision, event=stands)


def _told(decision: Decision, token_out: Token) -> dict[str, Any]:
    route = decision.route
    return {
        "kind": route.kind,
        "pool": route.pool,
        "quotedOut": token_out.format(route.amount_out),
        "why": decision.why,
        # In base units, whole: an earlier try's decision is read back from here.
        "decision": decision.model_dump(mode="json", by_alias=True),
    }


def _recorded(event: OrderEvent) -> Decision | None:
    decision = event.data.get("decision")
    return Decision.model_validate(decision) if decision is not None else None
