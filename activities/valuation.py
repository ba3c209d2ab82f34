"""What an order is worth in the reference token, by the engine's own quotes."""

from collections.abc import Sequence
from typing import Protocol

from activities.quotes import VENUES, Quoter
from activities.solana.shared import Shared
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import Token, TokenAmount
from workflows.domain.order import OrderTerms
from workflows.domain.risk import worth
from workflows.domain.routing import Route
from workflows.messages import QuoteRequest


class Tokens(Protocol):
    """The tokens that orders may name; ConnectionError when they are out of reach."""

    async def all(self) -> Sequence[Token]:
        """Every token."""


class Valuer:
    """Values orders in one token, named by symbol or mint."""

    def __init__(self, quoter: Quoter, tokens: Tokens, reference: str) -> None:
        self._quoter = quoter
        self._tokens = tokens
        self._name = reference
        # What a token is never changes.
        self._reference: Shared[None, Token] = Shared(lambda _: self._find(), float("inf"))

    async def value(self, terms: OrderTerms, route: Route) -> TokenAmount:
        """What the order sells, in the reference token.

        Exact where that is one side of the order, else what a pool pays for what is sold, or for what is bought, at
        the price before that sale. Raises EngineError `notional_unknown` when no pool says it, `quote_unavailable`
        when none could be read, and ConnectionError.
        """
        reference = await self._reference.get(None)
        sold = TokenAmount(token=terms.token_in, base_units=route.amount_in)
        bought = TokenAmount(token=terms.token_out, base_units=route.amount_out)
        for side in (sold, bought):
            if side.token.mint == reference.mint:
                return side
        unread: list[str] = []
        for side in (sold, bought):
            if (value := await self._quoted(side, reference, unread)) is not None:
                return value
        if unread:
            raise EngineError(ErrorCode.QUOTE_UNAVAILABLE, f"value of {sold}: {'; '.join(unread)}")
        raise EngineError(
            ErrorCode.NOTIONAL_UNKNOWN,
            f"no pool trades {sold.token.symbol} or {bought.token.symbol} for {reference.symbol}",
        )

    async def _quoted(self, amount: TokenAmount, reference: Token, unread: list[str]) -> TokenAmount | None:
        request = QuoteRequest(token_in=amount.token, token_out=reference, amount_in=amount.base_units)
        answers = [await self._quoter.venue(venue, request) for venue in VENUES]
        quotes = [quote for answer in answers for quote in answer.quotes]
        if not quotes:
            unread.extend(f"{answer.venue}: {answer.detail}" for answer in answers if answer.reason is not None)
            return None
        best = max(quotes, key=lambda quote: quote.amount_out)
        return TokenAmount(token=reference, base_units=int(worth(best)))

    async def _find(self) -> Token:
        for token in await self._tokens.all():
            if self._name in (token.mint, token.symbol) or self._name.upper() == token.symbol.upper():
                return token
        raise EngineError(ErrorCode.NOTIONAL_UNKNOWN, f"the reference token {self._name!r} is no known symbol or mint")
