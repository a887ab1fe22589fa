"""Nobody pays for nothing: a page at Stripe outlives what it was opened for, and may be paid meanwhile."""

from contracts.platform import BillingSpec, DeletionPolicy, TenantChanged
from integration.billing.world import PRO, World, again, new_tenant
from support.events import until

CARD = {"card": "4242424242424242"}
PAGES = "/v1/billing/checkout-sessions"


def _ended(world: World) -> tuple[TenantChanged, str]:
    """A tenant whose subscription has ended, and its customer."""
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    assert details.customer_id is not None
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")
    world.idle(tenant)
    return tenant, details.customer_id


def _living(world: World, customer: str) -> list[str]:
    found = world.objects("subscription", customer=customer)
    return [item["id"] for item in found if item["status"] != "canceled"]


def test_a_deleted_business_cannot_subscribe_on_a_page_that_was_open(world: World) -> None:
    """It would be charged each month, for nothing, with nobody left to end it."""
    tenant, customer = _ended(world)
    page = world.post(PAGES, tenant).json()["url"]
    world.delete(tenant, DeletionPolicy.RETAIN)
    assert "expired" in world.http.post(page, data=CARD).text
    assert _living(world, customer) == []


def test_a_business_billed_by_hand_cannot_subscribe_on_a_page_that_was_open(world: World) -> None:
    tenant, customer = _ended(world)
    page = world.post(PAGES, tenant).json()["url"]
    tenant = again(tenant, billing=BillingSpec(mode="Manual"))
    world.publish(tenant)
    world.status(tenant, "ready", state="manual")
    assert "expired" in world.http.post(page, data=CARD).text
    assert world.objects("invoice", customer=customer, status="paid", total=PRO.price.amount) == []


def test_who_has_paid_is_given_no_second_page_to_pay_while_stripes_word_is_on_its_way(world: World) -> None:
    tenant, customer = _ended(world)
    page = world.post(PAGES, tenant).json()["url"]
    world.control("PUT", "/webhooks/mischief", lose=100)
    world.http.post(page, data=CARD)
    answer = world.post(PAGES, tenant)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/billing-not-ready")
    world.status(tenant, "ready", state="active")  # it is asked for at once, though the webhooks are lost
    assert len(_living(world, customer)) == 1
    assert world.post(PAGES, tenant).json()["mode"] == "setup"


def test_what_was_paid_for_a_second_subscription_is_credited(world: World) -> None:
    """Two pages, both paid: made by requests that overlapped, or at Stripe itself."""
    tenant, customer = _ended(world)
    first = world.post(PAGES, tenant).json()["url"]
    world.http.post(first, data=CARD)
    world.status(tenant, "ready", state="active")
    (kept,) = _living(world, customer)
    price = world.objects("subscription", id=kept)[0]["items"]["data"][0]["price"]["id"]
    items = {"items[0][price]": price, "metadata[tenant_id]": str(tenant.tenant_id)}
    card = world.objects("subscription", id=kept)[0]["default_payment_method"]
    extra = world.call_stripe(
        "POST", "/v1/subscriptions", customer=customer, default_payment_method=card, **items
    )
    assert extra["status"] == "active"
    until(lambda: _living(world, customer) == [kept], "the second has ended")
    (found,) = world.objects("customer", id=customer)
    assert PRO.price.amount - 5 <= -found["balance"] <= PRO.price.amount  # some seconds of the month are gone


def test_a_trial_that_was_had_does_not_come_again(world: World) -> None:
    """From Stripe to billing by hand and back. No test here moves Stripe's clock away from billing's."""
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    world.call_stripe("POST", f"/v1/subscriptions/{details.subscription_id}", trial_end="now")
    world.status(tenant, "ready", state="past_due")
    spec = tenant.billing
    tenant = again(tenant, billing=BillingSpec(mode="Manual"))
    world.publish(tenant)
    world.status(tenant, "ready", state="manual")
    tenant = again(tenant, billing=spec)
    world.publish(tenant)
    world.status(tenant, "ready", state="incomplete")
