"""What a client may do with its orders, over HTTP or on a stream: one way to do each, whichever way it is asked.

Bodies are those of the HTTP routes. Every method raises EngineError, or RequestRefused with the fields at fault.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from api.changes import OrderChanges
from api.dead_mans_switch import Switches
from api.lookup import OrderLookup
from api.requests import AmendRequest, CancelAllAfterRequest, CancelAllRequest, OrderRequest
from api.schemas import CancelAllAfterOut, CancelAllOut, CancelOut
from api.submission import Submission
from api.swaps import mints_of_pair, understood, validated
from api.terms import amendment_of, check_limit, check_times, name_of, terms_of
from api.tokens import TokenCatalog
from db.filters import OrderFilter
from db.rows import OrderView
from db.views import OrderReader
from workflows.domain.amendment import amended
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import is_order_id
from workflows.domain.lifecycle import is_terminal
from workflows.messages import AmendOrder, CancelResult

# What one request cancels, and how many of them at a time: seconds at most.
_MOST_CANCELED = 500
_CONCURRENT = 20

# The versions that an order may be at to be changed; None for any.
Versions = frozenset[int] | None


@dataclass(frozen=True, slots=True)
class OrderCommands:
    """Places, changes and cancels the orders of an account."""

    submission: Submission
    changes: OrderChanges
    switches: Switches
    lookup: OrderLookup
    reader: OrderReader
    tokens: TokenCatalog

    async def place(self, body: dict[str, Any], account: str, key: str | None = None) -> tuple[OrderView, bool]:
        """The accepted order, and whether the same request was taken before; `key` names it as `clientOrderId` does."""
        wanted = validated(OrderRequest, body)
        name = name_of(wanted, key)
        terms = terms_of(wanted, await understood(wanted, self.tokens), account, name)
        return await self.submission.place(terms, lambda: check_times(wanted))

    async def cancel(self, order_id: str, account: str, key: str | None = None) -> CancelOut:
        """What the cancellation came to; one that is repeated under its `key` is answered as the first."""
        return await self._cancel(await self.lookup.find_for_stream(order_id, account), account, key)

    async def amend(
        self, order_id: str, body: dict[str, Any], account: str, versions: Versions, key: str | None = None
    ) -> OrderView:
        """The changed order; a change that is repeated under its `key` is answered as the first."""
        amendment = amendment_of(validated(AmendRequest, body))
        view = await self.lookup.find_for_stream(order_id, account)
        version = _version(versions, view, repeats=key is not None)
        check_limit(amended(view.terms, amendment))
        wanted = AmendOrder(amendment=amendment, version=version)
        answer = await self.changes.amend(order_id, wanted, key or str(uuid4()))
        return OrderView(
            terms=answer.terms,
            status=answer.status,
            last_seq=answer.seq,
            attempt=answer.attempt,
            reason=None,
            venue=None,
            signature=None,
            fill=None,
            updated_at=answer.updated_at,
        )

    async def cancel_all(self, body: dict[str, Any], account: str) -> CancelAllOut:
        """What became of each order that fits, oldest first, at most 500 at a time."""
        wanted = validated(CancelAllRequest, body)
        named = wanted.order_ids
        chosen = OrderFilter(
            order_ids=[each for each in named if is_order_id(each)] if named is not None else None,
            pair=await mints_of_pair(self.tokens, wanted.pair) if wanted.pair is not None else None,
            types=[wanted.type] if wanted.type is not None else None,
            wallet=wanted.wallet,
        )
        try:
            views = await self.reader.live(account, chosen, _MOST_CANCELED + 1)
        except ConnectionError as error:
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
        gate = asyncio.Semaphore(_CONCURRENT)

        async def one(view: OrderView) -> CancelOut | str:
            async with gate:
                try:
                    return await self._cancel(view, account)
                except EngineError:
                    return view.terms.order_id

        answers = await asyncio.gather(*(one(view) for view in views[:_MOST_CANCELED]))
        return CancelAllOut(
            orders=[answer for answer in answers if isinstance(answer, CancelOut)],
            failed=[answer for answer in answers if isinstance(answer, str)],
            remaining=len(views) > _MOST_CANCELED,
        )

    async def cancel_all_after(self, body: dict[str, Any], account: str) -> CancelAllAfterOut:
        """When all orders of the account are canceled, unless this is asked for again before."""
        wanted = validated(CancelAllAfterRequest, body)
        now, until = await self.switches.renew(account, wanted.seconds)
        return CancelAllAfterOut(account=account, current_time=now, trigger_time=until)

    async def _cancel(self, view: OrderView, account: str, key: str | None = None) -> CancelOut:
        order_id = view.terms.order_id
        if not is_terminal(view.status):
            answer = await self.changes.cancel(order_id, key or str(uuid4()))
            if not isinstance(answer, bool):
                return CancelOut(
                    order_id=order_id, result=answer.result, status=answer.status, signature=answer.signature
                )
            if answer:
                return _canceled(view, CancelResult.PENDING)
            view = await self.lookup.find_for_stream(order_id, account)
            if not is_terminal(view.status):
                raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, f"Temporal knows no workflow of order {order_id}")
        return _canceled(view, CancelResult.ALREADY_TERMINAL)


def _canceled(view: OrderView, result: CancelResult) -> CancelOut:
    return CancelOut(order_id=view.terms.order_id, result=result, status=view.status, signature=view.signature)


def _version(versions: Versions, view: OrderView, repeats: bool) -> int | None:
    """The version that the order must be at, None for any. Raises EngineError `version_mismatch`."""
    if versions is None or view.last_seq in versions:
        return None if versions is None else view.last_seq
    if repeats and len(versions) == 1:
        # The first request of this key may have moved the order on: its workflow knows, and refuses any other.
        return next(iter(versions))
    raise EngineError(ErrorCode.VERSION_MISMATCH, f"the order is at version {view.last_seq}")
