"""What travels about the pools of a pair."""

from datetime import datetime
from decimal import Decimal

from api.schemas import Wire


class PoolOut(Wire):
    """One pool. Amounts in token units, times in UTC.

    `price` is the marginal one before fees, output units per input unit. `depthIn` and `depthOut` are what it can trade
    of either token. `feeBps` is the whole trading fee for a middling size. `amountsOut` answers the list's `sizes`,
    null where the pool refuses. `reason` says why it quotes nothing at all; `knownSince` is when the registry first saw
    it.
    """

    venue: str
    kind: str
    pool: str
    price: str | None
    depth_in: str | None
    depth_out: str | None
    fee_bps: Decimal | None
    amounts_out: list[str | None]
    reason: str | None
    known_since: datetime | None


class ExcludedPoolOut(Wire):
    """A pool that the registry knows and does not quote, and why."""

    venue: str
    kind: str
    pool: str
    reason: str
    detail: str | None
    known_since: datetime


class PoolsOut(Wire):
    """The pools of a pair, all at one slot. `sizes` are amounts of the token that is sold, small to large."""

    token_in: str
    token_in_mint: str
    token_out: str
    token_out_mint: str
    slot: int
    read_at: datetime
    sizes: list[str]
    pools: list[PoolOut]
    excluded: list[ExcludedPoolOut]
