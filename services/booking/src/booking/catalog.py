"""The catalog as booking knows it: what business tells on business.catalog.v1, kept for booking's own decisions.

Written by the catalog consumer, read by the service layer. An older version never replaces a newer one.
"""

from datetime import timedelta
from uuid import UUID

from psycopg.types.json import Jsonb

from booking import waitlist_store
from booking.domain import Offer
from booking.store import SQL
from contracts.business import PolicyChanged, ReminderRule, ServiceChanged, StaffChanged
from servicekit.db import Connection, affected


class CatalogFollower:
    """Takes catalog events over into booking's tables."""

    async def staff_changed(self, conn: Connection, event: StaffChanged) -> None:
        values = {
            "tenant_id": event.tenant_id,
            "resource_id": event.staff_id,
            "version": event.version,
            "deleted": event.deleted,
            "name": event.name,
            "timezone": event.timezone,
            "weekly_hours": Jsonb([item.model_dump(mode="json") for item in event.weekly_hours]),
            "exceptions": Jsonb([item.model_dump(mode="json") for item in event.exceptions]),
        }
        if affected(await conn.execute(SQL.save_resource, values)):
            await waitlist_store.anything_free(conn, event.tenant_id)

    async def service_changed(self, conn: Connection, event: ServiceChanged) -> None:
        values = {
            "tenant_id": event.tenant_id,
            "service_id": event.service_id,
            "version": event.version,
            "deleted": event.deleted,
            "name": event.name,
            "duration": timedelta(minutes=event.duration_minutes),
            "buffer_before": timedelta(minutes=event.buffer_before_minutes),
            "buffer_after": timedelta(minutes=event.buffer_after_minutes),
            "slot_step": timedelta(minutes=event.slot_step_minutes),
            "minimum_notice": timedelta(minutes=event.minimum_notice_minutes),
            "booking_window": timedelta(days=event.booking_window_days),
            "cancellation_window": timedelta(minutes=event.cancellation_window_minutes),
            "capacity": event.capacity,
            "requires_confirmation": event.requires_confirmation,
            "price_amount": event.price.amount,
            "currency": event.price.currency,
            "resource_ids": event.staff_ids,
        }
        if affected(await conn.execute(SQL.save_offer, values)):
            await waitlist_store.anything_free(conn, event.tenant_id)

    async def policy_changed(self, conn: Connection, event: PolicyChanged) -> bool:
        """False when a newer policy is known already."""
        values = {
            "tenant_id": event.tenant_id,
            "version": event.version,
            "rules": Jsonb([rule.model_dump(mode="json") for rule in event.rules]),
        }
        return bool((await conn.execute(SQL.save_policy, values)).rowcount)


async def offer(
    conn: Connection, tenant_id: UUID, service_id: UUID, *, deleted_too: bool = False
) -> Offer | None:
    """A service that can be booked; None when it is unknown or, unless asked for, no longer offered."""
    values = {"tenant_id": tenant_id, "service_id": service_id, "deleted_too": deleted_too}
    row = await (await conn.execute(SQL.offer, values)).fetchone()
    return Offer(**row | {"resource_ids": tuple(row["resource_ids"])}) if row else None


async def rules(conn: Connection, tenant_id: UUID) -> list[ReminderRule]:
    """The business's reminder rules; none before its policy has arrived."""
    row = await (await conn.execute(SQL.rules, {"tenant_id": tenant_id})).fetchone()
    return [ReminderRule.model_validate(item) for item in row["rules"]] if row else []
