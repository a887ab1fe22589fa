"""Teams, rooms and lanes under contention: exactly what is admissible is booked, and nothing fails."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.business import ResourceNeed, ServiceChanged
from integration.booking.holding import give_back, keep, kept, let_run_out
from integration.booking.world import Shop, World, room, service, together, tomorrow_noon, wish
from servicekit.ids import new_id

CLIENTS = 32


def book(world: World, shop: Shop, starts_at: datetime, **fields: Any) -> Callable[[], httpx.Response]:
    return lambda: world.post(shop, wish(shop, starts_at, **fields))


def needs(*resource_ids: UUID, count: int = 1) -> ResourceNeed:
    return ResourceNeed(resource_ids=list(resource_ids), count=count)


def holds_together(world: World, shop: Shop) -> None:
    """Of what is taken: no lane by two sessions at once, and each owner with all that its record says."""
    overlaps = world.rows(
        "SELECT 1 FROM allocation a JOIN allocation b USING (tenant_id, resource_id, lane)"
        " WHERE tenant_id = %s AND a.allocation_id < b.allocation_id AND a.session_id <> b.session_id"
        " AND a.during && b.during AND a.state <> 'released' AND b.state <> 'released'",
        shop.tenant.tenant_id,
    )
    assert overlaps == []
    records = world.rows(
        "SELECT appointment_id AS id, resource_ids FROM appointment WHERE tenant_id = %(id)s"
        " AND status IN ('pending', 'confirmed')"
        " UNION ALL SELECT hold_id, resource_ids FROM hold WHERE tenant_id = %(id)s".replace(
            "%(id)s", f"'{shop.tenant.tenant_id}'"
        )
    )
    mine: dict[UUID, set[UUID]] = {}
    for row in world.taken(shop):
        mine.setdefault(row["appointment_id"] or row["hold_id"], set()).add(row["resource_id"])
    assert mine == {record["id"]: set(record["resource_ids"]) for record in records}


@pytest.mark.parametrize(("staff", "count", "granted"), [(3, 2, 1), (4, 2, 2), (5, 2, 2), (2, 3, 0)])
async def test_as_many_teams_are_booked_as_can_be_made(
    world: World, staff: int, count: int, granted: int
) -> None:
    shop = await world.shop(staff=staff, staff_count=count)
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    refused = 409 if granted else 422
    assert Counter(answer.status_code for answer in answers) == Counter(
        {201: granted, refused: CLIENTS - granted} if granted else {refused: CLIENTS}
    )
    rows = world.taken(shop)
    assert len(rows) == granted * count
    assert len({row["resource_id"] for row in rows}) == len(rows)
    holds_together(world, shop)


async def test_a_room_that_two_services_share_is_taken_once(world: World) -> None:
    """Each has staff of its own, so that only the room stands between them."""
    shop = await world.shop(staff=4)
    shared = room(shop)
    other = Shop(shop.tenant, shop.staff[2:], new_id())
    await world.tell(
        shop,
        shared,
        service(shop, version=2, staff_ids=shop.staff[:2], needs=[needs(shared.resource_id)]),
        service(other, needs=[needs(shared.resource_id)], duration_minutes=60),
    )
    answers = together([book(world, each, tomorrow_noon()) for each in (shop, other)] * (CLIENTS // 2))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CLIENTS - 1}
    assert len(world.taken(shop)) == 2
    holds_together(world, shop)


async def test_identical_chairs_are_taken_one_by_one(world: World) -> None:
    shop = await world.shop(staff=6)
    chairs = room(shop, capacity=3)
    await world.tell(shop, chairs, service(shop, version=2, needs=[needs(chairs.resource_id)]))
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: CLIENTS - 3}
    lanes = [row["lane"] for row in world.taken(shop) if row["resource_id"] == chairs.resource_id]
    assert sorted(lanes) == [0, 1, 2]
    holds_together(world, shop)


async def test_a_service_takes_several_places_of_several_rooms(world: World) -> None:
    shop = await world.shop(staff=6)
    beds, lamp = room(shop, capacity=5), room(shop, capacity=9)
    await world.tell(
        shop,
        beds,
        lamp,
        service(shop, version=2, needs=[needs(beds.resource_id, count=2), needs(lamp.resource_id)]),
    )
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: CLIENTS - 2}
    assert len(world.taken(shop)) == 2 * 4
    holds_together(world, shop)


async def test_who_is_asked_for_is_in_the_team(world: World) -> None:
    shop = await world.shop(staff=4, staff_count=2)
    noon = tomorrow_noon()
    for chosen in shop.staff[2:]:
        answer = world.post(shop, wish(shop, noon, staff_id=str(chosen)))
        assert answer.status_code == 201, answer.text
        assert answer.json()["staff_ids"][0] == str(chosen)
    assert world.post(shop, wish(shop, noon, staff_id=str(shop.staff[2]))).status_code == 409
    holds_together(world, shop)


async def test_a_class_shares_its_team_and_its_room(world: World) -> None:
    """Four people make two teams, and there are two rooms: two sessions of three places each, filled one by one."""
    shop = await world.shop(staff=4)
    rooms = [room(shop), room(shop)]
    need = needs(*(item.resource_id for item in rooms))
    await world.tell(shop, *rooms, service(shop, version=2, capacity=3, staff_count=2, needs=[need]))
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: 6, 409: CLIENTS - 6}
    sessions = Counter(
        frozenset(answer.json()["staff_ids"]) for answer in answers if answer.status_code == 201
    )
    assert sorted(sessions.values()) == [3, 3]
    first, second = sessions
    assert (len(first), len(second), first & second) == (3, 3, frozenset())
    holds_together(world, shop)


async def test_a_session_goes_on_when_its_first_booking_is_cancelled(world: World) -> None:
    shop = await world.shop(staff=4)
    rooms = [room(shop), room(shop)]
    need = needs(*(item.resource_id for item in rooms))
    await world.tell(shop, *rooms, service(shop, version=2, capacity=3, staff_count=2, needs=[need]))
    first, second = (world.post(shop, wish(shop, tomorrow_noon())).json() for _ in range(2))
    assert world.call("POST", f"/v1/appointments/{first['id']}/cancel", shop).status_code == 200
    for _ in range(2):
        third = world.post(shop, wish(shop, tomorrow_noon())).json()
        assert set(third["staff_ids"]) == set(second["staff_ids"])
    fourth = world.post(shop, wish(shop, tomorrow_noon())).json()
    assert not set(fourth["staff_ids"]) & set(second["staff_ids"])


async def test_a_session_that_lacks_what_the_class_needs_now_takes_no_more(world: World) -> None:
    shop = await world.shop(staff=2, capacity=3)
    chosen = str(shop.staff[0])
    assert world.post(shop, wish(shop, tomorrow_noon(), staff_id=chosen)).status_code == 201
    added = room(shop)
    await world.tell(shop, added, service(shop, version=2, capacity=3, needs=[needs(added.resource_id)]))
    assert world.post(shop, wish(shop, tomorrow_noon(), staff_id=chosen)).status_code == 409
    others = world.post(shop, wish(shop, tomorrow_noon())).json()["staff_ids"]
    assert others == [str(shop.staff[1]), str(added.resource_id)]


async def test_a_hold_keeps_everything_and_is_taken_over_whole(world: World) -> None:
    shop = await world.shop(staff=3, staff_count=2)
    chairs = room(shop, capacity=2)
    await world.tell(
        shop, chairs, service(shop, version=2, staff_count=2, needs=[needs(chairs.resource_id, count=2)])
    )
    noon = tomorrow_noon()
    hold = keep(world, shop, noon)
    assert hold.status_code == 201, hold.text
    assert len(world.taken(shop)) == 4
    assert keep(world, shop, noon).status_code == 409
    tasks = [book(world, shop, noon, hold_id=hold.json()["id"])] * 8 + [book(world, shop, noon)] * 8
    answers = together(tasks)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 15}
    assert {row["state"] for row in world.taken(shop)} == {"confirmed"}
    assert len(world.taken(shop)) == 4
    holds_together(world, shop)


async def test_a_hold_of_which_a_part_has_run_out_is_none(world: World) -> None:
    """The clocks of two processes differ: what one has released, the other must not book the rest of."""
    shop = await world.shop(staff=2, staff_count=2)
    noon = tomorrow_noon()
    hold = kept(world, shop, noon)
    world.rows(
        "UPDATE allocation SET state = 'released' WHERE hold_id = %s AND resource_id = %s RETURNING 1",
        hold,
        shop.staff[1],
    )
    answer = world.post(shop, wish(shop, noon, hold_id=hold))
    assert answer.json()["type"].endswith("/problems/hold-expired")
    assert [(row["state"], row["resource_id"]) for row in world.taken(shop)] == [("held", shop.staff[0])]
    assert world.rows("SELECT 1 FROM appointment WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_a_hold_that_has_run_out_is_not_in_the_way_of_a_team(world: World) -> None:
    """Of two people one was kept: the other is taken at once, and that one when the hold is given up."""
    shop = await world.shop(staff=2)
    let_run_out(world, kept(world, shop, tomorrow_noon()))
    await world.tell(shop, service(shop, version=2, staff_count=2))
    answers = together([book(world, shop, tomorrow_noon())] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert [row["state"] for row in world.taken(shop)] == ["confirmed"] * 2
    assert {row["resource_id"] for row in world.taken(shop)} == set(shop.staff)


async def test_a_hold_that_has_run_out_is_not_in_the_way_of_a_class(world: World) -> None:
    shop = await world.shop(staff=1, capacity=2)
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    let_run_out(world, kept(world, shop, tomorrow_noon()))
    answers = together([book(world, shop, tomorrow_noon())] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert sorted(row["place"] for row in world.taken(shop)) == [0, 1]


async def test_moving_takes_everything_along_and_stays_with_the_same(world: World) -> None:
    shop = await world.shop(staff=4, staff_count=2)
    rooms = [room(shop), room(shop)]
    need = needs(*(item.resource_id for item in rooms))
    await world.tell(shop, *rooms, service(shop, version=2, staff_count=2, needs=[need]))
    noon, later = tomorrow_noon(), tomorrow_noon() + timedelta(hours=2)
    first, second = (world.post(shop, wish(shop, noon)).json() for _ in range(2))
    path = f"/v1/public/appointments/{second['token']}"
    assert world.call("PATCH", path, json={"starts_at": later.isoformat()}).status_code == 200
    moved = world.call("GET", f"/v1/appointments/{second['id']}", shop).json()
    assert moved["staff_ids"] == second["staff_ids"]
    assert [item["id"] for item in world.call("GET", path).json()["staff"]] == sorted(second["staff_ids"][:2])
    assert [item["id"] for item in world.call("GET", path).json()["resources"]] == second["staff_ids"][2:]
    holds_together(world, shop)
    # To the others' side: one of their team is asked for, so that at the old time it is taken.
    back = {"starts_at": noon.isoformat(), "staff_id": first["staff_ids"][0]}
    assert world.call("PATCH", path, json=back).status_code == 409
    assert world.call("DELETE", path).status_code == 200
    assert len(world.taken(shop)) == 3
    holds_together(world, shop)


async def test_a_storm_over_teams_rooms_and_lanes_breaks_nothing(world: World) -> None:
    """Several services over the same people and rooms; clients do all that there is to do, at once.

    Takes a few seconds: it is the number of crossings that finds a deadlock.
    """
    shop = await world.shop(staff=5)
    chairs, first, second = room(shop, capacity=2), room(shop), room(shop)
    either = needs(first.resource_id, second.resource_id)
    offers: list[Shop] = []
    events: list[ServiceChanged] = []
    for number, fields in enumerate(
        (
            {"staff_count": 2, "needs": [either]},
            {"staff_ids": shop.staff[2:], "needs": [needs(chairs.resource_id), either]},
            {"staff_ids": shop.staff[:3], "needs": [needs(chairs.resource_id, count=2)], "capacity": 3},
            {"staff_ids": shop.staff[1:4], "duration_minutes": 45},
        )
    ):
        offers.append(Shop(shop.tenant, shop.staff, new_id()))
        events.append(service(offers[number], **fields))
    await world.tell(shop, chairs, first, second, *events)
    chance = Random(11)  # noqa: S311 - the same mix each time
    plans = [
        (chance.choice(offers), chance.randint(0, 7), chance.random(), chance.randint(0, 7))
        for _ in range(240)
    ]

    def act(plan: tuple[Shop, int, float, int]) -> list[int]:
        mine, at, kind, other = plan
        starts_at = tomorrow_noon() + timedelta(minutes=15 * at)
        fields: dict[str, Any] = {}
        seen = []
        if kind < 0.4:
            hold = keep(world, mine, starts_at, address=f"198.51.100.{at}")
            seen.append(hold.status_code)
            if hold.status_code == 201:
                fields["hold_id"] = hold.json()["id"]
            if hold.status_code == 201 and kind < 0.1:
                seen.append(give_back(world, mine, fields.pop("hold_id")).status_code)
        answer = world.post(mine, wish(mine, starts_at, **fields))
        seen.append(answer.status_code)
        if answer.status_code == 201 and kind < 0.8:
            path = f"/v1/public/appointments/{answer.json()['token']}"
            later = {"starts_at": (tomorrow_noon() + timedelta(minutes=15 * other)).isoformat()}
            seen.append(world.call("PATCH", path, json=later).status_code)
            if kind > 0.3:
                seen.append(world.call("DELETE", path).status_code)
        return seen

    with ThreadPoolExecutor(CLIENTS) as pool:
        seen = Counter(status for statuses in pool.map(act, plans) for status in statuses)
    assert seen.keys() <= {200, 201, 204, 409}, seen
    assert seen[201] > 20
    assert seen[409] > 20
    holds_together(world, shop)


async def test_what_is_offered_can_be_booked_and_nothing_else(world: World) -> None:
    """The route and the writer, over a day on which some of everything is taken already."""
    shop = await world.shop(staff=3)
    chairs, quiet = room(shop, capacity=2), room(shop)
    other = Shop(shop.tenant, shop.staff[:2], new_id())
    await world.tell(
        shop,
        chairs,
        quiet,
        service(shop, version=2, staff_count=2, needs=[needs(chairs.resource_id), needs(quiet.resource_id)]),
        service(other, duration_minutes=45, needs=[needs(chairs.resource_id)]),
    )
    noon = tomorrow_noon()
    for hours in (0, 1, 4):
        assert world.post(other, wish(other, noon + timedelta(hours=hours))).status_code == 201
    assert world.post(shop, wish(shop, noon + timedelta(hours=3))).status_code == 201
    chosen = str(shop.staff[1])
    query = {"service": str(shop.service_id), "from": f"{noon:%F}", "to": f"{noon:%F}", "timezone": "UTC"}
    path = f"/v1/public/{shop.tenant.slug}/availability"
    offered = {
        slot["starts_at"]
        for slot in world.call("GET", path, params=query | {"staff": chosen}).json()["slots"]
    }
    wished = [noon + timedelta(minutes=15 * step) for step in range(-4, 24)]
    for starts_at in wished:
        answer = world.post(shop, wish(shop, starts_at, staff_id=chosen))
        assert (answer.status_code == 201) == (f"{starts_at:%FT%TZ}" in offered), (starts_at, answer.text)
        if answer.status_code == 201:
            world.call("POST", f"/v1/appointments/{answer.json()['id']}/cancel", shop)
