"""Queues events about appointments and messages for the endpoints that want them. Wired in .app.

A consumer group of its own: what holds up mails does not hold up webhooks, nor the other way round. Deliveries are
queued in the inbox's transaction and sent later by notification.webhooks.workers.
"""

import re

from contracts.booking import AppointmentEvent
from contracts.envelope import Envelope
from contracts.model import Event
from contracts.notification import MessageEvent
from notification.webhooks import store
from notification.webhooks.domain import TYPES
from notification.webhooks.payloads import payload
from servicekit.clock import Clock, utc_now
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.effects import Handler
from servicekit.errors import PermanentError
from servicekit.settings import KafkaSettings

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""No full stop, which separates the parts of the signed content."""


class WebhookEvents:
    """Turns events into queued deliveries, for suspended businesses too: the event has happened."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    async def queue(self, conn: Connection, event: Event, envelope: Envelope) -> None:
        assert isinstance(event, AppointmentEvent | MessageEvent)  # noqa: S101 - the consumer dispatches by type
        event_type = TYPES[type(event)]
        endpoints = await store.interested(conn, event.tenant_id, event_type)
        if not endpoints:
            return
        if not _ID.fullmatch(envelope.id):
            raise PermanentError("an event's id that webhooks carry has letters, digits, - and _ only")
        body = payload(event_type, event.occurred_at, event.model_dump(mode="json"))
        now = self._clock()
        for endpoint_id in endpoints:
            await store.queue(conn, event.tenant_id, endpoint_id, envelope.id, event_type, body, now)


def webhook_consumer(db: Database, kafka: KafkaSettings, events: WebhookEvents) -> EventConsumer:
    """Consumes every event that an endpoint can subscribe to."""
    topics = [AppointmentEvent.TOPIC, MessageEvent.TOPIC]
    handlers: dict[type[Event], Handler] = dict.fromkeys(TYPES, events.queue)
    return EventConsumer("notification", "webhooks", db, kafka, topics=topics, handlers=handlers)
