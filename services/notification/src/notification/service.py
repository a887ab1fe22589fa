"""What the business may see of its messages, and who changed what about them.

Called by the routes; opens the transactions.
"""

from typing import Any
from uuid import UUID

from contracts.booking import Channel
from notification import store
from notification.domain import Message, Status
from notification.rules import Rules
from servicekit import audit
from servicekit.audit import Entry
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.tenants import tenant_by_id


class NotificationService:
    """Reads messages and the audit trail; `rules` is the other part of the service layer."""

    def __init__(self, db: Database, rules: Rules) -> None:
        self._db = db
        self.rules = rules

    async def messages(
        self,
        tenant_id: UUID,
        *,
        status: Status | None,
        channel: Channel | None,
        appointment_id: UUID | None,
        after: UUID | None,
        limit: int,
    ) -> list[Message]:
        """The newest first. Raises NotFound for a business that is not served (any more)."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await store.messages(
                conn,
                tenant_id,
                status=status,
                channel=channel,
                appointment_id=appointment_id,
                after=after,
                limit=limit,
            )

    async def message(self, tenant_id: UUID, message_id: UUID) -> tuple[Message, str | None]:
        """A message, with its text where the mock provider has kept one. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            found = await store.message(conn, tenant_id, message_id)
        if found is None:
            raise NotFound("There is no such message.")
        return found

    async def entries(self, tenant_id: UUID, **asked: Any) -> list[Entry]:
        """The audit trail, as servicekit.audit.entries. Raises NotFound for a business not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await audit.entries(conn, tenant_id, **asked)
