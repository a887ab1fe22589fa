"""Keeps the projection that figures are counted from, by events about appointments, reminders and subscriptions.

Wired in analytics.app. No figure is counted here. Each event updates one row of the projection, in the inbox's
transaction, and figures are counted from the rows when they are asked for (the query `counts`). Counters kept
beside the inbox would also stay right under replays, but not when events come out of order: to take back what an
older event has counted, they would need these very rows. Nor could counters by day follow a business that changes
its time zone. From rows, all figures are right as soon as the last event is in, whatever the order. The topics keep
a week, so rows that are lost come back from a backup.
"""

from analytics import store
from analytics.domain import STATUSES, says_confirmed
from contracts.billing import (
    SubscriptionActivated,
    SubscriptionCanceled,
    SubscriptionChanged,
    SubscriptionEvent,
    SubscriptionPastDue,
)
from contracts.booking import AppointmentBooked, AppointmentEvent
from contracts.envelope import Envelope
from contracts.model import Event
from contracts.notification import MessageEvent, MessageFailed, MessageSent
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.effects import Handler
from servicekit.settings import KafkaSettings

_REMINDERS: tuple[type[MessageEvent], ...] = (MessageSent, MessageFailed)
_SUBSCRIPTIONS: tuple[type[SubscriptionEvent], ...] = (
    SubscriptionActivated,
    SubscriptionCanceled,
    SubscriptionPastDue,
    SubscriptionChanged,
)


def figures_consumer(db: Database, kafka: KafkaSettings) -> EventConsumer:
    """Consumes every event that changes a figure."""
    handlers: dict[type[Event], Handler] = dict.fromkeys(STATUSES, _appointment)
    handlers |= dict.fromkeys(_REMINDERS, _reminder)
    handlers |= dict.fromkeys(_SUBSCRIPTIONS, _subscription)
    topics = [AppointmentEvent.TOPIC, MessageEvent.TOPIC, SubscriptionEvent.TOPIC]
    return EventConsumer("analytics", "figures", db, kafka, topics=topics, handlers=handlers)


async def _appointment(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, AppointmentEvent)  # noqa: S101 - the consumer dispatches by type
    booked_at = event.occurred_at if isinstance(event, AppointmentBooked) else None
    await store.put_appointment(
        conn, event, STATUSES[type(event)], confirmed=says_confirmed(event), booked_at=booked_at
    )


async def _reminder(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, MessageEvent)  # noqa: S101 - as above
    if event.kind == "reminder":
        await store.put_reminder(conn, event, "sent" if isinstance(event, MessageSent) else "failed")


async def _subscription(conn: Connection, event: Event, _envelope: Envelope) -> None:
    assert isinstance(event, SubscriptionEvent)  # noqa: S101 - as above
    await store.put_subscription(conn, event)
