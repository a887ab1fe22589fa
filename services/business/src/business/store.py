"""business's tables: functions that take the transaction's connection and never commit.

Called by the service layer and the tenant hooks.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from business.domain import Holidays, Profile, ReminderPolicy, Resource, ServiceOffer, StaffMember, StaffName
from contracts.business import (
    Holiday,
    Hours,
    HoursException,
    Question,
    ReminderRule,
    ResourceNeed,
    TimeOff,
)
from contracts.model import Record
from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("business")


async def add_profile(conn: Connection, tenant_id: UUID, display_name: str) -> bool:
    """Adds the profile of a new business; False when it was there."""
    values = {"tenant_id": tenant_id, "display_name": display_name}
    return bool((await conn.execute(_SQL.insert_profile, values)).rowcount)


async def rename_profile(conn: Connection, tenant_id: UUID, display_name: str) -> bool:
    """Takes over the Tenant's display name; False when it has not changed."""
    values = {"tenant_id": tenant_id, "display_name": display_name}
    return bool((await conn.execute(_SQL.rename_profile, values)).rowcount)


async def profile(conn: Connection, tenant_id: UUID, *, lock: bool = False) -> Profile | None:
    """The profile, locked until the transaction's end when asked; None for a business not provisioned."""
    statement = _SQL.lock_profile if lock else _SQL.profile
    row = await (await conn.execute(statement, {"tenant_id": tenant_id})).fetchone()
    return Profile(**row) if row else None


async def update_profile(conn: Connection, tenant_id: UUID, profile: Profile) -> Profile:
    """Writes a locked profile; answers it with its next version."""
    values = asdict(profile) | {"tenant_id": tenant_id}
    row = await (await conn.execute(_SQL.update_profile, values)).fetchone()
    assert row is not None  # noqa: S101 - the caller holds the row's lock
    return Profile(**row)


def _json(items: Sequence[Record]) -> Jsonb:
    return Jsonb([item.model_dump(mode="json") for item in items])


def _staff(row: dict[str, Any]) -> StaffMember:
    hours = tuple(Hours.model_validate(item) for item in row["weekly_hours"])
    exceptions = tuple(HoursException.model_validate(item) for item in row["exceptions"])
    time_off = tuple(TimeOff.model_validate(item) for item in row["time_off"])
    return StaffMember(**row | {"weekly_hours": hours, "exceptions": exceptions, "time_off": time_off})


def _staff_values(tenant_id: UUID, member: StaffMember) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "staff_id": member.staff_id,
        "name": member.name,
        "email": member.email,
        "timezone": member.timezone,
        "weekly_hours": _json(member.weekly_hours),
        "exceptions": _json(member.exceptions),
        "time_off": _json(member.time_off),
    }


async def _staff_row(conn: Connection, statement: bytes, values: dict[str, Any]) -> StaffMember | None:
    row = await (await conn.execute(statement, values)).fetchone()
    return _staff(row) if row else None


async def add_staff(conn: Connection, tenant_id: UUID, member: StaffMember) -> None:
    await conn.execute(_SQL.insert_staff, _staff_values(tenant_id, member))


async def staff_page(conn: Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[StaffMember]:
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_staff(row) for row in await (await conn.execute(_SQL.staff_page, values)).fetchall()]


async def staff_names(conn: Connection, tenant_id: UUID) -> list[StaffName]:
    """All staff members by id, without their hours and dates, of which there may be a great many."""
    rows = await (await conn.execute(_SQL.staff_names, {"tenant_id": tenant_id})).fetchall()
    return [StaffName(**row) for row in rows]


async def staff_by_id(conn: Connection, tenant_id: UUID, staff_id: UUID) -> StaffMember | None:
    return await _staff_row(conn, _SQL.staff_by_id, {"tenant_id": tenant_id, "staff_id": staff_id})


async def lock_staff(conn: Connection, tenant_id: UUID, staff_id: UUID) -> StaffMember | None:
    """The staff member, locked until the transaction's end; None when there is none."""
    return await _staff_row(conn, _SQL.lock_staff, {"tenant_id": tenant_id, "staff_id": staff_id})


async def update_staff(conn: Connection, tenant_id: UUID, member: StaffMember) -> StaffMember:
    """Writes a locked staff member; answers it with its next version."""
    updated = await _staff_row(conn, _SQL.update_staff, _staff_values(tenant_id, member))
    assert updated is not None  # noqa: S101 - the caller holds the row's lock
    return updated


async def delete_staff(conn: Connection, tenant_id: UUID, staff_id: UUID) -> StaffMember:
    """Marks a locked staff member as deleted; the row stays, as old appointments name it."""
    values = {"tenant_id": tenant_id, "staff_id": staff_id}
    deleted = await _staff_row(conn, _SQL.delete_staff, values)
    assert deleted is not None  # noqa: S101 - the caller holds the row's lock
    return deleted


async def lock_existing_staff(conn: Connection, tenant_id: UUID, staff_ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are staff members; locked, so that none is deleted before the transaction's end."""
    values = {"tenant_id": tenant_id, "staff_ids": list(staff_ids)}
    rows = await (await conn.execute(_SQL.lock_existing_staff, values)).fetchall()
    return {row["staff_id"] for row in rows}


def _resource(row: dict[str, Any]) -> Resource:
    hours = row["weekly_hours"]
    parsed = {
        "weekly_hours": None if hours is None else tuple(Hours.model_validate(item) for item in hours),
        "exceptions": tuple(HoursException.model_validate(item) for item in row["exceptions"]),
    }
    return Resource(**row | parsed)


def _resource_values(tenant_id: UUID, resource: Resource) -> dict[str, Any]:
    return asdict(resource) | {
        "tenant_id": tenant_id,
        "weekly_hours": None if resource.weekly_hours is None else _json(resource.weekly_hours),
        "exceptions": _json(resource.exceptions),
    }


async def _resource_row(conn: Connection, statement: bytes, values: dict[str, Any]) -> Resource | None:
    row = await (await conn.execute(statement, values)).fetchone()
    return _resource(row) if row else None


async def count_resources(conn: Connection, tenant_id: UUID) -> int:
    """How many there are; the caller holds the profile's lock."""
    row = await (await conn.execute(_SQL.count_resources, {"tenant_id": tenant_id})).fetchone()
    return row["n"] if row else 0


async def add_resource(conn: Connection, tenant_id: UUID, resource: Resource) -> None:
    await conn.execute(_SQL.insert_resource, _resource_values(tenant_id, resource))


async def resources_page(conn: Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[Resource]:
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_resource(row) for row in await (await conn.execute(_SQL.resources_page, values)).fetchall()]


async def resource_by_id(conn: Connection, tenant_id: UUID, resource_id: UUID) -> Resource | None:
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    return await _resource_row(conn, _SQL.resource_by_id, values)


async def lock_resource(conn: Connection, tenant_id: UUID, resource_id: UUID) -> Resource | None:
    """The resource, locked until the transaction's end; None when there is none."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    return await _resource_row(conn, _SQL.lock_resource, values)


async def update_resource(conn: Connection, tenant_id: UUID, resource: Resource) -> Resource:
    """Writes a locked resource; answers it with its next version."""
    updated = await _resource_row(conn, _SQL.update_resource, _resource_values(tenant_id, resource))
    assert updated is not None  # noqa: S101 - the caller holds the row's lock
    return updated


async def delete_resource(conn: Connection, tenant_id: UUID, resource_id: UUID) -> Resource:
    """Marks a locked resource as deleted; the row stays, as old appointments name it."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    deleted = await _resource_row(conn, _SQL.delete_resource, values)
    assert deleted is not None  # noqa: S101 - the caller holds the row's lock
    return deleted


async def lock_existing_resources(
    conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """The capacity of each id that is a resource; locked, so that none is deleted before the transaction's end."""
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids)}
    rows = await (await conn.execute(_SQL.lock_existing_resources, values)).fetchall()
    return {row["resource_id"]: row["capacity"] for row in rows}


async def services_that_need(conn: Connection, tenant_id: UUID, resource_id: UUID) -> list[str]:
    """The names of the services that have a locked resource in their needs."""
    values = {"tenant_id": tenant_id, "need": Jsonb([{"resource_ids": [str(resource_id)]}])}
    rows = await (await conn.execute(_SQL.services_that_need, values)).fetchall()
    return [row["name"] for row in rows]


async def services_short_of(conn: Connection, tenant_id: UUID, resource_id: UUID) -> list[str]:
    """The names of the services whose need for this resource or others exceeds the capacity of all of these."""
    values = {"tenant_id": tenant_id, "resource_id": str(resource_id)}
    rows = await (await conn.execute(_SQL.services_short_of, values)).fetchall()
    return [row["name"] for row in rows]


async def holidays(conn: Connection, tenant_id: UUID, *, lock: bool = False) -> Holidays | None:
    """The closed days, locked against other edits when asked; None for a business not provisioned."""
    statement = _SQL.lock_holidays if lock else _SQL.holidays
    row = await (await conn.execute(statement, {"tenant_id": tenant_id})).fetchone()
    return _holidays(row) if row else None


async def update_holidays(conn: Connection, tenant_id: UUID, days: Sequence[Holiday]) -> Holidays:
    """Writes locked closed days; answers them with their next version."""
    values = {"tenant_id": tenant_id, "days": _json(days)}
    row = await (await conn.execute(_SQL.update_holidays, values)).fetchone()
    assert row is not None  # noqa: S101 - the caller holds the row's lock
    return _holidays(row)


def _holidays(row: dict[str, Any]) -> Holidays:
    return Holidays(row["version"], tuple(Holiday.model_validate(item) for item in row["days"]))


def _service_values(tenant_id: UUID, offer: ServiceOffer) -> dict[str, Any]:
    values = asdict(offer) | {"tenant_id": tenant_id}
    del values["version"], values["staff_ids"]
    return values | {"needs": _json(offer.needs), "questions": _json(offer.questions)}


async def _set_service_staff(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    values = {"tenant_id": tenant_id, "service_id": offer.service_id, "staff_ids": list(offer.staff_ids)}
    await conn.execute(_SQL.clear_service_staff, values)
    await conn.execute(_SQL.insert_service_staff, values)


async def add_service(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    await conn.execute(_SQL.insert_service, _service_values(tenant_id, offer))
    await _set_service_staff(conn, tenant_id, offer)


async def lock_service(conn: Connection, tenant_id: UUID, service_id: UUID) -> int | None:
    """The service's version, its row locked; None when there is none."""
    values = {"tenant_id": tenant_id, "service_id": service_id}
    row = await (await conn.execute(_SQL.lock_service, values)).fetchone()
    return row["version"] if row else None


async def update_service(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    await conn.execute(_SQL.update_service, _service_values(tenant_id, offer))
    await _set_service_staff(conn, tenant_id, offer)


async def touch_service(conn: Connection, tenant_id: UUID, service_id: UUID) -> None:
    """Raises the version of a service whose staff has changed."""
    await conn.execute(_SQL.touch_service, {"tenant_id": tenant_id, "service_id": service_id})


async def delete_service(conn: Connection, tenant_id: UUID, service_id: UUID) -> None:
    await conn.execute(_SQL.delete_service, {"tenant_id": tenant_id, "service_id": service_id})


async def services(
    conn: Connection,
    tenant_id: UUID,
    *,
    service_id: UUID | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> list[ServiceOffer]:
    """Services by id: a page of them, or the one with `service_id`."""
    values = {
        "tenant_id": tenant_id,
        "service_id": service_id,
        "after": after,
        "limit": limit,
    }
    rows = await (await conn.execute(_SQL.services, values)).fetchall()
    return [_service(row) for row in rows]


def _service(row: dict[str, Any]) -> ServiceOffer:
    parsed = {
        "staff_ids": tuple(row["staff_ids"]),
        "needs": tuple(ResourceNeed.model_validate(item) for item in row["needs"]),
        "questions": tuple(Question.model_validate(item) for item in row["questions"]),
    }
    return ServiceOffer(**row | parsed)


async def remove_staff_from_services(conn: Connection, tenant_id: UUID, staff_id: UUID) -> list[UUID]:
    """Takes a locked staff member off every service; answers the living ones among them, locked."""
    values = {"tenant_id": tenant_id, "staff_id": staff_id}
    rows = await (await conn.execute(_SQL.lock_services_of_staff, values)).fetchall()
    await conn.execute(_SQL.remove_staff_from_services, values)
    return [row["service_id"] for row in rows]


async def policy(conn: Connection, tenant_id: UUID, *, lock: bool = False) -> ReminderPolicy | None:
    """The reminder policy, longest offset first; locked against other edits when asked."""
    values = {"tenant_id": tenant_id}
    version = await (await conn.execute(_SQL.lock_policy if lock else _SQL.policy_version, values)).fetchone()
    if version is None:
        return None
    rows = await (await conn.execute(_SQL.reminder_rules, values)).fetchall()
    return ReminderPolicy(version["version"], tuple(ReminderRule.model_validate(row) for row in rows))


async def replace_policy(
    conn: Connection, tenant_id: UUID, rules: Sequence[ReminderRule], known: Sequence[ReminderRule]
) -> ReminderPolicy:
    """Makes `rules` the policy; rules among `known` (the present ones) keep their rows."""
    keep = [rule.rule_id for rule in rules]
    await conn.execute(_SQL.delete_reminder_rules_but, {"tenant_id": tenant_id, "keep": keep})
    present = {rule.rule_id for rule in known}
    for rule in rules:
        if rule.rule_id not in present:
            values = rule.model_dump() | {"tenant_id": tenant_id, "channel": rule.channel.value}
            await conn.execute(_SQL.insert_reminder_rule, values)
    row = await (await conn.execute(_SQL.touch_policy, {"tenant_id": tenant_id})).fetchone()
    assert row is not None  # noqa: S101 - the caller holds the policy's lock
    return ReminderPolicy(row["version"], tuple(rules))


async def raise_profile(conn: Connection, tenant_id: UUID, step: int) -> None:
    """Raises the versions of the profile, the policy and the closed days."""
    await conn.execute(_SQL.raise_profile, {"tenant_id": tenant_id, "step": step})


async def raise_staff(conn: Connection, tenant_id: UUID, step: int) -> list[tuple[StaffMember, bool]]:
    """Raises all versions; answers everyone, each with whether they were deleted."""
    return [(_staff(row), deleted) for row, deleted in await _raised(conn, _SQL.raise_staff, tenant_id, step)]


async def raise_resources(conn: Connection, tenant_id: UUID, step: int) -> list[tuple[Resource, bool]]:
    """As `raise_staff`."""
    rows = await _raised(conn, _SQL.raise_resources, tenant_id, step)
    return [(_resource(row), deleted) for row, deleted in rows]


async def raise_services(conn: Connection, tenant_id: UUID, step: int) -> list[tuple[ServiceOffer, bool]]:
    """As `raise_staff`."""
    rows = await _raised(conn, _SQL.raise_services, tenant_id, step)
    return [(_service(row), deleted) for row, deleted in rows]


async def _raised(
    conn: Connection, statement: bytes, tenant_id: UUID, step: int
) -> list[tuple[dict[str, Any], bool]]:
    rows = await (await conn.execute(statement, {"tenant_id": tenant_id, "step": step})).fetchall()
    return [(row, row.pop("deleted")) for row in rows]
