"""`python -m business retell`: the catalog is told anew, so that readers have what a restored database has."""

from typing import Any

import pytest

from contracts.platform import TenantState
from integration.business.world import World, cut
from servicekit.retelling import STEP
from support.retelling import retell, retelling

KINDS = ("profile", "policy", "holidays", "staff", "resource", "service")


def retold(world: World) -> None:
    retell("business", world.database.settings.database_url.get_secret_value())


async def test_all_that_readers_have_is_told_again_above_the_versions_of_before(world: World) -> None:
    tenant = await world.tenant()
    ada, bo = (world.made("/v1/staff", tenant, {"name": name})["id"] for name in ("Ada", "Bo"))
    world.made("/v1/resources", tenant, {"name": "Red"})
    world.made("/v1/services", tenant, cut(ada))
    assert world.call("DELETE", f"/v1/staff/{bo}", tenant).status_code == 204
    days = {"days": [{"date": "2030-12-24", "name": "Christmas Eve"}]}
    assert world.call("PUT", "/v1/business/holidays", tenant, days, match="*").status_code == 200
    before = {kind: _last(world, tenant, kind) for kind in KINDS}
    counts = {kind: len(world.events(tenant, kind)) for kind in KINDS}
    retold(world)
    after = {kind: _last(world, tenant, kind) for kind in KINDS}
    assert {kind: set(told) for kind, told in after.items()} == {
        kind: set(told) for kind, told in before.items()
    }
    for kind in KINDS:
        assert len(world.events(tenant, kind)) == counts[kind] + len(before[kind]), (
            f"{kind}: each of them once"
        )
        for entity, told in before[kind].items():
            assert after[kind][entity] == told | {"version": told["version"] + STEP}
    assert [told["deleted"] for told in after["staff"].values()] == [False, True]


async def test_what_is_changed_next_comes_above_what_was_told(world: World) -> None:
    tenant = await world.tenant()
    staff = world.made("/v1/staff", tenant, {"name": "Ada"})
    retold(world)
    changed = world.call("PATCH", f"/v1/staff/{staff['id']}", tenant, {"name": "Ada L."}, match="*")
    assert changed.status_code == 200, changed.text
    assert [event["version"] for event in world.events(tenant, "staff")] == [1, STEP + 1, STEP + 2]


async def test_of_a_business_that_is_being_deleted_nothing_is_told(world: World) -> None:
    tenant = await world.tenant()
    world.rows(
        "UPDATE tenants SET state = %s WHERE tenant_id = %s RETURNING 1",
        TenantState.DELETING.value,
        tenant.tenant_id,
    )
    before = world.events(tenant, "profile")
    retold(world)
    assert world.events(tenant, "profile") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://business_app@127.0.0.1:1/business",
            "No connection to the database was to be had",
        ),
        ("nonsense", 'missing \\"=\\" after \\"nonsense\\"'),
    ],
    ids=["no database", "no address"],
)
def test_what_is_missing_is_said_in_a_line(url: str, said: str) -> None:
    """Takes the 5 s for which a connection is waited for."""
    done = retelling("business", url)
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if "broken off" in line)
    assert said in line
    assert "Traceback" not in done.stdout + done.stderr


def _last(world: World, tenant: Any, kind: str) -> dict[str, dict[str, Any]]:
    """The last event of each thing of that kind, by its id, in the order in which they came to be."""
    told = world.events(tenant, kind)
    return {event.get(f"{kind}_id", kind): event for event in told}
