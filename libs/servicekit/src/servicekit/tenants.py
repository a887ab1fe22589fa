"""Tenants as a service knows them: the read model of platform.tenants.v1.

Service layers ask here, in their own transaction, who a tenant is and what it may do; servicekit.tenancy fills it.
"""

from uuid import UUID

from contracts.platform import TenantChanged, TenantState
from servicekit.db import Connection
from servicekit.errors import NotFound, TenantSuspended

_BY_ID = b"SELECT record FROM tenants WHERE tenant_id = %s AND state IN ('active', 'suspended')"
_BY_SLUG = b"""
SELECT record FROM tenants WHERE slug = %s AND state IN ('active', 'suspended')
ORDER BY updated_at DESC LIMIT 1
"""


async def tenant_by_id(conn: Connection, tenant_id: UUID) -> TenantChanged:
    """Raises NotFound when the tenant is unknown here or being deleted."""
    cursor = await conn.execute(_BY_ID, (tenant_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("This business does not exist, or is not ready yet.")
    return TenantChanged.model_validate(row["record"])


async def tenant_by_slug(conn: Connection, slug: str) -> TenantChanged:
    """For public routes, which name the business by its slug. Raises NotFound."""
    cursor = await conn.execute(_BY_SLUG, (slug,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no business named {slug!r}.")
    return TenantChanged.model_validate(row["record"])


def require_active(tenant: TenantChanged) -> None:
    """Raises TenantSuspended: a suspended business can be read, but takes nothing new."""
    if tenant.state is not TenantState.ACTIVE:
        raise TenantSuspended(f"{tenant.display_name} is suspended and takes no changes at the moment.")
