"""The catalog of services over HTTP, and what it shares with staff."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.platform import Limits, TenantChanged
from integration.business.world import World, cut, refused
from servicekit.ids import new_id


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


@pytest.fixture
def ada(world: World, tenant: TenantChanged) -> str:
    """The id of a staff member."""
    return str(world.made("/v1/staff", tenant, {"name": "Ada"})["id"])


async def test_a_service_comes_changes_and_goes(world: World, tenant: TenantChanged, ada: str) -> None:
    made = world.made("/v1/services", tenant, cut(ada, ada, description="With scissors"))
    path = f"/v1/services/{made['id']}"
    assert made == {
        "id": made["id"],
        "version": 1,
        "name": "Cut",
        "description": "With scissors",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "slot_step_minutes": 15,
        "minimum_notice_minutes": 0,
        "booking_window_days": 60,
        "cancellation_window_minutes": 0,
        "capacity": 1,
        "requires_confirmation": False,
        "price": {"amount": 2500, "currency": "EUR"},
        "staff_ids": [ada],
        "staff_count": 1,
        "needs": [],
        "questions": [],
    }
    read = world.call("GET", path, tenant, role="staff")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made, '"v1"')
    assert world.call("GET", "/v1/services", tenant, role="staff").json()["items"] == [made]

    put = world.call("PUT", path, tenant, cut(name="Shave", price_amount=0), match='"v1"')
    assert (put.status_code, put.headers["etag"]) == (200, '"v2"')
    assert put.json() == made | {
        "version": 2,
        "name": "Shave",
        "description": "",
        "price": {"amount": 0, "currency": "EUR"},
        "staff_ids": [],
    }
    assert world.call("GET", path, tenant).json() == put.json()

    assert world.call("DELETE", path, tenant).status_code == 204
    refused(world.call("GET", path, tenant), 404, "not-found")
    refused(world.call("DELETE", path, tenant), 404, "not-found")
    refused(world.call("PUT", path, tenant, cut(), match="*"), 404, "not-found")
    told = world.events(tenant, "service")
    assert [(event["version"], event["deleted"], event["staff_ids"]) for event in told] == [
        (1, False, [ada]),
        (2, False, []),
        (3, True, []),
    ]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"description": "x" * 2001}, "/description"),
        ({"duration_minutes": 0}, "/duration_minutes"),
        ({"duration_minutes": 1441}, "/duration_minutes"),
        ({"duration_minutes": "half an hour"}, "/duration_minutes"),
        ({"duration_minutes": 30.5}, "/duration_minutes"),
        ({"duration_minutes": 10**30}, "/duration_minutes"),
        ({"buffer_before_minutes": -1}, "/buffer_before_minutes"),
        ({"buffer_after_minutes": 1441}, "/buffer_after_minutes"),
        ({"slot_step_minutes": 0}, "/slot_step_minutes"),
        ({"minimum_notice_minutes": 525_601}, "/minimum_notice_minutes"),
        ({"booking_window_days": 731}, "/booking_window_days"),
        ({"cancellation_window_minutes": -1}, "/cancellation_window_minutes"),
        ({"capacity": 0}, "/capacity"),
        ({"capacity": 1001}, "/capacity"),
        ({"requires_confirmation": "perhaps"}, "/requires_confirmation"),
        ({"price_amount": -1}, "/price_amount"),
        ({"price_amount": 100_000_001}, "/price_amount"),
        ({"price_amount": None}, "/price_amount"),
        ({"staff_ids": ["7"]}, "/staff_ids/0"),
        ({"staff_ids": None}, "/staff_ids"),
        ({"staff_ids": [str(new_id())]}, "/staff_ids/0"),
        ({"price": {"amount": 1, "currency": "EUR"}}, "/price"),
        ({"version": 1}, "/version"),
    ],
)
async def test_a_wrong_body_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, ada: str, fields: dict[str, Any], pointer: str
) -> None:
    service = world.made("/v1/services", tenant, cut(ada))
    before = world.state()
    refused(world.call("POST", "/v1/services", tenant, cut(ada, **fields), key="k"), 422, "invalid", pointer)
    refused(
        world.call("PUT", f"/v1/services/{service['id']}", tenant, cut(ada, **fields), match='"v1"'),
        422,
        "invalid",
        pointer,
    )
    assert world.state() == before


async def test_staff_of_another_business_and_deleted_staff_perform_nothing(
    world: World, tenant: TenantChanged, ada: str
) -> None:
    stranger = await world.tenant()
    theirs = world.made("/v1/staff", stranger, {"name": "Bea"})["id"]
    gone = world.made("/v1/staff", tenant, {"name": "Cem"})["id"]
    world.call("DELETE", f"/v1/staff/{gone}", tenant)
    before = world.state()
    for staff_id in (theirs, gone):
        refused(
            world.call("POST", "/v1/services", tenant, cut(ada, staff_id)), 422, "invalid", "/staff_ids/1"
        )
    assert world.state() == before


async def test_an_edit_needs_the_version_that_it_starts_from(
    world: World, tenant: TenantChanged, ada: str
) -> None:
    path = f"/v1/services/{world.made('/v1/services', tenant, cut(ada))['id']}"
    before = world.state()
    refused(world.call("PUT", path, tenant, cut()), 428, "precondition-required")
    refused(world.call("PUT", path, tenant, cut(), match='"v2"'), 412, "precondition-failed")
    assert world.state() == before
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: world.call("PUT", path, tenant, cut(ada, capacity=n), match='"v1"'), range(1, 9)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_the_last_places_of_the_plan_are_granted_once_and_come_back(world: World) -> None:
    tenant = await world.tenant(limits=Limits(services=2))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.call("POST", "/v1/services", tenant, cut()), range(8)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 2
    problem = refused(next(a for a in answers if a.status_code != 201), 403, "quota-exceeded")
    assert (problem["metric"], problem["limit"]) == ("services", 2)
    assert len(world.events(tenant, "service")) == 2
    assert world.call("DELETE", f"/v1/services/{made[0]['id']}", tenant).status_code == 204
    assert world.used(tenant, "services") == 1
    assert world.call("POST", "/v1/services", tenant, cut()).status_code == 201


async def test_a_replay_makes_one_service(world: World, tenant: TenantChanged, ada: str) -> None:
    first = world.call("POST", "/v1/services", tenant, cut(ada), key="one")
    again = world.call("POST", "/v1/services", tenant, cut(ada), key="one")
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.events(tenant, "service")) == 1
    assert world.used(tenant, "services") == 1
    refused(world.call("POST", "/v1/services", tenant, cut(), key="one"), 422, "idempotency-key-reused")
    # The same key on another route is another request.
    assert world.call("POST", "/v1/staff", tenant, {"name": "Bea"}, key="one").status_code == 201


async def test_a_long_list_comes_in_pages(world: World, tenant: TenantChanged) -> None:
    ids = sorted(world.made("/v1/services", tenant, cut(name=f"Cut {n}"))["id"] for n in range(3))
    first = world.call("GET", "/v1/services?limit=2", tenant).json()
    rest = world.call("GET", f"/v1/services?limit=2&cursor={first['next_cursor']}", tenant).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids
    assert rest["next_cursor"] is None


async def test_unknown_and_foreign_ids_are_not_found(world: World, tenant: TenantChanged) -> None:
    stranger = await world.tenant()
    theirs = world.made("/v1/services", stranger, cut())["id"]
    before = world.state()
    for service_id in (theirs, str(new_id())):
        path = f"/v1/services/{service_id}"
        refused(world.call("GET", path, tenant), 404, "not-found")
        refused(world.call("PUT", path, tenant, cut(), match="*"), 404, "not-found")
        refused(world.call("DELETE", path, tenant), 404, "not-found")
    refused(world.call("GET", "/v1/services/7", tenant), 422, "invalid", "path:service_id")
    assert world.state() == before


async def test_staff_may_read_and_only_the_owner_may_change(world: World, tenant: TenantChanged) -> None:
    service_id = world.made("/v1/services", tenant, cut())["id"]
    before = world.state()
    for method, path in (
        ("POST", "/v1/services"),
        ("PUT", f"/v1/services/{service_id}"),
        ("DELETE", f"/v1/services/{service_id}"),
    ):
        refused(world.call(method, path, tenant, cut(), role="staff", match="*"), 403, "forbidden")
        refused(world.call(method, path, None, cut(), match="*"), 401, "unauthorized")
    assert world.state() == before


async def test_who_leaves_is_taken_off_their_services(world: World, tenant: TenantChanged, ada: str) -> None:
    bea = world.made("/v1/staff", tenant, {"name": "Bea"})["id"]
    both = world.made("/v1/services", tenant, cut(ada, bea))
    world.made("/v1/services", tenant, cut(bea))
    assert world.call("DELETE", f"/v1/staff/{ada}", tenant).status_code == 204
    answer = world.call("GET", f"/v1/services/{both['id']}", tenant).json()
    assert (answer["staff_ids"], answer["version"]) == ([bea], 2)
    last = world.events(tenant, "service")[-1]
    assert (last["service_id"], last["version"], last["staff_ids"]) == (both["id"], 2, [bea])
    assert len(world.events(tenant, "service")) == 3


async def test_a_deleted_service_stays_deleted_when_its_staff_leaves(
    world: World, tenant: TenantChanged, ada: str
) -> None:
    """The event that tells of a service without them would bring it back to life for its readers."""
    service = world.made("/v1/services", tenant, cut(ada))
    assert world.call("DELETE", f"/v1/services/{service['id']}", tenant).status_code == 204
    assert world.call("DELETE", f"/v1/staff/{ada}", tenant).status_code == 204
    assert [event["deleted"] for event in world.events(tenant, "service")] == [False, True]


async def test_services_edited_while_their_staff_leaves_block_nobody(
    world: World, tenant: TenantChanged
) -> None:
    """Edits and leavings cross each other over the same rows: each is granted or refused, none fails."""
    staff = [world.made("/v1/staff", tenant, {"name": f"Ada {n}"})["id"] for n in range(12)]
    services = [world.made("/v1/services", tenant, cut(*staff))["id"] for _ in range(3)]
    chance = random.Random(3)  # noqa: S311 - the same mix each time

    def leave(staff_id: str) -> int:
        return world.call("DELETE", f"/v1/staff/{staff_id}", tenant).status_code

    def edit(service_id: str, staff_ids: list[str]) -> int:
        path = f"/v1/services/{service_id}"
        return world.call("PUT", path, tenant, cut(*staff_ids), match="*").status_code

    with ThreadPoolExecutor(8) as pool:
        edits = [
            pool.submit(edit, chance.choice(services), chance.sample(staff, chance.randint(0, 12)))
            for _ in range(60)
        ]
        leavings = [pool.submit(leave, staff_id) for staff_id in staff]
        edits += [pool.submit(edit, service_id, staff[n:]) for n in range(12) for service_id in services]
        assert {edited.result() for edited in edits} <= {200, 422}
        assert {left.result() for left in leavings} == {204}
    for service_id in services:
        assert world.call("GET", f"/v1/services/{service_id}", tenant).json()["staff_ids"] == []
    last = {event["service_id"]: event for event in world.events(tenant, "service")}
    assert [last[service_id]["staff_ids"] for service_id in services] == [[], [], []]
    for service_id in services:
        versions = [
            event["version"] for event in world.events(tenant, "service") if event["service_id"] == service_id
        ]
        assert versions == list(range(1, len(versions) + 1))
