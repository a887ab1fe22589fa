"""A record that Kafka was sent and has not acknowledged: services may have it, so its number is used."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.platform import TenantState
from servicekit.health import Heartbeat
from servicekit.settings import KafkaSettings
from tenant_operator.cluster import Cluster
from tenant_operator.errors import KafkaFailedError
from tenant_operator.leader import Leader
from tenant_operator.reconcile import Publish, interrupted, reconcile
from tenant_operator.records import Records
from unit.operator.settling import deleting, settled
from unit.operator.surroundings import Surroundings, tenant


def _sent_in_vain() -> Surroundings:
    """A settled tenant whose limit was raised; the record that says so was sent, and Kafka has not answered."""
    world = settled()
    world.tenant = replace(
        tenant(limits={"staff": 30}), finalizers=world.tenant.finalizers, status=world.tenant.status
    )
    record = _next(world)
    assert record is not None
    world.published, world.acknowledged = record.record, False
    world.tenant = replace(
        world.tenant, status=interrupted(world.tenant, world.observed(), "KafkaUnavailable", "Kafka is away.")
    )
    return world


def _next(world: Surroundings) -> Publish | None:
    actions = reconcile(world.tenant, world.plan, world.observed()).actions
    return next((action for action in actions if isinstance(action, Publish)), None)


def _suspend(world: Surroundings) -> None:
    world.tenant = replace(world.tenant, spec=world.tenant.spec.model_copy(update={"suspended": True}))


def _take_back(world: Surroundings) -> None:
    world.tenant = replace(world.tenant, spec=tenant().spec)


@pytest.mark.parametrize("change", [_suspend, deleting, _take_back])
def test_another_record_has_another_number(change: Callable[[Surroundings], object]) -> None:
    world = _sent_in_vain()
    change(world)
    told = _next(world)
    assert told is not None
    assert told.record.generation == 3


def test_the_same_record_is_sent_again_under_its_number() -> None:
    world = _sent_in_vain()
    told = _next(world)
    assert told is not None
    assert told.record == world.published


def test_one_that_was_sent_for_the_first_time_is_followed_by_the_deletion() -> None:
    world = Surroundings()
    first = _next(world)
    assert first is not None
    world.published, world.acknowledged = first.record, False
    world.tenant = replace(world.tenant, finalizers=settled().tenant.finalizers)
    deleting(world)
    told = _next(world)
    assert told is not None
    assert (told.record.generation, told.record.state) == (2, TenantState.DELETING)


@pytest.mark.parametrize("change", [_suspend, deleting, _take_back])
def test_an_operator_that_starts_and_does_not_find_it_does_not_use_its_number(
    change: Callable[[Surroundings], object],
) -> None:
    """Kafka has it and shows it to nobody before enough replicas have it."""
    world, before = _sent_in_vain(), settled().published
    world.published, world.acknowledged = before, True
    change(world)
    told = _next(world)
    assert told is not None
    assert told.record.generation == 3


async def test_what_kafka_has_not_taken_is_called_back_before_the_lease_is_given_back() -> None:
    """Or it comes behind what the Lease's next holder tells, and is the last word on the tenant."""
    leader, stop = Leader(Cluster("slotwright", "slotwright-tenants"), 15), asyncio.Event()
    record = settled().published
    assert record is not None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        records = Records(KafkaSettings(bootstrap=f"{host}:{port}"), lambda _: None, leader)
        running = asyncio.create_task(records.run(stop, Heartbeat(records.name, limit=60)))
        async with asyncio.timeout(30):
            while records._producer is None:  # noqa: ASYNC110 - a thread makes it
                await asyncio.sleep(0.01)
            sender, sent = records._producer, asyncio.create_task(records.publish(record))
            while not len(sender):  # noqa: ASYNC110 - a thread tells
                await asyncio.sleep(0.01)
        await records.send_no_more()
        with pytest.raises(KafkaFailedError, match="Purged"):
            await sent
        with pytest.raises(KafkaFailedError, match="not been reached"):
            await records.publish(record)
        stop.set()
        await running


async def test_what_could_not_be_sent_is_remembered_until_it_is() -> None:
    records = Records(
        KafkaSettings(bootstrap="127.0.0.1:1"),
        lambda _: None,
        Leader(Cluster("slotwright", "slotwright-tenants"), 15),
    )
    record = settled().published
    assert record is not None
    assert records.acknowledged(record.tenant_id)
    with pytest.raises(KafkaFailedError):
        await records.publish(record)
    assert records.published(record.tenant_id) == record
    assert not records.acknowledged(record.tenant_id)
