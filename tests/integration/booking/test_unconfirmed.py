"""Appointments that wait for a confirmation run out at their start: once, and it is the system's doing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from booking.workers import UnconfirmedCanceller
from contracts.platform import EventStreamSpec, TenantState
from integration.booking.records import trail
from integration.booking.world import Shop, World, tomorrow_noon, wish
from support.events import until
from support.tenants import know, new_tenant

CANCELLED = "booking.appointment.cancelled.v1"


def requested(world: World, shop: Shop, starts_at: datetime | None = None) -> dict[str, Any]:
    """An appointment that the business has still to confirm, as its customer got it."""
    answer = world.post(shop, wish(shop, starts_at or tomorrow_noon()))
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    found: dict[str, Any] = answer.json()
    return found


Change = Callable[[World, Shop, dict[str, Any]], httpx.Response]


def confirm(world: World, shop: Shop, appointment: dict[str, Any]) -> httpx.Response:
    return world.call("POST", f"/v1/appointments/{appointment['id']}/confirm", shop)


def cancel(world: World, _shop: Shop, appointment: dict[str, Any]) -> httpx.Response:
    return world.call("DELETE", f"/v1/public/appointments/{appointment['token']}")


def move(world: World, _shop: Shop, appointment: dict[str, Any]) -> httpx.Response:
    later = {"starts_at": (tomorrow_noon() + timedelta(hours=1)).isoformat()}
    return world.call("PATCH", f"/v1/public/appointments/{appointment['token']}", json=later)


async def run_out(world: World, at: datetime) -> None:
    """The loop at that moment, until it has nothing left to do."""
    async with world.opened() as db:
        await to_the_end(UnconfirmedCanceller(db, clock=lambda: at))


def status(world: World, appointment: dict[str, Any]) -> str:
    (row,) = world.rows("SELECT status FROM appointment WHERE appointment_id = %s", UUID(appointment["id"]))
    return str(row["status"])


def told(world: World, shop: Shop, appointment: dict[str, Any], topic: str) -> list[dict[str, Any]]:
    rows = world.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb AS told FROM outbox WHERE key = %s AND topic = %s ORDER BY id",
        f"{shop.tenant.tenant_id}/{appointment['id']}",
        topic,
    )
    return [row["told"] for row in rows]


async def test_it_runs_out_at_its_start_and_not_before(world: World) -> None:
    stream = EventStreamSpec(enabled=True, topic="own", dead_letter_topic="own-dead")
    shop = await world.shop(requires_confirmation=True, tenant=new_tenant(event_stream=stream))
    appointment, start = requested(world, shop), tomorrow_noon()
    await run_out(world, start - timedelta(microseconds=1))
    assert status(world, appointment) == "pending"
    for moment in (start, start + timedelta(hours=1)):
        await run_out(world, moment)
        assert status(world, appointment) == "cancelled"
    _booked, cancelled = told(world, shop, appointment, "booking.appointment.v1")
    assert told(world, shop, appointment, "own")[1:] == [cancelled]
    assert (cancelled["cancelled_by"], cancelled["version"]) == ("system", 2)
    assert datetime.fromisoformat(cancelled["occurred_at"]) == start
    allocations = world.rows(
        "SELECT state FROM allocation WHERE appointment_id = %s", UUID(appointment["id"])
    )
    assert [row["state"] for row in allocations] == ["released"]
    assert world.rows("SELECT 1 FROM reminder WHERE appointment_id = %s", UUID(appointment["id"])) == []
    entry = trail(world, shop, entity=appointment["id"])[0]
    assert (entry["action"], entry["actor"]) == ("appointment.cancelled", {"kind": "system", "id": None})
    assert entry["changes"] == {"status": {"old": "pending", "new": "cancelled"}}
    customers = world.call("GET", f"/v1/public/appointments/{appointment['token']}")
    ours = world.call("GET", f"/v1/appointments/{appointment['id']}", shop)
    assert customers.json()["cancelled_by"] == ours.json()["cancelled_by"] == "system"
    calendar = world.call("GET", f"/v1/public/appointments/{appointment['token']}.ics").text
    assert {"STATUS:CANCELLED", "SEQUENCE:1"} <= set(calendar.splitlines())


async def test_what_the_business_books_itself_needs_no_confirmation(world: World) -> None:
    shop = await world.shop(requires_confirmation=True)
    made = world.call("POST", "/v1/appointments", shop, json=wish(shop, tomorrow_noon()))
    assert (made.status_code, made.json()["status"]) == (201, "confirmed"), made.text
    (booked,) = told(world, shop, made.json(), "booking.appointment.v1")
    assert booked["confirmed"] is True
    assert world.rows("SELECT 1 FROM reminder WHERE appointment_id = %s", UUID(made.json()["id"]))
    await run_out(world, tomorrow_noon())
    assert status(world, made.json()) == "confirmed"


async def test_what_was_confirmed_or_moved_in_time_does_not_run_out(world: World) -> None:
    shop = await world.shop(requires_confirmation=True)
    hour = timedelta(hours=1)
    confirmed, moved = requested(world, shop), requested(world, shop, tomorrow_noon() + hour)
    assert confirm(world, shop, confirmed).is_success
    later = {"starts_at": (tomorrow_noon() + 3 * hour).isoformat()}
    assert world.call("PATCH", f"/v1/public/appointments/{moved['token']}", json=later).is_success
    await run_out(world, tomorrow_noon() + 2 * hour)
    assert (status(world, confirmed), status(world, moved)) == ("confirmed", "pending")
    await run_out(world, tomorrow_noon() + 3 * hour)
    assert (status(world, confirmed), status(world, moved)) == ("confirmed", "cancelled")


async def test_until_the_loop_comes_it_can_still_be_confirmed_and_then_no_more(world: World) -> None:
    shop = await world.shop(requires_confirmation=True, capacity=2)
    in_time, late = requested(world, shop), requested(world, shop)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "UPDATE appointment SET starts_at = now() - interval '1 minute' WHERE tenant_id = %s",
            (shop.tenant.tenant_id,),
        )
    assert confirm(world, shop, in_time).is_success
    await run_out(world, datetime.now(UTC))
    answer = confirm(world, shop, late)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/appointment-closed")
    assert (status(world, in_time), status(world, late)) == ("confirmed", "cancelled")


@pytest.mark.parametrize(
    ("state", "stands"), [(TenantState.SUSPENDED, "cancelled"), (TenantState.DELETING, "pending")]
)
async def test_a_suspended_businesss_run_out_and_a_deleted_ones_are_left(
    world: World, state: TenantState, stands: str
) -> None:
    shop = await world.shop(requires_confirmation=True, tenant=new_tenant())
    appointment = requested(world, shop)
    async with world.opened() as db:
        await know(db, shop.tenant.model_copy(update={"generation": 2, "state": state}))
    await run_out(world, tomorrow_noon())
    assert status(world, appointment) == stands


async def test_the_loop_sees_what_waits_and_nothing_else_and_changes_none_of_it(world: World) -> None:
    shop = await world.shop(requires_confirmation=True, capacity=2)
    waits, confirmed = requested(world, shop), requested(world, shop)
    assert confirm(world, shop, confirmed).is_success
    async with world.opened() as db, db.worker() as conn:
        found = await conn.execute(
            "SELECT appointment_id FROM appointment WHERE tenant_id = %s", (shop.tenant.tenant_id,)
        )
        assert [str(row["appointment_id"]) for row in await found.fetchall()] == [waits["id"]]
        for statement in (
            b"UPDATE appointment SET status = 'cancelled'",
            b"DELETE FROM appointment",
            b"SELECT 1 FROM appointment FOR UPDATE",
        ):
            assert (await conn.execute(statement)).rowcount == 0


async def to_the_end(loop: UnconfirmedCanceller) -> None:
    """A turn has its time, after which the next one goes on at once."""
    while await loop.turn() == 0:
        pass


async def test_many_at_once_run_out_in_batches_each_once_whoever_comes(world: World) -> None:
    """Three loops, each with several batches to go through."""
    shop = await world.shop(requires_confirmation=True)
    tenant_id = shop.tenant.tenant_id
    appointment = requested(world, shop)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO appointment (tenant_id, appointment_id, status, service_id, resource_ids, customer_id,"
            " starts_at, ends_at, timezone, price_amount, currency, source)"
            " SELECT tenant_id, gen_random_uuid(), status, service_id, resource_ids, customer_id,"
            " starts_at - n %% 7 * interval '1 minute', ends_at, timezone, price_amount, currency, source"
            " FROM appointment, generate_series(1, 249) AS n WHERE appointment_id = %s",
            (UUID(appointment["id"]),),
        )
    async with world.opened() as one, world.opened() as two, world.opened() as three:
        loops = [UnconfirmedCanceller(db, clock=tomorrow_noon) for db in (one, two, three)]
        await asyncio.gather(*(to_the_end(loop) for loop in loops))
    found = world.rows(
        "SELECT status, version, count(*) FROM appointment WHERE tenant_id = %s GROUP BY 1, 2", tenant_id
    )
    assert [tuple(row.values()) for row in found] == [("cancelled", 2, 250)]
    events = world.rows(
        "SELECT count(*), count(DISTINCT key) AS keys FROM outbox WHERE key LIKE %s"
        " AND topic = 'booking.appointment.v1' AND headers->>'ce_type' = %s",
        f"{tenant_id}/%",
        CANCELLED,
    )
    assert [tuple(row.values()) for row in events] == [(250, 250)]


async def test_one_that_cannot_be_cancelled_holds_up_no_other(world: World) -> None:
    """The database refuses the first that is due; it is tried again when its minute is over."""
    shop = await world.shop(requires_confirmation=True)
    first = requested(world, shop, tomorrow_noon())
    second = requested(world, shop, tomorrow_noon() + timedelta(hours=1))
    clock = [tomorrow_noon() + timedelta(hours=1)]
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON appointment FOR EACH ROW"
            f" WHEN (OLD.appointment_id = '{first['id']}') EXECUTE FUNCTION refuse()".encode()
        )
    async with world.opened() as db:
        loop = UnconfirmedCanceller(db, clock=lambda: clock[0])
        await to_the_end(loop)
        assert (status(world, first), status(world, second)) == ("pending", "cancelled")
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute("DROP FUNCTION refuse CASCADE")
        await to_the_end(loop)
        assert status(world, first) == "pending"
        clock[0] += timedelta(minutes=1)
        await to_the_end(loop)
        assert status(world, first) == "cancelled"


@pytest.mark.parametrize(
    ("change", "outcomes"),
    [
        (confirm, {200: "confirmed", 409: "cancelled"}),
        (cancel, {200: "cancelled"}),
        (move, {200: "pending", 409: "cancelled"}),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_at_the_same_moment_there_is_one_outcome_and_one_event(
    world: World, change: Change, outcomes: dict[int, str], place: int
) -> None:
    """Two loops and booking's own process want one appointment: who asks first for its lock has it."""
    shop = await world.shop(requires_confirmation=True)
    appointment = requested(world, shop)
    async with world.opened() as one, world.opened() as two:
        loops = [UnconfirmedCanceller(db, clock=tomorrow_noon) for db in (one, two)]
        wants: list[Callable[[], Awaitable[Any]]] = [loop.turn for loop in loops]
        wants.insert(place, partial(asyncio.to_thread, change, world, shop, appointment))
        answer = (await one_behind_the_other(world, appointment, wants))[place]
    stands = status(world, appointment)
    assert stands == outcomes[answer.status_code], answer.text
    _booked, last = told(world, shop, appointment, "booking.appointment.v1")
    assert last["version"] == 2
    assert ("cancelled_by" in last) == (stands == "cancelled")
    assert (last.get("cancelled_by") == "system") == (place > 0)
    last_entry, _made = trail(world, shop, entity=appointment["id"])
    assert (last_entry["actor"]["kind"] == "system") == (place > 0)


async def one_behind_the_other(
    world: World, appointment: dict[str, Any], wants: list[Callable[[], Awaitable[Any]]]
) -> list[Any]:
    """They queue for the appointment's lock in this order, and are let go together; answers what they did."""
    async with await psycopg.AsyncConnection.connect(world.database.admin_url) as conn:
        await conn.execute(
            "SELECT 1 FROM appointment WHERE appointment_id = %s FOR UPDATE", (UUID(appointment["id"]),)
        )
        tasks = []
        for want in wants:
            tasks.append(asyncio.ensure_future(want()))
            await asyncio.to_thread(until, partial(_waiting, world, len(tasks)), "it waits")
        await conn.commit()
    return await asyncio.gather(*tasks)


def _waiting(world: World, count: int) -> bool:
    rows = world.rows(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return len(rows) == count
