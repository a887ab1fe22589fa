"""The loop turn by turn: batches, what others hold, what is set for a time already passed, the times it sleeps."""

from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from integration.scheduler.world import World, requested
from scheduler import store
from scheduler.workers import TimerLoop
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.ids import new_id
from support.impatience import impatient, outlasts

_HELD = "SELECT FROM timer WHERE tenant_id = %s ORDER BY due_at LIMIT 1 FOR UPDATE"


async def set_timers(db: Database, times: list[datetime]) -> UUID:
    """Of one tenant, whom it answers."""
    tenant_id = new_id()
    async with db.tenant(tenant_id) as conn:
        for due_at in times:
            await store.arm(conn, requested(tenant_id, due_at), not_before=due_at)
    return tenant_id


def fired(world: World, tenant_id: UUID) -> list[datetime]:
    """The times that its events tell, in the order in which they are relayed."""
    told = "convert_from(payload, 'UTF8')::jsonb"
    rows = world.rows(
        f"SELECT ({told}->>'due_at')::timestamptz AS at FROM outbox WHERE {told}->>'tenant_id' = %s ORDER BY id",
        str(tenant_id),
    )
    return [row["at"] for row in rows]


@pytest.mark.parametrize("number", [1, 3, 4, 29, 90])
async def test_a_flood_is_fired_batch_by_batch_each_timer_once(
    world: World, db: Database, number: int
) -> None:
    """Numbers that end with a full one among them."""
    now = utc_now()
    times = [now - timedelta(seconds=second) for second in range(1, number + 1)]
    tenant_id = await set_timers(db, times)
    loop = TimerLoop(db, every=1, batch_size=4)
    turns = 1
    while await loop.turn() == 0:
        turns += 1
    assert turns < number + 2
    assert sorted(fired(world, tenant_id)) == sorted(times)


async def test_a_flood_leaves_the_loop_its_beat_though_the_database_is_slow(
    world: World, db: Database
) -> None:
    """Three seconds a batch: a turn ends after some and the next goes on, or the process would count as dead."""
    elapsed = [0.0]

    class Slow(TimerLoop):
        async def _fire(self) -> bool:
            elapsed[0] += 3
            return await super()._fire()

    now = utc_now()
    times = [now - timedelta(seconds=second) for second in range(1, 90)]
    tenant_id = await set_timers(db, times)
    loop = Slow(db, batch_size=4, monotonic=lambda: elapsed[0])
    assert await loop.turn() == 0
    assert elapsed[0] < 15
    while await loop.turn() == 0:
        pass
    assert sorted(fired(world, tenant_id)) == sorted(times)


async def test_a_batch_is_told_in_the_order_of_its_times(world: World, db: Database) -> None:
    now = utc_now()
    times = [now - timedelta(minutes=minute) for minute in (5, 1, 9, 3, 7)]
    tenant_id = await set_timers(db, times)
    await TimerLoop(db).turn()
    assert fired(world, tenant_id) == sorted(times)


async def test_what_another_process_holds_and_lets_go_is_fired_at_the_next_full_scan(
    world: World, db: Database
) -> None:
    """It lies before where the loop has come to."""
    now = utc_now()
    times = [now - timedelta(minutes=minute) for minute in (3, 2, 1)]
    tenant_id = await set_timers(db, times)
    loop = TimerLoop(db, batch_size=2)
    with psycopg.connect(world.admin_url) as other:
        other.execute(_HELD, (tenant_id,))
        while await loop.turn() == 0:
            pass
        await loop.full_scan()
        assert fired(world, tenant_id) == times[1:]
    await loop.turn()
    assert fired(world, tenant_id) == times[1:]
    await loop.full_scan()
    assert sorted(fired(world, tenant_id)) == times


async def test_a_timer_set_for_a_time_that_the_loop_has_passed_is_fired_at_the_next_full_scan(
    world: World, db: Database
) -> None:
    """Not before it: a turn begins where the last one came to, as there may be much dead before."""
    loop = TimerLoop(db)
    await loop.turn()
    late = utc_now() - timedelta(minutes=30)
    tenant_id = await set_timers(db, [late])
    await loop.turn()
    assert fired(world, tenant_id) == []
    await loop.full_scan()
    assert fired(world, tenant_id) == [late]


async def test_a_first_poll_that_takes_too_long_is_left_to_the_full_scan_which_may_take_long(
    world: World, db: Database
) -> None:
    """With very much dead before what is due. No poll after it would come through either, and nothing new be fired
    for as long. What takes long here is a lock."""
    overdue = utc_now() - timedelta(minutes=30)
    tenant_id = await set_timers(db, [overdue])
    async with impatient(world.settings) as soon_tired:
        loop = TimerLoop(soon_tired)
        with psycopg.connect(world.admin_url) as other:
            other.execute("LOCK TABLE timer")
            with pytest.raises(Unavailable, match="too much to do"):
                await loop.turn()
        new = await set_timers(db, [utc_now()])
        await loop.turn()
        assert (len(fired(world, new)), fired(world, tenant_id)) == (1, [])
        await outlasts(loop.full_scan(), world.admin_url, "timer")
    assert fired(world, tenant_id) == [overdue]


async def test_a_flood_of_times_that_the_loop_has_passed_is_fired_by_its_next_turns(
    world: World, db: Database
) -> None:
    """What was set after an outage, say: a full scan takes a batch, and the loop goes on from there."""
    loop = TimerLoop(db, batch_size=4)
    await loop.turn()
    now = utc_now()
    times = [now - timedelta(seconds=second) for second in range(1, 30)]
    tenant_id = await set_timers(db, times)
    await loop.full_scan()
    assert len(fired(world, tenant_id)) == 4
    while await loop.turn() == 0:
        pass
    assert sorted(fired(world, tenant_id)) == sorted(times)


async def test_it_sleeps_until_the_next_timer_to_the_millisecond_and_a_look_at_most(db: Database) -> None:
    now = utc_now()
    loop = TimerLoop(db, every=10, clock=lambda: now)
    assert await loop.turn() == 10
    await set_timers(db, [now + timedelta(seconds=30)])
    assert await loop.turn() == 10
    await set_timers(db, [now + timedelta(milliseconds=1234)])
    assert await loop.turn() == pytest.approx(1.234, abs=1e-6)


@pytest.mark.parametrize(("seconds", "woken"), [(-5, True), (0.9, True), (1.9, True), (2.1, False)])
async def test_only_a_timer_that_is_due_before_the_next_poll_wakes_the_loop(
    db: Database, monkeypatch: pytest.MonkeyPatch, seconds: float, woken: bool
) -> None:
    """Booking sets thousands at once when a policy changes: the loop would look for each."""
    now, nudges = utc_now(), list[bool]()
    loop = TimerLoop(db, every=1, clock=lambda: now)
    monkeypatch.setattr(loop, "nudge", lambda: nudges.append(True))
    loop.timer_set(now + timedelta(seconds=seconds))
    assert bool(nudges) is woken
