"""How often a client may call: a token bucket per client and policy, shared by all API processes through Redis.

Redis being away opens no flood and stops no trader: each process then counts for itself.
"""

import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# The bucket fills with `rate` tokens a second up to `burst`; the server's own clock, so that processes agree.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(known[1]) or burst
local at = tonumber(known[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local taken = 0
if tokens >= 1 then
    tokens = tokens - 1
    taken = 1
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return {taken, tostring(tokens)}
"""

# After a failure Redis is left alone for this long, so that not every request waits for it.
_PAUSE_SECONDS = 1.0

# Clients that one process counts for itself; beyond this the one that called longest ago starts with a full bucket.
_MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Policy:
    """`burst` calls at once, `rate` a second in the long run."""

    name: str
    rate: int
    burst: int

    @property
    def header(self) -> str:
        """For the header RateLimit-Policy (IETF draft httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.rate)}'


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer to one call, and what is left in the bucket after it."""

    policy: Policy
    allowed: bool
    tokens: float

    @property
    def retry_after(self) -> int:
        """Seconds until there is a token again."""
        return max(1, math.ceil((1 - self.tokens) / self.policy.rate))

    def headers(self) -> dict[str, str]:
        """What the client is told: what is left, and in how many seconds the bucket is full."""
        left, full_in = int(self.tokens), math.ceil((self.policy.burst - self.tokens) / self.policy.rate)
        headers = {
            "RateLimit-Policy": self.policy.header,
            "RateLimit": f'"{self.policy.name}";r={left};t={full_in}',
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class RateLimiter:
    """Counts the calls of clients."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)
        self._own: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._redis_from = float("-inf")

    async def take(self, client: str, policy: Policy) -> Allowance:
        """Count one call of the client under the policy. Never raises."""
        if time.monotonic() >= self._redis_from:
            try:
                taken, tokens = await self._take(
                    keys=[f"order-engine:rate:{policy.name}:{client}"], args=[policy.rate, policy.burst]
                )
                return Allowance(policy, bool(taken), float(tokens))
            except (RedisError, OSError) as error:
                self._redis_from = time.monotonic() + _PAUSE_SECONDS
                log.warning("rate limits are counted by this process alone: %s", error)
        return self._count(f"{policy.name}:{client}", policy)

    def _count(self, bucket: str, policy: Policy) -> Allowance:
        now = time.monotonic()
        tokens, at = self._own.pop(bucket, (float(policy.burst), now))
        tokens = min(float(policy.burst), tokens + (now - at) * policy.rate)
        allowed = tokens >= 1
        tokens -= allowed
        self._own[bucket] = tokens, now
        if len(self._own) > _MOST_CLIENTS:
            self._own.popitem(last=False)
        return Allowance(policy, allowed, tokens)
