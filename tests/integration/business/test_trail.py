"""The audit trail of what a business sets up, over HTTP."""

from typing import Any

import psycopg
import pytest

from contracts.platform import TenantChanged
from integration.business.world import World, cut
from servicekit.ids import new_id


@pytest.fixture
async def tenant(world: World) -> TenantChanged:
    return await world.tenant()


def trail(world: World, tenant: TenantChanged, **query: Any) -> list[dict[str, Any]]:
    answer = world.call("GET", "/v1/business/audit", tenant, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_staff_with_hours_and_exceptions(world: World, tenant: TenantChanged) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    path = f"/v1/staff/{staff_id}"
    world.call("PATCH", path, tenant, {"name": "Ada L."}, match="*")
    hours = [{"weekday": 0, "opens": "09:00", "closes": "12:00"}]
    world.call("PUT", f"{path}/hours", tenant, {"weekly_hours": hours}, match="*")
    for day in ("2099-12-24", "2099-12-25"):
        world.call("PUT", f"{path}/exceptions/{day}", tenant, {"intervals": []})
    world.call("DELETE", f"{path}/exceptions/2099-12-25", tenant)
    assert world.call("DELETE", path, tenant).status_code == 204

    removed, cleared, closed, _, opened, renamed, added = trail(world, tenant, entity=staff_id)
    assert {entry["action"] for entry in (renamed, opened, closed, cleared)} == {"staff.changed"}
    assert (added["action"], added["changes"]["name"]) == ("staff.added", {"old": None, "new": "Ada"})
    assert renamed["changes"] == {"name": {"old": "Ada", "new": "Ada L."}}
    told = {"weekday": 0, "opens": "09:00:00", "closes": "12:00:00"}
    assert opened["changes"] == {"weekly_hours": {"old": [], "new": [told]}}
    assert closed["changes"] == {"exceptions/2099-12-25": {"old": None, "new": []}}
    assert cleared["changes"] == {"exceptions/2099-12-25": {"old": [], "new": None}}
    assert removed["action"] == "staff.removed"
    assert removed["changes"]["name"] == {"old": "Ada L.", "new": None}
    assert {entry["actor"]["kind"] for entry in (added, removed)} == {"member"}


async def test_services_profile_and_reminder_policy(world: World, tenant: TenantChanged) -> None:
    service = world.made("/v1/services", tenant, cut())
    path = f"/v1/services/{service['id']}"
    assert world.call("PUT", path, tenant, cut() | {"price_amount": 2700}, match="*").status_code == 200
    assert world.call("DELETE", path, tenant).status_code == 204
    assert world.call("PATCH", "/v1/business", tenant, {"description": "New"}, match="*").status_code == 200
    rules = {"rules": [{"offset_seconds": 600, "channel": "sms"}]}
    assert world.call("PUT", "/v1/reminder-policy", tenant, rules, match="*").status_code == 200

    policy, profile, removed, changed, added = trail(world, tenant)
    assert [entry["action"] for entry in (added, changed, removed)] == [
        "service.added",
        "service.changed",
        "service.removed",
    ]
    assert changed["entity"] == {"kind": "service", "id": service["id"]}
    assert changed["changes"] == {"price_amount": {"old": cut()["price_amount"], "new": 2700}}
    assert profile["action"] == "profile.changed"
    assert profile["entity"] == {"kind": "profile", "id": str(tenant.tenant_id)}
    assert profile["changes"] == {"description": {"old": "", "new": "New"}}
    assert policy["action"] == "reminder-policy.changed"
    assert [rule["offset_seconds"] for rule in policy["changes"]["rules"]["new"]] == [600]
    assert [rule["offset_seconds"] for rule in policy["changes"]["rules"]["old"]] == [86400, 3600]


async def test_time_off(world: World, tenant: TenantChanged) -> None:
    staff_id = world.made("/v1/staff", tenant, {"name": "Ada"})["id"]
    path = f"/v1/staff/{staff_id}/time-off"
    away = {"starts_at": "2099-07-01T00:00:00Z", "ends_at": "2099-07-15T00:00:00Z"}
    time_off_id = world.made(path, tenant, away)["id"]
    assert world.call("DELETE", f"{path}/{time_off_id}", tenant).status_code == 204

    back, gone, _ = trail(world, tenant, entity=staff_id)
    assert gone["action"] == back["action"] == "staff.changed"
    assert gone["changes"] == {f"time_off/{time_off_id}": {"old": None, "new": away}}
    assert back["changes"] == {f"time_off/{time_off_id}": {"old": away, "new": None}}


async def test_rooms_and_closed_days(world: World, tenant: TenantChanged) -> None:
    room = world.made("/v1/resources", tenant, {"name": "Room 1", "capacity": 2})
    path = f"/v1/resources/{room['id']}"
    assert world.call("PATCH", path, tenant, {"capacity": 3}, match="*").status_code == 200
    assert world.call("DELETE", path, tenant).status_code == 204
    for days in (["2099-12-25", "2099-12-26"], ["2099-12-26"]):
        body = {"days": [{"date": day, "name": "Christmas"} for day in days]}
        assert world.call("PUT", "/v1/business/holidays", tenant, body, match="*").status_code == 200

    fewer, closed, removed, changed, added = trail(world, tenant)
    assert [entry["action"] for entry in (added, changed, removed)] == [
        "resource.added",
        "resource.changed",
        "resource.removed",
    ]
    assert added["entity"] == {"kind": "resource", "id": room["id"]}
    assert changed["changes"] == {"capacity": {"old": 2, "new": 3}}
    assert removed["changes"]["name"] == {"old": "Room 1", "new": None}
    assert {entry["action"] for entry in (fewer, closed)} == {"holidays.changed"}
    assert closed["entity"] == {"kind": "holidays", "id": str(tenant.tenant_id)}
    assert closed["changes"].keys() == {"days/2099-12-25", "days/2099-12-26"}
    assert fewer["changes"] == {"days/2099-12-25": {"old": "Christmas", "new": None}}


async def test_who_it_was_and_by_which_request(world: World, tenant: TenantChanged) -> None:
    member = str(new_id())
    token = world.minter.token(tenant.tenant_id, sub=member)
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "request-of-ada"}
    answer = world.http.post(f"{world.url}/v1/staff", json={"name": "Bo"}, headers=headers)
    assert answer.status_code == 201
    (entry,) = trail(world, tenant)
    assert (entry["actor"], entry["request_id"]) == ({"kind": "member", "id": member}, "request-of-ada")


async def test_a_replay_and_a_refusal_add_nothing(world: World, tenant: TenantChanged) -> None:
    for _ in range(2):
        assert world.call("POST", "/v1/staff", tenant, {"name": "Ada"}, key="one").status_code == 201
    staff_id = trail(world, tenant)[0]["entity"]["id"]
    assert (
        world.call("PATCH", f"/v1/staff/{staff_id}", tenant, {"name": "X"}, match='"v9"').status_code == 412
    )
    assert len(trail(world, tenant)) == 1


async def test_the_trail_is_the_owners_and_the_businesss_own(world: World, tenant: TenantChanged) -> None:
    other = await world.tenant()
    staff_id = world.made("/v1/staff", other, {"name": "Ada"})["id"]
    assert trail(world, tenant) == trail(world, tenant, entity=staff_id) == []
    assert world.call("GET", "/v1/business/audit", other, role="staff").status_code == 403
    assert world.call("GET", "/v1/business/audit", None).status_code == 401


async def test_an_entry_and_its_change_are_written_together(world: World, tenant: TenantChanged) -> None:
    """Where the trail cannot be written, nothing is changed."""
    refuse = "ALTER TABLE audit_entry ADD CONSTRAINT refuse CHECK (action <> 'staff.added') NOT VALID"
    with psycopg.connect(world.database.admin_url, autocommit=True) as conn:
        conn.execute(refuse.encode())
        try:
            assert world.call("POST", "/v1/staff", tenant, {"name": "Ada"}).status_code == 500
        finally:
            conn.execute("ALTER TABLE audit_entry DROP CONSTRAINT refuse")
    assert world.call("GET", "/v1/staff", tenant).json()["items"] == []
    assert world.events(tenant, "staff") == []
