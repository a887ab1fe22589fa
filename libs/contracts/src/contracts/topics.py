"""Every platform topic: its shape, who writes it, who reads it.

The one list from which topics and ACLs are made (the operator in a cluster, the local stack on a laptop) and
from which the AsyncAPI document is generated. `operator` is a client like the services.
"""

from dataclasses import dataclass

from contracts.model import Event
from contracts.registry import EVENTS

WEEK_HOURS = 168
_HOUR_MS = 3600 * 1000
MAX_COMPACTION_LAG_MS = 24 * _HOUR_MS
"""An erased person's data leaves the log with the first record that is written to its partition so long after its
tombstone: Kafka compacts what it has closed, and closes nothing that nobody writes to."""
TOMBSTONE_HOURS = 4 * WEEK_HOURS
"""So long does a tombstone stay behind what it erased. A reader that was away for longer finds neither, and keeps
the person: Kafka's own day is shorter than an outage may be."""
DEAD_LETTER_BYTES = 2 * 1024 * 1024
"""Room for the largest message that a broker takes by default, about 1 MiB, and the failure in its headers."""

_SERVICES = ("auth", "business", "booking", "scheduler", "notification", "billing", "analytics")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. `retention_hours` is None for a compacted one, which keeps the last record of each key."""

    name: str
    publishers: frozenset[str]
    readers: frozenset[str]
    partitions: int = 3
    retention_hours: int | None = WEEK_HOURS
    max_message_bytes: int | None = None

    @property
    def compacted(self) -> bool:
        return self.retention_hours is None

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The event models that travel on it."""
        return tuple(event for event in EVENTS if self.name == event.TOPIC)

    def config(self) -> dict[str, str]:
        """Kafka's topic configuration."""
        size = {"max.message.bytes": str(self.max_message_bytes)} if self.max_message_bytes else {}
        if self.retention_hours is None:
            kept = {
                "max.compaction.lag.ms": str(MAX_COMPACTION_LAG_MS),
                "delete.retention.ms": str(TOMBSTONE_HOURS * _HOUR_MS),
            }
            return {"cleanup.policy": "compact"} | kept | size
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_hours * _HOUR_MS)} | size


def _topic(
    name: str,
    publishers: tuple[str, ...],
    readers: tuple[str, ...],
    *,
    compacted: bool = False,
    partitions: int = 3,
) -> Topic:
    return Topic(
        name, frozenset(publishers), frozenset(readers), partitions, None if compacted else WEEK_HOURS
    )


TOPICS: tuple[Topic, ...] = (
    _topic("platform.tenants.v1", ("operator",), (*_SERVICES, "gateway", "operator"), compacted=True),
    # The operator writes tombstones there, once a tenant is gone.
    _topic("platform.tenant-status.v1", (*_SERVICES, "operator"), ("operator",), compacted=True),
    _topic("auth.signup.v1", ("auth",), ("operator",), compacted=True, partitions=1),
    _topic("business.catalog.v1", ("business",), ("booking", "notification"), compacted=True),
    _topic("booking.customer.v1", ("booking",), ("notification",), compacted=True),
    _topic("booking.appointment.v1", ("booking",), ("notification", "analytics", "billing")),
    _topic("booking.reminder.v1", ("booking",), ("scheduler",)),
    _topic("booking.waitlist.v1", ("booking",), ("notification",)),
    _topic("scheduler.reminder.v1", ("scheduler",), ("notification",)),
    _topic("notification.message.v1", ("notification",), ("analytics", "notification")),
    _topic("billing.subscription.v1", ("billing",), ("operator", "analytics")),
)


def dead_letter_topic(service: str) -> str:
    """Where a service's consumers put what they cannot read; that service writes and reads it, and the operator's
    re-drive (servicekit.redrive).
    """
    return f"{service}.dlq.v1"


DEAD_LETTERS: tuple[Topic, ...] = tuple(
    Topic(
        dead_letter_topic(service),
        # The operator puts letters back, and marks those that it has.
        frozenset({service, "operator"}),
        frozenset({service, "operator"}),
        partitions=1,
        retention_hours=4 * WEEK_HOURS,
        max_message_bytes=DEAD_LETTER_BYTES,
    )
    for service in _SERVICES
)

ALL_TOPICS: tuple[Topic, ...] = TOPICS + DEAD_LETTERS
"""The topics that have to exist before a service starts."""


TENANT_TOPIC_PREFIX = "tenant."
TENANT_TOPIC_WRITERS = ("booking", "notification", "billing")
"""The services whose relays copy a tenant's events to its own topic."""
PARTS = (*_SERVICES, "gateway", "operator")
"""Everything of the platform's that is a Kafka user."""


def tenant_topic(slug: str) -> str:
    """The tenant's own copy of its events."""
    return f"{TENANT_TOPIC_PREFIX}{slug}.events.v1"


def tenant_dead_letter_topic(slug: str) -> str:
    """Where the tenant's own readers may put what they cannot handle."""
    return f"{TENANT_TOPIC_PREFIX}{slug}.dlq.v1"
