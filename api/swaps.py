"""What a client asks to swap, checked against the known tokens."""

from typing import Any, TypeVar

from pydantic import ValidationError

from api.problems import invalid, refused_field
from api.schemas import Incoming, SwapRequest
from api.tokens import TokenCatalog
from workflows.domain.errors import ErrorCode
from workflows.domain.money import AmountError, Token
from workflows.messages import QuoteRequest

_Request = TypeVar("_Request", bound=Incoming)


def validated(form: type[_Request], body: dict[str, Any]) -> _Request:
    """The body as a request of this form. Raises RequestRefused `request_invalid`."""
    try:
        return form.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


async def understood(request: SwapRequest, tokens: TokenCatalog) -> QuoteRequest:
    """The tokens and the amount in base units.

    Raises RequestRefused `token_unknown`, `tokens_identical` or one of the amount's codes.
    """
    token_in, token_out = await two_tokens(tokens, request.token_in, request.token_out)
    try:
        amount_in = token_in.parse(request.amount)
    except AmountError as error:
        raise refused_field(ErrorCode(error.code), "amount", str(error)) from None
    return QuoteRequest(token_in=token_in, token_out=token_out, amount_in=amount_in)


async def two_tokens(tokens: TokenCatalog, sold: str, bought: str) -> tuple[Token, Token]:
    """The tokens of these names. Raises RequestRefused `token_unknown` or `tokens_identical`."""
    token_in = await _token(tokens, "tokenIn", sold)
    token_out = await _token(tokens, "tokenOut", bought)
    if token_in.mint == token_out.mint:
        raise refused_field(ErrorCode.TOKENS_IDENTICAL, "tokenOut", f"both tokens are {token_in.symbol}")
    return token_in, token_out


async def _token(tokens: TokenCatalog, field: str, name: str) -> Token:
    token = await tokens.find(name)
    if token is None:
        raise refused_field(ErrorCode.TOKEN_UNKNOWN, field, f"{name!r} is no known symbol or mint")
    return token
