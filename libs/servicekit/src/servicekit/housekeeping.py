"""Removes what has served its time: inbox rows past the topics' retention, idempotency answers past a day."""

import structlog

from servicekit.db import Database
from servicekit.periodic import Periodic

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 600.0
_INBOX = b"""
DELETE FROM inbox WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE received_at < now() - interval '14 days' LIMIT 5000)
"""
_IDEMPOTENCY = b"DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'"


class Housekeeping(Periodic):
    """One loop a service."""

    def __init__(self, service: str, db: Database) -> None:
        super().__init__(f"{service}.housekeeping", every=_EVERY_SECONDS)
        self._db = db

    async def turn(self) -> None:
        async with self._db.worker() as conn:
            inbox = (await conn.execute(_INBOX)).rowcount
            answers = (await conn.execute(_IDEMPOTENCY)).rowcount
        if inbox or answers:
            log.info("housekeeping", inbox=inbox, idempotency=answers)
