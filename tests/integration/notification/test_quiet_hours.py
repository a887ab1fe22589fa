"""Quiet hours: what waits for their end, what does not, and that nothing is lost to them."""

import asyncio
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from contracts.booking import AppointmentCancelled, Channel
from contracts.envelope import Envelope
from integration.notification.hooks import Hooks, send, sender, to_customer
from integration.notification.world import Salon, World, in_a
from notification.consumers import MessageRequests
from notification.quiet import QuietHours
from notification.rules_store import put_quiet_hours, release_held
from notification.store import drop_queue, erase_customer
from servicekit.clock import utc_now
from servicekit.ids import new_id
from support.bad_servers import BadSmtpServer
from support.events import until

PATH = "/v1/quiet-hours"


ICELAND = "Atlantic/Reykjavik"
"""Whose clocks do not change, on whatever night this is run."""


def quiet_now(**fields: Any) -> dict[str, Any]:
    """From an hour ago to in two hours, on Iceland's walls."""
    wall = utc_now().astimezone(ZoneInfo(ICELAND))
    begins, ends = wall - timedelta(hours=1), wall + timedelta(hours=2)
    return {"from": f"{begins:%H:%M:%S}", "to": f"{ends:%H:%M:%S}", "channels": ["email"]} | fields


def icelandic(world: World) -> Salon:
    return world.salon(world.tenant(timezone=ICELAND))


def held(world: World, salon: Salon, count: int = 1) -> list[dict[str, Any]]:
    return until(
        lambda: (
            rows
            if len(rows := [row for row in world.messages(salon) if row["held_until"]]) == count
            else None
        ),
        f"{count} messages are held",
    )


def test_a_reminder_waits_for_the_end_and_news_does_not(world: World) -> None:
    salon = icelandic(world)
    tenant = salon.tenant.tenant_id
    unset = world.ask(tenant, "GET", PATH)
    assert (unset.headers["ETag"], unset.json()["channels"]) == ('"v0"', [])
    wanted = quiet_now()
    put = world.ask(tenant, "PUT", PATH, json=wanted, headers={"If-Match": '"v0"'})
    assert (put.status_code, put.headers["ETag"]) == (200, '"v1"')
    booked = salon.booked()
    world.topics.publish(booked)
    assert world.mails(salon, 1)[0]["Subject"].startswith("Booked: ")
    world.topics.publish(salon.due(booked))
    (row,) = held(world, salon)
    local = row["held_until"].astimezone(ZoneInfo(ICELAND))
    assert f"{local:%H:%M:%S}" == wanted["to"]
    assert timedelta(hours=1.9) < row["held_until"] - utc_now() < timedelta(hours=2)
    (shown,) = world.get(tenant, status="queued").json()["items"]
    assert (shown["attempts"], shown["held_until"] is None) == (0, False)
    assert world.ask(tenant, "PUT", PATH, json=wanted, headers={"If-Match": '"v0"'}).status_code == 412
    # Turned off, they hold nothing any more.
    off = world.ask(tenant, "PUT", PATH, json=wanted | {"channels": []}, headers={"If-Match": '"v1"'})
    assert off.status_code == 200
    assert world.mails(salon, 2)[1]["Subject"].startswith("Reminder: ")
    assert {row["held_until"] for row in world.settled(salon, 2)} == {None}


async def test_at_their_end_it_goes_out(hooks: Hooks) -> None:
    """Without the process: under a clock that the test sets."""
    hooks.clock.now = hooks.clock.now.replace(hour=12)
    salon, booked = await to_customer(hooks)
    tenant_id, due = hooks.tenant.tenant_id, salon.due(booked)
    told = Envelope(str(new_id()), "/test", due.TYPE, hooks.clock(), due.key, tenant_id, b"")
    async with hooks.db.tenant(tenant_id) as conn:
        email = frozenset({Channel.EMAIL})
        quiet = QuietHours(version=0, begins=time(11), ends=time(20), channels=email, notices=False)
        await put_quiet_hours(conn, tenant_id, quiet, None)
        await MessageRequests(timedelta(days=1), hooks.clock).reminder(conn, due, told)
    smtp = BadSmtpServer()
    delivery = sender(hooks, smtp.port)
    assert await send(delivery) == 2
    reminders = "SELECT * FROM message WHERE tenant_id = %s AND kind = 'reminder'"
    (row,) = hooks.rows(reminders, tenant_id)
    hooks.clock.now = row["held_until"] - timedelta(seconds=1)
    assert await send(delivery) == 0
    assert len(smtp.taken) == 1
    hooks.clock.pass_by(timedelta(seconds=1))
    assert await send(delivery) == 1
    smtp.close()
    (sent,) = hooks.rows(reminders, tenant_id)
    assert (sent["status"], sent["attempts"], sent["held_until"]) == ("sent", 1, None)
    assert sent["settled_at"] == row["held_until"]
    assert len(set(smtp.taken)) == 2


def test_what_would_come_too_late_goes_out_at_once(world: World) -> None:
    """They end in two hours, less than an hour before the appointment."""
    salon = icelandic(world)
    world.ask(salon.tenant.tenant_id, "PUT", PATH, json=quiet_now()).raise_for_status()
    booked = salon.booked(starts_at=in_a(timedelta(hours=2.5)))
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked))
    assert {row["status"] for row in world.settled(salon, 2)} == {"sent"}


def test_the_wall_that_counts_is_where_the_appointment_is_read(world: World) -> None:
    salon = icelandic(world)
    world.ask(salon.tenant.tenant_id, "PUT", PATH, json=quiet_now()).raise_for_status()
    booked = salon.booked(timezone="Asia/Tokyo")
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked))
    world.mails(salon, 2)


def test_what_waits_is_still_found_out_when_it_is_no_longer_true(world: World) -> None:
    salon = icelandic(world)
    tenant = salon.tenant.tenant_id
    world.ask(tenant, "PUT", PATH, json=quiet_now(notices=True)).raise_for_status()
    booked = salon.booked()
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked))
    held(world, salon, 2)
    past = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at, "version": 2}
    world.consumed(world.topics.publish(salon.event(AppointmentCancelled, **past)))
    assert not world.post.mails(salon.email)
    world.ask(tenant, "PUT", PATH, json=quiet_now(channels=[])).raise_for_status()
    rows = world.settled(salon, 3)
    assert sorted(row["reason"] or row["kind"] for row in rows) == ["cancelled", "stale", "stale"]
    world.mails(salon, 1)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"to": "22:00"}, "/to"),
        ({"from": "22:00+01:00"}, "/from"),
        ({"channels": ["pigeon"]}, "/channels/0"),
        ({"channels": ["sms", "sms"]}, "/channels"),
    ],
)
def test_hours_that_are_none_are_refused(world: World, change: dict[str, Any], pointer: str) -> None:
    body = {"from": "22:00", "to": "08:00", "channels": ["sms"]} | change
    answer = world.ask(world.tenant().tenant_id, "PUT", PATH, json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_what_is_decided_while_they_change_is_decided_by_the_new_ones(world: World) -> None:
    """The change has released what was held, and is not committed yet: the message must not be held behind it."""
    salon = icelandic(world)
    tenant = salon.tenant.tenant_id
    world.ask(tenant, "PUT", PATH, json=quiet_now(notices=True)).raise_for_status()
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute("UPDATE quiet_hours SET channels = '{}' WHERE tenant_id = %s", (tenant,))
        world.topics.publish(salon.booked())
        until(lambda: held_or_waiting(world, salon), "it is held, or waits for the change")
        conn.commit()
    (row,) = world.settled(salon, 1)
    assert row["status"] == "sent"


def held_or_waiting(world: World, salon: Salon) -> bool:
    waiting = world.rows(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return any("quiet_hours" in row["query"] for row in waiting) or any(
        row["held_until"] for row in world.messages(salon)
    )


@pytest.mark.parametrize("change", ["release", "erasure", "leaving"])
async def test_a_release_an_erasure_and_a_business_that_leaves_lock_messages_in_one_order(
    hooks: Hooks, change: str
) -> None:
    """Or they wait for each other in a circle, where two are about the same ones."""
    salon, booked = await to_customer(hooks)
    tenant_id, due = hooks.tenant.tenant_id, salon.due(booked)
    told = Envelope(str(new_id()), "/test", due.TYPE, hooks.clock(), due.key, tenant_id, b"")
    async with hooks.db.tenant(tenant_id) as conn:
        await MessageRequests(timedelta(days=1), hooks.clock).reminder(conn, due, told)
    hold = (
        "UPDATE message SET recipient = 'x', held_until = next_attempt_at WHERE message_id = %s RETURNING 1"
    )
    first, second = sorted(
        row["message_id"] for row in hooks.rows("SELECT * FROM message WHERE tenant_id = %s", tenant_id)
    )
    for message_id in (second, first):  # as they lie in the table, the first comes last
        hooks.rows(hold, message_id)

    async def changed() -> None:
        async with hooks.db.tenant(tenant_id) as conn:
            if change == "release":
                await release_held(conn, tenant_id, hooks.clock())
            elif change == "leaving":
                assert await drop_queue(conn, tenant_id, hooks.clock(), 10) == 2
            else:
                await erase_customer(conn, tenant_id, booked.customer_id)

    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    free = "SELECT 1 FROM message WHERE message_id = %s FOR UPDATE SKIP LOCKED"
    with psycopg.connect(hooks._admin_url) as other:
        other.execute("ANALYZE message")  # so few are read in that order
        other.execute("SELECT 1 FROM message WHERE message_id = %s FOR UPDATE", (first,))
        task = asyncio.create_task(changed())
        async with asyncio.timeout(30):
            while not hooks.rows(waiting):  # noqa: ASYNC110 - the database tells
                await asyncio.sleep(0.02)
        assert hooks.rows(free, second), "nothing behind the first is locked"
    await task
    done = "SELECT 1 FROM message WHERE held_until IS NULL OR recipient IS NULL OR reason = 'suspended'"
    assert len(hooks.rows(done)) == 2
