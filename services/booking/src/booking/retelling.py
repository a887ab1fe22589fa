"""Tells a business's customers anew, under higher versions; see servicekit.retelling.

Not its appointments: no event says how one is without saying that something has happened to it, and under a version
that readers have not heard of nobody would be reminded. docs/backup.md gives them the versions that were told.
"""

from uuid import UUID

from booking import events
from booking.records import store
from servicekit import outbox
from servicekit.db import Database
from servicekit.retelling import STEP
from servicekit.tenants import TO_CHANGE, tenant_by_id

_MOST = 500
"""Rows of one transaction, whose locks whoever books waits for."""


async def retell(db: Database, tenant_id: UUID) -> int:
    """Answers how many events it has written. Raises NotFound for a business that is being deleted."""
    told = 0
    after: UUID | None = None
    while True:
        async with db.tenant(tenant_id, sharing=(TO_CHANGE,)) as conn:
            await tenant_by_id(conn, tenant_id)
            customers = await store.raise_customers(conn, tenant_id, STEP, after, _MOST)
            changed = [events.customer_changed(tenant_id, customer) for customer in customers]
            await outbox.publish(conn, "booking", *changed)
        if not customers:
            return told
        told += len(customers)
        after = customers[-1].customer_id
