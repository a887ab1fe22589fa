"""A tenant's Stripe side comes to be once, whatever happens between the steps."""

import pytest

from contracts.platform import BillingSpec, DeletionPolicy, TenantChanged, TenantState
from integration.billing.world import PRO, TEAM, World, again, new_tenant
from support.events import until

FAULTS = [
    "billing.price-known",
    "billing.customer-made",
    "billing.customer-stored",
    "billing.subscription-made",
    "billing.subscription-stored",
    "billing.checkout-made",
]


def test_provision_links_customer_price_and_trial(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    (customer,) = world.customers(tenant)
    (subscription,) = world.subscriptions(tenant)
    price = subscription["items"]["data"][0]["price"]
    assert (details.customer_id, details.subscription_id) == (customer["id"], subscription["id"])
    assert (details.price_id, details.product_id) == (price["id"], price["product"])
    assert details.state == "trialing"
    assert details.checkout_url is not None
    assert customer["name"] == tenant.display_name
    assert customer["email"] == tenant.owner.email
    assert price["unit_amount"] == PRO.price.amount
    assert subscription["trial_end"] - subscription["created"] == 14 * 24 * 3600
    assert [event.TYPE for event in world.told(tenant.tenant_id)] == ["billing.subscription.activated.v1"]


def test_tenants_of_one_plan_share_its_price(world: World) -> None:
    first, second = new_tenant(), new_tenant()
    world.publish(first)
    world.publish(second)
    prices = {world.status(item, "ready").details.billing.price_id for item in (first, second)}  # type: ignore[union-attr]  # ready has details
    assert len(prices) == 1
    assert len(world.objects("price", lookup_key="slotwright:pro:2900:eur:month")) == 1


def test_a_plan_that_is_renamed_and_gets_its_name_back_is_called_so_at_stripe(world: World) -> None:
    tenant = new_tenant(plan=PRO.model_copy(update={"name": "renamed"}))
    details = world.provision(tenant).details.billing
    assert details is not None
    for name in ("Pro Plus", "Pro"):
        tenant = again(tenant, plan=tenant.plan.model_copy(update={"display_name": name}))
        world.provision(tenant)
        (product,) = world.objects("product", id=details.product_id)
        assert product["name"] == name


def test_a_tenant_that_is_paused_does_not_give_a_renamed_plan_its_old_name_back(world: World) -> None:
    """Its record has the plan as it was, and its subscription is looked at all the same."""
    plan = PRO.model_copy(update={"name": "paused"})
    paused = new_tenant(plan=plan)
    details = world.provision(paused).details.billing
    assert details is not None
    world.provision(new_tenant(plan=plan.model_copy(update={"display_name": "Pro Plus"})))
    world.idle(paused)
    stale = "UPDATE account SET synced_at = now() - interval '1 day' WHERE tenant_id = %s RETURNING 1 AS x"
    fresh = "SELECT 1 AS x FROM account WHERE tenant_id = %s AND synced_at > now() - interval '1 hour'"
    world.rows(stale, paused.tenant_id)
    until(lambda: world.rows(fresh, paused.tenant_id), "it was looked at again")
    (product,) = world.objects("product", id=details.product_id)
    assert product["name"] == "Pro Plus"


def test_manual_is_ready_without_stripe(world: World) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Manual"))
    details = world.provision(tenant).details.billing
    assert details is not None
    assert details.state == "manual"
    assert world.customers(tenant) == []
    answer = world.post("/v1/billing/checkout-sessions", tenant)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/billing-manual")


@pytest.mark.slow
def test_a_kill_after_every_step_makes_nothing_twice(world: World) -> None:
    """Killed after each step in turn; each start of the process takes some seconds."""
    tenant = new_tenant()
    world.billing.stop()
    world.start_billing(SLOTWRIGHT_FAULT=FAULTS[0])
    world.publish(tenant)
    assert world.billing.wait() == -9
    for fault in FAULTS[1:]:
        world.start_billing(SLOTWRIGHT_FAULT=fault)
        assert world.billing.wait() == -9, fault
    world.start_billing()
    details = world.status(tenant, "ready").details.billing
    (customer,) = world.customers(tenant)
    (subscription,) = world.subscriptions(tenant)
    assert details is not None
    assert (details.customer_id, details.subscription_id) == (customer["id"], subscription["id"])
    assert len(world.objects("checkout.session", customer=customer["id"])) == 1


@pytest.mark.slow
def test_a_kill_is_resumed_days_later_with_the_same_customer(world: World) -> None:
    """Kafka waits for the killed process's session to end before the next one hears of the tenant."""
    tenant = new_tenant()
    world.kill_billing_at("billing.customer-made", tenant)
    world.control("POST", "/clock/advance", days=2)  # Stripe has forgotten the idempotency key
    world.start_billing()
    world.status(tenant, "ready")
    assert len(world.customers(tenant)) == 1


@pytest.mark.slow
def test_stripe_down_is_told_and_ridden_out(world: World) -> None:
    """Backoff, while the stand-in is away."""
    tenant = new_tenant()
    world.stripe.stop()
    try:
        world.publish(tenant)
        failed = world.status(tenant, "failed")
        assert failed.reason == "StripeUnavailable"
    finally:
        world.start_stripe()
    world.status(tenant, "ready", state="trialing")
    assert len(world.customers(tenant)) == len(world.subscriptions(tenant)) == 1


def test_stripe_failing_in_between_is_ridden_out(world: World) -> None:
    tenant = new_tenant()
    world.control("PUT", "/outage", status=500, requests=7)
    world.provision(tenant)
    assert len(world.customers(tenant)) == len(world.subscriptions(tenant)) == 1


@pytest.mark.parametrize("status", [500, 402])
@pytest.mark.parametrize("path", ["customers", "subscriptions", "checkout/sessions", "prices"])
def test_a_failure_that_stripe_keeps_holds_nobody_up_for_a_day(world: World, path: str, status: int) -> None:
    """The same key would be answered with it until then. The next comes when the search is sure to know."""
    world.control("PUT", "/outage", status=status, requests=1, path=f"/v1/{path}", kept=True)
    plan = PRO.model_copy(update={"name": f"kept-{path[:4]}-{status}"})
    tenant = new_tenant(plan=plan)
    world.publish(tenant)
    if path != "prices":  # which are known by their lookup key at once
        world.status(tenant, "failed")
        _minutes_pass(world, tenant)
    world.status(tenant, "ready", state="trialing")
    (customer,) = world.customers(tenant)
    assert len(world.subscriptions(tenant)) == 1
    assert len(world.objects("checkout.session", customer=customer["id"])) == 1
    assert len(world.objects("price", nickname=plan.name)) == 1


def _minutes_pass(world: World, tenant: TenantChanged) -> None:
    """Since Stripe has failed for a tenant, and the tenant's task is due."""
    until(
        lambda: world.rows(
            "UPDATE creation SET failed_at = failed_at - interval '2 minutes' WHERE tenant_id = %s RETURNING 1",
            tenant.tenant_id,
        ),
        "the failure is noted",
    )
    world.rows("UPDATE task SET due_at = now() WHERE tenant_id = %s RETURNING 1 AS x", tenant.tenant_id)


def test_an_outage_does_not_unlink_who_is_linked(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    world.idle(tenant)
    before = len(world.statuses(tenant.tenant_id))
    world.stripe.stop()
    try:
        world.rows("UPDATE account SET synced_at = now() - interval '1 day' RETURNING 1")
        until(
            lambda: world.rows(
                "SELECT 1 AS x FROM task WHERE attempts > 0 AND tenant_id = %s", tenant.tenant_id
            ),
            "a resync was tried",
        )
        assert len(world.statuses(tenant.tenant_id)) == before
    finally:
        world.start_stripe()


@pytest.mark.slow
def test_without_a_key_stripe_tenants_fail_and_manual_ones_are_served(world: World) -> None:
    """Starts billing twice."""
    tenant, manual = new_tenant(), new_tenant(billing=BillingSpec(mode="Manual"))
    world.billing.stop()
    world.start_billing(SLOTWRIGHT_STRIPE_API_KEY="", SLOTWRIGHT_STRIPE_WEBHOOK_SECRET="")
    world.publish(tenant)
    world.publish(manual)
    assert world.status(tenant, "failed").reason == "StripeNotConfigured"
    world.status(manual, "ready", state="manual")
    assert world.http.post(f"{world.url}/webhooks/stripe", content="{}").status_code == 503
    world.billing.stop()
    world.start_billing()
    world.publish(again(tenant))
    world.status(again(tenant), "ready")


@pytest.mark.slow
def test_killed_after_a_change_of_plan_it_is_changed_once_and_told(world: World) -> None:
    """Takes two starts."""
    tenant = new_tenant()
    before = world.provision(tenant).details.billing
    assert before is not None
    world.billing.stop()
    world.start_billing(SLOTWRIGHT_FAULT="billing.plan-changed")
    tenant = again(tenant, plan=TEAM)
    world.publish(tenant)
    assert world.billing.wait() == -9
    (subscription,) = world.subscriptions(tenant)
    assert subscription["items"]["data"][0]["price"]["unit_amount"] == TEAM.price.amount
    world.start_billing()
    world.status(tenant, "ready", subscription_id=before.subscription_id)
    until(lambda: [event.plan for event in world.told(tenant.tenant_id)][-1] == "team", "the change is told")
    plans = [event.plan for event in world.told(tenant.tenant_id)]
    assert plans.count("team") == 1
    assert len(world.subscriptions(tenant)) == 1


@pytest.mark.slow
def test_killed_while_an_unpaid_plan_is_changed_it_subscribes_anew(world: World) -> None:
    """What was never paid is ended and another made: a kill in between does not leave it at the end."""
    tenant = new_tenant(billing=BillingSpec(mode="Stripe"))
    before = world.provision(tenant).details.billing
    assert before is not None
    assert before.state == "incomplete"
    world.billing.stop()
    tenant = again(tenant, plan=TEAM)
    world.publish(tenant)
    for fault in ("billing.unpaid-cancelled", "billing.subscription-made"):
        world.start_billing(SLOTWRIGHT_FAULT=fault)
        assert world.billing.wait() == -9, fault
    world.start_billing()
    after = world.status(tenant, "ready", state="incomplete").details.billing
    assert after is not None
    assert after.subscription_id != before.subscription_id
    statuses = {item["id"]: item["status"] for item in world.subscriptions(tenant)}
    assert statuses == {before.subscription_id: "canceled", after.subscription_id: "incomplete"}


def test_another_plan_changes_the_price_of_the_same_subscription(world: World) -> None:
    tenant = new_tenant()
    linked = world.provision(tenant).details.billing
    assert linked is not None
    tenant = again(tenant, plan=TEAM)
    world.publish(tenant)
    moved = world.status(tenant, "ready").details.billing
    assert moved is not None
    assert moved.subscription_id == linked.subscription_id
    (subscription,) = world.subscriptions(tenant)
    assert subscription["items"]["data"][0]["price"]["unit_amount"] == TEAM.price.amount
    until(lambda: len(world.told(tenant.tenant_id)) == 2, "the change is told")
    last = world.told(tenant.tenant_id)[-1]
    assert (last.TYPE, last.plan) == ("billing.subscription.changed.v1", "team")


def test_without_a_trial_the_subscription_waits_for_its_first_payment(world: World) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Stripe"))
    details = world.provision(tenant).details.billing
    assert details is not None
    assert details.state == "incomplete"
    assert details.checkout_url is not None
    world.http.post(details.checkout_url, data={"card": "4242424242424242"})
    world.status(tenant, "ready", state="active")
    (invoice,) = world.objects("invoice", customer=details.customer_id)
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", PRO.price.amount)


@pytest.mark.parametrize("policy", list(DeletionPolicy))
def test_deletion_ends_the_subscription(world: World, policy: DeletionPolicy) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    status = world.delete(tenant, policy)
    (subscription,) = world.subscriptions(tenant)
    assert subscription["status"] == "canceled"
    until(
        lambda: world.told(tenant.tenant_id)[-1].TYPE == "billing.subscription.canceled.v1",
        "the end is told",
    )
    rows = world.rows("SELECT 1 AS x FROM account WHERE tenant_id = %s", tenant.tenant_id)
    erased = policy is DeletionPolicy.DELETE
    assert bool(rows) is not erased
    assert bool(world.objects("customer", id=details.customer_id)) is not erased
    assert world.customers(tenant) == []
    counts = status.details.erased if erased else status.details.archived
    assert counts is not None
    assert counts["account"] == counts["subscription"] == 1


def test_deletion_waits_for_stripe_and_survives_a_kill(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    world.idle(tenant)
    world.billing.stop()
    world.start_billing(SLOTWRIGHT_FAULT="billing.subscription-cancelled")
    going = again(tenant, state=TenantState.DELETING, deletion_policy=DeletionPolicy.DELETE)
    world.publish(going)
    assert world.billing.wait() == -9
    world.start_billing()
    world.status(going, "deleted")
    assert world.rows("SELECT 1 AS x FROM account WHERE tenant_id = %s", tenant.tenant_id) == []


def test_from_stripe_to_manual_the_subscription_ends(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    tenant = again(tenant, billing=BillingSpec(mode="Manual"))
    world.publish(tenant)
    world.status(tenant, "ready", state="manual")
    assert [item["status"] for item in world.subscriptions(tenant)] == ["canceled"]


def test_an_invoice_is_followed_after_the_change_to_billing_by_hand(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="past_due")
    tenant = again(tenant, billing=BillingSpec(mode="Manual"))
    world.publish(tenant)
    world.status(tenant, "ready", state="manual")

    def shown() -> list[str]:
        items = world.get("/v1/billing/invoices", tenant).json()["items"]
        return [item["status"] for item in items if item["total"]["amount"]]

    (invoice,) = world.objects("invoice", customer=details.customer_id, total=PRO.price.amount)
    until(lambda: shown() == [invoice["status"]], "the invoice is as it is at Stripe")
