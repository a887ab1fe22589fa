"""Who changed what at the business's profile, staff, services and settings."""

from business.routes.deps import Business
from servicekit.http.audit import Audit, EntryAnswer
from servicekit.http.pages import Page
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["audit trail"])


@router.get("/v1/business/audit", summary="List the audit trail of the business, its staff and services")
async def list_entries(who: Owner, audit: Audit, business: Business) -> Page[EntryAnswer]:
    """The newest entries first. Changes to appointments and customers are under /v1/audit."""
    return audit.page(await business.entries(who.tenant_id, **audit.arguments()))
