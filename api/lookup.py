"""Finding an order: in PostgreSQL, and at its workflow in the moment before its first write."""

from datetime import timedelta

from api.engine import Engine
from db.rows import OrderView
from db.views import OrderReader
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import derived_order_id, is_order_id
from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.order import OrderTerms
from workflows.messages import OrderState

# Nothing is stored yet, so the workflow is at its first step or has no worker; its terms say as much.
_PATIENCE_BEFORE_FIRST_WRITE = timedelta(seconds=1)

# Nothing else knows. A workflow whose write is being repeated answers only between two of its tasks.
_PATIENCE_WITHOUT_DATABASE = timedelta(seconds=5)


class OrderLookup:
    """Finds orders for one account. Ids of any other form, and orders of other accounts, are not found."""

    def __init__(self, reader: OrderReader, engine: Engine) -> None:
        self._reader = reader
        self._engine = engine

    async def find(self, order_id: str, account: str) -> OrderView:
        """The order as it stands.

        Raises EngineError `order_not_found`, or `engine_unavailable` when it might exist and cannot be read.
        """
        return _owned(await self._find(order_id, live=True), order_id, account)

    async def find_for_stream(self, order_id: str, account: str) -> OrderView:
        """The order as far as its events are stored; as `find`, without troubling a worker for what comes anyway."""
        return _owned(await self._find(order_id, live=False), order_id, account)

    async def find_by_client_id(self, client_order_id: str, account: str) -> OrderView:
        """The order that its client named so; raises as `find`."""
        order_id = derived_order_id(account, client_order_id)
        view = await self._find(order_id, live=True)
        if view is None:
            raise EngineError(ErrorCode.ORDER_NOT_FOUND, f"there is no order named {client_order_id!r}")
        return _owned(view, order_id, account)

    async def has_ended(self, order_id: str) -> bool:
        """Whether PostgreSQL knows that the order has ended; False while it does not answer."""
        try:
            stored = await self._reader.order(order_id)
        except ConnectionError:
            return False
        return stored is not None and is_terminal(stored.status)

    async def _find(self, order_id: str, live: bool) -> OrderView | None:
        if not is_order_id(order_id):
            return None
        try:
            stored = await self._reader.order(order_id)
        except ConnectionError as error:
            found = await self._engine.state(order_id, _PATIENCE_WITHOUT_DATABASE)
            if found is None:
                # Temporal forgets an order in time, PostgreSQL does not.
                raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
            return view_of_state(found[0])
        return stored or await self._unstored(order_id, live)

    async def _unstored(self, order_id: str, live: bool) -> OrderView | None:
        if live:
            try:
                found = await self._engine.state(order_id, _PATIENCE_BEFORE_FIRST_WRITE)
            except EngineError:
                pass
            else:
                return view_of_state(found[0]) if found else None
        terms = await self._engine.accepted(order_id)
        return view_of_terms(terms) if terms else None


def view_of_state(state: OrderState) -> OrderView:
    """The live view of a workflow in the form of a stored order."""
    swap = state.prepared.swap if state.prepared else None
    return OrderView(
        terms=state.terms,
        status=state.status,
        last_seq=state.seq,
        attempt=state.attempt,
        reason=state.reason,
        venue=swap.venue if swap else None,
        signature=swap.signature if swap else None,
        fill=state.fill,
        updated_at=state.updated_at,
    )


def view_of_terms(terms: OrderTerms) -> OrderView:
    """An order that was accepted and has no event yet."""
    return OrderView(
        terms=terms,
        status=Status.PENDING,
        last_seq=0,
        attempt=1,
        reason=None,
        venue=None,
        signature=None,
        fill=None,
        updated_at=terms.created_at,
    )


def _owned(view: OrderView | None, order_id: str, account: str) -> OrderView:
    if view is None or view.terms.account != account:
        raise EngineError(ErrorCode.ORDER_NOT_FOUND, f"there is no order {order_id}")
    return view
