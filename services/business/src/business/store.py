"""business's tables: functions that take the transaction's connection and never commit.

Called by the service layer and the tenant hooks.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from business.domain import Profile, ReminderPolicy, ServiceOffer, StaffMember
from contracts.business import Hours, HoursException, ReminderRule
from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("business")


async def add_profile(conn: Connection, tenant_id: UUID, display_name: str) -> bool:
    """Makes the profile of a new business; False when it was there."""
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


def _staff(row: dict[str, Any]) -> StaffMember:
    hours = tuple(Hours.model_validate(item) for item in row["weekly_hours"])
    exceptions = tuple(HoursException.model_validate(item) for item in row["exceptions"])
    return StaffMember(**row | {"weekly_hours": hours, "exceptions": exceptions})


def _staff_values(tenant_id: UUID, member: StaffMember) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "staff_id": member.staff_id,
        "name": member.name,
        "email": member.email,
        "timezone": member.timezone,
        "weekly_hours": Jsonb([item.model_dump(mode="json") for item in member.weekly_hours]),
        "exceptions": Jsonb([item.model_dump(mode="json") for item in member.exceptions]),
    }


async def _staff_row(conn: Connection, statement: bytes, values: dict[str, Any]) -> StaffMember | None:
    row = await (await conn.execute(statement, values)).fetchone()
    return _staff(row) if row else None


async def add_staff(conn: Connection, tenant_id: UUID, member: StaffMember) -> None:
    await conn.execute(_SQL.insert_staff, _staff_values(tenant_id, member))


async def staff_page(conn: Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[StaffMember]:
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_staff(row) for row in await (await conn.execute(_SQL.staff_page, values)).fetchall()]


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


async def living_staff(conn: Connection, tenant_id: UUID, staff_ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are staff members, kept alive until the transaction's end."""
    values = {"tenant_id": tenant_id, "staff_ids": list(staff_ids)}
    return {row["staff_id"] for row in await (await conn.execute(_SQL.living_staff, values)).fetchall()}


def _service_values(tenant_id: UUID, offer: ServiceOffer) -> dict[str, Any]:
    values = asdict(offer) | {"tenant_id": tenant_id}
    del values["version"], values["staff_ids"]
    return values


async def _perform(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    values = {"tenant_id": tenant_id, "service_id": offer.service_id, "staff_ids": list(offer.staff_ids)}
    await conn.execute(_SQL.clear_service_staff, values)
    await conn.execute(_SQL.insert_service_staff, values)


async def add_service(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    await conn.execute(_SQL.insert_service, _service_values(tenant_id, offer))
    await _perform(conn, tenant_id, offer)


async def lock_service(conn: Connection, tenant_id: UUID, service_id: UUID) -> int | None:
    """The service's version, its row locked; None when there is none."""
    values = {"tenant_id": tenant_id, "service_id": service_id}
    row = await (await conn.execute(_SQL.lock_service, values)).fetchone()
    return row["version"] if row else None


async def update_service(conn: Connection, tenant_id: UUID, offer: ServiceOffer) -> None:
    await conn.execute(_SQL.update_service, _service_values(tenant_id, offer))
    await _perform(conn, tenant_id, offer)


async def touch_service(conn: Connection, tenant_id: UUID, service_id: UUID) -> None:
    """The next version of a service whose staff has changed."""
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
    return [ServiceOffer(**row | {"staff_ids": tuple(row["staff_ids"])}) for row in rows]


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
