"""Who changed what at the business's appointments, customers and calendars."""

from booking.routes.deps import Records
from servicekit.http.audit import Audit, EntryAnswer
from servicekit.http.pages import Page
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["audit trail"])


@router.get("/v1/audit", summary="List the audit trail of appointments and customers")
async def list_entries(who: Owner, audit: Audit, records: Records) -> Page[EntryAnswer]:
    """The newest entries first. Changes to staff, services and settings are under /v1/business/audit."""
    return audit.page(await records.entries(who.tenant_id, **audit.arguments()))
