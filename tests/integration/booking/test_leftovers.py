"""What nobody needs any more is dropped some time behind its end, and nothing before; on a real Postgres."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from booking.allocations import KEEP_APPOINTMENTS, KEEP_HOLDS
from booking.reminders import KEEP_PAST
from booking.workers import HoldSweeper, Leftovers
from integration.booking.holding import give_back, kept, let_run_out
from integration.booking.records import ANY, booked, put_back
from integration.booking.world import Shop, World, tomorrow_noon, wish
from servicekit.ids import new_id

AN_HOUR = timedelta(hours=1)


async def drop(world: World, *, later: timedelta = timedelta()) -> float | None:
    """A turn of the loop by a clock that is so much ahead; answers as it does."""
    async with world.opened() as db:
        return await Leftovers(db, clock=lambda: datetime.now(UTC) + later).turn()


def released(world: World, shop: Shop) -> int:
    """How many rows of time that was given back there are."""
    found = "SELECT 1 FROM allocation WHERE tenant_id = %s AND state = 'released'"
    return len(world.rows(found, shop.tenant.tenant_id))


async def test_what_holds_gave_back_is_dropped_a_day_behind_their_end(world: World) -> None:
    shop = await world.shop()
    given, over, used = (kept(world, shop, tomorrow_noon() + timedelta(hours=hours)) for hours in range(3))
    assert give_back(world, shop, given).status_code == 204
    let_run_out(world, over)
    await world.turn()
    assert world.post(shop, wish(shop, tomorrow_noon() + timedelta(hours=2), hold_id=used)).status_code == 201
    assert released(world, shop) == 2
    await drop(world, later=KEEP_HOLDS - AN_HOUR)
    assert released(world, shop) == 2
    await drop(world, later=KEEP_HOLDS + AN_HOUR)
    assert released(world, shop) == 0
    assert [row["state"] for row in world.taken(shop)] == ["confirmed"]


async def test_of_very_many_holds_that_have_run_out_some_give_back_their_time_at_once(world: World) -> None:
    """After a downtime, one statement for all of them would run into its timeout, each time anew."""
    shop = await world.shop()
    for hold_id in [kept(world, shop, tomorrow_noon() + timedelta(hours=hours)) for hours in range(5)]:
        let_run_out(world, hold_id)
    async with world.opened() as db:
        sweeper = HoldSweeper(db, at_once=2)
        left = []
        while await sweeper.turn() == 0:
            left.append((released(world, shop), len(world.rows("SELECT 1 FROM hold"))))
    assert left == [(2, 3), (4, 1)]
    assert (released(world, shop), world.rows("SELECT 1 FROM hold")) == (5, [])


async def test_what_appointments_gave_back_is_dropped_when_no_feed_reaches_it(world: World) -> None:
    shop = await world.shop()
    moved = booked(world, shop)
    later = {"starts_at": (tomorrow_noon() + timedelta(hours=3)).isoformat()}
    assert world.call("PATCH", f"/v1/appointments/{moved['id']}", shop, json=later, headers=ANY).is_success
    cancelled = booked(world, shop)
    assert world.call("POST", f"/v1/appointments/{cancelled['id']}/cancel", shop).is_success
    assert released(world, shop) == 2
    await drop(world)
    assert released(world, shop) == 2, "both are to come"
    put_back(world, cancelled["id"], KEEP_APPOINTMENTS - AN_HOUR)
    put_back(world, moved["id"], KEEP_APPOINTMENTS + 4 * AN_HOUR)
    await drop(world)
    assert released(world, shop) == 1
    await drop(world, later=2 * AN_HOUR)
    assert released(world, shop) == 0
    assert len(world.taken(shop)) == 1, "what took place stays"


async def test_a_feed_has_what_was_cancelled_for_as_long_as_it_reaches(world: World) -> None:
    shop = await world.shop(buffer_before_minutes=24 * 60, slot_step_minutes=30)
    path = world.call("POST", f"/v1/staff-feeds/{shop.staff[0]}", shop).json()["url"].partition("8080")[2]
    made = booked(world, shop)
    assert world.call("POST", f"/v1/appointments/{made['id']}/cancel", shop).is_success
    put_back(world, made["id"], timedelta(days=59, hours=23))
    await drop(world)
    assert "STATUS:CANCELLED" in world.call("GET", path).text


async def test_reminders_are_dropped_a_week_behind_their_time_and_not_asked_for_again(world: World) -> None:
    shop = await world.shop()
    past = booked(world, shop)
    coming = world.post(shop, wish(shop, tomorrow_noon() + 5 * AN_HOUR)).json()

    def left() -> set[str]:
        found = "SELECT appointment_id FROM reminder WHERE tenant_id = %s"
        return {str(row["appointment_id"]) for row in world.rows(found, shop.tenant.tenant_id)}

    put_back(world, past["id"], KEEP_PAST - 2 * AN_HOUR)
    await drop(world)
    assert left() == {past["id"], coming["id"]}
    await drop(world, later=2 * AN_HOUR)
    assert left() == {coming["id"]}
    told = "SELECT count(*) AS told FROM outbox WHERE key LIKE %s AND topic = 'booking.reminder.v1'"
    before = world.rows(told, f"{shop.tenant.tenant_id}/%")
    assert world.call("POST", f"/v1/appointments/{past['id']}/complete", shop).is_success
    assert world.rows(told, f"{shop.tenant.tenant_id}/%") == before


@pytest.mark.parametrize("owner", ["hold", "appointment"])
async def test_of_many_some_thousands_go_at_a_time(world: World, owner: str) -> None:
    shop = await world.shop()
    values = {"tenant": shop.tenant.tenant_id, "staff": shop.staff[0], "owner": new_id()}
    if owner == "appointment":
        values["owner"] = booked(world, shop)["id"]
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO allocation (tenant_id, allocation_id, resource_id, session_id, during, state, held_until,"
            f" {owner}_id)"
            " SELECT %(tenant)s, gen_random_uuid(), %(staff)s, %(owner)s, '[2020-01-01, 2020-01-02)', 'released',"
            " '2020-01-01', %(owner)s FROM generate_series(1, 5001)".encode(),
            values,
        )
    assert await drop(world) == 0, "at once again"
    assert released(world, shop) == 1
    assert await drop(world) is None
    assert released(world, shop) == 0
