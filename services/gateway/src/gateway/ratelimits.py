"""Rate limits: sliding windows of a minute, in this process's memory.

Used by gateway.admission. The counting is the sliding-window counter of the library `limits`; the storage is ours,
as the library's own goes through every key at each hit. Each replica counts for itself: with n replicas behind a
fair balancer a client gets up to n times the limit. Source of the headers: draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.storage.base import SlidingWindowCounterSupport
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage.base import TimestampedSlidingWindow

WINDOW_SECONDS = 60
_SWEEP_SECONDS = 30.0
Now = Callable[[], float]
"""Seconds since any fixed point."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limit says about one request. `resets_in` and `retry_after` are whole seconds."""

    policy: str
    limit: int
    used: int
    resets_in: int
    retry_after: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit; with Retry-After when refused."""
        headers = {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"{self.policy}";r={max(0, self.limit - self.used)};t={self.resets_in}',
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.retry_after)}


class RateLimiter:
    """Counts hits; `now` is the clock of everything here."""

    def __init__(self, *, now: Now = time.monotonic) -> None:
        self._storage = Windows(now)
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)
        self._items: dict[int, RateLimitItem] = {}

    async def hit(self, policy: str, who: str, limit: int) -> Verdict:
        """Counts one request of `who` under `policy`, unless it goes beyond `limit`."""
        item = self._items.get(limit)
        if item is None:
            item = self._items[limit] = RateLimitItemPerMinute(limit)
        allowed = await self._strategy.hit(item, policy, who)
        before, before_left, current, current_left = await self._storage.get_sliding_window(
            item.key_for(policy, who), WINDOW_SECONDS
        )
        used = min(limit, math.floor(before * before_left / WINDOW_SECONDS + current))
        window_left = current_left - WINDOW_SECONDS
        return Verdict(
            policy,
            limit,
            used,
            resets_in=math.ceil(window_left),
            retry_after=0 if allowed else _wait(limit, before, before_left, current, window_left),
            allowed=allowed,
        )


def _wait(limit: int, before: int, before_left: float, current: int, window_left: float) -> int:
    """Seconds until one more fits: the weight of the window before has to shrink, or this one has to end first."""
    if limit == 0:
        return WINDOW_SECONDS
    if current < limit:
        seconds = before_left - (limit - current) * WINDOW_SECONDS / before
    else:
        seconds = window_left + WINDOW_SECONDS - limit * WINDOW_SECONDS / current
    return max(1, math.floor(seconds) + 1)


class Windows(Storage, SlidingWindowCounterSupport, TimestampedSlidingWindow):
    """`limits`' storage in memory: a count and its end for each window; ended ones are swept now and then."""

    STORAGE_SCHEME = None

    def __init__(self, now: Now) -> None:
        super().__init__()
        self._now = now
        self._counts: dict[str, tuple[int, float]] = {}
        self._swept = now()

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = self._now()
        self._sweep(now)
        count, end = self._counts.get(key, (0, 0.0))
        if end <= now:
            count, end = 0, now + expiry
        self._counts[key] = (count + amount, end)
        return count + amount

    async def get(self, key: str) -> int:
        count, end = self._counts.get(key, (0, 0.0))
        return count if end > self._now() else 0

    async def get_expiry(self, key: str) -> float:
        return self._counts.get(key, (0, self._now()))[1]

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        count = len(self._counts)
        self._counts.clear()
        return count

    async def clear(self, key: str) -> None:
        self._counts.pop(key, None)

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        for window in self.sliding_window_keys(key, expiry, self._now()):
            self._counts.pop(window, None)

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        before, before_left, current, _left = await self.get_sliding_window(key, expiry)
        if math.floor(before * before_left / expiry + current) + amount > limit:
            return False
        # Nothing else runs in between: no await here gives up the event loop.
        _before_key, current_key = self.sliding_window_keys(key, expiry, self._now())
        await self.incr(current_key, 2 * expiry, amount)
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The count of the window before and its weight's seconds; that of this one and its life in seconds."""
        now = self._now()
        before_key, current_key = self.sliding_window_keys(key, expiry, now)
        left = expiry - now % expiry
        return await self.get(before_key), left, await self.get(current_key), left + expiry

    def _sweep(self, now: float) -> None:
        if now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        self._counts = {key: kept for key, kept in self._counts.items() if kept[1] > now}
