"""The tokens that orders may name: a list by the operator, checked against the chain."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from solders.pubkey import Pubkey

from activities.solana.rpc import MAX_ACCOUNTS, SolanaRpc
from activities.venues.errors import VenueError
from activities.venues.mint import decode_mint
from activities.venues.pool import Account
from workflows.domain.money import Token


class TokenListError(ValueError):
    """A token list that cannot be read or disagrees with the chain or with the tokens already known."""


class TokenStore(Protocol):
    """Where tokens are kept; `db.registry.TokenRepository` provides it."""

    async def all(self) -> Sequence[Token]: ...
    async def upsert(self, tokens: Sequence[Token]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token as a list names it; the chain decides what it is."""

    symbol: str
    mint: Pubkey
    decimals: int


def read_token_list(path: Path) -> list[ListedToken]:
    """The `[tokens.SYMBOL]` tables (mint, decimals) of a TOML file; raises TokenListError."""
    try:
        tables = tomllib.loads(path.read_text())["tokens"]
        listed = [_listed(symbol, table) for symbol, table in tables.items()]
        _require_distinct(listed)
    except KeyError as error:
        raise TokenListError(f"token list {path}: {error} is missing") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TokenListError(f"token list {path}: {error}") from error
    return listed


def _listed(symbol: str, table: Any) -> ListedToken:
    try:
        mint = Pubkey.from_string(table["mint"])
    except ValueError:
        raise ValueError(f"{symbol}: {table['mint']!r} is not an address") from None
    if not isinstance(table["decimals"], int):
        raise ValueError(f"{symbol}: decimals must be a whole number")
    return ListedToken(symbol, mint, table["decimals"])


def _require_distinct(listed: Sequence[ListedToken]) -> None:
    symbols: dict[str, ListedToken] = {}
    mints: dict[Pubkey, ListedToken] = {}
    for token in listed:
        twin = symbols.setdefault(token.symbol.upper(), token), mints.setdefault(token.mint, token)
        if twin != (token, token):
            raise ValueError(f"{token.symbol} shares its symbol or its mint with another token of the list")


async def load_tokens(listed: Sequence[ListedToken], rpc: SolanaRpc, store: TokenStore) -> list[Token]:
    """Store the listed tokens, each as its mint on the chain is.

    Raises TokenListError, with nothing stored, when one is no tradable mint, has other decimals or the symbol of a
    token stored before; ConnectionError when chain or database does not answer.
    """
    accounts: dict[Pubkey, Account | None] = {}
    for start in range(0, len(listed), MAX_ACCOUNTS):
        _, found = await rpc.accounts([token.mint for token in listed[start : start + MAX_ACCOUNTS]])
        accounts |= found
    tokens = [_checked(token, accounts[token.mint]) for token in listed]
    stored = {token.symbol.upper(): token for token in await store.all()}
    for token in tokens:
        namesake = stored.get(token.symbol.upper(), token)
        if namesake.mint != token.mint:
            raise TokenListError(f"{token.symbol}: the symbol belongs to mint {namesake.mint} already")
    await store.upsert(tokens)
    return tokens


def _checked(token: ListedToken, account: Account | None) -> Token:
    if account is None:
        raise TokenListError(f"{token.symbol}: mint {token.mint} does not exist on this cluster")
    try:
        mint = decode_mint(token.mint, account)
    except VenueError as error:
        raise TokenListError(f"{token.symbol}: {error}") from error
    if mint.decimals != token.decimals:
        raise TokenListError(f"{token.symbol}: the mint has {mint.decimals} decimals, not {token.decimals}")
    return Token(mint=str(token.mint), symbol=token.symbol, decimals=token.decimals, program=str(mint.program))
