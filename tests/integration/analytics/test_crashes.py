"""What a killed process leaves behind: nothing lost, nothing counted twice.

The process is killed by SIGKILL at a named point (servicekit.faults). Each test starts three processes, and waits
for the killed one's session at Kafka to end.
"""

import signal
from datetime import datetime

import psycopg
import pytest

from contracts.booking import AppointmentBooked, AppointmentCancelled
from contracts.platform import DeletionPolicy, TenantState
from integration.analytics.world import World, appointment
from servicekit.clock import utc_now
from support.broker import Broker

pytestmark = pytest.mark.slow

ROWS = 4500
DAY = "2026-03-02"
NOON = datetime.fromisoformat(f"{DAY}T12:00:00+00:00")


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """The kill strikes at the first event, so that has to be the test's own."""
    return own_broker


@pytest.mark.parametrize("fault", ["consumer.effect", "consumer.committed"])
def test_an_event_counts_once_though_its_consumer_is_killed(world: World, fault: str) -> None:
    """Before the effect's transaction has committed, and after it but before the offset is."""
    tenant = world.tenant()
    world.stop()
    event = appointment(AppointmentBooked, tenant, utc_now(), occurred_at=NOON)
    running = world.start(fault=fault)
    world.topics.publish(event)
    assert running.process.wait(60) == -signal.SIGKILL
    count = len(world.rows("SELECT 1 FROM appointment WHERE tenant_id = %s", tenant.tenant_id))
    assert count == (1 if fault == "consumer.committed" else 0)
    world.stop()
    world.start()
    # Behind it in the same partition: when the cancellation counts, the booking has been read again for sure.
    cancelled = appointment(
        AppointmentCancelled,
        tenant,
        event.starts_at,
        appointment_id=event.appointment_id,
        version=2,
        occurred_at=NOON,
    )
    world.topics.publish(cancelled)
    world.shows(tenant, DAY, booked=1, cancelled=1)
    inbox = world.rows("SELECT event_id FROM inbox WHERE consumer = 'analytics.figures'")
    assert len({row["event_id"] for row in inbox}) == len(inbox)


def test_an_erasure_goes_on_where_it_was_and_its_receipt_is_right_though_it_is_killed(world: World) -> None:
    """Within a batch: more rows than go in one, by a process that has told nobody yet."""
    tenant = world.tenant(deletion_policy=DeletionPolicy.DELETE)
    world.stop()
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO subscription (tenant_id, subscription_id, plan, status, occurred_at)"
            " SELECT %s, n::text, 'pro', 'active', now() FROM generate_series(1, %s) n",
            (tenant.tenant_id, ROWS),
        )
    gone = tenant.model_copy(update={"state": TenantState.DELETING, "generation": 2})
    world.topics.publish(gone)
    left = "SELECT 1 FROM subscription WHERE tenant_id = %s"
    killed = world.start(fault="removal.erased")
    assert killed.process.wait(60) == -signal.SIGKILL
    assert len(world.rows(left, tenant.tenant_id)) == ROWS
    world.stop()
    world.start()
    assert world.answer(gone).details.erased == {"subscription": ROWS}
    assert world.rows(left, tenant.tenant_id) == []
