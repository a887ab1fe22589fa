"""What Stripe tells arrives, once, in any order; what it fails to tell is fetched."""

import json
import time
from typing import Any

import stripe

from contracts.platform import TenantChanged
from integration.billing.world import WEBHOOK_SECRET, World, new_tenant
from support.events import until


def _types(world: World, tenant: TenantChanged) -> list[str]:
    return [event.TYPE.split(".")[2] for event in world.told(tenant.tenant_id)]


def _linked(world: World) -> tuple[TenantChanged, str, str]:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    assert details.customer_id is not None
    assert details.subscription_id is not None
    world.idle(tenant)
    return tenant, details.customer_id, details.subscription_id


def _send(world: World, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> int:
    body = json.dumps(event)
    moment = int(time.time()) if at is None else at
    signature = stripe.WebhookSignature.generate_signature_header(body, secret, moment)
    answer = world.http.post(
        f"{world.url}/webhooks/stripe", content=body, headers={"Stripe-Signature": signature}
    )
    return answer.status_code


def test_a_cancellation_at_stripe_is_told(world: World) -> None:
    tenant, _customer, subscription = _linked(world)
    world.call_stripe("DELETE", f"/v1/subscriptions/{subscription}")
    world.status(tenant, "ready", state="canceled")
    assert _types(world, tenant) == ["activated", "canceled"]


def test_duplicates_and_disorder_tell_it_once_and_end_at_the_truth(world: World) -> None:
    tenant, _customer, subscription = _linked(world)
    world.control("PUT", "/webhooks/mischief", hold=True, copies=2)
    path = f"/v1/subscriptions/{subscription}"
    world.call_stripe("POST", path, cancel_at_period_end="true")
    world.call_stripe("POST", path, cancel_at_period_end="false")
    world.call_stripe("POST", path, cancel_at_period_end="true")
    world.call_stripe("DELETE", path)
    world.control("PUT", "/webhooks/mischief", hold=True)
    world.control("POST", "/webhooks/release", order="reversed")
    world.status(tenant, "ready", state="canceled")
    world.idle(tenant)
    assert _types(world, tenant) == ["activated", "canceled"]
    events = world.rows("SELECT event_id FROM stripe_event WHERE starts_with(type, 'customer.sub')")
    assert len({row["event_id"] for row in events}) == len(events)


def test_a_trial_ends_unpaid_and_is_paid_later(world: World) -> None:
    tenant, customer, _subscription = _linked(world)
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="past_due")
    invoice = world.objects("invoice", customer=customer, status="open")[0]
    world.http.post(invoice["hosted_invoice_url"], data={"card": "4242424242424242"})
    world.status(tenant, "ready", state="active")
    until(lambda: _types(world, tenant) == ["activated", "past-due", "activated"], "each turn is told")


def test_a_lost_webhook_is_made_up_for_by_the_resync(world: World) -> None:
    tenant, _customer, subscription = _linked(world)
    world.control("PUT", "/webhooks/mischief", lose=100)
    try:
        world.call_stripe("DELETE", f"/v1/subscriptions/{subscription}")
        world.rows("UPDATE account SET synced_at = now() - interval '1 day' RETURNING 1")
        world.status(tenant, "ready", state="canceled")
    finally:
        world.control("PUT", "/webhooks/mischief")


def test_webhooks_come_again_while_billing_is_away(world: World) -> None:
    tenant, _customer, subscription = _linked(world)
    world.billing.stop()
    world.call_stripe("DELETE", f"/v1/subscriptions/{subscription}")
    world.start_billing()
    world.status(tenant, "ready", state="canceled")


def test_a_kill_after_an_event_is_stored_loses_nothing(world: World) -> None:
    tenant, _customer, subscription = _linked(world)
    world.billing.stop()
    world.start_billing(SLOTWRIGHT_FAULT="billing.event-stored")
    world.call_stripe("DELETE", f"/v1/subscriptions/{subscription}")
    assert world.billing.wait() == -9
    world.start_billing()
    world.status(tenant, "ready", state="canceled")


def test_a_bad_signature_is_refused_and_leaves_nothing(world: World) -> None:
    _tenant, customer, _subscription = _linked(world)
    event = {
        "id": "evt_forged",
        "object": "event",
        "type": "customer.updated",
        "data": {"object": {"id": customer, "object": "customer"}},
    }
    assert _send(world, event, secret="whsec_wrong") == 400
    assert _send(world, event, at=int(time.time()) - 3600) == 400
    odd = [(b"Stripe-Signature", f"t={int(time.time())},v1=\u00e9".encode("latin-1"))]
    answer = world.http.post(f"{world.url}/webhooks/stripe", content=json.dumps(event), headers=odd)
    assert answer.status_code == 400
    bare = world.http.post(f"{world.url}/webhooks/stripe", content=json.dumps(event))
    assert (bare.status_code, bare.headers["content-type"]) == (400, "application/problem+json")
    for body in ("", "[]", "{}", "nonsense", '{"object": "event"}'):
        signature = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        answer = world.http.post(
            f"{world.url}/webhooks/stripe", content=body, headers={"Stripe-Signature": signature}
        )
        assert answer.status_code == 400, body
    assert world.rows("SELECT 1 AS x FROM stripe_event WHERE event_id = 'evt_forged'") == []
    assert _send(world, event) == 200
    assert _send(world, event) == 200
    assert len(world.rows("SELECT 1 AS x FROM stripe_event WHERE event_id = 'evt_forged'")) == 1


def test_an_event_about_someone_unknown_is_taken_and_left(world: World) -> None:
    event = {
        "id": "evt_stranger",
        "object": "event",
        "type": "customer.subscription.deleted",
        "data": {"object": {"id": "sub_x", "object": "subscription", "customer": "cus_stranger"}},
    }
    assert _send(world, event) == 200
    until(
        lambda: world.rows(
            "SELECT 1 AS x FROM stripe_event WHERE event_id = 'evt_stranger' AND handled_at IS NOT NULL"
        ),
        "the event is handled",
    )
