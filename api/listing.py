"""What a list of orders may be asked for, and which orders are then meant."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.requests import WALLET, Moment
from api.swaps import mints_of_pair
from api.tokens import TokenCatalog
from db.filters import OrderFilter
from workflows.domain.lifecycle import Phase, Status, phase
from workflows.domain.order import OrderType
from workflows.domain.routing import Venue

# An order id in canonical form.
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


class ListQuery(BaseModel):
    """The query of a list. A name that is none of these is refused: a misspelt filter must not show everything."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=200, description="Orders on one page.")
    cursor: str | None = Field(
        default=None, max_length=200, description="`nextCursor` of the page before, with the same filters."
    )
    status: list[Status] | None = Field(default=None, max_length=len(Status), description="May be repeated.")
    phase: Phase | None = None
    type: list[OrderType] | None = Field(default=None, max_length=len(OrderType), description="May be repeated.")
    pair: str | None = Field(
        default=None, max_length=130, description="Two symbols or mints, sold either way.", examples=["SOL/USDC"]
    )
    wallet: str | None = Field(default=None, pattern=WALLET)
    venue: Venue | None = Field(default=None, description="Orders routed to it, alone or with the other one.")
    created_after: Moment | None = Field(default=None, description="The first moment of the list, itself included.")
    created_before: Moment | None = Field(default=None, description="The end of the list, itself not included.")
    parent_id: str | None = Field(default=None, pattern=_UUID, description="Parts of this order.")


async def filter_of(query: ListQuery, tokens: TokenCatalog) -> OrderFilter:
    """The orders that are meant. Raises RequestRefused `token_unknown` or `request_invalid` about the pair."""
    return OrderFilter(
        statuses=_statuses(query),
        types=frozenset(query.type) if query.type is not None else None,
        pair=_ordered(await mints_of_pair(tokens, query.pair)) if query.pair is not None else None,
        wallet=query.wallet,
        venue=query.venue,
        created_after=query.created_after,
        created_before=query.created_before,
        parent_id=query.parent_id,
    )


def _statuses(query: ListQuery) -> frozenset[Status] | None:
    if query.status is None and query.phase is None:
        return None
    named = frozenset(query.status if query.status is not None else Status)
    return frozenset(status for status in named if query.phase in (None, phase(status)))


def _ordered(pair: tuple[str, str]) -> tuple[str, str]:
    return min(pair), max(pair)
