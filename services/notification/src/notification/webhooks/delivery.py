"""Makes claimed deliveries: one short transaction before the request, and one after it. Disables endpoints.

Called by notification.webhooks.workers, and by the service layer where an owner disables or enables an endpoint.
First the attempt is written down, then the request is made with no transaction open, then its outcome is written. A
sender that dies in between leaves an attempt without an outcome, and a lease; when that has ended the delivery is
sent again under the same webhook-id, by which the receiver knows a repeat. No log line has the address: it may hold
a token of the business's.

A delivery whose turn it is, is claimed by the first poll behind its time. One that becomes visible more than
notification.poll_cursor.MARGIN later, was locked at that poll, or was under way when its sender died, once
`full_scan` has found it: a second later, or up to half a minute where very much was settled beside an old snapshot
(docs/adr/0025).
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge, Histogram

from notification.poll_cursor import BEGINNING, PollCursor
from notification.store import queue_for_owner
from notification.webhooks import claims, store
from notification.webhooks.claims import ClaimedDelivery, Waiting
from notification.webhooks.domain import (
    ENDPOINT_DISABLED,
    FAILED_AT_ONCE,
    OWNER_TOLD_FOR,
    PAUSES,
    RESPONSE_BYTES,
    TEST,
    Delivered,
    Delivery,
    DeliveryStatus,
    DisabledFor,
    Endpoint,
    Failed,
    Reply,
    Retry,
    decide,
    readable,
    retry_after,
)
from notification.webhooks.settings import WebhookSettings
from notification.webhooks.signing import signed_headers
from notification.webhooks.store import Backlog, SealedSecret
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Unavailable
from servicekit.faults import reached
from servicekit.outbound import OutboundClient, OutboundFailed, OutboundRefused
from servicekit.sealing import Seal, WrongSeal
from servicekit.tenants import takes_events

log = structlog.get_logger(__name__)

DELIVERIES = Counter(
    "slotwright_notification_webhook_deliveries_total",
    "Webhooks by what became of them: delivered, failed (given up, or its endpoint disabled).",
    ("outcome",),
)
ATTEMPTS = Counter(
    "slotwright_notification_webhook_attempts_total",
    "Attempts by the class of the answer's status (2xx), or `refused` (an address not called), `unanswered`, or"
    " `unsigned` (none was made, as the endpoint's secret was sealed by another key).",
    ("answer",),
)
ATTEMPT_SECONDS = Histogram(
    "slotwright_notification_webhook_attempt_seconds",
    "Time to an answer, or to the end of waiting for one.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
DISABLED = Counter(
    "slotwright_notification_webhook_endpoints_disabled_total",
    "Endpoints that answered 410, or failed for days.",
    ("reason",),
)
OVERDUE = Gauge(
    "slotwright_notification_webhook_overdue_seconds",
    "How long the oldest webhook whose time has come waits to be sent.",
)

_PLACES = 3
"""Deliveries under way to one endpoint at a time, in all processes: a slow endpoint takes up no more."""
_SHARE = 16
"""Deliveries under way to all endpoints of one business. More only if each is the first of its endpoint, of which
there are at most domain.MAX_ENDPOINTS."""
_TRANSACTIONS = 3
"""Transactions at once, of one process; the consumers need the rest of the pool's connections."""
_UNSIGNED_PAUSE = timedelta(minutes=1)
"""How long a delivery is left alone that cannot be signed."""


def _jitter() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - to spread retries


@dataclass(frozen=True, slots=True)
class ReadyDelivery:
    """A delivery whose attempt is written down; `number` is the attempt's, `tries` its place in the schedule."""

    endpoint: Endpoint
    delivery: Delivery
    number: int
    tries: int
    keys: tuple[bytes, ...]


class WebhookDeliveries:
    """Claims and makes deliveries; any number of processes may."""

    def __init__(
        self,
        db: Database,
        outbound: OutboundClient,
        seal: Seal,
        settings: WebhookSettings,
        *,
        clock: Clock = utc_now,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._seal = seal
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._transactions = asyncio.Semaphore(_TRANSACTIONS)
        self._cursor = PollCursor()
        self._waiting: Waiting = {}
        self._passed: Waiting = {}
        """What the last full scan has found, for the next claim."""

    async def claim(self, limit: int, *, kept: int = 0) -> list[ClaimedDelivery]:
        """Deliveries whose turn it is, ours until the lease ends.

        `kept` of the `limit` are for endpoints with nothing under way.
        """
        now, since = self._clock(), self._cursor.begin()
        lease_ends = now + timedelta(seconds=self._settings.webhook_lease_seconds)
        try:
            claimed = await self._claim(since, now, lease_ends, limit, kept)
        except Unavailable:
            self._cursor.fail(now)
            raise
        self._cursor.end(now)
        if claimed:
            reached("webhook.claimed")
        return claimed

    async def _claim(
        self, since: datetime, now: datetime, lease_ends: datetime, limit: int, kept: int
    ) -> list[ClaimedDelivery]:
        async with self._db.worker() as conn:
            first = since == BEGINNING
            due = await (claims.waiting(conn, now) if first else claims.newly_due(conn, since, now))
            self._notice(due)
            self._notice(self._passed)
            self._passed = {}
            claimed, waiting = await claims.claim(
                conn, self._waiting, now, lease_ends, places=_PLACES, share=_SHARE, limit=limit, kept=kept
            )
        self._waiting = waiting
        return claimed

    async def full_scan(self) -> None:
        """Has the next claim consider what is due and was passed, and sets the gauge of what waits.

        For servicekit.full_scan: both read from the beginning.
        """
        async with self._db.worker(untimed=True) as conn:
            self._passed = await claims.waiting(conn, self._clock())
        await self.measure()

    async def measure(self) -> None:
        """Sets the gauge of what waits."""
        async with self._db.worker(untimed=True) as conn:
            since = await claims.overdue_since(conn)
        OVERDUE.set(max(0.0, (self._clock() - since).total_seconds()) if since else 0)

    def _notice(self, due: Waiting) -> None:
        """Has the next claim consider these endpoints, from these times on."""
        for endpoint, since in due.items():
            self._waiting[endpoint] = min(since, self._waiting.get(endpoint, since))

    async def deliver(self, claimed: ClaimedDelivery) -> None:
        """Makes one attempt, unless it is not ours any more or its endpoint is disabled.

        Raises WrongSeal when nothing can sign it, which is no attempt: it stays queued.
        """
        try:
            async with self._transactions, self._db.tenant(claimed.tenant_id) as conn:
                ready = await self._prepare(conn, claimed)
        except WrongSeal:
            ATTEMPTS.labels("unsigned").inc()
            async with self._transactions, self._db.tenant(claimed.tenant_id) as conn:
                await self._put_back(conn, claimed)
            raise
        if ready is None:
            return
        reached("webhook.sending")
        began = time.monotonic()
        reply = await self._send(ready)
        took = time.monotonic() - began
        reached("webhook.sent")
        ATTEMPT_SECONDS.observe(took)
        async with self._transactions, self._db.tenant(claimed.tenant_id) as conn:
            await self._conclude(conn, ready, reply, took)

    async def _prepare(self, conn: Connection, claimed: ClaimedDelivery) -> ReadyDelivery | None:
        """Writes the attempt down; None when there is none to make."""
        now = self._clock()
        if not await takes_events(conn, claimed.tenant_id):
            return None
        endpoint = await store.endpoint(conn, claimed.tenant_id, claimed.endpoint_id)
        delivery = await store.lock_claimed(conn, claimed)
        if endpoint is None or delivery is None:
            return None
        if not endpoint.enabled:
            await self._fail(conn, delivery, delivery.attempts, ENDPOINT_DISABLED)
            return None
        sealed = await store.secrets(conn, claimed.tenant_id, claimed.endpoint_id, now)
        if not sealed:
            return None  # deleted this moment
        keys = self._keys(sealed)
        await store.begin(conn, delivery, now)
        return ReadyDelivery(endpoint, delivery, delivery.attempts + 1, delivery.tries + 1, keys)

    def _keys(self, sealed: Sequence[SealedSecret]) -> tuple[bytes, ...]:
        """The secrets to sign with, the present one first. Raises WrongSeal where that one cannot be opened.

        A replaced one that cannot is left out: after a change of the platform's key, rotating its secret is how an
        endpoint is repaired.
        """
        present, *replaced = sealed
        keys = [self._seal.open(str(present.secret_id), present.sealed)]
        for item in replaced:
            with suppress(WrongSeal):
                keys.append(self._seal.open(str(item.secret_id), item.sealed))
        return tuple(keys)

    async def _put_back(self, conn: Connection, claimed: ClaimedDelivery) -> None:
        """Queues a delivery again that cannot be signed before the platform's key or the secret is another."""
        if not await takes_events(conn, claimed.tenant_id):
            return
        delivery = await store.lock_claimed(conn, claimed)
        if delivery is not None:
            await store.postpone(conn, delivery, delivery.attempts, self._clock() + _UNSIGNED_PAUSE)

    async def _send(self, ready: ReadyDelivery) -> Reply:
        """Answers with the outcome, whatever happens: an attempt without one would be repeated for ever."""
        try:
            return await self._answered(ready)
        except Exception as error:
            log.error("webhook attempt broke off", **_ids(ready.delivery), exc_info=error)
            ATTEMPTS.labels("unanswered").inc()
            return Reply(error=f"The attempt broke off ({type(error).__name__}).")

    async def _answered(self, ready: ReadyDelivery) -> Reply:
        now = self._clock()
        body = ready.delivery.body.encode()
        signed = signed_headers(ready.keys, ready.delivery.webhook_id, int(now.timestamp()), body)
        try:
            answer = await self._outbound.request(
                "POST",
                ready.endpoint.url,
                headers={"Content-Type": "application/json", **signed},
                body=body,
                seconds=self._settings.webhook_timeout,
                max_bytes=RESPONSE_BYTES,
                cut=True,
            )
        except OutboundRefused as error:
            ATTEMPTS.labels("refused").inc()
            return Reply(error=f"The endpoint's address {error}.")
        except OutboundFailed as error:
            ATTEMPTS.labels("unanswered").inc()
            return Reply(error=f"The endpoint {error}.")
        ATTEMPTS.labels(f"{answer.status // 100}xx").inc()
        return Reply(
            http_status=answer.status,
            response=readable(answer.body),
            retry_after=retry_after(answer.headers.get("Retry-After"), now),
        )

    async def _conclude(self, conn: Connection, ready: ReadyDelivery, reply: Reply, took: float) -> None:
        """Writes the outcome. Locks endpoint, delivery and attempt in this order, as everyone who locks several."""
        delivery, now = ready.delivery, self._clock()
        if not await takes_events(conn, delivery.tenant_id):
            return  # an erasure has taken it
        endpoint = ready.endpoint
        if reply.delivered:
            await store.clear_failing(conn, endpoint.tenant_id, endpoint.endpoint_id, endpoint.url)
        else:
            found = await store.lock_endpoint(conn, endpoint.tenant_id, endpoint.endpoint_id)
            if found is None:
                return  # deleted meanwhile, and its deliveries with it
            endpoint = found
        pauses = () if delivery.type == TEST else PAUSES
        moved = endpoint.url != ready.endpoint.url
        decision = decide(
            reply, ready.tries, pauses, endpoint.failing_since, now, self._jitter(), moved=moved
        )
        if isinstance(decision, Delivered):
            if await store.settle(conn, delivery, ready.number, DeliveryStatus.DELIVERED, None, now):
                DELIVERIES.labels("delivered").inc()
                log.info("webhook delivered", **_ids(delivery), attempts=ready.number)
        else:
            log.warning("webhook not delivered", **_ids(delivery), attempts=ready.number, reason=reply.reason)
            await self._not_delivered(conn, ready, endpoint, decision)
        await store.end_attempt(conn, delivery, ready.number, reply, took)

    async def _not_delivered(
        self, conn: Connection, ready: ReadyDelivery, endpoint: Endpoint, decision: Retry | Failed
    ) -> None:
        if isinstance(decision, Retry) and not endpoint.enabled:
            ours = await self._fail(conn, ready.delivery, ready.number, ENDPOINT_DISABLED)
        elif isinstance(decision, Retry):
            ours = await store.postpone(conn, ready.delivery, ready.number, decision.at)
        else:
            ours = await self._fail(conn, ready.delivery, ready.number, decision.reason)
        if not ours:
            return  # overtaken by a later attempt, whose outcome counts
        if isinstance(decision, Failed) and decision.disables is not None and endpoint.enabled:
            disabled = await disable(conn, endpoint, decision.disables, self._clock)
            await _tell_owner(conn, disabled)
            DISABLED.labels(decision.disables.value).inc()
            log.warning(
                "webhook endpoint disabled",
                endpoint_id=str(endpoint.endpoint_id),
                reason=decision.disables.value,
            )
        if endpoint.url == ready.endpoint.url:  # or it has been moved away from where the attempt failed
            await store.mark_failing(conn, endpoint.tenant_id, endpoint.endpoint_id, self._clock())

    async def _fail(self, conn: Connection, delivery: Delivery, attempts: int, reason: str) -> bool:
        settled = await store.settle(conn, delivery, attempts, DeliveryStatus.FAILED, reason, self._clock())
        if settled:
            DELIVERIES.labels("failed").inc()
        return settled


async def disable(conn: Connection, endpoint: Endpoint, reason: DisabledFor, clock: Clock) -> Endpoint:
    """Disables a locked endpoint: nothing goes to it from now on, and what is queued for it has failed.

    That may be much, so notification.webhooks.workers marks it as failed, in batches (`fail_backlog`).
    """
    return await store.update_endpoint(conn, replace(endpoint, disabled_reason=reason, disabled_at=clock()))


async def enable(conn: Connection, disabled: Endpoint, changed: Endpoint, clock: Clock) -> Endpoint:
    """Enables a locked endpoint: what is queued from now on goes to it, and what was queued before has failed.

    If that is too much for one transaction, what is new waits until the rest is marked as failed.
    """
    assert disabled.disabled_at is not None  # noqa: S101 - it is disabled
    backlog = Backlog(disabled.tenant_id, disabled.endpoint_id, disabled.disabled_at)
    more = await _fail_some(conn, backlog, clock, FAILED_AT_ONCE) == FAILED_AT_ONCE
    await store.set_backlog(conn, backlog.tenant_id, backlog.endpoint_id, backlog.failed_at if more else None)
    return await store.update_endpoint(
        conn, replace(changed, disabled_reason=None, disabled_at=None, failing_since=None)
    )


async def fail_backlog(conn: Connection, clock: Clock, limit: int) -> int:
    """Marks a batch of what was queued for a disabled endpoint as failed, `limit` at most; answers how many.

    Needs a worker's transaction. One that dies leaves the batch to the next.
    """
    backlog = await store.lock_backlog(conn, clock())
    if backlog is None:
        return 0
    failed = await _fail_some(conn, backlog, clock, limit)
    if failed < limit and backlog.up_to is not None:
        await store.set_backlog(conn, backlog.tenant_id, backlog.endpoint_id, None)
    return failed


async def _fail_some(conn: Connection, backlog: Backlog, clock: Clock, limit: int) -> int:
    failed = await store.fail_queued(conn, backlog, clock(), limit)
    DELIVERIES.labels("failed").inc(failed)
    return failed


async def _tell_owner(conn: Connection, disabled: Endpoint) -> None:
    """Queues the mail in the transaction that disables: one, however many deliveries fail at once."""
    at = disabled.disabled_at
    assert at is not None  # noqa: S101 - it has just been disabled
    await queue_for_owner(conn, disabled.tenant_id, disabled.endpoint_id, at, at + OWNER_TOLD_FOR)


def _ids(delivery: Delivery) -> dict[str, str]:
    """What a log line may name."""
    return {
        "endpoint_id": str(delivery.endpoint_id),
        "delivery_id": str(delivery.delivery_id),
        "webhook_id": delivery.webhook_id,
        "event_type": delivery.type,
    }
