"""Booking over HTTP on a real Postgres: nobody is booked twice, a replay books once, bad input leaves nothing."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.platform import Limits, TenantState
from integration.booking.world import Shop, World, together, tomorrow_noon, wish
from support.tenants import new_tenant

CLIENTS = 32


def book(world: World, shop: Shop, starts_at: datetime) -> Callable[[], httpx.Response]:
    return lambda: world.post(shop, wish(shop, starts_at))


async def test_of_32_clients_for_one_slot_exactly_one_wins(world: World) -> None:
    shop = await world.shop()
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CLIENTS - 1}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"].endswith("/problems/slot-taken")
    assert len(world.taken(shop)) == 1
    booked = world.rows("SELECT * FROM appointment WHERE tenant_id = %s", shop.tenant.tenant_id)
    assert len(booked) == 1


async def test_of_32_overlapping_wishes_no_two_that_overlap_are_granted(world: World) -> None:
    """Starts 15 minutes apart, each 30 minutes long, for two people."""
    shop = await world.shop(staff=2)
    starts = [tomorrow_noon() + timedelta(minutes=15 * (n % 8)) for n in range(CLIENTS)]
    answers = together([book(world, shop, start) for start in starts])
    assert {answer.status_code for answer in answers} <= {201, 409}
    taken = world.taken(shop)
    assert len(taken) == sum(answer.status_code == 201 for answer in answers)
    overlaps = world.rows(
        "SELECT 1 FROM allocation a JOIN allocation b USING (tenant_id, resource_id)"
        " WHERE tenant_id = %s AND a.allocation_id < b.allocation_id AND a.during && b.during"
        " AND a.state <> 'released' AND b.state <> 'released'",
        shop.tenant.tenant_id,
    )
    assert overlaps == []


async def test_a_class_takes_as_many_as_it_has_places(world: World) -> None:
    shop = await world.shop(capacity=10)
    answers = together([book(world, shop, tomorrow_noon())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: CLIENTS - 10}


async def test_the_thousandth_booking_of_a_thousand_is_granted_once(world: World) -> None:
    """Fifty clients ask for it, each for a time that is free."""
    shop = await world.shop(tenant=new_tenant(limits=Limits(bookings_per_month=1000)))
    await world.use(shop, "bookings_per_month", 999)
    starts = [tomorrow_noon() + timedelta(minutes=30 * n) for n in range(50)]
    answers = together([book(world, shop, start) for start in starts])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 403: 49}
    for refused in (answer.json() for answer in answers if answer.status_code == 403):
        assert refused["type"].endswith("/problems/quota-exceeded")
        assert (refused["metric"], refused["limit"], refused["used"], refused["plan"]) == (
            "bookings_per_month",
            1000,
            1000,
            "pro",
        )
    assert len(world.taken(shop)) == 1


async def test_of_a_plan_without_bookings_not_even_the_first_is_granted(world: World) -> None:
    shop = await world.shop(tenant=new_tenant(limits=Limits(bookings_per_month=0)))
    refused = world.post(shop, wish(shop, tomorrow_noon()))
    assert refused.status_code == 403, refused.text
    assert (refused.json()["limit"], refused.json()["used"]) == (0, 0)
    assert world.taken(shop) == []


@pytest.mark.parametrize(
    "path", ["/v1/appointments", "/v1/public/{slug}/appointments", "/v1/public/{slug}/holds"]
)
async def test_a_replay_takes_one_time_and_answers_the_same(world: World, path: str) -> None:
    """By staff, by a customer, and for a hold; a class would have room for all eight."""
    shop = await world.shop(capacity=8)
    noon = tomorrow_noon()
    kept = ("service_id", "starts_at") if path.endswith("holds") else tuple(wish(shop, noon))

    def post(body: dict[str, Any]) -> httpx.Response:
        sent = {name: value for name, value in body.items() if name in kept}
        where, key = path.format(slug=shop.tenant.slug), {"Idempotency-Key": "one"}
        return world.call("POST", where, shop, json=sent, headers=key)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, [wish(shop, noon)] * 8))
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    assert len({answer.text for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 7
    assert len(world.taken(shop)) == 1
    told = world.rows("SELECT 1 FROM outbox WHERE key LIKE %s", f"{shop.tenant.tenant_id}/%")
    assert len(told) == (0 if path.endswith("holds") else 3)
    other = post(wish(shop, noon + timedelta(hours=1)))
    assert other.status_code == 422
    assert other.json()["type"].endswith("/problems/idempotency-key-reused")
    assert len(world.taken(shop)) == 1


async def test_a_booking_tells_appointment_customer_and_reminder(world: World) -> None:
    shop = await world.shop()
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    told = world.rows(
        "SELECT headers->>'ce_type' AS type FROM outbox WHERE key LIKE %s ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    assert [row["type"] for row in told] == [
        "booking.customer.changed.v1",
        "booking.appointment.booked.v1",
        "booking.reminder.requested.v1",
    ]


async def test_a_booking_tells_which_version_of_the_customer_it_is_by(world: World) -> None:
    """Who writes to the customer hears of both by different topics, and must not go by what was said before."""
    shop = await world.shop()
    for days, consent in enumerate([True, True, False]):
        wanted = wish(shop, tomorrow_noon() + timedelta(days=days), consent={"email": consent})
        assert world.post(shop, wanted).status_code == 201
    told = world.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb AS event FROM outbox"
        " WHERE key LIKE %s AND headers->>'ce_type' = 'booking.appointment.booked.v1' ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    assert [row["event"]["customer_version"] for row in told] == [1, 1, 2]


async def test_availability_no_longer_offers_what_is_booked(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    path = f"/v1/public/{shop.tenant.slug}/availability"
    query = {"service": str(shop.service_id), "from": f"{noon:%F}", "to": f"{noon:%F}", "timezone": "UTC"}

    def starts() -> set[str]:
        answer = world.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return {slot["starts_at"][11:16] for slot in answer.json()["slots"]}

    before = starts()
    assert world.post(shop, wish(shop, noon)).status_code == 201
    assert before - starts() == {"11:45", "12:00", "12:15"}


async def test_availability_is_asked_for_62_days_at_most(world: World) -> None:
    shop = await world.shop()
    first = tomorrow_noon().date()
    path = f"/v1/public/{shop.tenant.slug}/availability"
    for days, status in ((62, 200), (63, 422)):
        last = first + timedelta(days=days - 1)
        query = {"service": str(shop.service_id), "from": f"{first}", "to": f"{last}"}
        answer = world.call("GET", path, params=query)
        assert answer.status_code == status, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?to"]


async def test_of_very_many_free_times_whole_days_are_told_and_how_far(world: World) -> None:
    """Of 40 staff by the minute it is a day: 57,600 starts to be looked at, and two days would be too many."""
    shop = await world.shop(staff=40, slot_step_minutes=1)
    path = f"/v1/public/{shop.tenant.slug}/availability"
    first = tomorrow_noon().date() + timedelta(days=1)  # whole also where midnight falls into the run
    query = {"service": str(shop.service_id), "timezone": "UTC", "to": f"{first + timedelta(days=9)}"}
    told = []
    for day in (first, first + timedelta(days=1)):
        answer = world.call("GET", path, params=query | {"from": f"{day}"}).json()
        assert answer["to"] == f"{day}"
        told.append([slot["starts_at"] for slot in answer["slots"]])
        assert {slot["starts_at"][:10] for slot in answer["slots"]} == {f"{day}"}
    whole_day = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
    assert [[start[11:16] for start in starts] for starts in told] == [whole_day] * 2
    one = query | {"from": f"{first}", "staff": str(shop.staff[0])}
    assert world.call("GET", path, params=one).json()["to"] == query["to"]


async def test_a_held_slot_can_only_be_booked_with_the_hold(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    slot = {"service_id": str(shop.service_id), "starts_at": noon.isoformat()}
    held = world.call("POST", f"/v1/public/{shop.tenant.slug}/holds", json=slot)
    assert held.status_code == 201, held.text
    query = {"service": str(shop.service_id), "from": f"{noon:%F}", "to": f"{noon:%F}", "timezone": "UTC"}
    offered = world.call("GET", f"/v1/public/{shop.tenant.slug}/availability", params=query).json()["slots"]
    assert "12:00" not in {offer["starts_at"][11:16] for offer in offered}
    assert world.post(shop, wish(shop, noon)).status_code == 409
    mine = world.post(shop, wish(shop, noon, hold_id=held.json()["id"]))
    assert mine.status_code == 201, mine.text
    again = world.post(shop, wish(shop, noon, hold_id=held.json()["id"]))
    assert again.json()["type"].endswith("/problems/hold-expired")


async def test_a_held_time_is_neither_offered_nor_given_to_the_one_who_has_it(world: World) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    slot = {"service_id": str(shop.service_id), "starts_at": noon.isoformat()}
    path = f"/v1/public/{shop.tenant.slug}"
    held = {world.call("POST", f"{path}/holds", json=slot).json()["staff_id"] for _ in shop.staff}
    assert held == {str(staff_id) for staff_id in shop.staff}
    day = noon.date().isoformat()
    query = {"service": str(shop.service_id), "from": day, "to": day, "timezone": "UTC"}
    offered = world.call("GET", f"{path}/availability", params=query).json()["slots"]
    assert offered
    assert noon.isoformat().replace("+00:00", "Z") not in {item["starts_at"] for item in offered}


async def test_a_customer_moves_and_cancels_by_the_link(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    token = world.post(shop, wish(shop, noon)).json()["token"]
    path = f"/v1/public/appointments/{token}"
    later = {"starts_at": (noon + timedelta(hours=2)).isoformat()}
    moved = world.call("PATCH", path, json=later)
    assert (moved.status_code, moved.json()["version"]) == (200, 2), moved.text
    assert moved.json()["service"]["booking_window_days"] == 60
    assert world.call("PATCH", path, json=later).json()["version"] == 2  # repeating changes nothing
    assert world.post(shop, wish(shop, noon)).status_code == 201  # the old time is free again
    assert "SEQUENCE:1" in world.call("GET", f"{path}.ics").text
    assert moved.json()["cancelled_by"] is None
    for cancelled in (world.call("DELETE", path).json(), world.call("DELETE", path).json()):
        assert (cancelled["status"], cancelled["cancelled_by"]) == ("cancelled", "customer")
    assert world.call("PATCH", path, json=later).status_code == 409
    told = world.rows(
        "SELECT headers->>'ce_type' AS type FROM outbox WHERE key = %s ORDER BY id",
        f"{shop.tenant.tenant_id}/{moved.json()['id']}",
    )
    assert [row["type"].removeprefix("booking.").removesuffix(".v1") for row in told] == [
        "appointment.booked",
        "reminder.requested",
        "appointment.rescheduled",
        "reminder.withdrawn",
        "reminder.requested",
        "appointment.cancelled",
        "reminder.withdrawn",
    ]


@pytest.mark.parametrize("token", ["x", "A" * 67, "appointments", "AAAA.ics"])
async def test_a_forged_link_leads_nowhere(world: World, token: str) -> None:
    assert world.call("GET", f"/v1/public/appointments/{token}").status_code == 404


async def test_another_businesss_appointment_does_not_exist_for_this_one(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop()
    appointment = world.post(theirs, wish(theirs, tomorrow_noon())).json()["id"]
    for method, path in [
        ("GET", f"/v1/appointments/{appointment}"),
        ("POST", f"/v1/appointments/{appointment}/cancel"),
        ("POST", f"/v1/appointments/{appointment}/confirm"),
    ]:
        assert world.call(method, path, ours).status_code == 404
        assert world.call(method, path).status_code == 401
    assert world.call("GET", "/v1/appointments", ours).json()["items"] == []
    assert len(world.call("GET", "/v1/appointments", theirs).json()["items"]) == 1
    assert world.call("GET", "/v1/customers", ours).json()["items"] == []
    foreign = world.post(ours, wish(ours, tomorrow_noon(), service_id=str(theirs.service_id)))
    assert foreign.status_code == 422
    assert foreign.json()["errors"][0]["pointer"] == "/service_id"


async def test_a_suspended_business_can_be_read_but_takes_no_bookings(world: World) -> None:
    shop = await world.shop(tenant=new_tenant(state=TenantState.SUSPENDED))
    refused = world.post(shop, wish(shop, tomorrow_noon()))
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/problems/tenant-suspended")
    assert world.call("GET", "/v1/appointments", shop).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"starts_at": "2020-01-01T12:00:00Z"}, "/starts_at"),
        ({"starts_at": "9999-12-31T23:59:59Z"}, "/starts_at"),
        ({"starts_at": "2030-01-01T12:00:00"}, "/starts_at"),
        ({"starts_at": ["now"]}, "/starts_at"),
        ({"service_id": "cut"}, "/service_id"),
        ({"staff_id": "00000000-0000-0000-0000-000000000001"}, "/staff_id"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"customer": {"name": "Bea", "email": "no address"}}, "/customer/email"),
        ({"customer": {"name": "", "email": "bea@customer.example"}}, "/customer/name"),
        ({"customer": {"name": "B", "email": "b@c.example", "phone": "12"}}, "/customer/phone"),
        ({"consent": {"email": "maybe"}}, "/consent/email"),
    ],
)
async def test_bad_input_is_named_and_leaves_nothing(
    world: World, change: dict[str, Any], pointer: str
) -> None:
    shop = await world.shop()
    answer = world.post(shop, wish(shop, tomorrow_noon()) | change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text
    assert world.rows("SELECT 1 FROM outbox WHERE key LIKE %s", f"{shop.tenant.tenant_id}/%") == []
    for table in ("appointment", "allocation", "customer"):
        assert world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_a_body_over_a_mebibyte_and_an_unknown_business_are_refused(world: World) -> None:
    shop = await world.shop()
    body = wish(shop, tomorrow_noon(), customer={"name": "x" * 2_000_000, "email": "b@c.example"})
    assert world.post(shop, body).status_code == 413
    body = wish(shop, tomorrow_noon())
    assert world.call("POST", "/v1/public/nobody/appointments", json=body).status_code == 404
    nameless = world.call("POST", "/v1/public/No_Body/appointments", json=body)
    assert nameless.status_code == 422
    assert [error["pointer"] for error in nameless.json()["errors"]] == ["path:slug"]


@pytest.mark.parametrize(
    ("customer", "consent", "pointer"),
    [
        ({"name": "Bea"}, {"email": False}, "/customer/email"),
        ({"name": "Bea", "phone": "+351912345678"}, {"email": True}, "/customer/email"),
        ({"name": "Bea", "email": "bea@customer.example"}, {"email": True, "sms": True}, "/customer/phone"),
        ({"name": "Bea", "phone": "+351912345678"}, {"email": False, "sms": True}, None),
    ],
)
async def test_for_who_rings_up_a_number_is_enough_and_who_books_alone_needs_an_address(
    world: World, customer: dict[str, str], consent: dict[str, bool], pointer: str | None
) -> None:
    shop = await world.shop()
    body = wish(shop, tomorrow_noon(), customer=customer, consent=consent)
    if "email" not in customer:
        theirs = world.post(shop, body)
        assert theirs.json()["errors"][0]["pointer"] == "/customer/email", theirs.text
    made = world.call("POST", "/v1/appointments", shop, json=body)
    if pointer is None:
        assert made.status_code == 201, made.text
        (listed,) = world.call("GET", "/v1/appointments", shop).json()["items"]
        assert (listed["customer"]["email"], listed["customer"]["phone"]) == (None, customer["phone"])
    else:
        assert (made.status_code, made.json()["errors"][0]["pointer"]) == (422, pointer), made.text


@pytest.mark.parametrize(("days", "status"), [(-2, 422), (0, 201), (729, 201), (731, 422), (2900000, 422)])
async def test_the_business_itself_books_for_the_next_two_years(world: World, days: int, status: int) -> None:
    """Its service's notice and booking window are for others. Tomorrow's noon is 12 to 36 hours ahead."""
    shop = await world.shop(minimum_notice_minutes=3 * 24 * 60, booking_window_days=7)
    start = tomorrow_noon() + timedelta(days=days)
    answer = world.call("POST", "/v1/appointments", shop, json=wish(shop, start))
    assert answer.status_code == status, answer.text
    if status == 422:
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/starts_at"]
    assert len(world.taken(shop)) == (status == 201)
