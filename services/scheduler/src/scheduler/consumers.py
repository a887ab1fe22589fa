"""What scheduler hears: reminders asked for and withdrawn, and who the tenants are.

booking's events of one appointment come in order. After a re-drive from the dead letters they may not, or come
twice: the key of a closed timer, fired or withdrawn, is kept for a while, so that a request that comes after it
sets nothing.
"""

from collections.abc import Callable
from uuid import UUID

from contracts.booking import ReminderRequested, ReminderWithdrawn
from contracts.envelope import Envelope
from contracts.model import Event
from scheduler import store
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.settings import KafkaSettings
from servicekit.tenancy import TenantHooks


class SchedulerHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions."""

    async def withdraw(self, conn: Connection, tenant_id: UUID, limit: int) -> int:
        """Timers of a business that goes are disarmed first, whatever becomes of the rows."""
        return await store.disarm(conn, tenant_id, limit)


def timers_consumer(db: Database, kafka: KafkaSettings, *, on_set: Callable[[], None]) -> EventConsumer:
    """Sets and clears timers; `on_set` is told of each new one, so that it need not wait to be found."""

    async def requested(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ReminderRequested)  # noqa: S101 - the consumer dispatches by type
        await store.arm(conn, event)
        on_set()

    async def withdrawn(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ReminderWithdrawn)  # noqa: S101 - as above
        await store.withdraw(conn, event.tenant_id, event.reminder_id)

    return EventConsumer(
        "scheduler",
        "timers",
        db,
        kafka,
        topics=[ReminderRequested.TOPIC],
        handlers={ReminderRequested: requested, ReminderWithdrawn: withdrawn},
    )
