"""What a poll for due messages and webhooks finds, what it passes, and what a full scan finds (docs/adr/0025).

On a real database, under a clock that the tests set (hooks.py). What is due is claimed here and not sent. That a
process scans in full is tested beside what it sends (test_messages.py, test_webhooks.py).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import psycopg
import pytest

from integration.notification.hooks import Hooks, Made, sender
from notification.delivery import MessageDeliveries
from notification.poll_cursor import MARGIN
from notification.store import queue_for_owner
from notification.webhooks.delivery import WebhookDeliveries
from servicekit.db import Connection
from servicekit.errors import Unavailable
from servicekit.ids import new_id
from support.impatience import impatient, outlasts

LEASE = timedelta(seconds=60)
MANY = 1000
FEW = 50
"""Entries of indexes that a poll may read that has little to find."""
_INDEXES = ["message_due", "webhook_delivery_queued", "webhook_delivery_due", "webhook_delivery_leased"]
_ENTRIES = b"SELECT sum(pg_stat_get_xact_tuples_returned(oid)) AS n FROM pg_class WHERE relname = ANY(%s)"


class Queue(Protocol):
    """Messages or webhooks; `another` polls as another process does, from the beginning at first."""

    table: str

    async def put(self, *times: datetime) -> None:
        """Queues one for each of these times."""

    async def claim(self, limit: int = 100) -> int:
        """Polls, and answers how many it has claimed."""

    async def full_scan(self) -> None: ...

    def another(self) -> "Queue": ...


class Messages:
    table = "message"

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self.deliveries: MessageDeliveries = sender(hooks, 25)

    async def put(self, *times: datetime) -> None:
        tenant_id = self.hooks.tenant.tenant_id
        async with self.hooks.db.tenant(tenant_id) as conn:
            for due_at in times:
                await queue_for_owner(conn, tenant_id, new_id(), due_at, due_at + timedelta(days=7))

    async def claim(self, limit: int = 100) -> int:
        return len(await self.deliveries.claim(limit))

    async def full_scan(self) -> None:
        await self.deliveries.full_scan()

    def another(self) -> "Messages":
        return Messages(self.hooks)


class Webhooks:
    """To one endpoint, which takes three at a time: those that were claimed have arrived before the next poll."""

    table = "webhook_delivery"

    def __init__(self, hooks: Hooks, made: Made) -> None:
        self.hooks = hooks
        self.made = made
        self.deliveries: WebhookDeliveries = hooks.another_sender()

    async def put(self, *times: datetime) -> None:
        tenant_id = self.hooks.tenant.tenant_id
        statement = (
            b"INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, webhook_id, type, body, queued_at,"
            b" next_attempt_at) VALUES (%s, %s, %s, %s, 'webhook.test', '{}', %s, %s)"
        )
        async with self.hooks.db.tenant(tenant_id) as conn:
            for due_at in times:
                ids = (tenant_id, new_id(), self.made.endpoint_id, str(new_id()))
                await conn.execute(statement, (*ids, due_at, due_at))

    async def claim(self, limit: int = 100) -> int:
        return len(await self.deliveries.claim(limit))

    async def full_scan(self) -> None:
        await self.deliveries.full_scan()

    def another(self) -> "Webhooks":
        return Webhooks(self.hooks, self.made)


@pytest.fixture(params=["messages", "webhooks"])
async def queue(request: pytest.FixtureRequest, hooks: Hooks) -> Queue:
    """One whose first poll is made: there was nothing."""
    made: Queue = Messages(hooks) if request.param == "messages" else Webhooks(hooks, await hooks.endpoint())
    assert await made.claim() == 0
    return made


def settle(hooks: Hooks, queue: Queue) -> int:
    """Whatever is claimed has arrived; answers how many that were."""
    status = "sent" if queue.table == "message" else "delivered"
    return len(
        hooks.rows(
            f"UPDATE {queue.table} SET status = %s WHERE next_attempt_at > %s AND status IN ('queued', 'sending')"
            " RETURNING 1",
            status,
            hooks.clock(),
        )
    )


async def all_of(hooks: Hooks, queue: Queue, limit: int) -> int:
    """Polls and has what was claimed arrive, until a poll finds nothing."""
    found = 0
    while claimed := await queue.claim(limit):
        assert settle(hooks, queue) == claimed
        found += claimed
    return found


async def test_what_becomes_visible_late_is_found_by_the_next_poll(hooks: Hooks, queue: Queue) -> None:
    """Its writer read the clock, and committed behind the poll; or its clock is slow."""
    await queue.put(hooks.clock() - MARGIN)
    assert await queue.claim() == 1


async def test_what_becomes_visible_very_late_is_found_by_the_next_full_scan(
    hooks: Hooks, queue: Queue
) -> None:
    await queue.put(hooks.clock() - MARGIN - timedelta(seconds=1))
    assert await queue.claim() == 0
    await queue.full_scan()
    assert await queue.claim() == 1


async def test_what_is_due_later_is_found_when_its_time_comes(hooks: Hooks, queue: Queue) -> None:
    """As a retry, or the end of quiet hours."""
    await queue.put(hooks.clock() + timedelta(hours=1))
    assert await queue.claim() == 0
    hooks.clock.pass_by(timedelta(hours=1))
    assert await queue.claim() == 1


async def test_what_came_due_while_nobody_polled_is_found_by_the_next_poll(
    hooks: Hooks, queue: Queue
) -> None:
    await queue.put(hooks.clock())
    hooks.clock.pass_by(timedelta(hours=1))
    await queue.put(hooks.clock())
    assert await all_of(hooks, queue, 100) == 2


async def test_a_process_that_starts_finds_what_is_long_overdue(hooks: Hooks, queue: Queue) -> None:
    await queue.put(hooks.clock() - timedelta(hours=1))
    assert await queue.another().claim() == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 13])
async def test_a_flood_is_claimed_batch_by_batch_each_once(hooks: Hooks, queue: Queue, number: int) -> None:
    """Numbers that end with a full batch among them; all older than the margin, as after an outage."""
    await queue.put(*(hooks.clock() - timedelta(minutes=minute) for minute in range(1, number + 1)))
    other = queue.another()
    assert await all_of(hooks, other, 2) == number
    await queue.full_scan()
    assert await queue.claim() == 0


async def test_a_flood_that_the_polls_have_passed_is_claimed_behind_one_full_scan(
    hooks: Hooks, queue: Queue
) -> None:
    await queue.put(*(hooks.clock() - timedelta(minutes=minute) for minute in range(1, 8)))
    await queue.full_scan()
    assert await all_of(hooks, queue, 2) == 7


async def test_the_lease_of_a_process_that_died_is_found_when_it_has_ended(
    hooks: Hooks, queue: Queue
) -> None:
    """Of a message by the next poll, of a webhook by the next full scan."""
    await queue.put(hooks.clock())
    assert await queue.another().claim() == 1
    hooks.clock.pass_by(LEASE - timedelta(seconds=1))
    await queue.full_scan()
    assert await queue.claim() == 0
    hooks.clock.pass_by(timedelta(seconds=1))
    if queue.table == "webhook_delivery":
        await queue.full_scan()
    assert await queue.claim() == 1


async def test_what_was_locked_when_its_time_passed_is_found_by_the_next_full_scan(
    hooks: Hooks, queue: Queue
) -> None:
    await queue.put(hooks.clock())
    with psycopg.connect(hooks._admin_url) as other:
        other.execute(f"SELECT 1 FROM {queue.table} FOR UPDATE".encode())
        assert await queue.claim() == 0
        hooks.clock.pass_by(MARGIN + timedelta(seconds=1))
        assert await queue.claim() == 0
    assert await queue.claim() == 0
    await queue.full_scan()
    assert await queue.claim() == 1


async def test_a_first_poll_that_takes_too_long_is_left_to_the_full_scan_which_may_take_long(
    hooks: Hooks, queue: Queue
) -> None:
    """With very much settled beside an old snapshot. No poll after it would come through either, and nothing new be
    sent for as long. What takes long here is a lock."""
    await queue.put(hooks.clock() - timedelta(hours=1))
    async with impatient(hooks.database.settings) as hooks.db:
        started = queue.another()
        with psycopg.connect(hooks.database.admin_url) as other:
            other.execute(f"LOCK TABLE {queue.table}".encode())
            with pytest.raises(Unavailable, match="too much to do"):
                await started.claim()
        assert await started.claim() == 0
        await queue.put(hooks.clock())
        assert await started.claim() == 1
        await outlasts(started.full_scan(), hooks.database.admin_url, queue.table)
        assert await started.claim() == 1


@pytest.fixture
def read(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries of the indexes of what is due each transaction of a worker has read."""
    worker, made = hooks.db.worker, list[int]()

    @asynccontextmanager
    async def counted(*, untimed: bool = False) -> AsyncIterator[Connection]:
        async with worker(untimed=untimed) as conn:
            before = await entries(conn)
            yield conn
            made.append(await entries(conn) - before)

    monkeypatch.setattr(hooks.db, "worker", counted)
    return made


async def entries(conn: Connection) -> int:
    row = await (await conn.execute(_ENTRIES, [_INDEXES])).fetchone()
    assert row is not None
    return int(row["n"])


async def test_what_was_settled_beside_an_old_snapshot_is_not_passed_at_every_poll(
    hooks: Hooks, queue: Queue, read: list[int]
) -> None:
    """A dump of an hour would slow down every message, and more and more so."""
    with psycopg.connect(hooks._admin_url) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT 1 FROM message")
        await queue.put(*(hooks.clock() for _ in range(MANY)))
        lease_ends = hooks.clock() + LEASE
        hooks.rows(
            f"UPDATE {queue.table} SET status = 'sending', next_attempt_at = %s RETURNING 1", lease_ends
        )
        assert settle(hooks, queue) == MANY
        analyze(hooks, queue)
        hooks.clock.pass_by(LEASE + 2 * MARGIN)
        assert await queue.claim() == 0
        await queue.put(hooks.clock())
        assert await queue.claim() == 1
        await queue.full_scan()
    assert read[1] < FEW
    assert read[2] >= MANY


async def test_a_long_queue_is_read_a_few_at_a_time(hooks: Hooks, queue: Queue, read: list[int]) -> None:
    await queue.put(*(hooks.clock() - timedelta(seconds=second) for second in range(MANY)))
    analyze(hooks, queue)
    await queue.full_scan()
    for _ in range(3):
        assert await queue.claim(3) == 3
        settle(hooks, queue)
        hooks.clock.pass_by(MARGIN)
    assert max(read) < FEW


def analyze(hooks: Hooks, queue: Queue) -> None:
    """Or the planner would take the table for a small one, and read all of it."""
    with psycopg.connect(hooks._admin_url) as admin:
        admin.execute(f"ANALYZE {queue.table}".encode())


async def test_a_business_has_its_share_though_what_is_under_way_has_nothing_behind_it(hooks: Hooks) -> None:
    """Four endpoints with three requests each, and nothing waits for them: only four of the others may go."""
    tenant_id: UUID = hooks.tenant.tenant_id
    for endpoints, taken in ((4, 12), (2, 4)):
        for _ in range(endpoints):
            made = await hooks.endpoint("message.failed")
            for _ in range(3):
                await hooks.test(made)
        assert len(await hooks.deliveries.claim(100)) == taken
        assert await hooks.deliveries.claim(100) == []
        hooks.clock.pass_by(timedelta(seconds=1))
    (row,) = hooks.rows(
        "SELECT count(*) AS n FROM webhook_delivery WHERE tenant_id = %s AND status = 'sending'", tenant_id
    )
    assert row["n"] == 16
