"""What booking hears while a booking is under way: neither may miss the other."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import psycopg
import pytest

from contracts.booking import Channel, CustomerChanged
from contracts.business import PolicyChanged, ReminderRule
from contracts.platform import Component, ComponentState, DeletionPolicy, TenantState, TenantStatusReported
from integration.booking.world import Shop, World, made_world, tomorrow_noon, waiting, wish, works_all_day
from servicekit.ids import new_id
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.tenants import new_tenant

_LOCK = "SELECT pg_advisory_xact_lock("


@pytest.fixture(scope="module")
def topics(broker: Broker) -> Topics:
    return Topics(broker.super_user())


@pytest.fixture(scope="module")
def world(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """booking in all its roles."""
    folder = tmp_path_factory.mktemp("booking")
    with made_world(databases, "all", folder, **broker.service_env("booking")) as made:
        yield made


@contextmanager
def held_up(
    world: World, shop: Shop, starts_at: datetime, lock: str, waits_in: str
) -> Iterator[Future[httpx.Response]]:
    """A booking that waits in that statement, for a lock of the test's own, while the block runs."""
    assert world.post(shop, wish(shop, starts_at - timedelta(hours=1))).status_code == 201
    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute(lock.encode())
            booking = thread.submit(world.post, shop, wish(shop, starts_at))
            until(lambda: waiting(world, waits_in), "the booking waits")
            yield booking
            conn.rollback()
        assert booking.result().status_code == 201, booking.result().text


def heard(world: World, event_id: str) -> bool:
    return bool(world.rows("SELECT 1 FROM inbox WHERE event_id = %s", event_id))


async def test_a_policy_that_changes_while_a_booking_is_made_reaches_it(world: World, topics: Topics) -> None:
    """The booking has read the old policy, and the change cannot see the booking yet."""
    shop = await world.shop()
    tenant_id = shop.tenant.tenant_id
    rule = ReminderRule(rule_id=new_id(), offset_seconds=7200, channel=Channel.EMAIL)
    count = f"SELECT 1 FROM usage WHERE tenant_id = '{tenant_id}' FOR UPDATE"
    with held_up(world, shop, tomorrow_noon(), count, "INSERT INTO usage") as booking:
        event_id = topics.publish(PolicyChanged(tenant_id=tenant_id, version=2, rules=[rule]))
        until(lambda: waiting(world, _LOCK) or heard(world, event_id), "booking hears of the policy")
    until(lambda: heard(world, event_id), "the policy is in effect")
    until(lambda: asked_for(world, booking.result()) == [rule.rule_id], "the booking follows it")


def asked_for(world: World, booking: httpx.Response) -> list[UUID]:
    """By which rules the appointment has reminders."""
    asked = "SELECT rule_id FROM reminder WHERE appointment_id = %s"
    return [row["rule_id"] for row in world.rows(asked, UUID(booking.json()["id"]))]


async def test_a_changed_policy_keeps_nobody_waiting_for_the_appointments_that_follow_it(
    world: World, topics: Topics
) -> None:
    """One of them is locked for as long as it takes: the change is heard, and bookings go on and read it."""
    shop = await world.shop()
    tenant_id = shop.tenant.tenant_id
    locked = world.post(shop, wish(shop, tomorrow_noon()))
    rule = ReminderRule(rule_id=new_id(), offset_seconds=7200, channel=Channel.EMAIL)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "SELECT 1 FROM appointment WHERE appointment_id = %s FOR UPDATE", (UUID(locked.json()["id"]),)
        )
        event_id = topics.publish(PolicyChanged(tenant_id=tenant_id, version=2, rules=[rule]))
        until(lambda: waiting(world, "-- Changes of one appointment"), "the appointment is waited for")
        assert heard(world, event_id)
        beside = world.post(shop, wish(shop, tomorrow_noon() + timedelta(hours=1)))
        assert beside.status_code == 201, beside.text
        assert asked_for(world, beside) == [rule.rule_id]
        conn.rollback()
    until(lambda: asked_for(world, locked) == [rule.rule_id], "the appointment follows the policy")


async def test_a_booking_ends_without_the_process_that_has_sent_it(world: World) -> None:
    """Its commit is with PostgreSQL already: nobody waits for a process that is busy, or stands still."""
    shop = await world.shop()
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    unreported = "SELECT 1 FROM usage WHERE tenant_id = %s AND unreported"
    # Whoever reports it would stand still with the row that the booking counts in.
    until(lambda: not world.rows(unreported, shop.tenant.tenant_id), "the first one's use is reported")
    written = "SELECT 1 FROM appointment WHERE tenant_id = %s"
    count = "SELECT 1 FROM usage WHERE tenant_id = %s FOR UPDATE"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(world.database.admin_url) as conn:
        conn.execute(count, (shop.tenant.tenant_id,))
        booking = thread.submit(world.post, shop, wish(shop, tomorrow_noon() + timedelta(hours=1)))
        until(lambda: waiting(world, "INSERT INTO usage"), "the booking waits")
        os.kill(world.pid, signal.SIGSTOP)
        try:
            conn.rollback()
            until(lambda: len(world.rows(written, shop.tenant.tenant_id)) == 2, "the booking is committed")
        finally:
            os.kill(world.pid, signal.SIGCONT)
        assert booking.result().status_code == 201, booking.result().text


async def test_an_erasure_that_begins_while_a_booking_is_made_erases_it(world: World, topics: Topics) -> None:
    """The booking is written and not committed. Erasing has to wait for it: its rows cannot be seen yet."""
    shop = await world.shop(tenant=new_tenant(deletion_policy=DeletionPolicy.DELETE))
    with held_up(world, shop, tomorrow_noon(), "LOCK TABLE outbox IN SHARE MODE", "INSERT INTO outbox"):
        gone = shop.tenant.model_copy(update={"generation": 2, "state": TenantState.DELETING})
        topics.publish(gone)
        until(
            lambda: waiting(world, _LOCK) or waiting(world, "INSERT INTO outbox") > 1,
            "the erasure waits, or is done and reports",
        )
    until(lambda: deleted(topics, shop), "booking has reported the deletion")
    for table in ("appointment", "allocation", "customer", "reminder", "usage", "audit_entry"):
        assert world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_what_is_heard_of_a_business_behind_its_erasure_leaves_nothing(
    world: World, topics: Topics
) -> None:
    shop = await world.shop(tenant=new_tenant(deletion_policy=DeletionPolicy.DELETE))
    tenant_id = shop.tenant.tenant_id
    topics.publish(shop.tenant.model_copy(update={"generation": 2, "state": TenantState.DELETING}))
    until(lambda: deleted(topics, shop), "booking has reported the deletion")
    event_id = topics.publish(works_all_day(tenant_id, new_id()))
    until(lambda: heard(world, event_id), "booking has passed over the event")
    assert world.rows("SELECT 1 FROM resource WHERE tenant_id = %s", tenant_id) == []


async def test_the_topic_keeps_no_customer_of_an_erased_business(world: World, topics: Topics) -> None:
    """More of them than are buried at once; of a business that is retained, all."""
    erased = await world.shop(tenant=new_tenant(deletion_policy=DeletionPolicy.DELETE))
    retained = await world.shop(tenant=new_tenant(deletion_policy=DeletionPolicy.RETAIN))
    for shop in (erased, retained):
        assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    ids = [new_id() for _ in range(1100)]
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)"
            " SELECT %s, id, id::text, 'one@customer.example', 'en', false, false FROM unnest(%s) AS id",
            (erased.tenant.tenant_id, ids),
        )
    for shop in (erased, retained):
        topics.publish(shop.tenant.model_copy(update={"generation": 2, "state": TenantState.DELETING}))
        until(lambda shop=shop: deleted(topics, shop), "booking has reported the deletion")  # type: ignore[misc]
    until(lambda: not world.rows("SELECT 1 FROM outbox"), "nothing is on its way")
    last = {item.key.decode(): item.value for item in topics.messages(CustomerChanged.TOPIC) if item.key}
    left = {key: value for key, value in last.items() if key.startswith(str(erased.tenant.tenant_id))}
    assert len(left) == len(ids) + 1
    assert set(left.values()) == {None}
    (kept,) = (value for key, value in last.items() if key.startswith(str(retained.tenant.tenant_id)))
    assert kept is not None


def deleted(topics: Topics, shop: Shop) -> bool:
    return any(
        isinstance(event, TenantStatusReported)
        and (event.component, event.state) == (Component.BOOKING, ComponentState.DELETED)
        for event in topics.events(TenantStatusReported.TOPIC, shop.tenant.tenant_id)
    )
