"""An endpoint that the platform disables: its business's owner is told by mail, once a disabling.

On a real database, receiver and mail server, under a clock that the tests set (hooks.py); crashes and the message
log on the whole process.
"""

import asyncio
import signal
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.booking import Channel
from contracts.notification import MessageEvent
from contracts.platform import Component, Limits, Owner, TenantState
from integration.notification.hooks import NAME, Hooks, Made, send, sender
from integration.notification.world import SOON_LEFT, MailServer, World
from notification import rules_store
from notification.consumers import NotificationHooks
from notification.quiet import QuietHours
from notification.suppression import Reason, digests_of
from servicekit.ids import new_id
from support.bad_servers import BadSmtpServer, SmtpFault
from support.events import until
from support.receiver import Receiver
from support.tenants import know, remove

PAGES = "https://book.example/dashboard/webhooks"


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    made = MailServer(tmp_path_factory.mktemp("mail"))
    made.start()
    yield made
    made.stop()


async def mails(hooks: Hooks, post: MailServer) -> list[dict[str, Any]]:
    """What the owner has, once nothing is due any more."""
    delivery = sender(hooks, post.smtp_port)
    while await send(delivery):
        pass
    return post.mails(hooks.tenant.owner.email)


def messages(hooks: Hooks) -> list[dict[str, Any]]:
    return hooks.rows(
        "SELECT * FROM message WHERE tenant_id = %s ORDER BY message_id", hooks.tenant.tenant_id
    )


async def gone(hooks: Hooks, made: Made) -> None:
    """Something happens, and the endpoint answers 410 to it."""
    hooks.receiver.answer(made.path, 410)
    await hooks.tell(hooks.booked())
    await hooks.send()
    assert not (await hooks.read(made)).enabled


async def enable(hooks: Hooks, made: Made) -> None:
    await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, {"enabled": True})


async def test_who_answers_410_is_disabled_and_its_owner_reads_why(hooks: Hooks, post: MailServer) -> None:
    path = f"/{new_id().hex}/s3cret-path?token=s3cret-query"
    port = hooks.receiver.url.rpartition(":")[2]
    made = await hooks.endpoint(url=f"http://{NAME}:{port}{path}")
    hooks.receiver.answer(path, 410)
    await hooks.tell(hooks.booked())
    await hooks.send()
    (mail,) = await mails(hooks, post)
    assert mail["Subject"] == f"Riverside Barbers: your webhook endpoint at {NAME} is disabled"
    assert (mail["From"]["Name"], mail["ReplyTo"]) == ("Slotwright", [])
    for text in (mail["Text"], mail["HTML"]):
        assert "410 (Gone)" in text
        assert str(made.endpoint_id) in text
        assert f"{PAGES}/{made.endpoint_id}" in text
        assert "s3cret" not in text
    assert "s3cret" not in str(mail)
    assert mail["ListUnsubscribe"]["Header"] == ""
    (row,) = messages(hooks)
    assert (row["kind"], row["status"], row["attempts"]) == ("webhook-disabled", "sent", 1)
    assert row["recipient"] == hooks.tenant.owner.email


async def test_who_fails_for_five_days_is_told_of_once_and_since_when(hooks: Hooks, post: MailServer) -> None:
    hooks.clock.now = hooks.clock.now.replace(year=2031, month=7, day=14, hour=8, minute=15)
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 500)
    while (await hooks.read(made)).enabled:
        assert await mails(hooks, post) == []
        await hooks.tell(hooks.booked())
        await hooks.send()
        hooks.clock.pass_by(timedelta(hours=6))
    (mail,) = await mails(hooks, post)
    assert "has failed since Monday, 14 July 2031, 09:15 (Europe/Lisbon)" in " ".join(mail["Text"].split())
    assert "410" not in mail["Text"].replace(str(made.endpoint_id), "")


async def test_many_deliveries_that_find_out_at_once_make_one_mail(hooks: Hooks, post: MailServer) -> None:
    """Three requests under way of two processes, and then two that send mail."""
    hooks.clock.step = timedelta(milliseconds=1)
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 410)
    for _ in range(3):
        await hooks.tell(hooks.booked())
    one, other = hooks.deliveries, hooks.another_sender()
    claimed = await one.claim(3)
    with hooks.receiver.held(made.path):
        running = [
            asyncio.create_task(each.deliver(item))
            for each, item in zip((one, other, one), claimed, strict=True)
        ]

        def there() -> bool:
            return len(hooks.receiver.webhooks(made.path)) == 3

        await asyncio.to_thread(until, there, "all three are under way")
    await asyncio.gather(*running)
    assert len(messages(hooks)) == 1
    senders = [sender(hooks, post.smtp_port) for _ in range(2)]
    assert sum(await asyncio.gather(*(send(item) for item in senders))) == 1
    assert len(await mails(hooks, post)) == 1


async def test_each_disabling_is_told_and_that_of_the_owner_is_not(hooks: Hooks, post: MailServer) -> None:
    made = await hooks.endpoint()
    await gone(hooks, made)
    assert len(await mails(hooks, post)) == 1
    await enable(hooks, made)
    await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, {"enabled": False})
    assert len(await mails(hooks, post)) == 1
    await enable(hooks, made)
    hooks.clock.pass_by(timedelta(minutes=1))
    await gone(hooks, made)
    assert len({mail["MessageID"] for mail in await mails(hooks, post)}) == 2


@pytest.mark.parametrize("edit", [{"enabled": True}, {"url": f"http://{NAME}/elsewhere"}, None])
async def test_what_the_owner_has_mended_by_then_is_not_told(
    hooks: Hooks, post: MailServer, edit: dict[str, Any] | None
) -> None:
    made = await hooks.endpoint()
    await gone(hooks, made)
    if edit is None:
        await hooks.service.delete(hooks.tenant.tenant_id, made.endpoint_id)
    else:
        await hooks.service.edit(hooks.tenant.tenant_id, made.endpoint_id, None, dict(edit))
    assert await mails(hooks, post) == []
    (row,) = messages(hooks)
    assert (row["status"], row["reason"]) == ("suppressed", "stale")


async def test_one_that_was_under_way_and_arrives_takes_no_reason_away(
    hooks: Hooks, post: MailServer
) -> None:
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 410, 204)
    for _ in range(2):
        await hooks.tell(hooks.booked())
    first, second = await hooks.deliveries.claim(2)
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        ready = await hooks.deliveries._prepare(conn, second)
    assert ready is not None
    await hooks.deliveries.deliver(first)
    reply = await hooks.deliveries._send(ready)
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        await hooks.deliveries._conclude(conn, ready, reply, 0.1)
    assert reply.delivered
    assert len(await mails(hooks, post)) == 1


async def test_a_business_that_is_being_deleted_is_told_nothing(hooks: Hooks, post: MailServer) -> None:
    made = await hooks.endpoint()
    await gone(hooks, made)
    await remove(hooks.db, Component.NOTIFICATION, NotificationHooks(hooks.clock), hooks.tenant)
    assert await mails(hooks, post) == []
    (row,) = messages(hooks)
    assert (row["status"], row["reason"]) == ("suppressed", "suspended")


async def test_the_owner_is_told_whatever_is_laid_down_about_customers(
    hooks: Hooks, post: MailServer
) -> None:
    """A plan without mails, suspended, in quiet hours, and the owner wants no mail as a customer."""
    made = await hooks.endpoint()
    tenant = hooks.tenant.model_copy(
        update={"state": TenantState.SUSPENDED, "limits": Limits(emails_per_month=0)}
    )
    await know(hooks.db, tenant)
    always = QuietHours(
        version=0, begins=time(0), ends=time(23, 59), channels=frozenset({Channel.EMAIL}), notices=True
    )
    async with hooks.db.tenant(tenant.tenant_id) as conn:
        await rules_store.put_quiet_hours(conn, tenant.tenant_id, always, None)
    for reason in ("unsubscribed", "complaint", "by-hand"):
        await suppress(hooks, reason)
    hooks.clock.now = hooks.clock.now.replace(hour=12)
    await gone(hooks, made)
    assert len(await mails(hooks, post)) == 1
    assert hooks.rows("SELECT 1 FROM usage WHERE tenant_id = %s", tenant.tenant_id) == []


async def suppress(hooks: Hooks, reason: Reason) -> None:
    tenant = hooks.tenant
    digests = digests_of(tenant.tenant_id, Channel.EMAIL, tenant.owner.email)
    async with hooks.db.tenant(tenant.tenant_id) as conn:
        await rules_store.put_suppression(
            conn,
            tenant.tenant_id,
            Channel.EMAIL,
            digests,
            reason,
            "all",
            hooks.clock(),
            customer_id=None,
            hint=None,
        )


async def test_an_owner_whose_mailbox_is_gone_is_written_to_once(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    smtp = BadSmtpServer(rcpt=b"550 5.1.1 nobody here\r\n")
    delivery = sender(hooks, smtp.port)
    await gone(hooks, made)
    await send(delivery)
    await enable(hooks, made)
    hooks.clock.pass_by(timedelta(minutes=1))
    await gone(hooks, made)
    await send(delivery)
    smtp.close()
    outcomes = [(row["status"], row["reason"]) for row in messages(hooks)]
    assert outcomes == [("failed", "NoSuchMailbox"), ("suppressed", "bounced")]
    (entry,) = hooks.rows("SELECT * FROM suppression WHERE tenant_id = %s", hooks.tenant.tenant_id)
    assert (entry["reason"], entry["customer_id"]) == ("bounced", None)
    assert entry["hint"] == f"{hooks.tenant.owner.email[0]}***@riverside.example"
    assert hooks.rows("SELECT 1 FROM outbox") == []


async def test_a_mail_in_doubt_is_sent_again_under_the_same_id(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    smtp = BadSmtpServer(SmtpFault.RESET_AFTER_DATA)
    delivery = sender(hooks, smtp.port)
    await gone(hooks, made)
    await send(delivery)
    hooks.clock.pass_by(timedelta(minutes=1))
    await send(delivery)
    smtp.close()
    (row,) = messages(hooks)
    assert (row["status"], row["attempts"], row["repeated"]) == ("sent", 2, True)
    assert smtp.taken == [f"<{row['message_id']}@slotwright.example>"]


async def test_it_is_tried_for_a_week(hooks: Hooks, tmp_path: Path) -> None:
    made = await hooks.endpoint()
    nowhere = MailServer(tmp_path)
    nowhere.start()
    nowhere.stop()
    delivery = sender(hooks, nowhere.smtp_port)
    await gone(hooks, made)
    await send(delivery)
    hooks.clock.pass_by(timedelta(days=7) - timedelta(seconds=1))
    await send(delivery)
    assert messages(hooks)[0]["status"] == "queued"
    hooks.clock.pass_by(timedelta(seconds=1))
    await send(delivery)
    (row,) = messages(hooks)
    assert (row["status"], row["reason"]) == ("failed", "Unreachable")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "copies"), [("webhook.sent", 1), ("notification.sending", 1), ("notification.sent", 2)]
)
def test_a_crash_on_the_way_loses_no_word_and_makes_no_second_one(
    world: World, receiver: Receiver, fault: str, copies: int
) -> None:
    """After the 410 and before the disabling, and on both sides of the hand-over, as any message has it."""
    owner = Owner(email=f"o{new_id().hex[-12:]}@riverside.example", name="Ada")
    tenant = world.tenant(owner=owner)
    path = f"/{new_id().hex}"
    receiver.answer(path, 410)
    body = {"url": f"{receiver.url}{path}", "events": ["*"]}
    endpoint = world.hooks("POST", tenant.tenant_id, json=body).json()
    world.stop()
    running = world.start(fault=fault, **SOON_LEFT)
    world.hooks("POST", tenant.tenant_id, f"/{endpoint['id']}/test")
    assert running.process.wait(60) == -signal.SIGKILL
    world.stop()
    world.start()

    def told() -> list[dict[str, Any]] | None:
        items: list[dict[str, Any]] = world.get(tenant.tenant_id).json()["items"]
        return items if items and all(item["settled_at"] for item in items) else None

    (item,) = until(told, "the owner is told")
    assert (item["kind"], item["endpoint_id"], item["status"]) == ("webhook-disabled", endpoint["id"], "sent")
    assert [item[name] for name in ("appointment_id", "customer_id", "due_at", "segments")] == [None] * 4
    assert item["recipient"] == owner.email
    assert item["possibly_repeated"] == fault.startswith("notification")
    there = world.post.mails(owner.email)
    assert (len(there), len({mail["MessageID"] for mail in there})) == (copies, 1)
    masked = world.get(tenant.tenant_id, f"/{item['id']}", role="staff").json()["recipient"]
    assert masked == f"{owner.email[0]}***@riverside.example"
    assert world.topics.events(MessageEvent.TOPIC, tenant.tenant_id) == []
    assert world.rows("SELECT 1 FROM usage WHERE tenant_id = %s", tenant.tenant_id) == []
