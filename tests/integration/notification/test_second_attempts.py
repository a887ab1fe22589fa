"""A mail whose first attempt did not arrive, or may have, when something has changed by the next one.

On a real database and SMTP server, under a clock that the tests set (hooks.py).
"""

import asyncio
from datetime import time, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.booking import AppointmentCancelled, Channel
from integration.notification.hooks import FROM, Hooks, send, sender, to_customer
from integration.notification.world import LINK_KEY
from notification import store
from notification.delivery import MessageDeliveries
from notification.domain import AppointmentStatus
from notification.letters import Letters
from notification.providers import Refused, TryLater
from notification.quiet import QuietHours
from notification.rules import Rules
from notification.settings import NotificationSettings
from servicekit.links import UnsubscribeLinks
from support.bad_servers import BadSmtpServer, SmtpFault


class Slow:
    """Carries mails, and says so, or `fault`, once it is told to."""

    name, channel = "slow", Channel.EMAIL

    def __init__(self, fault: Exception | None = None) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self._fault = fault

    async def send(self, *_message: object, **_of: object) -> None:
        self.asked.set()
        await self.go_on.wait()
        if self._fault is not None:
            raise self._fault

    def sender(self, hooks: Hooks) -> MessageDeliveries:
        settings = NotificationSettings(link_key=SecretStr(LINK_KEY), public_url="https://book.example")
        return MessageDeliveries(hooks.db, self, Letters(), settings, mail_from=FROM, clock=hooks.clock)


LEASE = timedelta(minutes=2)
"""Longer than one lasts."""


async def test_one_that_may_have_arrived_each_time_comes_ever_more_rarely(hooks: Hooks) -> None:
    """The first repeat is soon: a connection has broken. But a server may be too slow to say that it has it."""
    _, booked = await to_customer(hooks)
    smtp = BadSmtpServer(*[SmtpFault.RESET_AFTER_DATA] * 1000)
    delivery, ages = sender(hooks, smtp.port), list[float]()
    while not (row := only(hooks))["settled_at"] and len(ages) < 100:
        hooks.clock.now = max(hooks.clock.now, row["next_attempt_at"])
        ages.append((hooks.clock.now - row["queued_at"]).total_seconds())
        assert await send(delivery) == 1
    smtp.close()
    assert (row["status"], row["reason"], row["repeated"]) == ("failed", "Interrupted", True)
    assert row["settled_at"] >= min(booked.starts_at, row["expires_at"])
    *copies, _ = ages
    assert len(smtp.seen) == len(copies)
    assert copies[1] <= 1
    assert 5 < len(copies) < 12


async def test_one_that_comes_ever_more_rarely_is_given_up_at_its_end(hooks: Hooks) -> None:
    """And not at the end of a pause that goes on behind it."""
    await to_customer(hooks)
    for hours in (1, 6, 0):
        carrier = Slow(TryLater("the connection was reset", in_doubt=True))
        carrier.go_on.set()
        assert await send(carrier.sender(hooks)) == 1
        hooks.clock.pass_by(timedelta(hours=hours))
    row = only(hooks)
    assert row["next_attempt_at"] == row["expires_at"]


async def test_how_long_one_has_waited_before_does_not_make_its_repeats_rare(hooks: Hooks) -> None:
    """Behind an outage of hours two connections that break would leave it for a day."""
    await to_customer(hooks)
    hooks.clock.pass_by(timedelta(hours=8))
    smtp = BadSmtpServer(*[SmtpFault.RESET_AFTER_DATA] * 2)
    delivery = sender(hooks, smtp.port)
    for _ in range(3):
        assert await send(delivery) == 1
        hooks.clock.pass_by(timedelta(seconds=20))
    smtp.close()
    row = only(hooks)
    assert (row["status"], row["attempts"], row["repeated"]) == ("sent", 3, True)


def only(hooks: Hooks) -> dict[str, Any]:
    (row,) = hooks.rows("SELECT * FROM message WHERE tenant_id = %s", hooks.tenant.tenant_id)
    return row


@pytest.mark.parametrize(
    ("fault", "outcome", "left"),
    [
        (SmtpFault.BUSY_RCPT, ("suppressed", "stale", 1), 0),
        (SmtpFault.RESET_AFTER_DATA, ("failed", "Interrupted", 1), 1),
    ],
    ids=str,
)
async def test_one_that_is_no_longer_true_is_given_back_to_the_quota_unless_it_may_have_arrived(
    hooks: Hooks, fault: SmtpFault, outcome: tuple[str, str, int], left: int
) -> None:
    salon, booked = await to_customer(hooks)
    smtp = BadSmtpServer(fault)
    delivery = sender(hooks, smtp.port)
    await send(delivery)
    used = "SELECT used FROM usage WHERE tenant_id = %s"
    assert hooks.rows(used, hooks.tenant.tenant_id) == [{"used": 1}]
    past = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at, "version": 2}
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        cancelled = salon.event(AppointmentCancelled, **past)
        await store.put_appointment(conn, cancelled, AppointmentStatus.CANCELLED)
    hooks.clock.pass_by(timedelta(minutes=1))
    await send(delivery)
    smtp.close()
    row = only(hooks)
    assert (row["status"], row["reason"], row["attempts"]) == outcome
    assert hooks.rows(used, hooks.tenant.tenant_id) == [{"used": left}]


async def test_one_that_may_have_arrived_is_counted_though_its_repeat_is_refused(hooks: Hooks) -> None:
    await to_customer(hooks)
    for fault in (TryLater("the connection was reset", in_doubt=True), Refused("Rejected", "no")):
        carrier = Slow(fault)
        carrier.go_on.set()
        assert await send(carrier.sender(hooks)) == 1
        hooks.clock.pass_by(timedelta(minutes=10))
    row = only(hooks)
    assert (row["status"], row["reason"], row["repeated"]) == ("failed", "Rejected", True)
    assert hooks.rows("SELECT used FROM usage WHERE tenant_id = %s", hooks.tenant.tenant_id) == [{"used": 1}]


async def test_one_in_doubt_that_quiet_hours_hold_is_let_go_with_them(hooks: Hooks) -> None:
    hooks.clock.now = hooks.clock.now.replace(hour=12)
    await to_customer(hooks)
    smtp = BadSmtpServer(SmtpFault.RESET_AFTER_DATA)
    delivery = sender(hooks, smtp.port)
    await send(delivery)
    links = UnsubscribeLinks(SecretStr(LINK_KEY))
    rules = Rules(
        hooks.db, Letters(), links, public_url="https://book.example", mail_from="a@b.c", clock=hooks.clock
    )
    email = frozenset({Channel.EMAIL})
    quiet = QuietHours(version=0, begins=time(0), ends=time(23, 59), channels=email, notices=True)
    await rules.replace_quiet_hours(hooks.tenant.tenant_id, None, quiet)
    hooks.clock.pass_by(timedelta(minutes=1))
    await send(delivery)
    row = only(hooks)
    assert (row["status"], row["held_until"] is None) == ("sending", False)
    off = QuietHours(version=0, begins=time(0), ends=time(23, 59), channels=frozenset(), notices=True)
    await rules.replace_quiet_hours(hooks.tenant.tenant_id, None, off)
    assert await send(delivery) == 1
    smtp.close()
    row = only(hooks)
    assert (row["status"], row["attempts"], row["repeated"]) == ("sent", 2, True)


async def test_who_begins_behind_the_end_of_its_lease_sends_nothing(hooks: Hooks) -> None:
    await to_customer(hooks)
    first, second = Slow(), Slow()
    for each in (first, second):
        each.go_on.set()
    late, delivery = first.sender(hooks), second.sender(hooks)
    (lost,) = await late.claim(10)
    hooks.clock.pass_by(LEASE)
    (claimed,) = await delivery.claim(10)
    await late.deliver(lost)
    assert not first.asked.is_set()
    await delivery.deliver(claimed)
    assert (only(hooks)["status"], only(hooks)["attempts"]) == ("sent", 1)


@pytest.mark.parametrize("fault", [None, Refused("Rejected", "no"), TryLater("busy")], ids=str)
async def test_an_attempt_that_was_overtaken_says_nothing_of_the_one_under_way(
    hooks: Hooks, fault: Exception | None
) -> None:
    await to_customer(hooks)
    first, second = Slow(fault), Slow()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = []
        for each in (first, second):
            delivery = each.sender(hooks)
            (claimed,) = await delivery.claim(10)
            running.append(tasks.create_task(delivery.deliver(claimed)))
            await each.asked.wait()
            hooks.clock.pass_by(LEASE)
        first.go_on.set()
        await running[0]
        assert (only(hooks)["status"], only(hooks)["attempts"]) == ("sending", 2)
        second.go_on.set()
    row = only(hooks)
    assert (row["status"], row["attempts"], row["repeated"]) == ("sent", 2, True)
