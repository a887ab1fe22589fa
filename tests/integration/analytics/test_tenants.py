"""The operator's protocol, erasure, and messages that nobody can read."""

import json
from datetime import datetime
from typing import Any

import pytest

from contracts.booking import AppointmentBooked, AppointmentEvent
from contracts.notification import MessageSent
from contracts.platform import DeletionPolicy, TenantChanged, TenantState, TenantStatusReported
from contracts.topics import dead_letter_topic
from integration.analytics.world import World, appointment, message
from servicekit.clock import utc_now
from servicekit.ids import new_id
from support.events import until

DAY = "2026-03-02"
NOON = datetime.fromisoformat(f"{DAY}T12:00:00+00:00")
TABLES = ("appointment", "reminder", "subscription")


def booked(tenant: TenantChanged) -> AppointmentEvent:
    return appointment(AppointmentBooked, tenant, utc_now(), occurred_at=NOON)


def going(tenant: TenantChanged, policy: DeletionPolicy) -> TenantChanged:
    fields = {"state": TenantState.DELETING, "deletion_policy": policy, "generation": tenant.generation + 1}
    return tenant.model_copy(update=fields)


def left(world: World, tenant: TenantChanged) -> int:
    return sum(
        len(world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", tenant.tenant_id)) for table in TABLES
    )


def busy(world: World) -> TenantChanged:
    """A business with two appointments and a reminder."""
    tenant = world.tenant()
    events = (booked(tenant), booked(tenant), message(MessageSent, tenant, NOON))
    world.consumed(*[world.topics.publish(event) for event in events])
    return tenant


def test_a_new_business_is_answered_for_on_the_status_topic(world: World) -> None:
    tenant = world.tenant()

    def told() -> list[Any]:
        return [
            event
            for event in world.topics.events(TenantStatusReported.TOPIC, tenant.tenant_id)
            if isinstance(event, TenantStatusReported)
            and (event.tenant_id, event.component) == (tenant.tenant_id, "analytics")
        ]

    (status,) = until(told, "the answer is on the topic")
    assert (status.state, status.generation) == ("ready", 1)


def test_a_deleted_business_is_erased_and_the_rows_are_counted(world: World) -> None:
    tenant, other = busy(world), busy(world)
    gone = going(tenant, DeletionPolicy.DELETE)
    world.topics.publish(gone)
    status = world.answer(gone)
    assert status.state == "deleted"
    assert status.details.erased == {"appointment": 2, "reminder": 1}
    assert left(world, tenant) == 0
    assert world.get(tenant.tenant_id).status_code == 404
    assert left(world, other) == 3
    assert world.day(other, DAY)["booked"] == 2


def test_a_retained_business_keeps_its_rows_out_of_reach(world: World) -> None:
    tenant = busy(world)
    gone = going(tenant, DeletionPolicy.RETAIN)
    world.topics.publish(gone)
    status = world.answer(gone)
    assert status.state == "deleted"
    assert status.details.archived == {"appointment": 2, "reminder": 1}
    assert left(world, tenant) == 3
    assert world.get(tenant.tenant_id).status_code == 404


def test_events_that_come_after_the_erasure_leave_nothing(world: World) -> None:
    tenant = busy(world)
    gone = going(tenant, DeletionPolicy.DELETE)
    world.topics.publish(gone)
    world.answer(gone)
    late = (booked(tenant), message(MessageSent, tenant, NOON))
    world.consumed(*[world.topics.publish(event) for event in late])
    assert left(world, tenant) == 0


@pytest.mark.parametrize(
    "fault", ["not JSON", "no version", "no type", "a time without an offset", "a text that is no id"]
)
def test_a_malformed_event_goes_to_the_dead_letters_and_the_next_ones_count(world: World, fault: str) -> None:
    tenant = world.tenant()
    event = booked(tenant)
    body = json.loads(event.model_dump_json())
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": str(new_id()).encode(),
        "ce_source": b"/slotwright/test",
        "ce_type": event.TYPE.encode(),
        "ce_tenantid": str(tenant.tenant_id).encode(),
    }
    if fault == "no version":
        del body["version"]
    if fault == "no type":
        del headers["ce_type"]
    if fault == "a time without an offset":
        body["starts_at"] = "2026-03-02T12:00:00"
    if fault == "a text that is no id":
        body["appointment_id"] = "'; DROP TABLE appointment; --"
    value = b"{" if fault == "not JSON" else json.dumps(body).encode()
    world.topics.put(event.TOPIC, event.key, value, headers)
    world.topics.publish(event)  # the same key: behind it in the same partition
    world.shows(tenant, DAY, booked=1)

    def dead() -> list[Any]:
        letters = world.topics.messages(dead_letter_topic("analytics"))
        return [letter for letter in letters if (letter.key or b"").decode() == event.key]

    (letter,) = until(dead, "the dead letter is there")
    kept = dict(letter.headers)
    assert letter.value == value
    assert headers.items() <= kept.items()
    assert kept["dl_consumer"] == b"analytics.figures"
    assert kept["dl_topic"] == event.TOPIC.encode()
