"""Who changed what at the business's wording, quiet hours, suppression list and webhook endpoints."""

from notification.routes.deps import Notification
from servicekit.http.audit import Audit, EntryAnswer
from servicekit.http.pages import Page
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["audit trail"])


@router.get("/v1/messages/audit", summary="List the audit trail of messages and webhooks")
async def list_entries(who: Owner, audit: Audit, notification: Notification) -> Page[EntryAnswer]:
    """The newest entries first. Changes to appointments and customers are under /v1/audit."""
    return audit.page(await notification.entries(who.tenant_id, **audit.arguments()))
