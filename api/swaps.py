"""What a client asks to swap, checked against the known tokens."""

from typing import Any, TypeVar

from pydantic import ValidationError

from api.problems import invalid, refused_field
from api.requests import Incoming, SwapRequest
from api.tokens import TokenCatalog
from workflows.domain.errors import ErrorCode
from workflows.domain.money import MAX_BASE_UNITS, AmountError, Token
from workflows.messages import QuoteRequest

_Request = TypeVar("_Request", bound=Incoming)


def validated(form: type[_Request], body: dict[str, Any]) -> _Request:
    """The body as a request of this form. Raises RequestRefused `request_invalid`."""
    try:
        return form.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


async def understood(request: SwapRequest, tokens: TokenCatalog) -> QuoteRequest:
    """The tokens and the amount in base units; exact out without `maxAmountIn`, the most to pay is without bound.

    Raises RequestRefused `token_unknown`, `tokens_identical` or one of the amount's codes.
    """
    token_in, token_out = await two_tokens(tokens, request.token_in, request.token_out)
    if request.amount_out is None:
        if request.amount is None:
            raise refused_field(ErrorCode.REQUEST_INVALID, "amount", "either amount or amountOut is needed")
        if request.max_amount_in is not None:
            raise refused_field(ErrorCode.REQUEST_INVALID, "maxAmountIn", "goes with amountOut")
        amount_in = amount_of(token_in, "amount", request.amount)
        return QuoteRequest(token_in=token_in, token_out=token_out, amount_in=amount_in)
    if request.amount is not None:
        raise refused_field(ErrorCode.REQUEST_INVALID, "amountOut", "either amount or amountOut, not both")
    most_in = MAX_BASE_UNITS
    if request.max_amount_in is not None:
        most_in = amount_of(token_in, "maxAmountIn", request.max_amount_in)
    amount_out = amount_of(token_out, "amountOut", request.amount_out)
    return QuoteRequest(token_in=token_in, token_out=token_out, amount_in=most_in, amount_out=amount_out)


def amount_of(token: Token, field: str, text: str) -> int:
    """The base units that a field states. Raises RequestRefused with one of the amount's codes."""
    try:
        return token.parse(text)
    except AmountError as error:
        raise refused_field(ErrorCode(error.code), field, str(error)) from None


async def mints_of_pair(tokens: TokenCatalog, pair: str) -> tuple[str, str]:
    """The mints of a pair such as "SOL/USDC". Raises RequestRefused `token_unknown` or `request_invalid`."""
    first, slash, second = pair.partition("/")
    if not slash:
        raise refused_field(ErrorCode.REQUEST_INVALID, "pair", 'must name two tokens, such as "SOL/USDC"')
    return (await _token(tokens, "pair", first)).mint, (await _token(tokens, "pair", second)).mint


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
