"""The pools of a pair: what each holds and takes, and what it pays for sizes small and large."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.described import PAIR_CODES, QUOTE_CODES, refusals
from api.market_schemas import ExcludedPoolOut, PoolOut, PoolsOut
from api.services import Services, services
from api.swaps import two_tokens
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import Token
from workflows.messages import SurveyedPool, SurveyPair

router = APIRouter(tags=["markets"])

_Services = Annotated[Services, Depends(services)]

_TOKEN = "Symbol, in any case, or mint address."

_PRICE = Context(prec=18)


@router.get("/api/pools", openapi_extra=refusals(*PAIR_CODES, *QUOTE_CODES))
async def list_pools(
    engine: _Services,
    token_in: Annotated[str, Query(alias="tokenIn", min_length=1, max_length=64, description=_TOKEN, examples=["SOL"])],
    token_out: Annotated[
        str, Query(alias="tokenOut", min_length=1, max_length=64, description=_TOKEN, examples=["USDC"])
    ],
) -> PoolsOut:
    """Every pool that trades one token for the other, with its price, depth and fee, and the exact output of each for
    sizes over five decades. Nothing is traded."""
    selling, buying = await two_tokens(engine.tokens, token_in, token_out)
    try:
        known = await engine.pools.known_of_pair(selling.mint, buying.mint)
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
    request = SurveyPair(token_in=selling, token_out=buying)
    survey = await engine.engine.survey(request, f"pools that sell {selling.symbol} for {buying.symbol}")
    if survey.reason is not None or survey.slot is None:
        raise EngineError(survey.reason or ErrorCode.QUOTE_UNAVAILABLE, survey.detail)
    since = {pool.address: first_seen for pool, first_seen in known}
    return PoolsOut(
        token_in=selling.symbol,
        token_in_mint=selling.mint,
        token_out=buying.symbol,
        token_out_mint=buying.mint,
        slot=survey.slot,
        read_at=datetime.now(UTC),
        sizes=[selling.format(size) for size in survey.sizes],
        pools=[_pool_out(pool, selling, buying, since) for pool in survey.pools],
        excluded=[
            ExcludedPoolOut(
                venue=pool.venue,
                kind=pool.kind,
                pool=pool.address,
                reason=pool.excluded_reason,
                detail=pool.excluded_detail,
                known_since=first_seen,
            )
            for pool, first_seen in known
            if pool.excluded_reason is not None
        ],
    )


def _pool_out(pool: SurveyedPool, selling: Token, buying: Token, since: Mapping[str, datetime]) -> PoolOut:
    return PoolOut(
        venue=pool.venue,
        kind=pool.kind,
        pool=pool.pool,
        price=_in_tokens(pool.price, selling, buying) if pool.price is not None else None,
        depth_in=selling.format(pool.reserve_in) if pool.reserve_in is not None else None,
        depth_out=buying.format(pool.reserve_out) if pool.reserve_out is not None else None,
        fee_bps=pool.fee_bps,
        amounts_out=[buying.format(amount) if amount is not None else None for amount in pool.amounts_out],
        reason=pool.reason,
        known_since=since.get(pool.pool),
    )


def _in_tokens(price: Decimal, selling: Token, buying: Token) -> str:
    """A price of base units in whole tokens, without an exponent."""
    return f"{price.scaleb(selling.decimals - buying.decimals, _PRICE).normalize(_PRICE):f}"
