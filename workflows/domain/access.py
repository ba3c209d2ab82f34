"""Who may do what: API keys, the scopes they carry, and the account they act for. Pure."""

import base64
import hashlib
import re
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from workflows.domain.order import DEFAULT_ACCOUNT

# "oek" marks the text as ours, for people and for tools that look for leaked secrets; the id is no secret.
_KEY = re.compile(r"oek_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")

# An account's name stands in workflow inputs, search attributes and metrics.
ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_ID_BYTES = 8
_SECRET_BYTES = 32
NEW_KEY_BYTES = _ID_BYTES + _SECRET_BYTES


class Scope(StrEnum):
    """What a key may be used for. None includes another."""

    # See the account's orders, and quotes.
    READ = "read"
    # Place, change and cancel orders.
    TRADE = "trade"
    # Run the engine: stop and resume all trading.
    ADMIN = "admin"


class Principal(BaseModel):
    """Who a request acts for; `key_id` is None where no key is asked for."""

    model_config = ConfigDict(frozen=True)

    account: str
    scopes: frozenset[Scope]
    key_id: str | None = None


# On a machine of one's own, with the simulated cluster, nobody has to sign in.
LOCAL = Principal(account=DEFAULT_ACCOUNT, scopes=frozenset(Scope))


class ApiKey(BaseModel):
    """A key as it is kept: everything but the secret. Times in UTC."""

    model_config = ConfigDict(frozen=True)

    id: str
    account: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def usable(self, at: datetime) -> bool:
        """Whether it opens anything at this time."""
        expired = self.expires_at is not None and self.expires_at <= at
        return not expired and (self.revoked_at is None or self.revoked_at > at)

    def principal(self) -> Principal:
        """Who acts with it."""
        return Principal(account=self.account, scopes=self.scopes, key_id=self.id)


def new_key(randomness: bytes) -> tuple[str, str]:
    """The id of a new key and its whole text, which is shown once, from `NEW_KEY_BYTES` random bytes."""
    if len(randomness) < NEW_KEY_BYTES:
        raise ValueError(f"a key takes {NEW_KEY_BYTES} random bytes")
    key_id = base64.b32encode(randomness[:_ID_BYTES]).decode().lower()[:12]
    secret = base64.urlsafe_b64encode(randomness[_ID_BYTES:NEW_KEY_BYTES]).decode().rstrip("=")
    return key_id, f"oek_{key_id}_{secret}"


def key_id_of(text: str) -> str | None:
    """The id that a key's text names, None when it has not the form of a key."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def fingerprint(text: str) -> str:
    """What is kept of a key's text. A plain hash is enough: the secret has 256 random bits, nothing to guess."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_scopes(text: str) -> frozenset[Scope]:
    """Scopes of a comma-separated list. Raises ValueError that names what is no scope."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Scope)]
    if unknown or not names:
        raise ValueError(f"{', '.join(unknown) or 'nothing'} is no scope; there are {', '.join(Scope)}")
    return frozenset(map(Scope, names))


def sorted_names(scopes: Collection[Scope]) -> list[str]:
    """The scopes for people, in the order in which they grow."""
    return [scope.value for scope in Scope if scope in scopes]
