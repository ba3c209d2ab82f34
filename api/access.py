"""Who is calling, and may they? Every route but health and documentation asks here; a new one cannot forget to."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from api.guard import tell
from api.problems import RequestRefused
from api.rate import Policy, RateLimiter
from db.keys import ApiKeyRepository
from workflows.domain.access import LOCAL, ApiKey, Principal, Scope, fingerprint, key_id_of
from workflows.domain.errors import EngineError, ErrorCode

log = logging.getLogger(__name__)

# A revoked key opens nothing after at most this long.
_TRUST_SECONDS = 5.0

# While PostgreSQL is away, keys that were good this recently go on working: traders must be able to cancel.
_TRUST_IN_OUTAGE_SECONDS = 900.0

_MOST_KEYS = 10_000

# What a browser offers as WebSocket subprotocols, since it cannot send the Authorization header there.
SUBPROTOCOL = "order-engine"
_KEY_SUBPROTOCOL = "order-engine.key."

# Guesses per address: a key has 256 random bits, this only keeps guessing from costing anything.
_GUESSES = Policy("guesses", rate=5, burst=20)

# Reading is what these do although their method says otherwise.
_READING_POSTS = frozenset({"/api/quotes"})
_READING_METHODS = frozenset({"GET", "HEAD", "websocket"})


@dataclass(frozen=True, slots=True)
class _Known:
    key: ApiKey
    fingerprint: str
    checked_at: float


class Keys:
    """Finds the keys that clients present, and remembers them for a moment."""

    def __init__(self, keys: ApiKeyRepository, seconds: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._seconds = seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def presented(self, secret: str) -> ApiKey | None:
        """The usable key whose text this is.

        Raises EngineError `engine_unavailable` when PostgreSQL is away and the key is not known from before.
        """
        key = await self._find(secret)
        return key if key is not None and key.usable(datetime.now(UTC)) else None

    async def _find(self, secret: str) -> ApiKey | None:
        known = self._known.get(key_id_of(secret) or "")
        if known is not None and known.fingerprint != fingerprint(secret):
            known = None
        age = self._seconds() - known.checked_at if known else float("inf")
        if known is not None and age <= _TRUST_SECONDS:
            return known.key
        try:
            found = await self._keys.presented(secret)
        except ConnectionError as error:
            if known is not None and age <= _TRUST_IN_OUTAGE_SECONDS:
                return known.key
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
        if found is None:
            return None
        self._remember(found, secret)
        try:
            await self._keys.used(found.id)
        except ConnectionError as error:
            log.warning("use of key %s was not noted: %s", found.id, error)
        return found

    def _remember(self, key: ApiKey, secret: str) -> None:
        self._known[key.id] = _Known(key, fingerprint(secret), self._seconds())
        self._known.move_to_end(key.id)
        if len(self._known) > _MOST_KEYS:
            self._known.popitem(last=False)


class Gatekeeper:
    """Lets a call in, or says why not. Without `keys` every caller is the machine's own user and nothing is counted."""

    def __init__(self, keys: Keys | None, limiter: RateLimiter, policies: Mapping[Scope, Policy]) -> None:
        self._keys = keys
        self._limiter = limiter
        self._policies = policies

    async def admit(self, connection: HTTPConnection, scope: Scope) -> Principal:
        """Who calls, if they may do what needs the scope.

        Raises EngineError `key_required`, `key_invalid`, `scope_missing`, `rate_limited` or `engine_unavailable`.
        """
        if self._keys is None:
            return LOCAL
        secret = _presented(connection)
        if secret is None:
            raise EngineError(ErrorCode.KEY_REQUIRED, "this API is used with a key")
        key = await self._keys.presented(secret)
        if key is None:
            await self._count(connection, f"address:{connection.client.host if connection.client else ''}", _GUESSES)
            raise EngineError(ErrorCode.KEY_INVALID, "the API key is unknown, expired or revoked")
        await self._count(connection, f"key:{key.id}", self._policies[scope])
        if scope not in key.scopes:
            raise EngineError(ErrorCode.SCOPE_MISSING, f"the key has no scope {scope.value!r}")
        return key.principal()

    async def _count(self, connection: HTTPConnection, client: str, policy: Policy) -> None:
        allowance = await self._limiter.take(client, policy)
        tell(connection, allowance.headers())
        if not allowance.allowed:
            detail = f"more than {policy.rate} calls a second"
            raise RequestRefused(ErrorCode.RATE_LIMITED, detail, members={"retryAfter": allowance.retry_after})


def needed_scope(method: str, path: str) -> Scope:
    """What a call needs where its route says nothing else: whatever does not plainly read, trades."""
    return Scope.READ if method in _READING_METHODS or path in _READING_POSTS else Scope.TRADE


async def principal(connection: HTTPConnection) -> Principal:
    """Who calls this route; raises as `Gatekeeper.admit`."""
    method = "websocket" if connection.scope["type"] == "websocket" else connection.scope["method"]
    return await _admitted(connection, needed_scope(method, connection.url.path))


async def account(connection: HTTPConnection) -> str:
    """The account that a call acts for; raises as `Gatekeeper.admit`."""
    return (await principal(connection)).account


async def administrator(connection: HTTPConnection) -> Principal:
    """Who runs the engine by this call; raises as `Gatekeeper.admit`."""
    return await _admitted(connection, Scope.ADMIN)


async def _admitted(connection: HTTPConnection, scope: Scope) -> Principal:
    # A route and its router may both ask; a call is counted once.
    admitted: dict[Scope, Principal] = connection.scope.setdefault("order_engine.admitted", {})
    if scope not in admitted:
        gatekeeper: Gatekeeper = connection.app.state.services.gatekeeper
        admitted[scope] = await gatekeeper.admit(connection, scope)
    return admitted[scope]


def _presented(connection: HTTPConnection) -> str | None:
    kind, _, secret = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    for offered in connection.scope.get("subprotocols", ()):
        if offered.startswith(_KEY_SUBPROTOCOL):
            return str(offered.removeprefix(_KEY_SUBPROTOCOL))
    return None
