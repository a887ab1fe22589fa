"""What a killed consumer leaves behind: nothing lost, nothing counted twice.

The process is killed by SIGKILL at a named point (servicekit.faults). Each test starts three processes, and waits
for the killed one's session at Kafka to end.
"""

import signal
from datetime import datetime

import pytest

from contracts.booking import AppointmentBooked, AppointmentCancelled
from integration.analytics.world import World, appointment
from servicekit.clock import utc_now
from support.broker import Broker

pytestmark = pytest.mark.slow

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
