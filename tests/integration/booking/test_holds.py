"""Holds over HTTP on a real Postgres: given back once, whoever asks; and so many for one client at a time."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from booking.holds import HoldCap
from booking.service import BookingService
from booking.waitlist.line import EntryCap
from booking.waitlist.service import WaitlistService
from contracts.business import ResourceNeed
from contracts.platform import TenantState
from integration.booking.holding import give_back, keep, kept, let_run_out
from integration.booking.waiting import accept, full_shop, join, seen
from integration.booking.world import (
    OFFER_SECONDS,
    Shop,
    World,
    problem,
    room,
    service,
    together,
    tomorrow_noon,
    wish,
)
from servicekit.ids import new_id
from servicekit.links import AppointmentLinks, WaitlistLinks
from support.tenants import know

HERE, THERE = "198.51.100.7", "203.0.113.9"
MOST = 10


def holds(world: World, shop: Shop) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM hold WHERE tenant_id = %s", shop.tenant.tenant_id)


# given back


async def test_a_hold_that_is_given_back_frees_its_time_at_once(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    hold_id = kept(world, shop, noon)
    given = give_back(world, shop, hold_id)
    assert (given.status_code, given.content) == (204, b"")
    assert holds(world, shop) == []
    problem(world.post(shop, wish(shop, noon, hold_id=hold_id)), 409, "hold-expired")
    assert world.post(shop, wish(shop, noon)).status_code == 201


async def test_a_hold_is_for_its_own_service_time_and_person(world: World) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    other = service(shop, service_id=new_id())
    await world.tell(shop, other)
    held = keep(world, shop, noon).json()
    another = next(str(each) for each in shop.staff if str(each) != held["staff_id"])
    wanted = wish(shop, noon, hold_id=held["id"])
    for change in (
        {"service_id": str(other.service_id)},
        {"starts_at": (noon + timedelta(hours=1)).isoformat()},
        {"staff_id": another},
    ):
        refused = world.post(shop, wanted | change)
        assert refused.status_code == 422, refused.text
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/hold_id"]
    assert [row["state"] for row in world.taken(shop)] == ["held"]
    assert world.post(shop, wanted | {"staff_id": held["staff_id"]}).status_code == 201


async def _changed(world: World, shop: Shop, **fields: Any) -> None:
    """The shop's one service, as its second version."""
    await world.tell(shop, service(shop, version=2, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"duration_minutes": 60},
        {"duration_minutes": 15},
        {"buffer_before_minutes": 5},
        {"buffer_after_minutes": 5},
        {"capacity": 2},
    ],
)
async def test_a_hold_is_no_way_to_take_more_than_it_keeps(world: World, fields: dict[str, Any]) -> None:
    """The service was changed meanwhile: the appointment would run into time that is free for others."""
    shop = await world.shop()
    noon = tomorrow_noon()
    hold_id = kept(world, shop, noon)
    await _changed(world, shop, **fields)
    problem(world.post(shop, wish(shop, noon, hold_id=hold_id)), 409, "hold-expired")
    assert [row["state"] for row in world.taken(shop)] == ["held"]
    assert give_back(world, shop, hold_id).status_code == 204
    assert world.post(shop, wish(shop, noon)).status_code == 201


async def test_a_hold_of_a_class_is_good_for_its_place_only_while_it_is_that_class(world: World) -> None:
    shop = await world.shop(capacity=2)
    noon = tomorrow_noon()
    first, second = kept(world, shop, noon), kept(world, shop, noon)
    assert world.post(shop, wish(shop, noon, hold_id=first)).status_code == 201
    await _changed(world, shop, capacity=1)
    problem(world.post(shop, wish(shop, noon, hold_id=second)), 409, "hold-expired")


async def test_a_hold_does_not_do_for_whom_or_what_the_service_needs_beside_by_now(world: World) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    held = keep(world, shop, noon).json()
    wanted = wish(shop, noon, hold_id=held["id"])
    chair = room(shop)
    await world.tell(shop, chair)
    changes: list[dict[str, Any]] = [
        {"staff_count": 2},
        {"needs": [ResourceNeed(resource_ids=[chair.resource_id])]},
        {"staff_ids": [each for each in shop.staff if str(each) != held["staff_id"]]},
    ]
    for version, change in enumerate(changes, 2):
        await world.tell(shop, service(shop, version=version, **change))
        problem(world.post(shop, wanted), 409, "hold-expired")
    await world.tell(shop, service(shop, version=5, name="Cut and wash"))
    assert world.post(shop, wanted).status_code == 201, "what takes nothing else does no harm"


async def test_a_room_that_is_held_does_not_do_for_another(world: World) -> None:
    shop = await world.shop()
    chair, booth = room(shop), room(shop)
    need = ResourceNeed(resource_ids=[chair.resource_id])
    await world.tell(shop, chair, booth, service(shop, version=2, needs=[need]))
    hold_id = kept(world, shop, tomorrow_noon())
    other = ResourceNeed(resource_ids=[booth.resource_id])
    await world.tell(shop, service(shop, version=3, needs=[other]))
    problem(world.post(shop, wish(shop, tomorrow_noon(), hold_id=hold_id)), 409, "hold-expired")


async def test_a_room_too_many_does_not_make_up_for_one_that_is_missing(world: World) -> None:
    shop = await world.shop()
    chairs, booth = room(shop, capacity=2), room(shop)
    ids = [chairs.resource_id, booth.resource_id]
    either = ResourceNeed(resource_ids=ids, count=2)
    await world.tell(shop, chairs, booth, service(shop, version=2, needs=[either]))
    hold_id = kept(world, shop, tomorrow_noon())
    each = [ResourceNeed(resource_ids=[one]) for one in ids]
    await world.tell(shop, service(shop, version=3, needs=each))
    problem(world.post(shop, wish(shop, tomorrow_noon(), hold_id=hold_id)), 409, "hold-expired")


async def test_a_session_that_has_more_than_the_class_needs_now_can_be_joined_by_a_hold(world: World) -> None:
    """Whoever joins takes what the session has; an offer to the waitlist is such a hold too."""
    shop = await world.shop(staff=2)
    chairs = room(shop, capacity=2)
    need = ResourceNeed(resource_ids=[chairs.resource_id], count=2)
    more: dict[str, Any] = {"capacity": 3, "staff_count": 2, "needs": [need]}
    less = more | {"staff_count": 1, "needs": [ResourceNeed(resource_ids=[chairs.resource_id])]}
    await world.tell(shop, chairs, service(shop, version=2, **more))
    first = world.post(shop, wish(shop, tomorrow_noon())).json()
    await world.tell(shop, service(shop, version=3, **less))
    hold_id = kept(world, shop, tomorrow_noon())
    second = world.post(shop, wish(shop, tomorrow_noon(), hold_id=hold_id))
    assert second.status_code == 201, second.text
    assert second.json()["staff_ids"] == first["staff_ids"]
    entry = join(world, shop)
    await world.turn()
    assert accept(world, entry).status_code == 201


async def test_a_team_and_its_rooms_are_given_back_whole(world: World) -> None:
    shop = await world.shop(staff=3, staff_count=3)
    hold_id = kept(world, shop, tomorrow_noon())
    assert len(world.taken(shop)) == 3
    assert give_back(world, shop, hold_id).status_code == 204
    assert world.taken(shop) == []


async def test_whatever_has_become_of_a_hold_the_answer_is_the_same_and_nothing_changes(world: World) -> None:
    shop, other = await world.shop(), await world.shop()
    noon = tomorrow_noon()
    used, again, over, swept = (kept(world, shop, noon + timedelta(hours=hours)) for hours in range(4))
    theirs = kept(world, other, noon)
    booked = world.post(shop, wish(shop, noon, hold_id=used))
    assert booked.status_code == 201, booked.text
    assert give_back(world, shop, again).status_code == 204
    let_run_out(world, swept)
    await world.turn()
    let_run_out(world, over)
    answers = [give_back(world, shop, each) for each in (used, again, over, swept, theirs, str(new_id()))]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    appointment = world.call("GET", f"/v1/appointments/{booked.json()['id']}", shop).json()
    assert appointment["status"] == "confirmed"
    assert [row["state"] for row in world.taken(shop)] == ["confirmed"]
    assert [row["state"] for row in world.taken(other)] == ["held"]
    assert world.post(other, wish(other, noon, hold_id=theirs)).status_code == 201


async def test_what_is_no_id_and_whose_business_is_unknown_are_said(world: World) -> None:
    shop = await world.shop()
    wrong = give_back(world, shop, "42")
    problem(wrong, 422, "invalid")
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["path:hold_id"]
    problem(world.call("DELETE", f"/v1/public/nobody/holds/{new_id()}"), 404, "not-found")


async def test_a_hold_can_be_given_back_while_the_business_is_suspended(world: World) -> None:
    shop = await world.shop()
    hold_id = kept(world, shop, tomorrow_noon())
    async with world.opened() as db:
        await know(db, shop.tenant.model_copy(update={"generation": 2, "state": TenantState.SUSPENDED}))
    assert give_back(world, shop, hold_id).status_code == 204
    assert world.taken(shop) == []


async def test_the_waitlist_is_offered_what_is_given_back(world: World) -> None:
    shop = await world.shop(slot_step_minutes=30)
    hold_id = kept(world, shop, tomorrow_noon())
    entry = join(world, shop, to=(tomorrow_noon() + timedelta(minutes=30)).isoformat())
    await world.turn()
    assert seen(world, entry)["state"] == "waiting"
    assert give_back(world, shop, hold_id).status_code == 204
    await world.turn()
    assert seen(world, entry)["state"] == "offered"


async def test_the_waitlists_loop_is_woken_for_what_is_given_back_and_for_nothing_else(world: World) -> None:
    shop = await world.shop()
    hold_id = UUID(kept(world, shop, tomorrow_noon()))
    key, woken = SecretStr("k" * 40), Counter[str]()
    links, url = AppointmentLinks(key), "http://127.0.0.1:8080"
    async with world.opened() as db:
        waitlist = WaitlistService(
            db,
            links=WaitlistLinks(key),
            appointments=links,
            public_url=url,
            offer_seconds=OFFER_SECONDS,
            cap=EntryCap(key, most=MOST),
        )
        service = BookingService(
            db,
            links=links,
            public_url=url,
            hold_seconds=300,
            hold_cap=HoldCap(key, most=MOST),
            freed=lambda: woken.update(["freed"]),
            waitlist=waitlist,
        )
        for _ in range(2):
            await service.give_back(shop.tenant.slug, hold_id)
    assert woken == {"freed": 1}


async def test_what_the_waitlist_has_offered_cannot_be_given_back_by_its_id(world: World) -> None:
    shop = await world.shop()
    entry = join(world, shop)
    await world.turn()
    (offer,) = world.rows("SELECT * FROM waitlist_offer WHERE tenant_id = %s", shop.tenant.tenant_id)
    given = give_back(world, shop, str(offer["hold_id"]))
    assert (given.status_code, given.content) == (204, b"")
    assert [row["state"] for row in world.taken(shop)] == ["held"]
    assert seen(world, entry)["state"] == "offered"
    assert accept(world, entry).status_code == 201


async def test_of_eight_who_give_it_back_at_once_one_does(world: World) -> None:
    shop, _tokens = await full_shop(world)
    join(world, shop)  # so that what is freed is noted
    await world.turn()
    hold_id = kept(world, shop, tomorrow_noon() + timedelta(hours=4))
    answers = together([partial(give_back, world, shop, hold_id)] * 8)
    assert [answer.status_code for answer in answers] == [204] * 8
    assert len(world.rows("SELECT 1 FROM freed_time WHERE tenant_id = %s", shop.tenant.tenant_id)) == 1


async def test_of_booking_by_a_hold_and_giving_it_back_one_wins(world: World) -> None:
    """Sixteen times, of a team of two, four of each and the sweeper at once: what is answered is what is there."""
    shop = await world.shop(staff=2, staff_count=2)
    won = Counter[bool]()
    for number in range(16):
        start = tomorrow_noon() + timedelta(hours=number)
        hold_id = kept(world, shop, start, address=f"198.51.100.{number}")
        body = wish(shop, start, hold_id=hold_id)
        calls: list[Callable[[], httpx.Response]] = []
        for _ in range(4):
            calls += [partial(give_back, world, shop, hold_id), partial(world.post, shop, body)]
        answers = together(calls)
        assert {answer.status_code for answer in answers[::2]} == {204}
        granted = [answer for answer in answers[1::2] if answer.status_code == 201]
        for answer in answers[1::2]:
            if answer not in granted:
                problem(answer, 409, "hold-expired")
        assert len(granted) <= 1
        states = [row["state"] for row in world.taken(shop) if row["begins_at"] == start]
        assert states == ["confirmed"] * (2 * len(granted))
        won[bool(granted)] += 1
    assert holds(world, shop) == []
    assert sum(won.values()) == 16


# so many for one client


async def test_one_address_holds_ten_slots_of_a_business_at_a_time(world: World) -> None:
    shop, other = await world.shop(), await world.shop()
    starts = [tomorrow_noon() + timedelta(hours=number) for number in range(MOST + 1)]
    mine = [kept(world, shop, start, address=HERE) for start in starts[:MOST]]
    refused = keep(world, shop, starts[MOST], address=HERE)
    problem(refused, 429, "too-many-holds")
    assert refused.json()["limit"] == MOST
    assert 240 < int(refused.headers["Retry-After"]) <= 300
    assert len(world.taken(shop)) == MOST
    kept(world, other, starts[0], address=HERE)
    last = kept(world, shop, starts[MOST], address=THERE)
    give_back(world, shop, last)

    give_back(world, shop, mine[0])
    mine[0] = kept(world, shop, starts[MOST], address=HERE)
    problem(keep(world, shop, starts[0], address=HERE), 429, "too-many-holds")

    assert world.post(shop, wish(shop, starts[1], hold_id=mine[1])).status_code == 201
    mine[1] = kept(world, shop, starts[0], address=HERE)
    problem(keep(world, shop, starts[2], address=HERE), 429, "too-many-holds")

    let_run_out(world, mine[2])
    kept(world, shop, starts[2], address=HERE)


async def test_of_30_requests_at_once_from_each_of_three_addresses_ten_are_granted(world: World) -> None:
    shop = await world.shop(staff=3)
    starts = [tomorrow_noon() + timedelta(minutes=30 * number) for number in range(30)]
    calls = [partial(keep, world, shop, start, address=HERE) for start in starts]
    assert Counter(answer.status_code for answer in together(calls)) == {201: MOST, 429: 20}
    others = [f"203.0.113.{number % 2}" for number in range(60)]
    calls = [partial(keep, world, shop, starts[n // 2], address=others[n]) for n in range(60)]
    assert Counter(answer.status_code for answer in together(calls)) == {201: 2 * MOST, 429: 40}
    counted = world.rows(
        "SELECT count(*) AS held FROM hold WHERE tenant_id = %s GROUP BY client", shop.tenant.tenant_id
    )
    assert [row["held"] for row in counted] == [MOST] * 3


async def test_who_comes_past_the_gateway_counts_by_the_sockets_address(world: World) -> None:
    shop = await world.shop()
    starts = [tomorrow_noon() + timedelta(hours=number) for number in range(MOST + 2)]
    for start in starts[:MOST]:
        kept(world, shop, start)
    problem(keep(world, shop, starts[MOST]), 429, "too-many-holds")
    problem(keep(world, shop, starts[MOST], address="127.0.0.1"), 429, "too-many-holds")
    kept(world, shop, starts[MOST], address=HERE)


async def test_a_network_of_ipv6_is_one_client_and_a_claimed_hop_is_none(world: World) -> None:
    shop = await world.shop()
    starts = [tomorrow_noon() + timedelta(hours=number) for number in range(MOST + 1)]
    for number in range(MOST):
        kept(world, shop, starts[number], address=f"192.0.2.{number}, 2001:db8:0:1::{number}")
    problem(keep(world, shop, starts[MOST], address="2001:db8:0:1:ffff::1"), 429, "too-many-holds")
    kept(world, shop, starts[MOST], address="2001:db8:0:2::1")


async def test_a_request_repeated_under_its_key_counts_once(world: World) -> None:
    shop = await world.shop()
    starts = [tomorrow_noon() + timedelta(hours=number) for number in range(MOST + 1)]
    for start in starts[: MOST - 1]:
        kept(world, shop, start, address=HERE)
    last = partial(keep, world, shop, starts[MOST - 1], address=HERE, key="last")
    answers = together([last] * 8)
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    assert len({answer.text for answer in answers}) == 1
    problem(keep(world, shop, starts[MOST], address=HERE, key="more"), 429, "too-many-holds")
    assert last().status_code == 201, "it has its answer, whatever is held"
    assert len(holds(world, shop)) == MOST
    give_back(world, shop, answers[0].json()["id"])
    assert keep(world, shop, starts[MOST], address=HERE, key="more").status_code == 201, "the key was free"


async def test_what_is_refused_and_what_is_offered_counts_for_nobody(world: World) -> None:
    shop = await world.shop()
    assert keep(world, shop, tomorrow_noon()).status_code == 201
    for _ in range(MOST):
        problem(keep(world, shop, tomorrow_noon()), 409, "slot-taken")
    join(world, shop)
    await world.turn()
    counted = [row["client"] for row in holds(world, shop)]
    assert len(counted) == 2
    assert counted.count(None) == 1


async def test_a_hold_of_the_code_before_counts_for_nobody_and_can_be_given_back(world: World) -> None:
    shop = await world.shop()
    starts = [tomorrow_noon() + timedelta(hours=number) for number in range(MOST + 1)]
    first, *_rest = [kept(world, shop, start) for start in starts[:MOST]]
    assert world.rows("UPDATE hold SET client = NULL WHERE hold_id = %s RETURNING 1", first)
    kept(world, shop, starts[MOST])
    assert give_back(world, shop, first).status_code == 204
    assert len(world.taken(shop)) == MOST


async def test_no_address_is_stored_and_another_business_knows_the_client_by_another_name(
    world: World,
) -> None:
    shops = [await world.shop(), await world.shop()]
    for shop in shops:
        kept(world, shop, tomorrow_noon(), address=HERE)
    rows = [row for shop in shops for row in holds(world, shop)]
    assert len({bytes(row["client"]) for row in rows}) == 2
    for row in rows:
        assert len(bytes(row["client"])) == 16
        assert HERE not in str(row)
        assert bytes(map(int, HERE.split("."))) not in bytes(row["client"])
