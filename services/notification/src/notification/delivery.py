"""Delivers claimed messages: one short transaction before the hand-over to the provider, and one after it.

Called by notification.workers. In the first the message is decided about and marked `sending`; it is handed over
with no transaction open; in the second the outcome is written together with its event. A message found marked
`sending` after its lease has an unknown fate: it is sent again under the same Message-ID (docs/adr/0007).

A message is claimed by the first poll behind its time, or behind the end of the lease of a sender that died; one
that becomes visible more than notification.poll_cursor.MARGIN later, or was locked at that poll, once `full_scan`
has found it: a second later, or up to half a minute where very much was settled beside an old snapshot
(docs/adr/0025).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from contracts.booking import Channel
from contracts.notification import MessageEvent, MessageFailed, MessageSent, MessageSuppressed
from contracts.platform import TenantChanged
from notification import rules_store, store
from notification.domain import (
    Customer,
    CustomerMessage,
    Fail,
    Hold,
    Message,
    OwnerMessage,
    Send,
    Status,
    Suppress,
    SuppressedFor,
    Wait,
    backoff,
    decide,
    decide_for_owner,
    masked,
    next_check,
    reason_and_detail,
    repeat_pause,
)
from notification.drafts import Draft, Drafts
from notification.letters import Letters
from notification.poll_cursor import PollCursor
from notification.providers import Provider, Refused, TryLater
from notification.quiet import QuietHours
from notification.segments import size
from notification.settings import NotificationSettings
from notification.store import ClaimedMessage
from notification.suppression import Reason, digests_of
from notification.webhooks.store import endpoint as endpoint_of
from servicekit import outbox, usage
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import QuotaExceeded, Unavailable
from servicekit.faults import reached
from servicekit.tenants import takes_events

log = structlog.get_logger(__name__)

MESSAGES = Counter(
    "slotwright_notification_messages_total",
    "Messages by what became of them: sent, failed, suppressed.",
    ("channel", "outcome"),
)
_METRIC = {Channel.EMAIL: "emails_per_month", Channel.SMS: "sms_per_month"}
_SOON = timedelta(seconds=1)

NotSent = Wait | Hold | Suppress | Fail


@dataclass(frozen=True, slots=True)
class ReadyMessage:
    """A message that is marked `sending`; `attempt` is its number."""

    message: Message
    tenant: TenantChanged
    attempt: int
    draft: Draft


class MessageDeliveries:
    """Claims and delivers the messages of one channel."""

    def __init__(
        self,
        db: Database,
        provider: Provider,
        letters: Letters,
        settings: NotificationSettings,
        *,
        mail_from: str,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._provider = provider
        self._drafts = Drafts(letters, settings, mail_from=mail_from, clock=clock)
        self._settings = settings
        self._clock = clock
        self._cursor = PollCursor()

    async def claim(self, limit: int) -> list[ClaimedMessage]:
        """Messages whose turn it is, ours until the lease ends."""
        now, since = self._clock(), self._cursor.begin()
        lease_ends = now + timedelta(seconds=self._settings.lease_seconds)
        try:
            async with self._db.worker() as conn:
                claimed = await store.claim(conn, self._provider.channel, since, now, lease_ends, limit)
        except Unavailable:
            self._cursor.fail(now)
            raise
        full = len(claimed) == limit
        self._cursor.end(now, max(item.due_at for item in claimed) if full else None)
        return claimed

    async def full_scan(self) -> None:
        """Has the next claim begin with what is due and was passed, if there is any. For servicekit.full_scan."""
        async with self._db.worker(untimed=True) as conn:
            first = await store.first_due(conn, self._provider.channel, self._clock())
        if first is not None:
            self._cursor.rewind(first)

    async def deliver(self, claimed: ClaimedMessage) -> None:
        """Sends a message, or settles that it is not sent, or leaves it for later."""
        async with self._db.tenant(claimed.tenant_id) as conn:
            ready = await self._prepare(conn, claimed)
        if ready is None:
            return
        reached("notification.sending")
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                await self._provider.send(ready.message.tenant_id, ready.message.message_id, ready.draft)
        except Refused as error:
            log.warning("message refused", **_ids(ready.message), reason=error.reason, detail=str(error))
            await self._failed(ready, error)
        except TryLater as error:
            await self._later(ready, str(error), in_doubt=error.in_doubt)
        except TimeoutError:
            await self._later(ready, "no answer in time", in_doubt=True)
        else:
            reached("notification.sent")
            await self._sent(ready)

    async def _prepare(self, conn: Connection, claimed: ClaimedMessage) -> ReadyMessage | None:
        """Decides; None when there is nothing to hand over now."""
        now = self._clock()
        if not await takes_events(conn, claimed.tenant_id):
            return None  # an erasure has settled it
        customer = quiet = None
        if claimed.customer_id is not None:
            customer = await store.lock_customer(conn, claimed.tenant_id, claimed.customer_id)
            quiet = await rules_store.quiet_hours(conn, claimed.tenant_id, lock=True)
        message = await store.lock_claimed(conn, claimed)
        if message is None:
            return None
        tenant = await store.tenant(conn, message.tenant_id)
        may_wait = not message.unknown_fate and not self._waited_enough(message)
        if isinstance(message, OwnerMessage):
            decision = await self._for_owner(conn, message, tenant)
        else:
            decision = await self._for_customer(conn, message, tenant, customer, quiet, may_wait=may_wait)
        if isinstance(decision, Draft):
            assert tenant is not None  # noqa: S101 - or it would not be sent
            return await self._begin(conn, message, tenant, decision)
        if isinstance(decision, Hold):
            await store.hold(conn, message, decision.until)
        elif isinstance(decision, Wait) and may_wait:
            await store.postpone(conn, message, message.attempts, next_check(message.queued_at, now))
        elif message.unknown_fate or message.repeated:
            # It may have arrived: nobody can say that it was not sent.
            await self._fail(conn, message, tenant, message.attempts, "Interrupted")
        elif isinstance(decision, Suppress):
            await self._suppress(conn, message, tenant, decision.reason)
        else:
            reason = decision.missing if isinstance(decision, Wait) else decision.reason
            await self._fail(conn, message, tenant, message.attempts, reason)
        return None

    async def _for_customer(
        self,
        conn: Connection,
        message: CustomerMessage,
        tenant: TenantChanged | None,
        customer: Customer | None,
        quiet: QuietHours | None,
        *,
        may_wait: bool,
    ) -> Draft | NotSent:
        appointment = await store.appointment(conn, message.tenant_id, message.appointment_id)
        address = customer.address(message.channel) if customer is not None else None
        decision = decide(
            message,
            tenant,
            appointment,
            customer,
            self._clock(),
            unwanted=await _unwanted(conn, message, address),
            quiet=quiet,
        )
        if not isinstance(decision, Send):
            return decision
        assert tenant and appointment and customer  # noqa: S101, PT018 - or it would not be sent
        service = await store.names(conn, message.tenant_id, [appointment.service_id])
        if not service and may_wait:  # better without the service's name than not at all
            return Wait("UnknownService")
        return await self._drafts.to_customer(conn, message, tenant, appointment, customer, decision.address)

    async def _for_owner(
        self, conn: Connection, message: OwnerMessage, tenant: TenantChanged | None
    ) -> Draft | NotSent:
        endpoint = await endpoint_of(conn, message.tenant_id, message.endpoint_id)
        owner = tenant.owner.email if tenant is not None else None
        decision = decide_for_owner(
            message,
            tenant,
            self._clock(),
            stands=endpoint is not None and endpoint.disabled_since(message.disabled_at),
            bounced=await _unwanted(conn, message, owner) == "bounced",
        )
        if not isinstance(decision, Send):
            return decision
        assert tenant and endpoint  # noqa: S101, PT018 - or it would not be sent
        return self._drafts.to_owner(message, tenant, endpoint, decision.address)

    def _waited_enough(self, message: Message) -> bool:
        return self._clock() - message.queued_at >= timedelta(seconds=self._settings.wait_seconds)

    async def _begin(
        self, conn: Connection, message: Message, tenant: TenantChanged, draft: Draft
    ) -> ReadyMessage | None:
        """Marks the message `sending`; None, and suppressed, when the plan does not allow it (any more this month).

        A customer's message counts against the quota, once for all its attempts. One to the owner does not: it is
        the platform's.
        """
        counted_at, segments, now = message.counted_at, message.segments, self._clock()
        if counted_at is None:
            segments = size(draft.letter.text).segments if message.channel is Channel.SMS else None
        if counted_at is None and isinstance(message, CustomerMessage):
            counted_at = now
            try:
                if message.channel is Channel.SMS and not tenant.features.get("sms", True):
                    raise QuotaExceeded("The plan has no text messages.")
                await usage.consume(conn, tenant, _METRIC[message.channel], counted_at, count=segments or 1)
            except QuotaExceeded:
                await self._suppress(conn, message, tenant, "quota")
                return None
        repeated_at = message.repeated_at or (now if message.unknown_fate else None)
        marked = replace(
            message,
            counted_at=counted_at,
            segments=segments,
            repeated=message.repeated or message.unknown_fate,
            repeated_at=repeated_at,
        )
        await store.mark_sending(conn, marked, draft.address, self._provider.name)
        return ReadyMessage(marked, tenant, message.attempts + 1, draft)

    async def _sent(self, ready: ReadyMessage) -> None:
        message, now = ready.message, self._clock()
        async with self._db.tenant(message.tenant_id) as conn:
            if not await store.settle(conn, message, ready.attempt, Status.SENT, None, now):
                return
            due_at = message.due_at if isinstance(message, CustomerMessage) else None
            provider = self._provider.name
            await _publish(conn, MessageSent, message, ready.tenant, now, due_at=due_at, provider=provider)
        MESSAGES.labels(message.channel.value, "sent").inc()
        log.info("message sent", **_ids(message), attempts=ready.attempt)

    async def _later(self, ready: ReadyMessage, detail: str, *, in_doubt: bool) -> None:
        """Tries again after a while, but not past the message's end, when it is given up.

        One that may have arrived stays marked, so that its repeat says so (docs/adr/0007).
        """
        message, now = ready.message, self._clock()
        pause = backoff(ready.attempt)
        if in_doubt and message.repeated:
            pause = max(pause, repeat_pause(message.repeated_at or message.queued_at, now))
        next_attempt_at = now + pause
        if next_attempt_at > message.expires_at:
            next_attempt_at = max(now + _SOON, message.expires_at)
        log.warning(
            "message not sent, trying again",
            **_ids(message),
            attempts=ready.attempt,
            detail=detail,
            in_doubt=in_doubt,
            retry_in=round((next_attempt_at - now).total_seconds(), 1),
        )
        async with self._db.tenant(message.tenant_id) as conn:
            await store.postpone(conn, message, ready.attempt, next_attempt_at, in_doubt=in_doubt)

    async def _failed(self, ready: ReadyMessage, error: Refused) -> None:
        """Settles a refused message. Locks the customer before the message, as everyone who locks both does."""
        message, customer = ready.message, None
        async with self._db.tenant(message.tenant_id) as conn:
            if not await takes_events(conn, message.tenant_id):
                return  # an erasure has settled it
            if error.bounced and isinstance(message, CustomerMessage):
                customer = await store.lock_customer(conn, message.tenant_id, message.customer_id)
            failed = await self._fail(conn, message, ready.tenant, ready.attempt, error.reason)
            if failed and error.bounced:
                await self._bounced(conn, ready, customer)

    async def _bounced(self, conn: Connection, ready: ReadyMessage, customer: Customer | None) -> None:
        """Puts a bounced address on the suppression list, where it stays until the business removes it."""
        message, address = ready.message, ready.draft.address
        customer_id, known = None, True
        if isinstance(message, CustomerMessage):
            known = customer is not None and not customer.erased
            customer_id = message.customer_id if known else None
        await rules_store.put_suppression(
            conn,
            message.tenant_id,
            message.channel,
            digests_of(message.tenant_id, message.channel, address),
            "bounced",
            "all",
            self._clock(),
            customer_id=customer_id,
            hint=masked(address, message.channel) if known else None,
        )

    async def _fail(
        self, conn: Connection, message: Message, tenant: TenantChanged | None, attempts: int, reason: str
    ) -> bool:
        """Settles the message as failed; answers False when it was settled otherwise before."""
        now = self._clock()
        if not await store.settle(conn, message, attempts, Status.FAILED, reason, now):
            return False
        if reason != "Interrupted":
            await _give_back(conn, message)
        await _publish(conn, MessageFailed, message, tenant, now, attempts=attempts, reason=reason)
        MESSAGES.labels(message.channel.value, "failed").inc()
        return True

    async def _suppress(
        self, conn: Connection, message: Message, tenant: TenantChanged | None, reason: SuppressedFor
    ) -> None:
        now = self._clock()
        if not await store.settle(conn, message, message.attempts, Status.SUPPRESSED, reason, now):
            return
        await _give_back(conn, message)
        event_reason, detail = reason_and_detail(reason)
        await _publish(conn, MessageSuppressed, message, tenant, now, reason=event_reason, detail=detail)
        MESSAGES.labels(message.channel.value, "suppressed").inc()


async def _give_back(conn: Connection, message: Message) -> None:
    """Gives a message back to the month's quota, if it was counted and certainly has not been sent."""
    if message.counted_at is None or message.repeated:
        return
    metric = _METRIC[message.channel]
    await usage.release(conn, message.tenant_id, metric, message.counted_at, count=message.segments or 1)


async def _unwanted(conn: Connection, message: Message, address: str | None) -> Reason | None:
    if not address:
        return None
    digests = digests_of(message.tenant_id, message.channel, address)
    reminder = message.kind == "reminder"
    return await rules_store.unwanted(conn, message.tenant_id, message.channel, digests, reminder=reminder)


async def _publish(
    conn: Connection,
    event: Callable[..., MessageEvent],
    message: Message,
    tenant: TenantChanged | None,
    now: datetime,
    **outcome: Any,
) -> None:
    """Publishes what became of a message about an appointment; of others there is no event.

    An offer to the waitlist is not about an appointment yet, a message to the owner never is.
    """
    if not isinstance(message, CustomerMessage) or message.kind == "waitlist-offer":
        return
    made = event(
        tenant_id=message.tenant_id,
        message_id=message.message_id,
        kind=message.kind,
        channel=message.channel,
        appointment_id=message.appointment_id,
        appointment_version=message.appointment_version,
        reminder_id=message.reminder_id,
        occurred_at=now,
        **outcome,
    )
    await outbox.publish(conn, "notification", made, time=now, copy_to=tenant)


def _ids(message: Message) -> dict[str, str]:
    """What a log line may name: no address."""
    return {"message_id": str(message.message_id), "kind": message.kind, "channel": message.channel.value}
