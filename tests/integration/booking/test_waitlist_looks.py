"""When the waitlist's loop looks for whom: nobody is put off by what happens to others."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from booking.waitlist.workers import WaitlistOfferer
from integration.booking.waiting import EXPIRED, LATER, accept, cancel, full_shop, join, seen
from integration.booking.world import (
    OFFER_SECONDS,
    Shop,
    World,
    problem,
    service,
    tomorrow_noon,
    wish,
    works_all_day,
)


async def test_times_freed_one_after_another_do_not_put_off_the_hourly_look(world: World) -> None:
    """Somebody waits behind the booking window, which opens without an event, while others come and go nearby."""
    shop = await world.shop(booking_window_days=2)
    far = tomorrow_noon() + timedelta(days=7)
    entry = join(world, shop, **{"from": far.isoformat(), "to": (far + timedelta(hours=1)).isoformat()})
    await world.turn()
    before_it_opens = far - timedelta(days=2, minutes=31) - datetime.now(UTC)
    states = []
    for half_hours in range(3):
        nearby = world.call("POST", "/v1/appointments", shop, json=wish(shop, far - timedelta(days=1)))
        cancel(world, nearby.json()["token"])
        await world.turn(later=before_it_opens + half_hours * timedelta(minutes=30))
        states.append(seen(world, entry)["state"])
    assert states == ["waiting", "waiting", "offered"]


async def test_what_is_freed_is_offered_at_once_also_behind_a_narrow_look_in_vain(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    nearby = world.post(shop, wish(shop, tomorrow_noon() + LATER)).json()["token"]
    entry = join(world, shop)
    await world.turn()
    for token, state in ((nearby, "waiting"), (first, "offered")):
        cancel(world, token)
        await world.turn()
        assert seen(world, entry)["state"] == state


async def test_a_long_line_at_one_business_delays_no_other(world: World) -> None:
    """Within a turn, an entry of each at a time."""
    shops = [await world.shop(staff=2) for _ in range(3)]
    order = await served(world, shops)
    assert len(order) == 12
    assert [len({*order[begin : begin + 3]}) for begin in range(0, 12, 3)] == [3] * 4


async def test_a_turn_goes_on_behind_the_business_at_which_the_one_before_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is time for a single look a turn."""
    monkeypatch.setattr("booking.waitlist.workers._TURN_SECONDS", 0)
    shops = [await world.shop(staff=2) for _ in range(3)]
    order = await served(world, shops)
    assert len(order) == 12
    assert [len({*order[begin : begin + 3]}) for begin in range(0, 12, 3)] == [3] * 4


async def test_no_time_is_kept_for_who_can_no_longer_be_told(world: World) -> None:
    """Her consent was withdrawn while she waited: the next in line gets it, and she when she may be written to."""
    shop, (first, second) = await full_shop(world)
    ann = join(world, shop, "Ann")
    await world.turn()
    bob = join(world, shop, "Bob")
    listed = world.call("GET", f"/v1/waitlist/{ann['id']}", shop).json()
    who = f"/v1/customers/{listed['customer']['id']}"
    for consent, token, states in (
        (False, first, ["waiting", "offered"]),
        (True, second, ["offered", "offered"]),
    ):
        body = {"consent": {"email": consent}}
        assert world.call("PATCH", who, shop, json=body, headers={"If-Match": "*"}).is_success
        cancel(world, token)
        await world.turn()
        assert [seen(world, entry)["state"] for entry in (ann, bob)] == states


async def test_nobody_waits_for_a_service_or_a_person_that_is_gone(world: World) -> None:
    """Who has an offer keeps it until it has run out, but cannot take it where the service is gone."""
    shop, (first, _second) = await full_shop(world)
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob", staff_id=str(shop.staff[0]))
    cancel(world, first)
    await world.turn()
    assert [seen(world, entry)["state"] for entry in (ann, bob)] == ["offered", "waiting"]
    left = works_all_day(shop.tenant.tenant_id, shop.staff[0]).model_copy(
        update={"version": 2, "deleted": True}
    )
    await world.tell(shop, left)
    await world.turn()
    assert [seen(world, entry)["state"] for entry in (ann, bob)] == ["offered", "removed"]
    await world.tell(shop, service(shop, version=2, deleted=True))
    late = accept(world, ann)
    problem(late, 409, "offer-expired")
    assert late.json()["detail"].startswith("This service is no longer offered")
    await world.turn(later=EXPIRED)
    assert seen(world, ann)["state"] == "removed"
    assert [row["state"] for row in world.taken(shop)] == ["confirmed"], "nothing is held any more"


async def test_one_that_cannot_be_served_keeps_no_other_waiting(world: World) -> None:
    """The database refuses what the first would be offered: the next in line is."""
    shop, (first, _second) = await full_shop(world)
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob")
    await world.turn()
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON waitlist_offer FOR EACH ROW"
            f" WHEN (NEW.entry_id = '{ann['id']}') EXECUTE FUNCTION refuse()".encode()
        )
    cancel(world, first)
    await world.turn()
    assert [seen(world, entry)["state"] for entry in (ann, bob)] == ["waiting", "offered"]
    assert [row["state"] for row in world.taken(shop)].count("held") == 1
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute("DROP FUNCTION refuse CASCADE")


async def served(world: World, shops: list[Shop]) -> list[UUID]:
    """Four wait at each for an hour that is free; answers the businesses in the order in which they offer it."""
    for shop in shops:
        for number in range(4):
            join(world, shop, f"N{number}")
    async with world.opened() as db:
        offerer = WaitlistOfferer(db, offer_seconds=OFFER_SECONDS)
        while await offerer.turn() == 0:
            pass
    made = "SELECT tenant_id FROM waitlist_offer WHERE tenant_id = ANY(%s) ORDER BY offered_at"
    return [row["tenant_id"] for row in world.rows(made, [shop.tenant.tenant_id for shop in shops])]
