"""What a busy time of a staff member's other calendar does: nobody is offered it, until it is given back."""

from datetime import timedelta

from psycopg.types.range import Range

from integration.booking import waiting
from integration.booking.calendars import HERE, QUARTER, Importer, Server, offered, path_of, put, seen
from integration.booking.world import World, tomorrow_noon, wish

WORLD_ENV = HERE


async def test_a_busy_time_is_neither_offered_nor_booked(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    before = offered(world, shop)
    made = put(world, shop, server.url)
    assert (made["url"], made["last_fetch_at"], made["fault"], made["busy_times"]) == (
        server.url,
        None,
        None,
        0,
    )
    server.busy(
        (noon, noon + timedelta(hours=1)), (noon + timedelta(minutes=30), noon + timedelta(minutes=90))
    )
    assert await importer.turn(shop) == 1
    now = seen(world, shop)
    assert (now["busy_times"], now["fault"], now["failing_since"]) == (1, None, None)
    assert now["last_fetch_at"] == now["last_success_at"] is not None
    assert before - offered(world, shop) == {"11:45", "12:00", "12:15", "12:30", "12:45", "13:00", "13:15"}

    slot = {"service_id": str(shop.service_id), "starts_at": noon.isoformat()}
    refusals = [
        world.post(shop, wish(shop, noon)),
        world.call("POST", "/v1/appointments", shop, json=wish(shop, noon)),
        world.call("POST", f"/v1/public/{shop.tenant.slug}/holds", json=slot),
    ]
    later = world.post(shop, wish(shop, noon + timedelta(hours=2))).json()["id"]
    moved = {"starts_at": noon.isoformat()}
    refusals.append(
        world.call("PATCH", f"/v1/appointments/{later}", shop, json=moved, headers={"If-Match": "*"})
    )
    for refused in refusals:
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/slot-taken"), refused.text

    server.busy()
    importer.now += QUARTER
    await importer.turn(shop)
    assert world.post(shop, wish(shop, noon)).status_code == 201


async def test_one_who_is_busy_elsewhere_is_passed_over(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    put(world, shop, server.url)
    server.busy((noon, noon + timedelta(hours=1)))
    await importer.turn(shop)
    booked = world.post(shop, wish(shop, noon))
    assert booked.json()["staff_ids"] == [str(shop.staff[1])]
    assert world.post(shop, wish(shop, noon)).status_code == 409


async def test_what_stands_already_is_not_touched(world: World, server: Server, importer: Importer) -> None:
    """An appointment that overlaps a busy time can be confirmed, noted, cancelled, and moved away."""
    shop = await world.shop()
    noon = tomorrow_noon()
    booked = world.post(shop, wish(shop, noon)).json()["id"]
    put(world, shop, server.url)
    server.busy((noon - timedelta(hours=1), noon + timedelta(hours=1)))
    await importer.turn(shop)
    path = f"/v1/appointments/{booked}"
    assert world.call("GET", path, shop).json()["status"] == "confirmed"
    away = {"starts_at": (noon + timedelta(hours=4)).isoformat()}
    assert world.call("PATCH", path, shop, json=away, headers={"If-Match": "*"}).status_code == 200


async def test_our_own_feed_does_not_block_its_own_appointments(
    world: World, server: Server, importer: Importer
) -> None:
    """Its event would keep the time when the appointment is moved or cancelled. Another business's blocks."""
    shop, elsewhere = await world.shop(), await world.shop()
    noon = tomorrow_noon()
    booked = world.post(shop, wish(shop, noon)).json()["id"]
    other = world.post(elsewhere, wish(elsewhere, noon + timedelta(hours=3))).json()["id"]
    events = ""
    for appointment, start in ((booked, noon), (other, noon + timedelta(hours=3))):
        events += (
            f"BEGIN:VEVENT\r\nUID:{appointment}@slotwright\r\nDTSTART:{start:%Y%m%dT%H%M%SZ}\r\n"
            "DURATION:PT30M\r\nEND:VEVENT\r\n"
        )
    server.body = f"BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n".encode()
    put(world, shop, server.url)
    await importer.turn(shop)
    assert seen(world, shop)["busy_times"] == 1
    world.call("POST", f"/v1/appointments/{booked}/cancel", shop)
    assert world.post(shop, wish(shop, noon)).status_code == 201
    assert world.post(shop, wish(shop, noon + timedelta(hours=3))).status_code == 409


async def test_who_is_a_colleagues_customer_is_busy_then(
    world: World, server: Server, importer: Importer
) -> None:
    """The appointment's own mail put it into her calendar; what it takes is his time, not hers."""
    shop = await world.shop(staff=2)
    she, he = (str(each) for each in shop.staff)
    noon = tomorrow_noon()
    visit = world.post(shop, wish(shop, noon, staff_id=he)).json()["id"]
    server.body = (
        f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:{visit}@slotwright\r\nDTSTART:{noon:%Y%m%dT%H%M%SZ}\r\n"
        "DURATION:PT30M\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()
    put(world, shop, server.url)
    await importer.turn(shop)
    assert seen(world, shop)["busy_times"] == 1
    assert world.post(shop, wish(shop, noon, staff_id=she)).status_code == 409


async def test_another_address_forgets_the_first_ones_times_and_the_same_one_does_not(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    assert put(world, shop, server.url)["busy_times"] == 1
    assert put(world, shop, f"{server.url}?other")["busy_times"] == 0
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    told = world.call("GET", "/v1/audit", shop, params={"entity": str(shop.staff[0])}).json()["items"]
    assert [entry["action"] for entry in told] == ["busy-calendar.set"] * 2
    assert server.url not in str(told)


async def test_a_withdrawn_calendar_gives_its_times_back(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    assert world.call("DELETE", path_of(shop), shop).status_code == 204
    assert world.call("GET", path_of(shop), shop).status_code == 404
    assert world.call("DELETE", path_of(shop), shop).status_code == 404
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    importer.now += QUARTER
    assert await importer.turn(shop) == 0


async def test_what_a_calendar_gives_back_is_offered_to_who_waits(
    world: World, server: Server, importer: Importer
) -> None:
    """By an event that is gone, by another address, by the calendar's withdrawal."""
    noon = tomorrow_noon()
    hour = (noon, noon + timedelta(hours=1))
    for gives_back in ("gone", "readdressed", "withdrawn"):
        shop = await world.shop()
        put(world, shop, server.url)
        server.busy(hour)
        importer.now += QUARTER
        await importer.turn(shop)
        entry = waiting.join(world, shop)
        await world.turn()
        assert waiting.seen(world, entry)["state"] == "waiting"
        if gives_back == "gone":
            server.busy()
            importer.now += QUARTER
            await importer.turn(shop)
        elif gives_back == "readdressed":
            put(world, shop, f"{server.url}?other")
        else:
            world.call("DELETE", path_of(shop), shop)
        await world.turn()
        assert waiting.seen(world, entry)["state"] == "offered", gives_back


async def test_who_waits_hears_only_of_what_has_become_free(
    world: World, server: Server, importer: Importer
) -> None:
    """A calendar that comes anew each time (it has no tag) does not have the whole line looked at each time."""
    shop = await world.shop()
    put(world, shop, server.url)
    noon = tomorrow_noon()
    first, second = ((noon + timedelta(days=day), noon + timedelta(days=day, hours=1)) for day in (0, 1))
    server.busy(first, second)
    await importer.turn(shop)
    waiting.join(world, shop)
    heard = "SELECT during FROM freed_time WHERE tenant_id = %s"
    kept = "SELECT busy_id FROM external_busy WHERE tenant_id = %s ORDER BY begins_at"
    before = world.rows(kept, shop.tenant.tenant_id)
    server.body += b"\r\n"
    importer.now += QUARTER
    await importer.turn(shop)
    assert len(server.asked) == 2
    assert world.rows(kept, shop.tenant.tenant_id) == before
    assert world.rows(heard, shop.tenant.tenant_id) == []
    later = (second[0] + timedelta(days=1), second[1] + timedelta(days=1))
    server.busy(first, later)
    importer.now += QUARTER
    await importer.turn(shop)
    after = world.rows(kept, shop.tenant.tenant_id)
    assert (after[0], len(after)) == (before[0], 2)
    assert [row["during"] for row in world.rows(heard, shop.tenant.tenant_id)] == [Range(*second)]


async def test_a_calendar_is_the_owners_and_the_businesss_own(
    world: World, server: Server, importer: Importer
) -> None:
    ours, theirs = await world.shop(), await world.shop()
    put(world, theirs, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(theirs)
    for method in ("PUT", "GET", "DELETE"):
        body = {"url": server.url} if method == "PUT" else None
        assert world.call(method, path_of(theirs), ours, json=body).status_code == 404
        assert world.call(method, path_of(theirs), theirs, role="staff", json=body).status_code == 403
        assert world.call(method, path_of(theirs), json=body).status_code == 401
    assert seen(world, theirs)["busy_times"] == 1
    assert world.post(ours, wish(ours, tomorrow_noon())).status_code == 201
