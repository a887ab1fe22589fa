"""Holidays and time off over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.platform import TenantChanged, TenantState
from integration.business.world import World, refused
from servicekit.ids import new_id

HOLIDAYS = "/v1/business/holidays"
IMPORT = f"{HOLIDAYS}/import"
XMAS = {"date": "2098-12-25", "name": "Christmas"}
NEXT_YEAR = datetime.now(UTC).year + 1
OFF = {"starts_at": "2098-08-01T00:00:00+01:00", "ends_at": "2098-08-15T00:00:00+01:00"}


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


def calendar(*days: str, name: str = "Closed") -> bytes:
    events = [f"BEGIN:VEVENT\r\nSUMMARY:{name}\r\nDTSTART;VALUE=DATE:{day}\r\nEND:VEVENT\r\n" for day in days]
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{''.join(events)}END:VCALENDAR\r\n".encode()


def send(world: World, tenant: TenantChanged | None, content: bytes, *, kind: str = "text/calendar") -> Any:
    headers = world.minter.headers(tenant.tenant_id) if tenant else {}
    return world.http.post(f"{world.url}{IMPORT}", content=content, headers=headers | {"Content-Type": kind})


async def test_holidays_are_replaced_and_imported(world: World, tenant: TenantChanged) -> None:
    read = world.call("GET", HOLIDAYS, tenant, role="staff")
    assert (read.json(), read.headers["etag"]) == ({"version": 1, "days": []}, '"v1"')
    eve = {"date": "2098-12-24", "name": "Eve"}
    put = world.call("PUT", HOLIDAYS, tenant, {"days": [XMAS, eve]}, match='"v1"')
    assert (put.status_code, put.headers["etag"]) == (200, '"v2"')
    assert put.json() == {"version": 2, "days": [eve, XMAS]}
    day = f"{NEXT_YEAR}-05-01"
    content = calendar(day.replace("-", ""), name="Labour Day")
    added = send(world, tenant, content, kind="text/calendar; charset=utf-8")
    assert (added.status_code, added.headers["etag"]) == (200, '"v3"'), added.text
    assert added.json()["days"] == [{"date": day, "name": "Labour Day"}, eve, XMAS]
    # The same again changes nothing, and nothing is told.
    assert send(world, tenant, content).json()["version"] == 3
    assert [(event["version"], len(event["days"])) for event in world.events(tenant, "holidays")] == [
        (2, 2),
        (3, 3),
    ]
    assert world.call("GET", HOLIDAYS, tenant).json() == added.json()


async def test_what_is_no_list_of_holidays_is_refused_and_leaves_nothing(
    world: World, tenant: TenantChanged
) -> None:
    before = world.state()
    for body, pointer in (
        ({}, "/days"),
        ({"days": [XMAS, XMAS]}, "/days"),
        ({"days": [XMAS | {"date": "Christmas"}]}, "/days/0/date"),
        ({"days": [XMAS | {"name": ""}]}, "/days/0/name"),
        ({"days": [XMAS] * 501}, "/days"),
    ):
        refused(world.call("PUT", HOLIDAYS, tenant, body, match="*"), 422, "invalid", pointer)
    refused(world.call("PUT", HOLIDAYS, tenant, {"days": []}), 428, "precondition-required")
    refused(world.call("PUT", HOLIDAYS, tenant, {"days": []}, match='"v9"'), 412, "precondition-failed")
    refused(world.call("PUT", HOLIDAYS, tenant, {"days": []}, role="staff", match="*"), 403, "forbidden")
    for content in (b"", b"nonsense", b"\xff\xff", calendar("20101225")):
        refused(send(world, tenant, content), 422, "invalid", "/")
    problem = refused(send(world, tenant, calendar("sometime", name="Feast")), 422, "invalid", "/")
    assert "'Feast'" in problem["detail"]
    refused(send(world, tenant, b"x" * (256 * 1024 + 1)), 413, "payload-too-large")
    refused(
        send(world, tenant, calendar("20991225"), kind="application/json"),
        422,
        "invalid",
        "header:Content-Type",
    )
    refused(send(world, None, calendar("20991225")), 401, "unauthorized")
    assert world.state() == before
    await world.provision(tenant.model_copy(update={"state": TenantState.SUSPENDED}))
    refused(send(world, tenant, calendar(f"{NEXT_YEAR}0501")), 403, "tenant-suspended")
    refused(world.call("PUT", HOLIDAYS, tenant, {"days": []}, match="*"), 403, "tenant-suspended")


async def test_imports_at_once_are_all_kept(world: World, tenant: TenantChanged) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda day: send(world, tenant, calendar(f"{NEXT_YEAR}03{day:02}")), range(1, 17))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.call("GET", HOLIDAYS, tenant).json()["days"]) == 16


async def test_time_off_comes_and_goes(world: World, tenant: TenantChanged) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    path = f"/v1/staff/{staff_id}/time-off"
    assert world.call("GET", path, tenant).json() == []
    made = world.made(path, tenant, OFF)
    assert made == {
        "id": made["id"],
        "starts_at": "2098-07-31T23:00:00Z",
        "ends_at": "2098-08-14T23:00:00Z",
    }
    first = world.made(path, tenant, OFF | {"starts_at": "2098-07-01T00:00:00Z"})
    assert world.call("GET", path, tenant, role="staff").json() == [first, made]
    assert world.call("GET", f"/v1/staff/{staff_id}", tenant).json()["version"] == 3
    # An edit of something else keeps it.
    edited = world.call("PATCH", f"/v1/staff/{staff_id}", tenant, {"name": "Ada L."}, match='"v3"')
    assert edited.status_code == 200
    assert world.call("DELETE", f"{path}/{first['id']}", tenant).status_code == 204
    refused(world.call("DELETE", f"{path}/{first['id']}", tenant), 404, "not-found")
    told = world.events(tenant, "staff")
    assert [[item["time_off_id"] for item in event["time_off"]] for event in told] == [
        [],
        [made["id"]],
        [first["id"], made["id"]],
        [first["id"], made["id"]],
        [made["id"]],
    ]


async def test_who_has_been_ill_for_days_can_be_entered(world: World, tenant: TenantChanged) -> None:
    path = f"/v1/staff/{world.made('/v1/staff', tenant, {'name': 'Ada'})['id']}/time-off"
    now = datetime.now(UTC)

    def off(since: int, until: int) -> dict[str, str]:
        return {
            "starts_at": (now + timedelta(days=since)).isoformat(),
            "ends_at": (now + timedelta(days=until)).isoformat(),
        }

    assert world.call("POST", path, tenant, off(-30, 2)).status_code == 201
    refused(world.call("POST", path, tenant, off(-32, 2)), 422, "invalid", "/starts_at")
    refused(world.call("POST", path, tenant, off(-5, -1)), 422, "invalid", "/ends_at")


async def test_wrong_time_off_is_refused_and_leaves_nothing(world: World, tenant: TenantChanged) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    path = f"/v1/staff/{staff_id}/time-off"
    stranger = await world.tenant()
    before = world.state()
    for body, pointer in (
        ({"starts_at": OFF["starts_at"]}, "/ends_at"),
        (OFF | {"ends_at": OFF["starts_at"]}, "/ends_at"),
        ({"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-01-02T00:00:00Z"}, "/starts_at"),
        (OFF | {"starts_at": "2098-08-01"}, "/starts_at"),
        (OFF | {"why": "sun"}, "/why"),
    ):
        refused(world.call("POST", path, tenant, body), 422, "invalid", pointer)
    refused(world.call("POST", path, tenant, OFF, role="staff"), 403, "forbidden")
    refused(world.call("POST", path, stranger, OFF), 404, "not-found")
    refused(world.call("GET", path, stranger), 404, "not-found")
    refused(world.call("DELETE", f"{path}/{new_id()}", tenant), 404, "not-found")
    assert world.state() == before


async def test_time_off_is_kept_once_for_a_key_and_all_of_it_at_once(
    world: World, tenant: TenantChanged
) -> None:
    path = f"/v1/staff/{world.made('/v1/staff', tenant, {'name': 'Ada'})['id']}/time-off"
    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda _: world.call("POST", path, tenant, OFF, key="one"), range(8)))
        others = list(pool.map(lambda _: world.call("POST", path, tenant, OFF), range(8)))
    assert {answer.status_code for answer in same + others} == {201}
    assert len({answer.content for answer in same}) == 1
    assert len(world.call("GET", path, tenant).json()) == 9
    world.rows(
        "UPDATE staff SET time_off = (SELECT jsonb_agg(one.item) FROM generate_series(1, 200),"
        " LATERAL (SELECT staff.time_off->0 AS item) AS one)"
        " WHERE tenant_id = %s RETURNING 1",
        tenant.tenant_id,
    )
    refused(world.call("POST", path, tenant, OFF), 422, "invalid", "/")
