"""API keys. What is stored opens nothing: the secret is shown once and only its fingerprint kept."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, text, update

from db.database import Database
from db.models import ApiKeyRow
from workflows.domain.access import ApiKey, Scope, fingerprint, key_id_of

_KEYS = select(ApiKeyRow.__table__)
_BY_ID = _KEYS.where(ApiKeyRow.id == bindparam("key_id"))

# The time of a key's last use is for people who look for keys that nobody needs; minutes are exact enough.
_USED = text("""
UPDATE api_keys SET last_used_at = now()
WHERE id = :key_id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
""")


class ApiKeyRepository:
    """Every method raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, key: ApiKey, secret: str) -> None:
        """Store a new key; `secret` is the whole of its text, of which the fingerprint is kept."""
        values = key.model_dump(exclude={"scopes", "created_at"})
        scopes = [scope.value for scope in Scope if scope in key.scopes]
        await self._database.fetch(
            insert(ApiKeyRow).values(
                **values, scopes=scopes, created_at=key.created_at, fingerprint=fingerprint(secret)
            )
        )

    async def presented(self, secret: str) -> ApiKey | None:
        """The key whose text this is, usable or not, None when there is none."""
        key_id = key_id_of(secret)
        if key_id is None:
            return None
        rows = await self._database.fetch(_BY_ID, {"key_id": key_id})
        if not rows or not hmac.compare_digest(rows[0].fingerprint, fingerprint(secret)):
            return None
        return _key(rows[0])

    async def find(self, key_id: str) -> ApiKey | None:
        """The key of this id."""
        rows = await self._database.fetch(_BY_ID, {"key_id": key_id})
        return _key(rows[0]) if rows else None

    async def all(self, account: str | None = None) -> Sequence[ApiKey]:
        """Every key, or those of one account, oldest first."""
        query = _KEYS.order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        if account is not None:
            query = query.where(ApiKeyRow.account == account)
        return [_key(row) for row in await self._database.fetch(query)]

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """Let the key end at a time, if it does not end before; whether there is such a key."""
        ending = func.least(func.coalesce(ApiKeyRow.revoked_at, at), at)
        statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(revoked_at=ending).returning(ApiKeyRow.id)
        return bool(await self._database.fetch(statement))

    async def used(self, key_id: str) -> None:
        """Note that the key was used now."""
        await self._database.fetch(_USED, {"key_id": key_id})


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        account=row.account,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
