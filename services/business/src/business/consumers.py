"""What business does when a tenant comes, changes or goes. Wired in business.app.

A new one gets a profile and the default reminder policy; of one that is erased the catalog gets tombstones.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from business import events, store
from business.domain import DEFAULT_REMINDERS
from business.service import write_policy
from contracts.business import (
    CatalogEvent,
    HolidaysChanged,
    PolicyChanged,
    ProfileChanged,
    ResourceChanged,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import record_key
from contracts.platform import DeletionPolicy, StatusDetails, TenantChanged
from servicekit import outbox
from servicekit.db import Connection
from servicekit.tenancy import TenantHooks

_ONE_EACH: dict[str, type[CatalogEvent]] = {
    "profile": ProfileChanged,
    "policy": PolicyChanged,
    "holidays": HolidaysChanged,
}
_BY_ID: Mapping[str, type[CatalogEvent]] = {
    "staff": StaffChanged,
    "resource": ResourceChanged,
    "service": ServiceChanged,
}


class BusinessHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions."""

    async def provision(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        tenant_id = tenant.tenant_id
        new = await store.add_profile(conn, tenant_id, tenant.display_name)
        if new:
            empty = await store.policy(conn, tenant_id, lock=True)
            if empty is not None:
                await write_policy(conn, tenant_id, empty, DEFAULT_REMINDERS)
        if new or await store.rename_profile(conn, tenant_id, tenant.display_name):
            profile = await store.profile(conn, tenant_id)
            if profile is not None:
                await outbox.publish(conn, "business", events.profile_changed(tenant_id, profile))
        return StatusDetails()

    async def remove(self, conn: Connection, tenant: TenantChanged) -> bool:
        """With policy Delete the catalog also gets tombstones, as its compacted topic would keep people's names.

        Here for what a business has one of; `erasing` writes those of the rest, as their rows are deleted.
        """
        if tenant.deletion_policy is DeletionPolicy.DELETE:
            for entity, event in _ONE_EACH.items():
                key = record_key(tenant.tenant_id, entity)
                await outbox.bury(conn, "business", event, key, tenant.tenant_id)
        return True

    erases: ClassVar[Mapping[str, str]] = {kind: f"{kind}_id" for kind in _BY_ID}

    async def erasing(self, conn: Connection, tenant_id: UUID, table: str, ids: list[Any]) -> dict[str, int]:
        """Tombstones for what the rows stood for; also for what was deleted before, as its rows have stayed."""
        keys = [record_key(tenant_id, str(entity)) for entity in ids]
        await outbox.bury_all(conn, "business", _BY_ID[table], keys, tenant_id)
        return {}
