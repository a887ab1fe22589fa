"""A timer that is closed is never set again, whoever asks, and is forgotten after a month, a day at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from contracts.booking import ReminderRequested
from integration.scheduler.world import World, requested
from scheduler.workers import ClosedTimers, TimerLoop
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.queries import Queries
from support.events import until

_SQL = Queries("scheduler")
_OLD_FIRE = """
UPDATE timer SET due_at = NULL, request = NULL, closed_at = now() WHERE tenant_id = %s AND reminder_id = %s
"""
"""What the release with scheduler_0001 does to a timer that is due."""


@contextmanager
def scope(world: World, tenant_id: UUID | None) -> Iterator[psycopg.Connection]:
    """A transaction as the service has it: of one tenant, or a worker's."""
    with psycopg.connect(world.app_url) as conn:
        values = (str(tenant_id or ""), "" if tenant_id else "on")
        conn.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.worker', %s, true)", values
        )
        yield conn


def arm(conn: psycopg.Connection, request: ReminderRequested) -> None:
    """The statement has been the same since scheduler_0001."""
    values = {
        "tenant_id": request.tenant_id,
        "reminder_id": request.reminder_id,
        "due_at": request.due_at,
        "request": Jsonb(request.model_dump(mode="json")),
    }
    conn.execute(_SQL.arm, values)


def take(conn: psycopg.Connection) -> int:
    now = utc_now()
    values = {"since": datetime.min.replace(tzinfo=UTC), "until": now, "now": now, "limit": 100}
    return conn.execute(_SQL.take, values).rowcount


def set_timers(world: World, tenant_id: UUID) -> int:
    return len(world.rows("SELECT FROM timer WHERE tenant_id = %s AND due_at IS NOT NULL", tenant_id))


def test_a_request_that_waits_for_the_firing_of_its_own_timer_sets_none(world: World) -> None:
    """Its insert is let through as the timer has gone: what refuses it must look again after that."""
    request = requested(new_id(), utc_now())
    with scope(world, request.tenant_id) as conn:
        arm(conn, request)

    def again() -> None:
        with scope(world, request.tenant_id) as conn:
            arm(conn, request)

    with scope(world, None) as conn:
        assert take(conn) == 1
        other = threading.Thread(target=again)
        other.start()
        waiting = (
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        until(lambda: world.rows(waiting), "the second request waits for the firing")
    other.join()
    assert set_timers(world, request.tenant_id) == 0


def test_what_was_fired_or_withdrawn_before_an_upgrade_is_not_set_again_after_it(world: World) -> None:
    """And beside it: the old release's statements run on the new schema."""
    tenant = world.tenant()
    fired, running = (requested(tenant.tenant_id, utc_now() + timedelta(hours=1)) for _ in range(2))
    for request in (fired, running):
        with scope(world, tenant.tenant_id) as conn:
            arm(conn, request)
    world.change(_OLD_FIRE, tenant.tenant_id, fired.reminder_id)
    with world.run():
        until(
            lambda: world.rows("SELECT FROM closed_timer WHERE reminder_id = %s", fired.reminder_id),
            "what was closed where it stood has been put away",
        )
        assert world.rows("SELECT FROM timer WHERE reminder_id = %s", fired.reminder_id) == []
        world.change("UPDATE timer SET due_at = now() WHERE reminder_id = %s", running.reminder_id)
        world.await_due(tenant.tenant_id)
        for request in (fired, running):
            with scope(world, tenant.tenant_id) as conn:
                arm(conn, request)
            world.publish(request)
        world.settle(tenant.tenant_id)
        assert set_timers(world, tenant.tenant_id) == 0
    times = [event.reminder_id for event in world.due(tenant.tenant_id)]
    assert times.count(running.reminder_id) == 1
    assert fired.reminder_id not in times


def close(world: World, days_ago: int) -> UUID:
    """A timer that was closed so many days ago."""
    reminder = new_id()
    at = utc_now() - timedelta(days=days_ago)
    world.change(
        "INSERT INTO closed_timer (tenant_id, reminder_id, day, closed_at) VALUES (%s, %s, day_of(%s), %s)",
        new_id(),
        reminder,
        at,
        at,
    )
    return reminder


def closed(world: World) -> set[UUID]:
    return {row["reminder_id"] for row in world.rows("SELECT reminder_id FROM closed_timer")}


def forget(world: World) -> int:
    with scope(world, None) as conn:
        row = conn.execute(_SQL.forget_closed).fetchone()
    assert row is not None
    return int(row[0])


def test_days_past_the_thirtieth_are_emptied_and_no_other(world: World) -> None:
    kept = {close(world, days) for days in range(30)}
    gone = {close(world, 31), close(world, 31)}
    assert closed(world) == kept | gone
    assert forget(world) == 1
    assert closed(world) == kept
    assert forget(world) == 0


def test_a_day_that_came_round_before_it_was_emptied_keeps_what_is_young(world: World) -> None:
    """As when nothing has run for a month: the old ones stay with the young of the same place."""
    kept = {close(world, 40), close(world, 8)}
    assert forget(world) == 0
    assert closed(world) == kept


def test_a_day_that_is_being_read_is_emptied_later(world: World) -> None:
    close(world, 31)
    with scope(world, None) as conn:
        conn.execute("SELECT FROM closed_timer")
        assert forget(world) == 0
    assert forget(world) == 1


async def test_a_day_is_emptied_however_long_it_takes_to_read(world: World, db: Database) -> None:
    """Ended by the time that a statement has, it would be looked at each hour and never be emptied."""
    gone = close(world, 31)
    (day,) = world.rows(
        "SELECT tableoid::regclass::text AS name FROM closed_timer WHERE reminder_id = %s", gone
    )
    world.change(
        "CREATE FUNCTION read_slowly() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " IF current_setting('statement_timeout') <> '0' THEN RAISE query_canceled; END IF; RETURN true; END $$"
    )
    world.change(f"CREATE POLICY slow ON {day['name']} AS RESTRICTIVE USING (read_slowly())")
    await ClosedTimers(db).turn()
    assert closed(world) == set()


def test_only_a_worker_forgets(world: World) -> None:
    """A tenant's transaction sees no other tenant's young rows, and would take the day for an old one."""
    kept = close(world, 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), scope(world, new_id()) as conn:
        conn.execute(_SQL.forget_closed)
    assert closed(world) == {kept}


def withdraw(world: World, number: int) -> UUID:
    """So many timers of one tenant, closed where they stand."""
    tenant_id = new_id()
    world.change(
        "INSERT INTO timer (tenant_id, reminder_id, closed_at)"
        " SELECT %s, gen_random_uuid(), now() FROM generate_series(1, %s)",
        tenant_id,
        number,
    )
    return tenant_id


def standing(world: World, tenant_id: UUID) -> int:
    """How many of its timers have not been put away."""
    return len(world.rows("SELECT FROM timer WHERE tenant_id = %s", tenant_id))


async def test_firing_does_not_wait_for_what_is_closed(world: World, db: Database) -> None:
    """Reading a day of closed timers, or moving many withdrawn ones, takes longer than a timer may be late."""
    old, tenant_id = close(world, 31), withdraw(world, 1)
    await TimerLoop(db).turn()
    assert closed(world) == {old}
    assert standing(world, tenant_id) == 1


async def test_a_flood_of_withdrawn_timers_is_put_away_at_once_and_days_are_looked_at_once_an_hour(
    world: World, db: Database
) -> None:
    now = utc_now()
    tidying = ClosedTimers(db, clock=lambda: now)
    tenant_id = withdraw(world, 2500)
    gone = close(world, 31)
    pauses = [await tidying.turn()]
    assert gone not in closed(world)
    later = close(world, 31)
    pauses += [await tidying.turn(), await tidying.turn()]
    assert pauses == [0, 0, None]
    assert standing(world, tenant_id) == 0
    assert len(closed(world)) == 2501
    assert later in closed(world)
    now += timedelta(hours=1)
    assert await tidying.turn() is None
    assert later not in closed(world)
