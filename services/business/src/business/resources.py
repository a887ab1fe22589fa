"""Rooms, chairs and devices: what services need beside staff. Part of the service layer, called by the routes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from business import events, store, trail
from business.checks import require_version
from business.domain import MAX_RESOURCES, Resource
from servicekit import outbox
from servicekit.db import Database
from servicekit.errors import Conflict, Invalid, found
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change


class Resources:
    """One transaction a method, as in business.service."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, tenant_id: UUID, after: UUID | None, limit: int) -> list[Resource]:
        """Resources by id, `limit` at most, behind `after`. Raises NotFound for a business not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await store.resources_page(conn, tenant_id, after, limit)

    async def read(self, tenant_id: UUID, resource_id: UUID) -> Resource:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return found(await store.resource_by_id(conn, tenant_id, resource_id), "resource")

    async def add(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        fields: dict[str, Any],
        answer: Callable[[Resource], BaseModel],
    ) -> Outcome:
        """`fields` are those of Resource; the time zone defaults to the business's.

        Raises TenantSuspended, and Conflict past MAX_RESOURCES.
        """
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)

            async def effect() -> BaseModel:
                found(await store.profile(conn, tenant_id, lock=True), "profile")
                if await store.count_resources(conn, tenant_id) >= MAX_RESOURCES:
                    raise Conflict(f"There are {MAX_RESOURCES} resources already. Delete one first.")
                given = fields | {"timezone": fields["timezone"] or tenant.timezone}
                resource = Resource(resource_id=new_id(), version=1, **given)
                await store.add_resource(conn, tenant_id, resource)
                await trail.resource(conn, tenant_id, "resource.added", None, resource)
                await outbox.publish(conn, "business", events.resource_changed(tenant_id, resource))
                return answer(resource)

            return await once(conn, tenant_id, key, effect)

    async def edit(
        self, tenant_id: UUID, resource_id: UUID, version: int | None, fields: dict[str, Any]
    ) -> Resource:
        """Changes the given fields of a Resource.

        Raises NotFound, PreconditionFailed, TenantSuspended, and Invalid for less than the services need.
        """
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            if "capacity" in fields:
                # Such edits go one after another: a service may need two resources whose capacities both shrink.
                found(await store.profile(conn, tenant_id, lock=True), "profile")
            present = found(await store.lock_resource(conn, tenant_id, resource_id), "resource")
            require_version(version, present.version, "The resource")
            resource = await store.update_resource(conn, tenant_id, replace(present, **fields))
            if resource.capacity < present.capacity and (
                names := await store.services_short_of(conn, tenant_id, resource_id)
            ):
                raise Invalid.field("/capacity", f"is less than what is needed by {', '.join(names[:5])}")
            await trail.resource(conn, tenant_id, "resource.changed", present, resource)
            await outbox.publish(conn, "business", events.resource_changed(tenant_id, resource))
            return resource

    async def delete(self, tenant_id: UUID, resource_id: UUID) -> None:
        """Appointments that stand are not touched. Raises NotFound, and Conflict while a service needs it."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            found(await store.lock_resource(conn, tenant_id, resource_id), "resource")
            names = await store.services_that_need(conn, tenant_id, resource_id)
            if names:
                raise Conflict(f"It is needed by {', '.join(names[:5])}. Take it off there first.")
            resource = await store.delete_resource(conn, tenant_id, resource_id)
            await trail.resource(conn, tenant_id, "resource.removed", resource, None)
            await outbox.publish(conn, "business", events.resource_changed(tenant_id, resource, deleted=True))
