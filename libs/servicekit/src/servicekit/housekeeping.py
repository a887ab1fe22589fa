"""Removes expired rows: inbox rows past the topics' retention, idempotent answers past a day, erased tenants' ids.

A loop of each service with a database, wired in its `app`. Each transaction deletes some rows of one table, and as
long as there are more the next turn begins at once: no delete holds locks for long, and none is outrun by new rows.
"""

import structlog

from servicekit.db import Database
from servicekit.periodic import Periodic

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 600.0
_MOST = 5000
_INBOX = b"""
DELETE FROM inbox WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE received_at < now() - interval '14 days'
    ORDER BY received_at LIMIT %s)
"""
_IDEMPOTENCY = b"""
DELETE FROM idempotency WHERE (tenant_id, route, key) IN (
    SELECT tenant_id, route, key FROM idempotency WHERE created_at < now() - interval '24 hours'
    ORDER BY created_at LIMIT %s)
"""
# What servicekit.tenancy leaves of erased tenants. A dead letter is kept for four weeks, and for one more on the
# topic that it is put back to.
_ERASED = b"""
DELETE FROM tenants WHERE tenant_id IN (
    SELECT tenant_id FROM tenants WHERE state = 'deleted' AND record = '{}'
        AND updated_at < now() - interval '60 days' LIMIT %s)
"""


class Housekeeping(Periodic):
    """One loop a service."""

    def __init__(self, service: str, db: Database) -> None:
        super().__init__(f"{service}.housekeeping", every=_EVERY_SECONDS)
        self._db = db

    async def turn(self) -> float | None:
        removed: dict[str, int] = {}
        for table, statement in (("inbox", _INBOX), ("idempotency", _IDEMPOTENCY), ("tenants", _ERASED)):
            async with self._db.worker() as conn:
                removed[table] = (await conn.execute(statement, (_MOST,))).rowcount
        if any(removed.values()):
            log.info("housekeeping", **removed)
        return 0 if max(removed.values()) == _MOST else None
