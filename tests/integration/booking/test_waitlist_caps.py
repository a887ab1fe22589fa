"""So many places on the waitlist for one client, one for a customer and service, and ended ones are dropped."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from booking.waitlist.domain import KEEP_ENDED
from booking.workers import Leftovers
from integration.booking.holding import kept
from integration.booking.waiting import EXPIRED, accept, cancel, full_shop, join, seen, try_to_join
from integration.booking.world import Shop, World, problem, service, together, tomorrow_noon
from servicekit.ids import new_id

HERE, THERE = "198.51.100.7", "203.0.113.9"
MOST = 10


def too_many(answer: httpx.Response) -> None:
    problem(answer, 429, "too-many-waitlist-entries")


def entries(world: World, shop: Shop) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM waitlist_entry WHERE tenant_id = %s", shop.tenant.tenant_id)


def leave(world: World, entry: dict[str, Any]) -> None:
    left = world.call("DELETE", f"/v1/public/waitlist/{entry['token']}")
    assert (left.status_code, left.json()["state"]) == (200, "left")


def people(count: int) -> list[str]:
    return [f"N{number:02}" for number in range(count)]


# so many for one client


async def test_one_address_has_ten_places_of_a_business_at_a_time(world: World) -> None:
    (shop, (first, _second)), (other, _tokens) = await full_shop(world), await full_shop(world)
    mine = [join(world, shop, name, address=HERE) for name in people(MOST)]
    refused = try_to_join(world, shop, "Eve", address=HERE)
    too_many(refused)
    assert refused.json()["limit"] == MOST
    ends = tomorrow_noon() + timedelta(hours=1) - datetime.now(UTC)
    assert abs(int(refused.headers["Retry-After"]) - ends.total_seconds()) < 60
    assert len(entries(world, shop)) == MOST
    assert (
        world.rows("SELECT 1 FROM customer WHERE tenant_id = %s AND name = 'Eve'", shop.tenant.tenant_id)
        == []
    )
    join(world, other, "Eve", address=HERE)
    join(world, shop, "Eve", address=THERE)

    leave(world, mine[9])
    join(world, shop, "Fay", address=HERE)
    too_many(try_to_join(world, shop, "Gil", address=HERE))

    assert world.call("DELETE", f"/v1/waitlist/{mine[8]['id']}", shop).status_code == 204
    join(world, shop, "Gil", address=HERE)
    cancel(world, first)
    await world.turn()
    assert seen(world, mine[0])["state"] == "offered"
    too_many(try_to_join(world, shop, "Hal", address=HERE))
    assert accept(world, mine[0]).status_code == 201
    join(world, shop, "Hal", address=HERE)
    too_many(try_to_join(world, shop, "Ida", address=HERE))


async def test_one_address_is_offered_no_more_times_at_once_than_it_has_places(world: World) -> None:
    shop = await world.shop()
    day = {"to": (tomorrow_noon() + timedelta(hours=20)).isoformat()}
    answers = [try_to_join(world, shop, name, address=HERE, **day) for name in people(2 * MOST)]
    assert Counter(answer.status_code for answer in answers) == {201: MOST, 429: MOST}
    await world.turn()
    await world.turn(later=EXPIRED)  # each is offered another time
    assert len({row["hold_id"] for row in world.taken(shop)}) == MOST


async def test_of_30_requests_at_once_from_each_of_two_addresses_ten_are_granted(world: World) -> None:
    shop, _tokens = await full_shop(world)
    addresses = (HERE, THERE)
    calls = [
        partial(try_to_join, world, shop, name, address=addresses[number % 2])
        for number, name in enumerate(people(60))
    ]
    assert Counter(answer.status_code for answer in together(calls)) == {201: 2 * MOST, 429: 40}
    counted = Counter(bytes(row["client"]) for row in entries(world, shop))
    assert list(counted.values()) == [MOST, MOST]


async def test_whose_days_have_passed_counts_no_longer_though_no_loop_has_come_by(world: World) -> None:
    shop, _tokens = await full_shop(world)
    for name in people(MOST):
        join(world, shop, name, address=HERE)
    passed = "earliest = now() - interval '2 h', latest = now() - interval '1 h'"
    statement = f"UPDATE waitlist_entry SET {passed} WHERE tenant_id = %s RETURNING 1"
    assert len(world.rows(statement, shop.tenant.tenant_id)) == MOST
    again = join(world, shop, people(1)[0], address=HERE)
    await world.turn()
    states = Counter(row["state"] for row in entries(world, shop))
    assert states == {"over": MOST, "waiting": 1}
    assert seen(world, again)["state"] == "waiting"


async def test_a_request_repeated_under_its_key_counts_once(world: World) -> None:
    shop, _tokens = await full_shop(world)
    for name in people(MOST - 1):
        join(world, shop, name, address=HERE)
    last = partial(try_to_join, world, shop, "Eve", address=HERE, key="last")
    answers = together([last] * 8)
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    assert len({answer.text for answer in answers}) == 1
    more = partial(try_to_join, world, shop, "Fay", address=HERE, key="more")
    too_many(more())
    assert last().status_code == 201, "it has its answer"
    leave(world, answers[0].json())
    assert more().status_code == 201, "the key was free"


async def test_what_the_release_before_has_added_counts_for_nobody(world: World) -> None:
    shop, _tokens = await full_shop(world)
    for name in people(MOST):
        join(world, shop, name, address=HERE)
    too_many(try_to_join(world, shop, "Eve", address=HERE))
    first = f"SELECT entry_id FROM waitlist_entry WHERE tenant_id = '{shop.tenant.tenant_id}' LIMIT 1"
    assert world.rows(f"UPDATE waitlist_entry SET client = NULL WHERE entry_id = ({first}) RETURNING 1")
    join(world, shop, "Eve", address=HERE)


async def test_no_address_is_stored_and_what_stands_for_it_goes_with_the_place(world: World) -> None:
    shops = [await world.shop(), await world.shop()]
    places = [join(world, shop, address=HERE) for shop in shops]
    kept(world, shops[0], tomorrow_noon() + timedelta(hours=4), address=HERE)
    digests = [bytes(entries(world, shop)[0]["client"]) for shop in shops]
    held = "SELECT client FROM hold WHERE tenant_id = %s AND client IS NOT NULL"
    digests += [bytes(row["client"]) for row in world.rows(held, shops[0].tenant.tenant_id)]
    assert [len(digest) for digest in digests] == [16] * 3
    assert len(set(digests)) == 3, "other at each business, and for each kind"
    for digest in digests:
        assert bytes(map(int, HERE.split("."))) not in digest
    await world.turn()
    assert accept(world, places[0]).status_code == 201
    leave(world, places[1])
    assert [entries(world, shop)[0]["client"] for shop in shops] == [None, None]


# one for a customer and service


async def test_a_customer_has_one_place_in_line_for_a_service(world: World) -> None:
    shop, _tokens = await full_shop(world)
    await world.tell(shop, other := service(shop, service_id=new_id(), name="Shave"))
    first = join(world, shop)
    week = timedelta(days=7)
    other_days = {
        "from": (tomorrow_noon() + week).isoformat(),
        "to": (tomorrow_noon() + 2 * week).isoformat(),
    }
    for more in ({}, other_days, {"address": HERE}):
        problem(try_to_join(world, shop, **more), 409, "already-waiting")
    assert [str(row["entry_id"]) for row in entries(world, shop)] == [first["id"]]
    kept_as_it_was = world.rows(
        "SELECT version FROM customer WHERE name = 'Ann' AND tenant_id = %s", shop.tenant.tenant_id
    )
    assert kept_as_it_was == [{"version": 1}]
    join(world, shop, "Bob")
    join(world, shop, service_id=str(other.service_id))
    leave(world, first)
    again = join(world, shop, **other_days)
    await world.turn()
    assert seen(world, again)["state"] == "offered"
    problem(try_to_join(world, shop), 409, "already-waiting")
    assert accept(world, again).status_code == 201
    join(world, shop)


async def test_of_eight_who_join_at_once_as_one_customer_one_is_granted(world: World) -> None:
    shop, _tokens = await full_shop(world)
    calls = [partial(try_to_join, world, shop, address=f"198.51.100.{number}") for number in range(8)]
    assert Counter(answer.status_code for answer in together(calls)) == {201: 1, 409: 7}
    assert len(entries(world, shop)) == 1


# what has ended


async def test_what_has_left_the_line_is_dropped_some_time_later(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    far = {"from": (noon + timedelta(days=300)).isoformat(), "to": (noon + timedelta(days=301)).isoformat()}
    waiting, left = join(world, shop, "Ann", **far), join(world, shop, "Bob", **far)
    booked = join(world, shop, "Cas")
    await world.turn()
    # As if they had waited for long: what counts is when they left.
    long_ago = (
        "UPDATE waitlist_entry SET state_since = now() - interval '1 year' WHERE tenant_id = %s RETURNING 1"
    )
    assert len(world.rows(long_ago, shop.tenant.tenant_id)) == 3
    appointment = accept(world, booked).json()
    leave(world, left)
    for days, there in ((-1, [200, 200, 200]), (1, [200, 404, 404])):

        def clock(days: int = days) -> datetime:
            return datetime.now(UTC) + KEEP_ENDED + timedelta(days=days)

        async with world.opened() as db:
            await Leftovers(db, clock=clock).turn()
        links = [f"/v1/public/waitlist/{entry['token']}" for entry in (waiting, left, booked)]
        assert [world.call("GET", link).status_code for link in links] == there
    assert world.rows("SELECT 1 FROM waitlist_offer WHERE tenant_id = %s", shop.tenant.tenant_id) == []
    assert world.call("GET", f"/v1/public/appointments/{appointment['token']}").status_code == 200
