"""Recurring appointments over HTTP on a real Postgres: all or none, or the others, and the wall clock stays."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from contracts.platform import Limits
from integration.booking.world import Shop, World, tomorrow_noon, wish
from servicekit.ids import new_id
from support.tenants import new_tenant

LISBON = ZoneInfo("Europe/Lisbon")


def series(world: World, shop: Shop, begin: datetime, **fields: Any) -> httpx.Response:
    """Asks for one: of four weeks unless `fields` say otherwise."""
    body = wish(shop, begin, rule={"every": "week", "count": 4}) | fields
    headers = {"Idempotency-Key": fields.pop("key")} if "key" in fields else {}
    body.pop("key", None)
    return world.call("POST", "/v1/series", shop, json=body, headers=headers)


def booked(world: World, shop: Shop) -> list[dict[str, Any]]:
    return world.rows(
        "SELECT * FROM appointment WHERE tenant_id = %s AND series_id IS NOT NULL ORDER BY starts_at",
        shop.tenant.tenant_id,
    )


def events(world: World, shop: Shop) -> list[str]:
    told = world.rows(
        "SELECT headers->>'ce_type' AS type FROM outbox WHERE key LIKE %s", f"{shop.tenant.tenant_id}/%"
    )
    return [row["type"] for row in told]


def nothing_of_it(world: World, shop: Shop) -> bool:
    return not booked(world, shop) and not events(world, shop)


async def test_each_occurrence_is_an_appointment_with_events_reminder_and_use_of_the_plan(
    world: World,
) -> None:
    shop = await world.shop()
    answer = series(world, shop, tomorrow_noon())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    first = tomorrow_noon().astimezone(LISBON)
    assert [
        datetime.fromisoformat(item["starts_at"]).astimezone(LISBON) for item in made["appointments"]
    ] == [first + timedelta(weeks=week) for week in range(4)]
    assert {item["series_id"] for item in made["appointments"]} == {made["id"]}
    assert {item["status"] for item in made["appointments"]} == {"confirmed"}
    assert (made["timezone"], made["skipped"], made["months_without_day"]) == ("Europe/Lisbon", [], [])
    assert Counter(events(world, shop)) == {
        "booking.customer.changed.v1": 1,
        "booking.appointment.booked.v1": 4,
        "booking.reminder.requested.v1": 4,
    }
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s", shop.tenant.tenant_id)
    assert used == [{"used": 4}]
    assert world.post(shop, wish(shop, tomorrow_noon() + timedelta(hours=3))).status_code == 201
    listed = world.call("GET", "/v1/appointments", shop, params={"series": made["id"]}).json()["items"]
    assert [item["id"] for item in listed] == [item["id"] for item in made["appointments"]]


async def test_nine_in_the_morning_is_nine_on_both_sides_of_a_clock_change(world: World) -> None:
    shop = await world.shop()
    first = (tomorrow_noon().astimezone(LISBON)).replace(hour=9)
    made = series(world, shop, first, rule={"every": "month", "interval": 1, "count": 12}).json()
    local = [datetime.fromisoformat(item["starts_at"]).astimezone(LISBON) for item in made["appointments"]]
    assert len(local) == 12
    assert {f"{start:%H:%M}" for start in local} == {"09:00"}
    assert {start.day for start in local} == {first.day}
    assert len({start.utcoffset() for start in local}) == 2


async def test_a_series_that_meets_a_booking_is_refused_with_the_times_and_leaves_nothing(
    world: World,
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    third = first_in_lisbon(noon, weeks=2)
    assert world.post(shop, wish(shop, third)).status_code == 201
    told = len(events(world, shop))
    answer = series(world, shop, noon)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"].endswith("/problems/series-refused")
    assert [(datetime.fromisoformat(item["starts_at"]), item["reason"]) for item in problem["refused"]] == [
        (third, "taken")
    ]
    assert booked(world, shop) == []
    assert len(events(world, shop)) == told


async def test_skipping_books_the_others_and_says_what_was_left_out(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    assert world.post(shop, wish(shop, first_in_lisbon(noon, weeks=1))).status_code == 201
    made = series(world, shop, noon, on_conflict="skip").json()
    assert len(made["appointments"]) == 3
    assert [item["reason"] for item in made["skipped"]] == ["taken"]
    assert len(booked(world, shop)) == 3
    nothing = series(world, shop, noon + timedelta(minutes=7), on_conflict="skip")
    assert nothing.status_code == 409, "7 minutes past is on nobody's grid: a series of nothing is none"
    assert {item["reason"] for item in nothing.json()["refused"]} == {"not-offered"}
    assert nothing.json()["detail"].startswith("None of the series's appointments can be booked.")


async def test_appointments_that_meet_each_other_are_refused_too(world: World) -> None:
    """Of 24 hours each, with a buffer: the next day's cannot be."""
    shop = await world.shop(duration_minutes=1440, buffer_after_minutes=15)
    answer = series(world, shop, midnight(), rule={"every": "day", "count": 3})
    assert answer.status_code == 409, answer.text
    assert len(answer.json()["refused"]) == 1, "the second; the third follows the first by two days"
    assert nothing_of_it(world, shop)


async def test_one_person_takes_all_of_it_where_somebody_can(world: World) -> None:
    """Of three: the first is taken once, the second has more to do in that time, the third has nothing."""
    shop = await world.shop(staff=3)
    noon = tomorrow_noon()
    one, two, three = sorted(shop.staff)
    busy = [(one, first_in_lisbon(noon, weeks=1)), (two, noon + timedelta(days=3))]
    for staff_id, start in busy:
        assert world.post(shop, wish(shop, start, staff_id=str(staff_id))).status_code == 201
    made = series(world, shop, noon).json()
    assert {tuple(item["staff_ids"]) for item in made["appointments"]} == {(str(three),)}


async def test_where_nobody_can_take_all_each_goes_to_who_is_free(world: World) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    for week, staff_id in enumerate(shop.staff):
        body = wish(shop, first_in_lisbon(noon, weeks=week), staff_id=str(staff_id))
        assert world.post(shop, body).status_code == 201
    made = series(world, shop, noon).json()
    assert len(made["appointments"]) == 4
    staff = [item["staff_ids"] for item in made["appointments"][:2]]
    assert staff == [[str(shop.staff[1])], [str(shop.staff[0])]]


async def test_a_plan_that_has_no_room_for_all_refuses_all(world: World) -> None:
    shop = await world.shop(tenant=new_tenant(limits=Limits(bookings_per_month=3)))
    answer = series(world, shop, tomorrow_noon())
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/problems/quota-exceeded")
    assert nothing_of_it(world, shop)


async def test_a_replay_books_once(world: World) -> None:
    shop = await world.shop()
    first = series(world, shop, tomorrow_noon(), key="one")
    again = series(world, shop, tomorrow_noon(), key="one")
    assert first.text == again.text
    assert again.headers["idempotent-replayed"] == "true"
    assert len(booked(world, shop)) == 4


async def test_the_rest_is_cancelled_from_a_day_on_and_once(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    made = series(world, shop, noon).json()
    path = f"/v1/series/{made['id']}/cancel"
    begin = first_in_lisbon(noon, weeks=2).isoformat()
    rest = world.call("POST", path, shop, json={"from": begin})
    assert rest.status_code == 200, rest.text
    assert [item["id"] for item in rest.json()["cancelled"]] == [
        item["id"] for item in made["appointments"][2:]
    ]
    assert world.call("POST", path, shop, json={"from": begin}).json()["cancelled"] == []
    assert [row["status"] for row in booked(world, shop)] == ["confirmed"] * 2 + ["cancelled"] * 2
    assert world.post(shop, wish(shop, first_in_lisbon(noon, weeks=3))).status_code == 201
    assert len(world.call("POST", path, shop, json={}).json()["cancelled"]) == 2
    assert world.call("POST", f"/v1/series/{new_id()}/cancel", shop, json={}).status_code == 404
    other = await world.shop()
    assert world.call("POST", path, other, json={}).status_code == 404
    assert world.call("POST", path, json={}).status_code == 401


async def test_the_rest_is_cancelled_from_now_on_without_a_body(world: World) -> None:
    shop = await world.shop()
    made = series(world, shop, tomorrow_noon()).json()
    rest = world.call("POST", f"/v1/series/{made['id']}/cancel", shop)
    assert rest.status_code == 200, rest.text
    assert [item["id"] for item in rest.json()["cancelled"]] == [item["id"] for item in made["appointments"]]


async def test_the_rest_begins_at_no_time_that_is_past(world: World) -> None:
    shop = await world.shop()
    made = series(world, shop, tomorrow_noon()).json()
    past = (tomorrow_noon() - timedelta(days=3)).isoformat()
    refused = world.call("POST", f"/v1/series/{made['id']}/cancel", shop, json={"from": past})
    assert refused.status_code == 422, refused.text
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/from"]
    assert [row["status"] for row in booked(world, shop)] == ["confirmed"] * 4


async def test_two_series_at_once_for_two_people_are_both_booked(world: World) -> None:
    """Five times: whoever comes second must not have chosen the person that the first has taken meanwhile."""
    rule = {"every": "day", "count": 10}
    for _ in range(5):
        shop = await world.shop(staff=2)
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(lambda made: series(world, made, tomorrow_noon(), rule=rule), [shop, shop])
            )
        assert [answer.status_code for answer in answers] == [201, 201], [answer.text for answer in answers]
        made = [item for answer in answers for item in answer.json()["appointments"]]
        taken = {staff_id for item in made for staff_id in item["staff_ids"]}
        assert taken == {str(staff_id) for staff_id in shop.staff}


async def test_many_series_over_the_same_times_do_not_cross(world: World) -> None:
    """Sixteen for three people, some forwards and some of another rhythm: no deadlock, nothing twice.

    Eight at once, for as many connections: whoever has to wait for one may be told to come back on a slow machine.
    """
    shop = await world.shop(staff=3)
    noon = tomorrow_noon()
    rules = [
        {"every": "day", "count": 14},
        {"every": "day", "interval": 2, "count": 7},
        {"every": "week", "count": 2},
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: series(world, shop, noon, rule=rules[n % 3], on_conflict=("skip", "refuse")[n % 2]),
                range(16),
            )
        )
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.text for answer in answers]
    made = [item for answer in answers if answer.status_code == 201 for item in answer.json()["appointments"]]
    assert len(made) == len(booked(world, shop))
    assert max(Counter(item["starts_at"] for item in made).values()) <= 3
    assert sum(answer.status_code == 201 for answer in answers) >= 3
    overlaps = world.rows(
        "SELECT 1 FROM allocation a JOIN allocation b USING (tenant_id, resource_id)"
        " WHERE tenant_id = %s AND a.allocation_id < b.allocation_id AND a.during && b.during",
        shop.tenant.tenant_id,
    )
    assert overlaps == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rule": {"every": "week"}}, "/rule/count"),
        ({"rule": {"every": "week", "count": 2, "until": "2030-01-01"}}, "/rule/count"),
        ({"rule": {"every": "fortnight", "count": 2}}, "/rule/every"),
        ({"rule": {"every": "week", "count": 1}}, "/rule/count"),
        ({"rule": {"every": "week", "count": 53}}, "/rule/count"),
        ({"rule": {"every": "week", "count": 4, "interval": 13}}, "/rule/interval"),
        ({"rule": {"every": "month", "count": 52}}, "/rule/count"),
        ({"rule": {"every": "day", "until": "2099-12-31"}}, "/rule/until"),
        ({"rule": {"every": "day", "until": "2020-12-31"}}, "/rule/until"),
        ({"on_conflict": "ask"}, "/on_conflict"),
        ({"starts_at": "2020-01-01T12:00:00Z"}, "/starts_at"),
        ({"service_id": str(new_id())}, "/service_id"),
        ({"staff_id": str(new_id())}, "/staff_id"),
    ],
)
async def test_what_makes_no_series_is_named(world: World, change: dict[str, Any], pointer: str) -> None:
    shop = await world.shop()
    answer = series(world, shop, tomorrow_noon(), **change)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert nothing_of_it(world, shop)


def first_in_lisbon(noon: datetime, *, weeks: int) -> datetime:
    """The start so many weeks later by Lisbon's clocks."""
    return noon.astimezone(LISBON) + timedelta(weeks=weeks)


def midnight() -> datetime:
    return (tomorrow_noon().astimezone(LISBON) + timedelta(days=1)).replace(hour=0)
