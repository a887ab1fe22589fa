"""What an appointment may become: not settled before it has begun, moved only to who is free and performs it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from integration.booking.holding import keep, kept
from integration.booking.records import ANY, booked, types_told
from integration.booking.world import World, service, tomorrow_noon, waiting, wish, works_all_day
from servicekit.ids import new_id
from support.events import until


@pytest.mark.parametrize("settled", ["complete", "no-show"])
async def test_what_has_not_begun_is_not_settled(world: World, settled: str) -> None:
    shop = await world.shop()
    path = f"/v1/appointments/{booked(world, shop)['id']}"
    early = world.call("POST", f"{path}/{settled}", shop)
    assert (early.status_code, early.json()["type"]) == (409, "/problems/appointment-closed"), early.text
    assert world.call("GET", path, shop).json()["status"] == "confirmed"


async def test_of_a_service_that_is_gone_an_appointment_can_only_be_cancelled(world: World) -> None:
    shop = await world.shop()
    made = world.post(shop, wish(shop, tomorrow_noon())).json()
    await world.tell(shop, service(shop, version=2, deleted=True))
    path = f"/v1/public/appointments/{made['token']}"
    later = {"starts_at": (tomorrow_noon() + timedelta(hours=1)).isoformat()}
    moved = world.call("PATCH", path, json=later)
    assert (moved.status_code, moved.json()["type"]) == (409, "/problems/appointment-closed")
    assert world.call("DELETE", path).json()["status"] == "cancelled"
    assert world.taken(shop) == []


async def test_it_is_moved_to_nobody_who_does_not_perform_the_service(world: World) -> None:
    shop = await world.shop()
    another = works_all_day(shop.tenant.tenant_id, new_id())
    await world.tell(shop, another)
    made = booked(world, shop)
    for starts_at in (made["starts_at"], (tomorrow_noon() + timedelta(hours=1)).isoformat()):
        body = {"starts_at": starts_at, "staff_id": str(another.staff_id)}
        answer = world.call("PATCH", f"/v1/appointments/{made['id']}", shop, json=body, headers=ANY)
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/staff_id"]
    assert types_told(world, shop, made["id"]).count("booking.appointment.rescheduled.v1") == 0


async def test_a_time_that_somebody_holds_with_the_one_who_has_it_is_moved_to_another(world: World) -> None:
    """A hold belongs to no appointment, and is none to be left out with the one that moves."""
    shop = await world.shop(staff=2)
    first = {"staff_id": str(shop.staff[0])}
    later = tomorrow_noon() + timedelta(hours=2)
    made = booked(world, shop, **first)
    await world.tell(shop, service(shop, version=2, staff_ids=shop.staff[:1]))
    kept(world, shop, later)  # with the first, as there is no other
    await world.tell(shop, service(shop, version=3))
    path = f"/v1/appointments/{made['id']}"
    moved = world.call("PATCH", path, shop, json={"starts_at": later.isoformat()}, headers=ANY)
    assert moved.status_code == 200, moved.text
    assert moved.json()["staff_ids"] == [str(shop.staff[1])]


async def test_of_two_edits_that_start_from_one_revision_the_second_is_refused(world: World) -> None:
    """Both wait for the appointment: who comes second finds that it is another by now."""
    shop = await world.shop()
    made = booked(world, shop)
    path = f"/v1/appointments/{made['id']}"
    read = {"If-Match": world.call("GET", path, shop).headers["etag"]}
    with ThreadPoolExecutor(2) as threads, psycopg.connect(world.database.admin_url) as conn:
        conn.execute("SELECT FROM appointment WHERE appointment_id = %s FOR UPDATE", (made["id"],))
        asked = [
            threads.submit(world.call, "PATCH", path, shop, json={"notes": notes}, headers=read)
            for notes in ("Allergic to dye", "Prefers Ada")
        ]
        until(lambda: waiting(world, "") == 2, "both wait")
        conn.rollback()
    answers = {each.result().status_code: each.result().json() for each in asked}
    assert sorted(answers) == [200, 412]
    assert world.call("GET", path, shop).json()["notes"] == answers[200]["notes"]


async def test_who_does_not_work_there_any_more_is_neither_offered_nor_taken(world: World) -> None:
    """The service may name them still: its own event is another, and may come later."""
    shop = await world.shop()
    gone = works_all_day(shop.tenant.tenant_id, shop.staff[0])
    await world.tell(shop, gone.model_copy(update={"version": 2, "deleted": True}))
    noon = tomorrow_noon()
    query = {"service": str(shop.service_id), "from": f"{noon:%F}", "to": f"{noon:%F}"}
    path = f"/v1/public/{shop.tenant.slug}/availability"
    assert world.call("GET", path, params=query).json()["slots"] == []
    for answer in (world.post(shop, wish(shop, noon)), keep(world, shop, noon)):
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/starts_at"]
