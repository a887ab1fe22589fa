"""What business writes into the audit trail; see servicekit.audit. Called by the service layer.

Staff, services and settings are the business's own, so that values are shown. The profile, the holidays and the
reminder policy have the tenant's id.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from business.domain import Holidays, Profile, ReminderPolicy, Resource, ServiceOffer, StaffMember
from contracts.business import HoursException
from servicekit import audit
from servicekit.db import Connection


async def profile(conn: Connection, tenant_id: UUID, before: Profile, after: Profile) -> None:
    """A change of the profile."""
    changes = audit.changed(_fields(before), _fields(after))
    await audit.record(conn, tenant_id, "profile.changed", "profile", tenant_id, changes)


async def staff(
    conn: Connection, tenant_id: UUID, action: str, before: StaffMember | None, after: StaffMember | None
) -> None:
    """A staff member who comes (None before), changes, or goes (None after)."""
    member = after or before
    assert member is not None  # noqa: S101 - one of them is there
    changes = audit.changed(_staff(before), _staff(after))
    await audit.record(conn, tenant_id, action, "staff", member.staff_id, changes)


async def service(
    conn: Connection, tenant_id: UUID, action: str, before: ServiceOffer | None, after: ServiceOffer | None
) -> None:
    """A service that comes (None before), changes, or goes (None after)."""
    offer = after or before
    assert offer is not None  # noqa: S101 - as above
    changes = audit.changed(_fields(before), _fields(after))
    await audit.record(conn, tenant_id, action, "service", offer.service_id, changes)


async def resource(
    conn: Connection, tenant_id: UUID, action: str, before: Resource | None, after: Resource | None
) -> None:
    """A room, a chair or a device that comes (None before), changes, or goes (None after)."""
    thing = after or before
    assert thing is not None  # noqa: S101 - as above
    changes = audit.changed(_resource(before), _resource(after))
    await audit.record(conn, tenant_id, action, "resource", thing.resource_id, changes)


async def holidays(conn: Connection, tenant_id: UUID, before: Holidays, after: Holidays) -> None:
    """A change of the closed days: those that came and those that went, by their dates."""
    changes = audit.changed(_days(before), _days(after))
    await audit.record(conn, tenant_id, "holidays.changed", "holidays", tenant_id, changes)


async def policy(conn: Connection, tenant_id: UUID, before: ReminderPolicy, after: ReminderPolicy) -> None:
    """A change of the reminder policy."""
    changes = audit.changed({"rules": before.rules}, {"rules": after.rules})
    await audit.record(conn, tenant_id, "reminder-policy.changed", "reminder-policy", tenant_id, changes)


def _fields(item: Profile | ServiceOffer | None) -> dict[str, Any]:
    return {} if item is None else {name: value for name, value in asdict(item).items() if name != "version"}


def _staff(member: StaffMember | None) -> dict[str, Any]:
    if member is None:
        return {}
    time_off = {
        f"time_off/{item.time_off_id}": {"starts_at": item.starts_at, "ends_at": item.ends_at}
        for item in member.time_off
    }
    return {
        "name": member.name,
        "email": member.email,
        "timezone": member.timezone,
        "weekly_hours": member.weekly_hours,
        **_exceptions(member.exceptions),
        **time_off,
    }


def _resource(thing: Resource | None) -> dict[str, Any]:
    if thing is None:
        return {}
    return {
        "name": thing.name,
        "timezone": thing.timezone,
        "capacity": thing.capacity,
        "weekly_hours": thing.weekly_hours,
        **_exceptions(thing.exceptions),
    }


def _exceptions(exceptions: Sequence[HoursException]) -> dict[str, Any]:
    """Each by its date: there may be hundreds, of which one changes."""
    return {f"exceptions/{item.date}": item.intervals for item in exceptions}


def _days(holidays: Holidays) -> dict[str, Any]:
    return {f"days/{item.date}": item.name for item in holidays.days}
