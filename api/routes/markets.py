"""What can be traded, and at which price."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.body import json_object
from api.described import AMOUNT_CODES, json_body, refusals
from api.examples import QUOTE_EXAMPLES
from api.present_quotes import quote_out
from api.requests import QuoteRequestBody
from api.schemas import QuoteOut, TokenList, TokenOut
from api.services import Services, services
from api.swaps import understood, validated
from workflows.domain.money import TokenAmount

router = APIRouter(tags=["markets"])

_Services = Annotated[Services, Depends(services)]


@router.get("/api/tokens")
async def list_tokens(engine: _Services) -> TokenList:
    """The tokens that orders may name."""
    return TokenList(tokens=[TokenOut(**token.model_dump()) for token in await engine.tokens.all()])


@router.post("/api/quotes", openapi_extra=json_body(QuoteRequestBody, QUOTE_EXAMPLES) | refusals(*AMOUNT_CODES))
async def compare_quotes(request: Request, engine: _Services) -> QuoteOut:
    """Both venues' quotes for a swap, and what an order would do with them. Nothing is traded."""
    wanted = validated(QuoteRequestBody, await json_object(request))
    swap = await understood(wanted, engine.tokens)
    if swap.amount_out is None:
        selling = TokenAmount(token=swap.token_in, base_units=swap.amount_in)
        summary = f"quote {selling} in {swap.token_out.symbol}"
    else:
        buying = TokenAmount(token=swap.token_out, base_units=swap.amount_out)
        summary = f"quote {buying} for {swap.token_in.symbol}"
    comparison = await engine.engine.compare(swap, summary)
    return quote_out(swap, wanted.slippage_bps, comparison)
