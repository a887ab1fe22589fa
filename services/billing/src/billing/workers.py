"""billing's worker: turns webhooks and stale accounts into tasks, and does the tasks at Stripe.

One process at a time works, by an advisory lock of its own connection, which Postgres lets go of when the process
dies; so another goes on at once where it stopped. A task that fails, whatever the reason, stays and is tried again
with backoff, and no other waits for it; only a database that cannot note even that ends the work for all.
"""

import asyncio
import random
from collections.abc import Awaitable

import psycopg
import structlog

from billing import store
from billing.domain import Task
from billing.errors import CannotProvision, StripeRefused, StripeUnavailable
from billing.reconcile import Reconciler
from contracts.platform import (
    BillingDetails,
    Component,
    ComponentState,
    StatusDetails,
    TenantChanged,
    TenantState,
)
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Unavailable
from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for
from servicekit.tenancy import report

log = structlog.get_logger(__name__)

_LOCK_KEY = 0xB111
_CONCURRENCY = 4
_TASK_SECONDS = 60
_POLL_SECONDS = 0.2
_STALE_SECONDS = 5.0
_FORGOTTEN_AT_ONCE = 5000
"""Events of Stripe's at each look for stale accounts: a thousand a second, more than ever come."""
_FIRST_BACKOFF = 0.5
_MAX_BACKOFF = 60.0
_MAX_REFUSED_BACKOFF = 600.0


class BillingWorker:
    """A loop for servicekit.runtime."""

    name = "billing.worker"

    def __init__(
        self, db: Database, reconciler: Reconciler, *, resync_seconds: int, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._reconciler = reconciler
        self._resync_seconds = resync_seconds
        self._clock = clock
        self._failures = 0

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Works until told to stop; rides out a lost database with the beat going on."""
        beat.limit = 2 * _TASK_SECONDS + 10
        while not stop.is_set():
            beat.beat()
            try:
                await self._lead(stop, beat)
            except (Unavailable, psycopg.Error, OSError) as error:
                self._failures += 1
                pause = backoff(self._failures)
                log.warning("worker interrupted", error=str(error).strip(), retry_in=pause)
                await pause_for(pause, stop)

    async def _lead(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        conn = await self._db.dedicated()
        async with conn:
            while not stop.is_set() and not await _locked(conn):
                beat.beat()
                await pause_for(1, stop)
            looked = 0.0
            loop = asyncio.get_running_loop()
            while not stop.is_set():
                beat.beat()
                await conn.execute(b"SELECT 1")  # the lock lives as long as this connection
                if loop.time() - looked >= _STALE_SECONDS:
                    looked = loop.time()
                    self._reconciler.forget_prices()
                    await self._look_for_stale()
                busy = await self.turn()
                self._failures = 0
                if not busy:
                    await pause_for(_POLL_SECONDS, stop)

    async def _look_for_stale(self) -> None:
        async with self._db.worker() as conn:
            await store.want_stale(conn, self._resync_seconds)
            await store.forget_events(conn, _FORGOTTEN_AT_ONCE)

    async def turn(self) -> bool:
        """Takes in webhooks and does the tasks that are due, a few at once; False when there were none."""
        async with self._db.worker() as conn:
            await store.want_for_events(conn)
            tasks = await store.due_tasks(conn, _CONCURRENCY)
        # To the end of each, also when one fails: what goes on must not outlive the lock.
        ended = await asyncio.gather(*(self._attempt(task) for task in tasks), return_exceptions=True)
        for error in filter(None, ended):
            raise error
        return bool(tasks)

    async def _attempt(self, task: Task) -> None:
        structlog.contextvars.bind_contextvars(tenant_id=str(task.tenant_id))
        async with self._db.worker() as conn:
            tenant = await store.tenant(conn, task.tenant_id)
        if tenant is None:
            async with self._db.worker() as conn:
                await store.finish_task(conn, task)
            return
        try:
            async with asyncio.timeout(_TASK_SECONDS):
                await self._do(task, tenant)
        except (StripeUnavailable, TimeoutError) as error:
            log.warning("Stripe is not there, trying again", attempt=task.attempts + 1, error=str(error))
            message = "Stripe cannot be reached at the moment; billing goes on trying."
            await self._failed(task, tenant, "StripeUnavailable", message, _MAX_BACKOFF)
        except CannotProvision as error:
            log.warning("tenant cannot be billed", reason=error.reason, error=str(error))
            await self._failed(task, tenant, error.reason, str(error), _MAX_REFUSED_BACKOFF, error.seen)
        except StripeRefused as error:
            log.warning("Stripe refused", code=error.code, error=str(error))
            self._reconciler.forget_prices()
            message = f"Stripe refused: {error}"
            await self._failed(task, tenant, "StripeRefused", message, _MAX_REFUSED_BACKOFF, error.seen)
        except Unavailable as error:
            # Of the database. Unless this task alone was interrupted, noting it fails too, and ends the lead.
            log.warning("task interrupted", attempt=task.attempts + 1, error=str(error))
            async with self._db.tenant(task.tenant_id) as conn:
                await store.postpone_task(conn, task, _pause(task, _MAX_BACKOFF))
        except Exception as error:
            log.error("billing task failed", exc_info=error)
            message = "Something went wrong on our side; billing goes on trying."
            await self._failed(task, tenant, "BillingError", message, _MAX_REFUSED_BACKOFF)

    async def _do(self, task: Task, tenant: TenantChanged) -> None:
        doing: Awaitable[None]
        if task.wanted == "remove" and tenant.state is TenantState.DELETING:
            doing = self._reconciler.remove(tenant, task)
        elif tenant.state is TenantState.DELETING:
            doing = asyncio.sleep(0)  # deletion came meanwhile, with a task of its own
        else:
            doing = self._reconciler.reconcile(tenant)
        await doing
        async with self._db.tenant(task.tenant_id) as conn:
            await store.finish_task(conn, task)

    async def _failed(
        self,
        task: Task,
        tenant: TenantChanged,
        reason: str,
        message: str,
        longest: float,
        seen: BillingDetails | None = None,
    ) -> None:
        """Puts the task off and tells why; with what was `seen` at Stripe, else what was told before."""
        async with self._db.tenant(task.tenant_id) as conn:
            await store.postpone_task(conn, task, _pause(task, longest))
            last = await store.last_status(conn, task.tenant_id)
            told = last.details if last is not None else StatusDetails()
            details = told if seen is None else StatusDetails(billing=seen)
            if last is not None and last.generation >= tenant.generation:
                same = (last.reason, last.message, told.billing) == (reason, message, details.billing)
                served = last.state is ComponentState.READY and reason == "StripeUnavailable"
                if same or served:  # a business that is linked stays so while Stripe is away
                    return
            await report(
                conn,
                Component.BILLING,
                task.tenant_id,
                tenant.generation,
                ComponentState.FAILED,
                reason,
                message,
                details,
                clock=self._clock,
            )


def _pause(task: Task, longest: float) -> float:
    """Seconds until a task that failed is tried again."""
    return min(longest, _FIRST_BACKOFF * 2.0 ** min(task.attempts, 20)) * random.uniform(0.75, 1)  # noqa: S311 - jitter


async def _locked(conn: Connection) -> bool:
    row = await (await conn.execute(b"SELECT pg_try_advisory_lock(%s) AS held", (_LOCK_KEY,))).fetchone()
    return bool(row and row["held"])
