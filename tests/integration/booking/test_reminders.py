"""The reminders that booking asks for and withdraws, as an appointment moves, ends, and the policy changes."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg

from booking import changes
from booking.catalog import CatalogFollower
from booking.reminders import align_some, change_policy
from booking.workers import PolicyFollower
from contracts.booking import Channel
from contracts.business import PolicyChanged, ReminderRule
from integration.booking.world import Shop, World, tomorrow_noon, wish
from servicekit.clock import utc_now
from servicekit.ids import new_id


def told(world: World, shop: Shop) -> list[dict[str, Any]]:
    """The business's reminder events so far, in order, each with its `kind`."""
    rows = world.rows(
        "SELECT headers->>'ce_type' AS type, payload FROM outbox"
        " WHERE topic = 'booking.reminder.v1' AND key LIKE %s ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    return [json.loads(row["payload"]) | {"kind": row["type"].split(".")[2]} for row in rows]


async def hear(world: World, shop: Shop, *offsets: int, version: int = 2) -> None:
    """A policy, as the consumer takes it over; the offsets in seconds before the appointment."""
    rules = [ReminderRule(rule_id=new_id(), offset_seconds=offset, channel=Channel.SMS) for offset in offsets]
    changed = PolicyChanged(tenant_id=shop.tenant.tenant_id, version=version, rules=rules)
    async with world.opened() as db, db.tenant(shop.tenant.tenant_id) as conn:
        await change_policy(conn, CatalogFollower(), changed)


async def follow(world: World, shop: Shop, *, most: int) -> bool:
    """One step of the loop's, of so many appointments."""
    tenant_id = shop.tenant.tenant_id
    async with world.opened() as db, db.tenant(tenant_id, sharing=changes.SHARING) as conn:
        return await align_some(conn, tenant_id, utc_now(), most=most)


def standing(world: World, shop: Shop) -> dict[str, set[str]]:
    """By appointment, when the reminders are due that were asked for and not withdrawn, each of both once."""
    due: dict[str, tuple[str, str]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for event in told(world, shop):
        seen[event["kind"], event["reminder_id"]] += 1
        if event["kind"] == "requested":
            due[event["reminder_id"]] = event["appointment_id"], event["due_at"]
        else:
            del due[event["reminder_id"]]
    assert set(seen.values()) <= {1}
    return {one: {at for whose, at in due.values() if whose == one} for one, _at in due.values()}


def book(world: World, shop: Shop, count: int) -> list[str]:
    """Appointments an hour apart, from noon tomorrow; the ids."""
    times = (tomorrow_noon() + timedelta(hours=n) for n in range(count))
    return [world.post(shop, wish(shop, at)).json()["id"] for at in times]


def due(n: int, *offsets: int) -> set[str]:
    """When reminders of the nth of `book` are due."""
    return {f"{tomorrow_noon() + timedelta(hours=n, seconds=-offset):%FT%TZ}" for offset in offsets}


async def test_a_moved_appointment_withdraws_its_reminder_and_asks_for_one_of_the_new_time(
    world: World,
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    appointment = world.post(shop, wish(shop, noon)).json()["id"]
    later = (noon + timedelta(hours=3)).isoformat()
    path = f"/v1/appointments/{appointment}"
    read = {"If-Match": world.call("GET", path, shop).headers["etag"]}
    moved = world.call("PATCH", path, shop, json={"starts_at": later}, headers=read)
    assert moved.status_code == 200, moved.text
    first, withdrawn, second = told(world, shop)
    assert [first["kind"], withdrawn["kind"], second["kind"]] == ["requested", "withdrawn", "requested"]
    assert withdrawn["reminder_id"] == first["reminder_id"] != second["reminder_id"]
    assert withdrawn["reason"] == "rescheduled"
    assert second["due_at"] == f"{noon + timedelta(hours=2):%FT%TZ}"
    assert second["appointment_version"] == first["appointment_version"] + 1


async def test_a_cancelled_appointment_withdraws_its_reminder(world: World) -> None:
    shop = await world.shop()
    appointment = world.post(shop, wish(shop, tomorrow_noon())).json()["id"]
    assert world.call("POST", f"/v1/appointments/{appointment}/cancel", shop).status_code == 200
    requested, withdrawn = told(world, shop)
    assert withdrawn["kind"] == "withdrawn"
    assert withdrawn["reminder_id"] == requested["reminder_id"]
    assert withdrawn["reason"] == "cancelled"


async def test_what_has_come_due_is_not_withdrawn_any_more(world: World) -> None:
    shop = await world.shop()
    appointment = world.post(shop, wish(shop, tomorrow_noon())).json()["id"]
    past = "UPDATE reminder SET due_at = now() - interval '1 minute' WHERE appointment_id = %s RETURNING 1"
    assert world.rows(past, appointment)
    assert world.call("POST", f"/v1/appointments/{appointment}/cancel", shop).status_code == 200
    assert [event["kind"] for event in told(world, shop)] == ["requested"]


async def test_a_changed_policy_withdraws_what_it_no_longer_wants_and_asks_for_what_it_does(
    world: World,
) -> None:
    """Of an appointment to come; of one that is cancelled nothing. A time already past is not asked for."""
    shop = await world.shop()
    noon = tomorrow_noon()
    cancelled = world.post(shop, wish(shop, noon)).json()["id"]
    assert world.call("POST", f"/v1/appointments/{cancelled}/cancel", shop).status_code == 200
    kept = world.post(shop, wish(shop, noon)).json()["id"]
    before = told(world, shop)
    await hear(world, shop, 1800, 7200, 90 * 24 * 3600)
    assert told(world, shop) == before
    await world.turn()
    changed = told(world, shop)[len(before) :]
    assert {event["appointment_id"] for event in changed} == {kept}
    assert [event["kind"] for event in changed] == ["withdrawn", "requested", "requested"]
    assert changed[0]["reminder_id"] == before[-1]["reminder_id"]
    assert changed[0]["reason"] == "policy-changed"
    assert {event["due_at"] for event in changed[1:]} == {
        f"{noon - timedelta(seconds=offset):%FT%TZ}" for offset in (1800, 7200)
    }


async def test_a_policy_that_changes_again_in_the_middle_is_followed_from_the_first_appointment_on(
    world: World,
) -> None:
    shop = await world.shop()
    ids = book(world, shop, 5)
    await hear(world, shop, 1800)
    assert await follow(world, shop, most=2)
    assert standing(world, shop) == {one: due(n, 1800 if n < 2 else 3600) for n, one in enumerate(ids)}
    await hear(world, shop, 7200, version=3)
    assert await follow(world, shop, most=2)
    await hear(world, shop, 600, version=2)  # come late: an older one
    assert await follow(world, shop, most=2)
    assert not await follow(world, shop, most=2)
    assert standing(world, shop) == {one: due(n, 7200) for n, one in enumerate(ids)}
    assert not await follow(world, shop, most=2)
    assert world.rows("SELECT 1 FROM reminder_alignment WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_what_befalls_an_appointment_while_a_policy_is_followed_comes_first_and_stands(
    world: World,
) -> None:
    """One is cancelled, one moved to before where the loop has come, one moved behind it, and one is new."""
    shop = await world.shop()
    ids = book(world, shop, 5)
    await hear(world, shop, 1800)
    assert await follow(world, shop, most=2)
    assert world.call("POST", f"/v1/appointments/{ids[2]}/cancel", shop).status_code == 200
    for one, hours in ((ids[3], -2), (ids[0], 7)):
        starts_at = (tomorrow_noon() + timedelta(hours=hours)).isoformat()
        path = f"/v1/appointments/{one}"
        moved = world.call("PATCH", path, shop, json={"starts_at": starts_at}, headers={"If-Match": "*"})
        assert moved.status_code == 200, moved.text
    new = world.post(shop, wish(shop, tomorrow_noon() + timedelta(hours=9))).json()["id"]
    while await follow(world, shop, most=2):
        pass
    expected = {ids[0]: 7, ids[1]: 1, ids[3]: -2, ids[4]: 4, new: 9}
    assert standing(world, shop) == {one: due(n, 1800) for one, n in expected.items()}


async def test_processes_that_follow_a_policy_at_once_do_it_once(world: World) -> None:
    """More appointments than one transaction takes, and both of the next one's processes are at them."""
    shop = await world.shop()
    ids = book(world, shop, 60)
    await hear(world, shop, 1800)
    async with world.opened() as db:
        async with asyncio.timeout(60):
            while world.rows("SELECT 1 FROM reminder_alignment WHERE tenant_id = %s", shop.tenant.tenant_id):
                await asyncio.gather(*(PolicyFollower(db).turn() for _ in range(4)))
    assert standing(world, shop) == {one: due(n, 1800) for n, one in enumerate(ids)}


async def test_a_policy_that_cannot_be_followed_holds_up_no_others(world: World) -> None:
    """The database refuses one business's reminders; it is tried again when its minute is over."""
    stuck, other = await world.shop(), await world.shop()
    ids = {shop.service_id: book(world, shop, 1)[0] for shop in (stuck, other)}
    for shop in (stuck, other):
        await hear(world, shop, 1800)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON reminder FOR EACH ROW"
            f" WHEN (NEW.tenant_id = '{stuck.tenant.tenant_id}') EXECUTE FUNCTION refuse()".encode()
        )

    def due_of(shop: Shop) -> set[str]:
        return standing(world, shop)[ids[shop.service_id]]

    async def to_the_end(loop: PolicyFollower) -> None:
        while await loop.turn() == 0:
            pass

    clock = [utc_now()]
    async with world.opened() as db:
        loop = PolicyFollower(db, clock=lambda: clock[0])
        await to_the_end(loop)
        assert (due_of(stuck), due_of(other)) == (due(0, 3600), due(0, 1800))
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute("DROP FUNCTION refuse CASCADE")
        await to_the_end(loop)
        assert due_of(stuck) == due(0, 3600)
        clock[0] += timedelta(minutes=1)
        await to_the_end(loop)
        assert due_of(stuck) == due(0, 1800)
