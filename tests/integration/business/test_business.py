"""The profile, the public page, the reminder policy, and what holds for every body and token."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.platform import TenantChanged, TenantState
from integration.business.world import World, cut, refused
from servicekit.ids import new_id

EMAIL_DAY = {"offset_seconds": 86400, "channel": "email"}
EMAIL_HOUR = {"offset_seconds": 3600, "channel": "email"}


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


async def test_a_new_business_has_a_profile_and_a_policy_and_tells_of_both(
    world: World, tenant: TenantChanged
) -> None:
    profile = world.call("GET", "/v1/business", tenant, role="staff")
    assert profile.headers["etag"] == '"v1"'
    assert profile.json() == {
        "id": str(tenant.tenant_id),
        "slug": tenant.slug,
        "display_name": "Riverside Barbers",
        "description": "",
        "contact_email": None,
        "contact_phone": None,
        "address": None,
        "timezone": "Europe/Lisbon",
        "locale": "en",
        "currency": "EUR",
        "state": "active",
        "plan": "pro",
        "version": 1,
    }
    policy = world.call("GET", "/v1/reminder-policy", tenant, role="staff").json()
    assert [(rule["offset_seconds"], rule["channel"]) for rule in policy["rules"]] == [
        (86400, "email"),
        (3600, "email"),
    ]
    assert len(world.events(tenant, "profile")) == 1
    (told,) = world.events(tenant, "policy")
    assert told["version"] == policy["version"]
    assert {rule["rule_id"] for rule in told["rules"]} == {rule["id"] for rule in policy["rules"]}


async def test_a_renamed_tenant_is_told_of_once(world: World, tenant: TenantChanged) -> None:
    renamed = tenant.model_copy(update={"display_name": "Quayside Barbers", "generation": 2})
    await world.provision(renamed)
    await world.provision(renamed.model_copy(update={"generation": 3}))
    assert world.call("GET", "/v1/business", tenant).json()["display_name"] == "Quayside Barbers"
    assert [event["version"] for event in world.events(tenant, "profile")] == [1, 2]
    assert len(world.events(tenant, "policy")) == 1


async def test_the_owner_edits_the_profile(world: World, tenant: TenantChanged) -> None:
    body = {
        "description": " Since 1987.\nWalk in. ",
        "contact_email": "Hello@RIVERSIDE.example",
        "contact_phone": "+351912345678",
        "address": "Rua do Cais 1",
    }
    answer = world.call("PATCH", "/v1/business", tenant, body, match='"v1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"v2"')
    kept = body | {"description": "Since 1987.\nWalk in.", "contact_email": "Hello@riverside.example"}
    assert answer.json().items() >= kept.items()
    answer = world.call("PATCH", "/v1/business", tenant, {"address": None}, match='"v2"')
    assert answer.json().items() >= (kept | {"address": None, "version": 3}).items()
    told = world.events(tenant, "profile")
    assert [(event["version"], event["address"]) for event in told] == [
        (1, None),
        (2, "Rua do Cais 1"),
        (3, None),
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"display_name": "Mine"}, "/display_name"),
        ({"description": None}, "/description"),
        ({"description": "x" * 2001}, "/description"),
        ({"contact_email": "a@b"}, "/contact_email"),
        ({"contact_email": "a@b.example\r\nBcc: c@d.example"}, "/contact_email"),
        ({"contact_phone": "912345678"}, "/contact_phone"),
        ({"address": 7}, "/address"),
        ({"address": "x" * 301}, "/address"),
        ({"address": "Rua \x1b[2J"}, "/address"),
        ([], "/"),
    ],
)
async def test_a_wrong_profile_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, body: Any, pointer: str
) -> None:
    before = world.state()
    refused(world.call("PATCH", "/v1/business", tenant, body, match='"v1"'), 422, "invalid", pointer)
    assert world.state() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PATCH", "/v1/business", {"address": "Here"}), ("PUT", "/v1/reminder-policy", {"rules": []})],
)
async def test_an_edit_needs_the_version_the_owner_and_an_active_business(
    world: World, tenant: TenantChanged, method: str, path: str, body: dict[str, Any]
) -> None:
    current = world.call("GET", path, tenant).headers["etag"]
    before = world.state()
    refused(world.call(method, path, tenant, body), 428, "precondition-required")
    refused(world.call(method, path, tenant, body, match='"v77"'), 412, "precondition-failed")
    refused(world.call(method, path, tenant, body, match=current, role="staff"), 403, "forbidden")
    refused(world.call(method, path, None, body, match=current), 401, "unauthorized")
    await world.provision(tenant.model_copy(update={"state": TenantState.SUSPENDED}))
    refused(world.call(method, path, tenant, body, match=current), 403, "tenant-suspended")
    assert world.state() == before
    await world.provision(tenant)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.call(method, path, tenant, body, match=current), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_a_rule_that_stays_keeps_its_id(world: World, tenant: TenantChanged) -> None:
    read = world.call("GET", "/v1/reminder-policy", tenant)
    day = read.json()["rules"][0]["id"]
    rules = [{"offset_seconds": 3600, "channel": "sms"}, EMAIL_DAY]
    answer = world.call("PUT", "/v1/reminder-policy", tenant, {"rules": rules}, match=read.headers["etag"])
    assert answer.status_code == 200, answer.text
    assert [(rule["offset_seconds"], rule["channel"]) for rule in answer.json()["rules"]] == [
        (86400, "email"),
        (3600, "sms"),
    ]
    assert answer.json()["rules"][0]["id"] == day
    assert world.call("GET", "/v1/reminder-policy", tenant).json() == answer.json()
    told = world.events(tenant, "policy")[-1]
    assert told["version"] == answer.json()["version"] == read.json()["version"] + 1


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        (None, "/rules"),
        ([EMAIL_DAY, EMAIL_DAY], "/rules"),
        ([EMAIL_DAY | {"offset_seconds": seconds} for seconds in range(1, 12)], "/rules"),
        ([EMAIL_DAY | {"offset_seconds": 0}], "/rules/0/offset_seconds"),
        ([EMAIL_DAY | {"offset_seconds": 31_536_001}], "/rules/0/offset_seconds"),
        ([EMAIL_DAY, EMAIL_HOUR | {"channel": "pigeon"}], "/rules/1/channel"),
        ([EMAIL_DAY | {"id": str(new_id())}], "/rules/0/id"),
    ],
)
async def test_a_wrong_policy_is_refused_by_the_field_and_leaves_nothing(
    world: World, tenant: TenantChanged, rules: Any, pointer: str
) -> None:
    before = world.state()
    answer = world.call("PUT", "/v1/reminder-policy", tenant, {"rules": rules}, match="*")
    refused(answer, 422, "invalid", pointer)
    assert world.state() == before


async def test_anyone_sees_what_is_offered_and_nothing_else(world: World, tenant: TenantChanged) -> None:
    ada = world.made("/v1/staff", tenant, {"name": "Ada", "email": "ada@riverside.example"})
    gone = world.made("/v1/staff", tenant, {"name": "Bea"})
    offered = world.made("/v1/services", tenant, cut(ada["id"], gone["id"]))
    dropped = world.made("/v1/services", tenant, cut(ada["id"], name="Shave"))
    world.call("DELETE", f"/v1/staff/{gone['id']}", tenant)
    world.call("DELETE", f"/v1/services/{dropped['id']}", tenant)
    answer = world.call("GET", f"/v1/public/{tenant.slug}", None)
    assert answer.status_code == 200
    page = answer.json()
    assert page["accepts_bookings"] is True
    assert page["staff"] == [{"id": ada["id"], "name": "Ada"}]
    assert page["services"] == [offered | {"version": 2, "staff_ids": [ada["id"]]}]
    assert "ada@riverside.example" not in answer.text
    await world.provision(tenant.model_copy(update={"state": TenantState.SUSPENDED}))
    assert world.call("GET", f"/v1/public/{tenant.slug}", None).json()["accepts_bookings"] is False
    refused(world.call("GET", "/v1/public/nobody-here", None), 404, "not-found")
    refused(world.call("GET", "/v1/public/No_Slug", None), 422, "invalid", "path:slug")


async def test_all_staff_are_named_to_anyone_and_none_of_their_dates_is_read(
    world: World, tenant: TenantChanged
) -> None:
    # What cannot be read shows when it is.
    statement = (
        "INSERT INTO staff (tenant_id, staff_id, name, timezone, exceptions)"
        " SELECT %s, gen_random_uuid(), 'Ada', 'UTC', '[{\"date\": \"none\"}]' FROM generate_series(1, 1001)"
        " RETURNING staff_id"
    )
    known = {str(row["staff_id"]) for row in world.rows(statement, tenant.tenant_id)}
    answer = world.call("GET", f"/v1/public/{tenant.slug}", None)
    assert answer.status_code == 200
    assert {member["id"] for member in answer.json()["staff"]} == known


async def test_a_business_that_is_not_known_here_has_nothing(world: World, tenant: TenantChanged) -> None:
    stranger = tenant.model_copy(update={"tenant_id": new_id()})
    before = world.state()
    for path in ("/v1/business", "/v1/staff", "/v1/services", "/v1/reminder-policy"):
        refused(world.call("GET", path, stranger), 404, "not-found")
    refused(world.call("POST", "/v1/staff", stranger, {"name": "Eve"}, key="k"), 404, "not-found")
    refused(world.call("POST", "/v1/services", stranger, cut(), key="k"), 404, "not-found")
    assert world.state() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/staff"),
        ("POST", "/v1/services"),
        ("PATCH", "/v1/business"),
        ("PUT", "/v1/reminder-policy"),
    ],
)
async def test_bodies_that_are_too_large_or_no_json_are_refused(
    world: World, tenant: TenantChanged, method: str, path: str
) -> None:
    before = world.state()

    def send(body: bytes) -> Any:
        headers = world.minter.headers(tenant.tenant_id) | {
            "If-Match": "*",
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
        }
        return world.http.request(method, f"{world.url}{path}", headers=headers, content=body)

    def streamed() -> Any:
        headers = world.minter.headers(tenant.tenant_id) | {
            "If-Match": "*",
            "Content-Type": "application/json",
        }
        chunks = (b" " * 65536 for _ in range(17))
        return world.http.request(method, f"{world.url}{path}", headers=headers, content=chunks)

    large = b'{"name": "' + b"x" * 1024 * 1024 + b'"}'
    refused(send(large), 413, "payload-too-large")
    refused(streamed(), 413, "payload-too-large")
    for body in (b"{", b"\xff\xfe", b'{"name": "Ada"', b"[" * 100_000, b"name=Ada"):
        refused(send(body), 400, "bad-request")
    for body in (b"", b"null", b"7", b'"Ada"', b"NaN"):
        assert send(body).status_code in {400, 422}
    refused(send(b'{"name": "Ada\\ud800"}'), 422, "invalid")
    assert world.state() == before


async def test_unknown_paths_and_methods_are_problems(world: World, tenant: TenantChanged) -> None:
    refused(world.call("GET", "/v1/barbers", tenant), 404, "not-found")
    refused(world.call("DELETE", "/v1/business", tenant), 405, "method-not-allowed")
