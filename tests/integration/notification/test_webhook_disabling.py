"""An endpoint that is disabled, with little or much in its queue: it has failed then, and is marked batch by batch.

A real database and receiver, and the code that the process runs, under a clock that the tests set (hooks.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from integration.notification.hooks import Hooks, Made
from notification.webhooks import delivery
from notification.webhooks.claims import ClaimedDelivery
from notification.webhooks.delivery import OVERDUE
from notification.webhooks.domain import GIVE_UP_ENDPOINT, Delivery, DeliveryStatus, DisabledFor
from notification.webhooks.workers import WebhookSweep
from support.events import until

GONE_WITH_IT = (DeliveryStatus.FAILED, "EndpointDisabled")


async def under_way(hooks: Hooks, made: Made) -> ClaimedDelivery:
    """One delivery, claimed before the others are queued."""
    await hooks.tell(hooks.booked())
    (claimed,) = [item for item in await hooks.deliveries.claim(10) if item.endpoint_id == made.endpoint_id]
    return claimed


async def by_owner(hooks: Hooks, made: Made, _claimed: ClaimedDelivery) -> None:
    await switch(hooks, made, on=False)


async def by_410(hooks: Hooks, made: Made, claimed: ClaimedDelivery) -> None:
    hooks.receiver.answer(made.path, 410)
    await hooks.deliveries.deliver(claimed)


async def by_failing(hooks: Hooks, made: Made, claimed: ClaimedDelivery) -> None:
    hooks.receiver.answer(made.path, 500)
    hooks.rows(
        "UPDATE webhook_endpoint SET failing_since = %s WHERE endpoint_id = %s RETURNING 1",
        hooks.clock() - GIVE_UP_ENDPOINT,
        made.endpoint_id,
    )
    hooks.rows(
        "UPDATE webhook_delivery SET tries = 3 WHERE delivery_id = %s RETURNING 1", claimed.delivery_id
    )
    await hooks.deliveries.deliver(claimed)


async def switch(hooks: Hooks, made: Made, *, on: bool) -> None:
    await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, {"enabled": on})


async def shown(hooks: Hooks, made: Made, status: DeliveryStatus | None = None) -> dict[str, Delivery]:
    """The log as its owner reads it, by the event's id."""
    found = await hooks.service.deliveries(
        hooks.tenant.tenant_id, made.endpoint_id, status=status, event_type=None, after=None, limit=200
    )
    return {item.webhook_id: item for item, _attempts in found}


def stored(hooks: Hooks, status: str) -> int:
    """How many rows say so."""
    found = hooks.rows(
        "SELECT count(*) AS n FROM webhook_delivery WHERE tenant_id = %s AND status = %s",
        hooks.tenant.tenant_id,
        status,
    )
    count: int = found[0]["n"]
    return count


async def resend(hooks: Hooks, made: Made, item: Delivery) -> Delivery:
    queued, _attempts = await hooks.service.resend(hooks.tenant.tenant_id, made.endpoint_id, item.delivery_id)
    return queued


async def sent(hooks: Hooks, made: Made) -> set[str]:
    """What the receiver has been told once everything is sent that can be."""
    while await hooks.send():
        pass
    return {item.id for item in hooks.receiver.webhooks(made.path)}


@pytest.mark.parametrize("disabled", [by_owner, by_410, by_failing])
async def test_what_is_queued_has_failed_at_once_and_is_marked_batch_by_batch(
    hooks: Hooks, disabled: Callable[[Hooks, Made, ClaimedDelivery], Awaitable[None]]
) -> None:
    """Each batch by another process, as if the one before had been killed behind it."""
    made = await hooks.endpoint()
    claimed = await under_way(hooks, made)
    queued = {await hooks.tell(hooks.booked()) for _ in range(5)}
    hooks.clock.pass_by(timedelta(seconds=10))
    await disabled(hooks, made, claimed)
    requests = len(hooks.receiver.webhooks(made.path))
    assert stored(hooks, "queued") == 5
    at = (await hooks.read(made)).disabled_at
    hooks.clock.pass_by(timedelta(seconds=30))
    batches = []
    while True:
        log = await shown(hooks, made)
        assert {(item.status, item.reason) for key, item in log.items() if key in queued} == {GONE_WITH_IT}
        assert {item.settled_at for key, item in log.items() if key in queued} == {at}
        assert await shown(hooks, made, DeliveryStatus.QUEUED) == {}
        assert queued <= (await shown(hooks, made, DeliveryStatus.FAILED)).keys()
        one = log[min(queued)]
        alone, _ = await hooks.service.delivery(hooks.tenant.tenant_id, made.endpoint_id, one.delivery_id)
        assert alone == one
        await hooks.deliveries.measure()
        assert OVERDUE._value.get() == 0
        assert not await hooks.deliveries.claim(10)
        pause = await WebhookSweep(hooks.db, clock=hooks.clock, batch=2).turn()
        if pause is None:
            break
        batches.append(stored(hooks, "queued"))
    assert batches == [3, 1, 0]
    assert len(hooks.receiver.webhooks(made.path)) == requests


@pytest.mark.parametrize("disabled", [by_owner, by_410, by_failing])
async def test_no_delivery_is_waited_for(
    hooks: Hooks, disabled: Callable[[Hooks, Made, ClaimedDelivery], Awaitable[None]]
) -> None:
    """Nor any number of them gone through, which would take longer than a statement may."""
    made = await hooks.endpoint()
    claimed = await under_way(hooks, made)
    await hooks.tell(hooks.booked())
    with psycopg.connect(hooks._admin_url) as conn:
        locked = b"SELECT 1 FROM webhook_delivery WHERE tenant_id = %s AND status = 'queued' FOR UPDATE"
        assert conn.execute(locked, [hooks.tenant.tenant_id]).fetchall() == [(1,)]
        async with asyncio.timeout(8):
            await disabled(hooks, made, claimed)
    assert not (await hooks.read(made)).enabled


async def test_several_at_once_mark_each_delivery_once(hooks: Hooks) -> None:
    made = [await hooks.endpoint() for _ in range(3)]
    for _ in range(7):
        await hooks.tell(hooks.booked())
    for item in made:
        await switch(hooks, item, on=False)
    counted = delivery.DELIVERIES.labels("failed")._value
    before = counted.get()
    sweeps = [WebhookSweep(hooks.db, clock=hooks.clock, batch=2) for _ in range(3)]
    while any(await asyncio.gather(*(sweep.turn() for sweep in sweeps))):
        pass
    assert (stored(hooks, "queued"), stored(hooks, "failed")) == (0, 21)
    assert counted.get() - before == 21


async def test_little_that_had_failed_with_it_is_out_of_the_way_when_it_is_enabled(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    before = {await hooks.tell(hooks.booked()) for _ in range(3)}
    await switch(hooks, made, on=False)
    await hooks.tell(hooks.booked())
    await switch(hooks, made, on=True)
    after = await hooks.tell(hooks.booked())
    assert await sent(hooks, made) == {after}
    log = await shown(hooks, made)
    assert {(log[key].status, log[key].reason) for key in before} == {GONE_WITH_IT}
    assert log.keys() == before | {after}


async def test_enabled_in_the_middle_it_is_told_what_is_queued_from_then_on(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind what has failed; what of that is resent goes, too. The code before this may have queued some."""
    monkeypatch.setattr(delivery, "FAILED_AT_ONCE", 2)
    made, sweep = await hooks.endpoint(), WebhookSweep(hooks.db, clock=hooks.clock, batch=2)
    before = {await hooks.tell(hooks.booked()) for _ in range(8)}
    hooks.rows(
        "UPDATE webhook_delivery SET queue_number = NULL WHERE webhook_id = %s RETURNING 1", min(before)
    )
    await switch(hooks, made, on=False)
    disabled_at = (await hooks.read(made)).disabled_at
    hooks.clock.pass_by(timedelta(seconds=10))
    await switch(hooks, made, on=True)
    assert stored(hooks, "queued") == 6
    after = await hooks.tell(hooks.booked())
    hooks.clock.pass_by(timedelta(seconds=10))
    again = hooks.rows(
        "SELECT webhook_id FROM webhook_delivery WHERE tenant_id = %s AND status = 'queued' AND queue_number > 0"
        " ORDER BY queue_number LIMIT 1",
        hooks.tenant.tenant_id,
    )[0]["webhook_id"]
    assert (await shown(hooks, made))[again].status is DeliveryStatus.FAILED
    assert (await resend(hooks, made, (await shown(hooks, made))[again])).status is DeliveryStatus.QUEUED

    async def seen() -> None:
        log = await shown(hooks, made)
        assert {(log[key].status, log[key].reason) for key in before - {again}} == {GONE_WITH_IT}
        assert {log[key].settled_at for key in before - {again}} == {disabled_at}
        assert (await shown(hooks, made, DeliveryStatus.QUEUED)).keys() == {after, again}

    await seen()
    assert not await hooks.deliveries.claim(10)
    await hooks.deliveries.measure()
    assert OVERDUE._value.get() == 10
    while await sweep.turn() is not None:
        await seen()
    assert await sent(hooks, made) == {after, again}


async def test_disabled_and_enabled_over_and_over_it_is_told_what_came_last(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FAILED_AT_ONCE", 2)
    made, sweep = await hooks.endpoint(), WebhookSweep(hooks.db, clock=hooks.clock, batch=2)
    for _ in range(3):
        for _ in range(4):
            await hooks.tell(hooks.booked())
        await switch(hooks, made, on=False)
        await sweep.turn()
        await switch(hooks, made, on=True)
    last = await hooks.tell(hooks.booked())
    while await sweep.turn() is not None:
        pass
    assert await sent(hooks, made) == {last}
    assert (stored(hooks, "failed"), stored(hooks, "delivered")) == (12, 1)


async def test_enabled_while_the_last_of_it_is_locked_it_waits_for_that(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be marked yet must not pass for marked."""
    monkeypatch.setattr(delivery, "FAILED_AT_ONCE", 1)
    made, sweep = await hooks.endpoint(), WebhookSweep(hooks.db, clock=hooks.clock)
    for _ in range(3):
        await hooks.tell(hooks.booked())
    await switch(hooks, made, on=False)
    await switch(hooks, made, on=True)
    with psycopg.connect(hooks._admin_url) as conn:
        locked = (
            b"SELECT 1 FROM webhook_delivery WHERE tenant_id = %s AND status = 'queued' LIMIT 1 FOR UPDATE"
        )
        conn.execute(locked, [hooks.tenant.tenant_id])
        sweeping = asyncio.create_task(sweep.turn())
        await asyncio.to_thread(until, lambda: waits(hooks), "the sweep waits for the delivery")
        assert not await hooks.deliveries.claim(10)
        conn.rollback()
    assert await sweeping is not None
    assert await sent(hooks, made) == set()
    assert stored(hooks, "failed") == 3


def waits(hooks: Hooks) -> list[dict[str, Any]]:
    return hooks.rows(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


async def test_an_attempt_that_is_under_way_then_is_the_last(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500)
    claimed = await under_way(hooks, made)
    with hooks.receiver.held(made.path):
        sending = asyncio.create_task(hooks.deliveries.deliver(claimed))
        there = lambda: len(hooks.receiver.webhooks(made.path)) == 1  # noqa: E731
        await asyncio.to_thread(until, there, "the receiver has been asked")
        await switch(hooks, made, on=False)
    await sending
    item, (attempt,) = await hooks.only(made)
    assert (item.status, item.reason) == GONE_WITH_IT
    assert attempt.http_status == 500
    assert (await hooks.read(made)).disabled_reason is DisabledFor.OWNER


async def test_what_was_claimed_a_moment_before_is_not_sent_any_more(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    claimed = await under_way(hooks, made)
    await switch(hooks, made, on=False)
    await hooks.deliveries.deliver(claimed)
    item, attempts = await hooks.only(made)
    assert (item.status, item.reason) == GONE_WITH_IT
    assert not attempts
    assert not hooks.receiver.webhooks(made.path)


async def test_what_is_under_way_settles_by_itself_though_what_waits_behind_it_has_failed(
    hooks: Hooks,
) -> None:
    """Or the log would say of one that has arrived that it has not."""
    made = await hooks.endpoint()
    claimed = await under_way(hooks, made)
    with hooks.receiver.held(made.path):
        sending = asyncio.create_task(hooks.deliveries.deliver(claimed))
        there = lambda: len(hooks.receiver.webhooks(made.path)) == 1  # noqa: E731
        await asyncio.to_thread(until, there, "the receiver has been asked")
        queued = await hooks.tell(hooks.booked())
        await switch(hooks, made, on=False)
        await WebhookSweep(hooks.db, clock=hooks.clock).turn()
    await sending
    log = await shown(hooks, made)
    assert (log[queued].status, log[queued].reason) == GONE_WITH_IT
    assert [item.status for key, item in log.items() if key != queued] == [DeliveryStatus.DELIVERED]


async def test_one_whose_sender_died_has_failed_when_its_lease_ends(hooks: Hooks) -> None:
    made, sweep = await hooks.endpoint(), WebhookSweep(hooks.db, clock=hooks.clock)
    await under_way(hooks, made)
    await switch(hooks, made, on=False)
    assert await sweep.turn() is None
    hooks.clock.pass_by(timedelta(seconds=60))
    assert not await hooks.deliveries.claim(10)
    await sweep.turn()
    item, _attempts = await hooks.only(made)
    assert (item.status, item.reason) == GONE_WITH_IT
