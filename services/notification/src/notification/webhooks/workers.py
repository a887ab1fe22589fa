"""The loops of webhooks, wired in .app: one sends what is due, one removes what is not needed any more.

The sender makes many requests at once and claims again whenever one ends. Some of its room is kept for endpoints
that have nothing under way, so that slow ones, however many, do not fill it. Any number of processes may run it,
each with a servicekit.full_scan beside it; a delivery is claimed by one.
"""

import asyncio
from datetime import timedelta

import psycopg
import structlog

from notification.webhooks import store
from notification.webhooks.claims import ClaimedDelivery
from notification.webhooks.delivery import WebhookDeliveries, fail_backlog
from notification.webhooks.domain import KEPT_DAYS
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.health import Heartbeat
from servicekit.periodic import Periodic

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 0.1
_AT_ONCE = 64
"""Requests under way in one process; they hold no connection to the database meanwhile."""
_KEPT = 16
"""How many of them are kept for endpoints with nothing under way."""
_LAST_SECONDS = 5.0
"""For requests under way when the process is told to stop."""
_SWEEP_SECONDS = 60.0
_SWEEP_BATCH = 5000
_PAUSE_SECONDS = 1.0
"""Between a batch and the next, while there are more."""


class WebhookSender(Periodic):
    """Sends what is due."""

    def __init__(self, deliveries: WebhookDeliveries) -> None:
        super().__init__("notification.webhooks.sender", every=_EVERY_SECONDS)
        self._deliveries = deliveries
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """At the end, what is under way has a few seconds to end; the rest is sent again after its lease."""
        try:
            await super().run(stop, beat)
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_LAST_SECONDS)
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def turn(self) -> None:
        """Takes as many deliveries as there is room for; they go on by themselves."""
        free = _AT_ONCE - len(self._under_way)
        if free > 0:
            for claimed in await self._deliveries.claim(free, kept=_KEPT):
                task = asyncio.create_task(self._one(claimed))
                self._under_way.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.nudge()  # there is room for another

    async def _one(self, claimed: ClaimedDelivery) -> None:
        structlog.contextvars.bind_contextvars(tenant_id=str(claimed.tenant_id))
        try:
            await self._deliveries.deliver(claimed)
        except (psycopg.Error, Unavailable) as error:
            log.warning("webhook interrupted", delivery_id=str(claimed.delivery_id), error=str(error).strip())
        except Exception as error:
            # One that cannot be sent must not keep the others back; it is tried again after its lease.
            log.error("webhook not sent", delivery_id=str(claimed.delivery_id), exc_info=error)


class WebhookSweep(Periodic):
    """Removes deliveries settled long ago, secrets that sign no more, and deleted endpoints with their deliveries.

    And marks what is queued for a disabled endpoint as failed. In batches, so that no statement takes long or keeps
    others waiting; a process that dies leaves the rest to the next.
    """

    def __init__(self, db: Database, *, clock: Clock = utc_now, batch: int = _SWEEP_BATCH) -> None:
        super().__init__("notification.webhooks.sweep", every=_SWEEP_SECONDS)
        self._db = db
        self._clock = clock
        self._batch = batch

    async def turn(self) -> float | None:
        now = self._clock()
        async with self._db.worker() as conn:
            kept_since = now - timedelta(days=KEPT_DAYS)
            deliveries, ended = await store.sweep(conn, now, kept_since, self._batch)
        async with self._db.worker() as conn:
            deleted = await store.sweep_deleted(conn, self._batch)
        async with self._db.worker() as conn:
            failed = await fail_backlog(conn, self._clock, self._batch)
        if deliveries or ended or deleted or failed:
            log.info(
                "webhooks swept",
                deliveries=deliveries,
                rotated_away=ended,
                of_deleted_endpoints=deleted,
                of_disabled_endpoints=failed,
            )
        return _PAUSE_SECONDS if failed or self._batch in {deliveries, deleted} else None
