"""What is left when the process that offers dies in between: an offer whole, or none.

The process is killed by SIGKILL at a named point (servicekit.faults), after the hold and after the event; the next
one makes the offer. Its loops come with booking's consumers, so that it needs a broker.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.booking import WaitlistOffered
from integration.booking.waiting import accept, cancel, full_shop, join, seen
from integration.booking.world import World, made_world
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.processes import run_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """booking's routes; the loops run in processes of the tests' own."""
    with made_world(databases, "serve", tmp_path_factory.mktemp("booking")) as made:
        yield made


@pytest.mark.parametrize("fault", ["booking.waitlist.held", "booking.waitlist.offered"])
async def test_killed_between_hold_and_event_it_leaves_neither_and_the_next_makes_one(
    world: World, broker: Broker, tmp_path: Path, fault: str
) -> None:
    """Slow: three starts of a process with its consumers."""
    shop, (first, _second) = await full_shop(world)
    entry = join(world, shop)
    env: dict[str, str] = broker.service_env("booking") | {
        "database_url": world.database.settings.database_url.get_secret_value(),
        "jwks_url": world.jwks_url,
        "link_key": "k" * 40,
        "public_url": "http://127.0.0.1:8080",
    }
    with run_service("booking", "consume", tmp_path, fault=fault, **env) as dying:
        cancel(world, first)
        assert dying.process.wait(60) == -signal.SIGKILL
    tenant_id = shop.tenant.tenant_id

    def rows(table: str) -> list[dict[str, Any]]:
        return world.rows(f"SELECT * FROM {table} WHERE tenant_id = %s", tenant_id)

    assert (rows("hold"), rows("waitlist_offer")) == ([], [])
    assert [row["state"] for row in rows("waitlist_entry")] == ["waiting"]
    assert "held" not in {row["state"] for row in rows("allocation")}
    with run_service("booking", "all", tmp_path, **env):
        until(lambda: seen(world, entry)["state"] == "offered", "the offer is made")
        topics = Topics(broker.super_user())
        told = until(lambda: topics.events(WaitlistOffered.TOPIC, tenant_id), "the offer is told")
    assert len(told) == len(rows("waitlist_offer")) == len(rows("hold")) == 1
    assert accept(world, entry).status_code == 201
