"""The tokens that requests may name, kept in memory for moments: they hardly ever change."""

import asyncio
import logging
from time import monotonic

from db.registry import TokenRepository
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import Token

log = logging.getLogger(__name__)

_FRESH_SECONDS = 2.0

# With an older list at hand nobody waits longer than this for a newer one.
_PATIENCE_SECONDS = 1.0


class TokenCatalog:
    """Finds tokens by symbol or mint. While PostgreSQL is away the last known list goes on being used."""

    def __init__(self, tokens: TokenRepository) -> None:
        self._tokens = tokens
        self._known: list[Token] = []
        self._by_name: dict[str, Token] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def all(self) -> list[Token]:
        """Every token, by symbol. Raises EngineError `engine_unavailable` when none was ever read."""
        await self._refresh()
        return self._known

    async def find(self, name: str) -> Token | None:
        """The token with this symbol, in any case, or this mint; None when there is none. Raises as `all` does."""
        await self._refresh()
        return self._by_name.get(name) or self._by_name.get(name.upper())

    async def _refresh(self) -> None:
        async with self._lock:
            if monotonic() - self._read_at < _FRESH_SECONDS:
                return
            try:
                self._keep(await asyncio.wait_for(self._tokens.all(), _PATIENCE_SECONDS if self._known else None))
            except (ConnectionError, TimeoutError) as error:
                if not self._known:
                    raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "the list of tokens cannot be read") from error
                log.warning("the list of tokens stays as it is: %s", error)
            self._read_at = monotonic()

    def _keep(self, tokens: list[Token]) -> None:
        self._known = tokens
        # A mint goes before another token's symbol that reads the same.
        self._by_name = {token.symbol.upper(): token for token in tokens} | {token.mint: token for token in tokens}
