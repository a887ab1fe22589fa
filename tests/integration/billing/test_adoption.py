"""A customer or a price that is at Stripe already is taken over by a tenant, and let go with it."""

from importlib.resources import files

import psycopg
import pytest

from contracts.platform import BillingSpec, DeletionPolicy, PlanSnapshot, TenantState
from integration.billing.world import PRO, TEAM, World, again, new_tenant
from support.databases import Databases
from support.events import until


def test_a_customer_is_adopted(world: World) -> None:
    made = world.call_stripe("POST", "/v1/customers", name="Known already", email="old@riverside.example")
    tenant = new_tenant(billing=BillingSpec(mode="Stripe", customer_id=made["id"], trial_days=7))
    details = world.provision(tenant).details.billing
    assert details is not None
    assert details.customer_id == made["id"]
    (customer,) = world.customers(tenant)
    assert (customer["id"], customer["name"]) == (made["id"], "Known already")

    other = new_tenant(billing=BillingSpec(mode="Stripe", customer_id=made["id"]))
    world.publish(other)
    assert world.status(other, "failed").reason == "CustomerTaken"


def test_a_tenants_subscription_is_found_behind_many_newer_ones(world: World) -> None:
    """More than are on a page of the list; else the tenant would be billed twice."""
    product = world.call_stripe("POST", "/v1/products", name="Many")["id"]
    recurring = {"unit_amount": "0", "recurring[interval]": "month"}
    price = world.call_stripe("POST", "/v1/prices", product=product, currency="eur", **recurring)["id"]
    customer = world.call_stripe("POST", "/v1/customers", name="Collector")["id"]
    tenant = new_tenant(billing=BillingSpec(mode="Stripe", customer_id=customer, trial_days=7))
    before = world.provision(tenant).details.billing
    for _ in range(101):
        world.call_stripe("POST", "/v1/subscriptions", customer=customer, **{"items[0][price]": price})
    world.publish(again(tenant))
    assert world.status(again(tenant), "ready").details.billing == before
    assert len(world.subscriptions(tenant)) == 1


@pytest.mark.parametrize("ending", ["deleted", "manual"])
def test_what_else_an_adopted_customer_subscribes_to_is_left_alone_and_not_told(
    world: World, ending: str
) -> None:
    product = world.call_stripe("POST", "/v1/products", name="Something else")["id"]
    recurring = {"unit_amount": "100", "recurring[interval]": "month"}
    price = world.call_stripe("POST", "/v1/prices", product=product, currency="eur", **recurring)["id"]
    customer = world.call_stripe("POST", "/v1/customers", name="Busy")["id"]
    other = world.call_stripe("POST", "/v1/subscriptions", customer=customer, **{"items[0][price]": price})
    tenant = new_tenant(billing=BillingSpec(mode="Stripe", customer_id=customer, trial_days=7))
    details = world.provision(tenant).details.billing
    assert details is not None
    if ending == "deleted":
        world.delete(tenant, DeletionPolicy.RETAIN)
    else:
        world.publish(again(tenant, billing=BillingSpec(mode="Manual")))
        world.status(again(tenant), "ready", state="manual")
    until(lambda: len(world.told(tenant.tenant_id)) > 1, "the end is told")
    told = [(event.TYPE.split(".")[2], event.subscription_id) for event in world.told(tenant.tenant_id)]
    assert told == [("activated", details.subscription_id), ("canceled", details.subscription_id)]
    assert world.objects("subscription", id=other["id"])[0]["status"] == "incomplete"


def test_a_subscription_that_has_more_in_it_than_the_plan_is_adopted_and_keeps_that(world: World) -> None:
    """As somebody sold something beside it; its order among the items says nothing."""
    product = world.call_stripe("POST", "/v1/products", name="Own product")["id"]
    extra, own = (
        world.call_stripe(
            "POST",
            "/v1/prices",
            **{"product": product, "currency": "eur", "unit_amount": amount, "recurring[interval]": "month"},
        )["id"]
        for amount in ("500", "2900")
    )
    customer = world.call_stripe("POST", "/v1/customers", name="Buys more")["id"]
    items = {"items[0][price]": extra, "items[1][price]": own, "trial_period_days": "30"}
    before = world.call_stripe("POST", "/v1/subscriptions", customer=customer, **items)
    plan = PRO.model_copy(update={"name": "beside", "stripe_price_id": own})
    tenant = new_tenant(plan=plan, billing=BillingSpec(mode="Stripe", customer_id=customer))
    details = world.provision(tenant).details.billing
    assert details is not None
    assert (details.subscription_id, details.price_id) == (before["id"], own)
    world.provision(again(tenant, plan=TEAM))
    (subscription,) = world.objects("subscription", customer=customer)
    amounts = [item["price"]["unit_amount"] for item in subscription["items"]["data"]]
    assert amounts == [500, TEAM.price.amount]


def test_of_several_subscriptions_to_the_plan_none_is_ended_and_somebody_says_which_is_the_businesss(
    world: World,
) -> None:
    product = world.call_stripe("POST", "/v1/products", name="Sold twice")["id"]
    recurring = {"unit_amount": "2900", "recurring[interval]": "month"}
    price = world.call_stripe("POST", "/v1/prices", product=product, currency="eur", **recurring)["id"]
    customer = world.call_stripe("POST", "/v1/customers", name="Has two shops")["id"]
    items = {"items[0][price]": price, "trial_period_days": "30"}
    older, newer = (
        world.call_stripe("POST", "/v1/subscriptions", customer=customer, **items)["id"] for _ in range(2)
    )
    plan = PRO.model_copy(update={"name": "twice", "stripe_price_id": price})
    tenant = new_tenant(plan=plan, billing=BillingSpec(mode="Stripe", customer_id=customer))
    world.publish(tenant)
    refused = world.status(tenant, "failed")
    assert refused.reason == "SubscriptionUnclear"
    assert older in refused.message
    assert newer in refused.message
    assert world.subscriptions(tenant) == []

    mine = {"metadata[tenant_id]": str(tenant.tenant_id)}
    world.call_stripe("POST", f"/v1/subscriptions/{older}", **mine)
    details = world.provision(again(tenant)).details.billing
    assert details is not None
    assert details.subscription_id == older
    world.delete(again(tenant), DeletionPolicy.RETAIN)
    states = {item["id"]: item["status"] for item in world.objects("subscription", customer=customer)}
    assert states == {older: "canceled", newer: "trialing"}


@pytest.mark.parametrize("policy", list(DeletionPolicy))
def test_an_adopted_customer_is_let_go_with_its_tenant(world: World, policy: DeletionPolicy) -> None:
    customer = world.call_stripe("POST", "/v1/customers", name="Comes back")["id"]
    billing = BillingSpec(mode="Stripe", customer_id=customer, trial_days=7)
    first, second = new_tenant(billing=billing), new_tenant(billing=billing)
    world.provision(first)
    world.publish(second)
    assert world.status(second, "failed").reason == "CustomerTaken"
    world.delete(first, policy)
    world.publish(again(second))
    details = world.status(again(second), "ready", state="trialing").details.billing
    assert details is not None
    assert details.customer_id == customer
    # Told once more to go, the first takes nothing from the second.
    going = again(again(first), state=TenantState.DELETING, deletion_policy=policy)
    world.publish(going)
    world.status(going, "deleted")
    assert [item["id"] for item in world.customers(second)] == [customer]
    (subscription,) = world.subscriptions(second)
    assert subscription["status"] == "trialing"


def test_a_customer_that_was_made_can_be_adopted_once_its_tenant_is_archived(world: World) -> None:
    first = new_tenant()
    details = world.provision(first).details.billing
    assert details is not None
    going = again(first, state=TenantState.DELETING, deletion_policy=DeletionPolicy.RETAIN)
    world.publish(going)
    world.status(going, "deleted")
    billing = BillingSpec(mode="Stripe", customer_id=details.customer_id, trial_days=7)
    second = new_tenant(billing=billing)
    world.provision(second)
    # Told to erase by now, the first takes nothing from the second.
    going = again(going, deletion_policy=DeletionPolicy.DELETE)
    world.publish(going)
    world.status(going, "deleted")
    assert [item["id"] for item in world.customers(second)] == [details.customer_id]
    (subscription,) = world.subscriptions(second)
    assert subscription["status"] == "trialing"


def test_a_customer_that_was_let_go_is_erased_where_that_is_asked_for_after_all(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    for policy in (DeletionPolicy.RETAIN, DeletionPolicy.DELETE):
        tenant = again(tenant, state=TenantState.DELETING, deletion_policy=policy)
        world.publish(tenant)
        world.status(tenant, "deleted")
        kept = world.objects("customer", id=details.customer_id)
        assert bool(kept) is (policy is DeletionPolicy.RETAIN)
        assert all("tenant_id" not in item["metadata"] for item in kept)


@pytest.mark.parametrize("policy", list(DeletionPolicy))
@pytest.mark.parametrize("adopted", [False, True])
def test_a_customer_that_was_not_stored_before_a_kill_goes_with_its_tenant(
    world: World, policy: DeletionPolicy, *, adopted: bool
) -> None:
    """It is at Stripe alone, and its tenant is deleted before billing has come to it again."""
    asked = world.call_stripe("POST", "/v1/customers", name="Known already")["id"] if adopted else None
    tenant = new_tenant(billing=BillingSpec(mode="Stripe", customer_id=asked))
    world.kill_billing_at("billing.customer-made", tenant)
    (customer,) = world.customers(tenant)
    later = "UPDATE task SET due_at = now() + interval '1 hour' WHERE tenant_id = %s RETURNING 1 AS x"
    assert world.rows(later, tenant.tenant_id)
    world.start_billing()
    world.delete(tenant, policy)
    assert world.customers(tenant) == []
    kept = adopted or policy is DeletionPolicy.RETAIN
    assert bool(world.objects("customer", id=customer["id"])) is kept
    assert world.rows("SELECT 1 AS x FROM linking WHERE tenant_id = %s", tenant.tenant_id) == []


def test_what_was_archived_before_keeps_no_customer_from_being_adopted(databases: Databases) -> None:
    """By the migration, which row level security would show nothing."""
    database = databases.for_service("billing")
    script = files("billing.migrations").joinpath("versions/billing_0006.sql").read_text("utf-8")
    states = ("active", "deleting", "deleted")
    with psycopg.connect(database.admin_url) as conn:
        for state in states:
            tenant = new_tenant()
            conn.execute(
                b"INSERT INTO tenants VALUES (%s, %s, 1, %s, '{}')", (tenant.tenant_id, tenant.slug, state)
            )
            conn.execute(
                b"INSERT INTO account (tenant_id, customer_id, customer_adopted) VALUES (%s, %s, false)",
                (tenant.tenant_id, f"cus_{state}"),
            )
    with psycopg.connect(database.settings.migration_conninfo()) as conn:
        conn.execute(script.encode())
    with psycopg.connect(database.admin_url) as conn:
        found = conn.execute(b"SELECT customer_id FROM account WHERE released").fetchall()
    assert found == [("cus_deleted",)]


def test_an_unknown_customer_or_price_fails_with_a_reason_and_recovers(world: World) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Stripe", customer_id="cus_doesnotexist"))
    world.publish(tenant)
    assert world.status(tenant, "failed").reason == "CustomerNotFound"

    plan = PRO.model_copy(update={"stripe_price_id": "price_doesnotexist"})
    tenant = again(tenant, plan=plan, billing=BillingSpec(mode="Stripe"))
    world.publish(tenant)
    assert world.status(tenant, "failed").reason == "PriceRefused"

    tenant = again(tenant, plan=PRO)
    world.publish(tenant)
    world.status(tenant, "ready")


def test_a_price_is_adopted(world: World) -> None:
    product = world.call_stripe("POST", "/v1/products", name="Own product")
    price = world.call_stripe(
        "POST",
        "/v1/prices",
        **{
            "product": product["id"],
            "currency": "eur",
            "unit_amount": "2900",
            "recurring[interval]": "month",
        },
    )
    plan = PlanSnapshot.model_validate(PRO.model_dump() | {"name": "own", "stripe_price_id": price["id"]})
    details = world.provision(new_tenant(plan=plan)).details.billing
    assert details is not None
    assert (details.product_id, details.price_id) == (product["id"], price["id"])


def test_who_is_on_an_adopted_price_stays_on_it_when_it_is_archived(world: World) -> None:
    """Which is how Stripe's customers take a price off sale: nobody new gets it."""
    product = world.call_stripe("POST", "/v1/products", name="Own product")["id"]
    recurring = {"unit_amount": "2900", "recurring[interval]": "month"}
    price = world.call_stripe("POST", "/v1/prices", product=product, currency="eur", **recurring)["id"]
    plan = PRO.model_copy(update={"name": "off-sale", "stripe_price_id": price})
    tenant = new_tenant(plan=plan)
    world.provision(tenant)
    world.call_stripe("POST", f"/v1/prices/{price}", active="false")
    late = new_tenant(plan=plan)
    world.publish(late)

    def refused() -> bool:
        """At first it may be Stripe that refuses the price, which was in order a moment ago."""
        return [item.reason for item in world.statuses(late.tenant_id)][-1:] == ["PriceRefused"]

    until(refused, "the price is known to be archived")
    world.provision(again(tenant))
    assert not world.call_stripe("GET", f"/v1/prices/{price}")["active"]


@pytest.mark.parametrize(
    "other",
    [
        {"unit_amount": "2901"},
        {"currency": "usd"},
        {"recurring[interval]": "year"},
        {"recurring[interval_count]": "3"},
        {"recurring[usage_type]": "metered"},
    ],
    ids=["amount", "currency", "interval", "count", "use"],
)
def test_a_price_that_is_not_the_plans_is_refused(world: World, other: dict[str, str]) -> None:
    product = world.call_stripe("POST", "/v1/products", name="Own product")
    given = {"currency": "eur", "unit_amount": "2900", "recurring[interval]": "month"} | other
    price = world.call_stripe("POST", "/v1/prices", product=product["id"], **given)
    plan = PRO.model_copy(update={"name": "own", "stripe_price_id": price["id"]})
    tenant = new_tenant(plan=plan)
    world.publish(tenant)
    assert world.status(tenant, "failed").reason == "PriceRefused"
    assert world.subscriptions(tenant) == []
