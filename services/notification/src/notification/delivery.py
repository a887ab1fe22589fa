"""What becomes of one claimed message: three short transactions around the hand-over, and the event that tells.

Called by notification.workers. First the message is decided about and marked `sending`, then it is handed over
with no transaction open, then the outcome is written together with its event. A message found marked `sending`
after its lease has an unknown fate: it is sent again under the same Message-ID (docs/adr/0007).
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
    Appointment,
    Customer,
    Hold,
    Message,
    Send,
    Status,
    Suppress,
    SuppressedFor,
    Wait,
    backoff,
    decide,
    masked,
    next_look,
    told,
)
from notification.letters import Facts, Letter, Letters
from notification.providers import Provider, Refused, TryLater
from notification.segments import size
from notification.settings import NotificationSettings
from notification.store import Claimed
from notification.suppression import Reason, digest_of
from servicekit import outbox, usage
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import QuotaExceeded
from servicekit.faults import reached
from servicekit.links import AppointmentLinks, Subscription, UnsubscribeLinks, WaitlistLinks

log = structlog.get_logger(__name__)

MESSAGES = Counter(
    "slotwright_notification_messages_total",
    "Messages by what became of them: sent, failed, suppressed.",
    ("channel", "outcome"),
)
_METRIC = {Channel.EMAIL: "emails_per_month", Channel.SMS: "sms_per_month"}
_SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that is marked `sending`; `attempt` is its number."""

    message: Message
    tenant: TenantChanged
    attempt: int
    address: str
    letter: Letter
    sender: str
    reply_to: str | None


class Delivery:
    """Of the messages of one channel."""

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
        self._letters = letters
        self._links = AppointmentLinks(settings.link_key)
        self._places = WaitlistLinks(settings.link_key)
        self._unsubscribe_links = UnsubscribeLinks(settings.link_key)
        self._mail_from = mail_from
        self._settings = settings
        self._public_url = settings.public_url.rstrip("/")
        self._clock = clock

    async def claim(self, limit: int) -> list[Claimed]:
        """Messages whose turn it is, ours until the lease ends."""
        now = self._clock()
        lease_ends = now + timedelta(seconds=self._settings.lease_seconds)
        async with self._db.worker() as conn:
            return await store.claim(conn, self._provider.channel, now, lease_ends, limit)

    async def deliver(self, claimed: Claimed) -> None:
        """Sends a message, or settles that it is not sent, or leaves it for later."""
        async with self._db.tenant(claimed.tenant_id) as conn:
            ready = await self._prepare(conn, claimed)
        if ready is None:
            return
        reached("notification.sending")
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                await self._provider.send(
                    ready.message.tenant_id,
                    ready.message.message_id,
                    ready.address,
                    ready.letter,
                    sender=ready.sender,
                    reply_to=ready.reply_to,
                )
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

    async def _prepare(self, conn: Connection, claimed: Claimed) -> Ready | None:
        """Decides; None when there is nothing to hand over now."""
        now = self._clock()
        customer = await store.lock_customer(conn, claimed.tenant_id, claimed.customer_id)
        message = await store.lock_claimed(conn, claimed)
        if message is None:
            return None
        tenant = await store.tenant(conn, message.tenant_id)
        appointment = await store.appointment(conn, message.tenant_id, message.appointment_id)
        decision = decide(
            message,
            tenant,
            appointment,
            customer,
            now,
            unwanted=await _unwanted(conn, message, customer),
            quiet=await rules_store.quiet_hours(conn, message.tenant_id),
        )
        patient = not message.unknown_fate and not self._waited_enough(message)
        if isinstance(decision, Send):
            assert tenant and appointment and customer  # noqa: S101, PT018 - or it would not be sent
            service = await store.names(conn, message.tenant_id, [appointment.service_id])
            if service or not patient:  # better without the service's name than not at all
                return await self._begin(conn, message, tenant, appointment, customer, decision.address)
            decision = Wait("UnknownService")
        if isinstance(decision, Hold):
            await store.hold(conn, message, decision.until)
        elif isinstance(decision, Wait) and patient:
            await store.postpone(conn, message, message.attempts, next_look(message.queued_at, now))
        elif message.unknown_fate or message.repeated:
            # It may have arrived: nobody can say that it was not sent.
            await self._fail(conn, message, tenant, message.attempts, "Interrupted")
        elif isinstance(decision, Suppress):
            await self._suppress(conn, message, tenant, decision.reason)
        else:
            reason = decision.missing if isinstance(decision, Wait) else decision.reason
            await self._fail(conn, message, tenant, message.attempts, reason)
        return None

    def _waited_enough(self, message: Message) -> bool:
        return self._clock() - message.queued_at >= timedelta(seconds=self._settings.wait_seconds)

    async def _begin(
        self,
        conn: Connection,
        message: Message,
        tenant: TenantChanged,
        appointment: Appointment,
        customer: Customer,
        address: str,
    ) -> Ready | None:
        """Counts the message, once for all its attempts, and marks it."""
        now = self._clock()
        profile = await store.profile(conn, message.tenant_id)
        facts = await self._facts(conn, message, tenant, appointment, customer, profile, address)
        letter = await self._write(conn, message, facts)
        segments = size(letter.text).segments if message.channel is Channel.SMS else None
        if message.counted_at is None:
            try:
                if message.channel is Channel.SMS and not tenant.features.get("sms", True):
                    raise QuotaExceeded("The plan has no text messages.")
                await usage.consume(conn, tenant, _METRIC[message.channel], now, count=segments or 1)
            except QuotaExceeded:
                await self._suppress(conn, message, tenant, "quota")
                return None
        await store.mark_sending(conn, message, address, self._provider.name, segments, now)
        return Ready(
            message=replace(
                message,
                counted_at=message.counted_at or now,
                segments=segments if message.counted_at is None else message.segments,
                repeated=message.repeated or message.unknown_fate,
            ),
            tenant=tenant,
            attempt=message.attempts + 1,
            address=address,
            letter=letter,
            sender=tenant.display_name,
            reply_to=profile.contact_email if profile else None,
        )

    async def _write(self, conn: Connection, message: Message, facts: Facts) -> Letter:
        """In the business's own words where they hold; a message is never lost to them."""
        language = self._letters.language(facts.locale)
        own = None
        if facts.section != "waitlist-offer":
            own = await rules_store.wording(conn, message.tenant_id, facts.section, message.channel, language)
        try:
            return self._letters.write(message.channel, facts, own)
        except Exception as error:  # noqa: BLE001 - whatever a template can raise
            log.warning(
                "the business's template failed, ours is used",
                **_ids(message),
                template=facts.section,
                language=language,
                error=type(error).__name__,
            )
            return self._letters.write(message.channel, facts)

    async def _facts(
        self,
        conn: Connection,
        message: Message,
        tenant: TenantChanged,
        appointment: Appointment,
        customer: Customer,
        profile: store.Profile | None,
        address: str,
    ) -> Facts:
        wanted = [appointment.service_id, *appointment.staff_ids]
        names = await store.names(conn, message.tenant_id, wanted)
        token = self._links.token(message.tenant_id, appointment.appointment_id)
        digest = digest_of(message.tenant_id, message.channel, address)
        subscription = Subscription(message.tenant_id, customer.customer_id, message.channel, digest)
        unsubscribe = self._unsubscribe_links.token(subscription)
        manage_url = f"{self._public_url}/appointments/{token}"
        if message.entry_id is not None:
            place = self._places.token(message.tenant_id, message.entry_id)
            manage_url = f"{self._public_url}/waitlist/{place}"
        return Facts(
            kind=message.kind,
            business=tenant.display_name,
            address=profile.address if profile else None,
            business_zone=tenant.timezone,
            customer=customer.name,
            locale=customer.locale,
            service=names.get(appointment.service_id),
            staff=tuple(names[staff_id] for staff_id in appointment.staff_ids if staff_id in names),
            appointment=appointment,
            previous_starts_at=message.previous_starts_at,
            expires_at=message.expires_at,
            manage_url=manage_url,
            calendar_url=f"{self._public_url}/v1/public/appointments/{token}.ics",
            unsubscribe_url=f"{self._public_url}/unsubscribe/{unsubscribe}",
            organizer=(profile.contact_email if profile else None) or self._mail_from,
            written_at=self._clock(),
        )

    async def _sent(self, ready: Ready) -> None:
        message, now = ready.message, self._clock()
        async with self._db.tenant(message.tenant_id) as conn:
            if not await store.settle(conn, message, ready.attempt, Status.SENT, None, now):
                return
            provider = self._provider.name
            await _tell(
                conn, MessageSent, message, ready.tenant, now, due_at=message.due_at, provider=provider
            )
        MESSAGES.labels(message.channel.value, "sent").inc()
        log.info("message sent", **_ids(message), attempts=ready.attempt)

    async def _later(self, ready: Ready, detail: str, *, in_doubt: bool) -> None:
        """Tries again after a while, but not past the message's end, when it is given up.

        One that may have arrived stays marked, so that its repeat says so (docs/adr/0007).
        """
        message, now = ready.message, self._clock()
        next_attempt_at = now + backoff(ready.attempt)
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

    async def _failed(self, ready: Ready, error: Refused) -> None:
        message = ready.message
        async with self._db.tenant(message.tenant_id) as conn:
            if error.bounced:
                await self._bounced(conn, ready)
            await self._fail(conn, message, ready.tenant, ready.attempt, error.reason)

    async def _bounced(self, conn: Connection, ready: Ready) -> None:
        """Nobody is there: nothing is sent there again until the business takes it back."""
        message = ready.message
        customer = await store.lock_customer(conn, message.tenant_id, message.customer_id)
        erased = customer is None or customer.erased
        await rules_store.put_suppression(
            conn,
            message.tenant_id,
            message.channel,
            digest_of(message.tenant_id, message.channel, ready.address),
            "bounced",
            "all",
            self._clock(),
            customer_id=None if erased else message.customer_id,
            hint=None if erased else masked(ready.address, message.channel),
        )

    async def _fail(
        self, conn: Connection, message: Message, tenant: TenantChanged | None, attempts: int, reason: str
    ) -> None:
        """Settles; a message that surely did not go out is given back to the month's quota."""
        now = self._clock()
        if not await store.settle(conn, message, attempts, Status.FAILED, reason, now):
            return
        if message.counted_at is not None and not message.repeated and reason != "Interrupted":
            metric = _METRIC[message.channel]
            await usage.release(
                conn, message.tenant_id, metric, message.counted_at, count=message.segments or 1
            )
        await _tell(conn, MessageFailed, message, tenant, now, attempts=attempts, reason=reason)
        MESSAGES.labels(message.channel.value, "failed").inc()

    async def _suppress(
        self, conn: Connection, message: Message, tenant: TenantChanged | None, reason: SuppressedFor
    ) -> None:
        now = self._clock()
        if not await store.settle(conn, message, message.attempts, Status.SUPPRESSED, reason, now):
            return
        said, detail = told(reason)
        await _tell(conn, MessageSuppressed, message, tenant, now, reason=said, detail=detail)
        MESSAGES.labels(message.channel.value, "suppressed").inc()


async def _unwanted(conn: Connection, message: Message, customer: Customer | None) -> Reason | None:
    address = customer.address(message.channel) if customer is not None else None
    if not address:
        return None
    digest = digest_of(message.tenant_id, message.channel, address)
    reminder = message.kind == "reminder"
    return await rules_store.unwanted(conn, message.tenant_id, message.channel, digest, reminder=reminder)


async def _tell(
    conn: Connection,
    event: Callable[..., MessageEvent],
    message: Message,
    tenant: TenantChanged | None,
    now: datetime,
    **told: Any,
) -> None:
    """Tells what became of a message about an appointment. An offer is none yet: its readers know no such kind."""
    if message.kind == "waitlist-offer":
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
        **told,
    )
    await outbox.publish(conn, "notification", made, time=now, copy_to=tenant)


def _ids(message: Message) -> dict[str, str]:
    """What a log line may name: no address."""
    return {"message_id": str(message.message_id), "kind": message.kind, "channel": message.channel.value}
