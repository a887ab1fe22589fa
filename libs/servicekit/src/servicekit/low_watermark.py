"""The low watermark of an outbox: the id up to which a relay has no rows any more; its polls begin above.

Used by servicekit.relay.

What is deleted while an old snapshot is open (a dump, a report, a forgotten session) cannot be cleaned, and a poll
from the beginning would walk all of it each time. But ids are committed in another order than they are drawn in, so
the watermark must not pass one whose transaction may still commit. An INSERT locks the table (RowExclusiveLock)
before it draws its id, and has the lock until what it wrote can be seen. So those who have drawn an id by now and
have not ended have that lock now; once none of them has it any more, all that they wrote is there, or never will
be. A transaction that writes events and stays open keeps the watermark where it is, as does an event that waits for
Kafka.
"""

from servicekit.db import Connection

# None, and the watermark stays at 0, where the role may not ask. Identity columns' sequences cache nothing.
_DRAWN = b"""
SELECT CASE WHEN has_sequence_privilege(ids, 'USAGE, SELECT') THEN pg_sequence_last_value(ids) END AS id
FROM CAST(pg_get_serial_sequence('outbox', 'id') AS regclass) AS ids
"""
_WRITERS = b"""
SELECT virtualtransaction AS writer FROM pg_locks
WHERE locktype = 'relation' AND relation = 'outbox'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LEAST = b"SELECT id FROM outbox WHERE shard = ANY(%s) AND id > %s ORDER BY id LIMIT 1"


class LowWatermark:
    """One relay's, for one connection: behind a new one there may be another server, with other ids."""

    def __init__(self) -> None:
        self.id = 0
        """No event of the relay's shards has this id or a lower one, now or later."""
        self._drawn = 0
        """The last id drawn at an earlier `advance`; `_writers` are the transactions that were open then."""
        self._writers: set[str] = set()

    def reset(self) -> None:
        """Starts again at 0, for further shards: the relay that had them may have left rows of lower ids."""
        self.id = 0

    async def advance(self, conn: Connection, held: list[int]) -> None:
        """Raises it as far as is safe; `conn` is in autocommit: a statement sees all commits before it."""
        # In this order: whoever draws an id in between draws a higher one.
        drawn = await _one(conn, _DRAWN) or 0
        writers = {row["writer"] for row in await (await conn.execute(_WRITERS)).fetchall()}
        if drawn < self._drawn:  # somebody has set the sequence back
            self.id, self._drawn, self._writers = 0, 0, set()
        if not self._writers.isdisjoint(writers):
            return
        if self._drawn > self.id:
            least = await _one(conn, _LEAST, held, self.id)
            self.id = self._drawn if least is None else min(self._drawn, least - 1)
        self._drawn, self._writers = drawn, writers


async def _one(conn: Connection, statement: bytes, *values: object) -> int | None:
    row = await (await conn.execute(statement, values)).fetchone()
    return None if row is None else row["id"]
