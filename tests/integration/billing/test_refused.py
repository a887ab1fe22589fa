"""What Stripe refuses, or has no longer, keeps nothing else from being known and paid."""

from typing import Any

import pytest

from contracts.model import Money
from integration.billing.world import PRO, World, again, new_tenant
from support.events import until

CARD = {"card": "4242424242424242"}
DOLLARS = PRO.model_copy(update={"name": "dollars", "price": Money(amount=3900, currency="USD")})
"""A change to it is refused: what a customer subscribes to is of one currency."""
GONE = PRO.model_copy(update={"name": "gone", "stripe_price_id": "price_doesnotexist"})


@pytest.mark.parametrize(
    ("plan", "reason"), [(DOLLARS, "StripeRefused"), (GONE, "PriceRefused")], ids=["change", "price"]
)
def test_a_change_of_plan_that_is_refused_hides_neither_who_owes_nor_who_pays(
    world: World, plan: Any, reason: str
) -> None:
    tenant, details = world.linked()
    tenant = again(tenant, plan=plan)
    world.publish(tenant)
    assert world.status(tenant, "failed", state="trialing").reason == reason
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "failed", state="past_due")
    assert world.get("/v1/billing/subscription", tenant).json()["state"] == "past_due"
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    world.http.post(page["url"], data=CARD)
    assert world.status(tenant, "failed", state="active").reason == reason
    (invoice,) = world.objects("invoice", customer=details.customer_id, total=PRO.price.amount)
    assert invoice["status"] == "paid"
    tenant = again(tenant, plan=PRO)
    world.publish(tenant)
    world.status(tenant, "ready", state="active")


def test_a_card_that_was_given_and_removed_again_holds_nothing_up(world: World) -> None:
    """Both before billing has heard of the first."""
    tenant, details = world.linked()
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    world.control("PUT", "/webhooks/mischief", lose=100)
    world.http.post(page["url"], data=CARD)
    (card,) = world.objects("payment_method", customer=details.customer_id)
    world.call_stripe("POST", f"/v1/payment_methods/{card['id']}/detach")
    world.control("PUT", "/webhooks/mischief")
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")


def test_a_page_that_stripe_has_no_longer_holds_nothing_up(world: World) -> None:
    tenant, details = world.linked()
    world.rows(
        "UPDATE checkout_session SET session_id = 'cs_test_gone' WHERE tenant_id = %s RETURNING 1 AS x",
        tenant.tenant_id,
    )
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")


def test_a_price_and_a_product_that_were_archived_are_taken_up_again(world: World) -> None:
    """By hand, at Stripe; the plan still asks for them, and nobody could subscribe to it, or again."""
    plan = PRO.model_copy(update={"name": "archived"})
    tenant = new_tenant(plan=plan)
    details = world.provision(tenant).details.billing
    assert details is not None
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")
    paths = [f"/v1/prices/{details.price_id}", f"/v1/products/{details.product_id}"]
    for path in paths:
        world.call_stripe("POST", path, active="false")

    stale = "UPDATE account SET synced_at = now() - interval '1 day' WHERE tenant_id = %s"
    once = " AND synced_at > now() - interval '1 hour' RETURNING 1 AS x"

    def looked_at() -> bool:
        """Each look after the last has ended: what was known of the price is forgotten between two of them."""
        world.rows(stale + once, tenant.tenant_id)
        return all(world.call_stripe("GET", path)["active"] for path in paths)

    until(looked_at, "both are active again")
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    world.http.post(page["url"], data=CARD)
    assert world.status(tenant, "ready", state="active").details.billing != details
    other = world.provision(new_tenant(plan=plan)).details.billing
    assert other is not None
    assert other.price_id == details.price_id


def test_who_was_deleted_at_stripe_is_served_no_longer_and_may_subscribe_anew(world: World) -> None:
    """As another customer; not by itself, nor on the page's first sight."""
    tenant, details = world.linked()
    world.call_stripe("DELETE", f"/v1/customers/{details.customer_id}")
    world.status(tenant, "ready", state="canceled")
    until(lambda: world.customers(tenant), "there is another customer")
    tenant = again(tenant)
    world.publish(tenant)
    after = world.status(tenant, "ready", state="canceled").details.billing
    assert after is not None
    assert after.subscription_id == details.subscription_id
    (customer,) = world.customers(tenant)
    assert (customer["id"], customer["email"]) == (after.customer_id, tenant.owner.email)
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    assert page["mode"] == "subscription"
    world.http.post(page["url"], data=CARD)
    anew = world.status(tenant, "ready", state="active").details.billing
    assert anew is not None
    assert anew.subscription_id != details.subscription_id
    assert sorted(item["status"] for item in world.subscriptions(tenant)) == ["active", "canceled"]


@pytest.mark.slow
def test_a_customer_that_is_deleted_before_it_subscribes_is_replaced(world: World) -> None:
    """Starts billing twice."""
    tenant = new_tenant()
    world.kill_billing_at("billing.customer-stored", tenant)
    (gone,) = world.customers(tenant)
    world.call_stripe("DELETE", f"/v1/customers/{gone['id']}")
    world.start_billing()
    details = world.status(tenant, "ready", state="trialing").details.billing
    (customer,) = world.customers(tenant)
    assert details is not None
    assert details.customer_id == customer["id"] != gone["id"]


@pytest.mark.slow
def test_who_is_renamed_after_being_deleted_at_stripe_has_another_customer_of_the_new_name(
    world: World,
) -> None:
    """Both while billing is away, which finds the new name first. Starts it again."""
    tenant, details = world.linked()
    world.billing.stop()
    world.call_stripe("DELETE", f"/v1/customers/{details.customer_id}")
    tenant = again(tenant, display_name="Renamed")
    world.publish(tenant)
    world.start_billing()
    world.status(tenant, "ready", state="canceled")
    (customer,) = world.customers(tenant)
    assert customer["name"] == "Renamed"


def test_a_card_pays_all_that_is_owed(world: World) -> None:
    """The change to another interval while a payment fails makes a second open invoice."""
    tenant, details = world.linked()
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="past_due")
    yearly = PRO.model_copy(
        update={"name": "yearly", "price": Money(amount=29000, currency="EUR"), "interval": "year"}
    )
    tenant = again(tenant, plan=yearly)
    world.publish(tenant)
    world.status(tenant, "ready", state="past_due")
    assert len(world.objects("invoice", customer=details.customer_id, status="open")) == 2
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    world.http.post(page["url"], data=CARD)
    until(
        lambda: world.objects("invoice", customer=details.customer_id, status="open") == [],
        "both are paid",
    )
