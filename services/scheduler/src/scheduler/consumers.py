"""Sets and withdraws timers as booking asks, and disarms those of a business that is deleted.

booking's events of one appointment come in order. After a re-drive from the dead letters they may not, or come
twice: the key of a closed timer, fired or withdrawn, is kept for a while, so that a request that comes after it
sets nothing. And it notes how far it has read, as the timer loop waits for that before it fires what is late
(docs/adr/0028). Wired in scheduler.app.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from contracts.booking import ReminderRequested, ReminderWithdrawn
from contracts.envelope import Envelope
from contracts.model import Event
from scheduler import store
from servicekit.clock import Clock, utc_now
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.kafka import Place
from servicekit.progress import Progress
from servicekit.settings import KafkaSettings
from servicekit.tenancy import TenantHooks

_AT_ONCE = 50


class SchedulerHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions."""

    async def withdraw(self, conn: Connection, tenant_id: UUID, limit: int) -> int:
        """Disarms the timers of a business that is deleted, whether their rows are then erased or kept."""
        return await store.disarm(conn, tenant_id, limit)


def timers_consumer(
    db: Database, kafka: KafkaSettings, *, on_set: Callable[[datetime], None], clock: Clock = utc_now
) -> EventConsumer:
    """`on_set` is called with each timer's time once it is set, so that the timer loop does not miss it."""

    async def requested(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ReminderRequested)  # noqa: S101 - the consumer dispatches by type
        # One that is late stands behind all that has been read: it may be withdrawn in what comes.
        await store.arm(conn, event, not_before=clock())

    async def withdrawn(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ReminderWithdrawn)  # noqa: S101 - as above
        await store.withdraw(conn, event.tenant_id, event.reminder_id)

    def committed(event: Event) -> None:
        if isinstance(event, ReminderRequested):
            on_set(event.due_at)

    async def read(times: Mapping[Place, datetime | None]) -> None:
        async with db.worker() as conn:
            await store.set_read_until(conn, times)

    return EventConsumer(
        "scheduler",
        "timers",
        db,
        kafka,
        topics=[ReminderRequested.TOPIC],
        handlers={ReminderRequested: requested, ReminderWithdrawn: withdrawn},
        on_committed=committed,
        at_once=_AT_ONCE,
        progress=Progress(read, clock=clock),
    )
