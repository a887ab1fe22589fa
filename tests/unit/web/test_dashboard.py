"""The dashboard: what is asked of the API, with which version, and what a form says when it is refused."""

import datetime as dt
import re
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields
from web.dashboard.figures import bars

pytestmark = pytest.mark.usefixtures("signed_in")
LISBON = ZoneInfo(samples.ZONE)
TODAY = dt.datetime.now(LISBON).date()
NOON = dt.datetime.combine(TODAY, dt.time(12), LISBON)
MEMBER = f"/dashboard/staff/{samples.ADA}"
OFFER = f"/dashboard/services/{samples.SERVICE}"


async def test_a_day_is_the_businesss_local_day(gateway: Script, browser: Browser) -> None:
    page = await browser.get("/dashboard?date=2030-03-31")
    asked = gateway.asked("GET /v1/appointments")[0].query
    assert asked["from"] == "2030-03-31T00:00:00+00:00"
    assert asked["to"] == "2030-03-31T23:00:00+00:00", "the day on which the clocks go forward has 23 hours"
    assert "Lin &lt;Chen&gt;" in page.text
    assert ">12:00</time>" in page.text
    assert "Haircut" in page.text


async def test_all_pages_of_a_day_are_shown(gateway: Script, browser: Browser) -> None:
    pages = [samples.page(samples.appointment(NOON), cursor="c1"), samples.page(samples.appointment(NOON))]
    gateway.on("GET /v1/appointments", lambda call: (200, pages.pop(0)))
    page = await browser.get("/dashboard")
    assert page.text.count('class="who"') == 2
    assert gateway.asked("GET /v1/appointments")[1].query["cursor"] == "c1"


@pytest.mark.parametrize("action", ["confirm", "complete", "no-show", "cancel"])
async def test_an_appointment_is_acted_on(gateway: Script, browser: Browser, action: str) -> None:
    minutes, status = (5, "pending") if action == "confirm" else (-5, "confirmed")
    begins = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    gateway.on("GET /v1/appointments", samples.page(samples.appointment(begins, status=status)))
    route = f"POST /v1/appointments/{samples.APPOINTMENT}/{action}"
    gateway.on(route, samples.appointment(NOON))
    answer = await browser.submit("/dashboard", f"/dashboard/appointments/{samples.APPOINTMENT}/{action}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/dashboard"
    assert len(gateway.asked(route)) == 1


@pytest.mark.parametrize(
    ("consents", "words"),
    [
        (True, "the customer is told by e-mail"),
        (False, "it is for you to tell the customer, who takes no e-mails"),
    ],
)
async def test_who_cancels_or_moves_is_told_whether_the_customer_hears_of_it(
    gateway: Script, browser: Browser, words: str, *, consents: bool
) -> None:
    item = samples.appointment(NOON)
    item["customer"]["consent"]["email"] = consents
    gateway.on("GET /v1/appointments", samples.page(item))
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", item)
    for method, address in (("POST", "/cancel"), ("PATCH", "")):
        gateway.on(f"{method} /v1/appointments/{samples.APPOINTMENT}{address}", item)
    page = f"/dashboard/appointments/{samples.APPOINTMENT}"
    assert f"The time becomes free, and {words}." in (await browser.get("/dashboard")).text
    await browser.submit("/dashboard", f"{page}/cancel")
    assert f"The appointment is cancelled, and {words}." in (await browser.get("/dashboard")).text
    await browser.submit(page, f"{page}/move", {"starts_at": "2030-01-01T12:00"})
    assert f"The appointment is moved, and {words}." in (await browser.get(page)).text


@pytest.mark.parametrize("year", [1000, 1926, 2000, 2099, 8999])
async def test_a_year_that_was_mistyped_shows_today(gateway: Script, browser: Browser, year: int) -> None:
    for page in ("/dashboard", "/dashboard/appointments"):
        assert (await browser.get(f"{page}?date={year}-12-31")).status_code == 200
    today = dt.datetime.combine(TODAY, dt.time(), LISBON).astimezone(dt.UTC).isoformat()
    assert [call.query["from"] for call in gateway.asked("GET /v1/appointments")] == [today, today]


async def test_the_day_says_who_cancelled(gateway: Script, browser: Browser) -> None:
    by = {"customer": "by the customer", "system": "not confirmed in time", "staff": "", None: ""}
    for cancelled_by, words in by.items():
        item = samples.appointment(NOON, status="cancelled", cancelled_by=cancelled_by)
        gateway.on("GET /v1/appointments", samples.page(item))
        shown = (await browser.get("/dashboard")).text
        assert [each for each in by.values() if each and each in shown] == ([words] if words else [])


@pytest.mark.parametrize("page", ["/dashboard", "/dashboard/appointments"])
async def test_what_has_run_out_is_not_offered_to_be_confirmed(
    gateway: Script, browser: Browser, page: str
) -> None:
    """The system cancels it in a moment; or has done so."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    items = [samples.appointment(past, status=status) for status in ("pending", "cancelled")]
    gateway.on("GET /v1/appointments", samples.page(*items))
    shown = (await browser.get(page)).text
    assert shown.count('class="who"') == 2
    assert "/confirm" not in shown
    assert shown.count("/cancel") == 1


async def test_one_comes_back_to_our_pages_only(gateway: Script, browser: Browser) -> None:
    gateway.on(f"POST /v1/appointments/{samples.APPOINTMENT}/cancel", samples.appointment(NOON))
    action = f"/dashboard/appointments/{samples.APPOINTMENT}/cancel"
    for back, expected in [
        ("https://evil.example", "/dashboard"),
        ("//evil.example", "/dashboard"),
        ("/dashboard?date=2030-01-01", "/dashboard?date=2030-01-01"),
    ]:
        answer = await browser.submit("/dashboard", action, {"back": back})
        assert answer.headers["location"] == expected


async def test_a_refused_action_says_why(gateway: Script, browser: Browser) -> None:
    route = f"POST /v1/appointments/{samples.APPOINTMENT}/cancel"
    gateway.refuse(route, 409, "appointment-closed", "The appointment is over.")
    await browser.submit("/dashboard", f"/dashboard/appointments/{samples.APPOINTMENT}/cancel")
    assert "The appointment is over." in (await browser.get("/dashboard")).text


async def test_what_is_done_on_a_later_page_of_the_list_leads_back_to_it(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(f"POST /v1/appointments/{samples.APPOINTMENT}/cancel", samples.appointment(NOON))
    page = "/dashboard/appointments?date=2030-01-01&status=confirmed&cursor=next%2Bpage"
    action = f"/dashboard/appointments/{samples.APPOINTMENT}/cancel"
    fields = hidden_fields((await browser.get(page)).text, action)
    answer = await browser.post(action, data={name: unescape(value) for name, value in fields.items()})
    assert answer.headers["location"] == page


async def test_the_list_is_filtered_and_paged(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/appointments", samples.page(samples.appointment(NOON), cursor="next+page"))
    page = await browser.get(f"/dashboard/appointments?status=confirmed&staff={samples.ADA}&date=2030-01-01")
    asked = gateway.asked("GET /v1/appointments")[0].query
    assert asked == {
        "from": "2030-01-01T00:00:00+00:00",
        "limit": "50",
        "status": "confirmed",
        "staff": str(samples.ADA),
    }
    assert "cursor=next%2Bpage" in page.text
    await browser.get("/dashboard/appointments?status=eaten&staff=x")
    assert "status" not in gateway.asked("GET /v1/appointments")[1].query


async def test_a_service_is_shown_and_saved_in_its_currency(gateway: Script, browser: Browser) -> None:
    route = f"PUT /v1/services/{samples.SERVICE}"
    gateway.on(route, samples.service())
    page = await browser.get(OFFER)
    assert 'value="25.00"' in page.text
    fields = {name: str(value) for name, value in samples.service().items() if isinstance(value, int | str)}
    fields |= {"price": "27,50", "staff": str(samples.ADA)}
    fields.pop("requires_confirmation")
    answer = await browser.submit(OFFER, OFFER, fields)
    assert answer.headers["location"] == "/dashboard/services", answer.text
    (asked,) = gateway.asked(route)
    assert asked.headers["if-match"] == '"v3"'
    assert asked.body["price_amount"] == 2750
    assert asked.body["staff_ids"] == [str(samples.ADA)]
    assert asked.body["requires_confirmation"] is False


@pytest.mark.parametrize(
    ("staff", "words"),
    [([str(samples.ADA)], "Cut can be booked now."), ([], "Cut is saved; nobody performs it yet.")],
)
async def test_a_new_service_is_said_to_be_bookable_only_when_somebody_performs_it(
    gateway: Script, browser: Browser, staff: list[str], words: str
) -> None:
    gateway.on("POST /v1/services", samples.service(), 201)
    page = "/dashboard/services/new"
    numbers = {name: str(value) for name, value in samples.service().items() if type(value) is int}
    await browser.submit(page, page, numbers | {"name": "Cut", "price": "25", "staff": staff})
    assert words in (await browser.get("/dashboard/services")).text


async def test_a_new_service_says_what_is_wrong_with_it(gateway: Script, browser: Browser) -> None:
    page = "/dashboard/services/new"
    answer = await browser.submit(
        page, page, {"name": "", "price": "lots", "duration_minutes": "half an hour"}
    )
    assert answer.status_code == 422
    assert 'id="name-fault">This is needed.' in answer.text
    assert 'id="price-fault">This must be an amount such as 25.00.' in answer.text
    assert 'id="duration_minutes-fault">This must be a whole number.' in answer.text


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("1e5000", "This must be at most 1,000,000.00."),
        ("9e999999", "This must be at most 1,000,000.00."),
        ("1000000,01", "This must be at most 1,000,000.00."),
        ("sNaN", "This must be an amount such as 25.00."),
    ],
)
async def test_a_price_beyond_all_bounds_is_said_at_its_field(
    gateway: Script, browser: Browser, price: str, words: str
) -> None:
    page = "/dashboard/services/new"
    answer = await browser.submit(page, page, {"name": "Cut", "price": price})
    assert answer.status_code == 422
    assert f'id="price-fault">{words}' in answer.text


@pytest.mark.parametrize(
    ("price", "currency", "amount"),
    [
        ("1,000", "EUR", None),
        ("1.000", "EUR", None),
        ("1,000.00", "EUR", None),
        ("27,500", "EUR", None),
        ("1,000", "JPY", None),
        ("25", "EUR", 2500),
        ("27.5", "EUR", 2750),
        ("60.00", "EUR", 6000),
        ("1000", "JPY", 1000),
        ("1,000", "KWD", 1000),
        ("50000", "UGX", 5000000),
        ("-1", "EUR", None),
        ("NaN", "EUR", None),
        ("-Infinity", "EUR", None),
    ],
)
async def test_a_price_whose_thousands_are_parted_is_not_taken_for_a_thousandth(
    gateway: Script, browser: Browser, price: str, currency: str, amount: int | None
) -> None:
    gateway.on("GET /v1/business", samples.profile(currency=currency))
    gateway.on("POST /v1/services", samples.service(), 201)
    page = "/dashboard/services/new"
    numbers = {name: str(value) for name, value in samples.service().items() if type(value) is int}
    answer = await browser.submit(page, page, numbers | {"name": "Cut", "price": price})
    assert ("This must be an amount such as" in answer.text) is (amount is None)
    asked = [call.body["price_amount"] for call in gateway.asked("POST /v1/services")]
    assert asked == ([] if amount is None else [amount])


async def test_a_version_that_no_page_gave_is_none(gateway: Script, browser: Browser) -> None:
    route = f"PUT /v1/staff/{samples.ADA}/hours"
    gateway.refuse(route, 412, "precondition-failed", "If-Match is not an ETag of this resource.")
    gateway.on(f"GET /v1/staff/{samples.ADA}/hours", {"version": 5})
    for version in ("4\r\nX-Role: owner", "é", "", "4x"):
        answer = await browser.submit(MEMBER, f"{MEMBER}/hours", {"version": version})
        assert answer.status_code == 412
    assert {call.headers["if-match"] for call in gateway.asked(route)} == {'"v"'}


async def test_reminders_are_shown_in_the_largest_unit_and_saved(gateway: Script, browser: Browser) -> None:
    gateway.on("PUT /v1/reminder-policy", samples.policy())
    page = await browser.get("/dashboard/reminders")
    assert "1 day, 90 minutes ahead" in page.text
    rows = {
        "amount-0": "2",
        "unit-0": "days",
        "channel-0": "email",
        "amount-1": "",
        "amount-2": "30",
        "unit-2": "minutes",
        "channel-2": "sms",
    }
    answer = await browser.submit("/dashboard/reminders", "/dashboard/reminders", rows)
    assert answer.status_code == 303
    (asked,) = gateway.asked("PUT /v1/reminder-policy")
    assert asked.headers["if-match"] == '"v2"'
    assert asked.body == {
        "rules": [
            {"offset_seconds": 172800, "channel": "email"},
            {"offset_seconds": 1800, "channel": "sms"},
        ]
    }


async def test_a_reminder_of_seconds_stays_one(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/reminder-policy", samples.policy(90))
    gateway.on("PUT /v1/reminder-policy", samples.policy(90))
    page = (await browser.get("/dashboard/reminders")).text
    assert "<option selected>seconds</option>" in page
    rows = {"amount-0": re.findall(r'name="amount-0"[^>]* value="([^"]*)"', page)[0], "unit-0": "seconds"}
    assert (await browser.submit("/dashboard/reminders", "/dashboard/reminders", rows)).status_code == 303
    assert gateway.asked("PUT /v1/reminder-policy")[0].body["rules"][0]["offset_seconds"] == 90


@pytest.mark.parametrize("amount", ["0", "soon", "-1", "1.5", "366"])
async def test_a_reminder_without_a_whole_time_is_refused(
    gateway: Script, browser: Browser, amount: str
) -> None:
    row = {"amount-0": amount, "unit-0": "days"}
    answer = await browser.submit("/dashboard/reminders", "/dashboard/reminders", row)
    assert answer.status_code == 422
    assert 'id="amount-0-fault"' in answer.text
    assert gateway.asked("PUT /v1/reminder-policy") == []


async def test_paying_leads_to_stripe_by_a_link(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/billing/subscription", samples.subscription())
    gateway.on("GET /v1/usage", samples.usage())
    gateway.on("GET /v1/billing/invoices", samples.page())
    gateway.on("POST /v1/billing/checkout-sessions", {"url": "https://pay.example/c/1", "id": "cs_1"}, 201)
    page = await browser.get("/dashboard/billing")
    assert "42 of 500" in page.text
    assert "Change card or cancel" in page.text  # the plan is the Tenant's, and not to be had there
    answer = await browser.submit("/dashboard/billing", "/dashboard/billing/checkout")
    assert answer.status_code == 200
    assert 'href="https://pay.example/c/1"' in answer.text
    (asked,) = gateway.asked("POST /v1/billing/checkout-sessions")
    assert asked.body == {"return_path": "/dashboard/billing"}


@pytest.mark.parametrize("state", ["unpaid", "paused"])
async def test_whose_card_is_charged_no_more_can_give_another(
    gateway: Script, browser: Browser, state: str
) -> None:
    """By Stripe's portal alone the subscription would not go on."""
    subscription = samples.subscription(state=state, has_payment_method=True)
    gateway.on("GET /v1/billing/subscription", subscription)
    gateway.on("GET /v1/usage", samples.usage())
    gateway.on("GET /v1/billing/invoices", samples.page())
    page = (await browser.get("/dashboard/billing")).text
    assert "Add a way to pay" in page
    assert "Renews" not in page


@pytest.mark.parametrize("has_card", [False, True])
@pytest.mark.parametrize("state", ["canceled", "incomplete_expired", "active"])
async def test_what_has_ended_can_be_subscribed_to_again(
    gateway: Script, browser: Browser, state: str, *, has_card: bool
) -> None:
    subscription = samples.subscription(state=state, has_payment_method=has_card)
    gateway.on("GET /v1/billing/subscription", subscription)
    gateway.on("GET /v1/usage", samples.usage())
    gateway.on("GET /v1/billing/invoices", samples.page())
    gateway.on("POST /v1/billing/checkout-sessions", {"url": "https://pay.example/c/1", "id": "cs_1"}, 201)
    page = (await browser.get("/dashboard/billing")).text
    ended = state != "active"
    assert ("Subscribe again" in page) is ended
    assert ("Add a way to pay" in page) is not (ended or has_card)
    assert ("Renews" in page) is not ended
    if ended:
        await browser.submit("/dashboard/billing", "/dashboard/billing/checkout")
        assert len(gateway.asked("POST /v1/billing/checkout-sessions")) == 1


async def test_a_payment_page_that_is_no_web_address_is_not_shown(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/billing/subscription", samples.subscription())
    gateway.on("GET /v1/usage", samples.usage())
    gateway.on("GET /v1/billing/invoices", samples.page())
    gateway.on("POST /v1/billing/portal-sessions", {"url": "javascript:alert(1)", "id": "x"}, 201)
    answer = await browser.submit("/dashboard/billing", "/dashboard/billing/portal")
    assert answer.status_code == 500
    assert "javascript:" not in answer.text


@pytest.mark.usefixtures("as_staff")
async def test_staff_see_no_owners_forms(browser: Browser) -> None:
    assert "Save the hours" not in (await browser.get(MEMBER)).text


def test_bars_stand_within_the_chart() -> None:
    days = [
        {"date": "2030-01-01", "booked": 9, "cancelled": 3},
        {"date": "2030-01-02", "booked": 0, "cancelled": 0},
    ]
    first, second = bars(days)
    assert first.height + first.lost <= 160
    assert second.height == 0
    assert first.x + first.width < second.x
    assert bars([]) == []


async def test_what_may_lie_years_apart_says_its_year(gateway: Script, browser: Browser) -> None:
    at = dt.datetime(2031, 3, 4, 12, tzinfo=LISBON)
    gateway.on("GET /v1/appointments", samples.page(samples.appointment(at)))
    assert "<div>Tue 4 Mar 2031</div>" in (await browser.get("/dashboard/appointments")).text
    invoice = dict.fromkeys(("hosted_invoice_url", "invoice_pdf")) | {
        "number": "A-1",
        "status": "paid",
        "total": {"amount": 2500, "currency": "EUR"},
        "created_at": at.isoformat(),
    }
    gateway.on("GET /v1/billing/subscription", samples.subscription())
    gateway.on("GET /v1/usage", samples.usage())
    gateway.on("GET /v1/billing/invoices", samples.page(invoice))
    assert "<td>Tue 4 Mar 2031</td>" in (await browser.get("/dashboard/billing")).text
