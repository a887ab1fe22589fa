"""Resources, and what services need and ask, over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from contracts.platform import TenantChanged, TenantState
from integration.business.world import World, cut, refused
from servicekit.ids import new_id

MORNING = {"weekday": 0, "opens": "09:00", "closes": "12:00"}


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


def need(*resource_ids: str, **fields: Any) -> dict[str, Any]:
    return {"resource_ids": list(resource_ids)} | fields


async def test_a_resource_comes_changes_and_goes(world: World, tenant: TenantChanged) -> None:
    closed = {"date": "2099-12-25", "intervals": []}
    made = world.made("/v1/resources", tenant, {"name": " Room 1 "})
    path = f"/v1/resources/{made['id']}"
    assert made == {
        "id": made["id"],
        "version": 1,
        "name": "Room 1",
        "timezone": "Europe/Lisbon",
        "capacity": 1,
        "weekly_hours": None,
        "exceptions": [],
    }
    read = world.call("GET", path, tenant, role="staff")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made, '"v1"')
    assert world.call("GET", "/v1/resources", tenant).json() == {"items": [made], "next_cursor": None}
    edit = {"capacity": 4, "weekly_hours": [MORNING], "exceptions": [closed]}
    edited = world.call("PATCH", path, tenant, edit, match='"v1"')
    assert (edited.status_code, edited.headers["etag"]) == (200, '"v2"')
    hours = [{"weekday": 0, "opens": "09:00:00", "closes": "12:00:00"}]
    assert edited.json() == made | {
        "version": 2,
        "capacity": 4,
        "weekly_hours": hours,
        "exceptions": [closed],
    }
    again = world.call("PATCH", path, tenant, {"weekly_hours": None}, match='"v2"')
    assert (again.json()["weekly_hours"], again.json()["exceptions"]) == (None, [closed])
    assert world.call("DELETE", path, tenant).status_code == 204
    refused(world.call("GET", path, tenant), 404, "not-found")
    refused(world.call("PATCH", path, tenant, {}, match="*"), 404, "not-found")
    refused(world.call("DELETE", path, tenant), 404, "not-found")
    assert [
        (event["version"], event["deleted"], event["capacity"], event["weekly_hours"])
        for event in world.events(tenant, "resource")
    ] == [(1, False, 1, None), (2, False, 4, hours), (3, False, 4, None), (4, True, 4, None)]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"capacity": 0}, "/capacity"),
        ({"capacity": 1001}, "/capacity"),
        ({"capacity": "two"}, "/capacity"),
        ({"weekly_hours": [MORNING, MORNING]}, "/weekly_hours"),
        ({"weekly_hours": [MORNING | {"weekday": 9}]}, "/weekly_hours/0/weekday"),
        ({"exceptions": [{"date": "2099-12-25", "intervals": []}] * 2}, "/exceptions"),
        ({"exceptions": [{"date": "soon", "intervals": []}]}, "/exceptions/0/date"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_a_wrong_resource_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, fields: dict[str, Any], pointer: str
) -> None:
    resource = world.made("/v1/resources", tenant, {"name": "Room"})
    before = world.state()
    refused(
        world.call("POST", "/v1/resources", tenant, {"name": "R"} | fields, key="k"), 422, "invalid", pointer
    )
    path = f"/v1/resources/{resource['id']}"
    refused(world.call("PATCH", path, tenant, fields, match='"v1"'), 422, "invalid", pointer)
    for name in ("name", "timezone", "capacity", "exceptions"):
        refused(world.call("PATCH", path, tenant, {name: None}, match='"v1"'), 422, "invalid", f"/{name}")
    assert world.state() == before


async def test_edits_need_the_version_roles_and_an_active_business(
    world: World, tenant: TenantChanged
) -> None:
    resource = world.made("/v1/resources", tenant, {"name": "Room"})
    path = f"/v1/resources/{resource['id']}"
    stranger = await world.tenant()
    before = world.state()
    refused(world.call("PATCH", path, tenant, {"capacity": 2}), 428, "precondition-required")
    refused(world.call("PATCH", path, tenant, {"capacity": 2}, match='"v2"'), 412, "precondition-failed")
    for method, where, body in (
        ("POST", "/v1/resources", {"name": "R"}),
        ("PATCH", path, {"name": "R"}),
        ("DELETE", path, None),
    ):
        refused(world.call(method, where, tenant, body, role="staff", match="*"), 403, "forbidden")
        refused(world.call(method, where, None, body, match="*"), 401, "unauthorized")
    for method in ("GET", "PATCH", "DELETE"):
        body = {"name": "R"} if method == "PATCH" else None
        refused(world.call(method, path, stranger, body, match="*"), 404, "not-found")
    assert world.state() == before
    await world.provision(tenant.model_copy(update={"state": TenantState.SUSPENDED}))
    refused(world.call("POST", "/v1/resources", tenant, {"name": "R"}), 403, "tenant-suspended")
    refused(world.call("PATCH", path, tenant, {"name": "R"}, match="*"), 403, "tenant-suspended")


async def test_a_replay_makes_one_and_there_are_at_most_500(world: World, tenant: TenantChanged) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: world.call("POST", "/v1/resources", tenant, {"name": "R"}, key="one"), range(8)
            )
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    world.rows(
        "INSERT INTO resource (tenant_id, resource_id, name, timezone, capacity)"
        " SELECT %s, gen_random_uuid(), 'Room', 'UTC', 1 FROM generate_series(1, 497) RETURNING 1",
        tenant.tenant_id,
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: world.call("POST", "/v1/resources", tenant, {"name": "R"}), range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 6


async def test_a_service_names_its_team_its_needs_and_its_questions(
    world: World, tenant: TenantChanged
) -> None:
    staff = [world.made("/v1/staff", tenant, {"name": name})["id"] for name in ("Ada", "Bea")]
    rooms = [world.made("/v1/resources", tenant, {"name": "R", "capacity": 2})["id"] for _ in range(2)]
    asked = {"label": "Which dog?", "kind": "text", "required": True}
    wanted = {"label": "Length", "kind": "choice", "choices": ["short", "long"]}
    body = cut(*staff, staff_count=2, needs=[need(*rooms, count=3)], questions=[asked, wanted])
    made = world.made("/v1/services", tenant, body)
    assert (made["staff_count"], made["needs"]) == (2, [{"resource_ids": rooms, "count": 3}])
    first, second = made["questions"]
    assert first == asked | {"id": first["id"], "choices": []}
    assert second == wanted | {"id": second["id"], "required": False}
    public = world.call("GET", f"/v1/public/{tenant.slug}", None).json()
    assert public["services"] == [made]
    path = f"/v1/services/{made['id']}"
    changed = {"questions": [second | {"label": "How long?"}, asked]}
    put = world.call("PUT", path, tenant, cut(*staff, **changed), match='"v1"').json()
    assert (put["staff_count"], put["needs"]) == (1, [])
    assert [item["id"] == second["id"] for item in put["questions"]] == [True, False]
    assert put["questions"][1]["id"] != first["id"]
    told = world.events(tenant, "service")
    assert [(item["staff_count"], item["needs"]) for item in told] == [(2, made["needs"]), (1, [])]
    assert told[1]["questions"][0] == {
        "question_id": second["id"],
        "label": "How long?",
        "kind": "choice",
        "choices": ["short", "long"],
        "required": False,
    }


async def test_wrong_needs_and_questions_are_named(world: World, tenant: TenantChanged) -> None:
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    room = world.made("/v1/resources", tenant, {"name": "R", "capacity": 2})["id"]
    theirs = world.made("/v1/resources", await world.tenant(), {"name": "R"})["id"]
    service = world.made("/v1/services", tenant, cut(staff))
    text = {"label": "Which dog?", "kind": "text"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"staff_count": 0}, "/staff_count"),
        ({"staff_count": 2}, "/staff_count"),
        ({"needs": [need()]}, "/needs/0/resource_ids"),
        ({"needs": [need(theirs)]}, "/needs/0/resource_ids/0"),
        ({"needs": [need(room), need(room)]}, "/needs/1/resource_ids/0"),
        ({"needs": [need(room, room)]}, "/needs/0/resource_ids/1"),
        ({"needs": [need(room, count=3)]}, "/needs/0/count"),
        ({"needs": [need(room, count=0)]}, "/needs/0/count"),
        ({"needs": [need(staff)]}, "/needs/0/resource_ids/0"),
        ({"questions": [text | {"kind": "number"}]}, "/questions/0/kind"),
        ({"questions": [text | {"label": ""}]}, "/questions/0/label"),
        ({"questions": [text | {"choices": ["a"]}]}, "/questions/0"),
        ({"questions": [text | {"kind": "choice"}]}, "/questions/0"),
        ({"questions": [text | {"kind": "choice", "choices": ["a", "a"]}]}, "/questions/0/choices"),
        ({"questions": [text | {"id": str(new_id())}]}, "/questions/0/id"),
        ({"questions": [text] * 21}, "/questions"),
    ]
    before = world.state()
    path = f"/v1/services/{service['id']}"
    for fields, pointer in wrong:
        answer = world.call("POST", "/v1/services", tenant, cut(staff, **fields))
        found = [error["pointer"] for error in refused(answer, 422, "invalid")["errors"]]
        assert pointer in found, (fields, answer.text)
        answer = world.call("PUT", path, tenant, cut(staff, **fields), match='"v1"')
        assert pointer in [error["pointer"] for error in refused(answer, 422, "invalid")["errors"]]
    assert world.state() == before


async def test_what_a_service_needs_cannot_be_deleted_even_at_the_same_moment(
    world: World, tenant: TenantChanged
) -> None:
    room = world.made("/v1/resources", tenant, {"name": "R"})["id"]
    service = world.made("/v1/services", tenant, cut(needs=[need(room)], name="Massage"))
    other = world.made("/v1/services", tenant, cut(needs=[need(room)], name="Sauna"))
    answer = world.call("DELETE", f"/v1/resources/{room}", tenant)
    assert "It is needed by Massage, Sauna." in refused(answer, 409, "conflict")["detail"]
    for made in (service, other):
        assert world.call("DELETE", f"/v1/services/{made['id']}", tenant).status_code == 204
    assert world.call("DELETE", f"/v1/resources/{room}", tenant).status_code == 204
    for _ in range(10):
        room = world.made("/v1/resources", tenant, {"name": "R"})["id"]
        with ThreadPoolExecutor(2) as pool:
            gone = pool.submit(world.call, "DELETE", f"/v1/resources/{room}", tenant)
            made = pool.submit(world.call, "POST", "/v1/services", tenant, cut(needs=[need(room)]))
        assert (gone.result().status_code, made.result().status_code) in {(204, 422), (409, 201)}


async def test_nobody_leaves_a_team_that_would_be_too_small(world: World, tenant: TenantChanged) -> None:
    ada, bea, cleo = (
        world.made("/v1/staff", tenant, {"name": name})["id"] for name in ("Ada", "Bea", "Cleo")
    )
    team = world.made("/v1/services", tenant, cut(ada, bea, cleo, staff_count=2, name="Four hands"))
    world.made("/v1/services", tenant, cut(ada, name="Cut"))
    assert world.call("DELETE", f"/v1/staff/{cleo}", tenant).status_code == 204
    before = world.state()
    answer = world.call("DELETE", f"/v1/staff/{ada}", tenant)
    assert "Four hands" in refused(answer, 409, "conflict")["detail"]
    assert world.state() == before
    path = f"/v1/services/{team['id']}"
    assert world.call("PUT", path, tenant, cut(ada, bea), match="*").status_code == 200
    assert world.call("DELETE", f"/v1/staff/{ada}", tenant).status_code == 204, "one alone may leave nobody"


async def test_a_capacity_covers_what_services_need_even_at_the_same_moment(
    world: World, tenant: TenantChanged
) -> None:
    one, other = (world.made("/v1/resources", tenant, {"name": "R", "capacity": 4})["id"] for _ in range(2))
    world.made("/v1/services", tenant, cut(needs=[need(one, other, count=5)], name="Massage"))

    def capacity(resource: str, places: int) -> httpx.Response:
        return world.call("PATCH", f"/v1/resources/{resource}", tenant, {"capacity": places}, match="*")

    assert capacity(one, 1).status_code == 200, "five of both are left"
    answer = capacity(other, 3)
    assert "Massage" in refused(answer, 422, "invalid", "/capacity")["detail"]
    for _ in range(5):
        assert {capacity(one, 4).status_code, capacity(other, 4).status_code} == {200}
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(capacity, (one, other), (2, 2)))
        assert sorted(each.status_code for each in answers) == [200, 422]
