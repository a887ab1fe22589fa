"""A reminder comes due once, at its time: through duplicates, disorder, withdrawals, downtime and two processes."""

import asyncio
from datetime import datetime, timedelta

from contracts.booking import ReminderRequested
from contracts.platform import DeletionPolicy, TenantState, TenantStatusReported
from contracts.topics import dead_letter_topic
from integration.scheduler.world import World, requested, withdrawn
from scheduler.consumers import timers_consumer
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id
from support.events import until
from support.loops import running


def test_a_reminder_comes_due_at_its_time_and_says_what_it_was_for(world: World) -> None:
    with world.run():
        tenant = world.tenant()
        request = requested(tenant.tenant_id, utc_now() + timedelta(seconds=2))
        world.publish(request)
        (due,) = world.await_due(tenant.tenant_id)
    assert due.due_at == request.due_at
    assert due.fired_at >= request.due_at
    given = request.model_dump()
    assert {name: value for name, value in due.model_dump().items() if name in given} == given
    world.await_timers(tenant.tenant_id, 0)


async def test_the_loop_is_woken_once_a_timer_is_there_for_it_to_find(world: World, db: Database) -> None:
    """Woken before, it would look, find nothing, and find the timer a second later."""
    tenant_id, found = new_id(), asyncio.Queue[tuple[int, datetime]]()

    def on_set(due_at: datetime) -> None:
        found.put_nowait((len(world.rows("SELECT 1 FROM timer WHERE tenant_id = %s", tenant_id)), due_at))

    consumer = timers_consumer(db, world.kafka(), on_set=on_set)
    world.topics.pass_over(f"{world.group}{consumer.name}", ReminderRequested.TOPIC)
    async with running(consumer), asyncio.timeout(60):
        for number in (1, 2):
            request = requested(tenant_id, utc_now() + timedelta(hours=1))
            world.publish(request)
            assert await found.get() == (number, request.due_at)


def test_duplicates_of_a_request_fire_once(world: World) -> None:
    tenant = world.tenant()
    request = requested(tenant.tenant_id, utc_now() + timedelta(seconds=1))
    same_event = world.publish(request)
    world.publish(request, event_id=same_event)
    world.publish(request)
    with world.run():
        world.await_due(tenant.tenant_id)
        world.settle(tenant.tenant_id)
    fired = [event for event in world.due(tenant.tenant_id) if event.reminder_id == request.reminder_id]
    assert len(fired) == 1


def test_a_withdrawn_reminder_does_not_come_due_even_when_the_request_comes_later(world: World) -> None:
    with world.run():
        tenant = world.tenant()
        world.settle(tenant.tenant_id)
        usual, disordered, kept = (
            requested(tenant.tenant_id, utc_now() + timedelta(hours=1)) for _ in range(3)
        )
        for event in (kept, usual, withdrawn(usual), withdrawn(disordered), disordered):
            world.publish(event)
        world.settle(tenant.tenant_id)
        world.change(
            "UPDATE timer SET due_at = now() WHERE tenant_id = %s AND due_at IS NOT NULL", tenant.tenant_id
        )
        world.await_timers(tenant.tenant_id, 0)
        world.settle(tenant.tenant_id)
    ids = {event.reminder_id for event in world.due(tenant.tenant_id)}
    assert ids & {kept.reminder_id, usual.reminder_id, disordered.reminder_id} == {kept.reminder_id}


def test_what_came_due_while_nothing_ran_is_caught_up_unless_the_appointment_has_begun(world: World) -> None:
    tenant = world.tenant()
    now = utc_now()
    late = requested(tenant.tenant_id, now - timedelta(hours=2), starts_at=now + timedelta(hours=1))
    begun = requested(tenant.tenant_id, now - timedelta(hours=2), starts_at=now - timedelta(hours=1))
    world.publish(late)
    world.publish(begun)
    with world.run():
        world.settle(tenant.tenant_id)
        world.await_timers(tenant.tenant_id, 0)
    found = {event.reminder_id: event for event in world.due(tenant.tenant_id)}
    assert found[late.reminder_id].due_at == late.due_at
    assert begun.reminder_id not in found


def test_of_two_processes_one_fires_each_timer(world: World) -> None:
    with world.run(batch_size="7"), world.run(batch_size="7"):
        tenant = world.tenant()
        due_at = utc_now() + timedelta(seconds=4)
        requests = [requested(tenant.tenant_id, due_at) for _ in range(200)]
        for request in requests:
            world.publish(request)
        world.await_due(tenant.tenant_id, len(requests))
        world.settle(tenant.tenant_id)
    fired = [event.reminder_id for event in world.due(tenant.tenant_id)]
    assert {request.reminder_id for request in requests} < set(fired)
    assert len(set(fired)) == len(fired) == len(requests) + 1


def test_a_cut_connection_is_made_anew_and_what_came_due_meanwhile_fires(world: World) -> None:
    with world.run():
        tenant = world.tenant()
        requests = [requested(tenant.tenant_id, utc_now() + timedelta(hours=1)) for _ in range(20)]
        for request in requests:
            world.publish(request)
        world.await_timers(tenant.tenant_id, len(requests))
        world.change(
            "UPDATE timer SET due_at = now() + interval '0.5 s' WHERE tenant_id = %s", tenant.tenant_id
        )
        world.change(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        world.await_due(tenant.tenant_id, len(requests))
        world.settle(tenant.tenant_id)
    fired = [event.reminder_id for event in world.due(tenant.tenant_id)]
    assert len(fired) == len(set(fired)) == len(requests) + 1


def test_a_malformed_event_goes_to_the_dead_letters_and_the_rest_go_on(world: World) -> None:
    tenant = world.tenant()
    request = requested(tenant.tenant_id, utc_now())
    bad = request.model_dump_json().replace('"channel":"email"', '"channel":"pigeon"').encode()
    headers = {
        "ce_id": str(request.rule_id).encode(),
        "ce_source": b"/slotwright/booking",
        "ce_specversion": b"1.0",
        "ce_type": request.TYPE.encode(),
        "ce_time": utc_now().isoformat().encode(),
        "ce_subject": request.key.encode(),
        "ce_tenantid": str(tenant.tenant_id).encode(),
        "content-type": b"application/json",
    }
    world.topics.put(request.TOPIC, request.key, bad, headers)
    with world.run():
        world.settle(tenant.tenant_id)
        until(
            lambda: any(item.value == bad for item in world.topics.messages(dead_letter_topic("scheduler"))),
            "the dead letter",
        )


def test_a_business_that_is_deleted_has_its_timers_erased_and_none_set_after(world: World) -> None:
    with world.run():
        tenant = world.tenant()
        other = world.tenant()
        request = requested(tenant.tenant_id, utc_now() + timedelta(hours=5))
        kept = requested(other.tenant_id, utc_now() + timedelta(hours=5))
        world.publish(request)
        world.publish(kept)
        world.await_timers(tenant.tenant_id, 1)
        world.await_timers(other.tenant_id, 1)
        gone = tenant.model_copy(
            update={
                "generation": 2,
                "state": TenantState.DELETING,
                "deletion_policy": DeletionPolicy.DELETE,
            }
        )
        world.publish(gone)

        def erased() -> int:
            for event in world.topics.events(TenantStatusReported.TOPIC, tenant.tenant_id):
                if (
                    isinstance(event, TenantStatusReported)
                    and event.component.value == "scheduler"
                    and event.details.erased is not None
                ):
                    return event.details.erased["timer"]
            return 0

        assert until(erased, "the answer with its counts") == 1
        for due_at in (utc_now(), utc_now() + timedelta(hours=5)):
            world.publish(requested(tenant.tenant_id, due_at))
        world.settle(other.tenant_id)
        for table in ("timer", "closed_timer"):
            assert world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", tenant.tenant_id) == []
        assert world.due(tenant.tenant_id) == []
        world.await_timers(other.tenant_id, 1)
