"""How often a client may call: a bucket per client and policy, shared by all API processes through Redis.

Redis being away opens no flood and stops no trader: each process then counts for itself.
"""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# A call moves the time at which the bucket is full again by one interval into the future (the generic cell rate
# algorithm); it is refused when that would be more than the whole bucket away. All times in microseconds, by the
# server's own clock, so that processes agree.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, bucket = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)
if full_at + interval - now > bucket then
    return {0, full_at - now}
end
full_at = full_at + interval
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {1, full_at - now}
"""

_SECOND = 1_000_000

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
    def interval(self) -> int:
        """Microseconds that one call uses up."""
        return _SECOND // self.rate

    @property
    def bucket(self) -> int:
        """Microseconds that may be used up at once."""
        return self.interval * self.burst

    @property
    def header(self) -> str:
        """For the header RateLimit-Policy (IETF draft httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.burst};w={_whole_seconds(self.bucket)}'


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer to one call; after `used` microseconds without another the bucket is full again."""

    policy: Policy
    allowed: bool
    used: int

    @property
    def retry_after(self) -> int:
        """Seconds until one more call is allowed."""
        return max(1, _whole_seconds(self.used + self.policy.interval - self.policy.bucket))

    def headers(self) -> dict[str, str]:
        """What the client is told: how many calls are left, and in how many seconds the bucket is full."""
        left = (self.policy.bucket - self.used) // self.policy.interval
        headers = {
            "RateLimit-Policy": self.policy.header,
            "RateLimit": f'"{self.policy.name}";r={left};t={_whole_seconds(self.used)}',
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class RateLimiter:
    """Counts the calls of clients."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)
        self._full_at: OrderedDict[str, int] = OrderedDict()
        self._redis_from_seconds = 0.0

    async def take(self, client: str, policy: Policy) -> Allowance:
        """Count one call of the client under the policy. Never raises."""
        bucket = f"{policy.name}:{client}"
        if time.monotonic() >= self._redis_from_seconds:
            try:
                allowed, used = await self._take(
                    keys=[f"order-engine:rate:{bucket}"], args=[policy.interval, policy.bucket]
                )
                return Allowance(policy, bool(allowed), int(used))
            except (RedisError, OSError) as error:
                self._redis_from_seconds = time.monotonic() + _PAUSE_SECONDS
                log.warning("rate limits are counted by this process alone: %s", error)
        return self._count(bucket, policy)

    def _count(self, bucket: str, policy: Policy) -> Allowance:
        now = time.monotonic_ns() // 1_000
        full_at = max(self._full_at.pop(bucket, now), now)
        allowed = full_at + policy.interval - now <= policy.bucket
        full_at += policy.interval * allowed
        self._full_at[bucket] = full_at
        if len(self._full_at) > _MOST_CLIENTS:
            self._full_at.popitem(last=False)
        return Allowance(policy, allowed, full_at - now)


def _whole_seconds(microseconds: int) -> int:
    return -(-microseconds // _SECOND)
