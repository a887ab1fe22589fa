"""A scheduler that is behind, or was away, fires nothing that is withdrawn in what it has yet to read."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from contracts.booking import ReminderRequested
from integration.scheduler.test_timer_loop import fired, set_timers
from integration.scheduler.world import World, requested, withdrawn
from scheduler import store
from scheduler.workers import TimerLoop
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.kafka import Place
from support.events import until

_MUCH = 300
"""Events between a request and its withdrawal: about a second of reading."""


def publish_much(world: World, request: ReminderRequested) -> None:
    """So many other requests of its appointment, which come in order with it."""
    for _ in range(_MUCH):
        later = requested(
            request.tenant_id, utc_now() + timedelta(days=9), appointment_id=request.appointment_id
        )
        world.publish(later)


def due_ids(world: World, tenant_id: UUID) -> set[UUID]:
    return {event.reminder_id for event in world.due(tenant_id)}


def test_what_was_asked_for_and_withdrawn_meanwhile_does_not_come_due(world: World) -> None:
    tenant = world.tenant()
    gone, kept = (requested(tenant.tenant_id, utc_now() - timedelta(minutes=1)) for _ in range(2))
    world.publish(kept)
    world.publish(gone)
    publish_much(world, gone)
    world.publish(withdrawn(gone))
    with world.run():
        world.settle(tenant.tenant_id)
    ids = due_ids(world, tenant.tenant_id)
    assert ids & {gone.reminder_id, kept.reminder_id} == {kept.reminder_id}


def test_what_was_set_before_and_withdrawn_while_nothing_ran_does_not_come_due(world: World) -> None:
    tenant = world.tenant()
    gone, kept = (requested(tenant.tenant_id, utc_now() + timedelta(hours=1)) for _ in range(2))
    with world.run():
        for request in (gone, kept):
            world.publish(request)
        world.await_timers(tenant.tenant_id, 2)
        until(lambda: world.rows("SELECT FROM read_until HAVING min(at) > to_timestamp(0)"), "all was read")
    publish_much(world, gone)
    world.publish(withdrawn(gone))
    world.change("UPDATE read_until SET at = at - interval '10 min'")
    world.change("UPDATE timer SET due_at = now() - interval '5 min' WHERE tenant_id = %s", tenant.tenant_id)
    with world.run():
        world.settle(tenant.tenant_id)
    ids = due_ids(world, tenant.tenant_id)
    assert ids & {gone.reminder_id, kept.reminder_id} == {kept.reminder_id}


async def read(db: Database, *times: datetime | None) -> None:
    """Notes how far the first partitions have been read."""
    places: dict[Place, datetime | None] = {
        (ReminderRequested.TOPIC, number): time for number, time in enumerate(times)
    }
    async with db.worker() as conn:
        await store.set_read_until(conn, places)


async def test_what_is_due_behind_what_has_been_read_waits_for_every_partition(
    world: World, db: Database
) -> None:
    now = utc_now()
    times = [now - timedelta(seconds=second) for second in (90, 60, 30, 1)]
    tenant_id = await set_timers(db, times)
    loop = TimerLoop(db, clock=lambda: now)
    await read(db, now, None)
    assert await loop.turn() == 1
    assert fired(world, tenant_id) == []
    for second, number in ((75, 1), (45, 2), (5, 4)):
        await read(db, now - timedelta(seconds=second), now)
        await loop.turn()
        assert fired(world, tenant_id) == times[:number]


async def test_the_full_scan_holds_the_same_back(world: World, db: Database) -> None:
    now = utc_now()
    held = [now - timedelta(seconds=30)]
    tenant_id = await set_timers(db, held)
    loop = TimerLoop(db, clock=lambda: now)
    await read(db, now - timedelta(minutes=1))
    await loop.full_scan()
    assert fired(world, tenant_id) == []
    await read(db, now)
    await loop.full_scan()
    assert fired(world, tenant_id) == held


async def test_a_partition_of_which_nothing_new_is_known_keeps_its_time(db: Database) -> None:
    """Another member has it now, which has not come to its end yet; what was read remains read."""
    now = utc_now()
    await read(db, now)
    await read(db, None)
    async with db.worker() as conn:
        assert await store.read_until(conn) == now


@pytest.mark.parametrize(("seconds", "number"), [(3599, 0), (3601, 1)])
async def test_after_an_hour_of_being_held_back_timers_fire(
    world: World, db: Database, seconds: int, number: int
) -> None:
    """Something keeps a partition from being read: better a reminder that was withdrawn than none."""
    now, elapsed = utc_now(), [0.0]
    tenant_id = await set_timers(db, [now - timedelta(seconds=30)])
    loop = TimerLoop(db, clock=lambda: now, monotonic=lambda: elapsed[0])
    await read(db, now - timedelta(minutes=1))
    await loop.turn()
    elapsed[0] += seconds
    await loop.turn()
    assert len(fired(world, tenant_id)) == number
