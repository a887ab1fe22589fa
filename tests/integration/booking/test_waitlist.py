"""The waitlist on a real Postgres: what becomes free is kept for the first in line, for one at a time.

The loops are turned by the tests, by a clock that can be ahead; the routes are served by a process.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from booking.catalog import CatalogFollower
from contracts.business import Hours
from contracts.documents import asyncapi
from contracts.platform import Limits, TenantState
from integration.booking.waiting import (
    EXPIRED,
    LATER,
    accept,
    cancel,
    full_shop,
    join,
    offers,
    seen,
    try_to_join,
)
from integration.booking.world import OFFER_SECONDS, World, tomorrow_noon, wish, works_all_day
from servicekit.ids import new_id
from support.tenants import know, new_tenant


async def test_a_cancellation_is_offered_kept_and_taken(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    entry = join(world, shop)
    assert entry["url"].endswith(f"/waitlist/{entry['token']}")
    await world.turn()
    assert (seen(world, entry)["state"], offers(world, shop)) == ("waiting", [])
    cancel(world, first)
    await world.turn()
    offered = seen(world, entry)
    assert offered["state"] == "offered"
    assert offered["offer"]["starts_at"] == tomorrow_noon().isoformat().replace("+00:00", "Z")
    assert [person["name"] for person in offered["staff"]] == ["Ada"]
    (told,) = offers(world, shop)
    assert "ann" not in str(told).lower(), "ids and times only"
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=OFFER_SECONDS - 60) < left <= timedelta(seconds=OFFER_SECONDS)
    # Nobody else can have it meanwhile, and it is not shown as free.
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 409
    booked = accept(world, entry)
    assert booked.status_code == 201, booked.text
    assert booked.json()["id"] == told["offer_id"]
    again = accept(world, entry)
    assert (again.status_code, again.json()["token"]) == (201, booked.json()["token"])
    mine = seen(world, entry)
    assert (mine["state"], mine["offer"], mine["manage_url"]) == (
        "booked",
        None,
        booked.json()["manage_url"],
    )
    kept = world.call("GET", f"/v1/appointments/{booked.json()['id']}", shop).json()
    assert (kept["source"], kept["status"], kept["customer"]["name"]) == ("waitlist", "confirmed", "Ann")
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s", shop.tenant.tenant_id)
    assert used == [{"used": 3}]


async def test_a_business_finds_in_its_own_stream_what_the_stream_is_said_to_hold(world: World) -> None:
    """An offer beside bookings and cancellations; reminders and customers are not for it."""
    tenant = new_tenant()
    stream = tenant.event_stream.model_copy(update={"enabled": True})
    shop, (first, _second) = await full_shop(world, tenant=tenant.model_copy(update={"event_stream": stream}))
    join(world, shop)
    cancel(world, first)
    await world.turn()
    copied = world.rows("SELECT headers->>'ce_type' AS type FROM outbox WHERE topic = %s", stream.topic)
    types = {row["type"] for row in copied}
    assert "booking.waitlist.offered.v1" in types
    assert types <= asyncapi()["channels"]["tenant.{slug}.events.v1"]["messages"].keys()


async def test_an_offer_that_nobody_takes_goes_to_the_next_in_line(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob")
    cancel(world, first)
    await world.turn()
    assert [seen(world, entry)["state"] for entry in (ann, bob)] == ["offered", "waiting"]
    await world.turn(later=EXPIRED)
    assert [seen(world, entry)["state"] for entry in (ann, bob)] == ["waiting", "offered"]
    late = accept(world, ann)
    assert late.status_code == 409
    assert late.json()["type"].endswith("/problems/offer-expired")
    assert accept(world, bob).status_code == 201
    assert [told["entry_id"] for told in offers(world, shop)] == [ann["id"], bob["id"]]


async def test_an_offer_that_ran_out_cannot_be_taken_though_no_loop_has_seen_it(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    entry = join(world, shop)
    cancel(world, first)
    await world.turn(later=-EXPIRED)  # so that it has run out by the process's clock
    assert seen(world, entry)["state"] == "offered"
    problem = accept(world, entry).json()
    assert problem["type"].endswith("/problems/offer-expired")
    assert "when there is another one" in problem["detail"]
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201


async def test_who_lets_three_offers_pass_leaves_the_list(world: World) -> None:
    """Three different times, each of them kept for its quarter of an hour."""
    shop, tokens = await full_shop(world)
    third = world.post(shop, wish(shop, tomorrow_noon() + timedelta(hours=1)))
    entry = join(world, shop, to=(tomorrow_noon() + timedelta(minutes=90)).isoformat())
    for number, token in enumerate([*tokens, third.json()["token"]]):
        cancel(world, token)
        await world.turn(later=number * EXPIRED)
        assert seen(world, entry)["state"] == "offered", number
        await world.turn(later=(number + 1) * EXPIRED)
        if number < 2:
            assert seen(world, entry)["state"] == "waiting", "not the same time again"
    assert seen(world, entry)["state"] == "unanswered"
    starts = [told["starts_at"] for told in offers(world, shop)]
    assert len(set(starts)) == len(starts) == 3
    problem = accept(world, entry).json()
    assert problem["type"].endswith("/problems/offer-expired")
    assert "has ended" in problem["detail"], "nobody tells them of another one"


async def test_time_that_is_free_when_somebody_joins_is_offered_at_once(world: World) -> None:
    shop = await world.shop()
    entry = join(world, shop)
    await world.turn()
    assert seen(world, entry)["state"] == "offered"


async def test_an_offer_tells_which_version_of_the_customer_it_is_for(world: World) -> None:
    """Who writes to them hears of both by different topics, and must not go by what was said before."""
    shop = await world.shop()
    body = wish(shop, tomorrow_noon() + LATER, consent={"email": False})
    assert world.post(shop, body).status_code == 201
    join(world, shop, customer=body["customer"])
    await world.turn()
    assert [told["customer_version"] for told in offers(world, shop)] == [2]


async def test_each_gets_what_fits_and_the_first_in_line_is_first(world: World) -> None:
    shop, tokens = await full_shop(world)
    noon = tomorrow_noon()
    evening = {"from": (noon + LATER).isoformat(), "to": (noon + 2 * LATER).isoformat()}
    assert world.post(shop, wish(shop, noon + LATER)).status_code == 201
    names = ("Ann", "Bob", "Cas")
    second_half = {"from": (noon + timedelta(minutes=30)).isoformat()}
    ann, bob, cas = (
        join(world, shop, name, **fields) for name, fields in zip(names, (second_half, {}, {}), strict=True)
    )
    elsewhere = join(
        world, shop, "Dan", **evening | {"to": (noon + LATER + timedelta(minutes=30)).isoformat()}
    )
    for token in tokens:
        cancel(world, token)
    await world.turn()
    given = {told["entry_id"]: datetime.fromisoformat(told["starts_at"]) for told in offers(world, shop)}
    assert given == {ann["id"]: noon + timedelta(minutes=30), bob["id"]: noon}
    assert [seen(world, entry)["state"] for entry in (cas, elsewhere)] == ["waiting", "waiting"]


async def test_only_the_person_who_is_wished_for_is_offered(world: World) -> None:
    shop = await world.shop(staff=2, slot_step_minutes=60)
    noon = tomorrow_noon()
    one, two = shop.staff
    tokens = {}
    for staff_id in shop.staff:
        body = wish(shop, noon, staff_id=str(staff_id))
        tokens[staff_id] = world.post(shop, body).json()["token"]
    entry = join(world, shop, staff_id=str(two))
    cancel(world, tokens[one])
    await world.turn()
    assert seen(world, entry)["state"] == "waiting"
    cancel(world, tokens[two])
    await world.turn()
    assert seen(world, entry)["offer"]["staff_ids"] == [str(two)]


async def test_a_move_and_a_hold_that_ran_out_make_offers_too(world: World) -> None:
    shop, (first, second) = await full_shop(world)
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob")
    await world.turn()
    moved = {"starts_at": (tomorrow_noon() + LATER).isoformat()}
    assert world.call("PATCH", f"/v1/public/appointments/{first}", json=moved).status_code == 200
    await world.turn()
    assert seen(world, ann)["state"] == "offered"
    cancel(world, second)
    slot = {
        "service_id": str(shop.service_id),
        "starts_at": (tomorrow_noon() + timedelta(minutes=30)).isoformat(),
    }
    assert world.call("POST", f"/v1/public/{shop.tenant.slug}/holds", json=slot).status_code == 201
    await world.turn()
    assert seen(world, bob)["state"] == "waiting", "somebody is typing"
    await world.turn(later=timedelta(minutes=6))  # a hold lasts five
    assert seen(world, bob)["state"] == "offered"


async def test_leaving_gives_the_offer_to_the_next_and_is_final(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    ann, bob = join(world, shop, "Ann"), join(world, shop, "Bob")
    cancel(world, first)
    await world.turn()
    for _ in range(2):
        left = world.call("DELETE", f"/v1/public/waitlist/{ann['token']}")
        assert (left.status_code, left.json()["state"], left.json()["offer"]) == (200, "left", None)
    await world.turn()
    assert seen(world, bob)["state"] == "offered"
    assert accept(world, ann).status_code == 409


async def test_the_business_sees_removes_and_offers_by_hand(world: World) -> None:
    shop, (first, second) = await full_shop(world)
    ann, bob, cas = (join(world, shop, name) for name in ("Ann", "Bob", "Cas"))
    page = world.call("GET", "/v1/waitlist", shop, params={"limit": 2}).json()
    rest = world.call("GET", "/v1/waitlist", shop, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    listed = page["items"] + rest["items"]
    assert [item["customer"]["name"] for item in listed] == ["Ann", "Bob", "Cas"]
    assert {(item["state"], item["offers"], item["offer"]) for item in listed} == {("waiting", 0, None)}
    assert listed[0]["from"] == tomorrow_noon().isoformat().replace("+00:00", "Z")
    assert world.call("GET", f"/v1/waitlist/{bob['id']}", shop).json() == listed[1]
    assert world.call("DELETE", f"/v1/waitlist/{ann['id']}", shop).status_code == 204
    assert seen(world, ann)["state"] == "removed"
    cancel(world, first)
    path, body = f"/v1/waitlist/{cas['id']}/offer", {"starts_at": tomorrow_noon().isoformat()}
    key = {"Idempotency-Key": "by-hand"}
    by_hand = world.call("POST", path, shop, json=body, headers=key)
    assert by_hand.status_code == 201, by_hand.text
    assert by_hand.json()["state"] == "offered"
    assert world.call("POST", path, shop, json=body, headers=key).text == by_hand.text
    assert world.call("POST", path, shop, json=body).status_code == 409, "it has an offer"
    taken = world.call("POST", f"/v1/waitlist/{bob['id']}/offer", shop, json=body)
    assert taken.json()["type"].endswith("/problems/slot-taken")
    assert (
        world.call("GET", "/v1/waitlist", shop, params={"state": "offered"}).json()["items"][0]["id"]
        == cas["id"]
    )
    assert accept(world, cas).status_code == 201
    assert second
    other = await world.shop()
    assert world.call("GET", f"/v1/waitlist/{bob['id']}", other).status_code == 404
    assert world.call("DELETE", f"/v1/waitlist/{bob['id']}", other).status_code == 404
    assert world.call("POST", f"/v1/waitlist/{bob['id']}/offer", other, json=body).status_code == 404
    assert world.call("GET", "/v1/waitlist", other).json()["items"] == []
    assert world.call("GET", "/v1/waitlist").status_code == 401


async def test_notice_and_booking_window_hold_for_offers(world: World) -> None:
    shop = await world.shop(minimum_notice_minutes=3 * 1440)
    short = await world.shop(booking_window_days=1)
    next_week = tomorrow_noon() + timedelta(days=7)
    soon = join(world, shop)
    far = join(
        world, short, **{"from": next_week.isoformat(), "to": (next_week + timedelta(hours=1)).isoformat()}
    )
    await world.turn()
    assert [seen(world, entry)["state"] for entry in (soon, far)] == ["waiting", "waiting"]
    # The window moves on: a look without an event, as the clock alone has made it bookable.
    await world.turn(later=next_week - timedelta(hours=12) - datetime.now(UTC))
    assert [seen(world, entry)["state"] for entry in (soon, far)] == ["over", "offered"]


async def test_an_offer_ends_at_the_start_at_the_latest(world: World) -> None:
    shop = await world.shop(slot_step_minutes=5)
    begin = datetime.now(UTC) + timedelta(minutes=5)
    join(world, shop, **{"from": begin.isoformat(), "to": (begin + timedelta(minutes=6)).isoformat()})
    await world.turn()
    (told,) = offers(world, shop)
    assert told["expires_at"] == told["starts_at"]


async def test_a_plan_without_bookings_left_refuses_the_acceptance_and_the_offer_stands(
    world: World,
) -> None:
    shop, (first, _second) = await full_shop(world, tenant=new_tenant(limits=Limits(bookings_per_month=2)))
    entry = join(world, shop)
    cancel(world, first)
    await world.turn()
    refused = accept(world, entry)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/problems/quota-exceeded")
    assert seen(world, entry)["state"] == "offered"


async def test_a_suspended_business_offers_nothing_until_it_is_active_again(world: World) -> None:
    shop, (first, _second) = await full_shop(world)
    entry = join(world, shop)
    suspended = shop.tenant.model_copy(update={"generation": 2, "state": TenantState.SUSPENDED})
    async with world.opened() as db:
        await know(db, suspended)
        cancel(world, first)
        await world.turn()
        assert seen(world, entry)["state"] == "waiting"
        assert try_to_join(world, shop, "Bob").json()["type"].endswith("/problems/tenant-suspended")
        await know(db, shop.tenant.model_copy(update={"generation": 3}))
    await world.turn()
    assert seen(world, entry)["state"] == "offered"


async def test_a_pending_confirmation_is_the_businesss_here_too(world: World) -> None:
    shop = await world.shop(requires_confirmation=True)
    entry = join(world, shop)
    await world.turn()
    assert accept(world, entry).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"consent": {"email": False}}, "/consent/email"),
        ({"consent": {"email": True, "sms": True}}, "/customer/phone"),
        ({"to": "2020-01-01T00:00:00Z"}, "/to"),
        ({"to": "2098-01-01T00:00:00Z"}, "/to"),
        ({"from": "2098-01-01T00:00:00Z", "to": "2098-01-02T00:00:00Z"}, "/from"),
        ({"from": "tomorrow"}, "/from"),
        ({"from": "2020-01-01T00:00:00Z"}, "/from"),
        ({"service_id": str(new_id())}, "/service_id"),
        ({"staff_id": str(new_id())}, "/staff_id"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"earliest": "2030-01-01T00:00:00Z"}, "/earliest"),
    ],
)
async def test_what_cannot_be_waited_for_is_named(world: World, change: dict[str, Any], pointer: str) -> None:
    shop = await world.shop()
    answer = try_to_join(world, shop, **change)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text
    assert world.rows("SELECT 1 FROM customer WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_links_are_each_for_one_thing(world: World) -> None:
    shop = await world.shop()
    appointment = world.post(shop, wish(shop, tomorrow_noon())).json()["token"]
    entry = join(world, shop)["token"]
    assert world.call("GET", f"/v1/public/waitlist/{appointment}").status_code == 404
    assert world.call("GET", f"/v1/public/appointments/{entry}").status_code == 404
    assert world.call("POST", f"/v1/public/waitlist/{'A' * 67}/accept").status_code == 404


async def test_hours_that_are_added_make_an_offer(world: World) -> None:
    """Who waits is looked at again by the catalog's own code, which hears of the new hours."""
    shop = await world.shop()
    tenant_id, staff_id = shop.tenant.tenant_id, shop.staff[0]
    closed = works_all_day(tenant_id, staff_id).model_copy(update={"version": 2, "weekly_hours": []})
    async with world.opened() as db:
        async with db.tenant(tenant_id) as conn:
            await CatalogFollower().staff_changed(conn, closed)
        entry = join(world, shop)
        await world.turn()
        assert seen(world, entry)["state"] == "waiting"
        hours = [Hours(weekday=day, opens=time(0), closes=time(0)) for day in range(7)]
        opened = closed.model_copy(update={"version": 3, "weekly_hours": hours})
        async with db.tenant(tenant_id) as conn:
            await CatalogFollower().staff_changed(conn, opened)
    await world.turn()
    assert seen(world, entry)["state"] == "offered"
