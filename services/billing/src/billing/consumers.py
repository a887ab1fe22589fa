"""What billing hears: tenants, which become tasks for the worker, and appointments, which it counts.

Stripe is not called here: a consumer's transaction does not wait for another's server.
"""

from billing import store
from billing.reconcile import MANUAL
from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
)
from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import StatusDetails, TenantChanged
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.effects import Handler
from servicekit.settings import KafkaSettings
from servicekit.tenancy import TenantHooks
from servicekit.usage import month_of

_KINDS: dict[type[AppointmentEvent], str] = {
    AppointmentBooked: "booked",
    AppointmentRescheduled: "rescheduled",
    AppointmentCancelled: "cancelled",
    AppointmentCompleted: "completed",
    AppointmentNoShow: "no_show",
}


class BillingHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions."""

    async def provision(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        if tenant.billing.mode == "Manual" and not await store.is_touched(conn, tenant.tenant_id):
            return StatusDetails(billing=MANUAL)
        await store.want(conn, tenant.tenant_id, "reconcile")
        return None

    async def remove(self, conn: Connection, tenant: TenantChanged) -> bool:
        """True when nothing is at Stripe; else False: the worker ends that first."""
        if tenant.billing.mode == "Manual" and not await store.is_touched(conn, tenant.tenant_id):
            return True
        await store.want(conn, tenant.tenant_id, "remove")
        return False


def usage_consumer(db: Database, kafka: KafkaSettings) -> EventConsumer:
    """Counts what happens to appointments, by month."""

    def counting(kind: str) -> Handler:
        async def count(conn: Connection, event: Event, _envelope: Envelope) -> None:
            assert isinstance(event, AppointmentEvent)  # noqa: S101 - the consumer dispatches by type
            await store.count_appointment(conn, event.tenant_id, month_of(event.occurred_at), kind)

        return count

    return EventConsumer(
        "billing",
        "usage",
        db,
        kafka,
        topics=[AppointmentEvent.TOPIC],
        handlers={event: counting(kind) for event, kind in _KINDS.items()},
    )
