"""What keeps webhooks from being forged, and from calling where they should not: secrets, redirects, names."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from integration.notification.hooks import Hooks
from notification.webhooks.domain import DeliveryStatus
from notification.webhooks.workers import WebhookSweep
from servicekit.errors import Conflict, Invalid
from servicekit.sealing import WrongSeal
from support.databases import ServiceDatabase
from support.receiver import Receiver, Reply, verified


async def test_a_replaced_secret_signs_for_a_day_beside_the_new_one(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    tenant_id = hooks.tenant.tenant_id
    assert await hooks.old_secret_until(made) is None
    fresh = await hooks.rotated(made)
    assert await hooks.old_secret_until(made) == hooks.clock() + timedelta(hours=24)
    await hooks.tell(hooks.booked())
    await hooks.send()
    (webhook,) = hooks.receiver.webhooks(made.path)
    assert len(webhook.headers["webhook-signature"].split(" ")) == 2
    assert verified(made.secret, webhook)
    assert verified(fresh, webhook)
    # A second rotation, whose answer was lost perhaps, takes nothing from the first.
    freshest = await hooks.rotated(made)
    await hooks.tell(hooks.booked())
    await hooks.send()
    webhook = hooks.receiver.webhooks(made.path)[1]
    assert all(verified(secret, webhook) for secret in (made.secret, fresh, freshest))
    hooks.clock.pass_by(timedelta(hours=24))
    assert await hooks.old_secret_until(made) is None
    await hooks.tell(hooks.booked())
    await hooks.send()
    assert len(hooks.receiver.webhooks(made.path)[2].headers["webhook-signature"].split(" ")) == 1
    await WebhookSweep(hooks.db, clock=hooks.clock).turn()
    assert len(hooks.rows("SELECT 1 FROM webhook_secret WHERE tenant_id = %s", tenant_id)) == 1


async def test_rotation_has_an_end_until_a_day_after_the_first_was_replaced(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    hooks.clock.pass_by(timedelta(days=2))  # however old they are
    for _ in range(4):
        await hooks.rotated(made)
    with pytest.raises(Conflict, match=r"5 secrets .* a day has passed since the first of them was replaced"):
        await hooks.rotated(made)
    hooks.clock.pass_by(timedelta(days=1))
    await hooks.rotated(made)


async def test_a_secret_of_another_platform_key_signs_nothing_and_what_waits_stays_queued(
    hooks: Hooks,
) -> None:
    made = await hooks.endpoint()
    await hooks.tell(hooks.booked())
    hooks.rows(
        "UPDATE webhook_secret SET sealed = 'x' WHERE tenant_id = %s RETURNING 1", hooks.tenant.tenant_id
    )
    (claimed,) = await hooks.deliveries.claim(10)
    before = _unsigned()
    with pytest.raises(WrongSeal):
        await hooks.deliveries.deliver(claimed)
    assert _unsigned() == before + 1
    assert hooks.receiver.webhooks(made.path) == []
    delivery, attempts = await hooks.only(made)
    assert (delivery.status, attempts) == (DeliveryStatus.QUEUED, [])
    assert delivery.next_attempt_at == hooks.clock() + timedelta(minutes=1)
    # Whoever has mended it need not wait.
    await hooks.rotated(made)
    await hooks.service.resend(hooks.tenant.tenant_id, made.endpoint_id, delivery.delivery_id)
    await hooks.send()
    delivery, attempts = await hooks.only(made)
    assert (delivery.status, len(attempts)) == (DeliveryStatus.DELIVERED, 1)


async def test_rotating_mends_an_endpoint_whose_secret_another_platform_key_has_sealed(hooks: Hooks) -> None:
    made = await hooks.endpoint()
    tenant_id = hooks.tenant.tenant_id
    hooks.rows("UPDATE webhook_secret SET sealed = 'x' WHERE tenant_id = %s RETURNING 1", tenant_id)
    fresh = await hooks.rotated(made)
    await hooks.tell(hooks.booked())
    await hooks.send()
    (webhook,) = hooks.receiver.webhooks(made.path)
    assert len(webhook.headers["webhook-signature"].split(" ")) == 1
    assert verified(fresh, webhook)


async def test_a_redirect_is_a_failure_and_goes_nowhere(hooks: Hooks) -> None:
    made, target = await hooks.endpoint("appointment.booked"), await hooks.endpoint("message.failed")
    hooks.receiver.answer(made.path, Reply(307, headers={"Location": f"{hooks.receiver.url}{target.path}"}))
    await hooks.tell(hooks.booked())
    await hooks.send()
    delivery, (attempt,) = await hooks.only(made)
    assert (delivery.status, attempt.http_status) == (DeliveryStatus.QUEUED, 307)
    assert hooks.receiver.webhooks(target.path) == []


async def test_a_name_that_leads_inside_later_is_refused_at_the_delivery(
    service_database: Callable[[str], ServiceDatabase], receiver: Receiver
) -> None:
    """DNS rebinding: a public address when the endpoint is made, ours at the delivery; nothing is connected to."""
    hooks = Hooks(service_database("notification"), receiver, local=False)
    await hooks.open()
    try:
        hooks.names.answers = [["93.184.216.34"], ["127.0.0.1"]]
        made = await hooks.endpoint()
        await hooks.tell(hooks.booked())
        await hooks.send()
        delivery, (attempt,) = await hooks.only(made)
        assert delivery.status is DeliveryStatus.QUEUED
        assert attempt.error == "The endpoint's address must lead to a public address."
        assert receiver.webhooks(made.path) == []
        for address in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], ["::1"]):
            hooks.names.answers = [address]
            with pytest.raises(Invalid, match="public address"):
                await hooks.endpoint()
            with pytest.raises(Invalid, match="public address"):
                await hooks.service.edit(
                    hooks.tenant.tenant_id, made.endpoint_id, None, {"url": "http://other.example/"}
                )
    finally:
        await hooks.db.close()


def _unsigned() -> float:
    """How often nothing could sign a delivery."""
    told = REGISTRY.get_sample_value("slotwright_notification_webhook_attempts_total", {"answer": "unsigned"})
    return told or 0
