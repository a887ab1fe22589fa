"""Which attempt a tenant's creating calls at Stripe are: a part of their idempotency keys.

Stripe keeps a failure that it has answered, a 500 too, under the call's key for a day
(docs.stripe.com/api/idempotent_requests): the same key would be answered the same until then. So some time after
such a failure the attempt rises, and with it all keys. Not at once: a 5xx leaves open whether something was made,
and the search for a customer sees it a minute later. A lost connection leaves the key as it is, as the call may
have come through. Called by the reconciler and the service layer around each creating call.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from billing import store
from billing.errors import StripeError
from servicekit.db import Connection, Database

Guard = Callable[[Connection, UUID], Awaitable[object]]


@asynccontextmanager
async def attempt_of(db: Database, tenant_id: UUID, *, guard: Guard | None = None) -> AsyncIterator[int]:
    """Gives the attempt's number and notes when it fails. `guard` is asked before something is written."""
    async with db.tenant(tenant_id) as conn:
        attempt = await store.attempt(conn, tenant_id)
    try:
        yield attempt
    except StripeError as error:
        if error.kept:
            async with db.tenant(tenant_id) as conn:
                if guard is not None:
                    await guard(conn, tenant_id)
                await store.attempt_failed(conn, tenant_id, attempt, replayed=error.replayed)
        raise
