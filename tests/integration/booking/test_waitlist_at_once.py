"""The waitlist under replays, races and erasure: one effect each, no time twice, nothing left."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg

from booking.consumers import BookingHooks
from booking.waitlist.workers import WaitlistOfferer
from booking.workers import HoldSweeper
from contracts.platform import Component, DeletionPolicy
from integration.booking.waiting import (
    EXPIRED,
    accept,
    cancel,
    full_shop,
    join,
    offers,
    seen,
    try_to_join,
)
from integration.booking.world import OFFER_SECONDS, World, tomorrow_noon, wish
from support.tenants import new_tenant, remove


async def test_a_replay_joins_once_and_takes_once(world: World) -> None:
    shop = await world.shop()
    first, again = (try_to_join(world, shop, key="one") for _ in range(2))
    assert first.text == again.text
    assert len(world.call("GET", "/v1/waitlist", shop).json()["items"]) == 1
    await world.turn()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: accept(world, first.json()), range(8)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(world.rows("SELECT 1 FROM appointment WHERE tenant_id = %s", shop.tenant.tenant_id)) == 1


async def test_whoever_is_first_has_the_time_and_the_other_is_told(world: World) -> None:
    """Twelve times: a cancellation, and then the loop and a public booker at once for what it freed."""
    outcomes = Counter[int]()
    for _ in range(12):
        shop, (first, _second) = await full_shop(world)
        entry = join(world, shop)
        await world.turn()
        cancel(world, first)
        _turned, answer = await asyncio.gather(
            world.turn(), asyncio.to_thread(world.post, shop, wish(shop, tomorrow_noon()))
        )
        outcomes[answer.status_code] += 1
        assert answer.status_code in {201, 409}, answer.text
        offered = seen(world, entry)["state"] == "offered"
        assert offered == (answer.status_code == 409)
        assert len(offers(world, shop)) == offered
        taken = world.rows(
            "SELECT 1 FROM allocation WHERE tenant_id = %s AND state <> 'released'", shop.tenant.tenant_id
        )
        assert len(taken) == 2
    assert sum(outcomes.values()) == 12


async def test_who_is_leaving_at_this_moment_is_passed_over(world: World) -> None:
    """Else they would be offered a time as one who waits, which nobody else gets and they do not want."""
    shop = await world.shop()
    entry = join(world, shop)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute("UPDATE waitlist_entry SET state = 'left' WHERE entry_id = %s", (entry["id"],))
        await world.turn()
    assert seen(world, entry)["state"] == "left"
    assert offers(world, shop) == world.taken(shop) == []


async def test_three_workers_serve_a_line_in_its_order_and_no_time_twice(world: World) -> None:
    """Twelve wait for an hour and a half in which six have room, while three loops turn at once."""
    shop = await world.shop(staff=2, slot_step_minutes=30)
    noon = tomorrow_noon()
    window = {"to": (noon + timedelta(minutes=90)).isoformat()}
    line = [join(world, shop, f"N{n:02}", address=f"198.51.100.{n}", **window)["id"] for n in range(12)]
    async with world.opened() as one, world.opened() as two, world.opened() as three:
        loops = [WaitlistOfferer(db, offer_seconds=OFFER_SECONDS) for db in (one, two, three)]
        for _ in range(4):
            await asyncio.gather(*(loop.turn() for loop in loops))
    told = offers(world, shop)
    assert [item["entry_id"] for item in told] == line[:6]
    assert len({(item["starts_at"], *item["staff_ids"]) for item in told}) == 6
    held = world.rows("SELECT 1 FROM allocation WHERE tenant_id = %s", shop.tenant.tenant_id)
    assert len(held) == 6


async def test_loops_and_people_at_once_leave_every_entry_in_one_state(world: World) -> None:
    """Offers lapse, are taken and declined while four loops turn; what is held is what is offered."""
    shop = await world.shop(staff=4, slot_step_minutes=30)
    entries = [join(world, shop, f"N{n:02}") for n in range(8)]
    await world.turn()

    def act(number: int) -> int:
        entry = entries[number]
        if number % 2:
            return accept(world, entry).status_code
        return world.call("DELETE", f"/v1/public/waitlist/{entry['token']}").status_code

    async with world.opened() as one, world.opened() as two:

        def clock() -> datetime:
            return datetime.now(UTC) + EXPIRED

        loops = [
            *(WaitlistOfferer(db, offer_seconds=OFFER_SECONDS, clock=clock) for db in (one, two)),
            *(HoldSweeper(db, clock=clock) for db in (one, two)),
        ]
        acting = asyncio.gather(*(asyncio.to_thread(act, number) for number in range(8)))
        await asyncio.gather(*(loop.turn() for loop in loops))
        statuses = await acting
    await world.turn(later=EXPIRED)  # those whose entry somebody had locked
    assert set(statuses) <= {200, 201, 409}
    states = Counter(seen(world, entry)["state"] for entry in entries)
    held = world.rows(
        "SELECT 1 FROM allocation WHERE tenant_id = %s AND state = 'held' AND held_until > now() + %s",
        shop.tenant.tenant_id,
        EXPIRED,
    )
    confirmed = world.rows(
        "SELECT 1 FROM allocation WHERE tenant_id = %s AND state = 'confirmed'", shop.tenant.tenant_id
    )
    assert len(confirmed) == states["booked"]
    assert len(held) == states["offered"]


async def test_an_erased_person_waits_no_longer_and_an_erased_business_leaves_nothing(world: World) -> None:
    shop, (first, _second) = await full_shop(world, tenant=new_tenant(deletion_policy=DeletionPolicy.DELETE))
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob")
    cancel(world, first)
    await world.turn()
    tenant_id = shop.tenant.tenant_id
    async with world.opened() as db:
        async with db.tenant(tenant_id) as conn:
            await conn.execute("DELETE FROM customer WHERE tenant_id = %s AND name = 'Ann'", (tenant_id,))
        assert world.call("GET", f"/v1/public/waitlist/{ann['token']}").status_code == 404
        assert world.rows("SELECT entry_id FROM waitlist_entry WHERE tenant_id = %s", tenant_id) != []
        await world.turn(later=EXPIRED)
        assert seen(world, bob)["state"] == "offered"
        await remove(db, Component.BOOKING, BookingHooks(), shop.tenant)
    for table in ("waitlist_entry", "waitlist_offer", "freed_time", "allocation", "hold"):
        assert world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", tenant_id) == []
