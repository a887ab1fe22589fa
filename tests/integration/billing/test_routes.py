"""The owner's routes, and that one business never sees another's."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from contracts.booking import AppointmentBooked, AppointmentCancelled
from contracts.platform import BillingSpec
from integration.billing.world import PRO, World, booked, new_tenant
from support.events import until

READS = ["/v1/billing/subscription", "/v1/billing/invoices", "/v1/usage"]
OPENS = ["/v1/billing/checkout-sessions", "/v1/billing/portal-sessions"]


def test_a_card_given_at_checkout_is_the_one_that_is_charged(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    shown = world.get("/v1/billing/subscription", tenant).json()
    assert (shown["state"], shown["has_payment_method"], shown["plan"]["price"]) == (
        "trialing",
        False,
        {"amount": 2900, "currency": "EUR"},
    )
    opened = world.post("/v1/billing/checkout-sessions", tenant, {"return_path": "/dashboard/billing"})
    assert opened.status_code == 201, opened.text
    assert opened.json()["mode"] == "setup"
    done = world.http.post(opened.json()["url"], data={"card": "4242424242424242"})
    assert done.headers["location"].endswith("/dashboard/billing?checkout=done")
    until(
        lambda: world.get("/v1/billing/subscription", tenant).json()["has_payment_method"],
        "the card is known",
    )
    world.control("POST", "/clock/advance", days=15)
    world.status(tenant, "ready", state="active")
    invoices = world.get("/v1/billing/invoices", tenant).json()["items"]
    assert [(item["status"], item["total"]["amount"]) for item in invoices] == [("paid", 2900), ("paid", 0)]


def test_after_the_end_checkout_subscribes_anew(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")
    first = world.post("/v1/billing/checkout-sessions", tenant).json()
    second = world.post("/v1/billing/checkout-sessions", tenant).json()
    assert {first["mode"], second["mode"]} == {"subscription"}
    assert "expired" in world.http.post(first["url"], data={"card": "4242424242424242"}).text
    world.http.post(second["url"], data={"card": "4242424242424242"})
    renewed = world.status(tenant, "ready", state="active").details.billing
    assert renewed is not None
    assert renewed.subscription_id != details.subscription_id
    assert sorted(item["status"] for item in world.subscriptions(tenant)) == ["active", "canceled"]


def test_the_portal_cancels(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    portal = world.post("/v1/billing/portal-sessions", tenant).json()["url"]
    assert world.http.get(portal).status_code == 200
    world.http.post(f"{portal}/subscriptions/{details.subscription_id}/cancel")
    until(
        lambda: world.get("/v1/billing/subscription", tenant).json()["cancel_at_period_end"],
        "the cancellation is known",
    )


def test_opening_a_page_twice_with_one_key_opens_one(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    (customer,) = world.customers(tenant)

    def opened() -> list[int]:
        kinds = ("checkout.session", "billing_portal.session")
        return [len(world.objects(kind, customer=customer["id"])) for kind in kinds]

    before = opened()
    for path in OPENS:
        key = str(uuid4())
        first = world.post(path, tenant, {}, Idempotency_Key=key)
        replay = world.post(path, tenant, {}, Idempotency_Key=key)
        assert replay.json() == first.json()
        assert replay.headers["Idempotent-Replayed"] == "true"
        other = world.post(path, tenant, {"return_path": "/elsewhere"}, Idempotency_Key=key)
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert opened() == [count + 1 for count in before]


def test_a_replay_leaves_the_page_open_that_it_answers_again(world: World) -> None:
    """A second page to subscribe closes the first; the same one asked for again does not close itself."""
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
    world.status(tenant, "ready", state="canceled")
    path, key = "/v1/billing/checkout-sessions", str(uuid4())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: world.post(path, tenant, Idempotency_Key=key), range(4)))
    answers.append(world.post(path, tenant, Idempotency_Key=key))
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len({answer.text for answer in answers}) == 1
    assert world.post(path, tenant, {"return_path": "/elsewhere"}, Idempotency_Key=key).status_code == 422
    (customer,) = world.customers(tenant)
    (opened,) = world.objects("checkout.session", customer=customer["id"], mode="subscription")
    assert (opened["url"], opened["status"]) == (answers[0].json()["url"], "open")


def test_invoices_come_in_pages(world: World) -> None:
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    opened = world.post("/v1/billing/checkout-sessions", tenant).json()
    world.http.post(opened["url"], data={"card": "4242424242424242"})
    until(
        lambda: world.get("/v1/billing/subscription", tenant).json()["has_payment_method"],
        "the card is known",
    )
    world.control("POST", "/clock/advance", days=80)
    until(lambda: len(world.get("/v1/billing/invoices", tenant).json()["items"]) == 4, "four invoices")
    seen: list[str] = []
    path = "/v1/billing/invoices?limit=3"
    while path:
        page = world.get(path, tenant)
        seen += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        path = f"/v1/billing/invoices?limit=3&cursor={cursor}" if cursor else ""
    assert len(seen) == len(set(seen)) == 4


def test_usage_counts_events_once_by_month_and_tenant(world: World) -> None:
    tenant, other = new_tenant(), new_tenant()
    for item in (tenant, other):
        world.provision(item)
    for _ in range(3):
        world.publish(booked(tenant, AppointmentBooked))
    world.publish(booked(tenant, AppointmentCancelled))

    def counted() -> bool:
        shown = world.get("/v1/usage", tenant).json()["appointments"]
        return bool(shown["booked"] == 3 and shown["cancelled"] == 1)

    until(counted, "the events are counted")
    shown = world.get("/v1/usage", tenant).json()
    metrics = {item["metric"]: (item["used"], item["limit"]) for item in shown["metrics"]}
    assert metrics["bookings_per_month"] == (3, 100)
    assert metrics["staff"] == (None, None)
    assert world.get("/v1/usage", other).json()["appointments"]["booked"] == 0
    assert world.get("/v1/usage?month=2020-01", tenant).json()["appointments"]["booked"] == 0


def test_one_business_never_sees_another(world: World) -> None:
    tenant, other = new_tenant(), new_tenant()
    mine, theirs = (world.provision(item).details.billing for item in (tenant, other))
    assert mine is not None
    assert theirs is not None
    secrets = [str(value) for value in (theirs.customer_id, theirs.subscription_id, theirs.checkout_url)]
    for path in READS:
        answer = world.get(path, tenant)
        assert answer.status_code == 200, answer.text
        assert not any(secret in answer.text for secret in secrets)
    for path in OPENS:
        world.post(path, tenant)
    opened = world.objects("checkout.session", customer=theirs.customer_id)
    assert len(opened) == 1
    assert world.objects("billing_portal.session", customer=theirs.customer_id) == []
    ids = {item["id"] for item in world.get("/v1/billing/invoices", tenant).json()["items"]}
    assert ids.isdisjoint(item["id"] for item in world.get("/v1/billing/invoices", other).json()["items"])


@pytest.mark.parametrize("path", READS + OPENS)
def test_only_the_owner_may(world: World, path: str) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Manual"))
    world.provision(tenant)

    def ask(role: str | None) -> int:
        headers = world.headers(tenant, role=role) if role else {}
        method = "POST" if path in OPENS else "GET"
        return world.http.request(
            method, f"{world.url}{path}", headers=headers, json={} if path in OPENS else None
        ).status_code

    assert ask(None) == 401
    assert ask("staff") == 403
    stranger = new_tenant()
    assert world.http.get(f"{world.url}{READS[0]}", headers=world.headers(stranger)).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"return_path": "https://evil.example"}, "/return_path"),
        ({"return_path": "//evil.example"}, "/return_path"),
        ({"return_path": 5}, "/return_path"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_bad_bodies_name_the_field(world: World, body: dict[str, object], pointer: str) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Manual"))
    world.provision(tenant)
    for path in OPENS:
        answer = world.post(path, tenant, body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "path",
    ["/v1/usage?month=2026-13", "/v1/billing/invoices?cursor=nonsense", "/v1/billing/invoices?limit=0"],
)
def test_bad_queries_are_problems(world: World, path: str) -> None:
    tenant = new_tenant(billing=BillingSpec(mode="Manual"))
    world.provision(tenant)
    answer = world.get(path, tenant)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_failure_that_stripe_keeps_is_not_answered_to_a_key_for_a_day(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    world.control("PUT", "/outage", status=500, requests=1, path="/v1/checkout/sessions", kept=True)
    path, key = "/v1/billing/checkout-sessions", str(uuid4())
    noted = []
    for _ in range(2):
        assert world.post(path, tenant, Idempotency_Key=key).status_code == 503
        noted += world.rows("SELECT failed_at FROM creation WHERE tenant_id = %s", tenant.tenant_id)
    assert noted[0] == noted[1]  # the same answer again is no news: it does not put off the next attempt
    world.rows("UPDATE creation SET failed_at = failed_at - interval '2 minutes' RETURNING 1 AS x")
    answer = world.post(path, tenant, Idempotency_Key=key)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_stripe_does_not_take_is_no_business_of_the_owners(world: World, status: int) -> None:
    """Whose message at Stripe names the key: it is who runs the platform that reads it, in the log."""
    tenant = new_tenant()
    world.provision(tenant)
    world.idle(tenant)
    world.control("PUT", "/outage", status=status, requests=1, path="/v1/billing_portal/sessions")
    answer = world.post("/v1/billing/portal-sessions", tenant)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert "stand-in" not in answer.text
    assert world.post("/v1/billing/portal-sessions", tenant).status_code == 201


def test_stripe_away_is_a_problem_to_come_back_for(world: World) -> None:
    tenant = new_tenant()
    world.provision(tenant)
    world.control("PUT", "/outage", status=503)
    try:
        for path in OPENS:
            answer = world.post(path, tenant)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
        assert world.get("/v1/billing/subscription", tenant).json()["plan"]["name"] == PRO.name
    finally:
        world.control("DELETE", "/outage")
