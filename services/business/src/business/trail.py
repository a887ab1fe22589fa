"""What business writes into the audit trail; see servicekit.audit. Called by the service layer.

Staff, services and settings are the business's own, so that values are shown. The profile and the reminder policy
have the tenant's id.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from business.domain import Profile, ReminderPolicy, ServiceOffer, StaffMember
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


async def policy(conn: Connection, tenant_id: UUID, before: ReminderPolicy, after: ReminderPolicy) -> None:
    """A change of the reminder policy."""
    changes = audit.changed({"rules": before.rules}, {"rules": after.rules})
    await audit.record(conn, tenant_id, "reminder-policy.changed", "reminder-policy", tenant_id, changes)


def _fields(item: Profile | ServiceOffer | None) -> dict[str, Any]:
    return {} if item is None else {name: value for name, value in asdict(item).items() if name != "version"}


def _staff(member: StaffMember | None) -> dict[str, Any]:
    """With each exception by its date: there may be hundreds, of which one changes."""
    if member is None:
        return {}
    exceptions = {f"exceptions/{item.date}": item.intervals for item in member.exceptions}
    return {
        "name": member.name,
        "email": member.email,
        "timezone": member.timezone,
        "weekly_hours": member.weekly_hours,
        **exceptions,
    }
