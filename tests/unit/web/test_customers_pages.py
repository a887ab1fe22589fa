"""The dashboard's customers: finding one, what is known of them, correcting and erasing it."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.booking import Consent
from support import web_samples as samples
from support.web_samples_customers import customer, erased
from support.web_site import Browser, Script, hidden_fields

NOW = dt.datetime.now(ZoneInfo(samples.ZONE)).replace(second=0, microsecond=0)
LIST = "/dashboard/customers"
PAGE = f"{LIST}/{samples.CUSTOMER}"
READ = f"GET /v1/customers/{samples.CUSTOMER}"
EDIT = f"PATCH /v1/customers/{samples.CUSTOMER}"
ERASE = f"DELETE /v1/customers/{samples.CUSTOMER}"
TYPED = {
    "name": "Lin Chen",
    "email": "lin@new.example",
    "phone": "+351 911-111 111",
    "locale": "de",
    "consent_sms": "yes",
    "notes": "Coffee",
}


@pytest.fixture(autouse=True)
def lin(gateway: Script, signed_in: None) -> None:
    gateway.on("GET /v1/customers", samples.page(customer()))
    gateway.on(READ, customer())
    gateway.on("GET /v1/appointments", samples.page())


async def test_customers_are_listed_and_lead_to_their_pages(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(LIST)).text
    assert gateway.asked("GET /v1/customers")[0].query == {"limit": "50"}
    assert f'href="{PAGE}"><strong>Lin &lt;Chen&gt;</strong>' in page
    assert "+351912345678 · lin@example.com" in page


async def test_a_customer_is_found_by_how_they_begin_page_by_page(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/customers", samples.page(customer(), cursor="next+page"))
    page = (await browser.get(f"{LIST}?q=+li%26n+")).text
    assert gateway.asked("GET /v1/customers")[0].query == {"limit": "50", "q": "li&n"}
    assert f'rel="next" href="{LIST}?q=li%26n&amp;cursor=next%2Bpage"' in page
    await browser.get(f"{LIST}?q=li%26n&cursor=next%2Bpage")
    assert gateway.asked("GET /v1/customers")[1].query == {"limit": "50", "q": "li&n", "cursor": "next+page"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "Nobody has booked yet."),
        ("?q=%3Cli", "Nobody’s name or e-mail begins so."),
        ("?cursor=c", "That was everybody."),
    ],
)
async def test_an_empty_list_says_why(gateway: Script, browser: Browser, asked: str, words: str) -> None:
    gateway.on("GET /v1/customers", samples.page())
    page = (await browser.get(f"{LIST}{asked}")).text
    assert words in page
    assert f"{LIST}/" not in page.replace(f"{LIST}/export.csv", "")
    assert 'value="&lt;li"' in page or "li" not in asked


async def test_what_cannot_be_looked_for_is_said_at_the_field(gateway: Script, browser: Browser) -> None:
    fault = {"pointer": "?q", "detail": "String should have at most 120 characters"}
    gateway.on("GET /v1/customers", {"title": "Some fields are wrong", "errors": [fault]}, 422)
    answer = await browser.get(f"{LIST}?q={'x' * 121}")
    assert answer.status_code == 422
    assert 'id="q-fault">This must have at most 120 characters.' in answer.text
    assert "Nobody" not in answer.text


async def test_a_customers_page_says_what_is_known(browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert "<h1>Lin &lt;Chen&gt;</h1>" in page
    assert 'value="lin@example.com"' in page
    assert "Tea, &lt;b&gt;no milk</textarea>" in page
    assert '<option value="pt-BR" selected>Portuguese (BR)</option>' in page
    assert 'name="consent_email" type="checkbox" value="yes" checked' in page
    assert 'name="consent_sms" type="checkbox" value="yes" checked' not in page
    assert "No appointments." in page


def visits(*days: int, **changes: Any) -> dict[str, Any]:
    """So many days from now each, the last first, as the API has them."""
    items = [samples.appointment(NOW + dt.timedelta(days=each), **changes) for each in sorted(days)[::-1]]
    return samples.page(*items)


async def test_the_next_appointment_comes_first_and_of_those_behind_the_last(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/appointments", visits(-40, -3, 2, 9))
    page = (await browser.get(PAGE)).text
    assert gateway.asked("GET /v1/appointments")[0].query == {
        "customer": str(samples.CUSTOMER),
        "order": "desc",
        "limit": "200",
    }
    days = [(NOW + dt.timedelta(days=each)).strftime("%Y-%m-%d") for each in (2, 9, -3, -40)]
    places = [page.index(f'datetime="{day}') for day in days]
    assert places == sorted(places)
    assert page.index("<h3>To come") < places[0] < places[1] < page.index("<h3>Before") < places[2]
    assert f"/dashboard/appointments/{samples.APPOINTMENT}" in page


async def test_what_lasts_still_is_not_over(gateway: Script, browser: Browser) -> None:
    long = samples.appointment(NOW - dt.timedelta(hours=1), ends_at=NOW + dt.timedelta(hours=1))
    short = samples.appointment(NOW - dt.timedelta(minutes=50))
    gateway.on("GET /v1/appointments", samples.page(short, long))
    page = (await browser.get(PAGE)).text
    begins = [page.index(f'datetime="{item["starts_at"][:16]}') for item in (long, short)]
    assert begins[0] < page.index("<h3>Before") < begins[1]


async def test_long_ago_is_shown_when_it_is_asked_for(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/appointments", visits(*range(-12, 0)))
    page = (await browser.get(PAGE)).text
    assert page.count(f"/dashboard/appointments/{samples.APPOINTMENT}") == 10
    assert f'href="{PAGE}?past=all">Show all 12' in page
    every = (await browser.get(f"{PAGE}?past=all")).text
    assert every.count(f"/dashboard/appointments/{samples.APPOINTMENT}") == 12
    assert "Show all" not in every


async def test_a_customer_is_corrected_with_the_version_read(gateway: Script, browser: Browser) -> None:
    gateway.on(EDIT, customer())
    sent = await browser.submit(PAGE, PAGE, TYPED)
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(EDIT)
    assert asked.headers["if-match"] == '"v7"'
    assert asked.body == {
        "name": "Lin Chen",
        "email": "lin@new.example",
        "phone": "+351911111111",
        "locale": "de",
        "consent": {"email": False, "sms": True},
        "notes": "Coffee",
    }
    assert "Saved." in (await browser.get(PAGE)).text


async def test_what_is_cleared_is_gone(gateway: Script, browser: Browser) -> None:
    gateway.on(EDIT, customer())
    await browser.submit(PAGE, PAGE, TYPED | {"phone": "", "consent_sms": "", "notes": ""})
    (asked,) = gateway.asked(EDIT)
    assert asked.body["phone"] is None
    assert asked.body["notes"] == ""


@pytest.mark.parametrize(
    ("status", "pointer", "detail", "words"),
    [
        (422, "email", "Value error, must be an e-mail address", 'id="email-fault">This must be an e-mail'),
        (422, "email", "is needed, as there is no number", 'id="email-fault">This is needed, as there is no'),
        (422, "phone", "is needed for messages by SMS", 'id="phone-fault">This is needed for messages'),
        (422, "phone", "String should match pattern 'x'", 'id="phone-fault">This must be a number with its'),
        (
            422,
            "notes",
            "String should have at most 2000 characters",
            'id="notes-fault">This must have at most',
        ),
        (422, "locale", "String should match pattern 'x'", 'id="locale-fault">This has characters'),
        (
            409,
            "",
            "There is another customer with this name.",
            "<p>There is another customer with this name.</p>",
        ),
        (403, "", "Riverside Barbers is suspended.", "<p>Riverside Barbers is suspended.</p>"),
    ],
)
async def test_what_is_refused_is_said_at_its_field_and_what_was_typed_is_kept(
    gateway: Script, browser: Browser, status: int, pointer: str, detail: str, words: str
) -> None:
    gateway.refuse(EDIT, status, "x", detail, **({pointer: detail} if pointer else {}))
    refused = await browser.submit(PAGE, PAGE, TYPED | {"notes": "<i>Coffee"})
    assert refused.status_code == status
    assert words in refused.text
    assert 'value="lin@new.example"' in refused.text
    assert "&lt;i&gt;Coffee</textarea>" in refused.text
    assert '<option value="de" selected>' in refused.text
    assert 'name="consent_sms" type="checkbox" value="yes" checked' in refused.text
    assert 'name="consent_email" type="checkbox" value="yes" checked' not in refused.text
    assert hidden_fields(refused.text, PAGE)["version"] == "7"


async def test_a_customer_without_a_name_never_reaches_the_api(gateway: Script, browser: Browser) -> None:
    refused = await browser.submit(PAGE, PAGE, TYPED | {"name": " "})
    assert refused.status_code == 422
    assert 'id="name-fault">This is needed.' in refused.text
    assert gateway.asked(EDIT) == []


async def test_what_somebody_else_changed_is_not_overwritten(gateway: Script, browser: Browser) -> None:
    gateway.refuse(EDIT, 412, "precondition-failed", "It was changed.")
    answer = await browser.submit(PAGE, PAGE, TYPED | {"notes": "Brings a dog"})
    assert "Somebody changed it" in answer.text
    assert "Brings a dog</textarea>" in answer.text


async def test_a_customer_is_erased_by_two_presses(gateway: Script, browser: Browser) -> None:
    gateway.on(ERASE, None, 204)
    page = (await browser.get(PAGE)).text
    assert page.index('<details class="danger">') < page.index(f'action="{PAGE}/erase"')
    assert "Past appointments stay without a name" in page
    sent = await browser.submit(PAGE, f"{PAGE}/erase")
    assert (sent.status_code, sent.headers["location"]) == (303, LIST)
    assert len(gateway.asked(ERASE)) == 1
    assert "Erased." in (await browser.get(LIST)).text


@pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled"])
async def test_who_is_still_waited_for_is_not_offered_to_be_erased(
    gateway: Script, browser: Browser, status: str
) -> None:
    gateway.on("GET /v1/appointments", visits(2, status=status))
    page = (await browser.get(PAGE)).text
    assert (f"{PAGE}/erase" in page) is (status == "cancelled")
    assert ("There are appointments to come." in page) is (status != "cancelled")


async def test_why_somebody_is_not_erased_is_told(gateway: Script, browser: Browser) -> None:
    detail = "One appointment is still to take place; cancel first."
    gateway.refuse(ERASE, 409, "customer-has-appointments", detail)
    sent = await browser.submit(PAGE, f"{PAGE}/erase")
    assert sent.headers["location"] == PAGE
    page = (await browser.get(PAGE)).text
    assert "There are appointments to come. Cancel them first" in page
    assert "1 appointments" not in page


async def test_of_who_was_erased_nothing_but_appointments_is_shown(gateway: Script, browser: Browser) -> None:
    gone = erased(dt.datetime(2026, 7, 1, 23, 30, tzinfo=dt.UTC))
    gateway.on(READ, gone)
    gateway.on("GET /v1/appointments", visits(-3, customer=gone))
    page = (await browser.get(PAGE)).text
    assert "<h1>Erased customer</h1>" in page
    assert "Erased on Thursday, 2 July 2026" in page, "by the business's clock"
    assert f"/dashboard/appointments/{samples.APPOINTMENT}" in page
    assert f'action="{PAGE}' not in page
    assert f"Erased {samples.CUSTOMER}" not in page


async def test_an_appointment_leads_to_its_customer(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(NOW))
    gateway.on("GET /v1/appointments", visits(0))
    for page in ("/dashboard", "/dashboard/appointments", f"/dashboard/appointments/{samples.APPOINTMENT}"):
        assert f'<a href="{PAGE}">Lin &lt;Chen&gt;</a>' in (await browser.get(page)).text


async def test_an_appointment_of_who_was_erased_names_nobody(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/appointments", visits(0, customer=erased(NOW)))
    page = (await browser.get("/dashboard")).text
    assert "Erased customer" in page
    assert f"Erased {samples.CUSTOMER}" not in page


@pytest.mark.usefixtures("as_staff")
async def test_staff_correct_a_customer_and_erase_none(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert "Save</button>" in page
    assert "rase" not in page
    assert "/dashboard/history" not in page
    assert f"/dashboard/appointments/new?customer={samples.CUSTOMER}" in page
    assert "export.csv" not in (await browser.get(LIST)).text


async def test_an_unknown_customer_is_a_page(gateway: Script, browser: Browser) -> None:
    gateway.refuse(READ, 404, "not-found", "There is no such customer.")
    for address in (PAGE, f"{LIST}/everybody"):
        assert (await browser.get(address)).status_code == 404


async def test_somebody_with_no_address_is_shown_without(gateway: Script, browser: Browser) -> None:
    nobody = customer(email=None, phone=None, locale="xx-YY", consent=Consent(email=False, sms=False))
    gateway.on(READ, nobody)
    gateway.on("GET /v1/customers", samples.page(nobody))
    for address in (LIST, PAGE):
        assert "None" not in (await browser.get(address)).text
    assert '<option value="xx-YY" selected>xx-YY</option>' in (await browser.get(PAGE)).text
