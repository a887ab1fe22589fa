"""The catalog as booking knows it: what business tells on business.catalog.v1, kept for booking's own decisions.

Written by the catalog consumer, read by the service layer. An older version never replaces a newer one.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from booking.domain import Offer
from booking.store import SQL
from booking.waitlist import store as waitlist_store
from contracts.business import (
    CatalogEvent,
    HolidaysChanged,
    PolicyChanged,
    Question,
    ReminderRule,
    ResourceChanged,
    ResourceNeed,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import Record
from servicekit.db import Connection, Cursor, affected
from servicekit.stored import reader

_read_needs = reader(tuple[ResourceNeed, ...])
_read_questions = reader(tuple[Question, ...])
_read_rules = reader(tuple[ReminderRule, ...])


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
            "weekly_hours": _json(event.weekly_hours),
            "exceptions": _json(event.exceptions),
            "kind": "staff",
            "capacity": 1,
            "always_open": False,
            "time_off": _json(event.time_off),
        }
        await _take_over(conn, event, SQL.save_resource, values)

    async def resource_changed(self, conn: Connection, event: ResourceChanged) -> None:
        values = {
            "tenant_id": event.tenant_id,
            "resource_id": event.resource_id,
            "version": event.version,
            "deleted": event.deleted,
            "name": event.name,
            "timezone": event.timezone,
            "weekly_hours": _json(event.weekly_hours or ()),
            "exceptions": _json(event.exceptions),
            "kind": "resource",
            "capacity": event.capacity,
            "always_open": event.weekly_hours is None,
            "time_off": _json(()),
        }
        await _take_over(conn, event, SQL.save_resource, values)

    async def holidays_changed(self, conn: Connection, event: HolidaysChanged) -> None:
        days = sorted({item.date for item in event.days})
        values = {"tenant_id": event.tenant_id, "version": event.version, "days": days}
        await _take_over(conn, event, SQL.save_holidays, values)

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
            "staff_count": event.staff_count,
            "needs": _json(event.needs),
            "questions": _json(event.questions),
        }
        await _take_over(conn, event, SQL.save_offer, values)

    async def policy_changed(self, conn: Connection, event: PolicyChanged) -> bool:
        """False when a newer policy is known already."""
        values = {
            "tenant_id": event.tenant_id,
            "version": event.version,
            "rules": _json(event.rules),
        }
        return affected(await conn.execute(SQL.save_policy, values))


async def _take_over(conn: Connection, event: CatalogEvent, statement: bytes, values: dict[str, Any]) -> None:
    """Saves what may free some time, unless a newer version is known, and lets the waitlist look."""
    if affected(await conn.execute(statement, values)):
        await waitlist_store.anything_free(conn, event.tenant_id)


def _json(items: Sequence[Record]) -> Jsonb:
    return Jsonb([item.model_dump(mode="json") for item in items])


async def offer(conn: Connection, service_id: UUID, *, deleted_too: bool = False) -> Offer | None:
    """A service that can be booked; None when it is unknown or, unless asked for, no longer offered."""
    return await offer_in(await ask_offer(conn, service_id, deleted_too=deleted_too))


async def ask_offer(conn: Connection, service_id: UUID, *, deleted_too: bool = False) -> Cursor:
    """For `offer_in`: a query that in a pipeline goes along with what is fetched next.

    The tenant is the transaction's, whose id is not known yet where it was begun with a slug.
    """
    values = {"service_id": service_id, "deleted_too": deleted_too}
    return await conn.execute(SQL.offer, values)


async def offer_in(asked: Cursor) -> Offer | None:
    """As `offer`, from the answer to `ask_offer`."""
    row = await asked.fetchone()
    if row is None:
        return None
    parsed = {
        "resource_ids": tuple(row["resource_ids"]),
        "needs": _read_needs(row["needs"]),
        "questions": _read_questions(row["questions"]),
    }
    return Offer(**row | parsed)


async def ask_rules(conn: Connection, tenant_id: UUID) -> Cursor:
    """For `rules`: a query that in a pipeline goes along with what is fetched next."""
    return await conn.execute(SQL.rules, {"tenant_id": tenant_id})


async def rules(asked: Cursor) -> Sequence[ReminderRule]:
    """The business's reminder rules; none before its policy has arrived."""
    row = await asked.fetchone()
    return _read_rules(row["rules"]) if row else ()
