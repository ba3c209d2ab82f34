"""Where an order is found in the lists of the Temporal Web UI: its status, venue and reason as search attributes."""

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.order import OrderEvent
from workflows.names import IN_PROGRESS, ORDER_REASON, ORDER_STATUS, ORDER_VENUE


class Shelf:
    """Moves the order when it comes to rest, goes on, is tried again for a reason, and ends.

    A move costs an event and a write, so that an order without incident moves once. Orders that were started without a
    status are not moved: their histories hold no such commands.
    """

    def __init__(self) -> None:
        found = workflow.info().typed_search_attributes
        status = found.get(ORDER_STATUS)
        self._moves = status is not None
        self._place = status or IN_PROGRESS, found.get(ORDER_REASON), found.get(ORDER_VENUE)

    def put(self, event: OrderEvent) -> None:
        """Move to where an order with this event belongs."""
        if not self._moves:
            return
        ended = is_terminal(event.status)
        _, reason, _ = self._place
        status = str(event.status) if ended or event.status is Status.OPEN else IN_PROGRESS
        # While it is under way the reason of the last setback stays; its end has its own or none.
        place = status, event.reason or (None if ended else reason), event.venue if ended else None
        if place == self._place:
            return
        updates: list[SearchAttributeUpdate[str]] = [ORDER_STATUS.value_set(place[0])]
        for key, value, before in zip((ORDER_REASON, ORDER_VENUE), place[1:], self._place[1:], strict=True):
            if value != before:
                updates.append(key.value_unset() if value is None else key.value_set(value))
        workflow.upsert_search_attributes(updates)
        self._place = place
