"""Choose the route and record the decision."""

import logging

from temporalio import activity

from activities.refusal import refusal
from activities.router import Router
from activities.store import OrderStore, Relay
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.order import OrderEvent
from workflows.domain.routing import told
from workflows.messages import ChooseRoute

log = logging.getLogger(__name__)


class RouteActivities:
    """The deciding step."""

    def __init__(self, store: OrderStore, relay: Relay, router: Router) -> None:
        self._store = store
        self._relay = relay
        self._router = router

    @activity.defn
    async def choose_route(self, request: ChooseRoute) -> OrderEvent:
        """Choose between the quotes and record the decision in its event; answers with the event that stands.

        Raises ApplicationError typed with an error code, and records nothing, when there is nothing to choose.
        """
        terms = request.terms
        try:
            routed = await self._router.decide(terms, request.event.attempt, request.venues)
        except EngineError as error:
            raise refusal(error) from None
        except Exception as error:
            # Writes are repeated for ever, a calculation that went wrong must not be: nothing is signed yet.
            log.exception("order %s: no route", terms.order_id)
            raise refusal(EngineError(ErrorCode.INTERNAL_ERROR, f"routing: {type(error).__name__}")) from error
        decision = routed.decision
        event = request.event.model_copy(
            update={"venue": decision.route.venue, "data": told(decision, terms.token_out, routed.curves)}
        )
        stands = await self._store.append_event(terms.order_id, event)
        await self._relay.publish(terms.order_id, terms.account, (stands,))
        return stands
