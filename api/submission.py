"""Placing an order so that the same request can be sent any number of times.

An order that its client named has an id derived from account and name: Temporal takes one workflow of an id, whoever
asks first, wherever. Temporal forgets in time; PostgreSQL does not, and is asked before.
"""

from collections.abc import Callable

from api.admission import Admission
from api.engine import Engine
from api.lookup import OrderLookup, view_of_terms
from api.problems import RequestRefused
from db.rows import OrderView
from db.views import OrderReader
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.order import OrderTerms


class Submission:
    """Places orders."""

    def __init__(self, engine: Engine, lookup: OrderLookup, reader: OrderReader, admission: Admission) -> None:
        self._admission = admission
        self._engine = engine
        self._lookup = lookup
        self._reader = reader

    async def place(self, terms: OrderTerms, check_new: Callable[[], None]) -> tuple[OrderView, bool]:
        """The order, and whether it was there before; `check_new` refuses what only a new order must not say.

        Raises EngineError `idempotency_key_reused` when the name belongs to an order that was asked for otherwise, and
        as `Admission.admitted` and `Engine.start` do; `engine_unavailable` also when nobody can tell whether the name
        was used before.
        """
        known = await self._known(terms)
        if known is None:
            check_new()
            accepted = await self._start(terms)
            if accepted == terms:
                return view_of_terms(terms), False
            known = view_of_terms(accepted)
        if known.terms.fingerprint != terms.fingerprint:
            raise RequestRefused(
                ErrorCode.IDEMPOTENCY_KEY_REUSED,
                f"{terms.client_order_id!r} is the name of an order that was asked for otherwise",
                members={"orderId": known.terms.order_id},
            )
        return known, True

    async def _start(self, terms: OrderTerms) -> OrderTerms:
        """As `Engine.start`; an order that was accepted before and is not stored yet is never one too many."""
        try:
            async with self._admission.admitted(terms.account, terms.order_id):
                return await self._engine.start(terms)
        except EngineError as error:
            if error.code is not ErrorCode.TOO_MANY_ORDERS or terms.client_order_id is None:
                raise
            earlier = await self._engine.accepted(terms.order_id)
            if earlier is None:
                raise
            return earlier

    async def _known(self, terms: OrderTerms) -> OrderView | None:
        if terms.client_order_id is None:
            return None
        try:
            return await self._reader.order_by_client_id(terms.account, terms.client_order_id)
        except ConnectionError as error:
            accepted = await self._engine.accepted(terms.order_id)
            if accepted is None:
                detail = "PostgreSQL does not answer, and only it knows whether the name was used long ago"
                raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, detail) from error
            return view_of_terms(accepted)
