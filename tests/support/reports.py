"""What a service answers the operator about its tenants, read from its database by tests."""

from contracts.platform import TenantChanged, TenantStatusReported
from support.databases import ServiceDatabase
from support.events import until


def reports(database: ServiceDatabase) -> list[TenantStatusReported]:
    """The reports in the outbox, in order."""
    rows = database.rows(
        "SELECT payload FROM outbox WHERE topic = %s ORDER BY id", TenantStatusReported.TOPIC
    )
    return [TenantStatusReported.model_validate_json(row["payload"]) for row in rows]


def until_reported(database: ServiceDatabase, tenant: TenantChanged) -> TenantStatusReported:
    """Waits for the report about this generation of the tenant."""

    def found() -> TenantStatusReported | None:
        rows = database.rows("SELECT status FROM tenant_status WHERE tenant_id = %s", tenant.tenant_id)
        status = TenantStatusReported.model_validate(rows[0]["status"]) if rows else None
        return status if status and status.generation == tenant.generation else None

    return until(found, f"a report about {tenant.slug}")
