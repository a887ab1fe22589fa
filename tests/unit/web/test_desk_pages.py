"""Booking by the business itself: choosing a time, the form, and what becomes of it."""

import datetime as dt
import re
from html import unescape
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from support import web_samples as samples
from support import web_samples_desk as desk
from support.web_site import Browser, Script, hidden_fields
from unit.web.desk_form import (
    BOOK,
    BOOK_SERIES,
    CUSTOMERS,
    DAY,
    DETAILS,
    KNOWN,
    NEW,
    TYPED,
    chosen,
    details,
    field,
)
from unit.web.open_business import DOG, FREE, LENGTH, LISBON, NINE, QUESTIONS, RULES, TOO_SOON

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(autouse=True)
def free(gateway: Script) -> None:
    gateway.on(FREE, samples.availability(NINE, NINE + dt.timedelta(minutes=15)))
    gateway.on(BOOK, samples.booked(NINE), 201)


@pytest.mark.usefixtures("as_staff")
async def test_the_day_and_the_list_lead_to_it(browser: Browser) -> None:
    today = dt.datetime.now(LISBON).date()
    tomorrow = today + dt.timedelta(days=1)
    assert f'href="{NEW}"' in (await browser.get("/dashboard")).text
    assert f'href="{NEW}?date={tomorrow}"' in (await browser.get(f"/dashboard?date={tomorrow}")).text
    assert f'href="{NEW}"' in (await browser.get("/dashboard/appointments")).text
    assert (await browser.get(NEW)).status_code == 200


async def test_who_is_not_signed_in_is_asked_to(browser: Browser) -> None:
    browser.cookies.clear()
    for page in (NEW, DETAILS):
        assert (await browser.get(page)).headers["location"] == f"/login?next={page}"


async def test_a_service_is_chosen_first_of_those_that_somebody_performs(
    gateway: Script, browser: Browser
) -> None:
    others = [
        samples.service(id=DOG, name="Shave", staff_ids=[]),
        samples.service(id=LENGTH, name="<i>Perm</i>"),
    ]
    gateway.on("GET /v1/services", samples.page(samples.service(), *others))
    page = (await browser.get(f"{NEW}?date=2027-07-01")).text
    assert f'href="{NEW}?service={samples.SERVICE}&staff=&date=2027-07-01&customer="' in unescape(page)
    assert "&lt;i&gt;Perm" in page
    assert "Shave" not in page
    assert gateway.asked(FREE) == []
    page = (await browser.get(f"{NEW}?service={LENGTH}")).text
    assert 'name="starts_at"' in page
    assert "Another service" in page


async def test_without_any_it_says_what_is_needed_first(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/services", samples.page())
    page = (await browser.get(NEW)).text
    assert "Nothing can be booked yet" in page
    assert 'href="/dashboard/services"' in page


async def test_free_times_are_those_of_the_business_and_of_whoever_is_chosen(
    gateway: Script, browser: Browser
) -> None:
    week = (NINE + dt.timedelta(days=7)).date().isoformat()
    page = (await browser.get(f"{NEW}?service={samples.SERVICE}&staff={samples.GRACE}&date={week}")).text
    (asked,) = gateway.asked(FREE)
    assert (asked.query["service"], asked.query["staff"]) == (str(samples.SERVICE), str(samples.GRACE))
    assert (asked.query["from"], asked.query["timezone"]) == (week, samples.ZONE)
    assert re.search(rf'id="with-{samples.GRACE}"[^>]* aria-current="true"', page)
    fields = hidden_fields(page, DETAILS)
    assert UUID(fields.pop("key"))
    assert fields == {"service": str(samples.SERVICE), "staff": str(samples.GRACE), "customer": ""}
    page = (await browser.get(f"{NEW}?staff={LENGTH}")).text
    assert "staff" not in gateway.asked(FREE)[1].query, "who does not perform it is nobody to ask for"
    assert f'value="{samples.availability(NINE)["slots"][0]["starts_at"]}"' in page
    assert ">09:00</time>" in page


async def test_what_is_followed_in_the_picker_has_the_same_id_in_the_next_page(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/services", samples.page(samples.service(), samples.service(id=DOG)))
    picker = (await browser.get(f"{NEW}?service={samples.SERVICE}")).text.partition('id="picker"')[2]
    links = re.findall(r"<a [^>]*>", picker)
    assert links
    assert [link for link in links if ' id="' not in link] == []


async def test_a_business_that_is_suspended_is_not_asked_for_times(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/business", samples.profile(state="suspended"))
    page = (await browser.get(NEW)).text
    assert "This business is suspended" in page
    assert gateway.asked(FREE) == []


async def test_a_service_that_booking_does_not_know_yet_asks_for_patience(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(FREE, {"errors": [{"pointer": "?service", "detail": "is not a service"}]}, 422)
    page = await browser.get(NEW)
    assert page.status_code == 200
    assert "cannot be booked just yet" in page.text


async def test_a_chosen_time_stands_in_the_form_by_the_clock_of_the_business(browser: Browser) -> None:
    utc = NINE.astimezone(ZoneInfo("Asia/Tokyo")).isoformat()
    page = (await browser.get(details(staff=samples.GRACE, starts_at=utc))).text
    assert f'value="{NINE:%Y-%m-%dT%H:%M}"' in field(page, "starts_at")
    assert chosen(page, "staff") == [str(samples.GRACE)]
    assert "Haircut" in page
    assert 'value=""' in field((await browser.get(details())).text, "starts_at")
    assert 'value=""' in field((await browser.get(details(starts_at="soon"))).text, "starts_at")


async def test_a_service_that_is_none_is_chosen_anew(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/services", samples.page(samples.service(), samples.service(id=LENGTH)))
    answer = await browser.get(details(service=DOG))
    assert answer.headers["location"] == NEW
    form = hidden_fields((await browser.get(details())).text, NEW)
    sent = await browser.post(NEW, data=form | TYPED | {"service": str(DOG)})
    assert sent.headers["location"] == NEW
    assert "Please choose a service." in (await browser.get(NEW)).text
    gateway.on("GET /v1/services", samples.page(samples.service(id=LENGTH)))
    assert (await browser.post(NEW, data=form | TYPED)).headers["location"] == NEW, (
        "not the only one that is left"
    )
    assert gateway.asked(BOOK) == []


@pytest.mark.usefixtures("as_staff")
async def test_somebody_is_booked(gateway: Script, browser: Browser) -> None:
    sent = await browser.submit(details(starts_at=NINE.isoformat()), NEW, TYPED)
    assert (sent.status_code, sent.headers["location"]) == (303, DAY)
    (asked,) = gateway.asked(BOOK)
    assert asked.headers["idempotency-key"]
    assert asked.body == {
        "service_id": str(samples.SERVICE),
        "staff_id": str(samples.GRACE),
        "starts_at": NINE.isoformat(),
        "customer": {"name": "Bea <Bond>", "email": "bea@customer.example", "phone": "+351912345678"},
        "consent": {"email": True, "sms": False},
        "notes": "Left-handed </textarea>",
        "answers": [],
    }
    assert "Booked for Bea &lt;Bond&gt; at 09:00." in (await browser.get(DAY)).text


async def test_with_anyone_means_that_nobody_is_named(gateway: Script, browser: Browser) -> None:
    browser.headers["accept-language"] = "de-DE"
    await browser.submit(details(), NEW, TYPED | {"staff": "", "phone": ""})
    (asked,) = gateway.asked(BOOK)
    assert "staff_id" not in asked.body
    assert asked.body["customer"].keys() == {"name", "email"}, "whoever types has another language, may be"


async def test_a_form_sent_twice_has_one_key_and_a_new_form_another(
    gateway: Script, browser: Browser
) -> None:
    fields = hidden_fields((await browser.get(details())).text, NEW) | TYPED
    await browser.post(NEW, data=fields)
    await browser.post(NEW, data=fields)
    await browser.submit(details(), NEW, TYPED)
    first, second, third = (call.headers["idempotency-key"] for call in gateway.asked(BOOK))
    assert first == second
    assert third != first


async def test_a_form_keeps_its_key_while_faults_are_mended_and_when_it_is_loaded_anew(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(CUSTOMERS, samples.page(desk.known()))
    gateway.on(KNOWN, desk.known())
    key = hidden_fields((await browser.get(NEW)).text, DETAILS)["key"]
    found = (await browser.get(details(key=key, q="Lin"))).text
    assert f"&customer={samples.CUSTOMER}&key={key}" in unescape(found)
    for page in (details(key=key), details(key=key, customer=samples.CUSTOMER)):
        assert hidden_fields((await browser.get(page)).text, NEW)["key"] == key
    incomplete = await browser.submit(details(key=key), NEW, TYPED | {"name": ""})
    gateway.refuse(BOOK, 409, "slot-taken", "This time has just been taken.")
    taken = await browser.submit(details(key=key), NEW, TYPED)
    assert [hidden_fields(page.text, NEW)["key"] for page in (incomplete, taken)] == [key, key]


async def test_a_form_that_has_booked_something_else_gets_a_new_key(
    gateway: Script, browser: Browser
) -> None:
    gateway.refuse(BOOK, 422, "idempotency-key-reused", "Take another Idempotency-Key.")
    fields = hidden_fields((await browser.get(details())).text, NEW)
    refused = await browser.post(NEW, data=fields | TYPED)
    assert hidden_fields(refused.text, NEW)["key"] != fields["key"]


async def test_a_time_is_typed_by_the_clock_of_the_business(gateway: Script, browser: Browser) -> None:
    slot = {"starts_at": NINE.isoformat()}
    await browser.submit(details(**slot), NEW, TYPED | {"starts_at": "2028-07-01T09:30"})
    (asked,) = gateway.asked(BOOK)
    assert asked.body["starts_at"] == "2028-07-01T09:30:00+01:00"


async def test_of_a_time_that_comes_twice_the_chosen_one_is_booked(gateway: Script, browser: Browser) -> None:
    twice = "2030-10-27T01:30"
    for slot in ("2030-10-27T01:30:00+00:00", ""):
        await browser.submit(details(starts_at=slot), NEW, TYPED | {"starts_at": twice})
    booked = [call.body["starts_at"] for call in gateway.asked(BOOK)]
    assert booked == ["2030-10-27T01:30:00+00:00", "2030-10-27T01:30:00+01:00"]


async def test_what_is_missing_or_none_is_said_at_its_field_and_never_reaches_the_api(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/services", samples.page(samples.service(questions=QUESTIONS)))
    typed = TYPED | {"email": "", "phone": "", "consent_sms": "yes", "starts_at": "soon"}
    typed |= {"repeat": "week", "count": "many", f"question-{LENGTH}": "long"}
    refused = await browser.submit(details(), NEW, typed)
    assert refused.status_code == 422
    for name, words in {
        "email": "An address is needed for e-mails.",
        "phone": "A number is needed for text messages.",
        "starts_at": "This must be a date and a time.",
        "count": "This must be a whole number, such as 6.",
        f"question-{DOG}": "This is needed.",
    }.items():
        assert f'id="{name}-fault">{words}' in refused.text
        assert 'aria-invalid="true"' in field(refused.text, name)
    assert 'value="Bea &lt;Bond&gt;"' in field(refused.text, "name")
    assert " checked" in field(refused.text, "consent_email")
    assert " checked" in field(refused.text, "consent_sms")
    assert "Left-handed &lt;/textarea&gt;</textarea>" in refused.text
    assert chosen(refused.text, "staff") == [str(samples.GRACE)]
    assert chosen(refused.text, "repeat") == ["week"]
    assert chosen(refused.text, f"question-{LENGTH}") == ["long"]
    assert gateway.asked(BOOK) == gateway.asked(BOOK_SERIES) == []


async def test_who_rings_up_needs_no_address(gateway: Script, browser: Browser) -> None:
    gateway.on(BOOK, samples.booked(NINE), 201)
    without = TYPED | {"email": "", "consent_email": "", "phone": ""}
    refused = await browser.submit(details(), NEW, without)
    assert 'id="email-fault">An address or a number is needed.' in refused.text
    await browser.submit(details(), NEW, without | {"phone": "+351 912 345 678"})
    (asked,) = gateway.asked(BOOK)
    assert asked.body["customer"] == {"name": "Bea <Bond>", "phone": "+351912345678"}
    assert asked.body["consent"] == {"email": False, "sms": False}


@pytest.mark.parametrize(
    ("pointer", "detail", "name", "words"),
    [
        ("starts_at", TOO_SOON, "starts_at", f"This time {TOO_SOON}. Please choose another."),
        (
            "starts_at",
            "Value error, must lie in the years 2000 to 2099",
            "starts_at",
            "This time must lie in",
        ),
        ("staff_id", "does not perform this service", "staff", "This person does not perform this service."),
        ("customer__email", "must be an e-mail address", "email", "This must be an e-mail address."),
        ("customer__phone", "String should match pattern '^x$'", "phone", "This must be a number with"),
        ("notes", "String should have at most 2000 characters", "notes", "This must have at most 2000"),
        ("answers__0__answer", "is none of the choices", f"question-{DOG}", "This is none of the choices."),
    ],
)
async def test_the_apis_faults_stand_at_their_fields(
    gateway: Script, browser: Browser, pointer: str, detail: str, name: str, words: str
) -> None:
    gateway.on("GET /v1/services", samples.page(samples.service(questions=QUESTIONS)))
    gateway.refuse(BOOK, 422, "invalid", "…", **{pointer: detail})
    typed = TYPED | {f"question-{DOG}": "Rex", f"question-{RULES}": "yes"}
    refused = await browser.submit(details(), NEW, typed)
    assert refused.status_code == 422
    assert f'id="{name}-fault">{words}' in refused.text
    assert 'aria-invalid="true"' in field(refused.text, name)
    assert 'value="Bea &lt;Bond&gt;"' in refused.text
    assert 'value="Rex"' in refused.text


async def test_who_finds_a_time_taken_reads_what_is_free_on_that_day(
    gateway: Script, browser: Browser
) -> None:
    gateway.refuse(BOOK, 409, "slot-taken", "This time has just been taken. Choose another one.")
    page = details(starts_at=NINE.isoformat())
    refused = await browser.submit(page, NEW, TYPED)
    assert refused.status_code == 409
    assert 'id="starts_at-fault">This time is taken.' in refused.text
    assert "Free on that day: 09:00, 09:15</p>" in refused.text
    (asked,) = gateway.asked(FREE)
    assert (asked.query["from"], asked.query["staff"]) == (NINE.date().isoformat(), str(samples.GRACE))
    assert hidden_fields(refused.text, NEW)["slot"] == NINE.isoformat(), "it may be one that comes twice"
    later = TYPED | {"starts_at": f"{NINE + dt.timedelta(days=1):%Y-%m-%dT%H:%M}"}
    assert "Free on that day" not in (await browser.submit(page, NEW, later)).text
    past = TYPED | {"starts_at": "2020-01-01T09:00"}
    assert "Free on that day" not in (await browser.submit(page, NEW, past)).text


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (403, "quota-exceeded", "The plan has no more bookings this month."),
        (403, "tenant-suspended", "This business is suspended."),
        (422, "idempotency-key-reused", "This form has booked something else before."),
    ],
)
async def test_what_is_no_fields_fault_is_said_above_the_form(
    gateway: Script, browser: Browser, status: int, slug: str, words: str
) -> None:
    gateway.refuse(BOOK, status, slug, words if status == 403 else "Take another Idempotency-Key.")
    refused = await browser.submit(details(), NEW, TYPED)
    assert refused.status_code == status
    assert f"<p>{words}" in refused.text
    assert "Idempotency-Key" not in refused.text
    assert 'value="Bea &lt;Bond&gt;"' in refused.text


async def test_who_is_known_is_found_and_need_not_be_typed(gateway: Script, browser: Browser) -> None:
    gateway.on(CUSTOMERS, samples.page(desk.known(), cursor="more"))
    gateway.on(KNOWN, desk.known())
    at = {"staff": samples.GRACE, "starts_at": NINE.isoformat()}
    page = (await browser.get(details(**at, q=" Lin "))).text
    (asked,) = gateway.asked(CUSTOMERS)
    assert (asked.query["q"], asked.query["limit"]) == ("Lin", "10")
    assert "Lin &lt;Chen&gt;" in page
    assert "There are more" in page
    link = f"{DETAILS}?service={samples.SERVICE}&staff={samples.GRACE}"
    link += f"&starts_at={quote(NINE.isoformat())}&customer={samples.CUSTOMER}"
    assert f'href="{link}&key=' in unescape(page)
    page = (await browser.get(link)).text
    assert 'value="Lin &lt;Chen&gt;"' in field(page, "name")
    assert 'value="lin@example.com"' in field(page, "email")
    assert 'value="+351912345678"' in field(page, "phone")
    assert " checked" in field(page, "consent_email")
    assert " checked" not in field(page, "consent_sms")
    assert f'value="{NINE:%Y-%m-%dT%H:%M}"' in field(page, "starts_at")
    refused = (await browser.submit(link, NEW, {"staff": str(samples.GRACE)})).text
    for form, date in ((page, NINE.date().isoformat()), (refused, "")):
        back = (
            f"{NEW}?service={samples.SERVICE}&staff={samples.GRACE}&date={date}&customer={samples.CUSTOMER}"
        )
        assert f'href="{back}"' in unescape(form)


async def test_who_is_not_known_is_typed(gateway: Script, browser: Browser) -> None:
    gateway.on(CUSTOMERS, samples.page())
    assert "Nobody is known" in (await browser.get(details(q="<Zoe>"))).text
    gateway.refuse(CUSTOMERS, 422, "invalid", "…", q="must not contain control characters")
    assert "Nobody is known" in (await browser.get(details(q="\x01"))).text
    assert 'value=""' in field((await browser.get(details(customer="x"))).text, "name")
    assert 'value=""' in field((await browser.get(details(customer=samples.CUSTOMER))).text, "name")
    erased = desk.known(name="", email=None, phone=None, erased_at=NINE)
    gateway.on(KNOWN, erased | {"name": "Erased"})
    assert 'value=""' in field((await browser.get(details(customer=samples.CUSTOMER))).text, "name")


async def test_an_appointment_leads_to_another_one_for_the_same_customer(
    gateway: Script, browser: Browser
) -> None:
    page = f"/dashboard/appointments/{samples.APPOINTMENT}"
    again = f"{NEW}?service={samples.SERVICE}&customer={samples.CUSTOMER}"
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(NINE))
    gateway.on(KNOWN, desk.known())
    assert f'href="{again}"' in unescape((await browser.get(page)).text)
    picker = (await browser.get(again)).text
    assert "For Lin &lt;Chen&gt;" in picker
    assert hidden_fields(picker, DETAILS)["customer"] == str(samples.CUSTOMER)
    assert f"customer={samples.CUSTOMER}" in picker.partition('rel="next"')[2].partition(">")[0]
    for changes in (
        {"customer": desk.known(name="", email=None, phone=None, erased_at=NINE)},
        {"service_id": UUID(int=99)},
    ):
        gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(NINE, **changes))
        assert "Book again" not in (await browser.get(page)).text
