"""Who did not pay, and then gives a card, is served again and charged for what is due."""

from contracts.platform import TenantChanged
from integration.billing.world import PRO, World
from support.events import until


def _give_card(world: World, tenant: TenantChanged) -> None:
    page = world.post("/v1/billing/checkout-sessions", tenant).json()
    assert page["mode"] == "setup"
    world.http.post(page["url"], data={"card": "4242424242424242"})


def test_an_unpaid_subscription_is_paid_for_the_period_under_way_and_what_was_open(world: World) -> None:
    """Not for those between, which Stripe keeps as drafts: nothing could be booked in them."""
    tenant, details = world.linked()
    world.control("PUT", "/dunning", after_retries="unpaid")
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="past_due")
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="unpaid")
    world.control("POST", "/clock/advance", days=62)
    _give_card(world, tenant)
    world.status(tenant, "ready", state="active")
    due = world.objects("invoice", customer=details.customer_id, total=PRO.price.amount)
    assert [item["status"] for item in due] == ["paid", "draft", "paid"]


def test_a_subscription_that_was_paused_for_want_of_a_card_goes_on(world: World) -> None:
    tenant, details = world.linked()
    pause = {"trial_settings[end_behavior][missing_payment_method]": "pause"}
    world.call_stripe("POST", f"/v1/subscriptions/{details.subscription_id}", **pause)
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="paused")
    _give_card(world, tenant)
    world.status(tenant, "ready", state="active")
    until(
        lambda: world.objects("invoice", customer=details.customer_id, total=PRO.price.amount, status="paid"),
        "the period that begins is paid",
    )
