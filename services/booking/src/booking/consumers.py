"""What booking hears: tenants, and the catalog of each business."""

from booking import reminders
from booking.catalog import CatalogFollower
from contracts.business import HolidaysChanged, PolicyChanged, ResourceChanged, ServiceChanged, StaffChanged
from contracts.envelope import Envelope
from contracts.model import Event
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.settings import KafkaSettings
from servicekit.tenancy import TenantHooks


class BookingHooks(TenantHooks):
    """Nothing to prepare: a business can be booked once its catalog has arrived."""


def catalog_consumer(db: Database, kafka: KafkaSettings, follower: CatalogFollower) -> EventConsumer:
    """Follows business.catalog.v1."""

    async def staff(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, StaffChanged)  # noqa: S101 - the consumer dispatches by type
        await follower.staff_changed(conn, event)

    async def resource(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ResourceChanged)  # noqa: S101 - as above
        await follower.resource_changed(conn, event)

    async def holidays(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, HolidaysChanged)  # noqa: S101 - as above
        await follower.holidays_changed(conn, event)

    async def service(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, ServiceChanged)  # noqa: S101 - as above
        await follower.service_changed(conn, event)

    async def policy(conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, PolicyChanged)  # noqa: S101 - as above
        await reminders.change_policy(conn, follower, event)

    return EventConsumer(
        "booking",
        "catalog",
        db,
        kafka,
        topics=[StaffChanged.TOPIC],
        handlers={
            StaffChanged: staff,
            ResourceChanged: resource,
            HolidaysChanged: holidays,
            ServiceChanged: service,
            PolicyChanged: policy,
        },
    )
