"""Public holds: how many one client may have at a time, and their early end; inside the caller's transaction.

Called by the service layer. An offer to the waitlist is a hold as well (docs/adr/0017), but none of these: its
entry is counted instead (booking.waitlist.line), and it ends as offers do.
"""

from datetime import datetime
from uuid import UUID

from booking import allocations
from booking.clients import ClientCap
from booking.errors import TooManyHolds
from booking.waitlist import store as waitlist_store
from servicekit.db import Connection


class HoldCap(ClientCap):
    """One client's address holds at most `most` slots of one business at a time, so that nobody blocks its day."""

    purpose = b"hold-client:"
    refusal = TooManyHolds
    refused = "From one address {most} times can be held at once. Book or give back one of them first."

    async def _count(
        self, conn: Connection, tenant_id: UUID, client: bytes, now: datetime
    ) -> tuple[int, datetime | None]:
        return await allocations.held_by(conn, tenant_id, client, now)


async def give_back(conn: Connection, tenant_id: UUID, hold_id: UUID) -> bool:
    """Ends a hold before its time; False when there is none, or none to be given back.

    A hold that has become an appointment is none any more. One that the waitlist has offered stays: its id is told
    to nobody, and somebody was promised the time.
    """
    held = await allocations.hold(conn, tenant_id, hold_id)
    if held is None or await waitlist_store.is_offered(conn, tenant_id, hold_id):
        return False
    # As who books by it does: one of the two finds nothing left.
    await allocations.lock(conn, tenant_id, held.resource_ids)
    await allocations.release_hold(conn, tenant_id, hold_id)
    return True
