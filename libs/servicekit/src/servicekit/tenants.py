"""Tenants as a service knows them: the read model of platform.tenants.v1.

Service layers ask here, in their own transaction, who a tenant is and what it may do; servicekit.tenancy fills it.
"""

from collections.abc import Sequence
from uuid import UUID

from contracts.platform import TenantChanged, TenantState
from servicekit.db import Connection
from servicekit.errors import NotFound, TenantSuspended

_BY_ID = b"SELECT record::text FROM tenants WHERE tenant_id = %s AND state IN ('active', 'suspended')"
_BY_SLUG = b"""
SELECT tenant_id FROM tenants WHERE slug = %s AND state IN ('active', 'suspended')
ORDER BY updated_at DESC LIMIT 1
"""
_SHARE = b"SELECT pg_advisory_xact_lock_shared(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"
_CLAIM = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_GOING = b"SELECT 1 FROM tenants WHERE tenant_id = %s AND state IN ('deleting', 'deleted')"


async def tenant_by_id(conn: Connection, tenant_id: UUID) -> TenantChanged:
    """Raises NotFound when the tenant is unknown here or being deleted."""
    cursor = await conn.execute(_BY_ID, (tenant_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("This business does not exist, or is not ready yet.")
    return TenantChanged.model_validate_json(row["record"])


async def tenant_id_by_slug(conn: Connection, slug: str) -> UUID:
    """For public routes, which name the business by its slug. Raises NotFound."""
    cursor = await conn.execute(_BY_SLUG, (slug,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no business named {slug!r}.")
    tenant_id: UUID = row["tenant_id"]
    return tenant_id


def require_active(tenant: TenantChanged) -> None:
    """Raises TenantSuspended: a suspended business can be read, but takes nothing new."""
    if tenant.state is not TenantState.ACTIVE:
        raise TenantSuspended(f"{tenant.display_name} is suspended and takes no changes at the moment.")


def change_locks(tenant_id: UUID, *more: str) -> Sequence[str]:
    """What a transaction shares that writes for a request, so that no erasure begins before it ends.

    For Database.tenant, before anything else is locked: an erasure may have to be waited for. `more` come after it.
    """
    return (str(tenant_id), *more)


async def tenant_to_change(conn: Connection, tenant_id: UUID, *sharing: str) -> TenantChanged:
    """As `tenant_by_id`, for a transaction that has not begun with `change_locks`: they are its first locks."""
    await conn.execute(_SHARE, (list(change_locks(tenant_id, *sharing)),))
    return await tenant_by_id(conn, tenant_id)


async def takes_events(conn: Connection, tenant_id: UUID) -> bool:
    """Whether events about the tenant still count; if so, no erasure begins before this transaction ends.

    Asked by servicekit.consumer. A tenant that is not known yet counts: its events may come before its record.
    """
    await conn.execute(_SHARE, ([str(tenant_id)],))
    return await (await conn.execute(_GOING, (tenant_id,))).fetchone() is None


async def take_no_more(conn: Connection, tenant_id: UUID) -> None:
    """Before an erasure: waits for what is under way for the tenant; what comes later waits for this one."""
    await conn.execute(_CLAIM, (str(tenant_id),))
