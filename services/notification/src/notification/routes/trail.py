"""Who changed what at the business's wording, quiet hours, suppression list and webhook endpoints."""

from fastapi import APIRouter

from notification.routes.deps import Notification
from servicekit.http.audit import Audit, EntryAnswer
from servicekit.http.pages import Page
from servicekit.http.tokens import Owner

router = APIRouter(tags=["audit trail"])


@router.get("/v1/messages/audit")
async def list_entries(who: Owner, audit: Audit, notification: Notification) -> Page[EntryAnswer]:
    """The newest first. What happened to appointments and customers is under /v1/audit."""
    return audit.page(await notification.entries(who.tenant_id, **audit.arguments()))
