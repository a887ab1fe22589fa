"""Consumes what asks for messages (appointments, offers, due reminders) and what they are written from.

Wired in notification.app. A message is queued in the inbox's transaction and sent later by notification.workers: a
consumer's transaction does not wait for a mail server, and what a message needs from another topic may come after
it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
    Channel,
    CustomerChanged,
    WaitlistOffered,
)
from contracts.business import ProfileChanged, ServiceChanged, StaffChanged
from contracts.envelope import Envelope
from contracts.model import Event
from contracts.notification import Kind
from contracts.platform import DeletionPolicy, TenantChanged
from contracts.scheduler import ReminderDue
from notification import store
from notification.domain import AppointmentStatus, Wanted
from notification.webhooks.store import delete_endpoints
from servicekit.clock import Clock, utc_now
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.effects import Handler
from servicekit.errors import PermanentError
from servicekit.settings import KafkaSettings
from servicekit.tenancy import TenantHooks

_STATUS: dict[type[AppointmentEvent], AppointmentStatus | None] = {
    AppointmentConfirmed: AppointmentStatus.CONFIRMED,
    AppointmentRescheduled: None,
    AppointmentCancelled: AppointmentStatus.CANCELLED,
    AppointmentCompleted: AppointmentStatus.COMPLETED,
    AppointmentNoShow: AppointmentStatus.NO_SHOW,
}
"""The status after each event; None leaves it as it was. A booking says its own (`_status`)."""
_NOTICE: dict[type[AppointmentEvent], Kind] = {
    AppointmentBooked: "booked",
    AppointmentConfirmed: "confirmed",
    AppointmentRescheduled: "rescheduled",
    AppointmentCancelled: "cancelled",
}

_WEBHOOK_TABLES = "webhook_"
"""Prefix of the tables that keep nothing of a business that leaves; notification.webhooks.workers empties them."""


class NotificationHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    async def remove(self, conn: Connection, tenant: TenantChanged) -> bool:
        if tenant.deletion_policy is DeletionPolicy.RETAIN:
            # Nothing is delivered any more, and their secrets are of no use; an erasure finds them by itself.
            await delete_endpoints(conn, tenant.tenant_id, self._clock())
        return True

    async def withdraw(self, conn: Connection, tenant_id: UUID, limit: int) -> int:
        return await store.drop_queue(conn, tenant_id, self._clock(), limit)

    def archived(self, counts: dict[str, int]) -> dict[str, int]:
        return {name: rows for name, rows in counts.items() if not name.startswith(_WEBHOOK_TABLES)}


class MessageRequests:
    """Turns appointment events, offers to the waitlist and due reminders into queued messages.

    Notices go by mail only: a text message costs the business money, and the reminder rules are where it says that
    it wants some.
    """

    def __init__(self, give_up: timedelta, clock: Clock = utc_now) -> None:
        self._give_up = give_up
        self._clock = clock

    async def appointment(self, conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, AppointmentEvent)  # noqa: S101 - the consumer dispatches by type
        await store.put_appointment(conn, event, _status(event))
        kind = _NOTICE.get(type(event))
        if kind is None:
            return
        moved = event.previous_starts_at if isinstance(event, AppointmentRescheduled) else None
        notice = Wanted(
            tenant_id=event.tenant_id,
            cause=f"{kind}/{event.appointment_id}/{event.version}",
            channel=Channel.EMAIL,
            kind=kind,
            appointment_id=event.appointment_id,
            appointment_version=event.version,
            customer_id=event.customer_id,
            starts_at=event.starts_at,
            expires_at=self._notice_expires_at(event),
            previous_starts_at=moved,
        )
        await store.queue(conn, notice, self._clock())

    def _notice_expires_at(self, event: AppointmentEvent) -> datetime:
        """When a notice is no longer worth sending: `give_up` after its event, so that a replay of the topic writes
        to nobody, or at the start, if that is earlier. A cancellation is news after the start too; for that of an
        appointment which nobody confirmed, `give_up` counts from the start, however late it is noticed.
        """
        stale_at = event.occurred_at + self._give_up
        if not isinstance(event, AppointmentCancelled):
            return min(stale_at, event.starts_at)
        return event.starts_at + self._give_up if event.cancelled_by == "system" else stale_at

    async def offered(self, conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, WaitlistOffered)  # noqa: S101 - as above
        await store.put_offered(conn, event)
        offer = Wanted(
            tenant_id=event.tenant_id,
            cause=f"waitlist-offer/{event.offer_id}",
            channel=Channel.EMAIL,
            kind="waitlist-offer",
            appointment_id=event.offer_id,
            appointment_version=0,
            customer_id=event.customer_id,
            starts_at=event.starts_at,
            expires_at=event.expires_at,
            entry_id=event.entry_id,
        )
        await store.queue(conn, offer, self._clock())

    async def reminder(self, conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ReminderDue)  # noqa: S101 - as above
        reminder = Wanted(
            tenant_id=event.tenant_id,
            cause=f"reminder/{event.reminder_id}",
            channel=event.channel,
            kind="reminder",
            appointment_id=event.appointment_id,
            appointment_version=event.appointment_version,
            customer_id=event.customer_id,
            starts_at=event.starts_at,
            expires_at=event.starts_at,
            reminder_id=event.reminder_id,
            due_at=event.due_at,
        )
        await store.queue(conn, reminder, self._clock())


def _status(event: AppointmentEvent) -> AppointmentStatus | None:
    if isinstance(event, AppointmentBooked):
        return AppointmentStatus.CONFIRMED if event.confirmed else AppointmentStatus.PENDING
    return _STATUS[type(event)]


def message_consumer(db: Database, kafka: KafkaSettings, requests: MessageRequests) -> EventConsumer:
    """Queues messages for the events that ask for them."""
    handlers: dict[type[Event], Handler] = {AppointmentBooked: requests.appointment}
    handlers |= dict.fromkeys(_STATUS, requests.appointment)
    handlers |= {ReminderDue: requests.reminder, WaitlistOffered: requests.offered}
    topics = [AppointmentEvent.TOPIC, ReminderDue.TOPIC, WaitlistOffered.TOPIC]
    return EventConsumer("notification", "messages", db, kafka, topics=topics, handlers=handlers)


def customer_consumer(db: Database, kafka: KafkaSettings) -> EventConsumer:
    """Keeps the customers; a tombstone erases one."""
    return EventConsumer(
        "notification",
        "customers",
        db,
        kafka,
        topics=[CustomerChanged.TOPIC],
        handlers={CustomerChanged: _customer},
        on_tombstone=_customer_erased,
    )


async def _customer(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, CustomerChanged)  # noqa: S101 - as above
    await store.put_customer(conn, event)


async def _customer_erased(conn: Connection, tenant: UUID, entity: str) -> None:
    await store.erase_customer(conn, tenant, _uuid(entity))


def catalog_consumer(db: Database, kafka: KafkaSettings) -> EventConsumer:
    """Keeps the names of services and staff, and the business's profile."""
    return EventConsumer(
        "notification",
        "catalog",
        db,
        kafka,
        topics=[ServiceChanged.TOPIC],
        handlers={ServiceChanged: _service, StaffChanged: _staff, ProfileChanged: _profile},
        on_tombstone=_catalog_erased,
    )


async def _service(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, ServiceChanged)  # noqa: S101 - as above
    await store.put_name(conn, event.tenant_id, event.service_id, event.version, event.name)


async def _staff(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, StaffChanged)  # noqa: S101 - as above
    await store.put_name(conn, event.tenant_id, event.staff_id, event.version, event.name)


async def _profile(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, ProfileChanged)  # noqa: S101 - as above
    await store.put_profile(conn, event)


async def _catalog_erased(conn: Connection, tenant: UUID, entity: str) -> None:
    if entity == "profile":
        await store.delete_profile(conn, tenant)
    elif entity not in {"policy", "holidays"}:  # nothing of these is kept here
        await store.delete_name(conn, tenant, _uuid(entity))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise PermanentError("a tombstone's key must end in an id") from None
