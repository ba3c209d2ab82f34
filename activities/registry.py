"""Keep the registry of tokens and pools in step with the chain."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from solders.pubkey import Pubkey

from activities.discovery import discover
from activities.solana.rpc import SolanaRpc
from activities.venues.errors import VenueError
from activities.venues.mint import decode_mint
from workflows.domain.money import Token
from workflows.domain.pools import RegisteredPool


class TokenListError(ValueError):
    """A token list that cannot be read or disagrees with the chain."""


class TokenStore(Protocol):
    """Where tokens are kept; `db.registry.TokenRepository` provides it."""

    async def all(self) -> Sequence[Token]: ...
    async def upsert(self, tokens: Sequence[Token]) -> None: ...


class PoolStore(Protocol):
    """Where pools are kept; `db.registry.PoolRepository` provides it."""

    async def upsert(self, pools: Sequence[RegisteredPool]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token as a list names it; the chain decides what it is."""

    symbol: str
    mint: str
    decimals: int


def read_token_list(path: Path) -> list[ListedToken]:
    """The `[tokens.SYMBOL]` tables (mint, decimals) of a TOML file; raises TokenListError."""
    try:
        tables = tomllib.loads(path.read_text())["tokens"]
        return [ListedToken(symbol, table["mint"], table["decimals"]) for symbol, table in tables.items()]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise TokenListError(f"token list {path}: {error}") from error


class Registry:
    """Tokens and pools of the engine, checked against the chain."""

    def __init__(self, rpc: SolanaRpc, tokens: TokenStore, pools: PoolStore) -> None:
        self._rpc = rpc
        self._tokens = tokens
        self._pools = pools

    async def load_tokens(self, listed: Sequence[ListedToken]) -> list[Token]:
        """Store the listed tokens; raises TokenListError when one is no tradable mint or has other decimals."""
        keys = [Pubkey.from_string(token.mint) for token in listed]
        _, accounts = await self._rpc.accounts(keys)
        tokens = []
        for token, key in zip(listed, keys, strict=True):
            account = accounts[key]
            if account is None:
                raise TokenListError(f"{token.symbol}: mint {token.mint} does not exist on this cluster")
            try:
                mint = decode_mint(key, account)
            except VenueError as error:
                raise TokenListError(f"{token.symbol}: {error}") from error
            if mint.decimals != token.decimals:
                raise TokenListError(f"{token.symbol}: the mint has {mint.decimals} decimals, not {token.decimals}")
            tokens.append(
                Token(mint=token.mint, symbol=token.symbol, decimals=token.decimals, program=str(mint.program))
            )
        await self._tokens.upsert(tokens)
        return tokens

    async def refresh_pools(self) -> list[RegisteredPool]:
        """Find the pools of all known tokens on the chain and store what was found; raises ChainUnavailable."""
        found = await discover(self._rpc, await self._tokens.all())
        await self._pools.upsert(found)
        return found
