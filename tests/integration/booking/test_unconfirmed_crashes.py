"""What is left when the process that ends an unconfirmed appointment dies in between: all of it, or nothing.

The process is killed by SIGKILL at a named point (servicekit.faults), after the time was given back and before the
event, and right after the commit. Its loops come with booking's consumers, so that it needs a broker.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from contracts.booking import AppointmentCancelled
from integration.booking.world import World, made_world, tomorrow_noon, wish
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


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("booking.cancel.released", ("pending", 1, "confirmed")),
        ("booking.unconfirmed.cancelled", ("cancelled", 2, "released")),
    ],
)
async def test_killed_in_between_it_leaves_all_or_nothing_and_it_is_told_once(
    world: World, broker: Broker, tmp_path: Path, fault: str, left: tuple[str, int, str]
) -> None:
    """Slow: three starts of a process with its consumers."""
    shop = await world.shop(requires_confirmation=True)
    tenant_id = shop.tenant.tenant_id
    appointment_id = UUID(world.post(shop, wish(shop, tomorrow_noon())).json()["id"])
    env: dict[str, str] = broker.service_env("booking") | {
        "database_url": world.database.settings.database_url.get_secret_value(),
        "jwks_url": world.jwks_url,
        "link_key": "k" * 40,
        "public_url": "http://127.0.0.1:8080",
    }

    def stands() -> tuple[Any, ...]:
        (row,) = world.rows(
            "SELECT p.status, p.version, a.state FROM appointment p"
            " JOIN allocation a USING (tenant_id, appointment_id) WHERE appointment_id = %s",
            appointment_id,
        )
        return tuple(row.values())

    with run_service("booking", "consume", tmp_path, fault=fault, **env) as dying:
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute(
                "UPDATE appointment SET starts_at = now() WHERE appointment_id = %s", (appointment_id,)
            )
        assert dying.process.wait(60) == -signal.SIGKILL
    assert stands() == left
    with run_service("booking", "all", tmp_path, **env):
        topics = Topics(broker.super_user())

        def cancellations() -> list[AppointmentCancelled]:
            found = topics.events(AppointmentCancelled.TOPIC, tenant_id)
            return [event for event in found if isinstance(event, AppointmentCancelled)]

        told = until(cancellations, "the cancellation is told")
        until(lambda: not world.rows("SELECT 1 FROM outbox"), "nothing is on its way")
    assert [(event.cancelled_by, event.version) for event in told] == [("system", 2)]
    assert len(cancellations()) == 1
    assert stands() == ("cancelled", 2, "released")
