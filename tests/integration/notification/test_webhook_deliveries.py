"""Deliveries over days: the schedule, endpoints that fail, are slow or gone, crashed senders, the log.

A real database and receiver, and the code that the process runs, under a clock that the tests set (hooks.py).
"""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.booking import AppointmentCancelled
from integration.notification.hooks import Hooks
from notification.webhooks.delivery import OVERDUE
from notification.webhooks.domain import DeliveryStatus, DisabledFor, Reply
from notification.webhooks.workers import WebhookSender, WebhookSweep
from servicekit.errors import Conflict
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from support import receiver as server
from support.events import until
from support.receiver import verified


async def test_an_event_is_delivered_once_signed_and_as_it_was_told(hooks: Hooks) -> None:
    made = await hooks.endpoint("appointment.booked", "appointment.cancelled")
    booked = hooks.booked()
    event_id = await hooks.tell(booked)
    await hooks.tell(booked, event_id=event_id)  # a replay
    assert await hooks.send() == 1
    assert await hooks.send() == 0
    (webhook,) = hooks.receiver.webhooks(made.path)
    assert verified(made.secret, webhook)
    assert webhook.id == event_id
    assert webhook.headers["content-type"] == "application/json"
    assert json.loads(webhook.body) == {
        "type": "appointment.booked",
        "timestamp": booked.occurred_at.isoformat().replace("+00:00", "Z"),
        "data": booked.model_dump(mode="json"),
    }
    delivery, (attempt,) = await hooks.only(made)
    assert (delivery.status, delivery.settled_at) == (DeliveryStatus.DELIVERED, hooks.clock())
    assert (attempt.http_status, attempt.error) == (204, None)
    assert attempt.milliseconds is not None


async def test_an_endpoint_gets_what_it_asked_for_and_no_more(hooks: Hooks) -> None:
    every, none = await hooks.endpoint("*"), await hooks.endpoint("message.failed")
    cancelled = AppointmentCancelled.model_validate(
        hooks.booked().model_dump() | {"cancelled_by": "customer", "version": 2}
    )
    first, second = await hooks.tell(hooks.booked()), await hooks.tell(cancelled)
    assert await hooks.send() == 2
    assert {item.id for item in hooks.receiver.webhooks(every.path)} == {first, second}
    assert hooks.receiver.webhooks(none.path) == []


async def test_a_failure_is_tried_again_under_the_same_id_with_a_new_timestamp(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500, server.Reply(503, b"later"), 200)
    await hooks.tell(hooks.booked())
    await hooks.send()
    assert (await hooks.read(made)).failing_since == hooks.clock()
    hooks.clock.pass_by(timedelta(seconds=4))
    assert await hooks.send() == 0
    hooks.clock.pass_by(timedelta(seconds=1))
    assert await hooks.send() == 1
    hooks.clock.pass_by(timedelta(seconds=299))
    assert await hooks.send() == 0
    hooks.clock.pass_by(timedelta(seconds=1))
    assert await hooks.send() == 1
    webhooks = hooks.receiver.webhooks(made.path)
    assert len({item.id for item in webhooks}) == len({item.body for item in webhooks}) == 1
    assert len({item.headers["webhook-timestamp"] for item in webhooks}) == 3
    delivery, attempts = await hooks.only(made)
    assert delivery.status is DeliveryStatus.DELIVERED
    assert [(item.number, item.http_status) for item in attempts] == [(1, 500), (2, 503), (3, 200)]
    assert attempts[1].response == "later"
    assert (await hooks.read(made)).failing_since is None


async def test_after_three_days_of_failures_it_is_given_up(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500)
    await hooks.tell(hooks.booked())
    began = hooks.clock()
    while await hooks.send():
        hooks.clock.now = (await hooks.only(made))[0].next_attempt_at
    delivery, attempts = await hooks.only(made)
    assert (delivery.status, delivery.reason, len(attempts)) == (DeliveryStatus.FAILED, "HTTP 500", 10)
    assert attempts[-1].began_at - began == timedelta(hours=75, minutes=35, seconds=5)
    assert (await hooks.read(made)).enabled


async def test_retry_after_is_honoured(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, server.Reply(429, headers={"Retry-After": "120"}), 204)
    await hooks.tell(hooks.booked())
    await hooks.send()
    assert (await hooks.only(made))[0].next_attempt_at == hooks.clock() + timedelta(seconds=120)


@pytest.mark.parametrize("status", [503, 200])
async def test_a_retry_after_that_is_no_time_is_passed_over(hooks: Hooks, status: int) -> None:
    made = await hooks.endpoint()
    header = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
    hooks.receiver.answer(made.path, server.Reply(status, headers={"Retry-After": header}))
    await hooks.tell(hooks.booked())
    await hooks.send()
    delivery, (attempt,) = await hooks.only(made)
    expected = DeliveryStatus.DELIVERED if status == 200 else DeliveryStatus.QUEUED
    assert (delivery.status, attempt.http_status) == (expected, status)


async def test_an_attempt_that_breaks_off_as_nobody_foresaw_counts_and_the_schedule_ends_it(
    hooks: Hooks,
) -> None:
    made = await hooks.endpoint()
    await hooks.tell(hooks.booked())
    hooks.names.answers = []  # the name server's answer breaks the reading of it
    while await hooks.send():
        hooks.clock.now = (await hooks.only(made))[0].next_attempt_at
    delivery, attempts = await hooks.only(made)
    assert (delivery.status, len(attempts)) == (DeliveryStatus.FAILED, 10)
    assert {item.error for item in attempts} == {"The attempt broke off (IndexError)."}


async def test_gone_stops_everything_to_that_endpoint_and_nothing_else(hooks: Hooks) -> None:
    gone, other = await hooks.endpoint(), await hooks.endpoint()
    hooks.receiver.answer(gone.path, 500, 410)
    await hooks.tell(hooks.booked())
    await hooks.send()
    for _ in range(3):
        await hooks.tell(hooks.booked())
    hooks.clock.pass_by(timedelta(seconds=5))
    (claimed,) = [item for item in await hooks.deliveries.claim(100) if item.endpoint_id == gone.endpoint_id]
    await hooks.deliveries.deliver(claimed)
    endpoint = await hooks.read(gone)
    assert (endpoint.disabled_reason, endpoint.disabled_at) == (DisabledFor.GONE, hooks.clock())
    statuses = [(item.status, item.reason) for item, _ in await hooks.log(gone)]
    assert sorted(statuses) == [(DeliveryStatus.FAILED, "EndpointDisabled")] * 3 + [
        (DeliveryStatus.FAILED, "HTTP 410")
    ]
    await hooks.tell(hooks.booked())
    assert len(await hooks.log(gone)) == 4
    hooks.clock.pass_by(timedelta(hours=2))
    while await hooks.send():
        pass  # the other has fewer places than deliveries
    assert len(hooks.receiver.webhooks(gone.path)) == 2
    assert len(hooks.receiver.webhooks(other.path)) == 5


@pytest.mark.parametrize("answer", [410, 500])
async def test_what_the_old_address_answers_says_nothing_of_an_endpoint_that_was_moved(
    hooks: Hooks, answer: int
) -> None:
    made, elsewhere = await hooks.endpoint(), "/" + new_id().hex
    hooks.receiver.answer(made.path, answer)
    await hooks.tell(hooks.booked())
    (claimed,) = await hooks.deliveries.claim(10)
    with hooks.receiver.held(made.path):
        sending = asyncio.create_task(hooks.deliveries.deliver(claimed))
        await _until(lambda: len(hooks.receiver.webhooks(made.path)) == 1)
        moved = (await hooks.read(made)).url.replace(made.path, elsewhere)
        await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, {"url": moved})
    await sending
    endpoint = await hooks.read(made)
    assert (endpoint.enabled, endpoint.failing_since) == (True, None)
    hooks.clock.pass_by(timedelta(seconds=5))
    await hooks.send()
    assert len(hooks.receiver.webhooks(elsewhere)) == 1
    assert (await hooks.only(made))[0].status is DeliveryStatus.DELIVERED


async def test_an_endpoint_that_fails_goes_on_failing_when_its_old_address_answers_well(hooks: Hooks) -> None:
    made, elsewhere = await hooks.endpoint(), "/" + new_id().hex
    hooks.receiver.answer(elsewhere, 500)
    await hooks.tell(hooks.booked())
    (claimed,) = await hooks.deliveries.claim(10)
    with hooks.receiver.held(made.path):
        sending = asyncio.create_task(hooks.deliveries.deliver(claimed))
        await _until(lambda: len(hooks.receiver.webhooks(made.path)) == 1)
        moved = (await hooks.read(made)).url.replace(made.path, elsewhere)
        await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, {"url": moved})
        await hooks.tell(hooks.booked())
        await hooks.send()
    await sending
    assert (await hooks.read(made)).failing_since is not None


async def test_an_endpoint_that_fails_for_five_days_is_disabled_and_can_be_enabled_again(
    hooks: Hooks,
) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500)
    began = hooks.clock()
    while (await hooks.read(made)).enabled:
        assert hooks.clock() - began < timedelta(days=6)
        await hooks.tell(hooks.booked())
        await hooks.send()
        hooks.clock.pass_by(timedelta(hours=6))
    endpoint = await hooks.read(made)
    assert endpoint.disabled_reason is DisabledFor.FAILING
    assert endpoint.disabled_at is not None
    assert timedelta(days=5) <= endpoint.disabled_at - began < timedelta(days=5, hours=7)
    assert not await hooks.send()
    tenant_id = hooks.tenant.tenant_id
    again, _ = await hooks.service.edit(tenant_id, made.endpoint_id, endpoint.version, {"enabled": True})
    assert (again.enabled, again.failing_since) == (True, None)
    hooks.receiver.answer(made.path, 204)
    event_id = await hooks.tell(hooks.booked())
    await hooks.send()
    assert hooks.receiver.webhooks(made.path)[-1].id == event_id


async def test_a_slow_endpoint_holds_up_nobody_but_itself(hooks: Hooks) -> None:
    """The sender's own loop, twice: 20 for the slow one first, then 20 for a fast one while it answers nobody."""
    slow, fast = await hooks.endpoint("appointment.booked"), await hooks.endpoint("appointment.cancelled")
    for _ in range(20):
        await hooks.tell(hooks.booked())
    cancelled = [
        AppointmentCancelled.model_validate(hooks.booked().model_dump() | {"cancelled_by": "staff"})
        for _ in range(20)
    ]
    stop = asyncio.Event()
    senders = [WebhookSender(hooks.deliveries), WebhookSender(hooks.another_sender())]
    with hooks.receiver.held(slow.path):
        running = [asyncio.create_task(item.run(stop, Heartbeat(item.name, limit=60))) for item in senders]
        await _until(lambda: len(hooks.receiver.webhooks(slow.path)) == 3)
        for event in cancelled:
            await hooks.tell(event)
        await _until(lambda: len(hooks.receiver.webhooks(fast.path)) == 20)
        assert len(hooks.receiver.webhooks(slow.path)) == 3
    await _until(lambda: len(hooks.receiver.webhooks(slow.path)) == 20)
    stop.set()
    await asyncio.gather(*running)
    assert hooks.receiver.most_at_once[slow.path] == 3
    for made in (slow, fast):
        assert {item.status for item, _ in await hooks.log(made)} == {DeliveryStatus.DELIVERED}
        assert len({item.id for item in hooks.receiver.webhooks(made.path)}) == 20


async def _until(check: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, check, "the receiver has been asked")


async def test_everybodys_first_comes_before_anybodys_second_and_who_fails_has_one_place(
    hooks: Hooks,
) -> None:
    busy = await hooks.endpoint("appointment.booked")
    for _ in range(5):
        await hooks.tell(hooks.booked())
    hooks.clock.pass_by(timedelta(seconds=1))
    late, failing = await hooks.endpoint("appointment.booked"), await hooks.endpoint("appointment.booked")
    await hooks.tell(hooks.booked())
    await hooks.tell(hooks.booked())
    hooks.rows(
        "UPDATE webhook_endpoint SET failing_since = now() WHERE endpoint_id = %s RETURNING 1",
        failing.endpoint_id,
    )
    first = await hooks.claims(hooks.deliveries, 3)
    assert {item.endpoint_id for item in first} == {busy.endpoint_id, late.endpoint_id, failing.endpoint_id}
    rest = [item.endpoint_id for item in await hooks.claims(hooks.another_sender())]
    assert sorted(rest) == sorted([busy.endpoint_id] * 2 + [late.endpoint_id])


async def test_a_delivery_whose_sender_has_died_is_left_alone_until_its_lease_ends(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    event_id = await hooks.tell(hooks.booked())
    (lost,) = await hooks.deliveries.claim(10)
    hooks.clock.pass_by(timedelta(seconds=59))
    assert not await hooks.send(hooks.another_sender())
    hooks.clock.pass_by(timedelta(seconds=1))
    (again,) = await hooks.another_sender().claim(10)
    await hooks.deliveries.deliver(lost)  # it was not dead after all
    assert hooks.receiver.webhooks(made.path) == []
    await hooks.another_sender().deliver(again)
    assert [item.id for item in hooks.receiver.webhooks(made.path)] == [event_id]


@pytest.mark.parametrize("answer", [500, 410])
async def test_an_outcome_that_was_overtaken_changes_nothing(hooks: Hooks, answer: int) -> None:
    """A request that outlives its lease: its failure comes when the next attempt is under way elsewhere."""
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, answer)
    await hooks.tell(hooks.booked())
    (claimed,) = await hooks.deliveries.claim(10)
    other = hooks.another_sender()
    with hooks.receiver.held(made.path):
        slow = asyncio.create_task(hooks.deliveries.deliver(claimed))
        await _until(lambda: len(hooks.receiver.webhooks(made.path)) == 1)
        hooks.clock.pass_by(timedelta(seconds=60))
        (again,) = await other.claim(10)
        async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
            ready = await other._prepare(conn, again)
        assert ready is not None
    await slow
    assert (await hooks.only(made))[0].status is DeliveryStatus.SENDING
    known = await hooks.read(made)
    assert (known.enabled, known.failing_since) == (True, None)
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        await other._conclude(conn, ready, Reply(http_status=204), 0.1)
    delivery, attempts = await hooks.only(made)
    assert delivery.status is DeliveryStatus.DELIVERED
    assert [item.http_status for item in attempts] == [answer, 204]


async def test_of_an_answer_one_kib_is_kept_and_no_body_takes_the_status_back(hooks: Hooks) -> None:
    large, endless = await hooks.endpoint(), await hooks.endpoint()
    hooks.receiver.answer(large.path, server.Reply(200, b"x" * 1_000_000))
    hooks.receiver.answer(endless.path, server.Reply(200, b"\x00never", pieces=100))
    await hooks.tell(hooks.booked())
    assert await hooks.send() == 2
    delivery, (attempt,) = await hooks.only(large)
    assert (delivery.status, attempt.response) == (DeliveryStatus.DELIVERED, "x" * 1024)
    delivery, (attempt,) = await hooks.only(endless)
    assert delivery.status is DeliveryStatus.DELIVERED
    assert attempt.response is not None
    assert attempt.response.startswith("�never")


async def test_a_delivery_is_resent_under_its_id_with_the_whole_schedule_before_it(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    tenant_id = hooks.tenant.tenant_id
    event_id = await hooks.tell(hooks.booked())
    await hooks.send()
    delivery, _ = await hooks.only(made)
    hooks.receiver.answer(made.path, 500, 204)
    await hooks.service.resend(tenant_id, made.endpoint_id, delivery.delivery_id)
    await hooks.send()
    again, attempts = await hooks.only(made)
    assert (again.status, again.next_attempt_at) == (
        DeliveryStatus.QUEUED,
        hooks.clock() + timedelta(seconds=5),
    )
    # Not waiting for its time, as whoever has mended the endpoint would not.
    await hooks.service.resend(tenant_id, made.endpoint_id, delivery.delivery_id)
    await hooks.send()
    again, attempts = await hooks.only(made)
    assert again.status is DeliveryStatus.DELIVERED
    assert [item.http_status for item in attempts] == [204, 500, 204]
    assert [item.id for item in hooks.receiver.webhooks(made.path)] == [event_id] * 3


async def test_what_is_being_sent_or_has_no_endpoint_to_go_to_is_not_resent(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    tenant_id = hooks.tenant.tenant_id
    await hooks.tell(hooks.booked())
    (claimed,) = await hooks.deliveries.claim(10)
    with pytest.raises(Conflict, match="under way"):
        await hooks.service.resend(tenant_id, made.endpoint_id, claimed.delivery_id)
    await hooks.service.edit(tenant_id, made.endpoint_id, None, {"enabled": False})
    with pytest.raises(Conflict, match="disabled"):
        await hooks.service.resend(tenant_id, made.endpoint_id, claimed.delivery_id)
    await hooks.deliveries.deliver(claimed)
    delivery, attempts = await hooks.only(made)
    assert (delivery.reason, attempts) == ("EndpointDisabled", [])
    assert hooks.receiver.webhooks(made.path) == []


async def test_a_test_is_sent_once_and_not_tried_again(hooks: Hooks) -> None:
    made = await hooks.endpoint("message.failed")
    hooks.receiver.answer(made.path, 500)
    await hooks.test(made)
    await hooks.send()
    delivery, attempts = await hooks.only(made)
    assert (delivery.type, delivery.status, len(attempts)) == ("webhook.test", DeliveryStatus.FAILED, 1)
    (webhook,) = hooks.receiver.webhooks(made.path)
    assert verified(made.secret, webhook)
    assert json.loads(webhook.body)["data"]["endpoint_id"] == str(made.endpoint_id)


async def test_the_log_is_kept_for_thirty_days(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 204, 500)
    await hooks.tell(hooks.booked())
    await hooks.send()
    hooks.clock.pass_by(timedelta(days=30))
    waiting = await hooks.tell(hooks.booked())
    await hooks.send()
    sweep = WebhookSweep(hooks.db, clock=hooks.clock)
    await sweep.turn()
    assert len(await hooks.log(made)) == 2
    hooks.clock.pass_by(timedelta(seconds=1))
    await sweep.turn()
    assert [item.webhook_id for item, _ in await hooks.log(made)] == [waiting]


async def test_how_long_the_queue_waits_is_measured(hooks: Hooks) -> None:
    await hooks.endpoint()
    await hooks.deliveries.measure()
    assert OVERDUE._value.get() == 0
    await hooks.tell(hooks.booked())
    hooks.clock.pass_by(timedelta(seconds=90))
    await hooks.deliveries.measure()
    assert OVERDUE._value.get() == 90
