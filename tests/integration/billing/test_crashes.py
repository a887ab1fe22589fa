"""What a crash of a consumer or of the relay leaves behind: nothing lost, nothing counted twice.

The process is killed by SIGKILL at a named point (servicekit.faults) that every service's consumers and relay have.
Each test takes about 20 s: Kafka waits for the killed consumer's session to end before it gives its partitions on.
"""

import signal

import pytest

from contracts.booking import AppointmentBooked
from contracts.platform import TenantChanged
from integration.billing.world import World, booked, new_tenant
from support.events import until


def _counted(world: World, tenant: TenantChanged, number: int) -> None:
    def matches() -> bool:
        shown = world.get("/v1/usage", tenant).json()["appointments"]["booked"]
        assert shown <= number, f"{shown} bookings counted of {number}"
        return bool(shown == number)

    until(matches, f"{number} bookings are counted")


@pytest.mark.parametrize("fault", ["consumer.effect", "consumer.committed"])
def test_an_event_counts_once_though_its_consumer_is_killed(world: World, fault: str) -> None:
    """Before the effect's transaction has committed, and after it but before the offset is."""
    tenant = new_tenant()
    world.provision(tenant)
    world.billing.stop()
    world.publish(booked(tenant, AppointmentBooked))
    world.billing.start(SLOTWRIGHT_FAULT=fault)
    assert world.billing.wait() == -signal.SIGKILL
    world.start_billing()
    _counted(world, tenant, 1)
    # Behind it in the same partition: when this one is counted, the first has been read again for sure.
    world.publish(booked(tenant, AppointmentBooked))
    _counted(world, tenant, 2)


def test_an_event_is_sent_again_though_the_relay_is_killed_after_it_was_acknowledged(world: World) -> None:
    """Sent twice under one id, for the readers' inboxes to see; lost never."""
    world.billing.stop()
    tenant = new_tenant()
    world.publish(tenant)
    world.billing.start(SLOTWRIGHT_FAULT="relay.produced")
    assert world.billing.wait() == -signal.SIGKILL
    assert world.rows("SELECT 1 FROM outbox")
    world.start_billing()
    world.status(tenant, "ready")
    until(lambda: not world.rows("SELECT 1 FROM outbox"), "the outbox is empty")
