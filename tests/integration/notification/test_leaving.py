"""A business that leaves while its mails are on their way: nothing of it is left behind, and nobody waits in vain.

On a real database and SMTP server, under a clock that the tests set (hooks.py).
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.platform import Component, DeletionPolicy, TenantState
from integration.notification.hooks import Hooks, send, sender, to_customer
from notification.consumers import NotificationHooks
from servicekit.tenants import take_no_more
from support.bad_servers import BadSmtpServer
from support.events import until
from support.tenants import know, remove


class SlowToRefuse(BadSmtpServer):
    """Knows no recipient, and says so once it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        super().__init__(rcpt=b"550 5.1.1 nobody here\r\n")

    def _answer(self, command: bytes, *rest: Any) -> bool:
        if command == b"RCPT":
            self.asked.set()
            assert self.go_on.wait(60)
        return super()._answer(command, *rest)


@pytest.fixture
def smtp() -> Iterator[SlowToRefuse]:
    made = SlowToRefuse()
    yield made
    made.go_on.set()
    made.close()


async def to_owner(hooks: Hooks) -> None:
    """A mail to the owner is queued."""
    made = await hooks.endpoint()
    hooks.receiver.answer(made.path, 410)
    await hooks.tell(hooks.booked())
    await hooks.send()


@pytest.mark.parametrize("queue", [to_customer, to_owner])
@pytest.mark.parametrize("policy", list(DeletionPolicy))
async def test_a_bounce_that_comes_behind_the_removal_leaves_nothing(
    hooks: Hooks, smtp: SlowToRefuse, queue: Any, policy: DeletionPolicy
) -> None:
    await queue(hooks)
    sending = asyncio.create_task(send(sender(hooks, smtp.port)))
    await asyncio.to_thread(until, smtp.asked.is_set, "the mail is being handed over")
    leaving = hooks.tenant.model_copy(update={"deletion_policy": policy})
    await remove(hooks.db, Component.NOTIFICATION, NotificationHooks(hooks.clock), leaving)
    smtp.go_on.set()
    assert await sending == 1
    tenant_id = hooks.tenant.tenant_id
    assert hooks.rows("SELECT 1 FROM suppression WHERE tenant_id = %s", tenant_id) == []
    kept = hooks.rows("SELECT status, reason FROM message WHERE tenant_id = %s", tenant_id)
    retained = [{"status": "suppressed", "reason": "suspended"}]
    assert kept == (retained if policy is DeletionPolicy.RETAIN else [])


async def test_a_mail_that_is_made_up_and_an_erasure_do_not_wait_for_each_other(hooks: Hooks) -> None:
    """One locks the customer and then the message; the other comes to the message first."""
    await to_customer(hooks)
    erased = hooks.tenant.model_copy(update={"deletion_policy": DeletionPolicy.DELETE})
    smtp, leaving = BadSmtpServer(), NotificationHooks(hooks.clock)
    delivery = sender(hooks, smtp.port)
    (claimed,) = await delivery.claim(10)
    async with hooks.db.tenant(erased.tenant_id) as conn:
        await take_no_more(conn, erased.tenant_id)
        sending = asyncio.create_task(delivery.deliver(claimed))

        def waits() -> bool:
            found = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return bool(hooks.rows(found))

        await asyncio.to_thread(until, waits, "the mail waits for the record's transaction")
        await know(hooks.db, erased.model_copy(update={"state": TenantState.DELETING}))
    await remove(hooks.db, Component.NOTIFICATION, leaving, erased)
    await sending
    smtp.close()
    assert smtp.seen == []
