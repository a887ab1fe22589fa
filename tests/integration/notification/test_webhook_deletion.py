"""An endpoint that is deleted, or goes with its business: it is gone at once, however much hangs on it.

A real database and receiver, and the code that the process runs, under a clock that the tests set (hooks.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest

from contracts.platform import Component
from integration.notification.hooks import Hooks, Made
from notification.consumers import NotificationHooks
from notification.webhooks.delivery import OVERDUE
from notification.webhooks.domain import MAX_ENDPOINTS
from notification.webhooks.workers import WebhookSweep
from servicekit.errors import NotFound
from support.events import until
from support.tenants import remove

TABLES = ("webhook_endpoint", "webhook_secret", "webhook_delivery", "webhook_attempt")


async def deleted(hooks: Hooks, made: Made) -> None:
    await hooks.service.delete(hooks.tenant.tenant_id, made.endpoint_id)


async def left(hooks: Hooks, _made: Made) -> None:
    """Its business leaves, and its rows are kept."""
    status = await remove(hooks.db, Component.NOTIFICATION, NotificationHooks(hooks.clock), hooks.tenant)
    assert status.details.archived is not None
    assert not [table for table in status.details.archived if table in TABLES]


def rows(hooks: Hooks) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        found = hooks.rows(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = %s", hooks.tenant.tenant_id)
        counts[table] = found[0]["n"]
    return counts


@pytest.mark.parametrize("delete", [deleted, left])
async def test_what_hangs_on_it_goes_batch_by_batch(
    hooks: Hooks, delete: Callable[[Hooks, Made], Awaitable[None]]
) -> None:
    made, sweep = await hooks.endpoint(), WebhookSweep(hooks.db, clock=hooks.clock, batch=2)
    for _ in range(5):
        await hooks.tell(hooks.booked())
    await hooks.send()
    assert rows(hooks)["webhook_attempt"] == 3
    await delete(hooks, made)
    with pytest.raises(NotFound):
        await hooks.log(made)
    assert not await hooks.deliveries.claim(10)
    hooks.clock.pass_by(timedelta(minutes=1))
    await hooks.deliveries.measure()
    assert OVERDUE._value.get() == 0
    assert rows(hooks) == dict(zip(TABLES, (1, 0, 5, 3), strict=True))
    assert [await sweep.turn() for _ in range(3)] == [1.0, 1.0, None]
    assert rows(hooks) == dict.fromkeys(TABLES, 0)


async def test_no_delivery_is_waited_for(hooks: Hooks) -> None:
    """Nor any number of them gone through, which would take longer than a statement may."""
    made = await hooks.endpoint()
    await hooks.tell(hooks.booked())
    with psycopg.connect(hooks._admin_url) as conn:
        conn.execute(
            b"SELECT 1 FROM webhook_delivery WHERE tenant_id = %s FOR UPDATE", [hooks.tenant.tenant_id]
        )
        async with asyncio.timeout(8):
            await deleted(hooks, made)
    with pytest.raises(NotFound):
        await hooks.read(made)


async def test_one_that_is_under_way_then_is_not_heard_of_again(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500)
    await hooks.tell(hooks.booked())
    (claimed,) = await hooks.deliveries.claim(10)
    with hooks.receiver.held(made.path):
        sending = asyncio.create_task(hooks.deliveries.deliver(claimed))
        there = lambda: len(hooks.receiver.webhooks(made.path)) == 1  # noqa: E731
        await asyncio.to_thread(until, there, "the receiver has been asked")
        await deleted(hooks, made)
    await sending
    hooks.clock.pass_by(timedelta(hours=1))
    assert await hooks.send() == 0
    await WebhookSweep(hooks.db, clock=hooks.clock).turn()
    assert rows(hooks) == dict.fromkeys(TABLES, 0)


async def test_it_is_told_nothing_more_and_its_place_is_free(hooks: Hooks) -> None:
    made = [await hooks.endpoint() for _ in range(MAX_ENDPOINTS)]
    await deleted(hooks, made[0])
    with pytest.raises(NotFound):
        await deleted(hooks, made[0])
    await hooks.endpoint()
    await hooks.tell(hooks.booked())
    await hooks.send()
    assert hooks.receiver.webhooks(made[0].path) == []
    listed = await hooks.service.endpoints(hooks.tenant.tenant_id, None, 100)
    assert len(listed) == MAX_ENDPOINTS
    assert made[0].endpoint_id not in {endpoint.endpoint_id for endpoint, _ in listed}
