"""What stays of a business that is erased: nothing, on the catalog's topic either."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contracts.business import TOPIC
from contracts.platform import DeletionPolicy, TenantState
from devstack.local_http import NO_TLS
from integration.business.world import World, cut
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.processes import run_service, served_keys


@pytest.fixture(scope="module")
def topics(broker: Broker) -> Topics:
    return Topics(broker.super_user())


@pytest.fixture(scope="module")
def world(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """business in all its roles."""
    database = databases.for_service("business")
    minter = TokenMinter()
    env = broker.service_env("business") | {
        "database_url": database.settings.database_url.get_secret_value(),
        "public_url": minter.issuer,
    }
    folder = tmp_path_factory.mktemp("business")
    with (
        served_keys(minter) as jwks_url,
        run_service("business", "all", folder, jwks_url=jwks_url, **env) as running,
        httpx.Client(verify=NO_TLS, timeout=30) as client,
    ):
        yield World(running.url, database, minter, client)


@pytest.mark.parametrize("policy", list(DeletionPolicy))
async def test_the_catalog_keeps_nothing_of_an_erased_business(
    world: World, topics: Topics, policy: DeletionPolicy
) -> None:
    """What was deleted before as well; of a business that is retained, all."""
    tenant = await world.tenant(deletion_policy=policy)
    staff = [world.made("/v1/staff", tenant, {"name": name})["id"] for name in ("Ada", "Bo")]
    rooms = [world.made("/v1/resources", tenant, {"name": name})["id"] for name in ("Red", "Blue")]
    cuts = [world.made("/v1/services", tenant, cut(staff[0], name=name))["id"] for name in ("Cut", "Dye")]
    for path in (f"staff/{staff[1]}", f"resources/{rooms[1]}", f"services/{cuts[1]}"):
        assert world.call("DELETE", f"/v1/{path}", tenant).status_code == 204
    days = {"days": [{"date": "2030-12-24", "name": "Ada's birthday"}]}
    answer = world.call("PUT", "/v1/business/holidays", tenant, days, match="*")
    assert answer.status_code == 200, answer.text
    entities = {"profile", "policy", "holidays", *staff, *rooms, *cuts}

    def last() -> dict[str, Any]:
        """By entity, what compaction keeps."""
        until(lambda: not world.rows("SELECT 1 FROM outbox"), "nothing is on its way")
        found = {(item.key or b"").decode().partition("/"): item.value for item in topics.messages(TOPIC)}
        return {entity: value for (of, _, entity), value in found.items() if of == str(tenant.tenant_id)}

    told = last()
    assert told.keys() == entities
    assert None not in told.values()
    topics.publish(tenant.model_copy(update={"generation": 2, "state": TenantState.DELETING}))
    statement = "SELECT 1 FROM tenant_status WHERE tenant_id = %s AND status->>'state' = 'deleted'"
    until(lambda: world.rows(statement, tenant.tenant_id), "business has reported the deletion")
    assert last() == (dict.fromkeys(entities) if policy is DeletionPolicy.DELETE else told)
