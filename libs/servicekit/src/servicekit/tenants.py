"""Tenants as a service knows them: the read model of platform.tenants.v1.

Service layers ask here, in their own transaction, who a tenant is and what it may do; servicekit.tenancy fills it.
"""

from uuid import UUID

from contracts.platform import TenantChanged, TenantState
from servicekit.db import Connection, Cursor
from servicekit.errors import NotFound, TenantSuspended
from servicekit.logging import name_tenant
from servicekit.stored import reader

TO_CHANGE = ""
"""The lock that a transaction takes in shared mode when it writes for a request: no erasure begins before it ends.

Given to Database.tenant as `sharing`, so that it comes before any other lock: it may have to wait for an erasure.
"""

_read = reader(TenantChanged)
_SERVED = b"SELECT record::text FROM tenants WHERE state IN ('active', 'suspended') AND tenant_id = "
_BY_ID = _SERVED + b"%s"
_IN_SCOPE = _SERVED + b"app_tenant()"
_SHARE = b"SELECT pg_advisory_xact_lock_shared(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"
_CLAIM = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_GOING = b"SELECT 1 FROM tenants WHERE tenant_id = %s AND state IN ('deleting', 'deleted')"


async def tenant_by_id(conn: Connection, tenant_id: UUID) -> TenantChanged:
    """Raises NotFound when the tenant is unknown here or being deleted."""
    return await _served(await conn.execute(_BY_ID, (tenant_id,)))


async def tenant_in_scope(conn: Connection) -> TenantChanged:
    """As `tenant_by_id`, for a transaction that may have been begun with a slug."""
    tenant = await _served(await conn.execute(_IN_SCOPE))
    name_tenant(tenant.tenant_id)
    return tenant


async def _served(asked: Cursor) -> TenantChanged:
    row = await asked.fetchone()
    if row is None:
        raise NotFound("This business does not exist, or is not ready yet.")
    return _read(row["record"])


def require_active(tenant: TenantChanged) -> None:
    """Raises TenantSuspended: a suspended business can be read, but takes nothing new."""
    if tenant.state is not TenantState.ACTIVE:
        raise TenantSuspended(f"{tenant.display_name} is suspended and takes no changes at the moment.")


async def tenant_to_change(conn: Connection, tenant_id: UUID, *sharing: str) -> TenantChanged:
    """As `tenant_by_id`, for a transaction that has not begun with TO_CHANGE: its locks come first."""
    await conn.execute(_SHARE, ([f"{tenant_id}{lock}" for lock in (TO_CHANGE, *sharing)],))
    return await tenant_by_id(conn, tenant_id)


async def takes_events(conn: Connection, tenant_id: UUID) -> bool:
    """Whether events about the tenant still count; if so, no erasure begins before this transaction ends.

    Asked by servicekit.consumer. A tenant that is not known yet counts: its events may come before its record. One
    that is gone is known as such for 60 days, longer than anything about it can be heard.
    """
    await conn.execute(_SHARE, ([str(tenant_id)],))
    return await (await conn.execute(_GOING, (tenant_id,))).fetchone() is None


async def take_no_more(conn: Connection, tenant_id: UUID) -> None:
    """Before an erasure: waits for what is under way for the tenant; what comes later waits for this one."""
    await conn.execute(_CLAIM, (str(tenant_id),))
