"""What the engine may trade: tokens, and the pools of each pair."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from db.database import Database
from db.models import PoolRow, TokenRow
from workflows.domain.money import Token
from workflows.domain.pools import REMOVED, RegisteredPool

_TOKENS = select(TokenRow.__table__).order_by(TokenRow.symbol)
_FIELDS = tuple(field.name for field in fields(RegisteredPool))
_POOLS = select(
    PoolRow.address,
    PoolRow.venue,
    PoolRow.kind,
    PoolRow.mint_a,
    PoolRow.mint_b,
    PoolRow.excluded_reason,
    PoolRow.excluded_detail,
    PoolRow.lookup_table,
).order_by(PoolRow.address)
_POOLS_OF_PAIR = _POOLS.where(
    PoolRow.mint_a == bindparam("mint_a"), PoolRow.mint_b == bindparam("mint_b"), PoolRow.excluded_reason.is_(None)
)
_KNOWN_OF_PAIR = _POOLS.add_columns(PoolRow.first_seen).where(
    PoolRow.mint_a == bindparam("mint_a"), PoolRow.mint_b == bindparam("mint_b")
)

# A statement takes at most 65,535 parameters (PostgreSQL's protocol), a pool has eight.
_POOLS_PER_STATEMENT = 1_000


class TokenRepository:
    """The tokens that orders may name. Every method raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Token]:
        """Every token, by symbol."""
        return [Token.model_validate(dict(row._mapping)) for row in await self._database.fetch(_TOKENS)]

    async def upsert(self, tokens: Sequence[Token]) -> None:
        """Store the tokens by mint, replacing what was known of them.

        Raises SQLAlchemy's IntegrityError when a symbol, in any case, belongs to another mint.
        """
        if not tokens:
            return
        statement = insert(TokenRow).values([token.model_dump() for token in tokens])
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[TokenRow.mint],
            set_={"symbol": new.symbol, "decimals": new.decimals, "program": new.program},
        )
        await self._database.fetch(statement)


class PoolRepository:
    """The pools of the registry. Every method raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_pair(self, mint: str, other: str) -> list[RegisteredPool]:
        """The pools that trade the two mints, in either direction, without the excluded ones."""
        mint_a, mint_b = sorted((mint, other))
        rows = await self._database.fetch(_POOLS_OF_PAIR, {"mint_a": mint_a, "mint_b": mint_b})
        return [_pool(row) for row in rows]

    async def known_of_pair(self, mint: str, other: str) -> list[tuple[RegisteredPool, datetime]]:
        """Every pool of the two mints, the excluded ones too, by address, each with when it was first seen (UTC)."""
        mint_a, mint_b = sorted((mint, other))
        rows = await self._database.fetch(_KNOWN_OF_PAIR, {"mint_a": mint_a, "mint_b": mint_b})
        return [(_pool(row), row.first_seen) for row in rows]

    async def all(self) -> list[RegisteredPool]:
        """Every pool, the excluded ones too, by address."""
        return [_pool(row) for row in await self._database.fetch(_POOLS)]

    async def upsert(self, pools: Sequence[RegisteredPool]) -> None:
        """Store what a search for pools found, by address: a pool without a reason is quoted again.

        A pool that was removed by hand stays removed, and a lookup table stays until another one is given.
        """
        await self._store(pools, PoolRow.excluded_reason.is_distinct_from(REMOVED))

    async def add(self, pools: Sequence[RegisteredPool]) -> None:
        """Store the pools as `upsert` does, those that were removed too: they are back."""
        await self._store(pools, None)

    async def remove(self, addresses: Sequence[str]) -> list[str]:
        """Exclude the pools until they are added again; returns those that are known, by address."""
        statement = (
            update(PoolRow)
            .where(PoolRow.address.in_(addresses))
            .values(excluded_reason=REMOVED, excluded_detail=None, updated_at=func.now())
            .returning(PoolRow.address)
        )
        return sorted(row.address for row in await self._database.fetch(statement))

    async def _store(self, pools: Sequence[RegisteredPool], replaced: ColumnElement[bool] | None) -> None:
        for start in range(0, len(pools), _POOLS_PER_STATEMENT):
            part = pools[start : start + _POOLS_PER_STATEMENT]
            statement = insert(PoolRow).values([_columns(pool) for pool in part])
            new = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=[PoolRow.address],
                set_={
                    "venue": new.venue,
                    "kind": new.kind,
                    "mint_a": new.mint_a,
                    "mint_b": new.mint_b,
                    "excluded_reason": new.excluded_reason,
                    "excluded_detail": new.excluded_detail,
                    "lookup_table": func.coalesce(new.lookup_table, PoolRow.lookup_table),
                    "updated_at": func.now(),
                },
                where=replaced,
            )
            await self._database.fetch(statement)


def _pool(row: Row[Any]) -> RegisteredPool:
    return RegisteredPool(**{name: row._mapping[name] for name in _FIELDS})


def _columns(pool: RegisteredPool) -> dict[str, str | None]:
    mint_a, mint_b = sorted((pool.mint_a, pool.mint_b))
    return {
        "address": pool.address,
        "venue": pool.venue,
        "kind": pool.kind,
        "mint_a": mint_a,
        "mint_b": mint_b,
        "excluded_reason": pool.excluded_reason,
        "excluded_detail": pool.excluded_detail,
        "lookup_table": pool.lookup_table,
    }
