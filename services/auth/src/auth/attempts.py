"""Limits on tries, in Postgres, so that they hold across processes and restarts.

A try is counted before it is made, and given back when it succeeds: however many come at once, no more than the
limit get through. Buckets hold no address in clear. Called by the service modules.
"""

from dataclasses import dataclass
from datetime import timedelta

from auth import store
from auth.errors import TooManyAttempts
from servicekit.addresses import counted_as
from servicekit.clock import Clock
from servicekit.db import Connection


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` tries of a bucket within the window that its first try opens."""

    bucket: str
    most: int


async def by_account(conn: Connection, what: str, email: str, most: int) -> Limit:
    """Tries on one e-mail address, whoever makes them. PostgreSQL folds its case, as it does to look a user up."""
    return Limit(f"{what}:account:{await store.account_digest(conn, email)}", most)


def by_address(what: str, address: str, most: int) -> Limit:
    """Tries from one network address, as servicekit.addresses counts it."""
    return Limit(f"{what}:address:{counted_as(address)}", most)


class Attempts:
    """Counts tries, and refuses those past their limit."""

    def __init__(self, *, window_seconds: int, clock: Clock) -> None:
        self._window = timedelta(seconds=window_seconds)
        self._clock = clock

    async def count(self, conn: Connection, *limits: Limit) -> None:
        """Counts one try of each. Raises TooManyAttempts, with nothing counted, when any is past its limit."""
        now = self._clock()
        for limit in sorted(limits, key=lambda item: item.bucket):  # one order, so that no two deadlock
            count, ends_at = await store.count_attempt(conn, limit.bucket, now, now + self._window)
            if count > limit.most:
                raise TooManyAttempts(ends_at, now)

    async def allows(self, conn: Connection, limit: Limit) -> bool:
        """Counts one try; False when it is past its limit."""
        now = self._clock()
        count, _ = await store.count_attempt(conn, limit.bucket, now, now + self._window)
        return count <= limit.most

    async def give_back(self, conn: Connection, *limits: Limit) -> None:
        """Takes one try off each limit's count: it was counted, but not made."""
        for limit in sorted(limits, key=lambda item: item.bucket):
            await store.give_back_attempt(conn, limit.bucket)

    async def succeeded(self, conn: Connection, account: Limit, address: Limit) -> None:
        """After a success: the account's count starts afresh, the address gets its one try back."""
        for limit in sorted((account, address), key=lambda item: item.bucket):
            if limit is account:
                await store.forget_attempts(conn, limit.bucket)
            else:
                await store.give_back_attempt(conn, limit.bucket)
