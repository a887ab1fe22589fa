"""A relay's low watermark is below whatever may still come to be seen, and above what is done with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
import pytest

from servicekit.db import Connection, Database
from servicekit.low_watermark import LowWatermark
from support.databases import Databases, ServiceDatabase

_HELD = [0, 1]
_ELSEWHERE = 2
_WRITE = "INSERT INTO outbox (shard, topic, key, headers) VALUES (%s, 't', 'k', '{}') RETURNING id"


class Outbox:
    """One in a database of its own, and the connection that a relay would have."""

    def __init__(self, database: ServiceDatabase, conn: Connection) -> None:
        self.database = database
        self.conn = conn
        self.watermark = LowWatermark()

    async def advance(self, times: int = 2) -> int:
        """A first call notes what there is, the next one may find it done with."""
        for _ in range(times):
            await self.watermark.advance(self.conn, _HELD)
        return self.watermark.id

    async def gone(self) -> int:
        """An event is written, relayed and deleted; answers its id."""
        async with self.transaction() as other:
            row_id = await write(other)
            await other.execute("DELETE FROM outbox WHERE id = %s", (row_id,))
        return row_id

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Commits at the end."""
        async with await psycopg.AsyncConnection.connect(self.database.admin_url) as other:
            yield other

    async def execute(self, statement: str, *values: object) -> None:
        async with self.transaction() as other:
            await other.execute(statement, values)


class Interrupted:
    """A connection on which something else happens behind the first statement."""

    def __init__(self, conn: Connection, happens: Callable[[], Awaitable[object]]) -> None:
        self._conn = conn
        self._happens = happens
        self._statements = 0

    async def execute(self, *args: Any) -> Any:
        cursor = await self._conn.execute(*args)
        self._statements += 1
        if self._statements == 1:
            await self._happens()
        return cursor


async def write(conn: psycopg.AsyncConnection, shard: int = _HELD[0]) -> int:
    row = await (await conn.execute(_WRITE, (shard,))).fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def outbox_of(databases: Databases) -> AsyncIterator[Outbox]:
    database = databases.for_service("booking")
    async with await Database(database.settings, application="test").dedicated() as conn:
        yield Outbox(database, conn)


@pytest.fixture
async def box(databases: Databases) -> AsyncIterator[Outbox]:
    async with outbox_of(databases) as made:
        yield made


async def test_it_rises_to_the_last_id_drawn_when_nothing_is_left(box: Outbox) -> None:
    await box.gone()
    last = await box.gone()
    assert await box.advance() == last


async def test_it_stays_below_the_first_event_that_is_still_there(box: Outbox) -> None:
    """As one does that waits for Kafka."""
    await box.gone()
    async with box.transaction() as other:
        waiting = await write(other, _HELD[1])
    last = await box.gone()
    assert await box.advance(5) == waiting - 1
    await box.execute("DELETE FROM outbox")
    assert await box.advance() == last


async def test_another_relays_events_do_not_keep_it_down(box: Outbox) -> None:
    async with box.transaction() as other:
        theirs = await write(other, _ELSEWHERE)
    assert await box.advance() == theirs


@pytest.mark.parametrize("ended", ["commit", "rollback"])
async def test_it_waits_for_whoever_drew_an_id_before_the_others_committed(box: Outbox, ended: str) -> None:
    """Or the event would never be looked for: ids become visible in another order than they are drawn in."""
    async with box.transaction() as slow:
        early = await write(slow)
        late = await box.gone()
        assert await box.advance(5) < early
        await getattr(slow, ended)()
    assert await box.advance(5) == (early - 1 if ended == "commit" else late)


async def test_it_waits_for_whoever_drew_an_id_in_a_part_of_its_transaction_that_was_kept(
    box: Outbox,
) -> None:
    async with box.transaction() as slow:
        async with slow.transaction():
            early = await write(slow)
        await box.gone()
        assert await box.advance(5) < early
    assert await box.advance() == early - 1


async def test_those_who_come_later_do_not_keep_it_from_what_is_known_by_then(box: Outbox) -> None:
    """There may be some at each call."""
    first = await box.gone()
    async with box.transaction() as slow:
        await box.advance(1)
        await write(slow)
        second = await box.gone()
        assert first <= await box.advance(5) < second


async def test_those_who_come_while_it_waits_for_others_are_not_waited_for_as_well(box: Outbox) -> None:
    """Or it would stay where it is wherever somebody always writes."""
    async with box.transaction() as first, box.transaction() as second:
        known = await write(first)
        await box.advance(1)
        await write(second)
        await box.advance(1)
        await first.rollback()
        assert await box.advance(1) == known


async def test_it_passes_nobody_who_came_after_a_call_on_the_way_to_a_later_event(box: Outbox) -> None:
    known = await box.gone()
    await box.advance(1)
    async with box.transaction() as slow:
        await write(slow)
        async with box.transaction() as other:
            await write(other)
        assert await box.advance(5) == known


async def test_who_draws_an_id_while_it_advances_is_waited_for(box: Outbox) -> None:
    ids: list[int] = []
    async with box.transaction() as slow:

        async def happens() -> None:
            ids.append(await write(slow))
            await box.gone()

        await box.watermark.advance(cast("Connection", Interrupted(box.conn, happens)), _HELD)
        assert await box.advance(5) < ids[0]
    assert await box.advance(5) == ids[0] - 1


async def test_what_is_committed_while_it_advances_is_not_passed(box: Outbox) -> None:
    async with box.transaction() as slow:
        early = await write(slow)
        await box.advance(1)
        await box.watermark.advance(cast("Connection", Interrupted(box.conn, slow.commit)), _HELD)
    assert await box.advance(5) == early - 1


async def test_readers_and_other_databases_do_not_keep_it_down(box: Outbox, databases: Databases) -> None:
    """Their tables may have the same number, as here."""
    async with outbox_of(databases) as theirs, theirs.transaction() as writer, box.transaction() as dump:
        await write(writer)
        await dump.execute("SELECT FROM outbox FOR SHARE")
        last = await box.gone()
        assert await box.advance() == last


@pytest.mark.parametrize(
    "statement", ["TRUNCATE outbox RESTART IDENTITY", "SELECT setval('outbox_id_seq', 1)"]
)
async def test_it_begins_anew_where_ids_do(box: Outbox, statement: str) -> None:
    """Or new events would lie below it."""
    for _ in range(5):
        await box.gone()
    before = await box.advance()
    await box.execute(statement)
    async with box.transaction() as other:
        new = await write(other)
    assert new < before
    assert await box.advance(1) < new
    assert await box.advance(5) == new - 1


async def test_it_stays_at_the_beginning_for_a_role_that_may_not_ask_for_the_last_id(box: Outbox) -> None:
    await box.execute("REVOKE ALL ON SEQUENCE outbox_id_seq FROM booking_app")
    await box.gone()
    assert await box.advance(5) == 0


async def test_what_lies_below_it_in_further_shards_is_found(box: Outbox) -> None:
    async with box.transaction() as other:
        theirs = await write(other, _ELSEWHERE)
    await box.gone()
    assert await box.advance() > theirs
    box.watermark.reset()
    assert box.watermark.id == 0
    await box.watermark.advance(box.conn, [*_HELD, _ELSEWHERE])
    assert box.watermark.id == theirs - 1
