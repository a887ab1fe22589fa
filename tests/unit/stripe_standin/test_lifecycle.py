"""How subscriptions live as time passes."""

from datetime import UTC, datetime

import pytest

from stripe_standin.lifecycle import add_interval
from stripe_standin.payments import DECLINED_CARD, GOOD_CARD

from .conftest import Api


@pytest.mark.parametrize(
    ("start", "interval", "end"),
    [
        ("2027-01-31", "month", "2027-02-28"),
        ("2028-01-31", "month", "2028-02-29"),
        ("2027-12-15", "month", "2028-01-15"),
        ("2028-02-29", "year", "2029-02-28"),
        ("2027-03-01", "week", "2027-03-08"),
    ],
)
def test_an_interval_ends_on_a_day_there_is(start: str, interval: str, end: str) -> None:
    moment = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
    price = {"recurring": {"interval": interval, "interval_count": 1}}
    assert datetime.fromtimestamp(add_interval(moment, price), UTC).date().isoformat() == end


def _status(api: Api, subscription: str) -> str:
    return str(api.get(f"/v1/subscriptions/{subscription}")["status"])


def _totals(api: Api, subscription: str) -> list[tuple[str, int]]:
    found = api.get("/v1/invoices", subscription=subscription, limit=100)["data"][::-1]
    return [(item["status"], item["total"]) for item in found]


def test_a_trial_with_a_card_becomes_paid_months(api: Api) -> None:
    made = api.subscribe(api.customer(card=GOOD_CARD), api.price(), trial_period_days=14)
    assert made["status"] == "trialing"
    api.control("POST", "/clock/advance", days=15)
    assert _status(api, made["id"]) == "active"
    api.control("POST", "/clock/advance", days=31)
    assert _totals(api, made["id"]) == [("paid", 0), ("paid", 2900), ("paid", 2900)]
    assert "customer.subscription.trial_will_end" in api.types()


def test_without_a_card_it_is_past_due_then_ends(api: Api) -> None:
    made = api.subscribe(api.customer(), api.price(), trial_period_days=7)
    api.control("POST", "/clock/advance", days=8)
    assert _status(api, made["id"]) == "past_due"
    api.control("POST", "/clock/advance", days=30)
    assert _status(api, made["id"]) == "canceled"
    assert _totals(api, made["id"])[-1][0] == "void"


def test_where_it_is_to_be_unpaid_it_is_billed_on_and_active_by_its_latest_invoice(api: Api) -> None:
    made = api.subscribe(api.customer(), api.price(), trial_period_days=7)
    api.control("PUT", "/dunning", after_retries="unpaid")
    api.control("POST", "/clock/advance", days=20)
    assert _status(api, made["id"]) == "unpaid"
    api.control("POST", "/clock/advance", days=31)
    assert _totals(api, made["id"])[1:] == [("open", 2900), ("draft", 2900)]
    card = api.get("/v1/customers/" + api.customer(card=GOOD_CARD))["invoice_settings"][
        "default_payment_method"
    ]
    latest, first, _trial = api.get("/v1/invoices", subscription=made["id"])["data"]
    api.post(f"/v1/invoices/{first['id']}/pay", payment_method=card)
    assert _status(api, made["id"]) == "unpaid"
    assert api.call("POST", f"/v1/invoices/{latest['id']}/pay", {"payment_method": card}).status_code == 400
    assert api.post(f"/v1/invoices/{latest['id']}/finalize", auto_advance=True)["auto_advance"] is True
    assert api.call("POST", f"/v1/invoices/{latest['id']}/finalize").status_code == 400
    api.post(f"/v1/invoices/{latest['id']}/pay", payment_method=card)
    assert _status(api, made["id"]) == "active"


def test_a_card_that_is_declined_fails_later(api: Api) -> None:
    customer = api.customer(card=DECLINED_CARD)
    made = api.subscribe(customer, api.price(), trial_period_days=7)
    api.control("POST", "/clock/advance", days=8)
    assert _status(api, made["id"]) == "past_due"
    refused = api.call("POST", f"/v1/invoices/{api.get('/v1/invoices')['data'][0]['id']}/pay")
    assert (refused.status_code, refused.json()["error"]["type"]) == (402, "card_error")


def test_never_paid_it_expires(api: Api) -> None:
    made = api.subscribe(api.customer(), api.price())
    assert made["status"] == "incomplete"
    api.control("POST", "/clock/advance", days=1)
    assert _status(api, made["id"]) == "incomplete_expired"


def test_the_free_are_active_at_once(api: Api) -> None:
    assert api.subscribe(api.customer(), api.price(0))["status"] == "active"


def test_it_ends_with_its_period_when_asked_to(api: Api) -> None:
    made = api.subscribe(api.customer(card=GOOD_CARD), api.price())
    api.post(f"/v1/subscriptions/{made['id']}", cancel_at_period_end=True)
    api.control("POST", "/clock/advance", days=10)
    assert _status(api, made["id"]) == "active"
    api.control("POST", "/clock/advance", days=25)
    assert _status(api, made["id"]) == "canceled"


def test_another_price_in_mid_period_is_prorated(api: Api) -> None:
    made = api.subscribe(api.customer(card=GOOD_CARD), api.price(3000))
    item = made["items"]["data"][0]
    length = item["current_period_end"] - item["current_period_start"]
    api.control("POST", "/clock/advance", seconds=length // 2)
    api.post(
        f"/v1/subscriptions/{made['id']}",
        items=[{"id": item["id"], "price": api.price(6000)}],
        proration_behavior="create_prorations",
    )
    assert len(_totals(api, made["id"])) == 1
    api.control("POST", "/clock/advance", seconds=length // 2 + 2)
    status, total = _totals(api, made["id"])[-1]
    assert status == "paid"
    assert abs(total - (6000 + 1500)) <= 1


@pytest.mark.parametrize(
    ("currency", "shown"), [("jpy", "2900 JPY"), ("kwd", "2.900 KWD"), ("eur", "29.00 EUR")]
)
def test_an_invoice_shows_amounts_as_its_currency_has_them(api: Api, currency: str, shown: str) -> None:
    customer = api.post("/v1/customers")["id"]
    given = {"unit_amount": 2900, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
    price = api.post("/v1/prices", currency=currency, **given)["id"]
    api.post("/v1/subscriptions", customer=customer, items=[{"price": price}])
    (invoice,) = api.get("/v1/invoices", customer=customer)["data"]
    page = api.http.get(invoice["hosted_invoice_url"]).text
    assert f"<th>{shown}</th>" in page


def test_currencies_are_not_mixed(api: Api) -> None:
    customer = api.customer()
    api.subscribe(customer, api.price())
    other = api.post(
        "/v1/prices",
        currency="usd",
        unit_amount=1,
        product_data={"name": "x"},
        recurring={"interval": "month"},
    )
    answer = api.call("POST", "/v1/subscriptions", {"customer": customer, "items": [{"price": other["id"]}]})
    assert answer.status_code == 400


def test_checkout_subscribes_and_a_declined_card_does_not(api: Api) -> None:
    session = api.post(
        "/v1/checkout/sessions",
        mode="subscription",
        success_url="http://shop.example/?s={CHECKOUT_SESSION_ID}",
        line_items=[{"price": api.price(), "quantity": 1}],
        customer_email="bob@example.org",
    )
    declined = api.http.post(session["url"], data={"card": DECLINED_CARD})
    assert declined.status_code == 402
    assert api.get("/v1/subscriptions", status="all")["data"] == []
    paid = api.http.post(session["url"], data={"card": GOOD_CARD}, follow_redirects=False)
    assert paid.headers["location"] == f"http://shop.example/?s={session['id']}"
    (made,) = api.get("/v1/subscriptions")["data"]
    assert made["status"] == "active"
    assert api.get(f"/v1/checkout/sessions/{session['id']}")["subscription"] == made["id"]


def test_a_checkout_session_expires(api: Api) -> None:
    session = api.post(
        "/v1/checkout/sessions",
        mode="setup",
        customer=api.customer(),
        currency="eur",
        success_url="http://shop.example/",
    )
    api.control("POST", "/clock/advance", days=1)
    assert api.get(f"/v1/checkout/sessions/{session['id']}")["status"] == "expired"
    assert "This session is expired" in api.http.post(session["url"], data={"card": GOOD_CARD}).text


def test_a_meter_event_counts_once(api: Api) -> None:
    api.post(
        "/v1/billing/meters",
        display_name="Bookings",
        event_name="bookings",
        default_aggregation={"formula": "count"},
    )
    use = {"event_name": "bookings", "identifier": "i", "payload": {"stripe_customer_id": api.customer()}}
    assert api.call("POST", "/v1/billing/meter_events", use).status_code == 200
    assert api.call("POST", "/v1/billing/meter_events", use).status_code == 400
