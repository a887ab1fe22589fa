"""What a crash of a consumer or of the relay leaves behind: nothing lost, nothing counted twice.

The process is killed by SIGKILL at a named point (servicekit.faults) that every service's consumers and relay have.
Each test starts three processes, and waits for the killed one's session at Kafka to end.
"""

import signal
from collections import Counter

import pytest

from contracts.billing import SubscriptionEvent
from contracts.booking import AppointmentBooked
from contracts.platform import TenantChanged, TenantStatusReported
from integration.billing.world import World, booked, new_tenant
from support.broker import Broker
from support.events import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """Its topics are read whole."""
    return own_broker


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
    kept = {row["id"] for row in world.rows("SELECT headers->>'ce_id' AS id FROM outbox")}
    acknowledged = kept & _sent(world).keys()
    assert acknowledged, "it was killed between the two"
    world.start_billing()
    world.status(tenant, "ready")
    until(lambda: not world.rows("SELECT 1 FROM outbox"), "the outbox is empty")
    sent = _sent(world)
    assert {id_: sent[id_] for id_ in kept} == {id_: 2 if id_ in acknowledged else 1 for id_ in kept}


def _sent(world: World) -> Counter[str]:
    """The ids on the topics that billing publishes, each as often as it is there."""
    topics = (TenantStatusReported.TOPIC, SubscriptionEvent.TOPIC)
    return Counter(
        dict(message.headers)["ce_id"].decode()
        for topic in topics
        for message in world.topics.messages(topic)
    )
