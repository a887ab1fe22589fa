"""Staff, their weekly hours and exceptions, over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.platform import Limits, TenantChanged, TenantState
from integration.business.world import World, cut, refused
from servicekit.ids import new_id

MORNING = {"weekday": 0, "opens": "09:00", "closes": "12:00"}


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


async def test_a_staff_member_comes_changes_and_goes(world: World, tenant: TenantChanged) -> None:
    body = {"name": " Ada ", "email": "Ada@Riverside.Example", "weekly_hours": [MORNING]}
    made = world.made("/v1/staff", tenant, body)
    path = f"/v1/staff/{made['id']}"
    assert made == {
        "id": made["id"],
        "version": 1,
        "name": "Ada",
        "email": "Ada@riverside.example",
        "timezone": "Europe/Lisbon",
        "weekly_hours": [{"weekday": 0, "opens": "09:00:00", "closes": "12:00:00"}],
        "exceptions": [],
    }
    read = world.call("GET", path, tenant, role="staff")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made, '"v1"')
    assert world.call("GET", "/v1/staff", tenant).json() == {"items": [made], "next_cursor": None}

    edited = world.call("PATCH", path, tenant, {"name": "Ada L.", "email": None}, match='"v1"')
    assert (edited.status_code, edited.headers["etag"]) == (200, '"v2"')
    assert edited.json() == made | {"version": 2, "name": "Ada L.", "email": None}

    assert world.call("DELETE", path, tenant).status_code == 204
    refused(world.call("GET", path, tenant), 404, "not-found")
    refused(world.call("DELETE", path, tenant), 404, "not-found")
    assert world.call("GET", "/v1/staff", tenant).json()["items"] == []
    told = world.events(tenant, "staff")
    assert [(event["version"], event["name"], event["deleted"]) for event in told] == [
        (1, "Ada", False),
        (2, "Ada L.", False),
        (3, "Ada L.", True),
    ]
    assert "email" not in told[0]


async def test_hours_and_exceptions_are_replaced_whole(world: World, tenant: TenantChanged) -> None:
    path = f"/v1/staff/{world.made('/v1/staff', tenant, {'name': 'Ada'})['id']}"
    hours = [MORNING, {"weekday": 0, "opens": "12:00", "closes": "00:00"}]
    answer = world.call("PUT", f"{path}/hours", tenant, {"weekly_hours": hours}, match='"v1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"v2"')
    read = world.call("GET", f"{path}/hours", tenant, role="staff")
    assert read.headers["etag"] == '"v2"'
    assert [item["closes"] for item in read.json()] == ["12:00:00", "00:00:00"]

    days: list[tuple[str, list[dict[str, str]]]] = [
        ("2099-12-25", []),
        ("2099-12-24", [{"opens": "09:00", "closes": "12:00"}]),
        ("2099-12-25", [{"opens": "10:00", "closes": "11:00"}]),
    ]
    for day, intervals in days:
        put = world.call("PUT", f"{path}/exceptions/{day}", tenant, {"intervals": intervals})
        assert put.status_code == 200, put.text
    listed = world.call("GET", f"{path}/exceptions", tenant, role="staff").json()
    assert [(item["date"], len(item["intervals"])) for item in listed] == [
        ("2099-12-24", 1),
        ("2099-12-25", 1),
    ]
    assert world.call("DELETE", f"{path}/exceptions/2099-12-25", tenant).status_code == 204
    assert len(world.call("GET", f"{path}/exceptions", tenant).json()) == 1
    told = world.events(tenant, "staff")
    assert [event["version"] for event in told] == [1, 2, 3, 4, 5, 6]
    assert [len(event["exceptions"]) for event in told] == [0, 0, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/name"]),
        ({"name": "   "}, ["/name"]),
        ({"name": "x" * 121}, ["/name"]),
        ({"name": 7}, ["/name"]),
        ({"name": None}, ["/name"]),
        ({"name": "Ada\0"}, ["/name"]),
        ({"name": "Ada\r\nBcc: all@customers.example"}, ["/name"]),
        ({"name": "Ada", "email": "no address"}, ["/email"]),
        ({"name": "Ada", "timezone": "Mars/Olympus"}, ["/timezone"]),
        ({"name": "Ada", "timezone": "../../etc/passwd"}, ["/timezone"]),
        ({"name": "Ada", "wage": 1}, ["/wage"]),
        ({"name": "Ada", "weekly_hours": {}}, ["/weekly_hours"]),
        ({"name": "Ada", "weekly_hours": [MORNING | {"weekday": 7}]}, ["/weekly_hours/0/weekday"]),
        ({"name": "Ada", "weekly_hours": [MORNING | {"opens": "25:00"}]}, ["/weekly_hours/0/opens"]),
        ({"name": "Ada", "weekly_hours": [MORNING | {"opens": "09:00Z"}]}, ["/weekly_hours/0/opens"]),
        ({"name": "Ada", "weekly_hours": [MORNING | {"closes": 43200}]}, ["/weekly_hours/0/closes"]),
        ({"name": "Ada", "weekly_hours": [MORNING | {"opens": "13:00"}]}, ["/weekly_hours"]),
        ({"name": "Ada", "weekly_hours": [MORNING, MORNING]}, ["/weekly_hours"]),
        ({"name": "Ada", "weekly_hours": [MORNING] * 71}, ["/weekly_hours"]),
    ],
)
async def test_a_wrong_body_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, body: dict[str, Any], pointers: list[str]
) -> None:
    before = world.state()
    refused(world.call("POST", "/v1/staff", tenant, body, key="k"), 422, "invalid", *pointers)
    assert world.state() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PATCH", "", {"name": None}, "/name"),
        ("PATCH", "", {"timezone": None}, "/timezone"),
        ("PATCH", "", {"timezone": "Europe/Lisbonn"}, "/timezone"),
        ("PATCH", "", {"version": 9}, "/version"),
        ("PUT", "/hours", {}, "/weekly_hours"),
        ("PUT", "/hours", {"weekly_hours": [MORNING | {"closes": "09:00"}]}, "/weekly_hours"),
        ("PUT", "/exceptions/2026-02-30", {"intervals": []}, "path:day"),
        ("PUT", "/exceptions/1772409600", {"intervals": []}, "path:day"),
        ("PUT", "/exceptions/9999-12-31", {"intervals": []}, "path:day"),
        ("PUT", "/exceptions/2020-02-29", {"intervals": []}, "path:day"),
        ("PUT", "/exceptions/2026-03-02", {"intervals": [{"opens": "9"}]}, "/intervals/0/opens"),
        ("DELETE", "/exceptions/tomorrow", None, "path:day"),
    ],
)
async def test_a_wrong_edit_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, method: str, path: str, body: Any, pointer: str
) -> None:
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    before = world.state()
    answer = world.call(method, f"/v1/staff/{staff['id']}{path}", tenant, body, match='"v1"')
    problem = refused(answer, 422, "invalid")
    assert problem["errors"][0]["pointer"] == pointer
    assert world.state() == before


@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("PUT", "/hours")])
async def test_an_edit_needs_the_version_that_it_starts_from(
    world: World, tenant: TenantChanged, method: str, path: str
) -> None:
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    body: dict[str, Any] = {"name": "Bea"} if method == "PATCH" else {"weekly_hours": []}
    path = f"/v1/staff/{staff['id']}{path}"
    before = world.state()
    refused(world.call(method, path, tenant, body), 428, "precondition-required")
    for stale in ('"v2"', '"v0"', "v1", 'W/"v1"', '"v1", "v2"', '"v99999999999999999999"'):
        refused(world.call(method, path, tenant, body, match=stale), 412, "precondition-failed")
    assert world.state() == before
    assert world.call(method, path, tenant, body, match="*").status_code == 200
    refused(world.call(method, path, tenant, body, match='"v1"'), 412, "precondition-failed")


async def test_of_edits_that_start_from_one_version_one_is_granted(
    world: World, tenant: TenantChanged
) -> None:
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    path = f"/v1/staff/{staff['id']}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: world.call("PATCH", path, tenant, {"name": f"Ada {n}"}, match='"v1"'), range(8)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    assert len(world.events(tenant, "staff")) == 2


async def test_exceptions_set_at_once_are_all_kept(world: World, tenant: TenantChanged) -> None:
    path = f"/v1/staff/{world.made('/v1/staff', tenant, {'name': 'Ada'})['id']}/exceptions"
    days = [f"2099-12-{day:02}" for day in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda day: world.call("PUT", f"{path}/{day}", tenant, {"intervals": []}), days)
        )
    assert {answer.status_code for answer in answers} == {200}
    assert [item["date"] for item in world.call("GET", path, tenant).json()] == days


async def test_a_staff_member_has_so_many_exceptions_that_the_event_fits_a_message(
    world: World, tenant: TenantChanged
) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    world.rows(
        "UPDATE staff SET exceptions = (SELECT jsonb_agg(jsonb_build_object('date', date '2098-01-01' + n,"
        " 'intervals', '[]'::jsonb)) FROM generate_series(1, 500) n) WHERE staff_id = %s RETURNING 1",
        staff_id,
    )
    path = f"/v1/staff/{staff_id}/exceptions"
    refused(world.call("PUT", f"{path}/2097-01-01", tenant, {"intervals": []}), 422, "invalid", "path:day")
    assert world.call("PUT", f"{path}/2098-01-02", tenant, {"intervals": []}).status_code == 200
    assert world.call("DELETE", f"{path}/2098-01-02", tenant).status_code == 204
    assert world.call("PUT", f"{path}/2097-01-01", tenant, {"intervals": []}).status_code == 200


async def test_the_last_places_of_the_plan_are_granted_once_and_come_back(world: World) -> None:
    tenant = await world.tenant(limits=Limits(staff=3))
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: world.call("POST", "/v1/staff", tenant, {"name": f"Ada {n}"}), range(8))
        )
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 3
    problem = refused(next(a for a in answers if a.status_code != 201), 403, "quota-exceeded")
    assert (problem["metric"], problem["limit"], problem["used"], problem["plan"]) == ("staff", 3, 3, "pro")
    assert len(world.events(tenant, "staff")) == 3
    assert world.call("DELETE", f"/v1/staff/{made[0]['id']}", tenant).status_code == 204
    assert world.used(tenant, "staff") == 2
    assert world.call("POST", "/v1/staff", tenant, {"name": "Cem"}).status_code == 201


async def test_a_replay_makes_one_staff_member_and_answers_the_same(
    world: World, tenant: TenantChanged
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: world.call("POST", "/v1/staff", tenant, {"name": "Ada"}, key="one"), range(8))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 7
    assert len(world.events(tenant, "staff")) == 1
    assert world.used(tenant, "staff") == 1
    other = world.call("POST", "/v1/staff", tenant, {"name": "Bea"}, key="one")
    refused(other, 422, "idempotency-key-reused")
    refused(
        world.call("POST", "/v1/staff", tenant, {"name": "Bea"}, key="k" * 256),
        422,
        "invalid",
        "header:Idempotency-Key",
    )
    # Keys are the business's own.
    stranger = await world.tenant()
    assert world.call("POST", "/v1/staff", stranger, {"name": "Ada"}, key="one").json() != answers[0].json()


async def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    tenant = await world.tenant(limits=Limits(staff=0))
    refused(world.call("POST", "/v1/staff", tenant, {"name": "Ada"}, key="one"), 403, "quota-exceeded")
    await world.provision(tenant.model_copy(update={"limits": Limits(staff=1)}))
    assert world.call("POST", "/v1/staff", tenant, {"name": "Ada"}, key="one").status_code == 201


async def test_a_long_list_comes_in_pages(world: World, tenant: TenantChanged) -> None:
    ids = sorted(world.made("/v1/staff", tenant, {"name": f"Ada {n}"})["id"] for n in range(5))
    found: list[str] = []
    path: str | None = "/v1/staff?limit=2"
    pages = 0
    while path:
        answer = world.call("GET", path, tenant)
        found += [item["id"] for item in answer.json()["items"]]
        pages += 1
        link = answer.headers.get("link")
        path = link.removeprefix("<").split(">")[0] if link else None
        assert (path is None) == (answer.json()["next_cursor"] is None)
    assert (found, pages) == (ids, 3)
    for query in ("limit=0", "limit=201", "limit=x", "cursor=x", "cursor=WyJ4Il0", "cursor=W10x"):
        refused(world.call("GET", f"/v1/staff?{query}", tenant), 422, "invalid", f"?{query.split('=')[0]}")


async def test_unknown_and_foreign_ids_are_not_found(world: World, tenant: TenantChanged) -> None:
    stranger = await world.tenant()
    theirs = world.made("/v1/staff", stranger, {"name": "Bea"})["id"]
    before = world.state()
    for staff_id in (theirs, str(new_id())):
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "Eve"}),
            ("DELETE", "", None),
            ("GET", "/hours", None),
            ("PUT", "/hours", {"weekly_hours": []}),
            ("GET", "/exceptions", None),
            ("PUT", "/exceptions/2099-12-25", {"intervals": []}),
            ("DELETE", "/exceptions/2099-12-25", None),
        ):
            answer = world.call(method, f"/v1/staff/{staff_id}{path}", tenant, body, match="*")
            refused(answer, 404, "not-found")
    refused(world.call("GET", "/v1/staff/7", tenant), 422, "invalid", "path:staff_id")
    assert world.call("GET", "/v1/staff", tenant).json()["items"] == []
    assert world.state() == before


async def test_staff_may_read_and_only_the_owner_may_change(world: World, tenant: TenantChanged) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    before = world.state()
    for method, path, body in (
        ("POST", "", {"name": "Eve"}),
        ("PATCH", f"/{staff_id}", {"name": "Eve"}),
        ("DELETE", f"/{staff_id}", None),
        ("PUT", f"/{staff_id}/hours", {"weekly_hours": []}),
        ("PUT", f"/{staff_id}/exceptions/2099-12-25", {"intervals": []}),
        ("DELETE", f"/{staff_id}/exceptions/2099-12-25", None),
    ):
        answer = world.call(method, f"/v1/staff{path}", tenant, body, role="staff", match="*")
        refused(answer, 403, "forbidden")
        refused(world.call(method, f"/v1/staff{path}", None, body, match="*"), 401, "unauthorized")
    refused(world.call("GET", "/v1/staff", tenant, role="admin"), 403, "forbidden")
    assert world.state() == before


async def test_a_suspended_business_can_be_read_and_takes_nothing_new(world: World) -> None:
    tenant = await world.tenant()
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    await world.provision(tenant.model_copy(update={"state": TenantState.SUSPENDED}))
    before = world.state()
    path = f"/v1/staff/{staff['id']}"
    for method, where, body in (
        ("POST", "/v1/staff", {"name": "Bea"}),
        ("PATCH", path, {"name": "Bea"}),
        ("PUT", f"{path}/hours", {"weekly_hours": []}),
        ("PUT", f"{path}/exceptions/2099-12-25", {"intervals": []}),
        ("POST", "/v1/services", cut(staff["id"])),
    ):
        refused(world.call(method, where, tenant, body, match="*"), 403, "tenant-suspended")
    assert world.state() == before
    assert world.call("GET", path, tenant).status_code == 200


async def test_a_deleted_business_that_is_retained_is_out_of_reach(world: World) -> None:
    tenant = await world.tenant()
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    service = world.made("/v1/services", tenant, cut(staff["id"]))
    await world.provision(tenant.model_copy(update={"state": TenantState.DELETING}))
    for path in (
        "/v1/business",
        "/v1/staff",
        f"/v1/staff/{staff['id']}",
        f"/v1/staff/{staff['id']}/hours",
        f"/v1/staff/{staff['id']}/exceptions",
        "/v1/services",
        f"/v1/services/{service['id']}",
        "/v1/reminder-policy",
        f"/v1/public/{tenant.slug}",
    ):
        refused(world.call("GET", path, tenant), 404, "not-found")
